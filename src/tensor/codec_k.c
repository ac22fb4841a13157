/* codec_k.c: the 256-element types with two levels of scales: Q2_K Q3_K Q4_K Q5_K Q6_K. A
 * super-block has f16 scales d (and dmin) and small integer scales per 16 or 32 elements. Pure
 * functions; any thread. */
#include "tensor/codec_int.h"

#define SUPER 256

void ig_tensor_decode_q2_k(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 scales[16]; u8 qs[64]; h d; h dmin */
    for (size_t i = 0; i < n; i += SUPER, b += 84) {
        const float d = codec_f16(b + 80), dmin = codec_f16(b + 82);
        for (size_t g = 0; g < 16;
             g++) { /* 16 elements: half g/8, two bits at shift 2*(g/2 mod 4) */
            const float scale = d * (float)(b[g] & 15), least = dmin * (float)(b[g] >> 4);
            const uint8_t *q = b + 16 + g / 8 * 32 + g % 2 * 16;
            const unsigned shift = (unsigned)(2 * (g / 2 % 4));
            for (size_t j = 0; j < 16; j++)
                dst[i + 16 * g + j] = scale * (float)(q[j] >> shift & 3) - least;
        }
    }
}

/* Scale s of Q3_K: low four bits are nibble s/8 of byte s mod 8, the upper two bits 2*(s/4) of byte
 * 8 + s mod 4. */
static int q3_scale(const uint8_t *p, size_t s) {
    const int low = p[s % 8] >> 4 * (s / 8) & 15, high = p[8 + s % 4] >> 2 * (s / 4) & 3;
    return (low | high << 4) - 32;
}

void ig_tensor_decode_q3_k(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 hmask[32]; u8 qs[64]; u8 scales[12]; h d */
    for (size_t i = 0; i < n; i += SUPER, b += 110) {
        const float d = codec_f16(b + 108);
        for (size_t g = 0; g < 16; g++) {
            const float scale = d * (float)q3_scale(b + 96, g);
            const uint8_t *high = b + g % 2 * 16, *q = b + 32 + g / 8 * 32 + g % 2 * 16;
            const unsigned shift = (unsigned)(2 * (g / 2 % 4)), bit = (unsigned)(g / 2);
            for (size_t j = 0; j < 16; j++) /* a clear high bit subtracts 4 */
                dst[i + 16 * g + j] =
                    scale * (float)((q[j] >> shift & 3) - (high[j] >> bit & 1 ? 0 : 4));
        }
    }
}

/* Scale and min j of the 12 bytes of Q4_K and Q5_K, six bits each. */
static void scale_min(const uint8_t *p, size_t j, int *scale, int *least) {
    if (j < 4) {
        *scale = p[j] & 63;
        *least = p[j + 4] & 63;
    } else {
        *scale = (p[j + 4] & 15) | (p[j - 4] >> 6) << 4;
        *least = (p[j + 4] >> 4) | (p[j] >> 6) << 4;
    }
}

void ig_tensor_decode_q4_k(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; h dmin; u8 scales[12]; u8 qs[128] */
    for (size_t i = 0; i < n; i += SUPER, b += 144) {
        const float d = codec_f16(b), dmin = codec_f16(b + 2);
        for (size_t g = 0; g < 8; g++) { /* 32 elements: nibble g mod 2 of chunk g/2 */
            int s, m;
            scale_min(b + 4, g, &s, &m);
            const float scale = d * (float)s, least = dmin * (float)m;
            const uint8_t *q = b + 16 + g / 2 * 32;
            for (size_t j = 0; j < 32; j++)
                dst[i + 32 * g + j] = scale * (float)(q[j] >> 4 * (g % 2) & 15) - least;
        }
    }
}

void ig_tensor_decode_q5_k(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; h dmin; u8 scales[12]; u8 qh[32]; u8 qs[128] */
    for (size_t i = 0; i < n; i += SUPER, b += 176) {
        const float d = codec_f16(b), dmin = codec_f16(b + 2);
        for (size_t g = 0; g < 8; g++) { /* as Q4_K, the fifth bit of group g is bit g of qh */
            int s, m;
            scale_min(b + 4, g, &s, &m);
            const float scale = d * (float)s, least = dmin * (float)m;
            const uint8_t *high = b + 16, *q = b + 48 + g / 2 * 32;
            for (size_t j = 0; j < 32; j++) {
                const int v = (q[j] >> 4 * (g % 2) & 15) | (high[j] >> g & 1) << 4;
                dst[i + 32 * g + j] = scale * (float)v - least;
            }
        }
    }
}

void ig_tensor_decode_q6_k(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 ql[128]; u8 qh[64]; i8 scales[16]; h d */
    for (size_t i = 0; i < n; i += SUPER, b += 210) {
        const float d = codec_f16(b + 208);
        for (size_t g = 0; g < 8; g++) { /* 32 elements: quarter g mod 4 of half g/4 */
            const uint8_t *low = b + g / 4 * 64 + g % 2 * 32, *high = b + 128 + g / 4 * 32;
            const unsigned nibble = (unsigned)(g % 4 / 2 * 4), pair = (unsigned)(g % 4 * 2);
            for (size_t j = 0; j < 32; j++) {
                const float scale = d * (float)(int8_t)b[192 + 2 * g + j / 16];
                const int v = (low[j] >> nibble & 15) | (high[j] >> pair & 3) << 4;
                dst[i + 32 * g + j] = scale * (float)(v - 32);
            }
        }
    }
}
