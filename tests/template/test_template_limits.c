/* test_template_limits.c: hostile templates stop at a named limit, quickly and with a clear
 * message. */
#include <time.h>

#include "template/template.h"
#include "test.h"

#define SECONDS_MAX                                                                                \
    20.0 /* far above what is needed, so that a sanitizer build on a busy machine passes */

static ig_status render_source(ig_str source, ig_err *err) {
    ig_template *tmpl;
    ig_buf out;
    ig_buf_init(&out, IG_TEMPLATE_OUTPUT_MAX);
    ig_status status = ig_template_create(&tmpl, source, err);
    if (!status)
        status = ig_template_render(tmpl, &(ig_template_input){0}, &out, NULL, err);
    ig_template_destroy(&tmpl);
    ig_buf_fini(&out);
    return status;
}

static void check_limit(const char *name, ig_str source, const char *limit) {
    ig_err err = {0};
    const clock_t start = clock();
    CHECK_EQ(render_source(source, &err), IG_ELIMIT);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (!strstr(err.message, limit))
        TEST_FAIL("%s: '%s' not in '%s'", name, limit, err.message);
    if (getenv("SHOW_TIMES"))
        fprintf(stderr, "%6.2f s %s\n", seconds, name);
    if (seconds > SECONDS_MAX)
        TEST_FAIL("%s: took %.1f s", name, seconds);
}

