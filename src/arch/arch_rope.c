/* arch_rope.c: inverse frequencies of rotary positions. Every scaling (linear, YaRN, long and short
 * factors, factor tensors) is folded into the table, in f64, once. YaRN:
 * https://arxiv.org/abs/2309.00071. */
#include "arch/arch_int.h"

#include <math.h>

/* What one kind of layer (full or window) asks for. */
typedef struct rope_want {
    uint32_t n_rot;
    double base, scale; /* scale: of frequencies, 1/f */
    bool yarn;
    double m;
    const float *factors; /* [n_rot / 2] or NULL */
} rope_want;

static double correction(const ig_builder *b, const rope_want *w, double beta) {
    return w->n_rot * log(b->v[F_N_ORIG] / (beta * 6.283185307179586)) / (2 * log(w->base));
}

/* Position streams of text: temporal, height and width advance together; the fourth stands still.
 */
static bool stands_still(const ig_builder *b, uint32_t i) {
    const uint32_t *s = b->sections;
    const uint32_t sum = s[0] + s[1] + s[2] + s[3];
    return b->v[F_ROPE] == ROPE_MROPE && sum && i % sum >= s[0] + s[1] + s[2];
}

static ig_status table(ig_builder *b, const rope_want *w, ig_rope_table *out, ig_err *err) {
    const uint32_t half = w->n_rot / 2;
    double *t;
    IG_TRY(ig_arena_new(&b->p->arena, half, sizeof *t, &t, err));
    const double low = fmax(0, floor(correction(b, w, b->v[F_BETA_FAST])));
    const double high = fmin(w->n_rot - 1.0, ceil(correction(b, w, b->v[F_BETA_SLOW])));
    for (uint32_t i = 0; i < half; i++) {
        const double theta =
            pow(w->base, -2.0 * i / w->n_rot) / (w->factors ? (double)w->factors[i] : 1.0);
        double share = 0; /* 1: the pair keeps its frequency */
        if (w->yarn)
            share = 1 - fmin(1, fmax(0, (i - low) / fmax(0.001, high - low)));
        t[i] = stands_still(b, i) ? 0 : w->scale * theta * (1 - share) + theta * share;
        if (!isfinite(t[i]))
            return ig_fail(err, IG_EFORMAT,
                           "rope frequency %u is not finite; look at %.*s.rope.* and rope_freqs", i,
                           IG_STR_ARG(b->arch));
    }
    *out = (ig_rope_table){t, w->n_rot, (float)w->m};
    return IG_OK;
}

static double magnitude(const ig_builder *b, double scale, bool yarn) {
    const double m = b->v[F_ATTN_FACTOR], log_mul = b->v[F_LOG_MUL];
    if (!yarn || scale >= 1)
        return m;
    const double grown = 1 + 0.1 * log(1 / scale);
    return log_mul != 0 ? m * grown / (1 + 0.1 * log_mul * log(1 / scale)) : m * grown;
}

/* Long factors are taken when a sequence may be longer than the original context; the choice cannot
 * change later. */
static ig_role factors_role(const ig_builder *b) {
    const int kind = (int)b->v[F_FACTORS];
    if (kind == FACTORS_NONE)
        return ROLE_NONE;
    if (kind == FACTORS_FREQS || (kind == FACTORS_AUTO && b->v[F_SCALING] != SCALING_LONGROPE))
        return ROLE_ROPE_FREQS;
    const double context = b->options->context_max ? b->options->context_max : b->v[F_N_CTX];
    return ceil(context / 256) * 256 > b->v[F_N_ORIG] ? ROLE_ROPE_LONG : ROLE_ROPE_SHORT;
}

