/* test_backend.c: the checked front, on a device that computes nothing. */
#include "backend/dummy.h"
#include "kernels/tiny_model.h"
#include "test.h"

/* Two page groups: window 40 and full. */
static const tiny_options two_windows = {.n_layers = 2, .window = 40};
static const ig_limits limits = {
    .tokens_max = 64, .outputs_max = 4, .seqs_max = 3, .context_max = 128};

typedef struct stage {
    dummy_record record;
    ig_device *device;
    ig_plan *plan;
    ig_module *module;
    ig_pool *pool;
    ig_err err;
} stage;

static ig_status make_plan(stage *s) {
    ig_program *p = NULL;
    IG_TRY(tiny_model(&two_windows, &p, &s->err));
    return ig_plan_create(&s->plan, &p, ig_device_caps(s->device), &limits, &s->err);
}

static ig_status setup(stage *s) {
    const ig_device_options options = {.progress_user = &s->record};
    const ig_pool_options pool = {
        .n_pages = {10, 12}, .k_dtype = IG_DTYPE_F16, .v_dtype = IG_DTYPE_F16};
    IG_TRY(ig_device_open(&s->device, &dummy_backend, &options, &s->err));
    IG_TRY(make_plan(s));
    IG_TRY(ig_module_load(&s->module, s->device, s->plan, &s->err));
    return ig_pool_open(&s->pool, s->module, &pool, &s->err);
}

static void teardown(stage *s) {
    ig_pool_close(&s->pool);
    ig_module_unload(&s->module);
    ig_plan_destroy(&s->plan);
    ig_device_close(&s->device);
}

/* A correct step: 2 new tokens after 70, of which the first page left the window; 33 tokens of a
 * new sequence. */
typedef struct step {
    ig_batch batch;
    int32_t ids[64], positions[64];
    ig_batch_seq seqs[4];
    uint32_t pages[16], outputs[8];
} step;

static void good_step(step *s) {
    *s = (step){.batch = {.n_tokens = 35, .n_seqs = 2, .n_pages = 10, .n_outputs = 2}};
    s->seqs[0] = (ig_batch_seq){.row = 0, .n_rows = 2, .n_past = 71, .table = {0, 3}};
    s->seqs[1] = (ig_batch_seq){.row = 2, .n_rows = 33, .n_past = 0, .table = {6, 8}};
    static const uint32_t pages[] = {IG_PAGE_NONE, 4, 9, 0, 1, 11, 8, 7, 5, 6};
    memcpy(s->pages, pages, sizeof pages);
    s->outputs[0] = 1;
    s->outputs[1] = 34;
    for (uint32_t i = 0; i < 64; i++)
        s->ids[i] = (int32_t)(i % TINY_VOCAB);
    s->batch.ids = s->ids;
    s->batch.seqs = s->seqs;
    s->batch.pages = s->pages;
    s->batch.outputs = s->outputs;
}

TEST(a_good_step_runs) {
    stage s = {0};
    step t;
    ig_err err = {0};
    good_step(&t);
    if (setup(&s) == IG_OK) {
        CHECK(ig_step_outputs(s.module) == NULL);
        CHECK_OK(ig_step_submit(s.module, s.pool, &t.batch, &err));
        CHECK_OK(ig_step_wait(s.module, &err));
        CHECK_EQ(s.record.n_tokens, 35);
        const float *out = ig_step_outputs(s.module);
        CHECK(out && fabsf(out[TINY_VOCAB + 5] - dummy_output(34, 5)) <= 0);
        CHECK(ig_step_op_seconds(s.module) == NULL);
        /* The same page may be read by both, as long as neither writes it. */
        static const uint32_t tables[] = {IG_PAGE_NONE, 4, 9, 0, 1, 2, 0, 4, 8, 7, 0, 1, 5, 6};
        t.seqs[1] = (ig_batch_seq){.row = 2, .n_rows = 33, .n_past = 64, .table = {6, 10}};
        memcpy(t.pages, tables, sizeof tables);
        t.batch.n_pages = 14;
        CHECK_OK(ig_step_submit(s.module, s.pool, &t.batch, &err));
        CHECK_OK(ig_step_wait(s.module, &err));
    } else {
        TEST_FAIL("%s", s.err.message);
    }
    teardown(&s);
    CHECK(s.record.n_opens == s.record.n_closes && s.record.n_loads == s.record.n_unloads);
    CHECK_EQ(s.record.n_pools, s.record.n_pool_closes);
}

