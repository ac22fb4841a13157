/* ref_weight.c: reading weights, the dot product, and what every capability row asks of an op. */
#include "backend/ref/ref_int.h"

void ig_refop_weight_row(const ig_weight *w, uint64_t row, float *dst) {
    const ig_dtype_row *type = ig_dtype_info(w->dtype);
    const uint64_t row_bytes = w->cols / type->block_elems * (uint64_t)type->block_bytes;
    type->decode(w->data + row * row_bytes, dst, w->cols);
}

/* Eight partial sums in a fixed order: as exact as one, and the compiler may keep them in lanes. */
double ig_refop_dot(const float *a, const float *b, uint32_t n) {
    double lane[8] = {0};
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (uint32_t l = 0; l < 8; l++)
            lane[l] += (double)a[i + l] * (double)b[i + l];
    }
    for (uint32_t l = 0; i < n; i++, l++)
        lane[l] += (double)a[i] * (double)b[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) +
           ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

static bool decodes(const ig_program *p, ig_weight_id id) {
    uint64_t bytes;
    if (id == 0)
        return true;
    const ig_weight *w = &p->weights[id];
    return ig_dtype_info(w->dtype)->decode && ig_dtype_bytes(w->dtype, w->cols, &bytes);
}

bool ig_refop_accepts(const ig_program *p, const ig_op *op) {
    if (op->n_pre || op->n_post)
        return false;
    for (size_t i = 0; i < IG_OP_WEIGHTS_MAX; i++) {
        if (!decodes(p, op->w[i]))
            return false;
    }
    if (op->kind != IG_OP_LINEAR && op->kind != IG_OP_EXPERT_LINEAR)
        return true;
    for (uint32_t i = 0; i < op->u.linear.n_parts; i++) {
        const ig_linear_part *part = &op->u.linear.parts[i];
        if (!decodes(p, part->weight) || !decodes(p, part->bias) || !decodes(p, part->scale))
            return false;
    }
    return true;
}
