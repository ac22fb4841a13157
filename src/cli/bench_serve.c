/* bench_serve.c: one client of an executor in the same process: sends each request when it is due,
 * takes tokens as they come, and tells what such clients would feel. All times are the client's
 * own, so that they hold what the way to it costs. */
#include "cli/bench.h"

#include <math.h>

#include "ingot/executor.h"
#include "os/os.h"

#define SEQUENCES_DEFAULT 32u
#define BATCH_DEFAULT 512u
#define WARM_PROMPT 16u
#define WARM_PREDICT 4u
#define NEWS_MAX 64u
/* Each leaves a time between tokens to be kept. */
#define GENERATED_MAX (1ull << 27)

typedef struct sim_request {
    ingot_request *handle;  /* NULL = not sent yet, or done */
    double first_s, last_s; /* of its tokens */
    uint32_t n_tokens;
} sim_request;

typedef enum sim_measure { TTFT, ITL, QUEUE, E2E, MEASURE_COUNT } sim_measure;
static const char *const MEASURES[MEASURE_COUNT] = {"ttft", "itl", "queue", "e2e"};

typedef struct sim_samples {
    double *seconds;
    size_t n;
} sim_samples;

typedef struct sim {
    const cli_options *o;
    const bench_arrival *arrivals;
    uint32_t n, n_done, n_failed, n_good;
    uint32_t vocabulary;
    int32_t *ids; /* [longest prompt] */
    sim_request *requests;
    ingot_executor *executor;
    ingot_events *events;
    uint64_t start_ns;
    double duration_s;
    sim_samples samples[MEASURE_COUNT];
    uint64_t prompt_tokens, cached_tokens, generated_tokens, preemptions;
    double host; /* percent of the steps' time that was not the device's */
    ingot_error first_error;
} sim;

static double seconds_since(uint64_t start_ns) {
    return (double)(ig_clock_ns() - start_ns) * 1e-9;
}

static void add_sample(sim *s, sim_measure measure, double seconds) {
    sim_samples *to = &s->samples[measure];
    to->seconds[to->n++] = seconds;
}

/* ---- requests ---------------------------------------------------------------------------------
 */

/* Tokens that depend on the seed and the arrival only, and in front on its prefix. */
static void make_prompt(sim *s, uint32_t at) {
    const bench_arrival *a = &s->arrivals[at];
    const uint64_t seed = bench_seed(s->o), scatter = 0x9E3779B97F4A7C15u;
    uint64_t own = (seed + ((uint64_t)at << 32)) * scatter, shared = ~(seed + a->prefix * scatter);
    const uint32_t n_shared = a->prefix ? IG_MIN(s->o->shared_prefix, a->pp) : 0;
    bench_random_ids(s->ids, n_shared, s->vocabulary, &shared);
    bench_random_ids(s->ids + n_shared, a->pp - n_shared, s->vocabulary, &own);
}

static ingot_request_options request_options(const sim *s, uint32_t pp, uint32_t tg) {
    static const int32_t none;
    ingot_request_options q = {.ids = s->ids,
                               .n_ids = pp,
                               .max_tokens = tg,
                               .end_ids = &none,
                               .no_text = true,
                               .streaming = true};
    ingot_sampling_defaults(&q.sampling);
    q.sampling.temperature = 0;
    return q;
}

static void note_failure(sim *s, const ingot_error *error) {
    if (s->n_failed++ == 0)
        s->first_error = *error;
    s->n_done++;
}

static void send_request(sim *s, uint32_t at) {
    ingot_error error = {0};
    ingot_request_options q = request_options(s, s->arrivals[at].pp, s->arrivals[at].tg);
    q.events = s->events;
    q.tag = at;
    make_prompt(s, at);
    if (ingot_executor_submit(s->executor, &q, &s->requests[at].handle, &error))
        note_failure(s, &error);
}

static void count_tokens(sim *s, uint32_t at, size_t n, double now_s) {
    sim_request *r = &s->requests[at];
    for (size_t i = 0; i < n; i++) {
        if (r->n_tokens++ == 0)
            r->first_s = now_s;
        else /* those that came together have no time between them */
            add_sample(s, ITL, now_s - r->last_s);
        r->last_s = now_s;
    }
}

