/* test_utf.c: UTF-8 at its borders, classes against known characters, normal forms, patterns and
 * their limits. */
#include "utf/utf.h"

#include "test.h"

TEST(decode_and_encode) {
    static const struct {
        const char *bytes;
        size_t n, length;
        uint32_t cp;
    } rows[] = {
        {"A", 1, 1, 'A'},
        {"\xC3\xA9", 2, 2, 0xE9},
        {"\xE4\xBD\xA0", 3, 3, 0x4F60},
        {"\xF0\x9F\x98\x80", 4, 4, 0x1F600},
        {"\xF4\x8F\xBF\xBF", 4, 4, 0x10FFFF},
        {"\x80", 1, 1, 0xFFFD},
        {"\xC0\x80", 2, 1, 0xFFFD},
        {"\xC3", 1, 1, 0xFFFD},
        {"\xE0\x80\x80", 3, 1, 0xFFFD},
        {"\xED\xA0\x80", 3, 1, 0xFFFD},
        {"\xE4\xBD", 2, 2, 0xFFFD},
        {"\xE4\xBD"
         "A",
         3, 2, 0xFFFD},
        {"\xF0\x9F\x98", 3, 3, 0xFFFD},
        {"\xF4\x90\x80\x80", 4, 1, 0xFFFD},
        {"\xFF", 1, 1, 0xFFFD},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        uint32_t cp = 0;
        CHECK_EQ(ig_utf8_decode(rows[i].bytes, rows[i].n, &cp), rows[i].length);
        CHECK_EQ(cp, rows[i].cp);
        CHECK_EQ(ig_utf8_valid((ig_str){rows[i].bytes, rows[i].n}), cp != 0xFFFD);
    }
    for (uint32_t cp = 0; cp <= 0x110010; cp += cp < 0x3000 ? 1 : 97) {
        char bytes[4];
        uint32_t back;
        size_t n = ig_utf8_encode(cp, bytes);
        CHECK_EQ(ig_utf8_decode(bytes, n, &back), n);
        CHECK_EQ(back, cp > 0x10FFFF || (cp >= 0xD800 && cp < 0xE000) ? 0xFFFD : cp);
        CHECK_EQ(ig_utf8_length((unsigned char)bytes[0]), n);
    }
}

TEST(tails) {
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("abc")), 0);
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("abc\xC3")), 1);
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("a\xE4\xBD")), 2);
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("\xF0\x9F\x98")), 3);
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("\xF0\x9F\x98\x80")), 0);
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("\xE0\x80")), 0); /* cannot become valid */
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("\x80\x80")), 0);
    CHECK_EQ(ig_utf8_incomplete_tail(IG_STR("")), 0);
}

TEST(classes) {
    static const struct {
        uint32_t cp;
        unsigned bits;
    } rows[] = {
        {'a', IG_UTF_LETTER | IG_UTF_LOWER},
        {'Z', IG_UTF_LETTER | IG_UTF_UPPER},
        {'7', IG_UTF_NUMBER},
        {' ', IG_UTF_SEPARATOR | IG_UTF_SPACE},
        {'\n', IG_UTF_CONTROL | IG_UTF_SPACE},
        {'$', IG_UTF_SYMBOL},
        {'!', IG_UTF_PUNCTUATION},
        {0x85, IG_UTF_CONTROL | IG_UTF_SPACE},
        {0xA0, IG_UTF_SEPARATOR | IG_UTF_SPACE},
        {0xAA, IG_UTF_LETTER},
        {0xB2, IG_UTF_NUMBER},
        {0xC9, IG_UTF_LETTER | IG_UTF_UPPER},
        {0x1C5, IG_UTF_LETTER | IG_UTF_UPPER}, /* title case */
        {0x301, IG_UTF_MARK},
        {0x180E, IG_UTF_CONTROL}, /* was a space before Unicode 6.3 */
        {0x200B, IG_UTF_CONTROL},
        {0x3000, IG_UTF_SEPARATOR | IG_UTF_SPACE},
        {0x4E2D, IG_UTF_LETTER},
        {0xD800, IG_UTF_CONTROL},
        {0x2EBF0, IG_UTF_LETTER}, /* Unicode 15.1 */
        {0x31EF, IG_UTF_SYMBOL},  /* Unicode 15.1 */
        {0x1F600, IG_UTF_SYMBOL},
        {0x110000, IG_UTF_CONTROL},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++)
        CHECK_EQ(ig_utf_class_of(rows[i].cp), rows[i].bits);
    CHECK_EQ(ig_utf_lower('Q'), 'q');
    CHECK_EQ(ig_utf_lower(0x410), 0x430);
    CHECK_EQ(ig_utf_upper(0x430), 0x410);
    CHECK_EQ(ig_utf_lower(0x110001), 0x110001);
}

