/* exec.c: the executor: its memory, its thread, one turn of its loop. A turn takes in what clients
 * sent, ends what was cancelled or is late, asks the scheduler, runs one step, and turns its logits
 * into tokens. Nothing in it waits for a client. */
#include "exec/exec_int.h"

/* ---- memory -----------------------------------------------------------------------------------
 */

void exec_core_retain(ig_exec *x) {
    ig_ref_retain(&x->refs);
}

void exec_core_release(ig_exec *x) {
    if (!ig_ref_release(&x->refs))
        return;
    ig_ring_destroy(&x->inbox);
    ig_ring_destroy(&x->records);
    ig_ring_destroy(&x->unused);
    ig_board_destroy(&x->board);
    ig_free(x->record_memory);
    for (uint32_t i = 0; x->scratch && i < x->n_threads; i++) {
        if (x->scratch[i])
            ig_sample_scratch_destroy(&x->scratch[i]);
    }
    ig_free(x->scratch);
    ig_free(x);
}

/* What only the thread uses. */
static void free_loop(ig_exec *x) {
    ig_steps_destroy(&x->steps);
    ig_kv_destroy(&x->kv);
    ig_pool_close(&x->pool);
    ig_free(x->queue);
    ig_free(x->active);
    ig_free(x->candidates);
    ig_free(x->jobs);
    ig_free(x->order);
    ig_free(x->writers);
    ig_free(x->picks);
    ig_free(x->shares);
    ig_free(x->parts);
    ig_free(x->items);
    ig_free(x->tops);
}

static ig_status make_arrays(ig_exec *x, ig_err *err) {
    const size_t seqs = x->limits.seqs_max, jobs = seqs + IG_EXEC_FRONT;
    const size_t items = x->limits.outputs_max + seqs;
    uint32_t pages = 1;
    for (uint32_t g = 0; g < x->n_groups; g++)
        pages = IG_MAX(pages, x->limits.n_pages[g]);
    x->queue_cap = x->o.queue_max + x->limits.seqs_max + 1;
    const struct {
        void *array;
        size_t n, size;
    } rows[] = {
        {&x->queue, x->queue_cap, sizeof *x->queue},
        {&x->active, jobs, sizeof *x->active},
        {&x->candidates, jobs, sizeof *x->candidates},
        {&x->jobs, jobs, sizeof *x->jobs},
        {&x->order, jobs, sizeof *x->order},
        {&x->writers, pages, sizeof *x->writers},
        {&x->picks, jobs, sizeof *x->picks},
        {&x->shares, seqs, sizeof *x->shares},
        {&x->parts, jobs, sizeof *x->parts},
        {&x->items, items, sizeof *x->items},
        {&x->tops, items * IG_EXEC_TOP_MAX, sizeof *x->tops},
        {&x->scratch, x->n_threads, sizeof *x->scratch},
        {&x->record_memory, x->o.iterations, sizeof *x->record_memory},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        void *memory = ig_alloc(rows[i].n, rows[i].size);
        if (!memory)
            return ig_fail_memory(err, rows[i].n * rows[i].size);
        memcpy(rows[i].array, &memory, sizeof memory);
    }
    for (uint32_t i = 0; i < x->n_threads; i++)
        IG_TRY(ig_sample_scratch_create(&x->scratch[i], x->n_vocab, err));
    return IG_OK;
}

static ig_status make_rings(ig_exec *x, ig_err *err) {
    IG_TRY(ig_ring_create(&x->inbox, 2 * (size_t)x->o.queue_max + 64, err));
    IG_TRY(ig_ring_create(&x->records, x->o.iterations, err));
    IG_TRY(ig_ring_create(&x->unused, x->o.iterations, err));
    for (uint32_t i = 0; i < x->o.iterations; i++)
        (void)!ig_ring_push(x->unused, &x->record_memory[i]);
    return ig_board_create(&x->board, sizeof x->facts, err);
}

