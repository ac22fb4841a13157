/* test_executor_text.c: text over the public executor, with a model whose text is known
 * (tiny_gguf.h): stop strings across token borders, text held back, forbidden strings, prompts as
 * text, salts; fields that are refused; waiting; results without memory. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"
#include "engine/tiny_gguf.h"
#include "ingot/executor.h"
#include "os/os.h"
#include "test.h"

#define TEXT_MAX 2048

static char folder[] = "/tmp/ingot-exec-text-XXXXXX";
static char path[64];
static ingot_model *model;
static ingot_executor *executor;

static ingot_request_options options_for(const char *text, int64_t max_tokens) {
    ingot_request_options o = {
        .text = text, .text_size = strlen(text), .max_tokens = max_tokens, .streaming = true};
    ingot_sampling_defaults(&o.sampling);
    o.sampling.temperature = 0;
    return o;
}

/* What a request gave. */
typedef struct gathered {
    char text[TEXT_MAX];
    int32_t ids[TEXT_MAX];
    size_t n_text, n_ids, n_outputs;
    ingot_finish finish;
    ingot_status status;
    bool began; /* some text given out was a beginning of `watch`, or more of it */
} gathered;

static ingot_request *submit(const ingot_request_options *o) {
    ingot_request *r = NULL;
    ingot_error error = {0};
    if (ingot_executor_submit(executor, o, &r, &error))
        TEST_FAIL("submit: %s", error.message);
    return r;
}

static void add_output(gathered *g, const ingot_output *out, const char *watch) {
    if (out->sequence)
        return;
    memcpy(g->text + g->n_text, out->text, IG_MIN(out->text_size, TEXT_MAX - 1 - g->n_text));
    g->n_text += IG_MIN(out->text_size, TEXT_MAX - 1 - g->n_text);
    g->text[g->n_text] = 0;
    for (size_t i = 0; i < out->n_ids && g->n_ids < TEXT_MAX; i++)
        g->ids[g->n_ids++] = out->ids[i];
    g->n_outputs++;
    if (out->finish)
        g->finish = out->finish;
    if (watch && g->n_text && !out->finish && g->text[g->n_text - 1] == watch[0])
        g->began = true;
}

static void run(const ingot_request_options *o, gathered *g, const char *watch) {
    ingot_output out;
    ingot_error error = {0};
    ingot_request *r = submit(o);
    memset(g, 0, sizeof *g);
    while (r && !(g->status = ingot_request_next(r, &out, UINT64_MAX, &error)))
        add_output(g, &out, watch);
    CHECK_EQ(g->status, INGOT_END);
    ingot_request_close(&r);
}

static gathered got;

TEST(text_of_a_prompt_goes_on) {
    for (int streaming = 0; streaming < 2; streaming++) {
        ingot_request_options o = options_for("a", 0);
        o.streaming = streaming;
        run(&o, &got, NULL);
        CHECK_STR(got.text, "bcdefghijklmnopqrstuvwxyz.");
        CHECK_EQ(got.finish, INGOT_FINISH_END_ID);
        CHECK_EQ(got.n_ids, 27); /* the end's id, not its text */
        CHECK(streaming || got.n_outputs == 1);
        o.sampling.ignore_eos = true;
        o.max_tokens = 30;
        run(&o, &got, NULL);
        CHECK_EQ(got.finish, INGOT_FINISH_LENGTH);
        CHECK_EQ(got.n_ids, 30);
        o.no_text = true;
        run(&o, &got, NULL);
        CHECK(got.n_text == 0 && got.n_ids == 30);
        o.include_input = true;
        run(&o, &got, NULL);
        CHECK(got.n_ids == 31 && got.ids[0] == 'a' && got.ids[1] == 'b');
    }
}

TEST(characters_are_given_whole) {
    ingot_request_options o = options_for("0", 8);
    run(&o, &got, "\xC3");
    CHECK_STR(got.text, "\xC3\xA9"
                        "123456");
    CHECK(!got.began);
}

