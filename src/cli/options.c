/* options.c: parses arguments by the option table, and prints help, man pages
 * and completion from it. */
#include "cli/cli.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

#define EXIT_STATUS                                                                                \
    ".SH EXIT STATUS\n0 success, 1 failure, 2 wrong usage, 130 interrupted (128 and the "          \
    "signal).\n"

/* The next of the names "-a, --b" at *at; false after the last. */
static bool next_name(const char **at, ig_str *name) {
    const char *p = *at + strspn(*at, ", ");
    *name = (ig_str){p, strcspn(p, ",")};
    *at = p + name->n;
    return name->n > 0;
}

/* The peer takes _ for - in long names; so do we. */
static bool same_name(ig_str a, ig_str b) {
    bool same = a.n == b.n;
    for (size_t i = 0; same && i < a.n; i++)
        same = a.p[i] == b.p[i] || (i > 1 && a.p[i] == '-' && b.p[i] == '_');
    return same;
}

bool cli_has_name(const char *names, ig_str name) {
    for (ig_str one; next_name(&names, &one);) {
        if (same_name(one, name))
            return true;
    }
    return false;
}

static const opt_row *find(cli_command_id command, ig_str name) {
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        if ((CLI_OPTIONS[i].commands & 1u << command) && cli_has_name(CLI_OPTIONS[i].names, name))
            return &CLI_OPTIONS[i];
    }
    return NULL;
}

/* The option of a command that a wrong name is nearest to: its beginning, or a few letters away.
 * Empty when nothing is near. */
static ig_str nearest(cli_command_id command, ig_str wrong) {
    ig_str best = {0}, name;
    uint32_t least = IG_MIN(4u, (uint32_t)wrong.n / 3 + 1);
    for (size_t i = 0; i < CLI_OPTION_COUNT && wrong.n <= IG_DISTANCE_BYTES_MAX; i++) {
        if (!(CLI_OPTIONS[i].commands & 1u << command))
            continue;
        for (const char *at = CLI_OPTIONS[i].names; next_name(&at, &name);) {
            const bool begins =
                wrong.n > 3 && name.n > wrong.n && memcmp(name.p, wrong.p, wrong.n) == 0;
            const uint32_t far = begins ? 0 : ig_str_distance(wrong, name);
            if (far < least) {
                least = far;
                best = name;
            }
        }
    }
    return best;
}

static bool fail_unknown(cli_command_id command, ig_str name) {
    const char *help = CLI_COMMANDS[command].name;
    for (size_t i = 0; i < CLI_FOREIGN_COUNT; i++) {
        if (cli_has_name(CLI_FOREIGN[i].names, name)) {
            cli_fail("there is no %.*s: %s; see ingot %s --help", IG_STR_ARG(name),
                     CLI_FOREIGN[i].why, help);
            return false;
        }
    }
    ig_str near = nearest(command, name);
    if (near.n)
        cli_fail("unknown option %.*s; is it %.*s? See ingot %s --help", IG_STR_ARG(name),
                 IG_STR_ARG(near), help);
    else
        cli_fail("unknown option %.*s; see ingot %s --help", IG_STR_ARG(name), help);
    return false;
}

/* What a number option takes. */
static void range_text(const opt_row *row, char out[96]) {
    const bool whole = row->type != OPT_F32 && row->type != OPT_F64;
    const char *kind = whole ? "a whole number" : "a number";
    const bool low = row->min > -FLT_MAX, high = row->max < (whole ? 1e15 : (double)FLT_MAX);
    if (row->min == FLT_MIN)
        snprintf(out, 96, "%s above 0", kind);
    else if (low && high)
        snprintf(out, 96, whole ? "%s from %.0f to %.0f" : "%s from %g to %g", kind, row->min,
                 row->max);
    else if (low)
        snprintf(out, 96, whole ? "%s of at least %.0f" : "%s of at least %g", kind, row->min);
    else if (high)
        snprintf(out, 96, "%s of at most %g", kind, row->max);
    else
        snprintf(out, 96, "%s", kind);
}

