/* test_engine.c: the public face on a tiny model whose text is known (tiny_gguf.h). */
#include "engine/engine_int.h"
#include "engine/tiny_gguf.h"
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#define TEXT_MAX 4096

static char folder[] = "/tmp/ingot-engine-XXXXXX";
static char f32_path[64], q8_path[64], vocab_path[64], window_path[64];
static char short_path[64], phi_path[64], mute_path[64]; /* vocabularies of other kinds */

static ingot_model *open_model(const char *path, const ingot_model_options *options) {
    ingot_model *model = NULL;
    ingot_error err = {0};
    if (ingot_model_open(&model, path, options, &err))
        TEST_FAIL("%s", err.message);
    return model;
}

static ingot_session *open_session(ingot_model *model) {
    ingot_session *s = NULL;
    ingot_error err = {0};
    if (model && ingot_session_open(&s, model, &err))
        TEST_FAIL("%s", err.message);
    return s;
}

/* What a generation gave out. */
typedef struct gathered {
    char text[TEXT_MAX];
    size_t n;
    uint32_t pieces, tokens;
    uint32_t tokens_max, pieces_max; /* the callback says no at this many; 0 = never */
    bool broken;                     /* a piece ended inside a character */
    ingot_session *cancel;           /* cancelled from the text callback */
} gathered;

static bool on_text(void *user, const char *text, size_t size) {
    gathered *g = user;
    size_t n = size < TEXT_MAX - 1 - g->n ? size : TEXT_MAX - 1 - g->n;
    memcpy(g->text + g->n, text, n);
    g->n += n;
    g->pieces++;
    g->broken = g->broken || ((unsigned char)text[0] & 0xC0) == 0x80 ||
                (unsigned char)text[size - 1] >= 0xC0;
    if (g->cancel)
        ingot_session_cancel(g->cancel);
    return g->pieces_max == 0 || g->pieces < g->pieces_max;
}

static bool on_token(void *user, int32_t id, float logprob) {
    gathered *g = user;
    (void)id;
    g->tokens++;
    CHECK(logprob <= 0);
    return g->tokens_max == 0 || g->tokens < g->tokens_max;
}

static ingot_generate_options options_for(gathered *g, int64_t max_tokens) {
    ingot_generate_options o = {
        .max_tokens = max_tokens, .on_text = on_text, .on_token = on_token, .user = g};
    ingot_sampling_defaults(&o.sampling);
    o.sampling.temperature = 0;
    return o;
}

static ingot_generate_result generate(ingot_session *s, const char *prompt,
                                      const ingot_generate_options *o, ingot_status want) {
    ingot_generate_result r = {0};
    ingot_error err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    ingot_status status = ingot_tokenize(s->model, prompt, strlen(prompt), 0, &ids, &n, &err);
    if (!status)
        status = ingot_generate(s, ids, n, o, &r, &err);
    if (status != want)
        TEST_FAIL("status is %s, not %s: %s", ingot_status_name(status), ingot_status_name(want),
                  err.message);
    ingot_ids_free(&ids);
    return r;
}

TEST(describes) {
    ingot_model *model = open_model(f32_path, &(ingot_model_options){.threads = 1});
    REQUIRE(model);
    ingot_model_facts f;
    ingot_model_describe(model, &f);
    CHECK_STR(f.architecture, "llama");
    CHECK_STR(f.name, "tiny");
    CHECK_STR(f.device, "cpu");
    CHECK_EQ(f.layers, 2);
    CHECK_EQ(f.vocabulary, TINY_GGUF_TOKENS);
    CHECK_EQ(f.context, TINY_GGUF_CONTEXT);
    CHECK_EQ(f.parameters, 214912);
    CHECK_EQ(f.kv_token_bytes, 2 * 2 * 64 * 2);
    CHECK(f.weight_bytes > 800000 && f.step_bytes < f.weight_bytes);
    CHECK(f.has_chat_template);
    ingot_roof roof = {0};
    CHECK_EQ(ingot_model_roof(model, &roof, NULL), INGOT_OK);
    CHECK(roof.read_bytes_per_second > 0 && roof.dot_ops_per_second > 0);
    CHECK(ingot_token_ends(model, TINY_GGUF_EOS) && ingot_token_ends(model, TINY_GGUF_END_OF_TURN));
    CHECK(!ingot_token_ends(model, 'a') && !ingot_token_ends(model, -1) &&
          !ingot_token_ends(model, 1 << 30));
    ingot_model_close(&model);
    CHECK(model == NULL);
    ingot_model_close(&model);
    ingot_model_close(NULL);
    model = open_model(f32_path, &(ingot_model_options){.threads = 7, .device = "ref"});
    REQUIRE(model);
    ingot_model_describe(model, &f);
    CHECK_EQ(f.threads, 1); /* what is in use, not what was asked for */
    ingot_model_close(&model);
    ingot_session_close(NULL);
}

