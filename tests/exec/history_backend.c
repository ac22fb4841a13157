/* history_backend.c: see history_backend.h. One module and one pool at a time. */
#include "history_backend.h"

#include "os/os.h"

typedef struct cell {
    uint64_t before;
    int32_t id;
    bool written;
} cell;

typedef struct history_device {
    history *h, none;
    ig_capabilities caps;
    ig_kernel_row rows[IG_OP_COUNT];
} history_device;

typedef struct history_module {
    history *h;
    const ig_plan *plan;
    uint32_t n_vocab;
    float *out;
    uint64_t *ends; /* [seqs_max]: hash of each sequence before the step */
} history_module;

typedef struct history_pool {
    history_module *m;
    cell *cells[IG_PAGE_GROUPS_MAX]; /* [n_pages][IG_PAGE_TOKENS] */
} history_pool;

static uint64_t scramble(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
}

uint64_t history_add(uint64_t hash, int32_t id) {
    return scramble(hash * 3 + 0x9E3779B97F4A7C15ull * ((uint64_t)(uint32_t)id + 1));
}

void history_logits(uint64_t hash, uint32_t n_vocab, float *logits) {
    for (uint32_t i = 0; i < n_vocab; i++)
        logits[i] = (float)(scramble(hash + i * 0x9E3779B97F4A7C15ull) >> 40) * 0x1p-21f;
}

/* ---- the device -------------------------------------------------------------------------------
 */

static ig_status device_open(void **self, const ig_device_options *options, ig_err *err) {
    history_device *d = ig_alloc(1, sizeof *d);
    if (!d)
        return ig_fail_memory(err, sizeof *d);
    d->h = options->progress_user ? options->progress_user : &d->none;
    d->caps = (ig_capabilities){.name = "history", .rows = d->rows};
    for (int kind = IG_OP_NONE + 1; kind < IG_OP_COUNT; kind++)
        d->rows[d->caps.n_rows++] = (ig_kernel_row){.kind = (ig_op_kind)kind, .name = "anything"};
    *self = d;
    return IG_OK;
}

static void device_close(void *self) {
    ig_free(self);
}

static const ig_capabilities *device_caps(void *self) {
    return &((const history_device *)self)->caps;
}

static uint32_t device_threads(void *self) {
    const history *h = ((const history_device *)self)->h;
    return h->n_threads ? h->n_threads : 1;
}

static void device_share(void *self, ig_device_work fn, void *user) {
    const uint32_t n = device_threads(self);
    ((history_device *)self)->h->n_shared++;
    for (uint32_t i = n; i-- > 0;)
        fn(user, i, n);
}

static void module_unload(void *module) {
    history_module *m = module;
    ig_free(m->out);
    ig_free(m->ends);
    ig_free(m);
}

static ig_status module_load(void *self, const ig_plan *plan, void **module, ig_err *err) {
    history_module *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    m->h = ((history_device *)self)->h;
    m->plan = plan;
    m->n_vocab = plan->program->values[plan->program->output].cols;
    m->out = ig_alloc((size_t)plan->limits.outputs_max * m->n_vocab, sizeof *m->out);
    m->ends = ig_alloc(plan->limits.seqs_max, sizeof *m->ends);
    if (!m->out || !m->ends) {
        module_unload(m);
        return ig_fail(err, IG_EMEMORY, "out of memory");
    }
    for (uint32_t i = 0; i < plan->limits.outputs_max; i++)
        history_logits(i, m->n_vocab, m->out + (size_t)i * m->n_vocab);
    *module = m;
    return IG_OK;
}

static uint64_t module_bytes(void *module) {
    (void)module;
    return sizeof(history_module);
}

static uint64_t page_bytes(void *self, const ig_plan *plan, uint32_t group, ig_dtype k,
                           ig_dtype v) {
    (void)self, (void)plan, (void)group, (void)k, (void)v;
    return IG_PAGE_TOKENS * sizeof(cell);
}

static void pool_close(void *pool) {
    history_pool *p = pool;
    for (uint32_t g = 0; g < IG_PAGE_GROUPS_MAX; g++)
        ig_free(p->cells[g]);
    ig_free(p);
}

