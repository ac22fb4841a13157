/* matmul_walk.h: how a product is walked (integers: four vectors of rows straight from the tiles, a
 * kernel for one column and one for a span of them; floats: four vectors of rows and a few
 * columns), and the macros that spell the kernels. Included by the kernel templates, compiled once
 * per ISA.
 *
 * A span of columns: eight words of two vectors of rows are unpacked into 16 registers and stay
 * there while all columns of the span pass, each with its own sums in L1 (loaded and stored once
 * per eight words). What a column costs does not depend on their number, weights are read from
 * memory once, and loads, conversions and stores lie evenly between the dot products.
 *
 * Tried and slower. Q4_K from L2, one core, share of the dot rate, where a span of 6, 16, 64
 * columns has 73, 77, 80 %: four vectors of rows x 6 columns straight from the tiles, float sums in
 * L1 (62 %, its 24 stores come in a burst; x 4 columns 70 %); panels of 256 inputs unpacked to L1
 * for groups of 6 columns (16, 64 columns: 70, 78 %). From memory, 6 columns: two vectors of rows
 * with all sums in registers 248 GOPS, a span 280 to 299. Fetching the next lines after the loads
 * of eight words instead of before: the same. */
#ifndef IG_BACKEND_CPU_MATMUL_WALK_H
#define IG_BACKEND_CPU_MATMUL_WALK_H

#include "backend/cpu/matmul_int.h"

#include <string.h>

#define IG_FLOAT_GROUP IG_CAT2(IG_FLOAT_GROUP, IG_ISA)
/* How far ahead of a stream of weights a kernel prefetches, into L2 only: fetches into L1 take its
 * few miss buffers, so that the loads that are due wait for them. The processor's own prefetching
 * does most of the work, if lines of a tile are first asked for in ascending order (scales lie
 * before the quants for that) and at an even pace, on four streams rather than two. One column, one
 * core, GB/s: Q6_K 20.8 to 27.2, Q8_0 22 to 31, Q4_K 22.5 to 27, BF16 28 to 34; 4096 bytes ahead
 * gave 20, 25, 23, 28. Several columns walk less evenly, two vectors of rows at a time, and gain
 * from a greater distance (4 columns of Q6_K 149 to 213 GOPS) and, in super-blocks, from fetching
 * the next eight words of theirs into L1. */
#define IG_AHEAD_BYTES 1024
#define IG_SPAN_AHEAD_BYTES 4096
#define IG_AHEAD(p) __builtin_prefetch((p), 0, 2)
/* The block from which on what is fetched belongs to the next tile of the stream. */
static inline uint32_t ig_turn(uint32_t n_blocks, uint32_t block_bytes, uint32_t ahead_bytes) {
    const uint32_t n = ahead_bytes / block_bytes;
    return n < n_blocks ? n_blocks - n : 0;
}
/* Fetches into L1 what is about to be used, so that lines are first asked for in ascending order.
 */
#define IG_TOUCH(p) __builtin_prefetch((p), 0, 3)
/* Activations of a block of columns: they and two tiles of weights stay in a core's L2. */
#define IG_COLUMN_BLOCK_BYTES (512u << 10)

/* X(0)..X(5) as declarations; X(0)..X(nr - 1) as statements, nr a constant of the inlined body. */
#define IG_EACH6(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define IG_EACH4(X) X(0) X(1) X(2) X(3)
#define IG_COUNT4(X) X(0) X(1) X(2) X(3) /* again, for use inside IG_EACH4 or the reverse */
#define IG_EACH8(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define IG_EACH8_APART(X) X(0) X(4) X(1) X(5) X(2) X(6) X(3) X(7)
#define IG_COLUMNS(X)                                                                              \
    {                                                                                              \
        { X(0) }                                                                                   \
        if (nr > 1) {                                                                              \
            X(1)                                                                                   \
        }                                                                                          \
        if (nr > 2) {                                                                              \
            X(2)                                                                                   \
        }                                                                                          \
        if (nr > 3) {                                                                              \
            X(3)                                                                                   \
        }                                                                                          \
        if (nr > 4) {                                                                              \
            X(4)                                                                                   \
        }                                                                                          \
        if (nr > 5) {                                                                              \
            X(5)                                                                                   \
        }                                                                                          \
    }

/* A product as the walks take it apart. */
typedef struct ig_walk {
    const uint8_t *tiles; /* first tile of the share */
    size_t tile_bytes, group_bytes;
    uint32_t n_vectors, n_blocks;
    const uint8_t *acts;
    float *out;
    size_t out_stride;
} ig_walk;

enum { IG_PER_TILE = IG_TILE_ROWS / IG_LANES };

