/* test_exec_faults.c: what goes wrong goes wrong for one request: bad input, cancels in every
 * state, steps that fail, allocations that fail. Others get exactly what they get alone, and no
 * page is lost. One thread, turn by turn. */
#include <math.h>
#include <stdio.h>

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

static ig_exec_request *submit(world *w, const ig_exec_params *p) {
    ig_exec_request *r = NULL;
    ig_err err = {0};
    if (ig_exec_submit(w->exec, p, &r, &err))
        TEST_FAIL("submit: %s", err.message);
    return r;
}

static ig_exec_request *submit_plain(world *w, uint32_t i) {
    const ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
    return submit(w, &p);
}

/* It gave exactly what it gives alone; closes it. */
static bool right(const world *w, ig_exec_request **r, const ig_exec_params *p) {
    static answer got, want;
    ig_err err = {0};
    memset(&got, 0, sizeof got);
    answer_take(&got, *r);
    ig_exec_request_close(r);
    if (!answer_alone(&want, w, p, p->sampling.seed, &err) && answer_same(&got, &want, false))
        return true;
    fprintf(stderr, "%s\n", got.err.message);
    return false;
}

static bool plain_right(const world *w, ig_exec_request **r, uint32_t i) {
    const ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
    return right(w, r, &p);
}

/* ---- bad input --------------------------------------------------------------------------------
 */

static const int32_t FAR_ID[] = {5, 64}, LOW_ID[] = {-1}, GOOD[] = {1, 2, 3};
static const ig_token_run NO_WORD = {GOOD, 0}, FAR_WORD = {FAR_ID, 2};

static void no_ids(ig_exec_params *p) {
    p->n_ids = 0;
}
static void long_prompt(ig_exec_params *p) {
    static int32_t ids[300];
    p->ids = ids;
    p->n_ids = 300;
}
static void far_id(ig_exec_params *p) {
    p->ids = FAR_ID;
    p->n_ids = 2;
}
static void low_id(ig_exec_params *p) {
    p->ids = LOW_ID;
    p->n_ids = 1;
}
static void nan_temperature(ig_exec_params *p) {
    p->sampling.temperature = NAN;
}
static void low_top_p(ig_exec_params *p) {
    p->sampling.top_p = -0.5f;
}
static void nan_priority(ig_exec_params *p) {
    p->priority = NAN;
}
static void high_priority(ig_exec_params *p) {
    p->priority = 1.5f;
}
static void many_sequences(ig_exec_params *p) {
    p->n_sequences = 9;
}
static void wide_beams(ig_exec_params *p) {
    p->beam.width = 9;
    p->streaming = false;
}
static void more_results_than_beams(ig_exec_params *p) {
    p->beam.width = 2;
    p->n_sequences = 3;
    p->streaming = false;
}
static void nan_beams(ig_exec_params *p) {
    p->beam = (ig_beam_params){.width = 2, .diversity_rate = NAN};
    p->streaming = false;
}
static void no_width(ig_exec_params *p) {
    p->beam = (ig_beam_params){.n_widths = 1, .widths = {1}};
    p->streaming = false;
}
static void streaming_beams(ig_exec_params *p) {
    p->beam.width = 2;
}
static void beams_with_top(ig_exec_params *p) {
    p->beam.width = 2;
    p->streaming = false;
    p->n_top = 2;
}
static void thinking_beams(ig_exec_params *p) {
    static const ig_think_params think = {.begin = {GOOD, 1}, .end = {GOOD + 1, 1}, .budget = 3};
    p->beam.width = 2;
    p->streaming = false;
    p->think = &think;
}
static void beams_beyond_pages(ig_exec_params *p) {
    p->beam.width = 8;
    p->streaming = false;
    p->max_tokens = 200;
}
static void many_top(ig_exec_params *p) {
    p->n_top = 65;
}
static void empty_word(ig_exec_params *p) {
    p->stop_words = &NO_WORD;
    p->n_stop_words = 1;
}
static void far_word(ig_exec_params *p) {
    p->stop_words = &FAR_WORD;
    p->n_stop_words = 1;
}
static void far_end(ig_exec_params *p) {
    p->end_ids = FAR_ID;
    p->n_end_ids = 2;
}
static void endless_thought(ig_exec_params *p) {
    static const ig_think_params think = {.begin = {GOOD, 1}, .end = {GOOD, 0}};
    p->think = &think;
}

