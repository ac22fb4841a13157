/* text.c: tokenising, detokenising and chat templates over the public face. Any thread. */
#include "engine/engine_int.h"

ig_status ig_engine_give(ig_buf *buf, ingot_text *out, ig_err *err) {
    if (!buf->p)
        IG_TRY(ig_buf_add(buf, "", 0, err));
    *out = (ingot_text){buf->p, buf->n};
    *buf = (ig_buf){.max = buf->max};
    return IG_OK;
}

void ingot_text_free(ingot_text *text) {
    if (!text)
        return;
    ig_free(text->data);
    *text = (ingot_text){0};
}

ingot_status ingot_tokenize(const ingot_model *model, const char *text, size_t size, unsigned flags,
                            int32_t **ids, size_t *n_ids, ingot_error *error) {
    ig_ids list = {0};
    unsigned f = (flags & INGOT_ADD_SPECIAL ? (unsigned)IG_ENCODE_ADD_SPECIAL : 0) |
                 (flags & INGOT_PARSE_SPECIAL ? (unsigned)IG_ENCODE_PARSE_SPECIAL : 0);
    ig_err *err = ig_engine_err(error);
    ig_status usable = ig_engine_need_text(model, err);
    if (usable)
        return (ingot_status)usable;
    ig_status status = ig_tokenizer_encode(model->tokenizer, (ig_str){text, size}, f, &list, err);
    if (status) {
        ig_free(list.p);
        return (ingot_status)status;
    }
    *ids = list.p;
    *n_ids = list.n;
    return INGOT_OK;
}

void ingot_ids_free(int32_t **ids) {
    if (!ids)
        return;
    ig_free(*ids);
    *ids = NULL;
}

ingot_status ingot_detokenize(const ingot_model *model, const int32_t *ids, size_t n_ids,
                              bool special, ingot_text *out, ingot_error *error) {
    ig_err *err = ig_engine_err(error);
    ig_status usable = ig_engine_need_text(model, err);
    if (usable)
        return (ingot_status)usable;
    ig_buf buf;
    ig_buf_init(&buf, IG_TEXT_BYTES_MAX);
    ig_status status = ig_tokenizer_decode(model->tokenizer, ids, n_ids, special, &buf, err);
    if (!status)
        status = ig_engine_give(&buf, out, err);
    ig_buf_fini(&buf);
    return (ingot_status)status;
}

const char *ingot_token(const ingot_model *model, int32_t id, size_t *size) {
    ig_str s = model->tokenizer ? ig_tokenizer_token(model->tokenizer, id) : (ig_str){0};
    *size = s.n;
    return s.p;
}

uint32_t ingot_vocabulary_size(const ingot_model *model) {
    if (model->plan)
        return model->plan->program->facts.n_vocab;
    return model->tokenizer ? ig_tokenizer_size(model->tokenizer) : 0;
}

bool ingot_token_ends(const ingot_model *model, int32_t id) {
    return model->tokenizer && ig_tokenizer_is_eog(model->tokenizer, id);
}

typedef struct chat_parts {
    ig_json_doc *messages, *tools, *extra;
    ig_template *own;
} chat_parts;

static ig_str special_of(const ingot_model *model, const char *given, ig_token_role role) {
    if (given)
        return ig_str_of(given);
    if (!model || !model->tokenizer)
        return (ig_str){0};
    return ig_tokenizer_token(model->tokenizer, ig_tokenizer_role(model->tokenizer, role));
}

static ig_status parse_json(const char *text, size_t size, const char *what, ig_json_type type,
                            ig_json_doc **doc, ig_err *err) {
    ig_status status = ig_json_open(doc, (ig_str){text, size}, err);
    if (status) {
        ig_err_prefix(err, "%s", what);
        return status;
    }
    if (!ig_json_is(ig_json_root(*doc), type))
        return ig_fail(err, IG_EARGUMENT, "%s must be a JSON %s", what,
                       type == IG_JSON_ARRAY ? "array" : "object");
    return IG_OK;
}

static ig_status render(const ingot_model *model, const char *json, size_t size,
                        const ingot_chat_options *o, chat_parts *parts, ig_buf *buf, bool *raised,
                        ig_err *err) {
    const ig_template *tmpl = model ? model->chat : NULL;
    if (o->template_source) {
        ig_str source = {o->template_source, o->template_size};
        IG_TRY(ig_template_create(&parts->own, source, err));
        tmpl = parts->own;
    }
    if (!tmpl && model && model->chat_error.code) {
        *err = model->chat_error;
        ig_err_prefix(err, "the model's chat template cannot be used");
        return err->code;
    }
    if (!tmpl)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "the model has no chat template; "
                       "give one with --template-file, or use it for completion");
    IG_TRY(parse_json(json, size, "messages", IG_JSON_ARRAY, &parts->messages, err));
    if (o->tools_json)
        IG_TRY(parse_json(o->tools_json, strlen(o->tools_json), "tools", IG_JSON_ARRAY,
                          &parts->tools, err));
    if (o->extra_json)
        IG_TRY(parse_json(o->extra_json, strlen(o->extra_json), "template variables",
                          IG_JSON_OBJECT, &parts->extra, err));
    ig_template_input input = {.messages = ig_json_root(parts->messages),
                               .tools = parts->tools ? ig_json_root(parts->tools) : NULL,
                               .extra = parts->extra ? ig_json_root(parts->extra) : NULL,
                               .bos_token = special_of(model, o->bos, IG_ROLE_BOS),
                               .eos_token = special_of(model, o->eos, IG_ROLE_EOS),
                               .add_generation_prompt = !o->no_generation_prompt,
                               .has_now = o->now_s != 0,
                               .now_s = o->now_s};
    return ig_template_render(tmpl, &input, buf, raised, err);
}

ingot_status ingot_chat_render(const ingot_model *model, const char *messages_json, size_t size,
                               const ingot_chat_options *options, ingot_text *out,
                               ingot_error *error) {
    static const ingot_chat_options none = {0};
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    chat_parts parts = {0};
    ig_buf buf;
    ig_buf_init(&buf, IG_TEMPLATE_OUTPUT_MAX);
    bool raised = false;
    ig_status status =
        render(model, messages_json, size, options ? options : &none, &parts, &buf, &raised, err);
    if (!status || raised) {
        const ig_status given = ig_engine_give(&buf, out, err);
        status = given ? given : status;
    }
    ig_buf_fini(&buf);
    ig_json_close(&parts.messages);
    ig_json_close(&parts.tools);
    ig_json_close(&parts.extra);
    ig_template_destroy(&parts.own);
    return (ingot_status)status;
}
