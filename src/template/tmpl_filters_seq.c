/* tmpl_filters_seq.c: filters over sequences. Those that are generators in Python give an iterator
 * that is consumed once and is always true; they run at once here, which only side effects could
 * tell, and filters have none. */
#include "template/template_int.h"

#define FILTER(name)                                                                               \
    static ig_status name(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args, tmpl_value *out)

FILTER(seq_length) {
    size_t n;
    (void)args;
    IG_TRY(tmpl_length(c, &a[0], &n));
    *out = tmpl_int((int64_t)n);
    return IG_OK;
}

FILTER(seq_list) {
    tmpl_list *list;
    (void)args;
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    *out = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}

FILTER(seq_first) {
    tmpl_iter it;
    bool more;
    (void)args;
    IG_TRY(tmpl_iter_start(c, &a[0], &it));
    IG_TRY(tmpl_iter_next(c, &it, out, &more));
    if (!more)
        *out = tmpl_undefined(IG_STR("first of an empty sequence"));
    return IG_OK;
}

/* Whether Python's reversed() takes it. */
static bool is_reversible(const tmpl_value *v) {
    return v->kind != TMPL_ITER;
}

FILTER(seq_last) {
    tmpl_list *list;
    (void)args;
    if (!is_reversible(&a[0]))
        return tmpl_fail(c, IG_EARGUMENT, "'%s' object is not reversible", tmpl_type_name(&a[0]));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    *out = list->n ? list->items[list->n - 1] : tmpl_undefined(IG_STR("last of an empty sequence"));
    return IG_OK;
}

FILTER(seq_reverse) {
    tmpl_list *list;
    (void)args;
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    for (size_t i = 0; i < list->n / 2; i++) {
        tmpl_value v = list->items[i];
        list->items[i] = list->items[list->n - 1 - i];
        list->items[list->n - 1 - i] = v;
    }
    if (a[0].kind == TMPL_STR) {
        const size_t mark = c->out.n;
        for (size_t i = 0; i < list->n; i++)
            IG_TRY(tmpl_put(c, list->items[i].u.s));
        return tmpl_take_value(c, mark, false, out);
    }
    if (is_reversible(&a[0]))
        return tmpl_iter_value(c, list, out);
    *out = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}

FILTER(seq_items) {
    tmpl_list *list;
    (void)args;
    if (a[0].kind != TMPL_DICT && a[0].kind != TMPL_UNDEFINED)
        return tmpl_fail(c, IG_EARGUMENT, "Can only get item pairs from a mapping.");
    IG_TRY(tmpl_list_new(c, 0, &list));
    for (size_t i = 0; a[0].kind == TMPL_DICT && i < a[0].u.dict->n; i++) {
        tmpl_value pair;
        IG_TRY(tmpl_pair(c, &a[0].u.dict->entries[i].key, &a[0].u.dict->entries[i].value, &pair));
        IG_TRY(tmpl_list_add(c, list, &pair));
    }
    return tmpl_iter_value(c, list, out);
}

FILTER(seq_join) {
    ig_str between;
    tmpl_list *list;
    tmpl_value item;
    const size_t mark = c->out.n;
    (void)args;
    IG_TRY(tmpl_arg_str(c, &a[1], "", &between));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            IG_TRY(tmpl_put(c, between));
        IG_TRY(tmpl_get_path(c, &list->items[i], &a[2], NULL, &item));
        IG_TRY(tmpl_put_str(c, &item));
    }
    return tmpl_take_value(c, mark, false, out);
}

FILTER(seq_sum) {
    tmpl_list *list;
    tmpl_value item, sum = a[2].kind == TMPL_MISSING ? tmpl_int(0) : a[2];
    (void)args;
    if (sum.kind == TMPL_STR)
        return tmpl_fail(c, IG_EARGUMENT, "sum() can't sum strings");
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    for (size_t i = 0; i < list->n; i++) {
        tmpl_value before = sum;
        IG_TRY(tmpl_get_path(c, &list->items[i], &a[1], NULL, &item));
        IG_TRY(tmpl_binary(c, TMPL_ADD, &before, &item, &sum));
    }
    *out = sum;
    return IG_OK;
}

