/* cpu_load.c: a plan becomes a module: weights packed by all threads, every op with its pointers,
 * all scratch reserved. Afterwards a step allocates nothing. Entered by the thread that opens the
 * model. */
#include "backend/cpu/cpu_int.h"

#define CHUNK_FLOATS_MIN (128u << 10)
#define PACK_TILES 32u /* tiles per unit of packing */

/* ---- weights --------------------------------------------------------------------------------- */

static ig_status load_vector(cpu_module *m, ig_weight_id id, ig_err *err) {
    const ig_weight *w = &cpu_program(m)->weights[id];
    cpu_weight *mine = &m->weights[id];
    if (id == 0 || mine->vector)
        return IG_OK;
    size_t n = (size_t)w->cols * w->rows * w->stack;
    mine->vector = ig_alloc_aligned((n + 16) * sizeof(float), IG_CACHE_LINE);
    if (!mine->vector)
        return ig_fail_memory(err, n * sizeof(float));
    ig_dtype_info(w->dtype)->decode(w->data, mine->vector, n);
    return IG_OK;
}

typedef struct pack_job {
    cpu_module *m;
    const ig_weight *w;
    const uint8_t *source;
    size_t row_bytes;
    cpu_weight *to;
    uint32_t epoch;
    bool drop;
} pack_job;

static void pack_units(void *user, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    (void)thread;
    const pack_job *j = user;
    uint32_t tiles = (j->w->rows + IG_TILE_ROWS - 1) / IG_TILE_ROWS,
             per = (tiles + PACK_TILES - 1) / PACK_TILES;
    for (uint64_t u;
         (u = ig_team_take(j->m->device->team, 0, j->epoch)) < (uint64_t)per * j->w->stack;) {
        uint32_t e = (uint32_t)(u / per), tile0 = (uint32_t)(u % per) * PACK_TILES;
        uint32_t tile1 = IG_MIN(tile0 + PACK_TILES, tiles),
                 rows = IG_MIN(tile1 * IG_TILE_ROWS, j->w->rows);
        const uint8_t *matrix = j->source + (size_t)e * j->w->rows * j->row_bytes;
        j->to->kernel->pack(matrix, j->w->rows, j->w->cols, tile0, tile1,
                            j->to->packed + e * j->to->matrix_bytes);
        if (j->drop)
            ig_pages_drop(matrix + (size_t)tile0 * IG_TILE_ROWS * j->row_bytes,
                          (size_t)(rows - tile0 * IG_TILE_ROWS) * j->row_bytes);
    }
}

/* Packs a matrix (stack) for its kernel; with as_f32 the weights are decoded first (routers). */
static ig_status load_matrix(cpu_module *m, ig_weight_id id, bool as_f32, ig_err *err) {
    const ig_weight *w = &cpu_program(m)->weights[id];
    cpu_weight *mine = &m->weights[id];
    if (mine->packed)
        return IG_OK;
    ig_dtype dtype = as_f32 ? IG_DTYPE_F32 : w->dtype;
    float *decoded = NULL;
    size_t n = (size_t)w->cols * w->rows * w->stack;
    mine->kernel = ig_matmul_find(m->device->matmul, dtype);
    if (!mine->kernel)
        return ig_fail(err, IG_EUNSUPPORTED, "%.*s: no %s matmul for %s", IG_STR_ARG(w->name),
                       m->device->matmul->isa, ig_dtype_info(dtype)->name);
    mine->matrix_bytes = ig_round_up(mine->kernel->packed_bytes(w->rows, w->cols), IG_CACHE_LINE);
    if (!ig_mul(mine->matrix_bytes, w->stack, &mine->packed_bytes) ||
        !(mine->packed = ig_pages_alloc(mine->packed_bytes)))
        return ig_fail(err, IG_EMEMORY,
                       "%.*s: %zu bytes for the packed weight; a smaller quantisation would help",
                       IG_STR_ARG(w->name), mine->packed_bytes);
    pack_job job = {.m = m,
                    .w = w,
                    .source = w->data,
                    .row_bytes = (size_t)(w->bytes / ((uint64_t)w->rows * w->stack)),
                    .to = mine,
                    .drop = w->mapped,
                    .epoch = ++m->device->pack_epoch};
    if (as_f32 && w->dtype != IG_DTYPE_F32) {
        decoded = ig_alloc(n, sizeof *decoded);
        if (!decoded)
            return ig_fail_memory(err, n * sizeof *decoded);
        ig_dtype_info(w->dtype)->decode(w->data, decoded, n);
        job.source = (const uint8_t *)decoded;
        job.row_bytes = (size_t)w->cols * sizeof *decoded;
        job.drop = false;
    }
    ig_team_run(m->device->team, pack_units, &job);
    ig_free(decoded);
    m->packed_bytes += mine->packed_bytes;
    return IG_OK;
}

