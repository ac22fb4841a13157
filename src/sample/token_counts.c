/* token_counts.c: the map of token_counts.h. */
#include "sample/token_counts.h"

#include <assert.h>

int32_t *ig_token_counts_at(ig_token_counts *m, int32_t id) {
    if (m->slot[id] == 0) {
        assert(m->n < m->cap);
        m->id[m->n] = id;
        m->value[m->n] = 0;
        m->slot[id] = ++m->n;
    }
    return &m->value[m->slot[id] - 1];
}

void ig_token_counts_remove(ig_token_counts *m, int32_t id) {
    uint32_t slot = m->slot[id];
    if (slot == 0)
        return;
    uint32_t last = --m->n;
    m->id[slot - 1] = m->id[last];
    m->value[slot - 1] = m->value[last];
    m->slot[m->id[last]] = slot;
    m->slot[id] = 0;
}

void ig_token_counts_clear(ig_token_counts *m) {
    for (uint32_t i = 0; i < m->n; i++)
        m->slot[m->id[i]] = 0;
    m->n = 0;
}
