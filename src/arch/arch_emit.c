/* arch_emit.c: a record becomes an op: everything but matrices. A record reads registers, makes a
 * value and names it in a register; attributes come from fields. */
#include "arch/arch_int.h"

const char *const ig_arch_reg_names[REG_COUNT] = {
    [REG_X] = "x",           [REG_X0] = "x0",         [REG_START] = "start",
    [REG_A] = "attn_in",     [REG_IN] = "mix_in",     [REG_Q] = "q",
    [REG_K] = "k",           [REG_V] = "v",           [REG_O] = "attn",
    [REG_Y] = "y",           [REG_F] = "ffn_in",      [REG_M] = "ffn_out",
    [REG_RIN] = "router_in", [REG_ID] = "expert_ids", [REG_WT] = "expert_weights",
    [REG_G] = "gate",        [REG_U] = "up",          [REG_S] = "shared",
    [REG_T] = "side",        [REG_PLE] = "layer_in",  [REG_Z] = "logits",
    [REG_ONES] = "ones",
};

/* ---- helpers -------------------------------------------------------------------------------- */

static double num(const ig_builder *b, ig_num n) {
    return n.field ? ig_arch_value(b, n.field) : n.c;
}

ig_rows ig_arch_rows_of(const ig_builder *b, ig_ref ref) {
    return b->p->values[ref.value].rows;
}

ig_ref ig_arch_row_view(ig_ref ref) {
    ref.cols = ig_ref_width(ref);
    ref.heads = 1;
    ref.stride = ref.cols;
    return ref;
}

ig_status ig_arch_new_value(ig_builder *b, const char *name, ig_rows rows, uint64_t heads,
                            uint64_t cols, ig_ref *out, ig_err *err) {
    uint64_t width;
    ig_value_id id;
    if (heads == 0 || cols == 0 || !ig_mul64(heads, cols, &width) || width > IG_WIDTH_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "layer %u: %s would have %llu x %llu columns; the limit is %u", b->layer,
                       name, (unsigned long long)heads, (unsigned long long)cols, IG_WIDTH_MAX);
    IG_TRY(ig_program_value(b->p, name, rows, IG_DTYPE_F32, (uint32_t)width, &id, err));
    *out = ig_ref_heads(id, 0, (uint32_t)heads, (uint32_t)cols);
    return IG_OK;
}

ig_status ig_arch_op(ig_builder *b, ig_op *op, ig_err *err) {
    op->layer = b->in_layer ? (int32_t)b->layer : -1;
    return ig_program_op(b->p, op, err);
}

/* An op with one input whose output has the input's shape. */
static ig_status same_shape(ig_builder *b, const ig_record *r, ig_ref in, ig_op *op, ig_err *err) {
    ig_ref out;
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], ig_arch_rows_of(b, in), in.heads,
                             in.cols, &out, err));
    op->in[0] = in;
    op->out[0] = out;
    IG_TRY(ig_arch_op(b, op, err));
    b->reg[r->out[0]] = out;
    return IG_OK;
}

static ig_status emit_map(ig_builder *b, const ig_record *r, ig_map_attr attr, ig_weight_id w,
                          ig_err *err) {
    ig_op op = {.kind = IG_OP_MAP, .w = {w}, .u.map = attr};
    return same_shape(b, r, b->reg[r->in[0]], &op, err);
}

/* ---- records -------------------------------------------------------------------------------- */

static ig_status emit_copy(ig_builder *b, const ig_record *r, ig_err *err) {
    (void)err;
    b->reg[r->out[0]] = b->reg[r->in[0]];
    return IG_OK;
}

static ig_status emit_slice(ig_builder *b, const ig_record *r, ig_err *err) {
    (void)err;
    const ig_ref in = b->reg[r->in[0]];
    b->reg[r->out[0]] = ig_ref_heads(in.value, in.col + b->layer * in.stride, 1, in.cols);
    return IG_OK;
}

