/* json_write.c: the bounded writer and the shortest text of a double. No locale, no recursion
 * beyond IG_JSON_DEPTH_MAX. One thread per writer. */
#include "json/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void add(ig_json_writer *w, const char *p, size_t n) {
    if (w->status == IG_OK)
        w->status = ig_buf_add(w->out, p, n, w->err);
}

static void new_line(ig_json_writer *w) {
    static const char SPACES[] = "                                ";
    if (!w->pretty)
        return;
    add(w, "\n", 1);
    for (size_t left = 2 * (size_t)w->depth; left;) {
        size_t n = IG_MIN(left, sizeof SPACES - 1);
        add(w, SPACES, n);
        left -= n;
    }
}

/* Before a value or a key: the comma and the line break that precede it. */
static void before(ig_json_writer *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma)
        add(w, ",", 1);
    if (w->depth)
        new_line(w);
}

static void put(ig_json_writer *w, const char *p, size_t n) {
    before(w);
    add(w, p, n);
    w->comma = true;
}

static void open_level(ig_json_writer *w, const char *bracket) {
    put(w, bracket, 1);
    if (w->status == IG_OK && w->depth >= IG_JSON_DEPTH_MAX)
        w->status = ig_fail(w->err, IG_ELIMIT, "JSON nested deeper than %u", IG_JSON_DEPTH_MAX);
    w->depth += w->status == IG_OK;
    w->comma = false;
}

static void close_level(ig_json_writer *w, const char *bracket) {
    if (w->status)
        return;
    if (w->depth == 0 || w->after_key) {
        w->status = ig_fail(w->err, IG_EINTERNAL, "JSON writer: %s closes nothing or follows a key",
                            bracket);
        return;
    }
    w->depth--;
    if (w->comma)
        new_line(w);
    add(w, bracket, 1);
    w->comma = true;
}

/* Length of the valid UTF-8 sequence at p (n > 0), or 0. RFC 3629, table of section 4. */
static size_t sequence_length(const unsigned char *p, size_t n) {
    static const struct {
        unsigned char lead_min, lead_max, second_min, second_max, length;
    } FORMS[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    if (p[0] < 0x80)
        return 1;
    for (size_t i = 0; i < IG_COUNT(FORMS); i++) {
        if (p[0] < FORMS[i].lead_min || p[0] > FORMS[i].lead_max)
            continue;
        size_t length = FORMS[i].length;
        if (n < length || p[1] < FORMS[i].second_min || p[1] > FORMS[i].second_max)
            return 0;
        for (size_t k = 2; k < length; k++) {
            if (p[k] < 0x80 || p[k] > 0xBF)
                return 0;
        }
        return length;
    }
    return 0;
}

static void add_escape(ig_json_writer *w, unsigned char c) {
    static const char SHORT[0x80] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                     ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    char text[8];
    if (SHORT[c])
        add(w, (const char[]){'\\', SHORT[c]}, 2);
    else
        add(w, text, (size_t)snprintf(text, sizeof text, "\\u%04x", c));
}

static void add_quoted(ig_json_writer *w, ig_str s) {
    const unsigned char *p = (const unsigned char *)s.p;
    size_t start = 0, i = 0;
    add(w, "\"", 1);
    while (i < s.n && w->status == IG_OK) {
        unsigned char c = p[i];
        if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t length = c < 0x80 ? 0 : sequence_length(p + i, s.n - i);
        if (length) {
            i += length;
            continue;
        }
        add(w, s.p + start, i - start);
        if (c < 0x80)
            add_escape(w, c);
        else
            add(w, "\xEF\xBF\xBD", 3);
        start = ++i;
    }
    if (s.n > start)
        add(w, s.p + start, s.n - start);
    add(w, "\"", 1);
}

void ig_json_begin(ig_json_writer *w, ig_buf *out, bool pretty, ig_err *err) {
    *w = (ig_json_writer){.out = out, .err = err, .pretty = pretty};
}

ig_status ig_json_end(ig_json_writer *w) {
    if (w->status == IG_OK && (w->depth || w->after_key))
        w->status = ig_fail(w->err, IG_EINTERNAL, "JSON writer: %u levels left open", w->depth);
    return w->status;
}

void ig_json_open_object(ig_json_writer *w) {
    open_level(w, "{");
}

void ig_json_close_object(ig_json_writer *w) {
    close_level(w, "}");
}

void ig_json_open_array(ig_json_writer *w) {
    open_level(w, "[");
}

void ig_json_close_array(ig_json_writer *w) {
    close_level(w, "]");
}

static void put_key(ig_json_writer *w, ig_str key) {
    before(w);
    add_quoted(w, key);
    add(w, ": ", w->pretty ? 2 : 1);
    w->after_key = true;
}

void ig_json_key(ig_json_writer *w, const char *key) {
    put_key(w, ig_str_of(key));
}

void ig_json_put_str(ig_json_writer *w, ig_str s) {
    before(w);
    add_quoted(w, s);
    w->comma = true;
}

void ig_json_put_int(ig_json_writer *w, int64_t i) {
    char text[24];
    put(w, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)i));
}

