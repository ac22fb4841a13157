/* penalties.c: repeat, frequency and presence penalties over the last accepted tokens. */
#include "sample/sampler_int.h"

bool ig_penalties_off(const ig_sample_params *p) {
    bool repeat = p->penalty_repeat > 1.0f || p->penalty_repeat < 1.0f;
    bool frequency = p->penalty_frequency > 0.0f || p->penalty_frequency < 0.0f;
    bool presence = p->penalty_presence > 0.0f || p->penalty_presence < 0.0f;
    return ig_sample_window(p, p->penalty_last_n) == 0 || !(repeat || frequency || presence);
}

static float penalised(const void *user, float logit, int32_t count) {
    const ig_sample_params *p = user;
    logit = logit <= 0.0f ? logit * p->penalty_repeat : logit / p->penalty_repeat;
    return logit - ((float)count * p->penalty_frequency + p->penalty_presence);
}

void ig_penalties_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    ig_candidates_adjust(c, &s->penalty_count, penalised, &s->p);
}

void ig_penalties_accept(ig_sampler *s, int32_t id) {
    if (s->history_n >= s->penalty_window) {
        int32_t old = ig_sampler_recent(s, s->penalty_window - 1);
        if (--*ig_token_counts_at(&s->penalty_count, old) == 0)
            ig_token_counts_remove(&s->penalty_count, old);
    }
    ++*ig_token_counts_at(&s->penalty_count, id);
}

void ig_penalties_reset(ig_sampler *s) {
    ig_token_counts_clear(&s->penalty_count);
}
