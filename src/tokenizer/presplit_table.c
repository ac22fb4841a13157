/* presplit_table.c: the pre-splitters by name (values of tokenizer.ggml.pre) and the stages they
 * are made of. A stage splits the pieces that the stage before it left. Where a stage has a
 * pattern, function and pattern agree (tests compare them). Facts from the peer's vocabulary
 * loader, including its oddities, because files are made for it. */
#include "tokenizer/split_words_int.h"

#define CONTRACTIONS "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define FOLDED "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SPACES "\\s+(?!\\S)|\\s+"
#define SYMBOLS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|"
#define SYMBOLS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|"
#define WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define WORDS_MARKS "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define LLAMA3(start, digits) start "|" WORDS digits "|" SYMBOLS SPACES
#define CASED(upper, lower, end, digits)                                                           \
    "[^\\r\\n\\p{L}\\p{N}]?" upper "*" lower "+" end "|[^\\r\\n\\p{L}\\p{N}]?" upper "+" lower     \
    "*" end "|" digits "|" SYMBOLS_SLASH SPACES
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define DEEPSEEK_WORDS                                                                             \
    "[!\"#$%&'()*+,\\-./"                                                                          \
    ":;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| "             \
    "?[\\p{P}\\p{S}]+"

/* ---- character sets ---- */

static const ig_code_range ascii_digits[] = {{'0', '9'}};
static const ig_code_range crlf[] = {{'\n', '\n'}, {'\r', '\r'}};
static const ig_code_range newline[] = {{'\n', '\n'}};
static const ig_code_range ascii_symbols[] = {{'$', '$'}, {'+', '+'}, {'<', '>'},
                                              {'^', '^'}, {'|', '|'}, {'~', '~'}};
static const ig_code_range ascii_symbols_tick[] = {{'$', '$'}, {'+', '+'}, {'<', '>'}, {'^', '^'},
                                                   {'`', '`'}, {'|', '|'}, {'~', '~'}};
static const ig_code_range ascii_punctuation[] = {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}};
static const ig_code_range kana_han[] = {{0x4E00, 0x9FA5}, {0x3040, 0x30FF}};
static const ig_code_range deepseek_han[] = {{0x4E00, 0x9FA5}, {0x0800, 0x4E00}, {0xAC00, 0xD7FF}};
static const ig_code_range deepseek_punctuation[] = {
    {'!', '/'}, {':', '~'}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}, {0x2018, 0x201F}, {0x3000, 0x3002}};
static const ig_code_range afmoe_scripts[] = {
    {0x4E00, 0x9FFF}, {0x3400, 0x4DBF}, {0x8C48, 0xFAFF}, {0x3040, 0x30FF}, {0xFF65, 0xFF9F},
    {0x2F00, 0x2FDF}, {0x0E40, 0x0EFF}, {0x1780, 0x17FF}, {0x1000, 0x109F}, {0xAA60, 0xAA7F},
    {0xA9E0, 0xA9FF}, {0xAC00, 0xD7AF}, {0x1100, 0x11FF}};
static const ig_code_range bloom_stops[] = {
    {'(', ')'},       {'|', '|'},       {'.', '.'},       {',', ','},       {'!', '!'},
    {'?', '?'},       {0x2026, 0x2026}, {0x3002, 0x3002}, {0xFF0C, 0xFF0C}, {0x3001, 0x3001},
    {0x0964, 0x0964}, {0x06D4, 0x06D4}, {0x060C, 0x060C}};
