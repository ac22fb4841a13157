/* kv_seq.c: the tables of sequences: room before a step, tokens after it, forks, ways back. */
#include "kv/kv_int.h"

#include <assert.h>

/* ---- tables ---------------------------------------------------------------------------------- */

ig_status ig_kv_seq_room(ig_kv_seq *seq, uint32_t n, ig_err *err) {
    for (uint32_t g = 0; g < seq->kv->n_groups; g++) {
        ig_kv_table *t = &seq->tables[g];
        if (n <= t->cap)
            continue;
        const uint32_t cap = IG_MAX(n, t->cap * 2);
        uint32_t *pages = ig_realloc(t->pages, cap, sizeof *pages);
        if (!pages)
            return ig_fail_memory(err, cap * sizeof *pages);
        t->pages = pages;
        t->cap = cap;
    }
    return IG_OK;
}

/* Gives back what comes after the first `keep` pages, the deepest first. */
static void cut_tables(ig_kv_seq *seq, uint32_t keep) {
    for (uint32_t g = 0; g < seq->kv->n_groups; g++) {
        ig_kv_table *t = &seq->tables[g];
        while (t->n > keep) {
            const uint32_t page = t->pages[--t->n];
            if (page != IG_KV_NONE)
                ig_kv_page_leave(seq->kv, g, page);
        }
        t->n_gone = IG_MIN(t->n_gone, t->n);
    }
}

/* Pages which the next token does not see any more go. */
static void slide_windows(ig_kv_seq *seq) {
    for (uint32_t g = 0; g < seq->kv->n_groups; g++) {
        ig_kv_table *t = &seq->tables[g];
        const uint32_t first = ig_kv_first_seen(seq->kv, g, seq->n_tokens);
        for (; t->n_gone < first && t->n_gone < t->n; t->n_gone++) {
            ig_kv_page_leave(seq->kv, g, t->pages[t->n_gone]);
            t->pages[t->n_gone] = IG_KV_NONE;
        }
    }
}

/* ---- birth and death ------------------------------------------------------------------------- */

static uint32_t pages_of(const ig_kv *kv, uint32_t n_tokens) {
    return n_tokens / kv->page_tokens + (n_tokens % kv->page_tokens != 0);
}

/* A sequence with its tables and slot, before it counts anywhere. */
static ig_status make_seq(ig_kv_seq **out, ig_kv *kv, uint32_t n_pages, uint32_t n_copies,
                          ig_err *err) {
    const ig_kv_pool *slots = &kv->pools[IG_KV_SLOT_GROUP];
    if (slots->n_pages > 0 && ig_kv_free_slots(kv) == 0)
        return ig_fail(err, IG_EBUSY,
                       "all %u slots of state are taken; end a sequence first, "
                       "or give the pool more slots",
                       slots->n_pages);
    /* Copies of one step: a page per group, a snapshot, and a state taken over. */
    IG_TRY(ig_kv_copies_room(kv, n_copies + (kv->n_seqs + 1) * (kv->n_groups + 2), err));
    const size_t bytes = sizeof(ig_kv_seq) + kv->page_tokens * sizeof(int32_t);
    ig_kv_seq *seq = ig_alloc(1, bytes);
    if (!seq)
        return ig_fail_memory(err, bytes);
    seq->kv = kv;
    seq->slot = seq->node = IG_KV_NONE;
    seq->hint_pages = n_pages;
    const ig_status status = ig_kv_seq_room(seq, n_pages, err);
    if (slots->n_pages > 0 && !status)
        seq->slot = ig_kv_page_take(kv, IG_KV_SLOT_GROUP);
    kv->n_seqs++;
    *out = seq;
    if (status)
        ig_kv_seq_destroy(out);
    return status;
}

