/* report.c: what a model file says, as text or JSON: summary, metadata, tensors, plan. Works on
 * files whose architecture is unknown. */
#include "engine/engine_int.h"
#include "utf/utf.h"

#include <stdio.h>

#define REPORT_BYTES_MAX (256u << 20)
#define ARRAY_SHOWN 8u /* elements of an array that a report shows */
#define STRING_SHOWN 120u

typedef struct reporter {
    const ig_checkpoint *ckpt;
    ig_json_writer json;
    ig_buf *out;
    ig_err *err;
    bool as_json;
} reporter;

/* Text of a file, where a terminal may come to see it: control characters and what is no UTF-8 are
 * spelled out. */
static ig_status put_plain(reporter *r, ig_str s) {
    for (size_t at = 0; at < s.n;) {
        uint32_t cp;
        const size_t n = ig_utf8_decode(s.p + at, s.n - at, &cp);
        const bool broken =
            cp == IG_UTF_REPLACEMENT && (n != 3 || memcmp(s.p + at, "\uFFFD", 3) != 0);
        if (cp == '\n')
            IG_TRY(ig_buf_addf(r->out, r->err, "\\n"));
        else if (broken || cp < 0x20 || (cp >= 0x7F && cp < 0xA0))
            for (size_t k = 0; k < n; k++)
                IG_TRY(ig_buf_addf(r->out, r->err, "\\x%02x", (unsigned char)s.p[at + k]));
        else
            IG_TRY(ig_buf_add(r->out, s.p + at, n, r->err));
        at += n;
    }
    return IG_OK;
}

static ig_status put_scalar_text(reporter *r, const ig_meta *m, uint64_t i) {
    ig_str s;
    double d;
    int64_t n;
    uint64_t u;
    bool b;
    if (ig_meta_str(m, i, &s)) {
        ig_str shown = {s.p, IG_MIN(s.n, (size_t)STRING_SHOWN)};
        if (shown.n < s.n)
            shown.n -= ig_utf8_incomplete_tail(shown);
        IG_TRY(ig_buf_addf(r->out, r->err, "\""));
        IG_TRY(put_plain(r, shown));
        return ig_buf_addf(r->out, r->err, shown.n < s.n ? "\"… (%zu bytes)" : "\"", s.n);
    }
    ig_meta_type type = m->type == IG_META_ARRAY ? m->elem : m->type;
    if (type == IG_META_BOOL && ig_meta_bool(m, i, &b))
        return ig_buf_addf(r->out, r->err, b ? "true" : "false");
    if (type != IG_META_F32 && type != IG_META_F64 && ig_meta_i64(m, i, &n))
        return ig_buf_addf(r->out, r->err, "%lld", (long long)n);
    if (type != IG_META_F32 && type != IG_META_F64 && ig_meta_u64(m, i, &u))
        return ig_buf_addf(r->out, r->err, "%llu", (unsigned long long)u);
    if (ig_meta_f64(m, i, &d))
        return ig_buf_addf(r->out, r->err, "%.7g", d);
    return ig_buf_addf(r->out, r->err, "?");
}

static void put_scalar_json(reporter *r, const ig_meta *m, uint64_t i) {
    char big[24]; /* above what JSON writers know as an integer */
    ig_str s;
    double d;
    int64_t n;
    uint64_t u;
    bool b;
    ig_meta_type type = m->type == IG_META_ARRAY ? m->elem : m->type;
    if (ig_meta_str(m, i, &s))
        ig_json_put_str(&r->json, s);
    else if (type == IG_META_BOOL && ig_meta_bool(m, i, &b))
        ig_json_put_bool(&r->json, b);
    else if (type != IG_META_F32 && type != IG_META_F64 && ig_meta_i64(m, i, &n))
        ig_json_put_int(&r->json, n);
    else if (type != IG_META_F32 && type != IG_META_F64 && ig_meta_u64(m, i, &u))
        ig_json_put_raw(&r->json, (ig_str){big, (size_t)snprintf(big, sizeof big, "%llu",
                                                                 (unsigned long long)u)});
    else if (ig_meta_f64(m, i, &d))
        ig_json_put_num(&r->json, d);
    else
        ig_json_put_null(&r->json);
}

