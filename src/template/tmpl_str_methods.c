/* tmpl_str_methods.c: the methods of strings. What returns a part of the string or a changed copy
 * keeps its markup. */
#include "template/template_int.h"

#include "utf/utf.h"

#define METHOD(name)                                                                               \
    static ig_status name(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args, tmpl_value *out)

static void put_part(const tmpl_value *self, ig_str s, tmpl_value *out) {
    *out = (tmpl_value){.kind = TMPL_STR, .markup = self->markup, .u.s = s};
}

/* The part of s between the optional code point bounds; *offset is where it begins, in code points.
 */
static ig_status window(tmpl_ctx *c, const tmpl_value *self, const tmpl_value *start,
                        const tmpl_value *end, ig_str *out, size_t *offset) {
    const tmpl_value step = {0};
    tmpl_value part;
    *out = self->u.s;
    *offset = 0;
    if (start->kind == TMPL_MISSING)
        return IG_OK;
    IG_TRY(tmpl_slice(c, self, start, end, &step, &part));
    *out = part.u.s;
    if (part.u.s.n == 0) { /* where an empty window lies is only seen by find("") */
        *out = (ig_str){self->u.s.p + self->u.s.n, 0};
        *offset = tmpl_cp_count(self->u.s);
    } else {
        *offset = tmpl_cp_count((ig_str){self->u.s.p, (size_t)(part.u.s.p - self->u.s.p)});
    }
    return IG_OK;
}

/* ---- case ---- */

METHOD(str_upper) {
    const size_t mark = c->out.n;
    (void)args;
    IG_TRY(tmpl_put_case(c, a[0].u.s, true));
    return tmpl_take_value(c, mark, a[0].markup, out);
}

METHOD(str_lower) {
    const size_t mark = c->out.n;
    (void)args;
    IG_TRY(tmpl_put_case(c, a[0].u.s, false));
    return tmpl_take_value(c, mark, a[0].markup, out);
}

METHOD(str_capitalize) {
    const size_t mark = c->out.n;
    const ig_str s = a[0].u.s;
    const size_t first = tmpl_cp_offset(s, 1);
    (void)args;
    IG_TRY(tmpl_put_case(c, (ig_str){s.p, first}, true));
    IG_TRY(tmpl_put_case(c, (ig_str){s.p + first, s.n - first}, false));
    return tmpl_take_value(c, mark, a[0].markup, out);
}

METHOD(str_title) {
    const size_t mark = c->out.n;
    const ig_str s = a[0].u.s;
    bool in_word = false;
    (void)args;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t n = tmpl_cp(s, i, &cp);
        IG_TRY(tmpl_put_case(c, (ig_str){s.p + i, n}, !in_word));
        in_word = ig_utf_class_of(cp) & IG_UTF_LETTER;
        i += n;
    }
    return tmpl_take_value(c, mark, a[0].markup, out);
}

METHOD(str_swapcase) {
    const size_t mark = c->out.n;
    const ig_str s = a[0].u.s;
    (void)args;
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t n = tmpl_cp(s, i, &cp);
        IG_TRY(tmpl_put_case(c, (ig_str){s.p + i, n}, ig_utf_upper(cp) != cp));
        i += n;
    }
    return tmpl_take_value(c, mark, a[0].markup, out);
}

/* ---- stripping, filling ---- */

static ig_status strip(tmpl_ctx *c, const tmpl_value *a, bool left, bool right, tmpl_value *out) {
    ig_str chars;
    const bool given = a[1].kind != TMPL_MISSING && a[1].kind != TMPL_NONE;
    if (given)
        IG_TRY(tmpl_need_str(c, &a[1], &chars));
    IG_TRY(tmpl_charge_scan(c, a[0].u.s.n * (given ? 1 + chars.n : 1)));
    put_part(&a[0], tmpl_strip(a[0].u.s, given ? &chars : NULL, left, right), out);
    return IG_OK;
}
METHOD(str_strip) {
    (void)args;
    return strip(c, a, true, true, out);
}
METHOD(str_lstrip) {
    (void)args;
    return strip(c, a, true, false, out);
}
METHOD(str_rstrip) {
    (void)args;
    return strip(c, a, false, true, out);
}

