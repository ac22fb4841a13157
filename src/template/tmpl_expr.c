/* tmpl_expr.c: the expression grammar, by recursive descent with one token of look-ahead.
 * Left-associative chains become one node with a list, so that only brackets, postfixes and inline
 * ifs nest. */
#include "template/template_int.h"

/* ---- postfix: attributes, subscripts, calls, filters, tests ---- */

static ig_status parse_unary(tmpl_parser *p, bool with_filter, tmpl_node **out);
static ig_status parse_or(tmpl_parser *p, tmpl_node **out);
static ig_status parse_primary(tmpl_parser *p, bool with_namespace, tmpl_node **out);

static ig_status wrap(tmpl_parser *p, tmpl_node_kind kind, const tmpl_token *at, tmpl_node *child,
                      tmpl_node **out) {
    IG_TRY(tmpl_new_node(p, kind, at, out));
    (*out)->a = child;
    return tmpl_seal(p, *out);
}

/* Appends to a list whose tail link is *tail. */
static void link_to(tmpl_node ***tail, tmpl_node *node) {
    **tail = node;
    *tail = &node->next;
}

static ig_status parse_argument(tmpl_parser *p, tmpl_node **out) {
    const tmpl_token at = p->token, *ahead;
    bool star = tmpl_at_op(p, "*"), starstar = tmpl_at_op(p, "**");
    if (star || starstar) {
        tmpl_node *value;
        IG_TRY(tmpl_advance(p));
        IG_TRY(tmpl_parse_expression(p, true, &value));
        return wrap(p, star ? TMPL_N_STAR : TMPL_N_STARSTAR, &at, value, out);
    }
    if (at.kind == TMPL_T_NAME) {
        IG_TRY(tmpl_look(p, &ahead));
        if (ahead->kind == TMPL_T_OP && ig_str_is(ahead->text, "=")) {
            tmpl_node *value;
            IG_TRY(tmpl_advance(p));
            IG_TRY(tmpl_advance(p));
            IG_TRY(tmpl_parse_expression(p, true, &value));
            IG_TRY(wrap(p, TMPL_N_KEYWORD, &at, value, out));
            (*out)->name = at.text;
            return IG_OK;
        }
    }
    return tmpl_parse_expression(p, true, out);
}

/* Order as in Python: positional, keywords; *x before **x; nothing positional after a star. */
static ig_status parse_arguments(tmpl_parser *p, tmpl_node *call) {
    tmpl_node **tail = &call->list;
    bool keyword = false, star = false, starstar = false, comma = false;
    const tmpl_token open = p->token;
    IG_TRY(tmpl_expect_op(p, "("));
    while (!tmpl_at_op(p, ")")) {
        if (comma) {
            IG_TRY(tmpl_expect_op(p, ","));
            if (tmpl_at_op(p, ")"))
                break;
        }
        tmpl_node *arg;
        IG_TRY(parse_argument(p, &arg));
        bool is_keyword = arg->kind == TMPL_N_KEYWORD, is_star = arg->kind == TMPL_N_STAR,
             is_starstar = arg->kind == TMPL_N_STARSTAR;
        bool bad = starstar || (is_star && star) ||
                   (!is_keyword && !is_star && !is_starstar && (keyword || star));
        if (bad)
            return tmpl_fail_token(p, &open, "invalid order of arguments in a call");
        keyword = keyword || is_keyword;
        star = star || is_star;
        starstar = is_starstar;
        link_to(&tail, arg);
        comma = true;
    }
    return tmpl_expect_op(p, ")");
}

static ig_status parse_call(tmpl_parser *p, tmpl_node *callee, tmpl_node **out) {
    IG_TRY(tmpl_new_node(p, TMPL_N_CALL, &p->token, out));
    (*out)->a = callee;
    IG_TRY(parse_arguments(p, *out));
    return tmpl_seal(p, *out);
}

