/* test_sampler.c: the life of a sampler: parameters, chains by name, seeds, clone and reset, broken
 * logits, masks, memory. */
#include <float.h>

#include "sample/sampler_int.h"
#include "test.h"

#define V 1000

static float logits[V];

static void make_logits(uint32_t seed) {
    for (uint32_t i = 0; i < V; i++) {
        seed = 1664525u * seed + 1013904223u;
        logits[i] = (float)(seed >> 8) / 16777216.0f * 14.0f - 7.0f;
    }
}

static ig_sample_params defaults(void) {
    ig_sample_params p;
    ig_sample_defaults(&p);
    p.seed = 42;
    return p;
}

TEST(chains_are_parsed_from_names_and_letters) {
    ig_err err = {0};
    ig_sample_params a = defaults(), b = defaults();
    REQUIRE_OK(ig_sample_chain_parse(
        IG_STR("penalties;dry;top_n_sigma;top_k;typ_p;top_p;min_p;xtc;temperature"), &a, &err));
    REQUIRE_OK(ig_sample_chain_parse(IG_STR("edskypmxt"), &b, &err));
    CHECK_EQ(a.n_chain, 9);
    CHECK_EQ(b.n_chain, 9);
    CHECK(memcmp(a.chain, b.chain, sizeof a.chain) == 0);
    ig_sample_params d = defaults();
    CHECK(memcmp(a.chain, d.chain, sizeof a.chain) == 0);
    CHECK_OK(ig_sample_chain_parse(IG_STR("Top-K;nucleus;temp;minp;"), &a, &err));
    CHECK_EQ(a.n_chain, 4);
    CHECK_EQ(a.chain[0], IG_SAMPLER_TOP_K);
    CHECK_EQ(a.chain[1], IG_SAMPLER_TOP_P);
    CHECK_EQ(a.chain[2], IG_SAMPLER_TEMPERATURE);
    CHECK_EQ(a.chain[3], IG_SAMPLER_MIN_P);
    CHECK_OK(ig_sample_chain_parse(IG_STR("dry"), &a, &err));
    CHECK_EQ(a.n_chain, 1);
    CHECK_OK(ig_sample_chain_parse(IG_STR(""), &a, &err));
    CHECK_EQ(a.n_chain, 0);
    REQUIRE_OK(ig_sample_chain_parse(IG_STR("temperature;penalties;min_p;top_k;top_p"), &a, &err));
    CHECK_OK(ig_sample_chain_parse(IG_STR("trtllm"), &b, &err));
    CHECK_EQ(b.n_chain, 5);
    CHECK(memcmp(a.chain, b.chain, a.n_chain * sizeof *a.chain) == 0);
    CHECK_OK(ig_sample_chain_parse(IG_STR("kk"), &a, &err));
    CHECK_EQ(ig_sample_chain_parse(IG_STR("top_k;top_q"), &a, &err), IG_EARGUMENT);
    CHECK(strstr(err.message, "\"top_q\"") && strstr(err.message, "adaptive_p (a)"));
    CHECK_EQ(a.n_chain, 2); /* unchanged by the failure */
    CHECK_EQ(ig_sample_chain_parse(IG_STR("ki"), &a, &err), IG_EARGUMENT);
    CHECK_EQ(ig_sample_chain_parse(IG_STR("kkkkkkkkkkkkkkkkk"), &a, &err), IG_ELIMIT);
    CHECK_STR(ig_sampler_name(IG_SAMPLER_TYPICAL), "typ_p");
    CHECK(ig_sampler_name(IG_SAMPLER_COUNT) == NULL);
}

static void refused(const ig_sample_params *p, uint32_t n_vocab, const char *field, int line) {
    ig_err err = {0};
    ig_sampler *s = NULL;
    ig_status status = ig_sampler_create(&s, p, n_vocab, &err);
    if (ig_sampler_check(p, n_vocab, NULL) != status)
        TEST_FAIL("line %d: %s: check and create disagree", line, field);
    if ((status != IG_EARGUMENT && status != IG_ELIMIT) || !strstr(err.message, field) || s)
        TEST_FAIL("line %d: %s: status %d, \"%s\"", line, field, (int)status, err.message);
    ig_sampler_destroy(&s);
}

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        ig_sample_params p_ = defaults();                                                          \
        p_.field = (value);                                                                        \
        refused(&p_, V, #field, __LINE__);                                                         \
    } while (0)

