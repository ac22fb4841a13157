/* test_forecast.c: what a model is said to take is what it takes. */
#include "engine/executor_int.h"
#include "engine/tiny_gguf.h"
#include "golden_model.h"
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#define TABLE_ROWS 256u /* of the golden gpt2 */

static char folder[] = "/tmp/ingot-forecast-XXXXXX";
static char full_path[64], window_path[64], table_path[64], silent_path[64];

static uint64_t sum_of(const ingot_forecast *f) {
    return f->weight_bytes + f->kv_bytes + f->activation_bytes;
}

static const ingot_model_options OPTIONS[] = {
    {.threads = 1, .sequences = 1},
    {.threads = 2, .sequences = 5, .context = 100},
    {.threads = 1, .sequences = 64, .context = 300, .batch = 16},
    {.threads = 1, .sequences = 3, .context = 97, .cache_type_k = "q8_0", .cache_type_v = "q4_0"},
    {.threads = 1, .sequences = 8, .context = 20000, .cache_type_v = "f32"},
    {.threads = 1, .sequences = 4, .context = 200, .device = "ref"},
};

TEST(executors_take_what_was_forecast) {
    for (size_t i = 0; i < 2 * IG_COUNT(OPTIONS); i++) {
        const ingot_model_options *o = &OPTIONS[i / 2];
        const char *path = i % 2 ? window_path : full_path;
        ingot_forecast f = {0};
        ingot_model *model = NULL;
        ingot_executor *executor = NULL;
        ingot_executor_facts facts = {0};
        ingot_error error = {0};
        REQUIRE(ingot_model_forecast(path, o, &f, &error) == INGOT_OK);
        REQUIRE(ingot_model_open(&model, path, o, &error) == INGOT_OK);
        REQUIRE(ingot_executor_open(&executor, model, NULL, &error) == INGOT_OK);
        ingot_executor_describe(executor, &facts);
        CHECK_EQ(f.kv_bytes, facts.kv_bytes);
        CHECK_EQ(f.kv_pages, facts.pages);
        CHECK_EQ(f.sequences, facts.sequences);
        CHECK_EQ(f.batch, facts.tokens);
        CHECK_EQ(f.context, facts.context);
        CHECK_EQ(f.page_tokens, facts.page_tokens);
        CHECK_EQ(f.n_groups, model->plan->n_groups);
        uint64_t pages = 0, bytes = 0;
        for (uint32_t g = 0; g < f.n_groups; g++) {
            pages += (uint64_t)f.groups[g].pages * f.sequences;
            bytes += f.groups[g].page_bytes * f.groups[g].pages * f.sequences;
        }
        CHECK(pages == f.kv_pages && bytes == f.kv_bytes);
        CHECK_EQ(f.groups[0].window, model->plan->groups[0].window);
        /* The rest is an estimate: never less than what is taken, nor far above. */
        const uint64_t taken = ig_module_bytes(model->module), told = f.activation_bytes;
        CHECK(f.weight_bytes + told >= taken);
        CHECK(told < 2 * taken + (4u << 20) * f.sequences);
        ingot_executor_close(&executor);
        ingot_model_close(&model);
    }
}

/* Just fits, and one more does not. */
static void check_edge(const char *path, ingot_model_options *o, uint32_t *field, uint32_t most,
                       uint64_t memory_bytes) {
    ingot_forecast f;
    *field = most;
    CHECK(ingot_model_forecast(path, o, &f, NULL) == INGOT_OK && sum_of(&f) <= memory_bytes);
    *field = most + 1;
    CHECK(ingot_model_forecast(path, o, &f, NULL) == INGOT_OK && sum_of(&f) > memory_bytes);
}

TEST(the_most_that_fits_is_exact) {
    for (uint32_t tokens = 31; tokens < 5000; tokens += 977) {
        ingot_model_options one = {.threads = 1, .context = tokens, .cache_type_k = "f32"};
        ingot_model_options many = one;
        ingot_forecast f;
        ingot_fit fit;
        ingot_error error = {0};
        REQUIRE(ingot_model_forecast(full_path, &one, &f, &error) == INGOT_OK);
        const uint64_t memory = sum_of(&f) * 3;
        REQUIRE(ingot_model_fit(full_path, &one, memory, &fit, &error) == INGOT_OK);
        CHECK(fit.context_max >= tokens && fit.sequences_max > 1);
        check_edge(full_path, &one, &one.context, fit.context_max, memory);
        check_edge(full_path, &many, &many.sequences, fit.sequences_max, memory);
    }
}

TEST(nothing_fits_into_nothing) {
    ingot_fit fit = {1, 1};
    ingot_error error = {0};
    CHECK(ingot_model_fit(full_path, NULL, 1, &fit, &error) == INGOT_OK);
    CHECK(fit.context_max == 0 && fit.sequences_max == 0);
    /* Layers that keep a window hold any context. */
    CHECK(ingot_model_fit(window_path, NULL, 0, &fit, &error) == INGOT_OK);
    CHECK_EQ(fit.context_max, IG_CONTEXT_MAX);
}

TEST(a_table_of_positions_bounds_the_context) {
    ingot_fit fit;
    ingot_error error = {0};
    ingot_model_options o = {.threads = 1, .context = 128};
    CHECK(ingot_model_fit(table_path, NULL, 0, &fit, &error) == INGOT_OK);
    CHECK(fit.context_max == TABLE_ROWS && fit.sequences_max > 1);
    CHECK(ingot_model_fit(table_path, &o, 0, &fit, &error) == INGOT_OK);
    CHECK_EQ(fit.context_max, TABLE_ROWS);
    o.context = TABLE_ROWS + 1; /* this one was asked for */
    CHECK(ingot_model_fit(table_path, &o, 0, &fit, &error) == INGOT_LIMIT);
    CHECK(strstr(error.message, table_path) && strstr(error.message, "257 tokens"));
}

