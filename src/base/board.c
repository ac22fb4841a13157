/* board.c: the board, flags and counts of board.h. */
#include "base/board.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/checked.h"

/* A latch: state k lives in copy k % 2, and `count` is the last whole state, so a reader never
 * waits for a writer that was interrupted. Happens-before, for a reader who loads count = k:
 * - the release store of k orders the words of state k before the reader's loads: he reads none
 *   older;
 * - a word of a later state in this copy belongs to k + 2 or more, and was stored with release
 *   after count became k + 1; having read it with acquire, his second look at count sees at least
 *   k + 1. So two equal looks mean that every word was of state k.
 * Orders stand at the words themselves instead of in fences, which thread sanitizers cannot see. */
struct ig_board {
    uint64_t count;
    size_t bytes, copy_words;                   /* constant */
    uint64_t words[] IG_ALIGNED(IG_CACHE_LINE); /* two copies, each on cache lines of its own */
};

enum { WORD_BYTES = sizeof(uint64_t) };

ig_status ig_board_create(ig_board **out, size_t bytes, ig_err *err) {
    *out = NULL;
    ig_board *board = NULL;
    if (bytes <= SIZE_MAX / 4) {
        const size_t copy_bytes = ig_round_up(bytes, IG_CACHE_LINE);
        board = ig_alloc_aligned(sizeof *board + 2 * copy_bytes, IG_CACHE_LINE);
        if (board) {
            board->bytes = bytes;
            board->copy_words = copy_bytes / WORD_BYTES;
        }
    }
    *out = board;
    return board ? IG_OK : ig_fail_memory(err, bytes);
}

void ig_board_destroy(ig_board **board) {
    if (!board)
        return;
    ig_free(*board);
    *board = NULL;
}

void ig_board_write(ig_board *board, const void *from) {
    const uint64_t count = board->count + 1; /* his own: nobody else writes it */
    uint64_t *words = board->words + (count & 1) * board->copy_words;
    for (size_t at = 0; at < board->bytes; at += WORD_BYTES) {
        uint64_t word = 0;
        memcpy(&word, (const uint8_t *)from + at, IG_MIN(board->bytes - at, WORD_BYTES));
        __atomic_store_n(&words[at / WORD_BYTES], word, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&board->count, count, __ATOMIC_RELEASE);
}

void ig_board_read(const ig_board *board, void *to) {
    for (uint64_t count = __atomic_load_n(&board->count, __ATOMIC_ACQUIRE), now;; count = now) {
        const uint64_t *words = board->words + (count & 1) * board->copy_words;
        for (size_t at = 0; at < board->bytes; at += WORD_BYTES) {
            const uint64_t word = __atomic_load_n(&words[at / WORD_BYTES], __ATOMIC_ACQUIRE);
            memcpy((uint8_t *)to + at, &word, IG_MIN(board->bytes - at, WORD_BYTES));
        }
        now = __atomic_load_n(&board->count, __ATOMIC_ACQUIRE);
        if (now == count)
            return;
    }
}

void ig_flag_set(ig_flag *f, uint32_t value) {
    __atomic_store_n(&f->value, value, __ATOMIC_RELEASE);
}

uint32_t ig_flag_get(const ig_flag *f) {
    return __atomic_load_n(&f->value, __ATOMIC_ACQUIRE);
}

uint32_t ig_flag_swap(ig_flag *f, uint32_t value) {
    return __atomic_exchange_n(&f->value, value, __ATOMIC_ACQ_REL);
}

uint32_t ig_flag_add(ig_flag *f, uint32_t n) {
    return __atomic_add_fetch(&f->value, n, __ATOMIC_ACQ_REL);
}

uint64_t ig_tally_add(ig_tally *t, uint64_t n) {
    return __atomic_add_fetch(&t->value, n, __ATOMIC_ACQ_REL);
}

/* Retaining publishes nothing: who retains has the object already. Releasing orders what this owner
 * did before the last owner's free. */
void ig_ref_init(ig_ref_count *r) {
    __atomic_store_n(&r->n, 1, __ATOMIC_RELAXED);
}

void ig_ref_retain(ig_ref_count *r) {
    const uint32_t before = __atomic_fetch_add(&r->n, 1, __ATOMIC_RELAXED);
    assert(before > 0 && before < UINT32_MAX);
    (void)before;
}

bool ig_ref_release(ig_ref_count *r) {
    const uint32_t before = __atomic_fetch_sub(&r->n, 1, __ATOMIC_ACQ_REL);
    assert(before > 0);
    return before == 1;
}
