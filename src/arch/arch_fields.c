/* arch_fields.c: evaluates the fields of a row for one file. Every number from the file is checked
 * here against its field's bounds, before anything is computed with it. */
#include "arch/arch_int.h"

#include <math.h>

#define KEY_BYTES_MAX 192

static const char *key_name(const ig_builder *b, const char *key, char buf[KEY_BYTES_MAX]) {
    size_t n = 0;
    if (key[0] == '/') {
        key++;
    } else {
        n = IG_MIN(b->arch.n, 64);
        memcpy(buf, b->arch.p, n);
        buf[n++] = '.';
    }
    size_t rest = IG_MIN(strlen(key), (size_t)KEY_BYTES_MAX - 1 - n);
    memcpy(buf + n, key, rest);
    buf[n + rest] = 0;
    return buf;
}

static void touch(ig_builder *b, const char *key) {
    for (uint32_t i = 0; i < b->n_touched; i++) {
        if (b->touched[i] == key || strcmp(b->touched[i], key) == 0)
            return;
    }
    if (b->n_touched < IG_ARCH_KEYS_TOUCHED_MAX)
        b->touched[b->n_touched++] = key;
}

const ig_meta *ig_arch_meta(ig_builder *b, const char *key) {
    char buf[KEY_BYTES_MAX];
    touch(b, key);
    return ig_checkpoint_meta(b->ckpt, ig_str_of(key_name(b, key, buf)));
}

static bool meta_zero(const ig_meta *m) {
    double x;
    ig_str s;
    if (ig_meta_str(m, 0, &s))
        return s.n == 0;
    uint64_t n = IG_MIN(m->count, (uint64_t)IG_LAYERS_MAX);
    for (uint64_t i = 0; i < n; i++) {
        bool flag;
        if (ig_meta_bool(m, i, &flag) ? flag : !ig_meta_f64(m, i, &x) || x != 0)
            return false;
    }
    return true;
}

static bool meta_number(const ig_meta *m, uint64_t i, double *out) {
    int64_t whole;
    bool flag;
    if (ig_meta_i64(m, i, &whole)) {
        *out = (double)whole;
        return true;
    }
    if (ig_meta_bool(m, i, &flag)) {
        *out = flag;
        return true;
    }
    return ig_meta_f64(m, i, out);
}

double ig_arch_value_at(const ig_builder *b, ig_field field, uint32_t layer) {
    return b->per_layer[field] && layer < b->n_layers ? b->per_layer[field][layer] : b->v[field];
}

double ig_arch_value(const ig_builder *b, ig_field field) {
    return ig_arch_value_at(b, field, b->in_layer ? b->layer : 0);
}

bool ig_arch_cond(const ig_builder *b, const ig_cond *cond) {
    char buf[KEY_BYTES_MAX];
    const ig_meta *m = NULL;
    if (cond->kind == COND_KEY || cond->kind == COND_NO_KEY || cond->kind == COND_KEY_ZERO)
        m = ig_checkpoint_meta(b->ckpt, ig_str_of(key_name(b, cond->name, buf)));
    switch (cond->kind) {
    case COND_ALWAYS:
        return true;
    case COND_KEY:
        return m && !meta_zero(m);
    case COND_NO_KEY:
        return !m || meta_zero(m);
    case COND_KEY_ZERO:
        return m && meta_zero(m);
    case COND_TENSOR:
        return ig_checkpoint_tensor(b->ckpt, ig_str_of(cond->name)) != NULL;
    case COND_NO_TENSOR:
        return ig_checkpoint_tensor(b->ckpt, ig_str_of(cond->name)) == NULL;
    case COND_SECTIONS:
        return b->sections[0] > 0 && b->sections[1] > 0;
    case COND_EQ:
        return b->v[cond->field] == cond->value;
    case COND_NE:
        return b->v[cond->field] != cond->value;
    case COND_ABOVE:
        return b->v[cond->field] > cond->value;
    }
    return false;
}