TEST(bad_input_is_refused_by_name) {
    static const struct {
        void (*change)(ig_exec_params *p);
        ig_status status;
        const char *says;
    } ROWS[] = {
        {no_ids, IG_EARGUMENT, "no tokens"},
        {long_prompt, IG_ELIMIT, "300 tokens"},
        {far_id, IG_EARGUMENT, "ids[1] is 64"},
        {low_id, IG_EARGUMENT, "ids[0] is -1"},
        {nan_temperature, IG_EARGUMENT, "temperature"},
        {low_top_p, IG_EARGUMENT, "top_p"},
        {nan_priority, IG_EARGUMENT, "priority"},
        {high_priority, IG_EARGUMENT, "priority"},
        {many_sequences, IG_EARGUMENT, "n_sequences is 9"},
        {wide_beams, IG_EARGUMENT, "beam.width is 9"},
        {more_results_than_beams, IG_EARGUMENT, "n_sequences is 3"},
        {nan_beams, IG_EARGUMENT, "diversity_rate"},
        {no_width, IG_EARGUMENT, "width"},
        {streaming_beams, IG_EUNSUPPORTED, "streaming"},
        {beams_with_top, IG_EUNSUPPORTED, "n_top"},
        {thinking_beams, IG_EUNSUPPORTED, "think"},
        {beams_beyond_pages, IG_ELIMIT, "beam.width 8"},
        {many_top, IG_EARGUMENT, "n_top is 65"},
        {empty_word, IG_EARGUMENT, "stop_words[0]"},
        {far_word, IG_EARGUMENT, "stop_words[1] is 64"},
        {far_end, IG_EARGUMENT, "end_ids[1] is 64"},
        {endless_thought, IG_EARGUMENT, "end"},
    };
    world w;
    ig_err err = {0};
    REQUIRE(world_open(&w, &(world_options){.seqs = 8, .context = 256, .pages = 30}, &err));
    ig_exec_request *other = submit_plain(&w, 0);
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        ig_exec_request *r = (ig_exec_request *)&w;
        ig_exec_params p = world_params(prompts[1], PROMPT, MADE);
        ROWS[i].change(&p);
        const ig_status status = ig_exec_submit(w.exec, &p, &r, &err);
        if (status != ROWS[i].status || !strstr(err.message, ROWS[i].says) || r)
            TEST_FAIL("row %zu: status %d, \"%s\"", i, (int)status, status ? err.message : "");
        if (!status)
            ig_exec_request_close(&r);
        (void)ig_exec_work(w.exec);
    }
    CHECK(world_run(&w));
    CHECK(plain_right(&w, &other, 0));
    CHECK_EQ(world_facts(&w).n_submitted, 1);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

TEST(options_are_checked) {
    static const struct {
        world_options o;
        const char *says;
    } ROWS[] = {
        {{.seqs = IG_EXEC_SEQS_MAX + 1, .tokens = IG_EXEC_SEQS_MAX + 1}, "sequences a step"},
        {{.seqs = 16, .tokens = 15}, "15 tokens a step"},
        {{.queue = IG_EXEC_REQUESTS_MAX + 1}, "a queue of"},
        {{.policy = IG_EXEC_POLICY_COUNT}, "policy"},
    };
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        world w;
        ig_err err = {0};
        if (world_open(&w, &ROWS[i].o, &err) || err.code != IG_EARGUMENT ||
            !strstr(err.message, ROWS[i].says))
            TEST_FAIL("row %zu: \"%s\"", i, err.message);
    }
}

static int n_released;
static void count_release(void *user) {
    (void)user;
    n_released++;
}

