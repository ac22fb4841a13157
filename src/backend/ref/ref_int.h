/* ref_int.h: what the op files of the ref backend share: a loaded module, its pages, a running
 * step, and how an op reads a row. All arithmetic is double; what leaves an op is rounded to f32
 * once. One thread per module. */
#ifndef IG_BACKEND_REF_REF_INT_H
#define IG_BACKEND_REF_REF_INT_H

#include <math.h>

#include "backend/ref/ref.h"

/* A plan with the memory of a step. Weights stay where they are and are decoded row by row; only
 * the small ones (norms, biases, scales) are kept as f32. */
typedef struct ref_module {
    const ig_plan *plan;
    ig_arena memory;   /* owns everything below */
    uint8_t *values;   /* the plan's arena */
    float **vectors;   /* [n_weights] f32 copy, NULL for those that are decoded by rows */
    float *x;          /* gathered input rows of a linear */
    float *w_row;      /* one decoded row of a weight */
    float *kv_row;     /* one decoded head of K or V */
    double *scratch;   /* attend: [H / Hk][keys] and [H / Hk][Dv]; route: [3][E] */
    uint32_t *picks;   /* expert_linear: the (row, rank) pairs of one expert; route: experts out of
                          choice */
    int32_t *position; /* [tokens_max] of the step */
} ref_module;

typedef struct ref_pool {
    const ref_module *module;
    ig_dtype k_dtype, v_dtype;
    uint8_t *pages[IG_PAGE_GROUPS_MAX];
    size_t page_bytes[IG_PAGE_GROUPS_MAX];
    size_t *state_offset; /* [n_states] of the state's K inside a page of its group */
} ref_pool;

/* One step. */
typedef struct ref_step {
    ref_module *m;
    ref_pool *pool; /* NULL for models without state */
    const ig_batch *batch;
    uint32_t n_rows[IG_ROWS_COUNT];
} ref_step;

/* impl of a capability row. */
typedef struct ref_kernel {
    ig_status (*run)(const ref_step *step, const ig_op *op, ig_err *err);
} ref_kernel;

typedef bool (*ref_accepts)(const ig_program *p, const ig_op *op);

/* Column 0 of a view in row `row` of its value. */
static inline float *ref_row(const ref_step *s, ig_ref r, uint32_t row) {
    const ig_value *v = &s->m->plan->program->values[r.value];
    return (float *)(void *)(s->m->values + v->offset) + (size_t)row * v->cols + r.col;
}
/* Where column i of a view lies, counted from its column 0. */
static inline size_t ref_at(ig_ref r, uint32_t i) {
    return (size_t)(i / r.cols) * r.stride + i % r.cols;
}
/* Rows of an op: those of its first output. */
static inline uint32_t ref_rows(const ref_step *s, const ig_op *op) {
    return s->n_rows[s->m->plan->program->values[op->out[0].value].rows];
}
static inline const float *ref_vector(const ref_step *s, ig_weight_id w) {
    return s->m->vectors[w];
}
/* The token row behind row i of a value of this row class. */
static inline uint32_t ref_token(const ref_step *s, ig_rows rows, uint32_t i) {
    return rows == IG_ROWS_OUTPUTS ? s->batch->outputs[i]
           : rows == IG_ROWS_SEQS  ? s->batch->seqs[i].row
                                   : i;
}
static inline double ref_softplus(double x) {
    return x > 20 ? x : log1p(exp(x));
}
static inline double ref_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static inline double ref_clamp(double x, double lo, double hi) {
    return x < lo ? lo : x > hi ? hi : x;
}

/* Row `row` (of rows * stack) of a weight as f32; dst has room for its columns. */
void ig_refop_weight_row(const ig_weight *w, uint64_t row, float *dst);
/* a . b in double. */
double ig_refop_dot(const float *a, const float *b, uint32_t n);
/* act(x) of glu; also the functions of map that are activations. */
double ig_refop_act(ig_act act, double x, const float p[4]);

/* No fused ops, and every weight that the op reads has a codec: what all capability rows ask. */
bool ig_refop_accepts(const ig_program *p, const ig_op *op);

/* The ops, one family a file. Shapes were checked when the program was built. */
ig_status ig_refop_embed(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_norm(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_linear(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_rope(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_map(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_add(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_glu(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_attend(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_route(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_expert_linear(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_combine(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_concat(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_select_rows(const ref_step *s, const ig_op *op, ig_err *err);
ig_status ig_refop_pool(const ref_step *s, const ig_op *op, ig_err *err);

/* What only some forms of an op may be; NULL in the table = all forms. */
bool ig_refop_rope_accepts(const ig_program *p, const ig_op *op);
bool ig_refop_glu_accepts(const ig_program *p, const ig_op *op);
bool ig_refop_attend_accepts(const ig_program *p, const ig_op *op);
bool ig_refop_route_accepts(const ig_program *p, const ig_op *op);

extern const ig_capabilities ig_refop_caps;

/* Pages, in ref_pages.c. Where head `head` of token `token` of a state lies in page `page`; k or v
 * by `value`. */
uint64_t ig_refop_page_bytes(const ig_program *p, uint32_t group, ig_dtype k, ig_dtype v);
IG_MUST_USE ig_status ig_refop_pool_open(const ref_module *m, const ig_pool_options *options,
                                         ref_pool **out, ig_err *err);
void ig_refop_pool_close(ref_pool *pool);
uint8_t *ig_refop_kv(const ref_pool *pool, ig_state_id state, uint32_t page, uint32_t token,
                     uint32_t head, bool value);

#endif
