/* tmpl_filters_text.c: filters over single values: text, numbers, defaults, JSON. */
#include "template/template_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define FILTER(name)                                                                               \
    static ig_status name(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args, tmpl_value *out)

/* soft_str: strings keep their markup, other values become plain text. */
static ig_status soft_str(tmpl_ctx *c, const tmpl_value *v, tmpl_value *out) {
    *out = (tmpl_value){.kind = TMPL_STR, .markup = v->kind == TMPL_STR && v->markup};
    return tmpl_to_str(c, v, &out->u.s);
}

/* Filters that are str methods of the soft string. */
static ig_status by_method(tmpl_ctx *c, const char *name, const tmpl_value *a, size_t n_args,
                           tmpl_value *out) {
    bool unsafe;
    tmpl_value self;
    const tmpl_args args = {.n = n_args, .at = a + 1};
    IG_TRY(soft_str(c, &a[0], &self));
    return tmpl_call_row(c, tmpl_find_method(TMPL_STR, ig_str_of(name), &unsafe), &self, &args,
                         out);
}

FILTER(text_upper) {
    (void)args;
    return by_method(c, "upper", a, 0, out);
}
FILTER(text_lower) {
    (void)args;
    return by_method(c, "lower", a, 0, out);
}
FILTER(text_capitalize) {
    (void)args;
    return by_method(c, "capitalize", a, 0, out);
}
FILTER(text_trim) {
    (void)args;
    return by_method(c, "strip", a, a[1].kind != TMPL_MISSING, out);
}
FILTER(text_center) {
    const tmpl_value both[2] = {a[0], a[1].kind == TMPL_MISSING ? tmpl_int(80) : a[1]};
    (void)args;
    return by_method(c, "center", both, 1, out);
}

FILTER(text_string) {
    (void)args;
    return soft_str(c, &a[0], out);
}

FILTER(text_safe) {
    (void)args;
    IG_TRY(soft_str(c, &a[0], out));
    out->markup = true;
    return IG_OK;
}

FILTER(text_escape) {
    (void)args;
    *out = (tmpl_value){.kind = TMPL_STR, .markup = true};
    return tmpl_escape(c, &a[0], &out->u.s);
}

FILTER(text_forceescape) {
    tmpl_value plain;
    (void)args;
    IG_TRY(soft_str(c, &a[0], &plain));
    plain.markup = false;
    *out = (tmpl_value){.kind = TMPL_STR, .markup = true};
    return tmpl_escape(c, &plain, &out->u.s);
}

/* Words begin after blanks, hyphens and opening brackets. */
FILTER(text_title) {
    const size_t mark = c->out.n;
    tmpl_value self;
    bool begins = true;
    (void)args;
    IG_TRY(soft_str(c, &a[0], &self));
    for (size_t i = 0; i < self.u.s.n;) {
        uint32_t cp;
        size_t n = tmpl_cp(self.u.s, i, &cp);
        IG_TRY(tmpl_put_case(c, (ig_str){self.u.s.p + i, n}, begins));
        begins = tmpl_is_space(cp) || (cp && cp < 0x80 && strchr("-({[<", (int)cp));
        i += n;
    }
    return tmpl_take_value(c, mark, false, out);
}

FILTER(text_replace) {
    ig_str s, old, fresh;
    int64_t count;
    (void)args;
    IG_TRY(tmpl_to_str(c, &a[0], &s));
    IG_TRY(tmpl_to_str(c, &a[1], &old));
    IG_TRY(tmpl_to_str(c, &a[2], &fresh));
    IG_TRY(tmpl_arg_int(c, &a[3], -1, &count));
    const size_t mark = c->out.n;
    IG_TRY(tmpl_put_replaced(c, s, old, fresh, count));
    return tmpl_take_value(c, mark, false, out);
}

