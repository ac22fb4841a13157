/* tmpl_operate.c: Python's operators: truth, equality, order, membership, arithmetic, len(). */
#include "template/template_int.h"

#include <math.h>

static const char *const TYPE_NAMES[] = {
    [TMPL_MISSING] = "Undefined", [TMPL_UNDEFINED] = "Undefined",
    [TMPL_NONE] = "NoneType",     [TMPL_BOOL] = "bool",
    [TMPL_INT] = "int",           [TMPL_REAL] = "float",
    [TMPL_STR] = "str",           [TMPL_LIST] = "list",
    [TMPL_TUPLE] = "tuple",       [TMPL_DICT] = "dict",
    [TMPL_VIEW] = "dict view",    [TMPL_ITER] = "generator",
    [TMPL_RANGE] = "range",       [TMPL_NAMESPACE] = "Namespace",
    [TMPL_LOOP] = "LoopContext",  [TMPL_MACRO] = "Macro",
    [TMPL_METHOD] = "method",     [TMPL_FUNCTION] = "function",
    [TMPL_JOINER] = "Joiner",     [TMPL_CYCLER] = "Cycler",
};
_Static_assert(IG_COUNT(TYPE_NAMES) == TMPL_KINDS, "a name per kind");

const char *tmpl_type_name(const tmpl_value *v) {
    return TYPE_NAMES[v->kind];
}

static ig_status enter(tmpl_ctx *c) {
    if (++c->depth > IG_TEMPLATE_STACK_MAX)
        return tmpl_fail(c, IG_ELIMIT, "value nested deeper than %u (IG_TEMPLATE_STACK_MAX)",
                         IG_TEMPLATE_STACK_MAX);
    return tmpl_charge(c, 0);
}

ig_status tmpl_length(tmpl_ctx *c, const tmpl_value *v, size_t *n) {
    *n = 0;
    switch (v->kind) {
    case TMPL_UNDEFINED:
        return IG_OK;
    case TMPL_STR:
        *n = tmpl_cp_count(v->u.s);
        return tmpl_charge(c, v->u.s.n);
    case TMPL_LIST:
    case TMPL_TUPLE:
    case TMPL_VIEW:
        *n = v->u.list->n;
        return IG_OK;
    case TMPL_DICT:
        *n = v->u.dict->n;
        return IG_OK;
    case TMPL_RANGE:
        *n = v->u.range->n;
        return IG_OK;
    case TMPL_LOOP:
        return tmpl_loop_length(c, v->u.loop, n);
    default:
        return tmpl_fail(c, IG_EARGUMENT, "object of type '%s' has no len()", tmpl_type_name(v));
    }
}

ig_status tmpl_truth(tmpl_ctx *c, const tmpl_value *v, bool *out) {
    size_t n;
    switch (v->kind) {
    case TMPL_MISSING:
    case TMPL_UNDEFINED:
    case TMPL_NONE:
        *out = false;
        return IG_OK;
    case TMPL_BOOL:
    case TMPL_INT:
        *out = tmpl_as_int(v) != 0;
        return IG_OK;
    case TMPL_REAL:
        *out = v->u.d < 0 || v->u.d > 0 || isnan(v->u.d);
        return IG_OK;
    case TMPL_STR:
        *out = v->u.s.n > 0;
        return IG_OK;
    case TMPL_LIST:
    case TMPL_TUPLE:
    case TMPL_VIEW:
    case TMPL_DICT:
    case TMPL_RANGE:
    case TMPL_LOOP:
        IG_TRY(tmpl_length(c, v, &n));
        *out = n > 0;
        return IG_OK;
    default: /* generators, functions, objects */
        *out = true;
        return IG_OK;
    }
}

/* ---- equality ---- */

static ig_status equal_lists(tmpl_ctx *c, const tmpl_list *a, const tmpl_list *b, bool *out) {
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++)
        IG_TRY(tmpl_equal(c, &a->items[i], &b->items[i], out));
    return IG_OK;
}

