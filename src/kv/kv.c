/* kv.c: the pool: its pages, slots and nodes from creation on, the copies to be made, the facts. */
#include "kv/kv_int.h"

#include <assert.h>

/* Nodes for a pool: one for each page that can be cached and one for its root. Chains without a
 * page (before a window, between snapshots) have to do with what that leaves. */
static ig_status count_nodes(ig_kv *kv, const ig_kv_options *o, ig_err *err) {
    uint64_t n = 0;
    for (uint32_t g = 0; g < IG_KV_POOLS; g++)
        n += 2ull * kv->pools[g].n_pages;
    n += (uint64_t)o->n_slots * (o->snapshot_tokens / o->page_tokens);
    if (n > UINT32_MAX / 2)
        return ig_fail(err, IG_ELIMIT,
                       "page pool of %llu nodes; the most is %u, take larger pages or fewer",
                       (unsigned long long)n, UINT32_MAX / 2);
    kv->n_nodes = kv->cache ? (uint32_t)n : 0;
    kv->row_tokens = IG_MAX(o->page_tokens, IG_KV_SCOPE_BYTES / (uint32_t)sizeof *kv->tokens);
    return IG_OK;
}

static ig_status make_nodes(ig_kv *kv, ig_err *err) {
    uint32_t n_buckets = 1;
    while (n_buckets < kv->n_nodes)
        n_buckets *= 2;
    kv->bucket_mask = n_buckets - 1;
    kv->free_node = IG_KV_NONE;
    /* The address is as good as random, which keeps others from making hashes collide. */
    kv->seed = (uint64_t)(uintptr_t)kv;
    size_t row;
    if (!ig_mul(kv->row_tokens, sizeof *kv->tokens, &row))
        return ig_fail_memory(err, SIZE_MAX);
    kv->nodes = ig_alloc(kv->n_nodes, sizeof *kv->nodes);
    kv->tokens = ig_alloc(kv->n_nodes, row);
    kv->buckets = ig_alloc(n_buckets, sizeof *kv->buckets);
    if (!kv->nodes || !kv->tokens || !kv->buckets)
        return ig_fail_memory(err, kv->n_nodes * (sizeof *kv->nodes + row));
    memset(kv->buckets, 0xff, n_buckets * sizeof *kv->buckets);
    return IG_OK;
}

static ig_status make_pool(ig_kv_pool *pool, ig_err *err) {
    pool->n_free = pool->n_pages;
    pool->free = ig_alloc(pool->n_pages, sizeof *pool->free);
    pool->pages = ig_alloc(pool->n_pages, sizeof *pool->pages);
    if (!pool->free || !pool->pages)
        return ig_fail_memory(err, pool->n_pages * sizeof *pool->pages);
    for (uint32_t i = 0; i < pool->n_pages; i++) {
        pool->free[i] = pool->n_pages - 1 - i;
        pool->pages[i].node = IG_KV_NONE;
    }
    memset(pool->levels, 0xff, sizeof pool->levels); /* IG_KV_NONE */
    return IG_OK;
}

static ig_status check_options(const ig_kv_options *o, ig_err *err) {
    if (o->page_tokens == 0 || o->page_tokens > IG_CONTEXT_MAX || o->n_groups > IG_KV_GROUPS_MAX)
        return ig_fail(err, IG_EARGUMENT,
                       "page pool of %u groups with %u tokens a page; "
                       "there can be %u groups, and pages have 1 to %u tokens",
                       o->n_groups, o->page_tokens, IG_KV_GROUPS_MAX, IG_CONTEXT_MAX);
    if (o->snapshot_tokens % o->page_tokens != 0)
        return ig_fail(err, IG_EARGUMENT,
                       "snapshots of state every %u tokens; "
                       "the distance must be a multiple of the page's %u tokens",
                       o->snapshot_tokens, o->page_tokens);
    return IG_OK;
}