static ig_status emit_embed(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_embed_index index = (ig_embed_index)num(b, r->arg[0]);
    ig_role role = r->role[0];
    const ig_tensor *t = ig_arch_find_tensor(b, role, ".weight");
    if (!t && role == ROLE_TOKEN_EMBD && b->v[F_TIE] == TIE_REV)
        t = ig_arch_find_tensor(b, ROLE_OUTPUT, ".weight");
    if (!t)
        return ig_arch_missing(b, role, err);
    const uint64_t heads = r->width[0] == W_PLES ? b->n_layers : 1;
    const uint64_t cols = heads == 1 ? ig_arch_count(b, F_D) : ig_arch_count(b, F_PLE);
    if (t->ne[1] == 0 || t->ne[1] > IG_VOCAB_MAX ||
        (role == ROLE_PLE_EMBD && t->ne[1] < b->n_vocab))
        return ig_fail(err, IG_ELIMIT, "tensor %.*s: %llu rows; the file is damaged",
                       IG_STR_ARG(t->name), (unsigned long long)t->ne[1]);
    const uint32_t rows = (uint32_t)t->ne[1];
    if (role == ROLE_TOKEN_EMBD)
        b->n_vocab = rows;
    if (index == IG_EMBED_POSITION) {
        if (b->options->context_max > rows)
            return ig_fail(err, IG_ELIMIT,
                           "a context of %u tokens is asked for, but the position table has %u "
                           "rows; ask for less",
                           b->options->context_max, rows);
        b->p->facts.n_context_train = IG_MIN(b->p->facts.n_context_train, rows);
    }
    const double scale = num(b, r->arg[1]), raw = num(b, r->arg[2]);
    ig_op op = {.kind = IG_OP_EMBED,
                .u.embed = {.index = index,
                            .scale = scale != 0 ? (float)scale : 1,
                            .raw_scale = raw != 0 ? (float)raw : 1}};
    IG_TRY(ig_arch_matrix(b, t, heads * cols, rows, 1, &op.w[0], err));
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], IG_ROWS_TOKENS, heads, cols,
                             &op.out[0], err));
    b->reg[r->out[0]] = op.out[0];
    return ig_arch_op(b, &op, err);
}

/* Ones for combine: a constant row that is the same for every token. */
static ig_status emit_ones(ig_builder *b, const ig_record *r, ig_err *err) {
    const uint32_t k = ig_arch_count(b, F_K);
    float *x;
    IG_TRY(ig_arena_new(&b->p->arena, k, sizeof *x, &x, err));
    for (uint32_t i = 0; i < k; i++)
        x[i] = 1;
    const ig_weight w = {.name = IG_STR("ones"),
                         .dtype = IG_DTYPE_F32,
                         .cols = k,
                         .rows = 1,
                         .stack = 1,
                         .bytes = k * sizeof *x,
                         .data = (const uint8_t *)x,
                         .tensor = -1};
    ig_op op = {.kind = IG_OP_EMBED,
                .u.embed = {.index = IG_EMBED_CONST, .scale = 1, .raw_scale = 1}};
    IG_TRY(ig_program_weight(b->p, &w, &op.w[0], err));
    IG_TRY(ig_arch_new_value(b, "ones", IG_ROWS_TOKENS, 1, k, &op.out[0], err));
    b->reg[r->out[0]] = op.out[0];
    return ig_arch_op(b, &op, err);
}

static ig_status emit_norm(ig_builder *b, const ig_record *r, ig_err *err) {
    const int shape = (int)num(b, r->arg[2]), kind = shape % QK_MAYBE;
    const ig_tensor *t =
        r->role[0] && kind != QK_PLAIN ? ig_arch_find_tensor(b, r->role[0], ".weight") : NULL;
    if (kind == QK_NONE || (shape >= QK_MAYBE && !t))
        return IG_OK;
    if (!t && kind != QK_PLAIN)
        return ig_arch_missing(b, r->role[0], err);
    const ig_ref in = kind == QK_FULL ? ig_arch_row_view(b->reg[r->in[0]]) : b->reg[r->in[0]];
    ig_op op = {.kind = IG_OP_NORM,
                .u.norm = {.kind = num(b, r->arg[0]) == NORM_LAYER ? IG_NORM_LAYER : IG_NORM_RMS,
                           .eps = (float)num(b, r->arg[1]),
                           .head_stride = kind == QK_PERHEAD ? in.cols
                                          : kind == QK_GAIN  ? 1
                                                             : 0,
                           .col_stride = kind == QK_GAIN ? 0 : 1}};
    const uint64_t rows = kind == QK_PERHEAD || kind == QK_GAIN ? in.heads : 1,
                   cols = kind == QK_GAIN ? 1 : in.cols;
    const ig_tensor *bias = t ? ig_arch_find_tensor(b, r->role[0], ".bias") : NULL;
    if (t)
        IG_TRY(ig_arch_vector(b, t, cols, rows, &op.w[0], err));
    if (bias)
        IG_TRY(ig_arch_vector(b, bias, cols, rows, &op.w[1], err));
    const ig_ref before = b->reg[r->in[0]];
    IG_TRY(same_shape(b, r, in, &op, err));
    /* A norm over the row keeps the heads for what follows. */
    if (before.stride == before.cols)
        b->reg[r->out[0]] = ig_ref_heads(op.out[0].value, 0, before.heads, before.cols);
    return IG_OK;
}

