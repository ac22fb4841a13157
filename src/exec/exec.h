/* exec.h: face of the exec room, floor 6: many requests at once over one module; ids in, ids out.
 *
 * Two things live here. *Steps* turn shares of sequences into one batch and run it: the only way a
 * model is run, for sessions and for the executor alike. The *executor* is one thread that owns a
 * scheduler, the pages, the batch and the sampling; requests come and tokens leave over rings, and
 * nothing it does waits for a client. It knows no text: where text matters (stop strings), a hook
 * says so.
 *
 * Threads: submit, cancel, and the readers of statistics may be called from any thread. A request's
 * outputs are taken by one thread at a time. Hooks run on the executor's thread. */
#ifndef IG_EXEC_EXEC_H
#define IG_EXEC_EXEC_H

#include "backend/backend.h"
#include "kv/kv.h"
#include "os/os.h"
#include "sample/sample.h"

/* ---- steps ------------------------------------------------------------------------------------
 */

/* What one sequence does in a step: n_rows tokens after what it has. Its pages are reserved. */
typedef struct ig_share {
    const ig_kv_seq *seq;
    const int32_t *ids; /* [n_rows] */
    uint32_t n_rows;
    uint32_t n_outputs; /* the last rows whose logits are wanted */
    uint32_t output;    /* set by run: row of its first logits */
} ig_share;

/* Arrays of a batch, made once for the limits of a plan. One thread. */
typedef struct ig_steps ig_steps;
IG_MUST_USE ig_status ig_steps_create(ig_steps **out, ig_module *module, ig_err *err);
void ig_steps_destroy(ig_steps **steps);
/* Makes the copies that kv asks for, runs the shares as one step and waits for its end. Commits
 * nothing: on failure the sequences are as before. Logits are in ig_step_outputs until the next
 * run on this module. */
IG_MUST_USE ig_status ig_steps_run(ig_steps *steps, ig_pool *pool, ig_kv *kv, ig_share *shares,
                                   uint32_t n_shares, ig_err *err);

/* ---- executor ---------------------------------------------------------------------------------
 */

typedef struct ig_exec ig_exec;
typedef struct ig_exec_request ig_exec_request;
typedef struct ig_exec_events ig_exec_events;

typedef enum ig_exec_policy {
    IG_EXEC_MAX_UTILIZATION,     /* fills memory; preempts and recomputes when it runs short */
    IG_EXEC_GUARANTEED_NO_EVICT, /* admits only what can run to its maximum length */
    IG_EXEC_STATIC_BATCH,        /* admits only when nothing runs; nobody decodes before all
                                    prompts are done */
    IG_EXEC_POLICY_COUNT
} ig_exec_policy;

typedef struct ig_exec_options {
    ig_device *device; /* of the module, for sharing out draws */
    ig_module *module;
    ig_mutex *turn; /* held while a step and its draws run; NULL = nobody else uses the module */
    ig_pool_options pool;
    ig_exec_policy policy;
    uint32_t tokens_max;  /* rows of a step; at least seqs_max, at most the plan's */
    uint32_t seqs_max;    /* sequences of a step; at most the plan's seqs_max and outputs_max */
    uint32_t queue_max;   /* requests that wait at most */
    uint32_t context_max; /* tokens of a sequence; what the pool can hold bounds it too */
    uint64_t step_ns;     /* aim for steps that decode; 0 = none */
    uint64_t ageing_us;   /* waiting this long is worth a priority of 1; 0 = no ageing */
    bool uncached;        /* no prefix cache */
    uint32_t iterations;  /* records of steps that are kept until read */
    bool pin;             /* its thread to the first core, as a device pins who opens it */
    bool manual;          /* no thread: the owner calls ig_exec_work */
    const ig_logger *logger;
} ig_exec_options;

/* Takes memory for pages; the thread starts at once. */
IG_MUST_USE ig_status ig_exec_create(ig_exec **out, const ig_exec_options *options, ig_err *err);
/* Cancels what is left, ends the thread. Requests and event queues that are still held stay
 * readable and hold the memory they need. */
void ig_exec_destroy(ig_exec **exec);
/* One turn of the loop, with options.manual; false when there was nothing to run. */
bool ig_exec_work(ig_exec *exec);
/* Tokens of one sequence, at most: by options and by what the pool can hold. */
uint32_t ig_exec_context(const ig_exec *exec);
uint64_t ig_exec_pool_bytes(const ig_exec *exec);
/* While paused nothing is scheduled; requests queue up and can be cancelled. */
void ig_exec_pause(ig_exec *exec, bool paused);
/* From now on nothing is accepted; waits until all requests are done. IG_EAGAIN after timeout_ns
 * (UINT64_MAX = for ever). */
