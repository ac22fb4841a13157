/* codec_q4_0.h: Q4_0 for block32_body.h: nibbles 8 too large. */
#ifndef IG_BACKEND_CPU_CODEC_Q4_0_H
#define IG_BACKEND_CPU_CODEC_Q4_0_H

#include "backend/cpu/codec_block32.h"

enum {
    q4_0_dtype = IG_DTYPE_Q4_0,
    q4_0_bits8 = 0,
    q4_0_offset_shift = 3,
    q4_0_min = 0,
    q4_0_quant_bytes = 256,
    q4_0_scale_bytes = 32
};

IG_INLINE vi q4_0_operand(const uint8_t *q, const int p) {
    return nibbles(q, p);
}
IG_INLINE vf q4_0_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 2 * row);
}
IG_INLINE vf q4_0_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}

#endif
