/* arch_int.h: the row language as C data, and the builder that walks it. Private to the arch room.
 *
 * A row (arch_table.c) names an architecture and sets fields. A field (arch_field_table.c) has
 * sources: keys of the file, constants, other fields. Recipes (arch_recipe_table.c) are lists of
 * records over named registers; a record becomes one op or none. Nothing below branches on a
 * model's name. */
#ifndef IG_ARCH_INT_H
#define IG_ARCH_INT_H

#include "arch/arch.h"

/* ---- fields --------------------------------------------------------------------------------- */

/* Evaluated in this order: a source or a condition may name earlier fields only. */
typedef enum ig_field {
    F_NONE,
    /* sizes */
    F_N_CTX,
    F_D,
    F_N_BLOCK,
    F_N_NEXTN,
    F_L,
    F_LAYER_RULE,
    F_H,
    F_HK,
    F_FF, /* as the key says */
    F_F,  /* of one branch */
    F_E,
    F_K,
    F_R_KEY,
    F_DK,
    F_DV,
    F_DK_WIN,
    F_DV_WIN,
    /* norms */
    F_NORM,
    F_NORM_SHAPE, /* of the norms of the stream: QK_FULL or QK_PLAIN */
    F_EPS,
    F_EPS_POST,
    /* input */
    F_EMB_SCALE,
    F_RAW_SCALE,
    F_EMB_NORM,
    F_POS_TABLE,
    F_PLE, /* width of one layer's input from the second table */
    F_PLE_SCALE,
    F_PLE_PROJ_SCALE,
    /* rope */
    F_ROPE,
    F_ROPE_RULE,
    F_ROPE_N,
    F_R,
    F_R_WIN,
    F_BASE,
    F_ALPHA,
    F_BASE_WIN,
    F_WIN_SCALING,
    F_SCALING,
    F_ROPE_FACTOR,
    F_N_ORIG,
    F_ATTN_FACTOR,
    F_BETA_FAST,
    F_BETA_SLOW,
    F_LOG_MUL,
    F_FACTORS,
    F_FACTORS_FULL,
    /* attention */
    F_Q_NORM,
    F_K_NORM,
    F_V_NORM,
    F_QK_KIND,
    F_QK_AFTER,
    F_QK_ROPED, /* norm on rope layers only */
    F_ATT_SCALE,
    F_TEMP_A,
    F_TEMP_N,
    F_TEMP_O,
    F_TEMP_NOPE, /* only where rope is off */
    F_CLAMP,
    F_ATT_CAP,
    F_SINKS,
    F_GATE,
    F_GATE_ACT,
    F_ALIBI,
    F_CAUSAL,
    F_W,
    F_WIN_P,
    F_WIN_FIRST,
    F_WIN_MASK,
    F_WIN_ARRAY, /* the pattern must be an array */
    F_KV_SHARED, /* last layers that read earlier pages */
    F_V_FROM_K,
    F_V_SCALE,
    F_SUB_NORM,
    F_ACC_F32,
    /* feed-forward */
    F_FFN,
    F_ACT,
    F_LIMIT,
    F_LIMIT_EXP,
    F_LIMIT_SH,
    F_XIELU_AN,
    F_XIELU_AP,
    F_XIELU_B,
    F_XIELU_E,
    F_FE,
    F_FS_N,
    F_FS_ONE,
    F_FS,
    F_FS_FUSED,
    F_GATING,
    F_SEL_BIAS,
    F_RENORM,
    F_W_SCALE,
    F_GROUPS,
    F_GROUPS_USED,
    F_MOE_RULE,
    F_LEAD,
    F_STEP,
    F_ROUTER_START, /* the router reads the layer's input */
    F_GATE_OPT,
    F_SH_GATE,
    F_SH_SCALE, /* of routed + shared */
    F_BEFORE,
    F_DENSE_BESIDE,
    F_ID_DIV,
    F_E2,
    F_FE2,
    F_SCALE2,
    /* residual and output */
    F_FRAME,
    F_RES_SCALE,
    F_SKIP,
    F_LOGIT,
    F_FINAL_CAP,
    F_TIE,
    F_COUNT
} ig_field;