static double expr_value(const ig_builder *b, const ig_src *s) {
    double x = b->v[s->a], y = b->v[s->b];
    switch (s->expr) {
    case X_RSQRT:
        return x > 0 ? s->c / sqrt(x) : 0;
    case X_SQRT:
        return x > 0 ? s->c * sqrt(x) : 0;
    case X_OVER:
        return x > 0 ? s->c / x : 0;
    case X_DIV:
        y = s->b ? y : s->c;
        return y > 0 ? floor(x / y) : 0;
    case X_MUL:
        return x * y;
    case X_SUB:
        return x - y;
    case X_RSQRT_DIV:
        return x > 0 && y > 0 ? 1 / sqrt(floor(x / y)) : 0;
    }
    return 0;
}

static ig_status check(const ig_builder *b, ig_field f, const char *key, double x, ig_err *err) {
    const ig_field_row *row = &ig_arch_fields[f];
    if (x >= row->min && x <= row->max && (!row->whole || x == floor(x)))
        return IG_OK;
    char buf[KEY_BYTES_MAX];
    return ig_fail(
        err, IG_EFORMAT,
        "%s%s: %g is outside %g to %g%s; the file is damaged or not made for this architecture",
        key ? "key " : "", key ? key_name(b, key, buf) : row->name, x, row->min, row->max,
        row->whole ? " or not whole" : "");
}

ig_status ig_arch_check_layers(const ig_builder *b, const char *key, const ig_meta *m,
                               ig_err *err) {
    char buf[KEY_BYTES_MAX];
    if (m->count >= b->n_layers)
        return IG_OK;
    return ig_fail(err, IG_EFORMAT, "key %s: %llu values for %u layers; the file is damaged",
                   key_name(b, key, buf), (unsigned long long)m->count, b->n_layers);
}

/* A key holds one value, or as many as there are layers where its field may differ by layer. */
static ig_status check_count(const ig_builder *b, ig_field f, const char *key, const ig_meta *m,
                             ig_err *err) {
    char buf[KEY_BYTES_MAX];
    if (m->type != IG_META_ARRAY)
        return IG_OK;
    if (!ig_arch_fields[f].array)
        return ig_fail(err, IG_EFORMAT,
                       "key %s: an array of %llu values where one value is needed; the file is "
                       "damaged or not made for this architecture",
                       key_name(b, key, buf), (unsigned long long)m->count);
    return ig_arch_check_layers(b, key, m, err);
}

/* Value of a key: scalar, or an array with a number per layer. */
static ig_status read_key(ig_builder *b, ig_field f, const ig_src *s, const ig_meta *m,
                          ig_err *err) {
    char buf[KEY_BYTES_MAX];
    const bool array = m->type == IG_META_ARRAY;
    if (array)
        IG_TRY(ig_arena_new(&b->scratch, b->n_layers, sizeof(double), &b->per_layer[f], err));
    const uint32_t n = array ? b->n_layers : 1;
    for (uint32_t i = 0; i < n; i++) {
        double x;
        if (!meta_number(m, i, &x))
            return ig_fail(err, IG_EFORMAT, "key %s: %s is no number; the file is damaged",
                           key_name(b, s->key, buf), ig_meta_type_name(m->type));
        if (s->kind == SRC_INV && x != 0)
            x = 1 / x;
        IG_TRY(check(b, f, s->key, x, err));
        if (b->per_layer[f])
            b->per_layer[f][i] = x;
        if (i == 0)
            b->v[f] = x;
    }
    return IG_OK;
}

static ig_status read_word(ig_builder *b, ig_field f, const ig_src *s, const ig_meta *m,
                           ig_err *err) {
    char buf[KEY_BYTES_MAX];
    ig_str word = {0};
    if (!ig_meta_str(m, 0, &word))
        return ig_fail(err, IG_EFORMAT, "key %s: %s is no word; the file is damaged",
                       key_name(b, s->key, buf), ig_meta_type_name(m->type));
    const char *const *words = ig_arch_fields[f].words;
    for (int i = 0; words[i]; i++) {
        if (ig_str_is(word, words[i])) {
            b->v[f] = i + 1;
            return IG_OK;
        }
    }
    return ig_fail(err, IG_EUNSUPPORTED, "key %s: \"%.*s\" is unknown; known are %s, %s, %s, %s",
                   key_name(b, s->key, buf), IG_STR_ARG(word), words[0], words[1], words[2],
                   words[3]);
}

