/* test_tokenizer.c: small vocabularies against ids that the reference engine (arrays) and Hugging
 * Face's tokenizers (tokenizer.json) made, roles, flags, decoding, streams, refusals, limits,
 * failing allocations. */
#include "tokenizer/tokenizer.h"
#include "utf/utf.h"

#include "test.h"
#include "vocab_file.h"

#define DATA "tests/tokenizer/data/"

static ig_tokenizer *load(const char *path) {
    vocab_file v;
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    if (!vocab_file_read(&v, path))
        return NULL;
    CHECK_OK(ig_tokenizer_create(&tok, &v.vocab, NULL, &err));
    vocab_file_free(&v);
    return tok;
}

static ig_tokenizer *load_json(const char *path) {
    file f;
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    if (!file_read(&f, path))
        return NULL;
    CHECK_OK(ig_tokenizer_create_json(&tok, (ig_str){f.p, f.n}, NULL, &err));
    file_free(&f);
    return tok;
}

TEST(arrays_against_the_peer) {
    static const char *const names[] = {"spm", "bpe"};
    for (size_t i = 0; i < IG_COUNT(names); i++) {
        char path[2][128];
        snprintf(path[0], sizeof path[0], DATA "%s.vocab", names[i]);
        snprintf(path[1], sizeof path[1], DATA "%s.vocab.ids", names[i]);
        ig_tokenizer *tok = load(path[0]);
        REQUIRE(tok);
        int n, texts;
        CHECK_EQ(compare_file(tok, DATA "strings.bin", path[1], 0, &n, &texts), 0);
        CHECK_EQ(texts, 0);
        CHECK(n >= 200);
        ig_tokenizer_destroy(&tok);
    }
}

TEST(json_against_hugging_face) {
    static const char *const names[] = {"byte_level", "fallback"};
    for (size_t i = 0; i < IG_COUNT(names); i++) {
        char path[2][128];
        snprintf(path[0], sizeof path[0], DATA "%s.json", names[i]);
        snprintf(path[1], sizeof path[1], DATA "%s.json.ids", names[i]);
        ig_tokenizer *tok = load_json(path[0]);
        REQUIRE(tok);
        int n, texts;
        CHECK_EQ(compare_file(tok, DATA "valid.bin", path[1], IG_ENCODE_PARSE_SPECIAL, &n, &texts),
                 0);
        CHECK_EQ(texts, 0);
        CHECK(n >= 200);
        ig_tokenizer_destroy(&tok);
    }
}

TEST(roles_and_flags) {
    ig_tokenizer *spm = load(DATA "spm.vocab"), *bpe = load(DATA "bpe.vocab");
    REQUIRE(spm && bpe);
    CHECK_EQ(ig_tokenizer_role(spm, IG_ROLE_BOS), 1);
    CHECK_EQ(ig_tokenizer_role(spm, IG_ROLE_EOS), 2);
    CHECK_EQ(ig_tokenizer_role(spm, IG_ROLE_UNK), 0);
    CHECK_EQ(ig_tokenizer_role(spm, IG_ROLE_NEWLINE), 13);
    CHECK_EQ(ig_tokenizer_role(spm, IG_ROLE_EOT), ig_tokenizer_find(spm, IG_STR("<|end|>")));
    CHECK_EQ(ig_tokenizer_role(spm, IG_ROLE_FIM_PRE), -1);
    CHECK(ig_tokenizer_is_eog(spm, 2));
    CHECK(ig_tokenizer_is_eog(spm, ig_tokenizer_find(spm, IG_STR("<|end|>"))));
    CHECK(!ig_tokenizer_is_eog(spm, 5) && !ig_tokenizer_is_eog(spm, -1) &&
          !ig_tokenizer_is_eog(spm, 1 << 30));
    CHECK(ig_tokenizer_is_control(spm, 1) && !ig_tokenizer_is_control(spm, 300));
    CHECK(ig_tokenizer_adds_bos(spm) && !ig_tokenizer_adds_eos(spm));
    CHECK(ig_tokenizer_adds_bos(bpe)); /* by its pre-splitter */
    CHECK_EQ(ig_tokenizer_role(bpe, IG_ROLE_BOS), ig_tokenizer_find(bpe, IG_STR("<|endoftext|>")));
    CHECK_EQ(ig_tokenizer_role(bpe, IG_ROLE_NEWLINE), ig_tokenizer_find(bpe, IG_STR("\u010a")));
    CHECK_EQ(ig_tokenizer_find(bpe, IG_STR("no such token")), -1);
    CHECK(ig_str_is(ig_tokenizer_token(bpe, 0), "!"));
    CHECK_EQ(ig_tokenizer_token(bpe, -1).n, 0);
    ig_tokenizer_destroy(&spm);
    ig_tokenizer_destroy(&bpe);
    CHECK(!spm);
}

