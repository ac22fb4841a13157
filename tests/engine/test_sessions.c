/* test_sessions.c: the public face over a tiny model: sessions in steps, side by side, cut short,
 * cancelled, out of room and out of memory. */
#include <unistd.h>

#include "base/base.h"
#include "golden_model.h"
#include "ingot/ingot.h"
#include "os/os.h"
#include "test.h"

#define MODEL "llama"
#define N 40u

static char path[64];
static int32_t ids[N];
static uint32_t vocabulary;

static ingot_model *open_model(const ingot_model_options *options) {
    ingot_model *model = NULL;
    ingot_error error = {0};
    if (ingot_model_open(&model, path, options, &error))
        TEST_FAIL("open: %s", error.message);
    return model;
}

/* Logits of the last token of ids[0, n), evaluated `chunk` at a time. False (with a
 * failed check) on an error. */
static bool eval(ingot_model *model, uint32_t n, uint32_t chunk, float *logits) {
    ingot_session *s = NULL;
    ingot_error error = {0};
    ingot_status status = ingot_session_open(&s, model, &error);
    for (uint32_t at = 0; at < n && !status; at += chunk)
        status = ingot_session_eval(s, ids + at, IG_MIN(chunk, n - at), logits, 1, &error);
    if (status)
        TEST_FAIL("eval: %s", error.message);
    ingot_session_close(&s);
    return !status;
}

static float *row(void) {
    return calloc(vocabulary, sizeof(float));
}

static bool same(const float *a, const float *b) {
    return memcmp(a, b, vocabulary * sizeof *a) == 0;
}

TEST(steps_threads_and_batches_give_the_same_bits) {
    static const struct {
        uint32_t threads, batch, chunk;
    } CUTS[] = {{1, 0, N}, {2, 0, N}, {2, 7, N}, {2, 0, 1}, {3, 3, 11}};
    float *want = row(), *got = row();
    for (size_t i = 0; i < IG_COUNT(CUTS); i++) {
        ingot_model *model =
            open_model(&(ingot_model_options){.threads = CUTS[i].threads, .batch = CUTS[i].batch});
        REQUIRE(model);
        CHECK(eval(model, N, CUTS[i].chunk, i ? got : want));
        CHECK(i == 0 || same(want, got));
        ingot_model_close(&model);
        CHECK(model == NULL);
    }
    free(want);
    free(got);
}

typedef struct client {
    ingot_model *model;
    uint32_t n, times;
    float *logits, *want;
    bool ok;
} client;

static void client_body(void *user) {
    client *c = user;
    c->ok = true;
    for (uint32_t i = 0; i < c->times && c->ok; i++)
        c->ok = eval(c->model, c->n, 3, c->logits) && same(c->logits, c->want);
}

TEST(sessions_on_two_threads_take_turns) {
    ingot_model *model = open_model(&(ingot_model_options){.threads = 2});
    REQUIRE(model);
    client c[2] = {{.n = N}, {.n = N / 2}};
    ig_thread *thread[2] = {NULL};
    for (int i = 0; i < 2; i++) {
        c[i].model = model;
        c[i].times = 5;
        c[i].logits = row();
        c[i].want = row();
        CHECK(eval(model, c[i].n, N, c[i].want));
    }
    for (int i = 0; i < 2; i++)
        CHECK(ig_thread_start(&thread[i], "client", client_body, &c[i], NULL) == IG_OK);
    for (int i = 0; i < 2; i++) {
        ig_thread_join(&thread[i]);
        CHECK(c[i].ok);
        free(c[i].logits);
        free(c[i].want);
    }
    ingot_model_close(&model);
}

TEST(truncated_session_goes_on_as_if_new) {
    ingot_model *model = open_model(NULL);
    REQUIRE(model);
    ingot_session *s = NULL;
    float *want = row(), *got = row();
    CHECK(eval(model, N, N, want));
    CHECK(ingot_session_open(&s, model, NULL) == INGOT_OK);
    CHECK(ingot_session_eval(s, ids, N, NULL, 0, NULL) == INGOT_OK);
    CHECK(ingot_session_truncate(s, 5) == 5 && ingot_session_tokens(s) == 5);
    CHECK(ingot_session_eval(s, ids + 5, N - 5, got, 1, NULL) == INGOT_OK);
    CHECK(same(want, got));
    ingot_session_close(&s);
    ingot_model_close(&model);
    free(want);
    free(got);
}

