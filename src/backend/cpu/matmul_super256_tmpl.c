/* matmul_super256_tmpl.c: products with weights of 256-input super-blocks. Compiled once per ISA
 * with IG_ISA, IG_SIMD_HEADER. */
#include IG_SIMD_HEADER

#include "backend/cpu/matmul_walk.h"

#include "backend/cpu/codec_iq4_xs.h"
#include "backend/cpu/codec_q2_k.h"
#include "backend/cpu/codec_q3_k.h"
#include "backend/cpu/codec_q4_k.h"
#include "backend/cpu/codec_q5_k.h"
#include "backend/cpu/codec_q6_k.h"

#define CODEC q2_k
#include "backend/cpu/super256_body.h"
#define CODEC q3_k
#include "backend/cpu/super256_body.h"
#define CODEC q4_k
#include "backend/cpu/super256_body.h"
#define CODEC q5_k
#include "backend/cpu/super256_body.h"
#define CODEC q6_k
#include "backend/cpu/super256_body.h"
#define CODEC iq4_xs
#include "backend/cpu/super256_body.h"
