/* fuzz_model.c: any bytes as a model file, opened as a caller would and evaluated on the cpu: what
 * opens must compute, whatever its shapes, types and numbers are. The file lives in memory. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ingot/ingot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Our mistakes end the run; whatever else a file deserves is fine. */
static bool went(ingot_status status) {
    if (status == INGOT_INTERNAL)
        __builtin_trap();
    return status == INGOT_OK;
}

/* A prompt in two steps, then one token: pages are begun, filled and read back. */
static void evaluate(ingot_model *model) {
    static const size_t runs[] = {4, 2, 1};
    ingot_model_facts facts;
    ingot_model_describe(model, &facts);
    ingot_session *session = NULL;
    float *logits = calloc(facts.vocabulary + 1, sizeof *logits);
    bool ok = logits && facts.vocabulary && went(ingot_session_open(&session, model, NULL));
    for (size_t r = 0; ok && r < sizeof runs / sizeof *runs; r++) {
        int32_t ids[4];
        for (size_t i = 0; i < runs[r]; i++)
            ids[i] = (int32_t)((r + 3 * i) % facts.vocabulary);
        ok = went(ingot_session_eval(session, ids, runs[r], logits, 1, NULL));
    }
    ingot_session_close(&session);
    free(logits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ingot_model_options options = {.threads = 1, .context = 48, .batch = 4};
    char path[64];
    const int file = memfd_create("model.gguf", MFD_CLOEXEC);
    ingot_model *model = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (file >= 0 && write(file, data, size) == (ssize_t)size &&
        went(ingot_model_open(&model, path, &options, NULL)))
        evaluate(model);
    ingot_model_close(&model);
    if (file >= 0)
        close(file);
    return 0;
}
