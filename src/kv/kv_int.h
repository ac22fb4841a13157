/* kv_int.h: what the files of the kv room share: pages, nodes, sequences. Private to the room and
 * its tests.
 *
 * A page has users (entries of tables) and pins (copies yet to be made that read it), and perhaps a
 * node that knows its tokens. It is in exactly one role:
 *
 *     users or pins                   used
 *     neither, a node                 cached: in the list of its priority, oldest given up first
 *     neither, no node                free
 *
 * A node is one page-sized run of tokens after its parent's. Nodes without a parent are roots: one
 * per scope, whose digest stands in the place of tokens. A node goes when it has neither page nor
 * snapshot, child or sequence that ends in it.
 *
 * Whoever uses a page of a group without window uses those before it, with the same priority, and
 * lets go of the deepest first. Hence in such a group nothing is given up before what follows it.
 * Only a pin can keep a page longer than what it follows: when it goes, the page is forgotten, or
 * what it follows becomes younger again. */
#ifndef IG_KV_KV_INT_H
#define IG_KV_KV_INT_H

#include "kv/kv.h"

#define IG_KV_POOLS (IG_KV_SLOT_GROUP + 1u) /* the groups, then the slots of state */
#define IG_KV_LEVELS (IG_KV_PRIORITY_MAX + 1u)
#define IG_KV_SCOPE_BYTES 16u
#define IG_KV_NONE UINT32_MAX /* no page, no node */
/* Children of a node that match compares with the rest of the tokens, the youngest first. */
#define IG_KV_CHILDREN_TRIED 64u

typedef struct ig_kv_page {
    uint32_t users, pins;
    uint32_t node;
    uint32_t older, younger; /* while cached */
    uint32_t priority;
} ig_kv_page;

typedef struct ig_kv_level {
    uint32_t oldest, youngest;
} ig_kv_level;

typedef struct ig_kv_pool {
    uint32_t n_pages, n_free, n_cached;
    uint32_t window;
    bool whole;     /* a group without window: a match needs its pages from the first */
    uint32_t *free; /* [n_free] page numbers, last in first out: the last freed is warm */
    ig_kv_page *pages;
    ig_kv_level levels[IG_KV_LEVELS];
    uint64_t filled[(IG_KV_LEVELS + 63) / 64]; /* levels that are not empty */
} ig_kv_pool;

typedef struct ig_kv_node {
    uint32_t parent;                      /* IG_KV_NONE: a root */
    uint32_t first_child, elder, younger; /* siblings; first_child is the youngest */
    uint32_t bucket, next;                /* next in the bucket, or of the free nodes */
    uint32_t n_ends;                      /* sequences whose last whole page this is */
    uint32_t pages[IG_KV_POOLS];
} ig_kv_node;

struct ig_kv {
    uint32_t page_tokens, n_groups, snapshot_tokens;
    uint32_t n_seqs;
    bool cache;
    ig_kv_pool pools[IG_KV_POOLS];

    uint32_t n_nodes, n_nodes_made, free_node;
    uint32_t row_tokens; /* of a node in `tokens`: page_tokens, or what a scope takes */
    ig_kv_node *nodes;
    int32_t *tokens;   /* [n_nodes][row_tokens] */
    uint32_t *buckets; /* [bucket_mask + 1] first node */
    uint32_t bucket_mask;
    uint64_t seed;

    ig_kv_copy *copies;
    uint32_t n_copies, copies_cap;
    ig_kv_facts facts; /* the counters only */
};

typedef struct ig_kv_table {
    uint32_t *pages;
    uint32_t n, cap;
    uint32_t n_gone; /* entries at the front that were given back */
} ig_kv_table;

struct ig_kv_seq {
    ig_kv *kv;
    uint32_t n_tokens;
    uint32_t slot;
    uint32_t hint_pages;
    uint32_t node, n_chain; /* node of the last page in the chain, and how many pages that has */
    uint8_t scope[IG_KV_SCOPE_BYTES];
    uint8_t priority;
    bool cached;
    ig_kv_table tables[IG_KV_GROUPS_MAX];
    /* [page_tokens] tokens of page n_chain. A chain that could not be continued stays behind
     * n_tokens, with the page that was not had in here. */
    int32_t tail[];
};

/* First page that the token at position n sees. */
static inline uint32_t ig_kv_first_seen(const ig_kv *kv, uint32_t g, uint32_t n) {
    const uint32_t window = kv->pools[g].window;
    return window && n >= window ? (n + 1 - window) / kv->page_tokens : 0;
}

/* ---- kv.c ---- */

/* Room for n more copies. */
IG_MUST_USE ig_status ig_kv_copies_room(ig_kv *kv, uint32_t n, ig_err *err);
/* Pins `from`; there is room. */
void ig_kv_copy_add(ig_kv *kv, uint32_t g, uint32_t from, uint32_t to);

/* ---- kv_seq.c ---- */

/* Room for n entries in every table. */
IG_MUST_USE ig_status ig_kv_seq_room(ig_kv_seq *seq, uint32_t n, ig_err *err);

/* ---- kv_evict.c ---- */

/* A page with one user and no node; the caller knows that one is free or cached. */
uint32_t ig_kv_page_take(ig_kv *kv, uint32_t g);
/* One user more, one less. */
void ig_kv_page_use(ig_kv *kv, uint32_t g, uint32_t page, uint32_t priority);
void ig_kv_page_leave(ig_kv *kv, uint32_t g, uint32_t page);
void ig_kv_page_pin(ig_kv *kv, uint32_t g, uint32_t page);
void ig_kv_page_unpin(ig_kv *kv, uint32_t g, uint32_t page);
/* A page in use becomes the node's. */
void ig_kv_page_publish(ig_kv *kv, uint32_t g, uint32_t page, uint32_t node, uint32_t priority);
/* Takes a page from its node. */
void ig_kv_page_forget(ig_kv *kv, uint32_t g, uint32_t page);
/* The cached page to be given up first, or IG_KV_NONE. */
uint32_t ig_kv_page_oldest(const ig_kv *kv, uint32_t g);

/* ---- kv_prefix.c ---- */

/* [page_tokens], or the scope of a root. */
int32_t *ig_kv_node_tokens(const ig_kv *kv, uint32_t node);
/* Frees the node, and those before it, as far as nothing needs them. IG_KV_NONE is allowed. */
void ig_kv_node_prune(ig_kv *kv, uint32_t node);
/* The chain of the sequence ends in another node (or none). */
void ig_kv_seq_end_in(ig_kv_seq *seq, uint32_t node, uint32_t n_chain);
/* The tail became a whole page: it joins the chain, if a node can be had. */
void ig_kv_seq_publish(ig_kv_seq *seq);

#endif