static ig_status make_pool(ig_exec *x, ig_err *err) {
    const ig_plan *plan = ig_module_plan(x->o.module);
    ig_kv_group groups[IG_KV_GROUPS_MAX] = {{0}};
    for (uint32_t g = 0; g < plan->n_groups; g++) {
        groups[g] = (ig_kv_group){x->o.pool.n_pages[g], plan->groups[g].window};
        x->pool_bytes += x->o.pool.n_pages[g] *
                         ig_module_page_bytes(x->o.module, g, x->o.pool.k_dtype, x->o.pool.v_dtype);
    }
    const ig_kv_options options = {.page_tokens = IG_PAGE_TOKENS,
                                   .groups = groups,
                                   .n_groups = plan->n_groups,
                                   .cache = !x->o.uncached};
    IG_TRY(ig_kv_create(&x->kv, &options, err));
    IG_TRY(ig_steps_create(&x->steps, x->o.module, err));
    return ig_pool_open(&x->pool, x->o.module, &x->o.pool, err);
}

/* ---- limits -----------------------------------------------------------------------------------
 */

/* Tokens of one sequence that has the pool to itself. */
static uint32_t pool_context(const ig_exec *x) {
    uint32_t lo = 0, hi = x->o.context_max;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo + 1) / 2;
        bool fits = true;
        for (uint32_t g = 0; g < x->n_groups; g++)
            fits = fits && exec_limit_pages(x, g, 0, 1, mid) <= x->limits.n_pages[g];
        lo = fits ? mid : lo;
        hi = fits ? hi : mid - 1;
    }
    return lo;
}

static ig_status check_options(const ig_exec_options *o, ig_err *err) {
    const ig_plan *plan = ig_module_plan(o->module);
    const ig_limits *l = &plan->limits;
    const uint32_t outputs = IG_MIN(IG_MIN(l->seqs_max, l->outputs_max), IG_EXEC_SEQS_MAX);
    if (!plan->program->facts.causal || !plan->program->facts.has_logits)
        return ig_fail(err, IG_EUNSUPPORTED, "this model is not a text generator");
    if (o->seqs_max == 0 || o->seqs_max > outputs)
        return ig_fail(err, IG_EARGUMENT,
                       "%u sequences a step; the model was opened for 1 to %u of them", o->seqs_max,
                       outputs);
    if (o->tokens_max < o->seqs_max || o->tokens_max > l->tokens_max)
        return ig_fail(err, IG_EARGUMENT,
                       "%u tokens a step; at least one for each of %u sequences, at most the "
                       "model's %u",
                       o->tokens_max, o->seqs_max, l->tokens_max);
    if (o->queue_max == 0 || o->queue_max > IG_EXEC_REQUESTS_MAX)
        return ig_fail(err, IG_EARGUMENT, "a queue of %u requests; from 1 to %u", o->queue_max,
                       IG_EXEC_REQUESTS_MAX);
    if (o->context_max == 0 || o->context_max > l->context_max)
        return ig_fail(err, IG_EARGUMENT, "a context of %u tokens; from 1 to the model's %u",
                       o->context_max, l->context_max);
    if (o->policy >= IG_EXEC_POLICY_COUNT)
        return ig_fail(err, IG_EARGUMENT, "policy %d is none", (int)o->policy);
    return IG_OK;
}

static ig_status set_limits(ig_exec *x, ig_err *err) {
    const ig_plan *plan = ig_module_plan(x->o.module);
    x->n_groups = plan->n_groups;
    x->n_vocab = plan->program->values[plan->program->output].cols;
    x->n_threads = ig_device_threads(x->o.device);
    x->limits = (ig_sched_limits){.policy = x->o.policy,
                                  .page_tokens = IG_PAGE_TOKENS,
                                  .n_groups = plan->n_groups,
                                  .tokens_max = x->o.tokens_max,
                                  .seqs_max = x->o.seqs_max,
                                  .outputs_max = plan->limits.outputs_max,
                                  .ageing_us = 2 * x->o.ageing_us};
    for (uint32_t g = 0; g < plan->n_groups; g++) {
        x->limits.window[g] = plan->groups[g].window;
        x->limits.n_pages[g] = x->o.pool.n_pages[g];
    }
    x->context = pool_context(x);
    return x->context ? IG_OK
                      : ig_fail(err, IG_ELIMIT,
                                "the memory for keys and values holds not even one token's pages; "
                                "give it more");
}

