/* cand_keys.c: sorting and selection of candidate keys: least-significant-digit radix sort, and
 * radix selection from the top digit downwards, where a digit's bin holds weight instead of a
 * count. */
#include "sample/cand_keys.h"

#include <string.h>

#define DIGIT_BITS 8
#define DIGITS (64 / DIGIT_BITS)
#define BINS (1u << DIGIT_BITS)
#define INSERTION_MAX 48 /* below this insertion is faster than eight histograms */

static void sort_by_insertion(uint64_t *keys, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        uint64_t key = keys[i];
        uint32_t j = i;
        for (; j > 0 && keys[j - 1] < key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

void ig_keys_sort(uint64_t *keys, uint64_t *tmp, uint32_t n) {
    if (n <= INSERTION_MAX) {
        sort_by_insertion(keys, n);
        return;
    }
    uint32_t count[DIGITS][BINS];
    memset(count, 0, sizeof count);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t d = 0; d < DIGITS; d++)
            count[d][keys[i] >> d * DIGIT_BITS & (BINS - 1)]++;
    uint64_t *from = keys, *to = tmp;
    for (uint32_t d = 0; d < DIGITS; d++) {
        uint32_t shift = d * DIGIT_BITS;
        if (count[d][keys[0] >> shift & (BINS - 1)] == n)
            continue; /* all keys share this digit */
        uint32_t at = 0;
        for (uint32_t b = BINS; b-- > 0;) {
            uint32_t c = count[d][b];
            count[d][b] = at;
            at += c;
        }
        for (uint32_t i = 0; i < n; i++)
            to[count[d][from[i] >> shift & (BINS - 1)]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys)
        memcpy(keys, from, n * sizeof *keys);
}

static bool reached(double sum, double target, bool beyond) {
    return beyond ? sum > target : sum >= target;
}

uint64_t ig_keys_prefix(const uint64_t *keys, const float *w, uint32_t n, double target,
                        bool beyond) {
    double weight[BINS], above = 0.0;
    uint32_t count[BINS];
    uint64_t prefix = 0, mask = 0;
    for (uint32_t shift = 64 - DIGIT_BITS;; shift -= DIGIT_BITS) {
        memset(weight, 0, sizeof weight);
        memset(count, 0, sizeof count);
        for (uint32_t i = 0; i < n; i++) {
            if ((keys[i] & mask) != prefix)
                continue;
            uint32_t b = (uint32_t)(keys[i] >> shift & (BINS - 1));
            weight[b] += w ? (double)w[i] : 1.0;
            count[b]++;
        }
        /* The bin where the sum crosses the target; when rounding loses the crossing inside a bin
         * that had it, the lowest occupied one. */
        uint32_t chosen = BINS;
        double sum = above;
        bool crossed = false;
        for (uint32_t b = BINS; b-- > 0 && !crossed;) {
            if (count[b] == 0)
                continue;
            chosen = b;
            above = sum;
            sum += weight[b];
            crossed = reached(sum, target, beyond);
        }
        if (chosen == BINS || (mask == 0 && !crossed))
            return 0;
        prefix |= (uint64_t)chosen << shift;
        mask |= (uint64_t)(BINS - 1) << shift;
        if (shift == 0)
            return prefix;
        if (count[chosen] == 1)
            break;
    }
    for (uint32_t i = 0; i < n; i++)
        if ((keys[i] & mask) == prefix)
            return keys[i];
    return 0;
}

uint32_t ig_keys_keep(uint64_t *keys, uint32_t n, uint64_t lowest) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        keys[kept] = keys[i];
        kept += keys[i] >= lowest;
    }
    return kept;
}
