/* test_schedule.c: one decision at a time: what is picked of a few jobs, and why not the others;
 * the bound on waiting that ageing gives; what a call costs. */
#include "exec/schedule.h"
#include "os/os.h"
#include "test.h"

/* One page table of 100 pages of 4 tokens; nothing is short. */
static const ig_sched_limits ROOMY = {.policy = IG_EXEC_MAX_UTILIZATION,
                                      .page_tokens = 4,
                                      .n_groups = 1,
                                      .tokens_max = 100,
                                      .seqs_max = 8,
                                      .outputs_max = 8,
                                      .n_pages = {100}};

typedef struct answer {
    ig_sched_result r;
    ig_sched_pick picks[8];
    uint32_t stuck;
} answer;

static answer ask(const ig_sched_limits *limits, const ig_sched_job *jobs, uint32_t n,
                  uint32_t free_pages) {
    const uint32_t free[IG_KV_GROUPS_MAX] = {free_pages, free_pages, free_pages, free_pages};
    uint32_t order[8];
    answer a = {0};
    a.r.picks = a.picks;
    ig_schedule(limits, jobs, n, free, 1000, order, &a.r, &a.stuck);
    return a;
}

/* Rows of each job, a letter of how it was picked before it: "d1 c20 a7 -". */
static const char *picked(const ig_sched_limits *limits, const ig_sched_job *jobs, uint32_t n,
                          uint32_t free_pages) {
    static char text[128];
    const answer a = ask(limits, jobs, n, free_pages);
    if (a.stuck != UINT32_MAX || a.r.preempt != UINT32_MAX) {
        const bool stuck = a.stuck != UINT32_MAX;
        snprintf(text, sizeof text, "%s %u", stuck ? "stuck" : "preempt",
                 stuck ? a.stuck : a.r.preempt);
        return text;
    }
    text[0] = '\0';
    for (uint32_t i = 0; i < n; i++) {
        const ig_sched_pick *p = a.picks, *end = a.picks + a.r.n_picks;
        while (p < end && p->job != i)
            p++;
        const size_t at = strlen(text);
        if (p == end)
            snprintf(text + at, sizeof text - at, "%s-", i ? " " : "");
        else
            snprintf(text + at, sizeof text - at, "%s%c%u", i ? " " : "",
                     p->admitted       ? 'a'
                     : jobs[i].prefill ? 'c'
                                       : 'd',
                     p->n_rows);
    }
    return text;
}

static ig_sched_job decoding(uint64_t arrival, uint32_t n_branches, uint32_t pages) {
    return (ig_sched_job){.arrival = arrival,
                          .running = true,
                          .n_branches = n_branches,
                          .n_decode = n_branches,
                          .boundary = UINT32_MAX,
                          .decode_pages = {pages}};
}

static ig_sched_job filling(uint64_t arrival, uint32_t n_past, uint32_t prefill) {
    return (ig_sched_job){.arrival = arrival,
                          .running = true,
                          .n_branches = 1,
                          .prefill = prefill,
                          .n_past = n_past,
                          .boundary = UINT32_MAX};
}

static ig_sched_job waiting(uint64_t arrival, uint32_t prefill) {
    return (ig_sched_job){.arrival = arrival,
                          .n_branches = 1,
                          .prefill = prefill,
                          .boundary = UINT32_MAX,
                          .admit_pages = {(prefill + 3) / 4},
                          .limit_pages = {(prefill + 3) / 4 + 2}};
}

TEST(decodes_come_first_then_chunks_then_admissions) {
    ig_sched_limits l = ROOMY;
    ig_sched_job jobs[5] = {waiting(0, 9), filling(1, 0, 40), decoding(2, 3, 1), filling(3, 8, 7),
                            waiting(4, 50)};
    CHECK_STR(picked(&l, jobs, 5, 100), "a9 c40 d3 c7 a41");
    l.tokens_max = 45;
    CHECK_STR(picked(&l, jobs, 5, 100), "- c40 d3 c2 -");
    l.tokens_max = 8;
    CHECK_STR(picked(&l, jobs, 5, 100), "- c5 d3 - -");
    jobs[1].boundary = 2;
    jobs[3].boundary = 1;
    jobs[0].boundary = 1;
    CHECK_STR(picked(&l, jobs, 5, 100), "a1 c2 d3 c1 a1");
    const answer a = ask(&l, jobs, 5, 100);
    CHECK(a.r.n_tokens == 8 && a.r.n_seqs == 7 && a.r.n_outputs == 3);
    CHECK(a.picks[0].job == 2 && a.picks[1].job == 1 && a.picks[2].job == 3);
    CHECK(a.picks[3].job == 0 && a.picks[4].job == 4);
    CHECK_STR(picked(&l, jobs, 0, 100), "");
}

