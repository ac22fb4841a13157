/* attn_tmpl.c: attention over pages, once per ISA level.
 *
 * One unit is a tile of queries of one K/V head (the query heads of that head for some adjacent
 * rows) and a range of key blocks. Per block of 256 keys: scores of all queries page by page,
 * softmax of every query, weighted sum of V page by page, merge into the running result. A page is
 * loaded once per tile and stays in the L1 cache while the groups of ATTN_TILE queries pass over
 * it.
 *
 * Bits of a query: a score is one chain of multiply-adds over d ascending; the sum of a block's
 * weights has VN running sums over ascending keys; a column of a block's result is one chain over
 * ascending keys; blocks are merged in ascending order. Registers, tiles, units and threads change
 * where intermediate values live, never this order. Keys that a query does not see, but a neighbour
 * in its group does, take part with weight zero. Bytes of a page outside the tile's range are not
 * read (V) or masked after the product (K, where lanes do not mix).
 *
 * How a type of cache is read is a row of k_readers and v_readers: in place, or decoded page by
 * page into scratch, as floats or (attn_pairs.h) as pairs of BF16.
 *
 * Scores are kept times log2(e), so that weights are powers of 2. */
#include "backend/cpu/attn_layout.h"
#include "backend/cpu/attn_write_tmpl.h"
#include "backend/cpu/vmath_f32.h"

#include <assert.h>
#include <math.h>

#define NK (ATTN_PAGE / VN) /* vectors of keys in a page */
#define AHEAD 1u /* pages of prefetch; 2 and 3 are no faster, with many short sequences neither */

/* Scores of some queries and one page; `next` is what will be read afterwards. q and k have the
 * form that the reader gave them. */
typedef void (*scores_fn)(const float *q, size_t q_stride, const void *k, uint32_t cols, float *s,
                          const char *next);
/* Adds the weighted V of keys [j0, j1) of one page to the results of some queries. */
typedef void (*weigh_fn)(const float *p, const void *v, uint32_t cols, uint32_t j0, uint32_t j1,
                         float *out, size_t out_stride, const char *next);

/* How K of a type is read. */
typedef struct k_reader {
    /* Decodes one head of a page's plane; NULL: read in place. */
    void (*decode)(const attn_plane *p, const uint8_t *plane, uint32_t head, const char *next,
                   float *to);
    /* One scaled query to the form that `scores` takes, in place; NULL: floats. */
    void (*pack)(float *q, uint32_t cols);
    const scores_fn *scores; /* [ATTN_TILE] by number of queries */
    const scores_fn *direct; /* for tiles of one group: without decoding; NULL: there is none */
} k_reader;

/* How V of a type is read. */
typedef struct v_reader {
    /* Decodes keys [j0, j1) of one head of a page's plane; NULL: read in place. */
    void (*decode)(const attn_plane *p, const uint8_t *plane, uint32_t head, uint32_t j0,
                   uint32_t j1, const char *next, float *to);
    /* Weights of the block's keys [lo, hi), multiples of ATTN_PAGE, to the form that `weigh` takes,
     * in place; returns their sum. NULL: floats. */
    float (*pack)(float *s, uint32_t lo, uint32_t hi);
    const weigh_fn *weigh;  /* [ATTN_TILE] by number of queries */
    const weigh_fn *direct; /* for tiles of one group: without decoding; NULL: there is none */
    uint32_t page_floats;   /* of a page's weights in their row */
} v_reader;

/* ---- loads by type --------------------------------------------------------------------------- */

#define LOAD_f32(p, i) vf_load((const float *)(p) + (i))
#define LOAD_f16(p, i) vf_load_f16((const uint16_t *)(p) + (i))
#define LOAD_bf16(p, i) vf_load_bf16((const uint16_t *)(p) + (i))
#define LOADN_f32(p, i, n) vf_loadn((const float *)(p) + (i), n)
#define LOADN_f16(p, i, n) vf_loadn_f16((const uint16_t *)(p) + (i), n)
#define LOADN_bf16(p, i, n) vf_loadn_bf16((const uint16_t *)(p) + (i), n)

typedef enum kind { KIND_f32, KIND_f16, KIND_bf16, KIND_pair /* of BF16: attn_pairs.h */ } kind;

