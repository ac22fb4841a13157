/* test_exec_input.c: what an executor and its submit refuse, by status and field name, and that
 * nothing leaks and nobody else notices. One thread, turn by turn. */
#include <math.h>

#include "exec_world.h"
#include "test.h"

enum { PROMPT = 70, MADE = 20 };

static int32_t prompt[PROMPT];

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
static void top_alone(ig_exec_params *p) {
    p->n_top = 2;
    p->logprobs = false;
}
static void empty_word(ig_exec_params *p) {
    p->stop_words = &NO_WORD;
    p->n_stop_words = 1;
}
static void far_word(ig_exec_params *p) {
    p->stop_words = &FAR_WORD;
    p->n_stop_words = 1;
}
static void long_minimum(ig_exec_params *p) {
    p->sampling.min_tokens = 6;
    p->max_tokens = 5;
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
        {top_alone, IG_EARGUMENT, "n_top is 2 without logprobs"},
        {empty_word, IG_EARGUMENT, "stop_words[0]"},
        {far_word, IG_EARGUMENT, "stop_words[0]: ids[1] is 64"},
        {long_minimum, IG_EARGUMENT, "min_tokens is 6, more than max_tokens, 5"},
        {far_end, IG_EARGUMENT, "end_ids[1] is 64"},
        {endless_thought, IG_EARGUMENT, "end"},
    };
    world w;
    ig_err err = {0};
    REQUIRE(world_open(&w, &(world_options){.seqs = 8, .context = 256, .pages = 30}, &err));
    const ig_exec_params plain = world_params(prompt, PROMPT, MADE);
    ig_exec_request *other = world_submit(&w, &plain);
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        ig_exec_request *r = (ig_exec_request *)&w;
        ig_exec_params p = world_params(prompt, PROMPT, MADE);
        ROWS[i].change(&p);
        const ig_status status = ig_exec_submit(w.exec, &p, &r, &err);
        if (status != ROWS[i].status || !strstr(err.message, ROWS[i].says) || r)
            TEST_FAIL("row %zu: status %d, \"%s\"", i, (int)status, status ? err.message : "");
        if (!status)
            ig_exec_request_close(&r);
        (void)ig_exec_work(w.exec);
    }
    CHECK(world_run(&w));
    CHECK(world_gave(&w, &other, &plain));
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

/* 8 sequences of up to 255 rows of 2 MiB each: 2 GiB by the limit of a request, 8 GiB by that of
 * all. Nothing of it is taken before it is there. */
TEST(results_of_all_requests_are_bounded) {
    enum { LARGE = 1 << 19, N = 4 };
    world w;
    ig_err err = {0};
    ig_exec_request *r[N], *no = NULL;
    REQUIRE(world_open(&w, &(world_options){.vocab = LARGE, .seqs = 8, .context = 256}, &err));
    ig_exec_params p = world_params(GOOD, 3, UINT32_MAX);
    p.n_sequences = 8;
    p.generation_logits = true;
    for (uint32_t i = 0; i < N; i++)
        r[i] = world_submit(&w, &p);
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_EBUSY);
    CHECK(strstr(err.message, "close some"));
    ig_exec_params small = world_params(GOOD, 3, 2);
    ig_exec_request *other = world_submit(&w, &small); /* has no such results */
    ig_exec_request_close(&r[0]);
    (void)ig_exec_work(w.exec); /* which lets go of it */
    r[0] = world_submit(&w, &p);
    for (uint32_t i = 0; i < N; i++)
        ig_exec_request_close(&r[i]);
    CHECK(world_run(&w));
    CHECK(world_gave(&w, &other, &small));
    p.generation_logits = false;
    p.n_sequences = 1;
    p.prompt_logprobs = p.context_logits = true;
    r[0] = world_submit(&w, &p);
    REQUIRE(r[0] != NULL);
    ig_exec_request_close(&r[0]);
    CHECK(world_run(&w));
    CHECK(world_is_clean(&w));
    world_close(&w);
}

TEST(candidates_of_a_prompt_are_bounded) {
    enum { MOST = IG_EXEC_LOGITS_BYTES_MAX / sizeof(ig_candidate) / IG_EXEC_TOP_MAX };
    world w;
    ig_err err = {0};
    ig_exec_request *no = NULL;
    int32_t *ids = ig_alloc(MOST + 1, sizeof *ids);
    const world_options o = {.vocab = IG_EXEC_TOP_MAX,
                             .context = MOST + 64,
                             .pages = MOST / IG_PAGE_TOKENS + 2,
                             .uncached = true};
    REQUIRE(ids && world_open(&w, &o, &err));
    ig_exec_params p = world_params(ids, MOST + 1, 1);
    p.n_top = IG_EXEC_TOP_MAX;
    p.prompt_logprobs = true;
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_ELIMIT);
    CHECK(strstr(err.message, "prompt_logprobs with n_top"));
    world_close(&w);
    ig_free(ids);
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
    ig_exec_params p = world_params(prompt, PROMPT, MADE);
    p.hooks.release = count_release;
    n_released = 0;
    p.events = events;
    r[0] = world_submit(&w, &p);
    r[1] = world_submit(&w, &p);
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_EBUSY);
    CHECK(strstr(err.message, "event queue has room for 2"));
    p.events = NULL;
    r[2] = world_submit(&w, &p);
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_EBUSY);
    CHECK(strstr(err.message, "3 requests are waiting"));
    CHECK_EQ(n_released, 2);
    CHECK(world_run(&w));
    for (int i = 0; i < 3; i++)
        CHECK(world_gave(&w, &r[i], &p));
    CHECK_EQ(ig_exec_events_take(events, r, 3, 0), 0); /* the queue held them */
    CHECK_OK(ig_exec_drain(w.exec, 0, &err));
    CHECK_EQ(ig_exec_submit(w.exec, &p, &no, &err), IG_ECANCELLED);
    CHECK(no == NULL);
    CHECK(world_is_clean(&w));
    world_close(&w);
    CHECK_EQ(n_released, 6);
    ig_exec_events_destroy(&events);
}

int main(int argc, char **argv) {
    for (int32_t i = 0; i < PROMPT; i++)
        prompt[i] = i * 11 % 63;
    return RUN(argc, argv, T(options_are_checked), T(bad_input_is_refused_by_name),
               T(results_of_all_requests_are_bounded), T(candidates_of_a_prompt_are_bounded),
               T(full_queues_and_closed_doors_say_so));
}
