/* arch_emit_linear.c: records with matrices: linear, route, expert_linear. Widths come from fields;
 * the input's width and the record's width are the shape that the file's tensor must have. */
#include "arch/arch_int.h"

typedef struct shape {
    uint64_t heads, cols;
} shape;

static uint64_t width_of(shape s) {
    return s.heads * s.cols;
}

/* Symbolic width at the current layer; t: the tensor that binds widths with alternatives. */
static shape shape_of(const ig_builder *b, ig_width w, const ig_tensor *t) {
    const ig_layer *y = b->in_layer ? &b->layers[b->layer] : NULL;
    switch (w) {
    case W_D:
        return (shape){1, ig_arch_count(b, F_D)};
    case W_Q:
        return (shape){y->heads, y->k_cols};
    case W_K:
        return (shape){y->kv_heads, y->k_cols};
    case W_V:
        return (shape){y->kv_heads, y->v_cols};
    case W_GATE:
        return t && t->ne[1] == y->heads ? (shape){1, y->heads} : (shape){y->heads, y->v_cols};
    case W_F:
        return (shape){1, ig_arch_count(b, F_F)};
    case W_FE:
        return (shape){1, ig_arch_count(b, F_FE)};
    case W_FE2:
        return (shape){1, ig_arch_count(b, F_FE2)};
    case W_FS:
        return (shape){1, ig_arch_count(b, F_FS)};
    case W_ONE:
        return (shape){1, 1};
    case W_PLE:
        return (shape){1, ig_arch_count(b, F_PLE)};
    case W_PLES:
        return (shape){b->n_layers, ig_arch_count(b, F_PLE)};
    case W_VOCAB:
        return (shape){1, b->n_vocab};
    case W_NONE:
    case W_COUNT:
        break;
    }
    return (shape){0, 0};
}

/* The tensor of a role; the head of the model may be the token table. */
static const ig_tensor *tensor_of(const ig_builder *b, ig_role role) {
    const ig_tensor *t = ig_arch_find_tensor(b, role, ".weight");
    if (role == ROLE_OUTPUT && (b->v[F_TIE] == TIE_TIED || (!t && b->v[F_TIE] == TIE_OPT)))
        return ig_arch_find_tensor(b, ROLE_TOKEN_EMBD, ".weight");
    return t;
}

/* Bias [stack][rows] and scale [1] or [stack] of a part, by presence. */
static ig_status affine(ig_builder *b, ig_role role, ig_role scale_role, uint64_t rows,
                        uint64_t stack, ig_linear_part *part, ig_err *err) {
    const ig_tensor *bias = ig_arch_find_tensor(b, role, ".bias"),
                    *scale = ig_arch_find_tensor(b, role, ".scale");
    if (!scale && scale_role)
        scale = ig_arch_find_tensor(b, scale_role, ".scale");
    if (bias)
        IG_TRY(ig_arch_vector(b, bias, rows, stack, &part->bias, err));
    if (scale)
        IG_TRY(ig_arch_vector(b, scale, scale->n_elems == 1 ? 1 : stack, 1, &part->scale, err));
    return IG_OK;
}

/* Biases of separate tensors beside a fused weight become one. */
static ig_status joined_bias(ig_builder *b, const ig_record *r, uint64_t total,
                             ig_linear_part *part, ig_err *err) {
    const ig_tensor *bias[3] = {0};
    bool any = false;
    for (int i = 0; i < 3 && r->out[i]; i++) {
        bias[i] = r->role[i] ? ig_arch_find_tensor(b, r->role[i], ".bias") : NULL;
        any = any || bias[i];
    }
    if (!any || part->bias)
        return IG_OK;
    float *x;
    IG_TRY(ig_arena_new(&b->p->arena, total, sizeof *x, &x, err));
    uint64_t at = 0;
    for (int i = 0; i < 3 && r->out[i]; i++) {
        const uint64_t n = width_of(shape_of(b, r->width[i], NULL));
        float *y;
        if (bias[i]) {
            IG_TRY(ig_arch_numbers(b, bias[i], n, &y, err));
            memcpy(x + at, y, n * sizeof *x);
        }
        at += n;
    }
    const ig_weight w = {.name = IG_STR("joined bias"),
                         .dtype = IG_DTYPE_F32,
                         .cols = (uint32_t)total,
                         .rows = 1,
                         .stack = 1,
                         .bytes = total * sizeof *x,
                         .data = (const uint8_t *)x,
                         .tensor = -1};
    return ig_program_weight(b->p, &w, &part->bias, err);
}

