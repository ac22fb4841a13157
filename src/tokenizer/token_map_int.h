/* token_map_int.h: two flat open-addressing maps: strings to ids, and pairs of ids to merges. Built
 * once, then read by any thread. Strings up to 8 bytes are compared inside the slot, so that most
 * look-ups touch one cache line. The look-ups stand here to be inlined into the merge loops. The
 * seed differs from map to map, and `far` bounds every look-up, so that a vocabulary cannot be
 * forged to be slow. */
#ifndef IG_TOKENIZER_TOKEN_MAP_INT_H
#define IG_TOKENIZER_TOKEN_MAP_INT_H

#include "base/base.h"

#define IG_TOKEN_NONE UINT32_MAX
#define IG_HASH_FACTOR 0x9E3779B97F4A7C15ull

typedef struct ig_token_slot {
    uint64_t key; /* the bytes themselves up to 8, else their hash */
    uint32_t id;  /* IG_TOKEN_NONE = free slot */
    uint32_t n;
} ig_token_slot;

/* Strings by id, and ids by string. Strings live in `bytes`, string i is [at[i], at[i + 1]). */
typedef struct ig_token_map {
    ig_token_slot *slots;
    uint32_t mask, shift; /* size of slots - 1; 64 - log2 of the size */
    uint64_t seed;
    uint32_t far;    /* slots that a string may lie behind its own at most */
    uint32_t n, cap; /* strings */
    uint32_t longest;
    char *bytes;
    uint32_t *at; /* [n + 1] */
} ig_token_map;

/* Room for cap strings of n_bytes bytes together, from the arena. */
IG_MUST_USE ig_status ig_token_map_init(ig_token_map *map, ig_arena *arena, uint32_t cap,
                                        size_t n_bytes, ig_err *err);
/* Gives s the next id; *found is what find gives for it: an earlier id when s is there already.
 * IG_EFORMAT: the strings were made to collide. */
IG_MUST_USE ig_status ig_token_map_add(ig_token_map *map, ig_str s, uint32_t *found, ig_err *err);
/* Uses the next id up for a string that is not to be found. */
void ig_token_map_skip(ig_token_map *map);
/* Hash of more than 8 bytes. */
uint64_t ig_token_map_hash(uint64_t seed, const char *p, size_t n);

static inline ig_str ig_token_map_str(const ig_token_map *map, uint32_t id) {
    return (ig_str){map->bytes + map->at[id], map->at[id + 1] - map->at[id]};
}

/* At most 8 bytes as one number. */
IG_INLINE uint64_t ig_token_map_pack(const char *s, size_t n) {
    const unsigned char *p = (const unsigned char *)s;
    if (n >= 4) {
        uint32_t lo, hi;
        memcpy(&lo, p, 4);
        memcpy(&hi, p + n - 4, 4);
        return lo | (uint64_t)hi >> (8 * (8 - n)) << 32;
    }
    if (n == 0)
        return 0;
    return p[0] | (uint64_t)p[n / 2] << 8 * (n / 2) | (uint64_t)p[n - 1] << 8 * (n - 1);
}

IG_INLINE uint64_t ig_token_map_key(const ig_token_map *map, const char *p, size_t n) {
    return n <= 8 ? ig_token_map_pack(p, n) : ig_token_map_hash(map->seed, p, n);
}

IG_INLINE uint32_t ig_token_map_slot(const ig_token_map *map, uint64_t key, size_t n) {
    uint64_t h = (key ^ key >> 32 ^ (uint64_t)n << 56 ^ map->seed) * IG_HASH_FACTOR;
    h ^= h >> 32;
    return (uint32_t)(h * IG_HASH_FACTOR >> map->shift);
}

/* Id of a string, IG_TOKEN_NONE when there is none. */
IG_INLINE uint32_t ig_token_map_find(const ig_token_map *map, const char *p, size_t n) {
    if (n > map->longest)
        return IG_TOKEN_NONE;
    const uint64_t key = ig_token_map_key(map, p, n);
    uint32_t step = 0;
    for (uint32_t i = ig_token_map_slot(map, key, n);; i = (i + 1) & map->mask) {
        const ig_token_slot *slot = &map->slots[i];
        if (slot->key == key && slot->n == n && slot->id != IG_TOKEN_NONE &&
            (n <= 8 || memcmp(map->bytes + map->at[slot->id], p, n) == 0))
            return slot->id;
        if (slot->id == IG_TOKEN_NONE || step++ == map->far)
            return IG_TOKEN_NONE;
    }
}

typedef struct ig_merge {
    uint32_t left, right; /* left IG_TOKEN_NONE = free slot */
    uint32_t rank;        /* lower merges first; IG_TOKEN_NONE = no such merge */
    uint32_t id;
} ig_merge;

typedef struct ig_merge_map {
    ig_merge *slots;
    uint32_t mask, shift;
    uint64_t seed;
    uint32_t far; /* as in ig_token_map */
    uint32_t n;
} ig_merge_map;

IG_MUST_USE ig_status ig_merge_map_init(ig_merge_map *map, ig_arena *arena, uint32_t cap,
                                        ig_err *err);
/* The first of equal pairs stays. IG_EFORMAT: the pairs were made to collide. */
IG_MUST_USE ig_status ig_merge_map_add(ig_merge_map *map, ig_merge merge, ig_err *err);

IG_INLINE uint32_t ig_merge_map_slot(const ig_merge_map *map, uint32_t left, uint32_t right) {
    uint64_t h = (((uint64_t)left << 32 | right) ^ map->seed) * IG_HASH_FACTOR;
    h ^= h >> 32;
    return (uint32_t)(h * IG_HASH_FACTOR >> map->shift);
}

/* Rank and, when there is a merge, *id. */
IG_INLINE uint32_t ig_merge_map_find(const ig_merge_map *map, uint32_t left, uint32_t right,
                                     uint32_t *id) {
    uint32_t step = 0;
    for (uint32_t i = ig_merge_map_slot(map, left, right);; i = (i + 1) & map->mask) {
        const ig_merge *m = &map->slots[i];
        if (m->left == left && m->right == right) {
            *id = m->id;
            return m->rank;
        }
        if (m->left == IG_TOKEN_NONE || step++ == map->far)
            return IG_TOKEN_NONE;
    }
}

#endif
