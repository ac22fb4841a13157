/* min_p.c: keeps tokens at least min_p times as probable as the most probable one. That is a
 * threshold on logits, so nothing is exponentiated. */
#include "sample/sampler_int.h"

bool ig_min_p_off(const ig_sample_params *p) {
    return !(p->min_p > 0.0f);
}

void ig_min_p_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    double ratio = (double)s->p.min_p;
    float lowest = ig_candidates_max(c) + (float)ig_ln(ratio);
    ig_candidates_above(c, lowest, (uint32_t)IG_MAX(s->p.min_keep, 1));
}
