/* matmul_acts_tmpl.c: packs input rows ("columns" of the product) into the forms of matmul_int.h.
 * Compiled once per ISA; the results are the same bits everywhere (no contraction, one rounding
 * rule, integer maxima). A row of floats lies with its words nr words apart, one of integers with
 * its blocks nr blocks apart: `dst` is the place of its first one.
 * Any thread. */
#include "backend/cpu/matmul_int.h"
#include "backend/cpu/simd_f32.h"

#include <string.h>

#define FN(name) IG_CAT3(ig_act, name, IG_ISA)
#define FLOAT_GROUP IG_CAT2(IG_FLOAT_GROUP, IG_ISA)

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
static inline uint32_t max_bits(const float *x) {
    vf most = vf_abs(vf_load(x));
    for (int i = VN; i < 32; i += VN)
        most = vf_max_bits(most, vf_abs(vf_load(x + i)));
    return vf_hmax_bits(most);
}

/* q = round(x * inverse) of 32 inputs; |x * inverse| <= 127 (anything when x is not finite). */
static inline void quantise(const float *x, float inverse, int8_t *q) {
    const vf f = vf_set(inverse);
    for (int i = 0; i < 32; i += VN)
        vf_store_i8(q + i, vf_mul(vf_load(x + i), f));
}

