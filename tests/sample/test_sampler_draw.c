/* test_sampler_draw.c: what stands beside the chain (bans, biases, ignored prompts, a decaying
 * top_p, sequences, forced tokens, edits) against plain versions that look at all tokens so far. */
#include "sample/sample.h"
#include "test.h"

#define V 150
#define STEPS 400
#define CONTEXT 60

static float logits[V], edited[V];
static uint32_t state = 1;

static uint32_t below(uint32_t n) {
    state = state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)state * n >> 32);
}

static void make_logits(float spread) {
    for (int i = 0; i < V; i++)
        logits[i] = ((float)below(1u << 20) / (float)(1u << 20) - 0.5f) * spread;
}

/* All tokens so far. */
typedef struct story {
    int32_t ids[2 * STEPS];
    int n, n_prompt;
} story;

static const int32_t word_ids[] = {3, 5, 7, 9, 5, 11, 5, 5};
static const ig_token_run words[] = {
    {word_ids, 1}, {word_ids + 1, 2}, {word_ids + 3, 3}, {word_ids + 6, 2}};
static const int32_t end_ids[] = {0, V - 1};
static const ig_logit_bias biases[] = {{20, 4.0f}, {21, -INFINITY}, {20, 1.0f}, {140, -2.5f}};
static float embedding[V];

static ig_sample_params many_parameters(void) {
    ig_sample_params p;
    ig_sample_defaults(&p);
    p.seed = 9;
    p.temperature = 1.7f;
    p.penalty_last_n = 40;
    p.penalty_repeat = 1.2f;
    p.penalty_frequency = 0.2f;
    p.penalty_presence = 0.4f;
    p.context_tokens = CONTEXT;
    p.no_repeat_ngram = 2;
    p.prompt_ignore = 25;
    p.min_tokens = 100;
    p.end_ids = end_ids;
    p.n_end_ids = 2;
    p.bad_words = words;
    p.n_bad_words = IG_COUNT(words);
    p.logit_bias = biases;
    p.n_logit_bias = IG_COUNT(biases);
    p.embedding_bias = embedding;
    for (int i = 0; i < V; i++)
        embedding[i] = i % 50 == 49 ? -INFINITY : (float)(i % 11) * 0.05f;
    return p;
}

