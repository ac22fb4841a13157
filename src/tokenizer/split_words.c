/* split_words.c: hand-written splitters of the large families of patterns: GPT-2, llama 3 (and its
 * many relatives), the case-sensitive gpt-4o family, DeepSeek 3. Each row of presplit_table.c names
 * the pattern that a function here stands for; the tests compare both. All are linear and look at
 * most one run ahead. */
#include "tokenizer/split_scan_int.h"
#include "tokenizer/split_words_int.h"

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
size_t ig_split_gpt2(const ig_stage *stage, const char *t, size_t pos, size_t end,
                     ig_split_memo *memo, ig_err *err) {
    (void)stage, (void)memo, (void)err;
    size_t n = ig_contraction(t, pos, end, false, false);
    if (n)
        return pos + n;
    size_t at = pos + (t[pos] == ' ');
    ig_char c = ig_peek(t, at, end);
    if (c.cls & IG_UTF_LETTER)
        return ig_scan(t, at + c.n, end, IG_UTF_LETTER);
    if (c.cls & IG_UTF_NUMBER)
        return ig_scan(t, at + c.n, end, IG_UTF_NUMBER);
    if (c.n && !(c.cls & IG_UTF_SPACE))
        return ig_scan_not(t, at + c.n, end, IG_UTF_LETTER | IG_UTF_NUMBER | IG_UTF_SPACE);
    ig_space_run run = ig_scan_space(t, pos, end);
    return ig_space_end(&run, pos, end);
}

/* ---- llama 3 and relatives ---- */

typedef enum tail_kind {
    TAIL_NONE,
    TAIL_NEWLINES,       /* [\r\n]* */
    TAIL_NEWLINES_SLASH, /* [\r\n/]* */
    TAIL_ONE             /* [\r\n/]? */
} tail_kind;

typedef enum contraction_kind {
    CONTRACTION_NONE,
    CONTRACTION_WORD,  /* a word of its own */
    CONTRACTION_SUFFIX /* may end a word */
} contraction_kind;

typedef struct word_rule {
    contraction_kind contraction;
    bool long_s;
    unsigned word;   /* classes of a word's characters */
    bool joiners;    /* U+200C and U+200D belong to words */
    bool han;        /* a run of Han characters is a word, other words have none */
    bool spaced;     /* single spaces between words belong to them */
    uint32_t digits; /* longest group of digits, 0 = no limit */
    unsigned not_symbol;
    tail_kind tail; /* of symbols */
    bool cascade;   /* runs of spaces in powers of two */
} word_rule;

static bool is_han(uint32_t cp) {
    return (cp >= 0x4E00 && cp <= 0x9FFF) || (cp >= 0x3400 && cp <= 0x4DBF) ||
           (cp >= 0x20000 && cp <= 0x2A6DF) || (cp >= 0x2A700 && cp <= 0x2EBEF) ||
           (cp >= 0xF900 && cp <= 0xFAFF) || (cp >= 0x2F800 && cp <= 0x2FA1F);
}

IG_INLINE bool is_word(ig_char c, const word_rule *r) {
    if (r->joiners && (c.cp == 0x200C || c.cp == 0x200D))
        return true;
    return (c.cls & r->word) && !(r->han && is_han(c.cp));
}

/* (?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+ after its first letter. */
static size_t spaced_words(const char *t, size_t pos, size_t end) {
    for (;;) {
        pos = ig_scan(t, pos, end, IG_UTF_MARK);
        size_t at = pos + (pos < end && t[pos] == ' ');
        ig_char c = ig_peek(t, at, end);
        if (!(c.cls & IG_UTF_LETTER))
            return pos;
        pos = at + c.n;
    }
}

IG_INLINE size_t word_run(const char *t, size_t pos, size_t end, const word_rule *r) {
    if (r->spaced)
        return spaced_words(t, pos, end);
    if (!r->joiners && !r->han)
        return ig_scan(t, pos, end, r->word);
    for (ig_char c; is_word(c = ig_peek(t, pos, end), r);)
        pos += c.n;
    return pos;
}

IG_INLINE size_t tail_run(const char *t, size_t pos, size_t end, tail_kind tail) {
    if (tail == TAIL_NONE)
        return pos;
    bool slash = tail != TAIL_NEWLINES;
    while (pos < end && (t[pos] == '\r' || t[pos] == '\n' || (slash && t[pos] == '/'))) {
        pos++;
        if (tail == TAIL_ONE)
            break;
    }
    return pos;
}

