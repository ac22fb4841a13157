/* test_exec.c: the executor against each request computed alone: random workloads under every
 * policy, chunk budget, pool and cache; shared beginnings; preemption; fairness. One thread, turn
 * by turn. */
#include "exec_world.h"
#include "os/os.h"
#include "test.h"

enum { CLIENTS = 40, PROMPT_MAX = 150, PREFIXES = 3 };

/* ---- random workloads -------------------------------------------------------------------------
 */

/* What one client asked for; its arrays live as long. */
typedef struct client {
    ig_exec_params p;
    int32_t ids[PROMPT_MAX], end_ids[2], word[2];
    ig_token_run stop_word;
    ig_exec_request *r;
    answer got;
    uint32_t submit_turn, cancel_turn; /* 0 = never */
    bool late;                         /* its deadline has passed already */
} client;

static client clients[CLIENTS];
static uint64_t n_preempted, n_cached, n_completed, n_copies;

static void random_sampling(world_rng *rng, ig_sample_params *s) {
    s->seed = world_below(rng, 1000);
    if (world_below(rng, 2))
        return;
    s->temperature = 0.5f + 0.1f * (float)world_below(rng, 10);
    s->top_k = (int32_t)world_below(rng, 30);
    s->penalty_repeat = world_below(rng, 2) ? 1.3f : 1;
    s->no_repeat_ngram = world_below(rng, 3) ? 0 : 2;
    s->context_tokens = 4096;
}

static void random_client(world_rng *rng, client *c, uint32_t vocab) {
    const uint32_t n = 1 + world_below(rng, PROMPT_MAX), shared = world_below(rng, PREFIXES);
    memset(c, 0, sizeof *c);
    for (uint32_t i = 0; i < n; i++) /* most begin as others do */
        c->ids[i] =
            (int32_t)(i < 90 && shared ? (i * 7 + shared) % vocab : world_below(rng, vocab));
    c->p = world_params(c->ids, n, 1 + world_below(rng, 150));
    random_sampling(rng, &c->p.sampling);
    c->p.sampling.end_ids = c->p.end_ids = c->end_ids;
    c->p.sampling.n_end_ids = c->p.n_end_ids = world_below(rng, 4) ? 0 : world_below(rng, 3);
    c->p.sampling.min_tokens = world_below(rng, 2) ? 0 : world_below(rng, 5);
    c->end_ids[0] = (int32_t)world_below(rng, vocab);
    c->end_ids[1] = (int32_t)world_below(rng, vocab);
    c->word[0] = (int32_t)world_below(rng, vocab);
    c->word[1] = (int32_t)world_below(rng, vocab);
    c->stop_word = (ig_token_run){c->word, 1 + world_below(rng, 2)};
    c->p.stop_words = &c->stop_word;
    c->p.n_stop_words = world_below(rng, 4) == 0;
    const uint32_t kind = world_below(rng, 5);
    if (kind == 0) {
        c->p.n_sequences = 2 + world_below(rng, 3);
    } else if (kind == 1) {
        const uint32_t width = 2 + world_below(rng, 3);
        c->p.beam = (ig_beam_params){
            .width = width, .length_penalty = 1, .early_stopping = (int32_t)world_below(rng, 2)};
        c->p.n_sequences = world_below(rng, width + 1);
        c->p.streaming = false;
        c->p.n_stop_words = 0;
        c->p.sampling.min_tokens = 0;
        c->p.max_tokens = 1 + world_below(rng, 20);
    }
    c->p.sampling.min_tokens = IG_MIN(c->p.sampling.min_tokens, c->p.max_tokens);
    c->p.priority = (float)world_below(rng, 3) - 1;
    c->p.uncached = world_below(rng, 8) == 0;
    c->p.scope[0] = world_below(rng, 6) == 0;
    c->submit_turn = world_below(rng, 60);
    c->cancel_turn = world_below(rng, 6) == 0 ? 1 + world_below(rng, 120) : 0;
    c->late = world_below(rng, 20) == 0;
    if (c->late)
        c->p.deadline_ns = 1 + world_below(rng, 2) * (ig_clock_ns() + 2000000);
}

static bool any_waits(uint32_t n) {
    bool any = false;
    for (uint32_t i = 0; i < n; i++)
        any = any || (clients[i].r && !ig_exec_done(clients[i].r));
    return any;
}

