/* matmul_set_tmpl.c: the table of one ISA's matmul kernels and packers. Compiled once per ISA with
 * IG_ISA, IG_SIMD_HEADER. */
#include IG_SIMD_HEADER

#include "backend/cpu/matmul_int.h"

#define ISA_NAME_(isa) #isa
#define ISA_NAME(isa) ISA_NAME_(isa)

/* codec, dtype, form of activations */
#define KERNELS(X)                                                                                 \
    X(f32, F32, IG_ACT_FORM_F32)                                                                   \
    X(f16, F16, IG_ACT_FORM_F32)                                                                   \
    X(bf16, BF16, IG_BF16_FORM)                                                                    \
    X(q4_0, Q4_0, IG_ACT_FORM_Q8)                                                                  \
    X(q4_1, Q4_1, IG_ACT_FORM_Q8)                                                                  \
    X(q5_0, Q5_0, IG_ACT_FORM_Q8)                                                                  \
    X(q5_1, Q5_1, IG_ACT_FORM_Q8)                                                                  \
    X(q8_0, Q8_0, IG_ACT_FORM_Q8)                                                                  \
    X(iq4_nl, IQ4_NL, IG_ACT_FORM_Q8)                                                              \
    X(mxfp4, MXFP4, IG_ACT_FORM_Q8)                                                                \
    X(q2_k, Q2_K, IG_ACT_FORM_Q8K)                                                                 \
    X(q3_k, Q3_K, IG_ACT_FORM_Q8K)                                                                 \
    X(q4_k, Q4_K, IG_ACT_FORM_Q8K)                                                                 \
    X(q5_k, Q5_K, IG_ACT_FORM_Q8K)                                                                 \
    X(q6_k, Q6_K, IG_ACT_FORM_Q8K)                                                                 \
    X(iq4_xs, IQ4_XS, IG_ACT_FORM_Q8K)

#define DECLARE(codec, id, form)                                                                   \
    void IG_CAT3(ig_multiply, codec, IG_ISA)(const void *packed, uint32_t rows, uint32_t cols,     \
                                             uint32_t tile0, uint32_t tile1, const void *acts,     \
                                             uint32_t n_cols, float *out, size_t out_stride);
KERNELS(DECLARE)

#define ROW(codec, id, form_)                                                                      \
    {.dtype = IG_DTYPE_##id,                                                                       \
     .name = "matmul_" #codec "_" ISA_NAME(IG_ISA),                                                \
     .act = form_,                                                                                 \
     .packed_bytes = ig_packed_bytes_##codec,                                                      \
     .pack = ig_pack_##codec,                                                                      \
     .multiply = IG_CAT3(ig_multiply, codec, IG_ISA)},
static const ig_matmul_kernel ROWS[] = {KERNELS(ROW)};

#define DECLARE_PACKER(name)                                                                       \
    size_t IG_CAT3(ig_act, bytes_##name, IG_ISA)(uint32_t cols, uint32_t n_cols);                  \
    void IG_CAT3(ig_act, pack_##name, IG_ISA)(const float *x, size_t stride, uint32_t cols,        \
                                              uint32_t n_cols, uint32_t col0, uint32_t col1,       \
                                              void *dst);
DECLARE_PACKER(f32)
DECLARE_PACKER(bf16)
DECLARE_PACKER(q8)
DECLARE_PACKER(q8k)

#define PACKER(name, group)                                                                        \
    {                                                                                              \
        .group_cols = group, .bytes = IG_CAT3(ig_act, bytes_##name, IG_ISA),                       \
        .pack = IG_CAT3(ig_act, pack_##name, IG_ISA)                                               \
    }

const ig_matmul_set IG_CAT2(ig_matmul, IG_ISA) = {
    .isa = ISA_NAME(IG_ISA),
    .kernels = ROWS,
    .n_kernels = IG_COUNT(ROWS),
    .packers =
        {
            [IG_ACT_FORM_F32] = PACKER(f32, IG_CAT2(IG_FLOAT_GROUP, IG_ISA)),
            [IG_ACT_FORM_BF16] = PACKER(bf16, IG_CAT2(IG_FLOAT_GROUP, IG_ISA)),
            [IG_ACT_FORM_Q8] = PACKER(q8, 1),
            [IG_ACT_FORM_Q8K] = PACKER(q8k, 1),
        },
};
