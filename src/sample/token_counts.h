/* token_counts.h: a number per token for the few tokens that have one, as a hash map whose size
 * follows the look-back and not the vocabulary, so that thousands of waiting requests stay small.
 * Linear probing over places in dense arrays: walking all of them costs only what is there. Memory
 * is the owner's; one thread. Internal to the room. */
#ifndef IG_SAMPLE_TOKEN_COUNTS_H
#define IG_SAMPLE_TOKEN_COUNTS_H

#include <stdint.h>

typedef struct ig_token_counts {
    uint32_t *slot; /* [1 << slot_bits], zeroed at first: place in id/value + 1, 0 = empty */
    int32_t *id;    /* [cap] */
    int32_t *value; /* [cap] */
    uint32_t n, cap, slot_bits;
} ig_token_counts;

/* The smallest slot_bits that leave half of the slots empty; cap <= 2^30. */
uint32_t ig_token_counts_bits(uint32_t cap);
/* The token's value, added as 0 when it is new. The owner has sized cap so that this always fits.
 */
int32_t *ig_token_counts_at(ig_token_counts *m, int32_t id);
/* The token's value, or NULL. */
const int32_t *ig_token_counts_find(const ig_token_counts *m, int32_t id);
void ig_token_counts_remove(ig_token_counts *m, int32_t id);
void ig_token_counts_clear(ig_token_counts *m);
/* Contents of another map of the same cap. */
void ig_token_counts_copy(ig_token_counts *m, const ig_token_counts *from);

#endif
