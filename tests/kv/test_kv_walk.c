/* test_kv_walk.c: thousands of random calls on small pools. What every place of every page and slot
 * holds is played out: a place holds a digest of scope, all tokens before and its own. After each
 * call everything is counted afresh, and every live table must show what was written. */
#include "kv_audit.h"
#include "test.h"

enum { SEQS = 9, LEN = 72, PAGES = 64, PAGE = 4, PROMPTS = 12 };

typedef struct live {
    ig_kv_seq *seq; /* NULL: the place is free */
    uint32_t n, n_reserved, n_plan;
    ig_kv_seq_options options;
    int32_t ids[LEN], plan[LEN]; /* plan: what it is to become, as far as that is fixed */
    uint64_t keys[LEN + 1];      /* keys[i]: of the first i tokens */
} live;

typedef struct counts {
    uint32_t matched, parts, busy, kept, shared_writes, forks, cuts, cuts_refused, memory;
    uint32_t snapshots_used, in_use;
} counts;

typedef struct world {
    ig_kv *kv;
    ig_kv_options options;
    live lives[SEQS];
    int32_t prompts[PROMPTS][LEN];
    uint64_t cells[IG_KV_GROUPS_MAX][PAGES][PAGE];
    uint64_t slots[PAGES];
    uint64_t seed;
    counts n;
} world;

static uint32_t rand32(world *w) {
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->seed >> 33);
}

static uint32_t below(world *w, uint32_t n) {
    return rand32(w) % n;
}

static uint64_t next_key(uint64_t key, int32_t id) {
    key = (key ^ (uint64_t)(uint32_t)id) * 0x9E3779B97F4A7C15u + 1;
    return key ^ key >> 29;
}

static void push_id(live *l, int32_t id) {
    l->ids[l->n] = id;
    l->keys[l->n + 1] = next_key(l->keys[l->n], id);
    l->n++;
}

static bool check_world(world *w, const char *after) {
    ig_kv_seq *seqs[SEQS];
    for (uint32_t s = 0; s < SEQS; s++)
        seqs[s] = w->lives[s].seq;
    const char *wrong = kv_audit(w->kv, seqs, SEQS);
    if (wrong) {
        TEST_FAIL("after %s: not %s", after, wrong);
        return false;
    }
    for (uint32_t s = 0; s < SEQS; s++) {
        const live *l = &w->lives[s];
        if (!l->seq)
            continue;
        CHECK_EQ(ig_kv_seq_tokens(l->seq), l->n);
        for (uint32_t g = 0; g < w->options.n_groups; g++) {
            uint32_t n_entries;
            const uint32_t *table = ig_kv_seq_table(l->seq, g, &n_entries);
            for (uint32_t i = ig_kv_first_seen(w->kv, g, l->n) * w->options.page_tokens; i < l->n;
                 i++) {
                const uint32_t page = table[i / w->options.page_tokens];
                if (page == IG_KV_PAGE_NONE ||
                    w->cells[g][page][i % w->options.page_tokens] != l->keys[i + 1]) {
                    TEST_FAIL("after %s: sequence %u, group %u, token %u is not its own", after, s,
                              g, i);
                    return false;
                }
            }
        }
    }
    return true;
}

static live *pick(world *w, bool alive) {
    const uint32_t from = below(w, SEQS);
    for (uint32_t i = 0; i < SEQS; i++) {
        live *l = &w->lives[(from + i) % SEQS];
        if ((l->seq != NULL) == alive)
            return l;
    }
    return NULL;
}

/* Some prompts are beginnings of others, and some scopes and priorities meet. */
static void renew_prompt(world *w) {
    int32_t *to = w->prompts[below(w, PROMPTS)];
    memcpy(to, w->prompts[below(w, PROMPTS)], sizeof w->prompts[0]);
    for (uint32_t i = below(w, LEN); i < LEN; i++)
        to[i] = (int32_t)below(w, 3);
}

