/* gguf_write.c: writes GGUF v3. Keys and tensor infos collect in two buffers; with the first data
 * (or at close) they become the header, which is read back by gguf.c's own rules before it is
 * written, so that no file leaves here that we would refuse. Data goes straight to the file writer.
 * A writer belongs to one thread. */
#include "formats/formats_int.h"

#define ALIGNMENT_DEFAULT 32u

struct ig_gguf_writer {
    ig_file_writer *file;
    ig_buf keys;
    ig_buf infos;
    ig_buf sizes; /* u64 bytes of each tensor, in order */
    uint64_t n_keys;
    uint64_t n_tensors;
    uint64_t data_bytes; /* declared, padded */
    uint32_t alignment;
    bool begun;         /* the header is written */
    uint64_t current;   /* tensor that takes data */
    uint64_t remaining; /* of its bytes */
    ig_err failed;      /* the first mistake */
};

/* Appends n little-endian bytes; a mistake sticks. */
static void add(ig_gguf_writer *w, ig_buf *buf, const void *p, size_t n) {
    if (!w->failed.code)
        w->failed.code = ig_buf_add(buf, p, n, &w->failed);
}

static void add_u32(ig_gguf_writer *w, ig_buf *buf, uint32_t v) {
    const uint8_t p[4] = {(uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24)};
    add(w, buf, p, sizeof p);
}

static void add_u64(ig_gguf_writer *w, ig_buf *buf, uint64_t v) {
    add_u32(w, buf, (uint32_t)v);
    add_u32(w, buf, (uint32_t)(v >> 32));
}

static void add_str(ig_gguf_writer *w, ig_buf *buf, ig_str s) {
    add_u64(w, buf, s.n);
    add(w, buf, s.p, s.n);
}

ig_status ig_gguf_writer_open(ig_gguf_writer **out, const char *path, uint32_t alignment,
                              ig_err *err) {
    *out = NULL;
    if (alignment & (alignment - 1))
        return ig_fail(err, IG_EARGUMENT, "alignment %u is not a power of two", alignment);
    ig_gguf_writer *w = ig_alloc(1, sizeof *w);
    if (!w)
        return ig_fail_memory(err, sizeof *w);
    ig_buf_init(&w->keys, IG_GGUF_HEADER_BYTES_MAX);
    ig_buf_init(&w->infos, IG_GGUF_HEADER_BYTES_MAX);
    ig_buf_init(&w->sizes, (size_t)IG_GGUF_TENSORS_MAX * 8);
    w->alignment = alignment ? alignment : ALIGNMENT_DEFAULT;
    ig_status status = ig_file_writer_open(&w->file, path, err);
    if (status) {
        ig_free(w);
        return status;
    }
    if (w->alignment != ALIGNMENT_DEFAULT)
        ig_gguf_put_u32(w, "general.alignment", w->alignment);
    *out = w;
    return IG_OK;
}

/* Key and type; false when the writer takes no more keys. */
static bool begin_key(ig_gguf_writer *w, ig_str key, ig_meta_type type) {
    if (w->begun && !w->failed.code)
        (void)ig_fail(&w->failed, IG_EARGUMENT, "key \"%.*s\" comes after the first data",
                      IG_STR_ARG(key));
    if (w->failed.code)
        return false;
    w->n_keys++;
    add_str(w, &w->keys, key);
    add_u32(w, &w->keys, (uint32_t)type);
    return true;
}

static bool fixed_size(ig_gguf_writer *w, ig_str key, ig_meta_type type) {
    const bool fixed = (unsigned)type < IG_META_TYPES && ig_meta_type_bytes(type) > 0;
    if (!fixed && !w->failed.code)
        (void)ig_fail(&w->failed, IG_EARGUMENT, "key \"%.*s\": type %s has no fixed size",
                      IG_STR_ARG(key), ig_meta_type_name(type));
    return fixed;
}

static void put_fixed(ig_gguf_writer *w, ig_str key, ig_meta_type type, const void *p) {
    if (fixed_size(w, key, type) && begin_key(w, key, type))
        add(w, &w->keys, p, ig_meta_type_bytes(type));
}

