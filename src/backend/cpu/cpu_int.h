/* cpu_int.h: what the files of the cpu backend share: device, module, pool, one step. */
#ifndef IG_BACKEND_CPU_INT_H
#define IG_BACKEND_CPU_INT_H

#include "backend/backend.h"
#include "backend/cpu/cpu_attn.h"
#include "backend/cpu/cpu_matmul.h"
#include "backend/cpu/cpu_probe.h"
#include "backend/cpu/cpu_rows.h"
#include "backend/cpu/cpu_team.h"

#define CPU_THREADS_MAX 256u

typedef struct cpu_device {
    ig_team *team;
    uint32_t n_threads;
    const ig_matmul_set *matmul;
    const ig_row_set *rows;
    const ig_attn_set *attn;
    const ig_probe_set *roof;
    uint8_t *roof_memory; /* taken when first asked for */
    ig_device_options options;
    ig_capabilities caps;
    ig_kernel_row kernel_rows[IG_OP_COUNT];
    char names[IG_OP_COUNT][40];
    uint32_t pack_epoch, loop_epoch; /* uses of the team's counters so far; see cpu_take */
} cpu_device;

/* A weight in the form that kernels read. */
typedef struct cpu_weight {
    const ig_matmul_kernel *kernel; /* matrices */
    uint8_t *packed;                /* [stack] packed matrices, matrix_bytes apart */
    size_t matrix_bytes, packed_bytes;
    float *vector; /* norm weights, biases, scales, sinks: f32 */
} cpu_weight;

/* A row-wise op with its weights found. Slots: floats from the start of a thread's row scratch, -1
 * = the value lies in the arena. */
typedef struct cpu_row_op {
    const ig_op *op;
    ig_row_fn fn;
    const float *w[IG_OP_WEIGHTS_MAX];
    uint32_t w_count;
    int32_t rope_table; /* -1 = none */
    int64_t in_slot[IG_OP_IN_MAX], out_slot[IG_OP_OUT_MAX];
    bool out_store[IG_OP_OUT_MAX]; /* also wanted in the arena */
} cpu_row_op;

typedef struct cpu_module cpu_module;
typedef struct cpu_step cpu_step;
typedef struct cpu_op cpu_op;
typedef void (*cpu_run_fn)(cpu_step *step, const cpu_op *op, uint32_t thread);

struct cpu_op {
    const ig_op *op;
    cpu_run_fn run;
    cpu_row_op *pre, *post, self; /* self: row-wise ops that stand alone */
    uint64_t chain_floats;        /* row scratch that pre needs */
    /* Linear: where pre leaves the input row, -1 = arena; attend: q, k, v below. */
    int64_t input_slot;
    int64_t qkv_slot[3];
    unsigned forms;    /* linear: bit per ig_act_format that its parts take */
    bool gives_output; /* linear: what it leaves is the program's output, maxima are noted */
    uint32_t index;
};

typedef struct cpu_rope_table {
    const ig_rope_attr *rope;
    float *cos_sin; /* [tokens_max][n_rot] */
} cpu_rope_table;

struct cpu_module {
    cpu_device *device;
    const ig_plan *plan;
    cpu_weight *weights; /* [n_weights] */
    cpu_op *ops;
    cpu_row_op *row_ops; /* storage of all pre and post */
    uint8_t *arena;
    size_t arena_bytes;
    uint8_t *shared; /* packed activations, attention scratch, routing lists */
    size_t shared_bytes;
    size_t act_offset[IG_ACT_FORM_COUNT];
    /* Per thread: row scratch, packed rows, output chunk, attention scratch. */
    uint8_t *local[CPU_THREADS_MAX];
    size_t local_bytes;
    size_t local_acts[IG_ACT_FORM_COUNT], local_chunk; /* offsets inside local */
    uint32_t chunk_floats;
    /* Rows per unit when activations are packed together: a multiple of every packer's group. */
    uint32_t pack_rows;
    float *attend_q; /* [tokens_max][widest q]: q after norm and rope */
    size_t attend_q_floats;
    /* Keys and values of attends without a cache: pages for the rows of one step. */
    uint8_t *step_pages;
    size_t step_pages_bytes;
    uint32_t *step_table; /* 0, 1, 2 …: their page table */
    int32_t *expert_ids;  /* routing lists, see cpu_moe.c */
    cpu_rope_table *ropes;
    uint32_t n_ropes;
    uint64_t packed_bytes;
    double *op_seconds;
    float *maxima; /* [outputs_max][maxima_cols] of the last step; NULL = never noted */
    uint32_t maxima_cols;
    uint8_t maxima_off; /* this step's chunks did not fall on tiles */
    int32_t *positions; /* [tokens_max] of the running step */
};