/* ---- order ---- */

typedef struct sortable {
    tmpl_value key, value;
} sortable;

/* Stable merge sort; `reverse` keeps equal ones in their order too. */
static ig_status merge_sort(tmpl_ctx *c, sortable *at, sortable *spare, size_t n, bool reverse) {
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            const size_t mid = IG_MIN(low + width, n), high = IG_MIN(low + 2 * width, n);
            size_t i = low, j = mid;
            for (size_t k = low; k < high; k++) {
                int sign = 0;
                bool ordered = true;
                if (i < mid && j < high) /* Python asks only whether the later one is smaller */
                    IG_TRY(tmpl_order(c, &at[j].key, &at[i].key, &sign, &ordered));
                bool later = i >= mid || (j < high && ordered && (reverse ? sign > 0 : sign < 0));
                spare[k] = later ? at[j++] : at[i++];
            }
        }
        memcpy(at, spare, n * sizeof *at);
    }
    return IG_OK;
}

/* Sorted copy of the items by the values at `path` (comma-separated paths make a list key when
 * `multi`). */
static ig_status sort_items(tmpl_ctx *c, const tmpl_list *items, const tmpl_value *path, bool multi,
                            bool fold, bool reverse, const tmpl_value *otherwise, sortable **out) {
    sortable *spare;
    IG_TRY(tmpl_charge(c, items->n * sizeof **out));
    IG_TRY(ig_arena_new(&c->arena, items->n, sizeof **out, out, c->err));
    IG_TRY(ig_arena_new(&c->arena, items->n, sizeof *spare, &spare, c->err));
    for (size_t i = 0; i < items->n; i++) {
        tmpl_list *keys;
        tmpl_value key;
        ig_str rest = multi && path->kind == TMPL_STR ? path->u.s : (ig_str){"", 0};
        IG_TRY(tmpl_list_new(c, 1, &keys));
        do {
            size_t comma = tmpl_find(rest, IG_STR(","), 0);
            tmpl_value one = multi && path->kind == TMPL_STR
                                 ? tmpl_str((ig_str){rest.p, IG_MIN(comma, rest.n)})
                                 : *path;
            rest =
                comma < rest.n ? (ig_str){rest.p + comma + 1, rest.n - comma - 1} : (ig_str){"", 0};
            IG_TRY(tmpl_get_path(c, &items->items[i], &one, otherwise, &key));
            if (fold) {
                tmpl_value raw = key;
                IG_TRY(tmpl_lower_value(c, &raw, &key));
            }
            IG_TRY(tmpl_list_add(c, keys, &key));
        } while (rest.n);
        (*out)[i] = (sortable){multi ? tmpl_list_value(TMPL_LIST, keys) : key, items->items[i]};
    }
    return merge_sort(c, *out, spare, items->n, reverse);
}

FILTER(seq_sort) {
    bool reverse, exact;
    tmpl_list *list;
    sortable *sorted;
    (void)args;
    IG_TRY(tmpl_arg_flag(c, &a[1], false, &reverse));
    IG_TRY(tmpl_arg_flag(c, &a[2], false, &exact));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    IG_TRY(sort_items(c, list, &a[3], true, !exact, reverse, NULL, &sorted));
    for (size_t i = 0; i < list->n; i++)
        list->items[i] = sorted[i].value;
    *out = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}

