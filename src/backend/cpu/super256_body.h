/* super256_body.h: the product for one type with super-blocks of 256 inputs; included once per type
 * with CODEC defined.
 *
 * A super-block is CODEC_groups runs of CODEC_subs sub-blocks of CODEC_words words, each sub-block
 * with a small integer scale. Per sub-block and column: the dot products of the words, a shift that
 * brings the block of activations to the common unit (it runs beside the multipliers), a
 * conversion, one FMA with d * scale. Mins are an integer dot product of the sums of activations
 * with pairs of mins, once per super-block. Float order: t = -dmin * mins; t = fma(int, d * scale,
 * t) over sub-blocks ascending; f = fma(t, S / 256, f) over super-blocks ascending. The f are
 * touched once per 256 inputs and live in memory on purpose: t and the integer accumulators fill
 * the registers. */
#define CF(name) IG_CAT2(CODEC, name)
#define KF(name) IG_CAT3(CODEC, name, IG_ISA)

IG_INLINE vi KF(dot)(vi acc, vi w, vi x) {
    return CF(bits8) ? vi_dot8(acc, w, x) : vi_dot(acc, w, x);
}

/* The i-th sub-block of a group in the order of arithmetic: those that share lines together. */
IG_INLINE int KF(nth)(const int i) {
    return i / CF(together) + CF(apart) * (i % CF(together));
}

/* Start value of an integer accumulator: takes the offset of the quants out. */
IG_INLINE vi KF(start)(const uint8_t *xn, const int nr) {
    const vi negsum = CF(words) == 8 ? vi_add(vi_bcast(xn), vi_bcast(xn + 4 * nr)) : vi_bcast(xn);
    return CF(bits8) ? vi_init8(negsum) : vi_shl32(negsum, CF(offset_shift) & 31);
}

