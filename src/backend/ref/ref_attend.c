/* ref_attend.c: attend. Keys and values of the step are written first and read back from the pages,
 * so that a token sees the same bytes whether its neighbours came in this step or in an earlier
 * one; keys are visited in ascending order. */
#include "backend/ref/ref_int.h"

/* One sequence in one layer. */
typedef struct attention {
    const ref_step *s;
    const ig_op *op;
    const ig_batch_seq *seq;
    const uint32_t *pages; /* page table; NULL = the rows of the step are all there is */
} attention;

typedef struct range {
    uint32_t first, end;
} range;

bool ig_refop_attend_accepts(const ig_program *p, const ig_op *op) {
    const ig_attend_attr *a = &op->u.attend;
    if (!ig_refop_accepts(p, op) || p->values[op->in[0].value].rows != IG_ROWS_TOKENS)
        return false;
    if (a->state == 0)
        return op->in[1].value != 0;
    /* Pages behind the state's window are gone, so no op may look further back. */
    const ig_state *st = &p->states[a->state];
    return st->kind == IG_STATE_PAGES && st->k_cols == a->k_cols && st->v_cols == a->v_cols &&
           st->n_kv_heads == a->n_kv_heads &&
           (st->window == 0 || (a->window && a->window <= st->window));
}

/* Tokens that token i sees, n being all tokens of the sequence. */
static range visible(const ig_attend_attr *a, uint32_t i, uint32_t n) {
    const uint32_t w = a->window;
    switch (a->mask) {
    case IG_MASK_CAUSAL:
        return (range){w && i >= w ? i - w + 1 : 0, i + 1};
    case IG_MASK_CHUNK:
        return (range){w ? i / w * w : 0, i + 1};
    case IG_MASK_SYMMETRIC:
        if (w)
            return (range){i > w / 2 ? i - w / 2 : 0, n - i > w / 2 ? i + w / 2 + 1 : n};
        break;
    case IG_MASK_FULL:
        break;
    }
    return (range){0, n};
}

/* 2^-(...) by head; Press et al., with the interleaved second half for head counts that are no
 * power of two. */
static double alibi_slope(const ig_attend_attr *a, uint32_t h) {
    uint32_t n2 = 1;
    while (n2 * 2 <= a->n_heads)
        n2 *= 2;
    const double m = (double)a->alibi_max;
    return h < n2 ? exp2(-(h + 1.0) * m / n2) : exp2(-(2.0 * (h - n2) + 1) * m / (2.0 * n2));
}

/* Position of token j of the sequence: what the batch says for its rows, its index for what came
 * before. */
static int32_t token_position(const attention *t, uint32_t j) {
    return j < t->seq->n_past ? (int32_t)j : t->s->m->position[t->seq->row + j - t->seq->n_past];
}

/* K (or V) of one head of token j as f32. */
static const float *kv_load(const attention *t, uint32_t j, uint32_t head, bool value) {
    const ig_attend_attr *a = &t->op->u.attend;
    const ref_pool *pool = t->s->pool;
    if (!t->pages) {
        const ig_ref r = t->op->in[value ? 2 : 1];
        return ref_row(t->s, r, t->seq->row + j) + (size_t)head * r.stride;
    }
    const uint8_t *src =
        ig_refop_kv(pool, a->state, t->pages[j / IG_PAGE_TOKENS], j % IG_PAGE_TOKENS, head, value);
    ig_dtype_info(value ? pool->v_dtype : pool->k_dtype)
        ->decode(src, t->s->m->kv_row, value ? a->v_cols : a->k_cols);
    return t->s->m->kv_row;
}

static void kv_write(const attention *t) {
    const ref_pool *pool = t->s->pool;
    const ig_attend_attr *a = &t->op->u.attend;
    for (uint32_t i = 0; i < t->seq->n_rows; i++) {
        const uint32_t j = t->seq->n_past + i, page = t->pages[j / IG_PAGE_TOKENS],
                       token = j % IG_PAGE_TOKENS;
        for (uint32_t head = 0; head < a->n_kv_heads; head++) {
            for (int value = 0; value < 2; value++) {
                const ig_ref r = t->op->in[1 + value];
                const float *src = ref_row(t->s, r, t->seq->row + i) + (size_t)head * r.stride;
                ig_dtype_info(value ? pool->v_dtype : pool->k_dtype)
                    ->encode(src, ig_refop_kv(pool, a->state, page, token, head, value != 0),
                             r.cols);
            }
        }
    }
}