TEST(parameters_out_of_range_are_refused_by_name) {
    REFUSED(temperature, NAN);
    REFUSED(temperature, INFINITY);
    REFUSED(dynatemp_range, -0.1f);
    REFUSED(dynatemp_exponent, -1.0f);
    REFUSED(top_p, 1.5f);
    REFUSED(top_p, NAN);
    REFUSED(min_p, -0.5f);
    REFUSED(typical_p, 2.0f);
    REFUSED(top_n_sigma, NAN);
    REFUSED(xtc_probability, 1.1f);
    REFUSED(xtc_threshold, -0.1f);
    REFUSED(min_keep, -1);
    REFUSED(penalty_last_n, -2);
    REFUSED(penalty_last_n, INT32_MAX);
    REFUSED(penalty_last_n, -1); /* without context_tokens */
    REFUSED(penalty_repeat, 0.0f);
    REFUSED(penalty_frequency, NAN);
    REFUSED(penalty_presence, INFINITY);
    REFUSED(dry_multiplier, -1.0f);
    REFUSED(dry_base, 0.5f);
    REFUSED(dry_allowed_length, -1);
    REFUSED(dry_penalty_last_n, -5);
    REFUSED(mirostat, 3);
    REFUSED(mirostat_tau, NAN);
    REFUSED(mirostat_eta, -1.0f);
    REFUSED(adaptive_target, 1.1f);
    REFUSED(adaptive_decay, 1.0f);
    REFUSED(top_p_min, -0.1f);
    REFUSED(top_p_min, NAN);
    REFUSED(top_p_decay, 0.0f);
    REFUSED(top_p_decay, 1.1f);
    REFUSED(top_p_decay, NAN);
    REFUSED(top_p_reset_id, -2);
    REFUSED(top_p_reset_id, V);
    REFUSED(no_repeat_ngram, 3); /* without context_tokens */
    REFUSED(n_end_ids, IG_END_IDS_MAX + 1);
    REFUSED(n_bad_words, IG_BAD_WORDS_MAX + 1);
    REFUSED(n_chain, 17);
    REFUSED(chain[2], (ig_sampler_kind)99);
    REFUSED(chain[2], IG_SAMPLER_ADAPTIVE_P);
    REFUSED(context_tokens, UINT32_MAX);
    REFUSED(n_probs, V + 1);
    REFUSED(n_logit_bias, UINT32_MAX);
    REFUSED(n_dry_breakers, UINT32_MAX);
    ig_sample_params p = defaults();
    refused(&p, 0, "n_vocab", __LINE__);
    refused(&p, UINT32_MAX, "n_vocab", __LINE__);
    ig_logit_bias bias[2] = {{5, 1.0f}, {V, 1.0f}};
    p.logit_bias = bias;
    p.n_logit_bias = 2;
    refused(&p, V, "logit_bias[1]", __LINE__);
    bias[1] = (ig_logit_bias){-1, 1.0f};
    refused(&p, V, "logit_bias[1]", __LINE__);
    bias[1] = (ig_logit_bias){1, NAN};
    refused(&p, V, "logit_bias[1]", __LINE__);
    bias[1] = (ig_logit_bias){1, INFINITY};
    refused(&p, V, "logit_bias[1]", __LINE__);
    p = defaults();
    int32_t ids[22] = {0, V};
    ig_token_run run = {ids, 2};
    p.dry_breakers = &run;
    p.n_dry_breakers = 1;
    refused(&p, V, "dry_breakers[0]", __LINE__);
    run.n = 0;
    refused(&p, V, "dry_breakers[0]", __LINE__);
    run.n = 22;
    refused(&p, V, "dry_breakers[0]", __LINE__);
}

TEST(lists_out_of_range_are_refused_by_name) {
    ig_sample_params p = defaults();
    int32_t ids[IG_WORD_TOKENS_MAX + 1] = {0, V};
    static float bias[V];
    p.end_ids = ids;
    p.n_end_ids = 2;
    refused(&p, V, "end_ids[1]", __LINE__);
    ids[1] = -1;
    refused(&p, V, "end_ids[1]", __LINE__);
    p = defaults();
    ig_token_run words[2] = {{ids, 1}, {ids, 2}};
    p.bad_words = words;
    p.n_bad_words = 2;
    refused(&p, V, "bad_words[1]", __LINE__);
    words[1].n = 0;
    refused(&p, V, "bad_words[1]", __LINE__);
    ids[1] = 0;
    words[1].n = IG_WORD_TOKENS_MAX + 1;
    refused(&p, V, "bad_words[1]", __LINE__);
    words[1].n = IG_WORD_TOKENS_MAX;
    ig_err err = {0};
    CHECK_OK(ig_sampler_check(&p, V, &err));
    p = defaults();
    p.embedding_bias = bias;
    bias[7] = NAN;
    refused(&p, V, "embedding_bias[7]", __LINE__);
    bias[7] = INFINITY;
    refused(&p, V, "embedding_bias[7]", __LINE__);
    bias[7] = -INFINITY;
    CHECK_OK(ig_sampler_check(&p, V, &err));
    p = defaults();
    p.no_repeat_ngram = 1u << 30; /* the way TensorRT-LLM says off */
    CHECK_OK(ig_sampler_check(&p, V, &err));
}

