/* beam.c: beam search with a candidate beam array (the pool), as TensorRT-LLM defines it.
 *
 * Tokens are nodes of a trellis that point to the token before them; it is taken whole at the
 * start. A live beam is a node and a sum of log-probabilities, a hypothesis of the pool the same
 * with its normalised score. Every live beam has generated the same number of tokens.
 *
 * Where the peer's rule is not certain: diversity only ranks, the sum that is kept is without it;
 * the best attainable score is that of the best live beam; with a width for each step the pool
 * holds the largest width. */
#include <assert.h>

#include "sample/candidates.h"
#include "sample/logprob_int.h"

#define NO_NODE UINT32_MAX
#define NODES_MAX (1u << 28) /* max_tokens * width: 3 GiB */

typedef struct trellis_node {
    uint32_t parent;
    int32_t id;
    float logprob;
} trellis_node;

typedef struct live_beam {
    double score; /* sum of log p */
    uint32_t node;
} live_beam;

typedef struct hypothesis {
    double score, logprob; /* normalised, and the sum */
    uint32_t node;
    int32_t end_id; /* after the node; -1 = the node is the last token */
    float end_logprob;
    uint32_t n_tokens;
    bool ended;
} hypothesis;

struct ig_beam_search {
    ig_beam_params p; /* without end_ids */
    int32_t *end_ids;
    trellis_node *nodes; /* [max_tokens * width] */
    uint32_t n_nodes;
    ig_candidate *best; /* [width][2 * width] continuations of each live beam */
    live_beam live[IG_BEAMS_MAX];
    uint32_t n_live;
    hypothesis pool[IG_BEAMS_MAX]; /* best first */
    uint32_t n_pool;
    uint32_t n_tokens; /* that each live beam has generated */
    bool done;
};

/* What a live beam offers in one step. */
typedef struct beam_offer {
    const ig_candidate *best;
    uint32_t n, at;
    double logsumexp;
} beam_offer;

/* One continuation. */
typedef struct extension {
    uint32_t beam;
    int32_t id;
    double logprob, score;
} extension;

static ig_status check_widths(const ig_beam_params *p, ig_err *err) {
    if (p->width < 1 || p->width > IG_BEAMS_MAX)
        return ig_fail(err, IG_EARGUMENT, "width is %u; it must be from 1 to %u", p->width,
                       IG_BEAMS_MAX);
    if (p->n_widths > IG_BEAM_WIDTHS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_widths is %u; the limit is %u", p->n_widths,
                       IG_BEAM_WIDTHS_MAX);
    for (uint32_t i = 0; i < p->n_widths; i++)
        if (p->widths[i] < 1 || p->widths[i] > p->width)
            return ig_fail(err, IG_EARGUMENT, "widths[%u] is %u; it must be from 1 to width, %u", i,
                           p->widths[i], p->width);
    return IG_OK;
}

static ig_status check_params(const ig_beam_params *p, ig_err *err) {
    IG_TRY(check_widths(p, err));
    if (!(p->diversity_rate >= 0.0f && p->diversity_rate <= FLT_MAX))
        return ig_fail(err, IG_EARGUMENT, "diversity_rate is %g; it must be finite and at least 0",
                       (double)p->diversity_rate);
    if (!(p->length_penalty >= 0.0f && p->length_penalty <= FLT_MAX))
        return ig_fail(err, IG_EARGUMENT, "length_penalty is %g; it must be finite and at least 0",
                       (double)p->length_penalty);
    if (p->n_vocab < 1 || p->n_vocab > IG_VOCAB_MAX)
        return ig_fail(err, IG_EARGUMENT, "n_vocab is %u; it must be from 1 to %u", p->n_vocab,
                       IG_VOCAB_MAX);
    if (p->max_tokens < 1 || p->max_tokens > NODES_MAX / p->width)
        return ig_fail(err, IG_EARGUMENT, "max_tokens is %u; with width %u it must be from 1 to %u",
                       p->max_tokens, p->width, NODES_MAX / p->width);
    if (p->n_end_ids > IG_END_IDS_MAX)
        return ig_fail(err, IG_ELIMIT, "n_end_ids is %u; the limit is %u", p->n_end_ids,
                       IG_END_IDS_MAX);
    for (uint32_t i = 0; i < p->n_end_ids; i++)
        if (p->end_ids[i] < 0 || (uint32_t)p->end_ids[i] >= p->n_vocab)
            return ig_fail(err, IG_EARGUMENT,
                           "end_ids[%u]: token %d is outside the vocabulary of %u", i,
                           (int)p->end_ids[i], p->n_vocab);
    return IG_OK;
}

