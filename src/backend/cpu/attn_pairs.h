/* attn_pairs.h: attention on a processor that multiplies pairs of BF16: twice the rate of f32.
 * Included by attn_tmpl.c at the levels that have vp.
 *
 * Pairs lie along the axis of the sum: K [Dk / 2][32 tokens], V [16][Dv rounded up to VN] pairs of
 * adjacent tokens. A tile of many queries decodes an F16 or BF16 page once into scratch; a tile of
 * one group makes the pairs on the way to the products. Queries and weights are rounded to
 * BF16 too: each factor is off by 2^-9 of itself at most, far less than the quantised activations
 * that q, k and v were computed from. The sum of the weights is that of the rounded ones. A missing
 * last column or token is zero.
 *
 * Bits of a query: as in attn_tmpl.c with pairs for elements; pairs start at even columns and
 * tokens of a page. */

/* Pairs of columns d, d + 1 of keys [v, v + VN). */
IG_INLINE vp key_pair(const kind t, const void *k, uint32_t d, uint32_t v, bool both) {
    const uint16_t *const from = (const uint16_t *)k + (size_t)d * ATTN_PAGE + v;
    return vp_join(load_kind(t, from, 0), both ? load_kind(t, from, ATTN_PAGE) : vf_set(0));
}

/* Pairs of keys j, j + 1 of n columns from c on; a key outside [j0, j1) counts as zero. */
IG_INLINE vp value_pair(const kind t, const void *v, uint32_t cols, uint32_t j, uint32_t c,
                        uint32_t n, bool even, bool odd) {
    const uint16_t *const from = (const uint16_t *)v + (size_t)j * cols + c;
    return vp_join(!even     ? vf_set(0)
                   : n == VN ? load_kind(t, from, 0)
                             : loadn_kind(t, from, 0, n),
                   !odd      ? vf_set(0)
                   : n == VN ? load_kind(t, from, cols)
                             : loadn_kind(t, from, cols, n));
}

IG_INLINE void join_k(const kind t, const attn_plane *p, const uint8_t *plane, uint32_t head,
                      const char *next, float *to) {
    const void *const k = plane + head * p->head_bytes;
    for (uint32_t d = 0; d < p->cols; d += 2, to += ATTN_PAGE) {
        ig_prefetch_l2(next + (size_t)d * ATTN_PAGE * 2);
        ig_prefetch_l2(next + (size_t)d * ATTN_PAGE * 2 + 64);
        IG_UNROLL
        for (uint32_t v = 0; v < ATTN_PAGE; v += VN)
            vp_store(to + v, key_pair(t, k, d, v, d + 1 < p->cols));
    }
}

IG_INLINE void join_v(const kind t, const attn_plane *p, const uint8_t *plane, uint32_t head,
                      uint32_t j0, uint32_t j1, const char *next, float *to) {
    const void *const v = plane + head * p->head_bytes;
    const size_t stride = ig_round_up(p->cols, VN);
    for (size_t line = 0; line < p->head_bytes; line += 64)
        ig_prefetch_l2(next + line);
    for (uint32_t j = j0 & ~1u; j < j1; j += 2) {
        for (uint32_t c = 0; c < p->cols; c += VN)
            vp_store(to + j / 2 * stride + c,
                     value_pair(t, v, p->cols, j, c, IG_MIN(p->cols - c, (uint32_t)VN), j >= j0,
                                j + 1 < j1));
    }
}

