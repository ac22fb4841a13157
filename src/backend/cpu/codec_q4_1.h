/* codec_q4_1.h: Q4_1 for block32_body.h: nibbles, scale and least value. */
#ifndef IG_BACKEND_CPU_CODEC_Q4_1_H
#define IG_BACKEND_CPU_CODEC_Q4_1_H

#include "backend/cpu/codec_block32.h"

enum {
    q4_1_dtype = IG_DTYPE_Q4_1,
    q4_1_bits8 = 0,
    q4_1_offset_shift = -1,
    q4_1_min = 1,
    q4_1_quant_bytes = 256,
    q4_1_scale_bytes = 64
};

IG_INLINE vi q4_1_operand(const uint8_t *q, const int p) {
    return nibbles(q, p);
}
IG_INLINE vf q4_1_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 2 * row);
}
IG_INLINE vf q4_1_least(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 32 + 2 * row);
}

#endif
