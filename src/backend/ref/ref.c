/* ref.c: the v-table of the ref backend: loading, pools and the step. A step is the plan's ops in
 * order, on the calling thread, inside submit. */
#include "backend/ref/ref_int.h"

static ig_status ref_open(void **self, const ig_device_options *options, ig_err *err) {
    (void)options;
    (void)err;
    *self = NULL; /* the device has no state */
    return IG_OK;
}

static void ref_close(void *self) {
    (void)self;
}

static const ig_capabilities *ref_caps(void *self) {
    (void)self;
    return &ig_refop_caps;
}

/* ---- load ----------------------------------------------------------------------------------- */

static void ref_unload(void *module) {
    ref_module *m = module;
    ig_arena_fini(&m->memory);
    ig_free(m);
}

/* Slots of ig_op.w that hold vectors: bit i = w[i]. Others are matrices, decoded by rows when they
 * are used. */
static const uint8_t vector_slots[IG_OP_COUNT] = {
    [IG_OP_NORM] = 3, [IG_OP_MAP] = 1, [IG_OP_GLU] = 1, [IG_OP_ATTEND] = 1, [IG_OP_ROUTE] = 6,
};

static ig_status load_vector(ref_module *m, ig_weight_id id, ig_err *err) {
    if (id == 0 || m->vectors[id])
        return IG_OK;
    const ig_weight *w = &m->plan->program->weights[id];
    const size_t rows = (size_t)w->rows * w->stack;
    IG_TRY(ig_arena_new(&m->memory, rows * w->cols, sizeof(float), &m->vectors[id], err));
    for (size_t r = 0; r < rows; r++)
        ig_refop_weight_row(w, r, m->vectors[id] + r * w->cols);
    return IG_OK;
}

static ig_status load_vectors(ref_module *m, const ig_op *op, ig_err *err) {
    for (size_t i = 0; i < IG_OP_WEIGHTS_MAX; i++) {
        if (vector_slots[op->kind] >> i & 1)
            IG_TRY(load_vector(m, op->w[i], err));
    }
    if (op->kind != IG_OP_LINEAR && op->kind != IG_OP_EXPERT_LINEAR)
        return IG_OK;
    for (uint32_t i = 0; i < op->u.linear.n_parts; i++) {
        IG_TRY(load_vector(m, op->u.linear.parts[i].bias, err));
        IG_TRY(load_vector(m, op->u.linear.parts[i].scale, err));
    }
    return IG_OK;
}

/* Elements of the scratch arrays; each is the largest that any op asks for. */
typedef struct scratch {
    size_t x, w_row, kv_row, scratch, picks;
} scratch;

static void grow(size_t *n, size_t to) {
    *n = IG_MAX(*n, to);
}

static void scratch_of(const ref_module *m, const ig_op *op, scratch *n) {
    const ig_limits *l = &m->plan->limits;
    const ig_weight *w = m->plan->program->weights;
    const size_t tokens = l->tokens_max;
    if (op->w[0])
        grow(&n->w_row, w[op->w[0]].cols);
    if (op->kind == IG_OP_LINEAR || op->kind == IG_OP_EXPERT_LINEAR) {
        grow(&n->x, tokens * ig_ref_width(op->in[0]));
        grow(&n->picks, tokens * op->u.linear.top_k);
        for (uint32_t i = 0; i < op->u.linear.n_parts; i++)
            grow(&n->w_row, w[op->u.linear.parts[i].weight].cols);
    } else if (op->kind == IG_OP_ROUTE) {
        grow(&n->x, w[op->w[0]].cols);
        grow(&n->scratch, (size_t)op->u.route.n_experts * 3);
        grow(&n->picks, op->u.route.n_experts);
    } else if (op->kind == IG_OP_ATTEND) {
        const ig_attend_attr *a = &op->u.attend;
        const size_t group = ig_div_up(a->n_heads, a->n_kv_heads), keys = l->context_max;
        grow(&n->kv_row, IG_MAX(a->k_cols, a->v_cols));
        grow(&n->scratch, group * (keys + a->v_cols));
    }
}

static ig_status load(ref_module *m, ig_err *err) {
    const ig_plan *plan = m->plan;
    const ig_program *p = plan->program;
    scratch n = {0};
    IG_TRY(
        ig_arena_new(&m->memory, (size_t)p->n_weights + 1, sizeof *m->vectors, &m->vectors, err));
    for (uint32_t i = 0; i < p->n_ops; i++) {
        const ig_op *op = &p->ops[i];
        if (!op->kernel || op->kernel < ig_refop_caps.rows ||
            op->kernel >= ig_refop_caps.rows + ig_refop_caps.n_rows)
            return ig_fail(err, IG_EINTERNAL,
                           "op %u has no kernel of ref; the choose pass did not run", i);
        IG_TRY(load_vectors(m, op, err));
        scratch_of(m, op, &n);
    }
    IG_TRY(ig_arena_new(&m->memory, n.x, sizeof *m->x, &m->x, err));
    IG_TRY(ig_arena_new(&m->memory, n.w_row, sizeof *m->w_row, &m->w_row, err));
    IG_TRY(ig_arena_new(&m->memory, n.kv_row, sizeof *m->kv_row, &m->kv_row, err));
    IG_TRY(ig_arena_new(&m->memory, n.scratch, sizeof *m->scratch, &m->scratch, err));
    IG_TRY(ig_arena_new(&m->memory, n.picks, sizeof *m->picks, &m->picks, err));
    IG_TRY(
        ig_arena_new(&m->memory, plan->limits.tokens_max, sizeof *m->position, &m->position, err));
    return ig_arena_new(&m->memory, plan->arena_bytes, 1, &m->values, err);
}

