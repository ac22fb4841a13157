/* cpu_attend.c: one attend op with what it absorbed (norms and rope of q, k, v), run by all
 * threads.
 *
 * 1. Rows are shared out: the chain runs, q goes to a buffer, k and v go into the pages. Threads
 * meet, because every query may read every key of the step.
 * 2. Units (query tiles x K/V heads x key groups) of all sequences are taken dynamically.
 * 3. Where keys were split, partial results are merged per head. */
#include "backend/cpu/cpu_int.h"

typedef struct attend_run {
    cpu_step *s;
    const cpu_op *op;
    uint32_t thread;
    const ig_state *state;
    ig_dtype k_dtype, v_dtype;
    uint8_t *pages_base;
    size_t page_stride;
    /* Else keys live for this step only, in pages of the module, one run of pages per sequence. */
    bool cached;
} attend_run;

/* Page table of a sequence; `before` counts pages of the sequences before it when nothing is
 * cached. */
static const uint32_t *table_of(const attend_run *r, const ig_batch_seq *seq, uint32_t before) {
    return r->cached ? r->s->batch->pages + seq->table[r->state->group]
                     : r->s->module->step_table + before;
}

static uint32_t step_pages(const ig_batch_seq *seq) {
    return (seq->n_rows + IG_PAGE_TOKENS - 1) / IG_PAGE_TOKENS;
}

static const float *operand(const attend_run *r, uint32_t which, uint32_t row,
                            const float *scratch) {
    const cpu_module *m = r->s->module;
    ig_ref ref = r->op->op->in[which];
    const float *base = r->op->qkv_slot[which] >= 0 ? scratch + r->op->qkv_slot[which]
                                                    : cpu_value_row(m, ref.value, row);
    return base + ref.col;
}

static void prepare_rows(attend_run *r, const ig_batch_seq *seq, const uint32_t *pages,
                         uint32_t from, uint32_t to) {
    const cpu_module *m = r->s->module;
    const ig_op *op = r->op->op;
    const ig_attend_attr *a = &op->u.attend;
    float *scratch = (float *)(void *)m->local[r->thread];
    for (uint32_t row = from; row < to; row++) {
        cpu_chain_row(r->s, r->op->pre, op->n_pre, row, scratch, true);
        if (r->op->qkv_slot[0] >= 0) {
            const float *q = operand(r, 0, row, scratch);
            float *dst = m->attend_q + (size_t)row * a->n_heads * a->k_cols;
            for (uint32_t h = 0; h < a->n_heads; h++)
                memcpy(dst + (size_t)h * a->k_cols, q + (size_t)h * op->in[0].stride,
                       (size_t)a->k_cols * 4);
        }
        if (op->in[1].value == 0)
            continue;
        uint32_t at = seq->n_past + row - seq->row;
        m->device->attn->write(r->state, r->k_dtype, r->v_dtype,
                               r->pages_base + pages[at / IG_PAGE_TOKENS] * r->page_stride,
                               at % IG_PAGE_TOKENS, operand(r, 1, row, scratch), op->in[1].stride,
                               operand(r, 2, row, scratch), op->in[2].stride);
    }
}

static void prepare(attend_run *r) {
    uint64_t n = r->s->n_rows[IG_ROWS_TOKENS], threads = r->s->n_threads;
    uint32_t from = (uint32_t)(n * r->thread / threads),
             to = (uint32_t)(n * (r->thread + 1) / threads);
    uint32_t before = 0;
    for (uint32_t i = 0; i < r->s->batch->n_seqs; i++) {
        const ig_batch_seq *seq = &r->s->batch->seqs[i];
        uint32_t lo = IG_MAX(from, seq->row), hi = IG_MIN(to, seq->row + seq->n_rows);
        if (lo < hi)
            prepare_rows(r, seq, table_of(r, seq, before), lo, hi);
        before += step_pages(seq);
    }
}

