/* codebook_int.h: the grids of codebook_table.c. */
#ifndef IG_TENSOR_CODEBOOK_INT_H
#define IG_TENSOR_CODEBOOK_INT_H

#include <stdint.h>

extern const uint16_t ig_tensor_grid_iq2xxs[256];
extern const uint16_t ig_tensor_grid_iq2xs[512];
extern const uint16_t ig_tensor_grid_iq2s[1024];
extern const uint16_t ig_tensor_grid_iq1[2048];
extern const uint16_t ig_tensor_grid_iq3xxs[256];
extern const uint16_t ig_tensor_grid_iq3s[512];

#endif
