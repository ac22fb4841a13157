/* tmpl_exec.c: statements, loops and the `loop` object. */
#include "template/template_int.h"

/* ---- the loop object ---- */

/* The next element that passes the test, if there is one. Lazy, because the test may see what the
 * body assigned. */
static ig_status advance(tmpl_ctx *c, tmpl_loop *loop, tmpl_value *out, bool *more) {
    const tmpl_node *node = loop->node;
    for (;;) {
        tmpl_value verdict;
        bool yes;
        IG_TRY(tmpl_iter_next(c, &loop->iter, out, more));
        if (!*more || !node->c || loop->filtered)
            return IG_OK;
        IG_TRY(tmpl_assign(c, loop->frame, node->params, out));
        IG_TRY(tmpl_enter_scope(c, loop->frame, node->test_scope));
        IG_TRY(tmpl_eval(c, loop->frame, node->c, &verdict));
        IG_TRY(tmpl_truth(c, &verdict, &yes));
        if (yes)
            return IG_OK;
    }
}

static ig_status peek(tmpl_ctx *c, tmpl_loop *loop) {
    bool more;
    if (loop->peeked)
        return IG_OK;
    IG_TRY(advance(c, loop, &loop->after, &more));
    if (!more)
        loop->after = (tmpl_value){.kind = TMPL_MISSING};
    loop->peeked = true;
    return IG_OK;
}

/* len() of the iterable, or of what is left of one without a length, which is then read to its end.
 */
ig_status tmpl_loop_length(tmpl_ctx *c, tmpl_loop *loop, size_t *n) {
    if (!loop->has_length) {
        if (!loop->node->c && loop->source.kind != TMPL_ITER) {
            IG_TRY(tmpl_length(c, &loop->source, &loop->length));
        } else {
            tmpl_list *rest;
            tmpl_value v;
            bool more = true;
            IG_TRY(tmpl_list_new(c, 0, &rest));
            while (more) {
                IG_TRY(advance(c, loop, &v, &more));
                if (more)
                    IG_TRY(tmpl_list_add(c, rest, &v));
            }
            tmpl_value list = tmpl_list_value(TMPL_LIST, rest);
            IG_TRY(tmpl_iter_start(c, &list, &loop->iter));
            loop->length =
                rest->n + loop->index0 + 1 + (loop->peeked && loop->after.kind != TMPL_MISSING);
            loop->filtered = true;
        }
        loop->has_length = true;
    }
    *n = loop->length;
    return IG_OK;
}

static ig_status loop_cycle(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                            tmpl_value *out) {
    if (args->n == 0)
        return tmpl_fail(c, IG_EARGUMENT, "no items for cycling given");
    *out = args->at[a[0].u.loop->index0 % args->n];
    return IG_OK;
}

static ig_status loop_changed(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                              tmpl_value *out) {
    tmpl_loop *loop = a[0].u.loop;
    tmpl_list *list;
    bool same = false;
    IG_TRY(tmpl_list_new(c, args->n, &list));
    for (size_t i = 0; i < args->n; i++)
        IG_TRY(tmpl_list_add(c, list, &args->at[i]));
    const tmpl_value now = tmpl_list_value(TMPL_TUPLE, list);
    if (loop->changed.kind != TMPL_MISSING)
        IG_TRY(tmpl_equal(c, &now, &loop->changed, &same));
    loop->changed = now;
    *out = tmpl_bool(!same);
    return IG_OK;
}

static const tmpl_row LOOP_METHODS[] = {{"cycle", loop_cycle, "*", 0},
                                        {"changed", loop_changed, "*", 0}};

