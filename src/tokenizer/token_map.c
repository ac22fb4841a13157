/* token_map.c: two flat open-addressing maps: strings to ids, and pairs of ids to merges. Built once, then read by any
 * thread. Strings up to 8 bytes are compared inside the slot, so that most look-ups touch one cache line. */
#include "tokenizer/tokenizer_int.h"

#define MIX 0x9E3779B97F4A7C15ull

static uint64_t load(const char *p, size_t n) { /* n bytes, 4..8 */
    uint32_t lo, hi;
    memcpy(&lo, p, 4);
    memcpy(&hi, p + n - 4, 4);
    return lo | (uint64_t)hi >> (8 * (8 - n)) << 32;
}

static uint64_t load_short(const char *s, size_t n) { /* n bytes, 0..3 */
    const unsigned char *p = (const unsigned char *)s;
    if (n == 0)
        return 0;
    return p[0] | (uint64_t)p[n / 2] << 8 * (n / 2) | (uint64_t)p[n - 1] << 8 * (n - 1);
}

static uint64_t mix(uint64_t x) {
    x ^= x >> 32;
    x *= MIX;
    x ^= x >> 29;
    x *= 0xBF58476D1CE4E5B9ull;
    return x ^ x >> 32;
}

/* Exact for n <= 8; a hash above. */
static uint64_t key_of(const char *p, size_t n) {
    if (n < 4)
        return load_short(p, n);
    if (n <= 8)
        return load(p, n);
    uint64_t h = n * MIX, word;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        memcpy(&word, p + i, 8);
        h = (h ^ word) * MIX;
        h ^= h >> 31;
    }
    memcpy(&word, p + n - 8, 8);
    return mix(h ^ word);
}

static uint32_t table_size(uint32_t cap) {
    uint32_t size = 16;
    while (size < cap + cap / 2 + 1)
        size *= 2;
    return size;
}

ig_status ig_token_map_init(ig_token_map *map, ig_arena *arena, uint32_t cap, size_t n_bytes, ig_err *err) {
    uint32_t size = table_size(cap);
    IG_TRY(ig_arena_new(arena, size, sizeof *map->slots, &map->slots, err));
    IG_TRY(ig_arena_new(arena, (size_t)cap + 1, sizeof *map->at, &map->at, err));
    IG_TRY(ig_arena_new(arena, n_bytes, 1, &map->bytes, err));
    memset(map->slots, 0xFF, size * sizeof *map->slots);
    map->mask = size - 1;
    map->cap = cap;
    return IG_OK;
}

uint32_t ig_token_map_find(const ig_token_map *map, const char *p, size_t n) {
    if (n > map->longest)
        return IG_TOKEN_NONE;
    uint64_t key = key_of(p, n);
    for (uint32_t i = (uint32_t)mix(key + n) & map->mask;; i = (i + 1) & map->mask) {
        const ig_token_slot *slot = &map->slots[i];
        if (slot->key == key && slot->n == n && slot->id != IG_TOKEN_NONE &&
            (n <= 8 || memcmp(map->bytes + map->at[slot->id], p, n) == 0))
            return slot->id;
        if (slot->id == IG_TOKEN_NONE)
            return IG_TOKEN_NONE;
    }
}

bool ig_token_map_add(ig_token_map *map, ig_str s) {
    uint32_t id = map->n++;
    uint32_t start = map->at[id];
    bool fresh = ig_token_map_find(map, s.p, s.n) == IG_TOKEN_NONE;
    if (s.n)
        memcpy(map->bytes + start, s.p, s.n);
    map->at[id + 1] = start + (uint32_t)s.n;
    map->longest = IG_MAX(map->longest, (uint32_t)s.n);
    if (!fresh)
        return false;
    uint64_t key = key_of(s.p, s.n);
    uint32_t i = (uint32_t)mix(key + s.n) & map->mask;
    while (map->slots[i].id != IG_TOKEN_NONE)
        i = (i + 1) & map->mask;
    map->slots[i] = (ig_token_slot){key, id, (uint32_t)s.n};
    return true;
}

void ig_token_map_skip(ig_token_map *map) {
    uint32_t id = map->n++;
    map->at[id + 1] = map->at[id];
}

ig_status ig_merge_map_init(ig_merge_map *map, ig_arena *arena, uint32_t cap, ig_err *err) {
    uint32_t size = table_size(cap);
    IG_TRY(ig_arena_new(arena, size, sizeof *map->slots, &map->slots, err));
    memset(map->slots, 0xFF, size * sizeof *map->slots);
    map->mask = size - 1;
    return IG_OK;
}

static uint32_t pair_slot(const ig_merge_map *map, uint32_t left, uint32_t right) {
    uint64_t h = ((uint64_t)left << 32 | right) * MIX;
    return (uint32_t)(h >> 32 ^ h) & map->mask;
}

ig_merge ig_merge_map_find(const ig_merge_map *map, uint32_t left, uint32_t right) {
    for (uint32_t i = pair_slot(map, left, right);; i = (i + 1) & map->mask) {
        const ig_merge *m = &map->slots[i];
        if (m->left == left && m->right == right)
            return *m;
        if (m->left == IG_TOKEN_NONE)
            return (ig_merge){left, right, IG_TOKEN_NONE, IG_TOKEN_NONE};
    }
}

void ig_merge_map_add(ig_merge_map *map, ig_merge merge) {
    uint32_t i = pair_slot(map, merge.left, merge.right);
    while (map->slots[i].left != IG_TOKEN_NONE) {
        if (map->slots[i].left == merge.left && map->slots[i].right == merge.right)
            return;
        i = (i + 1) & map->mask;
    }
    map->slots[i] = merge;
    map->n++;
}