ig_status ig_kv_seq_create(ig_kv_seq **out, ig_kv *kv, const ig_kv_seq_options *options,
                           ig_err *err) {
    const ig_kv_seq_options o = options ? *options : (ig_kv_seq_options){.uncached = true};
    if (o.priority > IG_KV_PRIORITY_MAX)
        return ig_fail(err, IG_EARGUMENT, "cache priority %u; it goes from 0 to %u", o.priority,
                       IG_KV_PRIORITY_MAX);
    if (o.tokens_hint > IG_CONTEXT_MAX)
        return ig_fail(err, IG_ELIMIT, "room for %u tokens of one sequence; the most is %u",
                       o.tokens_hint, IG_CONTEXT_MAX);
    IG_TRY(make_seq(out, kv, pages_of(kv, o.tokens_hint), 0, err));
    (*out)->cached = kv->cache && !o.uncached;
    (*out)->priority = o.priority;
    memcpy((*out)->scope, o.scope, sizeof o.scope);
    return IG_OK;
}

void ig_kv_seq_destroy(ig_kv_seq **seq) {
    if (!seq || !*seq)
        return;
    ig_kv_seq *s = *seq;
    cut_tables(s, 0);
    ig_kv_seq_end_in(s, IG_KV_NONE, 0);
    if (s->slot != IG_KV_NONE)
        ig_kv_page_leave(s->kv, IG_KV_SLOT_GROUP, s->slot);
    for (uint32_t g = 0; g < s->kv->n_groups; g++)
        ig_free(s->tables[g].pages);
    s->kv->n_seqs--;
    ig_free(s);
    *seq = NULL;
}

ig_status ig_kv_seq_fork(ig_kv_seq **out, const ig_kv_seq *seq, ig_err *err) {
    ig_kv *kv = seq->kv;
    const uint32_t n_pages = pages_of(kv, seq->n_tokens);
    IG_TRY(make_seq(out, kv, IG_MAX(n_pages, seq->hint_pages), 1, err));
    ig_kv_seq *child = *out;
    child->n_tokens = seq->n_tokens;
    child->priority = seq->priority;
    child->cached = seq->cached;
    memcpy(child->scope, seq->scope, sizeof seq->scope);
    memcpy(child->tail, seq->tail, kv->page_tokens * sizeof *seq->tail);
    ig_kv_seq_end_in(child, seq->node, seq->n_chain);
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        const ig_kv_table *from = &seq->tables[g];
        ig_kv_table *to = &child->tables[g];
        to->n = n_pages;
        to->n_gone = from->n_gone;
        for (uint32_t i = 0; i < n_pages; i++) {
            to->pages[i] = from->pages[i];
            if (to->pages[i] == IG_KV_NONE)
                continue;
            ig_kv_page_use(kv, g, to->pages[i], seq->priority);
            kv->facts.alloc_total++;
        }
    }
    if (seq->slot != IG_KV_NONE && seq->n_tokens > 0)
        ig_kv_copy_add(kv, IG_KV_SLOT_GROUP, seq->slot, child->slot);
    return IG_OK;
}

uint32_t ig_kv_seq_tokens(const ig_kv_seq *seq) {
    return seq->n_tokens;
}

