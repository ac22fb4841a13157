/* arch_weights.c: finds tensors by role, checks their shape and type, and keeps account of which
 * were used. A tensor that nobody used and no list ignores is refused by name: it would be a part
 * of the model that we silently leave out. */
#include "arch/arch_int.h"

#include <inttypes.h>
#include <stdio.h>

#define NAME_BYTES_MAX 160

/* ---- names ---------------------------------------------------------------------------------- */

static const ig_tensor *by_name(const ig_builder *b, ig_role role, const char *stem,
                                const char *suffix) {
    char name[NAME_BYTES_MAX];
    int n;
    if (role > ROLE_LAYER)
        n = snprintf(name, sizeof name, "blk.%" PRIu32 ".%s%s", b->layer, stem, suffix);
    else
        n = snprintf(name, sizeof name, "%s%s", stem, suffix);
    return n > 0 && (size_t)n < sizeof name
               ? ig_checkpoint_tensor(b->ckpt, (ig_str){name, (size_t)n})
               : NULL;
}

static const ig_rename *renamed(const ig_builder *b, ig_role role) {
    for (const ig_rename *r = b->row->rename; r && r->role; r++) {
        if (r->role == role)
            return r;
    }
    return NULL;
}

const ig_tensor *ig_arch_find_tensor(const ig_builder *b, ig_role role, const char *suffix) {
    const ig_rename *r = renamed(b, role);
    const bool weight = strcmp(suffix, ".weight") == 0;
    for (size_t i = 0; i < (r ? IG_COUNT(r->stems) : 1); i++) {
        const char *stem = r ? r->stems[i] : ig_arch_stems[role];
        if (!stem)
            continue;
        const ig_tensor *t = by_name(b, role, stem, suffix);
        if (!t && weight)
            t = by_name(b, role, stem, "");
        if (t)
            return t;
    }
    return NULL;
}

bool ig_arch_has(const ig_builder *b, ig_role role) {
    return ig_arch_find_tensor(b, role, ".weight") != NULL;
}

ig_status ig_arch_missing(const ig_builder *b, ig_role role, ig_err *err) {
    const ig_rename *r = renamed(b, role);
    const char *stem = r ? r->stems[0] : ig_arch_stems[role];
    if (ig_checkpoint_tensor_count(b->ckpt) == 0)
        return ig_fail(err, IG_EFORMAT,
                       "the file holds a vocabulary and no weights: take one with weights to run "
                       "the model, or tokenise with this one");
    if (role > ROLE_LAYER)
        return ig_fail(err, IG_EFORMAT,
                       "tensor blk.%" PRIu32
                       ".%s.weight is missing; the file is incomplete, download it again",
                       b->layer, stem);
    return ig_fail(err, IG_EFORMAT,
                   "tensor %s.weight is missing; the file is incomplete, download it again", stem);
}

/* ---- use ------------------------------------------------------------------------------------ */

ig_status ig_arch_weights_begin(ig_builder *b, ig_err *err) {
    const size_t n = ig_checkpoint_tensor_count(b->ckpt);
    IG_TRY(ig_arena_new(&b->scratch, n, sizeof *b->used, &b->used, err));
    return ig_arena_new(&b->scratch, n, sizeof *b->weight_of, &b->weight_of, err);
}

/* Place in the directory, which is one array. */
static size_t index_of(const ig_builder *b, const ig_tensor *t) {
    return (size_t)(t - ig_checkpoint_tensor_at(b->ckpt, 0));
}

void ig_arch_mark(ig_builder *b, const ig_tensor *t) {
    const size_t i = index_of(b, t);
    b->p->facts.n_params += b->used[i] ? 0 : t->n_elems;
    b->used[i] = true;
}

static ig_status check(const ig_tensor *t, uint64_t cols, uint64_t rows, uint64_t stack,
                       ig_err *err) {
    const ig_dtype_row *d = ig_dtype_info(t->dtype);
    if (t->ne[0] != cols || t->ne[1] != rows || t->ne[2] != stack || t->ne[3] != 1)
        return ig_fail(err, IG_EFORMAT,
                       "tensor %.*s: shape [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
                       "], expected [%" PRIu64 ", %" PRIu64 ", %" PRIu64
                       "]; keys and tensors of the file disagree",
                       IG_STR_ARG(t->name), t->ne[0], t->ne[1], t->ne[2], t->ne[3], cols, rows,
                       stack);
    if (!d->decode)
        return ig_fail(err, IG_EUNSUPPORTED,
                       "tensor %.*s: no codec for type %s; use a file with another quantisation",
                       IG_STR_ARG(t->name), d->name);
    if (!t->data)
        return ig_fail(err, IG_EFORMAT,
                       "tensor %.*s: its data is not in the file; download the file again",
                       IG_STR_ARG(t->name));
    return IG_OK;
}

ig_status ig_arch_matrix(ig_builder *b, const ig_tensor *t, uint64_t cols, uint64_t rows,
                         uint64_t stack, ig_weight_id *out, ig_err *err) {
    IG_TRY(check(t, cols, rows, stack, err));
    if (cols > IG_WIDTH_MAX || rows > IG_WIDTH_MAX || stack > IG_EXPERTS_MAX)
        return ig_fail(err, IG_ELIMIT, "tensor %.*s: a dimension is above %u", IG_STR_ARG(t->name),
                       IG_WIDTH_MAX);
    ig_arch_mark(b, t);
    ig_weight_id *known = &b->weight_of[index_of(b, t)];
    *out = *known;
    if (*known)
        return IG_OK;
    const ig_weight w = {.name = t->name,
                         .dtype = t->dtype,
                         .cols = (uint32_t)cols,
                         .rows = (uint32_t)rows,
                         .stack = (uint32_t)stack,
                         .bytes = t->bytes,
                         .data = t->data,
                         .tensor = (int64_t)index_of(b, t)};
    IG_TRY(ig_program_weight(b->p, &w, out, err));
    *known = *out;
    return IG_OK;
}

