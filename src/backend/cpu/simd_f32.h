/* simd_f32.h: gives a template the f32 verbs of the ISA level that it is compiled for (IG_ISA, from
 * cmake/isa.cmake) and the names that carry the level. */
#ifndef IG_BACKEND_CPU_SIMD_F32_H
#define IG_BACKEND_CPU_SIMD_F32_H

/* "avx512" */
#define IG_ISA_STRING_(x) #x
#define IG_ISA_STRING(x) IG_ISA_STRING_(x)
#define IG_ISA_NAME IG_ISA_STRING(IG_ISA)

/* name_avx512: a symbol of this level */
#define IG_ISA_PASTE_(name, isa) name##_##isa
#define IG_ISA_PASTE(name, isa) IG_ISA_PASTE_(name, isa)
#define IG_ISA_SYMBOL(name) IG_ISA_PASTE(name, IG_ISA)

/* clang-format off */
#define IG_F32_HEADER_(isa) backend/cpu/simd_f32_##isa.h
#define IG_F32_HEADER(isa) IG_F32_HEADER_(isa)
/* clang-format on */
#include IG_ISA_STRING(IG_F32_HEADER(IG_ISA))

#endif
