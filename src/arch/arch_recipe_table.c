/* arch_recipe_table.c: stems of tensors, and what is computed: prologue, frames, mixers,
 * feed-forwards, epilogue as lists of records. A record whose condition is false is not emitted.
 * Registers are in arch_int.h. */
#include "arch/arch_int.h"

const char *const ig_arch_stems[ROLE_COUNT] = {
    [ROLE_TOKEN_EMBD] = "token_embd",
    [ROLE_POSITION_EMBD] = "position_embd",
    [ROLE_EMBD_NORM] = "token_embd_norm",
    [ROLE_OUTPUT_NORM] = "output_norm",
    [ROLE_OUTPUT] = "output",
    [ROLE_ROPE_FREQS] = "rope_freqs",
    [ROLE_ROPE_LONG] = "rope_factors_long",
    [ROLE_ROPE_SHORT] = "rope_factors_short",
    [ROLE_PLE_EMBD] = "per_layer_token_embd",
    [ROLE_PLE_PROJ] = "per_layer_model_proj",
    [ROLE_PLE_NORM] = "per_layer_proj_norm",
    [ROLE_ATTN_NORM] = "attn_norm",
    [ROLE_ATTN_NORM_2] = "attn_norm_2",
    [ROLE_ATTN_Q] = "attn_q",
    [ROLE_ATTN_K] = "attn_k",
    [ROLE_ATTN_V] = "attn_v",
    [ROLE_ATTN_QKV] = "attn_qkv",
    [ROLE_ATTN_OUTPUT] = "attn_output",
    [ROLE_ATTN_GATE] = "attn_gate",
    [ROLE_Q_NORM] = "attn_q_norm",
    [ROLE_K_NORM] = "attn_k_norm",
    [ROLE_SINKS] = "attn_sinks",
    [ROLE_SUB_NORM] = "attn_sub_norm",
    [ROLE_POST_ATTN_NORM] = "post_attention_norm",
    [ROLE_FFN_NORM] = "ffn_norm",
    [ROLE_FFN_NORM_EXPS] = "ffn_norm_exps",
    [ROLE_POST_FFW_NORM] = "post_ffw_norm",
    [ROLE_PRE_FFW_NORM_2] = "pre_ffw_norm_2",
    [ROLE_POST_FFW_NORM_1] = "post_ffw_norm_1",
    [ROLE_POST_FFW_NORM_2] = "post_ffw_norm_2",
    [ROLE_FFN_GATE] = "ffn_gate",
    [ROLE_FFN_UP] = "ffn_up",
    [ROLE_FFN_DOWN] = "ffn_down",
    [ROLE_FFN_SUB_NORM] = "ffn_sub_norm",
    [ROLE_FFN_DIVISOR] = "ffn.act.scales",
    [ROLE_GATE_INP] = "ffn_gate_inp",
    [ROLE_GATE_INP_SCALE] = "ffn_gate_inp.scale",
    [ROLE_PROBS_B] = "exp_probs_b",
    [ROLE_GATE_EXPS] = "ffn_gate_exps",
    [ROLE_UP_EXPS] = "ffn_up_exps",
    [ROLE_GATE_UP_EXPS] = "ffn_gate_up_exps",
    [ROLE_DOWN_EXPS] = "ffn_down_exps",
    [ROLE_GATE_INP_SHEXP] = "ffn_gate_inp_shexp",
    [ROLE_GATE_SHEXP] = "ffn_gate_shexp",
    [ROLE_UP_SHEXP] = "ffn_up_shexp",
    [ROLE_DOWN_SHEXP] = "ffn_down_shexp",
    [ROLE_GATE_CHEXPS] = "ffn_gate_chexps",
    [ROLE_UP_CHEXPS] = "ffn_up_chexps",
    [ROLE_DOWN_CHEXPS] = "ffn_down_chexps",
    [ROLE_LAYER_SCALE] = "layer_output_scale",
    [ROLE_INP_GATE] = "inp_gate",
    [ROLE_PROJ] = "proj",
    [ROLE_POST_NORM] = "post_norm",
};

#define FV(f)                                                                                      \
    { (f), 0 }
