/* test_plan.c: what the passes promise, on small transformers and on a device
 * that computes nothing. */
#include "backend/dummy.h"
#include "kernels/tiny_model.h"
#include "plan/plan.h"
#include "test.h"

static const tiny_options KINDS[] = {
    {.n_layers = 3},
    {.n_layers = 3, .sandwich = true, .window = 8},
    {.n_layers = 4, .experts = true},
    {.n_layers = 2, .experts = true, .sandwich = true, .window = 5},
};

static uint32_t count(const ig_program *p, ig_op_kind kind) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_ops; i++)
        n += p->ops[i].kind == kind;
    return n;
}

/* Ops that op holds, itself included. */
static uint32_t held(const ig_op *op) {
    return 1u + op->n_pre + op->n_post;
}

TEST(select_rows_moves_behind_the_last_attend) {
    for (size_t k = 0; k < IG_COUNT(KINDS); k++) {
        ig_err err = {0};
        ig_program *p = NULL;
        REQUIRE_OK(tiny_model(&KINDS[k], &p, &err));
        REQUIRE_OK(ig_pass_select_rows(p, &err));
        uint32_t last_attend = 0;
        for (uint32_t i = 0; i < p->n_ops; i++) {
            if (p->ops[i].kind == IG_OP_ATTEND)
                last_attend = i;
        }
        CHECK_EQ(p->ops[last_attend + 1].kind, IG_OP_SELECT_ROWS);
        for (uint32_t i = last_attend + 1; i < p->n_ops; i++)
            CHECK_EQ(p->values[p->ops[i].out[0].value].rows, IG_ROWS_OUTPUTS);
        for (uint32_t i = 0; i <= last_attend; i++)
            CHECK_EQ(p->values[p->ops[i].out[0].value].rows, IG_ROWS_TOKENS);
        CHECK_EQ(p->values[p->output].rows, IG_ROWS_OUTPUTS);
        ig_program_destroy(&p);
    }
}

TEST(linears_of_one_attend_and_one_glu_merge) {
    ig_err err = {0};
    ig_program *p = NULL;
    REQUIRE_OK(tiny_model(&KINDS[0], &p, &err));
    uint32_t before = count(p, IG_OP_LINEAR);
    REQUIRE_OK(ig_pass_merge_linears(p, &err));
    /* Per layer q, k, v become one, gate and up become one. */
    CHECK_EQ(count(p, IG_OP_LINEAR), before - 3 * KINDS[0].n_layers);
    uint32_t parts = 0;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind == IG_OP_LINEAR)
            parts += p->ops[i].u.linear.n_parts;
    }
    CHECK_EQ(parts, before);
    ig_program_destroy(&p);
}

/* An op without readers goes, with its state, unless somebody reads the state. */
TEST(unread_ops_are_dropped) {
    ig_err err = {0};
    ig_program *p = NULL;
    REQUIRE_OK(tiny_model(&KINDS[0], &p, &err));
    uint32_t n_ops = p->n_ops;
    ig_value_id v;
    const ig_op *embed = &p->ops[0];
    REQUIRE_OK(ig_program_value(p, "unread", IG_ROWS_TOKENS, IG_DTYPE_F32,
                                p->values[embed->out[0].value].cols, &v, &err));
    ig_op add = {.kind = IG_OP_ADD,
                 .layer = -1,
                 .in = {embed->out[0], embed->out[0]},
                 .out = {ig_ref_whole(p, v)},
                 .u.add = {1, 1}};
    REQUIRE_OK(ig_program_op(p, &add, &err));
    REQUIRE_OK(ig_pass_drop_unread(p, &err));
    CHECK_EQ(p->n_ops, n_ops);
    ig_program_destroy(&p);
}

typedef struct span {
    uint64_t from, to;
    uint32_t first, last;
    bool used;
} span;

typedef struct span_walk {
    const ig_program *p;
    span *spans;
    uint32_t at;
    const uint64_t *rows;
} span_walk;

static void note(span_walk *w, const ig_op *op) {
    for (uint32_t j = 0; j < IG_OP_IN_MAX + IG_OP_OUT_MAX; j++) {
        ig_value_id v = j < IG_OP_IN_MAX ? op->in[j].value : op->out[j - IG_OP_IN_MAX].value;
        if (v == 0 || w->p->values[v].unmaterialised)
            continue;
        span *s = &w->spans[v];
        if (!s->used)
            s->first = w->at;
        s->used = true;
        s->last = w->at;
        s->from = w->p->values[v].offset;
        s->to = s->from + w->rows[w->p->values[v].rows] * w->p->values[v].cols * 4;
    }
}

