/* tmpl_value.c: lists, dicts, iteration, and values made from JSON. */
#include "template/template_int.h"

#include <math.h>

#define DICT_LINEAR_MAX 8 /* entries that are searched without an index */

/* ---- lists ---- */

ig_status tmpl_list_new(tmpl_ctx *c, size_t cap, tmpl_list **out) {
    IG_TRY(tmpl_charge(c, cap * sizeof(tmpl_value)));
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof **out, out, c->err));
    (*out)->cap = cap;
    return cap ? ig_arena_new(&c->arena, cap, sizeof(tmpl_value), &(*out)->items, c->err) : IG_OK;
}

ig_status tmpl_list_add(tmpl_ctx *c, tmpl_list *list, const tmpl_value *v) {
    if (list->n == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 4;
        tmpl_value *items;
        IG_TRY(tmpl_charge(c, cap * sizeof *items));
        IG_TRY(ig_arena_new(&c->arena, cap, sizeof *items, &items, c->err));
        if (list->n)
            memcpy(items, list->items, list->n * sizeof *items);
        list->items = items;
        list->cap = cap;
    }
    list->items[list->n++] = *v;
    return IG_OK;
}

tmpl_value tmpl_list_value(tmpl_kind kind, tmpl_list *list) {
    return (tmpl_value){.kind = (uint8_t)kind, .u.list = list};
}

ig_status tmpl_pair(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, tmpl_value *out) {
    tmpl_list *pair;
    IG_TRY(tmpl_list_new(c, 2, &pair));
    IG_TRY(tmpl_list_add(c, pair, a));
    IG_TRY(tmpl_list_add(c, pair, b));
    *out = tmpl_list_value(TMPL_TUPLE, pair);
    return IG_OK;
}

ig_status tmpl_list_from(tmpl_ctx *c, const tmpl_value *iterable, tmpl_list **out) {
    tmpl_iter it;
    tmpl_value item;
    bool more;
    IG_TRY(tmpl_iter_start(c, iterable, &it));
    IG_TRY(tmpl_list_new(c, 0, out));
    for (;;) {
        IG_TRY(tmpl_iter_next(c, &it, &item, &more));
        if (!more)
            return IG_OK;
        IG_TRY(tmpl_list_add(c, *out, &item));
    }
}

/* ---- iteration ---- */

ig_status tmpl_iter_value(tmpl_ctx *c, tmpl_list *list, tmpl_value *out) {
    *out = (tmpl_value){.kind = TMPL_ITER};
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.iter, &out->u.iter, c->err));
    out->u.iter->source = tmpl_list_value(TMPL_LIST, list);
    return IG_OK;
}

ig_status tmpl_iter_start(tmpl_ctx *c, const tmpl_value *v, tmpl_iter *it) {
    switch (v->kind) {
    case TMPL_UNDEFINED:
    case TMPL_STR:
    case TMPL_LIST:
    case TMPL_TUPLE:
    case TMPL_DICT:
    case TMPL_VIEW:
    case TMPL_ITER:
    case TMPL_RANGE:
        *it = (tmpl_iter){.source = *v};
        return IG_OK;
    default:
        return tmpl_fail(c, IG_EARGUMENT, "'%s' object is not iterable", tmpl_type_name(v));
    }
}

ig_status tmpl_iter_next(tmpl_ctx *c, tmpl_iter *it, tmpl_value *out, bool *more) {
    const tmpl_value *v = &it->source;
    *more = false;
    IG_TRY(tmpl_charge(c, 0));
    switch (v->kind) {
    case TMPL_STR:
        if (it->at < v->u.s.n) {
            uint32_t cp;
            size_t n = tmpl_cp(v->u.s, it->at, &cp);
            *out = tmpl_str((ig_str){v->u.s.p + it->at, n});
            it->at += n;
            *more = true;
        }
        return IG_OK;
    case TMPL_LIST:
    case TMPL_TUPLE:
    case TMPL_VIEW:
        if (it->at < v->u.list->n) {
            *out = v->u.list->items[it->at++];
            *more = true;
        }
        return IG_OK;
    case TMPL_DICT:
        if (it->at < v->u.dict->n) {
            *out = v->u.dict->entries[it->at++].key;
            *more = true;
        }
        return IG_OK;
    case TMPL_RANGE:
        if (it->at < v->u.range->n) {
            *out = tmpl_int(tmpl_range_at(v->u.range, it->at++));
            *more = true;
        }
        return IG_OK;
    case TMPL_ITER:
        return tmpl_iter_next(c, v->u.iter, out,
                              more); /* one level: an iterator's source is a list */
    default:                         /* undefined is empty */
        return IG_OK;
    }
}

