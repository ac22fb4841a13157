/* golden_model.h: tiny models as text. A model is keys and tensors; every number of a tensor
 * follows from the model's seed and the tensor's name, so that fixtures hold logits and not
 * weights. Format of the text: make_goldens.py. */
#ifndef IG_TESTS_GOLDEN_MODEL_H
#define IG_TESTS_GOLDEN_MODEL_H

#include "formats/formats.h"

#define GOLDEN_TENSORS_MAX 2048
#define GOLDEN_KEYS_MAX 64
#define GOLDEN_MODELS_MAX 512
#define GOLDEN_IDS_MAX 64

typedef struct golden_tensor {
    char name[64];
    char law; /* n: mean + deviation z; p: factors between 1 and 2 */
    double mean, deviation;
    uint32_t n_dims;
    uint64_t ne[4]; /* ne[0] is the row */
} golden_tensor;

typedef struct golden_model {
    char name[48], arch[32];
    char *keys[GOLDEN_KEYS_MAX]; /* lines: name type values */
    uint32_t n_keys;
    golden_tensor *tensors;
    uint32_t n_tensors;
    int32_t ids[GOLDEN_IDS_MAX];
    uint32_t n_ids;
} golden_model;

typedef struct golden_set {
    char *text; /* of the file; keys point into it */
    golden_model *models;
    uint32_t n_models;
} golden_set;

/* False with a message on stderr. */
bool golden_read(golden_set *set, const char *path);
void golden_free(golden_set *set);
/* Applies lines of the format to one model, whose tensors have room for GOLDEN_TENSORS_MAX; "arch
 * X" changes the architecture. The text must live as long as the model. */
bool golden_edit(golden_model *m, char *lines);
bool golden_write(const golden_model *m, const char *path);

#endif