/* ---- batches that are wrong in one place ---------------------------------------------------- */

typedef struct bad {
    void (*spoil)(step *t);
    const char *message; /* a part of it */
} bad;

#define SPOIL(name, statement)                                                                     \
    static void name(step *t) {                                                                    \
        statement;                                                                                 \
    }
SPOIL(no_tokens, t->batch.n_tokens = 0)
SPOIL(many_tokens, t->batch.n_tokens = 65)
SPOIL(no_seqs, t->batch.n_seqs = 0)
SPOIL(many_seqs, t->batch.n_seqs = 4)
SPOIL(many_outputs, t->batch.n_outputs = 5)
SPOIL(null_ids, t->batch.ids = NULL)
SPOIL(null_seqs, t->batch.seqs = NULL)
SPOIL(null_pages, t->batch.pages = NULL)
SPOIL(null_outputs, t->batch.outputs = NULL)
SPOIL(negative_id, t->ids[7] = -1)
SPOIL(large_id, t->ids[34] = TINY_VOCAB)
SPOIL(negative_position, (t->batch.positions = t->positions, t->positions[3] = -2))
SPOIL(large_position, (t->batch.positions = t->positions, t->positions[3] = INT32_MAX))
SPOIL(first_row, t->seqs[0].row = 1)
SPOIL(gap, t->seqs[1].row = 3)
SPOIL(overlap, t->seqs[1].row = 1)
SPOIL(empty_seq, t->seqs[1].n_rows = 0)
SPOIL(too_many_rows, t->seqs[1].n_rows = 34)
SPOIL(uncovered, t->seqs[1].n_rows = 32)
SPOIL(past_context, t->seqs[1].n_past = 96)
SPOIL(huge_past, t->seqs[1].n_past = UINT32_MAX)
SPOIL(huge_rows, t->seqs[0].n_rows = UINT32_MAX)
SPOIL(table_start, t->seqs[1].table[0] = 11)
SPOIL(table_wrap, t->seqs[1].table[1] = UINT32_MAX)
SPOIL(table_end, t->seqs[1].table[1] = 9)
SPOIL(page_number, t->pages[2] = 10)
SPOIL(page_number_of_group, t->pages[4] = 12)
SPOIL(page_gone_in_window, t->pages[1] = IG_PAGE_NONE)
SPOIL(page_gone_in_full_group, t->pages[3] = IG_PAGE_NONE)
SPOIL(written_by_two, t->pages[7] = 9)
SPOIL(written_twice, t->pages[7] = 8)
SPOIL(output_row, t->outputs[1] = 35)
SPOIL(output_order, t->outputs[0] = 34)
SPOIL(output_descends, (t->outputs[0] = 5, t->outputs[1] = 4))

static const bad bad_batches[] = {
    {no_tokens, "batch.n_tokens is 0"},
    {many_tokens, "batch.n_tokens is 65, the plan was made for 64; "},
    {no_seqs, "batch.n_seqs is 0"},
    {many_seqs, "batch.n_seqs is 4"},
    {many_outputs, "batch.n_outputs is 5"},
    {null_ids, "batch.ids is NULL"},
    {null_seqs, "batch.seqs is NULL"},
    {null_pages, "batch.pages is NULL"},
    {null_outputs, "batch.outputs is NULL"},
    {negative_id, "batch.ids[7] is -1"},
    {large_id, "batch.ids[34] is 61, outside [0, 61)"},
    {negative_position, "batch.positions[3] is -2"},
    {large_position, "batch.positions[3] is 2147483647"},
    {first_row, "batch.seqs[0].row is 1, not 0"},
    {gap, "batch.seqs[1].row is 3, not 2"},
    {overlap, "batch.seqs[1].row is 1, not 2"},
    {empty_seq, "batch.seqs[1].n_rows is 0"},
    {too_many_rows, "batch.seqs[1].n_rows is 34, only 33"},
    {uncovered, "batch.seqs cover 34 rows, batch.n_tokens is 35"},
    {past_context, "batch.seqs[1]: n_past 96 + n_rows 33"},
    {huge_past, "batch.seqs[1]: n_past 4294967295"},
    {huge_rows, "batch.seqs[0].n_rows is 4294967295"},
    {table_start, "batch.seqs[1].table[0] is 11"},
    {table_wrap, "batch.seqs[1].table[1] is 4294967295"},
    {table_end, "batch.seqs[1].table[1] is 9 and needs 2 entries"},
    {page_number, "batch.pages[2] is 10, the pool has 10 pages in group 0"},
    {page_number_of_group, "batch.pages[4] is 12, the pool has 12 pages in group 1"},
    {page_gone_in_window, "batch.pages[1] is none"},
    {page_gone_in_full_group, "batch.pages[3] is none"},
    {written_by_two, "batch.pages[7]: page 9 of group 0 would be written twice"},
    {written_twice, "batch.pages[7]: page 8 of group 0 would be written twice"},
    {output_row, "batch.outputs[1] is 35"},
    {output_order, "batch.outputs[1] is 34 after 34"},
    {output_descends, "batch.outputs[1] is 4 after 5"},
};

