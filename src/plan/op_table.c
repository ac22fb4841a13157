/* op_table.c: one row per op kind. Reserved kinds have a name and a shape only, so that numbers of
 * kinds stay. */
#include "plan/plan.h"

static const ig_op_row OPS[IG_OP_COUNT] = {
    /*                     name           in     out   rowwise state reserved */
    [IG_OP_NONE] = {"none", 0, 0, 0, 0, false, false, false},
    [IG_OP_EMBED] = {"embed", 0, 0, 1, 1, true, false, false},
    [IG_OP_NORM] = {"norm", 1, 1, 1, 1, true, false, false},
    [IG_OP_LINEAR] = {"linear", 1, 1, 1, 1, true, false, false},
    [IG_OP_ROPE] = {"rope", 1, 1, 1, 1, true, false, false},
    [IG_OP_MAP] = {"map", 1, 1, 1, 1, true, false, false},
    [IG_OP_ADD] = {"add", 2, 2, 1, 1, true, false, false},
    [IG_OP_GLU] = {"glu", 1, 2, 1, 1, true, false, false},
    [IG_OP_LERP] = {"lerp", 2, 3, 1, 1, true, false, true},
    [IG_OP_ATTEND] = {"attend", 1, 3, 1, 1, false, true, false},
    [IG_OP_COMPRESS] = {"compress", 1, 2, 1, 1, false, true, true},
    [IG_OP_SELECT_KEYS] = {"select_keys", 1, 3, 1, 1, false, true, true},
    [IG_OP_CONV] = {"conv", 1, 2, 1, 1, false, true, true},
    [IG_OP_RECUR] = {"recur", 3, 4, 1, 2, false, true, true},
    [IG_OP_ROUTE] = {"route", 1, 2, 2, 2, true, false, false},
    [IG_OP_EXPERT_LINEAR] = {"expert_linear", 2, 2, 1, 1, true, false, false},
    [IG_OP_COMBINE] = {"combine", 2, 2, 1, 1, true, false, false},
    [IG_OP_STREAM_COEF] = {"stream_coef", 1, 2, 1, 2, true, false, true},
    [IG_OP_STREAM_MIX] = {"stream_mix", 2, 4, 1, 2, true, false, true},
    [IG_OP_CONCAT] = {"concat", 2, 2, 1, 1, true, false, false},
    [IG_OP_DOT] = {"dot", 2, 2, 1, 1, true, false, true},
    [IG_OP_SELECT_ROWS] = {"select_rows", 1, 1, 1, 1, false, false, false},
    [IG_OP_POOL] = {"pool", 1, 1, 1, 1, false, false, false},
    [IG_OP_ALL_REDUCE] = {"all_reduce", 1, 1, 1, 1, true, false, true},
    [IG_OP_ALL_GATHER] = {"all_gather", 1, 1, 1, 1, true, false, true},
    [IG_OP_SEND] = {"send", 1, 1, 0, 0, true, false, true},
    [IG_OP_RECV] = {"recv", 0, 0, 1, 1, true, false, true},
};

const ig_op_row *ig_op_info(ig_op_kind kind) {
    return &OPS[(unsigned)kind < IG_OP_COUNT ? kind : IG_OP_NONE];
}
