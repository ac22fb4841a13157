/* chat_input.c: one message of the user: from a terminal through libedit, with a history that
 * outlives the program; or a line of a pipe. Main thread. */
#include "cli/chat.h"

#include <errno.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define HISTORY_LINES 1000
#define HISTORY_BYTES_MAX (4 << 20) /* a longer file is cut back to HISTORY_LINES */
#define PASTE_MAX (1u << 20)        /* characters of one paste */
#define FENCE "\"\"\""

struct chat_input {
    EditLine *el; /* NULL: standard input is no terminal */
    History *history;
    bool more;       /* a further line of a message: another prompt */
    bool color;      /* of the prompt */
    bool fresh;      /* nothing of this line was read yet */
    bool ansi;       /* the terminal understands escape sequences */
    char path[4096]; /* of the history; empty = none */
};

/* \1 encloses what takes no room on the screen; a visible character must come after it, or it
 * would not be written. */
static char *prompt(EditLine *el) {
    static char first[] = "\1\033[1;32m\1>\1\033[0m\1 ", next[] = "\1\033[32m\1.\1\033[0m\1 ";
    static char plain_first[] = "> ", plain_next[] = ". ";
    chat_input *in = NULL;
    el_get(el, EL_CLIENTDATA, &in);
    if (!in->color)
        return in->more ? plain_next : plain_first;
    return in->more ? next : first;
}

/* $XDG_STATE_HOME/ingot/history, its folders made; empty when there is no home to put it in. */
static void history_path(char out[4096]) {
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    bool own = state && state[0] == '/';
    int n = own                      ? snprintf(out, 4096, "%s/ingot/history", state)
            : home && home[0] == '/' ? snprintf(out, 4096, "%s/.local/state/ingot/history", home)
                                     : -1;
    if (n < 0 || n >= 4096) {
        out[0] = '\0';
        return;
    }
    for (char *p = out + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        /* Fails where it is there already; what else fails shows when the file is written. */
        mkdir(out, 0700);
        *p = '/';
    }
}

static bool open_history(chat_input *in) {
    HistEvent event;
    struct stat st;
    in->history = history_init();
    if (!in->history)
        return false;
    history(in->history, &event, H_SETSIZE, HISTORY_LINES);
    history(in->history, &event, H_SETUNIQUE, 1);
    history_path(in->path);
    if (in->path[0] && stat(in->path, &st) == 0) {
        history(in->history, &event, H_LOAD, in->path);
        if (st.st_size > HISTORY_BYTES_MAX)
            history(in->history, &event, H_SAVE, in->path);
    }
    el_set(in->el, EL_HIST, history, in->history);
    return true;
}

/* Every message is added to the file at once, so that programs that run side by side keep each
 * other's: a history of this one entry is written at the end of the file (with the format's first
 * line where the file is new). */
static void remember(chat_input *in, const char *message) {
    HistEvent event;
    History *one;
    if (history(in->history, &event, H_ENTER, message) < 0 || !in->path[0])
        return;
    mode_t old = umask(077); /* what people ask is nobody else's business */
    FILE *f = fopen(in->path, "a");
    umask(old);
    if (f && fseek(f, 0, SEEK_END) == 0 && (one = history_init()) != NULL) {
        if (history(one, &event, H_SETSIZE, 1) >= 0 && history(one, &event, H_ENTER, message) >= 0)
            history(one, &event, H_SAVE_FP, f);
        history_end(one);
    }
    if (f)
        fclose(f);
}

/* A pasted text may have many lines and is still one message: the terminal puts it between
 * ESC [ 200 ~ and ESC [ 201 ~. */