/* One source; *done when it yields. */
static ig_status source(ig_builder *b, ig_field f, const ig_src *s, bool *done, ig_err *err) {
    *done = false;
    const ig_meta *m = s->key ? ig_arch_meta(b, s->key) : NULL;
    if (m)
        IG_TRY(check_count(b, f, s->key, m, err));
    switch (s->kind) {
    case SRC_END:
        return IG_OK;
    case SRC_CONST:
        b->v[f] = s->c;
        *done = true;
        return check(b, f, NULL, s->c, err);
    case SRC_KEY:
        if (!m || meta_zero(m))
            return IG_OK;
        *done = true;
        return read_key(b, f, s, m, err);
    case SRC_KEY0:
    case SRC_INV:
        if (!m)
            return IG_OK;
        *done = true;
        return read_key(b, f, s, m, err);
    case SRC_WORD: {
        ig_str word;
        if (!m || (ig_meta_str(m, 0, &word) && word.n == 0))
            return IG_OK;
        *done = true;
        return read_word(b, f, s, m, err);
    }
    case SRC_FIELD:
        b->v[f] = b->v[s->a];
        b->per_layer[f] = b->per_layer[s->a];
        *done = b->v[f] != 0 || b->per_layer[f];
        return *done ? check(b, f, NULL, b->v[f], err) : IG_OK;
    case SRC_EXPR:
        b->v[f] = expr_value(b, s);
        *done = b->v[f] != 0;
        return *done ? check(b, f, NULL, b->v[f], err) : IG_OK;
    }
    return IG_OK;
}

static ig_status eval_field(ig_builder *b, ig_field f, ig_err *err) {
    const ig_field_row *row = &ig_arch_fields[f];
    const ig_src *src = row->src;
    bool need = row->need, done = false;
    const char *first = NULL;
    for (const ig_item *it = b->row->set; it && it->field; it++) {
        if (it->when.name && it->when.kind <= COND_KEY_ZERO)
            touch(b, it->when.name);
        if (it->field != f || !ig_arch_cond(b, &it->when))
            continue;
        src = it->src;
        need = need || it->need;
    }
    for (size_t i = 0; i < IG_COUNT(row->src) && !done; i++) {
        first = first ? first : src[i].key;
        IG_TRY(source(b, f, &src[i], &done, err));
    }
    for (size_t i = 0; i < IG_COUNT(row->src); i++) {
        if (src[i].key)
            touch(b, src[i].key);
    }
    if (done)
        return IG_OK;
    b->v[f] = 0;
    b->per_layer[f] = NULL;
    char buf[KEY_BYTES_MAX];
    if (need && first)
        return ig_fail(err, IG_EFORMAT,
                       "key %s is missing or zero; the model cannot be run without it",
                       key_name(b, first, buf));
    if (need)
        return ig_fail(err, IG_EFORMAT,
                       "%s cannot be derived from the file's keys; the file is damaged", row->name);
    return IG_OK;
}

static ig_status overrides(ig_builder *b, ig_err *err) {
    const ig_arch_options *o = b->options;
    if (o->rope_freq_base != 0) {
        if (!(o->rope_freq_base >= 1e-3 && o->rope_freq_base <= 1e18))
            return ig_fail(err, IG_EARGUMENT, "rope frequency base %g; give a number above 0.001",
                           o->rope_freq_base);
        b->v[F_BASE] = b->v[F_BASE_WIN] = o->rope_freq_base;
    }
    if (o->rope_freq_scale != 0) {
        if (!(o->rope_freq_scale >= 1e-9 && o->rope_freq_scale <= 1e6))
            return ig_fail(err, IG_EARGUMENT, "rope frequency scale %g; give a number above 0",
                           o->rope_freq_scale);
        b->v[F_ROPE_FACTOR] = 1 / o->rope_freq_scale;
    }
    if (!o->rope_scaling)
        return IG_OK;
    const char *const *words = ig_arch_fields[F_SCALING].words;
    for (int i = 0; i < SCALING_YARN; i++) {
        if (strcmp(words[i], o->rope_scaling) == 0) {
            b->v[F_SCALING] = i + 1;
            return IG_OK;
        }
    }
    return ig_fail(err, IG_EARGUMENT, "rope scaling \"%s\" is unknown; give none, linear or yarn",
                   o->rope_scaling);
}

