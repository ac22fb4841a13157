/* op_check.c: is an op well formed? Counts against the op table, views inside their values, shapes against weights and
 * attributes. A failure here is the builder's mistake, so it is IG_EINTERNAL and printed in full. */
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
        const ig_weight *w = weight_of(c, part->weight, "weight id"), *b = weight_of(c, part->bias, "bias id");
        const ig_weight *s = weight_of(c, part->scale, "scale id");
        expect(c, w != NULL, "a part without weight");
        if (c->bad)
            return;
        expect(c, w->rows == part->rows, "rows of the weight");
        expect(c, (uint64_t)w->cols * heads == in || (experts && (uint64_t)w->cols * k == in), "input columns");
        expect(c, heads == 1 || w->stack == heads, "matrices of the heads form");
        expect(c, !b || weight_elems(b) == (uint64_t)w->rows * (heads > 1 || experts ? w->stack : 1), "bias size");
        expect(c, !s || weight_elems(s) == 1 || weight_elems(s) == w->stack, "scale size");
        rows += (uint64_t)part->rows * heads;
    }
    expect(c, rows * k == ig_ref_width(c->op->out[0]), "output columns");
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
    expect(c, w && w->rows == a->n_experts && w->cols == ig_ref_width(c->op->in[0]), "router shape");
    for (uint32_t i = 1; i < 3; i++) {
        const ig_weight *bias = weight_of(c, c->op->w[i], "router bias id");
        expect(c, !bias || weight_elems(bias) == a->n_experts, "router bias size");
    }
    expect(c, a->top_k > 0 && a->top_k <= a->n_experts, "top_k");
    expect(c, c->op->out[0].cols == a->top_k && c->op->out[1].cols == a->top_k, "route outputs");
    expect(c, a->n_groups <= 1 || (a->n_experts % a->n_groups == 0 && a->n_groups_used <= a->n_groups), "groups");
}

static void check_shapes(op_checker *c) {
    const ig_op *op = c->op;
    uint64_t in = op->in[0].value ? ig_ref_width(op->in[0]) : 0, out = ig_ref_width(op->out[0]);
    const ig_weight *w = NULL, *b = NULL;
    switch (op->kind) {
    case IG_OP_EMBED:
        w = weight_of(c, op->w[0], "table id");
        expect(c, w && w->cols == out, "columns of the table");
        expect(c, op->u.embed.index != IG_EMBED_CONST || (w && op->u.embed.const_row < w->rows), "constant row");
        break;
    case IG_OP_NORM:
        expect(c, in == out && op->in[0].heads == op->out[0].heads, "norm keeps its shape");
        w = weight_of(c, op->w[0], "norm weight id");
        expect(c, !w || weight_elems(w) > (uint64_t)op->u.norm.head_stride * (op->in[0].heads - 1) +
                                              (uint64_t)op->u.norm.col_stride * (op->in[0].cols - 1),
               "norm weight size");
        b = weight_of(c, op->w[1], "norm bias id");
        expect(c, !b || (w && weight_elems(b) == weight_elems(w)) || (!w && weight_elems(b) == in), "norm bias size");
        break;
    case IG_OP_LINEAR:
        check_parts(c, false);
        break;
    case IG_OP_EXPERT_LINEAR:
        check_parts(c, true);
        break;
    case IG_OP_ROPE:
        expect(c, in == out && op->u.rope.n_rot % 2 == 0 && op->u.rope.n_rot > 0 && op->u.rope.inv_freq, "rope");
        expect(c, (uint64_t)op->u.rope.first + op->u.rope.n_rot <= op->in[0].cols, "rotated columns");
        break;
    case IG_OP_MAP:
        expect(c, in == out && (unsigned)op->u.map.fn < IG_MAP_FN_COUNT, "map keeps its shape");
        w = weight_of(c, op->w[0], "map weight id");
        expect(c, op->u.map.fn != IG_MAP_MUL || (w && (weight_elems(w) == 1 || weight_elems(w) == in ||
                                                       weight_elems(w) == op->in[0].heads)),
               "map weight size");
        break;
    case IG_OP_ADD:
        expect(c, in == out && ig_ref_width(op->in[1]) == out, "add shapes");
        break;
    case IG_OP_GLU:
        expect(c, op->in[1].value == 0 ? in == out : ig_ref_width(op->in[1]) == out, "glu shapes");
        expect(c, in == (op->u.glu.broadcast == IG_GLU_ELEM   ? out
                         : op->u.glu.broadcast == IG_GLU_HEAD ? op->in[1].heads
                                                              : 1),
               "glu gate width");
        w = weight_of(c, op->w[0], "glu divisor id");
        expect(c, !w || weight_elems(w) == out, "glu divisor size");
        break;
    case IG_OP_ATTEND:
        check_attend(c);
        break;
    case IG_OP_ROUTE:
        check_route(c);
        break;
    case IG_OP_COMBINE:
        expect(c, in == out * ig_ref_width(op->in[1]), "combine shapes");
        break;
    case IG_OP_CONCAT:
        expect(c, in + ig_ref_width(op->in[1]) == out, "concat shapes");
        break;
    case IG_OP_SELECT_ROWS:
    case IG_OP_POOL:
        expect(c, in == out, "columns are kept");
        break;
    case IG_OP_NONE:
    case IG_OP_LERP:
    case IG_OP_COMPRESS:
    case IG_OP_SELECT_KEYS:
    case IG_OP_CONV:
    case IG_OP_RECUR:
    case IG_OP_STREAM_COEF:
    case IG_OP_STREAM_MIX:
    case IG_OP_DOT:
    case IG_OP_ALL_REDUCE:
    case IG_OP_ALL_GATHER:
    case IG_OP_SEND:
    case IG_OP_RECV:
    case IG_OP_COUNT:
    default:
        expect(c, false, "op kind has no attributes yet");
        break;
    }
}

ig_status ig_op_check(const ig_program *p, const ig_op *op, ig_err *err) {
    op_checker c = {.p = p, .op = op};
    const ig_op_row *row = ig_op_info(op->kind);
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
    ig_status status = ig_fail(err, IG_EINTERNAL, "malformed op (%s): %s", c.why, ig_buf_str(&text).p);
    ig_buf_fini(&text);
    return status;
}