typedef enum loop_field {
    LOOP_INDEX,
    LOOP_INDEX0,
    LOOP_FIRST,
    LOOP_LAST,
    LOOP_LENGTH,
    LOOP_REVINDEX,
    LOOP_REVINDEX0,
    LOOP_PREVITEM,
    LOOP_NEXTITEM,
    LOOP_DEPTH,
    LOOP_DEPTH0
} loop_field;
static const char *const LOOP_FIELDS[] = {
    [LOOP_INDEX] = "index",         [LOOP_INDEX0] = "index0",     [LOOP_FIRST] = "first",
    [LOOP_LAST] = "last",           [LOOP_LENGTH] = "length",     [LOOP_REVINDEX] = "revindex",
    [LOOP_REVINDEX0] = "revindex0", [LOOP_PREVITEM] = "previtem", [LOOP_NEXTITEM] = "nextitem",
    [LOOP_DEPTH] = "depth",         [LOOP_DEPTH0] = "depth0",
};

static ig_status loop_field_value(tmpl_ctx *c, tmpl_loop *loop, loop_field field, tmpl_value *out) {
    size_t n;
    const int64_t index0 = (int64_t)loop->index0;
    switch (field) {
    case LOOP_INDEX:
    case LOOP_INDEX0:
        *out = tmpl_int(index0 + (field == LOOP_INDEX));
        return IG_OK;
    case LOOP_FIRST:
        *out = tmpl_bool(index0 == 0);
        return IG_OK;
    case LOOP_LAST:
        IG_TRY(peek(c, loop));
        *out = tmpl_bool(loop->after.kind == TMPL_MISSING);
        return IG_OK;
    case LOOP_LENGTH:
    case LOOP_REVINDEX:
    case LOOP_REVINDEX0:
        IG_TRY(tmpl_loop_length(c, loop, &n));
        *out =
            tmpl_int((int64_t)n - (field == LOOP_LENGTH ? 0 : index0 + (field == LOOP_REVINDEX0)));
        return IG_OK;
    case LOOP_PREVITEM:
        *out = index0 ? loop->before : tmpl_undefined(IG_STR("previtem of the first item"));
        return IG_OK;
    case LOOP_NEXTITEM:
        IG_TRY(peek(c, loop));
        *out = loop->after.kind != TMPL_MISSING
                   ? loop->after
                   : tmpl_undefined(IG_STR("nextitem of the last item"));
        return IG_OK;
    case LOOP_DEPTH:
    case LOOP_DEPTH0:
        *out = tmpl_int((int64_t)loop->depth0 + (field == LOOP_DEPTH));
        return IG_OK;
    }
    return IG_OK;
}

ig_status tmpl_loop_attr(tmpl_ctx *c, tmpl_loop *loop, ig_str name, tmpl_value *out, bool *found) {
    *found = true;
    for (size_t i = 0; i < IG_COUNT(LOOP_FIELDS); i++) {
        if (ig_str_is(name, LOOP_FIELDS[i]))
            return loop_field_value(c, loop, (loop_field)i, out);
    }
    const tmpl_row *row = tmpl_find_row(LOOP_METHODS, IG_COUNT(LOOP_METHODS), name);
    *found = row != NULL;
    if (!row)
        return IG_OK;
    *out = (tmpl_value){.kind = TMPL_METHOD};
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.bound, &out->u.bound, c->err));
    *out->u.bound = (tmpl_bound){{.kind = TMPL_LOOP, .u.loop = loop}, row};
    return IG_OK;
}

/* ---- for ---- */

static ig_status next_item(tmpl_ctx *c, tmpl_loop *loop, bool first, bool *more) {
    tmpl_value v;
    if (loop->peeked) {
        v = loop->after;
        *more = v.kind != TMPL_MISSING;
        loop->peeked = false;
    } else {
        IG_TRY(advance(c, loop, &v, more));
    }
    if (!*more)
        return IG_OK;
    loop->index0 += !first;
    loop->before = loop->current;
    loop->current = v;
    return IG_OK;
}

