/* template_int.h: what the files of the template room share: values, tree, scopes, rendering state,
 * tables.
 *
 *   source -lex-> tokens -parse-> tree -scope-> names become slots -exec/eval-> text
 *
 * The tree lives in the template's arena and never changes after scoping. Values live in the
 * rendering's arena; strings are slices of the source, the input or the arena and are never written
 * after they are made, lists and dicts neither (the sandbox forbids it), so that copying a value is
 * copying its handle. */
#ifndef IG_TEMPLATE_TEMPLATE_INT_H
#define IG_TEMPLATE_TEMPLATE_INT_H

#include "template/template.h"

/* ---- values ---- */

typedef enum tmpl_kind {
    TMPL_MISSING, /* an unset slot or argument; never seen by a template */
    TMPL_UNDEFINED,
    TMPL_NONE,
    TMPL_BOOL,
    TMPL_INT,
    TMPL_REAL,
    TMPL_STR,
    TMPL_LIST,
    TMPL_TUPLE,
    TMPL_DICT,
    TMPL_VIEW, /* dict.keys(), .values(), .items(): a list that cannot be indexed */
    TMPL_ITER, /* generators and iterators: consumed once */
    TMPL_RANGE,
    TMPL_NAMESPACE,
    TMPL_LOOP,
    TMPL_MACRO,
    TMPL_METHOD,   /* a method bound to its object */
    TMPL_FUNCTION, /* a global function */
    TMPL_JOINER,
    TMPL_CYCLER
} tmpl_kind;
#define TMPL_KINDS (TMPL_CYCLER + 1)

typedef struct tmpl_list tmpl_list;
typedef struct tmpl_dict tmpl_dict;
typedef struct tmpl_iter tmpl_iter;
typedef struct tmpl_range tmpl_range;
typedef struct tmpl_loop tmpl_loop;
typedef struct tmpl_macro tmpl_macro;
typedef struct tmpl_bound tmpl_bound;
typedef struct tmpl_counter tmpl_counter;
typedef struct tmpl_row tmpl_row;
typedef struct tmpl_node tmpl_node;
typedef struct tmpl_ctx tmpl_ctx;

typedef enum tmpl_view { TMPL_VIEW_KEYS, TMPL_VIEW_VALUES, TMPL_VIEW_ITEMS } tmpl_view;

typedef struct tmpl_value {
    uint8_t kind; /* tmpl_kind */
    bool markup;  /* TMPL_STR: went through escape or safe; what is added to it is escaped */
    uint8_t view; /* TMPL_VIEW: tmpl_view; TMPL_TUPLE: 1 = a group of groupby */
    union {
        bool b;
        int64_t i;
        double d;
        ig_str s; /* also the name of an undefined value */
        tmpl_list *list;
        tmpl_dict *dict; /* also a namespace's attributes */
        tmpl_iter *iter;
        tmpl_range *range;
        tmpl_loop *loop;
        tmpl_macro *macro;
        tmpl_bound *bound;
        tmpl_counter *counter;
        const tmpl_row *row;
    } u;
} tmpl_value;

struct tmpl_list {
    size_t n, cap;
    tmpl_value *items;
};

typedef struct tmpl_entry {
    tmpl_value key, value;
    uint64_t hash;
} tmpl_entry;

/* Keeps insertion order; above a few entries `index` (open addressing, entry number + 1) finds
 * keys. */
struct tmpl_dict {
    size_t n, cap;
    tmpl_entry *entries;
    size_t index_mask; /* 0: no index yet */
    uint32_t *index;
};

struct tmpl_range {
    int64_t start, stop, step;
    size_t n;
};

/* Element i < n; every element fits, the product on the way may not. */
static inline int64_t tmpl_range_at(const tmpl_range *r, size_t i) {
    return (int64_t)((uint64_t)r->start + (uint64_t)i * (uint64_t)r->step);
}

/* A position in something iterable. */
struct tmpl_iter {
    tmpl_value source; /* TMPL_ITER as source means: advance that one */
    size_t at;         /* element number, or byte offset in a string */
};

/* joiner: items has the separator; cycler: its items. */
struct tmpl_counter {
    tmpl_list *items;
    size_t at;
};

