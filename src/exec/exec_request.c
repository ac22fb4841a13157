/* exec_request.c: the life of a request: what is copied and checked when it is submitted, its
 * branches, its records for the client, its end. Submit, cancel and close run on clients' threads;
 * functions named exec_ on the executor's. */
#include "exec/exec_int.h"

#include <math.h>

/* ---- memory -----------------------------------------------------------------------------------
 */

static void free_branches(ig_exec_request *r) {
    for (uint32_t i = 0; r->branches && i < r->n_branches; i++) {
        exec_branch *b = &r->branches[i];
        for (uint32_t k = 0; k < b->n_logits; k++)
            ig_free(b->logits[k]);
        ig_free(b->logits);
        ig_free(b->tokens);
        if (b->sampler)
            ig_sampler_destroy(&b->sampler);
    }
    ig_free(r->branches);
}

static void exec_free(ig_exec_request *r) {
    ig_exec *x = r->exec;
    free_branches(r);
    ig_free(r->live);
    ig_free(r->spare);
    ig_free(r->edited);
    ig_free(r->prompt_logprobs);
    ig_free(r->prompt_top);
    ig_free(r->context_logits);
    ig_beam_destroy(&r->search);
    ig_record_log_fini(&r->log);
    ig_record_log_fini(&r->top);
    ig_board_destroy(&r->board);
    if (r->p.hooks.release)
        r->p.hooks.release(r->p.hooks.user);
    if (r->p.events)
        exec_events_release(r->p.events);
    ig_arena_fini(&r->arena);
    (void)ig_tally_add(&x->result_bytes, -r->result_bytes);
    ig_free(r);
    exec_core_release(x);
}

void exec_release(ig_exec_request *r) {
    if (ig_ref_release(&r->refs))
        exec_free(r);
}

/* Room for n tokens, growing by half, at most `most`. */
ig_status exec_room(exec_branch *b, uint32_t n, uint32_t most, ig_err *err) {
    if (n <= b->cap)
        return IG_OK;
    const uint32_t cap = IG_MAX(n, IG_MIN(most, b->cap + b->cap / 2 + 64));
    int32_t *tokens = ig_realloc(b->tokens, cap, sizeof *tokens);
    if (!tokens)
        return ig_fail_memory(err, cap * sizeof *tokens);
    b->tokens = tokens;
    b->cap = cap;
    return IG_OK;
}

/* ---- checks -----------------------------------------------------------------------------------
 */

static ig_status check_ids(const ig_exec *x, const char *field, const int32_t *ids, size_t n,
                           ig_err *err) {
    for (size_t i = 0; i < n; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= x->n_vocab)
            return ig_fail(err, IG_EARGUMENT, "%s[%zu] is %d; the vocabulary has ids 0 to %u",
                           field, i, ids[i], x->n_vocab - 1);
    }
    return IG_OK;
}

static ig_status check_prompt(const ig_exec *x, const ig_exec_params *p, ig_err *err) {
    if (p->n_ids == 0)
        return ig_fail(err, IG_EARGUMENT,
                       "the prompt has no tokens: there is nothing to go on from");
    if (p->n_ids > x->context)
        return ig_fail(
            err, IG_ELIMIT,
            "the prompt has %u tokens, the context %u; shorten it, or open with a larger "
            "context and more memory for keys and values",
            p->n_ids, x->context);
    return check_ids(x, "ids", p->ids, p->n_ids, err);
}

static ig_status check_words(const ig_exec *x, const ig_exec_params *p, ig_err *err) {
    if (p->n_stop_words > IG_EXEC_WORDS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_stop_words is %u; at most %u", p->n_stop_words,
                       IG_EXEC_WORDS_MAX);
    for (uint32_t i = 0; i < p->n_stop_words; i++) {
        const ig_token_run *w = &p->stop_words[i];
        if (w->n == 0 || w->n > IG_WORD_TOKENS_MAX)
            return ig_fail(err, IG_EARGUMENT, "stop_words[%u] has %u tokens; from 1 to %u", i, w->n,
                           IG_WORD_TOKENS_MAX);
        const ig_status status = check_ids(x, "ids", w->ids, w->n, err);
        if (status) {
            ig_err_prefix(err, "stop_words[%u]", i);
            return status;
        }
    }
    if (p->n_end_ids > IG_EXEC_END_IDS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_end_ids is %u; at most %u", p->n_end_ids,
                       IG_EXEC_END_IDS_MAX);
    return check_ids(x, "end_ids", p->end_ids, p->n_end_ids, err);
}

