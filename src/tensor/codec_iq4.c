/* codec_iq4.c: IQ4_NL and IQ4_XS: nibbles that index sixteen unevenly spaced levels. Pure
 * functions; any thread. */
#include "tensor/codec_int.h"

static const float LEVELS[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                 1,    13,   25,  38,  53,  69,  89,  113};

static void levels32(const uint8_t *q, float scale, float *dst) {
    for (size_t j = 0; j < 16; j++) {
        dst[j] = scale * LEVELS[q[j] & 15];
        dst[j + 16] = scale * LEVELS[q[j] >> 4];
    }
}

void ig_tensor_decode_iq4_nl(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u8 qs[16] */
    for (size_t i = 0; i < n; i += 32, b += 18)
        levels32(b + 2, codec_f16(b), dst + i);
}

void ig_tensor_decode_iq4_xs(const void *src, float *dst, size_t n) {
    const uint8_t *b = src; /* h d; u16 scales_h; u8 scales_l[4]; u8 qs[128] */
    for (size_t i = 0; i < n; i += 256, b += 136) {
        const float d = codec_f16(b);
        const unsigned high = codec_u16(b + 2);
        for (size_t g = 0; g < 8; g++) { /* six bits: a nibble of scales_l, two bits of scales_h */
            const unsigned s = (b[4 + g / 2] >> 4 * (g % 2) & 15u) | (high >> 2 * g & 3) << 4;
            levels32(b + 8 + 16 * g, d * (float)((int)s - 32), dst + i + 32 * g);
        }
    }
}
