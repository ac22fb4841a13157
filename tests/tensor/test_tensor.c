/* test_tensor.c: the dtype table against itself, conversions over their whole range, codecs bit for
 * bit against the fixtures that make_tensor_fixtures.py wrote. */
#include "os/os.h"
#include "tensor/tensor.h"
#include "test.h"

static uint32_t bits_of(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

TEST(rows_agree_with_lookups) {
    int live = 0;
    for (int i = IG_DTYPE_NONE + 1; i < IG_DTYPE_COUNT; i++) {
        const ig_dtype_row *row = ig_dtype_info((ig_dtype)i);
        CHECK(row->name && row->block_elems > 0 && row->block_bytes > 0);
        CHECK_EQ(ig_dtype_from_name(ig_str_of(row->name)), i);
        CHECK_EQ(ig_dtype_from_gguf((uint32_t)row->gguf_id), i);
        CHECK(!row->encode || row->decode);
        CHECK(!row->decode == !row->weight);
        live += row->gguf_id >= 0;
    }
    CHECK_EQ(live, 35);
    static const uint32_t removed[] = {4, 5, 31, 32, 33, 36, 37, 38, 43, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof removed / sizeof *removed; i++)
        CHECK_EQ(ig_dtype_from_gguf(removed[i]), IG_DTYPE_NONE);
    CHECK_EQ(ig_dtype_from_name(IG_STR("q4_k")), IG_DTYPE_Q4_K);
    CHECK_EQ(ig_dtype_from_name(IG_STR("q4_")), IG_DTYPE_NONE);
    CHECK_EQ(ig_dtype_from_name(IG_STR("q4_k_m")), IG_DTYPE_NONE);
    CHECK_EQ(ig_dtype_from_name(IG_STR("")), IG_DTYPE_NONE);
}

TEST(sizes_are_exact_or_refused) {
    uint64_t bytes;
    CHECK(ig_dtype_bytes(IG_DTYPE_Q4_K, 512, &bytes) && bytes == 288);
    CHECK(!ig_dtype_bytes(IG_DTYPE_Q4_K, 255, &bytes));
    CHECK(ig_dtype_bytes(IG_DTYPE_F32, 0, &bytes) && bytes == 0);
    CHECK(!ig_dtype_bytes(IG_DTYPE_F64, UINT64_MAX / 4, &bytes));
}

TEST(every_half_survives_the_round_trip) {
    for (uint32_t h = 0; h < 65536; h++) {
        const bool nan = (h & 0x7FFF) > 0x7C00;
        const uint32_t want = nan ? h | 0x200 : h;
        const float f = ig_f16_to_f32((uint16_t)h);
        if (ig_f32_to_f16(f) != want)
            TEST_FAIL("half %04x becomes %04x", (unsigned)h, (unsigned)ig_f32_to_f16(f));
        CHECK(nan == (f != f));
        const uint32_t b = (h & 0x7FFF) > 0x7F80 ? h | 0x40 : h;
        if (ig_f32_to_bf16(ig_bf16_to_f32((uint16_t)h)) != b)
            TEST_FAIL("bf16 %04x does not survive", (unsigned)h);
    }
    CHECK_EQ(bits_of(ig_f16_to_f32(1)), 0x33800000);
    CHECK_EQ(bits_of(ig_f16_to_f32(0x8000)), 0x80000000);
    CHECK_EQ(bits_of(ig_f16_to_f32(0x3C00)), 0x3F800000);
    CHECK_EQ(bits_of(ig_f16_to_f32(0x7BFF)), 0x477FE000);
    CHECK(isinf(ig_f16_to_f32(0xFC00)));
}

/* Between two neighbours of the small format, everything below the middle goes down, above it up,
 * the middle to the even one; with 2^16 pairs that is the whole definition of rounding to nearest
 * even. */
static void check_rounding(uint16_t (*narrow)(float), float (*widen)(uint16_t), uint32_t infinity) {
    for (uint32_t h = 0; h < infinity; h++) {
        const float low = widen((uint16_t)h);
        /* The middle to infinity is that to the number that would follow. */
        const double next =
            h + 1 < infinity ? widen((uint16_t)(h + 1)) : 2.0 * low - widen((uint16_t)(h - 1));
        const float middle = (float)(((double)low + next) / 2);
        const uint32_t even = h & 1 ? h + 1 : h;
        for (uint32_t sign = 0; sign < 2; sign++) {
            const uint32_t s = sign << 15;
            const float m = sign ? -middle : middle;
            const float up = sign ? nextafterf(m, -INFINITY) : nextafterf(m, INFINITY);
            const float down = nextafterf(m, 0);
            if (narrow(m) != (s | even) || narrow(up) != (s | (h + 1)) || narrow(down) != (s | h))
                TEST_FAIL("rounding near %.9g: %04x %04x %04x", m, narrow(m), narrow(up),
                          narrow(down));
        }
    }
}

TEST(halves_round_to_nearest_even) {
    check_rounding(ig_f32_to_f16, ig_f16_to_f32, 0x7C00);
    CHECK_EQ(ig_f32_to_f16(1e30f), 0x7C00);
    CHECK_EQ(ig_f32_to_f16(-INFINITY), 0xFC00);
    CHECK_EQ(ig_f32_to_f16(-0.0f), 0x8000);
    CHECK((ig_f32_to_f16(NAN) & 0x7FFF) > 0x7C00);
}

TEST(bf16_rounds_to_nearest_even) {
    check_rounding(ig_f32_to_bf16, ig_bf16_to_f32, 0x7F80);
    float nan; /* the payload lies below the cut: must stay a NaN */
    memcpy(&nan, &(uint32_t){0x7F800001}, 4);
    CHECK_EQ(ig_f32_to_bf16(nan), 0x7FC0);
}

typedef void record_fn(const ig_dtype_row *row, const uint8_t *blocks, const float *values,
                       size_t n);

static int each_record(const char *name, record_fn *check) {
    char path[256];
    ig_err err = {0};
    ig_map map;
    snprintf(path, sizeof path, "tests/tensor/fixtures/%s", name);
    if (ig_map_open(&map, path, &err)) {
        TEST_FAIL("%s", err.message);
        return 0;
    }
    ig_cursor c = ig_cursor_view(map.p, map.bytes);
    int records = 0;
    while (ig_cursor_left(&c) > 0) {
        const ig_dtype dtype = ig_dtype_from_gguf(ig_cursor_u32(&c));
        const uint32_t n_blocks = ig_cursor_u32(&c);
        const ig_dtype_row *row = ig_dtype_info(dtype);
        const size_t n = (size_t)n_blocks * row->block_elems;
        const uint8_t *blocks = ig_cursor_take(&c, (size_t)n_blocks * row->block_bytes);
        const uint8_t *values = ig_cursor_take(&c, n * 4);
        float *aligned = ig_alloc(n, 4);
        if (dtype == IG_DTYPE_NONE || !values || !aligned) {
            TEST_FAIL("%s is damaged", name);
            ig_free(aligned);
            break;
        }
        memcpy(aligned, values, n * 4);
        check(row, blocks, aligned, n);
        ig_free(aligned);
        records++;
    }
    ig_map_close(&map);
    return records;
}

static void check_decode(const ig_dtype_row *row, const uint8_t *blocks, const float *values,
                         size_t n) {
    float *got = ig_alloc(n + 1, sizeof *got);
    if (!row->decode || !got) {
        TEST_FAIL("no codec for %s", row->name);
        ig_free(got);
        return;
    }
    got[n] = 42;
    row->decode(blocks, got, n);
    for (size_t i = 0; i < n; i++) {
        if (bits_of(got[i]) != bits_of(values[i])) {
            TEST_FAIL("%s element %zu is %.9g, not %.9g", row->name, i, got[i], values[i]);
            break;
        }
    }
    CHECK(got[n] == 42);
    ig_free(got);
}

static void check_encode(const ig_dtype_row *row, const uint8_t *blocks, const float *values,
                         size_t n) {
    const size_t bytes = n / row->block_elems * row->block_bytes;
    uint8_t *got = ig_alloc(bytes + 1, 1);
    if (!row->encode || !got) {
        TEST_FAIL("no encoder for %s", row->name);
        ig_free(got);
        return;
    }
    got[bytes] = 42;
    row->encode(values, got, n);
    for (size_t i = 0; i < bytes; i++) {
        if (got[i] != blocks[i]) {
            TEST_FAIL("%s block %zu byte %zu is %u, not %u", row->name, i / row->block_bytes,
                      i % row->block_bytes, got[i], blocks[i]);
            break;
        }
    }
    CHECK(got[bytes] == 42);
    ig_free(got);
}

TEST(blocks_decode_bit_for_bit) {
    CHECK_EQ(each_record("decode.bin", check_decode), 26);
}

TEST(values_encode_bit_for_bit) {
    CHECK_EQ(each_record("encode.bin", check_encode), 4);
}

TEST(one_and_two_bit_types_decode_by_hand) {
    uint8_t block[18] = {0x00, 0x3C, 0x05}; /* d = 1; bits 1 0 1 0 … */
    float got[128];
    ig_dtype_info(IG_DTYPE_Q1_0)->decode(block, got, 128);
    CHECK(got[0] == 1 && got[1] == -1 && got[2] == 1 && got[3] == -1 && got[127] == -1);
    block[2] = 0xE4; /* codes 0 1 2 3 */
    ig_dtype_info(IG_DTYPE_Q2_0)->decode(block, got, 64);
    CHECK(got[0] == -1 && got[1] == 0 && got[2] == 1 && got[3] == 2 && got[63] == -1);
}

TEST(encoding_keeps_values_and_faults) {
    static const ig_dtype dtypes[] = {IG_DTYPE_F32, IG_DTYPE_F16, IG_DTYPE_BF16, IG_DTYPE_Q8_0,
                                      IG_DTYPE_Q4_0};
    static const double bounds[] = {0, 1.0 / 2048, 1.0 / 256, 1.0 / 127, 1.0 / 7.9};
    float x[64], y[64];
    uint8_t bytes[256];
    for (size_t k = 0; k < 5; k++) {
        const ig_dtype_row *row = ig_dtype_info(dtypes[k]);
        for (int i = 0; i < 64; i++) {
            x[i] = (float)sin(i * 1.7) * (i < 32 ? 1.0f : 0.01f);
        }
        row->encode(x, bytes, 64);
        row->decode(bytes, y, 64);
        for (int i = 0; i < 64; i++)
            CHECK_NEAR(x[i], y[i], bounds[k] * (i < 32 ? 1.0 : 0.01));
        /* A NaN or infinity must not turn into a number. */
        for (int fault = 0; fault < 3; fault++) {
            x[33] = fault == 0 ? NAN : fault == 1 ? INFINITY : -INFINITY;
            row->encode(x, bytes, 64);
            row->decode(bytes, y, 64);
            CHECK(!isfinite(y[33]));
            CHECK(isfinite(y[31]));
        }
        x[33] = 1e-42f; /* 1/d overflows */
        for (int i = 32; i < 64; i++)
            x[i] = 1e-42f;
        row->encode(x, bytes, 64);
        row->decode(bytes, y, 64);
        CHECK_NEAR(y[40], 0, 1e-41);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(rows_agree_with_lookups), T(sizes_are_exact_or_refused),
               T(every_half_survives_the_round_trip), T(halves_round_to_nearest_even),
               T(bf16_rounds_to_nearest_even), T(blocks_decode_bit_for_bit),
               T(values_encode_bit_for_bit), T(one_and_two_bit_types_decode_by_hand),
               T(encoding_keeps_values_and_faults));
}
