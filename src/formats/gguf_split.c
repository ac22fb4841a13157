/* gguf_split.c: joins the parts of a split GGUF. Parts are files PREFIX-00001-of-00005.gguf beside
 * each other; each says its number (split.no, from 0), how many there are (split.count) and how
 * many tensors they hold together (split.tensors.count). The first part has the metadata. The
 * caller's thread; no state. */
#include "formats/formats_int.h"

#include <stdio.h>

#define SUFFIX_BYTES 20 /* of "-00001-of-00005.gguf" */

typedef struct split_facts {
    uint64_t no, count, tensors;
} split_facts;

/* Five digits; false when there are others. */
static bool five_digits(const char *p, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 5; i++) {
        if (p[i] < '0' || p[i] > '9')
            return false;
        *out = *out * 10 + (uint32_t)(p[i] - '0');
    }
    return true;
}

static bool parse_name(ig_str path, size_t *prefix, uint32_t *no, uint32_t *count) {
    if (path.n <= SUFFIX_BYTES)
        return false;
    const char *s = path.p + path.n - SUFFIX_BYTES;
    *prefix = path.n - SUFFIX_BYTES;
    return s[0] == '-' && five_digits(s + 1, no) && memcmp(s + 6, "-of-", 4) == 0 &&
           five_digits(s + 10, count) && memcmp(s + 15, ".gguf", 5) == 0;
}

static bool find_u64(const ig_part *part, ig_str key, uint64_t *out) {
    const size_t i = ig_name_index_find(&part->meta_index, key);
    return i != SIZE_MAX && part->meta[i].type != IG_META_ARRAY &&
           ig_meta_u64(&part->meta[i], 0, out);
}

/* What a part says about the split; false when it does not say everything. */
static bool read_facts(const ig_part *part, split_facts *facts) {
    return find_u64(part, IG_STR("split.no"), &facts->no) &&
           find_u64(part, IG_STR("split.count"), &facts->count) &&
           find_u64(part, IG_STR("split.tensors.count"), &facts->tensors);
}

static ig_status check_part(const ig_part *part, const split_facts *whole, uint32_t number,
                            ig_err *err) {
    split_facts facts;
    if (!read_facts(part, &facts))
        return ig_fail(err, IG_EFORMAT,
                       "keys split.no, split.count, split.tensors.count are missing or no "
                       "integers; this file is no part of a split model, get the right one");
    if (facts.no != number)
        return ig_fail(err, IG_EFORMAT,
                       "split.no is %llu, %u expected; parts were renamed or mixed, get them again",
                       (unsigned long long)facts.no, number);
    if (facts.count != whole->count || facts.tensors != whole->tensors)
        return ig_fail(
            err, IG_EFORMAT,
            "split.count %llu and split.tensors.count %llu differ from %llu and %llu of "
            "the part that was opened; parts of different models were mixed, get them again",
            (unsigned long long)facts.count, (unsigned long long)facts.tensors,
            (unsigned long long)whole->count, (unsigned long long)whole->tensors);
    return IG_OK;
}

static ig_status open_part(ig_checkpoint *ckpt, uint32_t number, const char *path,
                           const split_facts *whole, bool header_only, ig_err *err) {
    ig_part *part = &ckpt->parts[number];
    if (!part->meta) { /* the one that was opened first is read already */
        IG_TRY(ig_map_open(&part->map, path, err));
        ig_checkpoint_admit(ckpt, &part->map);
        if (!ig_gguf_recognise(&part->map))
            return ig_fail(err, IG_EFORMAT, "this is no GGUF file; get it again");
        IG_TRY(ig_gguf_parse(part, number, header_only, &ckpt->arena, err));
    }
    return check_part(part, whole, number, err);
}

/* Replaces the one-element array of parts; the part that is open moves to its number. */
static ig_status make_room(ig_checkpoint *ckpt, uint32_t count, uint32_t number, ig_err *err) {
    ig_part *parts;
    IG_TRY(ig_arena_new(&ckpt->arena, count, sizeof *parts, &parts, err));
    parts[number] = ckpt->parts[0];
    for (size_t i = 0; i < parts[number].n_tensors; i++)
        parts[number].tensors[i].part = number;
    ckpt->parts = parts;
    ckpt->n_parts = count;
    return IG_OK;
}