static ig_status metadata_text(reporter *r) {
    for (size_t i = 0; i < ig_checkpoint_meta_count(r->ckpt); i++) {
        const ig_meta *m = ig_checkpoint_meta_at(r->ckpt, i);
        IG_TRY(ig_buf_addf(r->out, r->err, "  "));
        IG_TRY(put_plain(r, m->key));
        IG_TRY(ig_buf_addf(r->out, r->err, " = "));
        if (m->type != IG_META_ARRAY) {
            IG_TRY(put_scalar_text(r, m, 0));
        } else {
            IG_TRY(ig_buf_addf(r->out, r->err, "%s[%llu] [", ig_meta_type_name(m->elem),
                               (unsigned long long)m->count));
            for (uint64_t k = 0; k < m->count && k < ARRAY_SHOWN; k++) {
                IG_TRY(ig_buf_addf(r->out, r->err, k ? ", " : ""));
                IG_TRY(put_scalar_text(r, m, k));
            }
            IG_TRY(ig_buf_addf(r->out, r->err, m->count > ARRAY_SHOWN ? ", …]" : "]"));
        }
        IG_TRY(ig_buf_addf(r->out, r->err, "\n"));
    }
    return IG_OK;
}

static ig_status metadata_json(reporter *r) {
    ig_buf key; /* keys are no C strings */
    ig_buf_init(&key, IG_GGUF_KEY_BYTES_MAX);
    ig_status status = IG_OK;
    ig_json_key(&r->json, "metadata");
    ig_json_open_object(&r->json);
    for (size_t i = 0; i < ig_checkpoint_meta_count(r->ckpt) && !status; i++) {
        const ig_meta *m = ig_checkpoint_meta_at(r->ckpt, i);
        ig_buf_clear(&key);
        status = ig_buf_add_str(&key, m->key, r->err);
        if (status)
            break;
        ig_json_key(&r->json, key.p);
        if (m->type != IG_META_ARRAY) {
            put_scalar_json(r, m, 0);
            continue;
        }
        ig_json_open_array(&r->json);
        for (uint64_t k = 0; k < m->count; k++)
            put_scalar_json(r, m, k);
        ig_json_close_array(&r->json);
    }
    ig_json_close_object(&r->json);
    ig_buf_fini(&key);
    return status;
}

static ig_status tensors_text(reporter *r) {
    for (size_t i = 0; i < ig_checkpoint_tensor_count(r->ckpt); i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(r->ckpt, i);
        IG_TRY(ig_buf_addf(r->out, r->err, "  "));
        IG_TRY(put_plain(r, t->name));
        IG_TRY(ig_buf_addf(r->out, r->err, "%*s %-7s [", t->name.n < 40 ? 40 - (int)t->name.n : 0,
                           "", ig_dtype_info(t->dtype)->name));
        for (uint32_t d = t->n_dims; d-- > 0;) {
            const unsigned long long n = t->ne[d];
            IG_TRY(ig_buf_addf(r->out, r->err, d ? "%llu, " : "%llu", n));
        }
        IG_TRY(ig_buf_addf(r->out, r->err, "] %llu bytes at %llu\n", (unsigned long long)t->bytes,
                           (unsigned long long)t->offset));
    }
    return IG_OK;
}

static void tensors_json(reporter *r) {
    ig_json_key(&r->json, "tensors");
    ig_json_open_array(&r->json);
    for (size_t i = 0; i < ig_checkpoint_tensor_count(r->ckpt); i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(r->ckpt, i);
        ig_json_open_object(&r->json);
        ig_json_key(&r->json, "name");
        ig_json_put_str(&r->json, t->name);
        ig_json_key(&r->json, "type");
        ig_json_put_str(&r->json, ig_str_of(ig_dtype_info(t->dtype)->name));
        ig_json_key(&r->json, "shape");
        ig_json_open_array(&r->json);
        for (uint32_t d = t->n_dims; d-- > 0;)
            ig_json_put_int(&r->json, (int64_t)t->ne[d]);
        ig_json_close_array(&r->json);
        ig_json_key(&r->json, "bytes");
        ig_json_put_int(&r->json, (int64_t)t->bytes);
        ig_json_key(&r->json, "offset");
        ig_json_put_int(&r->json, (int64_t)t->offset);
        ig_json_key(&r->json, "part");
        ig_json_put_int(&r->json, t->part);
        ig_json_close_object(&r->json);
    }
    ig_json_close_array(&r->json);
}