TEST(refusals_name_the_file_and_the_field) {
    ingot_forecast f;
    ingot_fit fit;
    ingot_error error = {0};
    CHECK(ingot_model_fit("/nonexistent", NULL, 0, &fit, &error) == INGOT_IO);
    CHECK(strstr(error.message, "/nonexistent"));
    CHECK(ingot_model_forecast(full_path, &(ingot_model_options){.sequences = 4097}, &f, &error) ==
          INGOT_ARGUMENT);
    CHECK(strstr(error.message, full_path) && strstr(error.message, "sequences is 4097"));
    CHECK(ingot_model_fit(full_path, &(ingot_model_options){.cache_type_k = "q9"}, 0, &fit,
                          &error) == INGOT_ARGUMENT);
    CHECK(strstr(error.message, "q9"));
}

TEST(survives_failed_allocations) {
    ingot_fit fit;
    uint64_t failed = 0;
    for (uint64_t n = 1; n < 100000; n++) {
        ingot_error error = {0};
        (void)ig_alloc_fail_after(n);
        const ingot_status status = ingot_model_fit(full_path, NULL, 1, &fit, &error);
        if (ig_alloc_fail_after(0) < n) {
            CHECK_EQ(status, INGOT_OK);
            CHECK(failed > 50);
            return;
        }
        failed++;
        CHECK(status == INGOT_MEMORY && error.message[0]);
        n += n / 64; /* each search step makes the same ones */
    }
    TEST_FAIL("no end");
}

TEST(kv_tokens_hold_a_sequence_of_so_many) {
    const uint32_t counts[] = {1, 33, 100, 224, 511, 5000};
    const ingot_model_options m = {.threads = 1, .sequences = 8, .context = 512, .batch = 32};
    for (size_t i = 0; i < 4 * IG_COUNT(counts); i++) {
        ingot_executor_options o = {.kv_tokens = counts[i / 4]};
        ingot_model *model = NULL;
        ingot_executor *executor = NULL;
        ingot_executor_facts facts = {0};
        ingot_error error = {0};
        REQUIRE(!ingot_model_open(&model, i % 2 ? window_path : full_path, &m, &error));
        if (i & 2) /* bytes have the last word */
            o.kv_bytes = 3 * ig_module_page_bytes(model->module, 0, model->k_dtype, model->v_dtype);
        REQUIRE(!ingot_executor_open(&executor, model, &o, &error));
        ingot_executor_describe(executor, &facts);
        CHECK(o.kv_bytes ? facts.kv_bytes <= o.kv_bytes
                         : facts.context >= IG_MIN(counts[i / 4], 512u));
        if (!o.kv_bytes && i % 2 == 0)
            CHECK(facts.pages * facts.page_tokens < counts[i / 4] + facts.page_tokens);
        ingot_executor_close(&executor);
        ingot_model_close(&model);
    }
}

TEST(models_that_generate_no_text_are_named) {
    ingot_model *model = NULL;
    ingot_executor *executor = NULL;
    ingot_error error = {0};
    REQUIRE(!ingot_model_open(&model, silent_path, NULL, &error));
    CHECK(ingot_executor_open(&executor, model, NULL, &error) == INGOT_UNSUPPORTED);
    CHECK(strstr(error.message, "qwen3moe is not a text generator") &&
          strstr(error.message, "session"));
    ingot_model_close(&model);
}

static bool write_golden(const char *name, const char *path) {
    golden_set set = {0};
    bool ok = golden_read(&set, "tests/golden/fixtures/models.txt"), found = false;
    for (uint32_t i = 0; ok && i < set.n_models; i++) {
        if (strcmp(set.models[i].name, name) == 0)
            found = golden_write(&set.models[i], path);
    }
    golden_free(&set);
    return found;
}

static bool make_models(void) {
    ig_err err = {0};
    if (!mkdtemp(folder))
        return false;
    snprintf(full_path, sizeof full_path, "%s/full.gguf", folder);
    snprintf(window_path, sizeof window_path, "%s/window.gguf", folder);
    snprintf(table_path, sizeof table_path, "%s/table.gguf", folder);
    snprintf(silent_path, sizeof silent_path, "%s/silent.gguf", folder);
    return write_golden("gpt2", table_path) && write_golden("qwen3moe+noncausal", silent_path) &&
           !tiny_gguf_write(full_path, &(tiny_gguf_options){0}, &err) &&
           !tiny_gguf_write(window_path, &(tiny_gguf_options){.window = 40}, &err);
}

int main(int argc, char **argv) {
    if (!make_models()) {
        fprintf(stderr, "cannot make models in %s\n", folder);
        return 1;
    }
    const int code =
        RUN(argc, argv, T(executors_take_what_was_forecast), T(the_most_that_fits_is_exact),
            T(nothing_fits_into_nothing), T(a_table_of_positions_bounds_the_context),
            T(kv_tokens_hold_a_sequence_of_so_many), T(models_that_generate_no_text_are_named),
            T(refusals_name_the_file_and_the_field), T(survives_failed_allocations));
    unlink(full_path);
    unlink(window_path);
    unlink(table_path);
    unlink(silent_path);
    rmdir(folder);
    return code;
}
