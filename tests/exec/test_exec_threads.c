/* test_exec_threads.c: many threads against one executor: clients that submit, read, cancel and
 * close at random, one that serves an event queue for requests of others, one that watches
 * statistics; and shutdowns that meet cancels, submits and drains. Meant for the thread sanitizer;
 * what requests give is checked all the same. */
#include "exec_world.h"
#include "os/os.h"
#include "test.h"

enum { CLIENTS = 8, PROMPT = 60, MADE = 12, TURNS_MS = 1500 };

static int32_t prompts[CLIENTS][PROMPT];
static answer wants[CLIENTS]; /* of 2 sequences */

static ig_exec_params params_of(uint32_t i) {
    ig_exec_params p = world_params(prompts[i], PROMPT, MADE);
    p.n_sequences = 2;
    p.sampling.temperature = 0.8f;
    return p;
}

static bool prepare(world *w, const world_options *o) {
    ig_err err = {0};
    if (!world_open(w, o, &err))
        return false;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        for (uint32_t k = 0; k < PROMPT; k++)
            prompts[i][k] = (int32_t)(k < 40 ? k : (k * i + 3) % 64);
        const ig_exec_params p = params_of(i);
        if (answer_alone(&wants[i], w, &p, 1, &err))
            return false;
    }
    return true;
}

typedef struct client {
    world *w;
    ig_exec_events *events;
    uint32_t number;
    uint64_t until_ns;
    uint32_t n_right, n_wrong, n_busy, n_cancelled;
    answer got;
} client;

/* Reads as it comes; cancels some time, or closes without reading on. */
static void one_request(client *c, world_rng *rng) {
    ig_exec_params p = params_of(c->number);
    ig_exec_request *r;
    ig_err err = {0};
    p.streaming = world_below(rng, 2);
    p.priority = (float)world_below(rng, 3) - 1;
    if (ig_exec_submit(c->w->exec, &p, &r, &err)) {
        c->n_busy++;
        ig_thread_yield();
        return;
    }
    const uint32_t kind = world_below(rng, 5);
    memset(&c->got, 0, sizeof c->got);
    c->got.status = IG_EAGAIN;
    for (uint32_t round = 0; c->got.status == IG_EAGAIN; round++) {
        if (kind == 0 && round == 2)
            ig_exec_cancel(r);
        if (kind == 1 && round == 2)
            break;
        (void)!ig_exec_await(&r, 1, true, world_below(rng, 2), 2000000, &err);
        answer_take(&c->got, r);
    }
    ig_exec_request_facts f;
    ig_exec_request_describe(r, &f);
    ig_exec_request_close(&r);
    c->n_cancelled += kind < 2;
    if (kind >= 2)
        *(answer_same(&c->got, &wants[c->number], false) ? &c->n_right : &c->n_wrong) += 1;
    else
        c->n_wrong += !answer_same(&c->got, &wants[c->number], true);
}

static void client_body(void *user) {
    client *c = user;
    world_rng rng = {c->number + 1};
    /* On a busy machine the time may pass before anything ends. */
    while (ig_clock_ns() < c->until_ns || c->n_right + c->n_wrong == 0)
        one_request(c, &rng);
}

/* Submits for the thread that serves the queue; its handle travels as the request's user. */
static void submitter_body(void *user) {
    client *c = user;
    ig_err err = {0};
    while (ig_clock_ns() < c->until_ns) {
        ig_exec_params p = params_of(c->number);
        ig_exec_request **slot = ig_alloc(1, sizeof(*slot));
        p.user = slot;
        p.events = c->events;
        if (!slot || ig_exec_submit(c->w->exec, &p, slot, &err)) {
            ig_free(slot);
            c->n_busy++;
            ig_thread_yield();
        }
    }
}

