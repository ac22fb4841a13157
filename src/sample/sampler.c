/* sampler.c: the life of a sampler and its draws: memory, the compiled chain, accepted tokens,
 * seed. */
#include <stdio.h>
#include <stdlib.h>

#include "sample/logprob_int.h"
#include "sample/philox.h"
#include "sample/sampler_int.h"

/* The next n objects of a block, or NULL while only measuring (base NULL). */
static void *place(char *base, size_t *at, size_t n, size_t size) {
    size_t offset = ig_round_up(*at, IG_CACHE_LINE);
    *at = offset + n * size;
    return base ? base + offset : NULL;
}

/* Room for ceil(n_vocab / 64) tiles everywhere, so that loops need no tail. Every count is below
 * IG_VOCAB_MAX. */
static size_t layout_scratch(ig_sample_scratch *s, char *base) {
    size_t at = sizeof *s, n = (size_t)s->n_tiles * IG_TILE;
    s->work = place(base, &at, n, sizeof *s->work);
    s->tile_max = place(base, &at, s->n_tiles, sizeof *s->tile_max);
    s->tile_mass = place(base, &at, s->n_tiles, sizeof *s->tile_mass);
    s->tile_state = place(base, &at, s->n_tiles, sizeof *s->tile_state);
    s->keys = place(base, &at, n, sizeof *s->keys);
    s->tmp = place(base, &at, n, sizeof *s->tmp);
    s->w = place(base, &at, n, sizeof *s->w);
    return at;
}

ig_status ig_sample_scratch_create(ig_sample_scratch **out, uint32_t n_vocab, ig_err *err) {
    if (n_vocab < 1 || n_vocab > IG_VOCAB_MAX)
        return ig_fail(err, IG_EARGUMENT, "n_vocab is %u; it must be from 1 to %u", n_vocab,
                       IG_VOCAB_MAX);
    ig_sample_scratch measure = {.n_vocab = n_vocab,
                                 .n_tiles = (uint32_t)ig_div_up(n_vocab, IG_TILE)};
    size_t bytes = layout_scratch(&measure, NULL);
    ig_sample_scratch *s = ig_alloc(bytes, 1);
    if (!s)
        return ig_fail_memory(err, bytes);
    *s = measure;
    layout_scratch(s, (char *)s);
    *out = s;
    return IG_OK;
}

void ig_sample_scratch_destroy(ig_sample_scratch **s) {
    ig_free(*s);
    *s = NULL;
}

static void place_map(char *base, size_t *at, ig_token_counts *m, uint32_t n_vocab,
                      uint32_t window) {
    m->cap = IG_MIN(window, n_vocab);
    m->slot_bits = ig_token_counts_bits(m->cap);
    m->slot = place(base, at, m->cap ? (size_t)1 << m->slot_bits : 0, sizeof *m->slot);
    m->id = place(base, at, m->cap, sizeof *m->id);
    m->value = place(base, at, m->cap, sizeof *m->value);
}

/* Sets the pointers into the block that starts at base; returns its size. */
static size_t layout(ig_sampler *s, char *base) {
    size_t at = sizeof *s;
    s->history = place(base, &at, s->history_cap, sizeof *s->history);
    place_map(base, &at, &s->penalty_count, s->n_vocab, s->penalty_window);
    place_map(base, &at, &s->dry_repeat, s->n_vocab, s->dry_window);
    s->dry_recent = place(base, &at, s->dry_window, sizeof *s->dry_recent);
    s->dry_match = place(base, &at, s->dry_window, sizeof *s->dry_match);
    s->bias = place(base, &at, s->p.n_logit_bias, sizeof *s->bias);
    s->breaker = place(base, &at, s->p.n_dry_breakers, sizeof *s->breaker);
    s->breaker_ids = place(base, &at, s->n_breaker_ids, sizeof *s->breaker_ids);
    s->probs = place(base, &at, s->p.n_probs, sizeof *s->probs);
    return at;
}

/* The rows that do something, in order, and the one that draws. */
static void compile(ig_sampler *s) {
    static const ig_sampler_kind before_mirostat[] = {IG_SAMPLER_TEMPERATURE};
    const ig_sample_params *p = &s->p;
    const ig_sampler_kind *chain = p->mirostat ? before_mirostat : p->chain;
    uint32_t n = p->mirostat ? 1 : p->n_chain;
    s->drawer = &ig_sampler_rows[p->mirostat == 1   ? IG_ROW_MIROSTAT_1
                                 : p->mirostat == 2 ? IG_ROW_MIROSTAT_2
                                                    : IG_ROW_RANDOM];
    for (uint32_t i = 0; i < n; i++) {
        const ig_sampler_row *row = &ig_sampler_rows[chain[i]];
        if (row->is_off(p))
            continue;
        if (row->draw) {
            s->drawer = row;
            continue;
        }
        /* What comes after is one token; filters right before keep the best one, so they need not
         * run. */
        if (chain[i] == IG_SAMPLER_TEMPERATURE && ig_temperature_greedy(p))
            while (s->n_stages > 0 && s->stage[s->n_stages - 1]->keeps_best)
                s->n_stages--;
        s->stage[s->n_stages++] = row;
    }
}

