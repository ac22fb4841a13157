/* op_cases_table.c: the rows of op_cases.h, and one set of rows per dtype. */
#include <stdio.h>

#include "kernels/op_build.h"

#define EXACT 1e-10 /* f32 arithmetic in any order; for rows that say nothing else */

/* clang-format off */
static const op_case fixed[] = {
    {"embed position", op_build_embed, .dtype = IG_DTYPE_F32, .n = {IG_EMBED_POSITION, 7}, .f = {1}},
    {"embed constant row", op_build_embed, .dtype = IG_DTYPE_F16, .n = {IG_EMBED_CONST, 33}, .f = {2}},

    {"norm rms", op_build_norm, .n = {IG_NORM_RMS, 1, 97, 1, 0, 0}},
    {"norm rms one column", op_build_norm, .n = {IG_NORM_RMS, 1, 1, 1, 0, 0}},
    {"norm rms without weight", op_build_norm, .n = {IG_NORM_RMS, 1, 64, 0, 0, 0}},
    {"norm rms heads shared", op_build_norm, .n = {IG_NORM_RMS, 5, 24, 1, 0, 8}},
    {"norm rms heads own", op_build_norm, .n = {IG_NORM_RMS, 3, 128, 2, 0, 0}},
    {"norm rms head gain", op_build_norm, .n = {IG_NORM_RMS, 3, 31, 3, 0, 2}},
    {"norm layer bias", op_build_norm, .n = {IG_NORM_LAYER, 1, 130, 1, 1, 0}},
    {"norm layer heads", op_build_norm, .n = {IG_NORM_LAYER, 4, 16, 2, 1, 1}},
    {"norm l2 add", op_build_norm, .n = {IG_NORM_L2_ADD, 3, 40, 0, 0, 0}},
    {"norm l2 max", op_build_norm, .n = {IG_NORM_L2_MAX, 3, 40, 1, 0, 0}},

    {"linear f32 one", op_build_linear, .dtype = IG_DTYPE_F32, .n = {1, 1}},
    {"linear f32 odd bias scale", op_build_linear, .dtype = IG_DTYPE_F32, .n = {37, 53, 0, 0, 3}},
    {"linear f32 heads form", op_build_linear, .dtype = IG_DTYPE_F32, .n = {24, 19, 0, 0, 0, 5}},
    {"linear f32 heads form bias", op_build_linear, .dtype = IG_DTYPE_F32, .n = {16, 8, 0, 0, 3, 3}},
    {"linear f16 odd", op_build_linear, .dtype = IG_DTYPE_F16, .n = {101, 33, 0, 0, 1}},

    {"rope norm", op_build_rope, .n = {IG_ROPE_NORM, 3, 32, 32, 0}, .f = {1}, .far = true},
    {"rope norm partial", op_build_rope, .n = {IG_ROPE_NORM, 3, 40, 10, 6}, .f = {0.8f}, .far = true},
    {"rope neox", op_build_rope, .n = {IG_ROPE_NEOX, 5, 64, 64, 0}, .f = {1}, .far = true},
    {"rope neox partial tail", op_build_rope, .n = {IG_ROPE_NEOX, 2, 96, 22, 74}, .f = {1.1f}, .far = true},
    {"rope neox inverse", op_build_rope, .n = {IG_ROPE_NEOX, 2, 16, 16, 0, 0, 1}, .f = {1}},
    {"rope mrope text", op_build_rope, .n = {IG_ROPE_NEOX, 2, 32, 32, 0, IG_ROPE_MROPE}, .f = {1}, .far = true},
    {"rope imrope text", op_build_rope, .n = {IG_ROPE_NEOX, 2, 32, 32, 0, IG_ROPE_IMROPE}, .f = {1}, .far = true},

    {"map scale", op_build_map, .n = {IG_MAP_SCALE, 1, 45}, .f = {0.3f}},
    {"map mul one", op_build_map, .n = {IG_MAP_MUL, 1, 45, 1}},
    {"map mul columns", op_build_map, .n = {IG_MAP_MUL, 1, 45, 45}},
    {"map mul heads", op_build_map, .n = {IG_MAP_MUL, 7, 12, 7}},
    {"map pos_temp", op_build_map, .n = {IG_MAP_POS_TEMP, 1, 45}, .f = {0.1f, 1, 8192}, .far = true},
    {"map clamp", op_build_map, .n = {IG_MAP_CLAMP, 1, 45}, .f = {-1, 2}},
    {"map softcap", op_build_map, .n = {IG_MAP_SOFTCAP, 1, 45}, .f = {3}},
    {"map tanh", op_build_map, .n = {IG_MAP_TANH, 1, 45}},
    {"map sigmoid", op_build_map, .n = {IG_MAP_SIGMOID, 1, 45}},
    {"map silu", op_build_map, .n = {IG_MAP_SILU, 1, 45}},
    {"map gelu", op_build_map, .n = {IG_MAP_GELU, 1, 45}},
    {"map gelu_erf", op_build_map, .n = {IG_MAP_GELU_ERF, 1, 45}},
    {"map relu", op_build_map, .n = {IG_MAP_RELU, 1, 45}},
    {"map relu2", op_build_map, .n = {IG_MAP_RELU2, 1, 45}},
    {"map softplus", op_build_map, .n = {IG_MAP_SOFTPLUS, 1, 45}},

    {"add", op_build_add, .n = {77}, .f = {1, 1}},
    {"add weighted", op_build_add, .n = {130}, .f = {0.25f, -2}},

    {"glu none", op_build_glu, .n = {IG_ACT_NONE, 0, 0, 1, 35}},
    {"glu silu", op_build_glu, .n = {IG_ACT_SILU, 0, 0, 1, 99}},
    {"glu gelu", op_build_glu, .n = {IG_ACT_GELU, 0, 0, 1, 99}},
    {"glu gelu_erf", op_build_glu, .n = {IG_ACT_GELU_ERF, 0, 0, 1, 99}},
    {"glu relu", op_build_glu, .n = {IG_ACT_RELU, 0, 0, 1, 35}},
    {"glu relu2", op_build_glu, .n = {IG_ACT_RELU2, 0, 0, 1, 35}},
    {"glu tanh", op_build_glu, .n = {IG_ACT_TANH, 0, 0, 1, 35}},
    {"glu softplus", op_build_glu, .n = {IG_ACT_SOFTPLUS, 0, 0, 1, 35}},
    {"glu softplus2", op_build_glu, .n = {IG_ACT_SOFTPLUS2, 0, 0, 1, 35}},
    {"glu xielu alone", op_build_glu, .n = {IG_ACT_XIELU, 0, 0, 1, 66, 1}},
    {"glu oai", op_build_glu, .n = {IG_ACT_OAI, 0, 0, 1, 66}},
    {"glu silu limit pre", op_build_glu, .n = {IG_ACT_SILU, IG_LIMIT_PRE, 0, 1, 66}, .f = {4}},
    {"glu silu limit post", op_build_glu, .n = {IG_ACT_SILU, IG_LIMIT_POST, 0, 1, 66}, .f = {4}},
    {"glu sigmoid by head", op_build_glu, .n = {IG_ACT_SIGMOID, 0, IG_GLU_HEAD, 5, 13}},
    {"glu sigmoid by row", op_build_glu, .n = {IG_ACT_SIGMOID, 0, IG_GLU_ROW, 1, 70}},
    {"glu sigmoid heads", op_build_glu, .n = {IG_ACT_SIGMOID, 0, 0, 4, 16}},
    {"glu gelu divisor", op_build_glu, .n = {IG_ACT_GELU, 0, 0, 1, 50, 3}},

    {"attend causal f32", op_build_attend, .dtype = IG_DTYPE_F32, .n = {IG_MASK_CAUSAL, 0, 4, 2, 32, 32}, .f = {0.18f}},
    {"attend causal one head", op_build_attend, .dtype = IG_DTYPE_F32, .n = {IG_MASK_CAUSAL, 0, 1, 1, 8, 8}, .f = {0.35f}},
    {"attend causal 3 queries a head", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 0, 9, 3, 24, 40}, .f = {0.2f}},
    {"attend causal many heads", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 0, 16, 1, 64, 64}, .f = {0.125f}},
    {"attend causal bf16", op_build_attend, .dtype = IG_DTYPE_BF16, .n = {IG_MASK_CAUSAL, 0, 4, 4, 16, 16}, .f = {0.25f}},
    {"attend causal q8_0", op_build_attend, .dtype = IG_DTYPE_Q8_0, .n = {IG_MASK_CAUSAL, 0, 4, 2, 64, 96}, .f = {0.125f}, .tolerance = 1e-4},
    {"attend causal q4_0", op_build_attend, .dtype = IG_DTYPE_Q4_0, .n = {IG_MASK_CAUSAL, 0, 4, 2, 64, 32}, .f = {0.125f}, .tolerance = 1e-4},
    {"attend window 9", op_build_attend, .dtype = IG_DTYPE_F32, .n = {IG_MASK_CAUSAL, 9, 4, 2, 16, 16}, .f = {0.25f}},
    {"attend window 1", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 1, 2, 2, 16, 16}, .f = {0.25f}},
    {"attend window 33", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 33, 2, 2, 16, 16}, .f = {0.25f}},
    {"attend chunk 16", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CHUNK, 16, 4, 2, 16, 16}, .f = {0.25f}},
    {"attend cap", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 0, 4, 2, 32, 32}, .f = {1, 2}},
    {"attend sinks", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 0, 4, 2, 32, 32, 1}, .f = {0.18f}},
    {"attend sinks window", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 12, 8, 2, 64, 64, 1}, .f = {0.125f}},
    {"attend alibi", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 0, 6, 2, 32, 32}, .f = {0.18f, 0, 8}},
    {"attend alibi cap window", op_build_attend, .dtype = IG_DTYPE_F32, .n = {IG_MASK_CAUSAL, 20, 4, 4, 16, 16}, .f = {0.5f, 3, 8}},
    {"attend reuse", op_build_attend, .dtype = IG_DTYPE_F16, .n = {IG_MASK_CAUSAL, 0, 4, 2, 32, 48, 4}, .f = {0.18f}},
    {"attend full", op_build_attend, .dtype = IG_DTYPE_F32, .n = {IG_MASK_FULL, 0, 4, 2, 32, 32}, .f = {0.18f}, .whole = true},
    {"attend full without state", op_build_attend, .n = {IG_MASK_FULL, 0, 4, 2, 32, 24, 2}, .f = {0.18f}, .whole = true},
    {"attend symmetric without state", op_build_attend, .n = {IG_MASK_SYMMETRIC, 10, 4, 4, 16, 16, 2}, .f = {0.25f}, .whole = true},
    {"attend causal without state", op_build_attend, .n = {IG_MASK_CAUSAL, 0, 4, 2, 16, 16, 3}, .f = {0.25f}, .whole = true},

    {"moe softmax", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SOFTMAX, 8, 2, 0, 0, 0, 0, 24}, .f = {1}},
    {"moe softmax renorm scale", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SOFTMAX, 8, 3, 0, 0, 0, 4, 40}, .f = {2.5f}},
    {"moe sigmoid groups", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SIGMOID, 8, 3, 4, 2, 0, 2 + 4, 40}, .f = {2.5f}},
    {"moe sigmoid groups of one", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SIGMOID, 6, 3, 6, 4, 0, 2, 40}, .f = {1}},
    {"moe softmax after, biases", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SOFTMAX_AFTER, 8, 4, 0, 0, 0, 1 + 8 + 32, 32}, .f = {1}},
    {"moe sqrt softplus", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SQRT_SOFTPLUS, 5, 2, 0, 0, 0, 4 + 16, 17}, .f = {1.5f}},
    {"moe divided ids", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SOFTMAX, 8, 2, 0, 0, 2, 4, 32}, .f = {1}},
    {"moe all experts", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SOFTMAX, 4, 4, 0, 0, 0, 4 + 64, 16}, .f = {1}},
    {"moe two parts twice", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SOFTMAX, 8, 2, 0, 0, 0, 8 + 16 + 32 + 64, 32}, .f = {1}},
    {"route weights", op_build_moe, .dtype = IG_DTYPE_F32, .n = {IG_GATING_SIGMOID, 16, 5, 4, 2, 0, 1 + 2 + 4 + 128, 33}, .f = {1.5f}},

    {"concat", op_build_concat, .n = {13, 40}},
    {"pool mean", op_build_pool, .n = {IG_POOL_MEAN, 21}, .whole = true},
    {"pool first", op_build_pool, .n = {IG_POOL_FIRST, 21}, .whole = true, .far = true},
    {"pool last", op_build_pool, .n = {IG_POOL_LAST, 21}, .whole = true, .far = true},
};
/* clang-format on */