/* Whether s begins or ends with the string `affix`, which has *n bytes. */
static ig_status has_affix(tmpl_ctx *c, ig_str s, const tmpl_value *affix, bool at_end, size_t *n,
                           bool *out) {
    ig_str fix;
    IG_TRY(tmpl_need_str(c, affix, &fix));
    *n = fix.n;
    *out = at_end ? ig_str_ends(s, fix) : ig_str_starts(s, fix);
    return tmpl_charge(c, IG_MIN(fix.n, s.n));
}

METHOD(str_removeprefix) {
    const ig_str s = a[0].u.s;
    size_t n;
    bool hit;
    (void)args;
    IG_TRY(has_affix(c, s, &a[1], false, &n, &hit));
    put_part(&a[0], hit ? (ig_str){s.p + n, s.n - n} : s, out);
    return IG_OK;
}

METHOD(str_removesuffix) {
    const ig_str s = a[0].u.s;
    size_t n;
    bool hit;
    (void)args;
    IG_TRY(has_affix(c, s, &a[1], true, &n, &hit));
    put_part(&a[0], hit ? (ig_str){s.p, s.n - n} : s, out);
    return IG_OK;
}

/* Pads to a[1] code points with a[2]; `where` is the text's side: -1 left, 1 right, 0 middle. */
static ig_status pad(tmpl_ctx *c, const tmpl_value *a, int where, tmpl_value *out) {
    int64_t width;
    ig_str fill = IG_STR(" ");
    const size_t mark = c->out.n, have = tmpl_cp_count(a[0].u.s);
    IG_TRY(tmpl_arg_int(c, &a[1], 0, &width));
    if (a[2].kind != TMPL_MISSING)
        IG_TRY(tmpl_need_str(c, &a[2], &fill));
    if (tmpl_cp_count(fill) != 1)
        return tmpl_fail(c, IG_EARGUMENT, "The fill character must be exactly one character long");
    const size_t blanks = width > 0 && (uint64_t)width > have ? (size_t)width - have : 0;
    if (blanks > IG_TEMPLATE_OUTPUT_MAX)
        return tmpl_fail(c, IG_ELIMIT, "padding to %lld is too wide (IG_TEMPLATE_OUTPUT_MAX)",
                         (long long)width);
    const size_t before = where < 0   ? 0
                          : where > 0 ? blanks
                                      : blanks / 2 + (blanks & (size_t)width & 1);
    for (size_t i = 0; i <= blanks; i++) {
        if (i == before)
            IG_TRY(tmpl_put(c, a[0].u.s));
        if (i < blanks)
            IG_TRY(tmpl_put(c, fill));
    }
    return tmpl_take_value(c, mark, a[0].markup, out);
}
METHOD(str_ljust) {
    (void)args;
    return pad(c, a, -1, out);
}
METHOD(str_rjust) {
    (void)args;
    return pad(c, a, 1, out);
}
METHOD(str_center) {
    (void)args;
    return pad(c, a, 0, out);
}

METHOD(str_zfill) {
    int64_t width;
    const size_t mark = c->out.n, have = tmpl_cp_count(a[0].u.s);
    ig_str s = a[0].u.s;
    (void)args;
    IG_TRY(tmpl_arg_int(c, &a[1], 0, &width));
    if (s.n && (s.p[0] == '-' || s.p[0] == '+')) {
        IG_TRY(tmpl_put(c, (ig_str){s.p, 1}));
        s = (ig_str){s.p + 1, s.n - 1};
    }
    if (width > (int64_t)IG_TEMPLATE_OUTPUT_MAX)
        return tmpl_fail(c, IG_ELIMIT, "zfill to %lld is too wide (IG_TEMPLATE_OUTPUT_MAX)",
                         (long long)width);
    if (width > (int64_t)have)
        IG_TRY(tmpl_put_fill(c, '0', (size_t)width - have));
    IG_TRY(tmpl_put(c, s));
    return tmpl_take_value(c, mark, a[0].markup, out);
}

METHOD(str_expandtabs) {
    int64_t size;
    const size_t mark = c->out.n;
    size_t column = 0;
    (void)args;
    IG_TRY(tmpl_arg_int(c, &a[1], 8, &size));
    if (size > 4096)
        return tmpl_fail(c, IG_ELIMIT, "expandtabs(%lld) is too wide; use at most 4096",
                         (long long)size);
    for (size_t i = 0; i < a[0].u.s.n; i++) {
        const char b = a[0].u.s.p[i];
        if (b == '\t') {
            size_t n = size > 0 ? (size_t)size - column % (size_t)size : 0;
            IG_TRY(tmpl_put_fill(c, ' ', n));
            column += n;
            continue;
        }
        IG_TRY(tmpl_put(c, (ig_str){&b, 1}));
        column = b == '\n' || b == '\r' ? 0 : column + (((unsigned char)b & 0xC0) != 0x80);
    }
    return tmpl_take_value(c, mark, a[0].markup, out);
}