struct tmpl_bound {
    tmpl_value self;
    const tmpl_row *row;
};

/* ---- tree ---- */

typedef enum tmpl_node_kind {
    /* expressions */
    TMPL_N_CONST,
    TMPL_N_NAME,
    TMPL_N_TUPLE,   /* list */
    TMPL_N_LIST,    /* list */
    TMPL_N_DICT,    /* list of PAIR */
    TMPL_N_PAIR,    /* a: b */
    TMPL_N_CONCAT,  /* list */
    TMPL_N_ARITH,   /* a, then list of OPERAND */
    TMPL_N_COMPARE, /* a, then list of OPERAND */
    TMPL_N_OPERAND, /* op a */
    TMPL_N_AND,     /* list */
    TMPL_N_OR,      /* list */
    TMPL_N_NOT,
    TMPL_N_NEG,
    TMPL_N_POS,
    TMPL_N_COND,    /* b if a else c */
    TMPL_N_GETATTR, /* a.name */
    TMPL_N_GETITEM, /* a[b] */
    TMPL_N_SLICE,   /* a:b:c, below GETITEM */
    TMPL_N_CALL,    /* a(list) */
    TMPL_N_FILTER,  /* a|name(list); a NULL: the captured text */
    TMPL_N_TEST,    /* a is name(list) */
    TMPL_N_KEYWORD, /* name=a, in argument lists */
    TMPL_N_STAR,    /* *a */
    TMPL_N_STARSTAR,
    TMPL_N_NSREF, /* name.attr, only as a target; attr is in value */
    /* statements */
    TMPL_N_TEXT,   /* name */
    TMPL_N_OUTPUT, /* a */
    TMPL_N_IF,     /* a; list; other: list of statements, an elif is one IF in it */
    TMPL_N_FOR,    /* target a, iterable b, test c; list; other */
    TMPL_N_SET,    /* a = b */
    TMPL_N_SETBLOCK,
    TMPL_N_MACRO, /* name, params, list */
    TMPL_N_PARAM, /* name, default a */
    TMPL_N_CALLBLOCK,
    TMPL_N_GENERATION, /* a call block whose callee only returns caller() */
    TMPL_N_FILTERBLOCK,
    TMPL_N_WITH, /* params: list of PAIR target: value */
    TMPL_N_BREAK,
    TMPL_N_CONTINUE,
    TMPL_N_TEMPLATE
} tmpl_node_kind;

typedef enum tmpl_op {
    TMPL_ADD,
    TMPL_SUB,
    TMPL_MUL,
    TMPL_DIV,
    TMPL_FLOORDIV,
    TMPL_MOD,
    TMPL_POW,
    TMPL_EQ,
    TMPL_NE,
    TMPL_LT,
    TMPL_LE,
    TMPL_GT,
    TMPL_GE,
    TMPL_IN,
    TMPL_NOTIN
} tmpl_op;

/* How a slot gets its value when its scope is entered. */
typedef enum tmpl_load_kind {
    TMPL_LOAD_PARAMETER, /* whoever enters the scope sets it */
    TMPL_LOAD_RESOLVE,   /* from the render variables, then the globals */
    TMPL_LOAD_ALIAS,     /* from a slot of an outer scope */
    TMPL_LOAD_UNDEFINED
} tmpl_load_kind;

/* Where a variable lives: `hops` frames outwards, slot number there. */
typedef struct tmpl_ref {
    uint32_t hops, slot;
} tmpl_ref;

typedef struct tmpl_load {
    tmpl_load_kind kind;
    uint32_t slot;
    tmpl_ref from; /* ALIAS */
    ig_str name;   /* RESOLVE */
} tmpl_load;

typedef struct tmpl_scope {
    size_t n;
    tmpl_load *loads;
} tmpl_scope;

/* A piece of code with frames of its own: the template, a macro, a caller block, a recursive loop.
 */
typedef struct tmpl_unit {
    uint32_t id, n_slots;
    bool captured; /* defines units itself, so that its frames may outlive the call */
} tmpl_unit;

