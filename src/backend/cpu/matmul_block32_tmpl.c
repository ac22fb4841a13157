/* matmul_block32_tmpl.c: products with weights of 32-input blocks. Compiled once per ISA with
 * IG_ISA, IG_SIMD_HEADER. */
#include IG_SIMD_HEADER

#include "backend/cpu/matmul_walk.h"

#include "backend/cpu/codec_iq4_nl.h"
#include "backend/cpu/codec_mxfp4.h"
#include "backend/cpu/codec_q4_0.h"
#include "backend/cpu/codec_q4_1.h"
#include "backend/cpu/codec_q5_0.h"
#include "backend/cpu/codec_q5_1.h"
#include "backend/cpu/codec_q8_0.h"

#define CODEC q4_0
#include "backend/cpu/block32_body.h"
#define CODEC q4_1
#include "backend/cpu/block32_body.h"
#define CODEC q5_0
#include "backend/cpu/block32_body.h"
#define CODEC q5_1
#include "backend/cpu/block32_body.h"
#define CODEC q8_0
#include "backend/cpu/block32_body.h"
#define CODEC iq4_nl
#include "backend/cpu/block32_body.h"
#define CODEC mxfp4
#include "backend/cpu/block32_body.h"