static ig_status check_output(const ig_exec *x, const ig_exec_params *p, bool beams, ig_err *err) {
    if (!(p->priority >= -1 && p->priority <= 1))
        return ig_fail(err, IG_EARGUMENT, "priority is %g; it must be from -1 to 1",
                       (double)p->priority);
    if (p->n_top > IG_EXEC_TOP_MAX || p->n_top > x->n_vocab)
        return ig_fail(err, IG_EARGUMENT, "n_top is %u; at most %u", p->n_top,
                       IG_MIN(IG_EXEC_TOP_MAX, x->n_vocab));
    if (p->n_top && !p->logprobs)
        return ig_fail(err, IG_EARGUMENT,
                       "n_top is %u without logprobs, which it stands beside; ask for both",
                       p->n_top);
    if (beams && (p->streaming || p->generation_logits || p->n_top || p->think))
        return ig_fail(err, IG_EUNSUPPORTED,
                       "%s does not go with beam search, whose tokens are known at its end only",
                       p->streaming ? "streaming"
                       : p->n_top   ? "n_top"
                       : p->think   ? "think"
                                    : "generation_logits");
    return IG_OK;
}

static uint64_t row_bytes(const ig_exec *x) {
    return (uint64_t)x->n_vocab * sizeof(float);
}

static uint64_t top_bytes(const ig_exec_params *p) {
    return p->prompt_logprobs ? (uint64_t)p->n_ids * p->n_top * sizeof(ig_candidate) : 0;
}

static ig_status check_results(const ig_exec *x, const ig_exec_params *p, ig_err *err) {
    const bool logits = p->context_logits && p->n_ids > IG_EXEC_LOGITS_BYTES_MAX / row_bytes(x);
    if (logits || top_bytes(p) > IG_EXEC_LOGITS_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT, "%s of %u tokens take more than %llu bytes; ask for fewer",
                       logits ? "context_logits" : "prompt_logprobs with n_top", p->n_ids,
                       (unsigned long long)IG_EXEC_LOGITS_BYTES_MAX);
    return IG_OK;
}

/* How many sequences, how long, and whether the pool can ever hold them. */
static ig_status check_size(const ig_exec *x, ig_exec_request *r, ig_err *err) {
    const ig_exec_params *p = &r->p;
    const char *field = r->beams ? "beam.width" : "n_sequences";
    r->n_branches = r->beams ? p->beam.width : IG_MAX(p->n_sequences, 1);
    if (r->n_branches > x->limits.seqs_max)
        return ig_fail(err, IG_EARGUMENT, "%s is %u; this executor runs %u sequences", field,
                       r->n_branches, x->limits.seqs_max);
    if (r->beams && p->n_sequences > p->beam.width)
        return ig_fail(err, IG_EARGUMENT, "n_sequences is %u, more than beam.width %u",
                       p->n_sequences, p->beam.width);
    if (p->sampling.min_tokens > p->max_tokens)
        return ig_fail(err, IG_EARGUMENT, "min_tokens is %u, more than max_tokens, %u",
                       p->sampling.min_tokens, p->max_tokens);
    r->length_max = (uint32_t)IG_MIN((uint64_t)p->n_ids + p->max_tokens, x->context);
    for (uint32_t g = 0; g < x->n_groups; g++) {
        r->limit_pages[g] = exec_limit_pages(x, g, p->n_ids, r->n_branches, r->length_max);
        if (r->limit_pages[g] > x->limits.n_pages[g])
            return ig_fail(err, IG_ELIMIT,
                           "%s %u with %u tokens each needs %u pages of group %u, the pool has %u; "
                           "fewer, a lower max_tokens, or more memory for keys and values would do",
                           field, r->n_branches, r->length_max, r->limit_pages[g], g,
                           x->limits.n_pages[g]);
    }
    return IG_OK;
}

static ig_status check(const ig_exec *x, ig_exec_request *r, ig_err *err) {
    IG_TRY(check_prompt(x, &r->p, err));
    IG_TRY(check_words(x, &r->p, err));
    IG_TRY(check_output(x, &r->p, r->beams, err));
    IG_TRY(check_results(x, &r->p, err));
    return check_size(x, r, err);
}

/* ---- submit -----------------------------------------------------------------------------------
 */

