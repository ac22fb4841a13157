/* cpu_caps.c: what the cpu backend can run and fuse: one row per op kind, predicates over dtypes
 * and shapes. */
#include "backend/cpu/cpu_int.h"

/* Fusing stops when a chain would need more row scratch than this (floats). */
#define CHAIN_FLOATS_MAX (1u << 20)

/* Predicates see no device, so the set of dtypes is asked from the scalar tables: every ISA's table
 * has the same dtypes. */
static bool has_kernel(const ig_program *p, ig_weight_id id) {
    return ig_matmul_find(&ig_matmul_scalar, p->weights[id].dtype) != NULL;
}

static bool decodable(const ig_program *p, ig_weight_id id) {
    return id == 0 || ig_dtype_info(p->weights[id].dtype)->decode != NULL;
}

static bool contiguous(ig_ref r) {
    return r.heads == 1 || r.stride == r.cols;
}

static bool accepts_parts(const ig_program *p, const ig_op *op) {
    for (uint32_t i = 0; i < op->u.linear.n_parts; i++) {
        const ig_linear_part *part = &op->u.linear.parts[i];
        if (!has_kernel(p, part->weight) || !decodable(p, part->bias) || !decodable(p, part->scale))
            return false;
    }
    return true;
}

static bool accepts_linear(const ig_program *p, const ig_op *op) {
    return op->u.linear.n_heads <= 1 && contiguous(op->in[0]) && contiguous(op->out[0]) &&
           accepts_parts(p, op);
}

static bool accepts_experts(const ig_program *p, const ig_op *op) {
    const ig_linear_attr *a = &op->u.linear;
    if (!contiguous(op->out[0]) || !accepts_parts(p, op) ||
        p->weights[a->parts[0].weight].stack > IG_EXPERTS_MAX)
        return false;
    for (uint32_t i = 1; i < a->n_parts; i++) {
        if (ig_matmul_find(&ig_matmul_scalar, p->weights[a->parts[i].weight].dtype)->act !=
            ig_matmul_find(&ig_matmul_scalar, p->weights[a->parts[0].weight].dtype)->act)
            return false;
    }
    return true;
}

static bool accepts_route(const ig_program *p, const ig_op *op) {
    return decodable(p, op->w[0]) && decodable(p, op->w[1]) && decodable(p, op->w[2]) &&
           contiguous(op->in[0]) && op->u.route.n_experts <= IG_EXPERTS_MAX;
}

/* A cache of any type has the limits of one of F32, which attends without a cache use. */
static bool accepts_attend(const ig_program *p, const ig_op *op) {
    const ig_attend_attr *a = &op->u.attend;
    const ig_state state = {.kind = IG_STATE_PAGES,
                            .n_kv_heads = a->n_kv_heads,
                            .k_cols = a->k_cols,
                            .v_cols = a->v_cols};
    return decodable(p, op->w[0]) && a->n_kv_heads > 0 && a->n_heads % a->n_kv_heads == 0 &&
           ig_attn_page_bytes(&state, IG_DTYPE_F32, IG_DTYPE_F32) > 0;
}

static bool accepts_weights(const ig_program *p, const ig_op *op) {
    for (uint32_t i = 0; i < IG_OP_WEIGHTS_MAX; i++) {
        if (!decodable(p, op->w[i]))
            return false;
    }
    return true;
}

typedef struct caps_row {
    ig_op_kind kind;
    bool (*accepts)(const ig_program *p, const ig_op *op);
    cpu_run_fn run;
} caps_row;

static const caps_row ROWS[] = {
    {IG_OP_EMBED, accepts_weights, cpu_run_embed},
    {IG_OP_NORM, accepts_weights, cpu_run_rowwise},
    {IG_OP_LINEAR, accepts_linear, cpu_run_linear},
    {IG_OP_ROPE, NULL, cpu_run_rowwise},
    {IG_OP_MAP, accepts_weights, cpu_run_rowwise},
    {IG_OP_ADD, NULL, cpu_run_rowwise},
    {IG_OP_GLU, accepts_weights, cpu_run_rowwise},
    {IG_OP_ATTEND, accepts_attend, cpu_run_attend},
    {IG_OP_ROUTE, accepts_route, cpu_run_route},
    {IG_OP_EXPERT_LINEAR, accepts_experts, cpu_run_expert_linear},
    {IG_OP_COMBINE, NULL, cpu_run_rowwise},
    {IG_OP_CONCAT, NULL, cpu_run_concat},
    {IG_OP_SELECT_ROWS, NULL, cpu_run_select_rows},
};

