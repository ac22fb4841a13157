/* test_presplit.c: the pre-splitters: every row against splits that the reference engine made
 * (data/splits.txt), and every hand-written stage against its own pattern run by PCRE2, on random
 * text. */
#include "tokenizer/split_words_int.h"
#include "tokenizer/tokenizer_int.h"

#include "test.h"

#define ENDS_MAX 4096

typedef struct ends {
    size_t at[ENDS_MAX];
    size_t n;
} ends;

static ig_pattern *compiled[IG_STAGES_MAX];

/* Border positions of stages[i..] over t[0, n), which stands at base. */
static void split(const ig_stage *const *stages, size_t i, const char *t, size_t n, size_t base,
                  ends *out) {
    if (i == IG_STAGES_MAX || !stages[i]) {
        if (out->n < ENDS_MAX)
            out->at[out->n++] = base + n;
        return;
    }
    ig_stage stage = *stages[i];
    ig_split_memo memo = {0};
    ig_err err = {0};
    if (stage.next == ig_split_pattern) {
        stage.compiled = compiled[i];
        if (ig_match_create(&memo.match, stage.compiled, &err))
            return;
    }
    for (size_t pos = 0; pos < n;) {
        size_t end = stage.next(&stage, t, pos, n, &memo, &err);
        CHECK(end > pos && end <= n);
        if (end <= pos || end > n)
            break;
        split(stages, i + 1, t + pos, end - pos, base + pos, out);
        pos = end;
    }
    ig_match_destroy(&memo.match);
}

static void split_row(const ig_presplit *row, const char *t, size_t n, ends *out) {
    ig_err err = {0};
    out->n = 0;
    for (size_t i = 0; i < IG_STAGES_MAX && row->stages[i]; i++)
        if (row->stages[i]->next == ig_split_pattern)
            CHECK_OK(ig_pattern_create(&compiled[i], ig_str_of(row->stages[i]->pattern), &err));
    split(row->stages, 0, t, n, 0, out);
    for (size_t i = 0; i < IG_STAGES_MAX; i++)
        ig_pattern_destroy(&compiled[i]);
}

static int hex(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

TEST(rows_split_as_the_peer) {
    static ends got;
    char line[2048];
    int lines = 0;
    FILE *f = fopen("tests/tokenizer/data/splits.txt", "r");
    REQUIRE(f);
    while (fgets(line, sizeof line, f)) {
        char *pre = line, *text = strchr(line, '\t'),
             *lengths = text ? strchr(text + 1, '\t') : NULL;
        REQUIRE(lengths);
        *text++ = *lengths++ = '\0';
        char bytes[512];
        size_t n = strlen(text) / 2;
        REQUIRE(n < sizeof bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(hex(text[2 * i]) << 4 | hex(text[2 * i + 1]));
        const ig_presplit *row = ig_presplit_find(ig_str_of(pre));
        REQUIRE(row);
        split_row(row, bytes, n, &got);
        size_t i = 0, at = 0;
        for (char *p = lengths; *p && *p != '\n'; i++) {
            at += strtoul(p, &p, 10);
            if (i >= got.n || got.at[i] != at) {
                TEST_FAIL("%s: word %zu of \"%.*s\" ends at %zu, not at %zu", pre, i, (int)n, bytes,
                          i < got.n ? got.at[i] : 0, at);
                break;
            }
        }
        CHECK_EQ(at, n);
        lines++;
    }
    fclose(f);
    CHECK(lines > 1000);
}

/* ---- hand-written against pattern ---- */

static uint64_t state = 88172645463325252ull;
static uint32_t below(uint32_t n) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % n;
}

static size_t random_text(char *out, size_t max) {
    static const char *const parts[] = {
        "a",      "b",      "Z",        "Q",      "'s",     "'S", "'re", "'LL", "'",
        "é",      "É",      "ß",        "中",     "日",     "か", "한",  "ㄱ",  "и",
        "И",      "ǅ",      "ª",        "\u0301", "\u094d", "1",  "23",  "456", "²",
        "٣",      "１",     " ",        "  ",     "   ",    "\n", "\r",  "\t",  "\u00a0",
        "\u3000", "\u2003", "\xC2\x85", ".",      ",",      "!",  "?",   "$",   "+",
        "<",      "^",      "`",        "|",      "~",      "(",  ")",   "-",   "/",
        "_",      "…",      "。",       "，",     "“",      "”",  "€",   "😀",   "\x01",
        "\u200b", "\u200c", "\u200d",   "\ue000", "ſ",      "'ſ", "@x",  "#Yz", "s",
        "t"};
    size_t n = 0;
    for (uint32_t k = 1 + below(24); k > 0; k--) {
        const char *p = parts[below(IG_COUNT(parts))];
        for (uint32_t times = below(8) == 0 ? 1 + below(12) : 1; times > 0 && n + strlen(p) < max;
             times--) {
            memcpy(out + n, p, strlen(p));
            n += strlen(p);
        }
    }
    return n;
}

TEST(stages_agree_with_their_patterns) {
    static ends hand, pattern;
    int compared = 0;
    const ig_stage *stage;
    for (size_t s = 0; (stage = ig_stage_at(s)); s++) {
        if (!stage->pattern || stage->next == ig_split_pattern)
            continue;
        ig_err err = {0};
        ig_stage general = {.next = ig_split_pattern};
        REQUIRE_OK(ig_pattern_create(&compiled[0], ig_str_of(stage->pattern), &err));
        for (int i = 0; i < 1500; i++) {
            char text[400];
            size_t n = random_text(text, sizeof text);
            hand.n = pattern.n = 0;
            split((const ig_stage *const[IG_STAGES_MAX]){stage}, 0, text, n, 0, &hand);
            split((const ig_stage *const[IG_STAGES_MAX]){&general}, 0, text, n, 0, &pattern);
            if (hand.n != pattern.n || memcmp(hand.at, pattern.at, hand.n * sizeof *hand.at) != 0) {
                size_t k = 0;
                while (k < hand.n && k < pattern.n && hand.at[k] == pattern.at[k])
                    k++;
                TEST_FAIL(
                    "stage %zu \"%.60s\": \"%.*s\": word %zu ends at %zu, by the pattern at %zu", s,
                    stage->pattern, (int)n, text, k, hand.at[k], pattern.at[k]);
                break;
            }
        }
        ig_pattern_destroy(&compiled[0]);
        compared++;
    }
    CHECK(compared > 30);
}

/* Long runs of one character must stay linear: none of the rows may need more than a blink for a
 * megabyte. */
TEST(long_runs) {
    static const char *const runs[] = {"1", "a",  "A",      " ",  "\n", "é", "'",
                                       ".", "中", "\u0301", " a", "1a", "É", "ÉA"};
    enum { SIZE = 1 << 18 };
    char *text = malloc(SIZE + 8);
    REQUIRE(text);
    for (size_t r = 0; r < IG_COUNT(runs); r++) {
        size_t n = 0;
        while (n + strlen(runs[r]) <= SIZE) {
            memcpy(text + n, runs[r], strlen(runs[r]));
            n += strlen(runs[r]);
        }
        text[n++] = 'x';
        const ig_presplit *row;
        static ends out;
        for (size_t i = 0; (row = ig_presplit_at(i)); i++) {
            split_row(row, text, n, &out);
            CHECK(out.n > 0);
        }
    }
    free(text);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(rows_split_as_the_peer), T(stages_agree_with_their_patterns),
               T(long_runs));
}
