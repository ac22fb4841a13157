/* session_file.c: a session's tokens, keys and values in a file, and back.
 *
 * Layout, little-endian: header, tokens [n_tokens] i32, then for each page group its page count u32
 * and, per page that is still visible, its number in the table u32 and its bytes; at the end the
 * XXH3-128 of everything before. Bytes of pages are a device's own, so the header says whose. */
#include <stdio.h>

#include "engine/engine_int.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define MAGIC "INGOTSEQ"
#define VERSION 2u
#define SUM_BYTES 16u
/* Bytes of each tensor that tell models of equal shape apart. */
#define SAMPLE_BYTES 64u

typedef struct file_header {
    char magic[8];
    uint32_t version, header_bytes;
    uint64_t model[2]; /* digest of all that keys and values follow from */
    char device[16];
    uint32_t k_dtype, v_dtype, page_tokens, n_groups;
    uint32_t page_bytes[IG_PAGE_GROUPS_MAX], window[IG_PAGE_GROUPS_MAX];
    uint32_t n_tokens, reserved;
} file_header;
_Static_assert(sizeof(file_header) == 104 && offsetof(file_header, device) == 32,
               "the header has no holes");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "it is written as it lies in memory");

/* Names, shapes and samples of all tensors. */
static void add_tensors(XXH3_state_t *state, const ig_checkpoint *ckpt) {
    const size_t n = ig_checkpoint_tensor_count(ckpt);
    for (size_t i = 0; i < n; i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(ckpt, i);
        XXH3_128bits_update(state, t->name.p, t->name.n);
        XXH3_128bits_update(state, &t->dtype, sizeof t->dtype);
        XXH3_128bits_update(state, t->ne, sizeof t->ne);
        if (t->data)
            XXH3_128bits_update(state, t->data, IG_MIN(t->bytes, SAMPLE_BYTES));
    }
}

/* The architecture and its hyper-parameters, as the file has them. */
static void add_keys(XXH3_state_t *state, const ig_checkpoint *ckpt, ig_str arch) {
    const size_t n = ig_checkpoint_meta_count(ckpt);
    XXH3_128bits_update(state, arch.p, arch.n);
    for (size_t i = 0; i < n; i++) {
        const ig_meta *m = ig_checkpoint_meta_at(ckpt, i);
        if (m->key.n <= arch.n || memcmp(m->key.p, arch.p, arch.n) != 0 || m->key.p[arch.n] != '.')
            continue;
        XXH3_128bits_update(state, m->key.p, m->key.n);
        for (uint64_t k = 0; k < m->count; k++) {
            ig_str s;
            double x;
            if (ig_meta_str(m, k, &s))
                XXH3_128bits_update(state, s.p, s.n);
            else if (ig_meta_f64(m, k, &x))
                XXH3_128bits_update(state, &x, sizeof x);
        }
    }
}

static void add_op(XXH3_state_t *state, const ig_op *op) {
    const ig_rope_attr *rope = &op->u.rope;
    if (op->kind == IG_OP_ATTEND)
        XXH3_128bits_update(state, &op->u.attend.scale, sizeof op->u.attend.scale);
    if (op->kind != IG_OP_ROPE)
        return;
    XXH3_128bits_update(state, &rope->m, sizeof rope->m);
    XXH3_128bits_update(state, rope->inv_freq, rope->n_rot / 2 * sizeof *rope->inv_freq);
}

/* What the options of open and the length of the context change: angles and scales. */
static void add_program(XXH3_state_t *state, const ig_program *p) {
    for (uint32_t i = 0; i < p->n_ops; i++) {
        const ig_op *op = &p->ops[i];
        for (uint32_t k = 0; k < op->n_pre; k++)
            add_op(state, op->pre[k]);
        add_op(state, op);
        for (uint32_t k = 0; k < op->n_post; k++)
            add_op(state, op->post[k]);
    }
}

