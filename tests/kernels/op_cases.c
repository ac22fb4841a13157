/* op_cases.c: the builders of op_cases.h and the comparison. The rows are in op_cases_table.c. */
#include <math.h>
#include <stdio.h>

#include "backend/ref/ref.h"
#include "kernels/op_build.h"

#define TOKENS_MAX 160u

/* ---- comparison ----------------------------------------------------------------------------- */

typedef struct checker {
    const ig_backend_fns *fns;
    const ig_device_options *options;
    void (*fail)(const char *line);
    op_report *report;
    int32_t ids[TOKENS_MAX], positions[TOKENS_MAX];
    float *want, *got, *other; /* [TOKENS_MAX][cols] */
    size_t n;                  /* elements that count */
} checker;

static ig_status build(const op_case *c, ig_program **out, ig_err *err) {
    op_builder b = {.rng = {0x1234567 + c->n[0] * 31u + c->n[1] * 7u + c->dtype}};
    IG_TRY(ig_program_create(&b.p, err));
    const ig_status status = c->build(&b, c, err);
    if (status)
        ig_program_destroy(&b.p);
    *out = b.p;
    return status;
}

static void report_failure(checker *k, const op_case *c, const char *what, const char *why) {
    char line[800];
    snprintf(line, sizeof line, "%s: %s: %s: %s", k->fns->name, c->name, what, why);
    k->report->failed++;
    k->fail(line);
}

static run_spec spec_of(const checker *k, const op_case *c, run_cut cut, uint32_t chunk) {
    run_spec s = {.n_seqs = 3, .lens = {19, 5, 1}, .ids = k->ids, .cut = cut, .chunk = chunk};
    if (c->build == op_build_attend) {
        s.lens[0] = 75;
        s.lens[1] = 34;
        s.k_dtype = s.v_dtype = c->dtype;
        s.free_pages = true;
    }
    if (c->far)
        s.positions = k->positions;
    return s;
}

static ig_status run(const checker *k, const ig_backend_fns *fns, const op_case *c, run_cut cut,
                     uint32_t chunk, float *out, ig_err *err) {
    ig_program *p = NULL;
    const run_spec s = spec_of(k, c, cut, chunk);
    IG_TRY(build(c, &p, err));
    return run_program(fns, fns == k->fns ? k->options : NULL, &p, &s, out, err);
}

static ig_status count_elements(checker *k, const op_case *c, ig_err *err) {
    ig_program *p = NULL;
    const run_spec s = spec_of(k, c, RUN_WHOLE, 0);
    IG_TRY(build(c, &p, err));
    const ig_value *v = &p->values[p->output];
    k->n = (size_t)(v->rows == IG_ROWS_SEQS ? s.n_seqs : run_tokens(&s)) * v->cols;
    ig_program_destroy(&p);
    return IG_OK;
}

static void compare(checker *k, const op_case *c) {
    double error = 0, signal = 0;
    for (size_t i = 0; i < k->n; i++) {
        const double d = (double)k->got[i] - (double)k->want[i];
        error += d * d;
        signal += (double)k->want[i] * (double)k->want[i];
    }
    const double share = error / (signal > 0 ? signal : 1) / c->tolerance;
    if (!(share <= 1)) {
        char why[120];
        snprintf(why, sizeof why, "error %.3g, tolerance %.3g", share * c->tolerance, c->tolerance);
        report_failure(k, c, "against ref", why);
    } else if (share > k->report->worst) {
        k->report->worst = share;
        snprintf(k->report->worst_name, sizeof k->report->worst_name, "%s", c->name);
    }
}

static void compare_cuts(checker *k, const op_case *c) {
    static const struct {
        const char *name;
        run_cut cut;
        uint32_t chunk;
    } cuts[] = {{"one sequence a step", RUN_ALONE, 0},
                {"one token a step", RUN_CHUNKS, 1},
                {"seven tokens a step", RUN_CHUNKS, 7},
                {"uneven steps", RUN_UNEVEN, 0}};
    for (size_t i = 0; i < IG_COUNT(cuts) && !(c->whole && i > 0); i++) {
        ig_err err = {0};
        if (run(k, k->fns, c, cuts[i].cut, cuts[i].chunk, k->other, &err))
            report_failure(k, c, cuts[i].name, err.message);
        else if (memcmp(k->got, k->other, k->n * sizeof *k->got) != 0)
            report_failure(k, c, cuts[i].name, "not the same bits as in one step");
    }
}

static void check_case(checker *k, const op_case *c) {
    ig_err err = {0};
    k->report->run++;
    if (count_elements(k, c, &err) || run(k, &ig_backend_ref, c, RUN_WHOLE, 0, k->want, &err)) {
        report_failure(k, c, "ref", err.message);
        return;
    }
    const ig_status status = run(k, k->fns, c, RUN_WHOLE, 0, k->got, &err);
    if (status == IG_EUNSUPPORTED) {
        k->report->unsupported++;
    } else if (status) {
        report_failure(k, c, "one step", err.message);
    } else {
        compare(k, c);
        compare_cuts(k, c);
    }
}

void op_cases_check(const ig_backend_fns *fns, const ig_device_options *options, const char *filter,
                    void (*fail)(const char *line), op_report *report) {
    const size_t n = op_cases_list(NULL, 0), floats = (size_t)TOKENS_MAX * OP_COLS_MAX;
    checker k = {.fns = fns, .options = options, .fail = fail, .report = report};
    run_rng rng = {77};
    op_case *cases = ig_alloc(n, sizeof *cases);
    k.want = ig_alloc(floats, sizeof *k.want);
    k.got = ig_alloc(floats, sizeof *k.got);
    k.other = ig_alloc(floats, sizeof *k.other);
    *report = (op_report){0};
    for (uint32_t i = 0; i < TOKENS_MAX; i++) {
        k.ids[i] = (int32_t)(run_random(&rng) % OP_VOCAB);
        k.positions[i] = (int32_t)(run_random(&rng) % 100000);
    }
    if (!cases || !k.want || !k.got || !k.other) {
        report->failed++;
        fail("out of memory");
    } else {
        op_cases_list(cases, n);
        for (size_t i = 0; i < n; i++) {
            if (!filter || strstr(cases[i].name, filter))
                check_case(&k, &cases[i]);
        }
    }
    ig_free(k.other);
    ig_free(k.got);
    ig_free(k.want);
    ig_free(cases);
}
