/* test_gguf.c: reading one GGUF file: every value type, and every way a file can lie. */
#define _GNU_SOURCE /* mkstemp, ftruncate */
#include "gguf_bytes.h"
#include "os/os.h"

#include <dirent.h>
#include <unistd.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const uint64_t NE2[] = {64, 3};

/* A valid file with a value of every type, arrays of every type, and three tensors. */
static void good(ig_buf *b, uint32_t version, size_t alignment) {
    put_head(b, version, 3, 26 + (alignment != 32));
    if (alignment != 32)
        key_u32(b, "general.alignment", (uint32_t)alignment);
    key(b, "u8", IG_META_U8), put_u8(b, 200);
    key(b, "i8", IG_META_I8), put_u8(b, 0x80);
    key(b, "u16", IG_META_U16), put_u16(b, 60000);
    key(b, "i16", IG_META_I16), put_u16(b, (uint16_t)-2);
    key(b, "u32", IG_META_U32), put_u32(b, 4000000000u);
    key(b, "i32", IG_META_I32), put_u32(b, (uint32_t)-3);
    key(b, "f32", IG_META_F32), put(b, &(float){1.5f}, 4);
    key(b, "bool", IG_META_BOOL), put_u8(b, 1);
    key(b, "str", IG_META_STRING), put_text(b, "text");
    key(b, "empty", IG_META_STRING), put_text(b, "");
    key(b, "u64", IG_META_U64), put_u64(b, UINT64_MAX);
    key(b, "i64", IG_META_I64), put_u64(b, (uint64_t)INT64_MIN);
    key(b, "f64", IG_META_F64), put(b, &(double){-2.25}, 8);
    for (uint32_t t = IG_META_U8; t <= IG_META_F64; t++) {
        static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
        char name[16];
        snprintf(name, sizeof name, "a%u", t);
        if (t == IG_META_ARRAY)
            continue;
        key_array(b, name, t, 3);
        for (int i = 0; i < 3; i++) {
            if (t == IG_META_STRING)
                put_text(b, i == 0 ? "a" : i == 1 ? "" : "long string");
            else
                fill(b, bytes[t]);
        }
    }
    key_array(b, "none", IG_META_STRING, 0);
    info(b, "f32.weight", 1, (const uint64_t[]){5}, 0, 0);
    info(b, "q4.weight", 2, NE2, 2, 32 > alignment ? ig_round_up(20, alignment) : alignment);
    uint64_t at = 32 > alignment ? ig_round_up(20, alignment) : alignment;
    at = ig_round_up(at + 108, alignment);
    info(b, "ids", 0, NULL, 26, at);
    pad(b, alignment);
    fill(b, 20), pad(b, alignment);
    fill(b, 108), pad(b, alignment);
    fill(b, 4);
}

static ig_buf make(void (*build)(ig_buf *b)) {
    ig_buf b;
    ig_buf_init(&b, 64u << 20);
    build(&b);
    return b;
}

static uint64_t u64_of(const ig_checkpoint *c, const char *name, uint64_t i) {
    uint64_t v = 12345;
    const ig_meta *m = ig_checkpoint_meta(c, ig_str_of(name));
    CHECK(m && ig_meta_u64(m, i, &v));
    return v;
}

static int64_t i64_of(const ig_checkpoint *c, const char *name) {
    int64_t v = 12345;
    const ig_meta *m = ig_checkpoint_meta(c, ig_str_of(name));
    CHECK(m && ig_meta_i64(m, 0, &v));
    return v;
}

