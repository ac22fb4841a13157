/* exec_world.c: see exec_world.h. */
#include "exec_world.h"

#include <math.h>
#include <stdio.h>

#include "os/os.h"

#define OR(value, other) ((value) ? (value) : (other))

/* ---- an executor ------------------------------------------------------------------------------
 */

static ig_exec_options exec_options(const world *w, const world_options *o) {
    ig_exec_options e = {.device = w->device,
                         .module = w->module,
                         .pool = {.k_dtype = IG_DTYPE_F32, .v_dtype = IG_DTYPE_F32},
                         .policy = o->policy,
                         .tokens_max = OR(o->tokens, 64),
                         .seqs_max = OR(o->seqs, 16),
                         .queue_max = OR(o->queue, 1024),
                         .context_max = OR(o->context, 2048),
                         .ageing_us = o->ageing_us,
                         .uncached = o->uncached,
                         .iterations = OR(o->iterations, 16),
                         .manual = !o->threaded};
    for (uint32_t g = 0; g < w->plan->n_groups; g++)
        e.pool.n_pages[g] = OR(o->pages, 256);
    return e;
}

static ig_status open_all(world *w, const world_options *o, ig_err *err) {
    ig_program *program = NULL;
    const uint32_t seqs = OR(o->seqs, 16);
    const ig_limits limits = {.tokens_max = OR(o->tokens, 64),
                              .outputs_max = OR(o->outputs, seqs + 48),
                              .seqs_max = seqs,
                              .context_max = OR(o->context, 2048)};
    const ig_device_options device = {.progress_user = &w->h};
    IG_TRY(ig_device_open(&w->device, &history_backend, &device, err));
    IG_TRY(history_program(&program, w->vocab, o->windows, OR(o->n_groups, 1), err));
    IG_TRY(ig_plan_create(&w->plan, &program, ig_device_caps(w->device), &limits, err));
    IG_TRY(ig_module_load(&w->module, w->device, w->plan, err));
    const ig_exec_options e = exec_options(w, o);
    IG_TRY(ig_exec_create(&w->exec, &e, err));
    w->context = ig_exec_context(w->exec);
    return IG_OK;
}

bool world_open(world *w, const world_options *o, ig_err *err) {
    *w = (world){.vocab = OR(o->vocab, 64), .h = {.n_threads = o->n_threads}};
    if (!open_all(w, o, err))
        return true;
    world_close(w);
    return false;
}

void world_close(world *w) {
    ig_exec_destroy(&w->exec);
    ig_module_unload(&w->module);
    ig_plan_destroy(&w->plan);
    ig_device_close(&w->device);
}

bool world_run(world *w) {
    for (uint32_t turn = 0; turn < 1u << 20; turn++) {
        if (!ig_exec_work(w->exec))
            return true;
    }
    return false;
}

ig_exec_facts world_facts(const world *w) {
    ig_exec_facts f;
    ig_exec_describe(w->exec, &f);
    return f;
}

bool world_is_clean(world *w) {
    (void)ig_exec_work(w->exec); /* an idle turn, which reports */
    const ig_exec_facts f = world_facts(w);
    const bool clean = f.kv.used == 0 && f.kv.free + f.kv.cached == f.kv.n_pages &&
                       f.n_active + f.n_queued == 0 && f.n_failed_steps == w->h.n_failed;
    if (!clean)
        fprintf(
            stderr,
            "pages: %u used, %u free, %u cached of %u; %u active, %u queued; %llu failed steps, "
            "%llu on purpose\n",
            f.kv.used, f.kv.free, f.kv.cached, f.kv.n_pages, f.n_active, f.n_queued,
            (unsigned long long)f.n_failed_steps, (unsigned long long)w->h.n_failed);
    return clean;
}

uint32_t world_below(world_rng *rng, uint32_t n) {
    rng->state = rng->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng->state >> 33) % n);
}

