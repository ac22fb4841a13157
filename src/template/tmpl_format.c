/* tmpl_format.c: the two formatting languages of Python strings: `"%s" % x` and `"{}".format(x)`.
 */
#include "template/template_int.h"

#include <math.h>
#include <stdio.h>

#define FORMAT_WIDTH_MAX 4096 /* of one field; printf's own numbers stay far below it */

/* One field, of either language. */
typedef struct spec {
    ig_str fill;
    char align; /* '<' '>' '^' '=' or '\0' for the type's own */
    char sign;  /* '+', ' ' or '-' */
    bool alternate, zero;
    char group;               /* ',' '_' or '\0' */
    int64_t width, precision; /* precision -1: not given */
    char type;                /* '\0': str() */
} spec;

static ig_status check_width(tmpl_ctx *c, int64_t n) {
    return n > FORMAT_WIDTH_MAX
               ? tmpl_fail(c, IG_ELIMIT, "format field wider than %d is not supported",
                           FORMAT_WIDTH_MAX)
               : IG_OK;
}

/* Text already made (at the end of the output from `mark`) padded to the field's width. */
static ig_status put_padded(tmpl_ctx *c, const spec *s, size_t mark, char align, size_t n_sign) {
    ig_str text;
    IG_TRY(tmpl_take(c, mark, &text));
    const size_t have = tmpl_cp_count(text), width = s->width > 0 ? (size_t)s->width : 0;
    const size_t blanks = width > have ? width - have : 0;
    const size_t before = align == '>' || align == '=' ? blanks : align == '^' ? blanks / 2 : 0;
    if (align == '=')
        IG_TRY(tmpl_put(c, (ig_str){text.p, n_sign}));
    for (size_t i = 0; i < before; i++)
        IG_TRY(tmpl_put(c, s->fill));
    IG_TRY(tmpl_put(c, align == '=' ? (ig_str){text.p + n_sign, text.n - n_sign} : text));
    for (size_t i = before; i < blanks; i++)
        IG_TRY(tmpl_put(c, s->fill));
    return IG_OK;
}

static ig_status put_field_str(tmpl_ctx *c, const spec *s, ig_str text) {
    const size_t mark = c->out.n;
    if (s->precision >= 0)
        text.n = tmpl_cp_offset(text, (size_t)s->precision);
    IG_TRY(tmpl_put(c, text));
    return put_padded(c, s, mark, s->align ? s->align : '<', 0);
}

/* Digits with a separator every three (or four for hex and binary). */
static ig_status put_grouped(tmpl_ctx *c, const char *digits, size_t n, char group, size_t every) {
    for (size_t i = 0; i < n; i++) {
        if (group && i && (n - i) % every == 0)
            IG_TRY(tmpl_put(c, (ig_str){&group, 1}));
        IG_TRY(tmpl_put(c, (ig_str){digits + i, 1}));
    }
    return IG_OK;
}

static ig_status put_sign(tmpl_ctx *c, const spec *s, bool negative, size_t *n) {
    *n = negative || s->sign == '+' || s->sign == ' ';
    return *n ? tmpl_put(c, negative ? IG_STR("-") : (ig_str){&s->sign, 1}) : IG_OK;
}

static char number_align(const spec *s) {
    return s->align ? s->align : s->zero ? '=' : '>';
}

