/* logprob_int.h: the best n of many, in a caller's array. Internal to the room. */
#ifndef IG_SAMPLE_LOGPROB_INT_H
#define IG_SAMPLE_LOGPROB_INT_H

#include "sample/sample.h"

/* Offers x to a heap of at most cap candidates, ordered by p, then by lower id. */
void ig_best_offer(ig_candidate *heap, uint32_t *n, uint32_t cap, ig_candidate x);
/* Turns the heap into a list, best first. */
void ig_best_sort(ig_candidate *heap, uint32_t n);
/* The n largest finite logits, the largest first, with the logit as p; returns how many. */
uint32_t ig_logits_best(const float *logits, uint32_t n_vocab, ig_candidate *out, uint32_t n);

#endif
