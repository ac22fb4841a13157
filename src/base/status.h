/* status.h: the one result type, the one error context, the one way a failure is born.
 *
 * Every function that can fail returns ig_status and takes `ig_err *err` last. The innermost
 * failure writes the context through ig_fail(); outer layers may only say where they are with
 * ig_err_prefix(). A message says what is wrong, where (file, field, offset) and, after "; ", what
 * to do about it. */
#ifndef IG_BASE_STATUS_H
#define IG_BASE_STATUS_H

#include "base/compiler.h"

typedef enum ig_status {
    IG_OK = 0,
    IG_EEND,         /* end of data; not an error by itself */
    IG_EAGAIN,       /* nothing now, try later */
    IG_EARGUMENT,    /* the caller's mistake */
    IG_EMEMORY,      /* allocation failed */
    IG_EIO,          /* the operating system failed a read, write, open … */
    IG_EFORMAT,      /* malformed input */
    IG_EUNSUPPORTED, /* well-formed, but not implemented or not possible here */
    IG_ELIMIT,       /* a named limit of base/limits.h was exceeded */
    IG_EBUSY,
    IG_ECANCELLED,
    IG_EDEVICE,  /* device lost */
    IG_ENETWORK, /* */
    IG_EINTERNAL /* our own mistake */
} ig_status;

#define IG_ERR_MESSAGE_BYTES 512

/* Error context: owned by the caller, never allocates. `ig_err err = {0};` is ready for use. */
typedef struct ig_err {
    ig_status code;
    int line;         /* source line of the failure */
    const char *file; /* source file of the failure, static storage */
    char message[IG_ERR_MESSAGE_BYTES];
} ig_err;

/* Writes code and message to err (when err is not NULL) and returns code. Overlong messages
 * are cut at a UTF-8 border. Control bytes in the message are replaced by '?', because names
 * in it come from files. */
#define ig_fail(err, code, ...) ig_fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
ig_status ig_fail_at(ig_err *err, ig_status code, const char *file, int line, const char *format,
                     ...) IG_COLD IG_PRINTF(5, 6);

/* Puts "prefix: " in front of the message; keeps the code. For outer layers that know where they
 * are. A prefix of more than half the buffer is cut, so that the message stays readable. */
void ig_err_prefix(ig_err *err, const char *format, ...) IG_COLD IG_PRINTF(2, 3);

/* Static name of a status: "ok", "bad format", … */
const char *ig_status_name(ig_status status);

/* Returns the status of expr from the current function when it is not IG_OK. Legal only where the
 * function owns nothing yet (arena memory counts as nothing). */
#define IG_TRY(expr)                                                                               \
    do {                                                                                           \
        ig_status ig_try_ = (expr);                                                                \
        if (ig_unlikely(ig_try_))                                                                  \
            return ig_try_;                                                                        \
    } while (0)

#endif
