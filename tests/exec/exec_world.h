/* exec_world.h: an executor over the history device, clients of it, and what each request must give
 * when it is computed alone, from the hash function and a sampler. */
#ifndef IG_TESTS_EXEC_WORLD_H
#define IG_TESTS_EXEC_WORLD_H

#include "exec/exec.h"
#include "history_backend.h"

#define WORLD_OUT_MAX 512u /* tokens of one sequence in tests */
#define WORLD_N_MAX 8u     /* sequences of one request, or beams */

/* Zero = the default after the sign. */
typedef struct world_options {
    uint32_t vocab;                 /* 64 */
    uint32_t windows[3], n_groups;  /* one group without a window */
    uint32_t pages;                 /* of each group: 256 */
    uint32_t tokens, seqs, outputs; /* 64, 16, seqs + 48 */
    uint32_t queue, context;        /* 1024, 2048 */
    uint32_t iterations;            /* 16 */
    ig_exec_policy policy;
    bool uncached, threaded;
    uint64_t ageing_us;
    uint32_t n_threads;
} world_options;

typedef struct world {
    history h;
    ig_device *device;
    ig_plan *plan;
    ig_module *module;
    ig_exec *exec;
    uint32_t vocab, context;
} world;

bool world_open(world *w, const world_options *options, ig_err *err);
void world_close(world *w);
/* Turns until nothing is left to do; false when it never ends. Manual worlds only. */
bool world_run(world *w);
/* Free and cached pages are all there are. */
bool world_is_clean(world *w);
ig_exec_facts world_facts(const world *w);

/* Numbers for workloads. */
typedef struct world_rng {
    uint64_t state;
} world_rng;
uint32_t world_below(world_rng *rng, uint32_t n);

/* Greedy, no ends, `max_tokens` tokens, records for every step. */
ig_exec_params world_params(const int32_t *ids, uint32_t n_ids, uint32_t max_tokens);

/* NULL, with the reason on stderr, when it is refused. */
ig_exec_request *world_submit(world *w, const ig_exec_params *p);
/* It gave exactly what it gives alone; closes it. Prints the first difference. */
bool world_gave(const world *w, ig_exec_request **r, const ig_exec_params *p);

/* What came of a request, or must come. */
typedef struct answer {
    int32_t ids[WORLD_N_MAX][WORLD_OUT_MAX];
    float logprobs[WORLD_N_MAX][WORLD_OUT_MAX];
    uint32_t n[WORLD_N_MAX];
    uint32_t reason[WORLD_N_MAX]; /* 0 = no last record */
    uint32_t n_sequences;
    ig_status status; /* after the last record */
    ig_err err;
    bool beams; /* cut off early, they need not begin as they end */
} answer;

/* Takes all that is there. */
void answer_take(answer *a, ig_exec_request *r);
/* Computed alone; seed as the request had it. Hooks are left out. */
ig_status answer_alone(answer *a, const world *w, const ig_exec_params *p, uint64_t seed,
                       ig_err *err);
/* The same tokens, numbers and reasons; `part`: got may end anywhere. Prints the first difference.
 */
bool answer_same(const answer *got, const answer *want, bool part);

#endif
