/* test_ring.c: rings lose, double and reorder nothing, alone and among threads; logs likewise. The
 * thread sanitizer's preset runs it. */
#include "os/os.h"
#include "test.h"

enum { SENDERS = 3, RECEIVERS = 3, EACH = 20000, RECORDS = 50000 };

TEST(a_ring_keeps_order_and_bounds) {
    ig_err err = {0};
    ig_ring *ring;
    static int items[5];
    REQUIRE_OK(ig_ring_create(&ring, 3, &err)); /* becomes 4 */
    CHECK(ig_ring_pop(ring) == NULL);
    for (int round = 0; round < 100; round++) {
        const int n = round % 4 + 1;
        for (int i = 0; i < n; i++)
            CHECK(ig_ring_push(ring, &items[i]));
        CHECK_EQ(ig_ring_count(ring), n);
        CHECK(ig_ring_push(ring, &items[4]) == (n < 4));
        for (int i = 0; i < n; i++)
            CHECK(ig_ring_pop(ring) == &items[i]);
        CHECK(ig_ring_pop(ring) == (n < 4 ? &items[4] : NULL));
        CHECK_EQ(ig_ring_count(ring), 0);
    }
    ig_ring_destroy(&ring);
    CHECK(ring == NULL);
    ig_ring_destroy(&ring);
    CHECK_EQ(ig_ring_create(&ring, SIZE_MAX, &err), IG_EMEMORY);
    CHECK(ring == NULL && strstr(err.message, "; ") != NULL);
    ig_alloc_fail_after(1);
    CHECK_EQ(ig_ring_create(&ring, 8, &err), IG_EMEMORY);
    ig_alloc_fail_after(0);
    REQUIRE_OK(ig_ring_create(&ring, 0, &err)); /* becomes 2 */
    CHECK(ig_ring_push(ring, items) && ig_ring_push(ring, items) && !ig_ring_push(ring, items));
    ig_ring_destroy(&ring);
}

typedef struct message {
    uint32_t sender, number, taken; /* plain: the ring orders them */
} message;

typedef struct party {
    ig_ring *ring;
    uint32_t *left; /* messages that nobody took yet */
    uint32_t id, wrong;
    message messages[EACH]; /* of a sender */
} party;

static void send_all(void *user) {
    party *p = user;
    for (uint32_t i = 0; i < EACH; i++) {
        p->messages[i] = (message){p->id, i, 0};
        while (!ig_ring_push(p->ring, &p->messages[i]))
            ig_thread_yield();
    }
}

static void receive(void *user) {
    party *p = user;
    uint32_t next[SENDERS] = {0};
    while (__atomic_load_n(p->left, __ATOMIC_RELAXED)) {
        message *m = ig_ring_pop(p->ring);
        if (!m) {
            ig_thread_yield();
            continue;
        }
        /* One sender's messages reach one receiver in the order of sending. */
        p->wrong += m->sender >= SENDERS || m->number < next[m->sender] || m->taken;
        next[m->sender % SENDERS] = m->number + 1;
        m->taken++;
        __atomic_sub_fetch(p->left, 1, __ATOMIC_RELAXED);
    }
}

TEST(threads_meet_at_a_ring) {
    ig_err err = {0};
    static party parties[SENDERS + RECEIVERS];
    ig_thread *threads[SENDERS + RECEIVERS] = {0};
    uint32_t left = SENDERS * EACH;
    ig_ring *ring;
    REQUIRE_OK(ig_ring_create(&ring, 16, &err));
    for (uint32_t i = 0; i < IG_COUNT(parties); i++) {
        parties[i].ring = ring;
        parties[i].left = &left;
        parties[i].id = i;
        REQUIRE_OK(ig_thread_start(&threads[i], "party", i < SENDERS ? send_all : receive,
                                   &parties[i], &err));
    }
    for (uint32_t i = 0; i < IG_COUNT(parties); i++)
        ig_thread_join(&threads[i]);
    for (uint32_t i = 0; i < IG_COUNT(parties); i++)
        CHECK_EQ(parties[i].wrong, 0);
    uint32_t once = 0;
    for (uint32_t i = 0; i < SENDERS * EACH; i++)
        once += parties[i / EACH].messages[i % EACH].taken == 1;
    CHECK_EQ(once, SENDERS * EACH);
    CHECK_EQ(ig_ring_count(ring), 0);
    ig_ring_destroy(&ring);
}

