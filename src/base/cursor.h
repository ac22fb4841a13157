/* cursor.h: reading untrusted little-endian bytes. A read past the end returns zero and
 * sets a sticky error that is checked once per record; no read ever touches memory
 * outside [start, end). */
#ifndef IG_BASE_CURSOR_H
#define IG_BASE_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

typedef struct ig_cursor {
    const uint8_t *start, *p, *end;
    bool failed; /* a read went past the end */
} ig_cursor;

static inline ig_cursor ig_cursor_view(const void *p, size_t n) {
    return (ig_cursor){p, p, n ? (const uint8_t *)p + n : p, false};
}
static inline size_t ig_cursor_left(const ig_cursor *c) {
    return (size_t)(c->end - c->p);
}
static inline size_t ig_cursor_offset(const ig_cursor *c) {
    return (size_t)(c->p - c->start);
}
/* The next n bytes, or NULL (and the sticky error) when fewer are left. */
static inline const uint8_t *ig_cursor_take(ig_cursor *c, size_t n) {
    if (c->failed || n > ig_cursor_left(c)) {
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->p;
    c->p += n;
    return p;
}
static inline uint8_t ig_cursor_u8(ig_cursor *c) {
    const uint8_t *p = ig_cursor_take(c, 1);
    return p ? *p : 0;
}
static inline uint16_t ig_cursor_u16(ig_cursor *c) {
    const uint8_t *p = ig_cursor_take(c, 2);
    return p ? (uint16_t)((unsigned)p[0] | (unsigned)p[1] << 8) : (uint16_t)0;
}
static inline uint32_t ig_cursor_u32(ig_cursor *c) {
    const uint8_t *p = ig_cursor_take(c, 4);
    return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24
             : 0;
}
static inline uint64_t ig_cursor_u64(ig_cursor *c) {
    uint64_t lo = ig_cursor_u32(c), hi = ig_cursor_u32(c);
    return lo | hi << 32;
}
static inline float ig_cursor_f32(ig_cursor *c) {
    uint32_t u = ig_cursor_u32(c);
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}
static inline double ig_cursor_f64(ig_cursor *c) {
    uint64_t u = ig_cursor_u64(c);
    double f;
    memcpy(&f, &u, sizeof f);
    return f;
}

#endif
