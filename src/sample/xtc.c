/* xtc.c: "exclude top choices": with some probability removes all but the least of the tokens that
 * reach a threshold, so that the most expected words make way. */
#include "sample/sampler_int.h"

bool ig_xtc_off(const ig_sample_params *p) {
    return !(p->xtc_probability > 0.0f) || p->xtc_threshold > 0.5f;
}

void ig_xtc_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    if (ig_sampler_uniform(s, stream) >= (double)s->p.xtc_probability)
        return;
    ig_candidates_list(c);
    double mass = ig_candidates_mass(c);
    uint64_t least = UINT64_MAX;
    uint32_t reaching = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if ((float)((double)c->s->w[i] / mass) >= s->p.xtc_threshold) {
            least = IG_MIN(least, c->s->keys[i]);
            reaching++;
        }
    }
    if (reaching < 2 || c->n - (reaching - 1) < (uint32_t)s->p.min_keep)
        return;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        uint64_t key = c->s->keys[i];
        c->s->keys[n] = key;
        n += key <= least;
    }
    c->n = n;
}
