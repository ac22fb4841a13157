/* exec_stats.c: what the executor tells about itself: histograms, records of steps, sums. Written
 * by the executor's thread, read by any. */
#include "exec/exec_int.h"

/* From a fast decode step to a long queue; a third of a decade apart. */
const double ig_exec_bounds[IG_EXEC_BUCKETS - 1] = {
    0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.04, 0.06, 0.1,  0.15,
    0.25,   0.4,   0.6,    1.0,   1.5,    2.5,  5.0,   10.0,  30.0, 60.0, 300.0};

void exec_count(ig_exec_histogram *h, uint64_t ns) {
    const double seconds = (double)ns * 1e-9;
    uint32_t b = 0;
    while (b < IG_EXEC_BUCKETS - 1 && seconds > ig_exec_bounds[b])
        b++;
    h->counts[b]++;
    h->n++;
    h->sum += seconds;
}

/* The step's record goes to whoever reads them; without a free one the oldest is dropped. */
static void add_record(ig_exec *x) {
    ig_exec_iteration *record = ig_ring_pop(x->unused);
    if (!record)
        record = ig_ring_pop(x->records);
    if (!record) /* a reader holds the only one */
        return;
    *record = x->iteration;
    if (!ig_ring_push(x->records, record))
        (void)!ig_ring_push(x->unused, record);
}

void exec_report(ig_exec *x) {
    ig_exec_iteration *it = &x->iteration;
    ig_exec_facts *f = &x->facts;
    ig_kv_describe(x->kv, &f->kv);
    f->n_active = x->n_active;
    f->n_queued = x->queue_n;
    it->n_active = x->n_active;
    it->n_queued = x->queue_n;
    it->kv_max_pages = f->kv.n_pages;
    it->kv_free_pages = f->kv.free;
    it->kv_used_pages = f->kv.used;
    it->kv_cached_pages = f->kv.cached;
    it->kv_alloc_total = f->kv.alloc_total;
    it->kv_alloc_new = f->kv.alloc_new;
    it->kv_reused = f->kv.reused;
    it->kv_missed = f->kv.missed;
    if (it->n_scheduled)
        add_record(x);
    ig_board_write(x->board, f);
}

size_t ig_exec_iterations(ig_exec *x, ig_exec_iteration *out, size_t max) {
    size_t n = 0;
    for (ig_exec_iteration *record; n < max && (record = ig_ring_pop(x->records)) != NULL;) {
        out[n++] = *record;
        (void)!ig_ring_push(x->unused, record);
    }
    return n;
}

void ig_exec_describe(const ig_exec *x, ig_exec_facts *facts) {
    ig_board_read(x->board, facts);
}
