/* test_ref.c: the ref backend against numbers worked out by hand.
 */
#include "backend/ref/ref.h"
#include "kernels/run_program.h"
#include "test.h"

#define OUT_MAX 512

/* A program under construction whose first value holds the given rows. */
typedef struct probe {
    ig_program *p;
    ig_value_id x;
    uint32_t n_rows;
    const int32_t *positions;
    ig_dtype cache;
    float out[OUT_MAX];
    ig_err err;
} probe;

static bool begin(probe *t, const float *rows, uint32_t n_rows, uint32_t cols) {
    *t = (probe){.n_rows = n_rows};
    ig_op op = {.kind = IG_OP_EMBED, .layer = -1, .u.embed = {.index = IG_EMBED_TOKEN, .scale = 1}};
    if (ig_program_create(&t->p, &t->err) ||
        run_weight_of(t->p, rows, cols, n_rows, 1, &op.w[0], &t->err) ||
        ig_program_value(t->p, "x", IG_ROWS_TOKENS, IG_DTYPE_F32, cols, &t->x, &t->err))
        return false;
    op.out[0] = ig_ref_whole(t->p, t->x);
    return ig_program_op(t->p, &op, &t->err) == IG_OK;
}

static ig_weight_id f32(probe *t, uint32_t n, const float *data) {
    ig_weight_id id = 0;
    return run_weight_of(t->p, data, n, 1, 1, &id, &t->err) ? 0 : id;
}
#define F32(t, ...) f32(t, sizeof((float[]){__VA_ARGS__}) / sizeof(float), (float[]){__VA_ARGS__})

/* Gives op an output of `cols` columns of type `dtype` as its output `slot`. */
static void give(probe *t, ig_op *op, int slot, ig_dtype dtype, uint32_t heads, uint32_t cols) {
    ig_value_id v = 0;
    if (ig_program_value(t->p, "y", IG_ROWS_TOKENS, dtype, heads * cols, &v, &t->err) == IG_OK)
        op->out[slot] = ig_ref_heads(v, 0, heads, cols);
}

/* Appends op and selects all rows of value v. */
static ig_status finish(probe *t, ig_value_id v) {
    const ig_value value = t->p->values[v];
    IG_TRY(ig_program_value(t->p, "out", IG_ROWS_OUTPUTS, value.dtype, value.cols, &t->p->output,
                            &t->err));
    const ig_op op = {.kind = IG_OP_SELECT_ROWS,
                      .layer = -1,
                      .in = {ig_ref_whole(t->p, v)},
                      .out = {ig_ref_whole(t->p, t->p->output)}};
    IG_TRY(ig_program_op(t->p, &op, &t->err));
    static const int32_t ids[] = {0, 1, 2, 3, 4, 5, 6, 7};
    const run_spec spec = {.n_seqs = 1,
                           .lens = {t->n_rows},
                           .ids = ids,
                           .positions = t->positions,
                           .cut = RUN_CHUNKS,
                           .chunk = 3,
                           .k_dtype = t->cache,
                           .v_dtype = t->cache};
    return run_program(&ig_backend_ref, NULL, &t->p, &spec, t->out, &t->err);
}

static bool done(probe *t, const ig_op *op, int slot) {
    if (ig_program_op(t->p, op, &t->err) == IG_OK && finish(t, op->out[slot].value) == IG_OK)
        return true;
    TEST_FAIL("%s", t->err.message);
    ig_program_destroy(&t->p);
    return false;
}

static void check_row(const probe *t, const double *want, size_t n, double tolerance, int line) {
    for (size_t i = 0; i < n; i++) {
        if (!(fabs((double)t->out[i] - want[i]) <= tolerance * (1 + fabs(want[i]))))
            TEST_FAIL("line %d: element %zu is %.9g, not %.9g", line, i, (double)t->out[i],
                      want[i]);
    }
}
#define ROW(t, ...)                                                                                \
    check_row(t, (double[]){__VA_ARGS__}, sizeof((double[]){__VA_ARGS__}) / sizeof(double), 2e-6,  \
              __LINE__)

