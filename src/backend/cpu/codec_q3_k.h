/* codec_q3_k.h: Q3_K for super256_body.h: a group is 128 inputs: bits 2t of the group's 8 lines are
 * quarter t, two sub-blocks each; bit 4 * group + t of lines 16.. is the third bit. */
#ifndef IG_BACKEND_CPU_CODEC_Q3_K_H
#define IG_BACKEND_CPU_CODEC_Q3_K_H

#include "backend/cpu/matmul_int.h"

enum {
    q3_k_dtype = IG_DTYPE_Q3_K,
    q3_k_groups = 2,
    q3_k_subs = 8,
    q3_k_words = 4,
    q3_k_together = 4,
    q3_k_apart = 2,
    q3_k_bits8 = 0,
    q3_k_offset_shift = 2,
    q3_k_mins = 0,
    q3_k_quant_bytes = 1536,
    q3_k_scale_bytes = 320,
};

IG_INLINE vi q3_k_operand(const uint8_t *q, int group, const int sub, const int word) {
    const int quarter = sub / 2, column = sub % 2 * 4 + word;
    const vi line = vi_load(q + (8 + 8 * group + column) * (int)IG_LINE);
    const vi bits = vi_shr16_by(vi_load(q + column * (int)IG_LINE), 4 * group);
    const vi low = vi_and(vi_shr16(line, 2 * quarter), vi_set8(3));
    const vi high = quarter == 0   ? vi_shl16(bits, 2)
                    : quarter == 1 ? vi_shl16(bits, 1)
                    : quarter == 2 ? bits
                                   : vi_shr16(bits, 1);
    return vi_or_and(low, high, vi_set8(4));
}
IG_INLINE vf q3_k_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 256 + 2 * row);
}
IG_INLINE vf q3_k_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    return vi_to_f32(vi_load_s8(s + 16 * sub + row));
}
IG_INLINE vf q3_k_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}
IG_INLINE vi q3_k_least_pair(const uint8_t *s, uint32_t row, int pair) {
    (void)s, (void)row, (void)pair;
    return vi_zero();
}

#endif
