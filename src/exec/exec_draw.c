/* exec_draw.c: from a step's logits to tokens. Draws and log-probabilities of all rows are shared
 * out over the device's threads; what they mean for requests (records, stops, ends) follows on the
 * executor's thread, in the order of the batch. */
#include "exec/exec_int.h"

_Static_assert(IG_OUTPUT_TILE == IG_SAMPLE_TILE, "maxima of a device are those that draws take");

/* Below so many logits in all, waking other threads costs more than they bring. */
#define SHARED_LOGITS_MIN (1u << 17)

static const float *row_of(const ig_exec *x, const ig_share *share, uint32_t i) {
    return ig_step_outputs(x->o.module) + (size_t)(share->output + i) * x->n_vocab;
}

static void add_item(ig_exec *x, exec_item_kind kind, ig_exec_request *r, uint32_t at,
                     const float *logits) {
    exec_item *item = &x->items[x->n_items];
    item->kind = kind;
    item->r = r;
    item->branch = item->row = at;
    item->logits = logits;
    const float *maxima = ig_step_maxima(x->o.module);
    const size_t row = (size_t)(logits - ig_step_outputs(x->o.module)) / x->n_vocab;
    item->maxima = maxima ? maxima + row * ig_div_up(x->n_vocab, IG_OUTPUT_TILE) : NULL;
    item->status = IG_OK;
    item->top = r->p.n_top ? x->tops + (size_t)x->n_items * IG_EXEC_TOP_MAX : NULL;
    x->n_items++;
}

static void collect_prefill(ig_exec *x, const exec_part *part) {
    ig_exec_request *r = part->r;
    const ig_share *share = &x->shares[part->share];
    const exec_branch *b = &r->branches[part->branch];
    const uint32_t past = ig_kv_seq_tokens(b->seq);
    const bool scored = !r->forked && (r->p.prompt_logprobs || r->p.context_logits);
    for (uint32_t i = 0; scored && i < share->n_outputs; i++)
        add_item(x, EXEC_SCORE, r, past + i, row_of(x, share, i));
    if (past + share->n_rows < b->n || share->n_outputs == 0 || r->beams)
        return;
    const float *last = row_of(x, share, share->n_outputs - 1);
    if (r->p.max_tokens == 0)
        return;
    if (r->forked) {
        add_item(x, EXEC_DRAW, r, part->branch, last);
        return;
    }
    for (uint32_t i = 0; i < r->n_branches; i++) /* all begin with the prompt's logits */
        add_item(x, EXEC_DRAW, r, i, last);
}

void exec_collect(ig_exec *x) {
    x->n_items = 0;
    for (uint32_t p = 0; p < x->n_parts; p++) {
        const exec_part *part = &x->parts[p];
        if (part->prefill)
            collect_prefill(x, part);
        for (uint32_t i = 0; !part->prefill && !part->r->beams && i < part->n_shares; i++)
            add_item(x, EXEC_DRAW, part->r, part->r->live[i],
                     row_of(x, &x->shares[part->share + i], 0));
    }
}

/* ---- on any thread ----------------------------------------------------------------------------
 */

static void rate(const ig_exec *x, exec_item *item) {
    item->logsumexp = ig_logits_logsumexp(item->logits, x->n_vocab);
    if (!item->top)
        return;
    const uint32_t n = item->r->p.n_top;
    uint32_t found = ig_logits_top(item->logits, x->n_vocab, item->logsumexp, item->top, n);
    for (uint32_t i = 0; i < found; i++) /* log-probabilities: exact where p is tiny */
        item->top[i].p = (float)((double)item->logits[item->top[i].id] - item->logsumexp);
    for (; found < n; found++)
        item->top[found] = (ig_candidate){.id = -1};
}

static void score(const ig_exec *x, exec_item *item) {
    ig_exec_request *r = item->r;
    const size_t row_bytes = (size_t)x->n_vocab * sizeof(float);
    if (r->context_logits)
        memcpy(r->context_logits + (size_t)item->row * x->n_vocab, item->logits, row_bytes);
    if (!r->prompt_logprobs || item->row + 1 >= r->facts.n_prompt)
        return;
    const int32_t next = r->branches[0].tokens[item->row + 1];
    rate(x, item);
    r->prompt_logprobs[item->row + 1] = (float)((double)item->logits[next] - item->logsumexp);
    if (item->top)
        memcpy(r->prompt_top + (size_t)(item->row + 1) * r->p.n_top, item->top,
               r->p.n_top * sizeof *item->top);
}

/* The caller of hooks: the executor's thread. */
static const float *edited(const ig_exec *x, exec_item *item) {
    ig_exec_request *r = item->r;
    const exec_branch *b = &r->branches[item->branch];
    const char *why = "";
    if (!r->p.hooks.edit)
        return item->logits;
    memcpy(r->edited, item->logits, (size_t)x->n_vocab * sizeof(float));
    if (!r->p.hooks.edit(r->p.hooks.user, item->branch, b->tokens, b->n, r->edited, &why))
        item->status =
            ig_fail(&item->err, IG_ECANCELLED, "the logits hook ended the request: %s", why);
    return r->edited;
}

