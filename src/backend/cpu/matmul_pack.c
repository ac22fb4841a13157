/* matmul_pack.c: packs a checkpoint's weights into tiles of 16 rows (the layout of matmul_int.h),
 * for every ISA. Most of it is a transposition of 4-byte words: word w of a row's block becomes
 * lane `row` of line w. Any thread. */
#include "backend/cpu/matmul_int.h"

#include <string.h>

static const ig_tile_form FORMS[IG_DTYPE_COUNT] = {
    [IG_DTYPE_F32] = {1, 1, 64, 0},        [IG_DTYPE_F16] = {1, 1, 32, 0},
    [IG_DTYPE_BF16] = {2, 1, 64, 0},       [IG_DTYPE_Q8_0] = {32, 8, 512, 32},
    [IG_DTYPE_Q4_0] = {32, 8, 256, 32},    [IG_DTYPE_Q4_1] = {32, 8, 256, 64},
    [IG_DTYPE_Q5_0] = {32, 8, 320, 32},    [IG_DTYPE_Q5_1] = {32, 8, 320, 64},
    [IG_DTYPE_IQ4_NL] = {32, 8, 256, 32},  [IG_DTYPE_MXFP4] = {32, 8, 256, 16},
    [IG_DTYPE_Q2_K] = {256, 1, 1024, 320}, [IG_DTYPE_Q3_K] = {256, 1, 1536, 320},
    [IG_DTYPE_Q4_K] = {256, 1, 2048, 256}, [IG_DTYPE_Q5_K] = {256, 1, 2560, 256},
    [IG_DTYPE_Q6_K] = {256, 1, 3072, 320}, [IG_DTYPE_IQ4_XS] = {256, 1, 2048, 192},
};

ig_tile_form ig_tile_form_of(ig_dtype dtype) {
    return FORMS[dtype];
}

/* Scales of a run of n blocks. */
static size_t run_scales(ig_tile_form f, size_t n) {
    return ig_round_up(n * f.scale_bytes, IG_LINE);
}

size_t ig_tile_bytes(ig_dtype dtype, uint32_t cols) {
    const ig_tile_form f = FORMS[dtype];
    const size_t n = ig_div_up(cols, f.inputs);
    return ig_round_up(
        n * f.quant_bytes + n / f.run * run_scales(f, f.run) + run_scales(f, n % f.run), IG_LINE);
}

/* Words [0, n) of src to lines q[0..n) at lane `row`. */
static void put_words(uint8_t *q, uint32_t row, const uint8_t *src, uint32_t n) {
    for (uint32_t w = 0; w < n; w++)
        memcpy(q + w * IG_LINE + 4 * row, src + 4 * w, 4);
}

static void put_half(uint8_t *scales, uint32_t row, const uint8_t *src) {
    memcpy(scales + 2 * row, src, 2);
}

/* Packs one block of one row: q and s are the block's lines and scales in the tile. */
typedef void (*block_fn)(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src);

static void block_q4_0(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_half(s, row, src);
    put_words(q, row, src + 2, 4);
}

static void block_q4_1(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_half(s, row, src);
    put_half(s + 32, row, src + 2);
    put_words(q, row, src + 4, 4);
}

/* Bit 4p + i of the file's word becomes bit p of byte i: a shift by p then gives word p its fifth
 * bits. */
static uint32_t fifth_bits(const uint8_t *src) {
    const uint32_t in =
        (uint32_t)src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16 | (uint32_t)src[3] << 24;
    uint32_t out = 0;
    for (uint32_t p = 0; p < 8; p++) {
        const uint32_t four = in >> 4 * p & 15;
        out |= ((four & 1) | (four & 2) << 7 | (four & 4) << 14 | (four & 8) << 21) << p;
    }
    return out;
}

static void put_fifth(uint8_t *q, uint32_t row, const uint8_t *src) {
    const uint32_t bits = fifth_bits(src);
    for (uint32_t i = 0; i < 4; i++)
        q[4 * row + i] = (uint8_t)(bits >> 8 * i);
}

static void block_q5_0(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_half(s, row, src);
    put_fifth(q, row, src + 2);
    put_words(q + IG_LINE, row, src + 6, 4);
}

static void block_q5_1(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_half(s, row, src);
    put_half(s + 32, row, src + 2);
    put_fifth(q, row, src + 4);
    put_words(q + IG_LINE, row, src + 8, 4);
}

