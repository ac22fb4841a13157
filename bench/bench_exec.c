/* bench_exec.c: the executor without a model, over a device that computes nothing.
 *
 * bench_exec [seqs=64] [vocab=1000] [steps=3000] [rows=3]: host time of a decode step at a full
 * batch, for so many ways of sampling.
 *
 * bench_exec soak [seconds=60] [queued=10000]: keeps so many requests queued, with random cancels,
 * closes and deadlines; says at the end what was lost. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "exec/exec_world.h"
#include "os/os.h"

static uint32_t option(int argc, char **argv, const char *name, uint32_t value) {
    const size_t n = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            value = (uint32_t)strtoul(argv[i] + n + 1, NULL, 10);
    }
    return value;
}

/* ---- cost of a step ---------------------------------------------------------------------------
 */

typedef struct sampling_row {
    const char *name;
    void (*set)(ig_exec_params *p);
} sampling_row;

static void greedy(ig_exec_params *p) {
    p->sampling.temperature = 0;
}

static void usual(ig_exec_params *p) { /* the chain's defaults */
    ig_sample_defaults(&p->sampling);
    p->sampling.seed = 1;
}

static void greedy_logprobs(ig_exec_params *p) {
    greedy(p);
    p->logprobs = true;
}

static int run_cost(uint32_t seqs, uint32_t vocab, uint32_t steps, const sampling_row *row) {
    world w;
    ig_err err = {0};
    int32_t ids[64];
    enum { WARM = 100 };
    const uint32_t made = steps + WARM + 256, pages = seqs * ((made + 64) / IG_PAGE_TOKENS + 2);
    const world_options o = {.vocab = vocab,
                             .seqs = seqs,
                             .tokens = 2 * seqs,
                             .queue = seqs,
                             .pages = pages,
                             .context = made + 128,
                             .iterations = 1};
    if (!world_open(&w, &o, &err))
        return 1;
    w.h.forgetful = true;
    ig_exec_request **r = ig_alloc(seqs, sizeof(*r));
    for (uint32_t i = 0; r && i < seqs; i++) {
        for (uint32_t k = 0; k < IG_COUNT(ids); k++)
            ids[k] = (int32_t)((i + k) % vocab);
        ig_exec_params p = world_params(ids, IG_COUNT(ids), made);
        p.logprobs = false;
        row->set(&p);
        if (ig_exec_submit(w.exec, &p, &r[i], &err))
            return fprintf(stderr, "%s\n", err.message), 1;
    }
    while (w.h.n_seqs == 0 || world_facts(&w).ttft.n < seqs) /* all decode */
        (void)ig_exec_work(w.exec);
    for (int i = 0; i < WARM; i++)
        (void)ig_exec_work(w.exec);
    const ig_exec_facts before = world_facts(&w);
    const uint64_t start = ig_clock_ns(), device = w.h.device_ns;
    for (uint32_t i = 0; i < steps; i++)
        (void)ig_exec_work(w.exec);
    const double all = (double)(ig_clock_ns() - start) * 1e-3 / steps;
    const double inside = (double)(w.h.device_ns - device) * 1e-3 / steps;
    const ig_exec_facts after = world_facts(&w);
    printf("%-16s %4u sequences, vocabulary %5u: %7.2f us a step, %5.2f us of it the device; %.1f "
           "rows "
           "a step\n",
           row->name, seqs, vocab, all, inside,
           (double)(after.generated_tokens - before.generated_tokens) / steps);
    for (uint32_t i = 0; r && i < seqs; i++)
        ig_exec_request_close(&r[i]);
    ig_free(r);
    world_close(&w);
    return 0;
}

/* ---- soak -------------------------------------------------------------------------------------
 */

