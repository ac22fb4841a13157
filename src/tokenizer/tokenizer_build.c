/* tokenizer_build.c: the parts that both ways to a tokenizer share: strings into maps, merges into
 * ids, stages, and the tables that make encoding fast. Everything lives in the tokenizer's arena.
 */
#include <stdio.h>

#include "tokenizer/split_words_int.h"
#include "tokenizer/tokenizer_int.h"

#define ARENA_BYTES_MAX ((size_t)8 << 30)

ig_status ig_tokenizer_new(ig_tokenizer **out, ig_err *err) {
    ig_tokenizer *tok = ig_alloc(1, sizeof *tok);
    if (!tok)
        return ig_fail_memory(err, sizeof *tok);
    ig_arena_init(&tok->arena, ARENA_BYTES_MAX);
    tok->unknown = -1;
    for (size_t i = 0; i < IG_ROLE_COUNT; i++)
        tok->roles[i] = -1;
    for (size_t i = 0; i < 256; i++) {
        tok->byte_id[i] = IG_TOKEN_NONE;
        tok->byte_out[i] = -1;
    }
    *out = tok;
    return IG_OK;
}

void ig_tokenizer_destroy(ig_tokenizer **tok) {
    ig_tokenizer *t = *tok;
    if (!t)
        return;
    for (uint32_t i = 0; i < t->n_own_stages; i++)
        ig_pattern_destroy(&t->own_stages[i].compiled);
    ig_arena_fini(&t->arena);
    ig_free(t);
    *tok = NULL;
}

ig_status ig_tokenizer_set_tokens(ig_tokenizer *tok, const ig_str *tokens, uint32_t n,
                                  ig_err *err) {
    size_t bytes = 0;
    if (n >= IG_VOCAB_MAX)
        return ig_fail(err, IG_ELIMIT, "%u tokens; at most %u are accepted", (unsigned)n,
                       IG_VOCAB_MAX - 1);
    for (uint32_t i = 0; i < n; i++) {
        if (tokens[i].n > IG_TOKEN_BYTES_MAX)
            return ig_fail(err, IG_ELIMIT, "token %u has %zu bytes; at most %u are accepted",
                           (unsigned)i, tokens[i].n, IG_TOKEN_BYTES_MAX);
        bytes += tokens[i].n;
        if (bytes > IG_VOCAB_BYTES_MAX)
            return ig_fail(err, IG_ELIMIT, "tokens of more than %u bytes together",
                           IG_VOCAB_BYTES_MAX);
    }
    IG_TRY(ig_token_map_init(&tok->text, &tok->arena, n, bytes, err));
    for (uint32_t i = 0; i < n; i++) {
        if (!tokens[i].p) {
            ig_token_map_skip(&tok->text);
            continue;
        }
        uint32_t first;
        IG_TRY(ig_token_map_add(&tok->text, tokens[i], &first, err));
        if (first != i)
            return ig_fail(err, IG_EFORMAT, "token %u \"%.*s\" repeats token %u", (unsigned)i,
                           IG_STR_ARG(tokens[i]), (unsigned)first);
    }
    tok->n_tokens = n;
    IG_TRY(ig_arena_new(&tok->arena, n, sizeof *tok->attr, &tok->attr, err));
    IG_TRY(ig_arena_new(&tok->arena, n, 1, &tok->eog, err));
    return ig_arena_new(&tok->arena, n, 1, &tok->whole, err);
}

/* ---- merges ---- */

/* left and right as one string, in scratch when they are not one already. */
static ig_status concat(const ig_merge_text *m, ig_buf *scratch, ig_str *out, ig_err *err) {
    ig_buf_clear(scratch);
    IG_TRY(ig_buf_add_str(scratch, m->left, err));
    IG_TRY(ig_buf_add_str(scratch, m->right, err));
    *out = ig_buf_str(scratch);
    return IG_OK;
}

static bool known(const ig_tokenizer *tok, ig_str s) {
    return ig_token_map_find(&tok->text, s.p, s.n) != IG_TOKEN_NONE;
}

