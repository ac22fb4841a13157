/* kv_audit.c: counts everything in a pool afresh, the slow way. */
#include "kv_audit.h"

enum { PAGES = 512, NODES = 4096 };

typedef struct tally {
    uint32_t users[PAGES], pins[PAGES], rank[PAGES]; /* rank: order of giving up, from 1 */
    uint32_t free[PAGES];
} tally;

#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            return #cond;                                                                          \
    } while (0)

static void count_users(const ig_kv *kv, uint32_t g, ig_kv_seq *const *seqs, uint32_t n, tally *t) {
    for (uint32_t s = 0; s < n; s++) {
        if (!seqs[s])
            continue;
        if (g == IG_KV_SLOT_GROUP && seqs[s]->slot != IG_KV_NONE)
            t->users[seqs[s]->slot]++;
        if (g >= kv->n_groups)
            continue;
        const ig_kv_table *table = &seqs[s]->tables[g];
        for (uint32_t i = 0; i < table->n; i++) {
            if (table->pages[i] != IG_KV_NONE)
                t->users[table->pages[i]]++;
        }
    }
    for (uint32_t i = 0; i < kv->n_copies; i++) {
        if (kv->copies[i].group == g)
            t->pins[kv->copies[i].from]++;
    }
}

static const char *walk_lists(const ig_kv_pool *pool, tally *t) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < pool->n_free; i++) {
        MUST(pool->free[i] < pool->n_pages);
        t->free[pool->free[i]]++;
    }
    for (uint32_t level = 0; level < IG_KV_LEVELS; level++) {
        uint32_t older = IG_KV_NONE, at = pool->levels[level].oldest;
        MUST((at != IG_KV_NONE) == (pool->filled[level / 64] >> level % 64 & 1));
        for (; at != IG_KV_NONE; older = at, at = pool->pages[at].younger) {
            MUST(at < pool->n_pages && t->rank[at] == 0);
            MUST(pool->pages[at].older == older && pool->pages[at].priority == level);
            t->rank[at] = ++n;
        }
        MUST(pool->levels[level].youngest == older);
    }
    MUST(n == pool->n_cached);
    return NULL;
}

static const char *audit_page(const ig_kv *kv, uint32_t g, uint32_t number, const tally *t) {
    const ig_kv_pool *pool = &kv->pools[g];
    const ig_kv_page *page = &pool->pages[number];
    const bool idle = page->users == 0 && page->pins == 0;
    MUST(page->users == t->users[number]);
    MUST(page->pins == t->pins[number]);
    MUST(t->free[number] == (idle && page->node == IG_KV_NONE));
    MUST((t->rank[number] > 0) == (idle && page->node != IG_KV_NONE));
    if (page->node == IG_KV_NONE)
        return NULL;
    MUST(page->node < kv->n_nodes_made);
    const ig_kv_node *node = &kv->nodes[page->node];
    MUST(node->parent != IG_KV_NONE && node->pages[g] == number);
    const ig_kv_node *parent = &kv->nodes[node->parent];
    if (!pool->whole || parent->parent == IG_KV_NONE || (page->users == 0 && page->pins > 0))
        return NULL;
    /* Nothing is given up before what follows it. */
    const uint32_t before = parent->pages[g];
    MUST(before != IG_KV_NONE);
    MUST(pool->pages[before].priority >= page->priority);
    MUST(t->rank[number] == 0 || t->rank[before] == 0 || t->rank[before] > t->rank[number]);
    return NULL;
}

static const char *audit_pool(const ig_kv *kv, uint32_t g, ig_kv_seq *const *seqs, uint32_t n) {
    static tally t;
    const ig_kv_pool *pool = &kv->pools[g];
    memset(&t, 0, sizeof t);
    MUST(pool->n_pages <= PAGES);
    count_users(kv, g, seqs, n, &t);
    const char *wrong = walk_lists(pool, &t);
    for (uint32_t i = 0; i < pool->n_pages && !wrong; i++)
        wrong = audit_page(kv, g, i, &t);
    return wrong;
}

