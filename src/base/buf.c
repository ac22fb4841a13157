/* buf.c: the bounded byte buffer of buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

void ig_buf_init(ig_buf *buf, size_t max_bytes) {
    *buf = (ig_buf){.max = max_bytes};
}

void ig_buf_fini(ig_buf *buf) {
    ig_free(buf->p);
    *buf = (ig_buf){.max = buf->max};
}

void ig_buf_clear(ig_buf *buf) {
    buf->n = 0;
    if (buf->p)
        buf->p[0] = '\0';
}

static ig_status reserve(ig_buf *buf, size_t more, ig_err *err) {
    if (more > buf->max - buf->n)
        return ig_fail(err, IG_ELIMIT, "more than %zu bytes, the limit here; make it shorter",
                       buf->max);
    if (buf->p && more < buf->cap - buf->n)
        return IG_OK;
    size_t cap = buf->cap ? buf->cap + buf->cap / 2 : 128;
    if (cap < buf->n + more + 1)
        cap = buf->n + more + 1;
    char *p = ig_realloc(buf->p, cap, 1);
    if (!p)
        return ig_fail_memory(err, cap);
    buf->p = p;
    buf->cap = cap;
    return IG_OK;
}

ig_status ig_buf_add(ig_buf *buf, const void *p, size_t n, ig_err *err) {
    IG_TRY(reserve(buf, n, err));
    if (n)
        memcpy(buf->p + buf->n, p, n);
    buf->n += n;
    buf->p[buf->n] = '\0';
    return IG_OK;
}

ig_status ig_buf_add_str(ig_buf *buf, ig_str s, ig_err *err) {
    return ig_buf_add(buf, s.p, s.n, err);
}

ig_status ig_buf_addf(ig_buf *buf, ig_err *err, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    ig_status status =
        n < 0 ? ig_fail(err, IG_EARGUMENT, "bad format") : reserve(buf, (size_t)n, err);
    if (!status) {
        vsnprintf(buf->p + buf->n, (size_t)n + 1, format, again);
        buf->n += (size_t)n;
    }
    va_end(again);
    return status;
}
