/* test_board.c: readers of a board see whole states that never go back; flags and counts of owners
 * order what stands behind them. The thread sanitizer's preset runs it. */
#include "os/os.h"
#include "test.h"

enum { WRITES = 30000, THREADS = 3, OBJECTS = 2000, STATE_NUMBERS = 21 };

TEST(a_board_shows_the_last_state) {
    ig_err err = {0};
    uint8_t from[40], to[41];
    for (size_t bytes = 0; bytes <= sizeof from; bytes++) {
        ig_board *board;
        REQUIRE_OK(ig_board_create(&board, bytes, &err));
        memset(to, 0xee, sizeof to);
        ig_board_read(board, to);
        for (size_t i = 0; i < bytes; i++)
            CHECK_EQ(to[i], 0);
        for (uint32_t round = 0; round < 3; round++) {
            for (size_t i = 0; i < bytes; i++)
                from[i] = (uint8_t)(bytes + 7 * i + 50 * round);
            ig_board_write(board, from);
            ig_board_read(board, to);
            CHECK(memcmp(from, to, bytes) == 0);
            CHECK_EQ(to[bytes], 0xee);
        }
        ig_board_destroy(&board);
        CHECK(board == NULL);
        ig_board_destroy(&board);
    }
    ig_board *board;
    CHECK_EQ(ig_board_create(&board, SIZE_MAX, &err), IG_EMEMORY);
    ig_alloc_fail_after(1);
    CHECK_EQ(ig_board_create(&board, 8, &err), IG_EMEMORY);
    ig_alloc_fail_after(0);
    CHECK(board == NULL);
}

typedef struct state {
    uint32_t number[STATE_NUMBERS];
} state;

typedef struct watcher {
    ig_board *board;
    ig_flag *done;
    uint32_t wrong;
} watcher;

static void watch(void *user) {
    watcher *w = user;
    uint32_t last = 0;
    for (bool done = false; !done;) {
        done = ig_flag_get(w->done);
        state s;
        ig_board_read(w->board, &s);
        for (size_t i = 0; i < STATE_NUMBERS; i++)
            w->wrong += s.number[i] != s.number[0];
        w->wrong += s.number[0] < last;
        last = s.number[0];
    }
    w->wrong += last != WRITES;
}

TEST(readers_see_whole_states_in_order) {
    ig_err err = {0};
    ig_flag done = {0};
    ig_board *board;
    REQUIRE_OK(ig_board_create(&board, sizeof(state), &err));
    watcher watchers[THREADS];
    ig_thread *threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        watchers[i] = (watcher){board, &done, 0};
        REQUIRE_OK(ig_thread_start(&threads[i], "watcher", watch, &watchers[i], &err));
    }
    for (uint32_t n = 1; n <= WRITES; n++) {
        state s;
        for (size_t i = 0; i < STATE_NUMBERS; i++)
            s.number[i] = n;
        ig_board_write(board, &s);
        if (n % 64 == 0)
            ig_thread_yield();
    }
    ig_flag_set(&done, 1);
    for (int i = 0; i < THREADS; i++) {
        ig_thread_join(&threads[i]);
        CHECK_EQ(watchers[i].wrong, 0);
    }
    ig_board_destroy(&board);
}

typedef struct object {
    ig_ref_count owners;
    uint32_t seen[THREADS]; /* plain, each thread its own */
} object;

typedef struct owner {
    object **objects;
    uint32_t id, wrong, freed;
} owner;

static void give_up_all(void *user) {
    owner *o = user;
    for (uint32_t i = 0; i < OBJECTS; i++) {
        object *it = o->objects[i];
        ig_ref_retain(&it->owners);
        o->wrong += ig_ref_release(&it->owners); /* one owner is left: this thread */
        it->seen[o->id] = 1;
        if (!ig_ref_release(&it->owners))
            continue;
        for (int t = 0; t < THREADS; t++)
            o->wrong += it->seen[t] != 1;
        ig_free(it);
        o->freed++;
    }
}

TEST(the_last_owner_sees_everything_and_frees) {
    ig_err err = {0};
    static object *objects[OBJECTS];
    for (uint32_t i = 0; i < OBJECTS; i++) {
        objects[i] = ig_alloc(1, sizeof(object));
        REQUIRE(objects[i] != NULL);
        ig_ref_init(&objects[i]->owners);
        for (int t = 1; t < THREADS; t++)
            ig_ref_retain(&objects[i]->owners);
    }
    owner owners[THREADS];
    ig_thread *threads[THREADS];
    for (uint32_t t = 0; t < THREADS; t++) {
        owners[t] = (owner){objects, t, 0, 0};
        REQUIRE_OK(ig_thread_start(&threads[t], "owner", give_up_all, &owners[t], &err));
    }
    uint32_t freed = 0;
    for (int t = 0; t < THREADS; t++) {
        ig_thread_join(&threads[t]);
        CHECK_EQ(owners[t].wrong, 0);
        freed += owners[t].freed;
    }
    CHECK_EQ(freed, OBJECTS);
}

typedef struct handover {
    ig_flag go, sum;
    uint32_t value; /* plain: `go` orders it */
} handover;

static void take_over(void *user) {
    handover *h = user;
    while (ig_flag_swap(&h->go, 0) != 5)
        ig_thread_yield();
    ig_flag_add(&h->sum, h->value);
}

TEST(flags_order_what_stands_behind_them) {
    ig_err err = {0};
    handover h = {0};
    ig_thread *thread;
    REQUIRE_OK(ig_thread_start(&thread, "taker", take_over, &h, &err));
    h.value = 42;
    ig_flag_set(&h.go, 5);
    while (ig_flag_get(&h.sum) != 42)
        ig_thread_yield();
    ig_thread_join(&thread);
    CHECK_EQ(ig_flag_get(&h.go), 0);
    CHECK_EQ(ig_flag_add(&h.sum, UINT32_MAX), 41);
    CHECK_EQ(ig_flag_swap(&h.sum, 7), 41);
    CHECK_EQ(ig_flag_get(&h.sum), 7);
}

TEST(tallies_go_beyond_32_bits) {
    ig_tally t = {0};
    CHECK_EQ(ig_tally_add(&t, UINT32_MAX), UINT32_MAX);
    CHECK_EQ(ig_tally_add(&t, 2), UINT32_MAX + 2ull);
    CHECK_EQ(ig_tally_add(&t, -(uint64_t)UINT32_MAX), 2);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(a_board_shows_the_last_state), T(readers_see_whole_states_in_order),
               T(the_last_owner_sees_everything_and_frees), T(flags_order_what_stands_behind_them),
               T(tallies_go_beyond_32_bits));
}
