/* generate.c: prompt in, text out: eval, draw, detokenise, stop. One thread per session. */
#include "engine/engine_int.h"
#include "engine/stop_text.h"

typedef struct generation {
    ingot_session *s;
    const ingot_generate_options *o;
    ingot_generate_result *result;
    ig_sampler *sampler;
    ig_detok detok;
    ig_buf text; /* made but not given out: may become a stop string */
    size_t deaf; /* bytes of it that came before min_tokens: they stop nothing */
} generation;

/* Gives out what cannot become a stop string any more; `last` gives out everything. */
static void give_text(generation *g, bool last) {
    size_t found, n = g->text.n;
    const size_t hold =
        ig_stop_held(g->o->stop, g->o->n_stop, ig_buf_str(&g->text), g->deaf, &found);
    if (found != SIZE_MAX) {
        g->result->reason = INGOT_STOP_STRING;
        n = found;
    } else if (!last) {
        n -= hold;
    }
    if (n && g->o->on_text && !g->o->on_text(g->o->user, g->text.p, n) &&
        g->result->reason == INGOT_STOP_NONE)
        g->result->reason = INGOT_STOP_CALLBACK;
    if (n)
        memmove(g->text.p, g->text.p + n, g->text.n - n + 1);
    g->text.n -= n;
    g->deaf -= IG_MIN(g->deaf, n);
}

static ig_status take_token(generation *g, int32_t id, float logprob, ig_err *err) {
    g->result->generated_tokens++;
    if (g->o->on_token && !g->o->on_token(g->o->user, id, logprob))
        g->result->reason = INGOT_STOP_CALLBACK;
    if (ig_tokenizer_is_eog(g->s->model->tokenizer, id) && !g->o->sampling.ignore_eos) {
        g->result->reason = INGOT_STOP_EOS;
        return IG_OK;
    }
    IG_TRY(ig_detok_add(&g->detok, id, &g->text, err));
    if (g->result->generated_tokens < g->o->sampling.min_tokens)
        g->deaf = g->text.n;
    give_text(g, false);
    return IG_OK;
}

static ig_status draw(generation *g, int32_t *id, float *logprob, ig_err *err) {
    const float *logits = ig_step_outputs(g->s->model->module);
    ig_draw d;
    ig_sampler_know(g->sampler, ig_step_maxima(g->s->model->module));
    IG_TRY(ig_sampler_draw(g->sampler, logits, NULL, &d, err));
    *id = d.id;
    *logprob = 0;
    if (g->o->on_token)
        *logprob = (float)((double)logits[d.id] -
                           ig_logits_logsumexp(logits, g->s->model->plan->program->facts.n_vocab));
    return IG_OK;
}

/* Evaluates ids, then draws from the logits before anyone else takes a turn at the model. */
static ig_status turn(generation *g, const int32_t *ids, size_t n, int32_t *id, float *logprob,
                      ig_err *err) {
    IG_TRY(ig_engine_eval(g->s, ids, n, NULL, 1, true, err));
    const ig_status status = id ? draw(g, id, logprob, err) : IG_OK;
    ig_mutex_unlock(g->s->model->turn);
    return status;
}

static ig_status loop(generation *g, const int32_t *ids, size_t n_ids, ig_err *err) {
    ingot_generate_result *r = g->result;
    uint64_t start = ig_clock_ns();
    int32_t id = 0;
    float logprob = 0;
    bool wanted = g->o->max_tokens >= 0;
    ig_status status = turn(g, ids, n_ids, wanted ? &id : NULL, &logprob, err);
    uint64_t first = ig_clock_ns();
    r->prompt_seconds = (double)(first - start) * 1e-9;
    r->reason = wanted ? INGOT_STOP_NONE : INGOT_STOP_LENGTH;
    while (!status && r->reason == INGOT_STOP_NONE) {
        status = take_token(g, id, logprob, err);
        if (status || r->reason != INGOT_STOP_NONE)
            break;
        if (g->o->max_tokens > 0 && r->generated_tokens >= (uint64_t)g->o->max_tokens)
            r->reason = INGOT_STOP_LENGTH;
        else if (g->s->n_history >= g->s->model->options.context)
            r->reason = INGOT_STOP_CONTEXT;
        else
            status = turn(g, &id, 1, &id, &logprob, err);
    }
    r->generate_seconds = (double)(ig_clock_ns() - first) * 1e-9;
    ig_status end =
        r->reason == INGOT_STOP_STRING ? IG_OK : ig_detok_finish(&g->detok, &g->text, NULL);
    if (!end && r->reason != INGOT_STOP_STRING && r->reason != INGOT_STOP_CALLBACK)
        give_text(g, true);
    return status;
}

/* What was asked for, looked at before the session changes. */
static ig_status check(const generation *g, const int32_t *ids, size_t n_ids, ig_err *err) {
    const ingot_session *s = g->s;
    const ingot_generate_options *o = g->o;
    if (!o)
        return ig_fail(err, IG_EARGUMENT, "ingot_generate needs options; all zero will do");
    IG_TRY(ig_engine_need_text(s->model, err));
    IG_TRY(ig_stop_strings_check("stop", o->stop, o->n_stop, err));
    if (!s->model->plan->program->facts.causal || !s->model->plan->program->facts.has_logits)
        return ig_fail(err, IG_EUNSUPPORTED, "%s is not a text generator", s->model->arch);
    if (n_ids == 0 && s->n_history == 0)
        return ig_fail(err, IG_EARGUMENT, "the prompt is empty: there is nothing to generate from");
    return ig_engine_check_ids(s, ids, n_ids, err);
}

static ig_status prepare(generation *g, const int32_t *ids, size_t n_ids, ig_err *err) {
    const ingot_session *s = g->s;
    IG_TRY(check(g, ids, n_ids, err));
    IG_TRY(ig_engine_sampler(s->model, &g->o->sampling, &g->sampler, err));
    g->result->seed = ig_sampler_seed(g->sampler);
    for (uint32_t i = 0; i < s->n_history; i++)
        IG_TRY(ig_sampler_accept(g->sampler, s->history[i], err));
    for (size_t i = 0; i < n_ids; i++)
        IG_TRY(ig_sampler_accept(g->sampler, ids[i], err));
    ig_detok_init(&g->detok, s->model->tokenizer, g->o->special, true);
    return IG_OK;
}

ingot_status ingot_generate(ingot_session *session, const int32_t *ids, size_t n_ids,
                            const ingot_generate_options *options, ingot_generate_result *result,
                            ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    ingot_generate_result unused;
    generation g = {.s = session, .o = options, .result = result ? result : &unused};
    *g.result = (ingot_generate_result){.prompt_tokens = n_ids};
    ig_buf_init(&g.text, IG_STOP_BYTES_MAX + (1u << 20));
    ig_status status = prepare(&g, ids, n_ids, err);
    if (!status && n_ids == 0) {
        /* Nothing new to evaluate: the last token once more, for its logits. The ids outlive the
         * truncation; where a window forgot the past, all of them are evaluated again. */
        const uint32_t n = session->n_history, kept = ingot_session_truncate(session, n - 1);
        ids = session->history + kept;
        n_ids = n - kept;
    }
    if (!status)
        status = loop(&g, ids, n_ids, err);
    status = ig_engine_end(session, status, err);
    if (status == IG_ECANCELLED)
        g.result->reason = INGOT_STOP_CANCELLED;
    ig_sampler_destroy(&g.sampler);
    ig_buf_fini(&g.text);
    return (ingot_status)status;
}
