/* codec_iq4_nl.h: IQ4_NL for block32_body.h: nibbles that index 16 levels. */
#ifndef IG_BACKEND_CPU_CODEC_IQ4_NL_H
#define IG_BACKEND_CPU_CODEC_IQ4_NL_H

#include "backend/cpu/codec_block32.h"

enum {
    iq4_nl_dtype = IG_DTYPE_IQ4_NL,
    iq4_nl_bits8 = 1,
    iq4_nl_offset_shift = 7,
    iq4_nl_min = 0,
    iq4_nl_quant_bytes = 256,
    iq4_nl_scale_bytes = 32,
};

IG_INLINE vi iq4_nl_operand(const uint8_t *q, const int p) {
    return levels16(q, p);
}
IG_INLINE vf iq4_nl_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 2 * row);
}
IG_INLINE vf iq4_nl_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}

#endif
