/* tmpl_string.c: strings by code point, as Python's str sees them: blanks, lines, stripping,
 * searching, case, numbers from text. */
#include "template/template_int.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "utf/utf.h"

size_t tmpl_cp(ig_str s, size_t at, uint32_t *cp) {
    unsigned char c = (unsigned char)s.p[at];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    return ig_utf8_decode(s.p + at, s.n - at, cp);
}

bool tmpl_is_space(uint32_t cp) {
    return (cp >= 0x09 && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x20) || cp == 0x85 || cp == 0xA0 ||
           cp == 0x1680 || (cp >= 0x2000 && cp <= 0x200A) || cp == 0x2028 || cp == 0x2029 ||
           cp == 0x202F || cp == 0x205F || cp == 0x3000;
}

bool tmpl_is_line_end(uint32_t cp) {
    return (cp >= 0x0A && cp <= 0x0D) || (cp >= 0x1C && cp <= 0x1E) || cp == 0x85 || cp == 0x2028 ||
           cp == 0x2029;
}

bool tmpl_is_word(uint32_t cp) {
    if (cp < 0x80)
        return (cp >= '0' && cp <= '9') || (cp >= 'A' && cp <= 'Z') || (cp >= 'a' && cp <= 'z') ||
               cp == '_';
    return ig_utf_class_of(cp) & (IG_UTF_LETTER | IG_UTF_NUMBER);
}

/* Every byte that is not a continuation begins a code point; strings are valid UTF-8. */
size_t tmpl_cp_count(ig_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

size_t tmpl_cp_offset(ig_str s, size_t n) {
    size_t i = 0;
    for (; i < s.n; i++) {
        if (((unsigned char)s.p[i] & 0xC0) != 0x80 && n-- == 0)
            break;
    }
    return i;
}

static bool strips(const ig_str *chars, uint32_t cp) {
    if (!chars)
        return tmpl_is_space(cp);
    for (size_t i = 0; i < chars->n;) {
        uint32_t other;
        i += tmpl_cp(*chars, i, &other);
        if (other == cp)
            return true;
    }
    return false;
}

ig_str tmpl_strip(ig_str s, const ig_str *chars, bool left, bool right) {
    uint32_t cp;
    while (left && s.n) {
        size_t n = tmpl_cp(s, 0, &cp);
        if (!strips(chars, cp))
            break;
        s.p += n;
        s.n -= n;
    }
    while (right && s.n) {
        size_t at = s.n - 1;
        while (at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80)
            at--;
        tmpl_cp(s, at, &cp);
        if (!strips(chars, cp))
            break;
        s.n = at;
    }
    return s;
}

#define HASH_PRIME ((1ull << 61) - 1)
#define HASH_BASE 0x1d3a5b7c9e8f1357ull

static uint64_t hash_times(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t sum = (uint64_t)(product & HASH_PRIME) + (uint64_t)(product >> 61);
    return sum >= HASH_PRIME ? sum - HASH_PRIME : sum;
}

static uint64_t hash_next(uint64_t h, char in) {
    return (hash_times(h, HASH_BASE) + (unsigned char)in + 1) % HASH_PRIME;
}

/* Rolling hash (Karp and Rabin): linear also when every position nearly matches. */
static size_t find_long(ig_str s, ig_str needle, size_t from) {
    uint64_t want = 0, have = 0, lead = 1;
    for (size_t i = 0; i < needle.n; i++) {
        want = hash_next(want, needle.p[i]);
        have = hash_next(have, s.p[from + i]);
        lead = i ? hash_times(lead, HASH_BASE) : 1;
    }
    for (;; from++) {
        if (have == want && memcmp(s.p + from, needle.p, needle.n) == 0)
            return from;
        if (s.n - from <= needle.n)
            return s.n + 1;
        uint64_t gone = hash_times(lead, (uint64_t)(unsigned char)s.p[from] + 1);
        have = hash_next((have + HASH_PRIME - gone) % HASH_PRIME, s.p[from + needle.n]);
    }
}

/* Offset of the first hit at or after `from`. Short needles by memchr on their first byte, which is
 * quick and bounded. */
size_t tmpl_find(ig_str s, ig_str needle, size_t from) {
    if (needle.n == 0)
        return from <= s.n ? from : s.n + 1;
    if (from > s.n || s.n - from < needle.n)
        return s.n + 1;
    if (needle.n > 32)
        return find_long(s, needle, from);
    while (s.n - from >= needle.n) {
        const char *p = memchr(s.p + from, needle.p[0], s.n - from - needle.n + 1);
        if (!p)
            break;
        if (memcmp(p, needle.p, needle.n) == 0)
            return (size_t)(p - s.p);
        from = (size_t)(p - s.p) + 1;
    }
    return s.n + 1;
}

ig_status tmpl_put_case(tmpl_ctx *c, ig_str s, bool upper) {
    char bytes[4];
    size_t start = 0;
    IG_TRY(tmpl_charge_scan(c, s.n));
    for (size_t i = 0; i < s.n;) {
        uint32_t cp, to;
        size_t n = tmpl_cp(s, i, &cp);
        to = upper ? ig_utf_upper(cp) : ig_utf_lower(cp);
        if (to != cp) {
            IG_TRY(tmpl_put(c, (ig_str){s.p + start, i - start}));
            IG_TRY(tmpl_put(c, upper && cp == 0xDF ? IG_STR("SS")
                                                   : (ig_str){bytes, ig_utf8_encode(to, bytes)}));
            start = i + n;
        }
        i += n;
    }
    return tmpl_put(c, (ig_str){s.p + start, s.n - start});
}

ig_status tmpl_lower_value(tmpl_ctx *c, const tmpl_value *v, tmpl_value *out) {
    *out = *v;
    if (v->kind != TMPL_STR)
        return IG_OK;
    const size_t mark = c->out.n;
    IG_TRY(tmpl_put_case(c, v->u.s, false));
    return tmpl_take_value(c, mark, v->markup, out);
}

ig_status tmpl_split_lines(tmpl_ctx *c, ig_str s, bool keep_ends, tmpl_list **out) {
    IG_TRY(tmpl_charge_scan(c, s.n));
    IG_TRY(tmpl_list_new(c, 0, out));
    for (size_t start = 0; start < s.n;) {
        size_t end = start, after = s.n;
        for (; end < s.n;) {
            uint32_t cp;
            size_t n = tmpl_cp(s, end, &cp);
            if (tmpl_is_line_end(cp)) {
                after = end + n + (cp == '\r' && end + 1 < s.n && s.p[end + 1] == '\n');
                break;
            }
            end += n;
        }
        const tmpl_value line = tmpl_str((ig_str){s.p + start, (keep_ends ? after : end) - start});
        IG_TRY(tmpl_list_add(c, *out, &line));
        start = after;
    }
    return IG_OK;
}

/* str.replace: an empty `old` matches before every code point and at the end; count < 0 is all. */
ig_status tmpl_put_replaced(tmpl_ctx *c, ig_str s, ig_str old, ig_str fresh, int64_t count) {
    size_t at = 0;
    IG_TRY(tmpl_charge_scan(c, s.n));
    while (count != 0) {
        IG_TRY(tmpl_charge_scan(c, old.n));
        size_t hit = tmpl_find(s, old, at);
        if (hit > s.n)
            break;
        IG_TRY(tmpl_put(c, (ig_str){s.p + at, hit - at}));
        IG_TRY(tmpl_put(c, fresh));
        at = hit + old.n;
        count -= count > 0;
        if (old.n == 0) {
            uint32_t cp;
            if (at >= s.n)
                break;
            size_t n = tmpl_cp(s, at, &cp);
            IG_TRY(tmpl_put(c, (ig_str){s.p + at, n}));
            at += n;
        }
    }
    return tmpl_put(c, (ig_str){s.p + at, s.n - at});
}

static int digit_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'z' ? c - 'a' + 10
           : c >= 'A' && c <= 'Z' ? c - 'A' + 10
                                  : 99;
}