static ig_status emit_rope(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_rope_table *t = &b->rope[(b->layers[b->layer].flags & LAYER_WINDOW) != 0];
    ig_op op = {.kind = IG_OP_ROPE,
                .u.rope = {.pairs = b->v[F_ROPE] == ROPE_NORM ? IG_ROPE_NORM : IG_ROPE_NEOX,
                           .n_rot = t->n_rot,
                           .inv_freq = t->inv_freq,
                           .m = t->m}};
    return same_shape(b, r, b->reg[r->in[0]], &op, err);
}

static ig_status emit_clamp(ig_builder *b, const ig_record *r, ig_err *err) {
    const float c = (float)num(b, r->arg[0]);
    return emit_map(b, r, (ig_map_attr){IG_MAP_CLAMP, -c, c, 0}, 0, err);
}

static ig_status emit_temp(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_map_attr a = {IG_MAP_POS_TEMP, (float)b->v[F_TEMP_A], (float)b->v[F_TEMP_O],
                           (float)b->v[F_TEMP_N]};
    return emit_map(b, r, a, 0, err);
}

static ig_status emit_scale(ig_builder *b, const ig_record *r, ig_err *err) {
    const double a = num(b, r->arg[0]);
    if (a != 0 && a != 1)
        return emit_map(b, r, (ig_map_attr){IG_MAP_SCALE, (float)a, 0, 0}, 0, err);
    b->reg[r->out[0]] = b->reg[r->in[0]];
    return IG_OK;
}

static ig_status emit_softcap(ig_builder *b, const ig_record *r, ig_err *err) {
    const double a = num(b, r->arg[0]);
    return a != 0 ? emit_map(b, r, (ig_map_attr){IG_MAP_SOFTCAP, (float)a, 0, 0}, 0, err) : IG_OK;
}

static ig_status emit_mul(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_tensor *t = ig_arch_find_tensor(b, r->role[0], ".weight");
    if (!t)
        return ig_arch_missing(b, r->role[0], err);
    ig_weight_id w;
    IG_TRY(ig_arch_vector(b, t, t->n_elems == 1 ? 1 : ig_ref_width(b->reg[r->in[0]]), 1, &w, err));
    return emit_map(b, r, (ig_map_attr){.fn = IG_MAP_MUL}, w, err);
}

static ig_status emit_add(ig_builder *b, const ig_record *r, ig_err *err) {
    const double x = num(b, r->arg[0]), y = num(b, r->arg[1]);
    ig_op op = {.kind = IG_OP_ADD,
                .in = {[1] = ig_arch_row_view(b->reg[r->in[1]])},
                .u.add = {x != 0 ? (float)x : 1, y != 0 ? (float)y : 1}};
    const ig_ref shape = b->reg[r->in[0]];
    IG_TRY(same_shape(b, r, ig_arch_row_view(shape), &op, err));
    b->reg[r->out[0]] = ig_ref_heads(op.out[0].value, 0, shape.heads, shape.cols);
    return IG_OK;
}

