/* session.c: one timeline of tokens: its pages, its steps. A session is used by one thread at a
 * time; only cancel may come from anywhere. */
#include "engine/engine_int.h"

ingot_status ingot_session_open(ingot_session **out, ingot_model *model, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    if (!model || !model->module)
        return (ingot_status)ig_fail(err, IG_EARGUMENT,
                                     "a session needs a model opened with weights "
                                     "(not vocab_only)");
    ingot_session *s = ig_alloc(1, sizeof *s);
    if (!s)
        return (ingot_status)ig_fail_memory(err, sizeof *s);
    s->model = model;
    const ig_plan *plan = model->plan;
    ig_kv_group groups[IG_KV_GROUPS_MAX] = {{0}};
    ig_pool_options options = {.k_dtype = model->k_dtype, .v_dtype = model->v_dtype};
    ig_engine_pages(plan, options.n_pages);
    for (uint32_t g = 0; g < plan->n_groups; g++)
        groups[g] = (ig_kv_group){.n_pages = options.n_pages[g], .window = plan->groups[g].window};
    s->history = ig_alloc(model->options.context, sizeof *s->history);
    ig_status status =
        s->history ? IG_OK : ig_fail_memory(err, model->options.context * sizeof *s->history);
    const ig_kv_options kv = {
        .page_tokens = IG_PAGE_TOKENS, .groups = groups, .n_groups = plan->n_groups};
    if (!status)
        status = ig_kv_create(&s->kv, &kv, err);
    if (!status)
        status = ig_steps_create(&s->steps, model->module, err);
    if (!status)
        status = ig_kv_seq_create(&s->seq, s->kv, NULL, err);
    if (!status)
        status = ig_pool_open(&s->pool, model->module, &options, err);
    if (status == IG_EMEMORY)
        ig_err_prefix(err, "cannot allocate a session");
    if (status) {
        ingot_session_close(&s);
        return (ingot_status)status;
    }
    *out = s;
    return INGOT_OK;
}

void ingot_session_close(ingot_session **session) {
    if (!session || !*session)
        return;
    ingot_session *s = *session;
    ig_pool_close(&s->pool);
    ig_kv_seq_destroy(&s->seq);
    ig_kv_destroy(&s->kv);
    ig_free(s->history);
    ig_steps_destroy(&s->steps);
    ig_free(s);
    *session = NULL;
}

uint32_t ingot_session_tokens(const ingot_session *session) {
    return session->n_history;
}

uint32_t ingot_session_truncate(ingot_session *s, uint32_t n) {
    n = IG_MIN(n, s->n_history);
    if (!ig_kv_seq_truncate(s->seq, n)) {
        n = 0;
        /* Nothing to forget fails never. */
        (void)!ig_kv_seq_truncate(s->seq, 0);
    }
    s->n_history = n;
    return n;
}

uint32_t ingot_session_keep(ingot_session *s, const int32_t *ids, size_t n_ids) {
    uint32_t n = 0, most = (uint32_t)IG_MIN((size_t)s->n_history, n_ids ? n_ids - 1 : 0);
    while (n < most && s->history[n] == ids[n])
        n++;
    return ingot_session_truncate(s, n);
}

void ingot_session_cancel(ingot_session *session) {
    ig_cancel_raise(&session->cancel);
}

ig_status ig_engine_end(ingot_session *s, ig_status status, ig_err *err) {
    return ig_cancel_take(&s->cancel) && !status ? ig_fail(err, IG_ECANCELLED, "cancelled")
                                                 : status;
}

ig_status ig_engine_check_ids(const ingot_session *s, const int32_t *ids, size_t n_ids,
                              ig_err *err) {
    uint32_t vocab = s->model->plan->program->facts.n_vocab, context = s->model->options.context;
    if (n_ids > context || s->n_history + n_ids > context)
        return ig_fail(err, IG_ELIMIT,
                       "%u + %zu tokens do not fit the context of %u; a larger one is set with -c",
                       s->n_history, n_ids, context);
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= vocab)
            return ig_fail(err, IG_EARGUMENT, "token %zu is %d; the vocabulary has ids 0 to %u", i,
                           ids[i], vocab - 1);
    }
    return IG_OK;
}

