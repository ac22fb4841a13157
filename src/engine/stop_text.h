/* stop_text.h: strings that end a text, and strings that must not appear in it, over tokens whose
 * borders need not be theirs. Internal to the engine room. */
#ifndef IG_ENGINE_STOP_TEXT_H
#define IG_ENGINE_STOP_TEXT_H

#include "tokenizer/tokenizer.h"

#define IG_STOP_STRINGS_MAX 64u
#define IG_STOP_BYTES_MAX 4096u
/* Forbidden strings are looked for before every draw, while other requests wait. */
#define IG_BAD_BYTES_MAX 256u
#define IG_BAD_BYTES_SUM_MAX 4096u

/* Counts and lengths; field names the list in messages. */
ig_status ig_stop_strings_check(const char *field, const char *const *strings, uint32_t n,
                                ig_err *err);
ig_status ig_bad_strings_check(const char *const *strings, uint32_t n, ig_err *err);
/* Bytes at the end of text that are a beginning of some stop string; *found is the start of a
 * complete one, or SIZE_MAX. A string that is complete within the first `deaf` bytes is no stop. */
size_t ig_stop_held(const char *const *stop, uint32_t n_stop, ig_str text, size_t deaf,
                    size_t *found);
/* Has the last token completed a stop string? */
IG_MUST_USE ig_status ig_stop_hit(const ig_tokenizer *tok, const char *const *stop, uint32_t n_stop,
                                  bool special, const int32_t *ids, size_t n, ig_buf *scratch,
                                  bool *hit, ig_err *err);

/* The vocabulary in the order of its texts. Where `special` is false, control tokens have none: no
 * string forbids them. */
typedef struct ig_piece_index ig_piece_index;
IG_MUST_USE ig_status ig_piece_index_create(ig_piece_index **out, const ig_tokenizer *tok,
                                            ig_err *err);
void ig_piece_index_destroy(ig_piece_index **index);
/* Text of a token, control tokens too; id is below the vocabulary's size. */
ig_str ig_piece_text(const ig_piece_index *index, uint32_t id);
/* Appends the tokens that contain a bad string whole: forbidden always. */
IG_MUST_USE ig_status ig_bad_strings_tokens(const ig_piece_index *index, const char *const *bad,
                                            uint32_t n_bad, bool special, ig_ids *out, ig_err *err);
/* Sets to -inf the logits of tokens that would complete a bad string which the text of ids has
 * begun. */
IG_MUST_USE ig_status ig_bad_strings_forbid(const ig_piece_index *index, const ig_tokenizer *tok,
                                            const char *const *bad, uint32_t n_bad, bool special,
                                            const int32_t *ids, size_t n, ig_buf *scratch,
                                            float *logits, ig_err *err);

#endif
