/* cpu_team.c: the workers of the cpu backend, their barrier and their chunk counters.
 *
 * Entered by the executor's thread (thread 0 of every run) and by the workers, which start here and
 * never leave. The only file of the backend with atomics.
 *
 * Happens-before: a run is published by storing `run` after fn and user; a worker that loads the
 * new `run` sees them. At a barrier every thread adds to `arrived` (release, acquire), so the last
 * one has seen what all wrote; it then stores `phase`, and whoever loads the new phase has seen it
 * too. A thread goes to sleep only after it counted itself in `sleepers`; the waker changes the
 * word first and looks at `sleepers` second. All four accesses are sequentially consistent, so one
 * of the two always sees the other and no wake is lost.
 *
 * Waiting. A waiter spins because the partner is usually some microseconds away, and a futex sleep
 * costs more than that. It stops spinning soon when spinning did not pay the last time: the partner
 * is then probably waiting for a core, maybe for ours.
 *
 * Busy neighbours. A barrier waits for the thread that another process keeps from its core, so a
 * team of n can be slower than one of n - 1. Every member measures how long it was ready and did
 * not run; when that costs more than a whole thread brings, the next runs get one thread less, and
 * a later run tries again. Measured with a busy loop on one of two cores: 0.46 to 0.48 of the lone
 * speed without this (0.37 at worst), 0.5 with it. */
#include "backend/cpu/cpu_team.h"

#include <assert.h>
#include <stdatomic.h>

#if defined(__x86_64__) || defined(__i386__)
#define PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#define PAUSE() __asm__ volatile("isb" ::: "memory")
#else
#define PAUSE() __asm__ volatile("" ::: "memory")
#endif

#define SPIN_MAX_NS 50000u
#define SPIN_MIN_NS 2000u
#define PAUSES_PER_CLOCK 16 /* a look at the clock costs about as much as one pause */

/* Size of a run. */
#define WINDOW_NS 30000000u    /* run time over which stalls are summed before the size is judged */
#define REST_MIN_NS 200000000u /* how long a thread stays out at first … */
#define REST_MAX_NS 3200000000u /* … and when trying again fails repeatedly */

#define RUN_THREADS_BITS                                                                           \
    12 /* low bits of `run`: threads that take part; above: sequence number                        \
        */
#define RUN_THREADS_MASK ((1u << RUN_THREADS_BITS) - 1)

typedef struct member {
    ig_team *team;
    ig_thread *thread; /* NULL for thread 0 */
    uint32_t index;
    /* Owned by the member's own thread; stall_ns is read by thread 0 after the last barrier of a
     * run. */
    uint32_t spin_ns;
    uint64_t slept_ns; /* in this run, until the wake was sent */
    uint64_t stall_ns; /* in this run: ready, but without a core */
} IG_ALIGNED(IG_CACHE_LINE) member;

typedef struct counter {
    _Atomic uint64_t epoch_next; /* epoch << 32 | next chunk */
} IG_ALIGNED(IG_CACHE_LINE) counter;

/* A word that others wait on. */
typedef struct gate {
    _Atomic uint32_t word;
    _Atomic uint32_t sleepers;
    _Atomic uint64_t opened_ns; /* when it was last opened for sleepers */
} IG_ALIGNED(IG_CACHE_LINE) gate;

/* How many threads the next run gets. Owned by thread 0. */
typedef struct sizing {
    uint32_t n_active;
    uint64_t run_ns, stall_ns; /* in this window */
    uint64_t retry_ns;         /* clock after which one more thread is tried */
    uint64_t rest_ns;
    double
        speed_before; /* threads' worth of progress before the last reduction; 0 = judged already */
} sizing;

struct ig_team {
    gate run;   /* sequence and size of the current run; 0 = none yet */
    gate phase; /* barriers passed */
    _Atomic uint32_t arrived IG_ALIGNED(IG_CACHE_LINE);
    counter counters[IG_TEAM_COUNTERS];
    ig_team_fn fn IG_ALIGNED(IG_CACHE_LINE); /* of the current run */
    void *user;
    sizing size;
    uint32_t n_threads;
    uint32_t n_started; /* workers that run: members 1 to n_started */
    bool pin;
    member *members; /* [n_threads] */
};

