/* codec_plain.c: F32, F16, BF16 and their conversions. IEEE 754 binary16: 1 sign, 5 exponent (bias
 * 15), 10 mantissa bits; bfloat16 is the upper half of a binary32. Pure functions; any thread. */
#include "tensor/codec_int.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "F32 is copied as it lies in files");

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

float ig_f16_to_f32(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31,
                   mantissa = h & 0x3FF;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact */
        const float magnitude = (float)mantissa * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31) /* NaN becomes quiet, as the processor's conversion has it */
        return codec_bits(sign | 0x7F800000u | mantissa << 13 | (mantissa ? 0x00400000u : 0));
    return codec_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t ig_f32_to_f16(float f) {
    const uint32_t u = bits_of(f), x = u & 0x7FFFFFFFu;
    const uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    uint32_t magnitude;
    if (x > 0x7F800000u) { /* NaN: quiet, upper payload kept */
        magnitude = 0x7E00u | (x >> 13 & 0x3FF);
    } else if (x >= 0x477FF000u) { /* 65520 and above round to infinity */
        magnitude = 0x7C00u;
    } else if (x >= 0x38800000u) { /* normal from 2^-14: rebias, round on the 13 bits that go */
        magnitude = (x - (112u << 23) + 0xFFF + (x >> 13 & 1)) >> 13;
    } else if (x > 0x33000000u) { /* subnormal: multiples of 2^-24 */
        const uint32_t shift = 126 - (x >> 23), m = (x & 0x7FFFFF) | 0x800000;
        const uint32_t rest = m & ((1u << shift) - 1), half = 1u << (shift - 1);
        magnitude = m >> shift;
        magnitude += rest > half || (rest == half && (magnitude & 1));
    } else { /* 2^-25 and below: half of the smallest, ties to zero */
        magnitude = 0;
    }
    return (uint16_t)(sign | magnitude);
}

float ig_bf16_to_f32(uint16_t h) {
    return codec_bits((uint32_t)h << 16);
}

uint16_t ig_f32_to_bf16(float f) {
    const uint32_t u = bits_of(f);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7FFF + (u >> 16 & 1)) >> 16);
}

void ig_tensor_decode_f32(const void *src, float *dst, size_t n) {
    if (n)
        memcpy(dst, src, n * sizeof *dst);
}

void ig_tensor_encode_f32(const float *src, void *dst, size_t n) {
    if (n)
        memcpy(dst, src, n * sizeof *src);
}

void ig_tensor_decode_f16(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = codec_f16(p + 2 * i);
}

void ig_tensor_encode_f16(const float *src, void *dst, size_t n) {
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++)
        codec_put_u16(p + 2 * i, ig_f32_to_f16(src[i]));
}

void ig_tensor_decode_bf16(const void *src, float *dst, size_t n) {
    const uint8_t *p = src;
    for (size_t i = 0; i < n; i++)
        dst[i] = ig_bf16_to_f32(codec_u16(p + 2 * i));
}

void ig_tensor_encode_bf16(const float *src, void *dst, size_t n) {
    uint8_t *p = dst;
    for (size_t i = 0; i < n; i++)
        codec_put_u16(p + 2 * i, ig_f32_to_bf16(src[i]));
}
