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
    const uint32_t turn = nb - IG_MIN(nb, (uint32_t)IG_AHEAD_BYTES / BLOCK);
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
        const uint8_t *const qa = ta + 4 * ra, *const qb = tb + 4 * rb;
        const uint8_t *const sa = ta + CF(quant_bytes), *const sb = tb + CF(quant_bytes);
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
/* One column has too few chains for the latency of a dot product: half of its words go to spare
 * accumulators. */
#define DOT_SPARE                                                                                  \
    {                                                                                              \
        const vi xc = vi_bcast(xw);                                                                \
        ia1 = KF(dot)(ia1, wa, xc);                                                                \
        ib1 = KF(dot)(ib1, wb, xc);                                                                \
    }
#define WORD(s, w)                                                                                 \
    {                                                                                              \
        const vi wa = CF(operand)(qa, g, s, w), wb = CF(operand)(qb, g, s, w);                     \
        const uint8_t *const xw = xg + ((s)*CF(words) + (w)) * 4 * nr;                             \
        if ((s)*CF(words) + (w) < LINES) {                                                         \
            IG_AHEAD(ahead_a + ((s)*CF(words) + (w)) * (int)IG_LINE);                              \
            IG_AHEAD(ahead_b + ((s)*CF(words) + (w)) * (int)IG_LINE);                              \
        }                                                                                          \
        if (nr == 1 && (w) >= CF(words) / 2)                                                       \
            DOT_SPARE                                                                              \
        else                                                                                       \
            IG_COLUMNS(DOT)                                                                        \
    }
#define SCALE(c)                                                                                   \
    {                                                                                              \
        const vi shift = vi_bcast(xs + 4 * c);                                                     \
        ta##c = vf_fma(vi_to_f32(vi_shl32_by(ia##c, shift)), pa, ta##c);                           \
        tb##c = vf_fma(vi_to_f32(vi_shl32_by(ib##c, shift)), pb, tb##c);                           \
    }
#define SUB(s)                                                                                     \
    if (s < CF(subs)) {                                                                            \
        const int sub = g * CF(subs) + (s);                                                        \
        IG_FORGET_LOADS();                                                                         \
        IG_EACH6(START)                                                                            \
        if (CF(words) == 8) {                                                                      \
            WORD(s, 0)                                                                             \
            WORD(s, 4) WORD(s, 1) WORD(s, 5) WORD(s, 2) WORD(s, 6) WORD(s, 3) WORD(s, 7)           \
        } else {                                                                                   \
            WORD(s, 0) WORD(s, 1) WORD(s, 2) WORD(s, 3)                                            \
        }                                                                                          \
        if (nr == 1) {                                                                             \
            ia0 = vi_add(ia0, ia1);                                                                \
            ib0 = vi_add(ib0, ib1);                                                                \
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
#undef DOT_SPARE
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

/* One super-block of one vector of rows as a panel. */
static void KF(unpack)(const uint8_t *tile, uint32_t b, uint32_t n, uint32_t row, ig_panel *p) {
    (void)n;
    const uint8_t *const t = tile + b * (size_t)(CF(quant_bytes) + CF(scale_bytes));
    const uint8_t *const q = t + 4 * row, *const s = t + CF(quant_bytes);
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
    const uint8_t *xw = x;
    for (int sub = 0; sub < CF(groups) * CF(subs); sub++) {
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