/* Makes room in the text map for strings that only merges know; few vocabularies have any. */
static ig_status make_room(ig_tokenizer *tok, const ig_merge_text *merges, uint32_t n,
                           ig_buf *scratch, ig_err *err) {
    size_t more = 0, bytes = 0;
    for (uint32_t i = 0; i < n; i++) {
        ig_str whole;
        IG_TRY(concat(&merges[i], scratch, &whole, err));
        const ig_str parts[] = {merges[i].left, merges[i].right, whole};
        for (size_t j = 0; j < IG_COUNT(parts); j++) {
            if (!known(tok, parts[j])) {
                more++;
                bytes += parts[j].n;
            }
        }
        if (bytes > IG_VOCAB_BYTES_MAX || more + tok->n_tokens >= IG_VOCAB_MAX)
            return ig_fail(err, IG_ELIMIT, "merges make too many strings that are no tokens");
    }
    if (more == 0)
        return IG_OK;
    ig_token_map old = tok->text, map = {0};
    IG_TRY(
        ig_token_map_init(&map, &tok->arena, old.n + (uint32_t)more, old.at[old.n] + bytes, err));
    for (uint32_t i = 0; i < old.n; i++) {
        const ig_str s = ig_token_map_str(&old, i);
        uint32_t id;
        if (ig_token_map_find(&old, s.p, s.n) == i)
            IG_TRY(ig_token_map_add(&map, s, &id, err));
        else
            ig_token_map_skip(&map); /* an id without a text */
    }
    tok->text = map;
    return IG_OK;
}

/* The id of s; a string that only merges know gets one here. */
static ig_status intern(ig_tokenizer *tok, ig_str s, uint32_t *id, ig_err *err) {
    *id = ig_token_map_find(&tok->text, s.p, s.n);
    return *id == IG_TOKEN_NONE ? ig_token_map_add(&tok->text, s, id, err) : IG_OK;
}

/* Remembers which classes of symbols stand side by side in s. */
static void note_joins(ig_tokenizer *tok, ig_str s) {
    size_t n = s.n ? ig_symbol_bytes(s.p, s.n) : 0;
    for (size_t i = 0; i + n < s.n;) {
        size_t next = ig_symbol_bytes(s.p + i + n, s.n - i - n);
        unsigned right = ig_symbol_class(s.p + i + n, next);
        tok->joins[ig_symbol_class(s.p + i, n)][right >> 6] |= 1ull << (right & 63);
        i += n;
        n = next;
    }
}

static ig_status add_merges(ig_tokenizer *tok, const ig_merge_text *merges, uint32_t n,
                            ig_buf *scratch, ig_err *err) {
    IG_TRY(make_room(tok, merges, n, scratch, err));
    IG_TRY(ig_merge_map_init(&tok->merges, &tok->arena, n, err));
    for (uint32_t i = 0; i < n; i++) {
        ig_str whole;
        IG_TRY(concat(&merges[i], scratch, &whole, err));
        ig_merge merge = {.rank = i};
        IG_TRY(intern(tok, merges[i].left, &merge.left, err));
        IG_TRY(intern(tok, merges[i].right, &merge.right, err));
        IG_TRY(intern(tok, whole, &merge.id, err));
        IG_TRY(ig_merge_map_add(&tok->merges, merge, err));
        if (tok->merge_kind == IG_MERGE_CHARACTERS)
            note_joins(tok, whole);
    }
    return IG_OK;
}

ig_status ig_tokenizer_set_merges(ig_tokenizer *tok, const ig_merge_text *merges, uint32_t n,
                                  ig_err *err) {
    ig_buf scratch;
    for (uint32_t i = 0; i < n; i++)
        if (merges[i].left.n + merges[i].right.n > 2 * (size_t)IG_TOKEN_BYTES_MAX)
            return ig_fail(err, IG_ELIMIT, "merge %u is too long", (unsigned)i);
    ig_buf_init(&scratch, 2 * (size_t)IG_TOKEN_BYTES_MAX);
    ig_status status = add_merges(tok, merges, n, &scratch, err);
    ig_buf_fini(&scratch);
    return status;
}

/* ---- stages ---- */