IG_INLINE size_t digit_group(const char *t, size_t pos, size_t end, uint32_t max) {
    if (max == 0)
        return ig_scan(t, pos, end, IG_UTF_NUMBER);
    for (uint32_t i = 0; i < max; i++) {
        ig_char c = ig_peek(t, pos, end);
        if (!(c.cls & IG_UTF_NUMBER))
            break;
        pos += c.n;
    }
    return pos;
}

/* \s{512}(?!\S)|\s{256}(?!\S)|…|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}. The memo keeps the end of the run,
 * because a long run is returned in many parts. */
static size_t space_cascade(const char *t, size_t pos, size_t end, size_t run_end) {
    static const uint32_t steps[] = {512, 256, 128, 64, 32, 16, 8, 4, 2, 1};
    for (size_t i = 0; i < IG_COUNT(steps); i++) {
        size_t at = pos;
        uint32_t n = 0;
        while (n < steps[i] && at < run_end) {
            at += ig_peek(t, at, end).n;
            n++;
        }
        if (n == steps[i] && (at < run_end || at == end))
            return at;
    }
    return pos + ig_peek(t, pos, end).n;
}

IG_INLINE size_t split_spaces(const char *t, size_t pos, size_t end, bool cascade,
                              ig_split_memo *memo) {
    if (cascade && pos < memo->end)
        return space_cascade(t, pos, end, memo->end);
    ig_space_run run = ig_scan_space(t, pos, end);
    if (run.newline)
        return run.newline;
    if (!cascade)
        return ig_space_end(&run, pos, end);
    memo->end = run.end;
    return space_cascade(t, pos, end, run.end);
}

IG_INLINE size_t split_words(const char *t, size_t pos, size_t end, ig_split_memo *memo,
                             const word_rule *r) {
    if (r->contraction == CONTRACTION_WORD) {
        size_t n = ig_contraction(t, pos, end, true, r->long_s);
        if (n)
            return pos + n;
    }
    ig_char c = ig_peek(t, pos, end);
    if (r->han && is_han(c.cp)) {
        do
            pos += c.n;
        while (is_han((c = ig_peek(t, pos, end)).cp));
        return pos;
    }
    size_t word = 0; /* end of the first character of a word */
    if (is_word(c, r)) {
        word = pos + c.n;
    } else if (!(c.cls & (IG_UTF_LETTER | IG_UTF_NUMBER)) && !ig_is_crlf(c.cp)) {
        ig_char next = ig_peek(t, pos + c.n, end);
        if (is_word(next, r))
            word = pos + c.n + next.n;
    }
    if (word) {
        word = word_run(t, word, end, r);
        return r->contraction == CONTRACTION_SUFFIX
                   ? word + ig_contraction(t, word, end, true, r->long_s)
                   : word;
    }
    if (c.cls & IG_UTF_NUMBER)
        return digit_group(t, pos, end, r->digits);
    size_t at = pos + (c.cp == ' ');
    ig_char symbol = ig_peek(t, at, end);
    if (symbol.n && !(symbol.cls & r->not_symbol))
        return tail_run(t, ig_scan_not(t, at + symbol.n, end, r->not_symbol), end, r->tail);
    if (c.cls & IG_UTF_SPACE)
        return split_spaces(t, pos, end, r->cascade, memo);
    return pos + c.n; /* a character that no alternative takes */
}

#define L IG_UTF_LETTER
#define LM (IG_UTF_LETTER | IG_UTF_MARK)
#define SLN (IG_UTF_SPACE | IG_UTF_LETTER | IG_UTF_NUMBER)
#define SLMN (SLN | IG_UTF_MARK)
#define OWN CONTRACTION_WORD
#define SUFFIX CONTRACTION_SUFFIX

