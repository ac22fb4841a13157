/* golden_run.c: logits of a model for a list of ids through formats, arch, plan and the ref backend.
 *
 *     golden_run MODEL IDS OUT [CHUNK] [--explain]
 *
 * IDS: a text file of numbers. OUT: int32 rows, int32 columns, float32[rows][columns]. CHUNK: tokens per step (0: all at
 * once). Keys and values are kept as f32. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/arch.h"
#include "backend/ref/ref.h"

#define IDS_MAX 65536

typedef struct run {
    int32_t ids[IDS_MAX];
    uint32_t n, chunk, vocab;
    uint32_t pages[IG_PAGE_GROUPS_MAX * (IDS_MAX / IG_PAGE_TOKENS + 1)];
    uint32_t outputs[IDS_MAX];
    ig_checkpoint *ckpt;
    ig_program *program;
    ig_plan *plan;
    ig_device *device;
    ig_module *module;
    ig_pool *pool;
} run;

static uint32_t read_ids(const char *path, int32_t *ids) {
    FILE *in = fopen(path, "r");
    uint32_t n = 0;
    while (in && n < IDS_MAX && fscanf(in, "%d%*[ ,\n]", &ids[n]) == 1)
        n++;
    if (in)
        fclose(in);
    return n;
}

static ig_status step(run *r, uint32_t at, uint32_t n, ig_err *err) {
    const uint32_t entries = (at + n + IG_PAGE_TOKENS - 1) / IG_PAGE_TOKENS;
    ig_batch_seq seq = {.row = 0, .n_rows = n, .n_past = at};
    for (uint32_t g = 0; g < IG_PAGE_GROUPS_MAX; g++) {
        seq.table[g] = g * entries;
        for (uint32_t p = 0; p < entries; p++)
            r->pages[g * entries + p] = p;
    }
    for (uint32_t i = 0; i < n; i++)
        r->outputs[i] = i;
    const ig_batch batch = {.n_tokens = n,
                            .ids = r->ids + at,
                            .n_seqs = 1,
                            .seqs = &seq,
                            .n_pages = r->plan->n_groups * entries,
                            .pages = r->pages,
                            .n_outputs = n,
                            .outputs = r->outputs};
    IG_TRY(ig_step_submit(r->module, r->pool, &batch, err));
    return ig_step_wait(r->module, err);
}

static ig_status open_all(run *r, const char *model, bool explain, ig_err *err) {
    const uint32_t context = r->n + 8 > 256 ? r->n + 8 : 256;
    const ig_arch_options options = {.context_max = context};
    IG_TRY(ig_checkpoint_open(&r->ckpt, model, NULL, err));
    IG_TRY(ig_arch_build(&r->program, r->ckpt, &options, err));
    if (!r->program->facts.causal)
        r->chunk = r->n;
    IG_TRY(ig_device_open(&r->device, &ig_backend_ref, NULL, err));
    const ig_limits limits = {r->chunk, r->chunk, 1, context};
    IG_TRY(ig_plan_create(&r->plan, &r->program, ig_device_caps(r->device), &limits, err));
    r->vocab = r->plan->program->facts.n_vocab;
    if (explain) {
        ig_buf text;
        ig_buf_init(&text, 1u << 26);
        IG_TRY(ig_plan_explain(r->plan, false, &text, err));
        fputs(text.p, stdout);
        ig_buf_fini(&text);
    }
    IG_TRY(ig_module_load(&r->module, r->device, r->plan, err));
    ig_pool_options pool = {.k_dtype = IG_DTYPE_F32, .v_dtype = IG_DTYPE_F32};
    for (uint32_t g = 0; g < r->plan->n_groups; g++)
        pool.n_pages[g] = (r->n + IG_PAGE_TOKENS - 1) / IG_PAGE_TOKENS;
    return ig_pool_open(&r->pool, r->module, &pool, err);
}

static ig_status run_all(run *r, FILE *out, ig_err *err) {
    const int32_t head[2] = {(int32_t)r->n, (int32_t)r->vocab};
    fwrite(head, sizeof head, 1, out);
    for (uint32_t at = 0; at < r->n; at += r->chunk) {
        const uint32_t n = r->n - at < r->chunk ? r->n - at : r->chunk;
        IG_TRY(step(r, at, n, err));
        fwrite(ig_step_outputs(r->module), sizeof(float) * r->vocab, n, out);
    }
    return IG_OK;
}

int main(int argc, char **argv) {
    static run r;
    ig_err err = {0};
    if (argc < 4) {
        fputs("usage: golden_run MODEL IDS OUT [CHUNK] [--explain]\n", stderr);
        return 2;
    }
    r.n = read_ids(argv[2], r.ids);
    r.chunk = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
    if (r.chunk == 0 || r.chunk > r.n)
        r.chunk = r.n;
    FILE *out = fopen(argv[3], "wb");
    if (r.n == 0 || !out) {
        fputs("golden_run: no ids, or OUT cannot be written\n", stderr);
        return 2;
    }
    ig_status status = open_all(&r, argv[1], argc > 5, &err);
    if (!status)
        status = run_all(&r, out, &err);
    if (status)
        fprintf(stderr, "golden_run: %s: %s\n", ig_status_name(status), err.message);
    fclose(out);
    ig_pool_close(&r.pool);
    ig_module_unload(&r.module);
    ig_device_close(&r.device);
    ig_plan_destroy(&r.plan);
    ig_program_destroy(&r.program);
    ig_checkpoint_close(&r.ckpt);
    return status != IG_OK;
}
