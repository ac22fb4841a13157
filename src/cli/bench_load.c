/* bench_load.c: which requests arrive when: drawn from a distribution, or read from a trace. */
#include "cli/bench.h"

#include <math.h>

#include "json/json.h"

#define REQUESTS_DEFAULT 100u
#define SPREAD_DEFAULT 0.5
#define SEED_DEFAULT 42u
#define TOKENS_MAX (IG_CONTEXT_MAX >> 1)
#define SECONDS_MAX 1e7

uint64_t bench_seed(const cli_options *o) {
    return o->load_seed ? o->load_seed : SEED_DEFAULT;
}

/* Above 0, below 1. */
static double uniform(uint64_t *state) {
    return ((double)bench_random(state) + 0.5) / 2147483648.0;
}

static uint32_t draw_length(uint32_t mean, double spread, uint64_t *state) {
    const double length = round(mean * (1 + spread * (2 * uniform(state) - 1)));
    return (uint32_t)IG_MIN(IG_MAX(length, 1.0), (double)TOKENS_MAX);
}

/* The one number of an option that is a list elsewhere. */
static bool read_mean(const char *option, const char *text, uint32_t *out) {
    bench_list list;
    if (!bench_read_list(option, text ? text : "128", 1, TOKENS_MAX, &list))
        return false;
    if (list.size > 1)
        cli_usage("%s takes one number with --serve-sim, the mean", option);
    *out = list.n[0];
    return list.size == 1;
}

static int draw_load(const cli_options *o, bench_arrival **out, uint32_t *n) {
    const double spread = o->spread >= 0 ? o->spread : SPREAD_DEFAULT;
    uint64_t state = bench_seed(o);
    uint32_t pp, tg;
    double at_s = 0;
    if (!read_mean("-npp", o->npp, &pp) || !read_mean("-ntg", o->ntg, &tg))
        return EXIT_USAGE;
    *n = o->requests ? o->requests : REQUESTS_DEFAULT;
    *out = ig_alloc(*n, sizeof **out);
    if (!*out)
        return cli_fail("out of memory for %u requests", *n);
    for (uint32_t i = 0; i < *n; i++) {
        (*out)[i] = (bench_arrival){.at_s = at_s,
                                    .pp = o->shared_prefix + draw_length(pp, spread, &state),
                                    .tg = draw_length(tg, spread, &state),
                                    .prefix = o->shared_prefix > 0};
        if (o->rate > 0)
            at_s -= log(uniform(&state)) / o->rate;
    }
    if ((*out)[*n - 1].at_s > SECONDS_MAX)
        return cli_usage("--rate %g is too slow for %u requests: the last one would come after %g "
                         "seconds; give at least %g",
                         o->rate, *n, (*out)[*n - 1].at_s, 2 * *n / SECONDS_MAX);
    return EXIT_OK;
}

/* ---- traces -----------------------------------------------------------------------------------
 */

enum { FIELD_T, FIELD_PP, FIELD_TG, FIELD_PREFIX, FIELD_COUNT };

static const struct {
    const char *name;
    double min, max;
    bool whole, optional;
} FIELDS[FIELD_COUNT] = {
    [FIELD_T] = {"t", 0, SECONDS_MAX, .whole = false},
    [FIELD_PP] = {"pp", 1, TOKENS_MAX, .whole = true},
    [FIELD_TG] = {"tg", 1, TOKENS_MAX, .whole = true},
    [FIELD_PREFIX] = {"prefix", 0, 1e15, .whole = true, .optional = true},
};

static bool read_field(const cli_options *o, uint32_t line, size_t field, const ig_json *v,
                       double *out) {
    const double d = ig_json_num(v, NAN);
    const bool number =
        ig_json_is(v, IG_JSON_INT) || (!FIELDS[field].whole && ig_json_is(v, IG_JSON_REAL));
    if (!v && FIELDS[field].optional)
        return true;
    if (!v)
        cli_fail("%s: line %u: %s is missing", o->trace, line, FIELDS[field].name);
    else if (!number || !(d >= FIELDS[field].min && d <= FIELDS[field].max))
        cli_fail("%s: line %u: %s must be a %s from %.0f to %.0f", o->trace, line,
                 FIELDS[field].name, FIELDS[field].whole ? "whole number" : "number",
                 FIELDS[field].min, FIELDS[field].max);
    else
        *out = d;
    return v && number && d >= FIELDS[field].min && d <= FIELDS[field].max;
}

