/* specials.c: finds the texts of special tokens in a text. A trie finds in one pass where tokens
 * stand; then either the peer's order (longest token first, over the whole text) or that of Hugging
 * Face tokenizers (leftmost, then longest) decides who takes which place. */
#include <stdlib.h>

#include "tokenizer/pair_heap_int.h"
#include "tokenizer/tokenizer_int.h"

#define SPECIAL_BYTES_MAX                                                                          \
    512u /* known ones have below 100; the time of every text grows with it                        \
          */

static void sort_by_length(const ig_tokenizer *tok, ig_specials *s, uint32_t *scratch) {
    /* Merge sort: stable, so equal lengths stay in order of ids. */
    for (uint32_t width = 1; width < s->n; width *= 2) {
        for (uint32_t lo = 0; lo < s->n; lo += 2 * width) {
            uint32_t mid = IG_MIN(lo + width, s->n), hi = IG_MIN(lo + 2 * width, s->n);
            for (uint32_t i = lo, j = mid, k = lo; k < hi; k++) {
                bool left = j >= hi || (i < mid && ig_token_map_str(&tok->text, s->ids[i]).n >=
                                                       ig_token_map_str(&tok->text, s->ids[j]).n);
                scratch[k] = s->ids[left ? i++ : j++];
            }
        }
        memcpy(s->ids, scratch, s->n * sizeof *scratch);
    }
}

static uint32_t child_of(const ig_specials *s, uint32_t node, uint8_t byte) {
    uint32_t c = s->nodes[node].child;
    while (c && s->nodes[c].byte != byte)
        c = s->nodes[c].sibling;
    return c;
}

static void insert(ig_specials *s, ig_str text, uint32_t index) {
    uint32_t at = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t byte = (uint8_t)text.p[i];
        uint32_t next = i ? child_of(s, at, byte) : s->first[byte];
        if (!next) {
            next = s->n_nodes++;
            s->nodes[next].byte = byte;
            if (i) {
                s->nodes[next].sibling = s->nodes[at].child;
                s->nodes[at].child = next;
            } else {
                s->first[byte] = next;
            }
        }
        at = next;
    }
    if (at && !s->nodes[at].special)
        s->nodes[at].special = index + 1;
}

static bool belongs(const ig_tokenizer *tok, uint32_t id, unsigned attr_mask, bool normalised) {
    unsigned attr = tok->attr[id];
    return (attr & attr_mask) && (!tok->from_json || normalised == !!(attr & IG_ATTR_NORMALISED)) &&
           ig_token_map_str(&tok->text, id).n > 0;
}

/* The longest special that others begin with, found when all are in the trie. */
static uint32_t longest_head(const ig_specials *s, ig_str text) {
    uint32_t at = s->first[(uint8_t)text.p[0]], head = 0;
    for (size_t i = 1; i < text.n; i++) {
        head = s->nodes[at].special ? s->nodes[at].special : head;
        at = child_of(s, at, (uint8_t)text.p[i]);
    }
    return head;
}

/* Lists the specials, longest first, and their bytes together. */
static ig_status list(ig_tokenizer *tok, ig_specials *s, unsigned attr_mask, bool normalised,
                      size_t *bytes, ig_err *err) {
    for (uint32_t id = 0; id < tok->n_tokens; id++) {
        if (!belongs(tok, id, attr_mask, normalised))
            continue;
        const size_t n = ig_token_map_str(&tok->text, id).n;
        if (n > SPECIAL_BYTES_MAX)
            return ig_fail(err, IG_ELIMIT,
                           "special token %u has %zu bytes; at most %u are accepted", (unsigned)id,
                           n, SPECIAL_BYTES_MAX);
        s->n++;
        *bytes += n;
    }
    IG_TRY(ig_arena_new(&tok->arena, s->n, sizeof *s->ids, &s->ids, err));
    for (uint32_t id = 0, n = 0; id < tok->n_tokens; id++)
        if (belongs(tok, id, attr_mask, normalised))
            s->ids[n++] = id;
    uint32_t *scratch = ig_alloc(s->n, sizeof *scratch);
    if (!scratch)
        return ig_fail_memory(err, s->n * sizeof *scratch);
    sort_by_length(tok, s, scratch);
    ig_free(scratch);
    return IG_OK;
}