/* ---- the loop ---------------------------------------------------------------------------------
 */

static bool in_queue(const ig_exec *x, const ig_exec_request *r, uint32_t *at) {
    for (*at = 0; *at < x->queue_n; ++*at) {
        if (x->queue[x->queue_at + *at] == r)
            return true;
    }
    return false;
}

/* Ends a request wherever it is. */
static void end_now(ig_exec *x, ig_exec_request *r, ig_exec_reason reason, ig_status status,
                    const ig_err *err) {
    uint32_t at;
    if (!r->running && in_queue(x, r, &at))
        exec_queue_remove(x, at);
    exec_end(x, r, reason, status, err);
}

/* True when the request ended. */
static bool reap(ig_exec *x, ig_exec_request *r, uint64_t now_ns) {
    const uint64_t deadline = r->p.deadline_ns;
    const bool cancelled = ig_cancel_take(&r->cancel);
    if (cancelled || (deadline && deadline <= now_ns)) {
        end_now(x, r, cancelled ? IG_EXEC_CANCELLED : IG_EXEC_TIMED_OUT, IG_OK, NULL);
        return true;
    }
    if (deadline)
        x->deadline_ns = IG_MIN(x->deadline_ns, deadline);
    return false;
}

/* Its cancel may have come before it, and been looked for in vain. */
static void arrive(ig_exec *x, ig_exec_request *r) {
    const double waited = (double)r->facts.arrival_ns * 1e-3;
    r->rank = (double)r->p.priority - (x->o.ageing_us ? waited / (double)x->o.ageing_us : 0);
    x->facts.n_submitted++;
    exec_queue_add(x, r);
    (void)reap(x, r, 0);
}

static void take_inbox(ig_exec *x) {
    for (void *message; (message = ig_ring_pop(x->inbox)) != NULL;) {
        if (!exec_is_mark(message)) {
            arrive(x, message);
            continue;
        }
        ig_exec_request *r = exec_unmark(message);
        if (ig_cancel_take(&r->cancel) && !exec_ended(r) && !r->done)
            end_now(x, r, IG_EXEC_CANCELLED, IG_OK, NULL);
        exec_release(r);
    }
}

/* Looks at every request; only when a deadline has come, or a cancel got lost. */
static void reap_all(ig_exec *x, uint64_t now_ns) {
    if (now_ns < x->deadline_ns && !ig_flag_get(&x->scan))
        return;
    (void)ig_flag_swap(&x->scan, 0);
    x->deadline_ns = UINT64_MAX;
    for (uint32_t i = 0; i < x->n_active;)
        i += !reap(x, x->active[i], now_ns);
    for (uint32_t i = 0; i < x->queue_n;)
        i += !reap(x, x->queue[x->queue_at + i], now_ns);
}

/* Nobody knows which request made a step fail: all run once more, each alone. One that fails alone
 * as well ends with the error. A lost device takes everyone with it. */
static void step_failed(ig_exec *x, ig_status status, ig_err *err) {
    ig_exec_request *failed[IG_EXEC_SEQS_MAX];
    uint32_t n = 0;
    x->facts.n_failed_steps++;
    ig_log(x->o.logger, IG_LOG_ERROR, "event=step_failed requests=%u reason=\"%s\"", x->n_parts,
           err->message);
    if (status == IG_EDEVICE) {
        memcpy(failed, x->active, x->n_active * sizeof(*failed));
        n = x->n_active;
    }
    for (uint32_t p = 0; p < x->n_parts && status != IG_EDEVICE; p++) {
        ig_exec_request *r = x->parts[p].r;
        if (r->solo)
            failed[n++] = r;
        r->solo = true;
    }
    ig_err_prefix(err, "the step failed");
    for (uint32_t i = 0; i < n; i++)
        exec_end(x, failed[i], IG_EXEC_FAILED, status, err);
}

/* ---- pace: who generates should not wait long for the prompts of others ------------------------
 */

#define PACE_ROWS_MIN 32u /* a piece of a prompt is never cut below this many rows */
#define PACE_SHARE 0.25   /* of a new measurement in what is remembered */

