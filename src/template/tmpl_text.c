/* tmpl_text.c: values as text: str(), repr(), json.dumps, HTML escaping; and strings built from
 * text. Everything is appended to c->out, which serves as the stack of all captures. */
#include "template/template_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "utf/utf.h"

/* ---- the output ---- */

ig_status tmpl_put(tmpl_ctx *c, ig_str s) {
    if (s.n > IG_TEMPLATE_OUTPUT_MAX - c->out.n)
        return tmpl_fail(c, IG_ELIMIT, "output longer than %u bytes (IG_TEMPLATE_OUTPUT_MAX)",
                         IG_TEMPLATE_OUTPUT_MAX);
    IG_TRY(tmpl_charge(c, s.n));
    return ig_buf_add_str(&c->out, s, c->err);
}

ig_status tmpl_put_fill(tmpl_ctx *c, char byte, size_t n) {
    char block[256];
    memset(block, byte, sizeof block);
    while (n) {
        size_t some = IG_MIN(n, sizeof block);
        IG_TRY(tmpl_put(c, (ig_str){block, some}));
        n -= some;
    }
    return IG_OK;
}

ig_status tmpl_take(tmpl_ctx *c, size_t mark, ig_str *out) {
    const ig_str s = {c->out.n ? c->out.p + mark : "", c->out.n - mark};
    IG_TRY(tmpl_charge(c, s.n));
    IG_TRY(ig_arena_str(&c->arena, s, out, c->err));
    c->out.n = mark;
    return IG_OK;
}

ig_status tmpl_take_value(tmpl_ctx *c, size_t mark, bool markup, tmpl_value *out) {
    *out = (tmpl_value){.kind = TMPL_STR, .markup = markup};
    return tmpl_take(c, mark, &out->u.s);
}

/* Appending to the newest string happens in place: nobody else's bytes follow it. */
ig_status tmpl_concat(tmpl_ctx *c, ig_str a, ig_str b, ig_str *out) {
    size_t n, cap;
    if (a.n == 0 || b.n == 0) {
        *out = a.n ? a : b;
        return IG_OK;
    }
    IG_TRY(tmpl_charge(c, b.n));
    if (a.p + a.n == c->tail && b.n <= c->tail_room) {
        memcpy(c->tail, b.p, b.n);
        c->tail += b.n;
        c->tail_room -= b.n;
        *out = (ig_str){a.p, a.n + b.n};
        return IG_OK;
    }
    if (!ig_add(a.n, b.n, &n) || n > IG_TEMPLATE_OUTPUT_MAX)
        return tmpl_fail(c, IG_ELIMIT, "string longer than %u bytes (IG_TEMPLATE_OUTPUT_MAX)",
                         IG_TEMPLATE_OUTPUT_MAX);
    IG_TRY(tmpl_charge(c, n));
    cap = n + n / 2 + 32;
    char *p;
    IG_TRY(ig_arena_new(&c->arena, cap, 1, &p, c->err));
    memcpy(p, a.p, a.n);
    memcpy(p + a.n, b.p, b.n);
    c->tail = p + n;
    c->tail_room = cap - n;
    *out = (ig_str){p, n};
    return IG_OK;
}

ig_status tmpl_to_str(tmpl_ctx *c, const tmpl_value *v, ig_str *out) {
    if (v->kind == TMPL_STR) {
        *out = v->u.s;
        return IG_OK;
    }
    const size_t mark = c->out.n;
    IG_TRY(tmpl_put_str(c, v));
    return tmpl_take(c, mark, out);
}

/* ---- HTML ---- */

ig_status tmpl_put_escaped(tmpl_ctx *c, ig_str s) {
    size_t start = 0;
    IG_TRY(tmpl_charge_scan(c, s.n));
    for (size_t i = 0; i < s.n; i++) {
        const char *as = s.p[i] == '&'    ? "&amp;"
                         : s.p[i] == '<'  ? "&lt;"
                         : s.p[i] == '>'  ? "&gt;"
                         : s.p[i] == '"'  ? "&#34;"
                         : s.p[i] == '\'' ? "&#39;"
                                          : NULL;
        if (!as)
            continue;
        IG_TRY(tmpl_put(c, (ig_str){s.p + start, i - start}));
        IG_TRY(tmpl_put(c, ig_str_of(as)));
        start = i + 1;
    }
    return tmpl_put(c, (ig_str){s.p + start, s.n - start});
}

ig_status tmpl_escape(tmpl_ctx *c, const tmpl_value *v, ig_str *out) {
    ig_str s;
    IG_TRY(tmpl_to_str(c, v, &s));
    *out = s;
    if (v->kind == TMPL_STR && v->markup)
        return IG_OK;
    const size_t mark = c->out.n;
    IG_TRY(tmpl_put_escaped(c, s));
    return tmpl_take(c, mark, out);
}

