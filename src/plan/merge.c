/* merge.c: several linears with one input become one op with parts: q|k|v of one attend, gate|up of
 * one glu. Their inputs are then prepared once, and a backend runs them as one range of rows.
 * Readers see views of the merged value. */
#include "plan/plan_int.h"

/* The linear (or expert_linear) that feeds ref through row-wise unary ops, else IG_OP_UNKNOWN. */
static uint32_t source_of(const ig_program *p, const uint32_t *makers, ig_ref ref) {
    uint32_t at = ref.value ? makers[ref.value] : IG_OP_UNKNOWN;
    while (at != IG_OP_UNKNOWN) {
        const ig_op *op = &p->ops[at];
        if (op->kind == IG_OP_LINEAR || op->kind == IG_OP_EXPERT_LINEAR)
            return at;
        if (op->kind != IG_OP_NORM && op->kind != IG_OP_ROPE && op->kind != IG_OP_MAP)
            return IG_OP_UNKNOWN;
        at = makers[op->in[0].value];
    }
    return IG_OP_UNKNOWN;
}

static bool same_ref(ig_ref a, ig_ref b) {
    return a.value == b.value && a.col == b.col && a.heads == b.heads && a.cols == b.cols &&
           a.stride == b.stride;
}

static bool writes_whole(const ig_program *p, const ig_op *op) {
    return op->out[0].col == 0 && ig_ref_width(op->out[0]) == p->values[op->out[0].value].cols;
}

static bool mergeable(const ig_program *p, const ig_op *a, const ig_op *b) {
    return a->kind == b->kind && same_ref(a->in[0], b->in[0]) && same_ref(a->in[1], b->in[1]) &&
           a->u.linear.n_heads <= 1 && b->u.linear.n_heads <= 1 &&
           a->u.linear.top_k == b->u.linear.top_k && a->u.linear.acc_f32 == b->u.linear.acc_f32 &&
           writes_whole(p, a) && writes_whole(p, b) &&
           (a->kind == IG_OP_LINEAR || a->u.linear.n_parts == 1);
}

/* Rewrites every ref to value `from` into columns of `to` starting at `col`. With experts each of
 * the k blocks of `from` becomes a head inside the wider block of `to`. */
static void redirect(ig_program *p, ig_value_id from, ig_value_id to, uint32_t col, uint32_t block,
                     uint32_t wide) {
    for (uint32_t i = 0; i < p->n_ops; i++) {
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++) {
            ig_ref *r = &p->ops[i].in[j];
            if (r->value != from)
                continue;
            r->value = to;
            if (block == 0) {
                r->col += col;
            } else {
                r->heads = p->values[from].cols / block;
                r->cols = block;
                r->stride = wide;
                r->col = col;
            }
        }
    }
}

static bool plain_readers(const ig_program *p, ig_value_id v) {
    for (uint32_t i = 0; i < p->n_ops; i++) {
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++) {
            ig_ref r = p->ops[i].in[j];
            if (r.value == v && ig_ref_width(r) != p->values[v].cols)
                return false;
        }
    }
    return true;
}

/* Merges op b into op a (a earlier); b becomes IG_OP_NONE. */
static ig_status merge(ig_program *p, uint32_t ia, uint32_t ib, ig_err *err) {
    ig_op *a = &p->ops[ia], *b = &p->ops[ib];
    ig_linear_attr *la = &a->u.linear, *lb = &b->u.linear;
    ig_linear_part *parts;
    IG_TRY(ig_arena_new(&p->arena, la->n_parts + lb->n_parts, sizeof *parts, &parts, err));
    memcpy(parts, la->parts, la->n_parts * sizeof *parts);
    memcpy(parts + la->n_parts, lb->parts, lb->n_parts * sizeof *parts);
    ig_value_id va = a->out[0].value, vb = b->out[0].value, merged;
    uint32_t wa = p->values[va].cols, wb = p->values[vb].cols;
    IG_TRY(ig_program_value(p, p->values[va].name, p->values[va].rows, IG_DTYPE_F32, wa + wb,
                            &merged, err));
    uint32_t k = a->kind == IG_OP_EXPERT_LINEAR ? la->top_k : 0;
    redirect(p, va, merged, 0, k ? wa / k : 0, k ? (wa + wb) / k : 0);
    redirect(p, vb, merged, k ? wa / k : wa, k ? wb / k : 0, k ? (wa + wb) / k : 0);
    la->parts = parts;
    la->n_parts += lb->n_parts;
    a->out[0] = ig_ref_whole(p, merged);
    b->kind = IG_OP_NONE;
    return IG_OK;
}

static ig_status try_merge(ig_program *p, uint32_t *makers, uint32_t first, uint32_t other,
                           ig_err *err) {
    if (first == IG_OP_UNKNOWN || other == IG_OP_UNKNOWN || first == other)
        return IG_OK;
    uint32_t ia = IG_MIN(first, other), ib = IG_MAX(first, other);
    if (p->ops[ib].kind == IG_OP_NONE || !mergeable(p, &p->ops[ia], &p->ops[ib]))
        return IG_OK;
    if (p->ops[ia].kind == IG_OP_EXPERT_LINEAR &&
        (!plain_readers(p, p->ops[ia].out[0].value) || !plain_readers(p, p->ops[ib].out[0].value)))
        return IG_OK;
    IG_TRY(merge(p, ia, ib, err));
    makers[p->ops[ia].out[0].value] = ia;
    return IG_OK;
}

ig_status ig_pass_merge_linears(ig_program *p, ig_err *err) {
    /* A merge makes one new value and removes one op, so there are fewer new values than ops. */
    uint32_t *found, *makers;
    IG_TRY(ig_program_makers(p, &found, err));
    const size_t n_makers = (size_t)p->n_values + p->n_ops + 1;
    IG_TRY(ig_arena_new(&p->arena, n_makers, sizeof *makers, &makers, err));
    memcpy(makers, found, p->n_values * sizeof *makers);
    for (uint32_t i = 0; i < p->n_ops; i++) {
        ig_op_kind kind = p->ops[i].kind;
        uint32_t n = kind == IG_OP_ATTEND ? 3 : kind == IG_OP_GLU ? 2 : 0;
        for (uint32_t j = 1; j < n; j++) {
            uint32_t a = source_of(p, makers, p->ops[i].in[0]);
            uint32_t b = source_of(p, makers, p->ops[i].in[j]);
            IG_TRY(try_merge(p, makers, a, b, err));
        }
    }
    ig_program_sweep(p);
    return IG_OK;
}
