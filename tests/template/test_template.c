/* test_template.c: every construct against what Python's jinja2 gave (fixtures.json, made by
 * make_fixtures.py), and the face itself. */
#include <locale.h>

#include "template/template.h"
#include "test.h"

static bool read_file(const char *path, ig_buf *out) {
    char block[1 << 16];
    FILE *f = fopen(path, "rb");
    bool ok = f != NULL;
    for (size_t n; ok && (n = fread(block, 1, sizeof block, f)) > 0;)
        ok = ig_buf_add(out, block, n, NULL) == IG_OK;
    if (f)
        fclose(f);
    return ok;
}

/* One fixture: it has "text", "raises" (the message) or "fails" ("compile" or "render"). */
static void check_fixture(const ig_json *head, const ig_json *fixture) {
    const ig_json *text = ig_json_get(fixture, "text"), *raises = ig_json_get(fixture, "raises");
    const ig_str name = ig_json_str(ig_json_get(fixture, "name")),
                 source = ig_json_str(ig_json_get(fixture, "source"));
    const ig_template_input input = {.messages = ig_json_get(head, "messages"),
                                     .extra = ig_json_get(head, "variables"),
                                     .bos_token = ig_json_str(ig_json_get(head, "bos")),
                                     .add_generation_prompt = true,
                                     .has_now = true,
                                     .now_s = ig_json_int(ig_json_get(head, "now"), 0)};
    ig_template *tmpl;
    ig_buf out;
    ig_err err = {0};
    bool raised = false;
    ig_buf_init(&out, 1 << 20);
    ig_status status = ig_template_create(&tmpl, source, &err);
    if (!status)
        status = ig_template_render(tmpl, &input, &out, &raised, &err);
    if (text && (status || !ig_str_eq(ig_buf_str(&out), ig_json_str(text))))
        TEST_FAIL("%.*s: %s\n  want %.*s\n  have %.*s%s", (int)name.n, name.p, source.p,
                  (int)ig_json_str(text).n, ig_json_str(text).p, (int)out.n, out.n ? out.p : "",
                  status ? err.message : "");
    if (raises && (!raised || !ig_str_eq(ig_buf_str(&out), ig_json_str(raises))))
        TEST_FAIL("%.*s: raised %d '%.*s', not '%.*s'", (int)name.n, name.p, raised, (int)out.n,
                  out.n ? out.p : "", (int)ig_json_str(raises).n, ig_json_str(raises).p);
    if (!text && !raises && (!status || raised))
        TEST_FAIL("%.*s: should fail: %s gave '%.*s'", (int)name.n, name.p, source.p, (int)out.n,
                  out.n ? out.p : "");
    if (status)
        CHECK(err.message[0] != 0);
    ig_template_destroy(&tmpl);
    ig_buf_fini(&out);
}

TEST(constructs_render_as_in_python) {
    ig_buf file;
    ig_json_doc *doc = NULL;
    ig_err err = {0};
    ig_buf_init(&file, 1 << 24);
    CHECK(read_file("tests/template/fixtures.json", &file));
    CHECK_OK(ig_json_open(&doc, ig_buf_str(&file), &err));
    const ig_json *head = ig_json_root(doc), *cases = ig_json_get(head, "cases");
    CHECK(ig_json_count(cases) > 400);
    for (size_t i = 0; i < ig_json_count(cases); i++)
        check_fixture(head, ig_json_at(cases, i));
    ig_json_close(&doc);
    ig_buf_fini(&file);
}

TEST(output_is_text_or_what_was_raised) {
    ig_template *tmpl;
    ig_buf out;
    ig_err err = {0};
    bool raised = true;
    ig_buf_init(&out, 64);
    CHECK_OK(ig_buf_add_str(&out, IG_STR("before "), &err));
    CHECK_OK(ig_template_create(&tmpl, IG_STR("x{{ tools }}{{ bos_token is defined }}"), &err));
    CHECK_OK(ig_template_render(tmpl, &(ig_template_input){0}, &out, &raised, &err));
    CHECK_STR(out.p, "before xNoneFalse");
    CHECK(!raised);
    ig_template_destroy(&tmpl);
    CHECK_OK(ig_template_create(&tmpl, IG_STR("text{{ raise_exception('why') }}"), &err));
    CHECK_EQ(ig_template_render(tmpl, &(ig_template_input){0}, &out, &raised, &err), IG_EARGUMENT);
    CHECK(raised);
    CHECK_STR(err.message, "why");
    CHECK_STR(out.p, "before xNoneFalsewhy");
    ig_template_destroy(&tmpl);
    CHECK_OK(ig_template_create(&tmpl, IG_STR("text{{ 1 / 0 }}"), &err));
    CHECK_EQ(ig_template_render(tmpl, &(ig_template_input){0}, &out, &raised, &err), IG_EARGUMENT);
    CHECK(!raised);
    CHECK_STR(out.p, "before xNoneFalsewhy");
    ig_template_destroy(&tmpl);
    ig_template_destroy(&tmpl);
    ig_buf_fini(&out);
}

