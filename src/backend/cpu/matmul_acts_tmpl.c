/* matmul_acts_tmpl.c: packs input rows ("columns" of the product) into the forms of matmul_int.h.
 * Compiled once per ISA: plain C in a shape that compilers turn into vectors; the results are the
 * same bits everywhere (no contraction, one rounding rule, integer maxima). Any thread. */
#include "backend/cpu/matmul_int.h"

#include <string.h>

#define FN(name) IG_CAT3(ig_act, name, IG_ISA)
#define GROUP IG_CAT2(IG_GROUP, IG_ISA)
#define FLOAT_GROUP IG_CAT2(IG_FLOAT_GROUP, IG_ISA)

/* Added to a number below 2^22 it leaves the number rounded to nearest even in the low bits. */
#define ROUND_MAGIC 12582912.0f
#define ROUND_BITS 0x4b400000

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}
static float float_of(uint32_t u) {
    float f;
    memcpy(&f, &u, 4);
    return f;
}
static void put32(uint8_t *p, uint32_t v) {
    memcpy(p, &v, 4);
}

/* Largest magnitude of 32 floats as bits; NaN counts as largest and so reaches the result. */
static uint32_t max_bits(const float *x) {
    uint32_t most = 0;
    for (int i = 0; i < 32; i++) {
        const uint32_t u = bits_of(x[i]) & 0x7fffffff;
        most = u > most ? u : most;
    }
    return most;
}

/* q = round(x * inverse) of 32 inputs; returns sums of the halves. |x * inverse| <= 127 (anything
 * when x is not finite). */
static void quantise(const float *x, float inverse, int8_t *q, int32_t sum[2]) {
    int32_t t[32];
    for (int i = 0; i < 32; i++) {
        const float scaled = x[i] * inverse + ROUND_MAGIC;
        t[i] = (int32_t)bits_of(scaled) - ROUND_BITS;
    }
    int32_t a = 0, b = 0;
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)t[i];
        q[i + 16] = (int8_t)t[i + 16];
        a += (int8_t)t[i];
        b += (int8_t)t[i + 16];
    }
    sum[0] = a;
    sum[1] = b;
}

/* Below this a block counts as zeros: 127 / max times 256 must stay finite. */
#define LEAST_MAX 1e-30f

/* 127 / max; 0 for zeros. NaN and infinity give NaN or garbage here, and a scale that keeps them
 * visible. */
static float inverse_of(float most) {
    return most < LEAST_MAX ? 0.0f : 127.0f / most;
}
static float scale_of(float most) {
    return most < LEAST_MAX ? 0.0f : most / 127.0f;
}

static void block_q8(const float *x, uint32_t c, uint32_t nr, uint8_t *dst) {
    int8_t q[32];
    int32_t sum[2];
    const float most = float_of(max_bits(x)), inverse = inverse_of(most), scale = scale_of(most);
    quantise(x, inverse, q, sum);
    for (uint32_t w = 0; w < 8; w++)
        memcpy(dst + (w * nr + c) * 4, q + 4 * w, 4);
    const int32_t total = sum[0] + sum[1];
    put32(dst + (IG_Q8_SCALE * nr + c) * 4, bits_of(scale));
    put32(dst + (IG_Q8_NEGSUM * nr + c) * 4, (uint32_t)-total);
    put32(dst + (IG_Q8_XSUM * nr + c) * 4, bits_of(scale * (float)total));
}

/* Two i16 in one word. */
static uint32_t pair(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xffff) | (uint32_t)high << 16;
}

/* v / 2^k, rounded; v may be negative. */
static int32_t shift_round(int32_t v, int32_t k) {
    return (v + (1 << k >> 1)) >> k;
}

/* The largest k up to 8 with most * 2^k <= top, from the bits of two magnitudes, most <= top: a difference of exponents,
 * one less when the mantissa would be too large. Without branches, because blocks differ at random. */
static int32_t headroom(uint32_t most, uint32_t top) {
    const int32_t e = (int32_t)(top >> 23) - (int32_t)(most >> 23);
    const int32_t k = e - ((most & 0x7fffff) > (top & 0x7fffff));
    return k > 8 ? 8 : k < 0 ? 0 : k;
}