static ig_status equal_dicts(tmpl_ctx *c, const tmpl_dict *a, const tmpl_dict *b, bool *out) {
    *out = a->n == b->n;
    for (size_t i = 0; i < a->n && *out; i++) {
        tmpl_value *other;
        IG_TRY(tmpl_dict_find(c, b, &a->entries[i].key, &other));
        *out = other != NULL;
        if (other)
            IG_TRY(tmpl_equal(c, &a->entries[i].value, other, out));
    }
    return IG_OK;
}

/* The numbers are compared exactly, also an int beyond 2^53 with a float. */
static int order_numbers(const tmpl_value *a, const tmpl_value *b, bool *ordered) {
    *ordered = true;
    if (tmpl_is_int(a) && tmpl_is_int(b))
        return (tmpl_as_int(a) > tmpl_as_int(b)) - (tmpl_as_int(a) < tmpl_as_int(b));
    const double x = tmpl_as_real(a), y = tmpl_as_real(b);
    *ordered = !isnan(x) && !isnan(y);
    if (x < y || x > y || !*ordered)
        return (x > y) - (x < y);
    if (a->kind == b->kind || fabs(x) < 0x1p53 || fabs(x) >= 0x1p63)
        return 0;
    const int64_t i = tmpl_is_int(a) ? tmpl_as_int(a) : (int64_t)x,
                  j = tmpl_is_int(b) ? tmpl_as_int(b) : (int64_t)y;
    return (i > j) - (i < j);
}

ig_status tmpl_equal(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, bool *out) {
    bool ordered;
    *out = false;
    if (tmpl_is_number(a) && tmpl_is_number(b)) {
        *out = order_numbers(a, b, &ordered) == 0 && ordered;
        return IG_OK;
    }
    if (a->kind != b->kind)
        return IG_OK;
    switch (a->kind) {
    case TMPL_UNDEFINED:
    case TMPL_NONE:
        *out = true;
        return IG_OK;
    case TMPL_STR:
        *out = ig_str_eq(a->u.s, b->u.s);
        return tmpl_charge(c, a->u.s.n == b->u.s.n ? a->u.s.n : 0);
    case TMPL_LIST:
    case TMPL_TUPLE:
        IG_TRY(enter(c));
        IG_TRY(equal_lists(c, a->u.list, b->u.list, out));
        c->depth--;
        return IG_OK;
    case TMPL_DICT:
        IG_TRY(enter(c));
        IG_TRY(equal_dicts(c, a->u.dict, b->u.dict, out));
        c->depth--;
        return IG_OK;
    case TMPL_RANGE: {
        const tmpl_range *r = a->u.range, *s = b->u.range;
        *out = r->n == s->n &&
               (r->n == 0 || (r->start == s->start && (r->n == 1 || r->step == s->step)));
        return IG_OK;
    }
    default: /* identity */
        *out = a->u.list == b->u.list;
        return IG_OK;
    }
}

/* ---- order ---- */

static ig_status order_lists(tmpl_ctx *c, const tmpl_list *a, const tmpl_list *b, int *sign,
                             bool *ordered) {
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        bool same;
        IG_TRY(tmpl_equal(c, &a->items[i], &b->items[i], &same));
        if (!same)
            return tmpl_order(c, &a->items[i], &b->items[i], sign, ordered);
    }
    *sign = (a->n > b->n) - (a->n < b->n);
    return IG_OK;
}

ig_status tmpl_fail_undefined(tmpl_ctx *c, const tmpl_value *v) {
    if (v->u.s.n == 0)
        return tmpl_fail(c, IG_EARGUMENT, "an undefined value is used");
    return tmpl_fail(c, IG_EARGUMENT, "'%.*s' is undefined", IG_STR_ARG(v->u.s));
}

