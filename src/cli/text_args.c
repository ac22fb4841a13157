/* text_args.c: the text of a command: an argument, the words behind the model, a file or standard
 * input; and whether it can fit a context at all. */
#include "cli/cli.h"

/* Normalisation may shorten a text before it becomes tokens, never by more. */
#define SHORTENED_AT_MOST 4u

bool cli_check_text(const cli_options *o) {
    const struct {
        bool given;
        const char *name;
    } sources[] = {{o->prompt != NULL, "-p"},
                   {o->file != NULL, "-f"},
                   {o->from_stdin, "--stdin"},
                   {o->words.n > 0, "a message behind the model"}};
    const char *first = NULL;
    for (size_t i = 0; i < IG_COUNT(sources); i++) {
        if (sources[i].given && first) {
            cli_fail("%s and %s both give the text; leave one out", first, sources[i].name);
            return false;
        }
        first = sources[i].given ? sources[i].name : first;
    }
    if (o->escape && o->no_escape)
        cli_fail("--escape contradicts --no-escape; leave one out");
    return !(o->escape && o->no_escape);
}

static bool add(ig_buf *out, const char *text) {
    if (ig_buf_add(out, text, strlen(text), NULL) == IG_OK)
        return true;
    cli_fail("the text has more than %zu bytes", out->max);
    return false;
}

bool cli_read_text(const cli_options *o, ig_buf *out) {
    bool ok = true;
    for (uint32_t i = 0; ok && i < o->words.n; i++)
        ok = (i == 0 || add(out, " ")) && add(out, o->words.items[i]);
    if (o->words.n)
        return ok;
    ok = o->prompt ? add(out, o->prompt) : cli_read_file(o->file ? o->file : "-", out);
    if (ok && !o->no_escape && (o->prompt || o->file || o->from_stdin) && out->n)
        out->n = cli_unescape(out->p, out->n);
    return ok;
}

void cli_drop_newline(ig_buf *text) {
    if (text->n && text->p[text->n - 1] == '\n')
        text->p[--text->n] = '\0';
}

bool cli_may_fit(const ingot_model *model, size_t bytes, uint32_t context) {
    size_t longest = 1, n;
    for (uint32_t id = 0; id < ingot_vocabulary_size(model); id++) {
        if (ingot_token(model, (int32_t)id, &n))
            longest = IG_MAX(longest, n);
    }
    if (bytes / SHORTENED_AT_MOST / longest <= context)
        return true;
    cli_fail("the text has %zu bytes, too many for the context of %u tokens, each of at most %zu "
             "bytes; a larger one is set with -c",
             bytes, context, longest);
    return false;
}
