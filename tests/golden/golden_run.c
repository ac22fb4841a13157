/* golden_run.c: logits of a model for a list of ids through a backend (ref).
 *
 *     golden_run MODEL IDS OUT [CHUNK [BACKEND [--explain]]]
 *
 * IDS: a text file of numbers. OUT: int32 rows, int32 columns, float32[rows][columns]. CHUNK:
 * tokens per step (0: all at once). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden_exec.h"

#define IDS_MAX 65536

static uint32_t read_ids(const char *path, int32_t *ids) {
    FILE *in = fopen(path, "r");
    uint32_t n = 0;
    while (in && n < IDS_MAX && fscanf(in, "%d%*[ ,\n]", &ids[n]) == 1)
        n++;
    if (in)
        fclose(in);
    return n;
}

static ig_status explain(const golden_exec *x, ig_err *err) {
    ig_buf text;
    ig_buf_init(&text, 1u << 26);
    const ig_status status = ig_plan_explain(x->plan, false, &text, err);
    if (!status)
        fputs(text.p, stdout);
    ig_buf_fini(&text);
    return status;
}

static ig_status run(golden_exec *x, char **argv, int argc, const int32_t *ids, uint32_t n,
                     ig_err *err) {
    uint32_t chunk = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
    const ig_backend_fns *fns = golden_backend(argc > 5 ? argv[5] : "ref");
    if (!fns)
        return ig_fail(err, IG_EARGUMENT, "no backend %s; give ref or cpu", argv[5]);
    IG_TRY(golden_open(x, fns, 0, argv[1], n, &chunk, err));
    if (argc > 6)
        IG_TRY(explain(x, err));
    const size_t width = x->plan->program->facts.n_vocab;
    float *logits = malloc(n * width * sizeof *logits);
    if (!logits)
        return ig_fail_memory(err, n * width * sizeof *logits);
    const ig_status status = golden_logits(x, ids, n, chunk, logits, err);
    FILE *out = status ? NULL : fopen(argv[3], "wb");
    const int32_t head[2] = {(int32_t)n, (int32_t)width};
    const bool ok = out && fwrite(head, sizeof head, 1, out) == 1 &&
                    fwrite(logits, sizeof *logits * width, n, out) == n;
    if (out)
        fclose(out);
    free(logits);
    return status || ok ? status : ig_fail(err, IG_EIO, "cannot write %s", argv[3]);
}

int main(int argc, char **argv) {
    static int32_t ids[IDS_MAX];
    golden_exec x = {0};
    ig_err err = {0};
    const uint32_t n = argc > 3 ? read_ids(argv[2], ids) : 0;
    if (n == 0) {
        fputs("usage: golden_run MODEL IDS OUT [CHUNK [BACKEND [--explain]]]\n", stderr);
        return 2;
    }
    const ig_status status = run(&x, argv, argc, ids, n, &err);
    if (status)
        fprintf(stderr, "golden_run: %s: %s\n", ig_status_name(status), err.message);
    golden_close(&x);
    return status != IG_OK;
}
