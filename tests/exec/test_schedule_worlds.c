/* test_schedule_worlds.c: the scheduler against thousands of random worlds. The test plays the
 * executor with an accountant of pages and checks after every call:
 * - budgets: rows, sequences, outputs of a step; branches of all who run; pages never negative;
 * - decodes: everybody who can decode does, in each step that is not solo or a static prefill;
 * - rank: who is admitted is the front of the queue; who is preempted is the worst, never the best;
 *   nobody comes back in the call after he was preempted; only MAX_UTILIZATION preempts;
 * - progress: no empty step while jobs exist, and all worlds end within as many calls as their jobs
 *   would take alone, one row a step;
 * - the same input gives the same result in any order of the jobs, and is not changed. */
#include "exec/schedule.h"
#include "test.h"

enum { WORLDS = 3000, JOBS_MAX = 40, BRANCHES = 6, NOBODY = -1 };

static uint64_t random_state;

static uint32_t random_below(uint32_t n) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % n);
}

static uint32_t div_up(uint32_t a, uint32_t b) {
    return (a + b - 1) / b;
}

/* ---- a world ----------------------------------------------------------------------------------
 */

typedef enum life { UNBORN, WAITING, RUNNING, GONE } life;

typedef struct job {
    life life;
    float priority;
    uint64_t born_us;
    uint32_t prompt, output, n_branches;
    uint32_t made;             /* tokens of output so far, in each branch */
    uint32_t cached;           /* tokens that a match would bring */
    uint32_t tokens[BRANCHES]; /* in pages, of each branch; 0 = not forked yet */
    bool decodes;              /* nobody has to catch up: the last token made is not in pages yet */
    bool outputs_all, solo;
} job;

typedef struct world {
    ig_sched_limits limits;
    job jobs[JOBS_MAX];
    uint32_t n_jobs;
    uint64_t now_us, work;
    int preempted; /* by the call before */
    /* The present call. */
    ig_sched_job seen[JOBS_MAX];
    uint32_t who[JOBS_MAX], n_seen; /* seen[i] is jobs[who[i]] */
    uint32_t free[IG_KV_GROUPS_MAX];
    ig_sched_pick picks[JOBS_MAX];
    ig_sched_result result;
    uint32_t order[JOBS_MAX], stuck;
} world;

static uint32_t known(const job *j) {
    return j->prompt + j->made;
}

static uint32_t gone_pages(const world *w, uint32_t g, uint32_t tokens) {
    const uint32_t window = w->limits.window[g];
    return window && tokens > window ? (tokens - window) / w->limits.page_tokens : 0;
}

/* Pages that a job holds: those of the prompt once, the rest per branch; the page that the prompt
 * ends in is shared until all but one have copied it. */
static uint32_t held_pages(const world *w, uint32_t g, const job *j) {
    const uint32_t P = w->limits.page_tokens, shared = j->prompt / P;
    if (j->tokens[0] < j->prompt)
        return div_up(j->tokens[0], P) - gone_pages(w, g, j->tokens[0]);
    uint32_t least = UINT32_MAX, n = 0;
    for (uint32_t b = 0; b < j->n_branches; b++) {
        least = IG_MIN(least, j->tokens[b]);
        if (j->tokens[b] > j->prompt)
            n += div_up(j->tokens[b], P) - IG_MAX(shared, gone_pages(w, g, j->tokens[b]));
    }
    const uint32_t gone = gone_pages(w, g, least);
    return n + (shared > gone ? shared - gone : 0) + (least == j->prompt && least % P != 0);
}

/* Fresh pages when a branch goes on by n rows; one is copied when others share it. */
static uint32_t fresh_pages(const world *w, const job *j, uint32_t b, uint32_t n) {
    const uint32_t P = w->limits.page_tokens, at = j->tokens[b];
    uint32_t sharers = 0;
    for (uint32_t o = 0; o < j->n_branches; o++)
        sharers += o != b && j->tokens[o] == j->prompt;
    return div_up(at + n, P) - div_up(at, P) + (at == j->prompt && at % P && sharers);
}

static uint32_t decode_pages(const world *w, job after) {
    uint32_t n = 0;
    for (uint32_t b = 0; b < after.n_branches; b++) {
        n += fresh_pages(w, &after, b, 1);
        after.tokens[b]++;
    }
    return n;
}

