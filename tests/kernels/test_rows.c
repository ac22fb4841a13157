/* test_rows.c: every row op of every ISA level against plain double formulas: dense ranges,
 * extremes, odd widths, strided and equal views, guard values around the output. */
#include "test.h"

#include "isa_list.h"

#define GUARD 12345.5f
#define WIDTH_MAX 4096

static float in0[WIDTH_MAX], in1[WIDTH_MAX], weights[WIDTH_MAX], biases[WIDTH_MAX],
    result[WIDTH_MAX + 64];
static isa_level levels[ISA_LEVELS_MAX];
static uint32_t n_levels;

static uint32_t seed = 1;
static float noise(void) { /* about normal, -3..3 */
    float sum = 0;
    for (int i = 0; i < 4; i++) {
        seed = seed * 1664525u + 1013904223u;
        sum += (float)(seed >> 8) / 16777216.0f - 0.5f;
    }
    return sum * 1.7f;
}
static void fill(float *p, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        p[i] = noise();
}

static ig_ref view(uint32_t col, uint32_t heads, uint32_t cols, uint32_t stride) {
    return (ig_ref){.value = 1, .col = col, .heads = heads, .cols = cols, .stride = stride};
}
/* Column of element i. */
static uint32_t at(ig_ref r, uint32_t i) {
    return r.col + i / r.cols * r.stride + i % r.cols;
}

static void guards_set(void) {
    for (uint32_t i = 0; i < WIDTH_MAX + 64; i++)
        result[i] = GUARD;
}
/* Number of elements outside the view that were written. */
static uint32_t guards_broken(ig_ref r) {
    static bool inside[WIDTH_MAX + 64];
    memset(inside, 0, sizeof inside);
    for (uint32_t i = 0; i < r.heads * r.cols; i++)
        inside[at(r, i)] = true;
    uint32_t bad = 0;
    for (uint32_t i = 0; i < WIDTH_MAX + 64; i++)
        bad += !inside[i] && result[i] != GUARD;
    return bad;
}

/* |got - want| within rel * |want| + abs; equal infinities and NaN with NaN agree. */
static bool agrees(float got, double want, double rel, double abs) {
    if (isnan(want))
        return isnan(got);
    const float rounded = (float)want;
    if (isinf(rounded) || isinf(got))
        return got == rounded || fabs((double)got) >= 3.4028e38 || fabs(want) >= 3.4028e38;
    return fabs((double)got - want) <= rel * fabs(want) + abs;
}

/* ---- functions ------------------------------------------------------------------------------- */

typedef struct fn_case {
    const char *name;
    ig_map_fn fn;
    double (*want)(double x);
    double rel;        /* ulp are 6e-8 */
    double rel_square; /* added, times x^2: where the formula magnifies the rounding of x */
} fn_case;

static double want_sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double want_silu(double x) {
    return x / (1 + exp(-x));
}
static double want_gelu(double x) {
    return x / (1 + exp(-2 * 0.7978845608028654 * (x + 0.044715 * x * x * x)));
}
static double want_gelu_erf(double x) {
    return 0.5 * x * erfc(-x * 0.70710678118654752440);
}
static double want_relu(double x) {
    return x <= 0 ? 0 : x;
}
static double want_relu2(double x) {
    return x <= 0 ? 0 : x * x;
}
static double want_softplus(double x) {
    return x > 20 ? x : log1p(exp(x));
}
static double want_softcap(double x) {
    return 30 * tanh(x / 30);
}
static double want_clamp(double x) {
    return x < -1.5 ? -1.5 : x > 30 ? 30 : x;
}
static double want_scale(double x) {
    return -1.5 * x;
}

static const fn_case functions[] = {
    {"scale", IG_MAP_SCALE, want_scale, 6e-8, 0},
    {"clamp", IG_MAP_CLAMP, want_clamp, 0, 0},
    {"softcap", IG_MAP_SOFTCAP, want_softcap, 4e-7, 0},
    {"tanh", IG_MAP_TANH, tanh, 2.5e-7, 0},
    {"sigmoid", IG_MAP_SIGMOID, want_sigmoid, 2.5e-7, 0},
    {"silu", IG_MAP_SILU, want_silu, 2.5e-7, 0},
    {"gelu", IG_MAP_GELU, want_gelu, 3e-7, 3e-7},
    {"gelu_erf", IG_MAP_GELU_ERF, want_gelu_erf, 4e-7, 1e-7},
    {"relu", IG_MAP_RELU, want_relu, 0, 0},
    {"relu2", IG_MAP_RELU2, want_relu2, 6e-8, 0},
    {"softplus", IG_MAP_SOFTPLUS, want_softplus, 2.5e-7, 0},
};