static ig_status pool_open(void *module, const ig_pool_options *options, void **pool, ig_err *err) {
    history_pool *p = ig_alloc(1, sizeof *p);
    if (!p)
        return ig_fail_memory(err, sizeof *p);
    p->m = module;
    for (uint32_t g = 0; g < p->m->plan->n_groups; g++) {
        p->cells[g] = ig_alloc((size_t)options->n_pages[g] * IG_PAGE_TOKENS, sizeof(cell));
        if (!p->cells[g]) {
            pool_close(p);
            return ig_fail(err, IG_EMEMORY, "out of memory");
        }
    }
    *pool = p;
    return IG_OK;
}

static ig_status pool_copy(void *pool, uint32_t group, const uint32_t *from, const uint32_t *to,
                           uint32_t n, ig_err *err) {
    history_pool *p = pool;
    if (p->m->h->no_copies) {
        p->m->h->n_failed++;
        return ig_fail(err, p->m->h->status, "history: copies fail as they were told");
    }
    p->m->h->n_copies += n;
    for (uint32_t i = 0; i < n; i++)
        memcpy(p->cells[group] + (size_t)to[i] * IG_PAGE_TOKENS,
               p->cells[group] + (size_t)from[i] * IG_PAGE_TOKENS, IG_PAGE_TOKENS * sizeof(cell));
    return IG_OK;
}

/* ---- a step -----------------------------------------------------------------------------------
 */

/* NULL where the page was given back. */
/* Nobody saves the sequences of an executor. */
static ig_status pool_read(void *pool, uint32_t group, uint32_t page, void *out, ig_err *err) {
    (void)pool, (void)group, (void)page, (void)out;
    return ig_fail(err, IG_EUNSUPPORTED, "history: pages are not given out");
}

static ig_status pool_write(void *pool, uint32_t group, uint32_t page, const void *in,
                            ig_err *err) {
    (void)pool, (void)group, (void)page, (void)in;
    return ig_fail(err, IG_EUNSUPPORTED, "history: pages are not taken in");
}

static cell *cell_at(const history_pool *p, const ig_batch *b, const ig_batch_seq *s,
                     uint32_t group, uint32_t position) {
    const uint32_t page = b->pages[s->table[group] + position / IG_PAGE_TOKENS];
    return page == IG_PAGE_NONE
               ? NULL
               : &p->cells[group][(size_t)page * IG_PAGE_TOKENS + position % IG_PAGE_TOKENS];
}

/* A row at `position` sees tokens from here on. */
static uint32_t first_seen(const history_module *m, uint32_t group, uint32_t position) {
    const uint32_t window = m->plan->groups[group].window;
    return window && position + 1 > window ? position + 1 - window : 0;
}

/* What the sequence has before the step, by its last cell in any group. */
static ig_status find_end(const history_pool *p, const ig_batch *b, uint32_t i, ig_err *err) {
    const ig_batch_seq *s = &b->seqs[i];
    p->m->ends[i] = HISTORY_START;
    for (uint32_t g = 0; s->n_past && g < p->m->plan->n_groups; g++) {
        if (first_seen(p->m, g, s->n_past) >= s->n_past)
            continue;
        const cell *last = cell_at(p, b, s, g, s->n_past - 1);
        if (!last || !last->written)
            return ig_fail(err, IG_EINTERNAL,
                           "history: sequence %u, group %u: token %u is not there", i, g,
                           s->n_past - 1);
        const uint64_t end = history_add(last->before, last->id);
        if (p->m->ends[i] != HISTORY_START && p->m->ends[i] != end)
            return ig_fail(err, IG_EINTERNAL, "history: sequence %u: groups differ at token %u", i,
                           s->n_past - 1);
        p->m->ends[i] = end;
    }
    return IG_OK;
}

static ig_status write_rows(const history_pool *p, const ig_batch *b, uint32_t i, bool garbage,
                            ig_err *err) {
    const ig_batch_seq *s = &b->seqs[i];
    uint64_t hash = p->m->ends[i];
    for (uint32_t r = 0; r < s->n_rows; r++) {
        const int32_t id = b->ids[s->row + r];
        for (uint32_t g = 0; g < p->m->plan->n_groups; g++) {
            cell *c = cell_at(p, b, s, g, s->n_past + r);
            if (!c)
                return ig_fail(err, IG_EINTERNAL,
                               "history: sequence %u, group %u: no page to "
                               "write token %u",
                               i, g, s->n_past + r);
            *c = (cell){garbage ? ~hash : hash, id, true};
        }
        hash = history_add(hash, id);
    }
    return IG_OK;
}

