/* cmd_run.c: completion of a text, and the choice between that and a chat (chat.c). */
#include "cli/cli.h"

typedef struct run_output {
    bool json, failed;
    ig_str prompt; /* repeated before the first text, when nothing can be wrong with it any more */
    ig_buf text;
} run_output;

static bool repeat_prompt(run_output *out) {
    if (out->prompt.n && !cli_put_visible(stdout, out->prompt.p, out->prompt.n))
        out->failed = true;
    out->prompt.n = 0;
    return !out->failed;
}

static bool on_text(void *user, const char *text, size_t size) {
    run_output *out = user;
    if (out->json)
        return ig_buf_add(&out->text, text, size, NULL) == IG_OK;
    out->failed = !repeat_prompt(out) || !cli_put_visible(stdout, text, size);
    return !out->failed;
}

static bool has_text(const cli_options *o) {
    return o->prompt || o->file || o->words.n;
}

static bool read_prompt(const cli_options *o, ig_buf *text) {
    if (!has_text(o) && cli_is_terminal(stdin))
        fputs("[type the text to complete; Ctrl-D on an empty line ends it]\n", stderr);
    if (!cli_read_text(o, text))
        return false;
    if (!o->prompt && !o->words.n)
        cli_drop_newline(text);
    return true;
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
        if (r->reason == INGOT_STOP_CONTEXT)
            fprintf(stderr, "[the context of %u tokens is full; a larger one is set with -c]\n",
                    facts->context);
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
    ingot_model_describe(model, &facts);
    if (!cli_may_fit(model, text.n, facts.context))
        return EXIT_FAILED;
    g.on_text = on_text;
    g.user = &out;
    ig_buf_init(&out.text, IG_TEXT_BYTES_MAX);
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
        cli_print_visible(stderr, "[no chat: %s]\n", error.message);
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
    if (o->words.n)
        return RUN_CHAT_IF_TEMPLATE;
    return !has_text(o) && cli_is_terminal(stdin) && cli_is_terminal(stdout) && !o->json
               ? RUN_CHAT_IF_TEMPLATE
               : RUN_COMPLETE;
}

/* Wrong use that shows before a model is opened. */
static bool check_usage(const cli_options *o, run_mode mode) {
    ingot_logit_bias bias[CLI_LIST_MAX];
    ingot_generate_options g;
    if (mode == RUN_CONTRADICTION) {
        cli_fail("--no-conversation contradicts --conversation and the options "
                 "that belong to a chat; see ingot run --help");
        return false;
    }
    if (o->template_text && !strchr(o->template_text, '{')) {
        cli_fail("--chat-template \"%s\" has nothing to fill in: names of templates are not known "
                 "here; the model's own is the default, --chat-template-file reads one",
                 o->template_text);
        return false;
    }
    return cli_check_text(o) && cli_generate_options(o, &g, bias);
}

/* A message behind the model is answered once. */
static int answer(const cli_options *o, ingot_model *model, run_mode mode, const ig_buf *prompt) {
    cli_options with = *o;
    with.single_turn = o->single_turn || (mode == RUN_CHAT_IF_TEMPLATE && o->words.n);
    return cli_chat(&with, model, prompt);
}

int cmd_run(const cli_options *o) {
    ig_buf prompt;
    ingot_model_options m;
    ingot_model_facts facts;
    run_mode mode = mode_of(o);
    int code = EXIT_FAILED;
    if (!check_usage(o, mode))
        return EXIT_USAGE;
    ig_buf_init(&prompt, IG_TEXT_BYTES_MAX);
    cli_model_options(o, &m);
    bool ready = (mode != RUN_COMPLETE && !has_text(o)) || read_prompt(o, &prompt);
    ingot_model *model = ready ? cli_open_model(o, &m) : NULL;
    if (model) {
        ingot_model_describe(model, &facts);
        if (!o->quiet && facts.context_trained && facts.context > facts.context_trained)
            fprintf(stderr,
                    "[the model was trained for %u tokens of context; %u may spoil its text]\n",
                    facts.context_trained, facts.context);
        if (mode == RUN_CHAT_IF_TEMPLATE && !facts.has_chat_template) {
            say_why_no_chat(model);
            mode = RUN_COMPLETE;
            ready = has_text(o) || read_prompt(o, &prompt);
        }
        if (ready)
            code = mode == RUN_COMPLETE ? complete(o, model, &prompt)
                                        : answer(o, model, mode, &prompt);
    }
    ingot_model_close(&model);
    ig_buf_fini(&prompt);
    return code;
}
