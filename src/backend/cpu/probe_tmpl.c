/* probe_tmpl.c: the roofs of one core for one ISA, through the same verbs as the kernels. Compiled
 * once per ISA. */
#include IG_SIMD_HEADER

#include "backend/cpu/cpu_probe.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define DOT_STEPS 20000u
#define ACCUMULATORS 12u
#define FETCH_AHEAD 1024u

static uint64_t fold(vi v) {
    uint32_t lanes[IG_LANES];
    uint64_t sum = 0;
    memcpy(lanes, &v, sizeof lanes);
    for (unsigned i = 0; i < IG_LANES; i++)
        sum += lanes[i];
    return sum;
}

/* Four streams, fetched ahead as the kernels do: the processor keeps more memory in flight than for
 * one. */
static uint64_t stream_read(const uint8_t *p, size_t bytes) {
    const size_t quarter = bytes / 4;
    vi a = vi_zero(), b = a, c = a, d = a;
    for (size_t i = 0; i < quarter; i += sizeof(vi)) {
        if (i % IG_CACHE_LINE == 0) {
            for (size_t k = 0; k < 4; k++)
                ig_prefetch_l2(p + k * quarter + i + FETCH_AHEAD);
        }
        a = vi_add(a, vi_load(p + i));
        b = vi_add(b, vi_load(p + quarter + i));
        c = vi_add(c, vi_load(p + 2 * quarter + i));
        d = vi_add(d, vi_load(p + 3 * quarter + i));
    }
    return fold(vi_add(vi_add(a, b), vi_add(c, d)));
}

/* Twelve independent chains hide the latency of a dot product on every core so far; they stay in
 * registers. */
static int64_t dot_round(uint32_t seed) {
    vi x = vi_set8((int)(seed & 63) + 1), y = vi_set8(3);
    /* All begin differently: equal chains would be computed once. */
    vi a0 = vi_set8(0), a1 = vi_set8(1), a2 = vi_set8(2), a3 = vi_set8(3), a4 = vi_set8(4),
       a5 = vi_set8(5), a6 = vi_set8(6), a7 = vi_set8(7), a8 = vi_set8(8), a9 = vi_set8(9),
       a10 = vi_set8(10), a11 = vi_set8(11);
    for (uint32_t i = 0; i < DOT_STEPS; i++) {
        a0 = vi_dot(a0, x, y);
        a1 = vi_dot(a1, x, y);
        a2 = vi_dot(a2, x, y);
        a3 = vi_dot(a3, x, y);
        a4 = vi_dot(a4, x, y);
        a5 = vi_dot(a5, x, y);
        a6 = vi_dot(a6, x, y);
        a7 = vi_dot(a7, x, y);
        a8 = vi_dot(a8, x, y);
        a9 = vi_dot(a9, x, y);
        a10 = vi_dot(a10, x, y);
        a11 = vi_dot(a11, x, y);
    }
    vi sum = vi_add(vi_add(vi_add(a0, a1), vi_add(a2, a3)), vi_add(vi_add(a4, a5), vi_add(a6, a7)));
    return (int64_t)fold(vi_add(sum, vi_add(vi_add(a8, a9), vi_add(a10, a11))));
}

const ig_probe_set PASTE(ig_probe_, IG_ISA) = {
    .read = stream_read,
    .dot = dot_round,
    .dot_ops = (uint64_t)DOT_STEPS * ACCUMULATORS * sizeof(vi) * 2,
};
