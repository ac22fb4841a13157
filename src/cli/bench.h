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

/* Each is one kind of benchmark and returns the exit code. format: "md", "csv" or "json". */
int bench_batch(const cli_options *o, const char *format);

#endif
