/* kv.c: page pool with free lists and reference counts, and the page tables of
 * sequences. One owner thread. */
#include "kv/kv.h"

typedef struct kv_pool {
    uint32_t n_pages, n_free, window;
    uint32_t *free_list; /* [n_free] page numbers, last in first out: the last freed is warm */
    uint32_t *refs;      /* [n_pages] */
} kv_pool;

struct ig_kv {
    uint32_t page_tokens, n_groups;
    kv_pool groups[IG_KV_GROUPS_MAX];
};

typedef struct kv_table {
    uint32_t *pages;
    uint32_t n, cap;
    uint32_t n_gone; /* entries at the front that were given back */
} kv_table;

struct ig_kv_seq {
    ig_kv *kv;
    uint32_t n_tokens;
    kv_table tables[IG_KV_GROUPS_MAX];
};

ig_status ig_kv_create(ig_kv **out, uint32_t page_tokens, const ig_kv_group *groups,
                       uint32_t n_groups, ig_err *err) {
    if (page_tokens == 0 || n_groups > IG_KV_GROUPS_MAX)
        return ig_fail(err, IG_EARGUMENT, "page pool of %u groups with %u tokens a page", n_groups,
                       page_tokens);
    ig_kv *kv = ig_alloc(1, sizeof *kv);
    if (!kv)
        return ig_fail_memory(err, sizeof *kv);
    kv->page_tokens = page_tokens;
    kv->n_groups = n_groups;
    for (uint32_t g = 0; g < n_groups; g++) {
        kv_pool *pool = &kv->groups[g];
        *pool = (kv_pool){
            .n_pages = groups[g].n_pages, .n_free = groups[g].n_pages, .window = groups[g].window};
        pool->free_list = ig_alloc(pool->n_pages, sizeof *pool->free_list);
        pool->refs = ig_alloc(pool->n_pages, sizeof *pool->refs);
        if (!pool->free_list || !pool->refs) {
            ig_kv_destroy(&kv);
            return ig_fail_memory(err, groups[g].n_pages * sizeof(uint32_t));
        }
        for (uint32_t i = 0; i < pool->n_pages; i++)
            pool->free_list[i] = pool->n_pages - 1 - i;
    }
    *out = kv;
    return IG_OK;
}

void ig_kv_destroy(ig_kv **kv) {
    if (!kv || !*kv)
        return;
    for (uint32_t g = 0; g < (*kv)->n_groups; g++) {
        ig_free((*kv)->groups[g].free_list);
        ig_free((*kv)->groups[g].refs);
    }
    ig_free(*kv);
    *kv = NULL;
}

uint32_t ig_kv_free_pages(const ig_kv *kv, uint32_t group) {
    return group < kv->n_groups ? kv->groups[group].n_free : 0;
}

uint32_t ig_kv_pages_needed(uint32_t page_tokens, uint32_t window, uint32_t n_tokens,
                            uint32_t step_tokens) {
    uint64_t span = n_tokens;
    /* The oldest page may be needed for one token only. */
    if (window && (uint64_t)window + step_tokens < span)
        span = (uint64_t)window + step_tokens + page_tokens;
    return (uint32_t)((span + page_tokens - 1) / page_tokens);
}

static uint32_t take_page(kv_pool *pool) {
    uint32_t page = pool->free_list[--pool->n_free];
    pool->refs[page] = 1;
    return page;
}

static void give_page(kv_pool *pool, uint32_t page) {
    if (page != IG_KV_PAGE_NONE && --pool->refs[page] == 0)
        pool->free_list[pool->n_free++] = page;
}

ig_status ig_kv_seq_create(ig_kv_seq **out, ig_kv *kv, ig_err *err) {
    ig_kv_seq *seq = ig_alloc(1, sizeof *seq);
    if (!seq)
        return ig_fail_memory(err, sizeof *seq);
    seq->kv = kv;
    *out = seq;
    return IG_OK;
}

