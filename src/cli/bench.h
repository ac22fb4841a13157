/* bench.h: what the kinds of benchmark share. Internal to the cli room. */
#ifndef IG_CLI_BENCH_H
#define IG_CLI_BENCH_H

#include "cli/cli.h"

#define BENCH_LIST_MAX 16

typedef struct bench_list {
    uint32_t n[BENCH_LIST_MAX];
    uint32_t size;
} bench_list;

/* cmd_bench.c */
/* "128,512" → numbers from min to max; false: printed, with the option's name. */
bool bench_read_list(const char *option, const char *text, uint32_t min, uint32_t max,
                     bench_list *out);
uint32_t bench_list_max(const bench_list *list);
/* Any tokens: how fast a model is does not depend on what it reads. *state is the seed, and moves
 * on. */
void bench_random_ids(int32_t *ids, size_t n, uint32_t vocabulary, uint64_t *state);
uint32_t bench_random(uint64_t *state); /* 31 bits */
void bench_sort(double *values, size_t n);
/* False, printed, when what steps take is more than the memory that is free; with `whole`, what all
 * sequences at their longest take counts too. */
bool bench_check_memory(const cli_options *o, const ingot_model_options *m, bool whole);

/* bench_load.c */
typedef struct bench_arrival {
    double at_s;
    uint32_t pp, tg;
    uint64_t prefix; /* prompts of the same one begin with the same tokens; 0 = with nobody's */
} bench_arrival;
/* What arrives, in order: drawn as the options say, or read from the trace. *out is freed with
 * ig_free. Returns the exit code; what is wrong was printed. */
int bench_read_load(const cli_options *o, bench_arrival **out, uint32_t *n);
uint64_t bench_seed(const cli_options *o);

/* Each is one kind of benchmark and returns the exit code. format: "md", "csv" or "json". */
int bench_batch(const cli_options *o, const char *format);
int bench_serve(const cli_options *o, const char *format);

#endif
