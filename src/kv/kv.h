/* kv.h: face of the kv room, floor 2: which page holds which tokens of which sequence, what can be
 * shared, and what is given up when room is short. Page numbers only; no memory of any device.
 *
 * A pool has groups (layers with equal windows share one page table) and, for models with recurrent
 * layers, slots of state. Pages are reference-counted: sequences that begin alike share pages, a
 * fork shares all of its parent's, and a page that somebody else may read is copied before it is
 * written. Pages that a finished sequence leaves behind stay known by their tokens until room is
 * needed: a later sequence with the same beginning takes them over (PagedAttention, Kwon et al.
 * 2023; automatic prefix caching as in vLLM).
 *
 * The chain. A full page is known by its own tokens, the chain of pages before it and the scope it
 * was made in; tokens are compared, hashes only find them, so no collision can ever give one client
 * another one's pages. Pages of a scope are never seen from another.
 *
 * Owned by the thread that runs steps; not thread-safe. Nothing here allocates after create but
 * tables of sequences, which may be given room in advance (ig_kv_seq_create). */
#ifndef IG_KV_KV_H
#define IG_KV_KV_H

#include "base/base.h"

#define IG_KV_GROUPS_MAX 4u
#define IG_KV_SLOT_GROUP IG_KV_GROUPS_MAX /* as `group` of a copy: slots of state, not pages */
#define IG_KV_PAGE_NONE UINT32_MAX
#define IG_KV_PRIORITY_MAX 100u
#define IG_KV_PRIORITY_DEFAULT 35u

typedef struct ig_kv_group {
    uint32_t n_pages;
    uint32_t window; /* tokens that stay visible; 0 = all */
} ig_kv_group;

typedef struct ig_kv_options {
    uint32_t page_tokens;
    const ig_kv_group *groups; /* [n_groups] */
    uint32_t n_groups;
    uint32_t n_slots;         /* of recurrent state: live ones and snapshots; 0 = no such state */
    uint32_t snapshot_tokens; /* distance of snapshots, a multiple of page_tokens; 0 = never */
    bool cache;               /* keep pages of finished sequences for later ones */
} ig_kv_options;

typedef struct ig_kv ig_kv;         /* the pages of one pool */
typedef struct ig_kv_seq ig_kv_seq; /* one sequence's tables */

IG_MUST_USE ig_status ig_kv_create(ig_kv **out, const ig_kv_options *options, ig_err *err);
/* Every sequence must have been destroyed. */
void ig_kv_destroy(ig_kv **kv);

/* Pages that nobody uses: never used ones, and cached ones that would be given up for a new use. */
uint32_t ig_kv_free_pages(const ig_kv *kv, uint32_t group);
uint32_t ig_kv_free_slots(const ig_kv *kv);
/* Pages that a sequence of n_tokens needs in a group, when a step has at most step_tokens: windows
 * give pages back, but while a step runs its whole span must be there. */
uint32_t ig_kv_pages_needed(uint32_t page_tokens, uint32_t window, uint32_t n_tokens,
                            uint32_t step_tokens);

/* Names and meaning of TensorRT-LLM's kvCacheStats, over all groups. */
typedef struct ig_kv_facts {
    uint32_t n_pages, used, cached, free; /* free + cached + used = n_pages */
    uint64_t alloc_total;                 /* pages given to sequences, shared ones included */
    uint64_t alloc_new;                   /* of these, fresh ones */
    uint64_t reused;                      /* whole pages found in the cache by match */
    uint64_t missed;                      /* whole pages that match looked for in vain */
    uint64_t evicted;
} ig_kv_facts;
void ig_kv_describe(const ig_kv *kv, ig_kv_facts *facts);
/* Forgets every cached page that no sequence uses. */
void ig_kv_forget(ig_kv *kv);

/* ---- sequences ------------------------------------------------------------------------------- */

typedef struct ig_kv_seq_options {
    uint8_t scope[16];    /* digest of model, adapter and the caller's salt */
    uint32_t tokens_hint; /* tables get room for so many at once; 0 = they grow */
    uint8_t priority;     /* 0..100: cached pages of lower priority are given up first */
    bool uncached;        /* neither takes from the cache nor leaves anything there */
} ig_kv_seq_options;

