/* tmpl_call.c: calls: binding arguments to parameters, macros, global functions. */
#include "template/template_int.h"

#define RANGE_MAX 100000 /* elements of a range; the sandbox's own limit */

/* ---- arguments ---- */

ig_status tmpl_arg_flag(tmpl_ctx *c, const tmpl_value *v, bool otherwise, bool *out) {
    *out = otherwise;
    return v->kind == TMPL_MISSING ? IG_OK : tmpl_truth(c, v, out);
}

ig_status tmpl_arg_int(tmpl_ctx *c, const tmpl_value *v, int64_t otherwise, int64_t *out) {
    *out = otherwise;
    if (v->kind == TMPL_MISSING)
        return IG_OK;
    if (!tmpl_is_int(v))
        return tmpl_fail(c, IG_EARGUMENT, "'%s' object cannot be interpreted as an integer",
                         tmpl_type_name(v));
    *out = tmpl_as_int(v);
    return IG_OK;
}

ig_status tmpl_arg_str(tmpl_ctx *c, const tmpl_value *v, const char *otherwise, ig_str *out) {
    *out = ig_str_of(otherwise);
    return v->kind == TMPL_MISSING ? IG_OK : tmpl_to_str(c, v, out);
}

ig_status tmpl_need_str(tmpl_ctx *c, const tmpl_value *v, ig_str *out) {
    if (v->kind == TMPL_UNDEFINED)
        return tmpl_fail_undefined(c, v);
    if (v->kind != TMPL_STR)
        return tmpl_fail(c, IG_EARGUMENT, "a string is needed, not %s", tmpl_type_name(v));
    *out = v->u.s;
    return IG_OK;
}

/* The next word of a parameter list; n is 0 at the end. */
static ig_str next_word(const char **at) {
    while (**at == ' ')
        (*at)++;
    const char *start = *at;
    while (**at && **at != ' ')
        (*at)++;
    return (ig_str){start, (size_t)(*at - start)};
}

static ig_status bind_named(tmpl_ctx *c, const tmpl_row *row, const tmpl_entry *named,
                            tmpl_value *bound) {
    const char *at = row->params;
    size_t i = 1;
    const bool positional = at[0] && at[strlen(at) - 1] == '/';
    for (ig_str word; (word = next_word(&at)).n && !positional; i++) {
        if (!ig_str_eq(word, named->key.u.s))
            continue;
        if (bound[i].kind != TMPL_MISSING)
            return tmpl_fail(c, IG_EARGUMENT, "%s() got multiple values for argument '%.*s'",
                             row->name, IG_STR_ARG(word));
        bound[i] = named->value;
        return IG_OK;
    }
    return tmpl_fail(c, IG_EARGUMENT, "%s() got an unexpected keyword argument '%.*s'", row->name,
                     IG_STR_ARG(named->key.u.s));
}

ig_status tmpl_call_row(tmpl_ctx *c, const tmpl_row *row, const tmpl_value *self,
                        const tmpl_args *args, tmpl_value *out) {
    tmpl_value bound[TMPL_PARAMS_MAX + 1] = {0};
    IG_TRY(tmpl_charge(c, 0));
    if (++c->depth > IG_TEMPLATE_STACK_MAX)
        return tmpl_fail(c, IG_ELIMIT, "calls nested deeper than %u (IG_TEMPLATE_STACK_MAX)",
                         IG_TEMPLATE_STACK_MAX);
    bound[0] = self ? *self : (tmpl_value){0};
    if (row->params[0] != '*') {
        size_t n_params = 0;
        const char *at = row->params;
        for (ig_str word; (word = next_word(&at)).n && word.p[0] != '/';)
            n_params++;
        if (args->n > n_params)
            return tmpl_fail(c, IG_EARGUMENT, "%s() takes at most %zu arguments (%zu given)",
                             row->name, n_params, args->n);
        for (size_t i = 0; i < args->n; i++)
            bound[i + 1] = args->at[i];
        for (size_t i = 0; i < args->n_named; i++)
            IG_TRY(bind_named(c, row, &args->named[i], bound));
        for (size_t i = 1; i <= row->n_required; i++) {
            if (bound[i].kind == TMPL_MISSING)
                return tmpl_fail(c, IG_EARGUMENT, "%s() misses required argument %zu", row->name,
                                 i);
        }
    }
    IG_TRY(row->call(c, bound, args, out));
    c->depth--;
    return IG_OK;
}

