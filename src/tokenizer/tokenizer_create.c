/* tokenizer_create.c: a tokenizer from the arrays of a model file. The table of models says what
 * the file may leave out; the table of pre-splitters (presplit_table.c) says how BPE cuts words. */
#include <stdio.h>

#include "tokenizer/tokenizer_int.h"

typedef struct model_row {
    const char *name;
    const char *refused; /* what it needs, when it is not implemented */
    ig_merge_kind kind;  /* BPE rows: the pre-splitter may change it */
    const char *pre;     /* the only pre-splitter, whatever the file says */
    int32_t bos, eos, unk;
    bool add_bos, space_prefix;
    bool drop_spaces; /* white space only parts words */
} model_row;

static const model_row models[] = {
    {.name = "llama",
     .kind = IG_MERGE_SCORES,
     .bos = 1,
     .eos = 2,
     .unk = 0,
     .add_bos = true,
     .space_prefix = true},
    {.name = "gpt2", .kind = IG_MERGE_BYTES, .bos = 11, .eos = 11, .unk = -1},
    {.name = "gemma4", .kind = IG_MERGE_BYTES, .pre = "gemma4", .bos = -1, .eos = -1, .unk = -1},
    {.name = "whitespace",
     .kind = IG_MERGE_BYTES,
     .bos = 11,
     .eos = 11,
     .unk = -1,
     .drop_spaces = true},
    {.name = "hybriddna", .refused = "k-mer words"},
    {.name = "bert", .refused = "WordPiece"},
    {.name = "t5", .refused = "unigram Viterbi search"},
    {.name = "rwkv", .refused = "greedy trie search over escaped literals"},
    {.name = "plamo2", .refused = "suffix-table search"},
    {.name = "no_vocab", .refused = "no tokens at all; such a model takes ids only"},
    {.name = "none", .refused = "no tokens at all; such a model takes ids only"},
};

void ig_vocab_init(ig_vocab *vocab) {
    *vocab = (ig_vocab){0};
    for (size_t i = 0; i < IG_ROLE_COUNT; i++)
        vocab->roles[i] = -1;
}

static ig_status find_model(ig_str name, const model_row **out, ig_err *err) {
    char known[128] = "";
    size_t n = 0;
    for (size_t i = 0; i < IG_COUNT(models); i++) {
        if (ig_str_is(name, models[i].name)) {
            if (models[i].refused)
                return ig_fail(err, IG_EUNSUPPORTED,
                               "tokenizer model \"%s\" (%s) is not implemented; %s", models[i].name,
                               models[i].refused, "convert the model with another vocabulary kind");
            *out = &models[i];
            return IG_OK;
        }
        if (!models[i].refused)
            n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "",
                                  models[i].name);
    }
    return ig_fail(err, IG_EUNSUPPORTED, "unknown tokenizer model \"%.*s\"; known are %s",
                   IG_STR_ARG(name), known);
}

static ig_status find_presplit(ig_str name, const ig_presplit **out, const ig_logger *logger,
                               ig_err *err) {
    if (name.n == 0) {
        ig_log(logger, IG_LOG_WARN,
               "tokenizer: the file names no pre-splitter, using \"default\"; words may be cut in "
               "other places than in training");
        name = IG_STR("default");
    }
    *out = ig_presplit_find(name);
    if (*out)
        return IG_OK;
    char known[400];
    size_t n = 0;
    const ig_presplit *row;
    for (size_t i = 0; (row = ig_presplit_at(i)); i++) {
        int more = snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", row->names[0]);
        if (more < 0 || n + (size_t)more >= sizeof known)
            break;
        n += (size_t)more;
    }
    known[n] = '\0';
    return ig_fail(err, IG_EUNSUPPORTED,
                   "unknown pre-splitter \"%.*s\"; known are %s and aliases of these",
                   IG_STR_ARG(name), known);
}

/* ---- arrays ---- */

#define EMPTY_NAME_BYTES 24

