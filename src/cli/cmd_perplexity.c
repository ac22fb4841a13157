/* cmd_perplexity.c: perplexity of a text, saving of base log-probabilities, and
 * divergence from a saved base.
 *
 * The base file has the layout of llama-perplexity's --kl-divergence-base, so that either program
 * can read the other's: "_logits_", int32 context, int32 vocabulary, int32 chunks, int32
 * tokens[chunks * context], then per scored row a record of float scale, float lowest
 * log-probability, uint16 steps[vocabulary rounded up to even]: log p = lowest + scale * step. */
#include "cli/cli.h"

#include "os/os.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ROWS_PER_STEP 64u
#define BASE_CONTEXT_MAX (1 << 20)
#define BASE_CHUNKS_MAX (1 << 20)
#define BASE_RANGE 16.0f /* logits this far below the best are stored as the lowest */
static const char MAGIC[8] = {'_', 'l', 'o', 'g', 'i', 't', 's', '_'};

typedef struct scorer {
    const cli_options *o;
    ingot_model *model;
    ingot_session *session;
    uint32_t context, vocabulary, n_chunks;
    int32_t *tokens; /* [n_chunks * context] */
    int32_t bos;     /* put at the start of each chunk; -1 = none */
    FILE *base;      /* read with --kl-divergence */
    bool saves;
    ig_file_writer *writer; /* the base that is made: appears whole or not at all */
    ig_err write_error;
    bool cancelled;
    float *logits;    /* [ROWS_PER_STEP * vocabulary] */
    uint16_t *record; /* one row of the base file */
    size_t record_halves;
    double nll, nll2; /* sums over scored tokens */
    double *kls;      /* per scored token */
    double base_nll, same_top;
    uint64_t n_scored;
} scorer;

static double log_sum_exp(const float *z, uint32_t n, float *best, uint32_t *at) {
    *best = z[0];
    *at = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (z[i] > *best) {
            *best = z[i];
            *at = i;
        }
    }
    double sum = 0;
    for (uint32_t i = 0; i < n; i++)
        sum += (double)expf(z[i] - *best);
    return (double)*best + log(sum);
}

static bool save_row(scorer *s, const float *z, float best, double lse) {
    float lowest = best;
    for (uint32_t i = 0; i < s->vocabulary; i++)
        lowest = IG_MIN(lowest, z[i]);
    lowest = IG_MAX(lowest, best - BASE_RANGE);
    float head[2] = {(best - lowest) / 65535.0f, (float)((double)lowest - lse)};
    memcpy(s->record, head, sizeof head);
    for (uint32_t i = 0; i < s->vocabulary; i++)
        s->record[4 + i] =
            z[i] > lowest && head[0] > 0 ? (uint16_t)lrintf((z[i] - lowest) / head[0]) : 0;
    size_t bytes = s->record_halves * sizeof *s->record;
    return ig_file_writer_add(s->writer, s->record, bytes, &s->write_error) == IG_OK;
}

static bool compare_row(scorer *s, const float *z, double lse, uint32_t top, int32_t next) {
    float head[2];
    if (fread(s->record, sizeof *s->record, s->record_halves, s->base) != s->record_halves)
        return false;
    memcpy(head, s->record, sizeof head);
    double kl = 0;
    uint32_t base_top = 0;
    for (uint32_t i = 0; i < s->vocabulary; i++) {
        double logp = (double)head[1] + (double)head[0] * s->record[4 + i];
        if (s->record[4 + i] > s->record[4 + base_top])
            base_top = i;
        if (logp > -16.0)
            kl += exp(logp) * (logp - ((double)z[i] - lse));
    }
    s->kls[s->n_scored] = kl;
    s->same_top += base_top == top;
    s->base_nll -= (double)head[1] + (double)head[0] * s->record[4 + next];
    return true;
}