static void check_good(uint32_t version, size_t alignment) {
    ig_err err = {0};
    ig_buf b;
    ig_buf_init(&b, 1 << 20);
    good(&b, version, alignment);
    ig_checkpoint *c = NULL;
    uint8_t *copy;
    CHECK_OK(open_bytes(&c, &copy, b.p, b.n, false, &err));
    if (c) {
        CHECK_EQ(u64_of(c, "u8", 0), 200);
        CHECK_EQ(i64_of(c, "i8"), -128);
        CHECK_EQ(u64_of(c, "u16", 0), 60000);
        CHECK_EQ(i64_of(c, "i16"), -2);
        CHECK_EQ(u64_of(c, "u32", 0), 4000000000u);
        CHECK_EQ(i64_of(c, "i32"), -3);
        CHECK(u64_of(c, "u64", 0) == UINT64_MAX);
        CHECK(i64_of(c, "i64") == INT64_MIN);
        CHECK_EQ(u64_of(c, "bool", 0), 1);
        CHECK_EQ(u64_of(c, "a4", 2), 0x160f0801);
        const ig_meta *m = ig_checkpoint_meta(c, IG_STR("u64"));
        int64_t s;
        double d;
        uint64_t u;
        bool flag;
        ig_str text;
        CHECK(!ig_meta_i64(m, 0, &s) && !ig_meta_f64(m, 0, &d) && !ig_meta_bool(m, 0, &flag));
        CHECK(!ig_meta_u64(m, 1, &u) && !ig_meta_str(m, 0, &text));
        m = ig_checkpoint_meta(c, IG_STR("i64"));
        CHECK(!ig_meta_u64(m, 0, &u) && ig_meta_f64(m, 0, &d) && d == -0x1p63);
        m = ig_checkpoint_meta(c, IG_STR("f32"));
        CHECK(ig_meta_f64(m, 0, &d) && d == 1.5 && !ig_meta_u64(m, 0, &u));
        m = ig_checkpoint_meta(c, IG_STR("f64"));
        CHECK(ig_meta_f64(m, 0, &d) && d == -2.25);
        m = ig_checkpoint_meta(c, IG_STR("a8"));
        CHECK(m->type == IG_META_ARRAY && m->elem == IG_META_STRING && m->count == 3);
        CHECK(ig_meta_str(m, 2, &text) && ig_str_is(text, "long string"));
        CHECK(!ig_meta_str(m, 3, &text));
        CHECK(ig_checkpoint_meta(c, IG_STR("absent")) == NULL);
        CHECK(ig_checkpoint_meta(c, IG_STR("")) == NULL);
        const ig_tensor *t = ig_checkpoint_tensor(c, IG_STR("q4.weight"));
        REQUIRE(t != NULL);
        CHECK(t->dtype == IG_DTYPE_Q4_0 && t->n_dims == 2 && t->ne[0] == 64 && t->ne[1] == 3 &&
              t->ne[2] == 1);
        CHECK(t->n_elems == 192 && t->bytes == 108 && t->offset % alignment == 0);
        CHECK(t->data == copy + t->offset && t->data[0] == 1 && t->data[1] == 8);
        CHECK_EQ(ig_checkpoint_tensor(c, IG_STR("ids"))->n_elems, 1);
        ig_checkpoint_tensor_drop(c, t);
        char format[16];
        snprintf(format, sizeof format, "GGUF v%u", version);
        CHECK_STR(ig_checkpoint_format(c), format);
        CHECK_STR(ig_checkpoint_path(c), "test");
        CHECK_EQ(ig_checkpoint_file_bytes(c), b.n);
        walk(c);
    }
    ig_checkpoint_close(&c);
    ig_buf_fini(&b);
    free(copy);
}

TEST(every_value_type_is_read) {
    check_good(3, 32);
    check_good(2, 32);
    check_good(3, 64);
    check_good(3, 8);
}

/* The ways to lie. Each builds a file; the table says what must be said about it. */

