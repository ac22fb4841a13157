/* tiny_model.c: see tiny_model.h. Width 64, 4 heads of 16 over 2 K/V heads, feed-forward width 96.
 */
#include <math.h>

#include "kernels/tiny_model.h"

#define D 64u
#define H 4u
#define HK 2u
#define DK 16u
#define F 96u
#define E 6u

typedef struct maker {
    ig_program *p;
    run_rng rng;
    const tiny_options *o;
    const double *inv_freq;
    int32_t layer;
} maker;

static ig_status put(maker *m, ig_op *op, uint32_t cols, ig_value_id *out, ig_err *err) {
    IG_TRY(ig_program_value(m->p, "v", IG_ROWS_TOKENS, IG_DTYPE_F32, cols, out, err));
    op->layer = m->layer;
    op->out[0] = ig_ref_whole(m->p, *out);
    return ig_program_op(m->p, op, err);
}

static ig_status norm(maker *m, ig_value_id x, uint32_t heads, ig_value_id *out, ig_err *err) {
    const uint32_t cols = m->p->values[x].cols, head = cols / heads;
    ig_op op = {.kind = IG_OP_NORM,
                .in = {ig_ref_heads(x, 0, heads, head)},
                .u.norm = {.kind = IG_NORM_RMS, .eps = 1e-6f, .col_stride = 1}};
    float w[D];
    for (uint32_t i = 0; i < head; i++)
        w[i] = 1 + 0.3f * run_uniform(&m->rng);
    IG_TRY(run_weight_of(m->p, w, head, 1, 1, &op.w[0], err));
    IG_TRY(ig_program_value(m->p, "norm", IG_ROWS_TOKENS, IG_DTYPE_F32, cols, out, err));
    op.layer = m->layer;
    op.out[0] = ig_ref_heads(*out, 0, heads, head);
    return ig_program_op(m->p, &op, err);
}

static ig_status linear(maker *m, ig_value_id x, uint32_t rows, ig_value_id *out, ig_err *err) {
    const uint32_t cols = m->p->values[x].cols;
    ig_linear_part part = {.rows = rows};
    ig_op op = {.kind = IG_OP_LINEAR,
                .in = {ig_ref_whole(m->p, x)},
                .u.linear = {.parts = &part, .n_parts = 1}};
    const ig_dtype dtype = m->o->dtype ? m->o->dtype : IG_DTYPE_F32;
    IG_TRY(
        run_weight(m->p, &m->rng, dtype, cols, rows, 1, 2 / sqrtf((float)cols), &part.weight, err));
    return put(m, &op, rows, out, err);
}

static ig_status rope(maker *m, ig_value_id x, uint32_t heads, ig_value_id *out, ig_err *err) {
    ig_op op = {.kind = IG_OP_ROPE,
                .layer = m->layer,
                .in = {ig_ref_heads(x, 0, heads, DK)},
                .u.rope = {.pairs = IG_ROPE_NEOX, .n_rot = DK, .inv_freq = m->inv_freq, .m = 1}};
    IG_TRY(ig_program_value(m->p, "rope", IG_ROWS_TOKENS, IG_DTYPE_F32, heads * DK, out, err));
    op.out[0] = ig_ref_heads(*out, 0, heads, DK);
    return ig_program_op(m->p, &op, err);
}

static ig_status glu(maker *m, ig_ref g, ig_ref u, ig_value_id *out, ig_err *err) {
    ig_op op = {.kind = IG_OP_GLU,
                .in = {g, u},
                .u.glu = {.act = m->o->sandwich ? IG_ACT_GELU : IG_ACT_SILU}};
    IG_TRY(ig_program_value(m->p, "glu", IG_ROWS_TOKENS, IG_DTYPE_F32, ig_ref_width(g), out, err));
    op.layer = m->layer;
    op.out[0] = ig_ref_heads(*out, 0, g.heads, g.cols);
    return ig_program_op(m->p, &op, err);
}

