/* program.c: building a program, and walking what ops read and write. One thread; everything lives
 * in the program's arena. */
#include "plan/plan_int.h"

#define PROGRAM_ARENA_MAX ((size_t)1 << 30)

ig_status ig_program_create(ig_program **out, ig_err *err) {
    ig_program *p = ig_alloc(1, sizeof *p);
    if (!p)
        return ig_fail_memory(err, sizeof *p);
    ig_arena_init(&p->arena, PROGRAM_ARENA_MAX);
    *out = p;
    return IG_OK;
}

void ig_program_destroy(ig_program **program) {
    if (!program || !*program)
        return;
    ig_arena_fini(&(*program)->arena);
    ig_free(*program);
    *program = NULL;
}

/* Makes room for element *n of an arena array and steps over index 0, which means "none". */
static ig_status extend(ig_program *p, void *array, uint32_t *n, uint32_t *cap, size_t size,
                        bool skip_zero, ig_err *err) {
    if (skip_zero && *n == 0)
        *n = 1;
    if (*n < *cap)
        return IG_OK;
    if (*n >= IG_PROGRAM_OPS_MAX)
        return ig_fail(err, IG_ELIMIT, "program has more than %u entries", IG_PROGRAM_OPS_MAX);
    uint32_t more = *cap ? *cap * 2 : 64;
    void *old, *grown;
    memcpy(&old, array, sizeof old);
    IG_TRY(ig_arena_new(&p->arena, more, size, &grown, err));
    if (old)
        memcpy(grown, old, *n * size);
    memcpy(array, &grown, sizeof grown);
    *cap = more;
    return IG_OK;
}

ig_status ig_program_value(ig_program *p, const char *name, ig_rows rows, ig_dtype dtype,
                           uint32_t cols, ig_value_id *out, ig_err *err) {
    if (cols == 0 || cols > IG_WIDTH_MAX)
        return ig_fail(err, IG_ELIMIT, "value %s has %u columns; the limit is %u", name, cols,
                       IG_WIDTH_MAX);
    IG_TRY(extend(p, &p->values, &p->n_values, &p->cap_values, sizeof *p->values, true, err));
    p->values[p->n_values] = (ig_value){.name = name, .rows = rows, .dtype = dtype, .cols = cols};
    *out = p->n_values++;
    return IG_OK;
}

ig_status ig_program_weight(ig_program *p, const ig_weight *weight, ig_weight_id *out,
                            ig_err *err) {
    IG_TRY(extend(p, &p->weights, &p->n_weights, &p->cap_weights, sizeof *p->weights, true, err));
    p->weights[p->n_weights] = *weight;
    *out = p->n_weights++;
    return IG_OK;
}

ig_status ig_program_state(ig_program *p, const ig_state *state, ig_state_id *out, ig_err *err) {
    IG_TRY(extend(p, &p->states, &p->n_states, &p->cap_states, sizeof *p->states, true, err));
    p->states[p->n_states] = *state;
    *out = p->n_states++;
    return IG_OK;
}

ig_status ig_program_op(ig_program *p, const ig_op *op, ig_err *err) {
    IG_TRY(ig_op_check(p, op, err));
    IG_TRY(extend(p, &p->ops, &p->n_ops, &p->cap_ops, sizeof *p->ops, false, err));
    ig_op *mine = &p->ops[p->n_ops];
    *mine = *op;
    if (op->kind == IG_OP_LINEAR || op->kind == IG_OP_EXPERT_LINEAR) {
        ig_linear_attr *a = &mine->u.linear;
        IG_TRY(ig_arena_new(&p->arena, a->n_parts, sizeof *a->parts, &a->parts, err));
        memcpy(a->parts, op->u.linear.parts, a->n_parts * sizeof *a->parts);
    }
    p->n_ops++;
    return IG_OK;
}

void ig_program_sweep(ig_program *p) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind != IG_OP_NONE)
            p->ops[n++] = p->ops[i];
    }
    p->n_ops = n;
}

ig_ref ig_ref_whole(const ig_program *p, ig_value_id value) {
    uint32_t cols = p->values[value].cols;
    return (ig_ref){.value = value, .heads = 1, .cols = cols, .stride = cols};
}

ig_ref ig_ref_heads(ig_value_id value, uint32_t col, uint32_t heads, uint32_t cols) {
    return (ig_ref){.value = value, .col = col, .heads = heads, .cols = cols, .stride = cols};
}

uint32_t ig_op_inputs(const ig_op *op) {
    uint32_t n = IG_OP_IN_MAX;
    while (n > 0 && op->in[n - 1].value == 0)
        n--;
    return n;
}

uint32_t ig_op_outputs(const ig_op *op) {
    uint32_t n = IG_OP_OUT_MAX;
    while (n > 0 && op->out[n - 1].value == 0)
        n--;
    return n;
}

static void each(const ig_op *op, bool writes, ig_ref_fn fn, void *user) {
    const ig_ref *refs = writes ? op->out : op->in;
    uint32_t n = writes ? IG_OP_OUT_MAX : IG_OP_IN_MAX;
    for (uint32_t i = 0; i < n; i++) {
        if (refs[i].value)
            fn(user, refs[i]);
    }
}

void ig_op_each_read(const ig_op *op, ig_ref_fn fn, void *user) {
    for (uint32_t i = 0; i < op->n_pre; i++)
        each(op->pre[i], false, fn, user);
    each(op, false, fn, user);
    for (uint32_t i = 0; i < op->n_post; i++)
        each(op->post[i], false, fn, user);
}

void ig_op_each_write(const ig_op *op, ig_ref_fn fn, void *user) {
    for (uint32_t i = 0; i < op->n_pre; i++)
        each(op->pre[i], true, fn, user);
    each(op, true, fn, user);
    for (uint32_t i = 0; i < op->n_post; i++)
        each(op->post[i], true, fn, user);
}

bool ig_op_reads(const ig_op *op, ig_value_id v) {
    for (uint32_t i = 0; i < IG_OP_IN_MAX; i++) {
        if (op->in[i].value == v)
            return true;
    }
    return false;
}

typedef struct index_walk {
    uint32_t *first, *count, *stamp;
    uint32_t at;
} index_walk;

static void note_write(void *user, ig_ref ref) {
    index_walk *w = user;
    if (w->first[ref.value] == IG_OP_UNKNOWN)
        w->first[ref.value] = w->at;
}

static void note_read(void *user, ig_ref ref) {
    index_walk *w = user;
    w->first[ref.value] = w->at;
    if (w->stamp[ref.value] != w->at + 1) {
        w->stamp[ref.value] = w->at + 1;
        w->count[ref.value]++;
    }
}

ig_status ig_program_makers(ig_program *p, uint32_t **makers, ig_err *err) {
    index_walk w = {0};
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *w.first, &w.first, err));
    for (uint32_t v = 0; v < p->n_values; v++)
        w.first[v] = IG_OP_UNKNOWN;
    for (w.at = 0; w.at < p->n_ops; w.at++)
        ig_op_each_write(&p->ops[w.at], note_write, &w);
    *makers = w.first;
    return IG_OK;
}

ig_status ig_program_readers(ig_program *p, uint32_t **last, uint32_t **n, ig_err *err) {
    index_walk w = {0};
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *w.first, &w.first, err));
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *w.count, &w.count, err));
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *w.stamp, &w.stamp, err));
    for (w.at = 0; w.at < p->n_ops; w.at++)
        ig_op_each_read(&p->ops[w.at], note_read, &w);
    if (last)
        *last = w.first;
    if (n)
        *n = w.count;
    return IG_OK;
}