static const float extremes[] = {
    0.0f,   -0.0f,   1e-45f,  -1e-45f,  1e-38f, -1e-38f, 1e-30f, -1e-30f, 1e-8f,    -1e-8f,
    1e10f,  -1e10f,  3e38f,   -3e38f,   87.0f,  -87.0f,  88.8f,  -88.8f,  -95.0f,   -103.0f,
    0.625f, -0.625f, 0.3465f, -0.3465f, 20.0f,  -20.0f,  1e5f,   -1e5f,   INFINITY, NAN};

/* x of point i: extremes first, then a dense range on both sides of zero, fine near it. */
static float point(uint32_t i) {
    if (i < sizeof extremes / sizeof *extremes)
        return extremes[i];
    const float t = (float)(i % 1024) / 1024.0f - 0.5f + (float)(i / 1024) / 1024.0f / 64.0f;
    static const float reach[] = {0.5f, 4.0f, 30.0f, 250.0f};
    return t * reach[i / 1024 % 4];
}

TEST(functions_match) {
    const uint32_t n = WIDTH_MAX - 5;
    for (uint32_t i = 0; i < n; i++)
        in0[i] = point(i);
    for (uint32_t l = 0; l < n_levels; l++) {
        for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
            const fn_case *c = &functions[f];
            ig_op op = {.kind = IG_OP_MAP, .in = {view(0, 1, n, n)}, .out = {view(3, 1, n, n)}};
            op.u.map = (ig_map_attr){.fn = c->fn, .a = 30, .b = 30};
            op.u.map.a = c->fn == IG_MAP_SCALE || c->fn == IG_MAP_CLAMP ? -1.5f : 30;
            guards_set();
            levels[l].rows->map(&(ig_row_args){.op = &op, .in = {in0}, .out = {result}});
            uint32_t bad = 0;
            for (uint32_t i = 0; i < n; i++) {
                const double x = (double)in0[i], want = c->want(x);
                const double rel = c->rel + c->rel_square * fmin(x * x, 1e4);
                if (!agrees(result[3 + i], want, rel, 1e-36) && bad++ < 3)
                    TEST_FAIL("%s %s(%.9g) = %.9g, not %.9g", levels[l].name, c->name, x,
                              (double)result[3 + i], want);
            }
            CHECK_EQ(bad, 0);
            CHECK_EQ(guards_broken(op.out[0]), 0);
        }
    }
}

/* ---- norm ------------------------------------------------------------------------------------ */

static void want_norm(const ig_op *op, double *want, const float *w, const float *b) {
    const ig_norm_attr *a = &op->u.norm;
    const ig_ref r = op->in[0];
    for (uint32_t h = 0; h < r.heads; h++) {
        double mean = 0, squares = 0;
        for (uint32_t c = 0; c < r.cols; c++)
            mean += (double)in0[at(r, h * r.cols + c)] / r.cols;
        mean = a->kind == IG_NORM_LAYER ? mean : 0;
        for (uint32_t c = 0; c < r.cols; c++) {
            const double d = (double)in0[at(r, h * r.cols + c)] - mean;
            squares += d * d;
        }
        const double root = a->kind == IG_NORM_L2_ADD   ? sqrt(squares + (double)a->eps)
                            : a->kind == IG_NORM_L2_MAX ? fmax(sqrt(squares), (double)a->eps)
                                                        : sqrt(squares / r.cols + (double)a->eps);
        for (uint32_t c = 0; c < r.cols; c++) {
            const size_t k = (size_t)h * a->head_stride + (size_t)c * a->col_stride;
            want[h * r.cols + c] =
                ((double)in0[at(r, h * r.cols + c)] - mean) / root * (w ? (double)w[k] : 1) +
                (b ? (double)b[k] : 0);
        }
    }
}

