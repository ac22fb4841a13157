/* ingot.h: the public face of Ingot: open a model, tokenise, evaluate, generate.
 *
 * Objects. A model is a file cast for this machine: weights, vocabulary, chat template. A session
 * is one mutable timeline of tokens over a model: callers hand over tokens, never tensors. Options
 * structs: all zero means defaults; where nothing must be filled in, NULL does as well.
 * Threads. A model may be used from any thread for tokenising, templates and facts. Evaluation is
 * one at a time per model: sessions of one model may live on different threads, and the library
 * makes them take turns. ingot_session_cancel may be called from any thread at any time.
 * Ownership. Whatever a function creates is freed by the function of the same noun; free
 * functions take a pointer to the pointer, accept NULL and null it. Text given out
 * (ingot_text) belongs to the caller.
 * Errors. Every call that can fail returns ingot_status and fills *error (may be NULL) with
 * what was wrong, where, and after "; " what to do about it. The library never prints, exits or
 * reads the environment. */
#ifndef INGOT_INGOT_H
#define INGOT_INGOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define INGOT_API __attribute__((visibility("default")))
#else
#define INGOT_API
#endif

typedef enum ingot_status {
    INGOT_OK = 0,
    INGOT_END,         /* end of data */
    INGOT_AGAIN,       /* nothing now, try later */
    INGOT_ARGUMENT,    /* the caller's mistake */
    INGOT_MEMORY,      /* allocation failed */
    INGOT_IO,          /* the operating system refused */
    INGOT_FORMAT,      /* malformed input */
    INGOT_UNSUPPORTED, /* well-formed, but not implemented or not possible here */
    INGOT_LIMIT,       /* a limit was exceeded */
    INGOT_BUSY,
    INGOT_CANCELLED,
    INGOT_DEVICE,
    INGOT_NETWORK,
    INGOT_INTERNAL /* our mistake: please report */
} ingot_status;

typedef struct ingot_error {
    ingot_status code;
    int line;         /* where in the library, for reports */
    const char *file; /* static */
    char message[512];
} ingot_error;

/* Text owned by the caller: zero-terminated after `size` bytes. */
typedef struct ingot_text {
    char *data;
    size_t size;
} ingot_text;
INGOT_API void ingot_text_free(ingot_text *text);

INGOT_API const char *ingot_version(void);
INGOT_API const char *ingot_status_name(ingot_status status);

typedef enum ingot_log_level {
    INGOT_LOG_NONE,
    INGOT_LOG_ERROR,
    INGOT_LOG_WARN,
    INGOT_LOG_INFO,
    INGOT_LOG_DEBUG,
    INGOT_LOG_TRACE
} ingot_log_level;

/* ---- models ---------------------------------------------------------------------------------- */

typedef struct ingot_model ingot_model;

typedef struct ingot_model_options {
    const char *device;  /* "cpu" (default), "ref" (scalar reference, slow) */
    const char *cpu_isa; /* "avx512", "avx2", "neon", "scalar"; NULL = best */
    uint32_t threads;    /* at most 256; 0 = physical cores */
    bool pin_threads;
    uint32_t context;   /* tokens of one session; 0 = the model's, at most 8192 */
    uint32_t batch;     /* tokens of one step; 0 = 512 */
    uint32_t outputs;   /* rows of a step whose logits may be asked for; 0 = 1, or as sequences */
    uint32_t sequences; /* of one step, for an executor (executor.h), at most 4096; 0 = 1 */
    const char *cache_type_k, *cache_type_v; /* "f32", "f16" (default), "bf16", "q8_0", "q4_0" */
    double rope_freq_base, rope_freq_scale;  /* 0 = as the file says */
    const char *rope_scaling;                /* "none", "linear", "yarn"; NULL = as the file says */
    bool vocab_only; /* no weights: tokenising and templates only; works on vocabulary files */
    bool profile;    /* measure seconds per op */
    ingot_log_level log_level;
    void (*log)(void *user, ingot_log_level level, const char *line); /* any thread; may be NULL */
    void *log_user;
    void (*progress)(void *user, double share); /* while weights are packed; may be NULL */
    void *progress_user;
} ingot_model_options;

/* Opens a model by path: a .gguf file (any part of a split file). Takes memory for weights and
 * activations once; keys and values are reserved per session. A vocabulary that cannot be used
 * leaves a model that takes ids only; one of another size than the model's is INGOT_FORMAT. */
