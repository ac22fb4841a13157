/* op_build.h: one builder per op family; what n[] and f[] of a case mean to it. */
#ifndef IG_TESTS_OP_BUILD_H
#define IG_TESTS_OP_BUILD_H

#include "kernels/op_cases.h"

#define OP_COLS_MAX 2048u /* columns of any value of a case */
#define OP_VOCAB 61u

/* dtype; n: index kind, columns. f: scale */
ig_status op_build_embed(op_builder *b, const op_case *c, ig_err *err);
/* n: kind, heads, columns, weight (0 none, 1 shared by heads, 2 own per head, 3 one gain per head),
 * bias, gap between heads */
ig_status op_build_norm(op_builder *b, const op_case *c, ig_err *err);
/* dtype; n: input columns, rows of up to three parts, flags (1 bias, 2 scale), heads form */
ig_status op_build_linear(op_builder *b, const op_case *c, ig_err *err);
/* n: pairs, heads, columns, n_rot, first, streams, inverse. f: m */
ig_status op_build_rope(op_builder *b, const op_case *c, ig_err *err);
/* n: fn, heads, columns, elements of the factor. f: a, b, c */
ig_status op_build_map(op_builder *b, const op_case *c, ig_err *err);
/* n: columns. f: a, b */
ig_status op_build_add(op_builder *b, const op_case *c, ig_err *err);
/* n: act, limit, broadcast, heads, columns, flags (1 without u, 2 divisor). f: limit */
ig_status op_build_glu(op_builder *b, const op_case *c, ig_err *err);
/* dtype of the cache; n: mask, window, H, Hk, Dk, Dv, flags (1 sinks, 2 no state, 4 a second op
 * reads the same state). f: scale, cap, alibi */
ig_status op_build_attend(op_builder *b, const op_case *c, ig_err *err);
/* route, expert_linear, combine. dtype of experts; n: gating, E, k, groups, groups used, id_div,
 * flags (1 bias, 2 selection bias, 4 renorm, 8 expert bias, 16 expert scale, 32 second
 * expert_linear on [T, k, b], 64 two parts, 128 weights only), input columns. f: scale */
ig_status op_build_moe(op_builder *b, const op_case *c, ig_err *err);
/* n: columns of the two inputs */
ig_status op_build_concat(op_builder *b, const op_case *c, ig_err *err);
/* n: kind, columns */
ig_status op_build_pool(op_builder *b, const op_case *c, ig_err *err);

#endif