static ig_status copy_ids(ig_exec_request *r, const int32_t **ids, size_t n, ig_err *err) {
    int32_t *copy;
    IG_TRY(ig_arena_new(&r->arena, n, sizeof *copy, &copy, err));
    if (n)
        memcpy(copy, *ids, n * sizeof *copy);
    *ids = copy;
    return IG_OK;
}

/* Everything that the request looks at later; samplers copied their own. */
static ig_status copy_lists(ig_exec_request *r, ig_err *err) {
    ig_exec_params *p = &r->p;
    ig_token_run *words;
    IG_TRY(copy_ids(r, &p->end_ids, p->n_end_ids, err));
    IG_TRY(ig_arena_new(&r->arena, p->n_stop_words, sizeof *words, &words, err));
    for (uint32_t i = 0; i < p->n_stop_words; i++) {
        words[i] = p->stop_words[i];
        IG_TRY(copy_ids(r, &words[i].ids, words[i].n, err));
    }
    p->stop_words = words;
    if (!p->think)
        return IG_OK;
    r->think = *p->think;
    IG_TRY(copy_ids(r, &r->think.begin.ids, r->think.begin.n, err));
    IG_TRY(copy_ids(r, &r->think.end.ids, r->think.end.n, err));
    p->think = &r->think;
    return IG_OK;
}

static ig_status make_branch(const ig_exec *x, ig_exec_request *r, uint32_t i, ig_err *err) {
    exec_branch *b = &r->branches[i];
    const ig_exec_params *p = &r->p;
    IG_TRY(exec_room(b, p->n_ids, r->length_max + 1, err));
    memcpy(b->tokens, p->ids, p->n_ids * sizeof *b->tokens);
    b->n = p->n_ids;
    if (p->think)
        IG_TRY(ig_think_init(&b->think, &r->think, err));
    ig_sample_params sampling = p->sampling;
    sampling.sequence = r->beams ? 0 : i;
    if (i > 0) /* one seed for all */
        sampling.seed = ig_sampler_seed(r->branches[0].sampler);
    IG_TRY(ig_sampler_create(&b->sampler, &sampling, x->n_vocab, err));
    for (uint32_t k = 0; k < p->n_ids; k++)
        IG_TRY(ig_sampler_accept(b->sampler, p->ids[k], err));
    return IG_OK;
}

/* Rows that hooks and samplers may write. */
static uint64_t edited_rows(const ig_exec_request *r) {
    if (!r->p.hooks.edit && !(r->beams && r->p.edits))
        return 0;
    return r->beams ? r->n_branches : 1;
}

/* Promises the results, at their largest, a part of what the executor gives all requests: each
 * alone may be within its limits, a full queue of them beyond the machine. */
static ig_status reserve_results(ig_exec *x, ig_exec_request *r, ig_err *err) {
    const ig_exec_params *p = &r->p;
    const uint64_t made = (uint64_t)r->n_branches * (r->length_max - p->n_ids + 1ull);
    uint64_t rows = edited_rows(r);
    if (p->context_logits)
        rows += p->n_ids;
    if (p->generation_logits)
        rows += IG_MIN(made, IG_EXEC_LOGITS_BYTES_MAX / row_bytes(x));
    const uint64_t scores = p->prompt_logprobs ? p->n_ids * sizeof(float) : 0;
    const uint64_t bytes = rows * row_bytes(x) + scores + top_bytes(p);
    if (bytes > IG_EXEC_RESULTS_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT, "results of up to %llu bytes; at most %llu, ask for fewer",
                       (unsigned long long)bytes, IG_EXEC_RESULTS_BYTES_MAX);
    r->result_bytes = bytes;
    if (ig_tally_add(&x->result_bytes, bytes) > IG_EXEC_RESULTS_BYTES_MAX)
        return ig_fail(err, IG_EBUSY,
                       "requests that are not closed may have results of %llu bytes together; "
                       "this one's %llu do not fit beside the others; close some",
                       IG_EXEC_RESULTS_BYTES_MAX, (unsigned long long)bytes);
    return IG_OK;
}

static void no_candidates(ig_candidate *top, size_t n) {
    for (size_t i = 0; i < n; i++)
        top[i] = (ig_candidate){.id = -1};
}

