/* kv.h: face of the kv room, floor 2: which page holds which tokens of which sequence. Page numbers
 * only; no memory of any device. A pool has groups (layers with equal windows share one page
 * table); a page is reference-counted, so that later several sequences may share it. Owned by the
 * thread that runs steps; not thread-safe. */
#ifndef IG_KV_KV_H
#define IG_KV_KV_H

#include "base/base.h"

#define IG_KV_GROUPS_MAX 4u
#define IG_KV_PAGE_NONE UINT32_MAX

typedef struct ig_kv_group {
    uint32_t n_pages;
    uint32_t window; /* tokens that stay visible; 0 = all */
} ig_kv_group;

typedef struct ig_kv ig_kv;         /* the pages of one pool */
typedef struct ig_kv_seq ig_kv_seq; /* one sequence's tables */

IG_MUST_USE ig_status ig_kv_create(ig_kv **out, uint32_t page_tokens, const ig_kv_group *groups,
                                   uint32_t n_groups, ig_err *err);
/* Every sequence must have been destroyed. */
void ig_kv_destroy(ig_kv **kv);
uint32_t ig_kv_free_pages(const ig_kv *kv, uint32_t group);
/* Pages that a sequence of n_tokens needs in a group, when a step has at most step_tokens: windows
 * give pages back, but while a step runs its whole span must be there. */
uint32_t ig_kv_pages_needed(uint32_t page_tokens, uint32_t window, uint32_t n_tokens,
                            uint32_t step_tokens);

IG_MUST_USE ig_status ig_kv_seq_create(ig_kv_seq **out, ig_kv *kv, ig_err *err);
/* Gives every page back. */
void ig_kv_seq_destroy(ig_kv_seq **seq);
uint32_t ig_kv_seq_tokens(const ig_kv_seq *seq);
/* Makes room for n_more tokens: pages for positions [tokens, tokens + n_more) in every group.
 * IG_EBUSY when a group has too few free pages: nothing changes then. The tokens count as soon as
 * ig_kv_seq_commit says the step ran. */
IG_MUST_USE ig_status ig_kv_seq_reserve(ig_kv_seq *seq, uint32_t n_more, ig_err *err);
/* n tokens were written; pages that fell out of their window are given back. */
void ig_kv_seq_commit(ig_kv_seq *seq, uint32_t n);
/* Keeps the first n tokens. False when a window has already given back what the shorter sequence
 * would see: the caller starts anew then. */
IG_MUST_USE bool ig_kv_seq_truncate(ig_kv_seq *seq, uint32_t n);
/* The page table of a group: entry p covers tokens [p * page_tokens, …);
 * IG_KV_PAGE_NONE where given back. */
const uint32_t *ig_kv_seq_table(const ig_kv_seq *seq, uint32_t group, uint32_t *n_entries);

#endif