INGOT_API ingot_status ingot_model_open(ingot_model **out, const char *path,
                                        const ingot_model_options *options, ingot_error *error);
/* Every session must have been closed. */
INGOT_API void ingot_model_close(ingot_model **model);

typedef struct ingot_model_facts {
    const char *architecture, *name, *format, *device; /* live as long as the model */
    uint32_t layers, width, vocabulary, heads, kv_heads;
    uint32_t context_trained; /* tokens the model was trained for */
    uint32_t context, batch;  /* as opened */
    uint64_t parameters, weight_bytes, file_bytes;
    uint64_t step_bytes;     /* weight bytes read per generated token */
    uint64_t token_ops;      /* operations of linear layers per prompt token; a multiply-add is 2 */
    uint64_t kv_token_bytes; /* bytes of keys and values per token (windows not counted) */
    uint32_t threads;        /* in use */
    bool has_chat_template;
} ingot_model_facts;
INGOT_API void ingot_model_describe(const ingot_model *model, ingot_model_facts *facts);
/* Bytes that generating one token reads after `tokens` tokens: weights, and the keys and values
 * that are visible then (a sliding window shows no more than its length). 0 without weights. */
INGOT_API uint64_t ingot_model_step_bytes(const ingot_model *model, uint32_t tokens);

/* What the model's device could do at best, measured now for some tens of milliseconds
 * with all its threads. */
typedef struct ingot_roof {
    double read_bytes_per_second; /* streaming read from memory */
    double dot_ops_per_second;    /* best dot product of 8-bit integers; a multiply-add is 2 */
} ingot_roof;
INGOT_API ingot_status ingot_model_roof(ingot_model *model, ingot_roof *roof, ingot_error *error);

/* Layers that keep equally many tokens share pages of keys and values. */
#define INGOT_PAGE_GROUPS_MAX 4
typedef struct ingot_forecast_group {
    uint32_t layers;
    uint32_t window; /* tokens that its layers keep; 0 = all */
    uint32_t pages;  /* of one sequence at full context */
    uint64_t page_bytes;
} ingot_forecast_group;

/* Bytes that a model will take with these options, before anything big is allocated. */
typedef struct ingot_forecast {
    uint64_t weight_bytes; /* as in the file; packing for a device changes them by a few percent */
    /* Keys and values of all sequences at full context, exact to a page: what a session reserves,
     * or an executor whose options leave it to that (executor.h). */
    uint64_t kv_bytes;
    uint64_t kv_pages;
    uint64_t activation_bytes;               /* of full steps, an estimate on the safe side */
    uint64_t memory_total, memory_available; /* of this machine; 0 = unknown */
    uint32_t context, batch, sequences;      /* as the model would be opened */
    uint32_t context_trained;
    uint32_t page_tokens, n_groups;
    ingot_forecast_group groups[INGOT_PAGE_GROUPS_MAX];
} ingot_forecast;
INGOT_API ingot_status ingot_model_forecast(const char *path, const ingot_model_options *options,
                                            ingot_forecast *forecast, ingot_error *error);

/* The most that fits into so much memory (0 = what is available now) beside the weights, each by
 * itself; 0 = nothing, or the available memory is unknown. */
typedef struct ingot_fit {
    uint32_t context_max;   /* tokens of one sequence */
    uint32_t sequences_max; /* of options.context tokens each */
} ingot_fit;
INGOT_API ingot_status ingot_model_fit(const char *path, const ingot_model_options *options,
                                       uint64_t memory_bytes, ingot_fit *fit, ingot_error *error);

/* What a model file says, as text or JSON; works on files of unknown architecture. */
typedef enum ingot_report {
    INGOT_REPORT_SUMMARY = 0,
    INGOT_REPORT_METADATA = 1, /* every key */
    INGOT_REPORT_TENSORS = 2,  /* every tensor */
    INGOT_REPORT_PLAN = 4,     /* the plan that would run (with the options' device) */
    INGOT_REPORT_JSON = 8
} ingot_report;
INGOT_API ingot_status ingot_model_report(const char *path, const ingot_model_options *options,
                                          unsigned report, ingot_text *out, ingot_error *error);
