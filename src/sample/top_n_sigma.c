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

/* Sum of x - around over one tile's candidates, and their number. */
static moments tile_first(const float x[IG_TILE], float around) {
    float d[IG_TILE], one[IG_TILE];
    for (uint32_t j = 0; j < IG_TILE; j++) {
        one[j] = x[j] >= -FLT_MAX ? 1.0f : 0.0f;
        d[j] = x[j] >= -FLT_MAX ? x[j] - around : 0.0f;
    }
    return (moments){(double)ig_tile_sum(d), (double)ig_tile_sum(one)};
}

/* Sum of (x - around)^2. */
static double tile_second(const float x[IG_TILE], float around) {
    float d[IG_TILE];
    for (uint32_t j = 0; j < IG_TILE; j++) {
        float y = x[j] >= -FLT_MAX ? x[j] - around : 0.0f;
        d[j] = y * y;
    }
    return (double)ig_tile_sum(d);
}

static moments first_moments(const ig_candidates *c, float around) {
    moments all = {0};
    for (uint32_t t = 0; c->dense && t < c->s->n_tiles; t++) {
        const float *x = ig_candidates_tile(c, t);
        moments m = x ? tile_first(x, around) : (moments){0};
        all.sum += m.sum;
        all.n += m.n;
    }
    for (uint32_t i = 0; !c->dense && i < c->n; i++)
        all.sum += (double)ig_key_logit(c->s->keys[i]) - (double)around;
    all.n = c->dense ? all.n : (double)c->n;
    return all;
}

static double second_moment(const ig_candidates *c, float around) {
    double sum = 0.0;
    for (uint32_t t = 0; c->dense && t < c->s->n_tiles; t++) {
        const float *x = ig_candidates_tile(c, t);
        sum += x ? tile_second(x, around) : 0.0;
    }
    for (uint32_t i = 0; !c->dense && i < c->n; i++) {
        double d = (double)ig_key_logit(c->s->keys[i]) - (double)around;
        sum += d * d;
    }
    return sum;
}

void ig_top_n_sigma_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    float max = ig_candidates_max(c);
    moments first = first_moments(c, max);
    float mean = (float)((double)max + first.sum / first.n);
    /* sqrt is exactly rounded by IEEE 754, the same everywhere. */
    double deviation = sqrt(second_moment(c, mean) / first.n);
    float lowest = (float)((double)max - (double)s->p.top_n_sigma * deviation);
    ig_candidates_above(c, lowest < -FLT_MAX ? -FLT_MAX : lowest, 1);
}
