/* tokenizer_json.c: a tokenizer from a Hugging Face tokenizer.json with a BPE model: vocabulary,
 * added tokens, merges; the other components are in json_parts.c. Added tokens are matched as
 * Hugging Face's tokenizers do. */
#include "tokenizer/json_parts_int.h"

#define GAP_MAX 65536u /* ids without a token that a vocabulary may have */

typedef struct token_list {
    ig_str *text;   /* [n], NULL text = none */
    uint16_t *attr; /* [n] */
    uint32_t n;
} token_list;

static ig_status check_id(const ig_json *v, size_t n_tokens, ig_str text, uint32_t *id,
                          ig_err *err) {
    int64_t i = ig_json_int(v, -1);
    if (i < 0 || i >= (int64_t)n_tokens + GAP_MAX || i >= (int64_t)IG_VOCAB_MAX - 1)
        return ig_fail(err, IG_EFORMAT,
                       "tokenizer.json: token \"%.*s\" has the id %lld, far outside of 0..%zu",
                       IG_STR_ARG(text), (long long)i, n_tokens);
    *id = (uint32_t)i;
    return IG_OK;
}

static ig_status put(token_list *list, uint32_t id, ig_str text, unsigned attr, ig_err *err) {
    if (list->text[id].p)
        return ig_fail(err, IG_EFORMAT, "tokenizer.json: id %u belongs to \"%.*s\" and to \"%.*s\"",
                       (unsigned)id, IG_STR_ARG(list->text[id]), IG_STR_ARG(text));
    list->text[id] = text;
    list->attr[id] = (uint16_t)attr;
    list->n = IG_MAX(list->n, id + 1);
    return IG_OK;
}

static ig_status read_vocabulary(const ig_json *vocab, size_t n_all, bool byte_fallback,
                                 token_list *list, ig_err *err) {
    ig_json_iter it = ig_json_first(vocab);
    while (ig_json_next(&it)) {
        uint32_t id = 0;
        bool byte = byte_fallback && it.key.n == 6 && ig_str_starts(it.key, IG_STR("<0x")) &&
                    it.key.p[5] == '>';
        IG_TRY(check_id(it.value, n_all, it.key, &id, err));
        IG_TRY(put(list, id, it.key, byte ? IG_ATTR_BYTE : IG_ATTR_NORMAL, err));
    }
    return IG_OK;
}

static unsigned added_attr(const ig_json *token) {
    static const struct {
        const char *key;
        unsigned attr;
    } flags[] = {{"single_word", IG_ATTR_SINGLE_WORD},
                 {"lstrip", IG_ATTR_LSTRIP},
                 {"rstrip", IG_ATTR_RSTRIP},
                 {"normalized", IG_ATTR_NORMALISED}};
    unsigned attr =
        ig_json_bool(ig_json_get(token, "special"), false) ? IG_ATTR_CONTROL : IG_ATTR_USER;
    for (size_t i = 0; i < IG_COUNT(flags); i++)
        if (ig_json_bool(ig_json_get(token, flags[i].key), false))
            attr |= flags[i].attr;
    return attr;
}

/* An added token that the vocabulary has keeps the vocabulary's id. */
static ig_status read_added(const ig_json *added, const ig_json *vocab, size_t n_all,
                            token_list *list, ig_err *err) {
    for (size_t i = 0; i < ig_json_count(added); i++) {
        const ig_json *token = ig_json_at(added, i);
        ig_str text = ig_json_str(ig_json_get(token, "content"));
        if (text.n == 0)
            continue;
        uint32_t id = 0;
        const ig_json *known = ig_json_find(vocab, text);
        IG_TRY(check_id(known ? known : ig_json_get(token, "id"), n_all, text, &id, err));
        if (list->text[id].p && ig_str_eq(list->text[id], text))
            list->attr[id] = (uint16_t)added_attr(token);
        else
            IG_TRY(put(list, id, text, added_attr(token), err));
    }
    return IG_OK;
}

