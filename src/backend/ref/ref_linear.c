/* ref_linear.c: linear and expert_linear: weights decoded row by row, activations as they are. */
#include "backend/ref/ref_int.h"

/* Copies the columns of a view side by side. */
static void gather(const ref_step *s, ig_ref r, uint32_t row, float *dst) {
    const float *x = ref_row(s, r, row);
    for (uint32_t i = 0; i < ig_ref_width(r); i++)
        dst[i] = x[ref_at(r, i)];
}

static uint64_t elements(const ig_weight *w) {
    return (uint64_t)w->cols * w->rows * w->stack;
}

/* Scale and bias of row `row` of matrix `m`; both may be shared by all matrices. */
typedef struct affine {
    double scale, bias;
} affine;

static affine affine_of(const ref_step *s, const ig_linear_part *part, uint32_t m, uint32_t row) {
    const ig_program *p = s->m->plan->program;
    const float *scale = ref_vector(s, part->scale), *bias = ref_vector(s, part->bias);
    affine a = {1, 0};
    if (scale)
        a.scale = (double)scale[elements(&p->weights[part->scale]) > 1 ? m : 0];
    if (bias)
        a.bias = (double)
            bias[elements(&p->weights[part->bias]) > part->rows ? (uint64_t)m * part->rows + row
                                                                : row];
    return a;
}

ig_status ig_refop_linear(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_linear_attr *a = &op->u.linear;
    const ig_program *p = s->m->plan->program;
    const uint32_t n_rows = ref_rows(s, op), width = ig_ref_width(op->in[0]),
                   n_heads = a->n_heads > 1 ? a->n_heads : 1;
    const uint32_t block = width / n_heads;
    for (uint32_t i = 0; i < n_rows; i++)
        gather(s, op->in[0], i, s->m->x + (size_t)i * width);
    uint32_t col = 0;
    for (uint32_t part = 0; part < a->n_parts; part++) {
        const ig_weight *w = &p->weights[a->parts[part].weight];
        for (uint32_t h = 0; h < n_heads; h++) {
            for (uint32_t r = 0; r < a->parts[part].rows; r++, col++) {
                const affine f = affine_of(s, &a->parts[part], h, r);
                const size_t at = ref_at(op->out[0], col);
                ig_refop_weight_row(w, (uint64_t)h * w->rows + r, s->m->w_row);
                for (uint32_t i = 0; i < n_rows; i++) {
                    const float *x = s->m->x + (size_t)i * width + (size_t)h * block;
                    ref_row(s, op->out[0], i)[at] =
                        (float)(f.scale * ig_refop_dot(s->m->w_row, x, block) + f.bias);
                }
            }
        }
    }
    return IG_OK;
}

/* All rows of one part for the (row, rank) pairs that chose expert e. */
static void expert_part(const ref_step *s, const ig_op *op, uint32_t e, uint32_t n_picks,
                        uint32_t part, uint32_t col0) {
    const ig_linear_attr *a = &op->u.linear;
    const ig_weight *w = &s->m->plan->program->weights[a->parts[part].weight];
    const uint32_t k = a->top_k, width = ig_ref_width(op->in[0]),
                   n_out = ig_ref_width(op->out[0]) / k;
    const bool shared = width == w->cols;
    for (uint32_t r = 0; r < a->parts[part].rows; r++) {
        const affine f = affine_of(s, &a->parts[part], e, r);
        ig_refop_weight_row(w, (uint64_t)e * w->rows + r, s->m->w_row);
        for (uint32_t i = 0; i < n_picks; i++) {
            const uint32_t row = s->m->picks[i] / k, rank = s->m->picks[i] % k;
            const float *x = s->m->x + (size_t)row * width + (shared ? 0 : (size_t)rank * w->cols);
            const double y = f.scale * ig_refop_dot(s->m->w_row, x, w->cols) + f.bias;
            ref_row(s, op->out[0], row)[ref_at(op->out[0], rank * n_out + col0 + r)] = (float)y;
        }
    }
}

ig_status ig_refop_expert_linear(const ref_step *s, const ig_op *op, ig_err *err) {
    const ig_linear_attr *a = &op->u.linear;
    const uint32_t n_rows = ref_rows(s, op), k = a->top_k;
    const uint32_t n_experts = s->m->plan->program->weights[a->parts[0].weight].stack;
    for (uint32_t i = 0; i < n_rows; i++) {
        gather(s, op->in[0], i, s->m->x + (size_t)i * ig_ref_width(op->in[0]));
        const int32_t *ids = (const int32_t *)(const void *)ref_row(s, op->in[1], i);
        for (uint32_t j = 0; j < k; j++) {
            const int32_t id = ids[ref_at(op->in[1], j)];
            if (id < 0 || (uint32_t)id >= n_experts)
                return ig_fail(err, IG_EINTERNAL, "layer %d: expert id %d of %u experts", op->layer,
                               id, n_experts);
        }
    }
    for (uint32_t e = 0; e < n_experts; e++) {
        uint32_t n_picks = 0, col = 0;
        for (uint32_t i = 0; i < n_rows * k; i++) {
            const int32_t *ids = (const int32_t *)(const void *)ref_row(s, op->in[1], i / k);
            if ((uint32_t)ids[ref_at(op->in[1], i % k)] == e)
                s->m->picks[n_picks++] = i;
        }
        for (uint32_t part = 0; n_picks && part < a->n_parts; part++) {
            expert_part(s, op, e, n_picks, part, col);
            col += a->parts[part].rows;
        }
    }
    return IG_OK;
}
