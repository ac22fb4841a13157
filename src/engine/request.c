/* request.c: public requests over the exec room: options become parameters on the submitting
 * thread, records become outputs with text on the reading one. What a request knows of text while
 * it runs (stop strings, forbidden strings, the caller's logits callback) hangs on its hooks. */
#include "engine/executor_int.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define RECORDS_TAKEN 64u
#define THINK_BEGIN "<think>"
#define THINK_END "</think>"

/* What the hooks need; lives as long as the exec room's request. */
typedef struct request_hooks {
    const ig_tokenizer *tok;
    const ig_piece_index *pieces;
    char **stop, **bad;
    uint32_t n_stop, n_bad;
    bool special;
    bool (*on_logits)(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids,
                      float *logits, size_t n_logits);
    void (*on_release)(void *user);
    void *on_logits_user;
    uint32_t n_vocab;
    ig_buf scratch; /* executor's thread */
    ig_flag deaf;   /* ig_status: a stop string could not be looked for, and the sequence ended */
} request_hooks;

/* Text of one sequence on its way out. */
typedef struct request_text {
    ig_detok detok;
    ig_buf text;       /* made but not given out: may become a stop string */
    uint32_t n_tokens; /* whose text went in */
    size_t deaf;       /* bytes of `text` that came before min_tokens: they stop nothing */
    bool stopped;
    bool begun; /* its first output was given */
} request_text;

struct ingot_request {
    ig_exec_request *r;
    const ingot_model *model;
    request_hooks *hooks; /* held by r */
    ig_token_run *words;  /* of submit */
    bool logprobs, streaming, has_text;
    int32_t *input; /* include_input: the prompt */
    uint32_t n_input, n_top, n_sequences, min_tokens;
    request_text *texts; /* [n_sequences] */

    /* Records that were taken and not given out yet. */
    ig_exec_token *records;
    ig_candidate *tops;
    size_t n_records, cap;
    ig_err lost; /* code: an output was lost half made, and with it those after it */
    /* The last output's arrays. */
    int32_t *ids;
    float *logprobs_out;
    ingot_top_logprob *top_out;
    size_t out_cap;
    ig_buf out_text;
};

/* ---- hooks ------------------------------------------------------------------------------------
 */

static void free_strings(char **strings, uint32_t n) {
    for (uint32_t i = 0; strings && i < n; i++)
        ig_free(strings[i]);
    ig_free(strings);
}

static void release_hooks(void *user) {
    request_hooks *h = user;
    free_strings(h->stop, h->n_stop);
    free_strings(h->bad, h->n_bad);
    ig_buf_fini(&h->scratch);
    if (h->on_release)
        h->on_release(h->on_logits_user);
    ig_free(h);
}

static bool stops(void *user, const int32_t *generated, size_t n) {
    request_hooks *h = user;
    bool hit;
    const ig_status status = ig_stop_hit(h->tok, (const char *const *)h->stop, h->n_stop,
                                         h->special, generated, n, &h->scratch, &hit, NULL);
    if (status) /* ends it too: the reader says why */
        ig_flag_set(&h->deaf, (uint32_t)status);
    return status || hit;
}

static bool edit(void *user, uint32_t sequence, const int32_t *ids, size_t n_ids, float *logits,
                 const char **why) {
    request_hooks *h = user;
    ig_status status = IG_OK;
    if (h->n_bad)
        status = ig_bad_strings_forbid(h->pieces, h->tok, (const char *const *)h->bad, h->n_bad,
                                       h->special, ids, n_ids, &h->scratch, logits, NULL);
    if (status) {
        *why = status == IG_EMEMORY ? "out of memory" : "text too long to look for bad strings";
        return false;
    }
    if (h->on_logits &&
        !h->on_logits(h->on_logits_user, sequence, ids, n_ids, logits, h->n_vocab)) {
        *why = "on_logits said no";
        return false;
    }
    return true;
}

static ig_status copy_strings(const char *const *from, uint32_t n, char ***out, uint32_t *n_out,
                              ig_err *err) {
    *out = ig_alloc(n, sizeof **out);
    if (!*out)
        return ig_fail_memory(err, n * sizeof **out);
    for (uint32_t i = 0; i < n; i++) {
        if (from[i][0] == 0) /* an empty one says nothing */
            continue;
        char *copy = ig_strndup(from[i], strlen(from[i]));
        if (!copy)
            return ig_fail_memory(err, strlen(from[i]));
        (*out)[(*n_out)++] = copy;
    }
    return IG_OK;
}

