/* op_check.c: is an op well formed? Counts against the op table, views inside their values,
 * shapes against weights and attributes. A failure here is the builder's mistake, so it is
 * IG_EINTERNAL and printed in full. */
#include "plan/plan_int.h"

typedef struct op_checker {
    const ig_program *p;
    const ig_op *op;
    char why[160];
    bool bad;
} op_checker;

static void expect(op_checker *c, bool ok, const char *what) {
    if (ok || c->bad)
        return;
    c->bad = true;
    size_t n = strlen(what);
    n = n < sizeof c->why - 1 ? n : sizeof c->why - 1;
    memcpy(c->why, what, n);
    c->why[n] = '\0';
}

static void check_ref(op_checker *c, ig_ref r, const char *what) {
    if (r.value == 0)
        return;
    expect(c, r.value < c->p->n_values && r.heads > 0 && r.cols > 0, what);
    if (c->bad)
        return;
    uint64_t end = (uint64_t)r.col + (uint64_t)(r.heads - 1) * r.stride + r.cols;
    expect(c, end <= c->p->values[r.value].cols && (r.heads == 1 || r.stride >= r.cols), what);
}

static const ig_weight *weight_of(op_checker *c, ig_weight_id id, const char *what) {
    expect(c, id < c->p->n_weights, what);
    return c->bad || id == 0 ? NULL : &c->p->weights[id];
}

static uint64_t weight_elems(const ig_weight *w) {
    return (uint64_t)w->cols * w->rows * w->stack;
}

static void check_parts(op_checker *c, bool experts) {
    const ig_linear_attr *a = &c->op->u.linear;
    uint32_t k = experts ? a->top_k : 1, heads = a->n_heads > 1 ? a->n_heads : 1;
    uint64_t rows = 0, in = ig_ref_width(c->op->in[0]);
    expect(c, a->n_parts > 0 && a->parts && k > 0, "a linear needs parts");
    for (uint32_t i = 0; !c->bad && i < a->n_parts; i++) {
        const ig_linear_part *part = &a->parts[i];
        const ig_weight *w = weight_of(c, part->weight, "weight id");
        const ig_weight *b = weight_of(c, part->bias, "bias id");
        const ig_weight *s = weight_of(c, part->scale, "scale id");
        expect(c, w != NULL, "a part without weight");
        if (c->bad)
            return;
        expect(c, w->rows == part->rows, "rows of the weight");
        expect(c, (uint64_t)w->cols * heads == in || (experts && (uint64_t)w->cols * k == in),
               "input columns");
        expect(c, heads == 1 || w->stack == heads, "matrices of the heads form");
        expect(c,
               !b || weight_elems(b) == (uint64_t)w->rows * (heads > 1 || experts ? w->stack : 1),
               "bias size");
        expect(c, !s || weight_elems(s) == 1 || weight_elems(s) == w->stack, "scale size");
        rows += (uint64_t)part->rows * heads;
    }
    expect(c, rows * k == ig_ref_width(c->op->out[0]), "output columns");
}

/* The route that made expert ids; the select_rows pass may stand between. */
static const ig_op *route_of(const ig_program *p, ig_value_id ids) {
    for (uint32_t i = p->n_ops; i-- > 0;) {
        const ig_op *op = &p->ops[i];
        if (op->out[0].value != ids)
            continue;
        if (op->kind != IG_OP_SELECT_ROWS)
            return op->kind == IG_OP_ROUTE ? op : NULL;
        ids = op->in[0].value;
    }
    return NULL;
}

/* Kernels index the stack by these ids and check nothing again. */
static void check_expert_ids(op_checker *c) {
    const ig_op *route = route_of(c->p, c->op->in[1].value);
    expect(c, route != NULL, "ids of a route");
    for (uint32_t i = 0; !c->bad && i < c->op->u.linear.n_parts; i++) {
        const ig_route_attr *a = &route->u.route;
        const uint32_t last = (a->n_experts - 1) / IG_MAX(a->id_div, 1u);
        expect(c, last < c->p->weights[c->op->u.linear.parts[i].weight].stack,
               "an expert id outside the stack");
    }
}

