/* test_kv.c: what each call of the room promises, one by one. The random walk over all of them
 * together is test_kv_walk.c. */
#include "kv_make.h"

enum { SEQS = 6 };

static const ig_kv_group GROUPS[] = {{.n_pages = 64, .window = 0}, {.n_pages = 40, .window = 7}};

static uint32_t rand32(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* ---- pages without a cache ------------------------------------------------------------------- */

TEST(random_walk_loses_no_page) {
    ig_err err = {0};
    ig_kv *kv = pool_of(&(ig_kv_options){.page_tokens = PAGE, .groups = GROUPS, .n_groups = 2});
    ig_kv_seq *seqs[SEQS] = {0};
    uint64_t seed = 7;
    for (uint32_t s = 0; s < SEQS; s++)
        seqs[s] = seq_of(kv, NULL);
    for (int step = 0; step < 20000; step++) {
        uint32_t s = rand32(&seed) % SEQS, n = rand32(&seed) % 11, act = rand32(&seed) % 8;
        uint32_t before = ig_kv_seq_tokens(seqs[s]);
        if (act < 5) {
            ig_status status = ig_kv_seq_reserve(seqs[s], n, &err);
            if (status)
                CHECK_EQ(status, IG_EBUSY);
            else
                ig_kv_seq_commit(seqs[s], NULL, n);
            CHECK_EQ(ig_kv_seq_tokens(seqs[s]), before + (status ? 0 : n));
        } else if (act < 7) {
            uint32_t keep = before ? rand32(&seed) % (before + 1) : 0;
            bool ok = ig_kv_seq_truncate(seqs[s], keep);
            CHECK_EQ(ig_kv_seq_tokens(seqs[s]), ok ? keep : before);
        } else {
            ig_kv_seq_destroy(&seqs[s]);
            seqs[s] = seq_of(kv, NULL);
        }
        check_audit(kv, seqs, SEQS);
    }
    for (uint32_t s = 0; s < SEQS; s++)
        ig_kv_seq_destroy(&seqs[s]);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 64);
    CHECK_EQ(ig_kv_free_pages(kv, 1), 40);
    CHECK_EQ(kv_audit_nodes(kv), 0);
    ig_kv_destroy(&kv);
}

TEST(forecast_is_enough) {
    for (uint32_t window = 0; window < 25; window += 4) {
        for (uint32_t chunk = 1; chunk < 19; chunk += 5) {
            ig_err err = {0};
            uint32_t tokens = 125, n = ig_kv_pages_needed(PAGE, window, tokens, chunk);
            ig_kv_group group = {.n_pages = n, .window = window};
            ig_kv *kv =
                pool_of(&(ig_kv_options){.page_tokens = PAGE, .groups = &group, .n_groups = 1});
            ig_kv_seq *seq = seq_of(kv, NULL);
            for (uint32_t at = 0; at < tokens;) {
                uint32_t step = chunk < tokens - at ? chunk : tokens - at;
                CHECK_OK(ig_kv_seq_reserve(seq, step, &err));
                ig_kv_seq_commit(seq, NULL, step);
                at += step;
            }
            /* Starting anew always works, and gives every page back. */
            CHECK(ig_kv_seq_truncate(seq, 0));
            CHECK_EQ(ig_kv_seq_tokens(seq), 0);
            CHECK_EQ(ig_kv_free_pages(kv, 0), n);
            CHECK_OK(ig_kv_seq_reserve(seq, chunk, &err));
            ig_kv_seq_destroy(&seq);
            ig_kv_destroy(&kv);
        }
    }
}

