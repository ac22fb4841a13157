/* tiny_gguf.h: writes a small llama or gemma3 model whose text is known beforehand, for tests that
 * need a whole model file.
 *
 * Tokens are the 256 bytes (byte-level BPE), four control tokens and one merge. The output matrix
 * makes one token follow another: after any text the next token depends on the last one alone, with
 * a margin that no kernel and no cache type closes:
 *   a b c … z . <end_of_turn>      A B … Z A B …      newline x y z .      0 é 1 2 … 9 0 é …
 *   others: the byte after it
 * Attention and feed-forward layers are random and small, so that they run and change logits in
 * the last digits only. */
#ifndef IG_TESTS_TINY_GGUF_H
#define IG_TESTS_TINY_GGUF_H

#include "formats/formats.h"

#define TINY_GGUF_TOKENS 261u
#define TINY_GGUF_CONTEXT 512u
enum {
    TINY_GGUF_BOS = 256,
    TINY_GGUF_EOS,
    TINY_GGUF_START_OF_TURN,
    TINY_GGUF_END_OF_TURN,
    TINY_GGUF_HE
};

typedef struct tiny_gguf_options {
    bool no_template;
    bool broken_template; /* one that does not parse */
    bool no_tensors;      /* a vocabulary file */
    bool add_bos;
    ig_dtype dtype;                /* of the matrices; NONE = F32 */
    uint32_t window;               /* not 0: a gemma3 model whose layers see that many tokens */
    const char *name, *vocabulary; /* general.name, tokenizer.ggml.model; NULL = "tiny", "gpt2" */
    bool long_key;                 /* one of 300 k with the largest number */
    uint32_t n_tokens;             /* of the vocabulary, below TINY_GGUF_TOKENS; 0 = all */
} tiny_gguf_options;

IG_MUST_USE ig_status tiny_gguf_write(const char *path, const tiny_gguf_options *options,
                                      ig_err *err);
/* The token that follows. */
int32_t tiny_gguf_next(int32_t id);

#endif