TEST(refuses) {
    const struct {
        const char *path;
        ingot_model_options options;
        ingot_status status;
        const char *says;
    } cases[] = {
        {"/nonexistent.gguf", {0}, INGOT_IO, "/nonexistent.gguf"},
        {f32_path, {.device = "tpu"}, INGOT_UNSUPPORTED, "tpu"},
        {f32_path, {.cache_type_k = "q9"}, INGOT_ARGUMENT, "q9"},
        {f32_path, {.cache_type_v = "q4_k"}, INGOT_ARGUMENT, "q4_k"},
        {f32_path, {.context = UINT32_MAX}, INGOT_ARGUMENT, "context"},
        {f32_path,
         {.batch = 1u << 20},
         INGOT_ARGUMENT,
         "batch is 1048576; it may be at most 65536"},
        {f32_path, {.threads = 257}, INGOT_ARGUMENT, "threads is 257; it may be at most 256"},
        {f32_path, {.cpu_isa = "sse9"}, INGOT_UNSUPPORTED, "sse9"},
        {short_path,
         {0},
         INGOT_FORMAT,
         "tokenizer.ggml.tokens has 260 entries and the token table 261"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        ingot_model *model = NULL;
        ingot_error err = {0};
        ingot_status status = ingot_model_open(&model, cases[i].path, &cases[i].options, &err);
        if (status != cases[i].status || !strstr(err.message, cases[i].says))
            TEST_FAIL("case %zu: %s: %s", i, ingot_status_name(status), err.message);
        CHECK(model == NULL);
        ingot_model_close(&model);
    }
    ingot_model *vocab = open_model(vocab_path, &(ingot_model_options){.vocab_only = true});
    ingot_session *s = NULL;
    ingot_error err = {0};
    REQUIRE(vocab);
    CHECK_EQ(ingot_session_open(&s, vocab, &err), INGOT_ARGUMENT);
    CHECK_EQ(ingot_model_roof(vocab, &(ingot_roof){0}, &err), INGOT_ARGUMENT);
    ingot_model_close(&vocab);
}

TEST(checks_ids) {
    ingot_model *model =
        open_model(f32_path, &(ingot_model_options){.threads = 1, .context = 16, .outputs = 4});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    ingot_error err = {0};
    int32_t ids[32] = {1, 2, 3};
    float logits[TINY_GGUF_TOKENS * 2];
    CHECK_EQ(ingot_session_eval(s, (int32_t[]){TINY_GGUF_TOKENS}, 1, NULL, 0, &err),
             INGOT_ARGUMENT);
    CHECK_EQ(ingot_session_eval(s, (int32_t[]){-1}, 1, NULL, 0, &err), INGOT_ARGUMENT);
    CHECK_EQ(ingot_session_eval(s, ids, 17, NULL, 0, &err), INGOT_LIMIT);
    CHECK_EQ(ingot_session_eval(s, ids, SIZE_MAX, NULL, 0, &err), INGOT_LIMIT);
    CHECK_EQ(ingot_session_eval(s, ids, 1, logits, 2, &err), INGOT_ARGUMENT);
    CHECK_EQ(ingot_session_eval(s, ids, 1, NULL, 1, &err), INGOT_ARGUMENT);
    CHECK_EQ(ingot_session_eval(s, ids, 0, NULL, 0, &err), INGOT_OK);
    CHECK_EQ(ingot_session_tokens(s), 0);
    CHECK_EQ(ingot_session_eval(s, ids, 16, logits, 2, &err), INGOT_OK);
    CHECK_EQ(ingot_session_eval(s, ids, 1, NULL, 0, &err), INGOT_LIMIT);
    CHECK_EQ(ingot_session_tokens(s), 16);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

TEST(generates) {
    static const char *const three_four[] = {"zzz", "34"}, *const accent[] = {"\u00e91"},
                             *const never[] = {"cX", "dX", ""};
    const struct {
        const char *prompt;
        int64_t max;
        const char *const *stop;
        uint32_t n_stop;
        const char *text;
        ingot_stop_reason reason;
        uint64_t tokens;
    } cases[] = {
        {"w", 0, NULL, 0, "xyz.", INGOT_STOP_EOS, 5},
        {"w", 2, NULL, 0, "xy", INGOT_STOP_LENGTH, 2},
        {"w", -1, NULL, 0, "", INGOT_STOP_LENGTH, 0},
        {"0", 12, three_four, 2, "\u00e912", INGOT_STOP_STRING, 6},
        {"0", 12, accent, 1, "", INGOT_STOP_STRING, 3},
        {"a", 5, never, 3, "bcdef", INGOT_STOP_LENGTH, 5},
        {"a", 2, never, 3, "bc", INGOT_STOP_LENGTH, 2},    /* held back at the end, and given */
        {"0", 1, NULL, 0, "\uFFFD", INGOT_STOP_LENGTH, 1}, /* half a character */
        {"A", 0, NULL, 0, NULL, INGOT_STOP_CONTEXT, 64},
    };
    ingot_model *model = open_model(f32_path, &(ingot_model_options){.threads = 2, .context = 64});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        gathered g = {0};
        ingot_generate_options o = options_for(&g, cases[i].max);
        o.stop = cases[i].stop;
        o.n_stop = cases[i].n_stop;
        ingot_session_truncate(s, 0);
        ingot_generate_result r = generate(s, cases[i].prompt, &o, INGOT_OK);
        if ((cases[i].text && strcmp(g.text, cases[i].text) != 0) || r.reason != cases[i].reason ||
            r.generated_tokens != cases[i].tokens || g.tokens != cases[i].tokens || g.broken)
            TEST_FAIL("case %zu: \"%s\", reason %d, %llu tokens", i, g.text, (int)r.reason,
                      (unsigned long long)r.generated_tokens);
    }
    ingot_session_close(&s);
    ingot_model_close(&model);
}

TEST(obeys_callbacks) {
    ingot_model *model = open_model(q8_path, &(ingot_model_options){.threads = 1});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    gathered g = {.pieces_max = 3};
    ingot_generate_options o = options_for(&g, 100);
    CHECK_EQ(generate(s, "A", &o, INGOT_OK).reason, INGOT_STOP_CALLBACK);
    CHECK_STR(g.text, "BCD");
    g = (gathered){.tokens_max = 2};
    CHECK_EQ(generate(s, "A", &o, INGOT_OK).reason, INGOT_STOP_CALLBACK);
    CHECK_STR(g.text, "BC");
    g = (gathered){0};
    o.sampling.ignore_eos = true;
    o.max_tokens = 10;
    CHECK_EQ(generate(s, "y", &o, INGOT_OK).reason, INGOT_STOP_LENGTH);
    CHECK_EQ(g.tokens, 10);
    o.n_stop = 65;
    o.stop = (const char *const[65]){"x"};
    generate(s, "A", &o, INGOT_LIMIT);
    o.n_stop = 0;
    g = (gathered){0};
    o = options_for(&g, 3);
    o.on_text = NULL;
    o.on_token = NULL;
    CHECK_EQ(generate(s, "A", &o, INGOT_OK).generated_tokens, 3);
    o.sampling = (ingot_sampling){.seed = 0}; /* no number is chosen: the defaults */
    CHECK_EQ(generate(s, "A", &o, INGOT_OK).generated_tokens, 3);
    CHECK_EQ(ingot_generate(s, (int32_t[]){'A'}, 1, NULL, NULL, NULL), INGOT_ARGUMENT);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

/* A model without a usable vocabulary takes ids, and says why it makes no text. */
TEST(mute_model) {
    ingot_model *model = open_model(mute_path, &(ingot_model_options){.threads = 1});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    ingot_error err = {0};
    gathered g = {0};
    ingot_generate_options o = options_for(&g, 3);
    CHECK_EQ(ingot_generate(s, NULL, 0, &o, NULL, &err), INGOT_UNSUPPORTED);
    CHECK(strstr(err.message, "vocabulary cannot be used") != NULL);
    CHECK_EQ(ingot_session_eval(s, (int32_t[]){'A'}, 1, NULL, 0, &err), INGOT_OK);
    ingot_session_close(&s);
    ingot_model_close(&model);
}

/* Rules that hang on the model's name reach the tokenizer: in Phi-3, special tokens take the blanks
 * behind them. */
TEST(names_reach_the_tokenizer) {
    static const char text[] = "<start_of_turn> \n hi";
    const struct {
        const char *path;
        size_t n_ids;
    } cases[] = {{vocab_path, 6}, {phi_path, 3}};
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        ingot_model *model = open_model(cases[i].path, &(ingot_model_options){.vocab_only = true});
        REQUIRE(model);
        int32_t *ids = NULL;
        size_t n = 0;
        CHECK_EQ(ingot_tokenize(model, text, sizeof text - 1, INGOT_PARSE_SPECIAL, &ids, &n, NULL),
                 INGOT_OK);
        CHECK_EQ(n, cases[i].n_ids);
        ingot_ids_free(&ids);
        ingot_model_close(&model);
    }
}

/* A repetition is punished unless a breaker stands in it, whole in a token or over several. */
TEST(dry_breakers) {
    const struct {
        const char *breaker;
        bool breaks;
    } cases[] = {{"?", false},  {"b", true},     {"bc", true},
                 {"abc", true}, {"abcd", false}, {"cb", false}};
    ingot_model *model = open_model(f32_path, &(ingot_model_options){.threads = 1});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        gathered g = {0};
        ingot_generate_options o = options_for(&g, 3);
        o.sampling.dry_multiplier = 1000;
        o.sampling.dry_allowed_length = 2;
        o.sampling.dry_breakers = &cases[i].breaker;
        o.sampling.n_dry_breakers = 1;
        ingot_session_truncate(s, 0);
        generate(s, "abcd?abcd?abc", &o, INGOT_OK);
        if ((strcmp(g.text, "def") == 0) != cases[i].breaks)
            TEST_FAIL("breaker \"%s\" gives \"%s\"", cases[i].breaker, g.text);
    }
    ingot_session_close(&s);
    ingot_model_close(&model);
}