static ig_status load_op_weights(cpu_module *m, const ig_op *op, ig_err *err) {
    if (op->kind == IG_OP_LINEAR || op->kind == IG_OP_EXPERT_LINEAR) {
        for (uint32_t i = 0; i < op->u.linear.n_parts; i++) {
            IG_TRY(load_matrix(m, op->u.linear.parts[i].weight, false, err));
            IG_TRY(load_vector(m, op->u.linear.parts[i].bias, err));
            IG_TRY(load_vector(m, op->u.linear.parts[i].scale, err));
        }
    } else if (op->kind == IG_OP_ROUTE) {
        IG_TRY(load_matrix(m, op->w[0], true, err));
        IG_TRY(load_vector(m, op->w[1], err));
        IG_TRY(load_vector(m, op->w[2], err));
    } else if (op->kind != IG_OP_EMBED) { /* embed reads its table in place */
        for (uint32_t i = 0; i < IG_OP_WEIGHTS_MAX; i++)
            IG_TRY(load_vector(m, op->w[i], err));
    }
    for (uint32_t i = 0; i < op->n_pre; i++)
        IG_TRY(load_op_weights(m, op->pre[i], err));
    for (uint32_t i = 0; i < op->n_post; i++)
        IG_TRY(load_op_weights(m, op->post[i], err));
    return IG_OK;
}

/* ---- ops ------------------------------------------------------------------------------------- */

static ig_status rope_table_of(cpu_module *m, const ig_rope_attr *rope, int32_t *index,
                               ig_err *err) {
    for (uint32_t i = 0; i < m->n_ropes; i++) {
        const ig_rope_attr *r = m->ropes[i].rope;
        if (r->inv_freq == rope->inv_freq && r->n_rot == rope->n_rot && r->m == rope->m &&
            r->inverse == rope->inverse && r->streams == rope->streams) {
            *index = (int32_t)i;
            return IG_OK;
        }
    }
    cpu_rope_table t = {.rope = rope};
    size_t n = (size_t)m->plan->limits.tokens_max * rope->n_rot;
    t.cos_sin = ig_alloc_aligned(n * sizeof(float), IG_CACHE_LINE);
    cpu_rope_table *more = t.cos_sin ? ig_realloc(m->ropes, m->n_ropes + 1, sizeof *more) : NULL;
    if (!more) {
        ig_free(t.cos_sin);
        return ig_fail_memory(err, n * sizeof(float));
    }
    m->ropes = more;
    *index = (int32_t)m->n_ropes;
    m->ropes[m->n_ropes++] = t;
    return IG_OK;
}

static ig_status compile_row_op(cpu_module *m, const ig_op *op, cpu_row_op *row, ig_err *err) {
    *row = (cpu_row_op){.op = op, .fn = cpu_caps_row(m->device, op->kind), .rope_table = -1};
    for (uint32_t j = 0; j < IG_OP_IN_MAX; j++)
        row->in_slot[j] = -1;
    for (uint32_t j = 0; j < IG_OP_OUT_MAX; j++)
        row->out_slot[j] = -1;
    for (uint32_t j = 0; j < IG_OP_WEIGHTS_MAX; j++)
        row->w[j] = m->weights[op->w[j]].vector;
    const ig_weight *w = &cpu_program(m)->weights[op->w[0]];
    row->w_count = op->w[0] ? w->cols * w->rows * w->stack : 0;
    return op->kind == IG_OP_ROPE ? rope_table_of(m, &op->u.rope, &row->rope_table, err) : IG_OK;
}

/* Where value v lies while the chain runs: the slot of the op that makes it, -1 when no op of the
 * chain does. */