static void do_match(world *w, live *l) {
    const uint32_t page_tokens = w->options.page_tokens, limit = below(w, LEN + 1);
    uint32_t in_use[IG_KV_GROUPS_MAX], before[IG_KV_GROUPS_MAX];
    CHECK(ig_kv_seq_truncate(l->seq, 0)); /* pages reserved for a step that never ran */
    const uint32_t told = ig_kv_probe(w->kv, &l->options, l->plan, limit, in_use);
    for (uint32_t g = 0; g < w->options.n_groups; g++)
        before[g] = ig_kv_free_pages(w->kv, g);
    const bool starve = below(w, 10) == 0;
    if (starve)
        ig_alloc_fail_after(1);
    const uint32_t n = ig_kv_seq_match(l->seq, l->plan, limit);
    ig_alloc_fail_after(0);
    CHECK(n == told || (starve && n == 0));
    CHECK(n <= limit && (!l->options.uncached || n == 0));
    if (n == 0)
        return;
    w->n.matched++;
    w->n.parts += n % page_tokens != 0;
    for (uint32_t g = 0; g < w->options.n_groups; g++) {
        const uint32_t seen =
            n / page_tokens - IG_MIN(n / page_tokens, ig_kv_first_seen(w->kv, g, n));
        const uint32_t taken = before[g] - ig_kv_free_pages(w->kv, g);
        CHECK(taken == seen - in_use[g] || (n % page_tokens && taken == seen - in_use[g] + 1));
        w->n.in_use += in_use[g] > 0;
    }
    for (uint32_t i = 0; i < n; i++)
        push_id(l, l->plan[i]);
    if (w->options.n_slots > 0) {
        CHECK_EQ(n % w->options.snapshot_tokens, 0);
        w->n.snapshots_used++;
    }
}

static void do_create(world *w) {
    live *l = pick(w, false);
    if (!l)
        return;
    ig_err err = {0};
    *l = (live){.n_plan = LEN};
    memcpy(l->plan, w->prompts[below(w, PROMPTS)], sizeof l->plan);
    static const uint8_t priorities[] = {0, 35, 35, 100};
    l->options = (ig_kv_seq_options){.scope = {(uint8_t)below(w, 2)},
                                     .tokens_hint = below(w, 2) * LEN,
                                     .priority = priorities[below(w, 4)],
                                     .uncached = below(w, 8) == 0};
    l->keys[0] = l->options.scope[0] + 1u;
    const bool slots = w->options.n_slots > 0, full = slots && ig_kv_free_slots(w->kv) == 0;
    if (below(w, 10) == 0)
        ig_alloc_fail_after(1 + below(w, 3));
    const ig_status status = ig_kv_seq_create(&l->seq, w->kv, &l->options, &err);
    ig_alloc_fail_after(0);
    w->n.busy += status == IG_EBUSY;
    w->n.memory += status == IG_EMEMORY;
    CHECK(status == (full ? IG_EBUSY : IG_OK) || status == IG_EMEMORY);
    CHECK(!status == (l->seq != NULL));
    if (l->seq && below(w, 4))
        do_match(w, l);
}

static void make_copies(world *w) {
    uint32_t n;
    const ig_kv_copy *copies = ig_kv_copies(w->kv, &n);
    for (uint32_t i = 0; i < n; i++) {
        const ig_kv_copy *c = &copies[i];
        if (c->group == IG_KV_SLOT_GROUP)
            w->slots[c->to] = w->slots[c->from];
        else
            memcpy(w->cells[c->group][c->to], w->cells[c->group][c->from], sizeof w->cells[0][0]);
    }
    ig_kv_copies_done(w->kv);
}

static bool others_show(const world *w, const live *self, uint32_t g, uint32_t page) {
    for (uint32_t s = 0; s < SEQS; s++) {
        if (!w->lives[s].seq || &w->lives[s] == self)
            continue;
        uint32_t n;
        const uint32_t *table = ig_kv_seq_table(w->lives[s].seq, g, &n);
        for (uint32_t i = 0; i < n; i++) {
            if (table[i] == page)
                return true;
        }
    }
    return false;
}

