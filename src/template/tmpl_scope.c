/* tmpl_scope.c: gives every name its slot before anything runs, with the visibility rules of
 * Jinja's id tracking: which names a scope has is decided by its whole text, a name set anywhere in
 * it hides the outer one from its start. Each scope is analysed (which names, how loaded on entry),
 * then bound (name nodes get their slots, inner scopes are visited). Linear in the tree except that
 * scopes nest. */
#include "template/template_int.h"

typedef struct symbol {
    ig_str name;
    uint32_t slot;
    tmpl_load_kind kind;
    tmpl_ref from;
    bool stored;
} symbol;

/* The names of one scope; `index` is open addressing over symbol number + 1. */
typedef struct symbols {
    struct symbols *parent;
    tmpl_unit *unit;
    uint32_t unit_depth;
    size_t n, cap, index_cap;
    symbol *at;
    uint32_t *index;
    uint32_t *stores; /* symbol numbers in the order they were first stored */
    size_t n_stores, stores_cap;
} symbols;

typedef struct binder {
    ig_arena *arena;
    ig_err *err;
    uint32_t n_units;
    uint32_t in_for;
} binder;

/* Seeded by an address, which differs from run to run: names cannot be forged to collide. */
static uint64_t hash_name(const symbols *in, ig_str s) {
    uint64_t h = (uint64_t)(uintptr_t)in->unit * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 0x9fb21c651e98df25u;
    return h ^ h >> 32;
}

static symbol *find_here(const symbols *in, ig_str name) {
    for (size_t i = hash_name(in, name); in->index_cap; i++) {
        uint32_t number = in->index[i & (in->index_cap - 1)];
        if (!number)
            return NULL;
        if (ig_str_eq(in->at[number - 1].name, name))
            return &in->at[number - 1];
    }
    return NULL;
}

/* The nearest symbol of that name, and the scope that has it. */
static const symbol *find_up(const symbols *from, ig_str name, const symbols **where) {
    for (; from; from = from->parent) {
        const symbol *s = find_here(from, name);
        if (s) {
            *where = from;
            return s;
        }
    }
    return NULL;
}

static ig_status grow_symbols(binder *b, symbols *in) {
    size_t cap = in->cap ? in->cap * 2 : 8;
    symbol *at;
    uint32_t *index;
    IG_TRY(ig_arena_new(b->arena, cap, sizeof *at, &at, b->err));
    IG_TRY(ig_arena_new(b->arena, cap * 2, sizeof *index, &index, b->err));
    if (in->n)
        memcpy(at, in->at, in->n * sizeof *at);
    in->at = at;
    in->cap = cap;
    in->index = index;
    in->index_cap = cap * 2;
    for (size_t s = 0; s < in->n; s++) {
        size_t i = hash_name(in, at[s].name);
        while (index[i & (in->index_cap - 1)])
            i++;
        index[i & (in->index_cap - 1)] = (uint32_t)s + 1;
    }
    return IG_OK;
}

/* New or existing symbol of this scope. A new one is loaded as `kind`. */
static ig_status define(binder *b, symbols *in, ig_str name, tmpl_load_kind kind, symbol **out) {
    *out = find_here(in, name);
    if (*out)
        return IG_OK;
    if (in->n == in->cap)
        IG_TRY(grow_symbols(b, in));
    size_t i = hash_name(in, name);
    while (in->index[i & (in->index_cap - 1)])
        i++;
    *out = &in->at[in->n++];
    in->index[i & (in->index_cap - 1)] = (uint32_t)in->n;
    **out = (symbol){.name = name, .slot = in->unit->n_slots++, .kind = kind};
    return IG_OK;
}

static tmpl_ref ref_from(const symbols *from, const symbols *where, const symbol *s) {
    return (tmpl_ref){from->unit_depth - where->unit_depth, s->slot};
}