FILTER(text_indent) {
    ig_str width = {0}, with_end;
    int64_t blanks = 4;
    bool first, blank;
    tmpl_list *lines;
    (void)args;
    if (a[0].kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, &a[0]);
    IG_TRY(tmpl_need_str(c, &a[0], &with_end));
    if (a[1].kind == TMPL_STR)
        width = a[1].u.s;
    else
        IG_TRY(tmpl_arg_int(c, &a[1], 4, &blanks));
    IG_TRY(tmpl_arg_flag(c, &a[2], false, &first));
    IG_TRY(tmpl_arg_flag(c, &a[3], false, &blank));
    IG_TRY(tmpl_concat(c, a[0].u.s, IG_STR("\n"), &with_end));
    IG_TRY(tmpl_split_lines(c, with_end, false, &lines));
    const size_t mark = c->out.n;
    for (size_t i = 0; i < lines->n; i++) {
        if (i)
            IG_TRY(tmpl_put(c, IG_STR("\n")));
        if (i ? blank || lines->items[i].u.s.n : first) {
            IG_TRY(tmpl_put(c, width));
            if (a[1].kind != TMPL_STR)
                IG_TRY(tmpl_put_fill(c, ' ', blanks > 0 ? (size_t)blanks : 0));
        }
        IG_TRY(tmpl_put(c, lines->items[i].u.s));
    }
    return tmpl_take_value(c, mark, a[0].markup, out);
}

FILTER(text_wordcount) {
    tmpl_value self;
    int64_t n = 0;
    bool in_word = false;
    (void)args;
    IG_TRY(soft_str(c, &a[0], &self));
    IG_TRY(tmpl_charge_scan(c, self.u.s.n));
    for (size_t i = 0; i < self.u.s.n;) {
        uint32_t cp;
        i += tmpl_cp(self.u.s, i, &cp);
        n += tmpl_is_word(cp) && !in_word;
        in_word = tmpl_is_word(cp);
    }
    *out = tmpl_int(n);
    return IG_OK;
}

FILTER(text_truncate) {
    int64_t length, leeway;
    bool kill;
    ig_str s, end;
    (void)args;
    size_t n;
    IG_TRY(tmpl_length(c, &a[0], &n));
    IG_TRY(tmpl_arg_int(c, &a[1], 255, &length));
    IG_TRY(tmpl_arg_flag(c, &a[2], false, &kill));
    IG_TRY(tmpl_arg_str(c, &a[3], "...", &end));
    IG_TRY(tmpl_arg_int(c, &a[4], 5, &leeway));
    IG_TRY(tmpl_charge_scan(c, end.n));
    const int64_t have = (int64_t)n, n_end = (int64_t)tmpl_cp_count(end);
    if (length < n_end || leeway < 0)
        return tmpl_fail(c, IG_EARGUMENT, "truncate: expected length >= %lld and leeway >= 0",
                         (long long)n_end);
    *out = a[0];
    if (have - leeway <= length)
        return IG_OK;
    IG_TRY(tmpl_need_str(c, &a[0], &s));
    IG_TRY(tmpl_charge_scan(c, s.n));
    ig_str kept = {s.p, tmpl_cp_offset(s, (size_t)(length - n_end))};
    for (size_t i = kept.n; !kill && i > 0; i--) {
        if (s.p[i - 1] == ' ') {
            kept.n = i - 1;
            break;
        }
    }
    return tmpl_concat(c, kept, end, &out->u.s);
}

FILTER(text_format) {
    tmpl_value self, values = {0};
    (void)a;
    IG_TRY(soft_str(c, &a[0], &self));
    if (args->n && args->n_named)
        return tmpl_fail(c, IG_EARGUMENT,
                         "can't handle positional and keyword arguments at the same time");
    if (args->n_named) {
        values.kind = TMPL_DICT;
        IG_TRY(tmpl_dict_new(c, &values.u.dict));
        for (size_t i = 0; i < args->n_named; i++)
            IG_TRY(tmpl_dict_set(c, values.u.dict, &args->named[i].key, &args->named[i].value));
    } else {
        values.kind = TMPL_TUPLE;
        IG_TRY(tmpl_list_new(c, args->n, &values.u.list));
        for (size_t i = 0; i < args->n; i++)
            IG_TRY(tmpl_list_add(c, values.u.list, &args->at[i]));
    }
    return tmpl_percent_format(c, self.u.s, &values, self.markup, out);
}

