/* chat_commands.c: what a line that begins with a slash does. One row a command. */
#include "cli/chat.h"

#include "os/os.h"

#include <signal.h>
#include <stdarg.h>

typedef struct chat_row {
    const char *name, *arg, *help;
    chat_action (*run)(chat *c, char *rest);
} chat_row;

void chat_notice(const char *format, ...) {
    bool color = cli_color(stderr);
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fputs(color ? "\033[2m[" : "[", stderr);
    cli_put_visible(stderr, line, strlen(line));
    fputs(color ? "]\033[0m\n" : "]\n", stderr);
}

static chat_action run_help(chat *c, char *rest);

static chat_action run_exit(chat *c, char *rest) {
    (void)c;
    (void)rest;
    return CHAT_EXIT;
}

static chat_action run_clear(chat *c, char *rest) {
    (void)rest;
    chat_log_cut(&c->log, c->log.n > 0 && strcmp(c->log.items[0].role, "system") == 0 ? 1 : 0);
    ig_buf_clear(&c->attached);
    chat_notice("new conversation%s", c->log.n ? "; the system message stays" : "");
    return CHAT_GO_ON;
}

static chat_action run_regen(chat *c, char *rest) {
    (void)rest;
    uint32_t last = chat_log_last_user(&c->log);
    if (last == c->log.n) {
        cli_fail("there is nothing to answer yet");
        return CHAT_GO_ON;
    }
    chat_log_cut(&c->log, last + 1);
    return CHAT_ANSWER;
}

static chat_action run_undo(chat *c, char *rest) {
    (void)rest;
    uint32_t last = chat_log_last_user(&c->log);
    if (last == c->log.n) {
        cli_fail("there is nothing to take back");
        return CHAT_GO_ON;
    }
    chat_log_cut(&c->log, last);
    chat_notice("the last message and its answer are taken back; %u messages left", c->log.n);
    return CHAT_GO_ON;
}

static chat_action run_system(chat *c, char *rest) {
    ig_err err = {0};
    bool has = c->log.n > 0 && strcmp(c->log.items[0].role, "system") == 0;
    if (!rest[0]) {
        cli_print_visible(stdout, "%s\n", has ? c->log.items[0].json : "no system message");
    } else if (chat_log_system(&c->log, ig_str_of(rest), &err) != IG_OK) {
        cli_fail("%s", err.message);
    } else {
        chat_notice("system message set; it holds from the next message on");
    }
    return CHAT_GO_ON;
}

static chat_action run_read(chat *c, char *rest) {
    size_t before = c->attached.n;
    if (!rest[0]) {
        cli_fail("/read needs a file");
        return CHAT_GO_ON;
    }
    bool ok = cli_read_file(rest, &c->attached);
    if (ok && strlen(ig_buf_str(&c->attached).p) != c->attached.n) {
        cli_fail("%s is no text: it has zero bytes", rest);
        ok = false;
    }
    if (ok && c->attached.n == before)
        chat_notice("%s is empty", rest);
    else if (ok && ig_buf_add(&c->attached, "\n", 1, NULL) == IG_OK)
        chat_notice("%zu bytes of %s go before your next message", c->attached.n - before - 1,
                    rest);
    else if (c->attached.n > before)
        c->attached.p[c->attached.n = before] = '\0';
    return CHAT_GO_ON;
}

/* Writes the conversation; nothing half-written is left when a signal ends the program. */
static ig_status save(const chat *c, const char *path, ig_err *err) {
    ig_buf json;
    ig_file_writer *w = NULL;
    ig_buf_init(&json, IG_CONFIG_BYTES_MAX);
    ig_status status = chat_log_print(&c->log, &json, err);
    if (!status)
        status = ig_file_writer_open(&w, path, err);
    if (!status) {
        status = ig_file_writer_add(w, json.p, json.n, err);
        ig_status closed = ig_file_writer_close(&w, !status, status ? NULL : err);
        status = status ? status : closed;
    }
    ig_buf_fini(&json);
    return status;
}

static chat_action run_save(chat *c, char *rest) {
    ig_err err = {0};
    if (!rest[0]) {
        cli_fail("/save needs a file");
        return CHAT_GO_ON;
    }
    if (!cli_may_replace(rest, &c->o.model, 1))
        return CHAT_GO_ON;
    cli_interrupt_begin(NULL, CLI_WRITING);
    ig_status status = save(c, rest, &err);
    int sig = cli_interrupt_end();
    if (status)
        cli_fail("%s", err.message);
    else
        chat_notice("%u messages saved to %s", c->log.n, rest);
    return sig && sig != SIGINT ? CHAT_EXIT : CHAT_GO_ON;
}

