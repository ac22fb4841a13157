/* slice.h: a borrowed run of bytes; not zero-terminated. */
#ifndef IG_BASE_SLICE_H
#define IG_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct ig_str {
    const char *p;
    size_t n;
} ig_str;

#define IG_STR(literal) ((ig_str){(literal), sizeof(literal) - 1})
/* For printf "%.*s": cut at 96 bytes so that hostile names stay readable. */
#define IG_STR_ARG(s) (int)((s).n < 96 ? (s).n : 96), (s).n ? (s).p : ""

static inline ig_str ig_str_of(const char *z) {
    return (ig_str){z, z ? strlen(z) : 0};
}
static inline bool ig_str_eq(ig_str a, ig_str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}
static inline bool ig_str_is(ig_str a, const char *z) {
    return ig_str_eq(a, ig_str_of(z));
}
static inline bool ig_str_starts(ig_str s, ig_str prefix) {
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}
static inline bool ig_str_ends(ig_str s, ig_str suffix) {
    return s.n >= suffix.n &&
           (suffix.n == 0 || memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* Edit distance, for naming what was perhaps meant; both at most IG_DISTANCE_BYTES_MAX. */
#define IG_DISTANCE_BYTES_MAX 64u
uint32_t ig_str_distance(ig_str a, ig_str b);

#endif
