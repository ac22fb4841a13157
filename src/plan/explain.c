/* explain.c: programs and plans as text and JSON, for people and for error messages. */
#include "plan/plan_int.h"

static const char *const ROW_NAMES[IG_ROWS_COUNT] = {
    [IG_ROWS_TOKENS] = "T", [IG_ROWS_OUTPUTS] = "O", [IG_ROWS_SEQS] = "S"};
static const char *const NORM_NAMES[] = {[IG_NORM_RMS] = "rms",
                                         [IG_NORM_LAYER] = "layer",
                                         [IG_NORM_L2_ADD] = "l2",
                                         [IG_NORM_L2_MAX] = "l2max"};
static const char *const MAP_NAMES[] = {
    [IG_MAP_SCALE] = "scale",       [IG_MAP_MUL] = "mul",         [IG_MAP_POS_TEMP] = "pos_temp",
    [IG_MAP_CLAMP] = "clamp",       [IG_MAP_SOFTCAP] = "softcap", [IG_MAP_TANH] = "tanh",
    [IG_MAP_SIGMOID] = "sigmoid",   [IG_MAP_SILU] = "silu",       [IG_MAP_GELU] = "gelu",
    [IG_MAP_GELU_ERF] = "gelu_erf", [IG_MAP_RELU] = "relu",       [IG_MAP_RELU2] = "relu2",
    [IG_MAP_SOFTPLUS] = "softplus"};
_Static_assert(IG_COUNT(MAP_NAMES) == IG_MAP_FN_COUNT, "a name per map");
static const char *const ACT_NAMES[] = {
    [IG_ACT_NONE] = "none",           [IG_ACT_SILU] = "silu",   [IG_ACT_GELU] = "gelu",
    [IG_ACT_GELU_ERF] = "gelu_erf",   [IG_ACT_RELU] = "relu",   [IG_ACT_RELU2] = "relu2",
    [IG_ACT_SIGMOID] = "sigmoid",     [IG_ACT_TANH] = "tanh",   [IG_ACT_SOFTPLUS] = "softplus",
    [IG_ACT_SOFTPLUS2] = "softplus2", [IG_ACT_XIELU] = "xielu", [IG_ACT_OAI] = "oai"};
_Static_assert(IG_COUNT(ACT_NAMES) == IG_ACT_COUNT, "a name per activation");
static const char *const MASK_NAMES[] = {[IG_MASK_CAUSAL] = "causal",
                                         [IG_MASK_CHUNK] = "chunk",
                                         [IG_MASK_FULL] = "full",
                                         [IG_MASK_SYMMETRIC] = "symmetric"};

static ig_status put_ref(const ig_program *p, ig_ref r, ig_buf *out, ig_err *err) {
    if (r.value == 0 || r.value >= p->n_values)
        return ig_buf_addf(out, err, "-");
    const ig_value *v = &p->values[r.value];
    IG_TRY(ig_buf_addf(out, err, "%s.%u", v->name ? v->name : "v", r.value));
    if (r.heads > 1)
        return ig_buf_addf(out, err, "[%s,%ux%u]", ROW_NAMES[v->rows], r.heads, r.cols);
    return ig_buf_addf(out, err, "[%s,%u]", ROW_NAMES[v->rows], r.cols);
}

static ig_status put_weight(const ig_program *p, ig_weight_id id, ig_buf *out, ig_err *err) {
    if (id == 0 || id >= p->n_weights)
        return IG_OK;
    const ig_weight *w = &p->weights[id];
    IG_TRY(ig_buf_addf(out, err, " %.*s:%s[", IG_STR_ARG(w->name), ig_dtype_info(w->dtype)->name));
    if (w->stack > 1)
        IG_TRY(ig_buf_addf(out, err, "%u,", w->stack));
    if (w->rows > 1)
        IG_TRY(ig_buf_addf(out, err, "%u,", w->rows));
    return ig_buf_addf(out, err, "%u]", w->cols);
}

/* What is worth saying about an op beside its values; one function per kind that
 * has something to say. */
typedef ig_status (*attr_printer)(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err);

static ig_status put_norm(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    return ig_buf_addf(out, err, " %s eps=%g", NORM_NAMES[op->u.norm.kind], (double)op->u.norm.eps);
}

static ig_status put_rope(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    return ig_buf_addf(out, err, " %s n=%u m=%g",
                       op->u.rope.pairs == IG_ROPE_NORM ? "norm" : "neox", op->u.rope.n_rot,
                       (double)op->u.rope.m);
}

static ig_status put_map(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    return ig_buf_addf(out, err, " %s a=%g", MAP_NAMES[op->u.map.fn], (double)op->u.map.a);
}

