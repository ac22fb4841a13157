/* op_build.c: see op_build.h. */
#include <math.h>

#include "kernels/op_build.h"

/* b->x = [T][cols] from a random table. */
static ig_status input(op_builder *b, uint32_t cols, float size, ig_err *err) {
    ig_op op = {.kind = IG_OP_EMBED,
                .layer = -1,
                .u.embed = {.index = IG_EMBED_TOKEN, .scale = 1, .raw_scale = 1}};
    IG_TRY(run_weight(b->p, &b->rng, IG_DTYPE_F32, cols, OP_VOCAB, 1, size, &op.w[0], err));
    IG_TRY(ig_program_value(b->p, "x", IG_ROWS_TOKENS, IG_DTYPE_F32, cols, &b->x, err));
    op.out[0] = ig_ref_whole(b->p, b->x);
    return ig_program_op(b->p, &op, err);
}

/* A fresh value for out[0] of op; its id also in *v. */
static ig_status output(op_builder *b, ig_op *op, uint32_t heads, uint32_t cols, ig_value_id *v,
                        ig_err *err) {
    IG_TRY(ig_program_value(b->p, "y", IG_ROWS_TOKENS, IG_DTYPE_F32, heads * cols, v, err));
    op->out[0] = ig_ref_heads(*v, 0, heads, cols);
    return IG_OK;
}

static ig_status finish(op_builder *b, ig_value_id v, ig_err *err) {
    const ig_value value = b->p->values[v];
    IG_TRY(ig_program_value(b->p, "out", IG_ROWS_OUTPUTS, value.dtype, value.cols, &b->p->output,
                            err));
    const ig_op op = {.kind = IG_OP_SELECT_ROWS,
                      .layer = -1,
                      .in = {ig_ref_whole(b->p, v)},
                      .out = {ig_ref_whole(b->p, b->p->output)}};
    return ig_program_op(b->p, &op, err);
}

static ig_status f32_weight(op_builder *b, uint32_t n, float size, ig_weight_id *out, ig_err *err) {
    return run_weight(b->p, &b->rng, IG_DTYPE_F32, n, 1, 1, size, out, err);
}

static ig_ref view(ig_value_id v, uint32_t col, uint32_t heads, uint32_t cols, uint32_t stride) {
    return (ig_ref){v, col, heads, cols, stride};
}