/* Names of known architectures; NULL after the last. */
INGOT_API const char *ingot_architecture(size_t i);

/* ---- text ------------------------------------------------------------------------------------ */

typedef enum ingot_tokenize_flag {
    INGOT_ADD_SPECIAL = 1,  /* BOS and EOS as the vocabulary says */
    INGOT_PARSE_SPECIAL = 2 /* text of control tokens becomes the token */
} ingot_tokenize_flag;

/* Ids of text (any bytes). *ids belongs to the caller: ingot_ids_free. */
INGOT_API ingot_status ingot_tokenize(const ingot_model *model, const char *text, size_t size,
                                      unsigned flags, int32_t **ids, size_t *n_ids,
                                      ingot_error *error);
INGOT_API void ingot_ids_free(int32_t **ids);
/* Text of ids; control tokens appear only with `special`. */
INGOT_API ingot_status ingot_detokenize(const ingot_model *model, const int32_t *ids, size_t n_ids,
                                        bool special, ingot_text *out, ingot_error *error);
/* Token as written in the vocabulary; lives as long as the model; size bytes, not
 * terminated. NULL outside. */
INGOT_API const char *ingot_token(const ingot_model *model, int32_t id, size_t *size);
INGOT_API uint32_t ingot_vocabulary_size(const ingot_model *model);
/* True when the token ends a generation. */
INGOT_API bool ingot_token_ends(const ingot_model *model, int32_t id);

typedef struct ingot_chat_options {
    const char *template_source; /* NULL = the model's */
    size_t template_size;
    const char *tools_json; /* array or NULL */
    const char *extra_json; /* object with further template variables or NULL */
    const char *bos, *eos;  /* NULL = the model's tokens */
    bool no_generation_prompt;
    int64_t now_s; /* for strftime_now; 0 = now */
} ingot_chat_options;
/* Renders messages (JSON array of {"role", "content", …}) through the chat template. A template
 * that raises gives INGOT_ARGUMENT and exactly its message in *out (the error has what fits one
 * line). model may be NULL when template_source is given. */
INGOT_API ingot_status ingot_chat_render(const ingot_model *model, const char *messages_json,
                                         size_t size, const ingot_chat_options *options,
                                         ingot_text *out, ingot_error *error);

/* ---- sessions -------------------------------------------------------------------------------- */

typedef struct ingot_session ingot_session;

/* Reserves keys and values for the model's context. The model must outlive the session. */
INGOT_API ingot_status ingot_session_open(ingot_session **out, ingot_model *model,
                                          ingot_error *error);
INGOT_API void ingot_session_close(ingot_session **session);
/* Tokens evaluated so far. */
INGOT_API uint32_t ingot_session_tokens(const ingot_session *session);
/* Keeps the first n tokens; when a sliding window already forgot what they would need, starts anew:
 * returns what is kept. */
INGOT_API uint32_t ingot_session_truncate(ingot_session *session, uint32_t n);
/* Keeps the longest beginning that the evaluated tokens and ids share, but never all of ids, so
 * that evaluating the rest gives the logits after them; forgets the other tokens as truncate does.
 * Returns what is kept: go on with ids + that many. */
INGOT_API uint32_t ingot_session_keep(ingot_session *session, const int32_t *ids, size_t n_ids);

/* Evaluates ids after what is there, in steps of the model's batch. logits: NULL, or room for
 * n_logits rows of the vocabulary, filled with those of the last n_logits ids. INGOT_LIMIT when the
 * context is full (nothing was evaluated). */
INGOT_API ingot_status ingot_session_eval(ingot_session *session, const int32_t *ids, size_t n_ids,
                                          float *logits, size_t n_logits, ingot_error *error);
/* Stops the eval or generate of this session that runs, or the next one when none does, at its next
 * step: INGOT_CANCELLED. A call that it hits in its last step returns that as well, so that a
 * cancel is never lost and never meets a second call. Any thread, any time; also from a signal
 * handler. */
INGOT_API void ingot_session_cancel(ingot_session *session);

/* Writes tokens, keys and values to a file, versioned and with a checksum, and takes them back in
 * place of what the session has. Loading asks for the same model, device, cache types and room for
 * the tokens; a file that does not fit or is damaged leaves an empty session and says why. Going on
 * gives the same logits as if nothing had happened. */
