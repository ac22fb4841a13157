/* tiny_gguf.c: the model of tiny_gguf.h. Files of equal options are equal. */
#include "engine/tiny_gguf.h"

#include <stdio.h>

#define WIDTH 128u
#define LAYERS 2u
#define HEADS 4u
#define KV_HEADS 2u
#define HEAD_WIDTH 32u
#define FFN 64u
#define ROWS_MAX (TINY_GGUF_TOKENS * WIDTH)

static const char CHAT_TEMPLATE[] =
    "{{ bos_token }}{% for m in messages %}"
    "{% if m.role not in ['system', 'user', 'assistant'] %}"
    "{{ raise_exception('role ' + m.role + ' is not known') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}";

typedef struct maker {
    ig_gguf_writer *w;
    ig_dtype dtype;
    uint64_t random;
    bool writing; /* second walk: data instead of declarations */
    bool gemma;
    float values[ROWS_MAX];
    uint8_t bytes[ROWS_MAX * sizeof(float)];
} maker;

int32_t tiny_gguf_next(int32_t id) {
    static const int32_t rows[][2] = {{'z', '.'},          {'.', TINY_GGUF_END_OF_TURN},
                                      {'Z', 'A'},          {'\n', 'x'},
                                      {'0', 0xC3},         {0xC3, 0xA9},
                                      {0xA9, '1'},         {'9', '0'},
                                      {TINY_GGUF_HE, 'l'}, {TINY_GGUF_BOS, 'a'}};
    for (size_t i = 0; i < IG_COUNT(rows); i++) {
        if (rows[i][0] == id)
            return rows[i][1];
    }
    return id < 256 ? (id + 1) & 255 : '\n';
}

/* splitmix64, -1 … 1 */
static float uniform(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (float)((z ^ z >> 31) >> 40) * 0x1p-23f - 1.0f;
}

static void embedding_row(int32_t id, float *out) {
    uint64_t state = 1000u + (uint64_t)id;
    for (uint32_t i = 0; i < WIDTH; i++)
        out[i] = uniform(&state) < 0 ? -1.0f : 1.0f;
}

static void fill_embedding(float *out) {
    for (uint32_t id = 0; id < TINY_GGUF_TOKENS; id++)
        embedding_row((int32_t)id, out + id * WIDTH);
}

/* Row j is the sum of the embeddings that j follows. */
static void fill_output(float *out) {
    float row[WIDTH];
    memset(out, 0, TINY_GGUF_TOKENS * WIDTH * sizeof *out);
    for (uint32_t id = 0; id < TINY_GGUF_TOKENS; id++) {
        embedding_row((int32_t)id, row);
        for (uint32_t i = 0; i < WIDTH; i++)
            out[(uint32_t)tiny_gguf_next((int32_t)id) * WIDTH + i] += 0.125f * row[i];
    }
}

static ig_status tensor(maker *m, const char *name, ig_dtype dtype, uint32_t columns, uint32_t rows,
                        ig_err *err) {
    const ig_dtype_row *row = ig_dtype_info(dtype);
    if (!m->writing) {
        ig_gguf_writer_tensor(m->w, ig_str_of(name), dtype, rows ? 2 : 1,
                              (const uint64_t[]){columns, rows});
        return IG_OK;
    }
    size_t n = (size_t)columns * (rows ? rows : 1);
    row->encode(m->values, m->bytes, n);
    return ig_gguf_writer_data(m->w, m->bytes, n / row->block_elems * row->block_bytes, err);
}

static ig_status layer(maker *m, uint32_t i, ig_err *err) {
    static const struct {
        const char *name;
        uint32_t columns, rows; /* rows 0: a norm, all of `size` */
        float size;
        bool gemma; /* only there */
    } tensors[] = {
        {"attn_norm", WIDTH, 0, 1, false},
        {"attn_q", WIDTH, HEADS * HEAD_WIDTH, 0.2f, false},
        {"attn_k", WIDTH, KV_HEADS * HEAD_WIDTH, 0.2f, false},
        {"attn_v", WIDTH, KV_HEADS * HEAD_WIDTH, 0.1f, false},
        {"attn_output", HEADS * HEAD_WIDTH, WIDTH, 0.01f, false},
        {"ffn_norm", WIDTH, 0, 1, false},
        {"ffn_gate", WIDTH, FFN, 0.1f, false},
        {"ffn_up", WIDTH, FFN, 0.1f, false},
        {"ffn_down", FFN, WIDTH, 0.01f, false},
        {"attn_q_norm", HEAD_WIDTH, 0, 1, true},
        {"attn_k_norm", HEAD_WIDTH, 0, 1, true},
        {"post_attention_norm", WIDTH, 0, 0.01f, true},
        {"post_ffw_norm", WIDTH, 0, 0.01f, true},
    };
    for (size_t k = 0; k < IG_COUNT(tensors); k++) {
        char name[64];
        if (tensors[k].gemma && !m->gemma)
            continue;
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, tensors[k].name);
        for (size_t j = 0; j < ROWS_MAX; j++)
            m->values[j] = tensors[k].size * (tensors[k].rows ? uniform(&m->random) : 1.0f);
        IG_TRY(tensor(m, name, tensors[k].rows ? m->dtype : IG_DTYPE_F32, tensors[k].columns,
                      tensors[k].rows, err));
    }
    return IG_OK;
}

