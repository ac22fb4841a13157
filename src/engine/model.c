/* model.c: opening a model: file → checkpoint → vocabulary, template, program, plan,
 * module. Entered by any thread; a model is immutable afterwards but for the module, which
 * sessions use in turns. */
#include "engine/engine_int.h"

#include "backend/cpu/cpu.h"
#include "backend/ref/ref.h"
#include "engine/stop_text.h"

#define BATCH_DEFAULT 512u
#define CONTEXT_DEFAULT 8192u
#define BATCH_MAX 65536u
#define THREADS_MAX 256u
#define SEQUENCES_MAX IG_EXEC_SEQS_MAX

typedef struct backend_row {
    const ig_backend_fns *fns;
    uint32_t threads_max; /* that it makes use of */
} backend_row;

/* The backends of this build, best first. */
static const backend_row BACKENDS[] = {{&ig_backend_cpu, THREADS_MAX}, {&ig_backend_ref, 1}};

static ig_status find_backend(const char *name, const backend_row **out, ig_err *err) {
    for (size_t i = 0; i < IG_COUNT(BACKENDS); i++) {
        if (!name || strcmp(BACKENDS[i].fns->name, name) == 0) {
            *out = &BACKENDS[i];
            return IG_OK;
        }
    }
    return ig_fail(err, IG_EUNSUPPORTED, "device \"%s\" is not in this build; known: cpu, ref",
                   name);
}

static ig_status cache_type(const char *name, ig_dtype *out, ig_err *err) {
    *out = name ? ig_dtype_from_name(ig_str_of(name)) : IG_DTYPE_F16;
    if (*out == IG_DTYPE_NONE || !ig_dtype_info(*out)->encode)
        return ig_fail(err, IG_EARGUMENT,
                       "cache type \"%s\" is unknown; use f32, f16, bf16, q8_0 or q4_0", name);
    return IG_OK;
}

static ig_status at_most(const char *name, uint32_t value, uint32_t most, ig_err *err) {
    return value <= most
               ? IG_OK
               : ig_fail(err, IG_EARGUMENT, "%s is %u; it may be at most %u", name, value, most);
}

ig_status ig_engine_options(const ingot_model_options *in, ingot_model_options *out, ig_dtype *k,
                            ig_dtype *v, ig_err *err) {
    *out = in ? *in : (ingot_model_options){0};
    if (out->batch == 0)
        out->batch = BATCH_DEFAULT;
    out->sequences = IG_MAX(out->sequences, 1);
    out->outputs = IG_MAX(out->outputs, out->sequences);
    IG_TRY(at_most("batch", out->batch, BATCH_MAX, err));
    IG_TRY(at_most("context", out->context, IG_CONTEXT_MAX, err));
    IG_TRY(at_most("threads", out->threads, THREADS_MAX, err));
    IG_TRY(at_most("sequences", out->sequences, SEQUENCES_MAX, err));
    IG_TRY(cache_type(out->cache_type_k, k, err));
    return cache_type(out->cache_type_v, v, err);
}

static uint32_t context_of(const ig_checkpoint *ckpt, const ingot_model_options *o) {
    ig_str arch;
    char key[128];
    uint64_t trained = 0;
    const ig_meta *m = ig_checkpoint_meta(ckpt, IG_STR("general.architecture"));
    if (o->context)
        return o->context;
    if (m && ig_meta_str(m, 0, &arch) && arch.n < sizeof key - 32) {
        memcpy(key, arch.p, arch.n);
        memcpy(key + arch.n, ".context_length", sizeof ".context_length");
        const ig_meta *length = ig_checkpoint_meta(ckpt, ig_str_of(key));
        if (!length || !ig_meta_u64(length, 0, &trained))
            trained = 0;
    }
    return trained && trained < CONTEXT_DEFAULT ? (uint32_t)trained : CONTEXT_DEFAULT;
}

ig_status ig_engine_plan(const ig_checkpoint *ckpt, ingot_model_options *o, const ig_logger *logger,
                         ig_device **device, ig_plan **plan, ig_err *err) {
    const backend_row *backend = &BACKENDS[0];
    ig_program *program = NULL;
    IG_TRY(find_backend(o->device, &backend, err));
    o->threads = IG_MIN(o->threads ? o->threads : ig_core_count(), backend->threads_max);
    o->context = context_of(ckpt, o);
    /* One sequence has no use for more rows than its context. */
    o->batch = o->sequences > 1 ? IG_MAX(o->batch, o->sequences) : IG_MIN(o->batch, o->context);
    o->outputs = IG_MIN(o->outputs, o->batch);
    ig_arch_options arch = {.context_max = o->context,
                            .rope_freq_base = o->rope_freq_base,
                            .rope_freq_scale = o->rope_freq_scale,
                            .rope_scaling = o->rope_scaling,
                            .logger = logger};
    IG_TRY(ig_arch_build(&program, ckpt, &arch, err));
    /* Every checkpoint so far is a read-only file map. */
    for (uint32_t w = 1; w < program->n_weights; w++)
        program->weights[w].mapped = program->weights[w].tensor >= 0;
    ig_device_options options = {.n_threads = o->threads,
                                 .cpu_isa = o->cpu_isa,
                                 .pin_threads = o->pin_threads,
                                 .profile = o->profile,
                                 .logger = logger,
                                 .progress = o->progress,
                                 .progress_user = o->progress_user};
    ig_status status = ig_device_open(device, backend->fns, &options, err);
    if (status) {
        ig_program_destroy(&program);
        return status;
    }
    ig_limits limits = {.tokens_max = o->batch,
                        .outputs_max = o->outputs,
                        .seqs_max = o->sequences,
                        .context_max = o->context};
    status = ig_plan_create(plan, &program, ig_device_caps(*device), &limits, err);
    if (status)
        ig_device_close(device);
    return status;
}

