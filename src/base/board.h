/* board.h: a small struct that one thread publishes again and again and any thread may read whole
 * (two copies written in turn, and a count that says which), flags, and counts of owners. */
#ifndef IG_BASE_BOARD_H
#define IG_BASE_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef struct ig_board ig_board;
IG_MUST_USE ig_status ig_board_create(ig_board **out, size_t bytes, ig_err *err);
void ig_board_destroy(ig_board **board);
/* One writer. `from` has the board's bytes. */
void ig_board_write(ig_board *board, const void *from);
/* Any thread; repeats when a write ended meanwhile, and never waits for one that has only begun.
 * Before the first write: zeros. */
void ig_board_read(const ig_board *board, void *to);

/* A flag or small number that one thread sets and others look at; set is release, get acquire. */
typedef struct ig_flag {
    uint32_t value;
} ig_flag;
void ig_flag_set(ig_flag *f, uint32_t value);
uint32_t ig_flag_get(const ig_flag *f);
/* Two threads that each change one flag and then look at the other's may both see the old value: a
 * store may pass a later load. Where one of them must see the other, one flag is only changed and
 * looked at with swap and add (of 0): these stand in one order, and a later one sees all that the
 * thread of an earlier one had done before it. */

/* Sets value, returns the old one; acquire and release. */
uint32_t ig_flag_swap(ig_flag *f, uint32_t value);
/* Adds (wraps), returns the new value; acquire and release. */
uint32_t ig_flag_add(ig_flag *f, uint32_t n);

/* A sum of 64 bits over all threads: bytes in use, numbers that never come twice. */
typedef struct ig_tally {
    uint64_t value;
} ig_tally;
/* Adds (wraps), returns the new value; acquire and release. */
uint64_t ig_tally_add(ig_tally *t, uint64_t n);

/* Owners of an object. */
typedef struct ig_ref_count {
    uint32_t n;
} ig_ref_count;
void ig_ref_init(ig_ref_count *r); /* one owner */
void ig_ref_retain(ig_ref_count *r);
/* True for the last owner, who then frees; he sees everything the others did before. */
IG_MUST_USE bool ig_ref_release(ig_ref_count *r);

#endif