TEST(chunks_shrink_to_the_pages_that_are_free) {
    ig_sched_limits l = ROOMY;
    ig_sched_job jobs[2] = {filling(0, 6, 50), filling(1, 8, 50)};
    CHECK_STR(picked(&l, jobs, 2, 2), "c10 -"); /* two left on its page, then eight */
    CHECK_STR(picked(&l, jobs, 2, 0), "c2 -");
    jobs[0].decode_pages[0] = 1; /* somebody shares that page */
    CHECK_STR(picked(&l, jobs, 2, 2), "c6 -");
    CHECK_STR(picked(&l, jobs, 2, 0), "preempt 1");
    jobs[0].prefill = 2;
    CHECK_STR(picked(&l, jobs, 2, 2), "c2 c4");
    l.n_groups = 2; /* every group must have them */
    jobs[0].decode_pages[1] = 2;
    CHECK_STR(picked(&l, jobs, 2, 2), "c2 -");
}

TEST(logits_are_wanted_within_their_limit) {
    ig_sched_limits l = ROOMY;
    l.seqs_max = l.outputs_max = 5;
    ig_sched_job jobs[4] = {filling(0, 0, 20), decoding(1, 2, 0), filling(2, 0, 6),
                            filling(3, 0, 1)};
    jobs[0].outputs_all = true;
    CHECK_STR(picked(&l, jobs, 4, 100), "c3 d2 c5 -"); /* the last row of a prompt stays behind */
    CHECK_EQ(ask(&l, jobs, 4, 100).r.n_outputs, 5);
    jobs[0].prefill = 1;
    CHECK_STR(picked(&l, jobs, 4, 100), "c1 d2 c6 c1");
    jobs[2] = waiting(2, 6);
    jobs[2].outputs_all = true;
    jobs[3] = waiting(3, 1);
    CHECK_STR(picked(&l, jobs, 4, 100), "c1 d2 a2 -");
}

TEST(admission_leaves_room_for_those_who_run) {
    ig_sched_limits l = ROOMY;
    ig_sched_job jobs[3] = {decoding(0, 3, 2), waiting(1, 16), waiting(2, 4)};
    /* Two pages now, four for the prompt, a page per branch of either. */
    CHECK_STR(picked(&l, jobs, 3, 10), "d3 a16 -");
    CHECK_STR(picked(&l, jobs, 3, 11), "d3 a16 -");
    CHECK_STR(picked(&l, jobs, 3, 12), "d3 a16 a4");
    CHECK_STR(picked(&l, jobs, 3, 9), "d3 - -"); /* nobody overtakes */
    /* What is left of a prompt is spoken for: 40 rows in pages of 4, four of them now. */
    jobs[0] = filling(0, 0, 40);
    l.tokens_max = 16;
    jobs[0].boundary = 8;
    CHECK_STR(picked(&l, jobs, 2, 16), "c8 a8"); /* 2 + 8 to come, 4, 2 branches */
    CHECK_STR(picked(&l, jobs, 2, 15), "c8 -");
    l.window[0] = 8; /* never more than 8 + 16 + 4 tokens, 8 of which it has */
    CHECK_STR(picked(&l, jobs, 2, 13), "c8 a8");
    CHECK_STR(picked(&l, jobs, 2, 12), "c8 -");
    jobs[0] =
        filling(0, 40, 40); /* the same when it gave pages back: 2 for its 8 rows, 3 to come */
    jobs[0].boundary = 8;
    CHECK_STR(picked(&l, jobs, 2, 11), "c8 a8");
    CHECK_STR(picked(&l, jobs, 2, 10), "c8 -");
    /* Alone it needs no more than its tokens; the next one leaves room for it. */
    l = ROOMY;
    CHECK_STR(picked(&l, jobs + 1, 2, 4), "a16 -");
    CHECK_STR(picked(&l, jobs + 1, 2, 6), "a16 -");
    CHECK_STR(picked(&l, jobs + 1, 2, 7), "a16 a4");
    jobs[1].limit_pages[0] = 101;                 /* which only other policies look at */
    CHECK_STR(picked(&l, jobs + 1, 2, 3), "- -"); /* somebody else has them: not stuck */
}

