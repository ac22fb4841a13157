/* codec_int.h: the scalar codecs that dtype_table.c hangs into its rows, and the reading of fields
 * they share.
 *
 * Every codec takes n elements, a multiple of its block, at any alignment; pure functions, any
 * thread. The order of floating-point operations is part of the definition: value = (d * scale) * q
 * - (dmin * min) in f32. */
#ifndef IG_TENSOR_CODEC_INT_H
#define IG_TENSOR_CODEC_INT_H

#include "tensor/tensor.h"

static inline uint16_t codec_u16(const uint8_t *p) {
    return (uint16_t)((uint32_t)p[0] | (uint32_t)p[1] << 8);
}
static inline uint32_t codec_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline float codec_f16(const uint8_t *p) {
    return ig_f16_to_f32(codec_u16(p));
}
static inline void codec_put_u16(uint8_t *p, uint16_t v) {
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline float codec_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* codec_plain.c */
void ig_tensor_decode_f32(const void *src, float *dst, size_t n);
void ig_tensor_encode_f32(const float *src, void *dst, size_t n);
void ig_tensor_decode_f16(const void *src, float *dst, size_t n);
void ig_tensor_encode_f16(const float *src, void *dst, size_t n);
void ig_tensor_decode_bf16(const void *src, float *dst, size_t n);
void ig_tensor_encode_bf16(const float *src, void *dst, size_t n);

/* codec_legacy.c */
void ig_tensor_decode_q4_0(const void *src, float *dst, size_t n);
void ig_tensor_encode_q4_0(const float *src, void *dst, size_t n);
void ig_tensor_decode_q4_1(const void *src, float *dst, size_t n);
void ig_tensor_decode_q5_0(const void *src, float *dst, size_t n);
void ig_tensor_decode_q5_1(const void *src, float *dst, size_t n);
void ig_tensor_decode_q8_0(const void *src, float *dst, size_t n);
void ig_tensor_encode_q8_0(const float *src, void *dst, size_t n);

/* codec_k.c */
void ig_tensor_decode_q2_k(const void *src, float *dst, size_t n);
void ig_tensor_decode_q3_k(const void *src, float *dst, size_t n);
void ig_tensor_decode_q4_k(const void *src, float *dst, size_t n);
void ig_tensor_decode_q5_k(const void *src, float *dst, size_t n);
void ig_tensor_decode_q6_k(const void *src, float *dst, size_t n);

/* codec_iq4.c */
void ig_tensor_decode_iq4_nl(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq4_xs(const void *src, float *dst, size_t n);

/* codec_fp4.c */
void ig_tensor_decode_mxfp4(const void *src, float *dst, size_t n);
void ig_tensor_decode_nvfp4(const void *src, float *dst, size_t n);

/* codec_grid.c */
void ig_tensor_decode_iq2_xxs(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq2_xs(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq2_s(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq3_xxs(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq3_s(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq1_s(const void *src, float *dst, size_t n);
void ig_tensor_decode_iq1_m(const void *src, float *dst, size_t n);

/* codec_small.c */
void ig_tensor_decode_tq1_0(const void *src, float *dst, size_t n);
void ig_tensor_decode_tq2_0(const void *src, float *dst, size_t n);
void ig_tensor_decode_q1_0(const void *src, float *dst, size_t n);
void ig_tensor_decode_q2_0(const void *src, float *dst, size_t n);

#endif
