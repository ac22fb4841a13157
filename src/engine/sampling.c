/* sampling.c: public sampling options → a sampler chain: names become enums, breaker
 * strings become token runs. */
#include <math.h>

#include "engine/engine_int.h"
#include "engine/stop_text.h"

/* Fields that mean the same on both sides. */
/* clang-format off */
#define COPY_FIELDS(X)                                                                             \
    X(seed) X(temperature) X(dynatemp_range) X(dynatemp_exponent) X(top_k) X(top_p) X(min_p)       \
    X(typical_p) X(top_n_sigma) X(xtc_probability) X(xtc_threshold) X(min_keep) X(dry_multiplier)  \
    X(dry_base) X(dry_allowed_length) X(dry_penalty_last_n) X(mirostat) X(mirostat_tau)            \
    X(mirostat_eta) X(adaptive_target) X(adaptive_decay) X(top_p_min) X(top_p_decay)               \
    X(top_p_reset_id) X(min_tokens)
/* clang-format on */

static const char *const DRY_BREAKERS[] = {"\n", ":", "\"", "*"};
#define DRY_BREAKERS_MAX 256u     /* strings of a request */
#define DRY_BREAKER_BYTES_MAX 40u /* of one; the peer drops what is longer */

void ingot_sampling_defaults(ingot_sampling *out) {
    ig_sample_params p;
    ig_sample_defaults(&p);
    *out = (ingot_sampling){.repeat_last_n = p.penalty_last_n,
                            .repeat_penalty = p.penalty_repeat,
                            .frequency_penalty = p.penalty_frequency,
                            .presence_penalty = p.penalty_presence,
                            .no_repeat_ngram_size = p.no_repeat_ngram,
                            .prompt_ignore_length = p.prompt_ignore};
#define X(field) out->field = p.field;
    COPY_FIELDS(X)
#undef X
}

/* Never what somebody chose: a repeat penalty of 0 is refused. */
bool ig_engine_sampling_unset(const ingot_sampling *in) {
    bool set = in->repeat_last_n || in->repeat_penalty != 0 || in->frequency_penalty != 0 ||
               in->presence_penalty != 0 || in->no_repeat_ngram_size || in->prompt_ignore_length;
#define X(field) set = set || in->field != 0;
    COPY_FIELDS(X)
#undef X
    return !set;
}

/* Token runs of all breakers. Of a run only its head is a token that was looked for; the tail is
 * what the rest of the breaker is tokenised to, kept once for each rest. */
typedef struct breaker_runs {
    ig_token_run *runs;
    int32_t *ids; /* storage of all runs */
    uint32_t n, cap;
    size_t n_ids, ids_cap;
} breaker_runs;

static ig_status add_run(breaker_runs *r, int32_t head, const ig_ids *tail, ig_err *err) {
    const uint32_t n_tail = (uint32_t)IG_MIN(tail->n, (size_t)IG_DRY_BREAKER_TOKENS_MAX - 1);
    if (r->n == IG_DRY_BREAKERS_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "the dry sequence breakers are part of more than %u token runs; "
                       "use longer or fewer",
                       IG_DRY_BREAKERS_MAX);
    if (r->n == r->cap) {
        const uint32_t cap = r->cap ? r->cap * 2 : 1024;
        ig_token_run *runs = ig_realloc(r->runs, cap, sizeof *runs);
        if (!runs)
            return ig_fail_memory(err, cap * sizeof *runs);
        r->runs = runs;
        r->cap = cap;
    }
    if (r->n_ids + 1 + n_tail > r->ids_cap) {
        const size_t cap = IG_MAX(r->ids_cap * 2, (size_t)1024);
        int32_t *ids = ig_realloc(r->ids, cap, sizeof *ids);
        if (!ids)
            return ig_fail_memory(err, cap * sizeof *ids);
        r->ids = ids;
        r->ids_cap = cap;
    }
    r->ids[r->n_ids] = head;
    if (n_tail)
        memcpy(r->ids + r->n_ids + 1, tail->p, n_tail * sizeof *tail->p);
    r->n_ids += 1 + n_tail;
    r->runs[r->n++] = (ig_token_run){.n = 1 + n_tail}; /* ids: when they move no more */
    return IG_OK;
}

