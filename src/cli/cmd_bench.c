/* cmd_bench.c: prompt and generation speed, like llama-bench, with the share of the machine's roof
 * measured in the same run. Nothing is sampled: tokens are random, a step of generation evaluates
 * one token and fetches its logits. */
#include "cli/bench.h"

#include <stdlib.h>

#include "os/os.h"

#define WARM_TOKENS 4u
#define REPEATS_DEFAULT 5u

typedef struct bench_test {
    uint32_t prompt, predict, depth; /* one of prompt and predict is 0 */
} bench_test;

typedef struct bench_result {
    double median, min, max, mean; /* tokens per second */
    double roof_share; /* of dot rate (prompts) or bandwidth (generation); 0 = unknown */
} bench_result;

bool bench_read_list(const char *option, const char *text, uint32_t min, uint32_t max,
                     bench_list *out) {
    const bool read = cli_numbers(text, out->n, BENCH_LIST_MAX, &out->size);
    bool good = read;
    for (uint32_t i = 0; read && i < out->size; i++)
        good = good && out->n[i] >= min && out->n[i] <= max;
    if (!good)
        cli_usage("%s takes numbers from %u to %u like 128 or 128,512 (at most %d), not \"%s\"",
                  option, min, max, BENCH_LIST_MAX, text);
    return good;
}

uint32_t bench_list_max(const bench_list *list) {
    uint32_t max = 0;
    for (uint32_t i = 0; i < list->size; i++)
        max = IG_MAX(max, list->n[i]);
    return max;
}

uint32_t bench_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

void bench_random_ids(int32_t *ids, size_t n, uint32_t vocabulary, uint64_t *state) {
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(bench_random(state) % vocabulary);
}