/* ---- searching ---- */

/* Byte offset of the last hit, s.n + 1 when there is none. */
static ig_status find_last(tmpl_ctx *c, ig_str s, ig_str needle, size_t *out) {
    *out = s.n + 1;
    if (needle.n == 0) {
        *out = s.n;
        return IG_OK;
    }
    for (size_t at = tmpl_find(s, needle, 0); at <= s.n; at = tmpl_find(s, needle, at + 1)) {
        *out = at;
        IG_TRY(tmpl_charge_scan(c, needle.n));
    }
    return tmpl_charge_scan(c, s.n);
}

/* Code point index of a hit, or -1. */
static ig_status find_index(tmpl_ctx *c, const tmpl_value *a, bool last, int64_t *out) {
    ig_str needle, s;
    size_t offset, at;
    IG_TRY(tmpl_need_str(c, &a[1], &needle));
    IG_TRY(window(c, &a[0], &a[2], &a[3], &s, &offset));
    IG_TRY(tmpl_charge_scan(c, s.n));
    if (last)
        IG_TRY(find_last(c, s, needle, &at));
    else
        at = tmpl_find(s, needle, 0);
    *out = at > s.n ? -1 : (int64_t)(offset + tmpl_cp_count((ig_str){s.p, at}));
    return IG_OK;
}

METHOD(str_find) {
    int64_t at;
    (void)args;
    IG_TRY(find_index(c, a, false, &at));
    *out = tmpl_int(at);
    return IG_OK;
}

METHOD(str_rfind) {
    int64_t at;
    (void)args;
    IG_TRY(find_index(c, a, true, &at));
    *out = tmpl_int(at);
    return IG_OK;
}

static ig_status found_or_fail(tmpl_ctx *c, const tmpl_value *v) {
    return v->u.i < 0 ? tmpl_fail(c, IG_EARGUMENT, "substring not found") : IG_OK;
}
METHOD(str_index) {
    IG_TRY(str_find(c, a, args, out));
    return found_or_fail(c, out);
}
METHOD(str_rindex) {
    IG_TRY(str_rfind(c, a, args, out));
    return found_or_fail(c, out);
}

METHOD(str_count) {
    ig_str needle, s;
    size_t offset;
    int64_t n = 0;
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[1], &needle));
    IG_TRY(window(c, &a[0], &a[2], &a[3], &s, &offset));
    IG_TRY(tmpl_charge_scan(c, s.n));
    if (needle.n == 0)
        n = (int64_t)tmpl_cp_count(s) + 1;
    else
        for (size_t at = 0; (at = tmpl_find(s, needle, at)) <= s.n; at += needle.n) {
            IG_TRY(tmpl_charge_scan(c, needle.n));
            n++;
        }
    *out = tmpl_int(n);
    return IG_OK;
}

/* a[1] is a string, or a tuple of which one is enough. */
static ig_status has_some_affix(tmpl_ctx *c, const tmpl_value *a, bool at_end, tmpl_value *out) {
    const bool several = a[1].kind == TMPL_TUPLE;
    const tmpl_value *affixes = several ? a[1].u.list->items : &a[1];
    const size_t count = several ? a[1].u.list->n : 1;
    ig_str s;
    size_t offset, n;
    bool hit = false;
    IG_TRY(window(c, &a[0], &a[2], &a[3], &s, &offset));
    for (size_t i = 0; i < count && !hit; i++)
        IG_TRY(has_affix(c, s, &affixes[i], at_end, &n, &hit));
    *out = tmpl_bool(hit);
    return IG_OK;
}
METHOD(str_startswith) {
    (void)args;
    return has_some_affix(c, a, false, out);
}
METHOD(str_endswith) {
    (void)args;
    return has_some_affix(c, a, true, out);
}

