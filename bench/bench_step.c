/* bench_step.c: steps that decode some sequences at once, each with pages of its own.
 *
 *     bench_step MODEL.gguf [seqs=1,2,4,8] [depth=192] [threads=2] [rounds=5] [isa=…] [ops=1]
 *
 * One line per number of sequences: milliseconds of the quickest and of the median step, tokens a
 * second of the quickest, and two hashes: of the first row's logits, which may not depend on how
 * many sequences there are, and of all rows. Numbers of sequences take turns, so that a busy moment
 * of the machine meets all of them. ops=1 adds seconds per kind of op, weights apart. */
#include "arch/arch.h"
#include "backend/backend.h"
#include "backend/cpu/cpu.h"
#include "formats/formats.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEQS_MAX 64u
#define COUNTS_MAX 16u
#define ROUNDS_MAX 512u
#define TOKENS_MAX 512u
#define KINDS_MAX 64u
#define ROUND_NS 300000000u /* of one number of sequences */

typedef struct setting {
    const char *path, *isa;
    uint32_t counts[COUNTS_MAX], n_counts;
    uint32_t depth, threads, rounds;
    bool ops;
} setting;

typedef struct bench {
    setting set;
    ig_checkpoint *ckpt;
    ig_device *device;
    ig_plan *plan;
    ig_module *module;
    ig_pool *pool;
    uint32_t seq_pages;
    uint32_t *pages;    /* [SEQS_MAX][seq_pages]: sequence s has pages s, s + 64, … */
    ig_batch_seq *seqs; /* [SEQS_MAX] */
    int32_t *ids;       /* [TOKENS_MAX] */
    uint32_t *outputs;  /* [SEQS_MAX] */
    double *op_seconds; /* [n_ops], sums */
    double ms[COUNTS_MAX][ROUNDS_MAX];
    uint32_t n_ms[COUNTS_MAX];
} bench;

