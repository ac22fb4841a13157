/* plan.h: face of the plan room, floor 3: ops, programs, passes, plans.
 *
 * A program says what a model computes: a list of ops over values whose only dynamic extent is a
 * row class. Passes turn a program into a better one, each a pure function of program and
 * capabilities. A plan is a program after all passes, with memory laid out and a kernel row chosen
 * per op; it is immutable and the same for every step. Nothing here knows a device, a model name or
 * a file.
 *
 * Conventions: weights are [rows = outputs][cols = inputs], row-major; values are [row][cols];
 * activations are f32 between ops. The op table and its formulas: docs/ops.md. All ids are indices
 * into the program's arrays; id 0 means "none". */
#ifndef IG_PLAN_PLAN_H
#define IG_PLAN_PLAN_H

#include "tensor/tensor.h"

/* ---- values ---------------------------------------------------------------------------------- */

typedef enum ig_rows {
    IG_ROWS_TOKENS,  /* one row per token of the step */
    IG_ROWS_OUTPUTS, /* rows whose result is wanted */
    IG_ROWS_SEQS,    /* one row per sequence of the step */
    IG_ROWS_COUNT
} ig_rows;

typedef uint32_t ig_value_id;
typedef uint32_t ig_weight_id;
typedef uint32_t ig_state_id;

typedef struct ig_value {
    const char *name; /* for printing: "ffn_out" */
    ig_rows rows;
    ig_dtype dtype; /* F32, or I32 for expert ids */
    uint32_t cols;
    bool unmaterialised; /* set by fuse: exists only inside the op that absorbed its maker */
    uint64_t offset;     /* set by layout: bytes into the arena; rows are cols * 4 bytes apart */
} ig_value;

/* A view of a value's columns: `heads` groups of `cols` columns, `stride` columns apart, from
 * column `col` on. Views cost nothing: fused q|k|v, gate|up halves and head reshapes are
 * views. value 0 = absent. */
typedef struct ig_ref {
    ig_value_id value;
    uint32_t col;
    uint32_t heads;
    uint32_t cols;
    uint32_t stride;
} ig_ref;

/* ---- weights --------------------------------------------------------------------------------- */

/* A tensor that ops read. dims: cols (fastest) x rows x stack (experts; 1 otherwise). Borrowed from
 * the checkpoint's map or, for constants computed at build time, from the program's arena. */
typedef struct ig_weight {
    ig_str name;
    ig_dtype dtype;
    uint32_t cols, rows, stack;
    uint64_t bytes;
    const uint8_t *data;
    int64_t tensor; /* index in the checkpoint's directory, -1 = computed */
    bool mapped;    /* data lies in a read-only file map: who packed it may drop its pages */
} ig_weight;

/* ---- state ----------------------------------------------------------------------------------- */

/* What a sequence carries from step to step. M1 needs pages only; further kinds are
 * rows of the same table. */
typedef enum ig_state_kind {
    IG_STATE_NONE,
    IG_STATE_PAGES, /* keys and values of every token: per token Hk*(Dk+Dv), after norm and rope */
    IG_STATE_KIND_COUNT
} ig_state_kind;

typedef struct ig_state {
    ig_state_kind kind;
    uint32_t layer;      /* slot number, for printing */
    uint32_t n_kv_heads; /* Hk */
    uint32_t k_cols;     /* Dk */
    uint32_t v_cols;     /* Dv */
    uint32_t window;     /* tokens that stay visible; 0 = all. Chunked masks: the chunk length */
    uint32_t group; /* set by the state pass: page group; states of a group share one page table */
    uint32_t index; /* set by the state pass: place inside the group */
} ig_state;

/* States with equal window form a page group: one page table per sequence and group. A page holds
 * IG_PAGE_TOKENS tokens of every state of its group. */
#define IG_PAGE_TOKENS 32u
#define IG_PAGE_GROUPS_MAX 4u

/* ---- ops ------------------------------------------------------------------------------------- */

typedef enum ig_op_kind {
    IG_OP_NONE,
    IG_OP_EMBED,
    IG_OP_NORM,
    IG_OP_LINEAR,
    IG_OP_ROPE,
    IG_OP_MAP,
    IG_OP_ADD,
    IG_OP_GLU,
    IG_OP_LERP,
    IG_OP_ATTEND,
    IG_OP_COMPRESS,
    IG_OP_SELECT_KEYS,
    IG_OP_CONV,
    IG_OP_RECUR,
    IG_OP_ROUTE,
    IG_OP_EXPERT_LINEAR,
    IG_OP_COMBINE,
    IG_OP_STREAM_COEF,
    IG_OP_STREAM_MIX,
    IG_OP_CONCAT,
    IG_OP_DOT,
    IG_OP_SELECT_ROWS,
    IG_OP_POOL,
    IG_OP_ALL_REDUCE,
    IG_OP_ALL_GATHER,
    IG_OP_SEND,
    IG_OP_RECV,
    IG_OP_COUNT
} ig_op_kind;

