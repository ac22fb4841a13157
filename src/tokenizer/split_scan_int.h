/* split_scan_int.h: the scanning verbs of the hand-written splitters. All work on valid text within
 * [pos, end). */
#ifndef IG_TOKENIZER_SPLIT_SCAN_INT_H
#define IG_TOKENIZER_SPLIT_SCAN_INT_H

#include "tokenizer/tokenizer_int.h"

#define IG_END_OF_PIECE UINT32_MAX

typedef struct ig_char {
    uint32_t cp; /* IG_END_OF_PIECE = none */
    unsigned cls;
    size_t n;
} ig_char;

IG_INLINE ig_char ig_peek(const char *t, size_t pos, size_t end) {
    ig_char c = {IG_END_OF_PIECE, 0, 0};
    if (pos < end) {
        c.n = ig_char_at(t, pos, &c.cp);
        c.cls = ig_utf_class_of(c.cp);
    }
    return c;
}

/* End of the run of characters that have one of the classes. */
IG_INLINE size_t ig_scan(const char *t, size_t pos, size_t end, unsigned classes) {
    while (pos < end) {
        unsigned char b = (unsigned char)t[pos];
        if (ig_likely(b < 0x80)) {
            if (!(ig_utf_class_ascii[b] & classes))
                break;
            pos++;
        } else {
            uint32_t cp;
            size_t n = ig_char_at(t, pos, &cp);
            if (!(ig_utf_class_wide(cp) & classes))
                break;
            pos += n;
        }
    }
    return pos;
}

/* End of the run of characters that have none of the classes. */
IG_INLINE size_t ig_scan_not(const char *t, size_t pos, size_t end, unsigned classes) {
    while (pos < end) {
        unsigned char b = (unsigned char)t[pos];
        if (ig_likely(b < 0x80)) {
            if (ig_utf_class_ascii[b] & classes)
                break;
            pos++;
        } else {
            uint32_t cp;
            size_t n = ig_char_at(t, pos, &cp);
            if (ig_utf_class_wide(cp) & classes)
                break;
            pos += n;
        }
    }
    return pos;
}

IG_INLINE bool ig_is_crlf(uint32_t cp) {
    return cp == '\r' || cp == '\n';
}

/* Length of 's 't 're 've 'm 'll 'd at pos, 0 when there is none. fold: any case. long_s: U+017F
 * counts as s, as it does under full case folding. */
IG_INLINE size_t ig_contraction(const char *t, size_t pos, size_t end, bool fold, bool long_s) {
    if (end - pos < 2 || t[pos] != '\'')
        return 0;
    char set = fold ? 0x20 : 0;
    char a = (char)(t[pos + 1] | set);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if (end - pos < 3)
        return 0;
    if (long_s && (unsigned char)t[pos + 1] == 0xC5 && (unsigned char)t[pos + 2] == 0xBF)
        return 3;
    char b = (char)(t[pos + 2] | set);
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

/* A run of white space at pos. */
typedef struct ig_space_run {
    size_t end;
    size_t last;    /* where its last character begins */
    size_t newline; /* end of its last \r or \n; 0 = none */
} ig_space_run;

IG_INLINE ig_space_run ig_scan_space(const char *t, size_t pos, size_t end) {
    ig_space_run run = {pos, pos, 0};
    while (run.end < end) {
        ig_char c = ig_peek(t, run.end, end);
        if (!(c.cls & IG_UTF_SPACE))
            break;
        run.last = run.end;
        run.end += c.n;
        if (ig_is_crlf(c.cp))
            run.newline = run.end;
    }
    return run;
}

/* \s+(?!\S)|\s+ on a run that begins at pos: all of it at the end of the piece, else all but the
 * last character. */
IG_INLINE size_t ig_space_end(const ig_space_run *run, size_t pos, size_t end) {
    return run->end < end && run->last > pos ? run->last : run->end;
}

#endif
