/* golden_exec.c: see golden_exec.h. Pages are taken in order and never given back; K and V are kept
 * as f32. */
#include "golden_exec.h"

#include <math.h>
#include <stdlib.h>

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"

const ig_backend_fns *golden_backend(const char *name) {
    return strcmp(name, "ref") == 0   ? &ig_backend_ref
           : strcmp(name, "cpu") == 0 ? &ig_backend_cpu
                                      : NULL;
}

static uint32_t pages_of(uint32_t tokens) {
    return (tokens + IG_PAGE_TOKENS - 1) / IG_PAGE_TOKENS;
}

ig_status golden_open(golden_exec *x, const ig_backend_fns *fns, uint32_t n_threads,
                      const char *path, uint32_t n, uint32_t *chunk, ig_err *err) {
    *x = (golden_exec){.context = n + 8 > 256 ? n + 8 : 256};
    const ig_arch_options options = {.context_max = x->context};
    const ig_device_options device = {.n_threads = n_threads};
    IG_TRY(ig_checkpoint_open(&x->ckpt, path, NULL, err));
    IG_TRY(ig_arch_build(&x->program, x->ckpt, &options, err));
    if (*chunk == 0 || *chunk > n || !x->program->facts.causal)
        *chunk = n;
    IG_TRY(ig_device_open(&x->device, fns, &device, err));
    const ig_limits limits = {*chunk, *chunk, 1, x->context};
    IG_TRY(ig_plan_create(&x->plan, &x->program, ig_device_caps(x->device), &limits, err));
    IG_TRY(ig_module_load(&x->module, x->device, x->plan, err));
    ig_pool_options pool = {.k_dtype = IG_DTYPE_F32, .v_dtype = IG_DTYPE_F32};
    for (uint32_t g = 0; g < x->plan->n_groups; g++)
        pool.n_pages[g] = pages_of(n);
    x->pages = calloc((size_t)IG_PAGE_GROUPS_MAX * pages_of(n), sizeof *x->pages);
    x->outputs = calloc(n, sizeof *x->outputs);
    if (!x->pages || !x->outputs)
        return ig_fail_memory(err, n);
    return ig_pool_open(&x->pool, x->module, &pool, err);
}

static ig_status step(golden_exec *x, const int32_t *ids, uint32_t at, uint32_t n, ig_err *err) {
    const uint32_t entries = pages_of(at + n);
    ig_batch_seq seq = {.row = 0, .n_rows = n, .n_past = at};
    for (uint32_t g = 0; g < x->plan->n_groups; g++) {
        seq.table[g] = g * entries;
        for (uint32_t p = 0; p < entries; p++)
            x->pages[g * entries + p] = p;
    }
    for (uint32_t i = 0; i < n; i++)
        x->outputs[i] = i;
    const ig_batch batch = {.n_tokens = n,
                            .ids = ids + at,
                            .n_seqs = 1,
                            .seqs = &seq,
                            .n_pages = x->plan->n_groups * entries,
                            .pages = x->pages,
                            .n_outputs = n,
                            .outputs = x->outputs};
    IG_TRY(ig_step_submit(x->module, x->pool, &batch, err));
    return ig_step_wait(x->module, err);
}

/* What a device says of its outputs without their being read again. */
static bool maxima_are_right(const ig_module *module, uint32_t rows, uint32_t width) {
    const float *maxima = ig_step_maxima(module), *out = ig_step_outputs(module);
    const uint32_t n_tiles = (width + IG_OUTPUT_TILE - 1) / IG_OUTPUT_TILE;
    for (uint32_t i = 0; maxima && i < rows * n_tiles; i++) {
        const float *x = out + (size_t)(i / n_tiles) * width;
        float most = -INFINITY;
        for (uint32_t c = i % n_tiles * IG_OUTPUT_TILE;
             c < width && c < (i % n_tiles + 1) * IG_OUTPUT_TILE; c++)
            most = x[c] > most ? x[c] : most;
        if (!(maxima[i] >= most && maxima[i] <= most))
            return false;
    }
    return true;
}

ig_status golden_logits(golden_exec *x, const int32_t *ids, uint32_t n, uint32_t chunk,
                        float *logits, ig_err *err) {
    const size_t width = x->plan->program->facts.n_vocab;
    for (uint32_t at = 0; at < n; at += chunk) {
        const uint32_t rows = n - at < chunk ? n - at : chunk;
        IG_TRY(step(x, ids, at, rows, err));
        memcpy(logits + at * width, ig_step_outputs(x->module), rows * width * sizeof *logits);
        if (!maxima_are_right(x->module, (uint32_t)rows, (uint32_t)width))
            return ig_fail(err, IG_EINTERNAL, "a maximum of outputs is wrong");
    }
    return IG_OK;
}

void golden_close(golden_exec *x) {
    ig_pool_close(&x->pool);
    ig_module_unload(&x->module);
    ig_device_close(&x->device);
    ig_plan_destroy(&x->plan);
    ig_program_destroy(&x->program);
    ig_checkpoint_close(&x->ckpt);
    free(x->pages);
    free(x->outputs);
}
