/* matmul_walk.h: how a product is walked (few columns: pairs of row vectors straight from the
 * tiles; many: panels of 256 inputs unpacked once; floats: four row vectors), and the macros that
 * spell a kernel for each number of columns. Included by the kernel templates, compiled once per
 * ISA.
 *
 * Tried and slower: one vector of rows x 12 columns (twice the activation loads), sums of the
 * panels in the result itself (its columns are a power of two apart: 50 % of the dot rate instead
 * of 72), panels of 512 inputs (no gain). */
#ifndef IG_BACKEND_CPU_MATMUL_WALK_H
#define IG_BACKEND_CPU_MATMUL_WALK_H

#include "backend/cpu/matmul_int.h"

#define IG_GROUP IG_CAT2(IG_GROUP, IG_ISA)
#define IG_FLOAT_GROUP IG_CAT2(IG_FLOAT_GROUP, IG_ISA)
/* How far ahead of a stream of weights a kernel prefetches, into L2 only: fetches into L1 take its
 * few miss buffers, so that the loads that are due wait for them. The processor's own prefetching
 * does most of the work, if lines of a tile are first asked for in ascending order (scales lie
 * before the quants for that) and at an even pace, on four streams rather than two. One column, one
 * core, GB/s: Q6_K 20.8 to 27.2, Q8_0 22 to 31, Q4_K 22.5 to 27, BF16 28 to 34; 4096 bytes ahead
 * gave 20, 25, 23, 28. */
#define IG_AHEAD_BYTES 1024
#define IG_AHEAD(p) __builtin_prefetch((p), 0, 2)
/* The block from which on what is fetched belongs to the next tile of the stream. */
static inline uint32_t ig_turn(uint32_t n_blocks, uint32_t block_bytes) {
    const uint32_t n = IG_AHEAD_BYTES / block_bytes;
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

/* Between sub-blocks: lines that both use are loaded again. Without it the compilers keep eight of
 * them on the stack. */
#define IG_FORGET_LOADS() __asm__ volatile("" ::: "memory")

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

/* ---- few columns: two vectors of rows straight from the packed tiles ------------------------- */

/* Two vectors of rows (a, b): their tiles and first rows in them; how far behind the end of a tile
 * the next ones lie, for prefetching; where results go. */
typedef struct ig_pair_args {
    const uint8_t *ta, *tb;
    uint32_t ra, rb, n_blocks;
    ptrdiff_t ahead_next;
    float *out_a, *out_b;
    size_t out_stride, out_stride_b;
} ig_pair_args;

typedef void (*ig_pair_fn)(const ig_pair_args *args, const uint8_t *x);

/* One group of few columns against all vectors of rows. */
static inline void walk_pairs(const ig_walk *w, ig_pair_fn fn) {
    float nowhere[IG_LANES]; /* the second vector of an odd last one */
    ig_pair_args a = {.n_blocks = w->n_blocks, .out_stride = w->out_stride};
    for (uint32_t v = 0; v < w->n_vectors; v += 2) {
        const bool both = v + 1 < w->n_vectors;
        const uint32_t second = both ? v + 1 : v;
        a.ta = w->tiles + v / IG_PER_TILE * w->tile_bytes;
        a.tb = w->tiles + second / IG_PER_TILE * w->tile_bytes;
        a.ra = v % IG_PER_TILE * IG_LANES;
        a.rb = second % IG_PER_TILE * IG_LANES;
        a.ahead_next =
            ((ptrdiff_t)((v + 2) / IG_PER_TILE - v / IG_PER_TILE) - 1) * (ptrdiff_t)w->tile_bytes;
        a.out_a = w->out + v * IG_LANES;
        a.out_b = both ? a.out_a + IG_LANES : nowhere;
        a.out_stride_b = both ? w->out_stride : 0;
        fn(&a, w->acts);
    }
}

/* ---- one column: four vectors of rows ---------------------------------------------------------
 */

/* Vectors of rows: the tile of each and its first row in it; how much farther than the next bytes
 * of a tile those lie that follow its end, for prefetching; where results go. */
typedef struct ig_four_args {
    const uint8_t *t[4];
    uint32_t r[4], n_blocks;
    ptrdiff_t ahead_next;
    float *out[4];
} ig_four_args;

typedef void (*ig_four_fn)(const ig_four_args *args, const uint8_t *x);

static inline void walk_fours(const ig_walk *w, ig_four_fn fn) {
    float nowhere[IG_LANES]; /* vectors beyond the last */
    ig_four_args a = {.n_blocks = w->n_blocks};
    for (uint32_t v = 0; v < w->n_vectors; v += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t u = IG_MIN(v + i, w->n_vectors - 1);
            a.t[i] = w->tiles + u / IG_PER_TILE * w->tile_bytes;
            a.r[i] = u % IG_PER_TILE * IG_LANES;
            a.out[i] = v + i < w->n_vectors ? w->out + (v + i) * IG_LANES : nowhere;
        }
        a.ahead_next =
            ((ptrdiff_t)((v + 4) / IG_PER_TILE - v / IG_PER_TILE) - 1) * (ptrdiff_t)w->tile_bytes;
        fn(&a, w->acts);
    }
}

