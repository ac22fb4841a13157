/* simd_neon.h: the verbs of the kernel templates in NEON with the dot product of ARMv8.2. A vector
 * is 4 lanes: a quarter of a line of a packed tile. See simd_scalar.h for what each verb means. */
#ifndef IG_BACKEND_CPU_SIMD_NEON_H
#define IG_BACKEND_CPU_SIMD_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

#define IG_LANES 4
#define IG_ROW_VECTORS 4 /* of the float kernels: 4 x 6 accumulators */
#define IG_BIAS8 0       /* full bytes are multiplied as signed */

typedef int32x4_t vi;
typedef float32x4_t vf;

IG_INLINE vi vi_load(const void *p) {
    return vreinterpretq_s32_u8(vld1q_u8(p));
}
IG_INLINE void vi_store(void *p, vi a) {
    vst1q_s32((int32_t *)p, a);
}
IG_INLINE vi vi_load_u8(const void *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vreinterpretq_s32_u32(
        vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))))));
}
IG_INLINE vi vi_load_s8(const void *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)))));
}
IG_INLINE vi vi_bcast(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return vdupq_n_s32(v);
}
IG_INLINE vi vi_zero(void) {
    return vdupq_n_s32(0);
}
IG_INLINE vi vi_set8(int v) {
    return vreinterpretq_s32_u8(vdupq_n_u8((uint8_t)v));
}
IG_INLINE vi vi_set32(int v) {
    return vdupq_n_s32(v);
}
IG_INLINE vi vi_and(vi a, vi b) {
    return vandq_s32(a, b);
}
IG_INLINE vi vi_or_and(vi a, vi b, vi mask) {
    return vorrq_s32(a, vandq_s32(b, mask));
}
IG_INLINE vi vi_shl16(vi a, int n) {
    return vreinterpretq_s32_u16(vshlq_u16(vreinterpretq_u16_s32(a), vdupq_n_s16((int16_t)n)));
}
IG_INLINE vi vi_shr16(vi a, int n) {
    return vi_shl16(a, -n);
}
IG_INLINE vi vi_shr16_by(vi a, int n) {
    return vi_shl16(a, -n);
}
IG_INLINE vi vi_shl32(vi a, int n) {
    return vshlq_s32(a, vdupq_n_s32(n));
}
IG_INLINE vi vi_shr32(vi a, int n) {
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-n)));
}
IG_INLINE vi vi_shl32_by(vi a, vi n) {
    return vshlq_s32(a, n);
}
IG_INLINE vi vi_add(vi a, vi b) {
    return vaddq_s32(a, b);
}
typedef int8x16_t vt;
IG_INLINE vt vt_load(const int8_t *table16) {
    return vld1q_s8(table16);
}
IG_INLINE vi vt_lookup(vt table, vi index) {
    return vreinterpretq_s32_s8(vqtbl1q_s8(table, vreinterpretq_u8_s32(index)));
}
IG_INLINE vi vi_dot(vi acc, vi w, vi x) {
    return vdotq_s32(acc, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(x));
}
IG_INLINE vi vi_dot8(vi acc, vi w, vi x) {
    return vi_dot(acc, w, x);
}
IG_INLINE vi vi_from_biased8(vi a) {
    return veorq_s32(a, vi_set8(0x80));
}
IG_INLINE vi vi_init8(vi negsum) {
    (void)negsum;
    return vdupq_n_s32(0);
}
IG_INLINE vi vi_dot16(vi acc, vi a, vi b) {
    const int16x8_t ah = vreinterpretq_s16_s32(a), bh = vreinterpretq_s16_s32(b);
    const int32x4_t low = vmull_s16(vget_low_s16(ah), vget_low_s16(bh)),
                    high = vmull_high_s16(ah, bh);
    return vaddq_s32(acc, vpaddq_s32(low, high));
}
IG_INLINE vf vi_to_f32(vi a) {
    return vcvtq_f32_s32(a);
}

IG_INLINE vf vf_zero(void) {
    return vdupq_n_f32(0);
}
IG_INLINE vf vf_load(const float *p) {
    return vld1q_f32(p);
}
IG_INLINE void vf_store(float *p, vf a) {
    vst1q_f32(p, a);
}
IG_INLINE vf vf_load_f16(const void *p) {
    float16x4_t h;
    memcpy(&h, p, sizeof h);
    return vcvt_f32_f16(h);
}
IG_INLINE vf vf_load_e8m0_half(const void *p) {
    const int32x4_t e = vi_load_u8(p);
    const int32x4_t normal = vshlq_n_s32(vsubq_s32(e, vdupq_n_s32(1)), 23);
    const int32x4_t small = vshlq_s32(vdupq_n_s32(0x200000), e);
    return vreinterpretq_f32_s32(vbslq_s32(vcltq_s32(e, vdupq_n_s32(2)), small, normal));
}
IG_INLINE vf vf_bcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return vdupq_n_f32(v);
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return vmulq_f32(a, b);
}
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return vfmaq_f32(c, a, b);
}

/* BF16 weights against f32 activations: first the lower half of every word, then the upper. */
#define IG_BF16_FORM IG_ACT_FORM_F32
#define IG_BF16_STEPS 2
typedef vf bf16_vector;
IG_INLINE bf16_vector bf16_load(const void *p, const int step) {
    const vi pairs = vi_load(p);
    return vreinterpretq_f32_s32(step == 0 ? vshlq_n_s32(pairs, 16)
                                           : vandq_s32(pairs, vdupq_n_s32((int32_t)0xffff0000)));
}
IG_INLINE bf16_vector bf16_bcast(const void *p) {
    return vf_bcast(p);
}
IG_INLINE vf bf16_dot(vf acc, bf16_vector w, bf16_vector x) {
    return vf_fma(w, x, acc);
}

#endif
