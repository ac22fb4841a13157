/* forecast.c: what a model will take, before it is taken, and how much of it would fit. */
#include "engine/engine_int.h"

/* A device adds its own scratch to the plan's values, which it does not tell before it is loaded.
 * That of the cpu stays below the values that are no logits once more, this for each thread, … */
#define THREAD_SCRATCH_BYTES (2u << 20)
/* … and what attention leaves to be merged: for each sequence of a step, of so many rows and blocks
 * of so many tokens, one row of values each with so many floats beside it and so much padding. */
#define SPLIT_ROWS 8u
#define SPLIT_TOKENS 256u
#define SPLIT_FLOATS 16u
/* A draw looks at all of a vocabulary: that much of each token, for each thread. */
#define DRAW_TOKEN_BYTES 24u

_Static_assert((int)INGOT_PAGE_GROUPS_MAX == (int)IG_PAGE_GROUPS_MAX, "groups are the same");

void ig_engine_pages(const ig_plan *plan, uint32_t n_pages[IG_PAGE_GROUPS_MAX]) {
    for (uint32_t g = 0; g < plan->n_groups; g++)
        n_pages[g] = ig_kv_pages_needed(IG_PAGE_TOKENS, plan->groups[g].window,
                                        plan->limits.context_max, plan->limits.tokens_max);
}

/* Where the values that are no logits end. */
static uint64_t inner_bytes(const ig_plan *plan) {
    const ig_program *p = plan->program;
    const uint32_t rows[IG_ROWS_COUNT] = {[IG_ROWS_TOKENS] = plan->limits.tokens_max,
                                          [IG_ROWS_OUTPUTS] = plan->limits.outputs_max,
                                          [IG_ROWS_SEQS] = plan->limits.seqs_max};
    uint64_t end = 0;
    for (uint32_t i = 1; i < p->n_values; i++) {
        const ig_value *v = &p->values[i];
        if (!v->unmaterialised && i != p->output)
            end = IG_MAX(end, v->offset + (uint64_t)rows[v->rows] * v->cols * sizeof(float));
    }
    return end;
}

/* Of all sequences of a step, in the layer that leaves most. */
static uint64_t split_bytes(const ig_plan *plan) {
    const ig_limits *l = &plan->limits;
    uint64_t most = 0;
    for (uint32_t i = 0; i < plan->program->n_ops; i++) {
        const ig_op *op = &plan->program->ops[i];
        if (op->kind != IG_OP_ATTEND)
            continue;
        const ig_attend_attr *a = &op->u.attend;
        const uint64_t seen =
            a->window ? IG_MIN((uint64_t)a->window + SPLIT_ROWS, l->context_max) : l->context_max;
        const uint64_t row = ig_round_up(a->v_cols, SPLIT_FLOATS) + SPLIT_FLOATS;
        most = IG_MAX(most, (seen / SPLIT_TOKENS + 2) * SPLIT_ROWS * a->n_heads * row);
    }
    return most * sizeof(float) * l->seqs_max;
}

static ig_status forecast_pages(const ig_device *device, const ig_plan *plan, ig_dtype k,
                                ig_dtype v, ingot_forecast *out, ig_err *err) {
    uint32_t n_pages[IG_PAGE_GROUPS_MAX] = {0};
    ig_engine_pages(plan, n_pages);
    out->n_groups = plan->n_groups;
    for (uint32_t g = 0; g < plan->n_groups; g++) {
        const uint64_t bytes = ig_device_page_bytes(device, plan, g, k, v),
                       pages = (uint64_t)n_pages[g] * plan->limits.seqs_max;
        if (bytes == 0)
            return ig_fail(err, IG_EUNSUPPORTED,
                           "pages of keys as %s and values as %s do not suit this model on device "
                           "%s; use f16",
                           ig_dtype_info(k)->name, ig_dtype_info(v)->name, ig_device_name(device));
        out->groups[g] = (ingot_forecast_group){.layers = plan->groups[g].n_states,
                                                .window = plan->groups[g].window,
                                                .pages = n_pages[g],
                                                .page_bytes = bytes};
        out->kv_pages += pages;
        out->kv_bytes += pages * bytes;
    }
    return IG_OK;
}