static void digest(const ingot_model *m, uint64_t out[2]) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    add_tensors(&state, m->ckpt);
    add_keys(&state, m->ckpt, ig_str_of(m->arch));
    add_program(&state, m->plan->program);
    const XXH128_hash_t sum = XXH3_128bits_digest(&state);
    out[0] = sum.low64;
    out[1] = sum.high64;
}

static void fill_header(const ingot_session *s, file_header *h) {
    const ingot_model *m = s->model;
    *h = (file_header){.version = VERSION,
                       .header_bytes = sizeof *h,
                       .k_dtype = (uint32_t)m->k_dtype,
                       .v_dtype = (uint32_t)m->v_dtype,
                       .page_tokens = IG_PAGE_TOKENS,
                       .n_groups = m->plan->n_groups,
                       .n_tokens = s->n_history};
    memcpy(h->magic, MAGIC, sizeof h->magic);
    digest(m, h->model);
    (void)snprintf(h->device, sizeof h->device, "%s", ig_device_name(m->device));
    for (uint32_t g = 0; g < m->plan->n_groups; g++) {
        h->page_bytes[g] = (uint32_t)ig_module_page_bytes(m->module, g, m->k_dtype, m->v_dtype);
        h->window[g] = m->plan->groups[g].window;
    }
}

/* ---- saving -----------------------------------------------------------------------------------
 */

typedef struct saver {
    ig_file_writer *w;
    XXH3_state_t sum;
} saver;

static ig_status put(saver *s, const void *p, size_t n, ig_err *err) {
    XXH3_128bits_update(&s->sum, p, n);
    return ig_file_writer_add(s->w, p, n, err);
}

static ig_status save_group(saver *out, ingot_session *s, uint32_t g, size_t bytes, uint8_t *page,
                            ig_err *err) {
    uint32_t n, visible = 0;
    const uint32_t *table = ig_kv_seq_table(s->seq, g, &n);
    for (uint32_t i = 0; i < n; i++)
        visible += table[i] != IG_KV_PAGE_NONE;
    IG_TRY(put(out, &visible, sizeof visible, err));
    for (uint32_t i = 0; i < n; i++) {
        if (table[i] == IG_KV_PAGE_NONE)
            continue;
        /* The turn is taken for a page, not for the file: nobody waits for a disk. */
        ig_mutex_lock(s->model->turn);
        const ig_status status = ig_pool_read(s->pool, g, table[i], page, err);
        ig_mutex_unlock(s->model->turn);
        if (status)
            return status;
        IG_TRY(put(out, &i, sizeof i, err));
        IG_TRY(put(out, page, bytes, err));
    }
    return IG_OK;
}

static size_t largest_page(const file_header *h) {
    size_t bytes = 1;
    for (uint32_t g = 0; g < h->n_groups; g++)
        bytes = IG_MAX(bytes, h->page_bytes[g]);
    return bytes;
}

static ig_status save(saver *out, ingot_session *s, ig_err *err) {
    file_header h;
    fill_header(s, &h);
    uint8_t *page = ig_alloc(largest_page(&h), 1);
    if (!page)
        return ig_fail_memory(err, largest_page(&h));
    ig_status status = put(out, &h, sizeof h, err);
    if (!status)
        status = put(out, s->history, s->n_history * sizeof *s->history, err);
    for (uint32_t g = 0; g < h.n_groups && !status; g++)
        status = save_group(out, s, g, h.page_bytes[g], page, err);
    ig_free(page);
    if (status)
        return status;
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits_digest(&out->sum));
    return ig_file_writer_add(out->w, &sum, sizeof sum, err);
}

ingot_status ingot_session_save(ingot_session *session, const char *path, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    saver out = {0};
    XXH3_128bits_reset(&out.sum);
    ig_status status = ig_file_writer_open(&out.w, path, err);
    if (!status) {
        status = save(&out, session, err);
        const ig_status closed = ig_file_writer_close(&out.w, !status, status ? NULL : err);
        status = status ? status : closed;
    }
    if (status)
        ig_err_prefix(err, "cannot save the session");
    return (ingot_status)status;
}

/* ---- loading ----------------------------------------------------------------------------------
 */

