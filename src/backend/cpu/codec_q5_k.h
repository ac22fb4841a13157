/* codec_q5_k.h: Q5_K for super256_body.h: as Q4_K; bit s of the bytes of lines 32.. is the fifth
 * bit of sub-block s. */
#ifndef IG_BACKEND_CPU_CODEC_Q5_K_H
#define IG_BACKEND_CPU_CODEC_Q5_K_H

#include "backend/cpu/codec_scale_min.h"

enum {
    q5_k_dtype = IG_DTYPE_Q5_K,
    q5_k_groups = 4,
    q5_k_subs = 2,
    q5_k_words = 8,
    q5_k_together = 2,
    q5_k_apart = 1,
    q5_k_bits8 = 0,
    q5_k_offset_shift = -1,
    q5_k_mins = 4,
    q5_k_quant_bytes = 2560,
    q5_k_scale_bytes = SCALE_MIN_BYTES,
};

IG_INLINE vi q5_k_operand(const uint8_t *q, int group, const int sub, const int word) {
    const vi line = vi_load(q + (8 + 8 * group + word) * (int)IG_LINE);
    const vi bits = vi_shr16_by(vi_load(q + word * (int)IG_LINE), 2 * group);
    const vi low = vi_and(sub == 0 ? line : vi_shr16(line, 4), vi_set8(15));
    return vi_or_and(low, sub == 0 ? vi_shl16(bits, 4) : vi_shl16(bits, 3), vi_set8(16));
}
IG_INLINE vf q5_k_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + SCALE_MIN_D + 2 * row);
}
IG_INLINE vf q5_k_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    return scale_min_sub_scale(s, row, sub);
}
IG_INLINE vf q5_k_least(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + SCALE_MIN_DMIN + 2 * row);
}
IG_INLINE vi q5_k_least_pair(const uint8_t *s, uint32_t row, int pair) {
    return scale_min_least_pair(s, row, pair);
}

#endif
