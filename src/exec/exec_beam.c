/* exec_beam.c: beam search over forked sequences. The sample room decides which beams live on; here
 * their tokens, samplers and pages follow: the first child of a beam takes its place, further ones
 * get a copy that shares its pages, beams without children give theirs back. Executor's thread. */
#include "exec/exec_int.h"

/* Logits as the samplers' edits and the hook leave them. */
static ig_status edit_row(ig_exec *x, ig_exec_request *r, uint32_t branch, const float *logits,
                          float *out, ig_err *err) {
    exec_branch *b = &r->branches[branch];
    const char *why = "";
    if (r->p.edits) {
        ig_sampler_borrow(b->sampler, x->scratch[0]);
        IG_TRY(ig_sampler_edit(b->sampler, logits, NULL, out, err));
    } else {
        memcpy(out, logits, (size_t)x->n_vocab * sizeof *out);
    }
    if (r->p.hooks.edit && !r->p.hooks.edit(r->p.hooks.user, branch, b->tokens, b->n, out, &why))
        return ig_fail(err, IG_ECANCELLED, "the logits hook ended the request: %s", why);
    return IG_OK;
}

static ig_status rows_of(ig_exec *x, const exec_part *part, const float **rows, ig_err *err) {
    ig_exec_request *r = part->r;
    const float *outputs = ig_step_outputs(x->o.module);
    for (uint32_t i = 0; i < part->n_shares; i++) {
        const ig_share *share = &x->shares[part->share + i];
        const uint32_t branch = part->prefill ? part->branch : r->live[i];
        rows[i] = outputs + (size_t)(share->output + share->n_outputs - 1) * x->n_vocab;
        if (!r->edited)
            continue;
        float *own = r->edited + (size_t)i * x->n_vocab;
        IG_TRY(edit_row(x, r, branch, rows[i], own, err));
        rows[i] = own;
    }
    return IG_OK;
}

static ig_status copy_branch(const ig_exec_request *r, exec_branch *to, const exec_branch *from,
                             ig_err *err) {
    IG_TRY(exec_room(to, from->n + 1, r->length_max + 1, err));
    memcpy(to->tokens, from->tokens, from->n * sizeof *to->tokens);
    to->n = from->n;
    ig_sampler_copy(to->sampler, from->sampler);
    return ig_kv_seq_fork(&to->seq, from->seq, err);
}

/* Places of the beams that live on; those of dead ones become free. */
static ig_status follow(ig_exec_request *r, const ig_beam_step *step, ig_err *err) {
    uint32_t place[IG_BEAMS_MAX], n_free = 0;
    bool kept[IG_BEAMS_MAX] = {false}; /* by place */
    for (uint32_t i = 0; i < step->n; i++)
        kept[r->live[step->next[i].parent]] = true;
    for (uint32_t i = 0; i < r->n_branches; i++) {
        if (!kept[i]) {
            ig_kv_seq_destroy(&r->branches[i].seq);
            r->spare[n_free++] = i;
        }
    }
    bool taken[IG_BEAMS_MAX] = {false}; /* by place: a first child sits there */
    for (uint32_t i = 0; i < step->n; i++) {
        const uint32_t parent = r->live[step->next[i].parent];
        place[i] = parent;
        if (taken[parent]) {
            place[i] = r->spare[--n_free];
            IG_TRY(copy_branch(r, &r->branches[place[i]], &r->branches[parent], err));
        }
        taken[parent] = true;
    }
    for (uint32_t i = 0; i < step->n; i++)
        r->live[i] = place[i];
    r->n_live = step->n;
    return IG_OK;
}

/* Stop words end a beam as an end id does. */
static void end_by_text(ig_exec_request *r) {
    for (uint32_t i = 0; i < r->n_live;) {
        if (exec_text_ends(r, &r->branches[r->live[i]])) {
            ig_beam_end(r->search, i);
            exec_end_branch(r, r->live[i], IG_EXEC_STOP_WORDS);
        } else {
            i++;
        }
    }
}

/* The records of result i; `cut` is why it ends where no end id or stop word does. */
static ig_status give_result(ig_exec_request *r, uint32_t i, ig_exec_reason cut, ig_err *err) {
    exec_branch *b = &r->branches[i];
    ig_beam_result result;
    ig_beam_describe(r->search, i, &result);
    b->logprob_sum = result.logprob;
    b->score = result.score;
    int32_t *ids = ig_alloc(result.n_tokens, sizeof *ids);
    float *logprobs = ig_alloc(result.n_tokens, sizeof *logprobs);
    ig_status status = ids && logprobs ? IG_OK : ig_fail_memory(err, result.n_tokens * sizeof *ids);
    if (!status)
        ig_beam_tokens(r->search, i, ids, logprobs);
    for (uint32_t k = 0; k < result.n_tokens && !status; k++) {
        const bool last = k + 1 == result.n_tokens;
        const ig_exec_reason ended = exec_is_end(r, ids[k]) ? IG_EXEC_END_ID : IG_EXEC_STOP_WORDS;
        const ig_exec_token token = {.sequence = i,
                                     .id = ids[k],
                                     .logprob = logprobs[k],
                                     .reason = !last          ? IG_EXEC_RUNNING
                                               : result.ended ? ended
                                                              : cut};
        status = exec_add_record(r, &token, NULL, err);
    }
    ig_free(ids);
    ig_free(logprobs);
    return status;
}

uint32_t exec_beam_results(const ig_exec_request *r) {
    return r->p.n_sequences ? r->p.n_sequences : r->n_branches;
}

static ig_status finish(ig_exec_request *r, ig_err *err) {
    const uint32_t found = ig_beam_finish(r->search), wanted = exec_beam_results(r);
    r->n_live = 0; /* from now on there is nothing to cut */
    for (uint32_t i = 0; i < IG_MIN(found, wanted); i++) {
        ig_beam_result result;
        ig_beam_describe(r->search, i, &result);
        IG_TRY(give_result(
            r, i, result.n_tokens < r->p.max_tokens ? IG_EXEC_CONTEXT : IG_EXEC_LENGTH, err));
    }
    return IG_OK;
}

uint32_t exec_beam_cut(ig_exec_request *r, ig_exec_reason reason) {
    const uint32_t found = r->forked && r->n_live ? ig_beam_finish(r->search) : 0;
    const uint32_t n = IG_MIN(found, exec_beam_results(r));
    for (uint32_t i = 0; i < n; i++) {
        if (give_result(r, i, reason, NULL))
            return i;
    }
    return n;
}

ig_status exec_beam_step(ig_exec *x, const exec_part *part, uint64_t now_ns, ig_err *err) {
    ig_exec_request *r = part->r;
    const float *rows[IG_BEAMS_MAX];
    ig_beam_step step;
    IG_TRY(rows_of(x, part, rows, err));
    IG_TRY(ig_beam_advance(r->search, rows, &step, err));
    if (!step.done)
        IG_TRY(follow(r, &step, err));
    r->forked = true;
    exec_count_token(x, r, now_ns);
    for (uint32_t i = 0; i < step.n && !step.done; i++) {
        exec_branch *b = &r->branches[r->live[i]];
        IG_TRY(exec_room(b, b->n + 1, r->length_max + 1, err));
        b->tokens[b->n++] = step.next[i].id;
        IG_TRY(ig_sampler_force(b->sampler, step.next[i].id, err));
    }
    if (!step.done)
        end_by_text(r);
    return step.done || r->n_live == 0 ? finish(r, err) : IG_OK;
}
