/* tile.c: what is done to the 64 floats of a tile. Loops are elementwise passes of fixed length, so
 * that the compiler vectorises them without being allowed to reorder sums: the order is spelled
 * out, and the bits are the same on every processor. Compiled for three widths of vectors, because
 * exponentials of a whole vocabulary are what log-probabilities and beams cost: 262,144 of them
 * take 320 us with 128 bits, 185 with 256, 112 with 512. */
#include <math.h>

#include "sample/candidates.h"

/* x if greater, else m: an x that is NaN never wins. */
IG_INLINE float greater(float x, float m) {
    return x > m ? x : m;
}

IG_INLINE float max_of(const float x[IG_TILE]) {
    float m[16];
    for (int j = 0; j < 16; j++)
        m[j] = greater(x[j + 48], greater(x[j + 32], greater(x[j + 16], greater(x[j], -INFINITY))));
    for (int j = 0; j < 8; j++)
        m[j] = greater(m[j], m[j + 8]);
    for (int j = 0; j < 4; j++)
        m[j] = greater(m[j], m[j + 4]);
    return greater(greater(m[0], m[1]), greater(m[2], m[3]));
}

IG_INLINE float sum_of(const float x[IG_TILE]) {
    float s[16];
    for (int j = 0; j < 16; j++)
        s[j] = (x[j] + x[j + 16]) + (x[j + 32] + x[j + 48]);
    for (int j = 0; j < 8; j++)
        s[j] += s[j + 8];
    for (int j = 0; j < 4; j++)
        s[j] += s[j + 4];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

IG_INLINE float exp_of(const float x[IG_TILE], float max, float e[IG_TILE]) {
    for (int j = 0; j < (int)IG_TILE; j++)
        e[j] = ig_exp_neg(x[j] - max);
    return sum_of(e);
}

#define WIDTH(name, target)                                                                        \
    target static float max_##name(const float x[IG_TILE]) {                                       \
        return max_of(x);                                                                          \
    }                                                                                              \
    target static float exp_##name(const float x[IG_TILE], float max, float e[IG_TILE]) {          \
        return exp_of(x, max, e);                                                                  \
    }
WIDTH(plain, )
WIDTH(avx2, IG_TARGET_AVX2)
WIDTH(avx512, IG_TARGET_AVX512)
#undef WIDTH

float ig_tile_max(const float x[IG_TILE]) {
    return ig_cpu_has_avx512() ? max_avx512(x) : ig_cpu_has_avx2() ? max_avx2(x) : max_plain(x);
}

float ig_tile_sum(const float x[IG_TILE]) {
    return sum_of(x);
}

float ig_tile_exp(const float x[IG_TILE], float max, float e[IG_TILE]) {
    return ig_cpu_has_avx512() ? exp_avx512(x, max, e)
           : ig_cpu_has_avx2() ? exp_avx2(x, max, e)
                               : exp_plain(x, max, e);
}
