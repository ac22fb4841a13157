/* attn_write_tmpl.h: the writer of attn_write_tmpl.c at this ISA level. */
#ifndef IG_BACKEND_CPU_ATTN_WRITE_TMPL_H
#define IG_BACKEND_CPU_ATTN_WRITE_TMPL_H

#include "backend/cpu/attn_layout.h"
#include "backend/cpu/simd_f32.h"

void IG_ISA_SYMBOL(ig_attn_write)(const ig_state *state, ig_dtype k_dtype, ig_dtype v_dtype,
                                  uint8_t *page, uint32_t token, const float *k,
                                  size_t k_head_stride, const float *v, size_t v_head_stride);

#endif