static ig_status emit_glu(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_ref g = b->reg[r->in[0]], u = r->in[1] ? b->reg[r->in[1]] : (ig_ref){0},
                 shape = r->in[1] ? u : g;
    const uint32_t g_width = ig_ref_width(g), width = ig_ref_width(shape);
    ig_op op = {.kind = IG_OP_GLU, .in = {g, u}, .u.glu = {.act = (ig_act)num(b, r->arg[0])}};
    ig_glu_attr *a = &op.u.glu;
    if (g_width != width)
        a->broadcast = g_width == 1 ? IG_GLU_ROW : IG_GLU_HEAD;
    if (g_width != width && g_width != 1 && g_width != shape.heads)
        return ig_fail(err, IG_EFORMAT,
                       "layer %u: a gate of %u columns for %u heads; the file is damaged", b->layer,
                       g_width, shape.heads);
    const double c = num(b, r->arg[1]);
    if (c > 1e-6) {
        a->limit = (ig_glu_limit)b->v[F_LIMIT];
        a->c = (float)c;
    }
    if (a->act == IG_ACT_XIELU) {
        const ig_field p[4] = {F_XIELU_AN, F_XIELU_AP, F_XIELU_B, F_XIELU_E};
        for (int i = 0; i < 4; i++)
            a->p[i] = (float)ig_arch_value(b, p[i]);
    }
    const ig_tensor *divisor = r->role[0] ? ig_arch_find_tensor(b, r->role[0], ".weight") : NULL;
    if (divisor)
        IG_TRY(ig_arch_vector(b, divisor, width, 1, &op.w[0], err));
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], ig_arch_rows_of(b, g), shape.heads,
                             shape.cols, &op.out[0], err));
    IG_TRY(ig_arch_op(b, &op, err));
    b->reg[r->out[0]] = op.out[0];
    return IG_OK;
}

/* The layer's own pages, or those of the layer it shares with. */
static ig_status pages_of(ig_builder *b, ig_attend_attr *a, ig_err *err) {
    ig_layer *y = &b->layers[b->layer];
    if (y->flags & LAYER_REUSE) {
        a->state = b->layers[y->kv_from].state;
        return IG_OK;
    }
    const ig_state state = {.kind = IG_STATE_PAGES,
                            .layer = b->layer,
                            .n_kv_heads = y->kv_heads,
                            .k_cols = y->k_cols,
                            .v_cols = y->v_cols,
                            .window = a->window};
    IG_TRY(ig_program_state(b->p, &state, &y->state, err));
    a->state = y->state;
    return IG_OK;
}

static ig_status emit_attend(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_layer *y = &b->layers[b->layer];
    const bool window = y->flags & LAYER_WINDOW, causal = b->v[F_CAUSAL] != 0;
    ig_op op = {.kind = IG_OP_ATTEND,
                .in = {b->reg[REG_Q]},
                .u.attend = {.n_heads = y->heads,
                             .n_kv_heads = y->kv_heads,
                             .k_cols = y->k_cols,
                             .v_cols = y->v_cols,
                             .mask = !causal ? IG_MASK_FULL
                                     : window && b->v[F_WIN_MASK] == WIN_MASK_CHUNK
                                         ? IG_MASK_CHUNK
                                         : IG_MASK_CAUSAL,
                             .window = window ? (uint32_t)b->v[F_W] : 0,
                             .scale = (float)b->v[F_ATT_SCALE],
                             .cap = (float)b->v[F_ATT_CAP],
                             .alibi_max = (float)b->v[F_ALIBI]}};
    if (!causal && (window || (y->flags & LAYER_REUSE)))
        return ig_fail(err, IG_EUNSUPPORTED,
                       "layer %u: attention to later tokens together with windows is not built yet",
                       b->layer);
    if (!(y->flags & LAYER_REUSE)) {
        op.in[1] = b->reg[REG_K];
        op.in[2] = b->reg[REG_V];
    }
    if (causal)
        IG_TRY(pages_of(b, &op.u.attend, err));
    const ig_tensor *sinks =
        b->v[F_SINKS] != 0 ? ig_arch_find_tensor(b, ROLE_SINKS, ".weight") : NULL;
    if (b->v[F_SINKS] == 1 && !sinks)
        return ig_arch_missing(b, ROLE_SINKS, err);
    if (sinks)
        IG_TRY(ig_arch_vector(b, sinks, y->heads, 1, &op.w[0], err));
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], IG_ROWS_TOKENS, y->heads, y->v_cols,
                             &op.out[0], err));
    IG_TRY(ig_arch_op(b, &op, err));
    b->reg[r->out[0]] = op.out[0];
    return IG_OK;
}

