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

struct ig_mutex {
    pthread_mutex_t lock;
};

ig_status ig_mutex_create(ig_mutex **out, ig_err *err) {
    ig_mutex *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    if (pthread_mutex_init(&m->lock, NULL) != 0) {
        ig_free(m);
        return ig_fail(err, IG_EMEMORY, "the system has no room for a lock");
    }
    *out = m;
    return IG_OK;
}

void ig_mutex_destroy(ig_mutex **mutex) {
    if (!mutex || !*mutex)
        return;
    (void)pthread_mutex_destroy(&(*mutex)->lock);
    ig_free(*mutex);
    *mutex = NULL;
}

void ig_mutex_lock(ig_mutex *mutex) {
    (void)pthread_mutex_lock(&mutex->lock);
}

void ig_mutex_unlock(ig_mutex *mutex) {
    (void)pthread_mutex_unlock(&mutex->lock);
}