static void no_header(ig_buf *b) {
    put(b, "GGUF\3\0\0\0", 8);
}
static void version_1(ig_buf *b) {
    put_head(b, 1, 0, 0);
}
static void version_4(ig_buf *b) {
    put_head(b, 4, 0, 0);
}
static void big_endian(ig_buf *b) {
    put_head(b, 0x03000000, 0, 0);
}
static void many_tensors(ig_buf *b) {
    put_head(b, 3, 1ull << 60, 0);
}
static void many_keys(ig_buf *b) {
    put_head(b, 3, 0, UINT64_MAX);
}
static void too_many_keys(ig_buf *b) {
    put_head(b, 3, 0, IG_GGUF_KEYS_MAX + 1);
    fill(b, (IG_GGUF_KEYS_MAX + 1) * 14);
}
static void key_past_end(ig_buf *b) {
    put_head(b, 3, 0, 1);
    put_u64(b, 1ull << 62);
    fill(b, 100);
}
static void key_empty(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_u32(b, "", 7);
    fill(b, 8);
}
static void key_control(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_u32(b, "a\nb", 7);
}
static void key_long(ig_buf *b) {
    put_head(b, 3, 0, 1);
    put_u64(b, 70000);
    fill(b, 80000);
}
static void key_twice(ig_buf *b) {
    put_head(b, 3, 0, 3);
    key_u32(b, "one", 1);
    key_u32(b, "two", 1);
    key_u32(b, "one", 1);
}
static void value_type(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_u32(b, "k", 1);
    b->p[24 + 8 + 1] = 13;
}
static void value_cut(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key(b, "key", IG_META_U64);
    put_u32(b, 1);
}
static void string_past_end(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key(b, "name", IG_META_STRING);
    put_u64(b, 1000);
    fill(b, 10);
}
static void nested_array(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_array(b, "nest", IG_META_ARRAY, 1);
    fill(b, 12);
}
static void array_past_end(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_array(b, "tokens", IG_META_STRING, 1000);
    fill(b, 100);
}
static void array_overflow(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_array(b, "scores", IG_META_U64, 1ull << 61);
    fill(b, 100);
}
static void array_string_cut(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key_array(b, "tokens", IG_META_STRING, 2);
    put_text(b, "a");
    put_u64(b, 5);
    put_u8(b, 5);
}
static void alignment(ig_buf *b, uint32_t value) {
    put_head(b, 3, 0, 1);
    key_u32(b, "general.alignment", value);
}
static void alignment_0(ig_buf *b) {
    alignment(b, 0);
}
static void alignment_3(ig_buf *b) {
    alignment(b, 3);
}
static void alignment_type(ig_buf *b) {
    put_head(b, 3, 0, 1);
    key(b, "general.alignment", IG_META_U64);
    put_u64(b, 32);
}

/* A file with one tensor and 64 bytes of data. */
static void one(ig_buf *b, const char *name, uint32_t n_dims, const uint64_t *ne, uint32_t type,
                uint64_t offset) {
    put_head(b, 3, 1, 0);
    info(b, name, n_dims, ne, type, offset);
    pad(b, 32);
    fill(b, 64);
}
static void tensor_name_empty(ig_buf *b) {
    one(b, "", 1, (const uint64_t[]){4}, 0, 0);
}
static void tensor_name_long(ig_buf *b) {
    char name[300];
    memset(name, 'x', sizeof name);
    name[299] = '\0';
    one(b, name, 1, (const uint64_t[]){4}, 0, 0);
}
static void dims_5(ig_buf *b) {
    one(b, "t", 5, (const uint64_t[]){1, 1, 1, 1, 1}, 0, 0);
}
static void dim_zero(ig_buf *b) {
    one(b, "t", 2, (const uint64_t[]){4, 0}, 0, 0);
}
static void dim_huge(ig_buf *b) {
    one(b, "t", 2, (const uint64_t[]){4, UINT64_MAX}, 0, 0);
}
static void dims_overflow(ig_buf *b) {
    one(b, "t", 2, (const uint64_t[]){1ull << 33, 1ull << 33}, 0, 0);
}
static void dims_wrap(ig_buf *b) { /* the product is 2^64: zero when it wraps */
    one(b, "t", 4, (const uint64_t[]){1 << 16, 1 << 16, 1 << 16, 1 << 16}, 0, 0);
}
static void bytes_overflow(ig_buf *b) {
    one(b, "t", 2, (const uint64_t[]){1ull << 31, 1ull << 31}, 28, 0);
}
static void half_block(ig_buf *b) {
    one(b, "t", 2, (const uint64_t[]){48, 1}, 2, 0);
}
static void type_removed(ig_buf *b) {
    one(b, "t", 1, (const uint64_t[]){32}, 36, 0);
}
static void type_unknown(ig_buf *b) {
    one(b, "t", 1, (const uint64_t[]){32}, 43, 0);
}
static void offset_odd(ig_buf *b) {
    one(b, "t", 1, (const uint64_t[]){4}, 0, 1);
}
static void offset_outside(ig_buf *b) {
    one(b, "t", 1, (const uint64_t[]){4}, 0, 1ull << 63);
}
static void data_past_end(ig_buf *b) {
    one(b, "t", 1, (const uint64_t[]){17}, 0, 0);
}
static void two(ig_buf *b, const char *second, uint64_t offset) {
    put_head(b, 3, 2, 0);
    info(b, "t", 1, (const uint64_t[]){8}, 0, 0);
    info(b, second, 1, (const uint64_t[]){8}, 0, offset);
    pad(b, 32);
    fill(b, 128);
}
static void overlap(ig_buf *b) {
    two(b, "u", 0);
}
static void gap(ig_buf *b) {
    two(b, "u", 64);
}
static void tensor_twice(ig_buf *b) {
    two(b, "t", 32);
}
static void directory_cut(ig_buf *b) {
    one(b, "a name of some length", 1, (const uint64_t[]){4}, 0, 0);
    b->n = 24 + 8 + 21 + 4 + 3;
}
static void empty(ig_buf *b) {
    (void)b;
}
static void web_page(ig_buf *b) {
    put(b, "<!DOCTYPE html><html>", 21);
}
static void lfs(ig_buf *b) {
    put(b, "version https://git-lfs.github.com/spec/v1\n", 43);
}
static void other(ig_buf *b) {
    put(b,
        "\x7f"
        "ELF and so on",
        14);
}
static void split_in_memory(ig_buf *b) {
    put_head(b, 3, 0, 3);
    key_u32(b, "split.no", 0);
    key_u32(b, "split.count", 2);
    key_u32(b, "split.tensors.count", 0);
}