/* Takes outputs of whoever has news; closes who has ended, or now and then before that. */
static uint32_t serve(ig_exec_events *events, world_rng *rng, uint64_t timeout_ns) {
    ig_exec_request *news[4];
    ig_exec_token tokens[8];
    uint32_t closed = 0;
    ig_err err = {0};
    const size_t n = ig_exec_events_take(events, news, 4, timeout_ns);
    for (size_t i = 0; i < n; i++) {
        ig_exec_request **slot = ig_exec_request_user(news[i]);
        size_t taken;
        ig_status status;
        CHECK(*slot == news[i]);
        while (!(status = ig_exec_next(*slot, tokens, NULL, 8, &taken, 0, &err)))
            CHECK(taken > 0);
        if (status == IG_EAGAIN && world_below(rng, 50))
            continue;
        ig_exec_request_close(slot);
        ig_free(slot);
        closed++;
    }
    return closed;
}

TEST(clients_on_many_threads_get_what_is_theirs) {
    static client c[CLIENTS];
    ig_thread *threads[CLIENTS] = {NULL};
    world w;
    ig_err err = {0};
    ig_exec_events *events;
    ig_exec_iteration it[8];
    world_rng rng = {9};
    REQUIRE(prepare(&w, &(world_options){.threaded = true,
                                         .pages = 40,
                                         .queue = 12,
                                         .seqs = 12,
                                         .tokens = 48,
                                         .windows = {0, 40},
                                         .n_groups = 2}));
    REQUIRE_OK(ig_exec_events_create(&events, 6, &err));
    const uint64_t until = ig_clock_ns() + TURNS_MS * 1000000ull;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        c[i] = (client){.w = &w, .events = events, .number = i, .until_ns = until};
        CHECK_OK(ig_thread_start(&threads[i], "client", i < 2 ? submitter_body : client_body, &c[i],
                                 &err));
    }
    uint64_t steps = 0;
    while (ig_clock_ns() < until) {
        (void)serve(events, &rng, 1000000);
        const ig_exec_facts f = world_facts(&w);
        CHECK(f.n_steps >= steps && f.kv.free + f.kv.used + f.kv.cached == f.kv.n_pages);
        steps = f.n_steps;
        (void)ig_exec_iterations(w.exec, it, 8);
        ig_exec_pause(w.exec, world_below(&rng, 64) == 0);
    }
    ig_exec_pause(w.exec, false);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        ig_thread_join(&threads[i]);
        CHECK_EQ(c[i].n_wrong, 0);
    }
    CHECK_OK(ig_exec_drain(w.exec, UINT64_MAX, &err));
    while (serve(events, &rng, 0))
        continue;
    const ig_exec_facts f = world_facts(&w);
    CHECK_EQ(f.n_submitted, f.n_completed + f.n_cancelled);
    CHECK_EQ(f.n_failed_steps, 0);
    CHECK_EQ(f.kv.used, 0);
    world_close(&w);
    ig_exec_events_destroy(&events);
}

typedef struct sleeper {
    ig_exec_request *r[2];
    size_t n;
    bool all;
    ig_status status;
    ig_flag woken;
} sleeper;

static void sleeper_body(void *user) {
    sleeper *s = user;
    ig_err err = {0};
    s->status = ig_exec_await(s->r, s->n, s->all, false, 20000000000ull, &err);
    ig_flag_set(&s->woken, 1);
}

/* Whoever waits, for one request or several, hears of the tokens and of the end. */
TEST(every_kind_of_waiter_is_woken) {
    static const struct {
        size_t n;
        bool all, streaming;
    } ROWS[] = {{1, true, true}, {1, true, false}, {2, false, true}, {2, true, false}};
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        world w;
        ig_err err = {0};
        ig_thread *thread;
        sleeper s = {.n = ROWS[i].n, .all = ROWS[i].all};
        REQUIRE(prepare(&w, &(world_options){.threaded = true}));
        ig_exec_pause(w.exec, true);
        for (uint32_t k = 0; k < 2; k++) {
            ig_exec_params p = params_of(k);
            p.streaming = ROWS[i].streaming;
            REQUIRE_OK(ig_exec_submit(w.exec, &p, &s.r[k], &err));
        }
        REQUIRE_OK(ig_thread_start(&thread, "sleeper", sleeper_body, &s, &err));
        const uint64_t until = ig_clock_ns() + 5000000;
        while (ig_clock_ns() < until)
            ig_thread_yield();
        CHECK(!ig_flag_get(&s.woken));
        ig_exec_pause(w.exec, false);
        ig_thread_join(&thread);
        CHECK_OK(s.status);
        ig_exec_request_close(&s.r[0]);
        ig_exec_request_close(&s.r[1]);
        world_close(&w);
    }
}

