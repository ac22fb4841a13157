/* run_program.c: see run_program.h. */
#include <math.h>

#include "kernels/run_program.h"

uint32_t run_random(run_rng *rng) {
    rng->state += 0x9E3779B97F4A7C15u;
    uint64_t z = rng->state;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)(z >> 32);
}

float run_uniform(run_rng *rng) {
    return (float)(int32_t)run_random(rng) * 0x1p-31f;
}

uint32_t run_tokens(const run_spec *spec) {
    uint32_t n = 0;
    for (uint32_t s = 0; s < spec->n_seqs; s++)
        n += spec->lens[s];
    return n;
}

/* ---- weights -------------------------------------------------------------------------------- */

static bool random_block(run_rng *rng, const ig_dtype_row *type, float size, uint8_t *block,
                         float *decoded) {
    for (int attempt = 0; attempt < 200000; attempt++) {
        for (uint32_t i = 0; i < type->block_bytes; i++)
            block[i] = (uint8_t)run_random(rng);
        type->decode(block, decoded, type->block_elems);
        float max = 0;
        bool finite = true;
        for (uint32_t i = 0; i < type->block_elems; i++) {
            finite = finite && isfinite(decoded[i]);
            max = fmaxf(max, fabsf(decoded[i]));
        }
        if (finite && max >= size / 64 && max <= size * 4)
            return true;
    }
    return false;
}

ig_status run_weight(ig_program *p, run_rng *rng, ig_dtype dtype, uint32_t cols, uint32_t rows,
                     uint32_t stack, float size, ig_weight_id *out, ig_err *err) {
    const ig_dtype_row *type = ig_dtype_info(dtype);
    const uint64_t n = (uint64_t)cols * rows * stack;
    uint64_t bytes, row_bytes;
    uint8_t *data;
    float *values;
    if (!type->decode || !ig_dtype_bytes(dtype, n, &bytes) ||
        !ig_dtype_bytes(dtype, cols, &row_bytes))
        return ig_fail(err, IG_EARGUMENT, "test weight: %s of %u columns", type->name, cols);
    IG_TRY(ig_arena_new(&p->arena, bytes, 1, &data, err));
    IG_TRY(ig_arena_new(&p->arena, n + type->block_elems, sizeof *values, &values, err));
    if (type->encode) {
        for (uint64_t i = 0; i < n; i++)
            values[i] = size * run_uniform(rng);
        type->encode(values, data, n);
    } else {
        for (uint64_t b = 0; b < n / type->block_elems; b++) {
            if (!random_block(rng, type, size, data + b * type->block_bytes, values))
                return ig_fail(err, IG_EINTERNAL,
                               "no random block of %s decodes to ordinary numbers", type->name);
        }
    }
    const ig_weight w = {.name = IG_STR("test"),
                         .dtype = dtype,
                         .cols = cols,
                         .rows = rows,
                         .stack = stack,
                         .bytes = bytes,
                         .data = data,
                         .tensor = 0};
    return ig_program_weight(p, &w, out, err);
}

ig_status run_weight_of(ig_program *p, const float *data, uint32_t cols, uint32_t rows,
                        uint32_t stack, ig_weight_id *out, ig_err *err) {
    const uint64_t bytes = (uint64_t)cols * rows * stack * sizeof *data;
    uint8_t *copy;
    IG_TRY(ig_arena_new(&p->arena, bytes, 1, &copy, err));
    memcpy(copy, data, bytes);
    const ig_weight w = {.name = IG_STR("given"),
                         .dtype = IG_DTYPE_F32,
                         .cols = cols,
                         .rows = rows,
                         .stack = stack,
                         .bytes = bytes,
                         .data = copy,
                         .tensor = 0};
    return ig_program_weight(p, &w, out, err);
}

/* ---- steps ---------------------------------------------------------------------------------- */

typedef struct runner {
    const run_spec *spec;
    const ig_plan *plan;
    ig_module *module;
    ig_pool *pool;
    uint32_t done[RUN_SEQS_MAX];
    uint32_t base[RUN_SEQS_MAX]; /* first token of each sequence in ids */
    uint32_t pages_per_seq, step;
    ig_batch_seq seqs[RUN_SEQS_MAX];
    int32_t *ids, *positions;
    uint32_t *pages, *outputs;
    float *out;
    uint32_t cols;
    bool per_seq;
} runner;

static uint32_t rows_now(const runner *r, uint32_t s) {
    const run_spec *spec = r->spec;
    const uint32_t left = spec->lens[s] - r->done[s];
    switch (spec->cut) {
    case RUN_ALONE:
        for (uint32_t before = 0; before < s; before++) {
            if (r->done[before] < spec->lens[before])
                return 0;
        }
        return left;
    case RUN_CHUNKS:
        return IG_MIN(left, spec->chunk);
    case RUN_UNEVEN:
        return IG_MIN(left, (r->step + s * 2) % 5 + (s ? 0u : 1u));
    case RUN_WHOLE:
    case RUN_CUT_COUNT:
        break;
    }
    return left;
}

/* Page p of sequence s: spread over the pool, no two alike. */
static uint32_t page_number(const runner *r, uint32_t s, uint32_t p) {
    const uint32_t n = r->pages_per_seq * r->spec->n_seqs;
    return n - 1 - (p * r->spec->n_seqs + s);
}

