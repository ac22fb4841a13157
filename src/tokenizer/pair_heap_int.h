/* pair_heap_int.h: a binary heap of ig_pair, smallest order first, in the caller's array. Inlined
 * into the merge loop. */
#ifndef IG_TOKENIZER_PAIR_HEAP_INT_H
#define IG_TOKENIZER_PAIR_HEAP_INT_H

#include "tokenizer/tokenizer_int.h"

IG_INLINE void ig_pair_sift_down(ig_pair *heap, size_t n, size_t i) {
    ig_pair x = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1].order < heap[child].order)
            child++;
        if (heap[child].order >= x.order)
            break;
        heap[i] = heap[child];
    }
    heap[i] = x;
}

/* The array has room for one more. */
IG_INLINE void ig_pair_push(ig_pair *heap, size_t *n, ig_pair x) {
    size_t i = (*n)++;
    for (size_t up; i > 0 && heap[up = (i - 1) / 2].order > x.order; i = up)
        heap[i] = heap[up];
    heap[i] = x;
}

#endif
