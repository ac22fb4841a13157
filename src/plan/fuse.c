/* fuse.c: an op absorbs the row-wise ops around it, as far as the backend says
 * it can run them together.
 *
 * Before an op (pre): the ops that make its inputs, and theirs, in program order; their other
 * readers must come after the op. After an op (post): the chain of sole readers of its output. A
 * value that only lives inside one fused op is marked unmaterialised. Absorbed ops are copies in
 * the arena; the originals become IG_OP_NONE and are removed at the end. */
#include "plan/plan_int.h"

typedef struct fuser {
    ig_program *p;
    const ig_capabilities *caps;
    uint32_t *makers;    /* op that writes a value; the outer op once absorbed */
    uint32_t *n_readers; /* ops that read a value, before any fusing */
    uint32_t *first;     /* first op that reads a value, by original index */
    uint32_t *home;      /* op index → op that holds it (itself, or the outer that absorbed it) */
} fuser;

static ig_status absorb(fuser *f, uint32_t outer, uint32_t inner, bool before, ig_err *err) {
    ig_program *p = f->p;
    ig_op *copy;
    IG_TRY(ig_arena_new(&p->arena, 1, sizeof *copy, &copy, err));
    *copy = p->ops[inner];
    ig_op *o = &p->ops[outer];
    if (before) {
        /* Keep program order: the inner op goes before those of a higher index, which
         * were absorbed earlier. */
        for (uint32_t i = o->n_pre++; i > 0; i--)
            o->pre[i] = o->pre[i - 1];
        o->pre[0] = copy;
    } else {
        o->post[o->n_post++] = copy;
    }
    p->ops[inner].kind = IG_OP_NONE;
    f->home[inner] = outer;
    return IG_OK;
}

/* May op `inner` move to the place of `outer` (later)? Every other reader of what it writes
 * must come after outer. */
static bool readers_follow(const fuser *f, uint32_t inner, uint32_t outer) {
    const ig_op *op = &f->p->ops[inner];
    for (uint32_t j = 0; j < IG_OP_OUT_MAX; j++) {
        ig_value_id v = op->out[j].value;
        if (v == 0)
            continue;
        for (uint32_t i = inner + 1; i < outer; i++) {
            if (f->home[i] != outer && ig_op_reads(&f->p->ops[i], v))
                return false;
            if (f->home[i] != i && f->home[i] < outer && f->home[i] != outer) {
                const ig_op *host = &f->p->ops[f->home[i]];
                for (uint32_t k = 0; k < host->n_pre; k++) {
                    if (ig_op_reads(host->pre[k], v))
                        return false;
                }
                for (uint32_t k = 0; k < host->n_post; k++) {
                    if (ig_op_reads(host->post[k], v))
                        return false;
                }
            }
        }
    }
    return true;
}

/* The latest op that makes an input of outer or of what it absorbed before, and
 * that may be absorbed too. */
static uint32_t next_pre(const fuser *f, uint32_t outer) {
    const ig_program *p = f->p;
    const ig_op *o = &p->ops[outer];
    uint32_t best = IG_OP_UNKNOWN;
    for (uint32_t i = 0; i <= o->n_pre; i++) {
        const ig_op *reader = i < o->n_pre ? o->pre[i] : o;
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++) {
            ig_value_id v = reader->in[j].value;
            uint32_t m = v ? f->makers[v] : IG_OP_UNKNOWN;
            if (m == IG_OP_UNKNOWN || f->home[m] != m || m >= outer || p->ops[m].n_pre ||
                p->ops[m].n_post)
                continue;
            if (best != IG_OP_UNKNOWN && m <= best)
                continue;
            if (ig_op_info(p->ops[m].kind)->rowwise &&
                p->values[v].rows == p->values[o->out[0].value].rows &&
                f->caps->absorbs_pre(p, o, &p->ops[m]) && readers_follow(f, m, outer))
                best = m;
        }
    }
    return best;
}

/* The sole reader of the outer op's latest output, when everything else it reads
 * is there before outer. */