static void write_tokens(world *w, live *l, uint32_t n) {
    const uint32_t page_tokens = w->options.page_tokens;
    uint64_t key = l->keys[l->n];
    for (uint32_t i = l->n; i < l->n + n; i++) {
        key = next_key(key, l->plan[i]);
        for (uint32_t g = 0; g < w->options.n_groups; g++) {
            uint32_t n_entries;
            const uint32_t page = ig_kv_seq_table(l->seq, g, &n_entries)[i / page_tokens];
            CHECK(i / page_tokens < n_entries);
            CHECK(!others_show(w, l, g, page));
            CHECK_EQ(w->kv->pools[g].pages[page].node, IG_KV_NONE);
            w->cells[g][page][i % page_tokens] = key;
        }
    }
}

static bool try_reserve(world *w, live *l, uint32_t n) {
    ig_err err = {0};
    uint32_t need[IG_KV_GROUPS_MAX], n_before, n_after;
    bool fits = true, keeps = false;
    ig_kv_seq_need(l->seq, n, need);
    for (uint32_t g = 0; g < w->options.n_groups; g++)
        fits = fits && need[g] <= ig_kv_free_pages(w->kv, g);
    for (uint32_t g = 0; g < w->options.n_groups && l->n % w->options.page_tokens; g++) {
        uint32_t n_entries;
        const uint32_t page = ig_kv_seq_table(l->seq, g, &n_entries)[l->n / w->options.page_tokens];
        keeps = keeps || (need[g] == 0 && w->kv->pools[g].pages[page].node != IG_KV_NONE);
    }
    (void)ig_kv_copies(w->kv, &n_before);
    const bool starve = below(w, 12) == 0;
    if (starve)
        ig_alloc_fail_after(1);
    const ig_status status = ig_kv_seq_reserve(l->seq, n, &err);
    ig_alloc_fail_after(0);
    (void)ig_kv_copies(w->kv, &n_after);
    if (status == IG_EMEMORY)
        CHECK(starve);
    else
        CHECK_EQ(status, fits ? IG_OK : IG_EBUSY);
    if (status)
        CHECK_EQ(n_before, n_after);
    w->n.memory += status == IG_EMEMORY;
    w->n.busy += status == IG_EBUSY;
    w->n.kept += !status && keeps;
    w->n.shared_writes += n_after - n_before;
    return !status;
}

static void check_state(const world *w, const live *l) {
    if (w->options.n_slots > 0 && l->n > 0)
        CHECK(w->slots[ig_kv_seq_slot(l->seq)] == l->keys[l->n]);
}

static void do_destroy(world *w) {
    live *l = pick(w, true);
    if (!l)
        return;
    ig_kv_seq_destroy(&l->seq);
    l->n_reserved = 0;
}

/* Some sequences reserve, the copies are made, they write, and commit all, some or nothing. */
static void do_step(world *w) {
    for (uint32_t s = 0; s < SEQS; s++) {
        live *l = &w->lives[s];
        l->n_reserved = 0;
        if (!l->seq || l->n == LEN || below(w, 2))
            continue;
        uint32_t n = 1 + below(w, 3) * below(w, 6);
        n = IG_MIN(n, LEN - l->n);
        n = IG_MIN(n, ig_kv_seq_boundary(l->seq));
        if (try_reserve(w, l, n))
            l->n_reserved = n;
        if (below(w, 8) == 0)
            do_destroy(w); /* cancelled before the step ran */
    }
    make_copies(w);
    for (uint32_t s = 0; s < SEQS; s++) {
        if (w->lives[s].seq)
            check_state(w, &w->lives[s]);
        write_tokens(w, &w->lives[s], w->lives[s].n_reserved);
    }
    const bool failed = below(w, 12) == 0;
    for (uint32_t s = 0; s < SEQS; s++) {
        live *l = &w->lives[s];
        if (l->n_reserved == 0)
            continue;
        if (failed) {
            CHECK(ig_kv_seq_truncate(l->seq, l->n));
            continue;
        }
        /* Drafted tokens may be refused; a state cannot go back, so it takes all. */
        const bool some = w->options.n_slots == 0 && below(w, 4) == 0;
        const uint32_t n = some ? below(w, l->n_reserved + 1) : l->n_reserved;
        const int32_t *ids = l->plan + l->n;
        for (uint32_t i = 0; i < n; i++)
            push_id(l, ids[i]);
        if (w->options.n_slots > 0)
            w->slots[ig_kv_seq_slot(l->seq)] = l->keys[l->n];
        ig_kv_seq_commit(l->seq, ids, n);
    }
}

