/* test_gate.c: no opening of a gate is missed, timeouts are kept, event descriptors poll. The
 * thread sanitizer's preset runs it. */
#define _GNU_SOURCE /* descriptors are made scarce */
#include "os/os.h"
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>

enum { ROUNDS = 20000, WAITERS = 4 };
#define MS 1000000ull
#define LOST_NS (20000 * MS) /* a wait that took so long was woken by nobody */

TEST(time_passes_without_an_opening) {
    ig_gate gate = {0};
    const uint32_t ticket = ig_gate_ticket(&gate);
    CHECK(!ig_gate_wait(&gate, ticket, 0));
    const uint64_t start = ig_clock_ns();
    CHECK(!ig_gate_wait(&gate, ticket, 20 * MS));
    const uint64_t passed = ig_clock_ns() - start;
    CHECK(passed >= 20 * MS);
    CHECK(passed < 2000 * MS);
    CHECK_EQ(gate.waiters, 0);
    /* An opening between ticket and wait is seen whatever the timeout, any number of times. */
    ig_gate_open(&gate);
    CHECK(ig_gate_wait(&gate, ticket, 0));
    CHECK(ig_gate_wait(&gate, ticket, 1));
    CHECK(ig_gate_wait(&gate, ticket, UINT64_MAX));
    CHECK(!ig_gate_wait(&gate, ig_gate_ticket(&gate), 1));
    CHECK_EQ(gate.waiters, 0);
}

static volatile sig_atomic_t interruptions;

static void interrupt(int number) {
    (void)number;
    interruptions++;
}

/* A signal ends the system call, not the wait, and does not make it longer. */
TEST(signals_do_not_open_a_gate) {
    const struct sigaction action = {.sa_handler = interrupt};
    struct sigaction was;
    REQUIRE(sigaction(SIGALRM, &action, &was) == 0);
    const struct itimerval late = {.it_value = {.tv_usec = 500000}};
    ig_gate gate = {0};
    const uint64_t start = ig_clock_ns();
    REQUIRE(setitimer(ITIMER_REAL, &late, NULL) == 0);
    CHECK(!ig_gate_wait(&gate, ig_gate_ticket(&gate), 600 * MS));
    const uint64_t passed = ig_clock_ns() - start;
    CHECK_EQ(interruptions, 1);
    CHECK(passed >= 600 * MS);
    CHECK(passed < 1050 * MS);
    sigaction(SIGALRM, &was, NULL);
}

typedef struct table {
    ig_gate gate[2];
    uint32_t value[2]; /* atomic: how far each player is */
    uint32_t lost;
} table;

/* Waits until the other one's number is n. */
static void await(table *t, int other, uint32_t n) {
    for (;;) {
        const uint32_t ticket = ig_gate_ticket(&t->gate[other]);
        if (__atomic_load_n(&t->value[other], __ATOMIC_RELAXED) >= n)
            return;
        if (!ig_gate_wait(&t->gate[other], ticket, LOST_NS)) {
            __atomic_add_fetch(&t->lost, 1, __ATOMIC_RELAXED);
            return;
        }
    }
}

static void advance(table *t, int self, uint32_t n) {
    __atomic_store_n(&t->value[self], n, __ATOMIC_RELAXED);
    ig_gate_open(&t->gate[self]);
}

static void answer(void *user) {
    for (uint32_t n = 1; n <= ROUNDS; n++) {
        await(user, 0, n);
        advance(user, 1, n);
    }
}

TEST(two_threads_never_miss_each_other) {
    ig_err err = {0};
    table t = {0};
    ig_thread *thread;
    REQUIRE_OK(ig_thread_start(&thread, "answer", answer, &t, &err));
    for (uint32_t n = 1; n <= ROUNDS && !t.lost; n++) {
        advance(&t, 0, n);
        await(&t, 1, n);
    }
    advance(&t, 0, ROUNDS);
    ig_thread_join(&thread);
    CHECK_EQ(t.lost, 0);
    CHECK_EQ(t.gate[0].waiters + t.gate[1].waiters, 0);
}

