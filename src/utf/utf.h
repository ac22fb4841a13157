/* utf.h: face of the utf room, floor 1: UTF-8, general categories and normalisation (utf8proc),
 * patterns (PCRE2). */
#ifndef IG_UTF_UTF_H
#define IG_UTF_UTF_H

#include "base/base.h"

#define IG_UTF_REPLACEMENT 0xFFFDu

/* Decodes one code point at p (n > 0 bytes are there). Returns its length in bytes; an invalid
 * sequence (overlong, surrogate, above U+10FFFF, cut) gives *cp = U+FFFD and the length of its
 * maximal invalid prefix, at least 1. */
size_t ig_utf8_decode(const char *p, size_t n, uint32_t *cp);
/* Writes 1..4 bytes to out, returns the length; invalid code points are written as U+FFFD. */
size_t ig_utf8_encode(uint32_t cp, char out[4]);
/* Length of the sequence that a leading byte announces (1 for continuation and invalid bytes). */
size_t ig_utf8_length(unsigned char lead);
bool ig_utf8_valid(ig_str s);
/* How many bytes at the end of s begin a sequence that more bytes may complete: 0..3. */
size_t ig_utf8_incomplete_tail(ig_str s);

typedef enum ig_utf_class {
    IG_UTF_LETTER = 1,      /* \p{L} */
    IG_UTF_MARK = 2,        /* \p{M} */
    IG_UTF_NUMBER = 4,      /* \p{N} */
    IG_UTF_PUNCTUATION = 8, /* \p{P} */
    IG_UTF_SYMBOL = 16,     /* \p{S} */
    IG_UTF_SEPARATOR = 32,  /* \p{Z} */
    IG_UTF_CONTROL = 64,    /* \p{C} */
    IG_UTF_SPACE = 128,     /* White_Space */
    IG_UTF_UPPER = 256,     /* \p{Lu}, \p{Lt}; comes with IG_UTF_LETTER */
    IG_UTF_LOWER = 512      /* \p{Ll}; comes with IG_UTF_LETTER */
} ig_utf_class;
/* Bits of ig_utf_class, Unicode 15.1. A table lookup, fast. */
extern const uint16_t ig_utf_class_ascii[128];
unsigned ig_utf_class_wide(uint32_t cp); /* any cp */
static inline unsigned ig_utf_class_of(uint32_t cp) {
    return cp < 128 ? ig_utf_class_ascii[cp] : ig_utf_class_wide(cp);
}
uint32_t ig_utf_lower(uint32_t cp);
uint32_t ig_utf_upper(uint32_t cp);

typedef enum ig_utf_form { IG_UTF_NFC, IG_UTF_NFD, IG_UTF_NFKC, IG_UTF_NFKD } ig_utf_form;
/* Appends s in the given normal form to out. Invalid bytes are kept as they are. */
IG_MUST_USE ig_status ig_utf_normalise(ig_str s, ig_utf_form form, ig_buf *out, ig_err *err);

/* A compiled pattern: PCRE2, UTF and UCP on, JIT. Immutable; any thread may match with its own
 * ig_match. */
typedef struct ig_pattern ig_pattern;
typedef struct ig_match ig_match;
IG_MUST_USE ig_status ig_pattern_create(ig_pattern **out, ig_str source, ig_err *err);
void ig_pattern_destroy(ig_pattern **pattern);
IG_MUST_USE ig_status ig_match_create(ig_match **out, const ig_pattern *pattern, ig_err *err);
void ig_match_destroy(ig_match **match);
/* Leftmost match in text at or after `from` bytes; matches do not look outside of text. *start,
 * *end get its borders. IG_EEND when there is none; IG_ELIMIT when the match limit (bounded
 * backtracking) is hit. text must be valid UTF-8. */
IG_MUST_USE ig_status ig_pattern_find(const ig_pattern *pattern, ig_match *match, ig_str text,
                                      size_t from, size_t *start, size_t *end, ig_err *err);

#endif
