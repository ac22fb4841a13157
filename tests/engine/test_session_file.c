/* test_session_file.c: a session saved and taken back goes on with the same bits; files of other
 * models, other options, or with any byte changed are refused. */
#include <unistd.h>

#include "base/base.h"
#include "golden_model.h"
#include "ingot/ingot.h"
#include "os/os.h"
#include "test.h"

#define N 75u /* more than a window of the model, and no whole number of pages */

static char model_path[64], other_path[64], eps_path[64], file[64];
static int32_t ids[N + 1];

static ingot_model *open_model(const char *path, const ingot_model_options *options) {
    ingot_model *model = NULL;
    ingot_error error = {0};
    if (ingot_model_open(&model, path, options, &error))
        TEST_FAIL("open: %s", error.message);
    return model;
}

static ingot_session *open_session(ingot_model *model) {
    ingot_session *s = NULL;
    ingot_error error = {0};
    if (!model || ingot_session_open(&s, model, &error))
        TEST_FAIL("session: %s", error.message);
    return s;
}

static bool saved(ingot_model *model) {
    ingot_error error = {0};
    ingot_session *s = open_session(model);
    const bool ok = s && !ingot_session_eval(s, ids, N, NULL, 0, &error) &&
                    !ingot_session_save(s, file, &error);
    if (!ok)
        TEST_FAIL("save: %s", error.message);
    ingot_session_close(&s);
    return ok;
}

static void goes_on_the_same(const ingot_model_options *options) {
    ingot_model *model = open_model(model_path, options);
    ingot_error error = {0};
    REQUIRE(model && saved(model));
    const uint32_t V = ingot_vocabulary_size(model);
    float *want = calloc(V, sizeof *want), *got = calloc(V, sizeof *got);
    ingot_session *a = open_session(model), *b = open_session(model);
    REQUIRE(a && b && want && got);
    CHECK(ingot_session_eval(a, ids, N, NULL, 0, &error) == INGOT_OK);
    CHECK(ingot_session_eval(a, ids + N, 1, want, 1, &error) == INGOT_OK);
    CHECK(ingot_session_eval(b, ids, 3, NULL, 0, &error) == INGOT_OK); /* is forgotten */
    CHECK(ingot_session_load(b, file, &error) == INGOT_OK);
    CHECK_EQ(ingot_session_tokens(b), N);
    CHECK_EQ(ingot_session_keep(b, ids, N + 1), N);
    CHECK(ingot_session_eval(b, ids + N, 1, got, 1, &error) == INGOT_OK);
    CHECK(memcmp(want, got, V * sizeof *want) == 0);
    ingot_session_close(&a);
    ingot_session_close(&b);
    free(want);
    free(got);
    ingot_model_close(&model);
}

TEST(a_loaded_session_goes_on_with_the_same_bits) {
    goes_on_the_same(&(ingot_model_options){.context = 128, .batch = 16});
    goes_on_the_same(&(ingot_model_options){.context = 128, .cache_type_k = "f32"});
    goes_on_the_same(&(ingot_model_options){.context = 128, .device = "ref"});
}