TEST(stop_strings_end_the_text_before_them) {
    static const struct {
        const char *stop[2], *text;
        uint32_t n;
    } ROWS[] = {
        {{"xyz"}, "bcdefghijklmnopqrstuvw", 1},
        {{"e", "de"}, "bc", 2}, /* both by one token: the earlier one counts */
        {{"mnopqrstuvwxyz.", "zzz"}, "bcdefghijkl", 2},
        {{"", "cd"}, "b", 2},           /* an empty one says nothing */
        {{"abc", "k"}, "bcdefghij", 2}, /* the prompt is no part of the text */
        {{"yz!", "nope"}, "bcdefghijklmnopqrstuvwxyz.", 2},
    };
    for (size_t i = 0; i < 2 * IG_COUNT(ROWS); i++) {
        const size_t k = i / 2;
        ingot_request_options o = options_for("a", 0);
        o.stop = ROWS[k].stop;
        o.n_stop = ROWS[k].n;
        o.streaming = i % 2;
        run(&o, &got, ROWS[k].stop[0][0] && k != 1 && k < 4 ? ROWS[k].stop[0] : NULL);
        CHECK_STR(got.text, ROWS[k].text);
        CHECK(!got.began);
        CHECK_EQ(got.finish, k == 5 ? INGOT_FINISH_END_ID : INGOT_FINISH_STOP);
    }
}

/* Complete strings before min_tokens stop nothing, neither the sequence nor its text. */
TEST(nothing_stops_before_min_tokens) {
    static const int32_t CD[] = {'c', 'd'}, GH[] = {'g', 'h'};
    static const ingot_words WORDS[] = {{CD, 2}, {GH, 2}};
    static const struct {
        const char *stop[2], *text;
        uint32_t n, n_words, min_tokens;
    } ROWS[] = {
        {{"c", "hi"}, "bcdefg", 2, 0, 5},
        {{"c", "fg"}, "bcde", 2, 0, 6}, /* by the token that is the fifth and sixth */
        {{"fg", "c"}, "bcdefghijklmnopqrstuvwxyz.", 2, 0, 7}, /* complete one token too early */
        {{"bcd", "de"}, "bcdefghijklmnopqrstuvwxyz.", 2, 0, 5},
        {{NULL}, "bcdefgh", 0, 2, 4},
        {{NULL}, "bcd", 0, 2, 3},
        {{NULL}, "bcdefghijklmnopqrstuvwxyz.", 0, 2, 8},
    };
    for (size_t i = 0; i < 2 * IG_COUNT(ROWS); i++) {
        const size_t k = i / 2;
        ingot_request_options o = options_for("a", 0);
        o.stop = ROWS[k].stop;
        o.n_stop = ROWS[k].n;
        o.stop_words = WORDS;
        o.n_stop_words = ROWS[k].n_words;
        o.sampling.min_tokens = ROWS[k].min_tokens;
        o.streaming = i % 2;
        run(&o, &got, NULL);
        CHECK_STR(got.text, ROWS[k].text);
        CHECK_EQ(got.finish, strlen(ROWS[k].text) > 20 ? INGOT_FINISH_END_ID : INGOT_FINISH_STOP);
    }
}

static bool append_text(void *user, const char *text, size_t size) {
    return ig_buf_add(user, text, size, NULL) == IG_OK;
}

/* The same of a session. */
TEST(nothing_stops_a_session_before_min_tokens) {
    static const char *const stop[] = {"c", "hi"};
    ingot_session *s = NULL;
    ingot_error error = {0};
    ig_buf text;
    ig_buf_init(&text, 1000);
    REQUIRE(ingot_session_open(&s, model, &error) == INGOT_OK);
    ingot_generate_options o = {.stop = stop, .n_stop = 2, .on_text = append_text, .user = &text};
    ingot_sampling_defaults(&o.sampling);
    o.sampling.temperature = 0;
    o.sampling.min_tokens = 5;
    ingot_generate_result result;
    const int32_t a = 'a';
    CHECK(ingot_generate(s, &a, 1, &o, &result, &error) == INGOT_OK);
    CHECK_STR(text.p ? text.p : "", "bcdefg");
    CHECK_EQ(result.reason, INGOT_STOP_STRING);
    ig_buf_fini(&text);
    ingot_session_close(&s);
}