typedef struct ig_op_row {
    const char *name;
    uint8_t in_min, in_max, out_min, out_max;
    bool rowwise;  /* out row i depends on in row i only (and on the batch columns of row i) */
    bool state;    /* reads or writes sequence state */
    bool reserved; /* a kind without attributes and kernels yet: no program may hold it */
} ig_op_row;
const ig_op_row *ig_op_info(ig_op_kind kind);

/* embed: out = table[index] * scale. w[0] table. */
typedef enum ig_embed_index { IG_EMBED_TOKEN, IG_EMBED_POSITION, IG_EMBED_CONST } ig_embed_index;
typedef struct ig_embed_attr {
    ig_embed_index index;
    uint32_t const_row;
    float scale;     /* of table rows; 1 = none */
    float raw_scale; /* of rows that the caller injects instead of a token */
} ig_embed_attr;

/* norm over each head of in[0] (heads = 1: the whole row). w[0] weight, w[1] bias, each optional;
 * the weight of head h, column c is w[h * head_stride + c * col_stride]. */
typedef enum ig_norm_kind {
    IG_NORM_RMS,    /* x / sqrt(mean x^2 + eps) */
    IG_NORM_LAYER,  /* (x - mean) / sqrt(var + eps) */
    IG_NORM_L2_ADD, /* x / sqrt(sum x^2 + eps) */
    IG_NORM_L2_MAX  /* x / max(|x|, eps) */
} ig_norm_kind;
typedef struct ig_norm_attr {
    ig_norm_kind kind;
    float eps;
    uint32_t head_stride, col_stride;
} ig_norm_attr;

/* linear: out columns are the parts one after another; part p: y = scale * (W x) + bias. Several
 * parts come from the merge pass (q|k|v, gate|up).
 * expert_linear uses the same parts with stack = experts: in[0] = x [T,a] (shared by the k chosen
 * experts) or [T,k*a] (heads = k), in[1] = ids [T,k]; out [T,k*b]; bias [E][b], scale [E] or [1].
 */
typedef struct ig_linear_part {
    ig_weight_id weight, bias, scale; /* bias f32 [rows]; scale f32 [1] (or [stack]) */
    uint32_t rows;
} ig_linear_part;
typedef struct ig_linear_attr {
    ig_linear_part *parts;
    uint32_t n_parts;
    bool acc_f32;     /* must accumulate in f32 (never f16) */
    uint32_t n_heads; /* > 1: block i of the input times matrix i of the stack (form `heads`) */
    uint32_t top_k;   /* expert_linear: k */
} ig_linear_attr;

/* rope on each head of in[0]: columns [first, first + n_rot) rotate, the others are copied.
 * angle of pair i at position p = p * inv_freq[i], in f64;
 * (x,y) -> m (x cos - y sin, x sin + y cos). All scalings (linear, YaRN, long factors) are folded
 * into inv_freq and m when the program is built. */
typedef enum ig_rope_pairs {
    IG_ROPE_NORM, /* (2i, 2i+1) */
    IG_ROPE_NEOX  /* (i, i + n_rot/2) */
} ig_rope_pairs;
typedef enum ig_rope_streams {
    IG_ROPE_TEXT,  /* one position per token */
    IG_ROPE_MROPE, /* position stream by contiguous section */
    IG_ROPE_IMROPE /* interleaved sections */
} ig_rope_streams;
typedef struct ig_rope_attr {
    ig_rope_pairs pairs;
    ig_rope_streams streams;
    uint32_t n_rot; /* even */
    uint32_t first;
    uint32_t sections[4];
    const double *inv_freq; /* [n_rot / 2], program arena; equal tables share one pointer */
    float m;
    bool inverse;
} ig_rope_attr;