static bool check_names(const cli_options *o, uint32_t line, const ig_json *object) {
    for (ig_json_iter it = ig_json_first(object); ig_json_next(&it);) {
        bool known = false;
        for (size_t i = 0; i < FIELD_COUNT; i++)
            known = known || ig_str_is(it.key, FIELDS[i].name);
        if (!known) {
            cli_fail("%s: line %u: \"%.*s\" is unknown; known: t, pp, tg, prefix", o->trace, line,
                     (int)IG_MIN(it.key.n, (size_t)64), it.key.p);
            return false;
        }
    }
    return true;
}

static bool read_object(const cli_options *o, uint32_t line, const ig_json *object, double before_s,
                        bench_arrival *out) {
    double values[FIELD_COUNT] = {[FIELD_PREFIX] = -1};
    if (!ig_json_is(object, IG_JSON_OBJECT)) {
        cli_fail("%s: line %u: it must be an object like {\"t\": 0.5, \"pp\": 128, \"tg\": 32}",
                 o->trace, line);
        return false;
    }
    if (!check_names(o, line, object))
        return false;
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        if (!read_field(o, line, i, ig_json_get(object, FIELDS[i].name), &values[i]))
            return false;
    }
    if (values[FIELD_T] < before_s) {
        cli_fail("%s: line %u: t is %g after %g; sort the lines by t", o->trace, line,
                 values[FIELD_T], before_s);
        return false;
    }
    if (values[FIELD_PREFIX] >= 0 && !o->shared_prefix) {
        cli_fail("%s: line %u: prefix needs --shared-prefix N, the tokens that are shared",
                 o->trace, line);
        return false;
    }
    *out = (bench_arrival){.at_s = values[FIELD_T],
                           .pp = (uint32_t)values[FIELD_PP],
                           .tg = (uint32_t)values[FIELD_TG],
                           .prefix = (uint64_t)(values[FIELD_PREFIX] + 1)};
    return true;
}

static bool read_line(const cli_options *o, uint32_t line, ig_str text, double before_s,
                      bench_arrival *out) {
    ig_json_doc *doc = NULL;
    ig_err err = {0};
    if (ig_json_open(&doc, text, &err)) {
        const char first[] = "JSON line 1 "; /* of one: the file's own number says more */
        const bool same = strncmp(err.message, first, sizeof first - 1) == 0;
        cli_fail("%s: line %u: %s", o->trace, line, err.message + (same ? sizeof first - 1 : 0));
        return false;
    }
    const bool ok = read_object(o, line, ig_json_root(doc), before_s, out);
    ig_json_close(&doc);
    return ok;
}

/* Lines of a text that are not blank. */
static bool read_lines(const cli_options *o, ig_str text, bench_arrival **out, uint32_t *n) {
    uint32_t line = 0;
    size_t cap = 0;
    *n = 0;
    for (size_t at = 0, size; at < text.n; at += size + 1) {
        const char *end = memchr(text.p + at, '\n', text.n - at);
        size = end ? (size_t)(end - text.p) - at : text.n - at;
        line++;
        if (strspn(text.p + at, " \t\r") >= size)
            continue;
        if (*n == IG_EXEC_REQUESTS_MAX) {
            cli_fail("%s: line %u: more than %u requests", o->trace, line, IG_EXEC_REQUESTS_MAX);
            return false;
        }
        if (*n == cap) {
            cap = IG_MAX(cap * 2, (size_t)64);
            bench_arrival *more = ig_realloc(*out, cap, sizeof *more);
            if (!more) {
                cli_fail("out of memory for %zu requests", cap);
                return false;
            }
            *out = more;
        }
        if (!read_line(o, line, (ig_str){text.p + at, size}, *n ? (*out)[*n - 1].at_s : 0,
                       &(*out)[*n]))
            return false;
        (*n)++;
    }
    if (*n == 0)
        cli_fail("%s: no requests in it", o->trace);
    return *n > 0;
}

static int read_trace(const cli_options *o, bench_arrival **out, uint32_t *n) {
    const struct {
        const char *name;
        bool given;
    } rows[] = {{"-npp", o->npp},
                {"-ntg", o->ntg},
                {"--spread", o->spread >= 0},
                {"--requests", o->requests > 0},
                {"--rate", o->rate > 0}};
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        if (rows[i].given)
            return cli_usage("%s does not go with --trace, which says it; leave one out",
                             rows[i].name);
    }
    ig_buf text;
    ig_buf_init(&text, IG_CONFIG_BYTES_MAX);
    const bool ok = cli_read_file(o->trace, &text) && read_lines(o, ig_buf_str(&text), out, n);
    ig_buf_fini(&text);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int bench_read_load(const cli_options *o, bench_arrival **out, uint32_t *n) {
    *out = NULL;
    const int code = o->trace ? read_trace(o, out, n) : draw_load(o, out, n);
    if (code) {
        ig_free(*out);
        *out = NULL;
    }
    return code;
}
