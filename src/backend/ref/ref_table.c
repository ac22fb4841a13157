/* ref_table.c: capability rows of the ref backend: every op of milestone 1, nothing fused, nothing
 * merged. An op without a row here is refused when the plan is made. */
#include "backend/ref/ref_int.h"

static const ref_kernel embed = {ig_refop_embed}, norm = {ig_refop_norm},
                        linear = {ig_refop_linear}, rope = {ig_refop_rope}, map = {ig_refop_map},
                        add = {ig_refop_add}, glu = {ig_refop_glu}, attend = {ig_refop_attend},
                        route = {ig_refop_route}, expert_linear = {ig_refop_expert_linear},
                        combine = {ig_refop_combine}, concat = {ig_refop_concat},
                        select_rows = {ig_refop_select_rows}, pool = {ig_refop_pool};

static const ig_kernel_row rows[] = {
    {IG_OP_EMBED, "embed_ref", ig_refop_accepts, &embed},
    {IG_OP_NORM, "norm_ref", ig_refop_accepts, &norm},
    {IG_OP_LINEAR, "linear_ref", ig_refop_accepts, &linear},
    {IG_OP_ROPE, "rope_ref", ig_refop_rope_accepts, &rope},
    {IG_OP_MAP, "map_ref", ig_refop_accepts, &map},
    {IG_OP_ADD, "add_ref", ig_refop_accepts, &add},
    {IG_OP_GLU, "glu_ref", ig_refop_glu_accepts, &glu},
    {IG_OP_ATTEND, "attend_ref", ig_refop_attend_accepts, &attend},
    {IG_OP_ROUTE, "route_ref", ig_refop_route_accepts, &route},
    {IG_OP_EXPERT_LINEAR, "expert_linear_ref", ig_refop_accepts, &expert_linear},
    {IG_OP_COMBINE, "combine_ref", ig_refop_accepts, &combine},
    {IG_OP_CONCAT, "concat_ref", ig_refop_accepts, &concat},
    {IG_OP_SELECT_ROWS, "select_rows_ref", ig_refop_accepts, &select_rows},
    {IG_OP_POOL, "pool_ref", ig_refop_accepts, &pool},
};

const ig_capabilities ig_refop_caps = {.name = "ref", .rows = rows, .n_rows = IG_COUNT(rows)};