static void compile_chat(ingot_model *m) {
    ig_str source;
    const ig_meta *meta = ig_checkpoint_meta(m->ckpt, IG_STR("tokenizer.chat_template"));
    if (!meta || !ig_meta_str(meta, 0, &source))
        return;
    /* A broken template must not keep the model from completing text: the error is kept for
     * whoever asks for chat. */
    if (ig_template_create(&m->chat, source, &m->chat_error))
        ig_log(&m->logger, IG_LOG_WARN, "event=chat_template_refused reason=\"%s\"",
               m->chat_error.message);
}

static ig_status keep_names(ingot_model *m, ig_err *err) {
    ig_str s = {0};
    const ig_meta *arch = ig_checkpoint_meta(m->ckpt, IG_STR("general.architecture"));
    const ig_meta *name = ig_checkpoint_meta(m->ckpt, IG_STR("general.name"));
    if (!arch || !ig_meta_str(arch, 0, &s))
        s = (ig_str){0};
    m->arch = ig_strndup(s.p, s.n);
    if (!name || !ig_meta_str(name, 0, &s))
        s = (ig_str){0};
    m->name = ig_strndup(s.p, s.n);
    return m->arch && m->name ? IG_OK : ig_fail_memory(err, s.n);
}

/* Ids without a token could be drawn, and tokens without a row be asked for. */
static ig_status check_vocabulary(const ingot_model *m, ig_err *err) {
    const uint32_t rows = m->plan->program->facts.n_vocab;
    if (!m->tokenizer || ig_tokenizer_size(m->tokenizer) == rows)
        return IG_OK;
    return ig_fail(err, IG_EFORMAT,
                   "tokenizer.ggml.tokens has %u entries and the token table %u rows; convert the "
                   "model again together with its own tokenizer",
                   ig_tokenizer_size(m->tokenizer), rows);
}

static ig_status find_ends(ingot_model *m, ig_err *err) {
    const uint32_t n = m->tokenizer ? ig_tokenizer_size(m->tokenizer) : 0;
    for (uint32_t id = 0; id < n; id++)
        m->n_end_ids += ig_tokenizer_is_eog(m->tokenizer, (int32_t)id);
    m->end_ids = ig_alloc(m->n_end_ids, sizeof *m->end_ids);
    if (!m->end_ids)
        return ig_fail_memory(err, m->n_end_ids * sizeof *m->end_ids);
    for (uint32_t id = 0, at = 0; id < n && at < m->n_end_ids; id++) {
        if (ig_tokenizer_is_eog(m->tokenizer, (int32_t)id))
            m->end_ids[at++] = (int32_t)id;
    }
    return IG_OK;
}

static ig_status open_weights(ingot_model *m, ig_err *err) {
    IG_TRY(ig_engine_plan(m->ckpt, &m->options, &m->logger, &m->device, &m->plan, err));
    IG_TRY(check_vocabulary(m, err));
    IG_TRY(find_ends(m, err));
    IG_TRY(ig_module_load(&m->module, m->device, m->plan, err));
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        if (ig_module_page_bytes(m->module, g, m->k_dtype, m->v_dtype) == 0)
            return ig_fail(err, IG_EUNSUPPORTED,
                           "device %s cannot keep keys as %s and values as %s for this model; "
                           "use f16",
                           ig_device_name(m->device), ig_dtype_info(m->k_dtype)->name,
                           ig_dtype_info(m->v_dtype)->name);
    }
    return IG_OK;
}

static ig_status open_all(ingot_model *m, const char *path, ig_err *err) {
    ig_checkpoint_options options = {.logger = &m->logger, .header_only = m->options.vocab_only};
    IG_TRY(ig_checkpoint_open(&m->ckpt, path, &options, err));
    IG_TRY(keep_names(m, err));
    ig_status status = ig_mutex_create(&m->turn, err);
    if (!status)
        status = ig_mutex_create(&m->lazy, err);
    if (!status) {
        /* As with the template: a vocabulary of another kind must not keep
         * anyone from evaluating ids. */
        if (ig_engine_tokenizer(m->ckpt, &m->logger, &m->tokenizer, &m->tokenizer_error)) {
            ig_log(&m->logger, IG_LOG_WARN, "event=vocabulary_refused reason=\"%s\"",
                   m->tokenizer_error.message);
            status = m->options.vocab_only || m->tokenizer_error.code == IG_EMEMORY
                         ? ig_engine_need_text(m, err)
                         : IG_OK;
        }
    }
    if (!status) {
        compile_chat(m);
        status = m->options.vocab_only ? IG_OK : open_weights(m, err);
    }
    if (status)
        ig_err_prefix(err, "%s", path);
    return status;
}

