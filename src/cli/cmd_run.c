/* cmd_run.c: completion of a text, and the choice between that and a chat (chat.c). */
#include "cli/cli.h"

typedef struct run_output {
    bool json, failed;
    ig_str prompt; /* repeated before the first text, when nothing can be wrong with it any more */
    ig_buf text;
} run_output;

static bool repeat_prompt(run_output *out) {
    if (out->prompt.n && !cli_put_visible(out->prompt.p, out->prompt.n))
        out->failed = true;
    out->prompt.n = 0;
    return !out->failed;
}

static bool on_text(void *user, const char *text, size_t size) {
    run_output *out = user;
    if (out->json)
        return ig_buf_add(&out->text, text, size, NULL) == IG_OK;
    out->failed = !repeat_prompt(out) || !cli_put_visible(text, size);
    return !out->failed;
}

static bool read_prompt(const cli_options *o, ig_buf *text) {
    if (o->prompt) {
        if (ig_buf_add(text, o->prompt, strlen(o->prompt), NULL) != IG_OK) {
            cli_fail("the prompt has more than %u bytes", IG_TEXT_BYTES_MAX);
            return false;
        }
        if (!o->no_escape && text->n)
            text->n = cli_unescape(text->p, text->n);
        return true;
    }
    if (!o->file && cli_is_terminal(stdin))
        fputs("[type the text to complete; Ctrl-D on an empty line ends it]\n", stderr);
    return cli_read_file(o->file ? o->file : "-", text);
}

static int end_of_run(run_output *out, const cli_options *o, const ingot_model_facts *facts,
                      const ingot_generate_result *r, ingot_status status,
                      const ingot_error *error) {
    if (!status && !repeat_prompt(out)) /* no text came */
        out->failed = true;
    if (out->failed)
        return cli_fail("cannot write to standard output");
    if (status && status != INGOT_CANCELLED)
        return cli_fail_error(error);
    if (o->json) {
        cli_print_generated(ig_buf_str(&out->text).p, out->text.n, r);
    } else {
        if (r->generated_tokens && cli_is_terminal(stdout))
            putchar('\n');
        fflush(stdout);
        if (!o->quiet)
            fputc('\n', stderr);
        if (!o->quiet)
            cli_print_speed(facts, r);
    }
    return status == INGOT_CANCELLED ? EXIT_INTERRUPTED : EXIT_OK;
}

static int complete(const cli_options *o, ingot_model *model, const ig_buf *prompt) {
    ingot_error error = {0};
    ingot_model_facts facts;
    ingot_session *session = NULL;
    ingot_logit_bias bias[CLI_LIST_MAX];
    ingot_generate_options g;
    ingot_generate_result result = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    run_output out = {.json = o->json};
    ig_str text = ig_buf_str(prompt);
    if (!cli_generate_options(o, &g, bias))
        return EXIT_USAGE;
    g.on_text = on_text;
    g.user = &out;
    ig_buf_init(&out.text, IG_TEXT_BYTES_MAX);
    ingot_model_describe(model, &facts);
    unsigned flags = (unsigned)INGOT_ADD_SPECIAL | (unsigned)INGOT_PARSE_SPECIAL;
    ingot_status status = ingot_tokenize(model, text.p, text.n, flags, &ids, &n, &error);
    if (!status)
        status = ingot_session_open(&session, model, &error);
    if (!status) {
        out.prompt = o->no_display_prompt || o->json ? (ig_str){0} : text;
        cli_interrupt_begin(session, CLI_ANSWERING);
        status = ingot_generate(session, ids, n, &g, &result, &error);
        cli_interrupt_end();
    }
    int code = end_of_run(&out, o, &facts, &result, status, &error);
    ingot_session_close(&session);
    ingot_ids_free(&ids);
    ig_buf_fini(&out.text);
    return code;
}

/* A template that cannot be used must not turn a chat into completion without a word. */
static void say_why_no_chat(ingot_model *model) {
    static const char hello[] = "[{\"role\": \"user\", \"content\": \"hello\"}]";
    ingot_text text = {0};
    ingot_error error = {0};
    if (ingot_chat_render(model, hello, sizeof hello - 1, NULL, &text, &error))
        fprintf(stderr, "[no chat: %s]\n", error.message);
    ingot_text_free(&text);
}

typedef enum run_mode { RUN_COMPLETE, RUN_CHAT, RUN_CHAT_IF_TEMPLATE, RUN_CONTRADICTION } run_mode;

static run_mode mode_of(const cli_options *o) {
    bool implied = o->chat || o->single_turn || o->system || o->system_file || o->template_text ||
                   o->template_file || o->template_args;
    if (o->no_chat)
        return implied ? RUN_CONTRADICTION : RUN_COMPLETE;
    if (implied)
        return RUN_CHAT;
    return !o->prompt && !o->file && cli_is_terminal(stdin) && cli_is_terminal(stdout) && !o->json
               ? RUN_CHAT_IF_TEMPLATE
               : RUN_COMPLETE;
}

int cmd_run(const cli_options *o) {
    ig_buf prompt;
    ingot_model_options m;
    ingot_model_facts facts;
    ingot_logit_bias bias[CLI_LIST_MAX];
    ingot_generate_options g;
    run_mode mode = mode_of(o);
    int code = EXIT_FAILED;
    if (mode == RUN_CONTRADICTION) {
        cli_fail("--no-conversation contradicts --conversation and the options "
                 "that belong to a chat; see ingot run --help");
        return EXIT_USAGE;
    }
    if (!cli_generate_options(o, &g, bias)) /* before a big model is opened for nothing */
        return EXIT_USAGE;
    ig_buf_init(&prompt, IG_TEXT_BYTES_MAX);
    cli_model_options(o, &m);
    bool ready = (mode != RUN_COMPLETE && !o->prompt && !o->file) || read_prompt(o, &prompt);
    ingot_model *model = ready ? cli_open_model(o, &m) : NULL;
    if (model) {
        ingot_model_describe(model, &facts);
        if (mode == RUN_CHAT_IF_TEMPLATE && !facts.has_chat_template) {
            say_why_no_chat(model);
            mode = RUN_COMPLETE;
            ready = read_prompt(o, &prompt);
        }
        if (ready)
            code = mode == RUN_COMPLETE ? complete(o, model, &prompt) : cli_chat(o, model, &prompt);
    }
    ingot_model_close(&model);
    ig_buf_fini(&prompt);
    return code;
}