static ig_status note_store(binder *b, symbols *in, symbol *s) {
    if (s->stored)
        return IG_OK;
    if (in->n_stores == in->stores_cap) {
        size_t cap = in->stores_cap ? in->stores_cap * 2 : 8;
        uint32_t *stores;
        IG_TRY(ig_arena_new(b->arena, cap, sizeof *stores, &stores, b->err));
        if (in->n_stores)
            memcpy(stores, in->stores, in->n_stores * sizeof *stores);
        in->stores = stores;
        in->stores_cap = cap;
    }
    in->stores[in->n_stores++] = (uint32_t)(s - in->at);
    s->stored = true;
    return IG_OK;
}

static ig_status declare(binder *b, symbols *in, ig_str name) {
    symbol *s;
    IG_TRY(define(b, in, name, TMPL_LOAD_PARAMETER, &s));
    s->kind = TMPL_LOAD_PARAMETER;
    return note_store(b, in, s);
}

static ig_status load(binder *b, symbols *in, ig_str name) {
    const symbols *where;
    symbol *s;
    return find_up(in, name, &where) ? IG_OK : define(b, in, name, TMPL_LOAD_RESOLVE, &s);
}

/* From the outer scope when that has the name, else `otherwise`. */
static void load_from_outside(const symbols *in, symbol *s, tmpl_load_kind otherwise) {
    const symbols *where;
    const symbol *outer = find_up(in->parent, s->name, &where);
    s->kind = outer ? TMPL_LOAD_ALIAS : otherwise;
    if (outer)
        s->from = ref_from(in, where, outer);
}

static ig_status store(binder *b, symbols *in, ig_str name) {
    symbol *s = find_here(in, name);
    if (!s) {
        IG_TRY(define(b, in, name, TMPL_LOAD_UNDEFINED, &s));
        load_from_outside(in, s, TMPL_LOAD_UNDEFINED);
    }
    return note_store(b, in, s);
}

/* ---- analysis: which names a scope loads and stores ---- */

static ig_status analyse_list(binder *b, symbols *in, const tmpl_node *list);

static ig_status analyse_expression(binder *b, symbols *in, const tmpl_node *node) {
    if (!node)
        return IG_OK;
    if (node->kind == TMPL_N_NAME)
        return node->store ? store(b, in, node->name) : load(b, in, node->name);
    if (node->kind == TMPL_N_NSREF)
        return load(b, in, node->name);
    IG_TRY(analyse_expression(b, in, node->a));
    IG_TRY(analyse_expression(b, in, node->b));
    IG_TRY(analyse_expression(b, in, node->c));
    for (const tmpl_node *item = node->list; item; item = item->next)
        IG_TRY(analyse_expression(b, in, item));
    return IG_OK;
}

static ig_status declare_target(binder *b, symbols *in, const tmpl_node *target) {
    if (target->kind == TMPL_N_NAME)
        return declare(b, in, target->name);
    for (const tmpl_node *item = target->list; item; item = item->next)
        IG_TRY(declare_target(b, in, item));
    return IG_OK;
}

/* A name stored in a branch only may come from outside when the branch is not taken. */
static ig_status analyse_if(binder *b, symbols *in, const tmpl_node *node) {
    const size_t mark = in->n_stores;
    IG_TRY(analyse_expression(b, in, node->a));
    IG_TRY(analyse_list(b, in, node->list));
    for (const tmpl_node *elif = node->params; elif; elif = elif->next)
        IG_TRY(analyse_if(b, in, elif));
    IG_TRY(analyse_list(b, in, node->other));
    for (size_t i = mark; i < in->n_stores; i++)
        load_from_outside(in, &in->at[in->stores[i]], TMPL_LOAD_RESOLVE);
    return IG_OK;
}

static ig_status analyse_statement(binder *b, symbols *in, const tmpl_node *node) {
    switch (node->kind) {
    case TMPL_N_IF:
        return analyse_if(b, in, node);
    case TMPL_N_FOR:
        return analyse_expression(b, in, node->b);
    case TMPL_N_SET:
        IG_TRY(analyse_expression(b, in, node->b));
        return analyse_expression(b, in, node->a);
    case TMPL_N_SETBLOCK:
        IG_TRY(analyse_expression(b, in, node->b));
        return analyse_expression(b, in, node->a);
    case TMPL_N_MACRO:
        return store(b, in, node->name);
    case TMPL_N_CALLBLOCK:
        return analyse_expression(b, in, node->a);
    case TMPL_N_FILTERBLOCK:
        return analyse_expression(b, in, node->b);
    case TMPL_N_WITH:
        for (const tmpl_node *pair = node->params; pair; pair = pair->next)
            IG_TRY(analyse_expression(b, in, pair->b));
        return IG_OK;
    case TMPL_N_OUTPUT:
        return analyse_expression(b, in, node);
    default: /* text, generation, jumps: nothing of this scope */
        return IG_OK;
    }
}

