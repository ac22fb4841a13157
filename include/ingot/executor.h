/* executor.h: many requests at once over one model, each as if it were alone.
 *
 * An executor is one thread that keeps a device busy: in every step it decodes a token for each
 * running request and fills what is left with pieces of new prompts, over paged memory that
 * requests with the same beginning share. A request's tokens and log-probabilities do not depend on
 * what else runs, on how its prompt was cut, on what the cache had, or on the number of threads: on
 * the CPU they are the same bits as alone.
 *
 * Life of a request: submit gives a handle; outputs are taken from it as they come, or at the end;
 * close gives it back. Closing cancels what still runs, so a client that goes away needs no more
 * than that.
 *
 * Threads. Every function may be called from any thread, but a request's ready, next, await and
 * close belong to the one thread at a time that takes its outputs (to that of its event queue, if
 * it has one), and so does an event queue; poll and cancel belong to any. Nothing a client does or
 * leaves undone makes the executor wait. Callbacks run on the executor's thread, must be quick, and
 * must not call functions of this header that wait.
 * Ownership. What submit is given is copied, but for callbacks and events; what a callback needs
 * belongs to the request until on_release. Pointers in outputs live until the next call for the
 * same request. Handles and places for results are never NULL but for what closes, and for submit
 * and open, which say INGOT_ARGUMENT.
 * Names. Fields mean what they mean in TensorRT-LLM's executor (SamplingConfig, OutputConfig) and,
 * where that has none, in llama.cpp. */
#ifndef INGOT_EXECUTOR_H
#define INGOT_EXECUTOR_H

#include "ingot/ingot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- executor ---------------------------------------------------------------------------------
 */

typedef struct ingot_executor ingot_executor;

typedef enum ingot_policy {
    INGOT_MAX_UTILIZATION,     /* fills memory; when pages run out, the lowest-ranked request gives
                                  its own back and is computed again later */
    INGOT_GUARANTEED_NO_EVICT, /* admits only what can run to its maximum length without that */
    INGOT_STATIC_BATCH         /* a batch is admitted when the one before is done, and nobody
                                  decodes before all its prompts are done */
} ingot_policy;

/* All zero means defaults. */
typedef struct ingot_executor_options {
    uint32_t sequences; /* of a step, and of all running requests; 0 = as the model was opened */
    uint32_t tokens;    /* of a step; 0 = the model's batch */
    uint32_t queue;     /* requests that wait at most; 0 = 1024 */
    uint32_t context;   /* tokens of one sequence; 0 = the model's */
    /* Memory for keys and values: the largest that these allow, at least one page of each group.
     * All 0 = every sequence can be as long as the context, if that takes no more than half of the
     * memory that is free; else that half. */
    uint64_t kv_bytes;
    uint64_t kv_tokens;
    double kv_share; /* of the memory that is free now: 0.9 = nine tenths */
    ingot_policy policy;
    /* While sequences generate, steps should take no longer: prompts come in smaller pieces then
     * (never below 32 tokens). 0 = 100, negative = pieces are as large as fit. */
    double step_ms;
    double ageing_seconds; /* a wait this long is worth a priority of 1; 0 = 10, negative = none */
    bool no_prefix_cache;
    uint32_t iteration_stats; /* steps whose statistics are kept until taken; 0 = 1000 */
} ingot_executor_options;

/* The model must outlive the executor and every request of it, and was opened for generating text.
 * Sessions of the same model take turns with it, step by step. INGOT_UNSUPPORTED for models that
 * generate no text. *out is NULL on failure. */
INGOT_API ingot_status ingot_executor_open(ingot_executor **out, ingot_model *model,
                                           const ingot_executor_options *options,
                                           ingot_error *error);
/* Cancels what runs and waits until its thread has ended. Requests and event queues stay readable
 * until they are closed, and while the model is open. */
INGOT_API void ingot_executor_close(ingot_executor **executor);

typedef struct ingot_executor_facts {
    uint32_t sequences, tokens, queue, context; /* in use; context: what one sequence can reach */
    uint32_t page_tokens, pages;
    uint64_t kv_bytes; /* reserved for keys and values, exact to a page */
    ingot_policy policy;
} ingot_executor_facts;
INGOT_API void ingot_executor_describe(const ingot_executor *executor, ingot_executor_facts *facts);