static void finish_request(sim *s, uint32_t at, const ingot_request_state *state) {
    sim_request *r = &s->requests[at];
    const double due_s = s->arrivals[at].at_s, ttft_s = r->first_s - due_s;
    const double mean_s = r->n_tokens > 1 ? (r->last_s - r->first_s) / (r->n_tokens - 1) : 0;
    const cli_options *o = s->o;
    add_sample(s, TTFT, ttft_s);
    add_sample(s, QUEUE, state->scheduled_s);
    add_sample(s, E2E, r->last_s - due_s);
    s->n_good += (o->ttft_slo <= 0 || ttft_s * 1e3 <= o->ttft_slo) &&
                 (o->itl_slo <= 0 || mean_s * 1e3 <= o->itl_slo);
    s->prompt_tokens += state->prompt_tokens;
    s->cached_tokens += state->cached_tokens;
    s->generated_tokens += r->n_tokens;
    s->preemptions += state->preempted;
    s->n_done++;
}

/* Takes all that a request has. */
static void take_outputs(sim *s, ingot_request *request) {
    ingot_request_state state;
    ingot_output output;
    ingot_error error = {0};
    ingot_status status;
    ingot_request_poll(request, &state);
    const uint32_t at = (uint32_t)state.tag;
    while ((status = ingot_request_next(request, &output, 0, &error)) == INGOT_OK)
        count_tokens(s, at, output.n_ids, seconds_since(s->start_ns));
    if (status == INGOT_AGAIN)
        return;
    ingot_request_poll(request, &state);
    if (status == INGOT_END && s->requests[at].n_tokens == s->arrivals[at].tg) {
        finish_request(s, at, &state);
    } else {
        if (status == INGOT_END)
            snprintf(error.message, sizeof error.message, "%u tokens came instead of %u",
                     s->requests[at].n_tokens, s->arrivals[at].tg);
        note_failure(s, &error);
    }
    ingot_request_close(&s->requests[at].handle);
}

static void run_load(sim *s) {
    ingot_request *news[NEWS_MAX];
    ingot_executor_stats before, after;
    uint32_t n_sent = 0, n_shown = 0;
    cli_bar bar = {.what = "serving"};
    cli_progress(&bar, 0);
    ingot_executor_stats_now(s->executor, &before);
    s->start_ns = ig_clock_ns();
    while (s->n_done < s->n) {
        double wait_s = 0;
        while (n_sent < s->n &&
               (wait_s = s->arrivals[n_sent].at_s - seconds_since(s->start_ns)) <= 0)
            send_request(s, n_sent++);
        const uint64_t wait_us = n_sent < s->n ? (uint64_t)(wait_s * 1e6) : UINT64_MAX;
        if (s->n_done == s->n)
            break;
        const size_t n = ingot_events_wait(s->events, news, NEWS_MAX, wait_us);
        for (size_t i = 0; i < n; i++)
            take_outputs(s, news[i]);
        if (s->n_done > n_shown && s->n_done < s->n)
            cli_progress(&bar, (double)(n_shown = s->n_done) / s->n);
    }
    s->duration_s = seconds_since(s->start_ns);
    cli_progress(&bar, 1);
    ingot_executor_stats_now(s->executor, &after);
    const double busy = after.busy_s - before.busy_s, device = after.device_s - before.device_s;
    s->host = busy > 0 ? (busy - device) / busy * 100 : 0;
}

/* Nobody's first request should pay for what is done once. */
static bool warm_up(sim *s, ingot_error *error) {
    const uint32_t pp = IG_MIN(s->arrivals[0].pp, WARM_PROMPT);
    ingot_request *request = NULL;
    ingot_output output;
    ingot_request_options q = request_options(s, pp, IG_MIN(s->arrivals[0].tg, WARM_PREDICT));
    q.no_cache = true;
    make_prompt(s, 0);
    ingot_status status = ingot_executor_submit(s->executor, &q, &request, error);
    while (!status)
        status = ingot_request_next(request, &output, UINT64_MAX, error);
    ingot_request_close(&request);
    return status == INGOT_END;
}

/* ---- report -----------------------------------------------------------------------------------
 */

typedef struct sim_summary {
    double mean, p50, p90, p99; /* milliseconds */
} sim_summary;

/* By nearest rank: a value that occurred. */
static double percentile(const sim_samples *sorted, double share) {
    const size_t rank = (size_t)ceil(share * (double)sorted->n);
    return sorted->n ? sorted->seconds[IG_MAX(rank, 1) - 1] * 1e3 : 0;
}