/* A chain with state everywhere. */
static const int32_t breaker_ids[] = {9, 4, 4};
static const ig_token_run breakers[] = {{breaker_ids, 2}, {breaker_ids + 2, 1}};
static float embedding_bias[V];

static ig_sample_params stateful(void) {
    ig_sample_params p = defaults();
    p.penalty_repeat = 1.3f;
    p.penalty_last_n = -1;
    p.context_tokens = 50;
    p.dry_multiplier = 0.8f;
    p.dry_breakers = breakers;
    p.n_dry_breakers = 2;
    p.adaptive_target = 0.3f;
    p.xtc_probability = 0.5f;
    p.temperature = 1.5f;
    p.chain[p.n_chain++] = IG_SAMPLER_ADAPTIVE_P;
    p.n_probs = 5;
    p.top_p_decay = 0.9f;
    p.top_p_min = 0.3f;
    p.top_p_reset_id = 17;
    p.no_repeat_ngram = 2;
    p.penalty_presence = 0.5f;
    p.min_tokens = 20;
    p.end_ids = breaker_ids;
    p.n_end_ids = 2;
    p.bad_words = breakers;
    p.n_bad_words = 2;
    p.embedding_bias = embedding_bias;
    for (int i = 0; i < V; i++)
        embedding_bias[i] = (float)(i % 7) * 0.1f;
    return p;
}
static void draw_some(ig_sampler *s, int n, int32_t *ids) {
    ig_err err = {0};
    for (int i = 0; i < n; i++) {
        ig_draw draw = {0};
        make_logits((uint32_t)i);
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        ids[i] = draw.id;
    }
}

TEST(clone_and_reset_repeat_the_draws) {
    ig_err err = {0};
    ig_sample_params p = stateful();
    ig_sampler *s = NULL, *copy = NULL, *other = NULL;
    int32_t first[200], again[200], different[200];
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    draw_some(s, 200, first);
    ig_sampler_reset(s);
    draw_some(s, 200, again);
    CHECK(memcmp(first, again, sizeof first) == 0);
    REQUIRE_OK(ig_sampler_clone(&copy, s, &err));
    draw_some(s, 200, first);
    ig_sampler_destroy(&s);
    draw_some(copy, 200, again);
    CHECK(memcmp(first, again, sizeof first) == 0);
    CHECK_EQ(ig_sampler_seed(copy), 42);
    p.seed = 43;
    REQUIRE_OK(ig_sampler_create(&other, &p, V, &err));
    draw_some(other, 200, different);
    ig_sampler_reset(copy);
    draw_some(copy, 200, again);
    CHECK(memcmp(different, again, sizeof again) != 0);
    ig_sampler_destroy(&copy);
    ig_sampler_destroy(&other);
}

TEST(samplers_sharing_scratch_do_not_meet) {
    ig_err err = {0};
    ig_sample_params p = stateful();
    ig_sampler *alone = NULL, *a = NULL, *b = NULL;
    ig_sample_scratch *scratch = NULL;
    int32_t expected[100];
    REQUIRE_OK(ig_sampler_create(&alone, &p, V, &err));
    draw_some(alone, 100, expected);
    REQUIRE_OK(ig_sample_scratch_create(&scratch, V, &err));
    p.scratch = scratch;
    refused(&p, V - 1, "scratch", __LINE__);
    REQUIRE_OK(ig_sampler_create(&a, &p, V, &err));
    p.seed = 5;
    p.temperature = 0.0f;
    REQUIRE_OK(ig_sampler_create(&b, &p, V, &err));
    for (int i = 0; i < 100; i++) {
        ig_draw x = {0}, y = {0};
        make_logits((uint32_t)i);
        CHECK_OK(ig_sampler_draw(a, logits, NULL, &x, &err));
        make_logits((uint32_t)i + 7);
        CHECK_OK(ig_sampler_draw(b, logits, NULL, &y, &err));
        CHECK_EQ(x.id, expected[i]);
    }
    ig_sampler_destroy(&alone);
    ig_sampler_destroy(&a);
    ig_sampler_destroy(&b);
    ig_sample_scratch_destroy(&scratch);
    CHECK(scratch == NULL);
}