/* At least what a job of so many tokens in each branch holds at any time of a step. */
static uint32_t most_pages(const world *w, uint32_t g, const job *j, uint32_t tokens) {
    const ig_sched_limits *l = &w->limits;
    const uint32_t P = l->page_tokens, shared = j->prompt / P;
    if (j->n_branches == 1 || tokens <= j->prompt)
        return ig_kv_pages_needed(P, l->window[g], tokens, l->tokens_max);
    return shared + 1 + j->n_branches * (div_up(tokens, P) - shared);
}

static uint32_t lagging(const job *j) {
    uint32_t b = 0;
    while (j->tokens[b] == known(j))
        b++;
    return b;
}

/* Rows until the branch is there; the first one stops at the prompt's end, where the others fork.
 */
static uint32_t rows_left(const job *j, uint32_t b) {
    return (j->tokens[b] < j->prompt ? j->prompt : known(j)) - j->tokens[b];
}

static void show(world *w, uint32_t index) {
    const job *j = &w->jobs[index];
    ig_sched_job *s = &w->seen[w->n_seen];
    *s = (ig_sched_job){.priority = j->priority,
                        .arrival = index,
                        .arrival_us = j->born_us,
                        .running = j->life == RUNNING,
                        .n_branches = j->n_branches,
                        .outputs_all = j->outputs_all,
                        .boundary = j->prompt % 3 ? UINT32_MAX : 7,
                        .decoded = j->life == RUNNING && j->made > 0,
                        .solo = j->solo};
    const bool lags = s->running && !j->decodes;
    const uint32_t b = lags ? lagging(j) : 0;
    if (lags) {
        s->n_past = j->tokens[b];
        s->prefill = known(j) - s->n_past;
        s->boundary = IG_MIN(s->boundary, rows_left(j, b));
    } else if (s->running)
        s->n_decode = j->n_branches;
    else
        s->prefill = known(j) + (j->n_branches - 1) * j->made - j->cached;
    for (uint32_t g = 0; g < w->limits.n_groups; g++) {
        s->limit_pages[g] = most_pages(w, g, j, j->prompt + j->output);
        if (!s->running)
            s->admit_pages[g] = most_pages(w, g, j, known(j));
        else
            s->decode_pages[g] = lags ? fresh_pages(w, j, b, 1) : decode_pages(w, *j);
    }
    w->who[w->n_seen++] = index;
}

static void look(world *w) {
    w->n_seen = 0;
    for (uint32_t g = 0; g < w->limits.n_groups; g++)
        w->free[g] = w->limits.n_pages[g];
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        const job *j = &w->jobs[i];
        if (j->life == RUNNING || j->life == WAITING)
            show(w, i);
        for (uint32_t g = 0; j->life == RUNNING && g < w->limits.n_groups; g++) {
            const uint32_t held = held_pages(w, g, j);
            CHECK(held <= w->free[g]);
            w->free[g] -= held;
        }
    }
}

static void make_world(world *w, uint64_t seed) {
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    *w = (world){.preempted = NOBODY};
    ig_sched_limits *l = &w->limits;
    l->policy = (ig_exec_policy)(seed % IG_EXEC_POLICY_COUNT);
    l->page_tokens = 1u << (1 + random_below(4));
    l->n_groups = 1 + random_below(3);
    l->seqs_max = 1 + random_below(12);
    l->tokens_max = l->seqs_max + random_below(50);
    l->outputs_max = l->seqs_max + random_below(6);
    l->ageing_us = random_below(3) * 40000;
    for (uint32_t g = 1; g < l->n_groups; g++)
        l->window[g] = random_below(3) * 10;
    w->n_jobs = 1 + random_below(JOBS_MAX);
    const uint32_t spread_us = 1 + random_below(400000), roomy = 100 + random_below(250);
    const uint32_t output_max = random_below(2) ? 30 : 200;
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        job *j = &w->jobs[i];
        j->priority = (float)random_below(5) / 4;
        j->born_us = i ? w->jobs[i - 1].born_us + random_below(2 * spread_us / w->n_jobs + 1) : 0;
        j->prompt = 1 + random_below(60);
        j->output = 1 + random_below(output_max);
        j->n_branches = random_below(3) ? 1 : 1 + random_below(IG_MIN(BRANCHES, l->seqs_max));
        j->cached = random_below(4) ? 0 : (j->prompt - 1) / l->page_tokens * l->page_tokens;
        j->outputs_all = random_below(8) == 0;
        w->work += j->n_branches * (j->prompt + j->output) + j->output;
        for (uint32_t g = 0; g < l->n_groups; g++)
            l->n_pages[g] = IG_MAX(l->n_pages[g], most_pages(w, g, j, j->prompt + j->output));
    }
    for (uint32_t g = 0; g < l->n_groups; g++)
        l->n_pages[g] = (uint32_t)((uint64_t)l->n_pages[g] * roomy / 100);
}

