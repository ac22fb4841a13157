/* bench_kv.c: nanoseconds a page of the kv room's calls, best of several rounds, in a pool that is
 * large against the caches: prompts of 8192 tokens in pages of 32, looked up in a random order. CSV
 * on standard output. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kv/kv.h"

enum { PAGE = 32, PAGES = 256, PROMPTS = 200, POOL = PAGES * PROMPTS, SEQS = 64, ROUNDS = 7 };

static int32_t prompts[PROMPTS][PAGES * PAGE];
static const ig_kv_seq_options OPTIONS = {.priority = IG_KV_PRIORITY_DEFAULT,
                                          .tokens_hint = PAGES * PAGE};

static double now_ns(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static uint32_t rand32(void) {
    static uint64_t state = 88172645463325252ull;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20);
}

static void must(ig_status status, const ig_err *err) {
    if (!status)
        return;
    fprintf(stderr, "%s\n", err->message);
    exit(1);
}

static ig_kv_seq *new_seq(ig_kv *kv) {
    ig_err err = {0};
    ig_kv_seq *seq = NULL;
    must(ig_kv_seq_create(&seq, kv, &OPTIONS, &err), &err);
    return seq;
}

static void run_prompt(ig_kv *kv, const int32_t *ids) {
    ig_err err = {0};
    ig_kv_seq *seq = new_seq(kv);
    must(ig_kv_seq_reserve(seq, PAGES * PAGE, &err), &err);
    ig_kv_seq_commit(seq, ids, PAGES * PAGE);
    ig_kv_seq_destroy(&seq);
}

/* Each returns how many pages (or steps) it was. */
static uint32_t fill(ig_kv *kv) {
    for (uint32_t i = 0; i < PROMPTS; i++)
        run_prompt(kv, prompts[i]);
    return POOL;
}

/* All pages are cached: every new one gives up an old one. */
static uint32_t fill_anew(ig_kv *kv) {
    for (uint32_t i = 0; i < PROMPTS; i++) {
        for (uint32_t k = 0; k < PAGES; k++)
            prompts[i][k * PAGE] = (int32_t)(rand32() >> 4);
        run_prompt(kv, prompts[i]);
    }
    return POOL;
}

static uint32_t look_up(ig_kv *kv) {
    uint32_t n = 0, in_use[IG_KV_GROUPS_MAX];
    for (uint32_t i = 0; i < PROMPTS; i++)
        n += ig_kv_probe(kv, &OPTIONS, prompts[rand32() % PROMPTS], PAGES * PAGE, in_use);
    return n / PAGE;
}

static uint32_t take_and_leave(ig_kv *kv) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < PROMPTS; i++) {
        ig_kv_seq *seq = new_seq(kv);
        n += ig_kv_seq_match(seq, prompts[rand32() % PROMPTS], PAGES * PAGE);
        ig_kv_seq_destroy(&seq);
    }
    return n / PAGE;
}

/* Every sequence one token further; most steps fill a page of some of them. */
static uint32_t decode(ig_kv *kv) {
    enum { STEPS = 4096 };
    ig_err err = {0};
    static ig_kv_seq *seqs[SEQS];
    for (uint32_t s = 0; s < SEQS; s++) {
        seqs[s] = new_seq(kv);
        must(ig_kv_seq_reserve(seqs[s], s, &err), &err);
        ig_kv_seq_commit(seqs[s], prompts[s], s);
    }
    const double start = now_ns();
    for (uint32_t step = 0; step < STEPS; step++) {
        for (uint32_t s = 0; s < SEQS; s++)
            must(ig_kv_seq_reserve(seqs[s], 1, &err), &err);
        ig_kv_copies_done(kv);
        for (uint32_t s = 0; s < SEQS; s++) {
            const int32_t id = (int32_t)(rand32() >> 4);
            ig_kv_seq_commit(seqs[s], &id, 1);
        }
    }
    const double ns = now_ns() - start;
    for (uint32_t s = 0; s < SEQS; s++)
        ig_kv_seq_destroy(&seqs[s]);
    printf("step of %d sequences and a token each,%.0f\n", SEQS, ns / STEPS);
    return STEPS;
}

static void measure(const char *name, uint32_t (*body)(ig_kv *), ig_kv *kv, int rounds) {
    double best = INFINITY;
    for (int i = 0; i < rounds; i++) {
        const double start = now_ns();
        const uint32_t n = body(kv);
        best = fmin(best, (now_ns() - start) / n);
    }
    printf("%s,%.1f\n", name, best);
}

int main(void) {
    ig_err err = {0};
    ig_kv *kv = NULL;
    const ig_kv_group group = {.n_pages = POOL};
    const ig_kv_options options = {
        .page_tokens = PAGE, .groups = &group, .n_groups = 1, .cache = true};
    for (uint32_t i = 0; i < PROMPTS; i++) {
        for (uint32_t k = 0; k < PAGES * PAGE; k++)
            prompts[i][k] = (int32_t)(rand32() >> 4);
    }
    must(ig_kv_create(&kv, &options, &err), &err);
    printf("call,ns\n");
    measure("fill a page for the first time (page faults)", fill, kv, 1);
    measure("probe a page", look_up, kv, ROUNDS);
    measure("match and destroy a page", take_and_leave, kv, ROUNDS);
    measure("fill and give up a page", fill_anew, kv, ROUNDS);
    for (int i = 0; i < 3; i++)
        (void)decode(kv);
    ig_kv_destroy(&kv);
    return 0;
}
