/* cli.h: what the commands share: options, output, exit codes. Private to the cli room. */
#ifndef IG_CLI_CLI_H
#define IG_CLI_CLI_H

#include <stdio.h>

#include "base/base.h"
#include "ingot/ingot.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

#define CLI_LIST_MAX 64

typedef struct cli_list {
    const char *items[CLI_LIST_MAX];
    uint32_t n;
} cli_list;

/* Every option of every command; the option table says which command takes which.
 * Strings point into argv. */
typedef struct cli_options {
    const char *model; /* positional */
    cli_list words;    /* of a message behind it */
    /* model */
    const char *device, *cpu_isa, *cache_k, *cache_v, *rope_scaling;
    uint32_t threads, context, batch, sequences;
    bool pin, verbose, no_log, quiet;
    double rope_freq_base, rope_freq_scale;
    /* text */
    const char *prompt, *file, *system, *system_file;
    bool help, from_stdin, escape, no_escape, special, no_bos, no_parse_special, no_display_prompt;
    int64_t predict;
    cli_list stop;
    bool chat, no_chat, single_turn;
    const char *template_text, *template_file, *template_args;
    /* sampling */
    ingot_sampling sampling;
    cli_list logit_bias, dry_breakers;
    const char *sampler_letters;
    /* output */
    bool json, ids, archs, metadata, tensors, plan, fit, count;
    const char *out;
    /* template */
    const char *messages, *tools, *bos, *eos, *now;
    bool no_generation_prompt;
    /* bench */
    const char *bench_prompt, *bench_predict, *bench_depth, *output_format;
    uint32_t repeats; /* 0 = as the benchmark likes */
    bool ops, batches, shared_prompt, serve_sim;
    const char *npp, *ntg, *npl;
    uint32_t requests, shared_prefix, load_seed; /* 0 = not given */
    uint64_t kv_tokens;                          /* the same */
    double rate, spread, ttft_slo, itl_slo;      /* spread: negative = not given */
    const char *trace;
    /* perplexity */
    const char *base_file;
    bool kl;
    uint32_t chunks;
} cli_options;

typedef enum cli_command_id {
    CMD_RUN,
    CMD_INFO,
    CMD_BENCH,
    CMD_PERPLEXITY,
    CMD_TOKENIZE,
    CMD_DETOKENIZE,
    CMD_TEMPLATE,
    CMD_LOGITS,
    CMD_COUNT
} cli_command_id;

typedef struct cli_command {
    const char *name;
    const char *usage;   /* after "ingot NAME " */
    const char *summary; /* one line */
    const char *text;    /* paragraphs of the help and the man page */
    const char *example;
    int (*run)(const cli_options *o);
    bool model_optional;
    bool takes_message; /* words behind the model */
} cli_command;

extern const cli_command CLI_COMMANDS[CMD_COUNT];

typedef enum opt_type {
    OPT_FLAG,
    OPT_STR,
    OPT_LIST,
    OPT_U32,
    OPT_I32,
    OPT_I64,
    OPT_U64,
    OPT_F32,
    OPT_F64
} opt_type;

typedef struct opt_row {
    const char *names; /* "-p, --prompt" */
    const char *arg;   /* "TEXT", or all it may be: "a|b"; NULL for flags */
    opt_type type;
    size_t offset;     /* in cli_options */
    unsigned commands; /* bit per command */
    double min, max;   /* of numbers */
    const char *help;  /* ends with the default where there is one */
} opt_row;

extern const opt_row CLI_OPTIONS[];
extern const size_t CLI_OPTION_COUNT;

/* Options of llama.cpp that mean nothing here, and why. */
typedef struct foreign_row {
    const char *names, *why;
} foreign_row;

extern const foreign_row CLI_FOREIGN[];
extern const size_t CLI_FOREIGN_COUNT;

/* options.c */
/* Parses argv[2..]; prints what is wrong and returns false. */
bool cli_parse(cli_command_id command, int argc, char **argv, cli_options *o);
/* Whether name is one of "a, b". */
bool cli_has_name(const char *names, ig_str name);
void cli_help(FILE *to, cli_command_id command);
void cli_man(FILE *to, cli_command_id command);
void cli_man_overview(FILE *to);
void cli_completion(FILE *to);
/* "512,1024" → numbers; false when malformed. */
bool cli_numbers(const char *text, uint32_t *out, uint32_t max, uint32_t *n);

/* The number option of a command by its name without dashes; NULL when there is none. */
const opt_row *cli_number_option(cli_command_id command, const char *name);
/* Stores a value, or prints why not. */
bool cli_option_set(cli_command_id command, const opt_row *row, char *value, cli_options *o);
void cli_option_print(FILE *to, const opt_row *row, const cli_options *o);

/* model_args.c */
void cli_model_options(const cli_options *o, ingot_model_options *m);
/* Opens the model with a progress bar; prints the error; NULL on failure. */
ingot_model *cli_open_model(const cli_options *o, const ingot_model_options *m);
/* The token that the vocabulary puts before a text; -1 when it puts none. */
int32_t cli_begin_token(const ingot_model *model);