ig_status ig_arch_numbers(ig_builder *b, const ig_tensor *t, uint64_t n, float **out, ig_err *err) {
    const ig_dtype_row *d = ig_dtype_info(t->dtype);
    if (t->n_elems != n)
        return ig_fail(err, IG_EFORMAT,
                       "tensor %.*s: %" PRIu64 " numbers, expected %" PRIu64
                       "; keys and tensors of the file disagree",
                       IG_STR_ARG(t->name), t->n_elems, n);
    IG_TRY(check(t, t->ne[0], t->ne[1], t->ne[2], err));
    if (n > 4ull * IG_WIDTH_MAX || n % d->block_elems)
        return ig_fail(err, IG_ELIMIT,
                       "tensor %.*s: %" PRIu64 " numbers do not fit a vector of type %s",
                       IG_STR_ARG(t->name), n, d->name);
    IG_TRY(ig_arena_new(&b->p->arena, n, sizeof(float), out, err));
    d->decode(t->data, *out, n);
    ig_arch_mark(b, t);
    return IG_OK;
}

ig_status ig_arch_vector(ig_builder *b, const ig_tensor *t, uint64_t cols, uint64_t rows,
                         ig_weight_id *out, ig_err *err) {
    if (cols > IG_WIDTH_MAX || rows > IG_WIDTH_MAX)
        return ig_fail(err, IG_ELIMIT, "tensor %.*s: a dimension is above %u", IG_STR_ARG(t->name),
                       IG_WIDTH_MAX);
    ig_weight w = {.name = t->name,
                   .dtype = IG_DTYPE_F32,
                   .cols = (uint32_t)cols,
                   .rows = (uint32_t)rows,
                   .stack = 1,
                   .bytes = cols * rows * sizeof(float),
                   .data = t->data,
                   .tensor = (int64_t)index_of(b, t)};
    if (t->dtype != IG_DTYPE_F32 || ((uintptr_t)t->data & 3)) {
        float *x;
        IG_TRY(ig_arch_numbers(b, t, cols * rows, &x, err));
        w.data = (const uint8_t *)x;
        w.tensor = -1;
    } else {
        if (t->n_elems != cols * rows)
            return ig_fail(err, IG_EFORMAT,
                           "tensor %.*s: %" PRIu64 " numbers, expected %" PRIu64
                           "; keys and tensors of "
                           "the file disagree",
                           IG_STR_ARG(t->name), t->n_elems, cols * rows);
        IG_TRY(check(t, t->ne[0], t->ne[1], t->ne[2], err));
        ig_arch_mark(b, t);
    }
    return ig_program_weight(b->p, &w, out, err);
}

/* ---- tensors nobody used -------------------------------------------------------------------- */

/* "blk.12.ffn_up.weight" -> 12 and "ffn_up.weight". */
static ig_str leaf(ig_str name, uint64_t *block) {
    *block = UINT64_MAX;
    if (!ig_str_starts(name, IG_STR("blk.")))
        return name;
    size_t i = 4;
    uint64_t n = 0;
    while (i < name.n && name.p[i] >= '0' && name.p[i] <= '9' && n < IG_LAYERS_MAX * 16)
        n = n * 10 + (uint64_t)(name.p[i++] - '0');
    if (i == 4 || i >= name.n || name.p[i] != '.')
        return name;
    *block = n;
    return (ig_str){name.p + i + 1, name.n - i - 1};
}

static bool ignored(const ig_builder *b, ig_str name) {
    uint64_t block;
    const ig_str l = leaf(name, &block);
    /* Activation scales for hardware types; rotary tables that old converters wrote out. */
    if (ig_str_ends(l, IG_STR(".input_scale")) || ig_str_is(l, "attn_rot_embd.weight") ||
        ig_str_is(l, "attn.rotary_emb.inv_freq"))
        return true;
    /* Blocks behind the trunk predict further tokens; they are no part of this program. */
    if (block != UINT64_MAX && block >= b->n_layers && block < (uint64_t)b->v[F_N_BLOCK])
        return true;
    if (block < b->n_layers && (b->layers[block].flags & LAYER_DEAD))
        return true;
    for (const char *const *k = b->row->ignored_tensors; k && *k; k++) {
        const ig_str p = ig_str_of(*k);
        if (p.p[p.n - 1] == '*' ? ig_str_starts(l, (ig_str){p.p, p.n - 1}) : ig_str_eq(l, p))
            return true;
    }
    return false;
}

ig_status ig_arch_check_tensors(const ig_builder *b, ig_err *err) {
    const size_t n = ig_checkpoint_tensor_count(b->ckpt);
    for (size_t i = 0; i < n; i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(b->ckpt, i);
        if (!b->used[i] && !ignored(b, t->name))
            return ig_fail(err, IG_EUNSUPPORTED,
                           "tensor %.*s has no place in the graph of %.*s; the model would compute "
                           "something else than it "
                           "was trained for",
                           IG_STR_ARG(t->name), IG_STR_ARG(b->arch));
    }
    return IG_OK;
}