ig_exec_params world_params(const int32_t *ids, uint32_t n_ids, uint32_t max_tokens) {
    ig_exec_params p = {.ids = ids,
                        .n_ids = n_ids,
                        .max_tokens = max_tokens,
                        .logprobs = true,
                        .streaming = true,
                        .kv_priority = IG_KV_PRIORITY_DEFAULT};
    ig_sample_defaults(&p.sampling);
    p.sampling.temperature = 0;
    p.sampling.seed = 1;
    return p;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void add_token(answer *a, const ig_exec_token *t) {
    const uint32_t s = t->sequence;
    if (s >= WORLD_N_MAX)
        return;
    if (t->id >= 0 && a->n[s] < WORLD_OUT_MAX) {
        a->ids[s][a->n[s]] = t->id;
        a->logprobs[s][a->n[s]++] = t->logprob;
    }
    a->reason[s] = t->reason;
    a->n_sequences = IG_MAX(a->n_sequences, s + 1);
}

void answer_take(answer *a, ig_exec_request *r) {
    ig_exec_token tokens[7];
    size_t n;
    while (!(a->status = ig_exec_next(r, tokens, NULL, IG_COUNT(tokens), &n, 0, &a->err))) {
        for (size_t i = 0; i < n; i++)
            add_token(a, &tokens[i]);
    }
}

static bool is_end(const ig_exec_params *p, int32_t id) {
    bool end = false;
    for (uint32_t i = 0; i < p->n_end_ids; i++)
        end = end || p->end_ids[i] == id;
    return end;
}

static float logprob_of(const float *logits, uint32_t n_vocab, int32_t id) {
    return (float)((double)logits[id] - ig_logits_logsumexp(logits, n_vocab));
}

/* One sequence: `all` holds the prompt and grows. */
static ig_status sequence_alone(answer *a, const world *w, const ig_exec_params *p, uint32_t s,
                                ig_sampler *sampler, uint64_t hash, int32_t *all, float *logits,
                                ig_err *err) {
    ig_think think;
    if (p->think)
        IG_TRY(ig_think_init(&think, p->think, err));
    for (uint32_t n = p->n_ids; a->reason[s] == 0;) {
        ig_draw draw = {.id = p->think ? ig_think_forces(&think) : -1};
        history_logits(hash, w->vocab, logits);
        if (draw.id >= 0)
            IG_TRY(ig_sampler_force(sampler, draw.id, err));
        else
            IG_TRY(ig_sampler_draw(sampler, logits, NULL, &draw, err));
        if (p->think)
            ig_think_accept(&think, draw.id);
        all[n++] = draw.id;
        hash = history_add(hash, draw.id);
        const uint32_t made = n - p->n_ids;
        const bool stops =
            made >= p->sampling.min_tokens && ig_words_end(p->stop_words, p->n_stop_words, all, n);
        const ig_exec_token token = {.sequence = s,
                                     .id = draw.id,
                                     .logprob =
                                         p->logprobs ? logprob_of(logits, w->vocab, draw.id) : 0,
                                     .reason = is_end(p, draw.id)      ? IG_EXEC_END_ID
                                               : stops                 ? IG_EXEC_STOP_WORDS
                                               : made >= p->max_tokens ? IG_EXEC_LENGTH
                                               : n > w->context        ? IG_EXEC_CONTEXT
                                                                       : IG_EXEC_RUNNING};
        add_token(a, &token);
    }
    return IG_OK;
}

static ig_status sampled_alone(answer *a, const world *w, const ig_exec_params *p, uint64_t seed,
                               uint64_t hash, int32_t *all, float *logits, ig_err *err) {
    for (uint32_t s = 0; s < IG_MAX(p->n_sequences, 1); s++) {
        ig_sampler *sampler = NULL;
        ig_sample_params sampling = p->sampling;
        sampling.sequence = s;
        sampling.seed = seed;
        sampling.scratch = NULL;
        IG_TRY(ig_sampler_create(&sampler, &sampling, w->vocab, err));
        ig_status status = IG_OK;
        for (uint32_t i = 0; i < p->n_ids && !status; i++)
            status = ig_sampler_accept(sampler, p->ids[i], err);
        if (!status)
            status = sequence_alone(a, w, p, s, sampler, hash, all, logits, err);
        ig_sampler_destroy(&sampler);
        IG_TRY(status);
    }
    return IG_OK;
}

/* Beams by their hashes; without edits. */
static ig_status beams_alone(answer *a, const world *w, const ig_exec_params *p, uint64_t hash,
                             ig_err *err) {
    ig_beam_search *search = NULL;
    ig_beam_params params = p->beam;
    uint64_t hashes[WORLD_N_MAX] = {hash}, next[WORLD_N_MAX];
    float *rows = ig_alloc((size_t)WORLD_N_MAX * w->vocab, sizeof *rows);
    ig_beam_step step = {.n = 1};
    params.n_vocab = w->vocab;
    params.max_tokens = IG_MIN(p->max_tokens, w->context - p->n_ids + 1);
    params.end_ids = p->end_ids;
    params.n_end_ids = p->n_end_ids;
    ig_status status = rows ? ig_beam_create(&search, &params, err) : ig_fail_memory(err, 1);
    while (!status && !step.done) {
        const float *row[WORLD_N_MAX];
        for (uint32_t i = 0; i < step.n; i++) {
            row[i] = rows + (size_t)i * w->vocab;
            history_logits(hashes[i], w->vocab, rows + (size_t)i * w->vocab);
        }
        status = ig_beam_advance(search, row, &step, err);
        for (uint32_t i = 0; i < step.n && !status; i++)
            next[i] = history_add(hashes[step.next[i].parent], step.next[i].id);
        memcpy(hashes, next, sizeof hashes);
    }
    const uint32_t found = status ? 0 : ig_beam_finish(search);
    for (uint32_t i = 0; i < IG_MIN(found, OR(p->n_sequences, p->beam.width)); i++) {
        ig_beam_result result;
        ig_beam_describe(search, i, &result);
        ig_beam_tokens(search, i, a->ids[i], a->logprobs[i]);
        a->n[i] = result.n_tokens;
        a->reason[i] = result.ended                       ? IG_EXEC_END_ID
                       : result.n_tokens == p->max_tokens ? IG_EXEC_LENGTH
                                                          : IG_EXEC_CONTEXT;
        a->n_sequences = i + 1;
    }
    ig_beam_destroy(&search);
    ig_free(rows);
    return status;
}

ig_status answer_alone(answer *a, const world *w, const ig_exec_params *p, uint64_t seed,
                       ig_err *err) {
    uint64_t hash = HISTORY_START;
    int32_t *all = ig_alloc(p->n_ids + WORLD_OUT_MAX + 1, sizeof *all);
    float *logits = ig_alloc(w->vocab, sizeof *logits);
    ig_status status = all && logits ? IG_OK : ig_fail_memory(err, w->vocab);
    *a = (answer){.status = IG_EEND, .beams = p->beam.width > 1};
    for (uint32_t i = 0; i < p->n_ids && !status; i++) {
        all[i] = p->ids[i];
        hash = history_add(hash, p->ids[i]);
    }
    if (!status)
        status = p->beam.width > 1 ? beams_alone(a, w, p, hash, err)
                                   : sampled_alone(a, w, p, seed, hash, all, logits, err);
    ig_free(all);
    ig_free(logits);
    return status;
}

static bool differs(uint32_t s, uint32_t i, const char *what, double got, double want) {
    fprintf(stderr, "sequence %u, token %u: %s is %.9g, not %.9g\n", s, i, what, got, want);
    return false;
}

bool answer_same(const answer *got, const answer *want, bool part) {
    for (uint32_t s = 0; s < WORLD_N_MAX; s++) {
        for (uint32_t i = 0; i < got->n[s] && i < want->n[s] && !(part && want->beams); i++) {
            if (got->ids[s][i] != want->ids[s][i])
                return differs(s, i, "id", got->ids[s][i], want->ids[s][i]);
            if (memcmp(&got->logprobs[s][i], &want->logprobs[s][i], sizeof(float)) != 0)
                return differs(s, i, "logprob", (double)got->logprobs[s][i],
                               (double)want->logprobs[s][i]);
        }
        if (part ? got->n[s] > want->n[s] && !want->beams : got->n[s] != want->n[s])
            return differs(s, got->n[s], "number of tokens", got->n[s], want->n[s]);
        if (!part && got->reason[s] != want->reason[s])
            return differs(s, got->n[s], "reason", got->reason[s], want->reason[s]);
    }
    return part || got->status == want->status ||
           differs(0, 0, "status", (double)got->status, (double)want->status);
}

/* ---- both -------------------------------------------------------------------------------------
 */

ig_exec_request *world_submit(world *w, const ig_exec_params *p) {
    ig_exec_request *r = NULL;
    ig_err err = {0};
    if (ig_exec_submit(w->exec, p, &r, &err))
        fprintf(stderr, "submit: %s\n", err.message);
    return r;
}

bool world_gave(const world *w, ig_exec_request **r, const ig_exec_params *p) {
    static answer got, want;
    ig_err err = {0};
    if (!*r)
        return false;
    memset(&got, 0, sizeof got);
    answer_take(&got, *r);
    ig_exec_request_close(r);
    if (!answer_alone(&want, w, p, p->sampling.seed, &err) && answer_same(&got, &want, false))
        return true;
    fprintf(stderr, "%s\n", got.err.message);
    return false;
}
