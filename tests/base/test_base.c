/* test_base.c: status, alloc, arena, buf, cursor. */
#include "base/base.h"
#include "test.h"

TEST(errors_carry_prefix_and_stay_bounded) {
    ig_err err = {0};
    CHECK_EQ(ig_fail(&err, IG_EFORMAT, "bad \x01 byte"), IG_EFORMAT);
    CHECK_STR(err.message, "bad ? byte");
    ig_err_prefix(&err, "model.gguf");
    CHECK_STR(err.message, "model.gguf: bad ? byte");
    for (int i = 0; i < 100; i++)
        ig_err_prefix(&err, "very/long/path/%d", i);
    CHECK(strlen(err.message) < IG_ERR_MESSAGE_BYTES);
    char path[4096];
    for (size_t i = 0; i + 2 < sizeof path; i += 2)
        memcpy(path + i, "\xC3\xA9", 3);
    ig_fail(&err, IG_EIO, "cannot be opened");
    ig_err_prefix(&err, "%s", path);
    CHECK(strstr(err.message, "\xC3\xA9...: cannot be opened") != NULL);
    CHECK(strncmp(err.message, path, 200) == 0);
    CHECK_EQ(ig_fail(NULL, IG_EIO, "no context"), IG_EIO);
}

TEST(arena_objects_are_zeroed_aligned_and_bounded) {
    ig_arena arena;
    ig_err err = {0};
    ig_arena_init(&arena, 1 << 20);
    for (size_t i = 1; i < 600; i++) {
        unsigned char *p;
        REQUIRE_OK(ig_arena_new(&arena, i, 1, &p, &err));
        CHECK_EQ((uintptr_t)p % 16, 0);
        for (size_t j = 0; j < i; j++)
            CHECK(p[j] == 0);
        memset(p, 0xFF, i);
        if (i % 200 == 0)
            ig_arena_reset(&arena);
    }
    void *p;
    CHECK_EQ(ig_arena_new(&arena, 2 << 20, 1, &p, &err), IG_ELIMIT);
    CHECK_EQ(ig_arena_new(&arena, SIZE_MAX, 2, &p, &err), IG_ELIMIT);
    ig_arena_fini(&arena);
}

TEST(buf_keeps_its_ceiling) {
    ig_buf buf;
    ig_err err = {0};
    ig_buf_init(&buf, 10);
    CHECK_OK(ig_buf_addf(&buf, &err, "%d-%s", 12, "abc"));
    CHECK_STR(buf.p, "12-abc");
    CHECK_EQ(ig_buf_add(&buf, "12345", 5, &err), IG_ELIMIT);
    CHECK_STR(buf.p, "12-abc");
    CHECK_OK(ig_buf_add(&buf, "1234", 4, &err));
    CHECK_EQ(buf.n, 10);
    ig_buf_fini(&buf);
}

TEST(allocation_fails_on_demand) {
    ig_alloc_fail_after(2);
    void *a = ig_alloc(1, 8), *b = ig_alloc(1, 8);
    CHECK(a != NULL);
    CHECK(b == NULL);
    CHECK_EQ(ig_alloc_fail_after(0), 2);
    CHECK(ig_alloc(SIZE_MAX / 2, 4) == NULL);
    ig_free(a);
}

TEST(cursor_stops_at_the_end) {
    const uint8_t bytes[] = {1, 0, 0, 0, 2};
    ig_cursor c = ig_cursor_view(bytes, sizeof bytes);
    CHECK_EQ(ig_cursor_u32(&c), 1);
    CHECK_EQ(ig_cursor_u16(&c), 0);
    CHECK(c.failed);
    CHECK_EQ(ig_cursor_u8(&c), 0); /* sticky */
}

TEST(distance_counts_edits) {
    CHECK_EQ(ig_str_distance(IG_STR("kitten"), IG_STR("sitting")), 3);
    CHECK_EQ(ig_str_distance(IG_STR(""), IG_STR("qwen")), 4);
    CHECK_EQ(ig_str_distance(IG_STR("llama"), IG_STR("llama")), 0);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(errors_carry_prefix_and_stay_bounded),
               T(arena_objects_are_zeroed_aligned_and_bounded), T(buf_keeps_its_ceiling),
               T(allocation_fails_on_demand), T(cursor_stops_at_the_end), T(distance_counts_edits));
}
