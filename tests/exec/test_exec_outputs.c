/* test_exec_outputs.c: what a request gives beside plain tokens, against direct computation:
 * log-probabilities, candidates, logits of prompt and output; every reason to end; budgets for
 * thinking; hooks. One thread, turn by turn. */
#include <math.h>

#include "exec_world.h"
#include "test.h"

enum { PROMPT = 75, MADE = 12, TOP = 4, VOCAB = 64 };

static int32_t prompt[PROMPT];

static void make_prompt(void) {
    world_rng rng = {11};
    for (uint32_t i = 0; i < PROMPT; i++)
        prompt[i] = (int32_t)world_below(&rng, VOCAB);
}

/* The row after prompt[0, n). */
static void row_after(uint32_t n, float *logits) {
    uint64_t hash = HISTORY_START;
    for (uint32_t i = 0; i < n; i++)
        hash = history_add(hash, prompt[i]);
    history_logits(hash, VOCAB, logits);
}

/* Runs one request; what it gave, against what it gives alone. The handle stays open. */
static ig_exec_request *run_one(world *w, const ig_exec_params *p, answer *got) {
    static answer want;
    ig_err err = {0};
    ig_exec_request *r = world_submit(w, p);
    memset(got, 0, sizeof *got);
    if (!r || !world_run(w))
        return NULL;
    answer_take(got, r);
    CHECK_OK(answer_alone(&want, w, p, p->sampling.seed, &err));
    CHECK(answer_same(got, &want, false));
    return r;
}

static void check_top(const ig_candidate *top, const float *logits) {
    ig_candidate want[TOP];
    const double sum = ig_logits_logsumexp(logits, VOCAB);
    CHECK_EQ(ig_logits_top(logits, VOCAB, sum, want, TOP), TOP);
    for (uint32_t i = 0; i < TOP; i++) {
        const float logprob = (float)((double)logits[want[i].id] - sum);
        CHECK_EQ(top[i].id, want[i].id);
        CHECK(memcmp(&top[i].p, &logprob, sizeof logprob) == 0);
    }
}

