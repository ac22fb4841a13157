/* name_index.c: hashed lookup of keys and tensor names, and the search for duplicates in linear
 * time. Immutable after the build; any thread. */
#include "formats/formats_int.h"

#include <xxhash.h>

static ig_str name_at(const ig_name_index *index, size_t i) {
    ig_str name;
    memcpy(&name, index->base + i * index->stride, sizeof name);
    return name;
}

/* The slot that holds the name or the empty one where it belongs; NULL after too many steps. */
static ig_name_slot *probe(const ig_name_index *index, ig_str name, uint32_t *print) {
    const uint64_t hash = XXH3_64bits_withSeed(name.p, name.n, index->seed);
    *print = (uint32_t)(hash >> 32);
    for (size_t step = 0; step < IG_NAME_PROBES_MAX; step++) {
        ig_name_slot *slot = &index->slots[(hash + step) & index->mask];
        if (slot->next == 0 ||
            (slot->print == *print && ig_str_eq(name_at(index, slot->next - 1), name)))
            return slot;
    }
    return NULL;
}

ig_status ig_name_index_build(ig_name_index *index, ig_arena *arena, const void *base,
                              size_t stride, size_t n, const char *kind, ig_err *err) {
    size_t cap = 8;
    while (cap < 2 * n)
        cap *= 2;
    *index = (ig_name_index){.base = base, .stride = stride, .mask = cap - 1};
    IG_TRY(ig_arena_new(arena, cap, sizeof *index->slots, &index->slots, err));
    index->seed = ig_clock_ns() ^ (uint64_t)(uintptr_t)index->slots;
    for (size_t i = 0; i < n; i++) {
        const ig_str name = name_at(index, i);
        uint32_t print;
        ig_name_slot *slot = probe(index, name, &print);
        if (!slot)
            return ig_fail(err, IG_EFORMAT,
                           "%s \"%.*s\": the names were made to collide; do not use this file",
                           kind, IG_STR_ARG(name));
        if (slot->next)
            return ig_fail(err, IG_EFORMAT,
                           "%s \"%.*s\" appears twice (numbers %u and %zu); the file is damaged, "
                           "write it again with a current converter",
                           kind, IG_STR_ARG(name), slot->next - 1, i);
        *slot = (ig_name_slot){print, (uint32_t)i + 1};
    }
    return IG_OK;
}

size_t ig_name_index_find(const ig_name_index *index, ig_str name) {
    uint32_t print;
    const ig_name_slot *slot = index->slots ? probe(index, name, &print) : NULL;
    return slot && slot->next ? slot->next - 1 : SIZE_MAX;
}
