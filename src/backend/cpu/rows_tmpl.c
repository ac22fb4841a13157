/* rows_tmpl.c: the row-wise ops, once per ISA level: norm, rope, map, add, glu, combine on one row
 * of f32.
 *
 * A column's arithmetic depends on its place in the row only, and every sum is taken in one fixed
 * order (VN * 4 running sums, then a tree), so a row gives the same bits alone and among others.
 * Any thread. */
#include "backend/cpu/cpu_rows.h"

#include "backend/cpu/vmath_f32.h"

#include <assert.h>
#include <math.h>

/* ---- walking views --------------------------------------------------------------------------- */

/* Place of element i of a view, and how many elements follow without a gap. */
static uint32_t run_at(const ig_ref *r, uint32_t i, uint32_t *column) {
    if (r->heads == 1 || r->stride == r->cols) {
        *column = r->col + i;
        return r->heads * r->cols - i;
    }
    *column = r->col + i / r->cols * r->stride + i % r->cols;
    return r->cols - i % r->cols;
}

/* Loads and stores of n <= VN elements; n is the constant VN but for the end of a row. */
IG_INLINE vf load_some(const float *p, uint32_t n) {
    return n == VN ? vf_load(p) : vf_loadn(p, n);
}
IG_INLINE void store_some(float *p, vf v, uint32_t n) {
    if (n == VN)
        vf_store(p, v);
    else
        vf_storen(p, v, n);
}

/* ---- norm ------------------------------------------------------------------------------------ */

/* Sum of (x - shift)^2, or of x when squares is false. */
IG_INLINE float row_sum(const float *x, uint32_t n, float shift, bool squares) {
    vf acc[4] = {vf_set(0), vf_set(0), vf_set(0), vf_set(0)};
    const vf mu = vf_set(shift);
    uint32_t i = 0;
    for (; i + 4 * VN <= n; i += 4 * VN) {
        IG_UNROLL
        for (uint32_t k = 0; k < 4; k++) {
            const vf v = vf_sub(vf_load(x + i + k * VN), mu);
            acc[k] = squares ? vf_fma(v, v, acc[k]) : vf_add(acc[k], v);
        }
    }
    for (uint32_t k = 0; i < n; k++) {
        const uint32_t m = IG_MIN(n - i, (uint32_t)VN);
        const vf v =
            vf_blend(vm_range(0, 0, (int32_t)m), vf_sub(load_some(x + i, m), mu), vf_set(0));
        acc[k] = squares ? vf_fma(v, v, acc[k]) : vf_add(acc[k], v);
        i += m;
    }
    return vf_hsum(vf_add(vf_add(acc[0], acc[2]), vf_add(acc[1], acc[3])));
}

/* What norm_head does with every column. */
typedef struct norm_frame {
    vf shift, scale;
    const float *w, *b; /* or NULL */
    uint32_t step;      /* 0 repeats w[0] and b[0] */
} norm_frame;

/* m columns from i on. */
IG_INLINE void norm_step(float *y, const float *x, uint32_t i, uint32_t m, const norm_frame *f) {
    vf v = vf_mul(vf_sub(load_some(x + i, m), f->shift), f->scale);
    if (f->w)
        v = vf_mul(v, f->step ? load_some(f->w + i, m) : vf_set(f->w[0]));
    if (f->b)
        v = vf_add(v, f->step ? load_some(f->b + i, m) : vf_set(f->b[0]));
    store_some(y + i, v, m);
}

/* y = (x - shift) * scale [* w] [+ b]. */
static void norm_head(float *y, const float *x, uint32_t n, const norm_frame *frame) {
    const norm_frame f = *frame;
    uint32_t i = 0;
    for (; i + VN <= n; i += VN)
        norm_step(y, x, i, VN, &f);
    if (i < n)
        norm_step(y, x, i, n - i, &f);
}