static ig_status make_results(const ig_exec *x, ig_exec_request *r, ig_err *err) {
    const ig_exec_params *p = &r->p;
    const size_t n = p->n_ids, V = x->n_vocab;
    if (edited_rows(r)) {
        r->edited = ig_alloc(edited_rows(r) * V, sizeof *r->edited);
        if (!r->edited)
            return ig_fail_memory(err, edited_rows(r) * V * sizeof *r->edited);
    }
    if (p->prompt_logprobs) {
        r->prompt_logprobs = ig_alloc(n, sizeof *r->prompt_logprobs);
        r->prompt_top = ig_alloc(n * p->n_top, sizeof *r->prompt_top);
        if (!r->prompt_logprobs || !r->prompt_top)
            return ig_fail_memory(err, n * p->n_top * sizeof *r->prompt_top);
        no_candidates(r->prompt_top, n * p->n_top); /* the first row has none */
    }
    if (p->context_logits) {
        r->context_logits = ig_alloc(n * V, sizeof *r->context_logits);
        if (!r->context_logits)
            return ig_fail_memory(err, n * V * sizeof *r->context_logits);
    }
    return IG_OK;
}

static ig_status make(const ig_exec *x, ig_exec_request *r, ig_err *err) {
    ig_exec_params *p = &r->p;
    r->branches = ig_alloc(r->n_branches, sizeof *r->branches);
    r->live = ig_alloc(r->n_branches, sizeof *r->live);
    r->spare = ig_alloc(r->n_branches, sizeof *r->spare);
    if (!r->branches || !r->live || !r->spare)
        return ig_fail_memory(err, r->n_branches * sizeof *r->branches);
    IG_TRY(copy_lists(r, err));
    /* Every draw uses the executor's scratch of the thread that does it. */
    p->sampling.scratch = x->scratch[0];
    for (uint32_t i = 0; i < r->n_branches; i++)
        IG_TRY(make_branch(x, r, i, err));
    if (r->beams) {
        p->beam.n_vocab = x->n_vocab;
        p->beam.max_tokens = IG_MIN(IG_MAX(p->max_tokens, 1), x->context - p->n_ids + 1);
        p->beam.end_ids = p->end_ids;
        p->beam.n_end_ids = p->n_end_ids;
        IG_TRY(ig_beam_create(&r->search, &p->beam, err));
    }
    IG_TRY(make_results(x, r, err));
    IG_TRY(ig_record_log_init(&r->log, sizeof(ig_exec_token), err));
    IG_TRY(ig_record_log_init(&r->top, IG_MAX(p->n_top, 1) * sizeof(ig_candidate), err));
    IG_TRY(ig_board_create(&r->board, sizeof(ig_exec_request_facts), err));
    r->live[0] = 0;
    r->n_live = 1;
    r->facts = (ig_exec_request_facts){.id = r->id,
                                       .tag = p->tag,
                                       .n_prompt = p->n_ids,
                                       .n_sequences = r->n_branches,
                                       .arrival_ns = ig_clock_ns(),
                                       .seed = ig_sampler_seed(r->branches[0].sampler)};
    p->ids = NULL; /* every branch has them */
    ig_board_write(r->board, &r->facts);
    return IG_OK;
}

/* Around every push into the inbox: nobody destroys the executor, and no drain ends, in between.
 * Who comes or leaves changes `submitters`, then looks whether the door is closed; who closes it
 * looks at `submitters` afterwards. The looks at `closed` and `stopping` add 0, because they must
 * stand in one order with the swap that sets them: one that comes before it is seen by the closer
 * with all that its thread had changed, one after it sees the door closed. A plain store and load
 * could miss each other. */
static void come(ig_exec *x) {
    (void)ig_flag_add(&x->submitters, 1);
}

static void leave(ig_exec *x) {
    (void)ig_flag_add(&x->submitters, (uint32_t)-1);
    ig_gate_open(&x->work);
    if (ig_flag_add(&x->closed, 0)) /* a drain may wait for this */
        ig_gate_open(&x->news);
}

static ig_status enter(ig_exec *x, ig_exec_request *r, ig_err *err) {
    ig_status status = IG_OK;
    come(x);
    if (ig_flag_add(&x->closed, 0)) {
        status = ig_fail(err, IG_ECANCELLED,
                         "the executor takes no more requests: it is shutting "
                         "down");
    } else if (ig_flag_add(&x->waiting, 1) > x->o.queue_max) {
        (void)ig_flag_add(&x->waiting, (uint32_t)-1);
        status = ig_fail(err, IG_EBUSY,
                         "%u requests are waiting already; try again later, or raise "
                         "the queue limit",
                         x->o.queue_max);
    } else {
        ig_ref_retain(&r->refs); /* the executor's */
        (void)ig_flag_add(&x->unfinished, 1);
        if (!ig_ring_push(x->inbox, r)) {
            (void)ig_flag_add(&x->waiting, (uint32_t)-1);
            (void)ig_flag_add(&x->unfinished, (uint32_t)-1);
            exec_release(r);
            status = ig_fail(err, IG_EBUSY, "the executor's inbox is full; try again later");
        }
    }
    leave(x);
    return status;
}

