/* chat.c: the conversation with a model: messages in, answers out, until the input ends. On a
 * terminal with line editing and commands; from a pipe one message a line, or the whole of it as
 * one message with --single-turn. */
#include "cli/chat.h"

static bool read_system(chat *c) {
    ig_buf text;
    ig_err err = {0};
    ig_buf_init(&text, IG_CONFIG_BYTES_MAX);
    bool ok = true;
    if (c->o.system)
        ok = ig_buf_add(&text, c->o.system, strlen(c->o.system), &err) == IG_OK;
    if (ok && c->o.system && !c->o.no_escape && text.n)
        text.n = cli_unescape(text.p, text.n);
    if (c->o.system_file)
        ok = cli_read_file(c->o.system_file, &text);
    if (ok && text.n)
        ok = chat_log_system(&c->log, ig_buf_str(&text), &err) == IG_OK;
    if (!ok && err.message[0])
        cli_fail("%s", err.message);
    ig_buf_fini(&text);
    return ok;
}

static bool open_chat(chat *c) {
    ingot_error error = {0};
    ig_buf_init(&c->template_source, IG_TEMPLATE_BYTES_MAX);
    ig_buf_init(&c->attached, IG_CONFIG_BYTES_MAX);
    ingot_model_describe(c->model, &c->facts);
    c->begin = cli_begin_token(c->model);
    c->own_template = c->o.template_text || c->o.template_file;
    const char *text = c->o.template_text;
    if (text && ig_buf_add(&c->template_source, text, strlen(text), NULL) != IG_OK) {
        cli_fail("--chat-template is longer than %u bytes", IG_TEMPLATE_BYTES_MAX);
        return false;
    }
    if (!text && c->o.template_file && !cli_read_file(c->o.template_file, &c->template_source))
        return false;
    if (ingot_session_open(&c->session, c->model, &error)) {
        cli_fail_error(&error);
        return false;
    }
    return read_system(c);
}

static void close_chat(chat *c) {
    ingot_session_close(&c->session);
    chat_log_fini(&c->log);
    ig_buf_fini(&c->template_source);
    ig_buf_fini(&c->attached);
}

/* Adds what was read with /read and the message; answers. A message that got no answer is taken
 * back, so that templates that want the roles to alternate can go on. */
static bool say(chat *c, ig_str text) {
    ig_err err = {0};
    uint32_t before = c->log.n;
    ig_status status = IG_OK;
    if (c->attached.n) {
        status = ig_buf_add_str(&c->attached, text, &err);
        text = ig_buf_str(&c->attached);
    }
    if (!status)
        status = chat_log_add(&c->log, "user", text, &err);
    ig_buf_clear(&c->attached);
    if (status) {
        cli_fail("%s", err.message);
        c->code = EXIT_FAILED;
        return false;
    }
    bool ok = chat_answer(c);
    if (!ok)
        chat_log_cut(&c->log, before);
    return ok;
}

/* One message or command. False ends the chat. */
static bool take(chat *c, ig_buf *message) {
    const bool blank = strspn(ig_buf_str(message).p, " \t\r\n") == message->n;
    if (blank && c->attached.n == 0)
        return true;
    if (message->n && message->p[0] == '/') {
        switch (chat_command(c, message->p)) {
        case CHAT_EXIT:
            return false;
        case CHAT_ANSWER: /* an old answer is gone also when the new one fails */
            chat_answer(c);
            break;
        case CHAT_GO_ON:
            break;
        }
        return true;
    }
    say(c, ig_buf_str(message));
    return c->terminal || c->code == EXIT_OK; /* a script's first failure ends it */
}

static void talk(chat *c, ig_buf *message) {
    chat_input *in = chat_input_open();
    if (!in) {
        c->code = cli_fail("cannot read from the terminal; pipe the messages in, or set TERM");
        return;
    }
    if (c->terminal)
        chat_notice("%s; /help lists commands, Ctrl-C stops an answer, Ctrl-D ends",
                    c->facts.name[0] ? c->facts.name : c->facts.architecture);
    bool failed = false;
    for (bool go_on = true; go_on;) {
        switch (chat_input_read(in, message)) {
        case CHAT_MESSAGE:
            go_on = take(c, message);
            break;
        case CHAT_INTERRUPT:
            break;
        case CHAT_END:
            go_on = false;
            break;
        case CHAT_STOPPED:
        case CHAT_FAILED:
            failed = true;
            go_on = false;
            break;
        }
    }
    chat_input_close(&in);
    /* A conversation that the user ended went well, whatever was said in it. */
    if (failed || c->terminal)
        c->code = failed ? EXIT_FAILED : EXIT_OK;
}

/* Without the newline that ends it. */
static ig_str trimmed(const ig_buf *message) {
    ig_str s = ig_buf_str(message);
    s.n -= s.n && s.p[s.n - 1] == '\n';
    return s;
}

int cli_chat(const cli_options *o, ingot_model *model, const ig_buf *first) {
    chat c = {.o = *o, .model = model};
    ig_buf message;
    ig_buf_init(&message, IG_TEXT_BYTES_MAX);
    c.terminal = cli_is_terminal(stdin) && cli_is_terminal(stdout) && !o->json;
    c.code = EXIT_FAILED;
    if (open_chat(&c)) {
        c.code = EXIT_OK;
        if (first->n)
            say(&c, ig_buf_str(first));
        else if (o->single_turn && cli_read_file("-", &message))
            say(&c, trimmed(&message));
        else if (o->single_turn)
            c.code = EXIT_FAILED;
        if (!o->single_turn && (c.code == EXIT_OK || c.terminal))
            talk(&c, &message);
    }
    ig_buf_fini(&message);
    close_chat(&c);
    return c.code;
}