static inline ig_walk walk_of(ig_dtype dtype, ig_act_format form, uint32_t group,
                              const void *packed, uint32_t cols, uint32_t tile0, uint32_t tile1,
                              const void *acts, float *out, size_t out_stride) {
    const size_t tile_bytes = ig_tile_bytes(dtype, cols);
    return (ig_walk){
        .tiles = (const uint8_t *)packed + tile0 * tile_bytes,
        .tile_bytes = tile_bytes,
        .group_bytes = ig_act_group_bytes(form, cols, group),
        .n_vectors = (tile1 - tile0) * IG_PER_TILE,
        .n_blocks = (uint32_t)ig_div_up(cols, ig_tile_form_of(dtype).inputs),
        .acts = acts,
        .out = out,
        .out_stride = out_stride,
    };
}

/* ---- integers: four vectors of rows straight from the packed tiles --------------------------- */

/* Vectors of rows: the tile of each and its first row in it; how much farther than the next bytes
 * of a tile those lie that follow its end, for prefetching; where results go and how far apart
 * those of two columns are. */
typedef struct ig_four_args {
    const uint8_t *t[4];
    uint32_t r[4], n_blocks;
    ptrdiff_t ahead_next;
    float *out[4];
    size_t out_stride[4];
} ig_four_args;

typedef void (*ig_four_fn)(const ig_four_args *args, const uint8_t *x);
typedef void (*ig_span_fn)(const ig_four_args *args, const uint8_t *x, uint32_t n);

/* Two vectors of rows and a block of a span of n columns. */
typedef struct ig_held {
    const uint8_t *tile[2];
    uint32_t row[2], n;
    const uint8_t *x;
    float *t, *f; /* sums: [n][2][IG_LANES] of the block, [n][4][IG_LANES] of all */
} ig_held;

/* Fetches lines [from, to) of each tile, `ahead` bytes further on. */
static inline void ig_fetch_lines(const ig_four_args *args, ptrdiff_t ahead, uint32_t from,
                                  uint32_t to) {
    for (uint32_t line = from; line < to; line++) {
        for (int v = 0; v < 4; v++)
            IG_AHEAD(args->t[v] + ahead + line * IG_LINE);
    }
}

/* Fetches what block b of n_blocks has to of the place of the result: columns of a wide one lie in
 * pages of their own, and the stores would wait for memory at the end. */
static inline void ig_fetch_out(const ig_four_args *args, uint32_t n, uint32_t b) {
    for (uint32_t c = n * b / args->n_blocks; c < n * (b + 1) / args->n_blocks; c++) {
        for (int v = 0; v < 4; v++)
            __builtin_prefetch(args->out[v] + c * args->out_stride[v], 1, 2);
    }
}

/* Sums [n][4][IG_LANES] to the result. */
static inline void ig_store_sums(const ig_four_args *args, const float *f, uint32_t n) {
    for (uint32_t c = 0; c < n; c++) {
        for (uint32_t v = 0; v < 4; v++)
            vf_store(args->out[v] + c * args->out_stride[v], vf_load(f + (4 * c + v) * IG_LANES));
    }
}

/* All spans of columns against four vectors of rows, then the next four: memory is read once, and
 * what later spans read lies in L2. */
static inline void walk_integer(const ig_walk *w, ig_four_fn one, ig_span_fn span,
                                uint32_t n_cols) {
    float nowhere[IG_LANES]; /* vectors beyond the last */
    ig_four_args a = {.n_blocks = w->n_blocks};
    for (uint32_t v = 0; v < w->n_vectors; v += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t u = IG_MIN(v + i, w->n_vectors - 1);
            a.t[i] = w->tiles + u / IG_PER_TILE * w->tile_bytes;
            a.r[i] = u % IG_PER_TILE * IG_LANES;
            a.out[i] = v + i < w->n_vectors ? w->out + (v + i) * IG_LANES : nowhere;
            a.out_stride[i] = v + i < w->n_vectors ? w->out_stride : 0;
        }
        a.ahead_next =
            ((ptrdiff_t)((v + 4) / IG_PER_TILE - v / IG_PER_TILE) - 1) * (ptrdiff_t)w->tile_bytes;
        for (uint32_t c = 0; c < n_cols; c += IG_SPAN) {
            const uint32_t n = IG_MIN(IG_SPAN, n_cols - c);
            const uint8_t *const x = w->acts + c / IG_SPAN * w->group_bytes;
            if (n == 1)
                one(&a, x);
            else
                span(&a, x, n);
            for (uint32_t i = 0; i < 4; i++)
                a.out[i] += IG_SPAN * a.out_stride[i];
        }
    }
}

/* ---- floats ---------------------------------------------------------------------------------- */

/* IG_ROW_VECTORS vectors of rows of a float type. */
typedef struct ig_quad_args {
    const uint8_t *q[IG_ROW_VECTORS];
    ptrdiff_t ahead_next;
    uint32_t n_blocks;
    float *out[IG_ROW_VECTORS];
    size_t out_stride[IG_ROW_VECTORS];
} ig_quad_args;

typedef void (*ig_quad_fn)(const ig_quad_args *args, const uint8_t *x);

