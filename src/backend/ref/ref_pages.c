/* ref_pages.c: K and V pages. A page holds, for each state of its group in order of state number, K
 * [32 tokens][Hk][Dk] and then V [32 tokens][Hk][Dv], each head encoded in the pool's type, each of
 * the two starting at a multiple of 64 bytes. */
#include "backend/ref/ref_int.h"

#define ALIGN 64u

/* Bytes of one head of one token; 0 when the type has no encoder or the head is not made of whole
 * blocks. */
static size_t head_bytes(uint32_t cols, ig_dtype dtype) {
    const ig_dtype_row *type = ig_dtype_info(dtype);
    uint64_t bytes;
    if (!type->encode || !type->decode || !ig_dtype_bytes(dtype, cols, &bytes))
        return 0;
    return (size_t)bytes;
}

static uint64_t plane_bytes(const ig_state *st, uint32_t cols, ig_dtype dtype) {
    return ig_round_up((size_t)IG_PAGE_TOKENS * st->n_kv_heads * head_bytes(cols, dtype), ALIGN);
}

uint64_t ig_refop_page_bytes(const ig_program *p, uint32_t group, ig_dtype k, ig_dtype v) {
    uint64_t bytes = 0;
    for (uint32_t i = 1; i < p->n_states; i++) {
        const ig_state *st = &p->states[i];
        if (st->kind != IG_STATE_PAGES || st->group != group)
            continue;
        if (!head_bytes(st->k_cols, k) || !head_bytes(st->v_cols, v))
            return 0;
        bytes += plane_bytes(st, st->k_cols, k) + plane_bytes(st, st->v_cols, v);
    }
    return bytes;
}

void ig_refop_pool_close(ref_pool *pool) {
    for (size_t g = 0; g < IG_PAGE_GROUPS_MAX; g++)
        ig_free(pool->pages[g]);
    ig_free(pool->state_offset);
    ig_free(pool);
}

ig_status ig_refop_pool_open(const ref_module *m, const ig_pool_options *o, ref_pool **out,
                             ig_err *err) {
    const ig_program *p = m->plan->program;
    ref_pool *pool = ig_alloc(1, sizeof *pool);
    if (!pool)
        return ig_fail_memory(err, sizeof *pool);
    ig_status status = IG_OK;
    *pool = (ref_pool){.module = m, .k_dtype = o->k_dtype, .v_dtype = o->v_dtype};
    pool->state_offset = ig_alloc(p->n_states, sizeof *pool->state_offset);
    if (!pool->state_offset) {
        status = ig_fail_memory(err, p->n_states * sizeof *pool->state_offset);
        goto out;
    }
    for (uint32_t i = 1; i < p->n_states; i++) {
        const ig_state *st = &p->states[i];
        if (st->kind != IG_STATE_PAGES)
            continue;
        pool->state_offset[i] = pool->page_bytes[st->group];
        pool->page_bytes[st->group] +=
            plane_bytes(st, st->k_cols, o->k_dtype) + plane_bytes(st, st->v_cols, o->v_dtype);
    }
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        pool->pages[g] = ig_alloc_aligned(pool->page_bytes[g] * o->n_pages[g], ALIGN);
        if (!pool->pages[g]) {
            status = ig_fail(err, IG_EMEMORY,
                             "out of memory for %u pages of %zu bytes; ask for a shorter context",
                             o->n_pages[g], pool->page_bytes[g]);
            goto out;
        }
    }
out:
    if (status)
        ig_refop_pool_close(pool);
    else
        *out = pool;
    return status;
}

uint8_t *ig_refop_kv(const ref_pool *pool, ig_state_id state, uint32_t page, uint32_t token,
                     uint32_t head, bool value) {
    const ig_state *st = &pool->module->plan->program->states[state];
    uint8_t *base =
        pool->pages[st->group] + page * pool->page_bytes[st->group] + pool->state_offset[state];
    const size_t index = (size_t)token * st->n_kv_heads + head;
    if (!value)
        return base + index * head_bytes(st->k_cols, pool->k_dtype);
    return base + plane_bytes(st, st->k_cols, pool->k_dtype) +
           index * head_bytes(st->v_cols, pool->v_dtype);
}