TEST(bad_batches_are_named) {
    stage s = {0};
    if (setup(&s) != IG_OK) {
        TEST_FAIL("%s", s.err.message);
    } else {
        for (size_t i = 0; i < sizeof bad_batches / sizeof *bad_batches; i++) {
            step t;
            ig_err err = {0};
            good_step(&t);
            bad_batches[i].spoil(&t);
            CHECK_EQ(ig_step_submit(s.module, s.pool, &t.batch, &err), IG_EARGUMENT);
            if (!strstr(err.message, bad_batches[i].message))
                TEST_FAIL("\"%s\" does not say \"%s\"", err.message, bad_batches[i].message);
        }
        CHECK_EQ(s.record.n_submits, 0); /* none reached the device */
        step t;
        good_step(&t);
        CHECK_EQ(ig_step_submit(s.module, NULL, &t.batch, &s.err), IG_EARGUMENT);
        CHECK(strstr(s.err.message, "no pool") != NULL);
    }
    teardown(&s);
}

/* A page is only gone when no new token can see any of its tokens: window 40, page 0 ends at
 * token 31. */
TEST(a_page_leaves_with_its_last_visible_token) {
    stage s = {0};
    if (setup(&s) != IG_OK) {
        TEST_FAIL("%s", s.err.message);
    } else {
        for (uint32_t n_past = 70; n_past <= 72; n_past++) {
            step t;
            good_step(&t);
            t.seqs[0].n_past = n_past; /* token n_past sees n_past - 39 and later */
            const ig_status status = ig_step_submit(s.module, s.pool, &t.batch, &s.err);
            CHECK_EQ(status, n_past < 71 ? IG_EARGUMENT : IG_OK);
            if (status == IG_OK)
                CHECK_EQ(ig_step_wait(s.module, &s.err), IG_OK);
        }
    }
    teardown(&s);
}

/* An encoder of one op: a table of five positions, attention without state. */
static ig_status encoder(ig_program **out, ig_err *err) {
    ig_op embed = {.kind = IG_OP_EMBED, .layer = -1, .u.embed = {IG_EMBED_POSITION, 0, 1, 1}};
    ig_op attend = {
        .kind = IG_OP_ATTEND,
        .u.attend = {
            .n_heads = 1, .n_kv_heads = 1, .k_cols = 1, .v_cols = 1, .mask = IG_MASK_FULL}};
    ig_op select = {.kind = IG_OP_SELECT_ROWS, .layer = -1};
    static const float table[15];
    ig_value_id x, y;
    IG_TRY(ig_program_create(out, err));
    ig_program *p = *out;
    IG_TRY(run_weight_of(p, table, 3, 5, 1, &embed.w[0], err));
    IG_TRY(ig_program_value(p, "x", IG_ROWS_TOKENS, IG_DTYPE_F32, 3, &x, err));
    IG_TRY(ig_program_value(p, "y", IG_ROWS_TOKENS, IG_DTYPE_F32, 1, &y, err));
    IG_TRY(ig_program_value(p, "out", IG_ROWS_OUTPUTS, IG_DTYPE_F32, 1, &p->output, err));
    embed.out[0] = ig_ref_whole(p, x);
    for (uint32_t i = 0; i < 3; i++)
        attend.in[i] = ig_ref_heads(x, i, 1, 1);
    attend.out[0] = select.in[0] = ig_ref_whole(p, y);
    select.out[0] = ig_ref_whole(p, p->output);
    IG_TRY(ig_program_op(p, &embed, err));
    IG_TRY(ig_program_op(p, &attend, err));
    return ig_program_op(p, &select, err);
}