static void norm_head_strided(float *y, const float *x, uint32_t n, float shift, float scale,
                              const float *w, const float *b, uint32_t step) {
    for (uint32_t i = 0; i < n; i++) {
        float v = (x[i] - shift) * scale;
        v = w ? v * w[i * (size_t)step] : v;
        y[i] = b ? v + b[i * (size_t)step] : v;
    }
}

static void norm(const ig_row_args *a) {
    const ig_norm_attr *attr = &a->op->u.norm;
    const ig_ref in = a->op->in[0], out = a->op->out[0];
    const uint32_t n = in.cols;
    assert(out.heads == in.heads && out.cols == n);
    for (uint32_t h = 0; h < in.heads; h++) {
        const float *x = a->in[0] + in.col + (size_t)h * in.stride;
        float *y = a->out[0] + out.col + (size_t)h * out.stride;
        const float mean = attr->kind == IG_NORM_LAYER ? row_sum(x, n, 0, false) / (float)n : 0;
        const double squares = (double)row_sum(x, n, mean, true);
        double root = 1;
        switch (attr->kind) {
        case IG_NORM_RMS:
        case IG_NORM_LAYER:
            root = sqrt(squares / n + (double)attr->eps);
            break;
        case IG_NORM_L2_ADD:
            root = sqrt(squares + (double)attr->eps);
            break;
        case IG_NORM_L2_MAX:
            root = fmax(sqrt(squares), (double)attr->eps);
            break;
        }
        const size_t at = (size_t)h * attr->head_stride;
        const float *w = a->w[0] ? a->w[0] + at : NULL, *b = a->w[1] ? a->w[1] + at : NULL;
        const uint32_t step = attr->col_stride;
        if (step <= 1)
            norm_head(y, x, n, &(norm_frame){vf_set(mean), vf_set((float)(1 / root)), w, b, step});
        else
            norm_head_strided(y, x, n, mean, (float)(1 / root), w, b, step);
    }
}

/* ---- rope ------------------------------------------------------------------------------------ */

/* x' = x cos - y sin, y' = x sin + y cos for VN pairs. */
IG_INLINE void turn(vf x, vf y, vf c, vf s, vf *x2, vf *y2) {
    *x2 = vf_fnma(y, s, vf_mul(x, c));
    *y2 = vf_fma(x, s, vf_mul(y, c));
}

/* m pairs from pair i on. */
IG_INLINE void neox_step(float *y, const float *x, const float *cs, uint32_t half, uint32_t i,
                         uint32_t m, vf flip) {
    vf a, b;
    turn(load_some(x + i, m), load_some(x + half + i, m), load_some(cs + i, m),
         vf_mul(flip, load_some(cs + half + i, m)), &a, &b);
    store_some(y + i, a, m);
    store_some(y + half + i, b, m);
}

static void rope_neox(float *y, const float *x, const float *cs, uint32_t half, float sign) {
    const vf flip = vf_set(sign);
    uint32_t i = 0;
    for (; i + VN <= half; i += VN)
        neox_step(y, x, cs, half, i, VN, flip);
    if (i < half)
        neox_step(y, x, cs, half, i, half - i, flip);
}

static void rope_pairs(float *y, const float *x, const float *cs, uint32_t half, float sign) {
    const vf flip = vf_set(sign);
    uint32_t i = 0;
    for (; i + VN <= half; i += VN) {
        vf even, odd, a, b;
        vf_load2(x + 2 * i, &even, &odd);
        turn(even, odd, vf_load(cs + i), vf_mul(flip, vf_load(cs + half + i)), &a, &b);
        vf_store2(y + 2 * i, a, b);
    }
    for (; i < half; i++) { /* which columns come here depends on n_rot only */
        const float e = x[2 * i], o = x[2 * i + 1], c = cs[i], s = sign * cs[half + i];
        y[2 * i] = e * c - o * s;
        y[2 * i + 1] = e * s + o * c;
    }
}

