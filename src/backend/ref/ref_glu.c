/* ref_glu.c: glu and the activations. */
#include "backend/ref/ref_int.h"

static double xielu(double x, const float p[4]) {
    const double beta = (double)p[2], eps = (double)p[3];
    const double negative = beta + ref_softplus((double)p[0]),
                 positive = ref_softplus((double)p[1]);
    return x > 0 ? positive * x * x + beta * x : negative * (expm1(fmin(x, eps)) - x) + beta * x;
}

double ig_refop_act(ig_act act, double x, const float p[4]) {
    switch (act) {
    case IG_ACT_SILU:
        return x * ref_sigmoid(x);
    case IG_ACT_GELU:
        return 0.5 * x * (1 + tanh(0.7978845608 * (x + 0.044715 * x * x * x)));
    case IG_ACT_GELU_ERF:
        return 0.5 * x * (1 + erf(x / sqrt(2.0)));
    case IG_ACT_RELU:
        return x > 0 ? x : 0;
    case IG_ACT_RELU2:
        return x > 0 ? x * x : 0;
    case IG_ACT_SIGMOID:
        return ref_sigmoid(x);
    case IG_ACT_TANH:
        return tanh(x);
    case IG_ACT_SOFTPLUS:
        return ref_softplus(x);
    case IG_ACT_SOFTPLUS2:
        return ref_softplus(x * 0.6931471805599453) / 0.6931471805599453;
    case IG_ACT_XIELU:
        return xielu(x, p);
    case IG_ACT_NONE:
    case IG_ACT_OAI: /* a function of both inputs, below */
    case IG_ACT_COUNT:
        break;
    }
    return x;
}

bool ig_refop_glu_accepts(const ig_program *p, const ig_op *op) {
    return ig_refop_accepts(p, op) && (op->u.glu.act != IG_ACT_OAI || op->in[1].value != 0);
}

/* u is NULL when the op has no second input. */
static double glu_value(const ig_glu_attr *a, double g, const float *u, double divisor) {
    const double c = (double)a->c;
    if (a->act == IG_ACT_OAI) {
        const double x = fmin(g, 7), y = ref_clamp((double)*u, -7, 7);
        return x * ref_sigmoid(1.702 * x) * (y + 1);
    }
    double v = ig_refop_act(a->act, a->limit == IG_LIMIT_PRE ? fmin(g, c) : g, a->p);
    if (a->limit == IG_LIMIT_POST)
        v = fmin(v, c);
    v /= divisor;
    if (!u)
        return v;
    return v * (a->limit == IG_LIMIT_NONE ? (double)*u : ref_clamp((double)*u, -c, c));
}

ig_status ig_refop_glu(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_glu_attr *a = &op->u.glu;
    const float *divisor = ref_vector(s, op->w[0]);
    const ig_ref g = op->in[0], u = op->in[1], y = op->out[0];
    const uint32_t head_cols = u.value ? u.cols : 1;
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const float *gate = ref_row(s, g, i), *up = u.value ? ref_row(s, u, i) : NULL;
        float *out = ref_row(s, y, i);
        for (uint32_t c = 0; c < ig_ref_width(y); c++) {
            const uint32_t from = a->broadcast == IG_GLU_ROW    ? 0
                                  : a->broadcast == IG_GLU_HEAD ? c / head_cols
                                                                : c;
            const double v =
                glu_value(a, (double)gate[ref_at(g, from)], up ? &up[ref_at(u, c)] : NULL,
                          divisor ? (double)divisor[c] : 1);
            out[ref_at(y, c)] = (float)v;
        }
    }
    return IG_OK;
}
