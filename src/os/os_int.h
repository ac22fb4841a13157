/* os_int.h: what the files of the os room share: one wording for failed system calls. */
#ifndef IG_OS_OS_INT_H
#define IG_OS_OS_INT_H

#include "os/os.h"

/* Text of an errno value, static storage, any thread. */
const char *ig_os_error_text(int error);
/* What the user can do about it, with the leading "; ", or "". */
const char *ig_os_error_remedy(int error);

/* An IG_EIO failure "cannot VERB PATH: text; remedy". */
#define ig_fail_errno(err, error, verb, path)                                                      \
    ig_fail((err), IG_EIO, "cannot %s %s: %s%s", (verb), (path), ig_os_error_text(error),          \
            ig_os_error_remedy(error))

#endif