TEST(forbidden_strings_never_appear) {
    static const char *const BAD[] = {"ef", "he", "xyz", "3", ".\n"};
    static const char *const PROMPTS[] = {"a", "e", "xy", "0", "g", "AB "};
    for (size_t i = 0; i < 24; i++) {
        ingot_request_options o = options_for(PROMPTS[i % IG_COUNT(PROMPTS)], 80);
        o.bad = BAD;
        o.n_bad = IG_COUNT(BAD);
        o.sampling.ignore_eos = true;
        o.sampling.temperature = i < 6 ? 0 : 4;
        o.sampling.top_k = 60;
        o.sampling.seed = i;
        o.streaming = i % 2;
        run(&o, &got, NULL);
        CHECK_EQ(got.n_ids, 80);
        for (size_t k = 0; k < IG_COUNT(BAD); k++)
            CHECK(strstr(got.text, BAD[k]) == NULL);
        /* Nor across the border of prompt and output. */
        CHECK(i % 6 != 1 || got.text[0] != 'f');
        CHECK(i % 6 != 2 || got.text[0] != 'z');
    }
}

/* A bad string that is part of the end token's name: no text without `special`. */
TEST(names_of_control_tokens_are_no_text) {
    static const char *const BAD[] = {"<", "_of_", ".<end", "qq"};
    for (uint32_t i = 0; i < 4; i++) {
        ingot_request_options o = options_for("w", 20);
        o.bad = BAD;
        o.n_bad = i < 2 ? 1 : IG_COUNT(BAD);
        o.special = i % 2;
        run(&o, &got, NULL);
        CHECK_EQ(got.finish, o.special ? INGOT_FINISH_LENGTH : INGOT_FINISH_END_ID);
        CHECK(o.special || got.n_ids == 5); /* xyz. and the end */
    }
}

static uint32_t cached_with(const void *salt, size_t size, bool no_cache) {
    static char prompt[201];
    ingot_request_state state;
    ingot_output out;
    memset(prompt, 'q', 200);
    ingot_request_options o = options_for(prompt, 2);
    o.cache_salt = salt;
    o.cache_salt_size = size;
    o.no_cache = no_cache;
    o.tag = 77;
    ingot_request *r = submit(&o);
    while (r && !ingot_request_next(r, &out, UINT64_MAX, NULL))
        continue;
    ingot_request_poll(r, &state);
    CHECK(state.stage == INGOT_COMPLETE && state.tag == 77 && state.prompt_tokens == 200);
    CHECK(state.ended_s >= state.last_token_s && state.first_token_s >= state.scheduled_s);
    ingot_request_close(&r);
    return state.cached_tokens;
}

TEST(salts_separate) {
    CHECK_EQ(cached_with("one", 3, true), 0);
    CHECK_EQ(cached_with("one", 3, false), 0);
    CHECK_EQ(cached_with("two", 3, false), 0);
    CHECK(cached_with("one", 3, false) >= 192);
    CHECK_EQ(cached_with("one", 3, true), 0);
    CHECK_EQ(cached_with(NULL, 0, false), 0);
    CHECK(cached_with("two", 3, false) >= 192);
}

/* ---- fields that are refused ------------------------------------------------------------------
 */

