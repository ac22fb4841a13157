/* tmpl_parse.c: statements, and the token helpers the expression grammar shares. */
#include "template/template_int.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- tokens and nodes ---- */

ig_status tmpl_fail_token(tmpl_parser *p, const tmpl_token *at, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ig_fail(p->err, IG_EFORMAT, "template line %u column %u: %s; correct the template",
                   at->line, at->column, text);
}

const char *tmpl_token_name(const tmpl_token *token, char text[64]) {
    static const char *const NAMES[] = {
        [TMPL_T_EOF] = "end of template",
        [TMPL_T_DATA] = "template data",
        [TMPL_T_VAR_BEGIN] = "begin of print statement",
        [TMPL_T_VAR_END] = "end of print statement",
        [TMPL_T_BLOCK_BEGIN] = "begin of statement block",
        [TMPL_T_BLOCK_END] = "end of statement block",
        [TMPL_T_STRING] = "string",
        [TMPL_T_INT] = "integer",
        [TMPL_T_REAL] = "float",
        [TMPL_T_OP] = NULL,
    };
    if (token->kind != TMPL_T_NAME && token->kind != TMPL_T_OP)
        return NAMES[token->kind];
    snprintf(text, 64, "'%.*s'", (int)IG_MIN(token->text.n, 40), token->text.p);
    return text;
}

ig_status tmpl_advance(tmpl_parser *p) {
    if (p->has_ahead) {
        p->token = p->ahead;
        p->has_ahead = false;
        return IG_OK;
    }
    return tmpl_lex_next(&p->lex, &p->token);
}

ig_status tmpl_look(tmpl_parser *p, const tmpl_token **out) {
    if (!p->has_ahead)
        IG_TRY(tmpl_lex_next(&p->lex, &p->ahead));
    p->has_ahead = true;
    *out = &p->ahead;
    return IG_OK;
}

bool tmpl_at_op(const tmpl_parser *p, const char *op) {
    return p->token.kind == TMPL_T_OP && ig_str_is(p->token.text, op);
}

bool tmpl_at_name(const tmpl_parser *p, const char *name) {
    return p->token.kind == TMPL_T_NAME && ig_str_is(p->token.text, name);
}

ig_status tmpl_expect_op(tmpl_parser *p, const char *op) {
    char text[64];
    if (!tmpl_at_op(p, op))
        return tmpl_fail_token(p, &p->token, "expected '%s', got %s", op,
                               tmpl_token_name(&p->token, text));
    return tmpl_advance(p);
}

ig_status tmpl_expect_name(tmpl_parser *p, ig_str *name) {
    char text[64];
    if (p->token.kind != TMPL_T_NAME)
        return tmpl_fail_token(p, &p->token, "expected a name, got %s",
                               tmpl_token_name(&p->token, text));
    *name = p->token.text;
    return tmpl_advance(p);
}

static ig_status expect_word(tmpl_parser *p, const char *word) {
    char text[64];
    if (!tmpl_at_name(p, word))
        return tmpl_fail_token(p, &p->token, "expected '%s', got %s", word,
                               tmpl_token_name(&p->token, text));
    return tmpl_advance(p);
}

static ig_status expect_kind(tmpl_parser *p, tmpl_token_kind kind) {
    char text[64];
    if (p->token.kind != kind)
        return tmpl_fail_token(p, &p->token, "expected %s, got %s",
                               tmpl_token_name(&(tmpl_token){.kind = kind}, (char[64]){0}),
                               tmpl_token_name(&p->token, text));
    return tmpl_advance(p);
}

ig_status tmpl_new_node(tmpl_parser *p, tmpl_node_kind kind, const tmpl_token *at,
                        tmpl_node **out) {
    IG_TRY(ig_arena_new(p->arena, 1, sizeof **out, out, p->err));
    (*out)->kind = (uint8_t)kind;
    (*out)->line = at->line;
    (*out)->column = at->column;
    (*out)->height = 1;
    return IG_OK;
}

static uint16_t highest(const tmpl_node *list) {
    uint16_t height = 0;
    for (; list; list = list->next)
        height = IG_MAX(height, list->height);
    return height;
}

static ig_status too_deep(tmpl_parser *p, uint32_t line, uint32_t column) {
    return ig_fail(p->err, IG_ELIMIT,
                   "template line %u column %u: nested deeper than %u (IG_TEMPLATE_DEPTH_MAX); "
                   "simplify the template",
                   line, column, IG_TEMPLATE_DEPTH_MAX);
}

