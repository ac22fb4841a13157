/* backend.h: face of the backend room, floor 4: the v-table that a device implements, and
 * the checked front above it.
 *
 * One model run is the same everywhere: an immutable plan executed for a batch. A backend packs the
 * plan's weights into its own layout when a module is loaded, reserves all memory then, and
 * allocates nothing in a step. Within a step the host decides nothing: a batch is plain arrays that
 * a device can take in one copy.
 *
 * Threads: a module is used by one thread at a time (the executor); different
 * modules are independent. */
#ifndef IG_BACKEND_BACKEND_H
#define IG_BACKEND_BACKEND_H

#include "plan/plan.h"

/* ---- batch: the only thing that changes per step --------------------------------------------- */

#define IG_PAGE_NONE UINT32_MAX /* a page that fell out of the window and was freed */

/* A sequence's share of a step. */
typedef struct ig_batch_seq {
    uint32_t row;    /* its first row in the step; rows of a sequence are adjacent and in order */
    uint32_t n_rows; /* >= 1 */
    uint32_t n_past; /* tokens already in its state before this step */
    uint32_t slot;   /* of per-sequence state; unused by pages */
    /* Per page group: where its page table starts in ig_batch.pages. Entry p covers tokens
     * [p*32, p*32+32) of the sequence; there are ceil((n_past + n_rows) / 32) entries. */
    uint32_t table[IG_PAGE_GROUPS_MAX];
} ig_batch_seq;

typedef struct ig_batch {
    uint32_t n_tokens;
    const int32_t *ids;       /* [n_tokens] */
    const int32_t *positions; /* [n_tokens]; NULL = n_past + i of its sequence */
    uint32_t n_seqs;
    const ig_batch_seq *seqs; /* [n_seqs], ascending rows, covering all tokens */
    uint32_t n_pages;
    const uint32_t *pages; /* [n_pages] page numbers, all tables one after another */
    uint32_t n_outputs;
    const uint32_t *outputs; /* [n_outputs] rows, ascending */
} ig_batch;

/* ---- devices, modules, pools ----------------------------------------------------------------- */

typedef struct ig_device_options {
    uint32_t n_threads;  /* cpu: 0 = physical cores */
    const char *cpu_isa; /* cpu: "avx512", "avx2", "neon", "scalar"; NULL = best */
    bool pin_threads;
    bool profile; /* measure seconds per op (op_seconds) */
    const ig_logger *logger;
    void (*progress)(void *user, double share); /* of packing weights; may be NULL */
    void *progress_user;
} ig_device_options;

/* Cache types of K and V. */
typedef struct ig_pool_options {
    uint32_t n_pages[IG_PAGE_GROUPS_MAX]; /* per group of the plan */
    ig_dtype k_dtype, v_dtype;            /* F32 F16 BF16 Q8_0 Q4_0 */
} ig_pool_options;

typedef struct ig_device ig_device;
typedef struct ig_module ig_module; /* a plan with its weights on a device */
typedef struct ig_pool ig_pool;     /* K/V pages for a module */

/* Host work shared out over a device's threads; the caller is thread 0. */
typedef void (*ig_device_work)(void *user, uint32_t thread, uint32_t n_threads);

typedef struct ig_backend_fns {
    const char *name; /* "ref", "cpu", … */
    ig_status (*open)(void **self, const ig_device_options *options, ig_err *err);
    void (*close)(void *self);
    const ig_capabilities *(*caps)(void *self);
    /* Packs weights, reserves activations. After this the checkpoint's bytes are only needed for
     * weights that the backend reads in place (it says which through `borrows`). */
    ig_status (*load)(void *self, const ig_plan *plan, void **module, ig_err *err);
    void (*unload)(void *module);
    uint64_t (*module_bytes)(void *module); /* memory owned by the module beside borrowed weights */
    /* Of one page of a group, so that memory can be forecast before a module is loaded;
     * 0 = types not supported. */
    uint64_t (*page_bytes)(void *self, const ig_plan *plan, uint32_t group, ig_dtype k, ig_dtype v);
    ig_status (*pool_open)(void *module, const ig_pool_options *options, void **pool, ig_err *err);
    void (*pool_close)(void *pool);
    /* Copies whole pages inside a group (copy on write). */
    ig_status (*pool_copy)(void *pool, uint32_t group, const uint32_t *from, const uint32_t *to,
                           uint32_t n, ig_err *err);
    /* A page as bytes (page_bytes of its group), in a form of the device's own that stays the same
     * from run to run. */
    ig_status (*pool_read)(void *pool, uint32_t group, uint32_t page, void *out, ig_err *err);
    ig_status (*pool_write)(void *pool, uint32_t group, uint32_t page, const void *in, ig_err *err);
    /* Starts a step; wait() ends it. A synchronous backend does all work in submit. */
    ig_status (*submit)(void *module, void *pool, const ig_batch *batch, ig_err *err);
    ig_status (*wait)(void *module, ig_err *err);
    /* Rows of the output value of the last step, host readable until the next submit:
     * [n_outputs][cols] f32. */
    const float *(*outputs)(void *module);
    /* Optional: the largest of every IG_OUTPUT_TILE columns of those rows, [n_outputs][ceil(cols /
     * IG_OUTPUT_TILE)]; NULL = not known for the last step. */
    const float *(*output_maxima)(void *module);
    /* Optional: measures the device's roofs with all its threads, for some tens of
     * milliseconds: streaming reads, and dot products of 8-bit integers (operations, a
     * multiply-add counts as 2). */
    ig_status (*roof)(void *self, double *read_bytes_per_second, double *dot_ops_per_second,
                      ig_err *err);
    /* Optional: seconds per op of the last step for `ingot bench --ops`; NULL = not measured. */
    const double *(*op_seconds)(void *module);
    /* Optional, both or none: host threads of the device that idle between steps, and a call of fn
     * on all of them at once (or on fewer: n_threads says), to its end. */
    uint32_t (*threads)(void *self);
    void (*share)(void *self, ig_device_work fn, void *user);
} ig_backend_fns;