/* ---- repr ---- */

static ig_status enter_value(tmpl_ctx *c) {
    if (++c->depth > IG_TEMPLATE_STACK_MAX)
        return tmpl_fail(c, IG_ELIMIT, "value nested deeper than %u (IG_TEMPLATE_STACK_MAX)",
                         IG_TEMPLATE_STACK_MAX);
    return tmpl_charge(c, 0);
}

/* \xNN, \uNNNN or \UNNNNNNNN */
static ig_status put_hex(tmpl_ctx *c, char letter, unsigned value) {
    char text[24];
    int width = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
    return tmpl_put(
        c, (ig_str){text, (size_t)snprintf(text, sizeof text, "\\%c%0*x", letter, width, value)});
}

static ig_status put_repr_cp(tmpl_ctx *c, ig_str bytes, uint32_t cp, char quote) {
    static const char FROM[] = "\n\r\t\\", TO[] = "nrt\\";
    const char *simple = cp && cp < 0x80 ? strchr(FROM, (int)cp) : NULL;
    if (simple)
        return tmpl_put(c, (ig_str){(const char[]){'\\', TO[simple - FROM]}, 2});
    if (cp == (uint32_t)quote)
        return tmpl_put(c, (ig_str){(const char[]){'\\', quote}, 2});
    if (cp < 0x20 || cp == 0x7F)
        return put_hex(c, 'x', cp);
    if (cp < 0x80 || !(ig_utf_class_of(cp) & (IG_UTF_CONTROL | IG_UTF_SEPARATOR)))
        return tmpl_put(c, bytes);
    return put_hex(c, cp < 0x100 ? 'x' : cp < 0x10000 ? 'u' : 'U', cp);
}

static ig_status put_repr_str(tmpl_ctx *c, ig_str s) {
    const bool has_single = memchr(s.n ? s.p : "", '\'', s.n),
               has_double = memchr(s.n ? s.p : "", '"', s.n);
    const char quote = has_single && !has_double ? '"' : '\'';
    IG_TRY(tmpl_put(c, (ig_str){&quote, 1}));
    for (size_t i = 0; i < s.n;) {
        uint32_t cp;
        size_t n = tmpl_cp(s, i, &cp);
        IG_TRY(put_repr_cp(c, (ig_str){s.p + i, n}, cp, quote));
        i += n;
    }
    return tmpl_put(c, (ig_str){&quote, 1});
}

static ig_status put_repr_items(tmpl_ctx *c, const tmpl_list *list, const char *open,
                                const char *close) {
    IG_TRY(tmpl_put(c, ig_str_of(open)));
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            IG_TRY(tmpl_put(c, IG_STR(", ")));
        IG_TRY(tmpl_put_repr(c, &list->items[i]));
    }
    return tmpl_put(c, ig_str_of(close));
}

static ig_status put_repr_dict(tmpl_ctx *c, const tmpl_dict *dict) {
    IG_TRY(tmpl_put(c, IG_STR("{")));
    for (size_t i = 0; i < dict->n; i++) {
        if (i)
            IG_TRY(tmpl_put(c, IG_STR(", ")));
        IG_TRY(tmpl_put_repr(c, &dict->entries[i].key));
        IG_TRY(tmpl_put(c, IG_STR(": ")));
        IG_TRY(tmpl_put_repr(c, &dict->entries[i].value));
    }
    return tmpl_put(c, IG_STR("}"));
}

static ig_status put_real(tmpl_ctx *c, double d) {
    char text[IG_JSON_NUM_BYTES];
    size_t n = ig_json_format_num(d, text);
    return tmpl_put(c, (ig_str){text, n});
}

static ig_status put_int(tmpl_ctx *c, int64_t i) {
    char text[24];
    return tmpl_put(c, (ig_str){text, (size_t)snprintf(text, sizeof text, "%lld", (long long)i)});
}

static ig_status put_repr_range(tmpl_ctx *c, const tmpl_range *r) {
    char text[96];
    const long long start = r->start, stop = r->stop, step = r->step;
    int n = step == 1 ? snprintf(text, sizeof text, "range(%lld, %lld)", start, stop)
                      : snprintf(text, sizeof text, "range(%lld, %lld, %lld)", start, stop, step);
    return tmpl_put(c, (ig_str){text, (size_t)n});
}