static bool third_time(void *user) {
    uint32_t *asked = user;
    return ++*asked >= 3;
}

typedef struct opener {
    ig_gate gate;
    ig_flag done;
} opener;

static void open_often(void *user) {
    opener *o = user;
    while (!ig_flag_get(&o->done)) {
        ig_gate_open(&o->gate);
        ig_thread_yield();
    }
}

TEST(awaiting_asks_after_every_opening) {
    ig_err err = {0};
    opener o = {0};
    ig_thread *thread;
    uint32_t asked = 0;
    CHECK(!ig_gate_await(&o.gate, third_time, &asked, 0));
    CHECK_EQ(asked, 1);
    asked = 0;
    const uint64_t start = ig_clock_ns();
    CHECK(!ig_gate_await(&o.gate, third_time, &asked, 20 * MS)); /* nobody opens */
    CHECK(ig_clock_ns() - start >= 20 * MS);
    CHECK(ig_gate_await(&o.gate, third_time, &asked, 0));
    asked = 0;
    REQUIRE_OK(ig_thread_start(&thread, "open", open_often, &o, &err));
    CHECK(ig_gate_await(&o.gate, third_time, &asked, UINT64_MAX));
    CHECK_EQ(asked, 3);
    ig_flag_set(&o.done, 1);
    ig_thread_join(&thread);
    CHECK_EQ(o.gate.waiters, 0);
}

typedef struct crowd {
    ig_gate gate;
    uint32_t ticket;
    ig_flag woken;
    uint32_t value; /* plain: the gate orders it */
} crowd;

static void stand(void *user) {
    crowd *c = user;
    if (ig_gate_wait(&c->gate, c->ticket, UINT64_MAX) && c->value == 9)
        ig_flag_add(&c->woken, 1);
}

TEST(one_opening_wakes_all) {
    ig_err err = {0};
    crowd c = {0};
    c.ticket = ig_gate_ticket(&c.gate);
    ig_thread *threads[WAITERS];
    for (int i = 0; i < WAITERS; i++)
        REQUIRE_OK(ig_thread_start(&threads[i], "stand", stand, &c, &err));
    while (__atomic_load_n(&c.gate.waiters, __ATOMIC_RELAXED) < WAITERS)
        ig_thread_yield();
    CHECK_EQ(ig_flag_get(&c.woken), 0);
    c.value = 9;
    ig_gate_open(&c.gate);
    for (int i = 0; i < WAITERS; i++)
        ig_thread_join(&threads[i]);
    CHECK_EQ(ig_flag_get(&c.woken), WAITERS);
}

static bool readable(int fd) {
    return poll(&(struct pollfd){fd, POLLIN, 0}, 1, 0) == 1;
}

TEST(an_event_loop_can_wait_for_it) {
    ig_err err = {0};
    int fd;
    REQUIRE_OK(ig_event_fd_open(&fd, &err));
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK(!readable(fd));
    ig_event_fd_clear(fd); /* does not block */
    for (int i = 0; i < 3; i++)
        ig_event_fd_raise(fd);
    CHECK(readable(fd) && readable(fd));
    ig_event_fd_clear(fd);
    CHECK(!readable(fd));
    ig_event_fd_raise(fd);
    CHECK(readable(fd));
    ig_event_fd_close(&fd);
    CHECK_EQ(fd, -1);
    ig_event_fd_close(&fd);

    struct rlimit was;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &was) == 0);
    const struct rlimit none = {0, was.rlim_max};
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    CHECK_EQ(ig_event_fd_open(&fd, &err), IG_EIO);
    CHECK(setrlimit(RLIMIT_NOFILE, &was) == 0);
    CHECK_EQ(fd, -1);
    CHECK(strstr(err.message, "ulimit -n") != NULL);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(time_passes_without_an_opening), T(signals_do_not_open_a_gate),
               T(two_threads_never_miss_each_other), T(awaiting_asks_after_every_opening),
               T(one_opening_wakes_all), T(an_event_loop_can_wait_for_it));
}
