/* dtype_table.c: one row per dtype: names, file ids, block sizes, codecs. Constant; any thread.
 *
 * Tolerances: int8 activations with one scale per 32 (or 256) values of a normal distribution have
 * an NMSE of about 2e-5 (4e-5); the product inherits it. Rows allow five times that. F16 and BF16
 * kernels may round activations to the weight's precision: 2^-22/3 and 2^-16/3 of the power, times
 * about two. */
#include "tensor/codec_int.h"

#define TOLERANCE_INT8 2e-4
#define TOLERANCE_F16 2e-7
#define TOLERANCE_BF16 1e-5

#define CODEC(name) ig_tensor_decode_##name
#define CODER(name) ig_tensor_encode_##name
#define WEIGHT(n, id, elems, bytes, tol, dec, enc)                                                 \
    {                                                                                              \
        .name = (n), .gguf_id = (id), .block_elems = (elems), .block_bytes = (bytes),              \
        .weight = true, .tolerance = (tol), .decode = (dec), .encode = (enc)                       \
    }
#define OTHER(n, id, elems, bytes)                                                                 \
    { .name = (n), .gguf_id = (id), .block_elems = (elems), .block_bytes = (bytes) }

/* clang-format off */
static const ig_dtype_row ROWS[] = {
    [IG_DTYPE_NONE]    = {.name = "none", .gguf_id = -1, .block_elems = 1},
    [IG_DTYPE_F32]     = WEIGHT("F32",      0,   1,   4, 0,              CODEC(f32), CODER(f32)),
    [IG_DTYPE_F16]     = WEIGHT("F16",      1,   1,   2, TOLERANCE_F16,  CODEC(f16), CODER(f16)),
    [IG_DTYPE_BF16]    = WEIGHT("BF16",    30,   1,   2, TOLERANCE_BF16, CODEC(bf16), CODER(bf16)),
    [IG_DTYPE_F64]     = OTHER("F64",      28,   1,   8),
    [IG_DTYPE_I8]      = OTHER("I8",       24,   1,   1),
    [IG_DTYPE_I16]     = OTHER("I16",      25,   1,   2),
    [IG_DTYPE_I32]     = OTHER("I32",      26,   1,   4),
    [IG_DTYPE_I64]     = OTHER("I64",      27,   1,   8),
    [IG_DTYPE_Q4_0]    = WEIGHT("Q4_0",     2,  32,  18, TOLERANCE_INT8, CODEC(q4_0), CODER(q4_0)),
    [IG_DTYPE_Q4_1]    = WEIGHT("Q4_1",     3,  32,  20, TOLERANCE_INT8, CODEC(q4_1), NULL),
    [IG_DTYPE_Q5_0]    = WEIGHT("Q5_0",     6,  32,  22, TOLERANCE_INT8, CODEC(q5_0), NULL),
    [IG_DTYPE_Q5_1]    = WEIGHT("Q5_1",     7,  32,  24, TOLERANCE_INT8, CODEC(q5_1), NULL),
    [IG_DTYPE_Q8_0]    = WEIGHT("Q8_0",     8,  32,  34, TOLERANCE_INT8, CODEC(q8_0), CODER(q8_0)),
    [IG_DTYPE_Q8_1]    = OTHER("Q8_1",      9,  32,  36),
    [IG_DTYPE_Q2_K]    = WEIGHT("Q2_K",    10, 256,  84, TOLERANCE_INT8, CODEC(q2_k), NULL),
    [IG_DTYPE_Q3_K]    = WEIGHT("Q3_K",    11, 256, 110, TOLERANCE_INT8, CODEC(q3_k), NULL),
    [IG_DTYPE_Q4_K]    = WEIGHT("Q4_K",    12, 256, 144, TOLERANCE_INT8, CODEC(q4_k), NULL),
    [IG_DTYPE_Q5_K]    = WEIGHT("Q5_K",    13, 256, 176, TOLERANCE_INT8, CODEC(q5_k), NULL),
    [IG_DTYPE_Q6_K]    = WEIGHT("Q6_K",    14, 256, 210, TOLERANCE_INT8, CODEC(q6_k), NULL),
    [IG_DTYPE_Q8_K]    = OTHER("Q8_K",     15, 256, 292),
    [IG_DTYPE_IQ2_XXS] = WEIGHT("IQ2_XXS", 16, 256,  66, TOLERANCE_INT8, CODEC(iq2_xxs), NULL),
    [IG_DTYPE_IQ2_XS]  = WEIGHT("IQ2_XS",  17, 256,  74, TOLERANCE_INT8, CODEC(iq2_xs), NULL),
    [IG_DTYPE_IQ2_S]   = WEIGHT("IQ2_S",   22, 256,  82, TOLERANCE_INT8, CODEC(iq2_s), NULL),
    [IG_DTYPE_IQ3_XXS] = WEIGHT("IQ3_XXS", 18, 256,  98, TOLERANCE_INT8, CODEC(iq3_xxs), NULL),
    [IG_DTYPE_IQ3_S]   = WEIGHT("IQ3_S",   21, 256, 110, TOLERANCE_INT8, CODEC(iq3_s), NULL),
    [IG_DTYPE_IQ1_S]   = WEIGHT("IQ1_S",   19, 256,  50, TOLERANCE_INT8, CODEC(iq1_s), NULL),
    [IG_DTYPE_IQ1_M]   = WEIGHT("IQ1_M",   29, 256,  56, TOLERANCE_INT8, CODEC(iq1_m), NULL),
    [IG_DTYPE_IQ4_NL]  = WEIGHT("IQ4_NL",  20,  32,  18, TOLERANCE_INT8, CODEC(iq4_nl), NULL),
    [IG_DTYPE_IQ4_XS]  = WEIGHT("IQ4_XS",  23, 256, 136, TOLERANCE_INT8, CODEC(iq4_xs), NULL),
    [IG_DTYPE_TQ1_0]   = WEIGHT("TQ1_0",   34, 256,  54, TOLERANCE_INT8, CODEC(tq1_0), NULL),
    [IG_DTYPE_TQ2_0]   = WEIGHT("TQ2_0",   35, 256,  66, TOLERANCE_INT8, CODEC(tq2_0), NULL),
    [IG_DTYPE_MXFP4]   = WEIGHT("MXFP4",   39,  32,  17, TOLERANCE_INT8, CODEC(mxfp4), NULL),
    [IG_DTYPE_NVFP4]   = WEIGHT("NVFP4",   40,  64,  36, TOLERANCE_INT8, CODEC(nvfp4), NULL),
    [IG_DTYPE_Q1_0]    = WEIGHT("Q1_0",    41, 128,  18, TOLERANCE_INT8, CODEC(q1_0), NULL),
    [IG_DTYPE_Q2_0]    = WEIGHT("Q2_0",    42,  64,  18, TOLERANCE_INT8, CODEC(q2_0), NULL),
};
/* clang-format on */
_Static_assert(IG_COUNT(ROWS) == IG_DTYPE_COUNT, "a row per dtype");

const ig_dtype_row *ig_dtype_info(ig_dtype dtype) {
    return &ROWS[dtype];
}

ig_dtype ig_dtype_from_gguf(uint32_t gguf_id) {
    for (int i = IG_DTYPE_NONE + 1; i < IG_DTYPE_COUNT; i++) {
        if (ROWS[i].gguf_id >= 0 && (uint32_t)ROWS[i].gguf_id == gguf_id)
            return (ig_dtype)i;
    }
    return IG_DTYPE_NONE;
}

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

ig_dtype ig_dtype_from_name(ig_str name) {
    for (int i = IG_DTYPE_NONE + 1; i < IG_DTYPE_COUNT; i++) {
        const char *have = ROWS[i].name;
        size_t n = 0;
        while (n < name.n && have[n] && upper(name.p[n]) == have[n])
            n++;
        if (n == name.n && !have[n])
            return (ig_dtype)i;
    }
    return IG_DTYPE_NONE;
}

bool ig_dtype_bytes(ig_dtype dtype, uint64_t n_elems, uint64_t *bytes) {
    const ig_dtype_row *row = ig_dtype_info(dtype);
    return n_elems % row->block_elems == 0 &&
           ig_mul64(n_elems / row->block_elems, row->block_bytes, bytes);
}
