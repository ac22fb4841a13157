/* simd_f32.h: gives a template the f32 verbs of the ISA level it is compiled for (cmake/isa.cmake
 * defines IG_ISA_*). */
#ifndef IG_BACKEND_CPU_SIMD_F32_H
#define IG_BACKEND_CPU_SIMD_F32_H

#if defined(IG_ISA_AVX512)
#include "backend/cpu/simd_f32_avx512.h"
#elif defined(IG_ISA_AVX2)
#include "backend/cpu/simd_f32_avx2.h"
#elif defined(IG_ISA_NEON)
#include "backend/cpu/simd_f32_neon.h"
#else
#include "backend/cpu/simd_f32_scalar.h"
#endif

/* name_isa: the symbol of this level. */
#define IG_ISA_PASTE(name, isa) name##_##isa
#define IG_ISA_EXPAND(name, isa) IG_ISA_PASTE(name, isa)
#define IG_ISA_SYMBOL(name) IG_ISA_EXPAND(name, IG_ISA)

#endif
