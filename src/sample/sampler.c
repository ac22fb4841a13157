/* sampler.c: the life of a sampler: memory, the compiled chain, seed. Draws are in
 * sampler_draw.c. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

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

static void place_map(char *base, size_t *at, ig_token_counts *m) {
    m->slot_bits = ig_token_counts_bits(m->cap);
    m->slot = place(base, at, m->cap ? (size_t)1 << m->slot_bits : 0, sizeof *m->slot);
    m->id = place(base, at, m->cap, sizeof *m->id);
    m->value = place(base, at, m->cap, sizeof *m->value);
}

static void place_runs(char *base, size_t *at, ig_run_list *list) {
    list->run = place(base, at, list->n, sizeof *list->run);
    list->ids = place(base, at, list->n_ids, sizeof *list->ids);
}

/* Sets the pointers into the block that starts at base; returns its size. */
static size_t layout(ig_sampler *s, char *base) {
    size_t at = sizeof *s;
    s->history = place(base, &at, s->history_cap, sizeof *s->history);
    place_map(base, &at, &s->penalty_count);
    place_map(base, &at, &s->counted);
    place_map(base, &at, &s->dry_repeat);
    s->dry_recent = place(base, &at, s->dry_window, sizeof *s->dry_recent);
    s->dry_match = place(base, &at, s->dry_window, sizeof *s->dry_match);
    s->probs = place(base, &at, s->p.n_probs, sizeof *s->probs);
    s->bias = place(base, &at, s->p.n_logit_bias, sizeof *s->bias);
    s->embedding_bias = place(base, &at, s->n_embedding_bias, sizeof *s->embedding_bias);
    s->end_ids = place(base, &at, s->p.n_end_ids, sizeof *s->end_ids);
    place_runs(base, &at, &s->breakers);
    place_runs(base, &at, &s->bad_words);
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

static void measure_runs(ig_run_list *list, const ig_token_run *runs, uint32_t n) {
    list->n = n;
    for (uint32_t i = 0; i < n; i++)
        list->n_ids += runs[i].n;
}

static void copy_runs(ig_run_list *list, const ig_token_run *runs) {
    int32_t *at = list->ids;
    for (uint32_t i = 0; i < list->n; i++) {
        memcpy(at, runs[i].ids, runs[i].n * sizeof *at);
        list->run[i] = (ig_token_run){at, runs[i].n};
        at += runs[i].n;
    }
}

/* Breakers are ordered by head, for binary search; which of equal heads is first does not matter,
 * since the longest match wins. */
static void copy_lists(ig_sampler *s, const ig_sample_params *p) {
    if (p->n_logit_bias)
        memcpy(s->bias, p->logit_bias, p->n_logit_bias * sizeof *s->bias);
    if (p->embedding_bias)
        memcpy(s->embedding_bias, p->embedding_bias, s->n_vocab * sizeof *s->embedding_bias);
    if (p->n_end_ids)
        memcpy(s->end_ids, p->end_ids, p->n_end_ids * sizeof *s->end_ids);
    copy_runs(&s->bad_words, p->bad_words);
    copy_runs(&s->breakers, p->dry_breakers);
    if (s->breakers.n > 1)
        qsort(s->breakers.run, s->breakers.n, sizeof *s->breakers.run, by_head);
}

/* Windows, and the sizes of all that layout() places. */
static void measure(ig_sampler *s, const ig_sample_params *p) {
    if (has_stage(s, IG_SAMPLER_PENALTIES))
        s->penalty_window = ig_sample_window(p, p->penalty_last_n);
    if (has_stage(s, IG_SAMPLER_DRY)) {
        s->dry_window = ig_sample_window(p, p->dry_penalty_last_n);
        measure_runs(&s->breakers, p->dry_breakers, p->n_dry_breakers);
    }
    s->ngram = p->no_repeat_ngram <= p->context_tokens ? p->no_repeat_ngram : 0;
    s->history_cap = IG_MAX(s->penalty_window, s->dry_window);
    if (s->ngram)
        s->history_cap = IG_MAX(s->history_cap, p->context_tokens);
    measure_runs(&s->bad_words, p->bad_words, p->n_bad_words);
    for (uint32_t i = 0; i < p->n_bad_words; i++)
        s->history_cap = IG_MAX(s->history_cap, p->bad_words[i].n - 1);
    if (p->embedding_bias)
        s->n_embedding_bias = ig_round_up(s->n_vocab, IG_TILE);
    s->penalty_count.cap = IG_MIN(s->penalty_window, s->n_vocab);
    s->counted.cap = ig_penalties_ignore(p) ? s->penalty_count.cap : 0;
    s->dry_repeat.cap = IG_MIN(s->dry_window, s->n_vocab);
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
    IG_TRY(ig_sampler_check(p, n_vocab, err));
    IG_TRY(choose_seed(&made.p.seed, err));
    compile(&made);
    measure(&made, p);
    made.p.logit_bias = NULL;
    made.p.dry_breakers = NULL;
    made.p.end_ids = NULL;
    made.p.bad_words = NULL;
    made.p.embedding_bias = NULL;
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

static void rebase_runs(ig_run_list *list, const ig_run_list *from) {
    for (uint32_t i = 0; i < list->n; i++)
        list->run[i].ids = list->ids + (from->run[i].ids - from->ids);
}

void ig_sampler_know(ig_sampler *s, const float *maxima) {
    s->maxima = maxima;
}

void ig_sampler_borrow(ig_sampler *s, ig_sample_scratch *scratch) {
    assert(!s->owns_scratch && scratch->n_vocab == s->n_vocab);
    s->scratch = scratch;
}

ig_status ig_sampler_clone(ig_sampler **out, const ig_sampler *s, ig_err *err) {
    ig_sampler *copy = ig_alloc(s->bytes, 1);
    if (!copy)
        return ig_fail_memory(err, s->bytes);
    memcpy(copy, s, s->bytes);
    layout(copy, (char *)copy);
    rebase_runs(&copy->breakers, &s->breakers);
    rebase_runs(&copy->bad_words, &s->bad_words);
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

void ig_sampler_copy(ig_sampler *s, const ig_sampler *from) {
    assert(s->bytes == from->bytes && s->n_vocab == from->n_vocab);
    if (s == from)
        return;
    s->state = from->state;
    if (s->state.history_n)
        memcpy(s->history, from->history, s->state.history_n * sizeof *s->history);
    ig_token_counts_copy(&s->penalty_count, &from->penalty_count);
    ig_token_counts_copy(&s->counted, &from->counted);
    if (s->state.n_probs)
        memcpy(s->probs, from->probs, s->state.n_probs * sizeof *s->probs);
}

void ig_sampler_reset(ig_sampler *s) {
    s->state = (ig_sampler_state){.top_p = s->p.top_p};
    for (uint32_t i = 0; i < s->n_stages; i++)
        if (s->stage[i]->reset)
            s->stage[i]->reset(s);
    if (s->drawer->reset)
        s->drawer->reset(s);
}

uint64_t ig_sampler_seed(const ig_sampler *s) {
    return s->p.seed;
}
