/* tiny_model.h: a small random transformer of known ops, for tests that need a whole model and no
 * file. */
#ifndef IG_TESTS_TINY_MODEL_H
#define IG_TESTS_TINY_MODEL_H

#include "kernels/run_program.h"

#define TINY_VOCAB 61u

/* All zero: two layers of the llama kind. */
typedef struct tiny_options {
    uint32_t n_layers; /* 0 = 2 */
    uint32_t window;   /* of every even layer */
    bool experts;      /* routed experts in every odd layer, with a merged gate and up product */
    bool sandwich;  /* norms after the branches, norm of q and k, softcap of the logits: the gemma
                       kind */
    ig_dtype dtype; /* of the matrices; NONE = F32 */
    uint64_t seed;
} tiny_options;

IG_MUST_USE ig_status tiny_model(const tiny_options *options, ig_program **out, ig_err *err);

#endif
