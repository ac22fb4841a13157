/* cpu_matmul.h: packed weights, packed activations, and their product on one thread's share of
 * rows.
 *
 * Packed weights ("R16"): tiles of 16 output rows; inside, 4-byte groups of 16 rows form one
 * 64-byte line, so a lane is a row, an activation word is a broadcast, and nothing is summed
 * horizontally (matmul_int.h has the bytes per type). One copy serves prefill, decode and the
 * columns between. The layout is the same for every ISA. Every output element accumulates its
 * blocks in the same order with the same operations whatever n_cols is: one token alone and the
 * same token among 512 give the same bits. So do the ISAs among each other, apart from BF16 weights
 * on avx512, whose activations are rounded to BF16. Tested.
 * All functions are pure, allocate nothing, and may be called by any thread; multiply needs 48 KiB
 * of stack. */
#ifndef IG_BACKEND_CPU_MATMUL_H
#define IG_BACKEND_CPU_MATMUL_H

#include "plan/plan.h"

#define IG_TILE_ROWS 16u

/* Forms in which a kernel takes its input rows ("columns" of the product). */
typedef enum ig_act_format {
    IG_ACT_FORM_F32,  /* for F32 and F16 weights, and for BF16 where the processor has no BF16
                         products */
    IG_ACT_FORM_BF16, /* pairs, for BF16 weights */
    IG_ACT_FORM_Q8, /* int8 with one f32 scale per 32 inputs, for types with 32-input blocks; cols %
                       32 == 0 */
    IG_ACT_FORM_Q8K, /* int8 with one f32 scale per 256 inputs, times 2^-k (k = 0..8) per 32; cols %
                        256 == 0 */
    IG_ACT_FORM_COUNT
} ig_act_format;

typedef struct ig_matmul_kernel {
    ig_dtype dtype;
    const char *name;  /* "matmul_q4_k_avx512" */
    ig_act_format act; /* may differ between the sets */
    /* Bytes of `rows` x `cols` packed; rows are padded to a multiple of 16, the padding has zero
     * scale. */
    size_t (*packed_bytes)(uint32_t rows, uint32_t cols);
    /* Packs tiles [tile0, tile1) of the row-major matrix src (the checkpoint's bytes, unaligned)
     * into dst (start of the whole packed matrix, 64-byte aligned). Threads may pack disjoint tile
     * ranges at once. */
    void (*pack)(const void *src, uint32_t rows, uint32_t cols, uint32_t tile0, uint32_t tile1,
                 void *dst);
    /* out[c * out_stride + (t - tile0) * 16 + r] = sum_k W[16 t + r][k] x[c][k] for tiles [tile0,
     * tile1) and columns [0, n_cols) of packed activations. Rows beyond the matrix are written as 0
     * (out has room for whole tiles). Kernels work on four vectors of rows at a time: shares of a
     * multiple of four tiles waste nothing. NaN and infinity in a column make its outputs NaN or
     * infinite and touch no other column. */
    void (*multiply)(const void *packed, uint32_t rows, uint32_t cols, uint32_t tile0,
                     uint32_t tile1, const void *acts, uint32_t n_cols, float *out,
                     size_t out_stride);
} ig_matmul_kernel;

/* Packing of activations, per format. */
typedef struct ig_act_packer {
    uint32_t group_cols; /* columns whose words lie beside each other: best packed by one thread */
    size_t (*bytes)(uint32_t cols, uint32_t n_cols);
    /* Packs columns [col0, col1) of x (row c at x + c * stride; 0 = every column is that row).
     * Threads may pack disjoint ranges at once. */
    void (*pack)(const float *x, size_t stride, uint32_t cols, uint32_t n_cols, uint32_t col0,
                 uint32_t col1, void *dst);
} ig_act_packer;

/* Tables of one ISA level. */
typedef struct ig_matmul_set {
    const char *isa;                 /* "avx512", "avx2", "neon", "scalar" */
    const ig_matmul_kernel *kernels; /* by dtype; entries with NULL multiply are absent */
    size_t n_kernels;
    ig_act_packer packers[IG_ACT_FORM_COUNT];
} ig_matmul_set;

const ig_matmul_kernel *ig_matmul_find(const ig_matmul_set *set,
                                       ig_dtype dtype); /* NULL when absent */

extern const ig_matmul_set
    ig_matmul_scalar; /* portable C, same layout: any CPU, and the reference in tests */
/* In builds for x86-64 only. */
extern const ig_matmul_set ig_matmul_avx2;   /* AVX2, FMA, F16C */
extern const ig_matmul_set ig_matmul_avx512; /* AVX-512 F BW VL DQ VNNI BF16, and the above */
/* In builds for aarch64 only. */
extern const ig_matmul_set ig_matmul_neon; /* ARMv8.2 dot product */

#endif
