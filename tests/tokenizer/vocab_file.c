/* vocab_file.c: the fixture reader. */
#include "vocab_file.h"

#include <stdio.h>
#include <stdlib.h>

bool file_read(file *f, const char *path) {
    *f = (file){0};
    FILE *in = fopen(path, "rb");
    if (!in)
        return false;
    fseek(in, 0, SEEK_END);
    f->n = (size_t)ftell(in);
    rewind(in);
    f->p = malloc(f->n + 1);
    bool whole = f->p && fread(f->p, 1, f->n, in) == f->n;
    fclose(in);
    return whole;
}

void file_free(file *f) {
    free(f->p);
}

uint32_t file_u32(file *f) {
    uint32_t v = 0;
    if (f->n - f->at >= 4)
        memcpy(&v, f->p + f->at, 4);
    f->at = IG_MIN(f->at + 4, f->n);
    return v;
}

ig_str file_str(file *f) {
    uint32_t n = file_u32(f);
    ig_str s = {f->p + f->at, IG_MIN(n, f->n - f->at)};
    f->at += s.n;
    return s;
}

/* Fixture numbers are not aligned: copies n of 4 bytes. */
static void *copy_numbers(file *f, uint32_t n) {
    void *p = calloc(n + 1, 4);
    if (p)
        memcpy(p, f->p + f->at, (size_t)n * 4);
    f->at += (size_t)n * 4;
    return p;
}

static ig_str *copy_strings(file *f, uint32_t n) {
    ig_str *list = calloc(n + 1, sizeof *list);
    for (uint32_t i = 0; list && i < n; i++)
        list[i] = file_str(f);
    return list;
}

bool vocab_file_read(vocab_file *v, const char *path) {
    file *f = &v->data;
    if (!file_read(f, path))
        return false;
    ig_vocab *o = &v->vocab;
    ig_vocab_init(o);
    o->model = file_str(f);
    o->pre = file_str(f);
    o->name = file_str(f);
    o->arch_name = file_str(f);
    o->n_tokens = file_u32(f);
    o->tokens = copy_strings(f, o->n_tokens);
    o->scores = file_u32(f) ? copy_numbers(f, o->n_tokens) : NULL;
    o->types = file_u32(f) ? copy_numbers(f, o->n_tokens) : NULL;
    uint32_t n = file_u32(f);
    if (n != UINT32_MAX) {
        o->n_merges = n;
        o->merges = copy_strings(f, n);
    }
    for (size_t i = 0; i < IG_ROLE_COUNT; i++)
        o->roles[i] = (int32_t)file_u32(f);
    ig_tri unused; /* remove_extra_whitespaces, which only unigram vocabularies heed */
    ig_tri *flags[] = {&o->add_bos,      &o->add_eos, &o->add_sep,  &o->add_space_prefix,
                       &o->clean_spaces, &unused,     &o->lowercase};
    for (size_t i = 0; i < IG_COUNT(flags); i++)
        *flags[i] = (ig_tri)file_u32(f);
    return true;
}

void vocab_file_free(vocab_file *v) {
    free((void *)(uintptr_t)v->vocab.tokens);
    free((void *)(uintptr_t)v->vocab.scores);
    free((void *)(uintptr_t)v->vocab.types);
    free((void *)(uintptr_t)v->vocab.merges);
    file_free(&v->data);
}

int compare_file(const ig_tokenizer *tok, const char *strings, const char *expected,
                 unsigned plain_flags, int *n, int *texts) {
    file in, want;
    int wrong = 0;
    *n = *texts = 0;
    if (!file_read(&in, strings) || !file_read(&want, expected))
        return -1;
    uint32_t count = file_u32(&in);
    for (uint32_t i = 0; i < count; i++) {
        ig_str text = file_str(&in);
        for (int mode = 0; mode < 2; mode++, (*n)++) {
            unsigned flags = mode ? plain_flags : IG_ENCODE_ADD_SPECIAL | IG_ENCODE_PARSE_SPECIAL;
            ig_ids ids = {0};
            ig_buf out;
            ig_err err = {0};
            ig_buf_init(&out, 1 << 24);
            uint32_t k = file_u32(&want);
            const char *ids_wanted = want.p + want.at;
            want.at += (size_t)k * 4;
            ig_str text_wanted = file_str(&want);
            bool same = ig_tokenizer_encode(tok, text, flags, &ids, &err) == IG_OK && ids.n == k &&
                        (k == 0 || memcmp(ids.p, ids_wanted, (size_t)k * 4) == 0);
            if (!same && wrong++ == 0)
                fprintf(stderr, "%s: string %u, mode %d: ids differ: \"%.*s\" %s\n", expected,
                        (unsigned)i, mode, (int)text.n, text.p, err.message);
            bool back = same &&
                        ig_tokenizer_decode(tok, ids.p, ids.n, mode == 0, &out, &err) == IG_OK &&
                        ig_str_eq(ig_buf_str(&out), text_wanted);
            if (same && !back && (*texts)++ == 0)
                fprintf(stderr,
                        "%s: string %u, mode %d: text differs: \"%.*s\" instead of \"%.*s\"\n",
                        expected, (unsigned)i, mode, (int)out.n, out.p ? out.p : "",
                        (int)text_wanted.n, text_wanted.p);
            ig_buf_fini(&out);
            ig_free(ids.p);
        }
    }
    file_free(&in);
    file_free(&want);
    return wrong;
}