static ig_status make_hooks(ingot_model *m, const ingot_request_options *o, request_hooks *h,
                            ig_exec_hooks *out, ig_err *err) {
    h->tok = m->tokenizer;
    h->special = o->special;
    h->n_vocab = m->plan->program->facts.n_vocab;
    h->on_logits = o->on_logits;
    ig_buf_init(&h->scratch, IG_TEXT_BYTES_MAX);
    IG_TRY(ig_stop_strings_check("stop", o->stop, o->n_stop, err));
    IG_TRY(ig_bad_strings_check(o->bad, o->n_bad, err));
    if (o->n_stop || o->n_bad)
        IG_TRY(ig_engine_need_text(m, err));
    IG_TRY(copy_strings(o->stop, o->n_stop, &h->stop, &h->n_stop, err));
    IG_TRY(copy_strings(o->bad, o->n_bad, &h->bad, &h->n_bad, err));
    if (h->n_bad)
        IG_TRY(ig_engine_pieces(m, &h->pieces, err));
    if (h->n_stop)
        out->stops = stops;
    if (h->n_bad || h->on_logits)
        out->edit = edit;
    return IG_OK;
}

/* ---- submit -----------------------------------------------------------------------------------
 */

/* Everything that params point to until the room has its copies. */
typedef struct submission {
    ig_ids ids, think_begin, think_end, bad_tokens;
    ig_engine_lists lists;
    ig_token_run *stop_words, *bad_words;
    ig_think_params think;
} submission;

static void free_submission(submission *s) {
    ig_free(s->ids.p);
    ig_free(s->think_begin.p);
    ig_free(s->think_end.p);
    ig_free(s->bad_tokens.p);
    ig_free(s->stop_words);
    ig_free(s->bad_words);
    ig_engine_lists_free(&s->lists);
}

static ig_status prompt_ids(const ingot_model *m, const ingot_request_options *o, submission *s,
                            ig_exec_params *p, ig_err *err) {
    if ((o->ids != NULL) == (o->text != NULL))
        return ig_fail(err, IG_EARGUMENT, "a request needs a prompt: either ids or text");
    if (o->n_ids > IG_CONTEXT_MAX)
        return ig_fail(err, IG_ELIMIT, "n_ids is %zu; at most %u", o->n_ids, IG_CONTEXT_MAX);
    p->ids = o->ids;
    p->n_ids = (uint32_t)o->n_ids;
    if (!o->text)
        return IG_OK;
    const unsigned flags =
        (o->text_flags & INGOT_ADD_SPECIAL ? (unsigned)IG_ENCODE_ADD_SPECIAL : 0) |
        (o->text_flags & INGOT_PARSE_SPECIAL ? (unsigned)IG_ENCODE_PARSE_SPECIAL : 0);
    IG_TRY(ig_engine_need_text(m, err));
    IG_TRY(ig_tokenizer_encode(m->tokenizer, (ig_str){o->text, o->text_size}, flags, &s->ids, err));
    if (s->ids.n > IG_CONTEXT_MAX)
        return ig_fail(err, IG_ELIMIT, "the prompt has %zu tokens; at most %u", s->ids.n,
                       IG_CONTEXT_MAX);
    p->ids = s->ids.p;
    p->n_ids = (uint32_t)s->ids.n;
    return IG_OK;
}

static ig_status words(const char *field, const ingot_words *from, uint32_t n, uint32_t extra,
                       ig_token_run **out, ig_err *err) {
    if (n > IG_EXEC_WORDS_MAX)
        return ig_fail(err, IG_ELIMIT, "%u %s; at most %u", n, field, IG_EXEC_WORDS_MAX);
    *out = ig_alloc((size_t)n + extra, sizeof **out);
    if (!*out)
        return ig_fail_memory(err, n * sizeof **out);
    for (uint32_t i = 0; i < n; i++)
        (*out)[i] = (ig_token_run){from[i].ids, from[i].n};
    return IG_OK;
}

