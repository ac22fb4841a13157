/* sampling.c: public sampling options → a sampler chain: names become enums, breaker
 * strings become token runs. */
#include <math.h>

#include "engine/engine_int.h"

/* Fields that mean the same on both sides. */
/* clang-format off */
#define COPY_FIELDS(X)                                                                             \
    X(seed) X(temperature) X(dynatemp_range) X(dynatemp_exponent) X(top_k) X(top_p) X(min_p)       \
    X(typical_p) X(top_n_sigma) X(xtc_probability) X(xtc_threshold) X(min_keep) X(dry_multiplier)  \
    X(dry_base) X(dry_allowed_length) X(dry_penalty_last_n) X(mirostat) X(mirostat_tau)            \
    X(mirostat_eta) X(adaptive_target) X(adaptive_decay)
/* clang-format on */

static const char *const DRY_BREAKERS[] = {"\n", ":", "\"", "*"};
#define DRY_RUNS_MAX 65536u   /* token runs of all breakers of a request */
#define DRY_BREAKERS_MAX 256u /* strings of a request */

void ingot_sampling_defaults(ingot_sampling *out) {
    ig_sample_params p;
    ig_sample_defaults(&p);
    *out = (ingot_sampling){.repeat_last_n = p.penalty_last_n,
                            .repeat_penalty = p.penalty_repeat,
                            .frequency_penalty = p.penalty_frequency,
                            .presence_penalty = p.penalty_presence};
#define X(field) out->field = p.field;
    COPY_FIELDS(X)
#undef X
}

typedef struct breaker_runs {
    ig_token_run *runs;
    int32_t *ids; /* storage */
    uint32_t n;
} breaker_runs;

/* A breaker breaks wherever a token's text contains it. */
static ig_status collect_runs(const ingot_model *model, const char *const *breakers,
                              uint32_t n_breakers, breaker_runs *out, ig_err *err) {
    const ig_tokenizer *tok = model->tokenizer;
    uint32_t vocab = ig_tokenizer_size(tok);
    out->runs = ig_alloc(DRY_RUNS_MAX, sizeof *out->runs);
    out->ids = ig_alloc(DRY_RUNS_MAX, sizeof *out->ids);
    if (!out->runs || !out->ids)
        return ig_fail_memory(err, DRY_RUNS_MAX * sizeof *out->runs);
    ig_buf piece;
    ig_buf_init(&piece, 1 << 20);
    ig_status status = IG_OK;
    for (uint32_t id = 0; id < vocab && !status && out->n < DRY_RUNS_MAX; id++) {
        ig_buf_clear(&piece);
        status = ig_tokenizer_piece(tok, (int32_t)id, false, &piece, err);
        bool breaks = false;
        for (uint32_t b = 0; b < n_breakers && piece.n && !breaks; b++)
            breaks = breakers[b][0] && strstr(piece.p, breakers[b]) != NULL;
        if (breaks) {
            out->ids[out->n] = (int32_t)id;
            out->runs[out->n] = (ig_token_run){&out->ids[out->n], 1};
            out->n++;
        }
    }
    ig_buf_fini(&piece);
    return status;
}

static ig_status collect_bias(const ingot_model *model, const ingot_sampling *in,
                              ig_logit_bias **bias, uint32_t *n, ig_err *err) {
    const ig_tokenizer *tok = model->tokenizer;
    uint32_t vocab = ig_tokenizer_size(tok), ends = 0;
    const ig_model_facts *facts = &model->plan->program->facts;
    for (uint32_t id = 0; in->ignore_eos && id < vocab; id++)
        ends += ig_tokenizer_is_eog(tok, (int32_t)id);
    size_t all = (size_t)in->n_logit_bias + ends + facts->suppress_count;
    if (all == 0)
        return IG_OK;
    ig_logit_bias *list = ig_alloc(all, sizeof *list);
    if (!list)
        return ig_fail_memory(err, all * sizeof *list);
    for (uint32_t i = 0; i < in->n_logit_bias; i++)
        list[(*n)++] = (ig_logit_bias){in->logit_bias[i].id, in->logit_bias[i].bias};
    for (uint32_t id = 0; ends && id < vocab; id++) {
        if (ig_tokenizer_is_eog(tok, (int32_t)id))
            list[(*n)++] = (ig_logit_bias){(int32_t)id, -INFINITY};
    }
    for (uint32_t i = 0; i < facts->suppress_count; i++)
        list[(*n)++] = (ig_logit_bias){(int32_t)(facts->suppress_first + i), -INFINITY};
    *bias = list;
    return IG_OK;
}

ig_status ig_engine_sampler(const ingot_model *model, const ingot_sampling *in, ig_sampler **out,
                            ig_err *err) {
    ig_sample_params p;
    ig_logit_bias *bias = NULL;
    breaker_runs runs = {0};
    ig_sample_defaults(&p);
#define X(field) p.field = in->field;
    COPY_FIELDS(X)
#undef X
    p.penalty_last_n = in->repeat_last_n;
    p.penalty_repeat = in->repeat_penalty;
    p.penalty_frequency = in->frequency_penalty;
    p.penalty_presence = in->presence_penalty;
    p.context_tokens = model->options.context;
    if (in->n_dry_breakers > DRY_BREAKERS_MAX)
        return ig_fail(err, IG_ELIMIT, "%u dry breakers; at most %u", in->n_dry_breakers,
                       DRY_BREAKERS_MAX);
    if (in->samplers)
        IG_TRY(ig_sample_chain_parse(ig_str_of(in->samplers), &p, err));
    ig_status status = collect_bias(model, in, &bias, &p.n_logit_bias, err);
    p.logit_bias = bias;
    if (!status && in->dry_multiplier > 0) {
        bool own = in->dry_breakers != NULL;
        const char *const *breakers = own ? in->dry_breakers : DRY_BREAKERS;
        uint32_t n = own ? in->n_dry_breakers : (uint32_t)IG_COUNT(DRY_BREAKERS);
        status = collect_runs(model, breakers, n, &runs, err);
        p.dry_breakers = runs.runs;
        p.n_dry_breakers = runs.n;
    }
    if (!status)
        status = ig_sampler_create(out, &p, model->plan->program->facts.n_vocab, err);
    ig_free(bias);
    ig_free(runs.runs);
    ig_free(runs.ids);
    return status;
}
