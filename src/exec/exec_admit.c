/* exec_admit.c: between requests and scheduler: what a step could do as the scheduler sees it, and
 * what it decided as shares of a batch. Executor's thread only. */
#include "exec/exec_int.h"

static uint32_t page_count(const ig_exec *x, uint32_t group, uint32_t n_tokens) {
    return ig_kv_pages_needed(IG_PAGE_TOKENS, x->limits.window[group], n_tokens,
                              x->limits.tokens_max);
}

/* Branches share the whole pages of the prompt; each has the rest for itself. */
uint32_t exec_limit_pages(const ig_exec *x, uint32_t group, uint32_t n_prompt, uint32_t n_branches,
                          uint32_t length) {
    const uint32_t one = page_count(x, group, length), shared = n_prompt / IG_PAGE_TOKENS;
    const uint32_t own = x->limits.window[group] || one < shared ? one : one - shared;
    const uint64_t all = (uint64_t)(one - own) + (uint64_t)n_branches * own;
    return (uint32_t)IG_MIN(all, (uint64_t)UINT32_MAX);
}

static uint32_t held(const exec_branch *b) {
    return b->seq ? ig_kv_seq_tokens(b->seq) : 0;
}

/* Without a cache to find it in, the prompt is computed by the first branch that comes back after a
 * preemption, and the others fork from it: they were admitted to share its pages. */
bool exec_must_fork(const ig_exec_request *r) {
    return r->forked && r->p.uncached && r->n_live > 1 &&
           held(&r->branches[r->live[0]]) < r->facts.n_prompt;
}

/* The first branch with more than one token to go. Alone, it goes to its end and gives logits; one
 * of several waits with its last token for the others, because they decode together. */
uint32_t exec_catch_up(const ig_exec_request *r, uint32_t *rows, bool *output) {
    const bool alone = r->n_live == 1;
    for (uint32_t i = 0; i < r->n_live; i++) {
        const exec_branch *b = &r->branches[r->live[i]];
        const uint32_t left = b->n - held(b);
        if (left > 1 || (!r->forked && left > 0)) {
            *rows = alone ? left : left - 1;
            if (i == 0 && exec_must_fork(r))
                *rows = r->facts.n_prompt - held(b);
            *output = alone;
            return r->live[i];
        }
    }
    *rows = 0;
    *output = false;
    return UINT32_MAX;
}

static bool wants_all_rows(const ig_exec_request *r) {
    return !r->forked && (r->p.context_logits || r->p.prompt_logprobs);
}

static ig_kv_seq_options seq_options(const ig_exec_request *r) {
    ig_kv_seq_options o = {
        .tokens_hint = r->length_max, .priority = r->p.kv_priority, .uncached = r->p.uncached};
    memcpy(o.scope, r->p.scope, sizeof o.scope);
    return o;
}

/* What a branch may take from the cache: never its last token, whose logits are wanted. Rows that
 * all give logits must all be run. */
static uint32_t match_max(const ig_exec_request *r, const exec_branch *b) {
    return wants_all_rows(r) ? 0 : b->n - 1;
}

static uint32_t tail_page(const exec_branch *b, uint32_t group) {
    uint32_t n;
    const uint32_t *pages = ig_kv_seq_table(b->seq, group, &n);
    const uint32_t at = ig_kv_seq_tokens(b->seq) / IG_PAGE_TOKENS;
    return at < n ? pages[at] : IG_KV_PAGE_NONE;
}

/* Of branches that share the page they write to, the last one needs no copy, though each needs one
 * when it is asked alone. `writers` counts them by page, to 2, and is zeros between calls. */
static void share_tails(const ig_exec *x, const ig_exec_request *r, uint32_t group,
                        uint32_t *pages) {
    for (uint32_t i = 0; i < r->n_live; i++) {
        const uint32_t page = tail_page(&r->branches[r->live[i]], group);
        if (page != IG_KV_PAGE_NONE && x->writers[page] < 2 && ++x->writers[page] == 2)
            *pages -= *pages > 0;
    }
    for (uint32_t i = 0; i < r->n_live; i++) {
        const uint32_t page = tail_page(&r->branches[r->live[i]], group);
        if (page != IG_KV_PAGE_NONE)
            x->writers[page] = 0;
    }
}

