/* golden_exec.h: a model file and ids to logits through formats, arch, plan and the ref backend.
 * One sequence. */
#ifndef IG_TESTS_GOLDEN_EXEC_H
#define IG_TESTS_GOLDEN_EXEC_H

#include "arch/arch.h"
#include "backend/backend.h"

typedef struct golden_exec {
    ig_checkpoint *ckpt;
    ig_program *program;
    ig_plan *plan;
    ig_device *device;
    ig_module *module;
    ig_pool *pool;
    uint32_t *pages, *outputs;
    uint32_t context;
} golden_exec;

/* chunk: tokens of a step at most; 0 = n. A model that is no generator gets one step. n_threads: of
 * cpu, 0 = physical cores. */
IG_MUST_USE ig_status golden_open(golden_exec *x, const ig_backend_fns *fns, uint32_t n_threads,
                                  const char *path, uint32_t n, uint32_t *chunk, ig_err *err);
/* "ref", "cpu"; NULL when unknown. */
const ig_backend_fns *golden_backend(const char *name);
/* logits: [n][n_vocab]. */
IG_MUST_USE ig_status golden_logits(golden_exec *x, const int32_t *ids, uint32_t n, uint32_t chunk,
                                    float *logits, ig_err *err);
void golden_close(golden_exec *x);

#endif