IG_MUST_USE ig_status ig_exec_drain(ig_exec *exec, uint64_t timeout_ns, ig_err *err);

/* ---- requests ---------------------------------------------------------------------------------
 */

typedef enum ig_exec_reason {
    IG_EXEC_RUNNING,
    IG_EXEC_END_ID,
    IG_EXEC_STOP_WORDS, /* a token list or, by the hook, a string */
    IG_EXEC_LENGTH,     /* max_tokens */
    IG_EXEC_CONTEXT,    /* the context is full */
    IG_EXEC_TIMED_OUT,
    IG_EXEC_CANCELLED,
    IG_EXEC_FAILED /* the request's error says why */
} ig_exec_reason;

/* Questions to whoever knows text. All on the executor's thread; each may be NULL. */
typedef struct ig_exec_hooks {
    void *user;
    /* May edit a copy of the logits before a draw. ids: prompt and what was generated. False ends
     * the request as failed; *why names the reason then (static text). */
    bool (*edit)(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids, float *logits,
                 const char **why);
    /* True when the generated ids contain what ends the text. */
    bool (*stops)(void *user, const int32_t *generated, size_t n);
    /* The request needs `user` no more; any thread. */
    void (*release)(void *user);
} ig_exec_hooks;

/* Arrays are copied by submit. */
typedef struct ig_exec_params {
    const int32_t *ids;
    uint32_t n_ids;
    ig_sample_params sampling; /* scratch is the executor's */
    bool edits;                /* sampling edits logits (bias, bans, penalties): for beams */
    uint32_t n_sequences;      /* sampling: independent sequences; beams: results; 0 = 1 or all */
    ig_beam_params beam;       /* width 0, 1 = sampling */
    uint32_t
        max_tokens; /* generated; 0 = the prompt only; UINT32_MAX = until the context is full */
    const int32_t *end_ids;
    uint32_t n_end_ids;
    const ig_token_run *stop_words;
    uint32_t n_stop_words;
    const ig_think_params *think; /* NULL = none */
    ig_exec_hooks hooks;
    bool logprobs;  /* of generated tokens, under the raw logits */
    uint32_t n_top; /* most likely candidates beside each; needs logprobs */
    bool prompt_logprobs, context_logits, generation_logits;
    bool streaming;       /* events for every step; else one at the end */
    float priority;       /* -1..1 */
    uint64_t deadline_ns; /* of ig_clock_ns; 0 = none */
    uint64_t tag;
    void *user; /* for ig_exec_request_user */
    uint8_t scope[16];
    uint8_t kv_priority;
    bool uncached;
    ig_exec_events *events; /* NULL = none */
} ig_exec_params;

/* IG_EARGUMENT, IG_ELIMIT by field name; IG_EBUSY when the queue is full, or the results of
 * requests that are not closed might take more than IG_EXEC_RESULTS_BYTES_MAX; IG_ECANCELLED after
 * drain or destroy. hooks.release is called in every case. *out is the caller's until
 * ig_exec_request_close. */
IG_MUST_USE ig_status ig_exec_submit(ig_exec *exec, const ig_exec_params *params,
                                     ig_exec_request **out, ig_err *err);
/* Gives the handle back; what still runs is cancelled. */
void ig_exec_request_close(ig_exec_request **request);
/* Asks for the end; outputs so far stay readable. Any thread, any state. */
void ig_exec_cancel(ig_exec_request *request);

typedef struct ig_exec_token {
    uint32_t sequence;
    int32_t id; /* -1 = no token, only a reason */
    float logprob;
    uint32_t reason; /* ig_exec_reason; not RUNNING = the sequence's last record */
} ig_exec_token;

/* Takes up to max records; top [max][n_top] (p: natural logarithm of the probability, id -1 = there
 * are no more) when asked for at submit, else NULL. Waits up to
 * timeout_ns for the first. IG_EAGAIN when none came, IG_EEND after the last, and the request's
 * error when it failed. */
IG_MUST_USE ig_status ig_exec_next(ig_exec_request *request, ig_exec_token *out, ig_candidate *top,
                                   size_t max, size_t *n, uint64_t timeout_ns, ig_err *err);
/* True when the request has ended (records may still wait to be taken). */
bool ig_exec_done(const ig_exec_request *request);
/* Something to take, or the end. */
bool ig_exec_ready(const ig_exec_request *request);
/* Waits until any (or all) of n requests are ready (or, with ended, done). IG_EAGAIN on timeout. */
IG_MUST_USE ig_status ig_exec_await(ig_exec_request *const *requests, size_t n, bool all,
                                    bool ended, uint64_t timeout_ns, ig_err *err);