/* Token lists, and the tokens that hold a forbidden string whole. */
static ig_status bad_words(const ingot_request_options *o, const request_hooks *h, submission *s,
                           ig_sample_params *p, ig_err *err) {
    if (h->n_bad)
        IG_TRY(ig_bad_strings_tokens(h->pieces, (const char *const *)h->bad, h->n_bad, h->special,
                                     &s->bad_tokens, err));
    IG_TRY(words("bad_words", o->bad_words, o->n_bad_words, (uint32_t)s->bad_tokens.n,
                 &s->bad_words, err));
    for (size_t i = 0; i < s->bad_tokens.n; i++)
        s->bad_words[o->n_bad_words + i] = (ig_token_run){&s->bad_tokens.p[i], 1};
    p->bad_words = s->bad_words;
    p->n_bad_words = o->n_bad_words + (uint32_t)s->bad_tokens.n;
    return IG_OK;
}

/* Marks become tokens; a prompt whose last mark opens begins inside. */
static ig_status thinking(const ingot_model *m, const ingot_request_options *o, submission *s,
                          ig_exec_params *p, ig_err *err) {
    if (o->think_tokens == 0)
        return IG_OK;
    IG_TRY(ig_engine_need_text(m, err));
    const ig_str begin = ig_str_of(o->think_begin ? o->think_begin : THINK_BEGIN);
    const ig_str end = ig_str_of(o->think_end ? o->think_end : THINK_END);
    IG_TRY(ig_tokenizer_encode(m->tokenizer, begin, IG_ENCODE_PARSE_SPECIAL, &s->think_begin, err));
    IG_TRY(ig_tokenizer_encode(m->tokenizer, end, IG_ENCODE_PARSE_SPECIAL, &s->think_end, err));
    if (!s->think_begin.n || !s->think_end.n || s->think_begin.n > IG_THINK_TOKENS_MAX ||
        s->think_end.n > IG_THINK_TOKENS_MAX)
        return ig_fail(err, IG_EARGUMENT,
                       "think_begin and think_end must be 1 to %u tokens; they are %zu and %zu",
                       IG_THINK_TOKENS_MAX, s->think_begin.n, s->think_end.n);
    s->think = (ig_think_params){
        .begin = {s->think_begin.p, (uint32_t)s->think_begin.n},
        .end = {s->think_end.p, (uint32_t)s->think_end.n},
        .budget =
            o->think_tokens < 0 ? 0 : (uint32_t)IG_MIN(o->think_tokens, (int64_t)IG_CONTEXT_MAX)};
    for (uint32_t n = p->n_ids; n > 0; n--) {
        if (ig_words_end(&s->think.end, 1, p->ids, n))
            break;
        if (ig_words_end(&s->think.begin, 1, p->ids, n)) {
            s->think.open = true;
            break;
        }
    }
    p->think = &s->think;
    return IG_OK;
}

/* Beams are ranked by the model's own probabilities unless the caller asked for others: the
 * defaults of sampling would scale them. */
static ig_status beam_params(const ingot_request_options *o, ig_exec_params *p, ig_err *err) {
    const ingot_beams *b = &o->beams;
    if ((b->width > 1 || b->n_widths) && ig_engine_sampling_unset(&o->sampling))
        p->sampling.temperature = 1;
    if (b->n_widths > IG_BEAM_WIDTHS_MAX)
        return ig_fail(err, IG_EARGUMENT, "n_widths is %u; at most %u", b->n_widths,
                       IG_BEAM_WIDTHS_MAX);
    if ((b->width > 1 || b->n_widths) && (o->sampling.mirostat || o->sampling.dynatemp_range > 0))
        return ig_fail(err, IG_EARGUMENT,
                       "%s is %g; beam search draws nothing, so that it has no meaning there: "
                       "leave it 0",
                       o->sampling.mirostat ? "mirostat" : "dynatemp_range",
                       o->sampling.mirostat ? o->sampling.mirostat
                                            : (double)o->sampling.dynatemp_range);
    p->beam = (ig_beam_params){.width = b->width,
                               .n_widths = b->n_widths,
                               .diversity_rate = b->diversity_rate,
                               .length_penalty = b->length_penalty,
                               .early_stopping = b->early_stopping};
    for (uint32_t i = 0; i < b->n_widths; i++) {
        p->beam.widths[i] = b->widths[i];
        p->beam.width = IG_MAX(p->beam.width, b->widths[i]);
    }
    return IG_OK;
}

