/* test_json.c: reading through jansson under our limits, the writer, and both with failing
 * allocations. */
#include <jansson.h>

#include "json/json.h"
#include "test.h"

static ig_json_doc *parse(const char *text) {
    ig_json_doc *doc;
    ig_err err = {0};
    CHECK_OK(ig_json_open(&doc, ig_str_of(text), &err));
    return doc;
}

TEST(values_are_read_in_order) {
    ig_json_doc *doc =
        parse("\xEF\xBB\xBF{\"z\": 1, \"a\": [true, false, null, -2.5, \"x\\u0000y\"], \"m\": {}}");
    const ig_json *root = ig_json_root(doc), *a = ig_json_get(root, "a");
    CHECK_EQ(ig_json_count(root), 3);
    CHECK_EQ(ig_json_int(ig_json_get(root, "z"), -1), 1);
    CHECK_EQ(ig_json_count(a), 5);
    CHECK(ig_json_bool(ig_json_at(a, 0), false));
    CHECK(!ig_json_bool(ig_json_at(a, 1), true));
    CHECK(ig_json_bool(ig_json_at(a, 2), true));
    CHECK(ig_json_is(ig_json_at(a, 2), IG_JSON_NULL));
    CHECK(ig_json_num(ig_json_at(a, 3), 0) == -2.5);
    CHECK(ig_str_eq(ig_json_str(ig_json_at(a, 4)), IG_STR("x\0y")));
    CHECK(ig_json_at(a, 5) == NULL);
    CHECK(ig_json_get(ig_json_get(root, "none"), "deeper") == NULL);
    CHECK(ig_json_find(root, (ig_str){"mx", 1}) != NULL);
    const char *names[] = {"z", "a", "m"};
    size_t n = 0;
    ig_json_iter it = ig_json_first(root);
    while (ig_json_next(&it))
        CHECK(n < 3 && ig_str_is(it.key, names[n++]));
    CHECK_EQ(n, 3);
    CHECK(!ig_json_next(&it));
    ig_json_close(&doc);
    CHECK(doc == NULL);
    ig_json_close(&doc);
}

TEST(integers_beyond_64_bits_become_reals) {
    ig_json_doc *doc =
        parse("[9223372036854775807, -9223372036854775808, 9223372036854775808, -1e3, "
              "\"99999999999999999999\", 0.12345678901234567890123]");
    const ig_json *root = ig_json_root(doc);
    CHECK_EQ(ig_json_int(ig_json_at(root, 0), 0), INT64_MAX);
    CHECK_EQ(ig_json_int(ig_json_at(root, 1), 0), INT64_MIN);
    CHECK(ig_json_is(ig_json_at(root, 2), IG_JSON_REAL));
    CHECK(ig_json_num(ig_json_at(root, 2), 0) == 9223372036854775808.0);
    CHECK(ig_json_num(ig_json_at(root, 3), 0) == -1000);
    CHECK(ig_str_is(ig_json_str(ig_json_at(root, 4)), "99999999999999999999"));
    CHECK(ig_json_num(ig_json_at(root, 5), 0) == 0.12345678901234567890123);
    ig_json_close(&doc);
}