ig_status tmpl_order(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, int *sign,
                     bool *ordered) {
    *ordered = true;
    *sign = 0;
    IG_TRY(tmpl_charge(c, 0));
    if (tmpl_is_number(a) && tmpl_is_number(b)) {
        *sign = order_numbers(a, b, ordered);
        return IG_OK;
    }
    if (a->kind == TMPL_STR && b->kind == TMPL_STR) { /* UTF-8 bytes order as code points do */
        size_t n = IG_MIN(a->u.s.n, b->u.s.n);
        int d = n ? memcmp(a->u.s.p, b->u.s.p, n) : 0;
        *sign = d ? (d > 0) - (d < 0) : (a->u.s.n > b->u.s.n) - (a->u.s.n < b->u.s.n);
        return tmpl_charge(c, n);
    }
    if (a->kind == b->kind && (a->kind == TMPL_LIST || a->kind == TMPL_TUPLE)) {
        IG_TRY(enter(c));
        IG_TRY(order_lists(c, a->u.list, b->u.list, sign, ordered));
        c->depth--;
        return IG_OK;
    }
    if (a->kind == TMPL_UNDEFINED || b->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, a->kind == TMPL_UNDEFINED ? a : b);
    return tmpl_fail(c, IG_EARGUMENT, "'<' not supported between instances of '%s' and '%s'",
                     tmpl_type_name(a), tmpl_type_name(b));
}

/* ---- membership ---- */

static ig_status contains_in_iterable(tmpl_ctx *c, const tmpl_value *item, const tmpl_value *in,
                                      bool *out) {
    tmpl_iter it;
    tmpl_value each;
    bool more;
    IG_TRY(tmpl_iter_start(c, in, &it));
    for (*out = false; !*out;) {
        IG_TRY(tmpl_iter_next(c, &it, &each, &more));
        if (!more)
            break;
        IG_TRY(tmpl_equal(c, item, &each, out));
    }
    return IG_OK;
}

ig_status tmpl_contains(tmpl_ctx *c, const tmpl_value *item, const tmpl_value *in, bool *out) {
    if (in->kind == TMPL_STR) {
        if (item->kind != TMPL_STR)
            return tmpl_fail(c, IG_EARGUMENT,
                             "'in <string>' requires string as left operand, not %s",
                             tmpl_type_name(item));
        *out = tmpl_find(in->u.s, item->u.s, 0) <= in->u.s.n;
        return tmpl_charge_scan(c, in->u.s.n);
    }
    if (in->kind == TMPL_DICT) {
        tmpl_value *found;
        IG_TRY(tmpl_dict_find(c, in->u.dict, item, &found));
        *out = found != NULL;
        return IG_OK;
    }
    return contains_in_iterable(c, item, in, out);
}

ig_status tmpl_compare(tmpl_ctx *c, tmpl_op op, const tmpl_value *a, const tmpl_value *b,
                       bool *out) {
    int sign;
    bool ordered;
    switch ((int)op) {
    case TMPL_EQ:
        return tmpl_equal(c, a, b, out);
    case TMPL_NE:
        IG_TRY(tmpl_equal(c, a, b, out));
        *out = !*out;
        return IG_OK;
    case TMPL_IN:
        return tmpl_contains(c, a, b, out);
    case TMPL_NOTIN:
        IG_TRY(tmpl_contains(c, a, b, out));
        *out = !*out;
        return IG_OK;
    default:
        break;
    }
    IG_TRY(tmpl_order(c, a, b, &sign, &ordered));
    *out = ordered && (op == TMPL_LT   ? sign < 0
                       : op == TMPL_LE ? sign <= 0
                       : op == TMPL_GT ? sign > 0
                                       : sign >= 0);
    return IG_OK;
}

/* ---- arithmetic ---- */

static const char *const OP_NAMES[] = {
    [TMPL_ADD] = "+",       [TMPL_SUB] = "-", [TMPL_MUL] = "*", [TMPL_DIV] = "/",
    [TMPL_FLOORDIV] = "//", [TMPL_MOD] = "%", [TMPL_POW] = "**"};

static ig_status overflow(tmpl_ctx *c, tmpl_op op) {
    return tmpl_fail(c, IG_ELIMIT,
                     "integer result of '%s' does not fit 64 bits, larger ones are not supported",
                     OP_NAMES[op]);
}

