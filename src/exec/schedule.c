/* schedule.c: the decision of schedule.h. Reads jobs, writes a result; any thread. */
#include "exec/schedule.h"

#include <assert.h>

#define NONE UINT32_MAX

/* One decision in the making. */
typedef struct decision {
    const ig_sched_limits *limits;
    const ig_sched_job *jobs;
    const uint32_t *order; /* running jobs in rank, then waiting ones in rank */
    uint32_t n_running, n_waiting;
    uint32_t tokens, seqs, outputs;  /* left in this step */
    uint64_t free[IG_KV_GROUPS_MAX]; /* pages, likewise */
    ig_sched_result *result;
} decision;

/* ---- rank -------------------------------------------------------------------------------------
 */

typedef struct ranking {
    const ig_sched_job *jobs;
    uint64_t ageing_us, now_us;
} ranking;

/* Effective priority in units of time waited, so that its order never changes while jobs wait. */
static uint64_t score(const ranking *r, const ig_sched_job *job) {
    assert(job->priority >= 0 && job->priority <= 1);
    const uint64_t one = r->ageing_us ? IG_MIN(r->ageing_us, 1ull << 62) : 1ull << 32;
    const uint64_t waited =
        r->ageing_us && r->now_us > job->arrival_us ? r->now_us - job->arrival_us : 0;
    uint64_t sum;
    return ig_add64((uint64_t)((double)job->priority * (double)one), waited, &sum) ? sum
                                                                                   : UINT64_MAX;
}

static bool outranks(const ranking *r, uint32_t a, uint32_t b) {
    const uint64_t of_a = score(r, &r->jobs[a]), of_b = score(r, &r->jobs[b]);
    return of_a > of_b || (of_a == of_b && r->jobs[a].arrival < r->jobs[b].arrival);
}

/* Lets heap[at] sink until nobody below it is outranked by it: the worst stays on top. */
static void sink(const ranking *r, uint32_t *heap, uint32_t n, uint32_t at) {
    const uint32_t job = heap[at];
    for (uint32_t child; at < n / 2; at = child) {
        child = 2 * at + 1;
        if (child + 1 < n && outranks(r, heap[child], heap[child + 1]))
            child++;
        if (!outranks(r, job, heap[child]))
            break;
        heap[at] = heap[child];
    }
    heap[at] = job;
}

static bool in_rank(const ranking *r, const uint32_t *order, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        if (outranks(r, order[i], order[i - 1]))
            return false;
    return true;
}

/* Heapsort: no memory, no bad cases. Queues are mostly in rank as they come. */
static void sort(const ranking *r, uint32_t *order, uint32_t n) {
    if (in_rank(r, order, n))
        return;
    for (uint32_t i = n / 2; i-- > 0;)
        sink(r, order, n, i);
    for (uint32_t i = n; i-- > 1;) {
        const uint32_t worst = order[0];
        order[0] = order[i];
        order[i] = worst;
        sink(r, order, i, 0);
    }
}

/* ---- picks ------------------------------------------------------------------------------------
 */

static void take(decision *d, uint32_t index, uint32_t n_rows, uint32_t n_seqs, uint32_t n_outputs,
                 bool admitted) {
    ig_sched_result *r = d->result;
    r->picks[r->n_picks++] = (ig_sched_pick){index, n_rows, admitted};
    r->n_tokens += n_rows;
    r->n_seqs += n_seqs;
    r->n_outputs += n_outputs;
    d->tokens -= n_rows;
    d->seqs -= n_seqs;
    d->outputs -= n_outputs;
}

/* False when the step has no room for it: in practice, when its pages are not free. */
static bool take_decode(decision *d, uint32_t index) {
    const ig_sched_job *job = &d->jobs[index];
    const uint32_t n = job->n_decode;
    assert(n > 0 && n <= job->n_branches);
    if (n > d->tokens || n > d->seqs || n > d->outputs)
        return false;
    for (uint32_t g = 0; g < d->limits->n_groups; g++)
        if (job->decode_pages[g] > d->free[g])
            return false;
    for (uint32_t g = 0; g < d->limits->n_groups; g++)
        d->free[g] -= job->decode_pages[g];
    take(d, index, n, n, n, false);
    return true;
}

/* Prefill rows that the step has room for, pages apart. The row that completes the prefill gives
 * logits: without room for them it stays behind. */
static uint32_t chunk_rows(const decision *d, const ig_sched_job *job) {
    assert(job->prefill > 0 && job->boundary > 0);
    if (!d->seqs)
        return 0;
    uint32_t rows = IG_MIN(IG_MIN(job->prefill, job->boundary), d->tokens);
    if (job->outputs_all)
        rows = IG_MIN(rows, d->outputs);
    else if (rows && rows == job->prefill && !d->outputs)
        rows--;
    return rows;
}

static uint32_t chunk_outputs(const ig_sched_job *job, uint32_t rows) {
    return job->outputs_all ? rows : rows == job->prefill;
}

/* Pages that hold a running job's tokens after so many prefill rows. */
static uint64_t pages_after(const ig_sched_limits *limits, const ig_sched_job *job, uint32_t rows) {
    return ((uint64_t)job->n_past + rows + limits->page_tokens - 1) / limits->page_tokens;
}