static ig_status call_named(tmpl_ctx *c, const char *what, ig_str name, const tmpl_row *row,
                            const tmpl_value *self, const tmpl_args *args, tmpl_value *out) {
    if (!row)
        return tmpl_fail(c, IG_EARGUMENT, "no %s named '%.*s'", what, IG_STR_ARG(name));
    if (!row->call)
        return tmpl_fail(c, IG_EUNSUPPORTED, "%s '%.*s' is not supported", what, IG_STR_ARG(name));
    return tmpl_call_row(c, row, self, args, out);
}

ig_status tmpl_call_filter(tmpl_ctx *c, ig_str name, const tmpl_value *self, const tmpl_args *args,
                           tmpl_value *out) {
    return call_named(c, "filter", name, tmpl_find_filter(name), self, args, out);
}

ig_status tmpl_call_test(tmpl_ctx *c, ig_str name, const tmpl_value *self, const tmpl_args *args,
                         bool *out) {
    tmpl_value v;
    IG_TRY(call_named(c, "test", name, tmpl_find_test(name), self, args, &v));
    *out = v.u.b;
    return IG_OK;
}

/* ---- macros ---- */

ig_status tmpl_frame_take(tmpl_ctx *c, const tmpl_unit *unit, tmpl_frame *parent,
                          tmpl_frame **out) {
    const size_t bytes = sizeof **out + unit->n_slots * sizeof(tmpl_value);
    IG_TRY(tmpl_charge(c, bytes));
    *out = c->free_frames[unit->id];
    if (*out) {
        c->free_frames[unit->id] = (*out)->free_next;
        memset(*out, 0, bytes);
    } else {
        IG_TRY(ig_arena_new(&c->arena, bytes, 1, out, c->err));
    }
    (*out)->parent = parent;
    return IG_OK;
}

/* Frames that something inside may still refer to are left to the arena. */
void tmpl_frame_give(tmpl_ctx *c, const tmpl_unit *unit, tmpl_frame *frame) {
    if (unit->captured)
        return;
    frame->free_next = c->free_frames[unit->id];
    c->free_frames[unit->id] = frame;
}

/* Extra positional and keyword arguments become varargs and kwargs where the macro uses them. */
static ig_status bind_extra(tmpl_ctx *c, const tmpl_node *node, const tmpl_args *args,
                            const bool *used, tmpl_frame *frame) {
    tmpl_value *const caller = node->uses_caller ? &frame->slots[node->caller.slot] : NULL;
    tmpl_dict *kwargs = NULL;
    tmpl_list *varargs = NULL;
    if (caller)
        *caller = tmpl_undefined(IG_STR("caller"));
    if (node->uses_kwargs) {
        IG_TRY(tmpl_dict_new(c, &kwargs));
        frame->slots[node->kwargs.slot] = (tmpl_value){.kind = TMPL_DICT, .u.dict = kwargs};
    }
    for (size_t i = 0; i < args->n_named; i++) {
        if (used[i])
            continue;
        if (caller && ig_str_is(args->named[i].key.u.s, "caller"))
            *caller = args->named[i].value;
        else if (kwargs)
            IG_TRY(tmpl_dict_set(c, kwargs, &args->named[i].key, &args->named[i].value));
        else
            return tmpl_fail(c, IG_EARGUMENT, "macro '%.*s' takes no keyword argument '%.*s'",
                             IG_STR_ARG(node->name), IG_STR_ARG(args->named[i].key.u.s));
    }
    if (node->uses_varargs) {
        IG_TRY(tmpl_list_new(c, 0, &varargs));
        for (size_t i = node->n_params; i < args->n; i++)
            IG_TRY(tmpl_list_add(c, varargs, &args->at[i]));
        frame->slots[node->varargs.slot] = tmpl_list_value(TMPL_TUPLE, varargs);
    } else if (args->n > node->n_params) {
        return tmpl_fail(c, IG_EARGUMENT, "macro '%.*s' takes not more than %zu argument(s)",
                         IG_STR_ARG(node->name), node->n_params);
    }
    return IG_OK;
}

