/* test_arch.c: the table's own consistency, the shape of programs, and what is refused. Logits:
 * tests/golden. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arch/arch_int.h"
#include "golden/golden_model.h"
#include "test.h"

static golden_set set;
static char path[256];

/* A model of the golden set; edits are lines of its text and change the copy only. */
static golden_model model_with(const char *name, const char *edits) {
    golden_model m = {0};
    for (uint32_t i = 0; i < set.n_models; i++) {
        if (strcmp(set.models[i].name, name) == 0)
            m = set.models[i];
    }
    static golden_tensor tensors[GOLDEN_TENSORS_MAX];
    static char lines[4096];
    memcpy(tensors, m.tensors, m.n_tensors * sizeof *tensors);
    m.tensors = tensors;
    snprintf(lines, sizeof lines, "%s", edits ? edits : "");
    if (m.n_tensors == 0 || !golden_edit(&m, lines))
        TEST_FAIL("model %s, edits \"%s\"", name, edits ? edits : "");
    return m;
}

static ig_status open_model(ig_checkpoint **ckpt, const char *name, const char *edits,
                            ig_err *err) {
    const golden_model m = model_with(name, edits);
    *ckpt = NULL;
    if (!golden_write(&m, path))
        return ig_fail(err, IG_EIO, "cannot write the model");
    return ig_checkpoint_open(ckpt, path, NULL, err);
}

static ig_status build_with(const char *name, const char *edits, const ig_arch_options *options,
                            ig_program **p, ig_checkpoint **ckpt, ig_err *err) {
    *p = NULL;
    IG_TRY(open_model(ckpt, name, edits, err));
    return ig_arch_build(p, *ckpt, options, err);
}

/* ---- tables ------------------------------------------------------------------------------------
 */

static void check_sources(const char *what, ig_field f, const ig_src *src, bool own) {
    for (int i = 0; i < 3; i++) {
        const bool field = src[i].kind == SRC_FIELD || src[i].kind == SRC_EXPR;
        if (field && (src[i].a >= f || src[i].b >= f))
            TEST_FAIL("%s: field %s reads a later field", what, ig_arch_fields[f].name);
        if (src[i].kind == SRC_WORD && !ig_arch_fields[f].words)
            TEST_FAIL("%s: field %s has no words", what, ig_arch_fields[f].name);
        if (src[i].kind == SRC_CONST && own &&
            (src[i].c < ig_arch_fields[f].min || src[i].c > ig_arch_fields[f].max))
            TEST_FAIL("%s: constant of field %s is outside its bounds", what,
                      ig_arch_fields[f].name);
    }
}

TEST(fields_are_rows_in_order) {
    for (ig_field f = F_NONE + 1; f < F_COUNT; f++) {
        if (!ig_arch_fields[f].name) {
            TEST_FAIL("field %d has no row", f);
            continue;
        }
        check_sources("default", f, ig_arch_fields[f].src, true);
    }
}

TEST(rows_read_earlier_fields) {
    for (size_t r = 0; r < ig_arch_n_rows; r++) {
        const ig_arch_row *row = &ig_arch_rows[r];
        bool rope = false;
        for (const ig_item *it = row->set; it->field; it++) {
            check_sources(row->names[0], it->field, it->src, true);
            rope = rope || it->field == F_ROPE;
            if (it->when.kind >= COND_EQ && it->when.field >= it->field)
                TEST_FAIL("%s: a condition of field %s reads a later field", row->names[0],
                          ig_arch_fields[it->field].name);
        }
        if (!rope)
            TEST_FAIL("%s says nothing about rope", row->names[0]);
    }
}