FILTER(seq_dictsort) {
    bool exact, reverse;
    ig_str by;
    tmpl_list *list;
    sortable *sorted;
    (void)args;
    if (a[0].kind != TMPL_DICT)
        return tmpl_fail(c, IG_EARGUMENT, "'%s' object has no attribute 'items'",
                         tmpl_type_name(&a[0]));
    IG_TRY(tmpl_arg_flag(c, &a[1], false, &exact));
    IG_TRY(tmpl_arg_str(c, &a[2], "key", &by));
    IG_TRY(tmpl_arg_flag(c, &a[3], false, &reverse));
    if (!ig_str_is(by, "key") && !ig_str_is(by, "value"))
        return tmpl_fail(c, IG_EARGUMENT, "You can only sort by either \"key\" or \"value\"");
    IG_TRY(tmpl_list_new(c, a[0].u.dict->n, &list));
    for (size_t i = 0; i < a[0].u.dict->n; i++) {
        tmpl_value pair;
        IG_TRY(tmpl_pair(c, &a[0].u.dict->entries[i].key, &a[0].u.dict->entries[i].value, &pair));
        IG_TRY(tmpl_list_add(c, list, &pair));
    }
    const tmpl_value at = tmpl_int(ig_str_is(by, "value"));
    IG_TRY(sort_items(c, list, &at, false, !exact, reverse, NULL, &sorted));
    for (size_t i = 0; i < list->n; i++)
        list->items[i] = sorted[i].value;
    *out = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}

FILTER(seq_groupby) {
    bool exact;
    tmpl_list *list, *groups;
    sortable *sorted;
    (void)args;
    IG_TRY(tmpl_arg_flag(c, &a[3], false, &exact));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    IG_TRY(sort_items(c, list, &a[1], false, !exact, false, &a[2], &sorted));
    IG_TRY(tmpl_list_new(c, 0, &groups));
    for (size_t i = 0; i < list->n;) {
        tmpl_list *members;
        tmpl_value group, key;
        bool same = true;
        size_t first = i;
        IG_TRY(tmpl_list_new(c, 1, &members));
        for (; same; i++) {
            IG_TRY(tmpl_list_add(c, members, &sorted[i].value));
            same = i + 1 < list->n;
            if (same)
                IG_TRY(tmpl_equal(c, &sorted[first].key, &sorted[i + 1].key, &same));
        }
        IG_TRY(tmpl_get_path(c, &sorted[first].value, &a[1], &a[2], &key));
        const tmpl_value all = tmpl_list_value(TMPL_LIST, members);
        IG_TRY(tmpl_pair(c, &key, &all, &group));
        group.view = 1;
        IG_TRY(tmpl_list_add(c, groups, &group));
    }
    *out = tmpl_list_value(TMPL_LIST, groups);
    return IG_OK;
}

FILTER(seq_unique) {
    bool exact;
    tmpl_list *list, *kept;
    tmpl_dict *seen;
    (void)args;
    IG_TRY(tmpl_arg_flag(c, &a[1], false, &exact));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    IG_TRY(tmpl_list_new(c, 0, &kept));
    IG_TRY(tmpl_dict_new(c, &seen));
    for (size_t i = 0; i < list->n; i++) {
        tmpl_value key, folded, *found;
        IG_TRY(tmpl_get_path(c, &list->items[i], &a[2], NULL, &key));
        folded = key;
        if (!exact)
            IG_TRY(tmpl_lower_value(c, &key, &folded));
        IG_TRY(tmpl_dict_find(c, seen, &folded, &found));
        if (found)
            continue;
        IG_TRY(tmpl_dict_set(c, seen, &folded, &folded));
        IG_TRY(tmpl_list_add(c, kept, &list->items[i]));
    }
    return tmpl_iter_value(c, kept, out);
}

static ig_status extreme(tmpl_ctx *c, const tmpl_value *a, bool largest, tmpl_value *out) {
    bool exact;
    tmpl_list *list;
    tmpl_value best = {0};
    IG_TRY(tmpl_arg_flag(c, &a[1], false, &exact));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    *out = tmpl_undefined(IG_STR("extreme of an empty sequence"));
    for (size_t i = 0; i < list->n; i++) {
        tmpl_value raw, key;
        int sign = 1;
        bool ordered = true;
        IG_TRY(tmpl_get_path(c, &list->items[i], &a[2], NULL, &raw));
        key = raw;
        if (!exact)
            IG_TRY(tmpl_lower_value(c, &raw, &key));
        if (i)
            IG_TRY(tmpl_order(c, &key, &best, &sign, &ordered));
        if (i && (!ordered || (largest ? sign <= 0 : sign >= 0)))
            continue;
        best = key;
        *out = list->items[i];
    }
    return IG_OK;
}
FILTER(seq_min) {
    (void)args;
    return extreme(c, a, false, out);
}
FILTER(seq_max) {
    (void)args;
    return extreme(c, a, true, out);
}