METHOD(str_replace) {
    tmpl_value old = a[1], fresh = a[2];
    int64_t count;
    const size_t mark = c->out.n;
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[1], &old.u.s));
    IG_TRY(tmpl_need_str(c, &a[2], &fresh.u.s));
    if (a[0].markup)
        IG_TRY(tmpl_escape(c, &fresh, &fresh.u.s));
    IG_TRY(tmpl_arg_int(c, &a[3], -1, &count));
    IG_TRY(tmpl_put_replaced(c, a[0].u.s, old.u.s, fresh.u.s, count));
    return tmpl_take_value(c, mark, a[0].markup, out);
}

/* ---- splitting and joining ---- */

static ig_status add_part(tmpl_ctx *c, const tmpl_value *self, tmpl_list *list, size_t from,
                          size_t to) {
    tmpl_value part;
    put_part(self, (ig_str){self->u.s.p + from, to - from}, &part);
    return tmpl_list_add(c, list, &part);
}

static ig_status split_blanks(tmpl_ctx *c, const tmpl_value *self, int64_t max, tmpl_list *list) {
    ig_str s = self->u.s;
    for (size_t at = 0;; max -= max > 0) {
        ig_str rest = tmpl_strip((ig_str){s.p + at, s.n - at}, NULL, true, false);
        at = (size_t)(rest.p - s.p);
        if (rest.n == 0)
            return IG_OK;
        if (max == 0)
            return add_part(c, self, list, at, s.n);
        size_t end = at;
        while (end < s.n) {
            uint32_t cp;
            size_t n = tmpl_cp(s, end, &cp);
            if (tmpl_is_space(cp))
                break;
            end += n;
        }
        IG_TRY(add_part(c, self, list, at, end));
        at = end;
    }
}

static ig_status split_blanks_right(tmpl_ctx *c, const tmpl_value *self, int64_t max,
                                    tmpl_list *list) {
    ig_str s = self->u.s;
    for (size_t end = s.n;; max -= max > 0) {
        ig_str rest = tmpl_strip((ig_str){s.p, end}, NULL, false, true);
        if (rest.n == 0)
            return IG_OK;
        if (max == 0)
            return add_part(c, self, list, 0, rest.n);
        size_t at = rest.n;
        while (at > 0) {
            uint32_t cp;
            size_t before = at - 1;
            while (before > 0 && ((unsigned char)s.p[before] & 0xC0) == 0x80)
                before--;
            tmpl_cp(s, before, &cp);
            if (tmpl_is_space(cp))
                break;
            at = before;
        }
        IG_TRY(add_part(c, self, list, at, rest.n));
        end = at;
    }
}

static ig_status split_sep(tmpl_ctx *c, const tmpl_value *self, ig_str sep, int64_t max,
                           tmpl_list *list) {
    size_t start = 0;
    for (; max != 0; max -= max > 0) {
        size_t hit = tmpl_find(self->u.s, sep, start);
        if (hit > self->u.s.n)
            break;
        IG_TRY(add_part(c, self, list, start, hit));
        start = hit + sep.n;
    }
    return add_part(c, self, list, start, self->u.s.n);
}

static ig_status split_sep_right(tmpl_ctx *c, const tmpl_value *self, ig_str sep, int64_t max,
                                 tmpl_list *list) {
    size_t end = self->u.s.n;
    for (size_t at = end; max != 0 && at >= sep.n;) {
        if (memcmp(self->u.s.p + at - sep.n, sep.p, sep.n) != 0) {
            at--;
            continue;
        }
        IG_TRY(add_part(c, self, list, at, end));
        IG_TRY(tmpl_charge(c, sep.n));
        end = at = at - sep.n;
        max -= max > 0;
    }
    return add_part(c, self, list, 0, end);
}

static void reverse_list(tmpl_list *list) {
    for (size_t i = 0; i < list->n / 2; i++) {
        tmpl_value v = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = v;
    }
}

static ig_status split(tmpl_ctx *c, const tmpl_value *a, bool right, tmpl_value *out) {
    const bool blanks = a[1].kind == TMPL_MISSING || a[1].kind == TMPL_NONE;
    tmpl_list *list;
    ig_str sep;
    int64_t max;
    IG_TRY(tmpl_arg_int(c, &a[2], -1, &max));
    IG_TRY(tmpl_list_new(c, 0, &list));
    IG_TRY(tmpl_charge_scan(c, a[0].u.s.n));
    if (!blanks) {
        IG_TRY(tmpl_need_str(c, &a[1], &sep));
        if (sep.n == 0)
            return tmpl_fail(c, IG_EARGUMENT, "empty separator");
        /* From the right every position is compared with the whole separator. */
        IG_TRY(tmpl_charge(c, right && max != 0 && sep.n > 64 ? a[0].u.s.n * sep.n : 0));
    }
    if (blanks)
        IG_TRY((right ? split_blanks_right : split_blanks)(c, &a[0], max, list));
    else if (right && max >= 0)
        IG_TRY(split_sep_right(c, &a[0], sep, max, list));
    else
        IG_TRY(split_sep(c, &a[0], sep, max, list));
    if (right && (blanks || max >= 0))
        reverse_list(list);
    *out = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}