TEST(branches_are_bounded_over_all_who_run) {
    ig_sched_limits l = ROOMY;
    ig_sched_job jobs[4] = {decoding(0, 3, 0), waiting(1, 4), waiting(2, 4), waiting(3, 4)};
    jobs[0].n_decode = 1; /* two of its beams have ended; they may not come back, but count */
    jobs[1].n_branches = 4;
    jobs[2].n_branches = 2;
    CHECK_STR(picked(&l, jobs, 4, 100), "d1 a4 - -");
    jobs[2].n_branches = 1;
    CHECK_STR(picked(&l, jobs, 4, 100), "d1 a4 a4 -");
    jobs[1].n_branches = UINT32_MAX;
    CHECK_STR(picked(&l, jobs, 4, 100), "d1 - - -");
    CHECK_STR(picked(&l, jobs + 1, 3, 100), "stuck 0");
}

TEST(guaranteed_jobs_have_room_for_their_longest) {
    ig_sched_limits l = ROOMY;
    l.policy = IG_EXEC_GUARANTEED_NO_EVICT;
    l.n_pages[0] = 20;
    ig_sched_job jobs[3] = {decoding(0, 1, 1), waiting(1, 16), waiting(2, 4)};
    jobs[0].limit_pages[0] = 14;
    CHECK_STR(picked(&l, jobs, 3, 19), "d1 a16 -");
    jobs[0].limit_pages[0] = 11;
    CHECK_STR(picked(&l, jobs, 3, 19), "d1 a16 a4");
    jobs[0].limit_pages[0] = UINT32_MAX;
    jobs[1].limit_pages[0] = UINT32_MAX;
    CHECK_STR(picked(&l, jobs, 3, 19), "d1 - -");
    CHECK_STR(picked(&l, jobs + 1, 2, 20), "stuck 0");
    jobs[1].limit_pages[0] = 20;
    CHECK_STR(picked(&l, jobs + 1, 2, 20), "a16 -");
    CHECK_STR(picked(&l, jobs + 1, 2, 3), "- -");
}

TEST(a_static_batch_goes_in_step) {
    ig_sched_limits l = ROOMY;
    l.policy = IG_EXEC_STATIC_BATCH;
    ig_sched_job jobs[4] = {waiting(0, 6), waiting(1, 120), waiting(2, 4), waiting(3, 4)};
    CHECK_STR(picked(&l, jobs, 4, 100), "a6 a94 - -");
    jobs[0] = decoding(0, 1, 0);
    jobs[1] = filling(1, 94, 26);
    CHECK_STR(picked(&l, jobs, 4, 100), "- c26 a4 a4");
    CHECK_STR(picked(&l, jobs, 2, 100), "- c26");
    jobs[0].solo = true; /* it waits too */
    CHECK_STR(picked(&l, jobs, 2, 100), "- c26");
    jobs[1] = decoding(1, 1, 0);
    CHECK_STR(picked(&l, jobs, 4, 100), "d1 - - -");
    jobs[0].solo = false;
    CHECK_STR(picked(&l, jobs, 4, 100), "- - a4 a4"); /* nobody has decoded: it is still open */
    CHECK_STR(picked(&l, jobs, 2, 100), "d1 d1");
    jobs[1].decoded = true;
    CHECK_STR(picked(&l, jobs, 4, 100), "d1 d1 - -");
}

TEST(prompts_of_others_are_cut_shorter_beside_decodes) {
    ig_sched_limits l = ROOMY;
    l.mixed_max = 10;
    ig_sched_job jobs[3] = {decoding(0, 2, 0), filling(1, 0, 60), waiting(2, 30)};
    CHECK_STR(picked(&l, jobs, 3, 100), "d2 c10 -");
    jobs[1].prefill = 4;
    CHECK_STR(picked(&l, jobs, 3, 100), "d2 c4 a6");
    CHECK_STR(picked(&l, jobs + 1, 2, 100), "c4 a30"); /* nobody decodes: nobody waits */
}

