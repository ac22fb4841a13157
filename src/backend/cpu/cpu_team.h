/* cpu_team.h: the worker threads of the cpu backend. They run slices of one step and own nothing.
 *
 * A step is one ig_team_run: every thread executes the same function from start to end and meets
 * the others at barriers. Waiting spins for some tens of microseconds, then sleeps on a futex; idle
 * threads sleep. A run may get fewer threads than the team has: when another process keeps a thread
 * from its core, waiting for it at every barrier costs more than it brings. So a run's function
 * shares work by the n_threads it is given. The caller of run is thread 0. One run at a time. */
#ifndef IG_BACKEND_CPU_TEAM_H
#define IG_BACKEND_CPU_TEAM_H

#include "os/os.h"

typedef struct ig_team ig_team;
typedef void (*ig_team_fn)(void *user, uint32_t thread, uint32_t n_threads);

IG_MUST_USE ig_status ig_team_open(ig_team **out, uint32_t n_threads, bool pin, ig_err *err);
void ig_team_close(ig_team **team);
/* Threads of the team: the most that a run gets. */
uint32_t ig_team_size(const ig_team *team);
void ig_team_run(ig_team *team, ig_team_fn fn, void *user);
/* Inside a run: all threads meet; what any wrote before is seen by all after. */
void ig_team_barrier(ig_team *team, uint32_t thread);
/* Inside a run: dynamic sharing of `n` chunks between two barriers. Every thread calls take() until
 * it returns n or more. Counter `index` is one of IG_TEAM_COUNTERS, chosen by the caller; it resets
 * itself by `epoch`: pass a number that grows by one (the same on all threads) each time the
 * counter is reused, with a barrier between uses. */
#define IG_TEAM_COUNTERS 4
uint32_t ig_team_take(ig_team *team, uint32_t index, uint32_t epoch);

#endif
