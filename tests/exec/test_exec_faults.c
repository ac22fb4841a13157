/* test_exec_faults.c: what goes wrong goes wrong for one request: deadlines, cancels in every
 * state, steps that fail, allocations that fail. Others get exactly what they get alone, and no
 * page is lost. One thread, turn by turn. */
#include <math.h>

#include "exec_world.h"
#include "os/os.h"
#include "test.h"

enum { PROMPT = 70, MADE = 20 };

static int32_t prompts[24][PROMPT];

static void make_prompts(void) {
    world_rng rng = {3};
    for (uint32_t i = 0; i < IG_COUNT(prompts); i++) {
        for (uint32_t k = 0; k < PROMPT; k++)
            prompts[i][k] = (int32_t)world_below(&rng, 63); /* 63 is poison */
    }
}

static ig_exec_request *submit_plain(world *w, uint32_t i) {
    const ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
    return world_submit(w, &p);
}

static bool plain_right(const world *w, ig_exec_request **r, uint32_t i) {
    const ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
    return world_gave(w, r, &p);
}

/* ---- deadlines --------------------------------------------------------------------------------
 */

TEST(deadlines_end_requests_with_what_they_have) {
    world w;
    ig_err err = {0};
    static answer got, want;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    ig_exec_params p = world_params(prompts[0], PROMPT, 400);
    p.deadline_ns = 1;
    ig_exec_request *past = world_submit(&w, &p);
    p.deadline_ns = ig_clock_ns() + 100 * 1000000ull;
    ig_exec_request *later = world_submit(&w, &p), *other = submit_plain(&w, 1);
    for (int i = 0; i < 50; i++)
        (void)ig_exec_work(w.exec);
    while (ig_clock_ns() < p.deadline_ns)
        ig_thread_yield();
    CHECK(world_run(&w));
    memset(&got, 0, sizeof got);
    answer_take(&got, past);
    CHECK(got.n[0] == 0 && got.reason[0] == IG_EXEC_TIMED_OUT && got.status == IG_EEND);
    memset(&got, 0, sizeof got);
    answer_take(&got, later);
    CHECK(got.n[0] <= 50 && got.reason[0] == IG_EXEC_TIMED_OUT);
    CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
    CHECK(answer_same(&got, &want, true));
    CHECK_EQ(world_facts(&w).n_timed_out, 2);
    ig_exec_request_close(&past);
    ig_exec_request_close(&later);
    CHECK(plain_right(&w, &other, 1));
    CHECK(world_is_clean(&w));
    world_close(&w);
}

/* ---- cancels ----------------------------------------------------------------------------------
 */

/* Submits, works so many turns, cancels or closes; others run on. */
static void cancel_after(uint32_t turns, uint32_t kind, bool close, bool twice) {
    world w;
    ig_err err = {0};
    static answer got, want;
    REQUIRE(world_open(&w, &(world_options){.tokens = 32, .seqs = 8}, &err));
    ig_exec_params p = world_params(prompts[0], PROMPT, MADE);
    p.n_sequences = kind == 1 ? 3 : 0;
    p.beam.width = kind == 2 ? 3 : 0;
    p.streaming = kind != 2;
    ig_exec_request *r = world_submit(&w, &p), *other = submit_plain(&w, 1);
    for (uint32_t i = 0; i < turns; i++)
        (void)ig_exec_work(w.exec);
    const bool ended = ig_exec_done(r);
    if (close) {
        ig_exec_request_close(&r);
        CHECK(r == NULL);
    } else {
        ig_exec_cancel(r);
        if (twice)
            ig_exec_cancel(r);
    }
    CHECK(world_run(&w));
    CHECK(plain_right(&w, &other, 1));
    CHECK(world_is_clean(&w));
    CHECK_EQ(world_facts(&w).n_cancelled, ended ? 0 : 1);
    if (!close) {
        memset(&got, 0, sizeof got);
        answer_take(&got, r);
        CHECK(got.status == IG_EEND && got.reason[0] != 0);
        CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
        CHECK(answer_same(&got, &want, !ended));
        ig_exec_cancel(r); /* after the end */
    }
    world_close(&w);
    if (!close) { /* readable after the executor is gone */
        ig_exec_token token;
        size_t n;
        CHECK_EQ(ig_exec_next(r, &token, NULL, 1, &n, 0, &err), IG_EEND);
        ig_exec_cancel(r);
        ig_exec_request_close(&r);
    }
}