static bool run_norm(probe *t, ig_norm_kind kind, float eps, bool weighted) {
    if (!begin(t, (float[]){1, 2, 3, 6}, 1, 4))
        return false;
    ig_op op = {.kind = IG_OP_NORM,
                .in = {ig_ref_whole(t->p, t->x)},
                .u.norm = {.kind = kind, .eps = eps, .col_stride = 1}};
    if (weighted) {
        op.w[0] = F32(t, 1, 10, 100, 1000);
        op.w[1] = F32(t, 5, 5, 5, 5);
    }
    give(t, &op, 0, IG_DTYPE_F32, 1, 4);
    return done(t, &op, 0);
}

TEST(norm_kinds) {
    probe t;
    /* mean of squares 12.5; mean 3, variance 3.5; norm sqrt(50) */
    REQUIRE(run_norm(&t, IG_NORM_RMS, 0, false));
    ROW(&t, 0.282842712, 0.565685425, 0.848528137, 1.697056275);
    REQUIRE(run_norm(&t, IG_NORM_RMS, 3.5f, false)); /* sqrt(16) */
    ROW(&t, 0.25, 0.5, 0.75, 1.5);
    REQUIRE(run_norm(&t, IG_NORM_LAYER, 0.5f, true)); /* sqrt(4) */
    ROW(&t, 4, 0, 5, 1505);
    REQUIRE(run_norm(&t, IG_NORM_L2_ADD, 50, false));
    ROW(&t, 0.1, 0.2, 0.3, 0.6);
    REQUIRE(run_norm(&t, IG_NORM_L2_MAX, 10, false));
    ROW(&t, 0.1, 0.2, 0.3, 0.6);
}

TEST(linear_scales_before_it_adds) {
    probe t;
    REQUIRE(begin(&t, (float[]){1, -1, 2, 0}, 2, 2));
    ig_linear_part parts[2] = {{.rows = 3}, {.rows = 1}};
    ig_op op = {.kind = IG_OP_LINEAR,
                .in = {ig_ref_whole(t.p, t.x)},
                .u.linear = {.parts = parts, .n_parts = 2}};
    ig_err err = {0};
    REQUIRE_OK(run_weight_of(t.p, (float[]){1, 2, 3, 4, 5, 7}, 2, 3, 1, &parts[0].weight, &err));
    REQUIRE_OK(run_weight_of(t.p, (float[]){-1, 1}, 2, 1, 1, &parts[1].weight, &err));
    parts[0].scale = F32(&t, 2);
    parts[0].bias = F32(&t, 10, 20, 30);
    give(&t, &op, 0, IG_DTYPE_F32, 1, 4);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, 8, 18, 26, -2, 14, 32, 50, -2);
}

TEST(linear_of_heads) {
    probe t;
    ig_err err = {0};
    REQUIRE(begin(&t, (float[]){1, 2, 3, 4}, 1, 4));
    ig_linear_part part = {.rows = 1};
    ig_op op = {.kind = IG_OP_LINEAR,
                .in = {ig_ref_heads(t.x, 0, 2, 2)},
                .u.linear = {.parts = &part, .n_parts = 1, .n_heads = 2}};
    REQUIRE_OK(run_weight_of(t.p, (float[]){1, 10, 100, 1000}, 2, 1, 2, &part.weight, &err));
    give(&t, &op, 0, IG_DTYPE_F32, 1, 2);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, 21, 4300);
}

TEST(rope_pairs_and_magnitude) {
    static const double inv_freq[] = {1, 0.25};
    static const int32_t positions[] = {2};
    const double c0 = -0.416146836547, s0 = 0.909297426826, c1 = 0.877582561890,
                 s1 = 0.479425538604; /* 2 and 0.5 */
    for (int neox = 0; neox < 2; neox++) {
        probe t;
        REQUIRE(begin(&t, (float[]){9, 1, 2, 3, 4}, 1, 5));
        t.positions = positions;
        ig_op op = {.kind = IG_OP_ROPE,
                    .in = {ig_ref_whole(t.p, t.x)},
                    .u.rope = {.pairs = neox ? IG_ROPE_NEOX : IG_ROPE_NORM,
                               .n_rot = 4,
                               .first = 1,
                               .inv_freq = inv_freq,
                               .m = 2}};
        give(&t, &op, 0, IG_DTYPE_F32, 1, 5);
        REQUIRE(done(&t, &op, 0));
        if (neox)
            ROW(&t, 9, 2 * (c0 - 3 * s0), 2 * (2 * c1 - 4 * s1), 2 * (s0 + 3 * c0),
                2 * (2 * s1 + 4 * c1));
        else
            ROW(&t, 9, 2 * (c0 - 2 * s0), 2 * (s0 + 2 * c0), 2 * (3 * c1 - 4 * s1),
                2 * (3 * s1 + 4 * c1));
    }
}

