/* attn_layout.h: where a page keeps K and V, what a query sees, and how a job is cut into units.
 * Shared by all ISA levels of attention; pure functions of state, types and job.
 *
 * A page is a K plane and a V plane, each 64-byte aligned. F32, F16, BF16: K [Hk][Dk][32 tokens], V
 * [Hk][32 tokens][Dv]. Q8_0 and Q4_0 have blocks of 32 columns of one token (the last may be
 * shorter) with one f16 scale each; the quants come first, the scales [Hk][blocks][32 tokens] (K)
 * or [Hk][32 tokens][blocks] (V) behind them. Q4_0 puts columns i and i + n/2 of a block of n (n/2
 * rounded up) into byte i, low nibble first: K [Hk][bytes][32 tokens], V [Hk][32 tokens][bytes]. */
#ifndef IG_BACKEND_CPU_ATTN_LAYOUT_H
#define IG_BACKEND_CPU_ATTN_LAYOUT_H

#include "backend/cpu/cpu_attn.h"

#define ATTN_PAGE IG_PAGE_TOKENS
#define ATTN_Q_BLOCK 32u      /* columns under one scale */
#define ATTN_COLS_MAX 2048u   /* Dk, Dv: what the local scratch can hold */
#define ATTN_SPLIT_ROWS 8u    /* jobs of at most so many rows split the keys */
#define ATTN_SPLIT_UNITS 128u /* about so many units when keys are split */
#define ATTN_QUERIES 48u      /* most queries of one tile */
#define ATTN_SCORE_STRIDE                                                                          \
    (IG_ATTN_BLOCK + 16u) /* floats; off the power of two for the sake of cache sets */
#define ATTN_PAD 16u /* widest vector of any level: rows of local scratch are multiples of it */

/* One of the two planes of a page. */
typedef struct attn_plane {
    ig_dtype dtype;
    uint32_t cols;
    size_t
        row_bytes; /* K: of one column (or byte row) for 32 tokens; V: of one token. Quants only. */
    size_t head_bytes;  /* quants of one head */
    size_t scales_at;   /* from the start of the plane; Q types */
    size_t scale_bytes; /* scales of one head; Q types */
    size_t bytes;       /* the whole plane, a multiple of 64 */
} attn_plane;

/* False when the type is no cache type or cols is out of range. */
bool ig_attn_plane_k(attn_plane *p, uint32_t heads, uint32_t cols, ig_dtype dtype);
bool ig_attn_plane_v(attn_plane *p, uint32_t heads, uint32_t cols, ig_dtype dtype);

/* Bytes that hold the nibbles of a row of n columns, and first byte of block b. */
static inline uint32_t attn_nibble_bytes(uint32_t cols) {
    return cols / ATTN_Q_BLOCK * (ATTN_Q_BLOCK / 2) + (cols % ATTN_Q_BLOCK + 1) / 2;
}
static inline uint32_t attn_blocks(uint32_t cols) {
    return (cols + ATTN_Q_BLOCK - 1) / ATTN_Q_BLOCK;
}

/* Keys [lo, hi) that a row of the step sees; never empty. lo and hi do not fall from one row to the
 * next. */
typedef struct attn_range {
    uint32_t lo, hi;
} attn_range;
attn_range ig_attn_visible(const ig_attn_job *job, uint32_t row);

/* A job cut up. Queries of one K/V head are numbered row * group + g. */
typedef struct attn_cut {
    uint32_t group;            /* query heads per K/V head */
    uint32_t queries;          /* of one K/V head */
    uint32_t tile;             /* queries of one unit */
    uint32_t n_tiles;          /* of one K/V head */
    uint32_t block0, n_blocks; /* key blocks that any row sees */
    uint32_t unit_blocks;      /* blocks of one unit, when split */
    uint32_t n_splits;         /* 1 = the keys are not split */
    uint32_t v_stride;         /* Dv rounded up to ATTN_PAD */
} attn_cut;
void ig_attn_cut(const ig_attn_job *job, attn_cut *cut);
uint32_t ig_attn_units(const ig_attn_job *job, size_t *scratch_bytes);

/* Partial result of one query and one block in scratch, in floats: max, sum, padding, acc
 * [v_stride]. */
#define ATTN_PARTIAL_ACC 16u
static inline size_t attn_partial_at(const attn_cut *c, uint32_t head, uint32_t query,
                                     uint32_t block) {
    return (((size_t)head * c->queries + query) * c->n_blocks + block) *
           (c->v_stride + ATTN_PARTIAL_ACC);
}

/* Local scratch in floats, apart from ATTN_QUERIES rows of queries: one K and one V page in f32 and
 * the key positions. */
static inline size_t attn_local_fixed(uint32_t k_cols, uint32_t v_cols) {
    return ATTN_PAGE * (k_cols + ig_round_up(v_cols, ATTN_PAD)) + IG_ATTN_BLOCK;
}
/* … and of one query: q, scores, running and block accumulators. */
static inline size_t attn_local_query(uint32_t k_cols, uint32_t v_cols) {
    return k_cols + ATTN_PAD + ATTN_SCORE_STRIDE + 2 * ig_round_up(v_cols, ATTN_PAD);
}

#endif