static bool score_row(scorer *s, const float *z, int32_t next) {
    float best;
    uint32_t top;
    double lse = log_sum_exp(z, s->vocabulary, &best, &top), nll = lse - (double)z[next];
    bool ok = !isnan(nll);
    if (!ok)
        cli_fail("%s: logits that are no numbers; the file is damaged, or the model needs a wider "
                 "type of cache (-ctk, -ctv)",
                 s->o->model);
    else if (s->base && !(ok = compare_row(s, z, lse, top, next)))
        cli_fail("%s: the base file is cut short; make it again", s->o->base_file);
    if (ok && s->writer && !(ok = save_row(s, z, best, lse)))
        cli_fail("%s", s->write_error.message);
    s->nll += nll;
    s->nll2 += nll * nll;
    s->n_scored++;
    return ok;
}

static bool score_chunk(scorer *s, uint32_t chunk) {
    ingot_error error = {0};
    int32_t *ids = s->tokens + (size_t)chunk * s->context, first = ids[0];
    uint32_t half = s->context / 2;
    ingot_session_truncate(s->session, 0);
    if (s->bos >= 0)
        ids[0] = s->bos;
    bool ok = !ingot_session_eval(s->session, ids, half, NULL, 0, &error);
    for (uint32_t at = half; ok && at < s->context - 1;) {
        uint32_t n = IG_MIN(ROWS_PER_STEP, s->context - 1 - at);
        ok = !ingot_session_eval(s->session, ids + at, n, s->logits, n, &error);
        for (uint32_t i = 0; ok && i < n; i++)
            ok = score_row(s, s->logits + (size_t)i * s->vocabulary, ids[at + i + 1]);
        at += n;
    }
    ids[0] = first;
    s->cancelled = !ok && error.code == INGOT_CANCELLED;
    if (!ok && !s->cancelled && error.message[0])
        cli_fail_error(&error);
    return ok;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct result {
    const char *name;
    double value;
} result;

static void print_json(const result *results, size_t n) {
    for (size_t i = 0; i < n; i++) {
        printf("%s\"%s\": ", i ? ", " : "{", results[i].name);
        cli_put_json_number(stdout, results[i].value);
        if (!isfinite(results[i].value))
            fprintf(stderr, "[%s is infinite: null]\n", results[i].name);
    }
    puts("}");
}

static void print_perplexity(const scorer *s, double ppl, double error) {
    const double n = (double)s->n_scored;
    const result results[] = {{"perplexity", ppl}, {"error", error}, {"tokens", n}};
    if (s->o->json)
        print_json(results, IG_COUNT(results));
    else
        printf("perplexity %.4f +- %.4f over %.0f tokens\n", ppl, error, n);
}

static void print_divergence(scorer *s, double ppl) {
    const double n = (double)s->n_scored, base = exp(s->base_nll / n), same = s->same_top / n;
    double kl = 0;
    for (uint64_t i = 0; i < s->n_scored; i++)
        kl += s->kls[i] / n;
    qsort(s->kls, s->n_scored, sizeof *s->kls, ascending);
    const double median = s->kls[s->n_scored / 2], most = s->kls[s->n_scored - 1];
    const double p99 = s->kls[(uint64_t)(n * 0.99)];
    const result results[] = {
        {"perplexity", ppl}, {"base_perplexity", base}, {"kl_mean", kl},    {"kl_median", median},
        {"kl_p99", p99},     {"kl_max", most},          {"same_top", same}, {"tokens", n}};
    if (s->o->json)
        print_json(results, IG_COUNT(results));
    else
        printf("perplexity      %.4f (base %.4f)\n"
               "KL divergence   mean %.6g, median %.6g, 99%% %.6g, max %.6g\n"
               "same top token  %.3f%% of %.0f tokens\n",
               ppl, base, kl, median, p99, most, 100 * same, n);
}

static void print_result(scorer *s) {
    const double n = (double)s->n_scored, mean = s->nll / n, var = s->nll2 / n - mean * mean;
    const double ppl = exp(mean), error = n > 1 && var > 0 ? ppl * sqrt(var / (n - 1)) : 0;
    if (s->o->kl)
        print_divergence(s, ppl);
    else
        print_perplexity(s, ppl, error);
}

/* Tokens, context and vocabulary of a base file. */
static bool read_base(scorer *s) {
    char magic[8];
    int32_t head[3];
    if (fread(magic, sizeof magic, 1, s->base) != 1 || memcmp(magic, MAGIC, sizeof magic) != 0 ||
        fread(head, sizeof head, 1, s->base) != 1) {
        cli_fail("%s: not a file of base log-probabilities; "
                 "make one with --kl-divergence-base alone",
                 s->o->base_file);
        return false;
    }
    if (head[0] != (int32_t)s->context || head[1] != (int32_t)s->vocabulary || head[2] < 1 ||
        head[2] > BASE_CHUNKS_MAX) {
        cli_fail("%s: context %d, vocabulary %d, %d chunks do not fit this model (vocabulary %u)",
                 s->o->base_file, head[0], head[1], head[2], s->vocabulary);
        return false;
    }
    s->n_chunks = (uint32_t)head[2];
    size_t n = (size_t)s->context * s->n_chunks;
    s->tokens = ig_alloc(n, sizeof *s->tokens);
    if (!s->tokens || fread(s->tokens, sizeof *s->tokens, n, s->base) != n) {
        cli_fail("%s: %s", s->o->base_file,
                 s->tokens ? "cut short; make it again" : "out of memory");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->tokens[i] < 0 || (uint32_t)s->tokens[i] >= s->vocabulary) {
            cli_fail("%s: token %zu is %d and the vocabulary has %u; make the file again",
                     s->o->base_file, i, s->tokens[i], s->vocabulary);
            return false;
        }
    }
    if (s->o->chunks)
        s->n_chunks = IG_MIN(s->n_chunks, s->o->chunks);
    return true;
}