TEST(names_are_unique) {
    const char *a, *b;
    for (size_t i = 0; (a = ig_arch_name(i)); i++) {
        CHECK(ig_arch_known(ig_str_of(a)));
        for (size_t j = 0; j < i && (b = ig_arch_name(j)); j++) {
            if (strcmp(a, b) == 0)
                TEST_FAIL("%s is there twice", a);
        }
        for (const char *const *later = ig_arch_later; *later; later++) {
            if (strcmp(a, *later) == 0)
                TEST_FAIL("%s is built and not built", a);
        }
    }
    CHECK(!ig_arch_known(IG_STR("")));
    CHECK(!ig_arch_known(IG_STR("qwen")) == false);
}

TEST(roles_have_stems) {
    for (ig_role r = ROLE_NONE + 1; r < ROLE_COUNT; r++) {
        if (r != ROLE_LAYER && !ig_arch_stems[r])
            TEST_FAIL("role %d has no stem", r);
    }
    for (ig_reg r = REG_NONE + 1; r < REG_COUNT; r++) {
        if (!ig_arch_reg_names[r])
            TEST_FAIL("register %d has no name", r);
    }
}

/* ---- programs ----------------------------------------------------------------------------------
 */

static uint32_t count(const ig_program *p, ig_op_kind kind) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_ops; i++)
        n += p->ops[i].kind == kind;
    return n;
}

TEST(llama_shape) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    REQUIRE_OK(build_with("llama", NULL, NULL, &p, &ckpt, &err));
    CHECK_EQ(count(p, IG_OP_EMBED), 1);
    CHECK_EQ(count(p, IG_OP_LINEAR), 2 * 7 + 1); /* q k v o gate up down, head */
    CHECK_EQ(count(p, IG_OP_ATTEND), 2);
    CHECK_EQ(count(p, IG_OP_SELECT_ROWS), 1);
    CHECK_EQ(p->n_states, 3);
    CHECK_EQ(p->ops[p->n_ops - 3].kind, IG_OP_SELECT_ROWS);
    CHECK_EQ(p->values[p->output].rows, IG_ROWS_OUTPUTS);
    CHECK_EQ(p->facts.n_vocab, 128);
    CHECK_EQ(p->facts.n_layers, 2);
    CHECK(p->facts.causal && p->facts.has_logits);
    const double *table = NULL;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind != IG_OP_ROPE)
            continue;
        CHECK(!table || table == p->ops[i].u.rope.inv_freq); /* one table for all layers */
        table = p->ops[i].u.rope.inv_freq;
    }
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
}

TEST(fused_qkv_is_one_linear) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    REQUIRE_OK(build_with("llama+qkv", NULL, NULL, &p, &ckpt, &err));
    CHECK_EQ(count(p, IG_OP_LINEAR), 2 * 5 + 1);
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind == IG_OP_ATTEND)
            CHECK_EQ(p->ops[i].in[2].col, (4 + 2) * 32); /* v is a view behind q and k */
    }
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
}

TEST(tied_tables_are_one_weight) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    REQUIRE_OK(build_with("gemma", NULL, NULL, &p, &ckpt, &err));
    const ig_op *head = &p->ops[p->n_ops - 1];
    REQUIRE(head->kind == IG_OP_LINEAR);
    CHECK_EQ(head->u.linear.parts[0].weight, p->ops[0].w[0]);
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
}

TEST(windows_and_reuse) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    REQUIRE_OK(build_with("gemma4", NULL, NULL, &p, &ckpt, &err));
    CHECK_EQ(count(p, IG_OP_ATTEND), 6);
    CHECK_EQ(p->n_states, 1 + 4); /* the last two layers have no pages */
    CHECK_EQ(p->states[1].window, 9);
    CHECK_EQ(p->states[4].window, 0);
    uint32_t last = 0;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind == IG_OP_ATTEND)
            last = p->ops[i].u.attend.state;
    }
    CHECK_EQ(last, 4); /* a full layer reads the last full one */
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
}

