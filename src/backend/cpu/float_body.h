/* float_body.h: the product for one float type; included once per type with CODEC defined.
 *
 * IG_ROW_VECTORS vectors of rows x up to 6 columns; every output is one chain of FMAs over
 * ascending inputs (pairs of inputs where the processor multiplies pairs), so its bits do not
 * depend on the number of columns. */
#define CF(name) IG_CAT2(CODEC, name)
#define KF(name) IG_CAT3(CODEC, name, IG_ISA)

IG_INLINE void KF(quad)(const ig_quad_args *args, const uint8_t *x, const int nr) {
    const uint8_t *q0 = args->q[0], *q1 = args->q[1];
    const uint8_t *q2 = args->q[IG_ROW_VECTORS - 2], *q3 = args->q[IG_ROW_VECTORS - 1];
    const uint32_t n = args->n_blocks, turn = ig_turn(n, CF(quant_bytes), IG_AHEAD_BYTES);
    ptrdiff_t ahead = IG_AHEAD_BYTES;
#define DECLARE(c) vf f0##c = vf_zero(), f1##c = vf_zero(), f2##c = vf_zero(), f3##c = vf_zero();
    IG_EACH6(DECLARE)
#undef DECLARE
    for (uint32_t k = 0; k < n; k++) {
        if (k == turn)
            ahead = args->ahead_next;
        IG_AHEAD(q0 + ahead);
        IG_AHEAD(q1 + ahead);
        if (IG_ROW_VECTORS > 2) {
            IG_AHEAD(q2 + ahead);
            IG_AHEAD(q3 + ahead);
        }
#define DOT(c)                                                                                     \
    {                                                                                              \
        const CF(vector) xc = CF(bcast)(x + 4 * c);                                                \
        f0##c = CF(dot)(f0##c, w0, xc);                                                            \
        f1##c = CF(dot)(f1##c, w1, xc);                                                            \
        if (IG_ROW_VECTORS > 2) {                                                                  \
            f2##c = CF(dot)(f2##c, w2, xc);                                                        \
            f3##c = CF(dot)(f3##c, w3, xc);                                                        \
        }                                                                                          \
    }
        for (int step = 0; step < CF(steps); step++) {
            const CF(vector) w0 = CF(load)(q0, step), w1 = CF(load)(q1, step);
            const CF(vector) w2 = CF(load)(q2, step), w3 = CF(load)(q3, step);
            IG_COLUMNS(DOT)
            x += 4 * nr;
        }
#undef DOT
        q0 += CF(quant_bytes);
        q1 += CF(quant_bytes);
        q2 += CF(quant_bytes);
        q3 += CF(quant_bytes);
    }
#define STORE(c)                                                                                   \
    vf_store(args->out[0] + c * args->out_stride[0], f0##c);                                       \
    vf_store(args->out[1] + c * args->out_stride[1], f1##c);                                       \
    if (IG_ROW_VECTORS > 2) {                                                                      \
        vf_store(args->out[IG_ROW_VECTORS - 2] + c * args->out_stride[IG_ROW_VECTORS - 2], f2##c); \
        vf_store(args->out[IG_ROW_VECTORS - 1] + c * args->out_stride[IG_ROW_VECTORS - 1], f3##c); \
    }
    IG_COLUMNS(STORE)
#undef STORE
}

IG_MATMUL_FLOAT(CODEC, CF(form), CF(dtype))

#undef CF
#undef KF
#undef CODEC
