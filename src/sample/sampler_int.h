/* sampler_int.h: the sampler object and the table row a sampler is. Internal to the room. */
#ifndef IG_SAMPLE_SAMPLER_INT_H
#define IG_SAMPLE_SAMPLER_INT_H

#include "sample/candidates.h"

typedef struct ig_sampler_row ig_sampler_row;

/* Rows that users cannot name: they end a chain. */
enum { IG_ROW_MIROSTAT_1 = IG_SAMPLER_COUNT, IG_ROW_MIROSTAT_2, IG_ROW_RANDOM, IG_ROW_COUNT };

/* Random streams are stages of the chain; the final draw has a number no stage has. */
#define IG_STREAM_DRAW 0xFFFFFFFFu

/* Token runs with ids of their own. */
typedef struct ig_run_list {
    ig_token_run *run; /* [n] */
    int32_t *ids;      /* [n_ids] */
    uint32_t n;
    size_t n_ids;
} ig_run_list;

/* What accepted tokens and draws change, besides history and counts. */
typedef struct ig_sampler_state {
    uint64_t n_draws; /* position in every random stream */
    uint64_t n_accepted;
    uint32_t n_ignored; /* leading tokens that presence and frequency do not count */
    uint32_t history_n, history_at;
    float top_p; /* of the next draw */
    double mirostat_mu;
    double adaptive_sum, adaptive_weight;
    uint32_t n_probs;
} ig_sampler_state;

/* Everything in one allocation: this struct, then the arrays in the order of layout() in sampler.c.
 */
struct ig_sampler {
    ig_sample_params p; /* without the arrays, which are copied below */
    uint32_t n_vocab;
    size_t bytes; /* of the allocation */
    ig_sample_scratch *scratch;
    const float *maxima; /* of the next draw's logits; NULL */
    bool owns_scratch;
    const ig_sampler_row *stage[IG_SAMPLERS_MAX]; /* only those that do something */
    uint32_t n_stages;
    const ig_sampler_row *drawer;

    ig_sampler_state state;
    int32_t *history; /* [history_cap] the last accepted tokens, a ring */
    uint32_t history_cap;
    uint32_t penalty_window, dry_window; /* 0 = off */
    uint32_t ngram;                      /* length of n-grams that are not repeated; 0 = off */
    ig_token_counts penalty_count;       /* token → occurrences in the penalty window */
    ig_token_counts counted;    /* the same without ignored tokens; cap 0 = penalty_count will do */
    ig_token_counts dry_repeat; /* token → longest repeat it would continue; filled per draw */
    int32_t *dry_recent;        /* [dry_window] newest first */
    uint32_t *dry_match;        /* [dry_window] Z values */
    uint32_t dry_exponent_max;
    ig_candidate *probs; /* [p.n_probs] of the last draw, best first */

    ig_logit_bias *bias;   /* [p.n_logit_bias] */
    float *embedding_bias; /* [n_embedding_bias] whole tiles, 0 beyond the vocabulary */
    size_t n_embedding_bias;
    int32_t *end_ids;     /* [p.n_end_ids] */
    ig_run_list breakers; /* of DRY, ordered by first token */
    ig_run_list bad_words;
};

struct ig_sampler_row {
    const char *name;
    const char *aliases; /* further names, space after each */
    char letter;         /* 0 = users cannot name it */
    bool edits;          /* changes logits; removes none, but for a temperature of 0 */
    bool blind;          /* needs no maximum */
    bool keeps_best;     /* never removes the most probable candidate */
    bool (*is_off)(const ig_sample_params *p);
    void (*apply)(ig_sampler *s, ig_candidates *c, uint32_t stream);
    ig_pick (*draw)(ig_sampler *s,
                    ig_candidates *c);         /* for rows that end a chain, instead of apply */
    void (*accept)(ig_sampler *s, int32_t id); /* before the token enters the history */
    void (*reset)(ig_sampler *s);
};

extern const ig_sampler_row ig_sampler_rows[IG_ROW_COUNT];

/* Look-back of a parameter that counts tokens: -1 is the context. */
uint32_t ig_sample_window(const ig_sample_params *p, int32_t last_n);

/* The token accepted i tokens ago, 0 = the newest; i < state.history_n. */
IG_INLINE int32_t ig_sampler_recent(const ig_sampler *s, uint32_t i) {
    uint32_t at = s->state.history_at + s->history_cap - 1 - i;
    return s->history[at >= s->history_cap ? at - s->history_cap : at];
}
/* The random number of this draw for a stage. */
double ig_sampler_uniform(const ig_sampler *s, uint32_t stream);

/* Forbids what min_tokens, bad words and n-grams of the history forbid now. */
void ig_bans_apply(const ig_sampler *s, ig_candidates *c);
/* After a drawn token: the top_p of the next draw. */
void ig_top_p_decay(ig_sampler *s, int32_t id);

/* The rows' functions, one file each. */
bool ig_penalties_off(const ig_sample_params *p);
bool ig_penalties_ignore(const ig_sample_params *p);
void ig_penalties_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
void ig_penalties_accept(ig_sampler *s, int32_t id);
void ig_penalties_reset(ig_sampler *s);
bool ig_dry_off(const ig_sample_params *p);
void ig_dry_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
void ig_dry_reset(ig_sampler *s);
bool ig_top_n_sigma_off(const ig_sample_params *p);
void ig_top_n_sigma_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_top_k_off(const ig_sample_params *p);
void ig_top_k_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_typical_off(const ig_sample_params *p);
void ig_typical_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_top_p_off(const ig_sample_params *p);
void ig_top_p_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_min_p_off(const ig_sample_params *p);
void ig_min_p_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_xtc_off(const ig_sample_params *p);
void ig_xtc_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_temperature_off(const ig_sample_params *p);
bool ig_temperature_greedy(const ig_sample_params *p);
void ig_temperature_apply(ig_sampler *s, ig_candidates *c, uint32_t stream);
bool ig_adaptive_p_off(const ig_sample_params *p);
ig_pick ig_adaptive_p_draw(ig_sampler *s, ig_candidates *c);
void ig_adaptive_p_reset(ig_sampler *s);
ig_pick ig_mirostat_1_draw(ig_sampler *s, ig_candidates *c);
ig_pick ig_mirostat_2_draw(ig_sampler *s, ig_candidates *c);
void ig_mirostat_reset(ig_sampler *s);
ig_pick ig_random_draw(ig_sampler *s, ig_candidates *c);

#endif
