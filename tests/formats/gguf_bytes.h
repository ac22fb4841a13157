/* gguf_bytes.h: GGUF by hand, right or wrong, byte for byte, for tests that must not trust our
 * writer. */
#ifndef IG_TESTS_GGUF_BYTES_H
#define IG_TESTS_GGUF_BYTES_H

#include "formats/formats.h"
#include "test.h"

static inline void put(ig_buf *b, const void *p, size_t n) {
    ig_err err = {0};
    if (ig_buf_add(b, p, n, &err))
        TEST_FAIL("%s", err.message);
}
static inline void put_u8(ig_buf *b, uint8_t v) {
    put(b, &v, 1);
}
static inline void put_u16(ig_buf *b, uint16_t v) {
    put(b, &v, 2);
}
static inline void put_u32(ig_buf *b, uint32_t v) {
    put(b, &v, 4);
}
static inline void put_u64(ig_buf *b, uint64_t v) {
    put(b, &v, 8);
}
static inline void put_text(ig_buf *b, const char *s) {
    put_u64(b, strlen(s));
    put(b, s, strlen(s));
}
static inline void put_head(ig_buf *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys) {
    put(b, "GGUF", 4);
    put_u32(b, version);
    put_u64(b, n_tensors);
    put_u64(b, n_keys);
}
static inline void key(ig_buf *b, const char *name, uint32_t type) {
    put_text(b, name);
    put_u32(b, type);
}
static inline void key_u32(ig_buf *b, const char *name, uint32_t v) {
    key(b, name, IG_META_U32);
    put_u32(b, v);
}
static inline void key_array(ig_buf *b, const char *name, uint32_t elem, uint64_t n) {
    key(b, name, IG_META_ARRAY);
    put_u32(b, elem);
    put_u64(b, n);
}
static inline void info(ig_buf *b, const char *name, uint32_t n_dims, const uint64_t *ne,
                        uint32_t type, uint64_t offset) {
    put_text(b, name);
    put_u32(b, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        put_u64(b, ne[i]);
    put_u32(b, type);
    put_u64(b, offset);
}
static inline void pad(ig_buf *b, size_t to) {
    while (b->n % to)
        put_u8(b, 0);
}
static inline void fill(ig_buf *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        put_u8(b, (uint8_t)(i * 7 + 1));
}

/* Opens an exact copy on the heap, so that a sanitizer sees reads past the end. */
static inline ig_status open_bytes(ig_checkpoint **out, uint8_t **copy, const void *p, size_t n,
                                   bool header_only, ig_err *err) {
    *copy = malloc(n ? n : 1);
    if (!*copy)
        return IG_EMEMORY;
    if (n)
        memcpy(*copy, p, n);
    const ig_checkpoint_options options = {.header_only = header_only};
    return ig_checkpoint_open_memory(out, *copy, n, "test", &options, err);
}

/* Reads everything a checkpoint offers, so that a bad slice is noticed. */
static inline uint64_t walk(const ig_checkpoint *c) {
    uint64_t sum = 0, u;
    int64_t s;
    double d;
    bool flag;
    ig_str text;
    for (size_t i = 0; i < ig_checkpoint_meta_count(c); i++) {
        const ig_meta *m = ig_checkpoint_meta_at(c, i);
        if (ig_checkpoint_meta(c, m->key) != m)
            TEST_FAIL("key %zu is not found", i);
        for (uint64_t k = 0; k <= m->count; k++) {
            sum += ig_meta_u64(m, k, &u) ? u : 0;
            sum += ig_meta_i64(m, k, &s) ? (uint64_t)s : 0;
            sum += ig_meta_f64(m, k, &d) ? 1 : 0;
            sum += ig_meta_bool(m, k, &flag) ? flag : 0;
            if (ig_meta_str(m, k, &text)) {
                for (size_t j = 0; j < text.n; j++)
                    sum += (uint8_t)text.p[j];
            }
        }
    }
    for (size_t i = 0; i < ig_checkpoint_tensor_count(c); i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(c, i);
        if (ig_checkpoint_tensor(c, t->name) != t)
            TEST_FAIL("tensor %zu is not found", i);
        for (uint64_t j = 0; t->data && j < t->bytes; j++)
            sum += t->data[j];
    }
    return sum;
}

#endif
