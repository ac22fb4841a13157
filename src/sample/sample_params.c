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
        .top_p_min = 1e-6f,
        .top_p_decay = 1.0f,
        .top_p_reset_id = -1,
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
    FIELD(top_p_min, 0.0f, 1.0f),
    FIELD(top_p_decay, FLT_MIN, 1.0f),
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
    FIELD(top_p_reset_id, -1, INT32_MAX),
};

typedef struct count_limit {
    const char *name;
    size_t offset;
    uint32_t max;
} count_limit;

#define LIMIT(field, max)                                                                          \
    { #field, offsetof(ig_sample_params, field), (max) }
static const count_limit limits[] = {
    LIMIT(context_tokens, IG_CONTEXT_MAX),   LIMIT(n_chain, IG_SAMPLERS_MAX),
    LIMIT(n_logit_bias, IG_SAMPLE_BIAS_MAX), LIMIT(n_dry_breakers, IG_DRY_BREAKERS_MAX),
    LIMIT(n_end_ids, IG_END_IDS_MAX),        LIMIT(n_bad_words, IG_BAD_WORDS_MAX),
};

static ig_status check_counts(const ig_sample_params *p, ig_err *err) {
    for (size_t i = 0; i < IG_COUNT(limits); i++) {
        uint32_t n;
        memcpy(&n, (const char *)p + limits[i].offset, sizeof n);
        if (n > limits[i].max)
            return ig_fail(err, IG_ELIMIT, "%s is %u; the limit is %u", limits[i].name, n,
                           limits[i].max);
    }
    return IG_OK;
}

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
    if (p->context_tokens == 0 && (p->penalty_last_n < 0 || p->dry_penalty_last_n < 0))
        return ig_fail(err, IG_EARGUMENT,
                       "%s is -1, the whole context, but context_tokens is 0; set one of them",
                       p->penalty_last_n < 0 ? "penalty_last_n" : "dry_penalty_last_n");
    if (p->context_tokens == 0 && p->no_repeat_ngram > 0 && p->no_repeat_ngram <= IG_CONTEXT_MAX)
        return ig_fail(err, IG_EARGUMENT,
                       "no_repeat_ngram is %u and looks at the whole context, but context_tokens "
                       "is 0; set it",
                       p->no_repeat_ngram);
    return IG_OK;
}

static ig_status check_chain(const ig_sample_params *p, ig_err *err) {
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

static ig_status check_runs(const char *what, const ig_token_run *runs, uint32_t n,
                            uint32_t tokens_max, uint32_t n_vocab, ig_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        if (runs[i].n < 1 || runs[i].n > tokens_max)
            return ig_fail(err, IG_EARGUMENT, "%s[%u] has %u tokens; it must have from 1 to %u",
                           what, i, runs[i].n, tokens_max);
        for (uint32_t j = 0; j < runs[i].n; j++)
            IG_TRY(check_id(what, i, runs[i].ids[j], n_vocab, err));
    }
    return IG_OK;
}

static ig_status check_biases(const ig_sample_params *p, uint32_t n_vocab, ig_err *err) {
    for (uint32_t i = 0; i < p->n_logit_bias; i++) {
        IG_TRY(check_id("logit_bias", i, p->logit_bias[i].id, n_vocab, err));
        if (!(p->logit_bias[i].bias <= FLT_MAX))
            return ig_fail(err, IG_EARGUMENT, "logit_bias[%u] is %g; it must be finite or -inf", i,
                           (double)p->logit_bias[i].bias);
    }
    for (uint32_t i = 0; p->embedding_bias && i < n_vocab; i++)
        if (!(p->embedding_bias[i] <= FLT_MAX))
            return ig_fail(err, IG_EARGUMENT, "embedding_bias[%u] is %g; it must be finite or -inf",
                           i, (double)p->embedding_bias[i]);
    return IG_OK;
}

static ig_status check_lists(const ig_sample_params *p, uint32_t n_vocab, ig_err *err) {
    IG_TRY(check_biases(p, n_vocab, err));
    if (p->top_p_reset_id >= 0 && (uint32_t)p->top_p_reset_id >= n_vocab)
        return ig_fail(err, IG_EARGUMENT,
                       "top_p_reset_id is %d; it must be below the vocabulary's %u, or -1",
                       (int)p->top_p_reset_id, n_vocab);
    for (uint32_t i = 0; i < p->n_end_ids; i++)
        IG_TRY(check_id("end_ids", i, p->end_ids[i], n_vocab, err));
    IG_TRY(check_runs("dry_breakers", p->dry_breakers, p->n_dry_breakers, IG_DRY_BREAKER_TOKENS_MAX,
                      n_vocab, err));
    return check_runs("bad_words", p->bad_words, p->n_bad_words, IG_WORD_TOKENS_MAX, n_vocab, err);
}

ig_status ig_sampler_check(const ig_sample_params *p, uint32_t n_vocab, ig_err *err) {
    if (n_vocab < 1 || n_vocab > IG_VOCAB_MAX)
        return ig_fail(err, IG_EARGUMENT, "n_vocab is %u; it must be from 1 to %u", n_vocab,
                       IG_VOCAB_MAX);
    IG_TRY(check_counts(p, err));
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
