/* executor.c: the public executor over the exec room: how much memory it gets, its limits, its
 * statistics. Requests are in request.c. Any thread. */
#include "engine/executor_int.h"

#include <math.h>

#define QUEUE_DEFAULT 1024u
#define AGEING_DEFAULT_S 10.0
#define STEP_DEFAULT_MS 100.0
#define ITERATIONS_DEFAULT 1000u
#define ITERATIONS_MAX (1u << 20)

_Static_assert((int)INGOT_STATIC_BATCH == (int)IG_EXEC_STATIC_BATCH, "policies are the same");
_Static_assert((int)INGOT_FINISH_FAILED == (int)IG_EXEC_FAILED, "reasons are the same");
_Static_assert((int)INGOT_COMPLETE == (int)IG_EXEC_COMPLETE, "stages are the same");
_Static_assert((int)INGOT_HISTOGRAM_BUCKETS == (int)IG_EXEC_BUCKETS, "buckets are the same");

/* Pages of each group that one sequence of so many tokens needs, and their bytes. */
static uint64_t sequence_bytes(const ingot_model *m, uint32_t tokens,
                               uint32_t pages[IG_PAGE_GROUPS_MAX]) {
    uint64_t bytes = 0;
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        pages[g] = ig_kv_pages_needed(IG_PAGE_TOKENS, m->plan->groups[g].window, tokens,
                                      m->plan->limits.tokens_max);
        bytes += pages[g] * ig_module_page_bytes(m->module, g, m->k_dtype, m->v_dtype);
    }
    return bytes;
}

/* What was asked of the pool, in sequences of full length, which need not be whole. */
typedef struct pool_want {
    double bytes;  /* what kv_bytes and kv_share allow; infinite without them */
    double tokens; /* of kv_tokens, or else what all sequences or half of the free memory make */
} pool_want;

static ig_status pool_shares(const ingot_executor_options *o, uint32_t sequences, uint32_t context,
                             double bytes_each, pool_want *out, ig_err *err) {
    const double available = (double)ig_memory_available_bytes();
    *out = (pool_want){INFINITY, INFINITY};
    if (!(o->kv_share >= 0 && o->kv_share <= 1))
        return ig_fail(err, IG_EARGUMENT, "kv_share is %g; it must be from 0 to 1", o->kv_share);
    if (o->kv_share > 0 && available <= 0)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "kv_share: the free memory of this machine is unknown; use kv_bytes");
    if (o->kv_bytes)
        out->bytes = (double)o->kv_bytes / bytes_each;
    if (o->kv_share > 0)
        out->bytes = IG_MIN(out->bytes, o->kv_share * available / bytes_each);
    if (o->kv_tokens)
        out->tokens = (double)o->kv_tokens / context;
    else if (isinf(out->bytes))
        out->tokens = available > 0 ? IG_MIN(sequences, available / 2 / bytes_each) : sequences;
    return IG_OK;
}

/* A share of what full-length sequences need would leave a window, which a short sequence needs as
 * much as a long one, too few pages: with kv_tokens one sequence of so many tokens always fits,
 * unless the bytes say no. */
static ig_status pool_options(const ingot_model *m, const ingot_executor_options *o,
                              uint32_t sequences, uint32_t context, ig_pool_options *out,
                              ig_err *err) {
    uint32_t pages[IG_PAGE_GROUPS_MAX] = {0}, least[IG_PAGE_GROUPS_MAX] = {0};
    pool_want want = {0};
    double bytes = 0;
    const uint64_t each = sequence_bytes(m, context, pages);
    *out = (ig_pool_options){.k_dtype = m->k_dtype, .v_dtype = m->v_dtype};
    if (each)
        IG_TRY(pool_shares(o, sequences, context, (double)each, &want, err));
    if (o->kv_tokens)
        sequence_bytes(m, (uint32_t)IG_MIN(o->kv_tokens, (uint64_t)context), least);
    const double share = IG_MIN(want.tokens, want.bytes);
    for (uint32_t g = 0; g < m->plan->n_groups; g++)
        bytes += IG_MAX(floor(share * pages[g]), (double)least[g]) *
                 (double)ig_module_page_bytes(m->module, g, m->k_dtype, m->v_dtype);
    const bool whole = bytes <= want.bytes * (double)each;
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        /* Down, so that a number of bytes is never passed; but a sequence needs one page. */
        const double n = IG_MAX(floor(share * pages[g]), whole ? (double)least[g] : 0.0);
        if (n > UINT32_MAX / 2)
            return ig_fail(err, IG_ELIMIT, "%.0f pages for keys and values; at most %u", n,
                           UINT32_MAX / 2);
        out->n_pages[g] = IG_MAX((uint32_t)n, 1);
    }
    return IG_OK;
}