void ig_json_put_num(ig_json_writer *w, double d) {
    char text[IG_JSON_NUM_BYTES];
    if (isfinite(d))
        put(w, text, ig_json_format_num(d, text));
    else
        put(w, "null", 4);
}

void ig_json_put_bool(ig_json_writer *w, bool b) {
    put(w, b ? "true" : "false", b ? 4 : 5);
}

void ig_json_put_null(ig_json_writer *w) {
    put(w, "null", 4);
}

void ig_json_put_raw(ig_json_writer *w, ig_str json) {
    put(w, json.p, json.n);
}

/* Recursion is bounded: open_level refuses what is deeper than IG_JSON_DEPTH_MAX. */
void ig_json_put_value(ig_json_writer *w, const ig_json *v) {
    if (w->status)
        return;
    switch (ig_json_type_of(v)) {
    case IG_JSON_NULL:
        ig_json_put_null(w);
        break;
    case IG_JSON_FALSE:
    case IG_JSON_TRUE:
        ig_json_put_bool(w, ig_json_is(v, IG_JSON_TRUE));
        break;
    case IG_JSON_INT:
        ig_json_put_int(w, ig_json_int(v, 0));
        break;
    case IG_JSON_REAL:
        ig_json_put_num(w, ig_json_num(v, 0));
        break;
    case IG_JSON_STRING:
        ig_json_put_str(w, ig_json_str(v));
        break;
    case IG_JSON_ARRAY:
        ig_json_open_array(w);
        for (size_t i = 0; i < ig_json_count(v); i++)
            ig_json_put_value(w, ig_json_at(v, i));
        ig_json_close_array(w);
        break;
    case IG_JSON_OBJECT: {
        ig_json_open_object(w);
        ig_json_iter it = ig_json_first(v);
        while (ig_json_next(&it)) {
            put_key(w, it.key);
            ig_json_put_value(w, it.value);
        }
        ig_json_close_object(w);
        break;
    }
    }
}

/* Significant digits (no trailing zeros) and decimal exponent of a finite d != 0: d = 0.d1d2… *
 * 10^point. If n digits suffice to read d back, printf's nearest n digits do, so 15, 16, 17 are
 * tried in turn. */
static size_t shortest_digits(double d, char digits[20], int *point) {
    char text[40];
    for (int precision = fpclassify(d) == FP_SUBNORMAL ? 0 : 14; precision <= 16; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, d);
        if (precision == 16 || strtod(text, NULL) == d)
            break;
    }
    size_t n = 0;
    const char *p = text;
    for (; *p && *p != 'e'; p++) { /* skips the sign and the locale's decimal point */
        if (*p >= '0' && *p <= '9' && n < 19)
            digits[n++] = *p;
    }
    *point = atoi(p + 1) + 1;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}

size_t ig_json_format_num(double d, char out[IG_JSON_NUM_BYTES]) {
    if (!isfinite(d))
        return (size_t)snprintf(out, IG_JSON_NUM_BYTES, "%s",
                                isnan(d) ? "nan"
                                : d < 0  ? "-inf"
                                         : "inf");
    size_t o = 0;
    if (signbit(d))
        out[o++] = '-';
    if (d == 0)
        return o + (size_t)snprintf(out + o, IG_JSON_NUM_BYTES - o, "0.0");
    char digits[20];
    int point;
    int n = (int)shortest_digits(d, digits, &point);
    if (point > 16 || point < -3) {
        out[o++] = digits[0];
        if (n > 1) {
            out[o++] = '.';
            memcpy(out + o, digits + 1, (size_t)n - 1);
            o += (size_t)n - 1;
        }
        return o + (size_t)snprintf(out + o, IG_JSON_NUM_BYTES - o, "e%+03d", point - 1);
    }
    for (int i = IG_MIN(point, 1) - 1; i < IG_MAX(n, point + 1); i++) {
        if (i == point)
            out[o++] = '.';
        out[o++] = i >= 0 && i < n ? digits[i] : '0';
    }
    out[o] = '\0';
    return o;
}
