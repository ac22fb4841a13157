/* fuzz_tokenizer_json.c: any tokenizer.json, up to its first zero byte; what follows is a text to
 * encode with it. Must be refused or work; ids must exist. */
#include <stdlib.h>

#include "tokenizer/tokenizer.h"
#include "utf/utf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 1 << 16)
        return 0;
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    ig_str json = {(const char *)data, zero ? (size_t)(zero - data) : size};
    ig_str text = zero ? (ig_str){(const char *)zero + 1, size - json.n - 1}
                       : IG_STR("a \xFF text, e\xCC\x81 12345");
    ig_tokenizer *tok = NULL;
    ig_err err = {0};
    if (ig_tokenizer_create_json(&tok, json, NULL, &err))
        return 0;
    ig_ids ids = {0};
    if (ig_tokenizer_encode(tok, text, IG_ENCODE_ADD_SPECIAL | IG_ENCODE_PARSE_SPECIAL, &ids,
                            &err) == IG_OK) {
        ig_buf out;
        ig_buf_init(&out, 1 << 28);
        for (size_t i = 0; i < ids.n; i++)
            if (ids.p[i] < 0 || (uint32_t)ids.p[i] >= ig_tokenizer_size(tok))
                abort();
        if (ig_tokenizer_decode(tok, ids.p, ids.n, true, &out, &err))
            abort();
        ig_buf_fini(&out);
    }
    ig_free(ids.p);
    ig_tokenizer_destroy(&tok);
    return 0;
}