ig_status tmpl_run_loop(tmpl_ctx *c, tmpl_frame *frame, const tmpl_node *node,
                        const tmpl_value *source, size_t depth0) {
    tmpl_loop *loop;
    bool more, empty = true;
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *loop, &loop, c->err));
    loop->node = node;
    loop->frame = frame;
    loop->source = *source;
    loop->depth0 = depth0;
    c->at = node;
    IG_TRY(tmpl_iter_start(c, source, &loop->iter));
    for (bool first = true;; first = false) {
        IG_TRY(next_item(c, loop, first, &more));
        if (!more)
            break;
        IG_TRY(tmpl_assign(c, frame, node->a, &loop->current));
        if (node->extended)
            frame->slots[node->ref.slot] = (tmpl_value){.kind = TMPL_LOOP, .u.loop = loop};
        IG_TRY(tmpl_enter_scope(c, frame, node->scope));
        IG_TRY(tmpl_exec_list(c, frame, node->list));
        const tmpl_flow flow = c->flow;
        c->flow = TMPL_FLOW_ON;
        if (flow == TMPL_FLOW_BREAK)
            break;
        empty =
            empty && flow == TMPL_FLOW_CONTINUE; /* a body that always continues counts as none */
    }
    if (!empty || !node->other)
        return IG_OK;
    IG_TRY(tmpl_enter_scope(c, frame, node->else_scope));
    return tmpl_exec_list(c, frame, node->other);
}

/* loop(iterable) in a recursive loop: its text. */
ig_status tmpl_call_loop(tmpl_ctx *c, tmpl_loop *loop, const tmpl_args *args, tmpl_value *out) {
    tmpl_frame *frame;
    const size_t mark = c->out.n;
    const tmpl_flow flow = c->flow;
    if (!loop->node->recursive)
        return tmpl_fail(c, IG_EARGUMENT,
                         "The loop must have the 'recursive' marker to be called recursively.");
    if (args->n != 1 || args->n_named)
        return tmpl_fail(c, IG_EARGUMENT, "loop() takes one iterable");
    IG_TRY(tmpl_frame_take(c, loop->node->unit, loop->frame->parent, &frame));
    IG_TRY(tmpl_run_loop(c, frame, loop->node, &args->at[0], loop->depth0 + 1));
    c->flow = flow;
    return tmpl_take_value(c, mark, false, out);
}

static ig_status exec_for(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value source;
    IG_TRY(tmpl_eval(c, f, node->b, &source));
    if (!node->recursive)
        return tmpl_run_loop(c, f, node, &source, 0);
    tmpl_frame *frame;
    IG_TRY(tmpl_frame_take(c, node->unit, f, &frame));
    return tmpl_run_loop(c, frame, node, &source, 0);
}

/* ---- other statements ---- */

static ig_status exec_if(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value v;
    bool yes;
    const tmpl_node *branch = node;
    for (; branch; branch = branch == node ? node->params : branch->next) {
        IG_TRY(tmpl_eval(c, f, branch->a, &v));
        c->at = branch;
        IG_TRY(tmpl_truth(c, &v, &yes));
        if (yes)
            return tmpl_exec_list(c, f, branch->list);
    }
    return tmpl_exec_list(c, f, node->other);
}

static ig_status check_namespaces(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *target) {
    if (target->kind == TMPL_N_NSREF) {
        const tmpl_frame *at = f;
        for (uint32_t hops = target->ref.hops; hops; hops--)
            at = at->parent;
        c->at = target;
        if (at->slots[target->ref.slot].kind != TMPL_NAMESPACE)
            return tmpl_fail(c, IG_EARGUMENT, "cannot assign attribute on non-namespace object");
    }
    for (const tmpl_node *item = target->list; item; item = item->next)
        IG_TRY(check_namespaces(c, f, item));
    return IG_OK;
}

static ig_status exec_set(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value v;
    IG_TRY(check_namespaces(c, f, node->a));
    IG_TRY(tmpl_eval(c, f, node->b, &v));
    return tmpl_assign(c, f, node->a, &v);
}

/* Runs a body in its scope and gives its text, through the filters of the block. */
static ig_status capture(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    const size_t mark = c->out.n;
    tmpl_value text;
    IG_TRY(tmpl_enter_scope(c, f, node->scope));
    IG_TRY(tmpl_exec_list(c, f, node->list));
    IG_TRY(tmpl_take_value(c, mark, false, &text));
    *out = text;
    return node->b ? tmpl_eval_filter_on(c, f, node->b, &text, out) : IG_OK;
}

