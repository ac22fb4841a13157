/* tmpl_access.c: attributes, subscripts and slices, in the order the sandboxed environment tries
 * them, and the methods of everything but strings. */
#include "template/template_int.h"

/* ---- methods of dicts, lists, tuples, ranges ---- */

static ig_status dict_get(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                          tmpl_value *out) {
    tmpl_value *found;
    (void)args;
    IG_TRY(tmpl_dict_find(c, a[0].u.dict, &a[1], &found));
    *out = found ? *found : a[2].kind == TMPL_MISSING ? tmpl_none() : a[2];
    return IG_OK;
}

static ig_status dict_view(tmpl_ctx *c, const tmpl_dict *dict, tmpl_view view, tmpl_value *out) {
    tmpl_list *list;
    IG_TRY(tmpl_list_new(c, dict->n, &list));
    for (size_t i = 0; i < dict->n; i++) {
        const tmpl_entry *e = &dict->entries[i];
        tmpl_value item = view == TMPL_VIEW_KEYS ? e->key : e->value;
        if (view == TMPL_VIEW_ITEMS)
            IG_TRY(tmpl_pair(c, &e->key, &e->value, &item));
        list->items[list->n++] = item;
    }
    *out = tmpl_list_value(TMPL_VIEW, list);
    out->view = (uint8_t)view;
    return IG_OK;
}

static ig_status dict_keys(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                           tmpl_value *out) {
    (void)args;
    return dict_view(c, a[0].u.dict, TMPL_VIEW_KEYS, out);
}
static ig_status dict_values(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                             tmpl_value *out) {
    (void)args;
    return dict_view(c, a[0].u.dict, TMPL_VIEW_VALUES, out);
}
static ig_status dict_items(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                            tmpl_value *out) {
    (void)args;
    return dict_view(c, a[0].u.dict, TMPL_VIEW_ITEMS, out);
}

/* Nothing can change a copy, so it is the original. */
static ig_status same_object(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                             tmpl_value *out) {
    (void)c;
    (void)args;
    *out = a[0];
    return IG_OK;
}

static ig_status seq_count(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                           tmpl_value *out) {
    tmpl_iter it;
    tmpl_value item;
    bool more, same;
    int64_t n = 0;
    (void)args;
    IG_TRY(tmpl_iter_start(c, &a[0], &it));
    for (;; n += same) {
        IG_TRY(tmpl_iter_next(c, &it, &item, &more));
        if (!more)
            break;
        IG_TRY(tmpl_equal(c, &item, &a[1], &same));
    }
    *out = tmpl_int(n);
    return IG_OK;
}

static ig_status seq_index(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                           tmpl_value *out) {
    tmpl_iter it;
    tmpl_value item;
    bool more, same;
    (void)args;
    IG_TRY(tmpl_iter_start(c, &a[0], &it));
    for (int64_t i = 0;; i++) {
        IG_TRY(tmpl_iter_next(c, &it, &item, &more));
        if (!more)
            return tmpl_fail(c, IG_EARGUMENT, "value is not in %s", tmpl_type_name(&a[0]));
        IG_TRY(tmpl_equal(c, &item, &a[1], &same));
        *out = tmpl_int(i);
        if (same)
            return IG_OK;
    }
}

static ig_status cycler_next(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                             tmpl_value *out) {
    tmpl_counter *k = a[0].u.counter;
    (void)c;
    (void)args;
    *out = k->items->items[k->at];
    k->at = (k->at + 1) % k->items->n;
    return IG_OK;
}

static ig_status cycler_reset(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                              tmpl_value *out) {
    (void)c;
    (void)args;
    a[0].u.counter->at = 0;
    *out = tmpl_none();
    return IG_OK;
}

static const tmpl_row DICT_METHODS[] = {
    {"get", dict_get, "key default /", 1}, {"keys", dict_keys, "", 0},
    {"values", dict_values, "", 0},        {"items", dict_items, "", 0},
    {"copy", same_object, "", 0},          {"fromkeys", NULL, "", 0},
};
static const tmpl_row LIST_METHODS[] = {{"count", seq_count, "value /", 1},
                                        {"index", seq_index, "value /", 1},
                                        {"copy", same_object, "", 0}};
static const tmpl_row TUPLE_METHODS[] = {{"count", seq_count, "value /", 1},
                                         {"index", seq_index, "value /", 1}};
static const tmpl_row CYCLER_METHODS[] = {{"next", cycler_next, "", 0},
                                          {"reset", cycler_reset, "", 0}};
/* Attributes of Python's numbers: refused by name instead of being undefined. */
static const tmpl_row INT_METHODS[] = {{"real", NULL, "", 0},       {"imag", NULL, "", 0},
                                       {"numerator", NULL, "", 0},  {"denominator", NULL, "", 0},
                                       {"bit_length", NULL, "", 0}, {"conjugate", NULL, "", 0},
                                       {"to_bytes", NULL, "", 0},   {"bit_count", NULL, "", 0}};
