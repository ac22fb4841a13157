/* file_writer.c: replaces a file as a whole. Bytes go to a temporary file beside it through a
 * buffer; commit writes them to the device before the rename, so that a crash leaves the old or the
 * new file, never a part. A writer belongs to one thread. */
#include "os/os_int.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITER_BUFFER_BYTES (1u << 20)
#define WRITER_NAME_TRIES 100     /* leftovers of crashed processes that had our number */
#define WRITE_ONCE_MAX (1u << 30) /* Linux writes at most 2 GiB a call */

struct ig_file_writer {
    int fd;
    size_t used;      /* bytes waiting in buffer */
    ig_status failed; /* the first failure; commit refuses after it */
    char path[PATH_MAX];
    char temporary[PATH_MAX + 32];
    uint8_t buffer[WRITER_BUFFER_BYTES];
};

/* Refuses to put a file where a device, pipe or folder is; *mode gets the permissions to keep. */
static ig_status check_target(const char *path, mode_t *mode, ig_err *err) {
    struct stat st;
    *mode = 0;
    if (strlen(path) >= PATH_MAX)
        return ig_fail_errno(err, ENAMETOOLONG, "create", path);
    /* /dev/stdout is a link to a regular file when output is redirected: replacing the link would
     * break it for everybody. Plain files below /dev (shared memory) may be replaced. */
    const bool special = strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
    if (special && lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
        return ig_fail(err, IG_EARGUMENT,
                       "%s is a pipe or device; name a file that may be replaced", path);
    if (stat(path, &st) != 0)
        return IG_OK;
    if (!S_ISREG(st.st_mode))
        return ig_fail(err, IG_EARGUMENT, "%s is %s; name a file that may be replaced", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "a pipe or device");
    *mode = st.st_mode & 0777;
    return IG_OK;
}

static ig_status create_temporary(ig_file_writer *w, ig_err *err) {
    for (int i = 0; i < WRITER_NAME_TRIES; i++) {
        if (i == 0)
            snprintf(w->temporary, sizeof w->temporary, "%s.tmp-%ld", w->path, (long)getpid());
        else
            snprintf(w->temporary, sizeof w->temporary, "%s.tmp-%ld-%d", w->path, (long)getpid(),
                     i);
        w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (w->fd >= 0)
            return IG_OK;
        if (errno != EEXIST)
            break;
    }
    return ig_fail_errno(err, errno, "create", w->temporary);
}

ig_status ig_file_writer_open(ig_file_writer **out, const char *path, ig_err *err) {
    mode_t mode;
    *out = NULL;
    IG_TRY(check_target(path, &mode, err));
    ig_file_writer *w = ig_alloc(1, sizeof *w);
    if (!w)
        return ig_fail_memory(err, sizeof *w);
    memcpy(w->path, path, strlen(path) + 1);
    ig_status status = create_temporary(w, err);
    if (status) {
        ig_free(w);
        return status;
    }
    if (mode)
        (void)fchmod(w->fd, mode); /* a nicety: an owner who is not us keeps the default */
    *out = w;
    return IG_OK;
}

static ig_status write_all(ig_file_writer *w, const uint8_t *p, size_t n, ig_err *err) {
    while (n > 0) {
        ssize_t done = write(w->fd, p, n < WRITE_ONCE_MAX ? n : WRITE_ONCE_MAX);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            w->failed = ig_fail_errno(err, done < 0 ? errno : ENOSPC, "write", w->temporary);
            return w->failed;
        }
        p += done;
        n -= (size_t)done;
    }
    return IG_OK;
}

static ig_status flush(ig_file_writer *w, ig_err *err) {
    const size_t n = w->used;
    w->used = 0;
    return write_all(w, w->buffer, n, err);
}

ig_status ig_file_writer_add(ig_file_writer *w, const void *p, size_t n, ig_err *err) {
    if (w->failed)
        return ig_fail(err, w->failed, "%s: an earlier write failed", w->temporary);
    if (n > sizeof w->buffer - w->used)
        IG_TRY(flush(w, err));
    if (n >= sizeof w->buffer)
        return write_all(w, p, n, err);
    if (n)
        memcpy(w->buffer + w->used, p, n);
    w->used += n;
    return IG_OK;
}

/* A rename is on the device only when its folder is. File systems that cannot sync folders say
 * EINVAL. */
static ig_status sync_folder(const char *path, ig_err *err) {
    char copy[PATH_MAX];
    memcpy(copy, path, strlen(path) + 1);
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return IG_OK; /* a folder that may be written but not read cannot be synced */
    ig_status status = IG_OK;
    if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
        status = ig_fail_errno(err, errno, "sync the folder of", path);
    close(fd);
    return status;
}

static ig_status commit_bytes(ig_file_writer *w, ig_err *err) {
    if (w->failed)
        return ig_fail(err, w->failed, "%s is left as it was: an earlier write failed", w->path);
    IG_TRY(flush(w, err));
    if (fsync(w->fd) != 0 && errno != EINVAL)
        return ig_fail_errno(err, errno, "sync", w->temporary);
    const int fd = w->fd;
    w->fd = -1;
    if (close(fd) != 0 && errno != EINTR)
        return ig_fail_errno(err, errno, "close", w->temporary);
    if (rename(w->temporary, w->path) != 0)
        return ig_fail_errno(err, errno, "rename to", w->path);
    return IG_OK;
}

ig_status ig_file_writer_close(ig_file_writer **writer, bool commit, ig_err *err) {
    ig_file_writer *w = *writer;
    *writer = NULL;
    if (!w)
        return IG_OK;
    ig_status status = commit ? commit_bytes(w, err) : IG_OK;
    if (w->fd >= 0)
        close(w->fd);
    if (!commit || status)
        (void)unlink(w->temporary);
    else
        status = sync_folder(w->path, err);
    ig_free(w);
    return status;
}
