/* candidates.c: what candidates.h promises. What loops over the floats of a tile is in tile.c. */
#include "sample/candidates.h"

#include <assert.h>
#include <math.h>

enum { CLEAN, OWN, DEAD };

/* x if greater, else m: an x that is NaN never wins. */
IG_INLINE float greater(float x, float m) {
    return x > m ? x : m;
}

/* The tile's floats in scratch, copied on the first call of a draw; the tail beyond the vocabulary
 * is -inf. */
static float *own_tile(ig_candidates *c, uint32_t t) {
    float *w = c->s->work + (size_t)t * IG_TILE;
    if (c->s->tile_state[t] == CLEAN) {
        const float *x = c->raw + (size_t)t * IG_TILE;
        uint32_t n = IG_MIN(IG_TILE, c->s->n_vocab - t * IG_TILE);
        if (n == IG_TILE)
            memcpy(w, x, IG_TILE * sizeof *w); /* constant length: inlined */
        for (uint32_t j = 0; n < IG_TILE && j < IG_TILE; j++)
            w[j] = j < n ? x[j] : -INFINITY;
        c->s->tile_state[t] = OWN;
    }
    return w;
}

const float *ig_candidates_tile(const ig_candidates *c, uint32_t t) {
    size_t at = (size_t)t * IG_TILE;
    return c->s->tile_state[t] == CLEAN ? c->raw + at
           : c->s->tile_state[t] == OWN ? c->s->work + at
                                        : NULL;
}

/* -inf where the word's bit is 0. The bits stand in a table, because a shift by the loop's counter
 * is not a vector instruction of every machine. */
static void mask_word(float *x, uint32_t word) {
    static const uint32_t bit[32] = {
        1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
        1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
        1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
        1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};
    for (uint32_t j = 0; j < 32; j++) {
        float v = x[j];
        x[j] = (word & bit[j]) != 0 ? v : -INFINITY;
    }
}

static void apply_mask(ig_candidates *c, const uint32_t *mask) {
    uint32_t n_words = (uint32_t)ig_div_up(c->s->n_vocab, 32);
    for (uint32_t t = 0; t < c->s->n_tiles; t++) {
        uint32_t lo = mask[2 * t], hi = 2 * t + 1 < n_words ? mask[2 * t + 1] : 0;
        if ((lo | hi) == 0) {
            c->s->tile_state[t] = DEAD;
        } else if ((lo & hi) != UINT32_MAX) {
            float *x = own_tile(c, t);
            mask_word(x, lo);
            mask_word(x + 32, hi);
        }
    }
}

void ig_candidates_begin(ig_candidates *c, ig_sample_scratch *s, const float *logits,
                         const uint32_t *mask) {
    *c = (ig_candidates){.raw = logits, .s = s, .dense = true};
    memset(s->tile_state, CLEAN, s->n_tiles);
    if (s->n_vocab % IG_TILE)
        own_tile(c, s->n_tiles - 1);
    if (mask)
        apply_mask(c, mask);
}

float *ig_candidates_cell(ig_candidates *c, int32_t id) {
    uint32_t t = (uint32_t)id / IG_TILE;
    if (c->s->tile_state[t] == DEAD)
        return NULL;
    c->scanned = false;
    return own_tile(c, t) + (uint32_t)id % IG_TILE;
}

void ig_candidates_forbid(ig_candidates *c, int32_t id) {
    float *x = ig_candidates_cell(c, id);
    if (x && *x >= -FLT_MAX) {
        *x = -INFINITY;
        c->n_forbidden++;
    }
}

void ig_candidates_add(ig_candidates *c, const float *bias) {
    c->scanned = false;
    for (uint32_t t = 0; t < c->s->n_tiles; t++) {
        if (c->s->tile_state[t] == DEAD)
            continue;
        float *x = own_tile(c, t);
        const float *b = bias + (size_t)t * IG_TILE;
        for (uint32_t j = 0; j < IG_TILE; j++) {
            float y = ig_clamp(x[j] + b[j], -FLT_MAX, FLT_MAX);
            x[j] = b[j] < -FLT_MAX ? b[j] : ig_finite(x[j]) ? y : x[j];
        }
    }
}

void ig_candidates_adjust(ig_candidates *c, const ig_token_counts *m, ig_adjust *adjust,
                          const void *user) {
    if (m->n == 0)
        return;
    if (c->dense) {
        for (uint32_t i = 0; i < m->n; i++) {
            float *x = ig_candidates_cell(c, m->id[i]);
            if (x && ig_finite(*x))
                *x = ig_clamp(adjust(user, *x, m->value[i]), -FLT_MAX, FLT_MAX);
        }
        return;
    }
    for (uint32_t i = 0; i < c->n; i++) {
        int32_t id = ig_key_id(c->s->keys[i]);
        const int32_t *value = ig_token_counts_find(m, id);
        if (value) {
            float x = adjust(user, ig_key_logit(c->s->keys[i]), *value);
            c->s->keys[i] = ig_key_of(ig_clamp(x, -FLT_MAX, FLT_MAX), id);
        }
    }
    c->sorted = false;
}