uint32_t ig_kv_seq_slot(const ig_kv_seq *seq) {
    return seq->slot;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* What n_more tokens take of a group. */
typedef struct want {
    uint32_t more;   /* pages after those of the table */
    uint32_t shared; /* the page they begin in, when it must be copied; else IG_KV_NONE */
    bool keeps;      /* no copy: the cache has to leave the shared page to this sequence */
} want;

static want wanted(const ig_kv_seq *seq, uint32_t g, uint32_t n_more) {
    const ig_kv *kv = seq->kv;
    const ig_kv_pool *pool = &kv->pools[g];
    const ig_kv_table *t = &seq->tables[g];
    const uint32_t n_pages = n_more ? pages_of(kv, seq->n_tokens + n_more) : 0;
    want w = {.more = n_pages > t->n ? n_pages - t->n : 0, .shared = IG_KV_NONE};
    if (n_more == 0 || seq->n_tokens % kv->page_tokens == 0)
        return w;
    const uint32_t number = t->pages[seq->n_tokens / kv->page_tokens];
    const ig_kv_page *page = &pool->pages[number];
    if (page->users > 1 || page->node != IG_KV_NONE)
        w.shared = number;
    /* When the last free page is taken, nothing that follows this one is cached any more: it may
     * be forgotten itself. A sequence that is alone thus never needs more than its own pages. */
    w.keeps = page->users == 1 && pool->n_free + pool->n_cached <= w.more;
    return w;
}

void ig_kv_seq_need(const ig_kv_seq *seq, uint32_t n_more, uint32_t need[IG_KV_GROUPS_MAX]) {
    memset(need, 0, IG_KV_GROUPS_MAX * sizeof *need);
    for (uint32_t g = 0; g < seq->kv->n_groups; g++) {
        const want w = wanted(seq, g, n_more);
        need[g] = w.more + (w.shared != IG_KV_NONE && !w.keeps);
    }
}

static uint32_t fresh_page(ig_kv *kv, uint32_t g) {
    kv->facts.alloc_total++;
    kv->facts.alloc_new++;
    return ig_kv_page_take(kv, g);
}

static void take_pages(ig_kv_seq *seq, uint32_t g, uint32_t n_more) {
    ig_kv *kv = seq->kv;
    ig_kv_table *t = &seq->tables[g];
    const want w = wanted(seq, g, n_more);
    for (uint32_t i = 0; i < w.more; i++)
        t->pages[t->n++] = fresh_page(kv, g);
    if (w.shared == IG_KV_NONE)
        return;
    if (w.keeps) {
        ig_kv_page_forget(kv, g, w.shared);
        return;
    }
    uint32_t *entry = &t->pages[seq->n_tokens / kv->page_tokens];
    *entry = fresh_page(kv, g);
    ig_kv_copy_add(kv, g, w.shared, *entry);
    ig_kv_page_leave(kv, g, w.shared);
}

ig_status ig_kv_seq_reserve(ig_kv_seq *seq, uint32_t n_more, ig_err *err) {
    ig_kv *kv = seq->kv;
    if (n_more > IG_CONTEXT_MAX || seq->n_tokens > IG_CONTEXT_MAX - n_more)
        return ig_fail(err, IG_ELIMIT,
                       "sequence of %u + %u tokens; the most is %u, shorten it or start anew",
                       seq->n_tokens, n_more, IG_CONTEXT_MAX);
    uint32_t need[IG_KV_GROUPS_MAX];
    ig_kv_seq_need(seq, n_more, need);
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        const uint32_t n_free = ig_kv_free_pages(kv, g);
        if (need[g] > n_free)
            return ig_fail(err, IG_EBUSY,
                           "no free pages: group %u needs %u more and has %u; "
                           "a larger context (-c) or fewer sequences would help",
                           g, need[g], n_free);
    }
    IG_TRY(ig_kv_seq_room(seq, pages_of(kv, seq->n_tokens + n_more), err));
    IG_TRY(ig_kv_copies_room(kv, kv->n_groups, err));
    for (uint32_t g = 0; g < kv->n_groups; g++)
        take_pages(seq, g, n_more);
    return IG_OK;
}

static bool takes_snapshots(const ig_kv_seq *seq) {
    return seq->cached && seq->slot != IG_KV_NONE && seq->kv->snapshot_tokens > 0;
}

/* The live state is that of the chain's last page: its node keeps a copy. */
static void take_snapshot(ig_kv_seq *seq) {
    ig_kv *kv = seq->kv;
    const ig_kv_pool *slots = &kv->pools[IG_KV_SLOT_GROUP];
    uint32_t slot = kv->nodes[seq->node].pages[IG_KV_SLOT_GROUP];
    if (slot != IG_KV_NONE) {
        ig_kv_page_use(kv, IG_KV_SLOT_GROUP, slot, seq->priority);
    } else {
        const uint32_t oldest = ig_kv_page_oldest(kv, IG_KV_SLOT_GROUP);
        const bool room = slots->n_free > 0 ||
                          (oldest != IG_KV_NONE && slots->pages[oldest].priority <= seq->priority);
        if (!room || ig_kv_copies_room(kv, 1, NULL))
            return;
        slot = ig_kv_page_take(kv, IG_KV_SLOT_GROUP);
        ig_kv_page_publish(kv, IG_KV_SLOT_GROUP, slot, seq->node, seq->priority);
        ig_kv_copy_add(kv, IG_KV_SLOT_GROUP, seq->slot, slot);
    }
    ig_kv_page_leave(kv, IG_KV_SLOT_GROUP, slot);
}