static ig_status analyse_list(binder *b, symbols *in, const tmpl_node *list) {
    for (; list; list = list->next)
        IG_TRY(analyse_statement(b, in, list));
    return IG_OK;
}

/* ---- binding ---- */

static ig_status bind_list(binder *b, symbols *in, tmpl_node *list, bool soft);

/* The scope as data for the evaluator. */
static ig_status finish_scope(binder *b, const symbols *in, tmpl_scope **out) {
    IG_TRY(ig_arena_new(b->arena, 1, sizeof **out, out, b->err));
    IG_TRY(ig_arena_new(b->arena, in->n, sizeof *(*out)->loads, &(*out)->loads, b->err));
    for (size_t i = 0; i < in->n; i++) {
        const symbol *s = &in->at[i];
        if (s->kind != TMPL_LOAD_PARAMETER)
            (*out)->loads[(*out)->n++] =
                (tmpl_load){.kind = s->kind, .slot = s->slot, .from = s->from, .name = s->name};
    }
    return IG_OK;
}

static symbols inner_scope(symbols *parent) {
    return (symbols){.parent = parent, .unit = parent->unit, .unit_depth = parent->unit_depth};
}

static ig_status new_unit(binder *b, symbols *parent, tmpl_unit **out) {
    IG_TRY(ig_arena_new(b->arena, 1, sizeof **out, out, b->err));
    (*out)->id = b->n_units++;
    if (parent)
        parent->unit->captured = true;
    return IG_OK;
}

static ig_status inner_unit(binder *b, symbols *parent, symbols *out, tmpl_unit **unit) {
    IG_TRY(new_unit(b, parent, unit));
    *out = (symbols){.parent = parent, .unit = *unit, .unit_depth = parent->unit_depth + 1};
    return IG_OK;
}

static ig_status fail_node(binder *b, const tmpl_node *node, ig_status code, const char *what,
                           ig_str name) {
    return ig_fail(b->err, code, "template line %u column %u: %s '%.*s'; correct the template",
                   node->line, node->column, what, IG_STR_ARG(name));
}

static ig_status bind_name(binder *b, symbols *in, ig_str name, tmpl_node *node, tmpl_ref *ref) {
    const symbols *where;
    const symbol *s = find_up(in, name, &where);
    if (!s)
        return fail_node(b, node, IG_EINTERNAL, "no slot for", name);
    *ref = ref_from(in, where, s);
    return IG_OK;
}

static ig_status bind_expression(binder *b, symbols *in, tmpl_node *node, bool soft) {
    if (!node)
        return IG_OK;
    if (node->kind == TMPL_N_NAME || node->kind == TMPL_N_NSREF) {
        if (node->store && b->in_for && node->kind == TMPL_N_NAME && ig_str_is(node->name, "loop"))
            return fail_node(b, node, IG_EFORMAT, "can't assign to the special variable",
                             node->name);
        return bind_name(b, in, node->name, node, &node->ref);
    }
    const bool is_filter = node->kind == TMPL_N_FILTER;
    if ((is_filter || node->kind == TMPL_N_TEST) && !soft && !(node->row && node->row->call))
        return fail_node(b, node, node->row ? IG_EUNSUPPORTED : IG_EFORMAT,
                         node->row   ? "not supported:"
                         : is_filter ? "no filter named"
                                     : "no test named",
                         node->name);
    soft = soft || node->kind == TMPL_N_COND;
    IG_TRY(bind_expression(b, in, node->a, soft));
    IG_TRY(bind_expression(b, in, node->b, soft));
    IG_TRY(bind_expression(b, in, node->c, soft));
    for (tmpl_node *item = node->list; item; item = item->next)
        IG_TRY(bind_expression(b, in, item, soft));
    return IG_OK;
}