IG_INLINE float scaled(float x, float inverse) {
    float y = x * inverse;
    return y > FLT_MAX ? FLT_MAX : y < -FLT_MAX && x >= -FLT_MAX ? -FLT_MAX : y;
}

void ig_candidates_scale(ig_candidates *c, double temperature) {
    /* A product by the inverse costs a quarter of a division and keeps the order; the floor keeps 0
     * * inf away. */
    float inverse = (float)(1.0 / (temperature > 1e-30 ? temperature : 1e-30));
    if (!c->dense) {
        for (uint32_t i = 0; i < c->n; i++) {
            uint64_t key = c->s->keys[i];
            c->s->keys[i] = ig_key_of(scaled(ig_key_logit(key), inverse), ig_key_id(key));
        }
        c->sorted = false; /* rounding may have made ties, whose order is by id */
        return;
    }
    for (uint32_t t = 0; t < c->s->n_tiles; t++) {
        if (c->s->tile_state[t] == DEAD)
            continue;
        float *x = own_tile(c, t);
        for (uint32_t j = 0; j < IG_TILE; j++)
            x[j] = scaled(x[j], inverse);
        c->s->tile_max[t] = scaled(c->s->tile_max[t], inverse);
    }
    c->max = scaled(c->max, inverse);
}

ig_status ig_candidates_scan(ig_candidates *c, ig_err *err) {
    float max = -INFINITY;
    for (uint32_t t = 0; t < c->s->n_tiles; t++) {
        const bool known = c->maxima && c->s->tile_state[t] == CLEAN;
        const float *x = known ? NULL : ig_candidates_tile(c, t);
        float m = known ? c->maxima[t] : x ? ig_tile_max(x) : -INFINITY;
        c->s->tile_max[t] = m;
        max = greater(m, max);
    }
    if (max > FLT_MAX)
        return ig_fail(err, IG_EARGUMENT, "a logit is +inf; the model's output is broken");
    if (max < -FLT_MAX && c->n_forbidden)
        return ig_fail(err, IG_EARGUMENT,
                       "no token can be drawn: bad_words, min_tokens or no_repeat_ngram forbid %u, "
                       "and mask, biases or the model all others; loosen them",
                       c->n_forbidden);
    if (max < -FLT_MAX)
        return ig_fail(err, IG_EARGUMENT,
                       "no token can be drawn, every logit is -inf or NaN; loosen the mask and the "
                       "biases, or the "
                       "model's output is broken");
    c->max = max;
    c->scanned = true;
    return IG_OK;
}

float ig_candidates_max(const ig_candidates *c) {
    if (c->dense)
        return c->max;
    uint64_t best = c->s->keys[0];
    if (!c->sorted)
        for (uint32_t i = 1; i < c->n; i++)
            best = IG_MAX(best, c->s->keys[i]);
    return ig_key_logit(best);
}

/* Lists dense logits >= lowest in ascending order of id without giving up the dense form; returns
 * how many. */
static uint32_t gather(ig_candidates *c, float lowest) {
    uint64_t *keys = c->s->keys;
    uint32_t n = 0;
    for (uint32_t t = 0; t < c->s->n_tiles; t++) {
        if (!(c->s->tile_max[t] >= lowest))
            continue;
        const float *x = ig_candidates_tile(c, t);
        for (uint32_t j = 0; j < IG_TILE; j++) {
            /* n is at most the tokens visited so far, so the slot exists even when this one is not
             * kept. */
            keys[n] = ig_key_of(x[j], (int32_t)(t * IG_TILE + j));
            n += x[j] >= lowest;
        }
    }
    return n;
}

void ig_candidates_write(const ig_candidates *c, float *out) {
    for (uint32_t t = 0; c->dense && t < c->s->n_tiles; t++) {
        const float *x = ig_candidates_tile(c, t);
        size_t at = (size_t)t * IG_TILE, n = IG_MIN(IG_TILE, c->s->n_vocab - at);
        for (size_t j = 0; j < n; j++)
            out[at + j] = x && x[j] >= -FLT_MAX ? x[j] : -INFINITY;
    }
    if (c->dense)
        return;
    for (uint32_t i = 0; i < c->s->n_vocab; i++)
        out[i] = -INFINITY;
    for (uint32_t i = 0; i < c->n; i++)
        out[ig_key_id(c->s->keys[i])] = ig_key_logit(c->s->keys[i]);
}

static void become_list(ig_candidates *c, uint32_t n) {
    assert(n > 0);
    c->dense = false;
    c->sorted = false;
    c->n = n;
}

void ig_candidates_list(ig_candidates *c) {
    if (c->dense)
        become_list(c, gather(c, -FLT_MAX));
}