/* Two values whose lives overlap never share a byte; the arena holds all; every op appears once. */
static void check_plan(const ig_plan *plan, uint32_t n_ops_before) {
    const ig_program *p = plan->program;
    const uint64_t rows[IG_ROWS_COUNT] = {plan->limits.tokens_max, plan->limits.outputs_max,
                                          plan->limits.seqs_max};
    span *spans = calloc(p->n_values, sizeof *spans);
    span_walk w = {.p = p, .spans = spans, .rows = rows};
    uint32_t n = 0;
    for (; w.at < p->n_ops; w.at++) {
        const ig_op *op = &p->ops[w.at];
        for (uint32_t i = 0; i < op->n_pre; i++)
            note(&w, op->pre[i]);
        note(&w, op);
        for (uint32_t i = 0; i < op->n_post; i++)
            note(&w, op->post[i]);
        n += held(op);
        CHECK(op->kernel != NULL);
    }
    CHECK(n <= n_ops_before);
    spans[p->output].last = UINT32_MAX;
    for (ig_value_id a = 1; a < p->n_values; a++) {
        for (ig_value_id b = 1; b < a; b++) {
            bool alive = spans[a].used && spans[b].used && spans[a].first <= spans[b].last &&
                         spans[b].first <= spans[a].last;
            CHECK(!alive || spans[a].to <= spans[b].from || spans[b].to <= spans[a].from);
        }
        CHECK(!spans[a].used || spans[a].to <= plan->arena_bytes);
    }
    free(spans);
}

TEST(plans_for_a_device_that_computes_nothing) {
    for (size_t k = 0; k < IG_COUNT(KINDS); k++) {
        for (int merges = 0; merges < 2; merges++) {
            for (int absorbs = 0; absorbs < 2; absorbs++) {
                ig_err err = {0};
                ig_program *p = NULL;
                ig_plan *plan = NULL;
                ig_device *device = NULL;
                dummy_record record = {.merges = merges != 0, .absorbs = absorbs != 0};
                ig_device_options options = {.progress_user = &record};
                ig_limits limits = {
                    .tokens_max = 37, .outputs_max = 5, .seqs_max = 3, .context_max = 100};
                REQUIRE_OK(ig_device_open(&device, &dummy_backend, &options, &err));
                REQUIRE_OK(tiny_model(&KINDS[k], &p, &err));
                /* Hoisting may add a selection per value that crosses the border. */
                uint32_t before = p->n_ops + 4;
                REQUIRE_OK(ig_plan_create(&plan, &p, ig_device_caps(device), &limits, &err));
                check_plan(plan, before);
                uint32_t absorbed = 0;
                for (uint32_t i = 0; i < plan->program->n_ops; i++)
                    absorbed += held(&plan->program->ops[i]) - 1;
                CHECK((absorbed > 0) == (absorbs != 0));
                CHECK_EQ(plan->n_groups, KINDS[k].window ? 2 : 1);
                for (int json = 0; json < 2; json++) {
                    ig_buf text;
                    ig_buf_init(&text, 1 << 20);
                    CHECK_OK(ig_plan_explain(plan, json != 0, &text, &err));
                    CHECK(text.n > 100);
                    ig_buf_fini(&text);
                }
                ig_plan_destroy(&plan);
                ig_device_close(&device);
            }
        }
    }
}

TEST(what_no_kernel_runs_is_refused_by_name) {
    ig_err err = {0};
    ig_program *p = NULL;
    ig_plan *plan = NULL;
    ig_device *device = NULL;
    dummy_record record = {.refuses = 1ull << IG_OP_ATTEND};
    ig_device_options options = {.progress_user = &record};
    ig_limits limits = {.tokens_max = 4, .outputs_max = 1, .seqs_max = 1, .context_max = 10};
    REQUIRE_OK(ig_device_open(&device, &dummy_backend, &options, &err));
    REQUIRE_OK(tiny_model(&KINDS[0], &p, &err));
    CHECK_EQ(ig_plan_create(&plan, &p, ig_device_caps(device), &limits, &err), IG_EUNSUPPORTED);
    CHECK(strstr(err.message, "attend (layer 0)") != NULL);
    CHECK(p == NULL && plan == NULL);
    ig_device_close(&device);
}

TEST(malformed_ops_are_refused) {
    ig_err err = {0};
    ig_program *p = NULL;
    REQUIRE_OK(tiny_model(&KINDS[0], &p, &err));
    ig_op bad = p->ops[0];
    bad.out[0].cols += 1;
    CHECK_EQ(ig_program_op(p, &bad, &err), IG_EINTERNAL);
    for (uint32_t i = 0; i < p->n_ops; i++) {
        bad = p->ops[i];
        bad.in[0].col = UINT32_MAX - 3; /* the end of the view wraps in 32 bits */
        if (bad.in[0].value)
            CHECK_EQ(ig_program_op(p, &bad, &err), IG_EINTERNAL);
        bad = p->ops[i];
        bad.out[0].value = 1u << 30;
        CHECK_EQ(ig_program_op(p, &bad, &err), IG_EINTERNAL);
    }
    ig_program_destroy(&p);
}

/* Reserved kinds are refused by name; every other kind has shapes, so that it fails by them. */
TEST(reserved_kinds_are_refused_by_name) {
    ig_err err = {0};
    ig_program *p = NULL;
    REQUIRE_OK(tiny_model(&KINDS[0], &p, &err));
    uint32_t n_reserved = 0;
    for (int kind = IG_OP_NONE + 1; kind < IG_OP_COUNT; kind++) {
        const ig_op_row *row = ig_op_info((ig_op_kind)kind);
        const ig_op op = {.kind = (ig_op_kind)kind};
        CHECK_EQ(ig_program_op(p, &op, &err), row->reserved ? IG_EUNSUPPORTED : IG_EINTERNAL);
        CHECK(strstr(err.message, row->name) != NULL);
        CHECK(strstr(err.message, "op kind") == NULL);
        n_reserved += row->reserved;
    }
    CHECK_EQ(n_reserved, 12);
    ig_program_destroy(&p);
}