INGOT_API ingot_status ingot_session_save(ingot_session *session, const char *path,
                                          ingot_error *error);
INGOT_API ingot_status ingot_session_load(ingot_session *session, const char *path,
                                          ingot_error *error);

/* Seconds per op summed over all steps of the session's model so far, whichever session made them
 * (options.profile), as text: op, kernel, seconds, share. Any thread. */
INGOT_API ingot_status ingot_session_profile(const ingot_session *session, ingot_text *out,
                                             ingot_error *error);

/* ---- generation ------------------------------------------------------------------------------ */

typedef struct ingot_logit_bias {
    int32_t id;
    float bias; /* -INFINITY forbids */
} ingot_logit_bias;

/* Sampling: fill with ingot_sampling_defaults, then change; numbers that are all zero mean the
 * defaults. Names and meaning are those of llama.cpp; repeat_last_n -1 looks back at everything, as
 * TensorRT-LLM's penalties do. */
typedef struct ingot_sampling {
    uint64_t seed; /* UINT32_MAX = random */
    float temperature, dynatemp_range, dynatemp_exponent;
    int32_t top_k;
    float top_p, min_p, typical_p, top_n_sigma;
    float xtc_probability, xtc_threshold;
    int32_t min_keep;
    int32_t repeat_last_n;
    float repeat_penalty, frequency_penalty, presence_penalty;
    float dry_multiplier, dry_base;
    int32_t dry_allowed_length, dry_penalty_last_n;
    const char *const *dry_breakers; /* strings; NULL = "\n", ":", "\"", "*" */
    uint32_t n_dry_breakers;
    int32_t mirostat;
    float mirostat_tau, mirostat_eta;
    float adaptive_target, adaptive_decay;
    const char *samplers; /* "penalties;dry;…" or letters; NULL = the default chain */
    const ingot_logit_bias *logit_bias;
    uint32_t n_logit_bias;
    bool ignore_eos;
    /* TensorRT-LLM's, with its meaning; "trtllm" as `samplers` gives its order too. */
    float top_p_min, top_p_decay;  /* after each token top_p becomes max(top_p * decay, min) */
    int32_t top_p_reset_id;        /* until this token; -1 = none */
    uint32_t no_repeat_ngram_size; /* 0 = off */
    uint32_t prompt_ignore_length; /* prompt tokens that presence and frequency do not count */
    uint32_t min_tokens;           /* nothing ends before so many were generated */
} ingot_sampling;
INGOT_API void ingot_sampling_defaults(ingot_sampling *sampling);

typedef enum ingot_stop_reason {
    INGOT_STOP_NONE,
    INGOT_STOP_EOS,      /* the model ended */
    INGOT_STOP_LENGTH,   /* max_tokens */
    INGOT_STOP_CONTEXT,  /* the context is full */
    INGOT_STOP_STRING,   /* a stop string */
    INGOT_STOP_CALLBACK, /* the callback said so */
    INGOT_STOP_CANCELLED
} ingot_stop_reason;

typedef struct ingot_generate_options {
    ingot_sampling sampling;
    int64_t max_tokens;      /* 0 = until the end or a full context; negative = none */
    const char *const *stop; /* strings that end the text; they are not given out */
    uint32_t n_stop;
    bool special; /* give out the text of control tokens too */
    /* Text as it is made: valid UTF-8, held back while it may become a stop string.
     * False ends the generation. */
    bool (*on_text)(void *user, const char *text, size_t size);
    /* Every token, with its log-probability under the raw logits; may be NULL. */
    bool (*on_token)(void *user, int32_t id, float logprob);
    void *user;
} ingot_generate_options;

typedef struct ingot_generate_result {
    ingot_stop_reason reason;
    uint64_t prompt_tokens, generated_tokens;
    double prompt_seconds, generate_seconds; /* generate_seconds: from the first token on */
    uint64_t seed;
} ingot_generate_result;

/* Evaluates ids (may be empty when logits of the last eval are still those of the end), then draws
 * tokens until something ends it. The session then holds prompt and generated tokens (without the
 * last one drawn, which was not evaluated). */
INGOT_API ingot_status ingot_generate(ingot_session *session, const int32_t *ids, size_t n_ids,
                                      const ingot_generate_options *options,
                                      ingot_generate_result *result, ingot_error *error);

#ifdef __cplusplus
}
#endif
#endif