TEST(embeddings_end_with_the_norm) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    REQUIRE_OK(build_with("llama", NULL, &(ig_arch_options){.embeddings = true}, &p, &ckpt, &err));
    CHECK_EQ(p->values[p->output].cols, 128);
    CHECK(!p->facts.has_logits);
    CHECK_EQ(p->ops[p->n_ops - 1].kind, IG_OP_NORM);
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
}

static const ig_rope_attr *first_rope(const ig_program *p) {
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (p->ops[i].kind == IG_OP_ROPE)
            return &p->ops[i].u.rope;
    }
    return NULL;
}

TEST(rope_overrides) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    const ig_arch_options options = {
        .rope_freq_base = 1e6, .rope_freq_scale = 0.25, .rope_scaling = "linear"};
    REQUIRE_OK(build_with("llama+plain", NULL, &options, &p, &ckpt, &err));
    const ig_rope_attr *r = first_rope(p);
    REQUIRE(r);
    CHECK_NEAR(r->inv_freq[0], 0.25, 1e-15);
    CHECK_NEAR(r->inv_freq[1], 0.25 * pow(1e6, -2.0 / 32), 1e-15);
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
    CHECK_EQ(build_with("llama", NULL, &(ig_arch_options){.rope_scaling = "wavy"}, &p, &ckpt, &err),
             IG_EARGUMENT);
    ig_checkpoint_close(&ckpt);
}

/* ---- refusals ----------------------------------------------------------------------------------
 */

/* Building must fail with a message that holds all the words. */
static void check_refused(const char *name, const char *edits, const char *word,
                          const char *word2) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    const ig_status status = build_with(name, edits, NULL, &p, &ckpt, &err);
    if (status == IG_OK || status == IG_EINTERNAL || p || !strstr(err.message, word) ||
        !strstr(err.message, word2))
        TEST_FAIL("%s with \"%s\": %s \"%s\", expected \"%s\" and \"%s\"", name, edits,
                  ig_status_name(status), err.message, word, word2);
    ig_program_destroy(&p);
    ig_checkpoint_close(&ckpt);
}

