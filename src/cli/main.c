/* main.c: finds the command and hands over. Every other decision is in the command's file
 * or in the option table. */
#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <unistd.h>

static void usage(FILE *to) {
    fputs("ingot: runs language models\n\nUsage: ingot COMMAND [ARGUMENTS]\n\nCommands:\n", to);
    for (int c = 0; c < CMD_COUNT; c++)
        fprintf(to, "  %-12s %s\n", CLI_COMMANDS[c].name, CLI_COMMANDS[c].summary);
    fputs("\nEvery command has --help with an example.\n", to);
}

/* A standard stream that was closed by our caller must not become the number of a model file:
 * what is printed would land in it. Reading and writing /dev/null opened like this fails, as
 * on the closed stream. */
static void fill_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
    }
}

/* Reading a mapped file beyond its end. Model files are mapped, and whoever overwrites one in place
 * instead of renaming a new one over it makes it shorter for a while. */
static void on_bus_error(int sig) {
    static const char text[] =
        "\ningot: a file in use became shorter or its disk failed; put model "
        "files in place by renaming, then start again\n";
    (void)sig;
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    _exit(EXIT_FAILED);
}

static int help_of(const char *name) {
    for (int c = 0; c < CMD_COUNT; c++) {
        if (strcmp(name, CLI_COMMANDS[c].name) == 0) {
            cli_help(stdout, (cli_command_id)c);
            return EXIT_OK;
        }
    }
    return cli_usage("unknown command \"%s\"; ingot --help lists the commands", name);
}

static int run(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "help") == 0 && argc > 2)
        return help_of(argv[2]);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(argc > 1 ? stdout : stderr);
        return argc > 1 ? EXIT_OK : EXIT_USAGE;
    }
    if (strcmp(name, "--version") == 0) {
        printf("ingot %s\n", ingot_version());
        return EXIT_OK;
    }
    if (strcmp(name, "--bash-completion") == 0) {
        cli_completion(stdout);
        return EXIT_OK;
    }
    bool man = strcmp(name, "--man") == 0;
    if (man && argc == 2) {
        cli_man_overview(stdout);
        return EXIT_OK;
    }
    for (int c = 0; c < CMD_COUNT; c++) {
        if (strcmp(man ? argv[2] : name, CLI_COMMANDS[c].name) != 0)
            continue;
        if (man) {
            cli_man(stdout, (cli_command_id)c);
            return EXIT_OK;
        }
        cli_options o = {.predict = -1, .spread = -1};
        ingot_sampling_defaults(&o.sampling);
        if (!cli_parse((cli_command_id)c, argc, argv, &o))
            return EXIT_USAGE;
        if (o.help) {
            cli_help(stdout, (cli_command_id)c);
            return EXIT_OK;
        }
        return CLI_COMMANDS[c].run(&o);
    }
    return cli_usage("unknown command \"%s\"; ingot --help lists the commands", name);
}

int main(int argc, char **argv) {
    setlocale(LC_CTYPE, "");
    fill_standard_streams();
    signal(SIGBUS, on_bus_error);
    int code = run(argc, argv);
    /* Whatever a command printed last: a full disk must not look like success. */
    bool lost = fflush(stdout) != 0 || ferror(stdout);
    if (lost && code == EXIT_OK)
        code = cli_fail("cannot write to standard output: %s", strerror(errno));
    return code;
}