/* Values of enumerated fields. */
enum { LAYERS_ALL, LAYERS_DECI };
enum { NORM_RMS, NORM_LAYER, NORM_NONE };
enum { EMB_NORM_NONE, EMB_NORM_LAYER, EMB_NORM_RMS0 };
enum { POS_NONE, POS_NEED, POS_OPT };
enum { ROPE_UNSET, ROPE_NONE, ROPE_NORM, ROPE_NEOX, ROPE_MROPE, ROPE_IMROPE };
enum { ROPE_ALL, ROPE_OFF, ROPE_WIN, ROPE_WIN_OR_LEAD, ROPE_NOT_NTH, ROPE_NOT_FIRST, ROPE_ARRAY };
enum { WIN_SAME, WIN_AF, WIN_PLAIN };
enum { SCALING_NONE = 1, SCALING_LINEAR, SCALING_YARN, SCALING_LONGROPE };
enum { FACTORS_NONE, FACTORS_FREQS, FACTORS_LONGSHORT, FACTORS_AUTO };
/* Shape of a norm: none, without weight, [cols] shared by the heads, [width] over the row,
 * [heads][cols], [heads][1]. */
enum {
    QK_NONE,
    QK_PLAIN,
    QK_HEAD,
    QK_FULL,
    QK_PERHEAD,
    QK_GAIN,
    QK_MAYBE = 8 /* added: only if the tensor is there */
};
enum { WIN_MASK_STD, WIN_MASK_CHUNK };
enum { TIE_OPT, TIE_OWN, TIE_TIED, TIE_REV };
enum { MOE_ALL, MOE_LEAD, MOE_STEP, MOE_LEAD_STEP, MOE_TENSOR };

/* Derived values: a closed list, no parser. */
typedef enum ig_expr {
    X_RSQRT,     /* c / sqrt(a) */
    X_SQRT,      /* c * sqrt(a) */
    X_OVER,      /* c / a */
    X_DIV,       /* floor(a / b) */
    X_MUL,       /* a * b */
    X_SUB,       /* a - b */
    X_RSQRT_DIV, /* 1 / sqrt(a / b) */
} ig_expr;

typedef enum ig_src_kind {
    SRC_END,
    SRC_CONST, /* always ends the chain, even with 0 */
    SRC_KEY,   /* present and nonzero */
    SRC_KEY0,  /* present; 0 counts */
    SRC_INV,   /* 1 / key, present and nonzero; a zero ends the chain as 0 */
    SRC_WORD,  /* key is a word of the field's list */
    SRC_FIELD, /* a field, per layer when that is; nonzero */
    SRC_EXPR   /* nonzero */
} ig_src_kind;

/* Keys are written without the "<arch>." prefix; a leading '/' means the whole name. */
typedef struct ig_src {
    ig_src_kind kind;
    ig_expr expr;
    ig_field a, b;
    double c;
    const char *key;
} ig_src;

typedef enum ig_cond_kind {
    COND_ALWAYS,
    COND_KEY, /* present and nonzero */
    COND_NO_KEY,
    COND_KEY_ZERO, /* present and zero */
    COND_TENSOR,   /* a whole tensor name */
    COND_NO_TENSOR,
    COND_SECTIONS, /* rope.dimension_sections: the first two are above 0 */
    COND_EQ,       /* field == value */
    COND_NE,
    COND_ABOVE /* field > value */
} ig_cond_kind;

typedef struct ig_cond {
    ig_cond_kind kind;
    ig_field field;
    double value;
    const char *name;
} ig_cond;

/* The last item of a row whose condition holds gives the field its sources. */
typedef struct ig_item {
    ig_field field; /* F_NONE ends a list */
    ig_src src[3];
    bool need; /* no source yields: refused, naming the first key */
    ig_cond when;
} ig_item;

typedef struct ig_field_row {
    const char *name;
    double min, max;
    bool whole; /* an integer */
    bool array; /* may have a value per layer */
    bool need;
    const char *const *words; /* of SRC_WORD, values from 1 on; NULL-ended */
    ig_src src[3];
} ig_field_row;

extern const ig_field_row ig_arch_fields[F_COUNT];

/* A key that shapes a graph somewhere: refused when a row does not use it, it is not neutral and
 * the row does not ignore it. */
typedef struct ig_arch_key {
    const char *name; /* ends in '*': a prefix */
    double neutral;   /* beside 0, false and "" */
} ig_arch_key;
extern const ig_arch_key ig_arch_graph_keys[];
extern const char *const ig_arch_ignored_keys[]; /* of every row; NULL-ended */

/* ---- tensors -------------------------------------------------------------------------------- */

