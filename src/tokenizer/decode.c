/* decode.c: ids to text: single pieces, whole texts with the vocabulary's space rules, and the
 * stream decoder that holds back unfinished UTF-8. */
#include "tokenizer/tokenizer_int.h"

static bool exists(const ig_tokenizer *tok, int32_t id) {
    return id >= 0 && (uint32_t)id < tok->n_tokens;
}

uint32_t ig_tokenizer_size(const ig_tokenizer *tok) {
    return tok->n_tokens;
}

int32_t ig_tokenizer_role(const ig_tokenizer *tok, ig_token_role role) {
    return (unsigned)role < IG_ROLE_COUNT ? tok->roles[role] : -1;
}

bool ig_tokenizer_is_eog(const ig_tokenizer *tok, int32_t id) {
    return exists(tok, id) && tok->eog[id];
}

bool ig_tokenizer_is_control(const ig_tokenizer *tok, int32_t id) {
    return exists(tok, id) && (tok->attr[id] & IG_ATTR_CONTROL);
}

bool ig_tokenizer_adds_bos(const ig_tokenizer *tok) {
    return tok->add_bos;
}

bool ig_tokenizer_adds_eos(const ig_tokenizer *tok) {
    return tok->add_eos;
}

bool ig_tokenizer_adds_sep(const ig_tokenizer *tok) {
    return tok->add_sep;
}

ig_str ig_tokenizer_token(const ig_tokenizer *tok, int32_t id) {
    return exists(tok, id) ? ig_token_map_str(&tok->text, (uint32_t)id) : (ig_str){"", 0};
}

int32_t ig_tokenizer_find(const ig_tokenizer *tok, ig_str token) {
    uint32_t id = ig_token_map_find(&tok->text, token.p, token.n);
    return id < tok->n_tokens ? (int32_t)id : -1;
}

/* ---- pieces ---- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* The byte that a token <0xNN> stands for, -1 for other texts. */
static int byte_of(ig_str s) {
    if (s.n != 6 || memcmp(s.p, "<0x", 3) != 0 || s.p[5] != '>')
        return -1;
    int hi = hex_digit(s.p[3]), lo = hex_digit(s.p[4]);
    return hi < 0 || lo < 0 ? -1 : hi * 16 + lo;
}

static ig_status add_unescaped(ig_str s, ig_buf *out, ig_err *err) {
    size_t done = 0;
    for (size_t i = 0; i + 2 < s.n; i++) {
        if (memcmp(s.p + i, "\xE2\x96\x81", 3) != 0)
            continue;
        IG_TRY(ig_buf_add(out, s.p + done, i - done, err));
        IG_TRY(ig_buf_add(out, " ", 1, err));
        done = i + 3;
        i += 2;
    }
    return ig_buf_add(out, s.p + done, s.n - done, err);
}

ig_status ig_tokenizer_piece(const ig_tokenizer *tok, int32_t id, bool special, ig_buf *out,
                             ig_err *err) {
    if (!exists(tok, id))
        return ig_fail(err, IG_EARGUMENT, "token id %d is outside of the vocabulary of %u tokens",
                       (int)id, (unsigned)tok->n_tokens);
    ig_str s = ig_token_map_str(&tok->text, (uint32_t)id);
    unsigned attr = tok->attr[id];
    if (!special && (attr & IG_ATTR_SPECIAL))
        return IG_OK;
    if (attr &
        (IG_ATTR_SPECIAL | IG_ATTR_USER)) /* the decoder of a tokenizer.json sees every token */
        return tok->from_json && tok->escaped ? add_unescaped(s, out, err)
                                              : ig_buf_add_str(out, s, err);
    if (attr & IG_ATTR_NORMAL) {
        if (tok->merge_kind == IG_MERGE_BYTES) {
            ig_str raw = ig_token_map_str(&tok->raw, (uint32_t)id);
            return ig_buf_add_str(out, raw.n ? raw : s,
                                  err); /* a text of other characters prints as it is */
        }
        return tok->escaped ? add_unescaped(s, out, err) : ig_buf_add_str(out, s, err);
    }
    int byte = attr & IG_ATTR_BYTE ? byte_of(s) : -1;
    char c = (char)byte;
    return byte >= 0 ? ig_buf_add(out, &c, 1, err) : IG_OK;
}

/* ---- whole texts ---- */

/* The peer's clean-up of tokenizers that part punctuation with spaces: first " ?" " !" " ." " ,",
 * then " ' ", then " 's" " 'm" " 're" " 've". In place; three passes, because each sees what the
 * one before left. */
static size_t clean_punctuation(char *t, size_t n) {
    size_t to = n ? 1 : 0;
    for (size_t i = 1; i < n; i++) {
        char x = t[i];
        if (t[i - 1] == ' ' && (x == '?' || x == '!' || x == '.' || x == ','))
            to--;
        t[to++] = x;
    }
    return to;
}

