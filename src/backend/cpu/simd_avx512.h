/* simd_avx512.h: the verbs of the kernel templates in AVX-512 (F BW VL DQ VNNI BF16). A vector is
 * 16 lanes: one whole line of a packed tile. See simd_scalar.h for what each verb means. */
#ifndef IG_BACKEND_CPU_SIMD_AVX512_H
#define IG_BACKEND_CPU_SIMD_AVX512_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

#define IG_LANES 16
#define IG_ROW_VECTORS 4 /* of the float kernels: 4 x 6 accumulators */
#define IG_BIAS8 0x80    /* full bytes are multiplied as unsigned, 128 too large */

typedef __m512i vi;
typedef __m512 vf;

IG_INLINE vi vi_load(const void *p) {
    return _mm512_loadu_si512(p);
}
IG_INLINE void vi_store(void *p, vi a) {
    _mm512_storeu_si512(p, a);
}
IG_INLINE vi vi_load_u8(const void *p) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}
IG_INLINE vi vi_load_s8(const void *p) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p));
}
IG_INLINE vi vi_bcast(const void *p) {
    int v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}
IG_INLINE vi vi_zero(void) {
    return _mm512_setzero_si512();
}
IG_INLINE vi vi_set8(int v) {
    return _mm512_set1_epi8((char)v);
}
IG_INLINE vi vi_set32(int v) {
    return _mm512_set1_epi32(v);
}
IG_INLINE vi vi_and(vi a, vi b) {
    return _mm512_and_si512(a, b);
}
IG_INLINE vi vi_or_and(vi a, vi b, vi mask) {
    return _mm512_ternarylogic_epi32(a, b, mask, 0xf8);
}
#define vi_shr16(a, n) _mm512_srli_epi16((a), (n))
#define vi_shl16(a, n) _mm512_slli_epi16((a), (n))
#define vi_shl32(a, n) _mm512_slli_epi32((a), (n))
IG_INLINE vi vi_shr16_by(vi a, int n) {
    return _mm512_srl_epi16(a, _mm_cvtsi32_si128(n));
}
IG_INLINE vi vi_shr32(vi a, int n) {
    return _mm512_srl_epi32(a, _mm_cvtsi32_si128(n));
}
IG_INLINE vi vi_shl32_by(vi a, vi n) {
    return _mm512_sllv_epi32(a, n);
}
IG_INLINE vi vi_add(vi a, vi b) {
    return _mm512_add_epi32(a, b);
}
typedef vi vt; /* 16 bytes in every quarter */
IG_INLINE vt vt_load(const int8_t *table16) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)table16));
}
IG_INLINE vi vt_lookup(vt table, vi index) {
    return _mm512_shuffle_epi8(table, index);
}
IG_INLINE vi vi_dot(vi acc, vi w, vi x) {
    return _mm512_dpbusd_epi32(acc, w, x);
}
IG_INLINE vi vi_dot8(vi acc, vi w, vi x) {
    return _mm512_dpbusd_epi32(acc, w, x);
}
IG_INLINE vi vi_from_biased8(vi a) {
    return a;
}
IG_INLINE vi vi_init8(vi negsum) {
    return _mm512_slli_epi32(negsum, 7);
}
IG_INLINE vi vi_dot16(vi acc, vi a, vi b) {
    return _mm512_dpwssd_epi32(acc, a, b);
}
IG_INLINE vf vi_to_f32(vi a) {
    return _mm512_cvtepi32_ps(a);
}

IG_INLINE vf vf_zero(void) {
    return _mm512_setzero_ps();
}
IG_INLINE vf vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
IG_INLINE void vf_store(float *p, vf a) {
    _mm512_storeu_ps(p, a);
}
IG_INLINE vf vf_load_f16(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
IG_INLINE vf vf_load_e8m0_half(const void *p) {
    const __m512i e = vi_load_u8(p);
    const __m512i normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
    const __m512i small = _mm512_sllv_epi32(_mm512_set1_epi32(0x200000), e);
    return _mm512_castsi512_ps(
        _mm512_mask_blend_epi32(_mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2)), normal, small));
}
IG_INLINE vf vf_bcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_ps(v);
}
IG_INLINE vf vf_mul(vf a, vf b) {
    return _mm512_mul_ps(a, b);
}
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    return _mm512_fmadd_ps(a, b, c);
}

/* BF16 weights: the processor multiplies pairs, activations are rounded to BF16 too. */
#define IG_BF16_FORM IG_ACT_FORM_BF16
#define IG_BF16_STEPS 1
typedef vi bf16_vector;
IG_INLINE bf16_vector bf16_load(const void *p, const int step) {
    (void)step;
    return vi_load(p);
}
IG_INLINE bf16_vector bf16_bcast(const void *p) {
    return vi_bcast(p);
}
IG_INLINE vf bf16_dot(vf acc, bf16_vector w, bf16_vector x) {
    return _mm512_dpbf16_ps(acc, (__m512bh)w, (__m512bh)x);
}

#endif
