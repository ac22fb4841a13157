/* stop_text.c: strings that end or are kept out of a text: what may still become a stop string, and
 * the tokens that would complete a forbidden one. Pure but for the index of the vocabulary's texts,
 * which is made once per model and immutable then. */
#include "engine/stop_text.h"

#include <math.h>

static ig_status check_strings(const char *field, const char *const *strings, uint32_t n,
                               uint32_t bytes_max, ig_err *err) {
    if (n > IG_STOP_STRINGS_MAX)
        return ig_fail(err, IG_ELIMIT, "%u %s strings; at most %u", n, field, IG_STOP_STRINGS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        if (!strings[i])
            return ig_fail(err, IG_EARGUMENT, "%s string %u is NULL", field, i);
        if (strlen(strings[i]) > bytes_max)
            return ig_fail(err, IG_ELIMIT, "%s string %u has %zu bytes; at most %u", field, i,
                           strlen(strings[i]), bytes_max);
    }
    return IG_OK;
}

ig_status ig_stop_strings_check(const char *field, const char *const *strings, uint32_t n,
                                ig_err *err) {
    return check_strings(field, strings, n, IG_STOP_BYTES_MAX, err);
}

ig_status ig_bad_strings_check(const char *const *strings, uint32_t n, ig_err *err) {
    size_t sum = 0;
    IG_TRY(check_strings("bad", strings, n, IG_BAD_BYTES_MAX, err));
    for (uint32_t i = 0; i < n; i++)
        sum += strlen(strings[i]);
    if (sum > IG_BAD_BYTES_SUM_MAX)
        return ig_fail(err, IG_ELIMIT, "the bad strings have %zu bytes in all; at most %u", sum,
                       IG_BAD_BYTES_SUM_MAX);
    return IG_OK;
}

size_t ig_stop_held(const char *const *stop, uint32_t n_stop, ig_str text, size_t deaf,
                    size_t *found) {
    size_t hold = 0;
    *found = SIZE_MAX;
    for (uint32_t i = 0; i < n_stop; i++) {
        const size_t n = strlen(stop[i]);
        for (size_t at = 0; n && at < text.n; at++) {
            const size_t left = text.n - at, common = IG_MIN(left, n);
            if (at + n <= deaf || memcmp(text.p + at, stop[i], common) != 0)
                continue;
            if (common == n)
                *found = IG_MIN(*found, at);
            else
                hold = IG_MAX(hold, left);
            break;
        }
    }
    return hold;
}

/* The text of the last tokens: of the last one (*n_last bytes) and at least `bytes` before it. */
static ig_status tail_text(const ig_tokenizer *tok, const int32_t *ids, size_t n, bool special,
                           size_t bytes, ig_buf *out, size_t *n_last, ig_err *err) {
    size_t first = n, have = 0;
    *n_last = 0;
    while (first > 0 && (first == n || have < bytes + *n_last)) {
        const size_t before = out->n;
        IG_TRY(ig_tokenizer_piece(tok, ids[--first], special, out, err));
        have += out->n - before;
        if (first + 1 == n)
            *n_last = out->n - before;
    }
    ig_buf_clear(out);
    for (size_t i = first; i < n; i++)
        IG_TRY(ig_tokenizer_piece(tok, ids[i], special, out, err));
    return IG_OK;
}

ig_status ig_stop_hit(const ig_tokenizer *tok, const char *const *stop, uint32_t n_stop,
                      bool special, const int32_t *ids, size_t n, ig_buf *scratch, bool *hit,
                      ig_err *err) {
    size_t longest = 1, last;
    *hit = false;
    for (uint32_t i = 0; i < n_stop; i++)
        longest = IG_MAX(longest, strlen(stop[i]));
    ig_buf_clear(scratch);
    if (n == 0)
        return IG_OK;
    IG_TRY(tail_text(tok, ids, n, special, longest - 1, scratch, &last, err));
    for (uint32_t i = 0; i < n_stop && !*hit; i++) {
        const size_t size = strlen(stop[i]);
        /* Ends in the last token only: few, however long and alike string and text are. */
        for (size_t end = scratch->n - last + 1; size && end <= scratch->n; end++) {
            if (end >= size && memcmp(scratch->p + end - size, stop[i], size) == 0)
                *hit = true;
        }
    }
    return IG_OK;
}

/* ---- forbidden strings ------------------------------------------------------------------------
 */

struct ig_piece_index {
    uint32_t n;
    ig_buf pieces;
    uint32_t *starts; /* [n + 1] into pieces */
    uint32_t *order;  /* [n] ids by their text */
    bool *silent;     /* [n]: a control token, whose text is given out with `special` only */
};

ig_str ig_piece_text(const ig_piece_index *x, uint32_t id) {
    return (ig_str){x->pieces.p + x->starts[id], x->starts[id + 1] - x->starts[id]};
}

static int compare(ig_str a, ig_str b) {
    const int c = memcmp(a.p, b.p, IG_MIN(a.n, b.n));
    return c ? c : (a.n > b.n) - (a.n < b.n);
}

/* Heap sort: no comparison function of the library takes a context everywhere. */
static void sift(const ig_piece_index *x, uint32_t root, uint32_t n) {
    uint32_t *o = x->order;
    for (uint32_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n &&
            compare(ig_piece_text(x, o[child]), ig_piece_text(x, o[child + 1])) < 0)
            child++;
        if (compare(ig_piece_text(x, o[root]), ig_piece_text(x, o[child])) >= 0)
            return;
        const uint32_t t = o[root];
        o[root] = o[child];
        o[child] = t;
    }
}

