/* test_executor.c: batch invariance over the public face: whatever runs beside a request, however
 * its prompt is cut, with a cold or a warm cache, after preemption, on one or two threads, its
 * logits are those of a session, bit for bit. */
#include <stdlib.h>
#include <unistd.h>

#include "base/base.h"
#include "engine/tiny_gguf.h"
#include "ingot/executor.h"
#include "sample/sample.h"
#include "test.h"

enum { PROMPT_MAX = 150, MADE_MAX = 90, REQUESTS_MAX = 64 };

static char folder[] = "/tmp/ingot-executor-XXXXXX";
static char plain_path[64], window_path[64];

static uint64_t random_state;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % n);
}

typedef struct setting {
    const char *device, *path, *kv;
    uint32_t threads, batch, sequences, requests, prompt, made;
    uint64_t kv_tokens; /* 0 = enough */
    bool no_cache;
    bool preempts; /* it must come to that */
} setting;

static ingot_model *open_model(const setting *s, uint32_t threads) {
    ingot_model *model = NULL;
    ingot_error error = {0};
    const ingot_model_options o = {.device = s->device,
                                   .threads = threads,
                                   .batch = s->batch,
                                   .sequences = s->sequences,
                                   .cache_type_k = s->kv,
                                   .cache_type_v = s->kv};
    if (ingot_model_open(&model, s->path, &o, &error))
        TEST_FAIL("model: %s", error.message);
    return model;
}

typedef struct client {
    int32_t ids[PROMPT_MAX + MADE_MAX]; /* prompt, then output */
    float logprobs[MADE_MAX];
    uint32_t n_prompt, n;
    ingot_request *r;
} client;

static client clients[REQUESTS_MAX];

static void random_prompt(client *c, uint32_t most) {
    const uint32_t family = random_below(3);
    c->n_prompt = 1 + random_below(most);
    c->n = 0;
    for (uint32_t i = 0; i < c->n_prompt; i++)
        c->ids[i] = (int32_t)(family && i < 100 ? (i * 3 + family) % 250 : random_below(250));
}

static bool submit(ingot_executor *e, client *c, uint32_t made) {
    ingot_error error = {0};
    ingot_request_options o = {.ids = c->ids,
                               .n_ids = c->n_prompt,
                               .max_tokens = made,
                               .logprobs = true,
                               .generation_logits = true,
                               .no_text = true,
                               .streaming = random_below(2)};
    ingot_sampling_defaults(&o.sampling);
    o.sampling.ignore_eos = true;
    o.sampling.seed = random_below(100);
    o.sampling.temperature = random_below(2) ? 0 : 3;
    if (!ingot_executor_submit(e, &o, &c->r, &error))
        return true;
    TEST_FAIL("submit: %s", error.message);
    return false;
}

static void collect(client *c) {
    ingot_output out;
    ingot_error error = {0};
    ingot_status status;
    while (!(status = ingot_request_next(c->r, &out, UINT64_MAX, &error))) {
        for (size_t i = 0; i < out.n_ids && c->n < MADE_MAX; i++) {
            c->ids[c->n_prompt + c->n] = out.ids[i];
            c->logprobs[c->n++] = out.logprobs[i];
        }
    }
    if (status != INGOT_END)
        TEST_FAIL("next: %s", error.message);
}

/* Its rows against a session that walks over the same tokens. */
static bool same_as_session(ingot_model *model, const client *c, uint32_t made) {
    ingot_session *s = NULL;
    ingot_error error = {0};
    ingot_sequence_result result;
    const uint32_t vocabulary = ingot_vocabulary_size(model);
    float *row = ig_alloc(vocabulary, sizeof *row);
    ingot_request_sequence(c->r, 0, &result);
    bool same = row && c->n == made && result.n_logits == made &&
                !ingot_session_open(&s, model, &error) &&
                !ingot_session_eval(s, c->ids, c->n_prompt, row, 1, &error);
    for (uint32_t i = 0; i < made && same; i++) {
        const int32_t id = c->ids[c->n_prompt + i];
        const float logprob = (float)((double)row[id] - ig_logits_logsumexp(row, vocabulary));
        same = memcmp(row, result.logits[i], vocabulary * sizeof *row) == 0 &&
               memcmp(&logprob, &c->logprobs[i], sizeof logprob) == 0;
        if (same && i + 1 < made)
            same = !ingot_session_eval(s, &id, 1, row, 1, &error);
    }
    ingot_session_close(&s);
    ig_free(row);
    return same;
}

static uint64_t n_cached; /* prompt tokens that the cache had */