ig_status ig_exec_submit(ig_exec *x, const ig_exec_params *params, ig_exec_request **out,
                         ig_err *err) {
    *out = NULL;
    ig_exec_request *r = ig_alloc_aligned(sizeof *r, IG_CACHE_LINE); /* as its logs want it */
    if (!r) {
        if (params->hooks.release)
            params->hooks.release(params->hooks.user);
        return ig_fail_memory(err, sizeof *r);
    }
    r->p = *params;
    r->p.events = NULL; /* until it is attached */
    r->p.uncached = params->uncached || x->o.uncached;
    r->exec = x;
    exec_core_retain(x);
    ig_ref_init(&r->refs);
    ig_arena_init(&r->arena, IG_EXEC_REQUEST_BYTES_MAX);
    r->beams = params->beam.width > 1 || params->beam.n_widths > 0;
    r->id = ig_tally_add(&x->number, 1);
    ig_status status = check(x, r, err);
    if (!status)
        status = reserve_results(x, r, err);
    if (!status)
        status = make(x, r, err);
    if (!status && params->events && !(status = exec_events_attach(params->events, r, err)))
        r->p.events = params->events;
    *out = r; /* before anybody can hear of it over an event queue */
    if (!status)
        status = enter(x, r, err);
    if (status) {
        *out = NULL;
        if (r->p.events)
            exec_events_leave(r->p.events, r);
        exec_release(r);
    }
    return status;
}

void ig_exec_cancel(ig_exec_request *r) {
    ig_exec *x = r->exec;
    if (exec_ended(r))
        return;
    ig_cancel_raise(&r->cancel);
    come(x);
    /* One that stops cancels everything, and nobody empties its inbox any more. */
    if (!ig_flag_add(&x->stopping, 0)) {
        ig_ref_retain(&r->refs);
        if (!ig_ring_push(x->inbox, exec_mark(r))) {
            exec_release(r);
            ig_flag_set(&x->scan, 1);
        }
    }
    leave(x);
}

void ig_exec_request_close(ig_exec_request **request) {
    if (!request || !*request)
        return;
    ig_exec_request *r = *request;
    *request = NULL;
    ig_flag_set(&r->closed, 1);
    if (r->p.events)
        exec_events_leave(r->p.events, r);
    ig_exec_cancel(r);
    exec_release(r);
}

/* ---- records, on the executor's thread --------------------------------------------------------
 */

ig_status exec_add_record(ig_exec_request *r, const ig_exec_token *token, const ig_candidate *top,
                          ig_err *err) {
    ig_candidate none[IG_EXEC_TOP_MAX];
    if (!top)
        no_candidates(none, r->p.n_top);
    /* The candidates first: who sees the record takes them too. */
    if (r->p.n_top)
        IG_TRY(ig_record_log_add(&r->top, top ? top : none, err));
    IG_TRY(ig_record_log_add(&r->log, token, err));
    r->news = true;
    return IG_OK;
}

void exec_publish(ig_exec_request *r) {
    ig_board_write(r->board, &r->facts);
}

void exec_tell(ig_exec_request *r) {
    if (r->p.events)
        exec_events_push(r->p.events, r);
    ig_gate_open(&r->gate);
    r->news = false;
}

static void drop_pages(ig_exec_request *r) {
    for (uint32_t i = 0; i < r->n_branches; i++)
        ig_kv_seq_destroy(&r->branches[i].seq);
    r->running = false;
}

static void leave_active(ig_exec *x, const ig_exec_request *r) {
    for (uint32_t i = 0; i < x->n_active; i++) {
        if (x->active[i] == r) {
            memmove(x->active + i, x->active + i + 1, (x->n_active - i - 1) * sizeof *x->active);
            x->n_active--;
            return;
        }
    }
}

void exec_preempt(ig_exec *x, ig_exec_request *r) {
    drop_pages(r);
    leave_active(x, r);
    r->facts.n_preempted++;
    x->facts.n_preemptions++;
    x->iteration.n_paused++;
    (void)ig_flag_add(&x->waiting, 1);
    exec_queue_add(x, r);
    ig_log(x->o.logger, IG_LOG_DEBUG, "event=request_preempted id=%llu tokens=%u",
           (unsigned long long)r->id, r->branches[0].n);
}

