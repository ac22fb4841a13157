/* codec_mxfp4.h: MXFP4 for block32_body.h: doubled E2M1 levels, 16 too large; halved E8M0 scales.
 */
#ifndef IG_BACKEND_CPU_CODEC_MXFP4_H
#define IG_BACKEND_CPU_CODEC_MXFP4_H

#include "backend/cpu/codec_block32.h"

enum {
    mxfp4_dtype = IG_DTYPE_MXFP4,
    mxfp4_bits8 = 0,
    mxfp4_offset_shift = 4,
    mxfp4_min = 0,
    mxfp4_quant_bytes = 256,
    mxfp4_scale_bytes = 16,
};

IG_INLINE vi mxfp4_operand(const uint8_t *q, const int p) {
    static const int8_t LEVELS[16] = {16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4};
    return vt_lookup(vt_load(LEVELS), nibbles(q, p));
}
IG_INLINE vf mxfp4_scale(const uint8_t *s, uint32_t row) {
    return vf_load_e8m0_half(s + row);
}
IG_INLINE vf mxfp4_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}

#endif