/* Every token that the first row of the step sees, and its rows, make one chain; in a group without
 * a window from the start. */
static ig_status read_back(const history_pool *p, const ig_batch *b, uint32_t i, uint32_t g,
                           ig_err *err) {
    const ig_batch_seq *s = &b->seqs[i];
    uint32_t at = first_seen(p->m, g, s->n_past);
    const cell *c = cell_at(p, b, s, g, at);
    uint64_t hash = at == 0 ? HISTORY_START : c ? c->before : 0;
    for (; at < s->n_past + s->n_rows; at++) {
        c = cell_at(p, b, s, g, at);
        if (!c || !c->written || c->before != hash)
            return ig_fail(err, IG_EINTERNAL, "history: sequence %u, group %u: token %u is %s", i,
                           g, at, c && c->written ? "another sequence's" : "not there");
        hash = history_add(hash, c->id);
    }
    return IG_OK;
}

static void give_outputs(const history_pool *p, const ig_batch *b) {
    history_module *m = p->m;
    uint32_t o = 0;
    for (uint32_t i = 0; i < b->n_seqs; i++) {
        const ig_batch_seq *s = &b->seqs[i];
        uint64_t hash = m->ends[i];
        for (uint32_t r = 0; r < s->n_rows; r++) {
            hash = history_add(hash, b->ids[s->row + r]);
            if (o < b->n_outputs && b->outputs[o] == s->row + r)
                history_logits(hash, m->n_vocab, m->out + (size_t)o++ * m->n_vocab);
        }
    }
}

static bool must_fail(const history *h, const ig_batch *b) {
    bool fails = h->n_steps >= h->fail_from && h->n_steps < h->fail_to;
    for (uint32_t i = 0; h->poisoned && i < b->n_tokens; i++)
        fails = fails || b->ids[i] == h->poison;
    return fails;
}

static ig_status remember(const history_pool *p, const ig_batch *b, bool garbage, ig_err *err) {
    for (uint32_t i = 0; i < b->n_seqs; i++)
        IG_TRY(find_end(p, b, i, err));
    for (uint32_t i = 0; i < b->n_seqs; i++)
        IG_TRY(write_rows(p, b, i, garbage, err));
    for (uint32_t i = 0; i < b->n_seqs && !garbage; i++) {
        for (uint32_t g = 0; g < p->m->plan->n_groups; g++)
            IG_TRY(read_back(p, b, i, g, err));
    }
    return IG_OK;
}

static ig_status submit(void *module, void *pool, const ig_batch *b, ig_err *err) {
    history_module *m = module;
    const history_pool *p = pool;
    history *h = m->h;
    const uint64_t start = ig_clock_ns();
    const bool fails = must_fail(h, b);
    h->n_steps++;
    h->n_rows += b->n_tokens;
    h->n_seqs += b->n_seqs;
    h->most_rows = IG_MAX(h->most_rows, b->n_tokens);
    h->most_seqs = IG_MAX(h->most_seqs, b->n_seqs);
    if (!h->forgetful) {
        IG_TRY(remember(p, b, fails, err));
        give_outputs(p, b);
    }
    while (ig_clock_ns() - start < h->step_us * 1000)
        ig_thread_yield();
    h->device_ns += ig_clock_ns() - start;
    h->n_failed += fails;
    return fails ? ig_fail(err, h->status, "history: this step fails as it was told") : IG_OK;
}

static ig_status wait(void *module, ig_err *err) {
    (void)module, (void)err;
    return IG_OK;
}

static const float *outputs(void *module) {
    return ((const history_module *)module)->out;
}

const ig_backend_fns history_backend = {
    .name = "history",
    .open = device_open,
    .close = device_close,
    .caps = device_caps,
    .load = module_load,
    .unload = module_unload,
    .module_bytes = module_bytes,
    .page_bytes = page_bytes,
    .pool_open = pool_open,
    .pool_close = pool_close,
    .pool_copy = pool_copy,
    .pool_read = pool_read,
    .pool_write = pool_write,
    .submit = submit,
    .wait = wait,
    .outputs = outputs,
    .threads = device_threads,
    .share = device_share,
};