static ig_status linear_op(ig_builder *b, const ig_record *r, const ig_tensor *t,
                           ig_linear_part *part, uint64_t heads, uint64_t cols, const char *name,
                           ig_ref *out, ig_err *err) {
    const ig_ref in = ig_arch_row_view(b->reg[r->in[0]]);
    ig_op op = {.kind = IG_OP_LINEAR, .in = {in}};
    /* The value first: it bounds the width. */
    IG_TRY(ig_arch_new_value(b, name, ig_arch_rows_of(b, in), heads, cols, out, err));
    IG_TRY(ig_arch_matrix(b, t, in.cols, heads * cols, 1, &part->weight, err));
    part->rows = (uint32_t)(heads * cols);
    op.u.linear = (ig_linear_attr){
        .parts = part,
        .n_parts = 1,
        .acc_f32 = (r->arg[0].field ? ig_arch_value(b, r->arg[0].field) : r->arg[0].c) != 0};
    op.out[0] = ig_arch_row_view(*out); /* heads are a matter of the readers */
    return ig_arch_op(b, &op, err);
}

/* One tensor for several outputs: one op, the outputs are views. */
static ig_status fused_linear(ig_builder *b, const ig_record *r, const ig_tensor *t, ig_err *err) {
    ig_linear_part part = {0};
    uint64_t total = 0;
    for (int i = 0; i < 3 && r->out[i]; i++)
        total += width_of(shape_of(b, r->width[i], NULL));
    if (total > IG_WIDTH_MAX)
        return ig_fail(err, IG_ELIMIT, "tensor %.*s: %llu rows expected; the limit is %u",
                       IG_STR_ARG(t->name), (unsigned long long)total, IG_WIDTH_MAX);
    IG_TRY(affine(b, r->fused, ROLE_NONE, total, 1, &part, err));
    IG_TRY(joined_bias(b, r, total, &part, err));
    ig_ref all;
    IG_TRY(linear_op(b, r, t, &part, 1, total, "fused", &all, err));
    uint32_t at = 0;
    for (int i = 0; i < 3 && r->out[i]; i++) {
        const shape s = shape_of(b, r->width[i], NULL);
        b->reg[r->out[i]] = ig_ref_heads(all.value, at, (uint32_t)s.heads, (uint32_t)s.cols);
        at += (uint32_t)width_of(s);
    }
    return IG_OK;
}

ig_status ig_arch_emit_linear(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_tensor *fused = r->fused ? ig_arch_find_tensor(b, r->fused, ".weight") : NULL;
    if (fused)
        return fused_linear(b, r, fused, err);
    if (!r->role[0])
        return ig_arch_missing(b, r->fused, err);
    ig_ref out[3];
    for (int i = 0; i < 3 && r->out[i]; i++) {
        ig_linear_part part = {0};
        const ig_tensor *t = tensor_of(b, r->role[i]);
        if (!t)
            return ig_arch_missing(b, r->role[i], err);
        const shape s = shape_of(b, r->width[i], t);
        IG_TRY(affine(b, r->role[i], ROLE_NONE, width_of(s), 1, &part, err));
        IG_TRY(
            linear_op(b, r, t, &part, s.heads, s.cols, ig_arch_reg_names[r->out[i]], &out[i], err));
    }
    for (int i = 0; i < 3 && r->out[i]; i++)
        b->reg[r->out[i]] = out[i];
    return IG_OK;
}

/* ---- experts -------------------------------------------------------------------------------- */

static ig_status route_attr(const ig_builder *b, const ig_record *r, ig_route_attr *a,
                            ig_err *err) {
    const uint32_t e = ig_arch_count(b, F_E), k = ig_arch_count(b, F_K);
    const uint32_t groups = ig_arch_count(b, F_GROUPS), used = ig_arch_count(b, F_GROUPS_USED);
    const uint32_t div = r->arg[0].field ? ig_arch_count(b, r->arg[0].field) : 0;
    const double scale = ig_arch_value(b, F_W_SCALE);
    if (k == 0 || k > e)
        return ig_fail(err, IG_EFORMAT,
                       "key %.*s.expert_used_count: %u of %u experts; the file is damaged",
                       IG_STR_ARG(b->arch), k, e);
    if (groups > 1 && (e % groups || used == 0 || used > groups || e / groups * used < k))
        return ig_fail(err, IG_EFORMAT,
                       "key %.*s.expert_group_count: %u of %u groups of %u experts, %u used; the "
                       "file is damaged",
                       IG_STR_ARG(b->arch), used, groups, e, k);
    if (div > 1 && e % div)
        return ig_fail(err, IG_EFORMAT,
                       "key %.*s.experts_per_group: %u experts do not make whole groups of %u; the "
                       "file is damaged",
                       IG_STR_ARG(b->arch), e, div);
    *a = (ig_route_attr){.gating = (ig_gating)ig_arch_value(b, F_GATING),
                         .n_experts = e,
                         .top_k = k,
                         .n_groups = groups > 1 ? groups : 0,
                         .n_groups_used = groups > 1 ? used : 0,
                         .id_div = div,
                         .renorm = ig_arch_value(b, F_RENORM) != 0,
                         .scale = scale != 0 ? (float)scale : 1};
    return IG_OK;
}