static ig_status ref_load(void *self, const ig_plan *plan, void **module, ig_err *err) {
    (void)self;
    ref_module *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    m->plan = plan;
    ig_arena_init(&m->memory, SIZE_MAX / 2);
    const ig_status status = load(m, err);
    if (status)
        ref_unload(m);
    else
        *module = m;
    return status;
}

static uint64_t ref_module_bytes(void *module) {
    return ((const ref_module *)module)->memory.total_bytes;
}

/* ---- pools ---------------------------------------------------------------------------------- */

static uint64_t ref_page_bytes(void *self, const ig_plan *plan, uint32_t group, ig_dtype k,
                               ig_dtype v) {
    (void)self;
    return ig_refop_page_bytes(plan->program, group, k, v);
}

static ig_status ref_pool_open(void *module, const ig_pool_options *options, void **pool,
                               ig_err *err) {
    ref_pool *p = NULL;
    IG_TRY(ig_refop_pool_open(module, options, &p, err));
    *pool = p;
    return IG_OK;
}

static void ref_pool_close(void *pool) {
    ig_refop_pool_close(pool);
}

static ig_status ref_pool_copy(void *pool, uint32_t group, const uint32_t *from, const uint32_t *to,
                               uint32_t n, ig_err *err) {
    (void)err;
    const ref_pool *p = pool;
    const size_t bytes = p->page_bytes[group];
    for (uint32_t i = 0; i < n; i++)
        memcpy(p->pages[group] + to[i] * bytes, p->pages[group] + from[i] * bytes, bytes);
    return IG_OK;
}

static ig_status ref_pool_read(void *pool, uint32_t group, uint32_t page, void *out, ig_err *err) {
    (void)err;
    const ref_pool *p = pool;
    const size_t bytes = p->page_bytes[group];
    memcpy(out, p->pages[group] + page * bytes, bytes);
    return IG_OK;
}

static ig_status ref_pool_write(void *pool, uint32_t group, uint32_t page, const void *in,
                                ig_err *err) {
    (void)err;
    const ref_pool *p = pool;
    const size_t bytes = p->page_bytes[group];
    memcpy(p->pages[group] + page * bytes, in, bytes);
    return IG_OK;
}

/* ---- step ----------------------------------------------------------------------------------- */

static ig_status ref_submit(void *module, void *pool, const ig_batch *batch, ig_err *err) {
    ref_module *m = module;
    const ig_program *p = m->plan->program;
    const ref_step step = {m,
                           pool,
                           batch,
                           {[IG_ROWS_TOKENS] = batch->n_tokens,
                            [IG_ROWS_OUTPUTS] = batch->n_outputs,
                            [IG_ROWS_SEQS] = batch->n_seqs}};
    for (uint32_t s = 0; s < batch->n_seqs; s++) {
        const ig_batch_seq *seq = &batch->seqs[s];
        for (uint32_t i = 0; i < seq->n_rows; i++)
            m->position[seq->row + i] =
                batch->positions ? batch->positions[seq->row + i] : (int32_t)(seq->n_past + i);
    }
    for (uint32_t i = 0; i < p->n_ops; i++)
        IG_TRY(((const ref_kernel *)p->ops[i].kernel->impl)->run(&step, &p->ops[i], err));
    return IG_OK;
}

static ig_status ref_wait(void *module, ig_err *err) {
    (void)module;
    (void)err;
    return IG_OK;
}

static const float *ref_outputs(void *module) {
    const ref_module *m = module;
    const ig_program *p = m->plan->program;
    return (const float *)(const void *)(m->values + p->values[p->output].offset);
}

const ig_backend_fns ig_backend_ref = {
    .name = "ref",
    .open = ref_open,
    .close = ref_close,
    .caps = ref_caps,
    .load = ref_load,
    .unload = ref_unload,
    .module_bytes = ref_module_bytes,
    .page_bytes = ref_page_bytes,
    .pool_open = ref_pool_open,
    .pool_close = ref_pool_close,
    .pool_copy = ref_pool_copy,
    .pool_read = ref_pool_read,
    .pool_write = ref_pool_write,
    .submit = ref_submit,
    .wait = ref_wait,
    .outputs = ref_outputs,
};
