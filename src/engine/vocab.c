/* vocab.c: tokenizer.ggml.* metadata → plain vocabulary arrays → tokenizer. */
#include "engine/engine_int.h"
#include "engine/stop_text.h"

typedef struct role_key {
    ig_token_role role;
    const char *key;
} role_key;

/* A role may have an older second key; the first that is present wins. */
static const role_key ROLE_KEYS[] = {
    {IG_ROLE_BOS, "tokenizer.ggml.bos_token_id"},
    {IG_ROLE_EOS, "tokenizer.ggml.eos_token_id"},
    {IG_ROLE_EOT, "tokenizer.ggml.eot_token_id"},
    {IG_ROLE_EOM, "tokenizer.ggml.eom_token_id"},
    {IG_ROLE_UNK, "tokenizer.ggml.unknown_token_id"},
    {IG_ROLE_SEP, "tokenizer.ggml.seperator_token_id"},
    {IG_ROLE_PAD, "tokenizer.ggml.padding_token_id"},
    {IG_ROLE_CLS, "tokenizer.ggml.cls_token_id"},
    {IG_ROLE_MASK, "tokenizer.ggml.mask_token_id"},
    {IG_ROLE_FIM_PRE, "tokenizer.ggml.fim_pre_token_id"},
    {IG_ROLE_FIM_SUF, "tokenizer.ggml.fim_suf_token_id"},
    {IG_ROLE_FIM_MID, "tokenizer.ggml.fim_mid_token_id"},
    {IG_ROLE_FIM_PAD, "tokenizer.ggml.fim_pad_token_id"},
    {IG_ROLE_FIM_REP, "tokenizer.ggml.fim_rep_token_id"},
    {IG_ROLE_FIM_SEP, "tokenizer.ggml.fim_sep_token_id"},
    {IG_ROLE_FIM_PRE, "tokenizer.ggml.prefix_token_id"},
    {IG_ROLE_FIM_SUF, "tokenizer.ggml.suffix_token_id"},
    {IG_ROLE_FIM_MID, "tokenizer.ggml.middle_token_id"},
};

typedef struct flag_key {
    size_t offset; /* of an ig_tri in ig_vocab */
    const char *key;
} flag_key;

static const flag_key FLAG_KEYS[] = {
    {offsetof(ig_vocab, add_bos), "tokenizer.ggml.add_bos_token"},
    {offsetof(ig_vocab, add_eos), "tokenizer.ggml.add_eos_token"},
    {offsetof(ig_vocab, add_sep), "tokenizer.ggml.add_sep_token"},
    {offsetof(ig_vocab, add_space_prefix), "tokenizer.ggml.add_space_prefix"},
    {offsetof(ig_vocab, lowercase), "tokenizer.ggml.normalizer.lowercase"},
};

static const ig_meta *meta_of(const ig_checkpoint *ckpt, const char *key) {
    return ig_checkpoint_meta(ckpt, ig_str_of(key));
}

static ig_status text_key(const ig_checkpoint *ckpt, const char *key, ig_str *out, ig_err *err) {
    const ig_meta *m = meta_of(ckpt, key);
    *out = (ig_str){0};
    if (m && !ig_meta_str(m, 0, out))
        return ig_fail(err, IG_EFORMAT, "%s is not a string", key);
    return IG_OK;
}

static ig_status read_roles(const ig_checkpoint *ckpt, ig_vocab *v, ig_err *err) {
    for (size_t i = 0; i < IG_ROLE_COUNT; i++)
        v->roles[i] = INT32_MIN;
    for (size_t i = 0; i < IG_COUNT(ROLE_KEYS); i++) {
        const ig_meta *m = meta_of(ckpt, ROLE_KEYS[i].key);
        int64_t id;
        if (!m || v->roles[ROLE_KEYS[i].role] != INT32_MIN)
            continue;
        if (!ig_meta_i64(m, 0, &id))
            return ig_fail(err, IG_EFORMAT, "%s is not an integer", ROLE_KEYS[i].key);
        /* Ids outside of the vocabulary go on: the tokenizer warns of them. */
        v->roles[ROLE_KEYS[i].role] = (int32_t)IG_MIN(IG_MAX(id, -1), (int64_t)INT32_MAX);
    }
    for (size_t i = 0; i < IG_COUNT(FLAG_KEYS); i++) {
        const ig_meta *m = meta_of(ckpt, FLAG_KEYS[i].key);
        bool yes;
        if (!m)
            continue;
        if (!ig_meta_bool(m, 0, &yes))
            return ig_fail(err, IG_EFORMAT, "%s is not a boolean", FLAG_KEYS[i].key);
        ig_tri tri = yes ? IG_YES : IG_NO;
        memcpy((char *)v + FLAG_KEYS[i].offset, &tri, sizeof tri);
    }
    return IG_OK;
}