/* map: elementwise. */
typedef enum ig_map_fn {
    IG_MAP_SCALE,    /* a * x */
    IG_MAP_MUL,      /* x * w[0][c]; w [1], [heads] (per head) or [cols] */
    IG_MAP_POS_TEMP, /* x * (1 + a ln(1 + floor((p + b) / c))) */
    IG_MAP_CLAMP,    /* min(max(x, a), b) */
    IG_MAP_SOFTCAP,  /* a * tanh(x / a) */
    IG_MAP_TANH,
    IG_MAP_SIGMOID,
    IG_MAP_SILU,
    IG_MAP_GELU, /* tanh form */
    IG_MAP_GELU_ERF,
    IG_MAP_RELU,
    IG_MAP_RELU2,
    IG_MAP_SOFTPLUS,
    IG_MAP_FN_COUNT
} ig_map_fn;
typedef struct ig_map_attr {
    ig_map_fn fn;
    float a, b, c;
} ig_map_attr;

/* add: out = a * in[0] + b * in[1]. */
typedef struct ig_add_attr {
    float a, b;
} ig_add_attr;

/* glu: out = act(g) * u; g = in[0], u = in[1] (absent: out = act(g)). g may have one column per
 * head of u (broadcast HEAD) or one column (ROW). */
typedef enum ig_act {
    IG_ACT_NONE,
    IG_ACT_SILU,
    IG_ACT_GELU, /* tanh form: 0.5x(1+tanh(0.7978845608(x+0.044715x^3))) */
    IG_ACT_GELU_ERF,
    IG_ACT_RELU,
    IG_ACT_RELU2,
    IG_ACT_SIGMOID,
    IG_ACT_TANH,
    IG_ACT_SOFTPLUS,
    IG_ACT_SOFTPLUS2, /* log2(1 + 2^x) */
    /* p: alpha_n, alpha_p, beta, eps as stored;
     * an = beta + softplus(alpha_n), ap = softplus(alpha_p). */
    IG_ACT_XIELU,
    IG_ACT_OAI, /* x = min(g,7), y = clamp(u,+-7): x sigmoid(1.702x) (y+1) */
    IG_ACT_COUNT
} ig_act;
typedef enum ig_glu_limit {
    IG_LIMIT_NONE,
    IG_LIMIT_PRE, /* act(min(g,c)) * clamp(u,+-c) */
    IG_LIMIT_POST /* min(act(g),c) * clamp(u,+-c) */
} ig_glu_limit;
typedef enum ig_glu_broadcast { IG_GLU_ELEM, IG_GLU_HEAD, IG_GLU_ROW } ig_glu_broadcast;
typedef struct ig_glu_attr {
    ig_act act;
    ig_glu_limit limit;
    ig_glu_broadcast broadcast;
    float c;    /* limit */
    float p[4]; /* parameters of the activation */
    /* w[0], optional: divisor [cols] of act(g) */
} ig_glu_attr;

/* attend: in q [T,H,Dk], k [T,Hk,Dk], v [T,Hk,Dv]; writes k and v (already normed and rotated)
 * to its state, then
 * o_h = softmax_j(scale q_h.k_j [-> cap tanh(./cap)] + bias_j, plus sink_h as a logit) . v_j
 * over the visible j of the same sequence; the sink has no value.
 * K/V head of query head h is h * Hk / H. w[0] sinks [H], optional. k and v absent: reads the state
 * another attend wrote (reuse). state 0: no cache, the rows of the step are all there is. */
typedef enum ig_mask {
    IG_MASK_CAUSAL,   /* j <= i in sequence order; with window W: i - j < W */
    IG_MASK_CHUNK,    /* causal and j >= floor(i / W) * W */
    IG_MASK_FULL,     /* every row of the sequence */
    IG_MASK_SYMMETRIC /* |i - j| <= floor(W / 2) */
} ig_mask;
typedef struct ig_attend_attr {
    ig_state_id state;
    uint32_t n_heads, n_kv_heads, k_cols, v_cols;
    ig_mask mask;
    uint32_t window; /* 0 = none */
    float scale;
    float cap;       /* 0 = off */
    float alibi_max; /* 0 = off; slopes as in docs/ops.md */
} ig_attend_attr;

/* route: logits = W x + bias (f32); p = gate(logits); selection score s = p + w[2]; groups;
 * ids = top k of s, descending, ties to the lower id; weights p[ids]; renorm; scale. in[0] = x;
 * w[0] W [E][a], w[1] bias [E], w[2] selection bias [E]; out[0] = ids [T,k] I32,
 * out[1] = weights [T,k]. */
typedef enum ig_gating {
    IG_GATING_SOFTMAX = 1,
    IG_GATING_SIGMOID = 2,
    IG_GATING_SOFTMAX_AFTER = 3, /* softmax over the chosen logits */
    IG_GATING_SQRT_SOFTPLUS = 4
} ig_gating;
typedef struct ig_route_attr {
    ig_gating gating;
    uint32_t n_experts, top_k;
    uint32_t n_groups, n_groups_used; /* 0 = no groups */
    uint32_t id_div;                  /* ids /= id_div after selection; 0, 1 = off */
    bool renorm;                      /* w /= max(sum w, 6.103515625e-5) */
    float scale;                      /* of weights; 1 = none */
} ig_route_attr;