static ig_status exec_setblock(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value v;
    IG_TRY(capture(c, f, node, &v));
    if (c->flow != TMPL_FLOW_ON)
        return IG_OK;
    return tmpl_assign(c, f, node->a, &v);
}

static ig_status exec_filterblock(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value v;
    IG_TRY(capture(c, f, node, &v));
    return c->flow != TMPL_FLOW_ON ? IG_OK : tmpl_put_str(c, &v);
}

static ig_status make_macro(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out) {
    *out = (tmpl_value){.kind = TMPL_MACRO};
    IG_TRY(ig_arena_new(&c->arena, 1, sizeof *out->u.macro, &out->u.macro, c->err));
    *out->u.macro = (tmpl_macro){node, f};
    return IG_OK;
}

/* A macro's name is always a slot of the scope it stands in. */
static ig_status exec_macro(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    return make_macro(c, f, node, &f->slots[node->ref.slot]);
}

static ig_status exec_callblock(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value caller, v;
    const tmpl_args none = {0};
    IG_TRY(make_macro(c, f, node, &caller));
    if (node->kind == TMPL_N_GENERATION)
        IG_TRY(tmpl_call_macro(c, caller.u.macro, &none, &v));
    else
        IG_TRY(tmpl_eval_call_with(c, f, node->a, &caller, &v));
    return tmpl_put_str(c, &v);
}

static ig_status exec_with(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value v;
    IG_TRY(tmpl_enter_scope(c, f, node->scope));
    for (const tmpl_node *pair = node->params; pair; pair = pair->next) {
        IG_TRY(tmpl_eval(c, f, pair->b, &v));
        IG_TRY(tmpl_assign(c, f, pair->a, &v));
    }
    return tmpl_exec_list(c, f, node->list);
}

static ig_status exec_output(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    tmpl_value v;
    if (!node->a) /* {% print a, b %} */
        return tmpl_exec_list(c, f, node->list);
    IG_TRY(tmpl_eval(c, f, node->a, &v));
    c->at = node;
    return tmpl_put_str(c, &v);
}

static ig_status exec_one(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node) {
    switch (node->kind) {
    case TMPL_N_TEXT:
        return tmpl_put(c, node->name);
    case TMPL_N_OUTPUT:
        return exec_output(c, f, node);
    case TMPL_N_IF:
        return exec_if(c, f, node);
    case TMPL_N_FOR:
        return exec_for(c, f, node);
    case TMPL_N_SET:
        return exec_set(c, f, node);
    case TMPL_N_SETBLOCK:
        return exec_setblock(c, f, node);
    case TMPL_N_MACRO:
        return exec_macro(c, f, node);
    case TMPL_N_CALLBLOCK:
    case TMPL_N_GENERATION:
        return exec_callblock(c, f, node);
    case TMPL_N_FILTERBLOCK:
        return exec_filterblock(c, f, node);
    case TMPL_N_WITH:
        return exec_with(c, f, node);
    case TMPL_N_BREAK:
        c->flow = TMPL_FLOW_BREAK;
        return IG_OK;
    case TMPL_N_CONTINUE:
        c->flow = TMPL_FLOW_CONTINUE;
        return IG_OK;
    default:
        return tmpl_fail(c, IG_EINTERNAL, "node %u is no statement", node->kind);
    }
}

ig_status tmpl_exec_list(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *first) {
    if (++c->depth > IG_TEMPLATE_STACK_MAX) {
        c->at = first ? first : c->at;
        return tmpl_fail(c, IG_ELIMIT,
                         "calls nested deeper than %u (IG_TEMPLATE_STACK_MAX); is a macro "
                         "recursive without end?",
                         IG_TEMPLATE_STACK_MAX);
    }
    for (const tmpl_node *node = first; node && c->flow == TMPL_FLOW_ON; node = node->next) {
        c->at = node;
        IG_TRY(tmpl_charge(c, 0));
        IG_TRY(exec_one(c, f, node));
    }
    c->depth--;
    return IG_OK;
}
