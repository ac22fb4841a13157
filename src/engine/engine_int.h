/* engine_int.h: what the files of the engine share. */
#ifndef IG_ENGINE_ENGINE_INT_H
#define IG_ENGINE_ENGINE_INT_H

#include "arch/arch.h"
#include "backend/backend.h"
#include "exec/exec.h"
#include "formats/formats.h"
#include "ingot/ingot.h"
#include "kv/kv.h"
#include "os/os.h"
#include "sample/sample.h"
#include "template/template.h"
#include "tokenizer/tokenizer.h"

/* The public error is the room's error under another name: same fields, same numbers. */
_Static_assert(sizeof(ingot_error) == sizeof(ig_err), "error contexts are the same");
_Static_assert(offsetof(ingot_error, message) == offsetof(ig_err, message),
               "error contexts are the same");
_Static_assert((int)INGOT_INTERNAL == (int)IG_EINTERNAL &&
                   (int)INGOT_CANCELLED == (int)IG_ECANCELLED,
               "status numbers are the same");
_Static_assert((int)INGOT_LOG_TRACE == (int)IG_LOG_TRACE, "log levels are the same");

struct ingot_model {
    ig_logger logger;
    ingot_model_options options; /* with defaults filled in; strings are not kept */
    ig_checkpoint *ckpt;
    /* NULL when the vocabulary cannot be used: ids go in and logits come out all the same. */
    ig_tokenizer *tokenizer;
    ig_err tokenizer_error; /* why */
    ig_template *chat;      /* NULL when the model has none */
    ig_err chat_error;      /* why it could not be compiled */
    ig_device *device;
    ig_plan *plan;
    ig_module *module;
    ig_dtype k_dtype, v_dtype;
    ig_mutex *turn; /* one evaluation at a time */
    char *arch, *name;
    int32_t *end_ids; /* tokens that end a generation */
    uint32_t n_end_ids;
    ig_mutex *lazy;                /* guards what is made when first needed */
    struct ig_piece_index *pieces; /* for forbidden strings and DRY; immutable once made */
};

struct ingot_session {
    ingot_model *model;
    ig_kv *kv;
    ig_kv_seq *seq;
    ig_pool *pool;
    int32_t *history; /* ids evaluated so far, for look-back samplers */
    uint32_t n_history;
    ig_steps *steps;
    ig_cancel cancel;
};

/* model.c */
ig_status ig_engine_options(const ingot_model_options *in, ingot_model_options *out, ig_dtype *k,
                            ig_dtype *v, ig_err *err);
/* Checkpoint → plan on a device: the way that open, forecast and report share. *device, *plan
 * belong to the caller. */
ig_status ig_engine_plan(const ig_checkpoint *ckpt, ingot_model_options *options,
                         const ig_logger *logger, ig_device **device, ig_plan **plan, ig_err *err);
/* vocab.c */
ig_status ig_engine_tokenizer(const ig_checkpoint *ckpt, const ig_logger *logger,
                              ig_tokenizer **out, ig_err *err);
/* Texts of the vocabulary's tokens; made when first asked for, any thread. */
ig_status ig_engine_pieces(ingot_model *model, const struct ig_piece_index **out, ig_err *err);
/* IG_OK when the model has a usable vocabulary, else why not. */
ig_status ig_engine_need_text(const ingot_model *model, ig_err *err);
/* forecast.c: pages of each group for one session. */
void ig_engine_pages(const ig_plan *plan, uint32_t n_pages[IG_PAGE_GROUPS_MAX]);
/* text.c */
ig_status ig_engine_give(ig_buf *buf, ingot_text *out, ig_err *err);
/* sampling.c. Lists that parameters point to, until a sampler was made of them. */
typedef struct ig_engine_lists {
    ig_logit_bias *bias;
    ig_token_run *runs;
    int32_t *run_ids;
} ig_engine_lists;
ig_status ig_engine_sample_params(ingot_model *model, const ingot_sampling *in, ig_sample_params *p,
                                  ig_engine_lists *lists, ig_err *err);
void ig_engine_lists_free(ig_engine_lists *lists);
/* All numbers are zero: the defaults are meant. */
bool ig_engine_sampling_unset(const ingot_sampling *in);
ig_status ig_engine_sampler(ingot_model *model, const ingot_sampling *in, ig_sampler **out,
                            ig_err *err);
/* session.c. Evaluates ids in steps, each under the model's turn; logits rows of the last n_logits
 * go to logits when it is not NULL. With hold and at least one id the turn is kept on success after
 * the last step, so that ig_step_outputs stays the caller's until he unlocks it. */
ig_status ig_engine_eval(ingot_session *s, const int32_t *ids, size_t n_ids, float *logits,
                         size_t n_logits, bool hold, ig_err *err);
/* What a call returns: a cancel belongs to the call that it hits, also when it came with the last
 * step, and to no later one. */
ig_status ig_engine_end(ingot_session *s, ig_status status, ig_err *err);
ig_status ig_engine_check_ids(const ingot_session *s, const int32_t *ids, size_t n_ids,
                              ig_err *err);

static inline ig_err *ig_engine_err(ingot_error *error) {
    return (ig_err *)(void *)error;
}

#endif
