/* vmath_f32.h: elementary functions on the f32 verbs of simd_f32.h.
 *
 * Polynomials are minimax fits (Remez exchange in exact arithmetic) of the stated error before
 * rounding; with f32 rounding the functions are within 2 ulp where that is not stated otherwise.
 * NaN gives NaN. No tables. */
#ifndef IG_BACKEND_CPU_VMATH_F32_H
#define IG_BACKEND_CPU_VMATH_F32_H

#include "backend/cpu/simd_f32.h"

#define LOG2E_F 1.44269504088896341f
/* ln 2 in two parts; the first has 12 trailing zero bits, so its product with an exponent is exact.
 */
#define LN2_HIGH_F 0.693145751953125f
#define LN2_LOW_F 1.42860682030941723e-6f

/* 2^x for x <= 128; 2^x is 0 below -150. The hot function of attention: fit error 2.6e-9. */
IG_INLINE vf vf_exp2(vf x) {
    x = vf_max(vf_set(-160.0f), x);
    const vf n = vf_round(x), f = vf_sub(x, n);
    vf p = vf_set(0.0001559467816653831f);
    p = vf_fma(p, f, vf_set(0.0013406643902275494f));
    p = vf_fma(p, f, vf_set(0.00961769297297383f));
    p = vf_fma(p, f, vf_set(0.05550310551014023f));
    p = vf_fma(p, f, vf_set(0.2402265278288792f));
    p = vf_fma(p, f, vf_set(0.6931472149680278f));
    p = vf_fma(p, f, vf_set(1.0f));
    return vf_scale2(p, n);
}

/* (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2. */
IG_INLINE vf exp_tail(vf r) {
    vf p = vf_set(0.0013948580816589774f);
    p = vf_fma(p, r, vf_set(0.00838110928999109f));
    p = vf_fma(p, r, vf_set(0.041666240712749665f));
    p = vf_fma(p, r, vf_set(0.1666632569406379f));
    return vf_fma(p, r, vf_set(0.5000000080800218f));
}

/* e^x; infinity above 88.73, denormals down to -103.97, then 0. Fit error 4e-9. */
IG_INLINE vf vf_exp(vf x) {
    x = vf_max(vf_set(-105.0f), vf_min(vf_set(89.0f), x));
    const vf n = vf_round(vf_mul(x, vf_set(LOG2E_F)));
    const vf r = vf_fnma(n, vf_set(LN2_LOW_F), vf_fnma(n, vf_set(LN2_HIGH_F), x));
    const vf p = vf_add(vf_fma(vf_mul(r, r), exp_tail(r), r), vf_set(1.0f));
    return vf_scale2(p, n);
}

/* e^x - 1 without cancellation near 0. */
IG_INLINE vf vf_expm1(vf x) {
    const vf near = vf_fma(vf_mul(x, x), exp_tail(x), x);
    return vf_blend(vf_lt(vf_abs(x), vf_set(0.34f)), near, vf_sub(vf_exp(x), vf_set(1.0f)));
}

IG_INLINE vf vf_sigmoid(vf x) {
    const vf one = vf_set(1.0f);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_set(0.0f), x))));
}

/* tanh: an odd polynomial below 0.625 (fit error 4e-9), else 1 - 2 / (e^2|x| + 1). */
IG_INLINE vf vf_tanh(vf x) {
    const vf a = vf_abs(x), z = vf_mul(x, x);
    vf p = vf_set(-0.005717045052887179f);
    p = vf_fma(p, z, vf_set(0.0206505872936203f));
    p = vf_fma(p, z, vf_set(-0.05374349807966962f));
    p = vf_fma(p, z, vf_set(0.13331491286962968f));
    p = vf_fma(p, z, vf_set(-0.3333328392528262f));
    const vf near = vf_fma(vf_mul(p, z), x, x);
    const vf e = vf_exp(vf_add(a, a));
    const vf far = vf_sub(vf_set(1.0f), vf_div(vf_set(2.0f), vf_add(e, vf_set(1.0f))));
    return vf_blend(vf_lt(a, vf_set(0.625f)), near, vf_copysign(far, x));
}