/* Shapes that every weight dtype is tried with; columns in blocks of the dtype, at least `cols`. */
typedef struct dtype_shape {
    const char *name;
    ig_status (*build)(op_builder *b, const op_case *c, ig_err *err);
    uint32_t n[8], cols_at, cols; /* n[cols_at] = columns */
    float scale;
} dtype_shape;

static const dtype_shape shapes[] = {
    {"embed", op_build_embed, {IG_EMBED_TOKEN}, 1, 64, 0.7f},
    {"linear short", op_build_linear, {0, 1}, 0, 1, 1},
    {"linear parts", op_build_linear, {0, 65, 16, 3, 1}, 0, 160, 1},
    {"linear long", op_build_linear, {0, 47, 0, 0, 2}, 0, 1024, 1},
    {"moe", op_build_moe, {IG_GATING_SOFTMAX, 6, 2, 0, 0, 0, 4 + 8}, 7, 32, 1},
};

size_t op_cases_list(op_case *out, size_t cap) {
    size_t n = 0;
    for (; n < IG_COUNT(fixed); n++) {
        if (n >= cap)
            continue;
        out[n] = fixed[n];
        if (out[n].tolerance <= 0)
            out[n].tolerance = EXACT;
    }
    for (int d = 1; d < IG_DTYPE_COUNT; d++) {
        const ig_dtype_row *type = ig_dtype_info((ig_dtype)d);
        for (size_t s = 0; type->weight && type->decode && s < IG_COUNT(shapes); s++, n++) {
            if (n >= cap)
                continue;
            op_case *c = &out[n];
            *c = (op_case){.build = shapes[s].build, .dtype = (ig_dtype)d, .f = {shapes[s].scale}};
            memcpy(c->n, shapes[s].n, sizeof c->n);
            c->n[shapes[s].cols_at] = (uint32_t)ig_round_up(shapes[s].cols, type->block_elems);
            /* Only products take their input in the dtype's activation form. */
            c->tolerance =
                shapes[s].build == op_build_embed || type->tolerance <= 0 ? EXACT : type->tolerance;
            snprintf(c->name, sizeof c->name, "%s %s", shapes[s].name, type->name);
        }
    }
    return n;
}