/* Fresh pages of a running job's next prefill row in a group. */
static uint64_t first_pages(const ig_sched_limits *limits, const ig_sched_job *job, uint32_t g) {
    return IG_MAX(job->decode_pages[g], job->n_past % limits->page_tokens == 0);
}

/* A chunk of a running job, as large as the step and free pages allow; returns its rows. */
static uint32_t take_chunk(decision *d, uint32_t index) {
    const ig_sched_limits *limits = d->limits;
    const ig_sched_job *job = &d->jobs[index];
    const uint64_t pages_one = pages_after(limits, job, 1);
    uint64_t fits = chunk_rows(d, job);
    for (uint32_t g = 0; g < limits->n_groups; g++) {
        const uint64_t first = first_pages(limits, job, g);
        if (first > d->free[g])
            return 0;
        const uint64_t end = (pages_one + d->free[g] - first) * limits->page_tokens;
        fits = IG_MIN(fits, end - job->n_past);
    }
    const uint32_t rows = (uint32_t)fits;
    if (!rows)
        return 0;
    for (uint32_t g = 0; g < limits->n_groups; g++)
        d->free[g] -= first_pages(limits, job, g) + pages_after(limits, job, rows) - pages_one;
    take(d, index, rows, 1, chunk_outputs(job, rows), false);
    return rows;
}

/* ---- running jobs -----------------------------------------------------------------------------
 */

/* A static batch decodes when all its prompts are done. */
static bool decodes_wait(const decision *d) {
    if (d->limits->policy == IG_EXEC_STATIC_BATCH)
        for (uint32_t i = 0; i < d->n_running; i++)
            if (d->jobs[d->order[i]].prefill)
                return true;
    return false;
}

/* It is open until its first decode: it takes in who fits, before it decodes. */
static bool batch_is_open(const decision *d) {
    if (d->limits->policy != IG_EXEC_STATIC_BATCH)
        return false;
    for (uint32_t i = 0; i < d->n_running; i++)
        if (d->jobs[d->order[i]].decoded)
            return false;
    return true;
}

/* True when the step belongs to a running job that must be alone, picked or without pages. */
static bool run_solo(decision *d, bool prefill_only) {
    for (uint32_t i = 0; i < d->n_running; i++) {
        const uint32_t index = d->order[i];
        const ig_sched_job *job = &d->jobs[index];
        if (!job->solo || (prefill_only && !job->prefill))
            continue;
        if (job->prefill)
            (void)take_chunk(d, index);
        else
            (void)take_decode(d, index);
        return true;
    }
    return false;
}

/* False when the pages of all decodes together are not free. */
static bool run_decodes(decision *d) {
    for (uint32_t i = 0; i < d->n_running; i++)
        if (!d->jobs[d->order[i]].prefill && !take_decode(d, d->order[i]))
            return false;
    return true;
}

/* ---- admission --------------------------------------------------------------------------------
 */

/* What running jobs have, or will want. */
typedef struct claims {
    uint64_t branches;
    uint64_t soon[IG_KV_GROUPS_MAX];  /* pages: rest of prompts, one per branch */
    uint64_t limit[IG_KV_GROUPS_MAX]; /* pages they may hold at their longest */
} claims;

/* Pages that a running job still takes until its prompt is done, after `rows` of it. A window gives
 * pages back meanwhile, but the job may have all of its span at once. */
static uint64_t prompt_pages(const ig_sched_limits *limits, const ig_sched_job *job, uint32_t g,
                             uint32_t rows) {
    if (rows >= job->prefill)
        return 0;
    const uint32_t window = limits->window[g];
    const uint64_t tokens = IG_MIN((uint64_t)job->n_past + job->prefill, UINT32_MAX);
    const uint64_t past = window ? IG_MIN(job->n_past, window) : job->n_past;
    const uint64_t held = (past + rows + limits->page_tokens - 1) / limits->page_tokens;
    const uint64_t needed =
        ig_kv_pages_needed(limits->page_tokens, window, (uint32_t)tokens, limits->tokens_max);
    return needed > held ? needed - held : 0;
}

/* The claims of a job with so many prefill rows behind it. */
static void claim(claims *c, const ig_sched_limits *limits, const ig_sched_job *job,
                  uint32_t rows) {
    c->branches += job->n_branches;
    for (uint32_t g = 0; g < limits->n_groups && g < IG_KV_GROUPS_MAX; g++) {
        c->soon[g] += job->n_branches + prompt_pages(limits, job, g, rows);
        c->limit[g] += job->limit_pages[g];
    }
}

static bool may_admit(const decision *d, const claims *c, const ig_sched_job *job) {
    const ig_sched_limits *limits = d->limits;
    if (c->branches + job->n_branches > limits->seqs_max)
        return false;
    for (uint32_t g = 0; g < limits->n_groups; g++) {
        uint64_t needed = job->admit_pages[g];
        if (limits->policy != IG_EXEC_MAX_UTILIZATION) {
            if (c->limit[g] + job->limit_pages[g] > limits->n_pages[g])
                return false;
        } else if (c->branches)
            needed += c->soon[g] + job->n_branches;
        if (needed > d->free[g])
            return false;
    }
    return true;
}