static uint32_t next_post(const fuser *f, uint32_t outer) {
    const ig_program *p = f->p;
    const ig_op *o = &p->ops[outer], *last = o->n_post ? o->post[o->n_post - 1] : o;
    ig_value_id v = last->out[0].value;
    if (v == 0 || last->out[1].value || f->n_readers[v] != 1 || v == p->output)
        return IG_OP_UNKNOWN;
    uint32_t reader = f->first[v];
    if (reader == IG_OP_UNKNOWN || reader <= outer || f->home[reader] != reader ||
        !ig_op_info(p->ops[reader].kind)->rowwise || p->ops[reader].n_pre || p->ops[reader].n_post)
        return IG_OP_UNKNOWN;
    for (uint32_t j = 0; j < IG_OP_IN_MAX; j++) {
        ig_value_id in = p->ops[reader].in[j].value;
        uint32_t maker = in ? f->makers[in] : IG_OP_UNKNOWN;
        if (in && in != v && maker != IG_OP_UNKNOWN && f->home[maker] >= outer)
            return IG_OP_UNKNOWN;
    }
    return f->caps->absorbs_post(p, o, &p->ops[reader]) ? reader : IG_OP_UNKNOWN;
}

static void mark_inner_values(fuser *f) {
    ig_program *p = f->p;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        const ig_op *o = &p->ops[i];
        for (uint32_t k = 0; k < (uint32_t)o->n_pre + o->n_post + 1; k++) {
            const ig_op *maker = k < o->n_pre    ? o->pre[k]
                                 : k == o->n_pre ? o
                                                 : o->post[k - o->n_pre - 1];
            for (uint32_t j = 0; j < IG_OP_OUT_MAX; j++) {
                ig_value_id v = maker->out[j].value;
                if (v == 0 || v == p->output)
                    continue;
                uint32_t inside = 0;
                for (uint32_t n = 0; n < (uint32_t)o->n_pre + o->n_post + 1; n++) {
                    const ig_op *reader = n < o->n_pre    ? o->pre[n]
                                          : n == o->n_pre ? o
                                                          : o->post[n - o->n_pre - 1];
                    inside += ig_op_reads(reader, v);
                }
                p->values[v].unmaterialised = inside > 0 && inside == f->n_readers[v];
            }
        }
    }
}

static ig_status first_readers(fuser *f, ig_err *err) {
    ig_program *p = f->p;
    IG_TRY(ig_arena_new(&p->arena, p->n_values + 1, sizeof *f->first, &f->first, err));
    for (uint32_t v = 0; v < p->n_values; v++)
        f->first[v] = IG_OP_UNKNOWN;
    for (uint32_t i = p->n_ops; i-- > 0;) {
        for (uint32_t j = 0; j < IG_OP_IN_MAX; j++)
            f->first[p->ops[i].in[j].value] = i;
    }
    return IG_OK;
}

ig_status ig_pass_fuse(ig_program *p, const ig_capabilities *caps, ig_err *err) {
    fuser f = {.p = p, .caps = caps};
    IG_TRY(ig_program_makers(p, &f.makers, err));
    IG_TRY(ig_program_readers(p, NULL, &f.n_readers, err));
    IG_TRY(first_readers(&f, err));
    IG_TRY(ig_arena_new(&p->arena, p->n_ops, sizeof *f.home, &f.home, err));
    for (uint32_t i = 0; i < p->n_ops; i++)
        f.home[i] = i;
    for (uint32_t i = 0; i < p->n_ops; i++) {
        if (f.home[i] != i)
            continue;
        uint32_t inner;
        while (caps->absorbs_post && p->ops[i].n_post < IG_OP_POST_MAX &&
               (inner = next_post(&f, i)) != IG_OP_UNKNOWN)
            IG_TRY(absorb(&f, i, inner, false, err));
        while (caps->absorbs_pre && p->ops[i].n_pre < IG_OP_PRE_MAX &&
               (inner = next_pre(&f, i)) != IG_OP_UNKNOWN)
            IG_TRY(absorb(&f, i, inner, true, err));
    }
    mark_inner_values(&f);
    ig_program_sweep(p);
    return IG_OK;
}