static void rope(const ig_row_args *a) {
    const ig_rope_attr *attr = &a->op->u.rope;
    const ig_ref in = a->op->in[0], out = a->op->out[0];
    const uint32_t half = attr->n_rot / 2, after = attr->first + attr->n_rot;
    const float sign = attr->inverse ? -1.0f : 1.0f;
    assert(out.heads == in.heads && out.cols == in.cols && after <= in.cols);
    for (uint32_t h = 0; h < in.heads; h++) {
        const float *x = a->in[0] + in.col + (size_t)h * in.stride;
        float *y = a->out[0] + out.col + (size_t)h * out.stride;
        if (x != y) {
            memcpy(y, x, attr->first * sizeof *y);
            memcpy(y + after, x + after, (in.cols - after) * sizeof *y);
        }
        if (attr->pairs == IG_ROPE_NEOX)
            rope_neox(y + attr->first, x + attr->first, a->cos_sin, half, sign);
        else
            rope_pairs(y + attr->first, x + attr->first, a->cos_sin, half, sign);
    }
}

/* ---- elementwise functions ------------------------------------------------------------------- */

/* Constants of a function: meaning depends on the function. */
typedef struct params {
    float a, b, c, d;
} params;
typedef vf (*unary)(vf x, const params *p);

static inline vf fn_none(vf x, IG_UNUSED const params *p) {
    return x;
}
static inline vf fn_scale(vf x, const params *p) {
    return vf_mul(x, vf_set(p->a));
}
/* NaN stays NaN. */
static inline vf fn_clamp(vf x, const params *p) {
    return vf_min(vf_set(p->b), vf_max(vf_set(p->a), x));
}
static inline vf fn_softcap(vf x, const params *p) {
    return vf_mul(vf_set(p->a), vf_tanh(vf_div(x, vf_set(p->a))));
}
static inline vf fn_tanh(vf x, IG_UNUSED const params *p) {
    return vf_tanh(x);
}
static inline vf fn_sigmoid(vf x, IG_UNUSED const params *p) {
    return vf_sigmoid(x);
}
static inline vf fn_silu(vf x, IG_UNUSED const params *p) {
    return vf_silu(x);
}
static inline vf fn_gelu(vf x, IG_UNUSED const params *p) {
    return vf_gelu(x);
}
static inline vf fn_gelu_erf(vf x, IG_UNUSED const params *p) {
    return vf_gelu_erf(x);
}
static inline vf fn_relu(vf x, IG_UNUSED const params *p) {
    return vf_max(vf_set(0), x);
}
static inline vf fn_relu2(vf x, IG_UNUSED const params *p) {
    const vf r = vf_max(vf_set(0), x);
    return vf_mul(r, r);
}
static inline vf fn_softplus(vf x, IG_UNUSED const params *p) {
    return vf_softplus(x);
}
static inline vf fn_softplus2(vf x, IG_UNUSED const params *p) {
    return vf_softplus2(x);
}
/* a = alpha_n, b = alpha_p, both after softplus; c = beta, d = eps. */
static inline vf fn_xielu(vf x, const params *p) {
    const vf linear = vf_mul(vf_set(p->c), x);
    const vf above = vf_fma(vf_mul(vf_set(p->b), x), x, linear);
    const vf below = vf_fma(vf_set(p->a), vf_sub(vf_expm1(vf_min(vf_set(p->d), x)), x), linear);
    return vf_blend(vf_lt(vf_set(0), x), above, below);
}
/* min(x, 7) sigmoid(1.702 min(x, 7)): the gate of the OAI form. */
static inline vf fn_oai(vf x, IG_UNUSED const params *p) {
    const vf g = vf_min(vf_set(7), x);
    return vf_mul(g, vf_sigmoid(vf_mul(vf_set(1.702f), g)));
}

/* ---- map, add, scale ------------------------------------------------------------------------- */