static ig_status attention(maker *m, ig_value_id x, ig_value_id *out, ig_err *err) {
    ig_value_id q, k, v, o;
    const uint32_t window = m->layer % 2 == 0 ? m->o->window : 0;
    ig_op op = {.kind = IG_OP_ATTEND,
                .u.attend = {.n_heads = H,
                             .n_kv_heads = HK,
                             .k_cols = DK,
                             .v_cols = DK,
                             .mask = IG_MASK_CAUSAL,
                             .window = window,
                             .scale = 0.25f}};
    const ig_state state = {.kind = IG_STATE_PAGES,
                            .layer = (uint32_t)m->layer,
                            .n_kv_heads = HK,
                            .k_cols = DK,
                            .v_cols = DK,
                            .window = window};
    IG_TRY(linear(m, x, H * DK, &q, err));
    IG_TRY(linear(m, x, HK * DK, &k, err));
    IG_TRY(linear(m, x, HK * DK, &v, err));
    if (m->o->sandwich) {
        IG_TRY(norm(m, q, H, &q, err));
        IG_TRY(norm(m, k, HK, &k, err));
    }
    IG_TRY(rope(m, q, H, &q, err));
    IG_TRY(rope(m, k, HK, &k, err));
    IG_TRY(ig_program_state(m->p, &state, &op.u.attend.state, err));
    op.in[0] = ig_ref_heads(q, 0, H, DK);
    op.in[1] = ig_ref_heads(k, 0, HK, DK);
    op.in[2] = ig_ref_heads(v, 0, HK, DK);
    IG_TRY(put(m, &op, H * DK, &o, err));
    return linear(m, o, D, out, err);
}

static ig_status dense(maker *m, ig_value_id x, ig_value_id *out, ig_err *err) {
    ig_value_id g, u, a;
    IG_TRY(linear(m, x, F, &g, err));
    IG_TRY(linear(m, x, F, &u, err));
    IG_TRY(glu(m, ig_ref_whole(m->p, g), ig_ref_whole(m->p, u), &a, err));
    return linear(m, a, D, out, err);
}

static ig_status expert(maker *m, ig_ref in, ig_value_id ids, uint32_t cols, uint32_t rows,
                        uint32_t n_parts, ig_value_id *out, ig_err *err) {
    ig_linear_part parts[2] = {{.rows = rows}, {.rows = rows}};
    ig_op op = {.kind = IG_OP_EXPERT_LINEAR,
                .in = {in, ig_ref_whole(m->p, ids)},
                .u.linear = {.parts = parts, .n_parts = n_parts, .top_k = 2}};
    const ig_dtype dtype = m->o->dtype ? m->o->dtype : IG_DTYPE_F32;
    for (uint32_t i = 0; i < n_parts; i++)
        IG_TRY(run_weight(m->p, &m->rng, dtype, cols, rows, E, 2 / sqrtf((float)cols),
                          &parts[i].weight, err));
    return put(m, &op, 2 * rows * n_parts, out, err);
}

static ig_status experts(maker *m, ig_value_id x, ig_value_id *out, ig_err *err) {
    ig_value_id ids, weights, gu, a, y;
    ig_op op = {
        .kind = IG_OP_ROUTE,
        .layer = m->layer,
        .in = {ig_ref_whole(m->p, x)},
        .u.route = {
            .gating = IG_GATING_SOFTMAX, .n_experts = E, .top_k = 2, .renorm = true, .scale = 1}};
    IG_TRY(run_weight(m->p, &m->rng, IG_DTYPE_F32, D, E, 1, 0.5f, &op.w[0], err));
    IG_TRY(ig_program_value(m->p, "ids", IG_ROWS_TOKENS, IG_DTYPE_I32, 2, &ids, err));
    IG_TRY(ig_program_value(m->p, "weights", IG_ROWS_TOKENS, IG_DTYPE_F32, 2, &weights, err));
    op.out[0] = ig_ref_whole(m->p, ids);
    op.out[1] = ig_ref_whole(m->p, weights);
    IG_TRY(ig_program_op(m->p, &op, err));
    IG_TRY(expert(m, ig_ref_whole(m->p, x), ids, D, F, 2, &gu, err));
    const ig_ref g = {gu, 0, 2, F, 2 * F}, u = {gu, F, 2, F, 2 * F};
    IG_TRY(glu(m, g, u, &a, err));
    IG_TRY(expert(m, ig_ref_heads(a, 0, 2, F), ids, F, D, 1, &y, err));
    ig_op sum = {.kind = IG_OP_COMBINE,
                 .in = {ig_ref_heads(y, 0, 2, D), ig_ref_whole(m->p, weights)}};
    return put(m, &sum, D, out, err);
}