/* Submits, works and cancels by turn; false when somebody waits and nothing runs. */
static bool play(world *w, uint32_t n) {
    for (uint32_t turn = 0, idle = 0; idle < 150; turn++) {
        for (uint32_t i = 0; i < n; i++) {
            client *c = &clients[i];
            ig_err err = {0};
            if (c->submit_turn == turn && ig_exec_submit(w->exec, &c->p, &c->r, &err) &&
                err.code != IG_ELIMIT) /* more beams than pages */
                TEST_FAIL("submit: %s", err.message);
            if (c->cancel_turn && c->cancel_turn == turn && c->r)
                ig_exec_cancel(c->r);
            if (c->r && turn % 3 == i % 3)
                answer_take(&c->got, c->r);
        }
        idle = ig_exec_work(w->exec) ? 0 : idle + 1;
        if (turn > 200000 || (idle && any_waits(n))) {
            TEST_FAIL("turn %u: nothing runs, yet somebody waits", turn);
            return false;
        }
    }
    return true;
}

static void check_clients(const world *w, uint32_t n) {
    static answer want;
    for (uint32_t i = 0; i < n; i++) {
        client *c = &clients[i];
        ig_err err = {0};
        ig_exec_request_facts f;
        if (!c->r)
            continue;
        answer_take(&c->got, c->r);
        ig_exec_request_describe(c->r, &f);
        CHECK(ig_exec_done(c->r) && f.stage == IG_EXEC_COMPLETE);
        if (answer_alone(&want, w, &c->p, f.seed, &err))
            TEST_FAIL("alone: %s", err.message);
        if (!answer_same(&c->got, &want, c->cancel_turn || c->late))
            TEST_FAIL("client %u: prompt %u, n %u, beams %u, uncached %d, preempted %u: %s", i,
                      c->p.n_ids, c->p.n_sequences, c->p.beam.width, c->p.uncached, f.n_preempted,
                      c->got.err.message);
        ig_exec_request_close(&c->r);
    }
}

static void random_world(uint64_t seed) {
    static const uint32_t WINDOWS[][3] = {{0}, {0, 40}, {24}, {0, 32, 70}};
    static const uint32_t GROUPS[] = {1, 2, 1, 3};
    world_rng rng = {seed * 77 + 5};
    world w;
    ig_err err = {0};
    const uint32_t shape = world_below(&rng, 4);
    const uint32_t budget = 8u << world_below(&rng, 4);
    world_options o = {.vocab = 64 + world_below(&rng, 64),
                       .n_groups = GROUPS[shape],
                       .seqs = 4 + world_below(&rng, 5),
                       .tokens = budget + world_below(&rng, 9),
                       .pages = 10 + world_below(&rng, 16),
                       .policy = (ig_exec_policy)world_below(&rng, IG_EXEC_POLICY_COUNT),
                       .uncached = world_below(&rng, 4) == 0,
                       .ageing_us = world_below(&rng, 2) ? 0 : 1000,
                       .context = 280,
                       .n_threads = 1 + world_below(&rng, 2)};
    memcpy(o.windows, WINDOWS[shape], sizeof o.windows);
    REQUIRE(world_open(&w, &o, &err));
    for (uint32_t i = 0; i < CLIENTS; i++)
        random_client(&rng, &clients[i], w.vocab);
    (void)play(&w, CLIENTS);
    check_clients(&w, CLIENTS);
    CHECK(world_is_clean(&w));
    CHECK(o.policy == IG_EXEC_MAX_UTILIZATION || world_facts(&w).n_preemptions == 0);
    n_preempted += world_facts(&w).n_preemptions;
    n_cached += world_facts(&w).cached_tokens;
    n_completed += world_facts(&w).n_completed;
    n_copies += w.h.n_copies;
    if (test_failures)
        fprintf(stderr,
                "world %llu: policy %d, %u groups, windows %u %u %u, %u pages, uncached %d\n",
                (unsigned long long)seed, (int)o.policy, o.n_groups, o.windows[0], o.windows[1],
                o.windows[2], o.pages, o.uncached);
    world_close(&w);
}

TEST(random_workloads_give_what_each_request_gives_alone) {
    for (uint64_t seed = 0; seed < 400 && !test_failures; seed++)
        random_world(seed);
    /* The worlds are rough enough to mean something. */
    CHECK(n_preempted > 100 && n_cached > 10000 && n_completed > 5000 && n_copies > 1000);
}

/* ---- shared beginnings ------------------------------------------------------------------------
 */

enum { FAMILY = 100, COMMON = 1000, OWN = 20 };

