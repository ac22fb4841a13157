/* codec_f16.h: F16 for float_body.h. */
#ifndef IG_BACKEND_CPU_CODEC_F16_H
#define IG_BACKEND_CPU_CODEC_F16_H

#include "backend/cpu/matmul_int.h"

enum {
    f16_dtype = IG_DTYPE_F16,
    f16_form = IG_ACT_FORM_F32,
    f16_steps = 1,
    f16_quant_bytes = 32,
};

typedef vf f16_vector;
IG_INLINE vf f16_load(const void *p, const int step) {
    (void)step;
    return vf_load_f16(p);
}
IG_INLINE vf f16_bcast(const void *p) {
    return vf_bcast(p);
}
IG_INLINE vf f16_dot(vf acc, vf w, vf x) {
    return vf_fma(w, x, acc);
}

#endif