/* While paused, requests are accepted and can be cancelled, but nothing runs. */
INGOT_API void ingot_executor_pause(ingot_executor *executor, bool paused);
/* Takes no more requests from now on (submit says INGOT_CANCELLED) and waits until all are done:
 * INGOT_AGAIN when that takes longer; while paused, requests are done only by being cancelled.
 * Timeouts here and below: microseconds, 0 = do not wait, UINT64_MAX = for ever. */
INGOT_API ingot_status ingot_executor_drain(ingot_executor *executor, uint64_t timeout_us,
                                            ingot_error *error);

/* ---- requests ---------------------------------------------------------------------------------
 */

typedef struct ingot_request ingot_request;
typedef struct ingot_events ingot_events;

typedef struct ingot_words {
    const int32_t *ids;
    uint32_t n;
} ingot_words;

/* Beam search; width 0 or 1 = sampling. Of ingot_sampling only what changes probabilities applies:
 * biases, bans, penalties, temperature (1 when nothing is set); what draws or cuts has no part,
 * but for mirostat and dynatemp_range, which are refused because they would change these. Mind that
 * ingot_sampling_defaults sets a temperature. Streaming, top_logprobs, generation_logits and
 * think_tokens do not go with beams: INGOT_UNSUPPORTED.
 * Log-probabilities of beams are those that they were ranked by, after such changes. */
typedef struct ingot_beams {
    uint32_t width;         /* at most 64 */
    const uint32_t *widths; /* per step, at most 8, the last repeats; NULL = always width */
    uint32_t n_widths;
    float diversity_rate;   /* >= 0 */
    float length_penalty;   /* >= 0; score = sum of log p / length^penalty */
    int32_t early_stopping; /* 1: stop when `width` results have ended; 0: when no better one can
                               come at the present length; other values: at the full length */
} ingot_beams;

typedef struct ingot_request_options {
    /* The prompt: ids, or text that is tokenised with these flags (ingot_tokenize_flag). */
    const int32_t *ids;
    size_t n_ids;
    const char *text;
    size_t text_size;
    unsigned text_flags;

    ingot_sampling sampling;
    ingot_beams beams;
    uint32_t n; /* sequences that begin with this prompt, or beams returned; 0 = 1, or all beams */

    int64_t max_tokens; /* of each sequence; 0 = until the end or a full context; negative = none */
    const char *const *stop; /* strings that end a sequence; its text ends before them */
    uint32_t n_stop;
    const ingot_words *stop_words; /* token lists that end it; they stay in the output */
    uint32_t n_stop_words;
    /* Strings that never appear in the text; at most 256 bytes each, 4096 in all. Control tokens
     * have text with `special` only. */
    const char *const *bad;
    uint32_t n_bad;
    const ingot_words *bad_words; /* token lists that never appear */
    uint32_t n_bad_words;
    const int32_t *end_ids; /* tokens that end a sequence; NULL = the vocabulary's */
    uint32_t n_end_ids;
    const float *embedding_bias; /* [vocabulary], added to the logits; NULL = none */
    /* Tokens between these two marks; then the end mark is forced. 0 = no limit, negative = none.
     */
    const char *think_begin, *think_end; /* NULL = "<think>", "</think>" */
    int64_t think_tokens;
    /* May change the logits [n_logits] before a draw. ids: prompt and output so far. False fails
     * this request. */
    bool (*on_logits)(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids,
                      float *logits, size_t n_logits);
    void *on_logits_user;
    /* on_logits may still be called after ingot_request_close returned. This is called once, when
     * nothing will look at on_logits_user again: when the handle was closed and the executor has
     * let go of the request, or when submit failed; on any thread. The place to free it. */
    void (*on_release)(void *user);

    bool logprobs;         /* of each token, under the model's own distribution (but: beams) */
    uint32_t top_logprobs; /* the most probable tokens beside it; with logprobs */
    bool prompt_logprobs, context_logits, generation_logits;
    bool include_input; /* the first output's ids begin with the prompt; its text does not */
    bool no_text;       /* ids only */
    bool special;       /* text of control tokens too */

    bool streaming;         /* outputs and events for every step; else everything at the end */
    float priority;         /* -1 (last) to 1 (first) */
    double time_limit_s;    /* from now; 0 = none, negative = has passed already */
    const void *cache_salt; /* requests share beginnings only with those of the same salt */
    size_t cache_salt_size;
    uint8_t cache_priority; /* 1 to 100: how long its pages are kept; 0 = 35 */
    bool no_cache;
    uint64_t tag;         /* the client's, given back in the state */
    ingot_events *events; /* NULL = none */
} ingot_request_options;

