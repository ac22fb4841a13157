/* arena.c: chunked bump allocator. A chunk is header | objects; objects are 16-byte
 * aligned and, under ASan, separated by 16 poisoned bytes. Owned by whoever owns the
 * ig_arena; one thread at a time. */
#include "base/arena.h"

#include <stdint.h>

#include "base/alloc.h"
#include "base/checked.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_REDZONE 16
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_REDZONE 16
#endif
#endif
#ifdef ARENA_REDZONE
#include <sanitizer/asan_interface.h>
#define ARENA_POISON(p, n) __asan_poison_memory_region((p), (n))
#define ARENA_UNPOISON(p, n) __asan_unpoison_memory_region((p), (n))
#else
#define ARENA_REDZONE 0
#define ARENA_POISON(p, n) ((void)0)
#define ARENA_UNPOISON(p, n) ((void)0)
#endif

#define ARENA_ALIGN 16
#define ARENA_CHUNK_FIRST 4096
#define ARENA_CHUNK_GROWTH_MAX (8u << 20)

struct ig_arena_chunk {
    ig_arena_chunk *next;
    size_t bytes; /* of data */
    IG_ALIGNED(ARENA_ALIGN) unsigned char data[];
};

void ig_arena_init(ig_arena *arena, size_t max_bytes) {
    *arena = (ig_arena){.max_bytes = max_bytes};
}

void ig_arena_fini(ig_arena *arena) {
    for (ig_arena_chunk *c = arena->head; c;) {
        ig_arena_chunk *next = c->next;
        ARENA_UNPOISON(c->data, c->bytes);
        ig_free(c);
        c = next;
    }
    arena->head = NULL;
    arena->used = arena->total_bytes = 0;
}

void ig_arena_reset(ig_arena *arena) {
    ig_arena_chunk *keep = NULL;
    for (ig_arena_chunk *c = arena->head; c;) {
        ig_arena_chunk *next = c->next;
        ARENA_UNPOISON(c->data, c->bytes);
        if (!keep || c->bytes > keep->bytes) {
            ig_free(keep);
            keep = c;
        } else {
            ig_free(c);
        }
        c = next;
    }
    if (keep)
        keep->next = NULL;
    arena->head = keep;
    arena->used = 0;
    arena->total_bytes = keep ? keep->bytes : 0;
}

static ig_status grow(ig_arena *arena, size_t need, ig_err *err) {
    size_t bytes = arena->head ? arena->head->bytes : ARENA_CHUNK_FIRST / 2;
    bytes = bytes < ARENA_CHUNK_GROWTH_MAX ? bytes * 2 : bytes;
    if (bytes < need)
        bytes = need;
    if (bytes > arena->max_bytes - arena->total_bytes)
        bytes = need;
    if (bytes > arena->max_bytes - arena->total_bytes)
        return ig_fail(err, IG_ELIMIT, "arena limit of %zu bytes exceeded by %zu more",
                       arena->max_bytes, need);
    size_t whole;
    ig_arena_chunk *c = ig_add(sizeof *c, bytes, &whole) ? ig_alloc(1, whole) : NULL;
    if (!c)
        return ig_fail_memory(err, need);
    c->bytes = bytes;
    c->next = arena->head;
    arena->head = c;
    arena->used = 0;
    arena->total_bytes += bytes;
    ARENA_POISON(c->data, c->bytes);
    return IG_OK;
}

ig_status ig_arena_new(ig_arena *arena, size_t n, size_t size, void *out, ig_err *err) {
    size_t bytes, need;
    if (!ig_mul(n, size, &bytes) || !ig_add(bytes, ARENA_ALIGN - 1 + ARENA_REDZONE, &need))
        return ig_fail(err, IG_ELIMIT, "allocation of %zu x %zu bytes overflows", n, size);
    need &= ~(size_t)(ARENA_ALIGN - 1);
    if (need == 0)
        need = ARENA_ALIGN;
    if (!arena->head || need > arena->head->bytes - arena->used)
        IG_TRY(grow(arena, need, err));
    unsigned char *p = arena->head->data + arena->used;
    arena->used += need;
    ARENA_UNPOISON(p, bytes);
    if (bytes)
        memset(p, 0, bytes);
    memcpy(out, &p, sizeof p);
    return IG_OK;
}

ig_status ig_arena_str(ig_arena *arena, ig_str s, ig_str *out, ig_err *err) {
    char *p = NULL;
    size_t bytes;
    if (!ig_add(s.n, 1, &bytes))
        return ig_fail(err, IG_ELIMIT, "string of %zu bytes", s.n);
    IG_TRY(ig_arena_new(arena, bytes, 1, &p, err));
    if (s.n)
        memcpy(p, s.p, s.n);
    *out = (ig_str){p, s.n};
    return IG_OK;
}
