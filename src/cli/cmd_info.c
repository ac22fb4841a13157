/* cmd_info.c: what a model file is; its plan; whether it fits. */
#include "cli/cli.h"

static int print_fit(const cli_options *o, const ingot_model_options *m) {
    ingot_forecast f;
    ingot_error error = {0};
    if (ingot_model_forecast(o->model, m, &f, &error))
        return cli_fail_error(&error);
    uint64_t sum = f.weight_bytes + f.kv_bytes + f.activation_bytes;
    const double mib = 1048576.0;
    if (o->json) {
        printf("{\"weight_bytes\": %llu, \"kv_bytes\": %llu, \"kv_pages\": %llu, "
               "\"activation_bytes\": %llu, \"memory_total\": %llu, \"memory_available\": %llu, "
               "\"fits\": %s}\n",
               (unsigned long long)f.weight_bytes, (unsigned long long)f.kv_bytes,
               (unsigned long long)f.kv_pages, (unsigned long long)f.activation_bytes,
               (unsigned long long)f.memory_total, (unsigned long long)f.memory_available,
               sum <= f.memory_available ? "true" : "false");
        return EXIT_OK;
    }
    printf("weights       %10.1f MiB (as in the file)\n"
           "keys, values  %10.1f MiB (%llu pages)\n"
           "activations   %10.1f MiB (estimate)\n"
           "sum           %10.1f MiB of %.1f MiB available: %s\n",
           (double)f.weight_bytes / mib, (double)f.kv_bytes / mib, (unsigned long long)f.kv_pages,
           (double)f.activation_bytes / mib, (double)sum / mib, (double)f.memory_available / mib,
           sum <= f.memory_available ? "fits"
                                     : "does not fit; a smaller -c or cache type would help");
    return EXIT_OK;
}

static int list_archs(const cli_options *o) {
    if (o->model || o->fit || o->plan || o->metadata || o->tensors)
        return cli_usage("--archs is about no model and stands alone");
    const char *name;
    for (size_t i = 0; (name = ingot_architecture(i)); i++) {
        if (o->json) {
            fputs(i ? ", " : "[", stdout);
            cli_put_json_string(stdout, name, strlen(name));
        } else {
            puts(name);
        }
    }
    if (o->json)
        puts("]");
    return EXIT_OK;
}

int cmd_info(const cli_options *o) {
    ingot_model_options m;
    ingot_text text = {0};
    ingot_error error = {0};
    if (o->archs)
        return list_archs(o);
    if (!o->model)
        return cli_usage("no model given; usage: ingot info MODEL, or --archs");
    if (o->fit + o->plan + (o->metadata || o->tensors) > 1)
        return cli_usage("--fit, --plan and the rest are printed one at a time; leave out %s",
                         o->fit && o->plan ? "--fit or --plan" : "--metadata and --tensors");
    cli_model_options(o, &m);
    m.progress = NULL;
    if (o->fit)
        return print_fit(o, &m);
    unsigned what = (o->metadata ? (unsigned)INGOT_REPORT_METADATA : 0) |
                    (o->tensors ? (unsigned)INGOT_REPORT_TENSORS : 0) |
                    (o->plan ? (unsigned)INGOT_REPORT_PLAN : 0) |
                    (o->json ? (unsigned)INGOT_REPORT_JSON : 0);
    if (ingot_model_report(o->model, &m, what, &text, &error))
        return cli_fail_error(&error);
    bool ok = cli_write(text.data, text.size);
    ingot_text_free(&text);
    return ok ? EXIT_OK : EXIT_FAILED;
}
