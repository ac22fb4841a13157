/* select_rows.c: two passes that remove work: rows nobody asked for, ops nobody reads.
 *
 * select_rows commutes with row-wise ops, so it moves up to right behind the last op that reads
 * other rows, writes state or needs a row's position: of a long prompt only the wanted rows pass
 * the last feed-forward block. */
#include "plan/plan_int.h"

static bool needs_all_rows(const ig_op *op) {
    return !ig_op_info(op->kind)->rowwise || op->kind == IG_OP_EMBED || op->kind == IG_OP_ROPE ||
           (op->kind == IG_OP_MAP && op->u.map.fn == IG_MAP_POS_TEMP);
}

static uint32_t find_select(const ig_program *p) {
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind == IG_OP_SELECT_ROWS)
            return i;
    }
    return IG_OP_UNKNOWN;
}

/* The selected twin of value v, made on first use. */
static ig_status twin_of(ig_program *p, ig_value_id *twins, ig_value_id v, ig_op *selects,
                         uint32_t *n_selects, ig_err *err) {
    if (twins[v])
        return IG_OK;
    ig_value old = p->values[v];
    IG_TRY(ig_program_value(p, old.name, IG_ROWS_OUTPUTS, old.dtype, old.cols, &twins[v], err));
    selects[(*n_selects)++] = (ig_op){.kind = IG_OP_SELECT_ROWS,
                                      .layer = -1,
                                      .in = {ig_ref_whole(p, v)},
                                      .out = {ig_ref_whole(p, twins[v])}};
    return IG_OK;
}

ig_status ig_pass_select_rows(ig_program *p, ig_err *err) {
    uint32_t at = find_select(p);
    if (at == IG_OP_UNKNOWN)
        return IG_OK;
    uint32_t from = at; /* first op that can work on selected rows */
    while (from > 0 && !needs_all_rows(&p->ops[from - 1]))
        from--;
    if (from == at)
        return IG_OK;
    uint32_t n_old = p->n_values;
    ig_value_id *twins;
    ig_op *selects, *moved;
    uint32_t *makers, n_selects = 0, n_moved = 0;
    IG_TRY(ig_program_makers(p, &makers, err));
    IG_TRY(ig_arena_new(&p->arena, n_old, sizeof *twins, &twins, err));
    IG_TRY(ig_arena_new(&p->arena, n_old, sizeof *selects, &selects, err));
    IG_TRY(ig_arena_new(&p->arena, p->n_ops, sizeof *moved, &moved, err));
    for (uint32_t i = from; i < p->n_ops; i++) {
        ig_op op = p->ops[i];
        if (i == at) {
            /* Readers of the old selection read the selected form of its input. */
            ig_value_id in = op.in[0].value;
            if (makers[in] < from)
                IG_TRY(twin_of(p, twins, in, selects, &n_selects, err));
            twins[op.out[0].value] = twins[in] ? twins[in] : in;
            if (p->output == op.out[0].value)
                p->output = twins[op.out[0].value];
            continue;
        }
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++) {
            ig_value_id v = op.in[j].value;
            if (i < at && v && makers[v] < from)
                IG_TRY(twin_of(p, twins, v, selects, &n_selects, err));
            if (v && twins[v])
                op.in[j].value = twins[v];
        }
        for (uint32_t j = 0; i < at && j < IG_OP_OUT_MAX; j++) {
            if (op.out[j].value)
                p->values[op.out[j].value].rows = IG_ROWS_OUTPUTS;
        }
        moved[n_moved++] = op;
    }
    p->n_ops = from;
    for (uint32_t i = 0; i < n_selects; i++)
        IG_TRY(ig_program_op(p, &selects[i], err));
    for (uint32_t i = 0; i < n_moved; i++)
        IG_TRY(ig_program_op(p, &moved[i], err));
    return IG_OK;
}

ig_status ig_pass_drop_unread(ig_program *p, ig_err *err) {
    bool *value_read, *state_read;
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *value_read, &value_read, err));
    IG_TRY(ig_arena_new(&p->arena, p->n_states + 1, sizeof *state_read, &state_read, err));
    value_read[p->output] = true;
    for (uint32_t i = p->n_ops; i-- > 0;) {
        ig_op *op = &p->ops[i];
        bool attends = op->kind == IG_OP_ATTEND;
        bool keep =
            op->out[0].value == 0 || (attends && op->in[1].value && state_read[op->u.attend.state]);
        for (uint32_t j = 0; j < IG_OP_OUT_MAX; j++)
            keep = keep || (op->out[j].value && value_read[op->out[j].value]);
        if (!keep) {
            op->kind = IG_OP_NONE;
            continue;
        }
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++)
            value_read[op->in[j].value] = true;
        if (attends && op->u.attend.state && op->in[1].value == 0)
            state_read[op->u.attend.state] = true;
    }
    ig_program_sweep(p);
    return IG_OK;
}