TEST(wrong_options_are_named) {
    static const struct {
        ig_kv_options options;
        ig_status status;
        const char *word;
    } rows[] = {
        {{.page_tokens = 0, .groups = GROUPS, .n_groups = 1}, IG_EARGUMENT, "0 tokens"},
        {{.page_tokens = 1u << 31, .groups = GROUPS, .n_groups = 1}, IG_EARGUMENT, "tokens"},
        {{.page_tokens = 4, .groups = GROUPS, .n_groups = 5}, IG_EARGUMENT, "5 groups"},
        {{.page_tokens = 4, .groups = GROUPS, .n_groups = 1, .snapshot_tokens = 6},
         IG_EARGUMENT,
         "every 6"},
        {{.page_tokens = 4, .n_slots = UINT32_MAX}, IG_ELIMIT, "nodes"},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        ig_err err = {0};
        ig_kv *kv = NULL;
        CHECK_EQ(ig_kv_create(&kv, &rows[i].options, &err), rows[i].status);
        CHECK(kv == NULL && strstr(err.message, rows[i].word) && strstr(err.message, "; "));
    }
    ig_err err = {0};
    ig_kv *kv = plain_pool(4);
    ig_kv_seq *seq = NULL;
    CHECK_EQ(ig_kv_seq_create(&seq, kv, &(ig_kv_seq_options){.priority = 101}, &err), IG_EARGUMENT);
    CHECK_EQ(ig_kv_seq_create(&seq, kv, &(ig_kv_seq_options){.tokens_hint = UINT32_MAX}, &err),
             IG_ELIMIT);
    seq = seq_of(kv, NULL);
    CHECK_EQ(ig_kv_seq_reserve(seq, IG_CONTEXT_MAX + 1, &err), IG_ELIMIT);
    CHECK_EQ(ig_kv_seq_reserve(seq, 17, &err), IG_EBUSY);
    CHECK(strstr(err.message, "needs 5 more and has 4"));
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

/* ---- the cache ------------------------------------------------------------------------------- */

TEST(match_finds_the_longest_beginning) {
    enum { HISTORIES = 60, LEN = 40 };
    static int32_t histories[HISTORIES][LEN];
    static uint8_t scopes[HISTORIES];
    uint64_t seed = 3;
    uint32_t n_found = 0;
    ig_kv *kv = plain_pool(500);
    for (uint32_t h = 0; h < HISTORIES; h++) {
        memcpy(histories[h], histories[rand32(&seed) % (h + 1)], sizeof histories[h]);
        for (uint32_t i = rand32(&seed) % LEN; i < LEN; i++)
            histories[h][i] = (int32_t)(rand32(&seed) % 3);
        scopes[h] = (uint8_t)(rand32(&seed) % 2);
        ig_kv_seq_options o = {.scope = {[15] = scopes[h]}};
        const uint32_t limit = rand32(&seed) % (LEN + 1);
        uint32_t best = 0;
        for (uint32_t k = 0; k < h; k++) {
            uint32_t same = 0;
            while (same < limit && histories[k][same] == histories[h][same])
                same++;
            best = scopes[k] == scopes[h] ? IG_MAX(best, same) : best;
        }
        ig_kv_seq *seq = seq_of(kv, &o);
        CHECK_EQ(ig_kv_seq_match(seq, histories[h], limit), best);
        n_found += best > 0;
        add(seq, histories[h] + best, LEN - best);
        ig_kv_seq_destroy(&seq);
    }
    CHECK(n_found > 20);
    check_audit(kv, NULL, 0);
    ig_kv_destroy(&kv);
}

TEST(facts_count_pages) {
    ig_kv *kv = plain_pool(10);
    ig_kv_facts f;
    leave_behind(kv, &DEFAULTS, 0, 11); /* two whole pages stay */
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.n_pages, 10);
    CHECK_EQ(f.cached, 2);
    CHECK_EQ(f.free, 8);
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    CHECK_EQ(ig_kv_seq_match(seq, count_from(0), 13), 8);
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.used, 2);
    CHECK_EQ(f.reused, 2);
    CHECK_EQ(f.missed, 1);
    CHECK_EQ(f.alloc_total, 5);
    CHECK_EQ(f.alloc_new, 3);
    CHECK_EQ(f.evicted, 0);
    add(seq, count_from(8), 32);
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.used, 10);
    CHECK_EQ(f.alloc_total, 13);
    ig_kv_seq_destroy(&seq);
    leave_behind(kv, &DEFAULTS, 500, 4);
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.evicted, 1);
    seq = seq_of(kv, &DEFAULTS);
    CHECK_EQ(ig_kv_seq_match(seq, count_from(0), 6), 6); /* half a page does not count */
    ig_kv_seq_destroy(&seq);
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.reused, 3);
    CHECK_EQ(f.missed, 1);
    ig_kv_forget(kv);
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.free, 10);
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 40), 0);
    ig_kv_destroy(&kv);
}

