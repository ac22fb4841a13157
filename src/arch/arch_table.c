/* arch_table.c: one row per architecture: names, fields that differ from the default row, other
 * tensor names, what is ignored and what is refused. Facts only; the meaning of a field is in
 * arch_int.h, its default in arch_field_table.c. */
#include "arch/arch_int.h"

/* Sources. */
#define KEY(k)                                                                                     \
    { .kind = SRC_KEY, .key = (k) }
#define KEY0(k)                                                                                    \
    { .kind = SRC_KEY0, .key = (k) }
#define INV(k)                                                                                     \
    { .kind = SRC_INV, .key = (k) }
#define C(x)                                                                                       \
    { .kind = SRC_CONST, .c = (x) }
#define FLD(f)                                                                                     \
    { .kind = SRC_FIELD, .a = (f) }
#define EXPR(x, a_, b_, c_)                                                                        \
    { .kind = SRC_EXPR, .expr = (x), .a = (a_), .b = (b_), .c = (c_) }

/* Items. */
#define SET(f, ...)                                                                                \
    {                                                                                              \
        .field = (f), .src = { __VA_ARGS__ }                                                       \
    }
#define NEED(f, ...)                                                                               \
    { .field = (f), .src = {__VA_ARGS__}, .need = true }
#define SET_IF(cond, f, ...)                                                                       \
    { .field = (f), .src = {__VA_ARGS__}, .when = cond }
#define END                                                                                        \
    { .field = F_NONE }
#define ITEMS(...)                                                                                 \
    (const ig_item[]) {                                                                            \
        __VA_ARGS__, END                                                                           \
    }

/* Conditions. */
#define IF_KEY(k)                                                                                  \
    { .kind = COND_KEY, .name = (k) }
#define IF_KEY_ZERO(k)                                                                             \
    { .kind = COND_KEY_ZERO, .name = (k) }
#define IF_NO_TENSOR(t)                                                                            \
    { .kind = COND_NO_TENSOR, .name = (t) }
#define IF_TENSOR(t)                                                                               \
    { .kind = COND_TENSOR, .name = (t) }
#define IF_SECTIONS                                                                                \
    { .kind = COND_SECTIONS }
#define IF_EQ(f, x)                                                                                \
    { .kind = COND_EQ, .field = (f), .value = (x) }
#define IF_NE(f, x)                                                                                \
    { .kind = COND_NE, .field = (f), .value = (x) }
#define IF_ABOVE(f, x)                                                                             \
    { .kind = COND_ABOVE, .field = (f), .value = (x) }

