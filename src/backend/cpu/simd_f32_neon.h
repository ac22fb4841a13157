/* simd_f32_neon.h: the f32 verbs of kernel templates for AArch64; see simd_f32_avx512.h for their
 * meaning. vf_max and vf_min give NaN when an operand is NaN. */
#ifndef IG_BACKEND_CPU_SIMD_F32_NEON_H
#define IG_BACKEND_CPU_SIMD_F32_NEON_H

#include "base/compiler.h"

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#define VN 4
#define ATTN_TILE 3       /* 24 of 32 registers */
#define ATTN_WEIGH_TILE 3 /* queries x ATTN_COLUMNS vectors of output columns */
#define ATTN_COLUMNS 8
#define ATTN_PAIRS 0
#define IG_UNROLL _Pragma("GCC unroll 16")

typedef float32x4_t vf;
typedef uint32x4_t vm;

IG_INLINE vf vf_set(float x) {
    return vdupq_n_f32(x);
}
IG_INLINE vf vf_load(const float *p) {
    return vld1q_f32(p);
}
IG_INLINE void vf_store(float *p, vf v) {
    vst1q_f32(p, v);
}
IG_INLINE vf vf_loadn(const float *p, uint32_t n) {
    float t[4] = {0};
    memcpy(t, p, n * sizeof *t);
    return vld1q_f32(t);
}
IG_INLINE void vf_storen(float *p, vf v, uint32_t n) {
    float t[4];
    vst1q_f32(t, v);
    memcpy(p, t, n * sizeof *t);
}
IG_INLINE vf vf_add(vf a, vf b) {
    return vaddq_f32(a, b);
}
IG_INLINE vf vf_sub(vf a, vf b) {
    return vsubq_f32(a, b);
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
IG_INLINE vf vf_div(vf a, vf b) {
    return vdivq_f32(a, b);
}
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}
IG_INLINE vf vf_fnma(vf a, vf b, vf c) {
    return vfmsq_f32(c, a, b);
}
IG_INLINE vf vf_max(vf a, vf b) {
    return vmaxq_f32(a, b);
}
IG_INLINE vf vf_min(vf a, vf b) {
    return vminq_f32(a, b);
}
IG_INLINE vf vf_sqrt(vf a) {
    return vsqrtq_f32(a);
}
IG_INLINE vf vf_abs(vf a) {
    return vabsq_f32(a);
}
IG_INLINE vf vf_copysign(vf a, vf b) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), b, a);
}
IG_INLINE vf vf_round(vf a) {
    return vrndnq_f32(a);
}
/* In two steps, so that a denormal result is reached through normal factors. */
IG_INLINE vf vf_scale2(vf a, vf n) {
    const int32x4_t whole = vcvtnq_s32_f32(n), half = vshrq_n_s32(whole, 1),
                    bias = vdupq_n_s32(127);
    const float32x4_t first = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    const float32x4_t second =
        vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(whole, half), bias), 23));
    return vmulq_f32(vmulq_f32(a, first), second);
}
IG_INLINE vm vf_lt(vf a, vf b) {
    return vcltq_f32(a, b);
}
IG_INLINE vf vf_blend(vm m, vf yes, vf no) {
    return vbslq_f32(m, yes, no);
}
IG_INLINE vm vm_range(int32_t at, int32_t lo, int32_t hi) {
    static const int32_t lanes[4] = {0, 1, 2, 3};
    const int32x4_t lane = vaddq_s32(vdupq_n_s32(at), vld1q_s32(lanes));
    return vandq_u32(vcgeq_s32(lane, vdupq_n_s32(lo)), vcltq_s32(lane, vdupq_n_s32(hi)));
}
IG_INLINE float vf_hsum(vf a) {
    return vaddvq_f32(a);
}
IG_INLINE float vf_hmax(vf a) {
    return vmaxvq_f32(a);
}
IG_INLINE void vf_load2(const float *p, vf *even, vf *odd) {
    const float32x4x2_t v = vld2q_f32(p);
    *even = v.val[0];
    *odd = v.val[1];
}
IG_INLINE void vf_store2(float *p, vf even, vf odd) {
    vst2q_f32(p, (float32x4x2_t){{even, odd}});
}

IG_INLINE uint16x4_t load_halves(const uint16_t *p, uint32_t n) {
    uint16_t t[4] = {0};
    memcpy(t, p, n * sizeof *t);
    return vld1_u16(t);
}
IG_INLINE vf vf_load_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}
IG_INLINE vf vf_loadn_f16(const uint16_t *p, uint32_t n) {
    return vcvt_f32_f16(vreinterpret_f16_u16(load_halves(p, n)));
}
IG_INLINE void vf_store_f16(uint16_t *p, vf v) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}
IG_INLINE vf vf_load_bf16(const uint16_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16));
}
IG_INLINE vf vf_loadn_bf16(const uint16_t *p, uint32_t n) {
    return vreinterpretq_f32_u32(vshll_n_u16(load_halves(p, n), 16));
}
IG_INLINE vf vf_load_i8(const int8_t *p) {
    int32_t t;
    memcpy(&t, p, sizeof t);
    const int8x8_t b = vreinterpret_s8_s32(vdup_n_s32(t));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(b))));
}
IG_INLINE void vf_load_nibbles(const uint8_t *p, vf *low, vf *high) {
    uint32_t t;
    memcpy(&t, p, sizeof t);
    const uint32x4_t b = vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(t)))));
    const int32x4_t eight = vdupq_n_s32(8);
    *low = vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(vandq_u32(b, vdupq_n_u32(15))), eight));
    *high = vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(vshrq_n_u32(b, 4)), eight));
}

/* ---- quantising to bytes: for finite |a| <= 127; else any byte ---- */

IG_INLINE vf vf_max_bits(vf a, vf b) {
    return vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
IG_INLINE uint32_t vf_hmax_bits(vf a) {
    return vmaxvq_u32(vreinterpretq_u32_f32(a));
}
IG_INLINE void vf_store_i8(int8_t *p, vf a) {
    const int16x4_t h = vqmovn_s32(vcvtnq_s32_f32(a));
    const int8x8_t b = vqmovn_s16(vcombine_s16(h, h));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_s8(b), 0);
    memcpy(p, &four, sizeof four);
}
IG_INLINE void i8_sums(const int8_t *p, int32_t sum[4]) {
    for (int i = 0; i < 4; i++)
        sum[i] = vaddlvq_s8(vld1q_s8(p + 16 * i));
}

#endif