IG_INLINE void KF(pair)(const ig_pair_args *args, const uint8_t *x, const int nr) {
    enum {
        BLOCK = CF(quant_bytes) + CF(scale_bytes),
        LINES = (BLOCK / CF(groups) + IG_LINE - 1) / IG_LINE
    };
    const uint32_t ra = args->ra, rb = args->rb, nb = args->n_blocks;
    const uint32_t turn = ig_turn(nb, BLOCK);
    const uint8_t *ta = args->ta, *tb = args->tb;
    const uint8_t *ahead_a = ta + IG_AHEAD_BYTES, *ahead_b = tb + IG_AHEAD_BYTES;
    float sum[2 * 6 * IG_LANES] IG_ALIGNED(64);
#define CLEAR(c)                                                                                   \
    vf_store(sum + 2 * (c)*IG_LANES, vf_zero());                                                   \
    vf_store(sum + (2 * (c) + 1) * IG_LANES, vf_zero());
    IG_COLUMNS(CLEAR)
#undef CLEAR
    for (uint32_t b = 0; b < nb; b++) {
        if (b == turn) {
            ahead_a += args->ahead_next;
            ahead_b += args->ahead_next;
        }
        const uint8_t *const sa = ta, *const sb = tb;
        const uint8_t *const qa = ta + CF(scale_bytes) + 4 * ra;
        const uint8_t *const qb = tb + CF(scale_bytes) + 4 * rb;
        const vf da = CF(scale)(sa, ra), db = CF(scale)(sb, rb);
#define DECLARE(c) vf ta##c = vf_zero(), tb##c = vf_zero();
        IG_EACH6(DECLARE)
#undef DECLARE
        if (CF(mins) > 0) {
#define DECLARE(c) vi ja##c = vi_zero(), jb##c = vi_zero();
            IG_EACH6(DECLARE)
#undef DECLARE
            for (int j = 0; j < CF(mins); j++) {
                const vi ma = CF(least_pair)(sa, ra, j), mb = CF(least_pair)(sb, rb, j);
                const uint8_t *const xm =
                    x + ((CF(mins) == 4 ? IG_Q8K_PAIR32 : IG_Q8K_PAIR16) + j) * 4 * nr;
#define MINS(c)                                                                                    \
    {                                                                                              \
        const vi m = vi_bcast(xm + 4 * c);                                                         \
        ja##c = vi_dot16(ja##c, ma, m);                                                            \
        jb##c = vi_dot16(jb##c, mb, m);                                                            \
    }
                IG_COLUMNS(MINS)
#undef MINS
            }
            const float unit = CF(mins) == 4 ? -32.0f : -16.0f;
            const vf na = vf_mul(CF(least)(sa, ra), vf_bcast(&unit)),
                     nn = vf_mul(CF(least)(sb, rb), vf_bcast(&unit));
#define MINS(c)                                                                                    \
    ta##c = vf_mul(vi_to_f32(ja##c), na);                                                          \
    tb##c = vf_mul(vi_to_f32(jb##c), nn);
            IG_COLUMNS(MINS)
#undef MINS
        }
        for (int g = 0; g < CF(groups); g++) {
            const uint8_t *const xg = x + g * (64 / CF(groups)) * 4 * nr;
#define START(c)                                                                                   \
    vi ia##c = vi_zero(), ib##c;                                                                   \
    if (c < nr && CF(offset_shift) >= 0) {                                                         \
        const uint8_t *const xn = x + (IG_Q8K_NEGSUM + sub * (CF(words) / 4)) * 4 * nr + c * 4;    \
        vi n = vi_bcast(xn);                                                                       \
        if (CF(words) == 8)                                                                        \
            n = vi_add(n, vi_bcast(xn + 4 * nr));                                                  \
        ia##c = CF(bits8) ? vi_init8(n) : vi_shl32(n, CF(offset_shift) & 31);                      \
    }                                                                                              \
    ib##c = ia##c;
#define DOT(c)                                                                                     \
    {                                                                                              \
        const vi xc = vi_bcast(xw + c * 4);                                                        \
        ia##c = KF(dot)(ia##c, wa, xc);                                                            \
        ib##c = KF(dot)(ib##c, wb, xc);                                                            \
    }
#define WORD(s, w)                                                                                 \
    {                                                                                              \
        const vi wa = CF(operand)(qa, g, s, w), wb = CF(operand)(qb, g, s, w);                     \
        const uint8_t *const xw = xg + ((s)*CF(words) + (w)) * 4 * nr;                             \
        if ((s)*CF(words) + (w) < LINES) {                                                         \
            IG_AHEAD(ahead_a + ((s)*CF(words) + (w)) * (int)IG_LINE);                              \
            IG_AHEAD(ahead_b + ((s)*CF(words) + (w)) * (int)IG_LINE);                              \
        }                                                                                          \
        IG_COLUMNS(DOT)                                                                            \
    }
#define SCALE(c)                                                                                   \
    {                                                                                              \
        const vi shift = vi_bcast(xs + 4 * c);                                                     \
        ta##c = vf_fma(vi_to_f32(vi_shl32_by(ia##c, shift)), pa, ta##c);                           \
        tb##c = vf_fma(vi_to_f32(vi_shl32_by(ib##c, shift)), pb, tb##c);                           \
    }
#define SUB(i)                                                                                     \
    if (i < CF(subs)) {                                                                            \
        const int s = KF(nth)(i), sub = g * CF(subs) + s;                                          \
        IG_FORGET_LOADS();                                                                         \
        IG_EACH6(START)                                                                            \
        if (CF(words) == 8) {                                                                      \
            WORD(s, 0)                                                                             \
            WORD(s, 4) WORD(s, 1) WORD(s, 5) WORD(s, 2) WORD(s, 6) WORD(s, 3) WORD(s, 7)           \
        } else {                                                                                   \
            WORD(s, 0) WORD(s, 1) WORD(s, 2) WORD(s, 3)                                            \
        }                                                                                          \
        const vf pa = vf_mul(da, CF(sub_scale)(sa, ra, sub)),                                      \
                 pb = vf_mul(db, CF(sub_scale)(sb, rb, sub));                                      \
        const uint8_t *const xs = x + (IG_Q8K_SHIFT + sub * CF(words) / 8) * 4 * nr;               \
        IG_COLUMNS(SCALE)                                                                          \
    }
            IG_EACH8(SUB);
#undef SUB
#undef SCALE
#undef WORD
#undef DOT
#undef START
            ahead_a += BLOCK / CF(groups);
            ahead_b += BLOCK / CF(groups);
        }
#define FOLD(c)                                                                                    \
    {                                                                                              \
        const vf s = vf_bcast(x + (IG_Q8K_SCALE * nr + c) * 4);                                    \
        float *const f = sum + 2 * (c)*IG_LANES;                                                   \
        vf_store(f, vf_fma(ta##c, s, vf_load(f)));                                                 \
        vf_store(f + IG_LANES, vf_fma(tb##c, s, vf_load(f + IG_LANES)));                           \
    }
        IG_COLUMNS(FOLD)
#undef FOLD
        ta += BLOCK;
        tb += BLOCK;
        x += IG_Q8K_DWORDS * 4 * nr;
    }
#define STORE(c)                                                                                   \
    vf_store(args->out_a + c * args->out_stride, vf_load(sum + 2 * (c)*IG_LANES));                 \
    vf_store(args->out_b + c * args->out_stride_b, vf_load(sum + (2 * (c) + 1) * IG_LANES));
    IG_COLUMNS(STORE)
#undef STORE
}

/* One column: four vectors of rows, each its own stream; see block32_body.h. Sub-blocks that share
 * lines are computed together, so that memory is asked at an even pace. */
IG_INLINE void KF(four)(const ig_four_args *args, const uint8_t *x) {
    enum {
        BLOCK = CF(quant_bytes) + CF(scale_bytes),
        SETS = CF(groups) * CF(subs) / CF(together),
        SET_LINES = BLOCK / (int)IG_LINE / SETS, /* fetched ahead with each set */
    };
    const uint32_t nb = args->n_blocks, turn = ig_turn(nb, BLOCK);
    const uint32_t r0 = args->r[0], r1 = args->r[1], r2 = args->r[2], r3 = args->r[3];
    const uint8_t *s0 = args->t[0], *s1 = args->t[1], *s2 = args->t[2], *s3 = args->t[3];
    ptrdiff_t ahead = IG_AHEAD_BYTES;
    vf f0 = vf_zero(), f1 = f0, f2 = f0, f3 = f0;
    for (uint32_t b = 0; b < nb; b++) {
        if (b == turn)
            ahead += args->ahead_next;
        const float unit = CF(mins) == 4 ? -32.0f : -16.0f;
        const vf times = vf_bcast(&unit);
#define START(v)                                                                                   \
    for (size_t line = 0; line < CF(scale_bytes); line += IG_LINE)                                 \
        IG_TOUCH(s##v + line);                                                                     \
    const uint8_t *const q##v = s##v + CF(scale_bytes) + 4 * r##v;                                 \
    const vf d##v = CF(scale)(s##v, r##v);                                                         \
    vf t##v = vf_zero();                                                                           \
    vi j##v = vi_zero();
        IG_EACH4(START)
#undef START
        for (int j = 0; j < CF(mins); j++) {
            const vi m = vi_bcast(x + ((CF(mins) == 4 ? IG_Q8K_PAIR32 : IG_Q8K_PAIR16) + j) * 4);
#define MINS(v) j##v = vi_dot16(j##v, CF(least_pair)(s##v, r##v, j), m);
            IG_EACH4(MINS)
#undef MINS
        }
#define MINS(v) t##v = vf_mul(vi_to_f32(j##v), vf_mul(CF(least)(s##v, r##v), times));
        if (CF(mins) > 0) {
            IG_EACH4(MINS)
        }
#undef MINS
        for (int g = 0; g < CF(groups); g++) {
            const uint8_t *const xg = x + g * (64 / CF(groups)) * 4;
/* Sub-block k of the set that starts at sub-block `first` of the group. */
#define SUB(k) (first + CF(apart) * (k))
#define NTH(k) (g * CF(subs) + SUB(k))
#define START(k)                                                                                   \
    vi i0##k = vi_zero();                                                                          \
    if (k < CF(together) && CF(offset_shift) >= 0)                                                 \
        i0##k = KF(start)(x + (IG_Q8K_NEGSUM + NTH(k) * (CF(words) / 4)) * 4, 1);                  \
    vi i1##k = i0##k, i2##k = i0##k, i3##k = i0##k;
#define DOT(k)                                                                                     \
    if (k < CF(together)) {                                                                        \
        const vi xw = vi_bcast(xg + (SUB(k) * CF(words) + w) * 4);                                 \
        i0##k = KF(dot)(i0##k, CF(operand)(q0, g, SUB(k), w), xw);                                 \
        i1##k = KF(dot)(i1##k, CF(operand)(q1, g, SUB(k), w), xw);                                 \
        i2##k = KF(dot)(i2##k, CF(operand)(q2, g, SUB(k), w), xw);                                 \
        i3##k = KF(dot)(i3##k, CF(operand)(q3, g, SUB(k), w), xw);                                 \
    }
#define FETCH(v) IG_AHEAD(s##v + ahead);
#define WORD(word)                                                                                 \
    if ((word) < CF(words)) {                                                                      \
        const int w = word;                                                                        \
        for (int n = SET_LINES * w / CF(words); n < SET_LINES * (w + 1) / CF(words); n++) {        \
            FETCH(0) FETCH(1) FETCH(2) FETCH(3) ahead += IG_LINE;                                  \
        }                                                                                          \
        IG_COUNT4(DOT)                                                                             \
    }
#define SCALE(k)                                                                                   \
    if (k < CF(together)) {                                                                        \
        const vi shift = vi_bcast(x + (IG_Q8K_SHIFT + NTH(k) * CF(words) / 8) * 4);                \
        SCALE_ONE(0, k) SCALE_ONE(1, k) SCALE_ONE(2, k) SCALE_ONE(3, k)                            \
    }
#define SCALE_ONE(v, k)                                                                            \
    t##v = vf_fma(vi_to_f32(vi_shl32_by(i##v##k, shift)),                                          \
                  vf_mul(d##v, CF(sub_scale)(s##v, r##v, NTH(k))), t##v);
#define SET(n)                                                                                     \
    if ((n) < CF(subs) / CF(together)) {                                                           \
        const int first = n;                                                                       \
        IG_COUNT4(START)                                                                           \
        WORD(0) WORD(1) WORD(2) WORD(3) WORD(4) WORD(5) WORD(6) WORD(7) IG_COUNT4(SCALE)           \
    }
            IG_EACH4(SET);
#undef SET
#undef SCALE_ONE
#undef SCALE
#undef WORD
#undef FETCH
#undef DOT
#undef START
#undef NTH
#undef SUB
        }
        ahead -= SETS * SET_LINES * (int)IG_LINE; /* the tiles' pointers move on */
        const vf scale = vf_bcast(x + IG_Q8K_SCALE * 4);
#define FOLD(v)                                                                                    \
    f##v = vf_fma(t##v, scale, f##v);                                                              \
    s##v += BLOCK;
        IG_EACH4(FOLD)
#undef FOLD
        x += IG_Q8K_DWORDS * 4;
    }
#define STORE(v) vf_store(args->out[v], f##v);
    IG_EACH4(STORE)
#undef STORE
}

/* One super-block of one vector of rows as a panel. */
static void KF(unpack)(const uint8_t *tile, uint32_t b, uint32_t n, uint32_t row, ig_panel *p) {
    (void)n;
    const uint8_t *const t = tile + b * (size_t)(CF(quant_bytes) + CF(scale_bytes));
    const uint8_t *const q = t + CF(scale_bytes) + 4 * row, *const s = t;
    const vf d = CF(scale)(s, row);
    for (int g = 0; g < CF(groups); g++) {
#define WORD(i, w)                                                                                 \
    if (w < CF(words))                                                                             \
        vi_store(p->words[(g * CF(subs) + (i)) * CF(words) + (w)], CF(operand)(q, g, i, w));
#define SUB(i)                                                                                     \
    if (i < CF(subs)) {                                                                            \
        WORD(i, 0);                                                                                \
        WORD(i, 1);                                                                                \
        WORD(i, 2);                                                                                \
        WORD(i, 3);                                                                                \
        WORD(i, 4);                                                                                \
        WORD(i, 5);                                                                                \
        WORD(i, 6);                                                                                \
        WORD(i, 7);                                                                                \
        vf_store(p->scale[g * CF(subs) + (i)],                                                     \
                 vf_mul(d, CF(sub_scale)(s, row, g * CF(subs) + (i))));                            \
    }
        IG_EACH8(SUB);
#undef SUB
#undef WORD
    }
    for (int j = 0; j < CF(mins); j++)
        vi_store(p->least_pair[j], CF(least_pair)(s, row, j));
    const float unit = CF(mins) == 4 ? -32.0f : -16.0f;
    if (CF(mins) > 0)
        vf_store(p->least[0], vf_mul(CF(least)(s, row), vf_bcast(&unit)));
}

/* The same arithmetic in the same order as the pair kernel. */
IG_INLINE void KF(panel)(const ig_panel *a, const ig_panel *b, uint32_t n, const uint8_t *x,
                         const ig_panel_sums *from, const ig_panel_sums *to, const int nr) {
    (void)n;
#define X(c) vf ta##c = vf_zero(), tb##c = vf_zero();
    IG_EACH6(X)
#undef X
    if (CF(mins) > 0) {
#define X(c) vi ja##c = vi_zero(), jb##c = vi_zero();
        IG_EACH6(X)
#undef X
        for (int j = 0; j < CF(mins); j++) {
            const vi ma = vi_load(a->least_pair[j]), mb = vi_load(b->least_pair[j]);
            const uint8_t *const xm =
                x + ((CF(mins) == 4 ? IG_Q8K_PAIR32 : IG_Q8K_PAIR16) + j) * 4 * nr;
#define X(c)                                                                                       \
    const vi m = vi_bcast(xm + 4 * c);                                                             \
    ja##c = vi_dot16(ja##c, ma, m);                                                                \
    jb##c = vi_dot16(jb##c, mb, m);
            IG_COLUMNS(X)
#undef X
        }
        const vf na = vf_load(a->least[0]), nn = vf_load(b->least[0]);
#define X(c)                                                                                       \
    ta##c = vf_mul(vi_to_f32(ja##c), na);                                                          \
    tb##c = vf_mul(vi_to_f32(jb##c), nn);
        IG_EACH6(X)
#undef X
    }
    for (int i = 0; i < CF(groups) * CF(subs); i++) {
        const int sub = i / CF(subs) * CF(subs) + KF(nth)(i % CF(subs));
        const uint8_t *xw = x + sub * CF(words) * 4 * nr;
        const uint8_t *const xn = x + (IG_Q8K_NEGSUM + sub * (CF(words) / 4)) * 4 * nr;
        const uint8_t *const xs = x + (IG_Q8K_SHIFT + sub * CF(words) / 8) * 4 * nr;
#define X(c) vi ia##c = vi_zero(), ib##c = ia##c;
        IG_EACH6(X)
#undef X
#define X(c) ia##c = ib##c = KF(start)(xn + 4 * c, nr);
        if (CF(offset_shift) >= 0)
            IG_COLUMNS(X)
#undef X
#define X(c)                                                                                       \
    const vi xc = vi_bcast(xw + 4 * c);                                                            \
    ia##c = KF(dot)(ia##c, qa, xc);                                                                \
    ib##c = KF(dot)(ib##c, qb, xc);
#define WORD(w)                                                                                    \
    if (w < CF(words)) {                                                                           \
        const vi qa = vi_load(a->words[sub * CF(words) + (w)]);                                    \
        const vi qb = vi_load(b->words[sub * CF(words) + (w)]);                                    \
        IG_COLUMNS(X)                                                                              \
        xw += 4 * nr;                                                                              \
    }
        IG_EACH8(WORD);
#undef WORD
#undef X
        const vf ua = vf_load(a->scale[sub]), ub = vf_load(b->scale[sub]);
#define X(c)                                                                                       \
    const vi shift = vi_bcast(xs + 4 * c);                                                         \
    ta##c = vf_fma(vi_to_f32(vi_shl32_by(ia##c, shift)), ua, ta##c);                               \
    tb##c = vf_fma(vi_to_f32(vi_shl32_by(ib##c, shift)), ub, tb##c);
        IG_COLUMNS(X)
#undef X
    }
    const uint8_t *const xf = x + IG_Q8K_SCALE * 4 * nr;
#define X(c)                                                                                       \
    const vf s = vf_bcast(xf + 4 * c);                                                             \
    const vf fa = from ? vf_load(from->a + c * from->stride_a) : vf_zero();                        \
    const vf fb = from ? vf_load(from->b + c * from->stride_b) : vf_zero();                        \
    vf_store(to->a + c * to->stride_a, vf_fma(ta##c, s, fa));                                      \
    vf_store(to->b + c * to->stride_b, vf_fma(tb##c, s, fb));
    IG_COLUMNS(X)
#undef X
}

IG_MATMUL_INTEGER(CODEC, IG_ACT_FORM_Q8K, CF(dtype), 1, CF(quant_bytes) + CF(scale_bytes),
                  IG_Q8K_DWORDS)

#undef CF
#undef KF
#undef CODEC