/* The array of a key with at least n entries; *out is NULL when the key is absent. */
static ig_status array_of(const ig_checkpoint *ckpt, const char *key, uint64_t n,
                          const ig_meta **out, ig_err *err) {
    *out = meta_of(ckpt, key);
    if (*out && ((*out)->type != IG_META_ARRAY || (*out)->count < n))
        return ig_fail(err, IG_EFORMAT, "%s must be an array with an entry for each of %llu tokens",
                       key, (unsigned long long)n);
    return IG_OK;
}

static ig_status read_scores(const ig_checkpoint *ckpt, ig_vocab *v, float **scores,
                             int32_t **types, ig_err *err) {
    const ig_meta *m;
    IG_TRY(array_of(ckpt, "tokenizer.ggml.scores", v->n_tokens, &m, err));
    if (m && !(*scores = ig_alloc(v->n_tokens, sizeof **scores)))
        return ig_fail_memory(err, v->n_tokens * sizeof **scores);
    for (uint32_t i = 0; m && i < v->n_tokens; i++) {
        double d;
        if (!ig_meta_f64(m, i, &d))
            return ig_fail(err, IG_EFORMAT, "tokenizer.ggml.scores: entry %u is not a number", i);
        (*scores)[i] = (float)d;
    }
    v->scores = *scores;
    IG_TRY(array_of(ckpt, "tokenizer.ggml.token_type", v->n_tokens, &m, err));
    if (m && !(*types = ig_alloc(v->n_tokens, sizeof **types)))
        return ig_fail_memory(err, v->n_tokens * sizeof **types);
    for (uint32_t i = 0; m && i < v->n_tokens; i++) {
        int64_t t;
        if (!ig_meta_i64(m, i, &t))
            return ig_fail(err, IG_EFORMAT, "tokenizer.ggml.token_type: entry %u is not an integer",
                           i);
        (*types)[i] = t < INT32_MIN || t > INT32_MAX ? IG_TOKEN_UNDEFINED : (int32_t)t;
    }
    v->types = *types;
    return IG_OK;
}

static ig_status read_arrays(const ig_checkpoint *ckpt, ig_vocab *v, float **scores,
                             int32_t **types, ig_err *err) {
    const ig_meta *m;
    IG_TRY(text_key(ckpt, "tokenizer.ggml.model", &v->model, err));
    IG_TRY(text_key(ckpt, "tokenizer.ggml.pre", &v->pre, err));
    IG_TRY(text_key(ckpt, "general.name", &v->name, err));
    IG_TRY(text_key(ckpt, "general.architecture", &v->arch_name, err));
    if (v->model.n == 0)
        return ig_fail(err, IG_EFORMAT,
                       "tokenizer.ggml.model is missing: the file has no vocabulary; "
                       "convert the model together with its tokenizer");
    IG_TRY(array_of(ckpt, "tokenizer.ggml.tokens", 1, &m, err));
    if (!m || m->elem != IG_META_STRING)
        return ig_fail(err, IG_EFORMAT, "tokenizer.ggml.tokens must be an array of strings");
    if (m->count > IG_VOCAB_MAX)
        return ig_fail(err, IG_ELIMIT, "tokenizer.ggml.tokens has %llu entries; the limit is %u",
                       (unsigned long long)m->count, IG_VOCAB_MAX);
    v->n_tokens = (uint32_t)m->count;
    v->tokens = m->strings;
    IG_TRY(array_of(ckpt, "tokenizer.ggml.merges", 0, &m, err));
    if (m && (m->elem != IG_META_STRING || m->count > IG_VOCAB_MAX))
        return ig_fail(err, IG_EFORMAT,
                       "tokenizer.ggml.merges must be an array of at most %u strings",
                       IG_VOCAB_MAX);
    v->n_merges = m ? (uint32_t)m->count : 0;
    v->merges = m ? m->strings : NULL;
    IG_TRY(read_roles(ckpt, v, err));
    return read_scores(ckpt, v, scores, types, err);
}

ig_status ig_engine_pieces(ingot_model *m, const ig_piece_index **out, ig_err *err) {
    ig_status status = ig_engine_need_text(m, err);
    if (status)
        return status;
    ig_mutex_lock(m->lazy);
    if (!m->pieces)
        status = ig_piece_index_create(&m->pieces, m->tokenizer, err);
    *out = m->pieces;
    ig_mutex_unlock(m->lazy);
    return status;
}

ig_status ig_engine_need_text(const ingot_model *model, ig_err *err) {
    if (model->tokenizer)
        return IG_OK;
    if (err) {
        *err = model->tokenizer_error;
        ig_err_prefix(err, "the model's vocabulary cannot be used for text");
    }
    return model->tokenizer_error.code;
}

ig_status ig_engine_tokenizer(const ig_checkpoint *ckpt, const ig_logger *logger,
                              ig_tokenizer **out, ig_err *err) {
    ig_vocab v = {0};
    float *scores = NULL;
    int32_t *types = NULL;
    ig_status status = read_arrays(ckpt, &v, &scores, &types, err);
    if (!status)
        status = ig_tokenizer_create(out, &v, logger, err);
    ig_free(scores);
    ig_free(types);
    return status;
}
