/* text_rules.c: what happens to a text before it is split: repair of ill-formed UTF-8, then the
 * rules of the vocabulary in order. A rule that changes nothing copies nothing. */
#include "tokenizer/tokenizer_int.h"

/* One character as the peer reads it: overlong forms and surrogates are taken as they come,
 * anything else that is ill-formed is U+FFFD for one byte. */
static size_t lenient_decode(const unsigned char *p, size_t n, uint32_t *cp) {
    static const struct {
        unsigned mask, lead;
        size_t bytes;
    } forms[] = {{0x80, 0x00, 1}, {0xE0, 0xC0, 2}, {0xF0, 0xE0, 3}, {0xF8, 0xF0, 4}};
    for (size_t f = 0; f < IG_COUNT(forms); f++) {
        if ((p[0] & forms[f].mask) != forms[f].lead)
            continue;
        uint32_t c = p[0] & ~forms[f].mask;
        size_t i = 1;
        for (; i < forms[f].bytes && i < n && (p[i] & 0xC0) == 0x80; i++)
            c = c << 6 | (p[i] & 0x3Fu);
        if (i < forms[f].bytes)
            break;
        *cp = c > 0x10FFFF ? IG_UTF_REPLACEMENT : c;
        return forms[f].bytes;
    }
    *cp = IG_UTF_REPLACEMENT;
    return 1;
}

static ig_status repair(ig_str text, bool keep_surrogates, ig_buf *out, ig_err *err) {
    for (size_t i = 0; i < text.n;) {
        uint32_t cp;
        i += lenient_decode((const unsigned char *)text.p + i, text.n - i, &cp);
        char bytes[4];
        size_t n;
        if (cp >= 0xD800 && cp <= 0xDFFF && keep_surrogates) {
            bytes[0] = (char)(0xE0 | cp >> 12);
            bytes[1] = (char)(0x80 | (cp >> 6 & 0x3F));
            bytes[2] = (char)(0x80 | (cp & 0x3F));
            n = 3;
        } else {
            n = ig_utf8_encode(cp, bytes);
        }
        IG_TRY(ig_buf_add(out, bytes, n, err));
    }
    return IG_OK;
}

static const char *find(const char *p, size_t n, ig_str what) {
    for (const char *end = p + n; (size_t)(end - p) >= what.n;) {
        p = memchr(p, what.p[0], (size_t)(end - p) - what.n + 1);
        if (!p)
            break;
        if (memcmp(p, what.p, what.n) == 0)
            return p;
        p++;
    }
    return NULL;
}

static ig_status replace(const ig_text_rule *rule, ig_str text, ig_buf *out, ig_err *err) {
    size_t done = 0;
    for (const char *hit; (hit = find(text.p + done, text.n - done, rule->from));) {
        size_t at = (size_t)(hit - text.p);
        IG_TRY(ig_buf_add(out, text.p + done, at - done, err));
        IG_TRY(ig_buf_add_str(out, rule->to, err));
        done = at + rule->from.n;
    }
    return ig_buf_add(out, text.p + done, text.n - done, err);
}

static ig_status prepend_lines(const ig_text_rule *rule, ig_str text, ig_buf *out, ig_err *err) {
    for (size_t i = 0; i < text.n;) {
        const char *newline = memchr(text.p + i, '\n', text.n - i);
        size_t end = newline ? (size_t)(newline - text.p) : text.n;
        ig_str line = {text.p + i, end - i};
        if (line.n && !ig_str_starts(line, rule->to))
            IG_TRY(ig_buf_add_str(out, rule->to, err));
        IG_TRY(ig_buf_add(out, line.p, line.n + (newline != NULL), err));
        i = end + (newline != NULL);
    }
    return IG_OK;
}

static ig_status lower(ig_str text, ig_buf *out, ig_err *err) {
    for (size_t i = 0; i < text.n;) {
        uint32_t cp;
        size_t n = ig_char_at(text.p, i, &cp);
        uint32_t small = ig_utf_lower(cp);
        char bytes[4];
        if (small == cp)
            IG_TRY(ig_buf_add(out, text.p + i, n, err));
        else
            IG_TRY(ig_buf_add(out, bytes, ig_utf8_encode(small, bytes), err));
        i += n;
    }
    return IG_OK;
}

static bool changes(const ig_text_rule *rule, ig_str text, bool first) {
    if (text.n == 0 || (rule->first_only && !first))
        return false;
    if (rule->kind == IG_RULE_REPLACE)
        return find(text.p, text.n, rule->from) != NULL;
    return rule->kind != IG_RULE_PREPEND_ONCE || !ig_str_starts(text, rule->to);
}

static ig_status apply(const ig_text_rule *rule, ig_str text, ig_buf *out, ig_err *err) {
    switch (rule->kind) {
    case IG_RULE_REPLACE:
        return replace(rule, text, out, err);
    case IG_RULE_PREPEND:
    case IG_RULE_PREPEND_ONCE:
        IG_TRY(ig_buf_add_str(out, rule->to, err));
        return ig_buf_add_str(out, text, err);
    case IG_RULE_PREPEND_LINES:
        return prepend_lines(rule, text, out, err);
    case IG_RULE_NORMAL_FORM:
        return ig_utf_normalise(text, rule->form, out, err);
    case IG_RULE_LOWER:
        return lower(text, out, err);
    }
    return ig_fail(err, IG_EINTERNAL, "unknown text rule %d", (int)rule->kind);
}

static void swap(ig_work *w) {
    ig_buf t = w->text;
    w->text = w->text_new;
    w->text_new = t;
}

ig_status ig_apply_rules(ig_work *w, ig_str text, bool first, ig_str *out) {
    const ig_tokenizer *tok = w->tok;
    *out = text;
    if (tok->merge_kind != IG_MERGE_SCORES && !ig_utf8_valid(text)) {
        ig_buf_clear(&w->text);
        IG_TRY(repair(text, !tok->from_json && tok->n_own_stages == 0, &w->text, w->err));
        *out = ig_buf_str(&w->text);
    }
    for (uint32_t i = 0; i < tok->n_rules; i++) {
        if (!changes(&tok->rules[i], *out, first))
            continue;
        ig_buf_clear(&w->text_new);
        IG_TRY(apply(&tok->rules[i], *out, &w->text_new, w->err));
        swap(w);
        *out = ig_buf_str(&w->text);
    }
    return IG_OK;
}