/* Queues a request. INGOT_ARGUMENT, INGOT_LIMIT, INGOT_UNSUPPORTED name the field; INGOT_BUSY when
 * the queue is full, or the results of requests that are not closed may already take 8 GiB (logits,
 * log-probabilities of prompts: limit max_tokens); INGOT_CANCELLED after drain: nothing was queued
 * then, and *out is NULL. */
INGOT_API ingot_status ingot_executor_submit(ingot_executor *executor,
                                             const ingot_request_options *options,
                                             ingot_request **out, ingot_error *error);
/* Cancels it if it runs, and gives the handle back. */
INGOT_API void ingot_request_close(ingot_request **request);
/* Any state, any time: the request ends soon with what it has; nothing happens when it has ended.
 */
INGOT_API void ingot_request_cancel(ingot_request *request);

typedef enum ingot_finish {
    INGOT_FINISH_NONE, /* goes on */
    INGOT_FINISH_END_ID,
    INGOT_FINISH_STOP, /* a stop string or stop words */
    INGOT_FINISH_LENGTH,
    INGOT_FINISH_CONTEXT, /* the context is full */
    INGOT_FINISH_TIMED_OUT,
    INGOT_FINISH_CANCELLED,
    INGOT_FINISH_FAILED
} ingot_finish;

typedef struct ingot_top_logprob {
    int32_t id; /* -1 = there are no more */
    float logprob;
} ingot_top_logprob;

/* What came of one sequence since the last call. */
typedef struct ingot_output {
    uint32_t sequence;
    const int32_t *ids;           /* [n_ids] */
    const float *logprobs;        /* [n_ids], or NULL */
    const ingot_top_logprob *top; /* [n_ids][top_logprobs], or NULL */
    size_t n_ids;
    const char *text; /* valid UTF-8; held back while it may become a stop string */
    size_t text_size;
    ingot_finish finish; /* not NONE: the last output of this sequence */
} ingot_output;

/* Takes the next output, waiting up to timeout_us for it. INGOT_AGAIN when none came, INGOT_END
 * after the last one, and the request's error when it failed. */
INGOT_API ingot_status ingot_request_next(ingot_request *request, ingot_output *output,
                                          uint64_t timeout_us, ingot_error *error);
/* True when ingot_request_next would not wait. */
INGOT_API bool ingot_request_ready(const ingot_request *request);
/* Waits until one (or, with all, every) of the requests has an output (or, with ended, has ended).
 * They must be of one executor. INGOT_AGAIN when that takes longer. */
INGOT_API ingot_status ingot_requests_await(ingot_request *const *requests, size_t n, bool all,
                                            bool ended, uint64_t timeout_us, ingot_error *error);

typedef enum ingot_stage {
    INGOT_QUEUED,
    INGOT_CONTEXT_IN_PROGRESS,
    INGOT_GENERATION_IN_PROGRESS,
    INGOT_COMPLETE
} ingot_stage;

/* Seconds are since the submission; negative = not yet. */
typedef struct ingot_request_state {
    uint64_t id, tag, seed;
    ingot_stage stage;
    uint32_t sequences; /* that are computed: of beams, their width */
    uint32_t prompt_tokens, prefilled_tokens, generated_tokens;
    uint32_t cached_tokens; /* of the prompt, taken over from earlier requests */
    uint32_t preempted;     /* times */
    double scheduled_s, first_token_s, last_token_s, ended_s;
    uint64_t first_step, last_step;
} ingot_request_state;
INGOT_API void ingot_request_poll(const ingot_request *request, ingot_request_state *state);

