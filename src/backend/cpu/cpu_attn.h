/* cpu_attn.h: attention over K/V pages on the CPU.
 *
 * Layout of one page of one state (32 tokens): K [Hk][Dk][32 tokens] (a lane is a key: scores need
 * no horizontal sum), V [Hk][32 tokens][Dv] (a lane is a column of the output). F32, F16, BF16
 * elements; Q8_0 and Q4_0 as blocks of 32 along Dk or Dv of one token, with quants and scales in
 * separate planes of the page, described in the implementation.
 *
 * Order of arithmetic: keys are visited in blocks of IG_ATTN_BLOCK tokens cut at absolute
 * positions; each block gives (max, sum, acc) and blocks are merged in ascending order, whoever
 * computed them. So the result of a query does not depend on how many queries are in the step, on
 * the chunking of the prompt, or on the number of threads. Tested bit for bit, for finite values: a
 * NaN or infinity that a neighbour in the same tile sees may come through.
 *
 * Bytes of pages that no row of the step sees do not matter, whatever they are; page numbers behind
 * the window are not looked at. */
#ifndef IG_BACKEND_CPU_ATTN_H
#define IG_BACKEND_CPU_ATTN_H

#include "plan/plan.h"

#define IG_ATTN_BLOCK 256u

/* One sequence's attention in one layer. */
typedef struct ig_attn_job {
    const ig_attend_attr *attend;
    ig_dtype k_dtype, v_dtype;
    const uint32_t *pages; /* page table of the sequence */
    uint8_t *base;         /* page n of this state is at base + n * page_stride */
    size_t page_stride;
    uint32_t n_past, n_rows; /* tokens before the step; rows of the step */
    const float *q; /* row i, head h at q + i * q_stride + h * q_head_stride; normed and rotated */
    size_t q_stride, q_head_stride;
    const float *sinks;       /* [H] or NULL */
    const int32_t *positions; /* [n_rows] of the step's rows, for alibi; keys of earlier steps sit
                                 at their index */
    float *out;               /* row i, head h at out + i * out_stride + h * Dv */
    size_t out_stride;
} ig_attn_job;

typedef struct ig_attn_set {
    const char *isa;
    /* F16 and BF16 caches: queries, keys, weights and values are rounded to BF16 (2^-9 of each at
     * most) and multiplied in pairs; sums are f32. F32, Q8_0 and Q4_0 caches are multiplied in f32.
     */
    bool bf16_products;
    /* Bytes of a page of one state for these types (K then V, each 64-byte aligned); 0 when not
     * supported: another type, or heads wider than 2048 columns. */
    size_t (*page_bytes)(const ig_state *state, ig_dtype k, ig_dtype v);
    /* Writes K and V of one token (all heads; k [Hk][Dk], v [Hk][Dv] with the given head strides in
     * floats) at `token` (0..31) of a page. Different tokens may be written by different threads at
     * once: they share no byte, in any type. F16 saturates at 65504. */
    void (*write)(const ig_state *state, ig_dtype k_dtype, ig_dtype v_dtype, uint8_t *page,
                  uint32_t token, const float *k, size_t k_head_stride, const float *v,
                  size_t v_head_stride);
    /* How many independent units the job has: tiles of queries x K/V heads x (for few queries)
     * groups of key blocks. It depends on the job only, never on threads. scratch bytes for partial
     * results of all units go to *scratch_bytes: 0 for jobs of more than 8 rows, and never more
     * than ig_attn_scratch_max. Reads attend, n_past and n_rows. */
    uint32_t (*units)(const ig_attn_job *job, size_t *scratch_bytes);
    /* Computes one unit; `local` is this thread's scratch of IG_ATTN_LOCAL_BYTES, `scratch` is
     * shared by the job. */
    void (*run)(const ig_attn_job *job, uint32_t unit, void *scratch, void *local);
    /* After all units are done: merges partial results of K/V head `head` (when units() split the
     * keys); may be called by different threads for different heads. Does nothing when nothing was
     * split. */
    void (*merge)(const ig_attn_job *job, uint32_t head, void *scratch);
} ig_attn_set;

#define IG_ATTN_LOCAL_BYTES (1u << 20)

/* Bytes of scratch that any job of at most rows_max rows in a context of that many tokens asks for.
 */
size_t ig_attn_scratch_max(const ig_attend_attr *attend, uint32_t rows_max, uint32_t context);
/* Bytes of a page; 0 when not supported, see ig_attn_set. */
size_t ig_attn_page_bytes(const ig_state *state, ig_dtype k, ig_dtype v);

extern const ig_attn_set ig_attn_scalar;
extern const ig_attn_set ig_attn_avx2;
extern const ig_attn_set ig_attn_avx512;
extern const ig_attn_set ig_attn_neon;

#endif
