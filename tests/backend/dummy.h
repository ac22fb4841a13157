/* dummy.h: a device that computes nothing: it accepts what it is told to, writes down what it is
 * asked, fails on demand, and gives outputs that depend on token ids and columns only. Shows that
 * passes and the front know no device. */
#ifndef IG_TESTS_DUMMY_H
#define IG_TESTS_DUMMY_H

#include "backend/backend.h"

/* Wishes and notes; passed to the device as options.progress_user, NULL = all zero. Lives longer
 * than the device. */
typedef struct dummy_record {
    uint64_t refuses;     /* bit per op kind without a kernel */
    bool merges, absorbs; /* merge_linears; absorbs norm, rope, map, add, glu */
    ig_status open_status, load_status, pool_status, submit_status,
        wait_status;     /* what to answer */
    ig_dtype only_cache; /* NONE = any type */
    uint32_t n_opens, n_closes, n_loads, n_unloads, n_pools, n_pool_closes, n_copies, n_submits,
        n_waits;
    uint32_t n_tokens, n_outputs; /* of the last step */
} dummy_record;

extern const ig_backend_fns dummy_backend;

/* Output column c of a row with this token. */
float dummy_output(int32_t id, uint32_t c);

#endif