TEST(cancels_and_closes_in_every_state) {
    for (uint32_t turns = 0; turns < 30; turns++) {
        for (uint32_t kind = 0; kind < 3; kind++) {
            cancel_after(turns, kind, false, turns % 2);
            cancel_after(turns, kind, true, false);
        }
    }
}

TEST(an_executor_that_is_destroyed_cancels_what_is_left) {
    for (uint32_t turns = 0; turns < 12; turns++) {
        world w;
        ig_err err = {0};
        ig_exec_request *r[6];
        static answer got;
        REQUIRE(world_open(&w, &(world_options){.tokens = 32, .seqs = 3}, &err));
        for (uint32_t i = 0; i < 6; i++)
            r[i] = submit_plain(&w, i);
        for (uint32_t i = 0; i < turns; i++)
            (void)ig_exec_work(w.exec);
        ig_exec_cancel(r[2]);
        world_close(&w);
        for (uint32_t i = 0; i < 6; i++) {
            memset(&got, 0, sizeof got);
            answer_take(&got, r[i]);
            CHECK(got.status == IG_EEND && got.reason[0] == IG_EXEC_CANCELLED);
            ig_exec_request_close(&r[i]);
        }
    }
}

/* ---- steps that fail --------------------------------------------------------------------------
 */

enum { CROWD = 6 };

static void submit_crowd(world *w, ig_exec_request **r, uint32_t n_tokens) {
    for (uint32_t i = 0; i < CROWD; i++) {
        ig_exec_params p = world_params(prompts[i], PROMPT, n_tokens);
        p.n_sequences = i == 4 ? 3 : 0;
        r[i] = world_submit(w, &p);
    }
}

static void check_crowd(world *w, ig_exec_request **r, uint32_t n_tokens) {
    for (uint32_t i = 0; i < CROWD; i++) {
        ig_exec_params p = world_params(prompts[i], PROMPT, n_tokens);
        p.n_sequences = i == 4 ? 3 : 0;
        if (r[i])
            CHECK(world_gave(w, &r[i], &p));
    }
}

TEST(a_step_that_fails_once_harms_nobody) {
    for (uint32_t at = 0; at < 30; at++) {
        for (uint32_t shape = 0; shape < 2; shape++) {
            world w;
            ig_err err = {0};
            ig_exec_request *r[CROWD];
            const world_options o = {
                .tokens = 40, .seqs = 8, .windows = {0, shape ? 32 : 0}, .n_groups = 1 + shape};
            REQUIRE(world_open(&w, &o, &err));
            w.h.fail_from = at;
            w.h.fail_to = at + 1;
            w.h.status = IG_EINTERNAL;
            submit_crowd(&w, r, MADE);
            CHECK(world_run(&w));
            check_crowd(&w, r, MADE);
            CHECK_EQ(w.h.n_failed, at < w.h.n_steps);
            CHECK(world_is_clean(&w));
            CHECK_EQ(world_facts(&w).n_failed, 0);
            world_close(&w);
        }
    }
}

static void check_failed(ig_exec_request **r, ig_status status, const char *says) {
    static answer got;
    memset(&got, 0, sizeof got);
    answer_take(&got, *r);
    if (got.status != status || got.reason[0] != IG_EXEC_FAILED || !strstr(got.err.message, says))
        TEST_FAIL("status %d, reason %u, \"%s\"", (int)got.status, got.reason[0], got.err.message);
    ig_exec_request_close(r);
}

