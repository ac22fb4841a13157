/* simd_f32_avx512.h: the f32 verbs of kernel templates for AVX-512 (F, BW, VL, DQ, BF16). Same
 * names in every simd_f32_<isa>.h; a template includes one of them through simd_f32.h.
 *
 * vf is VN floats, vm a mask of lanes. Partial loads fill with zeros. NaN passes through every
 * verb; vf_max and vf_min give the second operand when one of them is NaN. Horizontal sums add in a
 * fixed tree. */
#ifndef IG_BACKEND_CPU_SIMD_F32_AVX512_H
#define IG_BACKEND_CPU_SIMD_F32_AVX512_H

#include "base/compiler.h"

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#define VN 16
#define ATTN_TILE 12      /* queries x 32 keys held in registers: 24 of 32 */
#define ATTN_WEIGH_TILE 6 /* queries x ATTN_COLUMNS vectors of output columns */
#define ATTN_COLUMNS 4
#define ATTN_PAIRS 1 /* attention multiplies pairs of BF16: see attn_pairs.h */
#define IG_UNROLL _Pragma("GCC unroll 16")

typedef __m512 vf;
typedef __mmask16 vm;

IG_INLINE vf vf_set(float x) {
    return _mm512_set1_ps(x);
}
IG_INLINE vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
IG_INLINE void vf_store(float *p, vf v) {
    _mm512_storeu_ps(p, v);
}
IG_INLINE vf vf_loadn(const float *p, uint32_t n) {
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
IG_INLINE void vf_storen(float *p, vf v, uint32_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
}
IG_INLINE vf vf_add(vf a, vf b) {
    return _mm512_add_ps(a, b);
}
IG_INLINE vf vf_sub(vf a, vf b) {
    return _mm512_sub_ps(a, b);
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
IG_INLINE vf vf_div(vf a, vf b) {
    return _mm512_div_ps(a, b);
}
/* a * b + c */
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}
/* c - a * b */
IG_INLINE vf vf_fnma(vf a, vf b, vf c) {
    return _mm512_fnmadd_ps(a, b, c);
}
IG_INLINE vf vf_max(vf a, vf b) {
    return _mm512_max_ps(a, b);
}
IG_INLINE vf vf_min(vf a, vf b) {
    return _mm512_min_ps(a, b);
}
IG_INLINE vf vf_sqrt(vf a) {
    return _mm512_sqrt_ps(a);
}
IG_INLINE vf vf_abs(vf a) {
    return _mm512_abs_ps(a);
}
/* |a| with the sign of b. */
IG_INLINE vf vf_copysign(vf a, vf b) {
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(
        _mm512_set1_epi32(INT32_MIN), _mm512_castps_si512(b), _mm512_castps_si512(a), 0xCA));
}
IG_INLINE vf vf_round(vf a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a * 2^n for integral n, |n| <= 252; denormal results are exact up to one rounding. */
IG_INLINE vf vf_scale2(vf a, vf n) {
    return _mm512_scalef_ps(a, n);
}
IG_INLINE vm vf_lt(vf a, vf b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
IG_INLINE vf vf_blend(vm m, vf yes, vf no) {
    return _mm512_mask_blend_ps(m, no, yes);
}
/* Lanes i with lo <= i + at < hi. */
IG_INLINE vm vm_range(int32_t at, int32_t lo, int32_t hi) {
    const __m512i lane =
        _mm512_add_epi32(_mm512_set1_epi32(at),
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    return _mm512_cmpge_epi32_mask(lane, _mm512_set1_epi32(lo)) &
           _mm512_cmplt_epi32_mask(lane, _mm512_set1_epi32(hi));
}
IG_INLINE float vf_hsum(vf a) {
    const __m256 b = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 c = _mm_add_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_add_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_add_ss(d, _mm_movehdup_ps(d)));
}
IG_INLINE float vf_hmax(vf a) {
    const __m256 b = _mm256_max_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    const __m128 c = _mm_max_ps(_mm256_castps256_ps128(b), _mm256_extractf128_ps(b, 1));
    const __m128 d = _mm_max_ps(c, _mm_movehl_ps(c, c));
    return _mm_cvtss_f32(_mm_max_ss(d, _mm_movehdup_ps(d)));
}
/* Pairs: even = p[0], p[2], … of 2 * VN floats. */
IG_INLINE void vf_load2(const float *p, vf *even, vf *odd) {
    const __m512 a = _mm512_loadu_ps(p), b = _mm512_loadu_ps(p + 16);
    const __m512i e = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    *even = _mm512_permutex2var_ps(a, e, b);
    *odd = _mm512_permutex2var_ps(a, _mm512_add_epi32(e, _mm512_set1_epi32(1)), b);
}
IG_INLINE void vf_store2(float *p, vf even, vf odd) {
    const __m512i lo = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    _mm512_storeu_ps(p, _mm512_permutex2var_ps(even, lo, odd));
    _mm512_storeu_ps(p + 16,
                     _mm512_permutex2var_ps(even, _mm512_add_epi32(lo, _mm512_set1_epi32(8)), odd));
}

IG_INLINE vf vf_load_f16(const uint16_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
IG_INLINE vf vf_loadn_f16(const uint16_t *p, uint32_t n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p));
}
IG_INLINE void vf_store_f16(uint16_t *p, vf v) {
    _mm256_storeu_si256((__m256i *)p,
                        _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
IG_INLINE vf vf_load_bf16(const uint16_t *p) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}
IG_INLINE vf vf_loadn_bf16(const uint16_t *p, uint32_t n) {
    const __m256i h = _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}
IG_INLINE vf vf_load_i8(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* Low and high nibbles of VN bytes, each minus 8. */
IG_INLINE void vf_load_nibbles(const uint8_t *p, vf *low, vf *high) {
    const __m512i b = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    const __m512i eight = _mm512_set1_epi32(8);
    *low = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_and_si512(b, _mm512_set1_epi32(15)), eight));
    *high = _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_srli_epi32(b, 4), eight));
}