/* Streamed forms pair as neox; anything else is the builder's mistake and is refused with the plan.
 */
TEST(rope_streams_pair_as_neox) {
    static const double inv_freq[] = {1};
    probe t;
    REQUIRE(begin(&t, (float[]){1, 2}, 1, 2));
    ig_op op = {.kind = IG_OP_ROPE,
                .in = {ig_ref_whole(t.p, t.x)},
                .u.rope = {.pairs = IG_ROPE_NORM,
                           .streams = IG_ROPE_MROPE,
                           .n_rot = 2,
                           .inv_freq = inv_freq,
                           .m = 1}};
    give(&t, &op, 0, IG_DTYPE_F32, 1, 2);
    REQUIRE(ig_program_op(t.p, &op, &t.err) == IG_OK);
    CHECK_EQ(finish(&t, op.out[0].value), IG_EUNSUPPORTED);
}

static bool run_glu(probe *t, const ig_glu_attr *attr, const float *gu, bool alone) {
    if (!begin(t, gu, 1, 6))
        return false;
    ig_op op = {.kind = IG_OP_GLU, .in = {ig_ref_heads(t->x, 0, 1, 3)}, .u.glu = *attr};
    if (!alone)
        op.in[1] = ig_ref_heads(t->x, 3, 1, 3);
    give(t, &op, 0, IG_DTYPE_F32, 1, 3);
    return done(t, &op, 0);
}

TEST(activations) {
    static const float gu[] = {1, -2, 9, 2, 3, -8};
    probe t;
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_SILU}, gu, false)); /* sigma(1) .7310586 */
    ROW(&t, 2 * 0.731058579, 3 * -2 * 0.119202922, -8 * 9 * 0.999876605);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_GELU}, gu, true));
    ROW(&t, 0.841191991, -0.045402306, 9);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_GELU_ERF}, gu, true));
    ROW(&t, 0.841344746, -0.045500264, 9);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_RELU2}, gu, false));
    ROW(&t, 2, 0, -648);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_SOFTPLUS}, gu, true));
    ROW(&t, 1.313261688, 0.126928011, 9.000123402);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_SOFTPLUS2}, gu,
                    true)); /* log2 3, log2 1.25, log2 513 */
    ROW(&t, 1.584962501, 0.321928095, 9.002815016);
    /* softplus(0) = ln 2: ap = .693147, an = .5 + .693147; expm1(-2) + 2 = 1.135335 */
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_XIELU, .p = {0, 0, 0.5f, -1e-6f}}, gu, true));
    ROW(&t, 1.193147181, 1.193147181 * 1.135335283 - 1, 0.693147181 * 81 + 4.5);
    /* x = 1, -2, 7; y = 2, 3, -7 */
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_OAI}, gu, false));
    ROW(&t, 3 * 0.845795781, 4 * -2 * 0.032170688, -6 * 7 * 0.999993317);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_RELU, .limit = IG_LIMIT_PRE, .c = 2.5f}, gu,
                    false));
    ROW(&t, 2, 0, -6.25);
    REQUIRE(run_glu(&t, &(ig_glu_attr){.act = IG_ACT_RELU2, .limit = IG_LIMIT_POST, .c = 2.5f}, gu,
                    false));
    ROW(&t, 2, 0, -6.25);
}

TEST(map_by_position) {
    static const int32_t positions[] = {0, 8191, 8192, 20000};
    probe t;
    REQUIRE(begin(&t, (float[]){1, 1, 1, 2}, 4, 1));
    t.positions = positions;
    ig_op op = {.kind = IG_OP_MAP,
                .in = {ig_ref_whole(t.p, t.x)},
                .u.map = {IG_MAP_POS_TEMP, 0.1f, 1, 8192}};
    give(&t, &op, 0, IG_DTYPE_F32, 1, 1);
    REQUIRE(done(&t, &op, 0));
    /* floor((p + 1) / 8192) = 0, 1, 1, 2 */
    ROW(&t, 1, 1.069314718, 1.069314718, 2 * 1.109861229);
}

