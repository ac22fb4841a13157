/* arch_layers.c: what each layer is: mixer, widths, window, rope, experts. Layer rules are
 * enumerated fields. */
#include "arch/arch_int.h"

/* Window flags: an array of the file, or an integer that replaces the row's period, or the row's
 * period. */
static ig_status windows(ig_builder *b, ig_err *err) {
    const uint32_t n = b->n_layers;
    const ig_meta *m = ig_arch_meta(b, "attention.sliding_window_pattern");
    uint64_t p = (uint64_t)b->v[F_WIN_P];
    const bool on = b->v[F_W] > 0, array = m && m->type == IG_META_ARRAY;
    if (b->v[F_WIN_ARRAY] != 0 && !array)
        return ig_fail(
            err, IG_EFORMAT,
            "key %.*s.attention.sliding_window_pattern: an array with a flag per layer is needed",
            IG_STR_ARG(b->arch));
    if (array)
        IG_TRY(ig_arch_check_layers(b, "attention.sliding_window_pattern", m, err));
    if (m && !array && (!ig_meta_u64(m, 0, &p) || p > IG_LAYERS_MAX))
        return ig_fail(err, IG_EFORMAT,
                       "key %.*s.attention.sliding_window_pattern: no period; the file is damaged",
                       IG_STR_ARG(b->arch));
    for (uint32_t l = 0; l < n; l++) {
        bool flag = false;
        if (array) {
            uint64_t x = 0;
            if (!ig_meta_bool(m, l, &flag)) {
                if (!ig_meta_u64(m, l, &x))
                    return ig_fail(err, IG_EFORMAT,
                                   "key %.*s.attention.sliding_window_pattern: value %u is no flag",
                                   IG_STR_ARG(b->arch), l);
                flag = x != 0;
            }
        } else if (p) {
            flag = b->v[F_WIN_FIRST] != 0 ? l % p != 0 : l % p < p - 1;
        }
        if (on && flag)
            b->layers[l].flags |= LAYER_WINDOW;
    }
    return IG_OK;
}

static ig_status rope_on(ig_builder *b, uint32_t l, bool *on, ig_err *err) {
    const uint32_t n = (uint32_t)b->v[F_ROPE_N];
    const bool window = b->layers[l].flags & LAYER_WINDOW;
    switch ((int)b->v[F_ROPE_RULE]) {
    case ROPE_ALL:
        *on = true;
        break;
    case ROPE_WIN:
        *on = window;
        break;
    case ROPE_WIN_OR_LEAD:
        *on = window || l < (uint32_t)b->v[F_LEAD];
        break;
    case ROPE_NOT_NTH:
        *on = n == 0 || (l + 1) % n != 0;
        break;
    case ROPE_NOT_FIRST:
        *on = n == 0 || l % n != 0;
        break;
    case ROPE_ARRAY: {
        const ig_meta *m = ig_arch_meta(b, "attention.rope_pattern");
        *on = true;
        uint64_t x;
        if (m && !ig_meta_bool(m, m->type == IG_META_ARRAY ? l : 0, on)) {
            if (!ig_meta_u64(m, l, &x))
                return ig_fail(err, IG_EFORMAT,
                               "key %.*s.attention.rope_pattern: no flag for layer %u",
                               IG_STR_ARG(b->arch), l);
            *on = x != 0;
        }
        break;
    }
    default: /* ROPE_OFF */
        *on = false;
        break;
    }
    *on = *on && b->v[F_ROPE] != ROPE_NONE;
    return IG_OK;
}

static bool moe(const ig_builder *b, uint32_t l) {
    if (b->v[F_E] == 0 || b->v[F_FFN] != RECIPE_MOE)
        return false;
    const uint32_t lead = (uint32_t)b->v[F_LEAD], step = (uint32_t)b->v[F_STEP];
    switch ((int)b->v[F_MOE_RULE]) {
    case MOE_LEAD:
        return l >= lead;
    case MOE_STEP:
        return step && (l + 1) % step == 0;
    case MOE_LEAD_STEP:
        return l >= lead && step && (l + 1) % step == 0;
    case MOE_TENSOR:
        return ig_arch_has(b, ROLE_GATE_INP);
    default:
        return true;
    }
}

