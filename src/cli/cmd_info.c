/* cmd_info.c: what a model file is; its plan. */
#include "cli/cli.h"

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
    if (o->sequences && !o->fit)
        return cli_usage("-np goes with --fit only");
    cli_model_options(o, &m);
    m.progress = NULL;
    if (o->fit)
        return cli_info_fit(o, &m);
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