/* ---- a program --------------------------------------------------------------------------------
 */

#define WIDTH 4u

static ig_status zeros(ig_program *p, uint32_t rows, ig_weight_id *out, ig_err *err) {
    float *data;
    IG_TRY(ig_arena_new(&p->arena, (size_t)rows * WIDTH, sizeof *data, &data, err));
    memset(data, 0, (size_t)rows * WIDTH * sizeof *data);
    const ig_weight w = {.name = IG_STR("zeros"),
                         .dtype = IG_DTYPE_F32,
                         .cols = WIDTH,
                         .rows = rows,
                         .stack = 1,
                         .bytes = (uint64_t)rows * WIDTH * sizeof *data,
                         .data = (const uint8_t *)data,
                         .tensor = -1};
    return ig_program_weight(p, &w, out, err);
}

static ig_status put(ig_program *p, ig_op *op, ig_rows rows, uint32_t cols, ig_value_id *x,
                     ig_err *err) {
    IG_TRY(ig_program_value(p, "v", rows, IG_DTYPE_F32, cols, x, err));
    op->out[0] = ig_ref_whole(p, *x);
    return ig_program_op(p, op, err);
}

static ig_status layer(ig_program *p, uint32_t i, uint32_t window, ig_value_id *x, ig_err *err) {
    const ig_ref in = ig_ref_heads(*x, 0, 1, WIDTH);
    const ig_state state = {.kind = IG_STATE_PAGES,
                            .layer = i,
                            .n_kv_heads = 1,
                            .k_cols = WIDTH,
                            .v_cols = WIDTH,
                            .window = window};
    ig_op op = {.kind = IG_OP_ATTEND,
                .layer = (int32_t)i,
                .in = {in, in, in},
                .u.attend = {.n_heads = 1,
                             .n_kv_heads = 1,
                             .k_cols = WIDTH,
                             .v_cols = WIDTH,
                             .mask = IG_MASK_CAUSAL,
                             .window = window,
                             .scale = 1}};
    IG_TRY(ig_program_state(p, &state, &op.u.attend.state, err));
    return put(p, &op, IG_ROWS_TOKENS, WIDTH, x, err);
}

static ig_status build(ig_program *p, uint32_t n_vocab, const uint32_t *windows, uint32_t n_windows,
                       ig_err *err) {
    ig_value_id x;
    ig_op embed = {.kind = IG_OP_EMBED,
                   .layer = -1,
                   .u.embed = {.index = IG_EMBED_TOKEN, .scale = 1, .raw_scale = 1}};
    ig_linear_part part = {.rows = n_vocab};
    p->facts = (ig_model_facts){.arch = IG_STR("history"),
                                .n_layers = n_windows,
                                .n_embd = WIDTH,
                                .n_vocab = n_vocab,
                                .n_heads = 1,
                                .n_kv_heads = 1,
                                .causal = true,
                                .has_logits = true,
                                .n_context_train = 1u << 20};
    IG_TRY(zeros(p, n_vocab, &embed.w[0], err));
    IG_TRY(put(p, &embed, IG_ROWS_TOKENS, WIDTH, &x, err));
    for (uint32_t i = 0; i < n_windows; i++)
        IG_TRY(layer(p, i, windows[i], &x, err));
    IG_TRY(zeros(p, n_vocab, &part.weight, err));
    ig_op head = {.kind = IG_OP_LINEAR,
                  .layer = -1,
                  .in = {ig_ref_whole(p, x)},
                  .u.linear = {.parts = &part, .n_parts = 1}};
    IG_TRY(put(p, &head, IG_ROWS_TOKENS, n_vocab, &x, err));
    ig_op select = {.kind = IG_OP_SELECT_ROWS, .layer = -1, .in = {ig_ref_whole(p, x)}};
    return put(p, &select, IG_ROWS_OUTPUTS, n_vocab, &p->output, err);
}

ig_status history_program(ig_program **out, uint32_t n_vocab, const uint32_t *windows,
                          uint32_t n_windows, ig_err *err) {
    IG_TRY(ig_program_create(out, err));
    const ig_status status = build(*out, n_vocab, windows, n_windows, err);
    if (status)
        ig_program_destroy(out);
    return status;
}