ig_status op_build_embed(op_builder *b, const op_case *c, ig_err *err) {
    ig_op op = {
        .kind = IG_OP_EMBED,
        .layer = -1,
        .u.embed = {
            .index = (ig_embed_index)c->n[0], .const_row = 3, .scale = c->f[0], .raw_scale = 1}};
    ig_value_id v;
    IG_TRY(run_weight(b->p, &b->rng, c->dtype, c->n[1], 80, 1, 1, &op.w[0], err));
    IG_TRY(output(b, &op, 1, c->n[1], &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_norm(op_builder *b, const op_case *c, ig_err *err) {
    const uint32_t heads = c->n[1], cols = c->n[2], stride = cols + c->n[5];
    ig_op op = {.kind = IG_OP_NORM, .u.norm = {.kind = (ig_norm_kind)c->n[0], .eps = 1e-5f}};
    ig_value_id v;
    IG_TRY(input(b, heads * stride + 3, 2, err));
    op.in[0] = view(b->x, 3, heads, cols, stride);
    if (c->n[3]) {
        op.u.norm.col_stride = c->n[3] == 3 ? 0 : 1;
        op.u.norm.head_stride = c->n[3] == 1 ? 0 : c->n[3] == 2 ? cols : 1;
        const uint32_t n = c->n[3] == 1 ? cols : c->n[3] == 2 ? heads * cols : heads;
        IG_TRY(f32_weight(b, n, 2, &op.w[0], err));
        if (c->n[4])
            IG_TRY(f32_weight(b, n, 1, &op.w[1], err));
    }
    IG_TRY(output(b, &op, heads, cols, &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_linear(op_builder *b, const op_case *c, ig_err *err) {
    const uint32_t heads = c->n[5] ? c->n[5] : 1;
    ig_linear_part parts[3] = {{0}};
    ig_op op = {.kind = IG_OP_LINEAR, .u.linear = {.parts = parts, .n_heads = c->n[5]}};
    uint32_t rows = 0;
    ig_value_id v;
    IG_TRY(input(b, c->n[0] * heads, 1, err));
    op.in[0] = ig_ref_heads(b->x, 0, heads, c->n[0]);
    for (uint32_t i = 0; i < 3 && c->n[1 + i]; i++) {
        parts[i].rows = c->n[1 + i];
        rows += parts[i].rows * heads;
        IG_TRY(run_weight(b->p, &b->rng, c->dtype, c->n[0], parts[i].rows, heads, 1,
                          &parts[i].weight, err));
        if (c->n[4] & 1)
            IG_TRY(f32_weight(b, parts[i].rows * heads, 1, &parts[i].bias, err));
        if (c->n[4] & 2)
            IG_TRY(f32_weight(b, 1, 2, &parts[i].scale, err));
        op.u.linear.n_parts++;
    }
    IG_TRY(output(b, &op, 1, rows, &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_rope(op_builder *b, const op_case *c, ig_err *err) {
    const uint32_t heads = c->n[1], cols = c->n[2], n_rot = c->n[3];
    double *inv_freq;
    ig_value_id v;
    IG_TRY(ig_arena_new(&b->p->arena, n_rot / 2, sizeof *inv_freq, &inv_freq, err));
    for (uint32_t i = 0; i < n_rot / 2; i++)
        inv_freq[i] = pow(10000, -2.0 * i / n_rot);
    ig_op op = {.kind = IG_OP_ROPE,
                .u.rope = {.pairs = (ig_rope_pairs)c->n[0],
                           .streams = (ig_rope_streams)c->n[5],
                           .n_rot = n_rot,
                           .first = c->n[4],
                           .sections = {n_rot / 4, n_rot / 8, n_rot / 8, 0},
                           .inv_freq = inv_freq,
                           .m = c->f[0],
                           .inverse = c->n[6] != 0}};
    IG_TRY(input(b, heads * cols + 5, 1, err));
    op.in[0] = ig_ref_heads(b->x, 5, heads, cols);
    IG_TRY(output(b, &op, heads, cols, &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_map(op_builder *b, const op_case *c, ig_err *err) {
    ig_op op = {.kind = IG_OP_MAP, .u.map = {(ig_map_fn)c->n[0], c->f[0], c->f[1], c->f[2]}};
    ig_value_id v;
    IG_TRY(input(b, c->n[1] * c->n[2], 4, err));
    op.in[0] = ig_ref_heads(b->x, 0, c->n[1], c->n[2]);
    if (c->n[3])
        IG_TRY(f32_weight(b, c->n[3], 2, &op.w[0], err));
    IG_TRY(output(b, &op, c->n[1], c->n[2], &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_add(op_builder *b, const op_case *c, ig_err *err) {
    ig_op op = {.kind = IG_OP_ADD, .u.add = {c->f[0], c->f[1]}};
    ig_value_id v;
    IG_TRY(input(b, c->n[0] * 2 + 1, 1, err));
    op.in[0] = ig_ref_heads(b->x, 0, 1, c->n[0]);
    op.in[1] = ig_ref_heads(b->x, c->n[0] + 1, 1, c->n[0]);
    IG_TRY(output(b, &op, 1, c->n[0], &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_glu(op_builder *b, const op_case *c, ig_err *err) {
    const uint32_t heads = c->n[3], cols = c->n[4], width = heads * cols;
    const ig_glu_broadcast broadcast = (ig_glu_broadcast)c->n[2];
    const uint32_t gates = broadcast == IG_GLU_ELEM ? width : broadcast == IG_GLU_HEAD ? heads : 1;
    ig_op op = {.kind = IG_OP_GLU,
                .u.glu = {.act = (ig_act)c->n[0],
                          .limit = (ig_glu_limit)c->n[1],
                          .broadcast = broadcast,
                          .c = c->f[0],
                          .p = {0.3f, 0.7f, 0.5f, -1e-6f}}};
    ig_value_id v;
    IG_TRY(input(b, gates + width, 9, err));
    op.in[0] = ig_ref_heads(b->x, 0, broadcast == IG_GLU_ELEM ? heads : 1,
                            broadcast == IG_GLU_ELEM ? cols : gates);
    if (!(c->n[5] & 1))
        op.in[1] = ig_ref_heads(b->x, gates, heads, cols);
    if (c->n[5] & 2) {
        float divisor[OP_COLS_MAX];
        for (uint32_t i = 0; i < width; i++)
            divisor[i] = 0.5f + fabsf(run_uniform(&b->rng));
        IG_TRY(run_weight_of(b->p, divisor, width, 1, 1, &op.w[0], err));
    }
    IG_TRY(output(b, &op, heads, cols, &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_attend(op_builder *b, const op_case *c, ig_err *err) {
    const uint32_t heads = c->n[2], kv_heads = c->n[3], dk = c->n[4], dv = c->n[5], flags = c->n[6];
    ig_op op = {.kind = IG_OP_ATTEND,
                .u.attend = {.n_heads = heads,
                             .n_kv_heads = kv_heads,
                             .k_cols = dk,
                             .v_cols = dv,
                             .mask = (ig_mask)c->n[0],
                             .window = c->n[1],
                             .scale = c->f[0],
                             .cap = c->f[1],
                             .alibi_max = c->f[2]}};
    ig_value_id v;
    IG_TRY(input(b, heads * dk * 2 + kv_heads * (dk + dv), 1, err));
    op.in[0] = ig_ref_heads(b->x, 0, heads, dk);
    op.in[1] = ig_ref_heads(b->x, heads * dk, kv_heads, dk);
    op.in[2] = ig_ref_heads(b->x, heads * dk + kv_heads * dk, kv_heads, dv);
    if (flags & 1)
        IG_TRY(f32_weight(b, heads, 2, &op.w[0], err));
    if (!(flags & 2)) {
        const ig_state state = {.kind = IG_STATE_PAGES,
                                .n_kv_heads = kv_heads,
                                .k_cols = dk,
                                .v_cols = dv,
                                .window = c->n[1]};
        IG_TRY(ig_program_state(b->p, &state, &op.u.attend.state, err));
    }
    IG_TRY(output(b, &op, heads, dv, &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    if (!(flags & 4))
        return finish(b, v, err);
    /* Other queries over the same state, added to the first result. */
    ig_value_id second;
    op.in[0] = ig_ref_heads(b->x, heads * dk + kv_heads * (dk + dv), heads, dk);
    op.in[1] = op.in[2] = (ig_ref){0};
    IG_TRY(output(b, &op, heads, dv, &second, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    ig_op add = {.kind = IG_OP_ADD,
                 .in = {ig_ref_whole(b->p, v), ig_ref_whole(b->p, second)},
                 .u.add = {1, 1}};
    IG_TRY(output(b, &add, 1, heads * dv, &v, err));
    IG_TRY(ig_program_op(b->p, &add, err));
    return finish(b, v, err);
}

/* One expert_linear from `in` to *out [T, k, rows of all parts]. */
static ig_status experts(op_builder *b, const op_case *c, ig_ref in, ig_ref ids, uint32_t cols,
                         uint32_t rows, ig_value_id *out, ig_err *err) {
    const uint32_t n_experts = c->n[1] / (c->n[5] ? c->n[5] : 1), k = c->n[2], flags = c->n[6];
    ig_linear_part parts[2] = {{0}};
    ig_op op = {.kind = IG_OP_EXPERT_LINEAR,
                .in = {in, ids},
                .u.linear = {.parts = parts, .n_parts = flags & 64 ? 2 : 1, .top_k = k}};
    for (uint32_t i = 0; i < op.u.linear.n_parts; i++) {
        parts[i].rows = rows;
        IG_TRY(
            run_weight(b->p, &b->rng, c->dtype, cols, rows, n_experts, 1, &parts[i].weight, err));
        if (flags & 8)
            IG_TRY(run_weight(b->p, &b->rng, IG_DTYPE_F32, rows, n_experts, 1, 1, &parts[i].bias,
                              err));
        if (flags & 16)
            IG_TRY(f32_weight(b, n_experts, 2, &parts[i].scale, err));
    }
    IG_TRY(output(b, &op, k, rows * op.u.linear.n_parts, out, err));
    return ig_program_op(b->p, &op, err);
}

ig_status op_build_moe(op_builder *b, const op_case *c, ig_err *err) {
    const uint32_t n_experts = c->n[1], k = c->n[2], flags = c->n[6], cols = c->n[7], rows = cols,
                   parts = flags & 64 ? 2 : 1;
    ig_op op = {.kind = IG_OP_ROUTE,
                .u.route = {.gating = (ig_gating)c->n[0],
                            .n_experts = n_experts,
                            .top_k = k,
                            .n_groups = c->n[3],
                            .n_groups_used = c->n[4],
                            .id_div = c->n[5],
                            .renorm = (flags & 4) != 0,
                            .scale = c->f[0]}};
    ig_value_id ids, weights, y, out;
    IG_TRY(input(b, cols, 1, err));
    op.in[0] = ig_ref_whole(b->p, b->x);
    IG_TRY(run_weight(b->p, &b->rng, IG_DTYPE_F32, cols, n_experts, 1, 0.5f, &op.w[0], err));
    if (flags & 1)
        IG_TRY(f32_weight(b, n_experts, 1, &op.w[1], err));
    if (flags & 2)
        IG_TRY(f32_weight(b, n_experts, 0.3f, &op.w[2], err));
    IG_TRY(ig_program_value(b->p, "ids", IG_ROWS_TOKENS, IG_DTYPE_I32, k, &ids, err));
    IG_TRY(ig_program_value(b->p, "weights", IG_ROWS_TOKENS, IG_DTYPE_F32, k, &weights, err));
    op.out[0] = ig_ref_whole(b->p, ids);
    op.out[1] = ig_ref_whole(b->p, weights);
    IG_TRY(ig_program_op(b->p, &op, err));
    if (flags & 128)
        return finish(b, weights, err);
    IG_TRY(experts(b, c, ig_ref_whole(b->p, b->x), ig_ref_whole(b->p, ids), cols, rows, &y, err));
    if (flags & 32)
        IG_TRY(experts(b, c, view(y, 0, k, rows, rows * parts), ig_ref_whole(b->p, ids), rows, rows,
                       &y, err));
    ig_op sum = {.kind = IG_OP_COMBINE,
                 .in = {ig_ref_heads(y, 0, k, rows * parts), ig_ref_whole(b->p, weights)}};
    IG_TRY(output(b, &sum, 1, rows * parts, &out, err));
    IG_TRY(ig_program_op(b->p, &sum, err));
    return finish(b, out, err);
}

ig_status op_build_concat(op_builder *b, const op_case *c, ig_err *err) {
    ig_op op = {.kind = IG_OP_CONCAT};
    ig_value_id v;
    IG_TRY(input(b, c->n[0] + c->n[1], 1, err));
    op.in[0] = ig_ref_heads(b->x, c->n[1], 1, c->n[0]);
    op.in[1] = ig_ref_heads(b->x, 0, 1, c->n[1]);
    IG_TRY(output(b, &op, 1, c->n[0] + c->n[1], &v, err));
    IG_TRY(ig_program_op(b->p, &op, err));
    return finish(b, v, err);
}

ig_status op_build_pool(op_builder *b, const op_case *c, ig_err *err) {
    ig_op op = {.kind = IG_OP_POOL, .layer = -1, .u.pool = {(ig_pool_kind)c->n[0]}};
    IG_TRY(input(b, c->n[1], 1, err));
    IG_TRY(ig_program_value(b->p, "out", IG_ROWS_SEQS, IG_DTYPE_F32, c->n[1], &b->p->output, err));
    op.in[0] = ig_ref_whole(b->p, b->x);
    op.out[0] = ig_ref_whole(b->p, b->p->output);
    return ig_program_op(b->p, &op, err);
}