static ig_status add(maker *m, ig_value_id a, ig_value_id b, ig_value_id *out, ig_err *err) {
    ig_op op = {
        .kind = IG_OP_ADD, .in = {ig_ref_whole(m->p, a), ig_ref_whole(m->p, b)}, .u.add = {1, 1}};
    return put(m, &op, D, out, err);
}

static ig_status block(maker *m, ig_value_id *x, ig_err *err) {
    ig_value_id h;
    IG_TRY(norm(m, *x, 1, &h, err));
    IG_TRY(attention(m, h, &h, err));
    if (m->o->sandwich)
        IG_TRY(norm(m, h, 1, &h, err));
    IG_TRY(add(m, *x, h, x, err));
    IG_TRY(norm(m, *x, 1, &h, err));
    if (m->o->experts && m->layer % 2)
        IG_TRY(experts(m, h, &h, err));
    else
        IG_TRY(dense(m, h, &h, err));
    if (m->o->sandwich)
        IG_TRY(norm(m, h, 1, &h, err));
    return add(m, *x, h, x, err);
}

static ig_status head(maker *m, ig_value_id x, ig_err *err) {
    ig_value_id h;
    m->layer = -1;
    IG_TRY(norm(m, x, 1, &h, err));
    IG_TRY(linear(m, h, TINY_VOCAB, &h, err));
    if (m->o->sandwich) {
        ig_op cap = {
            .kind = IG_OP_MAP, .in = {ig_ref_whole(m->p, h)}, .u.map = {IG_MAP_SOFTCAP, 5, 0, 0}};
        IG_TRY(put(m, &cap, TINY_VOCAB, &h, err));
    }
    IG_TRY(ig_program_value(m->p, "logits", IG_ROWS_OUTPUTS, IG_DTYPE_F32, TINY_VOCAB,
                            &m->p->output, err));
    const ig_op select = {.kind = IG_OP_SELECT_ROWS,
                          .layer = -1,
                          .in = {ig_ref_whole(m->p, h)},
                          .out = {ig_ref_whole(m->p, m->p->output)}};
    return ig_program_op(m->p, &select, err);
}

static ig_status build(maker *m, ig_err *err) {
    ig_op op = {
        .kind = IG_OP_EMBED,
        .u.embed = {.index = IG_EMBED_TOKEN, .scale = m->o->sandwich ? 8 : 1, .raw_scale = 1}};
    double *inv_freq;
    ig_value_id x;
    IG_TRY(ig_arena_new(&m->p->arena, DK / 2, sizeof *inv_freq, &inv_freq, err));
    for (uint32_t i = 0; i < DK / 2; i++)
        inv_freq[i] = pow(10000, -2.0 * i / DK);
    m->inv_freq = inv_freq;
    m->layer = -1;
    m->p->facts = (ig_model_facts){.arch = IG_STR("tiny"),
                                   .n_layers = m->o->n_layers ? m->o->n_layers : 2,
                                   .n_embd = D,
                                   .n_vocab = TINY_VOCAB,
                                   .n_heads = H,
                                   .n_kv_heads = HK,
                                   .causal = true,
                                   .has_logits = true,
                                   .n_context_train = 4096};
    IG_TRY(run_weight(m->p, &m->rng, IG_DTYPE_F32, D, TINY_VOCAB, 1, 1, &op.w[0], err));
    IG_TRY(put(m, &op, D, &x, err));
    for (uint32_t l = 0; l < m->p->facts.n_layers; l++) {
        m->layer = (int32_t)l;
        IG_TRY(block(m, &x, err));
    }
    return head(m, x, err);
}

ig_status tiny_model(const tiny_options *options, ig_program **out, ig_err *err) {
    maker m = {.o = options, .rng = {options->seed + 99}};
    *out = NULL;
    IG_TRY(ig_program_create(&m.p, err));
    const ig_status status = build(&m, err);
    if (status)
        ig_program_destroy(&m.p);
    *out = m.p;
    return status;
}
