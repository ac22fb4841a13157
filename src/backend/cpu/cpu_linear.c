/* cpu_linear.c: one linear op with everything it absorbed, run by all threads.
 *
 * 1. Input rows: the chain before the op runs and the rows are packed for the kernels. A few rows
 * are done by every thread for itself (a barrier costs more than a norm of one row); many rows are
 * shared out, then the threads meet.
 * 2. Tiles of output rows are taken in chunks; a chunk is multiplied with all columns into a
 * thread's buffer and passes the epilogue (scale, bias, what was absorbed after the op) on its way
 * to the arena. Chunks are taken dynamically, so that a thread whose core is shared with another
 * process does less. */
#include <math.h>

#include "backend/cpu/cpu_int.h"

/* Up to so many rows every thread prepares all inputs itself. */
#define REDUNDANT_ROWS 2u
/* Bytes of packed weights that a chunk should have at least, and chunks per thread to aim at. */
#define CHUNK_BYTES_MIN (24u << 10)
/* Up to FEW_ROWS rows: every chunk starts with a wait for memory. */
#define CHUNKS_PER_THREAD_FEW 3u
#define CHUNKS_PER_THREAD_MANY 12u
#define FEW_ROWS 2u

typedef struct linear_run {
    cpu_step *s;
    const cpu_op *op;
    uint32_t thread, n; /* columns of the product: rows of the step */
    const uint8_t *acts[IG_ACT_FORM_COUNT];
    bool glu; /* the first absorbed op joins parts 0 and 1 */
} linear_run;

static const float *input_row(const linear_run *r, uint32_t row, float *scratch, bool store) {
    const ig_op *op = r->op->op;
    cpu_chain_row(r->s, r->op->pre, op->n_pre, row, scratch, store);
    const float *base = r->op->input_slot >= 0 ? scratch + r->op->input_slot
                                               : cpu_value_row(r->s->module, op->in[0].value, row);
    return base + op->in[0].col;
}

static void pack_forms(const linear_run *r, const float *x, size_t stride, uint32_t from,
                       uint32_t to, uint8_t *const dst[]) {
    const ig_act_packer *packers = r->s->module->device->matmul->packers;
    for (uint32_t f = 0; f < IG_ACT_FORM_COUNT; f++) {
        if (r->op->forms & 1u << f)
            packers[f].pack(x, stride, ig_ref_width(r->op->op->in[0]), r->n, from, to, dst[f]);
    }
}

/* Rows [from, to): a chain leaves its row in scratch, from where it is packed at once (stride 0:
 * every column is there); rows without a chain lie in the arena. */
static void pack_rows(const linear_run *r, uint32_t from, uint32_t to, bool store,
                      uint8_t *const dst[]) {
    const cpu_module *m = r->s->module;
    const ig_op *op = r->op->op;
    if (op->n_pre == 0) {
        pack_forms(r, cpu_value_row(m, op->in[0].value, 0) + op->in[0].col,
                   cpu_program(m)->values[op->in[0].value].cols, from, to, dst);
        return;
    }
    float *scratch = (float *)(void *)m->local[r->thread];
    for (uint32_t row = from; row < to; row++)
        pack_forms(r, input_row(r, row, scratch, store), 0, row, row + 1, dst);
}

static void prepare_inputs(linear_run *r) {
    cpu_module *m = r->s->module;
    uint8_t *dst[IG_ACT_FORM_COUNT];
    bool own = r->n <= REDUNDANT_ROWS;
    for (uint32_t f = 0; f < IG_ACT_FORM_COUNT; f++)
        r->acts[f] = dst[f] =
            own ? m->local[r->thread] + m->local_acts[f] : m->shared + m->act_offset[f];
    if (own) {
        pack_rows(r, 0, r->n, r->thread == 0, dst);
        return;
    }
    cpu_loop(r->s);
    const uint32_t share = (uint32_t)ig_div_up(r->n, r->s->n_threads);
    const uint32_t step = IG_MIN(share, m->pack_rows), units = (uint32_t)ig_div_up(r->n, step);
    for (uint32_t u; (u = cpu_take(r->s)) < units;)
        pack_rows(r, u * step, IG_MIN((u + 1) * step, r->n), true, dst);
    cpu_barrier(r->s, r->thread);
}

/* out = out * scale + bias for one row of a chunk. */
static void scale_and_bias(float *out, uint32_t n, const float *scale, const float *bias) {
    if (scale) {
        for (uint32_t i = 0; i < n; i++)
            out[i] *= scale[0];
    }
    if (bias) {
        for (uint32_t i = 0; i < n; i++)
            out[i] += bias[i];
    }
}

/* The absorbed ops after the product, for columns [first, first + n) of the op's output (of part 0
 * when glu). */