static ig_status read_factors(ig_builder *b, uint32_t half, const float **out, ig_err *err) {
    const ig_role role = factors_role(b);
    *out = NULL;
    const ig_tensor *t = role ? ig_arch_find_tensor(b, role, ".weight") : NULL;
    if (!t)
        return IG_OK;
    /* The sibling set is part of the model although this context does not need it. */
    const ig_role other = role == ROLE_ROPE_LONG ? ROLE_ROPE_SHORT : ROLE_ROPE_LONG;
    const ig_tensor *o = role == ROLE_ROPE_FREQS ? NULL : ig_arch_find_tensor(b, other, ".weight");
    if (o)
        ig_arch_mark(b, o);
    if (t->n_elems < half || t->n_elems > IG_WIDTH_MAX)
        return ig_fail(err, IG_EFORMAT,
                       "tensor %.*s: %llu factors for %u pairs; the file is damaged",
                       IG_STR_ARG(t->name), (unsigned long long)t->n_elems, half);
    float *x;
    IG_TRY(ig_arch_numbers(b, t, t->n_elems, &x, err));
    for (uint32_t i = 0; i < half; i++) {
        if (!isfinite(x[i]) || x[i] == 0)
            return ig_fail(err, IG_EFORMAT, "tensor %.*s: factor %u is %g; the file is damaged",
                           IG_STR_ARG(t->name), i, (double)x[i]);
    }
    if (role != ROLE_ROPE_FREQS)
        ig_log(b->options->logger, IG_LOG_INFO, "event=rope_factors set=%s",
               role == ROLE_ROPE_LONG ? "long" : "short");
    *out = x;
    return IG_OK;
}

static ig_status check_rot(const ig_builder *b, uint32_t n_rot, uint32_t cols, ig_err *err) {
    if (n_rot == 0 || n_rot % 2 || n_rot > cols)
        return ig_fail(
            err, IG_EFORMAT,
            "key %.*s.rope.dimension_count: %u columns of %u turn; give an even number below",
            IG_STR_ARG(b->arch), n_rot, cols);
    return IG_OK;
}

/* What full (0) and window (1) layers ask for, factors aside. */
static void wants(const ig_builder *b, rope_want w[2]) {
    const int scaling = (int)b->v[F_SCALING], window = (int)b->v[F_WIN_SCALING];
    w[0] = (rope_want){.n_rot = (uint32_t)b->v[F_R],
                       .base = b->v[F_BASE],
                       .scale = scaling == SCALING_NONE ? 1 : 1 / b->v[F_ROPE_FACTOR],
                       .yarn = scaling == SCALING_YARN};
    if (b->v[F_ALPHA] > 0 && b->v[F_DK] > 2)
        w[0].base *= pow(b->v[F_ALPHA], b->v[F_DK] / (b->v[F_DK] - 2));
    w[0].m = magnitude(b, w[0].scale, w[0].yarn);
    w[1] = w[0];
    w[1].n_rot = (uint32_t)b->v[F_R_WIN];
    w[1].base = b->v[F_BASE_WIN] == b->v[F_BASE] ? w[0].base : b->v[F_BASE_WIN];
    if (window == WIN_SAME)
        return;
    w[1].scale = 1;
    w[1].yarn = w[1].yarn && window == WIN_AF;
    w[1].m = window == WIN_AF ? magnitude(b, 1, false) : 1;
}

static bool same_table(const ig_rope_table *x, const ig_rope_table *y) {
    return x->n_rot == y->n_rot && x->m == y->m &&
           memcmp(x->inv_freq, y->inv_freq, x->n_rot / 2 * sizeof(double)) == 0;
}

ig_status ig_arch_ropes(ig_builder *b, ig_err *err) {
    bool used[2] = {false, false};
    for (uint32_t l = 0; l < b->n_layers; l++) {
        if (b->layers[l].flags & LAYER_ROPE)
            used[(b->layers[l].flags & LAYER_WINDOW) != 0] = true;
    }
    if (!used[0] && !used[1]) { /* factors are inert then */
        const ig_tensor *idle = ig_arch_find_tensor(b, ROLE_ROPE_FREQS, ".weight");
        if (idle)
            ig_arch_mark(b, idle);
        return IG_OK;
    }
    const bool factors_full = b->v[F_FACTORS_FULL] != 0;
    rope_want w[2];
    uint32_t n_rot = 0; /* columns that the factors must cover */
    wants(b, w);
    for (int i = 0; i < 2; i++) {
        if (used[i])
            IG_TRY(check_rot(b, w[i].n_rot, (uint32_t)b->v[i ? F_DK_WIN : F_DK], err));
        if (used[i] && (i == 0 || !factors_full))
            n_rot = IG_MAX(n_rot, w[i].n_rot);
    }
    IG_TRY(read_factors(b, n_rot / 2, &w[0].factors, err));
    w[1].factors = factors_full ? NULL : w[0].factors;
    for (int i = 0; i < 2; i++) {
        if (used[i])
            IG_TRY(table(b, &w[i], &b->rope[i], err));
    }
    if (used[0] && used[1] && same_table(&b->rope[0], &b->rope[1]))
        b->rope[1] = b->rope[0];
    return IG_OK;
}