/* name, rule: one specialised copy of split_words each. */
#define WORD_SPLITTERS(X)                                                                          \
    X(llama3, .contraction = OWN, .word = L, .digits = 3, .not_symbol = SLN,                       \
      .tail = TAIL_NEWLINES)                                                                       \
    X(llama3_long_s, .contraction = OWN, .long_s = true, .word = L, .digits = 3,                   \
      .not_symbol = SLN, .tail = TAIL_NEWLINES)                                                    \
    X(llama3_all_digits, .contraction = OWN, .word = L, .digits = 0, .not_symbol = SLN,            \
      .tail = TAIL_NEWLINES)                                                                       \
    X(jais2, .contraction = OWN, .word = L, .digits = 3, .not_symbol = SLN, .tail = TAIL_NEWLINES, \
      .cascade = true)                                                                             \
    X(k2_horizon, .contraction = OWN, .word = LM, .joiners = true, .digits = 3, .not_symbol = SLN, \
      .tail = TAIL_NEWLINES)                                                                       \
    X(qwen2, .contraction = OWN, .word = L, .digits = 1, .not_symbol = SLN, .tail = TAIL_NEWLINES) \
    X(qwen2_long_s, .contraction = OWN, .long_s = true, .word = L, .digits = 1, .not_symbol = SLN, \
      .tail = TAIL_NEWLINES)                                                                       \
    X(qwen35, .contraction = OWN, .word = LM, .digits = 1, .not_symbol = SLMN,                     \
      .tail = TAIL_NEWLINES)                                                                       \
    X(qwen35_long_s, .contraction = OWN, .long_s = true, .word = LM, .digits = 1,                  \
      .not_symbol = SLMN, .tail = TAIL_NEWLINES)                                                   \
    X(ufakzeka, .word = L, .digits = 1, .not_symbol = SLN, .tail = TAIL_NEWLINES)                  \
    X(seed_coder, .contraction = OWN, .word = L, .digits = 1, .not_symbol = SLN,                   \
      .tail = TAIL_NONE)                                                                           \
    X(exaone_moe, .contraction = OWN, .word = L, .spaced = true, .digits = 1, .not_symbol = SLN,   \
      .tail = TAIL_ONE)                                                                            \
    X(youtu, .contraction = SUFFIX, .word = LM, .digits = 1, .not_symbol = SLN,                    \
      .tail = TAIL_NEWLINES_SLASH)                                                                 \
    X(tiny_aya, .contraction = SUFFIX, .word = LM, .digits = 3, .not_symbol = SLN,                 \
      .tail = TAIL_NEWLINES_SLASH)                                                                 \
    X(kimi_k2, .contraction = SUFFIX, .word = L, .han = true, .digits = 3, .not_symbol = SLN,      \
      .tail = TAIL_NEWLINES)

#define DEFINE_WORDS(name, ...)                                                                    \
    size_t ig_split_##name(const ig_stage *stage, const char *t, size_t pos, size_t end,           \
                           ig_split_memo *memo, ig_err *err) {                                     \
        static const word_rule rule = {__VA_ARGS__};                                               \
        (void)stage, (void)err;                                                                    \
        return split_words(t, pos, end, memo, &rule);                                              \
    }
WORD_SPLITTERS(DEFINE_WORDS)

/* ---- gpt-4o and relatives: words end where small letters are followed by a capital ---- */

typedef struct case_rule {
    bool categories; /* true: by Lu, Ll…; false: only A-Z and a-z have a case, as the peer's regex
                        engine sees it */
    bool marks;      /* marks belong to words, of either case */
    bool contraction, long_s;
    uint32_t digits;
} case_rule;

IG_INLINE bool is_upper(ig_char c, const case_rule *r) {
    if (c.cls & IG_UTF_MARK)
        return r->marks;
    return (c.cls & IG_UTF_LETTER) &&
           (r->categories ? !(c.cls & IG_UTF_LOWER) : !(c.cp >= 'a' && c.cp <= 'z'));
}
IG_INLINE bool is_lower(ig_char c, const case_rule *r) {
    if (c.cls & IG_UTF_MARK)
        return r->marks;
    return (c.cls & IG_UTF_LETTER) &&
           (r->categories ? !(c.cls & IG_UTF_UPPER) : !(c.cp >= 'A' && c.cp <= 'Z'));
}

IG_INLINE size_t lower_run(const char *t, size_t pos, size_t end, const case_rule *r) {
    for (ig_char c; is_lower(c = ig_peek(t, pos, end), r);)
        pos += c.n;
    return pos;
}

/* Upper* Lower+ at pos, or 0. When no small letter follows the capitals, the last of them that may
 * also count as small ends the match. */
IG_INLINE size_t small_word(const char *t, size_t pos, size_t end, const case_rule *r) {
    size_t both = 0;
    ig_char c;
    for (; is_upper(c = ig_peek(t, pos, end), r); pos += c.n)
        if (is_lower(c, r))
            both = pos + c.n;
    return is_lower(c, r) ? lower_run(t, pos + c.n, end, r) : both;
}

/* Upper+ Lower* at pos, or 0. */
IG_INLINE size_t capital_word(const char *t, size_t pos, size_t end, const case_rule *r) {
    size_t at = pos;
    for (ig_char c; is_upper(c = ig_peek(t, at, end), r);)
        at += c.n;
    return at > pos ? lower_run(t, at, end, r) : 0;
}