TEST(full_queues_and_closed_doors_say_so) {
    world w;
    ig_err err = {0};
    ig_exec_events *events = NULL;
    ig_exec_request *r[3] = {NULL}, *no = NULL;
    REQUIRE(world_open(&w, &(world_options){.queue = 3}, &err));
    REQUIRE_OK(ig_exec_events_create(&events, 2, &err));
    ig_exec_params p = world_params(prompts[0], PROMPT, MADE);
    p.hooks.release = count_release;
    n_released = 0;
    p.events = events;
    r[0] = submit(&w, &p);
    r[1] = submit(&w, &p);
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_EBUSY);
    CHECK(strstr(err.message, "event queue has room for 2"));
    p.events = NULL;
    r[2] = submit(&w, &p);
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_EBUSY);
    CHECK(strstr(err.message, "3 requests are waiting"));
    CHECK_EQ(n_released, 2);
    CHECK(world_run(&w));
    for (int i = 0; i < 3; i++)
        CHECK(right(&w, &r[i], &p));
    /* A request that stands in its event queue keeps its place until it is taken. */
    CHECK_EQ(ig_exec_events_take(events, r, 3, 0), 0);
    CHECK_OK(ig_exec_drain(w.exec, 0, &err));
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_ECANCELLED);
    CHECK(no == NULL);
    CHECK(world_is_clean(&w));
    world_close(&w);
    CHECK_EQ(n_released, 6);
    ig_exec_events_destroy(&events);
}

TEST(deadlines_end_requests_with_what_they_have) {
    world w;
    ig_err err = {0};
    static answer got, want;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    ig_exec_params p = world_params(prompts[0], PROMPT, 400);
    p.deadline_ns = 1;
    ig_exec_request *past = submit(&w, &p);
    p.deadline_ns = ig_clock_ns() + 100 * 1000000ull;
    ig_exec_request *later = submit(&w, &p), *other = submit_plain(&w, 1);
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
    CHECK(got.n[0] >= 40 && got.n[0] < 400 && got.reason[0] == IG_EXEC_TIMED_OUT);
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
    ig_exec_request *r = submit(&w, &p), *other = submit_plain(&w, 1);
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
        r[i] = submit(w, &p);
    }
}

static void check_crowd(world *w, ig_exec_request **r, uint32_t n_tokens) {
    for (uint32_t i = 0; i < CROWD; i++) {
        ig_exec_params p = world_params(prompts[i], PROMPT, n_tokens);
        p.n_sequences = i == 4 ? 3 : 0;
        if (r[i])
            CHECK(right(w, &r[i], &p));
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
        bad = submit(&w, &p);
        for (uint32_t i = 0; i < CROWD; i++) {
            ig_exec_params q = world_params(prompts[i], PROMPT, MADE);
            q.sampling.logit_bias = &never;
            q.sampling.n_logit_bias = 1;
            r[i] = submit(&w, &q);
        }
        CHECK(world_run(&w));
        check_failed(&bad, IG_EINTERNAL, "the step failed: history");
        for (uint32_t i = 0; i < CROWD; i++) {
            ig_exec_params q = world_params(prompts[i], PROMPT, MADE);
            q.sampling.logit_bias = &never;
            q.sampling.n_logit_bias = 1;
            CHECK(right(&w, &r[i], &q));
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
        argc, argv, T(options_are_checked), T(bad_input_is_refused_by_name),
        T(full_queues_and_closed_doors_say_so), T(deadlines_end_requests_with_what_they_have),
        T(cancels_and_closes_in_every_state), T(an_executor_that_is_destroyed_cancels_what_is_left),
        T(a_step_that_fails_once_harms_nobody), T(a_request_that_makes_steps_fail_fails_alone),
        T(a_device_that_fails_for_ever_fails_all_and_may_recover),
        T(a_device_that_fails_now_and_then), T(a_lost_device_takes_everyone_and_the_executor_lives),
        T(an_allocation_that_fails_harms_one_request));
}