static bool store_number(const opt_row *row, const char *text, void *at) {
    char *end;
    errno = 0;
    double d = strtod(text, &end);
    if (end == text || *end || errno == ERANGE || !(d >= row->min && d <= row->max))
        return false;
    if (row->type != OPT_F32 && row->type != OPT_F64 && text[strspn(text, "+-0123456789")] != '\0')
        return false;
    /* Where the type has no negative numbers, -1 is everybody's word for "as you like". */
    uint32_t u32 = (uint32_t)(d < 0 ? 0 : d);
    int32_t i32 = (int32_t)d;
    int64_t i64 = strtoll(text, NULL, 10);
    uint64_t u64 = d < 0 ? UINT32_MAX : strtoull(text, NULL, 10);
    float f32 = (float)d;
    switch (row->type) {
    case OPT_U32:
        memcpy(at, &u32, sizeof u32);
        break;
    case OPT_I32:
        memcpy(at, &i32, sizeof i32);
        break;
    case OPT_I64:
        memcpy(at, &i64, sizeof i64);
        break;
    case OPT_U64:
        memcpy(at, &u64, sizeof u64);
        break;
    case OPT_F32:
        memcpy(at, &f32, sizeof f32);
        break;
    case OPT_F64:
    case OPT_FLAG:
    case OPT_STR:
    case OPT_LIST:
        memcpy(at, &d, sizeof d);
        break;
    }
    return true;
}

/* Texts of a list are unescaped where they stand. */
static bool store(const cli_command *cmd, const opt_row *row, const char *name, char *value,
                  cli_options *o) {
    void *at = (char *)o + row->offset;
    if (row->type == OPT_STR) {
        memcpy(at, &value, sizeof value);
        return true;
    }
    if (row->type == OPT_LIST) {
        cli_list *list = at;
        if (list->n == CLI_LIST_MAX) {
            cli_fail("%s: at most %d times", name, CLI_LIST_MAX);
            return false;
        }
        if (!o->no_escape)
            value[cli_unescape(value, strlen(value))] = '\0';
        list->items[list->n++] = value;
        return true;
    }
    if (store_number(row, value, at))
        return true;
    char range[96];
    range_text(row, range);
    cli_fail("%.*s takes %s, not \"%s\"; see ingot %s --help", (int)strcspn(name, "=, "), name,
             range, value, cmd->name);
    return false;
}

/* -n32 for -n 32: the option, and where its number starts. */
static const opt_row *find_joined(cli_command_id command, const char *arg) {
    if (arg[1] == '-' || !arg[2] || !strchr("0123456789-.", arg[2]))
        return NULL;
    const opt_row *row = find(command, (ig_str){arg, 2});
    return row && row->type >= OPT_U32 ? row : NULL;
}

static bool parse_option(cli_command_id command, int argc, char **argv, int *i, cli_options *o) {
    const cli_command *cmd = &CLI_COMMANDS[command];
    char *arg = argv[*i], *equals = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
    const ig_str name = {arg, equals ? (size_t)(equals - arg) : strlen(arg)};
    const opt_row *row = find(command, name);
    if (!row && (row = find_joined(command, arg)) != NULL) {
        char one[3] = {arg[0], arg[1], '\0'};
        return store(cmd, row, one, arg + 2, o);
    }
    if (!row)
        return fail_unknown(command, name);
    if (row->type == OPT_FLAG) {
        bool yes = true;
        memcpy((char *)o + row->offset, &yes, sizeof yes);
        if (equals)
            cli_fail("%.*s takes no value", IG_STR_ARG(name));
        return !equals;
    }
    if (!equals && *i + 1 >= argc) {
        cli_fail("%s needs %s; see ingot %s --help", arg, row->arg, cmd->name);
        return false;
    }
    if (row->offset == offsetof(cli_options, model) && o->model) {
        cli_fail("two models are given, \"%s\" and the one of %.*s; leave one out", o->model,
                 IG_STR_ARG(name));
        return false;
    }
    return store(cmd, row, arg, equals ? equals + 1 : argv[++*i], o);
}

const opt_row *cli_number_option(cli_command_id command, const char *name) {
    char dashed[64];
    for (int dashes = 2; dashes > 0; dashes--) {
        int n = snprintf(dashed, sizeof dashed, "%s%s", dashes == 2 ? "--" : "-", name);
        const opt_row *row =
            n < (int)sizeof dashed ? find(command, (ig_str){dashed, (size_t)n}) : NULL;
        if (row && row->type >= OPT_U32)
            return row;
    }
    return NULL;
}

