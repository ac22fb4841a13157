/* cpu_matmul.c: the parts of matmul that no ISA changes: lookup in a set, sizes of packed
 * activations. */
#include "backend/cpu/matmul_int.h"

const ig_matmul_kernel *ig_matmul_find(const ig_matmul_set *set, ig_dtype dtype) {
    for (size_t i = 0; i < set->n_kernels; i++)
        if (set->kernels[i].dtype == dtype && set->kernels[i].multiply)
            return &set->kernels[i];
    return NULL;
}

size_t ig_act_group_bytes(ig_act_format form, uint32_t cols, uint32_t nr) {
    static const struct {
        uint32_t inputs, dwords;
    } BLOCK[IG_ACT_FORM_COUNT] = {
        [IG_ACT_FORM_F32] = {2, 2}, /* BF16 weights come in pairs */
        [IG_ACT_FORM_BF16] = {2, 1},
        [IG_ACT_FORM_Q8] = {32, IG_Q8_DWORDS},
        [IG_ACT_FORM_Q8K] = {256, IG_Q8K_DWORDS},
    };
    return ig_div_up(cols, BLOCK[form].inputs) * BLOCK[form].dwords * 4 * nr;
}