ig_status ig_beam_create(ig_beam_search **out, const ig_beam_params *p, ig_err *err) {
    IG_TRY(check_params(p, err));
    size_t n_nodes = (size_t)p->max_tokens * p->width, n_best = 2 * (size_t)p->width * p->width;
    ig_beam_search *s = ig_alloc(1, sizeof *s);
    if (!s)
        return ig_fail_memory(err, sizeof *s);
    s->p = *p;
    s->p.end_ids = NULL;
    s->end_ids = ig_alloc(p->n_end_ids, sizeof *s->end_ids);
    s->nodes = ig_alloc(n_nodes, sizeof *s->nodes);
    s->best = ig_alloc(n_best, sizeof *s->best);
    if (!s->end_ids || !s->nodes || !s->best) {
        ig_beam_destroy(&s);
        return ig_fail_memory(err, n_nodes * sizeof *s->nodes + n_best * sizeof *s->best);
    }
    if (p->n_end_ids)
        memcpy(s->end_ids, p->end_ids, p->n_end_ids * sizeof *s->end_ids);
    s->live[0] = (live_beam){.node = NO_NODE};
    s->n_live = 1;
    *out = s;
    return IG_OK;
}

void ig_beam_destroy(ig_beam_search **search) {
    if (*search) {
        ig_free((*search)->end_ids);
        ig_free((*search)->nodes);
        ig_free((*search)->best);
    }
    ig_free(*search);
    *search = NULL;
}

static bool is_end(const ig_beam_search *s, int32_t id) {
    for (uint32_t i = 0; i < s->p.n_end_ids; i++)
        if (s->end_ids[i] == id)
            return true;
    return false;
}

/* The room's own power: scores decide, so they are the same bits on every machine. */
static double normalised(const ig_beam_search *s, double logprob, uint32_t n_tokens) {
    if (!(s->p.length_penalty > 0.0f) || n_tokens <= 1)
        return logprob;
    return logprob / ig_pow((double)n_tokens, (double)s->p.length_penalty);
}

/* Puts a hypothesis into the pool, behind its equals; when that is full only if it beats the worst,
 * which leaves. */
static bool enter_pool(ig_beam_search *s, hypothesis h) {
    h.score = normalised(s, h.logprob, h.n_tokens);
    if (s->n_pool == s->p.width) {
        if (!(h.score > s->pool[s->n_pool - 1].score))
            return false;
        s->n_pool--;
    }
    uint32_t at = s->n_pool++;
    for (; at > 0 && s->pool[at - 1].score < h.score; at--)
        s->pool[at] = s->pool[at - 1];
    s->pool[at] = h;
    return true;
}

static void enter_live(ig_beam_search *s, uint32_t beam, bool ended) {
    enter_pool(s, (hypothesis){.logprob = s->live[beam].score,
                               .node = s->live[beam].node,
                               .end_id = -1,
                               .n_tokens = s->n_tokens,
                               .ended = ended});
}

/* Whether the live beams need not go on. */
static bool nothing_better(const ig_beam_search *s) {
    if (s->n_pool < s->p.width)
        return false;
    if (s->p.early_stopping == 1)
        return true;
    double best = -DBL_MAX;
    for (uint32_t i = 0; i < s->n_live; i++)
        best = IG_MAX(best, s->live[i].score);
    uint32_t n_tokens = s->p.early_stopping == 0 ? s->n_tokens : s->p.max_tokens;
    return s->pool[s->n_pool - 1].score >= normalised(s, best, n_tokens);
}

static uint32_t width_now(const ig_beam_search *s) {
    return s->p.n_widths ? s->p.widths[IG_MIN(s->n_tokens, s->p.n_widths - 1)] : s->p.width;
}

/* The best continuation that is left, ranked with diversity; ties to the lower beam. Each beam's
 * list descends, so this merges them. */
static bool take_best(const ig_beam_search *s, beam_offer *offers, extension *out) {
    double best = 0.0;
    bool found = false;
    for (uint32_t b = 0; b < s->n_live; b++) {
        beam_offer *o = &offers[b];
        if (o->at == o->n)
            continue;
        double logprob = (double)o->best[o->at].p - o->logsumexp;
        double score = s->live[b].score + logprob;
        double rank = score + (double)s->p.diversity_rate * b;
        if (found && !(rank > best))
            continue;
        found = true;
        best = rank;
        *out = (extension){b, o->best[o->at].id, logprob, score};
    }
    if (found)
        offers[out->beam].at++;
    return found;
}

