/* checkpoint.c: opens a model file of any known format, owns its maps and its arena, and answers
 * lookups. A format is a row of the probe table; its reader fills the checkpoint. Immutable after
 * open; any thread may read. */
#include "formats/formats_int.h"

/* A file of n bytes may cost this many times n: the smallest tensor record (25 bytes) needs two
 * directory entries (one of a split) and index slots. */
#define ARENA_TIMES 16u
#define ARENA_BASE_BYTES 65536u
#define PREFETCH_BYTES (8u << 20) /* headers with large vocabularies have 6 MB */

typedef struct format_row {
    const char *name;
    bool (*recognise)(const ig_map *map);
    ig_status (*open)(ig_checkpoint *ckpt, const ig_checkpoint_options *options, ig_err *err);
} format_row;

static const format_row FORMATS[] = {
    {"GGUF", ig_gguf_recognise, ig_gguf_open},
};

/* What else people have under a model's name, by its first bytes. */
typedef struct stranger {
    const char *magic;
    size_t bytes;
    const char *what;
} stranger;

static const stranger STRANGERS[] = {
    {"tjgg", 4, "a GGJT file from before GGUF; convert the original model again"},
    {"lmgg", 4, "a GGML file from before GGUF; convert the original model again"},
    {"fmgg", 4, "a GGMF file from before GGUF; convert the original model again"},
    {"algg", 4, "an old GGML adapter; convert the original adapter again"},
    {"PK\x03\x04", 4, "a PyTorch or zip archive; convert it to safetensors or GGUF"},
    {"\x80\x02", 2, "a Python pickle; convert it to safetensors or GGUF"},
    {"version https://git-lfs", 23, "a Git LFS pointer, not the model; fetch it with git lfs pull"},
    {"<!DOCTYPE", 9, "a web page; download the file itself"},
    {"<!doctype", 9, "a web page; download the file itself"},
    {"<html", 5, "a web page; download the file itself"},
    {"\x1f\x8b", 2, "a gzip archive; unpack it"},
    {"\x28\xb5\x2f\xfd", 4, "a zstd archive; unpack it"},
};

void ig_checkpoint_admit(ig_checkpoint *ckpt, const ig_map *map) {
    /* At most 2^12 parts of 2^46 bytes: below 2^63. */
    ckpt->arena.max_bytes += ARENA_TIMES * map->bytes + ARENA_BASE_BYTES;
}

static ig_status refuse_stranger(const ig_map *map, ig_err *err) {
    if (map->bytes == 0)
        return ig_fail(err, IG_EFORMAT, "the file is empty; download it again");
    for (size_t i = 0; i < IG_COUNT(STRANGERS); i++) {
        const stranger *s = &STRANGERS[i];
        if (map->bytes >= s->bytes && memcmp(map->p, s->magic, s->bytes) == 0)
            return ig_fail(err, IG_EFORMAT, "this is %s", s->what);
    }
    if (map->bytes > 9 && map->p[8] == '{' && map->p[7] == 0)
        return ig_fail(err, IG_EFORMAT,
                       "this looks like a safetensors file; convert the model to GGUF");
    char start[3 * 4 + 1] = "";
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < 4 && i < map->bytes; i++) {
        start[3 * i] = HEX[map->p[i] >> 4];
        start[3 * i + 1] = HEX[map->p[i] & 15];
        start[3 * i + 2] = i < 3 && i + 1 < map->bytes ? ' ' : '\0';
    }
    return ig_fail(err, IG_EFORMAT,
                   "no known model format, the file starts with bytes %s; name a .gguf file",
                   start);
}

static ig_status read_format(ig_checkpoint *ckpt, const ig_checkpoint_options *options,
                             ig_err *err) {
    const ig_map *map = &ckpt->parts[0].map;
    for (size_t i = 0; i < IG_COUNT(FORMATS); i++) {
        if (FORMATS[i].recognise(map))
            return FORMATS[i].open(ckpt, options, err);
    }
    return refuse_stranger(map, err);
}

