/* vocab_file.h: reads the fixtures that make_tokenizer_fixtures.py writes. */
#ifndef IG_TESTS_TOKENIZER_VOCAB_FILE_H
#define IG_TESTS_TOKENIZER_VOCAB_FILE_H

#include "tokenizer/tokenizer.h"

typedef struct file {
    char *p;
    size_t n, at;
} file;

/* False when there is no such file. */
bool file_read(file *f, const char *path);
void file_free(file *f);
uint32_t file_u32(file *f);
ig_str file_str(file *f);

typedef struct vocab_file {
    file data;
    ig_vocab vocab;
} vocab_file;
bool vocab_file_read(vocab_file *v, const char *path);
void vocab_file_free(vocab_file *v);

/* Encodes and decodes every string of strings.bin and compares with the expectations. Returns how
 * many ids lists and (in *texts) how many texts differ; prints the first of each. */
int compare_file(const ig_tokenizer *tok, const char *strings, const char *expected,
                 unsigned plain_flags, int *n, int *texts);

#endif