/* Copies the list of strings, with a name of its own for every empty one. */
static ig_status set_tokens(ig_tokenizer *tok, const ig_vocab *v, ig_err *err) {
    size_t n_empty = 0;
    for (uint32_t i = 0; i < v->n_tokens; i++)
        n_empty += v->tokens[i].n == 0;
    if (n_empty == 0)
        return ig_tokenizer_set_tokens(tok, v->tokens, v->n_tokens, err);
    ig_str *copy = ig_alloc(v->n_tokens, sizeof *copy);
    char *names = ig_alloc(n_empty, EMPTY_NAME_BYTES);
    ig_status status = copy && names ? IG_OK : ig_fail_memory(err, v->n_tokens * sizeof *copy);
    for (uint32_t i = 0, k = 0; !status && i < v->n_tokens; i++) {
        copy[i] = v->tokens[i];
        if (copy[i].n == 0) {
            char *name = names + EMPTY_NAME_BYTES * (size_t)k++;
            copy[i] =
                (ig_str){name, (size_t)snprintf(name, EMPTY_NAME_BYTES, "[EMPTY_%u]", (unsigned)i)};
        }
    }
    if (!status)
        status = ig_tokenizer_set_tokens(tok, copy, v->n_tokens, err);
    ig_free(copy);
    ig_free(names);
    return status;
}

/* Order of floats as order of integers, best (largest) first. */
static uint32_t score_key(float score) {
    score += 0.0f; /* one zero */
    uint32_t u;
    memcpy(&u, &score, sizeof u);
    u = u & 0x80000000u ? ~u : u | 0x80000000u;
    uint32_t key = ~u;
    return key == IG_TOKEN_NONE ? key - 1 : key;
}

static ig_status set_attributes(ig_tokenizer *tok, const ig_vocab *v, ig_err *err) {
    static const uint16_t attr_of_type[] = {
        [IG_TOKEN_UNDEFINED] = 0,
        [IG_TOKEN_NORMAL] = IG_ATTR_NORMAL,
        [IG_TOKEN_UNKNOWN] = IG_ATTR_UNKNOWN,
        [IG_TOKEN_CONTROL] = IG_ATTR_CONTROL,
        [IG_TOKEN_USER_DEFINED] = IG_ATTR_USER,
        [IG_TOKEN_UNUSED] = IG_ATTR_UNUSED,
        [IG_TOKEN_BYTE] = IG_ATTR_BYTE,
    };
    IG_TRY(ig_arena_new(&tok->arena, v->n_tokens, sizeof *tok->score_key, &tok->score_key, err));
    for (uint32_t i = 0; i < v->n_tokens; i++) {
        int32_t type = v->types ? v->types[i] : IG_TOKEN_NORMAL;
        tok->attr[i] = type >= 0 && (size_t)type < IG_COUNT(attr_of_type) ? attr_of_type[type] : 0;
        tok->score_key[i] = score_key(v->scores ? v->scores[i] : 0.0f);
    }
    return IG_OK;
}

static ig_status set_merges(ig_tokenizer *tok, const ig_vocab *v, const ig_logger *logger,
                            ig_err *err) {
    if (v->n_merges >= IG_VOCAB_MAX)
        return ig_fail(err, IG_ELIMIT, "%u merges; at most %u are accepted", (unsigned)v->n_merges,
                       IG_VOCAB_MAX - 1);
    ig_merge_text *pairs = ig_alloc(v->n_merges, sizeof *pairs);
    if (!pairs)
        return ig_fail_memory(err, v->n_merges * sizeof *pairs);
    uint32_t broken = 0;
    for (uint32_t i = 0; i < v->n_merges; i++) {
        ig_str m = v->merges[i];
        const char *space = m.n > 1 ? memchr(m.p + 1, ' ', m.n - 1) : NULL;
        if (!space) { /* no pair of symbols is ever empty, so this merge never happens */
            broken++;
            continue;
        }
        pairs[i] = (ig_merge_text){{m.p, (size_t)(space - m.p)},
                                   {space + 1, m.n - (size_t)(space - m.p) - 1}};
    }
    if (broken)
        ig_log(logger, IG_LOG_WARN, "tokenizer: merges_without_space=%u are left out",
               (unsigned)broken);
    ig_status status = ig_tokenizer_set_merges(tok, pairs, v->n_merges, err);
    ig_free(pairs);
    return status;
}