#define JOIN(t)                                                                                    \
    static void join_k_##t(const attn_plane *p, const uint8_t *plane, uint32_t head,               \
                           const char *next, float *to) {                                          \
        join_k(KIND_##t, p, plane, head, next, to);                                                \
    }                                                                                              \
    static void join_v_##t(const attn_plane *p, const uint8_t *plane, uint32_t head, uint32_t j0,  \
                           uint32_t j1, const char *next, float *to) {                             \
        join_v(KIND_##t, p, plane, head, j0, j1, next, to);                                        \
    }
JOIN(f16)
JOIN(bf16)

/* In place: pairs never overtake the floats that are still to be read. Rows of queries have
 * ATTN_PAD floats behind them. */
static void pack_query(float *q, uint32_t cols) {
    for (uint32_t d = cols; d % (2 * VN); d++)
        q[d] = 0;
    for (uint32_t d = 0; d < cols; d += 2 * VN)
        vp_store(q + d / 2, vp_from(q + d));
}

static float pack_weights(float *s, uint32_t lo, uint32_t hi) {
    const uint32_t ones = 0x3f803f80; /* (1, 1) */
    vf total = vf_set(0);
    for (uint32_t j = lo; j < hi; j += 2 * VN) {
        const vp pairs = vp_from(s + j);
        vp_store(s + j / 2, pairs);
        total = vp_dot(total, pairs, vp_set(&ones));
    }
    return vf_hsum(total);
}

/* k: a page of t, or of pairs when t is KIND_pair. */
IG_INLINE void pair_scores(const kind t, const uint32_t n, const float *q, size_t q_stride,
                           const void *k, uint32_t cols, float *s, const char *next) {
    vf acc[ATTN_TILE][NK];
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t v = 0; v < NK; v++)
            acc[i][v] = vf_set(0);
    }
    for (uint32_t d = 0; d < cols; d += 2) {
        if (t != KIND_pair) {
            ig_prefetch_l2(next + (size_t)d * ATTN_PAGE * 2);
            ig_prefetch_l2(next + (size_t)d * ATTN_PAGE * 2 + 64);
        }
        vp x[ATTN_TILE];
        IG_UNROLL
        for (uint32_t i = 0; i < n; i++)
            x[i] = vp_set(q + i * q_stride + d / 2);
        IG_UNROLL
        for (uint32_t v = 0; v < NK; v++) {
            const vp key = t == KIND_pair
                               ? vp_load((const float *)k + (size_t)d / 2 * ATTN_PAGE + v * VN)
                               : key_pair(t, k, d, v * VN, d + 1 < cols);
            IG_UNROLL
            for (uint32_t i = 0; i < n; i++)
                acc[i][v] = vp_dot(acc[i][v], x[i], key);
        }
    }
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t v = 0; v < NK; v++)
            vf_store(s + i * ATTN_SCORE_STRIDE + v * VN, acc[i][v]);
    }
}

/* One page of V and what is added up of it. */
typedef struct pair_values {
    const void *v; /* a page of the kind, or of pairs */
    uint32_t cols, j0, j1;
    const char *next;
} pair_values;

/* Adds the pair of keys j, j + 1 to nc vectors of columns from c on; `rest` columns in the only
 * vector when it is not full. */
IG_INLINE void add_pair(const kind t, const uint32_t n, const uint32_t nc, const pair_values *a,
                        const float *p, uint32_t j, uint32_t c, uint32_t rest, bool even, bool odd,
                        vf acc[ATTN_WEIGH_TILE][ATTN_COLUMNS]) {
    vp x[ATTN_WEIGH_TILE];
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++)
        x[i] = vp_set(p + i * ATTN_SCORE_STRIDE + j / 2);
    IG_UNROLL
    for (uint32_t u = 0; u < nc; u++) {
        const vp val =
            t == KIND_pair
                ? vp_load((const float *)a->v + j / 2 * ig_round_up(a->cols, VN) + c + u * VN)
                : value_pair(t, a->v, a->cols, j, c + u * VN, rest ? rest : VN, even, odd);
        IG_UNROLL
        for (uint32_t i = 0; i < n; i++)
            acc[i][u] = vp_dot(acc[i][u], x[i], val);
    }
}