TEST(memory_follows_the_look_back) {
    enum { LARGE = 1 << 20 };
    ig_err err = {0};
    ig_sample_scratch *scratch = NULL;
    ig_sampler *s = NULL;
    ig_sample_params p = defaults();
    p.penalty_repeat = 1.2f;
    p.penalty_presence = 0.1f;
    p.prompt_ignore = 9;
    p.dry_multiplier = 0.8f;
    REQUIRE_OK(ig_sample_scratch_create(&scratch, LARGE, &err));
    p.scratch = scratch;
    REQUIRE_OK(ig_sampler_create(&s, &p, LARGE, &err));
    CHECK(s->bytes < 10000);
    ig_sampler_destroy(&s);
    ig_sample_scratch_destroy(&scratch);
}

TEST(seeds) {
    ig_err err = {0};
    ig_sample_params p = defaults();
    uint64_t seen[2];
    for (int i = 0; i < 2; i++) {
        ig_sampler *s = NULL;
        p.seed = i ? UINT64_MAX : UINT32_MAX;
        REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
        seen[i] = ig_sampler_seed(s);
        CHECK(seen[i] != p.seed && seen[i] < 1ull << 53);
        ig_sampler_destroy(&s);
    }
    CHECK(seen[0] != seen[1]);
}

TEST(greedy_takes_the_first_maximum) {
    ig_err err = {0};
    ig_sample_params p = defaults();
    ig_sampler *s = NULL;
    ig_draw draw;
    p.temperature = 0.0f;
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    for (int32_t at = 0; at < V; at++) {
        make_logits((uint32_t)at);
        logits[at] = 99.0f;
        logits[V - 1] = 99.0f;
        logits[(at + V - 1) / 2] = 99.0f;
        int32_t first = at < (at + V - 1) / 2 ? at : (at + V - 1) / 2;
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK_EQ(draw.id, first);
        CHECK(draw.p == 1.0f);
    }
    ig_sampler_destroy(&s);
}

TEST(broken_logits) {
    ig_err err = {0};
    static const char *const chains[] = {"", "k", "p", "m", "y", "x", "t", "s", "edskypmxt", "tk"};
    for (size_t k = 0; k < IG_COUNT(chains); k++) {
        ig_sample_params p = defaults();
        ig_sampler *s = NULL;
        ig_draw draw = {.id = -7};
        p.typical_p = 0.5f;
        p.xtc_probability = 1.0f;
        p.top_n_sigma = 1.0f;
        CHECK_OK(ig_sample_chain_parse(ig_str_of(chains[k]), &p, &err));
        REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
        for (int i = 0; i < V; i++)
            logits[i] = i % 2 ? NAN : -INFINITY;
        CHECK_EQ(ig_sampler_draw(s, logits, NULL, &draw, &err), IG_EARGUMENT);
        CHECK_EQ(draw.id, -7);
        logits[501] = -3.0f;
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK_EQ(draw.id, 501);
        CHECK(draw.p == 1.0f);
        logits[77] = INFINITY;
        CHECK_EQ(ig_sampler_draw(s, logits, NULL, &draw, &err), IG_EARGUMENT);
        for (int i = 0; i < V; i++)
            logits[i] = i % 3 ? -FLT_MAX : i % 2 ? FLT_MAX : -INFINITY;
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK(draw.p > 0.0f && draw.p <= 1.0f && logits[draw.id] == FLT_MAX);
        ig_sampler_destroy(&s);
    }
}

TEST(a_failed_draw_changes_nothing) {
    ig_err err = {0};
    ig_sample_params p = stateful();
    ig_sampler *s = NULL;
    int32_t first[50], again[50];
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    draw_some(s, 50, first);
    ig_sampler_reset(s);
    for (int i = 0; i < 50; i++) {
        ig_draw draw;
        for (int j = 0; j < V; j++)
            logits[j] = NAN;
        CHECK_EQ(ig_sampler_draw(s, logits, NULL, &draw, &err), IG_EARGUMENT);
        make_logits((uint32_t)i);
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        again[i] = draw.id;
    }
    CHECK(memcmp(first, again, sizeof first) == 0);
    CHECK_EQ(ig_sampler_accept(s, V, &err), IG_EARGUMENT);
    CHECK_EQ(ig_sampler_accept(s, -1, &err), IG_EARGUMENT);
    ig_sampler_destroy(&s);
}