static int64_t slot_of(const cpu_op *op, uint32_t n, ig_value_id v) {
    for (uint32_t i = 0; v && i < n; i++) {
        for (uint32_t j = 0; j < IG_OP_OUT_MAX; j++) {
            if (op->pre[i].op->out[j].value == v)
                return op->pre[i].out_slot[j];
        }
    }
    return -1;
}

/* Does the op, with what it absorbed, leave exactly the logits? */
static bool gives_output(const ig_program *p, const ig_op *op) {
    const ig_ref out = op->n_post ? op->post[op->n_post - 1]->out[0] : op->out[0];
    const bool glu = op->n_post && op->post[0]->kind == IG_OP_GLU;
    return p->facts.has_logits && op->kind == IG_OP_LINEAR && op->u.linear.n_parts == 1 && !glu &&
           out.value == p->output && out.col == 0 &&
           op->u.linear.parts[0].rows == p->values[p->output].cols;
}

static ig_status compile_chain(cpu_module *m, cpu_op *op, ig_err *err) {
    const ig_program *p = cpu_program(m);
    for (uint32_t i = 0; i < op->op->n_pre; i++) {
        cpu_row_op *row = &op->pre[i];
        IG_TRY(compile_row_op(m, op->op->pre[i], row, err));
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++)
            row->in_slot[j] = slot_of(op, i, row->op->in[j].value);
        for (uint32_t j = 0; j < IG_OP_OUT_MAX; j++) {
            ig_value_id v = row->op->out[j].value;
            if (v == 0)
                continue;
            int64_t known = slot_of(op, i, v); /* two ops may fill parts of one value */
            row->out_slot[j] = known >= 0 ? known : (int64_t)op->chain_floats;
            row->out_store[j] = !p->values[v].unmaterialised;
            if (known < 0)
                op->chain_floats += ig_round_up(p->values[v].cols, 16);
        }
    }
    op->input_slot = slot_of(op, op->op->n_pre, op->op->in[0].value);
    for (uint32_t i = 0; i < 3; i++)
        op->qkv_slot[i] = slot_of(op, op->op->n_pre, op->op->in[i].value);
    for (uint32_t i = 0; i < op->op->n_post; i++)
        IG_TRY(compile_row_op(m, op->op->post[i], &op->post[i], err));
    return IG_OK;
}

static ig_status compile_ops(cpu_module *m, ig_err *err) {
    const ig_program *p = cpu_program(m);
    size_t n = 0;
    for (uint32_t i = 0; i < p->n_ops; i++)
        n += (size_t)p->ops[i].n_pre + p->ops[i].n_post;
    m->ops = ig_alloc(p->n_ops, sizeof *m->ops);
    m->row_ops = ig_alloc(n, sizeof *m->row_ops);
    m->op_seconds = ig_alloc(p->n_ops, sizeof *m->op_seconds);
    if (!m->ops || !m->row_ops || !m->op_seconds)
        return ig_fail_memory(err, p->n_ops * sizeof *m->ops);
    cpu_row_op *next = m->row_ops;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        cpu_op *op = &m->ops[i];
        *op = (cpu_op){
            .op = &p->ops[i], .run = cpu_caps_run(p->ops[i].kind), .index = i, .pre = next};
        op->post = op->pre + p->ops[i].n_pre;
        next = op->post + p->ops[i].n_post;
        IG_TRY(compile_row_op(m, &p->ops[i], &op->self, err));
        IG_TRY(compile_chain(m, op, err));
        if (p->ops[i].kind == IG_OP_LINEAR || p->ops[i].kind == IG_OP_EXPERT_LINEAR) {
            for (uint32_t k = 0; k < p->ops[i].u.linear.n_parts; k++)
                op->forms |= 1u << m->weights[p->ops[i].u.linear.parts[k].weight].kernel->act;
            op->gives_output = gives_output(p, &p->ops[i]);
        } else if (p->ops[i].kind == IG_OP_ROUTE) {
            op->forms = 1u << IG_ACT_FORM_F32;
        }
    }
    return IG_OK;
}

/* ---- scratch --------------------------------------------------------------------------------- */

typedef struct scratch_need {
    size_t row_floats, acts_own[IG_ACT_FORM_COUNT], acts[IG_ACT_FORM_COUNT], attend, q_floats, page;
} scratch_need;