typedef enum ig_role {
    ROLE_NONE,
    ROLE_TOKEN_EMBD,
    ROLE_POSITION_EMBD,
    ROLE_EMBD_NORM,
    ROLE_OUTPUT_NORM,
    ROLE_OUTPUT,
    ROLE_ROPE_FREQS,
    ROLE_ROPE_LONG,
    ROLE_ROPE_SHORT,
    ROLE_PLE_EMBD,
    ROLE_PLE_PROJ,
    ROLE_PLE_NORM,
    ROLE_LAYER, /* roles from here on are per layer */
    ROLE_ATTN_NORM,
    ROLE_ATTN_NORM_2,
    ROLE_ATTN_Q,
    ROLE_ATTN_K,
    ROLE_ATTN_V,
    ROLE_ATTN_QKV,
    ROLE_ATTN_OUTPUT,
    ROLE_ATTN_GATE,
    ROLE_Q_NORM,
    ROLE_K_NORM,
    ROLE_SINKS,
    ROLE_SUB_NORM,
    ROLE_POST_ATTN_NORM,
    ROLE_FFN_NORM,
    ROLE_FFN_NORM_EXPS,
    ROLE_POST_FFW_NORM,
    ROLE_PRE_FFW_NORM_2,
    ROLE_POST_FFW_NORM_1,
    ROLE_POST_FFW_NORM_2,
    ROLE_FFN_GATE,
    ROLE_FFN_UP,
    ROLE_FFN_DOWN,
    ROLE_FFN_SUB_NORM,
    ROLE_FFN_DIVISOR,
    ROLE_GATE_INP,
    ROLE_GATE_INP_SCALE,
    ROLE_PROBS_B,
    ROLE_GATE_EXPS,
    ROLE_UP_EXPS,
    ROLE_GATE_UP_EXPS,
    ROLE_DOWN_EXPS,
    ROLE_GATE_INP_SHEXP,
    ROLE_GATE_SHEXP,
    ROLE_UP_SHEXP,
    ROLE_DOWN_SHEXP,
    ROLE_GATE_CHEXPS,
    ROLE_UP_CHEXPS,
    ROLE_DOWN_CHEXPS,
    ROLE_LAYER_SCALE,
    ROLE_INP_GATE,
    ROLE_PROJ,
    ROLE_POST_NORM,
    ROLE_COUNT
} ig_role;

extern const char *const ig_arch_stems[ROLE_COUNT];

/* Other stems of a role in a row, tried in this order instead of the usual one. */
typedef struct ig_rename {
    ig_role role; /* ROLE_NONE ends a list */
    const char *stems[2];
} ig_rename;

/* ---- records -------------------------------------------------------------------------------- */

/* Named values while a program is built. */
typedef enum ig_reg {
    REG_NONE,
    REG_X,     /* residual stream */
    REG_X0,    /* after the prologue */
    REG_START, /* layer input */
    REG_A,     /* normed layer input */
    REG_IN,    /* mixer input */
    REG_Q,
    REG_K,
    REG_V,
    REG_O,   /* mixer output */
    REG_Y,   /* stream after the mixer */
    REG_F,   /* feed-forward input */
    REG_M,   /* feed-forward output */
    REG_RIN, /* router input */
    REG_ID,
    REG_WT,
    REG_ONES, /* weights 1 */
    REG_G,
    REG_U,
    REG_S, /* shared expert, second branch */
    REG_T,
    REG_PLE, /* per-layer inputs, a head for each layer */
    REG_Z,   /* logits */
    REG_COUNT
} ig_reg;

typedef enum ig_width {
    W_NONE,
    W_D,
    W_Q,
    W_K,
    W_V,
    W_GATE, /* H or H * Dv, as the file says */
    W_F,
    W_FE,
    W_FE2,
    W_FS,
    W_ONE,
    W_PLE,
    W_PLES,
    W_VOCAB,
    W_COUNT
} ig_width;

typedef enum ig_rec {
    REC_END,
    REC_COPY,
    REC_SLICE,  /* head of the current layer */
    REC_EMBED,  /* arg: index, scale of rows, scale of injected rows */
    REC_NORM,   /* arg: kind, eps, shape (QK_*) */
    REC_LINEAR, /* arg[0]: accumulate in f32 */
    REC_ROPE,
    REC_CLAMP,
    REC_TEMP,
    REC_SCALE,   /* arg[0]; 0 and 1 emit nothing */
    REC_MUL,     /* by a tensor [1] or [cols] */
    REC_SOFTCAP, /* arg[0]; 0 emits nothing */
    REC_ADD,     /* arg: a, b; 0 stands for 1 */
    REC_GLU,     /* arg: act, limit per layer; role: divisor */
    REC_ATTEND,
    REC_ROUTE,  /* arg: id_div */
    REC_EXPERT, /* arg: experts */
    REC_COMBINE,
    REC_ONES, /* a row of top-k ones */
    REC_SELECT,
    REC_CALL, /* arg[0]: ig_slot */
    REC_COUNT
} ig_rec;

