/* fuzz_sample.c: any parameters, logits, masks and accepted tokens: a sampler is refused with a
 * message or draws tokens that are allowed. The first bytes are the parameters as they lie in
 * memory, the rest feeds the draws. */
#include <stdlib.h>

#include "sample/sample.h"

#define V 130

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parameter fields that hold no pointer are taken from the input. */
static void take_params(ig_cursor *c, ig_sample_params *p) {
    float *const reals[] = {
        &p->temperature,     &p->dynatemp_range, &p->dynatemp_exponent, &p->top_p,
        &p->min_p,           &p->typical_p,      &p->top_n_sigma,       &p->xtc_probability,
        &p->xtc_threshold,   &p->penalty_repeat, &p->penalty_frequency, &p->penalty_presence,
        &p->dry_multiplier,  &p->dry_base,       &p->mirostat_tau,      &p->mirostat_eta,
        &p->adaptive_target, &p->adaptive_decay};
    int32_t *const wholes[] = {&p->top_k, &p->min_keep, &p->penalty_last_n, &p->dry_allowed_length,
                               &p->dry_penalty_last_n};
    uint32_t from = ig_cursor_u32(c);
    for (size_t i = 0; i < IG_COUNT(reals); i++)
        if (from >> i & 1)
            *reals[i] = ig_cursor_f32(c);
    for (size_t i = 0; i < IG_COUNT(wholes); i++)
        if (from >> (20 + i) & 1)
            *wholes[i] = (int8_t)ig_cursor_u8(c);
    p->mirostat = ig_cursor_u8(c) % 4;
    p->context_tokens = 20;
    p->n_chain = ig_cursor_u8(c) % IG_SAMPLERS_MAX;
    for (uint32_t i = 0; i < p->n_chain; i++)
        p->chain[i] = (ig_sampler_kind)(ig_cursor_u8(c) % IG_SAMPLER_COUNT);
}

static void check(bool cond) {
    if (!cond)
        abort();
}

static void draw_all(ig_sampler *s, ig_cursor *c) {
    float logits[V] = {0};
    uint32_t mask[(V + 31) / 32];
    for (int step = 0; step < 12 && ig_cursor_left(c) > 0; step++) {
        ig_err err = {0};
        ig_draw draw;
        ig_candidate left[8];
        uint8_t flags = ig_cursor_u8(c);
        for (int i = 0; i < V; i++)
            logits[i] = flags & 1 ? ig_cursor_f32(c) : (float)(int8_t)ig_cursor_u8(c) * 0.25f;
        for (size_t i = 0; i < IG_COUNT(mask); i++)
            mask[i] = ig_cursor_u32(c);
        if (ig_sampler_draw(s, logits, flags & 2 ? mask : NULL, &draw, &err)) {
            check(err.message[0] != '\0');
            continue;
        }
        check(draw.id >= 0 && draw.id < V && draw.p > 0.0f && draw.p <= 1.0f);
        check(logits[draw.id] > -__builtin_inff());
        check(!(flags & 2) || (mask[draw.id / 32] >> draw.id % 32 & 1));
        check(ig_sampler_candidates(s, left, 8) >= 1);
        check(ig_sampler_accept(s, (int32_t)(flags % V), &err) == IG_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const int32_t ids[] = {3, 5, 7};
    static const ig_token_run breakers[] = {{ids, 3}, {ids + 1, 1}};
    static const ig_logit_bias bias[] = {{1, 2.0f}, {2, -1e38f}};
    ig_cursor c = ig_cursor_view(data, size);
    ig_err err = {0};
    ig_sampler *s = NULL;
    ig_sample_params p;
    ig_sample_defaults(&p);
    take_params(&c, &p);
    p.seed = 1;
    p.n_probs = 8;
    p.dry_breakers = breakers;
    p.n_dry_breakers = IG_COUNT(breakers);
    p.logit_bias = bias;
    p.n_logit_bias = IG_COUNT(bias);
    if (ig_sampler_create(&s, &p, V, &err))
        check(err.message[0] != '\0');
    else
        draw_all(s, &c);
    ig_sampler_destroy(&s);
    ig_sample_params q = p;
    if (ig_sample_chain_parse((ig_str){(const char *)data, size}, &q, &err) == IG_OK)
        check(q.n_chain <= IG_SAMPLERS_MAX);
    return 0;
}