static void draw(const ig_exec *x, exec_item *item, uint32_t thread) {
    ig_exec_request *r = item->r;
    exec_branch *b = &r->branches[item->branch];
    const float *logits = edited(x, item);
    const int32_t forced = r->p.think ? ig_think_forces(&b->think) : -1;
    if (item->status)
        return;
    if (forced >= 0) {
        item->draw = (ig_draw){.id = forced, .p = 1};
        item->status = ig_sampler_force(b->sampler, forced, &item->err);
    } else {
        ig_sampler_borrow(b->sampler, x->scratch[thread]);
        ig_sampler_know(b->sampler, logits == item->logits ? item->maxima : NULL);
        item->status = ig_sampler_draw(b->sampler, logits, NULL, &item->draw, &item->err);
    }
    if (!item->status && r->p.logprobs)
        rate(x, item);
}

static void do_item(const ig_exec *x, exec_item *item, uint32_t thread) {
    if (item->kind == EXEC_SCORE)
        score(x, item);
    else
        draw(x, item, thread);
}

static void share_items(void *user, uint32_t thread, uint32_t n_threads) {
    ig_exec *x = user;
    for (uint32_t i = thread; i < x->n_items; i += n_threads) {
        if (!x->items[i].r->p.hooks.edit)
            do_item(x, &x->items[i], thread);
    }
}

void exec_draw(ig_exec *x) {
    if (x->n_items > 1 && (uint64_t)x->n_items * x->n_vocab >= SHARED_LOGITS_MIN)
        ig_device_share(x->o.device, share_items, x);
    else
        share_items(x, 0, 1);
    for (uint32_t i = 0; i < x->n_items; i++) {
        if (x->items[i].r->p.hooks.edit)
            do_item(x, &x->items[i], 0);
    }
}

/* ---- what it means ----------------------------------------------------------------------------
 */

bool exec_text_ends(const ig_exec_request *r, const exec_branch *b) {
    const ig_exec_params *p = &r->p;
    const uint32_t made = b->n - r->facts.n_prompt;
    if (made < p->sampling.min_tokens)
        return false;
    return ig_words_end(p->stop_words, p->n_stop_words, b->tokens, b->n) ||
           (p->hooks.stops && p->hooks.stops(p->hooks.user, b->tokens + r->facts.n_prompt, made));
}

bool exec_is_end(const ig_exec_request *r, int32_t id) {
    for (uint32_t i = 0; i < r->p.n_end_ids; i++) {
        if (r->p.end_ids[i] == id)
            return true;
    }
    return false;
}

static ig_exec_reason why_ends(const ig_exec *x, const ig_exec_request *r, const exec_branch *b) {
    if (exec_is_end(r, b->tokens[b->n - 1]))
        return IG_EXEC_END_ID;
    if (exec_text_ends(r, b))
        return IG_EXEC_STOP_WORDS;
    if (b->n - r->facts.n_prompt >= r->p.max_tokens)
        return IG_EXEC_LENGTH;
    return b->n > x->context ? IG_EXEC_CONTEXT : IG_EXEC_RUNNING;
}

static ig_status keep_logits(const ig_exec *x, ig_exec_request *r, exec_branch *b,
                             const float *logits, ig_err *err) {
    const size_t bytes = (size_t)x->n_vocab * sizeof *logits;
    if ((r->n_logits + 1) * bytes > IG_EXEC_LOGITS_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "generation_logits of more than %llu bytes; ask for fewer tokens",
                       (unsigned long long)IG_EXEC_LOGITS_BYTES_MAX);
    if ((b->n_logits & (b->n_logits + 1)) == 0) { /* full at 0, 1, 3, 7 … */
        float **rows = ig_realloc(b->logits, 2 * (size_t)b->n_logits + 1, sizeof *rows);
        if (!rows)
            return ig_fail_memory(err, bytes);
        b->logits = rows;
    }
    float *row = ig_alloc(x->n_vocab, sizeof *row);
    if (!row)
        return ig_fail_memory(err, bytes);
    memcpy(row, logits, bytes);
    b->logits[b->n_logits++] = row;
    r->n_logits++;
    return IG_OK;
}

void exec_count_token(ig_exec *x, ig_exec_request *r, uint64_t now_ns) {
    ig_exec_request_facts *f = &r->facts;
    if (f->first_token_ns == 0) {
        f->first_token_ns = now_ns;
        f->stage = IG_EXEC_GENERATION;
        exec_count(&x->facts.ttft, now_ns - f->arrival_ns);
    } else if (now_ns > f->last_token_ns) {
        exec_count(&x->facts.itl, now_ns - f->last_token_ns);
    }
    f->last_token_ns = now_ns;
    f->n_generated++;
    x->facts.generated_tokens++;
}

