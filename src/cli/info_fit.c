/* info_fit.c: whether a model fits this machine, and how much context and how many sequences beside
 * it, for each type of keys and values. Nothing large is loaded. */
#include "cli/cli.h"

#define MIB 1048576.0
#define CONTEXT_OF_MANY 4096u /* of the sequences that are counted, where -c does not say */

/* One pair of cache types, and what it takes and allows. */
typedef struct fit_row {
    const char *k, *v;
    bool suits;       /* else the device cannot keep them for this model */
    ingot_forecast f; /* of one sequence of many */
    ingot_fit fit;
} fit_row;

static const char *const TYPES[] = {"f32", "f16", "bf16", "q8_0", "q4_0"};
#define ROWS_MAX (IG_COUNT(TYPES) + 1) /* and the pair that was asked for */

static uint64_t sum_of(const ingot_forecast *f) {
    return f->weight_bytes + f->kv_bytes + f->activation_bytes;
}

/* Of a full page's token, over all groups: what a longer context costs. */
static double token_bytes(const ingot_forecast *f) {
    uint64_t bytes = 0;
    for (uint32_t g = 0; g < f->n_groups; g++)
        bytes += f->groups[g].page_bytes;
    return (double)bytes / f->page_tokens;
}

static bool read_row(const cli_options *o, const ingot_model_options *m, uint64_t memory_bytes,
                     fit_row *row, ingot_error *error) {
    ingot_model_options with = *m;
    with.cache_type_k = row->k;
    with.cache_type_v = row->v;
    with.sequences = 1;
    const ingot_status status = ingot_model_forecast(o->model, &with, &row->f, error);
    row->suits = status == INGOT_OK;
    return row->suits ? !ingot_model_fit(o->model, &with, memory_bytes, &row->fit, error)
                      : status == INGOT_UNSUPPORTED;
}

/* The types one by one, and before them a pair of two. */
static uint32_t list_rows(const ingot_model_options *m, fit_row rows[ROWS_MAX]) {
    const char *k = m->cache_type_k ? m->cache_type_k : "f16";
    const char *v = m->cache_type_v ? m->cache_type_v : "f16";
    uint32_t n = 0;
    if (strcmp(k, v) != 0)
        rows[n++] = (fit_row){.k = k, .v = v};
    for (size_t i = 0; i < IG_COUNT(TYPES); i++)
        rows[n++] = (fit_row){.k = TYPES[i], .v = TYPES[i]};
    return n;
}

static void print_json(const ingot_forecast *f, const fit_row *rows, uint32_t n) {
    printf("{\"weight_bytes\": %llu, \"kv_bytes\": %llu, \"kv_pages\": %llu, "
           "\"activation_bytes\": %llu, \"memory_total\": %llu, \"memory_available\": %llu, "
           "\"fits\": %s, \"context\": %u, \"context_trained\": %u, \"batch\": %u, "
           "\"sequences\": %u, \"page_tokens\": %u, \"groups\": [",
           (unsigned long long)f->weight_bytes, (unsigned long long)f->kv_bytes,
           (unsigned long long)f->kv_pages, (unsigned long long)f->activation_bytes,
           (unsigned long long)f->memory_total, (unsigned long long)f->memory_available,
           sum_of(f) <= f->memory_available ? "true" : "false", f->context, f->context_trained,
           f->batch, f->sequences, f->page_tokens);
    for (uint32_t g = 0; g < f->n_groups; g++)
        printf("%s{\"layers\": %u, \"window\": %u, \"pages\": %u, \"page_bytes\": %llu}",
               g ? ", " : "", f->groups[g].layers, f->groups[g].window, f->groups[g].pages,
               (unsigned long long)f->groups[g].page_bytes);
    printf("], \"types\": [");
    for (uint32_t i = 0; i < n; i++) {
        const fit_row *r = &rows[i];
        printf("%s{\"k\": \"%s\", \"v\": \"%s\", \"suits\": %s", i ? ", " : "", r->k, r->v,
               r->suits ? "true" : "false");
        if (r->suits)
            printf(", \"token_bytes\": %.2f, \"context\": %u, \"kv_bytes\": %llu, "
                   "\"kv_pages\": %llu, \"context_max\": %u, \"sequences_max\": %u",
                   token_bytes(&r->f), r->f.context, (unsigned long long)r->f.kv_bytes,
                   (unsigned long long)r->f.kv_pages, r->fit.context_max, r->fit.sequences_max);
        putchar('}');
    }
    puts("]}");
}

