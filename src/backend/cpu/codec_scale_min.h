/* codec_scale_min.h: the scales and mins of Q4_K and Q5_K, six bits each, in three words of a row
 * (a line of 16 rows each):
 *
 *   word 0  bits 6g: scale 2g      bits 24..29: min 4   bits 30..31: min 6, upper bits
 *   word 1  bits 6g: scale 2g + 1  bits 24..29: min 5   bits 30..31: min 7, upper bits
 *   word 2  bits 0, 16, 6, 22: mins 0, 1, 2, 3   bits 12..15, 28..31: mins 6, 7, lower bits
 *
 * so that the scales of a group are found by one shift and pairs of mins as pairs of halves. Then
 * the scales d and dmin of the super-block. ig_pack_scale_min writes what the rest reads. */
#ifndef IG_BACKEND_CPU_CODEC_SCALE_MIN_H
#define IG_BACKEND_CPU_CODEC_SCALE_MIN_H

#include "backend/cpu/matmul_int.h"

enum { SCALE_MIN_D = 3 * IG_LINE, SCALE_MIN_DMIN = SCALE_MIN_D + 32, SCALE_MIN_BYTES = 256 };

IG_INLINE vf scale_min_sub_scale(const uint8_t *s, uint32_t row, int sub) {
    const vi word = vi_load(s + (sub & 1) * (int)IG_LINE + 4 * row);
    return vi_to_f32(vi_and(vi_shr32(word, 6 * (sub >> 1)), vi_set32(63)));
}

/* Mins 2j and 2j + 1 as halves of a lane. */
IG_INLINE vi scale_min_least_pair(const uint8_t *s, uint32_t row, int j) {
    const vi a = vi_load(s + 4 * row), b = vi_load(s + IG_LINE + 4 * row);
    const vi c = vi_load(s + 2 * IG_LINE + 4 * row);
    switch (j) {
    case 0:
        return vi_and(c, vi_set32(0x3f003f));
    case 1:
        return vi_and(vi_shr32(c, 6), vi_set32(0x3f003f));
    case 2:
        return vi_or_and(vi_and(vi_shr32(a, 24), vi_set32(63)), vi_shr32(b, 8), vi_set32(0x3f0000));
    default:
        return vi_or_and(
            vi_or_and(vi_and(vi_shr32(c, 12), vi_set32(0xf000f)), vi_shr32(a, 26), vi_set32(0x30)),
            vi_shr32(b, 10), vi_set32(0x300000));
    }
}

#endif