static ig_status read_tokens(ig_tokenizer *tok, const ig_json *root, const ig_json *model,
                             ig_err *err) {
    const ig_json *vocab = ig_json_get(model, "vocab"), *added = ig_json_get(root, "added_tokens");
    size_t n_all = ig_json_count(vocab) + ig_json_count(added);
    if (!ig_json_is(vocab, IG_JSON_OBJECT) || n_all == 0)
        return ig_fail(err, IG_EFORMAT,
                       "tokenizer.json: model.vocab is missing, empty or no object");
    if (n_all >= IG_VOCAB_MAX - GAP_MAX)
        return ig_fail(err, IG_ELIMIT, "tokenizer.json: %zu tokens; fewer than %u are accepted",
                       n_all, IG_VOCAB_MAX - GAP_MAX);
    token_list list = {.text = ig_alloc(n_all + GAP_MAX, sizeof *list.text),
                       .attr = ig_alloc(n_all + GAP_MAX, sizeof *list.attr)};
    ig_status status =
        list.text && list.attr ? IG_OK : ig_fail_memory(err, n_all * sizeof *list.text);
    bool fallback = ig_json_bool(ig_json_get(model, "byte_fallback"), false);
    if (!status)
        status = read_vocabulary(vocab, n_all, fallback, &list, err);
    if (!status)
        status = read_added(added, vocab, n_all, &list, err);
    if (!status)
        status = ig_tokenizer_set_tokens(tok, list.text, list.n, err);
    if (!status)
        memcpy(tok->attr, list.attr, list.n * sizeof *list.attr);
    ig_free(list.text);
    ig_free(list.attr);
    return status;
}

/* ---- merges ---- */

static ig_status read_merge(const ig_json *v, size_t i, ig_merge_text *out, ig_err *err) {
    if (ig_json_is(v, IG_JSON_ARRAY) && ig_json_count(v) == 2) {
        *out = (ig_merge_text){ig_json_str(ig_json_at(v, 0)), ig_json_str(ig_json_at(v, 1))};
    } else {
        ig_str s = ig_json_str(v);
        const char *space = s.n ? memchr(s.p, ' ', s.n) : NULL;
        if (space) {
            size_t at = (size_t)(space - s.p);
            *out = (ig_merge_text){{s.p, at}, {space + 1, s.n - at - 1}};
        }
    }
    if (out->left.n == 0 || out->right.n == 0)
        return ig_fail(err, IG_EFORMAT, "tokenizer.json: merge %zu is no pair of strings", i);
    return IG_OK;
}

static ig_status read_merges(ig_tokenizer *tok, const ig_json *model, ig_err *err) {
    const ig_json *merges = ig_json_get(model, "merges");
    size_t n = ig_json_count(merges);
    if (n >= IG_VOCAB_MAX)
        return ig_fail(err, IG_ELIMIT, "tokenizer.json: %zu merges; at most %u are accepted", n,
                       IG_VOCAB_MAX - 1);
    ig_merge_text *pairs = ig_alloc(n, sizeof *pairs);
    ig_status status = pairs ? IG_OK : ig_fail_memory(err, n * sizeof *pairs);
    for (size_t i = 0; !status && i < n; i++) {
        status = read_merge(ig_json_at(merges, i), i, &pairs[i], err);
        if (!status && (ig_tokenizer_find(tok, pairs[i].left) < 0 ||
                        ig_tokenizer_find(tok, pairs[i].right) < 0))
            status =
                ig_fail(err, IG_EFORMAT,
                        "tokenizer.json: merge %zu \"%.*s %.*s\" names a string that is no token",
                        i, IG_STR_ARG(pairs[i].left), IG_STR_ARG(pairs[i].right));
    }
    if (!status)
        status = ig_tokenizer_set_merges(tok, pairs, (uint32_t)n, err);
    ig_free(pairs);
    if (!status && tok->text.n > tok->n_tokens) {
        ig_str s = ig_token_map_str(&tok->text, tok->n_tokens);
        status =
            ig_fail(err, IG_EFORMAT, "tokenizer.json: a merge makes \"%.*s\", which is no token",
                    IG_STR_ARG(s));
    }
    return status;
}

/* ---- model ---- */

static ig_status check_model(const ig_json *model, ig_err *err) {
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    ig_str type = ig_json_str(ig_json_get(model, "type"));
    if (type.n ? !ig_str_is(type, "BPE") : !ig_json_is(ig_json_get(model, "merges"), IG_JSON_ARRAY))
        return ig_fail(err, IG_EUNSUPPORTED,
                       "tokenizer.json: model \"%.*s\" is not implemented; only BPE is",
                       IG_STR_ARG(type));
    for (size_t i = 0; i < IG_COUNT(affixes); i++)
        if (ig_json_str(ig_json_get(model, affixes[i])).n)
            return ig_fail(err, IG_EUNSUPPORTED, "tokenizer.json: model.%s is not implemented",
                           affixes[i]);
    if (ig_json_num(ig_json_get(model, "dropout"), 0) > 0)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "tokenizer.json: model.dropout is for training; set it to null");
    return IG_OK;
}