static void epilogue(const linear_run *r, uint32_t first, uint32_t n, float *chunk, size_t stride,
                     float *second) {
    const cpu_module *m = r->s->module;
    const ig_op *op = r->op->op;
    ig_op cut[IG_OP_POST_MAX];
    for (uint32_t k = 0; k < op->n_post; k++) {
        cut[k] = *op->post[k];
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++)
            cut[k].in[j] =
                (ig_ref){.value = cut[k].in[j].value, .heads = 1, .cols = n, .stride = n};
        cut[k].out[0] = (ig_ref){.value = cut[k].out[0].value, .heads = 1, .cols = n, .stride = n};
    }
    for (uint32_t row = 0; row < r->n; row++) {
        float *cur = chunk + row * stride;
        ig_value_id value = op->out[0].value;
        for (uint32_t k = 0; k < op->n_post; k++) {
            ig_row_args args = {.op = &cut[k], .w_count = r->op->post[k].w_count};
            for (uint32_t j = 0; j < 2 && cut[k].in[j].value; j++) {
                ig_ref ref = op->post[k]->in[j];
                args.in[j] = ref.value != value ? cpu_value_row(m, ref.value, row) + ref.col + first
                             : k == 0 && j == 1 && r->glu ? second + row * stride
                                                          : cur;
            }
            value = cut[k].out[0].value;
            args.out[0] = k + 1 < op->n_post
                              ? cur
                              : cpu_value_row(m, value, row) + op->post[k]->out[0].col + first;
            r->op->post[k].fn(&args);
        }
        if (op->n_post == 0)
            memcpy(cpu_value_row(m, value, row) + op->out[0].col + first, cur, (size_t)n * 4);
    }
}

static void multiply_part(const linear_run *r, uint32_t part, uint32_t tile0, uint32_t tile1,
                          float *out, size_t stride) {
    const cpu_module *m = r->s->module;
    const ig_linear_part *lp = &r->op->op->u.linear.parts[part];
    const cpu_weight *w = &m->weights[lp->weight];
    const ig_weight *shape = &cpu_program(m)->weights[lp->weight];
    w->kernel->multiply(w->packed, shape->rows, shape->cols, tile0, tile1, r->acts[w->kernel->act],
                        r->n, out, stride);
    const float *scale = lp->scale ? m->weights[lp->scale].vector : NULL;
    const float *bias =
        lp->bias ? m->weights[lp->bias].vector + (size_t)tile0 * IG_TILE_ROWS : NULL;
    uint32_t n = IG_MIN(tile1 * IG_TILE_ROWS, shape->rows) - tile0 * IG_TILE_ROWS;
    for (uint32_t row = 0; (scale || bias) && row < r->n; row++)
        scale_and_bias(out + row * stride, n, scale, bias);
}

/* The largest of 64 logits, as draws see them: a NaN never wins. */
static float largest(const float *x, uint32_t n) {
    float m[16];
    for (int j = 0; j < 16; j++)
        m[j] = -INFINITY;
    if (n == IG_OUTPUT_TILE) {
        for (int i = 0; i < (int)IG_OUTPUT_TILE; i += 16) {
            for (int j = 0; j < 16; j++)
                m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
        }
    } else {
        for (uint32_t i = 0; i < n; i++)
            m[0] = x[i] > m[0] ? x[i] : m[0];
    }
    for (int j = 1; j < 16; j++)
        m[0] = m[j] > m[0] ? m[j] : m[0];
    return m[0];
}

/* Maxima of outputs [from, to) while they lie in a cache: of many rows over a large vocabulary a
 * draw would wait for memory otherwise. */
static void note_maxima(const linear_run *r, uint32_t from, uint32_t to) {
    cpu_module *m = r->s->module;
    const ig_value_id output = cpu_program(m)->output;
    const uint32_t cols = cpu_program(m)->values[output].cols;
    if (from % IG_OUTPUT_TILE || (to % IG_OUTPUT_TILE && to != cols)) {
        ig_lazy_store(&m->maxima_off, 1);
        return;
    }
    for (uint32_t row = 0; row < r->n; row++) {
        const float *x = cpu_value_row(m, output, row);
        float *out = m->maxima + (size_t)row * m->maxima_cols;
        for (uint32_t c = from; c < to; c += IG_OUTPUT_TILE)
            out[c / IG_OUTPUT_TILE] = largest(x + c, IG_MIN(IG_OUTPUT_TILE, to - c));
    }
}