ig_status ig_tokenizer_add_stage(ig_tokenizer *tok, const ig_stage *stage, ig_err *err) {
    if (tok->n_stages == IG_STAGES_MAX)
        return ig_fail(err, IG_ELIMIT, "more than %d pre-tokenizers in a row", IG_STAGES_MAX);
    if (stage->next == ig_split_pattern || stage->next == ig_split_literal) {
        ig_stage *own = &tok->own_stages[tok->n_own_stages];
        *own = *stage;
        if (stage->next == ig_split_pattern)
            IG_TRY(ig_pattern_create(&own->compiled, ig_str_of(stage->pattern), err));
        tok->n_own_stages++;
        stage = own;
    }
    tok->stages[tok->n_stages++] = stage;
    return IG_OK;
}

/* ---- tables ---- */

int32_t ig_tokenizer_find_byte_token(const ig_tokenizer *tok, uint8_t byte) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", byte);
    return ig_tokenizer_find(tok, (ig_str){name, 6});
}

/* The bytes that a string of byte characters stands for, into scratch; false when it holds other
 * characters. */
static ig_status to_bytes(ig_str s, ig_buf *out, bool *all, ig_err *err) {
    ig_buf_clear(out);
    *all = true;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t n = ig_utf8_decode(s.p + i, s.n - i, &cp);
        int byte = ig_char_to_byte(cp);
        if (byte < 0) {
            *all = false;
            return IG_OK;
        }
        char c = (char)byte;
        IG_TRY(ig_buf_add(out, &c, 1, err));
        i += n;
    }
    return IG_OK;
}

static ig_status fill_raw(ig_tokenizer *tok, ig_buf *scratch, ig_err *err) {
    IG_TRY(
        ig_token_map_init(&tok->raw, &tok->arena, tok->n_tokens, tok->text.at[tok->n_tokens], err));
    for (uint32_t id = 0; id < tok->n_tokens; id++) {
        bool all;
        uint32_t found; /* always id: the mapping is one to one, so nothing repeats */
        IG_TRY(to_bytes(ig_token_map_str(&tok->text, id), scratch, &all, err));
        if (all && scratch->n > 0)
            IG_TRY(ig_token_map_add(&tok->raw, ig_buf_str(scratch), &found, err));
        else
            ig_token_map_skip(&tok->raw);
    }
    return IG_OK;
}

static ig_status fill_bytes(ig_tokenizer *tok, ig_err *err) {
    for (unsigned b = 0; b < 256; b++) {
        char name[4];
        size_t n = ig_utf8_encode(ig_byte_to_char((uint8_t)b), name);
        tok->byte_id[b] = ig_token_map_find(&tok->text, name, n);
        if (n == 1 && !tok->from_json)
            tok->byte_out[b] = ig_tokenizer_find(tok, (ig_str){name, 1});
    }
    IG_TRY(ig_arena_new(&tok->arena, 256 * 256, sizeof *tok->byte_pairs, &tok->byte_pairs, err));
    for (size_t i = 0; i < 256 * 256; i++) {
        uint32_t left = tok->byte_id[i >> 8], right = tok->byte_id[i & 255];
        ig_byte_pair *pair = &tok->byte_pairs[i];
        pair->rank = left == IG_TOKEN_NONE || right == IG_TOKEN_NONE
                         ? IG_TOKEN_NONE
                         : ig_merge_map_find(&tok->merges, left, right, &pair->id);
    }
    ig_buf scratch;
    ig_buf_init(&scratch, IG_TOKEN_BYTES_MAX);
    ig_status status = fill_raw(tok, &scratch, err);
    ig_buf_fini(&scratch);
    return status;
}

ig_status ig_tokenizer_finish(ig_tokenizer *tok, ig_err *err) {
    if (tok->merge_kind == IG_MERGE_BYTES)
        IG_TRY(fill_bytes(tok, err));
    if (tok->merge_kind == IG_MERGE_SCORES)
        for (uint32_t id = 0; id < tok->n_tokens; id++)
            note_joins(tok, ig_token_map_str(&tok->text, id));
    return IG_OK;
}
