/* thread.c: threads, pinning and the futex. An ig_thread belongs to the thread that started it. */
#include "os/os_int.h"
#include "os/system_int.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct ig_thread {
    pthread_t handle;
    void (*body)(void *user);
    void *user;
    char name[16];
};

static void *start(void *p) {
    ig_thread *t = p;
    (void)pthread_setname_np(pthread_self(), t->name);
    t->body(t->user);
    return NULL;
}

ig_status ig_thread_start(ig_thread **out, const char *name, void (*body)(void *user), void *user,
                          ig_err *err) {
    *out = NULL;
    ig_thread *t = ig_alloc(1, sizeof *t);
    if (!t)
        return ig_fail_memory(err, sizeof *t);
    t->body = body;
    t->user = user;
    snprintf(t->name, sizeof t->name, "%.15s", name);
    /* Signals are for the thread that the program chose: ours start with all of them blocked but
     * for those that a thread brings on itself, so that the program's handler can report them. */
    static const int OWN_FAULTS[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL};
    sigset_t others, old;
    sigfillset(&others);
    for (size_t i = 0; i < IG_COUNT(OWN_FAULTS); i++)
        sigdelset(&others, OWN_FAULTS[i]);
    (void)pthread_sigmask(SIG_SETMASK, &others, &old);
    const int error = pthread_create(&t->handle, NULL, start, t);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        ig_free(t);
        return ig_fail(
            err, IG_EIO,
            "cannot start thread %s: %s; use fewer threads or raise the limit (ulimit -u)", name,
            ig_os_error_text(error));
    }
    *out = t;
    return IG_OK;
}

void ig_thread_join(ig_thread **thread) {
    if (!*thread)
        return;
    (void)pthread_join((*thread)->handle, NULL);
    ig_free(*thread);
    *thread = NULL;
}

bool ig_thread_pin(uint32_t nth) {
    uint32_t cpu;
    if (!ig_cpu_nth(nth, &cpu))
        return false;
    unsigned long mask[8192 / (8 * sizeof(unsigned long))] = {0};
    mask[cpu / (8 * sizeof *mask)] = 1ul << cpu % (8 * sizeof *mask);
    return sched_setaffinity(0, sizeof mask, (const cpu_set_t *)mask) == 0;
}

void ig_thread_yield(void) {
    (void)sched_yield();
}

void ig_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns) {
    const struct timespec timeout = {(time_t)(timeout_ns / 1000000000u),
                                     (long)(timeout_ns % 1000000000u)};
    (void)syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns ? &timeout : NULL, NULL,
                  0);
}

void ig_futex_wake(const uint32_t *word, int n) {
    (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

/* A ticket lock: whoever comes first is served first. The executor takes a model's lock anew some
 * microseconds after it gave it back, step after step; with a lock that has no order a session
 * would hardly ever get it. */
struct ig_mutex {
    uint32_t next;    /* ticket of the next who comes */
    uint32_t serving; /* ticket whose turn it is */
};

ig_status ig_mutex_create(ig_mutex **out, ig_err *err) {
    ig_mutex *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    *out = m;
    return IG_OK;
}

void ig_mutex_destroy(ig_mutex **mutex) {
    if (!mutex)
        return;
    ig_free(*mutex);
    *mutex = NULL;
}

/* Acquire: what was written before the unlock that served this ticket is seen. */
void ig_mutex_lock(ig_mutex *mutex) {
    const uint32_t ticket = __atomic_fetch_add(&mutex->next, 1, __ATOMIC_SEQ_CST);
    for (uint32_t now; (now = __atomic_load_n(&mutex->serving, __ATOMIC_ACQUIRE)) != ticket;)
        ig_futex_wait(&mutex->serving, now, 0);
}

/* Whoever took a ticket before this look at `next` is woken; whoever takes one after it sees the
 * new `serving`, because both are in the one order of sequentially consistent operations. */
void ig_mutex_unlock(ig_mutex *mutex) {
    const uint32_t served = __atomic_add_fetch(&mutex->serving, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&mutex->next, __ATOMIC_SEQ_CST) != served)
        ig_futex_wake(&mutex->serving, INT32_MAX);
}