static void block_q8_0(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_half(s, row, src);
    uint8_t biased[32];
    for (uint32_t i = 0; i < 32; i++)
        biased[i] = src[2 + i] ^ 0x80;
    put_words(q, row, biased, 8);
}

static void block_mxfp4(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    s[row] = src[0];
    put_words(q, row, src + 1, 4);
}

static void block_q2_k(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_words(q, row, src + 16, 16);
    for (uint32_t j = 0; j < 16; j++)
        s[16 * j + row] = src[j];
    put_half(s + 256, row, src + 80);
    put_half(s + 288, row, src + 82);
}

static void block_q3_k(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_words(q, row, src, 24);
    for (uint32_t j = 0; j < 16; j++) {
        const uint32_t low = src[96 + j % 8] >> 4 * (j / 8) & 15u,
                       high = src[104 + j % 4] >> 2 * (j / 4) & 3u;
        s[16 * j + row] = (uint8_t)((low | high << 4) - 32u);
    }
    put_half(s + 256, row, src + 108);
}

/* The twelve bytes of scales and mins as the words of codec_scale_min.h. */
static void put_scale_min(uint8_t *s, uint32_t row, const uint8_t *src) {
    uint32_t scale[8], least[8];
    for (uint32_t j = 0; j < 4; j++) {
        scale[j] = src[j] & 63u;
        least[j] = src[j + 4] & 63u;
        scale[j + 4] = (src[j + 8] & 15u) | (uint32_t)(src[j] >> 6) << 4;
        least[j + 4] = (uint32_t)(src[j + 8] >> 4) | (uint32_t)(src[j + 4] >> 6) << 4;
    }
    uint32_t word[3] = {least[4] << 24 | least[6] >> 4 << 30, least[5] << 24 | least[7] >> 4 << 30,
                        least[0] | least[1] << 16 | least[2] << 6 | least[3] << 22 |
                            (least[6] & 15) << 12 | (least[7] & 15) << 28};
    for (uint32_t g = 0; g < 4; g++) {
        word[0] |= scale[2 * g] << 6 * g;
        word[1] |= scale[2 * g + 1] << 6 * g;
    }
    put_words(s, row, (const uint8_t *)word, 3);
}

static void block_q4_k(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_words(q, row, src + 16, 32);
    put_scale_min(s, row, src + 4);
    put_half(s + 192, row, src);
    put_half(s + 224, row, src + 2);
}

static void block_q5_k(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_words(q, row, src + 16, 40);
    put_scale_min(s, row, src + 4);
    put_half(s + 192, row, src);
    put_half(s + 224, row, src + 2);
}

static void block_q6_k(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    for (uint32_t g = 0; g < 2; g++) {
        uint8_t *const group = q + 24 * g * IG_LINE;
        for (uint32_t w = 0; w < 8; w++) {
            put_words(group + 2 * w * IG_LINE, row, src + 128 + 32 * g + 4 * w, 1);
            put_words(group + (2 * w + 1) * IG_LINE, row, src + 64 * g + 4 * w, 1);
        }
        put_words(group + 16 * IG_LINE, row, src + 64 * g + 32, 8);
    }
    for (uint32_t j = 0; j < 16; j++)
        s[16 * j + row] = src[192 + j];
    put_half(s + 256, row, src + 208);
}

static void block_iq4_xs(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    put_words(q, row, src + 8, 32);
    const uint32_t high = (uint32_t)src[2] | (uint32_t)src[3] << 8;
    for (uint32_t j = 0; j < 8; j++)
        s[16 * j + row] =
            (uint8_t)(((src[4 + j / 2] >> 4 * (j % 2) & 15u) | (high >> 2 * j & 3) << 4) - 32u);
    put_half(s + 128, row, src);
}

static void block_f32(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    (void)s;
    memcpy(q + 4 * row, src, 4);
}

static void block_f16(uint8_t *q, uint8_t *s, uint32_t row, const uint8_t *src) {
    (void)s;
    memcpy(q + 2 * row, src, 2);
}

