/* test_beam.c: beam search against all sequences of a tiny vocabulary, and step by step against a
 * plain version of the same rules that sorts everything; logits depend on the whole prefix. */
#include "sample/sample.h"
#include "test.h"

#define V_MAX 12
#define TOKENS_MAX 12

static uint32_t hash(const int32_t *ids, uint32_t n, uint32_t salt) {
    uint32_t h = salt * 2654435761u + n;
    for (uint32_t i = 0; i < n; i++)
        h = (h ^ (uint32_t)(ids[i] + 1)) * 16777619u;
    h ^= h >> 15;
    return h * 2246822519u;
}

/* The logits after a prefix; now and then one is forbidden. */
static void logits_after(const int32_t *ids, uint32_t n, uint32_t salt, uint32_t n_vocab,
                         float *out) {
    uint32_t h = hash(ids, n, salt);
    for (uint32_t i = 0; i < n_vocab; i++) {
        h = h * 1664525u + 1013904223u;
        out[i] = (float)(h >> 8) / 16777216.0f * 6.0f - 3.0f;
        if (i > 0 && (h >> 8) % 16 == 0)
            out[i] = -INFINITY;
    }
}

static double logsumexp_of(const float *x, uint32_t n) {
    double sum = 0.0;
    for (uint32_t i = 0; i < n; i++)
        sum += exp((double)x[i]);
    return log(sum);
}

/* ---- a plain version ---- */

typedef struct path {
    int32_t ids[TOKENS_MAX];
    float logprobs[TOKENS_MAX];
    uint32_t n, beam;
    double score, rank; /* in the pool rank is the normalised score */
    bool ended;
} path;

#define PATHS_MAX (IG_BEAMS_MAX * V_MAX)

typedef struct plain_search {
    ig_beam_params p;
    uint32_t salt, n_live, n_pool, n_tokens;
    path live[PATHS_MAX], pool[PATHS_MAX];
    bool done;
} plain_search;

static bool plain_is_end(const ig_beam_params *p, int32_t id) {
    for (uint32_t i = 0; i < p->n_end_ids; i++)
        if (p->end_ids[i] == id)
            return true;
    return false;
}

static double plain_norm(const ig_beam_params *p, double score, uint32_t n) {
    return n <= 1 ? score : score / pow(n, (double)p->length_penalty);
}

/* Best rank first; equal ones stay in their order. */
static void sort_paths(path *paths, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        path x = paths[i];
        uint32_t j = i;
        for (; j > 0 && paths[j - 1].rank < x.rank; j--)
            paths[j] = paths[j - 1];
        paths[j] = x;
    }
}

static path extended(const path *from, int32_t id, double logprob) {
    path x = *from;
    x.ids[x.n] = id;
    x.logprobs[x.n++] = (float)logprob;
    x.score += logprob;
    return x;
}

static bool plain_pool(plain_search *s, path x) {
    x.rank = plain_norm(&s->p, x.score, x.n);
    if (s->n_pool == s->p.width && x.rank <= s->pool[s->n_pool - 1].rank)
        return false;
    if (s->n_pool == s->p.width)
        s->n_pool--;
    s->pool[s->n_pool++] = x;
    sort_paths(s->pool, s->n_pool);
    return true;
}

static bool plain_done(const plain_search *s) {
    if (s->n_pool < s->p.width)
        return false;
    if (s->p.early_stopping == 1)
        return true;
    double best = -INFINITY;
    for (uint32_t i = 0; i < s->n_live; i++)
        best = fmax(best, s->live[i].score);
    bool at_limit = s->p.early_stopping != 0 && s->p.length_penalty > 0.0f;
    return s->pool[s->n_pool - 1].rank >=
           plain_norm(&s->p, best, at_limit ? s->p.max_tokens : s->n_tokens);
}