static void check_attend(op_checker *c) {
    const ig_attend_attr *a = &c->op->u.attend;
    const ig_ref *in = c->op->in;
    expect(c, a->n_heads > 0 && a->n_kv_heads > 0 && a->n_heads % a->n_kv_heads == 0, "heads");
    expect(c, in[0].heads == a->n_heads && in[0].cols == a->k_cols, "shape of q");
    expect(c, ig_ref_width(c->op->out[0]) == (uint64_t)a->n_heads * a->v_cols, "shape of out");
    expect(c, (in[1].value == 0) == (in[2].value == 0), "k and v come together");
    if (in[1].value) {
        expect(c, in[1].heads == a->n_kv_heads && in[1].cols == a->k_cols, "shape of k");
        expect(c, in[2].heads == a->n_kv_heads && in[2].cols == a->v_cols, "shape of v");
    } else {
        expect(c, a->state != 0, "reuse needs a state");
    }
    expect(c, a->state < IG_MAX(c->p->n_states, 1u), "state id");
    const ig_weight *sinks = weight_of(c, c->op->w[0], "sinks id");
    expect(c, !sinks || weight_elems(sinks) == a->n_heads, "size of sinks");
}

static void check_route(op_checker *c) {
    const ig_route_attr *a = &c->op->u.route;
    const ig_weight *w = weight_of(c, c->op->w[0], "router id");
    expect(c, w && w->rows == a->n_experts && w->cols == ig_ref_width(c->op->in[0]),
           "router shape");
    for (uint32_t i = 1; i < 3; i++) {
        const ig_weight *bias = weight_of(c, c->op->w[i], "router bias id");
        expect(c, !bias || weight_elems(bias) == a->n_experts, "router bias size");
    }
    expect(c, a->top_k > 0 && a->top_k <= a->n_experts, "top_k");
    expect(c, c->op->out[0].cols == a->top_k && c->op->out[1].cols == a->top_k, "route outputs");
    expect(c,
           a->n_groups <= 1 || (a->n_experts % a->n_groups == 0 && a->n_groups_used <= a->n_groups),
           "groups");
}

static uint64_t in_width(const op_checker *c) {
    return c->op->in[0].value ? ig_ref_width(c->op->in[0]) : 0;
}

static uint64_t out_width(const op_checker *c) {
    return ig_ref_width(c->op->out[0]);
}

static void check_embed(op_checker *c) {
    const ig_op *op = c->op;
    const ig_weight *w = weight_of(c, op->w[0], "table id");
    expect(c, w && w->cols == out_width(c), "columns of the table");
    expect(c, op->u.embed.index != IG_EMBED_CONST || (w && op->u.embed.const_row < w->rows),
           "constant row");
}

static void check_norm(op_checker *c) {
    const ig_op *op = c->op;
    expect(c, in_width(c) == out_width(c) && op->in[0].heads == op->out[0].heads,
           "norm keeps its shape");
    const ig_weight *w = weight_of(c, op->w[0], "norm weight id");
    const uint64_t last = (uint64_t)op->u.norm.head_stride * (op->in[0].heads - 1) +
                          (uint64_t)op->u.norm.col_stride * (op->in[0].cols - 1);
    expect(c, !w || weight_elems(w) > last, "norm weight size");
    const ig_weight *b = weight_of(c, op->w[1], "norm bias id");
    expect(c,
           !b || (w && weight_elems(b) == weight_elems(w)) ||
               (!w && weight_elems(b) == in_width(c)),
           "norm bias size");
}

static void check_linear(op_checker *c) {
    check_parts(c, false);
}

static void check_expert_linear(op_checker *c) {
    check_parts(c, true);
    check_expert_ids(c);
}

static void check_rope(op_checker *c) {
    const ig_rope_attr *a = &c->op->u.rope;
    expect(c, in_width(c) == out_width(c) && a->n_rot % 2 == 0 && a->n_rot > 0 && a->inv_freq,
           "rope");
    expect(c, (uint64_t)a->first + a->n_rot <= c->op->in[0].cols, "rotated columns");
}

