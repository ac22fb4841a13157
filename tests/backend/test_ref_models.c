/* test_ref_models.c: whole models on ref: no result depends on how tokens are cut into steps; every
 * allocation fails once. */
#include "backend/ref/ref.h"
#include "kernels/tiny_model.h"
#include "test.h"

static const tiny_options models[] = {
    {.n_layers = 2},
    {.n_layers = 3, .window = 9, .sandwich = true},
    {.n_layers = 4, .window = 33, .experts = true},
    {.n_layers = 2, .experts = true, .dtype = IG_DTYPE_Q8_0},
};

static run_spec tiny_spec(run_cut cut, uint32_t chunk) {
    static int32_t ids[128];
    run_rng rng = {5};
    for (size_t i = 0; i < 128; i++)
        ids[i] = (int32_t)(run_random(&rng) % TINY_VOCAB);
    return (run_spec){.n_seqs = 3,
                      .lens = {80, 41, 7},
                      .ids = ids,
                      .cut = cut,
                      .chunk = chunk,
                      .free_pages = true};
}

TEST(models_do_not_depend_on_steps) {
    static float whole[128 * TINY_VOCAB], cut[128 * TINY_VOCAB];
    static const ig_dtype caches[] = {IG_DTYPE_F32, IG_DTYPE_F16, IG_DTYPE_BF16};
    ig_err err = {0};
    for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
        for (int c = 0; c < 4; c++) {
            static const uint32_t chunks[] = {0, 1, 31, 5};
            ig_program *p;
            run_spec spec = tiny_spec(c == 0   ? RUN_WHOLE
                                      : c == 3 ? RUN_UNEVEN
                                               : RUN_CHUNKS,
                                      chunks[c]);
            spec.k_dtype = caches[m % 3];
            spec.v_dtype = caches[(m + 1) % 3];
            REQUIRE_OK(tiny_model(&models[m], &p, &err));
            REQUIRE_OK(run_program(&ig_backend_ref, NULL, &p, &spec, c ? cut : whole, &err));
            if (c)
                CHECK(memcmp(whole, cut, sizeof whole) == 0);
        }
        double sum = 0;
        for (size_t i = 0; i < 128 * TINY_VOCAB; i++)
            sum += fabs((double)whole[i]);
        CHECK(isfinite(sum) && sum > 1000);
    }
}

/* A sequence gives the same logits whoever shares its steps. */
TEST(models_do_not_depend_on_neighbours) {
    static float together[128 * TINY_VOCAB], alone[80 * TINY_VOCAB];
    ig_err err = {0};
    ig_program *p;
    run_spec spec = tiny_spec(RUN_WHOLE, 0);
    REQUIRE_OK(tiny_model(&models[2], &p, &err));
    REQUIRE_OK(run_program(&ig_backend_ref, NULL, &p, &spec, together, &err));
    spec.n_seqs = 1;
    REQUIRE_OK(tiny_model(&models[2], &p, &err));
    REQUIRE_OK(run_program(&ig_backend_ref, NULL, &p, &spec, alone, &err));
    CHECK(memcmp(together, alone, sizeof alone) == 0);
}

TEST(every_allocation_may_fail) {
    static float out[16 * TINY_VOCAB];
    const tiny_options small = {.n_layers = 2, .window = 9, .experts = true};
    ig_err err = {0};
    bool passed = false;
    for (uint64_t n = 1; n < 400 && !passed; n++) {
        run_spec spec = tiny_spec(RUN_CHUNKS, 3);
        ig_program *p = NULL;
        spec.lens[0] = 4;
        spec.n_seqs = 1;
        REQUIRE_OK(tiny_model(&small, &p, &err));
        ig_alloc_fail_after(n);
        const ig_status status = run_program(&ig_backend_ref, NULL, &p, &spec, out, &err);
        const uint64_t made = ig_alloc_fail_after(0);
        passed = made < n;
        CHECK_EQ(status, passed ? IG_OK : IG_EMEMORY);
        CHECK(p == NULL);
    }
    CHECK(passed);
}

int main(int argc, char **argv) {
    return RUN(argc, argv, T(models_do_not_depend_on_steps), T(models_do_not_depend_on_neighbours),
               T(every_allocation_may_fail));
}