static void running_job(const ig_exec *x, const ig_exec_request *r, ig_sched_job *job) {
    bool output;
    const uint32_t branch = exec_catch_up(r, &job->prefill, &output);
    job->n_decode = r->n_live;
    job->boundary = UINT32_MAX;
    if (job->prefill) {
        const exec_branch *b = &r->branches[branch];
        job->n_past = held(b);
        if (b->seq) {
            job->boundary = ig_kv_seq_boundary(b->seq);
            ig_kv_seq_need(b->seq, 1, job->decode_pages);
        }
        return;
    }
    for (uint32_t i = 0; i < r->n_live; i++) {
        uint32_t need[IG_KV_GROUPS_MAX] = {0};
        ig_kv_seq_need(r->branches[r->live[i]].seq, 1, need);
        for (uint32_t g = 0; g < x->n_groups; g++)
            job->decode_pages[g] += need[g];
    }
    for (uint32_t g = 0; g < x->n_groups; g++)
        share_tails(x, r, g, &job->decode_pages[g]);
}

static void waiting_job(const ig_exec *x, const ig_exec_request *r, ig_sched_job *job) {
    const exec_branch *b = &r->branches[r->live[0]];
    const ig_kv_seq_options o = seq_options(r);
    uint32_t in_use[IG_KV_GROUPS_MAX] = {0};
    job->n_past = o.uncached ? 0 : ig_kv_probe(x->kv, &o, b->tokens, match_max(r, b), in_use);
    job->prefill = IG_MAX(b->n - job->n_past - (r->n_live > 1), 1);
    job->boundary = UINT32_MAX;
    for (uint32_t g = 0; g < x->n_groups; g++) {
        const uint32_t all = exec_limit_pages(x, g, r->facts.n_prompt, r->n_branches, b->n);
        job->admit_pages[g] = all - IG_MIN(all, in_use[g]);
    }
}

static void fill_job(const ig_exec *x, const ig_exec_request *r, ig_sched_job *job) {
    /* The scheduler counts priorities from 0 to 1. */
    *job = (ig_sched_job){.priority = (r->p.priority + 1) / 2,
                          .arrival = r->id,
                          .arrival_us = r->facts.arrival_ns / 1000,
                          .running = r->running,
                          .n_branches = r->n_branches,
                          .outputs_all = wants_all_rows(r),
                          .decoded = r->facts.n_generated > (r->beams ? 1 : r->n_branches),
                          .solo = r->solo};
    memcpy(job->limit_pages, r->limit_pages, sizeof job->limit_pages);
    if (r->running)
        running_job(x, r, job);
    else
        waiting_job(x, r, job);
}

static bool has_pages(const ig_exec *x, const ig_sched_job *job) {
    bool has = true;
    for (uint32_t g = 0; g < x->n_groups; g++)
        has = has && job->admit_pages[g] <= ig_kv_free_pages(x->kv, g);
    return has;
}

uint32_t exec_snapshot(ig_exec *x) {
    uint32_t n = 0, seqs = 0, rows = 0;
    for (uint32_t i = 0; i < x->n_active; i++) {
        fill_job(x, x->active[i], &x->jobs[n]);
        seqs += x->jobs[n].n_branches;
        n++;
    }
    /* No more than could be admitted: looking a prompt up in the cache costs time. They are
     * admitted in rank, so nobody comes after the first whose pages are not there. */
    for (uint32_t i = 0; i < x->queue_n && i < IG_EXEC_FRONT; i++) {
        const ig_exec_request *r = x->queue[x->queue_at + i];
        seqs += r->n_branches;
        if (seqs > x->limits.seqs_max || rows >= x->limits.tokens_max)
            break;
        fill_job(x, r, &x->jobs[n]);
        rows += x->jobs[n].prefill;
        if (!has_pages(x, &x->jobs[n++]))
            break;
    }
    return n;
}

/* ---- shares -----------------------------------------------------------------------------------
 */

static void fail(ig_exec *x, ig_exec_request *r, ig_status status, const ig_err *err) {
    exec_end(x, r, IG_EXEC_FAILED, status, err);
}

/* A branch gets a sequence, with what the cache has of its tokens. */
static ig_status open_branch(ig_exec *x, ig_exec_request *r, exec_branch *b, ig_err *err) {
    const ig_kv_seq_options o = seq_options(r);
    IG_TRY(ig_kv_seq_create(&b->seq, x->kv, &o, err));
    if (o.uncached)
        return IG_OK;
    const uint32_t n = ig_kv_seq_match(b->seq, b->tokens, match_max(r, b));
    if (r->facts.scheduled_ns == 0) {
        r->facts.n_cached = n;
        x->facts.cached_tokens += n;
    }
    return IG_OK;
}