TEST(stream_gives_whole_characters) {
    ig_tokenizer *tok = load(DATA "spm.vocab");
    REQUIRE(tok);
    ig_err err = {0};
    ig_ids ids = {0};
    static const char text[] = "a 🦙 中文 é\xff\xe4\xbdz";
    REQUIRE_OK(ig_tokenizer_encode(tok, ig_str_of(text), 0, &ids, &err));
    for (int continues = 0; continues < 2; continues++) {
        ig_detok d;
        ig_buf out;
        ig_buf_init(&out, 1000);
        ig_detok_init(&d, tok, false, continues);
        for (size_t i = 0; i < ids.n; i++) {
            CHECK_OK(ig_detok_add(&d, ids.p[i], &out, &err));
            ig_detok copy = d;
            CHECK(copy.n_held < 4 && ig_utf8_valid(ig_buf_str(&out)));
        }
        CHECK_OK(ig_detok_finish(&d, &out, &err));
        CHECK_STR(out.p,
                  continues ? " a 🦙 中文 é\uFFFD\uFFFDz" : "a 🦙 中文 é\uFFFD\uFFFDz");
        ig_buf_fini(&out);
    }
    /* A sequence that ends with the stream. */
    ig_detok d;
    ig_buf out;
    ig_buf_init(&out, 100);
    ig_detok_init(&d, tok, false, true);
    CHECK_OK(ig_detok_add(&d, ig_tokenizer_find(tok, IG_STR("<0xF0>")), &out, &err));
    CHECK_OK(ig_detok_add(&d, ig_tokenizer_find(tok, IG_STR("<0x9F>")), &out, &err));
    CHECK_EQ(out.n, 0);
    CHECK_OK(ig_detok_finish(&d, &out, &err));
    CHECK_STR(out.p, "\uFFFD");
    CHECK_EQ(ig_detok_add(&d, 1 << 30, &out, &err), IG_EARGUMENT);
    ig_buf_fini(&out);
    ig_free(ids.p);
    ig_tokenizer_destroy(&tok);
}

/* ---- refusals ---- */

static ig_status create(ig_vocab v, ig_err *err) {
    static const ig_str tokens[] = {{"a", 1}, {"b", 1}, {"ab", 2}};
    static const ig_str merges[] = {{"a b", 3}};
    ig_tokenizer *tok = NULL;
    if (!v.tokens) {
        v.tokens = tokens;
        v.n_tokens = 3;
        v.merges = merges;
        v.n_merges = 1;
    }
    for (size_t i = 0; i < IG_ROLE_COUNT; i++)
        v.roles[i] = -1;
    ig_status status = ig_tokenizer_create(&tok, &v, NULL, err);
    ig_tokenizer_destroy(&tok);
    return status;
}

TEST(refuses_by_name) {
    static const char *const models[] = {"bert",      "t5",       "rwkv",   "plamo2",
                                         "hybriddna", "no_vocab", "martian"};
    ig_err err = {0};
    for (size_t i = 0; i < IG_COUNT(models); i++) {
        CHECK_EQ(create((ig_vocab){.model = ig_str_of(models[i])}, &err), IG_EUNSUPPORTED);
        CHECK(strstr(err.message, models[i]));
    }
    CHECK(strstr(err.message, "known are llama, gpt2"));
    CHECK_EQ(create((ig_vocab){.model = IG_STR("gpt2"), .pre = IG_STR("martian")}, &err),
             IG_EUNSUPPORTED);
    CHECK(strstr(err.message, "martian") && strstr(err.message, "llama3"));
    CHECK_EQ(create((ig_vocab){.model = IG_STR("gpt2"), .pre = IG_STR("gpt-2")}, &err), IG_OK);
    ig_str twice[] = {{"a", 1}, {"a", 1}};
    CHECK_EQ(create((ig_vocab){.model = IG_STR("llama"), .tokens = twice, .n_tokens = 2}, &err),
             IG_EFORMAT);
    CHECK(strstr(err.message, "token 1"));
    CHECK_EQ(create((ig_vocab){.model = IG_STR("gpt2"), .pre = IG_STR("gpt-2"), .add_eos = IG_YES},
                    &err),
             IG_EFORMAT);
}

