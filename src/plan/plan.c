/* plan.c: runs the passes in order and keeps their result. A plan owns its program; immutable
 * afterwards, any thread. */
#include "plan/plan_int.h"

static uint64_t part_ops(const ig_program *p, const ig_op *op) {
    const ig_linear_attr *a = &op->u.linear;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < a->n_parts; i++) {
        const ig_weight *w = &p->weights[a->parts[i].weight];
        uint64_t times = op->kind == IG_OP_EXPERT_LINEAR ? a->top_k : IG_MAX(a->n_heads, 1u);
        sum += 2ull * w->rows * w->cols * times;
    }
    return sum;
}

static uint64_t part_bytes(const ig_program *p, const ig_op *op) {
    const ig_linear_attr *a = &op->u.linear;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < a->n_parts; i++) {
        const ig_weight *w = &p->weights[a->parts[i].weight];
        sum += op->kind == IG_OP_EXPERT_LINEAR ? w->bytes / w->stack * IG_MIN(a->top_k, w->stack)
                                               : w->bytes;
    }
    return sum;
}

static void count_work(ig_plan *plan) {
    const ig_program *p = plan->program;
    for (uint32_t w = 1; w < p->n_weights; w++) {
        bool counted = p->weights[w].tensor < 0; /* a tied table is one tensor behind two weights */
        for (uint32_t k = 1; k < w && !counted; k++)
            counted = p->weights[k].tensor == p->weights[w].tensor;
        plan->weight_bytes += counted ? 0 : p->weights[w].bytes;
    }
    for (uint32_t i = 0; i < p->n_ops; i++) {
        const ig_op *op = &p->ops[i];
        if (op->kind == IG_OP_LINEAR || op->kind == IG_OP_EXPERT_LINEAR) {
            plan->weight_step_bytes += part_bytes(p, op);
            if (p->values[op->out[0].value].rows == IG_ROWS_TOKENS || op->layer >= 0)
                plan->ops_per_token += part_ops(p, op);
        } else if (op->kind == IG_OP_EMBED) {
            plan->weight_step_bytes += p->weights[op->w[0]].bytes / p->weights[op->w[0]].rows;
        } else if (op->kind == IG_OP_ROUTE) {
            plan->weight_step_bytes += p->weights[op->w[0]].bytes;
        }
    }
}

static ig_status run_passes(ig_plan *plan, ig_err *err) {
    ig_program *p = plan->program;
    IG_TRY(ig_pass_drop_unread(p, err));
    IG_TRY(ig_pass_select_rows(p, err));
    if (plan->caps->merge_linears)
        IG_TRY(ig_pass_merge_linears(p, err));
    IG_TRY(ig_pass_fuse(p, plan->caps, err));
    IG_TRY(ig_pass_states(p, plan->groups, &plan->n_groups, err));
    IG_TRY(ig_pass_layout(p, &plan->limits, &plan->arena_bytes, err));
    return ig_pass_choose(p, plan->caps, err);
}

ig_status ig_plan_create(ig_plan **out, ig_program **program, const ig_capabilities *caps,
                         const ig_limits *limits, ig_err *err) {
    ig_plan *plan = ig_alloc(1, sizeof *plan);
    if (!plan) {
        ig_program_destroy(program);
        return ig_fail_memory(err, sizeof *plan);
    }
    *plan = (ig_plan){.program = *program, .caps = caps, .limits = *limits};
    *program = NULL;
    ig_status status = run_passes(plan, err);
    if (status) {
        ig_plan_destroy(&plan);
        return status;
    }
    count_work(plan);
    *out = plan;
    return IG_OK;
}

void ig_plan_destroy(ig_plan **plan) {
    if (!plan || !*plan)
        return;
    ig_program_destroy(&(*plan)->program);
    ig_free(*plan);
    *plan = NULL;
}
