/* codec_iq4_xs.h: IQ4_XS for super256_body.h: nibbles that index 16 levels, as IQ4_NL; scales of 32
 * inputs. */
#ifndef IG_BACKEND_CPU_CODEC_IQ4_XS_H
#define IG_BACKEND_CPU_CODEC_IQ4_XS_H

#include "backend/cpu/codec_block32.h"

enum {
    iq4_xs_dtype = IG_DTYPE_IQ4_XS,
    iq4_xs_groups = 4,
    iq4_xs_subs = 2,
    iq4_xs_words = 8,
    iq4_xs_together = 1,
    iq4_xs_apart = 2,
    iq4_xs_bits8 = 1,
    iq4_xs_offset_shift = 7,
    iq4_xs_mins = 0,
    iq4_xs_quant_bytes = 2048,
    iq4_xs_scale_bytes = 192,
};

IG_INLINE vi iq4_xs_operand(const uint8_t *q, int group, const int sub, const int word) {
    return levels16(q + (8 * group + 4 * sub) * (int)IG_LINE, word);
}
IG_INLINE vf iq4_xs_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 128 + 2 * row);
}
IG_INLINE vf iq4_xs_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    return vi_to_f32(vi_load_s8(s + 16 * sub + row));
}
IG_INLINE vf iq4_xs_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}
IG_INLINE vi iq4_xs_least_pair(const uint8_t *s, uint32_t row, int pair) {
    (void)s, (void)row, (void)pair;
    return vi_zero();
}

#endif
