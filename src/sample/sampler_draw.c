/* sampler_draw.c: what a sampler does for a token: draws, edits of logits, accepted and forced
 * tokens. */
#include "sample/logprob_int.h"
#include "sample/philox.h"
#include "sample/sampler_int.h"

double ig_sampler_uniform(const ig_sampler *s, uint32_t stream) {
    return ig_uniform(s->p.seed, s->state.n_draws, (uint64_t)s->p.sequence << 32 | stream);
}

static void remember(ig_sampler *s, int32_t id) {
    ig_sampler_state *now = &s->state;
    /* A sampler that stands in the chain twice still counts a token once: its state is one. */
    if (s->penalty_window)
        ig_sampler_rows[IG_SAMPLER_PENALTIES].accept(s, id);
    now->n_accepted++;
    if (s->history_cap == 0)
        return;
    s->history[now->history_at] = id;
    now->history_at = now->history_at + 1 == s->history_cap ? 0 : now->history_at + 1;
    now->history_n = IG_MIN(now->history_n + 1, s->history_cap);
}

static void finish_draw(ig_sampler *s, int32_t id) {
    s->state.n_draws++;
    remember(s, id);
    ig_top_p_decay(s, id);
}

static ig_status check_token(const ig_sampler *s, int32_t id, ig_err *err) {
    if (id < 0 || (uint32_t)id >= s->n_vocab)
        return ig_fail(err, IG_EARGUMENT, "token %d is outside the vocabulary of %u", (int)id,
                       s->n_vocab);
    return IG_OK;
}

ig_status ig_sampler_accept(ig_sampler *s, int32_t id, ig_err *err) {
    IG_TRY(check_token(s, id, err));
    if (s->state.n_draws == 0 && s->state.n_ignored < s->p.prompt_ignore)
        s->state.n_ignored++;
    remember(s, id);
    return IG_OK;
}

ig_status ig_sampler_force(ig_sampler *s, int32_t id, ig_err *err) {
    IG_TRY(check_token(s, id, err));
    s->state.n_probs = 0;
    finish_draw(s, id);
    return IG_OK;
}

static void begin(ig_sampler *s, ig_candidates *c, const float *logits, const uint32_t *mask) {
    ig_candidates_begin(c, s->scratch, logits, mask);
    c->maxima = s->maxima;
    s->maxima = NULL;
    if (s->n_embedding_bias)
        ig_candidates_add(c, s->embedding_bias);
    for (uint32_t i = 0; i < s->p.n_logit_bias; i++) {
        float *x = ig_candidates_cell(c, s->bias[i].id), bias = s->bias[i].bias;
        if (x && bias < -FLT_MAX)
            *x = bias;
        else if (x && ig_finite(*x))
            *x = ig_clamp(*x + bias, -FLT_MAX, FLT_MAX);
    }
    ig_bans_apply(s, c);
}

static ig_status scan(ig_candidates *c, ig_err *err) {
    return c->dense && !c->scanned ? ig_candidates_scan(c, err) : IG_OK;
}

static ig_status apply(ig_sampler *s, ig_candidates *c, uint32_t stage, ig_err *err) {
    if (!s->stage[stage]->blind)
        IG_TRY(scan(c, err));
    s->stage[stage]->apply(s, c, stage);
    return IG_OK;
}

/* The best candidates of a finished draw; weights are as the drawing row left them. */
static void remember_probs(ig_sampler *s, const ig_candidates *c) {
    const ig_sample_scratch *m = c->s;
    float e[IG_TILE];
    double sum = 0.0;
    s->state.n_probs = 0;
    for (uint32_t i = 0; !c->dense && i < c->n; i++) {
        sum += (double)m->w[i];
        ig_best_offer(s->probs, &s->state.n_probs, s->p.n_probs,
                      (ig_candidate){ig_key_id(m->keys[i]), m->w[i]});
    }
    for (uint32_t t = 0; c->dense && t < m->n_tiles; t++) {
        if (!(m->tile_max[t] >= -FLT_MAX))
            continue;
        const float *x = ig_candidates_tile(c, t);
        sum += (double)m->tile_mass[t];
        ig_tile_exp(x, c->max, e);
        for (uint32_t j = 0; j < IG_TILE; j++)
            if (x[j] >= -FLT_MAX)
                ig_best_offer(s->probs, &s->state.n_probs, s->p.n_probs,
                              (ig_candidate){(int32_t)(t * IG_TILE + j), e[j]});
    }
    ig_best_sort(s->probs, s->state.n_probs);
    for (uint32_t i = 0; i < s->state.n_probs; i++)
        s->probs[i].p = (float)((double)s->probs[i].p / sum);
}

ig_status ig_sampler_draw(ig_sampler *s, const float *logits, const uint32_t *mask, ig_draw *out,
                          ig_err *err) {
    ig_candidates c;
    begin(s, &c, logits, mask);
    for (uint32_t i = 0; i < s->n_stages; i++)
        IG_TRY(apply(s, &c, i, err));
    IG_TRY(scan(&c, err));
    ig_pick pick = s->drawer->draw(s, &c);
    if (s->p.n_probs)
        remember_probs(s, &c);
    finish_draw(s, pick.id);
    *out = (ig_draw){pick.id, (float)pick.p};
    return IG_OK;
}

ig_status ig_sampler_edit(ig_sampler *s, const float *logits, const uint32_t *mask, float *out,
                          ig_err *err) {
    const ig_sampler_row *temperature = &ig_sampler_rows[IG_SAMPLER_TEMPERATURE];
    ig_candidates c;
    begin(s, &c, logits, mask);
    for (uint32_t i = 0; i < s->n_stages; i++) {
        bool removes = s->stage[i] == temperature && ig_temperature_greedy(&s->p);
        if (s->stage[i]->edits && !removes)
            IG_TRY(apply(s, &c, i, err));
    }
    IG_TRY(scan(&c, err));
    ig_candidates_write(&c, out);
    return IG_OK;
}

uint32_t ig_sampler_candidates(const ig_sampler *s, ig_candidate *out, uint32_t n) {
    n = IG_MIN(n, s->state.n_probs);
    if (n)
        memcpy(out, s->probs, n * sizeof *out);
    return n;
}