TEST(an_encoder_takes_whole_sequences_and_known_positions) {
    stage s = {0};
    step t;
    ig_program *p = NULL;
    const ig_device_options options = {.progress_user = &s.record};
    if (ig_device_open(&s.device, &dummy_backend, &options, &s.err) || encoder(&p, &s.err) ||
        ig_plan_create(&s.plan, &p, ig_device_caps(s.device), &limits, &s.err) ||
        ig_module_load(&s.module, s.device, s.plan, &s.err)) {
        TEST_FAIL("%s", s.err.message);
    } else {
        static const struct {
            uint32_t n_past, n_rows;
            int32_t position;
            const char *message;
        } rows[] = {
            {0, 5, -1, ""},
            {1, 4, -1, "batch.seqs[0].n_past is 1; this model keeps no state"},
            {0, 6, -1, "batch.seqs[0]: n_past 0 + n_rows 6 is more than the 5 known positions"},
            {0, 3, 4, ""},
            {0, 3, 5, "batch.positions[2] is 5, outside [0, 5)"}};
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            good_step(&t);
            t.positions[2] = rows[i].position;
            t.batch = (ig_batch){.n_tokens = rows[i].n_rows,
                                 .ids = t.ids,
                                 .positions = rows[i].position < 0 ? NULL : t.positions,
                                 .n_seqs = 1,
                                 .seqs = t.seqs};
            t.seqs[0] = (ig_batch_seq){.n_rows = rows[i].n_rows, .n_past = rows[i].n_past};
            const ig_status status = ig_step_submit(s.module, NULL, &t.batch, &s.err);
            CHECK_EQ(status, *rows[i].message ? IG_EARGUMENT : IG_OK);
            if (status == IG_OK)
                CHECK_EQ(ig_step_wait(s.module, &s.err), IG_OK);
            else if (!strstr(s.err.message, rows[i].message))
                TEST_FAIL("\"%s\" does not say \"%s\"", s.err.message, rows[i].message);
        }
    }
    ig_program_destroy(&p);
    teardown(&s);
}

/* ---- order of calls, failures --------------------------------------------------------------- */

TEST(steps_come_one_at_a_time) {
    stage s = {0};
    step t;
    ig_err err = {0};
    good_step(&t);
    if (setup(&s) == IG_OK) {
        CHECK_EQ(ig_step_wait(s.module, &err), IG_EARGUMENT);
        CHECK_OK(ig_step_submit(s.module, s.pool, &t.batch, &err));
        CHECK(ig_step_outputs(s.module) == NULL);
        CHECK_EQ(ig_step_submit(s.module, s.pool, &t.batch, &err), IG_EBUSY);
        CHECK_EQ(ig_pool_copy(s.pool, 0, t.pages, t.pages, 0, &err), IG_EBUSY);
        CHECK_OK(ig_step_wait(s.module, &err));
        CHECK_OK(ig_step_submit(s.module, s.pool, &t.batch, &err));
    }
    teardown(&s); /* with a step in flight */
    CHECK_EQ(s.record.n_waits, 2);
}

TEST(a_failed_step_can_be_tried_again) {
    for (int at_wait = 0; at_wait < 2; at_wait++) {
        stage s = {0};
        step t;
        ig_err err = {0};
        good_step(&t);
        if (setup(&s) == IG_OK) {
            *(at_wait ? &s.record.wait_status : &s.record.submit_status) = IG_EIO;
            const ig_status submitted = ig_step_submit(s.module, s.pool, &t.batch, &err);
            CHECK_EQ(submitted, at_wait ? IG_OK : IG_EIO);
            if (submitted == IG_OK)
                CHECK_EQ(ig_step_wait(s.module, &err), IG_EIO);
            CHECK(ig_step_outputs(s.module) == NULL);
            s.record.wait_status = s.record.submit_status = IG_OK;
            CHECK_OK(ig_step_submit(s.module, s.pool, &t.batch, &err));
            CHECK_OK(ig_step_wait(s.module, &err));
            CHECK(ig_step_outputs(s.module) != NULL);
        }
        teardown(&s);
    }
}

