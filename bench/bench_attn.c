/* bench_attn.c: attention in decode and prefill, as a share of read bandwidth and of the f32
 * multiply-add rate measured in the same run.
 *
 *     bench_attn [threads] [isa] [name part]
 *
 * One line per case: quickest layer of several rounds over as many layers as keep the cache out of
 * the CPU caches in decode. GB/s counts the K and V bytes of visible keys once per step; GFLOP/s
 * counts 2 (Dk + Dv) per visible pair and head. */
#include "../tests/kernels/isa_list.h"
#include "backend/cpu/cpu_team.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define ROUNDS 7

typedef struct bench_case {
    const char *name;
    uint32_t heads, kv_heads, k_cols, v_cols, window, past, rows, layers;
    ig_dtype k, v;
} bench_case;

#define F16 IG_DTYPE_F16
#define F32 IG_DTYPE_F32
#define BF16 IG_DTYPE_BF16
#define Q8 IG_DTYPE_Q8_0
#define Q4 IG_DTYPE_Q4_0

static const bench_case cases[] = {
    {"decode llama-1b 4096 f16", 32, 8, 64, 64, 0, 4095, 1, 16, F16, F16},
    {"decode llama-1b 512 f16", 32, 8, 64, 64, 0, 511, 1, 16, F16, F16},
    {"decode llama-1b 4096 f32", 32, 8, 64, 64, 0, 4095, 1, 8, F32, F32},
    {"decode llama-1b 4096 bf16", 32, 8, 64, 64, 0, 4095, 1, 16, BF16, BF16},
    {"decode llama-1b 4096 q8_0", 32, 8, 64, 64, 0, 4095, 1, 16, Q8, Q8},
    {"decode llama-1b 4096 q4_0", 32, 8, 64, 64, 0, 4095, 1, 16, Q4, Q4},
    {"decode llama-8b 4096 f16", 32, 8, 128, 128, 0, 4095, 1, 8, F16, F16},
    {"decode mha-64 4096 f16", 12, 12, 64, 64, 0, 4095, 1, 16, F16, F16},
    {"decode gemma 4096 f16", 4, 1, 256, 256, 0, 4095, 1, 32, F16, F16},
    {"decode gemma window 512 f16", 4, 1, 256, 256, 512, 4095, 1, 64, F16, F16},
    {"decode llama-1b 4096 f16 rows 4", 32, 8, 64, 64, 0, 4092, 4, 16, F16, F16},
    {"prefill llama-1b 512 f16", 32, 8, 64, 64, 0, 0, 512, 1, F16, F16},
    {"prefill llama-1b 512 at 4096 f16", 32, 8, 64, 64, 0, 4096, 512, 1, F16, F16},
    {"prefill llama-1b 512 f32", 32, 8, 64, 64, 0, 0, 512, 1, F32, F32},
    {"prefill llama-1b 512 bf16", 32, 8, 64, 64, 0, 0, 512, 1, BF16, BF16},
    {"prefill llama-1b 512 q8_0", 32, 8, 64, 64, 0, 0, 512, 1, Q8, Q8},
    {"prefill llama-8b 512 f16", 32, 8, 128, 128, 0, 0, 512, 1, F16, F16},
    {"prefill gemma 512 f16", 4, 1, 256, 256, 0, 0, 512, 4, F16, F16},
    {"prefill gemma 512 at 4096 window 512 f16", 4, 1, 256, 256, 512, 4096, 512, 4, F16, F16},
    {"prefill mla 128 f16", 16, 1, 576, 512, 0, 0, 128, 1, F16, F16},
};

typedef struct bench {
    ig_team *team;
    const ig_attn_set *attn;
    ig_attn_job job; /* of layer 0; layer l is layer_bytes further on */
    size_t layer_bytes;
    uint32_t layers, units, epoch;
    void *scratch;
    uint8_t *local; /* [threads][IG_ATTN_LOCAL_BYTES] */
    double best;    /* seconds of the quickest layer */
} bench;

/* A single thread is timed by its own CPU time, layer by layer: other users of the machine count
 * less. Several threads are timed by the clock, run by run: one of them may come late to a layer.
 */
static uint64_t ticks(uint32_t n_threads) {
    return n_threads == 1 ? ig_thread_cpu_ns() : ig_clock_ns();
}

