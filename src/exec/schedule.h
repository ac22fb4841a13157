/* schedule.h: which requests run in the next step, as a pure function: no clock, no memory of its
 * own, no pages; everything it knows is in its arguments, everything it decides in its result.
 * Internal to the exec room, linked by its tests.
 *
 * Iteration-level scheduling (Orca, Yu et al. 2022) with chunked prefill inside a token budget,
 * decodes first (Sarathi-Serve, Agrawal et al. 2024). Policies by TensorRT-LLM's names.
 *
 * Rank: effective priority, descending (priority + waited time / ageing time), then arrival. Nobody
 * is overtaken for ever: whoever waits long enough outranks every newcomer, requests are admitted
 * strictly in rank, and the best-ranked running request is never preempted. */
#ifndef IG_EXEC_SCHEDULE_H
#define IG_EXEC_SCHEDULE_H

#include "exec/exec.h"

typedef struct ig_sched_limits {
    ig_exec_policy policy;
    uint32_t page_tokens, n_groups;
    uint32_t tokens_max;  /* rows of a step; >= seqs_max */
    uint32_t seqs_max;    /* sequences of a step, and of all running requests together */
    uint32_t outputs_max; /* rows whose logits can be had in a step; >= seqs_max */
    uint32_t mixed_max;   /* prefill rows of a step that decodes too; 0 = as many as fit */
    uint64_t ageing_us;   /* waiting this long is worth a priority of 1; 0 = no ageing */
    uint32_t window[IG_KV_GROUPS_MAX];
    uint32_t n_pages[IG_KV_GROUPS_MAX]; /* of the whole pool */
} ig_sched_limits;

/* A request as the scheduler sees it. "Branches" are its sequences: 1, n of n > 1, beams. */
typedef struct ig_sched_job {
    float priority;      /* 0..1 */
    uint64_t arrival;    /* number, unique, ascending */
    uint64_t arrival_us; /* clock */
    bool running;        /* holds pages; else it waits (new, or preempted) */
    uint32_t n_branches; /* sequences it will have at most: what admission counts */
    uint32_t n_decode;   /* running: rows of its decode step (its live branches, one each) */
    /* Rows before it can decode: of one branch, the one that is next to catch up; 0 = it decodes.
     * A waiting job: all its tokens that are not in the cache, at least the last one. */
    uint32_t prefill;
    uint32_t n_past;   /* tokens which that branch has in pages already */
    bool outputs_all;  /* every prefill row gives logits (they count against outputs_max) */
    uint32_t boundary; /* a prefill chunk may not be longer; UINT32_MAX = no such limit */
    /* Running: fresh pages which its decode step takes, or its next prefill row (0 there = those
     * that n_past says; more when a shared page is copied first). */
    uint32_t decode_pages[IG_KV_GROUPS_MAX];
    /* Waiting: pages its known tokens need beyond those that others use at this moment. */
    uint32_t admit_pages[IG_KV_GROUPS_MAX];
    /* Pages it may hold at its longest, running or waiting (all policies but MAX_UTILIZATION). */
    uint32_t limit_pages[IG_KV_GROUPS_MAX];
    bool decoded; /* running: has made tokens; a static batch takes nobody in any more */
    bool solo;    /* must run alone in its step: a step with it failed before */
} ig_sched_job;

typedef struct ig_sched_pick {
    uint32_t job;    /* index into jobs */
    uint32_t n_rows; /* prefill rows, or n_decode */
    bool admitted;   /* was waiting: match, then run n_rows of what is left */
} ig_sched_pick;

typedef struct ig_sched_result {
    ig_sched_pick *picks; /* [n_jobs] room given by the caller; decodes first, then in rank */
    uint32_t n_picks, n_tokens, n_seqs, n_outputs;
    /* A running job whose pages must be taken away first (the worst-ranked one), after which the
     * caller asks again with a new snapshot; UINT32_MAX = none. With a preemption there are no
     * picks. */
    uint32_t preempt;
} ig_sched_result;

/* order [n_jobs]: working memory. free_pages [n_groups]: free now. A waiting job is picked only
 * after all better-ranked waiting ones; the first that does not fit ends admission.
 *
 * MAX_UTILIZATION admits a job when its known tokens fit beside what running ones will take soon:
 * the rest of their prompts, and one page per branch in each group, its own included, so that who
 * was preempted does not come back into the same shortage. When nothing runs it needs no more than
 * its tokens.
 *
 * Never returns an empty result while some job could run. *stuck (index, else UINT32_MAX) has
 * outgrown the pool: a lone running job without pages, or with nothing running the first waiting
 * one that even the empty pool could not take. */
void ig_schedule(const ig_sched_limits *limits, const ig_sched_job *jobs, uint32_t n_jobs,
                 const uint32_t free_pages[IG_KV_GROUPS_MAX], uint64_t now_us, uint32_t *order,
                 ig_sched_result *result, uint32_t *stuck);

#endif