/* Turns n scores into weights; the sink takes part in the sum and has no value. */
static void softmax(double *scores, uint32_t n, const float *sink) {
    double max = sink ? (double)*sink : -INFINITY, sum = 0;
    for (uint32_t j = 0; j < n; j++)
        max = fmax(max, scores[j]);
    for (uint32_t j = 0; j < n; j++)
        sum += scores[j] = exp(scores[j] - max);
    if (sink)
        sum += exp((double)*sink - max);
    for (uint32_t j = 0; j < n; j++)
        scores[j] /= sum;
}

/* Query row i (of the step's rows of the sequence), all query heads [h0, h1) that share a K/V head.
 */
static void attend_heads(const attention *t, uint32_t i, uint32_t kv_head, uint32_t h0,
                         uint32_t h1) {
    const ig_attend_attr *a = &t->op->u.attend;
    const uint32_t row = t->seq->row + i, at = t->seq->n_past + i;
    const range see = visible(a, at, t->seq->n_past + t->seq->n_rows);
    const uint32_t n = see.end - see.first, group = h1 - h0;
    const float *sinks = ref_vector(t->s, t->op->w[0]), *q = ref_row(t->s, t->op->in[0], row);
    double *scores = t->s->m->scratch, *acc = scores + (size_t)group * n;
    for (uint32_t j = 0; j < n; j++) {
        const float *k = kv_load(t, see.first + j, kv_head, false);
        const double distance =
            fabs((double)token_position(t, at) - (double)token_position(t, see.first + j));
        for (uint32_t h = 0; h < group; h++) {
            double x = (double)a->scale *
                       ig_refop_dot(q + (size_t)(h0 + h) * t->op->in[0].stride, k, a->k_cols);
            if (a->cap > 0)
                x = (double)a->cap * tanh(x / (double)a->cap);
            if (a->alibi_max > 0)
                x -= alibi_slope(a, h0 + h) * distance;
            scores[(size_t)h * n + j] = x;
        }
    }
    for (uint32_t h = 0; h < group; h++)
        softmax(scores + (size_t)h * n, n, sinks ? &sinks[h0 + h] : NULL);
    memset(acc, 0, (size_t)group * a->v_cols * sizeof *acc);
    for (uint32_t j = 0; j < n; j++) {
        const float *v = kv_load(t, see.first + j, kv_head, true);
        for (uint32_t h = 0; h < group; h++) {
            for (uint32_t c = 0; c < a->v_cols; c++)
                acc[(size_t)h * a->v_cols + c] += scores[(size_t)h * n + j] * (double)v[c];
        }
    }
    for (uint32_t h = 0; h < group; h++) {
        float *y = ref_row(t->s, t->op->out[0], row);
        for (uint32_t c = 0; c < a->v_cols; c++)
            y[ref_at(t->op->out[0], (h0 + h) * a->v_cols + c)] =
                (float)acc[(size_t)h * a->v_cols + c];
    }
}

ig_status ig_refop_attend(const ref_step *s, const ig_op *op, ig_err *err) {
    (void)err;
    const ig_attend_attr *a = &op->u.attend;
    const ig_state *st = a->state ? &s->m->plan->program->states[a->state] : NULL;
    for (uint32_t i = 0; i < s->batch->n_seqs; i++) {
        const ig_batch_seq *seq = &s->batch->seqs[i];
        const attention t = {s, op, seq, st ? s->batch->pages + seq->table[st->group] : NULL};
        if (t.pages && op->in[1].value)
            kv_write(&t);
        for (uint32_t row = 0; row < seq->n_rows; row++) {
            for (uint32_t h0 = 0, h1; h0 < a->n_heads; h0 = h1) {
                const uint32_t kv_head = (uint32_t)((uint64_t)h0 * a->n_kv_heads / a->n_heads);
                for (h1 = h0 + 1;
                     h1 < a->n_heads && (uint64_t)h1 * a->n_kv_heads / a->n_heads == kv_head;)
                    h1++;
                attend_heads(&t, row, kv_head, h0, h1);
            }
        }
    }
    return IG_OK;
}