static ig_status put_add(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    return ig_buf_addf(out, err, " a=%g b=%g", (double)op->u.add.a, (double)op->u.add.b);
}

static ig_status put_glu(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    return ig_buf_addf(out, err, " %s", ACT_NAMES[op->u.glu.act]);
}

static ig_status put_attend(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    const ig_attend_attr *a = &op->u.attend;
    IG_TRY(ig_buf_addf(out, err, " %s heads=%u/%u scale=%g", MASK_NAMES[a->mask], a->n_heads,
                       a->n_kv_heads, (double)a->scale));
    if (a->window)
        IG_TRY(ig_buf_addf(out, err, " window=%u", a->window));
    if (a->cap > 0)
        IG_TRY(ig_buf_addf(out, err, " cap=%g", (double)a->cap));
    if (a->alibi_max > 0)
        IG_TRY(ig_buf_addf(out, err, " alibi=%g", (double)a->alibi_max));
    return ig_buf_addf(out, err, " state=%u", a->state);
}

static ig_status put_linear(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    for (uint32_t i = 0; i < op->u.linear.n_parts; i++) {
        IG_TRY(put_weight(p, op->u.linear.parts[i].weight, out, err));
        IG_TRY(put_weight(p, op->u.linear.parts[i].scale, out, err));
        IG_TRY(put_weight(p, op->u.linear.parts[i].bias, out, err));
    }
    return IG_OK;
}

static ig_status put_route(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    (void)p;
    return ig_buf_addf(out, err, " top %u of %u", op->u.route.top_k, op->u.route.n_experts);
}

static const attr_printer ATTR_PRINTERS[IG_OP_COUNT] = {
    [IG_OP_NORM] = put_norm,     [IG_OP_ROPE] = put_rope,   [IG_OP_MAP] = put_map,
    [IG_OP_ADD] = put_add,       [IG_OP_GLU] = put_glu,     [IG_OP_ATTEND] = put_attend,
    [IG_OP_LINEAR] = put_linear, [IG_OP_ROUTE] = put_route, [IG_OP_EXPERT_LINEAR] = put_linear,
};

ig_status ig_op_print(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err) {
    IG_TRY(ig_buf_addf(out, err, "%s", ig_op_info(op->kind)->name));
    if (op->layer >= 0)
        IG_TRY(ig_buf_addf(out, err, " (layer %d)", op->layer));
    for (uint32_t i = 0; i < ig_op_inputs(op); i++) {
        IG_TRY(ig_buf_addf(out, err, " "));
        IG_TRY(put_ref(p, op->in[i], out, err));
    }
    if (ATTR_PRINTERS[op->kind])
        IG_TRY(ATTR_PRINTERS[op->kind](p, op, out, err));
    for (uint32_t i = 0; i < IG_OP_WEIGHTS_MAX; i++)
        IG_TRY(put_weight(p, op->w[i], out, err));
    for (uint32_t i = 0; i < ig_op_outputs(op); i++) {
        IG_TRY(ig_buf_addf(out, err, i ? " " : " -> "));
        IG_TRY(put_ref(p, op->out[i], out, err));
    }
    return IG_OK;
}

/* Bytes of the UTF-8 sequence at s, which has n > 0; 0 when it is none. Overlong forms, surrogates
 * and what is above U+10FFFF are none: the second byte's bounds follow from the first. */
static size_t sequence_bytes(const unsigned char *s, size_t n) {
    const unsigned char lead = s[0];
    const size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (length == 1)
        return 1;
    const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (lead < 0xC2 || lead > 0xF4 || length > n || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (s[i] >> 6 != 2)
            return 0;
    }
    return length;
}

/* Names come from files: any bytes give valid JSON. */
static ig_status json_text(ig_str s, ig_buf *out, ig_err *err) {
    IG_TRY(ig_buf_add(out, "\"", 1, err));
    for (size_t i = 0, n; i < s.n; i += n ? n : 1) {
        const unsigned char *c = (const unsigned char *)s.p + i;
        n = sequence_bytes(c, s.n - i);
        if (n == 0)
            IG_TRY(ig_buf_addf(out, err, "\\ufffd"));
        else if (*c == '"' || *c == '\\' || *c < 0x20)
            IG_TRY(ig_buf_addf(out, err, "\\u%04x", *c));
        else
            IG_TRY(ig_buf_add(out, c, n, err));
    }
    return ig_buf_add(out, "\"", 1, err);
}