static bool contains(ig_str text, ig_str part) {
    for (size_t at = 0; at + part.n <= text.n; at++) {
        if (memcmp(text.p + at, part.p, part.n) == 0)
            return true;
    }
    return false;
}

/* A breaker breaks where a token's text contains it, and where a token's end is its beginning and
 * the tokens of the rest follow. */
static ig_status runs_of_breaker(const ig_tokenizer *tok, ig_str breaker,
                                 const ig_piece_index *pieces, breaker_runs *out, ig_err *err) {
    ig_ids tails[DRY_BREAKER_BYTES_MAX] = {{0}}; /* [n]: of the breaker without its first n bytes */
    ig_status status = IG_OK;
    for (size_t n = 1; n < breaker.n && !status; n++) {
        const ig_str rest = {breaker.p + n, breaker.n - n};
        status = ig_tokenizer_encode(tok, rest, 0, &tails[n], err);
    }
    for (uint32_t id = 0; id < ig_tokenizer_size(tok) && !status; id++) {
        const ig_str piece = ig_piece_text(pieces, id);
        if (contains(piece, breaker)) {
            status = add_run(out, (int32_t)id, &tails[0], err);
            continue;
        }
        for (size_t n = 1; n < breaker.n && n <= piece.n && !status; n++) {
            if (memcmp(piece.p + piece.n - n, breaker.p, n) == 0)
                status = add_run(out, (int32_t)id, &tails[n], err);
        }
    }
    for (size_t n = 0; n < IG_COUNT(tails); n++)
        ig_free(tails[n].p);
    return status;
}

static ig_status collect_runs(ingot_model *model, const char *const *breakers, uint32_t n_breakers,
                              breaker_runs *out, ig_err *err) {
    const ig_piece_index *pieces;
    ig_status status = IG_OK;
    if (n_breakers == 0)
        return IG_OK;
    if (n_breakers > DRY_BREAKERS_MAX)
        return ig_fail(err, IG_ELIMIT, "%u dry sequence breakers; at most %u", n_breakers,
                       DRY_BREAKERS_MAX);
    IG_TRY(ig_engine_pieces(model, &pieces, err));
    for (uint32_t b = 0; b < n_breakers && !status; b++) {
        const ig_str breaker = ig_str_of(breakers[b]);
        if (breaker.n > DRY_BREAKER_BYTES_MAX)
            status = ig_fail(err, IG_ELIMIT, "dry sequence breaker %u has %zu bytes; at most %u", b,
                             breaker.n, DRY_BREAKER_BYTES_MAX);
        else if (breaker.n)
            status = runs_of_breaker(model->tokenizer, breaker, pieces, out, err);
    }
    const int32_t *ids = out->ids;
    for (uint32_t i = 0; i < out->n; ids += out->runs[i++].n)
        out->runs[i].ids = ids;
    return status;
}