static ig_status sections(ig_builder *b, ig_err *err) {
    const ig_meta *m = ig_arch_meta(b, "rope.dimension_sections");
    for (uint32_t i = 0; m && i < 4 && i < m->count; i++) {
        double x;
        if (!meta_number(m, i, &x) || !(x >= 0 && x <= (double)IG_WIDTH_MAX / 8) || x != floor(x))
            return ig_fail(err, IG_EFORMAT,
                           "key %.*s.rope.dimension_sections: value %u is bad; the file is damaged",
                           IG_STR_ARG(b->arch), i);
        b->sections[i] = (uint32_t)x;
    }
    return IG_OK;
}

ig_status ig_arch_eval(ig_builder *b, ig_err *err) {
    IG_TRY(sections(b, err));
    for (ig_field f = F_NONE + 1; f < F_COUNT; f++) {
        IG_TRY(eval_field(b, f, err));
        if (f == F_L)
            b->n_layers = (uint32_t)b->v[F_L];
    }
    IG_TRY(overrides(b, err));
    for (const ig_refusal *r = b->row->refuse; r && r->why; r++) {
        if (ig_arch_cond(b, &r->when) && ig_arch_cond(b, &r->also))
            return ig_fail(err, IG_EUNSUPPORTED, "%.*s %s", IG_STR_ARG(b->arch), r->why);
    }
    return IG_OK;
}

/* ---- keys nobody used ----------------------------------------------------------------------- */

static bool matches(ig_str name, const char *pattern) {
    ig_str p = ig_str_of(pattern);
    if (p.n && p.p[p.n - 1] == '*')
        return ig_str_starts(name, (ig_str){p.p, p.n - 1});
    return ig_str_eq(name, p);
}

static bool neutral(const ig_meta *m, ig_str name) {
    double x;
    if (meta_zero(m))
        return true;
    /* "n/a", -1 and the like are how writers say "none" for words and counts. */
    ig_str s;
    if (ig_meta_str(m, 0, &s))
        return ig_str_is(s, "none") || ig_str_is(s, "n/a");
    for (const ig_arch_key *k = ig_arch_graph_keys; k->name; k++) {
        if (matches(name, k->name) && k->neutral != 0 && m->count == 1 && meta_number(m, 0, &x) &&
            x == k->neutral)
            return true;
    }
    return false;
}

static bool graph_key(ig_str name) {
    for (const ig_arch_key *k = ig_arch_graph_keys; k->name; k++) {
        if (matches(name, k->name))
            return true;
    }
    return false;
}

static bool accounted(const ig_builder *b, ig_str name) {
    for (uint32_t i = 0; i < b->n_touched; i++) {
        if (ig_str_is(name, b->touched[i]))
            return true;
    }
    for (const char *const *k = b->row->ignored_keys; k && *k; k++) {
        if (matches(name, *k))
            return true;
    }
    for (const char *const *k = ig_arch_ignored_keys; *k; k++) {
        if (matches(name, *k))
            return true;
    }
    return false;
}

ig_status ig_arch_check_keys(const ig_builder *b, ig_err *err) {
    const size_t n = ig_checkpoint_meta_count(b->ckpt);
    for (size_t i = 0; i < n; i++) {
        const ig_meta *m = ig_checkpoint_meta_at(b->ckpt, i);
        if (m->key.n <= b->arch.n + 1 || !ig_str_starts(m->key, b->arch) ||
            m->key.p[b->arch.n] != '.')
            continue;
        ig_str name = {m->key.p + b->arch.n + 1, m->key.n - b->arch.n - 1};
        if (accounted(b, name) || neutral(m, name))
            continue;
        if (graph_key(name))
            return ig_fail(err, IG_EUNSUPPORTED,
                           "key %.*s changes the graph in a way that %.*s has no rule for; the "
                           "model would compute something "
                           "else than it was trained for",
                           IG_STR_ARG(m->key), IG_STR_ARG(b->arch));
        ig_log(b->options->logger, IG_LOG_DEBUG, "event=key_unused key=%.*s", IG_STR_ARG(m->key));
    }
    return IG_OK;
}
