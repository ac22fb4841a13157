/* codec_f32.h: F32 for float_body.h. */
#ifndef IG_BACKEND_CPU_CODEC_F32_H
#define IG_BACKEND_CPU_CODEC_F32_H

#include "backend/cpu/matmul_int.h"

enum {
    f32_dtype = IG_DTYPE_F32,
    f32_form = IG_ACT_FORM_F32,
    f32_steps = 1,
    f32_quant_bytes = 64,
};

typedef vf f32_vector;
IG_INLINE vf f32_load(const void *p, const int step) {
    (void)step;
    return vf_load((const float *)p);
}
IG_INLINE vf f32_bcast(const void *p) {
    return vf_bcast(p);
}
IG_INLINE vf f32_dot(vf acc, vf w, vf x) {
    return vf_fma(w, x, acc);
}

#endif