TEST(least_priority_goes_first_then_least_use) {
    const ig_kv_seq_options low = {.priority = 0}, high = {.priority = 100};
    ig_kv *kv = plain_pool(8);
    leave_behind(kv, &high, 1000, 8);
    leave_behind(kv, &DEFAULTS, 2000, 8);
    leave_behind(kv, &low, 3000, 8);
    leave_behind(kv, &DEFAULTS, 4000, 8);
    ig_kv_seq *user = seq_of(kv, &low); /* of the older of the two in the middle */
    CHECK_EQ(ig_kv_seq_match(user, count_from(2000), 8), 8);
    ig_kv_seq_destroy(&user);
    static const uint32_t left[][4] = {/* of 1000, 2000, 3000, 4000 */
                                       {8, 8, 4, 8}, {8, 8, 0, 8}, {8, 8, 0, 4}, {8, 8, 0, 0},
                                       {8, 4, 0, 0}, {8, 0, 0, 0}, {4, 0, 0, 0}, {0, 0, 0, 0}};
    ig_kv_seq *seq = seq_of(kv, NULL);
    for (size_t i = 0; i < IG_COUNT(left); i++) {
        add(seq, NULL, PAGE);
        for (int32_t k = 0; k < 4; k++)
            CHECK_EQ(probe(kv, &DEFAULTS, 1000 * (k + 1), 8), left[i][k]);
    }
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

TEST(use_raises_the_priority_of_all_before) {
    const ig_kv_seq_options low = {.priority = 0}, high = {.priority = 100};
    ig_kv *kv = plain_pool(6);
    leave_behind(kv, &low, 0, 8);
    ig_kv_seq *user = seq_of(kv, &high);
    CHECK_EQ(ig_kv_seq_match(user, count_from(0), 4), 4);
    add(user, count_from(900), 4);
    ig_kv_seq_destroy(&user);
    leave_behind(kv, &DEFAULTS, 5000, 12);
    leave_behind(kv, &DEFAULTS, 6000, 12);
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 8), 4); /* the page of low priority is gone */
    check_audit(kv, NULL, 0);
    ig_kv_destroy(&kv);
}

TEST(forks_have_the_priority_of_their_parent) {
    ig_err err = {0};
    ig_kv *kv = plain_pool(6);
    ig_kv_seq *parent = seq_of(kv, &(ig_kv_seq_options){.priority = 100}), *child = NULL;
    add(parent, count_from(0), 6);
    REQUIRE_OK(ig_kv_seq_fork(&child, parent, &err));
    ig_kv_seq_destroy(&parent);
    add(child, count_from(6), 6);
    ig_kv_seq_destroy(&child);
    leave_behind(kv, &DEFAULTS, 5000, 12);
    leave_behind(kv, &DEFAULTS, 6000, 12);
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 12), 12);
    ig_kv_destroy(&kv);
}

TEST(scopes_and_uncached_sequences_share_nothing) {
    ig_kv *kv = plain_pool(32);
    const ig_kv_seq_options one = {.scope = {1}}, other = {.scope = {[15] = 1}},
                            alone = {.scope = {1}, .uncached = true};
    leave_behind(kv, &one, 0, 16);
    CHECK_EQ(probe(kv, &one, 0, 16), 16);
    CHECK_EQ(probe(kv, &other, 0, 16), 0);
    CHECK_EQ(probe(kv, &alone, 0, 16), 0);
    CHECK_EQ(probe(kv, NULL, 0, 16), 0);
    leave_behind(kv, &alone, 700, 16);
    CHECK_EQ(probe(kv, &one, 700, 16), 0);
    ig_kv_destroy(&kv);
}

TEST(equal_pages_become_one) {
    ig_kv *kv = plain_pool(16);
    ig_kv_seq *a = seq_of(kv, &DEFAULTS), *b = seq_of(kv, &DEFAULTS);
    uint32_t n;
    add(a, count_from(0), 6);
    add(b, count_from(0), 6);
    CHECK_EQ(ig_kv_seq_table(a, 0, &n)[0], ig_kv_seq_table(b, 0, &n)[0]);
    CHECK(ig_kv_seq_table(a, 0, &n)[1] != ig_kv_seq_table(b, 0, &n)[1]);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 13);
    uint32_t in_use[IG_KV_GROUPS_MAX];
    CHECK_EQ(ig_kv_probe(kv, &DEFAULTS, count_from(0), 6, in_use), 4);
    CHECK_EQ(in_use[0], 1);
    ig_kv_seq_destroy(&a);
    ig_kv_seq_destroy(&b);
    CHECK_EQ(ig_kv_probe(kv, &DEFAULTS, count_from(0), 6, in_use), 4);
    CHECK_EQ(in_use[0], 0);
    ig_kv_destroy(&kv);
}

