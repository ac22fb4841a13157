/* gguf.c: reads one GGUF file (versions 2 and 3, little-endian): metadata and the directory of
 * tensors. One pass over the header, slices instead of copies; tensor data is located and bounded,
 * never touched. Joining split files is gguf_split.c, meaning is arch. Layout: magic, version u32,
 * tensor count u64, key count u64, keys, tensor infos, padding, data; a string is a u64 length and
 * its bytes. The caller's thread; no state. */
#include "formats/formats_int.h"

#include <stdarg.h>
#include <stdio.h>

#define ALIGNMENT_DEFAULT 32u
#define KEY_BYTES_LEAST (8 + 1 + 4 + 1)        /* name length, name, type, smallest value */
#define TENSOR_BYTES_LEAST (8 + 1 + 4 + 4 + 8) /* name length, name, dims, type, offset */
#define CUT "; the file is cut or damaged, download it again"
#define DAMAGED "; the file is damaged, download it again or write it with a current converter"

typedef struct reader {
    ig_cursor c;
    ig_arena *arena;
    ig_err *err;
    const char *kind; /* of the record being read: "header", "key", "tensor" */
    uint64_t number;  /* of the record */
    ig_str name;      /* of the record, once it is known */
    size_t offset;    /* where the record starts */
} reader;

typedef struct removed_type {
    uint32_t id;
    const char *name;
} removed_type;

static const removed_type REMOVED[] = {
    {4, "Q4_2"},      {5, "Q4_3"},        {31, "Q4_0_4_4"},   {32, "Q4_0_4_8"},
    {33, "Q4_0_8_8"}, {36, "IQ4_NL_4_4"}, {37, "IQ4_NL_4_8"}, {38, "IQ4_NL_8_8"},
};

/* A failure with the place of the record in front. */
static ig_status bad(const reader *r, ig_status code, const char *format, ...) IG_COLD
    IG_PRINTF(3, 4);
