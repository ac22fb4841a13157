/* bench_batch.c: speed of many sequences at once, row by row as llama-batched-bench measures it:
 * all prompts, then all sequences token by token. It goes through the executor as requests do, so
 * the times hold what a step needs besides the device: scheduling and greedy draws. */
#include "cli/bench.h"

#include <math.h>

#include "ingot/executor.h"

#define WARM_PROMPT 16u
#define WARM_PREDICT 4u
#define BATCH_DEFAULT 512u
#define SEED 42u
#define RECORDS_TAKEN 64u

typedef struct batch_case {
    uint32_t pp, tg, pl;
    bool shared; /* one prompt, computed once */
} batch_case;

typedef struct batch_row {
    uint64_t n_kv; /* tokens that are held at the end */
    double t_pp, speed_pp, t_tg, speed_tg, t, speed;
    double host; /* percent of the generating steps' time that was not the device's */
} batch_row;

typedef struct batch_bench {
    ingot_executor *executor;
    uint32_t vocabulary;
    uint64_t random;
    int32_t *ids;             /* [longest prompt] */
    ingot_request **requests; /* [most sequences] */
    ingot_executor_facts facts;
    uint32_t threads;
} batch_bench;

/* The first token ends the prompt's time, so that tg steps are left for the rest; and one step with
 * all sequences there always is, which read_times needs. */
static uint32_t generated_by_each(uint32_t tg) {
    return IG_MAX(tg, 1u) + 1;
}

static bool submit(batch_bench *b, const batch_case *c, uint32_t at, ingot_error *error) {
    static const int32_t none;
    /* Without end tokens nothing is forbidden either, which would cost the draws something. */
    ingot_request_options q = {.ids = b->ids,
                               .n_ids = c->pp,
                               .n = c->shared ? c->pl : 1,
                               .max_tokens = generated_by_each(c->tg),
                               .end_ids = &none,
                               .no_text = true,
                               .no_cache = true};
    ingot_sampling_defaults(&q.sampling);
    q.sampling.temperature = 0;
    bench_random_ids(b->ids, c->pp, b->vocabulary, &b->random);
    return !ingot_executor_submit(b->executor, &q, &b->requests[at], error);
}

/* The time of all prompts and of the steps after them; false for a request that did not generate
 * what it should. Each request counts from its own arrival, but all get their last token in one
 * step: from there back they agree, with no clock of ours in it. */
static bool read_times(const batch_bench *b, const batch_case *c, uint32_t n, double *t_pp,
                       double *t_tg, ingot_error *error) {
    double all_s = 0, after_s = INFINITY;
    for (uint32_t i = 0; i < n; i++) {
        ingot_request_state s;
        ingot_output output;
        ingot_request_poll(b->requests[i], &s);
        const uint64_t made = (uint64_t)(c->shared ? c->pl : 1) * generated_by_each(c->tg);
        if (s.generated_tokens != made) {
            ingot_status status;
            while ((status = ingot_request_next(b->requests[i], &output, 0, error)) == INGOT_OK)
                ;
            if (status == INGOT_END)
                snprintf(error->message, sizeof error->message,
                         "a request generated %u tokens instead of %llu", s.generated_tokens,
                         (unsigned long long)made);
            return false;
        }
        /* The step that takes a request may have read its clock just before that one arrived. */
        const bool before = s.scheduled_s < 0 || s.scheduled_s > s.first_token_s;
        all_s = IG_MAX(all_s, s.last_token_s - (before ? 0 : s.scheduled_s));
        after_s = IG_MIN(after_s, s.last_token_s - s.first_token_s);
    }
    *t_pp = all_s - after_s;
    *t_tg = c->tg ? after_s : 0;
    return true;
}