static void two_prompts(ingot_request_options *o) {
    static const int32_t id = 1;
    o->ids = &id;
    o->n_ids = 1;
}
static void no_prompt(ingot_request_options *o) {
    o->text = NULL;
}
static void empty_text(ingot_request_options *o) {
    o->text_size = 0;
}
static void no_time(ingot_request_options *o) {
    o->time_limit_s = NAN;
}
static void cache_priority(ingot_request_options *o) {
    o->cache_priority = 101;
}
static void null_stop(ingot_request_options *o) {
    static const char *const STOP[] = {"a", NULL};
    o->stop = STOP;
    o->n_stop = 2;
}
static char long_string[300];
static void long_bad(ingot_request_options *o) {
    static const char *const BAD[] = {"a", long_string};
    memset(long_string, 'q', 257);
    o->bad = BAD;
    o->n_bad = 2;
}
static void much_bad(ingot_request_options *o) {
    static const char *bad[17];
    memset(long_string, 0, sizeof long_string);
    memset(long_string, 'q', 256);
    for (size_t i = 0; i < IG_COUNT(bad); i++)
        bad[i] = long_string + (i < 15 ? 0 : 255 * (i - 15));
    o->bad = bad; /* 15 * 256 + 256 + 1 */
    o->n_bad = IG_COUNT(bad);
}
static void foreign_stop_word(ingot_request_options *o) {
    static const int32_t GOOD[] = {1, 2}, BAD[] = {1, 2, 300};
    static const ingot_words WORDS[] = {{GOOD, 2}, {BAD, 3}};
    o->stop_words = WORDS;
    o->n_stop_words = 2;
}
static void long_minimum(ingot_request_options *o) {
    o->sampling.min_tokens = 5;
}
static void many_widths(ingot_request_options *o) {
    o->beams.n_widths = 9;
}
static void wide(ingot_request_options *o) {
    o->beams.width = 65;
    o->streaming = false;
}
static void nan_temperature(ingot_request_options *o) {
    o->sampling.temperature = NAN;
}
/* Beams of two, and one more thing. */
static void beams_of_two(ingot_request_options *o) {
    o->streaming = false;
    o->beams.width = 2;
}
static void beams_mirostat(ingot_request_options *o) {
    beams_of_two(o);
    o->sampling.mirostat = 2;
}
static void beams_dynatemp(ingot_request_options *o) {
    beams_of_two(o);
    o->sampling.dynatemp_range = 0.5f;
}
static void beams_streaming(ingot_request_options *o) {
    beams_of_two(o);
    o->streaming = true;
}
static void beams_top(ingot_request_options *o) {
    beams_of_two(o);
    o->top_logprobs = 2;
}
static void beams_think(ingot_request_options *o) {
    beams_of_two(o);
    o->think_begin = o->think_end = "x";
    o->think_tokens = 2;
}
static void nan_diversity(ingot_request_options *o) {
    beams_of_two(o);
    o->beams.diversity_rate = NAN;
}
static void nan_length_penalty(ingot_request_options *o) {
    beams_of_two(o);
    o->beams.length_penalty = NAN;
}
static void no_width(ingot_request_options *o) {
    static const uint32_t WIDTHS[] = {2, 0};
    beams_of_two(o);
    o->beams.widths = WIDTHS;
    o->beams.n_widths = 2;
}
static void more_than_beams(ingot_request_options *o) {
    beams_of_two(o);
    o->n = 3;
}
static void many_top(ingot_request_options *o) {
    o->top_logprobs = 5000;
}
static void no_repeat_penalty(ingot_request_options *o) {
    o->sampling.repeat_penalty = 0;
}
static void nan_frequency(ingot_request_options *o) {
    o->sampling.frequency_penalty = NAN;
}
static void far_look_back(ingot_request_options *o) {
    o->sampling.repeat_last_n = -2;
}
static void drawn_early(ingot_request_options *o) {
    o->sampling.samplers = "adaptive_p;top_k";
}
static void many_n(ingot_request_options *o) {
    o->n = 1000;
}
static void wordy_mark(ingot_request_options *o) {
    o->think_tokens = 5;
    o->think_begin = "much too long a mark to begin with";
}
static void nan_priority(ingot_request_options *o) {
    o->priority = NAN;
}

/* Counts without their arrays. */
static void no_stop(ingot_request_options *o) {
    o->n_stop = 2;
}
static void no_stop_words(ingot_request_options *o) {
    o->n_stop_words = 2;
}
static void no_bad_words(ingot_request_options *o) {
    static const ingot_words hollow[] = {{NULL, 3}};
    o->bad_words = hollow;
    o->n_bad_words = 1;
}
static void no_bias(ingot_request_options *o) {
    o->sampling.n_logit_bias = UINT32_MAX;
}
static void no_salt(ingot_request_options *o) {
    o->cache_salt_size = 5;
}

