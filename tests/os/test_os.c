/* test_os.c: maps, atomic replacement, threads and futexes, and what the machine says about itself.
 */
#define _GNU_SOURCE /* the test looks at the machine behind the face */
#include "os/os.h"
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return n;
}

static ig_status replace(const char *path, const char *text, bool commit, ig_err *err) {
    ig_file_writer *w;
    IG_TRY(ig_file_writer_open(&w, path, err));
    ig_status status = ig_file_writer_add(w, text, strlen(text), err);
    ig_status closed = ig_file_writer_close(&w, commit && !status, err);
    return status ? status : closed;
}

TEST(a_file_is_replaced_as_a_whole_or_not_at_all) {
    ig_err err = {0};
    const char *path = in_folder("model");
    CHECK_OK(replace(path, "old", true, &err));
    CHECK_OK(chmod(path, 0640) ? ig_fail(&err, IG_EIO, "chmod") : IG_OK);
    CHECK_OK(replace(path, "dropped", false, &err));
    ig_map map;
    REQUIRE_OK(ig_map_open(&map, path, &err));
    CHECK(map.bytes == 3 && memcmp(map.p, "old", 3) == 0);
    /* The map keeps the old bytes while the file changes below it. */
    CHECK_OK(replace(path, "newer", true, &err));
    CHECK(memcmp(map.p, "old", 3) == 0);
    ig_map_close(&map);
    ig_buf buf;
    ig_buf_init(&buf, 100);
    CHECK_OK(ig_file_read(path, &buf, &err));
    CHECK_STR(buf.p, "newer");
    ig_buf_fini(&buf);
    struct stat st;
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK_EQ(files_in_folder(), 1);
    unlink(path);
}

TEST(two_writers_of_one_path_do_not_meet) {
    ig_err err = {0};
    const char *path = in_folder("twice");
    ig_file_writer *a, *b;
    REQUIRE_OK(ig_file_writer_open(&a, path, &err));
    REQUIRE_OK(ig_file_writer_open(&b, path, &err));
    CHECK_OK(ig_file_writer_add(a, "a", 1, &err));
    CHECK_OK(ig_file_writer_add(b, "bb", 2, &err));
    CHECK_OK(ig_file_writer_close(&b, true, &err));
    CHECK_OK(ig_file_writer_close(&a, true, &err));
    CHECK(a == NULL && b == NULL);
    ig_map map;
    REQUIRE_OK(ig_map_open(&map, path, &err));
    CHECK_EQ(map.bytes, 1);
    ig_map_close(&map);
    CHECK_EQ(files_in_folder(), 1);
    unlink(path);
}

TEST(large_and_small_writes_keep_their_order) {
    ig_err err = {0};
    const char *path = in_folder("large");
    const size_t n = 3u << 20;
    uint8_t *bytes = ig_alloc(n, 1);
    REQUIRE(bytes != NULL);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 24);
    ig_file_writer *w;
    REQUIRE_OK(ig_file_writer_open(&w, path, &err));
    size_t at = 0, step = 1;
    while (at < n) {
        size_t part = step < n - at ? step : n - at;
        CHECK_OK(ig_file_writer_add(w, bytes + at, part, &err));
        at += part;
        step = step * 5 % 1500007 + 1;
    }
    CHECK_OK(ig_file_writer_close(&w, true, &err));
    ig_map map;
    REQUIRE_OK(ig_map_open(&map, path, &err));
    CHECK(map.bytes == n && memcmp(map.p, bytes, n) == 0);
    ig_map_prefetch(&map, 5, n);
    ig_map_drop(&map, 5, SIZE_MAX - 5);
    ig_map_drop(&map, SIZE_MAX, 1);
    CHECK(memcmp(map.p, bytes, n) == 0);
    ig_map_close(&map);
    ig_free(bytes);
    unlink(path);
}

TEST(a_full_disk_is_reported_and_leaves_nothing) {
    ig_err err = {0};
    struct rlimit old, small = {4096, 4096};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    small.rlim_max = old.rlim_max;
    const char *path = in_folder("full");
    CHECK_OK(replace(path, "old", true, &err));
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    ig_file_writer *w;
    REQUIRE_OK(ig_file_writer_open(&w, path, &err));
    setrlimit(RLIMIT_FSIZE, &small);
    static const uint8_t zeros[2 << 20];
    CHECK_EQ(ig_file_writer_add(w, zeros, sizeof zeros, &err), IG_EIO);
    CHECK(strstr(err.message, "; ") != NULL);
    CHECK_EQ(ig_file_writer_close(&w, true, &err), IG_EIO);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    ig_map map;
    REQUIRE_OK(ig_map_open(&map, path, &err));
    CHECK(map.bytes == 3);
    ig_map_close(&map);
    CHECK_EQ(files_in_folder(), 1);
    unlink(path);
}