/* An empty prompt goes on where the session is. */
TEST(goes_on) {
    ingot_model *model = open_model(f32_path, &(ingot_model_options){.threads = 1});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    gathered g = {0};
    ingot_generate_options o = options_for(&g, 3);
    generate(s, "", &o, INGOT_ARGUMENT);
    generate(s, "A", &o, INGOT_OK);
    CHECK_EQ(ingot_session_tokens(s), 3); /* A B C; D was drawn and not evaluated */
    generate(s, "", &o, INGOT_OK);
    CHECK_STR(g.text, "BCDDEF");
    CHECK_EQ(ingot_session_tokens(s), 5);
    o.sampling.top_p = NAN;
    generate(s, "", &o, INGOT_ARGUMENT);
    CHECK_EQ(ingot_session_tokens(s), 5); /* what is refused leaves no trace */
    ingot_session_close(&s);
    ingot_model_close(&model);
}

TEST(keeps_what_is_shared) {
    ingot_model *model = open_model(f32_path, &(ingot_model_options){.threads = 2});
    ingot_session *s = open_session(model), *fresh = open_session(model);
    REQUIRE(s && fresh);
    ingot_error err = {0};
    int32_t ids[100];
    float a[TINY_GGUF_TOKENS], b[TINY_GGUF_TOKENS];
    for (int i = 0; i < 100; i++)
        ids[i] = i * 7 % 250;
    CHECK_EQ(ingot_session_keep(s, ids, 100), 0);
    CHECK_EQ(ingot_session_eval(s, ids, 90, NULL, 0, &err), INGOT_OK);
    CHECK_EQ(ingot_session_keep(s, ids, 90), 89); /* one is left, for its logits */
    ids[50]++;
    CHECK_EQ(ingot_session_keep(s, ids, 100), 50);
    CHECK_EQ(ingot_session_tokens(s), 50);
    CHECK_EQ(ingot_session_eval(s, ids + 50, 50, a, 1, &err), INGOT_OK);
    CHECK_EQ(ingot_session_eval(fresh, ids, 100, b, 1, &err), INGOT_OK);
    CHECK(memcmp(a, b, sizeof a) == 0);
    CHECK_EQ(ingot_session_keep(s, ids, 0), 0);
    CHECK_EQ(ingot_session_tokens(s), 0);
    ingot_session_close(&s);
    ingot_session_close(&fresh);
    ingot_model_close(&model);
}