static void plain_step(plain_search *s) {
    static path all[PATHS_MAX], next[PATHS_MAX];
    uint32_t at = s->n_tokens < s->p.n_widths ? s->n_tokens : s->p.n_widths - 1;
    uint32_t width = s->p.n_widths ? s->p.widths[at] : s->p.width, n_all = 0, n_next = 0;
    for (uint32_t b = 0; b < s->n_live; b++) {
        float x[V_MAX];
        logits_after(s->live[b].ids, s->live[b].n, s->salt, s->p.n_vocab, x);
        double sum = logsumexp_of(x, s->p.n_vocab);
        path offers[V_MAX];
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->p.n_vocab; i++) {
            if (!(x[i] > -INFINITY))
                continue;
            offers[n] = extended(&s->live[b], (int32_t)i, (double)x[i] - sum);
            offers[n].beam = b;
            offers[n].rank = offers[n].score + (double)s->p.diversity_rate * b;
            n++;
        }
        sort_paths(offers, n);
        for (uint32_t i = 0; i < n && i < 2 * width; i++)
            all[n_all++] = offers[i];
    }
    sort_paths(all, n_all);
    for (uint32_t i = 0; i < n_all && i < 2 * width && n_next < width; i++) {
        if (!plain_is_end(&s->p, all[i].ids[all[i].n - 1])) {
            next[n_next++] = all[i];
        } else if (i < width) {
            all[i].ended = true;
            if (!plain_pool(s, all[i]) && s->p.early_stopping != 0)
                break;
        }
    }
    memcpy(s->live, next, n_next * sizeof *next);
    s->n_live = n_next;
    s->n_tokens++;
    if (plain_done(s))
        s->n_live = 0;
    s->done = s->n_live == 0 || s->n_tokens == s->p.max_tokens;
}

static void plain_finish(plain_search *s) {
    for (uint32_t i = 0; i < s->n_live; i++)
        plain_pool(s, s->live[i]);
}

/* ---- comparisons ---- */

static void check_results(ig_beam_search *search, const path *expected, uint32_t n) {
    uint32_t found = ig_beam_finish(search);
    CHECK_EQ(found, n);
    CHECK_EQ(ig_beam_finish(search), n); /* once more changes nothing */
    for (uint32_t i = 0; i < found && i < n; i++) {
        int32_t ids[TOKENS_MAX];
        float logprobs[TOKENS_MAX];
        ig_beam_result r;
        ig_beam_describe(search, i, &r);
        CHECK_NEAR(r.score, expected[i].rank, 1e-5);
        CHECK_NEAR(r.logprob, expected[i].score, 1e-5);
        CHECK_EQ(r.ended, expected[i].ended);
        CHECK_EQ(r.n_tokens, expected[i].n);
        REQUIRE(r.n_tokens == expected[i].n);
        ig_beam_tokens(search, i, ids, logprobs);
        ig_beam_tokens(search, i, NULL, NULL);
        for (uint32_t k = 0; k < r.n_tokens; k++) {
            CHECK_EQ(ids[k], expected[i].ids[k]);
            CHECK_NEAR((double)logprobs[k], (double)expected[i].logprobs[k], 1e-5);
        }
    }
}

/* One step of both; live beams must agree. */
static void step_both(ig_beam_search *search, plain_search *plain, ig_beam_step *step) {
    static float rows[IG_BEAMS_MAX][V_MAX];
    const float *logits[IG_BEAMS_MAX];
    ig_err err = {0};
    for (uint32_t b = 0; b < plain->n_live; b++) {
        const path *live = &plain->live[b];
        logits_after(live->ids, live->n, plain->salt, plain->p.n_vocab, rows[b]);
        logits[b] = rows[b];
    }
    plain_step(plain);
    REQUIRE_OK(ig_beam_advance(search, logits, step, &err));
    CHECK_EQ(step->done, plain->done);
    CHECK_EQ(step->n, plain->done ? 0 : plain->n_live);
    for (uint32_t i = 0; i < step->n && i < plain->n_live; i++) {
        CHECK_EQ(step->next[i].parent, plain->live[i].beam);
        CHECK_EQ(step->next[i].id, plain->live[i].ids[plain->n_tokens - 1]);
        CHECK_NEAR(step->next[i].score, plain->live[i].score, 1e-5);
    }
}

/* Runs both to the end. end_every: a live beam whose hash says so is ended from outside. */
static void run_both(const ig_beam_params *p, uint32_t salt, uint32_t end_every) {
    static plain_search plain;
    ig_err err = {0};
    ig_beam_search *search = NULL;
    ig_beam_step step = {.done = false};
    int before = test_failures;
    plain = (plain_search){.p = *p, .salt = salt, .n_live = 1};
    REQUIRE_OK(ig_beam_create(&search, p, &err));
    while (!plain.done) {
        step_both(search, &plain, &step);
        for (uint32_t i = 0; end_every && !plain.done && i < plain.n_live;) {
            path *x = &plain.live[i];
            if (hash(x->ids, x->n, 99) % end_every) {
                i++;
                continue;
            }
            ig_beam_end(search, i);
            x->ended = true;
            plain_pool(&plain, *x);
            plain.n_live--;
            memmove(x, x + 1, (plain.n_live - i) * sizeof *x);
        }
        if (!plain.done && (plain.n_live == 0 || plain_done(&plain))) {
            plain.done = true;
            plain.n_live = 0;
            CHECK_OK(ig_beam_advance(search, NULL, &step, &err));
            CHECK(step.done && step.n == 0);
        }
        REQUIRE(test_failures == before);
    }
    CHECK_OK(ig_beam_advance(search, NULL, &step, &err)); /* what is done stays so */
    CHECK(step.done && step.n == 0);
    plain_finish(&plain);
    check_results(search, plain.pool, plain.n_pool);
    if (test_failures != before)
        TEST_FAIL("width %u (%u widths), vocabulary %u, %u tokens, %u ends, diversity %g, penalty "
                  "%g, early stopping %d, salt %u",
                  p->width, p->n_widths, p->n_vocab, p->max_tokens, p->n_end_ids,
                  (double)p->diversity_rate, (double)p->length_penalty, (int)p->early_stopping,
                  salt);
    ig_beam_destroy(&search);
}

