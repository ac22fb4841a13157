/* utf_normalise.c: normal forms. Text is cut into stretches at ASCII characters (they never combine
 * with what stands before them); a stretch is decomposed, ordered and composed in a buffer of code
 * points. Linear in the text: the canonical order comes from a counting sort, because an exchange
 * sort is quadratic on long runs of marks. Source: UAX #15. */
#include <utf8proc.h>

#include "utf/utf.h"

typedef struct stretch {
    int32_t *cp;
    size_t n, cap;
} stretch;

#define DECOMPOSED_MAX 32 /* code points of one full decomposition; the longest has 18 */

static ig_status reserve(stretch *s, size_t more, ig_err *err) {
    if (s->cap - s->n >= more)
        return IG_OK;
    size_t cap = s->cap ? s->cap * 2 : 256;
    if (cap < s->n + more)
        cap = s->n + more;
    int32_t *p = ig_realloc(s->cp, cap, sizeof *p);
    if (!p)
        return ig_fail_memory(err, cap * sizeof *p);
    s->cp = p;
    s->cap = cap;
    return IG_OK;
}

static unsigned combining_class(int32_t cp) {
    return (unsigned)utf8proc_get_property(cp)->combining_class & 0xFFu;
}

/* Orders one run of marks, cp[0..n), by combining class; stable. */
static ig_status order_run(int32_t *cp, size_t n, ig_err *err) {
    if (n <= 24) {
        for (size_t i = 1; i < n; i++) {
            int32_t x = cp[i];
            unsigned c = combining_class(x);
            size_t j = i;
            for (; j > 0 && combining_class(cp[j - 1]) > c; j--)
                cp[j] = cp[j - 1];
            cp[j] = x;
        }
        return IG_OK;
    }
    size_t at[257] = {0};
    int32_t *copy = ig_alloc(n, sizeof *copy);
    if (!copy)
        return ig_fail_memory(err, n * sizeof *copy);
    memcpy(copy, cp, n * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        at[combining_class(copy[i]) + 1]++;
    for (size_t c = 1; c < IG_COUNT(at); c++)
        at[c] += at[c - 1];
    for (size_t i = 0; i < n; i++)
        cp[at[combining_class(copy[i])]++] = copy[i];
    ig_free(copy);
    return IG_OK;
}

static ig_status order_marks(stretch *s, ig_err *err) {
    for (size_t i = 0; i < s->n;) {
        if (combining_class(s->cp[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        while (end < s->n && combining_class(s->cp[end]) != 0)
            end++;
        IG_TRY(order_run(s->cp + i, end - i, err));
        i = end;
    }
    return IG_OK;
}

/* Orders, composes when the form asks for it, appends and empties the stretch. */
static ig_status flush(stretch *s, bool compose, ig_buf *out, ig_err *err) {
    IG_TRY(order_marks(s, err));
    size_t n = s->n;
    if (compose && n > 0) {
        utf8proc_ssize_t left = utf8proc_normalize_utf32(s->cp, (utf8proc_ssize_t)n,
                                                         UTF8PROC_STABLE | UTF8PROC_COMPOSE);
        if (left < 0)
            return ig_fail(err, IG_EINTERNAL, "composition failed");
        n = (size_t)left;
    }
    s->n = 0;
    for (size_t i = 0; i < n; i++) {
        char bytes[4];
        IG_TRY(ig_buf_add(out, bytes, ig_utf8_encode((uint32_t)s->cp[i], bytes), err));
    }
    return IG_OK;
}

static ig_status add(stretch *s, uint32_t cp, utf8proc_option_t options, ig_err *err) {
    IG_TRY(reserve(s, DECOMPOSED_MAX, err));
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)cp, s->cp + s->n, DECOMPOSED_MAX,
                                                 options, &boundary);
    if (n < 0 || n > DECOMPOSED_MAX)
        return ig_fail(err, IG_EINTERNAL, "decomposition of U+%04X failed", (unsigned)cp);
    s->n += (size_t)n;
    return IG_OK;
}

/* True when cp is itself in NFC whatever stands beside it. What composes with the character before
 * it is a mark but for the letters named here; utf8proc's own field for it has another meaning in
 * every version. */
static bool inert(uint32_t cp) {
    if (cp < 0x300)
        return true;
    if ((cp >= 0x1100 && cp <= 0x11FF) || (cp >= 0x16D63 && cp <= 0x16D6A)) /* jamo, Kirat Rai */
        return false;
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)cp);
    const bool mark = p->category == UTF8PROC_CATEGORY_MN || p->category == UTF8PROC_CATEGORY_MC ||
                      p->category == UTF8PROC_CATEGORY_ME;
    return p->decomp_seqindex == UINT16_MAX && p->combining_class == 0 && !mark;
}

/* Length of the stretch that begins at p: up to the next ASCII character, which may belong to the
 * one after. *plain: it is in NFC already. */
static size_t stretch_bytes(const char *p, size_t n, bool *plain) {
    size_t i = 0;
    *plain = true;
    while (i < n && (i == 0 || (unsigned char)p[i] >= 0x80)) {
        uint32_t cp;
        i += ig_utf8_decode(p + i, n - i, &cp);
        *plain = *plain && inert(cp);
    }
    return i;
}

static ig_status normalise_stretch(const char *p, size_t n, utf8proc_option_t options, bool compose,
                                   stretch *s, ig_buf *out, ig_err *err) {
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t bytes = ig_utf8_decode(p + i, n - i, &cp);
        if (cp == IG_UTF_REPLACEMENT) { /* itself inert; invalid bytes stand here as well */
            IG_TRY(flush(s, compose, out, err));
            IG_TRY(ig_buf_add(out, p + i, bytes, err));
        } else {
            IG_TRY(add(s, cp, options, err));
        }
        i += bytes;
    }
    return flush(s, compose, out, err);
}

ig_status ig_utf_normalise(ig_str text, ig_utf_form form, ig_buf *out, ig_err *err) {
    utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE;
    if (form == IG_UTF_NFKC || form == IG_UTF_NFKD)
        options |= UTF8PROC_COMPAT;
    bool compose = form == IG_UTF_NFC || form == IG_UTF_NFKC;
    stretch s = {0};
    ig_status status = IG_OK;
    size_t done = 0, i = 0;
    while (!status && i < text.n) {
        if ((unsigned char)text.p[i] < 0x80 &&
            (i + 1 == text.n || (unsigned char)text.p[i + 1] < 0x80)) {
            i++;
            continue;
        }
        bool plain;
        size_t bytes = stretch_bytes(text.p + i, text.n - i, &plain);
        if (!plain || form != IG_UTF_NFC) {
            status = ig_buf_add(out, text.p + done, i - done, err);
            if (!status)
                status = normalise_stretch(text.p + i, bytes, options, compose, &s, out, err);
            done = i + bytes;
        }
        i += bytes;
    }
    if (!status)
        status = ig_buf_add(out, text.p + done, text.n - done, err);
    ig_free(s.cp);
    return status;
}