IG_INLINE vf load_kind(kind t, const void *p, size_t i) {
    return t == KIND_f32 ? LOAD_f32(p, i) : t == KIND_f16 ? LOAD_f16(p, i) : LOAD_bf16(p, i);
}
IG_INLINE vf loadn_kind(kind t, const void *p, size_t i, uint32_t n) {
    return t == KIND_f32   ? LOADN_f32(p, i, n)
           : t == KIND_f16 ? LOADN_f16(p, i, n)
                           : LOADN_bf16(p, i, n);
}
IG_INLINE size_t kind_bytes(kind t) {
    return t == KIND_f32 ? 4 : 2;
}

/* ---- register tiles -------------------------------------------------------------------------- */

/* s[i][key] = sum_d q[i][d] k[d][key] for n queries. */
IG_INLINE void scores_body(const kind t, const uint32_t n, const float *q, size_t q_stride,
                           const void *k, uint32_t cols, float *s, const char *next) {
    vf acc[ATTN_TILE][NK];
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t v = 0; v < NK; v++)
            acc[i][v] = vf_set(0);
    }
    for (uint32_t d = 0; d < cols; d++) {
        for (size_t line = 0; line < ATTN_PAGE * kind_bytes(t); line += 64)
            ig_prefetch_l2(next + d * ATTN_PAGE * kind_bytes(t) + line);
        vf x[ATTN_TILE];
        IG_UNROLL
        for (uint32_t i = 0; i < n; i++)
            x[i] = vf_set(q[i * q_stride + d]);
        IG_UNROLL
        for (uint32_t v = 0; v < NK; v++) {
            const vf key = load_kind(t, k, (size_t)d * ATTN_PAGE + v * VN);
            IG_UNROLL
            for (uint32_t i = 0; i < n; i++)
                acc[i][v] = vf_fma(x[i], key, acc[i][v]);
        }
    }
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t v = 0; v < NK; v++)
            vf_store(s + i * ATTN_SCORE_STRIDE + v * VN, acc[i][v]);
    }
}

/* Adds to nc vectors of columns of n queries: acc[i][c] += sum_j p[i][j] v[j][c], keys [j0, j1) of
 * one page. With tail > 0 the only vector has tail columns. */
IG_INLINE void weigh_columns(const kind t, const uint32_t n, const uint32_t nc, const float *p,
                             const char *v, size_t v_row, uint32_t j0, uint32_t j1, float *out,
                             size_t out_stride, uint32_t tail, const char *next) {
    vf acc[ATTN_WEIGH_TILE][ATTN_COLUMNS];
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t c = 0; c < nc; c++)
            acc[i][c] = vf_load(out + i * out_stride + c * VN);
    }
    for (uint32_t j = j0; j < j1; j++) {
        for (size_t line = 0; line < nc * VN * kind_bytes(t); line += 64)
            ig_prefetch_l2(next + j * v_row + line);
        vf x[ATTN_WEIGH_TILE];
        IG_UNROLL
        for (uint32_t i = 0; i < n; i++)
            x[i] = vf_set(p[i * ATTN_SCORE_STRIDE + j]);
        IG_UNROLL
        for (uint32_t c = 0; c < nc; c++) {
            const vf val =
                tail ? loadn_kind(t, v + j * v_row, 0, tail) : load_kind(t, v + j * v_row, c * VN);
            IG_UNROLL
            for (uint32_t i = 0; i < n; i++)
                acc[i][c] = vf_fma(x[i], val, acc[i][c]);
        }
    }
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t c = 0; c < nc; c++)
            vf_store(out + i * out_stride + c * VN, acc[i][c]);
    }
}

/* All columns of n queries, n * ATTN_COLUMNS vectors at a time in registers. */
IG_INLINE void weigh_rows(const kind t, const uint32_t n, const float *p, const char *v,
                          uint32_t cols, uint32_t j0, uint32_t j1, float *out, size_t out_stride,
                          const char *next) {
    const size_t row = cols * kind_bytes(t);
    uint32_t c = 0;
    for (; c + ATTN_COLUMNS * VN <= cols; c += ATTN_COLUMNS * VN)
        weigh_columns(t, n, ATTN_COLUMNS, p, v + c * kind_bytes(t), row, j0, j1, out + c,
                      out_stride, 0, next + c * kind_bytes(t));
    for (; c + VN <= cols; c += VN)
        weigh_columns(t, n, 1, p, v + c * kind_bytes(t), row, j0, j1, out + c, out_stride, 0,
                      next + c * kind_bytes(t));
    if (c < cols)
        weigh_columns(t, n, 1, p, v + c * kind_bytes(t), row, j0, j1, out + c, out_stride, cols - c,
                      next + c * kind_bytes(t));
}