TEST(only_allowed_tokens_are_drawn) {
    ig_err err = {0};
    uint32_t mask[(V + 31) / 32], none[(V + 31) / 32] = {0};
    static const uint32_t steps[] = {1, 3, 40, 64, 100, 999};
    for (size_t k = 0; k < IG_COUNT(steps); k++) {
        ig_sample_params p = defaults();
        ig_sampler *s = NULL;
        ig_draw draw;
        p.penalty_repeat = 1.5f;
        p.temperature = 5.0f;
        REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
        memset(mask, 0, sizeof mask);
        for (uint32_t i = 0; i < V; i += steps[k])
            mask[i / 32] |= 1u << i % 32;
        mask[(V - 1) / 32] |= 0xFFFFFF00u; /* bits beyond the vocabulary do not count */
        for (uint32_t i = 0; i < 200; i++) {
            make_logits(i);
            CHECK_OK(ig_sampler_draw(s, logits, mask, &draw, &err));
            CHECK((uint32_t)draw.id < V && (mask[draw.id / 32] >> draw.id % 32 & 1));
        }
        CHECK_EQ(ig_sampler_draw(s, logits, none, &draw, &err), IG_EARGUMENT);
        ig_sampler_destroy(&s);
    }
}

TEST(log_probabilities_of_raw_logits) {
    make_logits(9);
    logits[3] = NAN;
    logits[4] = -INFINITY;
    double sum = 0.0;
    for (int i = 0; i < V; i++)
        sum += logits[i] > -INFINITY ? exp((double)logits[i]) : 0.0;
    double lse = ig_logits_logsumexp(logits, V);
    CHECK_NEAR(lse, log(sum), 1e-7);
    static ig_candidate top[V];
    for (uint32_t n = 0; n <= V; n = n * 2 + 1) {
        CHECK_EQ(ig_logits_top(logits, V, lse, top, n), n < V - 2 ? n : V - 2);
        for (uint32_t i = 0; i < n && i < V - 2; i++) {
            CHECK_NEAR((double)top[i].p, exp((double)logits[top[i].id] - lse), 1e-7);
            CHECK(i == 0 || top[i - 1].p > top[i].p ||
                  (top[i - 1].p == top[i].p && logits[top[i - 1].id] >= logits[top[i].id]));
        }
        int above = 0;
        for (int i = 0; n > 0 && n < V - 2 && i < V; i++)
            above += logits[i] > logits[top[n - 1].id];
        CHECK(n == 0 || n >= V - 2 || above == (int)n - 1);
    }
    for (int i = 0; i < V; i++)
        logits[i] = NAN;
    CHECK(ig_logits_logsumexp(logits, V) == -INFINITY);
}

TEST(every_allocation_may_fail) {
    ig_err err = {0};
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        ig_sample_params p = stateful();
        ig_logit_bias bias = {3, -INFINITY};
        ig_sampler *s = NULL, *copy = NULL;
        p.logit_bias = &bias;
        p.n_logit_bias = 1;
        ig_alloc_fail_after(n);
        ig_status status = ig_sampler_create(&s, &p, V, &err);
        if (!status)
            status = ig_sampler_clone(&copy, s, &err);
        uint64_t made = ig_alloc_fail_after(0);
        done = status == IG_OK;
        CHECK(done || status == IG_EMEMORY);
        if (done) {
            CHECK_EQ(made, 4);
            ig_draw draw;
            make_logits(1);
            CHECK_OK(ig_sampler_draw(copy, logits, NULL, &draw, &err));
            CHECK_EQ(ig_alloc_fail_after(0), 0); /* a draw never allocates */
        }
        ig_sampler_destroy(&s);
        ig_sampler_destroy(&copy);
        REQUIRE(n < 20);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(chains_are_parsed_from_names_and_letters),
               T(parameters_out_of_range_are_refused_by_name),
               T(lists_out_of_range_are_refused_by_name), T(clone_and_reset_repeat_the_draws),
               T(samplers_sharing_scratch_do_not_meet), T(memory_follows_the_look_back), T(seeds),
               T(greedy_takes_the_first_maximum), T(broken_logits),
               T(a_failed_draw_changes_nothing), T(only_allowed_tokens_are_drawn),
               T(log_probabilities_of_raw_logits), T(every_allocation_may_fail));
}