static void check_map(op_checker *c) {
    const ig_op *op = c->op;
    expect(c, in_width(c) == out_width(c) && (unsigned)op->u.map.fn < IG_MAP_FN_COUNT,
           "map keeps its shape");
    const ig_weight *w = weight_of(c, op->w[0], "map weight id");
    expect(c,
           op->u.map.fn != IG_MAP_MUL ||
               (w && (weight_elems(w) == 1 || weight_elems(w) == in_width(c) ||
                      weight_elems(w) == op->in[0].heads)),
           "map weight size");
}

static void check_add(op_checker *c) {
    expect(c, in_width(c) == out_width(c) && ig_ref_width(c->op->in[1]) == out_width(c),
           "add shapes");
}

static void check_glu(op_checker *c) {
    const ig_op *op = c->op;
    const uint64_t in = in_width(c), out = out_width(c);
    expect(c, op->in[1].value == 0 ? in == out : ig_ref_width(op->in[1]) == out, "glu shapes");
    const uint64_t gate = op->u.glu.broadcast == IG_GLU_ELEM   ? out
                          : op->u.glu.broadcast == IG_GLU_HEAD ? op->in[1].heads
                                                               : 1;
    expect(c, in == gate, "glu gate width");
    const ig_weight *w = weight_of(c, op->w[0], "glu divisor id");
    expect(c, !w || weight_elems(w) == out, "glu divisor size");
}

static void check_combine(op_checker *c) {
    expect(c, in_width(c) == out_width(c) * ig_ref_width(c->op->in[1]), "combine shapes");
}

static void check_concat(op_checker *c) {
    expect(c, in_width(c) + ig_ref_width(c->op->in[1]) == out_width(c), "concat shapes");
}

static void check_rows_kept(op_checker *c) {
    expect(c, in_width(c) == out_width(c), "columns are kept");
}

/* Every kind that is not reserved. */
static void (*const SHAPES[IG_OP_COUNT])(op_checker *) = {
    [IG_OP_EMBED] = check_embed,
    [IG_OP_NORM] = check_norm,
    [IG_OP_LINEAR] = check_linear,
    [IG_OP_EXPERT_LINEAR] = check_expert_linear,
    [IG_OP_ROPE] = check_rope,
    [IG_OP_MAP] = check_map,
    [IG_OP_ADD] = check_add,
    [IG_OP_GLU] = check_glu,
    [IG_OP_ATTEND] = check_attend,
    [IG_OP_ROUTE] = check_route,
    [IG_OP_COMBINE] = check_combine,
    [IG_OP_CONCAT] = check_concat,
    [IG_OP_SELECT_ROWS] = check_rows_kept,
    [IG_OP_POOL] = check_rows_kept,
};

static void check_shapes(op_checker *c) {
    if ((unsigned)c->op->kind < IG_OP_COUNT && SHAPES[c->op->kind])
        SHAPES[c->op->kind](c);
    else
        expect(c, false, "op kind");
}

ig_status ig_op_check(const ig_program *p, const ig_op *op, ig_err *err) {
    op_checker c = {.p = p, .op = op};
    const ig_op_row *row = ig_op_info(op->kind);
    if (row->reserved)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "op %s is reserved: it has no attributes and no kernels yet; use a model "
                       "without it",
                       row->name);
    uint32_t n_in = ig_op_inputs(op), n_out = ig_op_outputs(op);
    expect(&c, n_in >= row->in_min && n_in <= row->in_max, "number of inputs");
    expect(&c, n_out >= row->out_min && n_out <= row->out_max, "number of outputs");
    for (uint32_t i = 0; i < IG_OP_IN_MAX; i++)
        check_ref(&c, op->in[i], "view of an input");
    for (uint32_t i = 0; i < IG_OP_OUT_MAX; i++)
        check_ref(&c, op->out[i], "view of an output");
    for (uint32_t i = 0; i < IG_OP_WEIGHTS_MAX; i++)
        weight_of(&c, op->w[i], "weight id");
    if (!c.bad)
        check_shapes(&c);
    if (!c.bad)
        return IG_OK;
    ig_buf text;
    ig_buf_init(&text, 400);
    if (ig_op_print(p, op, &text, NULL))
        ig_buf_clear(&text);
    ig_status status =
        ig_fail(err, IG_EINTERNAL, "malformed op (%s): %s", c.why, ig_buf_str(&text).p);
    ig_buf_fini(&text);
    return status;
}