/* A step may hold that many sequences of few rows at once. */
static size_t attend_scratch(const cpu_module *m, const ig_op *op) {
    const ig_limits *limits = &m->plan->limits;
    const size_t bytes =
        ig_attn_scratch_max(&op->u.attend, limits->tokens_max, limits->context_max);
    return ig_round_up(bytes, IG_CACHE_LINE) * limits->seqs_max;
}

static ig_status reserve_maxima(cpu_module *m, ig_err *err) {
    const ig_program *p = cpu_program(m);
    m->maxima_cols = (uint32_t)ig_div_up(p->values[p->output].cols, IG_OUTPUT_TILE);
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (!m->ops[i].gives_output || m->maxima)
            continue;
        m->maxima =
            ig_alloc((size_t)m->plan->limits.outputs_max * m->maxima_cols, sizeof *m->maxima);
        if (!m->maxima)
            return ig_fail_memory(err, m->maxima_cols * sizeof *m->maxima);
    }
    return IG_OK;
}

static void need_of(const cpu_module *m, const cpu_op *op, scratch_need *need) {
    const ig_limits *limits = &m->plan->limits;
    size_t cols = op->op->in[0].value ? ig_ref_width(op->op->in[0]) : 0,
           columns = limits->tokens_max, copy = 0;
    if (op->op->kind == IG_OP_EXPERT_LINEAR) {
        const ig_weight *w = &cpu_program(m)->weights[op->op->u.linear.parts[0].weight];
        columns =
            (size_t)limits->tokens_max * op->op->u.linear.top_k + (size_t)w->stack * m->pack_rows;
        cols = w->cols;
    }
    for (uint32_t f = 0; f < IG_ACT_FORM_COUNT; f++) {
        if (!(op->forms & 1u << f))
            continue;
        const ig_act_packer *packer = &m->device->matmul->packers[f];
        need->acts[f] = IG_MAX(need->acts[f], packer->bytes((uint32_t)cols, (uint32_t)columns) +
                                                  (size_t)IG_EXPERTS_MAX * IG_CACHE_LINE);
        need->acts_own[f] = IG_MAX(need->acts_own[f], packer->bytes((uint32_t)cols, m->pack_rows));
        copy = cols * m->pack_rows;
    }
    need->row_floats = IG_MAX(need->row_floats, op->chain_floats + copy + 64);
    if (op->op->kind == IG_OP_ATTEND) {
        const ig_attend_attr *a = &op->op->u.attend;
        ig_state own = {.kind = IG_STATE_PAGES,
                        .n_kv_heads = a->n_kv_heads,
                        .k_cols = a->k_cols,
                        .v_cols = a->v_cols};
        need->attend = IG_MAX(need->attend, attend_scratch(m, op->op));
        if (a->state == 0)
            need->page =
                IG_MAX(need->page, m->device->attn->page_bytes(&own, IG_DTYPE_F32, IG_DTYPE_F32));
        if (op->qkv_slot[0] >= 0)
            need->q_floats =
                IG_MAX(need->q_floats, (size_t)ig_ref_width(op->op->in[0]) * limits->tokens_max);
    }
}