TEST(who_must_be_alone_is_alone) {
    ig_sched_limits l = ROOMY;
    ig_sched_job jobs[4] = {decoding(0, 1, 0), filling(1, 0, 8), decoding(2, 2, 1), waiting(3, 4)};
    jobs[1].solo = jobs[2].solo = true;
    CHECK_STR(picked(&l, jobs, 4, 100), "- c8 - -");
    jobs[1].solo = false;
    CHECK_STR(picked(&l, jobs, 4, 100), "- - d2 -");
    CHECK_STR(picked(&l, jobs, 4, 0), "preempt 2"); /* the worst, though it is the one */
    jobs[2].solo = false;
    jobs[3].solo = true; /* first of its queue: comes at once, if it fits */
    CHECK_STR(picked(&l, jobs, 4, 100), "- - - a4");
    CHECK_STR(picked(&l, jobs, 4, 3), "d1 c8 d2 -");
    jobs[2] = waiting(2, 4);
    CHECK_STR(picked(&l, jobs, 4, 100), "d1 c8 a4 -");
}

TEST(pages_are_taken_from_the_worst) {
    ig_sched_limits l = ROOMY;
    ig_sched_job jobs[4] = {decoding(0, 1, 1), decoding(1, 1, 1), filling(2, 9, 20), waiting(3, 4)};
    CHECK_STR(picked(&l, jobs, 4, 1), "preempt 2"); /* it decodes not, but it is the worst */
    jobs[2].priority = 1;
    CHECK_STR(picked(&l, jobs, 4, 1), "preempt 1");
    jobs[0].priority = 0.5f;
    jobs[1].priority = 0.25f;
    CHECK_STR(picked(&l, jobs, 4, 1), "preempt 1");
    jobs[2].priority = 0;
    CHECK_STR(picked(&l, jobs, 4, 1), "preempt 2");
    CHECK_STR(picked(&l, jobs, 4, 2), "d1 d1 c3 -");
    CHECK_STR(picked(&l, jobs, 1, 0), "stuck 0");
    CHECK_STR(picked(&l, jobs + 2, 1, 0), "c3");
    jobs[2].n_past = 8;
    CHECK_STR(picked(&l, jobs + 2, 1, 0), "stuck 0");
    CHECK_STR(picked(&l, jobs + 2, 2, 0), "stuck 0");
    jobs[3].admit_pages[0] = 101;
    CHECK_STR(picked(&l, jobs + 3, 1, 100), "stuck 0");
    /* More branches than a step takes: the caller's mistake costs him the worst. */
    jobs[0] = decoding(0, 6, 0);
    jobs[1] = decoding(1, 6, 0);
    CHECK_STR(picked(&l, jobs, 2, 100), "preempt 1");
    jobs[0] = decoding(0, 8, 0);
    jobs[1] = filling(1, 0, 8);
    CHECK_STR(picked(&l, jobs, 2, 100), "d8 -");
}

TEST(waiting_is_worth_priority) {
    ig_sched_limits l = ROOMY;
    l.seqs_max = 1;
    ig_sched_job jobs[3] = {waiting(7, 1), waiting(8, 2), waiting(9, 3)};
    jobs[0].arrival_us = 500;
    CHECK_STR(picked(&l, jobs, 3, 100), "a1 - -"); /* by arrival, not by clock */
    jobs[2].priority = 0.5f;
    CHECK_STR(picked(&l, jobs, 3, 100), "- - a3");
    l.ageing_us = 100; /* now is 1000 */
    jobs[0].arrival_us = jobs[1].arrival_us = 940;
    jobs[2].arrival_us = 990;
    CHECK_STR(picked(&l, jobs, 3, 100), "a1 - -"); /* 50 and 10 against 60: a draw */
    jobs[2].arrival_us--;
    CHECK_STR(picked(&l, jobs, 3, 100), "- - a3");
    jobs[2].priority = 0.25f;
    CHECK_STR(picked(&l, jobs, 3, 100), "a1 - -");
    jobs[1].arrival_us = 0;
    CHECK_STR(picked(&l, jobs, 3, 100), "- a2 -");
    jobs[1].arrival_us = UINT64_MAX; /* clocks of two threads: not yet born is just born */
    CHECK_STR(picked(&l, jobs, 3, 100), "a1 - -");
    l.ageing_us = UINT64_MAX;
    jobs[2].priority = 1;
    CHECK_STR(picked(&l, jobs, 3, 100), "- - a3");
}

/* ---- fairness ---------------------------------------------------------------------------------
 */

enum { RUSH = 2, AGEING_STEPS = 100, LENGTH = 4, RUSH_STEPS = 400 };

/* Jobs of priority 1 come twice as fast as they can be served: RUSH a step, each LENGTH steps long,
 * LENGTH at once, so one a step leaves. Returns the step in which the one job of priority 0 is
 * admitted, which comes in step 1 when all places are taken. */
