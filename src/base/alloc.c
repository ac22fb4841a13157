/* alloc.c: malloc and friends, nowhere else; counts and fails on demand per thread. */
#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static _Thread_local uint64_t alloc_count;
static _Thread_local uint64_t alloc_fail_at;

static int allowed(void) {
    alloc_count++;
    return alloc_fail_at == 0 || alloc_count != alloc_fail_at;
}

uint64_t ig_alloc_fail_after(uint64_t n) {
    uint64_t made = alloc_count;
    alloc_count = 0;
    alloc_fail_at = n;
    return made;
}

void *ig_alloc(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || !allowed())
        return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *ig_realloc(void *old, size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX || !allowed())
        return NULL;
    return realloc(old, bytes ? bytes : 1);
}

void *ig_alloc_aligned(size_t bytes, size_t align) {
    if (bytes > PTRDIFF_MAX - align || !allowed())
        return NULL;
    size_t rounded = (bytes + align - 1) / align * align;
    void *p = aligned_alloc(align, rounded ? rounded : align);
    if (p)
        memset(p, 0, rounded ? rounded : align);
    return p;
}

void ig_free(void *p) {
    free(p);
}

char *ig_strndup(const char *s, size_t n) {
    char *p = n < PTRDIFF_MAX ? ig_alloc(n + 1, 1) : NULL;
    if (p && n)
        memcpy(p, s, n);
    return p;
}
