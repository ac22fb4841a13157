/* field_names.c: errors of rooms below name their own fields; here those become the names that a
 * caller of the public face knows. Pure. */
#include "engine/executor_int.h"

typedef struct field_name {
    const char *inner, *face;
} field_name;

static const field_name NAMES[] = {
    {"n_sequences", "n"},
    {"n_top", "top_logprobs"},
    {"think", "think_tokens"},
    {"width", "beams.width"},
    {"beam.width", "beams.width"},
    {"widths", "beams.widths"},
    {"n_widths", "beams.n_widths"},
    {"diversity_rate", "beams.diversity_rate"},
    {"length_penalty", "beams.length_penalty"},
    {"penalty_repeat", "repeat_penalty"},
    {"penalty_frequency", "frequency_penalty"},
    {"penalty_presence", "presence_penalty"},
    {"penalty_last_n", "repeat_last_n"},
    {"no_repeat_ngram", "no_repeat_ngram_size"},
    {"prompt_ignore", "prompt_ignore_length"},
    {"chain", "samplers"},
};

static bool in_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Bytes of the name that text begins with: words joined by dots. */
static size_t name_size(const char *text) {
    size_t n = 0;
    while (in_name(text[n]) || (n && text[n] == '.' && in_name(text[n + 1])))
        n++;
    return n;
}

static const char *face_of(const char *name, size_t n) {
    for (size_t i = 0; i < IG_COUNT(NAMES); i++) {
        if (strlen(NAMES[i].inner) == n && memcmp(NAMES[i].inner, name, n) == 0)
            return NAMES[i].face;
    }
    return NULL;
}

void ig_engine_face_names(ig_err *err) {
    char out[IG_ERR_MESSAGE_BYTES];
    size_t n = 0;
    for (const char *at = err->message; *at;) {
        const size_t size = IG_MAX(name_size(at), (size_t)1);
        const char *face = face_of(at, size), *from = face ? face : at;
        const size_t bytes = face ? strlen(face) : size;
        if (n + bytes >= sizeof out) /* as it was: a cut name would be none */
            return;
        memcpy(out + n, from, bytes);
        n += bytes;
        at += size;
    }
    out[n] = 0;
    memcpy(err->message, out, n + 1);
}
