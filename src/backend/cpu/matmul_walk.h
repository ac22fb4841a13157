/* matmul_walk.h: how a product is walked: blocks of columns that stay in L2, pairs of row vectors, groups of columns; and
 * the macros that spell a kernel for 1..6 columns. Included by the kernel templates, compiled once per ISA. */
#ifndef IG_BACKEND_CPU_MATMUL_WALK_H
#define IG_BACKEND_CPU_MATMUL_WALK_H

#include "backend/cpu/matmul_int.h"

#define IG_GROUP IG_CAT2(IG_GROUP, IG_ISA)
#define IG_FLOAT_GROUP IG_CAT2(IG_FLOAT_GROUP, IG_ISA)
/* How far ahead of the stream of weights a kernel prefetches. */
#ifndef IG_AHEAD_BYTES
#define IG_AHEAD_BYTES 4096
#endif
/* Prefetches into L2 only: fetches into L1 take its few miss buffers, so that the loads that are due wait for them. One
 * column of Q4_K reads at 14 GB/s a core with them, at 15 without any and at 22, the memory's rate, with these. */
#define IG_AHEAD(p) __builtin_prefetch((p), 0, 2)
/* Activations of a block of columns: they and two tiles of weights stay in a core's L2. */
#define IG_COLUMN_BLOCK_BYTES (512u << 10)

/* X(0)..X(5) as declarations; X(0)..X(nr - 1) as statements, nr a constant of the inlined body. */
#define IG_EACH6(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define IG_COLUMNS(X)        \
    {                        \
        {X(0)} if (nr > 1) { \
            X(1)             \
        }                    \
        if (nr > 2) {        \
            X(2)             \
        }                    \
        if (nr > 3) {        \
            X(3)             \
        }                    \
        if (nr > 4) {        \
            X(4)             \
        }                    \
        if (nr > 5) {        \
            X(5)             \
        }                    \
    }

/* Between sub-blocks: lines that both use are loaded again. Without it the compilers keep eight of them on the stack. */
#define IG_FORGET_LOADS() __asm__ volatile("" ::: "memory")

/* Two vectors of rows (a, b): their tiles and first rows in them; how far ahead of the end of a tile the next pair lies,
 * for prefetching; where results go. */
typedef struct ig_pair_args {
    const uint8_t *ta, *tb;
    ptrdiff_t ahead_next;
    uint32_t ra, rb, n_blocks;
    float *out_a, *out_b;
    size_t out_stride, out_stride_b;
} ig_pair_args;

typedef void (*ig_pair_fn)(const ig_pair_args *args, const uint8_t *x);

/* Calls the pair kernel for every pair of row vectors and every group of columns. fns[nr - 1] takes nr columns. */
static inline void walk_pairs(const ig_pair_fn *fns, ig_dtype dtype, ig_act_format form, const void *packed, uint32_t cols,
                       uint32_t tile0, uint32_t tile1, const void *acts, uint32_t n_cols, float *out,
                       size_t out_stride) {
    enum { PER_TILE = IG_TILE_ROWS / IG_LANES };
    const size_t tile_bytes = ig_tile_bytes(dtype, cols);
    const size_t group_bytes = ig_act_group_bytes(form, cols, IG_GROUP);
    const uint32_t n_groups = (uint32_t)ig_div_up(n_cols, IG_GROUP);
    const uint32_t per_block = (uint32_t)IG_MAX(IG_COLUMN_BLOCK_BYTES / group_bytes, 1);
    const uint32_t n_vectors = (tile1 - tile0) * PER_TILE;
    const uint8_t *const base = (const uint8_t *)packed + tile0 * tile_bytes;
    float nowhere[IG_LANES]; /* the second vector of an odd last one */
    ig_pair_args g = {.n_blocks = (uint32_t)ig_div_up(cols, ig_tile_form_of(dtype).inputs), .out_stride = out_stride};
    for (uint32_t g0 = 0; g0 < n_groups; g0 += per_block) {
        const uint32_t g1 = IG_MIN(g0 + per_block, n_groups);
        for (uint32_t v = 0; v < n_vectors; v += 2) {
            const bool both = v + 1 < n_vectors;
            const uint32_t w = both ? v + 1 : v;
            g.ra = v % PER_TILE * IG_LANES;
            g.rb = w % PER_TILE * IG_LANES;
            g.ta = base + v / PER_TILE * tile_bytes;
            g.tb = base + w / PER_TILE * tile_bytes;
            g.ahead_next = ((ptrdiff_t)((v + 2) / PER_TILE - v / PER_TILE) - 1) * (ptrdiff_t)tile_bytes;
            for (uint32_t group = g0; group < g1; group++) {
                const uint32_t nr = IG_MIN((uint32_t)IG_GROUP, n_cols - group * IG_GROUP);
                g.out_a = out + (size_t)group * IG_GROUP * out_stride + v * IG_LANES;
                g.out_b = both ? g.out_a + IG_LANES : nowhere;
                g.out_stride_b = both ? out_stride : 0;
                fns[nr - 1](&g, (const uint8_t *)acts + group * group_bytes);
            }
        }
    }
}

/* IG_ROW_VECTORS vectors of rows of a float type. */
typedef struct ig_quad_args {
    const uint8_t *q[IG_ROW_VECTORS];
    ptrdiff_t ahead_next;
    uint32_t n_blocks;
    float *out[IG_ROW_VECTORS];
    size_t out_stride[IG_ROW_VECTORS];
} ig_quad_args;

typedef void (*ig_quad_fn)(const ig_quad_args *args, const uint8_t *x);

