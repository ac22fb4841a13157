/* split_runs.c: the small splitters: runs of a character set, digit groups, words that begin with
 * U+2581, and the two general ones, a compiled pattern and a literal string. */
#include "tokenizer/split_scan_int.h"
#include "tokenizer/split_words_int.h"

IG_INLINE bool in_set(const ig_char_set *set, ig_char c) {
    if (c.cls & set->classes)
        return !set->complement;
    /* The peer's regex engine sees every white space above ASCII as one control character: it is in
     * no range. */
    if (c.cp >= 128 && (c.cls & IG_UTF_SPACE))
        return set->complement;
    for (uint32_t i = 0; i < set->n_ranges; i++)
        if (c.cp >= set->ranges[i].first && c.cp <= set->ranges[i].last)
            return !set->complement;
    return set->complement && c.n;
}

/* End of a match of lead?set{min,max} that begins at pos, or pos. */
static size_t run_match(const ig_stage *s, const char *t, size_t pos, size_t end) {
    size_t at = pos;
    ig_char c = ig_peek(t, at, end);
    if (s->lead == ' ' ? c.cp == ' ' : s->lead && (c.cls & IG_UTF_SPACE)) {
        ig_char next = ig_peek(t, at + c.n, end);
        if (in_set(&s->set, next)) {
            at += c.n;
            c = next;
        }
    }
    uint32_t n = 0;
    for (; in_set(&s->set, c) && (s->max == 0 || n < s->max); n++) {
        at += c.n;
        c = ig_peek(t, at, end);
    }
    return n >= s->min && n > 0 ? at : pos;
}

size_t ig_split_run(const ig_stage *s, const char *t, size_t pos, size_t end, ig_split_memo *memo,
                    ig_err *err) {
    (void)err;
    size_t to = run_match(s, t, pos, end);
    memo->drop = to > pos && s->behaviour == IG_SPLIT_REMOVED;
    if (to > pos)
        return to;
    /* Most characters of a text are in no set of this kind: pass over them by class alone. */
    bool simple = !s->lead && !s->set.complement && s->min <= 1 && s->set.n_ranges == 0;
    do {
        pos = simple ? ig_scan_not(t, pos, end, s->set.classes) : pos + ig_peek(t, pos, end).n;
    } while (pos < end && run_match(s, t, pos, end) == pos);
    return pos;
}

/* \s+$ */
size_t ig_split_line_end_space(const ig_stage *s, const char *t, size_t pos, size_t end,
                               ig_split_memo *memo, ig_err *err) {
    (void)s, (void)memo, (void)err;
    size_t at = end;
    while (at > pos) {
        size_t back = at - 1;
        while (back > pos && ((unsigned char)t[back] & 0xC0) == 0x80)
            back--;
        if (!(ig_peek(t, back, end).cls & IG_UTF_SPACE))
            break;
        at = back;
    }
    return at > pos ? at : end;
}

static size_t skip_characters(const char *t, size_t pos, size_t end, uint32_t n) {
    while (n-- > 0)
        pos += ig_peek(t, pos, end).n;
    return pos;
}

/* Digits in groups of three counted from the right. As in the peer, the first group takes along the
 * text that stands before it; later stages part them again. The memo keeps the end of the digits.
 */
size_t ig_split_digits_afmoe(const ig_stage *s, const char *t, size_t pos, size_t end,
                             ig_split_memo *memo, ig_err *err) {
    (void)s, (void)err;
    if (pos < memo->end)
        return skip_characters(t, pos, end, 3);
    size_t digits = ig_scan_not(t, pos, end, IG_UTF_NUMBER), at = digits;
    uint32_t n = 0;
    for (ig_char c; (c = ig_peek(t, at, end)).cls & IG_UTF_NUMBER; at += c.n)
        n++;
    if (n == 0)
        return end;
    memo->end = at;
    return skip_characters(t, digits, end, n % 3 ? n % 3 : 3);
}

IG_INLINE bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* (?=(\d{3})+(?!\d)): a border before every third digit from the right. */
size_t ig_split_digits_superbpe(const ig_stage *s, const char *t, size_t pos, size_t end,
                                ig_split_memo *memo, ig_err *err) {
    (void)s, (void)err;
    if (pos + 3 < memo->end)
        return pos + 3;
    size_t at = IG_MAX(pos, memo->end);
    while (at < end) {
        while (at < end && !is_digit(t[at]))
            at++;
        size_t start = at;
        while (at < end && is_digit(t[at]))
            at++;
        size_t n = at - start, border = start + n % 3;
        if (n < 3)
            continue;
        memo->end = at;
        if (border > pos)
            return border;
        if (n > 3)
            return border + 3;
    }
    return end;
}

