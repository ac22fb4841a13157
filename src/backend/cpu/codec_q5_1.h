/* codec_q5_1.h: Q5_1 for block32_body.h: five bits, scale and least value. */
#ifndef IG_BACKEND_CPU_CODEC_Q5_1_H
#define IG_BACKEND_CPU_CODEC_Q5_1_H

#include "backend/cpu/codec_block32.h"

enum {
    q5_1_dtype = IG_DTYPE_Q5_1,
    q5_1_bits8 = 0,
    q5_1_offset_shift = -1,
    q5_1_min = 1,
    q5_1_quant_bytes = 320,
    q5_1_scale_bytes = 64
};

IG_INLINE vi q5_1_operand(const uint8_t *q, const int p) {
    return nibbles5(q, p);
}
IG_INLINE vf q5_1_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 2 * row);
}
IG_INLINE vf q5_1_least(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 32 + 2 * row);
}

#endif