static void set_roles(ig_tokenizer *tok, const ig_vocab *v, const model_row *model,
                      const ig_presplit *pre, const ig_logger *logger) {
    int32_t defaults[IG_ROLE_COUNT];
    for (size_t i = 0; i < IG_ROLE_COUNT; i++)
        defaults[i] = -1;
    defaults[IG_ROLE_BOS] = pre && pre->no_bos ? -1 : model->bos;
    defaults[IG_ROLE_EOS] = model->eos;
    defaults[IG_ROLE_UNK] = model->unk;
    for (size_t i = 0; i < IG_ROLE_COUNT; i++) {
        int32_t id = v->roles[i];
        tok->roles[i] = defaults[i] >= 0 && (uint32_t)defaults[i] < v->n_tokens ? defaults[i] : -1;
        if (id >= 0 && (uint32_t)id < v->n_tokens)
            tok->roles[i] = id;
        else if (id >= 0)
            ig_log(logger, IG_LOG_WARN,
                   "tokenizer: %s_token_id=%d is outside of the vocabulary, using %d",
                   ig_role_name((ig_token_role)i), (int)id, (int)tok->roles[i]);
    }
}

static bool tri(ig_tri value, bool otherwise) {
    return value == IG_UNSET ? otherwise : value == IG_YES;
}

static void add_rule(ig_tokenizer *tok, ig_text_rule rule) {
    tok->rules[tok->n_rules++] = rule;
}

static ig_status set_rules(ig_tokenizer *tok, const ig_vocab *v, const model_row *model,
                           const ig_presplit *pre, ig_err *err) {
    static const ig_text_rule escape = {
        .kind = IG_RULE_REPLACE, .from = {" ", 1}, .to = {"\xE2\x96\x81", 3}};
    static const ig_text_rule lines = {.kind = IG_RULE_PREPEND_LINES, .to = {"\xE2\x96\x81", 3}};
    static const ig_text_rule lower = {.kind = IG_RULE_LOWER};
    tok->escaped = !pre || pre->escape_spaces;
    if (model->drop_spaces) {
        if (tri(v->lowercase, !pre->no_lowercase))
            add_rule(tok, lower);
        IG_TRY(ig_tokenizer_add_stage(tok, ig_stage_drop_space(), err));
    }
    if (tok->escaped)
        add_rule(tok, escape);
    if (pre && pre->space_words)
        add_rule(tok, lines);
    for (size_t i = 0; pre && i < IG_STAGES_MAX && pre->stages[i]; i++)
        IG_TRY(ig_tokenizer_add_stage(tok, pre->stages[i], err));
    return IG_OK;
}

static void set_flags(ig_tokenizer *tok, const ig_vocab *v, const model_row *model,
                      const ig_presplit *pre, const ig_logger *logger) {
    tok->space_prefix = tri(v->add_space_prefix, model->space_prefix);
    tok->strip_first_space = tok->space_prefix;
    tok->clean_spaces = tri(v->clean_spaces, pre && !pre->keep_spaces);
    tok->add_bos = tri(v->add_bos, model->add_bos || (pre && pre->add_bos));
    tok->add_eos = tri(v->add_eos, false);
    tok->add_sep = tri(v->add_sep, pre && pre->add_sep);
    tok->ignore_merges = pre && pre->ignore_merges;
    tok->newline_words = pre && pre->newline_words;
    if (pre && pre->force_bos && !tok->add_bos) {
        ig_log(logger, IG_LOG_WARN,
               "tokenizer: add_bos_token=false is overridden, this vocabulary needs a BOS");
        tok->add_bos = true;
    }
}

/* ---- create ---- */

static ig_status check(const ig_vocab *v, const model_row *model, const ig_presplit *pre,
                       ig_err *err) {
    if (v->n_tokens == 0 || !v->tokens)
        return ig_fail(err, IG_EFORMAT,
                       "the vocabulary has no tokens; the file lacks tokenizer.ggml.tokens");
    if (model->kind != IG_MERGE_SCORES && !v->merges && !pre->may_lack_merges)
        return ig_fail(err, IG_EFORMAT,
                       "the vocabulary has no merges; the file lacks tokenizer.ggml.merges");
    return IG_OK;
}

