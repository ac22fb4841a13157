/* golden_model.c: reads the text of tiny models and writes them as GGUF. */
#include "golden_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 1100

static bool mistake(const char *what, const char *which) {
    fprintf(stderr, "golden models: %s: %s\n", what, which);
    return false;
}

/* ---- reading -------------------------------------------------------------------------------- */

static uint32_t split(char *line, char **words) {
    uint32_t n = 0;
    for (char *w = strtok(line, " "); w && n < WORDS_MAX; w = strtok(NULL, " "))
        words[n++] = w;
    return n;
}

static golden_tensor *find_tensor(golden_model *m, const char *name) {
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].name, name) == 0)
            return &m->tensors[i];
    }
    return NULL;
}

/* "blk.0-4.x" is five names; fn sees each. */
static bool each_name(golden_model *m, const char *pattern, const golden_tensor *like,
                      bool (*fn)(golden_model *, const golden_tensor *)) {
    unsigned first, last;
    int at = 0;
    golden_tensor t = like ? *like : (golden_tensor){0};
    if (sscanf(pattern, "blk.%u-%u.%n", &first, &last, &at) != 2 || !at) {
        snprintf(t.name, sizeof t.name, "%s", pattern);
        return fn(m, &t);
    }
    for (unsigned l = first; l <= last; l++) {
        snprintf(t.name, sizeof t.name, "blk.%u.%s", l, pattern + at);
        if (!fn(m, &t))
            return false;
    }
    return true;
}

static bool add_tensor(golden_model *m, const golden_tensor *t) {
    golden_tensor *old = find_tensor(m, t->name);
    if (!old && m->n_tensors == GOLDEN_TENSORS_MAX)
        return mistake("too many tensors", m->name);
    *(old ? old : &m->tensors[m->n_tensors++]) = *t;
    return true;
}

static bool drop_tensor(golden_model *m, const golden_tensor *t) {
    golden_tensor *old = find_tensor(m, t->name);
    if (!old)
        return mistake("no such tensor", t->name);
    memmove(old, old + 1, (size_t)(m->tensors + --m->n_tensors - old) * sizeof *old);
    return true;
}

static bool key_is(const char *line, const char *name) {
    const size_t n = strcspn(name, " ");
    return strncmp(line, name, n) == 0 && line[n] == ' ';
}

static void drop_key(golden_model *m, const char *name) {
    for (uint32_t i = 0; i < m->n_keys; i++) {
        if (key_is(m->keys[i], name))
            m->keys[i--] = m->keys[--m->n_keys];
    }
}

static bool read_tensor(golden_model *m, char *line) {
    char *w[WORDS_MAX];
    const uint32_t n = split(line, w);
    golden_tensor t = {0};
    if (n < 5 || n > 8)
        return mistake("bad tensor line", line);
    t.law = w[1][0];
    t.mean = strtod(w[2], NULL);
    t.deviation = strtod(w[3], NULL);
    t.n_dims = n - 4;
    for (uint32_t i = 0; i < 4; i++)
        t.ne[i] = i < t.n_dims ? strtoull(w[4 + i], NULL, 10) : 1;
    return each_name(m, w[0], &t, add_tensor);
}

/* "model NAME ARCH [PARENT]": keys and tensors of the parent are taken over. */
static bool read_model(golden_set *set, char *line) {
    char *w[WORDS_MAX];
    const uint32_t n = split(line, w);
    if (n < 2 || set->n_models == GOLDEN_MODELS_MAX)
        return mistake("bad model line", line);
    golden_model *m = &set->models[set->n_models++], *parent = NULL;
    for (golden_model *p = set->models; n > 2 && p < m; p++)
        parent = strcmp(p->name, w[2]) == 0 ? p : parent;
    if (n > 2 && !parent)
        return mistake("no such parent", w[2]);
    golden_tensor *tensors = calloc(GOLDEN_TENSORS_MAX, sizeof *tensors);
    if (!tensors)
        return mistake("out of memory", w[0]);
    if (parent) {
        *m = *parent;
        memcpy(tensors, parent->tensors, parent->n_tensors * sizeof *tensors);
    }
    m->tensors = tensors;
    snprintf(m->name, sizeof m->name, "%s", w[0]);
    snprintf(m->arch, sizeof m->arch, "%s", w[1]);
    return true;
}