TEST(full_context_and_foreign_ids_evaluate_nothing) {
    ingot_model *model = open_model(&(ingot_model_options){.context = 32});
    REQUIRE(model);
    ingot_session *s = NULL;
    ingot_error error = {0};
    int32_t foreign = (int32_t)vocabulary;
    CHECK(ingot_session_open(&s, model, NULL) == INGOT_OK);
    CHECK(ingot_session_eval(s, ids, 30, NULL, 0, NULL) == INGOT_OK);
    CHECK(ingot_session_eval(s, ids, 3, NULL, 0, &error) == INGOT_LIMIT &&
          strstr(error.message, "32"));
    CHECK(ingot_session_eval(s, &foreign, 1, NULL, 0, &error) == INGOT_ARGUMENT);
    CHECK(ingot_session_tokens(s) == 30);
    CHECK(ingot_session_eval(s, ids, 2, NULL, 0, NULL) == INGOT_OK);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

static void cancel_body(void *user) {
    ingot_session_cancel(user);
}

TEST(cancelled_from_another_thread) {
    ingot_model *model = open_model(NULL);
    REQUIRE(model);
    ingot_session *s = NULL;
    ig_thread *thread = NULL;
    CHECK(ingot_session_open(&s, model, NULL) == INGOT_OK);
    CHECK(ig_thread_start(&thread, "cancel", cancel_body, s, NULL) == IG_OK);
    ig_thread_join(&thread);
    CHECK(ingot_session_eval(s, ids, N, NULL, 0, NULL) == INGOT_CANCELLED);
    CHECK(ingot_session_tokens(s) == 0);
    /* Taken once: the next call runs. */
    CHECK(ingot_session_eval(s, ids, N, NULL, 0, NULL) == INGOT_OK);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

static ingot_status whole_life(void) {
    ingot_model *model = NULL;
    ingot_session *s = NULL;
    ingot_error error = {0};
    ingot_status status =
        ingot_model_open(&model, path, &(ingot_model_options){.threads = 1, .context = 64}, &error);
    if (!status)
        status = ingot_session_open(&s, model, &error);
    if (!status)
        status = ingot_session_eval(s, ids, N, NULL, 0, &error);
    CHECK(!status == (error.message[0] == '\0'));
    ingot_session_close(&s);
    ingot_model_close(&model);
    return status;
}

TEST(allocation_n_fails) {
    (void)ig_alloc_fail_after(0);
    CHECK(whole_life() == INGOT_OK);
    const uint64_t all = ig_alloc_fail_after(0);
    CHECK(all > 10);
    for (uint64_t n = 1; n <= all; n++) {
        (void)ig_alloc_fail_after(n);
        const ingot_status status = whole_life();
        (void)ig_alloc_fail_after(0);
        if (status != INGOT_MEMORY)
            TEST_FAIL("allocation %llu of %llu: status %s", (unsigned long long)n,
                      (unsigned long long)all, ingot_status_name(status));
    }
}

TEST(what_cannot_be_opened_is_named) {
    ingot_model *model = NULL;
    ingot_error error = {0};
    CHECK(ingot_model_open(&model, "no/such/file.gguf", NULL, &error) == INGOT_IO);
    CHECK(strstr(error.message, "no/such/file.gguf") && model == NULL);
    CHECK(ingot_model_open(&model, path, &(ingot_model_options){.device = "abacus"}, &error) ==
          INGOT_UNSUPPORTED);
    CHECK(strstr(error.message, "abacus") && strstr(error.message, "cpu"));
    CHECK(ingot_model_open(&model, path, &(ingot_model_options){.cache_type_k = "q9"}, &error) ==
          INGOT_ARGUMENT);
    CHECK(strstr(error.message, "q9"));
    CHECK(ingot_model_open(&model, path, &(ingot_model_options){.cpu_isa = "mmx"}, &error) !=
          INGOT_OK);
    CHECK(strstr(error.message, "mmx") && model == NULL);
}

TEST(forecast_is_what_is_taken) {
    ingot_forecast f = {0};
    ingot_model_facts facts;
    CHECK(ingot_model_forecast(path, NULL, &f, NULL) == INGOT_OK);
    ingot_model *model = open_model(NULL);
    REQUIRE(model);
    ingot_model_describe(model, &facts);
    CHECK(f.kv_pages > 0 && f.activation_bytes > 0);
    CHECK_EQ(f.kv_bytes, f.kv_pages * 32 * facts.kv_token_bytes);
    ingot_model_close(&model);
}

static bool make_model(void) {
    golden_set set = {0};
    bool made = false;
    if (!golden_read(&set, "tests/golden/fixtures/models.txt"))
        return false;
    for (uint32_t i = 0; i < set.n_models && !made; i++) {
        const golden_model *m = &set.models[i];
        if (strcmp(m->name, MODEL) != 0)
            continue;
        snprintf(path, sizeof path, "/tmp/ingot-test-engine-%ld.gguf", (long)getpid());
        made = golden_write(m, path);
        for (uint32_t k = 0; k < N; k++)
            ids[k] = m->ids[k % m->n_ids];
    }
    golden_free(&set);
    ingot_model *model = made ? open_model(NULL) : NULL;
    ingot_model_facts facts = {0};
    if (model)
        ingot_model_describe(model, &facts);
    vocabulary = facts.vocabulary;
    ingot_model_close(&model);
    return made && vocabulary > 0;
}

int main(int argc, char **argv) {
    if (!make_model()) {
        fprintf(stderr, "cannot make the model\n");
        return 1;
    }
    int code =
        RUN(argc, argv, T(steps_threads_and_batches_give_the_same_bits),
            T(sessions_on_two_threads_take_turns), T(truncated_session_goes_on_as_if_new),
            T(full_context_and_foreign_ids_evaluate_nothing), T(cancelled_from_another_thread),
            T(allocation_n_fails), T(what_cannot_be_opened_is_named), T(forecast_is_what_is_taken));
    unlink(path);
    return code;
}