/* One row a token: q, then k, then v of all heads. */
static bool run_attend(probe *t, const ig_attend_attr *a, const float *rows, uint32_t n,
                       const float *sinks, ig_dtype cache) {
    const uint32_t q = a->n_heads * a->k_cols, k = a->n_kv_heads * a->k_cols,
                   v = a->n_kv_heads * a->v_cols;
    if (!begin(t, rows, n, q + k + v))
        return false;
    t->cache = cache;
    ig_op op = {.kind = IG_OP_ATTEND,
                .in = {ig_ref_heads(t->x, 0, a->n_heads, a->k_cols),
                       ig_ref_heads(t->x, q, a->n_kv_heads, a->k_cols),
                       ig_ref_heads(t->x, q + k, a->n_kv_heads, a->v_cols)},
                .u.attend = *a};
    const ig_state state = {.kind = IG_STATE_PAGES,
                            .n_kv_heads = a->n_kv_heads,
                            .k_cols = a->k_cols,
                            .v_cols = a->v_cols,
                            .window = a->window};
    if (ig_program_state(t->p, &state, &op.u.attend.state, &t->err))
        return false;
    if (sinks)
        op.w[0] = f32(t, a->n_heads, sinks);
    give(t, &op, 0, IG_DTYPE_F32, a->n_heads, a->v_cols);
    return done(t, &op, 0);
}

TEST(attention_by_hand) {
    /* One head of one column: q, k, v. Scores of the last row: 0, ln 2, ln 3 → weights 1/6, 2/6,
     * 3/6. */
    static const float rows[] = {1, 0, 6, 1, 0.693147181f, 12, 1, 1.098612289f, 24};
    static const float sink[] = {0};
    ig_attend_attr a = {.n_heads = 1,
                        .n_kv_heads = 1,
                        .k_cols = 1,
                        .v_cols = 1,
                        .mask = IG_MASK_CAUSAL,
                        .scale = 1};
    probe t;
    REQUIRE(run_attend(&t, &a, rows, 3, NULL, IG_DTYPE_F32));
    ROW(&t, 6, 10, 17);
    REQUIRE(run_attend(&t, &a, rows, 3, sink, IG_DTYPE_F32)); /* one more in every denominator */
    ROW(&t, 3, 7.5, 102.0 / 7);
    a.window = 2;
    REQUIRE(run_attend(&t, &a, rows, 3, NULL, IG_DTYPE_F32));
    ROW(&t, 6, 10, (2 * 12 + 3 * 24) / 5.0);
    a.mask = IG_MASK_CHUNK;
    REQUIRE(run_attend(&t, &a, rows, 3, NULL, IG_DTYPE_F32));
    ROW(&t, 6, 10, 24);
    a = (ig_attend_attr){
        .n_heads = 1, .n_kv_heads = 1, .k_cols = 1, .v_cols = 1, .mask = IG_MASK_FULL, .scale = 1};
    REQUIRE(run_attend(&t, &a, rows, 3, NULL, IG_DTYPE_F32));
    ROW(&t, 17, 17, 17);
    a.mask = IG_MASK_SYMMETRIC;
    a.window = 3; /* one to each side */
    REQUIRE(run_attend(&t, &a, rows, 3, NULL, IG_DTYPE_F32));
    ROW(&t, 10, 17, 96.0 / 5);
    a = (ig_attend_attr){.n_heads = 1,
                         .n_kv_heads = 1,
                         .k_cols = 1,
                         .v_cols = 1,
                         .mask = IG_MASK_CAUSAL,
                         .scale = 2,
                         .cap = 1};
    REQUIRE(run_attend(&t, &a, rows, 3, NULL,
                       IG_DTYPE_F32)); /* tanh(2 ln 2) = 15/17, tanh(2 ln 3) = 40/41 */
    const double e1 = exp(15.0 / 17), e2 = exp(40.0 / 41);
    ROW(&t, 6, (6 + 12 * e1) / (1 + e1), (6 + 12 * e1 + 24 * e2) / (1 + e1 + e2));
}

