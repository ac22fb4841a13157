/* bench_team.c: what a barrier costs, and what is left of a run's speed when another process wants
 * one of the cores.
 *
 *     bench_team [threads]
 *
 * A "token" is 300 phases of 16 chunks of some microseconds, shared by ig_team_take, with a barrier
 * after each phase: the shape of a decode step. The neighbour is a child process, pinned to the
 * last CPU, that counts for ever. */
#include "backend/cpu/cpu_team.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BARRIERS 200000u
#define PHASES 300u
#define CHUNKS 16u
#define ROUNDS 7 /* lone and disturbed, alternating */

typedef struct job {
    ig_team *team;
    uint32_t spins; /* length of a chunk */
    uint32_t epoch; /* of the first phase */
} job;

static void barriers_run(void *user, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    const job *j = user;
    for (uint32_t i = 0; i < BARRIERS; i++)
        ig_team_barrier(j->team, thread);
}

static void chunk(uint32_t spins) {
    for (uint32_t i = 0; i < spins; i++)
        __asm__ volatile("" ::: "memory");
}

static void token_run(void *user, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    const job *j = user;
    for (uint32_t p = 0; p < PHASES; p++) {
        while (ig_team_take(j->team, p % 2, j->epoch + p / 2) < CHUNKS)
            chunk(j->spins);
        ig_team_barrier(j->team, thread);
    }
}

/* Tokens per second over `seconds`; between tokens the caller is busy for a while, as a sampler is.
 */
static double token_rate(job *j, double seconds) {
    const uint64_t start = ig_clock_ns();
    uint64_t now = start;
    uint32_t n = 0;
    while ((double)(now - start) < seconds * 1e9) {
        ig_team_run(j->team, token_run, j);
        j->epoch += PHASES;
        chunk(20 * j->spins);
        n++;
        now = ig_clock_ns();
    }
    return n / ((double)(now - start) * 1e-9);
}

static pid_t neighbour_start(uint32_t cpu) {
    const pid_t child = fork();
    if (child == 0) {
        (void)ig_thread_pin(cpu);
        for (;;)
            chunk(1000);
    }
    return child;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    const uint32_t n = argc > 1 ? (uint32_t)atoi(argv[1]) : ig_core_count();
    ig_err err = {0};
    job j = {0};
    if (ig_team_open(&j.team, n, false, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    double best = 1e9;
    for (int i = 0; i < 10; i++) {
        const uint64_t start = ig_clock_ns();
        ig_team_run(j.team, barriers_run, &j);
        const double ns = (double)(ig_clock_ns() - start) / BARRIERS;
        best = IG_MIN(best, ns);
    }
    printf("threads,%u\nbarrier_ns,%.0f\n", n, best);
    static const double chunk_us[] = {2, 10, 50};
    double spins_per_us = 0;
    for (int i = 0; i < 5; i++) {
        const uint64_t start = ig_clock_ns();
        chunk(20000000);
        spins_per_us = IG_MAX(spins_per_us, 2e7 / ((double)(ig_clock_ns() - start) * 1e-3));
    }
    puts("chunk_us,one_thread_tokens_s,lone_tokens_s,neighbour_tokens_s,share_median,share_min");
    for (size_t k = 0; k < IG_COUNT(chunk_us); k++) {
        j.spins = (uint32_t)(chunk_us[k] * spins_per_us);
        double lone[ROUNDS], shared[ROUNDS], share[ROUNDS];
        for (int i = 0; i < ROUNDS; i++) {
            lone[i] = token_rate(&j, 0.5);
            const pid_t child = neighbour_start(ig_cpu_count() - 1);
            shared[i] = token_rate(&j, 1.5);
            kill(child, SIGKILL);
            waitpid(child, NULL, 0);
            share[i] = shared[i] / lone[i];
        }
        qsort(lone, ROUNDS, sizeof *lone, compare);
        qsort(shared, ROUNDS, sizeof *shared, compare);
        qsort(share, ROUNDS, sizeof *share, compare);
        printf("%.0f,%.1f,%.1f,%.1f,%.3f,%.3f\n", chunk_us[k],
               1e6 / (PHASES * CHUNKS * chunk_us[k]), lone[ROUNDS / 2], shared[ROUNDS / 2],
               share[ROUNDS / 2], share[0]);
        fflush(stdout);
    }
    ig_team_close(&j.team);
    return 0;
}