static const ig_code_range deepseek_letters[] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},
    {0xD8, 0xF6},       {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},
    {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x376},     {0x377, 0x377},
    {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
    {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},
    {0x48A, 0x52F},     {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},
    {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},
    {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},
    {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},
    {0x1FB6, 0x1FBC},   {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},
    {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},
    {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},
    {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},
    {0x213C, 0x213F},   {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2183},
    {0x2184, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},
    {0x2CF2, 0x2CF2},   {0x2CF3, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},
    {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},
    {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},
    {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2},
    {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
};

#define SET(class_bits, array)                                                                     \
    { .classes = (class_bits), .ranges = (array), .n_ranges = IG_COUNT(array) }
#define SET_NOT(class_bits, array)                                                                 \
    { .classes = (class_bits), .ranges = (array), .n_ranges = IG_COUNT(array), .complement = true }
#define CLASS(class_bits)                                                                          \
    { .classes = (class_bits) }

/* ---- stages ---- */

enum {
    S_GPT2,
    S_LLAMA3,
    S_LLAMA3_ALL_DIGITS,
    S_JAIS2,
    S_K2_HORIZON,
    S_QWEN2,
    S_QWEN35,
    S_UFAKZEKA,
    S_SEED_CODER,
    S_EXAONE_MOE,
    S_YOUTU_SCRIPTS,
    S_YOUTU,
    S_TINY_AYA,
    S_KIMI_K2,
    S_TEKKEN,
    S_GPT4O,
    S_GRANITE97,
    S_DEEPSEEK3,
    S_SPARK,
    S_LLAMA3_FOLDED,
    S_QWEN2_FOLDED,
    S_QWEN35_FOLDED,
    S_TEKKEN_EXACT,
    S_GPT4O_EXACT,
    S_NUMBERS,
    S_NUMBER,
    S_NUMBERS_3,
    S_DIGITS_3,
    S_PUNCTUATION_RUN,
    S_PUNCTUATION_RUN_TICK,
    S_CRLF,
    S_NEWLINES,
    S_DEEPSEEK_LETTERS,
    S_DEEPSEEK_PUNCTUATION,
    S_SPACE_AT_END,
    S_DEEPSEEK_HAN,
    S_SPACE_LETTERS,
    S_SPACE_PUNCTUATION,
    S_KANA_HAN,
    S_BLOOM,
    S_AFMOE_DIGITS,
    S_AFMOE_SCRIPTS,
    S_SUPERBPE_DIGITS,
    S_SENTINEL,
    S_IMAGE,
    S_INDENT,
    S_ONE_PUNCTUATION,
    S_NOT_SPACE,
    S_SPACE_WORDS,
    S_DROP_SPACE,
    S_COUNT
};

static const ig_stage stages[] = {
    [S_GPT2] = {.covers = true, .next = ig_split_gpt2, .pattern = GPT2 "|\\s+", .alias = {GPT2}},
    [S_LLAMA3] = {.covers = true,
                  .next = ig_split_llama3,
                  .pattern = LLAMA3(CONTRACTIONS, "\\p{N}{1,3}")},
    [S_LLAMA3_ALL_DIGITS] = {.next = ig_split_llama3_all_digits,
                             .pattern = LLAMA3(CONTRACTIONS, "\\p{N}+")},
    [S_JAIS2] = {.next = ig_split_jais2,
                 .pattern = CONTRACTIONS
                 "|" WORDS "\\p{N}{1,3}|" SYMBOLS
                 "\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|"
                 "\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"},
    [S_K2_HORIZON] =
        {.next = ig_split_k2_horizon,
         .pattern = CONTRACTIONS
         "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}|\\p{M}|\\x{200C}|\\x{200D})+|\\p{N}{1,3}|" SYMBOLS
             SPACES},
    [S_QWEN2] = {.covers = true, .next = ig_split_qwen2, .pattern = LLAMA3(CONTRACTIONS, "\\p{N}")},
    [S_QWEN35] = {.covers = true,
                  .next = ig_split_qwen35,
                  .pattern = CONTRACTIONS
                  "|" WORDS_MARKS
                  "|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" SPACES},
    [S_UFAKZEKA] = {.next = ig_split_ufakzeka, .pattern = WORDS "\\p{N}|" SYMBOLS SPACES},
    [S_SEED_CODER] = {.next = ig_split_seed_coder,
                      .pattern = CONTRACTIONS
                      "|" WORDS "\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n]+|" SPACES},
    [S_EXAONE_MOE] = {.next = ig_split_exaone_moe,
                      .pattern = CONTRACTIONS
                      "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| "
                      "?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|" SPACES},
    [S_YOUTU_SCRIPTS] =
        {.next = ig_split_pattern,
         .pattern =
             "[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}"
             "\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}"
             "\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|[\\x{4E00}-\\x{9FA5}"
             "\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"},
    /* The peer takes every letter class for \p{L}, so these words do not end at a capital. */
    [S_YOUTU] = {.next = ig_split_youtu,
                 .pattern = WORDS_MARKS CONTRACTIONS "?|\\p{N}|" SYMBOLS_SLASH SPACES},
    [S_TINY_AYA] = {.next = ig_split_tiny_aya,
                    .pattern = WORDS_MARKS CONTRACTIONS "?|\\p{N}{1,3}|" SYMBOLS_SLASH SPACES},
    [S_KIMI_K2] = {.next = ig_split_kimi_k2},
    [S_TEKKEN] = {.next = ig_split_tekken,
                  .pattern =
                      CASED("((?=[\\p{L}])([^a-z]))", "((?=[\\p{L}])([^A-Z]))", "", "\\p{N}")},
    [S_GPT4O] = {.next = ig_split_gpt4o,
                 .pattern = CASED("((?=[\\p{L}])([^a-z]))", "((?=[\\p{L}])([^A-Z]))",
                                  CONTRACTIONS "?", "\\p{N}{1,3}")},
    [S_GRANITE97] = {.next = ig_split_granite97,
                     .pattern =
                         CASED("((?=[\\p{L}\\p{M}])([^a-z]))", "((?=[\\p{L}\\p{M}])([^A-Z]))",
                               CONTRACTIONS "?", "\\p{N}{1,3}")},
    [S_DEEPSEEK3] =
        {.next = ig_split_deepseek3,
         .pattern = DEEPSEEK_WORDS "[\\r\\n]*|\\s*[\\r\\n]+|" SPACES,
         .alias =
             {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?"
              "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}},
    [S_SPARK] = {.next = ig_split_spark, .pattern = DEEPSEEK_WORDS "|[\\r\\n]|" SPACES},
    [S_LLAMA3_FOLDED] = {.covers = true,
                         .next = ig_split_llama3_long_s,
                         .pattern = LLAMA3(FOLDED, "\\p{N}{1,3}")},
    [S_QWEN2_FOLDED] = {.covers = true,
                        .next = ig_split_qwen2_long_s,
                        .pattern = LLAMA3(FOLDED, "\\p{N}")},
    [S_QWEN35_FOLDED] = {.covers = true,
                         .next = ig_split_qwen35_long_s,
                         .pattern = FOLDED
                         "|" WORDS_MARKS
                         "|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" SPACES},
    [S_TEKKEN_EXACT] = {.covers = true,
                        .next = ig_split_tekken_exact,
                        .pattern = CASED(UPPER, LOWER, "", "\\p{N}")},
    [S_GPT4O_EXACT] = {.covers = true,
                       .next = ig_split_gpt4o_exact,
                       .pattern = CASED(UPPER, LOWER, FOLDED "?", "\\p{N}{1,3}")},
    [S_NUMBERS] = {.next = ig_split_run,
                   .pattern = "\\p{N}+",
                   .set = CLASS(IG_UTF_NUMBER),
                   .min = 1},
    [S_NUMBER] = {.next = ig_split_run,
                  .pattern = "\\p{N}",
                  .set = CLASS(IG_UTF_NUMBER),
                  .min = 1,
                  .max = 1},
    [S_NUMBERS_3] = {.next = ig_split_run,
                     .pattern = "\\p{N}{1,3}",
                     .set = CLASS(IG_UTF_NUMBER),
                     .min = 1,
                     .max = 3},
    [S_DIGITS_3] = {.next = ig_split_run,
                    .pattern = "[0-9][0-9][0-9]",
                    .set = SET(0, ascii_digits),
                    .min = 3,
                    .max = 3},
    [S_PUNCTUATION_RUN] = {.next = ig_split_run,
                           .pattern = "[\\p{P}\\$\\+<=>\\^~\\|]+",
                           .set = SET(IG_UTF_PUNCTUATION, ascii_symbols),
                           .min = 1},
    [S_PUNCTUATION_RUN_TICK] = {.next = ig_split_run,
                                .pattern = "[\\p{P}\\$\\+<=>\\^~\\|`]+",
                                .set = SET(IG_UTF_PUNCTUATION, ascii_symbols_tick),
                                .min = 1},
    [S_CRLF] =
        {.next = ig_split_run, .pattern = "[\\r\\n]", .set = SET(0, crlf), .min = 1, .max = 1},
    [S_NEWLINES] = {.next = ig_split_run,
                    .pattern = "[^\\n]+|[\\n]+",
                    .set = SET(0, newline),
                    .min = 1},
    [S_DEEPSEEK_LETTERS] = {.next = ig_split_run,
                            .set = SET(0, deepseek_letters),
                            .lead = 's',
                            .min = 1},
    [S_DEEPSEEK_PUNCTUATION] =
        {.next = ig_split_run,
         .pattern = "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}"
                    "\\x{3001}-\\x{3002}]+",
         .set = SET(0, deepseek_punctuation),
         .lead = 's',
         .min = 1},
    [S_SPACE_AT_END] = {.next = ig_split_line_end_space, .pattern = "\\s+\\z"},
    [S_DEEPSEEK_HAN] =
        {.next = ig_split_run,
         .pattern = "(?:(?!\\s)[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}])+",
         .set = SET(0, deepseek_han),
         .min = 1},
    [S_SPACE_LETTERS] = {.next = ig_split_run,
                         .pattern = "\\s?\\p{L}+",
                         .set = CLASS(IG_UTF_LETTER),
                         .lead = 's',
                         .min = 1},
    [S_SPACE_PUNCTUATION] = {.next = ig_split_run,
                             .pattern = "\\s?\\p{P}+",
                             .set = CLASS(IG_UTF_PUNCTUATION),
                             .lead = 's',
                             .min = 1},
    [S_KANA_HAN] = {.next = ig_split_run,
                    .pattern = "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+",
                    .set = SET(0, kana_han),
                    .min = 1,
                    .alias = {"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"}},
    [S_BLOOM] =
        {.next = ig_split_run,
         .pattern =
             " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{0964}\\x{06D4}\\x{060C})]+",
         .set = SET_NOT(IG_UTF_SPACE, bloom_stops),
         .lead = ' ',
         .min = 1,
         .alias = {" ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+"}},
    [S_AFMOE_DIGITS] = {.next = ig_split_digits_afmoe},
    [S_AFMOE_SCRIPTS] = {.next = ig_split_run, .set = SET(0, afmoe_scripts), .min = 1},
    [S_SUPERBPE_DIGITS] = {.next = ig_split_digits_superbpe, .pattern = "(?=([0-9]{3})+(?![0-9]))"},
    [S_SENTINEL] = {.next = ig_split_pattern, .pattern = "<sentinel:[0-9]+>"},
    [S_IMAGE] = {.next = ig_split_pattern, .pattern = "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"},
    [S_INDENT] = {.next = ig_split_pattern, .pattern = "([\\t\\n]|    |  )"},
    [S_ONE_PUNCTUATION] = {.next = ig_split_run,
                           .pattern = "[\\p{P}!-/:-@\\[-`{-~]",
                           .set = SET(IG_UTF_PUNCTUATION, ascii_punctuation),
                           .min = 1,
                           .max = 1},
    [S_NOT_SPACE] = {.next = ig_split_run,
                     .pattern = "\\S+",
                     .set = {.classes = IG_UTF_SPACE, .complement = true},
                     .min = 1},
    [S_SPACE_WORDS] = {.next = ig_split_space_words},
    [S_DROP_SPACE] = {.next = ig_split_run,
                      .set = CLASS(IG_UTF_SPACE),
                      .min = 1,
                      .behaviour = IG_SPLIT_REMOVED},
};
_Static_assert(IG_COUNT(stages) == S_COUNT, "one row for each stage");

/* ---- rows ---- */

#define USE(i) &stages[S_##i]

static const ig_presplit rows[] = {
    {.names = {"default"},
     .stages = {USE(PUNCTUATION_RUN), USE(GPT2), USE(NUMBERS), USE(DIGITS_3)}},
    {.names = {"llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
               "lfm2", "jina-v5-nano"},
     .stages = {USE(LLAMA3)},
     .ignore_merges = true,
     .add_bos = true},
    {.names = {"dbrx", "smaug-bpe"}, .stages = {USE(LLAMA3)}},
    {.names = {"jais-2"}, .stages = {USE(JAIS2)}},
    {.names = {"chatglm-bpe"}, .stages = {USE(LLAMA3)}, .no_bos = true},
    {.names = {"glm4", "glm5"}, .stages = {USE(LLAMA3)}, .no_bos = true, .ignore_merges = true},
    {.names = {"minicpm5"},
     .stages = {USE(NUMBERS_3), USE(LLAMA3_ALL_DIGITS)},
     .ignore_merges = true},
    {.names = {"k2-horizon"}, .stages = {USE(K2_HORIZON)}, .keep_spaces = true},
    {.names = {"deepseek-llm"},
     .stages = {USE(CRLF), USE(DEEPSEEK_LETTERS), USE(DEEPSEEK_PUNCTUATION), USE(SPACE_AT_END),
                USE(DEEPSEEK_HAN), USE(NUMBERS)},
     .keep_spaces = true},
    {.names = {"deepseek-coder"},
     .stages = {USE(CRLF), USE(SPACE_LETTERS), USE(SPACE_PUNCTUATION), USE(DEEPSEEK_HAN),
                USE(NUMBER)},
     .keep_spaces = true},
    {.names = {"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
     .stages = {USE(NUMBERS_3), USE(KANA_HAN), USE(DEEPSEEK3)},
     .keep_spaces = true},
    {.names = {"spark2_5"},
     .stages = {USE(NUMBERS_3), USE(KANA_HAN), USE(SPARK), USE(NUMBER)},
     .keep_spaces = true},
    {.names = {"youtu"},
     .stages = {USE(YOUTU_SCRIPTS), USE(YOUTU)},
     .keep_spaces = true,
     .ignore_merges = true},
    {.names = {"falcon"}, .stages = {USE(PUNCTUATION_RUN_TICK), USE(GPT2), USE(DIGITS_3)}},
    {.names = {"starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"},
     .stages = {USE(NUMBER), USE(GPT2)}},
    {.names = {"command-r", "smollm"}, .stages = {USE(NUMBER), USE(GPT2)}, .keep_spaces = true},
    {.names = {"gpt-2", "phi-2", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "gigachat",
               "a.x-4.0", "mellum", "modern-bert", "mpt"},
     .stages = {USE(GPT2)}},
    {.names = {"olmo", "jais", "exaone4"}, .stages = {USE(GPT2)}},
    {.names = {"trillion", "granite-docling"}, .stages = {USE(GPT2)}, .keep_spaces = true},
    {.names = {"jina-v1-en", "jina-v2-code", "roberta-bpe"},
     .stages = {USE(GPT2)},
     .add_sep = true},
    {.names = {"stablelm2", "megrez"}, .stages = {USE(QWEN2)}},
    {.names = {"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "hunyuan", "solar-open", "grok-2"},
     .stages = {USE(QWEN2)},
     .keep_spaces = true},
    {.names = {"qwen35"}, .stages = {USE(QWEN35)}, .keep_spaces = true},
    {.names = {"ufakzeka"}, .stages = {USE(UFAKZEKA)}, .keep_spaces = true},
    {.names = {"seed-coder"}, .stages = {USE(SEED_CODER)}, .keep_spaces = true},
    {.names = {"laguna"}, .stages = {USE(NEWLINES), USE(QWEN2)}, .keep_spaces = true},
    {.names = {"bailingmoe", "bailingmoe2", "llada-moe"},
     .stages = {USE(QWEN2)},
     .keep_spaces = true},
    {.names = {"exaone-moe"}, .stages = {USE(EXAONE_MOE)}},
    {.names = {"bloom", "gpt3-finnish"}, .stages = {USE(BLOOM)}},
    {.names = {"poro-chat"}, .stages = {USE(BLOOM)}, .keep_spaces = true},
    {.names = {"viking"}, .stages = {USE(BLOOM), USE(NUMBER)}, .keep_spaces = true},
    {.names = {"tekken"},
     .stages = {USE(TEKKEN)},
     .keep_spaces = true,
     .ignore_merges = true,
     .add_bos = true},
    {.names = {"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
     .stages = {USE(GPT4O)},
     .keep_spaces = true},
    {.names = {"granite-embed-multi-97m"},
     .stages = {USE(GRANITE97)},
     .keep_spaces = true,
     .ignore_merges = true},
    {.names = {"tiny_aya", "cohere2moe"},
     .stages = {USE(AFMOE_DIGITS), USE(TINY_AYA)},
     .keep_spaces = true},
    {.names = {"chameleon"},
     .stages = {USE(SENTINEL), USE(IMAGE), USE(INDENT), USE(NUMBER), USE(ONE_PUNCTUATION),
                USE(GPT2)},
     .keep_spaces = true,
     .add_bos = true},
    {.names = {"kimi-k2"}, .stages = {USE(KIMI_K2)}, .keep_spaces = true, .may_lack_merges = true},
    {.names = {"superbpe"}, .stages = {USE(NUMBERS), USE(SUPERBPE_DIGITS)}, .keep_spaces = true},
    {.names = {"afmoe"},
     .stages = {USE(AFMOE_DIGITS), USE(AFMOE_SCRIPTS), USE(DEEPSEEK3)},
     .keep_spaces = true},
    {.names = {"gemma4", "granite-embed-multi-311m"},
     .stages = {USE(NEWLINES)},
     .raw = true,
     .escape_spaces = true,
     .newline_words = true,
     .force_bos = true},
    {.names = {"sarvam-moe"},
     .stages = {USE(NEWLINES)},
     .raw = true,
     .escape_spaces = true,
     .keep_spaces = true},
    {.names = {"mmbert"},
     .stages = {USE(NEWLINES), USE(SPACE_WORDS)},
     .raw = true,
     .escape_spaces = true,
     .newline_words = true,
     .space_words = true},
    {.names = {"whitespace"}, .stages = {USE(NOT_SPACE)}, .raw = true, .no_lowercase = true},
};

const ig_presplit *ig_presplit_find(ig_str name) {
    for (size_t i = 0; i < IG_COUNT(rows); i++)
        for (size_t j = 0; j < IG_COUNT(rows[i].names) && rows[i].names[j]; j++)
            if (ig_str_is(name, rows[i].names[j]))
                return &rows[i];
    return NULL;
}

const ig_presplit *ig_presplit_at(size_t i) {
    return i < IG_COUNT(rows) ? &rows[i] : NULL;
}

const ig_stage *ig_stage_drop_space(void) {
    return &stages[S_DROP_SPACE];
}

const ig_stage *ig_stage_at(size_t i) {
    return i < IG_COUNT(stages) ? &stages[i] : NULL;
}

const ig_stage *ig_stage_for_regex(ig_str regex) {
    for (size_t i = 0; i < IG_COUNT(stages); i++) {
        const ig_stage *s = &stages[i];
        if (s->next == ig_split_pattern || !s->pattern)
            continue;
        if (ig_str_is(regex, s->pattern))
            return s;
        for (size_t j = 0; j < IG_COUNT(s->alias) && s->alias[j]; j++)
            if (ig_str_is(regex, s->alias[j]))
                return s;
    }
    return NULL;
}