ig_status tmpl_seal(tmpl_parser *p, tmpl_node *node) {
    uint16_t height = 0;
    const tmpl_node *const single[] = {node->a, node->b, node->c};
    for (size_t i = 0; i < IG_COUNT(single); i++)
        height = single[i] ? IG_MAX(height, single[i]->height) : height;
    height = IG_MAX(height, highest(node->list));
    height = IG_MAX(height, highest(node->other));
    height = IG_MAX(height, highest(node->params));
    node->height = (uint16_t)(height + 1);
    return node->height > IG_TEMPLATE_DEPTH_MAX ? too_deep(p, node->line, node->column) : IG_OK;
}

ig_status tmpl_enter(tmpl_parser *p) {
    return ++p->depth > IG_TEMPLATE_DEPTH_MAX ? too_deep(p, p->token.line, p->token.column) : IG_OK;
}

/* ---- statements ---- */

typedef struct end_words {
    const char *words[3];
} end_words;

static ig_status parse_body(tmpl_parser *p, const end_words *ends, tmpl_node **list);

/* `: %}` after the head, the body, and the end word, which is left as the current token. */
static ig_status parse_block(tmpl_parser *p, const end_words *ends, tmpl_node **list) {
    if (tmpl_at_op(p, ":"))
        IG_TRY(tmpl_advance(p));
    IG_TRY(expect_kind(p, TMPL_T_BLOCK_END));
    IG_TRY(tmpl_enter(p));
    IG_TRY(parse_body(p, ends, list));
    p->depth--;
    return IG_OK;
}

static ig_status parse_block_until(tmpl_parser *p, const char *end, tmpl_node **list) {
    IG_TRY(parse_block(p, &(end_words){{end}}, list));
    return tmpl_advance(p);
}

static ig_status parse_if(tmpl_parser *p, tmpl_node *node) {
    static const end_words ENDS = {{"elif", "else", "endif"}};
    tmpl_node *last = node;
    for (;;) {
        IG_TRY(tmpl_parse_tuple(p, false, NULL, false, &last->a));
        IG_TRY(parse_block(p, &ENDS, &last->list));
        if (!tmpl_at_name(p, "elif"))
            break;
        /* An elif is an if of its own in the chain `next`; only the first one has the else part. */
        tmpl_node *elif;
        IG_TRY(tmpl_new_node(p, TMPL_N_IF, &p->token, &elif));
        IG_TRY(tmpl_advance(p));
        if (last == node)
            node->params = elif;
        else
            last->next = elif;
        last = elif;
    }
    bool has_else = tmpl_at_name(p, "else");
    IG_TRY(tmpl_advance(p));
    if (has_else)
        IG_TRY(parse_block_until(p, "endif", &node->other));
    for (tmpl_node *elif = node->params; elif; elif = elif->next)
        IG_TRY(tmpl_seal(p, elif));
    return IG_OK;
}

static ig_status parse_for(tmpl_parser *p, tmpl_node *node) {
    static const end_words ENDS = {{"endfor", "else"}};
    IG_TRY(tmpl_parse_target(p, true, false, "in", &node->a));
    IG_TRY(expect_word(p, "in"));
    IG_TRY(tmpl_parse_tuple(p, false, "recursive", false, &node->b));
    if (tmpl_at_name(p, "if")) {
        IG_TRY(tmpl_advance(p));
        IG_TRY(tmpl_parse_expression(p, true, &node->c));
    }
    node->recursive = tmpl_at_name(p, "recursive");
    if (node->recursive)
        IG_TRY(tmpl_advance(p));
    p->loops++;
    IG_TRY(parse_block(p, &ENDS, &node->list));
    p->loops--;
    bool has_else = tmpl_at_name(p, "else");
    IG_TRY(tmpl_advance(p));
    return has_else ? parse_block_until(p, "endfor", &node->other) : IG_OK;
}

static ig_status parse_set(tmpl_parser *p, tmpl_node *node) {
    IG_TRY(tmpl_parse_target(p, true, true, NULL, &node->a));
    if (tmpl_at_op(p, "=")) {
        IG_TRY(tmpl_advance(p));
        return tmpl_parse_tuple(p, true, NULL, false, &node->b);
    }
    node->kind = TMPL_N_SETBLOCK;
    IG_TRY(tmpl_parse_filters(p, NULL, false, &node->b));
    return parse_block_until(p, "endset", &node->list);
}

