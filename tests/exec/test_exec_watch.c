/* test_exec_watch.c: how clients hear of requests: event queues and their descriptor, waiting for
 * any or all, and the statistics of steps and sums. One thread, turn by turn. */
#include <poll.h>

#include "exec_world.h"
#include "os/os.h"
#include "test.h"

enum { PROMPT = 40, N = 6 };

static int32_t prompts[N][PROMPT];

static void make_prompts(void) {
    for (uint32_t i = 0; i < N; i++) {
        for (uint32_t k = 0; k < PROMPT; k++)
            prompts[i][k] = (int32_t)((i * 13 + k * 5) % 64);
    }
}

static ig_exec_request *submit(world *w, uint32_t i, uint32_t made, bool streaming,
                               ig_exec_events *events) {
    ig_exec_request *r = NULL;
    ig_err err = {0};
    ig_exec_params p = world_params(prompts[i], PROMPT, made);
    p.streaming = streaming;
    p.events = events;
    p.tag = 100 + i;
    p.user = prompts[i];
    if (ig_exec_submit(w->exec, &p, &r, &err))
        TEST_FAIL("submit: %s", err.message);
    return r;
}

static bool readable(const ig_exec_events *e) {
    struct pollfd fd = {.fd = ig_exec_events_fd(e), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* ---- events -----------------------------------------------------------------------------------
 */

TEST(events_name_each_request_once_until_it_has_more) {
    world w;
    ig_err err = {0};
    ig_exec_events *e = NULL;
    ig_exec_request *r[3], *news[8];
    static answer got;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    REQUIRE_OK(ig_exec_events_create(&e, 3, &err));
    CHECK(!readable(e));
    for (uint32_t i = 0; i < 3; i++)
        r[i] = submit(&w, i, 5, i < 2, e); /* the last one: at the end only */
    for (int i = 0; i < 3; i++)            /* prefill of two chunks, then tokens */
        (void)ig_exec_work(w.exec);
    CHECK(readable(e));
    CHECK_EQ(ig_exec_events_take(e, news, 0, 0), 0);
    CHECK(readable(e)); /* nothing was taken */
    CHECK_EQ(ig_exec_events_take(e, news, 1, 0), 1);
    CHECK(readable(e)); /* one is left */
    CHECK_EQ(ig_exec_events_take(e, news + 1, 7, 0), 1);
    CHECK(news[0] != news[1] && news[0] != r[2] && news[1] != r[2]);
    CHECK(ig_exec_request_user(news[0]) == prompts[news[0] == r[1]]);
    CHECK_EQ(ig_exec_events_take(e, news, 8, 0), 0);
    CHECK(!readable(e));
    ig_exec_request_close(&r[1]); /* is heard of no more */
    CHECK(world_run(&w));
    CHECK(readable(e));
    CHECK_EQ(ig_exec_events_take(e, news, 8, 0), 2);
    CHECK(news[0] == r[0] || news[1] == r[0]);
    CHECK(news[0] == r[2] || news[1] == r[2]);
    CHECK(!readable(e));
    CHECK_EQ(ig_exec_events_take(e, news, 8, 1000000), 0); /* a timeout */
    for (int i = 0; i < 3; i += 2) {
        memset(&got, 0, sizeof got);
        answer_take(&got, r[i]);
        CHECK_EQ(got.n[0], 5);
        ig_exec_request_close(&r[i]);
    }
    world_close(&w);
    ig_exec_events_destroy(&e);
    CHECK(e == NULL);
    CHECK_EQ(ig_exec_events_create(&e, 0, &err), IG_EARGUMENT);
}

/* As a push leaves it that raises the descriptor after its request was taken. */
TEST(a_descriptor_raised_late_is_cleared_by_who_finds_nothing) {
    world w;
    ig_err err = {0};
    ig_exec_events *e = NULL;
    ig_exec_request *news[2];
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    REQUIRE_OK(ig_exec_events_create(&e, 2, &err));
    ig_exec_request *r = submit(&w, 0, 5, true, e);
    CHECK(world_run(&w));
    CHECK_EQ(ig_exec_events_take(e, news, 2, 0), 1);
    ig_event_fd_raise(ig_exec_events_fd(e));
    CHECK(readable(e));
    CHECK_EQ(ig_exec_events_take(e, news, 2, 0), 0);
    CHECK(!readable(e));
    ig_exec_request_close(&r);
    world_close(&w);
    ig_exec_events_destroy(&e);
}

TEST(a_closed_request_gives_its_place_back_at_once) {
    world w;
    ig_err err = {0};
    ig_exec_events *e = NULL;
    ig_exec_request *news[4], *r;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    REQUIRE_OK(ig_exec_events_create(&e, 2, &err));
    ig_exec_request *kept = submit(&w, 1, 5, true, e);
    for (uint32_t turns = 0; turns < 12; turns++) { /* without, then with news in the queue */
        r = submit(&w, 0, 5, true, e);
        REQUIRE(r != NULL);
        for (uint32_t i = 0; i < turns; i++)
            (void)ig_exec_work(w.exec);
        ig_exec_request_close(&r);
    }
    /* Whose news were there are still heard of. */
    CHECK(readable(e));
    CHECK_EQ(ig_exec_events_take(e, news, 4, 0), 1);
    CHECK(news[0] == kept);
    r = submit(&w, 0, 5, true, e);
    ig_exec_request *no = NULL;
    ig_exec_params p = world_params(prompts[2], PROMPT, 5);
    p.events = e;
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_EBUSY);
    CHECK(world_run(&w));
    ig_exec_request_close(&r);
    ig_exec_request_close(&kept);
    world_close(&w);
    ig_exec_events_destroy(&e);
}

TEST(events_destroyed_before_their_requests_do_no_harm) {
    world w;
    ig_err err = {0};
    ig_exec_events *e = NULL;
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    REQUIRE_OK(ig_exec_events_create(&e, 2, &err));
    ig_exec_request *a = submit(&w, 0, 5, true, e), *b = submit(&w, 1, 5, true, e);
    (void)ig_exec_work(w.exec);
    (void)ig_exec_work(w.exec);
    ig_exec_events_destroy(&e);
    CHECK(world_run(&w));
    ig_exec_request_close(&a);
    world_close(&w);
    ig_exec_request_close(&b);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

TEST(await_any_all_and_ended) {
    world w;
    ig_err err = {0};
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    ig_exec_request *r[2] = {submit(&w, 0, 5, true, NULL), submit(&w, 1, 5, false, NULL)};
    CHECK_EQ(ig_exec_await(r, 0, false, false, 0, &err), IG_EARGUMENT);
    CHECK_EQ(ig_exec_await(r, 2, false, false, 0, &err), IG_EAGAIN);
    const uint64_t start = ig_clock_ns();
    CHECK_EQ(ig_exec_await(r, 2, false, false, 3000000, &err), IG_EAGAIN);
    CHECK(ig_clock_ns() - start >= 3000000);
    for (int i = 0; i < 3; i++)
        (void)ig_exec_work(w.exec);
    /* Both have tokens; one gives its outputs at the end. */
    CHECK(ig_exec_ready(r[0]) && !ig_exec_ready(r[1]));
    CHECK_OK(ig_exec_await(r, 2, false, false, 0, &err));
    CHECK_EQ(ig_exec_await(r, 2, true, false, 0, &err), IG_EAGAIN);
    CHECK_EQ(ig_exec_await(r, 1, true, true, 0, &err), IG_EAGAIN);
    CHECK(world_run(&w));
    CHECK_OK(ig_exec_await(r, 2, true, true, 0, &err));
    CHECK_OK(ig_exec_await(r, 2, true, false, UINT64_MAX, &err));
    world other;
    REQUIRE(world_open(&other, &(world_options){0}, &err));
    ig_exec_request *mixed[2] = {r[0], submit(&other, 0, 5, true, NULL)};
    CHECK_EQ(ig_exec_await(mixed, 2, false, false, 0, &err), IG_EARGUMENT);
    ig_exec_request_close(&mixed[1]);
    world_close(&other);
    ig_exec_request_close(&r[0]);
    ig_exec_request_close(&r[1]);
    world_close(&w);
}

TEST(pause_and_drain) {
    world w;
    ig_err err = {0};
    REQUIRE(world_open(&w, &(world_options){0}, &err));
    ig_exec_pause(w.exec, true);
    ig_exec_request *a = submit(&w, 0, 5, true, NULL), *b = submit(&w, 1, 5, true, NULL);
    CHECK(!ig_exec_work(w.exec));
    CHECK_EQ(world_facts(&w).n_queued, 2);
    ig_exec_cancel(a);
    CHECK(!ig_exec_work(w.exec));
    CHECK(ig_exec_done(a) && !ig_exec_done(b));
    CHECK_EQ(ig_exec_drain(w.exec, 1000, &err), IG_EAGAIN);
    ig_exec_pause(w.exec, false);
    CHECK(world_run(&w));
    CHECK_OK(ig_exec_drain(w.exec, 0, &err));
    CHECK(ig_exec_done(b));
    ig_exec_request_close(&a);
    ig_exec_request_close(&b);
    CHECK(world_is_clean(&w));
    world_close(&w);
}

/* ---- statistics -------------------------------------------------------------------------------
 */

TEST(records_of_steps_add_up) {
    enum { RECORDS = 256, MADE = 9 };
    static ig_exec_iteration it[RECORDS];
    world w;
    ig_err err = {0};
    ig_exec_request *r[N];
    ig_exec_request_facts rf;
    REQUIRE(world_open(&w, &(world_options){.iterations = RECORDS, .tokens = 32}, &err));
    for (uint32_t i = 0; i < N; i++)
        r[i] = submit(&w, i, MADE, true, NULL);
    CHECK(world_run(&w));
    const ig_exec_facts f = world_facts(&w);
    const size_t n = ig_exec_iterations(w.exec, it, RECORDS);
    ig_exec_iteration sum = {0};
    CHECK_EQ(n, f.n_steps);
    CHECK_EQ(n, w.h.n_steps);
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(it[i].iter, i);
        CHECK_EQ(it[i].n_scheduled, it[i].n_context + it[i].n_generation);
        CHECK(it[i].device_ns <= it[i].latency_ns);
        CHECK(i == 0 || it[i].timestamp_ns > it[i - 1].timestamp_ns);
        CHECK_EQ(it[i].kv_free_pages + it[i].kv_used_pages + it[i].kv_cached_pages,
                 it[i].kv_max_pages);
        CHECK(it[i].n_context_tokens + it[i].n_generation_tokens <= 32);
        sum.n_new_active += it[i].n_new_active;
        sum.n_completed += it[i].n_completed;
        sum.n_context_tokens += it[i].n_context_tokens;
        sum.n_generation_tokens += it[i].n_generation_tokens;
        sum.device_ns += it[i].device_ns;
        sum.latency_ns += it[i].latency_ns;
        sum.queue_ns += it[i].queue_ns;
    }
    CHECK_EQ(it[n - 1].n_active, 0);
    CHECK_EQ(sum.n_new_active, N);
    CHECK_EQ(sum.n_completed, N);
    CHECK_EQ(sum.n_context_tokens, f.prefill_tokens);
    CHECK_EQ(sum.n_generation_tokens, N * (MADE - 1)); /* the first comes with the prompt */
    CHECK_EQ(sum.n_context_tokens + sum.n_generation_tokens, w.h.n_rows);
    CHECK_EQ(sum.device_ns, f.device_ns);
    CHECK_EQ(sum.latency_ns, f.busy_ns);
    CHECK_EQ(f.generated_tokens, N * MADE);
    CHECK_EQ(f.prompt_tokens, N * PROMPT);
    CHECK_EQ(f.n_submitted, N);
    CHECK_EQ(f.n_completed, N);
    CHECK_EQ(f.ttft.n, N);
    CHECK_EQ(f.e2e.n, N);
    CHECK_EQ(f.queue.n, N);
    CHECK_EQ(f.itl.n, N * (MADE - 1));
    CHECK_NEAR(f.queue.sum, (double)sum.queue_ns * 1e-9, 1e-6);
    for (uint32_t i = 0; i < N; i++) {
        ig_exec_request_describe(r[i], &rf);
        CHECK(rf.tag == 100 + i && rf.stage == IG_EXEC_COMPLETE && rf.n_sequences == 1);
        CHECK(rf.n_prompt == PROMPT && rf.n_prefilled == PROMPT && rf.n_generated == MADE);
        CHECK(rf.arrival_ns <= rf.scheduled_ns && rf.scheduled_ns <= rf.first_token_ns);
        CHECK(rf.first_token_ns < rf.last_token_ns && rf.last_token_ns <= rf.done_ns);
        CHECK(rf.first_step < rf.last_step && rf.last_step < n);
        ig_exec_request_close(&r[i]);
    }
    CHECK_EQ(ig_exec_iterations(w.exec, it, RECORDS), 0);
    world_close(&w);
}

TEST(records_that_nobody_takes_drop_the_oldest) {
    ig_exec_iteration it[16];
    world w;
    ig_err err = {0};
    REQUIRE(world_open(&w, &(world_options){.iterations = 4}, &err));
    ig_exec_request *r = submit(&w, 0, 20, true, NULL);
    CHECK(world_run(&w));
    CHECK_EQ(ig_exec_iterations(w.exec, it, 16), 4);
    CHECK_EQ(it[0].iter, 16);
    CHECK_EQ(it[3].iter, 19);
    ig_exec_request_close(&r);
    world_close(&w);
}

int main(int argc, char **argv) {
    make_prompts();
    return RUN(argc, argv, T(events_name_each_request_once_until_it_has_more),
               T(a_descriptor_raised_late_is_cleared_by_who_finds_nothing),
               T(a_closed_request_gives_its_place_back_at_once),
               T(events_destroyed_before_their_requests_do_no_harm), T(await_any_all_and_ended),
               T(pause_and_drain), T(records_of_steps_add_up),
               T(records_that_nobody_takes_drop_the_oldest));
}