/* Calls of `each` with a constant function are specialised by inlining. */
IG_INLINE void map_each(const ig_row_args *a, unary f, const params *p) {
    const ig_ref in = a->op->in[0], out = a->op->out[0];
    const uint32_t width = in.heads * in.cols;
    assert(out.heads * out.cols == width);
    for (uint32_t i = 0, n; i < width; i += n) {
        uint32_t x_col, y_col;
        n = run_at(&in, i, &x_col);
        n = IG_MIN(n, run_at(&out, i, &y_col));
        const float *x = a->in[0] + x_col;
        float *y = a->out[0] + y_col;
        for (uint32_t k = 0; k < n; k += VN) {
            const uint32_t m = IG_MIN(n - k, (uint32_t)VN);
            store_some(y + k, f(load_some(x + k, m), p), m);
        }
    }
}

static void map_mul(const ig_row_args *a) {
    const ig_ref in = a->op->in[0], out = a->op->out[0];
    const uint32_t width = in.heads * in.cols, count = a->w_count;
    const float *w = a->w[0];
    assert(count == 1 || count == in.heads || count == in.cols || count == width);
    for (uint32_t i = 0, n; i < width; i += n) {
        uint32_t x_col, y_col;
        n = run_at(&in, i, &x_col);
        n = IG_MIN(n, run_at(&out, i, &y_col));
        n = IG_MIN(n, in.cols - i % in.cols); /* weights repeat or change at heads */
        const bool vector = count != 1 && (count == width || count != in.heads);
        const float *weight = count == 1       ? w
                              : count == width ? w + i
                              : vector         ? w + i % in.cols
                                               : w + i / in.cols;
        const float *x = a->in[0] + x_col;
        float *y = a->out[0] + y_col;
        for (uint32_t k = 0; k < n; k += VN) {
            const uint32_t m = IG_MIN(n - k, (uint32_t)VN);
            const vf factor = vector ? load_some(weight + k, m) : vf_set(*weight);
            store_some(y + k, vf_mul(load_some(x + k, m), factor), m);
        }
    }
}

static void map(const ig_row_args *a) {
    const ig_map_attr *attr = &a->op->u.map;
    params p = {attr->a, attr->b, attr->c, 0};
    switch (attr->fn) {
    case IG_MAP_SCALE:
        map_each(a, fn_scale, &p);
        return;
    case IG_MAP_MUL:
        map_mul(a);
        return;
    case IG_MAP_POS_TEMP: {
        const double units = floor(((double)a->position + (double)attr->b) / (double)attr->c);
        p.a = (float)(1 + (double)attr->a * log(1 + units));
        map_each(a, fn_scale, &p);
        return;
    }
    case IG_MAP_CLAMP:
        map_each(a, fn_clamp, &p);
        return;
    case IG_MAP_SOFTCAP:
        map_each(a, fn_softcap, &p);
        return;
    case IG_MAP_TANH:
        map_each(a, fn_tanh, &p);
        return;
    case IG_MAP_SIGMOID:
        map_each(a, fn_sigmoid, &p);
        return;
    case IG_MAP_SILU:
        map_each(a, fn_silu, &p);
        return;
    case IG_MAP_GELU:
        map_each(a, fn_gelu, &p);
        return;
    case IG_MAP_GELU_ERF:
        map_each(a, fn_gelu_erf, &p);
        return;
    case IG_MAP_RELU:
        map_each(a, fn_relu, &p);
        return;
    case IG_MAP_RELU2:
        map_each(a, fn_relu2, &p);
        return;
    case IG_MAP_SOFTPLUS:
        map_each(a, fn_softplus, &p);
        return;
    case IG_MAP_FN_COUNT:
        break;
    }
    assert(!"map function out of range");
}

/* y = a x0 + b x1 for m columns. */
IG_INLINE void add_step(float *y, const float *x0, const float *x1, uint32_t m, vf a, vf b) {
    store_some(y, vf_fma(load_some(x0, m), a, vf_mul(load_some(x1, m), b)), m);
}

