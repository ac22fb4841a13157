/* test_matmul.c: every weight type on every ISA level that this machine has, against double
 * arithmetic on decoded weights: with the activations as the kernel quantised them (tight) and as
 * they were (the dtype row's tolerance). Bits must not depend on the number of columns, on the
 * share of tiles or on how packing was divided; levels must agree. */
#include "backend/cpu/matmul_int.h"

#include "test.h"

#define GUARD 0x7b7b7b7bu

typedef struct level {
    const ig_matmul_set *set;
    bool present;
} level;

#if defined(__x86_64__)
static const level *levels(size_t *n) {
    static level list[3];
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vnni") &&
                        __builtin_cpu_supports("avx512bf16");
    const bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); /* these have F16C */
    list[0] = (level){&ig_matmul_scalar, true};
    list[1] = (level){&ig_matmul_avx2, avx2};
    list[2] = (level){&ig_matmul_avx512, avx512};
    *n = 3;
    return list;
}
#else
static const level *levels(size_t *n) {
    static level list[2];
    list[0] = (level){&ig_matmul_scalar, true};
    list[1] = (level){&ig_matmul_neon, true};
    *n = 2;
    return list;
}
#endif

/* ---- weights --------------------------------------------------------------------------------- */

/* Where a block of a type has f16 fields; random bytes there would be NaN or far too large. */
typedef struct weight_type {
    ig_dtype dtype;
    int16_t halves[2]; /* offsets, -1 = none */
} weight_type;

static const weight_type TYPES[] = {
    {IG_DTYPE_F32, {-1, -1}},   {IG_DTYPE_F16, {-1, -1}},  {IG_DTYPE_BF16, {-1, -1}},
    {IG_DTYPE_Q4_0, {0, -1}},   {IG_DTYPE_Q4_1, {0, 2}},   {IG_DTYPE_Q5_0, {0, -1}},
    {IG_DTYPE_Q5_1, {0, 2}},    {IG_DTYPE_Q8_0, {0, -1}},  {IG_DTYPE_IQ4_NL, {0, -1}},
    {IG_DTYPE_MXFP4, {-1, -1}}, {IG_DTYPE_Q2_K, {80, 82}}, {IG_DTYPE_Q3_K, {108, -1}},
    {IG_DTYPE_Q4_K, {0, 2}},    {IG_DTYPE_Q5_K, {0, 2}},   {IG_DTYPE_Q6_K, {208, -1}},
    {IG_DTYPE_IQ4_XS, {0, -1}},
};

static uint64_t state = 1;
static uint32_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}
static float next_float(void) { /* roughly normal */
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (float)next_random() / 2147483648.0f - 0.5f;
    return sum * 1.7f;
}

typedef enum fill { FILL_RANDOM, FILL_EXTREME } fill;

static void put_u16(uint8_t *p, uint16_t v) {
    memcpy(p, &v, 2);
}

/* Extreme: all bits set or clear per block, largest scales. */
static void make_weights(const weight_type *type, uint8_t *w, size_t n_bytes, fill how) {
    const ig_dtype_row *info = ig_dtype_info(type->dtype);
    if (info->block_elems == 1) {
        for (size_t i = 0; i < n_bytes / info->block_bytes; i++) {
            const float f =
                how == FILL_EXTREME ? (next_random() & 1 ? 1000.0f : -1000.0f) : next_float();
            if (type->dtype == IG_DTYPE_F32)
                memcpy(w + 4 * i, &f, 4);
            else
                put_u16(w + 2 * i,
                        type->dtype == IG_DTYPE_F16 ? ig_f32_to_f16(f) : ig_f32_to_bf16(f));
        }
        return;
    }
    for (size_t b = 0; b < n_bytes; b += info->block_bytes) {
        const uint32_t ends = next_random() % 3;
        for (size_t i = 0; i < info->block_bytes; i++)
            w[b + i] = (uint8_t)(how == FILL_RANDOM ? next_random()
                                 : ends == 0        ? 0
                                 : ends == 1        ? 0xff
                                                    : 0x80);
        for (int h = 0; h < 2; h++)
            if (type->halves[h] >= 0)
                put_u16(w + b + (size_t)type->halves[h], how == FILL_RANDOM
                                                             ? ig_f32_to_f16(next_float() * 0.01f)
                                                         : next_random() & 1 ? 0x7bff
                                                                             : 0xfbff);
        if (type->dtype == IG_DTYPE_MXFP4)
            w[b] = (uint8_t)(how == FILL_RANDOM  ? 115 + next_random() % 10
                             : next_random() & 1 ? 0
                                                 : 200);
    }
}

