/* cmd_template.c: renders a chat template to standard output, byte for byte. */
#include "cli/cli.h"

typedef struct civil {
    int32_t year, month, day, hour, minute, second;
} civil;

/* n digits that make a number of min to max; moves *at behind them. */
static bool digits(const char **at, int n, int32_t min, int32_t max, int32_t *out) {
    *out = 0;
    for (int i = 0; i < n; i++, ++*at) {
        if (**at < '0' || **at > '9')
            return false;
        *out = *out * 10 + (**at - '0');
    }
    return *out >= min && *out <= max;
}

static bool parse_date(const char **at, civil *c) {
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (!digits(at, 4, 1, 9999, &c->year) || *(*at)++ != '-' || !digits(at, 2, 1, 12, &c->month) ||
        *(*at)++ != '-' || !digits(at, 2, 1, 31, &c->day))
        return false;
    const bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    return c->day <= days[c->month - 1] + (leap && c->month == 2);
}

/* HH:MM, seconds, a fraction; then Z or a distance from UTC, which leaves the hour as written: a
 * template prints the time of day where the conversation is. */
static bool parse_time(const char **at, civil *c) {
    int32_t zone;
    if (!digits(at, 2, 0, 23, &c->hour) || *(*at)++ != ':' || !digits(at, 2, 0, 59, &c->minute))
        return false;
    if (**at == ':') {
        ++*at;
        if (!digits(at, 2, 0, 59, &c->second))
            return false;
        if (**at == '.') {
            const size_t n = strspn(*at + 1, "0123456789");
            if (n == 0)
                return false;
            *at += 1 + n;
        }
    }
    if (**at == 'Z') {
        ++*at;
    } else if (**at == '+' || **at == '-') {
        ++*at;
        if (!digits(at, 2, 0, 23, &zone))
            return false;
        *at += **at == ':';
        return digits(at, 2, 0, 59, &zone);
    }
    return true;
}

/* Seconds of an ISO 8601 time; 0 is nobody's time, as it asks for the clock. */
static bool parse_now(const char *at, int64_t *out) {
    civil c = {0};
    if (!parse_date(&at, &c))
        return false;
    if (*at == 'T' || *at == ' ') {
        ++at;
        if (!parse_time(&at, &c))
            return false;
    }
    /* Days from the civil date (proleptic Gregorian), so that no time zone enters. */
    int64_t y = c.month <= 2 ? c.year - 1 : c.year, era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
    int64_t days = era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
    *out = days * 86400 + c.hour * 3600 + c.minute * 60 + c.second;
    return *at == '\0' && *out != 0;
}

/* JSON that is handed on as a C string. */
static bool read_json(const char *path, ig_buf *out) {
    if (!cli_read_file(path, out))
        return false;
    if (out->n && strlen(out->p) == out->n)
        return true;
    cli_fail("%s: %s", path, out->n ? "a zero byte, which no JSON has" : "the file is empty");
    return false;
}

/* The whole message of a template that raises, which has no limit of a line. */
static void raised(const ingot_text *text) {
    (void)cli_put_visible(stderr, text->data, text->size);
    fputc('\n', stderr);
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
    if (!o->messages || (!o->model && !o->template_file))
        return cli_usage("template needs --messages FILE and a model or --template-file FILE");
    if (o->now && !parse_now(o->now, &chat.now_s))
        return cli_usage("--now takes a time like 2024-07-26T12:00:00 (but not the first second of "
                         "1970), not \"%s\"",
                         o->now);
    bool ok = cli_read_file(o->messages, &messages) && (!o->tools || read_json(o->tools, &tools)) &&
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
        chat.tools_json = o->tools ? tools.p : NULL;
        ingot_status status = ingot_chat_render(model, messages.p ? messages.p : "", messages.n,
                                                &chat, &text, &error);
        if (status && text.data)
            raised(&text);
        else if (status)
            cli_print_visible(stderr, "%s\n", error.message);
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
