/* test_gguf_write.c: what the writer writes, the reader reads; what the reader would refuse, is not
 * written. */
#define _GNU_SOURCE /* mkstemp */
#include "gguf_bytes.h"
#include "os/os.h"

#include <unistd.h>

static char path[128];

static const float F32[5] = {1, 2, 3, 4, 5};
static const uint8_t Q8[2 * 34] = {0, 0x3C, 1, 2, 3};

/* A file with every value type; *commit false drops it. */
static ig_status write_all(uint32_t alignment, ig_err *err) {
    ig_gguf_writer *w;
    IG_TRY(ig_gguf_writer_open(&w, path, alignment, err));
    static const uint64_t wide = 0x8877665544332211u;
    static const ig_str strings[] = {{"one", 3}, {"", 0}, {"t\0o", 3}};
    char name[16];
    ig_gguf_put_str(w, "general.architecture", IG_STR("test"));
    for (int t = IG_META_U8; t <= IG_META_F64; t++) {
        if (t == IG_META_STRING || t == IG_META_ARRAY)
            continue;
        snprintf(name, sizeof name, "s.%s", ig_meta_type_name((ig_meta_type)t));
        ig_gguf_put_scalar(w, name, (ig_meta_type)t, &wide);
        snprintf(name, sizeof name, "a.%s", ig_meta_type_name((ig_meta_type)t));
        ig_gguf_put_array(w, name, (ig_meta_type)t, (const uint64_t[]){wide, wide, wide}, 3);
    }
    ig_gguf_put_strings(w, "a.str", strings, 3);
    ig_gguf_put_strings(w, "a.none", NULL, 0);
    ig_gguf_put_u32(w, "u32", 77);
    ig_gguf_put_i32(w, "i32", -77);
    ig_gguf_put_f32(w, "f32", 0.5f);
    ig_gguf_put_bool(w, "bool", true);
    ig_gguf_writer_tensor(w, IG_STR("norm.weight"), IG_DTYPE_F32, 1, (const uint64_t[]){5});
    ig_gguf_writer_tensor(w, IG_STR("q.weight"), IG_DTYPE_Q8_0, 2, (const uint64_t[]){32, 2});
    ig_gguf_writer_tensor(w, IG_STR("last.weight"), IG_DTYPE_F32, 1, (const uint64_t[]){5});
    ig_status status = ig_gguf_writer_data(w, F32, sizeof F32, err);
    if (!status)
        status = ig_gguf_writer_data(w, Q8, 10, err);
    if (!status)
        status = ig_gguf_writer_data(w, Q8 + 10, sizeof Q8 - 10, err);
    if (!status)
        status = ig_gguf_writer_data(w, F32, sizeof F32, err);
    const ig_status closed = ig_gguf_writer_close(&w, !status, err);
    return status ? status : closed;
}

static void check_round_trip(uint32_t alignment) {
    ig_err err = {0};
    REQUIRE_OK(write_all(alignment, &err));
    ig_checkpoint *c;
    REQUIRE_OK(ig_checkpoint_open(&c, path, NULL, &err));
    CHECK_EQ(ig_checkpoint_meta_count(c), 1 + 22 + 2 + 4 + (alignment && alignment != 32));
    uint64_t u;
    int64_t s;
    ig_str text;
    CHECK(ig_meta_u64(ig_checkpoint_meta(c, IG_STR("s.u16")), 0, &u) && u == 0x2211);
    CHECK(ig_meta_u64(ig_checkpoint_meta(c, IG_STR("a.u32")), 1, &u) && u == 0x88776655u);
    CHECK(ig_meta_i64(ig_checkpoint_meta(c, IG_STR("i32")), 0, &s) && s == -77);
    CHECK(ig_meta_str(ig_checkpoint_meta(c, IG_STR("a.str")), 2, &text) && text.n == 3 &&
          text.p[2] == 'o');
    const ig_tensor *t = ig_checkpoint_tensor(c, IG_STR("q.weight"));
    CHECK(t && t->bytes == sizeof Q8 && memcmp(t->data, Q8, sizeof Q8) == 0);
    CHECK(t && t->offset % (alignment ? alignment : 32) == 0);
    t = ig_checkpoint_tensor(c, IG_STR("last.weight"));
    CHECK(t && memcmp(t->data, F32, sizeof F32) == 0);

    /* A copy through put_meta is the same file. */
    ig_map first, second;
    REQUIRE_OK(ig_map_open(&first, path, &err));
    ig_gguf_writer *w;
    REQUIRE_OK(ig_gguf_writer_open(&w, path, 0, &err));
    for (size_t i = 0; i < ig_checkpoint_meta_count(c); i++)
        ig_gguf_put_meta(w, ig_checkpoint_meta_at(c, i));
    for (size_t i = 0; i < ig_checkpoint_tensor_count(c); i++) {
        t = ig_checkpoint_tensor_at(c, i);
        ig_gguf_writer_tensor(w, t->name, t->dtype, t->n_dims, t->ne);
    }
    for (size_t i = 0; i < ig_checkpoint_tensor_count(c); i++) {
        t = ig_checkpoint_tensor_at(c, i);
        CHECK_OK(ig_gguf_writer_data(w, t->data, (size_t)t->bytes, &err));
    }
    CHECK_OK(ig_gguf_writer_close(&w, true, &err));
    CHECK(w == NULL);
    REQUIRE_OK(ig_map_open(&second, path, &err));
    if (!alignment || alignment == 32)
        CHECK(first.bytes == second.bytes && memcmp(first.p, second.p, first.bytes) == 0);
    ig_map_close(&first);
    ig_map_close(&second);
    ig_checkpoint_close(&c);
}