TEST(queries_share_heads_in_blocks) {
    /* 4 query heads over 2 K/V heads, keys zero: every head gives its V. */
    static const float rows[] = {1, 1, 1, 1, 0, 0, 5, 7};
    const ig_attend_attr a = {.n_heads = 4,
                              .n_kv_heads = 2,
                              .k_cols = 1,
                              .v_cols = 1,
                              .mask = IG_MASK_CAUSAL,
                              .scale = 1};
    probe t;
    REQUIRE(run_attend(&t, &a, rows, 1, NULL, IG_DTYPE_F16));
    ROW(&t, 5, 5, 7, 7);
}

TEST(alibi_slopes_of_six_heads) {
    /* Queries are zero, so only the bias counts; v = 0, 1: the output is the weight of the token
     * itself. */
    static const float rows[] = {0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1};
    static const double slope[] = {0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125};
    const ig_attend_attr a = {.n_heads = 6,
                              .n_kv_heads = 1,
                              .k_cols = 1,
                              .v_cols = 1,
                              .mask = IG_MASK_CAUSAL,
                              .scale = 1,
                              .alibi_max = 8};
    probe t;
    REQUIRE(run_attend(&t, &a, rows, 2, NULL, IG_DTYPE_F32));
    for (size_t h = 0; h < 6; h++)
        CHECK_NEAR((double)t.out[6 + h], 1 / (1 + exp(-slope[h])), 1e-6);
}

typedef struct route_result {
    int32_t ids[8];
    float weights[8];
} route_result;

/* Logits are the input itself: the router is the identity. */
static bool run_route(const ig_route_attr *a, const float *logits, const float *bias,
                      route_result *out) {
    for (int slot = 0; slot < 2; slot++) {
        probe t;
        float identity[64] = {0};
        if (!begin(&t, logits, 1, a->n_experts))
            return false;
        ig_op op = {.kind = IG_OP_ROUTE, .in = {ig_ref_whole(t.p, t.x)}, .u.route = *a};
        for (uint32_t e = 0; e < a->n_experts; e++)
            identity[e * a->n_experts + e] = 1;
        if (run_weight_of(t.p, identity, a->n_experts, a->n_experts, 1, &op.w[0], &t.err))
            return false;
        op.w[2] = bias ? f32(&t, a->n_experts, bias) : 0;
        give(&t, &op, 0, IG_DTYPE_I32, 1, a->top_k);
        give(&t, &op, 1, IG_DTYPE_F32, 1, a->top_k);
        if (!done(&t, &op, slot))
            return false;
        memcpy(slot ? (void *)out->weights : (void *)out->ids, t.out, a->top_k * sizeof(float));
    }
    return true;
}

TEST(route_chooses_and_weighs) {
    static const float logits[] = {0, 2, 1, 2, -1, 0, 3, 0};
    static const float bias[] = {0, 0, 0, 0, 9, 0, 0, 0};
    const double sum = 3 + 2 * exp(2) + exp(1) + exp(-1) + exp(3);
    route_result r;
    ig_route_attr a = {.gating = IG_GATING_SOFTMAX, .n_experts = 8, .top_k = 3, .scale = 1};
    REQUIRE(run_route(&a, logits, NULL, &r)); /* the tie of 1 and 3 goes to 1 */
    CHECK(r.ids[0] == 6 && r.ids[1] == 1 && r.ids[2] == 3);
    CHECK_NEAR((double)r.weights[0], exp(3) / sum, 1e-6);
    CHECK_NEAR((double)r.weights[2], exp(2) / sum, 1e-6);
    a.renorm = true;
    a.scale = 2;
    REQUIRE(run_route(&a, logits, NULL, &r));
    CHECK_NEAR((double)r.weights[0], 2 * exp(3) / (exp(3) + 2 * exp(2)), 1e-6);
    /* The selection bias decides who, never how much. */
    a = (ig_route_attr){.gating = IG_GATING_SIGMOID, .n_experts = 8, .top_k = 2, .scale = 1};
    REQUIRE(run_route(&a, logits, bias, &r));
    CHECK(r.ids[0] == 4 && r.ids[1] == 6);
    CHECK_NEAR((double)r.weights[0], 0.268941421, 1e-6);
    CHECK_NEAR((double)r.weights[1], 0.952574127, 1e-6);
    a.gating = IG_GATING_SOFTMAX_AFTER;
    REQUIRE(run_route(&a, logits, NULL, &r));
    CHECK(r.ids[0] == 6 && r.ids[1] == 1);
    CHECK_NEAR((double)r.weights[0], 0.731058579, 1e-6);
    a.gating = IG_GATING_SQRT_SOFTPLUS;
    REQUIRE(run_route(&a, logits, NULL, &r));
    CHECK_NEAR((double)r.weights[0], sqrt(3.048587352), 1e-6);
}

