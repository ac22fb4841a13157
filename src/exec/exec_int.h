/* exec_int.h: what the files of the executor share. Internal to the room.
 *
 * Owners: a request's fields above the line in ig_exec_request are written by submit and read-only
 * afterwards; those below belong to the executor's thread, but for flags, log and board, which say
 * themselves who may use them. */
#ifndef IG_EXEC_EXEC_INT_H
#define IG_EXEC_EXEC_INT_H

#include "exec/exec.h"
#include "exec/schedule.h"

/* Waiting requests that the scheduler sees in one step: no more could be admitted. */
#define IG_EXEC_FRONT 32u

/* One sequence of a request: of n, or a beam. */
typedef struct exec_branch {
    ig_kv_seq *seq;  /* NULL while it holds no pages */
    int32_t *tokens; /* prompt, then generated */
    uint32_t n, cap; /* known tokens; what the pages hold may be less */
    uint32_t reason; /* ig_exec_reason; RUNNING = live */
    ig_sampler *sampler;
    ig_think think;
    double logprob_sum, score;
    float **logits; /* generation_logits: one row per token; beams keep none */
    uint32_t n_logits;
} exec_branch;

struct ig_exec_request {
    ig_ref_count refs;
    ig_exec *exec;  /* held */
    ig_arena arena; /* copies of the parameters' arrays */
    ig_exec_params p;
    ig_think_params think;
    uint64_t id;
    uint32_t n_branches; /* branches there may be */
    uint32_t length_max; /* tokens of a sequence, prompt included */
    bool beams;
    uint32_t limit_pages[IG_KV_GROUPS_MAX];
    uint64_t result_bytes; /* reserved in the executor until it is freed */

    /* Shared. */
    ig_cancel cancel;
    ig_gate gate;           /* opened when it has news: wakes who waits for it alone */
    ig_flag ended;          /* last thing set: status, err and results are there */
    ig_flag queued;         /* stands in an event queue */
    ig_flag place;          /* who keeps its place there: the client, the queue */
    ig_flag closed;         /* the client gave it back */
    ig_record_log log, top; /* of ig_exec_token, and [n_top] candidates for each */
    ig_board *board;        /* ig_exec_request_facts */

    /* ---- of the executor's thread ---- */
    ig_exec_request_facts facts;
    exec_branch *branches; /* [n_branches] */
    uint32_t *live;        /* [n_branches]: beams in rank, or sequences that still run */
    uint32_t *spare;       /* [n_branches]: working memory of beams */
    uint32_t n_live;
    bool running; /* holds pages */
    bool done;    /* stands in the executor's list of those whose end is not told yet */
    ig_exec_request *next;
    bool forked; /* the prompt is done and every branch has its first token */
    bool solo;   /* a step with it failed: it must run alone once */
    bool news;   /* records were added in this step */
    double rank; /* priority - arrival / ageing: order among waiting requests */
    ig_beam_search *search;
    float *edited; /* rows that hooks and samplers may write: one, or one per beam */
    float *prompt_logprobs, *context_logits;
    ig_candidate *prompt_top;
    uint64_t n_logits; /* rows of generation_logits, over all branches */
    ig_status status;
    ig_err err;
};

typedef enum exec_item_kind { EXEC_DRAW, EXEC_SCORE } exec_item_kind;
/* Work on one row of logits, on any thread of the device. */
typedef struct exec_item {
    exec_item_kind kind;
    ig_exec_request *r;
    uint32_t branch;              /* of a draw */
    uint32_t row;                 /* score: the row's token in the prompt */
    const float *logits, *maxima; /* maxima: of every 64 logits, NULL = not known */
    ig_draw draw;
    double logsumexp;
    ig_candidate *top; /* [n_top] or NULL */
    ig_status status;
    ig_err err;
} exec_item;

/* A request's part of the step that runs. */
typedef struct exec_part {
    ig_exec_request *r;
    uint32_t share, n_shares; /* adjacent shares */
    bool prefill;
    uint32_t branch; /* of a prefill */
} exec_part;

struct ig_exec {
    ig_ref_count refs;
    ig_exec_options o;
    uint32_t context, n_vocab, n_threads, n_groups;
    uint64_t pool_bytes;
    ig_sched_limits limits;

    /* Shared. */
    ig_gate work;
    ig_gate news;   /* of any request: for who waits for several, or for all */
    ig_ring *inbox; /* requests; with the lowest bit set: look at its cancel flag */
    ig_flag closed, stopping, paused;
    ig_flag submitters;          /* threads inside submit */
    ig_flag waiting, unfinished; /* counts of requests */
    ig_tally number;             /* of the last request */
    ig_tally result_bytes;       /* reserved by requests that are held */
    ig_flag scan;                /* a cancel found the inbox full: look at all */
    ig_board *board;             /* ig_exec_facts */
    ig_ring *records, *unused;   /* ig_exec_iteration: to be read, to be filled */
    ig_exec_iteration *record_memory;