/* One step of n ids with the last n_out rows as outputs. */
static ig_status step(ingot_session *s, const int32_t *ids, uint32_t n, uint32_t n_out,
                      ig_err *err) {
    ig_share share = {.seq = s->seq, .ids = ids, .n_rows = n, .n_outputs = n_out};
    IG_TRY(ig_kv_seq_reserve(s->seq, n, err));
    const ig_status status = ig_steps_run(s->steps, s->pool, s->kv, &share, 1, err);
    if (status) {
        /* Whatever the step wrote is beyond the end of the sequence. */
        (void)!ig_kv_seq_truncate(s->seq, s->n_history);
        return status;
    }
    ig_kv_seq_commit(s->seq, ids, n);
    memcpy(s->history + s->n_history, ids, n * sizeof *ids);
    s->n_history += n;
    return IG_OK;
}

/* How many of the ids at `at` the next step takes, and how many of its last rows give logits. Rows
 * without outputs fill whole steps; rows with outputs come as many at once as the plan has room
 * for. */
static size_t step_rows(const ingot_model_options *o, size_t at, size_t n_ids, size_t plain,
                        size_t *n_out) {
    size_t n = IG_MIN(n_ids - at, (size_t)o->batch);
    size_t out = at + n > plain ? at + n - IG_MAX(at, plain) : 0;
    if (out > o->outputs) {
        out = at < plain ? 0 : o->outputs;
        n = at < plain ? plain - at : out;
        if (at < plain && n + o->outputs <= o->batch) {
            n += o->outputs;
            out = o->outputs;
        }
    }
    *n_out = out;
    return n;
}

ig_status ig_engine_eval(ingot_session *s, const int32_t *ids, size_t n_ids, float *logits,
                         size_t n_logits, bool hold, ig_err *err) {
    const ingot_model *m = s->model;
    const size_t cols = m->plan->program->values[m->plan->program->output].cols;
    for (size_t at = 0; at < n_ids;) {
        size_t out;
        const size_t n = step_rows(&m->options, at, n_ids, n_ids - n_logits, &out);
        if (ig_cancel_take(&s->cancel))
            return ig_fail(err, IG_ECANCELLED, "cancelled");
        ig_mutex_lock(m->turn);
        const ig_status status = step(s, ids + at, (uint32_t)n, (uint32_t)out, err);
        if (!status && logits && out) {
            memcpy(logits, ig_step_outputs(m->module), out * cols * sizeof *logits);
            logits += out * cols;
        }
        at += n;
        if (status || !hold || at < n_ids)
            ig_mutex_unlock(m->turn);
        if (status)
            return status;
    }
    return IG_OK;
}

ingot_status ingot_session_eval(ingot_session *session, const int32_t *ids, size_t n_ids,
                                float *logits, size_t n_logits, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    if (n_logits > n_ids || (n_logits && !logits))
        return (ingot_status)ig_fail(err, IG_EARGUMENT, "%zu rows of logits wanted of %zu tokens",
                                     n_logits, n_ids);
    ig_status status = ig_engine_check_ids(session, ids, n_ids, err);
    if (!status)
        status = ig_engine_eval(session, ids, n_ids, logits, n_logits, false, err);
    return (ingot_status)ig_engine_end(session, status, err);
}

static ig_status profile_text(const ig_plan *plan, const double *seconds, ig_buf *out,
                              ig_err *err) {
    const ig_program *program = plan->program;
    double sum = 0;
    for (uint32_t i = 0; i < program->n_ops; i++)
        sum += seconds[i];
    for (uint32_t i = 0; i < program->n_ops; i++) {
        IG_TRY(ig_buf_addf(out, err, "%9.3f ms %5.1f%%  ", seconds[i] * 1e3,
                           sum > 0 ? 100 * seconds[i] / sum : 0));
        IG_TRY(ig_op_print(program, &program->ops[i], out, err));
        IG_TRY(ig_buf_addf(out, err, "\n"));
    }
    return IG_OK;
}

ingot_status ingot_session_profile(const ingot_session *session, ingot_text *out,
                                   ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    const ig_plan *plan = session->model->plan;
    ig_buf buf;
    ig_buf_init(&buf, IG_TEXT_BYTES_MAX);
    /* Steps of other sessions write these numbers. */
    ig_mutex_lock(session->model->turn);
    const double *seconds = ig_step_op_seconds(session->model->module);
    ig_status status =
        seconds ? profile_text(plan, seconds, &buf, err)
                : ig_fail(err, IG_EUNSUPPORTED, "no profile; open the model with options.profile");
    ig_mutex_unlock(session->model->turn);
    if (!status)
        status = ig_engine_give(&buf, out, err);
    ig_buf_fini(&buf);
    return (ingot_status)status;
}