TEST(norms_match) {
    static double want[WIDTH_MAX];
    static const uint32_t widths[] = {1, 3, 8, 63, 64, 80, 129, 1000};
    fill(in0, WIDTH_MAX);
    fill(weights, WIDTH_MAX);
    fill(biases, WIDTH_MAX);
    for (uint32_t l = 0; l < n_levels; l++) {
        for (uint32_t i = 0; i < 8 * 4 * 2 * 4; i++) {
            const uint32_t n = widths[i % 8], kind = i / 8 % 4, heads = i / 32 % 2 ? 3 : 1,
                           form = i / 64;
            ig_op op = {.kind = IG_OP_NORM,
                        .in = {view(2, heads, n, n + 5)},
                        .out = {view(1, heads, n, n)}};
            op.u.norm = (ig_norm_attr){.kind = kind,
                                       .eps = 1e-3f,
                                       .head_stride = form == 1 ? n : form == 3,
                                       .col_stride = form < 2};
            if (form == 2)
                op.u.norm.col_stride = 2;
            const float *w = form == 1 && kind == 3 ? NULL : weights, *b = form % 2 ? biases : NULL;
            guards_set();
            levels[l].rows->norm(
                &(ig_row_args){.op = &op, .in = {in0}, .out = {result}, .w = {w, b}});
            want_norm(&op, want, w, b);
            uint32_t bad = 0;
            for (uint32_t k = 0; k < heads * n; k++)
                bad += !agrees(result[at(op.out[0], k)], want[k], 2e-6, 2e-6);
            CHECK_EQ(bad, 0);
            CHECK_EQ(guards_broken(op.out[0]), 0);
        }
    }
}

/* ---- rope ------------------------------------------------------------------------------------ */

TEST(rope_matches) {
    static double inv_freq[64];
    float cos_sin[128];
    fill(in0, WIDTH_MAX);
    static const uint32_t rotated[] = {2, 6, 16, 24, 64, 80, 128};
    for (uint32_t l = 0; l < n_levels; l++) {
        for (uint32_t i = 0; i < 7 * 2 * 2 * 2; i++) {
            const uint32_t n_rot = rotated[i % 7], first = i / 7 % 2 * 3,
                           cols = first + n_rot + i / 7 % 2 * 5;
            for (uint32_t k = 0; k < n_rot / 2; k++)
                inv_freq[k] = pow(10000.0, -2.0 * k / n_rot);
            ig_op op = {.kind = IG_OP_ROPE,
                        .in = {view(4, 2, cols, cols + 1)},
                        .out = {view(4, 2, cols, cols + 1)}};
            op.u.rope = (ig_rope_attr){.pairs = i / 14 % 2 ? IG_ROPE_NEOX : IG_ROPE_NORM,
                                       .n_rot = n_rot,
                                       .first = first,
                                       .inv_freq = inv_freq,
                                       .m = 1.25f,
                                       .inverse = i / 28};
            ig_rope_table(&op.u.rope, 12345, cos_sin);
            const bool in_place = i % 3 == 0;
            guards_set();
            if (in_place)
                for (uint32_t k = 0; k < 2 * cols; k++)
                    result[at(op.in[0], k)] = in0[at(op.in[0], k)];
            levels[l].rows->rope(&(ig_row_args){
                .op = &op, .in = {in_place ? result : in0}, .out = {result}, .cos_sin = cos_sin});
            uint32_t bad = 0;
            for (uint32_t k = 0; k < 2 * cols; k++) {
                const uint32_t c = k % cols - first, half = n_rot / 2;
                const float *x = in0 + at(op.in[0], k);
                double want = (double)*x;
                if (k % cols >= first && c < n_rot) {
                    const bool neox = op.u.rope.pairs == IG_ROPE_NEOX,
                               second = neox ? c >= half : c % 2;
                    const double angle =
                        12345 * inv_freq[neox ? c % half : c / 2] * (op.u.rope.inverse ? -1 : 1);
                    const int32_t partner = (int32_t)(neox ? half : 1) * (second ? -1 : 1);
                    want = 1.25 * ((double)*x * cos(angle) +
                                   (second ? 1 : -1) * (double)x[partner] * sin(angle));
                }
                bad += !agrees(result[at(op.out[0], k)], want, 1e-6, 1e-6);
            }
            CHECK_EQ(bad, 0);
            CHECK_EQ(guards_broken(op.out[0]), 0);
        }
    }
}

/* ---- glu ------------------------------------------------------------------------------------- */

