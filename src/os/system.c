/* system.c: what the machine has: CPUs and cores this process may use, memory, the clock. The CPU
 * table is built once from the affinity mask of the process and /sys, before any thread of ours was
 * pinned; everything else is read when asked. Any thread. */
#include "os/os_int.h"
#include "os/system_int.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define CPUS_MAX 8192u
#define WORD_BITS (8 * sizeof(unsigned long))

typedef struct cpu_table {
    unsigned long mask[CPUS_MAX / WORD_BITS];
    uint16_t order[CPUS_MAX]; /* first one CPU of every core, then the other hardware threads */
    uint32_t n_cpus;
    uint32_t n_cores;
} cpu_table;

static cpu_table cpus;
static pthread_once_t cpus_once = PTHREAD_ONCE_INIT;

/* Reads a small file of /proc or /sys; false when there is none. */
static bool read_small(const char *path, char *text, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    for (;;) {
        ssize_t got = read(fd, text + n, size - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    text[n] = '\0';
    return n > 0;
}

/* The number after "KEY" at the start of a line; false when absent. */
static bool find_number(const char *text, const char *key, uint64_t *out) {
    const size_t n = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n) == 0) {
            *out = strtoull(line + n, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool in_mask(const cpu_table *t, unsigned long cpu) {
    return cpu < CPUS_MAX && (t->mask[cpu / WORD_BITS] >> cpu % WORD_BITS & 1);
}

/* Lowest CPU of our mask in a list such as "0,4" or "2-3"; `cpu` itself when nothing is found. */
static unsigned long first_sibling(const cpu_table *t, unsigned long cpu) {
    char path[96], text[512];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%lu/topology/thread_siblings_list",
             cpu);
    if (!read_small(path, text, sizeof text))
        return cpu;
    for (char *p = text; *p >= '0' && *p <= '9';) {
        unsigned long first = strtoul(p, &p, 10), last = first;
        if (*p == '-')
            last = strtoul(p + 1, &p, 10);
        for (unsigned long i = first; i <= last && i < CPUS_MAX; i++) {
            if (in_mask(t, i))
                return i;
        }
        p += *p == ',';
    }
    return cpu;
}

static void build_cpu_table(void) {
    cpu_table *t = &cpus;
    /* The mask of the first thread: that of a thread of ours may be pinned already. */
    if (sched_getaffinity(getpid(), sizeof t->mask, (cpu_set_t *)t->mask) != 0)
        t->mask[0] = 1;
    uint16_t others[CPUS_MAX];
    uint32_t n_others = 0;
    for (unsigned long cpu = 0; cpu < CPUS_MAX; cpu++) {
        if (!in_mask(t, cpu))
            continue;
        if (first_sibling(t, cpu) == cpu)
            t->order[t->n_cores++] = (uint16_t)cpu;
        else
            others[n_others++] = (uint16_t)cpu;
    }
    memcpy(t->order + t->n_cores, others, n_others * sizeof *others);
    t->n_cpus = t->n_cores + n_others;
}

static const cpu_table *cpu_info(void) {
    (void)pthread_once(&cpus_once, build_cpu_table);
    return &cpus;
}

/* CPUs' worth of time that a container may use, rounded up; UINT32_MAX without a quota. More
 * threads than that would wait for each other while the kernel holds them. */
static uint32_t cpu_quota(void) {
    char text[64];
    if (!read_small("/sys/fs/cgroup/cpu.max", text, sizeof text) || *text < '0' || *text > '9')
        return UINT32_MAX;
    char *rest;
    uint64_t quota = strtoull(text, &rest, 10), period = strtoull(rest, NULL, 10);
    if (quota == 0 || period == 0 || quota / period > CPUS_MAX)
        return UINT32_MAX;
    return (uint32_t)((quota + period - 1) / period);
}

bool ig_cpu_nth(uint32_t nth, uint32_t *cpu) {
    const cpu_table *t = cpu_info();
    if (nth >= t->n_cpus)
        return false;
    *cpu = t->order[nth];
    return true;
}

uint64_t ig_clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t ig_thread_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint32_t ig_cpu_count(void) {
    const uint32_t quota = cpu_quota();
    return IG_MIN(cpu_info()->n_cpus, quota);
}

uint32_t ig_core_count(void) {
    const uint32_t quota = cpu_quota();
    return IG_MIN(cpu_info()->n_cores, quota);
}

size_t ig_peak_rss_bytes(void) {
    char text[8192];
    uint64_t kib;
    if (read_small("/proc/self/status", text, sizeof text) && find_number(text, "VmHWM:", &kib))
        return (size_t)(kib << 10);
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (size_t)usage.ru_maxrss << 10 : 0;
}

/* A number of a cgroup file; false when there is no limit ("max") or no such file. */
static bool cgroup_number(const char *path, uint64_t *out) {
    char text[64];
    return read_small(path, text, sizeof text) && *text >= '0' && *text <= '9' &&
           find_number(text, "", out);
}

size_t ig_memory_total_bytes(void) {
    char text[8192];
    uint64_t kib, limit;
    if (!read_small("/proc/meminfo", text, sizeof text) || !find_number(text, "MemTotal:", &kib))
        return 0;
    if (cgroup_number("/sys/fs/cgroup/memory.max", &limit) && limit < kib << 10)
        return (size_t)limit;
    return (size_t)(kib << 10);
}

size_t ig_memory_available_bytes(void) {
    char text[8192];
    uint64_t kib, limit, used, cache;
    if (!read_small("/proc/meminfo", text, sizeof text) ||
        !find_number(text, "MemAvailable:", &kib))
        return 0;
    uint64_t available = kib << 10;
    if (cgroup_number("/sys/fs/cgroup/memory.max", &limit) &&
        cgroup_number("/sys/fs/cgroup/memory.current", &used) &&
        read_small("/sys/fs/cgroup/memory.stat", text, sizeof text) &&
        find_number(text, "file ", &cache)) {
        used -= IG_MIN(used, cache); /* page cache is given back when asked */
        available = IG_MIN(available, limit - IG_MIN(limit, used));
    }
    return (size_t)available;
}
