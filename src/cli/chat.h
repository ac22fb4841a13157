/* chat.h: what the files of the chat share. Private to the cli room.
 *
 * chat.c       the loop: a message in, an answer or a command out
 * chat_input.c a message from the terminal (line editing, history) or from a pipe
 * chat_log.c   the conversation: roles and JSON of every message
 * chat_turn.c  one answer: template, tokens, reuse of what was evaluated, generation
 * chat_commands.c  what begins with a slash */
#ifndef IG_CLI_CHAT_H
#define IG_CLI_CHAT_H

#include "cli/cli.h"

#define CHAT_MESSAGES_MAX 65536u
#define CHAT_ROLE_BYTES 32u

/* chat_log.c ----------------------------------------------------------------------------------- */

typedef struct chat_message {
    char role[CHAT_ROLE_BYTES];
    char *json; /* the whole message, from ig_buf: whatever a loaded file had in it is kept */
} chat_message;

typedef struct chat_log {
    chat_message *items;
    uint32_t n, cap;
} chat_log;

void chat_log_fini(chat_log *log);
IG_MUST_USE ig_status chat_log_add(chat_log *log, const char *role, ig_str text, ig_err *err);
/* Drops everything from message n on. */
void chat_log_cut(chat_log *log, uint32_t n);
/* Sets, replaces or (text.n == 0) removes the system message at the start. */
IG_MUST_USE ig_status chat_log_system(chat_log *log, ig_str text, ig_err *err);
/* JSON array of all messages. */
IG_MUST_USE ig_status chat_log_print(const chat_log *log, ig_buf *out, ig_err *err);
/* The conversation of a JSON array; on failure the old one stays. */
IG_MUST_USE ig_status chat_log_parse(chat_log *log, ig_str json, ig_err *err);
/* Index of the last message of the user, or log->n. */
uint32_t chat_log_last_user(const chat_log *log);

/* chat_input.c --------------------------------------------------------------------------------- */

typedef enum chat_event {
    CHAT_MESSAGE,
    CHAT_INTERRUPT, /* Ctrl-C: the line was thrown away */
    CHAT_END,       /* Ctrl-D or the end of a pipe */
    CHAT_STOPPED,   /* another signal wants the program to end */
    CHAT_FAILED     /* printed */
} chat_event;

typedef struct chat_input chat_input;

/* Reads from the terminal with editing when standard input is one, otherwise
 * lines of standard input. */
chat_input *chat_input_open(void);
void chat_input_close(chat_input **in);
/* A message: a line; several with a backslash at the end of each but the last; or
 * everything between two """. */
chat_event chat_input_read(chat_input *in, ig_buf *message);

/* chat_turn.c ---------------------------------------------------------------------------------- */

typedef struct chat {
    cli_options o; /* a copy: /set changes it */
    ingot_model *model;
    ingot_session *session;
    ingot_model_facts facts;
    ig_buf template_source; /* --chat-template-file */
    bool own_template;
    int32_t begin; /* token put at the start where the template did not, -1 = none */
    chat_log log;
    ig_buf attached; /* text of /read, goes before the next message */
    bool terminal;   /* somebody looks: prompts and notices are printed */
    uint64_t answers;
    ingot_generate_result last;
    uint32_t last_kept; /* prompt tokens that were not evaluated again */
    int code;           /* exit code so far */
} chat;

/* Answers the conversation as it is and puts the answer into it; false when
 * there is none: printed. */
bool chat_answer(chat *c);

/* chat_commands.c ------------------------------------------------------------------------------ */

typedef enum chat_action { CHAT_GO_ON, CHAT_ANSWER, CHAT_EXIT } chat_action;

/* Runs "/name rest". */
chat_action chat_command(chat *c, char *line);
/* "[text]" in a faint colour on a line of standard error. */
void chat_notice(const char *format, ...) IG_PRINTF(1, 2);

#endif
