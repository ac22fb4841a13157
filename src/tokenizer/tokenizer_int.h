/* tokenizer_int.h: what the files of the tokenizer room share: the tokenizer itself, its maps, the
 * pre-splitter stages and the working memory of one encoding. */
#ifndef IG_TOKENIZER_TOKENIZER_INT_H
#define IG_TOKENIZER_TOKENIZER_INT_H

#include "tokenizer/token_map_int.h"
#include "tokenizer/tokenizer.h"
#include "utf/utf.h"

/* ---- pre-splitter stages (split_*.c, presplit_table.c) ---- */

typedef struct ig_stage ig_stage;

/* Where a stage stands in one piece; zero at the start of a piece, except match. */
typedef struct ig_split_memo {
    ig_match *match;   /* of a pattern stage */
    size_t start, end; /* a match that was found beyond the piece just returned */
    bool drop;         /* the piece just returned is not text to encode */
    ig_status status;  /* why the stage failed */
} ig_split_memo;

/* End of the sub-piece of t[0, end) that begins at pos; pos < result <= end, or IG_SPLIT_FAILED
 * with err. t is valid UTF-8 except that surrogates may occur. Nothing outside [0, end) is looked
 * at. */
typedef size_t (*ig_split_fn)(const ig_stage *stage, const char *t, size_t pos, size_t end,
                              ig_split_memo *memo, ig_err *err);
#define IG_SPLIT_FAILED SIZE_MAX

typedef enum ig_split_behaviour { /* what becomes of the matches of a pattern */
                                  IG_SPLIT_ISOLATED,
                                  IG_SPLIT_REMOVED,
                                  IG_SPLIT_KEPT, /* matches are the text, what lies between is
                                                    removed */
                                  IG_SPLIT_WITH_PREVIOUS,
                                  IG_SPLIT_WITH_NEXT
} ig_split_behaviour;

typedef struct ig_code_range {
    uint32_t first, last;
} ig_code_range;

/* A set of characters: classes and ranges. White space above ASCII is in no range. */
typedef struct ig_char_set {
    unsigned classes; /* bits of ig_utf_class */
    const ig_code_range *ranges;
    uint8_t n_ranges;
    bool complement; /* the complement */
} ig_char_set;

struct ig_stage {
    const char *pattern; /* the same as a PCRE2 pattern: documentation, test reference, and key for
                            tokenizer.json */
    ig_split_fn next;
    ig_char_set set;   /* run stages */
    char lead;         /* run stages: 0, ' ' or 's' (any white space): may stand before a run */
    uint32_t min, max; /* run stages: characters; max 0 = no limit */
    ig_split_behaviour behaviour; /* pattern and literal stages; runs know isolated and removed */
    ig_str literal;
    ig_pattern *compiled;
    const char *alias[2]; /* other spellings in tokenizer.json */
    bool covers;          /* the pattern matches every text, so nothing lies between matches */
};

#define IG_STAGES_MAX 8

/* One row of the pre-splitter table. */
typedef struct ig_presplit {
    const char *names[12];
    const ig_stage *stages[IG_STAGES_MAX];
    bool keep_spaces;   /* clean_spaces off */
    bool ignore_merges; /* a word that is a token needs no merging */
    bool add_bos, add_sep;
    bool no_bos;        /* the default BOS does not hold */
    bool raw;           /* merges on UTF-8 itself, not on mapped bytes */
    bool escape_spaces; /* space becomes U+2581 */
    bool newline_words; /* a run of newlines is looked up whole */
    bool space_words;   /* every U+2581 begins a word, and the first word gets one */
    bool force_bos;
    bool no_lowercase;
    bool may_lack_merges;
} ig_presplit;

const ig_presplit *ig_presplit_find(ig_str name);
/* Names of all rows, for messages and tests: row i, NULL after the last. */
const ig_presplit *ig_presplit_at(size_t i);
/* A hand-written stage that splits exactly as this regular expression of a tokenizer.json, or NULL.
 */
const ig_stage *ig_stage_for_regex(ig_str regex);
/* The stage that leaves white space out. */
const ig_stage *ig_stage_drop_space(void);
/* Stage i of all hand-written ones that have a reference pattern, NULL after the last. For tests.
 */
const ig_stage *ig_stage_at(size_t i);

