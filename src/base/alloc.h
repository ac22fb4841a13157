/* alloc.h: the only door to the heap. Failure injection is built in, because every room is tested
 * with allocation n failing for each n. Any thread. */
#ifndef IG_BASE_ALLOC_H
#define IG_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Zeroed memory for n objects of `size` bytes, or NULL when it is not to be had or n * size
 * overflows. n * size == 0 gives a valid pointer. Free with ig_free. */
void *ig_alloc(size_t n, size_t size) IG_MUST_USE;

/* As realloc for n objects of `size` bytes; new bytes are not zeroed; NULL leaves
 * the old block intact. */
void *ig_realloc(void *old, size_t n, size_t size) IG_MUST_USE;

/* Zeroed memory aligned to `align` bytes (a power of two, at least 64); NULL on
 * failure. Free with ig_free. */
void *ig_alloc_aligned(size_t bytes, size_t align) IG_MUST_USE;

/* Frees; NULL is allowed. */
void ig_free(void *p);

/* Copy of n bytes with a terminating zero, or NULL. */
char *ig_strndup(const char *s, size_t n) IG_MUST_USE;

/* The usual error for a NULL from above. */
#define ig_fail_memory(err, bytes)                                                                 \
    ig_fail((err), IG_EMEMORY, "out of memory (%zu bytes)", (size_t)(bytes))

/* Tests: let the nth allocation from now on the calling thread fail (1 = the next); 0 switches it
 * off. Returns how many allocations the thread made since the last call. */
uint64_t ig_alloc_fail_after(uint64_t n);

#endif