static ig_status exec_options(ingot_model *m, const ingot_executor_options *o, ig_exec_options *out,
                              ig_err *err) {
    const ig_limits *l = &m->plan->limits;
    const uint32_t context = o->context ? o->context : l->context_max;
    const uint32_t sequences = o->sequences ? o->sequences : IG_MIN(l->seqs_max, l->outputs_max);
    const double ageing =
        o->ageing_seconds > 0 || o->ageing_seconds < 0 ? o->ageing_seconds : AGEING_DEFAULT_S;
    const double step = o->step_ms > 0 || o->step_ms < 0 ? o->step_ms : STEP_DEFAULT_MS;
    if (!(o->step_ms < 1e9))
        return ig_fail(err, IG_EARGUMENT, "step_ms is %g; it must be below 1e9", o->step_ms);
    if (context > l->context_max)
        return ig_fail(err, IG_EARGUMENT, "context is %u; the model was opened for %u", context,
                       l->context_max);
    if (!(o->ageing_seconds < 1e9))
        return ig_fail(err, IG_EARGUMENT, "ageing_seconds is %g; it must be below 1e9",
                       o->ageing_seconds);
    if (o->iteration_stats > ITERATIONS_MAX)
        return ig_fail(err, IG_EARGUMENT, "iteration_stats is %u; at most %u", o->iteration_stats,
                       ITERATIONS_MAX);
    *out = (ig_exec_options){.device = m->device,
                             .module = m->module,
                             .turn = m->turn,
                             .policy = (ig_exec_policy)o->policy,
                             .tokens_max = o->tokens ? o->tokens : l->tokens_max,
                             .seqs_max = sequences,
                             .queue_max = o->queue ? o->queue : QUEUE_DEFAULT,
                             .context_max = context,
                             .step_ns = step > 0 ? (uint64_t)(step * 1e6) : 0,
                             .ageing_us = ageing > 0 ? (uint64_t)(ageing * 1e6) + 1 : 0,
                             .uncached = o->no_prefix_cache,
                             .pin = m->options.pin_threads,
                             .iterations =
                                 o->iteration_stats ? o->iteration_stats : ITERATIONS_DEFAULT,
                             .logger = &m->logger};
    return pool_options(m, o, sequences, context, &out->pool, err);
}

ingot_status ingot_executor_open(ingot_executor **out, ingot_model *model,
                                 const ingot_executor_options *options, ingot_error *error) {
    static const ingot_executor_options defaults;
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    if (!out)
        return (ingot_status)ig_fail(err, IG_EARGUMENT, "no place for the executor (out is NULL)");
    *out = NULL;
    if (!model || !model->module)
        return (ingot_status)ig_fail(err, IG_EARGUMENT,
                                     "an executor needs a model opened with weights (not "
                                     "vocab_only)");
    if (!model->plan->program->facts.causal || !model->plan->program->facts.has_logits)
        return (ingot_status)ig_fail(err, IG_EUNSUPPORTED,
                                     "cannot open an executor: %s is not a text generator here; "
                                     "evaluate it in a session",
                                     model->arch);
    ingot_executor *e = ig_alloc(1, sizeof *e);
    if (!e)
        return (ingot_status)ig_fail_memory(err, sizeof *e);
    e->model = model;
    /* Salts are hashed under a number that differs from executor to executor, so that nobody can
     * prepare two salts that look alike. */
    e->scope_seed = ig_clock_ns() ^ (uint64_t)(uintptr_t)e;
    ig_exec_options o;
    ig_status status = exec_options(model, options ? options : &defaults, &o, err);
    if (!status)
        status = ig_exec_create(&e->exec, &o, err);
    if (status) {
        ig_free(e);
        ig_err_prefix(err, "cannot open an executor");
        return (ingot_status)status;
    }
    e->facts = (ingot_executor_facts){.sequences = o.seqs_max,
                                      .tokens = o.tokens_max,
                                      .queue = o.queue_max,
                                      .context = ig_exec_context(e->exec),
                                      .page_tokens = IG_PAGE_TOKENS,
                                      .kv_bytes = ig_exec_pool_bytes(e->exec),
                                      .policy = (ingot_policy)o.policy};
    for (uint32_t g = 0; g < model->plan->n_groups; g++)
        e->facts.pages += o.pool.n_pages[g];
    ig_log(&model->logger, IG_LOG_INFO,
           "event=executor_open sequences=%u tokens=%u context=%u kv_pages=%u kv_bytes=%llu",
           e->facts.sequences, e->facts.tokens, e->facts.context, e->facts.pages,
           (unsigned long long)e->facts.kv_bytes);
    *out = e;
    return INGOT_OK;
}

