/* cpu_chain.c: row-wise ops of the cpu backend: alone, as chains before a linear or an attend, and
 * the copies (embed, select_rows, concat). Rows are shared out statically: they cost the same.
 * Entered by all threads of the team. */
#include "backend/cpu/cpu_int.h"

/* Runs a chain on one row. Values that live in the chain only stay in `scratch`; those wanted by
 * later ops are also written to the arena when `store` says that this thread is the one to do it.
 */
void cpu_chain_row(const cpu_step *s, const cpu_row_op *ops, uint32_t n, uint32_t row,
                   float *scratch, bool store) {
    const cpu_module *m = s->module;
    for (uint32_t i = 0; i < n; i++) {
        const cpu_row_op *r = &ops[i];
        ig_row_args args = {.op = r->op, .w_count = r->w_count};
        for (uint32_t j = 0; j < IG_OP_IN_MAX && r->op->in[j].value; j++)
            args.in[j] = r->in_slot[j] >= 0 ? scratch + r->in_slot[j]
                                            : cpu_value_row(m, r->op->in[j].value, row);
        for (uint32_t j = 0; j < IG_OP_OUT_MAX && r->op->out[j].value; j++)
            args.out[j] = r->out_slot[j] >= 0 ? scratch + r->out_slot[j]
                                              : cpu_value_row(m, r->op->out[j].value, row);
        for (uint32_t j = 0; j < IG_OP_WEIGHTS_MAX; j++)
            args.w[j] = r->w[j];
        if (r->rope_table >= 0) {
            const cpu_rope_table *t = &m->ropes[r->rope_table];
            args.cos_sin = t->cos_sin + (size_t)row * t->rope->n_rot;
        }
        if (r->op->kind == IG_OP_MAP && r->op->u.map.fn == IG_MAP_POS_TEMP)
            args.position = s->positions[row];
        r->fn(&args);
        for (uint32_t j = 0; store && j < IG_OP_OUT_MAX && r->op->out[j].value; j++) {
            if (r->out_store[j] && r->out_slot[j] >= 0)
                memcpy(cpu_value_row(m, r->op->out[j].value, row), args.out[j],
                       (size_t)cpu_program(m)->values[r->op->out[j].value].cols * 4);
        }
    }
}

static void my_rows(const cpu_step *s, uint32_t n, uint32_t thread, uint32_t *from, uint32_t *to) {
    uint64_t threads = s->n_threads;
    *from = (uint32_t)(n * (uint64_t)thread / threads);
    *to = (uint32_t)(n * (uint64_t)(thread + 1) / threads);
}

static uint32_t rows_of(const cpu_step *s, const ig_op *op) {
    return s->n_rows[cpu_program(s->module)->values[op->out[0].value].rows];
}

void cpu_run_rowwise(cpu_step *s, const cpu_op *op, uint32_t thread) {
    uint32_t from, to;
    my_rows(s, rows_of(s, op->op), thread, &from, &to);
    for (uint32_t row = from; row < to; row++)
        cpu_chain_row(s, &op->self, 1, row, NULL, false);
    cpu_barrier(s, thread);
}

void cpu_run_embed(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const cpu_module *m = s->module;
    const ig_op *e = op->op;
    const ig_weight *table = &cpu_program(m)->weights[e->w[0]];
    const ig_decode_fn decode = ig_dtype_info(table->dtype)->decode;
    size_t row_bytes = (size_t)(table->bytes / table->rows);
    uint32_t from, to;
    my_rows(s, rows_of(s, e), thread, &from, &to);
    for (uint32_t row = from; row < to; row++) {
        uint32_t index = e->u.embed.index == IG_EMBED_TOKEN      ? (uint32_t)s->batch->ids[row]
                         : e->u.embed.index == IG_EMBED_POSITION ? (uint32_t)s->positions[row]
                                                                 : e->u.embed.const_row;
        float *out = cpu_value_row(m, e->out[0].value, row) + e->out[0].col;
        if (index >= table->rows)
            index = table->rows - 1; /* a position past a learned table; ids were checked */
        decode(table->data + index * row_bytes, out, table->cols);
        if (e->u.embed.scale != 1.0f)
            m->device->rows->scale(out, out, e->u.embed.scale, table->cols);
    }
    cpu_barrier(s, thread);
}

void cpu_run_select_rows(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const cpu_module *m = s->module;
    uint32_t from, to, cols = cpu_program(m)->values[op->op->out[0].value].cols;
    my_rows(s, s->n_rows[IG_ROWS_OUTPUTS], thread, &from, &to);
    for (uint32_t i = from; i < to; i++)
        memcpy(cpu_value_row(m, op->op->out[0].value, i),
               cpu_value_row(m, op->op->in[0].value, s->batch->outputs[i]) + op->op->in[0].col,
               (size_t)cols * 4);
    cpu_barrier(s, thread);
}

void cpu_run_concat(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const cpu_module *m = s->module;
    uint32_t from, to;
    my_rows(s, rows_of(s, op->op), thread, &from, &to);
    for (uint32_t row = from; row < to; row++) {
        float *out = cpu_value_row(m, op->op->out[0].value, row) + op->op->out[0].col;
        for (uint32_t j = 0; j < 2; j++) {
            ig_ref r = op->op->in[j];
            const float *in = cpu_value_row(m, r.value, row) + r.col;
            for (uint32_t h = 0; h < r.heads; h++, out += r.cols)
                memcpy(out, in + (size_t)h * r.stride, (size_t)r.cols * 4);
        }
    }
    cpu_barrier(s, thread);
}