/* Whether the subtree loads one of the names not stored before in it; sets the bits of those it
 * does. */
static void find_special(const tmpl_node *node, const char *const *names, size_t n, unsigned *gone,
                         unsigned *found) {
    for (; node; node = node->next) {
        bool is_name = node->kind == TMPL_N_NAME || node->kind == TMPL_N_PARAM;
        for (size_t i = 0; is_name && i < n; i++) {
            if (!ig_str_is(node->name, names[i]))
                continue;
            if (node->kind == TMPL_N_NAME && !node->store && !(*gone & 1u << i))
                *found |= 1u << i;
            else
                *gone |= 1u << i;
        }
        const tmpl_node *const children[] = {node->a,      node->b,    node->c,
                                             node->params, node->list, node->other};
        for (size_t i = 0; i < IG_COUNT(children); i++)
            find_special(children[i], names, n, gone, found);
    }
}

static ig_status clone_target(binder *b, const tmpl_node *from, tmpl_node **out) {
    IG_TRY(ig_arena_new(b->arena, 1, sizeof **out, out, b->err));
    **out = *from;
    (*out)->next = NULL;
    tmpl_node **tail = &(*out)->list;
    for (const tmpl_node *item = from->list; item; item = item->next) {
        IG_TRY(clone_target(b, item, tail));
        tail = &(*tail)->next;
    }
    return IG_OK;
}

/* Body, test and else part are scopes of their own; the iterable belongs outside. A recursive loop
 * is a unit. The test has its own copy of the target (in params), because it runs ahead of the
 * body. */
static ig_status bind_for(binder *b, symbols *in, tmpl_node *node, bool soft) {
    static const char *const LOOP[] = {"loop"};
    unsigned gone = 0, found = 0;
    symbols body = inner_scope(in), test = inner_scope(in), other = inner_scope(in);
    if (node->recursive) {
        IG_TRY(inner_unit(b, in, &body, &node->unit));
        test = other = body;
    }
    find_special(node->list, LOOP, 1, &gone, &found);
    node->extended = node->recursive || found;
    IG_TRY(bind_expression(b, in, node->b, soft));
    if (node->extended)
        IG_TRY(declare(b, &body, IG_STR("loop")));
    IG_TRY(declare_target(b, &body, node->a));
    IG_TRY(analyse_list(b, &body, node->list));
    b->in_for++;
    if (node->c) {
        IG_TRY(clone_target(b, node->a, &node->params));
        IG_TRY(declare_target(b, &test, node->params));
        IG_TRY(analyse_expression(b, &test, node->c));
        IG_TRY(bind_expression(b, &test, node->params, false));
        IG_TRY(bind_expression(b, &test, node->c, false));
        IG_TRY(finish_scope(b, &test, &node->test_scope));
    }
    IG_TRY(bind_expression(b, &body, node->a, false));
    if (node->extended)
        IG_TRY(bind_name(b, &body, IG_STR("loop"), node, &node->ref));
    IG_TRY(bind_list(b, &body, node->list, false));
    IG_TRY(finish_scope(b, &body, &node->scope));
    IG_TRY(analyse_list(b, &other, node->other));
    IG_TRY(bind_list(b, &other, node->other, false));
    IG_TRY(finish_scope(b, &other, &node->else_scope));
    b->in_for--;
    return IG_OK;
}

