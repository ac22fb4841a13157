/* rope_table.c: the cosines and sines of one position. Any thread. */
#include "backend/cpu/cpu_rows.h"

#include <math.h>

void ig_rope_table(const ig_rope_attr *rope, int32_t position, float *out) {
    const uint32_t n = rope->n_rot / 2;
    for (uint32_t i = 0; i < n; i++) {
        const double angle = position * rope->inv_freq[i];
        out[i] = (float)(cos(angle) * (double)rope->m);
        out[n + i] = (float)(sin(angle) * (double)rope->m);
    }
}
