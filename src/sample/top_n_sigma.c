/* top_n_sigma.c: keeps logits within n standard deviations of the largest (Tang et al. 2024,
 * "Top-nσ"). Mean and population deviation are over all candidates, in two passes, because the mean
 * is far from the maximum. */
#include "sample/sampler_int.h"

#include <math.h>

typedef struct moments {
    double sum, n;
} moments;

bool ig_top_n_sigma_off(const ig_sample_params *p) {
    return !(p->top_n_sigma > 0.0f);
}

/* Sum of x - around over one tile's candidates, or of its square. */
static moments tile_moment(const float x[IG_TILE], float around, bool squared) {
    float d[IG_TILE], one[IG_TILE];
    for (uint32_t j = 0; j < IG_TILE; j++) {
        one[j] = x[j] >= -FLT_MAX ? 1.0f : 0.0f;
        d[j] = x[j] >= -FLT_MAX ? x[j] - around : 0.0f;
    }
    if (squared)
        for (uint32_t j = 0; j < IG_TILE; j++)
            d[j] *= d[j];
    return (moments){(double)ig_tile_sum(d), (double)ig_tile_sum(one)};
}

static moments all_moments(const ig_candidates *c, float around, bool squared) {
    moments all = {0};
    for (uint32_t t = 0; c->dense && t < c->s->n_tiles; t++) {
        const float *x = ig_candidates_tile(c, t);
        if (!x)
            continue;
        moments m = tile_moment(x, around, squared);
        all.sum += m.sum;
        all.n += m.n;
    }
    for (uint32_t i = 0; !c->dense && i < c->n; i++) {
        double d = (double)ig_key_logit(c->s->keys[i]) - (double)around;
        all.sum += squared ? d * d : d;
        all.n += 1.0;
    }
    return all;
}

void ig_top_n_sigma_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    float max = ig_candidates_max(c);
    moments first = all_moments(c, max, false);
    float mean = (float)((double)max + first.sum / first.n);
    moments second = all_moments(c, mean, true);
    double deviation =
        sqrt(second.sum / second.n); /* exact rounding by IEEE 754, the same everywhere */
    float lowest = (float)((double)max - (double)s->p.top_n_sigma * deviation);
    ig_candidates_above(c, lowest, 1);
}
