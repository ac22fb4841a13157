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
IG_INLINE vi KF(start)(const uint8_t *xn) {
    const vi negsum = CF(words) == 8 ? vi_add(vi_bcast(xn), vi_bcast(xn + 4)) : vi_bcast(xn);
    return CF(bits8) ? vi_init8(negsum) : vi_shl32(negsum, CF(offset_shift) & 31);
}

/* One column: four vectors of rows, each its own stream; see block32_body.h. Sub-blocks that share
 * lines are computed together, so that memory is asked at an even pace. */
static void KF(four)(const ig_four_args *args, const uint8_t *x) {
    enum {
        BLOCK = CF(quant_bytes) + CF(scale_bytes),
        SETS = CF(groups) * CF(subs) / CF(together),
        SET_LINES = BLOCK / (int)IG_LINE / SETS, /* fetched ahead with each set */
    };
    const uint32_t nb = args->n_blocks, turn = ig_turn(nb, BLOCK, IG_AHEAD_BYTES);
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
        i0##k = KF(start)(x + (IG_Q8K_NEGSUM + NTH(k) * (CF(words) / 4)) * 4);                     \
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

/* Eight words of two vectors of rows, held in registers, times all columns: one sub-block from the
 * i-th of group g on, or two. t += products; the first start from nothing when there are no mins,
 * the last add t to f. */
IG_INLINE void KF(hold)(const ig_held *h, const int g, const int i, const bool first,
                        const bool last) {
    const uint8_t *const sa = h->tile[0], *const sb = h->tile[1];
    const uint32_t ra = h->row[0], rb = h->row[1];
    const uint8_t *const qa = sa + CF(scale_bytes) + 4 * ra;
    const uint8_t *const qb = sb + CF(scale_bytes) + 4 * rb;
    const bool two = CF(words) == 4, zero = first && CF(mins) == 0;
    const int sub0 = g * CF(subs) + KF(nth)(i), sub1 = g * CF(subs) + KF(nth)(i + two);
#define SUB(j) ((j) < CF(words) ? sub0 : sub1)
#define HOLD(j)                                                                                    \
    const vi wa##j = CF(operand)(qa, g, SUB(j) % CF(subs), (j) % CF(words));                       \
    const vi wb##j = CF(operand)(qb, g, SUB(j) % CF(subs), (j) % CF(words));
    IG_EACH8(HOLD)
#undef HOLD
    const vf da = CF(scale)(sa, ra), db = CF(scale)(sb, rb);
    const vf pa0 = vf_mul(da, CF(sub_scale)(sa, ra, sub0));
    const vf pb0 = vf_mul(db, CF(sub_scale)(sb, rb, sub0));
    const vf pa1 = two ? vf_mul(da, CF(sub_scale)(sa, ra, sub1)) : pa0;
    const vf pb1 = two ? vf_mul(db, CF(sub_scale)(sb, rb, sub1)) : pb0;
    const uint8_t *x = h->x;
    float *t = h->t, *f = h->f;
    for (uint32_t c = 0; c < h->n; c++) {
        vi a0 = vi_zero(), a1 = a0;
        if (CF(offset_shift) >= 0) {
            a0 = KF(start)(x + (IG_Q8K_NEGSUM + sub0 * (CF(words) / 4)) * 4);
            a1 = two ? KF(start)(x + (IG_Q8K_NEGSUM + sub1 * (CF(words) / 4)) * 4) : a0;
        }
        vi b0 = a0, b1 = a1;
#define DOT(j)                                                                                     \
    {                                                                                              \
        const vi xw = vi_bcast(x + (SUB(j) * CF(words) + (j) % CF(words)) * 4);                    \
        if ((j) < CF(words)) {                                                                     \
            a0 = KF(dot)(a0, wa##j, xw);                                                           \
            b0 = KF(dot)(b0, wb##j, xw);                                                           \
        } else {                                                                                   \
            a1 = KF(dot)(a1, wa##j, xw);                                                           \
            b1 = KF(dot)(b1, wb##j, xw);                                                           \
        }                                                                                          \
    }
        IG_EACH8(DOT)
#undef DOT
        const vi shift0 = vi_bcast(x + (IG_Q8K_SHIFT + sub0 * CF(words) / 8) * 4);
        const vi shift1 = vi_bcast(x + (IG_Q8K_SHIFT + sub1 * CF(words) / 8) * 4);
        vf ta = zero ? vf_zero() : vf_load(t), tb = zero ? vf_zero() : vf_load(t + IG_LANES);
        ta = vf_fma(vi_to_f32(vi_shl32_by(a0, shift0)), pa0, ta);
        tb = vf_fma(vi_to_f32(vi_shl32_by(b0, shift0)), pb0, tb);
        if (two) {
            ta = vf_fma(vi_to_f32(vi_shl32_by(a1, shift1)), pa1, ta);
            tb = vf_fma(vi_to_f32(vi_shl32_by(b1, shift1)), pb1, tb);
        }
        if (last) {
            const vf scale = vf_bcast(x + IG_Q8K_SCALE * 4);
            vf_store(f, vf_fma(ta, scale, vf_load(f)));
            vf_store(f + IG_LANES, vf_fma(tb, scale, vf_load(f + IG_LANES)));
        } else {
            vf_store(t, ta);
            vf_store(t + IG_LANES, tb);
        }
        t += 4 * IG_LANES;
        f += 4 * IG_LANES;
        x += IG_Q8K_DWORDS * 4;
    }
#undef SUB
}

/* t = mins of two vectors of rows times the sums of all columns. */
IG_INLINE void KF(hold_mins)(const ig_held *h) {
    const uint8_t *const sa = h->tile[0], *const sb = h->tile[1];
    const uint32_t ra = h->row[0], rb = h->row[1];
    const float unit = CF(mins) == 4 ? -32.0f : -16.0f;
    const vf na = vf_mul(CF(least)(sa, ra), vf_bcast(&unit));
    const vf nb = vf_mul(CF(least)(sb, rb), vf_bcast(&unit));
#define HOLD(j)                                                                                    \
    const vi ma##j = (j) < CF(mins) ? CF(least_pair)(sa, ra, j) : vi_zero();                       \
    const vi mb##j = (j) < CF(mins) ? CF(least_pair)(sb, rb, j) : vi_zero();
    IG_EACH8(HOLD)
#undef HOLD
    const uint8_t *x = h->x + (CF(mins) == 4 ? IG_Q8K_PAIR32 : IG_Q8K_PAIR16) * 4;
    float *t = h->t;
    for (uint32_t c = 0; c < h->n; c++) {
        vi a = vi_zero(), b = a;
#define MINS(j)                                                                                    \
    if ((j) < CF(mins)) {                                                                          \
        const vi m = vi_bcast(x + (j)*4);                                                          \
        a = vi_dot16(a, ma##j, m);                                                                 \
        b = vi_dot16(b, mb##j, m);                                                                 \
    }
        IG_EACH8(MINS)
#undef MINS
        vf_store(t, vf_mul(vi_to_f32(a), na));
        vf_store(t + IG_LANES, vf_mul(vi_to_f32(b), nb));
        t += 4 * IG_LANES;
        x += IG_Q8K_DWORDS * 4;
    }
}

/* Several columns: the four streams of one column, but two vectors of rows at a time, and eight
 * words of each stay in registers while all columns pass: see matmul_walk.h. */
static void KF(held)(const ig_four_args *args, const uint8_t *x, uint32_t n) {
    enum {
        BLOCK = CF(quant_bytes) + CF(scale_bytes),
        SETS = 8, /* of eight words */
        SUBS = 8 / CF(words),
        LINES = BLOCK / IG_LINE,
    };
    float t[IG_SPAN * 4 * IG_LANES] IG_ALIGNED(64), f[IG_SPAN * 4 * IG_LANES] IG_ALIGNED(64);
    memset(f, 0, n * 4 * IG_LANES * sizeof *f);
    const uint32_t nb = args->n_blocks, turn = ig_turn(nb, BLOCK, IG_SPAN_AHEAD_BYTES);
    ptrdiff_t ahead = IG_SPAN_AHEAD_BYTES;
    ig_held h[2];
    for (uint32_t p = 0; p < 2; p++)
        h[p] = (ig_held){.tile = {args->t[2 * p], args->t[2 * p + 1]},
                         .row = {args->r[2 * p], args->r[2 * p + 1]},
                         .x = x,
                         .n = n,
                         .t = t + 2 * p * IG_LANES,
                         .f = f + 2 * p * IG_LANES};
    for (uint32_t b = 0; b < nb; b++) {
        if (b == turn)
            ahead += args->ahead_next;
        ig_fetch_out(args, n, b);
        if (CF(mins) > 0) {
            KF(hold_mins)(&h[0]);
            KF(hold_mins)(&h[1]);
        }
#define SET(k)                                                                                     \
    for (uint32_t p = 0; p < 2; p++) {                                                             \
        for (uint32_t line = ((k) + 1) * LINES / SETS; line < ((k) + 2) * LINES / SETS; line++) {  \
            IG_TOUCH(h[p].tile[0] + line * IG_LINE);                                               \
            IG_TOUCH(h[p].tile[1] + line * IG_LINE);                                               \
        }                                                                                          \
        ig_fetch_lines(args, ahead, (2 * (k) + p) * LINES / (2 * SETS),                            \
                       (2 * (k) + p + 1) * LINES / (2 * SETS));                                    \
        KF(hold)(&h[p], (k)*SUBS / CF(subs), (k)*SUBS % CF(subs), (k) == 0, (k) + 1 == SETS);      \
    }
        IG_EACH8(SET)
#undef SET
        for (uint32_t p = 0; p < 2; p++) {
            h[p].tile[0] += BLOCK;
            h[p].tile[1] += BLOCK;
            h[p].x += (size_t)n * IG_Q8K_DWORDS * 4;
        }
        ahead += BLOCK;
    }
    ig_store_sums(args, f, n);
}

IG_MATMUL_INTEGER(CODEC, IG_ACT_FORM_Q8K, CF(dtype))

#undef CF
#undef KF
#undef CODEC
