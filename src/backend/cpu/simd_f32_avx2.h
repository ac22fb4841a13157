/* simd_f32_avx2.h: the f32 verbs of kernel templates for AVX2, FMA and F16C; see simd_f32_avx512.h
 * for their meaning. */
#ifndef IG_BACKEND_CPU_SIMD_F32_AVX2_H
#define IG_BACKEND_CPU_SIMD_F32_AVX2_H

#include "base/compiler.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VN 8
#define ATTN_TILE 3       /* 12 of 16 registers */
#define ATTN_WEIGH_TILE 3 /* queries x ATTN_COLUMNS vectors of output columns */
#define ATTN_COLUMNS 4
#define ATTN_PAIRS 0
#define IG_UNROLL _Pragma("GCC unroll 16")

typedef __m256 vf;
typedef __m256 vm;

IG_INLINE vf vf_set(float x) {
    return _mm256_set1_ps(x);
}
IG_INLINE vf vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
IG_INLINE void vf_store(float *p, vf v) {
    _mm256_storeu_ps(p, v);
}
IG_INLINE __m256i first_lanes(uint32_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
IG_INLINE vf vf_loadn(const float *p, uint32_t n) {
    return _mm256_maskload_ps(p, first_lanes(n));
}
IG_INLINE void vf_storen(float *p, vf v, uint32_t n) {
    _mm256_maskstore_ps(p, first_lanes(n), v);
}
IG_INLINE vf vf_add(vf a, vf b) {
    return _mm256_add_ps(a, b);
}
IG_INLINE vf vf_sub(vf a, vf b) {
    return _mm256_sub_ps(a, b);
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return _mm256_mul_ps(a, b);
}
IG_INLINE vf vf_div(vf a, vf b) {
    return _mm256_div_ps(a, b);
}
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm256_fmadd_ps(a, b, c);
}
IG_INLINE vf vf_fnma(vf a, vf b, vf c) {
    return _mm256_fnmadd_ps(a, b, c);
}
IG_INLINE vf vf_max(vf a, vf b) {
    return _mm256_max_ps(a, b);
}
IG_INLINE vf vf_min(vf a, vf b) {
    return _mm256_min_ps(a, b);
}
IG_INLINE vf vf_sqrt(vf a) {
    return _mm256_sqrt_ps(a);
}
IG_INLINE vf vf_abs(vf a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
IG_INLINE vf vf_copysign(vf a, vf b) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}
IG_INLINE vf vf_round(vf a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* In two steps, so that a denormal result is reached through normal factors. */
IG_INLINE vf vf_scale2(vf a, vf n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    const __m256i bias = _mm256_set1_epi32(127);
    const __m256 first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const __m256 second = _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_sub_epi32(whole, half), bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(a, first), second);
}
IG_INLINE vm vf_lt(vf a, vf b) {
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
IG_INLINE vf vf_blend(vm m, vf yes, vf no) {
    return _mm256_blendv_ps(no, yes, m);
}
IG_INLINE vm vm_range(int32_t at, int32_t lo, int32_t hi) {
    const __m256i lane =
        _mm256_add_epi32(_mm256_set1_epi32(at), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return _mm256_castsi256_ps(
        _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(lo), lane),
                            _mm256_cmpgt_epi32(_mm256_set1_epi32(hi), lane)));
}
IG_INLINE float vf_hsum(vf a) {
    const __m128 c = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
IG_INLINE float vf_hmax(vf a) {
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}
IG_INLINE void vf_load2(const float *p, vf *even, vf *odd) {
    const __m256 a = _mm256_loadu_ps(p), b = _mm256_loadu_ps(p + 8);
    const __m256 x = _mm256_permute2f128_ps(a, b, 0x20), y = _mm256_permute2f128_ps(a, b, 0x31);
    *even = _mm256_shuffle_ps(x, y, _MM_SHUFFLE(2, 0, 2, 0));
    *odd = _mm256_shuffle_ps(x, y, _MM_SHUFFLE(3, 1, 3, 1));
}
IG_INLINE void vf_store2(float *p, vf even, vf odd) {
    const __m256 lo = _mm256_unpacklo_ps(even, odd), hi = _mm256_unpackhi_ps(even, odd);
    _mm256_storeu_ps(p, _mm256_permute2f128_ps(lo, hi, 0x20));
    _mm256_storeu_ps(p + 8, _mm256_permute2f128_ps(lo, hi, 0x31));
}

IG_INLINE __m128i load_halves(const uint16_t *p, uint32_t n) {
    uint16_t t[8] = {0};
    memcpy(t, p, n * sizeof *t);
    return _mm_loadu_si128((const __m128i *)t);
}
IG_INLINE vf vf_load_f16(const uint16_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
IG_INLINE vf vf_loadn_f16(const uint16_t *p, uint32_t n) {
    return _mm256_cvtph_ps(load_halves(p, n));
}
IG_INLINE void vf_store_f16(uint16_t *p, vf v) {
    _mm_storeu_si128((__m128i *)p,
                     _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
IG_INLINE vf vf_from_bf16(__m128i h) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}
IG_INLINE vf vf_load_bf16(const uint16_t *p) {
    return vf_from_bf16(_mm_loadu_si128((const __m128i *)p));
}
IG_INLINE vf vf_loadn_bf16(const uint16_t *p, uint32_t n) {
    return vf_from_bf16(load_halves(p, n));
}
IG_INLINE vf vf_load_i8(const int8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
IG_INLINE void vf_load_nibbles(const uint8_t *p, vf *low, vf *high) {
    const __m256i b = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)),
                  eight = _mm256_set1_epi32(8);
    *low = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_and_si256(b, _mm256_set1_epi32(15)), eight));
    *high = _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(b, 4), eight));
}