/* The prefix 0x, 0o, 0b of `base` (0 = any of them); returns its length. */
static size_t base_prefix(ig_str s, int64_t *base) {
    char mark = s.n > 2 && s.p[0] == '0' ? (char)(s.p[1] | 0x20) : '\0';
    int64_t of = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    if (of && (*base == 0 || *base == of)) {
        *base = of;
        return 2;
    }
    *base = *base ? *base : 10;
    return 0;
}

/* *ok false: no integer, or one beyond 64 bits. */
ig_status tmpl_parse_int(ig_str s, int64_t base, int64_t *out, bool *ok) {
    s = tmpl_strip(s, NULL, true, true);
    bool negative = s.n && s.p[0] == '-', last_digit = false;
    size_t i = negative || (s.n && s.p[0] == '+');
    size_t prefix = base_prefix((ig_str){s.p + i, s.n - i}, &base);
    *ok = false;
    *out = 0;
    if (prefix) {
        i += prefix;
        i += i < s.n && s.p[i] == '_';
    }
    for (; i < s.n; i++) {
        int digit = digit_of(s.p[i]);
        if (s.p[i] == '_' && last_digit) {
            last_digit = false;
            continue;
        }
        if (digit >= base || __builtin_mul_overflow(*out, base, out) ||
            __builtin_add_overflow(*out, negative ? -digit : digit, out))
            return IG_OK;
        last_digit = true;
    }
    *ok = last_digit;
    return IG_OK;
}

bool tmpl_parse_real(ig_str s, double *out) {
    char text[400], zero[16];
    size_t n = 0;
    bool digit = false;
    /* strtod wants the decimal point of the locale that the host program chose. */
    const size_t point_bytes = (size_t)snprintf(zero, sizeof zero, "%.1f", 0.0) - 2;
    s = tmpl_strip(s, NULL, true, true);
    for (size_t i = 0; i < s.n; i++) {
        bool is_digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (s.p[i] == '_' && digit && i + 1 < s.n && s.p[i + 1] >= '0' && s.p[i + 1] <= '9')
            continue;
        if (n + point_bytes >= sizeof text || (!is_digit && !strchr("+-.eEinfatyINFATY", s.p[i])) ||
            !s.p[i])
            return false;
        digit = is_digit;
        if (s.p[i] == '.') {
            memcpy(text + n, zero + 1, point_bytes);
            n += point_bytes;
        } else {
            text[n++] = s.p[i];
        }
    }
    text[n] = '\0';
    char *end = text;
    *out = n ? strtod(text, &end) : 0;
    return n > 0 && *end == '\0';
}