static void set_byte_tokens(ig_tokenizer *tok) {
    for (unsigned b = 0; b < 256; b++) {
        tok->byte_out[b] = ig_tokenizer_find_byte_token(tok, (uint8_t)b);
        if (tok->byte_out[b] < 0 && tok->merge_kind == IG_MERGE_SCORES)
            tok->byte_out[b] = ig_tokenizer_find(tok, (ig_str){(const char[]){(char)b}, 1});
    }
}

static ig_status set_newline(ig_tokenizer *tok, ig_err *err) {
    int32_t *role = &tok->roles[IG_ROLE_NEWLINE];
    ig_status status = IG_OK;
    if (tok->merge_kind == IG_MERGE_SCORES) {
        *role = tok->byte_out['\n'];
    } else {
        ig_ids ids = {0};
        status = ig_tokenizer_encode(tok, IG_STR("\n"), 0, &ids, err);
        if (!status && ids.n > 0)
            *role = ids.p[0];
        ig_free(ids.p);
    }
    if (*role < 0)
        *role = tok->roles[IG_ROLE_PAD];
    return status;
}

static ig_status fill(ig_tokenizer *tok, const ig_vocab *v, const model_row *model,
                      const ig_presplit *pre, const ig_logger *logger, ig_err *err) {
    tok->merge_kind = pre && pre->raw ? IG_MERGE_CHARACTERS : model->kind;
    IG_TRY(set_tokens(tok, v, err));
    IG_TRY(set_attributes(tok, v, err));
    set_roles(tok, v, model, pre, logger);
    set_flags(tok, v, model, pre, logger);
    IG_TRY(set_rules(tok, v, model, pre, err));
    if (tok->merge_kind != IG_MERGE_SCORES)
        IG_TRY(set_merges(tok, v, logger, err));
    if (tok->merge_kind != IG_MERGE_BYTES)
        set_byte_tokens(tok);
    if (tok->merge_kind == IG_MERGE_SCORES)
        tok->unknown = tok->roles[IG_ROLE_UNK];
    IG_TRY(ig_tokenizer_finish(tok, err));
    if (v->roles[IG_ROLE_NEWLINE] < 0)
        IG_TRY(set_newline(tok, err));
    ig_roles_detect(tok, logger);
    if (tok->add_bos && tok->roles[IG_ROLE_BOS] < 0)
        return ig_fail(
            err, IG_EFORMAT,
            "the vocabulary wants a BOS token in front but has none; set add_bos_token to false");
    if (tok->add_eos && tok->roles[IG_ROLE_EOS] < 0)
        return ig_fail(
            err, IG_EFORMAT,
            "the vocabulary wants an EOS token behind but has none; set add_eos_token to false");
    IG_TRY(ig_specials_init(tok, &tok->specials, IG_ATTR_CONTROL | IG_ATTR_USER | IG_ATTR_UNKNOWN,
                            false, err));
    ig_attributes_by_name(tok, v->pre, v->name, v->arch_name);
    return IG_OK;
}

ig_status ig_tokenizer_create(ig_tokenizer **out, const ig_vocab *v, const ig_logger *logger,
                              ig_err *err) {
    const model_row *model = NULL;
    const ig_presplit *pre = NULL;
    IG_TRY(find_model(v->model, &model, err));
    if (model->kind != IG_MERGE_SCORES)
        IG_TRY(find_presplit(model->pre ? ig_str_of(model->pre) : v->pre, &pre, logger, err));
    IG_TRY(check(v, model, pre, err));
    ig_tokenizer *tok;
    IG_TRY(ig_tokenizer_new(&tok, err));
    ig_status status = fill(tok, v, model, pre, logger, err);
    if (status) {
        ig_tokenizer_destroy(&tok);
        return status;
    }
    *out = tok;
    return IG_OK;
}