METHOD(str_split) {
    (void)args;
    return split(c, a, false, out);
}
METHOD(str_rsplit) {
    (void)args;
    return split(c, a, true, out);
}

METHOD(str_splitlines) {
    bool keep;
    tmpl_list *list;
    (void)args;
    IG_TRY(tmpl_arg_flag(c, &a[1], false, &keep));
    IG_TRY(tmpl_split_lines(c, a[0].u.s, keep, &list));
    for (size_t i = 0; i < list->n; i++)
        list->items[i].markup = a[0].markup;
    *out = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}

static ig_status partition(tmpl_ctx *c, const tmpl_value *a, bool last, tmpl_value *out) {
    ig_str sep, s = a[0].u.s;
    size_t at;
    tmpl_list *list;
    IG_TRY(tmpl_need_str(c, &a[1], &sep));
    if (sep.n == 0)
        return tmpl_fail(c, IG_EARGUMENT, "empty separator");
    IG_TRY(tmpl_charge_scan(c, s.n));
    if (last)
        IG_TRY(find_last(c, s, sep, &at));
    else
        at = tmpl_find(s, sep, 0);
    const bool hit = at <= s.n;
    const size_t first = hit ? at : last ? 0 : s.n, second = hit ? at + sep.n : first;
    IG_TRY(tmpl_list_new(c, 3, &list));
    IG_TRY(add_part(c, &a[0], list, 0, first));
    IG_TRY(add_part(c, &a[0], list, first, second));
    IG_TRY(add_part(c, &a[0], list, second, s.n));
    *out = tmpl_list_value(TMPL_TUPLE, list);
    return IG_OK;
}
METHOD(str_partition) {
    (void)args;
    return partition(c, a, false, out);
}
METHOD(str_rpartition) {
    (void)args;
    return partition(c, a, true, out);
}

METHOD(str_join) {
    tmpl_value item;
    tmpl_list *parts;
    const size_t mark = c->out.n;
    (void)args;
    IG_TRY(tmpl_list_from(c, &a[1], &parts));
    for (size_t i = 0; i < parts->n; i++) {
        item = parts->items[i];
        if (item.kind != TMPL_STR && !a[0].markup)
            return tmpl_fail(c, IG_EARGUMENT, "sequence item %zu: expected str instance, %s found",
                             i, tmpl_type_name(&item));
        if (i)
            IG_TRY(tmpl_put(c, a[0].u.s));
        ig_str s = item.u.s;
        if (a[0].markup)
            IG_TRY(tmpl_escape(c, &item, &s));
        IG_TRY(tmpl_put(c, s));
    }
    return tmpl_take_value(c, mark, a[0].markup, out);
}

METHOD(str_format) {
    return tmpl_brace_format(c, a[0].u.s, args, out);
}

/* ---- predicates ---- */

typedef bool cp_is(uint32_t cp);

static bool cp_alpha(uint32_t cp) {
    return ig_utf_class_of(cp) & IG_UTF_LETTER;
}
static bool cp_number(uint32_t cp) {
    return ig_utf_class_of(cp) & IG_UTF_NUMBER;
}
static bool cp_alnum(uint32_t cp) {
    return ig_utf_class_of(cp) & (IG_UTF_LETTER | IG_UTF_NUMBER);
}
static bool cp_printable(uint32_t cp) {
    return cp == ' ' || !(ig_utf_class_of(cp) & (IG_UTF_CONTROL | IG_UTF_SEPARATOR));
}