/* What a window forgot is evaluated again, whoever asks for less. */
TEST(starts_anew_behind_a_window) {
    ingot_model *model = open_model(window_path, &(ingot_model_options){.threads = 1, .batch = 40});
    ingot_session *s = open_session(model), *fresh = open_session(model);
    REQUIRE(s && fresh);
    ingot_error err = {0};
    int32_t ids[300];
    float a[TINY_GGUF_TOKENS], b[TINY_GGUF_TOKENS];
    for (int i = 0; i < 300; i++)
        ids[i] = i * 7 % 250;
    for (int round = 0; round < 3; round++) {
        CHECK_EQ(ingot_session_eval(s, ids + ingot_session_keep(s, ids, 300),
                                    300 - ingot_session_tokens(s), NULL, 0, &err),
                 INGOT_OK);
        CHECK_EQ(ingot_session_keep(s, ids, 300), 299); /* not far back: still there */
        CHECK_EQ(ingot_session_keep(s, ids, 100), 0);   /* far back: forgotten */
        CHECK_EQ(ingot_session_tokens(s), 0);
        CHECK_EQ(ingot_session_eval(s, ids, 100, a, 1, &err), INGOT_OK);
        CHECK_EQ(ingot_session_truncate(fresh, 0), 0);
        CHECK_EQ(ingot_session_eval(fresh, ids, 100, b, 1, &err), INGOT_OK);
        CHECK(memcmp(a, b, sizeof a) == 0);
    }
    gathered g = {0};
    ingot_generate_options o = options_for(&g, 3);
    CHECK_EQ(ingot_session_truncate(s, 50), 0);
    generate(s, "A", &o, INGOT_OK);
    generate(s, "", &o, INGOT_OK);
    CHECK_STR(g.text, "BCDDEF");
    ingot_session_close(&s);
    ingot_session_close(&fresh);
    ingot_model_close(&model);
}