static inline void walk_quads(const ig_quad_fn *fns, ig_dtype dtype, ig_act_format form, const void *packed, uint32_t cols,
                       uint32_t tile0, uint32_t tile1, const void *acts, uint32_t n_cols, float *out,
                       size_t out_stride) {
    enum { PER_TILE = IG_TILE_ROWS / IG_LANES };
    const size_t tile_bytes = ig_tile_bytes(dtype, cols);
    const size_t group_bytes = ig_act_group_bytes(form, cols, IG_FLOAT_GROUP);
    const size_t lane_bytes = ig_tile_form_of(dtype).quant_bytes / IG_TILE_ROWS;
    const uint32_t n_groups = (uint32_t)ig_div_up(n_cols, IG_FLOAT_GROUP);
    const uint32_t per_block = (uint32_t)IG_MAX(IG_COLUMN_BLOCK_BYTES / group_bytes, 1);
    const uint32_t n_vectors = (tile1 - tile0) * PER_TILE;
    const uint8_t *const base = (const uint8_t *)packed + tile0 * tile_bytes;
    float nowhere[IG_LANES]; /* vectors beyond the last */
    ig_quad_args g = {.n_blocks = (uint32_t)ig_div_up(cols, ig_tile_form_of(dtype).inputs)};
    for (uint32_t g0 = 0; g0 < n_groups; g0 += per_block) {
        const uint32_t g1 = IG_MIN(g0 + per_block, n_groups);
        for (uint32_t v = 0; v < n_vectors; v += IG_ROW_VECTORS) {
            for (uint32_t i = 0; i < IG_ROW_VECTORS; i++) {
                const uint32_t w = IG_MIN(v + i, n_vectors - 1);
                g.q[i] = base + w / PER_TILE * tile_bytes + w % PER_TILE * IG_LANES * lane_bytes;
                g.out_stride[i] = v + i < n_vectors ? out_stride : 0;
            }
            g.ahead_next = IG_AHEAD_BYTES + ((ptrdiff_t)((v + IG_ROW_VECTORS) / PER_TILE - v / PER_TILE) - 1) * (ptrdiff_t)tile_bytes;
            for (uint32_t group = g0; group < g1; group++) {
                const uint32_t nr = IG_MIN((uint32_t)IG_FLOAT_GROUP, n_cols - group * IG_FLOAT_GROUP);
                for (uint32_t i = 0; i < IG_ROW_VECTORS; i++)
                    g.out[i] = v + i < n_vectors
                                   ? out + (size_t)group * IG_FLOAT_GROUP * out_stride + (v + i) * IG_LANES
                                   : nowhere;
                fns[nr - 1](&g, (const uint8_t *)acts + group * group_bytes);
            }
        }
    }
}

/* One kernel per number of columns, then the multiply of the row. SIX(X, codec) or TWO(X, codec) list the numbers. */
#define IG_COLUMN_FN(codec, shape, nr)                                                         \
    static void IG_CAT3(codec, shape##nr, IG_ISA)(const ig_##shape##_args *g, const uint8_t *x) { \
        IG_CAT3(codec, shape, IG_ISA)(g, x, nr);                                               \
    }
#define IG_COLUMN_NAME(codec, shape, nr) IG_CAT3(codec, shape##nr, IG_ISA)
#define IG_MULTIPLY(codec, shape, form, dtype, group)                                                               \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols, uint32_t tile0,      \
                                             uint32_t tile1, const void *acts, uint32_t n_cols, float *out,         \
                                             size_t out_stride);                                                    \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols, uint32_t tile0,      \
                                             uint32_t tile1, const void *acts, uint32_t n_cols, float *out,         \
                                             size_t out_stride) {                                                   \
        static const ig_##shape##_fn FNS[group] = {IG_LIST_##group(codec, shape)};                                  \
        (void)rows;                                                                                                 \
        walk_##shape##s(FNS, dtype, form, packed, cols, tile0, tile1, acts, n_cols, out, out_stride);               \
    }
#define IG_LIST_2(codec, shape) IG_COLUMN_NAME(codec, shape, 1), IG_COLUMN_NAME(codec, shape, 2)
#define IG_LIST_6(codec, shape)                                                                                \
    IG_LIST_2(codec, shape), IG_COLUMN_NAME(codec, shape, 3), IG_COLUMN_NAME(codec, shape, 4),                 \
        IG_COLUMN_NAME(codec, shape, 5), IG_COLUMN_NAME(codec, shape, 6)
#define IG_FNS_2(codec, shape) IG_COLUMN_FN(codec, shape, 1) IG_COLUMN_FN(codec, shape, 2)
#define IG_FNS_6(codec, shape)                                                                       \
    IG_FNS_2(codec, shape) IG_COLUMN_FN(codec, shape, 3) IG_COLUMN_FN(codec, shape, 4)               \
        IG_COLUMN_FN(codec, shape, 5) IG_COLUMN_FN(codec, shape, 6)
/* Two levels, so that codec and group are expanded before they are pasted. */
#define IG_MATMUL_ROW__(codec, shape, form, dtype, group) \
    IG_FNS_##group(codec, shape) IG_MULTIPLY(codec, shape, form, dtype, group)
#define IG_MATMUL_ROW_(codec, shape, form, dtype, group) IG_MATMUL_ROW__(codec, shape, form, dtype, group)
#define IG_MATMUL_PAIRS(codec, form, dtype) IG_MATMUL_ROW_(codec, pair, form, (ig_dtype)(dtype), IG_GROUP)
#define IG_MATMUL_QUADS(codec, form, dtype) IG_MATMUL_ROW_(codec, quad, (ig_act_format)(form), (ig_dtype)(dtype), IG_FLOAT_GROUP)

#endif