static ig_status refuse(const char *what, ig_err *err) {
    return ig_fail(err, IG_EARGUMENT, "the saved session is of %s; open the model as it was saved",
                   what);
}

static ig_status check_header(const ingot_session *s, const file_header *h, ig_err *err) {
    file_header own;
    fill_header(s, &own);
    if (memcmp(h->magic, own.magic, sizeof h->magic) != 0)
        return ig_fail(err, IG_EFORMAT, "not a saved session");
    if (h->version != VERSION || h->header_bytes != sizeof *h)
        return ig_fail(err, IG_EUNSUPPORTED, "a saved session of version %u; known: %u", h->version,
                       VERSION);
    if (memcmp(h->model, own.model, sizeof h->model) != 0)
        return refuse("another model, or of other rope options", err);
    if (memcmp(h->device, own.device, sizeof h->device) != 0)
        return refuse("another device", err);
    if (h->k_dtype != own.k_dtype || h->v_dtype != own.v_dtype)
        return refuse("another type of cache (cache_type_k, cache_type_v)", err);
    if (h->page_tokens != own.page_tokens || h->n_groups != own.n_groups ||
        memcmp(h->page_bytes, own.page_bytes, sizeof h->page_bytes) != 0 ||
        memcmp(h->window, own.window, sizeof h->window) != 0)
        return refuse("another layout of pages", err);
    if (h->n_tokens > s->model->options.context)
        return ig_fail(err, IG_ELIMIT, "the saved session has %u tokens, the context %u",
                       h->n_tokens, s->model->options.context);
    return IG_OK;
}

static void take_header(ig_cursor *c, file_header *h) {
    const uint8_t *magic = ig_cursor_take(c, sizeof h->magic);
    *h = (file_header){0};
    if (magic)
        memcpy(h->magic, magic, sizeof h->magic);
    h->version = ig_cursor_u32(c);
    h->header_bytes = ig_cursor_u32(c);
    h->model[0] = ig_cursor_u64(c);
    h->model[1] = ig_cursor_u64(c);
    const uint8_t *device = ig_cursor_take(c, sizeof h->device);
    if (device)
        memcpy(h->device, device, sizeof h->device);
    h->k_dtype = ig_cursor_u32(c);
    h->v_dtype = ig_cursor_u32(c);
    h->page_tokens = ig_cursor_u32(c);
    h->n_groups = ig_cursor_u32(c);
    for (uint32_t g = 0; g < IG_PAGE_GROUPS_MAX; g++)
        h->page_bytes[g] = ig_cursor_u32(c);
    for (uint32_t g = 0; g < IG_PAGE_GROUPS_MAX; g++)
        h->window[g] = ig_cursor_u32(c);
    h->n_tokens = ig_cursor_u32(c);
    h->reserved = ig_cursor_u32(c);
}

/* Pages for the tokens, as the steps that made them would have left them. */
static ig_status take_pages(ingot_session *s, const int32_t *ids, uint32_t n, ig_err *err) {
    const uint32_t step = s->model->options.batch;
    for (uint32_t at = 0; at < n; at += step) {
        const uint32_t rows = IG_MIN(step, n - at);
        IG_TRY(ig_kv_seq_reserve(s->seq, rows, err));
        ig_kv_seq_commit(s->seq, ids + at, rows);
    }
    return IG_OK;
}

static ig_status load_group(ingot_session *s, ig_cursor *c, uint32_t g, size_t bytes, ig_err *err) {
    uint32_t n;
    const uint32_t *table = ig_kv_seq_table(s->seq, g, &n);
    const uint32_t visible = ig_cursor_u32(c);
    uint32_t wanted = 0, loaded = 0;
    for (uint32_t i = 0; i < n; i++)
        wanted += table[i] != IG_KV_PAGE_NONE;
    if (visible != wanted)
        return ig_fail(err, IG_EFORMAT, "group %u has %u pages, its tokens need %u", g, visible,
                       wanted);
    for (uint32_t next = 0; loaded < visible; loaded++) {
        const uint32_t i = ig_cursor_u32(c);
        const uint8_t *page = ig_cursor_take(c, bytes);
        if (!page || i < next || i >= n || table[i] == IG_KV_PAGE_NONE)
            return ig_fail(err, IG_EFORMAT, "group %u: page %u is out of place or cut short", g, i);
        ig_mutex_lock(s->model->turn);
        const ig_status status = ig_pool_write(s->pool, g, table[i], page, err);
        ig_mutex_unlock(s->model->turn);
        if (status)
            return status;
        next = i + 1;
    }
    return IG_OK;
}

