/* json.h: face of the json room, floor 1: reading through jansson under our limits, and a bounded
 * writer. Objects keep their order. Values are immutable after parsing; any thread may read. */
#ifndef IG_JSON_JSON_H
#define IG_JSON_JSON_H

#include "base/base.h"

typedef enum ig_json_type {
    IG_JSON_NULL,
    IG_JSON_FALSE,
    IG_JSON_TRUE,
    IG_JSON_INT,
    IG_JSON_REAL,
    IG_JSON_STRING,
    IG_JSON_ARRAY,
    IG_JSON_OBJECT
} ig_json_type;

typedef struct ig_json ig_json; /* one value; borrowed from its document */
typedef struct ig_json_doc ig_json_doc;

/* Parses a whole text: UTF-8 (a byte order mark is skipped), depth <= IG_JSON_DEPTH_MAX, no
 * duplicate keys, integers of 64 bits (larger ones become reals). Errors carry line and column. The
 * document is freed by ig_json_close, and with it every value. A key must not contain U+0000;
 * strings may. */
IG_MUST_USE ig_status ig_json_open(ig_json_doc **out, ig_str text, ig_err *err);
void ig_json_close(ig_json_doc **doc);
const ig_json *ig_json_root(const ig_json_doc *doc);

/* All accept NULL (treated as null), so that lookups chain. */
ig_json_type ig_json_type_of(const ig_json *v);
bool ig_json_is(const ig_json *v, ig_json_type type);
size_t ig_json_count(const ig_json *v);                             /* elements or members */
const ig_json *ig_json_at(const ig_json *array, size_t i);          /* NULL outside */
const ig_json *ig_json_get(const ig_json *object, const char *key); /* NULL when absent */
const ig_json *ig_json_find(const ig_json *object, ig_str key);     /* the same for a slice */
ig_str ig_json_str(const ig_json *v);                               /* empty when not a string */
int64_t ig_json_int(const ig_json *v, int64_t otherwise);
double ig_json_num(const ig_json *v, double otherwise); /* ints and reals */
bool ig_json_bool(const ig_json *v, bool otherwise);

/* Members in order:
 * `ig_json_iter it = ig_json_first(obj); while (ig_json_next(&it)) use(it.key, it.value);` */
typedef struct ig_json_iter {
    const ig_json *object;
    void *at;
    bool started;
    ig_str key;
    const ig_json *value;
} ig_json_iter;
ig_json_iter ig_json_first(const ig_json *object);
bool ig_json_next(ig_json_iter *it);

/* Writer: appends to a bounded buffer, puts commas itself. The first error sticks and is
 * returned by ig_json_end. */
typedef struct ig_json_writer {
    ig_buf *out;
    ig_err *err;
    ig_status status;
    uint32_t depth;
    bool comma; /* something precedes on this level */
    bool after_key;
    bool pretty;
} ig_json_writer;
void ig_json_begin(ig_json_writer *w, ig_buf *out, bool pretty, ig_err *err);
IG_MUST_USE ig_status ig_json_end(ig_json_writer *w);
void ig_json_open_object(ig_json_writer *w);
void ig_json_close_object(ig_json_writer *w);
void ig_json_open_array(ig_json_writer *w);
void ig_json_close_array(ig_json_writer *w);
void ig_json_key(ig_json_writer *w, const char *key);
/* Strings: valid UTF-8 is kept, invalid bytes become U+FFFD. */
void ig_json_put_str(ig_json_writer *w, ig_str s);
void ig_json_put_int(ig_json_writer *w, int64_t i);
/* Shortest form that reads back as an equal real ("5.0", "1e-05", "1e+16"); NaN and
 * infinities become null. */
void ig_json_put_num(ig_json_writer *w, double d);
void ig_json_put_bool(ig_json_writer *w, bool b);
void ig_json_put_null(ig_json_writer *w);
void ig_json_put_value(ig_json_writer *w, const ig_json *v); /* a parsed value, whole */
/* A text that is already JSON, one value; it is not checked. */
void ig_json_put_raw(ig_json_writer *w, ig_str json);

#define IG_JSON_NUM_BYTES 32
/* The text of ig_json_put_num, zero-terminated, with "nan", "inf", "-inf" for what JSON lacks;
 * returns its length. The same form as Python's repr. Independent of the locale. */
size_t ig_json_format_num(double d, char out[IG_JSON_NUM_BYTES]);

#endif
