/* token_map.c: building the maps of token_map_int.h. */
#include "tokenizer/token_map_int.h"

uint64_t ig_token_map_hash(uint64_t seed, const char *p, size_t n) {
    uint64_t h = n * IG_HASH_FACTOR ^ seed, word;
    for (size_t i = 0; i + 8 <= n; i += 8) {
        memcpy(&word, p + i, 8);
        h = (h ^ word) * IG_HASH_FACTOR;
        h ^= h >> 31;
    }
    memcpy(&word, p + n - 8, 8);
    h = (h ^ word) * 0xBF58476D1CE4E5B9ull;
    return h ^ h >> 32;
}

/* A power of two, at least half again as many slots as entries. *shift: 64 - its logarithm. */
static uint32_t table_size(uint32_t cap, uint32_t *shift) {
    uint32_t size = 16;
    *shift = 60;
    while (size < cap + cap / 2 + 1) {
        size *= 2;
        (*shift)--;
    }
    return size;
}

/* From an address, which differs from run to run; the maps are the same whatever it is. */
static uint64_t seed_of(const void *slots) {
    const uint64_t h = (uint64_t)(uintptr_t)slots * IG_HASH_FACTOR;
    return (h ^ h >> 32) * IG_HASH_FACTOR;
}

static ig_status fail_forged(const char *what, ig_err *err) {
    return ig_fail(err, IG_EFORMAT, "the %s were made to collide; do not use this file", what);
}

ig_status ig_token_map_init(ig_token_map *map, ig_arena *arena, uint32_t cap, size_t n_bytes,
                            ig_err *err) {
    uint32_t size = table_size(cap, &map->shift);
    IG_TRY(ig_arena_new(arena, size, sizeof *map->slots, &map->slots, err));
    IG_TRY(ig_arena_new(arena, (size_t)cap + 1, sizeof *map->at, &map->at, err));
    IG_TRY(ig_arena_new(arena, n_bytes, 1, &map->bytes, err));
    memset(map->slots, 0xFF, size * sizeof *map->slots);
    map->mask = size - 1;
    map->cap = cap;
    map->seed = seed_of(map->slots);
    return IG_OK;
}

ig_status ig_token_map_add(ig_token_map *map, ig_str s, uint32_t *found, ig_err *err) {
    const uint32_t id = map->n++, start = map->at[id];
    *found = ig_token_map_find(map, s.p, s.n);
    if (s.n)
        memcpy(map->bytes + start, s.p, s.n);
    map->at[id + 1] = start + (uint32_t)s.n;
    map->longest = IG_MAX(map->longest, (uint32_t)s.n);
    if (*found != IG_TOKEN_NONE)
        return IG_OK;
    const uint64_t key = ig_token_map_key(map, s.p, s.n);
    uint32_t i = ig_token_map_slot(map, key, s.n), step = 0;
    for (; map->slots[i].id != IG_TOKEN_NONE; i = (i + 1) & map->mask)
        if (++step == IG_NAME_PROBES_MAX)
            return fail_forged("tokens", err);
    map->far = IG_MAX(map->far, step);
    map->slots[i] = (ig_token_slot){key, id, (uint32_t)s.n};
    *found = id;
    return IG_OK;
}

void ig_token_map_skip(ig_token_map *map) {
    uint32_t id = map->n++;
    map->at[id + 1] = map->at[id];
}

ig_status ig_merge_map_init(ig_merge_map *map, ig_arena *arena, uint32_t cap, ig_err *err) {
    uint32_t size = table_size(cap, &map->shift);
    IG_TRY(ig_arena_new(arena, size, sizeof *map->slots, &map->slots, err));
    memset(map->slots, 0xFF, size * sizeof *map->slots);
    map->mask = size - 1;
    map->seed = seed_of(map->slots);
    return IG_OK;
}

ig_status ig_merge_map_add(ig_merge_map *map, ig_merge merge, ig_err *err) {
    uint32_t i = ig_merge_map_slot(map, merge.left, merge.right), step = 0;
    for (; map->slots[i].left != IG_TOKEN_NONE; i = (i + 1) & map->mask) {
        if (map->slots[i].left == merge.left && map->slots[i].right == merge.right)
            return IG_OK;
        if (++step == IG_NAME_PROBES_MAX)
            return fail_forged("merges", err);
    }
    map->far = IG_MAX(map->far, step);
    map->slots[i] = merge;
    map->n++;
    return IG_OK;
}