TEST(written_files_read_back) {
    check_round_trip(0);
    check_round_trip(32);
    check_round_trip(16);
}

TEST(a_file_may_have_no_tensors) {
    ig_err err = {0};
    ig_gguf_writer *w;
    REQUIRE_OK(ig_gguf_writer_open(&w, path, 0, &err));
    ig_gguf_put_u32(w, "only", 1);
    CHECK_OK(ig_gguf_writer_close(&w, true, &err));
    ig_checkpoint *c;
    REQUIRE_OK(ig_checkpoint_open(&c, path, NULL, &err));
    CHECK_EQ(ig_checkpoint_meta_count(c), 1);
    CHECK_EQ(ig_checkpoint_tensor_count(c), 0);
    ig_checkpoint_close(&c);
}

typedef void mistake_fn(ig_gguf_writer *w);

static void key_twice(ig_gguf_writer *w) {
    ig_gguf_put_u32(w, "k", 1);
    ig_gguf_put_u32(w, "k", 1);
}
static void key_empty(ig_gguf_writer *w) {
    ig_gguf_put_u32(w, "", 1);
}
static void scalar_string(ig_gguf_writer *w) {
    ig_gguf_put_scalar(w, "k", IG_META_STRING, "x");
}
static void array_of_arrays(ig_gguf_writer *w) {
    ig_gguf_put_array(w, "k", IG_META_ARRAY, "x", 1);
}
static void array_endless(ig_gguf_writer *w) {
    ig_gguf_put_array(w, "k", IG_META_U64, "x", UINT64_MAX / 4);
}
static void tensor_twice(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 1, (const uint64_t[]){1});
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 1, (const uint64_t[]){1});
}
static void tensor_none(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_NONE, 1, (const uint64_t[]){1});
}
static void tensor_half_block(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_Q8_0, 1, (const uint64_t[]){31});
}
static void tensor_split_block(ig_gguf_writer *w) { /* whole blocks in all, but not in a row */
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_Q8_0, 2, (const uint64_t[]){16, 2});
}
static void tensor_overflow(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 2,
                          (const uint64_t[]){1ull << 40, 1ull << 40});
}
static void tensor_dims(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 5, (const uint64_t[]){1, 1, 1, 1, 1});
}
static void data_missing(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 1, (const uint64_t[]){2});
    CHECK_EQ(ig_gguf_writer_data(w, F32, 4, NULL), IG_OK);
}
static void data_too_long(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 1, (const uint64_t[]){2});
    CHECK_EQ(ig_gguf_writer_data(w, F32, 12, NULL), IG_EARGUMENT);
}
static void key_late(ig_gguf_writer *w) {
    ig_gguf_writer_tensor(w, IG_STR("t"), IG_DTYPE_F32, 1, (const uint64_t[]){1});
    CHECK_EQ(ig_gguf_writer_data(w, F32, 4, NULL), IG_OK);
    ig_gguf_put_u32(w, "late", 1);
}

TEST(mistakes_leave_the_old_file) {
    static mistake_fn *const mistakes[] = {
        key_twice,    key_empty,     scalar_string,     array_of_arrays,   array_endless,
        tensor_twice, tensor_none,   tensor_half_block, tensor_overflow,   tensor_dims,
        data_missing, data_too_long, key_late,          tensor_split_block};
    ig_err err = {0};
    REQUIRE_OK(write_all(0, &err));
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        ig_gguf_writer *w;
        memset(&err, 0, sizeof err);
        REQUIRE_OK(ig_gguf_writer_open(&w, path, 0, &err));
        mistakes[i](w);
        const ig_status status = ig_gguf_writer_close(&w, true, &err);
        if (status != IG_EARGUMENT || err.code != IG_EARGUMENT || !err.message[0])
            TEST_FAIL("mistake %zu: %s %s", i, ig_status_name(status), err.message);
        ig_checkpoint *c;
        REQUIRE_OK(ig_checkpoint_open(&c, path, NULL, &err));
        CHECK_EQ(ig_checkpoint_tensor_count(c), 3);
        ig_checkpoint_close(&c);
    }
    ig_gguf_writer *w;
    CHECK_EQ(ig_gguf_writer_open(&w, path, 48, &err), IG_EARGUMENT);
    CHECK_EQ(ig_gguf_writer_open(&w, "/no/such/folder/x.gguf", 0, &err), IG_EIO);
    CHECK(w == NULL);
}

TEST(every_allocation_may_fail) {
    bool done = false;
    for (uint64_t n = 1; !done && n < 200; n++) {
        ig_err err = {0};
        ig_alloc_fail_after(n);
        const ig_status status = write_all(0, &err);
        done = ig_alloc_fail_after(0) < n;
        CHECK_EQ(status, done ? IG_OK : IG_EMEMORY);
    }
    CHECK(done);
}

int main(int argc, char **argv) {
    const char *keep =
        getenv("INGOT_TEST_KEEP"); /* a path where the file stays, for readers of others */
    snprintf(path, sizeof path, "%.100s", keep ? keep : "/tmp/ingot-gguf-write-XXXXXX");
    int fd = keep ? -1 : mkstemp(path);
    if (fd >= 0)
        close(fd);
    int rc = RUN(argc, argv, T(written_files_read_back), T(a_file_may_have_no_tensors),
                 T(mistakes_leave_the_old_file), T(every_allocation_may_fail));
    if (!keep)
        unlink(path);
    return rc;
}
