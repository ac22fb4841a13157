/* formats.h: face of the formats room, floor 3: bytes of model files ↔ metadata and tensor directory.
 *
 * A checkpoint is what a model file says, whatever its format: typed metadata and a directory of tensors whose data is
 * borrowed from a memory map. Immutable after open; any thread may read. Everything in it came from outside and was
 * bounded here: names, counts, dimensions, byte ranges. Semantics (is this a llama?) belong to arch. */
#ifndef IG_FORMATS_FORMATS_H
#define IG_FORMATS_FORMATS_H

#include "tensor/tensor.h"

typedef enum ig_meta_type {
    IG_META_U8,
    IG_META_I8,
    IG_META_U16,
    IG_META_I16,
    IG_META_U32,
    IG_META_I32,
    IG_META_F32,
    IG_META_BOOL,
    IG_META_STRING,
    IG_META_ARRAY,
    IG_META_U64,
    IG_META_I64,
    IG_META_F64
} ig_meta_type; /* the ids of GGUF */

typedef struct ig_meta {
    ig_str key;
    ig_meta_type type;
    ig_meta_type elem;     /* type of elements when type is ARRAY */
    uint64_t count;        /* elements when ARRAY, else 1 */
    const uint8_t *data;   /* scalars and arrays of fixed-size elements: little-endian file bytes, unaligned */
    const ig_str *strings; /* STRING and arrays of STRING: count slices of the file */
} ig_meta;

/* ne[0] is the fastest dimension (the row); unused ones are 1. Data is [ne3][ne2][ne1][ne0]. */
typedef struct ig_tensor {
    ig_str name;
    ig_dtype dtype;
    uint32_t n_dims;
    uint64_t ne[4];
    uint64_t n_elems;
    uint64_t bytes;
    const uint8_t *data; /* borrowed from the map; may be unaligned */
    uint32_t part;       /* which file of a split */
    uint64_t offset;     /* of data in that file */
} ig_tensor;

typedef struct ig_checkpoint ig_checkpoint;

typedef struct ig_checkpoint_options {
    const ig_logger *logger;
    bool header_only; /* tensor data may be missing or cut (vocabulary files, `ingot info` on a partial download) */
} ig_checkpoint_options;

/* Opens a model by path: a .gguf file (any part of a split file; siblings are found by name). Formats are rows of a probe
 * table; what no row recognises is IG_EFORMAT naming what was found. Errors name file, field, offset and remedy. */
IG_MUST_USE ig_status ig_checkpoint_open(ig_checkpoint **out, const char *path, const ig_checkpoint_options *options,
                                         ig_err *err);
void ig_checkpoint_close(ig_checkpoint **ckpt);

const char *ig_checkpoint_format(const ig_checkpoint *ckpt); /* "GGUF v3" */
const char *ig_checkpoint_path(const ig_checkpoint *ckpt);
uint64_t ig_checkpoint_file_bytes(const ig_checkpoint *ckpt); /* of all parts */
size_t ig_checkpoint_meta_count(const ig_checkpoint *ckpt);
const ig_meta *ig_checkpoint_meta_at(const ig_checkpoint *ckpt, size_t i);
size_t ig_checkpoint_tensor_count(const ig_checkpoint *ckpt);
const ig_tensor *ig_checkpoint_tensor_at(const ig_checkpoint *ckpt, size_t i);
/* Hashed lookups; NULL when absent. */
const ig_meta *ig_checkpoint_meta(const ig_checkpoint *ckpt, ig_str key);
const ig_tensor *ig_checkpoint_tensor(const ig_checkpoint *ckpt, ig_str name);
/* Drops the map's pages of a tensor from our resident set (after a backend packed its own copy). */
void ig_checkpoint_tensor_drop(const ig_checkpoint *ckpt, const ig_tensor *tensor);

/* Element i of a scalar (i = 0) or array, converted; false when the type does not convert without loss (integers accept
 * bool, floats accept integers) or i is outside. */
IG_MUST_USE bool ig_meta_u64(const ig_meta *m, uint64_t i, uint64_t *out);
IG_MUST_USE bool ig_meta_i64(const ig_meta *m, uint64_t i, int64_t *out);
IG_MUST_USE bool ig_meta_f64(const ig_meta *m, uint64_t i, double *out);
IG_MUST_USE bool ig_meta_bool(const ig_meta *m, uint64_t i, bool *out);
IG_MUST_USE bool ig_meta_str(const ig_meta *m, uint64_t i, ig_str *out);
const char *ig_meta_type_name(ig_meta_type type);

#endif
