/* codec_q6_k.h: Q6_K for super256_body.h: a group is 128 inputs: four quarters of 32, two
 * sub-blocks each. Low nibbles of the group's 16 lines are quarters 0 and 1, high nibbles 2 and 3;
 * bits 2t of the 8 upper lines belong to quarter t. */
#ifndef IG_BACKEND_CPU_CODEC_Q6_K_H
#define IG_BACKEND_CPU_CODEC_Q6_K_H

#include "backend/cpu/matmul_int.h"

enum {
    q6_k_dtype = IG_DTYPE_Q6_K,
    q6_k_groups = 2,
    q6_k_subs = 8,
    q6_k_words = 4,
    q6_k_together = 2,
    q6_k_apart = 4,
    q6_k_bits8 = 0,
    q6_k_offset_shift = 5,
    q6_k_mins = 0,
    q6_k_quant_bytes = 3072,
    q6_k_scale_bytes = 320,
};

IG_INLINE vi q6_k_operand(const uint8_t *q, int group, const int sub, const int word) {
    const int quarter = sub / 2, column = sub % 2 * 4 + word;
    const uint8_t *const g = q + 24 * group * (int)IG_LINE;
    const int low_line = quarter % 2 == 0 ? 2 * column + 1 : 16 + column;
    const vi line = vi_load(g + low_line * (int)IG_LINE);
    const vi bits = vi_load(g + 2 * column * (int)IG_LINE);
    const vi low = vi_and(quarter < 2 ? line : vi_shr16(line, 4), vi_set8(15));
    const vi high = quarter == 0   ? vi_shl16(bits, 4)
                    : quarter == 1 ? vi_shl16(bits, 2)
                    : quarter == 2 ? bits
                                   : vi_shr16(bits, 2);
    return vi_or_and(low, high, vi_set8(48));
}
IG_INLINE vf q6_k_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 256 + 2 * row);
}
IG_INLINE vf q6_k_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    return vi_to_f32(vi_load_s8(s + 16 * sub + row));
}
IG_INLINE vf q6_k_least(const uint8_t *s, uint32_t row) {
    (void)s, (void)row;
    return vf_zero();
}
IG_INLINE vi q6_k_least_pair(const uint8_t *s, uint32_t row, int pair) {
    (void)s, (void)row, (void)pair;
    return vi_zero();
}

#endif