static chat_action run_load(chat *c, char *rest) {
    ig_err err = {0};
    ig_buf text;
    ig_buf_init(&text, IG_CONFIG_BYTES_MAX);
    if (!rest[0])
        cli_fail("/load needs a file");
    else if (!cli_read_file(rest, &text))
        ; /* printed */
    else if (ig_buf_str(&text).p[strspn(ig_buf_str(&text).p, " \t\r\n")] != '[')
        cli_fail("%s is no saved conversation: those begin with [", rest);
    else if (chat_log_parse(&c->log, ig_buf_str(&text), &err) != IG_OK)
        cli_fail("%s: %s", rest, err.message);
    else
        chat_notice("%u messages loaded from %s", c->log.n, rest);
    ig_buf_fini(&text);
    return CHAT_GO_ON;
}

/* What /set without a name shows; it takes every number that shapes the text. */
static const char *const SHOWN[] = {"temp",           "top-k", "top-p", "min-p",
                                    "repeat-penalty", "seed",  "n"};

static bool may_set(const opt_row *row) {
    return row && (row->offset == offsetof(cli_options, predict) ||
                   (row->offset >= offsetof(cli_options, sampling) &&
                    row->offset < offsetof(cli_options, sampling) + sizeof(ingot_sampling)));
}

static chat_action run_set(chat *c, char *rest) {
    size_t n = strcspn(rest, " \t=");
    char *value = rest + n + strspn(rest + n, " \t=");
    bool alone = !*value;
    rest[n] = '\0';
    for (size_t i = 0; !n && i < IG_COUNT(SHOWN); i++) {
        printf("%-16s ", SHOWN[i]);
        cli_option_print(stdout, cli_number_option(CMD_RUN, SHOWN[i]), &c->o);
        putchar('\n');
    }
    const opt_row *row = n ? cli_number_option(CMD_RUN, rest) : NULL;
    if (n && !may_set(row)) {
        cli_fail("no number \"%s\" to set; /set shows the usual ones, ingot run --help all", rest);
    } else if (n && alone) {
        printf("%-16s ", rest);
        cli_option_print(stdout, row, &c->o);
        putchar('\n');
    } else if (n) {
        cli_option_set(CMD_RUN, row, value, &c->o);
    }
    return CHAT_GO_ON;
}

static chat_action run_stats(chat *c, char *rest) {
    (void)rest;
    printf("%u messages; %u of %u tokens of the context in use\n", c->log.n,
           ingot_session_tokens(c->session), c->facts.context);
    if (c->answers)
        printf("last answer: %u tokens of the prompt were kept, %llu evaluated\n", c->last_kept,
               (unsigned long long)c->last.prompt_tokens);
    fflush(stdout);
    if (c->answers)
        cli_print_speed(&c->facts, &c->last);
    return CHAT_GO_ON;
}

static const chat_row ROWS[] = {
    {"help, ?", "", "this list", run_help},
    {"exit, quit, bye", "", "end (so does Ctrl-D)", run_exit},
    {"clear", "", "start a new conversation", run_clear},
    {"regen", "", "answer the last message again", run_regen},
    {"undo", "", "take the last message and its answer back", run_undo},
    {"system", "TEXT", "set the system message", run_system},
    {"read", "FILE", "put a file before the next message", run_read},
    {"save", "FILE", "write the conversation as JSON", run_save},
    {"load", "FILE", "go on with a saved conversation", run_load},
    {"set", "NAME VALUE", "temp, top-k, top-p, min-p, seed, n …; alone: show", run_set},
    {"stats", "", "tokens and speed", run_stats},
};

static chat_action run_help(chat *c, char *rest) {
    (void)c;
    (void)rest;
    for (size_t i = 0; i < IG_COUNT(ROWS); i++)
        printf("/%-16s%-12s%s\n", ROWS[i].name, ROWS[i].arg, ROWS[i].help);
    puts("Several lines: end each but the last with \\, or put them between two \"\"\". "
         "Ctrl-C stops an answer.");
    return CHAT_GO_ON;
}

chat_action chat_command(chat *c, char *line) {
    char *name = line + 1;
    size_t n = strcspn(name, " \t\n");
    char *rest = name + n + strspn(name + n, " \t\n");
    for (size_t end = strlen(rest); end > 0 && strchr(" \t\n\r", rest[end - 1]); end--)
        rest[end - 1] = '\0';
    for (size_t i = 0; i < IG_COUNT(ROWS); i++) {
        if (!cli_has_name(ROWS[i].name, (ig_str){name, n}))
            continue;
        if (rest[0] && !ROWS[i].arg[0]) {
            cli_fail("/%.*s takes nothing after it", (int)n, name);
            return CHAT_GO_ON;
        }
        chat_action action = ROWS[i].run(c, rest);
        fflush(stdout);
        return action;
    }
    cli_fail("unknown command /%.*s; /help lists them, and a space in front makes it a message",
             (int)n, name);
    return CHAT_GO_ON;
}
