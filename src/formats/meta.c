/* meta.c: typed reading of metadata values. A conversion that would lose something is refused. Any
 * thread. */
#include "formats/formats_int.h"

typedef struct type_row {
    const char *name;
    uint8_t bytes;
    bool integer;   /* bool counts as one */
    bool is_signed; /* two's complement */
} type_row;

static const type_row TYPES[] = {
    [IG_META_U8] = {"u8", 1, true, false},       [IG_META_I8] = {"i8", 1, true, true},
    [IG_META_U16] = {"u16", 2, true, false},     [IG_META_I16] = {"i16", 2, true, true},
    [IG_META_U32] = {"u32", 4, true, false},     [IG_META_I32] = {"i32", 4, true, true},
    [IG_META_F32] = {"f32", 4, false, false},    [IG_META_BOOL] = {"bool", 1, true, false},
    [IG_META_STRING] = {"str", 0, false, false}, [IG_META_ARRAY] = {"array", 0, false, false},
    [IG_META_U64] = {"u64", 8, true, false},     [IG_META_I64] = {"i64", 8, true, true},
    [IG_META_F64] = {"f64", 8, false, false},
};
_Static_assert(IG_COUNT(TYPES) == IG_META_TYPES, "a row per type");

const char *ig_meta_type_name(ig_meta_type type) {
    return (unsigned)type < IG_COUNT(TYPES) ? TYPES[type].name : "unknown";
}

size_t ig_meta_type_bytes(ig_meta_type type) {
    return TYPES[type].bytes;
}

static ig_meta_type elem_type(const ig_meta *m) {
    return m->type == IG_META_ARRAY ? m->elem : m->type;
}

/* Little-endian bits of element i, sign-extended to 64; false when it is no integer or bool. */
static bool read_integer(const ig_meta *m, uint64_t i, uint64_t *bits, bool *negative) {
    const ig_meta_type type = elem_type(m);
    const type_row *row = &TYPES[type];
    if (i >= m->count || !row->integer)
        return false;
    const uint8_t *p = m->data + i * row->bytes;
    uint64_t v = 0;
    for (unsigned k = 0; k < row->bytes; k++)
        v |= (uint64_t)p[k] << 8 * k;
    *negative = row->is_signed && p[row->bytes - 1] >> 7;
    if (*negative && row->bytes < 8)
        v |= UINT64_MAX << 8 * row->bytes;
    *bits = type == IG_META_BOOL ? v != 0 : v;
    return true;
}

bool ig_meta_u64(const ig_meta *m, uint64_t i, uint64_t *out) {
    bool negative;
    return read_integer(m, i, out, &negative) && !negative;
}

bool ig_meta_i64(const ig_meta *m, uint64_t i, int64_t *out) {
    uint64_t bits;
    bool negative;
    if (!read_integer(m, i, &bits, &negative) || (!negative && bits > INT64_MAX))
        return false;
    memcpy(out, &bits, sizeof bits);
    return true;
}

bool ig_meta_f64(const ig_meta *m, uint64_t i, double *out) {
    const ig_meta_type type = elem_type(m);
    if (type == IG_META_F32 || type == IG_META_F64) {
        if (i >= m->count)
            return false;
        const size_t bytes = TYPES[type].bytes;
        ig_cursor c = ig_cursor_view(m->data + i * bytes, bytes);
        *out = type == IG_META_F32 ? (double)ig_cursor_f32(&c) : ig_cursor_f64(&c);
        return true;
    }
    uint64_t bits;
    bool negative;
    if (!read_integer(m, i, &bits, &negative))
        return false;
    /* Integers of more than 53 significant bits are no doubles. */
    const uint64_t magnitude = negative ? 0 - bits : bits;
    const uint64_t odd = magnitude ? magnitude >> __builtin_ctzll(magnitude) : 0;
    if (odd >> 53)
        return false;
    *out = negative ? -(double)magnitude : (double)magnitude;
    return true;
}

bool ig_meta_bool(const ig_meta *m, uint64_t i, bool *out) {
    if (elem_type(m) != IG_META_BOOL || i >= m->count)
        return false;
    *out = m->data[i] != 0;
    return true;
}

bool ig_meta_str(const ig_meta *m, uint64_t i, ig_str *out) {
    if (elem_type(m) != IG_META_STRING || i >= m->count)
        return false;
    *out = m->strings[i];
    return true;
}