TEST(a_request_that_makes_steps_fail_fails_alone) {
    for (uint32_t at = 0; at < PROMPT; at += 9) {
        world w;
        ig_err err = {0};
        ig_exec_request *r[CROWD], *bad;
        int32_t ids[PROMPT];
        REQUIRE(world_open(&w, &(world_options){.tokens = 40, .seqs = 9}, &err));
        w.h.poisoned = true;
        w.h.poison = 63;
        w.h.status = IG_EINTERNAL;
        memcpy(ids, prompts[9], sizeof ids);
        ids[at] = 63;
        ig_exec_params p = world_params(ids, PROMPT, 4);
        const ig_logit_bias never = {63, -INFINITY};
        p.sampling.logit_bias = &never;
        p.sampling.n_logit_bias = 1;
        bad = world_submit(&w, &p);
        for (uint32_t i = 0; i < CROWD; i++) {
            ig_exec_params q = world_params(prompts[i], PROMPT, MADE);
            q.sampling.logit_bias = &never;
            q.sampling.n_logit_bias = 1;
            r[i] = world_submit(&w, &q);
        }
        CHECK(world_run(&w));
        check_failed(&bad, IG_EINTERNAL, "the step failed: history");
        for (uint32_t i = 0; i < CROWD; i++) {
            ig_exec_params q = world_params(prompts[i], PROMPT, MADE);
            q.sampling.logit_bias = &never;
            q.sampling.n_logit_bias = 1;
            CHECK(world_gave(&w, &r[i], &q));
        }
        CHECK(world_is_clean(&w));
        CHECK_EQ(world_facts(&w).n_failed, 1);
        world_close(&w);
    }
}

/* Everybody fails, and whoever comes while it lasts. */
static void fail_for_ever(world *w, ig_status status) {
    ig_exec_request *r[CROWD], *queued;
    submit_crowd(w, r, MADE);
    for (int i = 0; i < 5; i++)
        (void)ig_exec_work(w->exec);
    queued = submit_plain(w, 8);
    w->h.fail_from = w->h.n_steps;
    w->h.fail_to = UINT64_MAX;
    w->h.status = status;
    CHECK(world_run(w));
    for (uint32_t i = 0; i < CROWD; i++)
        check_failed(&r[i], status, "the step failed");
    check_failed(&queued, status, "the step failed");
    w->h.fail_to = w->h.fail_from;
    const ig_exec_facts f = world_facts(w);
    CHECK_EQ(f.n_failed, CROWD + 1);
    CHECK(f.kv.used == 0 && f.kv.free + f.kv.cached == f.kv.n_pages);
}

TEST(a_device_that_fails_for_ever_fails_all_and_may_recover) {
    static const ig_status HOW[] = {IG_EINTERNAL, IG_EMEMORY};
    for (uint32_t k = 0; k < IG_COUNT(HOW); k++) {
        world w;
        ig_err err = {0};
        ig_exec_request *r[CROWD];
        REQUIRE(world_open(&w, &(world_options){.tokens = 512, .seqs = 8}, &err));
        fail_for_ever(&w, HOW[k]);
        submit_crowd(&w, r, MADE);
        CHECK(world_run(&w));
        check_crowd(&w, r, MADE);
        CHECK(world_is_clean(&w));
        world_close(&w);
    }
}

TEST(a_lost_device_takes_everyone_and_the_executor_lives) {
    world w;
    ig_err err = {0};
    ig_exec_request *r;
    REQUIRE(world_open(&w, &(world_options){.tokens = 512, .seqs = 8}, &err));
    fail_for_ever(&w, IG_EDEVICE);
    CHECK_EQ(world_facts(&w).n_failed_steps, 2); /* the running ones at once, then the queued one */
    r = submit_plain(&w, 0);
    CHECK(world_run(&w));
    check_failed(&r, IG_EDEVICE, "was lost in an earlier step");
    world_close(&w);
}

/* A request of several sequences in a pool that fits it exactly, with a window whose pages slide
 * away, taken out by better-ranked ones again and again: it comes back with what the cache still
 * has, and never needs more than it was admitted for. */