TEST(normal_forms) {
    static const struct {
        const char *text, *form[4]; /* NFC, NFD, NFKC, NFKD */
    } rows[] = {
        {"plain", {"plain", "plain", "plain", "plain"}},
        {"e\u0301x", {"\u00e9x", "e\u0301x", "\u00e9x", "e\u0301x"}},
        {"\u00e9", {"\u00e9", "e\u0301", "\u00e9", "e\u0301"}},
        {"\ufb01", {"\ufb01", "\ufb01", "fi", "fi"}},
        {"\u1e9b\u0323", {"\u1e9b\u0323", "\u017f\u0323\u0307", "\u1e69", "s\u0323\u0307"}},
        {"\ud55c\uae00",
         {"\ud55c\uae00", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00",
          "\u1112\u1161\u11ab\u1100\u1173\u11af"}},
        {"\u1112\u1161\u11ab", {"\ud55c", "\u1112\u1161\u11ab", "\ud55c", "\u1112\u1161\u11ab"}},
        {"a\u0315\u0300", {"\u00e0\u0315", "a\u0300\u0315", "\u00e0\u0315", "a\u0300\u0315"}},
        {"\u2126", {"\u03a9", "\u03a9", "\u03a9", "\u03a9"}},
        {"a\xffo\u0308\xc3",
         {"a\xff\u00f6\xc3", "a\xffo\u0308\xc3", "a\xff\u00f6\xc3", "a\xffo\u0308\xc3"}},
        {"", {"", "", "", ""}},
    };
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        for (int f = 0; f < 4; f++) {
            ig_err err = {0};
            ig_buf out;
            ig_buf_init(&out, 1000);
            CHECK_OK(ig_utf_normalise(ig_str_of(rows[i].text), (ig_utf_form)f, &out, &err));
            CHECK_STR(out.p ? out.p : "", rows[i].form[f]);
            ig_buf_fini(&out);
        }
    }
}

/* Of every character there is, whatever version of Unicode utf8proc knows. */
TEST(composition_undoes_decomposition) {
    ig_buf composed, parts, again;
    ig_err err = {0};
    ig_buf_init(&composed, 64);
    ig_buf_init(&parts, 64);
    ig_buf_init(&again, 64);
    for (uint32_t cp = 0x80; cp < 0x110000; cp++) {
        char bytes[4];
        const ig_str text = {bytes, ig_utf8_encode(cp, bytes)};
        ig_buf_clear(&composed);
        ig_buf_clear(&parts);
        ig_buf_clear(&again);
        REQUIRE_OK(ig_utf_normalise(text, IG_UTF_NFC, &composed, &err));
        REQUIRE_OK(ig_utf_normalise(text, IG_UTF_NFD, &parts, &err));
        REQUIRE_OK(ig_utf_normalise(ig_buf_str(&parts), IG_UTF_NFC, &again, &err));
        if (!ig_str_eq(ig_buf_str(&composed), ig_buf_str(&again)))
            TEST_FAIL("U+%04X is not put together again", (unsigned)cp);
    }
    ig_buf_fini(&composed);
    ig_buf_fini(&parts);
    ig_buf_fini(&again);
}