/* ---- defaults, attributes ---- */

FILTER(value_default) {
    bool boolean, truth = true;
    (void)args;
    IG_TRY(tmpl_arg_flag(c, &a[2], false, &boolean));
    if (boolean)
        IG_TRY(tmpl_truth(c, &a[0], &truth));
    *out = a[0].kind != TMPL_UNDEFINED && truth ? a[0]
           : a[1].kind == TMPL_MISSING          ? tmpl_str(IG_STR(""))
                                                : a[1];
    return IG_OK;
}

FILTER(value_attr) {
    ig_str name;
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[1], &name));
    IG_TRY(tmpl_getattr(c, &a[0], name, out));
    if (a[0].kind == TMPL_DICT && out->kind != TMPL_METHOD) /* attributes only, no items */
        *out = tmpl_undefined(name);
    return IG_OK;
}

/* ---- numbers ---- */

FILTER(number_abs) {
    (void)args;
    if (a[0].kind == TMPL_REAL) {
        *out = tmpl_real(fabs(a[0].u.d));
        return IG_OK;
    }
    if (!tmpl_is_int(&a[0]))
        return tmpl_fail(c, IG_EARGUMENT, "bad operand type for abs(): '%s'",
                         tmpl_type_name(&a[0]));
    const tmpl_value v = tmpl_int(tmpl_as_int(&a[0])), zero = tmpl_int(0);
    *out = v;
    return v.u.i < 0 ? tmpl_binary(c, TMPL_SUB, &zero, &v, out) : IG_OK;
}

/* int(float): truncates; what does not fit is refused. */
static ig_status int_of_real(tmpl_ctx *c, double d, const tmpl_value *otherwise, tmpl_value *out) {
    if (isnan(d)) {
        *out = *otherwise;
        return IG_OK;
    }
    if (!(d > -0x1p63 && d < 0x1p63))
        return tmpl_fail(c, IG_ELIMIT,
                         "float does not fit an integer of 64 bits, larger ones are not supported");
    *out = tmpl_int((int64_t)d);
    return IG_OK;
}

FILTER(number_int) {
    const tmpl_value otherwise = a[1].kind == TMPL_MISSING ? tmpl_int(0) : a[1];
    int64_t base, i;
    double d;
    bool ok;
    (void)args;
    IG_TRY(tmpl_arg_int(c, &a[2], 10, &base));
    *out = otherwise;
    if (a[0].kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, &a[0]);
    if (tmpl_is_int(&a[0])) {
        *out = tmpl_int(tmpl_as_int(&a[0]));
        return IG_OK;
    }
    if (a[0].kind == TMPL_REAL)
        return int_of_real(c, a[0].u.d, &otherwise, out);
    if (a[0].kind != TMPL_STR)
        return IG_OK;
    IG_TRY(tmpl_charge_scan(c, a[0].u.s.n));
    if (base != 0 && (base < 2 || base > 36))
        return tmpl_parse_real(a[0].u.s, &d) && isfinite(d) ? int_of_real(c, d, &otherwise, out)
                                                            : IG_OK;
    IG_TRY(tmpl_parse_int(a[0].u.s, base, &i, &ok));
    if (ok)
        *out = tmpl_int(i);
    else if (tmpl_parse_real(a[0].u.s, &d) && isfinite(d))
        return int_of_real(c, d, &otherwise, out);
    return IG_OK;
}

FILTER(number_float) {
    double d;
    (void)args;
    *out = a[1].kind == TMPL_MISSING ? tmpl_real(0) : a[1];
    if (a[0].kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, &a[0]);
    if (tmpl_is_number(&a[0]))
        *out = tmpl_real(tmpl_as_real(&a[0]));
    if (a[0].kind != TMPL_STR)
        return IG_OK;
    IG_TRY(tmpl_charge_scan(c, a[0].u.s.n));
    if (tmpl_parse_real(a[0].u.s, &d))
        *out = tmpl_real(d);
    return IG_OK;
}

