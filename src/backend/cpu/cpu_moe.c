/* cpu_moe.c: routing and expert products, run by all threads.
 *
 * Lists: the (token, rank) pairs of a step are sorted by expert (counting sort, one thread); each
 * expert's rows are packed together and multiplied as one product, so that a weight is read once
 * per step however many tokens chose it. The order inside a list changes nothing in a result: every
 * output element is computed alone. */
#include <math.h>

#include "backend/cpu/cpu_int.h"

/* Lists in shared memory: start[E + 1] offsets, then pair[T * k] = token * k + rank, sorted by
 * expert. */
typedef struct moe_lists {
    uint32_t *start, *pairs;
} moe_lists;

static moe_lists lists_of(const cpu_module *m, uint32_t n_experts) {
    uint32_t *base = (uint32_t *)(void *)m->expert_ids;
    return (moe_lists){base, base + n_experts + 1};
}

size_t cpu_moe_list_bytes(const ig_program *p, const ig_limits *limits) {
    size_t most = 0;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        const ig_op *op = &p->ops[i];
        if (op->kind != IG_OP_EXPERT_LINEAR)
            continue;
        size_t n = (size_t)p->weights[op->u.linear.parts[0].weight].stack + 1 +
                   (size_t)limits->tokens_max * op->u.linear.top_k;
        most = IG_MAX(most, n * sizeof(uint32_t));
    }
    return most;
}

static float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