static uint32_t number(const char *text) {
    const unsigned long v = strtoul(text, NULL, 10);
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static bool read_counts(setting *s, const char *text) {
    s->n_counts = 0;
    for (const char *p = text; p && s->n_counts < COUNTS_MAX; p = strchr(p, ',')) {
        p += *p == ',';
        const uint32_t n = number(p);
        if (n < 1 || n > SEQS_MAX)
            return false;
        s->counts[s->n_counts++] = n;
    }
    return true;
}

static bool read_arguments(setting *s, int argc, char **argv) {
    *s = (setting){.depth = 192, .threads = ig_core_count(), .rounds = 5};
    bool ok = read_counts(s, "1,2,4,6,8,16,32,64");
    for (int i = 1; ok && i < argc; i++) {
        const char *const v = strchr(argv[i], '=') ? strchr(argv[i], '=') + 1 : NULL;
        const size_t n = v ? (size_t)(v - argv[i]) : 0;
        if (!v)
            s->path = argv[i];
        else if (strncmp(argv[i], "seqs=", n) == 0)
            ok = read_counts(s, v);
        else if (strncmp(argv[i], "depth=", n) == 0)
            s->depth = number(v);
        else if (strncmp(argv[i], "threads=", n) == 0)
            s->threads = number(v);
        else if (strncmp(argv[i], "rounds=", n) == 0)
            s->rounds = number(v);
        else if (strncmp(argv[i], "isa=", n) == 0)
            s->isa = v;
        else if (strncmp(argv[i], "ops=", n) == 0)
            s->ops = number(v) != 0;
        else
            ok = false;
    }
    return ok && s->path && s->depth >= 1 && s->depth < 1u << 20 && s->rounds >= 1;
}

static ig_status open_model(bench *b, ig_err *err) {
    const setting *s = &b->set;
    const uint32_t context = s->depth + 1;
    const ig_checkpoint_options files = {0};
    IG_TRY(ig_checkpoint_open(&b->ckpt, s->path, &files, err));
    const ig_arch_options arch = {.context_max = context};
    ig_program *program = NULL;
    IG_TRY(ig_arch_build(&program, b->ckpt, &arch, err));
    for (uint32_t w = 1; w < program->n_weights; w++)
        program->weights[w].mapped = program->weights[w].tensor >= 0;
    const ig_device_options device = {
        .n_threads = s->threads, .cpu_isa = s->isa, .profile = s->ops};
    const ig_status status = ig_device_open(&b->device, &ig_backend_cpu, &device, err);
    if (status) {
        ig_program_destroy(&program);
        return status;
    }
    const ig_limits limits = {.tokens_max = IG_MIN(TOKENS_MAX, IG_MAX(context, SEQS_MAX)),
                              .outputs_max = SEQS_MAX,
                              .seqs_max = SEQS_MAX,
                              .context_max = context};
    IG_TRY(ig_plan_create(&b->plan, &program, ig_device_caps(b->device), &limits, err));
    IG_TRY(ig_module_load(&b->module, b->device, b->plan, err));
    b->seq_pages = (uint32_t)ig_div_up(context, IG_PAGE_TOKENS);
    ig_pool_options pool = {.k_dtype = IG_DTYPE_F16, .v_dtype = IG_DTYPE_F16};
    for (uint32_t g = 0; g < b->plan->n_groups; g++)
        pool.n_pages[g] = SEQS_MAX * b->seq_pages;
    return ig_pool_open(&b->pool, b->module, &pool, err);
}

static ig_status reserve(bench *b, ig_err *err) {
    b->pages = ig_alloc((size_t)SEQS_MAX * b->seq_pages, sizeof *b->pages);
    b->seqs = ig_alloc(SEQS_MAX, sizeof *b->seqs);
    b->ids = ig_alloc(TOKENS_MAX, sizeof *b->ids);
    b->outputs = ig_alloc(SEQS_MAX, sizeof *b->outputs);
    b->op_seconds = ig_alloc(b->plan->program->n_ops, sizeof *b->op_seconds);
    if (!b->pages || !b->seqs || !b->ids || !b->outputs || !b->op_seconds)
        return ig_fail_memory(err, SEQS_MAX * b->seq_pages * sizeof *b->pages);
    for (uint32_t s = 0; s < SEQS_MAX; s++) {
        for (uint32_t p = 0; p < b->seq_pages; p++)
            b->pages[s * b->seq_pages + p] = p * SEQS_MAX + s;
    }
    return IG_OK;
}

static ig_status step(bench *b, uint32_t n_seqs, uint32_t n_rows, uint32_t n_past, ig_err *err) {
    ig_batch batch = {.n_tokens = n_seqs * n_rows,
                      .ids = b->ids,
                      .n_seqs = n_seqs,
                      .seqs = b->seqs,
                      .pages = b->pages,
                      .n_pages = n_seqs * b->seq_pages,
                      .outputs = b->outputs,
                      .n_outputs = n_seqs};
    for (uint32_t s = 0; s < n_seqs; s++) {
        b->seqs[s] = (ig_batch_seq){.row = s * n_rows, .n_rows = n_rows, .n_past = n_past};
        for (uint32_t g = 0; g < b->plan->n_groups; g++)
            b->seqs[s].table[g] = s * b->seq_pages;
        b->outputs[s] = (s + 1) * n_rows - 1;
    }
    IG_TRY(ig_step_submit(b->module, b->pool, &batch, err));
    return ig_step_wait(b->module, err);
}

/* The first sequence reads its tokens; the others get copies of its pages. */
static ig_status fill(bench *b, ig_err *err) {
    const uint32_t vocab = b->plan->program->facts.n_vocab;
    const uint32_t most = b->plan->limits.tokens_max;
    for (uint32_t at = 0; at < b->set.depth; at += most) {
        const uint32_t n = IG_MIN(most, b->set.depth - at);
        for (uint32_t i = 0; i < n; i++)
            b->ids[i] = (int32_t)((at + i) * 7919u % vocab);
        IG_TRY(step(b, 1, n, at, err));
    }
    for (uint32_t g = 0; g < b->plan->n_groups; g++) {
        for (uint32_t s = 1; s < SEQS_MAX; s++)
            IG_TRY(
                ig_pool_copy(b->pool, g, b->pages, b->pages + s * b->seq_pages, b->seq_pages, err));
    }
    for (uint32_t s = 0; s < SEQS_MAX; s++)
        b->ids[s] = (int32_t)(s * 104729u % vocab);
    return IG_OK;
}

static uint32_t hash_rows(const bench *b, uint32_t n_rows) {
    const float *out = ig_step_outputs(b->module);
    const size_t n = (size_t)n_rows * b->plan->program->facts.n_vocab;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &out[i], 4);
        hash = (hash ^ bits) * 16777619u;
    }
    return hash;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Steps of one number of sequences, for a while. */