static ig_attn_job job_of(const attend_run *r, const ig_batch_seq *seq, uint32_t before) {
    const cpu_module *m = r->s->module;
    const ig_op *op = r->op->op;
    const ig_attend_attr *a = &op->u.attend;
    ig_attn_job job = {.attend = a,
                       .k_dtype = r->k_dtype,
                       .v_dtype = r->v_dtype,
                       .pages = table_of(r, seq, before),
                       .base = r->pages_base,
                       .page_stride = r->page_stride,
                       .n_past = seq->n_past,
                       .n_rows = seq->n_rows,
                       .sinks = op->w[0] ? m->weights[op->w[0]].vector : NULL,
                       .positions = r->s->positions + seq->row,
                       .out = cpu_value_row(m, op->out[0].value, seq->row) + op->out[0].col,
                       .out_stride = cpu_program(m)->values[op->out[0].value].cols};
    if (r->op->qkv_slot[0] >= 0) {
        job.q_head_stride = a->k_cols;
        job.q_stride = (size_t)a->n_heads * a->k_cols;
        job.q = m->attend_q + seq->row * job.q_stride;
    } else {
        job.q = cpu_value_row(m, op->in[0].value, seq->row) + op->in[0].col;
        job.q_stride = cpu_program(m)->values[op->in[0].value].cols;
        job.q_head_stride = op->in[0].stride;
    }
    return job;
}

/* Walks the units of all sequences in the same order on every thread; takes them dynamically. True
 * when keys were split. */
static bool run_units(attend_run *r) {
    const cpu_module *m = r->s->module;
    uint8_t *local = m->local[r->thread], *scratch = m->shared;
    uint32_t base = 0, before = 0;
    bool split = false;
    cpu_loop(r->s);
    uint32_t unit = cpu_take(r->s);
    for (uint32_t i = 0; i < r->s->batch->n_seqs; i++) {
        ig_attn_job job = job_of(r, &r->s->batch->seqs[i], before);
        size_t bytes = 0;
        uint32_t n = m->device->attn->units(&job, &bytes);
        for (; unit < base + n; unit = cpu_take(r->s))
            m->device->attn->run(&job, unit - base, scratch, local);
        base += n;
        before += step_pages(&r->s->batch->seqs[i]);
        scratch += ig_round_up(bytes, IG_CACHE_LINE);
        split = split || bytes > 0;
    }
    return split;
}

static void merge_heads(attend_run *r) {
    const cpu_module *m = r->s->module;
    uint8_t *scratch = m->shared;
    uint32_t turn = 0, before = 0;
    for (uint32_t i = 0; i < r->s->batch->n_seqs; i++) {
        ig_attn_job job = job_of(r, &r->s->batch->seqs[i], before);
        size_t bytes = 0;
        m->device->attn->units(&job, &bytes);
        for (uint32_t h = 0; bytes && h < job.attend->n_kv_heads; h++, turn++) {
            if (turn % r->s->n_threads == r->thread)
                m->device->attn->merge(&job, h, scratch);
        }
        before += step_pages(&r->s->batch->seqs[i]);
        scratch += ig_round_up(bytes, IG_CACHE_LINE);
    }
}

void cpu_run_attend(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const cpu_module *m = s->module;
    const ig_attend_attr *a = &op->op->u.attend;
    ig_state own = {.kind = IG_STATE_PAGES,
                    .n_kv_heads = a->n_kv_heads,
                    .k_cols = a->k_cols,
                    .v_cols = a->v_cols};
    attend_run r = {.s = s, .op = op, .thread = thread, .cached = a->state != 0};
    if (r.cached) {
        r.state = &cpu_program(m)->states[a->state];
        r.k_dtype = s->pool->options.k_dtype;
        r.v_dtype = s->pool->options.v_dtype;
        r.pages_base = s->pool->state_base[a->state];
        r.page_stride = s->pool->state_stride[a->state];
    } else {
        r.state = &own;
        r.k_dtype = r.v_dtype = IG_DTYPE_F32;
        r.pages_base = m->step_pages;
        r.page_stride = m->device->attn->page_bytes(&own, IG_DTYPE_F32, IG_DTYPE_F32);
    }
    prepare(&r);
    cpu_barrier(s, thread);
    if (run_units(&r)) {
        cpu_barrier(s, thread);
        merge_heads(&r);
    }
    cpu_barrier(s, thread);
}
