/* ref_embed.c: embed: out = table[index] * scale. */
#include "backend/ref/ref_int.h"

ig_status ig_refop_embed(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_embed_attr *a = &op->u.embed;
    const ig_program *p = s->m->plan->program;
    const ig_rows rows = p->values[op->out[0].value].rows;
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        const uint32_t token = ref_token(s, rows, i);
        const int32_t index = a->index == IG_EMBED_TOKEN      ? s->batch->ids[token]
                              : a->index == IG_EMBED_POSITION ? s->m->position[token]
                                                              : (int32_t)a->const_row;
        float *y = ref_row(s, op->out[0], i);
        ig_refop_weight_row(&p->weights[op->w[0]], (uint64_t)index, s->m->w_row);
        for (uint32_t c = 0; c < ig_ref_width(op->out[0]); c++)
            y[ref_at(op->out[0], c)] = (float)((double)s->m->w_row[c] * (double)a->scale);
    }
    return IG_OK;
}
