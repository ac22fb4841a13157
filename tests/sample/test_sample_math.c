/* test_sample_math.c: random numbers against the published vectors, series against libm, keys
 * against plain sorting. */
#include "sample/cand_keys.h"
#include "sample/philox.h"
#include "test.h"

/* Known answers distributed with the authors' Random123 library. */
TEST(philox_gives_the_published_numbers) {
    static const uint32_t known[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        ig_philox(known[i], known[i] + 4, out);
        CHECK(memcmp(out, known[i] + 6, sizeof out) == 0);
    }
}

TEST(uniform_numbers_fill_the_interval) {
    enum { BINS = 64, N = 64000 };
    int count[2][BINS] = {{0}};
    for (uint64_t i = 0; i < N; i++) {
        double by_position = ig_uniform(0, i, 0xFFFFFFFFu), by_seed = ig_uniform(i, 3, 2);
        REQUIRE(by_position >= 0.0 && by_position < 1.0);
        count[0][(int)(by_position * BINS)]++;
        count[1][(int)(by_seed * BINS)]++;
    }
    for (int k = 0; k < 2; k++) {
        double chi = 0.0;
        for (int b = 0; b < BINS; b++)
            chi += (count[k][b] - N / BINS) * (count[k][b] - N / BINS) / (double)(N / BINS);
        CHECK(chi > 30.0 && chi < 110.0); /* 63 degrees of freedom */
    }
    CHECK(ig_uniform(1, 2, 3) != ig_uniform(1, 2, 4));
    CHECK(ig_uniform(1, 2, 3) != ig_uniform(2, 2, 3));
    CHECK(ig_uniform(1, 2, 3) != ig_uniform(1ull << 32 | 1, 2, 3));
}

TEST(exponential_of_floats_is_within_two_ulp) {
    double worst = 0.0;
    for (float x = 0.0f; x > -86.4f; x -= 0.00037f) {
        double exact = exp((double)x);
        worst = fmax(worst, fabs((double)ig_exp_neg(x) - exact) / exact);
    }
    CHECK(worst < 2.0 * 0x1p-23);
    CHECK(ig_exp_neg(0.0f) == 1.0f);
    CHECK(ig_exp_neg(-87.0f) == 0.0f);
    CHECK(ig_exp_neg(-INFINITY) == 0.0f);
    CHECK(ig_exp_neg(NAN) == 0.0f);
}

TEST(series_agree_with_libm) {
    for (double x = 1e-300; x < 1e300; x *= 1.37)
        CHECK_NEAR(ig_ln(x), log(x), 4e-16 * fabs(log(x)) + 4e-16);
    for (double x = 0.25; x < 4.0; x += 0.00171)
        CHECK_NEAR(ig_ln(x), log(x), 4e-16);
    for (double x = -690.0; x < 690.0; x += 0.913)
        CHECK_NEAR(ig_exp(x) / exp(x), 1.0, 1e-15);
    CHECK(ig_exp(-1e9) == 0.0);
    CHECK(ig_exp(1e9) < INFINITY);
    for (double y = -3.0; y < 3.0; y += 0.11)
        for (double x = 0.01; x < 9.0; x *= 1.7)
            CHECK_NEAR(ig_pow(x, y) / pow(x, y), 1.0, 4e-15);
    CHECK(ig_pow(0.0, 0.5) == 0.0);
    CHECK(ig_pow(0.0, 0.0) == 1.0);
    CHECK(ig_pow_int(1.75, 0) == 1.0);
    CHECK_NEAR(ig_pow_int(1.75, 37) / pow(1.75, 37), 1.0, 1e-14);
}

TEST(keys_keep_the_order_of_floats) {
    static const float ordered[] = {-FLT_MAX, -3.5f, -1e-30f,    0.0f,
                                    1e-38f,   2.0f,  2.0000002f, FLT_MAX};
    for (size_t i = 0; i + 1 < IG_COUNT(ordered); i++)
        CHECK(ig_key_of(ordered[i], 0) < ig_key_of(ordered[i + 1], 9));
    for (size_t i = 0; i < IG_COUNT(ordered); i++) {
        uint64_t key = ig_key_of(ordered[i], 262143);
        CHECK(ig_key_logit(key) == ordered[i]);
        CHECK_EQ(ig_key_id(key), 262143);
    }
    CHECK(ig_key_of(1.0f, 3) > ig_key_of(1.0f, 4));
    CHECK(ig_key_of(-0.0f, 3) > ig_key_of(0.0f, 4));
}

static int descending(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? 1 : x > y ? -1 : 0;
}

TEST(sorting_and_selecting_agree_with_qsort) {
    enum { N = 5000 };
    static uint64_t keys[N], expected[N], tmp[N];
    static float w[N];
    static const uint32_t sizes[] = {1, 2, 7, 48, 49, 300, 1025, N};
    for (size_t k = 0; k < IG_COUNT(sizes); k++) {
        uint32_t n = sizes[k];
        for (uint32_t i = 0; i < n; i++) {
            /* Few different logits, so that ids decide often. */
            keys[i] = ig_key_of((float)(int)(ig_uniform(k, i, 0) * 40.0) - 20.0f, (int32_t)i);
            w[i] = (float)ig_uniform(k, i, 1);
        }
        memcpy(expected, keys, n * sizeof *keys);
        qsort(expected, n, sizeof *expected, descending);
        for (uint32_t wanted = 1; wanted <= n; wanted += 1 + wanted / 3)
            CHECK(ig_keys_prefix(keys, NULL, n, wanted, false) == expected[wanted - 1]);
        CHECK(ig_keys_prefix(keys, NULL, n, n + 1.0, false) == 0);
        for (int part = 1; part < 10; part++) {
            double total = 0.0, sum = 0.0;
            for (uint32_t i = 0; i < n; i++)
                total += (double)w[i];
            uint64_t lowest = ig_keys_prefix(keys, w, n, total * part / 10.0 + 1e-4, part & 1);
            uint32_t at = 0;
            for (; at < n && sum < total * part / 10.0 + 1e-4; at++)
                for (uint32_t i = 0; i < n; i++)
                    if (keys[i] == expected[at])
                        sum += (double)w[i];
            CHECK(lowest == expected[at - 1]);
        }
        ig_keys_sort(keys, tmp, n);
        CHECK(memcmp(keys, expected, n * sizeof *keys) == 0);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(philox_gives_the_published_numbers),
               T(uniform_numbers_fill_the_interval), T(exponential_of_floats_is_within_two_ulp),
               T(series_agree_with_libm), T(keys_keep_the_order_of_floats),
               T(sorting_and_selecting_agree_with_qsort));
}
