/* kv_make.h: pools, sequences and tokens for the tests of the kv room. */
#ifndef IG_TESTS_KV_MAKE_H
#define IG_TESTS_KV_MAKE_H

#include "kv_audit.h"
#include "test.h"

enum { PAGE = 4 };

static const ig_kv_seq_options DEFAULTS = {.priority = IG_KV_PRIORITY_DEFAULT};

static inline ig_kv *pool_of(const ig_kv_options *options) {
    ig_err err = {0};
    ig_kv *kv = NULL;
    CHECK_OK(ig_kv_create(&kv, options, &err));
    return kv;
}

/* One group without window. */
static inline ig_kv *plain_pool(uint32_t n_pages) {
    const ig_kv_group group = {.n_pages = n_pages};
    return pool_of(
        &(ig_kv_options){.page_tokens = PAGE, .groups = &group, .n_groups = 1, .cache = true});
}

static inline ig_kv_seq *seq_of(ig_kv *kv, const ig_kv_seq_options *options) {
    ig_err err = {0};
    ig_kv_seq *seq = NULL;
    CHECK_OK(ig_kv_seq_create(&seq, kv, options, &err));
    return seq;
}

static inline void add(ig_kv_seq *seq, const int32_t *ids, uint32_t n) {
    ig_err err = {0};
    CHECK_OK(ig_kv_seq_reserve(seq, n, &err));
    ig_kv_copies_done(seq->kv);
    ig_kv_seq_commit(seq, ids, n);
}

/* first, first + 1, … */
static inline const int32_t *count_from(int32_t first) {
    static int32_t ids[4][1024];
    static int turn;
    int32_t *to = ids[turn++ % 4];
    for (int32_t i = 0; i < 1024; i++)
        to[i] = first + i;
    return to;
}

/* A sequence of n tokens comes and goes. */
static inline void leave_behind(ig_kv *kv, const ig_kv_seq_options *options, int32_t first,
                                uint32_t n) {
    ig_kv_seq *seq = seq_of(kv, options);
    add(seq, count_from(first), n);
    ig_kv_seq_destroy(&seq);
}

static inline uint32_t probe(const ig_kv *kv, const ig_kv_seq_options *options, int32_t first,
                             uint32_t n) {
    uint32_t in_use[IG_KV_GROUPS_MAX];
    return ig_kv_probe(kv, options, count_from(first), n, in_use);
}

static inline void check_audit(const ig_kv *kv, ig_kv_seq *const *seqs, uint32_t n) {
    const char *wrong = kv_audit(kv, seqs, n);
    if (wrong)
        TEST_FAIL("not %s", wrong);
}

#endif