/* ---- activations as the kernel sees them ----------------------------------------------------- */

static uint32_t word(const uint8_t *p) {
    uint32_t w;
    memcpy(&w, p, 4);
    return w;
}
static float float_at(const uint8_t *p) {
    float f;
    memcpy(&f, p, 4);
    return f;
}

static void unpack_acts(const ig_matmul_set *set, ig_act_format form, const uint8_t *acts,
                        uint32_t cols, uint32_t n_cols, uint32_t c, double *x) {
    const bool floats = form == IG_ACT_FORM_F32 || form == IG_ACT_FORM_BF16;
    const uint32_t group = floats ? set->packers[form].group_cols : IG_SPAN;
    const uint32_t first = c / group * group, nr = IG_MIN(group, n_cols - first), lane = c - first;
    const uint8_t *g = acts + c / group * ig_act_group_bytes(form, cols, group);
    for (uint32_t k = 0; k < cols; k++) {
        if (form == IG_ACT_FORM_F32) {
            x[k] = (double)float_at(g + ((size_t)k * nr + lane) * 4);
        } else if (form == IG_ACT_FORM_BF16) {
            const uint32_t pair = word(g + ((size_t)k / 2 * nr + lane) * 4);
            x[k] = (double)ig_bf16_to_f32((uint16_t)(k % 2 ? pair >> 16 : pair));
        } else if (form == IG_ACT_FORM_Q8) {
            const uint8_t *b = g + ((size_t)(k / 32) * nr + lane) * IG_Q8_DWORDS * 4;
            x[k] = (double)(int8_t)b[k % 32] * (double)float_at(b + IG_Q8_SCALE * 4);
        } else {
            const uint8_t *b = g + ((size_t)(k / 256) * nr + lane) * IG_Q8K_DWORDS * 4;
            const uint32_t shift = word(b + (IG_Q8K_SHIFT + k % 256 / 32) * 4);
            x[k] = (double)(int8_t)b[k % 256] * (double)(1u << shift) *
                   (double)float_at(b + IG_Q8K_SCALE * 4);
        }
    }
}

/* ---- one product ----------------------------------------------------------------------------- */

typedef struct problem {
    const weight_type *type;
    uint32_t rows, cols, n_cols;
    uint8_t *weights;
    float *x; /* [n_cols][cols + 3] */
} problem;

static void make_problem(problem *p, const weight_type *type, uint32_t rows, uint32_t cols,
                         uint32_t n_cols, fill how) {
    uint64_t row_bytes = 0;
    *p = (problem){.type = type, .rows = rows, .cols = cols, .n_cols = n_cols};
    CHECK(ig_dtype_bytes(type->dtype, cols, &row_bytes));
    p->weights = malloc(rows * row_bytes + 1);
    make_weights(type, p->weights, rows * row_bytes, how);
    p->x = malloc((size_t)n_cols * (cols + 3) * sizeof(float));
    for (size_t i = 0; i < (size_t)n_cols * (cols + 3); i++)
        p->x[i] = next_float() * (i % 97 == 5 ? 3.0f : 1.0f) * (i / 32 % 5 == 3 ? 0.001f : 1.0f);
}
static void free_problem(problem *p) {
    free(p->weights);
    free(p->x);
}

typedef struct product {
    uint8_t *packed, *acts;
    float *out; /* [n_cols][stride], guards around and between */
    size_t stride;
} product;

static uint8_t *aligned(size_t bytes) {
    return aligned_alloc(64, ig_round_up(bytes + 64, 64));
}