static inline void walk_quads(const ig_walk *w, const ig_quad_fn *fns, ig_dtype dtype,
                              uint32_t n_cols) {
    const size_t lane_bytes = ig_tile_form_of(dtype).quant_bytes / IG_TILE_ROWS;
    const uint32_t n_groups = (uint32_t)ig_div_up(n_cols, IG_FLOAT_GROUP);
    const uint32_t per_block =
        (uint32_t)IG_MAX(IG_COLUMN_BLOCK_BYTES / IG_MAX(w->group_bytes, 1), 1);
    float nowhere[IG_LANES]; /* vectors beyond the last */
    ig_quad_args a = {.n_blocks = w->n_blocks};
    for (uint32_t g0 = 0; g0 < n_groups; g0 += per_block) {
        const uint32_t g1 = IG_MIN(g0 + per_block, n_groups);
        for (uint32_t v = 0; v < w->n_vectors; v += IG_ROW_VECTORS) {
            for (uint32_t i = 0; i < IG_ROW_VECTORS; i++) {
                const uint32_t u = IG_MIN(v + i, w->n_vectors - 1);
                a.q[i] = w->tiles + u / IG_PER_TILE * w->tile_bytes +
                         u % IG_PER_TILE * IG_LANES * lane_bytes;
                a.out_stride[i] = v + i < w->n_vectors ? w->out_stride : 0;
            }
            a.ahead_next = IG_AHEAD_BYTES +
                           ((ptrdiff_t)((v + IG_ROW_VECTORS) / IG_PER_TILE - v / IG_PER_TILE) - 1) *
                               (ptrdiff_t)w->tile_bytes;
            for (uint32_t g = g0; g < g1; g++) {
                const uint32_t nr = IG_MIN((uint32_t)IG_FLOAT_GROUP, n_cols - g * IG_FLOAT_GROUP);
                for (uint32_t i = 0; i < IG_ROW_VECTORS; i++)
                    a.out[i] = v + i < w->n_vectors
                                   ? w->out + (size_t)g * IG_FLOAT_GROUP * w->out_stride +
                                         (v + i) * IG_LANES
                                   : nowhere;
                fns[nr - 1](&a, w->acts + g * w->group_bytes);
            }
        }
    }
}

/* ---- rows of the table: a kernel per number of columns, then the multiply of the row --------- */

#define IG_QUAD_FN(codec, nr)                                                                      \
    static void IG_CAT3(codec, quad##nr, IG_ISA)(const ig_quad_args *args, const uint8_t *x) {     \
        IG_CAT3(codec, quad, IG_ISA)(args, x, nr);                                                 \
    }
#define IG_QUAD_NAME(codec, nr) IG_CAT3(codec, quad##nr, IG_ISA),

/* X for each number of columns of a group. */
#define IG_EACH_2(X, codec) X(codec, 1) X(codec, 2)
#define IG_EACH_4(X, codec) IG_EACH_2(X, codec) X(codec, 3) X(codec, 4)
#define IG_EACH_6(X, codec) IG_EACH_4(X, codec) X(codec, 5) X(codec, 6)
#define IG_EACH_N_(n, X, codec) IG_EACH_##n(X, codec)
#define IG_EACH_N(n, X, codec) IG_EACH_N_(n, X, codec)

#define IG_MULTIPLY_HEAD(codec)                                                                    \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols,     \
                                             uint32_t tile0, uint32_t tile1, const void *acts,     \
                                             uint32_t n_cols, float *out, size_t out_stride);      \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols,     \
                                             uint32_t tile0, uint32_t tile1, const void *acts,     \
                                             uint32_t n_cols, float *out, size_t out_stride)

#define IG_MATMUL_INTEGER(codec, form, dtype_)                                                     \
    IG_MULTIPLY_HEAD(codec) {                                                                      \
        const ig_walk w = walk_of((ig_dtype)(dtype_), form, IG_SPAN, packed, cols, tile0, tile1,   \
                                  acts, out, out_stride);                                          \
        (void)rows;                                                                                \
        walk_integer(&w, IG_CAT3(codec, four, IG_ISA), IG_CAT3(codec, held, IG_ISA), n_cols);      \
    }

#define IG_MATMUL_FLOAT(codec, form, dtype_)                                                       \
    IG_EACH_N(IG_FLOAT_GROUP, IG_QUAD_FN, codec)                                                   \
    IG_MULTIPLY_HEAD(codec) {                                                                      \
        static const ig_quad_fn QUADS[] = {IG_EACH_N(IG_FLOAT_GROUP, IG_QUAD_NAME, codec)};        \
        const ig_walk w = walk_of((ig_dtype)(dtype_), (ig_act_format)(form), IG_FLOAT_GROUP,       \
                                  packed, cols, tile0, tile1, acts, out, out_stride);              \
        (void)rows;                                                                                \
        walk_quads(&w, QUADS, (ig_dtype)(dtype_), n_cols);                                         \
    }

#endif