static const struct lie {
    void (*build)(ig_buf *b);
    ig_status status;
    const char *says; /* must occur in the message */
} LIES[] = {
    {no_header, IG_EFORMAT, "too few"},
    {version_1, IG_EUNSUPPORTED, "version 1"},
    {version_4, IG_EUNSUPPORTED, "version 4"},
    {big_endian, IG_EUNSUPPORTED, "big-endian"},
    {many_tensors, IG_EFORMAT, "1152921504606846976 tensors"},
    {many_keys, IG_EFORMAT, "18446744073709551615 keys"},
    {too_many_keys, IG_ELIMIT, "65537 keys"},
    {key_past_end, IG_EFORMAT, "key number 0 at offset 24: the name of 4611686018427387904 bytes"},
    {key_empty, IG_EFORMAT, "the name is empty"},
    {key_control, IG_EFORMAT, "control byte"},
    {key_long, IG_ELIMIT, "65535"},
    {key_twice, IG_EFORMAT, "key \"one\" appears twice"},
    {value_type, IG_EFORMAT, "key \"k\" at offset 24: the value type 13 is unknown"},
    {value_cut, IG_EFORMAT, "key \"key\" at offset 24: the file ends inside the value"},
    {string_past_end, IG_EFORMAT, "key \"name\" at offset 24: the string of 1000 bytes runs past"},
    {nested_array, IG_EFORMAT, "key \"nest\" at offset 24: an array of arrays"},
    {array_past_end, IG_EFORMAT,
     "key \"tokens\" at offset 24: the array of 1000 elements runs past"},
    {array_overflow, IG_ELIMIT, "2305843009213693952"},
    {array_string_cut, IG_EFORMAT, "the string of 5 bytes runs past"},
    {alignment_0, IG_EFORMAT, "general.alignment"},
    {alignment_3, IG_EFORMAT, "not a power of two"},
    {alignment_type, IG_EFORMAT, "not u32"},
    {tensor_name_empty, IG_EFORMAT, "tensor number 0 at offset 24: the name is empty"},
    {tensor_name_long, IG_ELIMIT, "limit of 256"},
    {dims_5, IG_EFORMAT, "tensor \"t\" at offset 24: 5 dimensions"},
    {dim_zero, IG_EFORMAT, "dimension 1 is 0"},
    {dim_huge, IG_ELIMIT, "dimension 1 is 18446744073709551615"},
    {dims_overflow, IG_EFORMAT, "overflows"},
    {dims_wrap, IG_EFORMAT, "overflows"},
    {bytes_overflow, IG_EFORMAT, "overflows"},
    {half_block, IG_EFORMAT, "rows of 48 elements"},
    {type_removed, IG_EUNSUPPORTED, "IQ4_NL_4_4"},
    {type_unknown, IG_EUNSUPPORTED, "type 43 is unknown"},
    {offset_odd, IG_EFORMAT, "tensor \"t\": data at offset 1 of the data, 0 expected"},
    {offset_outside, IG_EFORMAT, "0 expected"},
    {data_past_end, IG_EFORMAT, "data ends at offset 132, the file at 128"},
    {overlap, IG_EFORMAT, "tensor \"u\": data at offset 0 of the data, 32 expected"},
    {gap, IG_EFORMAT, "32 expected"},
    {tensor_twice, IG_EFORMAT, "tensor \"t\" appears twice"},
    {directory_cut, IG_EFORMAT, "ends inside the tensor directory"},
    {empty, IG_EFORMAT, "empty"},
    {web_page, IG_EFORMAT, "web page"},
    {lfs, IG_EFORMAT, "git lfs pull"},
    {other, IG_EFORMAT, "7f 45 4c 46"},
    {split_in_memory, IG_EUNSUPPORTED, "open it by its path"},
};