typedef struct type_sum {
    uint64_t bytes, count;
} type_sum;

static ig_str text_of(const ig_checkpoint *ckpt, const char *key) {
    ig_str s = {0};
    const ig_meta *m = ig_checkpoint_meta(ckpt, ig_str_of(key));
    return m && ig_meta_str(m, 0, &s) ? s : (ig_str){"", 0};
}

/* Of a split model: how many files, and which are not there. */
static void parts_json(reporter *r) {
    const uint32_t n = ig_checkpoint_part_count(r->ckpt);
    if (n == 1)
        return;
    ig_json_key(&r->json, "parts");
    ig_json_put_int(&r->json, n);
    ig_json_key(&r->json, "parts_missing");
    ig_json_open_array(&r->json);
    for (uint32_t part = ig_checkpoint_part_missing(r->ckpt, 0); part < n;
         part = ig_checkpoint_part_missing(r->ckpt, part + 1))
        ig_json_put_int(&r->json, (int64_t)part + 1);
    ig_json_close_array(&r->json);
}

static ig_status parts_text(reporter *r) {
    const uint32_t n = ig_checkpoint_part_count(r->ckpt);
    if (n == 1)
        return IG_OK;
    uint32_t part = ig_checkpoint_part_missing(r->ckpt, 0);
    IG_TRY(ig_buf_addf(r->out, r->err, "parts         %u%s", n,
                       part < n ? ", MISSING and not counted:" : ""));
    for (; part < n; part = ig_checkpoint_part_missing(r->ckpt, part + 1))
        IG_TRY(ig_buf_addf(r->out, r->err, " %u", part + 1));
    return ig_buf_addf(r->out, r->err, "\n");
}

static void summary_json(reporter *r, const type_sum sums[IG_DTYPE_COUNT], uint64_t elems) {
    ig_str arch = text_of(r->ckpt, "general.architecture");
    ig_json_key(&r->json, "format");
    ig_json_put_str(&r->json, ig_str_of(ig_checkpoint_format(r->ckpt)));
    parts_json(r);
    ig_json_key(&r->json, "architecture");
    ig_json_put_str(&r->json, arch);
    ig_json_key(&r->json, "architecture_known");
    ig_json_put_bool(&r->json, ig_arch_known(arch));
    ig_json_key(&r->json, "name");
    ig_json_put_str(&r->json, text_of(r->ckpt, "general.name"));
    ig_json_key(&r->json, "parameters");
    ig_json_put_int(&r->json, (int64_t)elems);
    ig_json_key(&r->json, "file_bytes");
    ig_json_put_int(&r->json, (int64_t)ig_checkpoint_file_bytes(r->ckpt));
    ig_json_key(&r->json, "types");
    ig_json_open_object(&r->json);
    for (int d = 0; d < IG_DTYPE_COUNT; d++) {
        if (sums[d].count == 0)
            continue;
        ig_json_key(&r->json, ig_dtype_info((ig_dtype)d)->name);
        ig_json_put_int(&r->json, (int64_t)sums[d].bytes);
    }
    ig_json_close_object(&r->json);
}

static ig_status put_named(reporter *r, const char *label, ig_str text, const char *behind) {
    IG_TRY(ig_buf_addf(r->out, r->err, "%-14s", label));
    IG_TRY(put_plain(r, text));
    return ig_buf_addf(r->out, r->err, "%s\n", behind);
}