/* `(a, b=1)` */
static ig_status parse_signature(tmpl_parser *p, tmpl_node *node) {
    tmpl_node **tail = &node->params;
    bool defaults = false;
    IG_TRY(tmpl_expect_op(p, "("));
    while (!tmpl_at_op(p, ")")) {
        if (node->params)
            IG_TRY(tmpl_expect_op(p, ","));
        tmpl_node *param;
        IG_TRY(tmpl_new_node(p, TMPL_N_PARAM, &p->token, &param));
        IG_TRY(tmpl_expect_name(p, &param->name));
        for (const tmpl_node *other = node->params; other; other = other->next) {
            if (ig_str_eq(other->name, param->name))
                return tmpl_fail_token(p, &p->token, "duplicate parameter '%.*s'",
                                       IG_STR_ARG(param->name));
        }
        if (tmpl_at_op(p, "=")) {
            IG_TRY(tmpl_advance(p));
            IG_TRY(tmpl_parse_expression(p, true, &param->a));
            defaults = true;
        } else if (defaults) {
            return tmpl_fail_token(p, &p->token, "non-default argument follows default argument");
        }
        IG_TRY(tmpl_seal(p, param));
        *tail = param;
        tail = &param->next;
        if (++node->n_params > IG_TEMPLATE_DEPTH_MAX)
            return tmpl_fail_token(p, &p->token, "more than %u parameters (IG_TEMPLATE_DEPTH_MAX)",
                                   IG_TEMPLATE_DEPTH_MAX);
    }
    return tmpl_expect_op(p, ")");
}

/* break and continue do not reach through a macro or caller into a loop outside it. */
static ig_status parse_function_body(tmpl_parser *p, const char *end, tmpl_node *node) {
    const uint32_t loops = p->loops;
    p->loops = 0;
    IG_TRY(parse_block_until(p, end, &node->list));
    p->loops = loops;
    return IG_OK;
}

static ig_status parse_macro(tmpl_parser *p, tmpl_node *node) {
    IG_TRY(tmpl_expect_name(p, &node->name));
    IG_TRY(parse_signature(p, node));
    return parse_function_body(p, "endmacro", node);
}

static ig_status parse_call_block(tmpl_parser *p, tmpl_node *node) {
    if (tmpl_at_op(p, "("))
        IG_TRY(parse_signature(p, node));
    IG_TRY(tmpl_parse_expression(p, true, &node->a));
    if (node->a->kind != TMPL_N_CALL)
        return tmpl_fail_token(p, &p->token, "expected call");
    return parse_function_body(p, "endcall", node);
}

static ig_status parse_generation(tmpl_parser *p, tmpl_node *node) {
    return parse_function_body(p, "endgeneration", node);
}

static ig_status parse_filter_block(tmpl_parser *p, tmpl_node *node) {
    IG_TRY(tmpl_parse_filters(p, NULL, true, &node->b));
    return parse_block_until(p, "endfilter", &node->list);
}

static ig_status parse_with(tmpl_parser *p, tmpl_node *node) {
    tmpl_node **tail = &node->params;
    while (p->token.kind != TMPL_T_BLOCK_END) {
        tmpl_node *pair;
        if (node->params)
            IG_TRY(tmpl_expect_op(p, ","));
        IG_TRY(tmpl_new_node(p, TMPL_N_PAIR, &p->token, &pair));
        IG_TRY(tmpl_parse_target(p, true, false, NULL, &pair->a));
        IG_TRY(tmpl_expect_op(p, "="));
        IG_TRY(tmpl_parse_expression(p, true, &pair->b));
        IG_TRY(tmpl_seal(p, pair));
        *tail = pair;
        tail = &pair->next;
    }
    return parse_block_until(p, "endwith", &node->list);
}

/* `{% print a, b %}` is an output per expression; the first is this node, the others hang on it as
 * a list. */
static ig_status parse_print(tmpl_parser *p, tmpl_node *node) {
    tmpl_node **tail = &node->list;
    for (bool more = false; p->token.kind != TMPL_T_BLOCK_END; more = true) {
        tmpl_node *value;
        if (more)
            IG_TRY(tmpl_expect_op(p, ","));
        IG_TRY(tmpl_new_node(p, TMPL_N_OUTPUT, &p->token, &value));
        IG_TRY(tmpl_parse_expression(p, true, &value->a));
        IG_TRY(tmpl_seal(p, value));
        *tail = value;
        tail = &value->next;
    }
    return IG_OK;
}

static ig_status parse_jump(tmpl_parser *p, tmpl_node *node) {
    if (p->loops == 0)
        return tmpl_fail_token(p, &p->token, "'%s' outside loop",
                               node->kind == TMPL_N_BREAK ? "break" : "continue");
    return IG_OK;
}

static ig_status parse_unsupported(tmpl_parser *p, tmpl_node *node) {
    const tmpl_token at = {.line = node->line, .column = node->column};
    return tmpl_fail_token(p, &at, "tag '%.*s' is not supported, chat templates have no loader",
                           IG_STR_ARG(node->name));
}

