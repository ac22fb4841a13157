/* buf.h: growable byte buffer that cannot be made without a maximum. One thread at a time. */
#ifndef IG_BASE_BUF_H
#define IG_BASE_BUF_H

#include <stddef.h>

#include "base/slice.h"
#include "base/status.h"

typedef struct ig_buf {
    char *p; /* NULL or zero-terminated after n bytes */
    size_t n;
    size_t cap;
    size_t max; /* ceiling on n */
} ig_buf;

void ig_buf_init(ig_buf *buf, size_t max_bytes);
void ig_buf_fini(ig_buf *buf);
/* Keeps the memory, forgets the bytes. */
void ig_buf_clear(ig_buf *buf);
/* Appends; on failure (IG_EMEMORY, IG_ELIMIT) the buffer is unchanged. */
IG_MUST_USE ig_status ig_buf_add(ig_buf *buf, const void *p, size_t n, ig_err *err);
IG_MUST_USE ig_status ig_buf_add_str(ig_buf *buf, ig_str s, ig_err *err);
IG_MUST_USE ig_status ig_buf_addf(ig_buf *buf, ig_err *err, const char *format, ...)
    IG_PRINTF(3, 4);
static inline ig_str ig_buf_str(const ig_buf *buf) {
    return (ig_str){buf->p ? buf->p : "", buf->n};
}

#endif
