/* attn_layout.c: page geometry, visibility and units of attention. Pure functions; any thread. */
#include "backend/cpu/attn_layout.h"

#include <assert.h>

/* Bytes of one element of the plain types; 0 for others. */
static size_t element_bytes(ig_dtype dtype) {
    return dtype == IG_DTYPE_F32 ? 4 : dtype == IG_DTYPE_F16 || dtype == IG_DTYPE_BF16 ? 2 : 0;
}

/* Rows of `cols` elements, heads * 32 of them, as V has them; K has the same bytes in another
 * order. */
static bool plane(attn_plane *p, uint32_t heads, uint32_t cols, ig_dtype dtype) {
    const bool q8 = dtype == IG_DTYPE_Q8_0, q4 = dtype == IG_DTYPE_Q4_0;
    const size_t element = element_bytes(dtype);
    *p = (attn_plane){.dtype = dtype, .cols = cols};
    if ((!element && !q8 && !q4) || cols == 0 || cols > ATTN_COLS_MAX || heads == 0 ||
        heads > IG_HEADS_MAX)
        return false;
    p->row_bytes = element ? cols * element : q8 ? cols : attn_nibble_bytes(cols);
    p->head_bytes = ATTN_PAGE * p->row_bytes;
    p->scales_at = heads * p->head_bytes;
    p->scale_bytes = element ? 0 : (size_t)ATTN_PAGE * attn_blocks(cols) * sizeof(uint16_t);
    p->bytes = ig_round_up(p->scales_at + heads * p->scale_bytes, 64);
    return true;
}

bool ig_attn_plane_v(attn_plane *p, uint32_t heads, uint32_t cols, ig_dtype dtype) {
    return plane(p, heads, cols, dtype);
}

bool ig_attn_plane_k(attn_plane *p, uint32_t heads, uint32_t cols, ig_dtype dtype) {
    if (!plane(p, heads, cols, dtype))
        return false;
    const size_t element = element_bytes(dtype);
    p->row_bytes = ATTN_PAGE * (element ? element : 1);
    return true;
}

size_t ig_attn_page_bytes(const ig_state *state, ig_dtype k, ig_dtype v) {
    attn_plane kp, vp;
    if (state->kind != IG_STATE_PAGES ||
        !ig_attn_plane_k(&kp, state->n_kv_heads, state->k_cols, k) ||
        !ig_attn_plane_v(&vp, state->n_kv_heads, state->v_cols, v))
        return 0;
    return kp.bytes + vp.bytes;
}

attn_range ig_attn_visible(const ig_attn_job *job, uint32_t row) {
    const uint32_t i = job->n_past + row, n = job->n_past + job->n_rows;
    const uint32_t window = job->attend->window ? job->attend->window : UINT32_MAX;
    switch (job->attend->mask) {
    case IG_MASK_CAUSAL:
        return (attn_range){i + 1 > window ? i + 1 - window : 0, i + 1};
    case IG_MASK_CHUNK:
        return (attn_range){i / window * window, i + 1};
    case IG_MASK_SYMMETRIC: {
        const uint32_t half = window / 2;
        return (attn_range){i > half ? i - half : 0, n - i > half ? i + half + 1 : n};
    }
    case IG_MASK_FULL:
        break;
    }
    return (attn_range){0, n};
}

void ig_attn_cut(const ig_attn_job *job, attn_cut *c) {
    const ig_attend_attr *a = job->attend;
    assert(job->n_rows > 0 && a->n_kv_heads > 0 && a->n_heads % a->n_kv_heads == 0);
    c->group = a->n_heads / a->n_kv_heads;
    c->queries = job->n_rows * c->group;
    c->v_stride = (uint32_t)ig_round_up(a->v_cols, ATTN_PAD);
    const size_t floats =
        IG_ATTN_LOCAL_BYTES / sizeof(float) - 64 - attn_local_fixed(a->k_cols, a->v_cols);
    const uint32_t fits = (uint32_t)(floats / attn_local_query(a->k_cols, a->v_cols));
    c->tile = IG_MIN(ATTN_QUERIES, fits);
    c->n_tiles = (uint32_t)ig_div_up(c->queries, c->tile);
    c->block0 = ig_attn_visible(job, 0).lo / IG_ATTN_BLOCK;
    c->n_blocks = (ig_attn_visible(job, job->n_rows - 1).hi - 1) / IG_ATTN_BLOCK - c->block0 + 1;
    c->n_splits = 1;
    c->unit_blocks = c->n_blocks;
    if (job->n_rows <= ATTN_SPLIT_ROWS && c->n_blocks > 1) {
        const size_t all = (size_t)c->n_blocks * a->n_kv_heads * c->n_tiles;
        c->unit_blocks = (uint32_t)IG_MIN(ig_div_up(all, ATTN_SPLIT_UNITS), c->n_blocks);
        c->n_splits = (uint32_t)ig_div_up(c->n_blocks, c->unit_blocks);
    }
}

uint32_t ig_attn_units(const ig_attn_job *job, size_t *scratch_bytes) {
    attn_cut c;
    ig_attn_cut(job, &c);
    *scratch_bytes =
        c.n_splits > 1 ? attn_partial_at(&c, job->attend->n_kv_heads, 0, 0) * sizeof(float) : 0;
    return c.n_tiles * job->attend->n_kv_heads * c.n_splits;
}

/* Most keys that `rows` adjacent rows see together. */
static uint64_t span_max(const ig_attend_attr *a, uint32_t rows, uint32_t context) {
    const uint64_t window = a->window + (uint64_t)rows;
    switch (a->mask) {
    case IG_MASK_CAUSAL:
    case IG_MASK_CHUNK:
    case IG_MASK_SYMMETRIC:
        return a->window ? IG_MIN(window, context) : context;
    case IG_MASK_FULL:
        break;
    }
    return context;
}

size_t ig_attn_scratch_max(const ig_attend_attr *a, uint32_t rows_max, uint32_t context) {
    const uint32_t rows = IG_MIN(rows_max, ATTN_SPLIT_ROWS);
    /* However the keys lie: all but the first may begin a block. */
    const uint64_t blocks =
        IG_MIN(ig_div_up(span_max(a, rows, context) + IG_ATTN_BLOCK - 1, IG_ATTN_BLOCK),
               ig_div_up(context, IG_ATTN_BLOCK));
    const attn_cut c = {.queries = rows * (a->n_heads / a->n_kv_heads),
                        .n_blocks = (uint32_t)IG_MAX(blocks, 1),
                        .v_stride = (uint32_t)ig_round_up(a->v_cols, ATTN_PAD)};
    return attn_partial_at(&c, a->n_kv_heads, 0, 0) * sizeof(float);
}
