/* kv_prefix.c: the chains of whole pages that are known by their tokens: finding them, taking them
 * over, adding to them. Hashes only find a node; its parent and its tokens are compared. */
#include "kv/kv_int.h"

#include <assert.h>
#include <xxhash.h>

/* ---- nodes ----------------------------------------------------------------------------------- */

int32_t *ig_kv_node_tokens(const ig_kv *kv, uint32_t node) {
    return kv->tokens + (size_t)node * kv->row_tokens;
}

/* What a child of `parent` is known by: tokens, or the scope of a root. */
static size_t key_bytes(const ig_kv *kv, uint32_t parent) {
    return parent == IG_KV_NONE ? IG_KV_SCOPE_BYTES : kv->page_tokens * sizeof(int32_t);
}

static uint32_t bucket_of(const ig_kv *kv, uint32_t parent, const void *key) {
    const uint64_t seed = kv->seed + parent * 0x9E3779B97F4A7C15u;
    return (uint32_t)XXH3_64bits_withSeed(key, key_bytes(kv, parent), seed) & kv->bucket_mask;
}

static uint32_t find_child(const ig_kv *kv, uint32_t parent, const void *key) {
    const size_t bytes = key_bytes(kv, parent);
    uint32_t node = kv->buckets[bucket_of(kv, parent, key)];
    while (node != IG_KV_NONE && (kv->nodes[node].parent != parent ||
                                  memcmp(ig_kv_node_tokens(kv, node), key, bytes) != 0))
        node = kv->nodes[node].next;
    return node;
}

/* IG_KV_NONE when all nodes are taken. */
static uint32_t make_child(ig_kv *kv, uint32_t parent, const void *key) {
    uint32_t number = kv->free_node;
    if (number != IG_KV_NONE)
        kv->free_node = kv->nodes[number].next;
    else if (kv->n_nodes_made < kv->n_nodes)
        number = kv->n_nodes_made++;
    else
        return IG_KV_NONE;
    ig_kv_node *node = &kv->nodes[number];
    *node = (ig_kv_node){.parent = parent,
                         .first_child = IG_KV_NONE,
                         .elder = IG_KV_NONE,
                         .younger = IG_KV_NONE,
                         .bucket = bucket_of(kv, parent, key)};
    for (uint32_t g = 0; g < IG_KV_POOLS; g++)
        node->pages[g] = IG_KV_NONE;
    memcpy(ig_kv_node_tokens(kv, number), key, key_bytes(kv, parent));
    node->next = kv->buckets[node->bucket];
    kv->buckets[node->bucket] = number;
    if (parent != IG_KV_NONE) {
        node->elder = kv->nodes[parent].first_child;
        kv->nodes[parent].first_child = number;
        if (node->elder != IG_KV_NONE)
            kv->nodes[node->elder].younger = number;
    }
    return number;
}

static void free_node(ig_kv *kv, uint32_t number) {
    ig_kv_node *node = &kv->nodes[number];
    uint32_t *link = &kv->buckets[node->bucket];
    while (*link != number)
        link = &kv->nodes[*link].next;
    *link = node->next;
    if (node->elder != IG_KV_NONE)
        kv->nodes[node->elder].younger = node->younger;
    if (node->younger != IG_KV_NONE)
        kv->nodes[node->younger].elder = node->elder;
    else if (node->parent != IG_KV_NONE)
        kv->nodes[node->parent].first_child = node->elder;
    node->next = kv->free_node;
    kv->free_node = number;
}

static bool is_needed(const ig_kv_node *node) {
    bool needed = node->n_ends > 0 || node->first_child != IG_KV_NONE;
    for (uint32_t g = 0; g < IG_KV_POOLS; g++)
        needed = needed || node->pages[g] != IG_KV_NONE;
    return needed;
}

void ig_kv_node_prune(ig_kv *kv, uint32_t node) {
    while (node != IG_KV_NONE && !is_needed(&kv->nodes[node])) {
        const uint32_t parent = kv->nodes[node].parent;
        free_node(kv, node);
        node = parent;
    }
}

void ig_kv_seq_end_in(ig_kv_seq *seq, uint32_t node, uint32_t n_chain) {
    ig_kv *kv = seq->kv;
    const uint32_t old = seq->node;
    if (node != IG_KV_NONE)
        kv->nodes[node].n_ends++;
    seq->node = node;
    seq->n_chain = n_chain;
    if (old != IG_KV_NONE) {
        kv->nodes[old].n_ends--;
        ig_kv_node_prune(kv, old);
    }
}

