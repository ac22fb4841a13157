/* cpu_roof.c: the machine's roofs, measured with the team: streaming reads, and the dot-product
 * rate of the ISA in use. */
#include "backend/cpu/cpu_int.h"

#define ROOF_BYTES                                                                                 \
    ((size_t)192 << 20) /* well beyond any last-level cache of one socket's share                  \
                         */
#define ROOF_CHUNK ((size_t)1 << 20)
#define ROOF_DOT_ROUNDS 100u

typedef struct roof_run {
    cpu_device *device;
    const uint8_t *memory;
    uint64_t sums[CPU_THREADS_MAX][8];
    uint32_t epoch;
    uint32_t n_threads;
} roof_run;

static void read_chunks(void *user, uint32_t thread, uint32_t n_threads) {
    roof_run *r = user;
    uint64_t sum = 0;
    if (thread == 0)
        r->n_threads = n_threads;
    for (uint32_t c; (c = ig_team_take(r->device->team, 0, r->epoch)) < ROOF_BYTES / ROOF_CHUNK;)
        sum += r->device->roof->read(r->memory + c * ROOF_CHUNK, ROOF_CHUNK);
    r->sums[thread][0] = sum; /* used, so that no read is left out */
}

static void dot_rounds(void *user, uint32_t thread, uint32_t n_threads) {
    roof_run *r = user;
    if (thread == 0)
        r->n_threads = n_threads;
    for (uint32_t c; (c = ig_team_take(r->device->team, 0, r->epoch)) < ROOF_DOT_ROUNDS;)
        r->sums[thread][0] += (uint64_t)r->device->roof->dot(c);
}

ig_status cpu_roof(void *self, double *read_bytes_per_second, double *dot_ops_per_second,
                   ig_err *err) {
    cpu_device *d = self;
    if (!d->roof_memory) {
        d->roof_memory = ig_pages_alloc(ROOF_BYTES);
        if (!d->roof_memory)
            return ig_fail_memory(err, ROOF_BYTES);
        memset(d->roof_memory, 1, ROOF_BYTES);
    }
    roof_run *r = ig_alloc(1, sizeof *r);
    if (!r)
        return ig_fail_memory(err, sizeof *r);
    r->device = d;
    r->memory = d->roof_memory;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 2; i++) {
        r->epoch = ++d->pack_epoch;
        uint64_t start = ig_clock_ns();
        ig_team_run(d->team, read_chunks, r);
        best = IG_MIN(best, ig_clock_ns() - start);
    }
    *read_bytes_per_second = (double)ROOF_BYTES / ((double)best * 1e-9);
    r->epoch = ++d->pack_epoch;
    uint64_t start = ig_clock_ns();
    ig_team_run(d->team, dot_rounds, r);
    *dot_ops_per_second =
        ROOF_DOT_ROUNDS * (double)d->roof->dot_ops / ((double)(ig_clock_ns() - start) * 1e-9);
    ig_free(r);
    return IG_OK;
}

void cpu_roof_free(cpu_device *d) {
    ig_pages_free(d->roof_memory, ROOF_BYTES);
    d->roof_memory = NULL;
}
