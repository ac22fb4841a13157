/* test_token_counts.c: the hash map of counts against a plain array: adding, removing with
 * backward shift, clearing, copying, under many collisions. */
#include "sample/token_counts.h"

#include "base/base.h"
#include "test.h"

enum { IDS = 5000, CAP_MAX = 700 };

static uint32_t slots[2][4096];
static int32_t ids[2][CAP_MAX], values[2][CAP_MAX];

static ig_token_counts map_of(int which, uint32_t cap) {
    memset(slots[which], 0, sizeof slots[which]);
    return (ig_token_counts){.slot = slots[which],
                             .id = ids[which],
                             .value = values[which],
                             .cap = cap,
                             .slot_bits = ig_token_counts_bits(cap)};
}

static void check_same(const ig_token_counts *m, const int32_t *expected) {
    uint32_t n = 0, used = 0;
    for (int32_t id = 0; id < IDS; id++) {
        const int32_t *value = ig_token_counts_find(m, id);
        n += expected[id] != 0;
        CHECK_EQ(value ? *value : 0, expected[id]);
    }
    CHECK_EQ(m->n, n);
    for (uint32_t i = 0; i < 1u << m->slot_bits; i++)
        used += m->slot[i] != 0;
    CHECK_EQ(used, n);
}

static uint32_t state = 1;
static uint32_t below(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * n >> 32);
}

TEST(the_index_is_half_empty) {
    for (uint32_t cap = 1; cap < 5000; cap++) {
        uint32_t n = 1u << ig_token_counts_bits(cap);
        CHECK(n >= 2 * cap && (n == 2 || n < 4 * cap));
    }
}

TEST(counts_agree_with_an_array) {
    static const uint32_t caps[] = {1, 2, 3, 8, 64, 65, 700};
    for (size_t k = 0; k < IG_COUNT(caps); k++) {
        static int32_t expected[IDS];
        memset(expected, 0, sizeof expected);
        ig_token_counts m = map_of(0, caps[k]), copy = map_of(1, caps[k]);
        for (int step = 0; step < 20000; step++) {
            int32_t id = (int32_t)below(step % 2 ? IDS : 2 * caps[k]);
            if (expected[id] || m.n < caps[k]) {
                ++*ig_token_counts_at(&m, id);
                expected[id]++;
            } else { /* full: another one makes way */
                id = m.id[below(m.n)];
                ig_token_counts_remove(&m, id);
                expected[id] = 0;
            }
            if (step % 5 == 0) {
                id = (int32_t)below(2 * caps[k]);
                ig_token_counts_remove(&m, id);
                expected[id] = 0;
            }
            if (step % 997 == 0)
                check_same(&m, expected);
        }
        ig_token_counts_copy(&copy, &m);
        check_same(&copy, expected);
        ig_token_counts_clear(&m);
        check_same(&copy, expected);
        memset(expected, 0, sizeof expected);
        check_same(&m, expected);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(the_index_is_half_empty), T(counts_agree_with_an_array));
}