typedef enum ig_slot { SLOT_MIXER, SLOT_FFN, SLOT_DENSE, SLOT_MOE } ig_slot;

typedef enum ig_when_kind {
    WHEN_ALWAYS,
    WHEN_SET, /* field != 0 */
    WHEN_UNSET,
    WHEN_EQ,
    WHEN_NE,
    WHEN_TENSOR,
    WHEN_NO_TENSOR,
    WHEN_LAYER, /* a flag of the layer */
    WHEN_NOT_LAYER
} ig_when_kind;

typedef struct ig_when {
    ig_when_kind kind;
    int what; /* ig_field, ig_role or layer flag */
    int value;
} ig_when;

/* A field's value, or the constant when field is F_NONE. */
typedef struct ig_num {
    ig_field field;
    double c;
} ig_num;

typedef struct ig_record {
    ig_rec op;
    ig_reg out[3], in[3];
    ig_role role[3];
    ig_role fused; /* one tensor instead of the roles, rows one after another */
    ig_width width[3];
    ig_num arg[3];
    ig_when when[3];
} ig_record;

typedef enum ig_recipe {
    RECIPE_PROLOGUE,
    RECIPE_FINAL, /* the wanted rows, normed */
    RECIPE_HEAD,
    RECIPE_FRAME_PRE,
    RECIPE_FRAME_PAR,
    RECIPE_FRAME_PAR2,
    RECIPE_FRAME_POST,
    RECIPE_FRAME_SANDWICH,
    RECIPE_FRAME_ARCTIC,
    RECIPE_FRAME_FOUR,
    RECIPE_GQA,
    RECIPE_ONE_MATRIX,
    RECIPE_GLU,
    RECIPE_GLU_FUSED,
    RECIPE_MLP,
    RECIPE_MOE,
    RECIPE_COUNT
} ig_recipe;

extern const ig_record *const ig_arch_recipes[RECIPE_COUNT];

/* ---- rows ----------------------------------------------------------------------------------- */

typedef struct ig_refusal {
    ig_cond when, also; /* both hold */
    const char *why;    /* message after the architecture's name; NULL ends a list */
} ig_refusal;

typedef struct ig_arch_row {
    const char *names[2];
    const ig_item *set;
    const ig_rename *rename;
    const char *const *ignored_keys;    /* NULL-ended; '*' at the end: a prefix */
    const char *const *ignored_tensors; /* likewise; without "blk.N." */
    const ig_refusal *refuse;
} ig_arch_row;

extern const ig_arch_row ig_arch_rows[];
extern const size_t ig_arch_n_rows;
/* Names that have a graph elsewhere but none here yet. */
extern const char *const ig_arch_later[];

const ig_arch_row *ig_arch_find(ig_str name);
/* IG_EUNSUPPORTED with near names. */
ig_status ig_arch_unknown(ig_str name, ig_err *err);

/* ---- builder -------------------------------------------------------------------------------- */

enum {
    LAYER_MIX = 1, /* has a mixer */
    LAYER_ROPE = 2,
    LAYER_WINDOW = 4,
    LAYER_MOE = 8,
    LAYER_REUSE = 16, /* reads pages of layer kv_from */
    LAYER_V_FROM_K = 32,
    LAYER_DEAD = 64,     /* the identity */
    LAYER_UNGATED = 128, /* experts without a gate matrix */
    LAYER_MERGED = 256   /* gate and up of the experts are one tensor */
};

typedef struct ig_layer {
    uint32_t flags;
    uint32_t heads, kv_heads, k_cols, v_cols;
    uint32_t kv_from; /* of LAYER_REUSE */
    ig_recipe mixer;
    ig_state_id state;
} ig_layer;

typedef struct ig_rope_table {
    const double *inv_freq;
    uint32_t n_rot;
    float m;
} ig_rope_table;

#define IG_ARCH_KEYS_TOUCHED_MAX 512

