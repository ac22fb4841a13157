/* json_parts.c: normalizer, pre-tokenizer, post-processor and decoder of a tokenizer.json, each by
 * a table from type names to functions. Sequences are followed to a small depth. Source: the
 * serialised forms of Hugging Face's tokenizers 0.2x. */
#include "tokenizer/json_parts_int.h"
#include "tokenizer/split_words_int.h"

#define SEQUENCE_DEPTH_MAX 4

typedef ig_status (*part_fn)(ig_tokenizer *tok, const ig_json *v, ig_err *err);

typedef struct part_row {
    const char *type;
    part_fn fill;     /* NULL: nothing to do */
    const char *list; /* a sequence: the key of its parts */
} part_row;

static ig_status walk(ig_tokenizer *tok, const ig_json *v, const char *what, const part_row *rows,
                      size_t n, int depth, ig_err *err) {
    if (ig_json_is(v, IG_JSON_NULL))
        return IG_OK;
    ig_str type = ig_json_str(ig_json_get(v, "type"));
    for (size_t i = 0; i < n; i++) {
        if (!ig_str_is(type, rows[i].type))
            continue;
        if (!rows[i].list)
            return rows[i].fill ? rows[i].fill(tok, v, err) : IG_OK;
        if (depth == SEQUENCE_DEPTH_MAX)
            return ig_fail(err, IG_ELIMIT, "tokenizer.json: %s: sequences deeper than %d", what,
                           SEQUENCE_DEPTH_MAX);
        const ig_json *list = ig_json_get(v, rows[i].list);
        for (size_t j = 0; j < ig_json_count(list); j++)
            IG_TRY(walk(tok, ig_json_at(list, j), what, rows, n, depth + 1, err));
        return IG_OK;
    }
    return ig_fail(err, IG_EUNSUPPORTED,
                   "tokenizer.json: %s \"%.*s\" is not implemented; use a GGUF file of this model",
                   what, IG_STR_ARG(type));
}

static ig_status keep(ig_tokenizer *tok, ig_str s, ig_str *out, ig_err *err) {
    return ig_arena_str(&tok->arena, s, out, err);
}

static ig_status add_rule(ig_tokenizer *tok, ig_text_rule rule, ig_err *err) {
    if (tok->n_rules == IG_TEXT_RULES_MAX)
        return ig_fail(err, IG_ELIMIT, "tokenizer.json: more than %d text rules",
                       IG_TEXT_RULES_MAX);
    if (rule.kind == IG_RULE_REPLACE && rule.from.n == 0)
        return ig_fail(err, IG_EFORMAT, "tokenizer.json: a replacement of the empty string");
    tok->rules[tok->n_rules++] = rule;
    return IG_OK;
}

/* ---- normalizer ---- */

static ig_status normal_form(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    static const struct {
        const char *type;
        ig_utf_form form;
    } forms[] = {
        {"NFC", IG_UTF_NFC}, {"NFD", IG_UTF_NFD}, {"NFKC", IG_UTF_NFKC}, {"NFKD", IG_UTF_NFKD}};
    ig_text_rule rule = {.kind = IG_RULE_NORMAL_FORM};
    for (size_t i = 0; i < IG_COUNT(forms); i++)
        if (ig_str_is(ig_json_str(ig_json_get(v, "type")), forms[i].type))
            rule.form = forms[i].form;
    return add_rule(tok, rule, err);
}

static ig_status replace(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    const ig_json *from = ig_json_get(ig_json_get(v, "pattern"), "String");
    if (!ig_json_is(from, IG_JSON_STRING))
        return ig_fail(err, IG_EUNSUPPORTED,
                       "tokenizer.json: normalizer Replace by a regular expression is not "
                       "implemented; use a GGUF file of this model");
    ig_text_rule rule = {.kind = IG_RULE_REPLACE};
    IG_TRY(keep(tok, ig_json_str(from), &rule.from, err));
    IG_TRY(keep(tok, ig_json_str(ig_json_get(v, "content")), &rule.to, err));
    return add_rule(tok, rule, err);
}