static ig_status json_op(const ig_program *p, const ig_op *op, ig_buf *line, ig_buf *out,
                         ig_err *err) {
    ig_buf_clear(line);
    IG_TRY(ig_op_print(p, op, line, err));
    const char *name = ig_op_info(op->kind)->name;
    IG_TRY(ig_buf_addf(out, err, "{\"op\":\"%s\",\"layer\":%d,\"text\":", name, op->layer));
    IG_TRY(json_text(ig_buf_str(line), out, err));
    if (op->kernel)
        IG_TRY(ig_buf_addf(out, err, ",\"kernel\":\"%s\"", op->kernel->name));
    for (int after = 0; after < 2; after++) {
        uint32_t n = after ? op->n_post : op->n_pre;
        for (uint32_t i = 0; i < n; i++) {
            IG_TRY(ig_buf_addf(out, err, i ? "," : after ? ",\"post\":[" : ",\"pre\":["));
            IG_TRY(json_op(p, after ? op->post[i] : op->pre[i], line, out, err));
        }
        if (n)
            IG_TRY(ig_buf_addf(out, err, "]"));
    }
    return ig_buf_addf(out, err, "}");
}

static ig_status text_op(const ig_program *p, const ig_op *op, uint32_t index, ig_buf *out,
                         ig_err *err) {
    for (uint32_t i = 0; i < op->n_pre; i++) {
        IG_TRY(ig_buf_addf(out, err, "        before: "));
        IG_TRY(ig_op_print(p, op->pre[i], out, err));
        IG_TRY(ig_buf_addf(out, err, "\n"));
    }
    IG_TRY(ig_buf_addf(out, err, "%6u  ", index));
    IG_TRY(ig_op_print(p, op, out, err));
    IG_TRY(ig_buf_addf(out, err, "  {%s}\n", op->kernel ? op->kernel->name : "no kernel"));
    for (uint32_t i = 0; i < op->n_post; i++) {
        IG_TRY(ig_buf_addf(out, err, "        after: "));
        IG_TRY(ig_op_print(p, op->post[i], out, err));
        IG_TRY(ig_buf_addf(out, err, "\n"));
    }
    return IG_OK;
}

static ig_status explain_json(const ig_plan *plan, ig_buf *line, ig_buf *out, ig_err *err) {
    const ig_program *p = plan->program;
    IG_TRY(ig_buf_addf(out, err, "{\"backend\":\"%s\",\"arena_bytes\":%llu,\"weight_bytes\":%llu,",
                       plan->caps->name, (unsigned long long)plan->arena_bytes,
                       (unsigned long long)plan->weight_bytes));
    IG_TRY(ig_buf_addf(out, err,
                       "\"weight_step_bytes\":%llu,\"ops_per_token\":%llu,"
                       "\"page_groups\":[",
                       (unsigned long long)plan->weight_step_bytes,
                       (unsigned long long)plan->ops_per_token));
    for (uint32_t g = 0; g < plan->n_groups; g++)
        IG_TRY(ig_buf_addf(out, err, "%s{\"window\":%u,\"states\":%u}", g ? "," : "",
                           plan->groups[g].window, plan->groups[g].n_states));
    IG_TRY(ig_buf_addf(out, err, "],\"ops\":["));
    for (uint32_t i = 0; i < p->n_ops; i++) {
        IG_TRY(ig_buf_addf(out, err, i ? ",\n" : "\n"));
        IG_TRY(json_op(p, &p->ops[i], line, out, err));
    }
    return ig_buf_addf(out, err, "\n]}\n");
}

static ig_status explain_text(const ig_plan *plan, ig_buf *out, ig_err *err) {
    const ig_program *p = plan->program;
    for (uint32_t i = 0; i < p->n_ops; i++)
        IG_TRY(text_op(p, &p->ops[i], i, out, err));
    for (uint32_t g = 0; g < plan->n_groups; g++)
        IG_TRY(ig_buf_addf(out, err, "pages %u: %u layers, window %u\n", g,
                           plan->groups[g].n_states, plan->groups[g].window));
    return ig_buf_addf(out, err,
                       "arena %.1f MiB for %u tokens, %u outputs; "
                       "weights %.1f MiB, %.1f MiB per token\n",
                       (double)plan->arena_bytes / 1048576.0, plan->limits.tokens_max,
                       plan->limits.outputs_max, (double)plan->weight_bytes / 1048576.0,
                       (double)plan->weight_step_bytes / 1048576.0);
}

ig_status ig_plan_explain(const ig_plan *plan, bool json, ig_buf *out, ig_err *err) {
    if (!json)
        return explain_text(plan, out, err);
    ig_buf line;
    ig_buf_init(&line, 1 << 20);
    ig_status status = explain_json(plan, &line, out, err);
    ig_buf_fini(&line);
    return status;
}