static void put_array(ig_gguf_writer *w, ig_str key, ig_meta_type elem, const void *p, uint64_t n) {
    if (!fixed_size(w, key, elem) || !begin_key(w, key, IG_META_ARRAY))
        return;
    size_t bytes;
    if (!ig_mul(n, ig_meta_type_bytes(elem), &bytes)) {
        (void)ig_fail(&w->failed, IG_EARGUMENT, "key \"%.*s\": %llu elements", IG_STR_ARG(key),
                      (unsigned long long)n);
        return;
    }
    add_u32(w, &w->keys, (uint32_t)elem);
    add_u64(w, &w->keys, n);
    add(w, &w->keys, p, bytes);
}

static void put_strings(ig_gguf_writer *w, ig_str key, const ig_str *values, uint64_t n) {
    if (!begin_key(w, key, IG_META_ARRAY))
        return;
    add_u32(w, &w->keys, IG_META_STRING);
    add_u64(w, &w->keys, n);
    for (uint64_t i = 0; i < n && !w->failed.code; i++)
        add_str(w, &w->keys, values[i]);
}

/* Host values are the file's bytes on the little-endian machines we build for. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "values are written as they lie in memory");

void ig_gguf_put_scalar(ig_gguf_writer *w, const char *key, ig_meta_type type, const void *value) {
    put_fixed(w, ig_str_of(key), type, value);
}

void ig_gguf_put_array(ig_gguf_writer *w, const char *key, ig_meta_type elem, const void *values,
                       uint64_t count) {
    put_array(w, ig_str_of(key), elem, values, count);
}

void ig_gguf_put_str(ig_gguf_writer *w, const char *key, ig_str value) {
    if (begin_key(w, ig_str_of(key), IG_META_STRING))
        add_str(w, &w->keys, value);
}

void ig_gguf_put_strings(ig_gguf_writer *w, const char *key, const ig_str *values, uint64_t count) {
    put_strings(w, ig_str_of(key), values, count);
}

void ig_gguf_put_meta(ig_gguf_writer *w, const ig_meta *meta) {
    if (ig_str_is(meta->key, "general.alignment"))
        return;
    if (meta->type == IG_META_ARRAY && meta->elem == IG_META_STRING) {
        put_strings(w, meta->key, meta->strings, meta->count);
    } else if (meta->type == IG_META_ARRAY) {
        put_array(w, meta->key, meta->elem, meta->data, meta->count);
    } else if (meta->type == IG_META_STRING) {
        if (begin_key(w, meta->key, IG_META_STRING))
            add_str(w, &w->keys, meta->strings[0]);
    } else {
        put_fixed(w, meta->key, meta->type, meta->data);
    }
}

void ig_gguf_writer_tensor(ig_gguf_writer *w, ig_str name, ig_dtype dtype, uint32_t n_dims,
                           const uint64_t *ne) {
    if (w->failed.code)
        return;
    const int32_t id = ig_dtype_info(dtype)->gguf_id;
    uint64_t n = 1, bytes, end;
    bool fits = n_dims <= 4 && !w->begun && id >= 0;
    for (uint32_t i = 0; fits && i < n_dims; i++)
        fits = ig_mul64(n, ne[i], &n);
    if (!fits || !ig_dtype_bytes(dtype, n, &bytes) || !ig_add64(w->data_bytes, bytes, &end) ||
        !ig_add64(end, w->alignment - 1, &end)) {
        (void)ig_fail(&w->failed, IG_EARGUMENT,
                      "tensor \"%.*s\" cannot be declared: after the first data, a shape that "
                      "overflows or a type "
                      "that GGUF has not",
                      IG_STR_ARG(name));
        return;
    }
    add_str(w, &w->infos, name);
    add_u32(w, &w->infos, n_dims);
    for (uint32_t i = 0; i < n_dims; i++)
        add_u64(w, &w->infos, ne[i]);
    add_u32(w, &w->infos, (uint32_t)id);
    add_u64(w, &w->infos, w->data_bytes);
    add_u64(w, &w->sizes, bytes);
    w->data_bytes = end & ~(uint64_t)(w->alignment - 1);
    w->n_tensors++;
}

static uint64_t tensor_bytes(const ig_gguf_writer *w, uint64_t i) {
    ig_cursor c = ig_cursor_view(w->sizes.p + i * 8, 8);
    return ig_cursor_u64(&c);
}

static ig_status add_zeros(ig_gguf_writer *w, uint64_t n, ig_err *err) {
    static const uint8_t ZEROS[4096];
    while (n > 0) {
        const size_t part = n < sizeof ZEROS ? (size_t)n : sizeof ZEROS;
        IG_TRY(ig_file_writer_add(w->file, ZEROS, part, err));
        n -= part;
    }
    return IG_OK;
}

static uint64_t padding(const ig_gguf_writer *w, uint64_t n) {
    return (w->alignment - n % w->alignment) % w->alignment;
}

/* What was collected is read as if it came from outside. */
static ig_status check_header(const ig_buf *header, ig_err *err) {
    ig_checkpoint *ckpt;
    const ig_checkpoint_options options = {.header_only = true};
    ig_status status =
        ig_checkpoint_open_memory(&ckpt, header->p, header->n, "header to write", &options, err);
    ig_checkpoint_close(&ckpt);
    if (status == IG_EFORMAT && err) {
        /* The fault is the caller's, not that of a file: another code, and no advice about
         * downloads. */
        char *remedy = strstr(err->message, "; ");
        if (remedy)
            *remedy = '\0';
        err->code = IG_EARGUMENT;
    }
    return status == IG_EFORMAT ? IG_EARGUMENT : status;
}

