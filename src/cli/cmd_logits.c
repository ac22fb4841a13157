/* cmd_logits.c: logits of every position to a file: int32 rows, int32 width, float32 rows. */
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Steps have at most this many outputs unless -b asks for more: logits of a big vocabulary take room. */
#define LOGITS_BATCH 64u

typedef struct logits_file {
    FILE *f;
    const char *path;
    char temporary[4096];
} logits_file;

static bool open_file(logits_file *w, const char *path) {
    w->path = path;
    if (snprintf(w->temporary, sizeof w->temporary, "%s.tmp-%ld", path, (long)getpid()) >= (int)sizeof w->temporary) {
        cli_fail("%s: name too long", path);
        return false;
    }
    w->f = fopen(w->temporary, "wb");
    if (!w->f)
        cli_fail("%s: %s", w->temporary, strerror(errno));
    return w->f != NULL;
}

/* Either the whole file appears or nothing. */
static bool close_file(logits_file *w, bool commit) {
    if (!w->f)
        return false;
    bool ok = commit && fflush(w->f) == 0 && !ferror(w->f);
    ok = fclose(w->f) == 0 && ok;
    w->f = NULL;
    if (ok && rename(w->temporary, w->path) == 0)
        return true;
    if (commit)
        cli_fail("%s: %s; nothing was kept", w->path, strerror(errno));
    unlink(w->temporary);
    return false;
}

static int write_rows(const cli_options *o, ingot_model *model, const int32_t *ids, size_t n, logits_file *w) {
    ingot_error error = {0};
    ingot_model_facts facts;
    ingot_session *session = NULL;
    ingot_model_describe(model, &facts);
    size_t width = facts.vocabulary, step = IG_MIN((size_t)facts.batch, n);
    int32_t head[2] = {(int32_t)n, (int32_t)width};
    float *rows = ig_alloc(step * width, sizeof *rows);
    int code = EXIT_FAILED;
    (void)o;
    if (!rows)
        return cli_fail("out of memory: %zu rows of %zu logits; a smaller -b would help", step, width);
    if (ingot_session_open(&session, model, &error)) {
        cli_fail_error(&error);
    } else if (fwrite(head, sizeof head, 1, w->f) == 1) {
        size_t at = 0;
        for (; at < n; at += step) {
            size_t rows_now = IG_MIN(step, n - at);
            if (ingot_session_eval(session, ids + at, rows_now, rows, rows_now, &error)) {
                cli_fail_error(&error);
                break;
            }
            if (fwrite(rows, sizeof *rows * width, rows_now, w->f) != rows_now) {
                cli_fail("%s: %s", w->path, strerror(errno));
                break;
            }
        }
        code = at >= n ? EXIT_OK : EXIT_FAILED;
    }
    ingot_session_close(&session);
    ig_free(rows);
    return code;
}

int cmd_logits(const cli_options *o) {
    int32_t *ids = NULL;
    size_t n = 0;
    logits_file w = {0};
    ingot_model_options m;
    int code = EXIT_FAILED;
    if (!o->file || !o->out) {
        cli_fail("logits needs --ids FILE and --out FILE");
        return EXIT_USAGE;
    }
    cli_model_options(o, &m);
    m.batch = o->batch ? o->batch : LOGITS_BATCH;
    m.outputs = m.batch;
    m.cache_type_k = o->cache_k ? o->cache_k : "f32";
    m.cache_type_v = o->cache_v ? o->cache_v : "f32";
    if (!cli_read_ids(o->file, &ids, &n))
        goto out;
    if (n == 0) {
        cli_fail("%s: no ids", o->file);
        goto out;
    }
    if (m.context == 0)
        m.context = (uint32_t)IG_MIN(n, (size_t)IG_CONTEXT_MAX);
    ingot_model *model = cli_open_model(o, &m);
    if (model && open_file(&w, o->out)) {
        code = write_rows(o, model, ids, n, &w);
        if (!close_file(&w, code == EXIT_OK))
            code = EXIT_FAILED;
    }
    ingot_model_close(&model);
out:
    ig_free(ids);
    return code;
}