static const tmpl_row REAL_METHODS[] = {
    {"real", NULL, "", 0},      {"imag", NULL, "", 0}, {"is_integer", NULL, "", 0},
    {"conjugate", NULL, "", 0}, {"hex", NULL, "", 0},  {"as_integer_ratio", NULL, "", 0}};
/* What would change a list or dict: the sandbox makes it undefined. */
static const char *const UNSAFE[] = {"append", "clear",   "extend", "insert", "pop",
                                     "remove", "reverse", "sort",   NULL};
static const char *const UNSAFE_DICT[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};

const tmpl_row *tmpl_find_row(const tmpl_row *rows, size_t n, ig_str name) {
    for (size_t i = 0; i < n; i++) {
        if (ig_str_is(name, rows[i].name))
            return &rows[i];
    }
    return NULL;
}

const tmpl_row *tmpl_find_method(tmpl_kind kind, ig_str name, bool *unsafe) {
    const char *const *hidden = kind == TMPL_LIST ? UNSAFE : kind == TMPL_DICT ? UNSAFE_DICT : NULL;
    *unsafe = ig_str_starts(name, IG_STR("__"));
    for (; hidden && *hidden && !*unsafe; hidden++)
        *unsafe = ig_str_is(name, *hidden);
    if (*unsafe)
        return NULL;
    switch ((int)kind) {
    case TMPL_STR:
        return tmpl_find_row(TMPL_STR_METHODS, TMPL_STR_METHODS_N, name);
    case TMPL_DICT:
        return tmpl_find_row(DICT_METHODS, IG_COUNT(DICT_METHODS), name);
    case TMPL_LIST:
        return tmpl_find_row(LIST_METHODS, IG_COUNT(LIST_METHODS), name);
    case TMPL_TUPLE:
    case TMPL_RANGE:
        return tmpl_find_row(TUPLE_METHODS, IG_COUNT(TUPLE_METHODS), name);
    case TMPL_CYCLER:
        return tmpl_find_row(CYCLER_METHODS, IG_COUNT(CYCLER_METHODS), name);
    case TMPL_BOOL:
    case TMPL_INT:
        return tmpl_find_row(INT_METHODS, IG_COUNT(INT_METHODS), name);
    case TMPL_REAL:
        return tmpl_find_row(REAL_METHODS, IG_COUNT(REAL_METHODS), name);
    default:
        return NULL;
    }
}

/* ---- attributes ---- */

static bool range_attr(const tmpl_range *r, ig_str name, tmpl_value *out) {
    if (ig_str_is(name, "start"))
        *out = tmpl_int(r->start);
    else if (ig_str_is(name, "step"))
        *out = tmpl_int(r->step);
    else if (ig_str_is(name, "stop"))
        *out = tmpl_int(r->stop);
    else
        return false;
    return true;
}

/* The macro's own attributes that templates use. */
static ig_status macro_attr(tmpl_ctx *c, const tmpl_macro *m, ig_str name, tmpl_value *out,
                            bool *found) {
    *found = true;
    if (ig_str_is(name, "name")) {
        *out = m->node->kind == TMPL_N_MACRO ? tmpl_str(m->node->name) : tmpl_none();
        return IG_OK;
    }
    if (ig_str_is(name, "arguments") || ig_str_is(name, "catch_kwargs") ||
        ig_str_is(name, "catch_varargs") || ig_str_is(name, "caller"))
        return tmpl_fail(c, IG_EUNSUPPORTED, "attribute '%.*s' of a macro is not supported",
                         IG_STR_ARG(name));
    *found = false;
    return IG_OK;
}