/* A wide group in two halves: twice the columns for half the queries need fewer broadcasts. */
IG_INLINE void weigh_body(const kind t, const uint32_t n, const float *p, const void *v,
                          uint32_t cols, uint32_t j0, uint32_t j1, float *out, size_t out_stride,
                          const char *next) {
    const uint32_t half = n > ATTN_WEIGH_TILE ? n / 2 : 0;
    weigh_rows(t, n - half, p, v, cols, j0, j1, out, out_stride, next);
    if (half)
        weigh_rows(t, half, p + (n - half) * ATTN_SCORE_STRIDE, v, cols, j0, j1,
                   out + (n - half) * out_stride, out_stride, next);
}

#define TILE(t, n)                                                                                 \
    static IG_NOINLINE void scores_##t##_##n(const float *q, size_t q_stride, const void *k,       \
                                             uint32_t cols, float *s, const char *next) {          \
        scores_body(KIND_##t, n, q, q_stride, k, cols, s, next);                                   \
    }                                                                                              \
    static IG_NOINLINE void weigh_##t##_##n(const float *p, const void *v, uint32_t cols,          \
                                            uint32_t j0, uint32_t j1, float *out,                  \
                                            size_t out_stride, const char *next) {                 \
        weigh_body(KIND_##t, n, p, v, cols, j0, j1, out, out_stride, next);                        \
    }
#if ATTN_TILE == 12
#define EACH(X, t)                                                                                 \
    X(t, 1)                                                                                        \
    X(t, 2) X(t, 3) X(t, 4) X(t, 5) X(t, 6) X(t, 7) X(t, 8) X(t, 9) X(t, 10) X(t, 11) X(t, 12)
#elif ATTN_TILE == 4
#define EACH(X, t) X(t, 1) X(t, 2) X(t, 3) X(t, 4)
#elif ATTN_TILE == 3
#define EACH(X, t) X(t, 1) X(t, 2) X(t, 3)
#endif
EACH(TILE, f32)

#define SCORES(t, n) scores_##t##_##n,
#define WEIGH(t, n) weigh_##t##_##n,
static const scores_fn scores_f32[] = {EACH(SCORES, f32)};
static const weigh_fn weigh_f32[] = {EACH(WEIGH, f32)};

/* ---- quantised pages to f32 ------------------------------------------------------------------ */

/* Fetches quants and scales of the head in the plane whose quants are at `next`. */
static void fetch_quants(const attn_plane *p, uint32_t head, const char *next) {
    for (size_t line = 0; line < p->head_bytes; line += 64)
        ig_prefetch_l2(next + line);
    const char *scales = next - head * p->head_bytes + p->scales_at + head * p->scale_bytes;
    for (size_t line = 0; line < p->scale_bytes; line += 64)
        ig_prefetch_l2(scales + line);
}

static const uint16_t *scales_of(const attn_plane *p, const uint8_t *plane, uint32_t head) {
    return (const uint16_t *)(const void *)(plane + p->scales_at + head * p->scale_bytes);
}

/* K of one head to [Dk][32] f32. */
static void decode_k(const attn_plane *p, const uint8_t *plane, uint32_t head, const char *next,
                     float *to) {
    const uint8_t *const quants = plane + head * p->head_bytes;
    const uint16_t *const scales = scales_of(p, plane, head);
    fetch_quants(p, head, next);
    for (uint32_t at = 0, b = 0; at < p->cols; at += ATTN_Q_BLOCK, b++) {
        const uint32_t n = IG_MIN(ATTN_Q_BLOCK, p->cols - at), half = (n + 1) / 2;
        for (uint32_t v = 0; v < ATTN_PAGE; v += VN) {
            const vf scale = vf_load_f16(scales + b * ATTN_PAGE + v);
            if (p->dtype == IG_DTYPE_Q8_0) {
                for (uint32_t i = at; i < at + n; i++)
                    vf_store(to + i * ATTN_PAGE + v,
                             vf_mul(scale, vf_load_i8((const int8_t *)quants + i * ATTN_PAGE + v)));
                continue;
            }
            for (uint32_t i = 0; i < half; i++) {
                vf low, high;
                vf_load_nibbles(quants + (at / 2 + i) * ATTN_PAGE + v, &low, &high);
                vf_store(to + (at + i) * ATTN_PAGE + v, vf_mul(scale, low));
                if (half + i < n)
                    vf_store(to + (at + half + i) * ATTN_PAGE + v, vf_mul(scale, high));
            }
        }
    }
}

/* One block of V of one token: n columns. */
static void decode_v_block(bool q4, const uint8_t *q, float scale, uint32_t n, float *to) {
    const uint32_t half = (n + 1) / 2, step = q4 ? half : n;
    const vf d = vf_set(scale);
    uint32_t i = 0;
    for (; i + VN <= step; i += VN) {
        vf low, high;
        if (q4) {
            vf_load_nibbles(q + i, &low, &high);
            vf_store(
                to + half + i,
                vf_mul(d, high)); /* of an odd n one column too many: the next low or padding */
        } else {
            low = vf_load_i8((const int8_t *)q + i);
        }
        vf_store(to + i, vf_mul(d, low));
    }
    for (; i < step; i++) {
        to[i] = scale * (float)(q4 ? (q[i] & 15) - 8 : (int8_t)q[i]);
        if (q4 && half + i < n)
            to[half + i] = scale * (float)((q[i] >> 4) - 8);
    }
}

/* Keys [j0, j1) of V of one head to [32][Dv] f32. */
static void decode_v(const attn_plane *p, const uint8_t *plane, uint32_t head, uint32_t j0,
                     uint32_t j1, const char *next, float *to) {
    const uint8_t *const quants = plane + head * p->head_bytes;
    const uint16_t *const scales = scales_of(p, plane, head);
    fetch_quants(p, head, next);
    const bool q4 = p->dtype == IG_DTYPE_Q4_0;
    const uint32_t n_blocks = attn_blocks(p->cols);
    for (uint32_t j = j0; j < j1; j++) {
        for (uint32_t b = 0; b < n_blocks; b++) {
            const uint32_t at = b * ATTN_Q_BLOCK;
            decode_v_block(q4, quants + j * p->row_bytes + (q4 ? at / 2 : at),
                           ig_f16_to_f32(scales[j * n_blocks + b]),
                           IG_MIN(ATTN_Q_BLOCK, p->cols - at), to + (size_t)j * p->cols + at);
        }
    }
}

/* ---- readers --------------------------------------------------------------------------------- */

static const k_reader k_in_place = {NULL, NULL, scores_f32, NULL},
                      k_quants = {decode_k, NULL, scores_f32, NULL};
static const v_reader v_in_place = {NULL, NULL, weigh_f32, NULL, ATTN_PAGE},
                      v_quants = {decode_v, NULL, weigh_f32, NULL, ATTN_PAGE};
#if ATTN_PAIRS
#include "backend/cpu/attn_pairs.h"
#else
EACH(TILE, f16)
EACH(TILE, bf16)
static const scores_fn scores_f16[] = {EACH(SCORES, f16)}, scores_bf16[] = {EACH(SCORES, bf16)};
static const weigh_fn weigh_f16[] = {EACH(WEIGH, f16)}, weigh_bf16[] = {EACH(WEIGH, bf16)};
static const k_reader k_f16 = {NULL, NULL, scores_f16, NULL},
                      k_bf16 = {NULL, NULL, scores_bf16, NULL};
static const v_reader v_f16 = {NULL, NULL, weigh_f16, NULL, ATTN_PAGE},
                      v_bf16 = {NULL, NULL, weigh_bf16, NULL, ATTN_PAGE};
#endif

static const k_reader *k_reader_of(ig_dtype dtype) {
    return dtype == IG_DTYPE_F32    ? &k_in_place
           : dtype == IG_DTYPE_F16  ? &k_f16
           : dtype == IG_DTYPE_BF16 ? &k_bf16
                                    : &k_quants;
}
static const v_reader *v_reader_of(ig_dtype dtype) {
    return dtype == IG_DTYPE_F32    ? &v_in_place
           : dtype == IG_DTYPE_F16  ? &v_f16
           : dtype == IG_DTYPE_BF16 ? &v_bf16
                                    : &v_quants;
}

/* ---- a tile ---------------------------------------------------------------------------------- */

typedef struct tile {
    const ig_attn_job *job;
    attn_cut cut;
    attn_plane k, v;
    const k_reader *read_k;
    const v_reader *read_v;
    uint32_t head;     /* K/V head */
    uint32_t first, n; /* queries, numbered as in attn_cut */
    float *q;          /* [n][q_stride], scaled, as read_k takes them */
    size_t q_stride;
    float *s;     /* [n][ATTN_SCORE_STRIDE] scores, then weights, of one block */
    float *acc;   /* [n][v_stride] running result */
    float *block; /* [n] rows of block_stride: result of one block */
    size_t block_stride;
    float *k_page, *v_page;                 /* a decoded page */
    float *distance;                        /* [256] |p_i - p_j|, for alibi */
    attn_range see[ATTN_QUERIES];           /* keys of each query */
    float m[ATTN_QUERIES], l[ATTN_QUERIES]; /* running max and sum */
} tile;

static uint32_t query_row(const tile *t, uint32_t i) {
    return (t->first + i) / t->cut.group;
}
static uint32_t query_head(const tile *t, uint32_t i) {
    return t->head * t->cut.group + (t->first + i) % t->cut.group;
}

static void tile_start(tile *t, const ig_attn_job *job, uint32_t head, uint32_t index,
                       void *local) {
    const ig_attend_attr *a = job->attend;
    t->job = job;
    t->head = head;
    t->first = index * t->cut.tile;
    t->n = IG_MIN(t->cut.tile, t->cut.queries - t->first);
    const bool known = ig_attn_plane_k(&t->k, a->n_kv_heads, a->k_cols, job->k_dtype) &&
                       ig_attn_plane_v(&t->v, a->n_kv_heads, a->v_cols, job->v_dtype);
    assert(known);
    (void)known;
    t->read_k = k_reader_of(job->k_dtype);
    t->read_v = v_reader_of(job->v_dtype);
    t->q_stride = a->k_cols + ATTN_PAD;
    t->block_stride = t->cut.v_stride;
    float *p = local;
    t->k_page = p;
    t->v_page = t->k_page + ATTN_PAGE * a->k_cols;
    t->distance = t->v_page + ATTN_PAGE * t->cut.v_stride;
    t->acc = t->distance + IG_ATTN_BLOCK;
    t->block = t->acc + (size_t)t->n * t->cut.v_stride;
    t->s = t->block + (size_t)t->n * t->cut.v_stride;
    t->q = t->s + (size_t)t->n * ATTN_SCORE_STRIDE;
    assert((size_t)(t->q + t->n * t->q_stride - p) * sizeof *p <= IG_ATTN_LOCAL_BYTES);
    const float scale = a->cap > 0 ? a->scale / a->cap : a->scale * LOG2E_F;
    for (uint32_t i = 0; i < t->n; i++) {
        const uint32_t row = query_row(t, i);
        const float *from = job->q + row * job->q_stride + query_head(t, i) * job->q_head_stride;
        float *const to = t->q + i * t->q_stride;
        for (uint32_t d = 0; d < a->k_cols; d++)
            to[d] = from[d] * scale;
        if (t->read_k->pack)
            t->read_k->pack(to, a->k_cols);
        t->see[i] = ig_attn_visible(job, row);
    }
}

/* Keys of block [start, start + 256) that some of queries [i0, i1) see. */
static attn_range group_range(const tile *t, uint32_t i0, uint32_t i1, uint32_t start) {
    return (attn_range){IG_MAX(t->see[i0].lo, start),
                        IG_MIN(t->see[i1 - 1].hi, start + IG_ATTN_BLOCK)};
}

static const uint8_t *page_at(const tile *t, uint32_t page) {
    return t->job->base + (size_t)t->job->pages[page] * t->job->page_stride;
}

/* The pages that a unit reads for one block: K of pages first to last, then V of them, then K of
 * the next block. */
typedef struct course {
    uint32_t start;       /* key */
    uint32_t first, last; /* pages */
    bool more;            /* another block follows in this unit */
} course;

/* What is read AHEAD places after place i of the course, to be fetched now. Any address is
 * harmless. */
static const char *ahead(const tile *t, const course *c, uint32_t i) {
    const uint32_t n = c->last - c->first + 1;
    i += AHEAD;
    if (i < n)
        return (const char *)page_at(t, c->first + i) + t->head * t->k.head_bytes;
    if (i < 2 * n)
        return (const char *)page_at(t, c->first + i - n) + t->k.bytes + t->head * t->v.head_bytes;
    const uint32_t page = (c->start + IG_ATTN_BLOCK) / ATTN_PAGE + i - 2 * n;
    if (c->more && page * ATTN_PAGE < t->see[t->n - 1].hi)
        return (const char *)page_at(t, page) + t->head * t->k.head_bytes;
    return (const char *)page_at(t, c->last);
}

static void block_scores(tile *t, const course *way) {
    const uint32_t start = way->start;
    const bool direct = t->n <= ATTN_TILE && t->read_k->direct;
    const scores_fn *const scores = direct ? t->read_k->direct : t->read_k->scores;
    for (uint32_t page = way->first; page <= way->last; page++) {
        const uint8_t *plane = page_at(t, page);
        const void *k = plane + t->head * t->k.head_bytes;
        const char *next = ahead(t, way, page - way->first);
        if (t->read_k->decode && !direct) {
            t->read_k->decode(&t->k, plane, t->head, next, t->k_page);
            k = t->k_page;
            next = (const char *)k;
        }
        const uint32_t from = page * ATTN_PAGE;
        for (uint32_t i = 0; i < t->n; i += ATTN_TILE) {
            const uint32_t n = IG_MIN((uint32_t)ATTN_TILE, t->n - i);
            const attn_range g = group_range(t, i, i + n, start);
            if (g.lo >= from + ATTN_PAGE || g.hi <= from)
                continue;
            scores[n - 1](t->q + i * t->q_stride, t->q_stride, k, t->k.cols,
                          t->s + i * ATTN_SCORE_STRIDE + (from - start), next);
        }
    }
}

static float alibi_slope(const ig_attend_attr *a, uint32_t h) {
    uint32_t n = 1;
    while (2 * n <= a->n_heads)
        n *= 2;
    const double x = h < n ? (h + 1) / (double)n : (2 * (h - n) + 1) / (2.0 * n);
    return (float)(exp2(-x * (double)a->alibi_max) * (double)LOG2E_F);
}

/* Position of key j: its index, but what the step says for rows of the step. */
static int32_t key_position(const ig_attn_job *job, uint32_t j) {
    return j < job->n_past || !job->positions ? (int32_t)j : job->positions[j - job->n_past];
}

/* Soft cap and bias of the scores of query i, keys [lo, hi) of the block at start, of which it sees
 * some. */
static void adjust(tile *t, uint32_t i, uint32_t start, uint32_t lo, uint32_t hi, attn_range see) {
    const ig_attend_attr *a = t->job->attend;
    float *s = t->s + i * ATTN_SCORE_STRIDE;
    if (a->cap > 0) {
        const vf cap = vf_set(a->cap * LOG2E_F);
        for (uint32_t k = lo - start; k < hi - start; k += VN)
            vf_store(s + k, vf_mul(cap, vf_tanh(vf_load(s + k))));
    }
    if (a->alibi_max > 0) {
        const int32_t at = key_position(t->job, t->job->n_past + query_row(t, i));
        for (uint32_t j = see.lo; j < see.hi; j++) { /* the other lanes are masked later */
            const int32_t key = key_position(t->job, j);
            t->distance[j - start] =
                (float)(key > at ? (uint32_t)key - (uint32_t)at : (uint32_t)at - (uint32_t)key);
        }
        const vf slope = vf_set(alibi_slope(a, query_head(t, i)));
        for (uint32_t k = lo - start; k < hi - start; k += VN)
            vf_store(s + k, vf_fnma(slope, vf_load(t->distance + k), vf_load(s + k)));
    }
}

/* Scores of query i to weights over the pages of its group; writes the block's max and sum. False
 * when it sees nothing. */
static bool softmax(tile *t, uint32_t i, uint32_t start, attn_range group, float *max, float *sum) {
    const uint32_t lo = group.lo / ATTN_PAGE * ATTN_PAGE,
                   hi = (uint32_t)ig_round_up(group.hi, ATTN_PAGE);
    const uint32_t see_lo = IG_MAX(t->see[i].lo, start),
                   see_hi = IG_MIN(t->see[i].hi, start + IG_ATTN_BLOCK);
    float *s = t->s + i * ATTN_SCORE_STRIDE;
    if (see_lo >= see_hi) {
        memset(s, 0, (hi - start) * sizeof *s); /* in either form */
        return false;
    }
    if (t->job->attend->cap > 0 || t->job->attend->alibi_max > 0)
        adjust(t, i, start, lo, hi, (attn_range){see_lo, see_hi});
    const vf never = vf_set(-INFINITY);
    vf top = never;
    for (uint32_t j = lo; j < hi; j += VN) {
        vf x = vf_load(s + (j - start));
        if (j < see_lo || j + VN > see_hi) {
            x = vf_blend(vm_range((int32_t)j, (int32_t)see_lo, (int32_t)see_hi), x, never);
            vf_store(s + (j - start), x);
        }
        top = vf_max(top, x);
    }
    *max = vf_hmax(top);
    const vf m = vf_set(*max);
    vf total = vf_set(0);
    for (uint32_t j = lo; j < hi; j += VN) {
        const vf p = vf_exp2(vf_sub(vf_load(s + (j - start)), m)); /* of minus infinity: 0 */
        vf_store(s + (j - start), p);
        total = vf_add(total, p);
    }
    *sum = t->read_v->pack ? t->read_v->pack(s, lo - start, hi - start) : vf_hsum(total);
    return true;
}

static void block_weigh(tile *t, const course *way, attn_range all) {
    const uint32_t start = way->start;
    const bool direct = t->n <= ATTN_TILE && t->read_v->direct;
    const weigh_fn *const weigh = direct ? t->read_v->direct : t->read_v->weigh;
    for (uint32_t page = way->first; page <= way->last; page++) {
        const uint8_t *plane = page_at(t, page) + t->k.bytes;
        const void *v = plane + t->head * t->v.head_bytes;
        const char *next = ahead(t, way, way->last + 1 + page - 2 * way->first);
        const uint32_t from = page * ATTN_PAGE;
        if (t->read_v->decode && !direct) {
            t->read_v->decode(&t->v, plane, t->head, all.lo > from ? all.lo - from : 0,
                              IG_MIN(ATTN_PAGE, all.hi - from), next, t->v_page);
            v = t->v_page;
            next = v;
        }
        const float *const weights =
            t->s + (size_t)(from - start) / ATTN_PAGE * t->read_v->page_floats;
        for (uint32_t i = 0; i < t->n; i += ATTN_TILE) {
            const uint32_t n = IG_MIN((uint32_t)ATTN_TILE, t->n - i);
            const attn_range g = group_range(t, i, i + n, start);
            if (g.lo >= from + ATTN_PAGE || g.hi <= from)
                continue;
            weigh[n - 1](weights + i * ATTN_SCORE_STRIDE, v, t->v.cols,
                         g.lo > from ? g.lo - from : 0, IG_MIN(ATTN_PAGE, g.hi - from),
                         t->block + i * t->block_stride, t->block_stride, next);
        }
    }
}

/* ---- merging --------------------------------------------------------------------------------- */

static float first_lane(vf x) {
    float lanes[VN];
    vf_store(lanes, x);
    return lanes[0];
}

/* Adds a block's (m_b, l_b, block) to the running (m, l, acc) of n columns, a multiple of ATTN_PAD.
 * A query's first block is copied instead. */
static void merge_block(float *m, float *l, float *acc, float m_b, float l_b, const float *block,
                        uint32_t n) {
    const float top = IG_MAX(*m, m_b);
    const vf a = vf_exp2(vf_set(*m - top)), b = vf_exp2(vf_set(m_b - top));
    for (uint32_t c = 0; c < n; c += VN)
        vf_store(acc + c, vf_fma(vf_load(acc + c), a, vf_mul(vf_load(block + c), b)));
    *m = top;
    *l = *l * first_lane(a) + l_b * first_lane(b);
}

/* out = acc / (l + the sink's weight). */
static void finish(const ig_attn_job *job, uint32_t row, uint32_t head, float m, float l,
                   const float *acc) {
    const uint32_t n = job->attend->v_cols;
    float factor = 1;
    if (job->sinks) {
        const float sink = job->sinks[head] * LOG2E_F, top = IG_MAX(m, sink);
        factor = first_lane(vf_exp2(vf_set(m - top)));
        l = l * factor + first_lane(vf_exp2(vf_set(sink - top)));
    }
    const vf f = vf_set(factor / l);
    float *out = job->out + row * job->out_stride + (size_t)head * n;
    uint32_t c = 0;
    for (; c + VN <= n; c += VN)
        vf_store(out + c, vf_mul(vf_load(acc + c), f));
    if (c < n)
        vf_storen(out + c, vf_mul(vf_load(acc + c), f), n - c);
}

/* ---- units ----------------------------------------------------------------------------------- */

/* One block for all queries of the tile. With partials, each query's result goes to its record
 * there. */
static void run_block(tile *t, uint32_t block, uint32_t end_block, float *partials) {
    const attn_cut *c = &t->cut;
    const uint32_t start = block * IG_ATTN_BLOCK;
    const attn_range all = group_range(t, 0, t->n, start);
    if (all.lo >= all.hi)
        return;
    const course way = {start, all.lo / ATTN_PAGE, (all.hi - 1) / ATTN_PAGE, block + 1 < end_block};
    block_scores(t, &way);
    float m_b[ATTN_QUERIES], l_b[ATTN_QUERIES];
    bool sees[ATTN_QUERIES];
    if (partials)
        t->block =
            partials + attn_partial_at(c, t->head, t->first, block - c->block0) + ATTN_PARTIAL_ACC;
    for (uint32_t i = 0; i < t->n; i++) {
        const uint32_t i0 = i / ATTN_TILE * ATTN_TILE;
        const attn_range g = group_range(t, i0, IG_MIN(i0 + ATTN_TILE, t->n), start);
        sees[i] = g.lo < g.hi && softmax(t, i, start, g, &m_b[i], &l_b[i]);
        memset(t->block + i * t->block_stride, 0, c->v_stride * sizeof(float));
    }
    block_weigh(t, &way, all);
    for (uint32_t i = 0; i < t->n; i++) {
        float *result = t->block + i * t->block_stride;
        if (!sees[i])
            continue;
        if (partials) {
            result[-(int)ATTN_PARTIAL_ACC] = m_b[i];
            result[1 - (int)ATTN_PARTIAL_ACC] = l_b[i];
        } else if (block == t->see[i].lo / IG_ATTN_BLOCK) {
            t->m[i] = m_b[i];
            t->l[i] = l_b[i];
            memcpy(t->acc + i * (size_t)c->v_stride, result, c->v_stride * sizeof *result);
        } else {
            merge_block(&t->m[i], &t->l[i], t->acc + i * (size_t)c->v_stride, m_b[i], l_b[i],
                        result, c->v_stride);
        }
    }
}

static void run(const ig_attn_job *job, uint32_t unit, void *scratch, void *local) {
    tile t;
    ig_attn_cut(job, &t.cut);
    const attn_cut *c = &t.cut;
    /* Late tiles of a causal job see most keys: they come first, so that no thread starts a long
     * unit at the end. */
    const uint32_t heads = job->attend->n_kv_heads, head = unit % heads, rest = unit / heads;
    const uint32_t index = c->n_tiles - 1 - rest % c->n_tiles, split = rest / c->n_tiles;
    tile_start(&t, job, head, index, local);
    if (c->n_splits > 1)
        t.block_stride = (size_t)c->n_blocks * (c->v_stride + ATTN_PARTIAL_ACC);
    const uint32_t b0 = IG_MAX(c->block0 + split * c->unit_blocks, t.see[0].lo / IG_ATTN_BLOCK);
    const uint32_t b1 = IG_MIN(c->block0 + (split + 1) * c->unit_blocks,
                               (t.see[t.n - 1].hi - 1) / IG_ATTN_BLOCK + 1);
    for (uint32_t b = b0; b < b1; b++)
        run_block(&t, b, b1, c->n_splits > 1 ? scratch : NULL);
    for (uint32_t i = 0; c->n_splits == 1 && i < t.n; i++)
        finish(job, query_row(&t, i), query_head(&t, i), t.m[i], t.l[i],
               t.acc + i * (size_t)c->v_stride);
}

static void merge(const ig_attn_job *job, uint32_t head, void *scratch) {
    attn_cut c;
    ig_attn_cut(job, &c);
    if (c.n_splits == 1)
        return;
    for (uint32_t i = 0; i < c.queries; i++) {
        const attn_range see = ig_attn_visible(job, i / c.group);
        const uint32_t b0 = see.lo / IG_ATTN_BLOCK, b1 = (see.hi - 1) / IG_ATTN_BLOCK + 1;
        /* The first record becomes the running result. */
        float *first = (float *)scratch + attn_partial_at(&c, head, i, b0 - c.block0);
        float m = first[0], l = first[1];
        for (uint32_t b = b0 + 1; b < b1; b++) {
            const float *p = (float *)scratch + attn_partial_at(&c, head, i, b - c.block0);
            merge_block(&m, &l, first + ATTN_PARTIAL_ACC, p[0], p[1], p + ATTN_PARTIAL_ACC,
                        c.v_stride);
        }
        finish(job, i / c.group, head * c.group + i % c.group, m, l, first + ATTN_PARTIAL_ACC);
    }
}

const ig_attn_set IG_ISA_SYMBOL(ig_attn) = {
    .isa = IG_ISA_NAME,
    .bf16_products = ATTN_PAIRS,
    .page_bytes = ig_attn_page_bytes,
    .write = IG_ISA_SYMBOL(ig_attn_write),
    .units = ig_attn_units,
    .run = run,
    .merge = merge,
};
