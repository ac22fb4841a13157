/* test_gguf_split.c: parts of a split file, opened from any of them, and parts that do not belong
 * together. */
#define _GNU_SOURCE /* mkdtemp, symlink */
#include "gguf_bytes.h"
#include "os/os.h"

#include <unistd.h>

static char folder[64];

typedef struct part_recipe {
    uint32_t no, count, tensors; /* what the keys say */
    const char *tensor;          /* name; NULL = none */
    bool silent;                 /* no split keys */
} part_recipe;

static const char *part_path(uint32_t number, uint32_t count) {
    static char path[128];
    snprintf(path, sizeof path, "%s/model-%05u-of-%05u.gguf", folder, number, count);
    return path;
}

static void save(const char *path, const void *p, size_t n) {
    ig_err err = {0};
    ig_file_writer *w;
    REQUIRE_OK(ig_file_writer_open(&w, path, &err));
    CHECK_OK(ig_file_writer_add(w, p, n, &err));
    CHECK_OK(ig_file_writer_close(&w, true, &err));
}

static void write_part(const char *path, const part_recipe *r, bool first) {
    ig_buf b;
    ig_buf_init(&b, 1 << 20);
    put_head(&b, 3, r->tensor ? 1 : 0, (r->silent ? 0 : 3) + first);
    if (!r->silent) {
        key(&b, "split.no", IG_META_U16), put_u16(&b, (uint16_t)r->no);
        key(&b, "split.count", IG_META_U16), put_u16(&b, (uint16_t)r->count);
        key(&b, "split.tensors.count", IG_META_I32), put_u32(&b, r->tensors);
    }
    if (first)
        key_u32(&b, "general.answer", 42);
    if (r->tensor) {
        info(&b, r->tensor, 1, (const uint64_t[]){8}, 0, 0);
        pad(&b, 32);
        for (int i = 0; i < 8; i++)
            put(&b, &(float){(float)r->no * 10 + (float)i}, 4);
    }
    save(path, b.p, b.n);
    ig_buf_fini(&b);
}

static void write_parts(const part_recipe *recipes, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        write_part(part_path(i + 1, n), &recipes[i], i == 0);
}

static void remove_parts(uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        unlink(part_path(i + 1, n));
}

static const part_recipe GOOD[3] = {
    {0, 3, 3, "a", false}, {1, 3, 3, "b", false}, {2, 3, 3, "c", false}};

TEST(any_part_opens_the_whole) {
    ig_err err = {0};
    write_parts(GOOD, 3);
    for (uint32_t i = 1; i <= 3; i++) {
        ig_checkpoint *c;
        REQUIRE_OK(ig_checkpoint_open(&c, part_path(i, 3), NULL, &err));
        CHECK_EQ(ig_checkpoint_tensor_count(c), 3);
        uint64_t u;
        const ig_meta *m = ig_checkpoint_meta(c, IG_STR("general.answer"));
        CHECK(m && ig_meta_u64(m, 0, &u) && u == 42);
        for (uint32_t k = 0; k < 3; k++) {
            const ig_tensor *t = ig_checkpoint_tensor_at(c, k);
            float f;
            memcpy(&f, t->data + 4, 4);
            CHECK(t->name.p[0] == (char)('a' + k) && t->part == k && f == (float)k * 10 + 1);
            ig_checkpoint_tensor_drop(c, t);
        }
        walk(c);
        ig_map map;
        REQUIRE_OK(ig_map_open(&map, part_path(1, 3), &err));
        CHECK(ig_checkpoint_file_bytes(c) > 2 * map.bytes);
        ig_map_close(&map);
        ig_checkpoint_close(&c);
    }
    remove_parts(3);
}

static void refuse(const part_recipe *recipes, uint32_t open, const char *says) {
    ig_err err = {0};
    ig_checkpoint *c;
    write_parts(recipes, 3);
    const ig_status status = ig_checkpoint_open(&c, part_path(open, 3), NULL, &err);
    if ((status != IG_EFORMAT && status != IG_ELIMIT) || !strstr(err.message, says) ||
        !strstr(err.message, "; "))
        TEST_FAIL("%s: %s does not say \"%s\"", ig_status_name(status), err.message, says);
    CHECK(c == NULL);
    remove_parts(3);
}

