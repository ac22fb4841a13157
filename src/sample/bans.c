/* bans.c: tokens that must not come next: end tokens before min_tokens, the last token of a bad
 * word whose others were just accepted, and what would repeat an n-gram. The history is scanned in
 * the order of memory for the newest token; only where that stands is more compared. */
#include "sample/sampler_int.h"

/* Whether the n tokens that ended i tokens ago are the n newest; i + n <= history_n. */
static bool ends_alike(const ig_sampler *s, uint32_t i, uint32_t n) {
    for (uint32_t k = 0; k < n; k++)
        if (ig_sampler_recent(s, i + k) != ig_sampler_recent(s, k))
            return false;
    return true;
}

static void ban_ngrams(const ig_sampler *s, ig_candidates *c) {
    uint32_t n = s->state.history_n, before = s->ngram - 1;
    if (s->ngram == 0 || n < s->ngram)
        return;
    if (before == 0) {
        for (uint32_t at = 0; at < n; at++)
            ig_candidates_forbid(c, s->history[at]);
        return;
    }
    int32_t newest = ig_sampler_recent(s, 0);
    for (uint32_t at = 0; at < n; at++) {
        if (s->history[at] != newest)
            continue;
        uint32_t i = s->state.history_at + s->history_cap - 1 - at; /* how long ago */
        i = i >= s->history_cap ? i - s->history_cap : i;
        if (i > 0 && i <= n - before && ends_alike(s, i, before))
            ig_candidates_forbid(c, ig_sampler_recent(s, i - 1));
    }
}

static void ban_word(const ig_sampler *s, ig_candidates *c, const ig_token_run *word) {
    if (word->n - 1 > s->state.history_n)
        return;
    for (uint32_t i = 0; i + 1 < word->n; i++)
        if (ig_sampler_recent(s, i) != word->ids[word->n - 2 - i])
            return;
    ig_candidates_forbid(c, word->ids[word->n - 1]);
}

void ig_bans_apply(const ig_sampler *s, ig_candidates *c) {
    if (s->state.n_draws < s->p.min_tokens)
        for (uint32_t i = 0; i < s->p.n_end_ids; i++)
            ig_candidates_forbid(c, s->end_ids[i]);
    for (uint32_t i = 0; i < s->bad_words.n; i++)
        ban_word(s, c, &s->bad_words.run[i]);
    ban_ngrams(s, c);
}