struct tmpl_node {
    uint8_t kind;                                /* tmpl_node_kind */
    uint8_t op;                                  /* tmpl_op of an OPERAND */
    bool store;                                  /* NAME: a target */
    bool extended;                               /* FOR: the body mentions `loop` */
    bool recursive;                              /* FOR */
    bool uses_caller, uses_kwargs, uses_varargs; /* MACRO, CALLBLOCK */
    uint16_t height;                             /* 1 + the highest child */
    uint32_t line, column;
    tmpl_node *next; /* in the list of the parent */
    tmpl_node *a, *b, *c;
    tmpl_node *list, *other, *params;
    ig_str name;
    tmpl_value value; /* CONST */
    tmpl_ref ref;     /* NAME, NSREF, MACRO (its own name); FOR: `loop`; CALLBLOCK: unused */
    tmpl_ref caller, kwargs, varargs; /* MACRO, CALLBLOCK: slots in their own unit */
    const tmpl_row *row;              /* FILTER, TEST */
    tmpl_scope *scope, *test_scope, *else_scope;
    tmpl_unit *unit;
    size_t n_params;
};

struct ig_template {
    ig_arena arena;
    tmpl_node *root;
    uint32_t n_units;
};

/* ---- lexer ---- */

typedef enum tmpl_token_kind {
    TMPL_T_EOF,
    TMPL_T_DATA,
    TMPL_T_VAR_BEGIN,
    TMPL_T_VAR_END,
    TMPL_T_BLOCK_BEGIN,
    TMPL_T_BLOCK_END,
    TMPL_T_NAME,
    TMPL_T_STRING,
    TMPL_T_INT,
    TMPL_T_REAL,
    TMPL_T_OP /* text is the operator */
} tmpl_token_kind;

typedef struct tmpl_token {
    tmpl_token_kind kind;
    uint32_t line, column;
    ig_str text; /* data, name, unescaped string, operator */
    int64_t i;
    double d;
} tmpl_token;

#define TMPL_BRACKETS_MAX IG_TEMPLATE_DEPTH_MAX

typedef struct tmpl_lexer {
    ig_arena *arena;
    ig_err *err;
    ig_str source; /* newlines normalised, the last one removed */
    size_t at;
    uint32_t line;
    size_t line_start; /* offset of the line's first byte, for columns */
    enum { TMPL_S_TEXT, TMPL_S_BLOCK, TMPL_S_VAR, TMPL_S_RAW } state;
    bool line_starting; /* the last match ended in a newline: lstrip_blocks may strip up to it */
    tmpl_token pending; /* what follows the data token just given */
    bool has_pending;
    uint32_t n_brackets;
    char brackets[TMPL_BRACKETS_MAX];
} tmpl_lexer;

ig_status tmpl_lex_open(tmpl_lexer *lex, ig_arena *arena, ig_str source, ig_err *err);
ig_status tmpl_lex_next(tmpl_lexer *lex, tmpl_token *out);

/* ---- parser ---- */

typedef struct tmpl_parser {
    tmpl_lexer lex;
    ig_arena *arena;
    ig_err *err;
    tmpl_token token, ahead;
    bool has_ahead;
    uint32_t depth;
    uint32_t loops; /* enclosing for bodies, for break and continue */
} tmpl_parser;

ig_status tmpl_fail_token(tmpl_parser *p, const tmpl_token *at, const char *format, ...)
    IG_PRINTF(3, 4) IG_COLD;
ig_status tmpl_advance(tmpl_parser *p);
ig_status tmpl_look(tmpl_parser *p, const tmpl_token **out);
bool tmpl_at_op(const tmpl_parser *p, const char *op);
bool tmpl_at_name(const tmpl_parser *p, const char *name);
ig_status tmpl_expect_op(tmpl_parser *p, const char *op);
ig_status tmpl_expect_name(tmpl_parser *p, ig_str *name);
ig_status tmpl_new_node(tmpl_parser *p, tmpl_node_kind kind, const tmpl_token *at, tmpl_node **out);
/* Takes the children's heights; fails above the depth limit. */
ig_status tmpl_seal(tmpl_parser *p, tmpl_node *node);
ig_status tmpl_enter(tmpl_parser *p);
const char *tmpl_token_name(const tmpl_token *token, char text[64]);

/* Expression entry points; `end` is a name that ends a tuple besides the closing brackets, or NULL.
 */