TEST(parts_that_do_not_match_are_refused) {
    refuse((const part_recipe[]){GOOD[0], GOOD[0], GOOD[2]}, 1,
           "part 2 of 3: split.no is 0, 1 expected");
    refuse((const part_recipe[]){GOOD[0], GOOD[2], GOOD[1]}, 1, "split.no is 2, 1 expected");
    refuse((const part_recipe[]){GOOD[0], {1, 4, 3, "b", false}, GOOD[2]}, 3,
           "part 2 of 3: split.count 4");
    refuse((const part_recipe[]){GOOD[0], {1, 3, 9, "b", false}, GOOD[2]}, 1,
           "split.tensors.count 9");
    refuse((const part_recipe[]){GOOD[0], {1, 3, 3, "b", true}, GOOD[2]}, 1,
           "part 2 of 3: keys split.no");
    refuse((const part_recipe[]){GOOD[0], {1, 3, 3, "a", false}, GOOD[2]}, 1,
           "tensor \"a\" appears twice");
    refuse((const part_recipe[]){GOOD[0], {1, 3, 3, NULL, false}, GOOD[2]}, 1,
           "the parts hold 2 tensors");
    refuse((const part_recipe[]){{0, 2, 3, "a", false}, GOOD[1], GOOD[2]}, 1,
           "its name must end in -00001-of-00002");
    refuse((const part_recipe[]){{0, 5000, 3, "a", false}, GOOD[1], GOOD[2]}, 1,
           "split.count is 5000");
    for (uint32_t count = 0; count < 2; count++)
        refuse((const part_recipe[]){{0, count, 1, "a", false}, GOOD[1], GOOD[2]}, 1,
               "the name says part 1 of 3");
}

TEST(missing_parts_and_wrong_names_are_named) {
    ig_err err = {0};
    ig_checkpoint *c;
    write_parts(GOOD, 3);
    unlink(part_path(2, 3));
    CHECK_EQ(ig_checkpoint_open(&c, part_path(3, 3), NULL, &err), IG_EIO);
    CHECK(strstr(err.message, "part 2 of 3") && strstr(err.message, "model-00002-of-00003.gguf"));
    const ig_checkpoint_options header = {.header_only = true};
    REQUIRE_OK(ig_checkpoint_open(&c, part_path(3, 3), &header, &err));
    CHECK_EQ(ig_checkpoint_tensor_count(c), 2);
    CHECK_EQ(ig_checkpoint_part_count(c), 3);
    CHECK_EQ(ig_checkpoint_part_missing(c, 0), 1);
    CHECK_EQ(ig_checkpoint_part_missing(c, 2), 3);
    CHECK_EQ(ig_checkpoint_tensor(c, IG_STR("c"))->part, 2);
    ig_checkpoint_close(&c);
    unlink(part_path(1, 3)); /* without the metadata there is nothing to show */
    CHECK_EQ(ig_checkpoint_open(&c, part_path(3, 3), &header, &err), IG_EIO);
    save(part_path(2, 3), "GGUF", 4);
    write_part(part_path(1, 3), &GOOD[0], true);
    CHECK_EQ(ig_checkpoint_open(&c, part_path(1, 3), NULL, &err), IG_EFORMAT);
    CHECK(strstr(err.message, "part 2 of 3") != NULL);
    save(part_path(2, 3), "", 0);
    CHECK_EQ(ig_checkpoint_open(&c, part_path(1, 3), NULL, &err), IG_EFORMAT);
    /* A part that leads to another one, and to itself. */
    unlink(part_path(2, 3));
    CHECK(symlink("model-00001-of-00003.gguf", part_path(2, 3)) == 0);
    CHECK_EQ(ig_checkpoint_open(&c, part_path(1, 3), NULL, &err), IG_EFORMAT);
    unlink(part_path(2, 3));
    CHECK(symlink("model-00002-of-00003.gguf", part_path(2, 3)) == 0);
    CHECK_EQ(ig_checkpoint_open(&c, part_path(1, 3), NULL, &err), IG_EIO);
    remove_parts(3);
    char path[128];
    snprintf(path, sizeof path, "%s/renamed.gguf", folder);
    write_part(path, &GOOD[0], true);
    CHECK_EQ(ig_checkpoint_open(&c, path, NULL, &err), IG_EFORMAT);
    CHECK(strstr(err.message, "-00001-of-00003.gguf") != NULL);
    unlink(path);
}

TEST(one_part_is_a_whole) {
    ig_err err = {0};
    ig_checkpoint *c;
    write_part(part_path(1, 1), &(part_recipe){0, 1, 1, "a", false}, true);
    REQUIRE_OK(ig_checkpoint_open(&c, part_path(1, 1), NULL, &err));
    CHECK_EQ(ig_checkpoint_tensor_count(c), 1);
    ig_checkpoint_close(&c);
    unlink(part_path(1, 1));
}

TEST(every_allocation_may_fail) {
    write_parts(GOOD, 3);
    bool done = false;
    for (uint64_t n = 1; !done && n < 100; n++) {
        ig_err err = {0};
        ig_checkpoint *c;
        ig_alloc_fail_after(n);
        const ig_status status = ig_checkpoint_open(&c, part_path(2, 3), NULL, &err);
        done = ig_alloc_fail_after(0) < n;
        CHECK_EQ(status, done ? IG_OK : IG_EMEMORY);
        ig_checkpoint_close(&c);
    }
    CHECK(done);
    remove_parts(3);
}

int main(int argc, char **argv) {
    snprintf(folder, sizeof folder, "/tmp/ingot-split-XXXXXX");
    if (!mkdtemp(folder))
        return 1;
    int rc = RUN(argc, argv, T(any_part_opens_the_whole), T(parts_that_do_not_match_are_refused),
                 T(missing_parts_and_wrong_names_are_named), T(one_part_is_a_whole),
                 T(every_allocation_may_fail));
    rmdir(folder);
    return rc;
}
