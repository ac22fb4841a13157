/* exec_events.c: queues of requests with news. The executor pushes, one client thread takes; a
 * request stands in its queue at most once, so a ring of the queue's capacity never overflows. */
#include "exec/exec_int.h"

struct ig_exec_events {
    ig_ref_count refs; /* the client's, and one per request submitted with it */
    ig_ring *ring;
    ig_gate gate;
    ig_flag attached; /* requests that may still be pushed or stand in the ring */
    ig_flag raised;   /* fd is readable: saves a system call per push */
    ig_flag dead;     /* nobody takes any more */
    uint32_t cap;
    int fd;
};

ig_status ig_exec_events_create(ig_exec_events **out, uint32_t cap, ig_err *err) {
    if (cap == 0 || cap > IG_EXEC_REQUESTS_MAX)
        return ig_fail(err, IG_EARGUMENT, "an event queue of %u requests; from 1 to %u", cap,
                       IG_EXEC_REQUESTS_MAX);
    ig_exec_events *e = ig_alloc(1, sizeof *e);
    if (!e)
        return ig_fail_memory(err, sizeof *e);
    ig_ref_init(&e->refs);
    e->cap = cap;
    e->fd = -1;
    ig_status status = ig_ring_create(&e->ring, cap, err);
    if (!status)
        status = ig_event_fd_open(&e->fd, err);
    if (status) {
        ig_exec_events_destroy(&e);
        return status;
    }
    *out = e;
    return IG_OK;
}

static void release(ig_exec_events *e) {
    if (!ig_ref_release(&e->refs))
        return;
    ig_ring_destroy(&e->ring);
    ig_event_fd_close(&e->fd);
    ig_free(e);
}

/* Requests that stand in the ring are held by it. */
static void drain(ig_exec_events *e) {
    for (ig_exec_request *r; e->ring && (r = ig_ring_pop(e->ring)) != NULL;)
        exec_release(r);
}

void ig_exec_events_destroy(ig_exec_events **events) {
    if (!events || !*events)
        return;
    ig_exec_events *e = *events;
    *events = NULL;
    ig_flag_set(&e->dead, 1);
    drain(e);
    release(e);
}

int ig_exec_events_fd(const ig_exec_events *e) {
    return e->fd;
}

ig_status exec_events_attach(ig_exec_events *e, ig_err *err) {
    if (ig_flag_add(&e->attached, 1) > e->cap) {
        (void)ig_flag_add(&e->attached, (uint32_t)-1);
        return ig_fail(err, IG_EBUSY,
                       "the event queue has room for %u requests and all are in use; close some, "
                       "or make it larger",
                       e->cap);
    }
    ig_ref_retain(&e->refs);
    return IG_OK;
}

void exec_events_detach(ig_exec_events *e) {
    (void)ig_flag_add(&e->attached, (uint32_t)-1);
    release(e);
}

void exec_events_push(ig_exec_events *e, ig_exec_request *r) {
    if (ig_flag_get(&r->closed) || ig_flag_swap(&r->queued, 1))
        return;
    ig_ref_retain(&r->refs);
    if (!ig_ring_push(e->ring, r)) { /* cannot be: each stands there once */
        exec_release(r);
        return;
    }
    if (ig_flag_add(&e->dead, 0)) { /* whoever comes last, here or in destroy, empties the ring */
        drain(e);
        return;
    }
    ig_gate_open(&e->gate);
    if (!ig_flag_swap(&e->raised, 1))
        ig_event_fd_raise(e->fd);
}

/* A request is taken off the ring before its outputs are read, so that news which come meanwhile
 * put it there again; but not into the same call, whose reader may close it at its first place. */
static size_t take(ig_exec_events *e, ig_exec_request **out, size_t max) {
    size_t n = 0, left = ig_ring_count(e->ring);
    for (ig_exec_request *r; n < max && left > 0 && (r = ig_ring_pop(e->ring)); left--) {
        (void)ig_flag_swap(&r->queued, 0);
        if (!ig_flag_get(&r->closed))
            out[n++] = r; /* the client's own handle keeps it alive */
        exec_release(r);
    }
    return n;
}

typedef struct taking {
    ig_exec_events *events;
    ig_exec_request **out;
    size_t max, n;
} taking;

/* First the descriptor, then the flag, then the ring: a push in between is either seen by this look
 * at the ring or raises the descriptor anew. */
static size_t clear_and_take(taking *t) {
    ig_exec_events *e = t->events;
    ig_event_fd_clear(e->fd);
    (void)ig_flag_swap(&e->raised, 0);
    return take(e, t->out, t->max);
}

static bool take_some(void *user) {
    taking *t = user;
    ig_exec_events *e = t->events;
    t->n = ig_flag_get(&e->raised) ? clear_and_take(t) : take(e, t->out, t->max);
    /* A push sets the flag before it raises the descriptor: one that was interrupted in between may
     * raise it late, with the flag down and its request gone. Who finds nothing clears it anyway,
     * or an event loop would turn for ever. */
    if (t->n == 0)
        t->n = clear_and_take(t);
    if (t->n == t->max && !ig_flag_swap(&e->raised, 1)) /* there may be more */
        ig_event_fd_raise(e->fd);
    return t->n > 0;
}

size_t ig_exec_events_take(ig_exec_events *e, ig_exec_request **out, size_t max,
                           uint64_t timeout_ns) {
    taking t = {.events = e, .out = out, .max = max};
    if (max) /* who takes nothing leaves the descriptor as it is */
        (void)ig_gate_await(&e->gate, take_some, &t, timeout_ns);
    return t.n;
}