    /* ---- of the executor's thread ---- */
    ig_thread *thread;
    ig_kv *kv;
    ig_pool *pool;
    ig_steps *steps;
    ig_exec_request **queue; /* waiting, best rank first */
    uint32_t queue_at, queue_n, queue_cap;
    ig_exec_request **active; /* [seqs_max] hold pages or are being given some */
    uint32_t n_active;
    ig_exec_request *done;        /* ended in this turn */
    uint64_t deadline_ns;         /* the next of anyone's; UINT64_MAX = none */
    ig_sched_job *jobs;           /* [seqs_max + FRONT] */
    ig_exec_request **candidates; /* of jobs, while shares are built */
    uint32_t *order;
    uint8_t *writers; /* [pages of the largest group] zeros; see share_tails */
    ig_sched_pick *picks;
    ig_share *shares; /* [seqs_max] */
    exec_part *parts; /* [seqs_max] */
    exec_item *items; /* [outputs_max] */
    ig_candidate *tops;
    uint32_t n_shares, n_parts, n_items;
    bool reported;                         /* the board is as of now */
    double prefill_row_ns, decode_step_ns; /* lately, on the device; 0 = not seen yet */
    ig_sample_scratch **scratch;           /* [n_threads] */
    ig_exec_facts facts;
    ig_exec_iteration iteration;
};

/* exec.c: the executor's memory outlives its thread while requests are held. */
void exec_core_retain(ig_exec *x);
void exec_core_release(ig_exec *x);
/* A message of the inbox that says: look whether this request was cancelled. */
static inline void *exec_mark(ig_exec_request *r) {
    return (char *)(void *)r + 1;
}
static inline bool exec_is_mark(const void *message) {
    return (uintptr_t)message & 1;
}
static inline ig_exec_request *exec_unmark(void *message) {
    return (ig_exec_request *)(void *)((char *)message - 1);
}

/* exec_request.c */
/* Takes r's place among the waiting, in rank. The queue has room. */
void exec_queue_add(ig_exec *x, ig_exec_request *r);
void exec_queue_remove(ig_exec *x, uint32_t at);
void exec_release(ig_exec_request *r);
void exec_publish(ig_exec_request *r);
/* After exec_report: clients hear of what ended. */
void exec_tell_ends(ig_exec *x);
static inline bool exec_ended(const ig_exec_request *r) {
    return ig_flag_get(&r->ended) != 0;
}
/* The request ends: live branches get `reason`, pages are given back, clients are told. */
void exec_end(ig_exec *x, ig_exec_request *r, ig_exec_reason reason, ig_status status,
              const ig_err *err);
/* Pages are given back, tokens are kept: it waits again. */
void exec_preempt(ig_exec *x, ig_exec_request *r);
/* A branch lives no more: its pages are given back. */
void exec_end_branch(ig_exec_request *r, uint32_t branch, ig_exec_reason reason);
/* Every live branch ends, with a record that says why. */
void exec_end_all(ig_exec_request *r, ig_exec_reason reason);
ig_status exec_add_record(ig_exec_request *r, const ig_exec_token *token, const ig_candidate *top,
                          ig_err *err);
void exec_tell(ig_exec_request *r);
ig_status exec_room(exec_branch *b, uint32_t n, uint32_t most, ig_err *err);

/* exec_admit.c */
/* The most pages that a request can hold in a group. */
uint32_t exec_limit_pages(const ig_exec *x, uint32_t group, uint32_t n_prompt, uint32_t n_branches,
                          uint32_t length);
/* Fills jobs from active and the front of the queue; returns how many. */
uint32_t exec_snapshot(ig_exec *x);
/* Makes shares of the picks of n_jobs. */
void exec_build(ig_exec *x, const ig_sched_result *result, uint32_t n_jobs, uint64_t now_ns);
/* The branch of r that is to catch up, its rows, and whether it gives logits at the end. */
uint32_t exec_catch_up(const ig_exec_request *r, uint32_t *rows, bool *output);
/* The others are to fork from the first live branch when it has the prompt. */
bool exec_must_fork(const ig_exec_request *r);

/* exec_draw.c: after a step ran, while its logits are there. */
void exec_collect(ig_exec *x);
void exec_draw(ig_exec *x);
/* After the draws: commits, tokens, ends. */
void exec_settle(ig_exec *x, uint64_t now_ns);

bool exec_is_end(const ig_exec_request *r, int32_t id);
/* Stop words, by list or by hook, at the end of a branch. */
bool exec_text_ends(const ig_exec_request *r, const exec_branch *b);
void exec_count_token(ig_exec *x, ig_exec_request *r, uint64_t now_ns);

/* exec_beam.c: one step of a beam search whose rows are in this part; at its end the request has no
 * live branch. */
ig_status exec_beam_step(ig_exec *x, const exec_part *part, uint64_t now_ns, ig_err *err);

/* Results that a search gives at most. */
uint32_t exec_beam_results(const ig_exec_request *r);
/* The search was ended from outside: what it has so far becomes results; returns how many. */
uint32_t exec_beam_cut(ig_exec_request *r, ig_exec_reason reason);

/* exec_events.c. A request holds its queue from submit until it is freed, and a place in it until
 * it is closed and does not stand there. */
ig_status exec_events_attach(ig_exec_events *events, ig_exec_request *r, ig_err *err);
void exec_events_leave(ig_exec_events *events, ig_exec_request *r);
void exec_events_release(ig_exec_events *events);
void exec_events_push(ig_exec_events *events, ig_exec_request *r);

/* exec_stats.c */
void exec_count(ig_exec_histogram *h, uint64_t ns);
void exec_report(ig_exec *x);

#endif