static bool read_text(scorer *s) {
    ig_buf text;
    ingot_error error = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    ig_buf_init(&text, IG_TEXT_BYTES_MAX);
    bool ok = cli_read_file(s->o->file ? s->o->file : "-", &text);
    if (ok && ingot_tokenize(s->model, text.p ? text.p : "", text.n, (unsigned)INGOT_ADD_SPECIAL,
                             &ids, &n, &error)) {
        ok = false;
        cli_fail_error(&error);
    }
    s->n_chunks = (uint32_t)IG_MIN(n / s->context, (size_t)UINT32_MAX);
    if (ok && s->n_chunks == 0) {
        ok = false;
        cli_fail("the text has %zu tokens; at least %u are needed for a chunk of -c %u", n,
                 s->context, s->context);
    }
    if (s->o->chunks)
        s->n_chunks = IG_MIN(s->n_chunks, s->o->chunks);
    if (ok) {
        s->tokens = ig_alloc((size_t)s->n_chunks * s->context, sizeof *s->tokens);
        ok = s->tokens != NULL;
        if (ok)
            memcpy(s->tokens, ids, (size_t)s->n_chunks * s->context * sizeof *ids);
        else
            cli_fail("out of memory");
    }
    ingot_ids_free(&ids);
    ig_buf_fini(&text);
    return ok;
}

static bool write_base_head(scorer *s) {
    int32_t head[3] = {(int32_t)s->context, (int32_t)s->vocabulary, (int32_t)s->n_chunks};
    size_t n = (size_t)s->n_chunks * s->context;
    size_t bytes = n * sizeof *s->tokens;
    bool ok = ig_file_writer_add(s->writer, MAGIC, sizeof MAGIC, &s->write_error) == IG_OK &&
              ig_file_writer_add(s->writer, head, sizeof head, &s->write_error) == IG_OK &&
              ig_file_writer_add(s->writer, s->tokens, bytes, &s->write_error) == IG_OK;
    if (!ok)
        cli_fail("%s", s->write_error.message);
    return ok;
}

/* The context that a base file was made with: the model is opened for it. What is no such file
 * gets a message when all of it is read. */