void exec_end_branch(ig_exec_request *r, uint32_t branch, ig_exec_reason reason) {
    exec_branch *b = &r->branches[branch];
    b->reason = reason;
    ig_kv_seq_destroy(&b->seq);
    for (uint32_t i = 0; i < r->n_live; i++) {
        if (r->live[i] == branch) {
            memmove(r->live + i, r->live + i + 1, (r->n_live - i - 1) * sizeof *r->live);
            r->n_live--;
            return;
        }
    }
}

/* A reader of records alone knows by them that a sequence has ended, and why. Where no memory is
 * left for a record, the request's end says it as well. */
void exec_end_all(ig_exec_request *r, ig_exec_reason reason) {
    const bool begun = r->forked && !r->beams;
    const uint32_t n = begun ? r->n_live : r->beams ? exec_beam_results(r) : r->n_branches;
    for (uint32_t i = r->beams ? exec_beam_cut(r, reason) : 0; i < n; i++) {
        const ig_exec_token last = {.sequence = begun ? r->live[i] : i, .id = -1, .reason = reason};
        if (exec_add_record(r, &last, NULL, NULL))
            break;
    }
    r->n_live = 0;
}

static void count_end(ig_exec *x, const ig_exec_request *r, ig_exec_reason reason) {
    ig_exec_facts *f = &x->facts;
    uint64_t *const counter = reason == IG_EXEC_CANCELLED   ? &f->n_cancelled
                              : reason == IG_EXEC_TIMED_OUT ? &f->n_timed_out
                              : reason == IG_EXEC_FAILED    ? &f->n_failed
                                                            : &f->n_completed;
    (*counter)++;
    x->iteration.n_completed++;
    exec_count(&f->e2e, r->facts.done_ns - r->facts.arrival_ns);
}

void exec_end(ig_exec *x, ig_exec_request *r, ig_exec_reason reason, ig_status status,
              const ig_err *err) {
    if (reason)
        exec_end_all(r, reason);
    drop_pages(r);
    leave_active(x, r);
    r->n_live = 0;
    r->status = status;
    if (err)
        r->err = *err;
    r->facts.stage = IG_EXEC_COMPLETE;
    r->facts.done_ns = ig_clock_ns();
    r->facts.last_step = x->facts.n_steps;
    count_end(x, r, reason);
    r->done = true;
    r->next = x->done;
    x->done = r;
}

/* Clients hear of an end when the statistics have it too. */
void exec_tell_ends(ig_exec *x) {
    if (!x->done)
        return;
    for (ig_exec_request *r; (r = x->done) != NULL;) {
        x->done = r->next;
        exec_publish(r);
        ig_flag_set(&r->ended, 1);
        exec_tell(r);
        (void)ig_flag_add(&x->unfinished, (uint32_t)-1);
        exec_release(r);
    }
    ig_gate_open(&x->news);
}

/* ---- the queue, best rank first ---------------------------------------------------------------
 */

void exec_queue_add(ig_exec *x, ig_exec_request *r) {
    uint32_t lo = 0, hi = x->queue_n;
    while (lo < hi) { /* after all of at least its rank */
        const uint32_t mid = (lo + hi) / 2;
        const ig_exec_request *m = x->queue[x->queue_at + mid];
        const bool before = m->rank > r->rank || (m->rank >= r->rank && m->id < r->id);
        lo = before ? mid + 1 : lo;
        hi = before ? hi : mid;
    }
    ig_exec_request **q = x->queue + x->queue_at;
    if (x->queue_at > 0 && (lo < x->queue_n / 2 || x->queue_at + x->queue_n == x->queue_cap)) {
        memmove(q - 1, q, lo * sizeof(*q));
        x->queue_at--;
        q--;
    } else {
        memmove(q + lo + 1, q + lo, (x->queue_n - lo) * sizeof(*q));
    }
    q[lo] = r;
    x->queue_n++;
}

void exec_queue_remove(ig_exec *x, uint32_t at) {
    ig_exec_request **q = x->queue + x->queue_at;
    if (at < x->queue_n / 2) {
        memmove(q + 1, q, at * sizeof(*q));
        x->queue_at++;
    } else {
        memmove(q + at, q + at + 1, (x->queue_n - at - 1) * sizeof(*q));
    }
    if (--x->queue_n == 0)
        x->queue_at = 0;
    (void)ig_flag_add(&x->waiting, (uint32_t)-1);
}
