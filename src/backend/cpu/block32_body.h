/* block32_body.h: the product for one type with blocks of 32 inputs; included once per type with
 * CODEC defined.
 *
 * Per block and column: 8 dot products of words, one conversion, one FMA with (weight scale *
 * activation scale). The offset of unsigned quants goes into the start value of the integer
 * accumulator: -offset * sum(activation quants). 2 vectors of rows x up to 6 columns: 12 integer
 * and 12 float accumulators, all named, because gcc 12 keeps arrays of them in memory. The float
 * order is: blocks ascending, f = fma(int, d * s, f), then f = fma(m, s * sum, f). */
#define CF(name) IG_CAT2(CODEC, name)
#define KF(name) IG_CAT3(CODEC, name, IG_ISA)

IG_INLINE vi KF(dot)(vi acc, vi w, vi x) {
    return CF(bits8) ? vi_dot8(acc, w, x) : vi_dot(acc, w, x);
}

/* Start value of an integer accumulator: takes the offset of the quants out. */
IG_INLINE vi KF(start)(vi negsum) {
    return CF(bits8) ? vi_init8(negsum) : vi_shl32(negsum, CF(offset_shift) & 31);
}

IG_INLINE void KF(pair)(const ig_pair_args *g, const uint8_t *x, const int nr) {
    enum { BLOCK = CF(quant_bytes) + CF(scale_bytes), LINES = (BLOCK + IG_LINE - 1) / IG_LINE };
    const uint32_t ra = g->ra, rb = g->rb, nb = g->n_blocks;
    const uint32_t turn = ig_turn(nb, BLOCK);
    const uint8_t *qa = g->ta + 4 * ra, *qb = g->tb + 4 * rb, *sa = qa, *sb = qb;
    const uint8_t *ahead_a = g->ta + IG_AHEAD_BYTES, *ahead_b = g->tb + IG_AHEAD_BYTES;
#define DECLARE(c) vf fa##c = vf_zero(), fb##c = vf_zero();
    IG_EACH6(DECLARE)
#undef DECLARE
    for (uint32_t b = 0; b < nb; b++) {
        if (b == turn) {
            ahead_a += g->ahead_next;
            ahead_b += g->ahead_next;
        }
        if (b % 8 == 0) {
            const size_t scales = ig_round_up(IG_MIN(8, nb - b) * CF(scale_bytes), IG_LINE);
            sa = qa - 4 * ra;
            sb = qb - 4 * rb;
            qa += scales;
            qb += scales;
        }
#define START(c)                                                                                   \
    vi ia##c = vi_zero();                                                                          \
    if (c < nr && CF(offset_shift) >= 0) {                                                         \
        const vi n = vi_bcast(x + (IG_Q8_NEGSUM * nr + c) * 4);                                    \
        ia##c = CF(bits8) ? vi_init8(n) : vi_shl32(n, CF(offset_shift) & 31);                      \
    }                                                                                              \
    vi ib##c = ia##c;
        IG_EACH6(START)
#undef START
#define DOT(c)                                                                                     \
    {                                                                                              \
        const vi xc = vi_bcast(xw + c * 4);                                                        \
        ia##c = KF(dot)(ia##c, wa, xc);                                                            \
        ib##c = KF(dot)(ib##c, wb, xc);                                                            \
    }
#define WORD(p)                                                                                    \
    {                                                                                              \
        const vi wa = CF(operand)(qa, p), wb = CF(operand)(qb, p);                                 \
        const uint8_t *const xw = x + (p)*4 * nr;                                                  \
        if ((p) < LINES) {                                                                         \
            IG_AHEAD(ahead_a + (p)*IG_LINE);                                                       \
            IG_AHEAD(ahead_b + (p)*IG_LINE);                                                       \
        }                                                                                          \
        IG_COLUMNS(DOT)                                                                            \
    }
        IG_EACH8_APART(WORD);
#undef WORD
#undef DOT
        if (LINES > 8) {
            IG_AHEAD(ahead_a + 8 * IG_LINE);
            IG_AHEAD(ahead_b + 8 * IG_LINE);
        }
        ahead_a += BLOCK;
        ahead_b += BLOCK;
        const vf da = CF(scale)(sa, ra), db = CF(scale)(sb, rb);
#define SCALE(c)                                                                                   \
    {                                                                                              \
        const vf s = vf_bcast(x + (IG_Q8_SCALE * nr + c) * 4);                                     \
        fa##c = vf_fma(vi_to_f32(ia##c), vf_mul(da, s), fa##c);                                    \
        fb##c = vf_fma(vi_to_f32(ib##c), vf_mul(db, s), fb##c);                                    \
    }
        IG_COLUMNS(SCALE)
#undef SCALE
        if (CF(min)) {
            const vf ma = CF(least)(sa, ra), mb = CF(least)(sb, rb);
#define LEAST(c)                                                                                   \
    {                                                                                              \
        const vf s = vf_bcast(x + (IG_Q8_XSUM * nr + c) * 4);                                      \
        fa##c = vf_fma(ma, s, fa##c);                                                              \
        fb##c = vf_fma(mb, s, fb##c);                                                              \
    }
            IG_COLUMNS(LEAST)
#undef LEAST
        }
        qa += CF(quant_bytes);
        qb += CF(quant_bytes);
        sa += CF(scale_bytes);
        sb += CF(scale_bytes);
        x += IG_Q8_DWORDS * 4 * nr;
    }
#define STORE(c)                                                                                   \
    vf_store(g->out_a + c * g->out_stride, fa##c);                                                 \
    vf_store(g->out_b + c * g->out_stride_b, fb##c);
    IG_COLUMNS(STORE)
#undef STORE
}

/* One column: four vectors of rows, each its own stream, because the processor's own prefetching
 * keeps more memory in flight the more streams it follows: 28 GB/s a core instead of 22 with two.
 */
IG_INLINE void KF(four)(const ig_four_args *g, const uint8_t *x) {
    enum { BLOCK = CF(quant_bytes) + CF(scale_bytes), LINES = (BLOCK + IG_LINE - 1) / IG_LINE };
    const uint32_t nb = g->n_blocks, turn = ig_turn(nb, BLOCK);
    const uint8_t *const t0 = g->t[0], *const t1 = g->t[1], *const t2 = g->t[2],
                         *const t3 = g->t[3];
    size_t quants = 0, scales = 0; /* places in every tile */
    ptrdiff_t ahead = IG_AHEAD_BYTES;
    uint32_t fetched = 0; /* bytes of a tile: whole lines, which blocks need not be */
    vf f0 = vf_zero(), f1 = f0, f2 = f0, f3 = f0;
    for (uint32_t b = 0; b < nb; b++) {
        if (b == turn)
            ahead += g->ahead_next;
        if (b % 8 == 0) {
            scales = quants;
            quants += ig_round_up(IG_MIN(8, nb - b) * CF(scale_bytes), IG_LINE);
#define TOUCH(v)                                                                                   \
    for (size_t line = scales + IG_LINE; line < quants; line += IG_LINE)                           \
        IG_TOUCH(t##v + line);
            IG_EACH4(TOUCH)
#undef TOUCH
        }
        vi i0 = CF(offset_shift) >= 0 ? KF(start)(vi_bcast(x + IG_Q8_NEGSUM * 4)) : vi_zero();
        vi i1 = i0, i2 = i0, i3 = i0;
#define DOT(v) i##v = KF(dot)(i##v, CF(operand)(t##v + 4 * g->r[v] + quants, w), xw);
#define FETCH(v) IG_AHEAD(t##v + ahead);
#define WORD(p)                                                                                    \
    {                                                                                              \
        enum { w = p };                                                                            \
        const vi xw = vi_bcast(x + (p)*4);                                                         \
        if ((p) < LINES && (BLOCK % IG_LINE == 0 || fetched < (b + 1) * BLOCK)) {                  \
            IG_EACH4(FETCH)                                                                        \
            ahead += IG_LINE;                                                                      \
            fetched += IG_LINE;                                                                    \
        }                                                                                          \
        IG_EACH4(DOT)                                                                              \
    }
        IG_EACH8_APART(WORD);
        if (LINES > 8 && fetched < (b + 1) * BLOCK) {
            IG_EACH4(FETCH)
            ahead += IG_LINE;
            fetched += IG_LINE;
        }
#undef WORD
#undef FETCH
#undef DOT
        const vf s = vf_bcast(x + IG_Q8_SCALE * 4), sum = vf_bcast(x + IG_Q8_XSUM * 4);
#define SCALE(v) f##v = vf_fma(vi_to_f32(i##v), vf_mul(CF(scale)(t##v + scales, g->r[v]), s), f##v);
        IG_EACH4(SCALE)
#undef SCALE
#define LEAST(v) f##v = vf_fma(CF(least)(t##v + scales, g->r[v]), sum, f##v);
        if (CF(min)) {
            IG_EACH4(LEAST)
        }
#undef LEAST
        quants += CF(quant_bytes);
        scales += CF(scale_bytes);
        x += IG_Q8_DWORDS * 4;
    }
#define STORE(v) vf_store(g->out[v], f##v);
    IG_EACH4(STORE)
#undef STORE
}

/* Up to 8 blocks of one vector of rows as a panel. */
static void KF(unpack)(const uint8_t *tile, uint32_t b, uint32_t n, uint32_t row, ig_panel *p) {
    const uint8_t *s = tile + b * (size_t)(CF(quant_bytes) + CF(scale_bytes));
    const uint8_t *q = s + ig_round_up(n * CF(scale_bytes), IG_LINE) + 4 * row;
    for (uint32_t i = 0; i < n; i++) {
#define WORD(w) vi_store(p->words[8 * i + (w)], CF(operand)(q, w));
        if (CF(quant_bytes) < 512) {
            IG_EACH8_APART(WORD); /* words w and w + 4 share a line */
        } else {
            IG_EACH8(WORD);
        }
#undef WORD
        vf_store(p->scale[i], CF(scale)(s, row));
        if (CF(min))
            vf_store(p->least[i], CF(least)(s, row));
        q += CF(quant_bytes);
        s += CF(scale_bytes);
    }
}

/* The same arithmetic in the same order as the pair kernel. */
IG_INLINE void KF(panel)(const ig_panel *a, const ig_panel *b, uint32_t n, const uint8_t *x,
                         const ig_panel_sums *from, const ig_panel_sums *to, const int nr) {
#define X(c) vf fa##c = vf_zero(), fb##c = vf_zero();
    IG_EACH6(X)
#undef X
#define X(c)                                                                                       \
    fa##c = vf_load(from->a + c * from->stride_a);                                                 \
    fb##c = vf_load(from->b + c * from->stride_b);
    if (from)
        IG_COLUMNS(X)
#undef X
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *const xn = x + IG_Q8_NEGSUM * 4 * nr, *const xs = x + IG_Q8_SCALE * 4 * nr;
        const uint8_t *const xm = x + IG_Q8_XSUM * 4 * nr;
#define X(c) vi ia##c = vi_zero(), ib##c = ia##c;
        IG_EACH6(X)
#undef X
#define X(c) ia##c = ib##c = KF(start)(vi_bcast(xn + 4 * c));
        if (CF(offset_shift) >= 0)
            IG_COLUMNS(X)
#undef X
#define X(c)                                                                                       \
    const vi xc = vi_bcast(xw + 4 * c);                                                            \
    ia##c = KF(dot)(ia##c, qa, xc);                                                                \
    ib##c = KF(dot)(ib##c, qb, xc);
#define WORD(w)                                                                                    \
    {                                                                                              \
        const vi qa = vi_load(a->words[8 * i + (w)]), qb = vi_load(b->words[8 * i + (w)]);         \
        const uint8_t *const xw = x + (w)*4 * nr;                                                  \
        IG_COLUMNS(X)                                                                              \
    }
        IG_EACH8(WORD);
#undef WORD
#undef X
        const vf da = vf_load(a->scale[i]), db = vf_load(b->scale[i]);
#define X(c)                                                                                       \
    const vf s = vf_bcast(xs + 4 * c);                                                             \
    fa##c = vf_fma(vi_to_f32(ia##c), vf_mul(da, s), fa##c);                                        \
    fb##c = vf_fma(vi_to_f32(ib##c), vf_mul(db, s), fb##c);
        IG_COLUMNS(X)
#undef X
        if (CF(min)) {
            const vf ma = vf_load(a->least[i]), mb = vf_load(b->least[i]);
#define X(c)                                                                                       \
    const vf s = vf_bcast(xm + 4 * c);                                                             \
    fa##c = vf_fma(ma, s, fa##c);                                                                  \
    fb##c = vf_fma(mb, s, fb##c);
            IG_COLUMNS(X)
#undef X
        }
        x += IG_Q8_DWORDS * 4 * nr;
    }
#define X(c)                                                                                       \
    vf_store(to->a + c * to->stride_a, fa##c);                                                     \
    vf_store(to->b + c * to->stride_b, fb##c);
    IG_COLUMNS(X)
#undef X
}

IG_MATMUL_INTEGER(CODEC, IG_ACT_FORM_Q8, CF(dtype), 8, CF(quant_bytes) + CF(scale_bytes),
                  IG_Q8_DWORDS)

#undef CF
#undef KF
#undef CODEC
