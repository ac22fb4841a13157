/* penalties.c: repeat, frequency and presence penalties over the last accepted tokens. When the
 * beginning of a prompt is not to count for the latter two, a second map counts without it. */
#include "sample/sampler_int.h"

static bool lowers(const ig_sample_params *p) {
    return p->penalty_frequency > 0.0f || p->penalty_frequency < 0.0f ||
           p->penalty_presence > 0.0f || p->penalty_presence < 0.0f;
}

bool ig_penalties_off(const ig_sample_params *p) {
    bool repeat = p->penalty_repeat > 1.0f || p->penalty_repeat < 1.0f;
    return ig_sample_window(p, p->penalty_last_n) == 0 || !(repeat || lowers(p));
}

bool ig_penalties_ignore(const ig_sample_params *p) {
    return p->prompt_ignore > 0 && lowers(p);
}

static float repeated(const void *user, float logit, int32_t count) {
    const ig_sample_params *p = user;
    (void)count;
    return logit <= 0.0f ? logit * p->penalty_repeat : logit / p->penalty_repeat;
}

static float lowered(const void *user, float logit, int32_t count) {
    const ig_sample_params *p = user;
    return logit - ((float)count * p->penalty_frequency + p->penalty_presence);
}

static float penalised(const void *user, float logit, int32_t count) {
    return lowered(user, repeated(user, logit, count), count);
}

void ig_penalties_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    if (s->counted.cap == 0) {
        ig_candidates_adjust(c, &s->penalty_count, penalised, &s->p);
        return;
    }
    ig_candidates_adjust(c, &s->penalty_count, repeated, &s->p);
    ig_candidates_adjust(c, &s->counted, lowered, &s->p);
}

static void count_down(ig_token_counts *m, int32_t id) {
    if (--*ig_token_counts_at(m, id) == 0)
        ig_token_counts_remove(m, id);
}

void ig_penalties_accept(ig_sampler *s, int32_t id) {
    uint64_t n = s->state.n_accepted, n_ignored = s->state.n_ignored, window = s->penalty_window;
    if (n >= window) {
        int32_t old = ig_sampler_recent(s, s->penalty_window - 1);
        count_down(&s->penalty_count, old);
        if (s->counted.cap && n - window >= n_ignored)
            count_down(&s->counted, old);
    }
    ++*ig_token_counts_at(&s->penalty_count, id);
    if (s->counted.cap && n >= n_ignored)
        ++*ig_token_counts_at(&s->counted, id);
}

void ig_penalties_reset(ig_sampler *s) {
    ig_token_counts_clear(&s->penalty_count);
    ig_token_counts_clear(&s->counted);
}