/* options NULL = uncached. IG_EBUSY when the pool has slots and none is free. */
IG_MUST_USE ig_status ig_kv_seq_create(ig_kv_seq **out, ig_kv *kv, const ig_kv_seq_options *options,
                                       ig_err *err);
/* Gives every page back (cached ones stay known). */
void ig_kv_seq_destroy(ig_kv_seq **seq);
/* The same tokens, all pages shared; what either writes next is copied first. With slots the state
 * is copied too. */
IG_MUST_USE ig_status ig_kv_seq_fork(ig_kv_seq **out, const ig_kv_seq *seq, ig_err *err);
uint32_t ig_kv_seq_tokens(const ig_kv_seq *seq);
uint32_t ig_kv_seq_slot(const ig_kv_seq *seq);

/* What a match would bring, changing nothing: tokens, and per group how many of its whole pages
 * other sequences use at this moment (they cost nothing; the others count as free until then, and a
 * part of a page costs one, for its copy). A sequence that is then given n tokens takes
 * ceil(n / page_tokens) - in_use of the free pages at most. */
uint32_t ig_kv_probe(const ig_kv *kv, const ig_kv_seq_options *options, const int32_t *ids,
                     uint32_t n, uint32_t in_use[IG_KV_GROUPS_MAX]);
/* Takes over the longest cached beginning of ids, at most n tokens: whole pages, then the part of a
 * page whose tokens agree (it is copied before it is written to; only the youngest of very many
 * continuations are tried). Every group must still have what the next token sees; with slots a
 * match ends at a snapshot. The sequence must be empty: others match nothing. Returns the tokens
 * matched: they count as committed. */
uint32_t ig_kv_seq_match(ig_kv_seq *seq, const int32_t *ids, uint32_t n);

/* Fresh pages that reserve would take per group, copies before writing included. A cached page that
 * this sequence alone uses is not copied but forgotten by the cache when no page is left for the
 * copy: what fits a pool without cache fits it with one. */
void ig_kv_seq_need(const ig_kv_seq *seq, uint32_t n_more, uint32_t need[IG_KV_GROUPS_MAX]);
/* Makes room for n_more tokens: pages for positions [tokens, tokens + n_more) in every group, none
 * of which anybody else may read. IG_EBUSY when a group has too few free pages: nothing changes
 * then. The tokens count as soon as commit says the step ran. */
IG_MUST_USE ig_status ig_kv_seq_reserve(ig_kv_seq *seq, uint32_t n_more, ig_err *err);
/* ids [n] were written; full pages become known to the cache (a page that is known already is
 * shared instead), pages that fell out of their window are given back. Never fails. */
void ig_kv_seq_commit(ig_kv_seq *seq, const int32_t *ids, uint32_t n);
/* Tokens until the next snapshot of state should be taken: a step of this sequence must not cross
 * it. UINT32_MAX without snapshots. */
uint32_t ig_kv_seq_boundary(const ig_kv_seq *seq);
/* Keeps the first n tokens, and no pages reserved beyond them. False when a window has already
 * given back what the shorter sequence would see, or state cannot go back so far: nothing changes
 * then and the caller starts anew. n = 0 always works. State goes back only to a snapshot that is
 * still there (a copy to the sequence's slot); with n = the present tokens it is left alone, so
 * that after a failed step the caller has to know whether the step touched it. */
IG_MUST_USE bool ig_kv_seq_truncate(ig_kv_seq *seq, uint32_t n);
/* The page table of a group: entry p covers tokens [p * page_tokens, …);
 * IG_KV_PAGE_NONE where given back. */
const uint32_t *ig_kv_seq_table(const ig_kv_seq *seq, uint32_t group, uint32_t *n_entries);

/* ---- copies ---------------------------------------------------------------------------------- */

typedef struct ig_kv_copy {
    uint32_t group; /* or IG_KV_SLOT_GROUP */
    uint32_t from, to;
} ig_kv_copy;

/* Copies to be made, in this order, before the next step runs. Their sources stay as they are until
 * ig_kv_copies_done. */
const ig_kv_copy *ig_kv_copies(const ig_kv *kv, uint32_t *n);
void ig_kv_copies_done(ig_kv *kv);

#endif
