/* simd_avx2.h: the verbs of the kernel templates in AVX2 with FMA and F16C. A vector is 8 lanes:
 * half a line of a packed tile. See simd_scalar.h for what each verb means. */
#ifndef IG_BACKEND_CPU_SIMD_AVX2_H
#define IG_BACKEND_CPU_SIMD_AVX2_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

#define IG_LANES 8
#define IG_ROW_VECTORS 2 /* of the float kernels: 2 x 6 accumulators */
#define IG_BIAS8 0       /* full bytes are multiplied as signed */

typedef __m256i vi;
typedef __m256 vf;

IG_INLINE vi vi_load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
IG_INLINE void vi_store(void *p, vi a) {
    _mm256_storeu_si256((__m256i *)p, a);
}
IG_INLINE vi vi_load_u8(const void *p) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
IG_INLINE vi vi_load_s8(const void *p) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p));
}
IG_INLINE vi vi_bcast(const void *p) {
    int v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}
IG_INLINE vi vi_zero(void) {
    return _mm256_setzero_si256();
}
IG_INLINE vi vi_set8(int v) {
    return _mm256_set1_epi8((char)v);
}
IG_INLINE vi vi_set32(int v) {
    return _mm256_set1_epi32(v);
}
IG_INLINE vi vi_and(vi a, vi b) {
    return _mm256_and_si256(a, b);
}
IG_INLINE vi vi_or_and(vi a, vi b, vi mask) {
    return _mm256_or_si256(a, _mm256_and_si256(b, mask));
}
#define vi_shr16(a, n) _mm256_srli_epi16((a), (n))
#define vi_shl16(a, n) _mm256_slli_epi16((a), (n))
#define vi_shl32(a, n) _mm256_slli_epi32((a), (n))
IG_INLINE vi vi_shr16_by(vi a, int n) {
    return _mm256_srl_epi16(a, _mm_cvtsi32_si128(n));
}
IG_INLINE vi vi_shr32(vi a, int n) {
    return _mm256_srl_epi32(a, _mm_cvtsi32_si128(n));
}
IG_INLINE vi vi_shl32_by(vi a, vi n) {
    return _mm256_sllv_epi32(a, n);
}
IG_INLINE vi vi_add(vi a, vi b) {
    return _mm256_add_epi32(a, b);
}
typedef vi vt; /* 16 bytes in both halves */
IG_INLINE vt vt_load(const int8_t *table16) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table16));
}
IG_INLINE vi vt_lookup(vt table, vi index) {
    return _mm256_shuffle_epi8(table, index);
}
/* Products of two bytes are added in 16 bits: at most 2 * 127 * 127. */
IG_INLINE vi vi_dot(vi acc, vi w, vi x) {
    return _mm256_add_epi32(acc,
                            _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
}
/* |w| * (x with the sign of w): at most 2 * 128 * 127. */
IG_INLINE vi vi_dot8(vi acc, vi w, vi x) {
    return vi_dot(acc, _mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
}
IG_INLINE vi vi_from_biased8(vi a) {
    return _mm256_xor_si256(a, _mm256_set1_epi8((char)0x80));
}
IG_INLINE vi vi_init8(vi negsum) {
    (void)negsum;
    return _mm256_setzero_si256();
}
IG_INLINE vi vi_dot16(vi acc, vi a, vi b) {
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a, b));
}
IG_INLINE vf vi_to_f32(vi a) {
    return _mm256_cvtepi32_ps(a);
}

IG_INLINE vf vf_zero(void) {
    return _mm256_setzero_ps();
}
IG_INLINE vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
IG_INLINE void vf_store(float *p, vf a) {
    _mm256_storeu_ps(p, a);
}
IG_INLINE vf vf_load_f16(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
IG_INLINE vf vf_load_e8m0_half(const void *p) {
    const __m256i e = vi_load_u8(p);
    const __m256i normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
    const __m256i small = _mm256_sllv_epi32(_mm256_set1_epi32(0x200000), e);
    return _mm256_castsi256_ps(
        _mm256_blendv_epi8(normal, small, _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e)));
}
IG_INLINE vf vf_bcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_ps(v);
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}

/* BF16 weights against f32 activations: first the lower half of every word, then the upper. */
#define IG_BF16_FORM IG_ACT_FORM_F32
#define IG_BF16_STEPS 2
typedef vf bf16_vector;
IG_INLINE bf16_vector bf16_load(const void *p, const int step) {
    const __m256i pairs = vi_load(p);
    return _mm256_castsi256_ps(step == 0
                                   ? _mm256_slli_epi32(pairs, 16)
                                   : _mm256_and_si256(pairs, _mm256_set1_epi32((int)0xffff0000)));
}
IG_INLINE bf16_vector bf16_bcast(const void *p) {
    return vf_bcast(p);
}
IG_INLINE vf bf16_dot(vf acc, bf16_vector w, bf16_vector x) {
    return vf_fma(w, x, acc);
}

#endif