IG_INLINE size_t split_cased(const char *t, size_t pos, size_t end, ig_split_memo *memo,
                             const case_rule *r) {
    ig_char c = ig_peek(t, pos, end);
    bool leads = !(c.cls & (IG_UTF_LETTER | IG_UTF_NUMBER)) && !ig_is_crlf(c.cp);
    size_t word = leads ? small_word(t, pos + c.n, end, r) : 0;
    if (!word)
        word = small_word(t, pos, end, r);
    if (!word && leads)
        word = capital_word(t, pos + c.n, end, r);
    if (!word)
        word = capital_word(t, pos, end, r);
    if (word)
        return r->contraction ? word + ig_contraction(t, word, end, true, r->long_s) : word;
    if (c.cls & IG_UTF_NUMBER)
        return digit_group(t, pos, end, r->digits);
    size_t at = pos + (c.cp == ' ');
    ig_char symbol = ig_peek(t, at, end);
    if (symbol.n && !(symbol.cls & SLN))
        return tail_run(t, ig_scan_not(t, at + symbol.n, end, SLN), end, TAIL_NEWLINES_SLASH);
    if (c.cls & IG_UTF_SPACE)
        return split_spaces(t, pos, end, false, memo);
    return pos + c.n;
}

#define CASE_SPLITTERS(X)                                                                          \
    X(tekken, .digits = 1)                                                                         \
    X(gpt4o, .contraction = true, .digits = 3)                                                     \
    X(granite97, .marks = true, .contraction = true, .digits = 3)                                  \
    X(tekken_exact, .categories = true, .marks = true, .digits = 1)                                \
    X(gpt4o_exact, .categories = true, .marks = true, .contraction = true, .long_s = true,         \
      .digits = 3)

#define DEFINE_CASED(name, ...)                                                                    \
    size_t ig_split_##name(const ig_stage *stage, const char *t, size_t pos, size_t end,           \
                           ig_split_memo *memo, ig_err *err) {                                     \
        static const case_rule rule = {__VA_ARGS__};                                               \
        (void)stage, (void)err;                                                                    \
        return split_cased(t, pos, end, memo, &rule);                                              \
    }
CASE_SPLITTERS(DEFINE_CASED)

/* ---- DeepSeek 3 and relatives ---- */

IG_INLINE bool is_ascii_letter(uint32_t cp) {
    return (cp | 0x20) >= 'a' && (cp | 0x20) <= 'z';
}

#define PS (IG_UTF_PUNCTUATION | IG_UTF_SYMBOL)

/* The match at pos, or pos when there is none: digits and control characters may stand between
 * matches. */
IG_INLINE size_t deepseek_match(const char *t, size_t pos, size_t end, bool spark,
                                ig_split_memo *memo) {
    ig_char c = ig_peek(t, pos, end);
    if (c.cp < 128 && (c.cls & PS) && pos + 1 < end && is_ascii_letter((unsigned char)t[pos + 1])) {
        for (pos += 2; pos < end && is_ascii_letter((unsigned char)t[pos]);)
            pos++;
        return pos;
    }
    if (c.cls & LM)
        return ig_scan(t, pos + c.n, end, LM);
    if (!(c.cls & PS) && !ig_is_crlf(c.cp) && (ig_peek(t, pos + c.n, end).cls & LM))
        return ig_scan(t, pos + c.n, end, LM);
    size_t at = pos + (c.cp == ' ');
    if (ig_peek(t, at, end).cls & PS)
        return tail_run(t, ig_scan(t, at, end, PS), end, spark ? TAIL_NONE : TAIL_NEWLINES);
    if (!(c.cls & IG_UTF_SPACE))
        return pos;
    if (!spark)
        return split_spaces(t, pos, end, false, memo);
    if (ig_is_crlf(c.cp))
        return pos + 1;
    ig_space_run run = ig_scan_space(t, pos, end);
    return ig_space_end(&run, pos, end);
}

IG_INLINE size_t split_deepseek(const char *t, size_t pos, size_t end, bool spark,
                                ig_split_memo *memo) {
    size_t to = deepseek_match(t, pos, end, spark, memo);
    if (to > pos)
        return to;
    do
        pos += ig_peek(t, pos, end).n;
    while (pos < end && deepseek_match(t, pos, end, spark, memo) == pos);
    return pos;
}

size_t ig_split_deepseek3(const ig_stage *stage, const char *t, size_t pos, size_t end,
                          ig_split_memo *memo, ig_err *err) {
    (void)stage, (void)err;
    return split_deepseek(t, pos, end, false, memo);
}

size_t ig_split_spark(const ig_stage *stage, const char *t, size_t pos, size_t end,
                      ig_split_memo *memo, ig_err *err) {
    (void)stage, (void)err;
    return split_deepseek(t, pos, end, true, memo);
}