static ig_status forecast(const ig_checkpoint *ckpt, const ingot_model_options *options,
                          ingot_forecast *out, ig_err *err) {
    ingot_model_options o;
    ig_dtype k, v;
    ig_device *device = NULL;
    ig_plan *plan = NULL;
    IG_TRY(ig_engine_options(options, &o, &k, &v, err));
    IG_TRY(ig_engine_plan(ckpt, &o, NULL, &device, &plan, err));
    const uint64_t per_thread =
        THREAD_SCRATCH_BYTES + (uint64_t)plan->program->facts.n_vocab * DRAW_TOKEN_BYTES;
    const uint64_t activations =
        plan->arena_bytes + inner_bytes(plan) + split_bytes(plan) + o.threads * per_thread;
    *out = (ingot_forecast){.weight_bytes = plan->weight_bytes,
                            .activation_bytes = activations,
                            .memory_total = ig_memory_total_bytes(),
                            .memory_available = ig_memory_available_bytes(),
                            .context = o.context,
                            .context_trained = plan->program->facts.n_context_train,
                            .batch = o.batch,
                            .sequences = o.sequences,
                            .page_tokens = IG_PAGE_TOKENS};
    const ig_status status = forecast_pages(device, plan, k, v, out, err);
    ig_plan_destroy(&plan);
    ig_device_close(&device);
    return status;
}

/* ---- what fits --------------------------------------------------------------------------------
 */

typedef struct fit_search {
    const ig_checkpoint *ckpt;
    uint64_t memory_bytes;
} fit_search;

/* A limit of the model, such as its table of positions, bounds what fits as memory does. */
static ig_status fits(const fit_search *s, const ingot_model_options *options, bool *out,
                      ig_err *err) {
    ingot_forecast f = {0};
    ig_err limit = {0};
    const ig_status status = forecast(s->ckpt, options, &f, &limit);
    if (status && status != IG_ELIMIT) {
        *err = limit;
        return status;
    }
    *out = !status && f.weight_bytes + f.kv_bytes + f.activation_bytes <= s->memory_bytes;
    return IG_OK;
}

/* The largest value of *field, which lies in *options, up to max with which it fits; 0 = none. */
static ig_status largest(const fit_search *s, ingot_model_options *options, uint32_t *field,
                         uint32_t max, uint32_t *out, ig_err *err) {
    uint32_t lo = 0, hi = max;
    while (lo < hi) {
        bool fit;
        *field = lo + (hi - lo + 1) / 2;
        IG_TRY(fits(s, options, &fit, err));
        lo = fit ? *field : lo;
        hi = fit ? hi : *field - 1;
    }
    *out = lo;
    return IG_OK;
}

static ig_status fit(const ig_checkpoint *ckpt, const ingot_model_options *options,
                     uint64_t memory_bytes, ingot_fit *out, ig_err *err) {
    const fit_search s = {ckpt, memory_bytes ? memory_bytes : ig_memory_available_bytes()};
    ingot_model_options one = options ? *options : (ingot_model_options){0}, many = one;
    ingot_forecast given;
    IG_TRY(forecast(ckpt, &one, &given, err)); /* what is past a limit already is an error */
    one.sequences = 1;
    IG_TRY(largest(&s, &one, &one.context, IG_CONTEXT_MAX, &out->context_max, err));
    return largest(&s, &many, &many.sequences, IG_EXEC_SEQS_MAX, &out->sequences_max, err);
}

/* ---- face -------------------------------------------------------------------------------------
 */

/* The file is there for one question. Opening it names the path itself. */
static ig_status with_path(ig_status status, ig_checkpoint **ckpt, const char *path, ig_err *err) {
    ig_checkpoint_close(ckpt);
    if (status)
        ig_err_prefix(err, "%s", path);
    return status;
}

ingot_status ingot_model_forecast(const char *path, const ingot_model_options *options,
                                  ingot_forecast *out, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    ig_checkpoint *ckpt = NULL;
    ig_status status = ig_checkpoint_open(&ckpt, path, NULL, err);
    if (!status)
        status = with_path(forecast(ckpt, options, out, err), &ckpt, path, err);
    return (ingot_status)status;
}

ingot_status ingot_model_fit(const char *path, const ingot_model_options *options,
                             uint64_t memory_bytes, ingot_fit *out, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    ig_checkpoint *ckpt = NULL;
    *out = (ingot_fit){0};
    ig_status status = ig_checkpoint_open(&ckpt, path, NULL, err);
    if (!status)
        status = with_path(fit(ckpt, options, memory_bytes, out, err), &ckpt, path, err);
    return (ingot_status)status;
}
