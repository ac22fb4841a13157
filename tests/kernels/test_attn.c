/* test_attn.c: attention of every ISA level against plain double loops, and bit equality of one
 * step, odd chunks, single tokens and any order of units. Pages start as NaN bytes; pages behind
 * the window have no page number. */
#include "test.h"

#include "isa_list.h"

#define TOKENS_MAX 1400
#ifndef WORK_MAX
#define WORK_MAX                                                                                   \
    SIZE_MAX /* tokens * heads * (Dk + Dv) of a shape that is run: an emulator is slow */
#endif
#define TABLE_MAX ((TOKENS_MAX + 31) / 32)

#define LOG2E 1.44269504088896341
#define F32 IG_DTYPE_F32
#define F16 IG_DTYPE_F16
#define BF16 IG_DTYPE_BF16
#define Q8 IG_DTYPE_Q8_0
#define Q4 IG_DTYPE_Q4_0

typedef struct shape {
    uint32_t heads, kv_heads, k_cols, v_cols;
    ig_mask mask;
    uint32_t window, tokens;
    float cap, alibi;
    bool sinks;
    ig_dtype k, v;
} shape;

typedef struct bench_case {
    ig_attend_attr attend;
    ig_state state;
    uint32_t pages[TABLE_MAX];
    uint8_t *memory;
    size_t memory_bytes, page_bytes;
    float *q, *k, *v, *out, *sinks; /* rows of all tokens, heads side by side */
    int32_t *positions;
} bench_case;

static isa_level levels[ISA_LEVELS_MAX];
static uint32_t n_levels;

static uint32_t seed = 7;
static uint32_t next_random(void) {
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}
static float noise(void) {
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (float)next_random() / 16777216.0f - 0.5f;
    return sum * 1.7f;
}