TEST(words_are_lower_case_unless_the_file_says_no) {
    static const ig_str tokens[] = {{"a", 1}, {"A", 1}, {"b", 1}, {"ab", 2}};
    static const ig_str merges[] = {{"a b", 3}};
    for (ig_tri lowercase = IG_UNSET; lowercase <= IG_YES; lowercase++) {
        ig_vocab v;
        ig_err err = {0};
        ig_tokenizer *tok;
        ig_ids ids = {0};
        ig_vocab_init(&v);
        v.model = IG_STR("whitespace");
        v.pre = IG_STR("gpt-2");
        v.tokens = tokens;
        v.n_tokens = 4;
        v.merges = merges;
        v.n_merges = 1;
        v.lowercase = lowercase;
        REQUIRE_OK(ig_tokenizer_create(&tok, &v, NULL, &err));
        CHECK_OK(ig_tokenizer_encode(tok, IG_STR("A"), 0, &ids, &err));
        CHECK(ids.n == 1 && ids.p[0] == (lowercase == IG_NO ? 1 : 0));
        ig_free(ids.p);
        ig_tokenizer_destroy(&tok);
    }
}

TEST(refuses_json_by_name) {
    static const struct {
        const char *json, *message;
    } rows[] = {
        {"{}", "model"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", "Unigram"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "vocab"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":99999999},\"merges\":[]}}", "99999999"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", "id 0"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merge 0"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}", "merge 0"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}", "aa"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":4},\"merges\":[\"a b\"]}}", "ab"},
        {"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"end_of_word_suffix\":\"<"
         "/w>\"}}",
         "suffix"},
        {"{\"normalizer\":{\"type\":\"Nmt\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},"
         "\"merges\":[]}}",
         "Nmt"},
        {"{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
         "{\"a\":0},"
         "\"merges\":[]}}",
         "BertPreTokenizer"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a&&[b]]\"},\"behavior\":"
         "\"Isolated\"},"
         "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
         "&&"},
        {"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":"
         "\"Isolated\"},"
         "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}",
         "pattern offset"},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        ig_tokenizer *tok = NULL;
        ig_err err = {0};
        CHECK(ig_tokenizer_create_json(&tok, ig_str_of(rows[i].json), NULL, &err) != IG_OK);
        if (!strstr(err.message, rows[i].message))
            TEST_FAIL("row %zu: \"%s\" does not name %s", i, err.message, rows[i].message);
    }
}

/* However long its text is. */
TEST(an_added_token_keeps_the_id_of_the_vocabulary) {
    char name[301], json[1024];
    ig_tokenizer *tok = NULL;
    ig_err err = {0};
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(json, sizeof json,
             "{\"added_tokens\":[{\"id\":7,\"content\":\"%s\",\"special\":true}],"
             "\"model\":{\"type\":\"BPE\",\"vocab\":{\"b\":0,\"%s\":1},\"merges\":[]}}",
             name, name);
    REQUIRE_OK(ig_tokenizer_create_json(&tok, ig_str_of(json), NULL, &err));
    CHECK_EQ(ig_tokenizer_find(tok, ig_str_of(name)), 1);
    CHECK(ig_tokenizer_is_control(tok, 1));
    ig_tokenizer_destroy(&tok);
}

TEST(json_general_splits) {
    static const char json[] =
        "{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x+\"},\"behavior\":\"Removed\"},"
        "{\"type\":\"Split\",\"pattern\":{\"String\":\"-\"},\"behavior\":\"MergedWithPrevious\"},"
        "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[+]\"},\"behavior\":\"MergedWithNext\"}]},"
        "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,\"unk_token\":\"?\",\"vocab\":{\"?\":0,"
        "\"a\":1,\"a-\":2,"
        "\"+a\":3,\"b\":4,\"a-b\":5,\"b+a\":6,\"-\":7,\"+\":8},\"merges\":[]}}";
    ig_tokenizer *tok;
    ig_ids ids = {0};
    ig_err err = {0};
    REQUIRE_OK(ig_tokenizer_create_json(&tok, ig_str_of(json), NULL, &err));
    REQUIRE_OK(ig_tokenizer_encode(tok, IG_STR("xxa-bxb+axé"), 0, &ids, &err));
    static const int32_t want[] = {2, 4, 4, 3, 0};
    REQUIRE(ids.n == IG_COUNT(want));
    for (size_t i = 0; i < ids.n; i++)
        CHECK_EQ(ids.p[i], want[i]);
    ig_free(ids.p);
    ig_tokenizer_destroy(&tok);
}