/* The family's prompts begin alike, in `n_scopes` scopes. Returns prefill rows. */
static uint64_t run_family(bool uncached, uint32_t n_scopes) {
    static int32_t ids[FAMILY][COMMON + OWN];
    static answer got, want;
    static ig_exec_request *r[FAMILY];
    world w;
    ig_err err = {0};
    const world_options o = {.tokens = 256, .pages = 400, .uncached = uncached};
    if (!world_open(&w, &o, &err))
        return 0;
    for (uint32_t i = 0; i < FAMILY; i++) {
        for (uint32_t k = 0; k < COMMON + OWN; k++)
            ids[i][k] = (int32_t)(k < COMMON ? k * 7 % 61 : (k * i + i) % 64);
        ig_exec_params p = world_params(ids[i], COMMON + OWN, 4);
        p.scope[0] = (uint8_t)(i % n_scopes);
        CHECK_OK(ig_exec_submit(w.exec, &p, &r[i], &err));
    }
    CHECK(world_run(&w));
    for (uint32_t i = 0; i < FAMILY; i++) {
        const ig_exec_params p = world_params(ids[i], COMMON + OWN, 4);
        memset(&got, 0, sizeof got);
        answer_take(&got, r[i]);
        CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
        CHECK(answer_same(&got, &want, false));
        ig_exec_request_close(&r[i]);
    }
    const ig_exec_facts f = world_facts(&w);
    CHECK_EQ(f.prompt_tokens, FAMILY * (COMMON + OWN));
    CHECK_EQ(f.prefill_tokens + f.cached_tokens, f.prompt_tokens);
    CHECK(world_is_clean(&w));
    world_close(&w);
    return f.prefill_tokens;
}

TEST(shared_beginnings_are_computed_once_per_scope) {
    const uint64_t cold = run_family(true, 1), warm = run_family(false, 1);
    const uint64_t apart = run_family(false, 2);
    CHECK_EQ(cold, FAMILY * (COMMON + OWN));
    CHECK(warm * 5 < cold);
    /* Whole pages are shared; the second one begins in the step that ends the first. */
    CHECK(warm <= COMMON + FAMILY * (OWN + COMMON % IG_PAGE_TOKENS) + 256);
    CHECK(apart >= 2 * COMMON && apart * 5 < cold);
}

static uint32_t cached_of(world *w, const int32_t *ids, uint32_t n, uint8_t priority) {
    ig_err err = {0};
    ig_exec_request *r;
    ig_exec_request_facts f;
    ig_exec_params p = world_params(ids, n, 1);
    p.kv_priority = priority;
    if (ig_exec_submit(w->exec, &p, &r, &err))
        return 0;
    (void)world_run(w);
    ig_exec_request_describe(r, &f);
    ig_exec_request_close(&r);
    return f.n_cached;
}