static void add_tables(runner *r, ig_batch *b, uint32_t s, ig_batch_seq *seq) {
    for (uint32_t g = 0; g < r->plan->n_groups; g++) {
        const uint32_t window = r->plan->groups[g].window,
                       n = (seq->n_past + seq->n_rows + 31) / 32;
        const uint32_t oldest = window && seq->n_past >= window ? seq->n_past + 1 - window : 0;
        seq->table[g] = b->n_pages;
        for (uint32_t p = 0; p < n; p++) {
            const bool gone = r->spec->free_pages && (p + 1) * 32 <= oldest;
            r->pages[b->n_pages++] = gone ? IG_PAGE_NONE : page_number(r, s, p);
        }
    }
}

static bool finished(const runner *r) {
    for (uint32_t s = 0; s < r->spec->n_seqs; s++) {
        if (r->done[s] < r->spec->lens[s])
            return false;
    }
    return true;
}

static ig_status one_step(runner *r, ig_err *err) {
    const run_spec *spec = r->spec;
    ig_batch b = {.ids = r->ids,
                  .positions = spec->positions ? r->positions : NULL,
                  .seqs = r->seqs,
                  .pages = r->pages,
                  .outputs = r->outputs};
    uint32_t where[RUN_SEQS_MAX];
    for (uint32_t s = 0; s < spec->n_seqs; s++) {
        const uint32_t n = rows_now(r, s);
        if (n == 0)
            continue;
        ig_batch_seq *seq = &r->seqs[b.n_seqs];
        *seq = (ig_batch_seq){.row = b.n_tokens, .n_rows = n, .n_past = r->done[s]};
        add_tables(r, &b, s, seq);
        where[b.n_seqs++] = s;
        for (uint32_t i = 0; i < n; i++, b.n_tokens++) {
            const uint32_t at = r->base[s] + r->done[s] + i;
            r->ids[b.n_tokens] = spec->ids[at];
            r->positions[b.n_tokens] = spec->positions ? spec->positions[at] : 0;
            r->outputs[b.n_outputs++] = b.n_tokens;
        }
    }
    r->step++;
    if (b.n_tokens == 0)
        return IG_OK; /* an uneven cut may leave everybody out once */
    IG_TRY(ig_step_submit(r->module, r->pool, &b, err));
    IG_TRY(ig_step_wait(r->module, err));
    const float *out = ig_step_outputs(r->module);
    for (uint32_t q = 0; q < b.n_seqs; q++) {
        const uint32_t s = where[q], n = r->per_seq ? 1 : b.seqs[q].n_rows;
        const size_t to = r->per_seq ? s : r->base[s] + r->done[s],
                     from = r->per_seq ? q : b.seqs[q].row;
        memcpy(r->out + to * r->cols, out + from * r->cols, (size_t)n * r->cols * sizeof *out);
        r->done[s] += b.seqs[q].n_rows;
    }
    return IG_OK;
}

static ig_status all_steps(runner *r, ig_err *err) {
    const uint32_t n = run_tokens(r->spec);
    ig_arena arena;
    ig_arena_init(&arena, (size_t)1 << 26);
    ig_status status = IG_OK;
    if ((status = ig_arena_new(&arena, n, sizeof *r->ids, &r->ids, err)) ||
        (status = ig_arena_new(&arena, n, sizeof *r->positions, &r->positions, err)) ||
        (status = ig_arena_new(&arena, n, sizeof *r->outputs, &r->outputs, err)) ||
        (status = ig_arena_new(&arena, (size_t)r->pages_per_seq * RUN_SEQS_MAX * IG_PAGE_GROUPS_MAX,
                               sizeof *r->pages, &r->pages, err)))
        goto out;
    while (status == IG_OK && !finished(r))
        status = one_step(r, err);
out:
    ig_arena_fini(&arena);
    return status;
}

ig_status run_program(const ig_backend_fns *fns, const ig_device_options *options,
                      ig_program **program, const run_spec *spec, float *out, ig_err *err) {
    ig_device *device = NULL;
    ig_plan *plan = NULL;
    runner r = {.spec = spec, .out = out};
    uint32_t longest = 1;
    for (uint32_t s = 0, base = 0; s < spec->n_seqs; base += spec->lens[s++]) {
        longest = IG_MAX(longest, spec->lens[s]);
        r.base[s] = base;
    }
    r.pages_per_seq = (longest + 31) / 32;
    const uint32_t n = run_tokens(spec);
    const ig_limits limits = {
        .tokens_max = n, .outputs_max = n, .seqs_max = spec->n_seqs, .context_max = longest};
    ig_status status = ig_device_open(&device, fns, options, err);
    if (status) {
        ig_program_destroy(program);
        goto out;
    }
    if ((status = ig_plan_create(&plan, program, ig_device_caps(device), &limits, err)) ||
        (status = ig_module_load(&r.module, device, plan, err)))
        goto out;
    const ig_value *output = &plan->program->values[plan->program->output];
    r.plan = plan;
    r.cols = output->cols;
    r.per_seq = output->rows == IG_ROWS_SEQS;
    ig_pool_options pool = {.k_dtype = spec->k_dtype ? spec->k_dtype : IG_DTYPE_F32,
                            .v_dtype = spec->v_dtype ? spec->v_dtype : IG_DTYPE_F32};
    for (uint32_t g = 0; g < plan->n_groups; g++)
        pool.n_pages[g] = r.pages_per_seq * spec->n_seqs;
    if (plan->n_groups && (status = ig_pool_open(&r.pool, r.module, &pool, err)))
        goto out;
    status = all_steps(&r, err);
out:
    ig_pool_close(&r.pool);
    ig_module_unload(&r.module);
    ig_plan_destroy(&plan);
    ig_device_close(&device);
    return status;
}
