/* codec_q2_k.h: Q2_K for super256_body.h: a group is 128 inputs: bits 2t of the group's 8 lines are
 * quarter t, two sub-blocks each; a scale byte has the min in its high nibble. */
#ifndef IG_BACKEND_CPU_CODEC_Q2_K_H
#define IG_BACKEND_CPU_CODEC_Q2_K_H

#include "backend/cpu/matmul_int.h"

enum {
    q2_k_dtype = IG_DTYPE_Q2_K,
    q2_k_groups = 2,
    q2_k_subs = 8,
    q2_k_words = 4,
    q2_k_together = 4,
    q2_k_apart = 2,
    q2_k_bits8 = 0,
    q2_k_offset_shift = -1,
    q2_k_mins = 8,
    q2_k_quant_bytes = 1024,
    q2_k_scale_bytes = 320,
};

IG_INLINE vi q2_k_operand(const uint8_t *q, int group, const int sub, const int word) {
    const int quarter = sub / 2, column = sub % 2 * 4 + word;
    return vi_and(vi_shr16(vi_load(q + (8 * group + column) * (int)IG_LINE), 2 * quarter),
                  vi_set8(3));
}
IG_INLINE vf q2_k_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 256 + 2 * row);
}
IG_INLINE vf q2_k_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    return vi_to_f32(vi_and(vi_load_u8(s + 16 * sub + row), vi_set8(15)));
}
IG_INLINE vf q2_k_least(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + 288 + 2 * row);
}
IG_INLINE vi q2_k_least_pair(const uint8_t *s, uint32_t row, int pair) {
    const vi even = vi_shr16(vi_load_u8(s + 32 * pair + row), 4),
             odd = vi_shr16(vi_load_u8(s + 32 * pair + 16 + row), 4);
    return vi_add(even, vi_shl32(odd, 16));
}

#endif
