/* tmpl_lex.c: source bytes to tokens, with the whitespace rules of trim_blocks and lstrip_blocks.
 * Follows the regular expressions of Jinja's lexer match for match, because every blank of a prompt
 * counts. */
#include "template/template_int.h"

#include <stdlib.h>

#include "utf/utf.h"

static ig_status fail(tmpl_lexer *lex, size_t at, const char *what) {
    size_t line = lex->line, start = lex->line_start;
    for (size_t i = lex->at; i < at && i < lex->source.n; i++) {
        if (lex->source.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return ig_fail(lex->err, IG_EFORMAT, "template line %zu column %zu: %s; correct the template",
                   line, at - start + 1, what);
}

static void move_to(tmpl_lexer *lex, size_t at) {
    for (size_t i = lex->at; i < at; i++) {
        if (lex->source.p[i] == '\n') {
            lex->line++;
            lex->line_start = i + 1;
        }
    }
    lex->at = at;
}

static char byte_at(const tmpl_lexer *lex, size_t i) {
    return i < lex->source.n ? lex->source.p[i] : '\0';
}

static bool has_at(const tmpl_lexer *lex, size_t at, const char *text) {
    size_t n = strlen(text);
    return at <= lex->source.n && n <= lex->source.n - at &&
           memcmp(lex->source.p + at, text, n) == 0;
}

static size_t skip_space(const tmpl_lexer *lex, size_t at) {
    while (at < lex->source.n) {
        uint32_t cp;
        size_t n = tmpl_cp(lex->source, at, &cp);
        if (!tmpl_is_space(cp))
            break;
        at += n;
    }
    return at;
}

ig_status tmpl_lex_open(tmpl_lexer *lex, ig_arena *arena, ig_str source, ig_err *err) {
    *lex = (tmpl_lexer){.arena = arena, .err = err, .line = 1};
    if (source.n > IG_TEMPLATE_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "template of %zu bytes is longer than %u (IG_TEMPLATE_BYTES_MAX); is this "
                       "a template? The longest known have 30 KB",
                       source.n, IG_TEMPLATE_BYTES_MAX);
    if (!ig_utf8_valid(source))
        return ig_fail(err, IG_EFORMAT, "template is not UTF-8; convert it");
    char *p;
    IG_TRY(ig_arena_new(arena, source.n, 1, &p, err));
    size_t n = 0;
    for (size_t i = 0; i < source.n; i++) {
        bool pair = source.p[i] == '\r' && i + 1 < source.n && source.p[i + 1] == '\n';
        if (!pair)
            p[n++] = source.p[i] == '\r' ? '\n' : source.p[i];
    }
    lex->source = (ig_str){p, n - (n > 0 && p[n - 1] == '\n')};
    return IG_OK;
}

/* ---- text between tags ---- */

/* End of `-%}` (with the blanks after it), `+%}` or `%}` (with one newline) at `at`, or 0. */
static size_t block_end(const tmpl_lexer *lex, size_t at, const char *close) {
    char sign = byte_at(lex, at);
    if ((sign == '-' || sign == '+') && has_at(lex, at + 1, close))
        return sign == '-' ? skip_space(lex, at + 3) : at + 3;
    if (!has_at(lex, at, close))
        return 0;
    return at + 2 + (byte_at(lex, at + 2) == '\n');
}

/* `{% word %}` at `at`, with whitespace and signs: its end, or 0. The opening raw tag keeps the
 * newline after it. */
static size_t word_tag(const tmpl_lexer *lex, size_t at, const char *word, bool opening) {
    if (!has_at(lex, at, "{%"))
        return 0;
    at += 2;
    at += byte_at(lex, at) == '-' || byte_at(lex, at) == '+';
    at = skip_space(lex, at);
    if (!has_at(lex, at, word))
        return 0;
    at = skip_space(lex, at + strlen(word));
    if (!opening)
        return block_end(lex, at, "%}");
    if (has_at(lex, at, "-%}"))
        return skip_space(lex, at + 3);
    return has_at(lex, at, "%}") ? at + 2 : 0;
}

/* What is left of the text before a tag at `end`, whose byte after the opening is `sign`. */
static ig_str strip_before(const tmpl_lexer *lex, size_t end, char sign, bool is_variable) {
    ig_str text = {lex->source.p + lex->at, end - lex->at};
    if (sign == '-')
        return tmpl_strip(text, NULL, false, true);
    if (sign == '+' || is_variable)
        return text;
    size_t line = text.n;
    while (line > 0 && text.p[line - 1] != '\n')
        line--;
    if (line == 0 && !lex->line_starting)
        return text;
    ig_str rest = {text.p + line, text.n - line};
    return tmpl_strip(rest, NULL, true, false).n == 0 ? (ig_str){text.p, line} : text;
}

static tmpl_token token_here(const tmpl_lexer *lex, tmpl_token_kind kind) {
    return (tmpl_token){
        .kind = kind, .line = lex->line, .column = (uint32_t)(lex->at - lex->line_start + 1)};
}

/* Text is taken up to the tag at `tag`, whose opening ends at `after`. */
static tmpl_token take_text(tmpl_lexer *lex, size_t tag, size_t after, bool is_variable) {
    char sign = byte_at(lex, tag + 2);
    tmpl_token data = token_here(lex, TMPL_T_DATA);
    data.text = strip_before(lex, tag, sign, is_variable);
    move_to(lex, after);
    return data;
}

static ig_status skip_comment(tmpl_lexer *lex) {
    size_t at = lex->at;
    if (at >= lex->source.n) /* Jinja misses the end only when something follows */
        return IG_OK;
    while (at < lex->source.n && !has_at(lex, at, "#}"))
        at++;
    if (at >= lex->source.n)
        return fail(lex, lex->at, "Missing end of comment tag");
    char sign = at > lex->at ? lex->source.p[at - 1] : '\0';
    at -= sign == '-' || sign == '+';
    move_to(lex, block_end(lex, at, "#}"));
    lex->line_starting = lex->source.p[lex->at - 1] == '\n';
    return IG_OK;
}

/* One step in text state: gives the data before the next tag (possibly empty) and enters the tag.
 */
static ig_status lex_text(tmpl_lexer *lex, tmpl_token *out) {
    size_t at = lex->at, raw = 0;
    for (; at < lex->source.n; at++) {
        if (lex->source.p[at] == '{' && at + 1 < lex->source.n &&
            strchr("%#{", lex->source.p[at + 1]) && lex->source.p[at + 1])
            break;
    }
    if (at >= lex->source.n) {
        *out = token_here(lex, TMPL_T_DATA);
        out->text = (ig_str){lex->source.p + lex->at, lex->source.n - lex->at};
        move_to(lex, lex->source.n);
        return IG_OK;
    }
    char kind = lex->source.p[at + 1], sign = byte_at(lex, at + 2);
    if (kind == '%' && (raw = word_tag(lex, at, "raw", true))) {
        *out = take_text(lex, at, raw, false);
        lex->state = TMPL_S_RAW;
        lex->line_starting = lex->source.p[lex->at - 1] == '\n';
        return IG_OK;
    }
    size_t after = at + 2 + (sign == '-' || sign == '+');
    *out = take_text(lex, at, after, kind == '{');
    if (kind == '#')
        return skip_comment(lex);
    lex->state = kind == '%' ? TMPL_S_BLOCK : TMPL_S_VAR;
    lex->pending = token_here(lex, kind == '%' ? TMPL_T_BLOCK_BEGIN : TMPL_T_VAR_BEGIN);
    lex->has_pending = true;
    return IG_OK;
}

static ig_status lex_raw(tmpl_lexer *lex, tmpl_token *out) {
    size_t at = lex->at, end = 0;
    for (; at < lex->source.n; at++) {
        if (lex->source.p[at] == '{' && (end = word_tag(lex, at, "endraw", false)))
            break;
    }
    if (at >= lex->source.n)
        return fail(lex, lex->at, "Missing end of raw directive");
    *out = take_text(lex, at, end, false);
    lex->state = TMPL_S_TEXT;
    lex->line_starting = lex->source.p[lex->at - 1] == '\n';
    return IG_OK;
}

/* ---- inside tags ---- */

static bool is_digit(char c, int base) {
    return base == 16 ? (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')
                      : c >= '0' && c < '0' + base;
}

/* End of digits of `base` with single underscores between them, from `at`; `lead`: an underscore
 * may come first. */
static size_t skip_digits(const tmpl_lexer *lex, size_t at, int base, bool lead) {
    for (bool first = !lead;; first = false) {
        size_t next = at + (!first && byte_at(lex, at) == '_');
        if (!is_digit(byte_at(lex, next), base))
            return at;
        at = next + 1;
    }
}

/* End of a float literal at `at`, or 0 when it is none. */
static size_t float_end(const tmpl_lexer *lex, size_t at) {
    if (at > 0 && lex->source.p[at - 1] == '.')
        return 0;
    size_t end = skip_digits(lex, at, 10, false);
    if (end == at)
        return 0;
    bool is_float = false;
    if (byte_at(lex, end) == '.' && is_digit(byte_at(lex, end + 1), 10)) {
        end = skip_digits(lex, end + 1, 10, false);
        is_float = true;
    }
    if (byte_at(lex, end) == 'e' || byte_at(lex, end) == 'E') {
        size_t e = end + 1;
        e += byte_at(lex, e) == '+' || byte_at(lex, e) == '-';
        if (is_digit(byte_at(lex, e), 10)) {
            end = skip_digits(lex, e, 10, false);
            is_float = true;
        }
    }
    return is_float ? end : 0;
}

static ig_status lex_number(tmpl_lexer *lex, tmpl_token *out) {
    size_t at = lex->at, end = float_end(lex, at);
    char clean[64];
    bool is_float = end > 0;
    int base = 10;
    if (!is_float) {
        char mark = (char)(byte_at(lex, at + 1) | 0x20);
        base = byte_at(lex, at) != '0' ? 10
               : mark == 'x'           ? 16
               : mark == 'o'           ? 8
               : mark == 'b'           ? 2
                                       : 10;
        end = base == 10 ? at + 2 : skip_digits(lex, at + 2, base, true);
        if (end == at + 2) {
            base = 10;
            end = skip_digits(lex, at, byte_at(lex, at) == '0' ? 1 : 10, false);
        }
    }
    size_t n = 0;
    for (size_t i = at + (base == 10 ? 0 : 2); i < end && n + 1 < sizeof clean; i++) {
        if (lex->source.p[i] != '_')
            clean[n++] = lex->source.p[i];
    }
    clean[n] = '\0';
    *out = token_here(lex, is_float ? TMPL_T_REAL : TMPL_T_INT);
    out->text = (ig_str){lex->source.p + at, end - at};
    bool ok = true;
    if (n + 1 == sizeof clean)
        return fail(lex, at, "number of more than 62 digits is not supported");
    if (is_float)
        ok = tmpl_parse_real((ig_str){clean, n}, &out->d);
    else
        IG_TRY(tmpl_parse_int((ig_str){clean, n}, base, &out->i, &ok));
    if (!ok)
        return fail(lex, at, "integer beyond 64 bits is not supported");
    move_to(lex, end);
    return IG_OK;
}

/* The escapes of Python's unicode-escape codec. Writes to `to`, returns the bytes read after the
 * backslash, 0 on error. */
static size_t unescape(ig_str s, size_t at, char *to, size_t *n_to) {
    static const char FROM[] = "\\'\"abfnrtv", TO[] = "\\'\"\a\b\f\n\r\t\v";
    char c = s.p[at];
    const char *simple = c ? strchr(FROM, c) : NULL;
    if (c == '\n')
        return 1;
    if (simple) {
        to[(*n_to)++] = TO[simple - FROM];
        return 1;
    }
    uint32_t cp = 0;
    size_t used = 1, digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits) {
        for (; used <= digits; used++) {
            char h = at + used < s.n ? s.p[at + used] : '\0';
            if (!is_digit(h, 16))
                return 0;
            cp = cp << 4 | (uint32_t)(h <= '9' ? h - '0' : (h | 0x20) - 'a' + 10);
        }
        if (cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000))
            return 0;
    } else if (c >= '0' && c <= '7') {
        for (used = 0; used < 3 && at + used < s.n && is_digit(s.p[at + used], 8); used++)
            cp = cp * 8 + (uint32_t)(s.p[at + used] - '0');
    } else if (c == 'N') {
        return 0;
    } else {
        to[(*n_to)++] = '\\'; /* an unknown escape stays */
        return (size_t)-1;
    }
    *n_to += ig_utf8_encode(cp, to + *n_to);
    return used;
}

static ig_status lex_string(tmpl_lexer *lex, tmpl_token *out) {
    char quote = lex->source.p[lex->at];
    size_t start = lex->at + 1, end = start;
    bool escapes = false;
    while (end < lex->source.n && lex->source.p[end] != quote) {
        escapes = escapes || lex->source.p[end] == '\\';
        end += lex->source.p[end] == '\\' ? 2 : 1;
    }
    if (end >= lex->source.n)
        return fail(lex, lex->at, "string without its closing quote");
    ig_str body = {lex->source.p + start, end - start};
    *out = token_here(lex, TMPL_T_STRING);
    out->text = body;
    if (escapes) {
        char *p;
        size_t n = 0;
        IG_TRY(ig_arena_new(lex->arena, body.n, 1, &p, lex->err));
        for (size_t i = 0; i < body.n;) {
            if (body.p[i] != '\\') {
                p[n++] = body.p[i++];
                continue;
            }
            size_t used = unescape(body, i + 1, p, &n);
            if (used == 0)
                return fail(lex, start + i, "bad or unsupported escape in a string");
            i += used + 1; /* (size_t)-1: only the backslash */
            if (used == (size_t)-1)
                i++;
        }
        out->text = (ig_str){p, n};
    }
    move_to(lex, end + 1);
    return IG_OK;
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* End of the name at `at`: ASCII word bytes and letters, marks, numbers of other scripts. */
static size_t name_end(const tmpl_lexer *lex, size_t at) {
    while (at < lex->source.n) {
        if (is_name_byte(lex->source.p[at])) {
            at++;
            continue;
        }
        uint32_t cp;
        size_t n = tmpl_cp(lex->source, at, &cp);
        if (cp < 0x80 || !(ig_utf_class_of(cp) & (IG_UTF_LETTER | IG_UTF_MARK | IG_UTF_NUMBER)))
            break;
        at += n;
    }
    return at;
}

static ig_status lex_operator(tmpl_lexer *lex, tmpl_token *out) {
    static const char *const OPERATORS[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                            "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                            ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    static const char OPEN[] = "([{", CLOSE[] = ")]}";
    size_t i = 0;
    while (i < IG_COUNT(OPERATORS) && !has_at(lex, lex->at, OPERATORS[i]))
        i++;
    if (i == IG_COUNT(OPERATORS))
        return fail(lex, lex->at, "unexpected character");
    *out = token_here(lex, TMPL_T_OP);
    out->text = ig_str_of(OPERATORS[i]);
    char c = OPERATORS[i][0];
    const char *open = strchr(OPEN, c);
    if (open) {
        if (lex->n_brackets == TMPL_BRACKETS_MAX)
            return fail(lex, lex->at, "brackets nested deeper than 200 (IG_TEMPLATE_DEPTH_MAX)");
        lex->brackets[lex->n_brackets++] = CLOSE[open - OPEN];
    } else if (strchr(CLOSE, c)) {
        if (lex->n_brackets == 0 || lex->brackets[lex->n_brackets - 1] != c)
            return fail(lex, lex->at, "closing bracket that matches no opening one");
        lex->n_brackets--;
    }
    move_to(lex, lex->at + out->text.n);
    return IG_OK;
}

/* The end tag of the current state at the cursor: where it ends, or 0. */
static size_t tag_end(const tmpl_lexer *lex) {
    if (lex->n_brackets)
        return 0;
    if (lex->state == TMPL_S_BLOCK)
        return block_end(lex, lex->at, "%}");
    if (has_at(lex, lex->at, "-}}"))
        return skip_space(lex, lex->at + 3);
    return has_at(lex, lex->at, "}}") ? lex->at + 2 : 0;
}

static ig_status lex_tag(tmpl_lexer *lex, tmpl_token *out) {
    size_t end;
    for (;;) { /* blanks; an end tag comes first, because its sign looks like an operator */
        end = tag_end(lex);
        size_t next = end ? lex->at : skip_space(lex, lex->at);
        if (next == lex->at)
            break;
        move_to(lex, next);
    }
    if (end) {
        *out = token_here(lex, lex->state == TMPL_S_BLOCK ? TMPL_T_BLOCK_END : TMPL_T_VAR_END);
        move_to(lex, end);
        lex->state = TMPL_S_TEXT;
        lex->line_starting = lex->source.p[end - 1] == '\n';
        return IG_OK;
    }
    if (lex->at >= lex->source.n) {
        *out = token_here(lex, TMPL_T_EOF);
        return IG_OK;
    }
    char c = lex->source.p[lex->at];
    if (c >= '0' && c <= '9')
        return lex_number(lex, out);
    if (c == '"' || c == '\'')
        return lex_string(lex, out);
    size_t name = name_end(lex, lex->at);
    if (name > lex->at) {
        *out = token_here(lex, TMPL_T_NAME);
        out->text = (ig_str){lex->source.p + lex->at, name - lex->at};
        move_to(lex, name);
        return IG_OK;
    }
    return lex_operator(lex, out);
}

ig_status tmpl_lex_next(tmpl_lexer *lex, tmpl_token *out) {
    if (lex->at == 0 && lex->state == TMPL_S_TEXT && !lex->has_pending)
        lex->line_starting = true;
    for (;;) {
        if (lex->has_pending) {
            *out = lex->pending;
            lex->has_pending = false;
            return IG_OK;
        }
        if (lex->state == TMPL_S_BLOCK || lex->state == TMPL_S_VAR)
            return lex_tag(lex, out);
        if (lex->at >= lex->source.n) { /* an open raw block too */
            *out = token_here(lex, TMPL_T_EOF);
            return IG_OK;
        }
        if (lex->state == TMPL_S_TEXT)
            IG_TRY(lex_text(lex, out));
        else
            IG_TRY(lex_raw(lex, out));
        if (out->text.n)
            return IG_OK;
    }
}
