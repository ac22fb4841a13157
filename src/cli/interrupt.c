/* interrupt.c: Ctrl-C. The one place of the program with file-scope state, because a signal handler can reach nothing else.
 * Only the main thread enters; library threads block every signal. */
#include "cli/cli.h"

#include <signal.h>

static ingot_session *volatile watched;
static volatile sig_atomic_t caught; /* number of the last signal, 0 = none */

static void on_signal(int sig) {
    ingot_session *s = watched;
    if (s && caught) { /* nobody waits for a step that takes too long: the second one ends the program */
        signal(sig, SIG_DFL);
        raise(sig);
        return;
    }
    caught = sig;
    if (s)
        ingot_session_cancel(s); /* a relaxed atomic store */
}

void cli_interrupt_begin(ingot_session *session, bool every) {
    /* No SA_RESTART: a read that waits for a key must come back. */
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    caught = 0;
    watched = session;
    sigaction(SIGINT, &action, NULL);
    if (every) {
        sigaction(SIGTERM, &action, NULL);
        sigaction(SIGHUP, &action, NULL);
        sigaction(SIGTSTP, &action, NULL);
        sigaction(SIGWINCH, &action, NULL);
    }
}

int cli_interrupt_end(void) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGWINCH};
    watched = NULL;
    for (size_t i = 0; i < IG_COUNT(signals); i++)
        signal(signals[i], SIG_DFL);
    int sig = caught;
    caught = 0;
    return sig;
}