TEST(a_lost_device_loses_the_module) {
    for (int at_wait = 0; at_wait < 2; at_wait++) {
        stage s = {0};
        step t;
        ig_err err = {0};
        good_step(&t);
        if (setup(&s) == IG_OK) {
            *(at_wait ? &s.record.wait_status : &s.record.submit_status) = IG_EDEVICE;
            const ig_status submitted = ig_step_submit(s.module, s.pool, &t.batch, &err);
            CHECK_EQ(submitted, at_wait ? IG_OK : IG_EDEVICE);
            if (submitted == IG_OK)
                CHECK_EQ(ig_step_wait(s.module, &err), IG_EDEVICE);
            s.record.wait_status = s.record.submit_status = IG_OK;
            CHECK(ig_step_outputs(s.module) == NULL);
            CHECK_EQ(ig_step_submit(s.module, s.pool, &t.batch, &err), IG_EDEVICE);
            CHECK(strstr(err.message, "; load the module") != NULL);
            CHECK_EQ(ig_pool_copy(s.pool, 0, t.pages, t.pages, 0, &err), IG_EDEVICE);
        }
        teardown(&s);
    }
}

TEST(pools_are_checked) {
    stage s = {.record = {.only_cache = IG_DTYPE_F16}};
    ig_err err = {0};
    if (setup(&s) == IG_OK) {
        ig_pool *pool = NULL;
        ig_pool_options o = {.n_pages = {4, 4}, .k_dtype = IG_DTYPE_F16, .v_dtype = IG_DTYPE_Q4_K};
        CHECK_EQ(ig_pool_open(&pool, s.module, &o, &err), IG_EUNSUPPORTED);
        CHECK(strstr(err.message, "Q4_K") != NULL);
        o.v_dtype = IG_DTYPE_NONE;
        CHECK_EQ(ig_pool_open(&pool, s.module, &o, &err), IG_EARGUMENT);
        o.v_dtype = (ig_dtype)1000;
        CHECK_EQ(ig_pool_open(&pool, s.module, &o, &err), IG_EARGUMENT);
        o.v_dtype = IG_DTYPE_F16;
        o.n_pages[1] = 0;
        CHECK_EQ(ig_pool_open(&pool, s.module, &o, &err), IG_EARGUMENT);
        CHECK(pool == NULL);
        CHECK_EQ(ig_module_page_bytes(s.module, 2, IG_DTYPE_F16, IG_DTYPE_F16), 0);
        CHECK_EQ(ig_module_page_bytes(s.module, 1, IG_DTYPE_F16, IG_DTYPE_F16), 4097);
        CHECK_EQ(ig_device_page_bytes(s.device, s.plan, 1, IG_DTYPE_F16, IG_DTYPE_F16), 4097);
        CHECK_EQ(ig_device_page_bytes(s.device, s.plan, 1, IG_DTYPE_F16, IG_DTYPE_COUNT), 0);

        const uint32_t from[] = {1, 2, 1}, to[] = {5, 6, 7}, far[] = {5, 6, 10},
                       twice[] = {5, 6, 5}, both[] = {5, 1, 7};
        CHECK_OK(ig_pool_copy(s.pool, 0, from, to, 3, &err));
        CHECK_EQ(s.record.n_copies, 3);
        CHECK_EQ(ig_pool_copy(s.pool, 2, from, to, 3, &err), IG_EARGUMENT);
        CHECK_EQ(ig_pool_copy(s.pool, 0, from, far, 3, &err), IG_EARGUMENT);
        CHECK_EQ(ig_pool_copy(s.pool, 0, far, to, 3, &err), IG_EARGUMENT);
        CHECK_EQ(ig_pool_copy(s.pool, 0, from, twice, 3, &err), IG_EARGUMENT);
        CHECK_EQ(ig_pool_copy(s.pool, 0, from, both, 3, &err), IG_EARGUMENT);
        CHECK_EQ(s.record.n_copies, 3);
    } else {
        TEST_FAIL("%s", s.err.message);
    }
    teardown(&s);
}

TEST(close_takes_nothing) {
    ig_device *device = NULL;
    ig_module *module = NULL;
    ig_pool *pool = NULL;
    ig_device_close(NULL);
    ig_device_close(&device);
    ig_module_unload(NULL);
    ig_module_unload(&module);
    ig_pool_close(NULL);
    ig_pool_close(&pool);
    CHECK(!device && !module && !pool);
}