static const int32_t ends[] = {1, 0, 3};

TEST(steps_are_those_of_the_plain_version) {
    static const float diversities[] = {0.0f, 0.25f, 2.0f}, penalties[] = {0.0f, 0.7f, 1.0f, 2.5f};
    for (uint32_t salt = 0; salt < 6000 && test_failures == 0; salt++) {
        uint32_t h = hash(NULL, 0, salt + 1);
        ig_beam_params p = {.width = 1 + h % 7,
                            .diversity_rate = diversities[h / 7 % 3],
                            .length_penalty = penalties[h / 21 % 4],
                            .early_stopping = (int32_t)(h / 84 % 4) - 1,
                            .n_vocab = 4 + h / 336 % 9,
                            .max_tokens = 1 + h / 4096 % TOKENS_MAX,
                            .end_ids = ends,
                            .n_end_ids = h / 65536 % 4};
        p.n_widths = h / 262144 % 4;
        for (uint32_t i = 0; i < p.n_widths; i++)
            p.widths[i] = 1 + hash(ends, i, salt) % p.width;
        run_both(&p, salt, h / 1048576 % 3 ? 0 : 5);
    }
}

static void all_sequences(const ig_beam_params *p, uint32_t salt, const path *from, path *found,
                          uint32_t *n) {
    float x[V_MAX];
    logits_after(from->ids, from->n, salt, p->n_vocab, x);
    double sum = logsumexp_of(x, p->n_vocab);
    for (uint32_t i = 0; i < p->n_vocab; i++) {
        if (!(x[i] > -INFINITY))
            continue;
        path next = extended(from, (int32_t)i, (double)x[i] - sum);
        next.ended = plain_is_end(p, (int32_t)i);
        next.rank = plain_norm(p, next.score, next.n);
        if (next.ended || next.n == p->max_tokens)
            found[(*n)++] = next;
        else
            all_sequences(p, salt, &next, found, n);
    }
}

TEST(wide_beams_find_the_best_of_all_sequences) {
    static const struct {
        uint32_t n_vocab, max_tokens, n_ends;
    } sizes[] = {{4, 3, 1}, {3, 5, 1}, {4, 4, 2}, {2, 5, 0}, {8, 2, 1}, {12, 1, 3}};
    for (uint32_t salt = 0; salt < 300; salt++) {
        for (size_t k = 0; k < IG_COUNT(sizes); k++) {
            static path found[PATHS_MAX];
            static plain_search steps;
            ig_err err = {0};
            uint32_t n = 0;
            ig_beam_search *search = NULL;
            ig_beam_params p = {.width = IG_BEAMS_MAX,
                                .length_penalty = (float)(salt % 4) * 0.5f,
                                .early_stopping = (int32_t)(salt % 3),
                                .n_vocab = sizes[k].n_vocab,
                                .max_tokens = sizes[k].max_tokens,
                                .end_ids = ends,
                                .n_end_ids = sizes[k].n_ends};
            all_sequences(&p, salt, &(path){.n = 0}, found, &n);
            REQUIRE(n <= p.width);
            sort_paths(found, n);
            steps = (plain_search){.p = p, .salt = salt, .n_live = 1};
            REQUIRE_OK(ig_beam_create(&search, &p, &err));
            for (ig_beam_step step = {.done = false}; !step.done;)
                step_both(search, &steps, &step);
            check_results(search, found, n);
            ig_beam_destroy(&search);
        }
    }
}

