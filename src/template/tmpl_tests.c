/* tmpl_tests.c: what may stand after `is`. */
#include "template/template_int.h"

#define TEST(name)                                                                                 \
    static ig_status name(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args, tmpl_value *out)

/* Tests that only look at the kind: a set of kinds as bits. */
#define BIT(kind) (1u << (kind))
#define KINDS_CALLABLE                                                                             \
    (BIT(TMPL_MACRO) | BIT(TMPL_METHOD) | BIT(TMPL_FUNCTION) | BIT(TMPL_LOOP) | BIT(TMPL_JOINER) | \
     BIT(TMPL_UNDEFINED))
#define KINDS_SEQUENCE                                                                             \
    (BIT(TMPL_STR) | BIT(TMPL_LIST) | BIT(TMPL_TUPLE) | BIT(TMPL_DICT) | BIT(TMPL_RANGE) |         \
     BIT(TMPL_UNDEFINED))
#define KINDS_ITERABLE (KINDS_SEQUENCE | BIT(TMPL_VIEW) | BIT(TMPL_ITER) | BIT(TMPL_LOOP))

static ig_status kind_in(const tmpl_value *v, unsigned kinds, tmpl_value *out) {
    *out = tmpl_bool(kinds >> v->kind & 1);
    return IG_OK;
}
#define KIND_TEST(name, kinds)                                                                     \
    TEST(name) {                                                                                   \
        (void)c;                                                                                   \
        (void)args;                                                                                \
        return kind_in(a, (kinds), out);                                                           \
    }
KIND_TEST(is_undefined, BIT(TMPL_UNDEFINED))
KIND_TEST(is_defined, ~BIT(TMPL_UNDEFINED))
KIND_TEST(is_none, BIT(TMPL_NONE))
KIND_TEST(is_boolean, BIT(TMPL_BOOL))
KIND_TEST(is_integer, BIT(TMPL_INT))
KIND_TEST(is_float, BIT(TMPL_REAL))
KIND_TEST(is_number, BIT(TMPL_BOOL) | BIT(TMPL_INT) | BIT(TMPL_REAL))
KIND_TEST(is_string, BIT(TMPL_STR))
KIND_TEST(is_mapping, BIT(TMPL_DICT))
KIND_TEST(is_sequence, KINDS_SEQUENCE)
KIND_TEST(is_iterable, KINDS_ITERABLE)
KIND_TEST(is_callable, KINDS_CALLABLE)

TEST(is_true) {
    (void)c;
    (void)args;
    *out = tmpl_bool(a[0].kind == TMPL_BOOL && a[0].u.b);
    return IG_OK;
}

TEST(is_false) {
    (void)c;
    (void)args;
    *out = tmpl_bool(a[0].kind == TMPL_BOOL && !a[0].u.b);
    return IG_OK;
}

TEST(is_escaped) {
    (void)c;
    (void)args;
    *out = tmpl_bool(a[0].kind == TMPL_STR && a[0].markup);
    return IG_OK;
}

/* v % by == want */
static ig_status remainder_is(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *by, int64_t want,
                              tmpl_value *out) {
    const tmpl_value expected = tmpl_int(want);
    tmpl_value rest;
    bool same;
    IG_TRY(tmpl_binary(c, TMPL_MOD, v, by, &rest));
    IG_TRY(tmpl_equal(c, &rest, &expected, &same));
    *out = tmpl_bool(same);
    return IG_OK;
}
TEST(is_odd) {
    const tmpl_value two = tmpl_int(2);
    (void)args;
    return remainder_is(c, &a[0], &two, 1, out);
}
TEST(is_even) {
    const tmpl_value two = tmpl_int(2);
    (void)args;
    return remainder_is(c, &a[0], &two, 0, out);
}
TEST(is_divisibleby) {
    (void)args;
    return remainder_is(c, &a[0], &a[1], 0, out);
}

static ig_status by_method(tmpl_ctx *c, const tmpl_value *v, const char *name, tmpl_value *out) {
    bool unsafe;
    tmpl_value text = {.kind = TMPL_STR};
    const tmpl_args none = {0};
    IG_TRY(tmpl_to_str(c, v, &text.u.s));
    return tmpl_call_row(c, tmpl_find_method(TMPL_STR, ig_str_of(name), &unsafe), &text, &none,
                         out);
}
TEST(is_lower) {
    (void)args;
    return by_method(c, &a[0], "islower", out);
}
TEST(is_upper) {
    (void)args;
    return by_method(c, &a[0], "isupper", out);
}