bool cli_option_set(cli_command_id command, const opt_row *row, char *value, cli_options *o) {
    return store(&CLI_COMMANDS[command], row, row->names, value, o);
}

void cli_option_print(FILE *to, const opt_row *row, const cli_options *o) {
    const char *at = (const char *)o + row->offset;
    uint32_t u32;
    int32_t i32;
    int64_t i64;
    uint64_t u64;
    float f32;
    double f64;
    switch (row->type) {
    case OPT_U32:
        memcpy(&u32, at, sizeof u32);
        fprintf(to, "%u", u32);
        break;
    case OPT_I32:
        memcpy(&i32, at, sizeof i32);
        fprintf(to, "%d", i32);
        break;
    case OPT_I64:
        memcpy(&i64, at, sizeof i64);
        fprintf(to, "%lld", (long long)i64);
        break;
    case OPT_U64:
        memcpy(&u64, at, sizeof u64);
        if (u64 == UINT32_MAX)
            fputs("-1", to);
        else
            fprintf(to, "%llu", (unsigned long long)u64);
        break;
    case OPT_F32:
        memcpy(&f32, at, sizeof f32);
        fprintf(to, "%g", (double)f32);
        break;
    case OPT_F64:
        memcpy(&f64, at, sizeof f64);
        fprintf(to, "%g", f64);
        break;
    case OPT_FLAG:
    case OPT_STR:
    case OPT_LIST:
        break;
    }
}

/* The model, or a word of the message behind it. */
static bool take_word(const cli_command *cmd, const char *arg, cli_options *o) {
    if (!o->model) {
        o->model = arg;
    } else if (cmd->takes_message && o->words.n < CLI_LIST_MAX) {
        o->words.items[o->words.n++] = arg;
    } else if (cmd->takes_message) {
        cli_fail("the message has more than %d words; put it between quotes", CLI_LIST_MAX);
        return false;
    } else {
        cli_fail("too many arguments: \"%s\"; see ingot %s --help", arg, cmd->name);
        return false;
    }
    return true;
}

bool cli_parse(cli_command_id command, int argc, char **argv, cli_options *o) {
    const cli_command *cmd = &CLI_COMMANDS[command];
    bool options = true;
    for (int i = 2; i < argc; i++) /* it holds for what stands before it, too */
        o->no_escape = o->no_escape || strcmp(argv[i], "--no-escape") == 0;
    for (int i = 2; i < argc; i++) {
        const char *arg = argv[i];
        if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && arg[0] == '-' && arg[1]) {
            if (!parse_option(command, argc, argv, &i, o))
                return false;
        } else if (!take_word(cmd, arg, o)) {
            return false;
        }
    }
    if (!o->help && !o->model && !cmd->model_optional) {
        cli_fail("no model given; usage: ingot %s %s", cmd->name, cmd->usage);
        return false;
    }
    return true;
}

bool cli_numbers(const char *text, uint32_t *out, uint32_t max, uint32_t *n) {
    *n = 0;
    for (const char *p = text;; p++) {
        char *end;
        const unsigned long v = strtoul(p, &end, 10);
        if (*p < '0' || *p > '9' || v > UINT32_MAX || *n == max || (*end && *end != ','))
            return false;
        out[(*n)++] = (uint32_t)v;
        p = end;
        if (!*p)
            return true;
    }
}

void cli_help(FILE *to, cli_command_id command) {
    const cli_command *c = &CLI_COMMANDS[command];
    fprintf(to, "ingot %s: %s\n\nUsage: ingot %s %s\n\n%s\n\nOptions:\n", c->name, c->summary,
            c->name, c->usage, c->text);
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        const opt_row *row = &CLI_OPTIONS[i];
        if (!(row->commands & 1u << command))
            continue;
        int n = fprintf(to, "  %s%s%s", row->names, row->arg ? " " : "", row->arg ? row->arg : "");
        if (n < 30)
            fprintf(to, "%*s%s\n", 30 - n, "", row->help);
        else
            fprintf(to, "\n%30s%s\n", "", row->help);
    }
    fprintf(to, "\nExample:\n  %s\n", c->example);
}

