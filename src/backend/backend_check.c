/* backend_check.c: is this batch one that every backend can run? Owns no memory; linear in the
 * batch. Kernels rely on every rule here and check nothing again. */
#include "backend/backend_int.h"

void ig_batch_bounds_init(ig_batch_bounds *bounds, const ig_plan *plan) {
    const ig_program *p = plan->program;
    *bounds = (ig_batch_bounds){p->facts.n_vocab ? p->facts.n_vocab : IG_VOCAB_MAX,
                                "the vocabulary", IG_CONTEXT_MAX, false};
    for (uint32_t i = 0; i < p->n_ops; i++) {
        const ig_op *op = &p->ops[i];
        if (op->kind == IG_OP_ATTEND && op->u.attend.state == 0)
            bounds->stateless = true;
        if (op->kind != IG_OP_EMBED)
            continue;
        const uint32_t rows = p->weights[op->w[0]].rows;
        if (op->u.embed.index == IG_EMBED_TOKEN && rows < bounds->vocab) {
            bounds->vocab = rows;
            bounds->vocab_what = "the embedding table";
        } else if (op->u.embed.index == IG_EMBED_POSITION && rows < bounds->positions) {
            bounds->positions = rows;
        }
    }
}

static ig_status check_counts(const ig_plan *plan, const ig_batch *b, ig_err *err) {
    const ig_limits *limits = &plan->limits;
    const struct {
        const char *name;
        uint32_t n, min, max;
        const void *array;
        const char *array_name;
    } rows[] = {
        {"n_tokens", b->n_tokens, 1, limits->tokens_max, b->ids, "ids"},
        {"n_seqs", b->n_seqs, 1, limits->seqs_max, b->seqs, "seqs"},
        {"n_outputs", b->n_outputs, 0, limits->outputs_max, b->outputs, "outputs"},
        {"n_pages", b->n_pages, 0, UINT32_MAX, b->pages, "pages"},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        if (rows[i].n < rows[i].min)
            return ig_fail(err, IG_EARGUMENT, "batch.%s is 0; a step needs at least one",
                           rows[i].name);
        if (rows[i].n > rows[i].max)
            return ig_fail(err, IG_EARGUMENT,
                           "batch.%s is %u, the plan was made for %u; raise the limit at open",
                           rows[i].name, rows[i].n, rows[i].max);
        if (rows[i].n && !rows[i].array)
            return ig_fail(err, IG_EARGUMENT, "batch.%s is NULL but batch.%s is %u",
                           rows[i].array_name, rows[i].name, rows[i].n);
    }
    return IG_OK;
}

static ig_status check_tokens(const ig_batch_bounds *bounds, const ig_batch *b, ig_err *err) {
    for (uint32_t i = 0; i < b->n_tokens; i++) {
        if (b->ids[i] < 0 || (uint32_t)b->ids[i] >= bounds->vocab)
            return ig_fail(err, IG_EARGUMENT, "batch.ids[%u] is %d, outside [0, %u) of %s", i,
                           b->ids[i], bounds->vocab, bounds->vocab_what);
        if (b->positions && (b->positions[i] < 0 || (uint32_t)b->positions[i] >= bounds->positions))
            return ig_fail(err, IG_EARGUMENT, "batch.positions[%u] is %d, outside [0, %u)", i,
                           b->positions[i], bounds->positions);
    }
    return IG_OK;
}

static ig_status check_seq(const ig_module *m, const ig_batch *b, uint32_t s, uint32_t row,
                           ig_err *err) {
    const ig_batch_seq *seq = &b->seqs[s];
    const uint32_t context = m->plan->limits.context_max;
    if (seq->row != row)
        return ig_fail(err, IG_EARGUMENT,
                       "batch.seqs[%u].row is %u, not %u; sequences are adjacent and ascending", s,
                       seq->row, row);
    if (seq->n_rows == 0)
        return ig_fail(err, IG_EARGUMENT, "batch.seqs[%u].n_rows is 0", s);
    if (seq->n_rows > b->n_tokens - row)
        return ig_fail(err, IG_EARGUMENT,
                       "batch.seqs[%u].n_rows is %u, only %u rows of batch.n_tokens are left", s,
                       seq->n_rows, b->n_tokens - row);
    if (seq->n_past > context || seq->n_rows > context - seq->n_past)
        return ig_fail(
            err, IG_EARGUMENT,
            "batch.seqs[%u]: n_past %u + n_rows %u is more than the context of %u tokens", s,
            seq->n_past, seq->n_rows, context);
    if (m->bounds.stateless && seq->n_past)
        return ig_fail(
            err, IG_EARGUMENT,
            "batch.seqs[%u].n_past is %u; this model keeps no state, give it whole sequences", s,
            seq->n_past);
    if (!b->positions && seq->n_past + seq->n_rows > m->bounds.positions)
        return ig_fail(err, IG_EARGUMENT,
                       "batch.seqs[%u]: n_past %u + n_rows %u is more than the %u known positions",
                       s, seq->n_past, seq->n_rows, m->bounds.positions);
    return IG_OK;
}

