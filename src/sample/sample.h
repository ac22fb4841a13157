/* sample.h: face of the sample room, floor 2: pure functions over logits. A chain is built from
 * parameters once, then draws a token per step. No model, no text, no batch: a draw depends on
 * logits, parameters, the tokens accepted so far and the seed only. Semantics and defaults: the
 * llama.cpp chain (public documentation of its samplers).
 *
 * Random numbers are Philox4x32-10 (Salmon et al. 2011), a counter-based generator: the key is the
 * seed, the counter is (number of draws made, stage of the chain, sequence). A draw therefore never
 * depends on what else is in a batch, nor on how many numbers another stage took. Decisions use no
 * libm: equal logits give equal tokens on every machine.
 *
 * Candidates are the tokens whose logit is finite. A NaN logit counts as -inf (never drawn); +inf
 * is refused. Ties go to the lower id. Truncating samplers remove candidates, where the peer
 * sometimes only sets them to -inf: the number of candidates that dynamic temperature divides by
 * counts what is left.
 *
 * Beside the chain stand the parameters of TensorRT-LLM's SamplingConfig that it lacks, beam search
 * as that engine defines it (candidate beam array, diversity rate, length penalty, early stopping),
 * and the rules that look at token lists: stop words and budgets for thinking. */
#ifndef IG_SAMPLE_SAMPLE_H
#define IG_SAMPLE_SAMPLE_H

#include "base/base.h"

typedef enum ig_sampler_kind {
    IG_SAMPLER_PENALTIES,   /* e */
    IG_SAMPLER_DRY,         /* d */
    IG_SAMPLER_TOP_N_SIGMA, /* s */
    IG_SAMPLER_TOP_K,       /* k */
    IG_SAMPLER_TYPICAL,     /* y */
    IG_SAMPLER_TOP_P,       /* p */
    IG_SAMPLER_MIN_P,       /* m */
    IG_SAMPLER_XTC,         /* x */
    IG_SAMPLER_TEMPERATURE, /* t */
    IG_SAMPLER_ADAPTIVE_P,  /* a: draws itself, must be last */
    IG_SAMPLER_COUNT
} ig_sampler_kind;

typedef struct ig_logit_bias {
    int32_t id;
    float bias; /* finite or -INFINITY, which forbids */
} ig_logit_bias;

/* A sequence breaker of DRY as the engine resolved it: the token runs that contain or overlap the
 * breaker string. 1 to IG_DRY_BREAKER_TOKENS_MAX tokens. */
typedef struct ig_token_run {
    const int32_t *ids;
    uint32_t n;
} ig_token_run;

#define IG_SAMPLERS_MAX 16
#define IG_END_IDS_MAX 1024u        /* real models have below ten */
#define IG_BAD_WORDS_MAX (1u << 16) /* looked at one by one in every draw */
#define IG_WORD_TOKENS_MAX 64u      /* tokens of one bad word */

/* Working memory for one thread's draws, about 24 bytes a token of vocabulary (touched only as far
 * as a chain needs it). Samplers may share one when they draw one after another. */
typedef struct ig_sample_scratch ig_sample_scratch;
IG_MUST_USE ig_status ig_sample_scratch_create(ig_sample_scratch **out, uint32_t n_vocab,
                                               ig_err *err);
void ig_sample_scratch_destroy(ig_sample_scratch **s);