static ig_status power_int(tmpl_ctx *c, int64_t base, int64_t exponent, tmpl_value *out) {
    int64_t result = 1;
    if (exponent < 0) {
        if (base == 0)
            return tmpl_fail(c, IG_EARGUMENT, "0.0 cannot be raised to a negative power");
        *out = tmpl_real(pow((double)base, (double)exponent));
        return IG_OK;
    }
    bool square_fits = true; /* base * base may overflow as long as it is not used */
    while (exponent) {
        if (exponent & 1) {
            if (!square_fits || __builtin_mul_overflow(result, base, &result))
                return overflow(c, TMPL_POW);
        }
        exponent >>= 1;
        square_fits = square_fits && !__builtin_mul_overflow(base, base, &base);
    }
    *out = tmpl_int(result);
    return IG_OK;
}

static ig_status integers(tmpl_ctx *c, tmpl_op op, int64_t a, int64_t b, tmpl_value *out) {
    int64_t r = 0;
    bool over = false;
    if ((op == TMPL_DIV || op == TMPL_FLOORDIV || op == TMPL_MOD) && b == 0)
        return tmpl_fail(c, IG_EARGUMENT, "division by zero");
    switch ((int)op) {
    case TMPL_ADD:
        over = __builtin_add_overflow(a, b, &r);
        break;
    case TMPL_SUB:
        over = __builtin_sub_overflow(a, b, &r);
        break;
    case TMPL_MUL:
        over = __builtin_mul_overflow(a, b, &r);
        break;
    case TMPL_DIV:
        *out = tmpl_real((double)a / (double)b);
        return IG_OK;
    case TMPL_FLOORDIV: /* rounds down; the remainder has the divisor's sign */
        over = b == -1 && a == INT64_MIN;
        r = over ? 0 : b == -1 ? -a : a / b - (a % b != 0 && (a < 0) != (b < 0));
        break;
    case TMPL_MOD:
        r = b == -1 ? 0 : a % b;
        r += r != 0 && (r < 0) != (b < 0) ? b : 0;
        break;
    default:
        return power_int(c, a, b, out);
    }
    *out = tmpl_int(r);
    return over ? overflow(c, op) : IG_OK;
}

/* Python's float modulo and floor division, which agree with each other. */
static double floor_mod(double a, double b, double *quotient) {
    double m = fmod(a, b), q = (a - m) / b;
    if (m < 0 || m > 0) {
        if ((b < 0) != (m < 0)) {
            m += b;
            q -= 1;
        }
    } else {
        m = copysign(0, b);
    }
    double whole = floor(q);
    whole += q - whole > 0.5 ? 1 : 0;
    *quotient = q < 0 || q > 0 ? whole : copysign(0, a / b);
    return m;
}

static ig_status reals(tmpl_ctx *c, tmpl_op op, double a, double b, tmpl_value *out) {
    double q, m;
    if ((op == TMPL_DIV || op == TMPL_FLOORDIV || op == TMPL_MOD) && fpclassify(b) == FP_ZERO)
        return tmpl_fail(c, IG_EARGUMENT, "float division by zero");
    switch ((int)op) {
    case TMPL_ADD:
        *out = tmpl_real(a + b);
        return IG_OK;
    case TMPL_SUB:
        *out = tmpl_real(a - b);
        return IG_OK;
    case TMPL_MUL:
        *out = tmpl_real(a * b);
        return IG_OK;
    case TMPL_DIV:
        *out = tmpl_real(a / b);
        return IG_OK;
    case TMPL_FLOORDIV:
    case TMPL_MOD:
        m = floor_mod(a, b, &q);
        *out = tmpl_real(op == TMPL_MOD ? m : q);
        return IG_OK;
    default:
        m = pow(a, b);
        if (isfinite(a) && isfinite(b) && !isfinite(m))
            return tmpl_fail(c, IG_EARGUMENT, "result of '**' is not a finite real number");
        *out = tmpl_real(m);
        return IG_OK;
    }
}

