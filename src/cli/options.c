/* options.c: parses arguments by the option table, and prints help, man pages
 * and completion from it. */
#include "cli/cli.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>

static bool has_name(const opt_row *row, const char *name, size_t n) {
    for (const char *p = row->names; *p;) {
        size_t len = strcspn(p, ",");
        if (len == n && strncmp(p, name, n) == 0)
            return true;
        p += len;
        p += strspn(p, ", ");
    }
    return false;
}

static const opt_row *find(cli_command_id command, const char *name, size_t n) {
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        if ((CLI_OPTIONS[i].commands & 1u << command) && has_name(&CLI_OPTIONS[i], name, n))
            return &CLI_OPTIONS[i];
    }
    return NULL;
}

static bool store_number(const opt_row *row, const char *text, void *at) {
    char *end;
    errno = 0;
    double d = strtod(text, &end);
    if (end == text || *end || errno == ERANGE || !(d >= row->min && d <= row->max)) {
        /* -1 is everybody's word for "random" or "no limit" where the type
         * has no negative numbers. */
        if (!(row->type == OPT_U64 && strcmp(text, "-1") == 0))
            return false;
    }
    if (row->type == OPT_F32 && (d > FLT_MAX || d < -FLT_MAX))
        return false;
    if (row->type != OPT_F32 && row->type != OPT_F64 && text[strspn(text, "+-0123456789")] != '\0')
        return false;
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

static bool store(const cli_command *cmd, const opt_row *row, const char *name, const char *value,
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
        list->items[list->n++] = value;
        return true;
    }
    if (store_number(row, value, at))
        return true;
    cli_fail("%.*s takes %s, not \"%s\"; see ingot %s --help", (int)strcspn(name, "="), name,
             row->arg, value, cmd->name);
    return false;
}

static bool parse_option(cli_command_id command, int argc, char **argv, int *i, cli_options *o) {
    const cli_command *cmd = &CLI_COMMANDS[command];
    const char *arg = argv[*i], *equals = strncmp(arg, "--", 2) == 0 ? strchr(arg, '=') : NULL;
    size_t n = equals ? (size_t)(equals - arg) : strlen(arg);
    const opt_row *row = find(command, arg, n);
    if (!row) {
        cli_fail("unknown option %.*s; see ingot %s --help", (int)n, arg, cmd->name);
        return false;
    }
    if (row->type == OPT_FLAG) {
        bool yes = true;
        memcpy((char *)o + row->offset, &yes, sizeof yes);
        if (equals)
            cli_fail("%.*s takes no value", (int)n, arg);
        return !equals;
    }
    if (!equals && *i + 1 >= argc) {
        cli_fail("%s needs %s; see ingot %s --help", arg, row->arg, cmd->name);
        return false;
    }
    return store(cmd, row, arg, equals ? equals + 1 : argv[++*i], o);
}

const opt_row *cli_number_option(cli_command_id command, const char *name) {
    char dashed[64];
    for (int dashes = 2; dashes > 0; dashes--) {
        int n = snprintf(dashed, sizeof dashed, "%s%s", dashes == 2 ? "--" : "-", name);
        const opt_row *row = n < (int)sizeof dashed ? find(command, dashed, (size_t)n) : NULL;
        if (row && row->type >= OPT_U32)
            return row;
    }
    return NULL;
}

bool cli_option_set(cli_command_id command, const opt_row *row, const char *value, cli_options *o) {
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

bool cli_parse(cli_command_id command, int argc, char **argv, cli_options *o) {
    bool options = true;
    for (int i = 2; i < argc; i++) {
        const char *arg = argv[i];
        if (options && strcmp(arg, "--") == 0) {
            options = false;
        } else if (options && arg[0] == '-' && arg[1]) {
            if (!parse_option(command, argc, argv, &i, o))
                return false;
        } else if (!o->model) {
            o->model = arg;
        } else if (!o->rest) {
            o->rest = arg;
        } else {
            cli_fail("too many arguments: \"%s\"; see ingot %s --help", arg,
                     CLI_COMMANDS[command].name);
            return false;
        }
    }
    if (!o->help && !o->model && !CLI_COMMANDS[command].model_optional) {
        cli_fail("no model given; usage: ingot %s %s", CLI_COMMANDS[command].name,
                 CLI_COMMANDS[command].usage);
        return false;
    }
    return true;
}

bool cli_numbers(const char *text, uint32_t *out, uint32_t max, uint32_t *n) {
    *n = 0;
    for (const char *p = text; *p;) {
        char *end;
        unsigned long v = strtoul(p, &end, 10);
        if (end == p || *p == '-' || v > UINT32_MAX || *n == max || (*end && *end != ','))
            return false;
        out[(*n)++] = (uint32_t)v;
        p = *end ? end + 1 : end;
    }
    return *n > 0;
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
    fputs("\n.fi\n.SH EXIT STATUS\n0 success, 1 failure, 2 wrong usage.\n", to);
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
    fputs(".SH EXIT STATUS\n0 success, 1 failure, 2 wrong usage.\n", to);
}

static void completion_names(FILE *to, unsigned command) {
    for (size_t i = 0; i < CLI_OPTION_COUNT; i++) {
        if (!(CLI_OPTIONS[i].commands & 1u << command))
            continue;
        for (const char *p = CLI_OPTIONS[i].names; *p;) {
            size_t n = strcspn(p, ",");
            fprintf(to, "%.*s ", (int)n, p);
            p += n;
            p += strspn(p, ", ");
        }
    }
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
    fputs("    esac\n    if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"", to);
    for (unsigned c = 0; c < CMD_COUNT; c++)
        fprintf(to, "%s ", CLI_COMMANDS[c].name);
    fputs("\"; fi\n    if [[ $cur == -* || $COMP_CWORD -eq 1 ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "    else\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    fi\n}\n"
          "complete -o filenames -F _ingot ingot\n",
          to);
}
