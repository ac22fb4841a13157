/* json_read.c: parsing through jansson. Owns the checks jansson has not (our depth, integers beyond
 * 64 bits) and the mapping of its values to ours: an ig_json is a json_t that nobody changes after
 * parsing. Any thread may read. */
#include "json/json.h"

#include <jansson.h>

struct ig_json_doc {
    json_t *root;
};

/* jansson's getters take mutable pointers where they do not write. */
static json_t *inner(const ig_json *v) {
    json_t *j;
    memcpy(&j, &v, sizeof j);
    return j;
}

static const ig_json *outer(const json_t *j) {
    return (const ig_json *)(const void *)j;
}

/* What one pass over the text finds before jansson sees it. */
typedef struct scan_result {
    uint32_t depth_max;
    size_t n_wide;  /* integers that do not fit 64 bits */
    size_t deep_at; /* offset of the bracket that passed the limit */
} scan_result;

/* Bytes of the integer at s[0..n), or 0 when a fraction or exponent follows. *wide: it does not fit
 * 64 bits. */
static size_t integer_length(const char *s, size_t n, bool *wide) {
    size_t i = s[0] == '-';
    bool negative = i > 0, over = false;
    int64_t value = 0;
    for (; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
        int digit = negative ? -(s[i] - '0') : s[i] - '0';
        over = over || __builtin_mul_overflow(value, 10, &value) ||
               __builtin_add_overflow(value, digit, &value);
    }
    *wide = over;
    return i < n && (s[i] == '.' || s[i] == 'e' || s[i] == 'E') ? 0 : i;
}

/* Length of the number-like run at s, so that digits of a fraction are not taken for an integer. */
static size_t number_length(const char *s, size_t n) {
    size_t i = 1;
    while (i < n && ((s[i] >= '0' && s[i] <= '9') || strchr(".eE+-", s[i])) && s[i])
        i++;
    return i;
}

/* Walks the text outside strings. With `widened` not NULL copies it there with ".0" after each wide
 * integer. Malformed text is walked somehow; jansson refuses it afterwards. Returns the bytes
 * written. */
static size_t scan(ig_str text, scan_result *result, char *widened) {
    *result = (scan_result){0};
    uint32_t depth = 0;
    size_t out = 0;
    for (size_t i = 0; i < text.n;) {
        const char c = text.p[i];
        size_t step = 1;
        bool wide = false;
        if (c == '"') {
            while (i + step < text.n && text.p[i + step] != '"')
                step += text.p[i + step] == '\\' ? 2 : 1;
            step = IG_MIN(step + 1, text.n - i);
        } else if (c == '[' || c == '{') {
            depth++;
            if (depth > result->depth_max) {
                result->depth_max = depth;
                result->deep_at = i;
            }
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            step = integer_length(text.p + i, text.n - i, &wide);
            if (step == 0) {
                wide = false;
                step = number_length(text.p + i, text.n - i);
            }
        }
        if (widened) {
            memcpy(widened + out, text.p + i, step);
            out += step;
            if (wide) {
                memcpy(widened + out, ".0", 2);
                out += 2;
            }
        }
        result->n_wide += wide;
        i += step;
    }
    return out;
}

static ig_status syntax_error(const json_error_t *e, ig_err *err) {
    if (e->text[0] == '\0') /* how jansson mostly reports a failed allocation */
        return ig_fail(err, IG_EMEMORY, "JSON: out of memory");
    switch ((int)json_error_code(e)) {
    case json_error_out_of_memory:
        return ig_fail(err, IG_EMEMORY, "JSON: out of memory");
    case json_error_null_byte_in_key:
        return ig_fail(err, IG_EUNSUPPORTED,
                       "JSON line %d column %d: a key contains U+0000; rename the key", e->line,
                       e->column);
    default:
        return ig_fail(err, IG_EFORMAT, "JSON line %d column %d: %s; correct the text there",
                       e->line, e->column, e->text);
    }
}

static ig_status check_depth(ig_str text, const scan_result *found, ig_err *err) {
    if (found->depth_max <= IG_JSON_DEPTH_MAX)
        return IG_OK;
    size_t line = 1, column = 1;
    for (size_t i = 0; i < found->deep_at; i++) {
        column = text.p[i] == '\n' ? 1 : column + 1;
        line += text.p[i] == '\n';
    }
    return ig_fail(err, IG_ELIMIT,
                   "JSON line %zu column %zu: nested deeper than %u; flatten the text", line,
                   column, IG_JSON_DEPTH_MAX);
}