TEST(what_cannot_be_honoured_is_named) {
    static const struct {
        void (*change)(ingot_request_options *o);
        const char *says;
    } ROWS[] = {{two_prompts, "either ids or text"},
                {no_prompt, "either ids or text"},
                {empty_text, "no tokens"},
                {no_time, "time_limit_s"},
                {cache_priority, "cache_priority"},
                {null_stop, "stop string 1"},
                {many_widths, "beams.widths is NULL"},
                {wide, "beams.width is 65"},
                {nan_temperature, "temperature"},
                {many_n, "n is 1000"},
                {wordy_mark, "think_begin"},
                {nan_priority, "priority"},
                {foreign_stop_word, "stop_words[1]: ids[2] is 300"},
                {beams_mirostat, "mirostat is 2"},
                {beams_dynatemp, "dynatemp_range is 0.5"},
                {beams_streaming, "streaming does not"},
                {beams_top, "top_logprobs does not"},
                {beams_think, "think_tokens does not"},
                {nan_diversity, "beams.diversity_rate is"},
                {nan_length_penalty, "beams.length_penalty is"},
                {no_width, "beams.widths[1] is 0"},
                {more_than_beams, "n is 3, more than beams.width 2"},
                {many_top, "top_logprobs is 5000"},
                {no_repeat_penalty, "repeat_penalty is 0"},
                {nan_frequency, "frequency_penalty is"},
                {far_look_back, "repeat_last_n is -2"},
                {drawn_early, "samplers[0] is adaptive_p"},
                {no_stop, "stop is NULL"},
                {no_stop_words, "stop_words is NULL"},
                {no_bad_words, "bad_words[0].ids is NULL"},
                {no_bias, "sampling.logit_bias is NULL"},
                {no_salt, "cache_salt is NULL"},
                {long_minimum, "min_tokens is 5, more than max_tokens, 4"},
                {long_bad, "bad string 1 has 257"},
                {much_bad, "4097 bytes in all"}};
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        ingot_request *r = NULL;
        ingot_error error = {0};
        ingot_request_options o = options_for("a", 4);
        ROWS[i].change(&o);
        const ingot_status status = ingot_executor_submit(executor, &o, &r, &error);
        if ((status != INGOT_ARGUMENT && status != INGOT_LIMIT && status != INGOT_UNSUPPORTED) ||
            r || !strstr(error.message, ROWS[i].says))
            TEST_FAIL("row %zu: %d, \"%s\"", i, (int)status, error.message);
        ingot_request_close(&r);
    }
    ingot_request *r = NULL;
    ingot_request_options o = options_for("a", 4);
    CHECK(ingot_executor_submit(NULL, &o, &r, NULL) == INGOT_ARGUMENT && r == NULL);
    CHECK(ingot_executor_submit(executor, NULL, &r, NULL) == INGOT_ARGUMENT && r == NULL);
    CHECK(ingot_executor_submit(executor, &o, NULL, NULL) == INGOT_ARGUMENT);
    o.time_limit_s = -1;
    run(&o, &got, NULL);
    CHECK_EQ(got.finish, INGOT_FINISH_TIMED_OUT);
}