/* ---- dicts ---- */

static ig_status unhashable(tmpl_ctx *c, const tmpl_value *v) {
    return tmpl_fail(c, IG_EARGUMENT, "unhashable type: '%s'", tmpl_type_name(v));
}

static uint64_t mix(uint64_t h) {
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return h ^ h >> 33;
}

static ig_status hash_str(tmpl_ctx *c, ig_str s, uint64_t *out) {
    uint64_t h = c->seed ^ s.n;
    IG_TRY(tmpl_charge_scan(c, s.n));
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x9fb21c651e98df25u;
    *out = mix(h);
    return IG_OK;
}

static ig_status hash_value(tmpl_ctx *c, const tmpl_value *v, uint64_t *out) {
    switch (v->kind) {
    case TMPL_STR:
        return hash_str(c, v->u.s, out);
    case TMPL_BOOL:
    case TMPL_INT:
        *out = mix(c->seed ^ (uint64_t)tmpl_as_int(v));
        return IG_OK;
    case TMPL_REAL: /* equal numbers hash alike */
        if (v->u.d >= -0x1p63 && v->u.d < 0x1p63 && v->u.d == floor(v->u.d)) {
            *out = mix(c->seed ^ (uint64_t)(int64_t)v->u.d);
        } else {
            uint64_t bits;
            memcpy(&bits, &v->u.d, sizeof bits);
            *out = mix(c->seed ^ bits);
        }
        return IG_OK;
    case TMPL_TUPLE:
        *out = c->seed + v->u.list->n;
        if (++c->depth > IG_TEMPLATE_STACK_MAX)
            return tmpl_fail(c, IG_ELIMIT, "value nested deeper than %u (IG_TEMPLATE_STACK_MAX)",
                             IG_TEMPLATE_STACK_MAX);
        for (size_t i = 0; i < v->u.list->n; i++) {
            uint64_t h;
            IG_TRY(tmpl_charge(c, 0));
            IG_TRY(hash_value(c, &v->u.list->items[i], &h));
            *out = mix(*out ^ h);
        }
        c->depth--;
        return IG_OK;
    case TMPL_NONE:
    case TMPL_UNDEFINED:
        *out = mix(c->seed + v->kind);
        return IG_OK;
    case TMPL_LIST:
    case TMPL_DICT:
    case TMPL_VIEW:
        return unhashable(c, v);
    default: /* objects are told apart by tmpl_equal */
        *out = mix(c->seed ^ v->kind);
        return IG_OK;
    }
}

ig_status tmpl_dict_new(tmpl_ctx *c, tmpl_dict **out) {
    IG_TRY(tmpl_charge(c, sizeof **out));
    return ig_arena_new(&c->arena, 1, sizeof **out, out, c->err);
}

static ig_status find_entry(tmpl_ctx *c, const tmpl_dict *dict, const tmpl_value *key,
                            uint64_t hash, tmpl_entry **out) {
    *out = NULL;
    for (size_t i = dict->index_mask ? hash : 0;; i++) {
        uint32_t number = dict->index_mask ? dict->index[i & dict->index_mask]
                          : i < dict->n    ? (uint32_t)i + 1
                                           : 0;
        bool same = false;
        if (!number)
            return IG_OK;
        IG_TRY(tmpl_charge(c, 0));
        if (dict->entries[number - 1].hash == hash)
            IG_TRY(tmpl_equal(c, &dict->entries[number - 1].key, key, &same));
        if (same) {
            *out = &dict->entries[number - 1];
            return IG_OK;
        }
    }
}

ig_status tmpl_dict_find(tmpl_ctx *c, const tmpl_dict *dict, const tmpl_value *key,
                         tmpl_value **out) {
    uint64_t hash = 0;
    tmpl_entry *e;
    IG_TRY(hash_value(c, key, &hash));
    IG_TRY(find_entry(c, dict, key, hash, &e));
    *out = e ? &e->value : NULL;
    return IG_OK;
}

static void index_entry(tmpl_dict *dict, size_t number) {
    size_t i = dict->entries[number].hash;
    while (dict->index[i & dict->index_mask])
        i++;
    dict->index[i & dict->index_mask] = (uint32_t)number + 1;
}

