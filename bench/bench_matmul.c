/* bench_matmul.c: products per type, shape, columns and threads, as rates and as shares of the
 * machine's roofs, which are measured in the same run. One CSV row per measurement, machine line
 * first.
 *
 *     bench_matmul [isa=avx512] [types=Q4_K,Q8_0] [cols=2048 rows=8192] [n=1,6,512] [threads=2]
 * [reps=5] [mb=220]
 *
 * Packing of activations is part of the time. For up to 8 columns the weights rotate through mb
 * megabytes, so that they come from memory (mb=0: from cache). Best of the repetitions, in CPU time
 * of the slowest thread: the machine may be shared. */
#include "backend/cpu/matmul_int.h"
#include "os/os.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 64
#define ROTATE_BYTES ((size_t)220 << 20)
#define LIST_MAX 16

typedef struct roof_fns {
    const char *isa;
    uint64_t (*read)(const uint8_t *p, size_t n_bytes);
    double (*int8)(uint64_t n), (*bf16)(uint64_t n), (*fma)(uint64_t n);
} roof_fns;

#define ROOF_DECLARE(isa)                                                                          \
    uint64_t bench_read_##isa(const uint8_t *p, size_t n_bytes);                                   \
    double bench_int8_##isa(uint64_t n);                                                           \
    double bench_bf16_##isa(uint64_t n);                                                           \
    double bench_fma_##isa(uint64_t n);
#define ROOF(isa_)                                                                                 \
    { #isa_, bench_read_##isa_, bench_int8_##isa_, bench_bf16_##isa_, bench_fma_##isa_ }
ROOF_DECLARE(scalar)
#if defined(__x86_64__)
ROOF_DECLARE(avx512)
ROOF_DECLARE(avx2)
static const ig_matmul_set *const SETS[] = {&ig_matmul_avx512, &ig_matmul_avx2, &ig_matmul_scalar};
static const roof_fns ROOFS[] = {ROOF(avx512), ROOF(avx2), ROOF(scalar)};
#else
ROOF_DECLARE(neon)
static const ig_matmul_set *const SETS[] = {&ig_matmul_neon, &ig_matmul_scalar};
static const roof_fns ROOFS[] = {ROOF(neon), ROOF(scalar)};
#endif

/* ---- threads: one function on each, meeting at a spinning barrier ---- */

typedef struct team {
    uint32_t n;
    atomic_uint arrived, round;
} team;

static void meet(team *t) {
    const unsigned round = atomic_load_explicit(&t->round, memory_order_acquire);
    if (atomic_fetch_add_explicit(&t->arrived, 1, memory_order_acq_rel) + 1 == t->n) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&t->round, 1, memory_order_release);
    } else {
        while (atomic_load_explicit(&t->round, memory_order_acquire) == round)
            ;
    }
}

#define PHASES 2

typedef struct job {
    team team;
    uint32_t reps;
    double best; /* seconds */
    void (*body)(struct job *job, uint32_t thread, uint32_t rep, uint32_t phase);
    uint64_t spent_ns[THREADS_MAX][PHASES]; /* CPU time of a thread in the current repetition */
    /* of a product */
    const ig_matmul_set *set;
    const ig_matmul_kernel *kernel;
    uint32_t rows, cols, n_cols, n_copies;
    size_t copy_bytes;
    uint8_t *packed, *acts;
    float *x, *out;
    /* of a roof */
    const roof_fns *roof;
    int which;
    double operations;
    size_t read_bytes;
} job;

typedef struct member {
    job *job;
    uint32_t thread;
} member;

static uint64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The time of a repetition is the sum over phases of the slowest thread's CPU time: on a shared
 * machine waiting for a thread that another process has displaced is not the kernel's time. */
static void member_run(void *user) {
    const member *m = user;
    job *j = m->job;
    (void)ig_thread_pin(m->thread);
    for (uint32_t rep = 0; rep < j->reps; rep++) {
        for (uint32_t phase = 0; phase < PHASES; phase++) {
            meet(&j->team);
            const uint64_t start = cpu_ns();
            j->body(j, m->thread, rep, phase);
            j->spent_ns[m->thread][phase] = cpu_ns() - start;
        }
        meet(&j->team);
        if (m->thread == 0) {
            uint64_t total = 0;
            for (uint32_t phase = 0; phase < PHASES; phase++) {
                uint64_t slowest = 0;
                for (uint32_t t = 0; t < j->team.n; t++)
                    slowest = IG_MAX(slowest, j->spent_ns[t][phase]);
                total += slowest;
            }
            j->best = IG_MIN(j->best, (double)total * 1e-9);
        }
    }
}

static double run(job *j, uint32_t n_threads, uint32_t reps) {
    ig_thread *threads[THREADS_MAX] = {0};
    member members[THREADS_MAX];
    ig_err err = {0};
    j->team.n = n_threads;
    atomic_store(&j->team.arrived, 0);
    j->reps = reps;
    j->best = 1e9;
    for (uint32_t i = 0; i < n_threads; i++) {
        members[i] = (member){j, i};
        if (ig_thread_start(&threads[i], "bench", member_run, &members[i], &err) != IG_OK) {
            fprintf(stderr, "bench_matmul: %s\n", err.message);
            exit(1);
        }
    }
    for (uint32_t i = 0; i < n_threads; i++)
        ig_thread_join(&threads[i]);
    return j->best;
}

