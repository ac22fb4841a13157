/* ring.c: the ring and the record log of ring.h. Any thread; who may call what is said there. */
#include "base/ring.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

/* ---- ring -------------------------------------------------------------------------------------
 */

/* D. Vyukov, "Bounded MPMC queue" (1024cores.net). Position n of the endless queue lives in cell
 * n % cap, whose sequence number is
 *     n          free for the push of position n,
 *     n + 1      filled, for the pop of position n,
 *     n + cap    free again, for the push one round later.
 * Happens-before: the release store of n + 1 orders everything the pusher did, the pointer in the
 * cell included, before the acquire load by which a popper finds n + 1; the release store of
 * n + cap orders the popper's read of the cell before the next round's write. head and tail only
 * hand out positions and publish nothing: relaxed.
 *
 * Cells are dense, four to a cache line: whoever drains the ring gets the next three messages with
 * the first, and messages are requests and tokens, far too few for pushers to contend for a line.
 */
typedef struct ring_cell {
    uint64_t sequence;
    void *p;
} ring_cell;

struct ig_ring {
    uint64_t tail IG_ALIGNED(IG_CACHE_LINE); /* next position to push */
    uint64_t head IG_ALIGNED(IG_CACHE_LINE); /* next position to pop */
    uint64_t cap IG_ALIGNED(IG_CACHE_LINE);  /* a power of two; constant, as the cells' place is */
    ring_cell cells[];
};

ig_status ig_ring_create(ig_ring **out, size_t cap, ig_err *err) {
    *out = NULL;
    size_t n = 2, bytes = 0;
    while (n < cap && n <= SIZE_MAX / 2)
        n *= 2;
    ig_ring *ring = NULL;
    if (n >= cap && ig_mul(n, sizeof(ring_cell), &bytes) && ig_add(bytes, sizeof *ring, &bytes))
        ring = ig_alloc_aligned(bytes, IG_CACHE_LINE);
    if (!ring)
        return ig_fail(err, IG_EMEMORY, "no memory for a ring of %zu messages; ask for fewer", cap);
    ring->cap = n;
    for (size_t i = 0; i < n; i++)
        ring->cells[i].sequence = i;
    *out = ring;
    return IG_OK;
}

void ig_ring_destroy(ig_ring **ring) {
    if (!ring)
        return;
    ig_free(*ring);
    *ring = NULL;
}

/* Claims the next position of one end, whose cell is ready when its sequence number is `ready`
 * ahead of the position. NULL when the cell belongs to the other end still. */
static ring_cell *claim(ig_ring *ring, uint64_t *end, uint64_t ready, uint64_t *position) {
    uint64_t at = __atomic_load_n(end, __ATOMIC_RELAXED);
    for (;;) {
        ring_cell *cell = &ring->cells[at & (ring->cap - 1)];
        const uint64_t sequence = __atomic_load_n(&cell->sequence, __ATOMIC_ACQUIRE);
        const int64_t ahead = (int64_t)(sequence - (at + ready));
        if (ahead < 0)
            return NULL;
        if (ahead > 0) /* somebody else was faster */
            at = __atomic_load_n(end, __ATOMIC_RELAXED);
        else if (__atomic_compare_exchange_n(end, &at, at + 1, true, __ATOMIC_RELAXED,
                                             __ATOMIC_RELAXED)) {
            *position = at;
            return cell;
        }
    }
}

bool ig_ring_push(ig_ring *ring, void *p) {
    assert(p);
    uint64_t at;
    ring_cell *cell = claim(ring, &ring->tail, 0, &at);
    if (!cell)
        return false;
    cell->p = p;
    __atomic_store_n(&cell->sequence, at + 1, __ATOMIC_RELEASE);
    return true;
}

void *ig_ring_pop(ig_ring *ring) {
    uint64_t at;
    ring_cell *cell = claim(ring, &ring->head, 1, &at);
    if (!cell)
        return NULL;
    void *p = cell->p;
    __atomic_store_n(&cell->sequence, at + ring->cap, __ATOMIC_RELEASE);
    return p;
}

size_t ig_ring_count(const ig_ring *ring) {
    const uint64_t head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    const uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_RELAXED);
    /* Two looks at moving numbers: the difference may be impossible. */
    const int64_t n = (int64_t)(tail - head);
    return n <= 0 ? 0 : (size_t)IG_MIN((uint64_t)n, ring->cap);
}

/* ---- log --------------------------------------------------------------------------------------
 */

/* Record n lives in chunk n / IG_LOG_CHUNK of a list. Happens-before: the writer's release store of
 * writer.n orders records and links before the reader's acquire load, so both are plain memory. The
 * reader frees a chunk when he goes on to a record of the next one: the writer linked that before
 * he published the record, and never touches the chunk before it again. */
struct ig_log_chunk {
    ig_log_chunk *next;
    uint8_t records[];
};

static ig_log_chunk *chunk_create(const ig_record_log *log, ig_err *err) {
    const size_t bytes = sizeof(ig_log_chunk) + (size_t)IG_LOG_CHUNK * log->record_bytes;
    ig_log_chunk *chunk = ig_alloc(1, bytes);
    if (!chunk)
        (void)ig_fail_memory(err, bytes);
    return chunk;
}

ig_status ig_record_log_init(ig_record_log *log, uint32_t record_bytes, ig_err *err) {
    *log = (ig_record_log){.record_bytes = record_bytes};
    log->writer.chunk = log->reader.chunk = chunk_create(log, err);
    return log->writer.chunk ? IG_OK : IG_EMEMORY;
}

void ig_record_log_fini(ig_record_log *log) {
    for (ig_log_chunk *chunk = log->reader.chunk, *next; chunk; chunk = next) {
        next = chunk->next;
        ig_free(chunk);
    }
    log->reader.chunk = log->writer.chunk = NULL;
}

ig_status ig_record_log_add(ig_record_log *log, const void *record, ig_err *err) {
    const uint64_t n = log->writer.n; /* his own: nobody else writes it */
    const size_t at = n % IG_LOG_CHUNK;
    if (at == 0 && n > 0) {
        ig_log_chunk *chunk = chunk_create(log, err);
        if (!chunk)
            return IG_EMEMORY;
        log->writer.chunk->next = chunk;
        log->writer.chunk = chunk;
    }
    memcpy(log->writer.chunk->records + at * log->record_bytes, record, log->record_bytes);
    __atomic_store_n(&log->writer.n, n + 1, __ATOMIC_RELEASE);
    return IG_OK;
}

uint64_t ig_record_log_pending(const ig_record_log *log) {
    return __atomic_load_n(&log->writer.n, __ATOMIC_ACQUIRE) - log->reader.n;
}

size_t ig_record_log_take(ig_record_log *log, void *out, size_t max) {
    const size_t n = (size_t)IG_MIN(ig_record_log_pending(log), max);
    uint8_t *to = out;
    for (size_t taken = 0; taken < n;) {
        const size_t at = log->reader.n % IG_LOG_CHUNK;
        if (at == 0 && log->reader.n > 0) {
            ig_log_chunk *next = log->reader.chunk->next;
            ig_free(log->reader.chunk);
            log->reader.chunk = next;
        }
        const size_t run = IG_MIN(n - taken, IG_LOG_CHUNK - at);
        memcpy(to + taken * log->record_bytes, log->reader.chunk->records + at * log->record_bytes,
               run * log->record_bytes);
        log->reader.n += run;
        taken += run;
    }
    return n;
}
