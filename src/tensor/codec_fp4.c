/* codec_fp4.c: MXFP4 (OCP microscaling: E2M1 elements, E8M0 scale per 32) and NVFP4 (E2M1, unsigned
 * E4M3 scale per 16; a file adds a scale per tensor, which is not applied here). Levels are doubled
 * so that they are integers; scales are halved instead. Pure functions; any thread. */
#include "tensor/codec_int.h"

static const float LEVELS2[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

/* 2^(e-128): half of 2^(e-127). 0 and 1 give subnormals; 255, NaN in the standard, is not special
 * here. */
static float e8m0_half(unsigned e) {
    return codec_bits(e < 2 ? 0x00200000u << e : (e - 1) << 23);
}

/* Half of an unsigned E4M3 number: bias 7, subnormals below 8; 0 and 127 are zero. */
static float e4m3_half(unsigned u) {
    const unsigned exponent = u >> 3 & 15, mantissa = u & 7;
    if (u == 0 || u == 127)
        return 0;
    if (exponent == 0)
        return (float)mantissa * 0x1p-10f;
    return codec_bits((exponent + 119) << 23 | mantissa << 20);
}

void ig_tensor_decode_mxfp4(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 e; u8 qs[16] */
    for (size_t i = 0; i < n; i += 32, b += 17) {
        const float d = e8m0_half(b[0]);
        for (size_t j = 0; j < 16; j++) {
            dst[i + j] = d * LEVELS2[b[1 + j] & 15];
            dst[i + j + 16] = d * LEVELS2[b[1 + j] >> 4];
        }
    }
}

void ig_tensor_decode_nvfp4(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* u8 d[4]; u8 qs[32] */
    for (size_t i = 0; i < n; i += 64, b += 36) {
        for (size_t g = 0; g < 4; g++) { /* 16 elements in 8 bytes */
            const float d = e4m3_half(b[g]);
            for (size_t j = 0; j < 8; j++) {
                const unsigned q = b[4 + 8 * g + j];
                dst[i + 16 * g + j] = d * LEVELS2[q & 15];
                dst[i + 16 * g + j + 8] = d * LEVELS2[q >> 4];
            }
        }
    }
}