/* ---- bodies ---- */

static void product_body(job *j, uint32_t thread, uint32_t rep, uint32_t phase) {
    const uint32_t n = j->team.n;
    if (phase == 0) {
        const ig_act_packer *packer = &j->set->packers[j->kernel->act];
        const uint32_t groups = (uint32_t)ig_div_up(j->n_cols, packer->group_cols);
        const uint32_t c0 = groups * thread / n * packer->group_cols,
                       c1 = groups * (thread + 1) / n * packer->group_cols;
        packer->pack(j->x, j->cols, j->cols, j->n_cols, c0, IG_MIN(c1, j->n_cols), j->acts);
        return;
    }
    const uint32_t tiles = (uint32_t)ig_div_up(j->rows, IG_TILE_ROWS);
    const uint32_t t0 = tiles / 2 * thread / n * 2,
                   t1 = thread + 1 == n ? tiles : tiles / 2 * (thread + 1) / n * 2;
    j->kernel->multiply(j->packed + rep % j->n_copies * j->copy_bytes, j->rows, j->cols, t0, t1,
                        j->acts, j->n_cols, j->out + (size_t)t0 * IG_TILE_ROWS,
                        tiles * IG_TILE_ROWS);
}

static void roof_body(job *j, uint32_t thread, uint32_t rep, uint32_t phase) {
    (void)rep;
    if (phase != 0)
        return;
    const uint64_t steps = 4000000;
    if (j->which == 0) {
        const size_t share = j->read_bytes / j->team.n / 4096 * 4096;
        const uint64_t sum = j->roof->read(j->packed + share * thread, share);
        if (thread == 0)
            j->operations = (double)share * j->team.n + (sum == 1 ? 1e-9 : 0);
    } else {
        const double done = j->which == 1   ? j->roof->int8(steps)
                            : j->which == 2 ? j->roof->bf16(steps)
                                            : j->roof->fma(steps);
        if (thread == 0)
            j->operations = done * j->team.n;
    }
}

/* G/s of: reading, int8, bf16, fma. */
static void measure_roofs(const roof_fns *fns, uint32_t n_threads, double roofs[4]) {
    job j = {.body = roof_body, .roof = fns, .read_bytes = ROTATE_BYTES};
    j.packed = ig_pages_alloc(ROTATE_BYTES);
    if (!j.packed)
        exit(1);
    memset(j.packed, 1, ROTATE_BYTES);
    for (j.which = 0; j.which < 4; j.which++) {
        const double seconds = run(&j, n_threads, 7);
        roofs[j.which] = j.operations / seconds * 1e-9;
    }
    ig_pages_free(j.packed, ROTATE_BYTES);
}

static void measure(const roof_fns *fns, const ig_matmul_set *set, const ig_matmul_kernel *kernel,
                    uint32_t rows, uint32_t cols, const uint32_t *n_list, uint32_t n_count,
                    uint32_t n_threads, uint32_t reps, size_t rotate_bytes, const double roofs[4]) {
    const ig_dtype_row *info = ig_dtype_info(kernel->dtype);
    job j = {.set = set, .kernel = kernel, .roof = fns, .rows = rows, .cols = cols};
    uint64_t row_bytes;
    if (!ig_dtype_bytes(kernel->dtype, cols, &row_bytes))
        return;
    uint32_t n_max = 1;
    for (uint32_t i = 0; i < n_count; i++)
        n_max = IG_MAX(n_max, n_list[i]);
    j.copy_bytes = ig_round_up(kernel->packed_bytes(rows, cols), 4096);
    const uint32_t copies = (uint32_t)(rotate_bytes / j.copy_bytes + 1),
                   tiles = (uint32_t)ig_div_up(rows, IG_TILE_ROWS);
    j.packed = ig_pages_alloc(copies * j.copy_bytes);
    j.acts = aligned_alloc(64, ig_round_up(set->packers[kernel->act].bytes(cols, n_max), 64));
    j.x = malloc((size_t)cols * n_max * sizeof(float));
    j.out = aligned_alloc(64, (size_t)tiles * IG_TILE_ROWS * n_max * sizeof(float));
    uint8_t *weights = malloc(rows * row_bytes);
    if (!j.packed || !j.acts || !j.x || !j.out || !weights)
        exit(1);
    j.read_bytes = copies * j.copy_bytes;
    memset(j.out, 0, (size_t)tiles * IG_TILE_ROWS * n_max * sizeof(float));
    for (size_t i = 0; i < rows * row_bytes; i++) /* as an f16 scale: 0.065 to 0.11 */
        weights[i] = (uint8_t)(0x2c | (i * 2654435761u >> 13 & 3));
    const uint64_t start = ig_clock_ns();
    kernel->pack(weights, rows, cols, 0, tiles, j.packed);
    const double pack_s = (double)(ig_clock_ns() - start) * 1e-9;
    for (uint32_t i = 1; i < copies; i++)
        memcpy(j.packed + i * j.copy_bytes, j.packed, j.copy_bytes);
    for (size_t i = 0; i < (size_t)cols * n_max; i++)
        j.x[i] = (float)((i * 2654435761u >> 9) & 0xffff) / 32768.0f - 1.0f;
    double one = 0;
    for (uint32_t i = 0; i < n_count; i++) {
        j.n_cols = n_list[i];
        j.body = roof_body; /* the rate of memory drifts: it is measured beside each product, on the
                               same bytes */
        j.which = 0;
        const double read_s = run(&j, n_threads, 5), read = j.operations / read_s * 1e-9;
        j.body = product_body;
        j.n_copies = j.n_cols <= 8 ? copies : IG_MIN(copies, 2u);
        const double seconds = run(&j, n_threads, j.n_cols <= 8 ? reps * copies : reps);
        const double gops = 2.0 * rows * cols * j.n_cols / seconds * 1e-9;
        const double roof = kernel->act == IG_ACT_FORM_F32    ? roofs[3]
                            : kernel->act == IG_ACT_FORM_BF16 ? roofs[2]
                                                              : roofs[1];
        const double gbs = (double)kernel->packed_bytes(rows, cols) / seconds * 1e-9;
        if (j.n_cols == 1)
            one = seconds;
        printf("%s,%u,%u,%u,%u,%.1f,%.1f,%.1f,%.1f,%.2f,%.0f\n", info->name, cols, rows, j.n_cols,
               n_threads, gops, 100 * gops / roof, gbs, 100 * gbs / read,
               one > 0 ? seconds / one : 0.0, (double)rows * (double)row_bytes / pack_s * 1e-6);
        fflush(stdout);
    }
    ig_pages_free(j.packed, copies * j.copy_bytes);
    free(j.acts);
    free(j.x);
    free(j.out);
    free(weights);
}