typedef struct record {
    uint32_t number, square, spare; /* 12 bytes: records are not aligned */
} record;

TEST(a_log_gives_back_what_was_added) {
    ig_err err = {0};
    ig_record_log log;
    REQUIRE_OK(ig_record_log_init(&log, sizeof(record), &err));
    record out[3 * IG_LOG_CHUNK];
    CHECK_EQ(ig_record_log_take(&log, out, 1), 0);
    uint32_t added = 0, taken = 0;
    /* Runs that end before, at and after the border of a chunk. */
    for (uint32_t round = 0; round < 400; round++) {
        for (uint32_t i = 0; i < round % (2 * IG_LOG_CHUNK + 3); i++, added++)
            CHECK_OK(ig_record_log_add(&log, &(record){added, added * added, 0}, &err));
        CHECK_EQ(ig_record_log_pending(&log), added - taken);
        const size_t n = ig_record_log_take(&log, out, round % 5 ? IG_COUNT(out) : 1);
        for (size_t i = 0; i < n; i++, taken++)
            CHECK(out[i].number == taken && out[i].square == taken * taken);
    }
    CHECK_EQ(ig_record_log_take(&log, out, 0), 0);
    for (; added % IG_LOG_CHUNK; added++)
        CHECK_OK(ig_record_log_add(&log, &(record){added, added, 0}, &err));
    /* The next record needs a chunk: without memory nothing is appended. */
    const uint64_t before = ig_record_log_pending(&log);
    ig_alloc_fail_after(1);
    CHECK_EQ(ig_record_log_add(&log, &(record){added, 0, 0}, &err), IG_EMEMORY);
    ig_alloc_fail_after(0);
    CHECK_EQ(ig_record_log_pending(&log), before);
    CHECK_OK(ig_record_log_add(&log, &(record){added, 7, 0}, &err));
    uint32_t last = 0;
    for (size_t n; (n = ig_record_log_take(&log, out, IG_COUNT(out)));)
        last = out[n - 1].square;
    CHECK_EQ(last, 7);
    ig_record_log_fini(&log);
    ig_alloc_fail_after(1);
    CHECK_EQ(ig_record_log_init(&log, 8, &err), IG_EMEMORY);
    ig_alloc_fail_after(0);
    ig_record_log_fini(&log);
}

static void write_log(void *user) {
    for (uint32_t i = 0; i < RECORDS; i++) {
        ig_err err = {0};
        if (ig_record_log_add(user, &(record){i, i * i, 0}, &err))
            return;
    }
}

TEST(a_log_is_read_while_it_grows) {
    ig_err err = {0};
    ig_record_log log;
    ig_thread *writer;
    REQUIRE_OK(ig_record_log_init(&log, sizeof(record), &err));
    REQUIRE_OK(ig_thread_start(&writer, "writer", write_log, &log, &err));
    uint32_t wrong = 0;
    for (uint32_t seen = 0; seen < RECORDS;) {
        record out[100];
        const size_t n = ig_record_log_take(&log, out, seen % 100 + 1);
        for (size_t i = 0; i < n; i++, seen++)
            wrong += out[i].number != seen || out[i].square != seen * seen;
        if (!n)
            ig_thread_yield();
    }
    ig_thread_join(&writer);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(ig_record_log_pending(&log), 0);
    ig_record_log_fini(&log);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(a_ring_keeps_order_and_bounds), T(threads_meet_at_a_ring),
               T(a_log_gives_back_what_was_added), T(a_log_is_read_while_it_grows));
}