static ig_status measure(bench *b, uint32_t c, ig_err *err) {
    const uint64_t start = ig_clock_ns();
    for (uint64_t now = start; now - start < ROUND_NS && b->n_ms[c] < ROUNDS_MAX;) {
        const uint64_t before = now;
        IG_TRY(step(b, b->set.counts[c], 1, b->set.depth, err));
        now = ig_clock_ns();
        b->ms[c][b->n_ms[c]++] = (double)(now - before) * 1e-6;
    }
    return IG_OK;
}

/* What an op's seconds are summed under: its kind, and its weight without the layer's number. */
static void op_name(const ig_program *p, const ig_op *op, char *to, size_t n) {
    const ig_weight_id w =
        op->kind == IG_OP_LINEAR ? op->u.linear.parts[0].weight : (ig_weight_id)0;
    ig_str name = p->weights[w].name;
    if (ig_str_starts(name, IG_STR("blk."))) {
        const char *const dot = memchr(name.p + 4, '.', name.n - 4);
        if (dot)
            name = (ig_str){dot + 1, name.n - (size_t)(dot + 1 - name.p)};
    }
    snprintf(to, n, "%s %.*s", ig_op_info(op->kind)->name, w ? (int)name.n : 0, w ? name.p : "");
}

static ig_status print_ops(bench *b, uint32_t n_seqs, ig_err *err) {
    const ig_program *p = b->plan->program;
    char names[KINDS_MAX][64];
    double sums[KINDS_MAX] = {0};
    uint32_t n = 0;
    for (uint32_t r = 0; r < b->set.rounds; r++) {
        memset(b->op_seconds, 0, p->n_ops * sizeof *b->op_seconds);
        const double *seconds = ig_step_op_seconds(b->module);
        for (uint32_t i = 0; i < p->n_ops; i++)
            b->op_seconds[i] -= seconds[i];
        IG_TRY(step(b, n_seqs, 1, b->set.depth, err));
        for (uint32_t i = 0; i < p->n_ops; i++) {
            char name[64];
            op_name(p, &p->ops[i], name, sizeof name);
            uint32_t k = 0;
            while (k < n && strcmp(names[k], name) != 0)
                k++;
            if (k == n && n < KINDS_MAX)
                memcpy(names[n++], name, sizeof name);
            if (k < n)
                sums[k] += b->op_seconds[i] + seconds[i];
        }
    }
    for (uint32_t k = 0; k < n; k++)
        printf("  %-40s %8.3f ms\n", names[k], sums[k] * 1e3 / b->set.rounds);
    return IG_OK;
}

static ig_status report(bench *b, uint32_t c, ig_err *err) {
    const uint32_t n = b->set.counts[c];
    IG_TRY(step(b, n, 1, b->set.depth, err));
    qsort(b->ms[c], b->n_ms[c], sizeof b->ms[c][0], compare);
    printf("%4u %9.3f %9.3f %9.1f  %08x %08x\n", n, b->ms[c][0], b->ms[c][b->n_ms[c] / 2],
           n / b->ms[c][0] * 1e3, hash_rows(b, 1), hash_rows(b, n));
    return b->set.ops ? print_ops(b, n, err) : IG_OK;
}

static ig_status run(bench *b, ig_err *err) {
    IG_TRY(open_model(b, err));
    IG_TRY(reserve(b, err));
    IG_TRY(fill(b, err));
    for (uint32_t r = 0; r < b->set.rounds; r++) {
        for (uint32_t c = 0; c < b->set.n_counts; c++)
            IG_TRY(measure(b, c, err));
    }
    puts("seqs   best ms median ms  tokens/s  first    all");
    for (uint32_t c = 0; c < b->set.n_counts; c++)
        IG_TRY(report(b, c, err));
    return IG_OK;
}

int main(int argc, char **argv) {
    static bench b;
    ig_err err = {0};
    if (!read_arguments(&b.set, argc, argv)) {
        fprintf(stderr,
                "use: bench_step MODEL.gguf [seqs=1,2,4 (at most %u each)] [depth=N] [threads=N] "
                "[rounds=N] [isa=NAME] [ops=1]\n",
                SEQS_MAX);
        return 2;
    }
    const ig_status status = run(&b, &err);
    if (status)
        fprintf(stderr, "%s: %s\n", b.set.path, err.message);
    ig_pool_close(&b.pool);
    ig_module_unload(&b.module);
    ig_plan_destroy(&b.plan);
    ig_device_close(&b.device);
    ig_checkpoint_close(&b.ckpt);
    ig_free(b.pages);
    ig_free(b.seqs);
    ig_free(b.ids);
    ig_free(b.outputs);
    ig_free(b.op_seconds);
    return status ? 1 : 0;
}