TEST(refusals_name_the_cause) {
    static const struct {
        const char *model, *edits, *word, *word2;
    } cases[] = {
        {"llama", "arch lama", "lama is unknown", "llama"},
        {"llama", "arch lama", "`ingot info --archs`", ""},
        {"llama", "arch mamba", "mamba is known but not built yet", ""},
        {"llama", "-k block_count", "llama.block_count is missing", ""},
        {"llama", "k block_count u 0", "llama.block_count", ""},
        {"llama", "k block_count u 2147483648", "llama.block_count", "1024"},
        {"llama", "k block_count u 3", "blk.2.attn_norm.weight is missing", ""},
        {"llama", "k block_count u 1", "tensor blk.1.", "no place"},
        {"llama", "k attention.head_count u 0", "llama.attention.head_count", ""},
        {"llama", "k attention.head_count u 5000", "llama.attention.head_count", "4096"},
        {"llama", "k attention.head_count u 3", "3 heads over 2 KV heads", ""},
        {"llama", "k attention.head_count_kv u 0", "0 KV heads", ""},
        {"llama", "k embedding_length u 4294967295", "llama.embedding_length", ""},
        {"llama", "k embedding_length u 96", "token_embd.weight", "expected [96, 128, 1]"},
        {"llama", "k embedding_length f 1.5", "llama.embedding_length", "not whole"},
        {"llama", "k embedding_length s wide", "llama.embedding_length", "no number"},
        {"llama", "k embedding_length u[] 128 128", "llama.embedding_length", "one value"},
        {"llama", "k embedding_length u[] 0 0", "llama.embedding_length", "one value"},
        {"llama", "k rope.freq_base f[] 0 10000", "llama.rope.freq_base", "one value"},
        {"llama", "k rope.scaling.type u[] 1 1", "llama.rope.scaling.type", "one value"},
        {"llama", "k attention.key_length u 16777216", "llama.attention.key_length", "wider"},
        {"llama", "k attention.layer_norm_rms_epsilon f nan", "layer_norm_rms_epsilon", ""},
        {"llama", "k attention.layer_norm_rms_epsilon f -1", "layer_norm_rms_epsilon", ""},
        {"llama", "k rope.dimension_count u 33", "rope.dimension_count", "33"},
        {"llama", "k rope.dimension_count u 64", "rope.dimension_count", "64"},
        {"llama", "k rope.freq_base f inf", "rope.freq_base", ""},
        {"llama", "k rope.freq_base f nan", "rope.freq_base", ""},
        {"llama", "k rope.scaling.type s spiral", "spiral", "linear"},
        {"llama", "k rope.scaling.factor f -2", "rope.scaling.factor", ""},
        {"llama", "k attention.head_count u[] 4", "1 values for 2 layers", ""},
        {"llama", "t blk.0.attn_q.weight n 0 1 128 64", "blk.0.attn_q.weight",
         "expected [128, 128, 1]"},
        {"llama", "t blk.1.attn_norm.weight n 0 1 64", "blk.1.attn_norm.weight", "128"},
        {"llama", "t blk.0.attn_q.bias n 0 1 64", "blk.0.attn_q.bias", "expected 128"},
        {"llama", "t rope_freqs.weight n 0 0 16", "rope_freqs.weight", "factor 0"},
        {"llama", "t rope_freqs.weight p 0 0 4", "rope_freqs.weight", "4 factors for 16"},
        {"llama", "-t output_norm.weight", "output_norm.weight is missing", ""},
        {"llama", "-t blk.1.ffn_down.weight", "blk.1.ffn_down.weight is missing", ""},
        {"llama", "t blk.0.attn_sinks.weight n 0 1 4", "blk.0.attn_sinks.weight", "no place"},
        {"llama", "t cls.output.weight n 0 1 128 2", "cls.output.weight", "no place"},
        {"llama", "k ssm.state_size u 16", "llama.ssm.state_size", "no rule"},
        {"llama", "k attn_logit_softcapping f 30", "llama.attn_logit_softcapping", "no rule"},
        {"qwen2", "k attention.sliding_window u 64", "qwen2.attention.sliding_window", "no rule"},
        {"qwen3", "-t blk.0.attn_k_norm.weight", "blk.0.attn_k_norm.weight is missing", ""},
        {"gpt2", "-t position_embd.weight", "position_embd.weight is missing", ""},
        {"granite", "-k logit_scale", "granite.logit_scale", ""},
        {"gemma", "t output.weight n 0 1 128 128", "output.weight", "no place"},
        {"qwen3moe", "k expert_used_count u 9", "expert_used_count", "9 of 8"},
        {"qwen3moe", "k expert_count u 100000", "expert_count", "4096"},
        {"qwen3moe", "k expert_group_count u 3", "expert_group_count", ""},
        {"qwen3moe", "k expert_count u 7", "blk.0.ffn_gate_inp.weight", ""},
        {"refact", "k expert_count u 8", "refact.expert_count", ""},
        {"baichuan", "k block_count u 31", "baichuan.block_count", "32 or 40"},
        {"llama4", "k attention.sliding_window u 0", "llama4.attention.sliding_window", ""},
        {"deepseek2-ocr", "k rope.freq_base f 20000", "rope.freq_base", "10000"},
        {"mimo2", "t blk.0.attn_q.bias n 0 1 128", "blk.0.attn_q.bias", ""},
        {"mimo2", "-k attention.sliding_window_pattern", "sliding_window_pattern", "array"},
        {"mimo2", "k attention.sliding_window_pattern b[] 1 0", "sliding_window_pattern",
         "2 values for"},
        {"gemma4", "k attention.sliding_window_pattern b[] 1 1", "sliding_window_pattern",
         "2 values for"},
        {"grovemoe", "k experts_per_group u 3", "grovemoe.experts_per_group", "groups of 3"},
        {"grovemoe", "k experts_per_group u 9", "experts_per_group", "derived"},
        {"gemma4", "k attention.shared_kv_layers u 6", "shared_kv_layers", ""},
        {"gemma4", "k attention.shared_kv_layers u 1000000", "shared_kv_layers", ""},
        {"gemma4", "k embedding_length_per_layer_input u 4000000", "", ""},
        {"laguna", "t blk.0.attn_gate.weight n 0 1 128 5", "blk.0.attn_gate.weight", "expected"},
        {"maple", "k swiglu_clamp_exp f[] 1 1", "swiglu_clamp_exp", "2 values for 5"},
        {"maple", "k swiglu_clamp_exp f nan", "swiglu_clamp_exp", ""},
        {"openelm", "k feed_forward_length u[] 192 4294967295", "feed_forward_length", ""},
        {"deci", "k attention.head_count u[] 0 0", "attention.head_count", ""},
        {"ernie4_5-moe", "k interleave_moe_layer_step u 0", "interleave_moe_layer_step", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(cases[i].model, cases[i].edits, cases[i].word, cases[i].word2);
}

TEST(neutral_and_ignored_keys_pass) {
    static const char *const edits[] = {"k ssm.state_size u 0", "k attention.sliding_window u 4096",
                                        "k attn_logit_softcapping f 0", "k whatever u 7",
                                        "t blk.0.attn_q.input_scale n 1 0 1"};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        ig_err err = {0};
        ig_program *p;
        ig_checkpoint *ckpt;
        CHECK_OK(build_with("llama", edits[i], NULL, &p, &ckpt, &err));
        ig_program_destroy(&p);
        ig_checkpoint_close(&ckpt);
    }
}

TEST(position_table_bounds_the_context) {
    ig_err err = {0};
    ig_program *p;
    ig_checkpoint *ckpt;
    const ig_arch_options options = {.context_max = 1u << 20};
    CHECK_EQ(build_with("gpt2", NULL, &options, &p, &ckpt, &err), IG_ELIMIT);
    ig_checkpoint_close(&ckpt);
}

TEST(every_allocation_may_fail) {
    static const char *const names[] = {"llama+qkv", "gemma4", "llama4", "granite_swa"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ig_err err = {0};
        ig_checkpoint *ckpt;
        REQUIRE_OK(open_model(&ckpt, names[i], NULL, &err));
        ig_status status = IG_EMEMORY;
        uint64_t n = 1;
        for (; status == IG_EMEMORY && n < 1000; n++) {
            ig_program *p = NULL;
            ig_alloc_fail_after(n);
            status = ig_arch_build(&p, ckpt, NULL, &err);
            ig_alloc_fail_after(0);
            CHECK(status == IG_EMEMORY || status == IG_OK);
            CHECK((p != NULL) == (status == IG_OK));
            ig_program_destroy(&p);
        }
        CHECK_EQ(status, IG_OK);
        CHECK(n > 3);
        ig_checkpoint_close(&ckpt);
    }
}

int main(int argc, char **argv) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/arch-%ld.gguf",
             folder                          ? folder
             : access("/dev/shm", W_OK) == 0 ? "/dev/shm"
                                             : "/tmp",
             (long)getpid());
    if (!golden_read(&set, "tests/golden/fixtures/models.txt"))
        return 1;
    const int status =
        RUN(argc, argv, T(fields_are_rows_in_order), T(rows_read_earlier_fields),
            T(names_are_unique), T(roles_have_stems), T(llama_shape), T(fused_qkv_is_one_linear),
            T(tied_tables_are_one_weight), T(windows_and_reuse), T(embeddings_end_with_the_norm),
            T(rope_overrides), T(refusals_name_the_cause), T(neutral_and_ignored_keys_pass),
            T(position_table_bounds_the_context), T(every_allocation_may_fail));
    golden_free(&set);
    remove(path);
    return status;
}