static ig_status check_sum(const ig_map *map, size_t body, ig_err *err) {
    XXH128_canonical_t sum;
    XXH128_canonicalFromHash(&sum, XXH3_128bits(map->p, body));
    return memcmp(&sum, map->p + body, SUM_BYTES) == 0
               ? IG_OK
               : ig_fail(err, IG_EFORMAT, "the checksum does not fit: the file is damaged");
}

/* Before anything of it is read: a file of another length is no such file. */
static ig_status check_size(ingot_session *s, const file_header *h, size_t bytes, ig_err *err) {
    uint64_t want = sizeof *h + (uint64_t)h->n_tokens * sizeof *s->history + SUM_BYTES;
    for (uint32_t g = 0; g < h->n_groups; g++) {
        const uint32_t window = h->window[g], n = h->n_tokens;
        const uint32_t first = window && n + 1 > window ? (n + 1 - window) / IG_PAGE_TOKENS : 0;
        const uint32_t pages = (n + IG_PAGE_TOKENS - 1) / IG_PAGE_TOKENS;
        want += sizeof(uint32_t) +
                (uint64_t)(pages - IG_MIN(first, pages)) * (sizeof(uint32_t) + h->page_bytes[g]);
    }
    return bytes == want ? IG_OK
                         : ig_fail(err, IG_EFORMAT,
                                   "it has %zu bytes, a session of %u tokens %llu: the file is "
                                   "damaged or cut short",
                                   bytes, h->n_tokens, (unsigned long long)want);
}

static ig_status load(ingot_session *s, const ig_map *map, ig_err *err) {
    file_header h;
    if (map->bytes < sizeof h + SUM_BYTES)
        return ig_fail(err, IG_EFORMAT, "not a saved session: it has %zu bytes", map->bytes);
    const size_t body = map->bytes - SUM_BYTES;
    ig_cursor c = ig_cursor_view(map->p, body);
    take_header(&c, &h);
    IG_TRY(check_header(s, &h, err));
    IG_TRY(check_size(s, &h, map->bytes, err));
    IG_TRY(check_sum(map, body, err));
    if (ig_cursor_left(&c) / sizeof *s->history < h.n_tokens)
        return ig_fail(err, IG_EFORMAT, "the %u tokens are cut short", h.n_tokens);
    for (uint32_t i = 0; i < h.n_tokens; i++)
        s->history[i] = (int32_t)ig_cursor_u32(&c);
    IG_TRY(ig_engine_check_ids(s, s->history, h.n_tokens, err));
    IG_TRY(take_pages(s, s->history, h.n_tokens, err));
    for (uint32_t g = 0; g < h.n_groups; g++)
        IG_TRY(load_group(s, &c, g, h.page_bytes[g], err));
    if (ig_cursor_left(&c))
        return ig_fail(err, IG_EFORMAT, "%zu bytes too many at the end", ig_cursor_left(&c));
    s->n_history = h.n_tokens;
    return IG_OK;
}

ingot_status ingot_session_load(ingot_session *session, const char *path, ingot_error *error) {
    ig_err local = {0}, *err = error ? ig_engine_err(error) : &local;
    ig_map map = {0};
    ig_status status = ig_map_open(&map, path, err);
    if (!status) {
        ingot_session_truncate(session, 0);
        status = load(session, &map, err);
        if (status) {
            (void)!ig_kv_seq_truncate(session->seq, 0);
            ig_err_prefix(err, "%s", path);
        }
    }
    ig_map_close(&map);
    return (ingot_status)status;
}