/* ln(1 + t) for 0 <= t <= 1 as 2 atanh(t / (2 + t)); fit error 1e-10. */
IG_INLINE vf log1p_unit(vf t) {
    const vf s = vf_div(t, vf_add(t, vf_set(2.0f))), z = vf_mul(s, s);
    vf p = vf_set(0.12144778764626084f);
    p = vf_fma(p, z, vf_set(0.10715370453771213f));
    p = vf_fma(p, z, vf_set(0.1430829836201138f));
    p = vf_fma(p, z, vf_set(0.199994441777986f));
    p = vf_fma(p, z, vf_set(0.3333333775017705f));
    const vf twice = vf_add(s, s);
    return vf_fma(vf_mul(p, z), twice, twice);
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e^-|x|). */
IG_INLINE vf vf_softplus(vf x) {
    const vf t = vf_exp(vf_sub(vf_set(0.0f), vf_abs(x)));
    return vf_add(vf_max(vf_set(0.0f), x), log1p_unit(t));
}

/* log2(1 + 2^x). */
IG_INLINE vf vf_softplus2(vf x) {
    const vf t = vf_exp2(vf_sub(vf_set(0.0f), vf_abs(x)));
    return vf_fma(log1p_unit(t), vf_set(LOG2E_F), vf_max(vf_set(0.0f), x));
}

/* erfc(y) for y >= 0 as e^(-y^2) P(1 / (1 + 0.4 y)); fit error 1.7e-9 up to y = 10, 0 beyond. The
 * square's rounding error is put back, else it would cost y^2 ulp. */
IG_INLINE vf erfc_positive(vf y) {
    y = vf_min(vf_set(10.5f), y);
    const vf one = vf_set(1.0f), t = vf_div(one, vf_fma(vf_set(0.4f), y, one));
    vf p = vf_set(-0.038672091598992396f);
    p = vf_fma(p, t, vf_set(0.2502766282338428f));
    p = vf_fma(p, t, vf_set(-0.6306047775377156f));
    p = vf_fma(p, t, vf_set(0.7387770922781115f));
    p = vf_fma(p, t, vf_set(-0.46115832793207456f));
    p = vf_fma(p, t, vf_set(0.38049812120711207f));
    p = vf_fma(p, t, vf_set(0.0850428342516283f));
    p = vf_fma(p, t, vf_set(0.22708078142792223f));
    p = vf_fma(p, t, vf_set(0.2228551628625987f));
    p = vf_fma(p, t, vf_set(0.225913398230544f));
    p = vf_fma(p, t, vf_set(-8.819743276935839e-06f));
    const vf square = vf_mul(y, y), lost = vf_fnma(y, y, square);
    const vf e = vf_exp(vf_sub(vf_set(0.0f), square));
    return vf_mul(vf_fma(e, lost, e), p);
}

/* x Phi(x): GELU with the error function. */
IG_INLINE vf vf_gelu_erf(vf x) {
    const vf half_erfc =
        vf_mul(vf_set(0.5f), erfc_positive(vf_mul(vf_abs(x), vf_set(0.70710678118654752f))));
    const vf phi = vf_blend(vf_lt(x, vf_set(0.0f)), half_erfc, vf_sub(vf_set(1.0f), half_erfc));
    return vf_mul(x, phi);
}

/* GELU in its tanh form: 0.5 x (1 + tanh u) = x sigmoid(2u). */
IG_INLINE vf vf_gelu(vf x) {
    const vf cube = vf_mul(vf_mul(x, x), x);
    const vf u2 = vf_mul(vf_set(1.5957691216057308f), vf_fma(vf_set(0.044715f), cube, x));
    return vf_mul(x, vf_sigmoid(u2));
}

IG_INLINE vf vf_silu(vf x) {
    return vf_div(x, vf_add(vf_set(1.0f), vf_exp(vf_sub(vf_set(0.0f), x))));
}

#endif