TEST(route_groups_and_divided_ids) {
    /* Pairs sum to 2, 3, -1, 3 before gating; sigmoids: .5+.8808, .7311+.8808, .2689+.5, .9526+.5.
     * Best: 1 and 3. */
    static const float logits[] = {0, 2, 1, 2, -1, 0, 3, 0};
    route_result r;
    ig_route_attr a = {.gating = IG_GATING_SIGMOID,
                       .n_experts = 8,
                       .top_k = 3,
                       .n_groups = 4,
                       .n_groups_used = 2,
                       .scale = 1};
    REQUIRE(run_route(&a, logits, NULL, &r));
    CHECK(r.ids[0] == 6 && r.ids[1] == 3 && r.ids[2] == 2);
    a = (ig_route_attr){
        .gating = IG_GATING_SIGMOID, .n_experts = 8, .top_k = 2, .id_div = 2, .scale = 1};
    REQUIRE(run_route(&a, logits, NULL, &r));
    CHECK(r.ids[0] == 3 && r.ids[1] == 0);
    CHECK_NEAR((double)r.weights[0], 0.880797078, 1e-6); /* of entry 3, not of 6 */
    CHECK_NEAR((double)r.weights[1], 0.5, 1e-6);
}

/* Values that a cache type holds exactly give the same bits as an F32 cache. */
TEST(cache_types_hold_what_they_can) {
    static const ig_dtype types[] = {IG_DTYPE_F16, IG_DTYPE_BF16, IG_DTYPE_Q8_0, IG_DTYPE_Q4_0};
    float rows[4][96], want[128];
    const ig_attend_attr a = {.n_heads = 1,
                              .n_kv_heads = 1,
                              .k_cols = 32,
                              .v_cols = 32,
                              .mask = IG_MASK_CAUSAL,
                              .scale = 1};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t c = 0; c < 96; c++)
            rows[i][c] = c % 32 == 0 ? -8
                                     : (float)((c * 5 + i * 3) % 16) -
                                           8; /* integers -8…7: whole steps of Q4_0 */
    }
    probe t;
    REQUIRE(run_attend(&t, &a, &rows[0][0], 4, NULL, IG_DTYPE_F32));
    memcpy(want, t.out, sizeof want);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        REQUIRE(run_attend(&t, &a, &rows[0][0], 4, NULL, types[i]));
        if (types[i] == IG_DTYPE_Q8_0) {
            for (size_t c = 0; c < 128; c++)
                CHECK_NEAR((double)t.out[c], (double)want[c], 0.05); /* its step is 8 / 127 */
        } else {
            CHECK(memcmp(t.out, want, sizeof want) == 0);
        }
    }
}

TEST(norm_weights_of_heads) {
    probe t;
    REQUIRE(begin(&t, (float[]){3, 4, 0, 9, 9, 6, 8}, 1, 7));
    ig_op op = {.kind = IG_OP_NORM,
                .in = {{t.x, 0, 2, 2, 5}},
                .u.norm = {.kind = IG_NORM_L2_ADD, .head_stride = 2, .col_stride = 1}};
    op.w[0] = F32(&t, 1, 10, 100, 1000);
    give(&t, &op, 0, IG_DTYPE_F32, 2, 2);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, 0.6, 8, 60, 800);
}

