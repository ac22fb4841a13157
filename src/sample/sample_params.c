/* sample_params.c: defaults and ranges of the parameters. */
#include <stddef.h>

#include "sample/sampler_int.h"

void ig_sample_defaults(ig_sample_params *p) {
    *p = (ig_sample_params){
        .seed = UINT32_MAX,
        .temperature = 0.8f,
        .dynatemp_exponent = 1.0f,
        .top_k = 40,
        .top_p = 0.95f,
        .min_p = 0.05f,
        .typical_p = 1.0f,
        .top_n_sigma = -1.0f,
        .xtc_threshold = 0.1f,
        .penalty_last_n = 64,
        .penalty_repeat = 1.0f,
        .dry_base = 1.75f,
        .dry_allowed_length = 2,
        .dry_penalty_last_n = 64,
        .mirostat_tau = 5.0f,
        .mirostat_eta = 0.1f,
        .adaptive_target = -1.0f,
        .adaptive_decay = 0.9f,
        .n_chain = 9,
    };
    for (uint32_t i = 0; i < p->n_chain; i++)
        p->chain[i] = (ig_sampler_kind)i; /* the enum is in the default order */
}

typedef struct real_range {
    const char *name;
    size_t offset;
    float lo, hi;
} real_range;

#define FIELD(field, lo, hi)                                                                       \
    { #field, offsetof(ig_sample_params, field), (lo), (hi) }
static const real_range reals[] = {
    FIELD(temperature, -FLT_MAX, FLT_MAX),
    FIELD(dynatemp_range, 0.0f, FLT_MAX),
    FIELD(dynatemp_exponent, 0.0f, FLT_MAX),
    FIELD(top_p, 0.0f, 1.0f),
    FIELD(min_p, 0.0f, 1.0f),
    FIELD(typical_p, 0.0f, 1.0f),
    FIELD(top_n_sigma, -FLT_MAX, FLT_MAX),
    FIELD(xtc_probability, 0.0f, 1.0f),
    FIELD(xtc_threshold, 0.0f, 1.0f),
    FIELD(penalty_repeat, FLT_MIN, FLT_MAX),
    FIELD(penalty_frequency, -FLT_MAX, FLT_MAX),
    FIELD(penalty_presence, -FLT_MAX, FLT_MAX),
    FIELD(dry_multiplier, 0.0f, FLT_MAX),
    FIELD(dry_base, 1.0f, FLT_MAX),
    FIELD(mirostat_tau, 0.0f, FLT_MAX),
    FIELD(mirostat_eta, 0.0f, FLT_MAX),
    FIELD(adaptive_target, -FLT_MAX, 1.0f),
    FIELD(adaptive_decay, 0.0f, 0.99f),
};

typedef struct whole_range {
    const char *name;
    size_t offset;
    int32_t lo, hi;
} whole_range;

static const whole_range wholes[] = {
    FIELD(top_k, INT32_MIN, INT32_MAX),
    FIELD(min_keep, 0, INT32_MAX),
    FIELD(penalty_last_n, -1, (int32_t)IG_CONTEXT_MAX),
    FIELD(dry_allowed_length, 0, INT32_MAX),
    FIELD(dry_penalty_last_n, -1, (int32_t)IG_CONTEXT_MAX),
    FIELD(mirostat, 0, 2),
};

static ig_status check_numbers(const ig_sample_params *p, ig_err *err) {
    const char *base = (const char *)p;
    for (size_t i = 0; i < IG_COUNT(reals); i++) {
        float x;
        memcpy(&x, base + reals[i].offset, sizeof x);
        if (!(x >= reals[i].lo && x <= reals[i].hi))
            return ig_fail(err, IG_EARGUMENT, "%s is %g; it must be from %g to %g", reals[i].name,
                           (double)x, (double)reals[i].lo, (double)reals[i].hi);
    }
    for (size_t i = 0; i < IG_COUNT(wholes); i++) {
        int32_t x;
        memcpy(&x, base + wholes[i].offset, sizeof x);
        if (x < wholes[i].lo || x > wholes[i].hi)
            return ig_fail(err, IG_EARGUMENT, "%s is %d; it must be from %d to %d", wholes[i].name,
                           (int)x, (int)wholes[i].lo, (int)wholes[i].hi);
    }
    if (p->context_tokens > IG_CONTEXT_MAX)
        return ig_fail(err, IG_ELIMIT, "context_tokens is %u; the limit is %u", p->context_tokens,
                       IG_CONTEXT_MAX);
    if (p->context_tokens == 0 && (p->penalty_last_n < 0 || p->dry_penalty_last_n < 0))
        return ig_fail(err, IG_EARGUMENT,
                       "%s is -1, the whole context, but context_tokens is 0; set one of them",
                       p->penalty_last_n < 0 ? "penalty_last_n" : "dry_penalty_last_n");
    return IG_OK;
}

static ig_status check_chain(const ig_sample_params *p, ig_err *err) {
    if (p->n_chain > IG_SAMPLERS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_chain is %u; the limit is %d", p->n_chain,
                       IG_SAMPLERS_MAX);
    for (uint32_t i = 0; i < p->n_chain; i++) {
        if ((unsigned)p->chain[i] >= IG_SAMPLER_COUNT)
            return ig_fail(err, IG_EARGUMENT, "chain[%u] is %d, which is no sampler", i,
                           (int)p->chain[i]);
        if (p->chain[i] == IG_SAMPLER_ADAPTIVE_P && i + 1 != p->n_chain)
            return ig_fail(err, IG_EARGUMENT, "chain[%u] is adaptive_p, which draws; put it last",
                           i);
    }
    return IG_OK;
}

static ig_status check_id(const char *what, uint32_t i, int32_t id, uint32_t n_vocab, ig_err *err) {
    if (id < 0 || (uint32_t)id >= n_vocab)
        return ig_fail(err, IG_EARGUMENT, "%s[%u]: token %d is outside the vocabulary of %u", what,
                       i, (int)id, n_vocab);
    return IG_OK;
}

static ig_status check_lists(const ig_sample_params *p, uint32_t n_vocab, ig_err *err) {
    if (p->n_logit_bias > IG_SAMPLE_BIAS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_logit_bias is %u; the limit is %u", p->n_logit_bias,
                       IG_SAMPLE_BIAS_MAX);
    for (uint32_t i = 0; i < p->n_logit_bias; i++) {
        IG_TRY(check_id("logit_bias", i, p->logit_bias[i].id, n_vocab, err));
        if (!(p->logit_bias[i].bias <= FLT_MAX))
            return ig_fail(err, IG_EARGUMENT, "logit_bias[%u] is %g; it must be finite or -inf", i,
                           (double)p->logit_bias[i].bias);
    }
    if (p->n_dry_breakers > IG_DRY_BREAKERS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_dry_breakers is %u; the limit is %u", p->n_dry_breakers,
                       IG_DRY_BREAKERS_MAX);
    for (uint32_t i = 0; i < p->n_dry_breakers; i++) {
        const ig_token_run *run = &p->dry_breakers[i];
        if (run->n < 1 || run->n > IG_DRY_BREAKER_TOKENS_MAX)
            return ig_fail(err, IG_EARGUMENT,
                           "dry_breakers[%u] has %u tokens; it must have from 1 to %u", i, run->n,
                           IG_DRY_BREAKER_TOKENS_MAX);
        for (uint32_t j = 0; j < run->n; j++)
            IG_TRY(check_id("dry_breakers", i, run->ids[j], n_vocab, err));
    }
    return IG_OK;
}

ig_status ig_sample_params_check(const ig_sample_params *p, uint32_t n_vocab, ig_err *err) {
    if (n_vocab < 1 || n_vocab > IG_VOCAB_MAX)
        return ig_fail(err, IG_EARGUMENT, "n_vocab is %u; it must be from 1 to %u", n_vocab,
                       IG_VOCAB_MAX);
    IG_TRY(check_numbers(p, err));
    IG_TRY(check_chain(p, err));
    if (p->n_probs > n_vocab)
        return ig_fail(err, IG_EARGUMENT, "n_probs is %u; the vocabulary has %u tokens", p->n_probs,
                       n_vocab);
    if (p->scratch && p->scratch->n_vocab != n_vocab)
        return ig_fail(err, IG_EARGUMENT,
                       "scratch is for %u tokens, the sampler for %u; make one of the same size",
                       p->scratch->n_vocab, n_vocab);
    return check_lists(p, n_vocab, err);
}

uint32_t ig_sample_window(const ig_sample_params *p, int32_t last_n) {
    return last_n < 0 ? p->context_tokens : (uint32_t)last_n;
}
