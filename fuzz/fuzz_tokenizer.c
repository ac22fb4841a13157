/* fuzz_tokenizer.c: encoding and decoding of any text with small built-in vocabularies. First byte:
 * which vocabulary, and which pre-splitter; the rest: text. What must hold: every id exists; a
 * vocabulary that has every byte gives valid text back; a stream gives valid UTF-8, the same in one
 * piece as token by token. */
#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_int.h"
#include "utf/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { N_EXTRA = 24, N_BYTES = 256, N_TOKENS = N_BYTES + N_EXTRA };

static const char *const extra_bpe[N_EXTRA] = {
    "Ġt", "he",  "Ġthe", "in",  "er", "Ġa", "re",   "on", "Ċ",    "ab", "abc", "Ã©",
    "12", "123", "ll",   "'ll", "Ġ",  "ĠĠ", "ĠĠĠĠ", "aa", "aaaa", "æĹ", "æĹ¥", "Ċ"};
static const char *const extra_spm[N_EXTRA] = {
    "▁",  "t",  "h", "e",   "▁t", "he", "▁the", "a",    "aa",  "aaaa", "▁▁", "é",
    "日", "ab", "b", "abc", "c",  "\n", "<s>",  "</s>", "<u>", "1",    "12", "'"};
static const char *const merges_bpe[] = {"Ġ t",  "h e", "Ġt he", "i n", "e r",   "Ġ a",  "r e",
                                         "o n",  "a b", "ab c",  "Ã ©", "1 2",   "12 3", "l l",
                                         "' ll", "Ġ Ġ", "ĠĠ ĠĠ", "a a", "aa aa", "æ Ĺ",  "æĹ ¥"};
static const char *const merges_raw[] = {"▁ t", "h e", "▁t he", "a a", "aa aa",
                                         "▁ ▁", "a b", "ab c",  "1 2"};

typedef struct pool {
    char names[N_BYTES][8];
    ig_str tokens[N_TOKENS];
    int32_t types[N_TOKENS];
    float scores[N_TOKENS];
    ig_str merges[IG_COUNT(merges_bpe)];
} pool;

static void fill(pool *p, ig_vocab *v, int kind, ig_str pre) {
    ig_vocab_init(v);
    uint32_t n = 0;
    for (int b = 0; b < N_BYTES; b++, n++) {
        size_t bytes = kind == 0 ? ig_utf8_encode(ig_byte_to_char((uint8_t)b), p->names[b])
                                 : (size_t)snprintf(p->names[b], sizeof p->names[b], "<0x%02X>", b);
        p->tokens[n] = (ig_str){p->names[b], bytes};
        p->types[n] = kind == 0 ? IG_TOKEN_NORMAL : IG_TOKEN_BYTE;
    }
    for (int i = 0; i < N_EXTRA; i++) {
        ig_str s = ig_str_of(kind == 0 ? extra_bpe[i] : extra_spm[i]);
        bool known = false;
        for (uint32_t j = 0; j < n; j++)
            known = known || ig_str_eq(p->tokens[j], s);
        if (known)
            continue;
        p->tokens[n] = s;
        p->scores[n] = -(float)(i % 7);
        p->types[n] = s.p[0] == '<' ? (s.p[1] == 'u' ? IG_TOKEN_USER_DEFINED : IG_TOKEN_CONTROL)
                                    : IG_TOKEN_NORMAL;
        n++;
    }
    v->model = kind == 1 ? IG_STR("llama") : IG_STR("gpt2");
    v->pre = pre;
    v->tokens = p->tokens;
    v->types = p->types;
    v->scores = p->scores;
    v->n_tokens = n;
    const char *const *list = kind == 0 ? merges_bpe : merges_raw;
    v->n_merges = kind == 0 ? IG_COUNT(merges_bpe) : IG_COUNT(merges_raw);
    for (uint32_t i = 0; i < v->n_merges; i++)
        p->merges[i] = ig_str_of(list[i]);
    v->merges = p->merges;
    v->add_bos = IG_NO;
    v->add_space_prefix = IG_NO;
    v->clean_spaces = IG_NO;
}

static void require(bool ok) {
    if (!ok)
        abort();
}

static void check(const ig_tokenizer *tok, ig_str text, unsigned flags, bool exact) {
    ig_err err = {0};
    ig_ids ids = {0};
    ig_buf whole, stream;
    ig_buf_init(&whole, 1 << 26);
    ig_buf_init(&stream, 1 << 26);
    require(ig_tokenizer_encode(tok, text, flags, &ids, &err) == IG_OK);
    ig_detok d;
    ig_detok_init(&d, tok, true, true);
    for (size_t i = 0; i < ids.n; i++) {
        require(ids.p[i] >= 0 && (uint32_t)ids.p[i] < ig_tokenizer_size(tok));
        require(ig_detok_add(&d, ids.p[i], &stream, &err) == IG_OK);
        require(ig_utf8_valid(ig_buf_str(&stream)));
    }
    require(ig_detok_finish(&d, &stream, &err) == IG_OK && ig_utf8_valid(ig_buf_str(&stream)));
    require(ig_tokenizer_decode(tok, ids.p, ids.n, true, &whole, &err) == IG_OK);
    if (exact)
        require(ig_str_eq(ig_buf_str(&whole), text));
    if (ig_utf8_valid(ig_buf_str(&whole)))
        require(ig_str_eq(ig_buf_str(&whole), ig_buf_str(&stream)));
    ig_buf_fini(&whole);
    ig_buf_fini(&stream);
    ig_free(ids.p);
}

/* Tokenizers are made once: making one costs more than most texts. */
enum { ROWS_MAX = 128 };
static ig_tokenizer *made[ROWS_MAX];

static ig_tokenizer *make(size_t i, const ig_presplit *row) {
    pool *p = calloc(1, sizeof *p);
    ig_vocab vocab;
    ig_err err = {0};
    require(p != NULL);
    fill(p, &vocab, !row ? 1 : row->raw ? 2 : 0, row ? ig_str_of(row->names[0]) : (ig_str){"", 0});
    if (row && (row->force_bos || row->add_bos))
        vocab.roles[IG_ROLE_BOS] = 5;
    require(ig_tokenizer_create(&made[i], &vocab, NULL, &err) == IG_OK);
    free(p);
    return made[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 1 << 16)
        return 0;
    size_t n_rows = 0;
    while (ig_presplit_at(n_rows))
        n_rows++;
    require(n_rows < ROWS_MAX);
    bool spm = data[0] >= 0xC0;
    size_t i = spm ? ROWS_MAX - 1 : data[0] % n_rows;
    const ig_presplit *row = spm ? NULL : ig_presplit_at(i);
    const ig_tokenizer *tok = made[i] ? made[i] : make(i, row);
    ig_str text = {(const char *)data + 1, size - 1};
    bool marked = false; /* U+2581 comes back as a space */
    for (size_t k = 0; k + 2 < text.n; k++)
        marked = marked || memcmp(text.p + k, "\xE2\x96\x81", 3) == 0;
    bool exact = ig_utf8_valid(text);
    if (spm)
        exact = exact && !marked;
    else
        exact =
            exact && !row->space_words && !(row->raw && marked) && row->escape_spaces == row->raw;
    check(tok, text, 0, exact);
    check(tok, text, IG_ENCODE_ADD_SPECIAL | IG_ENCODE_PARSE_SPECIAL, false);
    return 0;
}
