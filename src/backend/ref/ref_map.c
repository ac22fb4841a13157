/* ref_map.c: map and add: elementwise functions of one or two rows. */
#include "backend/ref/ref_int.h"

/* Functions of map that glu knows as activations. */
static const ig_act map_act[IG_MAP_FN_COUNT] = {
    [IG_MAP_TANH] = IG_ACT_TANH,   [IG_MAP_SIGMOID] = IG_ACT_SIGMOID,   [IG_MAP_SILU] = IG_ACT_SILU,
    [IG_MAP_GELU] = IG_ACT_GELU,   [IG_MAP_GELU_ERF] = IG_ACT_GELU_ERF, [IG_MAP_RELU] = IG_ACT_RELU,
    [IG_MAP_RELU2] = IG_ACT_RELU2, [IG_MAP_SOFTPLUS] = IG_ACT_SOFTPLUS,
};

/* The factor of MUL for column i of the view: one for all, one per head, or one per column. */
static double mul_factor(const ref_step *s, const ig_op *op, uint32_t i) {
    const ig_weight *w = &s->m->plan->program->weights[op->w[0]];
    const float *v = ref_vector(s, op->w[0]);
    const uint64_t n = (uint64_t)w->cols * w->rows * w->stack;
    const ig_ref in = op->in[0];
    if (n == 1)
        return (double)v[0];
    return (double)v[n == in.heads ? i / in.cols : i];
}

static double map_value(const ref_step *s, const ig_op *op, uint32_t i, double x, double position) {
    const ig_map_attr *m = &op->u.map;
    const double a = (double)m->a, b = (double)m->b, c = (double)m->c;
    switch (m->fn) {
    case IG_MAP_SCALE:
        return a * x;
    case IG_MAP_MUL:
        return x * mul_factor(s, op, i);
    case IG_MAP_POS_TEMP:
        return x * (1 + a * log(1 + floor((position + b) / c)));
    case IG_MAP_CLAMP:
        return ref_clamp(x, a, b);
    case IG_MAP_SOFTCAP:
        return a * tanh(x / a);
    case IG_MAP_TANH:
    case IG_MAP_SIGMOID:
    case IG_MAP_SILU:
    case IG_MAP_GELU:
    case IG_MAP_GELU_ERF:
    case IG_MAP_RELU:
    case IG_MAP_RELU2:
    case IG_MAP_SOFTPLUS:
    case IG_MAP_FN_COUNT:
        break;
    }
    return ig_refop_act(map_act[m->fn], x, NULL);
}

ig_status ig_refop_map(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_rows rows = s->m->plan->program->values[op->out[0].value].rows;
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const double position = s->m->position[ref_token(s, rows, i)];
        const float *x = ref_row(s, op->in[0], i);
        float *y = ref_row(s, op->out[0], i);
        for (uint32_t c = 0; c < ig_ref_width(op->in[0]); c++)
            y[ref_at(op->out[0], c)] =
                (float)map_value(s, op, c, (double)x[ref_at(op->in[0], c)], position);
    }
    return IG_OK;
}

ig_status ig_refop_add(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const double a = (double)op->u.add.a, b = (double)op->u.add.b;
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const float *x = ref_row(s, op->in[0], i), *z = ref_row(s, op->in[1], i);
        float *y = ref_row(s, op->out[0], i);
        for (uint32_t c = 0; c < ig_ref_width(op->out[0]); c++)
            y[ref_at(op->out[0], c)] =
                (float)(a * (double)x[ref_at(op->in[0], c)] + b * (double)z[ref_at(op->in[1], c)]);
    }
    return IG_OK;
}