ig_status ig_arch_emit_route(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_ref in = ig_arch_row_view(b->reg[r->in[0]]);
    const ig_tensor *t = ig_arch_find_tensor(b, r->role[0], ".weight");
    const ig_tensor *bias = ig_arch_find_tensor(b, r->role[0], ".bias");
    const ig_tensor *selection = NULL;
    ig_op op = {.kind = IG_OP_ROUTE, .in = {in}};
    if (!t)
        return ig_arch_missing(b, r->role[0], err);
    IG_TRY(route_attr(b, r, &op.u.route, err));
    const ig_route_attr *a = &op.u.route;
    if (b->v[F_SEL_BIAS] != 0) {
        selection = ig_arch_find_tensor(b, r->role[1], ".bias");
        selection = selection ? selection : ig_arch_find_tensor(b, r->role[1], ".weight");
    }
    if (b->v[F_SEL_BIAS] == 1 && !selection)
        return ig_arch_missing(b, r->role[1], err);
    IG_TRY(ig_arch_matrix(b, t, in.cols, a->n_experts, 1, &op.w[0], err));
    if (bias)
        IG_TRY(ig_arch_vector(b, bias, a->n_experts, 1, &op.w[1], err));
    if (selection)
        IG_TRY(ig_arch_vector(b, selection, a->n_experts, 1, &op.w[2], err));
    ig_value_id ids;
    IG_TRY(ig_program_value(b->p, ig_arch_reg_names[r->out[0]], ig_arch_rows_of(b, in),
                            IG_DTYPE_I32, a->top_k, &ids, err));
    op.out[0] = ig_ref_whole(b->p, ids);
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[1]], ig_arch_rows_of(b, in), 1, a->top_k,
                             &op.out[1], err));
    IG_TRY(ig_arch_op(b, &op, err));
    b->reg[r->out[0]] = op.out[0];
    b->reg[r->out[1]] = op.out[1];
    return IG_OK;
}

/* Gate and up in one tensor are two views of one output. */
ig_status ig_arch_emit_expert(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_ref in = b->reg[r->in[0]], ids = b->reg[r->in[1]];
    const ig_role role = r->fused ? r->fused : r->role[0];
    const ig_tensor *t = ig_arch_find_tensor(b, role, ".weight");
    if (!t)
        return ig_arch_missing(b, role, err);
    const uint32_t k = ids.cols, experts = (uint32_t)ig_arch_value(b, r->arg[0].field),
                   outs = r->out[1] ? 2 : 1;
    const uint64_t cols = in.cols, each = width_of(shape_of(b, r->width[0], t)), rows = each * outs;
    ig_linear_part part = {0};
    ig_op op = {.kind = IG_OP_EXPERT_LINEAR, .in = {in, ids}};
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], ig_arch_rows_of(b, in), k, rows,
                             &op.out[0], err));
    IG_TRY(ig_arch_matrix(b, t, cols, rows, experts, &part.weight, err));
    IG_TRY(affine(b, role, r->fused ? r->role[1] : ROLE_NONE, rows, experts, &part, err));
    part.rows = (uint32_t)rows;
    if (part.bias && b->v[F_BEFORE] != 0)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "tensor %.*s: experts whose inputs are weighted have no rule for a bias",
                       IG_STR_ARG(t->name));
    op.u.linear = (ig_linear_attr){.parts = &part, .n_parts = 1, .top_k = k};
    IG_TRY(ig_arch_op(b, &op, err));
    b->reg[r->out[0]] = op.out[0];
    if (outs == 1)
        return IG_OK;
    for (uint32_t i = 0; i < 2; i++)
        b->reg[r->out[i]] =
            (ig_ref){op.out[0].value, (uint32_t)(i * each), k, (uint32_t)each, (uint32_t)rows};
    return IG_OK;
}