/* A line inside a model. */
static bool edit_line(golden_model *m, char *line) {
    if (strncmp(line, "ids ", 4) == 0) {
        char *w[WORDS_MAX];
        m->n_ids = split(line + 4, w);
        for (uint32_t i = 0; i < m->n_ids && i < GOLDEN_IDS_MAX; i++)
            m->ids[i] = (int32_t)strtol(w[i], NULL, 10);
        return m->n_ids <= GOLDEN_IDS_MAX ? true : mistake("too many ids", m->name);
    }
    if (strncmp(line, "arch ", 5) == 0) {
        snprintf(m->arch, sizeof m->arch, "%s", line + 5);
        return true;
    }
    if (strncmp(line, "k ", 2) == 0) {
        drop_key(m, line + 2);
        if (m->n_keys == GOLDEN_KEYS_MAX)
            return mistake("too many keys", m->name);
        m->keys[m->n_keys++] = line + 2;
        return true;
    }
    if (strncmp(line, "-k ", 3) == 0) {
        drop_key(m, line + 3);
        return true;
    }
    if (strncmp(line, "t ", 2) == 0)
        return read_tensor(m, line + 2);
    if (strncmp(line, "-t ", 3) == 0)
        return each_name(m, line + 3, NULL, drop_tensor);
    return mistake("unknown line", line);
}

static bool read_line(golden_set *set, char *line) {
    if (line[0] == '#' || line[0] == 0)
        return true;
    if (strncmp(line, "model ", 6) == 0)
        return read_model(set, line + 6);
    return set->n_models ? edit_line(&set->models[set->n_models - 1], line)
                         : mistake("no model before", line);
}

bool golden_edit(golden_model *m, char *lines) {
    for (char *line = lines, *end; line && *line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        if (!edit_line(m, line))
            return false;
    }
    return true;
}

bool golden_read(golden_set *set, const char *path) {
    *set = (golden_set){0};
    FILE *in = fopen(path, "rb");
    if (!in)
        return mistake("cannot open", path);
    fseek(in, 0, SEEK_END);
    const long bytes = ftell(in);
    rewind(in);
    set->text = calloc((size_t)bytes + 1, 1);
    set->models = calloc(GOLDEN_MODELS_MAX, sizeof *set->models);
    bool ok = set->text && set->models && fread(set->text, 1, (size_t)bytes, in) == (size_t)bytes;
    fclose(in);
    for (char *line = set->text, *end; ok && line && *line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        ok = read_line(set, line);
    }
    return ok;
}

void golden_free(golden_set *set) {
    for (uint32_t i = 0; i < set->n_models; i++)
        free(set->models[i].tensors);
    free(set->models);
    free(set->text);
}

/* ---- writing -------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Nearly normal: four uniform numbers of 16 bits, summed exactly. */
static double draw(uint64_t *state) {
    const uint64_t x = mix(state);
    const int64_t sum =
        (int64_t)((x & 0xffff) + ((x >> 16) & 0xffff) + ((x >> 32) & 0xffff) + (x >> 48)) -
        2 * 65535;
    return (double)sum * (1.7320508075688772 / 65536);
}

static void fill(const golden_tensor *t, float *x, uint64_t n) {
    uint64_t state = 1469598103934665603u;
    for (const char *c = t->name; *c; c++)
        state = (state ^ (uint8_t)*c) * 1099511628211u;
    for (uint64_t i = 0; i < n; i++) {
        const double z = draw(&state);
        x[i] = (float)(t->law == 'p' ? 1.5 + 0.14 * z : t->mean + t->deviation * z);
    }
}

