/* test_team.c: barriers order memory, chunks are handed out once, runs follow each other and leave
 * out whom they should, opening survives a full heap. Run under TSan too. */
#include "test.h"

#include "backend/cpu/cpu_team.h"

#include <time.h>

#define THREADS_MAX 8
#define ROUNDS 2000

typedef struct ring {
    ig_team *team;
    uint32_t rounds;
    /* Plain memory on purpose: TSan must find the barrier sufficient. */
    uint32_t cell[THREADS_MAX];
    uint32_t bad;
    uint32_t chunks_seen[64];
    uint32_t runs;
} ring;

/* Every round each thread reads what its neighbour wrote in the round before. */
static void ring_run(void *user, uint32_t thread, uint32_t n_threads) {
    ring *r = user;
    uint32_t bad = 0;
    for (uint32_t round = 1; round <= r->rounds; round++) {
        r->cell[thread] = round;
        ig_team_barrier(r->team, thread);
        bad += r->cell[(thread + 1) % n_threads] != round;
        ig_team_barrier(r->team, thread);
    }
    if (thread == 0)
        r->bad += bad;
    ig_team_barrier(r->team, thread);
    if (thread == n_threads - 1)
        r->bad += bad;
}

TEST(barriers_order_memory) {
    ig_err err = {0};
    static const uint32_t sizes[] = {1, 2, 3, 4, 8};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ring r = {.rounds = sizes[i] <= 2 ? ROUNDS * 10 : ROUNDS / sizes[i]};
        REQUIRE_OK(ig_team_open(&r.team, sizes[i], false, &err));
        CHECK_EQ(ig_team_size(r.team), sizes[i]);
        ig_team_run(r.team, ring_run, &r);
        CHECK_EQ(r.bad, 0);
        ig_team_close(&r.team);
        CHECK(r.team == NULL);
    }
}

static void take_run(void *user, uint32_t thread, uint32_t n_threads) {
    (void)n_threads;
    ring *r = user;
    for (uint32_t epoch = 0; epoch < r->rounds; epoch++) {
        const uint32_t n = epoch % 64 + 1;
        for (uint32_t c; (c = ig_team_take(r->team, epoch % 2, epoch / 2)) < n;)
            r->chunks_seen[c]++; /* one taker per chunk, else a race */
        ig_team_barrier(r->team, thread);
        if (thread == 0) {
            for (uint32_t c = 0; c < 64; c++) {
                r->bad += r->chunks_seen[c] != (c < n);
                r->chunks_seen[c] = 0;
            }
        }
        ig_team_barrier(r->team, thread);
    }
}

TEST(chunks_are_taken_once) {
    ig_err err = {0};
    for (uint32_t n = 1; n <= 4; n++) {
        ring r = {.rounds = ROUNDS / n};
        REQUIRE_OK(ig_team_open(&r.team, n, false, &err));
        ig_team_run(r.team, take_run, &r);
        CHECK_EQ(r.bad, 0);
        ig_team_close(&r.team);
    }
}

static void count_run(void *user, uint32_t thread, uint32_t n_threads) {
    ring *r = user;
    r->cell[thread]++;
    if (thread == 0)
        r->runs += n_threads;
}

TEST(runs_follow_each_other) {
    ig_err err = {0};
    ring r = {0};
    REQUIRE_OK(ig_team_open(&r.team, 3, false, &err));
    for (uint32_t i = 0; i < ROUNDS; i++) {
        ig_team_run(r.team, count_run, &r);
        uint32_t sum = 0; /* all threads are done when run returns */
        for (uint32_t t = 0; t < 3; t++)
            sum += r.cell[t];
        r.bad += sum != r.runs;
        if (i % 500 == 0) { /* long enough for the workers to fall asleep */
            const struct timespec pause = {0, 2000000};
            nanosleep(&pause, NULL);
        }
    }
    CHECK_EQ(r.bad, 0);
    CHECK_EQ(r.cell[0], ROUNDS);
    ig_team_close(&r.team);
}

typedef struct crowd {
    ig_team *team;
    uint32_t smallest;        /* run so far; written by thread 0 */
    uint32_t strangers[1024]; /* per thread: runs it had no part in */
} crowd;

static void crowd_run(void *user, uint32_t thread, uint32_t n_threads) {
    crowd *c = user;
    c->strangers[thread] += thread >= n_threads;
    if (thread == 0)
        c->smallest = n_threads < c->smallest ? n_threads : c->smallest;
    ig_team_barrier(c->team, thread);
    ig_team_barrier(c->team, thread);
}

/* More threads than cores: runs get fewer threads than the team has, and the others must stay out.
 */
TEST(threads_left_out_stay_out) {
    ig_err err = {0};
    static crowd c;
    const uint32_t n = ig_cpu_count() * 4 < 256 ? ig_cpu_count() * 4 : 256;
    c = (crowd){.smallest = n};
    REQUIRE_OK(ig_team_open(&c.team, n, false, &err));
    const uint64_t end = ig_clock_ns() + 1500000000u;
    for (uint32_t more = 200; more && ig_clock_ns() < end; more -= c.smallest < n)
        ig_team_run(c.team, crowd_run, &c);
    ig_team_close(&c.team);
    for (uint32_t i = 0; i < n; i++)
        CHECK_EQ(c.strangers[i], 0);
}

TEST(idle_team_uses_no_cpu) {
    ig_err err = {0};
    ring r = {0};
    REQUIRE_OK(ig_team_open(&r.team, 4, false, &err));
    ig_team_run(r.team, count_run, &r);
    const struct timespec settle = {0, 20000000}, nap = {0, 200000000};
    nanosleep(&settle, NULL);
    const clock_t before = clock(); /* of the whole process */
    nanosleep(&nap, NULL);
    const double used_ms = (double)(clock() - before) * 1e3 / CLOCKS_PER_SEC;
    CHECK(used_ms < 5);
    ig_team_close(&r.team);
}

TEST(bad_sizes_are_refused) {
    ig_err err = {0};
    ig_team *team = NULL;
    CHECK_EQ(ig_team_open(&team, 0, false, &err), IG_EARGUMENT);
    CHECK_EQ(ig_team_open(&team, IG_THREADS_MAX + 1, false, &err), IG_EARGUMENT);
    CHECK(strstr(err.message, "give 1 to") != NULL);
    CHECK(team == NULL);
    ig_team_close(&team);
}

TEST(allocation_failures) {
    for (uint64_t n = 1;; n++) {
        ig_err err = {0};
        ig_team *team = NULL;
        (void)ig_alloc_fail_after(n);
        const ig_status status = ig_team_open(&team, 3, false, &err);
        (void)ig_alloc_fail_after(0);
        CHECK((status == IG_OK) == (team != NULL));
        ig_team_close(&team);
        if (status == IG_OK) {
            CHECK(n > 3);
            break;
        }
        CHECK_EQ(status, IG_EMEMORY);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(barriers_order_memory), T(chunks_are_taken_once),
               T(threads_left_out_stay_out), T(runs_follow_each_other), T(idle_team_uses_no_cpu),
               T(bad_sizes_are_refused), T(allocation_failures));
}
