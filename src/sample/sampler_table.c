/* sampler_table.c: the table of samplers, and parsing a chain of them from names or letters. Names
 * and aliases are the peer's. */
#include <ctype.h>

#include "sample/sampler_int.h"

const ig_sampler_row ig_sampler_rows[IG_ROW_COUNT] = {
    [IG_SAMPLER_PENALTIES] = {.name = "penalties",
                              .aliases = "",
                              .letter = 'e',
                              .edits = true,
                              .blind = true,
                              .is_off = ig_penalties_off,
                              .apply = ig_penalties_apply,
                              .accept = ig_penalties_accept,
                              .reset = ig_penalties_reset},
    [IG_SAMPLER_DRY] = {.name = "dry",
                        .aliases = "",
                        .letter = 'd',
                        .edits = true,
                        .blind = true,
                        .is_off = ig_dry_off,
                        .apply = ig_dry_apply,
                        .reset = ig_dry_reset},
    [IG_SAMPLER_TOP_N_SIGMA] = {.name = "top_n_sigma",
                                .aliases = "top-n-sigma topnsigma ",
                                .letter = 's',
                                .keeps_best = true,
                                .is_off = ig_top_n_sigma_off,
                                .apply = ig_top_n_sigma_apply},
    [IG_SAMPLER_TOP_K] = {.name = "top_k",
                          .aliases = "top-k topk ",
                          .letter = 'k',
                          .keeps_best = true,
                          .is_off = ig_top_k_off,
                          .apply = ig_top_k_apply},
    [IG_SAMPLER_TYPICAL] = {.name = "typ_p",
                            .aliases = "typ-p typp typ typical typical_p ",
                            .letter = 'y',
                            .is_off = ig_typical_off,
                            .apply = ig_typical_apply},
    [IG_SAMPLER_TOP_P] = {.name = "top_p",
                          .aliases = "top-p topp nucleus ",
                          .letter = 'p',
                          .keeps_best = true,
                          .is_off = ig_top_p_off,
                          .apply = ig_top_p_apply},
    [IG_SAMPLER_MIN_P] = {.name = "min_p",
                          .aliases = "min-p minp ",
                          .letter = 'm',
                          .keeps_best = true,
                          .is_off = ig_min_p_off,
                          .apply = ig_min_p_apply},
    [IG_SAMPLER_XTC] =
        {.name = "xtc", .aliases = "", .letter = 'x', .is_off = ig_xtc_off, .apply = ig_xtc_apply},
    [IG_SAMPLER_TEMPERATURE] = {.name = "temperature",
                                .aliases = "temp ",
                                .letter = 't',
                                .edits = true,
                                .is_off = ig_temperature_off,
                                .apply = ig_temperature_apply},
    [IG_SAMPLER_ADAPTIVE_P] = {.name = "adaptive_p",
                               .aliases = "adaptive-p adaptivep ",
                               .letter = 'a',
                               .is_off = ig_adaptive_p_off,
                               .draw = ig_adaptive_p_draw,
                               .reset = ig_adaptive_p_reset},
    [IG_ROW_MIROSTAT_1] = {.name = "mirostat",
                           .draw = ig_mirostat_1_draw,
                           .reset = ig_mirostat_reset},
    [IG_ROW_MIROSTAT_2] = {.name = "mirostat_v2",
                           .draw = ig_mirostat_2_draw,
                           .reset = ig_mirostat_reset},
    [IG_ROW_RANDOM] = {.name = "random", .draw = ig_random_draw},
};

_Static_assert(IG_COUNT(ig_sampler_rows) == IG_SAMPLER_COUNT + 3,
               "one row per sampler and per end of a chain");

const char *ig_sampler_name(ig_sampler_kind kind) {
    return (unsigned)kind < IG_SAMPLER_COUNT ? ig_sampler_rows[kind].name : NULL;
}

static bool same_word(ig_str a, const char *b, size_t n) {
    if (a.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (tolower((unsigned char)a.p[i]) != b[i])
            return false;
    return true;
}

/* IG_SAMPLER_COUNT when there is none. */
static ig_sampler_kind kind_of_name(ig_str name) {
    for (unsigned k = 0; k < IG_SAMPLER_COUNT; k++) {
        const ig_sampler_row *row = &ig_sampler_rows[k];
        if (same_word(name, row->name, strlen(row->name)))
            return (ig_sampler_kind)k;
        for (const char *a = row->aliases; *a; a = strchr(a, ' ') + 1)
            if (same_word(name, a, (size_t)(strchr(a, ' ') - a)))
                return (ig_sampler_kind)k;
    }
    return IG_SAMPLER_COUNT;
}

static ig_sampler_kind kind_of_letter(char letter) {
    for (unsigned k = 0; k < IG_SAMPLER_COUNT; k++)
        if (letter == ig_sampler_rows[k].letter)
            return (ig_sampler_kind)k;
    return IG_SAMPLER_COUNT;
}

static ig_status unknown(ig_str word, ig_err *err) {
    char valid[256];
    size_t at = 0;
    for (unsigned k = 0; k < IG_SAMPLER_COUNT; k++) {
        const ig_sampler_row *row = &ig_sampler_rows[k];
        size_t n = strlen(row->name);
        if (at + n + 7 > sizeof valid)
            break;
        memcpy(valid + at, row->name, n);
        at += n;
        valid[at++] = ' ';
        valid[at++] = '(';
        valid[at++] = row->letter;
        valid[at++] = ')';
        valid[at++] = ',';
        valid[at++] = ' ';
    }
    valid[at - 2] = '\0';
    return ig_fail(err, IG_EARGUMENT, "samplers: unknown sampler \"%.*s\"; valid are %s",
                   IG_STR_ARG(word), valid);
}

/* The order of TensorRT-LLM's layers. */
#define TRTLLM "temperature;penalties;min_p;top_k;top_p"

static ig_status add(ig_sample_params *p, ig_sampler_kind kind, ig_str word, ig_err *err) {
    if (kind == IG_SAMPLER_COUNT)
        return unknown(word, err);
    if (p->n_chain == IG_SAMPLERS_MAX)
        return ig_fail(err, IG_ELIMIT, "samplers: more than %d in one chain; leave some out",
                       IG_SAMPLERS_MAX);
    p->chain[p->n_chain++] = kind;
    return IG_OK;
}

ig_status ig_sample_chain_parse(ig_str text, ig_sample_params *p, ig_err *err) {
    ig_sample_params made = *p;
    made.n_chain = 0;
    if (same_word(text, "trtllm", 6))
        text = IG_STR(TRTLLM);
    bool names =
        text.n > 0 && (memchr(text.p, ';', text.n) || kind_of_name(text) != IG_SAMPLER_COUNT);
    for (size_t at = 0; at < text.n;) {
        ig_str word = {text.p + at, 1};
        if (names) {
            const char *end = memchr(word.p, ';', text.n - at);
            word.n = end ? (size_t)(end - word.p) : text.n - at;
        }
        if (word.n > 0)
            IG_TRY(add(&made, names ? kind_of_name(word) : kind_of_letter(*word.p),
                       names ? word : text, err));
        at += word.n + (names ? 1 : 0);
    }
    *p = made;
    return IG_OK;
}