static void scope(const ingot_executor *e, const ingot_request_options *o, uint8_t out[16]) {
    const XXH128_hash_t hash =
        XXH3_128bits_withSeed(o->cache_salt, o->cache_salt_size, e->scope_seed);
    memset(out, 0, 16);
    if (o->cache_salt_size)
        memcpy(out, &hash, 16);
}

/* Does the chain change logits before it removes candidates? Beams need to know. */
static bool edits_logits(const ig_sample_params *p) {
    const bool penalties = p->penalty_repeat > 1 || p->penalty_repeat < 1 ||
                           p->penalty_frequency > 0 || p->penalty_frequency < 0 ||
                           p->penalty_presence > 0 || p->penalty_presence < 0;
    const bool scaled = p->temperature > 0 && (p->temperature > 1 || p->temperature < 1);
    return p->n_logit_bias || p->embedding_bias || p->n_bad_words || p->min_tokens ||
           p->no_repeat_ngram || p->dry_multiplier > 0 || penalties || scaled;
}

static void plain_params(const ingot_executor *e, const ingot_request_options *o,
                         ig_exec_params *p) {
    const double limit_ns = o->time_limit_s * 1e9;
    const uint64_t now = ig_clock_ns();
    p->n_sequences = o->n;
    p->max_tokens = o->max_tokens < 0                     ? 0
                    : o->max_tokens == 0                  ? UINT32_MAX
                    : o->max_tokens > (int64_t)UINT32_MAX ? UINT32_MAX
                                                          : (uint32_t)o->max_tokens;
    p->end_ids = o->end_ids ? o->end_ids : e->model->end_ids;
    p->n_end_ids = o->end_ids ? o->n_end_ids : o->sampling.ignore_eos ? 0 : e->model->n_end_ids;
    p->n_stop_words = o->n_stop_words;
    p->logprobs = o->logprobs || o->top_logprobs;
    p->n_top = o->top_logprobs;
    p->prompt_logprobs = o->prompt_logprobs;
    p->context_logits = o->context_logits;
    p->generation_logits = o->generation_logits;
    p->streaming = o->streaming;
    p->priority = o->priority;
    p->tag = o->tag;
    p->kv_priority = o->cache_priority ? o->cache_priority : IG_KV_PRIORITY_DEFAULT;
    p->uncached = o->no_cache;
    if (o->time_limit_s < 0)
        p->deadline_ns = 1;
    else if (o->time_limit_s > 0)
        p->deadline_ns = limit_ns < 1e18 ? now + (uint64_t)limit_ns : 0;
    scope(e, o, p->scope);
}

static ig_status fill_params(const ingot_executor *e, const ingot_request_options *o,
                             request_hooks *h, submission *s, ig_exec_params *p, ig_err *err) {
    ingot_model *m = e->model;
    if (!(o->time_limit_s >= -1e18 && o->time_limit_s <= 1e18))
        return ig_fail(err, IG_EARGUMENT, "time_limit_s is %g, which is no time", o->time_limit_s);
    if (o->cache_priority > IG_KV_PRIORITY_MAX)
        return ig_fail(err, IG_EARGUMENT, "cache_priority is %u; at most %u", o->cache_priority,
                       IG_KV_PRIORITY_MAX);
    plain_params(e, o, p);
    IG_TRY(prompt_ids(m, o, s, p, err));
    IG_TRY(make_hooks(m, o, h, &p->hooks, err));
    IG_TRY(ig_engine_sample_params(m, &o->sampling, &p->sampling, &s->lists, err));
    p->sampling.embedding_bias = o->embedding_bias;
    if (o->end_ids && p->sampling.min_tokens) {
        p->sampling.end_ids = o->end_ids;
        p->sampling.n_end_ids = o->n_end_ids;
    }
    IG_TRY(bad_words(o, h, s, &p->sampling, err));
    IG_TRY(words("stop_words", o->stop_words, o->n_stop_words, 0, &s->stop_words, err));
    p->stop_words = s->stop_words;
    IG_TRY(beam_params(o, p, err));
    IG_TRY(thinking(m, o, s, p, err));
    p->edits = edits_logits(&p->sampling);
    return IG_OK;
}