TEST(an_incomplete_backend_is_refused) {
    ig_backend_fns fns = dummy_backend;
    ig_device *device = NULL;
    ig_err err = {0};
    fns.wait = NULL;
    CHECK_EQ(ig_device_open(&device, &fns, NULL, &err), IG_EINTERNAL);
    CHECK(device == NULL);
    CHECK_OK(ig_device_open(&device, &dummy_backend, NULL, &err));
    CHECK_STR(ig_device_name(device), "dummy");
    ig_device_close(&device);
}

/* ---- plans for a device that the passes do not know ----------------------------------------- */

TEST(passes_ask_only_the_capabilities) {
    for (int wishes = 0; wishes < 4; wishes++) {
        stage s = {.record = {.merges = wishes & 1, .absorbs = wishes & 2}};
        if (setup(&s) != IG_OK) {
            TEST_FAIL("%s", s.err.message);
        } else {
            const ig_program *p = s.plan->program;
            uint32_t parts = 0, fused = 0;
            for (uint32_t i = 0; i < p->n_ops; i++) {
                CHECK(p->ops[i].kernel && strcmp(p->ops[i].kernel->name, "anything") == 0);
                fused += p->ops[i].n_pre + p->ops[i].n_post;
                if (p->ops[i].kind == IG_OP_LINEAR)
                    parts = IG_MAX(parts, p->ops[i].u.linear.n_parts);
            }
            CHECK_EQ(parts, wishes & 1 ? 3 : 1);
            CHECK_EQ(fused > 0, (wishes & 2) != 0);
        }
        teardown(&s);
    }
}

TEST(what_no_row_accepts_is_refused_by_name) {
    stage s = {.record = {.refuses = 1ull << IG_OP_GLU}};
    CHECK_EQ(setup(&s), IG_EUNSUPPORTED);
    CHECK(strstr(s.err.message, "dummy has no kernel for: glu (layer 0)") != NULL);
    teardown(&s);
}

/* A plan belongs to the capabilities it was made for. */
TEST(a_plan_of_another_device_is_refused) {
    stage a = {0}, b = {0};
    ig_module *module = NULL;
    if (setup(&a) == IG_OK && setup(&b) == IG_OK) {
        CHECK_EQ(ig_module_load(&module, a.device, b.plan, &a.err), IG_EARGUMENT);
        step t;
        good_step(&t);
        CHECK_EQ(ig_step_submit(a.module, b.pool, &t.batch, &a.err), IG_EARGUMENT);
    }
    CHECK(module == NULL);
    teardown(&a);
    teardown(&b);
}

TEST(failures_of_the_device_pass_through) {
    stage s = {.record = {.open_status = IG_EDEVICE}};
    CHECK_EQ(setup(&s), IG_EDEVICE);
    teardown(&s);
    s = (stage){.record = {.load_status = IG_ELIMIT}};
    CHECK_EQ(setup(&s), IG_ELIMIT);
    teardown(&s);
    s = (stage){.record = {.pool_status = IG_EMEMORY}};
    CHECK_EQ(setup(&s), IG_EMEMORY);
    teardown(&s);
}

TEST(every_allocation_may_fail) {
    bool passed = false;
    for (uint64_t n = 1; n < 400 && !passed; n++) {
        stage s = {0};
        ig_alloc_fail_after(n);
        const ig_status status = setup(&s);
        passed = ig_alloc_fail_after(0) < n;
        CHECK_EQ(status, passed ? IG_OK : IG_EMEMORY);
        teardown(&s);
    }
    CHECK(passed);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(a_good_step_runs), T(bad_batches_are_named),
               T(an_encoder_takes_whole_sequences_and_known_positions),
               T(a_page_leaves_with_its_last_visible_token), T(steps_come_one_at_a_time),
               T(a_failed_step_can_be_tried_again), T(a_lost_device_loses_the_module),
               T(pools_are_checked), T(close_takes_nothing), T(an_incomplete_backend_is_refused),
               T(passes_ask_only_the_capabilities), T(what_no_row_accepts_is_refused_by_name),
               T(a_plan_of_another_device_is_refused), T(failures_of_the_device_pass_through),
               T(every_allocation_may_fail));
}
