/* plan_int.h: what the passes share. */
#ifndef IG_PLAN_PLAN_INT_H
#define IG_PLAN_PLAN_INT_H

#include "plan/plan.h"

#define IG_OP_UNKNOWN UINT32_MAX

/* Shape and count checks of one op against the op table. */
ig_status ig_op_check(const ig_program *p, const ig_op *op, ig_err *err);

/* Removes the ops that a pass made IG_OP_NONE. */
void ig_program_sweep(ig_program *p);

/* Inputs really used: in[0..n). */
uint32_t ig_op_inputs(const ig_op *op);
uint32_t ig_op_outputs(const ig_op *op);

/* Calls fn for every ref read (or written) by op including what it absorbed. */
typedef void (*ig_ref_fn)(void *user, ig_ref ref);
void ig_op_each_read(const ig_op *op, ig_ref_fn fn, void *user);
void ig_op_each_write(const ig_op *op, ig_ref_fn fn, void *user);

/* makers[v] = index of the op that writes value v (absorbed ops count as their outer),
 * IG_OP_UNKNOWN when none. Array of n_values in the program's arena. */
ig_status ig_program_makers(ig_program *p, uint32_t **makers, ig_err *err);
/* last[v] = index of the last op that reads v, 0 when none; n[v] = how many ops read it (an op that
 * reads twice counts once). Either may be NULL. */
ig_status ig_program_readers(ig_program *p, uint32_t **last, uint32_t **n, ig_err *err);
/* Does op (without absorbed ones) read value v? */
bool ig_op_reads(const ig_op *op, ig_value_id v);

#endif