static void check_text(const char *source, const ig_template_input *input, const char *want) {
    ig_template *tmpl;
    ig_buf out;
    ig_err err = {0};
    ig_buf_init(&out, 1 << 10);
    CHECK_OK(ig_template_create(&tmpl, ig_str_of(source), &err));
    CHECK_OK(ig_template_render(tmpl, input, &out, NULL, &err));
    CHECK_STR(out.n ? out.p : "", want);
    ig_template_destroy(&tmpl);
    ig_buf_fini(&out);
}

TEST(the_first_second_of_1970_is_a_time) {
    check_text("{{ strftime_now('%Y-%m-%d %H:%M') }}", &(ig_template_input){.has_now = true},
               "1970-01-01 00:00");
}

/* A program with a window asks for the user's locale, whose decimal point may be a comma. */
TEST(numbers_do_not_depend_on_the_locale) {
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
    size_t i = 0;
    while (i < IG_COUNT(commas) && !setlocale(LC_NUMERIC, commas[i]))
        i++;
    if (i == IG_COUNT(commas))
        SKIP("no locale with a decimal comma is installed");
    check_text("{{ 2.5 }} {{ '2.5'|float + 1.5e0 }} {{ '%.2f %g'|format(2.5, 1e-7) }} "
               "{{ '{:,.1f} {:e}'.format(1234.5, 0.5) }} {{ 2.25|round(1) }} {{ [0.5]|tojson }}",
               &(ig_template_input){0}, "2.5 4.0 2.50 1e-07 1,234.5 5.000000e-01 2.2 [0.5]");
    setlocale(LC_NUMERIC, "C");
}

TEST(errors_say_where) {
    static const struct {
        const char *source, *part;
    } cases[] = {
        {"a\n  {{ x.y }}", "line 2 column 7: 'x' is undefined"},
        {"{{ 1 + }}", "line 1 column 8: unexpected end of print statement"},
        {"\n{% if x %}", "a tag 'elif' is missing"},
        {"{% include 'a' %}", "tag 'include' is not supported"},
        {"{{ x|pprint }}", "not supported: 'pprint'"},
        {"{{ x|nope }}", "no filter named 'nope'"},
        {"{{ 9223372036854775807 + 1 }}", "does not fit 64 bits"},
        {"{{ 99999999999999999999 }}", "beyond 64 bits"},
        {"{{ '\\N{DASH}' }}", "escape"},
        {"{{ [range] }}", "printing a function object"},
        {"{{ 9223372036854775807|round(-1) }}", "does not fit 64 bits"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        ig_template *tmpl;
        ig_buf out;
        ig_err err = {0};
        ig_buf_init(&out, 1 << 10);
        ig_status status = ig_template_create(&tmpl, ig_str_of(cases[i].source), &err);
        if (!status)
            status = ig_template_render(tmpl, &(ig_template_input){0}, &out, NULL, &err);
        CHECK(status != IG_OK);
        if (!strstr(err.message, cases[i].part))
            TEST_FAIL("'%s' not in '%s'", cases[i].part, err.message);
        ig_template_destroy(&tmpl);
        ig_buf_fini(&out);
    }
}

TEST(failing_allocations_are_reported) {
    static const char SOURCE[] =
        "{%- macro m(a, b=[1]) %}{{ a ~ b }}{{ caller() if caller }}{% endmacro %}"
        "{% for x in range(3) if x != 1 %}{% set y = x|string * 40 %}{{ m(y, b={'k': y}) }}{{ "
        "loop.length }}{% endfor %}"
        "{% set ns = namespace(t='') %}{% for w in 'a b c'.split() %}{% set ns.t = ns.t + "
        "w.upper()|replace('A', 'bb') %}"
        "{% endfor %}{{ ns.t|tojson }}{% call m(1) %}{{ '{\"a\": [1]}'|from_json }}{% endcall %}{{ "
        "'%s' % messages }}";
    ig_json_doc *doc = NULL;
    ig_err err = {0};
    CHECK_OK(ig_json_open(&doc, IG_STR("[{\"role\": \"user\", \"content\": \"x\"}]"), &err));
    bool done = false;
    for (uint64_t n = 1; n < 2000 && !done; n++) {
        ig_template *tmpl;
        ig_buf out;
        ig_buf_init(&out, 1 << 16);
        ig_alloc_fail_after(n);
        ig_status status = ig_template_create(&tmpl, IG_STR(SOURCE), &err);
        if (!status)
            status = ig_template_render(tmpl, &(ig_template_input){.messages = ig_json_root(doc)},
                                        &out, NULL, &err);
        done = ig_alloc_fail_after(0) < n;
        CHECK_EQ(status, done ? IG_OK : IG_EMEMORY);
        ig_template_destroy(&tmpl);
        ig_buf_fini(&out);
    }
    CHECK(done);
    ig_json_close(&doc);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(constructs_render_as_in_python), T(output_is_text_or_what_was_raised),
               T(the_first_second_of_1970_is_a_time), T(numbers_do_not_depend_on_the_locale),
               T(errors_say_where), T(failing_allocations_are_reported));
}