static bool has_stage(const ig_sampler *s, ig_sampler_kind kind) {
    for (uint32_t i = 0; i < s->n_stages; i++)
        if (s->stage[i] == &ig_sampler_rows[kind])
            return true;
    return false;
}

static int by_head(const void *a, const void *b) {
    const ig_token_run *x = a, *y = b;
    return x->ids[0] < y->ids[0] ? -1 : x->ids[0] > y->ids[0];
}

/* Breakers are copied ids first and then ordered by head, for binary search; which of equal heads
 * is first does not matter, since the longest match wins. */
static void copy_lists(ig_sampler *s, const ig_sample_params *p) {
    if (p->n_logit_bias)
        memcpy(s->bias, p->logit_bias, p->n_logit_bias * sizeof *s->bias);
    int32_t *at = s->breaker_ids;
    for (uint32_t i = 0; i < s->p.n_dry_breakers; i++) {
        const ig_token_run *run = &p->dry_breakers[i];
        memcpy(at, run->ids, run->n * sizeof *at);
        s->breaker[i] = (ig_token_run){at, run->n};
        at += run->n;
    }
    if (s->p.n_dry_breakers > 1)
        qsort(s->breaker, s->p.n_dry_breakers, sizeof *s->breaker, by_head);
}

static ig_status choose_seed(uint64_t *seed, ig_err *err) {
    if (*seed != UINT32_MAX && *seed != UINT64_MAX)
        return IG_OK;
    FILE *f = fopen("/dev/urandom", "rb");
    size_t n = f ? fread(seed, sizeof *seed, 1, f) : 0;
    if (f)
        fclose(f);
    /* 53 bits, so that a seed that is shown in JSON can be given again. */
    *seed &= (1ull << 53) - 1;
    if (n != 1)
        return ig_fail(
            err, IG_EIO,
            "seed: the system's random numbers (/dev/urandom) cannot be read; give a seed");
    return IG_OK;
}

ig_status ig_sampler_create(ig_sampler **out, const ig_sample_params *p, uint32_t n_vocab,
                            ig_err *err) {
    ig_sampler made = {.p = *p, .n_vocab = n_vocab, .scratch = p->scratch};
    IG_TRY(ig_sample_params_check(p, n_vocab, err));
    IG_TRY(choose_seed(&made.p.seed, err));
    compile(&made);
    if (has_stage(&made, IG_SAMPLER_PENALTIES))
        made.penalty_window = ig_sample_window(p, p->penalty_last_n);
    if (has_stage(&made, IG_SAMPLER_DRY))
        made.dry_window = ig_sample_window(p, p->dry_penalty_last_n);
    else
        made.p.n_dry_breakers = 0;
    made.history_cap = IG_MAX(made.penalty_window, made.dry_window);
    for (uint32_t i = 0; i < made.p.n_dry_breakers; i++)
        made.n_breaker_ids += p->dry_breakers[i].n;
    made.p.logit_bias = NULL;
    made.p.dry_breakers = NULL;
    made.bytes = layout(&made, NULL);
    ig_sampler *s = ig_alloc(made.bytes, 1);
    if (!s)
        return ig_fail_memory(err, made.bytes);
    *s = made;
    layout(s, (char *)s);
    copy_lists(s, p);
    s->owns_scratch = s->scratch == NULL;
    if (s->owns_scratch) {
        ig_status status = ig_sample_scratch_create(&s->scratch, n_vocab, err);
        if (status) {
            ig_free(s);
            return status;
        }
    }
    ig_sampler_reset(s);
    *out = s;
    return IG_OK;
}

void ig_sampler_destroy(ig_sampler **s) {
    if (*s && (*s)->owns_scratch)
        ig_sample_scratch_destroy(&(*s)->scratch);
    ig_free(*s);
    *s = NULL;
}

ig_status ig_sampler_clone(ig_sampler **out, const ig_sampler *s, ig_err *err) {
    ig_sampler *copy = ig_alloc(s->bytes, 1);
    if (!copy)
        return ig_fail_memory(err, s->bytes);
    memcpy(copy, s, s->bytes);
    layout(copy, (char *)copy);
    for (uint32_t i = 0; i < s->p.n_dry_breakers; i++)
        copy->breaker[i].ids = copy->breaker_ids + (s->breaker[i].ids - s->breaker_ids);
    if (s->owns_scratch) {
        ig_status status = ig_sample_scratch_create(&copy->scratch, s->n_vocab, err);
        if (status) {
            ig_free(copy);
            return status;
        }
    }
    *out = copy;
    return IG_OK;
}

