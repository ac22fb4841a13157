/* candidates.h: the tokens that are still in the running during one draw. Internal to the room.
 *
 * A draw begins *dense*: all tokens, as the caller's logits seen through tiles of 64. A tile is
 * CLEAN (the caller's memory), OWN (copied to scratch because something in it changed) or DEAD
 * (every token forbidden), so a handful of biased tokens costs a handful of copies and a grammar
 * mask mostly costs nothing. One vectorised pass leaves each tile's maximum; after that whatever
 * wants large logits only visits tiles whose maximum is large enough. The first sampler that
 * truncates turns the candidates into a *list* of keys (cand_keys.h), which is short from then on.
 * Samplers without a dense form ask for the list of everything. */
#ifndef IG_SAMPLE_CANDIDATES_H
#define IG_SAMPLE_CANDIDATES_H

#include "sample/cand_keys.h"
#include "sample/sample.h"
#include "sample/token_counts.h"

#define IG_TILE IG_SAMPLE_TILE
#define IG_LIST_SHORT 1024u /* lists up to here are sorted rather than selected from */

struct ig_sample_scratch {
    uint32_t n_vocab, n_tiles;
    float *work;         /* [n_tiles * 64] own tiles */
    float *tile_max;     /* [n_tiles] */
    float *tile_mass;    /* [n_tiles] sum of exp(logit - max) */
    uint8_t *tile_state; /* [n_tiles] */
    uint64_t *keys;      /* [n_tiles * 64] the list */
    uint64_t *tmp;       /* [n_tiles * 64] */
    float *w;            /* [n_tiles * 64] weights of the list, beside keys */
};

typedef struct ig_candidates {
    const float *raw; /* [n_vocab] the caller's */
    ig_sample_scratch *s;
    bool dense;
    bool scanned;         /* dense: tile_max and max are current */
    bool sorted;          /* list: keys descend */
    float max;            /* dense and scanned: the largest logit */
    uint32_t n;           /* list: length */
    const float *maxima;  /* [n_tiles] of raw, when somebody has them already; NULL */
    uint32_t n_forbidden; /* by ig_candidates_forbid */
} ig_candidates;

typedef struct ig_pick {
    int32_t id;
    double p;
    uint32_t at; /* list: index */
} ig_pick;

void ig_candidates_begin(ig_candidates *c, ig_sample_scratch *s, const float *logits,
                         const uint32_t *mask);

/* Dense: the changeable logit of a token, NULL when its tile is dead. */
float *ig_candidates_cell(ig_candidates *c, int32_t id);
/* Dense: sets a token to -inf. */
void ig_candidates_forbid(ig_candidates *c, int32_t id);
/* Dense: adds a bias, finite or -inf, to every logit; bias has whole tiles. */
void ig_candidates_add(ig_candidates *c, const float *bias);
/* New logit of every candidate that is in the map, from the old one and the map's value; infinite
 * ones stay. */
typedef float ig_adjust(const void *user, float logit, int32_t value);
void ig_candidates_adjust(ig_candidates *c, const ig_token_counts *m, ig_adjust *adjust,
                          const void *user);
/* Divides every logit by temperature > 0. */
void ig_candidates_scale(ig_candidates *c, double temperature);

/* Dense: brings tile_max and max up to date. IG_EARGUMENT when no logit is finite or one is +inf.
 */
IG_MUST_USE ig_status ig_candidates_scan(ig_candidates *c, ig_err *err);

/* Scanned: the logits as they are now, -inf where there is no candidate; out [n_vocab] may be the
 * caller's logits. */
void ig_candidates_write(const ig_candidates *c, float *out);

/* All below need scanned candidates and leave at least one. */
float ig_candidates_max(const ig_candidates *c);
/* Turns dense into the list of all. */
void ig_candidates_list(ig_candidates *c);
/* Back to all candidates, after a list of a dense draw that turned out too short; the logits are
 * still there. */
void ig_candidates_undo_list(ig_candidates *c);
/* A list in descending order. */
void ig_candidates_sort(ig_candidates *c);
/* Keeps the k best (k >= 1). */
void ig_candidates_top(ig_candidates *c, uint32_t k);
/* Keeps logits >= lowest, and at least the min_keep (>= 1) best. */
void ig_candidates_above(ig_candidates *c, float lowest, uint32_t min_keep);
/* Keeps the single best, first in case of a tie. */
void ig_candidates_best(ig_candidates *c);
/* Sum of exp(logit - max); a list also gets its weights in s->w. */
double ig_candidates_mass(ig_candidates *c);
/* Visits dense tiles: NULL for a dead one, otherwise 64 logits, -inf where there is no candidate or
 * token. */
const float *ig_candidates_tile(const ig_candidates *c, uint32_t t);

/* Draws by weight exp(logit - max) with u in [0, 1); leaves the weights as ig_candidates_mass does.
 */
ig_pick ig_candidates_draw(ig_candidates *c, double u);
/* Draws from a list by the weights in s->w whose sum is given. */
ig_pick ig_candidates_draw_weighted(const ig_candidates *c, double sum, double u);

/* Elementwise over one tile: e = exp(x - max); returns the sum in a fixed tree order. */
float ig_tile_exp(const float x[IG_TILE], float max, float e[IG_TILE]);
float ig_tile_max(const float x[IG_TILE]);
float ig_tile_sum(const float x[IG_TILE]);

#endif
