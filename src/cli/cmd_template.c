/* cmd_template.c: renders a chat template to standard output, byte for byte. */
#include "cli/cli.h"

#include <time.h>

static bool parse_now(const char *text, int64_t *out) {
    struct tm tm = {0};
    int n = 0;
    if (sscanf(text, "%d-%d-%d%*1[T ]%d:%d:%d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &n) < 6) {
        tm = (struct tm){0};
        if (sscanf(text, "%d-%d-%d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &n) != 3)
            return false;
    }
    if (text[n] != '\0' || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_year < 1)
        return false;
    /* Days from the civil date (proleptic Gregorian), so that no time zone enters. */
    int64_t y = tm.tm_mon <= 2 ? tm.tm_year - 1 : tm.tm_year;
    int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
    int64_t doy = (153 * (tm.tm_mon + (tm.tm_mon > 2 ? -3 : 9)) + 2) / 5 + tm.tm_mday - 1;
    int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    *out = days * 86400 + tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    return true;
}

int cmd_template(const cli_options *o) {
    ig_buf source, messages, tools;
    ig_buf_init(&source, IG_TEMPLATE_BYTES_MAX);
    ig_buf_init(&messages, IG_CONFIG_BYTES_MAX);
    ig_buf_init(&tools, IG_CONFIG_BYTES_MAX);
    ingot_model *model = NULL;
    ingot_text text = {0};
    ingot_error error = {0};
    ingot_chat_options chat = {.bos = o->bos,
                               .eos = o->eos,
                               .no_generation_prompt = o->no_generation_prompt,
                               .extra_json = o->template_args};
    int code = EXIT_FAILED;
    if (!o->messages || (!o->model && !o->template_file)) {
        cli_fail("template needs --messages FILE and a model or --template-file FILE");
        return EXIT_USAGE;
    }
    bool ok = !o->now || parse_now(o->now, &chat.now_s);
    if (!ok)
        cli_fail("--now takes a time like 2024-07-26T12:00:00, not \"%s\"", o->now);
    ok = ok && cli_read_file(o->messages, &messages) &&
         (!o->tools || cli_read_file(o->tools, &tools)) &&
         (!o->template_file || cli_read_file(o->template_file, &source));
    if (ok && o->model) {
        ingot_model_options m;
        cli_model_options(o, &m);
        m.vocab_only = true;
        ok = (model = cli_open_model(o, &m)) != NULL;
    }
    if (ok) {
        chat.template_source = o->template_file ? (source.p ? source.p : "") : NULL;
        chat.template_size = source.n;
        chat.tools_json = o->tools ? (tools.p ? tools.p : "") : NULL;
        ingot_status status = ingot_chat_render(model, messages.p ? messages.p : "", messages.n,
                                                &chat, &text, &error);
        if (status)
            fprintf(stderr, "%s\n", text.data ? text.data : error.message);
        else if (cli_write(text.data, text.size))
            code = EXIT_OK;
    }
    ingot_text_free(&text);
    ingot_model_close(&model);
    ig_buf_fini(&source);
    ig_buf_fini(&messages);
    ig_buf_fini(&tools);
    return code;
}