static sim_summary summarise(sim_samples *samples) {
    double sum = 0;
    for (size_t i = 0; i < samples->n; i++)
        sum += samples->seconds[i];
    bench_sort(samples->seconds, samples->n);
    return (sim_summary){.mean = samples->n ? sum * 1e3 / (double)samples->n : 0,
                         .p50 = percentile(samples, 0.5),
                         .p90 = percentile(samples, 0.9),
                         .p99 = percentile(samples, 0.99)};
}

static void print_json(sim *s, double cache_hit) {
    const uint32_t n_ok = s->n - s->n_failed;
    printf("{\"requests\": %u, \"completed\": %u, \"failed\": %u, \"duration\": %.6f, "
           "\"prompt_tokens\": %llu, \"cached_tokens\": %llu, \"cache_hit\": %.4f, "
           "\"generated_tokens\": %llu, \"preemptions\": %llu, \"requests_per_second\": %.3f, "
           "\"prompt_tokens_per_second\": %.3f, \"tokens_per_second\": %.3f, \"good\": %u, "
           "\"goodput\": %.3f, \"host\": %.3f",
           s->n, n_ok, s->n_failed, s->duration_s, (unsigned long long)s->prompt_tokens,
           (unsigned long long)s->cached_tokens, cache_hit, (unsigned long long)s->generated_tokens,
           (unsigned long long)s->preemptions, n_ok / s->duration_s,
           (double)s->prompt_tokens / s->duration_s, (double)s->generated_tokens / s->duration_s,
           s->n_good, s->n_good / s->duration_s, s->host);
    for (size_t i = 0; i < MEASURE_COUNT; i++) {
        const sim_summary m = summarise(&s->samples[i]);
        printf(", \"%s_ms\": {\"mean\": %.3f, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f}",
               MEASURES[i], m.mean, m.p50, m.p90, m.p99);
    }
    puts("}");
}

static void print_text(sim *s, double cache_hit) {
    const uint32_t n_ok = s->n - s->n_failed;
    puts("| ms | mean | p50 | p90 | p99 |\n| --- | ---: | ---: | ---: | ---: |");
    for (size_t i = 0; i < MEASURE_COUNT; i++) {
        const sim_summary m = summarise(&s->samples[i]);
        printf("| %s | %.2f | %.2f | %.2f | %.2f |\n", MEASURES[i], m.mean, m.p50, m.p90, m.p99);
    }
    printf("\nrequests    %10u in %.2f s: %.2f requests/s, %u failed\n"
           "goodput     %10.2f requests/s: %u within the limits\n"
           "generated   %10llu tokens: %.2f tokens/s\n"
           "prompts     %10llu tokens: %.2f tokens/s, %llu (%.1f%%) from the cache\n"
           "preemptions %10llu\n"
           "host        %10.2f%% of the steps' time\n",
           n_ok, s->duration_s, n_ok / s->duration_s, s->n_failed, s->n_good / s->duration_s,
           s->n_good, (unsigned long long)s->generated_tokens,
           (double)s->generated_tokens / s->duration_s, (unsigned long long)s->prompt_tokens,
           (double)s->prompt_tokens / s->duration_s, (unsigned long long)s->cached_tokens,
           cache_hit * 100, (unsigned long long)s->preemptions, s->host);
}

static void print_report(sim *s, const char *format) {
    const double cache_hit =
        s->prompt_tokens ? (double)s->cached_tokens / (double)s->prompt_tokens : 0;
    if (strcmp(format, "json") == 0)
        print_json(s, cache_hit);
    else
        print_text(s, cache_hit);
}

/* ---- command ----------------------------------------------------------------------------------
 */

typedef struct sim_sizes {
    uint32_t prompt, context;
    uint64_t generated;
} sim_sizes;

static sim_sizes measure_load(const bench_arrival *arrivals, uint32_t n) {
    sim_sizes sizes = {0};
    for (uint32_t i = 0; i < n; i++) {
        sizes.prompt = IG_MAX(sizes.prompt, arrivals[i].pp);
        sizes.context = IG_MAX(sizes.context, arrivals[i].pp + arrivals[i].tg);
        sizes.generated += arrivals[i].tg;
    }
    return sizes;
}