static ig_status bad(const reader *r, ig_status code, const char *format, ...) {
    char text[IG_ERR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (r->name.n)
        return ig_fail(r->err, code, "%s \"%.*s\" at offset %zu: %s", r->kind, IG_STR_ARG(r->name),
                       r->offset, text);
    if (r->offset == 0) /* only the header starts there */
        return ig_fail(r->err, code, "header: %s", text);
    return ig_fail(r->err, code, "%s number %llu at offset %zu: %s", r->kind,
                   (unsigned long long)r->number, r->offset, text);
}

static void begin(reader *r, const char *kind, uint64_t number) {
    r->kind = kind;
    r->number = number;
    r->name = (ig_str){NULL, 0};
    r->offset = ig_cursor_offset(&r->c);
}

static ig_status read_string(reader *r, uint64_t bytes_max, const char *what, ig_str *out) {
    const uint64_t n = ig_cursor_u64(&r->c);
    if (r->c.failed)
        return bad(r, IG_EFORMAT, "the file ends before the length of the %s" CUT, what);
    if (n > ig_cursor_left(&r->c))
        return bad(r, IG_EFORMAT, "the %s of %llu bytes runs past the end of the file" CUT, what,
                   (unsigned long long)n);
    if (n > bytes_max)
        return bad(r, IG_ELIMIT, "the %s has %llu bytes, more than the limit of %llu" DAMAGED, what,
                   (unsigned long long)n, (unsigned long long)bytes_max);
    *out = (ig_str){(const char *)ig_cursor_take(&r->c, (size_t)n), (size_t)n};
    return IG_OK;
}

/* Names are shown to people and compared: they must say something and hold no control bytes. */
static ig_status read_name(reader *r, uint64_t bytes_max, ig_str *out) {
    IG_TRY(read_string(r, bytes_max, "name", out));
    if (out->n == 0)
        return bad(r, IG_EFORMAT, "the name is empty" DAMAGED);
    for (size_t i = 0; i < out->n; i++) {
        if ((unsigned char)out->p[i] < 0x20)
            return bad(r, IG_EFORMAT, "the name holds a control byte" DAMAGED);
    }
    r->name = *out;
    return IG_OK;
}

static ig_status read_type(reader *r, const char *what, ig_meta_type *out) {
    const uint32_t id = ig_cursor_u32(&r->c);
    if (r->c.failed)
        return bad(r, IG_EFORMAT, "the file ends before the %s" CUT, what);
    if (id >= IG_META_TYPES)
        return bad(r, IG_EFORMAT, "the %s %u is unknown (0 to 12 exist)" DAMAGED, what, id);
    *out = (ig_meta_type)id;
    return IG_OK;
}

static ig_status read_strings(reader *r, ig_meta *m) {
    ig_str *strings;
    IG_TRY(ig_arena_new(r->arena, (size_t)m->count, sizeof *strings, &strings, r->err));
    m->strings = strings;
    for (uint64_t i = 0; i < m->count; i++)
        IG_TRY(read_string(r, IG_GGUF_STRING_BYTES_MAX, "string", &strings[i]));
    return IG_OK;
}

static ig_status read_array_head(reader *r, ig_meta *m) {
    IG_TRY(read_type(r, "element type", &m->elem));
    m->count = ig_cursor_u64(&r->c);
    if (r->c.failed)
        return bad(r, IG_EFORMAT, "the file ends before the length of the array" CUT);
    if (m->elem == IG_META_ARRAY)
        return bad(r, IG_EFORMAT, "an array of arrays is not allowed" DAMAGED);
    if (m->count > IG_GGUF_ARRAY_MAX)
        return bad(r, IG_ELIMIT, "the array has %llu elements, more than the limit of %u" DAMAGED,
                   (unsigned long long)m->count, IG_GGUF_ARRAY_MAX);
    const size_t least = m->elem == IG_META_STRING ? 8 : ig_meta_type_bytes(m->elem);
    if (m->count > ig_cursor_left(&r->c) / least)
        return bad(r, IG_EFORMAT, "the array of %llu elements runs past the end of the file" CUT,
                   (unsigned long long)m->count);
    return IG_OK;
}

static ig_status read_key(reader *r, ig_meta *m) {
    IG_TRY(read_name(r, IG_GGUF_KEY_BYTES_MAX, &m->key));
    IG_TRY(read_type(r, "value type", &m->type));
    m->elem = m->type;
    m->count = 1;
    if (m->type == IG_META_ARRAY)
        IG_TRY(read_array_head(r, m));
    if (m->elem == IG_META_STRING)
        return read_strings(r, m);
    m->data = ig_cursor_take(&r->c, (size_t)m->count * ig_meta_type_bytes(m->elem));
    if (!m->data)
        return bad(r, IG_EFORMAT, "the file ends inside the value" CUT);
    return IG_OK;
}

static ig_status read_dtype(reader *r, ig_tensor *t) {
    const uint32_t id = ig_cursor_u32(&r->c);
    t->dtype = ig_dtype_from_gguf(id);
    if (t->dtype != IG_DTYPE_NONE || r->c.failed)
        return IG_OK; /* the sticky error is checked at the end of the record */
    for (size_t i = 0; i < IG_COUNT(REMOVED); i++) {
        if (REMOVED[i].id == id)
            return bad(
                r, IG_EUNSUPPORTED,
                "type %u (%s) was removed from the format; quantise the original model again", id,
                REMOVED[i].name);
    }
    return bad(r, IG_EUNSUPPORTED,
               "type %u is unknown; a newer version of this program may know it", id);
}

static ig_status read_dims(reader *r, ig_tensor *t) {
    t->n_dims = ig_cursor_u32(&r->c);
    if (t->n_dims > 4)
        return bad(r, IG_EFORMAT, "%u dimensions, at most 4 are possible" DAMAGED, t->n_dims);
    t->n_elems = 1;
    for (uint32_t i = 0; i < 4; i++) {
        t->ne[i] = i < t->n_dims ? ig_cursor_u64(&r->c) : 1;
        if (r->c.failed)
            return bad(r, IG_EFORMAT, "the file ends inside the tensor directory" CUT);
        if (t->ne[i] == 0 || t->ne[i] > IG_DIM_MAX)
            return bad(r, t->ne[i] ? IG_ELIMIT : IG_EFORMAT,
                       "dimension %u is %llu, must be 1 to %llu" DAMAGED, i,
                       (unsigned long long)t->ne[i], IG_DIM_MAX);
        if (!ig_mul64(t->n_elems, t->ne[i], &t->n_elems) || t->n_elems > INT64_MAX)
            return bad(r, IG_EFORMAT, "the product of the dimensions overflows" DAMAGED);
    }
    return IG_OK;
}

static ig_status read_tensor(reader *r, ig_tensor *t) {
    IG_TRY(read_name(r, IG_GGUF_NAME_BYTES_MAX, &t->name));
    IG_TRY(read_dims(r, t));
    IG_TRY(read_dtype(r, t));
    t->offset = ig_cursor_u64(&r->c); /* to the start of data, until place_tensors */
    if (r->c.failed)
        return bad(r, IG_EFORMAT, "the file ends inside the tensor directory" CUT);
    const ig_dtype_row *row = ig_dtype_info(t->dtype);
    if (t->ne[0] % row->block_elems != 0)
        return bad(r, IG_EFORMAT,
                   "rows of %llu elements are no multiple of the %u of a block of %s" DAMAGED,
                   (unsigned long long)t->ne[0], row->block_elems, row->name);
    if (!ig_dtype_bytes(t->dtype, t->n_elems, &t->bytes))
        return bad(r, IG_EFORMAT, "the size in bytes overflows" DAMAGED);
    return IG_OK;
}

static ig_status read_alignment(const reader *r, const ig_part *part, uint64_t *out) {
    const size_t i = ig_name_index_find(&part->meta_index, IG_STR("general.alignment"));
    *out = ALIGNMENT_DEFAULT;
    if (i == SIZE_MAX)
        return IG_OK;
    const ig_meta *m = &part->meta[i];
    if (m->type != IG_META_U32)
        return ig_fail(r->err, IG_EFORMAT, "key \"general.alignment\" has type %s, not u32" DAMAGED,
                       ig_meta_type_name(m->type));
    if (!ig_meta_u64(m, 0, out) || *out == 0 || (*out & (*out - 1)))
        return ig_fail(r->err, IG_EFORMAT,
                       "key \"general.alignment\" is %llu, not a power of two" DAMAGED,
                       (unsigned long long)*out);
    return IG_OK;
}

static bool round_up64(uint64_t n, uint64_t to, uint64_t *out) {
    if (!ig_add64(n, to - 1, out))
        return false;
    *out &= ~(to - 1);
    return true;
}

/* Each tensor must start where the one before it ends, rounded up; so none overlap and the sum is
 * checked once. Offsets become those in the file. */
static ig_status place_tensors(const reader *r, ig_part *part, uint64_t alignment,
                               bool header_only) {
    const uint64_t file_bytes = part->map.bytes;
    uint64_t start, expected = 0;
    if (!round_up64(ig_cursor_offset(&r->c), alignment, &start))
        return ig_fail(r->err, IG_EFORMAT, "the alignment overflows the file" DAMAGED);
    for (size_t i = 0; i < part->n_tensors; i++) {
        ig_tensor *t = &part->tensors[i];
        uint64_t at, end;
        if (t->offset != expected)
            return ig_fail(
                r->err, IG_EFORMAT,
                "tensor \"%.*s\": data at offset %llu of the data, %llu expected" DAMAGED,
                IG_STR_ARG(t->name), (unsigned long long)t->offset, (unsigned long long)expected);
        if (!ig_add64(start, t->offset, &at) || !ig_add64(at, t->bytes, &end) ||
            !round_up64(t->offset + t->bytes, alignment, &expected))
            return ig_fail(r->err, IG_EFORMAT,
                           "tensor \"%.*s\": offset plus size overflows" DAMAGED,
                           IG_STR_ARG(t->name));
        if (end > file_bytes && !header_only)
            return ig_fail(r->err, IG_EFORMAT,
                           "tensor \"%.*s\": data ends at offset %llu, the file at %llu; the file "
                           "is cut, finish "
                           "the download",
                           IG_STR_ARG(t->name), (unsigned long long)end,
                           (unsigned long long)file_bytes);
        t->offset = at;
        t->data = end <= file_bytes ? part->map.p + at : NULL;
    }
    return IG_OK;
}

bool ig_gguf_recognise(const ig_map *map) {
    return map->bytes >= 4 && memcmp(map->p, "GGUF", 4) == 0;
}

static ig_status read_header(reader *r, ig_part *part) {
    (void)ig_cursor_u32(&r->c); /* magic */
    part->version = ig_cursor_u32(&r->c);
    const uint64_t n_tensors = ig_cursor_u64(&r->c), n_meta = ig_cursor_u64(&r->c);
    const uint32_t version = part->version;
    if (r->c.failed)
        return bad(r, IG_EFORMAT, "the file has %zu bytes, too few for a GGUF header" CUT,
                   part->map.bytes);
    if ((version & 0xFFFF) == 0)
        return bad(
            r, IG_EUNSUPPORTED,
            "big-endian GGUF (version field %08x); convert it with gguf_convert_endian.py or take "
            "the little-endian file",
            version);
    if (version < 2 || version > 3)
        return bad(r, IG_EUNSUPPORTED, "GGUF version %u, supported are 2 and 3; %s", version,
                   version < 2 ? "convert the original model again" : "update this program");
    const size_t left = ig_cursor_left(&r->c);
    if (n_meta > left / KEY_BYTES_LEAST || n_tensors > left / TENSOR_BYTES_LEAST)
        return bad(r, IG_EFORMAT, "%llu keys and %llu tensors do not fit into %zu bytes" CUT,
                   (unsigned long long)n_meta, (unsigned long long)n_tensors, part->map.bytes);
    if (n_meta > IG_GGUF_KEYS_MAX || n_tensors > IG_GGUF_TENSORS_MAX)
        return bad(r, IG_ELIMIT, "%llu keys and %llu tensors, the limits are %u and %u" DAMAGED,
                   (unsigned long long)n_meta, (unsigned long long)n_tensors, IG_GGUF_KEYS_MAX,
                   IG_GGUF_TENSORS_MAX);
    part->n_meta = (size_t)n_meta;
    part->n_tensors = (size_t)n_tensors;
    return IG_OK;
}

ig_status ig_gguf_parse(ig_part *part, uint32_t number, bool header_only, ig_arena *arena,
                        ig_err *err) {
    reader r = {
        ig_cursor_view(part->map.p, part->map.bytes), arena, err, "header", 0, {NULL, 0}, 0};
    uint64_t alignment;
    IG_TRY(read_header(&r, part));
    IG_TRY(ig_arena_new(arena, part->n_meta, sizeof *part->meta, &part->meta, err));
    for (size_t i = 0; i < part->n_meta; i++) {
        begin(&r, "key", i);
        IG_TRY(read_key(&r, &part->meta[i]));
    }
    IG_TRY(ig_name_index_build(&part->meta_index, arena, part->meta, sizeof *part->meta,
                               part->n_meta, "key", err));
    IG_TRY(read_alignment(&r, part, &alignment));
    IG_TRY(ig_arena_new(arena, part->n_tensors, sizeof *part->tensors, &part->tensors, err));
    for (size_t i = 0; i < part->n_tensors; i++) {
        begin(&r, "tensor", i);
        IG_TRY(read_tensor(&r, &part->tensors[i]));
        part->tensors[i].part = number;
    }
    return place_tensors(&r, part, alignment, header_only);
}