/* in[1] may be a broadcast row: its width is that of in[0] all the same. */
static void add(const ig_row_args *a) {
    const ig_ref in0 = a->op->in[0], in1 = a->op->in[1], out = a->op->out[0];
    const uint32_t width = in0.heads * in0.cols;
    assert(in1.heads * in1.cols == width && out.heads * out.cols == width);
    const vf fa = vf_set(a->op->u.add.a), fb = vf_set(a->op->u.add.b);
    for (uint32_t i = 0, n; i < width; i += n) {
        uint32_t c0, c1, c2;
        n = run_at(&in0, i, &c0);
        n = IG_MIN(n, run_at(&in1, i, &c1));
        n = IG_MIN(n, run_at(&out, i, &c2));
        const float *x0 = a->in[0] + c0, *x1 = a->in[1] + c1;
        float *y = a->out[0] + c2;
        uint32_t k = 0;
        for (; k + VN <= n; k += VN)
            add_step(y + k, x0 + k, x1 + k, VN, fa, fb);
        if (k < n)
            add_step(y + k, x0 + k, x1 + k, n - k, fa, fb);
    }
}

static void scale(float *y, const float *x, float factor, uint32_t n) {
    const vf f = vf_set(factor);
    for (uint32_t i = 0; i < n; i += VN) {
        const uint32_t m = IG_MIN(n - i, (uint32_t)VN);
        store_some(y + i, vf_mul(load_some(x + i, m), f), m);
    }
}

/* ---- glu ------------------------------------------------------------------------------------- */

/* What glu does around the activation. */
typedef struct glu_frame {
    ig_glu_limit limit;
    vf cap, floor;       /* c and -c */
    bool oai;            /* u is clamped to +-7 and gets 1 added */
    const float *divide; /* [width] or NULL */
} glu_frame;

IG_INLINE vf glu_gate(vf g, unary f, const params *p, const glu_frame *frame) {
    if (frame->limit == IG_LIMIT_PRE)
        g = vf_min(frame->cap, g);
    g = f(g, p);
    return frame->limit == IG_LIMIT_POST ? vf_min(frame->cap, g) : g;
}

IG_INLINE vf glu_other(vf u, const glu_frame *frame) {
    if (frame->limit != IG_LIMIT_NONE)
        u = vf_min(frame->cap, vf_max(frame->floor, u));
    if (frame->oai)
        u = vf_add(vf_min(vf_set(7), vf_max(vf_set(-7), u)), vf_set(1));
    return u;
}

/* y = act(g) [/ divide] [* u] for m columns; g has one column when it is repeated. */
IG_INLINE void glu_step(float *y, const float *g, bool repeat, const float *u, const float *divide,
                        uint32_t m, unary f, const params *p, const glu_frame *frame) {
    vf v = glu_gate(repeat ? vf_set(*g) : load_some(g, m), f, p, frame);
    if (divide)
        v = vf_div(v, load_some(divide, m));
    if (u)
        v = vf_mul(v, glu_other(load_some(u, m), frame));
    store_some(y, v, m);
}

IG_INLINE void glu_each(const ig_row_args *a, unary f, const params *p, const glu_frame *frame) {
    const ig_ref gate = a->op->in[0], other = a->op->in[1], out = a->op->out[0];
    const bool has_other = other.value != 0;
    const ig_ref wide =
        has_other ? other : gate; /* g may be narrower: a column per head or row of u */
    const ig_glu_broadcast broadcast = has_other ? a->op->u.glu.broadcast : IG_GLU_ELEM;
    const uint32_t width = wide.heads * wide.cols;
    assert(out.heads * out.cols == width);
    for (uint32_t i = 0, n; i < width; i += n) {
        uint32_t g_col, u_col, y_col;
        n = run_at(&out, i, &y_col);
        n = IG_MIN(n, run_at(&wide, i, &u_col));
        if (broadcast == IG_GLU_ELEM) {
            n = IG_MIN(n, run_at(&gate, i, &g_col));
        } else {
            (void)run_at(&gate, broadcast == IG_GLU_HEAD ? i / wide.cols : 0, &g_col);
            n = IG_MIN(n, wide.cols - i % wide.cols);
        }
        const float *g = a->in[0] + g_col, *u = has_other ? a->in[1] + u_col : NULL;
        float *y = a->out[0] + y_col;
        const bool repeat = broadcast != IG_GLU_ELEM;
        const float *divide = frame->divide ? frame->divide + i : NULL;
        uint32_t k = 0;
        if (!repeat && !divide && u) { /* the common form, without conditions in the loop */
            for (; k + VN <= n; k += VN)
                glu_step(y + k, g + k, false, u + k, NULL, VN, f, p, frame);
        }
        for (; k < n; k += VN)
            glu_step(y + k, repeat ? g : g + k, repeat, u ? u + k : NULL,
                     divide ? divide + k : NULL, IG_MIN(n - k, (uint32_t)VN), f, p, frame);
    }
}

