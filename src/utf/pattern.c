/* pattern.c: PCRE2 behind our errors, allocator and limits. A pattern is immutable and shared; a
 * match belongs to one thread. Backtracking is bounded by a match limit and a JIT stack of fixed
 * size. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "utf/utf.h"

#define PATTERN_MATCH_LIMIT 20000000u /* about a second of backtracking in one search */
#define PATTERN_DEPTH_LIMIT 100000u
#define PATTERN_HEAP_KIB (64u << 10) /* interpreter frames, where JIT is not to be had */
#define PATTERN_JIT_STACK_BYTES ((size_t)8 << 20)
#define PATTERN_JIT_STACK_FIRST ((size_t)64 << 10)

struct ig_pattern {
    pcre2_code *code;
    pcre2_general_context *general;
    bool jit;
};

struct ig_match {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static void *take_memory(PCRE2_SIZE bytes, void *user) {
    (void)user;
    return ig_alloc(bytes, 1);
}

static void give_memory(void *p, void *user) {
    (void)user;
    ig_free(p);
}

ig_status ig_pattern_create(ig_pattern **out, ig_str source, ig_err *err) {
    if (source.n > IG_PATTERN_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT, "pattern of %zu bytes; at most %u are accepted", source.n,
                       IG_PATTERN_BYTES_MAX);
    ig_pattern *p = ig_alloc(1, sizeof *p);
    if (!p)
        return ig_fail_memory(err, sizeof *p);
    p->general = pcre2_general_context_create(take_memory, give_memory, NULL);
    pcre2_compile_context *compile = p->general ? pcre2_compile_context_create(p->general) : NULL;
    if (!compile) {
        ig_pattern_destroy(&p);
        return ig_fail_memory(err, 256);
    }
    int code = 0;
    PCRE2_SIZE offset = 0;
    pcre2_set_max_pattern_length(compile, IG_PATTERN_BYTES_MAX);
    p->code =
        pcre2_compile((PCRE2_SPTR)(source.n ? source.p : ""), source.n,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, compile);
    pcre2_compile_context_free(compile);
    if (!p->code) {
        ig_pattern_destroy(&p);
        if (code == 121) /* PCRE2's "failed to allocate heap memory" */
            return ig_fail_memory(err, source.n);
        PCRE2_UCHAR text[160] = "";
        pcre2_get_error_message(code, text, sizeof text);
        return ig_fail(err, IG_EFORMAT, "pattern offset %zu: %s", (size_t)offset,
                       (const char *)text);
    }
    p->jit = pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) == 0;
    *out = p;
    return IG_OK;
}

void ig_pattern_destroy(ig_pattern **pattern) {
    ig_pattern *p = *pattern;
    if (!p)
        return;
    pcre2_code_free(p->code);
    pcre2_general_context_free(p->general);
    ig_free(p);
    *pattern = NULL;
}

ig_status ig_match_create(ig_match **out, const ig_pattern *pattern, ig_err *err) {
    ig_match *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    m->data = pcre2_match_data_create(1, pattern->general);
    m->context = pcre2_match_context_create(pattern->general);
    if (pattern->jit)
        m->stack = pcre2_jit_stack_create(PATTERN_JIT_STACK_FIRST, PATTERN_JIT_STACK_BYTES,
                                          pattern->general);
    if (!m->data || !m->context || (pattern->jit && !m->stack)) {
        ig_match_destroy(&m);
        return ig_fail_memory(err, PATTERN_JIT_STACK_BYTES);
    }
    pcre2_set_match_limit(m->context, PATTERN_MATCH_LIMIT);
    pcre2_set_depth_limit(m->context, PATTERN_DEPTH_LIMIT);
    pcre2_set_heap_limit(m->context, PATTERN_HEAP_KIB);
    if (m->stack)
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
    *out = m;
    return IG_OK;
}

void ig_match_destroy(ig_match **match) {
    ig_match *m = *match;
    if (!m)
        return;
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    ig_free(m);
    *match = NULL;
}

ig_status ig_pattern_find(const ig_pattern *pattern, ig_match *match, ig_str text, size_t from,
                          size_t *start, size_t *end, ig_err *err) {
    int rc = pcre2_match(pattern->code, (PCRE2_SPTR)(text.n ? text.p : ""), text.n, from,
                         PCRE2_NO_UTF_CHECK, match->data, match->context);
    if (rc == PCRE2_ERROR_NOMATCH)
        return IG_EEND;
    if (rc == PCRE2_ERROR_NOMEMORY)
        return ig_fail_memory(err, PATTERN_HEAP_KIB << 10);
    if (rc < 0) {
        PCRE2_UCHAR message[160] = "";
        pcre2_get_error_message(rc, message, sizeof message);
        return ig_fail(
            err, IG_ELIMIT,
            "pattern search at byte %zu: %s; the pattern backtracks too much on this text", from,
            (const char *)message);
    }
    const PCRE2_SIZE *border = pcre2_get_ovector_pointer(match->data);
    *start = border[0];
    *end = IG_MAX(border[0], border[1]); /* \K can move the start behind the end */
    return IG_OK;
}