static ig_status open_parts(ig_checkpoint *ckpt, const split_facts *whole,
                            const ig_checkpoint_options *options, ig_err *err) {
    size_t prefix;
    uint32_t no, count;
    if (!parse_name(ckpt->path, &prefix, &no, &count) || no == 0 || no > count ||
        count != whole->count || no - 1 != whole->no)
        return ig_fail(err, IG_EFORMAT,
                       "this is part %llu of %llu of a split model; its name must end in "
                       "-%05llu-of-%05llu.gguf, so that the other parts are found",
                       (unsigned long long)whole->no + 1, (unsigned long long)whole->count,
                       (unsigned long long)whole->no + 1, (unsigned long long)whole->count);
    char *path;
    const size_t bytes = ckpt->path.n + 16; /* numbers of 32 bits would fit */
    IG_TRY(ig_arena_new(&ckpt->arena, bytes, 1, &path, err));
    memcpy(path, ckpt->path.p, prefix);
    IG_TRY(make_room(ckpt, count, no - 1, err));
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path + prefix, bytes - prefix, "-%05u-of-%05u.gguf", i + 1, count);
        ig_status status = open_part(ckpt, i, path, whole, options->header_only, err);
        if (status == IG_EIO && options->header_only && i > 0) {
            ig_log(options->logger, IG_LOG_WARN, "event=part_missing path=%s", path);
            continue;
        }
        if (status) {
            ig_err_prefix(err, "part %u of %u", i + 1, count);
            return status;
        }
    }
    return IG_OK;
}

/* One directory over all parts, in their order. */
static ig_status join(ig_checkpoint *ckpt, const split_facts *whole, bool header_only,
                      ig_err *err) {
    size_t n = 0, at = 0;
    bool complete = true;
    for (uint32_t i = 0; i < ckpt->n_parts; i++) {
        n += ckpt->parts[i].n_tensors; /* at most 2^12 parts of 2^20 */
        complete = complete && ckpt->parts[i].meta;
        ckpt->file_bytes += ckpt->parts[i].map.bytes;
    }
    if (n > IG_GGUF_TENSORS_MAX)
        return ig_fail(err, IG_ELIMIT,
                       "the parts hold %zu tensors, more than the limit of %u; get them again", n,
                       IG_GGUF_TENSORS_MAX);
    if (ckpt->n_parts > 1 && whole->tensors != n && (complete || !header_only))
        return ig_fail(err, IG_EFORMAT,
                       "split.tensors.count is %llu, the parts hold %zu tensors; get them again",
                       (unsigned long long)whole->tensors, n);
    ckpt->tensors = ckpt->parts[0].tensors;
    ckpt->n_tensors = n;
    if (ckpt->n_parts > 1) {
        ig_tensor *all;
        IG_TRY(ig_arena_new(&ckpt->arena, n, sizeof *all, &all, err));
        for (uint32_t i = 0; i < ckpt->n_parts; i++) {
            const ig_part *part = &ckpt->parts[i];
            if (part->n_tensors)
                memcpy(all + at, part->tensors, part->n_tensors * sizeof *all);
            at += part->n_tensors;
        }
        ckpt->tensors = all;
    }
    ckpt->meta = ckpt->parts[0].meta;
    ckpt->n_meta = ckpt->parts[0].n_meta;
    ckpt->meta_index = ckpt->parts[0].meta_index;
    return ig_name_index_build(&ckpt->tensor_index, &ckpt->arena, ckpt->tensors,
                               sizeof *ckpt->tensors, n, "tensor", err);
}

/* A file that says it is whole must not have the name of a part. */
static ig_status check_whole(const ig_checkpoint *ckpt, uint64_t count, ig_err *err) {
    size_t prefix;
    uint32_t no, of;
    if (!parse_name(ckpt->path, &prefix, &no, &of) || of <= 1)
        return IG_OK;
    return ig_fail(err, IG_EFORMAT,
                   "split.count is %llu, but the name says part %u of %u; rename the file when it "
                   "is whole, get the parts again when it is not",
                   (unsigned long long)count, no, of);
}

ig_status ig_gguf_open(ig_checkpoint *ckpt, const ig_checkpoint_options *options, ig_err *err) {
    ig_part *first = &ckpt->parts[0];
    IG_TRY(ig_gguf_parse(first, 0, options->header_only, &ckpt->arena, err));
    snprintf(ckpt->format, sizeof ckpt->format, "GGUF v%u", first->version);
    split_facts whole = {0};
    uint64_t count;
    const bool counted = find_u64(first, IG_STR("split.count"), &count);
    if (counted && count <= 1)
        IG_TRY(check_whole(ckpt, count, err));
    if (counted && count > 1) {
        if (count > IG_GGUF_SPLITS_MAX)
            return ig_fail(
                err, IG_ELIMIT,
                "split.count is %llu, more than the limit of %u; the file is damaged, get it again",
                (unsigned long long)count, IG_GGUF_SPLITS_MAX);
        if (first->borrowed)
            return ig_fail(err, IG_EUNSUPPORTED,
                           "this is a part of a split model; open it by its path");
        if (!read_facts(first, &whole))
            return ig_fail(err, IG_EFORMAT,
                           "split.count is %llu, but split.no or split.tensors.count is "
                           "missing or no integer; get the file again",
                           (unsigned long long)count);
        IG_TRY(open_parts(ckpt, &whole, options, err));
    }
    return join(ckpt, &whole, options->header_only, err);
}