TEST(lies_are_named) {
    for (size_t i = 0; i < LEN(LIES); i++) {
        ig_err err = {0};
        ig_buf b = make(LIES[i].build);
        ig_checkpoint *c;
        uint8_t *copy;
        const ig_status status = open_bytes(&c, &copy, b.p, b.n, false, &err);
        if (status != LIES[i].status || !strstr(err.message, LIES[i].says) ||
            strncmp(err.message, "test: ", 6) != 0 || !strstr(err.message, "; "))
            TEST_FAIL("lie %zu: %s, \"%s\" does not say \"%s\" with a place and a remedy", i,
                      ig_status_name(status), err.message, LIES[i].says);
        CHECK(c == NULL);
        ig_checkpoint_close(&c);
        ig_buf_fini(&b);
        free(copy);
    }
}

TEST(data_may_be_missing_when_only_the_header_is_wanted) {
    ig_err err = {0};
    ig_buf b;
    ig_buf_init(&b, 1 << 20);
    good(&b, 3, 32);
    ig_checkpoint *c;
    uint8_t *copy;
    CHECK_EQ(open_bytes(&c, &copy, b.p, b.n - 100, false, &err), IG_EFORMAT);
    free(copy);
    REQUIRE_OK(open_bytes(&c, &copy, b.p, b.n - 100, true, &err));
    CHECK(ig_checkpoint_tensor(c, IG_STR("f32.weight"))->data != NULL);
    const ig_tensor *t = ig_checkpoint_tensor(c, IG_STR("q4.weight"));
    CHECK(t->data == NULL && t->bytes == 108);
    ig_checkpoint_tensor_drop(c, t);
    walk(c);
    ig_checkpoint_close(&c);
    free(copy);
    ig_buf_fini(&b);
}

static void try_bytes(const void *p, size_t n, size_t *opened) {
    for (int header_only = 0; header_only < 2; header_only++) {
        ig_err err = {0};
        ig_checkpoint *c;
        uint8_t *copy;
        const ig_status status = open_bytes(&c, &copy, p, n, header_only, &err);
        if (!status) {
            ++*opened;
            walk(c);
        } else {
            CHECK(err.message[0] &&
                  (status == IG_EFORMAT || status == IG_ELIMIT || status == IG_EUNSUPPORTED));
        }
        ig_checkpoint_close(&c);
        free(copy);
    }
}

TEST(cuts_and_flips_never_hurt) {
    ig_buf b;
    ig_buf_init(&b, 1 << 20);
    good(&b, 3, 32);
    size_t opened = 0;
    for (size_t n = 0; n < b.n; n++)
        try_bytes(b.p, n, &opened);
    CHECK(opened > 0 && opened < 300); /* header_only accepts what lost its data */
    for (size_t i = 0; i < b.n; i++) {
        const char old = b.p[i];
        for (int bit = 0; bit < 8; bit++) {
            b.p[i] = (char)(old ^ 1 << bit);
            try_bytes(b.p, b.n, &opened);
        }
        b.p[i] = (char)0xFF;
        try_bytes(b.p, b.n, &opened);
        b.p[i] = old;
    }
    ig_buf_fini(&b);
}

/* The smallest records there can be must fit under the ceiling on memory. */
TEST(many_small_records_open) {
    ig_err err = {0};
    ig_buf b;
    ig_buf_init(&b, 64u << 20);
    const uint32_t n_keys = 60000, n_tensors = 200000;
    put_head(&b, 3, n_tensors, n_keys);
    char name[16];
    for (uint32_t i = 0; i < n_keys; i++) {
        snprintf(name, sizeof name, "%x", i);
        key(&b, name, IG_META_U8);
        put_u8(&b, 0);
    }
    for (uint32_t i = 0; i < n_tensors; i++) {
        snprintf(name, sizeof name, "%x", i);
        info(&b, name, 0, NULL, 24, 32ull * i);
    }
    ig_checkpoint *c;
    uint8_t *copy;
    REQUIRE_OK(open_bytes(&c, &copy, b.p, b.n, true, &err));
    CHECK_EQ(ig_checkpoint_tensor_count(c), n_tensors);
    CHECK(ig_checkpoint_tensor(c, IG_STR("1869f")) == ig_checkpoint_tensor_at(c, 99999));
    ig_checkpoint_close(&c);
    ig_buf_fini(&b);
    free(copy);
}

