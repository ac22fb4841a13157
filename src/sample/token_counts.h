/* token_counts.h: a number per token for the few tokens that have one, with O(1) access through an
 * index over the vocabulary. Memory is the owner's; one thread. Internal to the room. */
#ifndef IG_SAMPLE_TOKEN_COUNTS_H
#define IG_SAMPLE_TOKEN_COUNTS_H

#include <stdint.h>

typedef struct ig_token_counts {
    uint32_t *slot; /* [n_vocab]: place in id/value + 1, 0 = not in the map */
    int32_t *id;    /* [cap] */
    int32_t *value; /* [cap] */
    uint32_t n, cap;
} ig_token_counts;

/* The token's value, added as 0 when it is new. The owner has sized cap so that this always fits.
 */
int32_t *ig_token_counts_at(ig_token_counts *m, int32_t id);
void ig_token_counts_remove(ig_token_counts *m, int32_t id);
void ig_token_counts_clear(ig_token_counts *m);

#endif
