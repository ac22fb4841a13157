/* codec_grid.c: the 256-element types that index a codebook of short vectors: IQ2_XXS IQ2_XS IQ2_S
 * IQ3_XXS IQ3_S IQ1_S IQ1_M. A super-block is eight groups of 32 elements; signs lie apart from the
 * magnitudes. Pure functions; any thread. */
#include "tensor/codebook_int.h"
#include "tensor/codec_int.h"

#define SUPER 256

static const float LEVELS_IQ2[4] = {8, 25, 43, 0};
static const float LEVELS_IQ3_XXS[8] = {4, 12, 20, 28, 36, 44, 52, 62};
static const float LEVELS_IQ3_S[8] = {1, 3, 5, 7, 9, 11, 13, 15};

/* Seven stored sign bits; the eighth makes their number even. */
static unsigned even_signs(unsigned seven) {
    return seven | (unsigned)__builtin_parity(seven) << 7;
}

static void vector8(unsigned entry, float scale, unsigned signs, float *dst) {
    for (unsigned j = 0; j < 8; j++) {
        const float v = scale * LEVELS_IQ2[entry >> 2 * j & 3];
        dst[j] = signs >> j & 1 ? -v : v;
    }
}

static void vector4(unsigned entry, const float *levels, float scale, unsigned signs, float *dst) {
    for (unsigned j = 0; j < 4; j++) {
        const float v = scale * levels[entry >> 3 * j & 7];
        dst[j] = signs >> j & 1 ? -v : v;
    }
}

/* IQ1: levels -1, 0, 1 moved by an eighth. */
static void trits8(unsigned entry, float scale, float delta, float *dst) {
    for (unsigned j = 0; j < 8; j++)
        dst[j] = scale * ((float)((int)(entry >> 2 * j & 3) - 1) + delta);
}

void ig_tensor_decode_iq2_xxs(const void *src, float *dst, size_t n) {
    const uint8_t *b =
        src; /* h d; per group u8 index[4], u32 of four 7-bit signs and a 4-bit scale */
    for (size_t i = 0; i < n; i += SUPER, b += 66) {
        const float d = codec_f16(b);
        for (size_t g = 0; g < 8; g++) {
            const uint8_t *q = b + 2 + 8 * g;
            const uint32_t signs = codec_u32(q + 4);
            const float scale = d * (0.5f + (float)(signs >> 28)) * 0.25f;
            for (size_t k = 0; k < 4; k++)
                vector8(ig_tensor_grid_iq2xxs[q[k]], scale, even_signs(signs >> 7 * k & 127),
                        dst + i + 32 * g + 8 * k);
        }
    }
}

void ig_tensor_decode_iq2_xs(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u16 qs[32] of 9-bit index and 7-bit signs; u8 scales[8] */
    for (size_t i = 0; i < n; i += SUPER, b += 74) {
        const float d = codec_f16(b);
        for (size_t k = 0; k < 32; k++) {
            const unsigned q = codec_u16(b + 2 + 2 * k), s = b[66 + k / 4] >> 4 * (k / 2 % 2) & 15;
            vector8(ig_tensor_grid_iq2xs[q & 511], d * (0.5f + (float)s) * 0.25f,
                    even_signs(q >> 9), dst + i + 8 * k);
        }
    }
}

void ig_tensor_decode_iq2_s(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[32]; u8 signs[32]; u8 qh[8]; u8 scales[8] */
    for (size_t i = 0; i < n; i += SUPER, b += 82) {
        const float d = codec_f16(b);
        for (size_t k = 0; k < 32; k++) {
            const unsigned q = b[2 + k] | (b[66 + k / 4] >> 2 * (k % 4) & 3u) << 8;
            const unsigned s = b[74 + k / 4] >> 4 * (k / 2 % 2) & 15;
            vector8(ig_tensor_grid_iq2s[q], d * (0.5f + (float)s) * 0.25f, b[34 + k],
                    dst + i + 8 * k);
        }
    }
}

void ig_tensor_decode_iq3_xxs(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[64]; u32 signs[8] as in IQ2_XXS */
    for (size_t i = 0; i < n; i += SUPER, b += 98) {
        const float d = codec_f16(b);
        for (size_t g = 0; g < 8; g++) {
            const uint32_t word = codec_u32(b + 66 + 4 * g);
            const float scale = d * (0.5f + (float)(word >> 28)) * 0.5f;
            for (size_t k = 0; k < 8; k++) {
                const unsigned signs = even_signs(word >> 7 * (k / 2) & 127) >> 4 * (k % 2);
                vector4(ig_tensor_grid_iq3xxs[b[2 + 8 * g + k]], LEVELS_IQ3_XXS, scale, signs,
                        dst + i + 32 * g + 4 * k);
            }
        }
    }
}

void ig_tensor_decode_iq3_s(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[64]; u8 qh[8]; u8 signs[32]; u8 scales[4] */
    for (size_t i = 0; i < n; i += SUPER, b += 110) {
        const float d = codec_f16(b);
        for (size_t g = 0; g < 8; g++) {
            const float scale = d * (float)(1 + 2 * (b[106 + g / 2] >> 4 * (g % 2) & 15));
            for (size_t k = 0; k < 8; k++) {
                const unsigned q = b[2 + 8 * g + k] | (b[66 + g] >> k & 1u) << 8;
                vector4(ig_tensor_grid_iq3s[q], LEVELS_IQ3_S, scale,
                        (unsigned)(b[74 + 4 * g + k / 2] >> 4 * (k % 2)), dst + i + 32 * g + 4 * k);
            }
        }
    }
}

void ig_tensor_decode_iq1_s(const void *src, float *dst, size_t n) {
    const uint8_t *b =
        src; /* h d; u8 qs[32]; u16 qh[8]: 4 x 3 index bits, 3-bit scale, sign of delta */
    for (size_t i = 0; i < n; i += SUPER, b += 50) {
        const float d = codec_f16(b);
        for (size_t g = 0; g < 8; g++) {
            const unsigned high = codec_u16(b + 34 + 2 * g);
            const float scale = d * (float)(2 * (high >> 12 & 7) + 1);
            const float delta = high >> 15 ? -0.125f : 0.125f;
            for (size_t k = 0; k < 4; k++) {
                const unsigned q = b[2 + 4 * g + k] | (high >> 3 * k & 7) << 8;
                trits8(ig_tensor_grid_iq1[q], scale, delta, dst + i + 32 * g + 8 * k);
            }
        }
    }
}

void ig_tensor_decode_iq1_m(const void *src, float *dst, size_t n) {
    const uint8_t *b =
        src; /* u8 qs[32]; u8 qh[16]; u16 scales[4]: four 3-bit scales, a nibble of d */
    for (size_t i = 0; i < n; i += SUPER, b += 56) {
        unsigned half = 0;
        for (size_t w = 0; w < 4; w++)
            half |= (unsigned)(codec_u16(b + 48 + 2 * w) >> 12) << 4 * w;
        const float d = ig_f16_to_f32((uint16_t)half);
        for (size_t k = 0; k < 32; k++) { /* 8 elements; a scale for 16, a nibble of qh for 8 */
            const unsigned word = codec_u16(b + 48 + 2 * (k / 8)), s = word >> 3 * (k / 2 % 4) & 7;
            const unsigned high = b[32 + k / 2] >> 4 * (k % 2) & 15u;
            trits8(ig_tensor_grid_iq1[b[k] | (high & 7) << 8], d * (float)(2 * s + 1),
                   high & 8 ? -0.125f : 0.125f, dst + i + 8 * k);
        }
    }
}
