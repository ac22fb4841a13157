/* cmd_run.c: completion of a text. Chat lives in chat.c. */
#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The one thing a signal handler may touch. Cancelling is a relaxed atomic store inside the library. */
static ingot_session *volatile running;

static void on_interrupt(int sig) {
    ingot_session *s = running;
    if (s) {
        ingot_session_cancel(s);
        running = NULL; /* a second Ctrl-C ends the program */
        return;
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

typedef struct run_output {
    bool json, failed;
    ig_buf text;
} run_output;

static bool on_text(void *user, const char *text, size_t size) {
    run_output *out = user;
    if (out->json)
        return ig_buf_add(&out->text, text, size, NULL) == IG_OK;
    out->failed = fwrite(text, 1, size, stdout) != size || fflush(stdout) != 0;
    return !out->failed;
}

static bool parse_bias(const cli_options *o, ingot_logit_bias *bias) {
    for (uint32_t i = 0; i < o->logit_bias.n; i++) {
        char *end;
        const char *text = o->logit_bias.items[i];
        long id = strtol(text, &end, 10);
        char *number = end;
        float value = strtof(number, &end);
        if (end == number || *end || id < 0 || id > INT32_MAX || (*number != '+' && *number != '-')) {
            cli_fail("--logit-bias takes ID+X or ID-X, not \"%s\"", text);
            return false;
        }
        bias[i] = (ingot_logit_bias){(int32_t)id, value};
    }
    return true;
}

static bool read_prompt(const cli_options *o, ig_buf *text) {
    if (o->prompt) {
        if (ig_buf_add(text, o->prompt, strlen(o->prompt), NULL))
            return false;
        if (!o->no_escape && text->n)
            text->n = cli_unescape(text->p, text->n);
        return true;
    }
    return cli_read_file(o->file ? o->file : "-", text);
}

static void print_stats(const ingot_model_facts *facts, const ingot_generate_result *r) {
    double pp = r->prompt_seconds > 0 ? (double)r->prompt_tokens / r->prompt_seconds : 0;
    double n = r->generated_tokens > 1 ? (double)(r->generated_tokens - 1) : 0;
    double tg = r->generate_seconds > 0 ? n / r->generate_seconds : 0;
    fprintf(stderr, "\n[%s, %s, %u threads: prompt %llu tokens at %.1f/s, generated %llu at %.1f/s, %.1f GB/s of weights]\n",
            facts->name[0] ? facts->name : facts->architecture, facts->device, facts->threads,
            (unsigned long long)r->prompt_tokens, pp, (unsigned long long)r->generated_tokens, tg,
            tg * (double)facts->step_bytes * 1e-9);
}

static void print_json(const run_output *out, const ingot_generate_result *r) {
    static const char *const REASONS[] = {"none", "eos", "length", "context", "stop", "callback", "cancelled"};
    printf("{\"text\": ");
    cli_put_json_string(stdout, out->text.p ? out->text.p : "", out->text.n);
    printf(", \"stop\": \"%s\", \"prompt_tokens\": %llu, \"generated_tokens\": %llu, \"prompt_seconds\": %.6f, "
           "\"generate_seconds\": %.6f, \"seed\": %llu}\n",
           REASONS[r->reason], (unsigned long long)r->prompt_tokens, (unsigned long long)r->generated_tokens,
           r->prompt_seconds, r->generate_seconds, (unsigned long long)r->seed);
}

static int complete(const cli_options *o, ingot_model *model, const ig_buf *prompt) {
    ingot_error error = {0};
    ingot_model_facts facts;
    ingot_session *session = NULL;
    ingot_logit_bias bias[CLI_LIST_MAX];
    int32_t *ids = NULL;
    size_t n = 0;
    run_output out = {.json = o->json};
    ingot_generate_result result = {0};
    ingot_generate_options g = {.sampling = o->sampling, .max_tokens = o->predict < 0 ? -1 : o->predict,
                                .stop = o->stop.items, .n_stop = o->stop.n, .special = o->special, .on_text = on_text,
                                .user = &out};
    ig_buf_init(&out.text, IG_TEXT_BYTES_MAX);
    g.sampling.logit_bias = bias;
    g.sampling.n_logit_bias = o->logit_bias.n;
    g.sampling.dry_breakers = o->dry_breakers.n ? o->dry_breakers.items : NULL;
    g.sampling.n_dry_breakers = o->dry_breakers.n;
    if (o->sampler_letters)
        g.sampling.samplers = o->sampler_letters;
    ingot_model_describe(model, &facts);
    if (!parse_bias(o, bias))
        return EXIT_USAGE;
    ingot_status status = ingot_tokenize(model, prompt->p ? prompt->p : "", prompt->n,
                                         (unsigned)INGOT_ADD_SPECIAL | (unsigned)INGOT_PARSE_SPECIAL, &ids, &n, &error);
    if (!status)
        status = ingot_session_open(&session, model, &error);
    if (!status) {
        if (!o->no_display_prompt && !o->json)
            status = cli_write(prompt->p ? prompt->p : "", prompt->n) ? INGOT_OK : INGOT_IO;
        running = session;
        signal(SIGINT, on_interrupt);
        if (!status)
            status = ingot_generate(session, ids, n, &g, &result, &error);
        signal(SIGINT, SIG_DFL);
        running = NULL;
    }
    int code = status && status != INGOT_CANCELLED ? EXIT_FAILED : EXIT_OK;
    if (code && error.message[0])
        cli_fail_error(&error);
    if (out.failed)
        code = cli_fail("cannot write to standard output");
    if (!code && o->json)
        print_json(&out, &result);
    else if (!code)
        print_stats(&facts, &result);
    if (status == INGOT_CANCELLED)
        code = 130; /* as a shell reports an interrupt */
    ingot_session_close(&session);
    ingot_ids_free(&ids);
    ig_buf_fini(&out.text);
    return code;
}

int cmd_run(const cli_options *o) {
    ig_buf prompt;
    ig_buf_init(&prompt, IG_TEXT_BYTES_MAX);
    int code = EXIT_FAILED;
    ingot_model_options m;
    cli_model_options(o, &m);
    if (read_prompt(o, &prompt)) {
        ingot_model *model = cli_open_model(o, &m);
        if (model)
            code = complete(o, model, &prompt);
        ingot_model_close(&model);
    }
    ig_buf_fini(&prompt);
    return code;
}