/* Fill with ig_sample_defaults, then change. Arrays are borrowed during create only. */
typedef struct ig_sample_params {
    uint64_t seed;              /* UINT32_MAX or UINT64_MAX = from the system's entropy */
    float temperature;          /* finite; <= 0 = the most probable candidate */
    float dynatemp_range;       /* >= 0; 0 off */
    float dynatemp_exponent;    /* >= 0 */
    int32_t top_k;              /* <= 0 off */
    float top_p;                /* 0..1; 1 off */
    float min_p;                /* 0..1; 0 off */
    float typical_p;            /* 0..1; 1 off */
    float top_n_sigma;          /* finite; <= 0 off */
    float xtc_probability;      /* 0..1; 0 off */
    float xtc_threshold;        /* 0..1; above 0.5 off */
    int32_t min_keep;           /* >= 0 */
    int32_t penalty_last_n;     /* tokens looked back; 0 off, -1 = context */
    float penalty_repeat;       /* > 0; 1 off */
    float penalty_frequency;    /* finite; 0 off */
    float penalty_presence;     /* finite; 0 off */
    float dry_multiplier;       /* >= 0; 0 off */
    float dry_base;             /* >= 1 */
    int32_t dry_allowed_length; /* >= 0 */
    int32_t dry_penalty_last_n; /* as penalty_last_n */
    const ig_token_run *dry_breakers;
    uint32_t n_dry_breakers;
    int32_t mirostat; /* 0, 1, 2; 1 and 2 replace the chain by temperature and mirostat */
    float mirostat_tau, mirostat_eta; /* >= 0 */
    float adaptive_target;            /* <= 1; negative off */
    float adaptive_decay;             /* 0..0.99 */
    const ig_logit_bias *logit_bias;  /* added before the chain; an id may occur twice */
    uint32_t n_logit_bias;
    ig_sampler_kind chain[IG_SAMPLERS_MAX];
    uint32_t n_chain;
    uint32_t context_tokens; /* what -1 look-back means, and the history of no_repeat_ngram */
    uint32_t n_probs;        /* candidates remembered after each draw for ig_sampler_candidates */
    ig_sample_scratch *scratch; /* of the same n_vocab, outlives the sampler; NULL = its own */
    /* Of TensorRT-LLM. Bans and biases come before the chain. */
    uint32_t sequence;        /* of a request: another random stream each */
    float top_p_min;          /* 0..1; what a decaying top_p does not fall below */
    float top_p_decay;        /* 0 < decay <= 1: factor on top_p after each draw; 1 off */
    int32_t top_p_reset_id;   /* drawing it sets top_p back; -1 none */
    uint32_t no_repeat_ngram; /* no run of so many twice in the context; 0 or beyond it off */
    uint32_t prompt_ignore;   /* first tokens, before any draw, that presence and frequency skip */
    uint32_t min_tokens;      /* end_ids are forbidden until so many were drawn */
    const int32_t *end_ids;
    uint32_t n_end_ids;
    const ig_token_run *bad_words; /* 1..64 tokens each; never completed, may begin in the prompt */
    uint32_t n_bad_words;
    const float *embedding_bias; /* [n_vocab], finite or -INFINITY, added before logit_bias */
} ig_sample_params;

void ig_sample_defaults(ig_sample_params *p);
/* "penalties;dry;…" or letters "edskypmxt"; IG_EARGUMENT lists the valid names. Empty = no sampler:
 * a draw from the plain softmax. "trtllm" is "temperature;penalties;min_p;top_k;top_p", the order
 * of TensorRT-LLM; there a temperature of 0 would take the best before the penalties, so its greedy
 * is spelled temperature 1, top_k 1. */
IG_MUST_USE ig_status ig_sample_chain_parse(ig_str text, ig_sample_params *p, ig_err *err);
/* Canonical name, or NULL for a value outside the enum. */
const char *ig_sampler_name(ig_sampler_kind kind);

/* One request's chain and its state (accepted tokens, mirostat mu, draws made). One thread. */
typedef struct ig_sampler ig_sampler;
/* Checks every range (NaN, negative, …): IG_EARGUMENT by field name. n_vocab > 0. */
IG_MUST_USE ig_status ig_sampler_check(const ig_sample_params *p, uint32_t n_vocab, ig_err *err);
/* Checks as above, and takes all memory. */
IG_MUST_USE ig_status ig_sampler_create(ig_sampler **out, const ig_sample_params *p,
                                        uint32_t n_vocab, ig_err *err);
void ig_sampler_destroy(ig_sampler **s);
/* The largest of every IG_SAMPLE_TILE logits (-inf where none is a number) of the row that the next
 * draw or edit is given, when whoever made the logits has them: a draw then reads few logits more.
 * Borrowed until then; NULL takes it back. */
