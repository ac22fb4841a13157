/* ref_select.c: ops that move rows or columns: concat, select_rows, pool. */
#include "backend/ref/ref_int.h"

/* Copies columns of a view to columns [col, …) of another. */
static void copy(const float *x, ig_ref from, float *y, ig_ref to, uint32_t col) {
    for (uint32_t c = 0; c < ig_ref_width(from); c++)
        y[ref_at(to, col + c)] = x[ref_at(from, c)];
}

ig_status ig_refop_concat(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    for (uint32_t i = 0; i < ref_rows(s, op); i++) {
        uint32_t col = 0;
        for (size_t in = 0; in < IG_OP_IN_MAX && op->in[in].value; in++) {
            copy(ref_row(s, op->in[in], i), op->in[in], ref_row(s, op->out[0], i), op->out[0], col);
            col += ig_ref_width(op->in[in]);
        }
    }
    return IG_OK;
}

ig_status ig_refop_select_rows(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    for (uint32_t i = 0; i < s->batch->n_outputs; i++)
        copy(ref_row(s, op->in[0], s->batch->outputs[i]), op->in[0], ref_row(s, op->out[0], i),
             op->out[0], 0);
    return IG_OK;
}

static void pool_mean(const ref_step *s, const ig_op *op, const ig_batch_seq *seq, float *y) {
    for (uint32_t c = 0; c < ig_ref_width(op->in[0]); c++) {
        double sum = 0;
        for (uint32_t i = 0; i < seq->n_rows; i++)
            sum += (double)ref_row(s, op->in[0], seq->row + i)[ref_at(op->in[0], c)];
        y[ref_at(op->out[0], c)] = (float)(sum / seq->n_rows);
    }
}

ig_status ig_refop_pool(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const int32_t *position = s->m->position;
    for (uint32_t q = 0; q < s->batch->n_seqs; q++) {
        const ig_batch_seq *seq = &s->batch->seqs[q];
        float *y = ref_row(s, op->out[0], q);
        if (op->u.pool.kind == IG_POOL_MEAN) {
            pool_mean(s, op, seq, y);
            continue;
        }
        /* First: smallest position, the earlier row on ties; last: largest, the later row. */
        uint32_t at = seq->row;
        for (uint32_t i = seq->row; i < seq->row + seq->n_rows; i++) {
            if (op->u.pool.kind == IG_POOL_FIRST ? position[i] < position[at]
                                                 : position[i] >= position[at])
                at = i;
        }
        copy(ref_row(s, op->in[0], at), op->in[0], y, op->out[0], 0);
    }
    return IG_OK;
}
