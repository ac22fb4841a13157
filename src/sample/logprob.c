/* logprob.c: log-probabilities and the most probable tokens of raw logits, for servers that report
 * them. Also the bounded heap that keeps the best n of many. */
#include "sample/logprob_int.h"

#include <math.h>

#include "sample/candidates.h"

/* One tile of the logits, padded with -inf when it is the last one. */
static const float *tile_of(const float *logits, uint32_t n_vocab, uint32_t t, float pad[IG_TILE]) {
    uint32_t n = n_vocab - t * IG_TILE;
    if (n >= IG_TILE)
        return logits + (size_t)t * IG_TILE;
    for (uint32_t j = 0; j < IG_TILE; j++)
        pad[j] = j < n ? logits[(size_t)t * IG_TILE + j] : -INFINITY;
    return pad;
}

double ig_logits_logsumexp(const float *logits, uint32_t n_vocab) {
    uint32_t n_tiles = (uint32_t)ig_div_up(n_vocab, IG_TILE);
    float pad[IG_TILE], e[IG_TILE], max = -INFINITY;
    for (uint32_t t = 0; t < n_tiles; t++)
        max = IG_MAX(max, ig_tile_max(tile_of(logits, n_vocab, t, pad)));
    if (!ig_finite(max))
        return (double)max;
    double sum = 0.0;
    for (uint32_t t = 0; t < n_tiles; t++)
        sum += (double)ig_tile_exp(tile_of(logits, n_vocab, t, pad), max, e);
    return (double)max + ig_ln(sum);
}

static bool better(ig_candidate a, ig_candidate b) {
    return a.p > b.p || (a.p >= b.p && a.id < b.id);
}

/* Lets heap[at] sink; heap[0] is the worst. */
static void sink(ig_candidate *heap, uint32_t n, uint32_t at) {
    for (;;) {
        uint32_t worst = at, left = 2 * at + 1;
        for (uint32_t child = left; child < n && child < left + 2; child++)
            if (better(heap[worst], heap[child]))
                worst = child;
        if (worst == at)
            return;
        ig_candidate swap = heap[at];
        heap[at] = heap[worst];
        heap[worst] = swap;
        at = worst;
    }
}

void ig_best_offer(ig_candidate *heap, uint32_t *n, uint32_t cap, ig_candidate x) {
    if (*n == cap) {
        if (cap && better(x, heap[0])) {
            heap[0] = x;
            sink(heap, cap, 0);
        }
        return;
    }
    uint32_t at = (*n)++;
    for (; at > 0 && better(heap[(at - 1) / 2], x); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = x;
}

void ig_best_sort(ig_candidate *heap, uint32_t n) {
    while (n > 1) {
        ig_candidate worst = heap[0];
        heap[0] = heap[--n];
        sink(heap, n, 0);
        heap[n] = worst;
    }
}

uint32_t ig_logits_best(const float *logits, uint32_t n_vocab, ig_candidate *out, uint32_t n) {
    uint32_t found = 0;
    float pad[IG_TILE];
    for (uint32_t t = 0; t < ig_div_up(n_vocab, IG_TILE) && n > 0; t++) {
        const float *x = tile_of(logits, n_vocab, t, pad);
        if (found == n && !(ig_tile_max(x) > out[0].p))
            continue;
        for (uint32_t j = 0; j < IG_TILE; j++)
            if (ig_finite(x[j]))
                ig_best_offer(out, &found, n, (ig_candidate){(int32_t)(t * IG_TILE + j), x[j]});
    }
    ig_best_sort(out, found);
    return found;
}

uint32_t ig_logits_top(const float *logits, uint32_t n_vocab, double logsumexp, ig_candidate *out,
                       uint32_t n) {
    uint32_t found = ig_logits_best(logits, n_vocab, out, n);
    for (uint32_t i = 0; i < found; i++)
        out[i].p = (float)ig_exp((double)out[i].p - logsumexp);
    return found;
}