ig_status ig_kv_create(ig_kv **out, const ig_kv_options *options, ig_err *err) {
    IG_TRY(check_options(options, err));
    ig_kv *kv = ig_alloc(1, sizeof *kv);
    if (!kv)
        return ig_fail_memory(err, sizeof *kv);
    kv->page_tokens = options->page_tokens;
    kv->n_groups = options->n_groups;
    kv->snapshot_tokens = options->snapshot_tokens;
    kv->cache = options->cache;
    for (uint32_t g = 0; g < options->n_groups; g++) {
        ig_kv_pool *pool = &kv->pools[g];
        pool->n_pages = options->groups[g].n_pages;
        pool->window = options->groups[g].window;
        pool->whole = pool->window == 0;
    }
    kv->pools[IG_KV_SLOT_GROUP].n_pages = options->n_slots;
    ig_status status = count_nodes(kv, options, err);
    for (uint32_t g = 0; g < IG_KV_POOLS && !status; g++)
        status = make_pool(&kv->pools[g], err);
    if (!status)
        status = make_nodes(kv, err);
    *out = kv;
    if (status)
        ig_kv_destroy(out);
    return status;
}

void ig_kv_destroy(ig_kv **kv) {
    if (!kv || !*kv)
        return;
    assert((*kv)->n_seqs == 0);
    for (uint32_t g = 0; g < IG_KV_POOLS; g++) {
        ig_free((*kv)->pools[g].free);
        ig_free((*kv)->pools[g].pages);
    }
    ig_free((*kv)->nodes);
    ig_free((*kv)->tokens);
    ig_free((*kv)->buckets);
    ig_free((*kv)->copies);
    ig_free(*kv);
    *kv = NULL;
}

static uint32_t free_in(const ig_kv_pool *pool) {
    return pool->n_free + pool->n_cached;
}

uint32_t ig_kv_free_pages(const ig_kv *kv, uint32_t group) {
    return group < kv->n_groups ? free_in(&kv->pools[group]) : 0;
}

uint32_t ig_kv_free_slots(const ig_kv *kv) {
    return free_in(&kv->pools[IG_KV_SLOT_GROUP]);
}

uint32_t ig_kv_pages_needed(uint32_t page_tokens, uint32_t window, uint32_t n_tokens,
                            uint32_t step_tokens) {
    uint64_t span = n_tokens;
    /* The oldest page may be needed for one token only. */
    if (window && (uint64_t)window + step_tokens < span)
        span = (uint64_t)window + step_tokens + page_tokens;
    return (uint32_t)((span + page_tokens - 1) / page_tokens);
}

void ig_kv_describe(const ig_kv *kv, ig_kv_facts *facts) {
    *facts = kv->facts;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        const ig_kv_pool *pool = &kv->pools[g];
        facts->n_pages += pool->n_pages;
        facts->free += pool->n_free;
        facts->cached += pool->n_cached;
        facts->used += pool->n_pages - pool->n_free - pool->n_cached;
    }
}

void ig_kv_forget(ig_kv *kv) {
    for (uint32_t g = 0; g < IG_KV_POOLS; g++) {
        while (kv->pools[g].n_cached > 0)
            ig_kv_page_forget(kv, g, ig_kv_page_oldest(kv, g));
    }
}

/* ---- copies ---------------------------------------------------------------------------------- */

ig_status ig_kv_copies_room(ig_kv *kv, uint32_t n, ig_err *err) {
    if (n <= kv->copies_cap - kv->n_copies)
        return IG_OK;
    const size_t cap = IG_MAX((size_t)kv->n_copies + n, (size_t)kv->copies_cap * 2);
    ig_kv_copy *copies = cap <= UINT32_MAX ? ig_realloc(kv->copies, cap, sizeof *copies) : NULL;
    if (!copies)
        return ig_fail_memory(err, cap * sizeof *copies);
    kv->copies = copies;
    kv->copies_cap = (uint32_t)cap;
    return IG_OK;
}

void ig_kv_copy_add(ig_kv *kv, uint32_t g, uint32_t from, uint32_t to) {
    assert(kv->n_copies < kv->copies_cap);
    ig_kv_page_pin(kv, g, from);
    kv->copies[kv->n_copies++] = (ig_kv_copy){.group = g, .from = from, .to = to};
}

const ig_kv_copy *ig_kv_copies(const ig_kv *kv, uint32_t *n) {
    *n = kv->n_copies;
    return kv->copies;
}

void ig_kv_copies_done(ig_kv *kv) {
    for (uint32_t i = 0; i < kv->n_copies; i++)
        ig_kv_page_unpin(kv, kv->copies[i].group, kv->copies[i].from);
    kv->n_copies = 0;
}
