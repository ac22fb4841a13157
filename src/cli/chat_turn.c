/* chat_turn.c: one answer. The whole conversation goes through the template and the tokenizer every
 * time, because only the template knows what earlier messages look like now (many drop old
 * reasoning); the session then keeps the tokens that it has evaluated already and evaluates the
 * rest. */
#include "cli/chat.h"

typedef struct turn {
    chat *c;
    ig_buf text; /* of the answer */
    bool failed; /* nobody takes the text any more */
} turn;

static bool on_text(void *user, const char *text, size_t size) {
    turn *t = user;
    t->failed = ig_buf_add(&t->text, text, size, NULL) != IG_OK ||
                (!t->c->o.json && !cli_put_visible(stdout, text, size));
    return !t->failed;
}

static ingot_status render(const chat *c, ingot_text *out, ingot_error *error) {
    ig_buf json;
    ig_err err = {0};
    const ingot_chat_options options = {
        .template_source = c->own_template ? ig_buf_str(&c->template_source).p : NULL,
        .template_size = c->template_source.n,
        .extra_json = c->o.template_args,
    };
    ig_buf_init(&json, IG_CONFIG_BYTES_MAX);
    ingot_status status = INGOT_LIMIT;
    if (chat_log_print(&c->log, &json, &err) != IG_OK)
        snprintf(error->message, sizeof error->message, "%s", err.message);
    else
        status = ingot_chat_render(c->model, json.p, json.n, &options, out, error);
    ig_buf_fini(&json);
    return status;
}

/* Ids of the conversation, opened for the answer. The begin token comes from the template; where it
 * did not write one and the vocabulary wants one, it is put in front. */
static ingot_status prompt_ids(const chat *c, int32_t **ids, size_t *n, ingot_error *error) {
    ingot_text text = {0};
    ingot_status status = render(c, &text, error);
    if (!status && !cli_may_fit(c->model, text.size, c->facts.context))
        status = INGOT_LIMIT; /* printed */
    if (!status)
        status = ingot_tokenize(c->model, text.data, text.size, (unsigned)INGOT_PARSE_SPECIAL, ids,
                                n, error);
    ingot_text_free(&text);
    if (status || c->begin < 0 || (*n && (*ids)[0] == c->begin))
        return status;
    int32_t *with = ig_realloc(*ids, *n + 1, sizeof *with);
    if (!with) {
        snprintf(error->message, sizeof error->message, "out of memory");
        return INGOT_MEMORY;
    }
    memmove(with + 1, with, *n * sizeof *with);
    with[0] = c->begin;
    *ids = with;
    ++*n;
    return INGOT_OK;
}

static ingot_status generate(chat *c, turn *t, const int32_t *ids, size_t n, ingot_error *error) {
    ingot_logit_bias bias[CLI_LIST_MAX];
    ingot_generate_options g;
    if (n > c->facts.context) {
        snprintf(error->message, sizeof error->message,
                 "the conversation has %zu tokens and the context room for %u; "
                 "/undo takes the last exchange back, /clear starts a new conversation, "
                 "-c N opens the model with more room",
                 n, c->facts.context);
        return INGOT_LIMIT;
    }
    if (!cli_generate_options(&c->o, &g, bias))
        return INGOT_ARGUMENT; /* printed */
    g.on_text = on_text;
    g.user = t;
    /* A seed of the user's gives another answer in every turn, and the same ones in
     * the same conversation. */
    if (g.sampling.seed != UINT32_MAX)
        g.sampling.seed += c->answers;
    c->last_kept = ingot_session_keep(c->session, ids, n);
    cli_interrupt_begin(c->session, CLI_ANSWERING);
    ingot_status status =
        ingot_generate(c->session, ids + c->last_kept, n - c->last_kept, &g, &c->last, error);
    /* Ctrl-C behind the last token must not stop the next answer: a call takes the cancel away. */
    if (cli_interrupt_end() && !status)
        (void)!ingot_session_eval(c->session, NULL, 0, NULL, 0, NULL);
    c->answers++;
    return status;
}

static void end_of_answer(chat *c, const turn *t) {
    if (c->o.json)
        cli_print_generated(ig_buf_str(&t->text).p, t->text.n, &c->last);
    else if (!t->text.n || t->text.p[t->text.n - 1] != '\n')
        putchar('\n');
    fflush(stdout);
    if (c->last.reason == INGOT_STOP_CONTEXT)
        chat_notice("the context of %u tokens is full; /undo takes the last exchange back, "
                    "/clear starts a new conversation, -c N opens the model with more room",
                    c->facts.context);
    else if (c->last.reason == INGOT_STOP_CANCELLED && c->terminal)
        chat_notice(t->text.n ? "stopped; what was said is kept" : "stopped");
    else if (c->last.reason == INGOT_STOP_LENGTH && c->terminal)
        chat_notice("stopped after %lld tokens (-n)", (long long)c->o.predict);
}

bool chat_answer(chat *c) {
    ingot_error error = {0};
    ig_err err = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    turn t = {.c = c};
    ig_buf_init(&t.text, IG_TEXT_BYTES_MAX);
    c->last = (ingot_generate_result){0};
    ingot_status status = prompt_ids(c, &ids, &n, &error);
    if (!status)
        status = generate(c, &t, ids, n, &error);
    ingot_ids_free(&ids);
    bool cancelled = status == INGOT_CANCELLED, ok = !status || (cancelled && t.text.n > 0);
    if (t.failed)
        ok = false;
    c->code = cancelled ? EXIT_INTERRUPTED : ok ? EXIT_OK : EXIT_FAILED;
    if (status && !cancelled) {
        if (t.text.n)
            putchar('\n');
        if (error.message[0])
            cli_fail_error(&error);
    } else if (!t.failed) {
        end_of_answer(c, &t);
    } else {
        cli_fail("cannot write to standard output");
    }
    if (ok && chat_log_add(&c->log, "assistant", ig_buf_str(&t.text), &err) != IG_OK) {
        cli_fail("%s", err.message);
        ok = false;
    }
    ig_buf_fini(&t.text);
    return ok;
}