static void admit(ig_exec *x, ig_exec_request *r) {
    for (uint32_t i = 0; i < x->queue_n; i++) {
        if (x->queue[x->queue_at + i] == r) {
            exec_queue_remove(x, i);
            break;
        }
    }
    x->active[x->n_active++] = r;
    r->running = true;
    r->facts.stage = r->forked ? IG_EXEC_GENERATION : IG_EXEC_CONTEXT_PHASE;
    x->iteration.n_new_active++;
}

static void first_scheduled(ig_exec *x, ig_exec_request *r, uint64_t now_ns) {
    if (r->facts.scheduled_ns)
        return;
    const uint64_t waited = now_ns - IG_MIN(now_ns, r->facts.arrival_ns);
    r->facts.scheduled_ns = now_ns;
    r->facts.first_step = x->facts.n_steps;
    x->iteration.queue_ns += waited;
    x->facts.prompt_tokens += r->facts.n_prompt;
    exec_count(&x->facts.queue, waited);
}

/* One row for each live branch; all or none. */
static bool add_decode(ig_exec *x, ig_exec_request *r, ig_err *err) {
    ig_status status = IG_OK;
    for (uint32_t i = 0; i < r->n_live && !status; i++)
        status = ig_kv_seq_reserve(r->branches[r->live[i]].seq, 1, err);
    if (status && status != IG_EBUSY)
        fail(x, r, status, err);
    if (status) /* pages that were reserved stay with their branches */
        return false;
    x->parts[x->n_parts++] = (exec_part){.r = r, .share = x->n_shares, .n_shares = r->n_live};
    for (uint32_t i = 0; i < r->n_live; i++) {
        const exec_branch *b = &r->branches[r->live[i]];
        x->shares[x->n_shares++] =
            (ig_share){.seq = b->seq, .ids = b->tokens + b->n - 1, .n_rows = 1, .n_outputs = 1};
    }
    x->iteration.n_generation++;
    x->iteration.n_generation_tokens += r->n_live;
    return true;
}

/* A chunk of the branch that catches up. False when pages were short after all: next time. */
static bool add_prefill(ig_exec *x, ig_exec_request *r, uint32_t n_rows, uint64_t now_ns,
                        ig_err *err) {
    uint32_t rows;
    bool output = false;
    const uint32_t branch = exec_catch_up(r, &rows, &output);
    exec_branch *b = &r->branches[branch];
    ig_status status = b->seq ? IG_OK : open_branch(x, r, b, err);
    first_scheduled(x, r, now_ns);
    /* The cache may have had more or less than foreseen. */
    if (!status && exec_catch_up(r, &rows, &output) != branch)
        return r->n_live == 1 && add_decode(x, r, err);
    n_rows = IG_MIN(n_rows, rows);
    if (!status)
        status = ig_kv_seq_reserve(b->seq, n_rows, err);
    if (status && status != IG_EBUSY)
        fail(x, r, status, err);
    if (status)
        return false;
    const uint32_t past = held(b);
    x->parts[x->n_parts++] =
        (exec_part){.r = r, .share = x->n_shares, .n_shares = 1, .prefill = true, .branch = branch};
    x->shares[x->n_shares++] =
        (ig_share){.seq = b->seq,
                   .ids = b->tokens + past,
                   .n_rows = n_rows,
                   .n_outputs = wants_all_rows(r) ? n_rows : output && n_rows == rows};
    x->iteration.n_context++;
    x->iteration.n_context_tokens += n_rows;
    return true;
}

void exec_build(ig_exec *x, const ig_sched_result *result, uint32_t n_jobs, uint64_t now_ns) {
    /* Requests may leave while others are built: first all of them by name. */
    for (uint32_t i = 0, first = x->n_active; i < n_jobs; i++)
        x->candidates[i] = i < first ? x->active[i] : x->queue[x->queue_at + i - first];
    x->n_shares = x->n_parts = 0;
    ig_err err = {0};
    for (uint32_t i = 0; i < result->n_picks; i++) {
        const ig_sched_pick *pick = &result->picks[i];
        ig_exec_request *r = x->candidates[pick->job];
        if (pick->admitted)
            admit(x, r);
        const bool added = x->jobs[pick->job].prefill
                               ? add_prefill(x, r, pick->n_rows, now_ns, &err)
                               : add_decode(x, r, &err);
        x->iteration.n_scheduled += added;
    }
}