ig_status tmpl_parse_expression(tmpl_parser *p, bool with_condition, tmpl_node **out);
ig_status tmpl_parse_tuple(tmpl_parser *p, bool with_condition, const char *end, bool parenthesised,
                           tmpl_node **out);
ig_status tmpl_parse_target(tmpl_parser *p, bool with_tuple, bool with_namespace, const char *end,
                            tmpl_node **out);
ig_status tmpl_parse_filters(tmpl_parser *p, tmpl_node *on, bool start_inline, tmpl_node **out);
ig_status tmpl_parse_template(tmpl_parser *p, tmpl_node **out);

/* Gives every name its slot, every unit its size. Needs the whole tree. */
ig_status tmpl_scope_tree(ig_template *tmpl, tmpl_node *root, ig_err *err);

/* ---- tables of functions ---- */

#define TMPL_PARAMS_MAX 6

/* Arguments of a call. `named` are the keywords, in order. */
typedef struct tmpl_args {
    size_t n, n_named;
    const tmpl_value *at;
    const tmpl_entry *named; /* key is a string */
} tmpl_args;

/* a[0] is the object of filters, tests and methods (MISSING for global functions), a[1..] the
 * parameters in the row's order (MISSING where not given). Variadic rows find everything in args
 * and only a[0] in a. */
typedef ig_status tmpl_function(tmpl_ctx *c, const tmpl_value *a, const tmpl_args *args,
                                tmpl_value *out);

struct tmpl_row {
    const char *name;
    tmpl_function *call; /* NULL: known to Python, refused here by name */
    const char *params; /* "a b c" after the object; "*" = variadic; a trailing "/" = no keywords */
    uint8_t n_required; /* of those */
};

const tmpl_row *tmpl_find_row(const tmpl_row *rows, size_t n, ig_str name);
const tmpl_row *tmpl_find_filter(ig_str name);
const tmpl_row *tmpl_find_test(ig_str name);
const tmpl_row *tmpl_find_global(ig_str name);
/* Methods of a kind: NULL when Python's object has no such attribute. *unsafe: it has, but the
 * sandbox hides it. */
const tmpl_row *tmpl_find_method(tmpl_kind kind, ig_str name, bool *unsafe);
extern const tmpl_row TMPL_STR_METHODS[];
extern const size_t TMPL_STR_METHODS_N;
extern const tmpl_row TMPL_SEQ_FILTERS[];
extern const size_t TMPL_SEQ_FILTERS_N;
extern const tmpl_row TMPL_TEXT_FILTERS[];
extern const size_t TMPL_TEXT_FILTERS_N;
/* Binds the arguments to the row's parameters and calls it; self may be NULL. */
ig_status tmpl_call_row(tmpl_ctx *c, const tmpl_row *row, const tmpl_value *self,
                        const tmpl_args *args, tmpl_value *out);
ig_status tmpl_call_filter(tmpl_ctx *c, ig_str name, const tmpl_value *self, const tmpl_args *args,
                           tmpl_value *out);
ig_status tmpl_call_test(tmpl_ctx *c, ig_str name, const tmpl_value *self, const tmpl_args *args,
                         bool *out);
/* Parameters that were not given. */
ig_status tmpl_arg_flag(tmpl_ctx *c, const tmpl_value *v, bool otherwise, bool *out);
ig_status tmpl_arg_int(tmpl_ctx *c, const tmpl_value *v, int64_t otherwise, int64_t *out);
ig_status tmpl_arg_str(tmpl_ctx *c, const tmpl_value *v, const char *otherwise, ig_str *out);
/* The function itself accepts what Python's str methods accept. */
ig_status tmpl_need_str(tmpl_ctx *c, const tmpl_value *v, ig_str *out);

/* ---- rendering ---- */

typedef struct tmpl_frame {
    struct tmpl_frame *parent;
    struct tmpl_frame *free_next;
    tmpl_value slots[];
} tmpl_frame;

typedef enum tmpl_flow { TMPL_FLOW_ON, TMPL_FLOW_BREAK, TMPL_FLOW_CONTINUE } tmpl_flow;