/* A border before every U+2581. */
size_t ig_split_space_words(const ig_stage *s, const char *t, size_t pos, size_t end,
                            ig_split_memo *memo, ig_err *err) {
    (void)s, (void)memo, (void)err;
    for (size_t i = pos + 1; i + 2 < end; i++)
        if (memcmp(t + i, "\xE2\x96\x81", 3) == 0)
            return i;
    return end;
}

/* ---- matches of any kind, and what becomes of them ---- */

/* The first match that is not empty, or an empty one, at or after `from`. IG_EEND: none. */
typedef ig_status (*find_fn)(const ig_stage *s, const char *t, size_t from, size_t end,
                             ig_split_memo *memo, size_t *start, size_t *stop, ig_err *err);

static ig_status find_pattern(const ig_stage *s, const char *t, size_t from, size_t end,
                              ig_split_memo *memo, size_t *start, size_t *stop, ig_err *err) {
    return ig_pattern_find(s->compiled, memo->match, (ig_str){t, end}, from, start, stop, err);
}

static ig_status find_literal(const ig_stage *s, const char *t, size_t from, size_t end,
                              ig_split_memo *memo, size_t *start, size_t *stop, ig_err *err) {
    (void)memo, (void)err;
    size_t n = s->literal.n;
    for (size_t i = from; i + n <= end; i++) {
        const char *p = memchr(t + i, s->literal.p[0], end - n + 1 - i);
        if (!p)
            break;
        i = (size_t)(p - t);
        if (memcmp(p, s->literal.p, n) == 0) {
            *start = i;
            *stop = i + n;
            return IG_OK;
        }
    }
    return IG_EEND;
}

/* Puts the first match at or after pos into the memo; [end, end) when there is none. An empty match
 * at pos is no border any more. */
static ig_status look(find_fn find, const ig_stage *s, const char *t, size_t pos, size_t end,
                      ig_split_memo *memo, ig_err *err) {
    size_t from = pos;
    ig_status status = find(s, t, from, end, memo, &memo->start, &memo->end, err);
    if (status == IG_OK && memo->end == pos) {
        from += ig_peek(t, pos, end).n;
        status = from < end ? find(s, t, from, end, memo, &memo->start, &memo->end, err) : IG_EEND;
    }
    if (status == IG_EEND) {
        memo->start = memo->end = end;
        return IG_OK;
    }
    return status;
}

static size_t split_matches(find_fn find, const ig_stage *s, const char *t, size_t pos, size_t end,
                            ig_split_memo *memo, ig_err *err) {
    memo->drop = false;
    bool in_match =
        memo->start == pos && memo->end > pos; /* found when the gap before it was returned */
    if (!in_match) {
        memo->status = look(find, s, t, pos, end, memo, err);
        if (memo->status)
            return IG_SPLIT_FAILED;
        in_match = memo->start == pos && memo->end > pos;
    }
    switch (s->behaviour) {
    case IG_SPLIT_WITH_PREVIOUS:
        return memo->end;
    case IG_SPLIT_WITH_NEXT:
        if (!in_match)
            return memo->start;
        memo->status = look(find, s, t, memo->end, end, memo, err);
        return memo->status ? IG_SPLIT_FAILED : memo->start;
    case IG_SPLIT_REMOVED:
        memo->drop = in_match;
        break;
    case IG_SPLIT_KEPT:
        memo->drop = !in_match;
        break;
    case IG_SPLIT_ISOLATED:
    default:
        break;
    }
    return in_match ? memo->end : memo->start;
}

size_t ig_split_pattern(const ig_stage *s, const char *t, size_t pos, size_t end,
                        ig_split_memo *memo, ig_err *err) {
    return split_matches(find_pattern, s, t, pos, end, memo, err);
}

size_t ig_split_literal(const ig_stage *s, const char *t, size_t pos, size_t end,
                        ig_split_memo *memo, ig_err *err) {
    return split_matches(find_literal, s, t, pos, end, memo, err);
}
