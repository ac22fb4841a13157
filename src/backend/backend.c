/* backend.c: the checked front. It owns the handles, checks what callers give once, and calls the
 * device's v-table; the batch itself is checked in backend_check.c. One thread per module. */
#include "backend/backend_int.h"

/* ---- device --------------------------------------------------------------------------------- */

static bool complete(const ig_backend_fns *f) {
    return f->name && f->open && f->close && f->caps && f->load && f->unload && f->module_bytes &&
           f->page_bytes && f->pool_open && f->pool_close && f->pool_copy && f->pool_read &&
           f->pool_write && f->submit && f->wait && f->outputs && !f->threads == !f->share;
}

ig_status ig_device_open(ig_device **out, const ig_backend_fns *fns,
                         const ig_device_options *options, ig_err *err) {
    static const ig_device_options defaults;
    *out = NULL;
    if (!fns || !complete(fns))
        return ig_fail(err, IG_EINTERNAL, "backend %s lacks an entry of its table",
                       fns && fns->name ? fns->name : "?");
    ig_device *device = ig_alloc(1, sizeof *device);
    if (!device)
        return ig_fail_memory(err, sizeof *device);
    device->fns = fns;
    const ig_status status = fns->open(&device->self, options ? options : &defaults, err);
    if (status) {
        ig_free(device);
        return status;
    }
    device->caps = fns->caps(device->self);
    *out = device;
    return IG_OK;
}

void ig_device_close(ig_device **device) {
    if (!device || !*device)
        return;
    (*device)->fns->close((*device)->self);
    ig_free(*device);
    *device = NULL;
}

const ig_capabilities *ig_device_caps(const ig_device *device) {
    return device->caps;
}

const char *ig_device_name(const ig_device *device) {
    return device->fns->name;
}

uint64_t ig_device_page_bytes(const ig_device *device, const ig_plan *plan, uint32_t group,
                              ig_dtype k, ig_dtype v) {
    if (group >= plan->n_groups || k <= IG_DTYPE_NONE || k >= IG_DTYPE_COUNT ||
        v <= IG_DTYPE_NONE || v >= IG_DTYPE_COUNT)
        return 0;
    return device->fns->page_bytes(device->self, plan, group, k, v);
}

ig_status ig_device_roof(ig_device *device, double *read_bytes_per_second,
                         double *dot_ops_per_second, ig_err *err) {
    if (!device->fns->roof)
        return ig_fail(err, IG_EUNSUPPORTED, "%s does not measure its roof", device->fns->name);
    return device->fns->roof(device->self, read_bytes_per_second, dot_ops_per_second, err);
}

uint32_t ig_device_threads(const ig_device *device) {
    return device->fns->threads ? device->fns->threads(device->self) : 1;
}

void ig_device_share(ig_device *device, ig_device_work fn, void *user) {
    if (device->fns->share)
        device->fns->share(device->self, fn, user);
    else
        fn(user, 0, 1);
}

/* ---- module --------------------------------------------------------------------------------- */

static ig_status check_plan(const ig_device *device, const ig_plan *plan, ig_err *err) {
    if (plan->caps != device->caps)
        return ig_fail(err, IG_EARGUMENT, "the plan was made for %s, not for %s; plan again",
                       plan->caps ? plan->caps->name : "?", device->fns->name);
    const ig_limits *l = &plan->limits;
    if (!l->tokens_max || !l->outputs_max || !l->seqs_max || !l->context_max ||
        l->context_max > IG_CONTEXT_MAX)
        return ig_fail(
            err, IG_EARGUMENT,
            "plan limits: tokens %u, outputs %u, sequences %u, context %u; all must be above 0, "
            "context at most %u",
            l->tokens_max, l->outputs_max, l->seqs_max, l->context_max, IG_CONTEXT_MAX);
    const ig_program *p = plan->program;
    if (p->output == 0 || p->output >= p->n_values)
        return ig_fail(err, IG_EARGUMENT, "the program names no output value");
    return IG_OK;
}