TEST(pages_that_wait_for_a_copy_are_in_use) {
    ig_err err = {0};
    ig_kv *kv = plain_pool(16);
    uint32_t in_use[IG_KV_GROUPS_MAX];
    leave_behind(kv, &DEFAULTS, 0, 8);
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    CHECK_EQ(ig_kv_seq_match(seq, count_from(0), 6), 6);
    CHECK_EQ(ig_kv_probe(kv, &DEFAULTS, count_from(0), 6, in_use), 6);
    CHECK_EQ(in_use[0], 1); /* the part would be copied */
    REQUIRE_OK(ig_kv_seq_reserve(seq, 1, &err));
    ig_kv_seq_destroy(&seq);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 15);
    CHECK_EQ(ig_kv_probe(kv, &DEFAULTS, count_from(0), 8, in_use), 8);
    CHECK_EQ(in_use[0], 1);
    ig_kv_copies_done(kv);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 16);
    check_audit(kv, NULL, 0);
    ig_kv_destroy(&kv);
}

TEST(match_gives_back_what_was_reserved) {
    ig_err err = {0};
    ig_kv *kv = plain_pool(16);
    leave_behind(kv, &DEFAULTS, 0, 8);
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    REQUIRE_OK(ig_kv_seq_reserve(seq, 12, &err));
    CHECK_EQ(ig_kv_seq_match(seq, count_from(0), 8), 8);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 14);
    CHECK_EQ(ig_kv_seq_match(seq, count_from(0), 8), 0); /* not empty any more */
    check_audit(kv, &seq, 1);
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

/* ---- copies ---------------------------------------------------------------------------------- */

TEST(shared_pages_are_copied_before_they_are_written) {
    ig_err err = {0};
    ig_kv *kv = plain_pool(8);
    ig_kv_seq *a = seq_of(kv, &DEFAULTS), *b = NULL;
    uint32_t n, need[IG_KV_GROUPS_MAX];
    add(a, count_from(0), 6);
    REQUIRE_OK(ig_kv_seq_fork(&b, a, &err));
    CHECK_EQ(ig_kv_seq_tokens(b), 6);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 6);
    ig_kv_seq_need(b, 2, need);
    CHECK_EQ(need[0], 1);
    const uint32_t shared = ig_kv_seq_table(a, 0, &n)[1];
    REQUIRE_OK(ig_kv_seq_reserve(b, 2, &err));
    const ig_kv_copy *copy = ig_kv_copies(kv, &n);
    CHECK_EQ(n, 1);
    CHECK(copy->group == 0 && copy->from == shared && copy->to == ig_kv_seq_table(b, 0, &n)[1]);
    ig_kv_seq_need(a, 2, need); /* who comes last keeps the page */
    CHECK_EQ(need[0], 0);
    /* The source stays until the copy is made. */
    ig_kv_seq_destroy(&a);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 5);
    check_audit(kv, &b, 1);
    ig_kv_copies_done(kv);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 6);
    (void)ig_kv_copies(kv, &n);
    CHECK_EQ(n, 0);
    ig_kv_seq_destroy(&b);
    ig_kv_destroy(&kv);
}

TEST(cached_page_is_copied_or_given_up) {
    ig_err err = {0};
    ig_kv *kv = plain_pool(3);
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    uint32_t n, need[IG_KV_GROUPS_MAX];
    add(seq, count_from(0), 12);
    CHECK(ig_kv_seq_truncate(seq, 6));
    ig_kv_seq_need(seq, 2, need);
    CHECK_EQ(need[0], 1);
    REQUIRE_OK(ig_kv_seq_reserve(seq, 2, &err));
    (void)ig_kv_copies(kv, &n);
    CHECK_EQ(n, 1);
    ig_kv_copies_done(kv);
    CHECK(ig_kv_seq_truncate(seq, 6));
    ig_kv_seq_commit(seq, NULL, 0);
    /* Now all three at once: there is no page for a copy, so the cache lets go of this one. */
    CHECK(ig_kv_seq_truncate(seq, 3));
    ig_kv_seq_need(seq, 9, need);
    CHECK_EQ(need[0], 2);
    add(seq, count_from(50), 9);
    CHECK_EQ(ig_kv_seq_tokens(seq), 12);
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 4), 3); /* 0 1 2 50 */
    check_audit(kv, &seq, 1);
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