/* ---- many columns: 256 inputs of two vectors of rows at a time, unpacked once for all columns  */

/* 256 inputs of one vector of rows as the dot products take them, scales as floats. Lives in L1. */
typedef struct ig_panel {
    uint8_t words[64][4 * IG_LANES] IG_ALIGNED(64);
    float scale[16][IG_LANES];           /* per block or sub-block */
    float least[8][IG_LANES];            /* per block; [0] per super-block */
    uint8_t least_pair[8][4 * IG_LANES]; /* super-blocks: mins as pairs of halves */
} ig_panel;

/* A pass: this many vectors of rows (8 tiles) and columns share it. Their sums (on the stack: with
 * columns of the result a power of two apart they would push each other out of the caches) and 256
 * inputs of activations stay in L2. */
#define IG_PASS_VECTORS (8 * IG_TILE_ROWS / IG_LANES)
#define IG_PASS_COLUMNS 264u
#define IG_PASS_GROUPS (IG_PASS_COLUMNS / IG_GROUP)

/* Sums of a group of columns for two vectors of rows; no sums at all stand for zeros. */
typedef struct ig_panel_sums {
    float *a, *b;
    size_t stride_a, stride_b; /* floats from column to column */
} ig_panel_sums;

typedef struct ig_panel_fns {
    uint32_t blocks;      /* in 256 inputs */
    uint32_t block_bytes; /* of a tile */
    uint32_t act_bytes;   /* of a block and one column */
    /* n blocks of the tile from block b on, lanes from row on. */
    void (*unpack)(const uint8_t *tile, uint32_t b, uint32_t n, uint32_t row, ig_panel *panel);
    /* to->a[c][lane] = from->a[c][lane] + panel a times nr columns of activations, and b likewise;
     * n blocks. */
    void (*multiply[IG_GROUP])(const ig_panel *a, const ig_panel *b, uint32_t n, const uint8_t *x,
                               const ig_panel_sums *from, const ig_panel_sums *to);
} ig_panel_fns;

/* Two panels of vectors v and v + 1 (an odd last one twice), n blocks from b on; what the next
 * panels need is fetched. */
static inline void unpack_panels(const ig_walk *w, const ig_panel_fns *fns, uint32_t v, uint32_t v1,
                                 uint32_t b, uint32_t n, ig_panel *panels) {
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t u = IG_MIN(v + i, v1 - 1);
        const uint8_t *const tile = w->tiles + u / IG_PER_TILE * w->tile_bytes;
        const uint8_t *const later = tile + 2 * w->tile_bytes + b * (size_t)fns->block_bytes;
        for (uint32_t line = 0; line < fns->block_bytes * n; line += IG_LINE)
            IG_AHEAD(later + line);
        fns->unpack(tile, b, n, u % IG_PER_TILE * IG_LANES, &panels[i]);
    }
}

/* Vectors [v0, v1) times groups [g0, g1); the last group has `last` columns, the others IG_GROUP.
 * The first blocks start from nothing, the last go straight to the result. */
static inline void panel_pass(const ig_walk *w, const ig_panel_fns *fns, uint32_t v0, uint32_t v1,
                              uint32_t g0, uint32_t g1, uint32_t last) {
    float sums[IG_PASS_VECTORS][IG_PASS_COLUMNS][IG_LANES] IG_ALIGNED(64);
    float nowhere[IG_LANES]; /* the second vector of an odd last one */
    ig_panel panels[2];
    for (uint32_t b = 0; b < w->n_blocks; b += fns->blocks) {
        const uint32_t n = IG_MIN(fns->blocks, w->n_blocks - b);
        for (uint32_t v = v0; v < v1; v += 2) {
            const bool both = v + 1 < v1;
            unpack_panels(w, fns, v, v1, b, n, panels);
            for (uint32_t g = g0; g < g1; g++) {
                const uint32_t nr = g + 1 < g1 ? IG_GROUP : last, c = (g - g0) * IG_GROUP;
                const ig_panel_sums local = {sums[v - v0][c], sums[v - v0 + 1][c], IG_LANES,
                                             IG_LANES};
                float *const out =
                    w->out + (size_t)g * IG_GROUP * w->out_stride + (size_t)v * IG_LANES;
                const ig_panel_sums result = {out, both ? out + IG_LANES : nowhere, w->out_stride,
                                              both ? w->out_stride : 0};
                fns->multiply[nr - 1](
                    &panels[0], &panels[1], n,
                    w->acts + g * w->group_bytes + (size_t)b * fns->act_bytes * nr,
                    b == 0 ? NULL : &local, b + n < w->n_blocks ? &local : &result);
            }
        }
    }
}