/* Takes the map in every case. */
static ig_status open_map(ig_checkpoint **out, ig_map map, bool borrowed, const char *path,
                          const ig_checkpoint_options *options, ig_err *err) {
    static const ig_checkpoint_options DEFAULTS = {0};
    options = options ? options : &DEFAULTS;
    ig_checkpoint *ckpt = ig_alloc(1, sizeof *ckpt);
    if (!ckpt) {
        if (!borrowed)
            ig_map_close(&map);
        return ig_fail_memory(err, sizeof *ckpt);
    }
    ig_part *part = NULL;
    ig_arena_init(&ckpt->arena, 0);
    ig_checkpoint_admit(ckpt, &map);
    ig_status status = ig_arena_new(&ckpt->arena, 1, sizeof *part, &part, err);
    if (status) {
        if (!borrowed)
            ig_map_close(&map);
        goto out;
    }
    part->map = map;
    part->borrowed = borrowed;
    ckpt->parts = part;
    ckpt->n_parts = 1;
    status = ig_arena_str(&ckpt->arena, ig_str_of(path), &ckpt->path, err);
    if (!status)
        status = read_format(ckpt, options, err);
    if (status)
        ig_err_prefix(err, "%s", path);
out:
    if (status) {
        ig_checkpoint_close(&ckpt);
        return status;
    }
    ig_log(options->logger, IG_LOG_INFO,
           "event=open path=%s format=\"%s\" parts=%u bytes=%llu keys=%zu tensors=%zu", path,
           ckpt->format, ckpt->n_parts, (unsigned long long)ckpt->file_bytes, ckpt->n_meta,
           ckpt->n_tensors);
    *out = ckpt;
    return IG_OK;
}

ig_status ig_checkpoint_open(ig_checkpoint **out, const char *path,
                             const ig_checkpoint_options *options, ig_err *err) {
    ig_map map;
    *out = NULL;
    IG_TRY(ig_map_open(&map, path, err));
    ig_map_prefetch(&map, 0, IG_MIN(map.bytes, PREFETCH_BYTES));
    return open_map(out, map, false, path, options, err);
}

ig_status ig_checkpoint_open_memory(ig_checkpoint **out, const void *p, size_t bytes,
                                    const char *name, const ig_checkpoint_options *options,
                                    ig_err *err) {
    *out = NULL;
    if (bytes > IG_FILE_BYTES_MAX)
        return ig_fail(err, IG_ELIMIT, "%s has %zu bytes, more than the limit of %llu", name, bytes,
                       IG_FILE_BYTES_MAX);
    return open_map(out, (ig_map){bytes ? p : NULL, bytes}, true, name, options, err);
}

void ig_checkpoint_close(ig_checkpoint **ckpt) {
    ig_checkpoint *c = *ckpt;
    *ckpt = NULL;
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n_parts; i++) {
        if (!c->parts[i].borrowed)
            ig_map_close(&c->parts[i].map);
    }
    ig_arena_fini(&c->arena);
    ig_free(c);
}

const char *ig_checkpoint_format(const ig_checkpoint *ckpt) {
    return ckpt->format;
}

const char *ig_checkpoint_path(const ig_checkpoint *ckpt) {
    return ckpt->path.p;
}

uint32_t ig_checkpoint_part_count(const ig_checkpoint *ckpt) {
    return ckpt->n_parts;
}

uint32_t ig_checkpoint_part_missing(const ig_checkpoint *ckpt, uint32_t from) {
    while (from < ckpt->n_parts && ckpt->parts[from].meta)
        from++;
    return from;
}

uint64_t ig_checkpoint_file_bytes(const ig_checkpoint *ckpt) {
    return ckpt->file_bytes;
}

size_t ig_checkpoint_meta_count(const ig_checkpoint *ckpt) {
    return ckpt->n_meta;
}

const ig_meta *ig_checkpoint_meta_at(const ig_checkpoint *ckpt, size_t i) {
    return &ckpt->meta[i];
}

size_t ig_checkpoint_tensor_count(const ig_checkpoint *ckpt) {
    return ckpt->n_tensors;
}

const ig_tensor *ig_checkpoint_tensor_at(const ig_checkpoint *ckpt, size_t i) {
    return &ckpt->tensors[i];
}

const ig_meta *ig_checkpoint_meta(const ig_checkpoint *ckpt, ig_str key) {
    const size_t i = ig_name_index_find(&ckpt->meta_index, key);
    return i == SIZE_MAX ? NULL : &ckpt->meta[i];
}

const ig_tensor *ig_checkpoint_tensor(const ig_checkpoint *ckpt, ig_str name) {
    const size_t i = ig_name_index_find(&ckpt->tensor_index, name);
    return i == SIZE_MAX ? NULL : &ckpt->tensors[i];
}

void ig_checkpoint_tensor_drop(const ig_checkpoint *ckpt, const ig_tensor *tensor) {
    const ig_part *part = &ckpt->parts[tensor->part];
    if (!part->borrowed && tensor->data)
        ig_map_drop(&part->map, (size_t)tensor->offset, (size_t)tensor->bytes);
}