ig_status ig_specials_init(ig_tokenizer *tok, ig_specials *s, unsigned attr_mask, bool normalised,
                           ig_err *err) {
    size_t bytes = 0; /* at most IG_VOCAB_BYTES_MAX */
    IG_TRY(list(tok, s, attr_mask, normalised, &bytes, err));
    IG_TRY(ig_arena_new(&tok->arena, s->n, sizeof *s->head, &s->head, err));
    IG_TRY(ig_arena_new(&tok->arena, bytes + 1, sizeof *s->nodes, &s->nodes, err));
    s->n_nodes = 1;
    for (uint32_t i = 0; i < s->n; i++)
        insert(s, ig_token_map_str(&tok->text, s->ids[i]), i);
    for (uint32_t i = 0; i < s->n; i++)
        s->head[i] = longest_head(s, ig_token_map_str(&tok->text, s->ids[i]));
    return IG_OK;
}

static bool allowed(const ig_tokenizer *tok, const ig_specials *s, uint32_t special,
                    bool parse_special) {
    return parse_special || !(tok->attr[s->ids[special - 1]] & IG_ATTR_SPECIAL);
}

/* The longest special that begins at text[at], as index + 1, and its end; 0 = none. */
static uint32_t longest_at(const ig_tokenizer *tok, const ig_specials *s, ig_str text, size_t at,
                           bool parse_special, size_t *end) {
    uint32_t node = s->first[(uint8_t)text.p[at]], best = 0;
    for (size_t i = at + 1; node; i++) {
        const uint32_t special = s->nodes[node].special;
        if (special && allowed(tok, s, special, parse_special)) {
            best = special;
            *end = i;
        }
        node = i < text.n ? child_of(s, node, (uint8_t)text.p[i]) : 0;
    }
    return best;
}

/* ---- the peer's order ----
 *
 * The longest token takes its places in the whole text first, from left to right, then the next
 * one. A heap gives the places in this order: it holds the longest candidate of every position, and
 * one that finds its place taken hands over to the longest token that it begins with. */