static float softplus_1(float x) {
    return (float)(x > 20 ? (double)x : log1p(exp((double)x)));
}

static void glu(const ig_row_args *a) {
    const ig_glu_attr *attr = &a->op->u.glu;
    const glu_frame frame = {attr->c > 1e-6f ? attr->limit : IG_LIMIT_NONE, vf_set(attr->c),
                             vf_set(-attr->c), attr->act == IG_ACT_OAI, a->w[0]};
    params p = {0};
    if (attr->act == IG_ACT_XIELU)
        p = (params){attr->p[2] + softplus_1(attr->p[0]), softplus_1(attr->p[1]), attr->p[2],
                     attr->p[3]};
    switch (attr->act) {
    case IG_ACT_NONE:
        glu_each(a, fn_none, &p, &frame);
        return;
    case IG_ACT_SILU:
        glu_each(a, fn_silu, &p, &frame);
        return;
    case IG_ACT_GELU:
        glu_each(a, fn_gelu, &p, &frame);
        return;
    case IG_ACT_GELU_ERF:
        glu_each(a, fn_gelu_erf, &p, &frame);
        return;
    case IG_ACT_RELU:
        glu_each(a, fn_relu, &p, &frame);
        return;
    case IG_ACT_RELU2:
        glu_each(a, fn_relu2, &p, &frame);
        return;
    case IG_ACT_SIGMOID:
        glu_each(a, fn_sigmoid, &p, &frame);
        return;
    case IG_ACT_TANH:
        glu_each(a, fn_tanh, &p, &frame);
        return;
    case IG_ACT_SOFTPLUS:
        glu_each(a, fn_softplus, &p, &frame);
        return;
    case IG_ACT_SOFTPLUS2:
        glu_each(a, fn_softplus2, &p, &frame);
        return;
    case IG_ACT_XIELU:
        glu_each(a, fn_xielu, &p, &frame);
        return;
    case IG_ACT_OAI:
        glu_each(a, fn_oai, &p, &frame);
        return;
    case IG_ACT_COUNT:
        break;
    }
    assert(!"activation out of range");
}

/* ---- combine --------------------------------------------------------------------------------- */

/* out = sum_j w_j y_j, j ascending. */
static void combine(const ig_row_args *a) {
    const ig_ref y = a->op->in[0], w = a->op->in[1], out = a->op->out[0];
    const uint32_t k_experts = y.heads, n = y.cols;
    const float *weight = a->in[1];
    assert(out.heads * out.cols == n && w.heads * w.cols == k_experts);
    float *to = a->out[0] + out.col; /* out is one head */
    for (uint32_t i = 0; i < n; i += VN) {
        const uint32_t m = IG_MIN(n - i, (uint32_t)VN);
        vf acc = vf_set(0);
        for (uint32_t j = 0; j < k_experts; j++) {
            uint32_t column;
            (void)run_at(&w, j, &column);
            acc = vf_fma(vf_set(weight[column]),
                         load_some(a->in[0] + y.col + (size_t)j * y.stride + i, m), acc);
        }
        store_some(to + i, acc, m);
    }
}

const ig_row_set IG_ISA_SYMBOL(ig_rows) = {
    .isa = IG_ISA_NAME,
    .norm = norm,
    .rope = rope,
    .map = map,
    .add = add,
    .glu = glu,
    .combine = combine,
    .scale = scale,
};
