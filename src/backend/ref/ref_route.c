/* ref_route.c: route (which experts, with which weight) and combine (their weighted sum in rank
 * order). */
#include "backend/ref/ref_int.h"

/* Index of the largest of s[0, n) that is not taken; the lower index on ties. At least one must be
 * free. */
static uint32_t best(const double *s, const uint32_t *taken, uint32_t n) {
    uint32_t at = UINT32_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if (!taken[i] && (at == UINT32_MAX || s[i] > s[at]))
            at = i;
    }
    return at;
}

static void softmax(double *p, uint32_t n) {
    double max = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < n; i++)
        max = fmax(max, p[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += p[i] = exp(p[i] - max);
    for (uint32_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void gate(ig_gating gating, double *p, uint32_t n) {
    if (gating == IG_GATING_SOFTMAX) {
        softmax(p, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (gating == IG_GATING_SIGMOID)
            p[i] = ref_sigmoid(p[i]);
        else if (gating == IG_GATING_SQRT_SOFTPLUS)
            p[i] = sqrt(ref_softplus(p[i]));
    }
}

/* Takes the experts of all but the best groups out of the choice. A group is as good as its two
 * best scores. */
static void drop_groups(const ig_route_attr *a, const double *s, uint32_t *taken, double *group) {
    const uint32_t size = a->n_experts / a->n_groups;
    for (uint32_t g = 0; g < a->n_groups; g++) {
        const uint32_t first = g * size, one = first + best(s + first, taken + first, size);
        group[g] = s[one];
        if (size > 1) {
            taken[one] = 1;
            group[g] += s[first + best(s + first, taken + first, size)];
            taken[one] = 0;
        }
    }
    for (uint32_t e = 0; e < a->n_experts; e++)
        taken[e] = 1;
    for (uint32_t used = 0; used < a->n_groups_used; used++) {
        uint32_t g = 0;
        while (!taken[g * size])
            g++;
        for (uint32_t i = g + 1; i < a->n_groups; i++) {
            if (taken[i * size] && group[i] > group[g])
                g = i;
        }
        for (uint32_t e = g * size; e < (g + 1) * size; e++)
            taken[e] = 0;
    }
}

/* One row: logits in p, scratch of 2 E more behind it. */
static void route_row(const ref_step *s, const ig_op *op, double *p, int32_t *ids, float *weights) {
    const ig_route_attr *a = &op->u.route;
    const uint32_t n = a->n_experts, div = a->id_div > 1 ? a->id_div : 1;
    const float *bias = ref_vector(s, op->w[2]);
    double *score = p + n, *w = score + n, sum = 0;
    uint32_t *taken = s->m->picks;
    gate(a->gating, p, n);
    for (uint32_t e = 0; e < n; e++) {
        score[e] = bias ? p[e] + (double)bias[e] : p[e];
        taken[e] = 0;
    }
    if (a->n_groups > 1)
        drop_groups(a, score, taken, w);
    for (uint32_t j = 0; j < a->top_k; j++) {
        const uint32_t e = best(score, taken, n);
        taken[e] = 1;
        ids[ref_at(op->out[0], j)] = (int32_t)(e / div);
        w[j] = p[e / div];
    }
    if (a->gating == IG_GATING_SOFTMAX_AFTER)
        softmax(w, a->top_k);
    for (uint32_t j = 0; j < a->top_k; j++)
        sum += w[j];
    const double divisor = a->renorm ? fmax(sum, 6.103515625e-5) : 1;
    for (uint32_t j = 0; j < a->top_k; j++)
        weights[ref_at(op->out[1], j)] = (float)(w[j] / divisor * (double)a->scale);
}

bool ig_refop_route_accepts(const ig_program *p, const ig_op *op) {
    const ig_route_attr *a = &op->u.route;
    const uint32_t groups = a->n_groups > 1 ? a->n_groups : 1,
                   used = a->n_groups > 1 ? a->n_groups_used : 1;
    return ig_refop_accepts(p, op) && a->n_experts % groups == 0 && used >= 1 && used <= groups &&
           a->top_k <= a->n_experts / groups * used;
}

ig_status ig_refop_route(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_route_attr *a = &op->u.route;
    const ig_weight *w = &s->m->plan->program->weights[op->w[0]];
    const float *bias = ref_vector(s, op->w[1]);
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const float *x = ref_row(s, op->in[0], i);
        for (uint32_t c = 0; c < w->cols; c++)
            s->m->x[c] = x[ref_at(op->in[0], c)];
        for (uint32_t e = 0; e < a->n_experts; e++) {
            ig_refop_weight_row(w, e, s->m->w_row);
            s->m->scratch[e] =
                ig_refop_dot(s->m->w_row, s->m->x, w->cols) + (bias ? (double)bias[e] : 0);
        }
        route_row(s, op, s->m->scratch, (int32_t *)(void *)ref_row(s, op->out[0], i),
                  ref_row(s, op->out[1], i));
    }
    return IG_OK;
}

ig_status ig_refop_combine(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const uint32_t n = ig_ref_width(op->out[0]), k = ig_ref_width(op->in[1]);
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const float *x = ref_row(s, op->in[0], i), *w = ref_row(s, op->in[1], i);
        float *y = ref_row(s, op->out[0], i);
        for (uint32_t c = 0; c < n; c++) {
            double sum = 0;
            for (uint32_t j = 0; j < k; j++)
                sum += (double)w[ref_at(op->in[1], j)] * (double)x[ref_at(op->in[0], j * n + c)];
            y[ref_at(op->out[0], c)] = (float)sum;
        }
    }
    return IG_OK;
}