static void softmax(float *p, uint32_t n) {
    float top = p[0], sum = 0;
    for (uint32_t i = 1; i < n; i++)
        top = IG_MAX(top, p[i]);
    for (uint32_t i = 0; i < n; i++) {
        p[i] = expf(p[i] - top);
        sum += p[i];
    }
    for (uint32_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void gate(const ig_route_attr *a, float *p) {
    for (uint32_t i = 0; i < a->n_experts && a->gating == IG_GATING_SIGMOID; i++)
        p[i] = sigmoid(p[i]);
    for (uint32_t i = 0; i < a->n_experts && a->gating == IG_GATING_SQRT_SOFTPLUS; i++)
        p[i] = sqrtf(p[i] > 20.0f ? p[i] : log1pf(expf(p[i])));
    if (a->gating == IG_GATING_SOFTMAX)
        softmax(p, a->n_experts);
}

/* Groups: the sum of the two best scores ranks a group; experts of the others are out. */
static void keep_groups(const ig_route_attr *a, float *score) {
    uint32_t width = a->n_experts / a->n_groups;
    float rank[IG_EXPERTS_MAX];
    for (uint32_t g = 0; g < a->n_groups; g++) {
        float one = -INFINITY, two = -INFINITY;
        for (uint32_t i = g * width; i < (g + 1) * width; i++) {
            if (score[i] > one) {
                two = one;
                one = score[i];
            } else if (score[i] > two) {
                two = score[i];
            }
        }
        rank[g] = width > 1 ? one + two : one;
    }
    for (uint32_t g = 0; g < a->n_groups; g++) {
        uint32_t better = 0;
        for (uint32_t h = 0; h < a->n_groups; h++)
            better += rank[h] > rank[g] || (rank[h] == rank[g] && h < g);
        for (uint32_t i = g * width; better >= a->n_groups_used && i < (g + 1) * width; i++)
            score[i] = -INFINITY;
    }
}

static void choose(const ig_route_attr *a, float *p, const float *bias, int32_t *ids, float *w) {
    float score[IG_EXPERTS_MAX];
    bool taken[IG_EXPERTS_MAX] = {false};
    gate(a, p);
    for (uint32_t i = 0; i < a->n_experts; i++)
        score[i] = p[i] + (bias ? bias[i] : 0.0f);
    if (a->n_groups > 1 && a->n_groups_used < a->n_groups)
        keep_groups(a, score);
    float sum = 0;
    for (uint32_t k = 0; k < a->top_k; k++) {
        uint32_t best = UINT32_MAX;
        for (uint32_t i = 0; i < a->n_experts; i++) {
            if (!taken[i] && (best == UINT32_MAX || score[i] > score[best]))
                best = i;
        }
        taken[best] = true; /* top_k <= n_experts: one is always left */
        ids[k] = (int32_t)(a->id_div > 1 ? best / a->id_div : best);
        w[k] = p[ids[k]]; /* of the id that is given out */
        sum += w[k];
    }
    if (a->gating == IG_GATING_SOFTMAX_AFTER) {
        softmax(w, a->top_k);
        sum = 1.0f;
    }
    for (uint32_t k = 0; k < a->top_k; k++) {
        if (a->renorm)
            w[k] /= IG_MAX(sum, 6.103515625e-5f);
        w[k] *= a->scale;
    }
}

/* Router logits are products of f32 weights with f32 rows, a row by one thread: routers are small,
 * and a row's logits stay in its thread's scratch. */
void cpu_run_route(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const cpu_module *m = s->module;
    const ig_op *o = op->op;
    const ig_route_attr *a = &o->u.route;
    const cpu_weight *w = &m->weights[o->w[0]];
    const float *bias = o->w[1] ? m->weights[o->w[1]].vector : NULL;
    const float *select = o->w[2] ? m->weights[o->w[2]].vector : NULL;
    uint32_t cols = ig_ref_width(o->in[0]),
             tiles = (a->n_experts + IG_TILE_ROWS - 1) / IG_TILE_ROWS;
    uint32_t n = s->n_rows[cpu_program(m)->values[o->out[0].value].rows];
    uint8_t *acts = m->local[thread] + m->local_acts[IG_ACT_FORM_F32];
    float *logits = (float *)(void *)(m->local[thread] + m->local_chunk);
    cpu_loop(s);
    for (uint32_t row; (row = cpu_take(s)) < n;) {
        const float *x = cpu_value_row(m, o->in[0].value, row) + o->in[0].col;
        m->device->matmul->packers[IG_ACT_FORM_F32].pack(x, cols, cols, 1, 0, 1, acts);
        w->kernel->multiply(w->packed, a->n_experts, cols, 0, tiles, acts, 1, logits,
                            (size_t)tiles * IG_TILE_ROWS);
        for (uint32_t i = 0; bias && i < a->n_experts; i++)
            logits[i] += bias[i];
        choose(a, logits, select,
               (int32_t *)(void *)(cpu_value_row(m, o->out[0].value, row) + o->out[0].col),
               cpu_value_row(m, o->out[1].value, row) + o->out[1].col);
    }
    cpu_barrier(s, thread);
}

typedef struct expert_run {
    cpu_step *s;
    const cpu_op *op;
    uint32_t thread, n, n_experts, top_k, cols; /* n: tokens; cols: inputs of one matrix */
    bool shared;                                /* the k experts of a token read the same row */
    ig_act_format form;
    moe_lists lists;
    uint8_t *acts;
} expert_run;

static void sort_pairs(const expert_run *r) {
    const cpu_module *m = r->s->module;
    ig_ref ids = r->op->op->in[1];
    memset(r->lists.start, 0, ((size_t)r->n_experts + 1) * sizeof(uint32_t));
    for (uint32_t t = 0; t < r->n; t++) {
        const int32_t *id =
            (const int32_t *)(const void *)(cpu_value_row(m, ids.value, t) + ids.col);
        for (uint32_t k = 0; k < r->top_k; k++)
            r->lists.start[id[k] + 1]++;
    }
    for (uint32_t e = 0; e < r->n_experts; e++)
        r->lists.start[e + 1] += r->lists.start[e];
    for (uint32_t t = 0; t < r->n; t++) {
        const int32_t *id =
            (const int32_t *)(const void *)(cpu_value_row(m, ids.value, t) + ids.col);
        for (uint32_t k = 0; k < r->top_k; k++)
            r->lists.pairs[r->lists.start[id[k]]++] = t * r->top_k + k;
    }
    for (uint32_t e = r->n_experts; e > 0; e--) /* the fill moved every start to its end */
        r->lists.start[e] = r->lists.start[e - 1];
    r->lists.start[0] = 0;
}

static void pack_expert(const expert_run *r, uint32_t first, uint32_t n, uint32_t from, uint32_t to,
                        uint8_t *dst) {
    const cpu_module *m = r->s->module;
    ig_ref in = r->op->op->in[0];
    float *copy = (float *)(void *)m->local[r->thread];
    for (uint32_t i = from; i < to; i++) {
        uint32_t pair = r->lists.pairs[first + i], token = pair / r->top_k, rank = pair % r->top_k;
        const float *x = cpu_value_row(m, in.value, token) + in.col;
        if (!r->shared) /* heads = k, or one run of k blocks */
            x += (size_t)rank * (in.heads == r->top_k ? in.stride : r->cols);
        memcpy(copy + (size_t)(i - from) * r->cols, x, (size_t)r->cols * 4);
    }
    m->device->matmul->packers[r->form].pack(copy - (size_t)from * r->cols, r->cols, r->cols, n,
                                             from, to, dst);
}

static void pack_all(const expert_run *r) {
    const cpu_module *m = r->s->module;
    const ig_act_packer *packer = &m->device->matmul->packers[r->form];
    uint8_t *dst = r->acts;
    uint32_t base = 0;
    cpu_loop(r->s);
    uint32_t unit = cpu_take(r->s);
    for (uint32_t e = 0; e < r->n_experts; e++) {
        uint32_t first = r->lists.start[e], n = r->lists.start[e + 1] - first;
        if (n == 0)
            continue;
        uint32_t units = (n + m->pack_rows - 1) / m->pack_rows;
        for (; unit < base + units; unit = cpu_take(r->s)) {
            uint32_t from = (unit - base) * m->pack_rows;
            pack_expert(r, first, n, from, IG_MIN(from + m->pack_rows, n), dst);
        }
        base += units;
        dst += ig_round_up(packer->bytes(r->cols, n), IG_CACHE_LINE);
    }
}

static void expert_chunk(const expert_run *r, uint32_t e, uint32_t part, uint32_t col,
                         uint32_t tile0, uint32_t tile1, const uint8_t *acts) {
    const cpu_module *m = r->s->module;
    const ig_op *op = r->op->op;
    const ig_linear_part *lp = &op->u.linear.parts[part];
    const cpu_weight *w = &m->weights[lp->weight];
    uint32_t first = r->lists.start[e], n = r->lists.start[e + 1] - first;
    uint32_t row0 = tile0 * IG_TILE_ROWS, rows = IG_MIN(tile1 * IG_TILE_ROWS, lp->rows) - row0;
    size_t stride = (size_t)(tile1 - tile0) * IG_TILE_ROWS;
    float *chunk = (float *)(void *)(m->local[r->thread] + m->local_chunk);
    w->kernel->multiply(w->packed + e * w->matrix_bytes, lp->rows, r->cols, tile0, tile1, acts, n,
                        chunk, stride);
    const ig_weight *scales = lp->scale ? &cpu_program(m)->weights[lp->scale] : NULL;
    uint64_t n_scales = scales ? (uint64_t)scales->cols * scales->rows * scales->stack : 0;
    float scale = scales ? m->weights[lp->scale].vector[n_scales > 1 ? e : 0] : 1.0f;
    const float *bias = lp->bias ? m->weights[lp->bias].vector + (size_t)e * lp->rows + row0 : NULL;
    uint32_t block = ig_ref_width(op->out[0]) / r->top_k;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t pair = r->lists.pairs[first + i], token = pair / r->top_k, rank = pair % r->top_k;
        float *out = cpu_value_row(m, op->out[0].value, token) + op->out[0].col +
                     (size_t)rank * block + col + row0;
        const float *in = chunk + i * stride;
        for (uint32_t c = 0; c < rows; c++)
            out[c] = in[c] * scale + (bias ? bias[c] : 0.0f);
    }
}

static void multiply_all(const expert_run *r) {
    const cpu_module *m = r->s->module;
    const ig_linear_attr *a = &r->op->op->u.linear;
    const ig_act_packer *packer = &m->device->matmul->packers[r->form];
    const uint8_t *acts = r->acts;
    uint32_t base = 0;
    cpu_loop(r->s);
    uint32_t unit = cpu_take(r->s);
    for (uint32_t e = 0; e < r->n_experts; e++) {
        uint32_t n = r->lists.start[e + 1] - r->lists.start[e], col = 0;
        if (n == 0)
            continue;
        for (uint32_t p = 0; p < a->n_parts; p++) {
            uint32_t tiles = (a->parts[p].rows + IG_TILE_ROWS - 1) / IG_TILE_ROWS;
            uint32_t step = IG_MAX(IG_MIN(m->chunk_floats / (n * IG_TILE_ROWS), 16u) & ~3u, 1u);
            uint32_t units = (tiles + step - 1) / step;
            for (; unit < base + units; unit = cpu_take(r->s)) {
                uint32_t tile0 = (unit - base) * step;
                expert_chunk(r, e, p, col, tile0, IG_MIN(tile0 + step, tiles), acts);
            }
            base += units;
            col += a->parts[p].rows;
        }
        acts += ig_round_up(packer->bytes(r->cols, n), IG_CACHE_LINE);
    }
}

void cpu_run_expert_linear(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const cpu_module *m = s->module;
    const ig_program *p = cpu_program(m);
    const ig_linear_attr *a = &op->op->u.linear;
    const ig_weight *first = &p->weights[a->parts[0].weight];
    ig_act_format form = m->weights[a->parts[0].weight].kernel->act;
    expert_run r = {.s = s,
                    .op = op,
                    .thread = thread,
                    .n = s->n_rows[p->values[op->op->out[0].value].rows],
                    .n_experts = first->stack,
                    .top_k = a->top_k,
                    .cols = first->cols,
                    .shared = ig_ref_width(op->op->in[0]) == first->cols && a->top_k > 1,
                    .form = form,
                    .lists = lists_of(m, first->stack),
                    .acts = m->shared + m->act_offset[form]};
    if (thread == 0)
        sort_pairs(&r);
    cpu_barrier(s, thread);
    pack_all(&r);
    cpu_barrier(s, thread);
    multiply_all(&r);
    cpu_barrier(s, thread);
}
