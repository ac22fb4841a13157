/* codec_bf16.h: BF16 for float_body.h; bf16_load, bf16_bcast and bf16_dot are verbs of the ISA:
 * pairs, or two steps of f32. */
#ifndef IG_BACKEND_CPU_CODEC_BF16_H
#define IG_BACKEND_CPU_CODEC_BF16_H

#include "backend/cpu/matmul_int.h"

enum {
    bf16_dtype = IG_DTYPE_BF16,
    bf16_form = IG_BF16_FORM,
    bf16_steps = IG_BF16_STEPS,
    bf16_quant_bytes = 64,
};

#endif