static ig_status prepend(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    ig_text_rule rule = {.kind = IG_RULE_PREPEND};
    IG_TRY(keep(tok, ig_json_str(ig_json_get(v, "prepend")), &rule.to, err));
    return add_rule(tok, rule, err);
}

ig_status ig_json_normalizer(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    static const part_row rows[] = {
        {"Sequence", NULL, "normalizers"}, {"NFC", normal_form, NULL},  {"NFD", normal_form, NULL},
        {"NFKC", normal_form, NULL},       {"NFKD", normal_form, NULL}, {"Replace", replace, NULL},
        {"Prepend", prepend, NULL},
    };
    return walk(tok, v, "normalizer", rows, IG_COUNT(rows), 0, err);
}

/* ---- pre-tokenizer ---- */

static ig_status find_behaviour(const ig_json *v, ig_split_behaviour *out, ig_err *err) {
    static const struct {
        const char *name;
        bool invert;
        ig_split_behaviour behaviour;
    } rows[] = {
        {"Isolated", false, IG_SPLIT_ISOLATED},
        {"Isolated", true, IG_SPLIT_ISOLATED},
        {"Removed", false, IG_SPLIT_REMOVED},
        {"Removed", true, IG_SPLIT_KEPT},
        {"MergedWithPrevious", false, IG_SPLIT_WITH_PREVIOUS},
        {"MergedWithNext", false, IG_SPLIT_WITH_NEXT},
    };
    ig_str name = ig_json_str(ig_json_get(v, "behavior"));
    bool invert = ig_json_bool(ig_json_get(v, "invert"), false);
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        if (ig_str_is(name, rows[i].name) && invert == rows[i].invert) {
            *out = rows[i].behaviour;
            return IG_OK;
        }
    }
    return ig_fail(err, IG_EUNSUPPORTED,
                   "tokenizer.json: Split with behavior \"%.*s\"%s is not implemented",
                   IG_STR_ARG(name), invert ? ", inverted," : "");
}

/* Constructs that PCRE2 reads in another way than Oniguruma. */
static ig_status check_dialect(ig_str regex, ig_err *err) {
    static const char *const other[] = {"&&", "\\h", "\\H", "\\R", "\\X", "\\O", "\\N"};
    for (size_t i = 0; i < regex.n; i++) {
        if (regex.p[i] == '\0')
            return ig_fail(err, IG_EFORMAT, "tokenizer.json: a zero byte in a regular expression");
        for (size_t j = 0; j < IG_COUNT(other); j++)
            if (ig_str_starts((ig_str){regex.p + i, regex.n - i}, ig_str_of(other[j])))
                return ig_fail(err, IG_EUNSUPPORTED,
                               "tokenizer.json: \"%s\" in a regular expression is not implemented; "
                               "use a GGUF file of this model",
                               other[j]);
        i += regex.p[i] == '\\'; /* the character behind it is taken */
    }
    return IG_OK;
}

static ig_status split(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    const ig_json *pattern = ig_json_get(v, "pattern");
    ig_str regex = ig_json_str(ig_json_get(pattern, "Regex")),
           literal = ig_json_str(ig_json_get(pattern, "String"));
    ig_stage stage = {0};
    IG_TRY(find_behaviour(v, &stage.behaviour, err));
    if (literal.n) {
        stage.next = ig_split_literal;
        IG_TRY(keep(tok, literal, &stage.literal, err));
        return ig_tokenizer_add_stage(tok, &stage, err);
    }
    if (regex.n == 0)
        return ig_fail(err, IG_EFORMAT, "tokenizer.json: Split without a pattern");
    const ig_stage *known = ig_stage_for_regex(regex);
    if (known && (stage.behaviour == IG_SPLIT_ISOLATED ||
                  (stage.behaviour == IG_SPLIT_KEPT && known->covers)))
        return ig_tokenizer_add_stage(tok, known, err);
    IG_TRY(check_dialect(regex, err));
    ig_str copy;
    IG_TRY(keep(tok, regex, &copy, err));
    stage.next = ig_split_pattern;
    stage.pattern = copy.p;
    return ig_tokenizer_add_stage(tok, &stage, err);
}