void ig_sampler_reset(ig_sampler *s) {
    s->n_draws = 0;
    s->history_n = s->history_at = 0;
    s->n_probs = 0;
    for (uint32_t i = 0; i < s->n_stages; i++)
        if (s->stage[i]->reset)
            s->stage[i]->reset(s);
    if (s->drawer->reset)
        s->drawer->reset(s);
}

uint64_t ig_sampler_seed(const ig_sampler *s) {
    return s->p.seed;
}

double ig_sampler_uniform(const ig_sampler *s, uint32_t stream) {
    return ig_uniform(s->p.seed, s->n_draws, stream);
}

static void accept(ig_sampler *s, int32_t id) {
    if (s->history_cap == 0)
        return;
    /* A sampler that stands in the chain twice still counts a token once: its state is one. */
    if (s->penalty_window)
        ig_sampler_rows[IG_SAMPLER_PENALTIES].accept(s, id);
    s->history[s->history_at] = id;
    s->history_at = s->history_at + 1 == s->history_cap ? 0 : s->history_at + 1;
    s->history_n = IG_MIN(s->history_n + 1, s->history_cap);
}

ig_status ig_sampler_accept(ig_sampler *s, int32_t id, ig_err *err) {
    if (id < 0 || (uint32_t)id >= s->n_vocab)
        return ig_fail(err, IG_EARGUMENT, "token %d is outside the vocabulary of %u", (int)id,
                       s->n_vocab);
    accept(s, id);
    return IG_OK;
}

static void add_biases(ig_sampler *s, ig_candidates *c) {
    for (uint32_t i = 0; i < s->p.n_logit_bias; i++) {
        float *x = ig_candidates_cell(c, s->bias[i].id), bias = s->bias[i].bias;
        if (x && bias < -FLT_MAX)
            *x = bias;
        else if (x && ig_finite(*x))
            *x = ig_clamp(*x + bias, -FLT_MAX, FLT_MAX);
    }
}

/* The best candidates of a finished draw; weights are as the drawing row left them. */
static void remember_probs(ig_sampler *s, const ig_candidates *c) {
    const ig_sample_scratch *m = c->s;
    float e[IG_TILE];
    double sum = 0.0;
    s->n_probs = 0;
    for (uint32_t i = 0; !c->dense && i < c->n; i++) {
        sum += (double)m->w[i];
        ig_best_offer(s->probs, &s->n_probs, s->p.n_probs,
                      (ig_candidate){ig_key_id(m->keys[i]), m->w[i]});
    }
    for (uint32_t t = 0; c->dense && t < m->n_tiles; t++) {
        if (!(m->tile_max[t] >= -FLT_MAX))
            continue;
        const float *x = ig_candidates_tile(c, t);
        sum += (double)m->tile_mass[t];
        ig_tile_exp(x, c->max, e);
        for (uint32_t j = 0; j < IG_TILE; j++)
            if (x[j] >= -FLT_MAX)
                ig_best_offer(s->probs, &s->n_probs, s->p.n_probs,
                              (ig_candidate){(int32_t)(t * IG_TILE + j), e[j]});
    }
    ig_best_sort(s->probs, s->n_probs);
    for (uint32_t i = 0; i < s->n_probs; i++)
        s->probs[i].p = (float)((double)s->probs[i].p / sum);
}

ig_status ig_sampler_draw(ig_sampler *s, const float *logits, const uint32_t *mask, ig_draw *out,
                          ig_err *err) {
    ig_candidates c;
    ig_candidates_begin(&c, s->scratch, logits, mask);
    add_biases(s, &c);
    for (uint32_t i = 0; i < s->n_stages; i++) {
        const ig_sampler_row *row = s->stage[i];
        if (!row->edits && c.dense && !c.scanned)
            IG_TRY(ig_candidates_scan(&c, err));
        row->apply(s, &c, i);
    }
    if (c.dense && !c.scanned)
        IG_TRY(ig_candidates_scan(&c, err));
    ig_pick pick = s->drawer->draw(s, &c);
    if (s->p.n_probs)
        remember_probs(s, &c);
    s->n_draws++;
    accept(s, pick.id);
    *out = (ig_draw){pick.id, (float)pick.p};
    return IG_OK;
}

uint32_t ig_sampler_candidates(const ig_sampler *s, ig_candidate *out, uint32_t n) {
    n = IG_MIN(n, s->n_probs);
    if (n)
        memcpy(out, s->probs, n * sizeof *out);
    return n;
}
