/* sample_math.h: the arithmetic of the room, without libm, so that decisions are the same bits
 * everywhere. The inline functions are plain C that compilers vectorise. Internal to the room. */
#ifndef IG_SAMPLE_SAMPLE_MATH_H
#define IG_SAMPLE_SAMPLE_MATH_H

#include <float.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

typedef union ig_f32_bits {
    float f;
    uint32_t u;
} ig_f32_bits;

/* exp(x) for x <= 0 within 1.5 ulp; 0 below -86.5 and for NaN. Range reduction by ln 2 in two
 * parts, then the degree-6 minimax polynomial of Cephes expf; adding 1.5 * 2^23 rounds and leaves
 * the exponent in the low bits. */
IG_INLINE float ig_exp_neg(float x) {
    const float lowest = -86.5f, round = 12582912.0f;
    float c = x > lowest ? x : lowest;
    ig_f32_bits n = {.f = c * 1.44269504f + round}, y;
    float k = n.f - round;
    float r = (c - k * 0.693359375f) + k * 2.12194440e-4f;
    /* Pairs instead of Horner's chain: the loop is bound by latency. */
    float r2 = r * r;
    float q0 = 1.6666665459e-1f * r + 5.0000001201e-1f;
    float q1 = 8.3334519073e-3f * r + 4.1665795894e-2f;
    float q2 = 1.9875691500e-4f * r + 1.3981999507e-3f;
    float q = (q2 * r2 + q1) * r2 + q0;
    y.f = q * r2 + (r + 1.0f);
    y.u += n.u << 23;
    return x > lowest ? y.f : 0.0f;
}

/* A float as an unsigned number of the same order; -0 counts as +0. Not for NaN. */
IG_INLINE uint32_t ig_order_of(float x) {
    ig_f32_bits b = {.f = x + 0.0f};
    return b.u ^ ((uint32_t)((int32_t)b.u >> 31) | 0x80000000u);
}
IG_INLINE float ig_order_value(uint32_t order) {
    ig_f32_bits b = {.u = order ^ (((order >> 31) - 1u) | 0x80000000u)};
    return b.f;
}

IG_INLINE bool ig_finite(float x) {
    return x >= -FLT_MAX && x <= FLT_MAX;
}
IG_INLINE float ig_clamp(float x, float lo, float hi) {
    return x < lo ? lo : x > hi ? hi : x;
}

/* Natural logarithm of a positive normal number; exponential (0 below -700, bounded above 700); x^y
 * for x >= 0. About 1e-15 relative, by basic operations only. */
double ig_ln(double x);
double ig_exp(double x);
double ig_pow(double x, double y);
/* base^n by squaring; infinity when too large. */
double ig_pow_int(double base, uint32_t n);

#endif