/* n words to every nr-th place. */
static inline void spread(uint8_t *dst, uint32_t nr, const void *words, uint32_t n) {
    for (uint32_t w = 0; w < n; w++)
        memcpy(dst + (size_t)w * nr * 4, (const uint8_t *)words + 4 * w, 4);
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

/* n blocks of 32 inputs, n <= Q8_BATCH. */
#define Q8_BATCH 8u
static void blocks_q8(const float *x, uint32_t n, uint32_t nr, uint8_t *dst) {
    int8_t q[Q8_BATCH * 32] = {0};
    int32_t sum[Q8_BATCH * 2];
    float scale[Q8_BATCH];
    for (uint32_t j = 0; j < n; j++) {
        const float most = float_of(max_bits(x + 32 * j));
        scale[j] = scale_of(most);
        quantise(x + 32 * j, inverse_of(most), q + 32 * j);
    }
    for (uint32_t j = 0; j < n; j += 2)
        i8_sums(q + 32 * j, sum + 2 * j);
    for (uint32_t j = 0; j < n; j++, dst += IG_Q8_DWORDS * 4 * nr) {
        const int32_t total = sum[2 * j] + sum[2 * j + 1];
        const uint32_t last[] = {bits_of(scale[j]), (uint32_t)-total,
                                 bits_of(scale[j] * (float)total)};
        _Static_assert(IG_Q8_NEGSUM == IG_Q8_SCALE + 1 && IG_Q8_XSUM == IG_Q8_SCALE + 2,
                       "in order");
        memcpy(dst, q + 32 * j, IG_Q8_WORDS * 4);
        memcpy(dst + IG_Q8_SCALE * 4, last, sizeof last);
    }
}

/* Two i16 in one word. */
static uint32_t pair(int32_t low, int32_t high) {
    return ((uint32_t)low & 0xffff) | (uint32_t)high << 16;
}

/* v / 2^k, rounded; v may be negative. */
static int32_t shift_round(int32_t v, int32_t k) {
    return (v + (1 << k >> 1)) >> k;
}

/* The largest k up to 8 with most * 2^k <= top, from the bits of two magnitudes, most <= top: a
 * difference of exponents, one less when the mantissa would be too large. Without branches, because
 * blocks differ at random. */
static int32_t headroom(uint32_t most, uint32_t top) {
    const int32_t e = (int32_t)(top >> 23) - (int32_t)(most >> 23);
    const int32_t k = e - ((most & 0x7fffff) > (top & 0x7fffff));
    return k > 8 ? 8 : k < 0 ? 0 : k;
}

static void block_q8k(const float *x, uint8_t *dst) {
    uint32_t most[8], all = 0;
    for (int j = 0; j < 8; j++) {
        most[j] = max_bits(x + 32 * j);
        all = most[j] > all ? most[j] : all;
    }
    const float top = float_of(all), inverse = inverse_of(top);
    int8_t *const q = (int8_t *)dst;
    int32_t k[8], sum[16];
    for (int j = 0; j < 8; j++) {
        k[j] = headroom(most[j], all);
        quantise(x + 32 * j, inverse * (float)(1 << k[j]), q + 32 * j);
    }
    for (int j = 0; j < 16; j += 4)
        i8_sums(q + 16 * j, sum + j);
    uint32_t tail[IG_Q8K_DWORDS - IG_Q8K_SHIFT];
    uint32_t *const shift = tail, *const negsum = tail + IG_Q8K_NEGSUM - IG_Q8K_SHIFT;
    uint32_t *const pair32 = tail + IG_Q8K_PAIR32 - IG_Q8K_SHIFT;
    uint32_t *const pair16 = tail + IG_Q8K_PAIR16 - IG_Q8K_SHIFT;
    int32_t sum16[16], sum32[8];
    for (int j = 0; j < 8; j++) {
        shift[j] = (uint32_t)(8 - k[j]);
        sum32[j] = shift_round((sum[2 * j] + sum[2 * j + 1]) * 8, k[j]);
    }
    for (int j = 0; j < 16; j++) {
        negsum[j] = (uint32_t)-sum[j];
        sum16[j] = shift_round(sum[j] * 16, k[j / 2]);
    }
    for (int j = 0; j < 4; j++)
        pair32[j] = pair(sum32[2 * j], sum32[2 * j + 1]);
    for (int j = 0; j < 8; j++)
        pair16[j] = pair(sum16[2 * j], sum16[2 * j + 1]);
    tail[IG_Q8K_SCALE - IG_Q8K_SHIFT] = bits_of(scale_of(top) * 0x1p-8f);
    memcpy(dst + IG_Q8K_SHIFT * 4, tail, sizeof tail);
}

static void row_q8(const float *x, uint32_t cols, uint32_t nr, uint8_t *dst) {
    for (uint32_t k = 0; k < cols; k += Q8_BATCH * 32, dst += Q8_BATCH * IG_Q8_DWORDS * 4 * nr)
        blocks_q8(x + k, IG_MIN(Q8_BATCH, (cols - k) / 32), nr, dst);
}

static void row_q8k(const float *x, uint32_t cols, uint32_t nr, uint8_t *dst) {
    for (uint32_t k = 0; k < cols; k += 256, dst += IG_Q8K_DWORDS * 4 * nr)
        block_q8k(x + k, dst);
}

static void row_f32(const float *x, uint32_t cols, uint32_t nr, uint8_t *dst) {
    spread(dst, nr, x, cols);
    if (cols % 2)
        put32(dst + (size_t)cols * nr * 4, 0);
}

/* Round to nearest even; NaN stays NaN. */
static uint32_t bf16_of(float f) {
    const uint32_t u = bits_of(f), rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return (u & 0x7fffffff) > 0x7f800000 ? (u >> 16 | 64) : rounded;
}

#define BF16_BATCH 64u
static void row_bf16(const float *x, uint32_t cols, uint32_t nr, uint8_t *dst) {
    uint16_t h[BF16_BATCH];
    uint32_t k = 0;
    for (; k + BF16_BATCH <= cols; k += BF16_BATCH) {
        for (uint32_t i = 0; i < BF16_BATCH; i++)
            h[i] = (uint16_t)bf16_of(x[k + i]);
        spread(dst + (size_t)k / 2 * nr * 4, nr, h, BF16_BATCH / 2);
    }
    memset(h, 0, sizeof h);
    for (uint32_t i = 0; k + i < cols; i++)
        h[i] = (uint16_t)bf16_of(x[k + i]);
    spread(dst + (size_t)k / 2 * nr * 4, nr, h, (cols - k + 1) / 2);
}

typedef void (*row_fn)(const float *x, uint32_t cols, uint32_t nr, uint8_t *dst);

static size_t group_bytes(ig_act_format form, uint32_t group, uint32_t cols, uint32_t n_cols) {
    const size_t tail = n_cols % group;
    return n_cols / group * ig_act_group_bytes(form, cols, group) +
           (tail ? ig_act_group_bytes(form, cols, (uint32_t)tail) : 0);
}

/* `apart`: bytes between the first words of two rows of a group. */
IG_INLINE void pack_groups(ig_act_format form, uint32_t group, uint32_t apart, row_fn row,
                           const float *x, size_t stride, uint32_t cols, uint32_t n_cols,
                           uint32_t col0, uint32_t col1, void *dst) {
    const size_t full = ig_act_group_bytes(form, cols, group);
    for (uint32_t c = col0; c < col1; c++) {
        const uint32_t first = c / group * group, nr = IG_MIN(group, n_cols - first);
        row(x + c * stride, cols, nr,
            (uint8_t *)dst + c / group * full + (size_t)(c - first) * apart);
    }
}

#define PACKER(name, form, group, apart)                                                           \
    size_t FN(bytes_##name)(uint32_t cols, uint32_t n_cols);                                       \
    void FN(pack_##name)(const float *x, size_t stride, uint32_t cols, uint32_t n_cols,            \
                         uint32_t col0, uint32_t col1, void *dst);                                 \
    size_t FN(bytes_##name)(uint32_t cols, uint32_t n_cols) {                                      \
        return group_bytes(form, group, cols, n_cols);                                             \
    }                                                                                              \
    void FN(pack_##name)(const float *x, size_t stride, uint32_t cols, uint32_t n_cols,            \
                         uint32_t col0, uint32_t col1, void *dst) {                                \
        pack_groups(form, group, apart, row_##name, x, stride, cols, n_cols, col0, col1, dst);     \
    }

PACKER(f32, IG_ACT_FORM_F32, FLOAT_GROUP, 4)
PACKER(bf16, IG_ACT_FORM_BF16, FLOAT_GROUP, 4)
PACKER(q8, IG_ACT_FORM_Q8, IG_SPAN, IG_Q8_DWORDS * 4)
PACKER(q8k, IG_ACT_FORM_Q8K, IG_SPAN, IG_Q8K_DWORDS * 4)