TEST(logits_do_not_depend_on_steps) {
    static const ingot_model_options options[] = {{.threads = 1, .batch = 100, .outputs = 100},
                                                  {.threads = 2, .batch = 7, .outputs = 3},
                                                  {.threads = 3, .batch = 1}};
    static float rows[IG_COUNT(options)][60][TINY_GGUF_TOKENS];
    int32_t ids[100];
    for (int i = 0; i < 100; i++)
        ids[i] = i * 11 % 250;
    for (size_t k = 0; k < IG_COUNT(options); k++) {
        ingot_error err = {0};
        ingot_model *model = open_model(f32_path, &options[k]);
        ingot_session *s = open_session(model);
        REQUIRE(s);
        CHECK_EQ(ingot_session_eval(s, ids, 100, rows[k][0], 60, &err), INGOT_OK);
        CHECK(memcmp(rows[k], rows[0], sizeof rows[0]) == 0);
        ingot_session_close(&s);
        ingot_model_close(&model);
    }
}

TEST(two_models) {
    ingot_model *a = open_model(f32_path, &(ingot_model_options){.threads = 1});
    const ingot_model_options small_cache = {
        .threads = 2, .cache_type_k = "q8_0", .cache_type_v = "q4_0"};
    ingot_model *b = open_model(q8_path, &small_cache);
    ingot_session *s = open_session(a), *t = open_session(b);
    REQUIRE(s && t);
    for (int i = 0; i < 3; i++) {
        gathered g = {0}, h = {0};
        ingot_generate_options o = options_for(&g, 4), p = options_for(&h, 5);
        generate(s, "A", &o, INGOT_OK);
        generate(t, "u", &p, INGOT_OK);
        CHECK_STR(g.text, "BCDE");
        CHECK_STR(h.text, "vwxyz");
    }
    ingot_session_close(&s);
    ingot_model_close(&a);
    gathered h = {0};
    ingot_generate_options p = options_for(&h, 2);
    generate(t, "u", &p, INGOT_OK);
    CHECK_STR(h.text, "vw");
    ingot_session_close(&t);
    ingot_model_close(&b);
}

