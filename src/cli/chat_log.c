/* chat_log.c: the conversation. Every message is kept as JSON, so that fields of a loaded file that
 * this program does not know (tool calls, names, reasoning) reach the template unchanged. */
#include "cli/chat.h"

#include "json/json.h"

void chat_log_fini(chat_log *log) {
    chat_log_cut(log, 0);
    ig_free(log->items);
    *log = (chat_log){0};
}

void chat_log_cut(chat_log *log, uint32_t n) {
    while (log->n > n)
        ig_free(log->items[--log->n].json);
}

/* Takes json over on success. */
static ig_status insert(chat_log *log, uint32_t at, ig_str role, char *json, ig_err *err) {
    if (log->n == CHAT_MESSAGES_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "the conversation has %u messages, the most there may be; "
                       "/clear starts anew",
                       log->n);
    if (role.n == 0 || role.n >= CHAT_ROLE_BYTES)
        return ig_fail(err, IG_EARGUMENT, "a role must have 1 to %u bytes", CHAT_ROLE_BYTES - 1);
    if (log->n == log->cap) {
        uint32_t cap = log->cap ? log->cap * 2 : 16;
        chat_message *items = ig_realloc(log->items, cap, sizeof *items);
        if (!items)
            return ig_fail_memory(err, cap * sizeof *items);
        log->items = items;
        log->cap = cap;
    }
    memmove(log->items + at + 1, log->items + at, (log->n - at) * sizeof *log->items);
    chat_message *m = &log->items[at];
    *m = (chat_message){.json = json};
    memcpy(m->role, role.p, role.n);
    log->n++;
    return IG_OK;
}

static ig_status insert_text(chat_log *log, uint32_t at, const char *role, ig_str text,
                             ig_err *err) {
    ig_buf json;
    ig_json_writer w;
    ig_buf_init(&json, IG_CONFIG_BYTES_MAX);
    ig_json_begin(&w, &json, false, err);
    ig_json_open_object(&w);
    ig_json_key(&w, "role");
    ig_json_put_str(&w, ig_str_of(role));
    ig_json_key(&w, "content");
    ig_json_put_str(&w, text);
    ig_json_close_object(&w);
    ig_status status = ig_json_end(&w);
    if (!status)
        status = insert(log, at, ig_str_of(role), json.p, err);
    if (status)
        ig_buf_fini(&json);
    return status;
}

ig_status chat_log_add(chat_log *log, const char *role, ig_str text, ig_err *err) {
    return insert_text(log, log->n, role, text, err);
}

ig_status chat_log_system(chat_log *log, ig_str text, ig_err *err) {
    bool has = log->n > 0 && strcmp(log->items[0].role, "system") == 0;
    if (text.n)
        IG_TRY(insert_text(log, 0, "system", text, err));
    if (has) {
        uint32_t old = text.n ? 1 : 0;
        ig_free(log->items[old].json);
        log->n--;
        memmove(log->items + old, log->items + old + 1, (log->n - old) * sizeof *log->items);
    }
    return IG_OK;
}

ig_status chat_log_print(const chat_log *log, ig_buf *out, ig_err *err) {
    for (uint32_t i = 0; i < log->n; i++)
        IG_TRY(ig_buf_addf(out, err, "%s%s", i ? ",\n " : "[", log->items[i].json));
    return ig_buf_addf(out, err, log->n ? "]\n" : "[]\n");
}

static ig_status parse_into(chat_log *log, const ig_json *root, ig_err *err) {
    if (!ig_json_is(root, IG_JSON_ARRAY))
        return ig_fail(err, IG_EFORMAT, "not a JSON array of messages");
    for (size_t i = 0; i < ig_json_count(root); i++) {
        const ig_json *message = ig_json_at(root, i), *role = ig_json_get(message, "role");
        ig_buf json;
        ig_json_writer w;
        if (!ig_json_is(role, IG_JSON_STRING))
            return ig_fail(err, IG_EFORMAT,
                           "message %zu has no role; "
                           "messages look like {\"role\": \"user\", \"content\": \"…\"}",
                           i);
        ig_buf_init(&json, IG_CONFIG_BYTES_MAX);
        ig_json_begin(&w, &json, false, err);
        ig_json_put_value(&w, message);
        ig_status status = ig_json_end(&w);
        if (!status)
            status = insert(log, log->n, ig_json_str(role), json.p, err);
        if (status) {
            ig_buf_fini(&json);
            return status;
        }
    }
    return IG_OK;
}

ig_status chat_log_parse(chat_log *log, ig_str text, ig_err *err) {
    ig_json_doc *doc = NULL;
    chat_log fresh = {0};
    IG_TRY(ig_json_open(&doc, text, err));
    ig_status status = parse_into(&fresh, ig_json_root(doc), err);
    ig_json_close(&doc);
    if (status) {
        chat_log_fini(&fresh);
        return status;
    }
    chat_log_fini(log);
    *log = fresh;
    return IG_OK;
}

uint32_t chat_log_last_user(const chat_log *log) {
    for (uint32_t i = log->n; i-- > 0;) {
        if (strcmp(log->items[i].role, "user") == 0)
            return i;
    }
    return log->n;
}