static ig_status put_field_int(tmpl_ctx *c, const spec *s, int64_t v) {
    char digits[72];
    size_t n = 0, n_sign;
    const size_t mark = c->out.n;
    const unsigned base = s->type == 'x' || s->type == 'X' ? 16
                          : s->type == 'o'                 ? 8
                          : s->type == 'b'                 ? 2
                                                           : 10;
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    do {
        digits[sizeof digits - ++n] =
            (s->type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef")[u % base];
        u /= base;
    } while (u);
    IG_TRY(put_sign(c, s, v < 0, &n_sign));
    if (s->alternate && base != 10) {
        IG_TRY(tmpl_put(c, (ig_str){(const char[]){'0', s->type}, 2}));
        n_sign += 2;
    }
    if (s->precision > (int64_t)n)
        IG_TRY(tmpl_put_fill(c, '0', (size_t)s->precision - n));
    IG_TRY(put_grouped(c, digits + sizeof digits - n, n, s->group, base == 10 ? 3 : 4));
    return put_padded(c, s, mark, number_align(s), n_sign);
}

/* Whatever the locale of the host program has between whole and fraction becomes a point. text has
 * no sign. */
static size_t plain_point(char *text, size_t n) {
    const size_t at = strspn(text, "0123456789"), end = at + strcspn(text + at, "0123456789eE");
    if (end == at)
        return n;
    text[at] = '.';
    memmove(text + at + 1, text + end, n - end + 1);
    return n - (end - at) + 1;
}

/* A finite v >= 0. */
static size_t print_real(char type, int precision, double v, char *text, size_t bytes) {
    int n;
    switch (type) {
    case 'e':
        n = snprintf(text, bytes, "%.*e", precision, v);
        break;
    case 'E':
        n = snprintf(text, bytes, "%.*E", precision, v);
        break;
    case 'g':
    case '\0':
        n = snprintf(text, bytes, "%.*g", precision, v);
        break;
    case 'G':
        n = snprintf(text, bytes, "%.*G", precision, v);
        break;
    default:
        n = snprintf(text, bytes, "%.*f", precision, v);
        break;
    }
    return plain_point(text, (size_t)n);
}

static ig_status put_field_real(tmpl_ctx *c, const spec *s, double d) {
    char text[800];
    size_t n_sign, n;
    const size_t mark = c->out.n;
    const bool percent = s->type == '%';
    const int precision = s->precision >= 0 ? (int)s->precision : 6;
    const double v = fabs(percent ? d * 100 : d);
    if (s->precision > 350)
        return tmpl_fail(c, IG_ELIMIT, "format precision above 350 is not supported");
    if (!isfinite(v)) {
        n = (size_t)snprintf(text, sizeof text, "%s", isnan(v) ? "nan" : "inf");
    } else if (s->type == '\0' && s->precision < 0) {
        n = ig_json_format_num(v, text);
    } else {
        n = print_real(s->type, precision, v, text, sizeof text);
    }
    size_t whole = 0;
    while (whole < n && text[whole] >= '0' && text[whole] <= '9')
        whole++;
    IG_TRY(put_sign(c, s, signbit(d) && !isnan(d), &n_sign));
    IG_TRY(put_grouped(c, text, whole, s->group, 3));
    IG_TRY(tmpl_put(c, (ig_str){text + whole, n - whole}));
    if (percent)
        IG_TRY(tmpl_put(c, IG_STR("%")));
    return put_padded(c, s, mark, number_align(s), n_sign);
}

/* ---- "%s" % x ---- */

typedef struct percent {
    const tmpl_value *args;
    size_t at;    /* next positional argument */
    bool mapping; /* a key was used */
} percent;

static ig_status next_arg(tmpl_ctx *c, percent *p, tmpl_value *out) {
    const bool is_tuple = p->args->kind == TMPL_TUPLE;
    if (p->at >= (is_tuple ? p->args->u.list->n : 1))
        return tmpl_fail(c, IG_EARGUMENT, "not enough arguments for format string");
    *out = is_tuple ? p->args->u.list->items[p->at] : *p->args;
    p->at++;
    return IG_OK;
}

/* Digits or `*`. */
static ig_status percent_number(tmpl_ctx *c, percent *p, ig_str format, size_t *i, int64_t *out) {
    if (*i < format.n && format.p[*i] == '*') {
        tmpl_value v;
        (*i)++;
        IG_TRY(next_arg(c, p, &v));
        IG_TRY(tmpl_arg_int(c, &v, 0, out));
        return check_width(c, *out < 0 ? -(*out + 1) : *out);
    }
    for (; *i < format.n && format.p[*i] >= '0' && format.p[*i] <= '9'; (*i)++) {
        *out = *out * 10 + (format.p[*i] - '0');
        IG_TRY(check_width(c, *out));
    }
    return IG_OK;
}

/* %s, %r, %a */
static ig_status put_percent_text(tmpl_ctx *c, const spec *s, const tmpl_value *v, bool markup) {
    ig_str text;
    spec as = *s;
    const size_t mark = c->out.n;
    IG_TRY(s->type == 's' ? tmpl_put_str(c, v) : tmpl_put_repr(c, v));
    tmpl_value made;
    IG_TRY(tmpl_take_value(c, mark, v->kind == TMPL_STR && v->markup, &made));
    text = made.u.s;
    if (markup)
        IG_TRY(tmpl_escape(c, &made, &text));
    as.align = s->align ? s->align : '>';
    return put_field_str(c, &as, text);
}

static ig_status put_percent_char(tmpl_ctx *c, const spec *s, const tmpl_value *v) {
    spec as = *s;
    if (v->kind != TMPL_STR || tmpl_cp_count(v->u.s) != 1)
        return tmpl_fail(c, IG_EARGUMENT, "%%c requires a single character");
    as.align = s->align ? s->align : '>';
    return put_field_str(c, &as, v->u.s);
}

static ig_status put_percent_int(tmpl_ctx *c, const spec *s, const tmpl_value *v) {
    /* Decimal forms cut a real; the others refuse it. */
    if (v->kind == TMPL_REAL && strchr("diu", s->type) && fabs(v->u.d) < 0x1p63)
        return put_field_int(c, s, (int64_t)v->u.d);
    if (!tmpl_is_int(v))
        return tmpl_fail(c, IG_EARGUMENT, "%%%c format: a number is required, not %s", s->type,
                         tmpl_type_name(v));
    return put_field_int(c, s, tmpl_as_int(v));
}

static ig_status put_percent_value(tmpl_ctx *c, const spec *s, const tmpl_value *v, bool markup) {
    if (s->type && strchr("sra", s->type))
        return put_percent_text(c, s, v, markup);
    if (s->type == 'c')
        return put_percent_char(c, s, v);
    if (s->type && strchr("diuxXo", s->type))
        return put_percent_int(c, s, v);
    if (s->type == '\0' || !strchr("eEfFgG", s->type))
        return tmpl_fail(c, IG_EARGUMENT, "unsupported format character '%c'", s->type);
    if (!tmpl_is_number(v))
        return tmpl_fail(c, IG_EARGUMENT, "must be real number, not %s", tmpl_type_name(v));
    return put_field_real(c, s, tmpl_as_real(v));
}

/* "(key)": *found is its value in the mapping; NULL when there is no key. */
static ig_status percent_key(tmpl_ctx *c, percent *p, ig_str format, size_t *i,
                             tmpl_value **found) {
    *found = NULL;
    if (*i >= format.n || format.p[*i] != '(')
        return IG_OK;
    const size_t end = tmpl_find(format, IG_STR(")"), *i);
    if (p->args->kind != TMPL_DICT || end > format.n)
        return tmpl_fail(c, IG_EARGUMENT, "format requires a mapping");
    const tmpl_value key = tmpl_str((ig_str){format.p + *i + 1, end - *i - 1});
    IG_TRY(tmpl_dict_find(c, p->args->u.dict, &key, found));
    if (!*found)
        return tmpl_fail(c, IG_EARGUMENT, "no key '%.*s' for the format", IG_STR_ARG(key.u.s));
    p->mapping = true;
    *i = end + 1;
    return IG_OK;
}

static void percent_flags(ig_str format, size_t *i, spec *s) {
    for (; *i < format.n && format.p[*i] && strchr("-+ #0", format.p[*i]); (*i)++) {
        const char f = format.p[*i];
        s->align = f == '-' ? '<' : s->align;
        s->sign = f == '+' || (f == ' ' && s->sign != '+') ? f : s->sign;
        s->alternate = s->alternate || f == '#';
        s->zero = s->zero || f == '0';
    }
}

/* One conversion; *i is after the '%'. */
static ig_status put_percent(tmpl_ctx *c, percent *p, ig_str format, size_t *i, bool markup) {
    spec s = {.fill = IG_STR(" "), .sign = '-', .precision = -1};
    tmpl_value v, *found;
    IG_TRY(percent_key(c, p, format, i, &found));
    percent_flags(format, i, &s);
    IG_TRY(percent_number(c, p, format, i, &s.width));
    if (s.width < 0) {
        s.align = '<';
        s.width = -s.width;
    }
    if (*i < format.n && format.p[*i] == '.') {
        (*i)++;
        s.precision = 0;
        IG_TRY(percent_number(c, p, format, i, &s.precision));
    }
    while (*i < format.n && format.p[*i] && strchr("hlL", format.p[*i]))
        (*i)++;
    if (*i >= format.n)
        return tmpl_fail(c, IG_EARGUMENT, "incomplete format");
    s.type = format.p[(*i)++];
    if (s.type == '%')
        return tmpl_put(c, IG_STR("%"));
    if (found)
        v = *found;
    else
        IG_TRY(next_arg(c, p, &v));
    if (s.zero && !s.align && strchr("sracd", s.type) == NULL)
        s.fill = IG_STR("0");
    if (s.type == 'd' || s.type == 'i' || s.type == 'u')
        s.fill = s.zero && !s.align ? IG_STR("0") : s.fill;
    s.zero = s.zero && !s.align;
    return put_percent_value(c, &s, &v, markup);
}

ig_status tmpl_percent_format(tmpl_ctx *c, ig_str format, const tmpl_value *args, bool markup,
                              tmpl_value *out) {
    percent p = {.args = args};
    const size_t mark = c->out.n;
    IG_TRY(tmpl_charge_scan(c, format.n));
    for (size_t i = 0; i < format.n;) {
        const size_t start = i;
        while (i < format.n && format.p[i] != '%')
            i++;
        IG_TRY(tmpl_put(c, (ig_str){format.p + start, i - start}));
        if (i >= format.n)
            break;
        i++;
        IG_TRY(put_percent(c, &p, format, &i, markup));
    }
    const bool is_tuple = args->kind == TMPL_TUPLE,
               may_be_unused = args->kind == TMPL_DICT || args->kind == TMPL_LIST ||
                               args->kind == TMPL_RANGE || args->kind == TMPL_UNDEFINED;
    if (is_tuple ? p.at < args->u.list->n : p.at == 0 && !p.mapping && !may_be_unused)
        return tmpl_fail(c, IG_EARGUMENT, "not all arguments converted during string formatting");
    return tmpl_take_value(c, mark, markup, out);
}

/* ---- "{}".format(x) ---- */

/* Fill and alignment at the head of a format specifier; returns the bytes they take. */
static size_t parse_align(ig_str text, spec *out) {
    const size_t first = text.n ? tmpl_cp_offset(text, 1) : 0;
    if (text.n > first && text.p[first] && strchr("<>=^", text.p[first])) {
        out->fill = (ig_str){text.p, first};
        out->align = text.p[first];
        return first + 1;
    }
    if (text.n && text.p[0] && strchr("<>=^", text.p[0])) {
        out->align = text.p[0];
        return 1;
    }
    return 0;
}

static ig_status parse_digits(tmpl_ctx *c, ig_str text, size_t *i, int64_t *out) {
    for (*out = 0; *i < text.n && text.p[*i] >= '0' && text.p[*i] <= '9'; (*i)++) {
        *out = *out * 10 + (text.p[*i] - '0');
        IG_TRY(check_width(c, *out));
    }
    return IG_OK;
}

static ig_status parse_spec(tmpl_ctx *c, ig_str text, spec *out) {
    *out = (spec){.fill = IG_STR(" "), .sign = '-', .precision = -1};
    size_t i = parse_align(text, out);
    if (i < text.n && text.p[i] && strchr("+- ", text.p[i]))
        out->sign = text.p[i++];
    if (i < text.n && text.p[i] == '#') {
        out->alternate = true;
        i++;
    }
    if (i < text.n && text.p[i] == '0') {
        out->zero = !out->align;
        out->fill = out->align ? out->fill : IG_STR("0");
        i++;
    }
    IG_TRY(parse_digits(c, text, &i, &out->width));
    if (i < text.n && (text.p[i] == ',' || text.p[i] == '_'))
        out->group = text.p[i++];
    if (i < text.n && text.p[i] == '.') {
        i++;
        IG_TRY(parse_digits(c, text, &i, &out->precision));
    }
    if (i < text.n)
        out->type = text.p[i++];
    return i < text.n
               ? tmpl_fail(c, IG_EARGUMENT, "Invalid format specifier '%.*s'", IG_STR_ARG(text))
               : IG_OK;
}

static ig_status put_formatted(tmpl_ctx *c, const spec *s, const tmpl_value *v) {
    ig_str text;
    const bool textual = s->type == '\0' || s->type == 's';
    if (v->kind == TMPL_STR && textual)
        return put_field_str(c, s, v->u.s);
    if (v->kind == TMPL_BOOL && s->type == '\0') {
        IG_TRY(tmpl_to_str(c, v, &text));
        return put_field_str(c, s, text);
    }
    if (tmpl_is_int(v) && (s->type == '\0' || strchr("dxXobn", s->type)))
        return put_field_int(c, s, tmpl_as_int(v));
    if (tmpl_is_number(v) && (s->type == '\0' || strchr("eEfFgGn%", s->type)))
        return put_field_real(c, s, tmpl_as_real(v));
    if (!tmpl_is_number(v) && v->kind != TMPL_STR) {
        const bool plain = s->width == 0 && s->precision < 0 && !s->align && textual;
        if (!plain)
            return tmpl_fail(c, IG_EARGUMENT, "unsupported format string passed to %s.__format__",
                             tmpl_type_name(v));
        return tmpl_put_str(c, v);
    }
    return tmpl_fail(c, IG_EARGUMENT, "Unknown format code '%c' for object of type '%s'", s->type,
                     tmpl_type_name(v));
}

/* The value a field names: `0.a[b]`, `name.x`, or the next positional one. */
static ig_status field_value(tmpl_ctx *c, ig_str name, const tmpl_args *args, size_t *automatic,
                             tmpl_value *out) {
    size_t end = 0;
    int64_t number;
    bool ok = false;
    while (end < name.n && name.p[end] != '.' && name.p[end] != '[')
        end++;
    const ig_str first = {name.p, end};
    if (first.n == 0) {
        number = (int64_t)(*automatic)++;
        ok = true;
    } else {
        IG_TRY(tmpl_parse_int(first, 10, &number, &ok));
    }
    if (ok) {
        if (number < 0 || (uint64_t)number >= args->n)
            return tmpl_fail(c, IG_EARGUMENT,
                             "Replacement index %lld out of range for positional args tuple",
                             (long long)number);
        *out = args->at[number];
    } else {
        size_t i = 0;
        while (i < args->n_named && !ig_str_eq(args->named[i].key.u.s, first))
            i++;
        IG_TRY(tmpl_charge(c, i * sizeof *args->named));
        if (i == args->n_named)
            return tmpl_fail(c, IG_EARGUMENT, "no argument '%.*s' for the format",
                             IG_STR_ARG(first));
        *out = args->named[i].value;
    }
    while (end < name.n) {
        const bool item = name.p[end++] == '[';
        size_t start = end;
        while (end < name.n &&
               (item ? name.p[end] != ']' : name.p[end] != '.' && name.p[end] != '['))
            end++;
        const tmpl_value from = *out;
        tmpl_value key = tmpl_str((ig_str){name.p + start, end - start});
        if (!item) {
            IG_TRY(tmpl_getattr(c, &from, key.u.s, out));
            continue;
        }
        IG_TRY(tmpl_parse_int(key.u.s, 10, &number, &ok));
        key = ok ? tmpl_int(number) : key;
        IG_TRY(tmpl_getitem(c, &from, &key, out));
        end += end < name.n;
    }
    return IG_OK;
}

static ig_status put_brace(tmpl_ctx *c, ig_str field, const tmpl_args *args, size_t *automatic) {
    size_t name = 0, at;
    char conversion = '\0';
    tmpl_value v;
    spec s;
    while (name < field.n && field.p[name] != '!' && field.p[name] != ':')
        name++;
    IG_TRY(field_value(c, (ig_str){field.p, name}, args, automatic, &v));
    at = name;
    if (at < field.n && field.p[at] == '!') {
        conversion = at + 1 < field.n ? field.p[at + 1] : '\0';
        if (conversion != 'r' && conversion != 's')
            return tmpl_fail(c, IG_EARGUMENT,
                             "conversion in '{%.*s}' is not supported; use !r or !s",
                             IG_STR_ARG(field));
        const size_t mark = c->out.n;
        IG_TRY(conversion == 'r' ? tmpl_put_repr(c, &v) : tmpl_put_str(c, &v));
        IG_TRY(tmpl_take_value(c, mark, false, &v));
        at += 2;
    }
    if (at < field.n && field.p[at] != ':')
        return tmpl_fail(c, IG_EARGUMENT, "expected ':' after conversion specifier");
    at += at < field.n;
    IG_TRY(parse_spec(c, (ig_str){field.p + at, field.n - at}, &s));
    return put_formatted(c, &s, &v);
}

ig_status tmpl_brace_format(tmpl_ctx *c, ig_str format, const tmpl_args *args, tmpl_value *out) {
    size_t automatic = 0;
    const size_t mark = c->out.n;
    IG_TRY(tmpl_charge_scan(c, format.n));
    for (size_t i = 0; i < format.n;) {
        const size_t start = i;
        while (i < format.n && format.p[i] != '{' && format.p[i] != '}')
            i++;
        IG_TRY(tmpl_put(c, (ig_str){format.p + start, i - start}));
        if (i >= format.n)
            break;
        if (i + 1 < format.n && format.p[i + 1] == format.p[i]) {
            IG_TRY(tmpl_put(c, (ig_str){format.p + i, 1}));
            i += 2;
            continue;
        }
        if (format.p[i] == '}')
            return tmpl_fail(c, IG_EARGUMENT, "Single '}' encountered in format string");
        size_t end = ++i;
        while (end < format.n && format.p[end] != '}' && format.p[end] != '{')
            end++;
        if (end >= format.n)
            return tmpl_fail(c, IG_EARGUMENT, "expected '}' before end of string");
        if (format.p[end] == '{')
            return tmpl_fail(c, IG_EUNSUPPORTED,
                             "nested fields in a format string are not supported");
        IG_TRY(put_brace(c, (ig_str){format.p + i, end - i}, args, &automatic));
        i = end + 1;
    }
    return tmpl_take_value(c, mark, false, out);
}
