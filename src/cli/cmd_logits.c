/* cmd_logits.c: logits of every position to a file: int32 rows, int32 width, float32 rows. The file
 * appears whole or not at all. */
#include "cli/cli.h"

#include "os/os.h"

/* Steps have at most this many outputs unless -b asks for more: logits of a big
 * vocabulary take room. */
#define LOGITS_BATCH 64u

static int write_rows(ingot_model *model, ingot_session *session, const int32_t *ids, size_t n,
                      ig_file_writer *w) {
    ingot_error error = {0};
    ig_err err = {0};
    ingot_model_facts facts;
    ingot_model_describe(model, &facts);
    size_t width = facts.vocabulary, step = IG_MIN((size_t)facts.batch, n);
    int32_t head[2] = {(int32_t)n, (int32_t)width};
    float *rows = ig_alloc(step * width, sizeof *rows);
    if (!rows)
        return cli_fail("out of memory: %zu rows of %zu logits; a smaller -b would help", step,
                        width);
    ig_status written = ig_file_writer_add(w, head, sizeof head, &err);
    ingot_status status = INGOT_OK;
    cli_bar bar = {.what = "writing"};
    for (size_t at = 0; at < n && !status && !written; at += step) {
        size_t rows_now = IG_MIN(step, n - at);
        status = ingot_session_eval(session, ids + at, rows_now, rows, rows_now, &error);
        if (!status)
            written = ig_file_writer_add(w, rows, rows_now * width * sizeof *rows, &err);
        cli_progress(&bar, (double)(at + rows_now) / (double)n);
    }
    cli_progress(&bar, 1);
    ig_free(rows);
    if (status == INGOT_CANCELLED)
        return EXIT_INTERRUPTED;
    if (status)
        return cli_fail_error(&error);
    return written ? cli_fail("%s", err.message) : EXIT_OK;
}

static int write_file(const cli_options *o, ingot_model *model, const int32_t *ids, size_t n) {
    ingot_error error = {0};
    ig_err err = {0};
    ingot_session *session = NULL;
    ig_file_writer *w = NULL;
    int code = EXIT_FAILED;
    if (ingot_session_open(&session, model, &error))
        return cli_fail_error(&error);
    cli_interrupt_begin(session, CLI_WRITING);
    if (ig_file_writer_open(&w, o->out, &err) != IG_OK) {
        cli_fail("%s", err.message);
    } else {
        code = write_rows(model, session, ids, n, w);
        if (ig_file_writer_close(&w, code == EXIT_OK, &err) != IG_OK && code == EXIT_OK)
            code = cli_fail("%s", err.message);
    }
    code = cli_interrupt_code(code);
    ingot_session_close(&session);
    return code;
}

int cmd_logits(const cli_options *o) {
    int32_t *ids = NULL;
    size_t n = 0;
    ingot_model_options m;
    int code = EXIT_FAILED;
    if (!o->file || !o->out)
        return cli_usage("logits needs --ids FILE and --out FILE");
    if (!cli_may_replace(o->out, (const char *const[]){o->model, o->file}, 2))
        return EXIT_USAGE;
    cli_model_options(o, &m);
    m.batch = o->batch ? o->batch : LOGITS_BATCH;
    m.outputs = m.batch;
    m.cache_type_k = o->cache_k ? o->cache_k : "f32";
    m.cache_type_v = o->cache_v ? o->cache_v : "f32";
    bool ok = cli_read_ids(o->file, &ids, &n);
    if (ok && (n == 0 || n > IG_CONTEXT_MAX)) {
        cli_fail("%s: %zu ids; there must be 1 to %u", o->file, n, IG_CONTEXT_MAX);
        ok = false;
    }
    if (m.context == 0)
        m.context = (uint32_t)n;
    ingot_model *model = ok ? cli_open_model(o, &m) : NULL;
    if (model)
        code = write_file(o, model, ids, n);
    ingot_model_close(&model);
    ig_free(ids);
    return code;
}