TEST(what_did_not_open_is_null) {
    ingot_error error = {0};
    ingot_executor *e = executor;
    ingot_events *events = (ingot_events *)&error;
    const ingot_executor_options o = {.kv_share = 2};
    CHECK(ingot_executor_open(&e, model, &o, &error) == INGOT_ARGUMENT && !e);
    CHECK(ingot_events_open(&events, UINT32_MAX, &error) != INGOT_OK && !events);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

/* Holds the executor's thread before its 21st draw. */
typedef struct barrier {
    uint32_t calls;
    ig_flag reached, open;
} barrier;

static bool hold(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids, float *logits,
                 size_t n_logits) {
    barrier *b = user;
    (void)sequence, (void)ids, (void)n_ids, (void)logits, (void)n_logits;
    if (b->calls++ == 20)
        ig_flag_set(&b->reached, 1);
    while (ig_flag_get(&b->reached) && !ig_flag_get(&b->open))
        ig_thread_yield();
    return true;
}

TEST(outputs_of_another_sequence_are_ready_at_once) {
    ingot_output out;
    ingot_error error = {0};
    barrier b = {0};
    ingot_request_options o = options_for("a", 20);
    o.n = 2;
    o.sampling.ignore_eos = true;
    o.on_logits = hold;
    o.on_logits_user = &b;
    ingot_request *r = submit(&o);
    REQUIRE(r);
    while (!ig_flag_get(&b.reached))
        ig_thread_yield();
    CHECK(ingot_request_next(r, &out, 0, &error) == INGOT_OK && out.n_ids == 10);
    CHECK(ingot_request_ready(r)); /* what came of the other one in the same steps */
    CHECK(ingot_requests_await(&r, 1, true, false, 0, &error) == INGOT_OK);
    CHECK(ingot_request_next(r, &out, 0, &error) == INGOT_OK && out.n_ids == 10);
    CHECK(!ingot_request_ready(r));
    CHECK(ingot_requests_await(&r, 1, true, false, 1000, &error) == INGOT_AGAIN);
    ig_flag_set(&b.open, 1);
    while (!ingot_request_next(r, &out, UINT64_MAX, &error))
        continue;
    ingot_request_close(&r);
}

/* State of a callback that frees itself. */
typedef struct owned {
    ig_flag calls, *released;
} owned;

static bool count_call(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids,
                       float *logits, size_t n_logits) {
    owned *own = user;
    (void)sequence, (void)ids, (void)n_ids, (void)logits, (void)n_logits;
    (void)ig_flag_add(&own->calls, 1);
    return true;
}

static void free_owned(void *user) {
    owned *own = user;
    (void)ig_flag_add(own->released, 1);
    ig_free(own);
}

TEST(a_callback_is_told_once_when_it_is_needed_no_more) {
    ig_flag released = {0};
    for (uint32_t round = 0; round < 5; round++) {
        ingot_output out;
        ingot_error error = {0};
        ingot_request *r = NULL;
        owned *own = ig_alloc(1, sizeof *own);
        ingot_request_options o = options_for("a", round == 1 ? 3 : 400);
        REQUIRE(own);
        own->released = &released;
        o.sampling.ignore_eos = true;
        o.on_logits = count_call;
        o.on_logits_user = own;
        o.on_release = free_owned;
        o.time_limit_s = round == 2 ? (double)NAN : 0; /* refused */
        o.priority = round == 3 ? 2 : 0;               /* refused by the room below */
        if (round == 4)
            (void)ig_alloc_fail_after(1);
        const ingot_status status = ingot_executor_submit(executor, &o, &r, &error);
        (void)ig_alloc_fail_after(0);
        CHECK((status == INGOT_OK) == (round < 2));
        if (!status) {
            CHECK(ingot_request_next(r, &out, UINT64_MAX, &error) == INGOT_OK);
            while (round == 1 && !ingot_request_next(r, &out, UINT64_MAX, &error))
                continue;
            CHECK(ig_flag_get(&released) == round && ig_flag_get(&own->calls) > 0);
        }
        ingot_request_close(&r);
        for (uint32_t i = 0; i < 10000000 && ig_flag_get(&released) == round; i++)
            ig_thread_yield();
        REQUIRE(ig_flag_get(&released) == round + 1);
    }
    ig_thread_yield();
    CHECK_EQ(ig_flag_get(&released), 5);
}

TEST(a_request_that_does_not_stream_is_ready_at_its_end) {
    ingot_output out;
    ingot_error error = {0};
    ingot_request_options o = options_for("a", 300);
    o.streaming = false;
    o.sampling.ignore_eos = true;
    ingot_request *r = submit(&o);
    REQUIRE(r);
    CHECK(ingot_requests_await(&r, 1, false, false, UINT64_MAX, &error) == INGOT_OK);
    CHECK(ingot_request_ready(r));
    CHECK(ingot_request_next(r, &out, 0, &error) == INGOT_OK);
    CHECK(out.n_ids == 300 && out.finish == INGOT_FINISH_LENGTH);
    ingot_request_close(&r);
}

/* ---- without memory ---------------------------------------------------------------------------
 */

TEST(a_reader_without_memory_says_so_and_repeats_nothing) {
    for (uint64_t n = 1; n < 200; n++) {
        ingot_output out;
        ingot_error error = {0};
        ingot_request_options o = options_for("a", 0);
        o.n = 2;
        o.stop = (const char *const[]){"xyz"};
        o.n_stop = 1;
        ingot_request *r = submit(&o);
        REQUIRE(r);
        CHECK(ingot_requests_await(&r, 1, true, true, UINT64_MAX, &error) == INGOT_OK);
        memset(&got, 0, sizeof got);
        (void)ig_alloc_fail_after(n);
        ingot_status status;
        while ((status = ingot_request_next(r, &out, 0, &error)) == INGOT_OK)
            add_output(&got, &out, NULL);
        const bool failed = ig_alloc_fail_after(0) >= n;
        if (failed) {
            CHECK_EQ(status, INGOT_MEMORY);
            status = ingot_request_next(r, &out, 0, &error); /* takes up, or says so again */
            CHECK(status == INGOT_MEMORY || status == INGOT_OK);
            while (!status) {
                add_output(&got, &out, NULL);
                status = ingot_request_next(r, &out, 0, &error);
            }
        }
        const char *want = "bcdefghijklmnopqrstuvw";
        CHECK(status == INGOT_MEMORY ? strncmp(got.text, want, got.n_text) == 0
                                     : strcmp(got.text, want) == 0);
        ingot_request_close(&r);
        if (!failed)
            return;
    }
    TEST_FAIL("allocations go on without end");
}

/* On the executor's thread: the nth allocation after the first draw fails. */
static bool starve(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids, float *logits,
                   size_t n_logits) {
    uint64_t *n = user;
    (void)sequence, (void)ids, (void)n_ids, (void)logits, (void)n_logits;
    if (*n)
        (void)ig_alloc_fail_after(*n == UINT64_MAX ? 0 : *n);
    *n = 0;
    return true;
}

TEST(without_memory_no_stop_string_is_missed) {
    uint32_t failed = 0;
    for (uint64_t n = 1; n < 12; n++) {
        ingot_output out;
        ingot_error error = {0};
        uint64_t after = n == 11 ? UINT64_MAX : n; /* off again */
        ingot_request_options o = options_for("a", 40);
        o.stop = (const char *const[]){"d"};
        o.n_stop = 1;
        o.sampling.ignore_eos = true;
        o.on_logits = starve;
        o.on_logits_user = &after;
        ingot_request *r = submit(&o);
        REQUIRE(r);
        ingot_status status;
        memset(&got, 0, sizeof got);
        while ((status = ingot_request_next(r, &out, UINT64_MAX, &error)) == INGOT_OK)
            add_output(&got, &out, NULL);
        if (status == INGOT_END)
            CHECK(got.finish == INGOT_FINISH_STOP && strcmp(got.text, "bc") == 0);
        else
            CHECK_EQ(status, INGOT_MEMORY);
        failed += status == INGOT_MEMORY;
        ingot_request_close(&r);
    }
    CHECK(failed > 0 && failed < 11);
}

static void count_release(void *user) {
    ++*(uint32_t *)user;
}

/* Everything that submit makes of text. */
static ingot_request_options options_with_everything(void) {
    static const char *const STOP[] = {"xyz", "nope"}, *const BAD[] = {"he", "q!"};
    static const char *const BREAKERS[] = {"zq", "qq"};
    static const int32_t WORD[] = {'q', 'q'};
    static const ingot_words WORDS[] = {{WORD, 2}};
    static const ingot_logit_bias BIAS[] = {{'Q', -1}};
    static float embedding_bias[TINY_GGUF_TOKENS];
    ingot_request_options o = options_for("a", 40);
    o.stop = STOP;
    o.n_stop = IG_COUNT(STOP);
    o.bad = BAD;
    o.n_bad = IG_COUNT(BAD);
    o.stop_words = o.bad_words = WORDS;
    o.n_stop_words = o.n_bad_words = 1;
    o.think_begin = "{";
    o.think_end = "}";
    o.think_tokens = 3;
    o.sampling.dry_multiplier = 0.1f;
    o.sampling.dry_breakers = BREAKERS;
    o.sampling.n_dry_breakers = IG_COUNT(BREAKERS);
    o.sampling.logit_bias = BIAS;
    o.sampling.n_logit_bias = 1;
    o.embedding_bias = embedding_bias;
    o.include_input = true;
    o.cache_salt = "salt";
    o.cache_salt_size = 4;
    return o;
}

TEST(submit_without_memory_says_so) {
    ingot_model *own = NULL; /* its index of texts is made by the first submit */
    ingot_executor *e = NULL, *shared = executor;
    ingot_error error = {0};
    uint32_t released = 0;
    const ingot_model_options m = {.threads = 1, .sequences = 8, .batch = 64};
    REQUIRE(!ingot_model_open(&own, path, &m, &error) &&
            !ingot_executor_open(&e, own, NULL, &error));
    ingot_request_options o = options_with_everything();
    o.on_release = count_release;
    o.on_logits_user = &released;
    uint32_t n = 1;
    for (; n < 2000; n++) {
        ingot_request *r = NULL;
        (void)ig_alloc_fail_after(n);
        const ingot_status status = ingot_executor_submit(e, &o, &r, &error);
        const bool failed = ig_alloc_fail_after(0) >= n;
        CHECK((status == INGOT_MEMORY) == failed && (r == NULL) == failed);
        CHECK_EQ(released, n - !failed);
        ingot_request_close(&r);
        if (!failed)
            break;
    }
    CHECK(n > 30 && n < 2000);
    o.on_release = NULL;
    executor = e;
    run(&o, &got, NULL);
    CHECK_STR(got.text, "bcdefghijklmnopqrstuvw");
    executor = shared;
    ingot_executor_close(&e);
    ingot_model_close(&own);
}

/* Ids go in and out all the same; what needs texts is refused, not followed. */
TEST(without_a_vocabulary_texts_are_refused) {
    static const char *const STRINGS[] = {"a"};
    static const int32_t IDS[] = {'a'};
    char file[80];
    ig_err err = {0};
    ingot_error error = {0};
    ingot_model *own = NULL;
    ingot_executor *e = NULL;
    ingot_request *r = NULL;
    const ingot_model_options m = {.threads = 1, .sequences = 8, .batch = 64};
    snprintf(file, sizeof file, "%s/mute.gguf", folder);
    REQUIRE(!tiny_gguf_write(file, &(tiny_gguf_options){.vocabulary = "unheard of"}, &err));
    REQUIRE(!ingot_model_open(&own, file, &m, &error) &&
            !ingot_executor_open(&e, own, NULL, &error));
    for (uint32_t i = 0; i < 5; i++) {
        ingot_request_options o = {.ids = IDS, .n_ids = 1, .max_tokens = 4};
        ingot_sampling_defaults(&o.sampling);
        o.sampling.dry_multiplier = i == 0;
        o.stop = o.bad = STRINGS;
        o.n_stop = i == 1;
        o.n_bad = i == 2;
        o.think_tokens = i == 3;
        error.message[0] = 0;
        CHECK((ingot_executor_submit(e, &o, &r, &error) == INGOT_OK) == (i == 4));
        CHECK(i == 4 || strstr(error.message, "vocabulary"));
        ingot_request_close(&r);
    }
    ingot_executor_close(&e);
    ingot_model_close(&own);
    unlink(file);
}

static bool open_all(void) {
    ig_err err = {0};
    ingot_error error = {0};
    const ingot_model_options o = {.threads = 1, .sequences = 8, .batch = 64};
    if (!mkdtemp(folder))
        return false;
    snprintf(path, sizeof path, "%s/plain.gguf", folder);
    if (tiny_gguf_write(path, &(tiny_gguf_options){0}, &err))
        return false;
    return !ingot_model_open(&model, path, &o, &error) &&
           !ingot_executor_open(&executor, model, NULL, &error);
}

int main(int argc, char **argv) {
    int code = 1;
    if (open_all())
        code = RUN(argc, argv, T(text_of_a_prompt_goes_on), T(characters_are_given_whole),
                   T(stop_strings_end_the_text_before_them), T(nothing_stops_before_min_tokens),
                   T(nothing_stops_a_session_before_min_tokens), T(forbidden_strings_never_appear),
                   T(names_of_control_tokens_are_no_text), T(salts_separate),
                   T(what_cannot_be_honoured_is_named), T(what_did_not_open_is_null),
                   T(outputs_of_another_sequence_are_ready_at_once),
                   T(a_callback_is_told_once_when_it_is_needed_no_more),
                   T(a_request_that_does_not_stream_is_ready_at_its_end),
                   T(a_reader_without_memory_says_so_and_repeats_nothing),
                   T(without_memory_no_stop_string_is_missed), T(submit_without_memory_says_so),
                   T(without_a_vocabulary_texts_are_refused));
    ingot_executor_close(&executor);
    ingot_model_close(&model);
    unlink(path);
    rmdir(folder);
    return code;
}
