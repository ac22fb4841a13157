/* map.c: read-only maps of files and anonymous pages. A map is immutable after opening; any thread.
 */
#include "os/os_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HUGE_PAGE_BYTES (2u << 20)

static size_t page_bytes(void) {
    long n = sysconf(_SC_PAGESIZE);
    return n > 0 ? (size_t)n : 4096;
}

ig_status ig_map_open(ig_map *map, const char *path, ig_err *err) {
    *map = (ig_map){0};
    /* O_NONBLOCK: opening a named pipe must not wait for a writer; it has no effect on regular
     * files. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return ig_fail_errno(err, errno, "open", path);

    ig_status status = IG_OK;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        status = ig_fail_errno(err, errno, "examine", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = ig_fail(err, IG_EARGUMENT, "%s is %s; name a regular file", path,
                         S_ISDIR(st.st_mode) ? "a folder" : "a pipe or device");
    } else if ((uint64_t)st.st_size > IG_FILE_BYTES_MAX) {
        status = ig_fail(err, IG_ELIMIT, "%s has %llu bytes, more than the limit of %llu", path,
                         (unsigned long long)st.st_size, IG_FILE_BYTES_MAX);
    } else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
            status = ig_fail_errno(err, errno, "map", path);
        else
            *map = (ig_map){p, (size_t)st.st_size};
    }
    close(fd);
    return status;
}

/* mmap's address came without const; the face has it because nobody may write. */
static void *address(const uint8_t *p) {
    union {
        const uint8_t *in;
        void *out;
    } u = {p};
    return u.out;
}

void ig_map_close(ig_map *map) {
    if (map->bytes)
        munmap(address(map->p), map->bytes);
    *map = (ig_map){0};
}

/* Advises about the whole pages that touch (outward) or lie within (inward) the range. */
static void advise(const ig_map *map, size_t offset, size_t bytes, bool outward, int advice) {
    if (offset >= map->bytes)
        return;
    const size_t page = page_bytes();
    size_t end = bytes < map->bytes - offset ? offset + bytes : map->bytes;
    if (outward) {
        offset = offset / page * page;
    } else {
        offset = ig_round_up(offset, page);
        end = end == map->bytes ? end : end / page * page;
    }
    if (offset < end)
        (void)madvise(address(map->p + offset), end - offset, advice);
}

void ig_map_prefetch(const ig_map *map, size_t offset, size_t bytes) {
    advise(map, offset, bytes, true, MADV_WILLNEED);
}

void ig_map_drop(const ig_map *map, size_t offset, size_t bytes) {
    advise(map, offset, bytes, false, MADV_DONTNEED);
}

void *ig_pages_alloc(size_t bytes) {
    if (bytes == 0 || bytes > PTRDIFF_MAX - 2 * (size_t)HUGE_PAGE_BYTES)
        return NULL;
    bytes = ig_round_up(bytes, page_bytes());
    const bool huge = bytes >= HUGE_PAGE_BYTES;
    const size_t reserve = huge ? bytes + HUGE_PAGE_BYTES : bytes;
    uint8_t *p = mmap(NULL, reserve, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (!huge)
        return p;
    /* A huge page must start on its own multiple: reserve one more, give the borders back. */
    const size_t head = (HUGE_PAGE_BYTES - (uintptr_t)p % HUGE_PAGE_BYTES) % HUGE_PAGE_BYTES;
    const size_t tail = reserve - head - bytes;
    if (head)
        munmap(p, head);
    if (tail)
        munmap(p + head + bytes, tail);
    (void)madvise(p + head, bytes, MADV_HUGEPAGE);
    return p + head;
}

void ig_pages_free(void *p, size_t bytes) {
    if (p)
        munmap(p, ig_round_up(bytes, page_bytes()));
}

void ig_pages_drop(const void *p, size_t bytes) {
    const size_t page = page_bytes();
    const uintptr_t from = ((uintptr_t)p + page - 1) / page * page;
    const uintptr_t to = ((uintptr_t)p + bytes) / page * page;
    if (from < to)
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
}