static uint64_t resident_bytes(void) {
    uint64_t pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%lu %lu", &pages, &resident) != 2)
        resident = 0;
    if (f)
        (void)fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

typedef struct soak {
    world w;
    world_rng rng;
    ig_exec_request **r; /* [queued] */
    uint64_t *born_ns;
    uint32_t queued;
    uint64_t n_submitted, n_cancelled, n_closed, n_busy;
    uint64_t oldest_ns; /* longest life of a request that ended */
} soak;

static void soak_submit(soak *s, uint32_t i) {
    static int32_t ids[200];
    ig_err err = {0};
    const uint32_t n = 1 + world_below(&s->rng, 200), shared = world_below(&s->rng, 4);
    for (uint32_t k = 0; k < n; k++)
        ids[k] =
            (int32_t)(k < 120 && shared ? (k * 7 + shared) % 1000 : world_below(&s->rng, 1000));
    ig_exec_params p = world_params(ids, n, 1 + world_below(&s->rng, 400));
    p.logprobs = false;
    p.n_sequences = world_below(&s->rng, 8) ? 0 : 2;
    p.priority = (float)world_below(&s->rng, 3) - 1;
    p.streaming = world_below(&s->rng, 2);
    if (world_below(&s->rng, 16) == 0)
        p.deadline_ns = ig_clock_ns() + 1000000ull * world_below(&s->rng, 2000);
    const bool busy = ig_exec_submit(s->w.exec, &p, &s->r[i], &err) != IG_OK;
    s->born_ns[i] = ig_clock_ns();
    s->n_submitted += !busy;
    s->n_busy += busy;
}

/* One client's turn: takes what ended, cancels or closes some, fills up. */
static void soak_turn(soak *s, bool fill) {
    for (uint32_t i = 0; i < s->queued; i++) {
        if (s->r[i] && ig_exec_done(s->r[i])) {
            s->oldest_ns = IG_MAX(s->oldest_ns, ig_clock_ns() - s->born_ns[i]);
            ig_exec_request_close(&s->r[i]);
        } else if (s->r[i] && world_below(&s->rng, 20000) == 0) {
            ig_exec_cancel(s->r[i]);
            s->n_cancelled++;
        } else if (s->r[i] && world_below(&s->rng, 40000) == 0) {
            ig_exec_request_close(&s->r[i]);
            s->n_closed++;
        }
        if (fill && !s->r[i])
            soak_submit(s, i);
    }
}

static int soak_report(soak *s, uint64_t rss_start, uint64_t rss_end) {
    const ig_exec_facts f = world_facts(&s->w);
    const uint64_t ended = f.n_completed + f.n_cancelled + f.n_timed_out + f.n_failed;
    const double growth = ((double)rss_end - (double)rss_start) / 1048576;
    printf("%llu requests, %llu completed, %llu cancelled, %llu timed out, %llu failed, %llu "
           "preempted; %llu steps\n",
           (unsigned long long)f.n_submitted, (unsigned long long)f.n_completed,
           (unsigned long long)f.n_cancelled, (unsigned long long)f.n_timed_out,
           (unsigned long long)f.n_failed, (unsigned long long)f.n_preemptions,
           (unsigned long long)f.n_steps);
    printf("longest life %.1f s; resident %.1f MiB after a quarter, %.1f MiB at the end\n",
           (double)s->oldest_ns * 1e-9, (double)rss_start / 1048576, (double)rss_end / 1048576);
    printf("pages: %u used, %u free, %u cached of %u\n", f.kv.used, f.kv.free, f.kv.cached,
           f.kv.n_pages);
    const bool good = ended == f.n_submitted && f.kv.used == 0 && f.n_failed == 0 &&
                      f.kv.free + f.kv.cached == f.kv.n_pages && growth < 16;
    printf("%s\n", good ? "good: nothing lost, nobody stuck, memory flat" : "BAD");
    return !good;
}

static int run_soak(uint32_t seconds, uint32_t queued) {
    static soak s;
    ig_err err = {0};
    const world_options o = {.vocab = 1000,
                             .seqs = 64,
                             .tokens = 256,
                             .queue = queued,
                             .pages = 130,
                             .threaded = true,
                             .ageing_us = 1000000};
    s = (soak){.queued = queued, .rng = {5}};
    s.r = ig_alloc(queued, sizeof(*s.r));
    s.born_ns = ig_alloc(queued, sizeof *s.born_ns);
    if (!s.r || !s.born_ns || !world_open(&s.w, &o, &err))
        return 1;
    s.w.h.forgetful = true;
    const uint64_t start = ig_clock_ns(), ns = seconds * 1000000000ull;
    uint64_t rss = 0;
    while (ig_clock_ns() - start < ns) {
        soak_turn(&s, true);
        if (!rss && ig_clock_ns() - start > ns / 4)
            rss = resident_bytes();
    }
    const uint64_t rss_end = resident_bytes();
    const ig_status drained = ig_exec_drain(s.w.exec, 120000000000ull, &err);
    if (drained)
        printf("BAD: stuck: %s\n", err.message);
    const int bad = drained ? 1 : soak_report(&s, rss, rss_end);
    for (uint32_t i = 0; i < queued; i++)
        ig_exec_request_close(&s.r[i]);
    world_close(&s.w);
    ig_free(s.r);
    ig_free(s.born_ns);
    return bad;
}

int main(int argc, char **argv) {
    static const sampling_row ROWS[] = {
        {"greedy", greedy}, {"greedy+logprobs", greedy_logprobs}, {"default chain", usual}};
    if (argc > 1 && strcmp(argv[1], "soak") == 0)
        return run_soak(option(argc, argv, "seconds", 60), option(argc, argv, "queued", 10000));
    int bad = 0;
    for (size_t i = 0; i < option(argc, argv, "rows", IG_COUNT(ROWS)) && !bad; i++)
        bad = run_cost(option(argc, argv, "seqs", 64), option(argc, argv, "vocab", 1000),
                       option(argc, argv, "steps", 3000), &ROWS[i]);
    return bad;
}