/* ---- quantising to bytes: for finite |a| <= 127; else any byte ---- */

IG_INLINE vf vf_max_bits(vf a, vf b) {
    return _mm256_castsi256_ps(_mm256_max_epu32(_mm256_castps_si256(a), _mm256_castps_si256(b)));
}
IG_INLINE uint32_t vf_hmax_bits(vf a) {
    const __m256i i = _mm256_castps_si256(a);
    const __m128i b = _mm_max_epu32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    const __m128i c = _mm_max_epu32(b, _mm_shuffle_epi32(b, _MM_SHUFFLE(1, 0, 3, 2)));
    const __m128i d = _mm_max_epu32(c, _mm_shuffle_epi32(c, _MM_SHUFFLE(2, 3, 0, 1)));
    return (uint32_t)_mm_cvtsi128_si32(d);
}
IG_INLINE void vf_store_i8(int8_t *p, vf a) {
    const __m256i i = _mm256_cvtps_epi32(a);
    const __m128i h = _mm_packs_epi32(_mm256_castsi256_si128(i), _mm256_extracti128_si256(i, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(h, h));
}
IG_INLINE void i8_sums(const int8_t *p, int32_t sum[4]) {
    const __m256i ones = _mm256_set1_epi8(1), halves = _mm256_set1_epi16(1);
    const __m256i a = _mm256_madd_epi16(
        _mm256_maddubs_epi16(ones, _mm256_loadu_si256((const __m256i *)p)), halves);
    const __m256i b = _mm256_madd_epi16(
        _mm256_maddubs_epi16(ones, _mm256_loadu_si256((const __m256i *)(p + 32))), halves);
    const __m256i t = _mm256_hadd_epi32(a, b), u = _mm256_hadd_epi32(t, t); /* 0 2 . . 1 3 . . */
    _mm_storeu_si128((__m128i *)sum,
                     _mm_unpacklo_epi32(_mm256_castsi256_si128(u), _mm256_extracti128_si256(u, 1)));
}

#endif