/* What is there when a request has ended; NULL (or 0) before that, or when it was not asked for. */
typedef struct ingot_result {
    const float *prompt_logprobs;        /* [prompt_tokens]; the first is 0 */
    const ingot_top_logprob *prompt_top; /* [prompt_tokens][top_logprobs] */
    const float *context_logits;         /* [prompt_tokens][vocabulary] */
} ingot_result;
INGOT_API void ingot_request_result(const ingot_request *request, ingot_result *result);
typedef struct ingot_sequence_result {
    double cumulative_logprob;  /* of the generated tokens, with options.logprobs or beams */
    double score;               /* beams: divided by length^penalty; else the same */
    const float *const *logits; /* generation_logits: [n_logits] rows of [vocabulary] */
    uint32_t n_logits;
} ingot_sequence_result;
INGOT_API void ingot_request_sequence(const ingot_request *request, uint32_t sequence,
                                      ingot_sequence_result *result);

/* ---- events -----------------------------------------------------------------------------------
 */

/* A queue of requests with news, for one thread that serves many. Room for `requests` that were
 * submitted with it; a closed one gives its place back when the executor has let go of it, at the
 * end of a step, and the queue was looked at. */
INGOT_API ingot_status ingot_events_open(ingot_events **out, uint32_t requests, ingot_error *error);
INGOT_API void ingot_events_close(ingot_events **events);
/* For poll(2), epoll or io_uring: readable when there may be news. Never read or write it. */
INGOT_API int ingot_events_fd(const ingot_events *events);
/* Requests with news, each once until it has further ones; waits up to timeout_us for the first.
 * Take all outputs of each (until INGOT_AGAIN or INGOT_END). Returns how many. */
INGOT_API size_t ingot_events_wait(ingot_events *events, ingot_request **out, size_t max,
                                   uint64_t timeout_us);

/* ---- statistics -------------------------------------------------------------------------------
 */

/* One step, by TensorRT-LLM's names. */
typedef struct ingot_iteration_stats {
    uint64_t iter;
    double timestamp_s; /* of a monotonic clock */
    double latency_ms, device_ms, queue_latency_ms;
    uint32_t num_new_active_requests, num_active_requests, num_queued_requests;
    uint32_t num_completed_requests, num_paused_requests;
    uint32_t num_scheduled_requests, num_context_requests, num_gen_requests;
    uint32_t num_ctx_tokens, num_gen_tokens;
    uint32_t kv_max_num_blocks, kv_free_num_blocks, kv_used_num_blocks, kv_cached_num_blocks;
    uint64_t kv_alloc_total_blocks, kv_alloc_new_blocks, kv_reused_blocks, kv_missed_blocks;
} ingot_iteration_stats;
/* Takes up to max records, oldest first; those not taken in time are dropped, oldest first. */
INGOT_API size_t ingot_executor_iterations(ingot_executor *executor, ingot_iteration_stats *out,
                                           size_t max);

/* Bucket i counts durations up to ingot_histogram_bound(i) seconds, the last one all others. */
#define INGOT_HISTOGRAM_BUCKETS 24
typedef struct ingot_histogram {
    uint64_t counts[INGOT_HISTOGRAM_BUCKETS];
    uint64_t n;
    double sum_s;
} ingot_histogram;
INGOT_API double ingot_histogram_bound(uint32_t bucket); /* INFINITY for the last */

/* Sums since the executor was opened. */
typedef struct ingot_executor_stats {
    uint64_t steps, failed_steps;
    uint64_t submitted, completed, cancelled, timed_out, failed, preemptions;
    uint64_t prompt_tokens, cached_tokens; /* of requests that were scheduled */
    uint64_t prefill_tokens;               /* computed, those of preempted requests again */
    uint64_t generated_tokens;
    double busy_s, device_s; /* in steps; of that, on the device */
    uint32_t active, queued;
    uint32_t kv_pages, kv_used_pages, kv_cached_pages, kv_free_pages;
    uint64_t kv_reused_pages, kv_missed_pages, kv_evicted_pages;
    ingot_histogram time_to_first_token, inter_token, end_to_end, queue_time;
} ingot_executor_stats;
INGOT_API void ingot_executor_stats_now(const ingot_executor *executor,
                                        ingot_executor_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