static ig_status put_repr_object(tmpl_ctx *c, const tmpl_value *v) {
    static const char *const VIEWS[] = {"dict_keys([", "dict_values([", "dict_items(["};
    switch (v->kind) {
    case TMPL_LIST:
        return put_repr_items(c, v->u.list, "[", "]");
    case TMPL_TUPLE:
        return put_repr_items(c, v->u.list, "(", v->u.list->n == 1 ? ",)" : ")");
    case TMPL_VIEW:
        return put_repr_items(c, v->u.list, VIEWS[v->view], "])");
    case TMPL_DICT:
        return put_repr_dict(c, v->u.dict);
    case TMPL_RANGE:
        return put_repr_range(c, v->u.range);
    case TMPL_NAMESPACE:
        IG_TRY(tmpl_put(c, IG_STR("<Namespace ")));
        IG_TRY(put_repr_dict(c, v->u.dict));
        return tmpl_put(c, IG_STR(">"));
    case TMPL_MACRO:
        IG_TRY(tmpl_put(c, IG_STR("<Macro ")));
        if (v->u.macro->node->kind == TMPL_N_MACRO)
            IG_TRY(put_repr_str(c, v->u.macro->node->name));
        else
            IG_TRY(tmpl_put(c, IG_STR("anonymous")));
        return tmpl_put(c, IG_STR(">"));
    default: /* Python prints an address here */
        return tmpl_fail(c, IG_EUNSUPPORTED,
                         "printing a %s object is not supported; use |list or call it",
                         tmpl_type_name(v));
    }
}

ig_status tmpl_put_repr(tmpl_ctx *c, const tmpl_value *v) {
    switch (v->kind) {
    case TMPL_UNDEFINED:
        return tmpl_put(c, IG_STR("Undefined"));
    case TMPL_NONE:
        return tmpl_put(c, IG_STR("None"));
    case TMPL_BOOL:
        return tmpl_put(c, v->u.b ? IG_STR("True") : IG_STR("False"));
    case TMPL_INT:
        return put_int(c, v->u.i);
    case TMPL_REAL:
        return put_real(c, v->u.d);
    case TMPL_STR:
        if (!v->markup)
            return put_repr_str(c, v->u.s);
        IG_TRY(tmpl_put(c, IG_STR("Markup(")));
        IG_TRY(put_repr_str(c, v->u.s));
        return tmpl_put(c, IG_STR(")"));
    default:
        IG_TRY(enter_value(c));
        IG_TRY(put_repr_object(c, v));
        c->depth--;
        return IG_OK;
    }
}

ig_status tmpl_put_str(tmpl_ctx *c, const tmpl_value *v) {
    if (v->kind == TMPL_STR)
        return tmpl_put(c, v->u.s);
    return v->kind == TMPL_UNDEFINED ? IG_OK : tmpl_put_repr(c, v);
}

/* ---- json.dumps ---- */

static ig_status put_json_str(tmpl_ctx *c, ig_str s, bool ensure_ascii) {
    static const char SHORT[0x80] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                     ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    size_t start = 0;
    IG_TRY(tmpl_charge_scan(c, s.n));
    IG_TRY(tmpl_put(c, IG_STR("\"")));
    for (size_t i = 0; i < s.n;) {
        unsigned char b = (unsigned char)s.p[i];
        uint32_t cp = b;
        size_t n = 1;
        bool plain = b >= 0x20 && b != '"' && b != '\\' && (b < 0x7F || !ensure_ascii);
        if (plain) {
            i++;
            continue;
        }
        IG_TRY(tmpl_put(c, (ig_str){s.p + start, i - start}));
        if (b < 0x80 && SHORT[b]) {
            IG_TRY(tmpl_put(c, (ig_str){(const char[]){'\\', SHORT[b]}, 2}));
        } else {
            n = tmpl_cp(s, i, &cp);
            if (cp >= 0x10000)
                IG_TRY(put_hex(c, 'u', 0xD7C0 + (cp >> 10)));
            IG_TRY(put_hex(c, 'u', cp >= 0x10000 ? 0xDC00 + (cp & 0x3FF) : cp));
        }
        i += n;
        start = i;
    }
    IG_TRY(tmpl_put(c, (ig_str){s.p + start, s.n - start}));
    return tmpl_put(c, IG_STR("\""));
}

typedef struct json_put {
    const tmpl_json_style *style;
    size_t level;
} json_put;

static ig_status put_json_value(tmpl_ctx *c, const tmpl_value *v, json_put *j);

static ig_status put_json_scalar(tmpl_ctx *c, const tmpl_value *v) {
    switch (v->kind) {
    case TMPL_NONE:
        return tmpl_put(c, IG_STR("null"));
    case TMPL_BOOL:
        return tmpl_put(c, v->u.b ? IG_STR("true") : IG_STR("false"));
    case TMPL_INT:
        return put_int(c, v->u.i);
    case TMPL_REAL:
        if (isfinite(v->u.d))
            return put_real(c, v->u.d);
        return tmpl_put(c, isnan(v->u.d) ? IG_STR("NaN")
                           : v->u.d > 0  ? IG_STR("Infinity")
                                         : IG_STR("-Infinity"));
    default:
        return tmpl_fail(c, IG_EARGUMENT, "Object of type %s is not JSON serializable",
                         tmpl_type_name(v));
    }
}