/* ---- playing ----------------------------------------------------------------------------------
 */

static void leave(job *j, life next) {
    j->life = next;
    j->decodes = false;
    memset(j->tokens, 0, sizeof j->tokens);
}

static void made_one(job *j) {
    if (++j->made == j->output)
        leave(j, GONE);
}

static void play_pick(world *w, const ig_sched_pick *p) {
    job *j = &w->jobs[w->who[p->job]];
    j->solo = false;
    if (j->decodes) {
        for (uint32_t b = 0; b < j->n_branches; b++)
            j->tokens[b]++;
        made_one(j);
        return;
    }
    if (p->admitted) {
        j->life = RUNNING;
        j->tokens[0] = j->cached;
    }
    const uint32_t b = lagging(j);
    j->tokens[b] += IG_MIN(p->n_rows, rows_left(j, b));
    for (uint32_t o = 1; o < j->n_branches && j->tokens[0] == j->prompt && !j->tokens[o]; o++)
        j->tokens[o] = j->prompt;
    bool done = true;
    for (uint32_t o = 0; o < j->n_branches; o++)
        done = done && j->tokens[o] == known(j);
    if (done) {
        j->decodes = true;
        made_one(j);
    }
}

static void count_pages(const world *w, const ig_sched_pick *p, uint32_t taken[IG_KV_GROUPS_MAX]) {
    const job *j = &w->jobs[w->who[p->job]];
    for (uint32_t g = 0; g < w->limits.n_groups; g++) {
        if (j->decodes)
            taken[g] += decode_pages(w, *j);
        else if (!p->admitted)
            taken[g] += fresh_pages(w, j, lagging(j), p->n_rows);
        else
            taken[g] += div_up(j->cached + IG_MIN(p->n_rows, j->prompt - j->cached),
                               w->limits.page_tokens) -
                        gone_pages(w, g, j->cached);
    }
}

/* ---- checks -----------------------------------------------------------------------------------
 */

static double effective(const world *w, const ig_sched_job *s) {
    const double ageing = (double)w->limits.ageing_us;
    return ageing > 0 ? s->priority * ageing + (double)(w->now_us - s->arrival_us) : s->priority;
}

static bool outranks(const world *w, uint32_t a, uint32_t b) {
    const double of_a = effective(w, &w->seen[a]), of_b = effective(w, &w->seen[b]);
    return of_a > of_b || (of_a >= of_b && w->seen[a].arrival < w->seen[b].arrival);
}

/* Place of a job among those that run or wait as it does, and how many these are. */
static uint32_t place(const world *w, uint32_t index, uint32_t *n) {
    uint32_t before = 0;
    *n = 0;
    for (uint32_t i = 0; i < w->n_seen; i++) {
        if (w->seen[i].running != w->seen[index].running)
            continue;
        ++*n;
        before += outranks(w, i, index);
    }
    return before;
}

static bool waits_for_prompts(const world *w) {
    if (w->limits.policy == IG_EXEC_STATIC_BATCH)
        for (uint32_t i = 0; i < w->n_seen; i++)
            if (w->seen[i].running && w->seen[i].prefill)
                return true;
    return false;
}

static void check_preemption(const world *w) {
    const ig_sched_result *r = &w->result;
    uint32_t n;
    REQUIRE(r->preempt < w->n_seen && w->seen[r->preempt].running);
    CHECK_EQ(r->n_picks, 0);
    CHECK_EQ(place(w, r->preempt, &n), n - 1);
    CHECK(n > 1);
    CHECK_EQ(w->limits.policy, IG_EXEC_MAX_UTILIZATION);
}

