/* dry.c: DRY ("don't repeat yourself"): lowers tokens that would continue a repetition of what was
 * just said.
 *
 * With r[0] the newest token, the length of the match between the end of the text and what ended k
 * tokens ago is the longest common prefix of r and r[k..], so all of them are the Z function of r:
 * linear time. A sequence breaker close to the end caps every length at its distance. */
#include "sample/sampler_int.h"

bool ig_dry_off(const ig_sample_params *p) {
    return !(p->dry_multiplier > 0.0f) || ig_sample_window(p, p->dry_penalty_last_n) == 0;
}

void ig_dry_reset(ig_sampler *s) {
    ig_token_counts_clear(&s->dry_repeat);
    s->dry_exponent_max = UINT32_MAX;
    /* base^exponent stays below FLT_MAX, whose logarithm is 88.72…; a base this close to 1 needs no
     * cap. */
    if (s->p.dry_base > 1.000001f)
        s->dry_exponent_max = (uint32_t)(88.7228391 / ig_ln((double)s->p.dry_base));
}

/* The first breaker whose head is not below id. */
static uint32_t first_breaker(const ig_sampler *s, int32_t id) {
    uint32_t lo = 0, hi = s->breakers.n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (s->breakers.run[mid].ids[0] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Tokens of the longest breaker that begins with the token i ago and is complete; 0 = none. */
static uint32_t breaker_at(const ig_sampler *s, const int32_t *recent, uint32_t i) {
    uint32_t longest = 0;
    for (uint32_t b = first_breaker(s, recent[i]);
         b < s->breakers.n && s->breakers.run[b].ids[0] == recent[i]; b++) {
        const ig_token_run *run = &s->breakers.run[b];
        if (run->n <= longest || run->n > i + 1)
            continue;
        uint32_t same = 1;
        while (same < run->n && run->ids[same] == recent[i - same])
            same++;
        if (same == run->n)
            longest = run->n;
    }
    return longest;
}

/* Tokens after the last breaker: no match is longer than this. */
static uint32_t repeat_limit(const ig_sampler *s, const int32_t *recent, uint32_t n) {
    for (uint32_t i = 0; i < n && s->breakers.n > 0; i++) {
        uint32_t run = breaker_at(s, recent, i);
        if (run)
            return i + 1 - run;
    }
    return n;
}

/* z[k] = longest common prefix of r and r[k..], k >= 1. */
static void match_lengths(const int32_t *r, uint32_t n, uint32_t *z) {
    uint32_t left = 0, right = 0; /* the match [left, right) that reaches furthest */
    for (uint32_t k = 1; k < n; k++) {
        uint32_t len = k < right ? IG_MIN(z[k - left], right - k) : 0;
        if (k + len >= right) {
            while (k + len < n && r[len] == r[k + len])
                len++;
            left = k;
            right = k + len;
        }
        z[k] = len;
    }
}

static bool is_single_breaker(const ig_sampler *s, int32_t id) {
    for (uint32_t b = first_breaker(s, id); b < s->breakers.n && s->breakers.run[b].ids[0] == id;
         b++)
        if (s->breakers.run[b].n == 1)
            return true;
    return false;
}

static float penalised(const void *user, float logit, int32_t length) {
    const ig_sampler *s = user;
    uint32_t exponent = IG_MIN((uint32_t)(length - s->p.dry_allowed_length), s->dry_exponent_max);
    double penalty = (double)s->p.dry_multiplier * ig_pow_int((double)s->p.dry_base, exponent);
    return (float)((double)logit - (penalty < DBL_MAX ? penalty : DBL_MAX));
}

void ig_dry_apply(ig_sampler *s, ig_candidates *c, uint32_t stream) {
    (void)stream;
    uint32_t n = IG_MIN(s->state.history_n, s->dry_window),
             allowed = (uint32_t)s->p.dry_allowed_length;
    if (n <= allowed)
        return;
    int32_t *r = s->dry_recent;
    for (uint32_t i = 0; i < n; i++)
        r[i] = ig_sampler_recent(s, i);
    uint32_t limit = repeat_limit(s, r, n);
    if (limit < allowed)
        return;
    match_lengths(r, n, s->dry_match);
    for (uint32_t k = 1; k < n; k++) {
        uint32_t length = IG_MIN(s->dry_match[k], limit);
        if (length < allowed || is_single_breaker(s, r[k - 1]))
            continue;
        int32_t *best = ig_token_counts_at(&s->dry_repeat, r[k - 1]);
        *best = IG_MAX(*best, (int32_t)length);
    }
    ig_candidates_adjust(c, &s->dry_repeat, penalised, s);
    ig_token_counts_clear(&s->dry_repeat);
}
