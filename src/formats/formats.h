/* formats.h: face of the formats room, floor 3: bytes of model files ↔
 * metadata and tensor directory.
 *
 * A checkpoint is what a model file says, whatever its format: typed metadata and a directory of
 * tensors whose data is borrowed from a memory map. Immutable after open; any thread may read.
 * Everything in it came from outside and was bounded here: names, counts, dimensions, byte ranges.
 * Semantics (is this a llama?) belong to arch. */
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
    const uint8_t *data;   /* scalars, and arrays of them: little-endian file bytes, unaligned */
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
    /* Tensor data may be missing or cut (vocabulary files, `ingot info` on a partial
     * download): such tensors have data == NULL; later parts of a split may be missing (a
     * warning to the logger). */
    bool header_only;
} ig_checkpoint_options;

/* Opens a model by path: a .gguf file (any part of a split file; siblings are found by name).
 * Formats are rows of a probe table; what no row recognises is IG_EFORMAT naming what was found.
 * Errors name file, field, offset and remedy. */
IG_MUST_USE ig_status ig_checkpoint_open(ig_checkpoint **out, const char *path,
                                         const ig_checkpoint_options *options, ig_err *err);
/* The same for a model that lies in memory, borrowed until close; `name` stands in for the path in
 * messages. Split files are IG_EUNSUPPORTED, because their siblings are files. */
IG_MUST_USE ig_status ig_checkpoint_open_memory(ig_checkpoint **out, const void *p, size_t bytes,
                                                const char *name,
                                                const ig_checkpoint_options *options, ig_err *err);
void ig_checkpoint_close(ig_checkpoint **ckpt);

const char *ig_checkpoint_format(const ig_checkpoint *ckpt); /* "GGUF v3" */
const char *ig_checkpoint_path(const ig_checkpoint *ckpt);
uint32_t ig_checkpoint_part_count(const ig_checkpoint *ckpt); /* files of a split model, else 1 */
/* The first part at or after `from` that a header_only open did not find; the count when none. */
uint32_t ig_checkpoint_part_missing(const ig_checkpoint *ckpt, uint32_t from);
uint64_t ig_checkpoint_file_bytes(const ig_checkpoint *ckpt); /* of all parts that are there */
size_t ig_checkpoint_meta_count(const ig_checkpoint *ckpt);
const ig_meta *ig_checkpoint_meta_at(const ig_checkpoint *ckpt, size_t i);
size_t ig_checkpoint_tensor_count(const ig_checkpoint *ckpt);
/* The directory is one array: tensor_at(i) is tensor_at(0) + i. */
const ig_tensor *ig_checkpoint_tensor_at(const ig_checkpoint *ckpt, size_t i);
/* Hashed lookups; NULL when absent. */
const ig_meta *ig_checkpoint_meta(const ig_checkpoint *ckpt, ig_str key);
const ig_tensor *ig_checkpoint_tensor(const ig_checkpoint *ckpt, ig_str name);
/* Drops the map's pages of a tensor from our resident set (after a backend packed its own copy). */
void ig_checkpoint_tensor_drop(const ig_checkpoint *ckpt, const ig_tensor *tensor);

/* Element i of a scalar (i = 0) or array, converted; false when the type does not convert without
 * loss (integers accept bool, floats accept integers) or i is outside. */
IG_MUST_USE bool ig_meta_u64(const ig_meta *m, uint64_t i, uint64_t *out);
IG_MUST_USE bool ig_meta_i64(const ig_meta *m, uint64_t i, int64_t *out);
IG_MUST_USE bool ig_meta_f64(const ig_meta *m, uint64_t i, double *out);
IG_MUST_USE bool ig_meta_bool(const ig_meta *m, uint64_t i, bool *out);
IG_MUST_USE bool ig_meta_str(const ig_meta *m, uint64_t i, ig_str *out);
const char *ig_meta_type_name(ig_meta_type type);

/* Writing GGUF v3. Order of calls: open, put and tensor in any order, data for the tensors in the
 * order of their declaration, close. The first mistake sticks: puts after it do nothing, data and
 * close return it. One thread.
 *
 *     ig_gguf_writer *w;
 *     IG_TRY(ig_gguf_writer_open(&w, "model.gguf", 0, err));
 *     ig_gguf_put_str(w, "general.architecture", IG_STR("llama"));
 *     ig_gguf_put_u32(w, "llama.block_count", 16);
 *     ig_gguf_writer_tensor(w, IG_STR("output_norm.weight"), IG_DTYPE_F32, 1,
 *                           (const uint64_t[]){2048});
 *     ig_status status = ig_gguf_writer_data(w, norm, 2048 * 4, err);
 *     ig_status closed = ig_gguf_writer_close(&w, !status, err);
 */
typedef struct ig_gguf_writer ig_gguf_writer;

/* Alignment 0 is the default of 32; another power of two also writes general.alignment. The file at
 * path stays as it is until a committing close. */
IG_MUST_USE ig_status ig_gguf_writer_open(ig_gguf_writer **out, const char *path,
                                          uint32_t alignment, ig_err *err);
/* Scalar: `value` points to a host value of the type's size (bool: one byte). Array: `values`
 * are `count` packed ones. */
void ig_gguf_put_scalar(ig_gguf_writer *w, const char *key, ig_meta_type type, const void *value);
void ig_gguf_put_array(ig_gguf_writer *w, const char *key, ig_meta_type elem, const void *values,
                       uint64_t count);
void ig_gguf_put_str(ig_gguf_writer *w, const char *key, ig_str value);
void ig_gguf_put_strings(ig_gguf_writer *w, const char *key, const ig_str *values, uint64_t count);
/* A key of another file as it is; general.alignment is the writer's own and passed over. */
void ig_gguf_put_meta(ig_gguf_writer *w, const ig_meta *meta);
static inline void ig_gguf_put_u32(ig_gguf_writer *w, const char *key, uint32_t value) {
    ig_gguf_put_scalar(w, key, IG_META_U32, &value);
}
static inline void ig_gguf_put_i32(ig_gguf_writer *w, const char *key, int32_t value) {
    ig_gguf_put_scalar(w, key, IG_META_I32, &value);
}
static inline void ig_gguf_put_f32(ig_gguf_writer *w, const char *key, float value) {
    ig_gguf_put_scalar(w, key, IG_META_F32, &value);
}
static inline void ig_gguf_put_bool(ig_gguf_writer *w, const char *key, bool value) {
    ig_gguf_put_scalar(w, key, IG_META_BOOL, &(uint8_t){value});
}
/* Declares a tensor; ne[0] is the row. */
void ig_gguf_writer_tensor(ig_gguf_writer *w, ig_str name, ig_dtype dtype, uint32_t n_dims,
                           const uint64_t *ne);
/* Appends data of the current tensor, in pieces of any size that do not cross its end. The first
 * call writes the header, which is checked by the reader's own rules (duplicates, limits):
 * IG_EARGUMENT names the mistake. */
IG_MUST_USE ig_status ig_gguf_writer_data(ig_gguf_writer *w, const void *p, size_t bytes,
                                          ig_err *err);
/* Commits (every tensor must be complete) or drops, frees, nulls *w in every case. */
ig_status ig_gguf_writer_close(ig_gguf_writer **w, bool commit, ig_err *err);

#endif
