/* ring.h: messages between threads without a lock: a bounded ring of pointers, and a log that one
 * thread appends to while another reads. With board.h, cancel.h and lazy.h the only places where
 * threads meet outside os and a backend; the happens-before of each is in ring.c. */
#ifndef IG_BASE_RING_H
#define IG_BASE_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* ---- ring: bounded, any number of threads on both ends ----------------------------------------
 */

/* Bounded queue with a sequence number per cell (Vyukov's MPMC queue). What was written before a
 * push is seen by whoever pops the pointer. */
typedef struct ig_ring ig_ring;
/* cap is rounded up to a power of two, at least 2. */
IG_MUST_USE ig_status ig_ring_create(ig_ring **out, size_t cap, ig_err *err);
void ig_ring_destroy(ig_ring **ring);
/* p is not NULL. False when full. */
IG_MUST_USE bool ig_ring_push(ig_ring *ring, void *p);
/* NULL when empty, or when the oldest push has not returned yet: who pushes and then opens a gate
 * is never missed. */
void *ig_ring_pop(ig_ring *ring);
size_t ig_ring_count(const ig_ring *ring); /* about now */

/* ---- log: one writer, one reader --------------------------------------------------------------
 */

/* Records of equal size, appended by one thread, read once each and in order by another. Memory
 * grows in chunks of IG_LOG_CHUNK records and is given back as it is read. Each end has a cache
 * line of its own: whoever holds a log takes his memory from ig_alloc_aligned. */
#define IG_LOG_CHUNK 64u
typedef struct ig_log_chunk ig_log_chunk;
typedef struct ig_record_log {
    uint32_t record_bytes;
    struct {
        ig_log_chunk *chunk;
        uint64_t n; /* appended; published with release order */
    } writer IG_ALIGNED(IG_CACHE_LINE);
    struct {
        ig_log_chunk *chunk;
        uint64_t n;
    } reader IG_ALIGNED(IG_CACHE_LINE);
} ig_record_log;

/* Takes the first chunk. */
IG_MUST_USE ig_status ig_record_log_init(ig_record_log *log, uint32_t record_bytes, ig_err *err);
/* Neither thread may use it any more. */
void ig_record_log_fini(ig_record_log *log);
/* Writer. IG_EMEMORY: nothing was appended. */
IG_MUST_USE ig_status ig_record_log_add(ig_record_log *log, const void *record, ig_err *err);
/* Reader: records that are there; takes up to max of them into out, returns how many. */
uint64_t ig_record_log_pending(const ig_record_log *log);
size_t ig_record_log_take(ig_record_log *log, void *out, size_t max);

#endif