static void remember(double *mean, double value) {
    *mean = *mean > 0 ? *mean + PACE_SHARE * (value - *mean) : value;
}

/* What a step told about the device. */
static void learn_pace(ig_exec *x) {
    const ig_exec_iteration *it = &x->iteration;
    const double ns = (double)it->device_ns, rows = it->n_context_tokens;
    if (it->n_context_tokens == 0)
        remember(&x->decode_step_ns, ns);
    else if (it->n_context_tokens >= PACE_ROWS_MIN && it->n_generation_tokens == 0)
        remember(&x->prefill_row_ns, ns / rows);
    else if (it->n_context_tokens >= PACE_ROWS_MIN)
        remember(&x->prefill_row_ns, IG_MAX(ns - x->decode_step_ns, ns / 8) / rows);
}

/* Prefill rows that fit beside the decodes into a step of the length aimed at. */
static uint32_t mixed_rows(const ig_exec *x) {
    if (x->o.step_ns == 0 || x->prefill_row_ns <= 0)
        return 0;
    const double left = (double)x->o.step_ns - x->decode_step_ns;
    const double rows = IG_MAX(left, 0) / x->prefill_row_ns;
    return rows >= x->limits.tokens_max ? 0 : IG_MAX((uint32_t)rows, PACE_ROWS_MIN);
}

static void run_step(ig_exec *x) {
    ig_err err = {0};
    if (x->o.turn)
        ig_mutex_lock(x->o.turn);
    const uint64_t start = ig_clock_ns();
    const ig_status status = ig_steps_run(x->steps, x->pool, x->kv, x->shares, x->n_shares, &err);
    x->iteration.device_ns = ig_clock_ns() - start;
    if (!status) {
        learn_pace(x);
        exec_collect(x);
        exec_draw(x);
        exec_settle(x, ig_clock_ns());
    }
    if (x->o.turn)
        ig_mutex_unlock(x->o.turn);
    if (status)
        step_failed(x, status, &err);
    x->facts.n_steps++;
    x->facts.device_ns += x->iteration.device_ns;
}

/* Asks until no more pages must be taken away; the shares of a step, or none. */
static void plan_step(ig_exec *x, uint64_t now_ns) {
    uint32_t free_pages[IG_KV_GROUPS_MAX] = {0};
    ig_sched_result result;
    x->n_shares = x->n_parts = 0;
    x->limits.mixed_max = mixed_rows(x);
    for (;;) {
        if (x->n_active == 0) /* copies that no step made are nobody's, but pin their pages */
            ig_kv_copies_done(x->kv);
        uint32_t stuck;
        const uint32_t n = exec_snapshot(x);
        if (n == 0)
            return;
        for (uint32_t g = 0; g < x->n_groups; g++)
            free_pages[g] = ig_kv_free_pages(x->kv, g);
        result = (ig_sched_result){.picks = x->picks};
        ig_schedule(&x->limits, x->jobs, n, free_pages, now_ns / 1000, x->order, &result, &stuck);
        if (stuck != UINT32_MAX) {
            ig_err err = {0};
            const ig_status status =
                ig_fail(&err, IG_ELIMIT, "the request has outgrown the memory for keys and values");
            end_now(x,
                    stuck < x->n_active ? x->active[stuck]
                                        : x->queue[x->queue_at + stuck - x->n_active],
                    IG_EXEC_FAILED, status, &err);
        } else if (result.preempt != UINT32_MAX) {
            exec_preempt(x, x->active[result.preempt]);
        } else {
            exec_build(x, &result, n, now_ns);
            return;
        }
    }
}

