/* clang-format off */
/* matmul_int.h: what the matmul files share: bytes of a packed tile per dtype, bytes of packed
 * activations, packing of weights (one portable version for every ISA), and the names that tie a
 * kernel row together.
 *
 * A packed matrix is a sequence of tiles of 16 rows. A tile is read from front to back: a run of
 * blocks has first all scales, padded to 64 bytes, then all quants ("lines" of 64 bytes: 4 bytes of
 * each of the 16 rows). Runs of 8 blocks keep every line of the 32-input types aligned; the last
 * run of a tile may be shorter. A tile is padded to 64 bytes. Bytes per block of 16 rows:
 *
 *   dtype   inputs run quants scales  bytes/weight  file      what differs from the file
 *   F32        1    1    64      0    4             4
 *   F16        1    1    32      0    2             2
 *   BF16       2    1    64      0    2             2         pairs of inputs in a word
 *   Q8_0      32    8   512     32    1.0625        1.0625    quants + 128
 *   Q4_0      32    8   256     32    0.5625        0.5625
 *   IQ4_NL    32    8   256     32    0.5625        0.5625
 *   Q4_1      32    8   256     64    0.625         0.625     d, then m
 *   Q5_0      32    8   320     32    0.6875        0.6875    first line: bit p of byte i: input 4p+i
 *   Q5_1      32    8   320     64    0.75          0.75      d, then m; bits as Q5_0
 *   MXFP4     32    8   256     16    0.53125       0.53125
 *   Q2_K     256    1  1024    320    0.328125      0.328125
 *   Q3_K     256    1  1536    320    0.453125      0.4297    int8 scales; high bits first
 *   Q4_K     256    1  2048    256    0.5625        0.5625    words of scales and mins
 *   Q5_K     256    1  2560    256    0.6875        0.6875    the same; fifth bits first
 *   Q6_K     256    1  3072    320    0.828125      0.8203    high and low lines by turns
 *   IQ4_XS   256    1  2048    192    0.546875      0.53125   int8 scales, 32 bytes unused
 *
 * Words keep the file's order but for high bits, which come first: line w holds bytes 4w..4w+3 of
 * the block's quants, so packing is a transposition of words. Quants and scales in two separate
 * streams per tile made decoding a third slower: what is not prefetched stalls. */
/* clang-format on */
#ifndef IG_BACKEND_CPU_MATMUL_INT_H
#define IG_BACKEND_CPU_MATMUL_INT_H

#include "backend/cpu/cpu_matmul.h"

#define IG_LINE 64u /* 4 bytes of 16 rows */

typedef struct ig_tile_form {
    uint16_t inputs; /* of one block; 0 = not supported */
    uint16_t run;    /* blocks whose quants lie together */
    uint16_t quant_bytes, scale_bytes;
} ig_tile_form;

/* Row of the table above; .inputs is 0 when there is none. */
ig_tile_form ig_tile_form_of(ig_dtype dtype);
/* Bytes of a tile for `cols` inputs. */
size_t ig_tile_bytes(ig_dtype dtype, uint32_t cols);

/* packed_bytes and pack of a kernel row, per dtype: ig_packed_bytes_q4_k, ig_pack_q4_k. */
#define IG_PACK_DECLARE(name)                                                                      \
    size_t ig_packed_bytes_##name(uint32_t rows, uint32_t cols);                                   \
    void ig_pack_##name(const void *src, uint32_t rows, uint32_t cols, uint32_t tile0,             \
                        uint32_t tile1, void *dst);
IG_PACK_DECLARE(f32)
IG_PACK_DECLARE(f16)
IG_PACK_DECLARE(bf16)
IG_PACK_DECLARE(q4_0)
IG_PACK_DECLARE(q4_1)
IG_PACK_DECLARE(q5_0)
IG_PACK_DECLARE(q5_1)
IG_PACK_DECLARE(q8_0)
IG_PACK_DECLARE(iq4_nl)
IG_PACK_DECLARE(mxfp4)
IG_PACK_DECLARE(q2_k)
IG_PACK_DECLARE(q3_k)
IG_PACK_DECLARE(q4_k)
IG_PACK_DECLARE(q5_k)
IG_PACK_DECLARE(q6_k)
IG_PACK_DECLARE(iq4_xs)

/* ---- packed activations: a group of nr columns is a run of blocks. Floats: in a block everything
 * is [..][nr], 4 bytes each; a group is IG_FLOAT_GROUP columns. Integers: in a block everything is
 * [nr][..]; a group, IG_SPAN columns, is called a span. A block of
 * F32 is one input; a zero more when their number is odd.
 * BF16 is a pair of inputs (odd input in the upper half); a missing last one is 0.
 * Q8 (32 inputs): 8 words of quants, f32 scale s, i32 -sum(q), f32 s * sum(q).
 * Q8K (256 inputs): 64 words of quants, then what IG_Q8K_* says. Block j of 32 inputs has the scale
 * S * 2^-k[j]; k is the largest of 0..8 that loses no value, so the error is never above that of
 * one scale per 256 inputs. */
enum {
    IG_Q8_WORDS = 8,
    IG_Q8_SCALE = 8,
    IG_Q8_NEGSUM = 9,
    IG_Q8_XSUM = 10,
    IG_Q8_DWORDS = 11,
    IG_Q8K_SHIFT = 64,  /* [8] i32: 8 - k of 32 inputs: products are shifted left by this, the unit
                           is then S / 256 */
    IG_Q8K_NEGSUM = 72, /* [16] i32: -sum(q) of 16 inputs, in the block's own unit */
    IG_Q8K_PAIR32 = 88, /* [4] two i16: sum(q) of two blocks of 32 inputs, unit S / 8 */
    IG_Q8K_PAIR16 = 92, /* [8] two i16: sum(q) of 16 inputs each, unit S / 16 */
    IG_Q8K_SCALE = 100, /* f32: S / 256 */
    IG_Q8K_DWORDS = 101
};

/* The format of a group of columns; the tail group of a product is narrower. */
size_t ig_act_group_bytes(ig_act_format form, uint32_t cols, uint32_t nr);

#define IG_CAT3_(a, b, c) a##_##b##_##c
#define IG_CAT3(a, b, c) IG_CAT3_(a, b, c)
#define IG_CAT2_(a, b) a##_##b
#define IG_CAT2(a, b) IG_CAT2_(a, b)

/* Columns that pass while weights stay in registers. Their sums stay in L1; twice as many gain
 * nothing. */
#define IG_SPAN 64u
/* Width of a group of float columns per ISA: the most columns whose accumulators, with the vectors
 * of rows of a kernel, stay in registers. */
#define IG_FLOAT_GROUP_avx512 6
#define IG_FLOAT_GROUP_avx2 6
#define IG_FLOAT_GROUP_neon 6
#define IG_FLOAT_GROUP_scalar 2

typedef void (*ig_multiply_fn)(const void *packed, uint32_t rows, uint32_t cols, uint32_t tile0,
                               uint32_t tile1, const void *acts, uint32_t n_cols, float *out,
                               size_t out_stride);
typedef void (*ig_act_pack_fn)(const float *x, size_t stride, uint32_t cols, uint32_t n_cols,
                               uint32_t col0, uint32_t col1, void *dst);
typedef size_t (*ig_act_bytes_fn)(uint32_t cols, uint32_t n_cols);

#endif
