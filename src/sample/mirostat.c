/* mirostat.c: Mirostat 1 and 2 (Basu et al. 2020): truncates so that the surprise of drawn tokens
 * stays near tau, by a bound mu that follows the error. */
#include "sample/sampler_int.h"

#define FITTED_MAX 100u /* tokens that the Zipf exponent of version 1 is estimated from */
#define LN2 0.69314718055994530942

void ig_mirostat_reset(ig_sampler *s) {
    s->state.mirostat_mu = 2.0 * (double)s->p.mirostat_tau;
}

static ig_pick draw_and_learn(ig_sampler *s, ig_candidates *c) {
    ig_pick pick = ig_candidates_draw(c, ig_sampler_uniform(s, IG_STREAM_DRAW));
    double surprise = -ig_ln(pick.p) / LN2;
    s->state.mirostat_mu -= (double)s->p.mirostat_eta * (surprise - (double)s->p.mirostat_tau);
    return pick;
}

/* Exponent of the Zipf law through the best candidates: least squares of the log ratios of
 * neighbours. */
static double zipf_exponent(const ig_candidates *c) {
    double tb = 0.0, tt = 0.0;
    for (uint32_t i = 0; i + 1 < IG_MIN(c->n, FITTED_MAX); i++) {
        double t = ig_ln((double)(i + 2) / (double)(i + 1));
        double b = (double)ig_key_logit(c->s->keys[i]) - (double)ig_key_logit(c->s->keys[i + 1]);
        tb += t * b;
        tt += t * t;
    }
    return tt > 0.0 ? tb / tt : 0.0;
}

/* How many tokens to keep so that the expected surprise is mu; a flat top (exponent 0) says nothing
 * and keeps one or all, as the limit of the formula does. */
static uint32_t kept_by_zipf(double exponent, double mu, uint32_t n_vocab) {
    double n = (double)n_vocab, epsilon = exponent - 1.0;
    if (n_vocab < 2)
        return 1;
    double ratio =
        epsilon < 1e-9 && epsilon > -1e-9 ? 1.0 / ig_ln(n) : epsilon / (1.0 - ig_pow(n, -epsilon));
    double base = ig_exp(mu * LN2) * ratio;
    if (!(exponent > 1e-9))
        return base > 1.0 ? n_vocab : 1;
    double k = ig_pow(base, 1.0 / exponent);
    return k >= n ? n_vocab : k > 1.0 ? (uint32_t)k : 1;
}

ig_pick ig_mirostat_1_draw(ig_sampler *s, ig_candidates *c) {
    bool dense = c->dense;
    if (dense)
        ig_candidates_top(c, FITTED_MAX);
    ig_candidates_sort(c);
    uint32_t k = kept_by_zipf(zipf_exponent(c), s->state.mirostat_mu, s->n_vocab);
    if (dense && k > c->n)
        ig_candidates_undo_list(c);
    ig_candidates_top(c, k);
    return draw_and_learn(s, c);
}

ig_pick ig_mirostat_2_draw(ig_sampler *s, ig_candidates *c) {
    /* -log2 p <= mu  ⟺  logit >= max + ln(mass) - mu ln 2 */
    double lowest =
        (double)ig_candidates_max(c) + ig_ln(ig_candidates_mass(c)) - s->state.mirostat_mu * LN2;
    ig_candidates_above(c, (float)(lowest < -(double)FLT_MAX ? -(double)FLT_MAX : lowest), 1);
    return draw_and_learn(s, c);
}