static double want_act(const ig_glu_attr *a, double g) {
    switch (a->act) {
    case IG_ACT_NONE:
        return g;
    case IG_ACT_SILU:
        return want_silu(g);
    case IG_ACT_GELU:
        return want_gelu(g);
    case IG_ACT_GELU_ERF:
        return want_gelu_erf(g);
    case IG_ACT_RELU:
        return want_relu(g);
    case IG_ACT_RELU2:
        return want_relu2(g);
    case IG_ACT_SIGMOID:
        return want_sigmoid(g);
    case IG_ACT_TANH:
        return tanh(g);
    case IG_ACT_SOFTPLUS:
        return want_softplus(g);
    case IG_ACT_SOFTPLUS2:
        return log2(1 + exp2(g));
    case IG_ACT_XIELU: {
        const double an = (double)a->p[2] + want_softplus((double)a->p[0]),
                     ap = want_softplus((double)a->p[1]);
        return g > 0 ? ap * g * g + (double)a->p[2] * g
                     : an * (expm1(fmin(g, (double)a->p[3])) - g) + (double)a->p[2] * g;
    }
    case IG_ACT_OAI:
        g = fmin(g, 7);
        return g * want_sigmoid(1.702 * g);
    case IG_ACT_COUNT:
        break;
    }
    return NAN;
}

static double want_glu(const ig_glu_attr *a, double g, double u, double divide) {
    const double c = (double)a->c;
    const bool limited = a->limit != IG_LIMIT_NONE && c > 1e-6;
    if (limited && a->limit == IG_LIMIT_PRE)
        g = fmin(g, c);
    g = want_act(a, g);
    if (limited && a->limit == IG_LIMIT_POST)
        g = fmin(g, c);
    if (limited)
        u = fmax(fmin(u, c), -c);
    if (a->act == IG_ACT_OAI)
        u = fmax(fmin(u, 7), -7) + 1;
    return g / divide * u;
}

TEST(glu_matches) {
    fill(in0, WIDTH_MAX);
    fill(in1, WIDTH_MAX);
    fill(weights, WIDTH_MAX);
    for (uint32_t i = 0; i < WIDTH_MAX; i++) {
        in0[i] *= 4;
        in1[i] *= 4;
        weights[i] = 1 + weights[i] * weights[i];
    }
    for (uint32_t l = 0; l < n_levels; l++) {
        for (uint32_t i = 0; i < IG_ACT_COUNT * 3 * 3 * 4; i++) {
            ig_glu_attr a = {.act = i % IG_ACT_COUNT,
                             .limit = i / IG_ACT_COUNT % 3,
                             .broadcast = i / IG_ACT_COUNT / 3 % 3,
                             .c = 1.5f,
                             .p = {0.3f, 0.6f, 0.5f, -1e-6f}};
            const uint32_t form = i / IG_ACT_COUNT / 9, heads = 5, cols = form < 2 ? 37 : 64,
                           n = heads * cols;
            const bool alone = form == 3 && a.broadcast == IG_GLU_ELEM && a.act != IG_ACT_OAI,
                       divided = form == 1;
            ig_op op = {.kind = IG_OP_GLU, .out = {view(1, 1, n, n)}};
            op.in[0] = a.broadcast == IG_GLU_ELEM   ? view(2, heads, cols, cols + form)
                       : a.broadcast == IG_GLU_HEAD ? view(2, 1, heads, heads)
                                                    : view(2, 1, 1, 1);
            op.in[1] = alone ? (ig_ref){0} : view(3, heads, cols, cols + 2);
            op.u.glu = a;
            guards_set();
            levels[l].rows->glu(&(ig_row_args){
                .op = &op, .in = {in0, in1}, .out = {result}, .w = {divided ? weights : NULL}});
            uint32_t bad = 0;
            for (uint32_t k = 0; k < n; k++) {
                const uint32_t g_at = a.broadcast == IG_GLU_ELEM   ? k
                                      : a.broadcast == IG_GLU_HEAD ? k / cols
                                                                   : 0;
                const double want = want_glu(&a, (double)in0[at(op.in[0], g_at)],
                                             alone ? 1 : (double)in1[at(op.in[1], k)],
                                             divided ? (double)weights[k] : 1);
                if (!agrees(result[1 + k], want, 5e-6, 2e-6) && bad++ == 0)
                    TEST_FAIL("%s act %u limit %u broadcast %u form %u, column %u: %.9g, not %.9g",
                              levels[l].name, a.act, a.limit, a.broadcast, form, k,
                              (double)result[1 + k], want);
            }
            CHECK_EQ(guards_broken(op.out[0]), 0);
        }
    }
}