static ig_status add_strings(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b,
                             tmpl_value *out) {
    ig_str x = a->u.s, y = b->u.s;
    *out = (tmpl_value){.kind = TMPL_STR, .markup = a->markup || b->markup};
    if (out->markup) {
        IG_TRY(tmpl_escape(c, a, &x));
        IG_TRY(tmpl_escape(c, b, &y));
    }
    return tmpl_concat(c, x, y, &out->u.s);
}

static ig_status add_lists(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, tmpl_value *out) {
    tmpl_list *list;
    IG_TRY(tmpl_list_new(c, a->u.list->n + b->u.list->n, &list));
    for (size_t i = 0; i < a->u.list->n; i++)
        list->items[list->n++] = a->u.list->items[i];
    for (size_t i = 0; i < b->u.list->n; i++)
        list->items[list->n++] = b->u.list->items[i];
    *out = tmpl_list_value(a->kind, list);
    return IG_OK;
}

static ig_status repeat(tmpl_ctx *c, const tmpl_value *v, int64_t times, tmpl_value *out) {
    size_t bytes;
    const size_t n = times > 0 ? (size_t)times : 0;
    const size_t one = v->kind == TMPL_STR ? v->u.s.n : v->u.list->n * sizeof(tmpl_value);
    if (!ig_mul(n, one, &bytes) || bytes > IG_TEMPLATE_OUTPUT_MAX)
        return tmpl_fail(c, IG_ELIMIT,
                         "repeated %s is larger than %u bytes (IG_TEMPLATE_OUTPUT_MAX)",
                         tmpl_type_name(v), IG_TEMPLATE_OUTPUT_MAX);
    IG_TRY(tmpl_charge(c, bytes));
    *out = *v;
    if (v->kind == TMPL_STR) {
        char *p;
        IG_TRY(ig_arena_new(&c->arena, bytes, 1, &p, c->err));
        for (size_t i = 0; one && i < n; i++)
            memcpy(p + i * one, v->u.s.p, one);
        out->u.s = (ig_str){p, bytes};
        return IG_OK;
    }
    out->view = 0; /* no longer a group of groupby */
    IG_TRY(tmpl_list_new(c, one ? n * v->u.list->n : 0, &out->u.list));
    for (size_t i = 0; one && i < n; i++) {
        for (size_t k = 0; k < v->u.list->n; k++)
            out->u.list->items[out->u.list->n++] = v->u.list->items[k];
    }
    return IG_OK;
}

static bool repeats(const tmpl_value *v) {
    return v->kind == TMPL_STR || v->kind == TMPL_LIST || v->kind == TMPL_TUPLE;
}

ig_status tmpl_binary(tmpl_ctx *c, tmpl_op op, const tmpl_value *a, const tmpl_value *b,
                      tmpl_value *out) {
    IG_TRY(tmpl_charge(c, 0));
    if (tmpl_is_int(a) && tmpl_is_int(b))
        return integers(c, op, tmpl_as_int(a), tmpl_as_int(b), out);
    if (tmpl_is_number(a) && tmpl_is_number(b))
        return reals(c, op, tmpl_as_real(a), tmpl_as_real(b), out);
    if (op == TMPL_MOD && a->kind == TMPL_STR)
        return tmpl_percent_format(c, a->u.s, b, a->markup, out);
    if (a->kind == TMPL_UNDEFINED || b->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, a->kind == TMPL_UNDEFINED ? a : b);
    if (op == TMPL_ADD && a->kind == TMPL_STR && b->kind == TMPL_STR)
        return add_strings(c, a, b, out);
    if (op == TMPL_ADD && a->kind == b->kind && (a->kind == TMPL_LIST || a->kind == TMPL_TUPLE))
        return add_lists(c, a, b, out);
    if (op == TMPL_MUL && repeats(a) && tmpl_is_int(b))
        return repeat(c, a, tmpl_as_int(b), out);
    if (op == TMPL_MUL && repeats(b) && tmpl_is_int(a))
        return repeat(c, b, tmpl_as_int(a), out);
    return tmpl_fail(c, IG_EARGUMENT, "unsupported operand type(s) for %s: '%s' and '%s'",
                     OP_NAMES[op], tmpl_type_name(a), tmpl_type_name(b));
}