/* interrupt.c. Main thread. */
typedef enum cli_doing {
    CLI_ANSWERING = 1, /* Ctrl-C is taken; a second one ends the program */
    CLI_WRITING = 2,   /* whatever would leave half a file is taken, however often it comes */
    CLI_READING = 4    /* all that a terminal sends is taken */
} cli_doing;
/* From now on a signal that is taken cancels what the session does; without a session it is only
 * noted and interrupts a read. Signals that our caller had ignored stay so. */
void cli_interrupt_begin(ingot_session *session, cli_doing doing);
/* Between begin and end, while reading: waits until fd can be read; false when a signal came
 * first. None is slept through. */
bool cli_interrupt_wait(int fd);
/* Signals do again what they did before; returns the one that came, 0 = none. */
int cli_interrupt_end(void);
/* The same; the exit code of a command that ended with `code`. */
int cli_interrupt_code(int code);

/* text_args.c */
/* False, printed, when the text is given twice. */
bool cli_check_text(const cli_options *o);
/* The text, from standard input where none is given; escapes are read unless --no-escape says
 * otherwise (not in a message, nor on standard input that nobody named). False: printed. */
bool cli_read_text(const cli_options *o, ig_buf *out);
/* A file's last newline is seldom meant. */
void cli_drop_newline(ig_buf *text);
/* False, printed, for a text that is far too long: tokenising it would take long for nothing. */
bool cli_may_fit(const ingot_model *model, size_t bytes, uint32_t context);

/* generate_args.c */
/* Options → what ingot_generate wants. bias has room for CLI_LIST_MAX and lives as long
 * as g. False: printed. */
bool cli_generate_options(const cli_options *o, ingot_generate_options *g, ingot_logit_bias *bias);
/* {"text": …, "stop": …, …} and a newline on standard output. */
void cli_print_generated(const char *text, size_t n, const ingot_generate_result *r);
/* Speed, on standard error. */
void cli_print_speed(const ingot_model_facts *facts, const ingot_generate_result *r);

/* info_fit.c. Returns the exit code. */
int cli_info_fit(const cli_options *o, const ingot_model_options *m);

/* chat.c */
/* Talks until the end of input; *first is the first message when it has bytes.
 * Returns the exit code. */
int cli_chat(const cli_options *o, ingot_model *model, const ig_buf *first);

/* output.c */
/* Text that a model made or a file holds. On a terminal, what it might take for a command (control
 * characters but for newline and tab) becomes U+FFFD. n bytes of whole characters. False when f
 * takes no more; standard output is flushed. */
bool cli_put_visible(FILE *f, const char *p, size_t n);
/* printf through cli_put_visible; longer lines are cut. */
bool cli_print_visible(FILE *f, const char *format, ...) IG_PRINTF(2, 3);
/* "ingot: message" in red on a terminal, on standard error; returns EXIT_FAILED. */
int cli_fail(const char *format, ...) IG_PRINTF(1, 2);
int cli_fail_error(const ingot_error *error);
/* The same for wrong use; returns EXIT_USAGE. */
int cli_usage(const char *format, ...) IG_PRINTF(1, 2);
bool cli_color(FILE *f);
bool cli_is_terminal(FILE *f);
/* Progress bar on a terminal, for work that takes longer than a second; share 0..1; gone at 1. user
 * is a cli_bar that starts from {"what is done"}. */
typedef struct cli_bar {
    const char *what;
    double started;
    bool shown;
} cli_bar;
void cli_progress(void *user, double share);
/* False, printed, where writing to path would replace one of the inputs (NULLs are skipped) or
 * another model. */
bool cli_may_replace(const char *path, const char *const *inputs, size_t n);
/* Reads a whole file ("-" = stdin) or prints why not. */
bool cli_read_file(const char *path, ig_buf *out);
/* Handles \n \t \\ \" \xHH as llama.cpp does, in place; returns the new length. */
size_t cli_unescape(char *text, size_t n);
/* cli_put_visible on standard output; false (with a message) on a full disk or a closed pipe. */
bool cli_write(const char *p, size_t n);
void cli_put_json_string(FILE *f, const char *p, size_t n);
/* null for what JSON has no number for. */
void cli_put_json_number(FILE *f, double d);

/* Ids of a file, separated by blanks or commas; *ids is freed with ig_free, also on failure. */
bool cli_read_ids(const char *path, int32_t **ids, size_t *n);

int cmd_run(const cli_options *o);
int cmd_info(const cli_options *o);
int cmd_bench(const cli_options *o);
int cmd_perplexity(const cli_options *o);
int cmd_tokenize(const cli_options *o);
int cmd_detokenize(const cli_options *o);
int cmd_template(const cli_options *o);
int cmd_logits(const cli_options *o);

#endif