static void do_fork(world *w) {
    const live *l = pick(w, true);
    live *child = pick(w, false);
    if (!l || !child)
        return;
    ig_err err = {0};
    ig_kv_seq *seq = NULL;
    const bool full = w->options.n_slots > 0 && ig_kv_free_slots(w->kv) == 0;
    if (below(w, 10) == 0)
        ig_alloc_fail_after(1 + below(w, 3));
    const ig_status status = ig_kv_seq_fork(&seq, l->seq, &err);
    ig_alloc_fail_after(0);
    CHECK(status == (full ? IG_EBUSY : IG_OK) || status == IG_EMEMORY);
    w->n.memory += status == IG_EMEMORY;
    if (status)
        return;
    *child = *l;
    child->seq = seq;
    for (uint32_t i = l->n + below(w, 4); i < LEN; i++)
        child->plan[i] = (int32_t)below(w, 3);
    w->n.forks++;
}

static void do_truncate(world *w) {
    live *l = pick(w, true);
    if (!l)
        return;
    const uint32_t n =
        below(w, 4) ? below(w, l->n + 1) : l->n / 8 * 8; /* where there may be a snapshot */
    bool can = true;
    for (uint32_t g = 0; g < w->options.n_groups && n > 0 && n < l->n; g++) {
        uint32_t n_entries;
        const uint32_t *table = ig_kv_seq_table(l->seq, g, &n_entries);
        for (uint32_t i = ig_kv_first_seen(w->kv, g, n); i * w->options.page_tokens < n; i++)
            can = can && table[i] != IG_KV_PAGE_NONE;
    }
    const bool done = ig_kv_seq_truncate(l->seq, n);
    if (w->options.n_slots > 0 && n > 0 && n < l->n)
        CHECK(!done || (can && n % w->options.page_tokens == 0));
    else
        CHECK_EQ(done, can);
    if (done && n < l->n) {
        w->n.cuts++;
        l->n = n;
        for (uint32_t i = n + below(w, 4); i < LEN; i++)
            l->plan[i] = (int32_t)below(w, 3);
    }
    w->n.cuts_refused += !done;
}

static const char *do_something(world *w) {
    const uint32_t act = below(w, 40);
    if (act < 6) {
        do_create(w);
        return "create";
    }
    if (act < 12) {
        live *l = pick(w, true);
        if (l && l->n == 0)
            do_match(w, l);
        return "match";
    }
    if (act < 27) {
        do_step(w);
        return "step";
    }
    if (act < 30) {
        do_fork(w);
        return "fork";
    }
    if (act < 33) {
        do_truncate(w);
        return "truncate";
    }
    if (act < 38) {
        do_destroy(w);
        return "destroy";
    }
    if (act < 39) {
        renew_prompt(w);
        return "nothing";
    }
    if (below(w, 8) == 0)
        ig_kv_forget(w->kv);
    return "forget";
}

static void walk(const ig_kv_options *options, uint64_t seed, int n_calls, uint32_t bucket_mask,
                 counts *n) {
    static world w;
    ig_err err = {0};
    w = (world){.options = *options, .seed = seed};
    REQUIRE_OK(ig_kv_create(&w.kv, options, &err));
    w.kv->bucket_mask &= bucket_mask;
    for (int i = 0; i < 3 * PROMPTS; i++)
        renew_prompt(&w);
    for (int i = 0; i < n_calls; i++) {
        const char *what = do_something(&w);
        if (!check_world(&w, what)) {
            TEST_FAIL("call %d of seed %llu, %u groups, %u slots", i, (unsigned long long)seed,
                      options->n_groups, options->n_slots);
            exit(1);
        }
    }
    for (uint32_t s = 0; s < SEQS; s++)
        ig_kv_seq_destroy(&w.lives[s].seq);
    make_copies(&w);
    for (uint32_t g = 0; g < options->n_groups; g++)
        CHECK_EQ(ig_kv_free_pages(w.kv, g), options->groups[g].n_pages);
    CHECK_EQ(ig_kv_free_slots(w.kv), options->n_slots);
    ig_kv_forget(w.kv);
    ig_kv_facts f;
    ig_kv_describe(w.kv, &f);
    CHECK_EQ(f.free, f.n_pages);
    CHECK_EQ(kv_audit_nodes(w.kv), 0);
    *n = w.n;
    ig_kv_destroy(&w.kv);
}