TEST(wrong_paths_are_refused_with_a_remedy) {
    ig_err err = {0};
    ig_map map;
    CHECK_EQ(ig_map_open(&map, in_folder("absent"), &err), IG_EIO);
    CHECK(strstr(err.message, "absent") && strstr(err.message, "; "));
    CHECK_EQ(ig_map_open(&map, folder, &err), IG_EARGUMENT);
    CHECK(strstr(err.message, "folder") && strstr(err.message, "; "));
    CHECK_EQ(ig_map_open(&map, "/dev/null", &err), IG_EARGUMENT);
    CHECK(mkfifo(in_folder("pipe"), 0600) == 0);
    CHECK_EQ(ig_map_open(&map, in_folder("pipe"), &err), IG_EARGUMENT);
    unlink(in_folder("pipe"));
    ig_file_writer *w;
    CHECK_EQ(ig_file_writer_open(&w, "/dev/null", &err), IG_EARGUMENT);
    CHECK_EQ(ig_file_writer_open(&w, folder, &err), IG_EARGUMENT);
    CHECK_EQ(ig_file_writer_open(&w, in_folder("no/such"), &err), IG_EIO);
    CHECK(w == NULL);
    ig_buf buf;
    ig_buf_init(&buf, 2);
    CHECK_EQ(ig_file_read(in_folder("absent"), &buf, &err), IG_EIO);
    CHECK_EQ(ig_file_read(folder, &buf, &err), IG_EIO);
    CHECK_OK(replace(in_folder("three"), "abc", true, &err));
    CHECK_EQ(ig_file_read(in_folder("three"), &buf, &err), IG_ELIMIT);
    ig_buf_fini(&buf);
    unlink(in_folder("three"));
    CHECK_OK(replace(in_folder("empty"), "", true, &err));
    REQUIRE_OK(ig_map_open(&map, in_folder("empty"), &err));
    CHECK(map.p == NULL && map.bytes == 0);
    ig_map_close(&map);
    unlink(in_folder("empty"));
}

typedef struct baton {
    uint32_t turn;
    uint32_t rounds;
} baton;

static void ponger(void *user) {
    baton *b = user;
    for (uint32_t i = 0; i < b->rounds; i++) {
        for (uint32_t t; (t = __atomic_load_n(&b->turn, __ATOMIC_SEQ_CST)) != 2 * i + 1;)
            ig_futex_wait(&b->turn, t, 0);
        __atomic_store_n(&b->turn, 2 * i + 2, __ATOMIC_SEQ_CST);
        ig_futex_wake(&b->turn, 1);
    }
}

TEST(threads_hand_over_through_a_futex) {
    ig_err err = {0};
    baton b = {0, 2000};
    ig_thread *thread;
    REQUIRE_OK(ig_thread_start(&thread, "a name that is too long", ponger, &b, &err));
    for (uint32_t i = 0; i < b.rounds; i++) {
        __atomic_store_n(&b.turn, 2 * i + 1, __ATOMIC_SEQ_CST);
        ig_futex_wake(&b.turn, 1);
        for (uint32_t t; (t = __atomic_load_n(&b.turn, __ATOMIC_SEQ_CST)) != 2 * i + 2;)
            ig_futex_wait(&b.turn, t, 0);
    }
    ig_thread_join(&thread);
    CHECK(thread == NULL);
    ig_thread_join(&thread);
    uint32_t word = 7;
    uint64_t before = ig_clock_ns();
    ig_futex_wait(&word, 7, 5000000);
    CHECK(ig_clock_ns() - before >= 4000000);
    ig_futex_wait(&word, 8, 0); /* another value: returns at once */
}

static void pin_self(void *user) {
    uint32_t *n = user;
    n[0] = ig_thread_pin(0);
    n[1] = ig_cpu_count();
    n[2] = ig_thread_pin(1u << 20);
    ig_thread_yield();
}

typedef struct queuer {
    ig_mutex *lock;
    uint32_t served;
} queuer;

static void queue_up(void *user) {
    queuer *q = user;
    ig_mutex_lock(q->lock);
    q->served++;
    ig_mutex_unlock(q->lock);
}