static bool same_tokens(const int32_t *a, const int32_t *b, int n) {
    return n == 0 || memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static void naive_bans(const story *t, const ig_sample_params *p, double *x) {
    for (uint32_t i = 0; i < p->n_end_ids && t->n - t->n_prompt < (int)p->min_tokens; i++)
        x[p->end_ids[i]] = -INFINITY;
    for (uint32_t i = 0; i < p->n_bad_words; i++) {
        int before = (int)p->bad_words[i].n - 1;
        if (before <= t->n && same_tokens(t->ids + t->n - before, p->bad_words[i].ids, before))
            x[p->bad_words[i].ids[before]] = -INFINITY;
    }
    int n = (int)p->no_repeat_ngram, first = t->n > CONTEXT ? t->n - CONTEXT : 0;
    for (int at = first; n > 0 && at + n <= t->n; at++)
        if (same_tokens(t->ids + at, t->ids + t->n - (n - 1), n - 1))
            x[t->ids[at + n - 1]] = -INFINITY;
}

static void naive_penalties(const story *t, const ig_sample_params *p, double *x) {
    int first = t->n > p->penalty_last_n ? t->n - p->penalty_last_n : 0;
    int ignored = t->n_prompt < (int)p->prompt_ignore ? t->n_prompt : (int)p->prompt_ignore;
    int seen[V] = {0}, counted[V] = {0};
    for (int i = first; i < t->n; i++) {
        seen[t->ids[i]]++;
        counted[t->ids[i]] += i >= ignored;
    }
    for (int i = 0; i < V; i++) {
        if (seen[i])
            x[i] =
                x[i] <= 0.0 ? x[i] * (double)p->penalty_repeat : x[i] / (double)p->penalty_repeat;
        if (counted[i])
            x[i] -= counted[i] * (double)p->penalty_frequency + (double)p->penalty_presence;
    }
}

static void naive_edit(const story *t, const ig_sample_params *p, bool temperature_first,
                       double *x) {
    for (int i = 0; i < V; i++)
        x[i] = (double)logits[i] + (p->embedding_bias ? (double)p->embedding_bias[i] : 0.0);
    for (uint32_t i = 0; i < p->n_logit_bias; i++)
        x[p->logit_bias[i].id] += (double)p->logit_bias[i].bias;
    naive_bans(t, p, x);
    if (!temperature_first)
        naive_penalties(t, p, x);
    for (int i = 0; i < V && p->temperature > 0.0f; i++)
        x[i] /= (double)p->temperature;
    if (temperature_first)
        naive_penalties(t, p, x);
}

static void check_edit(ig_sampler *s, const double *expected) {
    ig_err err = {0};
    REQUIRE_OK(ig_sampler_edit(s, logits, NULL, edited, &err));
    for (int i = 0; i < V; i++) {
        bool forbidden = !(expected[i] > -INFINITY);
        if (forbidden != !(edited[i] > -INFINITY) ||
            !(forbidden || fabs((double)edited[i] - expected[i]) < 1e-5))
            TEST_FAIL("token %d is %g, must be %g", i, (double)edited[i], expected[i]);
    }
}

static void accept_prompt(ig_sampler *s, story *t, int n) {
    ig_err err = {0};
    t->n = t->n_prompt = n;
    for (int i = 0; i < n; i++) {
        t->ids[i] = (int32_t)below(30);
        CHECK_OK(ig_sampler_accept(s, t->ids[i], &err));
    }
}

/* Draws and forces tokens; before each, edits must be the naive ones, and a draw must be allowed.
 */
static void follow(const ig_sample_params *p, const char *chain, int n_prompt) {
    ig_err err = {0};
    ig_sampler *s = NULL;
    ig_sample_params q = *p;
    static story t;
    REQUIRE_OK(ig_sample_chain_parse(ig_str_of(chain), &q, &err));
    REQUIRE_OK(ig_sampler_create(&s, &q, V, &err));
    accept_prompt(s, &t, n_prompt);
    for (int step = 0; step < STEPS; step++) {
        double x[V];
        ig_draw draw = {.id = (int32_t)below(12)};
        make_logits(6.0f);
        naive_edit(&t, &q, strcmp(chain, "trtllm") == 0, x);
        check_edit(s, x);
        if (step % 4 == 3)
            CHECK_OK(ig_sampler_force(s, draw.id, &err));
        else
            REQUIRE_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        if (step % 4 != 3 && !(x[draw.id] > -INFINITY))
            TEST_FAIL("%s: step %d: forbidden token %d was drawn", chain, step, (int)draw.id);
        for (int i = 0; i < V && step % 4 != 3 && !(p->temperature > 0.0f); i++)
            CHECK(x[i] <= x[draw.id] + 1e-5);
        t.ids[t.n++] = draw.id;
    }
    ig_sampler_destroy(&s);
}

TEST(edits_and_bans_are_those_of_a_plain_version) {
    ig_sample_params p = many_parameters();
    follow(&p, "et", 50);
    follow(&p, "et", 3);
    follow(&p, "et", 0);
    follow(&p, "trtllm", 50);
    p.prompt_ignore = 1000; /* all of the prompt, nothing of the output */
    follow(&p, "et", 50);
    p.prompt_ignore = 0;
    follow(&p, "et", 50);
    p.penalty_last_n = CONTEXT;
    p.no_repeat_ngram = 3;
    p.embedding_bias = NULL;
    follow(&p, "trtllm", 90);
    p.no_repeat_ngram = CONTEXT;
    follow(&p, "et", 70);
    p.no_repeat_ngram = CONTEXT + 1; /* beyond the context: off */
    follow(&p, "et", 10);
    p.temperature = 0.0f; /* the best of the edited, and edits leave all */
    follow(&p, "et", 10);
}

TEST(unigrams_are_not_repeated) {
    ig_err err = {0};
    ig_sample_params p = many_parameters();
    ig_sampler *s = NULL;
    bool seen[V] = {false};
    p.no_repeat_ngram = 1;
    p.context_tokens = V;
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    for (int i = 0; i < 100; i++) {
        ig_draw draw = {0};
        make_logits(6.0f);
        REQUIRE_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK(!seen[draw.id]);
        seen[draw.id] = true;
    }
    ig_sampler_destroy(&s);
}

/* After a prompt, with nothing else on: is the token forbidden? */
static bool forbids(const ig_sample_params *p, const int32_t *prompt, int n, int32_t id) {
    ig_err err = {0};
    ig_sampler *s = NULL;
    CHECK_OK(ig_sampler_create(&s, p, V, &err));
    for (int i = 0; i < n; i++)
        CHECK_OK(ig_sampler_accept(s, prompt[i], &err));
    make_logits(6.0f);
    CHECK_OK(ig_sampler_edit(s, logits, NULL, edited, &err));
    ig_sampler_destroy(&s);
    return edited[id] == -INFINITY;
}

TEST(bans_do_not_look_beyond_the_first_token) {
    static const int32_t ids[] = {0, 7, 9, 5, 11}, prompt[] = {5, 7, 0, 5}, zeros[] = {0, 0};
    static const int32_t ones[] = {1, 1, 1, 1};
    static const ig_token_run short_word = {ids, 2}, long_word = {ids + 2, 3};
    ig_sample_params p;
    ig_sample_defaults(&p);
    p.seed = 1;
    p.bad_words = &short_word;
    p.n_bad_words = 1;
    CHECK(!forbids(&p, NULL, 0, 7));
    CHECK(forbids(&p, zeros, 1, 7));
    p.bad_words = &long_word; /* the history is as long as the longest word needs */
    CHECK(!forbids(&p, ids + 2, 1, 11));
    CHECK(forbids(&p, ids + 2, 2, 11));
    CHECK(forbids(&p, ids, 4, 11));
    p.n_bad_words = 0;
    p.context_tokens = CONTEXT;
    p.no_repeat_ngram = 3;
    CHECK(!forbids(&p, prompt, 4, 7)); /* no token stands before the first 5 */
    p.no_repeat_ngram = 6;
    CHECK(!forbids(&p, zeros, 2, 0));
    p.context_tokens = p.no_repeat_ngram = 3;
    CHECK(!forbids(&p, ones, 2, 1));
    CHECK(forbids(&p, ones, 3, 1));
    p.no_repeat_ngram = 4; /* beyond the context */
    CHECK(!forbids(&p, ones, 4, 1));
}

TEST(only_tokens_before_the_first_draw_are_ignored) {
    ig_err err = {0};
    ig_sample_params p;
    ig_sampler *s = NULL;
    ig_candidate left[2];
    ig_draw draw;
    ig_sample_defaults(&p);
    p.seed = 1;
    p.temperature = 1.0f;
    p.penalty_last_n = 2;
    p.penalty_presence = 1.0f;
    p.prompt_ignore = 10;
    p.n_probs = 2;
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    make_logits(6.0f);
    for (int32_t id = 2; id < 6; id++) /* 2 is ignored; 3 is drawn, and leaves the window */
        CHECK_OK(id == 3 ? ig_sampler_force(s, id, &err) : ig_sampler_accept(s, id, &err));
    CHECK_OK(ig_sampler_edit(s, logits, NULL, edited, &err));
    for (int i = 0; i < V; i++)
        CHECK_NEAR((double)edited[i], (double)logits[i] - (i == 4 || i == 5), 1e-6);
    CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
    CHECK_EQ(ig_sampler_candidates(s, left, 2), 2);
    CHECK_OK(ig_sampler_force(s, 9, &err)); /* nothing was drawn, nothing stood beside it */
    CHECK_EQ(ig_sampler_candidates(s, left, 2), 0);
    ig_sampler_reset(s);
    CHECK_OK(ig_sampler_edit(s, logits, NULL, edited, &err));
    CHECK(memcmp(logits, edited, sizeof logits) == 0);
    ig_sampler_destroy(&s);
}

TEST(edits_in_place_with_a_mask) {
    ig_err err = {0};
    ig_sample_params p = many_parameters();
    ig_sampler *s = NULL;
    uint32_t mask[(V + 31) / 32] = {0x0FF0FF00u, 0, 0, 0x1u, 0xFFFFFFFFu};
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    make_logits(6.0f);
    logits[9] = NAN;
    logits[10] = -INFINITY;
    REQUIRE_OK(ig_sampler_edit(s, logits, mask, edited, &err));
    REQUIRE_OK(ig_sampler_edit(s, logits, mask, logits, &err));
    CHECK(memcmp(logits, edited, sizeof logits) == 0);
    CHECK(edited[9] == -INFINITY && edited[10] == -INFINITY);
    for (int i = 0; i < V; i++)
        CHECK(edited[i] == -INFINITY || (mask[i / 32] >> i % 32 & 1));
    logits[8] = INFINITY;
    memcpy(edited, logits, sizeof logits);
    CHECK_EQ(ig_sampler_edit(s, logits, NULL, logits, &err), IG_EARGUMENT);
    CHECK(memcmp(logits, edited, sizeof logits) == 0);
    ig_sampler_destroy(&s);
}

TEST(a_dynamic_temperature_is_an_edit_too) {
    ig_err err = {0};
    ig_sample_params p;
    ig_sampler *s = NULL;
    ig_sample_defaults(&p);
    p.seed = 1;
    p.dynatemp_range = 0.5f;
    p.top_k = 1;
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    make_logits(6.0f);
    REQUIRE_OK(ig_sampler_edit(s, logits, NULL, edited, &err));
    double factor = (double)edited[0] / (double)logits[0];
    CHECK(factor > 1.0 / 1.3 && factor < 1.0 / 0.3 && fabs(factor - 1.25) > 1e-3);
    for (int i = 0; i < V; i++)
        CHECK_NEAR((double)edited[i], factor * (double)logits[i], 1e-5);
    ig_sampler_destroy(&s);
}

TEST(forbidding_everything_is_an_error) {
    ig_err err = {0};
    ig_sample_params p;
    ig_sampler *s = NULL, *other = NULL;
    ig_draw draw = {.id = -7}, expected;
    static int32_t ids[V];
    static ig_token_run all[V];
    ig_sample_defaults(&p);
    p.seed = 3;
    for (int i = 0; i < V; i++) {
        ids[i] = i;
        all[i] = (ig_token_run){ids + i, 1};
    }
    p.end_ids = ids;
    p.n_end_ids = V - 1;
    p.min_tokens = 2;
    REQUIRE_OK(ig_sampler_create(&other, &p, V, &err));
    p.bad_words = all + V - 1;
    p.n_bad_words = 1;
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    make_logits(6.0f);
    CHECK_EQ(ig_sampler_draw(s, logits, NULL, &draw, &err), IG_EARGUMENT);
    CHECK(strstr(err.message, "bad_words") && strstr(err.message, "forbid 150"));
    CHECK_EQ(draw.id, -7);
    CHECK_EQ(ig_sampler_edit(s, logits, NULL, edited, &err), IG_EARGUMENT);
    CHECK_EQ(ig_sampler_draw(s, logits, NULL, &draw, &err), IG_EARGUMENT); /* no draw was made */
    for (int i = 0; i < 2; i++) {
        CHECK_OK(ig_sampler_force(s, i, &err));
        CHECK_OK(ig_sampler_force(other, i, &err));
    }
    for (int i = 0; i < 5; i++) { /* both are free now, at the same place of the stream */
        logits[V - 1] = -INFINITY;
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK_OK(ig_sampler_draw(other, logits, NULL, &expected, &err));
        CHECK_EQ(draw.id, expected.id);
    }
    ig_sampler_destroy(&s);
    ig_sampler_destroy(&other);
}

/* How many tokens top_p leaves. */
static uint32_t naive_kept(double top_p) {
    double w[V], sum = 0.0, mass = 0.0;
    for (int i = 0; i < V; i++)
        mass += w[i] = exp((double)logits[i]);
    for (uint32_t n = 0;; n++) {
        int best = 0;
        for (int i = 1; i < V; i++)
            best = w[i] > w[best] ? i : best;
        if (n > 0 && sum >= top_p * mass)
            return n;
        if (n == V)
            return n;
        sum += w[best];
        w[best] = -1.0;
    }
}

static void check_decay(float start, float decay, float least, int32_t reset_id) {
    ig_err err = {0};
    ig_sample_params p;
    ig_sampler *s = NULL;
    ig_sample_defaults(&p);
    p.seed = 4;
    p.top_p = start;
    p.top_p_decay = decay;
    p.top_p_min = least;
    p.top_p_reset_id = reset_id;
    p.n_probs = V;
    CHECK_OK(ig_sample_chain_parse(IG_STR("p"), &p, &err));
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    float top_p = start;
    int resets = 0;
    for (int step = 0; step < 300; step++) {
        ig_draw draw;
        static ig_candidate left[V];
        make_logits(8.0f);
        if (step % 3 == 0)
            logits[7] = 5.0f;
        REQUIRE_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK_EQ(ig_sampler_candidates(s, left, V), naive_kept((double)top_p));
        if (decay < 1.0f)
            top_p = draw.id == reset_id ? start : fmaxf(top_p * decay, least);
        resets += draw.id == reset_id;
        if (step == 150) {
            ig_sampler_reset(s);
            top_p = start;
        }
    }
    CHECK(reset_id < 0 || resets > 20);
    ig_sampler_destroy(&s);
}

TEST(top_p_decays_and_is_set_back) {
    check_decay(0.9f, 1.0f, 1e-6f, -1);
    check_decay(0.2f, 1.0f, 0.6f, -1);
    check_decay(0.9f, 0.9f, 0.3f, -1);
    check_decay(0.9f, 0.8f, 1e-6f, 7);
    check_decay(1.0f, 0.8f, 0.1f, 7); /* begins with nothing to remove */
    check_decay(0.2f, 0.9f, 0.6f, 7); /* the floor may lift it */
}

TEST(a_top_p_of_1_removes_nothing_before_it_decays) {
    ig_err err = {0};
    ig_sample_params p;
    ig_sampler *s = NULL;
    static ig_candidate left[V];
    ig_sample_defaults(&p);
    p.seed = 4;
    p.top_p = 1.0f;
    p.top_p_decay = 0.5f;
    p.n_probs = V;
    CHECK_OK(ig_sample_chain_parse(IG_STR("p"), &p, &err));
    REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
    for (int i = 0; i < V; i++)
        logits[i] = i == 0 ? 0.0f : -200.0f; /* weigh nothing, but may be drawn */
    for (int i = 0; i < 2; i++) {
        ig_draw draw;
        CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
        CHECK_EQ(ig_sampler_candidates(s, left, V), i == 0 ? V : 1);
    }
    ig_sampler_destroy(&s);
}

TEST(sequences_have_streams_of_their_own) {
    ig_err err = {0};
    ig_sample_params p;
    int32_t ids[3][100];
    ig_sample_defaults(&p);
    p.seed = 5;
    p.temperature = 3.0f;
    for (uint32_t k = 0; k < 3; k++) {
        ig_sampler *s = NULL;
        p.sequence = k == 2 ? 1 : k;
        REQUIRE_OK(ig_sampler_create(&s, &p, V, &err));
        state = 77;
        for (int i = 0; i < 100; i++) {
            ig_draw draw = {0};
            make_logits(3.0f);
            CHECK_OK(ig_sampler_draw(s, logits, NULL, &draw, &err));
            ids[k][i] = draw.id;
        }
        ig_sampler_destroy(&s);
    }
    CHECK(memcmp(ids[0], ids[1], sizeof ids[0]) != 0);
    CHECK(memcmp(ids[1], ids[2], sizeof ids[1]) == 0);
}

static void draw_both(ig_sampler *a, ig_sampler *b, int n) {
    ig_err err = {0};
    for (int i = 0; i < n; i++) {
        ig_draw x = {0}, y = {0};
        make_logits(6.0f);
        REQUIRE_OK(ig_sampler_draw(a, logits, NULL, &x, &err));
        REQUIRE_OK(ig_sampler_draw(b, logits, NULL, &y, &err));
        CHECK_EQ(x.id, y.id);
        CHECK(x.p == y.p);
    }
}

TEST(a_copy_continues_like_the_original) {
    ig_err err = {0};
    ig_sample_params p = many_parameters();
    ig_sampler *a = NULL, *b = NULL;
    static story t;
    p.top_p_decay = 0.9f;
    p.top_p_min = 0.2f;
    p.top_p_reset_id = 20;
    p.adaptive_target = 0.3f;
    p.n_probs = 4;
    p.chain[p.n_chain++] = IG_SAMPLER_ADAPTIVE_P;
    REQUIRE_OK(ig_sampler_create(&a, &p, V, &err));
    REQUIRE_OK(ig_sampler_create(&b, &p, V, &err));
    accept_prompt(a, &t, 30);
    for (int round = 0; round < 12; round++) {
        ig_candidate x[4], y[4];
        for (int i = 0; i < 20; i++) { /* the target goes its own way */
            ig_draw draw;
            make_logits(5.0f);
            CHECK_OK(ig_sampler_draw(b, logits, NULL, &draw, &err));
        }
        ig_alloc_fail_after(0);
        ig_sampler_copy(b, a);
        ig_sampler_copy(b, b);
        CHECK_EQ(ig_alloc_fail_after(0), 0);
        uint32_t n = ig_sampler_candidates(a, x, 4);
        CHECK_EQ(ig_sampler_candidates(b, y, 4), n);
        CHECK(memcmp(x, y, n * sizeof *x) == 0);
        draw_both(a, b, 20);
    }
    ig_sampler_destroy(&b);
    REQUIRE_OK(ig_sampler_clone(&b, a, &err));
    draw_both(a, b, 200);
    ig_sampler_destroy(&a);
    ig_sampler_destroy(&b);
}

TEST(a_forced_token_counts_as_a_draw) {
    ig_err err = {0};
    ig_sample_params p = many_parameters();
    ig_sampler *a = NULL, *b = NULL;
    p.top_p_decay = 0.95f;
    p.top_p_reset_id = 20;
    REQUIRE_OK(ig_sampler_create(&a, &p, V, &err));
    REQUIRE_OK(ig_sampler_create(&b, &p, V, &err));
    for (int i = 0; i < 100; i++) {
        ig_draw draw = {0};
        make_logits(6.0f);
        REQUIRE_OK(ig_sampler_draw(a, logits, NULL, &draw, &err));
        CHECK_OK(ig_sampler_force(b, draw.id, &err));
    }
    draw_both(a, b, 100);
    CHECK_EQ(ig_sampler_force(a, V, &err), IG_EARGUMENT);
    CHECK_EQ(ig_sampler_force(a, -1, &err), IG_EARGUMENT);
    draw_both(a, b, 20);
    ig_sampler_destroy(&a);
    ig_sampler_destroy(&b);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(edits_and_bans_are_those_of_a_plain_version),
               T(unigrams_are_not_repeated), T(bans_do_not_look_beyond_the_first_token),
               T(only_tokens_before_the_first_draw_are_ignored),
               T(a_top_p_of_1_removes_nothing_before_it_decays), T(edits_in_place_with_a_mask),
               T(a_dynamic_temperature_is_an_edit_too), T(forbidding_everything_is_an_error),
               T(top_p_decays_and_is_set_back), T(sequences_have_streams_of_their_own),
               T(a_copy_continues_like_the_original), T(a_forced_token_counts_as_a_draw));
}