/* Heads and widths of layer l. */
static ig_status heads(ig_builder *b, uint32_t l, ig_err *err) {
    ig_layer *y = &b->layers[l];
    const bool window = y->flags & LAYER_WINDOW, deci = b->v[F_LAYER_RULE] == LAYERS_DECI;
    y->heads = (uint32_t)ig_arch_value_at(b, F_H, l);
    y->kv_heads = (uint32_t)ig_arch_value_at(b, F_HK, l);
    y->k_cols = (uint32_t)b->v[window ? F_DK_WIN : F_DK];
    y->v_cols = (uint32_t)b->v[window ? F_DV_WIN : F_DV];
    if (deci && ig_arch_value_at(b, F_F, l) == 0)
        y->flags |= LAYER_DEAD;
    if (deci && y->heads == 0)
        return IG_OK;
    y->flags |= LAYER_MIX;
    y->mixer = deci && y->kv_heads == 0 ? RECIPE_ONE_MATRIX : RECIPE_GQA;
    if (y->mixer != RECIPE_GQA)
        return IG_OK;
    if (y->heads == 0 || y->kv_heads == 0 || y->heads % y->kv_heads)
        return ig_fail(err, IG_EFORMAT,
                       "key %.*s.attention.head_count: layer %u has %u heads over %u KV heads; the "
                       "file is damaged",
                       IG_STR_ARG(b->arch), l, y->heads, y->kv_heads);
    if ((uint64_t)y->heads * IG_MAX(y->k_cols, y->v_cols) > IG_WIDTH_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "key %.*s.attention.key_length: %u heads of %u columns are wider than %u",
                       IG_STR_ARG(b->arch), y->heads, IG_MAX(y->k_cols, y->v_cols), IG_WIDTH_MAX);
    return IG_OK;
}

/* The last n layers read the pages of the last layer of their own kind before them. */
static ig_status shared_pages(ig_builder *b, ig_err *err) {
    const uint32_t n = (uint32_t)b->v[F_KV_SHARED], first = b->n_layers - IG_MIN(n, b->n_layers);
    for (uint32_t l = first; l < b->n_layers; l++) {
        ig_layer *y = &b->layers[l];
        uint32_t from = first;
        while (from > 0 && (b->layers[from - 1].flags & LAYER_WINDOW) != (y->flags & LAYER_WINDOW))
            from--;
        const ig_layer *own = from > 0 ? &b->layers[from - 1] : NULL;
        if (!own || own->k_cols != y->k_cols || own->v_cols != y->v_cols ||
            y->heads % own->kv_heads)
            return ig_fail(err, IG_EFORMAT,
                           "key %.*s.attention.shared_kv_layers: layer %u finds no earlier layer "
                           "with keys of its kind",
                           IG_STR_ARG(b->arch), l);
        y->flags |= LAYER_REUSE;
        y->kv_heads = own->kv_heads;
        y->kv_from = from - 1;
    }
    return IG_OK;
}

/* What the layer's tensors say. */
static ig_status by_tensor(ig_builder *b, ig_layer *y, ig_err *err) {
    const bool fused = ig_arch_has(b, ROLE_ATTN_QKV);
    if (b->v[F_V_FROM_K] != 0 && !fused && !ig_arch_has(b, ROLE_ATTN_V)) {
        y->flags |= LAYER_V_FROM_K;
        if (y->k_cols != y->v_cols)
            return ig_fail(
                err, IG_EFORMAT,
                "key %.*s.attention.value_length: layer %u takes its values from keys, but %u "
                "columns are not %u",
                IG_STR_ARG(b->arch), b->layer, y->v_cols, y->k_cols);
    }
    if (ig_arch_has(b, ROLE_GATE_UP_EXPS))
        y->flags |= LAYER_MERGED;
    else if (b->v[F_GATE_OPT] != 0 && !ig_arch_has(b, ROLE_GATE_EXPS))
        y->flags |= LAYER_UNGATED;
    return IG_OK;
}

ig_status ig_arch_layers(ig_builder *b, ig_err *err) {
    IG_TRY(ig_arena_new(&b->scratch, b->n_layers, sizeof(ig_layer), &b->layers, err));
    IG_TRY(windows(b, err));
    b->in_layer = true;
    for (uint32_t l = 0; l < b->n_layers; l++) {
        ig_layer *y = &b->layers[l];
        b->layer = l;
        IG_TRY(heads(b, l, err));
        bool rope;
        IG_TRY(rope_on(b, l, &rope, err));
        if (rope)
            y->flags |= LAYER_ROPE;
        if (moe(b, l))
            y->flags |= LAYER_MOE;
        IG_TRY(by_tensor(b, y, err));
    }
    b->in_layer = false;
    return shared_pages(b, err);
}