/* One of `x`, `a:b`, `a:b:c` with parts left out. */
static ig_status parse_subscript_part(tmpl_parser *p, tmpl_node **out) {
    const tmpl_token at = p->token;
    tmpl_node *parts[3] = {0};
    if (!tmpl_at_op(p, ":")) {
        IG_TRY(tmpl_parse_expression(p, true, &parts[0]));
        if (!tmpl_at_op(p, ":")) {
            *out = parts[0];
            return IG_OK;
        }
    }
    for (int i = 1; i < 3 && tmpl_at_op(p, ":"); i++) {
        IG_TRY(tmpl_advance(p));
        if (!tmpl_at_op(p, ":") && !tmpl_at_op(p, "]") && !tmpl_at_op(p, ","))
            IG_TRY(tmpl_parse_expression(p, true, &parts[i]));
    }
    IG_TRY(tmpl_new_node(p, TMPL_N_SLICE, &at, out));
    (*out)->a = parts[0];
    (*out)->b = parts[1];
    (*out)->c = parts[2];
    return tmpl_seal(p, *out);
}

static ig_status parse_subscript(tmpl_parser *p, tmpl_node *on, tmpl_node **out) {
    const tmpl_token at = p->token;
    IG_TRY(tmpl_expect_op(p, "["));
    tmpl_node *list = NULL, **tail = &list;
    size_t n = 0;
    for (; !tmpl_at_op(p, "]"); n++) {
        tmpl_node *part;
        if (n)
            IG_TRY(tmpl_expect_op(p, ","));
        IG_TRY(parse_subscript_part(p, &part));
        if (part->kind == TMPL_N_SLICE && (n || tmpl_at_op(p, ",")))
            return tmpl_fail_token(p, &at, "a slice inside a tuple subscript is not supported");
        link_to(&tail, part);
    }
    IG_TRY(tmpl_expect_op(p, "]"));
    if (n != 1) {
        tmpl_node *tuple;
        IG_TRY(tmpl_new_node(p, TMPL_N_TUPLE, &at, &tuple));
        tuple->list = list;
        IG_TRY(tmpl_seal(p, tuple));
        list = tuple;
    }
    IG_TRY(tmpl_new_node(p, TMPL_N_GETITEM, &at, out));
    (*out)->a = on;
    (*out)->b = list;
    return tmpl_seal(p, *out);
}

static ig_status parse_attribute(tmpl_parser *p, tmpl_node *on, tmpl_node **out) {
    const tmpl_token dot = p->token;
    IG_TRY(tmpl_expect_op(p, "."));
    const tmpl_token at = p->token;
    if (at.kind != TMPL_T_NAME && at.kind != TMPL_T_INT)
        return tmpl_fail_token(p, &at, "expected name or number after '.'");
    IG_TRY(tmpl_advance(p));
    if (at.kind == TMPL_T_NAME) {
        IG_TRY(wrap(p, TMPL_N_GETATTR, &dot, on, out));
        (*out)->name = at.text;
        return IG_OK;
    }
    tmpl_node *number;
    IG_TRY(tmpl_new_node(p, TMPL_N_CONST, &at, &number));
    number->value = tmpl_int(at.i);
    IG_TRY(tmpl_new_node(p, TMPL_N_GETITEM, &dot, out));
    (*out)->a = on;
    (*out)->b = number;
    return tmpl_seal(p, *out);
}

static ig_status parse_postfix(tmpl_parser *p, tmpl_node *node, tmpl_node **out) {
    for (;;) {
        if (tmpl_at_op(p, "."))
            IG_TRY(parse_attribute(p, node, &node));
        else if (tmpl_at_op(p, "["))
            IG_TRY(parse_subscript(p, node, &node));
        else if (tmpl_at_op(p, "("))
            IG_TRY(parse_call(p, node, &node));
        else
            break;
    }
    *out = node;
    return IG_OK;
}

static ig_status parse_function_name(tmpl_parser *p, tmpl_node *node) {
    IG_TRY(tmpl_expect_name(p, &node->name));
    node->row =
        node->kind == TMPL_N_FILTER ? tmpl_find_filter(node->name) : tmpl_find_test(node->name);
    return IG_OK;
}

