/* interrupt.c: Ctrl-C and the other signals that end or stop programs. The one place of the program
 * with file-scope state, because a signal handler can reach nothing else. Only the main thread
 * enters; library threads block every signal. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <sys/select.h>

static ingot_session *volatile watched;
static volatile sig_atomic_t caught; /* number of the last signal, 0 = none */
static volatile sig_atomic_t now;    /* of cli_doing */

static const struct {
    int number;
    unsigned doing; /* when it is taken */
} SIGNALS[] = {
    {SIGINT, (unsigned)CLI_ANSWERING | (unsigned)CLI_WRITING | (unsigned)CLI_READING},
    {SIGTERM, (unsigned)CLI_WRITING | (unsigned)CLI_READING},
    {SIGHUP, (unsigned)CLI_WRITING | (unsigned)CLI_READING},
    {SIGPIPE, CLI_WRITING},
    {SIGXFSZ, CLI_WRITING}, /* then the write fails, and says so */
    {SIGTSTP, CLI_READING},
    {SIGWINCH, CLI_READING},
};
static struct sigaction before[IG_COUNT(SIGNALS)];

static void on_signal(int sig) {
    ingot_session *s = watched;
    /* Nobody waits for a step that takes too long: the second one ends the program. */
    if (s && caught && now == CLI_ANSWERING) {
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    caught = sig;
    if (s)
        ingot_session_cancel(s); /* a relaxed atomic store */
}

void cli_interrupt_begin(ingot_session *session, cli_doing doing) {
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: waiting ends */
    sigemptyset(&action.sa_mask);
    caught = 0;
    watched = session;
    now = doing;
    for (size_t i = 0; i < IG_COUNT(SIGNALS); i++) {
        sigaction(SIGNALS[i].number, NULL, &before[i]);
        if ((SIGNALS[i].doing & (unsigned)doing) && before[i].sa_handler != SIG_IGN)
            sigaction(SIGNALS[i].number, &action, NULL);
    }
}

bool cli_interrupt_wait(int fd) {
    sigset_t ours, old;
    fd_set set;
    int ready = 0;
    sigemptyset(&ours);
    for (size_t i = 0; i < IG_COUNT(SIGNALS); i++) {
        if (SIGNALS[i].doing & CLI_READING)
            sigaddset(&ours, SIGNALS[i].number);
    }
    /* A signal between the look at `caught` and the wait would be slept through; so they come
     * in only while waiting. */
    sigprocmask(SIG_BLOCK, &ours, &old);
    while (!caught && ready == 0) {
        FD_ZERO(&set);
        FD_SET(fd, &set);
        ready = pselect(fd + 1, &set, NULL, NULL, NULL, &old);
        if (ready < 0 && errno == EINTR)
            ready = 0;
    }
    sigprocmask(SIG_SETMASK, &old, NULL);
    return ready != 0; /* what is wrong with fd shows when it is read */
}

int cli_interrupt_end(void) {
    watched = NULL;
    for (size_t i = 0; i < IG_COUNT(SIGNALS); i++)
        sigaction(SIGNALS[i].number, &before[i], NULL);
    int sig = caught;
    caught = 0;
    return sig;
}

int cli_interrupt_code(int code) {
    int sig = cli_interrupt_end();
    return code == EXIT_INTERRUPTED && sig ? 128 + sig : code; /* as a shell reports it */
}
