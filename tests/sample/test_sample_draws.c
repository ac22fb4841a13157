/* test_sample_draws.c: distributions of draws against closed forms (chi-square with fixed seeds),
 * and the state of mirostat and adaptive-p against plain double-precision versions. */
#include "sample/sample.h"
#include "test.h"

#define V 40
#define DRAWS 40000

static float logits[V];

static void make_logits(void) {
    for (int i = 0; i < V; i++)
        logits[i] = 3.0f * sinf((float)(i * i)) + (i % 5 == 0 ? 1.0f : 0.0f);
}

static ig_sampler *sampler_of(const char *chain, ig_sample_params *p) {
    ig_err err = {0};
    ig_sampler *s = NULL;
    CHECK_OK(ig_sample_chain_parse(ig_str_of(chain), p, &err));
    CHECK_OK(ig_sampler_create(&s, p, V, &err));
    return s;
}

static ig_sample_params defaults(uint64_t seed) {
    ig_sample_params p;
    ig_sample_defaults(&p);
    p.seed = seed;
    return p;
}

static void softmax(const double *l, double *q, int n) {
    double max = -INFINITY, sum = 0.0;
    for (int i = 0; i < n; i++)
        max = fmax(max, l[i]);
    for (int i = 0; i < n; i++)
        sum += q[i] = exp(l[i] - max);
    for (int i = 0; i < n; i++)
        q[i] /= sum;
}