#define IG_SAMPLE_TILE 64u
void ig_sampler_know(ig_sampler *s, const float *maxima);
/* Draws use this scratch from now on (of the same n_vocab), which must outlive them; not for a
 * sampler that owns one. For draws of one sampler on changing threads. */
void ig_sampler_borrow(ig_sampler *s, ig_sample_scratch *scratch);
/* The same state and seed: both continue with the same draws. A shared scratch stays shared. */
IG_MUST_USE ig_status ig_sampler_clone(ig_sampler **out, const ig_sampler *s, ig_err *err);
/* The state (accepted tokens, counts, draws made …) of a sampler with the same parameters, but for
 * seed and sequence, which stay. Never allocates. For beams. */
void ig_sampler_copy(ig_sampler *s, const ig_sampler *from);
/* As just created, with the seed that is in use. */
void ig_sampler_reset(ig_sampler *s);
/* The seed in use (after entropy was drawn). */
uint64_t ig_sampler_seed(const ig_sampler *s);

/* Tells the chain a token of the prompt so that penalties see it; no draw. */
IG_MUST_USE ig_status ig_sampler_accept(ig_sampler *s, int32_t id, ig_err *err);
/* A token of the output that the caller chose: counts as a draw, nothing random is used. */
IG_MUST_USE ig_status ig_sampler_force(ig_sampler *s, int32_t id, ig_err *err);

typedef struct ig_draw {
    int32_t id;
    float p; /* its probability among the candidates that were left */
} ig_draw;
/* Draws from logits [n_vocab] (read only) and accepts the token. mask: bit i of word i/32 = token i
 * allowed, NULL = all. No finite logit left (after biases and bans), or a logit of +inf:
 * IG_EARGUMENT, and the state is as before. Never allocates. */
IG_MUST_USE ig_status ig_sampler_draw(ig_sampler *s, const float *logits, const uint32_t *mask,
                                      ig_draw *out, ig_err *err);

/* What a draw does before it removes or draws anything: mask, biases, bans, and every edit of the
 * chain (penalties, DRY, temperature above 0) in its order. out [n_vocab] may be logits itself;
 * -inf where a token is forbidden. Errors as in a draw, and out is as before. For beam search and
 * log-probabilities. */
IG_MUST_USE ig_status ig_sampler_edit(ig_sampler *s, const float *logits, const uint32_t *mask,
                                      float *out, ig_err *err);

typedef struct ig_candidate {
    int32_t id;
    float p;
} ig_candidate;
/* The candidates of the last draw as the chain left them, most probable first: at most n and at
 * most the parameter n_probs; returns how many. */
uint32_t ig_sampler_candidates(const ig_sampler *s, ig_candidate *out, uint32_t n);

/* ln sum exp of raw logits, -INFINITY when none is finite. The log-probability of a token before
 * any sampler is logits[id] minus this. Costs one exponential a token, so it is asked for and not
 * part of a draw. */
double ig_logits_logsumexp(const float *logits, uint32_t n_vocab);
/* The n most probable tokens of the raw softmax, most probable first; returns how many. logsumexp
 * as above. */
uint32_t ig_logits_top(const float *logits, uint32_t n_vocab, double logsumexp, ig_candidate *out,
                       uint32_t n);

/* ---- beam search ---- */

#define IG_BEAMS_MAX 64u
#define IG_BEAM_WIDTHS_MAX 8u

typedef struct ig_beam_params {
    uint32_t width;                      /* 1..64; the largest with `widths` */
    uint32_t widths[IG_BEAM_WIDTHS_MAX]; /* per step, the last repeats; n_widths 0 = always width */
    uint32_t n_widths;
    float diversity_rate;   /* >= 0; added per index of the source beam when candidates are ranked,
                               not to the score that is kept */
    float length_penalty;   /* >= 0; score = sum of log p / length^penalty */
    int32_t early_stopping; /* 1: done when `width` hypotheses have ended; 0: when no live beam can
                               beat the worst at its present length; else: at the length limit */
    uint32_t n_vocab, max_tokens; /* max_tokens: generated, at most */
    const int32_t *end_ids;       /* copied; tokens that end a hypothesis */
    uint32_t n_end_ids;
} ig_beam_params;