static const struct tag {
    const char *name;
    tmpl_node_kind kind;
    ig_status (*parse)(tmpl_parser *p, tmpl_node *node);
} TAGS[] = {
    {"if", TMPL_N_IF, parse_if},
    {"for", TMPL_N_FOR, parse_for},
    {"set", TMPL_N_SET, parse_set},
    {"macro", TMPL_N_MACRO, parse_macro},
    {"call", TMPL_N_CALLBLOCK, parse_call_block},
    {"generation", TMPL_N_GENERATION, parse_generation},
    {"filter", TMPL_N_FILTERBLOCK, parse_filter_block},
    {"with", TMPL_N_WITH, parse_with},
    {"print", TMPL_N_OUTPUT, parse_print},
    {"break", TMPL_N_BREAK, parse_jump},
    {"continue", TMPL_N_CONTINUE, parse_jump},
    {"block", TMPL_N_TEXT, parse_unsupported},
    {"extends", TMPL_N_TEXT, parse_unsupported},
    {"include", TMPL_N_TEXT, parse_unsupported},
    {"import", TMPL_N_TEXT, parse_unsupported},
    {"from", TMPL_N_TEXT, parse_unsupported},
    {"autoescape", TMPL_N_TEXT, parse_unsupported},
};

static ig_status parse_statement(tmpl_parser *p, tmpl_node **out) {
    const tmpl_token at = p->token;
    char text[64];
    size_t i = 0;
    if (at.kind != TMPL_T_NAME)
        return tmpl_fail_token(p, &at, "tag name expected, got %s", tmpl_token_name(&at, text));
    while (i < IG_COUNT(TAGS) && !ig_str_is(at.text, TAGS[i].name))
        i++;
    if (i == IG_COUNT(TAGS))
        return tmpl_fail_token(p, &at,
                               "Encountered unknown tag '%.*s' (or it does not belong here)",
                               IG_STR_ARG(at.text));
    IG_TRY(tmpl_new_node(p, TAGS[i].kind, &at, out));
    (*out)->name = at.text;
    IG_TRY(tmpl_advance(p));
    IG_TRY(TAGS[i].parse(p, *out));
    return tmpl_seal(p, *out);
}

static bool at_end_word(const tmpl_parser *p, const end_words *ends) {
    for (size_t i = 0; ends && i < IG_COUNT(ends->words) && ends->words[i]; i++) {
        if (tmpl_at_name(p, ends->words[i]))
            return true;
    }
    return false;
}

static ig_status parse_output(tmpl_parser *p, tmpl_node **out) {
    IG_TRY(tmpl_new_node(p, TMPL_N_OUTPUT, &p->token, out));
    IG_TRY(tmpl_advance(p));
    IG_TRY(tmpl_parse_tuple(p, true, NULL, false, &(*out)->a));
    IG_TRY(expect_kind(p, TMPL_T_VAR_END));
    return tmpl_seal(p, *out);
}

static ig_status parse_body(tmpl_parser *p, const end_words *ends, tmpl_node **list) {
    for (tmpl_node **tail = list;;) {
        tmpl_node *node;
        if (p->token.kind == TMPL_T_EOF) {
            if (!ends)
                return IG_OK;
            return tmpl_fail_token(
                p, &p->token, "Unexpected end of template, a tag '%s' is missing", ends->words[0]);
        }
        if (p->token.kind == TMPL_T_DATA) {
            IG_TRY(tmpl_new_node(p, TMPL_N_TEXT, &p->token, &node));
            node->name = p->token.text;
            IG_TRY(tmpl_advance(p));
        } else if (p->token.kind == TMPL_T_VAR_BEGIN) {
            IG_TRY(parse_output(p, &node));
        } else {
            IG_TRY(expect_kind(p, TMPL_T_BLOCK_BEGIN));
            if (at_end_word(p, ends))
                return IG_OK;
            IG_TRY(parse_statement(p, &node));
            IG_TRY(expect_kind(p, TMPL_T_BLOCK_END));
        }
        *tail = node;
        tail = &node->next;
    }
}

ig_status tmpl_parse_template(tmpl_parser *p, tmpl_node **out) {
    const tmpl_token start = {.line = 1, .column = 1};
    IG_TRY(tmpl_new_node(p, TMPL_N_TEMPLATE, &start, out));
    IG_TRY(tmpl_advance(p));
    IG_TRY(parse_body(p, NULL, &(*out)->list));
    return tmpl_seal(p, *out);
}
