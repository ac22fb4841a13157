/* dummy.c: see dummy.h. */
#include "backend/dummy.h"

typedef struct dummy_device {
    dummy_record *record, none;
    ig_capabilities caps;
    ig_kernel_row rows[IG_OP_COUNT];
} dummy_device;

typedef struct dummy_module {
    dummy_device *device;
    const ig_plan *plan;
    float *out;
} dummy_module;

float dummy_output(int32_t id, uint32_t c) {
    return (float)(((uint32_t)id * 2654435761u + c * 40503u) >> 8 & 0xFFFF) * 0x1p-16f;
}

static bool absorbs(const ig_program *p, const ig_op *outer, const ig_op *inner) {
    static const bool small[IG_OP_COUNT] = {[IG_OP_NORM] = true,
                                            [IG_OP_ROPE] = true,
                                            [IG_OP_MAP] = true,
                                            [IG_OP_ADD] = true,
                                            [IG_OP_GLU] = true};
    (void)p;
    return outer->n_pre < IG_OP_PRE_MAX && outer->n_post < IG_OP_POST_MAX && small[inner->kind];
}

static ig_status dummy_answer(ig_status status, const char *what, ig_err *err) {
    return status ? ig_fail(err, status, "dummy: %s fails as it was told", what) : IG_OK;
}

static ig_status dummy_open(void **self, const ig_device_options *options, ig_err *err) {
    dummy_record *record = options->progress_user;
    if (record)
        IG_TRY(dummy_answer(record->open_status, "open", err));
    dummy_device *d = ig_alloc(1, sizeof *d);
    if (!d)
        return ig_fail_memory(err, sizeof *d);
    d->record = record ? record : &d->none;
    d->caps = (ig_capabilities){.name = "dummy",
                                .rows = d->rows,
                                .merge_linears = d->record->merges,
                                .absorbs_pre = d->record->absorbs ? absorbs : NULL,
                                .absorbs_post = d->record->absorbs ? absorbs : NULL};
    for (int kind = IG_OP_NONE + 1; kind < IG_OP_COUNT; kind++) {
        if (!(d->record->refuses >> kind & 1))
            d->rows[d->caps.n_rows++] =
                (ig_kernel_row){.kind = (ig_op_kind)kind, .name = "anything"};
    }
    d->record->n_opens++;
    *self = d;
    return IG_OK;
}

static void dummy_close(void *self) {
    dummy_device *d = self;
    d->record->n_closes++;
    ig_free(d);
}

static const ig_capabilities *dummy_caps(void *self) {
    return &((const dummy_device *)self)->caps;
}

static ig_status dummy_load(void *self, const ig_plan *plan, void **module, ig_err *err) {
    dummy_device *d = self;
    IG_TRY(dummy_answer(d->record->load_status, "load", err));
    dummy_module *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    m->device = d;
    m->plan = plan;
    m->out = ig_alloc((size_t)plan->limits.outputs_max *
                          plan->program->values[plan->program->output].cols,
                      sizeof *m->out);
    if (!m->out) {
        ig_free(m);
        return ig_fail(err, IG_EMEMORY, "out of memory");
    }
    d->record->n_loads++;
    *module = m;
    return IG_OK;
}

static void dummy_unload(void *module) {
    dummy_module *m = module;
    m->device->record->n_unloads++;
    ig_free(m->out);
    ig_free(m);
}

static uint64_t dummy_module_bytes(void *module) {
    (void)module;
    return sizeof(dummy_module);
}

static uint64_t dummy_page_bytes(void *self, const ig_plan *plan, uint32_t group, ig_dtype k,
                                 ig_dtype v) {
    const ig_dtype only = ((const dummy_device *)self)->record->only_cache;
    (void)plan;
    return only && (k != only || v != only) ? 0 : 4096 + group;
}

static ig_status dummy_pool_open(void *module, const ig_pool_options *options, void **pool,
                                 ig_err *err) {
    dummy_record *record = ((const dummy_module *)module)->device->record;
    (void)options;
    IG_TRY(dummy_answer(record->pool_status, "pool_open", err));
    record->n_pools++;
    *pool = record;
    return IG_OK;
}

static void dummy_pool_close(void *pool) {
    ((dummy_record *)pool)->n_pool_closes++;
}

static ig_status dummy_pool_copy(void *pool, uint32_t group, const uint32_t *from,
                                 const uint32_t *to, uint32_t n, ig_err *err) {
    (void)group, (void)from, (void)to, (void)err;
    ((dummy_record *)pool)->n_copies += n;
    return IG_OK;
}

static ig_status dummy_pool_read(void *pool, uint32_t group, uint32_t page, void *out,
                                 ig_err *err) {
    (void)pool, (void)group, (void)page, (void)out;
    return ig_fail(err, IG_EUNSUPPORTED, "dummy: pages hold nothing");
}

static ig_status dummy_pool_write(void *pool, uint32_t group, uint32_t page, const void *in,
                                  ig_err *err) {
    (void)pool, (void)group, (void)page, (void)in;
    return ig_fail(err, IG_EUNSUPPORTED, "dummy: pages hold nothing");
}

static ig_status dummy_submit(void *module, void *pool, const ig_batch *batch, ig_err *err) {
    dummy_module *m = module;
    dummy_record *record = m->device->record;
    const uint32_t cols = m->plan->program->values[m->plan->program->output].cols;
    (void)pool;
    record->n_submits++;
    IG_TRY(dummy_answer(record->submit_status, "submit", err));
    record->n_tokens = batch->n_tokens;
    record->n_outputs = batch->n_outputs;
    for (uint32_t i = 0; i < batch->n_outputs; i++) {
        for (uint32_t c = 0; c < cols; c++)
            m->out[(size_t)i * cols + c] = dummy_output(batch->ids[batch->outputs[i]], c);
    }
    return IG_OK;
}

static ig_status dummy_wait(void *module, ig_err *err) {
    dummy_record *record = ((const dummy_module *)module)->device->record;
    record->n_waits++;
    return dummy_answer(record->wait_status, "wait", err);
}

static const float *dummy_outputs(void *module) {
    return ((const dummy_module *)module)->out;
}

const ig_backend_fns dummy_backend = {
    .name = "dummy",
    .open = dummy_open,
    .close = dummy_close,
    .caps = dummy_caps,
    .load = dummy_load,
    .unload = dummy_unload,
    .module_bytes = dummy_module_bytes,
    .page_bytes = dummy_page_bytes,
    .pool_open = dummy_pool_open,
    .pool_close = dummy_pool_close,
    .pool_copy = dummy_pool_copy,
    .pool_read = dummy_pool_read,
    .pool_write = dummy_pool_write,
    .submit = dummy_submit,
    .wait = dummy_wait,
    .outputs = dummy_outputs,
};
