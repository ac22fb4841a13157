/* codec_legacy.c: the 32-element types Q4_0 Q4_1 Q5_0 Q5_1 Q8_0. In the 4- and 5-bit ones, the low
 * nibble of byte j is element j, the high nibble element j + 16; bit j of the 32-bit word qh is the
 * fifth bit of element j. Pure functions; any thread. */
#include "tensor/codec_int.h"

#include <float.h>
#include <math.h>

#define BLOCK 32
#define HALF 16

void ig_tensor_decode_q4_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[16] */
    for (size_t i = 0; i < n; i += BLOCK, b += 18) {
        const float d = codec_f16(b);
        for (size_t j = 0; j < HALF; j++) {
            dst[i + j] = d * (float)((b[2 + j] & 15) - 8);
            dst[i + j + HALF] = d * (float)((b[2 + j] >> 4) - 8);
        }
    }
}

void ig_tensor_decode_q4_1(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; h m; u8 qs[16] */
    for (size_t i = 0; i < n; i += BLOCK, b += 20) {
        const float d = codec_f16(b), m = codec_f16(b + 2);
        for (size_t j = 0; j < HALF; j++) {
            dst[i + j] = d * (float)(b[4 + j] & 15) + m;
            dst[i + j + HALF] = d * (float)(b[4 + j] >> 4) + m;
        }
    }
}

/* The 5-bit numbers of a block. */
static void unpack5(const uint8_t *qh, const uint8_t *qs, int32_t q[BLOCK]) {
    const uint32_t high = codec_u32(qh);
    for (uint32_t j = 0; j < HALF; j++) {
        q[j] = (int32_t)((qs[j] & 15u) | (high >> j & 1) << 4);
        q[j + HALF] = (int32_t)((uint32_t)(qs[j] >> 4) | (high >> (j + HALF) & 1) << 4);
    }
}

void ig_tensor_decode_q5_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qh[4]; u8 qs[16] */
    for (size_t i = 0; i < n; i += BLOCK, b += 22) {
        const float d = codec_f16(b);
        int32_t q[BLOCK];
        unpack5(b + 2, b + 6, q);
        for (size_t j = 0; j < BLOCK; j++)
            dst[i + j] = d * (float)(q[j] - 16);
    }
}

void ig_tensor_decode_q5_1(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; h m; u8 qh[4]; u8 qs[16] */
    for (size_t i = 0; i < n; i += BLOCK, b += 24) {
        const float d = codec_f16(b), m = codec_f16(b + 2);
        int32_t q[BLOCK];
        unpack5(b + 4, b + 8, q);
        for (size_t j = 0; j < BLOCK; j++)
            dst[i + j] = d * (float)q[j] + m;
    }
}

void ig_tensor_decode_q8_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; i8 qs[32] */
    for (size_t i = 0; i < n; i += BLOCK, b += 34) {
        const float d = codec_f16(b);
        for (size_t j = 0; j < BLOCK; j++)
            dst[i + j] = (float)(int8_t)b[2 + j] * d;
    }
}

/* The element of largest magnitude with its sign (the first of equals). *finite is false when the
 * block holds a NaN or an infinity: such a block gets the scale NaN, so that the fault stays
 * visible instead of becoming a number. */
static float extreme(const float *x, bool *finite) {
    float best = 0, magnitude = 0;
    *finite = true;
    for (size_t j = 0; j < BLOCK; j++) {
        const float a = fabsf(x[j]);
        *finite = *finite && a <= FLT_MAX;
        if (a > magnitude) {
            magnitude = a;
            best = x[j];
        }
    }
    return best;
}

/* Bounded before the conversion: 1/d is infinite where d is subnormal, and NaN converts to nothing.
 */
static int32_t bounded(float v, float low, float high) {
    return (int32_t)(v < high ? (v > low ? v : low) : high);
}

void ig_tensor_encode_q4_0(const float *src, void *dst, size_t n) {
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += BLOCK, b += 18) {
        bool finite;
        const float d = extreme(src + i, &finite) / -8.0f, inverse = d != 0 ? 1.0f / d : 0.0f;
        codec_put_u16(b, ig_f32_to_f16(finite ? d : NAN));
        for (size_t j = 0; j < HALF; j++) {
            const int32_t low = bounded(src[i + j] * inverse + 8.5f, 0, 15);
            const int32_t high = bounded(src[i + j + HALF] * inverse + 8.5f, 0, 15);
            b[2 + j] = (uint8_t)(low | high << 4);
        }
    }
}

void ig_tensor_encode_q8_0(const float *src, void *dst, size_t n) {
    uint8_t *b = dst;
    for (size_t i = 0; i < n; i += BLOCK, b += 34) {
        bool finite;
        const float d = fabsf(extreme(src + i, &finite)) / 127.0f,
                    inverse = d != 0 ? 1.0f / d : 0.0f;
        codec_put_u16(b, ig_f32_to_f16(finite ? d : NAN));
        for (size_t j = 0; j < BLOCK; j++)
            b[2 + j] = (uint8_t)(int8_t)bounded(roundf(src[i + j] * inverse), -127, 127);
    }
}