static ig_status byte_level(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    if (ig_json_bool(ig_json_get(v, "add_prefix_space"), true)) {
        if (tok->n_stages > 0)
            return ig_fail(err, IG_EUNSUPPORTED,
                           "tokenizer.json: ByteLevel with add_prefix_space after other "
                           "pre-tokenizers is not implemented");
        IG_TRY(add_rule(tok, (ig_text_rule){.kind = IG_RULE_PREPEND_ONCE, .to = {" ", 1}}, err));
    }
    if (!ig_json_bool(ig_json_get(v, "use_regex"), true))
        return IG_OK;
    return ig_tokenizer_add_stage(
        tok,
        ig_stage_for_regex(IG_STR(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+")),
        err);
}

static ig_status digits(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    bool single = ig_json_bool(ig_json_get(v, "individual_digits"), false);
    return ig_tokenizer_add_stage(
        tok, ig_stage_for_regex(single ? IG_STR("\\p{N}") : IG_STR("\\p{N}+")), err);
}

static ig_status metaspace(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    static const ig_stage words = {.next = ig_split_space_words};
    static const ig_str mark = {"\xE2\x96\x81", 3};
    ig_str scheme = ig_json_str(ig_json_get(v, "prepend_scheme"));
    if (!ig_str_eq(ig_json_str(ig_json_get(v, "replacement")), mark) || tok->n_stages > 0)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "tokenizer.json: Metaspace with another replacement, or after other "
                       "pre-tokenizers, is not implemented");
    if (scheme.n == 0)
        scheme = ig_json_bool(ig_json_get(v, "add_prefix_space"), true) ? IG_STR("always")
                                                                        : IG_STR("never");
    IG_TRY(
        add_rule(tok, (ig_text_rule){.kind = IG_RULE_REPLACE, .from = {" ", 1}, .to = mark}, err));
    if (!ig_str_is(scheme, "never"))
        IG_TRY(add_rule(tok,
                        (ig_text_rule){.kind = IG_RULE_PREPEND_ONCE,
                                       .to = mark,
                                       .first_only = ig_str_is(scheme, "first")},
                        err));
    return ig_json_bool(ig_json_get(v, "split"), true) ? ig_tokenizer_add_stage(tok, &words, err)
                                                       : IG_OK;
}

ig_status ig_json_pre_tokenizer(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    static const part_row rows[] = {
        {"Sequence", NULL, "pretokenizers"}, {"Split", split, NULL},
        {"ByteLevel", byte_level, NULL},     {"Digits", digits, NULL},
        {"Metaspace", metaspace, NULL},
    };
    return walk(tok, v, "pre_tokenizer", rows, IG_COUNT(rows), 0, err);
}

static bool has_type(const ig_json *v, const char *type, const char *list, int depth) {
    if (ig_str_is(ig_json_str(ig_json_get(v, "type")), type))
        return true;
    const ig_json *parts = ig_json_get(v, list);
    for (size_t i = 0; depth < SEQUENCE_DEPTH_MAX && i < ig_json_count(parts); i++)
        if (has_type(ig_json_at(parts, i), type, list, depth + 1))
            return true;
    return false;
}

bool ig_json_is_byte_level(const ig_json *pre_tokenizer) {
    return has_type(pre_tokenizer, "ByteLevel", "pretokenizers", 0);
}

/* ---- post-processor ---- */

static ig_status add_around(ig_tokenizer *tok, bool behind, int64_t id, ig_err *err) {
    if (id < 0 || id >= (int64_t)tok->n_tokens)
        return ig_fail(
            err, IG_EFORMAT,
            "tokenizer.json: post_processor names token id %lld outside of the vocabulary",
            (long long)id);
    uint32_t *n = behind ? &tok->n_after : &tok->n_before;
    if (*n == IG_COUNT(tok->before))
        return ig_fail(err, IG_ELIMIT,
                       "tokenizer.json: post_processor adds more than %zu tokens on one side",
                       IG_COUNT(tok->before));
    (behind ? tok->after : tok->before)[(*n)++] = (int32_t)id;
    return IG_OK;
}

static ig_status template_parts(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    const ig_json *single = ig_json_get(v, "single");
    bool behind = false;
    for (size_t i = 0; i < ig_json_count(single); i++) {
        const ig_json *part = ig_json_at(single, i), *special = ig_json_get(part, "SpecialToken");
        behind = behind || ig_json_is(ig_json_get(part, "Sequence"), IG_JSON_OBJECT);
        if (!ig_json_is(special, IG_JSON_OBJECT))
            continue;
        ig_str name = ig_json_str(ig_json_get(special, "id"));
        ig_json_iter it = ig_json_first(ig_json_get(v, "special_tokens"));
        bool found = false;
        while (ig_json_next(&it)) {
            if (!ig_str_eq(it.key, name))
                continue;
            found = true;
            const ig_json *ids = ig_json_get(it.value, "ids");
            for (size_t j = 0; j < ig_json_count(ids); j++)
                IG_TRY(add_around(tok, behind, ig_json_int(ig_json_at(ids, j), -1), err));
        }
        if (!found)
            return ig_fail(err, IG_EFORMAT,
                           "tokenizer.json: post_processor names an unknown token \"%.*s\"",
                           IG_STR_ARG(name));
    }
    return IG_OK;
}

/* BERT and RoBERTa: cls in front, sep behind. */
static ig_status cls_sep(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    IG_TRY(add_around(tok, false, ig_json_int(ig_json_at(ig_json_get(v, "cls"), 1), -1), err));
    return add_around(tok, true, ig_json_int(ig_json_at(ig_json_get(v, "sep"), 1), -1), err);
}

ig_status ig_json_post_processor(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    static const part_row rows[] = {
        {"Sequence", NULL, "processors"},
        {"ByteLevel", NULL, NULL},
        {"TemplateProcessing", template_parts, NULL},
        {"BertProcessing", cls_sep, NULL},
        {"RobertaProcessing", cls_sep, NULL},
    };
    return walk(tok, v, "post_processor", rows, IG_COUNT(rows), 0, err);
}

/* ---- decoder ---- */

static ig_status decode_replace(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    if (!ig_str_is(ig_json_str(ig_json_get(ig_json_get(v, "pattern"), "String")), "\xE2\x96\x81") ||
        !ig_str_is(ig_json_str(ig_json_get(v, "content")), " "))
        return ig_fail(
            err, IG_EUNSUPPORTED,
            "tokenizer.json: decoder Replace of other strings than U+2581 is not implemented");
    tok->escaped = true;
    return IG_OK;
}

static ig_status decode_strip(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    if (!ig_str_is(ig_json_str(ig_json_get(v, "content")), " ") ||
        ig_json_int(ig_json_get(v, "start"), 0) > 1 || ig_json_int(ig_json_get(v, "stop"), 0) != 0)
        return ig_fail(
            err, IG_EUNSUPPORTED,
            "tokenizer.json: decoder Strip of more than one leading space is not implemented");
    tok->strip_first_space = ig_json_int(ig_json_get(v, "start"), 0) == 1;
    return IG_OK;
}

static ig_status decode_metaspace(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    (void)err;
    ig_str scheme = ig_json_str(ig_json_get(v, "prepend_scheme"));
    tok->escaped = true;
    tok->strip_first_space = scheme.n ? !ig_str_is(scheme, "never")
                                      : ig_json_bool(ig_json_get(v, "add_prefix_space"), true);
    return IG_OK;
}

ig_status ig_json_decoder(ig_tokenizer *tok, const ig_json *v, ig_err *err) {
    static const part_row rows[] = {
        {"Sequence", NULL, "decoders"},        {"ByteLevel", NULL, NULL},
        {"ByteFallback", NULL, NULL},          {"Fuse", NULL, NULL},
        {"Replace", decode_replace, NULL},     {"Strip", decode_strip, NULL},
        {"Metaspace", decode_metaspace, NULL},
    };
    return walk(tok, v, "decoder", rows, IG_COUNT(rows), 0, err);
}