/* One repetition from a session that holds `depth` tokens; leaves it so. Negative on failure. */
static double run_once(ingot_session *s, const bench_test *t, int32_t *ids, float *logits,
                       uint32_t vocabulary, uint64_t *state, ingot_error *error) {
    bench_random_ids(ids, t->prompt ? t->prompt : t->predict, vocabulary, state);
    const uint64_t start = ig_clock_ns();
    ingot_status status = INGOT_OK;
    if (t->prompt)
        status = ingot_session_eval(s, ids, t->prompt, logits, 1, error);
    for (uint32_t i = 0; i < t->predict && !status; i++)
        status = ingot_session_eval(s, ids + i, 1, logits, 1, error);
    const double took = (double)(ig_clock_ns() - start) * 1e-9;
    if (status || ingot_session_truncate(s, t->depth) == t->depth)
        return status ? -1 : took;
    /* A sliding window forgot its past: fill the context anew, outside the clock. */
    bench_random_ids(ids, t->depth, vocabulary, state);
    return ingot_session_eval(s, ids, t->depth, NULL, 0, error) ? -1 : took;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_sort(double *values, size_t n) {
    qsort(values, n, sizeof *values, ascending);
}

bool bench_check_memory(const cli_options *o, const ingot_model_options *m, bool whole) {
    ingot_forecast f;
    ingot_error error = {0};
    ingot_model_options quiet = *m;
    quiet.progress = NULL;
    if (ingot_model_forecast(o->model, &quiet, &f, &error)) {
        cli_fail_error(&error);
        return false;
    }
    const uint64_t bytes = f.activation_bytes + (whole ? f.kv_bytes : 0);
    if (f.memory_available == 0 || bytes <= f.memory_available)
        return true;
    cli_fail("%s: %u sequences of %u tokens take %.0f MiB%s, and %.0f MiB are free; fewer (-npl) "
             "or shorter ones%s would help",
             o->model, f.sequences, f.context, (double)bytes / 1048576.0,
             whole ? " for keys, values and activations" : " for activations",
             (double)f.memory_available / 1048576.0,
             whole ? " or a smaller cache type (-ctk, -ctv)" : "");
    return false;
}

static bool run_test(const cli_options *o, ingot_model *model, const bench_test *t,
                     bench_result *r) {
    ingot_model_facts facts;
    ingot_error error = {0};
    ingot_session *session = NULL;
    const uint32_t repeats = o->repeats ? o->repeats : REPEATS_DEFAULT;
    ingot_model_describe(model, &facts);
    size_t longest = IG_MAX(IG_MAX(t->prompt, t->predict), t->depth);
    int32_t *ids = ig_alloc(longest + 1, sizeof *ids);
    float *logits = ig_alloc(facts.vocabulary, sizeof *logits);
    double *rates = ig_alloc(repeats, sizeof *rates);
    uint64_t state = 42;
    ingot_roof roof = {0};
    bool ok = ids && logits && rates && !ingot_session_open(&session, model, &error);
    if (ok && t->depth) {
        bench_random_ids(ids, t->depth, facts.vocabulary, &state);
        ok = !ingot_session_eval(session, ids, t->depth, NULL, 0, &error);
    }
    bench_test warm = *t;
    warm.predict = IG_MIN(warm.predict, WARM_TOKENS);
    ok = ok && run_once(session, &warm, ids, logits, facts.vocabulary, &state, &error) >= 0;
    uint32_t n = t->prompt + t->predict;
    for (uint32_t i = 0; ok && i < repeats; i++) {
        ingot_roof now;
        double took = run_once(session, t, ids, logits, facts.vocabulary, &state, &error);
        ok = took > 0;
        rates[i] = ok ? n / took : 0;
        r->mean += rates[i] / repeats;
        if (ok && !ingot_model_roof(model, &now, NULL)) {
            roof.read_bytes_per_second += now.read_bytes_per_second / repeats;
            roof.dot_ops_per_second += now.dot_ops_per_second / repeats;
        }
    }
    if (ok) {
        bench_sort(rates, repeats);
        r->min = rates[0];
        r->max = rates[repeats - 1];
        r->median = (rates[(repeats - 1) / 2] + rates[repeats / 2]) / 2;
        const double step_bytes = (double)ingot_model_step_bytes(model, t->depth + n / 2);
        if (t->prompt && roof.dot_ops_per_second > 0)
            r->roof_share = r->median * (double)facts.token_ops / roof.dot_ops_per_second;
        else if (t->predict && roof.read_bytes_per_second > 0)
            r->roof_share = r->median * step_bytes / roof.read_bytes_per_second;
    } else if (ids && logits && rates) {
        cli_fail_error(&error);
    }
    ingot_session_close(&session);
    ig_free(ids);
    ig_free(logits);
    ig_free(rates);
    return ok;
}

static void test_name(const bench_test *t, char name[64]) {
    int n = snprintf(name, 64, t->prompt ? "pp%u" : "tg%u", t->prompt ? t->prompt : t->predict);
    if (t->depth && n > 0 && n < 64)
        snprintf(name + n, 64 - (size_t)n, " @ d%u", t->depth);
}

static void print_row(const char *format, const ingot_model_facts *f, const char *test,
                      const bench_result *r, bool first) {
    if (strcmp(format, "json") == 0) {
        printf("%s{\"test\": \"%s\", \"median\": %.3f, \"min\": %.3f, \"max\": %.3f, "
               "\"mean\": %.3f, \"roof_share\": %.4f}",
               first ? "" : ", ", test, r->median, r->min, r->max, r->mean, r->roof_share);
    } else if (strcmp(format, "csv") == 0) {
        if (first)
            puts("model,threads,test,median,min,max,mean,roof_share");
        cli_print_visible(stdout, "%s,%u,%s,%.3f,%.3f,%.3f,%.3f,%.4f\n", f->architecture,
                          f->threads, test, r->median, r->min, r->max, r->mean, r->roof_share);
    } else {
        if (first)
            puts("| model | size | threads | test | tokens/s (median) | min..max "
                 "| share of roof |\n"
                 "| --- | ---: | ---: | --- | ---: | --- | ---: |");
        cli_print_visible(stdout, "| %s | %.1f MiB | %u | %s | %.2f | %.2f..%.2f | %.1f%% |\n",
                          f->name[0] ? f->name : f->architecture,
                          (double)f->weight_bytes / 1048576.0, f->threads, test, r->median, r->min,
                          r->max, r->roof_share * 100);
    }
    fflush(stdout);
}

static uint32_t list_tests(const cli_options *o, bench_test *tests) {
    const uint32_t most = IG_CONTEXT_MAX / 2;
    bench_list pp, tg, depth;
    uint32_t n = 0;
    if (!bench_read_list("-p", o->bench_prompt ? o->bench_prompt : "512", 0, most, &pp) ||
        !bench_read_list("-n", o->bench_predict ? o->bench_predict : "128", 0, most, &tg) ||
        !bench_read_list("-d", o->bench_depth ? o->bench_depth : "0", 0, most, &depth))
        return 0;
    for (uint32_t d = 0; d < depth.size; d++) {
        for (uint32_t i = 0; i < pp.size; i++) {
            if (pp.n[i])
                tests[n++] = (bench_test){.prompt = pp.n[i], .depth = depth.n[d]};
        }
        for (uint32_t i = 0; i < tg.size; i++) {
            if (tg.n[i])
                tests[n++] = (bench_test){.predict = tg.n[i], .depth = depth.n[d]};
        }
    }
    if (n == 0)
        cli_fail("nothing to measure: -p and -n are both 0");
    return n;
}

static int print_profile(ingot_model *model) {
    ingot_session *session = NULL;
    ingot_error error = {0};
    ingot_text text = {0};
    if (ingot_session_open(&session, model, &error) ||
        ingot_session_profile(session, &text, &error)) {
        ingot_session_close(&session);
        return cli_fail_error(&error);
    }
    bool ok = cli_write(text.data, text.size);
    ingot_text_free(&text);
    ingot_session_close(&session);
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* Lengths and speeds of single sequences. */
static int bench_single(const cli_options *o, const char *format) {
    bench_test tests[BENCH_LIST_MAX * BENCH_LIST_MAX * 2];
    ingot_model_options m;
    ingot_model_facts facts;
    uint32_t n = list_tests(o, tests), longest = 0;
    if (n == 0)
        return EXIT_USAGE;
    for (uint32_t i = 0; i < n; i++)
        longest = IG_MAX(longest, tests[i].depth + tests[i].prompt + tests[i].predict);
    cli_model_options(o, &m);
    m.context = longest;
    m.profile = o->ops;
    ingot_model *model = cli_open_model(o, &m);
    if (!model)
        return EXIT_FAILED;
    ingot_model_describe(model, &facts);
    int code = EXIT_OK;
    if (strcmp(format, "json") == 0) {
        fputs("{\"model\": ", stdout);
        cli_put_json_string(stdout, o->model, strlen(o->model));
        fputs(", \"architecture\": ", stdout);
        cli_put_json_string(stdout, facts.architecture, strlen(facts.architecture));
        printf(", \"threads\": %u, \"weight_bytes\": %llu, \"results\": [", facts.threads,
               (unsigned long long)facts.weight_bytes);
    }
    for (uint32_t i = 0; i < n && code == EXIT_OK; i++) {
        bench_result r = {0};
        char name[64];
        test_name(&tests[i], name);
        if (run_test(o, model, &tests[i], &r))
            print_row(format, &facts, name, &r, i == 0);
        else
            code = EXIT_FAILED;
    }
    if (strcmp(format, "json") == 0)
        puts("]}");
    if (o->ops && code == EXIT_OK)
        code = print_profile(model);
    ingot_model_close(&model);
    return code;
}

typedef enum bench_kind { SINGLE = 1, BATCH = 2, SERVE = 4 } bench_kind;

/* False, printed, when an option belongs to another kind of benchmark. */
static bool check_kind(const cli_options *o, bench_kind kind) {
    const struct {
        const char *name;
        bool given;
        unsigned kinds;
    } rows[] = {
        {"-p", o->bench_prompt, SINGLE},
        {"-n", o->bench_predict, SINGLE},
        {"-d", o->bench_depth, SINGLE},
        {"-r", o->repeats > 0, SINGLE},
        {"--ops", o->ops, SINGLE},
        {"-npp", o->npp, BATCH | SERVE},
        {"-ntg", o->ntg, BATCH | SERVE},
        {"-npl", o->npl, BATCH | SERVE},
        {"-pps", o->shared_prompt, BATCH},
        {"--requests", o->requests > 0, SERVE},
        {"--rate", o->rate > 0, SERVE},
        {"--spread", o->spread >= 0, SERVE},
        {"--trace", o->trace, SERVE},
        {"--shared-prefix", o->shared_prefix > 0, SERVE},
        {"--ttft-slo", o->ttft_slo > 0, SERVE},
        {"--itl-slo", o->itl_slo > 0, SERVE},
        {"--kv-tokens", o->kv_tokens > 0, SERVE},
        {"-s", o->load_seed > 0, SERVE},
    };
    static const char *const names[] = {
        [BATCH] = "--batch", [SERVE] = "--serve-sim", [BATCH | SERVE] = "--batch or --serve-sim"};
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        if (!rows[i].given || (rows[i].kinds & kind))
            continue;
        if (kind == SINGLE)
            cli_usage("%s goes with %s only", rows[i].name, names[rows[i].kinds]);
        else
            cli_usage("%s does not go with %s; leave one out", rows[i].name, names[kind]);
        return false;
    }
    return true;
}

int cmd_bench(const cli_options *o) {
    const char *format = o->output_format ? o->output_format : o->json ? "json" : "md";
    if (strcmp(format, "md") != 0 && strcmp(format, "csv") != 0 && strcmp(format, "json") != 0)
        return cli_usage("-o takes md, csv or json, not \"%s\"", format);
    if (o->json && strcmp(format, "json") != 0)
        return cli_usage("--json contradicts -o %s; leave one out", format);
    if (o->ops && strcmp(format, "md") != 0)
        return cli_usage("--ops prints text; it does not go with %s", format);
    if (o->batches && o->serve_sim)
        return cli_usage("--batch and --serve-sim are measured one at a time; leave one out");
    const bench_kind kind = o->batches ? BATCH : o->serve_sim ? SERVE : SINGLE;
    if (!check_kind(o, kind))
        return EXIT_USAGE;
    return kind == BATCH   ? bench_batch(o, format)
           : kind == SERVE ? bench_serve(o, format)
                           : bench_single(o, format);
}
