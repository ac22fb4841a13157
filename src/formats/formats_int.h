/* formats_int.h: the checkpoint behind the face, and what its parts show to each other. */
#ifndef IG_FORMATS_FORMATS_INT_H
#define IG_FORMATS_FORMATS_INT_H

#include "formats/formats.h"
#include "os/os.h"

#define IG_META_TYPES 13

/* Names of an array of structs whose first member is an ig_str. Linear probing over a table at most
 * half full; the seed differs from open to open, so that a file cannot be forged to collide. */
typedef struct ig_name_slot {
    uint32_t print; /* upper half of the hash */
    uint32_t next;  /* element number + 1; 0 = empty */
} ig_name_slot;

typedef struct ig_name_index {
    const uint8_t *base;
    size_t stride;
    size_t mask;
    uint64_t seed;
    ig_name_slot *slots; /* in the arena */
} ig_name_index;

/* IG_EFORMAT naming the name that appears twice; `kind` is "key" or "tensor". base is borrowed. */
IG_MUST_USE ig_status ig_name_index_build(ig_name_index *index, ig_arena *arena, const void *base,
                                          size_t stride, size_t n, const char *kind, ig_err *err);
/* Number of the element, SIZE_MAX when absent. */
size_t ig_name_index_find(const ig_name_index *index, ig_str name);

/* One file of a checkpoint. */
typedef struct ig_part {
    ig_map map;
    bool borrowed; /* the map is the caller's memory */
    uint32_t version;
    ig_meta *meta;
    size_t n_meta;
    ig_name_index meta_index;
    ig_tensor *tensors;
    size_t n_tensors;
} ig_part;

struct ig_checkpoint {
    ig_arena arena; /* everything but the maps and this struct; its ceiling grows with the files */
    ig_str path;
    char format[32];
    ig_part *parts;
    uint32_t n_parts;
    const ig_meta *meta;
    size_t n_meta;
    ig_name_index meta_index;
    const ig_tensor *tensors;
    size_t n_tensors;
    ig_name_index tensor_index;
    uint64_t file_bytes;
};

/* Adds a file's share to the arena's ceiling: memory stays below a small multiple of what was
 * opened. */
void ig_checkpoint_admit(ig_checkpoint *ckpt, const ig_map *map);

/* Bytes of one element of a fixed-size type; 0 for STRING and ARRAY. type must be valid. */
size_t ig_meta_type_bytes(ig_meta_type type);

bool ig_gguf_recognise(const ig_map *map);
/* Fills meta and tensors of one file whose map is in part; arrays are in the arena, slices in the
 * map. */
IG_MUST_USE ig_status ig_gguf_parse(ig_part *part, uint32_t number, bool header_only,
                                    ig_arena *arena, ig_err *err);
/* Completes a checkpoint whose parts[0].map is the file given: parses it, finds and joins the other
 * parts. */
IG_MUST_USE ig_status ig_gguf_open(ig_checkpoint *ckpt, const ig_checkpoint_options *options,
                                   ig_err *err);

#endif
