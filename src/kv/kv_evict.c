/* kv_evict.c: the roles of a page: used, cached, free; and which cached page is given up first:
 * that of the lowest priority, among these the one unused for longest. */
#include "kv/kv_int.h"

#include <assert.h>

static bool is_idle(const ig_kv_page *page) {
    return page->users == 0 && page->pins == 0;
}

/* Becomes the youngest of its priority. */
static void enlist(ig_kv_pool *pool, uint32_t number) {
    ig_kv_page *page = &pool->pages[number];
    ig_kv_level *level = &pool->levels[page->priority];
    page->older = level->youngest;
    page->younger = IG_KV_NONE;
    if (page->older == IG_KV_NONE)
        level->oldest = number;
    else
        pool->pages[page->older].younger = number;
    level->youngest = number;
    pool->filled[page->priority / 64] |= 1ull << page->priority % 64;
    pool->n_cached++;
}

static void delist(ig_kv_pool *pool, uint32_t number) {
    const ig_kv_page *page = &pool->pages[number];
    ig_kv_level *level = &pool->levels[page->priority];
    if (page->older == IG_KV_NONE)
        level->oldest = page->younger;
    else
        pool->pages[page->older].younger = page->younger;
    if (page->younger == IG_KV_NONE)
        level->youngest = page->older;
    else
        pool->pages[page->younger].older = page->older;
    if (level->oldest == IG_KV_NONE)
        pool->filled[page->priority / 64] &= ~(1ull << page->priority % 64);
    pool->n_cached--;
}

/* The role of a page whose last user or pin went. */
static void settle(ig_kv_pool *pool, uint32_t number) {
    if (!is_idle(&pool->pages[number]))
        return;
    if (pool->pages[number].node == IG_KV_NONE)
        pool->free[pool->n_free++] = number;
    else
        enlist(pool, number);
}

static void hold(ig_kv_pool *pool, uint32_t number) {
    if (is_idle(&pool->pages[number])) {
        assert(pool->pages[number].node != IG_KV_NONE); /* nobody can name a free page */
        delist(pool, number);
    }
}

uint32_t ig_kv_page_oldest(const ig_kv *kv, uint32_t g) {
    const ig_kv_pool *pool = &kv->pools[g];
    for (uint32_t i = 0; i < IG_COUNT(pool->filled); i++) {
        if (pool->filled[i])
            return pool->levels[i * 64 + (uint32_t)__builtin_ctzll(pool->filled[i])].oldest;
    }
    return IG_KV_NONE;
}

static void forget_one(ig_kv *kv, uint32_t g, uint32_t number) {
    ig_kv_pool *pool = &kv->pools[g];
    ig_kv_page *page = &pool->pages[number];
    kv->nodes[page->node].pages[g] = IG_KV_NONE;
    if (is_idle(page)) {
        delist(pool, number);
        pool->free[pool->n_free++] = number;
    }
    page->node = IG_KV_NONE;
}

/* Without its page in a group without window no match can pass a node: all it has goes. */
void ig_kv_page_forget(ig_kv *kv, uint32_t g, uint32_t page) {
    const uint32_t node = kv->pools[g].pages[page].node;
    for (uint32_t i = 0; i < IG_KV_POOLS; i++) {
        const uint32_t own = kv->nodes[node].pages[i];
        if (own != IG_KV_NONE && (i == g || kv->pools[g].whole))
            forget_one(kv, i, own);
    }
    ig_kv_node_prune(kv, node);
}

uint32_t ig_kv_page_take(ig_kv *kv, uint32_t g) {
    ig_kv_pool *pool = &kv->pools[g];
    if (pool->n_free == 0) {
        ig_kv_page_forget(kv, g, ig_kv_page_oldest(kv, g));
        kv->facts.evicted += g != IG_KV_SLOT_GROUP;
    }
    const uint32_t number = pool->free[--pool->n_free];
    pool->pages[number] = (ig_kv_page){.users = 1, .node = IG_KV_NONE};
    return number;
}

void ig_kv_page_use(ig_kv *kv, uint32_t g, uint32_t number, uint32_t priority) {
    ig_kv_page *page = &kv->pools[g].pages[number];
    hold(&kv->pools[g], number);
    page->users++;
    page->priority = IG_MAX(page->priority, priority);
}

void ig_kv_page_leave(ig_kv *kv, uint32_t g, uint32_t number) {
    assert(kv->pools[g].pages[number].users > 0);
    kv->pools[g].pages[number].users--;
    settle(&kv->pools[g], number);
}

void ig_kv_page_pin(ig_kv *kv, uint32_t g, uint32_t number) {
    hold(&kv->pools[g], number);
    kv->pools[g].pages[number].pins++;
}

/* A page became idle after those before it may have: they must stay younger. Nearly always a
 * sequence still uses them. */
static void rejuvenate_before(ig_kv *kv, uint32_t g, uint32_t number) {
    ig_kv_pool *pool = &kv->pools[g];
    const ig_kv_node *node = &kv->nodes[kv->nodes[pool->pages[number].node].parent];
    for (; node->parent != IG_KV_NONE; node = &kv->nodes[node->parent]) {
        const uint32_t before = node->pages[g];
        if (before == IG_KV_NONE) { /* given up, while only the pin kept this one */
            ig_kv_page_forget(kv, g, number);
            return;
        }
        if (pool->pages[before].users > 0)
            return;
        if (is_idle(&pool->pages[before])) {
            delist(pool, before);
            enlist(pool, before);
        }
    }
}

void ig_kv_page_unpin(ig_kv *kv, uint32_t g, uint32_t number) {
    ig_kv_pool *pool = &kv->pools[g];
    const ig_kv_page *page = &pool->pages[number];
    pool->pages[number].pins--;
    settle(pool, number);
    if (pool->whole && is_idle(page) && page->node != IG_KV_NONE)
        rejuvenate_before(kv, g, number);
}

void ig_kv_page_publish(ig_kv *kv, uint32_t g, uint32_t number, uint32_t node, uint32_t priority) {
    ig_kv_page *page = &kv->pools[g].pages[number];
    assert(page->users > 0 && page->node == IG_KV_NONE);
    page->node = node;
    page->priority = IG_MAX(page->priority, priority);
    kv->nodes[node].pages[g] = number;
}