/* Takes the records of steps. The executor keeps the newest thousand: of a long run, its end. */
static double host_percent(ingot_executor *executor) {
    ingot_iteration_stats records[RECORDS_TAKEN];
    double busy_ms = 0, device_ms = 0;
    for (size_t n; (n = ingot_executor_iterations(executor, records, RECORDS_TAKEN)) > 0;) {
        for (size_t i = 0; i < n; i++) {
            if (records[i].num_ctx_tokens > 0)
                continue;
            busy_ms += records[i].latency_ms;
            device_ms += records[i].device_ms;
        }
    }
    return busy_ms > 0 ? (busy_ms - device_ms) / busy_ms * 100 : 0;
}

static batch_row make_row(const batch_case *c, double t_pp, double t_tg, double host) {
    const uint64_t prompts = (uint64_t)c->pp * (c->shared ? 1 : c->pl);
    const uint64_t generated = (uint64_t)c->tg * c->pl;
    const double t = t_pp + t_tg;
    return (batch_row){.n_kv = prompts + generated,
                       .t_pp = t_pp,
                       .speed_pp = t_pp > 0 ? (double)prompts / t_pp : 0,
                       .t_tg = t_tg,
                       .speed_tg = t_tg > 0 ? (double)generated / t_tg : 0,
                       .t = t,
                       .speed = t > 0 ? (double)(prompts + generated) / t : 0,
                       .host = host};
}

static bool run_case(batch_bench *b, const batch_case *c, batch_row *row, ingot_error *error) {
    const uint32_t n = c->shared ? 1 : c->pl;
    uint32_t n_submitted = 0;
    double t_pp, t_tg;
    ingot_executor_pause(b->executor, true); /* so that all of them are one batch */
    (void)host_percent(b->executor);
    while (n_submitted < n && submit(b, c, n_submitted, error))
        n_submitted++;
    ingot_executor_pause(b->executor, false);
    bool ok = n_submitted == n &&
              !ingot_requests_await(b->requests, n, true, true, UINT64_MAX, error) &&
              read_times(b, c, n, &t_pp, &t_tg, error);
    if (ok)
        *row = make_row(c, t_pp, t_tg, c->tg ? host_percent(b->executor) : 0);
    for (uint32_t i = 0; i < n_submitted; i++)
        ingot_request_close(&b->requests[i]);
    return ok;
}

/* The peer's columns under the peer's names. */
static void print_row(const batch_bench *b, const char *format, const batch_case *c,
                      const batch_row *r, bool first) {
    const unsigned long long n_kv = r->n_kv;
    if (strcmp(format, "json") == 0) {
        printf("{\"n_kv_max\": %llu, \"n_batch\": %u, \"is_pp_shared\": %d, \"n_threads\": %u, "
               "\"pp\": %u, \"tg\": %u, \"pl\": %u, \"n_kv\": %llu, \"t_pp\": %.6f, "
               "\"speed_pp\": %.3f, \"t_tg\": %.6f, \"speed_tg\": %.3f, \"t\": %.6f, "
               "\"speed\": %.3f, \"host\": %.3f}\n",
               (unsigned long long)b->facts.pages * b->facts.page_tokens, b->facts.tokens,
               c->shared, b->threads, c->pp, c->tg, c->pl, n_kv, r->t_pp, r->speed_pp, r->t_tg,
               r->speed_tg, r->t, r->speed, r->host);
    } else if (strcmp(format, "csv") == 0) {
        if (first)
            puts("pp,tg,pl,n_kv,t_pp,speed_pp,t_tg,speed_tg,t,speed,host");
        printf("%u,%u,%u,%llu,%.6f,%.3f,%.6f,%.3f,%.6f,%.3f,%.3f\n", c->pp, c->tg, c->pl, n_kv,
               r->t_pp, r->speed_pp, r->t_tg, r->speed_tg, r->t, r->speed, r->host);
    } else {
        if (first)
            puts("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s "
                 "|      T s |    S t/s |\n"
                 "|-------|--------|------|--------|----------|----------|----------|----------"
                 "|----------|----------|");
        printf("|%6u | %6u | %4u | %6llu | %8.3f | %8.2f | %8.3f | %8.2f | %8.3f | %8.2f |\n",
               c->pp, c->tg, c->pl, n_kv, r->t_pp, r->speed_pp, r->t_tg, r->speed_tg, r->t,
               r->speed);
    }
    fflush(stdout);
}