/* A leading dot or quote would be a request to troff; a minus must be escaped to stay one. */
static void man_text(FILE *to, const char *s) {
    for (bool start = true; *s; start = *s == '\n', s++) {
        if (start && (*s == '.' || *s == '\''))
            fputs("\\&", to);
        if (*s == '\\')
            fputs("\\e", to);
        else if (*s == '-')
            fputs("\\-", to);
        else
            fputc(*s, to);
    }
}

void cli_man(FILE *to, cli_command_id command) {
    const cli_command *c = &CLI_COMMANDS[command];
    fprintf(to,
            ".TH INGOT-%s 1 \"\" \"Ingot %s\"\n"
            ".SH NAME\ningot-%s \\- %s\n"
            ".SH SYNOPSIS\n.B ingot %s\n",
            c->name, ingot_version(), c->name, c->summary, c->name);
    man_text(to, c->usage);
    fputs("\n.SH DESCRIPTION\n", to);
    man_text(to, c->text);
    fputs("\n.SH OPTIONS\n", to);
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        const opt_row *row = &CLI_OPTIONS[i];
        if (!(row->commands & 1u << command))
            continue;
        fputs(".TP\n.B ", to);
        man_text(to, row->names);
        if (row->arg)
            fprintf(to, " \\fI%s\\fR", row->arg);
        fputc('\n', to);
        man_text(to, row->help);
        fputc('\n', to);
    }
    fputs(".SH EXAMPLE\n.nf\n", to);
    man_text(to, c->example);
    fprintf(to, "\n.fi\n%s", EXIT_STATUS);
}

void cli_man_overview(FILE *to) {
    fprintf(to,
            ".TH INGOT 1 \"\" \"Ingot %s\"\n"
            ".SH NAME\ningot \\- runs language models\n"
            ".SH SYNOPSIS\n.B ingot\n\\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n.SH COMMANDS\n",
            ingot_version());
    for (int c = 0; c < CMD_COUNT; c++) {
        fprintf(to, ".TP\n.BR ingot\\-%s (1)\n", CLI_COMMANDS[c].name);
        man_text(to, CLI_COMMANDS[c].summary);
        fputc('\n', to);
    }
    fputs(EXIT_STATUS, to);
}

static void completion_names(FILE *to, unsigned command) {
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        if (!(CLI_OPTIONS[i].commands & 1u << command))
            continue;
        ig_str name;
        for (const char *at = CLI_OPTIONS[i].names; next_name(&at, &name);)
            fprintf(to, "%.*s ", IG_STR_ARG(name));
    }
}

/* What may follow an option that takes one of few values. */
static void completion_values(FILE *to) {
    fputs("    case ${COMP_WORDS[COMP_CWORD-1]} in\n", to);
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        const char *at = CLI_OPTIONS[i].names, *bar = "    ";
        const char *values = CLI_OPTIONS[i].arg;
        if (!values || !strchr(values, '|'))
            continue;
        for (ig_str name; next_name(&at, &name); bar = "|")
            fprintf(to, "%s%.*s", bar, IG_STR_ARG(name));
        fprintf(to,
                ") words=\"%s\"; mapfile -t COMPREPLY < <(compgen -W \"${words//|/ }\" -- "
                "\"$cur\"); return ;;\n",
                values);
    }
    fputs("    esac\n", to);
}

void cli_completion(FILE *to) {
    fputs("# bash completion of ingot, generated from its option table\n_ingot() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n    case ${COMP_WORDS[1]} in\n",
          to);
    for (unsigned c = 0; c < CMD_COUNT; c++) {
        fprintf(to, "    %s) words=\"", CLI_COMMANDS[c].name);
        completion_names(to, c);
        fputs("\" ;;\n", to);
    }
    fputs("    esac\n", to);
    completion_values(to);
    fputs("    if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"", to);
    for (unsigned c = 0; c < CMD_COUNT; c++)
        fprintf(to, "%s ", CLI_COMMANDS[c].name);
    fputs("\"; fi\n    if [[ $cur == -* || $COMP_CWORD -eq 1 ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    else\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    fi\n}\n"
          "complete -o filenames -F _ingot ingot\n",
          to);
}
