/* model_args.c: options → an open model. */
#include "cli/cli.h"

static void log_line(void *user, ingot_log_level level, const char *line) {
    (void)user;
    static const char *const NAMES[] = {"", "error", "warn", "info", "debug", "trace"};
    cli_print_visible(stderr, "%s: %s\n", NAMES[level], line);
}

void cli_model_options(const cli_options *o, ingot_model_options *m) {
    *m = (ingot_model_options){.device = o->device,
                               .cpu_isa = o->cpu_isa,
                               .threads = o->threads,
                               .pin_threads = o->pin,
                               .context = o->context,
                               .batch = o->batch,
                               .cache_type_k = o->cache_k,
                               .cache_type_v = o->cache_v,
                               .rope_freq_base = o->rope_freq_base,
                               .rope_freq_scale = o->rope_freq_scale,
                               .rope_scaling = o->rope_scaling,
                               .log = log_line,
                               .log_level =
                                   o->verbose && !o->no_log ? INGOT_LOG_INFO : INGOT_LOG_NONE,
                               .progress = cli_progress};
}

ingot_model *cli_open_model(const cli_options *o, const ingot_model_options *m) {
    ingot_model *model = NULL;
    ingot_error error = {0};
    cli_bar bar = {.what = "loading"};
    ingot_model_options with = *m;
    with.progress_user = &bar;
    if (ingot_model_open(&model, o->model, &with, &error)) {
        cli_fail_error(&error);
        return NULL;
    }
    return model;
}

int32_t cli_begin_token(const ingot_model *model) {
    int32_t *with = NULL, *without = NULL, begin = -1;
    size_t n_with = 0, n_without = 0;
    /* A vocabulary may add an end token too: the begin token is what stands
     * before the same text. */
    if (!ingot_tokenize(model, "a", 1, (unsigned)INGOT_ADD_SPECIAL, &with, &n_with, NULL) &&
        !ingot_tokenize(model, "a", 1, 0, &without, &n_without, NULL) && n_with > n_without &&
        n_without && with[0] != without[0])
        begin = with[0];
    ingot_ids_free(&with);
    ingot_ids_free(&without);
    return begin;
}
