/* bpe.c: one word to ids. Both kinds of vocabulary merge neighbouring symbols, best pair first,
 * leftmost of equals: BPE looks a pair up by its two ids, SPM by the bytes of both together and
 * orders by score. Short words scan an array on the stack, long ones keep a heap, so that time
 * stays n log n whatever the text. */
#include "tokenizer/pair_heap_int.h"
#include "tokenizer/tokenizer_int.h"

#define SHORT_SYMBOLS 40u /* where scanning and the heap cost the same */

static ig_status add_id(ig_work *w, uint32_t id) {
    w->unknown_last = false;
    return ig_ids_add(w->ids, (int32_t)id, w->err);
}

static ig_status add_unknown(ig_work *w) {
    const ig_tokenizer *tok = w->tok;
    if (tok->unknown < 0 || (tok->fuse_unknown && w->unknown_last))
        return IG_OK;
    IG_TRY(ig_ids_add(w->ids, tok->unknown, w->err));
    w->unknown_last = true;
    return IG_OK;
}

/* A symbol that is no token. */
static ig_status add_bytes(ig_work *w, const char *p, size_t n) {
    const ig_tokenizer *tok = w->tok;
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all = all && tok->byte_out[(uint8_t)p[i]] >= 0;
    if (!all && tok->unknown >= 0)
        return add_unknown(w);
    for (size_t i = 0; i < n; i++)
        if (tok->byte_out[(uint8_t)p[i]] >= 0)
            IG_TRY(add_id(w, (uint32_t)tok->byte_out[(uint8_t)p[i]]));
    return IG_OK;
}

static ig_status add_symbol(ig_work *w, const char *p, size_t n, uint32_t id) {
    const ig_tokenizer *tok = w->tok;
    if (id == IG_TOKEN_NONE && tok->merge_kind == IG_MERGE_SCORES)
        id = ig_token_map_find(&tok->text, p, n);
    return id < tok->n_tokens ? add_id(w, id) : add_bytes(w, p, n);
}

IG_INLINE size_t symbol_bytes(ig_merge_kind kind, const char *p, size_t n) {
    return kind == IG_MERGE_BYTES ? 1 : ig_symbol_bytes(p, n);
}

IG_INLINE uint32_t symbol_id(const ig_tokenizer *tok, ig_merge_kind kind, const char *p, size_t n) {
    if (kind == IG_MERGE_BYTES)
        return tok->byte_id[(uint8_t)p[0]];
    return kind == IG_MERGE_SCORES ? IG_TOKEN_NONE : ig_token_map_find(&tok->text, p, n);
}

/* Rank and id of the pair at p with n bytes together; rank IG_TOKEN_NONE = it does not merge. */
IG_INLINE uint32_t pair_rank(const ig_tokenizer *tok, ig_merge_kind kind, const char *p, size_t n,
                             uint32_t left, uint32_t right, uint32_t *id) {
    if (kind == IG_MERGE_SCORES) {
        *id = ig_token_map_find(&tok->text, p, n);
        return *id < tok->n_tokens ? tok->score_key[*id] : IG_TOKEN_NONE;
    }
    if (left == IG_TOKEN_NONE || right == IG_TOKEN_NONE)
        return IG_TOKEN_NONE;
    return ig_merge_map_find(&tok->merges, left, right, id);
}

/* ---- short words ---- */

typedef struct short_word {
    uint32_t rank[SHORT_SYMBOLS + 1]; /* of symbols i and i + 1 */
    uint32_t merged[SHORT_SYMBOLS + 1];
    uint32_t id[SHORT_SYMBOLS + 1];
    uint32_t at[SHORT_SYMBOLS + 2];
} short_word;

IG_INLINE void rank_pair(const ig_tokenizer *tok, ig_merge_kind kind, const char *p, short_word *s,
                         uint32_t i) {
    s->rank[i] = pair_rank(tok, kind, p + s->at[i], s->at[i + 2] - s->at[i], s->id[i], s->id[i + 1],
                           &s->merged[i]);
}