static ig_status put_json_break(tmpl_ctx *c, const json_put *j) {
    if (!j->style->indented)
        return IG_OK;
    IG_TRY(tmpl_put(c, IG_STR("\n")));
    for (size_t i = 0; i < j->level; i++)
        IG_TRY(tmpl_put(c, j->style->indent));
    return IG_OK;
}

static ig_status put_json_key(tmpl_ctx *c, const tmpl_value *key, const json_put *j) {
    if (key->kind == TMPL_STR)
        return put_json_str(c, key->u.s, j->style->ensure_ascii);
    if (key->kind > TMPL_STR || key->kind == TMPL_UNDEFINED)
        return tmpl_fail(c, IG_EARGUMENT, "keys must be str, int, float, bool or None, not %s",
                         tmpl_type_name(key));
    IG_TRY(tmpl_put(c, IG_STR("\"")));
    IG_TRY(put_json_scalar(c, key));
    return tmpl_put(c, IG_STR("\""));
}

static ig_status put_json_list(tmpl_ctx *c, const tmpl_list *list, json_put *j) {
    if (list->n == 0)
        return tmpl_put(c, IG_STR("[]"));
    IG_TRY(tmpl_put(c, IG_STR("[")));
    j->level++;
    for (size_t i = 0; i < list->n; i++) {
        if (i)
            IG_TRY(tmpl_put(c, j->style->item_separator));
        IG_TRY(put_json_break(c, j));
        IG_TRY(put_json_value(c, &list->items[i], j));
    }
    j->level--;
    IG_TRY(put_json_break(c, j));
    return tmpl_put(c, IG_STR("]"));
}

/* Entries by key; insertion sort is enough for the few keys of an object, larger ones are charged
 * for it. */
static ig_status sorted_entries(tmpl_ctx *c, const tmpl_dict *dict, const tmpl_entry ***out) {
    IG_TRY(ig_arena_new(&c->arena, dict->n, sizeof **out, out, c->err));
    for (size_t i = 0; i < dict->n; i++) {
        size_t at = i;
        for (; at > 0; at--) {
            int sign;
            bool ordered;
            IG_TRY(tmpl_charge(c, 0));
            IG_TRY(tmpl_order(c, &dict->entries[i].key, &(*out)[at - 1]->key, &sign, &ordered));
            if (sign >= 0)
                break;
            (*out)[at] = (*out)[at - 1];
        }
        (*out)[at] = &dict->entries[i];
    }
    return IG_OK;
}

static ig_status put_json_dict(tmpl_ctx *c, const tmpl_dict *dict, json_put *j) {
    const tmpl_entry **sorted = NULL;
    if (dict->n == 0)
        return tmpl_put(c, IG_STR("{}"));
    if (j->style->sort_keys)
        IG_TRY(sorted_entries(c, dict, &sorted));
    IG_TRY(tmpl_put(c, IG_STR("{")));
    j->level++;
    for (size_t i = 0; i < dict->n; i++) {
        const tmpl_entry *e = sorted ? sorted[i] : &dict->entries[i];
        if (i)
            IG_TRY(tmpl_put(c, j->style->item_separator));
        IG_TRY(put_json_break(c, j));
        IG_TRY(put_json_key(c, &e->key, j));
        IG_TRY(tmpl_put(c, j->style->key_separator));
        IG_TRY(put_json_value(c, &e->value, j));
    }
    j->level--;
    IG_TRY(put_json_break(c, j));
    return tmpl_put(c, IG_STR("}"));
}

static ig_status put_json_value(tmpl_ctx *c, const tmpl_value *v, json_put *j) {
    if (v->kind == TMPL_STR)
        return put_json_str(c, v->u.s, j->style->ensure_ascii);
    if (v->kind != TMPL_LIST && v->kind != TMPL_TUPLE && v->kind != TMPL_DICT)
        return put_json_scalar(c, v);
    IG_TRY(enter_value(c));
    if (v->kind == TMPL_DICT)
        IG_TRY(put_json_dict(c, v->u.dict, j));
    else
        IG_TRY(put_json_list(c, v->u.list, j));
    c->depth--;
    return IG_OK;
}

ig_status tmpl_put_json(tmpl_ctx *c, const tmpl_value *v, const tmpl_json_style *style) {
    json_put j = {.style = style};
    return put_json_value(c, v, &j);
}