static bool is_space(char c) { /* isspace of the C locale */
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_taken(const ig_work *w, size_t at) {
    return w->taken[at / 8] >> at % 8 & 1;
}

static ig_pair candidate(uint32_t special, size_t at) {
    return (ig_pair){.order = (uint64_t)(special - 1) << 32 | at};
}

static ig_status find_candidates(ig_work *w, ig_str text, bool parse_special, size_t *n) {
    size_t end;
    for (size_t at = 0; at < text.n; at++) {
        const uint32_t special =
            longest_at(w->tok, &w->tok->specials, text, at, parse_special, &end);
        if (!special)
            continue;
        if (*n == w->pairs_cap) {
            const size_t cap = *n ? *n * 2 : 64;
            ig_pair *p = ig_realloc(w->pairs, cap, sizeof *p);
            if (!p)
                return ig_fail_memory(w->err, cap * sizeof *p);
            w->pairs = p;
            w->pairs_cap = cap;
        }
        ig_pair_push(w->pairs, n, candidate(special, at));
    }
    return IG_OK;
}

static ig_status add_fragment(ig_work *w, ig_fragment f) {
    if (w->n_fragments == w->fragments_cap) {
        const size_t cap = w->fragments_cap ? w->fragments_cap * 2 : 64;
        ig_fragment *p = ig_realloc(w->fragments, cap, sizeof *p);
        if (!p)
            return ig_fail_memory(w->err, cap * sizeof *p);
        w->fragments = p;
        w->fragments_cap = cap;
    }
    w->fragments[w->n_fragments++] = f;
    return IG_OK;
}

/* Takes text[at, end) for the token, and the white space that it swallows. */
static ig_status take(ig_work *w, ig_str text, size_t at, size_t end, uint32_t id) {
    const unsigned attr = w->tok->attr[id];
    while ((attr & IG_ATTR_LSTRIP) && at > 0 && !is_taken(w, at - 1) && is_space(text.p[at - 1]))
        at--;
    while ((attr & IG_ATTR_RSTRIP) && end < text.n && !is_taken(w, end) && is_space(text.p[end]))
        end++;
    for (size_t i = at; i < end; i++)
        w->taken[i / 8] = (uint8_t)(w->taken[i / 8] | 1u << i % 8);
    return add_fragment(w, (ig_fragment){at, end, (int32_t)id});
}

static ig_status place(ig_work *w, ig_str text, bool parse_special, size_t n) {
    const ig_specials *s = &w->tok->specials;
    while (n > 0) {
        const uint32_t special = (uint32_t)(w->pairs[0].order >> 32) + 1, id = s->ids[special - 1];
        const size_t at = (uint32_t)w->pairs[0].order,
                     end = at + ig_token_map_str(&w->tok->text, id).n;
        uint32_t next = 0;
        /* What was taken before is no shorter than this token, so it covers an end of it. */
        if (!is_taken(w, at) && !is_taken(w, end - 1))
            IG_TRY(take(w, text, at, end, id));
        else if (!is_taken(w, at))
            for (next = s->head[special - 1]; next && !allowed(w->tok, s, next, parse_special);)
                next = s->head[next - 1];
        w->pairs[0] = next ? candidate(next, at) : w->pairs[--n];
        ig_pair_sift_down(w->pairs, n, 0);
    }
    return IG_OK;
}

static int by_start(const void *a, const void *b) {
    const ig_fragment *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

/* The text between the tokens, which are in order of their places. */
static ig_status add_text(ig_work *w, size_t text_bytes) {
    const size_t n = w->n_fragments;
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        const ig_fragment token = w->fragments[i];
        if (token.start > from)
            IG_TRY(add_fragment(w, (ig_fragment){from, token.start, -1}));
        from = token.end;
    }
    return from < text_bytes ? add_fragment(w, (ig_fragment){from, text_bytes, -1}) : IG_OK;
}

static void sort_fragments(ig_work *w) {
    if (w->n_fragments > 1)
        qsort(w->fragments, w->n_fragments, sizeof *w->fragments, by_start);
}

ig_status ig_partition(ig_work *w, ig_str text, bool parse_special) {
    size_t n = 0;
    w->n_fragments = 0;
    IG_TRY(find_candidates(w, text, parse_special, &n));
    if (n > 0 && !(w->taken = ig_alloc(text.n / 8 + 1, 1)))
        return ig_fail_memory(w->err, text.n / 8 + 1);
    IG_TRY(place(w, text, parse_special, n));
    sort_fragments(w);
    IG_TRY(add_text(w, text.n));
    sort_fragments(w);
    return IG_OK;
}

/* ---- Hugging Face's order ---- */

static bool is_word_character(uint32_t cp) { /* \w */
    return cp == '_' || (ig_utf_class_of(cp) & (IG_UTF_LETTER | IG_UTF_MARK | IG_UTF_NUMBER));
}

/* The character that ends at pos > 0. */
static size_t character_before(ig_str text, size_t pos, uint32_t *cp) {
    size_t at = pos - 1;
    while (at > 0 && pos - at < 4 && ((unsigned char)text.p[at] & 0xC0) == 0x80)
        at--;
    ig_utf8_decode(text.p + at, text.n - at, cp);
    return at;
}

static bool stands_alone(ig_str text, size_t start, size_t end) {
    uint32_t cp;
    if (start > 0) {
        character_before(text, start, &cp);
        if (is_word_character(cp))
            return false;
    }
    if (end < text.n) {
        ig_utf8_decode(text.p + end, text.n - end, &cp);
        if (is_word_character(cp))
            return false;
    }
    return true;
}

static size_t space_before(ig_str text, size_t pos, size_t floor) {
    uint32_t cp;
    while (pos > floor) {
        size_t at = character_before(text, pos, &cp);
        if (!(ig_utf_class_of(cp) & IG_UTF_SPACE) || at < floor)
            break;
        pos = at;
    }
    return pos;
}

static size_t space_after(ig_str text, size_t pos) {
    uint32_t cp;
    while (pos < text.n) {
        size_t n = ig_utf8_decode(text.p + pos, text.n - pos, &cp);
        if (!(ig_utf_class_of(cp) & IG_UTF_SPACE))
            break;
        pos += n;
    }
    return pos;
}

bool ig_specials_next(const ig_tokenizer *tok, const ig_specials *s, ig_str text, size_t from,
                      bool parse_special, size_t *start, size_t *end, int32_t *id) {
    for (size_t i = from; i < text.n; i++) {
        size_t best_end = 0;
        const uint32_t best = longest_at(tok, s, text, i, parse_special, &best_end);
        if (!best)
            continue;
        unsigned attr = tok->attr[s->ids[best - 1]];
        if ((attr & IG_ATTR_SINGLE_WORD) && !stands_alone(text, i, best_end)) {
            i = best_end - 1;
            continue;
        }
        *id = (int32_t)s->ids[best - 1];
        *start = attr & IG_ATTR_LSTRIP ? space_before(text, i, from) : i;
        *end = attr & IG_ATTR_RSTRIP ? space_after(text, best_end) : best_end;
        return true;
    }
    return false;
}
