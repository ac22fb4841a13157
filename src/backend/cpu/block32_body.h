/* block32_body.h: the product for one type with blocks of 32 inputs; included once per type with
 * CODEC defined.
 *
 * Per block and column: 8 dot products of words, one conversion, one FMA with (weight scale *
 * activation scale). The offset of unsigned quants goes into the start value of the integer
 * accumulator: -offset * sum(activation quants). The float order is: blocks ascending,
 * f = fma(int, d * s, f), then f = fma(m, s * sum, f). */
#define CF(name) IG_CAT2(CODEC, name)
#define KF(name) IG_CAT3(CODEC, name, IG_ISA)

IG_INLINE vi KF(dot)(vi acc, vi w, vi x) {
    return CF(bits8) ? vi_dot8(acc, w, x) : vi_dot(acc, w, x);
}

/* Start value of an integer accumulator: takes the offset of the quants out. */
IG_INLINE vi KF(start)(vi negsum) {
    return CF(bits8) ? vi_init8(negsum) : vi_shl32(negsum, CF(offset_shift) & 31);
}

/* One column: four vectors of rows, each its own stream, because the processor's own prefetching
 * keeps more memory in flight the more streams it follows: 28 GB/s a core instead of 22 with two.
 */
static void KF(four)(const ig_four_args *g, const uint8_t *x) {
    enum { BLOCK = CF(quant_bytes) + CF(scale_bytes), LINES = (BLOCK + IG_LINE - 1) / IG_LINE };
    const uint32_t nb = g->n_blocks, turn = ig_turn(nb, BLOCK, IG_AHEAD_BYTES);
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

/* A block of two vectors of rows, held in registers, times all columns. */
IG_INLINE void KF(hold)(const ig_held *h, size_t scales) {
    const uint8_t *const qa = h->tile[0] + 4 * h->row[0], *const qb = h->tile[1] + 4 * h->row[1];
    const uint8_t *const sa = h->tile[0] - scales, *const sb = h->tile[1] - scales;
    const uint32_t ra = h->row[0], rb = h->row[1];
#define HOLD(j) const vi wa##j = CF(operand)(qa, j), wb##j = CF(operand)(qb, j);
    IG_EACH8_APART(HOLD)
#undef HOLD
    const vf da = CF(scale)(sa, ra), db = CF(scale)(sb, rb);
    const vf ma = CF(least)(sa, ra), mb = CF(least)(sb, rb);
    const uint8_t *x = h->x;
    float *f = h->f;
    for (uint32_t c = 0; c < h->n; c++) {
        vi a = CF(offset_shift) >= 0 ? KF(start)(vi_bcast(x + IG_Q8_NEGSUM * 4)) : vi_zero(), b = a;
#define DOT(j)                                                                                     \
    {                                                                                              \
        const vi xw = vi_bcast(x + (j)*4);                                                         \
        a = KF(dot)(a, wa##j, xw);                                                                 \
        b = KF(dot)(b, wb##j, xw);                                                                 \
    }
        IG_EACH8(DOT)
#undef DOT
        const vf s = vf_bcast(x + IG_Q8_SCALE * 4);
        vf fa = vf_fma(vi_to_f32(a), vf_mul(da, s), vf_load(f));
        vf fb = vf_fma(vi_to_f32(b), vf_mul(db, s), vf_load(f + IG_LANES));
        if (CF(min)) {
            const vf sum = vf_bcast(x + IG_Q8_XSUM * 4);
            fa = vf_fma(ma, sum, fa);
            fb = vf_fma(mb, sum, fb);
        }
        vf_store(f, fa);
        vf_store(f + IG_LANES, fb);
        f += 4 * IG_LANES;
        x += IG_Q8_DWORDS * 4;
    }
}

/* Several columns: the four streams of one column, but two vectors of rows at a time, and a block
 * of each stays in registers while all columns pass: see matmul_walk.h. */
static void KF(held)(const ig_four_args *args, const uint8_t *x, uint32_t n) {
    enum { BLOCK = CF(quant_bytes) + CF(scale_bytes) };
    float f[IG_SPAN * 4 * IG_LANES] IG_ALIGNED(64);
    memset(f, 0, n * 4 * IG_LANES * sizeof *f);
    const uint32_t nb = args->n_blocks, turn = ig_turn(nb, BLOCK, IG_SPAN_AHEAD_BYTES);
    size_t quants = 0, scales = 0; /* places in every tile */
    ptrdiff_t ahead = IG_SPAN_AHEAD_BYTES;
    for (uint32_t b = 0; b < nb; b++, x += (size_t)n * IG_Q8_DWORDS * 4) {
        if (b == turn)
            ahead += args->ahead_next;
        ig_fetch_out(args, n, b);
        if (b % 8 == 0) {
            scales = quants;
            quants += ig_round_up(IG_MIN(8, nb - b) * CF(scale_bytes), IG_LINE);
        }
        for (uint32_t p = 0; p < 4; p += 2) {
            const uint32_t half = 2 * b + p / 2;
            ig_fetch_lines(args, ahead, half * BLOCK / (2 * IG_LINE),
                           (half + 1) * BLOCK / (2 * IG_LINE));
            const ig_held h = {.tile = {args->t[p] + quants, args->t[p + 1] + quants},
                               .row = {args->r[p], args->r[p + 1]},
                               .x = x,
                               .n = n,
                               .f = f + p * IG_LANES};
            KF(hold)(&h, quants - scales);
        }
        quants += CF(quant_bytes);
        scales += CF(scale_bytes);
    }
    ig_store_sums(args, f, n);
}

IG_MATMUL_INTEGER(CODEC, IG_ACT_FORM_Q8, CF(dtype))

#undef CF
#undef KF
#undef CODEC