TEST(malformed_texts_are_refused_with_their_place) {
    static const struct {
        const char *text;
        ig_status status;
        const char *place;
    } cases[] = {
        {"", IG_EFORMAT, "line 1"},      {"{\"a\": 1,\n \"a\": 2}", IG_EFORMAT, "line 2"},
        {"[1, 2", IG_EFORMAT, "line 1"}, {"[\n\n 1 2]", IG_EFORMAT, "line 3"},
        {"{} x", IG_EFORMAT, "line 1"},  {"\"\x80\"", IG_EFORMAT, "line 1"},
        {"\"abc", IG_EFORMAT, "line 1"}, {"\"abc\\", IG_EFORMAT, "line 1"},
        {"1e999", IG_EFORMAT, "line 1"}, {"{\"a\\u0000\": 1}", IG_EUNSUPPORTED, "line 1"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        ig_json_doc *doc;
        ig_err err = {0};
        CHECK_EQ(ig_json_open(&doc, ig_str_of(cases[i].text), &err), cases[i].status);
        CHECK(doc == NULL);
        if (!strstr(err.message, cases[i].place))
            TEST_FAIL("'%s' not in '%s'", cases[i].place, err.message);
    }
}

TEST(depth_is_limited) {
    char text[2 * IG_JSON_DEPTH_MAX + 4];
    for (unsigned extra = 0; extra < 2; extra++) {
        size_t n = IG_JSON_DEPTH_MAX + extra;
        memset(text, '[', n);
        memset(text + n, ']', n);
        ig_json_doc *doc;
        ig_err err = {0};
        CHECK_EQ(ig_json_open(&doc, (ig_str){text, 2 * n}, &err), extra ? IG_ELIMIT : IG_OK);
        ig_json_close(&doc);
    }
}

static void write_sample(ig_json_writer *w) {
    ig_json_open_object(w);
    ig_json_key(w, "a\"b");
    ig_json_open_array(w);
    ig_json_put_int(w, INT64_MIN);
    ig_json_put_num(w, 0.1);
    ig_json_put_num(w, NAN);
    ig_json_put_bool(w, true);
    ig_json_put_null(w);
    ig_json_put_str(w, IG_STR("\x01\n\xC3\xA9\x80\xED\xA0\x80\x7F\\"));
    ig_json_close_array(w);
    ig_json_key(w, "e");
    ig_json_open_object(w);
    ig_json_close_object(w);
    ig_json_key(w, "r");
    ig_json_put_raw(w, IG_STR("[1]"));
    ig_json_close_object(w);
}

TEST(writer_puts_commas_and_escapes) {
    ig_buf buf;
    ig_err err = {0};
    ig_json_writer w;
    ig_buf_init(&buf, 4096);
    ig_json_begin(&w, &buf, false, &err);
    write_sample(&w);
    CHECK_OK(ig_json_end(&w));
    CHECK_STR(
        buf.p,
        "{\"a\\\"b\":[-9223372036854775808,0.1,null,true,null,\"\\u0001\\n\xC3\xA9\xEF\xBF\xBD"
        "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x7F\\\\\"],\"e\":{},\"r\":[1]}");
    ig_buf_clear(&buf);
    ig_json_doc *doc = parse("{\"a\": [1, {\"b\": []}], \"c\": \"d\"}");
    ig_json_begin(&w, &buf, true, &err);
    ig_json_put_value(&w, ig_json_root(doc));
    CHECK_OK(ig_json_end(&w));
    CHECK_STR(buf.p,
              "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": \"d\"\n}");
    ig_json_close(&doc);
    ig_buf_fini(&buf);
}

TEST(writer_errors_stick) {
    ig_buf buf;
    ig_err err = {0};
    ig_json_writer w;
    ig_buf_init(&buf, 16);
    ig_json_begin(&w, &buf, false, &err);
    write_sample(&w);
    CHECK_EQ(ig_json_end(&w), IG_ELIMIT);
    ig_buf_clear(&buf);
    ig_json_begin(&w, &buf, false, &err);
    ig_json_open_array(&w);
    CHECK_EQ(ig_json_end(&w), IG_EINTERNAL);
    ig_buf_clear(&buf);
    ig_json_begin(&w, &buf, false, &err);
    ig_json_close_array(&w);
    CHECK_EQ(ig_json_end(&w), IG_EINTERNAL);
    ig_buf_fini(&buf);
    ig_buf_init(&buf, 1 << 20);
    ig_json_begin(&w, &buf, true, &err);
    for (unsigned i = 0; i <= IG_JSON_DEPTH_MAX; i++)
        ig_json_open_array(&w);
    CHECK_EQ(ig_json_end(&w), IG_ELIMIT);
    ig_buf_fini(&buf);
}

/* Expected texts are Python's repr. */
TEST(numbers_have_their_shortest_text) {
    static const struct {
        double d;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {5, "5.0"},
        {0.1, "0.1"},
        {1e16, "1e+16"},
        {1e15, "1000000000000000.0"},
        {123456789012345680.0, "1.2345678901234568e+17"},
        {1e-4, "0.0001"},
        {1e-5, "1e-05"},
        {-1.5e-7, "-1.5e-07"},
        {0.30000000000000004, "0.30000000000000004"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
        {100, "100.0"},
        {3.14159, "3.14159"},
        {INFINITY, "inf"},
        {1234.5, "1234.5"},
        {0.00012345, "0.00012345"},
        {9999999999999998.0, "9999999999999998.0"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        char text[IG_JSON_NUM_BYTES];
        CHECK_EQ(ig_json_format_num(cases[i].d, text), strlen(cases[i].text));
        CHECK_STR(text, cases[i].text);
    }
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        double d;
        memcpy(&d, &bits, sizeof d);
        char text[IG_JSON_NUM_BYTES];
        ig_json_format_num(d, text);
        if (isfinite(d) && strtod(text, NULL) != d)
            TEST_FAIL("%s is not %.17g", text, d);
    }
}

static void *failing_malloc(size_t n) {
    return ig_alloc(n, 1);
}

/* jansson reports some failed allocations as syntax errors and does without others (number
 * conversion), so what is checked is: an error, or exactly the right text; and under ASan no leak.
 */
TEST(failing_allocations_are_reported) {
    static const char WHOLE[] =
        "{\"a\":[1,2.5,\"text\",1e+20,true],\"b\":{\"c\":null,\"long key\":[[],{},\"\\u0001\"]}}";
    json_set_alloc_funcs(failing_malloc, ig_free);
    bool done = false;
    for (uint64_t n = 1; n < 1000 && !done; n++) {
        ig_json_doc *doc;
        ig_buf buf;
        ig_err err = {0};
        ig_json_writer w;
        ig_buf_init(&buf, 1 << 16);
        ig_alloc_fail_after(n);
        ig_status status = ig_json_open(&doc, IG_STR(WHOLE), &err);
        if (!status) {
            ig_json_begin(&w, &buf, false, &err);
            ig_json_put_value(&w, ig_json_root(doc));
            status = ig_json_end(&w);
        }
        done = ig_alloc_fail_after(0) < n;
        CHECK(status == IG_OK || status == IG_EMEMORY || status == IG_EFORMAT);
        CHECK(!done || status == IG_OK);
        if (!status)
            CHECK_STR(buf.p, WHOLE);
        else
            CHECK(err.message[0] != 0);
        ig_json_close(&doc);
        ig_buf_fini(&buf);
    }
    CHECK(done);
    json_set_alloc_funcs(malloc, free);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(values_are_read_in_order), T(integers_beyond_64_bits_become_reals),
               T(malformed_texts_are_refused_with_their_place), T(depth_is_limited),
               T(writer_puts_commas_and_escapes), T(writer_errors_stick),
               T(numbers_have_their_shortest_text), T(failing_allocations_are_reported));
}
