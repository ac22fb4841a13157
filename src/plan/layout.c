/* layout.c: where things lie: page groups of states, one arena for
 * activations, a kernel row per op. */
#include "plan/plan_int.h"

#define LAYOUT_ALIGN 64u

ig_status ig_pass_states(ig_program *p, ig_page_group groups[IG_PAGE_GROUPS_MAX],
                         uint32_t *n_groups, ig_err *err) {
    *n_groups = 0;
    for (uint32_t s = 1; s < p->n_states; s++) {
        ig_state *state = &p->states[s];
        if (state->kind != IG_STATE_PAGES)
            return ig_fail(err, IG_EUNSUPPORTED, "state kind %d has no storage yet",
                           (int)state->kind);
        uint32_t g = 0;
        while (g < *n_groups && groups[g].window != state->window)
            g++;
        if (g == *n_groups) {
            if (g == IG_PAGE_GROUPS_MAX)
                return ig_fail(err, IG_EUNSUPPORTED, "layers have more than %u different windows",
                               IG_PAGE_GROUPS_MAX);
            groups[(*n_groups)++] = (ig_page_group){.window = state->window};
        }
        state->group = g;
        state->index = groups[g].n_states++;
    }
    return IG_OK;
}

typedef struct layout_range {
    uint64_t bytes, offset;
    uint32_t first, last; /* op indices, inclusive */
    ig_value_id value;
} layout_range;

/* Offset of the lowest gap that holds r among those placed so far (sorted by offset)
 * whose lives overlap r's. */
static uint64_t lowest_gap(const layout_range *placed, uint32_t n, const layout_range *r) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const layout_range *q = &placed[i];
        if (q->last < r->first || q->first > r->last)
            continue;
        if (at + r->bytes <= q->offset)
            break;
        at = IG_MAX(at, q->offset + q->bytes);
    }
    return at;
}

static void insert_sorted(layout_range *placed, uint32_t n, layout_range r) {
    uint32_t i = n;
    while (i > 0 && placed[i - 1].offset > r.offset) {
        placed[i] = placed[i - 1];
        i--;
    }
    placed[i] = r;
}

typedef struct layout_walk {
    ig_program *p;
    uint64_t rows[IG_ROWS_COUNT];
    const uint32_t *makers, *last;
    layout_range *placed; /* sorted by offset */
    uint32_t n_placed, at;
    uint64_t arena_bytes;
} layout_walk;

/* Places a value at its first write. */
static void place(void *user, ig_ref ref) {
    layout_walk *w = user;
    ig_value *v = &w->p->values[ref.value];
    if (w->makers[ref.value] != w->at || v->unmaterialised)
        return;
    for (uint32_t i = 0; i < w->n_placed; i++) {
        if (w->placed[i].value == ref.value)
            return;
    }
    layout_range r = {
        .first = w->at, .last = IG_MAX(w->at, w->last[ref.value]), .value = ref.value};
    if (ref.value == w->p->output)
        r.last = UINT32_MAX;
    r.bytes = ig_round_up(w->rows[v->rows] * v->cols * 4, LAYOUT_ALIGN);
    r.offset = lowest_gap(w->placed, w->n_placed, &r);
    v->offset = r.offset;
    insert_sorted(w->placed, w->n_placed++, r);
    w->arena_bytes = IG_MAX(w->arena_bytes, r.offset + r.bytes);
}

ig_status ig_pass_layout(ig_program *p, const ig_limits *limits, uint64_t *arena_bytes,
                         ig_err *err) {
    layout_walk w = {.p = p,
                     .rows = {[IG_ROWS_TOKENS] = limits->tokens_max,
                              [IG_ROWS_OUTPUTS] = limits->outputs_max,
                              [IG_ROWS_SEQS] = limits->seqs_max}};
    uint32_t *makers, *last;
    IG_TRY(ig_program_makers(p, &makers, err));
    IG_TRY(ig_program_readers(p, &last, NULL, err));
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *w.placed, &w.placed, err));
    w.makers = makers;
    w.last = last;
    for (w.at = 0; w.at < p->n_ops; w.at++) {
        ig_op_each_write(&p->ops[w.at], place, &w);
        uint32_t alive = 0;
        for (uint32_t k = 0; k < w.n_placed; k++) {
            if (w.placed[k].last > w.at)
                w.placed[alive++] = w.placed[k];
        }
        w.n_placed = alive;
    }
    *arena_bytes = w.arena_bytes;
    return IG_OK;
}

ig_status ig_pass_choose(ig_program *p, const ig_capabilities *caps, ig_err *err) {
    for (uint32_t i = 0; i < p->n_ops; i++) {
        ig_op *op = &p->ops[i];
        for (size_t r = 0; !op->kernel && r < caps->n_rows; r++) {
            const ig_kernel_row *row = &caps->rows[r];
            if (row->kind == op->kind && (!row->accepts || row->accepts(p, op)))
                op->kernel = row;
        }
        if (op->kernel)
            continue;
        ig_buf text;
        ig_buf_init(&text, 400);
        if (ig_op_print(p, op, &text, NULL))
            ig_buf_clear(&text);
        ig_status status =
            ig_fail(err, IG_EUNSUPPORTED, "backend %s has no kernel for: %s; try another --device",
                    caps->name, ig_buf_str(&text).p);
        ig_buf_fini(&text);
        return status;
    }
    return IG_OK;
}