static ig_status check_table(const ig_module *m, ig_pool *pool, const ig_batch *b, uint32_t s,
                             uint32_t g, ig_err *err) {
    const ig_batch_seq *seq = &b->seqs[s];
    const uint32_t end = seq->n_past + seq->n_rows, start = seq->table[g],
                   window = m->plan->groups[g].window;
    const uint32_t n = (end + IG_PAGE_TOKENS - 1) / IG_PAGE_TOKENS;
    if (start > b->n_pages || n > b->n_pages - start)
        return ig_fail(err, IG_EARGUMENT,
                       "batch.seqs[%u].table[%u] is %u and needs %u entries, batch.n_pages is %u",
                       s, g, start, n, b->n_pages);
    /* The oldest token that the first new one can see; pages wholly before it may be gone. */
    const uint32_t oldest = window && seq->n_past >= window ? seq->n_past - window + 1 : 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t page = b->pages[start + i];
        if (page == IG_PAGE_NONE) {
            if ((i + 1) * IG_PAGE_TOKENS > oldest)
                return ig_fail(err, IG_EARGUMENT,
                               "batch.pages[%u] is none, but tokens %u… of batch.seqs[%u] are "
                               "still visible in group %u",
                               start + i, i * IG_PAGE_TOKENS, s, g);
            continue;
        }
        if (page >= pool->n_pages[g])
            return ig_fail(err, IG_EARGUMENT,
                           "batch.pages[%u] is %u, the pool has %u pages in group %u", start + i,
                           page, pool->n_pages[g], g);
        if ((i + 1) * IG_PAGE_TOKENS <= seq->n_past)
            continue;
        if (pool->seen[g][page] == pool->check)
            return ig_fail(
                err, IG_EARGUMENT,
                "batch.pages[%u]: page %u of group %u would be written twice; copy it first",
                start + i, page, g);
        pool->seen[g][page] = pool->check;
    }
    return IG_OK;
}

static ig_status check_outputs(const ig_batch *b, ig_err *err) {
    for (uint32_t i = 0; i < b->n_outputs; i++) {
        if (b->outputs[i] >= b->n_tokens)
            return ig_fail(err, IG_EARGUMENT, "batch.outputs[%u] is %u, batch.n_tokens is %u", i,
                           b->outputs[i], b->n_tokens);
        if (i && b->outputs[i] <= b->outputs[i - 1])
            return ig_fail(err, IG_EARGUMENT,
                           "batch.outputs[%u] is %u after %u; rows are wanted in ascending order",
                           i, b->outputs[i], b->outputs[i - 1]);
    }
    return IG_OK;
}

ig_status ig_batch_check(const ig_module *m, ig_pool *pool, const ig_batch *b, ig_err *err) {
    const ig_plan *plan = m->plan;
    if (plan->n_groups && !pool)
        return ig_fail(err, IG_EARGUMENT, "no pool; this model keeps %u page groups",
                       plan->n_groups);
    if (pool && pool->module != m)
        return ig_fail(err, IG_EARGUMENT, "the pool belongs to another module");
    IG_TRY(check_counts(plan, b, err));
    IG_TRY(check_tokens(&m->bounds, b, err));
    if (pool)
        pool->check++;
    uint32_t row = 0;
    for (uint32_t s = 0; s < b->n_seqs; s++) {
        IG_TRY(check_seq(m, b, s, row, err));
        for (uint32_t g = 0; g < plan->n_groups; g++)
            IG_TRY(check_table(m, pool, b, s, g, err));
        row += b->seqs[s].n_rows;
    }
    if (row != b->n_tokens)
        return ig_fail(err, IG_EARGUMENT, "batch.seqs cover %u rows, batch.n_tokens is %u", row,
                       b->n_tokens);
    return check_outputs(b, err);
}