typedef struct ig_beam_search ig_beam_search;
/* IG_EARGUMENT by field name. Takes all memory that a search of max_tokens needs, so that no later
 * call fails for want of it. */
IG_MUST_USE ig_status ig_beam_create(ig_beam_search **out, const ig_beam_params *p, ig_err *err);
void ig_beam_destroy(ig_beam_search **search);

typedef struct ig_beam_next {
    uint32_t parent; /* live beam of the step before */
    int32_t id;
    double score; /* sum of log p, not normalised */
} ig_beam_next;
typedef struct ig_beam_step {
    ig_beam_next next[IG_BEAMS_MAX]; /* live beams after this step */
    uint32_t n;
    bool done; /* nothing better can come, or max_tokens is reached: n = 0 */
} ig_beam_step;
/* One step. logits: one row [n_vocab] per live beam (one before the first step), as the samplers'
 * edits left them; log p is their log-softmax. Of 2 * width best continuations the ends among the
 * first width become hypotheses, the others live beams until there are width. Ties go to the lower
 * beam, then the lower id. A search that is done stays so, and reads no logits. IG_EARGUMENT when a
 * row has no finite logit or one of +inf: the search is as before. */
IG_MUST_USE ig_status ig_beam_advance(ig_beam_search *search, const float *const *logits,
                                      ig_beam_step *step, ig_err *err);
/* A live beam may end for another reason (stop words): it becomes a hypothesis as it is and leaves
 * the live ones; later beams move up. Whether the search is done by that, the next step says. */
void ig_beam_end(ig_beam_search *search, uint32_t beam);

typedef struct ig_beam_result {
    double score;   /* normalised: what results are sorted by */
    double logprob; /* sum of log p */
    uint32_t n_tokens;
    bool ended; /* by an end id or ig_beam_end; else cut off by the limit */
} ig_beam_result;
/* Merges what is live into the finished ones (unless the search was done before max_tokens); best
 * first, equals in the order they ended. Returns how many there are, at most the width. */
uint32_t ig_beam_finish(ig_beam_search *search);
void ig_beam_describe(const ig_beam_search *search, uint32_t i, ig_beam_result *result);
/* Tokens (the end id included) and log-probabilities of result i, n_tokens each; either NULL. */
void ig_beam_tokens(const ig_beam_search *search, uint32_t i, int32_t *ids, float *logprobs);

/* ---- token lists ---- */

/* True when one of the words ends the tokens, of which those of the prompt may be a part. */
bool ig_words_end(const ig_token_run *words, uint32_t n_words, const int32_t *tokens, size_t n);

/* A budget for thinking: after `budget` tokens inside begin…end the end is forced, token by token.
 * Tokens of an end that the model began count, and only the rest of that end is forced, so there
 * are never more than `budget` tokens between the two. It may think again after that. */
#define IG_THINK_TOKENS_MAX 16u
typedef struct ig_think_params {
    ig_token_run begin; /* at most 16 tokens; 0 only when open. The ids must outlive the state */
    ig_token_run end;   /* 1 to 16 tokens, likewise */
    uint32_t budget;    /* tokens between begin and end */
    bool open;          /* the prompt ends inside */
} ig_think_params;
/* The caller's memory, copied freely; one thread. */
typedef struct ig_think {
    ig_think_params p;
    uint32_t spent;   /* tokens since begin */
    uint32_t matched; /* of end, that the last tokens are */
    uint32_t forced;  /* tokens accepted because they were forced, in all */
    bool inside;
    int32_t last[16]; /* tokens since the last border */
    uint32_t n_last;
} ig_think;
/* IG_EARGUMENT by field name. */
IG_MUST_USE ig_status ig_think_init(ig_think *t, const ig_think_params *p, ig_err *err);
/* The token that must come next, -1 = free. */
int32_t ig_think_forces(const ig_think *t);
void ig_think_accept(ig_think *t, int32_t id);

#endif