static void gate_wait(gate *g, uint32_t old, member *me) {
    const uint64_t start = ig_clock_ns();
    do {
        for (int i = 0; i < PAUSES_PER_CLOCK; i++) {
            if (atomic_load_explicit(&g->word, memory_order_acquire) != old) {
                me->spin_ns = IG_MIN(2 * me->spin_ns, SPIN_MAX_NS);
                return;
            }
            PAUSE();
        }
    } while (ig_clock_ns() - start < me->spin_ns);
    me->spin_ns = IG_MAX(me->spin_ns / 2, SPIN_MIN_NS);
    const uint64_t asleep = ig_clock_ns();
    atomic_fetch_add(&g->sleepers, 1);
    while (atomic_load(&g->word) == old)
        ig_futex_wait((const uint32_t *)(uintptr_t)&g->word, old, 0);
    atomic_fetch_sub(&g->sleepers, 1);
    const uint64_t opened = atomic_load_explicit(&g->opened_ns, memory_order_relaxed);
    if (opened > asleep)
        me->slept_ns += opened - asleep;
}

static void gate_open(gate *g, uint32_t value) {
    /* The stamp is a hint: a waiter that reads an old one counts its sleep as a stall, or the
     * reverse. */
    if (atomic_load_explicit(&g->sleepers, memory_order_relaxed) > 0)
        atomic_store_explicit(&g->opened_ns, ig_clock_ns(), memory_order_relaxed);
    atomic_store(&g->word, value);
    if (atomic_load(&g->sleepers) > 0)
        ig_futex_wake((const uint32_t *)(uintptr_t)&g->word, INT32_MAX);
}

static void meet(ig_team *team, member *me, uint32_t n_active) {
    const uint32_t phase = atomic_load_explicit(&team->phase.word, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) + 1 < n_active) {
        gate_wait(&team->phase, phase, me);
        return;
    }
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    gate_open(&team->phase, phase + 1);
}

/* One member's part of a run. The slice before the last barrier is all that is measured: afterwards
 * stall_ns is thread 0's. */
static void take_part(ig_team *team, member *me, uint32_t n_active) {
    const uint64_t wall = ig_clock_ns(), cpu = ig_thread_cpu_ns();
    me->slept_ns = 0;
    team->fn(team->user, me->index, n_active);
    const uint64_t wall_ns = ig_clock_ns() - wall,
                   busy_ns = ig_thread_cpu_ns() - cpu + me->slept_ns;
    me->stall_ns = wall_ns > busy_ns ? wall_ns - busy_ns : 0;
    meet(team, me, n_active);
}

static void work(void *user) {
    member *me = user;
    ig_team *team = me->team;
    if (team->pin)
        (void)ig_thread_pin(me->index);
    uint32_t seen = 0;
    for (;;) {
        gate_wait(&team->run, seen, me);
        seen = atomic_load_explicit(&team->run.word, memory_order_acquire);
        const uint32_t n_active = seen & RUN_THREADS_MASK;
        if (n_active == 0)
            return;
        if (me->index < n_active)
            take_part(team, me, n_active);
    }
}

static void publish(ig_team *team, uint32_t n_active) {
    const uint32_t old = atomic_load_explicit(&team->run.word, memory_order_relaxed);
    gate_open(&team->run, ((old & ~RUN_THREADS_MASK) + (RUN_THREADS_MASK + 1)) | n_active);
}