typedef struct tmpl_held_doc {
    ig_json_doc *doc;
    struct tmpl_held_doc *next;
} tmpl_held_doc;

struct tmpl_ctx {
    const ig_template *tmpl;
    ig_arena arena;
    ig_err *err;
    /* Text so far; captures (macros, set blocks, string building) grow at its end and are cut off
     * again, so no string may point into it. */
    ig_buf out;
    const tmpl_node *at; /* for the place in messages */
    uint64_t steps;
    uint32_t depth;
    tmpl_flow flow;
    bool raised;
    ig_str raise_text;
    tmpl_dict *variables;
    tmpl_frame **free_frames; /* per unit */
    char *tail;               /* end of the string made by the last concatenation … */
    size_t tail_room; /* … and the free bytes after it, so that appending in a loop is linear */
    tmpl_held_doc *docs; /* of from_json, closed at the end; their memory is not the arena's … */
    size_t json_bytes;   /* … but grows with the text that was read */
    int64_t now_s;
    uint64_t seed;
};

struct tmpl_macro {
    const tmpl_node *node;
    tmpl_frame *frame; /* where it was defined */
};

struct tmpl_loop {
    const tmpl_node *node;
    tmpl_frame *frame; /* of the body */
    tmpl_iter iter;
    tmpl_value source;
    size_t index0, depth0;
    bool has_length;
    size_t length;
    tmpl_value before, current, after; /* MISSING: none */
    bool peeked, filtered; /* filtered: iter runs over a list that passed the test already */
    tmpl_value changed;    /* MISSING: changed() was not called yet */
};

#define tmpl_fail(c, code, ...) tmpl_fail_at((c), (code), __FILE__, __LINE__, __VA_ARGS__)
ig_status tmpl_fail_at(tmpl_ctx *c, ig_status code, const char *file, int line, const char *format,
                       ...) IG_COLD IG_PRINTF(5, 6);
ig_status tmpl_fail_undefined(tmpl_ctx *c, const tmpl_value *v) IG_COLD;
ig_status tmpl_fail_steps(tmpl_ctx *c) IG_COLD;
/* Every piece of work of about 64 bytes is a step. */
static inline ig_status tmpl_charge(tmpl_ctx *c, size_t bytes) {
    c->steps += 1 + bytes / 64;
    return ig_likely(c->steps <= IG_TEMPLATE_STEPS_MAX) ? IG_OK : tmpl_fail_steps(c);
}

/* Searching or decoding a byte takes about as long as copying eight. */
static inline ig_status tmpl_charge_scan(tmpl_ctx *c, size_t bytes) {
    return tmpl_charge(c, bytes * 8);
}

ig_status tmpl_eval(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node, tmpl_value *out);
ig_status tmpl_exec_list(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *first);
/* A call with one more keyword argument, the caller of a call block. */
ig_status tmpl_eval_call_with(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node,
                              const tmpl_value *caller, tmpl_value *out);
ig_status tmpl_eval_filter_on(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *node,
                              const tmpl_value *captured, tmpl_value *out);
ig_status tmpl_assign(tmpl_ctx *c, tmpl_frame *f, const tmpl_node *target, const tmpl_value *v);
ig_status tmpl_enter_scope(tmpl_ctx *c, tmpl_frame *f, const tmpl_scope *scope);
ig_status tmpl_frame_take(tmpl_ctx *c, const tmpl_unit *unit, tmpl_frame *parent, tmpl_frame **out);
void tmpl_frame_give(tmpl_ctx *c, const tmpl_unit *unit, tmpl_frame *frame);
ig_status tmpl_call(tmpl_ctx *c, const tmpl_value *callee, const tmpl_args *args, tmpl_value *out);
ig_status tmpl_call_macro(tmpl_ctx *c, const tmpl_macro *m, const tmpl_args *args, tmpl_value *out);
/* Runs a for statement over `source`; `frame` is the one its slots live in. */
ig_status tmpl_run_loop(tmpl_ctx *c, tmpl_frame *frame, const tmpl_node *node,
                        const tmpl_value *source, size_t depth0);