ig_status tmpl_parse_filters(tmpl_parser *p, tmpl_node *on, bool start_inline, tmpl_node **out) {
    while (start_inline || tmpl_at_op(p, "|")) {
        tmpl_node *filter;
        if (!start_inline)
            IG_TRY(tmpl_advance(p));
        start_inline = false;
        IG_TRY(tmpl_new_node(p, TMPL_N_FILTER, &p->token, &filter));
        filter->a = on;
        IG_TRY(parse_function_name(p, filter));
        if (tmpl_at_op(p, "("))
            IG_TRY(parse_arguments(p, filter));
        IG_TRY(tmpl_seal(p, filter));
        on = filter;
    }
    *out = on;
    return IG_OK;
}

/* Whether the token begins the operand of `x is test operand`. */
static bool begins_test_operand(const tmpl_parser *p) {
    switch (p->token.kind) {
    case TMPL_T_NAME:
        return !tmpl_at_name(p, "else") && !tmpl_at_name(p, "or") && !tmpl_at_name(p, "and");
    case TMPL_T_STRING:
    case TMPL_T_INT:
    case TMPL_T_REAL:
        return true;
    case TMPL_T_OP:
        return tmpl_at_op(p, "[") || tmpl_at_op(p, "{");
    case TMPL_T_EOF:
    case TMPL_T_DATA:
    case TMPL_T_VAR_BEGIN:
    case TMPL_T_VAR_END:
    case TMPL_T_BLOCK_BEGIN:
    case TMPL_T_BLOCK_END:
        break;
    }
    return false;
}

static ig_status parse_test(tmpl_parser *p, tmpl_node *on, tmpl_node **out) {
    const tmpl_token at = p->token;
    IG_TRY(tmpl_advance(p)); /* is */
    bool negated = tmpl_at_name(p, "not");
    if (negated)
        IG_TRY(tmpl_advance(p));
    tmpl_node *test;
    IG_TRY(tmpl_new_node(p, TMPL_N_TEST, &at, &test));
    test->a = on;
    IG_TRY(parse_function_name(p, test));
    if (tmpl_at_op(p, "(")) {
        IG_TRY(parse_arguments(p, test));
    } else if (begins_test_operand(p)) {
        if (tmpl_at_name(p, "is"))
            return tmpl_fail_token(p, &p->token, "You cannot chain multiple tests with is");
        IG_TRY(parse_primary(p, false, &test->list));
        IG_TRY(parse_postfix(p, test->list, &test->list));
    }
    IG_TRY(tmpl_seal(p, test));
    *out = test;
    return negated ? wrap(p, TMPL_N_NOT, &at, test, out) : IG_OK;
}

static ig_status parse_filter_chain(tmpl_parser *p, tmpl_node *node, tmpl_node **out) {
    for (;;) {
        if (tmpl_at_op(p, "|"))
            IG_TRY(tmpl_parse_filters(p, node, false, &node));
        else if (tmpl_at_name(p, "is"))
            IG_TRY(parse_test(p, node, &node));
        else if (tmpl_at_op(p, "("))
            IG_TRY(parse_call(p, node, &node));
        else
            break;
    }
    *out = node;
    return IG_OK;
}

/* ---- primaries ---- */

static ig_status parse_name(tmpl_parser *p, bool with_namespace, tmpl_node **out) {
    const tmpl_token at = p->token;
    IG_TRY(tmpl_advance(p));
    bool yes = ig_str_is(at.text, "true") || ig_str_is(at.text, "True");
    bool no = ig_str_is(at.text, "false") || ig_str_is(at.text, "False");
    if (yes || no || ig_str_is(at.text, "none") || ig_str_is(at.text, "None")) {
        IG_TRY(tmpl_new_node(p, TMPL_N_CONST, &at, out));
        (*out)->value = yes || no ? tmpl_bool(yes) : tmpl_none();
        return IG_OK;
    }
    bool is_attribute = with_namespace && tmpl_at_op(p, ".");
    IG_TRY(tmpl_new_node(p, is_attribute ? TMPL_N_NSREF : TMPL_N_NAME, &at, out));
    (*out)->name = at.text;
    if (!is_attribute)
        return IG_OK;
    IG_TRY(tmpl_advance(p));
    (*out)->value.kind = TMPL_STR;
    return tmpl_expect_name(p, &(*out)->value.u.s);
}

