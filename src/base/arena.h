/* arena.h: memory with one lifetime. Objects are carved from chunks and freed together.
 * One thread at a time. Poisoned with redzones under ASan. */
#ifndef IG_BASE_ARENA_H
#define IG_BASE_ARENA_H

#include <stddef.h>

#include "base/slice.h"
#include "base/status.h"

typedef struct ig_arena_chunk ig_arena_chunk;

/* `ig_arena a; ig_arena_init(&a, max);` then allocate; ig_arena_fini frees everything. */
typedef struct ig_arena {
    ig_arena_chunk *head; /* newest chunk, the one that is carved */
    size_t used;          /* bytes carved from head */
    size_t total_bytes;   /* bytes of all chunks */
    size_t max_bytes;     /* ceiling on total_bytes */
} ig_arena;

void ig_arena_init(ig_arena *arena, size_t max_bytes);
void ig_arena_fini(ig_arena *arena);
/* Forgets every object; keeps the largest chunk for reuse. */
void ig_arena_reset(ig_arena *arena);

/* Zeroed, 16-byte aligned memory for n objects of `size` bytes. *out is the memory. IG_EMEMORY
 * when the heap refuses, IG_ELIMIT when the arena's ceiling would be passed. n * size == 0
 * gives a valid pointer. */
IG_MUST_USE ig_status ig_arena_new(ig_arena *arena, size_t n, size_t size, void *out, ig_err *err);

/* Copy of s in the arena, zero-terminated. */
IG_MUST_USE ig_status ig_arena_str(ig_arena *arena, ig_str s, ig_str *out, ig_err *err);

#endif
