/* run_program.h: runs a program on any backend the way a scheduler would: several sequences, cut
 * into steps in different ways, pages in scattered order. Used by every test that compares backends
 * or chunkings. Owns nothing after it returns. */
#ifndef IG_TESTS_RUN_PROGRAM_H
#define IG_TESTS_RUN_PROGRAM_H

#include "backend/backend.h"

#define RUN_SEQS_MAX 4u

/* How the tokens of all sequences are cut into steps. */
typedef enum run_cut {
    RUN_WHOLE,  /* everything in one step */
    RUN_ALONE,  /* one sequence a step */
    RUN_CHUNKS, /* `chunk` rows of every sequence a step */
    RUN_UNEVEN, /* 1, 2, 3, … rows, differently for each sequence */
    RUN_CUT_COUNT
} run_cut;

typedef struct run_spec {
    uint32_t n_seqs;
    uint32_t lens[RUN_SEQS_MAX];
    const int32_t *ids;       /* all tokens, sequence after sequence */
    const int32_t *positions; /* likewise, or NULL */
    run_cut cut;
    uint32_t chunk;
    bool free_pages;           /* gives pages back that fell out of the window of their group */
    ig_dtype k_dtype, v_dtype; /* NONE = F32 */
} run_spec;

uint32_t run_tokens(const run_spec *spec);

/* Takes the program. out [tokens][cols of the output value], in the order of ids; for outputs of
 * row class SEQS (which need RUN_WHOLE) [n_seqs][cols]. */
IG_MUST_USE ig_status run_program(const ig_backend_fns *fns, const ig_device_options *options,
                                  ig_program **program, const run_spec *spec, float *out,
                                  ig_err *err);

/* Deterministic numbers for tests: splitmix64, uniform in [-1, 1]. */
typedef struct run_rng {
    uint64_t state;
} run_rng;
uint32_t run_random(run_rng *rng);
float run_uniform(run_rng *rng);

/* Weight of random content in the program's arena. Types with an encoder hold encoded values in
 * [-size, size]; of others each block is random bytes, drawn again until every element is finite
 * and the largest lies in [size / 64, 4 size]. */
IG_MUST_USE ig_status run_weight(ig_program *p, run_rng *rng, ig_dtype dtype, uint32_t cols,
                                 uint32_t rows, uint32_t stack, float size, ig_weight_id *out,
                                 ig_err *err);
/* The same with given f32 content. */
IG_MUST_USE ig_status run_weight_of(ig_program *p, const float *data, uint32_t cols, uint32_t rows,
                                    uint32_t stack, ig_weight_id *out, ig_err *err);

#endif