static void set_unknown(ig_tokenizer *tok, const ig_json *model) {
    ig_str unknown = ig_json_str(ig_json_get(model, "unk_token"));
    tok->unknown = unknown.n ? ig_tokenizer_find(tok, unknown) : -1;
    tok->roles[IG_ROLE_UNK] = tok->unknown;
    tok->fuse_unknown = ig_json_bool(ig_json_get(model, "fuse_unk"), false);
    tok->ignore_merges = ig_json_bool(ig_json_get(model, "ignore_merges"), false);
    if (!ig_json_bool(ig_json_get(model, "byte_fallback"), false))
        return;
    for (unsigned b = 0; b < 256; b++)
        tok->byte_out[b] = ig_tokenizer_find_byte_token(tok, (uint8_t)b);
}

/* The file names no roles; BOS stands in the template, EOS is known by its text. */
static void set_roles(ig_tokenizer *tok) {
    static const char *const eos[] = {
        "</s>",       "<eos>",      "<|end_of_text|>", "<|return|>",
        "<|im_end|>", "<|eot_id|>", "<|endoftext|>",   "<｜end▁of▁sentence｜>"};
    if (tok->n_before)
        tok->roles[IG_ROLE_BOS] = tok->before[0];
    for (size_t i = 0; tok->roles[IG_ROLE_EOS] < 0 && i < IG_COUNT(eos); i++) {
        int32_t id = ig_tokenizer_find(tok, ig_str_of(eos[i]));
        if (id >= 0 && (tok->attr[id] & IG_ATTR_CONTROL))
            tok->roles[IG_ROLE_EOS] = id;
    }
    tok->add_bos = tok->n_before > 0;
    tok->add_eos = tok->n_after > 0;
}

static ig_status set_newline(ig_tokenizer *tok, ig_err *err) {
    ig_ids ids = {0};
    ig_status status = ig_tokenizer_encode(tok, IG_STR("\n"), 0, &ids, err);
    if (!status && ids.n > 0)
        tok->roles[IG_ROLE_NEWLINE] = ids.p[ids.n - 1];
    ig_free(ids.p);
    return status;
}

static ig_status fill(ig_tokenizer *tok, const ig_json *root, const ig_logger *logger,
                      ig_err *err) {
    const ig_json *model = ig_json_get(root, "model"), *pre = ig_json_get(root, "pre_tokenizer");
    tok->from_json = true;
    IG_TRY(check_model(model, err));
    tok->merge_kind = ig_json_is_byte_level(pre) ? IG_MERGE_BYTES : IG_MERGE_CHARACTERS;
    IG_TRY(read_tokens(tok, root, model, err));
    IG_TRY(ig_json_normalizer(tok, ig_json_get(root, "normalizer"), err));
    IG_TRY(ig_json_pre_tokenizer(tok, pre, err));
    IG_TRY(ig_json_post_processor(tok, ig_json_get(root, "post_processor"), err));
    IG_TRY(ig_json_decoder(tok, ig_json_get(root, "decoder"), err));
    IG_TRY(read_merges(tok, model, err));
    set_unknown(tok, model);
    IG_TRY(ig_tokenizer_finish(tok, err));
    IG_TRY(ig_specials_init(tok, &tok->specials, IG_ATTR_CONTROL | IG_ATTR_USER, false, err));
    IG_TRY(ig_specials_init(tok, &tok->normalised, IG_ATTR_CONTROL | IG_ATTR_USER, true, err));
    set_roles(tok);
    ig_roles_detect(tok, logger);
    return set_newline(tok, err);
}

ig_status ig_tokenizer_create_json(ig_tokenizer **out, ig_str json, const ig_logger *logger,
                                   ig_err *err) {
    ig_json_doc *doc;
    ig_tokenizer *tok = NULL;
    IG_TRY(ig_json_open(&doc, json, err));
    ig_status status = ig_tokenizer_new(&tok, err);
    if (!status)
        status = fill(tok, ig_json_root(doc), logger, err);
    ig_json_close(&doc);
    if (status) {
        ig_tokenizer_destroy(&tok);
        return status;
    }
    *out = tok;
    return IG_OK;
}
