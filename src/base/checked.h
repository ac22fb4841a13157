/* checked.h: arithmetic on numbers that came from outside. True means the result is exact. */
#ifndef IG_BASE_CHECKED_H
#define IG_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

IG_MUST_USE static inline bool ig_mul(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
IG_MUST_USE static inline bool ig_add(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}
IG_MUST_USE static inline bool ig_mul64(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}
IG_MUST_USE static inline bool ig_add64(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}
/* n rounded up to a multiple of `to` (to > 0); the caller has bounded n. */
static inline size_t ig_round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}
static inline size_t ig_div_up(size_t n, size_t by) {
    return (n + by - 1) / by;
}

#endif