static void block_q8k(const float *x, uint32_t c, uint32_t nr, uint8_t *dst) {
    uint32_t most[8], all = 0;
    for (int j = 0; j < 8; j++) {
        most[j] = max_bits(x + 32 * j);
        all = most[j] > all ? most[j] : all;
    }
    const float top = float_of(all), inverse = inverse_of(top), scale = scale_of(top);
    int32_t sum32[8], sum16[16];
    for (int j = 0; j < 8; j++) {
        int8_t q[32];
        int32_t sum[2];
        const int32_t k = headroom(most[j], all);
        quantise(x + 32 * j, inverse * (float)(1 << k), q, sum);
        for (uint32_t w = 0; w < 8; w++)
            memcpy(dst + ((8 * (uint32_t)j + w) * nr + c) * 4, q + 4 * w, 4);
        put32(dst + ((IG_Q8K_SHIFT + (uint32_t)j) * nr + c) * 4, (uint32_t)(8 - k));
        for (uint32_t h = 0; h < 2; h++) {
            put32(dst + ((IG_Q8K_NEGSUM + 2 * (uint32_t)j + h) * nr + c) * 4, (uint32_t)-sum[h]);
            sum16[2 * j + (int)h] = shift_round(sum[h] * 16, k);
        }
        sum32[j] = shift_round((sum[0] + sum[1]) * 8, k);
    }
    for (uint32_t j = 0; j < 4; j++)
        put32(dst + ((IG_Q8K_PAIR32 + j) * nr + c) * 4, pair(sum32[2 * j], sum32[2 * j + 1]));
    for (uint32_t j = 0; j < 8; j++)
        put32(dst + ((IG_Q8K_PAIR16 + j) * nr + c) * 4, pair(sum16[2 * j], sum16[2 * j + 1]));
    put32(dst + (IG_Q8K_SCALE * nr + c) * 4, bits_of(scale * 0x1p-8f));
}

static void row_q8(const float *x, uint32_t cols, uint32_t c, uint32_t nr, uint8_t *dst) {
    for (uint32_t k = 0; k < cols; k += 32, dst += IG_Q8_DWORDS * 4 * nr)
        block_q8(x + k, c, nr, dst);
}

static void row_q8k(const float *x, uint32_t cols, uint32_t c, uint32_t nr, uint8_t *dst) {
    for (uint32_t k = 0; k < cols; k += 256, dst += IG_Q8K_DWORDS * 4 * nr)
        block_q8k(x + k, c, nr, dst);
}

static void row_f32(const float *x, uint32_t cols, uint32_t c, uint32_t nr, uint8_t *dst) {
    for (uint32_t k = 0; k < cols; k++)
        memcpy(dst + ((size_t)k * nr + c) * 4, x + k, 4);
    if (cols % 2)
        put32(dst + ((size_t)cols * nr + c) * 4, 0);
}

/* Round to nearest even; NaN stays NaN. */
static uint32_t bf16_of(float f) {
    const uint32_t u = bits_of(f), rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return (u & 0x7fffffff) > 0x7f800000 ? (u >> 16 | 64) : rounded;
}

static void row_bf16(const float *x, uint32_t cols, uint32_t c, uint32_t nr, uint8_t *dst) {
    uint32_t k = 0;
    for (; k + 1 < cols; k += 2)
        put32(dst + ((size_t)k / 2 * nr + c) * 4, bf16_of(x[k]) | bf16_of(x[k + 1]) << 16);
    if (k < cols)
        put32(dst + ((size_t)k / 2 * nr + c) * 4, bf16_of(x[k]));
}

typedef void (*row_fn)(const float *x, uint32_t cols, uint32_t c, uint32_t nr, uint8_t *dst);

static size_t group_bytes(ig_act_format form, uint32_t group, uint32_t cols, uint32_t n_cols) {
    const size_t tail = n_cols % group;
    return n_cols / group * ig_act_group_bytes(form, cols, group) +
           (tail ? ig_act_group_bytes(form, cols, (uint32_t)tail) : 0);
}

IG_INLINE void pack_groups(ig_act_format form, uint32_t group, row_fn row, const float *x,
                           size_t stride, uint32_t cols, uint32_t n_cols, uint32_t col0,
                           uint32_t col1, void *dst) {
    const size_t full = ig_act_group_bytes(form, cols, group);
    for (uint32_t c = col0; c < col1; c++) {
        const uint32_t first = c / group * group, nr = IG_MIN(group, n_cols - first);
        row(x + c * stride, cols, c - first, nr, (uint8_t *)dst + c / group * full);
    }
}

#define PACKER(name, form, group)                                                                  \
    size_t FN(bytes_##name)(uint32_t cols, uint32_t n_cols);                                       \
    void FN(pack_##name)(const float *x, size_t stride, uint32_t cols, uint32_t n_cols,            \
                         uint32_t col0, uint32_t col1, void *dst);                                 \
    size_t FN(bytes_##name)(uint32_t cols, uint32_t n_cols) {                                      \
        return group_bytes(form, group, cols, n_cols);                                             \
    }                                                                                              \
    void FN(pack_##name)(const float *x, size_t stride, uint32_t cols, uint32_t n_cols,            \
                         uint32_t col0, uint32_t col1, void *dst) {                                \
        pack_groups(form, group, row_##name, x, stride, cols, n_cols, col0, col1, dst);            \
    }

PACKER(f32, IG_ACT_FORM_F32, FLOAT_GROUP)
PACKER(bf16, IG_ACT_FORM_BF16, FLOAT_GROUP)
PACKER(q8, IG_ACT_FORM_Q8, GROUP)
PACKER(q8k, IG_ACT_FORM_Q8K, GROUP)