/* ---- cutting ---- */

FILTER(seq_batch) {
    int64_t size;
    tmpl_list *list, *rows, *row = NULL;
    (void)args;
    IG_TRY(tmpl_arg_int(c, &a[1], 0, &size));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    IG_TRY(tmpl_list_new(c, 0, &rows));
    for (size_t i = 0; i < list->n; i++) {
        if (!row || (int64_t)row->n == size) {
            if (row || size == 0) { /* Python yields the empty first batch of size 0 */
                tmpl_list *empty = row;
                if (!row)
                    IG_TRY(tmpl_list_new(c, 0, &empty));
                const tmpl_value whole = tmpl_list_value(TMPL_LIST, empty);
                IG_TRY(tmpl_list_add(c, rows, &whole));
            }
            IG_TRY(tmpl_list_new(c, 0, &row));
        }
        IG_TRY(tmpl_list_add(c, row, &list->items[i]));
    }
    for (; row && a[2].kind > TMPL_NONE && (int64_t)row->n < size;)
        IG_TRY(tmpl_list_add(c, row, &a[2]));
    if (row) {
        const tmpl_value last = tmpl_list_value(TMPL_LIST, row);
        IG_TRY(tmpl_list_add(c, rows, &last));
    }
    return tmpl_iter_value(c, rows, out);
}

FILTER(seq_slice) {
    int64_t n;
    tmpl_list *list, *rows, *row;
    (void)args;
    IG_TRY(tmpl_arg_int(c, &a[1], 0, &n));
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    if (n == 0)
        return tmpl_fail(c, IG_EARGUMENT, "integer division or modulo by zero");
    IG_TRY(tmpl_list_new(c, 0, &rows));
    const int64_t each = n > 0 ? (int64_t)list->n / n : 0, extra = n > 0 ? (int64_t)list->n % n : 0;
    for (int64_t i = 0, at = 0; i < n; i++) {
        IG_TRY(tmpl_list_new(c, 0, &row));
        for (int64_t k = 0; k < each + (i < extra); k++)
            IG_TRY(tmpl_list_add(c, row, &list->items[at++]));
        if (a[2].kind > TMPL_NONE && i >= extra)
            IG_TRY(tmpl_list_add(c, row, &a[2]));
        const tmpl_value whole = tmpl_list_value(TMPL_LIST, row);
        IG_TRY(tmpl_list_add(c, rows, &whole));
    }
    return tmpl_iter_value(c, rows, out);
}

/* ---- map, select ---- */

static const tmpl_value *named(const tmpl_args *args, const char *name) {
    for (size_t i = 0; i < args->n_named; i++) {
        if (ig_str_is(args->named[i].key.u.s, name))
            return &args->named[i].value;
    }
    return NULL;
}

/* The arguments after the first n. */
static tmpl_args after(const tmpl_args *args, size_t n) {
    return (tmpl_args){args->n - n, args->n_named, args->at + n, args->named};
}

static ig_status map_one(tmpl_ctx *c, const tmpl_value *item, const tmpl_args *args,
                         tmpl_value *out) {
    const tmpl_value *attribute = args->n == 0 ? named(args, "attribute") : NULL,
                     *otherwise = named(args, "default");
    ig_str name;
    if (attribute) {
        if (args->n_named != 1u + (otherwise != NULL))
            return tmpl_fail(c, IG_EARGUMENT,
                             "map: unexpected keyword argument beside attribute and default");
        return tmpl_get_path(c, item, attribute, otherwise, out);
    }
    if (args->n == 0)
        return tmpl_fail(c, IG_EARGUMENT, "map requires a filter argument");
    const tmpl_args rest = after(args, 1);
    IG_TRY(tmpl_need_str(c, &args->at[0], &name));
    return tmpl_call_filter(c, name, item, &rest, out);
}