/* Adjacent string literals are one string. */
static ig_status parse_string(tmpl_parser *p, tmpl_node **out) {
    IG_TRY(tmpl_new_node(p, TMPL_N_CONST, &p->token, out));
    ig_str s = p->token.text;
    IG_TRY(tmpl_advance(p));
    if (p->token.kind == TMPL_T_STRING) {
        ig_buf whole;
        ig_buf_init(&whole, IG_TEMPLATE_BYTES_MAX);
        ig_status status = ig_buf_add_str(&whole, s, p->err);
        while (!status && p->token.kind == TMPL_T_STRING) {
            status = ig_buf_add_str(&whole, p->token.text, p->err);
            status = status ? status : tmpl_advance(p);
        }
        status = status ? status : ig_arena_str(p->arena, ig_buf_str(&whole), &s, p->err);
        ig_buf_fini(&whole);
        IG_TRY(status);
    }
    (*out)->value = tmpl_str(s);
    return IG_OK;
}

static ig_status parse_list(tmpl_parser *p, tmpl_node **out) {
    IG_TRY(tmpl_new_node(p, TMPL_N_LIST, &p->token, out));
    tmpl_node **tail = &(*out)->list;
    IG_TRY(tmpl_expect_op(p, "["));
    while (!tmpl_at_op(p, "]")) {
        if ((*out)->list)
            IG_TRY(tmpl_expect_op(p, ","));
        if (tmpl_at_op(p, "]"))
            break;
        tmpl_node *item;
        IG_TRY(tmpl_parse_expression(p, true, &item));
        link_to(&tail, item);
    }
    IG_TRY(tmpl_expect_op(p, "]"));
    return tmpl_seal(p, *out);
}

static ig_status parse_dict(tmpl_parser *p, tmpl_node **out) {
    IG_TRY(tmpl_new_node(p, TMPL_N_DICT, &p->token, out));
    tmpl_node **tail = &(*out)->list;
    IG_TRY(tmpl_expect_op(p, "{"));
    while (!tmpl_at_op(p, "}")) {
        if ((*out)->list)
            IG_TRY(tmpl_expect_op(p, ","));
        if (tmpl_at_op(p, "}"))
            break;
        tmpl_node *pair;
        IG_TRY(tmpl_new_node(p, TMPL_N_PAIR, &p->token, &pair));
        IG_TRY(tmpl_parse_expression(p, true, &pair->a));
        IG_TRY(tmpl_expect_op(p, ":"));
        IG_TRY(tmpl_parse_expression(p, true, &pair->b));
        IG_TRY(tmpl_seal(p, pair));
        link_to(&tail, pair);
    }
    IG_TRY(tmpl_expect_op(p, "}"));
    return tmpl_seal(p, *out);
}

static ig_status parse_primary(tmpl_parser *p, bool with_namespace, tmpl_node **out) {
    const tmpl_token at = p->token;
    char text[64];
    if (at.kind == TMPL_T_NAME)
        return parse_name(p, with_namespace, out);
    if (at.kind == TMPL_T_STRING)
        return parse_string(p, out);
    if (at.kind == TMPL_T_INT || at.kind == TMPL_T_REAL) {
        IG_TRY(tmpl_new_node(p, TMPL_N_CONST, &at, out));
        (*out)->value = at.kind == TMPL_T_INT ? tmpl_int(at.i) : tmpl_real(at.d);
        return tmpl_advance(p);
    }
    if (tmpl_at_op(p, "(")) {
        IG_TRY(tmpl_advance(p));
        IG_TRY(tmpl_parse_tuple(p, true, NULL, true, out));
        return tmpl_expect_op(p, ")");
    }
    if (tmpl_at_op(p, "["))
        return parse_list(p, out);
    if (tmpl_at_op(p, "{"))
        return parse_dict(p, out);
    return tmpl_fail_token(p, &at, "unexpected %s", tmpl_token_name(&at, text));
}