static unsigned char paste(EditLine *el, wint_t key) {
    static const wchar_t end[] = L"\033[201~";
    const size_t n_end = IG_COUNT(end) - 1;
    wchar_t *text = NULL, c;
    size_t n = 0, cap = 0;
    bool whole = false;
    (void)key;
    while (!whole && n < PASTE_MAX && el_wgetc(el, &c) == 1) {
        if (n + 1 >= cap) {
            cap = cap ? cap * 2 : 1024;
            wchar_t *more = ig_realloc(text, cap, sizeof *more);
            if (!more)
                break;
            text = more;
        }
        text[n++] = c == L'\r' ? L'\n' : c;
        whole = n >= n_end && wmemcmp(text + n - n_end, end, n_end) == 0;
    }
    if (whole)
        n -= n_end;
    bool ok = true;
    if (n) {
        text[n] = L'\0';
        ok = el_winsertstr(el, text) == 0;
    }
    ig_free(text);
    return ok ? CC_REFRESH : CC_ERROR;
}

/* A character from the terminal, for the editor; -1 with EINTR when a signal came. */
static int get_character(EditLine *el, wchar_t *out) {
    mbstate_t state = {0};
    chat_input *in = NULL;
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    el_get(el, EL_CLIENTDATA, &in);
    bool ahead = in->fresh && poll(&ready, 1, 0) == 1; /* typed before there was a prompt */
    in->fresh = false;
    if (!cli_interrupt_wait(STDIN_FILENO)) {
        errno = EINTR;
        return -1;
    }
    for (;;) {
        char byte;
        ssize_t n = read(STDIN_FILENO, &byte, 1);
        if (n <= 0)
            return n == 0 ? 0 : -1;
        /* A Ctrl-D that the terminal took while it still edited lines itself comes as a zero. */
        if (ahead && byte == '\0')
            byte = 'D' & 0x1F;
        size_t used = mbrtowc(out, &byte, 1, &state);
        if (used == (size_t)-1)
            *out = L'\uFFFD';
        if (used != (size_t)-2)
            return 1;
    }
}