static void put_key(ig_gguf_writer *w, const char *arch, const char *line) {
    char text[8192], name[128], *v[WORDS_MAX];
    snprintf(text, sizeof text, "%s", line);
    const uint32_t n = split(text, v);
    if (n < 3)
        return;
    snprintf(name, sizeof name, v[0][0] == '/' ? "%s%s" : "%s.%s", v[0][0] == '/' ? "" : arch,
             v[0] + (v[0][0] == '/'));
    uint32_t u[WORDS_MAX];
    float f[WORDS_MAX];
    uint8_t flag[WORDS_MAX];
    for (uint32_t i = 2; i < n; i++) {
        u[i - 2] = (uint32_t)strtoul(v[i], NULL, 10);
        f[i - 2] = strtof(v[i], NULL);
        flag[i - 2] = (uint8_t)u[i - 2];
    }
    const bool array = strchr(v[1], '[') != NULL;
    if (v[1][0] == 's')
        ig_gguf_put_str(w, name, ig_str_of(v[2]));
    else if (v[1][0] == 'u' && array)
        ig_gguf_put_array(w, name, IG_META_U32, u, n - 2);
    else if (v[1][0] == 'f' && array)
        ig_gguf_put_array(w, name, IG_META_F32, f, n - 2);
    else if (v[1][0] == 'b' && array)
        ig_gguf_put_array(w, name, IG_META_BOOL, flag, n - 2);
    else if (v[1][0] == 'u')
        ig_gguf_put_u32(w, name, u[0]);
    else if (v[1][0] == 'f')
        ig_gguf_put_f32(w, name, f[0]);
    else
        ig_gguf_put_bool(w, name, flag[0] != 0);
}

/* The peer wants a vocabulary. */
static void put_vocabulary(ig_gguf_writer *w, uint64_t n) {
    static char names[16384][8];
    static ig_str tokens[16384];
    static float scores[16384];
    static int32_t types[16384];
    n = n < 16384 ? n : 16384;
    for (uint64_t i = 0; i < n; i++) {
        tokens[i] = (ig_str){
            names[i], (size_t)snprintf(names[i], sizeof names[i], "t%u", (unsigned)(i % 100000))};
        types[i] = 1;
    }
    ig_gguf_put_str(w, "tokenizer.ggml.model", IG_STR("test"));
    ig_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, n);
    ig_gguf_put_array(w, "tokenizer.ggml.scores", IG_META_F32, scores, n);
    ig_gguf_put_array(w, "tokenizer.ggml.token_type", IG_META_I32, types, n);
}

bool golden_write(const golden_model *m, const char *path) {
    ig_err err = {0};
    ig_gguf_writer *w = NULL;
    if (ig_gguf_writer_open(&w, path, 0, &err))
        return mistake(m->name, err.message);
    ig_gguf_put_str(w, "general.architecture", ig_str_of(m->arch));
    ig_gguf_put_str(w, "general.name", IG_STR("tiny"));
    for (uint32_t i = 0; i < m->n_keys; i++)
        put_key(w, m->arch, m->keys[i]);
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const golden_tensor *t = &m->tensors[i];
        if (strcmp(t->name, "token_embd.weight") == 0)
            put_vocabulary(w, t->ne[1]);
        ig_gguf_writer_tensor(w, ig_str_of(t->name), IG_DTYPE_F32, t->n_dims, t->ne);
    }
    ig_status status = IG_OK;
    for (uint32_t i = 0; i < m->n_tensors && !status; i++) {
        const golden_tensor *t = &m->tensors[i];
        const uint64_t n = t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
        float *x = malloc(n * sizeof *x);
        if (!x)
            break;
        fill(t, x, n);
        status = ig_gguf_writer_data(w, x, n * sizeof *x, &err);
        free(x);
    }
    const ig_status closed = ig_gguf_writer_close(&w, !status, &err);
    return status || closed ? mistake(m->name, err.message) : true;
}