/* round(): half to even on the exact binary value, which is what printf does. */
static double round_to(double d, int64_t precision) {
    char text[700];
    if (!isfinite(d) || precision > 330)
        return d;
    if (precision < 0) {
        if (precision < -308)
            return copysign(0, d);
        const double unit = pow(10, (double)-precision);
        return nearbyint(d / unit) * unit;
    }
    snprintf(text, sizeof text, "%.*f", (int)precision, d);
    return strtod(text, NULL);
}

/* round(i, -digits): to the nearest multiple of a power of ten, half to even, in integers. */
static ig_status round_int(tmpl_ctx *c, int64_t i, int64_t digits, tmpl_value *out) {
    uint64_t unit = 1, whole = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    if (digits > 19) /* half of 10^20 is above every integer */
        whole = 0;
    for (; digits > 0 && whole; digits--)
        unit *= 10;
    const uint64_t rest = whole % unit, half = unit / 2;
    whole -= rest;
    if (rest > half || (rest == half && unit > 1 && whole / unit % 2))
        whole += unit;
    if (whole > INT64_MAX)
        return tmpl_fail(
            c, IG_ELIMIT,
            "rounded integer does not fit 64 bits, larger ones are not supported; round to fewer "
            "digits");
    *out = tmpl_int(i < 0 ? -(int64_t)whole : (int64_t)whole);
    return IG_OK;
}

FILTER(number_round) {
    int64_t precision;
    ig_str method;
    (void)args;
    IG_TRY(tmpl_arg_int(c, &a[1], 0, &precision));
    IG_TRY(tmpl_arg_str(c, &a[2], "common", &method));
    const bool up = ig_str_is(method, "ceil"), down = ig_str_is(method, "floor");
    if (!up && !down && !ig_str_is(method, "common"))
        return tmpl_fail(c, IG_EARGUMENT, "method must be common, ceil or floor");
    if (a[0].kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, &a[0]);
    if (!tmpl_is_number(&a[0]))
        return tmpl_fail(c, IG_EARGUMENT, "type %s doesn't define __round__ method",
                         tmpl_type_name(&a[0]));
    if (up || down) {
        const double unit = pow(10, (double)precision), scaled = tmpl_as_real(&a[0]) * unit;
        *out = tmpl_real(((up ? ceil(scaled) : floor(scaled)) + 0.0) /
                         unit); /* + 0.0: an int has no -0 */
    } else if (a[0].kind == TMPL_REAL) {
        *out = tmpl_real(round_to(a[0].u.d, precision));
    } else {
        return round_int(c, tmpl_as_int(&a[0]), precision < -20 ? 20 : -precision, out);
    }
    return IG_OK;
}

/* ---- JSON ---- */

static ig_status json_indent(tmpl_ctx *c, const tmpl_value *v, tmpl_json_style *style) {
    int64_t n;
    style->indented = v->kind != TMPL_MISSING && v->kind != TMPL_NONE;
    if (!style->indented)
        return IG_OK;
    style->item_separator = IG_STR(",");
    if (v->kind == TMPL_STR) {
        style->indent = v->u.s;
        return IG_OK;
    }
    const size_t mark = c->out.n;
    IG_TRY(tmpl_arg_int(c, v, 0, &n));
    if (n > 4096)
        return tmpl_fail(c, IG_ELIMIT, "tojson: indent of %lld is too wide; use at most 4096",
                         (long long)n);
    IG_TRY(tmpl_put_fill(c, ' ', n > 0 ? (size_t)n : 0));
    return tmpl_take(c, mark, &style->indent);
}