static bool run_rows(batch_bench *b, const char *format, const bench_list lists[3], bool shared,
                     ingot_error *error) {
    batch_row row;
    bool first = true;
    const batch_case warm = {IG_MIN(bench_list_max(&lists[0]), WARM_PROMPT),
                             IG_MIN(bench_list_max(&lists[1]), WARM_PREDICT),
                             bench_list_max(&lists[2]), shared};
    if (!run_case(b, &warm, &row, error))
        return false;
    for (uint32_t i = 0; i < lists[0].size; i++) {
        for (uint32_t j = 0; j < lists[1].size; j++) {
            for (uint32_t k = 0; k < lists[2].size; k++, first = false) {
                const batch_case c = {lists[0].n[i], lists[1].n[j], lists[2].n[k], shared};
                if (!run_case(b, &c, &row, error))
                    return false;
                print_row(b, format, &c, &row, first);
            }
        }
    }
    return true;
}

static bool open_executor(batch_bench *b, ingot_model *model, uint32_t sequences, uint32_t context,
                          ingot_error *error) {
    const ingot_executor_options options = {.sequences = sequences,
                                            .queue = sequences,
                                            .context = context,
                                            .kv_tokens = (uint64_t)sequences * context,
                                            .policy = INGOT_STATIC_BATCH,
                                            .no_prefix_cache = true};
    if (ingot_executor_open(&b->executor, model, &options, error))
        return false;
    ingot_executor_describe(b->executor, &b->facts);
    return true;
}

int bench_batch(const cli_options *o, const char *format) {
    const uint32_t most = IG_CONTEXT_MAX / 2;
    bench_list lists[3];
    batch_bench b = {.random = SEED};
    ingot_error error = {0};
    ingot_model_options m;
    ingot_model_facts facts;
    if (!bench_read_list("-npp", o->npp ? o->npp : "128", 1, most, &lists[0]) ||
        !bench_read_list("-ntg", o->ntg ? o->ntg : "128", 0, most - 1, &lists[1]) ||
        !bench_read_list("-npl", o->npl ? o->npl : "1,2,4,8,16,32", 1, IG_EXEC_SEQS_MAX, &lists[2]))
        return EXIT_USAGE;
    const uint32_t sequences = bench_list_max(&lists[2]), prompt = bench_list_max(&lists[0]);
    if (o->batch && o->batch < sequences)
        return cli_usage("-b %u is too small for %u sequences, which take a token each; give -b "
                         "%u or fewer -npl",
                         o->batch, sequences, sequences);
    cli_model_options(o, &m);
    m.context = prompt + generated_by_each(bench_list_max(&lists[1]));
    m.sequences = sequences;
    m.batch = IG_MAX(o->batch ? o->batch : BATCH_DEFAULT, sequences);
    ingot_model *model = bench_check_memory(o, &m, true) ? cli_open_model(o, &m) : NULL;
    if (!model)
        return EXIT_FAILED;
    ingot_model_describe(model, &facts);
    b.threads = facts.threads;
    b.vocabulary = facts.vocabulary;
    b.ids = ig_alloc(prompt, sizeof *b.ids);
    b.requests = ig_alloc(sequences, sizeof *b.requests);
    int code = EXIT_OK;
    if (!b.ids || !b.requests)
        code = cli_fail("out of memory");
    else if (!open_executor(&b, model, sequences, m.context, &error) ||
             !run_rows(&b, format, lists, o->shared_prompt, &error))
        code = cli_fail_error(&error);
    ingot_executor_close(&b.executor);
    ig_free(b.ids);
    ig_free(b.requests);
    ingot_model_close(&model);
    return code;
}
