/* gate.c: waiting until something changes: gates for threads, event descriptors for event loops.
 * Any thread. */
#include "os/os_int.h"

#include <errno.h>
#include <limits.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Who opens: changes the world, adds to count, looks at waiters. Who waits: takes count as his
 * ticket, looks at the world, adds to waiters, looks at count (here, and the kernel once more).
 * - A ticket that holds an opening's count sees what was changed before it (release, acquire).
 * - Adding and then looking at the other's number is sequentially consistent on both sides, so at
 *   least one of them sees the other: the waiter goes on, or the opener wakes.
 * A waiter is missed only when exactly 2^32 openings fall between his ticket and his wait. */

uint32_t ig_gate_ticket(ig_gate *gate) {
    return __atomic_load_n(&gate->count, __ATOMIC_ACQUIRE);
}

static bool opened(const ig_gate *gate, uint32_t ticket) {
    return __atomic_load_n(&gate->count, __ATOMIC_SEQ_CST) != ticket;
}

bool ig_gate_wait(ig_gate *gate, uint32_t ticket, uint64_t timeout_ns) {
    if (timeout_ns == 0 || opened(gate, ticket))
        return opened(gate, ticket);
    const bool forever = timeout_ns == UINT64_MAX;
    const uint64_t start = forever ? 0 : ig_clock_ns();
    uint64_t passed = 0;
    bool open;
    (void)__atomic_add_fetch(&gate->waiters, 1, __ATOMIC_SEQ_CST);
    while (!(open = opened(gate, ticket)) && passed < timeout_ns) {
        ig_futex_wait(&gate->count, ticket, forever ? 0 : timeout_ns - passed);
        passed = forever ? 0 : ig_clock_ns() - start;
    }
    (void)__atomic_sub_fetch(&gate->waiters, 1, __ATOMIC_RELAXED);
    return open;
}

void ig_gate_open(ig_gate *gate) {
    (void)__atomic_add_fetch(&gate->count, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&gate->waiters, __ATOMIC_SEQ_CST))
        ig_futex_wake(&gate->count, INT_MAX);
}

bool ig_gate_await(ig_gate *gate, bool (*there)(void *user), void *user, uint64_t timeout_ns) {
    const bool forever = timeout_ns == UINT64_MAX;
    const uint64_t start = ig_clock_ns();
    for (;;) {
        const uint32_t ticket = ig_gate_ticket(gate);
        if (there(user))
            return true;
        const uint64_t spent = forever ? 0 : ig_clock_ns() - start;
        if (spent >= timeout_ns)
            return false;
        (void)ig_gate_wait(gate, ticket, forever ? UINT64_MAX : timeout_ns - spent);
    }
}

ig_status ig_event_fd_open(int *fd, ig_err *err) {
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd >= 0 ? IG_OK : ig_fail_errno(err, errno, "open", "an event descriptor");
}

void ig_event_fd_close(int *fd) {
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Neither can fail but for EAGAIN, which means that it is so already. */
void ig_event_fd_raise(int fd) {
    (void)eventfd_write(fd, 1);
}

void ig_event_fd_clear(int fd) {
    eventfd_t n;
    (void)eventfd_read(fd, &n);
}