/* A new token of a branch: tokens, record, reasons to end. */
static ig_status take_token(ig_exec *x, const exec_item *item, uint64_t now_ns, ig_err *err) {
    ig_exec_request *r = item->r;
    exec_branch *b = &r->branches[item->branch];
    const int32_t id = item->draw.id;
    IG_TRY(exec_room(b, b->n + 1, r->length_max + 1, err));
    if (r->p.generation_logits)
        IG_TRY(keep_logits(x, r, b, item->logits, err));
    b->tokens[b->n++] = id;
    if (r->p.think)
        ig_think_accept(&b->think, id);
    const double logprob = r->p.logprobs ? (double)item->logits[id] - item->logsumexp : 0;
    b->logprob_sum += logprob;
    b->score = b->logprob_sum;
    exec_count_token(x, r, now_ns);
    const ig_exec_token token = {
        .sequence = item->branch, .id = id, .logprob = (float)logprob, .reason = why_ends(x, r, b)};
    IG_TRY(exec_add_record(r, &token, item->top, err));
    if (token.reason)
        exec_end_branch(r, item->branch, token.reason);
    return IG_OK;
}

/* The other sequences begin where the first one's prompt ends. */
static ig_status fork_branches(ig_exec_request *r, ig_err *err) {
    for (uint32_t i = 1; i < r->n_branches; i++)
        IG_TRY(ig_kv_seq_fork(&r->branches[i].seq, r->branches[0].seq, err));
    for (uint32_t i = 0; i < r->n_branches; i++)
        r->live[i] = i;
    r->n_live = r->n_branches;
    r->forked = true;
    return IG_OK;
}

/* They begin there again when the first one comes back without the cache's help. */
static ig_status fork_again(ig_exec_request *r, ig_err *err) {
    for (uint32_t i = 1; i < r->n_live; i++) {
        exec_branch *b = &r->branches[r->live[i]];
        if (!b->seq)
            IG_TRY(ig_kv_seq_fork(&b->seq, r->branches[r->live[0]].seq, err));
    }
    return IG_OK;
}

/* What the step wrote is now part of the sequences. */
static void commit(ig_exec *x, const exec_part *part) {
    ig_exec_request *r = part->r;
    for (uint32_t i = 0; i < part->n_shares; i++) {
        const ig_share *share = &x->shares[part->share + i];
        exec_branch *b = &r->branches[part->prefill ? part->branch : r->live[i]];
        ig_kv_seq_commit(b->seq, share->ids, share->n_rows);
    }
    if (part->prefill) {
        const ig_share *share = &x->shares[part->share];
        x->facts.prefill_tokens += share->n_rows;
        if (!r->forked)
            r->facts.n_prefilled = ig_kv_seq_tokens(r->branches[part->branch].seq);
    }
    r->solo = false;
}

static bool prompt_done(const exec_part *part) {
    const exec_branch *b = &part->r->branches[part->branch];
    return part->prefill && !part->r->forked && ig_kv_seq_tokens(b->seq) == b->n;
}

/* Items [*at, …) of this part become tokens. */
static ig_status settle(ig_exec *x, const exec_part *part, uint32_t *at, uint64_t now_ns,
                        ig_err *err) {
    ig_exec_request *r = part->r;
    const uint32_t from = *at;
    while (*at < x->n_items && x->items[*at].r == r)
        ++*at;
    const bool forks = part->prefill && part->branch == r->live[0] && exec_must_fork(r);
    commit(x, part);
    if (forks && !exec_must_fork(r))
        IG_TRY(fork_again(r, err));
    if (prompt_done(part) && r->p.max_tokens == 0) {
        exec_end_all(r, IG_EXEC_LENGTH);
        return IG_OK;
    }
    if (r->beams) {
        if (!part->prefill ||
            ig_kv_seq_tokens(r->branches[part->branch].seq) == r->branches[part->branch].n)
            return exec_beam_step(x, part, now_ns, err);
        return IG_OK;
    }
    if (prompt_done(part))
        IG_TRY(fork_branches(r, err));
    for (uint32_t i = from; i < *at; i++) {
        exec_item *item = &x->items[i];
        if (item->kind == EXEC_SCORE)
            continue;
        if (item->status) {
            *err = item->err;
            ig_err_prefix(err, "sequence %u, token %u", item->branch,
                          r->branches[item->branch].n - r->facts.n_prompt);
            return item->status;
        }
        IG_TRY(take_token(x, item, now_ns, err));
    }
    return IG_OK;
}

void exec_settle(ig_exec *x, uint64_t now_ns) {
    bool news = false;
    ig_err err = {0}; /* large: cleared once, not for each request */
    for (uint32_t p = 0, at = 0; p < x->n_parts; p++) {
        ig_exec_request *r = x->parts[p].r;
        const ig_status status = settle(x, &x->parts[p], &at, now_ns, &err);
        const bool tells = r->news && r->p.streaming;
        if (status) {
            exec_end(x, r, IG_EXEC_FAILED, status, &err);
        } else if (r->n_live == 0) {
            exec_end(x, r, IG_EXEC_RUNNING, IG_OK, NULL);
        } else {
            exec_publish(r);
            if (tells)
                exec_tell(r);
        }
        news = news || tells;
    }
    if (news)
        ig_gate_open(&x->news);
}