static ig_status bind_macro(tmpl_ctx *c, const tmpl_node *node, const tmpl_args *args,
                            tmpl_frame *frame) {
    bool *used;
    size_t i = 0;
    IG_TRY(ig_arena_new(&c->arena, args->n_named, sizeof *used, &used, c->err));
    for (const tmpl_node *param = node->params; param; param = param->next, i++) {
        tmpl_value *slot = &frame->slots[param->ref.slot];
        if (i < args->n) {
            *slot = args->at[i];
            continue;
        }
        IG_TRY(tmpl_charge(c, args->n_named * sizeof *args->named));
        for (size_t k = 0; k < args->n_named; k++) {
            if (!ig_str_eq(args->named[k].key.u.s, param->name))
                continue;
            *slot = args->named[k].value;
            used[k] = true;
        }
    }
    IG_TRY(bind_extra(c, node, args, used, frame));
    IG_TRY(tmpl_enter_scope(c, frame, node->scope));
    for (const tmpl_node *param = node->params; param; param = param->next) {
        tmpl_value *slot = &frame->slots[param->ref.slot];
        if (slot->kind != TMPL_MISSING)
            continue;
        if (param->a)
            IG_TRY(tmpl_eval(c, frame, param->a, slot));
        else
            *slot = tmpl_undefined(param->name);
    }
    return IG_OK;
}

ig_status tmpl_call_macro(tmpl_ctx *c, const tmpl_macro *m, const tmpl_args *args,
                          tmpl_value *out) {
    tmpl_frame *frame;
    const size_t mark = c->out.n;
    IG_TRY(tmpl_frame_take(c, m->node->unit, m->frame, &frame));
    IG_TRY(bind_macro(c, m->node, args, frame));
    IG_TRY(tmpl_exec_list(c, frame, m->node->list));
    tmpl_frame_give(c, m->node->unit, frame);
    return tmpl_take_value(c, mark, false, out);
}

ig_status tmpl_call(tmpl_ctx *c, const tmpl_value *callee, const tmpl_args *args, tmpl_value *out) {
    switch (callee->kind) {
    case TMPL_MACRO:
        return tmpl_call_macro(c, callee->u.macro, args, out);
    case TMPL_METHOD:
        return tmpl_call_row(c, callee->u.bound->row, &callee->u.bound->self, args, out);
    case TMPL_FUNCTION:
        return tmpl_call_row(c, callee->u.row, NULL, args, out);
    case TMPL_LOOP:
        return tmpl_call_loop(c, callee->u.loop, args, out);
    case TMPL_JOINER:
        *out = callee->u.counter->at++ ? callee->u.counter->items->items[0] : tmpl_str(IG_STR(""));
        return IG_OK;
    case TMPL_UNDEFINED:
        return tmpl_fail_undefined(c, callee);
    default:
        return tmpl_fail(c, IG_EARGUMENT, "'%s' object is not callable", tmpl_type_name(callee));
    }
}

/* ---- global functions ---- */

#define GLOBAL(name)                                                                               \
    static ig_status name(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args, tmpl_value *out)

GLOBAL(global_raise) {
    ig_str message;
    (void)args;
    (void)out;
    IG_TRY(tmpl_to_str(c, &a[1], &message));
    c->raised = true;
    c->raise_text = message;
    return ig_fail(c->err, IG_EARGUMENT, "%.*s",
                   (int)IG_MIN(message.n, (size_t)IG_ERR_MESSAGE_BYTES), message.p);
}

GLOBAL(global_strftime) {
    ig_str format;
    const size_t mark = c->out.n;
    (void)args;
    IG_TRY(tmpl_need_str(c, &a[1], &format));
    IG_TRY(tmpl_put_strftime(c, format, c->now_s));
    return tmpl_take_value(c, mark, false, out);
}

GLOBAL(global_range) {
    int64_t start = 0, stop, step = 1;
    (void)args;
    if (a[2].kind == TMPL_MISSING) {
        IG_TRY(tmpl_arg_int(c, &a[1], 0, &stop));
    } else {
        IG_TRY(tmpl_arg_int(c, &a[1], 0, &start));
        IG_TRY(tmpl_arg_int(c, &a[2], 0, &stop));
        IG_TRY(tmpl_arg_int(c, &a[3], 1, &step));
    }
    if (step == 0)
        return tmpl_fail(c, IG_EARGUMENT, "range() arg 3 must not be zero");
    const uint64_t span = step > 0 ? (stop > start ? (uint64_t)stop - (uint64_t)start : 0)
                                   : (start > stop ? (uint64_t)start - (uint64_t)stop : 0);
    const uint64_t by = step > 0 ? (uint64_t)step : 0 - (uint64_t)step,
                   n = span / by + (span % by != 0);
    if (n > RANGE_MAX)
        return tmpl_fail(c, IG_ELIMIT,
                         "Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).",
                         RANGE_MAX);
    *out = (tmpl_value){.kind = TMPL_RANGE};
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.range, &out->u.range, c->err));
    *out->u.range = (tmpl_range){start, stop, step, (size_t)n};
    return IG_OK;
}