typedef struct talker {
    ingot_model *model;
    gathered g;
    ingot_status status;
    const char *prompt;
} talker;

static void talk(void *user) {
    talker *t = user;
    ingot_session *s = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    ingot_generate_options o = options_for(&t->g, 200);
    t->status = ingot_session_open(&s, t->model, NULL);
    if (!t->status)
        t->status = ingot_tokenize(t->model, t->prompt, strlen(t->prompt), 0, &ids, &n, NULL);
    if (!t->status)
        t->status = ingot_generate(s, ids, n, &o, NULL, NULL);
    ingot_ids_free(&ids);
    ingot_session_close(&s);
}

TEST(sessions_on_threads) {
    ingot_model *model = open_model(f32_path, &(ingot_model_options){.threads = 2});
    REQUIRE(model);
    talker talkers[3] = {{.model = model, .prompt = "A"},
                         {.model = model, .prompt = "M"},
                         {.model = model, .prompt = "0"}};
    ig_thread *threads[3] = {0};
    ig_err err = {0};
    for (int i = 0; i < 3; i++)
        CHECK_OK(ig_thread_start(&threads[i], "talker", talk, &talkers[i], &err));
    for (int i = 0; i < 3; i++)
        ig_thread_join(&threads[i]);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(talkers[i].status, INGOT_OK);
    CHECK(strncmp(talkers[0].g.text, "BCDEF", 5) == 0 && talkers[0].g.n == 200);
    CHECK(strncmp(talkers[1].g.text, "NOPQR", 5) == 0 && talkers[1].g.n == 200);
    CHECK(strncmp(talkers[2].g.text, "\u00e91234", 6) == 0);
    ingot_model_close(&model);
}

static void cancel_soon(void *user) {
    ingot_session *s = user;
    for (int i = 0; i < 1000; i++)
        ig_thread_yield();
    ingot_session_cancel(s);
}

TEST(cancels) {
    ingot_model *model =
        open_model(f32_path, &(ingot_model_options){.threads = 1, .context = 1u << 18});
    ingot_session *s = open_session(model);
    REQUIRE(s);
    ig_thread *thread = NULL;
    ig_err err = {0};
    gathered g = {0};
    ingot_generate_options o = options_for(&g, 0);
    REQUIRE_OK(ig_thread_start(&thread, "cancel", cancel_soon, s, &err));
    ingot_generate_result r = generate(s, "A", &o, INGOT_CANCELLED);
    ig_thread_join(&thread);
    CHECK_EQ(r.reason, INGOT_STOP_CANCELLED);
    ingot_session_truncate(s, 0);
    g = (gathered){0};
    o = options_for(&g, 3);
    generate(s, "A", &o, INGOT_OK); /* the flag is down again */
    CHECK_STR(g.text, "BCD");
    g = (gathered){.cancel = s};
    o = options_for(&g, 0);
    CHECK_EQ(generate(s, "A", &o, INGOT_CANCELLED).reason, INGOT_STOP_CANCELLED);
    CHECK_STR(g.text, "B");
    /* Raised with the last token, it still belongs to this call and not to the next one. */
    g = (gathered){.cancel = s};
    o = options_for(&g, 1);
    CHECK_EQ(generate(s, "A", &o, INGOT_CANCELLED).reason, INGOT_STOP_CANCELLED);
    g.cancel = NULL;
    generate(s, "A", &o, INGOT_OK);
    CHECK_STR(g.text, "BB");
    ingot_session_close(&s);
    ingot_model_close(&model);
}

