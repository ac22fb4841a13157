/* ref_rope.c: rope on each head; angles in f64. With text positions every stream of mrope and
 * imrope sits at the token's position, so only the pairing counts. */
#include "backend/ref/ref_int.h"

bool ig_refop_rope_accepts(const ig_program *p, const ig_op *op) {
    /* Streamed forms pair as neox by definition. */
    return ig_refop_accepts(p, op) &&
           (op->u.rope.streams == IG_ROPE_TEXT || op->u.rope.pairs == IG_ROPE_NEOX);
}

static void rope_head(const ig_rope_attr *a, double position, const float *x, float *y,
                      uint32_t cols) {
    for (uint32_t c = 0; c < cols; c++)
        y[c] = x[c];
    for (uint32_t i = 0; i < a->n_rot / 2; i++) {
        const uint32_t p = a->first + (a->pairs == IG_ROPE_NORM ? 2 * i : i);
        const uint32_t q = a->pairs == IG_ROPE_NORM ? p + 1 : p + a->n_rot / 2;
        const double angle = a->inverse ? -position * a->inv_freq[i] : position * a->inv_freq[i];
        const double cosine = cos(angle) * (double)a->m, sine = sin(angle) * (double)a->m;
        y[p] = (float)((double)x[p] * cosine - (double)x[q] * sine);
        y[q] = (float)((double)x[p] * sine + (double)x[q] * cosine);
    }
}

ig_status ig_refop_rope(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_rows rows = s->m->plan->program->values[op->out[0].value].rows;
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const double position = s->m->position[ref_token(s, rows, i)];
        for (uint32_t h = 0; h < op->in[0].heads; h++)
            rope_head(&op->u.rope, position,
                      ref_row(s, op->in[0], i) + (size_t)h * op->in[0].stride,
                      ref_row(s, op->out[0], i) + (size_t)h * op->out[0].stride, op->in[0].cols);
    }
    return IG_OK;
}