/* ---- publish --------------------------------------------------------------------------------- */

void ig_kv_seq_publish(ig_kv_seq *seq) {
    ig_kv *kv = seq->kv;
    uint32_t parent = seq->node;
    if (parent == IG_KV_NONE)
        parent = find_child(kv, IG_KV_NONE, seq->scope);
    if (parent == IG_KV_NONE)
        parent = make_child(kv, IG_KV_NONE, seq->scope);
    if (parent == IG_KV_NONE)
        return;
    uint32_t node = find_child(kv, parent, seq->tail);
    if (node == IG_KV_NONE)
        node = make_child(kv, parent, seq->tail);
    if (node == IG_KV_NONE) {
        ig_kv_node_prune(kv, parent);
        return;
    }
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        uint32_t *entry = &seq->tables[g].pages[seq->n_chain];
        const uint32_t known = kv->nodes[node].pages[g];
        if (known == IG_KV_NONE) {
            ig_kv_page_publish(kv, g, *entry, node, seq->priority);
        } else {
            ig_kv_page_use(kv, g, known, seq->priority);
            ig_kv_page_leave(kv, g, *entry);
            *entry = known;
        }
    }
    ig_kv_seq_end_in(seq, node, seq->n_chain + 1);
}

/* ---- match ----------------------------------------------------------------------------------- */

/* A beginning that can be taken over. */
typedef struct found {
    uint32_t n_tokens, n_whole; /* pages */
    uint32_t node;              /* of the last whole page, or the root */
    uint32_t part;              /* node whose page has the rest, or IG_KV_NONE */
} found;

/* Pages of the last nodes of a chain that are there without a gap, per group. */
typedef struct runs {
    uint32_t n[IG_KV_GROUPS_MAX];
} runs;

static runs run_on(const ig_kv *kv, const runs *before, uint32_t node) {
    runs run = {{0}};
    for (uint32_t g = 0; g < kv->n_groups; g++)
        run.n[g] = kv->nodes[node].pages[g] == IG_KV_NONE ? 0 : before->n[g] + 1;
    return run;
}

/* Does every group have what the token at position n sees, the last of n_pages included? */
static bool sees_all(const ig_kv *kv, const runs *run, uint32_t n_pages, uint32_t n) {
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        if (run->n[g] < n_pages - ig_kv_first_seen(kv, g, n))
            return false;
    }
    return true;
}