#define RENAME(...)                                                                                \
    (const ig_rename[]) {                                                                          \
        __VA_ARGS__, {                                                                             \
            ROLE_NONE, {                                                                           \
                0                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }
#define NAMES(...)                                                                                 \
    (const char *const[]) {                                                                        \
        __VA_ARGS__, NULL                                                                          \
    }
#define REFUSE(...)                                                                                \
    (const ig_refusal[]) {                                                                         \
        __VA_ARGS__, {                                                                             \
            {0}, {0}, NULL                                                                         \
        }                                                                                          \
    }

/* ---- groups of items that rows share -------------------------------------------------------- */

#define ROPE(kind) SET(F_ROPE, C(ROPE_##kind))
#define LAYER_NORM SET(F_NORM, C(NORM_LAYER)), SET(F_EPS, KEY0("attention.layer_norm_epsilon"))
#define FRAME(kind) SET(F_FRAME, C(RECIPE_FRAME_##kind))
#define TIE(kind) SET(F_TIE, C(TIE_##kind))
#define MLP(act) SET(F_FFN, C(RECIPE_MLP)), SET(F_ACT, C(IG_ACT_##act))
#define QK(shape) SET(F_Q_NORM, C(QK_##shape))
#define QK_IF_THERE(shape) SET(F_Q_NORM, C(QK_##shape + QK_MAYBE))
#define QK_AFTER_ROPE SET(F_QK_AFTER, C(1))
#define NEXTN SET(F_N_NEXTN, KEY("nextn_predict_layers"))
#define EMB_SQRT_D SET(F_EMB_SCALE, EXPR(X_SQRT, F_D, 0, 1))
#define RAW_SQRT_D SET(F_RAW_SCALE, EXPR(X_SQRT, F_D, 0, 1))
#define MROPE_IF_SECTIONS SET_IF(IF_SECTIONS, F_ROPE, C(ROPE_MROPE))
#define SCALE_BY_D_OVER_H(layers)                                                                  \
    SET_IF(IF_EQ(F_L, layers), F_ATT_SCALE, EXPR(X_RSQRT_DIV, F_D, F_H, 0))

/* Windows: period; base and scaling of window layers. */
#define W_KEY "attention.sliding_window"
#define WINDOW(p) SET(F_W, KEY(W_KEY)), SET(F_WIN_P, C(p))
#define WINDOW_NEED(p) NEED(F_W, KEY(W_KEY)), SET(F_WIN_P, C(p))
#define WINDOW_ARRAY NEED(F_W, KEY(W_KEY)), SET(F_WIN_ARRAY, C(1))
#define FULL_FIRST SET(F_WIN_FIRST, C(1))
#define BASE_OWN SET(F_BASE_WIN, KEY("rope.freq_base_swa"), FLD(F_BASE))
#define BASE_10K SET(F_BASE_WIN, KEY("rope.freq_base_swa"), C(10000))
#define WIN_SCALED(kind) SET(F_WIN_SCALING, C(WIN_##kind))
#define R_PER_KIND SET(F_R_WIN, KEY("rope.dimension_count_swa"), FLD(F_R))
#define ROPE_WINDOWS SET(F_ROPE_RULE, C(ROPE_WIN))

/* Experts: where, width, weights. */
#define MOE(rule) SET(F_FFN, C(RECIPE_MOE)), SET(F_MOE_RULE, C(MOE_##rule))
#define LEAD SET(F_LEAD, KEY("leading_dense_block_count"))
#define LEAD_NEED NEED(F_LEAD, KEY0("leading_dense_block_count"))
#define FE_KEY NEED(F_FE, KEY("expert_feed_forward_length"))
#define FE_KEY_OR_F NEED(F_FE, KEY("expert_feed_forward_length"), FLD(F_F))
#define FE_KEY_OR_F_DIV_K NEED(F_FE, KEY("expert_feed_forward_length"), EXPR(X_DIV, F_F, F_K, 0))
#define FE_F NEED(F_FE, FLD(F_F))
#define RENORM SET(F_RENORM, C(1))
#define RENORM_KEY SET(F_RENORM, KEY("expert_weights_norm"))
#define W_SCALE_KEY SET(F_W_SCALE, KEY("expert_weights_scale"))
#define GATING_KEY NEED(F_GATING, KEY("expert_gating_func"))
#define GATING_KEY_OR(kind) SET(F_GATING, KEY("expert_gating_func"), C(IG_GATING_##kind))
#define GATING(kind) SET(F_GATING, C(IG_GATING_##kind))
#define BIAS_NEED SET(F_SEL_BIAS, C(1))
#define S_KEY "expert_shared_feed_forward_length"
#define FS_FE_TIMES_C SET(F_FS, EXPR(X_MUL, F_FE, F_FS_N, 0))
/* Mixtral's way, of every row of the llama kind: gates are not read from keys. */
#define MOE_LLAMA MOE(ALL), SET(F_FE, FLD(F_F)), RENORM

#define LLAMA ROPE(NORM), SET(F_FACTORS, C(FACTORS_AUTO))
#define IGNORED_LLAMA                                                                              \
    NAMES("attention.scale", "attention.sliding_window", "expert_weights_scale",                   \
          "expert_weights_norm", "expert_gating_func", "expert_feed_forward_length")

#define GRANITE                                                                                    \
    LLAMA, MOE_LLAMA, SET(F_GATE_OPT, C(1)),                                                       \
        SET(F_ATT_SCALE, KEY("attention.scale"), EXPR(X_RSQRT, F_DK, 0, 1)),                       \
        SET(F_EMB_SCALE, KEY("embedding_scale")), SET(F_RAW_SCALE, KEY("embedding_scale")),        \
        SET(F_RES_SCALE, KEY("residual_scale")), NEED(F_LOGIT, INV("logit_scale")),                \
        SET(F_FS, KEY(S_KEY)),                                                                     \
        SET_IF(IF_KEY_ZERO("rope.scaling.finetuned"), F_ROPE_RULE, C(ROPE_OFF))
#define IGNORED_GRANITE                                                                            \
    NAMES("deepstack_mapping", "n_deepstack_layers", "expert_weights_scale",                       \
          "expert_weights_norm", "expert_gating_func", "expert_feed_forward_length")

#define QWEN3MOE ROPE(NEOX), QK(HEAD), MOE(ALL), FE_KEY_OR_F_DIV_K, RENORM
#define GEMMA ROPE(NEOX), EMB_SQRT_D, SET(F_ACT, C(IG_ACT_GELU))

/* ---- rows ----------------------------------------------------------------------------------- */

const ig_arch_row ig_arch_rows[] = {
    /* Dense decoders with RMS norms. */
    {.names = {"llama"}, .set = ITEMS(LLAMA, MOE_LLAMA), .ignored_keys = IGNORED_LLAMA},
    {.names = {"deci"},
     .set = ITEMS(LLAMA, SET(F_LAYER_RULE, C(LAYERS_DECI))),
     .ignored_keys = IGNORED_LLAMA},
    {.names = {"mistral3"},
     .set = ITEMS(LLAMA, MOE_LLAMA, SET(F_TEMP_A, KEY("attention.temperature_scale"))),
     .ignored_keys = IGNORED_LLAMA},
    {.names = {"qwen"}, .set = ITEMS(ROPE(NEOX), TIE(OWN), SET(F_F, EXPR(X_DIV, F_FF, 0, 2)))},
    {.names = {"qwen2"}, .set = ITEMS(ROPE(NEOX))},
    /* The peer reads no eps for it, so files without the key exist; the reference uses 1e-6. */
    {.names = {"qwen2vl"},
     .set = ITEMS(ROPE(MROPE), SET(F_EPS, KEY0("attention.layer_norm_rms_epsilon"), C(1e-6))),
     .ignored_keys = NAMES("n_deepstack_layers")},
    {.names = {"qwen3"}, .set = ITEMS(ROPE(NEOX), QK(HEAD))},
    {.names = {"qwen3vl"},
     .set = ITEMS(ROPE(IMROPE), QK(HEAD)),
     .ignored_keys = NAMES("n_deepstack_layers")},
    {.names = {"internlm2"}, .set = ITEMS(ROPE(NORM), TIE(OWN))},
    {.names = {"xverse"}, .set = ITEMS(ROPE(NORM), TIE(OWN))},
    {.names = {"minicpm"},
     .set = ITEMS(LLAMA, MOE_LLAMA, SET(F_EMB_SCALE, KEY0("embedding_scale"), C(12)),
                  SET(F_RAW_SCALE, KEY0("embedding_scale"), C(12)),
                  SET(F_RES_SCALE, KEY0("residual_scale"), EXPR(X_RSQRT, F_L, 0, 1.4)),
                  SET(F_LOGIT, INV("logit_scale"), EXPR(X_OVER, F_D, 0, 256))),
     .ignored_keys = IGNORED_LLAMA},
    {.names = {"granite"}, .set = ITEMS(GRANITE), .ignored_keys = IGNORED_GRANITE},
    {.names = {"smollm3"},
     .set = ITEMS(ROPE(NORM), SET(F_ROPE_RULE, C(ROPE_NOT_NTH)), SET(F_ROPE_N, C(4)))},
    {.names = {"arcee"}, .set = ITEMS(ROPE(NORM), MLP(RELU2))},
    {.names = {"apertus"},
     .set =
         ITEMS(ROPE(NEOX), SET(F_FACTORS, C(FACTORS_AUTO)), QK(HEAD), MLP(XIELU), TIE(OWN),
               NEED(F_XIELU_AN, KEY0("/xielu.alpha_n")), NEED(F_XIELU_AP, KEY0("/xielu.alpha_p")),
               NEED(F_XIELU_B, KEY0("/xielu.beta")), NEED(F_XIELU_E, KEY0("/xielu.eps")))},
    {.names = {"exaone"}, .set = ITEMS(ROPE(NEOX))},
    {.names = {"seed_oss"},
     .set = ITEMS(ROPE(NEOX)),
     .rename = RENAME({ROLE_FFN_NORM, {"post_attention_norm"}})},
    {.names = {"phi3"},
     .set =
         ITEMS(ROPE(NEOX), SET(F_FACTORS, C(FACTORS_LONGSHORT)), SET(F_FFN, C(RECIPE_GLU_FUSED))),
     .ignored_keys = NAMES("attention.sliding_window")},
    {.names = {"phimoe"},
     .set = ITEMS(ROPE(NEOX), SET(F_FACTORS, C(FACTORS_LONGSHORT)), MOE_LLAMA, TIE(OWN)),
     .ignored_keys = IGNORED_LLAMA},
    {.names = {"plamo"}, .set = ITEMS(ROPE(NEOX), FRAME(PAR), TIE(OWN))},
    {.names = {"openelm"}, .set = ITEMS(ROPE(NEOX), QK(HEAD), TIE(TIED))},
    {.names = {"bitnet"}, .set = ITEMS(ROPE(NEOX), SET(F_SUB_NORM, C(1)), TIE(TIED))},
    {.names = {"pangu-embedded"}, .set = ITEMS(ROPE(NEOX))},
    {.names = {"maincoder"}, .set = ITEMS(ROPE(NORM), QK(HEAD), QK_AFTER_ROPE)},
    {.names = {"ernie4_5"}, .set = ITEMS(ROPE(NORM))},
    {.names = {"paddleocr"}, .set = ITEMS(ROPE(MROPE))},
    {.names = {"hunyuan-dense"},
     .set = ITEMS(ROPE(NEOX), QK(HEAD), QK_AFTER_ROPE, SET(F_ALPHA, KEY("rope.scaling.alpha")))},
    {.names = {"hunyuan_vl"},
     .set = ITEMS(ROPE(NEOX), MROPE_IF_SECTIONS, QK(HEAD), QK_AFTER_ROPE,
                  SET(F_ALPHA, KEY("rope.scaling.alpha")))},
    {.names = {"talkie"},
     .set = ITEMS(ROPE(NEOX), SET(F_NORM_SHAPE, C(QK_PLAIN)), QK(GAIN), SET(F_K_NORM, C(QK_PLAIN)),
                  QK_AFTER_ROPE, SET(F_EMB_NORM, C(EMB_NORM_RMS0)), SET(F_SKIP, C(1)),
                  NEED(F_LOGIT, KEY0("logit_scale")), TIE(OWN))},
    {.names = {"chatglm"}, .set = ITEMS(ROPE(NORM), SET(F_FFN, C(RECIPE_GLU_FUSED)))},
    {.names = {"baichuan"},
     .set = ITEMS(ROPE(NONE), TIE(OWN), SET_IF(IF_EQ(F_N_BLOCK, 32), F_ROPE, C(ROPE_NORM)),
                  SET_IF(IF_EQ(F_N_BLOCK, 40), F_ALIBI, C(8))),
     .refuse = REFUSE({IF_EQ(F_ROPE, ROPE_NONE), IF_EQ(F_ALIBI, 0),
                       "has no known graph unless key baichuan.block_count is 32 or 40"})},
    {.names = {"refact"},
     .set = ITEMS(ROPE(NONE), SET(F_ALIBI, C(8))),
     .refuse = REFUSE({IF_ABOVE(F_E, 0),
                       {0},
                       "with experts has no known graph; key refact.expert_count must be 0"})},

    /* Dense decoders with LayerNorm. */
    {.names = {"orion"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), TIE(OWN))},
    {.names = {"olmo"},
     .set = ITEMS(LAYER_NORM, ROPE(NORM), SET(F_NORM_SHAPE, C(QK_PLAIN)),
                  SET(F_CLAMP, KEY("attention.clamp_kqv")))},
    {.names = {"codeshell"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), MLP(GELU), TIE(REV))},
    {.names = {"gpt2"},
     .set = ITEMS(LAYER_NORM, ROPE(NONE), SET(F_POS_TABLE, C(POS_NEED)), MLP(GELU))},
    {.names = {"starcoder"},
     .set = ITEMS(LAYER_NORM, ROPE(NONE), SET(F_POS_TABLE, C(POS_NEED)), MLP(GELU))},
    {.names = {"starcoder2"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), MLP(GELU))},
    {.names = {"gptneox"},
     .set = ITEMS(LAYER_NORM, ROPE(NEOX), MLP(GELU), TIE(OWN),
                  SET_IF(IF_KEY("use_parallel_residual"), F_FRAME, C(RECIPE_FRAME_PAR2)))},
    {.names = {"falcon"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), MLP(GELU), FRAME(PAR))},
    {.names = {"mpt"},
     .set = ITEMS(LAYER_NORM, ROPE(NONE), SET(F_ALIBI, KEY("attention.max_alibi_bias")),
                  SET(F_POS_TABLE, C(POS_OPT)), SET(F_CLAMP, KEY("attention.clamp_kqv")),
                  QK_IF_THERE(FULL), MLP(GELU))},
    {.names = {"bloom"},
     .set = ITEMS(LAYER_NORM, ROPE(NONE), SET(F_ALIBI, C(8)), SET(F_EMB_NORM, C(EMB_NORM_LAYER)),
                  MLP(GELU))},
    {.names = {"stablelm"},
     .set = ITEMS(LAYER_NORM, ROPE(NEOX), QK_IF_THERE(PERHEAD), TIE(OWN),
                  SET_IF(IF_NO_TENSOR("blk.0.ffn_norm.weight"), F_FRAME, C(RECIPE_FRAME_PAR)))},
    {.names = {"phi2"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), FRAME(PAR), MLP(GELU), TIE(OWN))},
    {.names = {"command-r"},
     .set = ITEMS(LAYER_NORM, ROPE(NORM), FRAME(PAR), QK_IF_THERE(PERHEAD),
                  SET(F_LOGIT, KEY("logit_scale")), TIE(TIED))},
    {.names = {"jais"},
     .set = ITEMS(LAYER_NORM, ROPE(NONE), SET(F_ALIBI, KEY("attention.max_alibi_bias")),
                  SET(F_ATT_SCALE, EXPR(X_OVER, F_DK, 0, 1)), TIE(OWN))},
    {.names = {"jais2"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), MLP(RELU2), SET(F_ACC_F32, C(1)))},
    {.names = {"nemotron"}, .set = ITEMS(LAYER_NORM, ROPE(NEOX), MLP(RELU2), TIE(OWN))},
    {.names = {"pockettts"}, .set = ITEMS(LAYER_NORM, ROPE(NORM), MLP(GELU), TIE(TIED))},
    {.names = {"cohere2"},
     .set = ITEMS(LAYER_NORM, ROPE(NORM), FRAME(PAR), WINDOW_NEED(4), ROPE_WINDOWS,
                  NEED(F_LOGIT, KEY0("logit_scale")), TIE(TIED)),
     .ignored_keys = NAMES("rope.freq_base_swa")},

    /* Windows, post norms, gates. */
    {.names = {"gemma"}, .set = ITEMS(GEMMA, RAW_SQRT_D, TIE(TIED))},
    {.names = {"gemma2"},
     .set =
         ITEMS(GEMMA, RAW_SQRT_D, TIE(TIED), FRAME(SANDWICH), SET(F_W, KEY0(W_KEY), C(4096)),
               SET(F_WIN_P, C(2)), BASE_OWN, SET(F_ATT_CAP, KEY0("attn_logit_softcapping"), C(50)),
               SET(F_FINAL_CAP, KEY0("final_logit_softcapping"), C(30)), SCALE_BY_D_OVER_H(46))},
    {.names = {"gemma3"},
     .set = ITEMS(GEMMA, FRAME(SANDWICH), QK(HEAD), WINDOW(6), BASE_10K, WIN_SCALED(AF),
                  SET(F_FINAL_CAP, KEY("final_logit_softcapping")), SCALE_BY_D_OVER_H(62))},
    {.names = {"gemma4"},
     .set = ITEMS(GEMMA, FRAME(FOUR), QK(HEAD), SET(F_V_NORM, C(1)), SET(F_V_FROM_K, C(1)),
                  WINDOW_ARRAY, BASE_10K, WIN_SCALED(AF), R_PER_KIND,
                  SET(F_DK_WIN, KEY("attention.key_length_swa"), FLD(F_DK)),
                  SET(F_DV_WIN, KEY("attention.value_length_swa"), FLD(F_DV)),
                  SET(F_FACTORS_FULL, C(1)), SET(F_ATT_SCALE, C(1)),
                  SET(F_KV_SHARED, KEY("attention.shared_kv_layers")),
                  SET(F_PLE, KEY("embedding_length_per_layer_input")), MOE(TENSOR),
                  SET(F_FE, KEY("expert_feed_forward_length")), RENORM,
                  SET(F_FINAL_CAP, KEY0("final_logit_softcapping"), C(30)))},
    {.names = {"olmo2"},
     .set = ITEMS(ROPE(NEOX), TIE(OWN), FRAME(POST), QK(FULL), WINDOW(4), WIN_SCALED(PLAIN)),
     .ignored_keys = NAMES("rope.freq_base_swa")},
    {.names = {"exaone4"},
     .set = ITEMS(ROPE(NEOX), NEXTN, FRAME(POST), QK(HEAD),
                  SET_IF(IF_EQ(F_L, 64), F_W, KEY0(W_KEY), C(4096)),
                  SET_IF(IF_EQ(F_L, 64), F_WIN_P, C(4)),
                  SET_IF(IF_EQ(F_L, 64), F_ROPE_RULE, C(ROPE_WIN))),
     .ignored_keys = NAMES("attention.sliding_window", "rope.freq_base_swa")},
    {.names = {"glm4"},
     .set = ITEMS(ROPE(NORM), MROPE_IF_SECTIONS, NEXTN, FRAME(SANDWICH),
                  SET(F_FFN, C(RECIPE_GLU_FUSED)), SET(F_ACC_F32, C(1)))},
    {.names = {"plamo3"},
     .set = ITEMS(ROPE(NEOX), FRAME(SANDWICH), QK(HEAD), SET(F_FFN, C(RECIPE_GLU_FUSED)), WINDOW(8),
                  BASE_10K, WIN_SCALED(AF))},
    {.names = {"spark2_5"},
     .set = ITEMS(ROPE(NEOX), SET(F_GATE, C(1)), WINDOW_ARRAY, BASE_OWN, R_PER_KIND,
                  SET(F_ACT, C(IG_ACT_GELU)))},
    {.names = {"muse-glimmer"},
     .set = ITEMS(ROPE(NORM), TIE(OWN), SET(F_EMB_NORM, C(EMB_NORM_RMS0)), FRAME(SANDWICH),
                  SET(F_EPS_POST, C(1e-8)), QK(HEAD), SET(F_GATE, C(1)), ROPE_WINDOWS,
                  WINDOW_NEED(4), BASE_OWN, WIN_SCALED(AF), NEED(F_LOGIT, KEY0("logit_scale")),
                  SET(F_FINAL_CAP, KEY0("final_logit_softcapping"), C(30)))},

    /* Experts. */
    {.names = {"granitemoe"}, .set = ITEMS(GRANITE), .ignored_keys = IGNORED_GRANITE},
    {.names = {"granite_swa"},
     .set = ITEMS(GRANITE, WINDOW_ARRAY, SET(F_ROPE_RULE, C(ROPE_ARRAY)), SET(F_SINKS, C(1)),
                  SET(F_FS_FUSED, C(1))),
     .ignored_keys = IGNORED_GRANITE},
    {.names = {"qwen2moe"},
     .set = ITEMS(ROPE(NEOX), TIE(OWN), MOE(ALL), FE_KEY_OR_F_DIV_K,
                  SET(F_FS, KEY(S_KEY), FLD(F_F)), SET(F_SH_GATE, C(1)))},
    {.names = {"qwen3moe"},
     .set = ITEMS(QWEN3MOE),
     .ignored_keys = NAMES("attention.scale", "expert_weights_scale")},
    {.names = {"qwen3vlmoe"},
     .set = ITEMS(QWEN3MOE, ROPE(IMROPE)),
     .ignored_keys = NAMES("n_deepstack_layers")},
    {.names = {"grovemoe"},
     .set = ITEMS(QWEN3MOE, FE_KEY, NEED(F_ID_DIV, KEY("experts_per_group")),
                  NEED(F_E2, EXPR(X_DIV, F_E, F_ID_DIV, 0)),
                  NEED(F_FE2, KEY("expert_chunk_feed_forward_length"), FLD(F_DK)),
                  NEED(F_SCALE2, KEY("expert_group_scale")))},
    {.names = {"mellum"},
     .set = ITEMS(QWEN3MOE, TIE(OWN), WINDOW(4), WIN_SCALED(PLAIN)),
     .ignored_keys = NAMES("rope.freq_base_swa")},
    {.names = {"maple"},
     .set = ITEMS(ROPE(NEOX), TIE(OWN), QK(HEAD), ROPE_WINDOWS, R_PER_KIND, WINDOW_ARRAY, BASE_OWN,
                  MOE(ALL), FE_KEY, RENORM, NEED(F_LIMIT_EXP, KEY0("swiglu_clamp_exp")),
                  SET(F_LIMIT, C(IG_LIMIT_PRE)))},
    {.names = {"olmoe"}, .set = ITEMS(ROPE(NEOX), TIE(OWN), QK(FULL), MOE(ALL), FE_F)},
    {.names = {"exaone-moe"},
     .set =
         ITEMS(ROPE(NEOX), NEXTN, TIE(OWN), QK(HEAD), WINDOW_NEED(4), ROPE_WINDOWS, MOE(LEAD), LEAD,
               FE_KEY, GATING_KEY, RENORM_KEY, W_SCALE_KEY, SET(F_FS, KEY(S_KEY), FLD(F_FE))),
     .ignored_keys = NAMES("rope.freq_base_swa", "expert_shared_count")},
    {.names = {"cohere2moe"},
     .set =
         ITEMS(LAYER_NORM, SET_IF(IF_KEY("attention.layer_norm_rms_epsilon"), F_NORM, C(NORM_RMS)),
               SET_IF(IF_KEY("attention.layer_norm_rms_epsilon"), F_EPS,
                      KEY0("attention.layer_norm_rms_epsilon")),
               ROPE(NORM), NEXTN, FRAME(PAR), SET(F_ROPE_RULE, C(ROPE_WIN_OR_LEAD)), WINDOW_NEED(4),
               FULL_FIRST, NEED(F_LOGIT, KEY0("logit_scale")), MOE(LEAD), LEAD_NEED, FE_KEY_OR_F,
               GATING_KEY_OR(SIGMOID), RENORM_KEY, W_SCALE_KEY,
               SET(F_FS_ONE, KEY(S_KEY), EXPR(X_MUL, F_FE, F_FS_N, 0)),
               SET_IF(IF_ABOVE(F_FS_N, 0), F_FS, FLD(F_FS_ONE)), SET(F_SH_SCALE, C(0.5))),
     .ignored_keys = NAMES("rope.freq_base_swa")},
    {.names = {"gpt-oss"},
     .set = ITEMS(ROPE(NEOX), TIE(OWN),
                  NEED(F_DK, FLD(F_R_KEY), KEY("attention.key_length"), EXPR(X_DIV, F_D, F_H, 0)),
                  NEED(F_DV, FLD(F_R_KEY), KEY("attention.value_length"), EXPR(X_DIV, F_D, F_H, 0)),
                  SET(F_SINKS, C(1)), WINDOW_NEED(2), BASE_OWN, MOE(ALL), FE_KEY,
                  GATING(SOFTMAX_AFTER), SET(F_ACT, C(IG_ACT_OAI))),
     .rename = RENAME({ROLE_FFN_NORM, {"post_attention_norm"}})},
    {.names = {"mimo2"},
     .set = ITEMS(ROPE(NEOX), NEXTN, TIE(OWN), WINDOW_ARRAY, BASE_10K, WIN_SCALED(AF),
                  SET(F_SINKS, C(2)), SET(F_V_SCALE, KEY("attention.value_scale")), MOE(TENSOR),
                  FE_KEY, GATING(SIGMOID), RENORM),
     .refuse = REFUSE(
         {IF_TENSOR("blk.0.attn_q.bias"), {0}, "with tensor blk.0.attn_q.bias has no known graph"},
         {IF_TENSOR("blk.0.attn_k.bias"), {0}, "with tensor blk.0.attn_k.bias has no known graph"},
         {IF_TENSOR("blk.0.attn_v.bias"), {0}, "with tensor blk.0.attn_v.bias has no known graph"},
         {IF_TENSOR("blk.0.attn_qkv.bias"),
          {0},
          "with tensor blk.0.attn_qkv.bias has no known graph"})},
    {.names = {"step35"},
     .set = ITEMS(ROPE(NEOX), NEXTN, TIE(OWN), QK_IF_THERE(HEAD), SET(F_GATE, C(2)),
                  SET(F_R, EXPR(X_DIV, F_R_KEY, 0, 2), EXPR(X_DIV, F_DK, 0, 2)),
                  SET(F_R_WIN, KEY("rope.dimension_count_swa"), FLD(F_R_KEY), FLD(F_DK)),
                  WINDOW_ARRAY, BASE_10K, WIN_SCALED(AF), SET(F_FACTORS, C(FACTORS_AUTO)),
                  SET(F_FACTORS_FULL, C(1)), MOE(TENSOR), FE_KEY, GATING_KEY_OR(SIGMOID),
                  RENORM_KEY, W_SCALE_KEY, NEED(F_FS, KEY(S_KEY)), SET(F_LIMIT, C(IG_LIMIT_POST)),
                  SET(F_LIMIT_EXP, KEY("swiglu_clamp_exp")),
                  SET(F_LIMIT_SH, KEY("swiglu_clamp_shexp")))},
    {.names = {"laguna"},
     .set = ITEMS(ROPE(NEOX), QK(HEAD), SET(F_GATE, C(1)), SET(F_GATE_ACT, C(IG_ACT_SOFTPLUS)),
                  WINDOW(4), FULL_FIRST, BASE_OWN, WIN_SCALED(PLAIN), R_PER_KIND, MOE(LEAD),
                  LEAD_NEED, FE_KEY, GATING_KEY_OR(SIGMOID), BIAS_NEED, RENORM_KEY, W_SCALE_KEY,
                  SET(F_FS_N, KEY("expert_shared_count"), C(1)),
                  SET(F_FS, KEY(S_KEY), EXPR(X_MUL, F_FE, F_FS_N, 0)))},
    {.names = {"afmoe"},
     .set = ITEMS(ROPE(NEOX), EMB_SQRT_D, RAW_SQRT_D, FRAME(SANDWICH), QK(HEAD), SET(F_GATE, C(1)),
                  SET(F_ROPE_RULE, C(ROPE_NOT_NTH)), SET(F_ROPE_N, C(4)), WINDOW(4), BASE_OWN,
                  MOE(LEAD), LEAD, FE_KEY, GATING_KEY_OR(SIGMOID), BIAS_NEED, RENORM_KEY,
                  W_SCALE_KEY, FS_FE_TIMES_C)},
    {.names = {"smallthinker"},
     .set = ITEMS(ROPE(NEOX), SET_IF(IF_KEY(W_KEY), F_W, C(4096)),
                  SET_IF(IF_KEY(W_KEY), F_WIN_P, C(4)), FULL_FIRST,
                  SET_IF(IF_KEY(W_KEY), F_ROPE_RULE, C(ROPE_NOT_FIRST)), SET(F_ROPE_N, C(4)),
                  BASE_OWN, SET(F_ROUTER_START, C(1)), MOE(ALL), FE_KEY, GATING_KEY, RENORM,
                  SET(F_ACT, C(IG_ACT_RELU)))},
    {.names = {"glm4moe"},
     .set = ITEMS(ROPE(NEOX), MROPE_IF_SECTIONS, NEXTN, QK_IF_THERE(HEAD), SET(F_ACC_F32, C(1)),
                  MOE(LEAD), LEAD, FE_KEY_OR_F_DIV_K, GATING_KEY_OR(SIGMOID), BIAS_NEED, RENORM_KEY,
                  W_SCALE_KEY, FS_FE_TIMES_C),
     .rename = RENAME({ROLE_FFN_NORM, {"post_attention_norm"}})},
    {.names = {"dots1"},
     .set = ITEMS(ROPE(NEOX), TIE(OWN), QK(HEAD), MOE(LEAD), LEAD, FE_KEY, GATING_KEY, RENORM_KEY,
                  W_SCALE_KEY, FS_FE_TIMES_C)},
    {.names = {"deepseek"},
     .set = ITEMS(ROPE(NORM), MOE(LEAD), LEAD, FE_KEY, W_SCALE_KEY, FS_FE_TIMES_C)},
    {.names = {"deepseek2-ocr"},
     .set = ITEMS(ROPE(NEOX), SET(F_R, EXPR(X_DIV, F_D, F_H, 0)), SET(F_SCALING, C(SCALING_NONE)),
                  SET(F_ATTN_FACTOR, C(1)), MOE(LEAD), LEAD, FE_KEY, GATING_KEY_OR(SOFTMAX),
                  RENORM_KEY, W_SCALE_KEY, FS_FE_TIMES_C),
     .ignored_keys = NAMES("rope.scaling.*"),
     .refuse =
         REFUSE({IF_NE(F_BASE, 10000),
                 {0},
                 "has no known graph with key deepseek2-ocr.rope.freq_base other than 10000"})},
    {.names = {"ernie4_5-moe"},
     .set = ITEMS(ROPE(NORM), MOE(LEAD_STEP), LEAD, NEED(F_STEP, KEY("interleave_moe_layer_step")),
                  FE_KEY, RENORM, SET(F_FS, KEY(S_KEY)), SET(F_GATE_OPT, C(1)))},
    {.names = {"hunyuan-moe"},
     .set = ITEMS(ROPE(NEOX), QK(HEAD), QK_AFTER_ROPE, MOE(ALL), FE_F, RENORM,
                  SET(F_FS, KEY(S_KEY), FLD(F_F))),
     .ignored_keys = NAMES("expert_feed_forward_length")},
    {.names = {"hy_v3"},
     .set =
         ITEMS(ROPE(NEOX), NEXTN, QK(HEAD), MOE(TENSOR), FE_KEY_OR_F_DIV_K, GATING_KEY_OR(SIGMOID),
               RENORM_KEY, W_SCALE_KEY, SET(F_FS, KEY(S_KEY), FLD(F_FE)))},
    {.names = {"bailingmoe"},
     .set = ITEMS(ROPE(NORM), TIE(OWN),
                  NEED(F_DK, FLD(F_R_KEY), KEY("attention.key_length"), EXPR(X_DIV, F_D, F_H, 0)),
                  NEED(F_DV, FLD(F_R_KEY), KEY("attention.value_length"), EXPR(X_DIV, F_D, F_H, 0)),
                  MOE(ALL), FE_KEY, RENORM_KEY, W_SCALE_KEY, FS_FE_TIMES_C),
     .ignored_keys = NAMES("leading_dense_block_count")},
    {.names = {"bailingmoe2"},
     .set = ITEMS(ROPE(NEOX), NEXTN, TIE(OWN), QK(HEAD), MOE(LEAD), LEAD, FE_KEY, GATING_KEY,
                  RENORM_KEY, W_SCALE_KEY, SET(F_FS_ONE, KEY(S_KEY), FLD(F_FE)),
                  SET(F_FS, EXPR(X_MUL, F_FS_ONE, F_FS_N, 0)))},
    {.names = {"minimax-m2"},
     .set = ITEMS(ROPE(NEOX), TIE(OWN), QK(FULL), MOE(ALL), FE_F, GATING_KEY, BIAS_NEED, RENORM),
     .ignored_keys = NAMES("expert_feed_forward_length")},
    {.names = {"dbrx"},
     .set = ITEMS(LAYER_NORM, ROPE(NEOX), TIE(OWN), NEED(F_CLAMP, KEY("attention.clamp_kqv")),
                  MOE(ALL), FE_F, RENORM),
     .rename = RENAME({ROLE_FFN_NORM, {"attn_output_norm"}})},
    {.names = {"grok"},
     .set = ITEMS(ROPE(NEOX), FRAME(SANDWICH),
                  SET(F_EMB_SCALE, KEY0("embedding_scale"), C(78.38367176906169)),
                  SET(F_RAW_SCALE, KEY0("embedding_scale"), C(78.38367176906169)),
                  SET(F_ATT_SCALE, KEY("attention.output_scale"), C(0.08838834764831845)),
                  SET(F_ATT_CAP, KEY0("attn_logit_softcapping"), C(30)),
                  SET(F_LOGIT, KEY0("logit_scale"), C(0.5773502691896257)),
                  SET(F_FINAL_CAP, KEY("final_logit_softcapping")),
                  SET(F_BETA_FAST, KEY("rope.scaling.yarn_beta_fast"), C(8)), MOE(ALL), FE_KEY_OR_F,
                  RENORM, SET(F_ACT, C(IG_ACT_GELU)), SET(F_GATE_OPT, C(1)),
                  SET(F_DENSE_BESIDE, C(1))),
     .rename = RENAME({ROLE_POST_ATTN_NORM, {"attn_output_norm"}},
                      {ROLE_POST_FFW_NORM, {"layer_output_norm", "post_ffw_norm"}}),
     .ignored_keys = NAMES("router_logit_softcapping", "attention.temperature_length",
                           "rope.scaling.yarn_ext_factor", "rope.scaling.yarn_attn_factor")},
    {.names = {"arctic"},
     .set = ITEMS(ROPE(NORM), FRAME(ARCTIC), SET(F_F, FLD(F_D)), MOE(ALL), NEED(F_FE, FLD(F_FF)),
                  RENORM)},
    {.names = {"llama4"},
     .set = ITEMS(ROPE(NORM), SET(F_ROPE_RULE, C(ROPE_NOT_NTH)), SET(F_ROPE_N, C(4)), BASE_OWN,
                  SET_IF(IF_NE(F_E, 128), F_Q_NORM, C(QK_PLAIN)), QK_AFTER_ROPE,
                  SET(F_QK_ROPED, C(1)), SET(F_TEMP_A, C(0.1)), SET(F_TEMP_N, C(8192)),
                  SET(F_TEMP_O, C(1)), SET(F_TEMP_NOPE, C(1)), SET(F_W, C(8192)),
                  SET(F_WIN_P, C(4)), SET(F_WIN_MASK, C(WIN_MASK_CHUNK)), MOE(STEP),
                  NEED(F_STEP, KEY("interleave_moe_layer_step")), FE_KEY, GATING(SIGMOID),
                  SET(F_BEFORE, C(1)), SET(F_FS, FLD(F_FE))),
     .ignored_keys = NAMES("attention.sliding_window"),
     .refuse = REFUSE(
         {IF_KEY_ZERO(W_KEY), {0}, "with key llama4.attention.sliding_window 0 has no known graph"},
         {IF_EQ(F_E, 0), {0}, "needs key llama4.expert_count above 0"})},
};