/* ---- quantising to bytes: for finite |a| <= 127; else any byte ---- */

/* Larger magnitude in every lane; NaN counts as largest. Operands are not negative. */
IG_INLINE vf vf_max_bits(vf a, vf b) {
    return _mm512_castsi512_ps(_mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}
IG_INLINE uint32_t vf_hmax_bits(vf a) {
    return _mm512_reduce_max_epu32(_mm512_castps_si512(a));
}
/* VN bytes, rounded to nearest even. */
IG_INLINE void vf_store_i8(int8_t *p, vf a) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(a)));
}
/* Sums of four runs of 16 bytes. */
IG_INLINE void i8_sums(const int8_t *p, int32_t sum[4]) {
    const __m512i fours =
        _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), _mm512_loadu_si512(p));
    const __m512i pairs = _mm512_add_epi32(
        fours, _mm512_shuffle_epi32(fours, (_MM_PERM_ENUM)_MM_SHUFFLE(2, 3, 0, 1)));
    const __m512i all = _mm512_add_epi32(
        pairs, _mm512_shuffle_epi32(pairs, (_MM_PERM_ENUM)_MM_SHUFFLE(1, 0, 3, 2)));
    const __m512i first = _mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm_storeu_si128((__m128i *)sum, _mm512_castsi512_si128(_mm512_permutexvar_epi32(first, all)));
}

/* ---- vp: VN pairs of BF16, the even element in the lower half ---- */

typedef __m512i vp;

IG_INLINE vp vp_load(const void *p) {
    return _mm512_loadu_si512(p);
}
IG_INLINE void vp_store(void *p, vp a) {
    _mm512_storeu_si512(p, a);
}
/* The pair at p in every lane. */
IG_INLINE vp vp_set(const void *p) {
    int pair;
    memcpy(&pair, p, sizeof pair);
    return _mm512_set1_epi32(pair);
}
IG_INLINE vp vp_zip(__m512i low_even_high_odd) {
    const __m512i order = _mm512_setr_epi32(
        0x100000, 0x110001, 0x120002, 0x130003, 0x140004, 0x150005, 0x160006, 0x170007, 0x180008,
        0x190009, 0x1a000a, 0x1b000b, 0x1c000c, 0x1d000d, 0x1e000e, 0x1f000f);
    return _mm512_permutexvar_epi16(order, low_even_high_odd);
}
/* Lane i: (even[i], odd[i]), rounded to nearest even. */
IG_INLINE vp vp_join(vf even, vf odd) {
    return vp_zip((__m512i)_mm512_cvtne2ps_pbh(odd, even));
}
/* Lane i: (p[2i], p[2i + 1]). */
IG_INLINE vp vp_from(const float *p) {
    return (__m512i)_mm512_cvtne2ps_pbh(vf_load(p + VN), vf_load(p));
}
/* acc + a.even * b.even + a.odd * b.odd in every lane. */
IG_INLINE vf vp_dot(vf acc, vp a, vp b) {
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
}

#endif
