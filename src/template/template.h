/* template.h: face of the template room, floor 2: the Jinja subset of chat templates, rendered as
 * Python jinja2 does with the settings of HF transformers (trim_blocks, lstrip_blocks, loop
 * controls, raise_exception, strftime_now, tojson). A compiled template is immutable; any thread
 * may render it at once. */
#ifndef IG_TEMPLATE_TEMPLATE_H
#define IG_TEMPLATE_TEMPLATE_H

#include "base/base.h"
#include "json/json.h"

typedef struct ig_template ig_template;

/* Compiles; errors carry line and column and what was found. Source at most
 * IG_TEMPLATE_BYTES_MAX. Beyond HF transformers there is the filter from_json. */
IG_MUST_USE ig_status ig_template_create(ig_template **out, ig_str source, ig_err *err);
void ig_template_destroy(ig_template **tmpl);

typedef struct ig_template_input {
    const ig_json *messages; /* array of objects with role, content … */
    const ig_json *tools;    /* array; NULL is none in the template, as HF transformers passes it */
    const ig_json *documents;    /* the same */
    const ig_json *extra;        /* object with further variables (enable_thinking, …) or NULL */
    ig_str bos_token, eos_token; /* undefined in the template when p is NULL */
    bool add_generation_prompt;
    bool has_now;  /* false: strftime_now reads the clock */
    int64_t now_s; /* its local wall time as seconds since 1970 */
} ig_template_input;

/* Appends the rendered bytes to out. A raise_exception in the template gives IG_EARGUMENT, sets
 * *raised and appends exactly its message instead (err has it as one line, cut to its size); other
 * errors append nothing and carry line and column. Bounded by IG_TEMPLATE_STEPS_MAX, _STACK_MAX,
 * _MEMORY_MAX, _JSON_BYTES_MAX, _OUTPUT_MAX. */
IG_MUST_USE ig_status ig_template_render(const ig_template *tmpl, const ig_template_input *input,
                                         ig_buf *out, bool *raised, ig_err *err);

#endif
