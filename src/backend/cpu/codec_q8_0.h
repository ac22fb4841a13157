/* codec_q8_0.h: Q8_0 for block32_body.h: bytes stored 128 too large. */
#ifndef IG_BACKEND_CPU_CODEC_Q8_0_H
#define IG_BACKEND_CPU_CODEC_Q8_0_H

#include "backend/cpu/codec_block32.h"

enum {
    q8_0_dtype = IG_DTYPE_Q8_0,
    q8_0_bits8 = 1,
    q8_0_offset_shift = 7,
    q8_0_min = 0,
    q8_0_quant_bytes = 512,
    q8_0_scale_bytes = 32
};

IG_INLINE vi q8_0_operand(const uint8_t *q, const int p) {
    return vi_from_biased8(vi_load(q + p * (int)IG_LINE));
}
IG_INLINE vf q8_0_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 2 * row);
}
IG_INLINE vf q8_0_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}

#endif
