/* test_golden.c: every architecture on every backend against stored logits. Models are made from
 * fixtures/models.txt; the logits of fixtures/logits.bin come from an independent program
 * (make_goldens.py). On cpu every model runs whole, in steps of 7 tokens and token by token; on
 * ref, which is slow, in one of these. INGOT_GOLDEN=all adds steps of 31 and runs all of them on
 * both. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "golden_exec.h"
#include "golden_model.h"
#include "test.h"

#define TOLERANCE_REF 1e-9
#define TOLERANCE_CPU 1e-7
#define COLUMNS_MAX 16384

static golden_set set;
static char path[256];

static const golden_model *find(const char *name) {
    for (uint32_t i = 0; i < set.n_models; i++) {
        if (strcmp(set.models[i].name, name) == 0)
            return &set.models[i];
    }
    return NULL;
}

typedef struct expected {
    uint32_t columns, n_rows, row[2];
    float *values; /* [n_rows][columns] */
} expected;

static double error_of(const float *logits, const expected *e) {
    double top = 0, bottom = 0;
    for (uint32_t r = 0; r < e->n_rows; r++) {
        for (uint32_t c = 0; c < e->columns; c++) {
            const double want = (double)e->values[r * e->columns + c];
            const double d = (double)logits[(size_t)e->row[r] * e->columns + c] - want;
            top += d * d;
            bottom += want * want;
        }
    }
    return top / bottom;
}

typedef struct device {
    const char *backend;
    double tolerance;
    uint32_t n_threads;
    bool every_cut;          /* and the same bits from each */
    const char *const *only; /* NULL-ended names of models; NULL = all */
} device;

/* Logits of all rows, of one step when chunk is 0: other steps must give the same bits where the
 * backend promises it. */
static void check_model(const device *on, const golden_model *m, const expected *e,
                        uint32_t chunk) {
    static float whole[GOLDEN_IDS_MAX * COLUMNS_MAX];
    const bool one_step = chunk == 0;
    ig_err err = {0};
    golden_exec x;
    const size_t n = (size_t)m->n_ids * e->columns;
    float *logits = calloc(n, sizeof *logits);
    ig_status status =
        golden_open(&x, golden_backend(on->backend), on->n_threads, path, m->n_ids, &chunk, &err);
    if (!status && x.plan->program->facts.n_vocab != e->columns)
        TEST_FAIL("%s: %u logits, expected %u", m->name, x.plan->program->facts.n_vocab,
                  e->columns);
    else if (!status)
        status = golden_logits(&x, m->ids, m->n_ids, chunk, logits, &err);
    const double error = status ? 0 : error_of(logits, e);
    if (status)
        TEST_FAIL("%s: %s %s", m->name, ig_status_name(status), err.message);
    else if (!(error <= on->tolerance))
        TEST_FAIL("%s in steps of %u: normalised squared error %.2g", m->name, chunk, error);
    else if (one_step)
        memcpy(whole, logits, n * sizeof *logits);
    else if (on->every_cut && memcmp(whole, logits, n * sizeof *logits) != 0)
        TEST_FAIL("%s in steps of %u: not the bits of one step", m->name, chunk);
    golden_close(&x);
    free(logits);
}

static bool read_expected(FILE *in, char name[49], expected *e) {
    name[48] = 0;
    if (fread(name, 48, 1, in) != 1 || fread(&e->columns, 4, 1, in) != 1 ||
        fread(&e->n_rows, 4, 1, in) != 1 || e->columns > COLUMNS_MAX || e->n_rows > 2)
        return false;
    for (uint32_t r = 0; r < e->n_rows; r++) {
        if (fread(&e->row[r], 4, 1, in) != 1 ||
            fread(e->values + r * e->columns, sizeof(float), e->columns, in) != e->columns)
            return false;
    }
    return true;
}

static bool wanted(const device *on, const char *name) {
    bool found = !on->only;
    for (const char *const *only = on->only; !found && *only; only++)
        found = strcmp(*only, name) == 0;
    return found;
}

/* Returns how many models there were. */
static uint32_t check_models(const device *on) {
    static float values[2 * COLUMNS_MAX];
    const char *all = getenv("INGOT_GOLDEN");
    FILE *in = fopen("tests/golden/fixtures/logits.bin", "rb");
    char name[49];
    expected e = {.values = values};
    uint32_t n = 0;
    while (in && read_expected(in, name, &e)) {
        if (!wanted(on, name))
            continue;
        const golden_model *m = find(name);
        if (!m || !golden_write(m, path)) {
            TEST_FAIL("%s has no model", name);
            continue;
        }
        static const uint32_t chunks[] = {0, 7, 1, 31};
        for (uint32_t c = 0; c < 4; c++) {
            if (all || (c < 3 && (on->every_cut || c == n % 3)))
                check_model(on, m, &e, chunks[c]);
        }
        n++;
    }
    if (in)
        fclose(in);
    return n;
}

TEST(every_model_on_ref) {
    CHECK(check_models(&(device){"ref", TOLERANCE_REF, 0, false, NULL}) > 200);
}

TEST(every_model_on_cpu) {
    CHECK(check_models(&(device){"cpu", TOLERANCE_CPU, 0, true, NULL}) > 200);
}

/* What threads share: chunks of linears, sorted experts, blocks of attention; for the thread
 * sanitizer, which is too slow for every model. */
TEST(some_models_on_three_threads) {
    static const char *const names[] = {"llama",       "bloom",  "qwen3moe", "grovemoe",
                                        "granite+moe", "gemma4", NULL};
    CHECK_EQ(check_models(&(device){"cpu", TOLERANCE_CPU, 3, true, names}), IG_COUNT(names) - 1);
}

/* Every row of the table has a golden model. */
TEST(every_name) {
    const char *name;
    for (size_t i = 0; (name = ig_arch_name(i)); i++) {
        if (!find(name))
            TEST_FAIL("%s has no golden model", name);
    }
}

int main(int argc, char **argv) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/golden-%ld.gguf",
             folder                          ? folder
             : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                             : "/tmp",
             (long)getpid());
    if (!golden_read(&set, "tests/golden/fixtures/models.txt"))
        return 1;
    const int status = RUN(argc, argv, T(every_model_on_ref), T(every_model_on_cpu),
                           T(some_models_on_three_threads), T(every_name));
    golden_free(&set);
    remove(path);
    return status;
}