static ig_status begin_data(ig_gguf_writer *w, ig_err *err) {
    ig_buf header;
    ig_buf_init(&header, (size_t)IG_GGUF_HEADER_BYTES_MAX * 2 + 24);
    add(w, &header, "GGUF", 4);
    add_u32(w, &header, 3);
    add_u64(w, &header, w->n_tensors);
    add_u64(w, &header, w->n_keys);
    add(w, &header, w->keys.p, w->keys.n);
    add(w, &header, w->infos.p, w->infos.n);
    ig_status status = w->failed.code;
    if (status && err)
        *err = w->failed;
    if (!status)
        status = check_header(&header, err);
    if (!status)
        status = ig_file_writer_add(w->file, header.p, header.n, err);
    if (!status && w->n_tensors)
        status = add_zeros(w, padding(w, header.n), err);
    ig_buf_fini(&header);
    w->begun = !status;
    if (!status && w->n_tensors)
        w->remaining = tensor_bytes(w, 0);
    return status;
}

static ig_status add_data(ig_gguf_writer *w, const void *p, size_t bytes, ig_err *err) {
    if (w->failed.code) {
        if (err)
            *err = w->failed;
        return w->failed.code;
    }
    if (!w->begun)
        IG_TRY(begin_data(w, err));
    if (w->current >= w->n_tensors || bytes > w->remaining)
        return ig_fail(err, IG_EARGUMENT, "%zu bytes of data, %llu are left in tensor %llu of %llu",
                       bytes, (unsigned long long)(w->current < w->n_tensors ? w->remaining : 0),
                       (unsigned long long)w->current, (unsigned long long)w->n_tensors);
    IG_TRY(ig_file_writer_add(w->file, p, bytes, err));
    w->remaining -= bytes;
    if (w->remaining == 0) {
        IG_TRY(add_zeros(w, padding(w, tensor_bytes(w, w->current)), err));
        if (++w->current < w->n_tensors)
            w->remaining = tensor_bytes(w, w->current);
    }
    return IG_OK;
}

ig_status ig_gguf_writer_data(ig_gguf_writer *w, const void *p, size_t bytes, ig_err *err) {
    ig_err local = {0};
    const ig_status status = add_data(w, p, bytes, &local);
    if (status && !w->failed.code)
        w->failed = local;
    if (status && err)
        *err = local;
    return status;
}

static ig_status finish(ig_gguf_writer *w, ig_err *err) {
    if (w->failed.code) {
        if (err)
            *err = w->failed;
        return w->failed.code;
    }
    if (!w->begun)
        IG_TRY(begin_data(w, err));
    if (w->current < w->n_tensors)
        return ig_fail(err, IG_EARGUMENT, "data of tensor %llu of %llu is missing or incomplete",
                       (unsigned long long)w->current, (unsigned long long)w->n_tensors);
    return IG_OK;
}

ig_status ig_gguf_writer_close(ig_gguf_writer **writer, bool commit, ig_err *err) {
    ig_gguf_writer *w = *writer;
    *writer = NULL;
    if (!w)
        return IG_OK;
    ig_status status = commit ? finish(w, err) : IG_OK;
    const ig_status closed = ig_file_writer_close(&w->file, commit && !status, status ? NULL : err);
    ig_buf_fini(&w->keys);
    ig_buf_fini(&w->infos);
    ig_buf_fini(&w->sizes);
    ig_free(w);
    return status ? status : closed;
}