/* Decodes one character of text that is valid but for surrogates. */
IG_INLINE size_t ig_char_at(const char *t, size_t pos, uint32_t *cp) {
    const unsigned char *p = (const unsigned char *)t + pos;
    if (ig_likely(p[0] < 0x80)) {
        *cp = p[0];
        return 1;
    }
    if (p[0] < 0xE0) {
        *cp = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
        return 2;
    }
    if (p[0] < 0xF0) {
        *cp = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        return 3;
    }
    *cp = (p[0] & 0x07u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
    return 4;
}

/* ---- text rules before splitting (text_rules.c) ---- */

typedef enum ig_rule_kind {
    IG_RULE_REPLACE,       /* every `from` by `to` */
    IG_RULE_PREPEND,       /* `to` in front of a text that is not empty */
    IG_RULE_PREPEND_ONCE,  /* the same, unless it begins with it */
    IG_RULE_PREPEND_LINES, /* the same for every line */
    IG_RULE_NORMAL_FORM,
    IG_RULE_LOWER
} ig_rule_kind;

typedef struct ig_text_rule {
    ig_rule_kind kind;
    ig_utf_form form;
    ig_str from, to;
    bool first_only; /* only at the beginning of the whole text */
} ig_text_rule;

#define IG_TEXT_RULES_MAX 16

/* ---- the tokenizer ---- */

typedef enum ig_token_attr { /* the values of the peer's token attributes */
                             IG_ATTR_UNKNOWN = 1,
                             IG_ATTR_UNUSED = 2,
                             IG_ATTR_NORMAL = 4,
                             IG_ATTR_CONTROL = 8,
                             IG_ATTR_USER = 16,
                             IG_ATTR_BYTE = 32,
                             IG_ATTR_NORMALISED = 64,
                             IG_ATTR_LSTRIP = 128,
                             IG_ATTR_RSTRIP = 256,
                             IG_ATTR_SINGLE_WORD = 512
} ig_token_attr;
#define IG_ATTR_SPECIAL (IG_ATTR_CONTROL | IG_ATTR_UNKNOWN)

/* A merge of two bytes, found without a search. */
typedef struct ig_byte_pair {
    uint32_t rank, id;
} ig_byte_pair;

typedef enum ig_merge_kind {
    IG_MERGE_SCORES,     /* SPM: a pair merges when its text is a token, best score first */
    IG_MERGE_BYTES,      /* BPE over bytes: ids of pairs */
    IG_MERGE_CHARACTERS, /* BPE over UTF-8 characters */
} ig_merge_kind;

/* Trie over the texts of special tokens. */
typedef struct ig_special_node {
    uint32_t child, sibling; /* index, 0 = none */
    uint32_t special;        /* index + 1 into the specials, 0 = none ends here */
    uint8_t byte;
} ig_special_node;

typedef struct ig_specials {
    uint32_t *ids;  /* longest text first */
    uint32_t *head; /* of each: index + 1 of the longest other one that it begins with, 0 = none */
    uint32_t n;
    ig_special_node *nodes;
    uint32_t n_nodes;
    uint32_t first[256]; /* node of each first byte */
} ig_specials;

struct ig_tokenizer {
    ig_arena arena; /* everything below that is a pointer */
    ig_merge_kind merge_kind;
    bool from_json; /* added tokens are matched as in Hugging Face tokenizers */
    uint32_t n_tokens;
    ig_token_map text;   /* strings of the vocabulary; ids from n_tokens up are strings that only
                            merges know */
    ig_token_map raw;    /* BPE over bytes: the same in bytes */
    uint32_t *score_key; /* SPM: ascending = better first */
    uint16_t *attr;
    uint8_t *eog;   /* 1 = ends a generation */
    uint8_t *whole; /* ig_whole of every token, found out when first asked; any thread */
    ig_merge_map merges;
    ig_byte_pair *byte_pairs; /* BPE over bytes: [256 * 256], the merges of two single bytes */
    uint32_t
        byte_id[256]; /* symbol of one byte (BPE over bytes) or the byte token; IG_TOKEN_NONE */
    int32_t byte_out[256]; /* token of a byte that found none, -1 = dropped */
    uint64_t joins[256]
                  [4];    /* bit: a merge can join two symbols of these classes (ig_symbol_class) */
    ig_specials specials; /* GGUF: all; JSON: those matched before the text rules */
    ig_specials normalised; /* JSON: those matched after them */
    ig_text_rule rules[IG_TEXT_RULES_MAX];
    uint32_t n_rules;
    ig_stage own_stages[IG_STAGES_MAX]; /* compiled for this tokenizer */
    uint32_t n_own_stages;
    const ig_stage *stages[IG_STAGES_MAX];
    uint32_t n_stages;
    bool ignore_merges, newline_words, space_prefix, clean_spaces, fuse_unknown;
    bool escaped; /* U+2581 in a token prints as a space */
    bool add_bos, add_eos, add_sep;
    bool strip_first_space; /* decoding drops one leading space */
    int32_t unknown;        /* token of what has neither token nor bytes, -1 = dropped */
    int32_t roles[IG_ROLE_COUNT];
    int32_t before[8], after[8]; /* JSON: template around the text */
    uint32_t n_before, n_after;
};

/* ---- working memory of one encoding ---- */

typedef struct ig_symbol {
    uint32_t at, n; /* bytes of the word; n 0 = merged away */
    uint32_t id;
    uint32_t prev, next; /* IG_TOKEN_NONE = none */
} ig_symbol;

/* What waits for its turn in a heap: a pair of symbols, or a place of a special token. */
typedef struct ig_pair {
    uint64_t order; /* rank << 32 | index of the left symbol, or byte of the text */
    uint32_t n;     /* bytes of both when it was queued; other now = stale */
    uint32_t id;
} ig_pair;

typedef struct ig_fragment {
    size_t start, end;
    int32_t id; /* -1 = text */
} ig_fragment;

typedef struct ig_work {
    const ig_tokenizer *tok;
    ig_ids *ids;
    ig_err *err;
    ig_symbol *symbols;
    size_t symbols_cap;
    ig_pair *pairs;
    size_t pairs_cap;
    ig_fragment *fragments;
    size_t n_fragments, fragments_cap;
    uint8_t *taken; /* bit per byte of the text: belongs to a special token */
    ig_buf text, text_new;
    bool unknown_last; /* the last id stands for something unknown in the word at hand */
    ig_match *matches[IG_STAGES_MAX];
} ig_work;

IG_MUST_USE ig_status ig_ids_add(ig_ids *ids, int32_t id, ig_err *err);

/* Bytes of the UTF-8 symbol that begins at p, as its first byte says, at most n. */
IG_INLINE size_t ig_symbol_bytes(const char *p, size_t n) {
    static const uint8_t by_lead[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
    size_t bytes = by_lead[(uint8_t)p[0] >> 4];
    return IG_MIN(bytes, n);
}

/* Symbols by their first byte; U+2581 apart, because it stands between words. */
IG_INLINE unsigned ig_symbol_class(const char *p, size_t n) {
    return n == 3 && (uint8_t)p[0] == 0xE2 && (uint8_t)p[1] == 0x96 && (uint8_t)p[2] == 0x81
               ? 0xFF
               : (uint8_t)p[0];
}

/* bpe.c: appends the ids of one word. */
IG_MUST_USE ig_status ig_encode_word(ig_work *w, const char *p, size_t n);

/* specials.c: builds from the tokens whose attributes, under attr_mask, are not 0. */
IG_MUST_USE ig_status ig_specials_init(ig_tokenizer *tok, ig_specials *s, unsigned attr_mask,
                                       bool normalised, ig_err *err);
/* Cuts text into w->fragments as the peer does: the longest token takes its places first. */
IG_MUST_USE ig_status ig_partition(ig_work *w, ig_str text, bool parse_special);
/* Hugging Face: the next leftmost, then longest token in text at or after from. *start, *end: what
 * it takes away, with the white space that it swallows. False: none. */
bool ig_specials_next(const ig_tokenizer *tok, const ig_specials *s, ig_str text, size_t from,
                      bool parse_special, size_t *start, size_t *end, int32_t *id);

/* text_rules.c: text after the rules; *out points into text or into w. Ill-formed bytes are read as
 * the peer does. */
IG_MUST_USE ig_status ig_apply_rules(ig_work *w, ig_str text, bool first, ig_str *out);

/* tokenizer_build.c: what arrays and tokenizer.json share. Order: new, set_tokens, then merge_kind,
 * attributes and rules by the caller, set_merges, set_stages, finish. */
typedef struct ig_merge_text {
    ig_str left, right;
} ig_merge_text;
IG_MUST_USE ig_status ig_tokenizer_new(ig_tokenizer **out, ig_err *err);
/* Strings must be different from each other; one that is NULL leaves its id without a text.
 * Allocates attr, eog, whole. */
IG_MUST_USE ig_status ig_tokenizer_set_tokens(ig_tokenizer *tok, const ig_str *tokens, uint32_t n,
                                              ig_err *err);
IG_MUST_USE ig_status ig_tokenizer_set_merges(ig_tokenizer *tok, const ig_merge_text *merges,
                                              uint32_t n, ig_err *err);
/* Appends a stage; one with a pattern that is not compiled is copied and compiled. */
IG_MUST_USE ig_status ig_tokenizer_add_stage(ig_tokenizer *tok, const ig_stage *stage, ig_err *err);
IG_MUST_USE ig_status ig_tokenizer_finish(ig_tokenizer *tok, ig_err *err);
int32_t ig_tokenizer_find_byte_token(const ig_tokenizer *tok, uint8_t byte); /* <0xNN>, -1 = none */

/* token_roles.c: finds roles and end tokens by text, and the attribute rules keyed by names. */
void ig_roles_detect(ig_tokenizer *tok, const ig_logger *logger);
void ig_attributes_by_name(ig_tokenizer *tok, ig_str pre, ig_str name, ig_str arch);
/* Name of a role in tokenizer.ggml.*, for messages. */
const char *ig_role_name(ig_token_role role);

/* byte_chars.c: the printable characters that stand for bytes in byte-level vocabularies. */
uint32_t ig_byte_to_char(uint8_t byte);
int ig_char_to_byte(uint32_t cp); /* -1 = stands for none */

#endif
