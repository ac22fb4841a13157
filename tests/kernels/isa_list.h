/* isa_list.h: the ISA levels of the cpu backend that this machine can run, for kernel tests and
 * benches. */
#ifndef IG_TESTS_KERNELS_ISA_LIST_H
#define IG_TESTS_KERNELS_ISA_LIST_H

#include "backend/cpu/cpu_attn.h"
#include "backend/cpu/cpu_rows.h"

typedef struct isa_level {
    const char *name;
    const ig_row_set *rows;
    const ig_attn_set *attn;
} isa_level;

#define ISA_LEVELS_MAX 4

/* Fills levels, weakest first; returns how many. */
static inline uint32_t isa_list(isa_level levels[ISA_LEVELS_MAX]) {
    uint32_t n = 0;
    levels[n++] = (isa_level){"scalar", &ig_rows_scalar, &ig_attn_scalar};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        levels[n++] = (isa_level){"avx2", &ig_rows_avx2, &ig_attn_avx2};
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
        levels[n++] = (isa_level){"avx512", &ig_rows_avx512, &ig_attn_avx512};
#elif defined(__aarch64__)
    levels[n++] = (isa_level){"neon", &ig_rows_neon, &ig_attn_neon};
#endif
    return n;
}

#endif