void ingot_executor_close(ingot_executor **executor) {
    if (!executor || !*executor)
        return;
    ig_exec_destroy(&(*executor)->exec);
    ig_free(*executor);
    *executor = NULL;
}

void ingot_executor_describe(const ingot_executor *e, ingot_executor_facts *facts) {
    *facts = e->facts;
}

void ingot_executor_pause(ingot_executor *e, bool paused) {
    ig_exec_pause(e->exec, paused);
}

ingot_status ingot_executor_drain(ingot_executor *e, uint64_t timeout_us, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    return (ingot_status)ig_exec_drain(e->exec, ig_engine_ns(timeout_us), err);
}

/* ---- statistics -------------------------------------------------------------------------------
 */

static ingot_iteration_stats public_iteration(const ig_exec_iteration *i) {
    return (ingot_iteration_stats){.iter = i->iter,
                                   .timestamp_s = (double)i->timestamp_ns * 1e-9,
                                   .latency_ms = (double)i->latency_ns * 1e-6,
                                   .device_ms = (double)i->device_ns * 1e-6,
                                   .queue_latency_ms = (double)i->queue_ns * 1e-6,
                                   .num_new_active_requests = i->n_new_active,
                                   .num_active_requests = i->n_active,
                                   .num_queued_requests = i->n_queued,
                                   .num_completed_requests = i->n_completed,
                                   .num_paused_requests = i->n_paused,
                                   .num_scheduled_requests = i->n_scheduled,
                                   .num_context_requests = i->n_context,
                                   .num_gen_requests = i->n_generation,
                                   .num_ctx_tokens = i->n_context_tokens,
                                   .num_gen_tokens = i->n_generation_tokens,
                                   .kv_max_num_blocks = i->kv_max_pages,
                                   .kv_free_num_blocks = i->kv_free_pages,
                                   .kv_used_num_blocks = i->kv_used_pages,
                                   .kv_cached_num_blocks = i->kv_cached_pages,
                                   .kv_alloc_total_blocks = i->kv_alloc_total,
                                   .kv_alloc_new_blocks = i->kv_alloc_new,
                                   .kv_reused_blocks = i->kv_reused,
                                   .kv_missed_blocks = i->kv_missed};
}

size_t ingot_executor_iterations(ingot_executor *e, ingot_iteration_stats *out, size_t max) {
    ig_exec_iteration one;
    size_t n = 0;
    while (n < max && ig_exec_iterations(e->exec, &one, 1) == 1)
        out[n++] = public_iteration(&one);
    return n;
}

double ingot_histogram_bound(uint32_t bucket) {
    return bucket < IG_EXEC_BUCKETS - 1 ? ig_exec_bounds[bucket] : (double)INFINITY;
}

static ingot_histogram public_histogram(const ig_exec_histogram *h) {
    ingot_histogram out = {.n = h->n, .sum_s = h->sum};
    memcpy(out.counts, h->counts, sizeof out.counts);
    return out;
}

void ingot_executor_stats_now(const ingot_executor *e, ingot_executor_stats *stats) {
    ig_exec_facts f;
    ig_exec_describe(e->exec, &f);
    *stats = (ingot_executor_stats){.steps = f.n_steps,
                                    .failed_steps = f.n_failed_steps,
                                    .submitted = f.n_submitted,
                                    .completed = f.n_completed,
                                    .cancelled = f.n_cancelled,
                                    .timed_out = f.n_timed_out,
                                    .failed = f.n_failed,
                                    .preemptions = f.n_preemptions,
                                    .prompt_tokens = f.prompt_tokens,
                                    .cached_tokens = f.cached_tokens,
                                    .prefill_tokens = f.prefill_tokens,
                                    .generated_tokens = f.generated_tokens,
                                    .busy_s = (double)f.busy_ns * 1e-9,
                                    .device_s = (double)f.device_ns * 1e-9,
                                    .active = f.n_active,
                                    .queued = f.n_queued,
                                    .kv_pages = f.kv.n_pages,
                                    .kv_used_pages = f.kv.used,
                                    .kv_cached_pages = f.kv.cached,
                                    .kv_free_pages = f.kv.free,
                                    .kv_reused_pages = f.kv.reused,
                                    .kv_missed_pages = f.kv.missed,
                                    .kv_evicted_pages = f.kv.evicted,
                                    .time_to_first_token = public_histogram(&f.ttft),
                                    .inter_token = public_histogram(&f.itl),
                                    .end_to_end = public_histogram(&f.e2e),
                                    .queue_time = public_histogram(&f.queue)};
}
