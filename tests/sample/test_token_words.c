/* test_token_words.c: tables of stop words and of thinking budgets. */
#include "sample/sample.h"
#include "test.h"

static const int32_t ids[] = {5, 6, 5, 6, 7, 9};

TEST(stop_words_end_the_tokens) {
    static const ig_token_run words[] = {{ids, 2}, {ids + 2, 3}, {ids + 5, 1}, {ids, 0}};
    static const struct {
        int32_t tokens[6];
        size_t n;
        bool ends;
    } cases[] = {
        {{0}, 0, false},         {{5, 6}, 2, true},     {{6}, 1, false},
        {{1, 2, 5, 6}, 4, true}, {{5, 6, 1}, 3, false}, {{5, 6, 7}, 3, true},
        {{6, 7}, 2, false}, /* shorter than the word */
        {{5, 5, 6, 7}, 4, true}, {{1, 9}, 2, true},     {{9, 9, 9, 1, 1, 5}, 6, false},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        if (ig_words_end(words, IG_COUNT(words), cases[i].tokens, cases[i].n) != cases[i].ends)
            TEST_FAIL("row %zu", i);
    CHECK(!ig_words_end(NULL, 0, ids, 6));
    CHECK(!ig_words_end(words + 3, 1, ids, 6)); /* a word of no token never stands */
}

/* Tokens of these tables are letters: "<<" begins, "]]>" ends. */
static ig_token_run run_of(const char *letters, int32_t *out) {
    uint32_t n = 0;
    for (; letters[n]; n++)
        out[n] = letters[n];
    return (ig_token_run){out, n};
}

typedef struct think_case {
    const char *begin, *end;
    uint32_t budget;
    bool open;
    const char *model;  /* what the model says where it is free */
    const char *result; /* what comes out */
    uint32_t forced;
} think_case;

static const think_case think_cases[] = {
    {"<<", "]]>", 3, false, "abc", "abc", 0},
    {"<<", "]]>", 3, false, "a<b<c", "a<b<c", 0},               /* never begun */
    {"<<", "]]>", 3, false, "<<abXY", "<<abX]]>Y", 3},          /* forced whole */
    {"<<", "]]>", 5, false, "<<a]]>xyzuvw", "<<a]]>xyzuvw", 0}, /* ended by itself */
    {"<<", "]]>", 3, false, "<<ab]xy", "<<ab]]>xy", 2},         /* only the remainder */
    {"<<", "]]>", 3, false, "<<a]xy", "<<a]x]]>y", 3},          /* a false end */
    {"<<", "]]>", 3, false, "<<a]]x", "<<a]]>x", 1},
    {"<<", "]]>", 4, false, "<<]]]>x", "<<]]]>x", 0}, /* the end begins late: "]" "]]>" */
    {"<<", "]]>", 3, false, "<<]]]x", "<<]]]>x", 1},
    {"<<", "]]>", 0, false, "<<x", "<<]]>x", 3},
    {"<<", "]]>", 2, false, "<<<<<x", "<<<<]]><x", 3},        /* no beginning inside */
    {"<<", "]]>", 1, false, "<<ab<<cd", "<<a]]>b<<c]]>d", 6}, /* twice */
    {"<<", "]]>", 2, true, "abc", "ab]]>c", 3},               /* the prompt began */
    {"", "]]>", 1, true, "ab<<cd", "a]]>b<<cd", 3},           /* and nothing else can */
    {"0123456789abcdef", ">", 1, false, "x0123456789abcdefuv", "x0123456789abcdefu>v", 1},
    {"<", "0123456789abcdef", 1, false, "<xyz", "<x0123456789abcdefyz", 16},
    {"|", "|", 2, false, "a|bcd|e", "a|bc|d|e", 1}, /* one token for both */
};

TEST(thinking_ends_within_its_budget) {
    for (size_t i = 0; i < IG_COUNT(think_cases); i++) {
        const think_case *k = &think_cases[i];
        int32_t begin[16], end[16];
        char out[64] = "";
        size_t n = 0;
        ig_err err = {0};
        ig_think t;
        ig_think_params p = {.begin = run_of(k->begin, begin),
                             .end = run_of(k->end, end),
                             .budget = k->budget,
                             .open = k->open};
        REQUIRE_OK(ig_think_init(&t, &p, &err));
        for (const char *model = k->model; n + 1 < sizeof out;) {
            int32_t id = ig_think_forces(&t);
            if (id < 0 && !*model)
                break;
            out[n++] = id < 0 ? *model++ : (char)id;
            ig_think_accept(&t, out[n - 1]);
        }
        CHECK_STR(out, k->result);
        CHECK_EQ(t.forced, k->forced);
    }
}

TEST(thinking_tokens_are_checked) {
    int32_t many[17] = {0};
    ig_err err = {0};
    ig_think t;
    ig_think_params good = {.begin = {many, 16}, .end = {many, 16}}, p = good;
    CHECK_OK(ig_think_init(&t, &p, &err));
    p.begin.n = 17;
    CHECK_EQ(ig_think_init(&t, &p, &err), IG_EARGUMENT);
    CHECK(strstr(err.message, "begin"));
    p.begin.n = 0;
    CHECK_EQ(ig_think_init(&t, &p, &err), IG_EARGUMENT);
    p.open = true;
    CHECK_OK(ig_think_init(&t, &p, &err));
    p = good;
    p.end.n = 17;
    CHECK_EQ(ig_think_init(&t, &p, &err), IG_EARGUMENT);
    CHECK(strstr(err.message, "end"));
    p.end.n = 0;
    CHECK_EQ(ig_think_init(&t, &p, &err), IG_EARGUMENT);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(stop_words_end_the_tokens), T(thinking_ends_within_its_budget),
               T(thinking_tokens_are_checked));
}
