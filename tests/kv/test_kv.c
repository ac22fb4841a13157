/* test_kv.c: pages are neither lost nor used twice, whatever sequences do. */
#include "kv/kv.h"
#include "test.h"

enum { PAGE = 32, SEQS = 6 };
static const ig_kv_group GROUPS[] = {{.n_pages = 64, .window = 0}, {.n_pages = 40, .window = 70}};

static uint32_t rand32(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

static void check_pages(ig_kv *kv, ig_kv_seq *const *seqs) {
    for (uint32_t g = 0; g < 2; g++) {
        bool used[64] = {false};
        uint32_t held = 0;
        for (uint32_t s = 0; s < SEQS; s++) {
            uint32_t n, tokens = ig_kv_seq_tokens(seqs[s]);
            const uint32_t *table = ig_kv_seq_table(seqs[s], g, &n);
            CHECK(n * PAGE >= tokens);
            for (uint32_t i = 0; i < n; i++) {
                bool visible =
                    GROUPS[g].window == 0 || (i + 1) * PAGE + GROUPS[g].window > tokens + 1;
                CHECK(!visible || table[i] != IG_KV_PAGE_NONE);
                if (table[i] == IG_KV_PAGE_NONE)
                    continue;
                CHECK(table[i] < GROUPS[g].n_pages && !used[table[i]]);
                used[table[i]] = true;
                held++;
            }
        }
        CHECK_EQ(held + ig_kv_free_pages(kv, g), GROUPS[g].n_pages);
    }
}

TEST(random_walk_loses_no_page) {
    ig_err err = {0};
    ig_kv *kv = NULL;
    ig_kv_seq *seqs[SEQS] = {0};
    uint64_t seed = 7;
    REQUIRE_OK(ig_kv_create(&kv, PAGE, GROUPS, 2, &err));
    for (uint32_t s = 0; s < SEQS; s++)
        REQUIRE_OK(ig_kv_seq_create(&seqs[s], kv, &err));
    for (int step = 0; step < 20000; step++) {
        uint32_t s = rand32(&seed) % SEQS, n = rand32(&seed) % 90, act = rand32(&seed) % 8;
        uint32_t before = ig_kv_seq_tokens(seqs[s]);
        if (act < 5) {
            ig_status status = ig_kv_seq_reserve(seqs[s], n, &err);
            if (status)
                CHECK_EQ(status, IG_EBUSY);
            else
                ig_kv_seq_commit(seqs[s], n);
            CHECK_EQ(ig_kv_seq_tokens(seqs[s]), before + (status ? 0 : n));
        } else if (act < 7) {
            uint32_t keep = before ? rand32(&seed) % (before + 1) : 0;
            bool ok = ig_kv_seq_truncate(seqs[s], keep);
            CHECK_EQ(ig_kv_seq_tokens(seqs[s]), ok ? keep : before);
        } else {
            ig_kv_seq_destroy(&seqs[s]);
            REQUIRE_OK(ig_kv_seq_create(&seqs[s], kv, &err));
        }
        check_pages(kv, seqs);
    }
    for (uint32_t s = 0; s < SEQS; s++)
        ig_kv_seq_destroy(&seqs[s]);
    CHECK_EQ(ig_kv_free_pages(kv, 0), 64);
    CHECK_EQ(ig_kv_free_pages(kv, 1), 40);
    ig_kv_destroy(&kv);
}

TEST(forecast_is_enough) {
    for (uint32_t window = 0; window < 200; window += 33) {
        for (uint32_t chunk = 1; chunk < 150; chunk += 37) {
            ig_err err = {0};
            uint32_t tokens = 1000, n = ig_kv_pages_needed(PAGE, window, tokens, chunk);
            ig_kv *kv = NULL;
            ig_kv_seq *seq = NULL;
            ig_kv_group group = {.n_pages = n, .window = window};
            REQUIRE_OK(ig_kv_create(&kv, PAGE, &group, 1, &err));
            REQUIRE_OK(ig_kv_seq_create(&seq, kv, &err));
            for (uint32_t at = 0; at < tokens;) {
                uint32_t step = chunk < tokens - at ? chunk : tokens - at;
                CHECK_OK(ig_kv_seq_reserve(seq, step, &err));
                ig_kv_seq_commit(seq, step);
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

TEST(allocation_failures_are_clean) {
    bool done = false;
    for (uint64_t n = 1; !done && n < 100; n++) {
        ig_err err = {0};
        ig_kv *kv = NULL;
        ig_kv_seq *seq = NULL;
        ig_alloc_fail_after(n);
        ig_status status = ig_kv_create(&kv, PAGE, GROUPS, 2, &err);
        if (!status)
            status = ig_kv_seq_create(&seq, kv, &err);
        if (!status)
            status = ig_kv_seq_reserve(seq, 100, &err);
        done = ig_alloc_fail_after(0) < n;
        CHECK_EQ(status, done ? IG_OK : IG_EMEMORY);
        for (uint32_t g = 0; kv && !done && g < 2; g++)
            CHECK_EQ(ig_kv_free_pages(kv, g), GROUPS[g].n_pages);
        ig_kv_seq_destroy(&seq);
        ig_kv_destroy(&kv);
    }
    CHECK(done);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(random_walk_loses_no_page), T(forecast_is_enough),
               T(allocation_failures_are_clean));
}
