/* json_parts_int.h: the parts of a tokenizer.json that change texts and put tokens around them. */
#ifndef IG_TOKENIZER_JSON_PARTS_INT_H
#define IG_TOKENIZER_JSON_PARTS_INT_H

#include "json/json.h"
#include "tokenizer/tokenizer_int.h"

/* Each fills its part of tok; null is no part. IG_EUNSUPPORTED names a component that is not
 * implemented. */
IG_MUST_USE ig_status ig_json_normalizer(ig_tokenizer *tok, const ig_json *v, ig_err *err);
IG_MUST_USE ig_status ig_json_pre_tokenizer(ig_tokenizer *tok, const ig_json *v, ig_err *err);
IG_MUST_USE ig_status ig_json_post_processor(ig_tokenizer *tok, const ig_json *v, ig_err *err);
IG_MUST_USE ig_status ig_json_decoder(ig_tokenizer *tok, const ig_json *v, ig_err *err);
/* Does the pre-tokenizer turn bytes into characters? */
bool ig_json_is_byte_level(const ig_json *pre_tokenizer);

#endif
