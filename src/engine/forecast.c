/* forecast.c: what a model will take, before it is taken. */
#include "engine/engine_int.h"

/* A device adds its own scratch to the plan's values, which it does not tell before it is loaded:
 * that of the cpu stays below as much again and this for each thread. */
#define THREAD_SCRATCH_BYTES (2u << 20)

void ig_engine_pages(const ig_plan *plan, uint32_t n_pages[IG_PAGE_GROUPS_MAX]) {
    for (uint32_t g = 0; g < plan->n_groups; g++)
        n_pages[g] = ig_kv_pages_needed(IG_PAGE_TOKENS, plan->groups[g].window,
                                        plan->limits.context_max, plan->limits.tokens_max);
}

static ig_status forecast(const char *path, const ingot_model_options *options, ingot_forecast *out,
                          ig_err *err) {
    ingot_model_options o;
    ig_dtype k, v;
    ig_checkpoint *ckpt = NULL;
    ig_device *device = NULL;
    ig_plan *plan = NULL;
    IG_TRY(ig_engine_options(options, &o, &k, &v, err));
    IG_TRY(ig_checkpoint_open(&ckpt, path, NULL, err));
    ig_status status = ig_engine_plan(ckpt, &o, NULL, &device, &plan, err);
    if (!status) {
        uint32_t n_pages[IG_PAGE_GROUPS_MAX] = {0};
        ig_engine_pages(plan, n_pages);
        *out = (ingot_forecast){.weight_bytes = plan->weight_bytes,
                                .activation_bytes =
                                    2 * plan->arena_bytes + o.threads * THREAD_SCRATCH_BYTES,
                                .memory_total = ig_memory_total_bytes(),
                                .memory_available = ig_memory_available_bytes()};
        for (uint32_t g = 0; g < plan->n_groups; g++) {
            out->kv_pages += n_pages[g];
            out->kv_bytes += n_pages[g] * ig_device_page_bytes(device, plan, g, k, v);
        }
    }
    if (status) /* opening names the path itself */
        ig_err_prefix(err, "%s", path);
    ig_plan_destroy(&plan);
    ig_device_close(&device);
    ig_checkpoint_close(&ckpt);
    return status;
}

ingot_status ingot_model_forecast(const char *path, const ingot_model_options *options,
                                  ingot_forecast *out, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    return (ingot_status)forecast(path, options, out, err);
}
