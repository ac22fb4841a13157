/* arch.h: face of the arch room, floor 4: architecture table; checkpoint + row → program for one
 * model. A row holds names, keys, fields and a recipe; there is no code per model. */
#ifndef IG_ARCH_ARCH_H
#define IG_ARCH_ARCH_H

#include "formats/formats.h"
#include "plan/plan.h"

typedef struct ig_arch_options {
    /* Tokens of one sequence, fixed at open (chooses long rope factors); 0 = the model's. */
    uint32_t context_max;
    /* Overrides by the user; 0 / NULL = as the file says. */
    double rope_freq_base, rope_freq_scale;
    const char *rope_scaling; /* "none", "linear", "yarn" */
    bool embeddings;          /* output is the final norm's rows instead of logits */
    const ig_logger *logger;
} ig_arch_options;

/* Reads the row once and emits a program whose weights borrow the checkpoint's tensors (the
 * checkpoint must outlive it). Errors name file key, tensor, shape and remedy: an unknown
 * architecture lists near names; a missing key or tensor, a wrong shape, a dtype without codec, a
 * tensor or a graph-shaping key that the row neither uses nor lists as ignored. */
IG_MUST_USE ig_status ig_arch_build(ig_program **out, const ig_checkpoint *ckpt,
                                    const ig_arch_options *options, ig_err *err);

/* Names of all rows, for listings: NULL after the last. */
const char *ig_arch_name(size_t i);
bool ig_arch_known(ig_str name);

#endif
