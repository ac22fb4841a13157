/* top_p.c: nucleus sampling: the shortest prefix of the tokens in order of probability whose sum
 * reaches p. Almost always that is a few dozen tokens, so a dense draw first looks at the best 64,
 * then 1024, and only a flat distribution makes it select over everything. p may decay from draw to
 * draw and be set back by a token ("factual nucleus", Lee et al. 2022). */
#include "sample/sampler_int.h"

bool ig_top_p_off(const ig_sample_params *p) {
    return !(p->top_p < 1.0f) && !(p->top_p_decay < 1.0f);
}

void ig_top_p_decay(ig_sampler *s, int32_t id) {
    const ig_sample_params *p = &s->p;
    if (!(p->top_p_decay < 1.0f))
        return;
    float decayed = s->state.top_p * p->top_p_decay;
    s->state.top_p = id == p->top_p_reset_id ? p->top_p : IG_MAX(decayed, p->top_p_min);
}

/* Truncates a sorted list where its weights reach target; false when they do not. */
static bool cut_sorted(ig_candidates *c, double target, uint32_t min_keep) {
    double sum = 0.0;
    for (uint32_t i = 0; i < c->n; i++) {
        sum += (double)c->s->w[i];
        if (sum >= target && i + 1 >= min_keep) {
            c->n = i + 1;
            return true;
        }
    }
    return false;
}

/* Dense: tries with the best k only; leaves the candidates dense when that is not enough. */
static bool cut_best(ig_candidates *c, uint32_t k, double target, uint32_t min_keep) {
    if (k > c->s->n_tiles)
        return false;
    ig_candidates_top(c, k);
    ig_candidates_sort(c);
    ig_candidates_mass(c);
    if (cut_sorted(c, target, min_keep))
        return true;
    ig_candidates_undo_list(c);
    return false;
}

void ig_top_p_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    uint32_t min_keep = (uint32_t)s->p.min_keep;
    if (!(s->state.top_p < 1.0f))
        return; /* not yet decayed */
    if (!c->dense && c->n <= IG_LIST_SHORT)
        ig_candidates_sort(c);
    double target = (double)s->state.top_p * ig_candidates_mass(c);
    if (c->dense) {
        if (cut_best(c, 64, target, min_keep) || cut_best(c, 1024, target, min_keep))
            return;
        ig_candidates_list(c);
        ig_candidates_mass(c);
    }
    if (c->sorted) {
        cut_sorted(c, target, min_keep);
        return;
    }
    uint64_t lowest = ig_keys_prefix(c->s->keys, c->s->w, c->n, target, false);
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        n += c->s->keys[i] >= lowest;
    if (n < min_keep)
        ig_candidates_top(c, min_keep);
    else
        c->n = ig_keys_keep(c->s->keys, c->n, lowest);
}
