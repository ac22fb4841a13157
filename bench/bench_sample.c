/* bench_sample.c: microseconds per draw of some chains at V = 262144 (or the first argument), best
 * of several rounds. Logits are 8 different vectors shaped like a model's: normal with
 * deviation 2.5 around -8, and a few dozen that stand out, so that caches and branches see what a
 * decode step sees. CSV on standard output. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sample/sample.h"

#define VECTORS 8
#define DRAWS 200
#define ROUNDS 7

static double now_us(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static uint64_t state = 88172645463325252ull;
static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) * 0x1p-53;
}

static void fill(float *x, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        x[i] = (float)(-8.0 +
                       2.5 * sqrt(-2.0 * log(uniform() + 1e-18)) * cos(6.283185307 * uniform()));
    for (int i = 0; i < 60; i++)
        x[(uint32_t)(uniform() * n)] = (float)(18.0 - 0.3 * i + uniform());
}

typedef struct chain_case {
    const char *name;
    void (*set)(ig_sample_params *p);
} chain_case;

static void greedy(ig_sample_params *p) {
    p->temperature = 0.0f;
}
static void defaults(ig_sample_params *p) {
    (void)p;
}
static void none(ig_sample_params *p) {
    p->n_chain = 0;
}
static void only(ig_sample_params *p, ig_sampler_kind kind) {
    p->n_chain = 1;
    p->chain[0] = kind;
}
static void top_p_only(ig_sample_params *p) {
    only(p, IG_SAMPLER_TOP_P);
}
static void min_p_only(ig_sample_params *p) {
    only(p, IG_SAMPLER_MIN_P);
}
static void typical_only(ig_sample_params *p) {
    only(p, IG_SAMPLER_TYPICAL);
    p->typical_p = 0.9f;
}
static void temperature_only(ig_sample_params *p) {
    only(p, IG_SAMPLER_TEMPERATURE);
}
static void top_k_5000(ig_sample_params *p) {
    only(p, IG_SAMPLER_TOP_K);
    p->top_k = 5000;
}
static void flat_top_p(ig_sample_params *p) {
    p->n_chain = 2;
    p->chain[0] = IG_SAMPLER_TEMPERATURE;
    p->chain[1] = IG_SAMPLER_TOP_P;
    p->temperature = 20.0f;
}
static void mirostat_1(ig_sample_params *p) {
    p->mirostat = 1;
}
static void mirostat_2(ig_sample_params *p) {
    p->mirostat = 2;
}
static void everything(ig_sample_params *p) {
    p->penalty_repeat = 1.1f;
    p->penalty_frequency = 0.1f;
    p->penalty_presence = 0.1f;
    p->dry_multiplier = 0.8f;
    p->top_n_sigma = 8.0f;
    p->typical_p = 0.98f;
    p->xtc_probability = 0.5f;
    p->xtc_threshold = 0.1f;
    p->dynatemp_range = 0.4f;
    p->n_probs = 10;
}

static const chain_case cases[] = {
    {"greedy", greedy},
    {"default chain", defaults},
    {"top-p only", top_p_only},
    {"everything on", everything},
    {"empty chain", none},
    {"min-p only", min_p_only},
    {"temperature only", temperature_only},
    {"typical only", typical_only},
    {"top-k 5000", top_k_5000},
    {"flat top-p (T=20)", flat_top_p},
    {"mirostat 1", mirostat_1},
    {"mirostat 2", mirostat_2},
};

static double best_us(const chain_case *row, const float *logits, uint32_t n_vocab,
                      const uint32_t *mask) {
    ig_err err = {0};
    ig_sample_params p;
    ig_sample_defaults(&p);
    p.seed = 1;
    row->set(&p);
    ig_sampler *s = NULL;
    if (ig_sampler_create(&s, &p, n_vocab, &err)) {
        fprintf(stderr, "%s: %s\n", row->name, err.message);
        return -1.0;
    }
    double best = INFINITY;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < DRAWS; i++) {
            ig_draw draw;
            if (ig_sampler_draw(s, logits + (size_t)(i % VECTORS) * n_vocab, mask, &draw, &err))
                fprintf(stderr, "%s: %s\n", row->name, err.message);
        }
        best = fmin(best, (now_us() - start) / DRAWS);
    }
    ig_sampler_destroy(&s);
    return best;
}

int main(int argc, char **argv) {
    uint32_t n_vocab = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 262144;
    float *logits = calloc((size_t)n_vocab * VECTORS, sizeof *logits);
    uint32_t *mask = calloc(n_vocab / 32 + 1, sizeof *mask);
    if (!logits || !mask)
        return 1;
    for (int v = 0; v < VECTORS; v++)
        fill(logits + (size_t)v * n_vocab, n_vocab);
    for (uint32_t i = 0; i < n_vocab; i += 1 + (uint32_t)(uniform() * 40))
        mask[i / 32] |= 1u << i % 32;
    printf("chain,vocabulary,us_per_draw\n");
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        printf("%s,%u,%.1f\n", cases[i].name, n_vocab, best_us(&cases[i], logits, n_vocab, NULL));
    printf("default chain with a mask of 5%%,%u,%.1f\n", n_vocab,
           best_us(&cases[1], logits, n_vocab, mask));
    double best = INFINITY, sink = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_us();
        for (int i = 0; i < DRAWS; i++)
            sink += ig_logits_logsumexp(logits + (size_t)(i % VECTORS) * n_vocab, n_vocab);
        best = fmin(best, (now_us() - start) / DRAWS);
    }
    printf("log-sum-exp,%u,%.1f\n", n_vocab, best);
    free(logits);
    free(mask);
    return sink > 0.0 ? 0 : 1;
}
