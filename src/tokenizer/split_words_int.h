/* split_words_int.h: the splitters of split_words.c and split_runs.c, for the tables. */
#ifndef IG_TOKENIZER_SPLIT_WORDS_INT_H
#define IG_TOKENIZER_SPLIT_WORDS_INT_H

#include "tokenizer/tokenizer_int.h"

#define IG_SPLITTER(name)                                                                          \
    size_t ig_split_##name(const ig_stage *, const char *, size_t, size_t, ig_split_memo *,        \
                           ig_err *)
IG_SPLITTER(gpt2);
IG_SPLITTER(llama3);
IG_SPLITTER(llama3_long_s);
IG_SPLITTER(llama3_all_digits);
IG_SPLITTER(jais2);
IG_SPLITTER(k2_horizon);
IG_SPLITTER(qwen2);
IG_SPLITTER(qwen2_long_s);
IG_SPLITTER(qwen35);
IG_SPLITTER(qwen35_long_s);
IG_SPLITTER(ufakzeka);
IG_SPLITTER(seed_coder);
IG_SPLITTER(exaone_moe);
IG_SPLITTER(youtu);
IG_SPLITTER(tiny_aya);
IG_SPLITTER(kimi_k2);
IG_SPLITTER(tekken);
IG_SPLITTER(gpt4o);
IG_SPLITTER(granite97);
IG_SPLITTER(tekken_exact);
IG_SPLITTER(gpt4o_exact);
IG_SPLITTER(deepseek3);
IG_SPLITTER(spark);
IG_SPLITTER(run);
IG_SPLITTER(line_end_space);
IG_SPLITTER(digits_afmoe);
IG_SPLITTER(digits_superbpe);
IG_SPLITTER(space_words);
IG_SPLITTER(pattern);
IG_SPLITTER(literal);

#endif
