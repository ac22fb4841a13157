/* arch_names.c: finding a row by name, and saying what is near when there is none. */
#include "arch/arch_int.h"

#define NEAR_NAMES 3

const char *ig_arch_name(size_t i) {
    for (size_t r = 0; r < ig_arch_n_rows; r++) {
        for (size_t n = 0; n < IG_COUNT(ig_arch_rows[r].names) && ig_arch_rows[r].names[n]; n++) {
            if (i-- == 0)
                return ig_arch_rows[r].names[n];
        }
    }
    return NULL;
}

const ig_arch_row *ig_arch_find(ig_str name) {
    for (size_t r = 0; r < ig_arch_n_rows; r++) {
        for (size_t n = 0; n < IG_COUNT(ig_arch_rows[r].names) && ig_arch_rows[r].names[n]; n++) {
            if (ig_str_is(name, ig_arch_rows[r].names[n]))
                return &ig_arch_rows[r];
        }
    }
    return NULL;
}

bool ig_arch_known(ig_str name) {
    return ig_arch_find(name) != NULL;
}

ig_status ig_arch_unknown(ig_str name, ig_err *err) {
    for (const char *const *k = ig_arch_later; *k; k++) {
        if (ig_str_is(name, *k))
            return ig_fail(err, IG_EUNSUPPORTED,
                           "architecture %.*s is known but not built yet; use a model of another "
                           "architecture or a later "
                           "version",
                           IG_STR_ARG(name));
    }
    const char *near[NEAR_NAMES] = {"llama", "qwen3", "gemma3"};
    uint32_t far[NEAR_NAMES] = {UINT32_MAX, UINT32_MAX, UINT32_MAX};
    const char *z;
    for (size_t i = 0; name.n <= IG_DISTANCE_BYTES_MAX && (z = ig_arch_name(i)); i++) {
        uint32_t d = ig_str_distance(name, ig_str_of(z));
        for (size_t j = 0; j < NEAR_NAMES; j++) {
            if (d < far[j]) { /* insert, pushing the others down */
                uint32_t was = far[j];
                const char *old = near[j];
                far[j] = d;
                near[j] = z;
                d = was;
                z = old;
            }
        }
    }
    return ig_fail(err, IG_EUNSUPPORTED,
                   "architecture %.*s is unknown; near names are %s, %s, %s, and `ingot info "
                   "--archs` lists all",
                   IG_STR_ARG(name), near[0], near[1], near[2]);
}