static size_t clean_apostrophe(char *t, size_t n) {
    size_t to = n ? 1 : 0;
    for (size_t i = 1; i < n; i++) {
        char x = t[i];
        if (x == '\'' && i + 1 < n && t[i - 1] == ' ' && t[i + 1] == ' ') {
            to--;
            t[++i] = '\0'; /* so that it does not count as a space before the next character */
        }
        t[to++] = x;
    }
    return to;
}

static size_t clean_contractions(char *t, size_t n) {
    size_t to = n ? 1 : 0;
    for (size_t i = 1; i < n; i++) {
        char x = t[i];
        if (t[i - 1] == ' ' && x == '\'' && i + 1 < n) {
            char a = t[i + 1], b = i + 2 < n ? t[i + 2] : '\0';
            if (a == 's' || a == 'm' || ((a == 'r' || a == 'v') && b == 'e'))
                to--;
        }
        t[to++] = x;
    }
    return to;
}

static void strip_space(ig_buf *out, size_t at) {
    if (out->n > at && out->p[at] == ' ') {
        memmove(out->p + at, out->p + at + 1, out->n - at); /* with the terminating zero */
        out->n--;
    }
}

ig_status ig_tokenizer_decode(const ig_tokenizer *tok, const int32_t *ids, size_t n, bool special,
                              ig_buf *out, ig_err *err) {
    size_t before = out->n;
    for (size_t i = 0; i < n; i++) {
        IG_TRY(ig_tokenizer_piece(tok, ids[i], special, out, err));
        /* Model files: the space of the first token; tokenizer.json: that of the whole text. */
        if (tok->strip_first_space && i == (tok->from_json ? n - 1 : 0))
            strip_space(out, before);
    }
    if (tok->clean_spaces && out->n > before) {
        char *t = out->p + before;
        size_t m =
            clean_contractions(t, clean_apostrophe(t, clean_punctuation(t, out->n - before)));
        out->n = before + m;
        out->p[out->n] = '\0';
    }
    return IG_OK;
}

/* ---- streams ---- */

void ig_detok_init(ig_detok *d, const ig_tokenizer *tok, bool special, bool continues_text) {
    *d = (ig_detok){
        .tok = tok, .special = special, .started = continues_text || !tok->strip_first_space};
}

/* Appends what is complete of d->held and p[0..n), keeps the rest. */
static ig_status add_valid(ig_detok *d, const char *p, size_t n, ig_buf *out, ig_err *err) {
    char joined[sizeof d->held + 1];
    size_t i = 0;
    while (d->n_held > 0 &&
           i < n) { /* byte by byte until the held sequence is complete or broken */
        memcpy(joined, d->held, d->n_held);
        joined[d->n_held] = p[i];
        size_t all = (size_t)d->n_held + 1;
        if (ig_utf8_incomplete_tail((ig_str){joined, all}) == all) {
            d->held[d->n_held++] = p[i++];
            continue;
        }
        uint32_t cp;
        size_t used = ig_utf8_decode(joined, all, &cp);
        char bytes[4];
        IG_TRY(ig_buf_add(out, bytes, ig_utf8_encode(cp, bytes), err));
        if (used == all)
            i++;
        d->n_held = 0;
    }
    size_t tail = ig_utf8_incomplete_tail((ig_str){p + i, n - i}), end = n - tail;
    while (i < end) {
        size_t run = i;
        uint32_t cp;
        size_t used = 0;
        while (run < end) { /* as much as is valid in one piece */
            used = ig_utf8_decode(p + run, end - run, &cp);
            if (cp == IG_UTF_REPLACEMENT)
                break;
            run += used;
        }
        IG_TRY(ig_buf_add(out, p + i, run - i, err));
        i = run;
        if (i < end) {
            IG_TRY(ig_buf_add(out, "\xEF\xBF\xBD", 3, err));
            i += used;
        }
    }
    if (tail) {
        memcpy(d->held, p + n - tail, tail);
        d->n_held = (uint8_t)tail;
    }
    return IG_OK;
}

ig_status ig_detok_add(ig_detok *d, int32_t id, ig_buf *out, ig_err *err) {
    ig_buf piece;
    ig_buf_init(&piece, 4 * (size_t)IG_TOKEN_BYTES_MAX);
    ig_status status = ig_tokenizer_piece(d->tok, id, d->special, &piece, err);
    if (!status) {
        bool printed = piece.n > 0;
        if (!d->started)
            strip_space(&piece, 0);
        ig_str s = ig_buf_str(&piece);
        d->started = d->started || printed;
        status = add_valid(d, s.p, s.n, out, err);
    }
    ig_buf_fini(&piece);
    return status;
}

ig_status ig_detok_finish(ig_detok *d, ig_buf *out, ig_err *err) {
    if (d->n_held == 0)
        return IG_OK;
    d->n_held = 0;
    return ig_buf_add(out, "\xEF\xBF\xBD", 3, err);
}