/* Everything at once, with chunks that cut the prompt unevenly, the cache warm or cold. */
static void check_everything(uint32_t tokens, bool warm) {
    world w;
    ig_err err = {0};
    float logits[VOCAB];
    static answer got;
    REQUIRE(world_open(&w, &(world_options){.tokens = tokens, .seqs = 4, .outputs = 40}, &err));
    ig_exec_params p = world_params(prompt, PROMPT, MADE);
    for (int i = 0; i < warm; i++) {
        ig_exec_request *first = run_one(&w, &p, &got);
        ig_exec_request_close(&first);
    }
    p.n_top = TOP;
    p.prompt_logprobs = p.context_logits = p.generation_logits = true;
    ig_exec_request *r = world_submit(&w, &p);
    CHECK(ig_exec_context_logits(r) == NULL && ig_exec_prompt_logprobs(r) == NULL);
    CHECK(world_run(&w));
    ig_exec_token tokens_out[MADE + 2];
    ig_candidate top[(MADE + 2) * TOP];
    size_t n;
    REQUIRE_OK(ig_exec_next(r, tokens_out, top, MADE + 2, &n, 0, &err));
    CHECK_EQ(n, MADE);
    uint32_t n_logits;
    const float *const *rows = ig_exec_generation_logits(r, 0, &n_logits);
    CHECK_EQ(n_logits, MADE);
    uint64_t hash = HISTORY_START;
    double sum = 0, score;
    for (uint32_t i = 0; i < PROMPT; i++)
        hash = history_add(hash, prompt[i]);
    for (uint32_t i = 0; i < MADE; i++) {
        history_logits(hash, VOCAB, logits);
        CHECK(memcmp(rows[i], logits, sizeof logits) == 0);
        check_top(top + (size_t)i * TOP, logits);
        sum += (double)logits[tokens_out[i].id] - ig_logits_logsumexp(logits, VOCAB);
        hash = history_add(hash, tokens_out[i].id);
    }
    CHECK_NEAR(ig_exec_logprob_sum(r, 0, &score), sum, 1e-9);
    CHECK_NEAR(score, sum, 1e-9);
    const float *context = ig_exec_context_logits(r), *logprobs = ig_exec_prompt_logprobs(r);
    const ig_candidate *prompt_top = ig_exec_prompt_top(r);
    REQUIRE(context && logprobs && prompt_top);
    CHECK(logprobs[0] >= 0 && logprobs[0] <= 0);
    for (uint32_t k = 0; k < TOP; k++)
        CHECK_EQ(prompt_top[k].id, -1);
    for (uint32_t i = 0; i < PROMPT; i++) {
        row_after(i + 1, logits);
        CHECK(memcmp(context + (size_t)i * VOCAB, logits, sizeof logits) == 0);
        if (i + 1 == PROMPT)
            break;
        const float one =
            (float)((double)logits[prompt[i + 1]] - ig_logits_logsumexp(logits, VOCAB));
        CHECK(memcmp(&one, &logprobs[i + 1], sizeof one) == 0);
        check_top(prompt_top + (size_t)(i + 1) * TOP, logits);
    }
    ig_exec_request_close(&r);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

/* A record that only says why it ended has no candidates either. */
TEST(ends_without_a_token_have_no_candidates) {
    world w;
    ig_err err = {0};
    ig_exec_token token;
    ig_candidate top[TOP] = {{0}};
    size_t n;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    ig_exec_params p = world_params(prompt, PROMPT, MADE);
    p.n_top = TOP;
    p.prompt_logprobs = true;
    ig_exec_request *r = world_submit(&w, &p);
    ig_exec_cancel(r);
    CHECK(world_run(&w));
    CHECK_OK(ig_exec_next(r, &token, top, 1, &n, 0, &err));
    CHECK(n == 1 && token.id == -1 && token.reason == IG_EXEC_CANCELLED);
    const ig_candidate *prompt_top = ig_exec_prompt_top(r);
    for (uint32_t k = 0; k < TOP; k++)
        CHECK_EQ(top[k].id, -1);
    for (uint32_t k = 0; k < PROMPT * TOP; k++)
        CHECK_EQ(prompt_top[k].id, -1);
    ig_exec_request_close(&r);
    world_close(&w);
}

TEST(numbers_are_those_of_direct_computation) {
    static const uint32_t TOKENS[] = {4, 7, 32, 200};
    for (size_t i = 0; i < IG_COUNT(TOKENS); i++) {
        check_everything(TOKENS[i], false);
        check_everything(TOKENS[i], true);
    }
}

/* So many logits in a step that draws are shared out over the device's threads. */
TEST(draws_on_many_threads_are_the_same) {
    enum { CROWD = 140, LARGE = 1000 };
    static ig_exec_request *r[CROWD];
    static int32_t ids[CROWD][3];
    static answer got, want;
    world w;
    ig_err err = {0};
    const world_options o = {
        .vocab = LARGE, .seqs = CROWD, .tokens = 2 * CROWD, .pages = 4 * CROWD, .n_threads = 3};
    REQUIRE(world_open(&w, &o, &err));
    for (uint32_t i = 0; i < CROWD; i++) {
        for (uint32_t k = 0; k < 3; k++)
            ids[i][k] = (int32_t)((i * 7 + k) % LARGE);
        ig_exec_params p = world_params(ids[i], 3, 12);
        p.sampling.temperature = i % 2 ? 0 : 1;
        r[i] = world_submit(&w, &p);
    }
    CHECK(world_run(&w));
    CHECK_EQ(w.h.most_seqs, CROWD);
    CHECK(w.h.n_shared > 0);
    for (uint32_t i = 0; i < CROWD; i++) {
        ig_exec_params p = world_params(ids[i], 3, 12);
        p.sampling.temperature = i % 2 ? 0 : 1;
        memset(&got, 0, sizeof got);
        answer_take(&got, r[i]);
        CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
        CHECK(answer_same(&got, &want, false));
        ig_exec_request_close(&r[i]);
    }
    world_close(&w);
}

/* ---- ends -------------------------------------------------------------------------------------
 */

TEST(max_tokens_0_gives_the_prompt_only) {
    world w;
    ig_err err = {0};
    static answer got;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    for (uint32_t kind = 0; kind < 3; kind++) {
        ig_exec_params p = world_params(prompt, PROMPT, 0);
        p.n_sequences = kind == 1 ? 3 : 0;
        p.beam.width = kind == 2 ? 2 : 0;
        p.streaming = kind != 2;
        p.prompt_logprobs = true;
        ig_exec_request *r = world_submit(&w, &p);
        REQUIRE(r);
        CHECK(world_run(&w));
        memset(&got, 0, sizeof got);
        answer_take(&got, r);
        CHECK(got.status == IG_EEND && got.n[0] == 0 && got.reason[0] == IG_EXEC_LENGTH);
        CHECK(kind != 1 || (got.n_sequences == 3 && got.reason[2] == IG_EXEC_LENGTH));
        CHECK(ig_exec_prompt_logprobs(r) && ig_exec_prompt_logprobs(r)[PROMPT - 1] < 0);
        ig_exec_request_close(&r);
    }
    CHECK_EQ(world_facts(&w).generated_tokens, 0);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

/* Runs p, which must end so after `n` tokens, as it does alone. */
static void check_end(world *w, const ig_exec_params *p, uint32_t n, ig_exec_reason reason) {
    static answer got;
    ig_exec_request *r = run_one(w, p, &got);
    CHECK_EQ(got.n[0], n);
    CHECK_EQ(got.reason[0], reason);
    ig_exec_request_close(&r);
}

/* A search that is cancelled gives what it has: every result that was asked for has its end. */
TEST(beams_that_are_cut_off_give_what_they_have) {
    for (uint32_t turns = 0; turns < 12; turns += 3) {
        world w;
        ig_err err = {0};
        static answer got;
        REQUIRE(world_open(&w, &(world_options){.pages = 40}, &err));
        ig_exec_params p = world_params(prompt, PROMPT, 30);
        p.beam.width = 4;
        p.n_sequences = 3;
        p.streaming = false;
        ig_exec_request *r = world_submit(&w, &p);
        REQUIRE(r != NULL);
        for (uint32_t i = 0; i < turns; i++)
            (void)ig_exec_work(w.exec);
        ig_exec_cancel(r);
        REQUIRE(world_run(&w));
        memset(&got, 0, sizeof got);
        answer_take(&got, r);
        for (uint32_t i = 0; i < 3; i++) {
            CHECK_EQ(got.reason[i], IG_EXEC_CANCELLED);
            CHECK(turns < 6 || got.n[i] > 0);
        }
        ig_exec_request_close(&r);
        world_close(&w);
    }
}

TEST(every_reason_to_end) {
    world w;
    ig_err err = {0};
    static answer plain;
    REQUIRE(world_open(&w, &(world_options){.context = PROMPT + 30, .pages = 40}, &err));
    ig_exec_params p = world_params(prompt, PROMPT, UINT32_MAX);
    ig_exec_request *r = run_one(&w, &p, &plain);
    ig_exec_request_close(&r);
    const int32_t *ids = plain.ids[0];
    CHECK_EQ(plain.reason[0], IG_EXEC_CONTEXT); /* the last token needs no page any more */
    CHECK_EQ(plain.n[0], 31);
    ig_exec_params beams = p;
    beams.beam.width = 2;
    beams.streaming = false;
    check_end(&w, &beams, 31, IG_EXEC_CONTEXT);
    beams.max_tokens = 20;
    check_end(&w, &beams, 20, IG_EXEC_LENGTH);
    p.max_tokens = 1;
    check_end(&w, &p, 1, IG_EXEC_LENGTH);
    p.max_tokens = 20;
    check_end(&w, &p, 20, IG_EXEC_LENGTH);
    uint32_t first = 5; /* where the token of place 5 comes first */
    for (uint32_t i = 5; i-- > 0;)
        first = ids[i] == ids[5] ? i : first;
    p.end_ids = p.sampling.end_ids = &ids[5];
    p.n_end_ids = p.sampling.n_end_ids = 1;
    check_end(&w, &p, first + 1, IG_EXEC_END_ID);
    p.sampling.min_tokens = 10; /* not before */
    static answer late;
    r = run_one(&w, &p, &late);
    CHECK(late.n[0] >= 10 && late.ids[0][first] != ids[5]);
    ig_exec_request_close(&r);
    p = world_params(prompt, PROMPT, 20);
    const int32_t across[] = {prompt[PROMPT - 2], prompt[PROMPT - 1], ids[0]};
    const ig_token_run words[] = {{ids + 3, 2}, {across, 3}};
    p.stop_words = words;
    p.n_stop_words = 1;
    check_end(&w, &p, 5, IG_EXEC_STOP_WORDS);
    p.n_stop_words = 2; /* one that begins in the prompt */
    check_end(&w, &p, 1, IG_EXEC_STOP_WORDS);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

TEST(thinking_ends_within_its_budget) {
    world w;
    ig_err err = {0};
    static answer got;
    static const int32_t BEGIN[] = {1}, END[] = {2, 3, 4};
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    for (uint32_t budget = 0; budget < 9; budget += 4) {
        const ig_think_params think = {
            .begin = {BEGIN, 1}, .end = {END, 3}, .budget = budget, .open = true};
        ig_exec_params p = world_params(prompt, PROMPT, 30);
        p.think = &think;
        p.n_sequences = 2;
        p.sampling.temperature = 1;
        ig_exec_request *r = run_one(&w, &p, &got);
        for (uint32_t s = 0; s < 2; s++) {
            bool ended = false;
            for (uint32_t i = 0; i <= budget; i++)
                ended = ended || memcmp(got.ids[s] + i, END, sizeof END) == 0;
            CHECK(ended);
        }
        ig_exec_request_close(&r);
    }
    world_close(&w);
}

/* ---- hooks ------------------------------------------------------------------------------------
 */

typedef struct hook {
    enum { FORBID, FILL_NAN, FILL_LOW, FILL_HIGH, REFUSE } kind;
    uint32_t calls, from; /* acts from this call on */
    bool wrong_ids, released;
} hook;

static bool edit(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids, float *logits,
                 const char **why) {
    hook *h = user;
    static const float FILL[] = {0, NAN, -INFINITY, INFINITY};
    (void)sequence;
    h->wrong_ids = h->wrong_ids || n_ids < PROMPT || memcmp(ids, prompt, sizeof prompt) != 0;
    if (h->calls++ < h->from)
        return true;
    *why = "the test says so";
    for (uint32_t i = 0; i < VOCAB && h->kind != REFUSE; i++)
        logits[i] = h->kind == FORBID ? (i == 7 ? 1 : -INFINITY) : FILL[h->kind];
    return h->kind != REFUSE;
}

static bool stops(void *user, const int32_t *generated, size_t n) {
    (void)user;
    return n >= 3 && generated[2] >= 0;
}

static void release(void *user) {
    ((hook *)user)->released = true;
}

TEST(hooks_edit_and_stop) {
    world w;
    ig_err err = {0};
    static answer got;
    hook h = {.kind = FORBID};
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    for (uint32_t kind = 0; kind < 3; kind++) {
        ig_exec_params p = world_params(prompt, PROMPT, 9);
        p.hooks = (ig_exec_hooks){.user = &h, .edit = edit, .stops = stops, .release = release};
        p.n_sequences = kind == 1 ? 2 : 0;
        p.beam.width = kind == 2 ? 2 : 0;
        p.streaming = kind != 2;
        h.released = false;
        ig_exec_request *r = world_submit(&w, &p);
        REQUIRE(r);
        CHECK(world_run(&w));
        memset(&got, 0, sizeof got);
        answer_take(&got, r);
        CHECK_EQ(got.reason[0], IG_EXEC_STOP_WORDS);
        CHECK(got.n[0] == 3 && got.ids[0][0] == 7 && got.ids[0][2] == 7);
        CHECK(!h.wrong_ids && !h.released);
        ig_exec_request_close(&r);
        CHECK(h.released);
    }
    CHECK(world_is_clean(&w));
    world_close(&w);
}

TEST(hooks_that_spoil_a_row_fail_their_request_alone) {
    static const struct {
        int kind;
        ig_status status;
        const char *says;
    } ROWS[] = {{FILL_NAN, IG_EARGUMENT, "logit"},
                {FILL_LOW, IG_EARGUMENT, "logit"},
                {FILL_HIGH, IG_EARGUMENT, "inf"},
                {REFUSE, IG_ECANCELLED, "the test says so"}};
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        for (uint32_t kind = 0; kind < 3; kind++) {
            world w;
            ig_err err = {0};
            static answer got;
            hook h = {.kind = (unsigned)ROWS[i].kind, .from = 3};
            REQUIRE(world_open(&w, &(world_options){0}, &err));
            const ig_exec_params plain = world_params(prompt, PROMPT, 20);
            ig_exec_params p = plain;
            p.hooks = (ig_exec_hooks){.user = &h, .edit = edit};
            p.n_sequences = kind == 1 ? 2 : 0;
            p.beam.width = kind == 2 ? 2 : 0;
            p.streaming = kind != 2;
            ig_exec_request *bad = world_submit(&w, &p), *good = run_one(&w, &plain, &got);
            memset(&got, 0, sizeof got);
            answer_take(&got, bad);
            if (got.status != ROWS[i].status || !strstr(got.err.message, ROWS[i].says) ||
                got.reason[0] != IG_EXEC_FAILED)
                TEST_FAIL("row %zu, kind %u: %d, \"%s\"", i, kind, (int)got.status,
                          got.err.message);
            ig_exec_request_close(&bad);
            ig_exec_request_close(&good);
            CHECK(world_is_clean(&w));
            world_close(&w);
        }
    }
}

int main(int argc, char **argv) {
    make_prompt();
    return RUN(argc, argv, T(numbers_are_those_of_direct_computation),
               T(ends_without_a_token_have_no_candidates), T(draws_on_many_threads_are_the_same),
               T(max_tokens_0_gives_the_prompt_only), T(every_reason_to_end),
               T(beams_that_are_cut_off_give_what_they_have), T(thinking_ends_within_its_budget),
               T(hooks_edit_and_stop), T(hooks_that_spoil_a_row_fail_their_request_alone));
}
