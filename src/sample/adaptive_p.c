/* adaptive_p.c: adaptive-p: prefers tokens whose probability is near a target, and steers the
 * target so that the average probability of drawn tokens stays there. It draws itself. */
#include "sample/sampler_int.h"

#define WIDTH 0.3f      /* of the preferred band of probability */
#define PEAK 5.0f       /* logit at the target */
#define SHARPNESS 10.0f /* fall of the logit beyond the band */

bool ig_adaptive_p_off(const ig_sample_params *p) {
    return p->adaptive_target < 0.0f;
}

void ig_adaptive_p_reset(ig_sampler *s) {
    double left = 1.0 - (double)s->p.adaptive_decay;
    s->state.adaptive_sum = (double)s->p.adaptive_target / left;
    s->state.adaptive_weight = 1.0 / left;
}

ig_pick ig_adaptive_p_draw(ig_sampler *s, ig_candidates *c) {
    ig_candidates_list(c);
    double mass = ig_candidates_mass(c);
    double aim =
        2.0 * (double)s->p.adaptive_target - s->state.adaptive_sum / s->state.adaptive_weight;
    float target = (float)(aim < 0.0 ? 0.0 : aim > 1.0 ? 1.0 : aim);
    /* The original weight is needed for one token only; it is kept in the scratch that sorting
     * would use. */
    float *w = c->s->w;
    double *original = (double *)(void *)c->s->tmp;
    for (uint32_t i = 0; i < c->n; i++) {
        original[i] = (double)w[i] / mass;
        float d = ((float)original[i] - target) / WIDTH;
        d = d < 0.0f ? -d : d;
        /* 5 is the largest value the transform has, so exp(… - 5) cannot overflow. */
        w[i] = ig_exp_neg((PEAK - SHARPNESS * d * d / (1.0f + d)) - PEAK);
    }
    double sum = 0.0;
    for (uint32_t i = 0; i < c->n; i++)
        sum += (double)w[i];
    ig_pick pick = ig_candidates_draw_weighted(c, sum, ig_sampler_uniform(s, IG_STREAM_DRAW));
    double decay = (double)s->p.adaptive_decay;
    s->state.adaptive_sum = original[pick.at] + decay * s->state.adaptive_sum;
    s->state.adaptive_weight = 1.0 + decay * s->state.adaptive_weight;
    return pick;
}
