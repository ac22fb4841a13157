/* tokenizer.h: face of the tokenizer room, floor 2: text ↔ token ids. Built from plain vocabulary
 * arrays or from a tokenizer.json; knows no model file. A tokenizer is immutable; any thread may
 * use it at once. */
#ifndef IG_TOKENIZER_TOKENIZER_H
#define IG_TOKENIZER_TOKENIZER_H

#include "base/base.h"

typedef enum ig_token_type { /* ids of tokenizer.ggml.token_type */
                             IG_TOKEN_UNDEFINED = 0,
                             IG_TOKEN_NORMAL = 1,
                             IG_TOKEN_UNKNOWN = 2,
                             IG_TOKEN_CONTROL = 3,
                             IG_TOKEN_USER_DEFINED = 4,
                             IG_TOKEN_UNUSED = 5,
                             IG_TOKEN_BYTE = 6
} ig_token_type;

/* Roles of special tokens. -1 = the vocabulary has none. */
typedef enum ig_token_role {
    IG_ROLE_BOS,
    IG_ROLE_EOS,
    IG_ROLE_EOT,
    IG_ROLE_EOM,
    IG_ROLE_UNK,
    IG_ROLE_SEP,
    IG_ROLE_PAD,
    IG_ROLE_CLS,
    IG_ROLE_MASK,
    IG_ROLE_FIM_PRE,
    IG_ROLE_FIM_SUF,
    IG_ROLE_FIM_MID,
    IG_ROLE_FIM_PAD,
    IG_ROLE_FIM_REP,
    IG_ROLE_FIM_SEP,
    IG_ROLE_NEWLINE,
    IG_ROLE_COUNT
} ig_token_role;

typedef enum ig_tri { IG_UNSET = 0, IG_NO = 1, IG_YES = 2 } ig_tri;

/* A vocabulary as plain arrays; everything is borrowed during create only. Absent arrays are NULL.
 */
typedef struct ig_vocab {
    ig_str model;     /* "llama", "gpt2", "gemma4", …: value of tokenizer.ggml.model */
    ig_str pre;       /* value of tokenizer.ggml.pre; empty = absent */
    ig_str name;      /* general.name, for the few attribute rules keyed by it; may be empty */
    ig_str arch_name; /* general.architecture, likewise */
    uint32_t n_tokens;
    const ig_str *tokens; /* [n_tokens] */
    const float *scores;  /* [n_tokens] or NULL */
    const int32_t *types; /* [n_tokens] of ig_token_type or NULL (all normal) */
    uint32_t n_merges;
    const ig_str *merges;         /* "left right" */
    int32_t roles[IG_ROLE_COUNT]; /* ids named by the file; negative = not named, the model's
                                     default holds */
    ig_tri add_bos, add_eos, add_sep, add_space_prefix, lowercase;
    ig_tri clean_spaces; /* no file names it: the pre-splitter knows */
} ig_vocab;

/* All absent: zero, and no role named. */
void ig_vocab_init(ig_vocab *vocab);

typedef struct ig_tokenizer ig_tokenizer;

/* Errors: IG_EUNSUPPORTED names an unknown model or pre-splitter and lists the known ones;
 * IG_EFORMAT names the broken token, score, merge or id. */
IG_MUST_USE ig_status ig_tokenizer_create(ig_tokenizer **out, const ig_vocab *vocab,
                                          const ig_logger *logger, ig_err *err);
/* From the text of a Hugging Face tokenizer.json (BPE with byte level or byte fallback, its
 * normalizer, pre-tokenizer, added tokens, template post-processor). A component that is not
 * implemented is refused by name. */
IG_MUST_USE ig_status ig_tokenizer_create_json(ig_tokenizer **out, ig_str json,
                                               const ig_logger *logger, ig_err *err);
void ig_tokenizer_destroy(ig_tokenizer **tok);

typedef enum ig_encode_flag {
    IG_ENCODE_ADD_SPECIAL = 1,  /* BOS and EOS as the vocabulary says */
    IG_ENCODE_PARSE_SPECIAL = 2 /* text of control tokens becomes the token */
} ig_encode_flag;

/* A growable list of ids owned by the caller; start from zero, ids freed with ig_free. */
typedef struct ig_ids {
    int32_t *p;
    size_t n, cap;
} ig_ids;

/* Appends the ids of text (any bytes, at most IG_TEXT_BYTES_MAX). Linear in the text. IG_EMEMORY,
 * IG_ELIMIT. */
IG_MUST_USE ig_status ig_tokenizer_encode(const ig_tokenizer *tok, ig_str text, unsigned flags,
                                          ig_ids *ids, ig_err *err);

uint32_t ig_tokenizer_size(const ig_tokenizer *tok);
int32_t ig_tokenizer_role(const ig_tokenizer *tok, ig_token_role role); /* -1 = none */
bool ig_tokenizer_is_eog(const ig_tokenizer *tok, int32_t id);          /* ends a generation */
bool ig_tokenizer_is_control(const ig_tokenizer *tok, int32_t id);
bool ig_tokenizer_adds_bos(const ig_tokenizer *tok);
bool ig_tokenizer_adds_eos(const ig_tokenizer *tok);
bool ig_tokenizer_adds_sep(
    const ig_tokenizer *tok); /* between the parts of a pair; encode adds none */
/* Token as written in the vocabulary; empty outside. */
ig_str ig_tokenizer_token(const ig_tokenizer *tok, int32_t id);
/* Id of a vocabulary string, -1 when there is none. */
int32_t ig_tokenizer_find(const ig_tokenizer *tok, ig_str token);

/* Appends the raw bytes of one token to out (may be a part of a UTF-8 sequence); control tokens
 * only with special. */
IG_MUST_USE ig_status ig_tokenizer_piece(const ig_tokenizer *tok, int32_t id, bool special,
                                         ig_buf *out, ig_err *err);
/* Whole text of ids, with the vocabulary's space rules. */
IG_MUST_USE ig_status ig_tokenizer_decode(const ig_tokenizer *tok, const int32_t *ids, size_t n,
                                          bool special, ig_buf *out, ig_err *err);

/* Streaming decoder of one generation: never emits a broken sequence. Caller's memory, one thread.
 */
typedef struct ig_detok {
    const ig_tokenizer *tok;
    bool special;
    bool started; /* a leading space may still have to go */
    uint8_t n_held;
    char held[4]; /* begin of a sequence that is not complete yet */
} ig_detok;
void ig_detok_init(ig_detok *d, const ig_tokenizer *tok, bool special, bool continues_text);
/* Appends what became complete with this token: valid UTF-8 only, invalid bytes as U+FFFD. */
IG_MUST_USE ig_status ig_detok_add(ig_detok *d, int32_t id, ig_buf *out, ig_err *err);
/* Appends U+FFFD for bytes still held. */
IG_MUST_USE ig_status ig_detok_finish(ig_detok *d, ig_buf *out, ig_err *err);

#endif