static void check_pick(const world *w, const ig_sched_pick *p, uint32_t *n_seqs,
                       uint32_t *n_outputs) {
    const ig_sched_job *s = &w->seen[p->job];
    CHECK(p->admitted == !s->running);
    CHECK(p->n_rows > 0);
    if (s->running && !s->prefill) {
        CHECK_EQ(p->n_rows, s->n_decode);
        CHECK(!waits_for_prompts(w));
        *n_seqs += p->n_rows;
        *n_outputs += p->n_rows;
    } else {
        CHECK(p->n_rows <= s->prefill && p->n_rows <= s->boundary);
        *n_seqs += 1;
        *n_outputs += s->outputs_all ? p->n_rows : p->n_rows == s->prefill;
    }
    CHECK(!s->solo || w->result.n_picks == 1);
}

static void check_budgets(const world *w) {
    const ig_sched_limits *l = &w->limits;
    const ig_sched_result *r = &w->result;
    uint32_t n_tokens = 0, n_seqs = 0, n_outputs = 0, branches = 0, taken[IG_KV_GROUPS_MAX] = {0};
    bool picked[JOBS_MAX] = {0};
    for (uint32_t i = 0; i < w->n_seen; i++)
        branches += w->seen[i].running ? w->seen[i].n_branches : 0;
    for (uint32_t i = 0; i < r->n_picks; i++) {
        const ig_sched_pick *p = &r->picks[i];
        REQUIRE(p->job < w->n_seen && !picked[p->job]);
        picked[p->job] = true;
        check_pick(w, p, &n_seqs, &n_outputs);
        count_pages(w, p, taken);
        n_tokens += p->n_rows;
        branches += p->admitted ? w->seen[p->job].n_branches : 0;
    }
    CHECK_EQ(n_tokens, r->n_tokens);
    CHECK_EQ(n_seqs, r->n_seqs);
    CHECK_EQ(n_outputs, r->n_outputs);
    CHECK(n_tokens <= l->tokens_max && n_seqs <= l->seqs_max && n_outputs <= l->outputs_max);
    CHECK(branches <= l->seqs_max);
    for (uint32_t g = 0; g < l->n_groups; g++)
        CHECK(taken[g] <= w->free[g]);
}

/* 0 decode, 1 chunk, 2 admission: the order of picks. */
static int stage(const ig_sched_job *s) {
    return !s->running ? 2 : s->prefill != 0;
}

static void check_order(const world *w) {
    const ig_sched_result *r = &w->result;
    uint32_t n_decodes = 0, n_admitted = 0, n;
    for (uint32_t i = 0; i < r->n_picks; i++) {
        const ig_sched_job *s = &w->seen[r->picks[i].job];
        if (i > 0) {
            const uint32_t before = r->picks[i - 1].job;
            CHECK(stage(&w->seen[before]) <= stage(s));
            if (stage(&w->seen[before]) == stage(s))
                CHECK(outranks(w, before, r->picks[i].job));
        }
        n_decodes += stage(s) == 0;
        if (stage(s) < 2)
            continue;
        CHECK_EQ(place(w, r->picks[i].job, &n), n_admitted++);
        CHECK(w->preempted == NOBODY || w->who[r->picks[i].job] != (uint32_t)w->preempted);
    }
    uint32_t can_decode = 0, decoded = 0;
    bool solo = false;
    for (uint32_t i = 0; i < w->n_seen; i++) {
        decoded += w->seen[i].decoded;
        can_decode += w->seen[i].running && !w->seen[i].prefill;
        solo = solo || w->seen[i].solo;
    }
    /* A static batch takes in who fits before it decodes, and nobody afterwards. */
    const bool joins = w->limits.policy == IG_EXEC_STATIC_BATCH && n_admitted;
    CHECK(!joins || (n_decodes == 0 && decoded == 0));
    if (!solo && !joins && !waits_for_prompts(w))
        CHECK_EQ(n_decodes, can_decode);
}

