/* simd_scalar.h: the verbs of the kernel templates in portable C: what each means, and a set for
 * any CPU.
 *
 * A vector is IG_LANES lanes of 32 bits, one lane a row of weights: vi integers (or 4 bytes, or 2
 * halves), vf floats. Here it is one lane: with 16 the compilers unroll the templates into
 * megabytes and take minutes. The FMA is rounded twice (double, then float), which differs from a
 * true FMA about once in 2^29; everything else is the same bits as on the other ISAs, except BF16
 * where a processor has its own rounding. */
#ifndef IG_BACKEND_CPU_SIMD_SCALAR_H
#define IG_BACKEND_CPU_SIMD_SCALAR_H

#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

#define IG_LANES 1
#define IG_ROW_VECTORS 2 /* row vectors of a float kernel */
#define IG_BIAS8 0       /* what turns a signed byte into the operand of vi_dot8 */

typedef struct vi {
    int32_t v[IG_LANES];
} vi;
typedef struct vf {
    float v[IG_LANES];
} vf;

#define LANES for (int i = 0; i < IG_LANES; i++)
#define EACH_BYTE for (int i = 0; i < 4 * IG_LANES; i++)
#define EACH_HALF for (int i = 0; i < 2 * IG_LANES; i++)

/* Bytes and halves of a vector; memory order. */
typedef struct vb {
    uint8_t v[4 * IG_LANES];
} vb;
typedef struct vh {
    uint16_t v[2 * IG_LANES];
} vh;
IG_INLINE vb bytes_of(vi a) {
    vb b;
    memcpy(&b, &a, sizeof b);
    return b;
}
IG_INLINE vh halves_of(vi a) {
    vh h;
    memcpy(&h, &a, sizeof h);
    return h;
}
IG_INLINE vi of_bytes(vb b) {
    vi a;
    memcpy(&a, &b, sizeof a);
    return a;
}
IG_INLINE vi of_halves(vh h) {
    vi a;
    memcpy(&a, &h, sizeof a);
    return a;
}

/* Loads: lanes, bytes widened to lanes, one word in
 * every lane. */
IG_INLINE vi vi_load(const void *p) {
    vi r;
    memcpy(&r, p, sizeof r);
    return r;
}
IG_INLINE void vi_store(void *p, vi a) {
    memcpy(p, &a, sizeof a);
}
IG_INLINE vi vi_load_u8(const void *p) {
    const uint8_t *b = p;
    vi r;
    LANES r.v[i] = b[i];
    return r;
}
IG_INLINE vi vi_load_s8(const void *p) {
    const int8_t *b = p;
    vi r;
    LANES r.v[i] = b[i];
    return r;
}
IG_INLINE vi vi_bcast(const void *p) {
    int32_t w;
    memcpy(&w, p, 4);
    vi r;
    LANES r.v[i] = w;
    return r;
}
IG_INLINE vi vi_zero(void) {
    return (vi){{0}};
}
IG_INLINE vi vi_set8(int v) {
    vb r;
    EACH_BYTE r.v[i] = (uint8_t)v;
    return of_bytes(r);
}
IG_INLINE vi vi_set32(int v) {
    vi r;
    LANES r.v[i] = v;
    return r;
}
IG_INLINE vi vi_and(vi a, vi b) {
    LANES a.v[i] &= b.v[i];
    return a;
}
/* a | (b & mask) */
IG_INLINE vi vi_or_and(vi a, vi b, vi mask) {
    LANES a.v[i] |= b.v[i] & mask.v[i];
    return a;
}
/* Shifts of halves; of lanes by the count of the lane. */
IG_INLINE vi vi_shr16(vi a, const int n) {
    vh h = halves_of(a);
    EACH_HALF h.v[i] = (uint16_t)(h.v[i] >> n);
    return of_halves(h);
}
IG_INLINE vi vi_shl16(vi a, const int n) {
    vh h = halves_of(a);
    EACH_HALF h.v[i] = (uint16_t)(h.v[i] << n);
    return of_halves(h);
}
IG_INLINE vi vi_shr16_by(vi a, int n) {
    return vi_shr16(a, n);
}
IG_INLINE vi vi_shl32(vi a, const int n) {
    LANES a.v[i] = (int32_t)((uint32_t)a.v[i] << n);
    return a;
}
IG_INLINE vi vi_shr32(vi a, int n) {
    LANES a.v[i] = (int32_t)((uint32_t)a.v[i] >> n);
    return a;
}
IG_INLINE vi vi_shl32_by(vi a, vi n) {
    LANES a.v[i] = (int32_t)((uint32_t)a.v[i] << n.v[i]);
    return a;
}
IG_INLINE vi vi_add(vi a, vi b) {
    LANES a.v[i] += b.v[i];
    return a;
}
/* A table of 16 bytes; every byte of index (0..15) replaced by its entry. */
typedef struct vt {
    uint8_t v[16];
} vt;
IG_INLINE vt vt_load(const int8_t *table16) {
    vt t;
    memcpy(&t, table16, sizeof t);
    return t;
}
IG_INLINE vi vt_lookup(vt table, vi index) {
    const vb n = bytes_of(index);
    vb r;
    EACH_BYTE r.v[i] = table.v[n.v[i]];
    return of_bytes(r);
}
/* acc + sum of 4 products: weights unsigned and below 128, activations signed. */
IG_INLINE vi vi_dot(vi acc, vi w, vi x) {
    const vb wb = bytes_of(w), xb = bytes_of(x);
    LANES for (int j = 0; j < 4; j++) acc.v[i] += wb.v[4 * i + j] * (int8_t)xb.v[4 * i + j];
    return acc;
}
/* The same for weights of 8 bits in the form of IG_BIAS8 or as packed Q8_0 has them (both 128 too
 * large when IG_BIAS8 is not 0); vi_init8 gives the start value from -sum(x) that takes the bias
 * out. */
