/* codec_q5_0.h: Q5_0 for block32_body.h: five bits, 16 too large. */
#ifndef IG_BACKEND_CPU_CODEC_Q5_0_H
#define IG_BACKEND_CPU_CODEC_Q5_0_H

#include "backend/cpu/codec_block32.h"

enum {
    q5_0_dtype = IG_DTYPE_Q5_0,
    q5_0_bits8 = 0,
    q5_0_offset_shift = 4,
    q5_0_min = 0,
    q5_0_quant_bytes = 320,
    q5_0_scale_bytes = 32
};

IG_INLINE vi q5_0_operand(const uint8_t *q, const int p) {
    return nibbles5(q, p);
}
IG_INLINE vf q5_0_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 2 * row);
}
IG_INLINE vf q5_0_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}

#endif