ig_status ig_team_open(ig_team **out, uint32_t n_threads, bool pin, ig_err *err) {
    *out = NULL;
    if (n_threads == 0 || n_threads > IG_THREADS_MAX)
        return ig_fail(err, IG_EARGUMENT, "%u threads; give 1 to %u", n_threads, IG_THREADS_MAX);
    ig_team *team = ig_alloc_aligned(sizeof *team, IG_CACHE_LINE);
    if (!team)
        return ig_fail_memory(err, sizeof *team);
    ig_status status = IG_OK;
    team->pin = pin;
    team->n_threads = n_threads;
    team->size = (sizing){.n_active = n_threads, .rest_ns = REST_MIN_NS};
    for (uint32_t i = 0; i < IG_TEAM_COUNTERS; i++)
        atomic_init(&team->counters[i].epoch_next, UINT64_MAX);
    team->members = ig_alloc_aligned(n_threads * sizeof(member), IG_CACHE_LINE);
    if (!team->members) {
        status = ig_fail_memory(err, n_threads * sizeof(member));
        goto out;
    }
    for (uint32_t i = 0; i < n_threads; i++)
        team->members[i] = (member){.team = team, .index = i, .spin_ns = SPIN_MAX_NS};
    for (uint32_t i = 1; i < n_threads; i++) {
        status =
            ig_thread_start(&team->members[i].thread, "ingot-cpu", work, &team->members[i], err);
        if (status)
            goto out;
        team->n_started = i;
    }
    if (pin)
        (void)ig_thread_pin(0);
out:
    if (status)
        ig_team_close(&team);
    *out = team;
    return status;
}

void ig_team_close(ig_team **out) {
    ig_team *team = *out;
    if (!team)
        return;
    *out = NULL;
    publish(team, 0);
    for (uint32_t i = 1; i <= team->n_started; i++)
        ig_thread_join(&team->members[i].thread);
    ig_free(team->members);
    ig_free(team);
}

uint32_t ig_team_size(const ig_team *team) {
    return team->n_threads;
}

/* Adds a run to the window and, when the window is full, decides the size of the next one. */
static void resize(ig_team *team, uint64_t run_ns) {
    sizing *s = &team->size;
    uint64_t worst = 0;
    for (uint32_t i = 0; i < s->n_active; i++)
        worst = IG_MAX(worst, team->members[i].stall_ns);
    s->run_ns += run_ns;
    s->stall_ns += IG_MIN(worst, run_ns);
    if (s->run_ns < WINDOW_NS)
        return;
    const uint64_t now = ig_clock_ns();
    const double speed = s->n_active * (1 - (double)s->stall_ns / (double)s->run_ns);
    s->run_ns = s->stall_ns = 0;
    if (s->speed_before > speed) { /* the reduction did not pay: all cores are wanted by others */
        s->n_active++;
        s->retry_ns = now + REST_MAX_NS;
    } else if (speed < s->n_active - 1 && now >= s->retry_ns) {
        s->speed_before = speed;
        s->n_active--;
        s->retry_ns = now + s->rest_ns;
        s->rest_ns = IG_MIN(2 * s->rest_ns, REST_MAX_NS);
        return;
    } else if (s->n_active < team->n_threads && now >= s->retry_ns) {
        s->n_active++;
    } else if (s->n_active == team->n_threads) {
        s->rest_ns = REST_MIN_NS;
    }
    s->speed_before = 0;
}

void ig_team_run(ig_team *team, ig_team_fn fn, void *user) {
    team->fn = fn;
    team->user = user;
    const uint32_t n_active = team->size.n_active;
    if (n_active > 1)
        publish(team, n_active);
    const uint64_t start = ig_clock_ns();
    take_part(team, &team->members[0], n_active);
    if (team->n_threads > 1)
        resize(team, ig_clock_ns() - start);
}

void ig_team_barrier(ig_team *team, uint32_t thread) {
    meet(team, &team->members[thread], team->size.n_active);
}

uint32_t ig_team_take(ig_team *team, uint32_t index, uint32_t epoch) {
    _Atomic uint64_t *c = &team->counters[index].epoch_next;
    uint64_t seen = atomic_load_explicit(c, memory_order_relaxed);
    while (seen >> 32 != epoch) /* first use in this epoch: whoever wins takes chunk 0 */
        if (atomic_compare_exchange_weak_explicit(c, &seen, ((uint64_t)epoch << 32) + 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return 0;
    return (uint32_t)atomic_fetch_add_explicit(c, 1, memory_order_relaxed);
}