static void admit(decision *d, claims *c) {
    if (d->limits->policy == IG_EXEC_STATIC_BATCH && !batch_is_open(d))
        return;
    for (uint32_t i = 0; i < d->n_waiting; i++) {
        const uint32_t index = d->order[d->n_running + i];
        const ig_sched_job *job = &d->jobs[index];
        const uint32_t rows = chunk_rows(d, job);
        /* Who must be alone is admitted by a step of its own. */
        if (!rows || (job->solo && d->result->n_picks) || !may_admit(d, c, job))
            return;
        for (uint32_t g = 0; g < d->limits->n_groups; g++)
            d->free[g] -= job->admit_pages[g];
        claim(c, d->limits, job, job->prefill); /* it has the pages of its prompt */
        take(d, index, rows, 1, chunk_outputs(job, rows), true);
        if (job->solo)
            return;
    }
}

/* Admissions without anything else in the step. */
static bool admit_more(decision *d) {
    claims c = {0};
    for (uint32_t i = 0; i < d->n_running; i++)
        claim(&c, d->limits, &d->jobs[d->order[i]], 0);
    admit(d, &c);
    return d->result->n_picks > 0;
}

/* True when the best waiting job must be alone and was admitted. */
static bool admit_solo(decision *d) {
    if (!d->n_waiting || !d->jobs[d->order[d->n_running]].solo)
        return false;
    return admit_more(d);
}

/* Chunks of running jobs, and what these claim after them. */
static void run_chunks(decision *d, claims *c) {
    for (uint32_t i = 0; i < d->n_running; i++) {
        const ig_sched_job *job = &d->jobs[d->order[i]];
        claim(c, d->limits, job, job->prefill ? take_chunk(d, d->order[i]) : 0);
    }
}

/* ---- the decision -----------------------------------------------------------------------------
 */

/* Nothing fits the empty pool: not now and not later. */
static bool outgrown(const ig_sched_limits *limits, const ig_sched_job *job) {
    const bool longest = limits->policy != IG_EXEC_MAX_UTILIZATION;
    bool too_large = job->n_branches > limits->seqs_max;
    for (uint32_t g = 0; g < limits->n_groups; g++)
        too_large = too_large || job->admit_pages[g] > limits->n_pages[g] ||
                    (longest && job->limit_pages[g] > limits->n_pages[g]);
    return too_large;
}

/* False when nothing can run before pages are taken away from somebody. */
static bool fill(decision *d) {
    const bool prefill_only = decodes_wait(d);
    if (run_solo(d, prefill_only))
        return d->result->n_picks > 0;
    if (admit_solo(d))
        return true;
    if (!prefill_only && batch_is_open(d) && admit_more(d))
        return true;
    if (!prefill_only && !run_decodes(d))
        return false;
    if (d->result->n_picks && d->limits->mixed_max)
        d->tokens = IG_MIN(d->tokens, d->limits->mixed_max);
    claims c = {0};
    run_chunks(d, &c);
    admit(d, &c);
    return d->result->n_picks > 0;
}

/* Running jobs to the front of order, waiting ones behind them, each in rank. */
static void rank(decision *d, uint32_t n_jobs, uint64_t now_us, uint32_t *order) {
    for (uint32_t i = 0; i < n_jobs; i++)
        if (d->jobs[i].running)
            order[d->n_running++] = i;
    for (uint32_t i = 0; i < n_jobs; i++)
        if (!d->jobs[i].running)
            order[d->n_running + d->n_waiting++] = i;
    const ranking r = {d->jobs, d->limits->ageing_us, now_us};
    sort(&r, order, d->n_running);
    sort(&r, order + d->n_running, d->n_waiting);
    d->order = order;
}

void ig_schedule(const ig_sched_limits *limits, const ig_sched_job *jobs, uint32_t n_jobs,
                 const uint32_t free_pages[IG_KV_GROUPS_MAX], uint64_t now_us, uint32_t *order,
                 ig_sched_result *result, uint32_t *stuck) {
    assert(limits->tokens_max >= limits->seqs_max && limits->outputs_max >= limits->seqs_max);
    *result = (ig_sched_result){.picks = result->picks, .preempt = NONE};
    *stuck = NONE;
    decision d = {.limits = limits,
                  .jobs = jobs,
                  .tokens = limits->tokens_max,
                  .seqs = limits->seqs_max,
                  .outputs = limits->outputs_max,
                  .result = result};
    for (uint32_t g = 0; g < limits->n_groups; g++)
        d.free[g] = free_pages[g];
    rank(&d, n_jobs, now_us, order);
    if (fill(&d))
        return;
    *result = (ig_sched_result){.picks = result->picks, .preempt = NONE};
    if (d.n_running > 1)
        result->preempt = order[d.n_running - 1];
    else if (d.n_running == 1)
        *stuck = order[0];
    else if (d.n_waiting && outgrown(limits, &jobs[order[0]]))
        *stuck = order[0];
}
