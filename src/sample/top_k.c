/* top_k.c: keeps the k largest logits. */
#include "sample/sampler_int.h"

bool ig_top_k_off(const ig_sample_params *p) {
    return p->top_k <= 0;
}

void ig_top_k_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    ig_candidates_top(c, (uint32_t)s->p.top_k);
}