static void sort(const ig_piece_index *x) {
    for (uint32_t i = x->n / 2; i-- > 0;)
        sift(x, i, x->n);
    for (uint32_t n = x->n; n-- > 1;) {
        const uint32_t t = x->order[0];
        x->order[0] = x->order[n];
        x->order[n] = t;
        sift(x, 0, n);
    }
}

void ig_piece_index_destroy(ig_piece_index **index) {
    if (!index || !*index)
        return;
    ig_buf_fini(&(*index)->pieces);
    ig_free((*index)->starts);
    ig_free((*index)->order);
    ig_free((*index)->silent);
    ig_free(*index);
    *index = NULL;
}

/* Its text and whether it has any without `special`. */
static ig_status add_piece(ig_piece_index *x, const ig_tokenizer *tok, uint32_t id, ig_err *err) {
    const size_t before = x->pieces.n;
    x->order[id] = id;
    x->starts[id] = (uint32_t)before;
    IG_TRY(ig_tokenizer_piece(tok, (int32_t)id, false, &x->pieces, err));
    x->silent[id] = x->pieces.n == before;
    if (x->silent[id])
        IG_TRY(ig_tokenizer_piece(tok, (int32_t)id, true, &x->pieces, err));
    return IG_OK;
}

ig_status ig_piece_index_create(ig_piece_index **out, const ig_tokenizer *tok, ig_err *err) {
    ig_piece_index *x = ig_alloc(1, sizeof *x);
    if (!x)
        return ig_fail_memory(err, sizeof *x);
    x->n = ig_tokenizer_size(tok);
    ig_buf_init(&x->pieces, IG_VOCAB_BYTES_MAX);
    x->starts = ig_alloc((size_t)x->n + 1, sizeof *x->starts);
    x->order = ig_alloc(x->n, sizeof *x->order);
    x->silent = ig_alloc(x->n, sizeof *x->silent);
    ig_status status =
        x->starts && x->order && x->silent ? IG_OK : ig_fail_memory(err, x->n * sizeof *x->starts);
    if (!status)
        status = ig_buf_add(&x->pieces, "", 0, err);
    for (uint32_t id = 0; id < x->n && !status; id++)
        status = add_piece(x, tok, id, err);
    if (status) {
        ig_piece_index_destroy(&x);
        return status;
    }
    x->starts[x->n] = (uint32_t)x->pieces.n;
    sort(x);
    *out = x;
    return IG_OK;
}

/* Forbids the tokens whose text begins with `start`. */
static void forbid_beginnings(const ig_piece_index *x, ig_str start, bool special, float *logits) {
    uint32_t lo = 0, hi = x->n;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        const bool below = compare(ig_piece_text(x, x->order[mid]), start) < 0;
        lo = below ? mid + 1 : lo;
        hi = below ? hi : mid;
    }
    for (; lo < x->n; lo++) {
        const ig_str text = ig_piece_text(x, x->order[lo]);
        if (text.n < start.n || memcmp(text.p, start.p, start.n) != 0)
            return;
        if (special || !x->silent[x->order[lo]])
            logits[x->order[lo]] = -INFINITY;
    }
}

ig_status ig_bad_strings_forbid(const ig_piece_index *x, const ig_tokenizer *tok,
                                const char *const *bad, uint32_t n_bad, bool special,
                                const int32_t *ids, size_t n, ig_buf *scratch, float *logits,
                                ig_err *err) {
    size_t longest = 1, last;
    for (uint32_t i = 0; i < n_bad; i++)
        longest = IG_MAX(longest, strlen(bad[i]));
    ig_buf_clear(scratch);
    if (n)
        IG_TRY(tail_text(tok, ids, n, special, longest - 1, scratch, &last, err));
    const ig_str tail = ig_buf_str(scratch);
    for (uint32_t i = 0; i < n_bad; i++) {
        const size_t size = strlen(bad[i]);
        for (size_t done = 1; done < size && done <= tail.n; done++) {
            if (memcmp(tail.p + tail.n - done, bad[i], done) == 0)
                forbid_beginnings(x, (ig_str){bad[i] + done, size - done}, special, logits);
        }
    }
    return IG_OK;
}

ig_status ig_bad_strings_tokens(const ig_piece_index *x, const char *const *bad, uint32_t n_bad,
                                bool special, ig_ids *out, ig_err *err) {
    for (uint32_t id = 0; id < x->n; id++) {
        if (!special && x->silent[id])
            continue;
        const ig_str text = ig_piece_text(x, id);
        bool hit = false;
        for (uint32_t i = 0; i < n_bad && !hit; i++) {
            const size_t size = strlen(bad[i]);
            for (size_t at = 0; size && at + size <= text.n && !hit; at++)
                hit = text.p[at] == bad[i][0] && memcmp(text.p + at, bad[i], size) == 0;
        }
        if (!hit)
            continue;
        if (out->n == out->cap) {
            const size_t cap = out->cap ? 2 * out->cap : 64;
            int32_t *p = ig_realloc(out->p, cap, sizeof *p);
            if (!p)
                return ig_fail_memory(err, cap * sizeof *p);
            out->p = p;
            out->cap = cap;
        }
        out->p[out->n++] = (int32_t)id;
    }
    return IG_OK;
}