TEST(embed_by_position_and_constant) {
    static const int32_t positions[] = {2, 0, 2};
    for (int constant = 0; constant < 2; constant++) {
        probe t;
        ig_err err = {0};
        REQUIRE(begin(&t, (float[]){0, 0, 0}, 3, 1));
        t.positions = positions;
        ig_op op = {.kind = IG_OP_EMBED,
                    .layer = -1,
                    .u.embed = {.index = constant ? IG_EMBED_CONST : IG_EMBED_POSITION,
                                .const_row = 1,
                                .scale = 3}};
        REQUIRE_OK(run_weight_of(t.p, (float[]){1, 2, 10, 20, 100, 200}, 2, 3, 1, &op.w[0], &err));
        give(&t, &op, 0, IG_DTYPE_F32, 1, 2);
        REQUIRE(done(&t, &op, 0));
        if (constant)
            ROW(&t, 30, 60, 30, 60, 30, 60);
        else
            ROW(&t, 300, 600, 3, 6, 300, 600);
    }
}

TEST(columns_move_and_mix) {
    probe t;
    REQUIRE(begin(&t, (float[]){1, 2, 3, 4, 5, 6}, 1, 6));
    ig_op op = {.kind = IG_OP_CONCAT, .in = {{t.x, 4, 1, 2, 2}, {t.x, 0, 2, 1, 2}}};
    give(&t, &op, 0, IG_DTYPE_F32, 1, 4);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, 5, 6, 1, 3);
    REQUIRE(begin(&t, (float[]){1, 2, 3, 4, 5, 6}, 1, 6));
    op = (ig_op){.kind = IG_OP_ADD, .in = {{t.x, 0, 1, 2, 2}, {t.x, 2, 2, 1, 3}}, .u.add = {2, -1}};
    give(&t, &op, 0, IG_DTYPE_F32, 1, 2);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, -1, -2);
    REQUIRE(begin(&t, (float[]){1, 2, 3, 4, 5, 6}, 1, 6));
    op =
        (ig_op){.kind = IG_OP_MAP, .in = {ig_ref_heads(t.x, 0, 2, 3)}, .u.map = {.fn = IG_MAP_MUL}};
    op.w[0] = F32(&t, 10, 100);
    give(&t, &op, 0, IG_DTYPE_F32, 2, 3);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, 10, 20, 30, 400, 500, 600);
    /* act none: one gate a head, then one for the row */
    REQUIRE(begin(&t, (float[]){1, 2, 3, 4, 5, 6}, 1, 6));
    op = (ig_op){.kind = IG_OP_GLU,
                 .in = {ig_ref_heads(t.x, 0, 1, 2), ig_ref_heads(t.x, 2, 2, 2)},
                 .u.glu = {.broadcast = IG_GLU_HEAD}};
    op.w[0] = F32(&t, 1, 2, 4, 8);
    give(&t, &op, 0, IG_DTYPE_F32, 2, 2);
    REQUIRE(done(&t, &op, 0));
    ROW(&t, 3, 2, 2.5, 1.5);
}