/* Who unlocks and locks again at once comes after who waited. */
TEST(a_lock_serves_in_the_order_of_asking) {
    queuer q = {0};
    ig_err err = {0};
    REQUIRE_OK(ig_mutex_create(&q.lock, &err));
    for (uint32_t i = 0; i < 20; i++) {
        ig_thread *thread = NULL;
        ig_mutex_lock(q.lock);
        REQUIRE_OK(ig_thread_start(&thread, "queuer", queue_up, &q, &err));
        const uint64_t start = ig_clock_ns();
        while (ig_clock_ns() - start < 5000000) /* it asks meanwhile */
            ig_thread_yield();
        ig_mutex_unlock(q.lock);
        ig_mutex_lock(q.lock);
        CHECK_EQ(q.served, i + 1);
        ig_mutex_unlock(q.lock);
        ig_thread_join(&thread);
    }
    ig_mutex_destroy(&q.lock);
    CHECK(q.lock == NULL);
}

TEST(the_machine_is_described) {
    ig_err err = {0};
    uint32_t cpus = ig_cpu_count(), cores = ig_core_count();
    CHECK(cpus >= 1 && cores >= 1 && cores <= cpus);
    CHECK(cpus <= (uint32_t)sysconf(_SC_NPROCESSORS_CONF));
    uint32_t seen[3] = {0};
    ig_thread *thread;
    REQUIRE_OK(ig_thread_start(&thread, "pinned", pin_self, seen, &err));
    ig_thread_join(&thread);
    CHECK_EQ(seen[0], 1);
    CHECK_EQ(seen[1], cpus); /* a pinned thread does not shrink the machine */
    CHECK_EQ(seen[2], 0);
    CHECK(ig_memory_total_bytes() > 0);
    CHECK(ig_memory_available_bytes() > 0 &&
          ig_memory_available_bytes() <= ig_memory_total_bytes());
    size_t peak = ig_peak_rss_bytes(), bytes = 32u << 20;
    uint8_t *p = ig_pages_alloc(bytes);
    REQUIRE(p != NULL);
    CHECK_EQ((uintptr_t)p % 4096, 0);
    for (size_t i = 0; i < bytes; i += 512) {
        CHECK(p[i] == 0);
        p[i] = 1;
    }
    CHECK(ig_peak_rss_bytes() >= peak + bytes / 2);
    ig_pages_free(p, bytes);
    ig_pages_free(NULL, 5);
    CHECK(ig_pages_alloc(SIZE_MAX) == NULL);
    p = ig_pages_alloc(1);
    REQUIRE(p != NULL);
    p[4095] = 1;
    ig_pages_free(p, 1);
    CHECK(!ig_is_terminal(-1));
    CHECK_EQ(ig_terminal_columns(-1), 80);
}

static void look_at_signals(void *user) {
    pthread_sigmask(SIG_SETMASK, NULL, user);
}

/* A fault of a thread must reach the program's handler, everything else must not. */
TEST(threads_block_only_the_signals_of_others) {
    ig_err err = {0};
    ig_thread *thread;
    sigset_t blocked;
    REQUIRE_OK(ig_thread_start(&thread, "signals", look_at_signals, &blocked, &err));
    ig_thread_join(&thread);
    CHECK(sigismember(&blocked, SIGINT) == 1 && sigismember(&blocked, SIGTERM) == 1);
    CHECK(sigismember(&blocked, SIGBUS) == 0 && sigismember(&blocked, SIGSEGV) == 0);
}

static void nothing(void *user) {
    (void)user;
}

TEST(every_allocation_may_fail) {
    ig_err err = {0};
    bool done = false;
    for (uint64_t n = 1; !done && n < 100; n++) {
        ig_alloc_fail_after(n);
        ig_status status = replace(in_folder("torture"), "text", true, &err);
        ig_buf buf;
        ig_buf_init(&buf, 100);
        if (!status)
            status = ig_file_read(in_folder("torture"), &buf, &err);
        ig_thread *thread = NULL;
        if (!status)
            status = ig_thread_start(&thread, "t", nothing, NULL, &err);
        ig_thread_join(&thread);
        ig_buf_fini(&buf);
        done = ig_alloc_fail_after(0) < n;
        CHECK(done ? status == IG_OK : status == IG_EMEMORY);
    }
    CHECK(done);
    unlink(in_folder("torture"));
}

int main(int argc, char **argv) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%.40s/ingot-os-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder))
        return 1;
    int rc = RUN(argc, argv, T(a_file_is_replaced_as_a_whole_or_not_at_all),
                 T(two_writers_of_one_path_do_not_meet), T(large_and_small_writes_keep_their_order),
                 T(a_full_disk_is_reported_and_leaves_nothing),
                 T(wrong_paths_are_refused_with_a_remedy), T(threads_hand_over_through_a_futex),
                 T(a_lock_serves_in_the_order_of_asking), T(the_machine_is_described),
                 T(threads_block_only_the_signals_of_others), T(every_allocation_may_fail));
    rmdir(folder);
    return rc;
}