ig_status tmpl_call_loop(tmpl_ctx *c, tmpl_loop *loop, const tmpl_args *args, tmpl_value *out);
ig_status tmpl_loop_attr(tmpl_ctx *c, tmpl_loop *loop, ig_str name, tmpl_value *out, bool *found);
ig_status tmpl_loop_length(tmpl_ctx *c, tmpl_loop *loop, size_t *n);
/* A render variable, else a global function, else MISSING. */
ig_status tmpl_lookup(tmpl_ctx *c, ig_str name, tmpl_value *out);

/* ---- operations on values ---- */

static inline tmpl_value tmpl_undefined(ig_str name) {
    return (tmpl_value){.kind = TMPL_UNDEFINED, .u.s = name};
}
static inline tmpl_value tmpl_none(void) {
    return (tmpl_value){.kind = TMPL_NONE};
}
static inline tmpl_value tmpl_bool(bool b) {
    return (tmpl_value){.kind = TMPL_BOOL, .u.b = b};
}
static inline tmpl_value tmpl_int(int64_t i) {
    return (tmpl_value){.kind = TMPL_INT, .u.i = i};
}
static inline tmpl_value tmpl_real(double d) {
    return (tmpl_value){.kind = TMPL_REAL, .u.d = d};
}
static inline tmpl_value tmpl_str(ig_str s) {
    return (tmpl_value){.kind = TMPL_STR, .u.s = s};
}
/* bool counts as int, as in Python. */
static inline bool tmpl_is_int(const tmpl_value *v) {
    return v->kind == TMPL_INT || v->kind == TMPL_BOOL;
}
static inline int64_t tmpl_as_int(const tmpl_value *v) {
    return v->kind == TMPL_BOOL ? v->u.b : v->u.i;
}
static inline bool tmpl_is_number(const tmpl_value *v) {
    return tmpl_is_int(v) || v->kind == TMPL_REAL;
}
static inline double tmpl_as_real(const tmpl_value *v) {
    return v->kind == TMPL_REAL ? v->u.d : (double)tmpl_as_int(v);
}

const char *tmpl_type_name(const tmpl_value *v); /* Python's: "str", "list", … */
ig_status tmpl_truth(tmpl_ctx *c, const tmpl_value *v, bool *out);
ig_status tmpl_equal(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, bool *out);
/* -1, 0, 1; *ordered false: neither (NaN). Unlike types fail as in Python. */
ig_status tmpl_order(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, int *sign,
                     bool *ordered);
ig_status tmpl_contains(tmpl_ctx *c, const tmpl_value *item, const tmpl_value *in, bool *out);
ig_status tmpl_binary(tmpl_ctx *c, tmpl_op op, const tmpl_value *a, const tmpl_value *b,
                      tmpl_value *out);
ig_status tmpl_compare(tmpl_ctx *c, tmpl_op op, const tmpl_value *a, const tmpl_value *b,
                       bool *out);
ig_status tmpl_length(tmpl_ctx *c, const tmpl_value *v, size_t *n);
ig_status tmpl_getattr(tmpl_ctx *c, const tmpl_value *v, ig_str name, tmpl_value *out);
ig_status tmpl_getitem(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *key, tmpl_value *out);
ig_status tmpl_slice(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *start,
                     const tmpl_value *stop, const tmpl_value *step, tmpl_value *out);
/* "a.b.0" of map(attribute=…), as getitem steps; `otherwise` (not NULL or none) replaces what is
 * undefined on the way. */
ig_status tmpl_get_path(tmpl_ctx *c, const tmpl_value *v, const tmpl_value *path,
                        const tmpl_value *otherwise, tmpl_value *out);

ig_status tmpl_list_new(tmpl_ctx *c, size_t cap, tmpl_list **out);
ig_status tmpl_list_add(tmpl_ctx *c, tmpl_list *list, const tmpl_value *v);
ig_status tmpl_list_from(tmpl_ctx *c, const tmpl_value *iterable, tmpl_list **out);
tmpl_value tmpl_list_value(tmpl_kind kind, tmpl_list *list);
ig_status tmpl_pair(tmpl_ctx *c, const tmpl_value *a, const tmpl_value *b, tmpl_value *out);
ig_status tmpl_iter_value(tmpl_ctx *c, tmpl_list *list,
                          tmpl_value *out); /* a generator over the list */
