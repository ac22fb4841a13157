/* cpu_backend.c: the v-table of the cpu backend: device, page pools, and the walk over a plan's
 * ops. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/cpu_int.h"

#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

typedef struct isa_row {
    const char *name;
    const ig_matmul_set *matmul;
    const ig_row_set *rows;
    const ig_attn_set *attn;
    const ig_probe_set *roof;
} isa_row;

/* Best first. */
static const isa_row ISAS[] = {
#if defined(__x86_64__)
    {"avx512", &ig_matmul_avx512, &ig_rows_avx512, &ig_attn_avx512, &ig_probe_avx512},
    {"avx2", &ig_matmul_avx2, &ig_rows_avx2, &ig_attn_avx2, &ig_probe_avx2},
#elif defined(__aarch64__)
    {"neon", &ig_matmul_neon, &ig_rows_neon, &ig_attn_neon, &ig_probe_neon},
#endif
    {"scalar", &ig_matmul_scalar, &ig_rows_scalar, &ig_attn_scalar, &ig_probe_scalar},
};

#if defined(__x86_64__)
/* Not a feature that __builtin_cpu_supports of clang 14 knows. */
static bool has_f16c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static bool cpu_has(const char *isa) {
#if defined(__x86_64__)
    if (strcmp(isa, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16");
    if (strcmp(isa, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
#endif
    return true;
}

/* The row of that name, or the best one for NULL. */
static ig_status find_isa(const isa_row **row, const char *name, ig_err *err) {
    char here[64] = "";
    for (size_t i = 0; i < IG_COUNT(ISAS); i++) {
        if (!cpu_has(ISAS[i].name))
            continue;
        *row = &ISAS[i];
        if (!name || strcmp(name, ISAS[i].name) == 0)
            return IG_OK;
        const size_t n = strlen(here);
        snprintf(here + n, sizeof here - n, "%s%s", n ? ", " : "", ISAS[i].name);
    }
    return ig_fail(err, IG_EUNSUPPORTED, "no cpu isa \"%s\" on this processor; it has %s", name,
                   here);
}

static ig_status cpu_open(void **self, const ig_device_options *options, ig_err *err) {
    const isa_row *row = NULL;
    IG_TRY(find_isa(&row, options->cpu_isa, err));
    if (options->n_threads > CPU_THREADS_MAX)
        return ig_fail(err, IG_EARGUMENT, "%u threads: give at most %u", options->n_threads,
                       CPU_THREADS_MAX);
    cpu_device *d = ig_alloc(1, sizeof *d);
    if (!d)
        return ig_fail_memory(err, sizeof *d);
    d->options = *options;
    d->matmul = row->matmul;
    d->rows = row->rows;
    d->attn = row->attn;
    d->roof = row->roof;
    d->n_threads =
        IG_MIN(options->n_threads ? options->n_threads : ig_core_count(), CPU_THREADS_MAX);
    cpu_caps_fill(d);
    ig_status status = ig_team_open(&d->team, d->n_threads, options->pin_threads, err);
    if (status) {
        ig_free(d);
        return status;
    }
    d->n_threads = ig_team_size(d->team);
    *self = d;
    return IG_OK;
}

static void cpu_close(void *self) {
    cpu_device *d = self;
    if (!d)
        return;
    ig_team_close(&d->team);
    cpu_roof_free(d);
    ig_free(d);
}

static const ig_capabilities *cpu_caps(void *self) {
    return &((cpu_device *)self)->caps;
}

static uint64_t cpu_module_bytes(void *module) {
    const cpu_module *m = module;
    return m->packed_bytes + m->arena_bytes + m->shared_bytes +
           m->local_bytes * m->device->n_threads + m->attend_q_floats * 4;
}

/* ---- pools ----------------------------------------------------------------------------------- */

static uint64_t cpu_page_bytes(void *self, const ig_plan *plan, uint32_t group, ig_dtype k,
                               ig_dtype v) {
    const cpu_device *d = self;
    uint64_t sum = 0;
    for (uint32_t s = 1; s < plan->program->n_states; s++) {
        const ig_state *state = &plan->program->states[s];
        if (state->group != group)
            continue;
        size_t bytes = d->attn->page_bytes(state, k, v);
        if (bytes == 0)
            return 0;
        sum += bytes;
    }
    return sum;
}

static void cpu_pool_close(void *pool) {
    cpu_pool *p = pool;
    if (!p)
        return;
    ig_pages_free(p->memory, p->bytes);
    ig_free(p->state_base);
    ig_free(p->state_stride);
    ig_free(p);
}

static ig_status cpu_pool_open(void *module, const ig_pool_options *options, void **pool,
                               ig_err *err) {
    cpu_module *m = module;
    const ig_program *prog = cpu_program(m);
    cpu_pool *p = ig_alloc(1, sizeof *p);
    if (!p)
        return ig_fail_memory(err, sizeof *p);
    p->module = m;
    p->options = *options;
    p->state_base = ig_alloc(prog->n_states + 1, sizeof *p->state_base);
    p->state_stride = ig_alloc(prog->n_states + 1, sizeof *p->state_stride);
    bool ok = p->state_base && p->state_stride;
    for (uint32_t s = 1; ok && s < prog->n_states; s++) {
        size_t all;
        p->state_stride[s] =
            m->device->attn->page_bytes(&prog->states[s], options->k_dtype, options->v_dtype);
        ok = ig_mul(p->state_stride[s], options->n_pages[prog->states[s].group], &all) &&
             ig_add(p->bytes, all, &p->bytes);
    }
    ok = ok && (p->memory = ig_pages_alloc(IG_MAX(p->bytes, (size_t)1))) != NULL;
    if (!ok) {
        ig_status status =
            ig_fail(err, IG_EMEMORY,
                    "%zu bytes for keys and values; a smaller context (-c) or a smaller cache "
                    "type (-ctk, -ctv) would help",
                    p->bytes);
        cpu_pool_close(p);
        return status;
    }
    uint8_t *at = p->memory;
    for (uint32_t s = 1; s < prog->n_states; s++) {
        p->state_base[s] = at;
        at += p->state_stride[s] * options->n_pages[prog->states[s].group];
    }
    *pool = p;
    return IG_OK;
}

static ig_status cpu_pool_copy(void *pool, uint32_t group, const uint32_t *from, const uint32_t *to,
                               uint32_t n, ig_err *err) {
    (void)err;
    cpu_pool *p = pool;
    const ig_program *prog = cpu_program(p->module);
    for (uint32_t s = 1; s < prog->n_states; s++) {
        if (prog->states[s].group != group)
            continue;
        for (uint32_t i = 0; i < n; i++)
            memcpy(p->state_base[s] + to[i] * p->state_stride[s],
                   p->state_base[s] + from[i] * p->state_stride[s], p->state_stride[s]);
    }
    return IG_OK;
}

/* The parts of a page lie apart, one per state: out or in has them one after another. */
static ig_status cpu_pool_read(void *pool, uint32_t group, uint32_t page, void *out, ig_err *err) {
    (void)err;
    const cpu_pool *p = pool;
    const ig_program *prog = cpu_program(p->module);
    uint8_t *at = out;
    for (uint32_t s = 1; s < prog->n_states; s++) {
        if (prog->states[s].group != group)
            continue;
        memcpy(at, p->state_base[s] + page * p->state_stride[s], p->state_stride[s]);
        at += p->state_stride[s];
    }
    return IG_OK;
}

static ig_status cpu_pool_write(void *pool, uint32_t group, uint32_t page, const void *in,
                                ig_err *err) {
    (void)err;
    const cpu_pool *p = pool;
    const ig_program *prog = cpu_program(p->module);
    const uint8_t *at = in;
    for (uint32_t s = 1; s < prog->n_states; s++) {
        if (prog->states[s].group != group)
            continue;
        memcpy(p->state_base[s] + page * p->state_stride[s], at, p->state_stride[s]);
        at += p->state_stride[s];
    }
    return IG_OK;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void fill_ropes(const cpu_step *s, uint32_t thread) {
    const cpu_module *m = s->module;
    uint64_t n = s->batch->n_tokens;
    uint32_t from = (uint32_t)(n * thread / s->n_threads),
             to = (uint32_t)(n * (thread + 1) / s->n_threads);
    for (uint32_t i = 0; i < m->n_ropes; i++) {
        const cpu_rope_table *t = &m->ropes[i];
        for (uint32_t row = from; row < to; row++)
            ig_rope_table(t->rope, s->positions[row], t->cos_sin + (size_t)row * t->rope->n_rot);
    }
}

static void walk(void *user, uint32_t thread, uint32_t n_threads) {
    cpu_step *shared = user, mine = *shared, *s = &mine;
    const cpu_module *m = s->module;
    s->n_threads = n_threads;
    const uint32_t n_ops = cpu_program(m)->n_ops;
    const bool timed = m->device->options.profile && thread == 0;
    fill_ropes(s, thread);
    cpu_barrier(s, thread);
    uint64_t before = timed ? ig_clock_ns() : 0;
    for (uint32_t i = 0; i < n_ops; i++) {
        m->ops[i].run(s, &m->ops[i], thread);
        if (timed) {
            uint64_t now = ig_clock_ns();
            m->op_seconds[i] += (double)(now - before) * 1e-9;
            before = now;
        }
    }
    if (thread == 0)
        m->device->loop_epoch = s->epoch;
}

static ig_status cpu_submit(void *module, void *pool, const ig_batch *batch, ig_err *err) {
    (void)err;
    cpu_module *m = module;
    cpu_device *d = m->device;
    cpu_step s = {.module = m,
                  .pool = pool,
                  .batch = batch,
                  .positions = m->positions,
                  .epoch = d->loop_epoch};
    ig_lazy_store(&m->maxima_off, 0);
    s.n_rows[IG_ROWS_TOKENS] = batch->n_tokens;
    s.n_rows[IG_ROWS_OUTPUTS] = batch->n_outputs;
    s.n_rows[IG_ROWS_SEQS] = batch->n_seqs;
    for (uint32_t i = 0; i < batch->n_seqs; i++) {
        const ig_batch_seq *seq = &batch->seqs[i];
        for (uint32_t r = 0; r < seq->n_rows; r++)
            m->positions[seq->row + r] =
                batch->positions ? batch->positions[seq->row + r] : (int32_t)(seq->n_past + r);
    }
    ig_team_run(d->team, walk, &s);
    return IG_OK;
}

static ig_status cpu_wait(void *module, ig_err *err) {
    (void)module;
    (void)err;
    return IG_OK;
}

static const float *cpu_outputs(void *module) {
    const cpu_module *m = module;
    return cpu_value_row(m, cpu_program(m)->output, 0);
}

static const float *cpu_output_maxima(void *module) {
    const cpu_module *m = module;
    return ig_lazy_load(&m->maxima_off) ? NULL : m->maxima;
}

static const double *cpu_op_seconds(void *module) {
    const cpu_module *m = module;
    return m->device->options.profile ? m->op_seconds : NULL;
}

static uint32_t cpu_threads(void *self) {
    return ((const cpu_device *)self)->n_threads;
}

static void cpu_share(void *self, ig_device_work fn, void *user) {
    ig_team_run(((cpu_device *)self)->team, fn, user);
}

const ig_backend_fns ig_backend_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .caps = cpu_caps,
    .load = cpu_load,
    .unload = cpu_unload,
    .module_bytes = cpu_module_bytes,
    .page_bytes = cpu_page_bytes,
    .pool_open = cpu_pool_open,
    .pool_close = cpu_pool_close,
    .pool_copy = cpu_pool_copy,
    .pool_read = cpu_pool_read,
    .pool_write = cpu_pool_write,
    .submit = cpu_submit,
    .wait = cpu_wait,
    .outputs = cpu_outputs,
    .output_maxima = cpu_output_maxima,
    .roof = cpu_roof,
    .op_seconds = cpu_op_seconds,
    .threads = cpu_threads,
    .share = cpu_share,
};