typedef struct cpu_pool {
    cpu_module *module;
    ig_pool_options options;
    uint8_t *memory;
    size_t bytes;
    uint8_t **state_base; /* [n_states] */
    size_t *state_stride; /* [n_states] bytes of a page of that state */
} cpu_pool;

/* One step while it runs: every thread has its own copy. */
struct cpu_step {
    cpu_module *module;
    cpu_pool *pool;
    const ig_batch *batch;
    uint32_t n_rows[IG_ROWS_COUNT];
    const int32_t *positions; /* [n_tokens] */
    uint32_t n_threads;       /* of this run; may be less than the team has */
    uint32_t epoch;           /* dynamic loops so far: the same on all threads */
};

static inline const ig_program *cpu_program(const cpu_module *m) {
    return m->plan->program;
}
static inline float *cpu_value_row(const cpu_module *m, ig_value_id v, uint32_t row) {
    const ig_value *value = &m->plan->program->values[v];
    return (float *)(void *)(m->arena + value->offset + (size_t)row * value->cols * 4);
}
static inline void cpu_barrier(cpu_step *s, uint32_t thread) {
    ig_team_barrier(s->module->device->team, thread);
}
/* Starts a new dynamic loop; every thread calls it once, then cpu_take until it gives n or more. A
 * barrier must lie between two loops. */
static inline void cpu_loop(cpu_step *s) {
    s->epoch++;
}
static inline uint32_t cpu_take(const cpu_step *s) {
    /* Counter 0 belongs to packing; the others take turns, so that a fast thread may start the next
     * loop while a slow one still asks the last. */
    uint32_t e = s->epoch;
    return ig_team_take(s->module->device->team, 1 + e % (IG_TEAM_COUNTERS - 1),
                        e / (IG_TEAM_COUNTERS - 1));
}

/* cpu_chain.c: row-wise ops. */
void cpu_chain_row(const cpu_step *s, const cpu_row_op *ops, uint32_t n, uint32_t row,
                   float *scratch, bool store);
void cpu_run_rowwise(cpu_step *s, const cpu_op *op, uint32_t thread);
void cpu_run_embed(cpu_step *s, const cpu_op *op, uint32_t thread);
void cpu_run_select_rows(cpu_step *s, const cpu_op *op, uint32_t thread);
void cpu_run_concat(cpu_step *s, const cpu_op *op, uint32_t thread);
/* cpu_linear.c */
void cpu_run_linear(cpu_step *s, const cpu_op *op, uint32_t thread);
/* cpu_moe.c */
void cpu_run_route(cpu_step *s, const cpu_op *op, uint32_t thread);
void cpu_run_expert_linear(cpu_step *s, const cpu_op *op, uint32_t thread);
size_t cpu_moe_list_bytes(const ig_program *p, const ig_limits *limits);
/* cpu_attend.c */
void cpu_run_attend(cpu_step *s, const cpu_op *op, uint32_t thread);

/* cpu_caps.c: fills device->caps. */
void cpu_caps_fill(cpu_device *device);
cpu_run_fn cpu_caps_run(ig_op_kind kind);
ig_row_fn cpu_caps_row(const cpu_device *device, ig_op_kind kind);
/* cpu_roof.c */
ig_status cpu_roof(void *self, double *read_bytes_per_second, double *dot_ops_per_second,
                   ig_err *err);
void cpu_roof_free(cpu_device *d);
/* cpu_load.c */
ig_status cpu_load(void *self, const ig_plan *plan, void **module, ig_err *err);
void cpu_unload(void *module);

#endif
