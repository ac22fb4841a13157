/* backend_int.h: what the files of the checked front share. One thread, the module's owner. */
#ifndef IG_BACKEND_BACKEND_INT_H
#define IG_BACKEND_BACKEND_INT_H

#include "backend/backend.h"

struct ig_device {
    const ig_backend_fns *fns;
    const ig_capabilities *caps;
    void *self;
};

/* What a batch is checked against; read from the program once, when the module is loaded. */
typedef struct ig_batch_bounds {
    uint32_t vocab;         /* ids below this; rows of the smallest table that token ids index */
    const char *vocab_what; /* for the message */
    uint32_t positions;     /* positions below this: rows of the smallest position table, else
                               IG_CONTEXT_MAX */
    bool stateless; /* some attention sees the rows of the step only: nothing may be in the past */
} ig_batch_bounds;

struct ig_module {
    const ig_backend_fns *fns;
    const ig_device *device;
    const ig_plan *plan;
    void *self;
    ig_batch_bounds bounds;
    bool in_flight; /* submitted, not yet waited for */
    bool finished;  /* the last step succeeded: its outputs may be read */
    bool lost;      /* with the device: the state in the pools is not to be trusted */
};

struct ig_pool {
    ig_module *module;
    void *self;
    uint32_t n_pages[IG_PAGE_GROUPS_MAX];
    /* Per page the check that saw it last, so that "twice in one step" is found in linear time
     * without clearing. */
    uint64_t *seen[IG_PAGE_GROUPS_MAX];
    uint64_t check;
};

void ig_batch_bounds_init(ig_batch_bounds *bounds, const ig_plan *plan);
IG_MUST_USE ig_status ig_batch_check(const ig_module *module, ig_pool *pool, const ig_batch *batch,
                                     ig_err *err);

#endif
