/* os.h: face of the os room, floor 1: files, memory maps, threads, gates, clocks, CPU topology. The
 * only room that defines _GNU_SOURCE and creates threads. */
#ifndef IG_OS_OS_H
#define IG_OS_OS_H

#include "base/base.h"

/* A file mapped read-only. Borrowed by everyone until ig_map_close. Immutable, any thread. */
typedef struct ig_map {
    const uint8_t *p; /* NULL when bytes == 0 */
    size_t bytes;
} ig_map;

/* Maps a regular file. Errors name the path and a remedy: IG_EIO (missing, no permission),
 * IG_EARGUMENT (a directory or a device), IG_ELIMIT. A file that shrinks while mapped raises SIGBUS
 * in the thread that reads it, as everywhere: a program that wants to report it installs a handler,
 * as the command line does; who writes models replaces files by rename. */
IG_MUST_USE ig_status ig_map_open(ig_map *map, const char *path, ig_err *err);
void ig_map_close(ig_map *map);
/* Asks the kernel to read the range ahead; never fails. */
void ig_map_prefetch(const ig_map *map, size_t offset, size_t bytes);
/* Tells the kernel that the range will not be needed soon (its pages leave our resident set). */
void ig_map_drop(const ig_map *map, size_t offset, size_t bytes);

/* Reads a whole file ("-" = standard input) of at most max_bytes into buf (appended). */
IG_MUST_USE ig_status ig_file_read(const char *path, ig_buf *buf, ig_err *err);

/* Writing that leaves either the whole new file or the old one: bytes go to "PATH.tmp-PID", commit
 * syncs and renames, abort (or a failed commit) removes it. A symbolic link at PATH is replaced, a
 * folder, pipe or device refused (IG_EARGUMENT). Failures, a full disk among them, are IG_EIO with
 * a remedy. One thread. */
typedef struct ig_file_writer ig_file_writer;
IG_MUST_USE ig_status ig_file_writer_open(ig_file_writer **out, const char *path, ig_err *err);
IG_MUST_USE ig_status ig_file_writer_add(ig_file_writer *w, const void *p, size_t n, ig_err *err);
/* Commits (when commit is true) or drops, frees, and nulls *w in every case. */
ig_status ig_file_writer_close(ig_file_writer **w, bool commit, ig_err *err);

/* Monotonic clock, nanoseconds. */
uint64_t ig_clock_ns(void);
/* CPU time of the calling thread, nanoseconds. */
uint64_t ig_thread_cpu_ns(void);

/* Logical CPUs this process may use, and physical cores among them: the affinity mask as it was at
 * the first call, bounded by a container's CPU quota. At least 1. */
uint32_t ig_cpu_count(void);
uint32_t ig_core_count(void);
/* Peak resident set of this process in bytes. */
size_t ig_peak_rss_bytes(void);
/* Physical memory (or a container's limit) and what is available now, bytes; 0 when unknown. */
size_t ig_memory_total_bytes(void);
size_t ig_memory_available_bytes(void);
/* Anonymous zeroed memory, page aligned, huge pages advised when bytes >= 2 MiB.
 * Free with ig_pages_free. */
void *ig_pages_alloc(size_t bytes) IG_MUST_USE;
void ig_pages_free(void *p, size_t bytes);
/* Drops the whole pages inside [p, p + bytes) of a read-only file map from our resident set; they
 * come back from the file when read again. Never call it on other memory. */
void ig_pages_drop(const void *p, size_t bytes);

typedef struct ig_thread ig_thread;
/* Starts a thread named `name` (at most 15 bytes are kept), which blocks every signal but those for
 * its own faults. Ownership of *out is the caller's until join. */
IG_MUST_USE ig_status ig_thread_start(ig_thread **out, const char *name, void (*body)(void *user),
                                      void *user, ig_err *err);
/* Waits for the end of the thread, frees, nulls. */
void ig_thread_join(ig_thread **thread);
/* Restricts the calling thread to the nth CPU of the process's mask, counted so that every core
 * comes once before second hardware threads; false when that is not possible. */
bool ig_thread_pin(uint32_t nth);
/* A lock that serves in the order of asking: for taking turns at steps of a model, and for what is
 * made once. Never inside a step. */
typedef struct ig_mutex ig_mutex;
IG_MUST_USE ig_status ig_mutex_create(ig_mutex **out, ig_err *err);
void ig_mutex_destroy(ig_mutex **mutex);
void ig_mutex_lock(ig_mutex *mutex);
void ig_mutex_unlock(ig_mutex *mutex);

/* Gives the CPU away; for waiting loops. */
void ig_thread_yield(void);

/* Futex on a 32-bit word shared by threads of this process: sleeps while *word == value, at most
 * timeout_ns (0 = for ever); may wake spuriously. */
void ig_futex_wait(const uint32_t *word, uint32_t value, uint64_t timeout_ns);
void ig_futex_wake(const uint32_t *word, int n);

/* A gate that threads wait at until something changes (an event count). Who waits takes a ticket,
 * looks whether what he wants is there, and waits with the ticket: a change after the ticket is
 * never missed. Opening costs no system call while nobody waits. Zeros are a gate. */
typedef struct ig_gate {
    uint32_t count, waiters;
} ig_gate;
uint32_t ig_gate_ticket(ig_gate *gate);
/* False when timeout_ns (UINT64_MAX = for ever, 0 = only look) passed without an opening since the
 * ticket. */
bool ig_gate_wait(ig_gate *gate, uint32_t ticket, uint64_t timeout_ns);
void ig_gate_open(ig_gate *gate);
/* Waits at the gate until there(user) says so, which is asked before the first wait and after every
 * opening; false when it still said no after timeout_ns. */
bool ig_gate_await(ig_gate *gate, bool (*there)(void *user), void *user, uint64_t timeout_ns);

/* A file descriptor (eventfd) that an event loop can poll for reading: raised until cleared. */
IG_MUST_USE ig_status ig_event_fd_open(int *fd, ig_err *err);
void ig_event_fd_close(int *fd);
void ig_event_fd_raise(int fd);
void ig_event_fd_clear(int fd);

/* True when fd is a terminal; its width in columns, 80 when unknown. */
bool ig_is_terminal(int fd);
int ig_terminal_columns(int fd);

#endif
