/* tensor.h: face of the tensor room, floor 2: dtype table, block layouts,
 * scalar codecs, padding rules.
 *
 * Shape alphabet of the whole project: T tokens in the step, D model width, H query heads, Hk KV
 * heads, Dh head width (Dk, Dv when keys and values differ), F FFN width, E experts, V vocabulary,
 * P page tokens, L layers. */
#ifndef IG_TENSOR_TENSOR_H
#define IG_TENSOR_TENSOR_H

#include "base/base.h"

/* Order is ours; the ids of files are columns of the table. */
typedef enum ig_dtype {
    IG_DTYPE_NONE = 0,
    IG_DTYPE_F32,
    IG_DTYPE_F16,
    IG_DTYPE_BF16,
    IG_DTYPE_F64,
    IG_DTYPE_I8,
    IG_DTYPE_I16,
    IG_DTYPE_I32,
    IG_DTYPE_I64,
    IG_DTYPE_Q4_0,
    IG_DTYPE_Q4_1,
    IG_DTYPE_Q5_0,
    IG_DTYPE_Q5_1,
    IG_DTYPE_Q8_0,
    IG_DTYPE_Q8_1,
    IG_DTYPE_Q2_K,
    IG_DTYPE_Q3_K,
    IG_DTYPE_Q4_K,
    IG_DTYPE_Q5_K,
    IG_DTYPE_Q6_K,
    IG_DTYPE_Q8_K,
    IG_DTYPE_IQ2_XXS,
    IG_DTYPE_IQ2_XS,
    IG_DTYPE_IQ2_S,
    IG_DTYPE_IQ3_XXS,
    IG_DTYPE_IQ3_S,
    IG_DTYPE_IQ1_S,
    IG_DTYPE_IQ1_M,
    IG_DTYPE_IQ4_NL,
    IG_DTYPE_IQ4_XS,
    IG_DTYPE_TQ1_0,
    IG_DTYPE_TQ2_0,
    IG_DTYPE_MXFP4,
    IG_DTYPE_NVFP4,
    IG_DTYPE_Q1_0,
    IG_DTYPE_Q2_0,
    IG_DTYPE_COUNT
} ig_dtype;

/* Decodes n elements (a multiple of the block) from src to dst; bit-equal to
 * the format's definition. */
typedef void (*ig_decode_fn)(const void *src, float *dst, size_t n);
/* Encodes likewise with the reference formulas; a block that holds a NaN or an infinity
 * decodes to non-finite values, not to a number. NULL where only a quantiser room can (K types
 * and below use searches). */
typedef void (*ig_encode_fn)(const float *src, void *dst, size_t n);

typedef struct ig_dtype_row {
    const char *name;     /* "Q4_K" */
    int32_t gguf_id;      /* ggml type id, -1 = not in GGUF */
    uint16_t block_elems; /* elements of one block along the row */
    uint16_t block_bytes;
    bool weight; /* may be a weight (not an index table or an activation format) */
    /* NMSE a fast kernel may differ from ref, with activations in int8 (block types) or in the
     * weight's own precision (F16, BF16); 0 = f32 arithmetic. */
    double tolerance;
    ig_decode_fn decode; /* NULL = no codec: the tensor can be listed, arch refuses it by name */
    ig_encode_fn encode; /* F32 F16 BF16 Q8_0 Q4_0 (KV cache types) */
} ig_dtype_row;

/* Row of a dtype; dtype must be valid. Static storage. */
const ig_dtype_row *ig_dtype_info(ig_dtype dtype);
/* IG_DTYPE_NONE when the id is unknown or removed. */
ig_dtype ig_dtype_from_gguf(uint32_t gguf_id);
/* Case-insensitive; IG_DTYPE_NONE when unknown. */
ig_dtype ig_dtype_from_name(ig_str name);
/* Bytes of n elements along one row; false when n is no multiple of the block or
 * the product overflows. */
IG_MUST_USE bool ig_dtype_bytes(ig_dtype dtype, uint64_t n_elems, uint64_t *bytes);

/* Exact, NaN becomes quiet; both ways as the processor's own conversion. */
float ig_f16_to_f32(uint16_t h);
uint16_t ig_f32_to_f16(float f); /* round to nearest even */
float ig_bf16_to_f32(uint16_t h);
uint16_t ig_f32_to_bf16(float f); /* round to nearest even; NaN stays quiet */

#endif
