/* cmd_tokenize.c: text ↔ ids. */
#include "cli/cli.h"

#include <stdlib.h>

static ingot_model *open_vocabulary(const cli_options *o) {
    ingot_model_options m;
    cli_model_options(o, &m);
    m.vocab_only = true;
    return cli_open_model(o, &m);
}

static bool print_pieces(const ingot_model *model, const int32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        ingot_text piece = {0};
        ingot_error error = {0};
        if (ingot_detokenize(model, &ids[i], 1, true, &piece, &error)) {
            cli_fail_error(&error);
            return false;
        }
        printf("%6d -> '", ids[i]);
        if (cli_is_terminal(stdout))
            cli_put_visible(stdout, piece.data, piece.size);
        else /* many, so not flushed one by one */
            fwrite(piece.data, 1, piece.size, stdout);
        printf("'\n");
        ingot_text_free(&piece);
    }
    return true;
}

static int print_tokens(const cli_options *o, const ingot_model *model, const int32_t *ids,
                        size_t n) {
    if (o->ids || o->json) {
        putchar('[');
        for (size_t i = 0; i < n; i++)
            printf(i ? ", %d" : "%d", ids[i]);
        puts("]");
    } else if (!print_pieces(model, ids, n)) {
        return EXIT_FAILED;
    }
    if (o->count)
        printf("Total number of tokens: %zu\n", n);
    return fflush(stdout) == 0 ? EXIT_OK : cli_fail("cannot write to standard output");
}

int cmd_tokenize(const cli_options *o) {
    ig_buf text;
    int code = EXIT_FAILED;
    ingot_model *model = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    ingot_error error = {0};
    if (!o->prompt && !o->file && !o->from_stdin)
        return cli_usage("tokenize needs a text: -p TEXT, -f FILE or --stdin");
    if (o->count && o->json)
        return cli_usage("--show-count is no JSON; leave out --json, or count its elements");
    if (!cli_check_text(o))
        return EXIT_USAGE;
    ig_buf_init(&text, IG_TEXT_BYTES_MAX);
    if (cli_read_text(o, &text) && (model = open_vocabulary(o)) != NULL) {
        unsigned flags = (o->no_bos ? 0 : (unsigned)INGOT_ADD_SPECIAL) |
                         (o->no_parse_special ? 0 : (unsigned)INGOT_PARSE_SPECIAL);
        code = ingot_tokenize(model, text.p, text.n, flags, &ids, &n, &error)
                   ? cli_fail_error(&error)
                   : print_tokens(o, model, ids, n);
    }
    ingot_ids_free(&ids);
    ingot_model_close(&model);
    ig_buf_fini(&text);
    return code;
}

/* Ids separated by anything that is not part of a number. *ids from ig_realloc. */
bool cli_read_ids(const char *path, int32_t **ids, size_t *n) {
    ig_buf text;
    ig_buf_init(&text, IG_TEXT_BYTES_MAX);
    size_t cap = 0;
    bool ok = cli_read_file(path, &text);
    for (char *p = text.p; ok && p && p < text.p + text.n;) {
        if (*p && strchr(" \t\r\n,[]", *p)) {
            p++;
            continue;
        }
        char *end;
        long v = strtol(p, &end, 10);
        if (end == p || v < INT32_MIN || v > INT32_MAX) {
            cli_fail("%s: offset %zu: not a token id", path, (size_t)(p - text.p));
            ok = false;
            break;
        }
        if (*n == cap) {
            cap = cap ? cap * 2 : 256;
            int32_t *more = ig_realloc(*ids, cap, sizeof *more);
            if (!more) {
                cli_fail("out of memory");
                ok = false;
                break;
            }
            *ids = more;
        }
        (*ids)[(*n)++] = (int32_t)v;
        p = end;
    }
    ig_buf_fini(&text);
    return ok;
}

int cmd_detokenize(const cli_options *o) {
    int32_t *ids = NULL;
    size_t n = 0;
    int code = EXIT_FAILED;
    ingot_model *model = NULL;
    ingot_text text = {0};
    ingot_error error = {0};
    if (cli_read_ids(o->file ? o->file : "-", &ids, &n) && (model = open_vocabulary(o)) != NULL) {
        if (ingot_detokenize(model, ids, n, o->special, &text, &error))
            cli_fail_error(&error);
        else if (cli_write(text.data, text.size))
            code = EXIT_OK;
    }
    ingot_text_free(&text);
    ingot_model_close(&model);
    ig_free(ids);
    return code;
}