/* Adds tokens to the chain as far as it goes. */
static void join_chain(ig_kv_seq *seq, const int32_t *ids, uint32_t n) {
    const uint32_t page_tokens = seq->kv->page_tokens;
    for (uint32_t at = 0; at < n;) {
        const uint32_t in = seq->n_tokens % page_tokens, m = IG_MIN(page_tokens - in, n - at);
        const bool joined = seq->n_tokens / page_tokens == seq->n_chain;
        if (joined)
            memcpy(seq->tail + in, ids + at, m * sizeof *ids);
        at += m;
        seq->n_tokens += m;
        if (joined && seq->n_tokens % page_tokens == 0)
            ig_kv_seq_publish(seq);
    }
}

void ig_kv_seq_commit(ig_kv_seq *seq, const int32_t *ids, uint32_t n) {
    const ig_kv *kv = seq->kv;
    for (uint32_t g = 0; g < kv->n_groups; g++)
        assert(pages_of(kv, seq->n_tokens + n) <= seq->tables[g].n);
    if (seq->cached)
        join_chain(seq, ids, n);
    else
        seq->n_tokens += n;
    if (n > 0 && takes_snapshots(seq) && seq->n_tokens % kv->snapshot_tokens == 0 &&
        seq->n_chain == seq->n_tokens / kv->page_tokens)
        take_snapshot(seq);
    slide_windows(seq);
}

uint32_t ig_kv_seq_boundary(const ig_kv_seq *seq) {
    const uint32_t every = seq->kv->snapshot_tokens;
    return takes_snapshots(seq) ? every - seq->n_tokens % every : UINT32_MAX;
}

/* ---- ways back ------------------------------------------------------------------------------- */

/* Can the pages and the state of the first n tokens still be had? */
static bool reaches_back(const ig_kv_seq *seq, uint32_t n, uint32_t node) {
    ig_kv *kv = seq->kv;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        const uint32_t n_gone = IG_MIN(seq->tables[g].n_gone, pages_of(kv, n));
        if (n < seq->n_tokens && n_gone > ig_kv_first_seen(kv, g, n))
            return false;
    }
    if (seq->slot == IG_KV_NONE || n == 0 || n == seq->n_tokens)
        return true;
    return node != IG_KV_NONE && n % kv->page_tokens == 0 && n / kv->page_tokens <= seq->n_chain &&
           kv->nodes[node].pages[IG_KV_SLOT_GROUP] != IG_KV_NONE && !ig_kv_copies_room(kv, 1, NULL);
}

bool ig_kv_seq_truncate(ig_kv_seq *seq, uint32_t n) {
    ig_kv *kv = seq->kv;
    if (n > seq->n_tokens)
        return false;
    uint32_t node = seq->node, last = IG_KV_NONE, n_chain = seq->n_chain;
    for (; n_chain > n / kv->page_tokens; n_chain--) {
        last = node;
        node = kv->nodes[node].parent;
    }
    if (!reaches_back(seq, n, node))
        return false;
    cut_tables(seq, pages_of(kv, n));
    if (seq->slot != IG_KV_NONE && n > 0 && n < seq->n_tokens)
        ig_kv_copy_add(kv, IG_KV_SLOT_GROUP, kv->nodes[node].pages[IG_KV_SLOT_GROUP], seq->slot);
    if (last != IG_KV_NONE) {
        memcpy(seq->tail, ig_kv_node_tokens(kv, last), kv->page_tokens * sizeof *seq->tail);
        ig_kv_seq_end_in(seq, node, n_chain);
    }
    seq->n_tokens = n;
    return true;
}

const uint32_t *ig_kv_seq_table(const ig_kv_seq *seq, uint32_t group, uint32_t *n_entries) {
    *n_entries = seq->tables[group].n;
    return seq->tables[group].pages;
}
