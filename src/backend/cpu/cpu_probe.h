/* cpu_probe.h: what a core can do at best, per ISA. */
#ifndef IG_BACKEND_CPU_PROBE_H
#define IG_BACKEND_CPU_PROBE_H

#include <stddef.h>
#include <stdint.h>

typedef struct ig_probe_set {
    /* Streams bytes (a multiple of 4096) and returns something. */
    uint64_t (*read)(const uint8_t *p, size_t bytes);
    int64_t (*dot)(uint32_t seed); /* one round of register-only dot products */
    uint64_t dot_ops;              /* operations of a round */
} ig_probe_set;

extern const ig_probe_set ig_probe_scalar;
extern const ig_probe_set ig_probe_avx2;
extern const ig_probe_set ig_probe_avx512;
extern const ig_probe_set ig_probe_neon;

#endif