ig_status tmpl_iter_start(tmpl_ctx *c, const tmpl_value *v, tmpl_iter *it);
ig_status tmpl_iter_next(tmpl_ctx *c, tmpl_iter *it, tmpl_value *out, bool *more);

ig_status tmpl_dict_new(tmpl_ctx *c, tmpl_dict **out);
ig_status tmpl_dict_set(tmpl_ctx *c, tmpl_dict *dict, const tmpl_value *key, const tmpl_value *v);
/* NULL in *out when absent; unhashable keys fail. */
ig_status tmpl_dict_find(tmpl_ctx *c, const tmpl_dict *dict, const tmpl_value *key,
                         tmpl_value **out);
ig_status tmpl_dict_update(tmpl_ctx *c, tmpl_dict *dict, const tmpl_value *from);
ig_status tmpl_from_json(tmpl_ctx *c, const ig_json *json, tmpl_value *out);

/* ---- text of values: appended to c->out ---- */

ig_status tmpl_put(tmpl_ctx *c, ig_str s);
ig_status tmpl_put_fill(tmpl_ctx *c, char byte, size_t n);
ig_status tmpl_put_str(tmpl_ctx *c, const tmpl_value *v);
ig_status tmpl_put_repr(tmpl_ctx *c, const tmpl_value *v);
ig_status tmpl_put_escaped(tmpl_ctx *c, ig_str s);
typedef struct tmpl_json_style {
    bool ensure_ascii, sort_keys, indented;
    ig_str indent, item_separator, key_separator;
} tmpl_json_style;
ig_status tmpl_put_json(tmpl_ctx *c, const tmpl_value *v, const tmpl_json_style *style);
/* Cuts what was appended since c->out had `mark` bytes off into a string of the arena. */
ig_status tmpl_take(tmpl_ctx *c, size_t mark, ig_str *out);
ig_status tmpl_take_value(tmpl_ctx *c, size_t mark, bool markup, tmpl_value *out);
ig_status tmpl_to_str(tmpl_ctx *c, const tmpl_value *v, ig_str *out);
ig_status tmpl_concat(tmpl_ctx *c, ig_str a, ig_str b, ig_str *out);
ig_status tmpl_escape(tmpl_ctx *c, const tmpl_value *v, ig_str *out); /* markup stays as it is */

ig_status tmpl_percent_format(tmpl_ctx *c, ig_str format, const tmpl_value *args, bool markup,
                              tmpl_value *out);
ig_status tmpl_brace_format(tmpl_ctx *c, ig_str format, const tmpl_args *args, tmpl_value *out);
ig_status tmpl_put_strftime(tmpl_ctx *c, ig_str format, int64_t local_s);
int64_t tmpl_local_now(void);

/* ---- strings by code point ---- */

size_t tmpl_cp(ig_str s, size_t at, uint32_t *cp); /* bytes of the code point at `at` */
bool tmpl_is_space(uint32_t cp);                   /* str.isspace */
bool tmpl_is_line_end(uint32_t cp);                /* str.splitlines */
size_t tmpl_cp_count(ig_str s);
size_t tmpl_cp_offset(ig_str s,
                      size_t n); /* byte offset of code point n; s.n when there are fewer */
bool tmpl_is_word(uint32_t cp);  /* letters, numbers, underscore */
ig_str tmpl_strip(ig_str s, const ig_str *chars, bool left, bool right);
size_t tmpl_find(ig_str s, ig_str needle, size_t from); /* s.n + 1 when absent */
ig_status tmpl_put_case(tmpl_ctx *c, ig_str s, bool upper);
ig_status tmpl_lower_value(tmpl_ctx *c, const tmpl_value *v,
                           tmpl_value *out); /* strings only; others stay */
ig_status tmpl_split_lines(tmpl_ctx *c, ig_str s, bool keep_ends, tmpl_list **out);
ig_status tmpl_put_replaced(tmpl_ctx *c, ig_str s, ig_str old, ig_str fresh, int64_t count);
ig_status tmpl_parse_int(ig_str s, int64_t base, int64_t *out, bool *ok); /* int(str, base) */
bool tmpl_parse_real(ig_str s, double *out);                              /* float(str) */

#endif
