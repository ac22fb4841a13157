/* op_cases.h: generated programs of one op each, with odd shapes and strided views, that any
 * backend must compute as ref does and, bit for bit, the same however the tokens are cut into
 * steps. A new op, form or dtype is a row here. */
#ifndef IG_TESTS_OP_CASES_H
#define IG_TESTS_OP_CASES_H

#include "kernels/run_program.h"

typedef struct op_case op_case;

/* Inputs of the op are columns of an embedded table, so that a case is an ordinary program. */
typedef struct op_builder {
    ig_program *p;
    run_rng rng;
    ig_value_id x; /* [T][…] what the table gives */
} op_builder;

struct op_case {
    char name[80];
    ig_status (*build)(op_builder *b, const op_case *c, ig_err *err);
    ig_dtype dtype; /* of the weight under test; of the cache for attend */
    uint32_t n[8];  /* meaning: comment of the builder */
    float f[4];
    bool whole;       /* must see whole sequences in one step */
    bool far;         /* positions up to 100000 instead of 0, 1, 2, … */
    double tolerance; /* normalised mean square error against ref; 0 = that of f32 */
};

/* Fills out[0, cap) and returns how many cases there are. */
size_t op_cases_list(op_case *out, size_t cap);

typedef struct op_report {
    size_t run, failed, unsupported;
    double worst; /* largest error as a share of its tolerance */
    char worst_name[80];
} op_report;

/* Runs every case whose name contains `filter` (NULL = all) on a backend, against ref and against
 * itself in other cuts. A case that the backend has no kernel for counts as unsupported. `fail`
 * gets one line per failure. */
void op_cases_check(const ig_backend_fns *fns, const ig_device_options *options, const char *filter,
                    void (*fail)(const char *line), op_report *report);

#endif
