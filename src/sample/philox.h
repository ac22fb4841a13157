/* philox.h: Philox4x32-10, the counter-based random numbers of the room (Salmon, Moraes, Dror,
 * Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011). Pure functions. Internal to the
 * room. */
#ifndef IG_SAMPLE_PHILOX_H
#define IG_SAMPLE_PHILOX_H

#include <stdint.h>

/* out = ten rounds over counter under key. */
void ig_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Uniform in [0, 1), 53 bits: the number of (seed, draw position, stream). A stream is a stage of a
 * chain in the low half, a sequence of the request in the high half. */
double ig_uniform(uint64_t seed, uint64_t position, uint64_t stream);

#endif