TEST(ties_go_to_the_lower_beam_then_the_lower_id) {
    static const float flat[6] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    const float *const rows[] = {flat, flat, flat};
    ig_err err = {0};
    ig_beam_search *search = NULL;
    ig_beam_step step;
    ig_beam_params p = {.width = 3, .n_vocab = 6, .max_tokens = 9};
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    for (int i = 0; i < 5; i++) {
        REQUIRE_OK(ig_beam_advance(search, rows, &step, &err));
        CHECK_EQ(step.n, 3);
        for (int32_t k = 0; k < 3; k++) {
            CHECK_EQ(step.next[k].parent, 0);
            CHECK_EQ(step.next[k].id, k);
        }
    }
    ig_beam_destroy(&search);
    p.diversity_rate = 0.1f; /* now the last beam is ranked first */
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    REQUIRE_OK(ig_beam_advance(search, rows, &step, &err));
    REQUIRE_OK(ig_beam_advance(search, rows, &step, &err));
    CHECK_EQ(step.next[0].parent, 2);
    CHECK_NEAR(step.next[0].score, -2.0 * log(6.0), 1e-6); /* and its sum is without diversity */
    ig_beam_destroy(&search);
}

/* Rows in which only one token is possible keep the score as it is. */
static const float only_0[4] = {0.0f, -INFINITY, -INFINITY, -INFINITY};

