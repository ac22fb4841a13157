/* exec_events.c: queues of requests with news. The executor pushes, one client thread takes; a
 * request stands in its queue at most once, so a ring of the queue's capacity never overflows. */
#include "exec/exec_int.h"

struct ig_exec_events {
    ig_ref_count refs; /* the client's, and one per request submitted with it */
    ig_ring *ring;
    ig_gate gate;
    ig_flag attached; /* places in use: requests that are open or stand in the ring */
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

void exec_events_release(ig_exec_events *e) {
    if (!ig_ref_release(&e->refs))
        return;
    ig_ring_destroy(&e->ring);
    ig_event_fd_close(&e->fd);
    ig_free(e);
}

/* The place of a request is kept by two: the client's handle, and what stands in the ring. The last
 * one to go gives it back. */
void exec_events_leave(ig_exec_events *e, ig_exec_request *r) {
    if (ig_flag_add(&r->place, (uint32_t)-1) == 0)
        (void)ig_flag_add(&e->attached, (uint32_t)-1);
}

static void off_the_ring(ig_exec_events *e, ig_exec_request *r) {
    exec_events_leave(e, r);
    exec_release(r);
}

/* Requests that stand in the ring are held by it. */
static void drain(ig_exec_events *e) {
    for (ig_exec_request *r; e->ring && (r = ig_ring_pop(e->ring)) != NULL;)
        off_the_ring(e, r);
}

void ig_exec_events_destroy(ig_exec_events **events) {
    if (!events || !*events)
        return;
    ig_exec_events *e = *events;
    *events = NULL;
    (void)ig_flag_swap(&e->dead, 1); /* a push that does not see it is seen by the drain */
    drain(e);
    exec_events_release(e);
}

int ig_exec_events_fd(const ig_exec_events *e) {
    return e->fd;
}

/* Somebody has to look. */
static void raise_all(ig_exec_events *e) {
    ig_gate_open(&e->gate);
    if (!ig_flag_swap(&e->raised, 1))
        ig_event_fd_raise(e->fd);
}

/* Takes closed requests off the ring; the others go back, for every place is somebody's. */
static void sweep(ig_exec_events *e) {
    size_t left = ig_ring_count(e->ring);
    for (ig_exec_request *r; left > 0 && (r = ig_ring_pop(e->ring)) != NULL; left--) {
        if (ig_flag_get(&r->closed) || !ig_ring_push(e->ring, r))
            off_the_ring(e, r);
    }
    raise_all(e); /* who looked meanwhile may have seen too few */
}

ig_status exec_events_attach(ig_exec_events *e, ig_exec_request *r, ig_err *err) {
    for (int tries = 0; ig_flag_add(&e->attached, 1) > e->cap; tries++) {
        (void)ig_flag_add(&e->attached, (uint32_t)-1);
        if (tries == 1)
            return ig_fail(err, IG_EBUSY,
                           "the event queue has room for %u requests and all are in use; close "
                           "some, or make it larger",
                           e->cap);
        sweep(e);
    }
    ig_flag_set(&r->place, 1);
    ig_ref_retain(&e->refs);
    return IG_OK;
}

void exec_events_push(ig_exec_events *e, ig_exec_request *r) {
    if (ig_flag_get(&r->closed) || ig_flag_swap(&r->queued, 1))
        return;
    if (ig_flag_add(&r->place, 1) == 1) { /* closed meanwhile: its place may be another's */
        (void)ig_flag_add(&r->place, (uint32_t)-1);
        return;
    }
    ig_ref_retain(&r->refs);
    if (!ig_ring_push(e->ring, r)) { /* cannot be: who stands there has a place */
        off_the_ring(e, r);
        return;
    }
    if (ig_flag_add(&e->dead, 0)) /* whoever comes last, here or in destroy, empties the ring */
        drain(e);
    else
        raise_all(e);
}

/* A request is taken off the ring before its outputs are read, so that news which come meanwhile
 * put it there again; but not into the same call, whose reader may close it at its first place. */
static size_t take(ig_exec_events *e, ig_exec_request **out, size_t max) {
    size_t n = 0, left = ig_ring_count(e->ring);
    for (ig_exec_request *r; n < max && left > 0 && (r = ig_ring_pop(e->ring)); left--) {
        (void)ig_flag_swap(&r->queued, 0);
        if (!ig_flag_get(&r->closed))
            out[n++] = r; /* the client's own handle keeps it alive */
        off_the_ring(e, r);
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
