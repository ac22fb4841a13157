/* arch_build.c: walks a row's recipes over the layers of one file and gives back a program. */
#include "arch/arch_int.h"

#define SCRATCH_BYTES_MAX ((size_t)256 << 20)

ig_status ig_arch_run(ig_builder *b, ig_recipe recipe, ig_err *err) {
    for (const ig_record *r = ig_arch_recipes[recipe]; r->op; r++) {
        if (ig_arch_when(b, r))
            IG_TRY(ig_arch_record(b, r, err));
    }
    return IG_OK;
}

/* The head is not part of a program that ends with embeddings, but it is part of the file. */
static void skip_head(ig_builder *b) {
    static const char *const suffixes[] = {".weight", ".bias", ".scale"};
    for (size_t i = 0; i < IG_COUNT(suffixes); i++) {
        const ig_tensor *t = ig_arch_find_tensor(b, ROLE_OUTPUT, suffixes[i]);
        if (t)
            ig_arch_mark(b, t);
    }
}

static ig_status facts(ig_builder *b, ig_err *err) {
    ig_model_facts *f = &b->p->facts;
    const ig_meta *name = ig_checkpoint_meta(b->ckpt, IG_STR("general.name"));
    ig_str text = {0};
    if (name && !ig_meta_str(name, 0, &text))
        text = (ig_str){0};
    IG_TRY(ig_arena_str(&b->p->arena, b->arch, &f->arch, err));
    IG_TRY(ig_arena_str(&b->p->arena, text, &f->name, err));
    f->n_layers = b->n_layers;
    f->n_embd = (uint32_t)b->v[F_D];
    f->n_context_train = (uint32_t)b->v[F_N_CTX];
    f->n_heads = b->layers[0].heads;
    f->n_kv_heads = b->layers[0].kv_heads;
    f->causal = b->v[F_CAUSAL] != 0;
    f->has_logits = !b->options->embeddings;
    return IG_OK;
}

static ig_status build(ig_builder *b, ig_err *err) {
    IG_TRY(ig_arch_weights_begin(b, err));
    IG_TRY(ig_arch_eval(b, err));
    IG_TRY(ig_arch_layers(b, err));
    IG_TRY(facts(b, err));
    IG_TRY(ig_arch_ropes(b, err));
    IG_TRY(ig_arch_run(b, RECIPE_PROLOGUE, err));
    b->in_layer = true;
    for (b->layer = 0; b->layer < b->n_layers; b->layer++) {
        if (!(b->layers[b->layer].flags & LAYER_DEAD))
            IG_TRY(ig_arch_run(b, (ig_recipe)b->v[F_FRAME], err));
    }
    b->in_layer = false;
    b->layer = 0;
    IG_TRY(ig_arch_run(b, RECIPE_FINAL, err));
    if (b->options->embeddings)
        skip_head(b);
    else
        IG_TRY(ig_arch_run(b, RECIPE_HEAD, err));
    b->p->output = b->reg[b->options->embeddings ? REG_X : REG_Z].value;
    b->p->facts.n_vocab = b->n_vocab;
    IG_TRY(ig_arch_check_tensors(b, err));
    return ig_arch_check_keys(b, err);
}

static ig_status name_of(const ig_checkpoint *ckpt, ig_str *out, ig_err *err) {
    const ig_meta *m = ig_checkpoint_meta(ckpt, IG_STR("general.architecture"));
    if (!m || !ig_meta_str(m, 0, out) || out->n == 0)
        return ig_fail(err, IG_EFORMAT,
                       "key general.architecture is missing; this is no model file");
    return IG_OK;
}

ig_status ig_arch_build(ig_program **out, const ig_checkpoint *ckpt, const ig_arch_options *options,
                        ig_err *err) {
    static const ig_arch_options defaults = {0};
    ig_str name;
    *out = NULL;
    IG_TRY(name_of(ckpt, &name, err));
    const ig_arch_row *row = ig_arch_find(name);
    if (!row)
        return ig_arch_unknown(name, err);
    ig_builder *b = ig_alloc(1, sizeof *b);
    if (!b)
        return ig_fail_memory(err, sizeof *b);
    b->ckpt = ckpt;
    b->options = options ? options : &defaults;
    b->row = row;
    b->arch = name;
    ig_arena_init(&b->scratch, SCRATCH_BYTES_MAX);
    ig_status status = ig_program_create(&b->p, err);
    if (!status)
        status = build(b, err);
    if (status)
        ig_program_destroy(&b->p);
    *out = b->p;
    ig_arena_fini(&b->scratch);
    ig_free(b);
    return status;
}