TEST(a_deadline_wakes_an_executor_that_sleeps) {
    world w;
    ig_err err = {0};
    ig_exec_request *r;
    ig_exec_token token;
    size_t n;
    REQUIRE(prepare(&w, &(world_options){.threaded = true}));
    ig_exec_pause(w.exec, true);
    ig_exec_params p = params_of(0);
    p.deadline_ns = ig_clock_ns() + 20000000;
    REQUIRE_OK(ig_exec_submit(w.exec, &p, &r, &err));
    CHECK_OK(ig_exec_await(&r, 1, true, true, 10000000000ull, &err));
    CHECK(ig_clock_ns() >= p.deadline_ns);
    CHECK_OK(ig_exec_next(r, &token, NULL, 1, &n, 0, &err));
    CHECK(token.id == -1 && token.reason == IG_EXEC_TIMED_OUT);
    ig_exec_request_close(&r);
    world_close(&w);
}

/* ---- shutdowns --------------------------------------------------------------------------------
 */

typedef struct nuisance {
    ig_exec *exec;
    ig_exec_request *r;
    ig_flag go;
} nuisance;

static void cancel_body(void *user) {
    nuisance *n = user;
    while (!ig_flag_get(&n->go))
        ig_thread_yield();
    ig_exec_cancel(n->r);
}

TEST(cancels_that_meet_a_shutdown) {
    for (uint32_t i = 0; i < 150; i++) {
        world w;
        ig_err err = {0};
        ig_thread *thread = NULL;
        nuisance n = {0};
        REQUIRE(prepare(&w, &(world_options){.threaded = true}));
        const ig_exec_params p = params_of(i % CLIENTS);
        REQUIRE_OK(ig_exec_submit(w.exec, &p, &n.r, &err));
        REQUIRE_OK(ig_thread_start(&thread, "cancel", cancel_body, &n, &err));
        ig_flag_set(&n.go, 1);
        world_close(&w);
        ig_thread_join(&thread);
        CHECK(ig_exec_done(n.r));
        ig_exec_request_close(&n.r);
    }
}

static void submit_body(void *user) {
    nuisance *n = user;
    ig_err err = {0};
    const ig_exec_params p = params_of(0);
    ig_flag_set(&n->go, 1);
    for (;;) {
        ig_exec_request *r;
        const ig_status status = ig_exec_submit(n->exec, &p, &r, &err);
        ig_exec_request_close(&r);
        if (status == IG_ECANCELLED)
            return;
    }
}

TEST(submits_that_meet_a_drain) {
    for (uint32_t i = 0; i < 100; i++) {
        world w;
        ig_err err = {0};
        ig_thread *thread = NULL;
        REQUIRE(prepare(&w, &(world_options){.threaded = true}));
        nuisance n = {.exec = w.exec};
        REQUIRE_OK(ig_thread_start(&thread, "submit", submit_body, &n, &err));
        while (!ig_flag_get(&n.go))
            ig_thread_yield();
        CHECK_OK(ig_exec_drain(w.exec, 20000000000ull, &err));
        CHECK_EQ(world_facts(&w).n_active + world_facts(&w).n_queued, 0);
        ig_thread_join(&thread);
        world_close(&w);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(clients_on_many_threads_get_what_is_theirs),
               T(every_kind_of_waiter_is_woken), T(a_deadline_wakes_an_executor_that_sleeps),
               T(cancels_that_meet_a_shutdown), T(submits_that_meet_a_drain));
}
