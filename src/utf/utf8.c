/* utf8.c: the byte level of UTF-8: decoding, encoding, validity, cut ends. No tables of characters
 * here. Source: Unicode 15.1 §3.9, table 3-7; maximal invalid prefixes as in "U+FFFD substitution
 * of maximal subparts". */
#include "utf/utf.h"

size_t ig_utf8_length(unsigned char lead) {
    if (lead < 0xC2 || lead > 0xF4)
        return 1;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/* Borders of the second byte: the only place where overlong forms, surrogates and values above
 * U+10FFFF show. */
static unsigned second_min(unsigned lead) {
    return lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
}
static unsigned second_max(unsigned lead) {
    return lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
}

/* Number of bytes (1..n) of the well-formed beginning at p; *want is the length that the lead
 * announces, 0 when no sequence can begin with it. */
static size_t prefix(const unsigned char *p, size_t n, size_t *want) {
    unsigned lead = p[0];
    *want = lead < 0x80 ? 1 : ig_utf8_length((unsigned char)lead);
    if (lead >= 0x80 && *want == 1) {
        *want = 0;
        return 1;
    }
    size_t have = 1;
    while (have < *want && have < n) {
        unsigned lo = have == 1 ? second_min(lead) : 0x80;
        unsigned hi = have == 1 ? second_max(lead) : 0xBF;
        if (p[have] < lo || p[have] > hi)
            break;
        have++;
    }
    return have;
}

size_t ig_utf8_decode(const char *s, size_t n, uint32_t *cp) {
    const unsigned char *p = (const unsigned char *)s;
    if (ig_likely(p[0] < 0x80)) {
        *cp = p[0];
        return 1;
    }
    size_t want, have = prefix(p, n, &want);
    if (have != want) {
        *cp = IG_UTF_REPLACEMENT;
        return have;
    }
    uint32_t c = want == 2 ? p[0] & 0x1Fu : want == 3 ? p[0] & 0x0Fu : p[0] & 0x07u;
    for (size_t i = 1; i < want; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    *cp = c;
    return want;
}

size_t ig_utf8_encode(uint32_t cp, char out[4]) {
    if (cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        cp = IG_UTF_REPLACEMENT;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        out[i] = (char)(0x80 | (cp & 0x3F));
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | cp);
    return n;
}

bool ig_utf8_valid(ig_str s) {
    size_t i = 0;
    while (i < s.n) {
        uint64_t word;
        if (s.n - i >= sizeof word) {
            memcpy(&word, s.p + i, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                i += sizeof word;
                continue;
            }
        }
        size_t want, have = prefix((const unsigned char *)s.p + i, s.n - i, &want);
        if (have != want)
            return false;
        i += have;
    }
    return true;
}

size_t ig_utf8_incomplete_tail(ig_str s) {
    for (size_t back = 1; back <= 3 && back <= s.n; back++) {
        const unsigned char *p = (const unsigned char *)s.p + s.n - back;
        if ((p[0] & 0xC0) == 0x80)
            continue;
        size_t want, have = prefix(p, back, &want);
        return have == back && have < want ? back : 0;
    }
    return 0;
}
