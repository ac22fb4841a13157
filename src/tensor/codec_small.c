/* codec_small.c: types of one to two bits without a codebook: TQ1_0 and TQ2_0 (trits), Q1_0
 * (signs), Q2_0. Pure functions; any thread. */
#include "tensor/codec_int.h"

/* Digit k of a base-3 fixed-point byte; the multiplication wraps at 8 bits. */
static int trit(uint8_t byte, unsigned power) {
    return ((uint8_t)(byte * power) * 3 >> 8) - 1;
}

/* n_digits digits of n bytes, all first digits before all second ones. Returns the end of dst. */
static float *trits(const uint8_t *p, size_t n, size_t n_digits, float d, float *dst) {
    unsigned power = 1;
    for (size_t k = 0; k < n_digits; k++, power *= 3) {
        for (size_t j = 0; j < n; j++)
            *dst++ = d * (float)trit(p[j], power);
    }
    return dst;
}

void ig_tensor_decode_tq1_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 qs[48]; u8 qh[4]; h d */
    for (size_t i = 0; i < n; i += 256, b += 54) {
        const float d = codec_f16(b + 52);
        float *p = trits(b, 32, 5, d, dst + i);
        p = trits(b + 32, 16, 5, d, p);
        (void)trits(b + 48, 4, 4, d, p);
    }
}

void ig_tensor_decode_tq2_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 qs[64]; h d */
    for (size_t i = 0; i < n; i += 256, b += 66) {
        const float d = codec_f16(b + 64);
        for (size_t j = 0; j < 256; j++) {
            const int q = b[j / 128 * 32 + j % 32] >> 2 * (j % 128 / 32) & 3;
            dst[i + j] = d * (float)(q - 1);
        }
    }
}

void ig_tensor_decode_q1_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[16] */
    for (size_t i = 0; i < n; i += 128, b += 18) {
        const float d = codec_f16(b);
        for (size_t j = 0; j < 128; j++)
            dst[i + j] = b[2 + j / 8] >> j % 8 & 1 ? d : -d;
    }
}

void ig_tensor_decode_q2_0(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[16] */
    for (size_t i = 0; i < n; i += 64, b += 18) {
        const float d = codec_f16(b);
        for (size_t j = 0; j < 64; j++)
            dst[i + j] = d * (float)((b[2 + j / 4] >> 2 * (j % 4) & 3) - 1);
    }
}