ig_status ig_module_load(ig_module **out, ig_device *device, const ig_plan *plan, ig_err *err) {
    *out = NULL;
    IG_TRY(check_plan(device, plan, err));
    ig_module *module = ig_alloc(1, sizeof *module);
    if (!module)
        return ig_fail_memory(err, sizeof *module);
    module->fns = device->fns;
    module->device = device;
    module->plan = plan;
    ig_batch_bounds_init(&module->bounds, plan);
    const ig_status status = device->fns->load(device->self, plan, &module->self, err);
    if (status) {
        ig_free(module);
        return status;
    }
    *out = module;
    return IG_OK;
}

void ig_module_unload(ig_module **module) {
    if (!module || !*module)
        return;
    ig_module *m = *module;
    if (m->in_flight)
        (void)m->fns->wait(m->self, NULL);
    m->fns->unload(m->self);
    ig_free(m);
    *module = NULL;
}

uint64_t ig_module_bytes(const ig_module *module) {
    return module->fns->module_bytes(module->self);
}

const ig_plan *ig_module_plan(const ig_module *module) {
    return module->plan;
}

uint64_t ig_module_page_bytes(const ig_module *module, uint32_t group, ig_dtype k, ig_dtype v) {
    return ig_device_page_bytes(module->device, module->plan, group, k, v);
}

/* ---- pool ----------------------------------------------------------------------------------- */

static ig_status check_pool(const ig_module *m, const ig_pool_options *o, ig_err *err) {
    const ig_dtype types[] = {o->k_dtype, o->v_dtype};
    uint64_t total = 0;
    for (size_t i = 0; m->plan->n_groups && i < IG_COUNT(types); i++) {
        if (types[i] <= IG_DTYPE_NONE || types[i] >= IG_DTYPE_COUNT)
            return ig_fail(err, IG_EARGUMENT, "pool.%c_dtype is %d, which is no type", "kv"[i],
                           (int)types[i]);
    }
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        const uint64_t page = ig_module_page_bytes(m, g, o->k_dtype, o->v_dtype);
        uint64_t bytes;
        if (page == 0)
            return ig_fail(
                err, IG_EUNSUPPORTED,
                "%s cannot keep K as %s and V as %s for the heads of page group %u; use F16",
                m->fns->name, ig_dtype_info(o->k_dtype)->name, ig_dtype_info(o->v_dtype)->name, g);
        if (o->n_pages[g] == 0 || o->n_pages[g] == IG_PAGE_NONE)
            return ig_fail(err, IG_EARGUMENT, "pool.n_pages[%u] is %u", g, o->n_pages[g]);
        if (!ig_mul64(page, o->n_pages[g], &bytes) || !ig_add64(total, bytes, &total) ||
            total > SIZE_MAX / 2)
            return ig_fail(
                err, IG_ELIMIT,
                "pool.n_pages[%u] is %u: %llu bytes a page are more than can be addressed; ask for "
                "fewer pages",
                g, o->n_pages[g], (unsigned long long)page);
    }
    return IG_OK;
}

static void pool_free(ig_pool *pool) {
    for (size_t g = 0; g < IG_PAGE_GROUPS_MAX; g++)
        ig_free(pool->seen[g]);
    ig_free(pool);
}

ig_status ig_pool_open(ig_pool **out, ig_module *module, const ig_pool_options *options,
                       ig_err *err) {
    *out = NULL;
    IG_TRY(check_pool(module, options, err));
    ig_pool *pool = ig_alloc(1, sizeof *pool);
    if (!pool)
        return ig_fail_memory(err, sizeof *pool);
    ig_status status = IG_OK;
    pool->module = module;
    for (uint32_t g = 0; g < module->plan->n_groups; g++) {
        pool->n_pages[g] = options->n_pages[g];
        pool->seen[g] = ig_alloc(options->n_pages[g], sizeof *pool->seen[g]);
        if (!pool->seen[g]) {
            status = ig_fail_memory(err, options->n_pages[g] * sizeof *pool->seen[g]);
            goto out;
        }
    }
    status = module->fns->pool_open(module->self, options, &pool->self, err);
out:
    if (status)
        pool_free(pool);
    else
        *out = pool;
    return status;
}

void ig_pool_close(ig_pool **pool) {
    if (!pool || !*pool)
        return;
    (*pool)->module->fns->pool_close((*pool)->self);
    pool_free(*pool);
    *pool = NULL;
}

