/* token_words.c: rules over token lists: stop words, and budgets for thinking. */
#include "sample/sample.h"

static bool ends_with(const int32_t *tokens, size_t n, const int32_t *ids, uint32_t n_ids) {
    return n >= n_ids && memcmp(tokens + n - n_ids, ids, n_ids * sizeof *ids) == 0;
}

bool ig_words_end(const ig_token_run *words, uint32_t n_words, const int32_t *tokens, size_t n) {
    for (uint32_t i = 0; i < n_words; i++)
        if (words[i].n > 0 && ends_with(tokens, n, words[i].ids, words[i].n))
            return true;
    return false;
}

ig_status ig_think_init(ig_think *t, const ig_think_params *p, ig_err *err) {
    if (p->end.n < 1 || p->end.n > IG_COUNT(t->last))
        return ig_fail(err, IG_EARGUMENT, "end has %u tokens; it must have from 1 to %zu", p->end.n,
                       IG_COUNT(t->last));
    if (p->begin.n > IG_COUNT(t->last) || (p->begin.n < 1 && !p->open))
        return ig_fail(err, IG_EARGUMENT,
                       "begin has %u tokens; it must have from 1 to %zu, or the prompt be open",
                       p->begin.n, IG_COUNT(t->last));
    *t = (ig_think){.p = *p, .inside = p->open};
    return IG_OK;
}

int32_t ig_think_forces(const ig_think *t) {
    return t->inside && t->spent >= t->p.budget ? t->p.end.ids[t->matched] : -1;
}

static void pass_border(ig_think *t, bool inside) {
    t->inside = inside;
    t->spent = t->matched = t->n_last = 0;
}

void ig_think_accept(ig_think *t, int32_t id) {
    if (ig_think_forces(t) == id)
        t->forced++;
    if (t->n_last == IG_COUNT(t->last))
        memmove(t->last, t->last + 1, --t->n_last * sizeof *t->last);
    t->last[t->n_last++] = id;
    const ig_token_run *border = t->inside ? &t->p.end : &t->p.begin;
    /* The longest beginning of the border that the tokens end with. */
    uint32_t matched = IG_MIN(border->n, t->n_last);
    while (matched > 0 && !ends_with(t->last, t->n_last, border->ids, matched))
        matched--;
    if (border->n > 0 && matched == border->n) {
        pass_border(t, !t->inside);
    } else if (t->inside) {
        t->matched = matched;
        t->spent++;
    }
}