/* Walks the 2 * width best continuations: ends among the first `width` enter the pool, others
 * become live. */
static void walk(ig_beam_search *s, beam_offer *offers, uint32_t width, ig_beam_step *step) {
    live_beam next[IG_BEAMS_MAX];
    extension x;
    step->n = 0;
    for (uint32_t rank = 0; rank < 2 * width && step->n < width; rank++) {
        if (!take_best(s, offers, &x))
            break;
        uint32_t parent = s->live[x.beam].node;
        if (!is_end(s, x.id)) {
            s->nodes[s->n_nodes] = (trellis_node){parent, x.id, (float)x.logprob};
            next[step->n] = (live_beam){x.score, s->n_nodes++};
            step->next[step->n++] = (ig_beam_next){x.beam, x.id, x.score};
        } else if (rank < width) {
            bool entered = enter_pool(s, (hypothesis){.logprob = x.score,
                                                      .node = parent,
                                                      .end_id = x.id,
                                                      .end_logprob = (float)x.logprob,
                                                      .n_tokens = s->n_tokens + 1,
                                                      .ended = true});
            if (!entered && s->p.early_stopping != 0)
                break;
        }
    }
    s->n_tokens++;
    s->n_live = step->n;
    for (uint32_t i = 0; i < s->n_live; i++)
        s->live[i] = next[i];
}

ig_status ig_beam_advance(ig_beam_search *search, const float *const *logits, ig_beam_step *step,
                          ig_err *err) {
    ig_beam_search *s = search;
    beam_offer offers[IG_BEAMS_MAX];
    uint32_t width = width_now(s);
    /* Beams that were ended from outside may have filled the pool. */
    if (s->done || s->n_live == 0 || nothing_better(s)) {
        s->done = true;
        step->n = 0;
        step->done = true;
        return IG_OK;
    }
    for (uint32_t b = 0; b < s->n_live; b++) {
        offers[b] = (beam_offer){.logsumexp = ig_logits_logsumexp(logits[b], s->p.n_vocab)};
        if (!(offers[b].logsumexp >= -DBL_MAX && offers[b].logsumexp <= DBL_MAX))
            return ig_fail(err, IG_EARGUMENT,
                           "beam %u: no logit is finite or one is +inf; loosen its mask and bans, "
                           "or the model's output is broken",
                           b);
    }
    for (uint32_t b = 0; b < s->n_live; b++) {
        ig_candidate *best = s->best + 2 * (size_t)s->p.width * b;
        offers[b].n = ig_logits_best(logits[b], s->p.n_vocab, best, 2 * width);
        offers[b].best = best;
    }
    walk(s, offers, width, step);
    s->done = s->n_live == 0 || s->n_tokens == s->p.max_tokens || nothing_better(s);
    step->done = s->done;
    step->n = s->done ? 0 : s->n_live;
    return IG_OK;
}

void ig_beam_end(ig_beam_search *search, uint32_t beam) {
    ig_beam_search *s = search;
    assert(beam < s->n_live);
    enter_live(s, beam, true);
    s->n_live--;
    for (uint32_t i = beam; i < s->n_live; i++)
        s->live[i] = s->live[i + 1];
}

uint32_t ig_beam_finish(ig_beam_search *search) {
    ig_beam_search *s = search;
    if (nothing_better(s))
        s->n_live = 0;
    for (uint32_t i = 0; i < s->n_live; i++)
        enter_live(s, i, false);
    s->n_live = 0;
    s->done = true;
    return s->n_pool;
}

void ig_beam_describe(const ig_beam_search *search, uint32_t i, ig_beam_result *result) {
    assert(i < search->n_pool);
    const hypothesis *h = &search->pool[i];
    *result = (ig_beam_result){h->score, h->logprob, h->n_tokens, h->ended};
}

void ig_beam_tokens(const ig_beam_search *search, uint32_t i, int32_t *ids, float *logprobs) {
    assert(i < search->n_pool);
    const hypothesis *h = &search->pool[i];
    trellis_node last = {h->node, h->end_id, h->end_logprob};
    if (h->end_id < 0 && h->n_tokens > 0)
        last = search->nodes[h->node];
    for (uint32_t at = h->n_tokens; at-- > 0;) {
        if (ids)
            ids[at] = last.id;
        if (logprobs)
            logprobs[at] = last.logprob;
        if (at > 0)
            last = search->nodes[last.parent];
    }
}
