/* sample.h: face of the sample room, floor 2: pure functions over logits. A chain is built from parameters once, then
 * draws a token per step. No model, no text, no batch: a draw depends on logits, parameters, the tokens accepted so far
 * and the seed only. Semantics and defaults: the llama.cpp chain (public documentation of its samplers). */
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
    float bias; /* -INFINITY forbids */
} ig_logit_bias;

/* A sequence breaker of DRY as the engine resolved it: the token runs that contain or overlap the breaker string. */
typedef struct ig_token_run {
    const int32_t *ids;
    uint32_t n;
} ig_token_run;

#define IG_SAMPLERS_MAX 16

/* Fill with ig_sample_defaults, then change. Arrays are borrowed during create only. */
typedef struct ig_sample_params {
    uint64_t seed; /* UINT32_MAX or UINT64_MAX = from the system's entropy */
    float temperature, dynatemp_range, dynatemp_exponent;
    int32_t top_k;
    float top_p, min_p, typical_p, top_n_sigma;
    float xtc_probability, xtc_threshold;
    int32_t min_keep;
    int32_t penalty_last_n; /* tokens looked back; 0 off, -1 = context */
    float penalty_repeat, penalty_frequency, penalty_presence;
    float dry_multiplier, dry_base;
    int32_t dry_allowed_length, dry_penalty_last_n;
    const ig_token_run *dry_breakers;
    uint32_t n_dry_breakers;
    int32_t mirostat; /* 0, 1, 2 */
    float mirostat_tau, mirostat_eta;
    float adaptive_target, adaptive_decay;
    const ig_logit_bias *logit_bias;
    uint32_t n_logit_bias;
    ig_sampler_kind chain[IG_SAMPLERS_MAX];
    uint32_t n_chain;
    uint32_t context_tokens; /* what -1 look-back means */
} ig_sample_params;

void ig_sample_defaults(ig_sample_params *p);
/* "penalties;dry;…" or letters "edskypmxt"; IG_EARGUMENT lists the valid names. */
IG_MUST_USE ig_status ig_sample_chain_parse(ig_str text, ig_sample_params *p, ig_err *err);
const char *ig_sampler_name(ig_sampler_kind kind);

/* One request's chain and its state (accepted tokens, mirostat mu, draws made). One thread. */
typedef struct ig_sampler ig_sampler;
/* Checks every range (NaN, negative, …): IG_EARGUMENT by field name. n_vocab > 0. */
IG_MUST_USE ig_status ig_sampler_create(ig_sampler **out, const ig_sample_params *p, uint32_t n_vocab, ig_err *err);
void ig_sampler_destroy(ig_sampler **s);
IG_MUST_USE ig_status ig_sampler_clone(ig_sampler **out, const ig_sampler *s, ig_err *err);
void ig_sampler_reset(ig_sampler *s);
/* The seed in use (after entropy was drawn). */
uint64_t ig_sampler_seed(const ig_sampler *s);

/* Tells the chain a token of the prompt (or a forced one) so that penalties see it; no draw. */
IG_MUST_USE ig_status ig_sampler_accept(ig_sampler *s, int32_t id, ig_err *err);

typedef struct ig_draw {
    int32_t id;
    float logprob; /* natural log of the chosen token's probability before any sampler: log softmax of the raw logits */
} ig_draw;
/* Draws from logits [n_vocab] (read only) and accepts the token. mask: bit i of word i/32 = token i allowed, NULL = all.
 * All -inf or NaN logits: IG_EARGUMENT. Never allocates. */
IG_MUST_USE ig_status ig_sampler_draw(ig_sampler *s, const float *logits, const uint32_t *mask, ig_draw *out, ig_err *err);

/* The candidates after the last draw, most probable first: at most n; returns how many. For n_probs of servers. */
typedef struct ig_candidate {
    int32_t id;
    float p;
} ig_candidate;
uint32_t ig_sampler_candidates(const ig_sampler *s, ig_candidate *out, uint32_t n);

#endif