static ig_status parse_unary(tmpl_parser *p, bool with_filter, tmpl_node **out) {
    const tmpl_token at = p->token;
    tmpl_node *node;
    bool minus = tmpl_at_op(p, "-");
    IG_TRY(tmpl_enter(p));
    if (minus || tmpl_at_op(p, "+")) {
        tmpl_node *operand;
        IG_TRY(tmpl_advance(p));
        IG_TRY(parse_unary(p, false, &operand));
        IG_TRY(wrap(p, minus ? TMPL_N_NEG : TMPL_N_POS, &at, operand, &node));
    } else {
        IG_TRY(parse_primary(p, false, &node));
    }
    IG_TRY(parse_postfix(p, node, &node));
    if (with_filter)
        IG_TRY(parse_filter_chain(p, node, &node));
    p->depth--;
    *out = node;
    return IG_OK;
}

/* ---- binary operators, weakest first ---- */

typedef struct binary {
    const char *text;
    tmpl_op op;
} binary;

static const binary SUM[] = {{"+", TMPL_ADD}, {"-", TMPL_SUB}, {NULL, 0}};
static const binary PRODUCT[] = {
    {"*", TMPL_MUL}, {"/", TMPL_DIV}, {"//", TMPL_FLOORDIV}, {"%", TMPL_MOD}, {NULL, 0}};
static const binary POWER[] = {{"**", TMPL_POW}, {NULL, 0}};
static const binary COMPARISON[] = {{"==", TMPL_EQ}, {"!=", TMPL_NE}, {"<", TMPL_LT},
                                    {"<=", TMPL_LE}, {">", TMPL_GT},  {">=", TMPL_GE},
                                    {NULL, 0}};

static const binary *find_operator(const tmpl_parser *p, const binary *table) {
    while (table->text && !tmpl_at_op(p, table->text))
        table++;
    return table->text ? table : NULL;
}

static ig_status parse_sum(tmpl_parser *p, tmpl_node **out);
static ig_status parse_concat(tmpl_parser *p, tmpl_node **out);
static ig_status parse_product(tmpl_parser *p, tmpl_node **out);

static ig_status parse_power_operand(tmpl_parser *p, tmpl_node **out) {
    return parse_unary(p, true, out);
}

static ig_status parse_power(tmpl_parser *p, tmpl_node **out);

/* first (op next)* as one node. */
static ig_status parse_chain(tmpl_parser *p, const binary *table,
                             ig_status (*next)(tmpl_parser *, tmpl_node **), tmpl_node **out) {
    const tmpl_token at = p->token;
    tmpl_node *first, *chain = NULL, **tail = NULL;
    IG_TRY(next(p, &first));
    for (const binary *row; (row = find_operator(p, table));) {
        tmpl_node *operand;
        if (!chain) {
            IG_TRY(tmpl_new_node(p, TMPL_N_ARITH, &at, &chain));
            chain->a = first;
            tail = &chain->list;
        }
        IG_TRY(tmpl_new_node(p, TMPL_N_OPERAND, &p->token, &operand));
        operand->op = (uint8_t)row->op;
        IG_TRY(tmpl_advance(p));
        IG_TRY(next(p, &operand->a));
        IG_TRY(tmpl_seal(p, operand));
        link_to(&tail, operand);
    }
    *out = chain ? chain : first;
    return chain ? tmpl_seal(p, chain) : IG_OK;
}

static ig_status parse_power(tmpl_parser *p, tmpl_node **out) {
    return parse_chain(p, POWER, parse_power_operand, out);
}
static ig_status parse_product(tmpl_parser *p, tmpl_node **out) {
    return parse_chain(p, PRODUCT, parse_power, out);
}
static ig_status parse_sum(tmpl_parser *p, tmpl_node **out) {
    return parse_chain(p, SUM, parse_concat, out);
}

