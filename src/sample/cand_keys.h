/* cand_keys.h: candidates as 64-bit keys: the logit's order in the high half, the complement of the
 * id in the low half. Descending keys are descending logits with ties by ascending id, all keys
 * differ, and every algorithm is over integers: linear in n and the same for any input. Internal to
 * the room. */
#ifndef IG_SAMPLE_CAND_KEYS_H
#define IG_SAMPLE_CAND_KEYS_H

#include "sample/sample_math.h"

IG_INLINE uint64_t ig_key_of(float logit, int32_t id) {
    return (uint64_t)ig_order_of(logit) << 32 | (uint32_t)~id;
}
IG_INLINE float ig_key_logit(uint64_t key) {
    return ig_order_value((uint32_t)(key >> 32));
}
IG_INLINE int32_t ig_key_id(uint64_t key) {
    return (int32_t) ~(uint32_t)key;
}

/* Descending; tmp has room for n. */
void ig_keys_sort(uint64_t *keys, uint64_t *tmp, uint32_t n);

/* The lowest key of the shortest descending prefix whose weight (w[i] for keys[i], or 1 each when w
 * is NULL) reaches target: sum >= target, or sum > target when `beyond`. 0 when all of them
 * together do not. */
uint64_t ig_keys_prefix(const uint64_t *keys, const float *w, uint32_t n, double target,
                        bool beyond);

/* Keeps keys >= lowest in their order; returns how many. */
uint32_t ig_keys_keep(uint64_t *keys, uint32_t n, uint64_t lowest);

#endif
