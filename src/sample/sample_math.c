/* sample_math.c: logarithm, exponential and powers by series, for the few scalars a draw needs. */
#include "sample/sample_math.h"

#include <string.h>

#define LN2 0.69314718055994530942
#define LN2_HI 0x1.62e42fee00000p-1 /* 21 low bits are zero, so k * LN2_HI is exact */
#define LN2_LO 0x1.a39ef35793c76p-33

double ig_ln(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int k = (int)(bits >> 52 & 0x7FF) - 1023;
    bits = (bits & 0xFFFFFFFFFFFFFull) | 0x3FF0000000000000ull;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.41421356237309504880) {
        m *= 0.5;
        k++;
    }
    /* ln m = 2 atanh((m - 1) / (m + 1)), |s| <= 0.1716: 11 terms reach 1e-18. */
    double s = (m - 1.0) / (m + 1.0), s2 = s * s, sum = 0.0;
    for (int i = 23; i >= 3; i -= 2)
        sum = (sum + 1.0 / i) * s2;
    return k * LN2_HI + (k * LN2_LO + 2.0 * s * (1.0 + sum));
}

double ig_exp(double x) {
    if (!(x > -700.0))
        return 0.0;
    if (x > 700.0)
        x = 700.0;
    int k = (int)(x / LN2 + (x < 0 ? -0.5 : 0.5));
    double r = (x - k * LN2_HI) - k * LN2_LO, sum = 1.0;
    for (int i = 14; i >= 1; i--)
        sum = 1.0 + sum * r / i;
    uint64_t bits = (uint64_t)(k + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double ig_pow(double x, double y) {
    if (y <= 0.0)
        return y < 0.0 ? 1.0 / ig_pow(x, -y) : 1.0;
    return x < DBL_MIN ? 0.0 : ig_exp(y * ig_ln(x));
}

double ig_pow_int(double base, uint32_t n) {
    double result = 1.0;
    for (; n; n >>= 1, base *= base)
        if (n & 1)
            result *= base;
    return result;
}