/* combine: out = sum_j w_j y_j in rank order; in[0] = y [T,k*b] (heads = k), in[1] = w [T,k].
 * select_rows: out [OUTPUTS] = rows of in[0] [TOKENS]. pool: rows -> SEQS. concat:
 * columns of in[0], in[1]. */
typedef enum ig_pool_kind { IG_POOL_MEAN, IG_POOL_FIRST, IG_POOL_LAST } ig_pool_kind;
typedef struct ig_pool_attr {
    ig_pool_kind kind;
} ig_pool_attr;

#define IG_OP_IN_MAX 4
#define IG_OP_OUT_MAX 2
#define IG_OP_WEIGHTS_MAX 3
#define IG_OP_PRE_MAX 8
#define IG_OP_POST_MAX 4

typedef struct ig_op ig_op;
typedef struct ig_kernel_row ig_kernel_row;

struct ig_op {
    ig_op_kind kind;
    int32_t layer; /* -1 = outside the layers */
    ig_ref in[IG_OP_IN_MAX];
    ig_ref out[IG_OP_OUT_MAX];
    ig_weight_id w[IG_OP_WEIGHTS_MAX];
    union {
        ig_embed_attr embed;
        ig_norm_attr norm;
        ig_linear_attr linear;
        ig_rope_attr rope;
        ig_map_attr map;
        ig_add_attr add;
        ig_glu_attr glu;
        ig_attend_attr attend;
        ig_route_attr route;
        ig_pool_attr pool;
    } u;
    /* Set by the fuse pass: row-wise ops that run on the input rows first (in this order), and on
     * the output afterwards. Their values exist as refs; a value nobody else reads is marked
     * unmaterialised. `in` and `out` still name the values at the op's own border: out of the last
     * pre op, in of the first post op. */
    const ig_op *pre[IG_OP_PRE_MAX];
    const ig_op *post[IG_OP_POST_MAX];
    uint8_t n_pre, n_post;
    /* Set by the choose pass. */
    const ig_kernel_row *kernel;
};

/* ---- program --------------------------------------------------------------------------------- */

/* Model facts that callers above need; filled by arch. */
typedef struct ig_model_facts {
    ig_str arch; /* "gemma3" */
    ig_str name; /* general.name, may be empty */
    uint32_t n_layers, n_embd, n_vocab, n_context_train;
    uint32_t n_heads, n_kv_heads;            /* of layer 0 */
    uint64_t n_params;                       /* elements of all weights used */
    bool causal;                             /* a generator; else whole sequences in one step */
    bool has_logits;                         /* output value is logits over the vocabulary */
    uint32_t suppress_first, suppress_count; /* ids never to be sampled; 0 = none */
} ig_model_facts;

typedef struct ig_program {
    ig_arena arena; /* owns every array below */
    ig_model_facts facts;
    ig_value *values;   /* [n_values]; 0 unused */
    ig_weight *weights; /* [n_weights]; 0 unused */
    ig_state *states;   /* [n_states]; 0 unused */
    ig_op *ops;         /* [n_ops], in order of execution */
    uint32_t n_values, n_weights, n_states, n_ops;
    uint32_t cap_values, cap_weights, cap_states, cap_ops;
    ig_value_id output; /* rows OUTPUTS: logits, or embeddings */
} ig_program;

/* Building. Every function is IG_EMEMORY / IG_ELIMIT at worst. The program owns everything
 * given to it by value. */
IG_MUST_USE ig_status ig_program_create(ig_program **out, ig_err *err);
void ig_program_destroy(ig_program **program);
IG_MUST_USE ig_status ig_program_value(ig_program *p, const char *name, ig_rows rows,
                                       ig_dtype dtype, uint32_t cols, ig_value_id *out,
                                       ig_err *err);
IG_MUST_USE ig_status ig_program_weight(ig_program *p, const ig_weight *weight, ig_weight_id *out,
                                        ig_err *err);
IG_MUST_USE ig_status ig_program_state(ig_program *p, const ig_state *state, ig_state_id *out,
                                       ig_err *err);
/* Appends op (copied) and checks it against the op table: counts, row classes, shapes of
 * views and weights. IG_EINTERNAL with the op printed when the builder made a mistake;
 * the message is for us. */