FILTER(seq_map) {
    tmpl_list *list, *mapped;
    tmpl_value v;
    bool any;
    IG_TRY(tmpl_truth(c, &a[0], &any));
    IG_TRY(tmpl_list_new(c, 0, &mapped));
    if (any) {
        IG_TRY(tmpl_list_from(c, &a[0], &list));
        for (size_t i = 0; i < list->n; i++) {
            IG_TRY(map_one(c, &list->items[i], args, &v));
            IG_TRY(tmpl_list_add(c, mapped, &v));
        }
    }
    return tmpl_iter_value(c, mapped, out);
}

static ig_status select(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args, bool by_attr,
                        bool keep, tmpl_value *out) {
    tmpl_list *list, *kept;
    bool any;
    IG_TRY(tmpl_truth(c, &a[0], &any));
    IG_TRY(tmpl_list_new(c, 0, &kept));
    if (!any)
        return tmpl_iter_value(c, kept, out);
    if (by_attr && args->n == 0)
        return tmpl_fail(c, IG_EARGUMENT, "Missing parameter for attribute name");
    IG_TRY(tmpl_list_from(c, &a[0], &list));
    for (size_t i = 0; i < list->n; i++) {
        tmpl_value v = list->items[i];
        bool yes;
        if (by_attr)
            IG_TRY(tmpl_get_path(c, &list->items[i], &args->at[0], NULL, &v));
        if (args->n > (size_t)by_attr) {
            ig_str name;
            const tmpl_args rest = after(args, 1u + by_attr);
            IG_TRY(tmpl_need_str(c, &args->at[by_attr], &name));
            IG_TRY(tmpl_call_test(c, name, &v, &rest, &yes));
        } else {
            IG_TRY(tmpl_truth(c, &v, &yes));
        }
        if (yes == keep)
            IG_TRY(tmpl_list_add(c, kept, &list->items[i]));
    }
    return tmpl_iter_value(c, kept, out);
}
FILTER(seq_select) {
    return select(c, a, args, false, true, out);
}
FILTER(seq_reject) {
    return select(c, a, args, false, false, out);
}
FILTER(seq_selectattr) {
    return select(c, a, args, true, true, out);
}
FILTER(seq_rejectattr) {
    return select(c, a, args, true, false, out);
}

const tmpl_row TMPL_SEQ_FILTERS[] = {
    {"length", seq_length, "", 0},
    {"count", seq_length, "", 0},
    {"list", seq_list, "", 0},
    {"first", seq_first, "", 0},
    {"last", seq_last, "", 0},
    {"reverse", seq_reverse, "", 0},
    {"items", seq_items, "", 0},
    {"join", seq_join, "d attribute", 0},
    {"sum", seq_sum, "attribute start", 0},
    {"sort", seq_sort, "reverse case_sensitive attribute", 0},
    {"dictsort", seq_dictsort, "case_sensitive by reverse", 0},
    {"groupby", seq_groupby, "attribute default case_sensitive", 1},
    {"unique", seq_unique, "case_sensitive attribute", 0},
    {"min", seq_min, "case_sensitive attribute", 0},
    {"max", seq_max, "case_sensitive attribute", 0},
    {"batch", seq_batch, "linecount fill_with", 1},
    {"slice", seq_slice, "slices fill_with", 1},
    {"map", seq_map, "*", 0},
    {"select", seq_select, "*", 0},
    {"reject", seq_reject, "*", 0},
    {"selectattr", seq_selectattr, "*", 0},
    {"rejectattr", seq_rejectattr, "*", 0},
    {"random", NULL, "", 0},
};
const size_t TMPL_SEQ_FILTERS_N = IG_COUNT(TMPL_SEQ_FILTERS);
