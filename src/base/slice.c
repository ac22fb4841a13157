/* slice.c: the one function of slice.h that is not a line. Any thread. */
#include "base/base.h"

#include <assert.h>

uint32_t ig_str_distance(ig_str a, ig_str b) {
    assert(a.n <= IG_DISTANCE_BYTES_MAX && b.n <= IG_DISTANCE_BYTES_MAX);
    uint32_t row[IG_DISTANCE_BYTES_MAX + 1];
    for (uint32_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (uint32_t i = 1; i <= a.n; i++) {
        uint32_t corner = row[0];
        row[0] = i;
        for (uint32_t j = 1; j <= b.n; j++) {
            const uint32_t change = corner + (a.p[i - 1] != b.p[j - 1]);
            corner = row[j];
            row[j] = IG_MIN(change, IG_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.n];
}