static ig_status grow_dict(tmpl_ctx *c, tmpl_dict *dict) {
    size_t cap = dict->cap ? dict->cap * 2 : 4;
    tmpl_entry *entries;
    IG_TRY(tmpl_charge(c, cap * sizeof *entries));
    IG_TRY(ig_arena_new(&c->arena, cap, sizeof *entries, &entries, c->err));
    if (dict->n)
        memcpy(entries, dict->entries, dict->n * sizeof *entries);
    dict->entries = entries;
    dict->cap = cap;
    if (cap <= DICT_LINEAR_MAX)
        return IG_OK;
    IG_TRY(ig_arena_new(&c->arena, cap * 2, sizeof *dict->index, &dict->index, c->err));
    dict->index_mask = cap * 2 - 1;
    for (size_t i = 0; i < dict->n; i++)
        index_entry(dict, i);
    return IG_OK;
}

ig_status tmpl_dict_set(tmpl_ctx *c, tmpl_dict *dict, const tmpl_value *key, const tmpl_value *v) {
    uint64_t hash = 0;
    tmpl_entry *e;
    IG_TRY(hash_value(c, key, &hash));
    IG_TRY(find_entry(c, dict, key, hash, &e));
    if (e) {
        e->value = *v;
        return IG_OK;
    }
    if (dict->n == dict->cap)
        IG_TRY(grow_dict(c, dict));
    dict->entries[dict->n] = (tmpl_entry){*key, *v, hash};
    if (dict->index_mask)
        index_entry(dict, dict->n);
    dict->n++;
    return IG_OK;
}

/* dict(x): a dict, or an iterable of pairs. */
ig_status tmpl_dict_update(tmpl_ctx *c, tmpl_dict *dict, const tmpl_value *from) {
    if (from->kind == TMPL_DICT) {
        for (size_t i = 0; i < from->u.dict->n; i++)
            IG_TRY(tmpl_dict_set(c, dict, &from->u.dict->entries[i].key,
                                 &from->u.dict->entries[i].value));
        return IG_OK;
    }
    tmpl_iter it;
    tmpl_value item;
    bool more;
    IG_TRY(tmpl_iter_start(c, from, &it));
    for (;;) {
        IG_TRY(tmpl_iter_next(c, &it, &item, &more));
        if (!more)
            return IG_OK;
        tmpl_list *pair;
        IG_TRY(tmpl_list_from(c, &item, &pair));
        if (pair->n != 2)
            return tmpl_fail(c, IG_EARGUMENT,
                             "dictionary update sequence element has length %zu; 2 is required",
                             pair->n);
        IG_TRY(tmpl_dict_set(c, dict, &pair->items[0], &pair->items[1]));
    }
}

/* ---- JSON ---- */

static ig_status from_json_container(tmpl_ctx *c, const ig_json *json, tmpl_value *out) {
    tmpl_value v;
    if (ig_json_is(json, IG_JSON_ARRAY)) {
        tmpl_list *list;
        IG_TRY(tmpl_list_new(c, ig_json_count(json), &list));
        for (size_t i = 0; i < ig_json_count(json); i++) {
            IG_TRY(tmpl_from_json(c, ig_json_at(json, i), &v));
            IG_TRY(tmpl_list_add(c, list, &v));
        }
        *out = tmpl_list_value(TMPL_LIST, list);
        return IG_OK;
    }
    *out = (tmpl_value){.kind = TMPL_DICT};
    IG_TRY(tmpl_dict_new(c, &out->u.dict));
    ig_json_iter it = ig_json_first(json);
    while (ig_json_next(&it)) {
        const tmpl_value key = tmpl_str(it.key);
        IG_TRY(tmpl_from_json(c, it.value, &v));
        IG_TRY(tmpl_dict_set(c, out->u.dict, &key, &v));
    }
    return IG_OK;
}

/* Strings are borrowed from the document; recursion is bounded by IG_JSON_DEPTH_MAX. */
ig_status tmpl_from_json(tmpl_ctx *c, const ig_json *json, tmpl_value *out) {
    IG_TRY(tmpl_charge(c, 0));
    switch (ig_json_type_of(json)) {
    case IG_JSON_NULL:
        *out = tmpl_none();
        return IG_OK;
    case IG_JSON_FALSE:
    case IG_JSON_TRUE:
        *out = tmpl_bool(ig_json_is(json, IG_JSON_TRUE));
        return IG_OK;
    case IG_JSON_INT:
        *out = tmpl_int(ig_json_int(json, 0));
        return IG_OK;
    case IG_JSON_REAL:
        *out = tmpl_real(ig_json_num(json, 0));
        return IG_OK;
    case IG_JSON_STRING:
        *out = tmpl_str(ig_json_str(json));
        return IG_OK;
    case IG_JSON_ARRAY:
    case IG_JSON_OBJECT:
        break;
    }
    return from_json_container(c, json, out);
}