IG_INLINE void pair_weigh_columns(const kind t, const uint32_t n, const uint32_t nc,
                                  const pair_values *a, const float *p, uint32_t c, uint32_t rest,
                                  float *out, size_t out_stride) {
    vf acc[ATTN_WEIGH_TILE][ATTN_COLUMNS];
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t u = 0; u < nc; u++)
            acc[i][u] = vf_load(out + i * out_stride + u * VN);
    }
    uint32_t j = a->j0 & ~1u;
    if (t != KIND_pair && j < a->j0) {
        add_pair(t, n, nc, a, p, j, c, rest, false, j + 1 < a->j1, acc);
        j += 2;
    }
    for (; j + (t != KIND_pair) < a->j1; j += 2) {
        if (t != KIND_pair) {
            const char *const rows = a->next + ((size_t)j * a->cols + c) * 2;
            for (size_t line = 0; line < nc * VN * 2; line += 64) {
                ig_prefetch_l2(rows + line);
                ig_prefetch_l2(rows + a->cols * 2 + line);
            }
        }
        add_pair(t, n, nc, a, p, j, c, rest, true, true, acc);
    }
    if (j < a->j1)
        add_pair(t, n, nc, a, p, j, c, rest, true, false, acc);
    IG_UNROLL
    for (uint32_t i = 0; i < n; i++) {
        IG_UNROLL
        for (uint32_t u = 0; u < nc; u++)
            vf_store(out + i * out_stride + u * VN, acc[i][u]);
    }
}

IG_INLINE void pair_weigh_rows(const kind t, const uint32_t n, const pair_values *a, const float *p,
                               float *out, size_t out_stride) {
    uint32_t c = 0;
    for (; c + ATTN_COLUMNS * VN <= a->cols; c += ATTN_COLUMNS * VN)
        pair_weigh_columns(t, n, ATTN_COLUMNS, a, p, c, 0, out + c, out_stride);
    for (; c + VN <= a->cols; c += VN)
        pair_weigh_columns(t, n, 1, a, p, c, 0, out + c, out_stride);
    if (c < a->cols)
        pair_weigh_columns(t, n, 1, a, p, c, a->cols - c, out + c, out_stride);
}

IG_INLINE void pair_weigh(const kind t, const uint32_t n, const pair_values *a, const float *p,
                          float *out, size_t out_stride) {
    const uint32_t half = n > ATTN_WEIGH_TILE ? n / 2 : 0;
    pair_weigh_rows(t, n - half, a, p, out, out_stride);
    if (half)
        pair_weigh_rows(t, half, a, p + (n - half) * ATTN_SCORE_STRIDE,
                        out + (n - half) * out_stride, out_stride);
}

#define PAIR_TILE(t, n)                                                                            \
    static IG_NOINLINE void scores_##t##_##n(const float *q, size_t q_stride, const void *k,       \
                                             uint32_t cols, float *s, const char *next) {          \
        pair_scores(KIND_##t, n, q, q_stride, k, cols, s, next);                                   \
    }                                                                                              \
    static IG_NOINLINE void weigh_##t##_##n(const float *p, const void *v, uint32_t cols,          \
                                            uint32_t j0, uint32_t j1, float *out,                  \
                                            size_t out_stride, const char *next) {                 \
        const pair_values a = {v, cols, j0, j1, next};                                             \
        pair_weigh(KIND_##t, n, &a, p, out, out_stride);                                           \
    }
EACH(PAIR_TILE, pair)
EACH(PAIR_TILE, f16)
EACH(PAIR_TILE, bf16)
static const scores_fn scores_pair[] = {EACH(SCORES, pair)}, scores_f16[] = {EACH(SCORES, f16)},
                       scores_bf16[] = {EACH(SCORES, bf16)};
static const weigh_fn weigh_pair[] = {EACH(WEIGH, pair)}, weigh_f16[] = {EACH(WEIGH, f16)},
                      weigh_bf16[] = {EACH(WEIGH, bf16)};

static const k_reader k_f16 = {join_k_f16, pack_query, scores_pair, scores_f16},
                      k_bf16 = {join_k_bf16, pack_query, scores_pair, scores_bf16};
static const v_reader v_f16 = {join_v_f16, pack_weights, weigh_pair, weigh_f16, ATTN_PAGE / 2},
                      v_bf16 = {join_v_bf16, pack_weights, weigh_pair, weigh_bf16, ATTN_PAGE / 2};