static ig_status collect_bias(const ingot_model *model, const ingot_sampling *in,
                              ig_logit_bias **bias, uint32_t *n, ig_err *err) {
    const ig_model_facts *facts = &model->plan->program->facts;
    const uint32_t ends = in->ignore_eos ? model->n_end_ids : 0;
    const size_t all = (size_t)in->n_logit_bias + ends + facts->suppress_count;
    if (in->n_logit_bias && !in->logit_bias)
        return ig_fail(err, IG_EARGUMENT, "logit_bias is NULL, and its count is %u",
                       in->n_logit_bias);
    if (in->n_logit_bias > IG_SAMPLE_BIAS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_logit_bias is %u; at most %u", in->n_logit_bias,
                       IG_SAMPLE_BIAS_MAX);
    if (all == 0)
        return IG_OK;
    ig_logit_bias *list = ig_alloc(all, sizeof *list);
    if (!list)
        return ig_fail_memory(err, all * sizeof *list);
    for (uint32_t i = 0; i < in->n_logit_bias; i++)
        list[(*n)++] = (ig_logit_bias){in->logit_bias[i].id, in->logit_bias[i].bias};
    for (uint32_t i = 0; i < ends; i++)
        list[(*n)++] = (ig_logit_bias){model->end_ids[i], -INFINITY};
    for (uint32_t i = 0; i < facts->suppress_count; i++)
        list[(*n)++] = (ig_logit_bias){(int32_t)(facts->suppress_first + i), -INFINITY};
    *bias = list;
    return IG_OK;
}

static void copy_numbers(const ingot_model *model, const ingot_sampling *in, ig_sample_params *p) {
    ig_sample_defaults(p);
    p->context_tokens = model->options.context;
    if (ig_engine_sampling_unset(in))
        return;
#define X(field) p->field = in->field;
    COPY_FIELDS(X)
#undef X
    p->penalty_last_n = in->repeat_last_n;
    p->penalty_repeat = in->repeat_penalty;
    p->penalty_frequency = in->frequency_penalty;
    p->penalty_presence = in->presence_penalty;
    p->no_repeat_ngram = in->no_repeat_ngram_size;
    p->prompt_ignore = in->prompt_ignore_length;
}

void ig_engine_lists_free(ig_engine_lists *lists) {
    ig_free(lists->bias);
    ig_free(lists->runs);
    ig_free(lists->run_ids);
    *lists = (ig_engine_lists){0};
}

/* TensorRT-LLM scales first and penalises then; a temperature of 0 means the best token after both,
 * where ours would already choose. */
static void greedy_at_the_end(ig_sample_params *p) {
    if (p->temperature > 0 || p->n_chain < 2 || p->chain[0] != IG_SAMPLER_TEMPERATURE)
        return;
    p->temperature = 1;
    p->top_k = 1;
}

ig_status ig_engine_sample_params(ingot_model *model, const ingot_sampling *in, ig_sample_params *p,
                                  ig_engine_lists *lists, ig_err *err) {
    breaker_runs runs = {0};
    *lists = (ig_engine_lists){0};
    copy_numbers(model, in, p);
    if (in->samplers) {
        IG_TRY(ig_sample_chain_parse(ig_str_of(in->samplers), p, err));
        greedy_at_the_end(p);
    }
    p->end_ids = model->end_ids;
    p->n_end_ids = p->min_tokens ? model->n_end_ids : 0;
    ig_status status = collect_bias(model, in, &lists->bias, &p->n_logit_bias, err);
    p->logit_bias = lists->bias;
    if (!status && p->dry_multiplier > 0) {
        bool own = in->dry_breakers != NULL;
        const char *const *breakers = own ? in->dry_breakers : DRY_BREAKERS;
        uint32_t n = own ? in->n_dry_breakers : (uint32_t)IG_COUNT(DRY_BREAKERS);
        status = collect_runs(model, breakers, n, &runs, err);
        p->dry_breakers = runs.runs;
        p->n_dry_breakers = runs.n;
    }
    lists->runs = runs.runs;
    lists->run_ids = runs.ids;
    if (status)
        ig_engine_lists_free(lists);
    return status;
}

ig_status ig_engine_sampler(ingot_model *model, const ingot_sampling *in, ig_sampler **out,
                            ig_err *err) {
    ig_sample_params p;
    ig_engine_lists lists;
    IG_TRY(ig_engine_sample_params(model, in, &p, &lists, err));
    const ig_status status = ig_sampler_create(out, &p, model->plan->program->facts.n_vocab, err);
    ig_engine_lists_free(&lists);
    return status;
}
