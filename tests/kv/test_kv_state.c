/* test_kv_state.c: windows, which need only what is seen; slots of state, which come back from
 * snapshots alone; chains for which no node is left. */
#include "kv_make.h"

TEST(windows_need_only_what_is_seen) {
    static const ig_kv_group groups[] = {{.n_pages = 32}, {.n_pages = 8, .window = 6}};
    ig_kv *kv = pool_of(
        &(ig_kv_options){.page_tokens = PAGE, .groups = groups, .n_groups = 2, .cache = true});
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS), *next = seq_of(kv, &DEFAULTS);
    for (int32_t i = 0; i < 80; i += 4)
        add(seq, count_from(i), 4);
    /* Twenty pages went through a group of eight: only the last ones are there. */
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 40), 0);
    CHECK_EQ(ig_kv_seq_match(next, count_from(0), 81), 80);
    uint32_t n;
    const uint32_t *table = ig_kv_seq_table(next, 1, &n);
    CHECK_EQ(n, 20);
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(table[i] == IG_KV_PAGE_NONE, i < 18);
    CHECK(!ig_kv_seq_truncate(next, 70)); /* what 70 sees it never had */
    CHECK(ig_kv_seq_truncate(next, 78));
    check_audit(kv, (ig_kv_seq *[]){seq, next}, 2);
    ig_kv_seq_destroy(&seq);
    ig_kv_seq_destroy(&next);
    ig_kv_destroy(&kv);
}

TEST(state_comes_back_from_snapshots) {
    ig_err err = {0};
    const ig_kv_group group = {.n_pages = 32};
    ig_kv *kv = pool_of(&(ig_kv_options){.page_tokens = PAGE,
                                         .groups = &group,
                                         .n_groups = 1,
                                         .n_slots = 3,
                                         .snapshot_tokens = 8,
                                         .cache = true});
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    uint32_t n;
    CHECK_EQ(ig_kv_free_slots(kv), 2);
    CHECK_EQ(ig_kv_seq_boundary(seq), 8);
    add(seq, count_from(0), 3);
    CHECK_EQ(ig_kv_seq_boundary(seq), 5);
    add(seq, count_from(3), 5);
    const ig_kv_copy *copy = ig_kv_copies(kv, &n);
    CHECK_EQ(n, 1);
    CHECK(copy->group == IG_KV_SLOT_GROUP && copy->from == ig_kv_seq_slot(seq));
    const uint32_t snapshot = copy->to;
    ig_kv_copies_done(kv);
    add(seq, count_from(8), 6);
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 14), 8);
    CHECK(!ig_kv_seq_truncate(seq, 12)); /* pages reach there, state does not */
    CHECK_EQ(ig_kv_seq_tokens(seq), 14);
    CHECK(ig_kv_seq_truncate(seq, 8));
    copy = ig_kv_copies(kv, &n);
    CHECK(n == 1 && copy->from == snapshot && copy->to == ig_kv_seq_slot(seq));
    ig_kv_copies_done(kv);

    ig_kv_seq *next = seq_of(kv, &DEFAULTS), *third = NULL, *fourth = NULL;
    CHECK_EQ(ig_kv_seq_match(next, count_from(0), 14), 8);
    copy = ig_kv_copies(kv, &n);
    CHECK(n == 1 && copy->from == snapshot && copy->to == ig_kv_seq_slot(next));
    /* A snapshot that is being read cannot be given up, later it can. */
    CHECK_EQ(ig_kv_seq_create(&third, kv, &DEFAULTS, &err), IG_EBUSY);
    ig_kv_copies_done(kv);
    REQUIRE_OK(ig_kv_seq_fork(&third, next, &err));
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 14), 0);
    ig_kv_facts f;
    ig_kv_describe(kv, &f);
    CHECK_EQ(f.evicted, 0); /* of pages */
    CHECK_EQ(ig_kv_seq_create(&fourth, kv, &DEFAULTS, &err), IG_EBUSY);
    CHECK(strstr(err.message, "all 3 slots"));
    check_audit(kv, (ig_kv_seq *[]){seq, next, third}, 3);
    ig_kv_seq_destroy(&seq);
    ig_kv_seq_destroy(&next);
    ig_kv_seq_destroy(&third);
    ig_kv_destroy(&kv);
}