static const ig_kv_group WHOLE[] = {{.n_pages = 48}};
static const ig_kv_group TIGHT[] = {{.n_pages = LEN / PAGE}};
static const ig_kv_group MIXED[] = {{.n_pages = 48}, {.n_pages = 30, .window = 9}};
static const ig_kv_group WINDOWS[] = {{.n_pages = 30, .window = 7}, {.n_pages = 40, .window = 18}};
static const ig_kv_group WHOLES[] = {
    {.n_pages = 40}, {.n_pages = 50}, {.n_pages = 40, .window = 1}};

typedef struct pool_row {
    const char *name;
    ig_kv_options options;
} pool_row;

#define ROW(groups_, n_, ...)                                                                      \
    { .page_tokens = PAGE, .groups = groups_, .n_groups = n_, __VA_ARGS__ }

static const pool_row POOLS[] = {
    {"one group", ROW(WHOLE, 1, .cache = true)},
    {"room for one", ROW(TIGHT, 1, .cache = true)},
    {"a window", ROW(MIXED, 2, .cache = true)},
    {"only windows", ROW(WINDOWS, 2, .cache = true)},
    {"three groups", ROW(WHOLES, 3, .cache = true)},
    {"state too", ROW(MIXED, 2, .cache = true, .n_slots = 12, .snapshot_tokens = 8)},
    {"state only", ROW(NULL, 0, .cache = true, .n_slots = 12, .snapshot_tokens = 4)},
    {"no cache", ROW(MIXED, 2, .n_slots = 7)},
    {"small pages",
     {.page_tokens = 1, .groups = WHOLES, .n_groups = 2, .cache = true, .n_slots = 0}},
};

TEST(every_pool_stays_whole) {
    for (size_t i = 0; i < IG_COUNT(POOLS); i++) {
        for (uint64_t seed = 1; seed <= 3; seed++) {
            counts n;
            walk(&POOLS[i].options, seed, 20000, UINT32_MAX, &n);
            if (getenv("KV_COUNTS"))
                fprintf(stderr,
                        "%-14s matched %u, parts %u, in use %u, snapshots %u, busy %u, kept %u, "
                        "copies %u, forks %u, cuts %u, refused %u, memory %u\n",
                        POOLS[i].name, n.matched, n.parts, n.in_use, n.snapshots_used, n.busy,
                        n.kept, n.shared_writes, n.forks, n.cuts, n.cuts_refused, n.memory);
            /* The walk came by everything. */
            const ig_kv_options *o = &POOLS[i].options;
            CHECK(n.forks > 0 && n.cuts > 0 && n.memory > 0);
            CHECK(n.busy > 0 || o->n_groups == 0);
            CHECK((n.matched > 0) == o->cache);
            CHECK((n.snapshots_used > 0) == (o->cache && o->n_slots > 0));
            CHECK((n.parts > 0) == (o->cache && o->n_slots == 0 && o->page_tokens > 1));
        }
    }
}

/* All nodes in one bucket: only parent and tokens tell them apart. */
TEST(equal_hashes_do_no_harm) {
    counts n;
    walk(&POOLS[2].options, 11, 6000, 0, &n);
    CHECK(n.matched > 0);
}

TEST(sequence_that_is_alone_keeps_its_pages) {
    counts n;
    walk(&POOLS[1].options, 5, 20000, UINT32_MAX, &n);
    CHECK(n.kept > 0);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(every_pool_stays_whole), T(equal_hashes_do_no_harm),
               T(sequence_that_is_alone_keeps_its_pages));
}