TEST(every_allocation_may_fail) {
    ig_buf b;
    ig_buf_init(&b, 1 << 20);
    good(&b, 3, 32);
    bool done = false;
    for (uint64_t n = 1; !done && n < 100; n++) {
        ig_err err = {0};
        ig_checkpoint *c;
        ig_alloc_fail_after(n);
        const ig_status status = ig_checkpoint_open_memory(&c, b.p, b.n, "test", NULL, &err);
        done = ig_alloc_fail_after(0) < n;
        CHECK_EQ(status, done ? IG_OK : IG_EMEMORY);
        ig_checkpoint_close(&c);
    }
    CHECK(done);
    ig_buf_fini(&b);
}

/* Pages of files that this process has touched, in bytes. */
static size_t touched_bytes(void) {
    unsigned long size, resident, shared = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%lu %lu %lu", &size, &resident, &shared) != 3)
        TEST_FAIL("no /proc/self/statm");
    if (f)
        fclose(f);
    return shared * 4096;
}

TEST(opening_does_not_touch_tensor_data) {
    ig_err err = {0};
    char path[] = "/tmp/ingot-sparse-XXXXXX";
    const int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    ig_buf b;
    ig_buf_init(&b, 1 << 20);
    const uint64_t bytes = 64u << 20;
    put_head(&b, 3, 8, 0);
    for (uint64_t i = 0; i < 8; i++)
        info(&b, (char[]){(char)('a' + i), 0}, 1, &bytes, 24, i * bytes);
    pad(&b, 32);
    CHECK(write(fd, b.p, b.n) == (ssize_t)b.n && ftruncate(fd, (off_t)(b.n + 8 * bytes)) == 0);
    close(fd);
    const size_t before = touched_bytes();
    ig_checkpoint *c;
    CHECK_OK(ig_checkpoint_open(&c, path, NULL, &err));
    CHECK(touched_bytes() < before + (1u << 20));
    if (c) { /* and what was touched can be let go */
        const ig_tensor *t = ig_checkpoint_tensor_at(c, 3);
        uint64_t sum = 0;
        for (uint64_t i = 0; i < t->bytes; i += 4096)
            sum += t->data[i];
        CHECK(sum == 0 && touched_bytes() > before + bytes / 2);
        ig_checkpoint_tensor_drop(c, t);
        CHECK(touched_bytes() < before + (2u << 20));
    }
    ig_checkpoint_close(&c);
    ig_buf_fini(&b);
    unlink(path);
}

/* INGOT_TEST_GGUF names a folder of real files: each must open, quickly, without touching its data.
 */
TEST(real_files_open) {
    const char *folder = getenv("INGOT_TEST_GGUF");
    DIR *dir = folder ? opendir(folder) : NULL;
    if (!dir)
        SKIP("INGOT_TEST_GGUF names no folder of .gguf files");
    for (struct dirent *e; (e = readdir(dir));) {
        ig_err err = {0};
        char path[1024];
        if (!ig_str_ends(ig_str_of(e->d_name), IG_STR(".gguf")))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        uint64_t best = UINT64_MAX;
        for (int i = 0; i < 5; i++) {
            ig_checkpoint *c;
            const uint64_t start = ig_clock_ns();
            const ig_status status = ig_checkpoint_open(&c, path, NULL, &err);
            const uint64_t took = ig_clock_ns() - start;
            best = took < best ? took : best;
            if (status) {
                TEST_FAIL("%s", err.message);
                break;
            }
            if (i == 4)
                fprintf(stderr, "%-40s %8.3f ms %5zu keys %5zu tensors %12llu bytes\n", e->d_name,
                        (double)best * 1e-6, ig_checkpoint_meta_count(c),
                        ig_checkpoint_tensor_count(c),
                        (unsigned long long)ig_checkpoint_file_bytes(c));
            ig_checkpoint_close(&c);
        }
    }
    closedir(dir);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(every_value_type_is_read), T(lies_are_named),
               T(data_may_be_missing_when_only_the_header_is_wanted), T(cuts_and_flips_never_hurt),
               T(many_small_records_open), T(opening_does_not_touch_tensor_data),
               T(every_allocation_may_fail), T(real_files_open));
}