static void print_sums(const ingot_forecast *f) {
    const uint64_t sum = sum_of(f);
    printf("weights       %10.1f MiB (as in the file)\n"
           "keys, values  %10.1f MiB (%llu pages, for %u x %u tokens)\n"
           "activations   %10.1f MiB (estimate, for steps of %u tokens)\n"
           "sum           %10.1f MiB of %.1f MiB available: %s\n",
           (double)f->weight_bytes / MIB, (double)f->kv_bytes / MIB,
           (unsigned long long)f->kv_pages, f->sequences, f->context,
           (double)f->activation_bytes / MIB, f->batch, (double)sum / MIB,
           (double)f->memory_available / MIB,
           sum <= f->memory_available ? "fits"
                                      : "does not fit; a smaller -c, -np or cache type would help");
}

static void print_groups(const ingot_forecast *f) {
    printf("\n| layers | keep | bytes a page of %u | bytes a token | pages a sequence |\n"
           "| ---: | --- | ---: | ---: | ---: |\n",
           f->page_tokens);
    for (uint32_t g = 0; g < f->n_groups; g++) {
        const ingot_forecast_group *group = &f->groups[g];
        char keep[32] = "all tokens";
        if (group->window)
            snprintf(keep, sizeof keep, "%u tokens", group->window);
        printf("| %u | %s | %llu | %.1f | %u |\n", group->layers, keep,
               (unsigned long long)group->page_bytes, (double)group->page_bytes / f->page_tokens,
               group->pages);
    }
}

static void print_types(const ingot_forecast *f, const fit_row *rows, uint32_t n) {
    uint32_t context = 0;
    for (uint32_t i = 0; i < n; i++)
        context = rows[i].suits ? rows[i].f.context : context;
    printf("\nThe most that fits, each by itself (trained for %u tokens):\n\n"
           "| keys, values | bytes a token | MiB for %u tokens | context of one | sequences of %u "
           "|\n| --- | ---: | ---: | ---: | ---: |\n",
           f->context_trained, context, context);
    for (uint32_t i = 0; i < n; i++) {
        const fit_row *r = &rows[i];
        if (r->suits)
            printf("| %s, %s | %.1f | %.1f | %u | %u |\n", r->k, r->v, token_bytes(&r->f),
                   (double)r->f.kv_bytes / MIB, r->fit.context_max, r->fit.sequences_max);
        else
            printf("| %s, %s | - | - | - | - |\n", r->k, r->v);
    }
}

int cli_info_fit(const cli_options *o, const ingot_model_options *m) {
    fit_row rows[ROWS_MAX];
    ingot_forecast f;
    ingot_error error = {0};
    ingot_model_options with = *m;
    with.sequences = o->sequences;
    if (ingot_model_forecast(o->model, &with, &f, &error))
        return cli_fail_error(&error);
    if (!o->context)
        with.context = IG_MIN(f.context, CONTEXT_OF_MANY);
    const uint32_t n = list_rows(m, rows);
    for (uint32_t i = 0; i < n; i++) {
        if (!read_row(o, &with, f.memory_available, &rows[i], &error))
            return cli_fail_error(&error);
    }
    if (o->json) {
        print_json(&f, rows, n);
    } else {
        print_sums(&f);
        if (f.n_groups) {
            print_groups(&f);
            print_types(&f, rows, n);
        }
    }
    return EXIT_OK;
}
