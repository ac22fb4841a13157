/* file.c: reading whole small files and standard input, and the wording of failed system calls.
 * No state; any thread. */
#include "os/os_int.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

typedef struct error_remedy {
    int error;
    const char *remedy;
} error_remedy;

static const error_remedy REMEDIES[] = {
    {ENOENT, "; check the path"},
    {ENOTDIR, "; check the path"},
    {EACCES, "; check the permissions of the file and of its folder"},
    {EPERM, "; check the permissions of the file and of its folder"},
    {EROFS, "; choose a path on a writable file system"},
    {EISDIR, "; name a file, not a folder"},
    {ENOSPC, "; free space on that file system or choose another path"},
    {EDQUOT, "; free space within the quota or choose another path"},
    {EFBIG, "; choose a file system (and ulimit -f) that allows larger files"},
    {EMFILE, "; raise the number of open files (ulimit -n)"},
    {ENFILE, "; too many files are open on this machine"},
    {ENOMEM, "; free memory or raise the limit on mappings (ulimit -v)"},
    {ENAMETOOLONG, "; choose a shorter name"},
    {ELOOP, "; check the symbolic links"},
    {EIO, "; the device reports a fault, check the system log"},
};

const char *ig_os_error_text(int error) {
    const char *text = strerrordesc_np(error);
    return text ? text : "unknown error";
}

const char *ig_os_error_remedy(int error) {
    for (size_t i = 0; i < IG_COUNT(REMEDIES); i++) {
        if (REMEDIES[i].error == error)
            return REMEDIES[i].remedy;
    }
    return "";
}

ig_status ig_file_read(const char *path, ig_buf *buf, ig_err *err) {
    const bool standard = strcmp(path, "-") == 0;
    const char *name = standard ? "standard input" : path;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ig_fail_errno(err, errno, "open", name);

    ig_status status = IG_OK;
    char chunk[32768];
    for (;;) {
        ssize_t got = read(fd, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            status = ig_fail_errno(err, errno, "read", name);
        if (got <= 0)
            break;
        status = ig_buf_add(buf, chunk, (size_t)got, err);
        if (status) {
            ig_err_prefix(err, "%s", name);
            break;
        }
    }
    if (!standard)
        close(fd);
    return status;
}