const size_t ig_arch_n_rows = IG_COUNT(ig_arch_rows);

const char *const ig_arch_later[] = {
    "deepseek2",     "mistral4",
    "minicpm3",      "plm",
    "lfm2",          "lfm2moe",
    "qwen35",        "qwen35moe",
    "qwen3next",     "kimi-linear",
    "bailingmoe3",   "minimax-01",
    "mamba",         "mamba2",
    "jamba",         "falcon-h1",
    "plamo2",        "granitehybrid",
    "nemotron_h",    "nemotron_h_moe",
    "dream",         "llada",
    "llada-moe",     "rnd1",
    "llama-embed",   "bert",
    "nomic-bert",    "nomic-bert-moe",
    "jina-bert-v2",  "jina-bert-v3",
    "neo-bert",      "eurobert",
    "modern-bert",   "gemma-embedding",
    "eagle3",        "gemma4-assistant",
    "dflash",        "deepseek32",
    "glm-dsa",       "dots3note",
    "minimax-m3",    "rwkv6",
    "rwkv6qwen2",    "rwkv7",
    "arwkv7",        "t5",
    "t5encoder",     "nanbeige",
    "hrm_text",      "cogvlm",
    "graniteswitch", "chameleon",
    "qwen3tts",      "hy_v4",
    "kimi-k3",       "glm5-next",
    "qwen4exp",      "deepseek4",
    "gemma3n",       "xing4_0",
    "k2-horizon",    "wavtokenizer-dec",
    "clef",          "gptj",
    "clip",          NULL,
};