static void refused(const char *path, const ingot_model_options *options, ingot_status status,
                    const char *word) {
    ingot_model *model = open_model(path, options);
    ingot_session *s = open_session(model);
    ingot_error error = {0};
    REQUIRE(s);
    CHECK(ingot_session_eval(s, ids, 2, NULL, 0, &error) == INGOT_OK);
    CHECK_EQ(ingot_session_load(s, file, &error), status);
    if (!strstr(error.message, word))
        TEST_FAIL("\"%s\" does not say \"%s\"", error.message, word);
    CHECK_EQ(ingot_session_tokens(s), 0);
    CHECK(ingot_session_eval(s, ids, 2, NULL, 0, &error) == INGOT_OK);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

TEST(what_does_not_fit_is_refused) {
    ingot_model *model = open_model(model_path, &(ingot_model_options){.context = 128});
    REQUIRE(model && saved(model));
    ingot_model_close(&model);
    refused(other_path, &(ingot_model_options){.context = 128}, INGOT_ARGUMENT, "another model");
    refused(eps_path, &(ingot_model_options){.context = 128}, INGOT_ARGUMENT, "another model");
    refused(model_path, &(ingot_model_options){.context = 128, .rope_freq_base = 2e6},
            INGOT_ARGUMENT, "rope options");
    refused(model_path, &(ingot_model_options){.context = 128, .rope_freq_scale = 0.5},
            INGOT_ARGUMENT, "rope options");
    refused(model_path, &(ingot_model_options){.context = 128, .device = "ref"}, INGOT_ARGUMENT,
            "another device");
    refused(model_path, &(ingot_model_options){.context = 128, .cache_type_v = "bf16"},
            INGOT_ARGUMENT, "cache_type_k");
    refused(model_path, &(ingot_model_options){.context = 64}, INGOT_LIMIT, "75 tokens");
}

static bool write_file(const char *p, size_t n) {
    FILE *f = fopen(file, "wb");
    const bool ok = f && fwrite(p, 1, n, f) == n;
    return f && fclose(f) == 0 && ok;
}

/* Every byte matters: changed anywhere, or cut anywhere, the file is refused, and the session can
 * be used as before. */
TEST(damaged_files_are_refused) {
    ingot_model *model = open_model(model_path, &(ingot_model_options){.context = 128});
    ingot_error error = {0};
    ig_buf bytes;
    ig_buf_init(&bytes, 1u << 30);
    REQUIRE(model && saved(model));
    REQUIRE(ig_file_read(file, &bytes, NULL) == IG_OK);
    ingot_session *s = open_session(model);
    REQUIRE(s);
    for (size_t at = 0; at < bytes.n; at += at < 600 ? 1 : bytes.n / 53) {
        bytes.p[at] ^= 0x20;
        REQUIRE(write_file(bytes.p, bytes.n));
        bytes.p[at] ^= 0x20;
        if (ingot_session_load(s, file, &error) == INGOT_OK)
            TEST_FAIL("byte %zu changed, and it was taken", at);
        REQUIRE(write_file(bytes.p, at));
        if (ingot_session_load(s, file, &error) == INGOT_OK)
            TEST_FAIL("cut at %zu, and it was taken", at);
        CHECK_EQ(ingot_session_tokens(s), 0);
    }
    /* What is too long is not read to its end. */
    REQUIRE(write_file(bytes.p, bytes.n) && truncate(file, (off_t)1 << 40) == 0);
    CHECK(ingot_session_load(s, file, &error) == INGOT_FORMAT);
    CHECK(strstr(error.message, "1099511627776 bytes") != NULL);
    REQUIRE(write_file(bytes.p, bytes.n));
    CHECK(ingot_session_load(s, file, &error) == INGOT_OK);
    CHECK(ingot_session_load(s, "/nonexistent/session", &error) == INGOT_IO);
    CHECK(ingot_session_save(s, "/nonexistent/session", &error) == INGOT_IO);
    ig_buf_fini(&bytes);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

TEST(without_memory_it_says_so) {
    ingot_model *model = open_model(model_path, &(ingot_model_options){.context = 128});
    REQUIRE(model && saved(model));
    ingot_session *s = open_session(model);
    REQUIRE(s);
    for (uint64_t n = 1;; n++) {
        ingot_error error = {0};
        (void)ig_alloc_fail_after(n);
        const ingot_status status = ingot_session_load(s, file, &error);
        const uint64_t made = ig_alloc_fail_after(0);
        CHECK(status == INGOT_OK || status == INGOT_MEMORY);
        if (made < n) {
            CHECK_EQ(status, INGOT_OK);
            break;
        }
    }
    ingot_session_close(&s);
    ingot_model_close(&model);
}

static bool make_model(const golden_set *set, const char *name, char *path, size_t size) {
    for (uint32_t i = 0; i < set->n_models; i++) {
        const golden_model *m = &set->models[i];
        if (strcmp(m->name, name) != 0)
            continue;
        snprintf(path, size, "/tmp/ingot-test-%s-%ld.gguf", name, (long)getpid());
        for (uint32_t k = 0; k <= N; k++)
            ids[k] = m->ids[k % m->n_ids];
        return golden_write(m, path);
    }
    return false;
}

/* The same tensors under another epsilon of their norms. */
static bool make_other_eps(const golden_set *set) {
    static char line[] = "attention.layer_norm_rms_epsilon f 0.01";
    snprintf(eps_path, sizeof eps_path, "/tmp/ingot-test-eps-%ld.gguf", (long)getpid());
    for (uint32_t i = 0; i < set->n_models; i++) {
        golden_model *m = &set->models[i];
        for (uint32_t k = 0; strcmp(m->name, "gemma3") == 0 && k < m->n_keys; k++) {
            if (strncmp(m->keys[k], line, 32) != 0)
                continue;
            m->keys[k] = line;
            return golden_write(m, eps_path);
        }
    }
    return false;
}

int main(int argc, char **argv) {
    golden_set set = {0};
    const bool made = golden_read(&set, "tests/golden/fixtures/models.txt") &&
                      make_model(&set, "llama", other_path, sizeof other_path) &&
                      make_model(&set, "gemma3", model_path, sizeof model_path) &&
                      make_other_eps(&set);
    golden_free(&set);
    snprintf(file, sizeof file, "/tmp/ingot-test-session-%ld", (long)getpid());
    if (!made) {
        fprintf(stderr, "cannot make the models\n");
        return 1;
    }
    const int code = RUN(argc, argv, T(a_loaded_session_goes_on_with_the_same_bits),
                         T(what_does_not_fit_is_refused), T(damaged_files_are_refused),
                         T(without_memory_it_says_so));
    unlink(model_path);
    unlink(other_path);
    unlink(eps_path);
    unlink(file);
    return code;
}