/* Merges the n symbols in s; returns how many are left. */
IG_INLINE uint32_t merge_short(const ig_tokenizer *tok, ig_merge_kind kind, const char *p,
                               short_word *s, uint32_t n) {
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (kind == IG_MERGE_BYTES) {
            ig_byte_pair pair = tok->byte_pairs[(uint8_t)p[i] << 8 | (uint8_t)p[i + 1]];
            s->rank[i] = pair.rank;
            s->merged[i] = pair.id;
        } else {
            rank_pair(tok, kind, p, s, i);
        }
    }
    while (n > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < n; i++)
            if (s->rank[i] < s->rank[best])
                best = i;
        if (s->rank[best] == IG_TOKEN_NONE)
            break;
        s->id[best] = s->merged[best];
        n--;
        for (uint32_t i = best + 1; i < n; i++) {
            s->id[i] = s->id[i + 1];
            s->rank[i] = s->rank[i + 1];
            s->merged[i] = s->merged[i + 1];
            s->at[i] = s->at[i + 1];
        }
        s->at[n] = s->at[n + 1];
        if (best > 0)
            rank_pair(tok, kind, p, s, best - 1);
        if (best + 1 < n)
            rank_pair(tok, kind, p, s, best);
    }
    return n;
}

/* ---- long words ---- */

static ig_status reserve_long(ig_work *w, size_t n) {
    if (n > w->symbols_cap) {
        ig_symbol *p = ig_realloc(w->symbols, n, sizeof *p);
        if (!p)
            return ig_fail_memory(w->err, n * sizeof *p);
        w->symbols = p;
        w->symbols_cap = n;
    }
    /* n - 1 first pairs, and each of at most n - 1 merges takes one away and adds two. */
    if (2 * n > w->pairs_cap) {
        ig_pair *p = ig_realloc(w->pairs, 2 * n, sizeof *p);
        if (!p)
            return ig_fail_memory(w->err, 2 * n * sizeof *p);
        w->pairs = p;
        w->pairs_cap = 2 * n;
    }
    return IG_OK;
}

/* The pair of symbol `left` and the one after it; false when they do not merge. */
static bool make_pair(const ig_work *w, const char *p, uint32_t left, ig_pair *pair) {
    const ig_symbol *a = &w->symbols[left];
    if (a->next == IG_TOKEN_NONE)
        return false;
    const ig_symbol *b = &w->symbols[a->next];
    uint32_t rank = pair_rank(w->tok, w->tok->merge_kind, p + a->at, (size_t)a->n + b->n, a->id,
                              b->id, &pair->id);
    if (rank == IG_TOKEN_NONE)
        return false;
    pair->order = (uint64_t)rank << 32 | left;
    pair->n = a->n + b->n;
    return true;
}

static uint32_t cut_symbols(ig_work *w, const char *p, size_t n) {
    ig_merge_kind kind = w->tok->merge_kind;
    uint32_t count = 0;
    for (size_t at = 0; at < n; count++) {
        size_t bytes = symbol_bytes(kind, p + at, n - at);
        w->symbols[count] =
            (ig_symbol){(uint32_t)at, (uint32_t)bytes, symbol_id(w->tok, kind, p + at, bytes),
                        count - 1, count + 1};
        at += bytes;
    }
    w->symbols[0].prev = IG_TOKEN_NONE;
    w->symbols[count - 1].next = IG_TOKEN_NONE;
    return count;
}

static ig_status merge_long(ig_work *w, const char *p, size_t n) {
    IG_TRY(reserve_long(w, n));
    uint32_t count = cut_symbols(w, p, n);
    ig_symbol *symbols = w->symbols;
    ig_pair *heap = w->pairs;
    size_t queued = 0;
    for (uint32_t i = 0; i < count; i++)
        queued += make_pair(w, p, i, &heap[queued]);
    for (size_t i = queued / 2; i-- > 0;)
        ig_pair_sift_down(heap, queued, i);
    while (queued > 0) {
        ig_pair best = heap[0];
        heap[0] = heap[--queued];
        ig_pair_sift_down(heap, queued, 0);
        uint32_t left = (uint32_t)best.order, right = symbols[left].next;
        /* Symbols only grow, so equal bytes mean that neither side changed since. */
        if (symbols[left].n == 0 || right == IG_TOKEN_NONE ||
            symbols[left].n + symbols[right].n != best.n)
            continue;
        symbols[left].n = best.n;
        symbols[left].id = best.id;
        symbols[left].next = symbols[right].next;
        symbols[right].n = 0;
        if (symbols[left].next != IG_TOKEN_NONE)
            symbols[symbols[left].next].prev = left;
        ig_pair pair;
        if (symbols[left].prev != IG_TOKEN_NONE && make_pair(w, p, symbols[left].prev, &pair))
            ig_pair_push(heap, &queued, pair);
        if (make_pair(w, p, left, &pair))
            ig_pair_push(heap, &queued, pair);
    }
    for (uint32_t i = 0; i != IG_TOKEN_NONE; i = symbols[i].next)
        IG_TRY(add_symbol(w, p + symbols[i].at, symbols[i].n, symbols[i].id));
    return IG_OK;
}

