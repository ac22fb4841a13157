/* tmpl_eval.c: expressions. One recursive walk; every level is counted against
 * IG_TEMPLATE_STACK_MAX. */
#include "template/template_int.h"

#include <stdarg.h>
#include <stdio.h>

ig_status tmpl_fail_at(tmpl_ctx *c, ig_status code, const char *file, int line, const char *format,
                       ...) {
    char text[IG_ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const tmpl_node *at = c->at;
    return ig_fail_at(c->err, code, file, line, "template line %u column %u: %s", at ? at->line : 0,
                      at ? at->column : 0, text);
}

ig_status tmpl_fail_steps(tmpl_ctx *c) {
    return tmpl_fail(
        c, IG_ELIMIT,
        "more than %u steps (IG_TEMPLATE_STEPS_MAX); simplify the template or the input",
        IG_TEMPLATE_STEPS_MAX);
}

static tmpl_value *slot_of(tmpl_frame *f, tmpl_ref ref) {
    for (uint32_t hops = ref.hops; hops; hops--)
        f = f->parent;
    return &f->slots[ref.slot];
}

/* ---- arguments ---- */

static ig_status add_named(tmpl_ctx *c, tmpl_dict *named, const tmpl_value *key,
                           const tmpl_value *v) {
    tmpl_value *known;
    if (key->kind != TMPL_STR)
        return tmpl_fail(c, IG_EARGUMENT, "keywords must be strings");
    IG_TRY(tmpl_dict_find(c, named, key, &known));
    if (known)
        return tmpl_fail(c, IG_EARGUMENT, "got multiple values for keyword argument '%.*s'",
                         IG_STR_ARG(key->u.s));
    return tmpl_dict_set(c, named, key, v);
}

/* The arguments of a call node, and `extra` as one more keyword when it is given (a call block's
 * caller). */
static ig_status eval_args(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *list,
                           const tmpl_value *extra, tmpl_args *out) {
    tmpl_list *at = NULL;
    tmpl_dict *named = NULL;
    tmpl_value v;
    size_t n = 0;
    *out = (tmpl_args){0};
    for (const tmpl_node *arg = list; arg; arg = arg->next)
        n++;
    if (n)
        IG_TRY(tmpl_list_new(c, n, &at));
    if (extra || n)
        IG_TRY(tmpl_dict_new(c, &named));
    for (const tmpl_node *arg = list; arg; arg = arg->next) {
        const bool plain =
            arg->kind != TMPL_N_KEYWORD && arg->kind != TMPL_N_STAR && arg->kind != TMPL_N_STARSTAR;
        IG_TRY(tmpl_eval(c, f, plain ? arg : arg->a, &v));
        if (plain) {
            IG_TRY(tmpl_list_add(c, at, &v));
        } else if (arg->kind == TMPL_N_KEYWORD) {
            const tmpl_value key = tmpl_str(arg->name);
            IG_TRY(add_named(c, named, &key, &v));
        } else if (arg->kind == TMPL_N_STAR) {
            tmpl_list *more;
            IG_TRY(tmpl_list_from(c, &v, &more));
            for (size_t i = 0; i < more->n; i++)
                IG_TRY(tmpl_list_add(c, at, &more->items[i]));
        } else if (v.kind != TMPL_DICT) {
            return tmpl_fail(c, IG_EARGUMENT, "argument after ** must be a mapping, not %s",
                             tmpl_type_name(&v));
        } else {
            for (size_t i = 0; i < v.u.dict->n; i++)
                IG_TRY(add_named(c, named, &v.u.dict->entries[i].key, &v.u.dict->entries[i].value));
        }
    }
    if (extra) {
        const tmpl_value key = tmpl_str(IG_STR("caller"));
        IG_TRY(add_named(c, named, &key, extra));
    }
    if (at)
        *out = (tmpl_args){.n = at->n, .at = at->items};
    if (named) {
        out->n_named = named->n;
        out->named = named->entries;
    }
    return IG_OK;
}

ig_status tmpl_eval_call_with(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node,
                              const tmpl_value *caller, tmpl_value *out) {
    tmpl_value callee;
    tmpl_args args;
    IG_TRY(tmpl_eval(c, f, node->a, &callee));
    IG_TRY(eval_args(c, f, node->list, caller, &args));
    c->at = node;
    return tmpl_call(c, &callee, &args, out);
}

/* `captured` is the text under a filter chain without an operand (set and filter blocks). */
ig_status tmpl_eval_filter_on(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node,
                              const tmpl_value *captured, tmpl_value *out) {
    tmpl_value self = *captured;
    tmpl_args args;
    if (node->a && captured->kind != TMPL_MISSING && node->a->kind == TMPL_N_FILTER)
        IG_TRY(tmpl_eval_filter_on(c, f, node->a, captured, &self));
    else if (node->a)
        IG_TRY(tmpl_eval(c, f, node->a, &self));
    IG_TRY(eval_args(c, f, node->list, NULL, &args));
    c->at = node;
    return node->row && node->row->call ? tmpl_call_row(c, node->row, &self, &args, out)
                                        : tmpl_call_filter(c, node->name, &self, &args, out);
}

static ig_status eval_test(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_value self;
    tmpl_args args;
    bool yes;
    IG_TRY(tmpl_eval(c, f, node->a, &self));
    IG_TRY(eval_args(c, f, node->list, NULL, &args));
    c->at = node;
    if (node->row && node->row->call)
        return tmpl_call_row(c, node->row, &self, &args, out);
    IG_TRY(tmpl_call_test(c, node->name, &self, &args, &yes));
    *out = tmpl_bool(yes);
    return IG_OK;
}

/* ---- displays ---- */

static ig_status eval_items(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_list *list;
    tmpl_value v;
    IG_TRY(tmpl_list_new(c, 0, &list));
    for (const tmpl_node *item = node->list; item; item = item->next) {
        IG_TRY(tmpl_eval(c, f, item, &v));
        IG_TRY(tmpl_list_add(c, list, &v));
    }
    *out = tmpl_list_value(node->kind == TMPL_N_TUPLE ? TMPL_TUPLE : TMPL_LIST, list);
    return IG_OK;
}

static ig_status eval_dict(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_value key, v;
    *out = (tmpl_value){.kind = TMPL_DICT};
    IG_TRY(tmpl_dict_new(c, &out->u.dict));
    for (const tmpl_node *pair = node->list; pair; pair = pair->next) {
        IG_TRY(tmpl_eval(c, f, pair->a, &key));
        IG_TRY(tmpl_eval(c, f, pair->b, &v));
        c->at = pair;
        IG_TRY(tmpl_dict_set(c, out->u.dict, &key, &v));
    }
    return IG_OK;
}

static ig_status eval_concat(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    ig_str whole = {"", 0}, part;
    tmpl_value v;
    for (const tmpl_node *item = node->list; item; item = item->next) {
        IG_TRY(tmpl_eval(c, f, item, &v));
        c->at = node;
        IG_TRY(tmpl_to_str(c, &v, &part));
        IG_TRY(tmpl_concat(c, whole, part, &whole));
    }
    *out = tmpl_str(whole);
    return IG_OK;
}

/* ---- operators ---- */

static ig_status eval_arith(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_value left, right;
    IG_TRY(tmpl_eval(c, f, node->a, &left));
    for (const tmpl_node *operand = node->list; operand; operand = operand->next) {
        IG_TRY(tmpl_eval(c, f, operand->a, &right));
        c->at = operand;
        IG_TRY(tmpl_binary(c, (tmpl_op)operand->op, &left, &right, out));
        left = *out;
    }
    return IG_OK;
}

static ig_status eval_compare(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_value left, right;
    bool yes = true;
    IG_TRY(tmpl_eval(c, f, node->a, &left));
    for (const tmpl_node *operand = node->list; operand && yes; operand = operand->next) {
        IG_TRY(tmpl_eval(c, f, operand->a, &right));
        c->at = operand;
        IG_TRY(tmpl_compare(c, (tmpl_op)operand->op, &left, &right, &yes));
        left = right;
    }
    *out = tmpl_bool(yes);
    return IG_OK;
}

/* and, or: the value of the operand that decides. */
static ig_status eval_logic(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    const bool stop_at = node->kind == TMPL_N_OR;
    bool yes;
    for (const tmpl_node *item = node->list; item; item = item->next) {
        IG_TRY(tmpl_eval(c, f, item, out));
        c->at = node;
        IG_TRY(tmpl_truth(c, out, &yes));
        if (yes == stop_at)
            break;
    }
    return IG_OK;
}

static ig_status eval_truth(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, bool *out) {
    tmpl_value v;
    IG_TRY(tmpl_eval(c, f, node, &v));
    c->at = node;
    return tmpl_truth(c, &v, out);
}

static ig_status eval_sign(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_value v;
    const tmpl_value zero = tmpl_int(0);
    IG_TRY(tmpl_eval(c, f, node->a, &v));
    c->at = node;
    if (v.kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, &v);
    if (!tmpl_is_number(&v))
        return tmpl_fail(c, IG_EARGUMENT, "bad operand type for unary %s: '%s'",
                         node->kind == TMPL_N_NEG ? "-" : "+", tmpl_type_name(&v));
    if (v.kind == TMPL_REAL) {
        *out = tmpl_real(node->kind == TMPL_N_NEG ? -v.u.d : v.u.d);
        return IG_OK;
    }
    return tmpl_binary(c, node->kind == TMPL_N_NEG ? TMPL_SUB : TMPL_ADD, &zero, &v, out);
}

static ig_status eval_cond(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    bool yes;
    IG_TRY(eval_truth(c, f, node->a, &yes));
    *out = tmpl_undefined(IG_STR("inline if without else"));
    return yes ? tmpl_eval(c, f, node->b, out) : node->c ? tmpl_eval(c, f, node->c, out) : IG_OK;
}

static ig_status eval_getitem(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    tmpl_value v, parts[3] = {{0}};
    IG_TRY(tmpl_eval(c, f, node->a, &v));
    if (node->b->kind != TMPL_N_SLICE) {
        IG_TRY(tmpl_eval(c, f, node->b, &parts[0]));
        c->at = node;
        return tmpl_getitem(c, &v, &parts[0], out);
    }
    const tmpl_node *const bounds[] = {node->b->a, node->b->b, node->b->c};
    for (size_t i = 0; i < 3; i++) {
        if (bounds[i])
            IG_TRY(tmpl_eval(c, f, bounds[i], &parts[i]));
    }
    c->at = node;
    return tmpl_slice(c, &v, &parts[0], &parts[1], &parts[2], out);
}

static ig_status eval_name(tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    *out = *slot_of(f, node->ref);
    if (out->kind == TMPL_MISSING)
        *out = tmpl_undefined(node->name);
    return IG_OK;
}

static ig_status eval_kind(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    const tmpl_value missing = {0};
    tmpl_value v;
    bool yes;
    switch (node->kind) {
    case TMPL_N_NAME:
        return eval_name(f, node, out);
    case TMPL_N_TUPLE:
    case TMPL_N_LIST:
        return eval_items(c, f, node, out);
    case TMPL_N_DICT:
        return eval_dict(c, f, node, out);
    case TMPL_N_CONCAT:
        return eval_concat(c, f, node, out);
    case TMPL_N_ARITH:
        return eval_arith(c, f, node, out);
    case TMPL_N_COMPARE:
        return eval_compare(c, f, node, out);
    case TMPL_N_AND:
    case TMPL_N_OR:
        return eval_logic(c, f, node, out);
    case TMPL_N_NOT:
        IG_TRY(eval_truth(c, f, node->a, &yes));
        *out = tmpl_bool(!yes);
        return IG_OK;
    case TMPL_N_NEG:
    case TMPL_N_POS:
        return eval_sign(c, f, node, out);
    case TMPL_N_COND:
        return eval_cond(c, f, node, out);
    case TMPL_N_GETATTR:
        IG_TRY(tmpl_eval(c, f, node->a, &v));
        c->at = node;
        return tmpl_getattr(c, &v, node->name, out);
    case TMPL_N_GETITEM:
        return eval_getitem(c, f, node, out);
    case TMPL_N_CALL:
        return tmpl_eval_call_with(c, f, node, NULL, out);
    case TMPL_N_FILTER:
        return tmpl_eval_filter_on(c, f, node, &missing, out);
    case TMPL_N_TEST:
        return eval_test(c, f, node, out);
    default:
        return tmpl_fail(c, IG_EINTERNAL, "node %u is no expression", node->kind);
    }
}

ig_status tmpl_eval(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    IG_TRY(tmpl_charge(c, 0));
    if (node->kind == TMPL_N_CONST) {
        *out = node->value;
        return IG_OK;
    }
    c->at = node;
    if (++c->depth > IG_TEMPLATE_STACK_MAX)
        return tmpl_fail(c, IG_ELIMIT,
                         "calls nested deeper than %u (IG_TEMPLATE_STACK_MAX); is a macro "
                         "recursive without end?",
                         IG_TEMPLATE_STACK_MAX);
    IG_TRY(eval_kind(c, f, node, out));
    c->depth--;
    return IG_OK;
}

/* ---- assignment ---- */

static ig_status assign_namespace(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *target,
                                  const tmpl_value *v) {
    const tmpl_value *ns = slot_of(f, target->ref);
    if (ns->kind != TMPL_NAMESPACE)
        return tmpl_fail(c, IG_EARGUMENT, "cannot assign attribute on non-namespace object");
    if (ig_str_starts(target->value.u.s, IG_STR("_")))
        return tmpl_fail(c, IG_EARGUMENT,
                         "Chat templates cannot store underscore-prefixed attributes on a "
                         "namespace, but got '%.*s'",
                         IG_STR_ARG(target->value.u.s));
    return tmpl_dict_set(c, ns->u.dict, &target->value, v);
}

ig_status tmpl_assign(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *target, const tmpl_value *v) {
    tmpl_list *parts;
    size_t n = 0;
    c->at = target;
    if (target->kind == TMPL_N_NAME) {
        *slot_of(f, target->ref) = *v;
        return IG_OK;
    }
    if (target->kind == TMPL_N_NSREF)
        return assign_namespace(c, f, target, v);
    IG_TRY(tmpl_list_from(c, v, &parts));
    for (const tmpl_node *item = target->list; item; item = item->next)
        n++;
    if (parts->n != n)
        return tmpl_fail(c, IG_EARGUMENT, "%s values to unpack (expected %zu, got %zu)",
                         parts->n < n ? "not enough" : "too many", n, parts->n);
    n = 0;
    for (const tmpl_node *item = target->list; item; item = item->next)
        IG_TRY(tmpl_assign(c, f, item, &parts->items[n++]));
    return IG_OK;
}

ig_status tmpl_enter_scope(tmpl_ctx *c, tmpl_frame *f, const tmpl_scope *scope) {
    IG_TRY(tmpl_charge(c, scope->n * 16));
    for (size_t i = 0; i < scope->n; i++) {
        const tmpl_load *load = &scope->loads[i];
        tmpl_value *slot = &f->slots[load->slot];
        *slot = load->kind == TMPL_LOAD_ALIAS ? *slot_of(f, load->from)
                                              : (tmpl_value){.kind = TMPL_MISSING};
        if (load->kind == TMPL_LOAD_RESOLVE)
            IG_TRY(tmpl_lookup(c, load->name, slot));
    }
    return IG_OK;
}