bool ig_exec_work(ig_exec *x) {
    const uint64_t start = ig_clock_ns();
    const uint64_t completed = x->facts.e2e.n;
    x->iteration = (ig_exec_iteration){.iter = x->facts.n_steps, .timestamp_ns = start};
    take_inbox(x);
    reap_all(x, start);
    const bool idle = ig_flag_get(&x->paused) || x->n_active + x->queue_n == 0;
    if (!idle)
        plan_step(x, start);
    const bool ran = !idle && x->n_shares > 0;
    if (ran)
        run_step(x);
    x->iteration.latency_ns = ig_clock_ns() - start;
    if (ran)
        x->facts.busy_ns += x->iteration.latency_ns;
    if (ran || x->facts.e2e.n != completed || !x->reported)
        exec_report(x);
    exec_tell_ends(x);
    x->reported = ran || !idle;
    return !idle; /* who was to run may have ended instead, and others wait */
}

static void wait_for_work(ig_exec *x, uint32_t ticket) {
    const uint64_t now = ig_clock_ns();
    if (ig_flag_get(&x->stopping) || x->deadline_ns <= now)
        return;
    (void)ig_gate_wait(&x->work, ticket,
                       x->deadline_ns == UINT64_MAX ? UINT64_MAX : x->deadline_ns - now);
}

static void body(void *user) {
    ig_exec *x = user;
    if (x->o.pin)
        (void)ig_thread_pin(0); /* thread 0 of the steps it runs */
    while (!ig_flag_get(&x->stopping)) {
        const uint32_t ticket = ig_gate_ticket(&x->work);
        if (!ig_exec_work(x))
            wait_for_work(x, ticket);
    }
}

/* ---- face -------------------------------------------------------------------------------------
 */

ig_status ig_exec_create(ig_exec **out, const ig_exec_options *options, ig_err *err) {
    *out = NULL;
    IG_TRY(check_options(options, err));
    ig_exec *x = ig_alloc(1, sizeof *x);
    if (!x)
        return ig_fail_memory(err, sizeof *x);
    x->o = *options;
    x->o.iterations = IG_MAX(options->iterations, 1);
    x->deadline_ns = UINT64_MAX;
    ig_ref_init(&x->refs);
    ig_status status = set_limits(x, err);
    if (!status)
        status = make_arrays(x, err);
    if (!status)
        status = make_rings(x, err);
    if (!status)
        status = make_pool(x, err);
    if (!status && !options->manual)
        status = ig_thread_start(&x->thread, "exec", body, x, err);
    if (status) {
        free_loop(x);
        exec_core_release(x);
        return status;
    }
    *out = x;
    return IG_OK;
}

void ig_exec_destroy(ig_exec **exec) {
    if (!exec || !*exec)
        return;
    ig_exec *x = *exec;
    *exec = NULL;
    (void)ig_flag_swap(&x->closed, 1); /* swapped: see leave in exec_request.c */
    (void)ig_flag_swap(&x->stopping, 1);
    ig_gate_open(&x->work);
    ig_thread_join(&x->thread);
    while (ig_flag_get(&x->submitters)) /* a submit that saw it open is about to push */
        ig_thread_yield();
    take_inbox(x);
    while (x->n_active)
        exec_end(x, x->active[0], IG_EXEC_CANCELLED, IG_OK, NULL);
    while (x->queue_n)
        end_now(x, x->queue[x->queue_at], IG_EXEC_CANCELLED, IG_OK, NULL);
    exec_report(x);
    exec_tell_ends(x);
    free_loop(x);
    exec_core_release(x);
}

uint32_t ig_exec_context(const ig_exec *x) {
    return x->context;
}

uint64_t ig_exec_pool_bytes(const ig_exec *x) {
    return x->pool_bytes;
}

void ig_exec_pause(ig_exec *x, bool paused) {
    ig_flag_set(&x->paused, paused);
    ig_gate_open(&x->work);
}

static bool all_done(void *user) {
    const ig_exec *x = user;
    const uint32_t coming = ig_flag_get(&x->submitters); /* first: they become unfinished */
    return coming + ig_flag_get(&x->unfinished) == 0;
}

ig_status ig_exec_drain(ig_exec *x, uint64_t timeout_ns, ig_err *err) {
    (void)ig_flag_swap(&x->closed, 1); /* swapped: see leave in exec_request.c */
    if (ig_gate_await(&x->news, all_done, x, timeout_ns))
        return IG_OK;
    return ig_fail(err, IG_EAGAIN, "%u requests still run", ig_flag_get(&x->unfinished));
}