/* ---- the rest -------------------------------------------------------------------------------- */

TEST(map_mul_and_pos_temp_match) {
    fill(in0, WIDTH_MAX);
    fill(weights, WIDTH_MAX);
    const uint32_t heads = 6, cols = 35, n = heads * cols;
    const uint32_t counts[] = {1, heads, cols, n};
    for (uint32_t l = 0; l < n_levels; l++) {
        for (uint32_t i = 0; i < 4; i++) {
            ig_op op = {.kind = IG_OP_MAP,
                        .in = {view(0, heads, cols, cols + 3)},
                        .out = {view(2, heads, cols, cols)}};
            op.u.map.fn = IG_MAP_MUL;
            guards_set();
            levels[l].rows->map(&(ig_row_args){
                .op = &op, .in = {in0}, .out = {result}, .w = {weights}, .w_count = counts[i]});
            uint32_t bad = 0;
            for (uint32_t k = 0; k < n; k++) {
                const uint32_t w = i == 0 ? 0 : i == 1 ? k / cols : i == 2 ? k % cols : k;
                bad += result[at(op.out[0], k)] != in0[at(op.in[0], k)] * weights[w];
            }
            CHECK_EQ(bad, 0);
            CHECK_EQ(guards_broken(op.out[0]), 0);
        }
        ig_op op = {.kind = IG_OP_MAP, .in = {view(0, 1, 100, 100)}, .out = {view(0, 1, 100, 100)}};
        op.u.map = (ig_map_attr){.fn = IG_MAP_POS_TEMP, .a = 0.1f, .b = 1, .c = 64};
        levels[l].rows->map(
            &(ig_row_args){.op = &op, .in = {in0}, .out = {result}, .position = 1000});
        for (uint32_t k = 0; k < 100; k++)
            CHECK(agrees(result[k],
                         (double)in0[k] * (1 + (double)0.1f * log(1 + floor(1001 / 64.0))), 2e-7,
                         0));
    }
}

TEST(add_scale_combine_match) {
    fill(in0, WIDTH_MAX);
    fill(in1, WIDTH_MAX);
    for (uint32_t l = 0; l < n_levels; l++) {
        for (uint32_t n = 1; n < 200; n += 13) {
            ig_op op = {.kind = IG_OP_ADD,
                        .in = {view(1, 2, n, n + 1), view(0, 1, 2 * n, 2 * n)},
                        .out = {view(2, 2, n, n + 4)}};
            op.u.add = (ig_add_attr){1.5f, -0.25f};
            guards_set();
            levels[l].rows->add(&(ig_row_args){.op = &op, .in = {in0, in1}, .out = {result}});
            for (uint32_t k = 0; k < 2 * n; k++)
                CHECK(agrees(result[at(op.out[0], k)],
                             1.5 * (double)in0[at(op.in[0], k)] - 0.25 * (double)in1[k], 2e-7,
                             2e-7));
            CHECK_EQ(guards_broken(op.out[0]), 0);

            guards_set();
            levels[l].rows->scale(result + 1, in0, 3.0f, n);
            for (uint32_t k = 0; k < n; k++)
                CHECK(result[1 + k] == 3.0f * in0[k]);
            CHECK_EQ(guards_broken(view(1, 1, n, n)), 0);

            ig_op mix = {.kind = IG_OP_COMBINE,
                         .in = {view(1, 4, n, n + 2), view(3, 1, 4, 4)},
                         .out = {view(0, 1, n, n)}};
            guards_set();
            levels[l].rows->combine(&(ig_row_args){.op = &mix, .in = {in0, in1}, .out = {result}});
            for (uint32_t k = 0; k < n; k++) {
                double want = 0;
                for (uint32_t j = 0; j < 4; j++)
                    want += (double)in1[3 + j] * (double)in0[at(mix.in[0], j * n + k)];
                CHECK(agrees(result[k], want, 1e-6, 2e-6));
            }
            CHECK_EQ(guards_broken(mix.out[0]), 0);
        }
    }
}

int main(int argc, char **argv) {
    n_levels = isa_list(levels);
    return RUN(argc, argv, T(functions_match), T(norms_match), T(rope_matches), T(glu_matches),
               T(map_mul_and_pos_temp_match), T(add_scale_combine_match));
}
