/* typical.c: locally typical sampling (Meister et al. 2022): the tokens whose surprise is closest
 * to the entropy, until their probability exceeds p. Over a whole vocabulary this costs
 * milliseconds, because the order is not that of the logits; after top-k it costs nothing to speak
 * of. */
#include "sample/sampler_int.h"

#include <math.h>

bool ig_typical_off(const ig_sample_params *p) {
    return !(p->typical_p < 1.0f);
}

void ig_typical_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    ig_candidates_list(c);
    double mass = ig_candidates_mass(c), log_mass = ig_ln(mass), max = (double)ig_candidates_max(c);
    const uint64_t *keys = c->s->keys;
    const float *w = c->s->w;
    /* The surprise of a token is log_mass - (logit - max): no logarithm per token. */
    double entropy = log_mass;
    for (uint32_t i = 0; i < c->n; i++)
        if (w[i] > 0.0f)
            entropy -= (double)w[i] / mass * ((double)ig_key_logit(keys[i]) - max);
    /* Nearest first is descending order of the negated distance. */
    uint64_t *near = c->s->tmp;
    for (uint32_t i = 0; i < c->n; i++) {
        float distance = (float)fabs(log_mass - ((double)ig_key_logit(keys[i]) - max) - entropy);
        near[i] = ig_key_of(-distance, ig_key_id(keys[i]));
    }
    uint64_t lowest = ig_keys_prefix(near, w, c->n, (double)s->p.typical_p * mass, true);
    uint32_t n = 0, min_keep = (uint32_t)s->p.min_keep;
    for (uint32_t i = 0; i < c->n; i++)
        n += near[i] >= lowest;
    if (n < min_keep)
        lowest = ig_keys_prefix(near, NULL, c->n, (double)min_keep, false);
    n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        c->s->keys[n] = keys[i];
        n += near[i] >= lowest;
    }
    c->n = n;
}