static ig_status make_texts(ingot_request *q, const ingot_request_options *o,
                            const ig_exec_params *p, ig_err *err) {
    const bool beams = p->beam.width > 1 || p->beam.n_widths > 0;
    q->n_sequences = beams ? p->beam.width : IG_MAX(p->n_sequences, 1);
    q->logprobs = p->logprobs;
    q->n_top = p->n_top;
    q->min_tokens = p->sampling.min_tokens;
    q->streaming = o->streaming;
    q->has_text = !o->no_text && q->model->tokenizer;
    ig_buf_init(&q->out_text, IG_TEXT_BYTES_MAX);
    if (q->n_sequences > IG_EXEC_SEQS_MAX)
        return ig_fail(err, IG_EARGUMENT, "n is %u; at most %u", q->n_sequences, IG_EXEC_SEQS_MAX);
    q->texts = ig_alloc(q->n_sequences, sizeof *q->texts);
    if (!q->texts)
        return ig_fail_memory(err, q->n_sequences * sizeof *q->texts);
    for (uint32_t i = 0; i < q->n_sequences; i++) {
        ig_detok_init(&q->texts[i].detok, q->model->tokenizer, o->special, true);
        ig_buf_init(&q->texts[i].text, IG_TEXT_BYTES_MAX);
    }
    if (!o->include_input)
        return IG_OK;
    q->n_input = p->n_ids;
    q->input = ig_alloc(p->n_ids, sizeof *q->input);
    if (!q->input)
        return ig_fail_memory(err, p->n_ids * sizeof *q->input);
    if (p->n_ids)
        memcpy(q->input, p->ids, p->n_ids * sizeof *q->input);
    return IG_OK;
}

/* A count needs its array. */
static ig_status check_arrays(const ingot_request_options *o, ig_err *err) {
    const struct {
        const char *field;
        const void *array;
        size_t n;
    } rows[] = {
        {"stop", o->stop, o->n_stop},
        {"stop_words", o->stop_words, o->n_stop_words},
        {"bad", o->bad, o->n_bad},
        {"bad_words", o->bad_words, o->n_bad_words},
        {"end_ids", o->end_ids, o->n_end_ids},
        {"beams.widths", o->beams.widths, o->beams.n_widths},
        {"sampling.logit_bias", o->sampling.logit_bias, o->sampling.n_logit_bias},
        {"cache_salt", o->cache_salt, o->cache_salt_size},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        if (rows[i].n && !rows[i].array)
            return ig_fail(err, IG_EARGUMENT, "%s is NULL, and its count is %zu", rows[i].field,
                           rows[i].n);
    }
    for (uint32_t i = 0; i < o->n_stop_words; i++) {
        if (o->stop_words[i].n && !o->stop_words[i].ids)
            return ig_fail(err, IG_EARGUMENT, "stop_words[%u].ids is NULL", i);
    }
    for (uint32_t i = 0; i < o->n_bad_words; i++) {
        if (o->bad_words[i].n && !o->bad_words[i].ids)
            return ig_fail(err, IG_EARGUMENT, "bad_words[%u].ids is NULL", i);
    }
    return IG_OK;
}

ingot_status ingot_executor_submit(ingot_executor *e, const ingot_request_options *o,
                                   ingot_request **out, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    submission s = {0};
    ig_exec_params p = {0};
    if (out)
        *out = NULL;
    if ((!e || !out) && o && o->on_release)
        o->on_release(o->on_logits_user);
    if (!e || !o || !out)
        return (ingot_status)ig_fail(err, IG_EARGUMENT, "submit needs %s",
                                     !e   ? "an executor; this one is closed"
                                     : !o ? "options"
                                          : "a place for the request");
    ingot_request *q = ig_alloc(1, sizeof *q);
    request_hooks *h = ig_alloc(1, sizeof *h);
    if (!q || !h) {
        ig_free(q);
        ig_free(h);
        if (o->on_release)
            o->on_release(o->on_logits_user);
        return (ingot_status)ig_fail_memory(err, sizeof *q);
    }
    h->on_release = o->on_release; /* from here on release_hooks keeps the promise */
    h->on_logits_user = o->on_logits_user;
    q->model = e->model;
    p.hooks = (ig_exec_hooks){.user = h, .release = release_hooks};
    p.user = q;
    p.events = (ig_exec_events *)o->events;
    ig_status status = check_arrays(o, err);
    if (!status)
        status = fill_params(e, o, h, &s, &p, err);
    if (!status)
        status = make_texts(q, o, &p, err);
    q->hooks = h;
    if (status)
        release_hooks(h);
    else
        status = ig_exec_submit(e->exec, &p, &q->r, err); /* takes the hooks in every case */
    free_submission(&s);
    if (status) {
        ig_engine_face_names(err);
        q->hooks = NULL;
        ingot_request_close(&q);
        return (ingot_status)status;
    }
    *out = q;
    return INGOT_OK;
}