TEST(hostile_templates_hit_their_limits) {
    static const struct {
        const char *source, *limit;
    } cases[] = {
        {"{{ 'a' * 10**9 }}", "IG_TEMPLATE_OUTPUT_MAX"},
        {"{{ [0] * 10**9 }}", "IG_TEMPLATE_OUTPUT_MAX"},
        {"{{ range(10**12) }}", "MAX_RANGE"},
        {"{{ 2 ** 64 }}", "64 bits"},
        {"{{ 10 ** 18 * 10 }}", "64 bits"},
        {"{% set ns = namespace(s='x') %}{% for i in range(1000) %}{% set ns.s = ns.s + ns.s %}{% "
         "endfor %}",
         "IG_TEMPLATE_OUTPUT_MAX"},
        {"{% set ns = namespace(s='x') %}{% for i in range(1000) %}{% set ns.s = ns.s|replace('x', "
         "'xx') %}{% endfor %}",
         "IG_TEMPLATE_"},
        {"{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = ns.l + ns.l %}{% "
         "endfor %}",
         "arena limit"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor "
         "%}{{ ns.l }}",
         "IG_TEMPLATE_STACK_MAX"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor "
         "%}{{ ns.l|tojson }}",
         "IG_TEMPLATE_STACK_MAX"},
        {"{% set ns = namespace(l=[]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% endfor "
         "%}{{ ns.l == [ns.l] }}",
         "IG_TEMPLATE_STACK_MAX"},
        {"{% set ns = namespace(l=()) %}{% for i in range(5000) %}{% set ns.l = (ns.l,) %}{% "
         "endfor %}{{ {ns.l: 1} }}",
         "IG_TEMPLATE_STACK_MAX"},
        {"{% set ns = namespace(l=[]) %}{% set ns.l = [ns, ns] %}{{ ns }}", "IG_TEMPLATE_"},
        {"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "IG_TEMPLATE_STACK_MAX"},
        {"{% macro a() %}{% set x = caller %}{% call a() %}{% endcall %}{% endmacro %}{{ a() }}",
         "IG_TEMPLATE_STACK_MAX"},
        {"{% macro m() %}{{ m() }}{{ m() }}{{ m() }}{% if 0 %}{% endif %}{% endmacro %}{{ m() }}",
         "IG_TEMPLATE_"},
        {"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "IG_TEMPLATE_STACK_MAX"},
        {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% for a in range(99999) %}{% for b in range(99999) %}{{ a }}{% endfor %}{% endfor %}",
         "IG_TEMPLATE_"},
        {"{% set s = 'é' * 1000000 %}{% for a in range(99999) %}{% if s[999999] %}{% endif %}{% "
         "endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set s = 'ab' * 1000000 %}{% for a in range(99999) %}{% if s.find('ba' * 40 ~ 'x') "
         "%}{% endif %}{% endfor %}",
         "IG_TEMPLATE_"},
        {"{% set s = 'a' * 2000000 %}{% for a in range(99) %}{% set x = s.split('a') %}{% endfor "
         "%}",
         "arena limit"},
        {"{% set s = 'a' * 1000000 %}{% for a in range(9999) %}{% if s.rsplit('a' * 1000 ~ 'b', 1) "
         "%}{% endif %}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{{ ('a' * 30000000 ~ 'b').count('a' * 15000000 ~ 'c') }}{% for a in range(99999) %}{{ "
         "'x' * 10000 }}{% endfor %}",
         "IG_TEMPLATE_OUTPUT_MAX"},
        {"{{ '%5000d' % 1 }}", "wider than"},
        {"{{ '{:99999999999999999999}'.format(1) }}", "wider than"},
        {"{{ [1]|tojson(indent=10**9) }}", "too wide"},
        {"{{ 'x'.ljust(10**10) }}", "IG_TEMPLATE_OUTPUT_MAX"},
        {"{{ 'x'|indent(10**15, true) }}", "IG_TEMPLATE_OUTPUT_MAX"},
        {"{{ range(90000)|batch(10**15, 'x')|list }}", "arena limit"},
        {"{{ [1]|slice(10**15)|list }}", "arena limit"},
        {"{% set d = dict() %}{% for i in range(999) %}{% for j in range(999) %}{% set d = dict(d, "
         "**{'k' ~ i ~ j: 1}) %}"
         "{% endfor %}{% endfor %}",
         "arena limit"},
        {"{{ range(100000)|map('string')|join(',' * 100000) }}", "IG_TEMPLATE_OUTPUT_MAX"},
        /* What looks at many bytes counts as many steps. */
        {"{% set s = 'a' * 60000000 %}{% for i in range(99999) %}{% if s.startswith(s) %}{% endif "
         "%}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set s = 'a' * 60000000 %}{% for i in range(99999) %}{% set t = s.removesuffix(s) %}{% "
         "endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set s = 'a' * 60000000 %}{% set a = s ~ 'b' %}{% set b = s ~ 'c' %}{% for i in "
         "range(99999) %}{% if a == b or a is sameas b %}{% endif %}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set s = ' ' * 60000000 %}{% for i in range(99999) %}{% set t = s|int + s|float %}{% "
         "endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set s = 'a ' ~ 'b' * 60000000 %}{% for i in range(99999) %}{% set t = "
         "s|truncate(50000000) %}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set p = 'a' * 60000000 %}{% set l = range(99999)|map(attribute=p)|list %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set d = namespace() %}{% set k = 'a' * 30000000 %}{% for i in range(99999) %}{% if "
         "d[k] %}{% endif %}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{% set f = '{0.' ~ 'a' * 60000000 ~ '}' %}{% for i in range(99999) %}{% set t = "
         "f.format(1) %}{% endfor %}",
         "IG_TEMPLATE_STEPS_MAX"},
        {"{{ (('[' ~ '{},' * 20000000) ~ '{}]')|from_json }}", "IG_TEMPLATE_JSON_BYTES_MAX"},
        {"{% set s = '[' ~ '{},' * 100000 ~ '{}]' %}{% for i in range(9) %}{% set j = s|from_json "
         "%}{% endfor %}",
         "IG_TEMPLATE_JSON_BYTES_MAX"},
        {"{{ namespace(a=1e308 * 1e308)['a']|int }}", "64 bits"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++)
        check_limit(cases[i].source, ig_str_of(cases[i].source), cases[i].limit);
}

/* `open` n times, `middle`, `close` n times. */
static ig_status render_nested(const char *open, const char *middle, const char *close, size_t n,
                               ig_err *err) {
    ig_buf source;
    ig_buf_init(&source, IG_TEMPLATE_BYTES_MAX + 1);
    ig_status status = IG_OK;
    for (size_t i = 0; i < n && !status; i++)
        status = ig_buf_add_str(&source, ig_str_of(open), err);
    status = status ? status : ig_buf_add_str(&source, ig_str_of(middle), err);
    for (size_t i = 0; i < n && !status; i++)
        status = ig_buf_add_str(&source, ig_str_of(close), err);
    status = status ? status : render_source(ig_buf_str(&source), err);
    ig_buf_fini(&source);
    return status;
}

TEST(nesting_of_the_source_is_limited) {
    static const struct {
        const char *open, *middle, *close;
    } cases[] = {
        {"{% if 1 %}", "x", "{% endif %}"},
        {"{% for a in [1] %}", "x", "{% endfor %}"},
        {"{% macro m() %}", "x", "{% endmacro %}"},
        {"{% filter upper %}", "x", "{% endfilter %}"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        ig_err err = {0};
        CHECK_OK(render_nested(cases[i].open, cases[i].middle, cases[i].close, 90, &err));
        CHECK_EQ(render_nested(cases[i].open, cases[i].middle, cases[i].close, 30000, &err),
                 IG_ELIMIT);
        CHECK(strstr(err.message, "IG_TEMPLATE_DEPTH_MAX") != NULL);
    }
    static const char *const expressions[][3] = {
        {"{{ (", "1", ") }}"},  {"{{ [", "1", "] }}"},           {"{{ not ", "1", " }}"},
        {"{{ - ", "1", " }}"},  {"{{ 1 if 1 else ", "1", " }}"}, {"{{ {1:", "1", "} }}"},
        {"{{ x(", "1", ") }}"}, {"{{ x[", "1", "] }}"},
    };
    for (size_t i = 0; i < IG_COUNT(expressions); i++) {
        ig_err err = {0};
        char open[32], close[32];
        snprintf(open, sizeof open, "%s", expressions[i][0] + 3);
        snprintf(close, sizeof close, "%.*s", (int)strcspn(expressions[i][2], " "),
                 expressions[i][2]);
        ig_buf whole;
        ig_buf_init(&whole, IG_TEMPLATE_BYTES_MAX);
        CHECK_OK(ig_buf_addf(&whole, &err, "{{ "));
        for (int k = 0; k < 20000; k++)
            CHECK_OK(ig_buf_add_str(&whole, ig_str_of(open), &err));
        CHECK_EQ(render_source(ig_buf_str(&whole), &err) == IG_OK, false);
        if (!strstr(err.message, "IG_TEMPLATE_DEPTH_MAX"))
            TEST_FAIL("%s: %s", open, err.message);
        ig_buf_fini(&whole);
    }
}

/* The name of a variable is hashed at every look-up; constants are steps as well. */
TEST(work_of_long_sources_is_limited) {
    static const struct {
        const char *open, *middle;
        size_t n;
        const char *close;
    } cases[] = {
        {"{% for i in range(99999) %}{% for j in range(99999) %}{% if ", "a", 900000,
         " %}{% endif %}{% endfor %}{% endfor %}"},
        {"{% for i in range(99999) %}{% for j in range(99999) %}{% if 0 %}", "{% elif 0 %}", 80000,
         "{% endif %}{% endfor %}{% endfor %}"},
        {"{% for i in range(99999) %}{% for j in range(99999) %}{% if 0 ", "or 0 ", 190000,
         "%}{% endif %}{% endfor %}{% endfor %}"},
    };
    for (size_t i = 0; i < IG_COUNT(cases); i++) {
        ig_buf source;
        ig_err err = {0};
        ig_buf_init(&source, IG_TEMPLATE_BYTES_MAX);
        CHECK_OK(ig_buf_add_str(&source, ig_str_of(cases[i].open), &err));
        for (size_t k = 0; k < cases[i].n; k++)
            CHECK_OK(ig_buf_add_str(&source, ig_str_of(cases[i].middle), &err));
        CHECK_OK(ig_buf_add_str(&source, ig_str_of(cases[i].close), &err));
        check_limit(cases[i].middle, ig_buf_str(&source), "IG_TEMPLATE_STEPS_MAX");
        ig_buf_fini(&source);
    }
}

/* 85,000 names whose FNV-1a hashes lie in 600 of 262,144 places. */
TEST(names_cannot_be_made_to_collide) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    ig_buf source;
    ig_err err = {0};
    ig_buf_init(&source, IG_TEMPLATE_BYTES_MAX);
    for (uint64_t k = 0, made = 0; made < 85000; k++) {
        char name[6];
        uint64_t rest = k, hash = 0xcbf29ce484222325u;
        for (size_t i = 0; i < sizeof name; i++, rest /= sizeof letters - 1) {
            name[i] = letters[rest % (sizeof letters - 1)];
            hash = (hash ^ (unsigned char)name[i]) * 0x100000001b3u;
        }
        if (((hash ^ hash >> 29) & 0x3ffff) >= 600)
            continue;
        CHECK_OK(ig_buf_addf(&source, &err, "{{%.6s}}", name));
        made++;
    }
    const clock_t start = clock();
    CHECK_OK(render_source(ig_buf_str(&source), &err));
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < SECONDS_MAX);
    ig_buf_fini(&source);
}

/* Chains are flat: their length is no nesting. */
TEST(long_chains_are_fine) {
    ig_err err = {0};
    CHECK_OK(render_nested("{{ 1 }}", "", "{% set a = 1 %}", 20000, &err));
    ig_buf whole;
    ig_buf_init(&whole, IG_TEMPLATE_BYTES_MAX);
    CHECK_OK(ig_buf_addf(&whole, &err, "{{ 'a'"));
    for (int i = 0; i < 20000; i++)
        CHECK_OK(ig_buf_addf(&whole, &err, " %s 'b'", i % 2 ? "+" : "~"));
    CHECK_OK(ig_buf_addf(&whole, &err, " }}{%% if 0 %%}"));
    for (int i = 0; i < 10000; i++)
        CHECK_OK(ig_buf_addf(&whole, &err, "{%% elif x%d %%}", i));
    CHECK_OK(ig_buf_addf(&whole, &err, "{%% endif %%}"));
    CHECK_OK(render_source(ig_buf_str(&whole), &err));
    ig_buf_fini(&whole);
}

/* Appending in a loop is linear: 400,000 pieces onto one string stay inside the memory limit. */
TEST(appending_is_linear) {
    ig_err err = {0};
    CHECK_OK(render_source(
        IG_STR("{% set ns = namespace(s='') %}{% for i in range(400) %}{% for j in range(1000) %}"
               "{% set ns.s = ns.s + 'piece' %}{% endfor %}{% endfor %}{{ ns.s|length }}"),
        &err));
}

TEST(size_of_the_source_is_limited) {
    ig_err err = {0};
    CHECK_EQ(render_nested("aaaaaaaaaaaaaaaa", "a", "", IG_TEMPLATE_BYTES_MAX / 16, &err),
             IG_ELIMIT);
    CHECK(strstr(err.message, "IG_TEMPLATE_BYTES_MAX") != NULL);
    CHECK_EQ(render_source(IG_STR("\xff"), &err), IG_EFORMAT);
    CHECK_OK(render_source(IG_STR("\0{{ 1 }}"), &err));
    CHECK_EQ(render_source(IG_STR("{{ \0 }}"), &err), IG_EFORMAT);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(hostile_templates_hit_their_limits),
               T(nesting_of_the_source_is_limited), T(work_of_long_sources_is_limited),
               T(names_cannot_be_made_to_collide), T(long_chains_are_fine), T(appending_is_linear),
               T(size_of_the_source_is_limited));
}