ig_status ig_json_open(ig_json_doc **out, ig_str text, ig_err *err) {
    ig_status status = IG_OK;
    char *widened = NULL;
    *out = NULL;
    if (ig_str_starts(text, IG_STR("\xEF\xBB\xBF")))
        text = (ig_str){text.p + 3, text.n - 3};
    scan_result found;
    scan(text, &found, NULL);
    IG_TRY(check_depth(text, &found, err));
    ig_json_doc *doc = ig_alloc(1, sizeof *doc);
    if (!doc)
        return ig_fail_memory(err, sizeof *doc);
    if (found.n_wide) {
        size_t bytes;
        if (!ig_add(text.n, 2 * found.n_wide, &bytes) || !(widened = ig_alloc(bytes, 1))) {
            status = ig_fail_memory(err, text.n);
            goto out;
        }
        text = (ig_str){widened, scan(text, &found, widened)};
    }
    json_error_t e;
    doc->root = json_loadb(text.n ? text.p : "", text.n,
                           JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
    if (!doc->root)
        status = syntax_error(&e, err);
out:
    ig_free(widened);
    if (status)
        ig_json_close(&doc);
    *out = doc;
    return status;
}

void ig_json_close(ig_json_doc **doc) {
    if (!doc || !*doc)
        return;
    json_decref((*doc)->root);
    ig_free(*doc);
    *doc = NULL;
}

const ig_json *ig_json_root(const ig_json_doc *doc) {
    return doc ? outer(doc->root) : NULL;
}

static const ig_json_type TYPES[] = {
    [JSON_OBJECT] = IG_JSON_OBJECT, [JSON_ARRAY] = IG_JSON_ARRAY, [JSON_STRING] = IG_JSON_STRING,
    [JSON_INTEGER] = IG_JSON_INT,   [JSON_REAL] = IG_JSON_REAL,   [JSON_TRUE] = IG_JSON_TRUE,
    [JSON_FALSE] = IG_JSON_FALSE,   [JSON_NULL] = IG_JSON_NULL,
};
_Static_assert(IG_COUNT(TYPES) == IG_JSON_OBJECT + 1, "a type per jansson type");

ig_json_type ig_json_type_of(const ig_json *v) {
    return v ? TYPES[json_typeof(inner(v))] : IG_JSON_NULL;
}

bool ig_json_is(const ig_json *v, ig_json_type type) {
    return ig_json_type_of(v) == type;
}

size_t ig_json_count(const ig_json *v) {
    return ig_json_is(v, IG_JSON_ARRAY)    ? json_array_size(inner(v))
           : ig_json_is(v, IG_JSON_OBJECT) ? json_object_size(inner(v))
                                           : 0;
}

const ig_json *ig_json_at(const ig_json *array, size_t i) {
    return ig_json_is(array, IG_JSON_ARRAY) ? outer(json_array_get(inner(array), i)) : NULL;
}

const ig_json *ig_json_get(const ig_json *object, const char *key) {
    return ig_json_find(object, ig_str_of(key));
}

const ig_json *ig_json_find(const ig_json *object, ig_str key) {
    return ig_json_is(object, IG_JSON_OBJECT)
               ? outer(json_object_getn(inner(object), key.n ? key.p : "", key.n))
               : NULL;
}

ig_str ig_json_str(const ig_json *v) {
    if (!ig_json_is(v, IG_JSON_STRING))
        return IG_STR("");
    return (ig_str){json_string_value(inner(v)), json_string_length(inner(v))};
}

int64_t ig_json_int(const ig_json *v, int64_t otherwise) {
    return ig_json_is(v, IG_JSON_INT) ? (int64_t)json_integer_value(inner(v)) : otherwise;
}

double ig_json_num(const ig_json *v, double otherwise) {
    return ig_json_is(v, IG_JSON_INT) || ig_json_is(v, IG_JSON_REAL) ? json_number_value(inner(v))
                                                                     : otherwise;
}

bool ig_json_bool(const ig_json *v, bool otherwise) {
    return ig_json_is(v, IG_JSON_TRUE) || (otherwise && !ig_json_is(v, IG_JSON_FALSE));
}

ig_json_iter ig_json_first(const ig_json *object) {
    return (ig_json_iter){.object = ig_json_is(object, IG_JSON_OBJECT) ? object : NULL};
}

bool ig_json_next(ig_json_iter *it) {
    if (!it->object)
        return false;
    json_t *object = inner(it->object);
    it->at = it->started ? json_object_iter_next(object, it->at) : json_object_iter(object);
    it->started = true;
    if (!it->at) {
        it->object = NULL;
        return false;
    }
    it->key = (ig_str){json_object_iter_key(it->at), json_object_iter_key_len(it->at)};
    it->value = outer(json_object_iter_value(it->at));
    return true;
}
