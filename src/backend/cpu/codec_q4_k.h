/* codec_q4_k.h: Q4_K for super256_body.h: a group is 64 inputs in 8 lines, low nibbles first. */
#ifndef IG_BACKEND_CPU_CODEC_Q4_K_H
#define IG_BACKEND_CPU_CODEC_Q4_K_H

#include "backend/cpu/codec_scale_min.h"

enum {
    q4_k_dtype = IG_DTYPE_Q4_K,
    q4_k_groups = 4,
    q4_k_subs = 2,
    q4_k_words = 8,
    q4_k_together = 2,
    q4_k_apart = 1,
    q4_k_bits8 = 0,
    q4_k_offset_shift = -1,
    q4_k_mins = 4,
    q4_k_quant_bytes = 2048,
    q4_k_scale_bytes = SCALE_MIN_BYTES,
};

IG_INLINE vi q4_k_operand(const uint8_t *q, int group, const int sub, const int word) {
    const vi line = vi_load(q + (8 * group + word) * (int)IG_LINE);
    return vi_and(sub == 0 ? line : vi_shr16(line, 4), vi_set8(15));
}
IG_INLINE vf q4_k_scale(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + SCALE_MIN_D + 2 * row);
}
IG_INLINE vf q4_k_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    return scale_min_sub_scale(s, row, sub);
}
IG_INLINE vf q4_k_least(const uint8_t *s, uint32_t row) {
    return vf_load_f16(s + SCALE_MIN_DMIN + 2 * row);
}
IG_INLINE vi q4_k_least_pair(const uint8_t *s, uint32_t row, int pair) {
    return scale_min_least_pair(s, row, pair);
}

#endif