/* Ids by descending value, ties by id. */
static void order_of(const double *value, int *order, int n) {
    for (int i = 0; i < n; i++) {
        int j = i;
        for (; j > 0 && value[order[j - 1]] < value[i]; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
}

/* Draws many times and compares counts with q; expectations below 5 are pooled. */
static void check_distribution(ig_sampler *s, const double *q, const char *what) {
    ig_err err = {0};
    int count[V] = {0};
    for (int i = 0; i < DRAWS; i++) {
        ig_draw draw;
        REQUIRE_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        count[draw.id]++;
    }
    double chi = 0.0, rest = 0.0, rest_count = 0.0;
    int degrees = -1;
    for (int i = 0; i < V; i++) {
        double expected = q[i] * DRAWS;
        if (q[i] <= 0.0 && count[i])
            TEST_FAIL("%s: token %d was drawn and must not be", what, i);
        if (expected < 5.0) {
            rest += expected;
            rest_count += count[i];
            continue;
        }
        chi += (count[i] - expected) * (count[i] - expected) / expected;
        degrees++;
    }
    if (rest >= 5.0) {
        chi += (rest_count - rest) * (rest_count - rest) / rest;
        degrees++;
    }
    /* Wilson–Hilferty: about normal; 3.5 deviations either way, too good is wrong as well. */
    double k = degrees, z = (cbrt(chi / k) - (1.0 - 2.0 / (9.0 * k))) / sqrt(2.0 / (9.0 * k));
    if (!(fabs(z) < 3.5))
        TEST_FAIL("%s: chi-square %.1f with %d degrees of freedom, z %.2f", what, chi, degrees, z);
    ig_sampler_destroy(&s);
}

/* Softmax over the tokens that keep[] has. */
static void kept_softmax(const bool *keep, double temperature, double *q) {
    double l[V];
    for (int i = 0; i < V; i++)
        l[i] = keep[i] ? (double)logits[i] / temperature : -INFINITY;
    softmax(l, q, V);
}

static void keep_prefix(const int *order, int n, bool *keep) {
    memset(keep, 0, V * sizeof *keep);
    for (int i = 0; i < n; i++)
        keep[order[i]] = true;
}

TEST(draws_follow_the_distribution) {
    make_logits();
    double l[V], q[V], want[V], distance[V];
    int order[V];
    bool keep[V];
    for (int i = 0; i < V; i++)
        l[i] = (double)logits[i];
    softmax(l, q, V);
    order_of(l, order, V);
    ig_sample_params p = defaults(0);
    check_distribution(sampler_of("", &p), q, "plain, seed 0");

    keep_prefix(order, V, keep);
    p = defaults(1);
    p.temperature = 1.6f;
    kept_softmax(keep, (double)1.6f, want);
    check_distribution(sampler_of("t", &p), want, "temperature");

    p = defaults(2);
    p.top_k = 9;
    keep_prefix(order, 9, keep);
    kept_softmax(keep, 1.0, want);
    check_distribution(sampler_of("k", &p), want, "top-k");

    p = defaults(3);
    p.top_p = 0.8f;
    double sum = 0.0;
    int n = 0;
    while (sum < (double)p.top_p)
        sum += q[order[n++]];
    keep_prefix(order, n, keep);
    kept_softmax(keep, 1.0, want);
    check_distribution(sampler_of("p", &p), want, "top-p");

    p = defaults(4);
    p.min_p = 0.2f;
    for (int i = 0; i < V; i++)
        keep[i] = q[i] >= (double)p.min_p * q[order[0]];
    kept_softmax(keep, 1.0, want);
    check_distribution(sampler_of("m", &p), want, "min-p");

    p = defaults(5);
    p.typical_p = 0.5f;
    double entropy = 0.0;
    for (int i = 0; i < V; i++)
        entropy -= q[i] * log(q[i]);
    for (int i = 0; i < V; i++)
        distance[i] = -fabs(-log(q[i]) - entropy);
    int near[V];
    order_of(distance, near, V);
    for (sum = 0.0, n = 0; sum <= (double)p.typical_p;)
        sum += q[near[n++]];
    keep_prefix(near, n, keep);
    kept_softmax(keep, 1.0, want);
    check_distribution(sampler_of("y", &p), want, "typical");

    p = defaults(6);
    p.xtc_probability = 0.4f;
    p.xtc_threshold = 0.05f;
    for (n = 0; q[order[n]] >= (double)p.xtc_threshold;)
        n++;
    CHECK(n > 2);
    for (int i = 0; i < V; i++)
        keep[i] = true;
    for (int i = 0; i + 1 < n; i++)
        keep[order[i]] = false;
    kept_softmax(keep, 1.0, want);
    for (int i = 0; i < V; i++)
        want[i] = (double)p.xtc_probability * want[i] + (1.0 - (double)p.xtc_probability) * q[i];
    check_distribution(sampler_of("x", &p), want, "xtc");
}

TEST(xtc_takes_its_random_number_from_another_stream) {
    /* Were the streams one, every low u would both cut and pick a first candidate. */
    make_logits();
    ig_err err = {0};
    ig_sample_params p = defaults(8);
    p.xtc_threshold = 0.05f;
    p.xtc_probability = 0.5f;
    p.n_probs = V;
    ig_sampler *s = sampler_of("x", &p);
    int cut_low = 0, cut = 0;
    for (int i = 0; i < 4000; i++) {
        ig_draw draw;
        ig_candidate left[V];
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        if (ig_sampler_candidates(s, left, V) < V) {
            cut++;
            cut_low += draw.id < V / 2;
        }
    }
    CHECK(cut > 1800 && cut < 2200);
    CHECK(cut_low > cut / 5 && cut_low < cut * 4 / 5);
    ig_sampler_destroy(&s);
}

static int mirostat_1_kept(const double *l, const int *order, double mu) {
    double tb = 0.0, tt = 0.0;
    for (int i = 0; i < 99 && i + 1 < V; i++) {
        double t = log((i + 2.0) / (i + 1.0));
        tb += t * (l[order[i]] - l[order[i + 1]]);
        tt += t * t;
    }
    double exponent = tb / tt, e = exponent - 1.0;
    int k = (int)pow(e * exp2(mu) / (1.0 - pow(V, -e)), 1.0 / exponent);
    return k < 1 ? 1 : k > V ? V : k;
}

static void check_mirostat(int version, double tau, uint64_t seed) {
    make_logits();
    ig_err err = {0};
    ig_sample_params p = defaults(seed);
    p.mirostat = version;
    p.mirostat_tau = (float)tau;
    p.temperature = 1.3f;
    p.n_probs = V;
    ig_sampler *s = sampler_of("edskypmxt", &p);
    double mu = 2.0 * (double)p.mirostat_tau, l[V], q[V];
    int order[V];
    for (int step = 0; step < 200; step++) {
        for (int i = 0; i < V; i++)
            l[i] = (double)(logits[i] + cosf((float)(i + step))) / (double)p.temperature;
        float now[V];
        for (int i = 0; i < V; i++)
            now[i] = logits[i] + cosf((float)(i + step));
        softmax(l, q, V);
        order_of(l, order, V);
        int kept = 0;
        while (kept < V && -log2(q[order[kept]]) <= mu)
            kept++;
        kept = version == 1 ? mirostat_1_kept(l, order, mu) : kept > 1 ? kept : 1;
        double sum = 0.0;
        for (int i = 0; i < kept; i++)
            sum += q[order[i]];
        ig_draw draw;
        ig_candidate left[V];
        REQUIRE_OK(ig_sampler_draw(s, now, NULL, &draw, &err));
        REQUIRE(ig_sampler_candidates(s, left, V) == (uint32_t)kept);
        for (int i = 0; i < kept; i++)
            CHECK_NEAR((double)left[i].p, q[order[i]] / sum, 1e-6);
        double chosen = q[draw.id] / sum;
        CHECK_NEAR((double)draw.p, chosen, 1e-6);
        mu -= (double)p.mirostat_eta * (-log2(chosen) - (double)p.mirostat_tau);
    }
    ig_sampler_destroy(&s);
}

TEST(mirostat_follows_its_trajectory) {
    check_mirostat(1, 3.0, 11);
    check_mirostat(1, 1.0, 12);
    check_mirostat(2, 3.0, 13);
    check_mirostat(2, 0.5, 14);
    check_mirostat(2, 5.0, 15);
}

TEST(mirostat_survives_flat_and_single_candidates) {
    ig_err err = {0};
    float flat[V] = {0};
    for (int version = 1; version <= 2; version++)
        for (int greedy = 0; greedy < 2; greedy++) {
            ig_sample_params p = defaults(3);
            p.mirostat = version;
            p.temperature = greedy ? 0.0f : 1.0f;
            ig_sampler *s = sampler_of("", &p);
            for (int i = 0; i < 50; i++) {
                ig_draw draw;
                CHECK_OK(ig_sampler_draw(s, flat, NULL, &draw, &err));
                CHECK(draw.id >= 0 && draw.id < V && draw.p > 0.0f && draw.p <= 1.0f);
                CHECK(!greedy || draw.id == 0);
            }
            ig_sampler_destroy(&s);
        }
}

TEST(adaptive_p_steers_to_its_target) {
    make_logits();
    ig_err err = {0};
    ig_sample_params p = defaults(21);
    p.adaptive_target = 0.15f;
    p.min_p = 0.01f;
    p.n_probs = V;
    ig_sampler *s = sampler_of("ma", &p);
    double decay = (double)p.adaptive_decay, target = (double)p.adaptive_target, l[V], q[V], w[V];
    double sum = target / (1.0 - decay), weight = 1.0 / (1.0 - decay);
    for (int step = 0; step < 200; step++) {
        double best = -INFINITY;
        for (int i = 0; i < V; i++)
            best = fmax(best, (double)logits[i]);
        for (int i = 0; i < V; i++)
            l[i] = (double)logits[i] >= best + log((double)p.min_p) ? (double)logits[i] : -INFINITY;
        softmax(l, q, V);
        double aim = fmin(fmax(2.0 * target - sum / weight, 0.0), 1.0);
        for (int i = 0; i < V; i++) {
            double d = fabs(q[i] - aim) / 0.3;
            w[i] = q[i] > 0.0 ? 5.0 - 10.0 * d * d / (1.0 + d) : -INFINITY;
        }
        double r[V];
        softmax(w, r, V);
        ig_draw draw;
        ig_candidate left[V];
        REQUIRE_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        uint32_t n = ig_sampler_candidates(s, left, V);
        for (uint32_t i = 0; i < n; i++)
            CHECK_NEAR((double)left[i].p, r[left[i].id], 1e-5);
        CHECK_NEAR((double)draw.p, r[draw.id], 1e-5);
        sum = q[draw.id] + decay * sum;
        weight = 1.0 + decay * weight;
    }
    ig_sampler_destroy(&s);
}

/* Who knows the maxima of the tiles draws the same tokens: also where biases and masks change
 * tiles, with a last tile that is not whole, and maxima that count for one draw only. */
TEST(known_maxima_change_no_draw) {
    enum { N = 1000, TILES = (N + IG_SAMPLE_TILE - 1) / IG_SAMPLE_TILE };
    static const char *const CHAINS[] = {"", "top_k", "penalties;top_k;top_p;min_p;temperature",
                                         "temperature;min_p", "top_n_sigma"};
    static const ig_logit_bias BIAS[] = {{70, 9.0f}, {999, 8.0f}, {3, -INFINITY}};
    static float x[N], maxima[TILES];
    static uint32_t mask[(N + 31) / 32];
    for (uint32_t k = 0; k < 4 * IG_COUNT(CHAINS); k++) {
        ig_sample_params p = defaults(k + 1);
        ig_sampler *a = NULL, *b = NULL;
        ig_err err = {0};
        p.penalty_repeat = 1.3f;
        p.logit_bias = BIAS;
        p.n_logit_bias = k % 2 ? IG_COUNT(BIAS) : 0;
        REQUIRE_OK(ig_sample_chain_parse(ig_str_of(CHAINS[k / 4]), &p, &err));
        REQUIRE_OK(ig_sampler_create(&a, &p, N, &err));
        REQUIRE_OK(ig_sampler_create(&b, &p, N, &err));
        for (uint32_t d = 0; d < 50; d++) {
            for (uint32_t t = 0; t < TILES; t++)
                maxima[t] = -INFINITY;
            for (uint32_t i = 0; i < N; i++) {
                x[i] = 6.0f * sinf((float)(i * (d + 3) * (k + 7)));
                x[i] = i % 97 == d ? NAN : x[i];
                maxima[i / IG_SAMPLE_TILE] = fmaxf(maxima[i / IG_SAMPLE_TILE], x[i]);
                if (i % 32 == 0)
                    mask[i / 32] = 0x5a5a0ff0u * (i + d + 1) | 1;
            }
            const uint32_t *allowed = k % 4 > 1 ? mask : NULL;
            ig_draw from_all, from_maxima;
            REQUIRE_OK(ig_sampler_draw(a, x, allowed, &from_all, &err));
            ig_sampler_know(b, d % 3 ? maxima : NULL);
            REQUIRE_OK(ig_sampler_draw(b, x, allowed, &from_maxima, &err));
            CHECK_EQ(from_all.id, from_maxima.id);
            CHECK(memcmp(&from_all.p, &from_maxima.p, sizeof from_all.p) == 0);
        }
        ig_sampler_destroy(&a);
        ig_sampler_destroy(&b);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(draws_follow_the_distribution),
               T(xtc_takes_its_random_number_from_another_stream),
               T(mirostat_follows_its_trajectory), T(mirostat_survives_flat_and_single_candidates),
               T(adaptive_p_steers_to_its_target), T(known_maxima_change_no_draw));
}