static ig_status tensors(maker *m, ig_err *err) {
    m->random = 7;
    fill_embedding(m->values);
    IG_TRY(tensor(m, "token_embd.weight", m->dtype, WIDTH, TINY_GGUF_TOKENS, err));
    for (uint32_t i = 0; i < LAYERS; i++)
        IG_TRY(layer(m, i, err));
    for (uint32_t i = 0; i < WIDTH; i++)
        m->values[i] = 1.0f;
    IG_TRY(tensor(m, "output_norm.weight", IG_DTYPE_F32, WIDTH, 0, err));
    fill_output(m->values);
    return tensor(m, "output.weight", m->dtype, WIDTH, TINY_GGUF_TOKENS, err);
}

/* Printable bytes spell themselves, the others are moved to U+0100 and above in their order. */
static size_t spell(uint32_t id, char out[32]) {
    static const char *const others[] = {"<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>",
                                         "he"};
    uint32_t moved = 0x100, c = 0;
    if (id >= 256)
        return (size_t)snprintf(out, 32, "%s", others[id - 256]);
    for (uint32_t b = 0; b <= id; b++) {
        bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        c = plain ? b : moved++;
    }
    if (c < 0x80)
        return (size_t)snprintf(out, 32, "%c", (int)c);
    return (size_t)snprintf(out, 32, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
}

/* A leading @ stands for the architecture. */
static void put_number(ig_gguf_writer *w, const char *arch, const char *name, uint32_t value) {
    char key[64];
    snprintf(key, sizeof key, "%s%s", *name == '@' ? arch : "", name + (*name == '@'));
    ig_gguf_put_u32(w, key, value);
}

static void put_keys(ig_gguf_writer *w, const tiny_gguf_options *o) {
    static const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {
        {"@.vocab_size", TINY_GGUF_TOKENS},
        {"@.context_length", TINY_GGUF_CONTEXT},
        {"@.embedding_length", WIDTH},
        {"@.block_count", LAYERS},
        {"@.feed_forward_length", FFN},
        {"@.rope.dimension_count", HEAD_WIDTH},
        {"@.attention.key_length", HEAD_WIDTH},
        {"@.attention.value_length", HEAD_WIDTH},
        {"@.attention.head_count", HEADS},
        {"@.attention.head_count_kv", KV_HEADS},
        {"tokenizer.ggml.bos_token_id", TINY_GGUF_BOS},
        {"tokenizer.ggml.eos_token_id", TINY_GGUF_EOS},
        {"tokenizer.ggml.eot_token_id", TINY_GGUF_END_OF_TURN},
    };
    static const ig_str merges[] = {{"h e", 3}};
    char spelled[TINY_GGUF_TOKENS][32];
    ig_str tokens[TINY_GGUF_TOKENS];
    int32_t types[TINY_GGUF_TOKENS];
    for (uint32_t i = 0; i < TINY_GGUF_TOKENS; i++) {
        tokens[i] = (ig_str){spelled[i], spell(i, spelled[i])};
        types[i] = i >= TINY_GGUF_BOS && i <= TINY_GGUF_END_OF_TURN ? 3 : 1; /* control, normal */
    }
    char key[64];
    const char *arch = o->window ? "gemma3" : "llama";
    ig_gguf_put_str(w, "general.architecture", ig_str_of(arch));
    ig_gguf_put_str(w, "general.name", ig_str_of(o->name ? o->name : "tiny"));
    for (size_t i = 0; i < IG_COUNT(numbers); i++)
        put_number(w, arch, numbers[i].key, numbers[i].value);
    if (o->window)
        put_number(w, arch, "@.attention.sliding_window", o->window);
    snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", arch);
    ig_gguf_put_f32(w, key, 1e-5f);
    ig_gguf_put_str(w, "tokenizer.ggml.model", ig_str_of(o->vocabulary ? o->vocabulary : "gpt2"));
    ig_gguf_put_str(w, "tokenizer.ggml.pre", IG_STR("gpt-2"));
    const uint32_t n = o->n_tokens ? o->n_tokens : TINY_GGUF_TOKENS;
    ig_gguf_put_strings(w, "tokenizer.ggml.tokens", tokens, n);
    ig_gguf_put_array(w, "tokenizer.ggml.token_type", IG_META_I32, types, n);
    ig_gguf_put_strings(w, "tokenizer.ggml.merges", merges,
                        n < TINY_GGUF_TOKENS ? 0 : IG_COUNT(merges));
    ig_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", o->add_bos);
    if (o->long_key) {
        char name[301];
        memset(name, 'k', 300);
        name[300] = '\0';
        ig_gguf_put_scalar(w, name, IG_META_U64, &(uint64_t){UINT64_MAX});
    }
    if (o->broken_template)
        ig_gguf_put_str(w, "tokenizer.chat_template", IG_STR("{% for m in messages %}{{ m.role"));
    else if (!o->no_template)
        ig_gguf_put_str(w, "tokenizer.chat_template", IG_STR(CHAT_TEMPLATE));
}

ig_status tiny_gguf_write(const char *path, const tiny_gguf_options *o, ig_err *err) {
    maker *m = ig_alloc(1, sizeof *m);
    if (!m)
        return ig_fail_memory(err, sizeof *m);
    m->gemma = o->window != 0;
    m->dtype = o->dtype ? o->dtype : IG_DTYPE_F32;
    ig_status status = ig_gguf_writer_open(&m->w, path, 0, err);
    if (!status) {
        put_keys(m->w, o);
        status = o->no_tensors ? IG_OK : tensors(m, err);
    }
    m->writing = true;
    if (!status && !o->no_tensors)
        status = tensors(m, err);
    ig_status closed = ig_gguf_writer_close(&m->w, !status, status ? NULL : err);
    ig_free(m);
    return status ? status : closed;
}