FILTER(value_tojson) {
    tmpl_json_style style = {.item_separator = IG_STR(", "), .key_separator = IG_STR(": ")};
    (void)args;
    IG_TRY(tmpl_arg_flag(c, &a[1], false, &style.ensure_ascii));
    IG_TRY(json_indent(c, &a[2], &style));
    if (a[3].kind != TMPL_MISSING && a[3].kind != TMPL_NONE) {
        tmpl_list *pair;
        IG_TRY(tmpl_list_from(c, &a[3], &pair));
        if (pair->n != 2)
            return tmpl_fail(c, IG_EARGUMENT, "tojson: separators must be two strings");
        IG_TRY(tmpl_need_str(c, &pair->items[0], &style.item_separator));
        IG_TRY(tmpl_need_str(c, &pair->items[1], &style.key_separator));
    }
    IG_TRY(tmpl_arg_flag(c, &a[4], false, &style.sort_keys));
    const size_t mark = c->out.n;
    IG_TRY(tmpl_put_json(c, &a[0], &style));
    return tmpl_take_value(c, mark, false, out);
}

/* json.loads; not in the usual environment, but templates of some models rely on it. */
FILTER(value_from_json) {
    ig_str text;
    tmpl_held_doc *held;
    ig_err why = {0};
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[0], &text));
    if (text.n > IG_TEMPLATE_JSON_BYTES_MAX - c->json_bytes)
        return tmpl_fail(c, IG_ELIMIT,
                         "from_json reads more than %u bytes (IG_TEMPLATE_JSON_BYTES_MAX); pass "
                         "objects instead of JSON text",
                         IG_TEMPLATE_JSON_BYTES_MAX);
    c->json_bytes += text.n;
    IG_TRY(tmpl_charge(c, text.n * 16));
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *held, &held, c->err));
    ig_status status = ig_json_open(&held->doc, text, &why);
    if (status)
        return tmpl_fail(c, status, "from_json: %s", why.message);
    held->next = c->docs;
    c->docs = held;
    return tmpl_from_json(c, ig_json_root(held->doc), out);
}

const tmpl_row TMPL_TEXT_FILTERS[] = {
    {"tojson", value_tojson, "ensure_ascii indent separators sort_keys", 0},
    {"from_json", value_from_json, "", 0},
    {"default", value_default, "default_value boolean", 0},
    {"d", value_default, "default_value boolean", 0},
    {"attr", value_attr, "name", 1},
    {"string", text_string, "", 0},
    {"safe", text_safe, "", 0},
    {"escape", text_escape, "", 0},
    {"e", text_escape, "", 0},
    {"forceescape", text_forceescape, "", 0},
    {"trim", text_trim, "chars", 0},
    {"upper", text_upper, "", 0},
    {"lower", text_lower, "", 0},
    {"capitalize", text_capitalize, "", 0},
    {"title", text_title, "", 0},
    {"center", text_center, "width", 0},
    {"replace", text_replace, "old new count", 2},
    {"indent", text_indent, "width first blank", 0},
    {"wordcount", text_wordcount, "", 0},
    {"truncate", text_truncate, "length killwords end leeway", 0},
    {"format", text_format, "*", 0},
    {"abs", number_abs, "", 0},
    {"int", number_int, "default base", 0},
    {"float", number_float, "default", 0},
    {"round", number_round, "precision method", 0},
    {"filesizeformat", NULL, "", 0},
    {"pprint", NULL, "", 0},
    {"striptags", NULL, "", 0},
    {"urlencode", NULL, "", 0},
    {"urlize", NULL, "", 0},
    {"wordwrap", NULL, "", 0},
    {"xmlattr", NULL, "", 0},
};
const size_t TMPL_TEXT_FILTERS_N = IG_COUNT(TMPL_TEXT_FILTERS);

const tmpl_row *tmpl_find_filter(ig_str name) {
    const tmpl_row *row = tmpl_find_row(TMPL_TEXT_FILTERS, TMPL_TEXT_FILTERS_N, name);
    return row ? row : tmpl_find_row(TMPL_SEQ_FILTERS, TMPL_SEQ_FILTERS_N, name);
}
