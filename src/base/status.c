/* status.c: formats error messages into a caller-owned context; no allocation. Any thread. */
#include "base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const STATUS_NAMES[] = {
    [IG_OK] = "ok",
    [IG_EEND] = "end of data",
    [IG_EAGAIN] = "try again",
    [IG_EARGUMENT] = "bad argument",
    [IG_EMEMORY] = "out of memory",
    [IG_EIO] = "input/output error",
    [IG_EFORMAT] = "bad format",
    [IG_EUNSUPPORTED] = "unsupported",
    [IG_ELIMIT] = "limit exceeded",
    [IG_EBUSY] = "busy",
    [IG_ECANCELLED] = "cancelled",
    [IG_EDEVICE] = "device lost",
    [IG_ENETWORK] = "network error",
    [IG_EINTERNAL] = "internal error",
};
_Static_assert(IG_COUNT(STATUS_NAMES) == IG_EINTERNAL + 1, "a name per status");

#define PREFIX_BYTES_MAX (IG_ERR_MESSAGE_BYTES / 2) /* what is left is the message's */

/* Length of s without the UTF-8 sequence at its end, which the end of a buffer may have broken. */
static size_t cut_sequence(const char *s, size_t n) {
    size_t i = n;
    while (i > 0 && ((unsigned char)s[i - 1] & 0xC0) == 0x80)
        i--;
    return i > 0 && (unsigned char)s[i - 1] >= 0xC0 ? i - 1 : n;
}

/* Replaces control bytes and cuts a UTF-8 sequence that the buffer end broke. */
static void tidy(char *s) {
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            s[i] = '?';
    }
    if (n + 1 == IG_ERR_MESSAGE_BYTES)
        s[cut_sequence(s, n)] = '\0';
}

ig_status ig_fail_at(ig_err *err, ig_status code, const char *file, int line, const char *format,
                     ...) {
    if (err) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->message, sizeof err->message, format, args);
        va_end(args);
        tidy(err->message);
        err->code = code;
        err->file = file;
        err->line = line;
    }
    return code;
}

void ig_err_prefix(ig_err *err, const char *format, ...) {
    if (!err || err->code == IG_OK)
        return;
    char old[IG_ERR_MESSAGE_BYTES];
    memcpy(old, err->message, sizeof old);
    va_list args;
    va_start(args, format);
    const int n = vsnprintf(err->message, PREFIX_BYTES_MAX, format, args);
    va_end(args);
    const bool cut = n >= PREFIX_BYTES_MAX;
    const size_t whole = strlen(err->message), at = cut ? cut_sequence(err->message, whole) : whole;
    snprintf(err->message + at, sizeof err->message - at, "%s: %s", cut ? "..." : "", old);
    tidy(err->message);
}

const char *ig_status_name(ig_status status) {
    return (unsigned)status < IG_COUNT(STATUS_NAMES) ? STATUS_NAMES[status] : "unknown status";
}