typedef struct ig_builder {
    const ig_checkpoint *ckpt;
    const ig_arch_options *options;
    const ig_arch_row *row;
    ig_str arch;
    ig_program *p;
    ig_arena scratch;
    double v[F_COUNT];
    double *per_layer[F_COUNT]; /* NULL: the same everywhere */
    uint32_t sections[4];
    uint32_t n_layers;
    ig_layer *layers;
    uint32_t n_vocab; /* rows of the token table */
    uint32_t layer;   /* the one being built */
    bool in_layer;
    ig_rope_table rope[2]; /* of full and of window layers */
    ig_ref reg[REG_COUNT];
    bool *used;              /* [tensors of the checkpoint] */
    ig_weight_id *weight_of; /* [tensors]: a matrix that two ops read is one weight */
    const char *touched[IG_ARCH_KEYS_TOUCHED_MAX];
    uint32_t n_touched;
} ig_builder;

/* arch_fields.c */
ig_status ig_arch_eval(ig_builder *b, ig_err *err);
double ig_arch_value(const ig_builder *b, ig_field field); /* at the current layer */
double ig_arch_value_at(const ig_builder *b, ig_field field, uint32_t layer);
bool ig_arch_cond(const ig_builder *b, const ig_cond *cond);
const ig_meta *ig_arch_meta(ig_builder *b, const char *key);
/* An array of the file needs a value per layer; more are legal (layers that the row leaves out). */
ig_status ig_arch_check_layers(const ig_builder *b, const char *key, const ig_meta *m, ig_err *err);
ig_status ig_arch_check_keys(const ig_builder *b, ig_err *err);
static inline uint32_t ig_arch_count(const ig_builder *b, ig_field field) {
    return (uint32_t)ig_arch_value(b, field); /* bounded and whole by the field's row */
}

/* arch_layers.c */
ig_status ig_arch_layers(ig_builder *b, ig_err *err);

/* arch_rope.c */
ig_status ig_arch_ropes(ig_builder *b, ig_err *err);

/* arch_weights.c */
/* NULL when absent; marks it used. `suffix` is ".weight", ".bias" or ".scale"; ".weight" also tries
 * the bare stem. */
const ig_tensor *ig_arch_find_tensor(const ig_builder *b, ig_role role, const char *suffix);
bool ig_arch_has(const ig_builder *b, ig_role role);
ig_status ig_arch_missing(const ig_builder *b, ig_role role, ig_err *err);
/* A matrix [stack][rows][cols] in the file's type. */
ig_status ig_arch_matrix(ig_builder *b, const ig_tensor *t, uint64_t cols, uint64_t rows,
                         uint64_t stack, ig_weight_id *out, ig_err *err);
/* n numbers [rows][cols] as f32, decoded into the program when the file has another type. */
ig_status ig_arch_vector(ig_builder *b, const ig_tensor *t, uint64_t cols, uint64_t rows,
                         ig_weight_id *out, ig_err *err);
/* The numbers of a small tensor. */
ig_status ig_arch_numbers(ig_builder *b, const ig_tensor *t, uint64_t n, float **out, ig_err *err);
void ig_arch_mark(ig_builder *b, const ig_tensor *t);
ig_status ig_arch_weights_begin(ig_builder *b, ig_err *err);
ig_status ig_arch_check_tensors(const ig_builder *b, ig_err *err);

/* arch_emit.c */
ig_status ig_arch_record(ig_builder *b, const ig_record *r, ig_err *err);
bool ig_arch_when(const ig_builder *b, const ig_record *r);
/* arch_emit_linear.c */
ig_status ig_arch_emit_linear(ig_builder *b, const ig_record *r, ig_err *err);
ig_status ig_arch_emit_expert(ig_builder *b, const ig_record *r, ig_err *err);
ig_status ig_arch_emit_route(ig_builder *b, const ig_record *r, ig_err *err);
/* arch_emit.c, for arch_emit_linear.c */
ig_status ig_arch_new_value(ig_builder *b, const char *name, ig_rows rows, uint64_t heads,
                            uint64_t cols, ig_ref *out, ig_err *err);
ig_status ig_arch_op(ig_builder *b, ig_op *op, ig_err *err);
ig_rows ig_arch_rows_of(const ig_builder *b, ig_ref ref);
ig_ref ig_arch_row_view(ig_ref ref); /* heads = 1; the view must be contiguous */
extern const char *const ig_arch_reg_names[REG_COUNT];

/* arch_build.c */
ig_status ig_arch_run(ig_builder *b, ig_recipe recipe, ig_err *err);

#endif