/* One word of a megabyte, and a megabyte of newlines: n log n. */
TEST(long_words) {
    static const char *const paths[] = {DATA "spm.vocab", DATA "bpe.vocab"};
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    REQUIRE(text);
    for (size_t i = 0; i < IG_COUNT(paths); i++) {
        ig_tokenizer *tok = load(paths[i]);
        REQUIRE(tok);
        static const char fills[] = {'a', '\n', ' ', '1', '<', '\xE2', '\xFF'};
        for (size_t f = 0; f < sizeof fills; f++) {
            ig_err err = {0};
            ig_ids ids = {0};
            memset(text, fills[f], SIZE);
            CHECK_OK(ig_tokenizer_encode(tok, (ig_str){text, SIZE}, IG_ENCODE_PARSE_SPECIAL, &ids,
                                         &err));
            CHECK(ids.n > 0);
            ig_free(ids.p);
        }
        ig_tokenizer_destroy(&tok);
    }
    free(text);
}

TEST(limits) {
    ig_tokenizer *tok = load(DATA "bpe.vocab");
    REQUIRE(tok);
    ig_err err = {0};
    ig_ids ids = {0};
    CHECK_EQ(ig_tokenizer_encode(tok, (ig_str){"", (size_t)IG_TEXT_BYTES_MAX + 1}, 0, &ids, &err),
             IG_ELIMIT);
    CHECK_OK(ig_tokenizer_encode(tok, IG_STR(""), 0, &ids, &err));
    CHECK_EQ(ids.n, 0);
    ig_free(ids.p);
    ig_tokenizer_destroy(&tok);
}

/* ---- every allocation fails once ---- */

static ig_status whole_life(const vocab_file *v, const file *json) {
    ig_err err = {0};
    ig_tokenizer *tok = NULL;
    ig_ids ids = {0};
    ig_buf out;
    ig_buf_init(&out, 1 << 16);
    ig_status status = v ? ig_tokenizer_create(&tok, &v->vocab, NULL, &err)
                         : ig_tokenizer_create_json(&tok, (ig_str){json->p, json->n}, NULL, &err);
    if (!status)
        status = ig_tokenizer_encode(
            tok,
            IG_STR("Hello <user> wor\xffld e\u0301 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                   "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, 1234"),
            IG_ENCODE_ADD_SPECIAL | IG_ENCODE_PARSE_SPECIAL, &ids, &err);
    if (!status)
        status = ig_tokenizer_decode(tok, ids.p, ids.n, true, &out, &err);
    ig_detok d;
    if (!status) {
        ig_detok_init(&d, tok, true, false);
        status = ig_detok_add(&d, ids.p[ids.n - 1], &out, &err);
    }
    ig_buf_fini(&out);
    ig_free(ids.p);
    ig_tokenizer_destroy(&tok);
    return status;
}

/* patterns: PCRE2 does without machine code when memory for that fails, so success is right as
 * well. */
static void fail_each(const vocab_file *v, const file *json, bool patterns) {
    ig_alloc_fail_after(0);
    REQUIRE(whole_life(v, json) == IG_OK);
    uint64_t total = ig_alloc_fail_after(0);
    CHECK(total > 10);
    uint64_t step = total > 400 ? total / 400 : 1; /* JSON makes thousands of equal ones */
    for (uint64_t n = 1; n <= total; n += n < 60 || total - n < 60 ? 1 : step) {
        ig_alloc_fail_after(n);
        ig_status status = whole_life(v, json);
        ig_alloc_fail_after(0);
        if (status != IG_EMEMORY && !(patterns && status == IG_OK))
            TEST_FAIL("allocation %llu fails: %s", (unsigned long long)n, ig_status_name(status));
    }
}

TEST(failing_allocations) {
    vocab_file v;
    file json;
    REQUIRE(vocab_file_read(&v, DATA "spm.vocab"));
    fail_each(&v, NULL, false);
    vocab_file_free(&v);
    REQUIRE(vocab_file_read(&v, DATA "bpe.vocab"));
    fail_each(&v, NULL, false);
    v.vocab.pre = IG_STR("chameleon"); /* with compiled patterns */
    fail_each(&v, NULL, true);
    vocab_file_free(&v);
    REQUIRE(file_read(&json, DATA "byte_level.json"));
    fail_each(NULL, &json, false);
    file_free(&json);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(arrays_against_the_peer), T(json_against_hugging_face),
               T(roles_and_flags), T(stream_gives_whole_characters), T(refuses_by_name),
               T(words_are_lower_case_unless_the_file_says_no), T(refuses_json_by_name),
               T(an_added_token_keeps_the_id_of_the_vocabulary), T(json_general_splits),
               T(long_words), T(limits), T(failing_allocations));
}