/* The same decision for the same jobs in another order, and nothing else touched. */
static void check_again(const world *w) {
    ig_sched_job jobs[JOBS_MAX] = {0}, kept[JOBS_MAX];
    ig_sched_pick picks[JOBS_MAX];
    ig_sched_result r = {.picks = picks};
    uint32_t order[JOBS_MAX], stuck;
    const uint32_t n = w->n_seen, shift = random_below(n);
    for (uint32_t i = 0; i < n; i++)
        jobs[i] = w->seen[(i + shift) % n];
    memcpy(kept, jobs, sizeof *jobs * n);
    ig_schedule(&w->limits, jobs, n, w->free, w->now_us, order, &r, &stuck);
    CHECK(memcmp(kept, jobs, sizeof *jobs * n) == 0);
    CHECK_EQ(stuck, UINT32_MAX);
    CHECK_EQ(r.preempt == UINT32_MAX ? r.preempt : (r.preempt + shift) % n, w->result.preempt);
    REQUIRE(r.n_picks == w->result.n_picks);
    for (uint32_t i = 0; i < r.n_picks; i++) {
        const ig_sched_pick *p = &w->result.picks[i];
        CHECK((picks[i].job + shift) % n == p->job && picks[i].n_rows == p->n_rows);
    }
}

static void call(world *w) {
    look(w);
    if (!w->n_seen)
        return;
    w->result = (ig_sched_result){.picks = w->picks};
    ig_schedule(&w->limits, w->seen, w->n_seen, w->free, w->now_us, w->order, &w->result,
                &w->stuck);
    CHECK_EQ(w->stuck, UINT32_MAX);
    check_again(w);
    if (w->result.preempt != UINT32_MAX) {
        check_preemption(w);
        w->preempted = (int)w->who[w->result.preempt];
        leave(&w->jobs[w->preempted], WAITING);
        return;
    }
    CHECK(w->result.n_picks > 0);
    check_budgets(w);
    check_order(w);
    w->preempted = NOBODY;
    for (uint32_t i = 0; i < w->result.n_picks; i++)
        play_pick(w, &w->result.picks[i]);
}

/* Arrivals, cancels and failures between calls. */
static uint32_t disturb(world *w, bool cancels, bool fails) {
    uint32_t alive = 0;
    for (uint32_t i = 0; i < w->n_jobs; i++) {
        job *j = &w->jobs[i];
        if (j->life == UNBORN && j->born_us <= w->now_us)
            j->life = WAITING;
        if (j->life == WAITING || j->life == RUNNING) {
            j->solo = j->solo || (fails && random_below(60) == 0);
            if (cancels && random_below(200) == 0) {
                leave(j, GONE);
                w->preempted = NOBODY; /* his pages are free: whoever may come back */
            }
        }
        alive += j->life != GONE;
    }
    return alive;
}

TEST(random_worlds_keep_every_promise) {
    uint64_t calls = 0, preemptions[IG_EXEC_POLICY_COUNT] = {0};
    double slowest = 0;
    for (uint64_t seed = 0; seed < WORLDS && !test_failures; seed++) {
        static world w;
        make_world(&w, seed);
        const bool cancels = seed % 7 == 0, fails = seed % 5 == 0;
        uint64_t n_calls = 0;
        while (disturb(&w, cancels, fails) && n_calls <= w.work && !test_failures) {
            call(&w);
            n_calls += w.n_seen > 0;
            preemptions[w.limits.policy] += w.preempted != NOBODY;
            w.now_us += 1000;
        }
        CHECK(n_calls <= w.work);
        slowest = fmax(slowest, (double)n_calls / (double)w.work);
        calls += n_calls;
        if (test_failures)
            fprintf(stderr, "world %llu\n", (unsigned long long)seed);
    }
    fprintf(stderr, "%llu calls, %llu preemptions; slowest world %.2f of its bound\n",
            (unsigned long long)calls, (unsigned long long)preemptions[IG_EXEC_MAX_UTILIZATION],
            slowest);
    CHECK(preemptions[IG_EXEC_MAX_UTILIZATION] > 100); /* or the worlds are too easy */
    CHECK_EQ(preemptions[IG_EXEC_GUARANTEED_NO_EVICT] + preemptions[IG_EXEC_STATIC_BATCH], 0);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(random_worlds_keep_every_promise));
}