static uint32_t numbers(const char *s, uint32_t *list) {
    uint32_t n = 0;
    for (char *end; *s && n < LIST_MAX; s = *end ? end + 1 : end)
        list[n++] = (uint32_t)strtoul(s, &end, 10);
    return n;
}

static bool chosen(const char *types, const char *name) {
    if (!types)
        return true;
    const size_t n = strlen(name);
    for (const char *s = types; s; s = strchr(s, ',') ? strchr(s, ',') + 1 : NULL)
        if (strncmp(s, name, n) == 0 && (s[n] == 0 || s[n] == ','))
            return true;
    return false;
}

int main(int argc, char **argv) {
    uint32_t cols[LIST_MAX] = {2048, 640, 4096}, rows[LIST_MAX] = {8192, 2048, 14336}, n_shapes = 3;
    uint32_t n_list[LIST_MAX] = {1, 2, 4, 6, 8, 32, 512}, n_count = 7, threads[LIST_MAX] = {1, 2},
             n_threads = 2, reps = 5;
    size_t rotate_bytes = ROTATE_BYTES;
    const char *types = NULL, *isa = SETS[0]->isa;
    for (int i = 1; i < argc; i++) {
        const char *value = strchr(argv[i], '=');
        if (!value) {
            fprintf(
                stderr,
                "bench_matmul: %s is no option; isa= types= cols= rows= n= threads= reps= mb=\n",
                argv[i]);
            return 2;
        }
        value++;
        switch (argv[i][0]) {
        case 'i':
            isa = value;
            break;
        case 't':
            if (argv[i][1] == 'y')
                types = value;
            else
                n_threads = numbers(value, threads);
            break;
        case 'm':
            rotate_bytes = (size_t)strtoul(value, NULL, 10) << 20;
            break;
        case 'c':
            n_shapes = numbers(value, cols);
            break;
        case 'n':
            n_count = numbers(value, n_list);
            break;
        case 'r':
            if (argv[i][1] == 'o')
                n_shapes = numbers(value, rows);
            else
                reps = (uint32_t)strtoul(value, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    for (size_t s = 0; s < IG_COUNT(SETS); s++) {
        if (strcmp(SETS[s]->isa, isa) != 0)
            continue;
        for (uint32_t t = 0; t < n_threads; t++) {
            double roofs[4];
            measure_roofs(&ROOFS[s], threads[t], roofs);
            printf("# isa=%s threads=%u read=%.1f GB/s int8=%.0f GOPS bf16=%.0f GFLOPS fma=%.0f "
                   "GFLOPS\n",
                   isa, threads[t], roofs[0], roofs[1], roofs[2], roofs[3]);
            puts("type,cols,rows,n,threads,gops,percent_of_dot,weight_gb_s,percent_of_read,time_"
                 "over_n1,pack_mb_s");
            for (uint32_t i = 0; i < n_shapes; i++)
                for (size_t k = 0; k < SETS[s]->n_kernels; k++)
                    if (chosen(types, ig_dtype_info(SETS[s]->kernels[k].dtype)->name))
                        measure(&ROOFS[s], SETS[s], &SETS[s]->kernels[k], rows[i], cols[i], n_list,
                                n_count, threads[t], reps, rotate_bytes, roofs);
        }
    }
    return 0;
}