TEST(cached_pages_of_higher_priority_stay) {
    world w;
    ig_err err = {0};
    int32_t keep[128], drop[128], other[192];
    for (int32_t i = 0; i < 192; i++) {
        if (i < 128) {
            keep[i] = i % 50;
            drop[i] = i % 51 + 1;
        }
        other[i] = i % 53 + 2;
    }
    REQUIRE(world_open(&w, &(world_options){.pages = 12}, &err));
    CHECK_EQ(cached_of(&w, keep, 128, 90), 0);
    CHECK_EQ(cached_of(&w, drop, 128, 10), 0); /* younger, and less worth */
    CHECK_EQ(cached_of(&w, other, 192, 35), 0);
    CHECK_EQ(cached_of(&w, keep, 128, 90), 127);
    CHECK(cached_of(&w, drop, 128, 10) < 96);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

/* ---- preemption -------------------------------------------------------------------------------
 */

enum { TIGHT = 8, TIGHT_PROMPT = 60, TIGHT_MADE = 150 };

/* Requests that together need far more than the pool; returns preemptions. */
static uint64_t run_tight(ig_exec_policy policy, bool uncached) {
    static int32_t ids[TIGHT][TIGHT_PROMPT];
    static answer got, want;
    ig_exec_request *r[TIGHT];
    world w;
    ig_err err = {0};
    uint64_t preempted = 0;
    const world_options o = {
        .policy = policy, .pages = 20, .uncached = uncached, .tokens = 64, .seqs = 8};
    if (!world_open(&w, &o, &err))
        return 0;
    for (uint32_t i = 0; i < TIGHT; i++) {
        for (uint32_t k = 0; k < TIGHT_PROMPT; k++)
            ids[i][k] = (int32_t)((i * 31 + k * 17) % 64);
        const ig_exec_params p = world_params(ids[i], TIGHT_PROMPT, TIGHT_MADE);
        CHECK_OK(ig_exec_submit(w.exec, &p, &r[i], &err));
    }
    CHECK(world_run(&w));
    for (uint32_t i = 0; i < TIGHT; i++) {
        const ig_exec_params p = world_params(ids[i], TIGHT_PROMPT, TIGHT_MADE);
        ig_exec_request_facts f;
        ig_exec_request_describe(r[i], &f);
        preempted += f.n_preempted;
        CHECK(i > 0 || f.n_preempted == 0); /* the first in rank never */
        memset(&got, 0, sizeof got);
        answer_take(&got, r[i]);
        CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
        CHECK(answer_same(&got, &want, false));
        ig_exec_request_close(&r[i]);
    }
    CHECK_EQ(world_facts(&w).n_preemptions, preempted);
    CHECK(world_is_clean(&w));
    world_close(&w);
    return preempted;
}

TEST(preempted_requests_go_on_with_the_same_tokens) {
    for (int uncached = 0; uncached < 2; uncached++) {
        CHECK(run_tight(IG_EXEC_MAX_UTILIZATION, uncached) > 0);
        CHECK_EQ(run_tight(IG_EXEC_GUARANTEED_NO_EVICT, uncached), 0);
        CHECK_EQ(run_tight(IG_EXEC_STATIC_BATCH, uncached), 0);
    }
}

/* The first tokens, which come with the prompt, are no decode yet: others may still join. */
TEST(a_static_batch_is_open_until_its_first_decode) {
    for (uint32_t n = 1; n < 4; n++) {
        world w;
        ig_err err = {0};
        int32_t ids[32];
        ig_exec_request *r[3];
        ig_exec_request_facts f;
        for (int32_t i = 0; i < 32; i++)
            ids[i] = i;
        const world_options o = {.policy = IG_EXEC_STATIC_BATCH, .tokens = 32, .uncached = true};
        REQUIRE(world_open(&w, &o, &err));
        ig_exec_params p = world_params(ids, 32, 10);
        p.n_sequences = n;
        for (uint32_t i = 0; i < 3; i++)
            CHECK_OK(ig_exec_submit(w.exec, &p, &r[i], &err));
        CHECK(world_run(&w));
        for (uint32_t i = 0; i < 3; i++) {
            ig_exec_request_describe(r[i], &f);
            CHECK_EQ(f.first_step, i);
            ig_exec_request_close(&r[i]);
        }
        CHECK_EQ(world_facts(&w).n_steps, 3 + 9); /* all decode together */
        world_close(&w);
    }
}

/* Newcomers of the highest priority come without end; one of the lowest waits. */
TEST(waiting_long_enough_beats_any_priority) {
    world w;
    ig_err err = {0};
    int32_t ids[] = {1, 2, 3};
    ig_exec_request *low, *high[4] = {NULL};
    const world_options o = {.seqs = 1, .tokens = 8, .ageing_us = 2000};
    REQUIRE(world_open(&w, &o, &err));
    ig_exec_params p = world_params(ids, 3, 10);
    p.priority = 1;
    for (int i = 0; i < 4; i++)
        CHECK_OK(ig_exec_submit(w.exec, &p, &high[i], &err));
    (void)ig_exec_work(w.exec);
    p.priority = -1;
    const uint64_t start = ig_clock_ns();
    CHECK_OK(ig_exec_submit(w.exec, &p, &low, &err));
    p.priority = 1;
    while (!ig_exec_done(low) && ig_clock_ns() - start < 20000000000ull) {
        (void)ig_exec_work(w.exec);
        for (int i = 0; i < 4; i++) {
            if (!ig_exec_done(high[i]))
                continue;
            ig_exec_request_close(&high[i]);
            CHECK_OK(ig_exec_submit(w.exec, &p, &high[i], &err));
        }
    }
    CHECK(ig_exec_done(low)); /* two units of priority are worth two ageing times */
    for (int i = 0; i < 4; i++)
        ig_exec_request_close(&high[i]);
    ig_exec_request_close(&low);
    CHECK(world_run(&w));
    CHECK(world_is_clean(&w));
    world_close(&w);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(random_workloads_give_what_each_request_gives_alone),
               T(shared_beginnings_are_computed_once_per_scope),
               T(cached_pages_of_higher_priority_stay),
               T(preempted_requests_go_on_with_the_same_tokens),
               T(a_static_batch_is_open_until_its_first_decode),
               T(waiting_long_enough_beats_any_priority));
}