/* An id of a route must name a matrix of the stack; chunk experts divide ids. */
TEST(expert_ids_stay_inside_the_stack) {
    ig_err err = {0};
    ig_program *p = NULL;
    REQUIRE_OK(tiny_model(&KINDS[2], &p, &err));
    ig_op *route = NULL;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        ig_op *op = &p->ops[i];
        if (op->kind == IG_OP_ROUTE)
            route = op;
        if (op->kind != IG_OP_EXPERT_LINEAR)
            continue;
        REQUIRE(route);
        const uint32_t n = route->u.route.n_experts;
        static const struct {
            uint32_t more, div;
            ig_status status;
        } cases[] = {{0, 0, IG_OK}, {1, 0, IG_EINTERNAL}, {1, 2, IG_OK}, {0, 2, IG_OK}};
        for (size_t k = 0; k < IG_COUNT(cases); k++) {
            route->u.route.n_experts = n + cases[k].more;
            route->u.route.id_div = cases[k].div;
            const ig_op again = *op;
            CHECK_EQ(ig_program_op(p, &again, &err), cases[k].status);
        }
        break;
    }
    CHECK(strstr(err.message, "outside the stack") != NULL);
    ig_program_destroy(&p);
}

/* Names come from files: what is valid UTF-8 stays, other bytes become U+FFFD. */
TEST(json_of_any_name) {
    static const struct {
        const char *name, *json;
    } cases[] = {
        {"h\xc3\xa4nge \xe2\x82\xac \xf0\x9f\x98\x80",
         "h\xc3\xa4nge \xe2\x82\xac \xf0\x9f\x98\x80:"},
        {"\xff \xc0\xaf \xed\xa0\x80", "\\ufffd \\ufffd\\ufffd \\ufffd\\ufffd\\ufffd:"},
        {"cut \xe2\x82", "cut \\ufffd\\ufffd:"},
        {"\"\\\n\x7f", "\\u0022\\u005c\\u000a\x7f:"},
    };
    for (size_t k = 0; k < IG_COUNT(cases); k++) {
        ig_err err = {0};
        ig_program *p = NULL;
        ig_plan *plan = NULL;
        ig_device *device = NULL;
        dummy_record record = {0};
        const ig_device_options options = {.progress_user = &record};
        const ig_limits limits = {
            .tokens_max = 4, .outputs_max = 1, .seqs_max = 1, .context_max = 10};
        REQUIRE_OK(ig_device_open(&device, &dummy_backend, &options, &err));
        REQUIRE_OK(tiny_model(&KINDS[0], &p, &err));
        for (uint32_t w = 1; w < p->n_weights; w++)
            p->weights[w].name = ig_str_of(cases[k].name);
        REQUIRE_OK(ig_plan_create(&plan, &p, ig_device_caps(device), &limits, &err));
        ig_buf text;
        ig_buf_init(&text, 1 << 20);
        CHECK_OK(ig_plan_explain(plan, true, &text, &err));
        CHECK(text.n && strstr(text.p, cases[k].json) != NULL);
        ig_buf_fini(&text);
        ig_plan_destroy(&plan);
        ig_device_close(&device);
    }
}

TEST(allocation_failures_are_clean) {
    ig_err err = {0};
    dummy_record record = {.merges = true, .absorbs = true};
    ig_device_options options = {.progress_user = &record};
    ig_device *device = NULL;
    ig_limits limits = {.tokens_max = 4, .outputs_max = 1, .seqs_max = 1, .context_max = 10};
    REQUIRE_OK(ig_device_open(&device, &dummy_backend, &options, &err));
    bool done = false;
    for (uint64_t n = 1; !done && n < 500; n++) {
        ig_program *p = NULL;
        ig_plan *plan = NULL;
        REQUIRE_OK(tiny_model(&KINDS[3], &p, &err));
        ig_alloc_fail_after(n);
        ig_status status = ig_plan_create(&plan, &p, ig_device_caps(device), &limits, &err);
        ig_alloc_fail_after(0);
        CHECK(status == IG_OK || status == IG_EMEMORY);
        done = status == IG_OK;
        ig_plan_destroy(&plan);
    }
    CHECK(done);
    ig_device_close(&device);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(select_rows_moves_behind_the_last_attend),
               T(linears_of_one_attend_and_one_glu_merge), T(unread_ops_are_dropped),
               T(plans_for_a_device_that_computes_nothing),
               T(what_no_kernel_runs_is_refused_by_name), T(malformed_ops_are_refused),
               T(reserved_kinds_are_refused_by_name), T(expert_ids_stay_inside_the_stack),
               T(json_of_any_name), T(allocation_failures_are_clean));
}