static float *rows_new(size_t n) {
    float *p = malloc(n * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = noise();
    return p;
}

static void case_open(bench_case *c, const shape *s, const ig_attn_set *attn) {
    c->attend = (ig_attend_attr){.state = 1,
                                 .n_heads = s->heads,
                                 .n_kv_heads = s->kv_heads,
                                 .k_cols = s->k_cols,
                                 .v_cols = s->v_cols,
                                 .mask = s->mask,
                                 .window = s->window,
                                 .cap = s->cap,
                                 .alibi_max = s->alibi,
                                 .scale = 1.5f / sqrtf((float)s->k_cols)};
    c->state = (ig_state){.kind = IG_STATE_PAGES,
                          .n_kv_heads = s->kv_heads,
                          .k_cols = s->k_cols,
                          .v_cols = s->v_cols};
    c->page_bytes = attn->page_bytes(&c->state, s->k, s->v);
    const uint32_t n_pages = (s->tokens + 31) / 32;
    c->memory_bytes = (c->page_bytes + 64) * n_pages + 64;
    c->memory = aligned_alloc(64, (c->memory_bytes + 63) / 64 * 64);
    memset(c->memory, 0xFF, c->memory_bytes);
    for (uint32_t p = 0; p < n_pages; p++)
        c->pages[p] = (p * 7 + 3) % n_pages; /* n_pages is no multiple of 7 */
    c->q = rows_new((size_t)s->tokens * s->heads * s->k_cols);
    c->k = rows_new((size_t)s->tokens * s->kv_heads * s->k_cols);
    c->v = rows_new((size_t)s->tokens * s->kv_heads * s->v_cols);
    c->out = rows_new((size_t)s->tokens * s->heads * s->v_cols);
    c->sinks = rows_new(s->heads);
    c->positions = malloc(s->tokens * sizeof *c->positions);
    for (uint32_t i = 0; i < s->tokens; i++)
        c->positions[i] = (int32_t)i;
}

static void case_close(bench_case *c) {
    free(c->memory);
    free(c->q);
    free(c->k);
    free(c->v);
    free(c->out);
    free(c->sinks);
    free(c->positions);
}

/* One step of rows [past, past + n); units in a shuffled order. */
static void step(bench_case *c, const shape *s, const ig_attn_set *attn, uint32_t past, uint32_t n,
                 void *local) {
    const size_t k_row = (size_t)s->kv_heads * s->k_cols, v_row = (size_t)s->kv_heads * s->v_cols;
    for (uint32_t i = past; i < past + n; i++)
        attn->write(&c->state, s->k, s->v, c->memory + c->pages[i / 32] * (c->page_bytes + 64),
                    i % 32, c->k + i * k_row, s->k_cols, c->v + i * v_row, s->v_cols);
    uint32_t table[TABLE_MAX];
    memcpy(table, c->pages, sizeof table);
    uint32_t lo = 0;
    if (s->mask == IG_MASK_CAUSAL && s->window && past + 1 > s->window)
        lo = past + 1 - s->window;
    if (s->mask == IG_MASK_CHUNK)
        lo = past / s->window * s->window;
    for (uint32_t p = 0; p < lo / 32; p++)
        table[p] = UINT32_MAX;
    const size_t q_row = (size_t)s->heads * s->k_cols, o_row = (size_t)s->heads * s->v_cols;
    const ig_attn_job job = {.attend = &c->attend,
                             .k_dtype = s->k,
                             .v_dtype = s->v,
                             .pages = table,
                             .base = c->memory,
                             .page_stride = c->page_bytes + 64,
                             .n_past = past,
                             .n_rows = n,
                             .q = c->q + past * q_row,
                             .q_stride = q_row,
                             .q_head_stride = s->k_cols,
                             .sinks = s->sinks ? c->sinks : NULL,
                             .positions = c->positions + past,
                             .out = c->out + past * o_row,
                             .out_stride = o_row};
    size_t scratch_bytes = 0;
    const uint32_t units = attn->units(&job, &scratch_bytes);
    uint8_t *scratch = malloc(scratch_bytes + 1);
    memset(scratch, 0xFF, scratch_bytes + 1);
    scratch[scratch_bytes] = 77;
    uint32_t stride = 1 + next_random() % units; /* a step coprime to units visits all */
    for (uint32_t a = stride, b = units; b;) {
        const uint32_t r = a % b;
        a = b;
        b = r;
        if (b == 0 && a != 1) {
            stride = stride % units + 1;
            a = stride;
            b = units;
        }
    }
    for (uint32_t u = 0, at = next_random() % units; u < units; u++, at = (at + stride) % units) {
        memset(local, 0xFF, IG_ATTN_LOCAL_BYTES);
        attn->run(&job, at, scratch, local);
    }
    for (uint32_t h = 0; h < s->kv_heads; h++)
        attn->merge(&job, s->kv_heads - 1 - h, scratch);
    CHECK_EQ(scratch[scratch_bytes], 77);
    free(scratch);
}

/* ---- the plain formula ----------------------------------------------------------------------- */

static double to_bf16(double x) {
    return (double)ig_bf16_to_f32(ig_f32_to_bf16((float)x));
}

static bool is_16_bits(ig_dtype t) {
    return t == F16 || t == BF16;
}

/* x as it comes out of the cache; `pairs` levels round 16-bit caches to BF16 once more. */
static void round_trip(ig_dtype dtype, bool pairs, const float *x, uint32_t n, double *y) {
    float padded[2080] = {0}, back[2080];
    uint8_t bytes[2080 * 4];
    memcpy(padded, x, n * sizeof *x);
    const ig_dtype_row *row = ig_dtype_info(dtype);
    const size_t all = (n + 31) / 32 * 32;
    row->encode(padded, bytes, all);
    row->decode(bytes, back, all);
    for (uint32_t i = 0; i < n; i++)
        y[i] = pairs && is_16_bits(dtype) ? to_bf16((double)back[i]) : (double)back[i];
}

static bool visible(const shape *s, int64_t i, int64_t j) {
    const int64_t w = s->window ? s->window : INT32_MAX;
    switch (s->mask) {
    case IG_MASK_CAUSAL:
        return j <= i && i - j < w;
    case IG_MASK_CHUNK:
        return j <= i && j >= i / w * w;
    case IG_MASK_SYMMETRIC:
        return llabs(i - j) <= w / 2;
    case IG_MASK_FULL:
        break;
    }
    return true;
}

static double slope(const shape *s, uint32_t h) {
    const double n2 = exp2(floor(log2(s->heads)));
    const double x =
        h < n2 ? (h + 1) * (double)s->alibi / n2 : (2 * (h - n2) + 1) * (double)s->alibi / (2 * n2);
    return exp2(-x);
}

/* Row i, head h of the plain formula; k and v are the cache's values. */
static void want_row(const bench_case *c, const shape *s, bool pairs, const double *k,
                     const double *v, uint32_t i, uint32_t h, double *out) {
    double score[TOKENS_MAX], top = -INFINITY;
    const uint32_t kv = h * s->kv_heads / s->heads;
    const float *q = c->q + ((size_t)i * s->heads + h) * s->k_cols;
    /* Queries are scaled in f32 before they are rounded: to units of log 2, or of the cap. */
    const double unit = s->cap > 0 ? 1 / (double)s->cap : LOG2E;
    const float scale = s->cap > 0 ? c->attend.scale / s->cap : c->attend.scale * (float)LOG2E;
    double query[2048];
    for (uint32_t d = 0; d < s->k_cols; d++)
        query[d] = pairs && is_16_bits(s->k) ? to_bf16((double)(q[d] * scale))
                                             : (double)q[d] * (double)c->attend.scale * unit;
    for (uint32_t j = 0; j < s->tokens; j++) {
        if (!visible(s, i, j))
            continue;
        double sum = 0;
        for (uint32_t d = 0; d < s->k_cols; d++)
            sum += query[d] * k[((size_t)j * s->kv_heads + kv) * s->k_cols + d];
        sum /= unit;
        if (s->cap > 0)
            sum = (double)s->cap * tanh(sum / (double)s->cap);
        if (s->alibi > 0)
            sum -= slope(s, h) * fabs((double)i - j);
        score[j] = sum;
        top = fmax(top, sum);
    }
    double l = s->sinks ? exp((double)c->sinks[h] - top) : 0;
    for (uint32_t e = 0; e < s->v_cols; e++)
        out[e] = 0;
    for (uint32_t j = 0; j < s->tokens; j++) {
        if (!visible(s, i, j))
            continue;
        const double p = exp(score[j] - top);
        l += p;
        for (uint32_t e = 0; e < s->v_cols; e++)
            out[e] += p * v[((size_t)j * s->kv_heads + kv) * s->v_cols + e];
    }
    for (uint32_t e = 0; e < s->v_cols; e++)
        out[e] /= l;
}

/* NMSE of some rows of c->out. */
static double error_of(const bench_case *c, const shape *s, bool pairs) {
    const size_t k_row = (size_t)s->kv_heads * s->k_cols, v_row = (size_t)s->kv_heads * s->v_cols;
    double *k = malloc(s->tokens * k_row * sizeof *k), *v = malloc(s->tokens * v_row * sizeof *v);
    double want[2048], error = 0, power = 0;
    for (uint32_t i = 0; i < s->tokens * s->kv_heads; i++) {
        round_trip(s->k, pairs, c->k + (size_t)i * s->k_cols, s->k_cols, k + (size_t)i * s->k_cols);
        round_trip(s->v, pairs, c->v + (size_t)i * s->v_cols, s->v_cols, v + (size_t)i * s->v_cols);
    }
    for (uint32_t i = 0; i < s->tokens; i += i < 40 || i + 40 > s->tokens ? 1 : 17) {
        for (uint32_t h = 0; h < s->heads; h++) {
            want_row(c, s, pairs, k, v, i, h, want);
            const float *got = c->out + ((size_t)i * s->heads + h) * s->v_cols;
            for (uint32_t e = 0; e < s->v_cols; e++) {
                error += pow((double)got[e] - want[e], 2);
                power += want[e] * want[e];
            }
        }
    }
    free(k);
    free(v);
    return error / power;
}

/* ---- cases ----------------------------------------------------------------------------------- */

static const shape shapes[] = {
    /* H Hk Dk Dv mask W T cap alibi sinks K V */
    {4, 1, 64, 64, IG_MASK_CAUSAL, 0, 700, 0, 0, false, F16, F16},
    {4, 1, 64, 64, IG_MASK_CAUSAL, 0, 300, 0, 0, false, F32, F32},
    {3, 3, 80, 80, IG_MASK_CAUSAL, 0, 290, 0, 0, false, BF16, BF16},
    {10, 2, 96, 112, IG_MASK_CAUSAL, 0, 270, 0, 0, true, F16, BF16},
    {4, 1, 256, 256, IG_MASK_CAUSAL, 200, 600, 0, 0, false, F16, F16},
    {2, 1, 128, 128, IG_MASK_CAUSAL, 9, 100, 0, 0, true, F16, F16},
    {2, 1, 64, 64, IG_MASK_CAUSAL, 300, 1400, 0, 0, false, F16, F32},
    {4, 2, 64, 64, IG_MASK_CHUNK, 100, 330, 0, 0, false, F16, F16},
    {4, 2, 64, 64, IG_MASK_FULL, 0, 300, 0, 0, false, F16, F16},
    {4, 2, 64, 64, IG_MASK_SYMMETRIC, 128, 530, 0, 0, false, F32, F16},
    {4, 2, 64, 64, IG_MASK_SYMMETRIC, 9, 70, 0, 0, false, F32, F16},
    {8, 4, 64, 64, IG_MASK_CAUSAL, 0, 280, 5.0f, 0, false, F16, F16},
    {6, 6, 64, 64, IG_MASK_CAUSAL, 0, 280, 0, 8.0f, false, F16, F16},
    {7, 1, 40, 72, IG_MASK_CAUSAL, 0, 261, 2.0f, 8.0f, true, F16, F16},
    {5, 1, 5, 3, IG_MASK_CAUSAL, 0, 259, 0, 0, true, F32, F32},
    {3, 1, 33, 17, IG_MASK_CAUSAL, 0, 70, 0, 0, false, BF16, F16},
    {60, 1, 16, 16, IG_MASK_CAUSAL, 0, 300, 0, 0, false, F16, F16},
    {16, 1, 576, 512, IG_MASK_CAUSAL, 0, 270, 0, 0, false, F16, F16},
    {4, 2, 64, 64, IG_MASK_CAUSAL, 0, 300, 0, 0, false, Q8, Q8},
    {4, 2, 64, 64, IG_MASK_CAUSAL, 0, 300, 0, 0, false, Q4, Q4},
    {4, 2, 80, 80, IG_MASK_CAUSAL, 60, 270, 0, 0, false, Q8, Q4},
    {2, 2, 256, 128, IG_MASK_CAUSAL, 0, 261, 0, 0, true, Q4, Q8},
    {2, 2, 45, 51, IG_MASK_CAUSAL, 0, 61, 0, 0, false, Q4, Q4},
    {2, 2, 45, 51, IG_MASK_CAUSAL, 0, 61, 0, 0, false, Q8, Q8},
    {2, 2, 7, 9, IG_MASK_CAUSAL, 0, 61, 0, 0, false, Q4, F16},
    {2, 1, 192, 128, IG_MASK_CAUSAL, 0, 261, 0, 0, false, F16, Q8},
    {1, 1, 2048, 2048, IG_MASK_CAUSAL, 0, 40, 0, 0, false, Q8, Q4},
};

static void run_shape(const shape *s, const isa_level *level) {
    bench_case c;
    case_open(&c, s, level->attn);
    void *local = aligned_alloc(64, IG_ATTN_LOCAL_BYTES);
    const size_t out_n = (size_t)s->tokens * s->heads * s->v_cols;
    step(&c, s, level->attn, 0, s->tokens, local);
    const bool pairs = level->attn->bf16_products;
    const double nmse = error_of(&c, s, pairs);
    /* Rounding alone: of f32, or of weights to BF16. */
    if (!(nmse < (pairs && is_16_bits(s->v) ? 2e-6 : 4e-12)))
        TEST_FAIL("%s, shape %d: NMSE %.3g", level->name, (int)(s - shapes), nmse);
    if (s->mask == IG_MASK_CAUSAL || s->mask == IG_MASK_CHUNK) {
        float *once = malloc(out_n * sizeof *once);
        memcpy(once, c.out, out_n * sizeof *once);
        static const uint32_t chunks[][4] = {{1, 1, 1, 1}, {7, 33, 2, 100}, {250, 9, 8, 48}};
        for (size_t k = 0; k < 3; k++) {
            memset(c.memory, 0xFF, c.memory_bytes);
            memset(c.out, 0xFF, out_n * sizeof *c.out);
            for (uint32_t past = 0, i = 0; past < s->tokens; i++) {
                const uint32_t n = IG_MIN(chunks[k][i % 4], s->tokens - past);
                step(&c, s, level->attn, past, n, local);
                past += n;
            }
            if (memcmp(once, c.out, out_n * sizeof *once) != 0)
                TEST_FAIL("%s, shape %d: chunks %zu give other bits", level->name,
                          (int)(s - shapes), k);
        }
        free(once);
    }
    free(local);
    case_close(&c);
}

static void run_level(const char *name) {
    for (uint32_t l = 0; l < n_levels; l++) {
        if (strcmp(levels[l].name, name) != 0)
            continue;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            if ((size_t)shapes[i].tokens * shapes[i].heads *
                    (shapes[i].k_cols + shapes[i].v_cols) <=
                WORK_MAX)
                run_shape(&shapes[i], &levels[l]);
        return;
    }
    SKIP("this machine has no %s", name);
}

TEST(scalar) {
    run_level("scalar");
}
TEST(avx2) {
    run_level("avx2");
}
TEST(avx512) {
    run_level("avx512");
}
TEST(neon) {
    run_level("neon");
}

/* Rows of a step may share or skip positions: alibi takes those of the step. */
TEST(alibi_takes_positions_of_the_step) {
    const shape s = {2, 1, 16, 16, IG_MASK_CAUSAL, 0, 20, 0, 8.0f, false, F32, F32};
    for (uint32_t l = 0; l < n_levels; l++) {
        bench_case c;
        case_open(&c, &s, levels[l].attn);
        void *local = aligned_alloc(64, IG_ATTN_LOCAL_BYTES);
        step(&c, &s, levels[l].attn, 0, 20, local);
        float before[32];
        memcpy(before, c.out + 19 * 32, sizeof before);
        for (uint32_t i = 0; i < 20; i++)
            c.positions[i] += 1000; /* only differences count */
        step(&c, &s, levels[l].attn, 0, 20, local);
        CHECK(memcmp(before, c.out + 19 * 32, sizeof before) == 0);
        c.positions[19] += 5;
        step(&c, &s, levels[l].attn, 0, 20, local);
        CHECK(memcmp(before, c.out + 19 * 32, sizeof before) != 0);
        free(local);
        case_close(&c);
    }
}

TEST(page_bytes_refuse_what_is_not_supported) {
    for (uint32_t l = 0; l < n_levels; l++) {
        ig_state state = {.kind = IG_STATE_PAGES, .n_kv_heads = 8, .k_cols = 64, .v_cols = 64};
        CHECK_EQ(levels[l].attn->page_bytes(&state, F16, F16), 8 * 64 * 32 * 2 * 2);
        CHECK_EQ(levels[l].attn->page_bytes(&state, Q8, Q8), 8 * 2 * 32 * 34 * 2);
        CHECK_EQ(levels[l].attn->page_bytes(&state, Q4, Q4), 8 * 2 * 32 * 18 * 2);
        CHECK_EQ(levels[l].attn->page_bytes(&state, F16, IG_DTYPE_Q4_K), 0);
        state.k_cols = 4096;
        CHECK_EQ(levels[l].attn->page_bytes(&state, F16, F16), 0);
    }
}

/* What is reserved once is enough wherever the rows of a step lie. */
TEST(scratch_of_every_job_fits) {
    static const uint32_t windows[] = {0, 1, 9, 200, 256, 257, 512, 1000};
    static const ig_mask masks[] = {IG_MASK_CAUSAL, IG_MASK_CHUNK, IG_MASK_SYMMETRIC, IG_MASK_FULL};
    const uint32_t context = 1300;
    for (size_t m = 0; m < IG_COUNT(masks); m++) {
        for (size_t w = masks[m] == IG_MASK_CAUSAL || masks[m] == IG_MASK_FULL ? 0 : 1;
             w < IG_COUNT(windows); w++) {
            const ig_attend_attr a = {.n_heads = 6,
                                      .n_kv_heads = 2,
                                      .k_cols = 64,
                                      .v_cols = 40,
                                      .mask = masks[m],
                                      .window = windows[w]};
            const size_t most = ig_attn_scratch_max(&a, 64, context);
            size_t seen = 0;
            for (uint32_t rows = 1; rows <= 9; rows++) {
                for (uint32_t past = 0; past + rows <= context; past++) {
                    const ig_attn_job job = {.attend = &a, .n_past = past, .n_rows = rows};
                    size_t bytes = 0;
                    levels[0].attn->units(&job, &bytes);
                    seen = IG_MAX(seen, bytes);
                }
            }
            CHECK(seen <= most);
            CHECK(windows[w] == 1 || seen > 0);
        }
    }
}

/* Infinite, huge and NaN values neither crash nor reach rows that do not see them. */
TEST(broken_values_stay_where_they_are) {
    const ig_dtype types[] = {F32, F16, BF16, Q8, Q4};
    for (uint32_t l = 0; l < n_levels; l++) {
        for (size_t k = 0; k < 5; k++) {
            const shape s = {4, 2, 64, 64, IG_MASK_CAUSAL, 0, 64, 0, 0, false, types[k], types[k]};
            bench_case c;
            case_open(&c, &s, levels[l].attn);
            void *local = aligned_alloc(64, IG_ATTN_LOCAL_BYTES);
            c.k[50 * 128] = INFINITY;
            c.k[51 * 128] = NAN;
            c.v[50 * 128] = -INFINITY;
            c.v[52 * 128 + 3] = 1e30f;
            c.v[53 * 128 + 3] = NAN;
            for (uint32_t past = 0; past < 64; past++)
                step(&c, &s, levels[l].attn, past, 1, local);
            uint32_t bad = 0;
            for (uint32_t i = 0; i < 50 * 256; i++)
                bad += !isfinite(c.out[i]);
            CHECK_EQ(bad, 0);
            free(local);
            case_close(&c);
        }
    }
}

int main(int argc, char **argv) {
    n_levels = isa_list(levels);
    return RUN(argc, argv, T(scalar), T(avx2), T(avx512), T(neon),
               T(alibi_takes_positions_of_the_step), T(page_bytes_refuse_what_is_not_supported),
               T(scratch_of_every_job_fits), T(broken_values_stay_where_they_are));
}