static void come_back(uint64_t seed, uint64_t *n_preempted) {
    enum { OTHERS = 6, SEQS = 8 };
    world w;
    ig_err err = {0};
    world_rng rng = {seed};
    ig_exec_request *r = NULL, *others[OTHERS] = {NULL};
    const uint32_t n_ids = 33 + world_below(&rng, PROMPT - 33), made = 20 + world_below(&rng, 200);
    ig_exec_params p = world_params(prompts[0], n_ids, made);
    p.n_sequences = 2 + world_below(&rng, 4);
    p.sampling.temperature = 1;
    world_options o = {.seqs = SEQS, .windows = {0, 32 + world_below(&rng, 60)}, .n_groups = 2};
    for (o.pages = 8; !r; o.pages++) {
        REQUIRE(world_open(&w, &o, &err));
        if (ig_exec_submit(w.exec, &p, &r, &err))
            world_close(&w);
    }
    for (uint32_t i = 0; i < OTHERS; i++) {
        for (uint32_t k = world_below(&rng, made / 4 + 3); k > 0; k--)
            (void)ig_exec_work(w.exec);
        ig_exec_params q = world_params(prompts[1] + i, 1 + world_below(&rng, 40), 60);
        q.priority = 1;
        (void)!ig_exec_submit(w.exec, &q, &others[i], &err);
    }
    CHECK(world_run(&w));
    *n_preempted += world_facts(&w).n_preemptions;
    CHECK(world_gave(&w, &r, &p));
    for (uint32_t i = 0; i < OTHERS; i++)
        ig_exec_request_close(&others[i]);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

TEST(several_sequences_come_back_into_the_pages_they_had) {
    uint64_t n_preempted = 0;
    for (uint64_t seed = 0; seed < 200; seed++)
        come_back(seed, &n_preempted);
    CHECK(n_preempted > 50);
}

/* The sources of copies that were never made are given back, though no step comes that could make
 * them: the next request needs every page. */
TEST(copies_of_who_failed_keep_no_pages) {
    world w;
    ig_err err = {0};
    static answer got;
    const world_options o = {.pages = 10, .tokens = 80, .seqs = 4};
    REQUIRE(world_open(&w, &o, &err));
    w.h.no_copies = true;
    w.h.status = IG_EINTERNAL;
    ig_exec_params p = world_params(prompts[0], PROMPT, MADE);
    p.n_sequences = 2; /* the second writes to its copy of the prompt's last page */
    ig_exec_request *r = world_submit(&w, &p);
    CHECK(world_run(&w));
    memset(&got, 0, sizeof got);
    answer_take(&got, r);
    CHECK_EQ(got.status, IG_EINTERNAL);
    ig_exec_request_close(&r);
    p = world_params(prompts[1], PROMPT, 10 * IG_PAGE_TOKENS - PROMPT + 1);
    p.n_sequences = 1;
    r = world_submit(&w, &p);
    CHECK(world_run(&w));
    CHECK(world_gave(&w, &r, &p));
    CHECK(world_is_clean(&w));
    world_close(&w);
}

/* Every fourth step fails, in tight pools: who fails twice in a row ends, the others are right. */
static uint32_t run_shaky(uint64_t seed) {
    static answer got, want;
    ig_exec_request *r[CROWD];
    uint32_t n_failed = 0;
    world_rng rng = {seed};
    world w;
    ig_err err = {0};
    const world_options o = {.tokens = 30,
                             .seqs = 8,
                             .pages = 14,
                             .policy = (ig_exec_policy)(seed % IG_EXEC_POLICY_COUNT),
                             .uncached = world_below(&rng, 2),
                             .windows = {0, 40},
                             .n_groups = 1 + world_below(&rng, 2)};
    if (!world_open(&w, &o, &err))
        return 0;
    w.h.status = IG_EINTERNAL;
    submit_crowd(&w, r, 50);
    for (bool more = true; more;) {
        w.h.fail_from = w.h.n_steps;
        w.h.fail_to = w.h.n_steps + (world_below(&rng, 4) == 0);
        more = ig_exec_work(w.exec);
    }
    for (uint32_t i = 0; i < CROWD; i++) {
        ig_exec_params p = world_params(prompts[i], PROMPT, 50);
        p.n_sequences = i == 4 ? 3 : 0;
        memset(&got, 0, sizeof got);
        answer_take(&got, r[i]);
        n_failed += got.status == IG_EINTERNAL;
        CHECK(ig_exec_done(r[i]));
        CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
        CHECK(answer_same(&got, &want, got.status == IG_EINTERNAL));
        ig_exec_request_close(&r[i]);
    }
    CHECK(world_is_clean(&w));
    world_close(&w);
    return n_failed;
}

TEST(a_device_that_fails_now_and_then) {
    uint32_t n_failed = 0;
    for (uint64_t seed = 0; seed < 60; seed++)
        n_failed += run_shaky(seed);
    CHECK(n_failed > 0 && n_failed < 60 * CROWD);
}

/* ---- allocations that fail --------------------------------------------------------------------
 */

/* Lets allocation n fail while requests are submitted and run; true when there were fewer. */
static bool without_memory(uint64_t n, bool *failed_any) {
    world w;
    ig_err err = {0};
    ig_exec_request *r[CROWD] = {NULL};
    if (!world_open(&w, &(world_options){.tokens = 40, .seqs = 8, .pages = 40}, &err))
        return true;
    (void)ig_alloc_fail_after(n);
    for (uint32_t i = 0; i < CROWD; i++) {
        ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
        p.beam.width = i == 3 ? 2 : 0;
        p.streaming = i != 3;
        p.n_sequences = i == 4 ? 2 : 0;
        p.generation_logits = i == 5;
        p.n_top = i == 5 ? 2 : 0;
        const ig_status status = ig_exec_submit(w.exec, &p, &r[i], &err);
        if (status && (status != IG_EMEMORY || r[i]))
            TEST_FAIL("allocation %llu, submit %u: %s", (unsigned long long)n, i, err.message);
    }
    const bool ran = world_run(&w);
    const bool fewer = ig_alloc_fail_after(0) < n;
    CHECK(ran);
    for (uint32_t i = 0; i < CROWD; i++) {
        static answer got, want;
        ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
        p.beam.width = i == 3 ? 2 : 0;
        p.n_sequences = i == 4 ? 2 : 0;
        *failed_any = *failed_any || !r[i];
        if (!r[i])
            continue;
        memset(&got, 0, sizeof got);
        answer_take(&got, r[i]);
        *failed_any = *failed_any || got.status == IG_EMEMORY;
        CHECK(ig_exec_done(r[i]));
        CHECK_OK(answer_alone(&want, &w, &p, 1, &err));
        if ((got.status != IG_EMEMORY && got.status != IG_EEND) ||
            !answer_same(&got, &want, got.status == IG_EMEMORY))
            TEST_FAIL("allocation %llu, request %u: %s", (unsigned long long)n, i, got.err.message);
        ig_exec_request_close(&r[i]);
    }
    const ig_exec_facts f = world_facts(&w);
    CHECK(f.kv.used == 0 && f.kv.free + f.kv.cached == f.kv.n_pages);
    world_close(&w);
    return fewer;
}

TEST(an_allocation_that_fails_harms_one_request) {
    bool failed_any = false, done = false;
    const int before = test_failures;
    for (uint64_t n = 1; n < 5000 && !done && test_failures == before; n++)
        done = without_memory(n, &failed_any);
    CHECK(done && failed_any);
}

int main(int argc, char **argv) {
    make_prompts();
    return RUN(
        argc, argv, T(deadlines_end_requests_with_what_they_have),
        T(cancels_and_closes_in_every_state), T(an_executor_that_is_destroyed_cancels_what_is_left),
        T(a_step_that_fails_once_harms_nobody), T(a_request_that_makes_steps_fail_fails_alone),
        T(a_device_that_fails_for_ever_fails_all_and_may_recover),
        T(copies_of_who_failed_keep_no_pages),
        T(several_sequences_come_back_into_the_pages_they_had), T(a_device_that_fails_now_and_then),
        T(a_lost_device_takes_everyone_and_the_executor_lives),
        T(an_allocation_that_fails_harms_one_request));
}