static bool make_arrays(sim *s, const sim_sizes *sizes) {
    bool ok = true;
    s->ids = ig_alloc(sizes->prompt, sizeof *s->ids);
    s->requests = ig_alloc(s->n, sizeof *s->requests);
    for (size_t i = 0; i < MEASURE_COUNT; i++) {
        s->samples[i].seconds = ig_alloc(i == ITL ? sizes->generated : s->n, sizeof(double));
        ok = ok && s->samples[i].seconds;
    }
    ok = ok && s->ids && s->requests;
    if (!ok)
        cli_fail("out of memory for %u requests", s->n);
    return ok;
}

static void free_sim(sim *s) {
    for (uint32_t i = 0; s->requests && i < s->n; i++)
        ingot_request_close(&s->requests[i].handle);
    ingot_executor_close(&s->executor);
    ingot_events_close(&s->events);
    for (size_t i = 0; i < MEASURE_COUNT; i++)
        ig_free(s->samples[i].seconds);
    ig_free(s->ids);
    ig_free(s->requests);
}

static int serve(sim *s, ingot_model *model, const ingot_model_options *m, const sim_sizes *sizes,
                 const char *format) {
    ingot_error error = {0};
    ingot_model_facts facts;
    const ingot_executor_options options = {.sequences = m->sequences,
                                            .queue = s->n,
                                            .context = m->context,
                                            .kv_tokens = s->o->kv_tokens};
    ingot_model_describe(model, &facts);
    s->vocabulary = facts.vocabulary;
    if (!make_arrays(s, sizes))
        return EXIT_FAILED;
    if (ingot_executor_open(&s->executor, model, &options, &error) ||
        ingot_events_open(&s->events, s->n, &error) || !warm_up(s, &error))
        return cli_fail_error(&error);
    run_load(s);
    print_report(s, format);
    if (s->n_failed == 0)
        return EXIT_OK;
    ingot_executor_facts held;
    ingot_executor_describe(s->executor, &held);
    if (held.context < sizes->context)
        return cli_fail("%u of %u requests failed: the longest takes %u tokens, and memory holds "
                        "%u of one sequence; give more --kv-tokens or free some memory",
                        s->n_failed, s->n, sizes->context, held.context);
    return cli_fail("%u of %u requests failed; the first: %s", s->n_failed, s->n,
                    s->first_error.message);
}

/* Sequences at once, of the option that is a list elsewhere. */
static bool read_sequences(const cli_options *o, uint32_t *out) {
    bench_list list = {.n = {SEQUENCES_DEFAULT}, .size = 1};
    if (o->npl && !bench_read_list("-npl", o->npl, 1, IG_EXEC_SEQS_MAX, &list))
        return false;
    if (list.size > 1)
        cli_usage("-npl takes one number with --serve-sim");
    *out = list.n[0];
    return list.size == 1;
}

int bench_serve(const cli_options *o, const char *format) {
    sim s = {.o = o};
    bench_arrival *arrivals;
    ingot_model_options m;
    if (strcmp(format, "csv") == 0)
        return cli_usage("--serve-sim prints md or json, not csv");
    cli_model_options(o, &m);
    if (!read_sequences(o, &m.sequences))
        return EXIT_USAGE;
    if (o->batch && o->batch < m.sequences)
        return cli_usage("-b %u is too small for %u sequences, which take a token each; give -b "
                         "%u or a smaller -npl",
                         o->batch, m.sequences, m.sequences);
    int code = bench_read_load(o, &arrivals, &s.n);
    if (code)
        return code;
    const sim_sizes sizes = measure_load(arrivals, s.n);
    s.arrivals = arrivals;
    m.context = sizes.context;
    m.batch = IG_MAX(o->batch ? o->batch : BATCH_DEFAULT, m.sequences);
    ingot_model *model = NULL;
    if (sizes.generated > GENERATED_MAX)
        code = cli_usage("%llu tokens to generate; at most %llu",
                         (unsigned long long)sizes.generated, GENERATED_MAX);
    else if (!bench_check_memory(o, &m, false) || !(model = cli_open_model(o, &m)))
        code = EXIT_FAILED;
    else
        code = serve(&s, model, &m, &sizes, format);
    free_sim(&s);
    ingot_model_close(&model);
    ig_free(arrivals);
    return code;
}