TEST(forecasts) {
    static const ingot_model_options options[] = {
        {.threads = 1},
        {.threads = 1, .context = 1000, .batch = 33},
        {.threads = 1, .context = 31, .cache_type_k = "q8_0"},
        {.threads = 1, .context = 300, .cache_type_v = "f32", .device = "ref"}};
    for (size_t i = 0; i < 2 * IG_COUNT(options); i++) {
        const ingot_model_options *o = &options[i / 2];
        const char *path = i % 2 ? window_path : f32_path;
        ingot_forecast f = {0};
        ingot_error error = {0};
        CHECK_EQ(ingot_model_forecast(path, o, &f, &error), INGOT_OK);
        ingot_model *model = open_model(path, o);
        ingot_session *s = open_session(model);
        REQUIRE(s);
        uint64_t pages = 0, bytes = 0;
        for (uint32_t g = 0; g < model->plan->n_groups; g++) {
            uint32_t n = ig_kv_free_pages(s->kv, g);
            pages += n;
            bytes += n * ig_module_page_bytes(model->module, g, model->k_dtype, model->v_dtype);
        }
        CHECK_EQ(f.kv_pages, pages);
        CHECK_EQ(f.kv_bytes, bytes);
        /* The rest is an estimate: never less than what is taken, nor far above. */
        const uint64_t taken = ig_module_bytes(model->module), told = f.activation_bytes;
        CHECK(f.weight_bytes + told >= taken && told < 2 * taken + (4u << 20));
        /* And it is enough: the context can be filled. */
        uint32_t context = model->options.context;
        int32_t *ids = ig_alloc(context, sizeof *ids);
        REQUIRE(ids);
        CHECK_EQ(ingot_session_eval(s, ids, context, NULL, 0, &error), INGOT_OK);
        ig_free(ids);
        ingot_session_close(&s);
        ingot_model_close(&model);
    }
    CHECK_EQ(ingot_model_forecast("/nonexistent", NULL, &(ingot_forecast){0}, NULL), INGOT_IO);
}

TEST(renders_and_reports) {
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"hi\"}]";
    static const char wrong[] = "[{\"role\": \"oracle\", \"content\": \"hi\"}]";
    ingot_model *vocab = open_model(vocab_path, &(ingot_model_options){.vocab_only = true});
    ingot_text text = {0};
    ingot_error err = {0};
    REQUIRE(vocab);
    CHECK_EQ(ingot_chat_render(vocab, messages, sizeof messages - 1, NULL, &text, &err), INGOT_OK);
    CHECK_STR(text.data, "<bos><start_of_turn>user\nhi<end_of_turn>\n<start_of_turn>model\n");
    ingot_text_free(&text);
    CHECK_EQ(ingot_chat_render(vocab, wrong, sizeof wrong - 1, NULL, &text, &err), INGOT_ARGUMENT);
    CHECK_STR(err.message, "role oracle is not known");
    CHECK_STR(text.data, "role oracle is not known");
    ingot_text_free(&text);
    CHECK_EQ(ingot_chat_render(NULL, messages, sizeof messages - 1, NULL, &text, &err),
             INGOT_UNSUPPORTED);
    ingot_model_close(&vocab);
    CHECK_EQ(ingot_model_report(f32_path, NULL, INGOT_REPORT_PLAN, &text, &err), INGOT_OK);
    CHECK(text.size > 100);
    ingot_text_free(&text);
    CHECK_EQ(ingot_model_report("/nonexistent", NULL, INGOT_REPORT_SUMMARY, &text, &err), INGOT_IO);
}