static uint32_t common(const int32_t *a, const int32_t *b, uint32_t n) {
    uint32_t i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

/* The child that has most of the n tokens after `depth` pages; a whole page there is none. */
static void find_part(const ig_kv *kv, uint32_t node, uint32_t depth, const runs *run,
                      const int32_t *ids, uint32_t n, found *best) {
    uint32_t most = 0, child = kv->nodes[node].first_child;
    for (uint32_t i = 0; i < IG_KV_CHILDREN_TRIED && child != IG_KV_NONE; i++) {
        const uint32_t same = common(ig_kv_node_tokens(kv, child), ids, IG_MIN(n, kv->page_tokens));
        const uint32_t n_tokens = depth * kv->page_tokens + same;
        const runs with = run_on(kv, run, child);
        if (same > most && sees_all(kv, &with, depth + 1, n_tokens)) {
            most = same;
            *best = (found){.n_tokens = n_tokens, .n_whole = depth, .node = node, .part = child};
        }
        child = kv->nodes[child].elder;
    }
}

static found find(const ig_kv *kv, const uint8_t *scope, const int32_t *ids, uint32_t n) {
    found best = {.node = IG_KV_NONE, .part = IG_KV_NONE};
    uint32_t node = find_child(kv, IG_KV_NONE, scope), depth = 0;
    if (node == IG_KV_NONE)
        return best;
    const bool slots = kv->pools[IG_KV_SLOT_GROUP].n_pages > 0;
    runs run = {{0}};
    while (depth < n / kv->page_tokens) {
        const uint32_t child = find_child(kv, node, ids + (size_t)depth * kv->page_tokens);
        if (child == IG_KV_NONE)
            break;
        node = child;
        depth++;
        run = run_on(kv, &run, node);
        const uint32_t at = depth * kv->page_tokens;
        if (sees_all(kv, &run, depth, at) &&
            (!slots || kv->nodes[node].pages[IG_KV_SLOT_GROUP] != IG_KV_NONE))
            best = (found){.n_tokens = at, .n_whole = depth, .node = node, .part = IG_KV_NONE};
    }
    if (!slots)
        find_part(kv, node, depth, &run, ids + (size_t)depth * kv->page_tokens,
                  n - depth * kv->page_tokens, &best);
    return best;
}

uint32_t ig_kv_probe(const ig_kv *kv, const ig_kv_seq_options *options, const int32_t *ids,
                     uint32_t n, uint32_t in_use[IG_KV_GROUPS_MAX]) {
    memset(in_use, 0, IG_KV_GROUPS_MAX * sizeof *in_use);
    if (!options || options->uncached || !kv->cache)
        return 0;
    const found f = find(kv, options->scope, ids, n);
    uint32_t node = f.node;
    for (uint32_t at = f.n_whole; at > 0; at--, node = kv->nodes[node].parent) {
        for (uint32_t g = 0; g < kv->n_groups; g++) {
            if (at - 1 < ig_kv_first_seen(kv, g, f.n_tokens))
                continue;
            const ig_kv_page *page = &kv->pools[g].pages[kv->nodes[node].pages[g]];
            in_use[g] += page->users > 0 || page->pins > 0;
        }
    }
    return f.n_tokens;
}

/* Entry `at` of every table becomes the node's page, or nothing where the next token does not see
 * it. */
static void take_over(ig_kv_seq *seq, const found *f, uint32_t at, uint32_t node) {
    ig_kv *kv = seq->kv;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        ig_kv_table *t = &seq->tables[g];
        const bool seen = at >= ig_kv_first_seen(kv, g, f->n_tokens);
        t->pages[at] = seen ? kv->nodes[node].pages[g] : IG_KV_NONE;
        if (!seen) {
            t->n_gone = IG_MAX(t->n_gone, at + 1);
            continue;
        }
        ig_kv_page_use(kv, g, t->pages[at], seq->priority);
        kv->facts.alloc_total++;
        kv->facts.reused += at < f->n_whole;
    }
}

/* Of n tokens these were found. */
static void take_all(ig_kv_seq *seq, const found *f, const int32_t *ids) {
    ig_kv *kv = seq->kv;
    const uint32_t n_pages = f->n_whole + (f->part != IG_KV_NONE);
    for (uint32_t g = 0; g < kv->n_groups; g++)
        seq->tables[g].n = n_pages;
    if (f->part != IG_KV_NONE)
        take_over(seq, f, f->n_whole, f->part);
    uint32_t node = f->node;
    for (uint32_t at = f->n_whole; at > 0; at--, node = kv->nodes[node].parent)
        take_over(seq, f, at - 1, node);
    const uint32_t whole = f->n_whole * kv->page_tokens;
    memcpy(seq->tail, ids + whole, (f->n_tokens - whole) * sizeof *ids);
    ig_kv_seq_end_in(seq, f->node, f->n_whole);
    seq->n_tokens = f->n_tokens;
    if (seq->slot != IG_KV_NONE) {
        const uint32_t snapshot = kv->nodes[f->node].pages[IG_KV_SLOT_GROUP];
        ig_kv_page_use(kv, IG_KV_SLOT_GROUP, snapshot, seq->priority);
        ig_kv_copy_add(kv, IG_KV_SLOT_GROUP, snapshot, seq->slot);
        ig_kv_page_leave(kv, IG_KV_SLOT_GROUP, snapshot);
    }
}

uint32_t ig_kv_seq_match(ig_kv_seq *seq, const int32_t *ids, uint32_t n) {
    ig_kv *kv = seq->kv;
    if (!seq->cached || seq->n_tokens > 0 || !ig_kv_seq_truncate(seq, 0))
        return 0;
    found f = find(kv, seq->scope, ids, n);
    /* Without memory for tables there is nothing to take over. */
    if (f.n_tokens > 0 && (ig_kv_copies_room(kv, 1, NULL) ||
                           ig_kv_seq_room(seq, f.n_whole + (f.part != IG_KV_NONE), NULL)))
        f = (found){.part = IG_KV_NONE};
    kv->facts.missed += (uint64_t)(n / kv->page_tokens - f.n_whole) * kv->n_groups;
    if (f.n_tokens > 0)
        take_all(seq, &f, ids);
    return f.n_tokens;
}