cpu_run_fn cpu_caps_run(ig_op_kind kind) {
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        if (ROWS[i].kind == kind)
            return ROWS[i].run;
    }
    return NULL;
}

ig_row_fn cpu_caps_row(const cpu_device *device, ig_op_kind kind) {
    const ig_row_set *rows = device->rows;
    const ig_row_fn fns[IG_OP_COUNT] = {
        [IG_OP_NORM] = rows->norm, [IG_OP_ROPE] = rows->rope, [IG_OP_MAP] = rows->map,
        [IG_OP_ADD] = rows->add,   [IG_OP_GLU] = rows->glu,   [IG_OP_COMBINE] = rows->combine};
    return fns[kind];
}

static uint64_t chain_width(const ig_program *p, const ig_op *outer) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < outer->n_pre; i++)
        sum += p->values[outer->pre[i]->out[0].value].cols;
    return sum;
}

static bool absorbs_pre(const ig_program *p, const ig_op *outer, const ig_op *inner) {
    if (chain_width(p, outer) + p->values[inner->out[0].value].cols > CHAIN_FLOATS_MAX ||
        !accepts_weights(p, inner))
        return false;
    if (outer->kind == IG_OP_LINEAR)
        return inner->kind == IG_OP_NORM || inner->kind == IG_OP_ADD || inner->kind == IG_OP_MAP;
    if (outer->kind == IG_OP_ATTEND)
        return inner->kind == IG_OP_NORM || inner->kind == IG_OP_ROPE || inner->kind == IG_OP_MAP;
    return false;
}

static bool whole(const ig_program *p, ig_ref r) {
    return r.col == 0 && contiguous(r) && ig_ref_width(r) == p->values[r.value].cols;
}

/* A glu whose gate is part 0 and whose other factor is part 1 of the linear. */
static bool joins_parts(const ig_op *linear, const ig_op *glu) {
    const ig_linear_attr *a = &linear->u.linear;
    ig_ref g = glu->in[0], u = glu->in[1];
    return a->n_parts == 2 && linear->n_post == 0 && a->parts[0].rows == a->parts[1].rows &&
           g.value == linear->out[0].value && u.value == g.value && contiguous(g) &&
           contiguous(u) && g.col == 0 && ig_ref_width(g) == a->parts[0].rows &&
           u.col == a->parts[0].rows && ig_ref_width(u) == a->parts[1].rows;
}

static bool absorbs_post(const ig_program *p, const ig_op *outer, const ig_op *inner) {
    if (outer->kind != IG_OP_LINEAR || !whole(p, outer->out[0]) || !contiguous(inner->out[0]))
        return false;
    ig_value_id from =
        outer->n_post ? outer->post[outer->n_post - 1]->out[0].value : outer->out[0].value;
    if (inner->kind == IG_OP_GLU && inner->in[1].value)
        return inner->u.glu.broadcast == IG_GLU_ELEM && inner->w[0] == 0 &&
               whole(p, inner->out[0]) && joins_parts(outer, inner);
    for (uint32_t j = 0; j < 2 && inner->in[j].value; j++) {
        if (!contiguous(inner->in[j]) || (inner->in[j].value == from && !whole(p, inner->in[j])))
            return false;
    }
    if (inner->kind == IG_OP_ADD)
        return inner->in[0].value != inner->in[1].value;
    if (inner->kind == IG_OP_MAP)
        return inner->w[0] == 0 && inner->u.map.fn != IG_MAP_POS_TEMP &&
               inner->u.map.fn != IG_MAP_MUL;
    return inner->kind == IG_OP_GLU && inner->w[0] == 0;
}

void cpu_caps_fill(cpu_device *device) {
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        char *name = device->names[i];
        const char *parts[] = {ig_op_info(ROWS[i].kind)->name, "_", device->matmul->isa};
        for (size_t k = 0, at = 0; k < IG_COUNT(parts); k++) {
            for (const char *c = parts[k]; *c && at + 1 < sizeof device->names[i]; c++)
                name[at++] = *c;
        }
        device->kernel_rows[i] =
            (ig_kernel_row){.kind = ROWS[i].kind, .name = name, .accepts = ROWS[i].accepts};
    }
    device->caps = (ig_capabilities){.name = "cpu",
                                     .rows = device->kernel_rows,
                                     .n_rows = IG_COUNT(ROWS),
                                     .merge_linears = true,
                                     .absorbs_pre = absorbs_pre,
                                     .absorbs_post = absorbs_post};
}
