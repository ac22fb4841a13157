/* ref_norm.c: norm over each head of a row; mean and variance in two passes. */
#include "backend/ref/ref_int.h"

/* y = (x - *mean) * returned factor. */
static double norm_factor(const ig_norm_attr *a, const float *x, uint32_t n, double *mean) {
    double sum = 0, squares = 0;
    for (uint32_t c = 0; c < n; c++)
        sum += (double)x[c];
    *mean = a->kind == IG_NORM_LAYER ? sum / n : 0;
    for (uint32_t c = 0; c < n; c++)
        squares += ((double)x[c] - *mean) * ((double)x[c] - *mean);
    switch (a->kind) {
    case IG_NORM_RMS:
    case IG_NORM_LAYER:
        return 1 / sqrt(squares / n + (double)a->eps);
    case IG_NORM_L2_ADD:
        return 1 / sqrt(squares + (double)a->eps);
    case IG_NORM_L2_MAX:
        return 1 / fmax(sqrt(squares), (double)a->eps);
    }
    return 1;
}

ig_status ig_refop_norm(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_norm_attr *a = &op->u.norm;
    const float *w = ref_vector(s, op->w[0]), *b = ref_vector(s, op->w[1]);
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        for (uint32_t h = 0; h < op->in[0].heads; h++) {
            const float *x = ref_row(s, op->in[0], i) + (size_t)h * op->in[0].stride;
            float *y = ref_row(s, op->out[0], i) + (size_t)h * op->out[0].stride;
            double mean;
            const double factor = norm_factor(a, x, op->in[0].cols, &mean);
            for (uint32_t c = 0; c < op->in[0].cols; c++) {
                const size_t at = (size_t)h * a->head_stride + (size_t)c * a->col_stride;
                double v = ((double)x[c] - mean) * factor;
                v = w ? v * (double)w[at] : v;
                y[c] = (float)(b ? v + (double)b[at] : v);
            }
        }
    }
    return IG_OK;
}