/* Macros and caller blocks: a unit whose parameters, then the special names it uses, are slots. */
static ig_status bind_function(binder *b, symbols *in, tmpl_node *node) {
    static const char *const SPECIAL[] = {"caller", "kwargs", "varargs"};
    unsigned gone = 0, found = 0;
    symbols body;
    IG_TRY(inner_unit(b, in, &body, &node->unit));
    find_special(node->list, SPECIAL, IG_COUNT(SPECIAL), &gone, &found);
    for (const tmpl_node *param = node->params; param; param = param->next) {
        IG_TRY(declare(b, &body, param->name));
        bool is_caller = ig_str_is(param->name, "caller");
        if (is_caller && (found & 1) && !param->a)
            return fail_node(
                b, param, IG_EFORMAT,
                "the special argument must be omitted or be given a default:", param->name);
        for (size_t i = 0; i < IG_COUNT(SPECIAL); i++)
            found &= ig_str_is(param->name, SPECIAL[i]) ? ~(1u << i) : ~0u;
    }
    tmpl_ref *const refs[] = {&node->caller, &node->kwargs, &node->varargs};
    bool *const uses[] = {&node->uses_caller, &node->uses_kwargs, &node->uses_varargs};
    for (size_t i = 0; i < IG_COUNT(SPECIAL); i++) {
        *uses[i] = found >> i & 1;
        if (!*uses[i])
            continue;
        IG_TRY(declare(b, &body, ig_str_of(SPECIAL[i])));
        IG_TRY(bind_name(b, &body, ig_str_of(SPECIAL[i]), node, refs[i]));
    }
    for (const tmpl_node *param = node->params; param; param = param->next)
        IG_TRY(analyse_expression(b, &body, param->a));
    IG_TRY(analyse_list(b, &body, node->list));
    for (tmpl_node *param = node->params; param; param = param->next) {
        IG_TRY(bind_name(b, &body, param->name, param, &param->ref));
        IG_TRY(bind_expression(b, &body, param->a, false));
    }
    IG_TRY(bind_list(b, &body, node->list, false));
    return finish_scope(b, &body, &node->scope);
}

/* set, filter, with: a scope in the same unit. */
static ig_status bind_scoped(binder *b, symbols *in, tmpl_node *node, bool soft) {
    symbols body = inner_scope(in);
    for (tmpl_node *pair = node->params; pair; pair = pair->next) {
        IG_TRY(bind_expression(b, in, pair->b, soft));
        IG_TRY(declare_target(b, &body, pair->a));
    }
    IG_TRY(analyse_list(b, &body, node->list));
    for (tmpl_node *pair = node->params; pair; pair = pair->next)
        IG_TRY(bind_expression(b, &body, pair->a, false));
    if (node->kind == TMPL_N_SETBLOCK)
        IG_TRY(bind_expression(b, in, node->a, soft));
    IG_TRY(bind_expression(b, &body, node->b, false));
    IG_TRY(bind_list(b, &body, node->list, false));
    return finish_scope(b, &body, &node->scope);
}

static ig_status bind_statement(binder *b, symbols *in, tmpl_node *node, bool soft) {
    switch (node->kind) {
    case TMPL_N_IF:
        IG_TRY(bind_expression(b, in, node->a, true));
        IG_TRY(bind_list(b, in, node->list, true));
        IG_TRY(bind_list(b, in, node->params, true));
        return bind_list(b, in, node->other, true);
    case TMPL_N_FOR:
        return bind_for(b, in, node, soft);
    case TMPL_N_MACRO:
        IG_TRY(bind_name(b, in, node->name, node, &node->ref));
        return bind_function(b, in, node);
    case TMPL_N_CALLBLOCK:
        IG_TRY(bind_expression(b, in, node->a, soft));
        return bind_function(b, in, node);
    case TMPL_N_GENERATION:
        return bind_function(b, in, node);
    case TMPL_N_SETBLOCK:
    case TMPL_N_FILTERBLOCK:
    case TMPL_N_WITH:
        return bind_scoped(b, in, node, soft);
    default: /* set, output: only expressions */
        return bind_expression(b, in, node, soft);
    }
}

static ig_status bind_list(binder *b, symbols *in, tmpl_node *list, bool soft) {
    for (; list; list = list->next)
        IG_TRY(bind_statement(b, in, list, soft));
    return IG_OK;
}

ig_status tmpl_scope_tree(ig_template *tmpl, tmpl_node *root, ig_err *err) {
    binder b = {.arena = &tmpl->arena, .err = err};
    IG_TRY(new_unit(&b, NULL, &root->unit));
    symbols top = {.unit = root->unit};
    IG_TRY(analyse_list(&b, &top, root->list));
    IG_TRY(bind_list(&b, &top, root->list, false));
    IG_TRY(finish_scope(&b, &top, &root->scope));
    tmpl->n_units = b.n_units;
    return IG_OK;
}