/* Python's getattr(v, name) as the sandbox lets it through; *found false: there is none. */
static ig_status attribute(tmpl_ctx *c, const tmpl_value *v, ig_str name, tmpl_value *out,
                           bool *found) {
    bool unsafe;
    *found = true;
    const tmpl_row *row = tmpl_find_method((tmpl_kind)v->kind, name, &unsafe);
    if (row && !row->call)
        return tmpl_fail(c, IG_EUNSUPPORTED, "'%.*s' of '%s' is not supported", IG_STR_ARG(name),
                         tmpl_type_name(v));
    if (row) {
        *out = (tmpl_value){.kind = TMPL_METHOD};
        IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.bound, &out->u.bound, c->err));
        *out->u.bound = (tmpl_bound){*v, row};
        return IG_OK;
    }
    *out = tmpl_undefined(name);
    if (unsafe && v->kind != TMPL_NAMESPACE &&
        (v->kind != TMPL_DICT || !ig_str_starts(name, IG_STR("__"))))
        return IG_OK;
    switch (v->kind) {
    case TMPL_LOOP:
        return tmpl_loop_attr(c, v->u.loop, name, out, found);
    case TMPL_RANGE:
        *found = range_attr(v->u.range, name, out);
        return IG_OK;
    case TMPL_MACRO:
        return macro_attr(c, v->u.macro, name, out, found);
    case TMPL_NAMESPACE: {
        const tmpl_value key = tmpl_str(name);
        tmpl_value *attr;
        IG_TRY(tmpl_dict_find(c, v->u.dict, &key, &attr));
        *found = attr != NULL;
        *out = attr ? *attr : *out;
        return IG_OK;
    }
    case TMPL_TUPLE:
        *found = v->view && (ig_str_is(name, "grouper") || ig_str_is(name, "list"));
        *out = *found ? v->u.list->items[name.n == 4] : *out;
        return IG_OK;
    case TMPL_CYCLER:
        *found = ig_str_is(name, "current");
        *out = *found ? v->u.counter->items->items[v->u.counter->at] : *out;
        return IG_OK;
    default:
        *found = false;
        return IG_OK;
    }
}

/* v[key] where it exists; *found false where Python raises TypeError or LookupError. */
static ig_status item(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *key, tmpl_value *out,
                      bool *found) {
    *found = false;
    if (v->kind == TMPL_DICT) {
        tmpl_value *value;
        if (key->kind == TMPL_LIST || key->kind == TMPL_DICT || key->kind == TMPL_VIEW)
            return IG_OK; /* unhashable: a TypeError, so undefined */
        IG_TRY(tmpl_dict_find(c, v->u.dict, key, &value));
        *found = value != NULL;
        *out = value ? *value : *out;
        return IG_OK;
    }
    bool indexable = v->kind == TMPL_LIST || v->kind == TMPL_TUPLE || v->kind == TMPL_STR ||
                     v->kind == TMPL_RANGE;
    if (!indexable || !tmpl_is_int(key))
        return IG_OK;
    size_t n;
    IG_TRY(tmpl_length(c, v, &n));
    int64_t i = tmpl_as_int(key);
    i += i < 0 ? (int64_t)n : 0;
    if (i < 0 || (uint64_t)i >= n)
        return IG_OK;
    *found = true;
    if (v->kind == TMPL_STR) {
        uint32_t cp;
        size_t at = tmpl_cp_offset(v->u.s, (size_t)i);
        *out = tmpl_str((ig_str){v->u.s.p + at, tmpl_cp(v->u.s, at, &cp)});
        return tmpl_charge(c, at);
    }
    *out = v->kind == TMPL_RANGE ? tmpl_int(tmpl_range_at(v->u.range, (size_t)i))
                                 : v->u.list->items[i];
    return IG_OK;
}

ig_status tmpl_getattr(tmpl_ctx *c, const tmpl_value *v, ig_str name, tmpl_value *out) {
    bool found;
    const tmpl_value key = tmpl_str(name);
    IG_TRY(tmpl_charge(c, 0));
    if (v->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, v);
    IG_TRY(attribute(c, v, name, out, &found));
    if (!found)
        IG_TRY(item(c, v, &key, out, &found));
    if (!found)
        *out = tmpl_undefined(name);
    return IG_OK;
}

ig_status tmpl_getitem(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *key, tmpl_value *out) {
    bool found;
    IG_TRY(tmpl_charge(c, 0));
    if (v->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, v);
    IG_TRY(item(c, v, key, out, &found));
    if (!found && key->kind == TMPL_STR)
        IG_TRY(attribute(c, v, key->u.s, out, &found));
    if (!found)
        *out = tmpl_undefined(key->kind == TMPL_STR ? key->u.s : (ig_str){"", 0});
    return IG_OK;
}

static ig_status path_step(tmpl_ctx *c, const tmpl_value *part, const tmpl_value *otherwise,
                           tmpl_value *v) {
    const tmpl_value from = *v;
    IG_TRY(tmpl_getitem(c, &from, part, v));
    if (v->kind == TMPL_UNDEFINED && otherwise && otherwise->kind > TMPL_NONE)
        *v = *otherwise;
    return IG_OK;
}

ig_status tmpl_get_path(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *path,
                        const tmpl_value *otherwise, tmpl_value *out) {
    *out = *v;
    if (path->kind == TMPL_NONE || path->kind == TMPL_MISSING)
        return IG_OK;
    if (path->kind != TMPL_STR)
        return path_step(c, path, otherwise, out);
    IG_TRY(tmpl_charge_scan(c, path->u.s.n));
    for (size_t start = 0; start <= path->u.s.n;) {
        size_t end = start;
        bool digits = true;
        for (; end < path->u.s.n && path->u.s.p[end] != '.'; end++)
            digits = digits && path->u.s.p[end] >= '0' && path->u.s.p[end] <= '9';
        tmpl_value part = tmpl_str((ig_str){path->u.s.p + start, end - start});
        bool ok = digits && end > start;
        int64_t number;
        if (ok)
            IG_TRY(tmpl_parse_int(part.u.s, 10, &number, &ok));
        if (ok)
            part = tmpl_int(number);
        IG_TRY(path_step(c, &part, otherwise, out));
        start = end + 1;
    }
    return IG_OK;
}

