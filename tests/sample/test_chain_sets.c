/* test_chain_sets.c: what chains leave, against sampler_sets.txt (made by make_sampler_sets.py with
 * numpy). */
#include "sample/sample.h"
#include "test.h"

#define VOCAB_MAX 80000
#define LIST_MAX 256

typedef struct set_case {
    char name[64];
    uint32_t n_vocab;
    ig_sample_params p;
    ig_logit_bias bias[8];
    ig_token_run breaker[8];
    int32_t breaker_ids[8][8];
    int32_t accepted[LIST_MAX];
    uint32_t n_accepted, allow;
} set_case;

static float logits[VOCAB_MAX + 64];
static uint32_t mask[VOCAB_MAX / 32 + 1];
static ig_candidate left[VOCAB_MAX];

static void generate(uint32_t seed, uint32_t n, int power, double scale) {
    for (uint32_t i = 0; i < n; i++) {
        seed = 1664525u * seed + 1013904223u;
        double u = (seed >> 8) / 16777216.0, v = 1.0;
        for (int j = 0; j < power; j++)
            v *= u;
        logits[i] = (float)(scale * v - scale / 2);
    }
}

typedef struct field {
    const char *name;
    size_t offset;
    bool whole;
} field;

#define REAL(name)                                                                                 \
    { #name, offsetof(ig_sample_params, name), false }
#define WHOLE(name)                                                                                \
    { #name, offsetof(ig_sample_params, name), true }
static const field fields[] = {
    REAL(temperature),
    REAL(dynatemp_range),
    REAL(dynatemp_exponent),
    WHOLE(top_k),
    REAL(top_p),
    REAL(min_p),
    REAL(typical_p),
    REAL(top_n_sigma),
    REAL(xtc_probability),
    REAL(xtc_threshold),
    WHOLE(min_keep),
    WHOLE(penalty_last_n),
    REAL(penalty_repeat),
    REAL(penalty_frequency),
    REAL(penalty_presence),
    REAL(dry_multiplier),
    REAL(dry_base),
    WHOLE(dry_allowed_length),
    WHOLE(dry_penalty_last_n),
};

static bool set_field(ig_sample_params *p, const char *name, double value) {
    for (size_t i = 0; i < IG_COUNT(fields); i++) {
        if (strcmp(fields[i].name, name) != 0)
            continue;
        float real = (float)value;
        int32_t whole = (int32_t)value;
        if (fields[i].whole)
            memcpy((char *)p + fields[i].offset, &whole, sizeof whole);
        else
            memcpy((char *)p + fields[i].offset, &real, sizeof real);
        return true;
    }
    return false;
}

static uint32_t read_ids(const char *text, int32_t *ids, uint32_t max) {
    uint32_t n = 0;
    for (char *end; n < max; text = end, n++) {
        long id = strtol(text, &end, 10);
        if (end == text)
            break;
        ids[n] = (int32_t)id;
    }
    return n;
}

/* The chain's candidates after one draw; false after reporting a failure. */
static uint32_t run_case(set_case *k) {
    ig_err err = {0};
    ig_sampler *s = NULL;
    ig_draw draw;
    k->p.n_probs = k->n_vocab;
    k->p.logit_bias = k->bias;
    k->p.dry_breakers = k->breaker;
    k->p.seed = 7;
    if (ig_sampler_create(&s, &k->p, k->n_vocab, &err)) {
        TEST_FAIL("%s: %s", k->name, err.message);
        return 0;
    }
    for (uint32_t i = 0; i < k->n_accepted; i++)
        CHECK_OK(ig_sampler_accept(s, k->accepted[i], &err));
    memset(mask, 0, sizeof mask);
    for (uint32_t i = 0; k->allow && i < k->n_vocab; i += k->allow)
        mask[i / 32] |= 1u << i % 32;
    CHECK_OK(ig_sampler_draw(s, logits, k->allow ? mask : NULL, &draw, &err));
    uint32_t n = ig_sampler_candidates(s, left, k->n_vocab);
    bool found = false;
    for (uint32_t i = 0; i < n; i++)
        found = found || (left[i].id == draw.id && fabsf(left[i].p - draw.p) < 1e-6f);
    if (!found)
        TEST_FAIL("%s: the drawn token is not among the candidates", k->name);
    ig_sampler_destroy(&s);
    return n;
}

static void check_kept(const char *name, const char *text, uint32_t n) {
    char *at;
    long count = strtol(text, &at, 10);
    long long sum = strtoll(at, &at, 10), got = 0;
    for (uint32_t i = 0; i < n; i++)
        got += left[i].id;
    if (count != (long)n || sum != got) {
        TEST_FAIL("%s: %u candidates with sum %lld, not %ld with sum %lld", name, n, got, count,
                  sum);
        return;
    }
    for (uint32_t i = 0; *at == ' ' && i < n; i++) {
        long id = strtol(at, &at, 10);
        double p = strtod(at + 1, &at);
        bool near = fabs((double)left[i].p - p) <= 4e-6 * p + 1e-12;
        /* Neighbours that float rounding makes equal may stand in the other order. */
        bool same = left[i].id == id || (i > 0 && fabs((double)left[i - 1].p - p) <= 1e-6 * p) ||
                    (i + 1 < n && fabs((double)left[i + 1].p - p) <= 1e-6 * p);
        if (!near || !same)
            TEST_FAIL("%s: candidate %u is %d with %.8g, not %ld with %.8g", name, i, left[i].id,
                      (double)left[i].p, id, p);
    }
}

static bool read_line(set_case *k, const char *line, ig_err *err) {
    char word[64];
    int used = 0;
    uint32_t seed;
    int power;
    double value;
    int32_t id;
    if (sscanf(line, "case %63s", word) == 1) {
        memset(k, 0, sizeof *k);
        snprintf(k->name, sizeof k->name, "%s", word);
        ig_sample_defaults(&k->p);
        return true;
    }
    if (sscanf(line, "logits %u %u %d %lf", &seed, &k->n_vocab, &power, &value) == 4) {
        generate(seed, k->n_vocab, power, value);
        return k->n_vocab <= VOCAB_MAX;
    }
    if (sscanf(line, "chain %63s", word) == 1)
        return ig_sample_chain_parse(ig_str_of(strcmp(word, "-") ? word : ""), &k->p, err) == IG_OK;
    if (sscanf(line, "set %63s %lf", word, &value) == 2)
        return set_field(&k->p, word, value);
    if (sscanf(line, "bias %d %lf", &id, &value) == 2) {
        k->bias[k->p.n_logit_bias++] = (ig_logit_bias){id, (float)value};
        return k->p.n_logit_bias < 8;
    }
    if (sscanf(line, "breaker %n", &used) == 0 && used) {
        uint32_t b = k->p.n_dry_breakers++;
        k->breaker[b] =
            (ig_token_run){k->breaker_ids[b], read_ids(line + used, k->breaker_ids[b], 8)};
        return b < 7;
    }
    used = 0;
    if (sscanf(line, "accept %n", &used) == 0 && used) {
        k->n_accepted = read_ids(line + used, k->accepted, LIST_MAX);
        return true;
    }
    return sscanf(line, "allow %u", &k->allow) == 1;
}

TEST(chains_leave_the_expected_candidates) {
    FILE *f = fopen("tests/sample/sampler_sets.txt", "r");
    REQUIRE(f != NULL);
    static set_case k;
    static char line[8192];
    ig_err err = {0};
    int n = 0;
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "keep ", 5) == 0) {
            check_kept(k.name, line + 5, run_case(&k));
            n++;
        } else if (!read_line(&k, line, &err)) {
            TEST_FAIL("%s: cannot read: %s (%s)", k.name, line, err.message);
        }
    }
    fclose(f);
    CHECK(n > 60);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(chains_leave_the_expected_candidates));
}