TEST(experts_by_hand) {
    /* Two of three experts: logits 0, ln 2, ln 4 choose 2 and 1 with 4/6 and 2/6. Expert e gives (e
     * + 1) x * scale + bias. */
    probe t;
    ig_err err = {0};
    REQUIRE(begin(&t, (float[]){1}, 1, 1));
    ig_value_id ids, weights;
    REQUIRE_OK(ig_program_value(t.p, "ids", IG_ROWS_TOKENS, IG_DTYPE_I32, 2, &ids, &err));
    REQUIRE_OK(ig_program_value(t.p, "w", IG_ROWS_TOKENS, IG_DTYPE_F32, 2, &weights, &err));
    ig_op route = {
        .kind = IG_OP_ROUTE,
        .in = {ig_ref_whole(t.p, t.x)},
        .out = {ig_ref_whole(t.p, ids), ig_ref_whole(t.p, weights)},
        .u.route = {
            .gating = IG_GATING_SOFTMAX, .n_experts = 3, .top_k = 2, .renorm = true, .scale = 1}};
    REQUIRE_OK(run_weight_of(t.p, (float[]){0, 0, 0}, 1, 3, 1, &route.w[0], &err));
    route.w[1] = F32(&t, 0, 0.693147181f, 1.386294361f);
    REQUIRE_OK(ig_program_op(t.p, &route, &err));
    ig_linear_part parts[2] = {{.rows = 1}, {.rows = 1}};
    ig_op op = {.kind = IG_OP_EXPERT_LINEAR,
                .in = {ig_ref_whole(t.p, t.x), ig_ref_whole(t.p, ids)},
                .u.linear = {.parts = parts, .n_parts = 2, .top_k = 2}};
    REQUIRE_OK(run_weight_of(t.p, (float[]){1, 2, 3}, 1, 1, 3, &parts[0].weight, &err));
    REQUIRE_OK(run_weight_of(t.p, (float[]){-1, -2, -3}, 1, 1, 3, &parts[1].weight, &err));
    parts[0].bias = F32(&t, 100, 200, 300);
    parts[1].scale = F32(&t, 10, 20, 30);
    give(&t, &op, 0, IG_DTYPE_F32, 2, 2);
    REQUIRE_OK(ig_program_op(t.p, &op, &err));
    /* A second product reads what the first gave, one column a rank: experts 2 and 1 give 100 and
     * 10 times it. */
    ig_linear_part again = {.rows = 1};
    ig_op next = {.kind = IG_OP_EXPERT_LINEAR,
                  .in = {{op.out[0].value, 1, 2, 1, 2}, ig_ref_whole(t.p, ids)},
                  .u.linear = {.parts = &again, .n_parts = 1, .top_k = 2}};
    REQUIRE_OK(run_weight_of(t.p, (float[]){1, 10, 100}, 1, 1, 3, &again.weight, &err));
    give(&t, &next, 0, IG_DTYPE_F32, 2, 1);
    REQUIRE_OK(ig_program_op(t.p, &next, &err));
    ig_op sum = {.kind = IG_OP_COMBINE, .in = {op.out[0], ig_ref_whole(t.p, weights)}};
    give(&t, &sum, 0, IG_DTYPE_F32, 1, 2);
    REQUIRE_OK(ig_program_op(t.p, &sum, &err));
    ig_op all = {.kind = IG_OP_CONCAT, .in = {sum.out[0], next.out[0]}};
    give(&t, &all, 0, IG_DTYPE_F32, 1, 4);
    REQUIRE(done(&t, &all, 0));
    ROW(&t, (4 * 303.0 + 2 * 202) / 6, (4 * -90.0 + 2 * -40) / 6, -9000, -400);
}

TEST(pool_by_position) {
    static const int32_t ids[] = {0, 1, 2, 3, 4}, positions[] = {5, 1, 1, 5, 3};
    static const double want[] = {2, 1, 3};
    static const ig_pool_kind kinds[] = {IG_POOL_MEAN, IG_POOL_FIRST, IG_POOL_LAST};
    for (size_t k = 0; k < 3; k++) { /* ties: the earlier row is first, the later one last */
        probe t;
        ig_err err = {0};
        REQUIRE(begin(&t, (float[]){0, 1, 2, 3, 4}, 5, 1));
        REQUIRE_OK(ig_program_value(t.p, "out", IG_ROWS_SEQS, IG_DTYPE_F32, 1, &t.p->output, &err));
        const ig_op op = {.kind = IG_OP_POOL,
                          .layer = -1,
                          .in = {ig_ref_whole(t.p, t.x)},
                          .out = {ig_ref_whole(t.p, t.p->output)},
                          .u.pool = {kinds[k]}};
        REQUIRE_OK(ig_program_op(t.p, &op, &err));
        const run_spec spec = {.n_seqs = 1, .lens = {5}, .ids = ids, .positions = positions};
        REQUIRE_OK(run_program(&ig_backend_ref, NULL, &t.p, &spec, t.out, &err));
        CHECK_NEAR((double)t.out[0], want[k], 1e-6);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(norm_kinds), T(linear_scales_before_it_adds), T(linear_of_heads),
               T(rope_pairs_and_magnitude), T(rope_streams_pair_as_neox), T(activations),
               T(map_by_position), T(attention_by_hand), T(queries_share_heads_in_blocks),
               T(alibi_slopes_of_six_heads), T(route_chooses_and_weighs),
               T(route_groups_and_divided_ids), T(cache_types_hold_what_they_can),
               T(norm_weights_of_heads), T(embed_by_position_and_constant), T(columns_move_and_mix),
               T(experts_by_hand), T(pool_by_position));
}