static const char *audit_node(const ig_kv *kv, uint32_t number, const uint32_t *ends,
                              const bool *alive) {
    const ig_kv_node *node = &kv->nodes[number];
    bool needed = node->n_ends > 0 || node->first_child != IG_KV_NONE;
    for (uint32_t g = 0; g < IG_KV_POOLS; g++) {
        const uint32_t page = node->pages[g];
        needed = needed || page != IG_KV_NONE;
        MUST(page == IG_KV_NONE || kv->pools[g].pages[page].node == number);
        /* Without its page in a group without window the rest is of no use. */
        for (uint32_t whole = 0; whole < kv->n_groups; whole++)
            MUST(page == IG_KV_NONE || !kv->pools[whole].whole || node->pages[whole] != IG_KV_NONE);
    }
    MUST(needed);
    MUST(node->n_ends == ends[number]);
    uint32_t younger = IG_KV_NONE;
    for (uint32_t child = node->first_child; child != IG_KV_NONE; child = kv->nodes[child].elder) {
        MUST(alive[child] && kv->nodes[child].parent == number);
        MUST(kv->nodes[child].younger == younger);
        younger = child;
    }
    return NULL;
}

static const char *audit_nodes(const ig_kv *kv, ig_kv_seq *const *seqs, uint32_t n) {
    static uint32_t ends[NODES];
    static bool alive[NODES];
    uint32_t n_alive = 0, n_free = 0, n_roots = 0, n_children = 0;
    MUST(kv->n_nodes_made <= NODES);
    memset(ends, 0, sizeof ends);
    memset(alive, 0, sizeof alive);
    for (uint32_t s = 0; s < n; s++) {
        if (seqs[s] && seqs[s]->node != IG_KV_NONE)
            ends[seqs[s]->node]++;
    }
    for (uint32_t b = 0; b <= kv->bucket_mask; b++) {
        for (uint32_t at = kv->buckets[b]; at != IG_KV_NONE; at = kv->nodes[at].next) {
            MUST(!alive[at] && kv->nodes[at].bucket == b);
            alive[at] = true;
            n_alive++;
        }
    }
    for (uint32_t at = kv->free_node; at != IG_KV_NONE; at = kv->nodes[at].next)
        n_free++;
    MUST(n_alive + n_free == kv->n_nodes_made);
    for (uint32_t i = 0; i < kv->n_nodes_made; i++) {
        if (!alive[i])
            continue;
        const char *wrong = audit_node(kv, i, ends, alive);
        if (wrong)
            return wrong;
        n_roots += kv->nodes[i].parent == IG_KV_NONE;
        for (uint32_t c = kv->nodes[i].first_child; c != IG_KV_NONE; c = kv->nodes[c].elder)
            n_children++;
    }
    MUST(n_roots + n_children == n_alive);
    return NULL;
}

/* A table shows the pages of its chain. */
static const char *audit_seq(const ig_kv_seq *seq) {
    const ig_kv *kv = seq->kv;
    MUST(seq->n_chain <= seq->n_tokens / kv->page_tokens);
    MUST(seq->cached || seq->node == IG_KV_NONE);
    uint32_t node = seq->node;
    for (uint32_t at = seq->n_chain; at > 0; at--, node = kv->nodes[node].parent) {
        for (uint32_t g = 0; g < kv->n_groups; g++) {
            const uint32_t page = seq->tables[g].pages[at - 1];
            MUST(page == IG_KV_NONE || page == kv->nodes[node].pages[g]);
        }
    }
    MUST(node == IG_KV_NONE || kv->nodes[node].parent == IG_KV_NONE);
    for (uint32_t g = 0; g < kv->n_groups && !seq->cached; g++) {
        for (uint32_t i = seq->tables[g].n_gone; i < seq->tables[g].n; i++)
            MUST(kv->pools[g].pages[seq->tables[g].pages[i]].node == IG_KV_NONE);
    }
    return NULL;
}

const char *kv_audit(const ig_kv *kv, ig_kv_seq *const *seqs, uint32_t n) {
    const char *wrong = audit_nodes(kv, seqs, n);
    for (uint32_t g = 0; g < IG_KV_POOLS && !wrong; g++)
        wrong = audit_pool(kv, g, seqs, n);
    for (uint32_t s = 0; s < n && !wrong; s++)
        wrong = seqs[s] ? audit_seq(seqs[s]) : NULL;
    ig_kv_facts f;
    ig_kv_describe(kv, &f);
    uint32_t n_free = 0;
    for (uint32_t g = 0; g < kv->n_groups; g++)
        n_free += ig_kv_free_pages(kv, g);
    MUST(f.free + f.cached + f.used == f.n_pages && f.free + f.cached == n_free);
    return wrong;
}

uint32_t kv_audit_nodes(const ig_kv *kv) {
    uint32_t n = 0;
    for (uint32_t b = 0; b <= kv->bucket_mask; b++) {
        for (uint32_t at = kv->buckets[b]; at != IG_KV_NONE; at = kv->nodes[at].next)
            n++;
    }
    return n;
}