static ig_status check_usable(const ig_module *m, ig_err *err) {
    if (m->lost)
        return ig_fail(err, IG_EDEVICE,
                       "device %s was lost in an earlier step; load the module and open its pools "
                       "again",
                       m->fns->name);
    if (m->in_flight)
        return ig_fail(err, IG_EBUSY, "a step is in flight on %s; wait for it first", m->fns->name);
    return IG_OK;
}

ig_status ig_pool_copy(ig_pool *pool, uint32_t group, const uint32_t *from, const uint32_t *to,
                       uint32_t n, ig_err *err) {
    IG_TRY(check_usable(pool->module, err));
    if (group >= pool->module->plan->n_groups)
        return ig_fail(err, IG_EARGUMENT, "group is %u, the plan has %u", group,
                       pool->module->plan->n_groups);
    uint64_t *seen = pool->seen[group];
    pool->check++;
    for (uint32_t i = 0; i < n; i++) {
        if (from[i] >= pool->n_pages[group] || to[i] >= pool->n_pages[group])
            return ig_fail(err, IG_EARGUMENT,
                           "copy %u: page %u to %u, the pool has %u pages in group %u", i, from[i],
                           to[i], pool->n_pages[group], group);
        if (seen[to[i]] == pool->check)
            return ig_fail(err, IG_EARGUMENT, "to[%u]: page %u is written twice", i, to[i]);
        seen[to[i]] = pool->check;
    }
    /* A device may copy in any order, so no page may be both source and target. */
    for (uint32_t i = 0; i < n; i++) {
        if (seen[from[i]] == pool->check)
            return ig_fail(err, IG_EARGUMENT, "from[%u]: page %u is also written", i, from[i]);
    }
    return pool->module->fns->pool_copy(pool->self, group, from, to, n, err);
}

static ig_status check_page(const ig_pool *pool, uint32_t group, uint32_t page, ig_err *err) {
    IG_TRY(check_usable(pool->module, err));
    if (group >= pool->module->plan->n_groups || page >= pool->n_pages[group])
        return ig_fail(err, IG_EARGUMENT, "page %u of group %u is not in the pool", page, group);
    return IG_OK;
}

ig_status ig_pool_read(ig_pool *pool, uint32_t group, uint32_t page, void *out, ig_err *err) {
    IG_TRY(check_page(pool, group, page, err));
    return pool->module->fns->pool_read(pool->self, group, page, out, err);
}

ig_status ig_pool_write(ig_pool *pool, uint32_t group, uint32_t page, const void *in, ig_err *err) {
    IG_TRY(check_page(pool, group, page, err));
    return pool->module->fns->pool_write(pool->self, group, page, in, err);
}

/* ---- step ----------------------------------------------------------------------------------- */

ig_status ig_step_submit(ig_module *module, ig_pool *pool, const ig_batch *batch, ig_err *err) {
    IG_TRY(check_usable(module, err));
    module->finished = false;
    IG_TRY(ig_batch_check(module, pool, batch, err));
    const ig_status status =
        module->fns->submit(module->self, pool ? pool->self : NULL, batch, err);
    module->lost = status == IG_EDEVICE;
    module->in_flight = status == IG_OK;
    return status;
}

ig_status ig_step_wait(ig_module *module, ig_err *err) {
    if (!module->in_flight)
        return ig_fail(err, IG_EARGUMENT, "no step is in flight on %s; submit one first",
                       module->fns->name);
    const ig_status status = module->fns->wait(module->self, err);
    module->in_flight = false;
    module->lost = status == IG_EDEVICE;
    module->finished = status == IG_OK;
    return status;
}

const float *ig_step_outputs(const ig_module *module) {
    return module->finished ? module->fns->outputs(module->self) : NULL;
}

const float *ig_step_maxima(const ig_module *module) {
    return module->finished && module->fns->output_maxima ? module->fns->output_maxima(module->self)
                                                          : NULL;
}

const double *ig_step_op_seconds(const ig_module *module) {
    return module->finished && module->fns->op_seconds ? module->fns->op_seconds(module->self)
                                                       : NULL;
}