/* All requests at once, then some again with a warm cache. */
static void check_setting(const setting *s) {
    ingot_model *model = open_model(s, s->threads), *alone = open_model(s, 1);
    ingot_executor *e = NULL;
    ingot_error error = {0};
    ingot_executor_stats stats;
    const ingot_executor_options o = {.kv_tokens = s->kv_tokens, .no_prefix_cache = s->no_cache};
    if (!model || !alone || ingot_executor_open(&e, model, &o, &error)) {
        TEST_FAIL("executor: %s", error.message);
    } else {
        for (uint32_t round = 0; round < 2; round++) {
            for (uint32_t i = 0; i < s->requests; i++) {
                if (round == 0)
                    random_prompt(&clients[i], s->prompt);
                clients[i].n = 0;
                REQUIRE(submit(e, &clients[i], s->made));
            }
            for (uint32_t i = 0; i < s->requests; i++) {
                collect(&clients[i]);
                if (!same_as_session(alone, &clients[i], s->made))
                    TEST_FAIL("request %u of round %u: prompt %u, made %u", i, round,
                              clients[i].n_prompt, clients[i].n);
                ingot_request_close(&clients[i].r);
            }
        }
        ingot_executor_stats_now(e, &stats);
        CHECK(!s->preempts || stats.preemptions > 0);
        CHECK(stats.cached_tokens == 0 || !s->no_cache);
        n_cached += stats.cached_tokens;
        CHECK_EQ(stats.failed_steps, 0);
    }
    ingot_executor_close(&e);
    ingot_model_close(&model);
    ingot_model_close(&alone);
}

TEST(bits_do_not_depend_on_what_else_runs) {
    const char *const plain = plain_path, *const window = window_path;
    const setting rows[] = {
        {"cpu", plain, "f16", 1, 0, 64, 64, 120, 12, 0, false, false},
        {"cpu", plain, "f16", 2, 64, 64, 64, 120, 12, 0, true, false},
        {"cpu", plain, "f32", 2, 16, 8, 30, 150, 20, 0, false, false},
        {"cpu", plain, "q8_0", 2, 33, 16, 40, 150, 20, 0, false, false},
        {"cpu", plain, "q8_0", 1, 512, 8, 16, 100, 80, 600, true, true},
        {"cpu", plain, "f16", 2, 100, 8, 16, 100, 80, 600, false, true},
        {"cpu", window, "f16", 2, 48, 16, 40, 150, 20, 0, false, false},
        {"cpu", window, "f32", 1, 16, 8, 16, 100, 80, 1400, false, false},
        {"cpu", window, "q8_0", 2, 7, 4, 12, 100, 12, 0, true, false},
        {"ref", plain, "f32", 1, 16, 4, 8, 80, 6, 0, false, false},
        {"ref", window, "f16", 1, 64, 8, 8, 80, 6, 0, false, false},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        const int before = test_failures;
        n_cached = 0;
        check_setting(&rows[i]);
        CHECK(rows[i].no_cache || n_cached > 0);
        if (test_failures != before)
            fprintf(stderr, "setting %zu\n", i);
    }
}

TEST(bits_do_not_depend_on_random_settings) {
    n_cached = 0;
    static const char *const KV[] = {"f16", "f32", "q8_0"};
    for (uint32_t i = 0; i < 12; i++) {
        random_state = 1000 + i;
        const uint32_t sequences = 1 + random_below(64);
        const setting s = {.device = "cpu",
                           .path = random_below(2) ? plain_path : window_path,
                           .kv = KV[random_below(3)],
                           .threads = 1 + random_below(2),
                           .batch = sequences + random_below(100),
                           .sequences = sequences,
                           .requests = 1 + random_below(REQUESTS_MAX),
                           .prompt = 40 + random_below(110),
                           .made = 1 + random_below(24),
                           .kv_tokens = random_below(2) ? 0 : 400 + random_below(600),
                           .no_cache = random_below(2)};
        check_setting(&s);
    }
    CHECK(n_cached > 1000);
}

static bool write_models(void) {
    ig_err err = {0};
    const tiny_gguf_options window = {.window = 40};
    if (!mkdtemp(folder))
        return false;
    snprintf(plain_path, sizeof plain_path, "%s/plain.gguf", folder);
    snprintf(window_path, sizeof window_path, "%s/window.gguf", folder);
    return !tiny_gguf_write(plain_path, &(tiny_gguf_options){0}, &err) &&
           !tiny_gguf_write(window_path, &window, &err);
}

int main(int argc, char **argv) {
    int code = 1;
    if (write_models())
        code = RUN(argc, argv, T(bits_do_not_depend_on_what_else_runs),
                   T(bits_do_not_depend_on_random_settings));
    unlink(plain_path);
    unlink(window_path);
    rmdir(folder);
    return code;
}