/* True when every code point is; an empty string is `empty`. */
static ig_status all(tmpl_ctx *c, ig_str s, cp_is *is, bool empty, tmpl_value *out) {
    bool yes = s.n > 0 || empty;
    IG_TRY(tmpl_charge_scan(c, s.n));
    for (size_t i = 0; i < s.n && yes;) {
        uint32_t cp;
        i += tmpl_cp(s, i, &cp);
        yes = is(cp);
    }
    *out = tmpl_bool(yes);
    return IG_OK;
}
METHOD(str_isalpha) {
    (void)args;
    return all(c, a[0].u.s, cp_alpha, false, out);
}
METHOD(str_isdigit) {
    (void)args;
    return all(c, a[0].u.s, cp_number, false, out);
}
METHOD(str_isalnum) {
    (void)args;
    return all(c, a[0].u.s, cp_alnum, false, out);
}
METHOD(str_isspace) {
    (void)args;
    return all(c, a[0].u.s, tmpl_is_space, false, out);
}
METHOD(str_isprintable) {
    (void)args;
    return all(c, a[0].u.s, cp_printable, true, out);
}
static bool cp_ascii(uint32_t cp) {
    return cp < 0x80;
}
METHOD(str_isascii) {
    (void)args;
    return all(c, a[0].u.s, cp_ascii, true, out);
}

static ig_status has_case(tmpl_ctx *c, ig_str s, bool upper, tmpl_value *out) {
    bool any = false, other = false;
    IG_TRY(tmpl_charge_scan(c, s.n));
    for (size_t i = 0; i < s.n && !other;) {
        uint32_t cp;
        i += tmpl_cp(s, i, &cp);
        bool is_upper = ig_utf_lower(cp) != cp, is_lower = ig_utf_upper(cp) != cp;
        any = any || (upper ? is_upper : is_lower);
        other = upper ? is_lower : is_upper;
    }
    *out = tmpl_bool(any && !other);
    return IG_OK;
}
METHOD(str_isupper) {
    (void)args;
    return has_case(c, a[0].u.s, true, out);
}
METHOD(str_islower) {
    (void)args;
    return has_case(c, a[0].u.s, false, out);
}

const tmpl_row TMPL_STR_METHODS[] = {
    {"strip", str_strip, "chars /", 0},
    {"lstrip", str_lstrip, "chars /", 0},
    {"rstrip", str_rstrip, "chars /", 0},
    {"split", str_split, "sep maxsplit", 0},
    {"rsplit", str_rsplit, "sep maxsplit", 0},
    {"splitlines", str_splitlines, "keepends", 0},
    {"replace", str_replace, "old new count /", 2},
    {"startswith", str_startswith, "prefix start end /", 1},
    {"endswith", str_endswith, "suffix start end /", 1},
    {"upper", str_upper, "", 0},
    {"lower", str_lower, "", 0},
    {"casefold", str_lower, "", 0},
    {"title", str_title, "", 0},
    {"capitalize", str_capitalize, "", 0},
    {"swapcase", str_swapcase, "", 0},
    {"join", str_join, "iterable /", 1},
    {"format", str_format, "*", 0},
    {"find", str_find, "sub start end /", 1},
    {"rfind", str_rfind, "sub start end /", 1},
    {"index", str_index, "sub start end /", 1},
    {"rindex", str_rindex, "sub start end /", 1},
    {"count", str_count, "sub start end /", 1},
    {"partition", str_partition, "sep /", 1},
    {"rpartition", str_rpartition, "sep /", 1},
    {"removeprefix", str_removeprefix, "prefix /", 1},
    {"removesuffix", str_removesuffix, "suffix /", 1},
    {"ljust", str_ljust, "width fillchar /", 1},
    {"rjust", str_rjust, "width fillchar /", 1},
    {"center", str_center, "width fillchar /", 1},
    {"zfill", str_zfill, "width /", 1},
    {"expandtabs", str_expandtabs, "tabsize", 0},
    {"isalpha", str_isalpha, "", 0},
    {"isdigit", str_isdigit, "", 0},
    {"isdecimal", str_isdigit, "", 0},
    {"isnumeric", str_isdigit, "", 0},
    {"isalnum", str_isalnum, "", 0},
    {"isspace", str_isspace, "", 0},
    {"isupper", str_isupper, "", 0},
    {"islower", str_islower, "", 0},
    {"isascii", str_isascii, "", 0},
    {"isprintable", str_isprintable, "", 0},
    {"istitle", NULL, "", 0},
    {"isidentifier", NULL, "", 0},
    {"encode", NULL, "", 0},
    {"format_map", NULL, "", 0},
    {"translate", NULL, "", 0},
    {"maketrans", NULL, "", 0},
};
const size_t TMPL_STR_METHODS_N = IG_COUNT(TMPL_STR_METHODS);