/* ---- a word ---- */

IG_INLINE ig_status merge_word(ig_work *w, ig_merge_kind kind, const char *p, size_t n) {
    const ig_tokenizer *tok = w->tok;
    short_word s;
    uint32_t count = 0;
    size_t at = 0;
    while (at < n && count < SHORT_SYMBOLS) {
        size_t bytes = symbol_bytes(kind, p + at, n - at);
        s.at[count] = (uint32_t)at;
        s.id[count++] = symbol_id(tok, kind, p + at, bytes);
        at += bytes;
    }
    if (at < n)
        return merge_long(w, p, n);
    s.at[count] = (uint32_t)n;
    count = merge_short(tok, kind, p, &s, count);
    for (uint32_t i = 0; i < count; i++)
        IG_TRY(add_symbol(w, p + s.at[i], s.at[i + 1] - s.at[i], s.id[i]));
    return IG_OK;
}

/* Where the part that begins at p ends: between two symbols that no merge can join. */
static size_t part_bytes(const ig_tokenizer *tok, const char *p, size_t n) {
    size_t at = ig_symbol_bytes(p, n);
    unsigned left = ig_symbol_class(p, at);
    while (at < n) {
        size_t next = ig_symbol_bytes(p + at, n - at);
        unsigned right = ig_symbol_class(p + at, next);
        if (!(tok->joins[left][right >> 6] >> (right & 63) & 1))
            break;
        left = right;
        at += next;
    }
    return at;
}

static bool only_newlines(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != '\n')
            return false;
    return true;
}

/* Whether the merges of a token's text lead back to the token. Finding it out for a whole
 * vocabulary takes longer than most texts, so it is found out for the tokens that occur. */
typedef enum ig_whole { WHOLE_UNKNOWN, WHOLE_NO, WHOLE_YES } ig_whole;

static ig_status is_whole(ig_work *w, ig_merge_kind kind, uint32_t id, const char *p, size_t n,
                          bool *whole) {
    uint8_t known = ig_lazy_load(&w->tok->whole[id]);
    if (known == WHOLE_UNKNOWN) {
        const size_t before = w->ids->n;
        const bool unknown_last = w->unknown_last;
        w->unknown_last = false;
        IG_TRY(merge_word(w, kind, p, n));
        const bool same = w->ids->n == before + 1 && w->ids->p[before] == (int32_t)id;
        w->ids->n = before;
        w->unknown_last = unknown_last;
        known = same ? WHOLE_YES : WHOLE_NO;
        ig_lazy_store(&w->tok->whole[id], known);
    }
    *whole = known == WHOLE_YES;
    return IG_OK;
}

static ig_status encode_bytes(ig_work *w, const char *p, size_t n) {
    const ig_tokenizer *tok = w->tok;
    uint32_t id = ig_token_map_find(&tok->raw, p, n);
    bool whole = id != IG_TOKEN_NONE && tok->ignore_merges;
    if (id != IG_TOKEN_NONE && !whole)
        IG_TRY(is_whole(w, IG_MERGE_BYTES, id, p, n, &whole));
    return whole ? ig_ids_add(w->ids, (int32_t)id, w->err) : merge_word(w, IG_MERGE_BYTES, p, n);
}

ig_status ig_encode_word(ig_work *w, const char *p, size_t n) {
    const ig_tokenizer *tok = w->tok;
    w->unknown_last = false;
    if (tok->merge_kind == IG_MERGE_BYTES)
        return encode_bytes(w, p, n);
    if (tok->ignore_merges || (tok->newline_words && only_newlines(p, n))) {
        uint32_t id = ig_token_map_find(&tok->text, p, n);
        if (id < tok->n_tokens)
            return ig_ids_add(w->ids, (int32_t)id, w->err);
    }
    for (size_t at = 0; at < n;) {
        size_t bytes = part_bytes(tok, p + at, n - at);
        uint32_t id = ig_token_map_find(&tok->text, p + at, bytes);
        bool scores = tok->merge_kind == IG_MERGE_SCORES, whole = false;
        if (id < tok->n_tokens)
            IG_TRY(scores ? is_whole(w, IG_MERGE_SCORES, id, p + at, bytes, &whole)
                          : is_whole(w, IG_MERGE_CHARACTERS, id, p + at, bytes, &whole));
        if (whole)
            IG_TRY(add_id(w, id));
        else
            IG_TRY(scores ? merge_word(w, IG_MERGE_SCORES, p + at, bytes)
                          : merge_word(w, IG_MERGE_CHARACTERS, p + at, bytes));
        at += bytes;
    }
    return IG_OK;
}
