/* exec_read.c: what clients read of a request: whether it is ready or done, its records, its
 * results, and waiting for these. Clients' threads. */
#include "exec/exec_int.h"

bool ig_exec_done(const ig_exec_request *r) {
    return exec_ended(r);
}

bool ig_exec_ready(const ig_exec_request *r) {
    return ig_exec_done(r) || (r->p.streaming && ig_record_log_pending(&r->log) > 0);
}

typedef struct awaited {
    ig_exec_request *const *requests;
    size_t n;
    bool all, ended;
} awaited;

static bool are_there(void *user) {
    const awaited *a = user;
    size_t there = 0;
    for (size_t i = 0; i < a->n; i++)
        there += a->ended ? ig_exec_done(a->requests[i]) : ig_exec_ready(a->requests[i]);
    return a->all ? there == a->n : there > 0;
}

static ig_status wait_for(awaited a, uint64_t timeout_ns) {
    ig_gate *gate = a.n == 1 ? &a.requests[0]->gate : &a.requests[0]->exec->news;
    return ig_gate_await(gate, are_there, &a, timeout_ns) ? IG_OK : IG_EAGAIN;
}

ig_status ig_exec_await(ig_exec_request *const *requests, size_t n, bool all, bool ended,
                        uint64_t timeout_ns, ig_err *err) {
    for (size_t i = 0; i < n; i++) {
        if (requests[i]->exec != requests[0]->exec)
            return ig_fail(err, IG_EARGUMENT, "requests[%zu] is of another executor than [0]", i);
    }
    return n ? wait_for((awaited){requests, n, all, ended}, timeout_ns)
             : ig_fail(err, IG_EARGUMENT, "no requests to wait for");
}

ig_status ig_exec_next(ig_exec_request *r, ig_exec_token *out, ig_candidate *top, size_t max,
                       size_t *n, uint64_t timeout_ns, ig_err *err) {
    ig_exec_request *one[] = {r};
    *n = 0;
    const bool ended = ig_exec_done(r); /* before the log: what was added before the end is there */
    *n = ig_record_log_take(&r->log, out, max);
    if (*n == 0 && !ended) {
        if (wait_for((awaited){.requests = one, .n = 1}, timeout_ns))
            return IG_EAGAIN;
        *n = ig_record_log_take(&r->log, out, max);
    }
    if (*n && r->p.n_top && top)
        (void)ig_record_log_take(&r->top, top, *n);
    if (*n)
        return IG_OK;
    if (r->status && err)
        *err = r->err;
    return r->status ? r->status : IG_EEND;
}

const float *ig_exec_prompt_logprobs(const ig_exec_request *r) {
    return ig_exec_done(r) ? r->prompt_logprobs : NULL;
}

const ig_candidate *ig_exec_prompt_top(const ig_exec_request *r) {
    return ig_exec_done(r) && r->p.n_top ? r->prompt_top : NULL;
}

const float *ig_exec_context_logits(const ig_exec_request *r) {
    return ig_exec_done(r) ? r->context_logits : NULL;
}

const float *const *ig_exec_generation_logits(const ig_exec_request *r, uint32_t sequence,
                                              uint32_t *n) {
    *n = 0;
    if (!ig_exec_done(r) || sequence >= r->n_branches)
        return NULL;
    *n = r->branches[sequence].n_logits;
    return (const float *const *)r->branches[sequence].logits;
}

double ig_exec_logprob_sum(const ig_exec_request *r, uint32_t sequence, double *score) {
    if (!ig_exec_done(r) || sequence >= r->n_branches)
        return *score = 0;
    *score = r->branches[sequence].score;
    return r->branches[sequence].logprob_sum;
}

void ig_exec_request_describe(const ig_exec_request *r, ig_exec_request_facts *facts) {
    ig_board_read(r->board, facts);
}

void *ig_exec_request_user(const ig_exec_request *r) {
    return r->p.user;
}