/* dict(mapping or pairs, **names) */
static ig_status make_dict(tmpl_ctx *c, const tmpl_args *args, tmpl_dict **out) {
    if (args->n > 1)
        return tmpl_fail(c, IG_EARGUMENT, "dict expected at most 1 argument, got %zu", args->n);
    IG_TRY(tmpl_dict_new(c, out));
    if (args->n)
        IG_TRY(tmpl_dict_update(c, *out, &args->at[0]));
    for (size_t i = 0; i < args->n_named; i++)
        IG_TRY(tmpl_dict_set(c, *out, &args->named[i].key, &args->named[i].value));
    return IG_OK;
}

GLOBAL(global_dict) {
    (void)a;
    *out = (tmpl_value){.kind = TMPL_DICT};
    return make_dict(c, args, &out->u.dict);
}

GLOBAL(global_namespace) {
    (void)a;
    *out = (tmpl_value){.kind = TMPL_NAMESPACE};
    IG_TRY(make_dict(c, args, &out->u.dict));
    for (size_t i = 0; i < out->u.dict->n; i++) {
        const tmpl_value *key = &out->u.dict->entries[i].key;
        if (key->kind == TMPL_STR && ig_str_starts(key->u.s, IG_STR("_")))
            return tmpl_fail(c, IG_EARGUMENT,
                             "Chat templates cannot store underscore-prefixed attributes on a "
                             "namespace, but got '%.*s'",
                             IG_STR_ARG(key->u.s));
    }
    return IG_OK;
}

static ig_status make_counter(tmpl_ctx *c, tmpl_kind kind, tmpl_value *out) {
    *out = (tmpl_value){.kind = (uint8_t)kind};
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.counter, &out->u.counter, c->err));
    return tmpl_list_new(c, 1, &out->u.counter->items);
}

GLOBAL(global_joiner) {
    const tmpl_value comma = tmpl_str(IG_STR(", "));
    (void)args;
    IG_TRY(make_counter(c, TMPL_JOINER, out));
    return tmpl_list_add(c, out->u.counter->items, a[1].kind == TMPL_MISSING ? &comma : &a[1]);
}

GLOBAL(global_cycler) {
    (void)a;
    if (args->n == 0 || args->n_named)
        return tmpl_fail(c, IG_EARGUMENT, "at least one item has to be provided");
    IG_TRY(make_counter(c, TMPL_CYCLER, out));
    for (size_t i = 0; i < args->n; i++)
        IG_TRY(tmpl_list_add(c, out->u.counter->items, &args->at[i]));
    return IG_OK;
}

GLOBAL(global_lipsum) {
    (void)a;
    (void)args;
    (void)out;
    return tmpl_fail(c, IG_EUNSUPPORTED, "lipsum() is not supported");
}

static const tmpl_row GLOBALS[] = {
    {"raise_exception", global_raise, "message", 1},
    {"strftime_now", global_strftime, "format", 1},
    {"range", global_range, "start stop step /", 1},
    {"namespace", global_namespace, "*", 0},
    {"dict", global_dict, "*", 0},
    {"joiner", global_joiner, "sep", 0},
    {"cycler", global_cycler, "*", 0},
    {"lipsum", global_lipsum, "*", 0},
};

const tmpl_row *tmpl_find_global(ig_str name) {
    return tmpl_find_row(GLOBALS, IG_COUNT(GLOBALS), name);
}

ig_status tmpl_lookup(tmpl_ctx *c, ig_str name, tmpl_value *out) {
    const tmpl_value key = tmpl_str(name);
    tmpl_value *v;
    IG_TRY(tmpl_dict_find(c, c->variables, &key, &v));
    const tmpl_row *row = v ? NULL : tmpl_find_global(name);
    *out = v     ? *v
           : row ? (tmpl_value){.kind = TMPL_FUNCTION, .u.row = row}
                 : (tmpl_value){.kind = TMPL_MISSING};
    return IG_OK;
}