static void forward_log(void *user, ig_log_level level, const char *line) {
    const ingot_model *m = user;
    m->options.log(m->options.log_user, (ingot_log_level)level, line);
}

ingot_status ingot_model_open(ingot_model **out, const char *path,
                              const ingot_model_options *options, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    if (!out || !path)
        return (ingot_status)ig_fail(err, IG_EARGUMENT,
                                     "ingot_model_open needs a path and a place for the model");
    ingot_model *m = ig_alloc(1, sizeof *m);
    if (!m)
        return (ingot_status)ig_fail_memory(err, sizeof *m);
    ig_status status = ig_engine_options(options, &m->options, &m->k_dtype, &m->v_dtype, err);
    m->logger = (ig_logger){.level = (ig_log_level)m->options.log_level,
                            .user = m,
                            .write = m->options.log ? forward_log : NULL};
    if (!status)
        status = open_all(m, path, err);
    if (status) {
        ingot_model_close(&m);
        return (ingot_status)status;
    }
    *out = m;
    return INGOT_OK;
}

void ingot_model_close(ingot_model **model) {
    if (!model || !*model)
        return;
    ingot_model *m = *model;
    ig_module_unload(&m->module);
    ig_plan_destroy(&m->plan);
    ig_device_close(&m->device);
    ig_template_destroy(&m->chat);
    ig_tokenizer_destroy(&m->tokenizer);
    ig_checkpoint_close(&m->ckpt);
    ig_mutex_destroy(&m->turn);
    ig_mutex_destroy(&m->lazy);
    ig_piece_index_destroy(&m->pieces);
    ig_free(m->end_ids);
    ig_free(m->arch);
    ig_free(m->name);
    ig_free(m);
    *model = NULL;
}

void ingot_model_describe(const ingot_model *m, ingot_model_facts *facts) {
    *facts = (ingot_model_facts){.architecture = m->arch,
                                 .name = m->name,
                                 .format = ig_checkpoint_format(m->ckpt),
                                 .device = "none",
                                 .vocabulary = m->tokenizer ? ig_tokenizer_size(m->tokenizer) : 0,
                                 .context = m->options.context,
                                 .batch = m->options.batch,
                                 .file_bytes = ig_checkpoint_file_bytes(m->ckpt),
                                 .has_chat_template = m->chat != NULL};
    if (!m->plan)
        return;
    const ig_model_facts *f = &m->plan->program->facts;
    facts->device = ig_device_name(m->device);
    facts->layers = f->n_layers;
    facts->width = f->n_embd;
    facts->vocabulary = f->n_vocab;
    facts->heads = f->n_heads;
    facts->kv_heads = f->n_kv_heads;
    facts->context_trained = f->n_context_train;
    facts->parameters = f->n_params;
    facts->weight_bytes = m->plan->weight_bytes;
    facts->step_bytes = m->plan->weight_step_bytes;
    facts->token_ops = m->plan->ops_per_token;
    facts->threads = m->options.threads;
    for (uint32_t g = 0; g < m->plan->n_groups; g++)
        facts->kv_token_bytes +=
            ig_module_page_bytes(m->module, g, m->k_dtype, m->v_dtype) / IG_PAGE_TOKENS;
}

uint64_t ingot_model_step_bytes(const ingot_model *m, uint32_t tokens) {
    if (!m->plan)
        return 0;
    uint64_t sum = m->plan->weight_step_bytes;
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        uint32_t window = m->plan->groups[g].window;
        uint32_t seen = window ? IG_MIN(window, tokens) : tokens;
        sum += ig_module_page_bytes(m->module, g, m->k_dtype, m->v_dtype) / IG_PAGE_TOKENS * seen;
    }
    return sum;
}

ingot_status ingot_model_roof(ingot_model *model, ingot_roof *roof, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    if (!model->device)
        return (ingot_status)ig_fail(err, IG_EARGUMENT,
                                     "the model was opened without a device (vocab_only)");
    ig_mutex_lock(model->turn);
    ig_status status =
        ig_device_roof(model->device, &roof->read_bytes_per_second, &roof->dot_ops_per_second, err);
    ig_mutex_unlock(model->turn);
    return (ingot_status)status;
}

const char *ingot_architecture(size_t i) {
    return ig_arch_name(i);
}

const char *ingot_version(void) {
    return "0.1.0";
}

const char *ingot_status_name(ingot_status status) {
    return ig_status_name((ig_status)status);
}