static void step_run(void *user, uint32_t thread, uint32_t n_threads) {
    bench *b = user;
    for (uint32_t l = 0; l < b->layers; l++) {
        const uint64_t start = ticks(n_threads);
        ig_attn_job job = b->job;
        job.base += l * b->layer_bytes;
        for (uint32_t u; (u = ig_team_take(b->team, l % 2, b->epoch + l / 2)) < b->units;)
            b->attn->run(&job, u, b->scratch, b->local + (size_t)thread * IG_ATTN_LOCAL_BYTES);
        ig_team_barrier(b->team, thread);
        for (uint32_t h = thread; h < job.attend->n_kv_heads; h += n_threads)
            b->attn->merge(&job, h, b->scratch);
        ig_team_barrier(b->team, thread);
        if (n_threads == 1)
            b->best = fmin(b->best, (double)(ticks(n_threads) - start) * 1e-9);
    }
}

/* ---- roofs ----------------------------------------------------------------------------------- */

typedef struct roof {
    ig_team *team;
    const uint8_t *memory;
    size_t bytes;
    uint64_t sum[IG_THREADS_MAX];
    double best; /* seconds of the quickest piece */
} roof;

#define PIECES 32u /* of the memory that is read: short enough to run undisturbed now and then */

static void read_run(void *user, uint32_t thread, uint32_t n_threads) {
    roof *r = user;
    const size_t piece = r->bytes / PIECES, share = piece / n_threads / 64 * 64;
    uint64_t s[8] = {0};
    for (uint32_t n = 0; n < PIECES; n++) {
        const uint64_t start = ticks(n_threads);
        const uint64_t *p =
            (const uint64_t *)(const void *)(r->memory + n * piece + thread * share);
        for (size_t i = 0; i < share / 8; i += 8)
            for (size_t k = 0; k < 8; k++)
                s[k] += p[i + k];
        ig_team_barrier(r->team, thread);
        if (n_threads == 1)
            r->best = fmin(r->best, (double)(ticks(n_threads) - start) * 1e-9);
    }
    r->sum[thread] = s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

#define FMA_STEPS 500000u

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static float fma_512(void) {
    __m512 a[12];
    const __m512 x = _mm512_set1_ps(1.0000001f);
    for (int i = 0; i < 12; i++)
        a[i] = _mm512_set1_ps((float)i);
    for (uint32_t n = 0; n < FMA_STEPS; n++) {
#pragma GCC unroll 12
        for (int i = 0; i < 12; i++)
            a[i] = _mm512_fmadd_ps(a[i], x, x);
    }
    float sum = 0;
    for (int i = 0; i < 12; i++)
        sum += _mm512_reduce_add_ps(a[i]);
    return sum;
}
#endif

static void fma_run(void *user, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    roof *r = user;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f"))
        r->sum[thread] = fma_512() > 0;
#else
    r->sum[thread] = 0;
#endif
}

/* ---- cases ----------------------------------------------------------------------------------- */

static float *noise(size_t n) {
    float *p = ig_alloc(n, sizeof *p);
    uint32_t seed = 5;
    for (size_t i = 0; p && i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
    return p;
}

static double run_seconds(ig_team *team, ig_team_fn fn, void *user) {
    const uint64_t start = ticks(ig_team_size(team));
    ig_team_run(team, fn, user);
    return (double)(ticks(ig_team_size(team)) - start) * 1e-9;
}

static double pairs_of(const bench_case *c) {
    double pairs = 0;
    for (uint32_t i = c->past; i < c->past + c->rows; i++)
        pairs += c->window ? IG_MIN(i + 1, c->window) : i + 1;
    return pairs;
}

static void run_case(const bench_case *c, ig_team *team, const ig_attn_set *attn, roof *r) {
    const uint32_t tokens = c->past + c->rows, n_pages = (tokens + 31) / 32;
    const ig_attend_attr attend = {.n_heads = c->heads,
                                   .n_kv_heads = c->kv_heads,
                                   .k_cols = c->k_cols,
                                   .v_cols = c->v_cols,
                                   .mask = IG_MASK_CAUSAL,
                                   .window = c->window,
                                   .scale = 1.0f / sqrtf((float)c->k_cols)};
    const ig_state state = {.kind = IG_STATE_PAGES,
                            .n_kv_heads = c->kv_heads,
                            .k_cols = c->k_cols,
                            .v_cols = c->v_cols};
    const size_t page_bytes = attn->page_bytes(&state, c->k, c->v);
    bench b = {
        .team = team, .attn = attn, .layers = c->layers, .layer_bytes = page_bytes * n_pages};
    const size_t all_bytes = b.layer_bytes * c->layers;
    uint8_t *memory = ig_pages_alloc(all_bytes);
    uint32_t *pages = ig_alloc(n_pages, sizeof *pages);
    for (uint32_t p = 0; p < n_pages; p++)
        pages[p] = p;
    float *rows = noise((size_t)IG_MAX(c->heads, c->kv_heads) *
                        (size_t)IG_MAX(c->k_cols, c->v_cols) * (c->rows + 8));
    for (uint32_t l = 0; l < c->layers; l++)
        for (uint32_t i = 0; i < tokens; i++)
            attn->write(&state, c->k, c->v, memory + l * b.layer_bytes + i / 32 * page_bytes,
                        i % 32, rows + i % 97, c->k_cols, rows + i % 89, c->v_cols);
    float *out = ig_alloc((size_t)c->rows * c->heads * c->v_cols, sizeof *out);
    b.job = (ig_attn_job){.attend = &attend,
                          .k_dtype = c->k,
                          .v_dtype = c->v,
                          .pages = pages,
                          .base = memory,
                          .page_stride = page_bytes,
                          .n_past = c->past,
                          .n_rows = c->rows,
                          .q = rows,
                          .q_stride = (size_t)c->heads * c->k_cols,
                          .q_head_stride = c->k_cols,
                          .out = out,
                          .out_stride = (size_t)c->heads * c->v_cols};
    size_t scratch_bytes;
    b.units = attn->units(&b.job, &scratch_bytes);
    b.scratch = ig_alloc(scratch_bytes, 1);
    b.local = ig_alloc_aligned((size_t)ig_team_size(team) * IG_ATTN_LOCAL_BYTES, 64);
    double fma_seconds = 1e9; /* best of each, in turns: the machine may have other users */
    b.best = r->best = 1e9;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        for (uint32_t k = 0; k < 3; k++, b.epoch += c->layers)
            b.best = fmin(b.best, run_seconds(team, step_run, &b) / c->layers);
        r->best = fmin(r->best, run_seconds(team, read_run, r) / PIECES);
        fma_seconds = fmin(fma_seconds, run_seconds(team, fma_run, r));
    }
    const double seconds = b.best;
    const double read_rate = (double)(r->bytes / PIECES) / r->best * 1e-9;
    const double fma_rate = ig_team_size(team) * 12.0 * 16 * 2 * FMA_STEPS / fma_seconds * 1e-9;
    const double seen = c->window ? IG_MIN(tokens, c->window + c->rows) : tokens;
    const double gbs = seen / 32 * (double)page_bytes / seconds * 1e-9;
    const double gflops = pairs_of(c) * c->heads * 2.0 * (c->k_cols + c->v_cols) / seconds * 1e-9;
    printf("%s,%s,%u,%.1f,%.1f,%.2f,%.1f,%.1f,%.2f,%.1f\n", c->name, attn->isa, ig_team_size(team),
           seconds * 1e6, gbs, gbs / read_rate, read_rate, gflops, gflops / fma_rate, fma_rate);
    fflush(stdout);
    ig_free(b.local);
    ig_free(b.scratch);
    ig_free(out);
    ig_free(rows);
    ig_free(pages);
    ig_pages_free(memory, all_bytes);
}

int main(int argc, char **argv) {
    const uint32_t threads = argc > 1 ? (uint32_t)atoi(argv[1]) : ig_core_count();
    isa_level levels[ISA_LEVELS_MAX];
    const uint32_t n_levels = isa_list(levels);
    const ig_attn_set *attn = levels[n_levels - 1].attn;
    for (uint32_t l = 0; l < n_levels; l++)
        if (argc > 2 && strcmp(argv[2], levels[l].name) == 0)
            attn = levels[l].attn;
    ig_err err = {0};
    ig_team *team;
    if (ig_team_open(&team, threads, false, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    roof *r = ig_alloc(1, sizeof *r);
    r->team = team;
    r->bytes = 128u << 20;
    uint8_t *memory = ig_pages_alloc(r->bytes);
    memset(memory, 1, r->bytes);
    r->memory = memory;
    puts("case,isa,threads,us_per_layer,GB/s,share_of_read,read_roof_GB/s,GFLOP/"
         "s,share_of_fma,fma_roof_GFLOP/s");
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        if (argc <= 3 || strstr(cases[i].name, argv[3]))
            run_case(&cases[i], team, attn, r);
    ig_pages_free(memory, r->bytes);
    ig_free(r);
    ig_team_close(&team);
    return 0;
}