void ingot_request_close(ingot_request **request) {
    if (!request || !*request)
        return;
    ingot_request *q = *request;
    *request = NULL;
    for (uint32_t i = 0; q->texts && i < q->n_sequences; i++)
        ig_buf_fini(&q->texts[i].text);
    ig_exec_request_close(&q->r);
    ig_free(q->texts);
    ig_free(q->input);
    ig_free(q->records);
    ig_free(q->tops);
    ig_free(q->ids);
    ig_free(q->logprobs_out);
    ig_free(q->top_out);
    ig_buf_fini(&q->out_text);
    ig_free(q);
}

void ingot_request_cancel(ingot_request *q) {
    ig_exec_cancel(q->r);
}

/* ---- outputs ----------------------------------------------------------------------------------
 */

static ig_status grow_records(ingot_request *q, ig_err *err) {
    const size_t cap = IG_MAX(q->cap * 2, (size_t)2 * RECORDS_TAKEN);
    ig_exec_token *records = ig_realloc(q->records, cap, sizeof *records);
    if (!records)
        return ig_fail_memory(err, cap * sizeof *records);
    q->records = records;
    ig_candidate *tops = ig_realloc(q->tops, cap * IG_MAX(q->n_top, 1), sizeof *tops);
    if (!tops)
        return ig_fail_memory(err, cap * q->n_top * sizeof *tops);
    q->tops = tops;
    q->cap = cap;
    return IG_OK;
}

/* Fills the pending records: with what is there, or (not streaming) with all there will be. */
static ig_status take_records(ingot_request *q, uint64_t timeout_ns, ig_err *err) {
    if (!q->streaming && !ig_exec_done(q->r)) {
        ig_exec_request *one[] = {q->r};
        IG_TRY(ig_exec_await(one, 1, true, true, timeout_ns, err));
    }
    for (;;) {
        size_t n;
        if (q->cap - q->n_records < RECORDS_TAKEN)
            IG_TRY(grow_records(q, err));
        const ig_status status =
            ig_exec_next(q->r, q->records + q->n_records, q->tops + q->n_records * q->n_top,
                         RECORDS_TAKEN, &n, q->n_records ? 0 : timeout_ns, err);
        q->n_records += n;
        if (status)
            return q->n_records ? IG_OK : status;
        if (q->streaming && n < RECORDS_TAKEN)
            return IG_OK;
    }
}

static ig_status grow_output(ingot_request *q, size_t n, ig_err *err) {
    if (n <= q->out_cap)
        return IG_OK;
    int32_t *ids = ig_realloc(q->ids, n, sizeof *ids);
    if (ids)
        q->ids = ids;
    float *logprobs = ig_realloc(q->logprobs_out, n, sizeof *logprobs);
    if (logprobs)
        q->logprobs_out = logprobs;
    ingot_top_logprob *top = ig_realloc(q->top_out, n * IG_MAX(q->n_top, 1), sizeof *top);
    if (top)
        q->top_out = top;
    if (!ids || !logprobs || !top)
        return ig_fail_memory(err, n * sizeof *ids);
    q->out_cap = n;
    return IG_OK;
}

/* A token's text goes behind what is held back. */
static ig_status add_text(ingot_request *q, const ig_exec_token *record, ig_err *err) {
    request_text *t = &q->texts[record->sequence];
    if (t->stopped || record->reason == IG_EXEC_END_ID)
        return IG_OK;
    IG_TRY(ig_detok_add(&t->detok, record->id, &t->text, err));
    if (++t->n_tokens < q->min_tokens)
        t->deaf = t->text.n;
    return IG_OK;
}

