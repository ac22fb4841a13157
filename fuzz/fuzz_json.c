/* fuzz_json.c: what is read can be written, read again and written to the same bytes. */
#include <stdlib.h>

#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(const ig_json *v, bool pretty, ig_buf *out) {
    ig_json_writer w;
    ig_json_begin(&w, out, pretty, NULL);
    ig_json_put_value(&w, v);
    if (ig_json_end(&w))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ig_err err = {0};
    ig_json_doc *doc, *again;
    if (ig_json_open(&doc, (ig_str){(const char *)data, size}, &err))
        return 0;
    ig_buf first, second;
    ig_buf_init(&first, (size_t)1 << 30);
    ig_buf_init(&second, (size_t)1 << 30);
    write_value(ig_json_root(doc), size & 1, &first);
    if (ig_json_open(&again, ig_buf_str(&first), &err))
        abort();
    write_value(ig_json_root(again), size & 1, &second);
    if (!ig_str_eq(ig_buf_str(&first), ig_buf_str(&second)))
        abort();
    ig_json_close(&doc);
    ig_json_close(&again);
    ig_buf_fini(&first);
    ig_buf_fini(&second);
    return 0;
}
