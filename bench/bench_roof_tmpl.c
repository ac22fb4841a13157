/* bench_roof_tmpl.c: what the machine can do at most, per ISA: reading memory, int8 dot products,
 * BF16 dot products, FMAs. The figures of bench_matmul are shares of these, measured in the same
 * run. */
#include IG_SIMD_HEADER

#include "backend/cpu/matmul_int.h"

#define FN(name) IG_CAT3(bench, name, IG_ISA)
#define IG_BENCH_AHEAD(p) __builtin_prefetch((p), 0, 2) /* as the kernels do */
/* The compiler must not see through the loop. */
#define IG_BENCH_KEEP(v) __asm__ volatile("" : "+" IG_BENCH_REGISTER(v))
#if defined(__aarch64__)
#define IG_BENCH_REGISTER "w"
#else
#define IG_BENCH_REGISTER "x"
#endif
uint64_t FN(read)(const uint8_t *p, size_t n_bytes);
double FN(int8)(uint64_t n);
double FN(bf16)(uint64_t n);
double FN(fma)(uint64_t n);

/* Reads n_bytes (a multiple of 4096) as four streams, which is faster than one and what the kernels
 * do. */
uint64_t FN(read)(const uint8_t *p, size_t n_bytes) {
    vi a = vi_zero(), b = a, c = a, d = a;
    const size_t share = n_bytes / 4;
    for (size_t i = 0; i < share; i += IG_LANES * 4) {
        IG_BENCH_AHEAD(p + i + 1024);
        IG_BENCH_AHEAD(p + i + share + 1024);
        IG_BENCH_AHEAD(p + i + 2 * share + 1024);
        IG_BENCH_AHEAD(p + i + 3 * share + 1024);
        a = vi_add(a, vi_load(p + i));
        b = vi_add(b, vi_load(p + i + share));
        c = vi_add(c, vi_load(p + i + 2 * share));
        d = vi_add(d, vi_load(p + i + 3 * share));
    }
    int32_t lanes[IG_LANES];
    const vi sum = vi_add(vi_add(a, b), vi_add(c, d));
    memcpy(lanes, &sum, sizeof lanes);
    return (uint64_t)lanes[0];
}

/* Twelve independent chains of n steps; return operations done. */
#define CHAINS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

double FN(int8)(uint64_t n) {
    vi w = vi_set8(3), x = vi_set8(5);
#define X(i)                                                                                       \
    vi a##i = vi_zero();                                                                           \
    IG_BENCH_KEEP(a##i);
    CHAINS(X)
#undef X
    for (uint64_t k = 0; k < n; k++) {
#define X(i) a##i = vi_dot(a##i, w, x);
        CHAINS(X)
#undef X
        IG_BENCH_KEEP(w);
    }
#define X(i) IG_BENCH_KEEP(a##i);
    CHAINS(X)
#undef X
    return (double)n * 12 * IG_LANES * 8;
}

double FN(bf16)(uint64_t n) {
    const uint8_t bytes[256] = {0};
    bf16_vector w = bf16_load(bytes, 0), x = bf16_bcast(bytes);
#define X(i)                                                                                       \
    vf a##i = vf_zero();                                                                           \
    IG_BENCH_KEEP(a##i);
    CHAINS(X)
#undef X
    for (uint64_t k = 0; k < n; k++) {
#define X(i) a##i = bf16_dot(a##i, w, x);
        CHAINS(X)
#undef X
        IG_BENCH_KEEP(w);
    }
#define X(i) IG_BENCH_KEEP(a##i);
    CHAINS(X)
#undef X
    return (double)n * 12 * IG_LANES * (IG_BF16_STEPS == 1 ? 4 : 2);
}

double FN(fma)(uint64_t n) {
    const float zero = 0;
    vf w = vf_bcast(&zero), x = w;
#define X(i)                                                                                       \
    vf a##i = vf_zero();                                                                           \
    IG_BENCH_KEEP(a##i);
    CHAINS(X)
#undef X
    for (uint64_t k = 0; k < n; k++) {
#define X(i) a##i = vf_fma(w, x, a##i);
        CHAINS(X)
#undef X
        IG_BENCH_KEEP(w);
    }
#define X(i) IG_BENCH_KEEP(a##i);
    CHAINS(X)
#undef X
    return (double)n * 12 * IG_LANES * 2;
}