/* first (word next)* as one node with a list; `word` is an operator or a name. */
static ig_status parse_list_of(tmpl_parser *p, const char *word, bool is_name, tmpl_node_kind kind,
                               ig_status (*next)(tmpl_parser *, tmpl_node **), tmpl_node **out) {
    const tmpl_token at = p->token;
    tmpl_node *first, *whole = NULL, **tail = NULL;
    IG_TRY(next(p, &first));
    while (is_name ? tmpl_at_name(p, word) : tmpl_at_op(p, word)) {
        if (!whole) {
            IG_TRY(tmpl_new_node(p, kind, &at, &whole));
            tail = &whole->list;
            link_to(&tail, first);
        }
        tmpl_node *more;
        IG_TRY(tmpl_advance(p));
        IG_TRY(next(p, &more));
        link_to(&tail, more);
    }
    *out = whole ? whole : first;
    return whole ? tmpl_seal(p, whole) : IG_OK;
}

static ig_status parse_concat(tmpl_parser *p, tmpl_node **out) {
    return parse_list_of(p, "~", false, TMPL_N_CONCAT, parse_product, out);
}

/* The comparison at the cursor, `in` and `not in` included; *n_words tokens long, 0 when there is
 * none. */
static ig_status find_comparison(tmpl_parser *p, tmpl_op *op, int *n_words) {
    const binary *row = find_operator(p, COMPARISON);
    const tmpl_token *ahead;
    *n_words = 0;
    if (row) {
        *op = row->op;
        *n_words = 1;
    } else if (tmpl_at_name(p, "in")) {
        *op = TMPL_IN;
        *n_words = 1;
    } else if (tmpl_at_name(p, "not")) {
        IG_TRY(tmpl_look(p, &ahead));
        if (ahead->kind == TMPL_T_NAME && ig_str_is(ahead->text, "in")) {
            *op = TMPL_NOTIN;
            *n_words = 2;
        }
    }
    return IG_OK;
}

static ig_status parse_compare(tmpl_parser *p, tmpl_node **out) {
    const tmpl_token at = p->token;
    tmpl_node *first, *chain = NULL, **tail = NULL;
    IG_TRY(parse_sum(p, &first));
    for (;;) {
        tmpl_op op = TMPL_EQ;
        int n_words;
        IG_TRY(find_comparison(p, &op, &n_words));
        if (n_words == 0)
            break;
        if (!chain) {
            IG_TRY(tmpl_new_node(p, TMPL_N_COMPARE, &at, &chain));
            chain->a = first;
            tail = &chain->list;
        }
        tmpl_node *operand;
        IG_TRY(tmpl_new_node(p, TMPL_N_OPERAND, &p->token, &operand));
        operand->op = (uint8_t)op;
        while (n_words--)
            IG_TRY(tmpl_advance(p));
        IG_TRY(parse_sum(p, &operand->a));
        IG_TRY(tmpl_seal(p, operand));
        link_to(&tail, operand);
    }
    *out = chain ? chain : first;
    return chain ? tmpl_seal(p, chain) : IG_OK;
}

static ig_status parse_not(tmpl_parser *p, tmpl_node **out) {
    if (!tmpl_at_name(p, "not"))
        return parse_compare(p, out);
    const tmpl_token at = p->token;
    tmpl_node *operand;
    IG_TRY(tmpl_enter(p));
    IG_TRY(tmpl_advance(p));
    IG_TRY(parse_not(p, &operand));
    p->depth--;
    return wrap(p, TMPL_N_NOT, &at, operand, out);
}

static ig_status parse_and(tmpl_parser *p, tmpl_node **out) {
    return parse_list_of(p, "and", true, TMPL_N_AND, parse_not, out);
}

static ig_status parse_or(tmpl_parser *p, tmpl_node **out) {
    return parse_list_of(p, "or", true, TMPL_N_OR, parse_and, out);
}

/* ---- entry points ---- */

