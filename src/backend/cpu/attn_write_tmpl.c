/* attn_write_tmpl.c: puts K and V of one token into a page, once per ISA level. Different tokens of
 * a page may be written by different threads at once: no two of them share a byte.
 *
 * F16 saturates at its largest value instead of becoming infinite: one infinite key or value would
 * turn every later row into NaN. NaN is kept. */
#include "backend/cpu/attn_write_tmpl.h"

#include <assert.h>
#include <math.h>

#define F16_MAX 65504.0f

static void to_f16(uint16_t *y, const float *x, uint32_t n) {
    const vf top = vf_set(F16_MAX), bottom = vf_set(-F16_MAX);
    uint32_t i = 0;
    for (; i + VN <= n; i += VN)
        vf_store_f16(y + i, vf_min(top, vf_max(bottom, vf_load(x + i))));
    for (; i < n; i++)
        y[i] = ig_f32_to_f16(x[i] > F16_MAX ? F16_MAX : x[i] < -F16_MAX ? -F16_MAX : x[i]);
}

static void to_16_bits(ig_dtype dtype, uint16_t *y, const float *x, uint32_t n) {
    if (dtype == IG_DTYPE_F16) {
        to_f16(y, x, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        y[i] = ig_f32_to_bf16(x[i]);
}

/* A quant in [low, high]; NaN, as from 0 * infinity, gives low: converting it would be undefined.
 */
static int8_t quant(float x, float low, float high) {
    return (int8_t)(x > low ? IG_MIN(x, high) : low);
}

/* A finite scale, so that a quant of zero stays zero. */
static uint16_t scale_f16(float d) {
    return ig_f32_to_f16(d > F16_MAX ? F16_MAX : d < -F16_MAX ? -F16_MAX : d);
}

/* Q8_0: scale = max |x| / 127, quants rounded half away from zero. */
static uint16_t block_q8(int8_t q[ATTN_Q_BLOCK], const float *x, uint32_t n) {
    float top = 0;
    for (uint32_t i = 0; i < n; i++)
        top = fabsf(x[i]) > top ? fabsf(x[i]) : top;
    const float d = top / 127.0f, inverse = d > 0 ? 1.0f / d : 0.0f;
    for (uint32_t i = 0; i < n; i++)
        q[i] = quant(roundf(x[i] * inverse), -127, 127);
    return scale_f16(d);
}

/* Q4_0: the element of largest magnitude becomes -8; quants are stored plus 8. */
static uint16_t block_q4(int8_t q[ATTN_Q_BLOCK], const float *x, uint32_t n) {
    float top = 0;
    for (uint32_t i = 0; i < n; i++)
        top = fabsf(x[i]) > fabsf(top) ? x[i] : top;
    const float d = top / -8.0f, inverse = d != 0.0f ? 1.0f / d : 0.0f;
    for (uint32_t i = 0; i < n; i++)
        q[i] = quant(x[i] * inverse + 8.5f, 0, 15);
    return scale_f16(d);
}

/* Writes the quants of one row (byte i of it at to + i * step) and its scales (block b at scales +
 * b * scale_step). */
static void write_quants(const attn_plane *p, const float *x, uint8_t *to, size_t step,
                         uint16_t *scales, size_t scale_step) {
    const bool q4 = p->dtype == IG_DTYPE_Q4_0;
    for (uint32_t at = 0, b = 0; at < p->cols; at += ATTN_Q_BLOCK, b++) {
        const uint32_t n = IG_MIN(ATTN_Q_BLOCK, p->cols - at), half = (n + 1) / 2;
        int8_t q[ATTN_Q_BLOCK] = {0};
        scales[b * scale_step] = q4 ? block_q4(q, x + at, n) : block_q8(q, x + at, n);
        if (!q4) {
            for (uint32_t i = 0; i < n; i++)
                to[(at + i) * step] = (uint8_t)q[i];
            continue;
        }
        for (uint32_t i = 0; i < half; i++) {
            const int high = half + i < n ? q[half + i] : 8;
            to[(at / 2 + i) * step] = (uint8_t)(q[i] | high << 4);
        }
    }
}

/* One head of K: column c of the token at plane row c. */
static void write_k(const attn_plane *p, uint8_t *plane, uint32_t head, uint32_t token,
                    const float *x) {
    uint8_t *to = plane + head * p->head_bytes;
    if (p->dtype == IG_DTYPE_F32) {
        for (uint32_t c = 0; c < p->cols; c++)
            ((float *)(void *)to)[c * ATTN_PAGE + token] = x[c];
    } else if (p->scale_bytes == 0) {
        uint16_t row[ATTN_COLS_MAX];
        to_16_bits(p->dtype, row, x, p->cols);
        for (uint32_t c = 0; c < p->cols; c++)
            ((uint16_t *)(void *)to)[c * ATTN_PAGE + token] = row[c];
    } else {
        uint16_t *scales = (uint16_t *)(void *)(plane + p->scales_at + head * p->scale_bytes);
        write_quants(p, x, to + token, ATTN_PAGE, scales + token, ATTN_PAGE);
    }
}

/* One head of V: the token's columns lie together. */
static void write_v(const attn_plane *p, uint8_t *plane, uint32_t head, uint32_t token,
                    const float *x) {
    uint8_t *to = plane + head * p->head_bytes + token * p->row_bytes;
    if (p->dtype == IG_DTYPE_F32) {
        memcpy(to, x, p->row_bytes);
    } else if (p->scale_bytes == 0) {
        to_16_bits(p->dtype, (uint16_t *)(void *)to, x, p->cols);
    } else {
        uint16_t *scales = (uint16_t *)(void *)(plane + p->scales_at + head * p->scale_bytes);
        write_quants(p, x, to, 1, scales + (size_t)token * attn_blocks(p->cols), 1);
    }
}

void IG_ISA_SYMBOL(ig_attn_write)(const ig_state *state, ig_dtype k_dtype, ig_dtype v_dtype,
                                  uint8_t *page, uint32_t token, const float *k,
                                  size_t k_head_stride, const float *v, size_t v_head_stride) {
    attn_plane k_plane, v_plane;
    const bool known = ig_attn_plane_k(&k_plane, state->n_kv_heads, state->k_cols, k_dtype) &&
                       ig_attn_plane_v(&v_plane, state->n_kv_heads, state->v_cols, v_dtype);
    assert(known && token < ATTN_PAGE);
    if (!known)
        return;
    for (uint32_t h = 0; h < state->n_kv_heads; h++) {
        write_k(&k_plane, page, h, token, k + h * k_head_stride);
        write_v(&v_plane, page + k_plane.bytes, h, token, v + h * v_head_stride);
    }
}