/* Half a megabyte of marks in the worst order takes no time worth noting. */
TEST(normal_form_of_many_marks) {
    enum { N = 200000 };
    char *text = malloc(2 * N + 1);
    REQUIRE(text);
    text[0] = 'a';
    for (int i = 0; i < N; i++)
        memcpy(text + 1 + 2 * i, i % 2 ? "\u0300" : "\u0315", 2);
    ig_err err = {0};
    ig_buf out;
    ig_buf_init(&out, 4 * N);
    CHECK_OK(ig_utf_normalise((ig_str){text, 2 * N + 1}, IG_UTF_NFC, &out, &err));
    CHECK_EQ(out.n, 2 * N); /* the first grave accent is composed into the letter */
    ig_buf_fini(&out);
    free(text);
}

TEST(patterns) {
    ig_err err = {0};
    ig_pattern *p;
    ig_match *m;
    size_t start, end;
    REQUIRE_OK(ig_pattern_create(&p, IG_STR("\\p{L}+(?!\\S)|\\d{2}"), &err));
    REQUIRE_OK(ig_match_create(&m, p, &err));
    REQUIRE_OK(ig_pattern_find(p, m, IG_STR("ab1 \u00e9t\u00e9 42"), 0, &start, &end, &err));
    CHECK_EQ(start, 4);
    CHECK_EQ(end, 9);
    REQUIRE_OK(ig_pattern_find(p, m, IG_STR("ab1 \u00e9t\u00e9 42"), 9, &start, &end, &err));
    CHECK_EQ(start, 10);
    CHECK_EQ(ig_pattern_find(p, m, IG_STR("..."), 0, &start, &end, &err), IG_EEND);
    ig_match_destroy(&m);
    ig_pattern_destroy(&p);
    CHECK_EQ(ig_pattern_create(&p, IG_STR("(a"), &err), IG_EFORMAT);
    CHECK_EQ(ig_pattern_create(&p, (ig_str){"", (size_t)IG_PATTERN_BYTES_MAX + 1}, &err),
             IG_ELIMIT);
}

TEST(backtracking_is_bounded) {
    ig_err err = {0};
    ig_pattern *p;
    ig_match *m;
    size_t start, end;
    REQUIRE_OK(ig_pattern_create(&p, IG_STR("(a|a)*(a|a)*(a|a)*[bc]"), &err));
    REQUIRE_OK(ig_match_create(&m, p, &err));
    char text[200];
    memset(text, 'a', sizeof text);
    CHECK_EQ(ig_pattern_find(p, m, (ig_str){text, sizeof text}, 0, &start, &end, &err), IG_ELIMIT);
    ig_match_destroy(&m);
    ig_pattern_destroy(&p);
}

TEST(failing_allocations) {
    for (uint64_t n = 1; n < 30; n++) {
        ig_err err = {0};
        ig_pattern *p = NULL;
        ig_match *m = NULL;
        ig_buf out;
        ig_buf_init(&out, 1000);
        ig_alloc_fail_after(n);
        ig_status status = ig_pattern_create(&p, IG_STR("[\\p{L}\u4e00]+"), &err);
        if (!status)
            status = ig_match_create(&m, p, &err);
        if (!status)
            status = ig_utf_normalise(IG_STR("e\u0301\u0300\u0315"), IG_UTF_NFC, &out, &err);
        uint64_t made = ig_alloc_fail_after(0);
        /* Without memory for machine code the pattern is interpreted: that failure is none. */
        CHECK(made < n ? status == IG_OK : status == IG_EMEMORY || (p && m && status == IG_OK));
        ig_match_destroy(&m);
        ig_pattern_destroy(&p);
        ig_buf_fini(&out);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(decode_and_encode), T(tails), T(classes), T(normal_forms),
               T(composition_undoes_decomposition), T(normal_form_of_many_marks), T(patterns),
               T(backtracking_is_bounded), T(failing_allocations));
}
