/* simd_f32_scalar.h: the f32 verbs of kernel templates in portable C, one lane; see
 * simd_f32_avx512.h for their meaning. Products are not fused. */
#ifndef IG_BACKEND_CPU_SIMD_F32_SCALAR_H
#define IG_BACKEND_CPU_SIMD_F32_SCALAR_H

#include "tensor/tensor.h"

#include <math.h>

#define VN 1
#define ATTN_TILE 4
#define ATTN_WEIGH_TILE 4 /* queries x ATTN_COLUMNS vectors of output columns */
#define ATTN_COLUMNS 32
#define ATTN_PAIRS 0
#define IG_UNROLL

typedef float vf;
typedef bool vm;

IG_INLINE vf vf_set(float x) {
    return x;
}
IG_INLINE vf vf_load(const float *p) {
    return *p;
}
IG_INLINE void vf_store(float *p, vf v) {
    *p = v;
}
IG_INLINE vf vf_loadn(const float *p, uint32_t n) {
    return n ? *p : 0;
}
IG_INLINE void vf_storen(float *p, vf v, uint32_t n) {
    if (n)
        *p = v;
}
IG_INLINE vf vf_add(vf a, vf b) {
    return a + b;
}
IG_INLINE vf vf_sub(vf a, vf b) {
    return a - b;
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return a * b;
}
IG_INLINE vf vf_div(vf a, vf b) {
    return a / b;
}
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return a * b + c;
}
IG_INLINE vf vf_fnma(vf a, vf b, vf c) {
    return c - a * b;
}
IG_INLINE vf vf_max(vf a, vf b) {
    return a > b ? a : b;
}
IG_INLINE vf vf_min(vf a, vf b) {
    return a < b ? a : b;
}
IG_INLINE vf vf_sqrt(vf a) {
    return sqrtf(a);
}
IG_INLINE vf vf_abs(vf a) {
    return fabsf(a);
}
IG_INLINE vf vf_copysign(vf a, vf b) {
    return copysignf(a, b);
}
/* |a| < 2^22: adding 1.5 * 2^23 leaves the nearest integer in the low bits. */
IG_INLINE vf vf_round(vf a) {
    const float magic = 12582912.0f;
    return a + magic - magic;
}
IG_INLINE float power_of_2(int32_t n) {
    const uint32_t bits = (uint32_t)(n + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
IG_INLINE vf vf_scale2(vf a, vf n) {
    const int32_t whole = (int32_t)(n >= -256 && n <= 256 ? n : 0),
                  half = whole >> 1; /* NaN: a is NaN too */
    return a * power_of_2(half) * power_of_2(whole - half);
}
IG_INLINE vm vf_lt(vf a, vf b) {
    return a < b;
}
IG_INLINE vf vf_blend(vm m, vf yes, vf no) {
    return m ? yes : no;
}
IG_INLINE vm vm_range(int32_t at, int32_t lo, int32_t hi) {
    return lo <= at && at < hi;
}
IG_INLINE float vf_hsum(vf a) {
    return a;
}
IG_INLINE float vf_hmax(vf a) {
    return a;
}
IG_INLINE void vf_load2(const float *p, vf *even, vf *odd) {
    *even = p[0];
    *odd = p[1];
}
IG_INLINE void vf_store2(float *p, vf even, vf odd) {
    p[0] = even;
    p[1] = odd;
}

IG_INLINE vf vf_load_f16(const uint16_t *p) {
    return ig_f16_to_f32(*p);
}
IG_INLINE vf vf_loadn_f16(const uint16_t *p, uint32_t n) {
    return n ? ig_f16_to_f32(*p) : 0;
}
IG_INLINE void vf_store_f16(uint16_t *p, vf v) {
    *p = ig_f32_to_f16(v);
}
IG_INLINE vf vf_load_bf16(const uint16_t *p) {
    return ig_bf16_to_f32(*p);
}
IG_INLINE vf vf_loadn_bf16(const uint16_t *p, uint32_t n) {
    return n ? ig_bf16_to_f32(*p) : 0;
}
IG_INLINE vf vf_load_i8(const int8_t *p) {
    return *p;
}
IG_INLINE void vf_load_nibbles(const uint8_t *p, vf *low, vf *high) {
    *low = (float)((*p & 15) - 8);
    *high = (float)((*p >> 4) - 8);
}

/* ---- quantising to bytes: for finite |a| <= 127; else any byte ---- */

IG_INLINE uint32_t bits_of_f32(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}
IG_INLINE vf vf_max_bits(vf a, vf b) {
    return bits_of_f32(a) > bits_of_f32(b) ? a : b;
}
IG_INLINE uint32_t vf_hmax_bits(vf a) {
    return bits_of_f32(a);
}
/* See vf_round: the nearest integer is in the low bits. */
IG_INLINE void vf_store_i8(int8_t *p, vf a) {
    *p = (int8_t)bits_of_f32(a + 12582912.0f);
}
IG_INLINE void i8_sums(const int8_t *p, int32_t sum[4]) {
    for (int i = 0; i < 4; i++) {
        sum[i] = 0;
        for (int k = 0; k < 16; k++)
            sum[i] += p[16 * i + k];
    }
}

#endif