/* ---- slices ---- */

static ig_status slice_bound(tmpl_ctx *c, const tmpl_value *v, int64_t *out) {
    if (v->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, v);
    if (!tmpl_is_int(v))
        return tmpl_fail(c, IG_EARGUMENT, "slice indices must be integers or None");
    *out = tmpl_as_int(v);
    return IG_OK;
}

/* A bound as an index in [low, high]; negative ones count from the end. */
static ig_status clamp_bound(tmpl_ctx *c, const tmpl_value *v, int64_t n, int64_t low, int64_t high,
                             int64_t otherwise, int64_t *out) {
    *out = otherwise;
    if (v->kind == TMPL_MISSING || v->kind == TMPL_NONE)
        return IG_OK;
    IG_TRY(slice_bound(c, v, out));
    if (*out < 0)
        *out = *out < -n ? low : *out + n;
    *out = *out < low ? low : *out > high ? high : *out;
    return IG_OK;
}

static ig_status slice_str(tmpl_ctx *c, ig_str s, int64_t start, int64_t step, size_t n,
                           ig_str *out) {
    if (n == 0) {
        *out = (ig_str){"", 0};
        return IG_OK;
    }
    if (step == 1) {
        size_t from = tmpl_cp_offset(s, (size_t)start);
        ig_str rest = {s.p + from, s.n - from};
        *out = (ig_str){rest.p, tmpl_cp_offset(rest, n)};
        return tmpl_charge(c, s.n);
    }
    const size_t mark = c->out.n;
    const bool ascii = tmpl_cp_count(s) == s.n;
    for (size_t i = 0; i < n; i++) {
        size_t cp_at = (size_t)(start + (int64_t)i * step),
               at = ascii ? cp_at : tmpl_cp_offset(s, cp_at);
        uint32_t cp;
        IG_TRY(tmpl_charge(c, ascii ? 0 : at));
        IG_TRY(tmpl_put(c, (ig_str){s.p + at, tmpl_cp(s, at, &cp)}));
    }
    return tmpl_take(c, mark, out);
}

ig_status tmpl_slice(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *start,
                     const tmpl_value *stop, const tmpl_value *step, tmpl_value *out) {
    int64_t from, to, by = 1;
    size_t length;
    if (v->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, v);
    if (v->kind != TMPL_STR && v->kind != TMPL_LIST && v->kind != TMPL_TUPLE &&
        v->kind != TMPL_RANGE)
        return tmpl_fail(c, IG_EARGUMENT, "'%s' object cannot be sliced", tmpl_type_name(v));
    if (step->kind != TMPL_MISSING && step->kind != TMPL_NONE)
        IG_TRY(slice_bound(c, step, &by));
    if (by == 0)
        return tmpl_fail(c, IG_EARGUMENT, "slice step cannot be zero");
    IG_TRY(tmpl_length(c, v, &length));
    const int64_t size = (int64_t)length, low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
    by = by > size + 1 ? size + 1 : by < -size - 1 ? -size - 1 : by;
    IG_TRY(clamp_bound(c, start, size, low, high, by < 0 ? high : low, &from));
    IG_TRY(clamp_bound(c, stop, size, low, high, by < 0 ? low : high, &to));
    size_t n = by > 0 ? (to > from ? (size_t)((to - from - 1) / by + 1) : 0)
                      : (from > to ? (size_t)((from - to - 1) / -by + 1) : 0);
    *out = *v;
    if (v->kind == TMPL_STR)
        return slice_str(c, v->u.s, from, by, n, &out->u.s);
    if (v->kind == TMPL_RANGE) {
        IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.range, &out->u.range, c->err));
        const int64_t first = n ? tmpl_range_at(v->u.range, (size_t)from) : 0;
        const int64_t apart = (int64_t)((uint64_t)v->u.range->step * (uint64_t)by);
        *out->u.range = (tmpl_range){first, 0, apart, n};
        out->u.range->stop = tmpl_range_at(out->u.range, n);
        return IG_OK;
    }
    out->view = 0;
    IG_TRY(tmpl_list_new(c, n, &out->u.list));
    for (size_t i = 0; i < n; i++)
        out->u.list->items[out->u.list->n++] = v->u.list->items[from + (int64_t)i * by];
    return IG_OK;
}