static void run_chunk(const linear_run *r, uint32_t part, uint32_t col, uint32_t tile0,
                      uint32_t tile1) {
    const cpu_module *m = r->s->module;
    const ig_op *op = r->op->op;
    const ig_linear_part *lp = &op->u.linear.parts[part];
    uint32_t row0 = tile0 * IG_TILE_ROWS, row1 = IG_MIN(tile1 * IG_TILE_ROWS, lp->rows);
    size_t stride = (size_t)(tile1 - tile0) * IG_TILE_ROWS;
    float *chunk = (float *)(void *)(m->local[r->thread] + m->local_chunk);
    bool whole = row1 == tile1 * IG_TILE_ROWS;
    if (op->n_post == 0 && whole) {
        /* Straight into the arena: whole tiles never write past their columns. */
        const size_t out_stride = cpu_program(m)->values[op->out[0].value].cols;
        multiply_part(r, part, tile0, tile1,
                      cpu_value_row(m, op->out[0].value, 0) + op->out[0].col + col + row0,
                      out_stride);
        if (r->op->gives_output)
            note_maxima(r, row0, row1);
        return;
    }
    multiply_part(r, part, tile0, tile1, chunk, stride);
    float *second = chunk + r->n * stride;
    if (r->glu)
        multiply_part(r, 1, tile0, tile1, second, stride);
    epilogue(r, col + row0, row1 - row0, chunk, stride, second);
    if (r->op->gives_output)
        note_maxima(r, row0, row1);
}

/* Few rows: the chunk, a multiple of the four tiles that a kernel reads at once, with which the
 * threads finish together; among equals the one nearest to `want`. */
static uint32_t even_chunk(uint32_t tiles, uint32_t n_threads, uint32_t least, uint32_t want) {
    uint32_t best = 0, best_rounds = 0;
    for (uint32_t k = 1; k <= 2 * CHUNKS_PER_THREAD_FEW; k++) {
        const uint32_t step = (uint32_t)ig_round_up(ig_div_up(tiles, n_threads * k), 4);
        const uint32_t rounds = (uint32_t)ig_div_up(ig_div_up(tiles, step), n_threads);
        if (best && step < least)
            break;
        const uint32_t now = rounds * step, before = best_rounds * best;
        if (!best || now < before || (now == before && step >= want)) {
            best = step;
            best_rounds = rounds;
        }
    }
    return best;
}

/* Tiles per chunk of a part: enough bytes to be worth taking, few enough to share out evenly and to
 * fit the buffer. */
static uint32_t chunk_tiles(const linear_run *r, uint32_t part, uint32_t total_tiles) {
    const cpu_module *m = r->s->module;
    const cpu_weight *w = &m->weights[r->op->op->u.linear.parts[part].weight];
    const uint32_t tiles = (uint32_t)ig_div_up(r->op->op->u.linear.parts[part].rows, IG_TILE_ROWS);
    const size_t tile_bytes = w->matrix_bytes / tiles;
    const uint32_t least = (uint32_t)(CHUNK_BYTES_MIN / IG_MAX(tile_bytes, (size_t)1));
    const uint32_t most = m->chunk_floats / (r->n * IG_TILE_ROWS * (r->glu ? 2 : 1));
    const bool few = r->n <= FEW_ROWS;
    const uint32_t want =
        total_tiles / (r->s->n_threads * (few ? CHUNKS_PER_THREAD_FEW : CHUNKS_PER_THREAD_MANY));
    if (few)
        return IG_MIN(even_chunk(tiles, r->s->n_threads, least, want), most);
    const uint32_t n = IG_MIN(IG_MAX(want, least), most);
    /* Kernels work on four vectors of rows: a tile too many at the end of a chunk costs as much as
     * four. */
    return n >= 4 ? n & ~3u : IG_MIN(2u, IG_MAX(most, 1u));
}

void cpu_run_linear(cpu_step *s, const cpu_op *op, uint32_t thread) {
    const ig_program *p = cpu_program(s->module);
    const ig_linear_attr *a = &op->op->u.linear;
    linear_run r = {
        .s = s, .op = op, .thread = thread, .n = s->n_rows[p->values[op->op->out[0].value].rows]};
    r.glu = op->op->n_post > 0 && op->op->post[0]->kind == IG_OP_GLU &&
            op->op->post[0]->in[1].value != 0;
    if (r.n == 0)
        return;
    prepare_inputs(&r);
    uint32_t n_parts = r.glu ? 1 : a->n_parts, total = 0;
    for (uint32_t i = 0; i < n_parts; i++)
        total += (a->parts[i].rows + IG_TILE_ROWS - 1) / IG_TILE_ROWS;
    cpu_loop(s);
    uint32_t unit = cpu_take(s), base = 0, col = 0;
    for (uint32_t i = 0; i < n_parts; i++) {
        uint32_t tiles = (a->parts[i].rows + IG_TILE_ROWS - 1) / IG_TILE_ROWS,
                 step = chunk_tiles(&r, i, total);
        uint32_t units = (tiles + step - 1) / step;
        for (; unit < base + units; unit = cpu_take(s)) {
            uint32_t tile0 = (unit - base) * step;
            run_chunk(&r, i, col, tile0, IG_MIN(tile0 + step, tiles));
        }
        base += units;
        col += a->parts[i].rows;
    }
    cpu_barrier(s, thread);
}
