/* bench_tokenizer.c: speed of encoding and decoding on one thread. `bench_tokenizer tokenizer.json
 * text [repeats]` prints one CSV line: best of the repeats, MB of text a second of the thread's
 * time, so that a busy machine disturbs little. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tokenizer/tokenizer.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static ig_str read_file(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    long n = ftell(f);
    rewind(f);
    char *p = malloc((size_t)n + 1);
    if (!p || fread(p, 1, (size_t)n, f) != (size_t)n) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(2);
    }
    fclose(f);
    return (ig_str){p, (size_t)n};
}

static void check(ig_status status, const ig_err *err) {
    if (status) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tokenizer tokenizer.json text [repeats]\n");
        return 2;
    }
    ig_str json = read_file(argv[1]), text = read_file(argv[2]);
    int repeats = argc > 3 ? atoi(argv[3]) : 7;
    ig_err err = {0};
    ig_tokenizer *tok;
    double start = now(), encode = 1e9, decode = 1e9;
    check(ig_tokenizer_create_json(&tok, json, NULL, &err), &err);
    double create = now() - start;
    ig_ids ids = {0};
    ig_buf out;
    ig_buf_init(&out, 16 * text.n + 1024);
    for (int i = 0; i < repeats; i++) {
        ids.n = 0;
        ig_buf_clear(&out);
        start = now();
        check(ig_tokenizer_encode(tok, text, IG_ENCODE_PARSE_SPECIAL, &ids, &err), &err);
        double middle = now();
        check(ig_tokenizer_decode(tok, ids.p, ids.n, true, &out, &err), &err);
        decode = IG_MIN(decode, now() - middle);
        encode = IG_MIN(encode, middle - start);
    }
    double mb = (double)text.n * 1e-6;
    printf("tokenizer,bytes,tokens,create_ms,encode_mb_s,decode_mb_s,round_trip\n%s,%zu,%zu,%.0f,%."
           "1f,%.1f,%s\n",
           argv[1], text.n, ids.n, create * 1e3, mb / encode, mb / decode,
           ig_str_eq(ig_buf_str(&out), text) ? "exact" : "differs");
    ig_free(ids.p);
    ig_buf_fini(&out);
    ig_tokenizer_destroy(&tok);
    free((void *)(uintptr_t)json.p);
    free((void *)(uintptr_t)text.p);
    return 0;
}