void ig_candidates_undo_list(ig_candidates *c) {
    assert(c->scanned);
    c->dense = true;
}

void ig_candidates_sort(ig_candidates *c) {
    if (!c->sorted)
        ig_keys_sort(c->s->keys, c->s->tmp, c->n);
    c->sorted = true;
}

/* The kth largest tile maximum, below which none of the k best logits can be; k <= n_tiles. */
static float kth_tile_max(ig_candidates *c, uint32_t k) {
    uint64_t *keys = c->s->tmp;
    for (uint32_t t = 0; t < c->s->n_tiles; t++)
        keys[t] = ig_key_of(c->s->tile_max[t], (int32_t)t);
    float lowest = ig_key_logit(ig_keys_prefix(keys, NULL, c->s->n_tiles, k, false));
    return lowest >= -FLT_MAX ? lowest : -FLT_MAX;
}

void ig_candidates_top(ig_candidates *c, uint32_t k) {
    if (c->dense)
        become_list(c, gather(c, k <= c->s->n_tiles ? kth_tile_max(c, k) : -FLT_MAX));
    if (c->n <= k)
        return;
    if (c->sorted || c->n <= IG_LIST_SHORT) {
        ig_candidates_sort(c);
        c->n = k;
    } else {
        c->n = ig_keys_keep(c->s->keys, c->n, ig_keys_prefix(c->s->keys, NULL, c->n, k, false));
    }
}

void ig_candidates_above(ig_candidates *c, float lowest, uint32_t min_keep) {
    if (c->dense) {
        uint32_t n = gather(c, greater(lowest, -FLT_MAX));
        if (n < min_keep)
            ig_candidates_top(c, min_keep);
        else
            become_list(c, n);
        return;
    }
    uint64_t key = (uint64_t)ig_order_of(lowest) << 32;
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        n += c->s->keys[i] >= key;
    if (n < min_keep)
        ig_candidates_top(c, min_keep);
    else
        c->n = ig_keys_keep(c->s->keys, c->n, key);
}

void ig_candidates_best(ig_candidates *c) {
    if (!c->dense) {
        for (uint32_t i = 1; i < c->n; i++)
            c->s->keys[0] = IG_MAX(c->s->keys[0], c->s->keys[i]);
    } else {
        uint32_t t = 0, j = 0;
        while (c->s->tile_max[t] < c->max)
            t++;
        const float *x = ig_candidates_tile(c, t);
        while (!(x[j] >= c->max))
            j++;
        c->s->keys[0] = ig_key_of(x[j], (int32_t)(t * IG_TILE + j));
    }
    become_list(c, 1);
    c->sorted = true;
}

double ig_candidates_mass(ig_candidates *c) {
    float max = ig_candidates_max(c), e[IG_TILE];
    double sum = 0.0;
    if (c->dense) {
        for (uint32_t t = 0; t < c->s->n_tiles; t++) {
            const float *x = ig_candidates_tile(c, t);
            c->s->tile_mass[t] = x ? ig_tile_exp(x, max, e) : 0.0f;
            sum += (double)c->s->tile_mass[t];
        }
        return sum;
    }
    float *w = c->s->w;
    for (uint32_t i = 0; i < c->n; i++)
        w[i] = ig_exp_neg(ig_key_logit(c->s->keys[i]) - max);
    for (uint32_t i = 0; i < c->n; i++)
        sum += (double)w[i];
    return sum;
}

/* The first index whose running sum passes target; the last one that weighs anything when rounding
 * lets none pass. */
static uint32_t passing(const float *w, uint32_t n, double target) {
    double sum = 0.0;
    uint32_t last = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!(w[i] > 0.0f))
            continue;
        last = i;
        sum += (double)w[i];
        if (sum > target)
            break;
    }
    return last;
}

ig_pick ig_candidates_draw_weighted(const ig_candidates *c, double sum, double u) {
    uint32_t at = passing(c->s->w, c->n, u * sum);
    return (ig_pick){ig_key_id(c->s->keys[at]), (double)c->s->w[at] / sum, at};
}

ig_pick ig_candidates_draw(ig_candidates *c, double u) {
    double sum = ig_candidates_mass(c), target = u * sum, before = 0.0;
    if (!c->dense)
        return ig_candidates_draw_weighted(c, sum, u);
    float e[IG_TILE];
    uint32_t chosen = 0;
    for (uint32_t t = 0; t < c->s->n_tiles; t++) {
        double mass = (double)c->s->tile_mass[t];
        if (!(mass > 0.0))
            continue;
        chosen = t;
        if (before + mass > target)
            break;
        before += mass;
    }
    ig_tile_exp(ig_candidates_tile(c, chosen), c->max, e);
    uint32_t j = passing(e, IG_TILE, target - before);
    return (ig_pick){(int32_t)(chosen * IG_TILE + j), (double)e[j] / sum, 0};
}
