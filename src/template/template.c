/* template.c: the face: compiling a source to a scoped tree, rendering it with one arena per
 * rendering. */
#include "template/template_int.h"

ig_status ig_template_create(ig_template **out, ig_str source, ig_err *err) {
    *out = NULL;
    ig_template *tmpl = ig_alloc(1, sizeof *tmpl);
    if (!tmpl)
        return ig_fail_memory(err, sizeof *tmpl);
    ig_arena_init(&tmpl->arena, IG_TEMPLATE_MEMORY_MAX);
    tmpl_parser p = {.arena = &tmpl->arena, .err = err};
    ig_status status = tmpl_lex_open(&p.lex, &tmpl->arena, source, err);
    if (!status)
        status = tmpl_parse_template(&p, &tmpl->root);
    if (!status)
        status = tmpl_scope_tree(tmpl, tmpl->root, err);
    if (status)
        ig_template_destroy(&tmpl);
    *out = tmpl;
    return status;
}

void ig_template_destroy(ig_template **tmpl) {
    if (!tmpl || !*tmpl)
        return;
    ig_arena_fini(&(*tmpl)->arena);
    ig_free(*tmpl);
    *tmpl = NULL;
}

static ig_status set_variable(tmpl_ctx *c, ig_str name, const tmpl_value *v) {
    const tmpl_value key = tmpl_str(name);
    return tmpl_dict_set(c, c->variables, &key, v);
}

static ig_status set_json(tmpl_ctx *c, ig_str name, const ig_json *json) {
    tmpl_value v;
    IG_TRY(tmpl_from_json(c, json, &v));
    return set_variable(c, name, &v);
}

/* What HF transformers passes: tools and documents are none when there are none. */
static ig_status set_variables(tmpl_ctx *c, const ig_template_input *in) {
    const tmpl_value bos = tmpl_str(in->bos_token), eos = tmpl_str(in->eos_token),
                     add = tmpl_bool(in->add_generation_prompt);
    IG_TRY(tmpl_dict_new(c, &c->variables));
    IG_TRY(set_json(c, IG_STR("messages"), in->messages));
    IG_TRY(set_json(c, IG_STR("tools"), in->tools));
    IG_TRY(set_json(c, IG_STR("documents"), in->documents));
    IG_TRY(set_variable(c, IG_STR("add_generation_prompt"), &add));
    if (in->bos_token.p)
        IG_TRY(set_variable(c, IG_STR("bos_token"), &bos));
    if (in->eos_token.p)
        IG_TRY(set_variable(c, IG_STR("eos_token"), &eos));
    ig_json_iter it = ig_json_first(in->extra);
    while (ig_json_next(&it))
        IG_TRY(set_json(c, it.key, it.value));
    return IG_OK;
}

static ig_status render(tmpl_ctx *c, const ig_template_input *in) {
    tmpl_frame *frame;
    const tmpl_node *root = c->tmpl->root;
    IG_TRY(
        ig_arena_new(&c->arena, c->tmpl->n_units, sizeof(tmpl_frame *), &c->free_frames, c->err));
    IG_TRY(set_variables(c, in));
    IG_TRY(tmpl_frame_take(c, root->unit, NULL, &frame));
    IG_TRY(tmpl_enter_scope(c, frame, root->scope));
    return tmpl_exec_list(c, frame, root->list);
}

ig_status ig_template_render(const ig_template *tmpl, const ig_template_input *input, ig_buf *out,
                             bool *raised, ig_err *err) {
    tmpl_ctx c = {.tmpl = tmpl, .err = err};
    ig_arena_init(&c.arena, IG_TEMPLATE_MEMORY_MAX);
    ig_buf_init(&c.out, IG_TEMPLATE_OUTPUT_MAX);
    c.now_s = input->has_now ? input->now_s : tmpl_local_now();
    c.seed = (uint64_t)(uintptr_t)&c *
             0x9e3779b97f4a7c15u; /* differs from run to run where addresses do */
    ig_status status = render(&c, input);
    if (!status || c.raised) {
        const ig_str text = c.raised ? c.raise_text : ig_buf_str(&c.out);
        const ig_status added = ig_buf_add_str(out, text, err);
        status = added ? added : status;
    }
    if (raised)
        *raised = c.raised;
    for (tmpl_held_doc *held = c.docs; held; held = held->next)
        ig_json_close(&held->doc);
    ig_buf_fini(&c.out);
    ig_arena_fini(&c.arena);
    return status;
}