TEST(steps_do_not_allocate) {
    ig_kv *kv = pool_of(&(ig_kv_options){.page_tokens = PAGE,
                                         .groups = GROUPS,
                                         .n_groups = 2,
                                         .n_slots = 8,
                                         .snapshot_tokens = 8,
                                         .cache = true});
    ig_kv_seq_options o = DEFAULTS;
    o.tokens_hint = 40;
    ig_kv_seq *seqs[4];
    for (uint32_t s = 0; s < 4; s++)
        seqs[s] = seq_of(kv, &o);
    (void)ig_alloc_fail_after(0);
    for (uint32_t s = 0; s < 4; s++) {
        (void)ig_kv_seq_match(seqs[s], count_from((int32_t)s / 2), 40);
        while (ig_kv_seq_tokens(seqs[s]) < 40)
            add(seqs[s], count_from((int32_t)(s / 2 + ig_kv_seq_tokens(seqs[s]))), 2);
        CHECK(!ig_kv_seq_truncate(seqs[s], 10));
        CHECK(ig_kv_seq_truncate(seqs[s], 0));
    }
    CHECK_EQ(ig_alloc_fail_after(0), 0);
    check_audit(kv, seqs, 4);
    for (uint32_t s = 0; s < 4; s++)
        ig_kv_seq_destroy(&seqs[s]);
    ig_kv_destroy(&kv);
}

/* ---- shortage -------------------------------------------------------------------------------- */

/* Everything in one go; the first failure ends it. */
static ig_status whole_life(ig_err *err) {
    ig_kv *kv = NULL;
    ig_kv_seq *seqs[3] = {0};
    const ig_kv_options options = {.page_tokens = PAGE,
                                   .groups = GROUPS,
                                   .n_groups = 2,
                                   .n_slots = 6,
                                   .snapshot_tokens = 4,
                                   .cache = true};
    ig_status status = ig_kv_create(&kv, &options, err);
    if (!status)
        status = ig_kv_seq_create(&seqs[0], kv, &DEFAULTS, err);
    for (int32_t at = 0; at < 40 && !status; at += 4) {
        status = ig_kv_seq_reserve(seqs[0], 4, err);
        if (!status)
            ig_kv_seq_commit(seqs[0], count_from(at), 4);
    }
    if (!status)
        status = ig_kv_seq_create(&seqs[1], kv, &DEFAULTS, err);
    if (!status)
        (void)ig_kv_seq_match(seqs[1], count_from(0), 40);
    if (!status)
        status = ig_kv_seq_fork(&seqs[2], seqs[1], err);
    if (!status)
        status = ig_kv_seq_reserve(seqs[2], 60, err);
    if (kv)
        check_audit(kv, seqs, 3);
    for (uint32_t s = 0; s < 3; s++)
        ig_kv_seq_destroy(&seqs[s]);
    if (kv) {
        ig_kv_copies_done(kv);
        check_audit(kv, NULL, 0);
        CHECK(ig_kv_free_pages(kv, 0) == 64 && ig_kv_free_pages(kv, 1) == 40);
    }
    ig_kv_destroy(&kv);
    return status;
}

TEST(allocation_failures_are_clean) {
    bool done = false;
    uint64_t n = 1;
    for (; !done && n < 100; n++) {
        ig_err err = {0};
        ig_alloc_fail_after(n);
        const ig_status status = whole_life(&err);
        done = ig_alloc_fail_after(0) < n;
        /* What only the cache would have gained is no error. */
        CHECK(done ? status == IG_OK : status == IG_OK || status == IG_EMEMORY);
    }
    CHECK(done && n > 20);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(random_walk_loses_no_page), T(forecast_is_enough),
               T(wrong_options_are_named), T(match_finds_the_longest_beginning),
               T(facts_count_pages), T(least_priority_goes_first_then_least_use),
               T(use_raises_the_priority_of_all_before), T(forks_have_the_priority_of_their_parent),
               T(scopes_and_uncached_sequences_share_nothing), T(equal_pages_become_one),
               T(pages_that_wait_for_a_copy_are_in_use), T(match_gives_back_what_was_reserved),
               T(shared_pages_are_copied_before_they_are_written),
               T(cached_page_is_copied_or_given_up), T(steps_do_not_allocate),
               T(allocation_failures_are_clean));
}
