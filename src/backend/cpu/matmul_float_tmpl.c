/* matmul_float_tmpl.c: products with float weights. Compiled once per ISA with IG_ISA,
 * IG_SIMD_HEADER. */
#include IG_SIMD_HEADER

#include "backend/cpu/matmul_walk.h"

#include "backend/cpu/codec_bf16.h"
#include "backend/cpu/codec_f16.h"
#include "backend/cpu/codec_f32.h"

#define CODEC f32
#include "backend/cpu/float_body.h"
#define CODEC f16
#include "backend/cpu/float_body.h"
#define CODEC bf16
#include "backend/cpu/float_body.h"