TEST(copies_may_wait_for_long) {
    ig_kv *kv = pool_of(
        &(ig_kv_options){.page_tokens = PAGE, .n_slots = 3, .snapshot_tokens = 4, .cache = true});
    leave_behind(kv, &DEFAULTS, 0, 4);
    ig_kv_copies_done(kv);
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    uint32_t n;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(ig_kv_seq_match(seq, count_from(0), 4), 4);
        CHECK(ig_kv_seq_truncate(seq, 0));
    }
    (void)ig_kv_copies(kv, &n);
    CHECK_EQ(n, 100);
    check_audit(kv, &seq, 1);
    ig_kv_copies_done(kv);
    CHECK_EQ(ig_kv_free_slots(kv), 2);
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);

    ig_err err = {0};
    kv = plain_pool(4);
    seq = seq_of(kv, &DEFAULTS);
    add(seq, count_from(0), 4);
    for (int i = 0; i < 100; i++) {
        /* The page is copied, and when it is full again the cached one takes its place. */
        CHECK(ig_kv_seq_truncate(seq, 3));
        CHECK_OK(ig_kv_seq_reserve(seq, 1, &err));
        ig_kv_seq_commit(seq, count_from(3), 1);
    }
    (void)ig_kv_copies(kv, &n);
    CHECK_EQ(n, 100);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 3);
    check_audit(kv, &seq, 1);
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

TEST(snapshots_of_higher_priority_stay) {
    const ig_kv_seq_options low = {.priority = 1}, high = {.priority = 2};
    ig_kv *kv = pool_of(
        &(ig_kv_options){.page_tokens = PAGE, .n_slots = 2, .snapshot_tokens = 4, .cache = true});
    leave_behind(kv, &high, 0, 4);
    ig_kv_copies_done(kv);
    leave_behind(kv, &low, 100, 4);
    ig_kv_copies_done(kv);
    CHECK_EQ(probe(kv, &low, 0, 4), 4);
    CHECK_EQ(probe(kv, &low, 100, 4), 0);
    ig_kv_destroy(&kv);
}

TEST(snapshots_made_again_are_younger) {
    ig_kv *kv = pool_of(
        &(ig_kv_options){.page_tokens = PAGE, .n_slots = 3, .snapshot_tokens = 4, .cache = true});
    static const int32_t firsts[] = {0, 100, 0, 200};
    for (size_t i = 0; i < IG_COUNT(firsts); i++) {
        leave_behind(kv, &DEFAULTS, firsts[i], 4);
        ig_kv_copies_done(kv);
    }
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 4), 4);
    CHECK_EQ(probe(kv, &DEFAULTS, 100, 4), 0);
    CHECK_EQ(probe(kv, &DEFAULTS, 200, 4), 4);
    ig_kv_destroy(&kv);
}

TEST(without_nodes_pages_are_not_cached) {
    ig_kv *kv = plain_pool(32);
    kv->n_nodes = 1; /* a root is of no use alone */
    leave_behind(kv, &DEFAULTS, 0, 8);
    CHECK_EQ(kv_audit_nodes(kv), 0);
    kv->n_nodes = 3; /* a root and two pages */
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    add(seq, count_from(0), 18);
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 18), 8);
    CHECK(ig_kv_seq_truncate(seq, 10));
    kv->n_nodes = 10;
    add(seq, count_from(10), 7); /* the chain goes on where it stopped */
    CHECK_EQ(probe(kv, &DEFAULTS, 0, 18), 16);
    check_audit(kv, &seq, 1);
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

TEST(state_without_its_node_does_not_come_back) {
    ig_kv *kv = pool_of(
        &(ig_kv_options){.page_tokens = PAGE, .n_slots = 4, .snapshot_tokens = 4, .cache = true});
    kv->n_nodes = 2; /* a root and a page */
    ig_kv_seq *seq = seq_of(kv, &DEFAULTS);
    for (int32_t at = 0; at < 12; at += 4)
        add(seq, count_from(at), 4);
    CHECK(!ig_kv_seq_truncate(seq, 8));
    CHECK(ig_kv_seq_truncate(seq, 4));
    check_audit(kv, &seq, 1);
    ig_kv_seq_destroy(&seq);
    ig_kv_destroy(&kv);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(windows_need_only_what_is_seen), T(state_comes_back_from_snapshots),
               T(copies_may_wait_for_long), T(snapshots_of_higher_priority_stay),
               T(snapshots_made_again_are_younger), T(without_nodes_pages_are_not_cached),
               T(state_without_its_node_does_not_come_back));
}