TEST(of_equal_hypotheses_the_first_stays) {
    static const float flat[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const float *const first[] = {flat}, *const second[] = {only_0, only_0, only_0};
    ig_err err = {0};
    ig_beam_search *search = NULL;
    ig_beam_step step;
    ig_beam_params p = {
        .width = 3, .n_vocab = 4, .max_tokens = 9, .end_ids = (const int32_t[]){0}, .n_end_ids = 1};
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    REQUIRE_OK(ig_beam_advance(search, first, &step, &err)); /* 0 ends; 1, 2, 3 live */
    REQUIRE_OK(ig_beam_advance(search, second, &step, &err));
    CHECK(step.done);
    CHECK_EQ(ig_beam_finish(search), 3);
    for (uint32_t i = 0; i < 3; i++) {
        int32_t ids[2];
        ig_beam_result r;
        ig_beam_describe(search, i, &r);
        CHECK_EQ(r.n_tokens, i == 0 ? 1 : 2);
        CHECK(r.ended);
        CHECK_NEAR(r.score, -log(4.0), 1e-6);
        ig_beam_tokens(search, i, ids, NULL);
        CHECK_EQ(ids[0], i);
    }
    ig_beam_destroy(&search);
    p.width = 1; /* 0 fills the pool, 1 can only be equal: done */
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    REQUIRE_OK(ig_beam_advance(search, first, &step, &err));
    CHECK(step.done);
    CHECK_EQ(ig_beam_finish(search), 1);
    ig_beam_destroy(&search);
}

TEST(a_search_may_end_before_it_begins) {
    ig_err err = {0};
    ig_beam_search *search = NULL;
    ig_beam_result r;
    ig_beam_params p = {.width = 2, .n_vocab = 4, .max_tokens = 9, .length_penalty = 1.0f};
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    ig_beam_end(search, 0);
    CHECK_EQ(ig_beam_finish(search), 1);
    ig_beam_describe(search, 0, &r);
    CHECK(r.score == 0.0 && r.n_tokens == 0 && r.ended);
    ig_beam_tokens(search, 0, NULL, NULL);
    ig_beam_destroy(&search);
}

TEST(broken_rows_change_nothing) {
    float good[V_MAX], bad[V_MAX];
    const float *rows[2] = {good, good};
    const float *const broken[2] = {good, bad};
    ig_err err = {0};
    ig_beam_search *search = NULL, *other = NULL;
    ig_beam_step step, expected;
    ig_beam_params p = {.width = 2, .n_vocab = V_MAX, .max_tokens = 6};
    logits_after(NULL, 0, 5, V_MAX, good);
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    REQUIRE_OK(ig_beam_create(&other, &p, &err));
    for (int i = 0; i < 5; i++) {
        REQUIRE_OK(ig_beam_advance(search, rows, &step, &err));
        REQUIRE_OK(ig_beam_advance(other, rows, &expected, &err));
        CHECK_EQ(step.n, 2);
        CHECK(memcmp(step.next, expected.next, step.n * sizeof *step.next) == 0);
        for (int k = 0; k < V_MAX; k++)
            bad[k] = i % 2 ? NAN : -INFINITY;
        CHECK_EQ(ig_beam_advance(search, broken, &step, &err), IG_EARGUMENT);
        CHECK(strstr(err.message, "beam 1"));
        bad[3] = INFINITY;
        CHECK_EQ(ig_beam_advance(search, broken, &step, &err), IG_EARGUMENT);
    }
    ig_beam_destroy(&search);
    ig_beam_destroy(&other);
}

TEST(the_largest_vocabulary) {
    float *x = calloc(IG_VOCAB_MAX, sizeof *x);
    REQUIRE(x != NULL);
    const float *const rows[2] = {x, x};
    static const int32_t best[] = {IG_VOCAB_MAX - 1, 5, 1 << 20, 12345678};
    ig_err err = {0};
    ig_beam_search *search = NULL;
    ig_beam_step step;
    for (int i = 0; i < 4; i++)
        x[best[i]] = 30.0f - (float)i;
    ig_beam_params p = {
        .width = 2, .n_vocab = IG_VOCAB_MAX, .max_tokens = 3, .end_ids = best, .n_end_ids = 1};
    REQUIRE_OK(ig_beam_create(&search, &p, &err));
    REQUIRE_OK(ig_beam_advance(search, rows, &step, &err));
    CHECK_EQ(step.n, 2);
    CHECK_EQ(step.next[0].id, 5);
    CHECK_EQ(step.next[1].id, 1 << 20);
    CHECK_EQ(ig_beam_finish(search), 2);
    ig_beam_destroy(&search);
    free(x);
}

static void refused(const ig_beam_params *p, const char *field, int line) {
    ig_err err = {0};
    ig_beam_search *search = NULL;
    ig_status status = ig_beam_create(&search, p, &err);
    if ((status != IG_EARGUMENT && status != IG_ELIMIT) || !strstr(err.message, field) || search)
        TEST_FAIL("line %d: %s: status %d, \"%s\"", line, field, (int)status, err.message);
    ig_beam_destroy(&search);
}

#define REFUSED(field, value)                                                                      \
    do {                                                                                           \
        ig_beam_params p_ = {.width = 2, .n_vocab = 9, .max_tokens = 9, .end_ids = ends};          \
        p_.widths[0] = 1;                                                                          \
        p_.n_widths = 2;                                                                           \
        p_.widths[1] = 2;                                                                          \
        p_.n_end_ids = 1;                                                                          \
        p_.field = (value);                                                                        \
        refused(&p_, #field, __LINE__);                                                            \
    } while (0)

TEST(parameters_out_of_range_are_refused_by_name) {
    static const int32_t bad_ends[] = {9}, negative[] = {-1};
    REFUSED(width, 0);
    REFUSED(width, IG_BEAMS_MAX + 1);
    REFUSED(n_widths, IG_BEAM_WIDTHS_MAX + 1);
    REFUSED(widths[1], 0);
    REFUSED(widths[1], 3);
    REFUSED(diversity_rate, -0.1f);
    REFUSED(diversity_rate, NAN);
    REFUSED(diversity_rate, INFINITY);
    REFUSED(length_penalty, -0.1f);
    REFUSED(length_penalty, NAN);
    REFUSED(length_penalty, INFINITY);
    REFUSED(n_vocab, 0);
    REFUSED(n_vocab, IG_VOCAB_MAX + 1);
    REFUSED(max_tokens, 0);
    REFUSED(max_tokens, UINT32_MAX);
    REFUSED(n_end_ids, IG_END_IDS_MAX + 1);
    REFUSED(end_ids, bad_ends);
    REFUSED(end_ids, negative);
}

TEST(every_allocation_may_fail) {
    ig_err err = {0};
    ig_status status = IG_EMEMORY;
    for (uint64_t n = 1; status; n++) {
        ig_beam_search *search = NULL;
        ig_beam_params p = {
            .width = 3, .n_vocab = 9, .max_tokens = 9, .end_ids = ends, .n_end_ids = 2};
        ig_alloc_fail_after(n);
        status = ig_beam_create(&search, &p, &err);
        ig_alloc_fail_after(0);
        CHECK(status == IG_OK ? n == 5 : status == IG_EMEMORY && !search);
        if (status == IG_OK) {
            float x[9] = {3.0f, 2.0f, 1.0f};
            const float *const rows[3] = {x, x, x};
            ig_beam_step step = {.done = false};
            while (!step.done)
                REQUIRE_OK(ig_beam_advance(search, rows, &step, &err));
            CHECK(ig_beam_finish(search) > 0);
            CHECK_EQ(ig_alloc_fail_after(0), 0); /* all memory was taken at the start */
        }
        ig_beam_destroy(&search);
        REQUIRE(n < 20);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(steps_are_those_of_the_plain_version),
               T(wide_beams_find_the_best_of_all_sequences),
               T(ties_go_to_the_lower_beam_then_the_lower_id),
               T(of_equal_hypotheses_the_first_stays), T(a_search_may_end_before_it_begins),
               T(broken_rows_change_nothing), T(the_largest_vocabulary),
               T(parameters_out_of_range_are_refused_by_name), T(every_allocation_may_fail));
}