/* What cannot become a stop string any more; everything, when the sequence has ended. */
static ig_status give_text(ingot_request *q, request_text *t, bool last, ig_err *err) {
    size_t found;
    if (t->stopped)
        return IG_OK;
    if (last)
        IG_TRY(ig_detok_finish(&t->detok, &t->text, err));
    const size_t hold = ig_stop_held((const char *const *)q->hooks->stop, q->hooks->n_stop,
                                     ig_buf_str(&t->text), t->deaf, &found);
    const size_t n = found != SIZE_MAX ? found : last ? t->text.n : t->text.n - hold;
    t->stopped = found != SIZE_MAX;
    if (n == 0)
        return IG_OK;
    IG_TRY(ig_buf_add(&q->out_text, t->text.p, n, err));
    memmove(t->text.p, t->text.p + n, t->text.n - n + 1);
    t->text.n -= n;
    t->deaf -= IG_MIN(t->deaf, n);
    return IG_OK;
}

static ingot_top_logprob public_top(const ig_candidate *c) {
    return (ingot_top_logprob){.id = c->id, .logprob = c->p};
}

static void copy_input(ingot_request *q, ingot_output *o) {
    for (uint32_t i = 0; i < q->n_input; i++) {
        q->ids[o->n_ids] = q->input[i];
        q->logprobs_out[o->n_ids] = 0;
        for (uint32_t k = 0; k < q->n_top; k++)
            q->top_out[o->n_ids * q->n_top + k] = (ingot_top_logprob){.id = -1};
        o->n_ids++;
    }
}

/* All pending records of one sequence become the output; the others move up. */
static ig_status give(ingot_request *q, ingot_output *o, ig_err *err) {
    const uint32_t sequence = q->records[0].sequence;
    request_text *t = &q->texts[sequence];
    const uint32_t deaf = ig_flag_get(&q->hooks->deaf);
    size_t kept = 0;
    *o = (ingot_output){.sequence = sequence};
    if (deaf)
        return ig_fail(err, (ig_status)deaf,
                       "stop strings could not be looked for; free memory and submit again");
    IG_TRY(grow_output(q, q->n_records + q->n_input, err));
    if (!t->begun)
        copy_input(q, o);
    t->begun = true;
    for (size_t i = 0; i < q->n_records; i++) {
        const ig_exec_token record = q->records[i];
        const ig_candidate *top = q->tops + i * q->n_top;
        if (record.sequence != sequence) {
            q->records[kept] = record;
            memmove(q->tops + kept * q->n_top, top, q->n_top * sizeof *top);
            kept++;
            continue;
        }
        o->finish = (ingot_finish)record.reason;
        if (record.id < 0)
            continue;
        if (q->has_text)
            IG_TRY(add_text(q, &record, err));
        q->ids[o->n_ids] = record.id;
        q->logprobs_out[o->n_ids] = record.logprob;
        for (uint32_t k = 0; k < q->n_top; k++)
            q->top_out[o->n_ids * q->n_top + k] = public_top(&top[k]);
        o->n_ids++;
    }
    q->n_records = kept;
    ig_buf_clear(&q->out_text);
    if (q->has_text)
        IG_TRY(give_text(q, t, o->finish != INGOT_FINISH_NONE, err));
    o->ids = q->ids;
    o->logprobs = q->logprobs ? q->logprobs_out : NULL;
    o->top = q->n_top ? q->top_out : NULL;
    o->text = q->out_text.n ? q->out_text.p : "";
    o->text_size = q->out_text.n;
    return IG_OK;
}

ingot_status ingot_request_next(ingot_request *q, ingot_output *output, uint64_t timeout_us,
                                ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    if (q->lost.code) {
        *err = q->lost;
        return (ingot_status)err->code;
    }
    ig_status status = q->n_records ? IG_OK : take_records(q, ig_engine_ns(timeout_us), err);
    if (status)
        return (ingot_status)status;
    status = give(q, output, err);
    if (status) { /* its records are partly text already: none can be given out again */
        q->lost = *err;
        ig_exec_cancel(q->r);
    }
    return (ingot_status)status;
}