/* Which backends a build has is the engine's table; each backend room's face
 * declares its ig_backend_fns. */
IG_MUST_USE ig_status ig_device_open(ig_device **out, const ig_backend_fns *fns,
                                     const ig_device_options *options, ig_err *err);
void ig_device_close(ig_device **device);
const ig_capabilities *ig_device_caps(const ig_device *device);
const char *ig_device_name(const ig_device *device);
/* Bytes of one page of a page group; 0 when the device cannot keep these types. */
uint64_t ig_device_page_bytes(const ig_device *device, const ig_plan *plan, uint32_t group,
                              ig_dtype k, ig_dtype v);

/* IG_EUNSUPPORTED when the backend does not measure. No step may run meanwhile. */
IG_MUST_USE ig_status ig_device_roof(ig_device *device, double *read_bytes_per_second,
                                     double *dot_ops_per_second, ig_err *err);

/* Threads that ig_device_share may use, at least 1; it runs fn on the caller's alone where a device
 * has none of its own. No step may run meanwhile. */
uint32_t ig_device_threads(const ig_device *device);
void ig_device_share(ig_device *device, ig_device_work fn, void *user);

/* The plan is borrowed until unload. */
IG_MUST_USE ig_status ig_module_load(ig_module **out, ig_device *device, const ig_plan *plan,
                                     ig_err *err);
void ig_module_unload(ig_module **module);
uint64_t ig_module_bytes(const ig_module *module);
const ig_plan *ig_module_plan(const ig_module *module);
uint64_t ig_module_page_bytes(const ig_module *module, uint32_t group, ig_dtype k, ig_dtype v);

IG_MUST_USE ig_status ig_pool_open(ig_pool **out, ig_module *module, const ig_pool_options *options,
                                   ig_err *err);
void ig_pool_close(ig_pool **pool);
IG_MUST_USE ig_status ig_pool_copy(ig_pool *pool, uint32_t group, const uint32_t *from,
                                   const uint32_t *to, uint32_t n, ig_err *err);

/* One page's bytes, ig_module_page_bytes of them, for saving and restoring. No step may run. */
IG_MUST_USE ig_status ig_pool_read(ig_pool *pool, uint32_t group, uint32_t page, void *out,
                                   ig_err *err);
IG_MUST_USE ig_status ig_pool_write(ig_pool *pool, uint32_t group, uint32_t page, const void *in,
                                    ig_err *err);

/* Checks the batch against the plan's limits and the pool (ids inside the vocabulary, rows covered,
 * page numbers inside the pool, outputs ascending …) and runs it: IG_EARGUMENT names the field.
 * Pages must hold what earlier steps wrote. A step that fails may have written the places of its
 * own rows and nothing else, so it can be tried again; only after IG_EDEVICE module and pools are
 * lost. */
IG_MUST_USE ig_status ig_step_submit(ig_module *module, ig_pool *pool, const ig_batch *batch,
                                     ig_err *err);
IG_MUST_USE ig_status ig_step_wait(ig_module *module, ig_err *err);
const float *ig_step_outputs(const ig_module *module);
/* [n_outputs][ceil(cols / IG_OUTPUT_TILE)]: the largest of so many adjacent outputs, -inf where
 * none is a number; NULL when the device does not know. */
#define IG_OUTPUT_TILE 64u
const float *ig_step_maxima(const ig_module *module);
const double *ig_step_op_seconds(const ig_module *module);

#endif