static uint32_t base_context(FILE *base, uint32_t otherwise) {
    int32_t head[3];
    bool ok = fseek(base, sizeof MAGIC, SEEK_SET) == 0 && fread(head, sizeof head, 1, base) == 1 &&
              head[0] >= 4 && head[0] <= BASE_CONTEXT_MAX;
    rewind(base);
    return ok ? (uint32_t)head[0] : otherwise;
}

static bool open_model(scorer *s) {
    ingot_model_options m;
    cli_model_options(s->o, &m);
    s->context = s->o->context ? s->o->context : 512;
    if (s->base)
        s->context = base_context(s->base, s->context);
    m.context = s->context;
    m.outputs = ROWS_PER_STEP;
    s->model = cli_open_model(s->o, &m);
    ingot_error error = {0};
    if (s->model && ingot_session_open(&s->session, s->model, &error))
        cli_fail_error(&error);
    return s->session != NULL;
}

static int score_all(scorer *s) {
    ingot_model_facts facts;
    ingot_model_describe(s->model, &facts);
    s->vocabulary = facts.vocabulary;
    s->bos = cli_begin_token(s->model);
    s->record_halves = 2 * ((s->vocabulary + 1) / 2) + 4;
    s->logits = ig_alloc((size_t)ROWS_PER_STEP * s->vocabulary, sizeof *s->logits);
    s->record = ig_alloc(s->record_halves, sizeof *s->record);
    if (!s->logits || !s->record)
        return cli_fail("out of memory");
    if (!(s->o->kl ? read_base(s) : read_text(s)) || (s->writer && !write_base_head(s)))
        return EXIT_FAILED;
    s->kls = ig_alloc((size_t)s->n_chunks * s->context, sizeof *s->kls);
    if (!s->kls)
        return cli_fail("out of memory");
    cli_bar bar = {.what = "scoring"};
    for (uint32_t c = 0; c < s->n_chunks; c++) {
        if (!score_chunk(s, c)) {
            cli_progress(&bar, 1);
            return s->cancelled ? EXIT_INTERRUPTED : EXIT_FAILED;
        }
        cli_progress(&bar, (double)(c + 1) / s->n_chunks);
    }
    print_result(s);
    return EXIT_OK;
}

/* With a base to be made: it is there, whole, when all went well, and not at all otherwise. */
static int score_and_save(scorer *s) {
    if (s->saves && ig_file_writer_open(&s->writer, s->o->base_file, &s->write_error) != IG_OK)
        return cli_fail("%s", s->write_error.message);
    int code = score_all(s);
    if (s->writer && ig_file_writer_close(&s->writer, code == EXIT_OK, &s->write_error) != IG_OK &&
        code == EXIT_OK)
        code = cli_fail("%s", s->write_error.message);
    return code;
}

int cmd_perplexity(const cli_options *o) {
    scorer s = {.o = o, .saves = o->base_file && !o->kl};
    int code = EXIT_FAILED;
    if (o->kl && !o->base_file)
        return cli_usage("--kl-divergence needs --kl-divergence-base FILE");
    if (o->context && o->context < 4)
        return cli_usage("-c must be at least 4");
    if (s.saves && !cli_may_replace(o->base_file, (const char *const[]){o->model, o->file}, 2))
        return EXIT_USAGE;
    if (o->kl && !(s.base = fopen(o->base_file, "rb")))
        return cli_fail("%s: %s", o->base_file, strerror(errno));
    if (o->kl && o->file)
        fprintf(stderr, "[-f is not read: the base file has the tokens of its text]\n");
    if (open_model(&s)) {
        cli_interrupt_begin(s.session, s.saves ? CLI_WRITING : CLI_ANSWERING);
        code = cli_interrupt_code(score_and_save(&s));
    }
    if (s.base)
        fclose(s.base);
    ingot_session_close(&s.session);
    ingot_model_close(&s.model);
    ig_free(s.tokens);
    ig_free(s.logits);
    ig_free(s.record);
    ig_free(s.kls);
    return code;
}