#define CV(x)                                                                                      \
    { F_NONE, (x) }
#define IF(f)                                                                                      \
    { WHEN_SET, (f), 0 }
#define IF_NOT(f)                                                                                  \
    { WHEN_UNSET, (f), 0 }
#define IF_EQ(f, x)                                                                                \
    { WHEN_EQ, (f), (x) }
#define IF_NE(f, x)                                                                                \
    { WHEN_NE, (f), (x) }
#define IF_TENSOR(r)                                                                               \
    { WHEN_TENSOR, (r), 0 }
#define IF_NO_TENSOR(r)                                                                            \
    { WHEN_NO_TENSOR, (r), 0 }
#define IF_LAYER(x)                                                                                \
    { WHEN_LAYER, (x), 0 }
#define IF_NOT_LAYER(x)                                                                            \
    { WHEN_NOT_LAYER, (x), 0 }

/* Frequent records. WHEN is a list of conditions, perhaps none. */
#define COPY(to, from, ...)                                                                        \
    {                                                                                              \
        .op = REC_COPY, .out = {to}, .in = {from}, .when = { __VA_ARGS__ }                         \
    }
#define NORM_AS(to, from, role_, kind, eps, shape, ...)                                            \
    {                                                                                              \
        .op = REC_NORM, .out = {to}, .in = {from}, .role = {role_}, .arg = {kind, eps, shape},     \
        .when = {                                                                                  \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define NORM(to, from, role_, ...)                                                                 \
    NORM_AS(to, from, role_, FV(F_NORM), FV(F_EPS), FV(F_NORM_SHAPE), __VA_ARGS__)
#define NORM_POST(reg, role_, ...)                                                                 \
    NORM_AS(reg, reg, role_, FV(F_NORM), FV(F_EPS_POST), FV(F_NORM_SHAPE), __VA_ARGS__)
#define LINEAR(to, from, role_, width_, ...)                                                       \
    {                                                                                              \
        .op = REC_LINEAR, .out = {to}, .in = {from}, .role = {role_}, .width = {width_}, .when = { \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define LINEAR_ACC(to, from, role_, width_)                                                        \
    {                                                                                              \
        .op = REC_LINEAR, .out = {to}, .in = {from}, .role = {role_}, .width = {width_}, .arg = {  \
            FV(F_ACC_F32)                                                                          \
        }                                                                                          \
    }
#define SCALE(reg, by, ...)                                                                        \
    {                                                                                              \
        .op = REC_SCALE, .out = {reg}, .in = {reg}, .arg = {by}, .when = { __VA_ARGS__ }           \
    }
#define ADD(to, x, y, a, b, ...)                                                                   \
    {                                                                                              \
        .op = REC_ADD, .out = {to}, .in = {x, y}, .arg = {a, b}, .when = { __VA_ARGS__ }           \
    }
#define CALL(slot, ...)                                                                            \
    {                                                                                              \
        .op = REC_CALL, .arg = {CV(slot)}, .when = { __VA_ARGS__ }                                 \
    }
#define ONE CV(1)

static const ig_record PROLOGUE[] = {
    {.op = REC_EMBED,
     .out = {REG_X},
     .role = {ROLE_TOKEN_EMBD},
     .width = {W_D},
     .arg = {CV(IG_EMBED_TOKEN), FV(F_EMB_SCALE), FV(F_RAW_SCALE)}},
    NORM_AS(REG_X, REG_X, ROLE_EMBD_NORM, CV(NORM_LAYER), FV(F_EPS), CV(QK_FULL),
            IF_EQ(F_EMB_NORM, EMB_NORM_LAYER)),
    NORM_AS(REG_X, REG_X, ROLE_NONE, CV(NORM_RMS), FV(F_EPS), CV(QK_PLAIN),
            IF_EQ(F_EMB_NORM, EMB_NORM_RMS0)),
    {.op = REC_EMBED,
     .out = {REG_T},
     .role = {ROLE_POSITION_EMBD},
     .width = {W_D},
     .arg = {CV(IG_EMBED_POSITION)},
     .when = {IF_EQ(F_POS_TABLE, POS_NEED)}},
    ADD(REG_X, REG_X, REG_T, ONE, ONE, IF_EQ(F_POS_TABLE, POS_NEED)),
    {.op = REC_EMBED,
     .out = {REG_T},
     .role = {ROLE_POSITION_EMBD},
     .width = {W_D},
     .arg = {CV(IG_EMBED_POSITION)},
     .when = {IF_EQ(F_POS_TABLE, POS_OPT), IF_TENSOR(ROLE_POSITION_EMBD)}},
    ADD(REG_X, REG_X, REG_T, ONE, ONE, IF_EQ(F_POS_TABLE, POS_OPT), IF_TENSOR(ROLE_POSITION_EMBD)),
    COPY(REG_X0, REG_X),
    {.op = REC_ONES, .out = {REG_ONES}, .when = {IF(F_BEFORE)}},
    /* A second table gives every layer an input of its own, beside a projection of the first. */
    {.op = REC_EMBED,
     .out = {REG_PLE},
     .role = {ROLE_PLE_EMBD},
     .width = {W_PLES},
     .arg = {CV(IG_EMBED_TOKEN), FV(F_PLE_SCALE), FV(F_PLE_SCALE)},
     .when = {IF(F_PLE)}},
    LINEAR(REG_T, REG_X, ROLE_PLE_PROJ, W_PLES, IF(F_PLE)),
    SCALE(REG_T, FV(F_PLE_PROJ_SCALE), IF(F_PLE)),
    NORM_AS(REG_T, REG_T, ROLE_PLE_NORM, FV(F_NORM), FV(F_EPS), CV(QK_HEAD), IF(F_PLE)),
    ADD(REG_PLE, REG_T, REG_PLE, CV(0.70710678118654752), CV(0.70710678118654752), IF(F_PLE)),
    {.op = REC_END},
};

static const ig_record FINAL[] = {
    {.op = REC_SELECT, .out = {REG_X}, .in = {REG_X}},
    NORM(REG_X, REG_X, ROLE_OUTPUT_NORM),
    {.op = REC_END},
};

static const ig_record HEAD[] = {
    LINEAR(REG_Z, REG_X, ROLE_OUTPUT, W_VOCAB),
    SCALE(REG_Z, FV(F_LOGIT)),
    {.op = REC_SOFTCAP, .out = {REG_Z}, .in = {REG_Z}, .arg = {FV(F_FINAL_CAP)}},
    {.op = REC_END},
};

/* ---- frames --------------------------------------------------------------------------------- */

/* The router reads the feed-forward's input, or the layer's. */
#define ROUTER_IN COPY(REG_RIN, REG_F), COPY(REG_RIN, REG_START, IF(F_ROUTER_START))

static const ig_record FRAME_PRE[] = {
    COPY(REG_START, REG_X),
    NORM(REG_A, REG_X, ROLE_ATTN_NORM, IF_LAYER(LAYER_MIX)),
    COPY(REG_IN, REG_A, IF_LAYER(LAYER_MIX)),
    CALL(SLOT_MIXER, IF_LAYER(LAYER_MIX)),
    ADD(REG_X, REG_X, REG_O, ONE, FV(F_RES_SCALE), IF_LAYER(LAYER_MIX)),
    NORM(REG_F, REG_X, ROLE_FFN_NORM),
    ROUTER_IN,
    CALL(SLOT_FFN),
    ADD(REG_X, REG_X, REG_M, ONE, FV(F_RES_SCALE)),
    {.op = REC_MUL,
     .out = {REG_T},
     .in = {REG_X0},
     .role = {ROLE_LAYER_SCALE},
     .when = {IF(F_SKIP)}},
    ADD(REG_X, REG_X, REG_T, ONE, ONE, IF(F_SKIP)),
    {.op = REC_END},
};

static const ig_record FRAME_PAR[] = {
    COPY(REG_START, REG_X),
    NORM(REG_A, REG_X, ROLE_ATTN_NORM),
    COPY(REG_IN, REG_A),
    NORM(REG_IN, REG_X, ROLE_ATTN_NORM_2, IF_TENSOR(ROLE_ATTN_NORM_2)),
    CALL(SLOT_MIXER),
    COPY(REG_F, REG_A),
    ROUTER_IN,
    CALL(SLOT_FFN),
    ADD(REG_X, REG_X, REG_O, ONE, FV(F_RES_SCALE)),
    ADD(REG_X, REG_X, REG_M, ONE, FV(F_RES_SCALE)),
    {.op = REC_END},
};

static const ig_record FRAME_PAR2[] = {
    COPY(REG_START, REG_X),
    NORM(REG_A, REG_X, ROLE_ATTN_NORM),
    COPY(REG_IN, REG_A),
    CALL(SLOT_MIXER),
    NORM(REG_F, REG_X, ROLE_FFN_NORM),
    ROUTER_IN,
    CALL(SLOT_FFN),
    ADD(REG_X, REG_X, REG_O, ONE, FV(F_RES_SCALE)),
    ADD(REG_X, REG_X, REG_M, ONE, FV(F_RES_SCALE)),
    {.op = REC_END},
};

static const ig_record FRAME_POST[] = {
    COPY(REG_START, REG_X),
    COPY(REG_A, REG_X),
    COPY(REG_IN, REG_X),
    CALL(SLOT_MIXER),
    NORM_POST(REG_O, ROLE_POST_ATTN_NORM),
    ADD(REG_X, REG_X, REG_O, ONE, FV(F_RES_SCALE)),
    COPY(REG_F, REG_X),
    ROUTER_IN,
    CALL(SLOT_FFN),
    NORM_POST(REG_M, ROLE_POST_FFW_NORM),
    ADD(REG_X, REG_X, REG_M, ONE, FV(F_RES_SCALE)),
    {.op = REC_END},
};

static const ig_record FRAME_SANDWICH[] = {
    COPY(REG_START, REG_X),
    NORM(REG_A, REG_X, ROLE_ATTN_NORM),
    COPY(REG_IN, REG_A),
    CALL(SLOT_MIXER),
    NORM_POST(REG_O, ROLE_POST_ATTN_NORM),
    ADD(REG_X, REG_X, REG_O, ONE, FV(F_RES_SCALE)),
    NORM(REG_F, REG_X, ROLE_FFN_NORM),
    ROUTER_IN,
    CALL(SLOT_FFN),
    NORM_POST(REG_M, ROLE_POST_FFW_NORM),
    ADD(REG_X, REG_X, REG_M, ONE, FV(F_RES_SCALE)),
    {.op = REC_END},
};

/* A dense feed-forward after the attention; the experts read the layer's input. */
static const ig_record FRAME_ARCTIC[] = {
    COPY(REG_START, REG_X),
    NORM(REG_A, REG_X, ROLE_ATTN_NORM),
    COPY(REG_IN, REG_A),
    CALL(SLOT_MIXER),
    ADD(REG_X, REG_X, REG_O, ONE, ONE),
    NORM(REG_F, REG_X, ROLE_FFN_NORM),
    CALL(SLOT_DENSE),
    ADD(REG_X, REG_X, REG_M, ONE, ONE),
    NORM(REG_F, REG_START, ROLE_FFN_NORM_EXPS),
    COPY(REG_RIN, REG_F),
    CALL(SLOT_MOE),
    ADD(REG_X, REG_X, REG_M, ONE, ONE),
    {.op = REC_END},
};

/* Four norms around a dense feed-forward with experts beside it, then the layer's own input. */
static const ig_record FRAME_FOUR[] = {
    COPY(REG_START, REG_X),
    NORM(REG_A, REG_X, ROLE_ATTN_NORM),
    COPY(REG_IN, REG_A),
    CALL(SLOT_MIXER),
    NORM_POST(REG_O, ROLE_POST_ATTN_NORM),
    ADD(REG_X, REG_X, REG_O, ONE, ONE),
    NORM(REG_F, REG_X, ROLE_FFN_NORM),
    CALL(SLOT_DENSE),
    NORM_AS(REG_S, REG_M, ROLE_POST_FFW_NORM_1, FV(F_NORM), FV(F_EPS), CV(QK_FULL),
            IF_LAYER(LAYER_MOE)),
    NORM_AS(REG_RIN, REG_X, ROLE_GATE_INP_SCALE, FV(F_NORM), FV(F_EPS), CV(QK_FULL),
            IF_LAYER(LAYER_MOE)),
    SCALE(REG_RIN, FV(F_PLE_PROJ_SCALE), IF_LAYER(LAYER_MOE)),
    NORM(REG_F, REG_X, ROLE_PRE_FFW_NORM_2, IF_LAYER(LAYER_MOE)),
    COPY(REG_Y, REG_S, IF_LAYER(LAYER_MOE)),
    CALL(SLOT_MOE, IF_LAYER(LAYER_MOE)),
    NORM_AS(REG_M, REG_M, ROLE_POST_FFW_NORM_2, FV(F_NORM), FV(F_EPS), CV(QK_FULL),
            IF_LAYER(LAYER_MOE)),
    ADD(REG_M, REG_Y, REG_M, ONE, ONE, IF_LAYER(LAYER_MOE)),
    NORM_POST(REG_M, ROLE_POST_FFW_NORM),
    ADD(REG_X, REG_X, REG_M, ONE, ONE),
    LINEAR(REG_T, REG_X, ROLE_INP_GATE, W_PLE, IF(F_PLE)),
    {.op = REC_SLICE, .out = {REG_S}, .in = {REG_PLE}, .when = {IF(F_PLE)}},
    {.op = REC_GLU, .out = {REG_T}, .in = {REG_T, REG_S}, .arg = {FV(F_ACT)}, .when = {IF(F_PLE)}},
    LINEAR(REG_T, REG_T, ROLE_PROJ, W_D, IF(F_PLE)),
    NORM(REG_T, REG_T, ROLE_POST_NORM, IF(F_PLE)),
    ADD(REG_X, REG_X, REG_T, ONE, ONE, IF(F_PLE)),
    {.op = REC_MUL,
     .out = {REG_X},
     .in = {REG_X},
     .role = {ROLE_LAYER_SCALE},
     .when = {IF_TENSOR(ROLE_LAYER_SCALE)}},
    {.op = REC_END},
};

/* ---- mixers: REG_IN -> REG_O; gates read REG_A ---------------------------------------------- */

#define QK_NORM(reg, role_, shape, ...)                                                            \
    NORM_AS(reg, reg, role_, FV(F_QK_KIND), FV(F_EPS), FV(shape), __VA_ARGS__)
#define CLAMP(reg, ...)                                                                            \
    {                                                                                              \
        .op = REC_CLAMP, .out = {reg}, .in = {reg}, .arg = {FV(F_CLAMP)}, .when = {                \
            IF(F_CLAMP),                                                                           \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define TURN(reg, ...)                                                                             \
    {                                                                                              \
        .op = REC_ROPE, .out = {reg}, .in = {reg}, .when = { IF_LAYER(LAYER_ROPE), __VA_ARGS__ }   \
    }
#define OWN IF_NOT_LAYER(LAYER_REUSE)

static const ig_record GQA[] = {
    {.op = REC_LINEAR,
     .out = {REG_Q, REG_K, REG_V},
     .in = {REG_IN},
     .role = {ROLE_ATTN_Q, ROLE_ATTN_K, ROLE_ATTN_V},
     .fused = ROLE_ATTN_QKV,
     .width = {W_Q, W_K, W_V},
     .when = {OWN, IF_NOT_LAYER(LAYER_V_FROM_K)}},
    {.op = REC_LINEAR,
     .out = {REG_Q, REG_K},
     .in = {REG_IN},
     .role = {ROLE_ATTN_Q, ROLE_ATTN_K},
     .width = {W_Q, W_K},
     .when = {OWN, IF_LAYER(LAYER_V_FROM_K)}},
    COPY(REG_V, REG_K, OWN, IF_LAYER(LAYER_V_FROM_K)),
    LINEAR(REG_Q, REG_IN, ROLE_ATTN_Q, W_Q, IF_LAYER(LAYER_REUSE)),
    CLAMP(REG_Q),
    CLAMP(REG_K, OWN),
    CLAMP(REG_V, OWN),
    QK_NORM(REG_Q, ROLE_Q_NORM, F_Q_NORM, IF_NOT(F_QK_AFTER)),
    QK_NORM(REG_K, ROLE_K_NORM, F_K_NORM, IF_NOT(F_QK_AFTER), OWN),
    NORM_AS(REG_V, REG_V, ROLE_NONE, CV(NORM_RMS), FV(F_EPS), CV(QK_PLAIN), IF(F_V_NORM), OWN),
    TURN(REG_Q),
    TURN(REG_K, OWN),
    QK_NORM(REG_Q, ROLE_Q_NORM, F_Q_NORM, IF(F_QK_AFTER), IF_NOT(F_QK_ROPED)),
    QK_NORM(REG_K, ROLE_K_NORM, F_K_NORM, IF(F_QK_AFTER), IF_NOT(F_QK_ROPED)),
    QK_NORM(REG_Q, ROLE_Q_NORM, F_Q_NORM, IF(F_QK_ROPED), IF_LAYER(LAYER_ROPE)),
    QK_NORM(REG_K, ROLE_K_NORM, F_K_NORM, IF(F_QK_ROPED), IF_LAYER(LAYER_ROPE)),
    {.op = REC_TEMP, .out = {REG_Q}, .in = {REG_Q}, .when = {IF(F_TEMP_A), IF_NOT(F_TEMP_NOPE)}},
    {.op = REC_TEMP,
     .out = {REG_Q},
     .in = {REG_Q},
     .when = {IF(F_TEMP_A), IF(F_TEMP_NOPE), IF_NOT_LAYER(LAYER_ROPE)}},
    {.op = REC_ATTEND, .out = {REG_O}, .in = {REG_Q, REG_K, REG_V}, .role = {ROLE_SINKS}},
    LINEAR(REG_G, REG_A, ROLE_ATTN_GATE, W_GATE, IF_EQ(F_GATE, 1)),
    {.op = REC_GLU,
     .out = {REG_O},
     .in = {REG_G, REG_O},
     .arg = {FV(F_GATE_ACT)},
     .when = {IF_EQ(F_GATE, 1)}},
    LINEAR(REG_G, REG_A, ROLE_ATTN_GATE, W_GATE, IF_EQ(F_GATE, 2), IF_TENSOR(ROLE_ATTN_GATE)),
    {.op = REC_GLU,
     .out = {REG_O},
     .in = {REG_G, REG_O},
     .arg = {FV(F_GATE_ACT)},
     .when = {IF_EQ(F_GATE, 2), IF_TENSOR(ROLE_ATTN_GATE)}},
    NORM_AS(REG_O, REG_O, ROLE_SUB_NORM, CV(NORM_RMS), FV(F_EPS), CV(QK_FULL), IF(F_SUB_NORM)),
    LINEAR_ACC(REG_O, REG_O, ROLE_ATTN_OUTPUT, W_D),
    SCALE(REG_O, FV(F_V_SCALE)),
    {.op = REC_END},
};

/* No attention: one matrix. */
static const ig_record ONE_MATRIX[] = {
    LINEAR(REG_O, REG_IN, ROLE_ATTN_OUTPUT, W_D),
    {.op = REC_END},
};

/* ---- feed-forwards: REG_F -> REG_M ---------------------------------------------------------- */

#define TWO_LINEARS(gate, up, width_, ...)                                                         \
    {                                                                                              \
        .op = REC_LINEAR, .out = {REG_G, REG_U}, .in = {REG_F}, .role = {gate, up},                \
        .width = {width_, width_}, .when = {                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define ONE_LINEAR(up, width_, ...)                                                                \
    {                                                                                              \
        .op = REC_LINEAR, .out = {REG_G, REG_U}, .in = {REG_F}, .fused = (up),                     \
        .width = {width_, width_}, .when = {                                                       \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define GLU_LIMITED(to, limit, ...)                                                                \
    {                                                                                              \
        .op = REC_GLU, .out = {to}, .in = {REG_G, REG_U}, .arg = {FV(F_ACT), FV(limit)}, .when = { \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }
#define SUB_NORM                                                                                   \
    NORM_AS(REG_M, REG_M, ROLE_FFN_SUB_NORM, CV(NORM_RMS), FV(F_EPS), CV(QK_FULL), IF(F_SUB_NORM))

static const ig_record FFN_GLU[] = {
    TWO_LINEARS(ROLE_FFN_GATE, ROLE_FFN_UP, W_F),
    GLU_LIMITED(REG_M, F_LIMIT_SH),
    SUB_NORM,
    LINEAR_ACC(REG_M, REG_M, ROLE_FFN_DOWN, W_D),
    {.op = REC_END},
};

static const ig_record FFN_GLU_FUSED[] = {
    ONE_LINEAR(ROLE_FFN_UP, W_F),
    GLU_LIMITED(REG_M, F_LIMIT_SH),
    SUB_NORM,
    LINEAR_ACC(REG_M, REG_M, ROLE_FFN_DOWN, W_D),
    {.op = REC_END},
};

static const ig_record FFN_MLP[] = {
    LINEAR(REG_G, REG_F, ROLE_FFN_UP, W_F),
    {.op = REC_GLU, .out = {REG_M}, .in = {REG_G}, .role = {ROLE_FFN_DIVISOR}, .arg = {FV(F_ACT)}},
    SUB_NORM,
    LINEAR_ACC(REG_M, REG_M, ROLE_FFN_DOWN, W_D),
    {.op = REC_END},
};

#define EXPERT(to, from, role_, width_, e, ...)                                                    \
    {                                                                                              \
        .op = REC_EXPERT, .out = {to}, .in = {from, REG_ID}, .role = {role_}, .width = {width_},   \
        .arg = {FV(e)}, .when = {                                                                  \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const ig_record FFN_MOE[] = {
    {.op = REC_ROUTE,
     .out = {REG_ID, REG_WT},
     .in = {REG_RIN},
     .role = {ROLE_GATE_INP, ROLE_PROBS_B}},
    {.op = REC_EXPERT,
     .out = {REG_G, REG_U},
     .in = {REG_F, REG_ID},
     .fused = ROLE_GATE_UP_EXPS,
     .role = {ROLE_GATE_EXPS, ROLE_UP_EXPS},
     .width = {W_FE, W_FE},
     .arg = {FV(F_E)},
     .when = {IF_LAYER(LAYER_MERGED)}},
    EXPERT(REG_G, REG_F, ROLE_GATE_EXPS, W_FE, F_E, IF_NOT_LAYER(LAYER_MERGED),
           IF_NOT_LAYER(LAYER_UNGATED)),
    EXPERT(REG_U, REG_F, ROLE_UP_EXPS, W_FE, F_E, IF_NOT_LAYER(LAYER_MERGED)),
    /* Weights before the experts: W (w x) = w (W x), as these have no bias. */
    {.op = REC_GLU,
     .out = {REG_G},
     .in = {REG_WT, REG_G},
     .arg = {CV(IG_ACT_NONE)},
     .when = {IF(F_BEFORE)}},
    {.op = REC_GLU,
     .out = {REG_U},
     .in = {REG_WT, REG_U},
     .arg = {CV(IG_ACT_NONE)},
     .when = {IF(F_BEFORE)}},
    COPY(REG_WT, REG_ONES, IF(F_BEFORE)),
    /* Limits do not reach merged experts. */
    {.op = REC_GLU,
     .out = {REG_M},
     .in = {REG_G, REG_U},
     .arg = {FV(F_ACT)},
     .when = {IF_LAYER(LAYER_MERGED)}},
    GLU_LIMITED(REG_M, F_LIMIT_EXP, IF_NOT_LAYER(LAYER_MERGED), IF_NOT_LAYER(LAYER_UNGATED)),
    {.op = REC_GLU,
     .out = {REG_M},
     .in = {REG_U},
     .arg = {FV(F_ACT)},
     .when = {IF_LAYER(LAYER_UNGATED)}},
    EXPERT(REG_M, REG_M, ROLE_DOWN_EXPS, W_D, F_E),
    {.op = REC_COMBINE, .out = {REG_M}, .in = {REG_M, REG_WT}},
    /* Shared expert. */
    TWO_LINEARS(ROLE_GATE_SHEXP, ROLE_UP_SHEXP, W_FS, IF(F_FS), IF_NOT(F_FS_FUSED)),
    ONE_LINEAR(ROLE_UP_SHEXP, W_FS, IF(F_FS), IF(F_FS_FUSED)),
    GLU_LIMITED(REG_S, F_LIMIT_SH, IF(F_FS)),
    LINEAR(REG_S, REG_S, ROLE_DOWN_SHEXP, W_D, IF(F_FS)),
    LINEAR(REG_G, REG_F, ROLE_GATE_INP_SHEXP, W_ONE, IF(F_FS), IF(F_SH_GATE)),
    {.op = REC_GLU,
     .out = {REG_S},
     .in = {REG_G, REG_S},
     .arg = {CV(IG_ACT_SIGMOID)},
     .when = {IF(F_FS), IF(F_SH_GATE)}},
    ADD(REG_M, REG_M, REG_S, ONE, ONE, IF(F_FS)),
    SCALE(REG_M, FV(F_SH_SCALE), IF(F_FS)),
    /* Chunk experts: a second, smaller set on the first one's output, chosen by the same logits. */
    {.op = REC_ROUTE,
     .out = {REG_ID, REG_WT},
     .in = {REG_RIN},
     .role = {ROLE_GATE_INP, ROLE_PROBS_B},
     .arg = {FV(F_ID_DIV)},
     .when = {IF(F_E2)}},
    EXPERT(REG_G, REG_M, ROLE_GATE_CHEXPS, W_FE2, F_E2, IF(F_E2)),
    EXPERT(REG_U, REG_M, ROLE_UP_CHEXPS, W_FE2, F_E2, IF(F_E2)),
    {.op = REC_GLU, .out = {REG_S}, .in = {REG_G, REG_U}, .arg = {FV(F_ACT)}, .when = {IF(F_E2)}},
    EXPERT(REG_S, REG_S, ROLE_DOWN_CHEXPS, W_D, F_E2, IF(F_E2)),
    {.op = REC_COMBINE, .out = {REG_S}, .in = {REG_S, REG_WT}, .when = {IF(F_E2)}},
    ADD(REG_M, REG_M, REG_S, ONE, FV(F_SCALE2), IF(F_E2)),
    /* A dense branch beside the experts. */
    TWO_LINEARS(ROLE_FFN_GATE, ROLE_FFN_UP, W_F, IF(F_DENSE_BESIDE), IF_TENSOR(ROLE_FFN_UP)),
    GLU_LIMITED(REG_S, F_LIMIT_SH, IF(F_DENSE_BESIDE), IF_TENSOR(ROLE_FFN_UP)),
    LINEAR(REG_S, REG_S, ROLE_FFN_DOWN, W_D, IF(F_DENSE_BESIDE), IF_TENSOR(ROLE_FFN_UP)),
    ADD(REG_M, REG_M, REG_S, CV(0.70710678118654752), CV(0.70710678118654752), IF(F_DENSE_BESIDE),
        IF_TENSOR(ROLE_FFN_UP)),
    {.op = REC_END},
};

const ig_record *const ig_arch_recipes[RECIPE_COUNT] = {
    [RECIPE_PROLOGUE] = PROLOGUE,
    [RECIPE_FINAL] = FINAL,
    [RECIPE_HEAD] = HEAD,
    [RECIPE_FRAME_PRE] = FRAME_PRE,
    [RECIPE_FRAME_PAR] = FRAME_PAR,
    [RECIPE_FRAME_PAR2] = FRAME_PAR2,
    [RECIPE_FRAME_POST] = FRAME_POST,
    [RECIPE_FRAME_SANDWICH] = FRAME_SANDWICH,
    [RECIPE_FRAME_ARCTIC] = FRAME_ARCTIC,
    [RECIPE_FRAME_FOUR] = FRAME_FOUR,
    [RECIPE_GQA] = GQA,
    [RECIPE_ONE_MATRIX] = ONE_MATRIX,
    [RECIPE_GLU] = FFN_GLU,
    [RECIPE_GLU_FUSED] = FFN_GLU_FUSED,
    [RECIPE_MLP] = FFN_MLP,
    [RECIPE_MOE] = FFN_MOE,
};
