/* codec_block32.h: shared by the codecs of 32-input types: nibbles and fifth bits of a packed block
 * (lines of 64 bytes; line w holds bytes 4w..4w+3 of 16 rows). Word p (0..7) of the inputs is
 * 4p..4p+3. */
#ifndef IG_BACKEND_CPU_CODEC_BLOCK32_H
#define IG_BACKEND_CPU_CODEC_BLOCK32_H

#include "backend/cpu/matmul_int.h"

/* Low nibbles of line p are word p, high nibbles word p + 4. */
IG_INLINE vi nibbles(const uint8_t *q, const int p) {
    const vi line = vi_load(q + (p & 3) * (int)IG_LINE);
    return vi_and(p < 4 ? line : vi_shr16(line, 4), vi_set8(15));
}

/* The same from the second line on, with bit p of the bytes of the first as fifth bit. */
IG_INLINE vi nibbles5(const uint8_t *q, const int p) {
    const vi bits = vi_load(q);
    return vi_or_and(nibbles(q + IG_LINE, p),
                     p < 4 ? vi_shl16(bits, p < 4 ? 4 - p : 0) : vi_shr16(bits, p < 4 ? 0 : p - 4),
                     vi_set8(16));
}

/* The levels of IQ4_NL and IQ4_XS as full bytes, in the form that vi_dot8 takes. */
IG_INLINE vi levels16(const uint8_t *q, const int p) {
#define LEVEL(v) (int8_t)((v) ^ IG_BIAS8)
    static const int8_t LEVELS[16] = {LEVEL(-127), LEVEL(-104), LEVEL(-83), LEVEL(-65),
                                      LEVEL(-49),  LEVEL(-35),  LEVEL(-22), LEVEL(-10),
                                      LEVEL(1),    LEVEL(13),   LEVEL(25),  LEVEL(38),
                                      LEVEL(53),   LEVEL(69),   LEVEL(89),  LEVEL(113)};
#undef LEVEL
    return vt_lookup(vt_load(LEVELS), nibbles(q, p));
}

#endif