/* Results that are not tokens, there when the request is done; NULL when not asked for. */
const float *ig_exec_prompt_logprobs(const ig_exec_request *r);   /* [n_ids]; [0] is 0 */
const ig_candidate *ig_exec_prompt_top(const ig_exec_request *r); /* [n_ids][n_top] */
const float *ig_exec_context_logits(const ig_exec_request *r);    /* [n_ids][n_vocab] */
const float *const *ig_exec_generation_logits(const ig_exec_request *r, uint32_t sequence,
                                              uint32_t *n); /* [n] rows of [n_vocab] */
/* Sum of log p; beams: also the score that results are sorted by. */
double ig_exec_logprob_sum(const ig_exec_request *r, uint32_t sequence, double *score);

typedef enum ig_exec_stage {
    IG_EXEC_QUEUED,
    IG_EXEC_CONTEXT_PHASE,
    IG_EXEC_GENERATION,
    IG_EXEC_COMPLETE
} ig_exec_stage;

/* Times are of ig_clock_ns, 0 = not yet. */
typedef struct ig_exec_request_facts {
    uint64_t id, tag;
    uint32_t stage; /* ig_exec_stage */
    uint32_t n_prompt, n_prefilled, n_generated, n_sequences;
    uint32_t n_cached;    /* prompt tokens taken from the prefix cache at the first admission */
    uint32_t n_preempted; /* times */
    uint64_t arrival_ns, scheduled_ns, first_token_ns, last_token_ns, done_ns;
    uint64_t first_step, last_step; /* numbers of steps */
    uint64_t seed;
} ig_exec_request_facts;
void ig_exec_request_describe(const ig_exec_request *request, ig_exec_request_facts *facts);

/* ---- events -----------------------------------------------------------------------------------
 */

/* A queue of requests with news, for one waiting thread (an event loop). Holds up to cap requests
 * that were submitted with it and not yet closed. */
IG_MUST_USE ig_status ig_exec_events_create(ig_exec_events **out, uint32_t cap, ig_err *err);
void ig_exec_events_destroy(ig_exec_events **events);
/* Readable while there may be news; read by poll(2) only. */
int ig_exec_events_fd(const ig_exec_events *events);
/* Requests with news, each once until it has further news; waits up to timeout_ns for the first.
 * Returns how many. Requests that were closed meanwhile are not among them. */
size_t ig_exec_events_take(ig_exec_events *events, ig_exec_request **out, size_t max,
                           uint64_t timeout_ns);
void *ig_exec_request_user(const ig_exec_request *request); /* params.user */

/* ---- statistics -------------------------------------------------------------------------------
 */

/* One step; names of TensorRT-LLM's IterationStats. */
typedef struct ig_exec_iteration {
    uint64_t iter, timestamp_ns; /* ig_clock_ns at its start */
    uint64_t latency_ns, device_ns;
    uint64_t queue_ns; /* waiting of the requests admitted in it, summed */
    uint32_t n_new_active, n_active, n_queued, n_completed, n_paused;
    uint32_t n_scheduled, n_context, n_generation;
    uint32_t n_context_tokens, n_generation_tokens;
    uint32_t kv_max_pages, kv_free_pages, kv_used_pages, kv_cached_pages;
    uint64_t kv_alloc_total, kv_alloc_new, kv_reused, kv_missed;
} ig_exec_iteration;
/* Takes up to max records, oldest first; what is not taken in time is dropped, oldest first. */
size_t ig_exec_iterations(ig_exec *exec, ig_exec_iteration *out, size_t max);

/* Counts of durations: bucket b counts those up to ig_exec_bounds[b] seconds, the last the rest. */
#define IG_EXEC_BUCKETS 24u
extern const double ig_exec_bounds[IG_EXEC_BUCKETS - 1];
typedef struct ig_exec_histogram {
    uint64_t counts[IG_EXEC_BUCKETS];
    uint64_t n;
    double sum;
} ig_exec_histogram;

/* Sums since creation. */
typedef struct ig_exec_facts {
    uint64_t n_steps, n_failed_steps, n_submitted, n_completed, n_cancelled, n_timed_out, n_failed;
    uint64_t n_preemptions, prompt_tokens, cached_tokens, prefill_tokens, generated_tokens;
    uint64_t busy_ns, device_ns;
    uint32_t n_active, n_queued;
    ig_kv_facts kv;
    ig_exec_histogram ttft, itl, e2e, queue;
} ig_exec_facts;
void ig_exec_describe(const ig_exec *exec, ig_exec_facts *facts);

#endif