static uint32_t steps_until_admitted(uint64_t ageing_us) {
    ig_sched_limits l = ROOMY;
    l.seqs_max = LENGTH;
    l.ageing_us = ageing_us;
    static ig_sched_job jobs[RUSH_STEPS * RUSH + 1];
    static ig_sched_pick picks[IG_COUNT(jobs)];
    static uint32_t order[IG_COUNT(jobs)], left[IG_COUNT(jobs)];
    uint32_t n = 0, stuck;
    for (uint32_t step = 0; step < RUSH_STEPS; step++) {
        for (uint32_t i = 0; i < RUSH + (step == 1); i++, n++) {
            jobs[n] = waiting((uint64_t)step * 2 * RUSH + i, 4);
            jobs[n].priority = i < RUSH;
            jobs[n].arrival_us = step;
            left[n] = LENGTH;
        }
        ig_sched_result r = {.picks = picks};
        ig_schedule(&l, jobs, n, l.n_pages, step, order, &r, &stuck);
        for (uint32_t i = 0; i < r.n_picks; i++) {
            const uint32_t it = picks[i].job;
            if (jobs[it].priority < 1)
                return step;
            jobs[it] = decoding(jobs[it].arrival, 1, 0);
            jobs[it].priority = 1;
            left[it]--;
        }
        for (uint32_t i = n; i-- > 0;)
            if (!left[i]) {
                jobs[i] = jobs[n - 1];
                left[i] = left[--n];
            }
    }
    return RUSH_STEPS;
}

/* Priority 1 is worth AGEING_STEPS of waiting, so those who came until then go first, one a step,
 * and the last of them must leave. */
TEST(nobody_is_overtaken_for_ever) {
    const uint32_t aged = steps_until_admitted(AGEING_STEPS);
    CHECK(aged <= RUSH * (AGEING_STEPS + 1) + LENGTH);
    CHECK(aged >= AGEING_STEPS); /* priority is worth something meanwhile */
    CHECK_EQ(steps_until_admitted(0), RUSH_STEPS);
}

/* ---- cost -------------------------------------------------------------------------------------
 */

TEST(a_call_is_cheap) {
    enum { EACH = 64, CALLS = 2000 };
    ig_sched_limits l = ROOMY;
    l.n_groups = 2;
    l.seqs_max = l.outputs_max = 2 * EACH;
    l.tokens_max = 2048;
    l.ageing_us = 1000000;
    l.n_pages[0] = l.n_pages[1] = 100000;
    static ig_sched_job jobs[2 * EACH];
    static ig_sched_pick picks[2 * EACH];
    static uint32_t order[2 * EACH];
    uint32_t random = 5;
    for (uint32_t shuffled = 0; shuffled < 2; shuffled++) {
        for (uint32_t i = 0; i < 2 * EACH; i++) {
            jobs[i] = i % 2 ? waiting(i, 1 + i * 7 % 100) : decoding(i, 1, i % 8 == 0);
            if (i % 16 == 0)
                jobs[i] = filling(i, 10, 100);
            jobs[i].priority =
                shuffled ? (float)((random = random * 1664525u + 1013904223u) >> 8) / (1 << 24)
                         : 0.5f;
            jobs[i].arrival_us = 100 * i;
        }
        uint32_t stuck;
        ig_sched_result r = {.picks = picks};
        const uint64_t start = ig_clock_ns();
        for (uint32_t i = 0; i < CALLS; i++)
            ig_schedule(&l, jobs, 2 * EACH, l.n_pages, 1000000 + i, order, &r, &stuck);
        const double us = (double)(ig_clock_ns() - start) / 1000 / CALLS;
        CHECK(r.n_picks > EACH);
        fprintf(stderr, "%.2f us a call, %d running and %d waiting jobs %s\n", us, EACH, EACH,
                shuffled ? "in any order" : "in rank");
        CHECK(us < 1000); /* sanitizers and busy machines; far less elsewhere */
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(decodes_come_first_then_chunks_then_admissions),
               T(chunks_shrink_to_the_pages_that_are_free), T(logits_are_wanted_within_their_limit),
               T(admission_leaves_room_for_those_who_run), T(branches_are_bounded_over_all_who_run),
               T(guaranteed_jobs_have_room_for_their_longest), T(a_static_batch_goes_in_step),
               T(prompts_of_others_are_cut_shorter_beside_decodes), T(who_must_be_alone_is_alone),
               T(pages_are_taken_from_the_worst), T(waiting_is_worth_priority),
               T(nobody_is_overtaken_for_ever), T(a_call_is_cheap));
}