/* Packs and multiplies; `pieces` divides packing, and the product by tiles. */
static void multiply(product *r, const problem *p, const ig_matmul_set *set, uint32_t pieces) {
    const ig_matmul_kernel *kernel = ig_matmul_find(set, p->type->dtype);
    const ig_act_packer *packer = &set->packers[kernel->act];
    const uint32_t tiles = (uint32_t)ig_div_up(p->rows, IG_TILE_ROWS);
    const uint32_t groups = (uint32_t)ig_div_up(p->n_cols, packer->group_cols);
    const size_t packed_bytes = kernel->packed_bytes(p->rows, p->cols),
                 acts_bytes = packer->bytes(p->cols, p->n_cols);
    r->packed = aligned(packed_bytes);
    r->acts = aligned(acts_bytes);
    memset(r->packed, 0x55, packed_bytes + 64);
    memset(r->acts, 0x55, acts_bytes + 64);
    r->stride = tiles * IG_TILE_ROWS + 8;
    const size_t floats = r->stride * p->n_cols + 8;
    r->out = malloc(floats * sizeof(float));
    for (size_t i = 0; i < floats; i++)
        memcpy(&r->out[i], &(uint32_t){GUARD}, 4);
    for (uint32_t i = pieces; i-- > 0;) { /* any order */
        kernel->pack(p->weights, p->rows, p->cols, tiles * i / pieces, tiles * (i + 1) / pieces,
                     r->packed);
        const uint32_t c0 = groups * i / pieces * packer->group_cols,
                       c1 = groups * (i + 1) / pieces * packer->group_cols;
        packer->pack(p->x, p->cols + 3, p->cols, p->n_cols, c0, IG_MIN(c1, p->n_cols), r->acts);
    }
    for (int i = 0; i < 64; i++) /* nothing behind the ends was written */
        CHECK(r->packed[packed_bytes + (size_t)i] == 0x55 &&
              r->acts[acts_bytes + (size_t)i] == 0x55);
    for (uint32_t i = pieces; i-- > 0;)
        kernel->multiply(r->packed, p->rows, p->cols, tiles * i / pieces, tiles * (i + 1) / pieces,
                         r->acts, p->n_cols, r->out + 4 + tiles * i / pieces * IG_TILE_ROWS,
                         r->stride);
}
static void free_product(product *r) {
    free(r->packed);
    free(r->acts);
    free(r->out);
}
static const float *column(const product *r, uint32_t c) {
    return r->out + 4 + c * r->stride;
}