IG_MUST_USE ig_status ig_program_op(ig_program *p, const ig_op *op, ig_err *err);
/* The whole value as one head. */
ig_ref ig_ref_whole(const ig_program *p, ig_value_id value);
/* heads groups of cols columns from column col, adjacent. */
ig_ref ig_ref_heads(ig_value_id value, uint32_t col, uint32_t heads, uint32_t cols);
/* Columns of a view in all (heads * cols). */
static inline uint32_t ig_ref_width(ig_ref r) {
    return r.heads * r.cols;
}

/* ---- capabilities ---------------------------------------------------------------------------- */

/* What a backend can run. First row whose kind matches and whose accepts() says yes
 * (NULL = always) wins. */
struct ig_kernel_row {
    ig_op_kind kind;
    const char *name; /* "linear_q4k_avx512" */
    bool (*accepts)(const ig_program *p, const ig_op *op);
    const void *impl; /* the backend's own */
};

typedef struct ig_capabilities {
    const char *name;
    const ig_kernel_row *rows;
    size_t n_rows;
    bool merge_linears; /* several linears with one input become one op with parts */
    /* May op `inner` (norm, add, map, rope, glu …) be absorbed by `outer` before its
     * input (pre) or after its output (post)? outer already carries what was absorbed so
     * far. NULL = never. Pure. */
    bool (*absorbs_pre)(const ig_program *p, const ig_op *outer, const ig_op *inner);
    bool (*absorbs_post)(const ig_program *p, const ig_op *outer, const ig_op *inner);
} ig_capabilities;

/* ---- plan ------------------------------------------------------------------------------------ */

/* Upper bounds of one step; everything is laid out for them at open. */
typedef struct ig_limits {
    uint32_t tokens_max;  /* rows of a step */
    uint32_t outputs_max; /* wanted rows of a step */
    uint32_t seqs_max;    /* sequences of a step */
    uint32_t context_max; /* tokens of one sequence */
} ig_limits;

typedef struct ig_page_group {
    uint32_t window; /* 0 = full */
    uint32_t n_states;
} ig_page_group;

typedef struct ig_plan {
    ig_program *program; /* after all passes */
    const ig_capabilities *caps;
    ig_limits limits;
    uint64_t arena_bytes; /* activations, for the limits */
    ig_page_group groups[IG_PAGE_GROUPS_MAX];
    uint32_t n_groups;
    uint64_t weight_bytes;      /* of all weights in the checkpoint's types */
    uint64_t weight_step_bytes; /* read per decode step: tables count one row, experts k of E */
    uint64_t ops_per_token;     /* multiply-adds * 2 of all linears, head excluded */
} ig_plan;

/* Runs all passes; takes the program on success and on failure. IG_EUNSUPPORTED names op, layer,
 * dtype and shape that the backend has no kernel for, and the remedy. */
IG_MUST_USE ig_status ig_plan_create(ig_plan **out, ig_program **program,
                                     const ig_capabilities *caps, const ig_limits *limits,
                                     ig_err *err);
void ig_plan_destroy(ig_plan **plan);

/* The passes one by one, for tests; each rewrites the program in place. */
/* Hoists select_rows to the last op with state. */
IG_MUST_USE ig_status ig_pass_select_rows(ig_program *p, ig_err *err);
/* Ops without readers, KV writes kept if read. */
IG_MUST_USE ig_status ig_pass_drop_unread(ig_program *p, ig_err *err);
IG_MUST_USE ig_status ig_pass_merge_linears(ig_program *p, ig_err *err);
IG_MUST_USE ig_status ig_pass_fuse(ig_program *p, const ig_capabilities *caps, ig_err *err);
IG_MUST_USE ig_status ig_pass_states(ig_program *p, ig_page_group groups[IG_PAGE_GROUPS_MAX],
                                     uint32_t *n_groups, ig_err *err);
/* Liveness over op order, first fit by size; inputs and outputs of one op (with all it
 * absorbed) never overlap. */
IG_MUST_USE ig_status ig_pass_layout(ig_program *p, const ig_limits *limits, uint64_t *arena_bytes,
                                     ig_err *err);
IG_MUST_USE ig_status ig_pass_choose(ig_program *p, const ig_capabilities *caps, ig_err *err);

/* Appends one line per op (op, layer, shapes, weights, kernel row, bytes), or JSON. */
IG_MUST_USE ig_status ig_plan_explain(const ig_plan *plan, bool json, ig_buf *out, ig_err *err);
/* One op as text, for messages. */
IG_MUST_USE ig_status ig_op_print(const ig_program *p, const ig_op *op, ig_buf *out, ig_err *err);

#endif