static const block_fn BLOCKS[IG_DTYPE_COUNT] = {
    [IG_DTYPE_F32] = block_f32,       [IG_DTYPE_F16] = block_f16,   [IG_DTYPE_BF16] = block_f32,
    [IG_DTYPE_Q8_0] = block_q8_0,     [IG_DTYPE_Q4_0] = block_q4_0, [IG_DTYPE_Q4_1] = block_q4_1,
    [IG_DTYPE_Q5_0] = block_q5_0,     [IG_DTYPE_Q5_1] = block_q5_1, [IG_DTYPE_IQ4_NL] = block_q4_0,
    [IG_DTYPE_MXFP4] = block_mxfp4,   [IG_DTYPE_Q2_K] = block_q2_k, [IG_DTYPE_Q3_K] = block_q3_k,
    [IG_DTYPE_Q4_K] = block_q4_k,     [IG_DTYPE_Q5_K] = block_q5_k, [IG_DTYPE_Q6_K] = block_q6_k,
    [IG_DTYPE_IQ4_XS] = block_iq4_xs,
};

/* Whole blocks of a row; a BF16 row of odd length has half a block more, whose second input stays
 * zero. */
static size_t row_bytes(ig_dtype dtype, uint32_t cols) {
    const ig_dtype_row *info = ig_dtype_info(dtype);
    return (size_t)cols / info->block_elems * info->block_bytes;
}

IG_INLINE void pack_tiles(ig_dtype dtype, block_fn block, const void *src, uint32_t rows,
                          uint32_t cols, uint32_t tile0, uint32_t tile1, void *dst) {
    const ig_tile_form f = FORMS[dtype];
    const size_t stride = row_bytes(dtype, cols), tile_bytes = ig_tile_bytes(dtype, cols);
    const ig_dtype_row *info = ig_dtype_info(dtype);
    const size_t block_bytes = (size_t)f.inputs / info->block_elems * info->block_bytes,
                 n = cols / f.inputs;
    for (uint32_t t = tile0; t < tile1; t++) {
        uint8_t *run = (uint8_t *)dst + t * tile_bytes;
        memset(run, 0, tile_bytes);
        const uint32_t row0 = t * IG_TILE_ROWS, n_rows = IG_MIN(IG_TILE_ROWS, rows - row0);
        for (size_t b0 = 0; b0 < n; b0 += f.run) {
            const size_t in_run = IG_MIN((size_t)f.run, n - b0);
            uint8_t *const quants = run + run_scales(f, in_run);
            for (size_t b = 0; b < in_run; b++)
                for (uint32_t r = 0; r < n_rows; r++)
                    block(quants + b * f.quant_bytes, run + b * f.scale_bytes, r,
                          (const uint8_t *)src + (row0 + r) * stride + (b0 + b) * block_bytes);
            run = quants + in_run * f.quant_bytes;
        }
        if (cols % f.inputs != 0)
            for (uint32_t r = 0; r < n_rows; r++)
                memcpy(run + 4 * r, (const uint8_t *)src + (row0 + r) * stride + n * block_bytes,
                       2);
    }
}

#define PACK(name, dtype)                                                                          \
    size_t ig_packed_bytes_##name(uint32_t rows, uint32_t cols) {                                  \
        return ig_div_up(rows, IG_TILE_ROWS) * ig_tile_bytes(dtype, cols);                         \
    }                                                                                              \
    void ig_pack_##name(const void *src, uint32_t rows, uint32_t cols, uint32_t tile0,             \
                        uint32_t tile1, void *dst) {                                               \
        pack_tiles(dtype, BLOCKS[dtype], src, rows, cols, tile0, tile1, dst);                      \
    }

PACK(f32, IG_DTYPE_F32)
PACK(f16, IG_DTYPE_F16)
PACK(bf16, IG_DTYPE_BF16)
PACK(q4_0, IG_DTYPE_Q4_0)
PACK(q4_1, IG_DTYPE_Q4_1)
PACK(q5_0, IG_DTYPE_Q5_0)
PACK(q5_1, IG_DTYPE_Q5_1)
PACK(q8_0, IG_DTYPE_Q8_0)
PACK(iq4_nl, IG_DTYPE_IQ4_NL)
PACK(mxfp4, IG_DTYPE_MXFP4)
PACK(q2_k, IG_DTYPE_Q2_K)
PACK(q3_k, IG_DTYPE_Q3_K)
PACK(q4_k, IG_DTYPE_Q4_K)
PACK(q5_k, IG_DTYPE_Q5_K)
PACK(q6_k, IG_DTYPE_Q6_K)
PACK(iq4_xs, IG_DTYPE_IQ4_XS)