static ig_status reserve_scratch(cpu_module *m, ig_err *err) {
    const ig_program *p = cpu_program(m);
    scratch_need need = {0};
    m->pack_rows = 1;
    for (uint32_t f = 0; f < IG_ACT_FORM_COUNT; f++) {
        uint32_t group = m->device->matmul->packers[f].group_cols;
        m->pack_rows =
            group ? m->pack_rows * (group / (m->pack_rows % group == 0 ? group : 1)) : m->pack_rows;
    }
    for (uint32_t i = 0; i < p->n_ops; i++)
        need_of(m, &m->ops[i], &need);
    size_t at = 0,
           local = ig_round_up(IG_MAX(need.row_floats * 4, (size_t)IG_ATTN_LOCAL_BYTES), 4096);
    for (uint32_t f = 0; f < IG_ACT_FORM_COUNT; f++) {
        m->act_offset[f] = at;
        at += ig_round_up(need.acts[f], 4096);
        m->local_acts[f] = local;
        local += ig_round_up(need.acts_own[f], 4096);
    }
    /* Room for the four tiles that a kernel reads at once, of both parts of a glu. */
    m->chunk_floats = IG_MAX(CHUNK_FLOATS_MIN, m->plan->limits.tokens_max * 4 * IG_TILE_ROWS * 2);
    m->local_chunk = local;
    m->local_bytes = local + (size_t)IG_MAX(m->chunk_floats, IG_EXPERTS_MAX + 64u) * 4;
    m->shared_bytes = IG_MAX(IG_MAX(at, need.attend), (size_t)4096);
    m->attend_q_floats = need.q_floats;
    size_t lists = cpu_moe_list_bytes(p, &m->plan->limits);
    m->arena_bytes = (size_t)m->plan->arena_bytes + 4096;
    m->arena = ig_pages_alloc(m->arena_bytes);
    m->shared = ig_pages_alloc(m->shared_bytes);
    m->attend_q = ig_pages_alloc(IG_MAX(need.q_floats * 4, (size_t)4096));
    m->positions = ig_alloc(m->plan->limits.tokens_max, sizeof *m->positions);
    m->expert_ids = lists ? ig_alloc(lists, 1) : NULL;
    uint32_t n_pages = m->plan->limits.tokens_max / IG_PAGE_TOKENS + m->plan->limits.seqs_max + 1;
    m->step_pages_bytes = need.page * n_pages;
    m->step_pages = need.page ? ig_pages_alloc(m->step_pages_bytes) : NULL;
    m->step_table = ig_alloc(n_pages, sizeof *m->step_table);
    for (uint32_t i = 0; m->step_table && i < n_pages; i++)
        m->step_table[i] = i;
    IG_TRY(reserve_maxima(m, err));
    bool ok = m->step_table && (m->step_pages || !need.page) && m->arena && m->shared &&
              m->attend_q && m->positions && (m->expert_ids || !lists);
    for (uint32_t t = 0; ok && t < m->device->n_threads; t++)
        ok = (m->local[t] = ig_pages_alloc(m->local_bytes)) != NULL;
    if (!ok)
        return ig_fail(err, IG_EMEMORY,
                       "%zu bytes for activations; a smaller batch (-b) would help",
                       m->arena_bytes);
    return IG_OK;
}

/* ---- module ---------------------------------------------------------------------------------- */

static ig_status build(cpu_module *m, ig_err *err) {
    const ig_program *p = cpu_program(m);
    m->weights = ig_alloc(p->n_weights + 1, sizeof *m->weights);
    if (!m->weights)
        return ig_fail_memory(err, p->n_weights * sizeof *m->weights);
    const ig_device_options *o = &m->device->options;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        IG_TRY(load_op_weights(m, &p->ops[i], err));
        if (o->progress)
            o->progress(o->progress_user, (double)(i + 1) / p->n_ops);
    }
    IG_TRY(compile_ops(m, err));
    return reserve_scratch(m, err);
}

ig_status cpu_load(void *self, const ig_plan *plan, void **module, ig_err *err) {
    cpu_module *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    m->device = self;
    m->plan = plan;
    ig_status status = build(m, err);
    if (status) {
        cpu_unload(m);
        return status;
    }
    *module = m;
    return IG_OK;
}

void cpu_unload(void *module) {
    cpu_module *m = module;
    if (!m)
        return;
    for (uint32_t w = 0; m->weights && w < cpu_program(m)->n_weights; w++) {
        ig_pages_free(m->weights[w].packed, m->weights[w].packed_bytes);
        ig_free(m->weights[w].vector);
    }
    for (uint32_t i = 0; i < m->n_ropes; i++)
        ig_free(m->ropes[i].cos_sin);
    for (uint32_t t = 0; t < m->device->n_threads; t++)
        ig_pages_free(m->local[t], m->local_bytes);
    ig_pages_free(m->arena, m->arena_bytes);
    ig_pages_free(m->shared, m->shared_bytes);
    ig_pages_free(m->attend_q, IG_MAX(m->attend_q_floats * 4, (size_t)4096));
    ig_pages_free(m->step_pages, m->step_pages_bytes);
    ig_free(m->step_table);
    ig_free(m->expert_ids);
    ig_free(m->positions);
    ig_free(m->ropes);
    ig_free(m->weights);
    ig_free(m->ops);
    ig_free(m->row_ops);
    ig_free(m->op_seconds);
    ig_free(m->maxima);
    ig_free(m);
}
