/* steps.c: shares of sequences → a batch → a run. Owns the arrays of one step, made for the limits
 * of the plan; a step allocates only when page tables grow beyond anything before. One thread. */
#include "exec/exec.h"

struct ig_steps {
    ig_module *module;
    const ig_plan *plan;
    int32_t *ids;       /* [tokens_max] */
    ig_batch_seq *seqs; /* [seqs_max] */
    uint32_t *outputs;  /* [outputs_max] */
    uint32_t *pages;    /* page tables of all sequences and groups, one after another */
    uint32_t pages_cap;
    uint32_t *from, *to; /* [copies_cap] of one group */
    uint32_t copies_cap;
};

ig_status ig_steps_create(ig_steps **out, ig_module *module, ig_err *err) {
    const ig_limits *l = &ig_module_plan(module)->limits;
    ig_steps *s = ig_alloc(1, sizeof *s);
    if (!s)
        return ig_fail_memory(err, sizeof *s);
    s->module = module;
    s->plan = ig_module_plan(module);
    s->ids = ig_alloc(l->tokens_max, sizeof *s->ids);
    s->seqs = ig_alloc(l->seqs_max, sizeof *s->seqs);
    s->outputs = ig_alloc(l->outputs_max, sizeof *s->outputs);
    if (!s->ids || !s->seqs || !s->outputs) {
        ig_steps_destroy(&s);
        return ig_fail_memory(err, l->tokens_max * sizeof(int32_t));
    }
    *out = s;
    return IG_OK;
}

void ig_steps_destroy(ig_steps **steps) {
    if (!steps || !*steps)
        return;
    ig_steps *s = *steps;
    ig_free(s->ids);
    ig_free(s->seqs);
    ig_free(s->outputs);
    ig_free(s->pages);
    ig_free(s->from);
    ig_free(s->to);
    ig_free(s);
    *steps = NULL;
}

static ig_status grow(uint32_t **array, uint32_t cap, ig_err *err) {
    uint32_t *grown = ig_realloc(*array, cap, sizeof *grown);
    if (!grown)
        return ig_fail_memory(err, cap * sizeof *grown);
    *array = grown;
    return IG_OK;
}

/* True when a device could not make this copy together with the n before it, in any order. */
static bool depends(const ig_steps *s, uint32_t n, const ig_kv_copy *copy) {
    for (uint32_t i = 0; i < n; i++) {
        if (copy->from == s->to[i] || copy->to == s->from[i] || copy->to == s->to[i])
            return true;
    }
    return false;
}

/* Runs of copies inside one group, in the order that kv gave them. */
static ig_status make_copies(ig_steps *s, ig_pool *pool, ig_kv *kv, ig_err *err) {
    uint32_t n;
    const ig_kv_copy *copies = ig_kv_copies(kv, &n);
    if (n > s->copies_cap) {
        IG_TRY(grow(&s->from, n, err));
        IG_TRY(grow(&s->to, n, err));
        s->copies_cap = n;
    }
    for (uint32_t i = 0; i < n;) {
        const uint32_t group = copies[i].group;
        uint32_t run = 0;
        if (group == IG_KV_SLOT_GROUP)
            return ig_fail(err, IG_EINTERNAL, "a copy of recurrent state, which no plan has");
        for (; i < n && copies[i].group == group && !depends(s, run, &copies[i]); i++, run++) {
            s->from[run] = copies[i].from;
            s->to[run] = copies[i].to;
        }
        IG_TRY(ig_pool_copy(pool, group, s->from, s->to, run, err));
    }
    ig_kv_copies_done(kv);
    return IG_OK;
}

static ig_status make_room(ig_steps *s, const ig_share *shares, uint32_t n_shares, ig_err *err) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < n_shares; i++) {
        for (uint32_t g = 0; g < s->plan->n_groups; g++) {
            uint32_t entries;
            (void)ig_kv_seq_table(shares[i].seq, g, &entries);
            n += entries;
        }
    }
    if (n <= s->pages_cap)
        return IG_OK;
    if (n > UINT32_MAX / 2)
        return ig_fail(err, IG_ELIMIT, "page tables of a step have %llu entries; at most %u",
                       (unsigned long long)n, UINT32_MAX / 2);
    IG_TRY(grow(&s->pages, (uint32_t)n + (uint32_t)n / 2, err));
    s->pages_cap = (uint32_t)n + (uint32_t)n / 2;
    return IG_OK;
}

/* One sequence of the batch: its rows, tables and outputs. */
static void add_share(ig_steps *s, ig_share *share, ig_batch *batch) {
    ig_batch_seq *seq = &s->seqs[batch->n_seqs++];
    *seq = (ig_batch_seq){.row = batch->n_tokens,
                          .n_rows = share->n_rows,
                          .n_past = ig_kv_seq_tokens(share->seq),
                          .slot = ig_kv_seq_slot(share->seq)};
    memcpy(s->ids + batch->n_tokens, share->ids, share->n_rows * sizeof *share->ids);
    batch->n_tokens += share->n_rows;
    share->output = batch->n_outputs;
    for (uint32_t i = 0; i < share->n_outputs; i++)
        s->outputs[batch->n_outputs++] = batch->n_tokens - share->n_outputs + i;
    for (uint32_t g = 0; g < s->plan->n_groups; g++) {
        uint32_t entries;
        const uint32_t *pages = ig_kv_seq_table(share->seq, g, &entries);
        seq->table[g] = batch->n_pages;
        if (entries)
            memcpy(s->pages + batch->n_pages, pages, entries * sizeof *pages);
        batch->n_pages += entries;
    }
}

/* The arrays are as large as the plan's limits; the front checks everything else. */
static ig_status check_limits(const ig_steps *s, const ig_share *shares, uint32_t n_shares,
                              ig_err *err) {
    const ig_limits *l = &s->plan->limits;
    uint64_t tokens = 0, outputs = 0;
    for (uint32_t i = 0; i < n_shares; i++) {
        if (shares[i].n_outputs > shares[i].n_rows)
            return ig_fail(err, IG_EINTERNAL, "share %u: %u outputs of %u rows", i,
                           shares[i].n_outputs, shares[i].n_rows);
        tokens += shares[i].n_rows;
        outputs += shares[i].n_outputs;
    }
    if (tokens > l->tokens_max || outputs > l->outputs_max || n_shares > l->seqs_max)
        return ig_fail(err, IG_EINTERNAL,
                       "a step of %llu rows, %llu outputs, %u sequences; the plan has %u, %u, %u",
                       (unsigned long long)tokens, (unsigned long long)outputs, n_shares,
                       l->tokens_max, l->outputs_max, l->seqs_max);
    return IG_OK;
}

ig_status ig_steps_run(ig_steps *s, ig_pool *pool, ig_kv *kv, ig_share *shares, uint32_t n_shares,
                       ig_err *err) {
    IG_TRY(check_limits(s, shares, n_shares, err));
    IG_TRY(make_copies(s, pool, kv, err));
    IG_TRY(make_room(s, shares, n_shares, err));
    ig_batch batch = {.ids = s->ids, .seqs = s->seqs, .pages = s->pages, .outputs = s->outputs};
    for (uint32_t i = 0; i < n_shares; i++)
        add_share(s, &shares[i], &batch);
    IG_TRY(ig_step_submit(s->module, pool, &batch, err));
    return ig_step_wait(s->module, err);
}
