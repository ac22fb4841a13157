/* cpu_rows.h: row-wise ops of the cpu backend: norm, rope, map, add, glu, combine on one row of
 * f32. */
#ifndef IG_BACKEND_CPU_ROWS_H
#define IG_BACKEND_CPU_ROWS_H

#include "plan/plan.h"

/* One op on one row. Pointers are to column 0 of the row of the whole value; the op's refs select
 * the columns. in and out may be the same row when the refs are equal. Weights are f32 (converted
 * when the module was loaded). */
typedef struct ig_row_args {
    const ig_op *op;
    const float *in[IG_OP_IN_MAX];
    float *out[IG_OP_OUT_MAX];
    const float *w[IG_OP_WEIGHTS_MAX];
    const float
        *cos_sin; /* rope: [n_rot/2] cosines then [n_rot/2] sines of this row, already times m */
    int32_t position; /* of the row's token (POS_TEMP) */
    uint32_t w_count; /* elements of w[0] (MAP_MUL) */
} ig_row_args;

typedef void (*ig_row_fn)(const ig_row_args *args);

typedef struct ig_row_set {
    const char *isa;
    ig_row_fn norm, rope, map, add, glu, combine;
    /* f32 conversions of n elements for embedding rows and the like: any dtype with a codec goes
     * through tensor's decode; these are the fast ones. */
    void (*scale)(float *y, const float *x, float a, uint32_t n);
} ig_row_set;

extern const ig_row_set ig_rows_scalar;
extern const ig_row_set ig_rows_avx2;
extern const ig_row_set ig_rows_avx512;
extern const ig_row_set ig_rows_neon;

/* cos and sin of p * inv_freq[i] in f64, times m, as f32: out [n/2] cosines, [n/2] sines. Text
 * positions. */
void ig_rope_table(const ig_rope_attr *rope, int32_t position, float *out);

#endif