/* Everything a caller does in one go; the first failure ends it. */
static ingot_status whole_life(ingot_error *err) {
    static const char messages[] = "[{\"role\": \"user\", \"content\": \"hi\"}]";
    ingot_model *model = NULL;
    ingot_session *s = NULL;
    ingot_text text = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    gathered g = {0};
    ingot_generate_options o = options_for(&g, 4);
    o.sampling.temperature = 0.8f;
    o.sampling.dry_multiplier = 0.5f;
    o.stop = (const char *const[]){"CX"};
    o.n_stop = 1;
    const ingot_model_options options = {.threads = 1, .context = 64};
    ingot_status status = ingot_model_open(&model, f32_path, &options, err);
    if (!status)
        status = ingot_session_open(&s, model, err);
    /* A template that could not be compiled for want of memory is kept from whoever asks for it. */
    if (!status)
        status = ingot_chat_render(model, messages, sizeof messages - 1, NULL, &text, err);
    if (!status)
        status = ingot_tokenize(model, "A", 1, 0, &ids, &n, err);
    if (!status)
        status = ingot_generate(s, ids, n, &o, NULL, err);
    if (!status)
        CHECK_STR(g.text, "BCDE");
    ingot_ids_free(&ids);
    ingot_text_free(&text);
    ingot_session_close(&s);
    ingot_model_close(&model);
    return status;
}

TEST(survives_failed_allocations) {
    uint64_t failed = 0;
    for (uint64_t n = 1; n < 100000; n++) {
        ingot_error err = {0};
        (void)ig_alloc_fail_after(n);
        ingot_status status = whole_life(&err);
        uint64_t made = ig_alloc_fail_after(0);
        if (made < n) {
            CHECK_EQ(status, INGOT_OK);
            CHECK(failed > 50);
            return;
        }
        failed++;
        if (status && (status != INGOT_MEMORY || !err.message[0]))
            TEST_FAIL("allocation %llu: %s: %s", (unsigned long long)n, ingot_status_name(status),
                      err.message);
    }
    TEST_FAIL("no end");
}

static bool make_models(void) {
    ig_err err = {0};
    if (!mkdtemp(folder))
        return false;
    snprintf(f32_path, sizeof f32_path, "%s/f32.gguf", folder);
    snprintf(q8_path, sizeof q8_path, "%s/q8.gguf", folder);
    snprintf(window_path, sizeof window_path, "%s/window.gguf", folder);
    snprintf(vocab_path, sizeof vocab_path, "%s/vocab.gguf", folder);
    snprintf(short_path, sizeof short_path, "%s/short.gguf", folder);
    snprintf(mute_path, sizeof mute_path, "%s/mute.gguf", folder);
    snprintf(phi_path, sizeof phi_path, "%s/phi.gguf", folder);
    bool ok = !tiny_gguf_write(f32_path, &(tiny_gguf_options){0}, &err) &&
              !tiny_gguf_write(q8_path, &(tiny_gguf_options){.dtype = IG_DTYPE_Q8_0}, &err) &&
              !tiny_gguf_write(window_path, &(tiny_gguf_options){.window = 64}, &err) &&
              !tiny_gguf_write(vocab_path, &(tiny_gguf_options){.no_tensors = true}, &err) &&
              !tiny_gguf_write(short_path, &(tiny_gguf_options){.n_tokens = 260}, &err) &&
              !tiny_gguf_write(mute_path, &(tiny_gguf_options){.vocabulary = "t5"}, &err) &&
              !tiny_gguf_write(
                  phi_path, &(tiny_gguf_options){.no_tensors = true, .name = "Phi-3-mini"}, &err);
    if (!ok)
        fprintf(stderr, "%s\n", err.message);
    return ok;
}

int main(int argc, char **argv) {
    if (!make_models())
        return 1;
    int code =
        RUN(argc, argv, T(describes), T(refuses), T(checks_ids), T(generates), T(obeys_callbacks),
            T(mute_model), T(names_reach_the_tokenizer), T(dry_breakers), T(goes_on),
            T(keeps_what_is_shared), T(starts_anew_behind_a_window),
            T(logits_do_not_depend_on_steps), T(two_models), T(sessions_on_threads), T(cancels),
            T(forecasts), T(renders_and_reports), T(survives_failed_allocations));
    unlink(f32_path);
    unlink(q8_path);
    unlink(vocab_path);
    unlink(window_path);
    unlink(short_path);
    unlink(mute_path);
    unlink(phi_path);
    rmdir(folder);
    return code;
}
