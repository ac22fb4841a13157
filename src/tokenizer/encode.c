/* encode.c: the way of a text: special tokens are cut out, what is left goes through the text
 * rules, the splitting stages and the merges. Working memory belongs to one call; the tokenizer is
 * only read. */
#include "tokenizer/tokenizer_int.h"

ig_status ig_ids_add(ig_ids *ids, int32_t id, ig_err *err) {
    if (ig_unlikely(ids->n == ids->cap)) {
        size_t cap = ids->cap ? ids->cap * 2 : 64;
        int32_t *p = ig_realloc(ids->p, cap, sizeof *p);
        if (!p)
            return ig_fail_memory(err, cap * sizeof *p);
        ids->p = p;
        ids->cap = cap;
    }
    ids->p[ids->n++] = id;
    return IG_OK;
}

/* Stage i over one piece; recursion is as deep as there are stages. */
static ig_status split(ig_work *w, uint32_t i, const char *p, size_t n) {
    const ig_tokenizer *tok = w->tok;
    if (i == tok->n_stages)
        return ig_encode_word(w, p, n);
    const ig_stage *stage = tok->stages[i];
    bool last = i + 1 == tok->n_stages;
    ig_split_memo memo = {.match = w->matches[i]};
    for (size_t pos = 0; pos < n;) {
        size_t end = stage->next(stage, p, pos, n, &memo, w->err);
        if (ig_unlikely(end == IG_SPLIT_FAILED))
            return memo.status;
        if (!memo.drop && end > pos) {
            if (last)
                IG_TRY(ig_encode_word(w, p + pos, end - pos));
            else
                IG_TRY(split(w, i + 1, p + pos, end - pos));
        }
        pos = end;
    }
    return IG_OK;
}

static ig_status encode_fragments(ig_work *w, ig_str text, bool parse_special) {
    const ig_tokenizer *tok = w->tok;
    IG_TRY(ig_partition(w, text, parse_special));
    bool after_special = true;
    for (size_t i = 0; i < w->n_fragments; i++) {
        ig_fragment f = w->fragments[i];
        if (f.id >= 0) {
            IG_TRY(ig_ids_add(w->ids, f.id, w->err));
            after_special = true;
            continue;
        }
        ig_str part = {text.p + f.start, f.end - f.start};
        IG_TRY(ig_apply_rules(w, part, f.start == 0, &part));
        if (tok->merge_kind == IG_MERGE_SCORES && tok->space_prefix && after_special) {
            ig_buf_clear(&w->text_new);
            IG_TRY(ig_buf_add(&w->text_new, "\xE2\x96\x81", 3, w->err));
            IG_TRY(ig_buf_add_str(&w->text_new, part, w->err));
            part = ig_buf_str(&w->text_new);
        }
        IG_TRY(split(w, 0, part.p, part.n));
        after_special = false;
    }
    return IG_OK;
}

/* Hugging Face: a text between two tokens of the first kind. */
static ig_status encode_section(ig_work *w, ig_str text, bool first, bool parse_special) {
    const ig_tokenizer *tok = w->tok;
    size_t at = 0, start, end;
    int32_t id;
    IG_TRY(ig_apply_rules(w, text, first, &text));
    while (at < text.n &&
           ig_specials_next(tok, &tok->normalised, text, at, parse_special, &start, &end, &id)) {
        IG_TRY(split(w, 0, text.p + at, start - at));
        IG_TRY(ig_ids_add(w->ids, id, w->err));
        at = end;
    }
    return split(w, 0, text.p + at, text.n - at);
}

static ig_status encode_sections(ig_work *w, ig_str text, bool parse_special) {
    const ig_tokenizer *tok = w->tok;
    size_t at = 0, start, end;
    int32_t id;
    while (at < text.n &&
           ig_specials_next(tok, &tok->specials, text, at, parse_special, &start, &end, &id)) {
        if (start > at)
            IG_TRY(encode_section(w, (ig_str){text.p + at, start - at}, at == 0, parse_special));
        IG_TRY(ig_ids_add(w->ids, id, w->err));
        at = end;
    }
    return at < text.n
               ? encode_section(w, (ig_str){text.p + at, text.n - at}, at == 0, parse_special)
               : IG_OK;
}

static ig_status add_all(ig_work *w, const int32_t *ids, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        IG_TRY(ig_ids_add(w->ids, ids[i], w->err));
    return IG_OK;
}

static ig_status encode(ig_work *w, ig_str text, unsigned flags) {
    const ig_tokenizer *tok = w->tok;
    bool special = flags & IG_ENCODE_ADD_SPECIAL, parse = flags & IG_ENCODE_PARSE_SPECIAL;
    for (uint32_t i = 0; i < tok->n_stages; i++)
        if (tok->stages[i]->compiled)
            IG_TRY(ig_match_create(&w->matches[i], tok->stages[i]->compiled, w->err));
    if (tok->from_json) {
        if (special)
            IG_TRY(add_all(w, tok->before, tok->n_before));
        IG_TRY(encode_sections(w, text, parse));
        return special ? add_all(w, tok->after, tok->n_after) : IG_OK;
    }
    if (special && tok->add_bos)
        IG_TRY(ig_ids_add(w->ids, tok->roles[IG_ROLE_BOS], w->err));
    IG_TRY(encode_fragments(w, text, parse));
    return special && tok->add_eos ? ig_ids_add(w->ids, tok->roles[IG_ROLE_EOS], w->err) : IG_OK;
}

ig_status ig_tokenizer_encode(const ig_tokenizer *tok, ig_str text, unsigned flags, ig_ids *ids,
                              ig_err *err) {
    if (text.n > IG_TEXT_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT, "text of %zu bytes; at most %u are tokenised at once",
                       text.n, IG_TEXT_BYTES_MAX);
    size_t before = ids->n;
    ig_work w = {.tok = tok, .ids = ids, .err = err};
    ig_buf_init(&w.text, 8 * (size_t)IG_TEXT_BYTES_MAX);
    ig_buf_init(&w.text_new, 8 * (size_t)IG_TEXT_BYTES_MAX);
    ig_status status = encode(&w, text, flags);
    if (status)
        ids->n = before;
    for (size_t i = 0; i < IG_STAGES_MAX; i++)
        ig_match_destroy(&w.matches[i]);
    ig_buf_fini(&w.text);
    ig_buf_fini(&w.text_new);
    ig_free(w.symbols);
    ig_free(w.pairs);
    ig_free(w.fragments);
    ig_free(w.taken);
    return status;
}