/* The whole product of an integer type; many columns in passes of about equal width. */
static inline void walk_integer(const ig_walk *w, ig_four_fn four, const ig_pair_fn *pairs,
                                const ig_panel_fns *panels, uint32_t n_cols) {
    const uint32_t n_groups = (uint32_t)ig_div_up(n_cols, IG_GROUP);
    if (n_cols == 1) {
        walk_fours(w, four);
        return;
    }
    if (n_groups == 1) {
        walk_pairs(w, pairs[n_cols - 1]);
        return;
    }
    const uint32_t per_pass = (uint32_t)ig_div_up(n_groups, ig_div_up(n_groups, IG_PASS_GROUPS));
    for (uint32_t g = 0; g < n_groups; g += per_pass) {
        const uint32_t end = IG_MIN(g + per_pass, n_groups);
        const uint32_t last = end == n_groups ? n_cols - (n_groups - 1) * IG_GROUP : IG_GROUP;
        for (uint32_t v = 0; v < w->n_vectors; v += IG_PASS_VECTORS)
            panel_pass(w, panels, v, IG_MIN(v + IG_PASS_VECTORS, w->n_vectors), g, end, last);
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

#define IG_PAIR_FN(codec, nr)                                                                      \
    static void IG_CAT3(codec, pair##nr, IG_ISA)(const ig_pair_args *args, const uint8_t *x) {     \
        IG_CAT3(codec, pair, IG_ISA)(args, x, nr);                                                 \
    }
#define IG_QUAD_FN(codec, nr)                                                                      \
    static void IG_CAT3(codec, quad##nr, IG_ISA)(const ig_quad_args *args, const uint8_t *x) {     \
        IG_CAT3(codec, quad, IG_ISA)(args, x, nr);                                                 \
    }
#define IG_PANEL_FN(codec, nr)                                                                     \
    static void IG_CAT3(codec, panel##nr, IG_ISA)(                                                 \
        const ig_panel *a, const ig_panel *b, uint32_t n, const uint8_t *x,                        \
        const ig_panel_sums *from, const ig_panel_sums *to) {                                      \
        IG_CAT3(codec, panel, IG_ISA)(a, b, n, x, from, to, nr);                                   \
    }
#define IG_PAIR_NAME(codec, nr) IG_CAT3(codec, pair##nr, IG_ISA),
#define IG_QUAD_NAME(codec, nr) IG_CAT3(codec, quad##nr, IG_ISA),
#define IG_PANEL_NAME(codec, nr) IG_CAT3(codec, panel##nr, IG_ISA),

/* X for each number of columns of a group. */
#define IG_EACH_2(X, codec) X(codec, 1) X(codec, 2)
#define IG_EACH_4(X, codec) IG_EACH_2(X, codec) X(codec, 3) X(codec, 4)
#define IG_EACH_6(X, codec) IG_EACH_4(X, codec) X(codec, 5) X(codec, 6)
/* The same from two columns on. */
#define IG_FROM2_2(X, codec) X(codec, 2)
#define IG_FROM2_4(X, codec) IG_FROM2_2(X, codec) X(codec, 3) X(codec, 4)
#define IG_FROM2_6(X, codec) IG_FROM2_4(X, codec) X(codec, 5) X(codec, 6)
#define IG_EACH_N_(n, X, codec) IG_EACH_##n(X, codec)
#define IG_EACH_N(n, X, codec) IG_EACH_N_(n, X, codec)
#define IG_FROM2_N_(n, X, codec) IG_FROM2_##n(X, codec)
#define IG_FROM2_N(n, X, codec) IG_FROM2_N_(n, X, codec)

#define IG_MULTIPLY_HEAD(codec)                                                                    \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols,     \
                                             uint32_t tile0, uint32_t tile1, const void *acts,     \
                                             uint32_t n_cols, float *out, size_t out_stride);      \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols,     \
                                             uint32_t tile0, uint32_t tile1, const void *acts,     \
                                             uint32_t n_cols, float *out, size_t out_stride)

#define IG_MATMUL_INTEGER(codec, form, dtype_, blocks_, block_bytes_, act_dwords)                  \
    IG_FROM2_N(IG_GROUP, IG_PAIR_FN, codec)                                                        \
    IG_EACH_N(IG_GROUP, IG_PANEL_FN, codec)                                                        \
    IG_MULTIPLY_HEAD(codec) {                                                                      \
        static const ig_pair_fn PAIRS[] = {NULL, IG_FROM2_N(IG_GROUP, IG_PAIR_NAME, codec)};       \
        static const ig_panel_fns PANELS = {                                                       \
            .blocks = (blocks_),                                                                   \
            .block_bytes = (block_bytes_),                                                         \
            .act_bytes = 4 * (act_dwords),                                                         \
            .unpack = IG_CAT3(codec, unpack, IG_ISA),                                              \
            .multiply = {IG_EACH_N(IG_GROUP, IG_PANEL_NAME, codec)}};                              \
        const ig_walk w = walk_of((ig_dtype)(dtype_), form, IG_GROUP, packed, cols, tile0, tile1,  \
                                  acts, out, out_stride);                                          \
        (void)rows;                                                                                \
        walk_integer(&w, IG_CAT3(codec, four, IG_ISA), PAIRS, &PANELS, n_cols);                    \
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