static void check_guards(const problem *p, const product *r) {
    const uint32_t padded = (uint32_t)ig_round_up(p->rows, IG_TILE_ROWS);
    for (uint32_t c = 0; c < p->n_cols; c++) {
        const float *y = column(r, c);
        for (uint32_t i = p->rows; i < padded; i++)
            CHECK(y[i] == 0);
        for (uint32_t i = padded; i < r->stride; i++)
            CHECK_EQ(word((const uint8_t *)(y + i)), GUARD);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(word((const uint8_t *)(r->out + i)), GUARD);
}

/* Against double: every output within `tight` of the sum of |w x| with the kernel's activations;
 * NMSE with the real ones. */
static void check_values(const problem *p, const product *r, const ig_matmul_set *set,
                         double tight) {
    const ig_dtype_row *info = ig_dtype_info(p->type->dtype);
    const ig_matmul_kernel *kernel = ig_matmul_find(set, p->type->dtype);
    uint64_t row_bytes = 0;
    CHECK(ig_dtype_bytes(p->type->dtype, p->cols, &row_bytes));
    float *w = malloc(p->cols * sizeof(float));
    double *x = malloc((size_t)p->n_cols * p->cols * sizeof(double)), error = 0, power = 0;
    for (uint32_t c = 0; c < p->n_cols; c++)
        unpack_acts(set, kernel->act, r->acts, p->cols, p->n_cols, c, x + (size_t)c * p->cols);
    for (uint32_t i = 0; i < p->rows; i++) {
        info->decode(p->weights + i * row_bytes, w, p->cols);
        for (uint32_t c = 0; c < p->n_cols; c++) {
            double exact = 0, size = 0, real = 0;
            for (uint32_t k = 0; k < p->cols; k++) {
                const double wx = (double)w[k] * x[(size_t)c * p->cols + k];
                exact += wx;
                size += fabs(wx);
                real += (double)w[k] * (double)p->x[(size_t)c * (p->cols + 3) + k];
            }
            const double y = (double)column(r, c)[i];
            if (!(fabs(y - exact) <= tight * size + 1e-37))
                TEST_FAIL("%s %ux%ux%u row %u column %u: %.9g, not %.9g (size %g)", kernel->name,
                          p->rows, p->cols, p->n_cols, i, c, y, exact, size);
            error += (y - real) * (y - real);
            power += real * real;
        }
    }
    const double allowed = kernel->act == IG_ACT_FORM_F32 ? 1e-11 : info->tolerance;
    if ((size_t)p->rows * p->n_cols * p->cols >= 20000 && !(error <= allowed * power))
        TEST_FAIL("%s %ux%ux%u: NMSE %g", kernel->name, p->rows, p->cols, p->n_cols, error / power);
    free(w);
    free(x);
}

/* Mins make sums of large terms that cancel: int16 sums of activations are rounded to 1/16 of a
 * quantum, so the products of Q2_K, Q4_K and Q5_K are exact only to that; the rest is float
 * rounding. */
static double tightness(ig_dtype dtype) {
    return dtype == IG_DTYPE_Q2_K || dtype == IG_DTYPE_Q4_K || dtype == IG_DTYPE_Q5_K ? 2e-4 : 2e-6;
}

#define EACH_LEVEL(set)                                                                            \
    size_t n_levels;                                                                               \
    const level *list = levels(&n_levels);                                                         \
    for (size_t l = 0; l < n_levels; l++)                                                          \
        for (const ig_matmul_set *set = list[l].present ? list[l].set : NULL; set; set = NULL)
#define EACH_TYPE(type)                                                                            \
    for (const weight_type *type = TYPES; type < TYPES + IG_COUNT(TYPES); type++)

static uint32_t least_cols(ig_dtype dtype) {
    return ig_dtype_info(dtype)->block_elems;
}

TEST(shapes) {
    static const uint32_t ROWS[] = {1, 2, 15, 16, 17, 32, 33, 48, 70},
                          N_COLS[] = {1, 2, 3, 4, 5, 6, 7, 8, 13, 20};
    static const uint32_t BLOCKS[] = {1, 2, 3, 5, 20};
    EACH_LEVEL(set) EACH_TYPE(type) {
        for (size_t i = 0; i < IG_COUNT(ROWS) + IG_COUNT(N_COLS); i++) {
            problem p;
            product r;
            make_problem(&p, type, ROWS[i % IG_COUNT(ROWS)],
                         least_cols(type->dtype) * BLOCKS[i % IG_COUNT(BLOCKS)],
                         N_COLS[i % IG_COUNT(N_COLS)], FILL_RANDOM);
            multiply(&r, &p, set, 1);
            check_guards(&p, &r);
            check_values(&p, &r, set, tightness(type->dtype));
            free_product(&r);
            free_problem(&p);
        }
    }
}

TEST(odd_float_widths) {
    EACH_LEVEL(set) for (size_t t = 0; t < 3; t++) {
        for (uint32_t cols = 1; cols < 140; cols += 23) {
            problem p;
            product r;
            make_problem(&p, &TYPES[t], 37, cols, 7, FILL_RANDOM);
            multiply(&r, &p, set, 1);
            check_guards(&p, &r);
            check_values(&p, &r, set, 2e-6);
            free_product(&r);
            free_problem(&p);
        }
    }
}

TEST(extremes) {
    EACH_LEVEL(set) EACH_TYPE(type) {
        problem p;
        product r;
        make_problem(&p, type, 33, 2 * IG_MAX(least_cols(type->dtype), 64u), 7, FILL_EXTREME);
        for (size_t i = 0; i < 7u * (p.cols + 3); i++)
            p.x[i] = next_random() & 1 ? 1e3f : -1e3f;
        multiply(&r, &p, set, 1);
        check_guards(&p, &r);
        check_values(&p, &r, set, tightness(type->dtype));
        free_product(&r);
        free_problem(&p);
    }
}

/* Zeros and denormals give 0; NaN and infinity do not vanish and stay in their column. */
TEST(not_finite) {
    EACH_LEVEL(set) EACH_TYPE(type) {
        problem p;
        product r;
        make_problem(&p, type, 20, 512, 5, FILL_RANDOM);
        for (uint32_t k = 0; k < 512; k++) {
            p.x[k] = 0;
            p.x[515 + k] = k % 2 ? 1e-40f : -1e-40f;
        }
        p.x[2 * 515 + 77] = NAN;
        p.x[3 * 515 + 78] = INFINITY;
        multiply(&r, &p, set, 1);
        for (uint32_t i = 0; i < 20; i++) {
            CHECK(column(&r, 0)[i] == 0);
            CHECK(fabsf(column(&r, 1)[i]) < 1e-30f);
            CHECK(!isfinite(column(&r, 2)[i]));
            CHECK(!isfinite(column(&r, 3)[i]));
            CHECK(isfinite(column(&r, 4)[i]));
        }
        free_product(&r);
        free_problem(&p);
    }
}

TEST(bits_do_not_depend_on_the_division) {
    EACH_LEVEL(set) EACH_TYPE(type) {
        problem p;
        product whole, parts;
        make_problem(&p, type, 90, 512, IG_SPAN + 6, FILL_RANDOM);
        multiply(&whole, &p, set, 1);
        multiply(&parts, &p, set, 4);
        const ig_matmul_kernel *kernel = ig_matmul_find(set, type->dtype);
        CHECK(memcmp(whole.packed, parts.packed, kernel->packed_bytes(p.rows, p.cols)) == 0);
        CHECK(memcmp(whole.acts, parts.acts, set->packers[kernel->act].bytes(p.cols, p.n_cols)) ==
              0);
        for (uint32_t c = 0; c < p.n_cols; c++)
            CHECK(memcmp(column(&whole, c), column(&parts, c), p.rows * sizeof(float)) == 0);
        for (uint32_t first = 0; first < p.n_cols; first += first < 12 ? 1 : 9) {
            const uint32_t n = 1 + next_random() % (p.n_cols - first);
            problem some = p;
            product r;
            some.n_cols = n;
            some.x = p.x + (size_t)first * (p.cols + 3);
            multiply(&r, &some, set, 1);
            for (uint32_t c = 0; c < n; c++)
                if (memcmp(column(&whole, first + c), column(&r, c), p.rows * sizeof(float)) != 0)
                    TEST_FAIL("%s: column %u of %u differs from column %u of %u", kernel->name, c,
                              n, first + c, p.n_cols);
            free_product(&r);
        }
        free_product(&whole);
        free_product(&parts);
        free_problem(&p);
    }
}

/* Other levels give the scalar level's bits, up to the rare double rounding of its FMA; BF16 up to
 * float rounding. */
TEST(levels_agree) {
    EACH_LEVEL(set) EACH_TYPE(type) {
        problem p;
        product a, b;
        make_problem(&p, type, 130, 768, 9, FILL_RANDOM);
        multiply(&a, &p, &ig_matmul_scalar, 1);
        multiply(&b, &p, set, 1);
        CHECK_EQ(memcmp(a.packed, b.packed,
                        ig_matmul_find(set, type->dtype)->packed_bytes(p.rows, p.cols)),
                 0);
        if (ig_matmul_find(set, type->dtype)->act ==
            ig_matmul_find(&ig_matmul_scalar, type->dtype)->act) {
            uint32_t different = 0;
            for (uint32_t c = 0; c < p.n_cols; c++)
                for (uint32_t i = 0; i < p.rows; i++)
                    different += memcmp(column(&a, c) + i, column(&b, c) + i, 4) != 0;
            if (different > 1)
                TEST_FAIL("%s: %u of %u outputs differ from scalar",
                          ig_matmul_find(set, type->dtype)->name, different, p.rows * p.n_cols);
        }
        free_product(&a);
        free_product(&b);
        free_problem(&p);
    }
}

/* Many columns: more than one block of columns that fits L2. */
TEST(column_blocks) {
    EACH_LEVEL(set) for (size_t t = 0; t < IG_COUNT(TYPES); t += 7) {
        if (set == &ig_matmul_scalar)
            continue;
        problem p;
        product r;
        make_problem(&p, &TYPES[t], 35, 2048, 300, FILL_RANDOM);
        multiply(&r, &p, set, 2);
        check_guards(&p, &r);
        check_values(&p, &r, set, 5e-6);
        free_product(&r);
        free_problem(&p);
    }
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(shapes), T(odd_float_widths), T(extremes), T(not_finite),
               T(bits_do_not_depend_on_the_division), T(levels_agree), T(column_blocks));
}