IG_INLINE vi vi_dot8(vi acc, vi w, vi x) {
    const vb wb = bytes_of(w), xb = bytes_of(x);
    LANES for (int j = 0; j < 4; j++) acc.v[i] += (int8_t)wb.v[4 * i + j] * (int8_t)xb.v[4 * i + j];
    return acc;
}
IG_INLINE vi vi_init8(vi negsum) {
    (void)negsum;
    return vi_zero();
}
/* Packed Q8_0 bytes (128 too large) to the form of vi_dot8. */
IG_INLINE vi vi_from_biased8(vi a) {
    vb b = bytes_of(a);
    EACH_BYTE b.v[i] ^= 0x80;
    return of_bytes(b);
}
/* acc + sum of 2 products of signed halves. */
IG_INLINE vi vi_dot16(vi acc, vi a, vi b) {
    const vh ah = halves_of(a), bh = halves_of(b);
    LANES acc.v[i] += (int16_t)ah.v[2 * i] * (int16_t)bh.v[2 * i] +
                      (int16_t)ah.v[2 * i + 1] * (int16_t)bh.v[2 * i + 1];
    return acc;
}
/* Round to nearest even. */
IG_INLINE vf vi_to_f32(vi a) {
    vf r;
    LANES r.v[i] = (float)a.v[i];
    return r;
}

IG_INLINE vf vf_zero(void) {
    return (vf){{0}};
}
IG_INLINE vf vf_load(const float *p) {
    vf r;
    memcpy(&r, p, sizeof r);
    return r;
}
IG_INLINE void vf_store(float *p, vf a) {
    memcpy(p, &a, sizeof a);
}
IG_INLINE float f32_of_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}
/* Exponent and mantissa are moved up; a product by 2^112 then corrects the bias, subnormals
 * included. */
IG_INLINE vf vf_load_f16(const void *p) {
    uint16_t h[IG_LANES];
    memcpy(h, p, sizeof h);
    vf r;
    LANES {
        const uint32_t sign = (uint32_t)(h[i] & 0x8000) << 16, rest = (uint32_t)(h[i] & 0x7fff)
                                                                      << 13;
        const float magnitude = (h[i] & 0x7c00) == 0x7c00 ? f32_of_bits(rest | 0x7f800000)
                                                          : f32_of_bits(rest) * 0x1p112f;
        r.v[i] = sign ? -magnitude : magnitude;
    }
    return r;
}
/* 2^(e - 128) of bytes e. */
IG_INLINE vf vf_load_e8m0_half(const void *p) {
    const uint8_t *e = p;
    vf r;
    LANES r.v[i] = f32_of_bits(e[i] < 2 ? 0x00200000u << e[i] : (uint32_t)(e[i] - 1) << 23);
    return r;
}
IG_INLINE vf vf_bcast(const void *p) {
    float f;
    memcpy(&f, p, 4);
    vf r;
    LANES r.v[i] = f;
    return r;
}
IG_INLINE vf vf_mul(vf a, vf b) {
    LANES a.v[i] *= b.v[i];
    return a;
}
/* a * b + c. The sum goes through memory: when gcc 12 makes vectors of two such steps it drops the
 * rounding to float between them. */
IG_INLINE vf vf_fma(vf a, vf b, vf c) {
    LANES {
        float sum = (float)((double)a.v[i] * (double)b.v[i] + (double)c.v[i]);
        __asm__("" : "+m"(sum));
        c.v[i] = sum;
    }
    return c;
}

/* BF16 weights against f32 activations: first the lower half of every word, then the upper. */
#define IG_BF16_FORM IG_ACT_FORM_F32
#define IG_BF16_STEPS 2
typedef vf bf16_vector;
IG_INLINE bf16_vector bf16_load(const void *p, const int step) {
    const vi pairs = vi_load(p);
    vf r;
    LANES r.v[i] =
        f32_of_bits(step == 0 ? (uint32_t)pairs.v[i] << 16 : (uint32_t)pairs.v[i] & 0xffff0000u);
    return r;
}
IG_INLINE bf16_vector bf16_bcast(const void *p) {
    return vf_bcast(p);
}
IG_INLINE vf bf16_dot(vf acc, bf16_vector w, bf16_vector x) {
    return vf_fma(w, x, acc);
}

#undef LANES
#undef EACH_BYTE
#undef EACH_HALF
#endif