ig_status tmpl_parse_expression(tmpl_parser *p, bool with_condition, tmpl_node **out) {
    if (!with_condition)
        return parse_or(p, out);
    const tmpl_token at = p->token;
    tmpl_node *value;
    IG_TRY(tmpl_enter(p));
    IG_TRY(parse_or(p, &value));
    while (tmpl_at_name(p, "if")) {
        tmpl_node *cond;
        IG_TRY(tmpl_new_node(p, TMPL_N_COND, &at, &cond));
        cond->b = value;
        IG_TRY(tmpl_advance(p));
        IG_TRY(parse_or(p, &cond->a));
        if (tmpl_at_name(p, "else")) {
            IG_TRY(tmpl_advance(p));
            IG_TRY(tmpl_parse_expression(p, true, &cond->c));
        }
        IG_TRY(tmpl_seal(p, cond));
        value = cond;
    }
    p->depth--;
    *out = value;
    return IG_OK;
}

static bool at_tuple_end(const tmpl_parser *p, const char *end) {
    return p->token.kind == TMPL_T_VAR_END || p->token.kind == TMPL_T_BLOCK_END ||
           tmpl_at_op(p, ")") || (end && tmpl_at_name(p, end));
}

typedef enum tuple_of {
    TUPLE_OF_CONDITIONS,
    TUPLE_OF_OR,
    TUPLE_OF_PRIMARY,
    TUPLE_OF_TARGETS
} tuple_of;

static ig_status parse_tuple_item(tmpl_parser *p, tuple_of what, tmpl_node **out) {
    if (what == TUPLE_OF_CONDITIONS || what == TUPLE_OF_OR)
        return tmpl_parse_expression(p, what == TUPLE_OF_CONDITIONS, out);
    return parse_primary(p, what == TUPLE_OF_TARGETS, out);
}

static ig_status parse_tuple(tmpl_parser *p, tuple_of what, const char *end, bool parenthesised,
                             tmpl_node **out) {
    const tmpl_token at = p->token;
    tmpl_node *list = NULL, **tail = &list;
    bool is_tuple = false;
    for (;;) {
        if (list)
            IG_TRY(tmpl_expect_op(p, ","));
        if (at_tuple_end(p, end))
            break;
        tmpl_node *item;
        IG_TRY(parse_tuple_item(p, what, &item));
        link_to(&tail, item);
        if (!tmpl_at_op(p, ","))
            break;
        is_tuple = true;
    }
    if (!is_tuple && list) {
        *out = list;
        return IG_OK;
    }
    char text[64];
    if (!is_tuple && !parenthesised)
        return tmpl_fail_token(p, &p->token, "Expected an expression, got %s",
                               tmpl_token_name(&p->token, text));
    IG_TRY(tmpl_new_node(p, TMPL_N_TUPLE, &at, out));
    (*out)->list = list;
    return tmpl_seal(p, *out);
}

ig_status tmpl_parse_tuple(tmpl_parser *p, bool with_condition, const char *end, bool parenthesised,
                           tmpl_node **out) {
    return parse_tuple(p, with_condition ? TUPLE_OF_CONDITIONS : TUPLE_OF_OR, end, parenthesised,
                       out);
}

/* Makes names into targets; nested tuples are allowed, nothing else. */
static ig_status mark_target(tmpl_parser *p, tmpl_node *node) {
    const tmpl_token at = {.line = node->line, .column = node->column};
    if (node->kind == TMPL_N_TUPLE) {
        for (tmpl_node *item = node->list; item; item = item->next)
            IG_TRY(mark_target(p, item));
        return IG_OK;
    }
    if (node->kind != TMPL_N_NAME && node->kind != TMPL_N_NSREF)
        return tmpl_fail_token(p, &at, "can't assign to this; use a name");
    node->store = true;
    return IG_OK;
}

ig_status tmpl_parse_target(tmpl_parser *p, bool with_tuple, bool with_namespace, const char *end,
                            tmpl_node **out) {
    if (with_tuple)
        IG_TRY(
            parse_tuple(p, with_namespace ? TUPLE_OF_TARGETS : TUPLE_OF_PRIMARY, end, false, out));
    else
        IG_TRY(parse_primary(p, with_namespace, out));
    return mark_target(p, *out);
}