bool ingot_request_ready(const ingot_request *q) {
    return q->n_records || (q->streaming ? ig_exec_ready(q->r) : ig_exec_done(q->r));
}

ingot_status ingot_requests_await(ingot_request *const *requests, size_t n, bool all, bool ended,
                                  uint64_t timeout_us, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    ig_exec_request **list = ig_alloc(n, sizeof(*list));
    if (!list)
        return (ingot_status)ig_fail_memory(err, n * sizeof(*list));
    ig_status status = IG_OK;
    size_t waits = 0; /* those without records that were taken and not given out */
    for (size_t i = 0; i < n; i++) {
        if (ended || !requests[i]->n_records)
            list[waits++] = requests[i]->r;
    }
    if (waits == n || (all && waits))
        status = ig_exec_await(list, waits, all, ended, ig_engine_ns(timeout_us), err);
    ig_free(list);
    return (ingot_status)status;
}

/* ---- state and results ------------------------------------------------------------------------
 */

/* A step reads its clock before it takes in what comes during it. */
static double since(uint64_t start_ns, uint64_t ns) {
    return ns ? (double)(ns - IG_MIN(ns, start_ns)) * 1e-9 : -1;
}

void ingot_request_poll(const ingot_request *q, ingot_request_state *state) {
    ig_exec_request_facts f;
    ig_exec_request_describe(q->r, &f);
    *state = (ingot_request_state){.id = f.id,
                                   .tag = f.tag,
                                   .seed = f.seed,
                                   .stage = (ingot_stage)f.stage,
                                   .sequences = f.n_sequences,
                                   .prompt_tokens = f.n_prompt,
                                   .prefilled_tokens = f.n_prefilled,
                                   .generated_tokens = f.n_generated,
                                   .cached_tokens = f.n_cached,
                                   .preempted = f.n_preempted,
                                   .scheduled_s = since(f.arrival_ns, f.scheduled_ns),
                                   .first_token_s = since(f.arrival_ns, f.first_token_ns),
                                   .last_token_s = since(f.arrival_ns, f.last_token_ns),
                                   .ended_s = since(f.arrival_ns, f.done_ns),
                                   .first_step = f.first_step,
                                   .last_step = f.last_step};
}

_Static_assert(sizeof(ingot_top_logprob) == sizeof(ig_candidate) &&
                   offsetof(ingot_top_logprob, logprob) == offsetof(ig_candidate, p),
               "top log-probabilities are the sample room's candidates under another name");

void ingot_request_result(const ingot_request *q, ingot_result *result) {
    *result = (ingot_result){.prompt_logprobs = ig_exec_prompt_logprobs(q->r),
                             .prompt_top =
                                 (const ingot_top_logprob *)(const void *)ig_exec_prompt_top(q->r),
                             .context_logits = ig_exec_context_logits(q->r)};
}

void ingot_request_sequence(const ingot_request *q, uint32_t sequence,
                            ingot_sequence_result *result) {
    *result = (ingot_sequence_result){0};
    result->cumulative_logprob = ig_exec_logprob_sum(q->r, sequence, &result->score);
    result->logits = ig_exec_generation_logits(q->r, sequence, &result->n_logits);
}

/* ---- events: the exec room's queues under another name ----------------------------------------
 */

ingot_status ingot_events_open(ingot_events **out, uint32_t requests, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    *out = NULL;
    return (ingot_status)ig_exec_events_create((ig_exec_events **)out, requests, err);
}

void ingot_events_close(ingot_events **events) {
    ig_exec_events_destroy((ig_exec_events **)events);
}

int ingot_events_fd(const ingot_events *events) {
    return ig_exec_events_fd((const ig_exec_events *)events);
}

size_t ingot_events_wait(ingot_events *events, ingot_request **out, size_t max,
                         uint64_t timeout_us) {
    ig_exec_request *some[RECORDS_TAKEN];
    const size_t n =
        ig_exec_events_take((ig_exec_events *)events, some, IG_MIN(max, (size_t)RECORDS_TAKEN),
                            ig_engine_ns(timeout_us));
    for (size_t i = 0; i < n; i++)
        out[i] = ig_exec_request_user(some[i]);
    return n;
}
