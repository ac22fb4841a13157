/* token_counts.c: the map of token_counts.h. */
#include "sample/token_counts.h"

#include <assert.h>
#include <string.h>

uint32_t ig_token_counts_bits(uint32_t cap) {
    uint32_t bits = 1;
    while (1u << bits < 2 * cap)
        bits++;
    return bits;
}

static uint32_t mask_of(const ig_token_counts *m) {
    return (1u << m->slot_bits) - 1;
}

/* The slot where the search for a token begins: the high bits of a product by 2^32 / golden ratio,
 * because neighbouring ids are common. */
static uint32_t home_of(const ig_token_counts *m, int32_t id) {
    return (uint32_t)id * 2654435769u >> (32 - m->slot_bits);
}

/* The slot that holds the token, or the empty one where it would go. */
static uint32_t slot_of(const ig_token_counts *m, int32_t id) {
    uint32_t at = home_of(m, id), mask = mask_of(m);
    while (m->slot[at] && m->id[m->slot[at] - 1] != id)
        at = (at + 1) & mask;
    return at;
}

int32_t *ig_token_counts_at(ig_token_counts *m, int32_t id) {
    uint32_t at = slot_of(m, id);
    if (m->slot[at] == 0) {
        assert(m->n < m->cap);
        m->id[m->n] = id;
        m->value[m->n] = 0;
        m->slot[at] = ++m->n;
    }
    return &m->value[m->slot[at] - 1];
}

const int32_t *ig_token_counts_find(const ig_token_counts *m, int32_t id) {
    uint32_t place = m->n ? m->slot[slot_of(m, id)] : 0;
    return place ? &m->value[place - 1] : NULL;
}

/* Empties a slot and moves back what was pushed beyond it, so that no search stops too early. */
static void vacate(ig_token_counts *m, uint32_t at) {
    uint32_t mask = mask_of(m);
    for (uint32_t next = (at + 1) & mask; m->slot[next]; next = (next + 1) & mask) {
        uint32_t home = home_of(m, m->id[m->slot[next] - 1]);
        if (((next - home) & mask) >= ((next - at) & mask)) {
            m->slot[at] = m->slot[next];
            at = next;
        }
    }
    m->slot[at] = 0;
}

void ig_token_counts_remove(ig_token_counts *m, int32_t id) {
    uint32_t at = slot_of(m, id), place = m->slot[at];
    if (place == 0)
        return;
    vacate(m, at);
    uint32_t last = m->n - 1;
    if (place - 1 != last) {
        m->slot[slot_of(m, m->id[last])] = place;
        m->id[place - 1] = m->id[last];
        m->value[place - 1] = m->value[last];
    }
    m->n = last;
}

/* From a token's home to the end of the run of full slots; what was pushed out of that stretch by
 * an earlier token is already empty. */
void ig_token_counts_clear(ig_token_counts *m) {
    uint32_t mask = mask_of(m);
    for (uint32_t i = 0; i < m->n; i++)
        for (uint32_t at = home_of(m, m->id[i]); m->slot[at]; at = (at + 1) & mask)
            m->slot[at] = 0;
    m->n = 0;
}

void ig_token_counts_copy(ig_token_counts *m, const ig_token_counts *from) {
    assert(m->cap == from->cap);
    m->n = from->n;
    if (m->cap == 0)
        return;
    memcpy(m->slot, from->slot, ((size_t)1 << m->slot_bits) * sizeof *m->slot);
    memcpy(m->id, from->id, m->n * sizeof *m->id);
    memcpy(m->value, from->value, m->n * sizeof *m->value);
}
