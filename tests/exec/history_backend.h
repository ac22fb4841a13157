/* history_backend.h: a device for tests that remembers contents. A cell of a page holds a token and
 * a hash of everything before it; a step reads back what its sequences see through their page
 * tables, in every group, and fails with IG_EINTERNAL naming the place when it is not what was
 * written. Logits of a row depend on the hash of the whole sequence so far, so that a wrong page, a
 * wrong order or a stale copy shows up as other tokens. A failing step leaves garbage in the cells
 * it was to write. */
#ifndef IG_TESTS_HISTORY_BACKEND_H
#define IG_TESTS_HISTORY_BACKEND_H

#include "backend/backend.h"

/* Wishes and notes; passed to the device as options.progress_user. Lives longer than the device;
 * touched by others only while no step runs. */
typedef struct history {
    ig_status status;            /* what failing steps answer */
    uint64_t fail_from, fail_to; /* steps [from, to) by n_steps fail; from = to: none */
    bool no_copies;              /* copies of pages fail */
    bool poisoned;               /* steps that hold the token `poison` fail */
    int32_t poison;
    bool forgetful;     /* remembers nothing, logits stay as they are: for timing */
    uint32_t n_threads; /* for shared work, one after another; 0 = 1 */
    uint64_t step_us;   /* a step takes at least so long */
    uint64_t n_steps, n_rows, n_seqs, n_copies, n_failed; /* steps, failed ones included */
    uint64_t n_shared;                                    /* calls of shared work */
    uint64_t device_ns;                                   /* spent in steps */
    uint32_t most_rows, most_seqs;
} history;

extern const ig_backend_fns history_backend;

/* A program with one state per window (0 = full), of a vocabulary. */
IG_MUST_USE ig_status history_program(ig_program **out, uint32_t n_vocab, const uint32_t *windows,
                                      uint32_t n_windows, ig_err *err);

/* Of a sequence, token by token. */
#define HISTORY_START 0x243F6A8885A308D3ull
uint64_t history_add(uint64_t hash, int32_t id);
/* The row after a history. */
void history_logits(uint64_t hash, uint32_t n_vocab, float *logits);

#endif