void ig_kv_seq_destroy(ig_kv_seq **seq) {
    if (!seq || !*seq)
        return;
    ig_kv_seq *s = *seq;
    for (uint32_t g = 0; g < s->kv->n_groups; g++) {
        for (uint32_t i = 0; i < s->tables[g].n; i++)
            give_page(&s->kv->groups[g], s->tables[g].pages[i]);
        ig_free(s->tables[g].pages);
    }
    ig_free(s);
    *seq = NULL;
}

uint32_t ig_kv_seq_tokens(const ig_kv_seq *seq) {
    return seq->n_tokens;
}

static ig_status grow_table(kv_table *t, uint32_t n, ig_err *err) {
    if (n <= t->cap)
        return IG_OK;
    uint32_t cap = IG_MAX(n, t->cap * 2);
    uint32_t *pages = ig_realloc(t->pages, cap, sizeof *pages);
    if (!pages)
        return ig_fail_memory(err, cap * sizeof *pages);
    t->pages = pages;
    t->cap = cap;
    return IG_OK;
}

ig_status ig_kv_seq_reserve(ig_kv_seq *seq, uint32_t n_more, ig_err *err) {
    ig_kv *kv = seq->kv;
    if (n_more > IG_CONTEXT_MAX || seq->n_tokens > IG_CONTEXT_MAX - n_more)
        return ig_fail(err, IG_ELIMIT, "sequence longer than %u tokens", IG_CONTEXT_MAX);
    uint32_t want = (seq->n_tokens + n_more + kv->page_tokens - 1) / kv->page_tokens;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        kv_table *t = &seq->tables[g];
        IG_TRY(grow_table(t, want, err));
        uint32_t more = want > t->n ? want - t->n : 0;
        if (more > kv->groups[g].n_free)
            return ig_fail(err, IG_EBUSY,
                           "no free pages: group %u needs %u more and has %u; "
                           "a larger context (-c) or fewer sequences would help",
                           g, more, kv->groups[g].n_free);
    }
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        kv_table *t = &seq->tables[g];
        while (t->n < want)
            t->pages[t->n++] = take_page(&kv->groups[g]);
    }
    return IG_OK;
}

void ig_kv_seq_commit(ig_kv_seq *seq, uint32_t n) {
    ig_kv *kv = seq->kv;
    seq->n_tokens += n;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        uint32_t window = kv->groups[g].window;
        kv_table *t = &seq->tables[g];
        if (window == 0 || seq->n_tokens + 1 <= window)
            continue;
        /* The next query sits at n_tokens and sees positions > n_tokens - window. A chunked mask
         * sees no more than that. */
        uint32_t first = (seq->n_tokens + 1 - window) / kv->page_tokens;
        for (; t->n_gone < first && t->n_gone < t->n; t->n_gone++) {
            give_page(&kv->groups[g], t->pages[t->n_gone]);
            t->pages[t->n_gone] = IG_KV_PAGE_NONE;
        }
    }
}

bool ig_kv_seq_truncate(ig_kv_seq *seq, uint32_t n) {
    ig_kv *kv = seq->kv;
    if (n > seq->n_tokens)
        return false;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        uint32_t window = kv->groups[g].window;
        uint32_t first = window && n + 1 > window ? (n + 1 - window) / kv->page_tokens : 0;
        if (n > 0 && seq->tables[g].n_gone > first) /* an empty sequence sees nothing */
            return false;
    }
    uint32_t keep = (n + kv->page_tokens - 1) / kv->page_tokens;
    for (uint32_t g = 0; g < kv->n_groups; g++) {
        kv_table *t = &seq->tables[g];
        while (t->n > keep)
            give_page(&kv->groups[g], t->pages[--t->n]);
        t->n_gone = IG_MIN(t->n_gone, t->n);
    }
    seq->n_tokens = n;
    return true;
}

const uint32_t *ig_kv_seq_table(const ig_kv_seq *seq, uint32_t group, uint32_t *n_entries) {
    *n_entries = seq->tables[group].n;
    return seq->tables[group].pages;
}