/* Identity: equal small integers and the singletons are one object in CPython too. */
TEST(is_sameas) {
    const tmpl_value *x = &a[0], *y = &a[1];
    bool same = x->kind == y->kind;
    (void)args;
    if (same && x->kind == TMPL_STR && x->u.s.n == y->u.s.n)
        IG_TRY(tmpl_charge(c, x->u.s.n));
    if (same && tmpl_is_int(x))
        same = tmpl_as_int(x) == tmpl_as_int(y);
    else if (same && x->kind == TMPL_STR)
        same = ig_str_eq(x->u.s, y->u.s) && x->markup == y->markup;
    else if (same && x->kind == TMPL_REAL)
        same = memcmp(&x->u.d, &y->u.d, sizeof x->u.d) == 0;
    else if (same && x->kind > TMPL_STR)
        same = x->u.list == y->u.list;
    *out = tmpl_bool(same);
    return IG_OK;
}

static ig_status compare(tmpl_ctx *c, tmpl_op op, const tmpl_value *a, tmpl_value *out) {
    bool yes;
    IG_TRY(tmpl_compare(c, op, &a[0], &a[1], &yes));
    *out = tmpl_bool(yes);
    return IG_OK;
}
#define COMPARE_TEST(name, op)                                                                     \
    TEST(name) {                                                                                   \
        (void)args;                                                                                \
        return compare(c, (op), a, out);                                                           \
    }
COMPARE_TEST(is_eq, TMPL_EQ)
COMPARE_TEST(is_ne, TMPL_NE)
COMPARE_TEST(is_lt, TMPL_LT)
COMPARE_TEST(is_le, TMPL_LE)
COMPARE_TEST(is_gt, TMPL_GT)
COMPARE_TEST(is_ge, TMPL_GE)
COMPARE_TEST(is_in, TMPL_IN)

TEST(is_filter) {
    ig_str name;
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[0], &name));
    *out = tmpl_bool(tmpl_find_filter(name) != NULL);
    return IG_OK;
}
TEST(is_test) {
    ig_str name;
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[0], &name));
    *out = tmpl_bool(tmpl_find_test(name) != NULL);
    return IG_OK;
}

static const tmpl_row TESTS[] = {
    {"defined", is_defined, "", 0},
    {"undefined", is_undefined, "", 0},
    {"none", is_none, "", 0},
    {"string", is_string, "", 0},
    {"mapping", is_mapping, "", 0},
    {"iterable", is_iterable, "", 0},
    {"sequence", is_sequence, "", 0},
    {"number", is_number, "", 0},
    {"integer", is_integer, "", 0},
    {"float", is_float, "", 0},
    {"boolean", is_boolean, "", 0},
    {"true", is_true, "", 0},
    {"false", is_false, "", 0},
    {"callable", is_callable, "", 0},
    {"odd", is_odd, "", 0},
    {"even", is_even, "", 0},
    {"divisibleby", is_divisibleby, "num", 1},
    {"lower", is_lower, "", 0},
    {"upper", is_upper, "", 0},
    {"sameas", is_sameas, "other", 1},
    {"escaped", is_escaped, "", 0},
    {"in", is_in, "seq", 1},
    {"filter", is_filter, "", 0},
    {"test", is_test, "", 0},
    {"eq", is_eq, "other /", 1},
    {"equalto", is_eq, "other /", 1},
    {"==", is_eq, "other /", 1},
    {"ne", is_ne, "other /", 1},
    {"!=", is_ne, "other /", 1},
    {"lt", is_lt, "other /", 1},
    {"lessthan", is_lt, "other /", 1},
    {"<", is_lt, "other /", 1},
    {"le", is_le, "other /", 1},
    {"<=", is_le, "other /", 1},
    {"gt", is_gt, "other /", 1},
    {"greaterthan", is_gt, "other /", 1},
    {">", is_gt, "other /", 1},
    {"ge", is_ge, "other /", 1},
    {">=", is_ge, "other /", 1},
};

const tmpl_row *tmpl_find_test(ig_str name) {
    return tmpl_find_row(TESTS, IG_COUNT(TESTS), name);
}