static ig_status summary_text(reporter *r, const type_sum sums[IG_DTYPE_COUNT], uint64_t elems) {
    ig_str arch = text_of(r->ckpt, "general.architecture"), name = text_of(r->ckpt, "general.name");
    const char *known = arch.n == 0 ? "none given"
                        : ig_arch_known(arch)
                            ? ""
                            : " (not known to this version: it can be looked at, not run)";
    IG_TRY(ig_buf_addf(r->out, r->err, "format        %s, %zu keys, %zu tensors, %.1f MiB\n",
                       ig_checkpoint_format(r->ckpt), ig_checkpoint_meta_count(r->ckpt),
                       ig_checkpoint_tensor_count(r->ckpt),
                       (double)ig_checkpoint_file_bytes(r->ckpt) / 1048576.0));
    IG_TRY(parts_text(r));
    IG_TRY(put_named(r, "architecture", arch, known));
    if (name.n)
        IG_TRY(put_named(r, "name", name, ""));
    IG_TRY(ig_buf_addf(r->out, r->err, "parameters    %.2f M\n", (double)elems / 1e6));
    for (int d = 0; d < IG_DTYPE_COUNT; d++) {
        const ig_dtype_row *row = ig_dtype_info((ig_dtype)d);
        if (sums[d].count)
            IG_TRY(ig_buf_addf(r->out, r->err, "  %-8s    %llu tensors, %.1f MiB%s\n", row->name,
                               (unsigned long long)sums[d].count, (double)sums[d].bytes / 1048576.0,
                               row->decode || !row->weight ? "" : " (no codec in this version)"));
    }
    return IG_OK;
}

static ig_status summary(reporter *r) {
    type_sum sums[IG_DTYPE_COUNT] = {{0}};
    uint64_t elems = 0;
    for (size_t i = 0; i < ig_checkpoint_tensor_count(r->ckpt); i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(r->ckpt, i);
        sums[t->dtype].bytes += t->bytes;
        sums[t->dtype].count++;
        elems += t->n_elems;
    }
    if (!r->as_json)
        return summary_text(r, sums, elems);
    summary_json(r, sums, elems);
    return IG_OK;
}

static ig_status plan_report(reporter *r, const ingot_model_options *options) {
    ingot_model_options o;
    ig_dtype k, v;
    ig_device *device = NULL;
    ig_plan *plan = NULL;
    IG_TRY(ig_engine_options(options, &o, &k, &v, r->err));
    IG_TRY(ig_engine_plan(r->ckpt, &o, NULL, &device, &plan, r->err));
    ig_status status = ig_plan_explain(plan, r->as_json, r->out, r->err);
    ig_plan_destroy(&plan);
    ig_device_close(&device);
    return status;
}

static ig_status report(reporter *r, unsigned what, const ingot_model_options *options) {
    if (what & INGOT_REPORT_PLAN) /* alone: it is a document of its own */
        return plan_report(r, options);
    if (r->as_json) {
        ig_json_begin(&r->json, r->out, true, r->err);
        ig_json_open_object(&r->json);
    }
    IG_TRY(summary(r));
    if (r->as_json) {
        if (what & INGOT_REPORT_METADATA)
            IG_TRY(metadata_json(r));
        if (what & INGOT_REPORT_TENSORS)
            tensors_json(r);
        ig_json_close_object(&r->json);
        IG_TRY(ig_json_end(&r->json));
        return ig_buf_add(r->out, "\n", 1, r->err);
    }
    if (what & INGOT_REPORT_METADATA)
        IG_TRY(metadata_text(r));
    return what & INGOT_REPORT_TENSORS ? tensors_text(r) : IG_OK;
}

ingot_status ingot_model_report(const char *path, const ingot_model_options *options, unsigned what,
                                ingot_text *out, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    ig_checkpoint_options co = {.header_only = !(what & INGOT_REPORT_PLAN)};
    ig_checkpoint *ckpt = NULL;
    ig_buf buf;
    ig_buf_init(&buf, REPORT_BYTES_MAX);
    ig_status status = ig_checkpoint_open(&ckpt, path, &co, err);
    const bool as_json = (what & INGOT_REPORT_JSON) != 0;
    reporter r = {.ckpt = ckpt, .out = &buf, .err = err, .as_json = as_json};
    if (!status)
        status = report(&r, what, options);
    if (!status)
        status = ig_engine_give(&buf, out, err);
    if (status && ckpt) /* opening names the path itself */
        ig_err_prefix(err, "%s", path);
    ig_buf_fini(&buf);
    ig_checkpoint_close(&ckpt);
    return (ingot_status)status;
}