static bool open_editor(chat_input *in) {
    /* Without a locale of the user's, characters beyond ASCII could not be typed. */
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    in->el = el_init("ingot", stdin, stdout, stderr);
    if (!in->el)
        return false;
    el_set(in->el, EL_CLIENTDATA, in);
    el_set(in->el, EL_PROMPT_ESC, prompt, '\1');
    el_set(in->el, EL_EDITOR, "emacs");
    el_set(in->el, EL_GETCFN, get_character);
    el_set(in->el, EL_SIGNAL, 0); /* its handlers would signal the whole process group */
    /* el_set would leak its copies. */
    el_wset(in->el, EL_ADDFN, L"ingot-paste", L"insert a pasted text", paste);
    el_set(in->el, EL_BIND, "\033[200~", "ingot-paste", NULL);
    el_set(in->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_source(in->el, NULL); /* the user's ~/.editrc */
    return open_history(in);
}

chat_input *chat_input_open(void) {
    chat_input *in = ig_alloc(1, sizeof *in);
    if (!in)
        return NULL;
    const char *term = getenv("TERM");
    in->ansi = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
    in->color = cli_color(stdout);
    if (isatty(STDIN_FILENO) && !open_editor(in))
        chat_input_close(&in);
    return in;
}

void chat_input_close(chat_input **in) {
    if (!*in)
        return;
    if ((*in)->history)
        history_end((*in)->history);
    if ((*in)->el)
        el_end((*in)->el);
    ig_free(*in);
    *in = NULL;
}

/* Stops the program as Ctrl-Z asked, with the terminal as it was found. Where nobody could start it
 * again (the first process of a container, a session without a shell) the system stops nothing. */
static void suspend(chat_input *in) {
    el_set(in->el, EL_PREP_TERM, 0);
    raise(SIGTSTP);
    el_set(in->el, EL_PREP_TERM, 1);
}

/* A line from the terminal. Signals come here as errors of the read: the half-typed line is pushed
 * back after those that are not meant to throw it away. */
static chat_event edit_line(chat_input *in, ig_buf *line) {
    for (;;) {
        int n = 0;
        if (in->ansi)
            fputs("\033[?2004h", stdout);
        fflush(stdout);
        cli_interrupt_begin(NULL, CLI_READING);
        in->fresh = true;
        /* Before the prompt shows: what is typed from then on is the editor's. */
        el_set(in->el, EL_PREP_TERM, 1);
        const char *text = el_gets(in->el, &n);
        int error = errno, sig = cli_interrupt_end();
        char kept[4096] = "";
        if (sig && sig != SIGINT) {
            const LineInfo *half = el_line(in->el);
            size_t size = (size_t)(half->lastchar - half->buffer);
            if (size < sizeof kept)
                memcpy(kept, half->buffer, size);
        }
        if (in->ansi)
            fputs("\033[?2004l", stdout);
        fflush(stdout);
        bool stop = sig == SIGTERM || sig == SIGHUP;
        if (!stop && text && n > 0) {
            ig_err err = {0};
            if (ig_buf_add(line, text, (size_t)n, &err) == IG_OK)
                return CHAT_MESSAGE;
            cli_fail("%s", err.message);
            return CHAT_FAILED;
        }
        if (sig == SIGINT) {
            el_reset(in->el);
            fputs("^C\n", stdout);
            return CHAT_INTERRUPT;
        }
        if (stop) {
            el_reset(in->el);
            putchar('\n');
            return CHAT_STOPPED;
        }
        if (sig == SIGTSTP)
            suspend(in);
        if (!sig && !(n < 0 && error == EINTR)) {
            putchar('\n');
            return CHAT_END;
        }
        el_resize(in->el);
        fputs("\r\033[K", stdout);
        if (kept[0])
            el_push(in->el, kept);
    }
}

static chat_event pipe_line(ig_buf *line) {
    ig_err err = {0};
    size_t before = line->n;
    for (int c; (c = getchar()) != EOF;) {
        char byte = (char)c;
        if (ig_buf_add(line, &byte, 1, &err) != IG_OK) {
            cli_fail("%s", err.message);
            return CHAT_FAILED;
        }
        if (c == '\n')
            return CHAT_MESSAGE;
    }
    if (ferror(stdin)) {
        cli_fail("cannot read standard input: %s", strerror(errno));
        return CHAT_FAILED;
    }
    return line->n > before ? CHAT_MESSAGE : CHAT_END;
}

/* Appends a line without its end. */
static chat_event read_line(chat_input *in, ig_buf *message) {
    chat_event event = in->el ? edit_line(in, message) : pipe_line(message);
    if (event == CHAT_MESSAGE && message->n && message->p[message->n - 1] == '\n')
        message->p[--message->n] = '\0';
    return event;
}

static chat_event read_fenced(chat_input *in, ig_buf *message) {
    const size_t fence = sizeof FENCE - 1;
    memmove(message->p, message->p + fence, message->n - fence + 1);
    message->n -= fence;
    for (;;) {
        if (message->n >= fence && memcmp(message->p + message->n - fence, FENCE, fence) == 0) {
            message->n -= fence;
            message->p[message->n] = '\0';
            return CHAT_MESSAGE;
        }
        in->more = true;
        if ((message->n && ig_buf_add(message, "\n", 1, NULL) != IG_OK))
            return CHAT_FAILED;
        chat_event event = read_line(in, message);
        if (event != CHAT_MESSAGE)
            return event == CHAT_END && message->n ? CHAT_MESSAGE : event;
    }
}

chat_event chat_input_read(chat_input *in, ig_buf *message) {
    ig_buf_clear(message);
    in->more = false;
    chat_event event = read_line(in, message);
    if (event == CHAT_MESSAGE && message->n >= sizeof FENCE - 1 &&
        memcmp(message->p, FENCE, sizeof FENCE - 1) == 0) {
        event = read_fenced(in, message);
    } else {
        while (event == CHAT_MESSAGE && message->n && message->p[message->n - 1] == '\\') {
            message->p[message->n - 1] = '\n';
            in->more = true;
            chat_event next = read_line(in, message);
            event = next == CHAT_END ? CHAT_MESSAGE : next;
            if (next == CHAT_END)
                break;
        }
    }
    in->more = false;
    if (event == CHAT_MESSAGE && in->el && message->n)
        remember(in, message->p);
    return event;
}