static ig_status emit_combine(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_ref in = b->reg[r->in[0]];
    ig_op op = {.kind = IG_OP_COMBINE, .in = {in, b->reg[r->in[1]]}};
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], ig_arch_rows_of(b, in), 1, in.cols,
                             &op.out[0], err));
    IG_TRY(ig_arch_op(b, &op, err));
    b->reg[r->out[0]] = op.out[0];
    return IG_OK;
}

static ig_status emit_select(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_ref in = b->reg[r->in[0]];
    ig_op op = {.kind = IG_OP_SELECT_ROWS, .in = {in}};
    IG_TRY(ig_arch_new_value(b, ig_arch_reg_names[r->out[0]], IG_ROWS_OUTPUTS, in.heads, in.cols,
                             &op.out[0], err));
    IG_TRY(ig_arch_op(b, &op, err));
    b->reg[r->out[0]] = op.out[0];
    return IG_OK;
}

static ig_status emit_call(ig_builder *b, const ig_record *r, ig_err *err) {
    const ig_layer *y = &b->layers[b->layer];
    const int ffn = (int)b->v[F_FFN];
    /* A row whose layers are not all of experts has dense ones of the usual kind. */
    const ig_recipe dense = ffn == RECIPE_MOE ? RECIPE_GLU : (ig_recipe)ffn;
    switch ((int)num(b, r->arg[0])) {
    case SLOT_MIXER:
        return ig_arch_run(b, y->mixer, err);
    case SLOT_DENSE:
        return ig_arch_run(b, dense, err);
    case SLOT_MOE:
        return ig_arch_run(b, RECIPE_MOE, err);
    default:
        return ig_arch_run(b, y->flags & LAYER_MOE ? RECIPE_MOE : dense, err);
    }
}

typedef ig_status (*emit_fn)(ig_builder *b, const ig_record *r, ig_err *err);

static const emit_fn EMIT[REC_COUNT] = {
    [REC_COPY] = emit_copy,
    [REC_SLICE] = emit_slice,
    [REC_EMBED] = emit_embed,
    [REC_ONES] = emit_ones,
    [REC_NORM] = emit_norm,
    [REC_LINEAR] = ig_arch_emit_linear,
    [REC_ROPE] = emit_rope,
    [REC_CLAMP] = emit_clamp,
    [REC_TEMP] = emit_temp,
    [REC_SCALE] = emit_scale,
    [REC_MUL] = emit_mul,
    [REC_SOFTCAP] = emit_softcap,
    [REC_ADD] = emit_add,
    [REC_GLU] = emit_glu,
    [REC_ATTEND] = emit_attend,
    [REC_ROUTE] = ig_arch_emit_route,
    [REC_EXPERT] = ig_arch_emit_expert,
    [REC_COMBINE] = emit_combine,
    [REC_SELECT] = emit_select,
    [REC_CALL] = emit_call,
};

bool ig_arch_when(const ig_builder *b, const ig_record *r) {
    for (size_t i = 0; i < IG_COUNT(r->when); i++) {
        const ig_when *w = &r->when[i];
        bool ok = true;
        switch (w->kind) {
        case WHEN_ALWAYS:
            break;
        case WHEN_SET:
            ok = ig_arch_value(b, (ig_field)w->what) != 0;
            break;
        case WHEN_UNSET:
            ok = ig_arch_value(b, (ig_field)w->what) == 0;
            break;
        case WHEN_EQ:
            ok = ig_arch_value(b, (ig_field)w->what) == w->value;
            break;
        case WHEN_NE:
            ok = ig_arch_value(b, (ig_field)w->what) != w->value;
            break;
        case WHEN_TENSOR:
            ok = ig_arch_has(b, (ig_role)w->what);
            break;
        case WHEN_NO_TENSOR:
            ok = !ig_arch_has(b, (ig_role)w->what);
            break;
        case WHEN_LAYER:
            ok = (b->layers[b->layer].flags & (uint32_t)w->what) != 0;
            break;
        case WHEN_NOT_LAYER:
            ok = (b->layers[b->layer].flags & (uint32_t)w->what) == 0;
            break;
        }
        if (!ok)
            return false;
    }
    return true;
}

ig_status ig_arch_record(ig_builder *b, const ig_record *r, ig_err *err) {
    return EMIT[r->op](b, r, err);
}
