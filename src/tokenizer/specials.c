/* specials.c: finds the texts of special tokens in a text. A trie says in one pass which tokens
 * occur at all; then either the peer's order (longest token first, over the whole text) or that of
 * Hugging Face tokenizers (leftmost, then longest) decides who takes which place. */
#include "tokenizer/tokenizer_int.h"

#define TRIE_BYTES_MAX 512u /* longer tokens are looked for one by one */

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

ig_status ig_specials_init(ig_tokenizer *tok, ig_specials *s, unsigned attr_mask, bool normalised,
                           ig_err *err) {
    size_t bytes = 1;
    for (uint32_t id = 0; id < tok->n_tokens; id++) {
        if (belongs(tok, id, attr_mask, normalised)) {
            s->n++;
            bytes += IG_MIN(ig_token_map_str(&tok->text, id).n, (size_t)TRIE_BYTES_MAX);
        }
    }
    if (bytes > UINT32_MAX)
        return ig_fail(err, IG_ELIMIT, "special tokens of %zu bytes together", bytes);
    IG_TRY(ig_arena_new(&tok->arena, s->n, sizeof *s->ids, &s->ids, err));
    IG_TRY(ig_arena_new(&tok->arena, bytes, sizeof *s->nodes, &s->nodes, err));
    s->n_nodes = 1;
    for (uint32_t id = 0, n = 0; id < tok->n_tokens; id++)
        if (belongs(tok, id, attr_mask, normalised))
            s->ids[n++] = id;
    uint32_t *scratch = ig_alloc(s->n, sizeof *scratch);
    if (!scratch)
        return ig_fail_memory(err, s->n * sizeof *scratch);
    sort_by_length(tok, s, scratch);
    ig_free(scratch);
    for (uint32_t i = 0; i < s->n; i++) {
        ig_str text = ig_token_map_str(&tok->text, s->ids[i]);
        if (text.n <= TRIE_BYTES_MAX)
            insert(s, text, i);
        else if (tok->from_json)
            return ig_fail(err, IG_ELIMIT, "added token %u has %zu bytes; at most %u are accepted",
                           (unsigned)s->ids[i], text.n, TRIE_BYTES_MAX);
    }
    return IG_OK;
}

/* ---- the peer's order ---- */

static void mark_seen(const ig_tokenizer *tok, ig_str text, uint8_t *seen) {
    const ig_specials *s = &tok->specials;
    for (uint32_t i = 0; i < s->n; i++)
        seen[i] = ig_token_map_str(&tok->text, s->ids[i]).n > TRIE_BYTES_MAX;
    for (size_t i = 0; i < text.n; i++) {
        uint32_t node = s->first[(uint8_t)text.p[i]];
        for (size_t j = i + 1; node; j++) {
            if (s->nodes[node].special)
                seen[s->nodes[node].special - 1] = 1;
            node = j < text.n ? child_of(s, node, (uint8_t)text.p[j]) : 0;
        }
    }
}

static bool is_space(char c) { /* isspace of the C locale */
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static ig_status add_fragment(ig_work *w, size_t *n, ig_fragment f) {
    if (*n == w->fragments_new_cap) {
        size_t cap = *n ? *n * 2 : 64;
        ig_fragment *p = ig_realloc(w->fragments_new, cap, sizeof *p);
        if (!p)
            return ig_fail_memory(w->err, cap * sizeof *p);
        w->fragments_new = p;
        w->fragments_new_cap = cap;
    }
    w->fragments_new[(*n)++] = f;
    return IG_OK;
}

static const char *find(const char *p, const char *end, ig_str what) {
    while ((size_t)(end - p) >= what.n) {
        p = memchr(p, what.p[0], (size_t)(end - p) - what.n + 1);
        if (!p)
            break;
        if (memcmp(p, what.p, what.n) == 0)
            return p;
        p++;
    }
    return NULL;
}

/* Cuts token id out of fragment f and appends what becomes of it. */
static ig_status cut(ig_work *w, ig_str text, ig_fragment f, uint32_t id, size_t *n) {
    ig_str what = ig_token_map_str(&w->tok->text, id);
    unsigned attr = w->tok->attr[id];
    for (const char *hit;
         f.start < f.end && (hit = find(text.p + f.start, text.p + f.end, what));) {
        size_t at = (size_t)(hit - text.p), left = at;
        if (attr & IG_ATTR_LSTRIP)
            while (left > f.start && is_space(text.p[left - 1]))
                left--;
        if (left > f.start)
            IG_TRY(add_fragment(w, n, (ig_fragment){f.start, left, -1}));
        IG_TRY(add_fragment(w, n, (ig_fragment){at, at + what.n, (int32_t)id}));
        f.start = at + what.n;
        if (attr & IG_ATTR_RSTRIP)
            while (f.start < f.end && is_space(text.p[f.start]))
                f.start++;
    }
    return f.start < f.end ? add_fragment(w, n, f) : IG_OK;
}

static void swap(ig_work *w, size_t n) {
    ig_fragment *p = w->fragments;
    size_t cap = w->fragments_cap;
    w->fragments = w->fragments_new;
    w->fragments_cap = w->fragments_new_cap;
    w->n_fragments = n;
    w->fragments_new = p;
    w->fragments_new_cap = cap;
}

ig_status ig_partition(ig_work *w, ig_str text, bool parse_special) {
    const ig_specials *s = &w->tok->specials;
    size_t n = 0;
    w->n_fragments = 0;
    if (text.n == 0)
        return IG_OK;
    IG_TRY(add_fragment(w, &n, (ig_fragment){0, text.n, -1}));
    swap(w, n);
    if (s->n == 0)
        return IG_OK;
    if (!w->seen && !(w->seen = ig_alloc(s->n, 1)))
        return ig_fail_memory(w->err, s->n);
    mark_seen(w->tok, text, w->seen);
    for (uint32_t i = 0; i < s->n; i++) {
        if (!w->seen[i] || (!parse_special && (w->tok->attr[s->ids[i]] & IG_ATTR_SPECIAL)))
            continue;
        n = 0;
        for (size_t j = 0; j < w->n_fragments; j++) {
            if (w->fragments[j].id >= 0)
                IG_TRY(add_fragment(w, &n, w->fragments[j]));
            else
                IG_TRY(cut(w, text, w->fragments[j], s->ids[i], &n));
        }
        swap(w, n);
    }
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
        uint32_t node = s->first[(uint8_t)text.p[i]], best = 0;
        size_t best_end = 0;
        for (size_t j = i + 1; node; j++) {
            uint32_t special = s->nodes[node].special;
            if (special && (parse_special || !(tok->attr[s->ids[special - 1]] & IG_ATTR_SPECIAL))) {
                best = special;
                best_end = j;
            }
            node = j < text.n ? child_of(s, node, (uint8_t)text.p[j]) : 0;
        }
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
