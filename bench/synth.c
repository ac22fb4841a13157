/* synth.c: ingot-synth SHAPE TYPE OUT [SEED] writes a GGUF with the shape of a known model and
 * random weights, so that speed can be measured without a download. Weights have mean 0 and
 * deviation 1/sqrt(row length), as trained ones about have; block types get random codes and scales
 * that fit. The tokenizer is byte-level BPE with three merges and filler tokens. Files of equal
 * arguments are equal. */
#include "formats/formats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define UNIT                                                                                       \
    256u /* elements of one random piece: a multiple of every block, a divisor of every row */
#define UNITS 4096u      /* pieces that a tensor is put together from */
#define CHUNK_UNITS 512u /* pieces of one write */

typedef struct shape {
    const char *name, *arch, *pre;
    uint32_t layers, width, heads, kv_heads, head_width, ffn, vocab, context;
    float rope_base, rope_factor /* 0 = no rope_freqs tensor */, epsilon;
    bool tied;     /* the embedding is the output matrix */
    bool qk_norms; /* Qwen 3 */
    uint32_t bos, eos;
} shape;

static const shape SHAPES[] = {
    {"llama-1b", "llama", "llama-bpe", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 500000, 32, 1e-5f,
     true, false, 128000, 128001},
    {"llama-8b", "llama", "llama-bpe", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 500000, 8,
     1e-5f, false, false, 128000, 128001},
    {"qwen3-0.6b", "qwen3", "qwen2", 28, 1024, 16, 8, 128, 3072, 151936, 40960, 1000000, 0, 1e-6f,
     true, true, 151643, 151645},
};

/* How random bytes become a block. Codes are uniform; `ratio` makes the mean zero where a block has
 * a minimum: the mean code of Q4_K is 7.5, so its minima are 7.5 times as large as its scales.
 * Where codes run from -8 to 7 the sign of d is random instead. */
typedef struct recipe {
    ig_dtype dtype;
    uint32_t file_type; /* general.file_type */
    int d, least;       /* offsets of the halves in a block, -1 = none */
    float ratio;        /* least / d */
    bool any_sign;
} recipe;

static const recipe RECIPES[] = {
    {IG_DTYPE_F32, 0, -1, -1, 0, false},      {IG_DTYPE_F16, 1, -1, -1, 0, false},
    {IG_DTYPE_BF16, 32, -1, -1, 0, false},    {IG_DTYPE_Q4_0, 2, 0, -1, 0, true},
    {IG_DTYPE_Q4_1, 3, 0, 2, -7.5f, false},   {IG_DTYPE_Q5_0, 8, 0, -1, 0, true},
    {IG_DTYPE_Q5_1, 9, 0, 2, -15.5f, false},  {IG_DTYPE_Q8_0, 7, 0, -1, 0, false},
    {IG_DTYPE_Q2_K, 10, 80, 82, 1.5f, false}, {IG_DTYPE_Q3_K, 11, 108, -1, 0, true},
    {IG_DTYPE_Q4_K, 14, 0, 2, 7.5f, false},   {IG_DTYPE_Q5_K, 16, 0, 2, 15.5f, false},
    {IG_DTYPE_Q6_K, 18, 208, -1, 0, true},    {IG_DTYPE_IQ4_NL, 25, 0, -1, 0, true},
    {IG_DTYPE_IQ4_XS, 30, 0, -1, 0, true},    {IG_DTYPE_MXFP4, 38, -1, -1, 0, false},
};

typedef struct synth {
    const shape *shape;
    const recipe *recipe;
    bool mixture; /* Q4_K_M: some tensors are Q6_K */
    uint64_t random;
    ig_gguf_writer *writer;
    uint8_t *units; /* UNITS pieces */
    uint8_t *chunk; /* CHUNK_UNITS pieces */
    bool writing;   /* second walk over the tensors: data instead of declarations */
} synth;

/* splitmix64 */
static uint64_t next(synth *s) {
    uint64_t z = s->random += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static float uniform(synth *s) { /* in (0, 1] */
    return (float)((next(s) >> 40) + 1) * 0x1p-24f;
}

static float gauss(synth *s) {
    const float radius = sqrtf(-2 * logf(uniform(s)));
    return radius * cosf(6.2831853f * uniform(s));
}

static void put_half(uint8_t *p, float f) {
    const uint16_t h = ig_f32_to_f16(f);
    p[0] = (uint8_t)h;
    p[1] = (uint8_t)(h >> 8);
}

static size_t unit_bytes(const ig_dtype_row *row) {
    return UNIT / row->block_elems * row->block_bytes;
}

/* Sets the scales of all blocks: deviation one for size 1, times a factor near one that differs
 * from block to block. */
static void set_scales(synth *s, const recipe *r, float size) {
    const ig_dtype_row *row = ig_dtype_info(r->dtype);
    for (size_t i = 0; i < UNITS * unit_bytes(row); i += row->block_bytes) {
        const float d =
            size * (0.75f + 0.5f * uniform(s)) * (r->any_sign && (next(s) & 1) ? -1.0f : 1.0f);
        put_half(s->units + i + r->d, d);
        if (r->least >= 0)
            put_half(s->units + i + r->least, d * r->ratio);
    }
}

static float deviation(const synth *s, const ig_dtype_row *row) {
    double sum = 0;
    float x[UNIT];
    for (size_t u = 0; u < UNITS; u++) {
        row->decode(s->units + u * unit_bytes(row), x, UNIT);
        for (size_t i = 0; i < UNIT; i++)
            sum += (double)x[i] * (double)x[i];
    }
    return (float)sqrt(sum / (UNITS * (double)UNIT));
}

/* E8M0 scales are powers of two: two neighbours are mixed so that the variance is right. Uniform
 * E2M1 codes have a mean square of 8.5625. */
static void set_exponents(synth *s, float sigma) {
    const float exact = log2f(sigma / sqrtf(8.5625f)), low = floorf(exact);
    const float share = (exp2f(2 * (exact - low)) - 1) / 3;
    for (size_t i = 0; i < UNITS * UNIT / 32 * 17; i += 17)
        s->units[i] = (uint8_t)(127 + (int)low + (uniform(s) < share));
}

static void make_units(synth *s, const recipe *r, float sigma) {
    const ig_dtype_row *row = ig_dtype_info(r->dtype);
    if (row->block_elems == 1) {
        float x[UNIT];
        for (size_t u = 0; u < UNITS; u++) {
            for (size_t i = 0; i < UNIT; i++)
                x[i] = sigma * gauss(s);
            row->encode(x, s->units + u * unit_bytes(row), UNIT);
        }
        return;
    }
    for (size_t i = 0; i < UNITS * unit_bytes(row); i++)
        s->units[i] = (uint8_t)(next(s) >> 32);
    if (r->dtype == IG_DTYPE_MXFP4) {
        set_exponents(s, sigma);
        return;
    }
    set_scales(s, r, 1.0f);
    set_scales(s, r, sigma / deviation(s, row));
}

static const recipe *recipe_of(ig_dtype dtype) {
    for (size_t i = 0; i < IG_COUNT(RECIPES); i++) {
        if (RECIPES[i].dtype == dtype)
            return &RECIPES[i];
    }
    return NULL;
}

/* Declares a matrix or writes its data, as the walk wants. */
static ig_status matrix(synth *s, const char *name, const recipe *r, uint64_t columns,
                        uint64_t rows, ig_err *err) {
    const ig_dtype_row *row = ig_dtype_info(r->dtype);
    if (!s->writing) {
        ig_gguf_writer_tensor(s->writer, ig_str_of(name), r->dtype, 2,
                              (const uint64_t[]){columns, rows});
        return IG_OK;
    }
    make_units(s, r, 1.0f / sqrtf((float)columns));
    const size_t bytes = unit_bytes(row);
    for (uint64_t left = columns * rows / UNIT; left > 0;) {
        const uint64_t n = left < CHUNK_UNITS ? left : CHUNK_UNITS;
        for (uint64_t i = 0; i < n; i++)
            memcpy(s->chunk + i * bytes, s->units + next(s) % UNITS * bytes, bytes);
        IG_TRY(ig_gguf_writer_data(s->writer, s->chunk, n * bytes, err));
        left -= n;
    }
    return IG_OK;
}

static ig_status vector(synth *s, const char *name, const float *values, uint64_t n, ig_err *err) {
    if (s->writing)
        return ig_gguf_writer_data(s->writer, values, n * sizeof *values, err);
    ig_gguf_writer_tensor(s->writer, ig_str_of(name), IG_DTYPE_F32, 1, &n);
    return IG_OK;
}

static ig_status ones(synth *s, const char *name, uint64_t n, ig_err *err) {
    static float values[16384];
    for (size_t i = 0; i < IG_COUNT(values); i++)
        values[i] = 1.0f;
    return vector(s, name, values, n, err);
}

/* Llama 3 divides low frequencies by a factor; in between it goes over smoothly. */
static ig_status rope_freqs(synth *s, ig_err *err) {
    float factors[256];
    const uint32_t half = s->shape->head_width / 2;
    for (uint32_t i = 0; i < half; i++) {
        const float wave = 6.2831853f * powf(s->shape->rope_base, (float)i / (float)half),
                    old = 8192;
        const float smooth = (old / wave - 1) / (4 - 1);
        factors[i] = wave < old / 4 ? 1
                     : wave > old   ? s->shape->rope_factor
                                    : 1 / ((1 - smooth) / s->shape->rope_factor + smooth);
    }
    return vector(s, "rope_freqs.weight", factors, half, err);
}

static ig_status layer(synth *s, uint32_t i, ig_err *err) {
    const shape *h = s->shape;
    const recipe *r = s->recipe;
    /* Q4_K_M gives v and down more bits in the first and last eighth and every third layer between.
     */
    const bool more = i < h->layers / 8 || i >= 7 * h->layers / 8 || (i - h->layers / 8) % 3 == 2;
    const recipe *better = s->mixture && more ? recipe_of(IG_DTYPE_Q6_K) : r;
    const uint64_t q = (uint64_t)h->heads * h->head_width,
                   kv = (uint64_t)h->kv_heads * h->head_width;
    const struct {
        const char *name;
        const recipe *recipe; /* NULL: a norm of `columns` ones */
        uint64_t columns, rows;
        bool absent;
    } tensors[] = {
        {"attn_norm", NULL, h->width, 1, false},
        {"attn_q", r, h->width, q, false},
        {"attn_k", r, h->width, kv, false},
        {"attn_v", better, h->width, kv, false},
        {"attn_q_norm", NULL, h->head_width, 1, !h->qk_norms},
        {"attn_k_norm", NULL, h->head_width, 1, !h->qk_norms},
        {"attn_output", r, q, h->width, false},
        {"ffn_norm", NULL, h->width, 1, false},
        {"ffn_gate", r, h->width, h->ffn, false},
        {"ffn_up", r, h->width, h->ffn, false},
        {"ffn_down", better, h->ffn, h->width, false},
    };
    for (size_t k = 0; k < IG_COUNT(tensors); k++) {
        char name[64];
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, tensors[k].name);
        if (tensors[k].absent)
            continue;
        IG_TRY(tensors[k].recipe
                   ? matrix(s, name, tensors[k].recipe, tensors[k].columns, tensors[k].rows, err)
                   : ones(s, name, tensors[k].columns, err));
    }
    return IG_OK;
}

static ig_status tensors(synth *s, ig_err *err) {
    const shape *h = s->shape;
    const recipe *ends = s->mixture ? recipe_of(IG_DTYPE_Q6_K) : s->recipe;
    IG_TRY(matrix(s, "token_embd.weight", s->mixture && !h->tied ? s->recipe : ends, h->width,
                  h->vocab, err));
    if (h->rope_factor > 0)
        IG_TRY(rope_freqs(s, err));
    for (uint32_t i = 0; i < h->layers; i++)
        IG_TRY(layer(s, i, err));
    IG_TRY(ones(s, "output_norm.weight", h->width, err));
    return h->tied ? IG_OK : matrix(s, "output.weight", ends, h->width, h->vocab, err);
}

/* Token i: 256 bytes in the spelling of byte-level BPE, three pairs, filler, and two control
 * tokens. */
static size_t spell_token(const shape *h, uint32_t i, char out[32]) {
    static const char *const pairs[] = {"he", "in", "\u0120t"};
    if (i == h->bos || i == h->eos)
        return (size_t)snprintf(out, 32, i == h->bos ? "<|begin_of_text|>" : "<|end_of_text|>");
    if (i >= 256 + IG_COUNT(pairs))
        return (size_t)snprintf(out, 32, "filler%u", i);
    if (i >= 256)
        return (size_t)snprintf(out, 32, "%s", pairs[i - 256]);
    /* Printable bytes spell themselves, the others are moved to U+0100 and above in their order. */
    uint32_t moved = 0x100;
    for (uint32_t b = 0; b < 256; b++) {
        const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        const uint32_t c = plain ? b : moved++;
        if (b != i)
            continue;
        if (c < 0x80)
            return (size_t)snprintf(out, 32, "%c", (int)c);
        return (size_t)snprintf(out, 32, "%c%c", (int)(0xC0 | c >> 6), (int)(0x80 | (c & 63)));
    }
    return 0;
}

static ig_status put_tokenizer(synth *s, ig_err *err) {
    const shape *h = s->shape;
    static const ig_str merges[] = {{"h e", 3}, {"i n", 3}, {"\u0120 t", 4}};
    ig_arena arena;
    ig_arena_init(&arena, 256u << 20);
    ig_str *tokens;
    int32_t *types;
    ig_status status = ig_arena_new(&arena, h->vocab, sizeof *tokens, &tokens, err);
    if (!status)
        status = ig_arena_new(&arena, h->vocab, sizeof *types, &types, err);
    for (uint32_t i = 0; !status && i < h->vocab; i++) {
        char text[32];
        status = ig_arena_str(&arena, (ig_str){text, spell_token(h, i, text)}, &tokens[i], err);
        types[i] = i == h->bos || i == h->eos ? 3 : 1; /* control, normal */
    }
    if (!status) {
        ig_gguf_put_str(s->writer, "tokenizer.ggml.model", IG_STR("gpt2"));
        ig_gguf_put_str(s->writer, "tokenizer.ggml.pre", ig_str_of(h->pre));
        ig_gguf_put_strings(s->writer, "tokenizer.ggml.tokens", tokens, h->vocab);
        ig_gguf_put_array(s->writer, "tokenizer.ggml.token_type", IG_META_I32, types, h->vocab);
        ig_gguf_put_strings(s->writer, "tokenizer.ggml.merges", merges, IG_COUNT(merges));
        ig_gguf_put_u32(s->writer, "tokenizer.ggml.bos_token_id", h->bos);
        ig_gguf_put_u32(s->writer, "tokenizer.ggml.eos_token_id", h->eos);
    }
    ig_arena_fini(&arena);
    return status;
}

static void put_shape(synth *s, const char *type) {
    const shape *h = s->shape;
    char text[96];
    snprintf(text, sizeof text, "random %s %s", h->name, type);
    ig_gguf_put_str(s->writer, "general.architecture", ig_str_of(h->arch));
    ig_gguf_put_str(s->writer, "general.name", ig_str_of(text));
    ig_gguf_put_u32(s->writer, "general.file_type", s->mixture ? 15 : s->recipe->file_type);
    ig_gguf_put_u32(s->writer, "general.quantization_version", 2);
    const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {
        {"vocab_size", h->vocab},
        {"context_length", h->context},
        {"embedding_length", h->width},
        {"block_count", h->layers},
        {"feed_forward_length", h->ffn},
        {"rope.dimension_count", h->head_width},
        {"attention.head_count", h->heads},
        {"attention.head_count_kv", h->kv_heads},
        {"attention.key_length", h->head_width},
        {"attention.value_length", h->head_width},
    };
    for (size_t i = 0; i < IG_COUNT(numbers); i++) {
        snprintf(text, sizeof text, "%s.%s", h->arch, numbers[i].key);
        ig_gguf_put_u32(s->writer, text, numbers[i].value);
    }
    snprintf(text, sizeof text, "%s.rope.freq_base", h->arch);
    ig_gguf_put_f32(s->writer, text, h->rope_base);
    snprintf(text, sizeof text, "%s.attention.layer_norm_rms_epsilon", h->arch);
    ig_gguf_put_f32(s->writer, text, h->epsilon);
}

static ig_status write_model(synth *s, const char *type, const char *path, ig_err *err) {
    s->units = ig_alloc(UNITS, UNIT * sizeof(float));
    s->chunk = ig_alloc(CHUNK_UNITS, UNIT * sizeof(float));
    ig_status status = s->units && s->chunk ? ig_gguf_writer_open(&s->writer, path, 0, err)
                                            : ig_fail_memory(err, UNITS * UNIT * sizeof(float));
    if (!status) {
        put_shape(s, type);
        status = put_tokenizer(s, err);
    }
    if (!status)
        status = tensors(s, err);
    s->writing = true;
    if (!status)
        status = tensors(s, err);
    const ig_status closed = ig_gguf_writer_close(&s->writer, !status, status ? NULL : err);
    ig_free(s->units);
    ig_free(s->chunk);
    return status ? status : closed;
}

static int usage(void) {
    fprintf(stderr, "usage: ingot-synth SHAPE TYPE OUT [SEED]\n  SHAPE:");
    for (size_t i = 0; i < IG_COUNT(SHAPES); i++)
        fprintf(stderr, " %s", SHAPES[i].name);
    fprintf(stderr, "\n  TYPE: Q4_K_M");
    for (size_t i = 0; i < IG_COUNT(RECIPES); i++)
        fprintf(stderr, " %s", ig_dtype_info(RECIPES[i].dtype)->name);
    fprintf(stderr, "\nexample: ingot-synth llama-1b Q4_K_M model.gguf\n");
    return 2;
}

int main(int argc, char **argv) {
    synth s = {.random = argc > 4 ? strtoull(argv[4], NULL, 10) : 1};
    if (argc < 4 || argc > 5)
        return usage();
    for (size_t i = 0; i < IG_COUNT(SHAPES); i++) {
        if (strcmp(SHAPES[i].name, argv[1]) == 0)
            s.shape = &SHAPES[i];
    }
    s.mixture = strcmp(argv[2], "Q4_K_M") == 0;
    s.recipe = recipe_of(s.mixture ? IG_DTYPE_Q4_K : ig_dtype_from_name(ig_str_of(argv[2])));
    if (!s.shape || !s.recipe)
        return usage();
    ig_err err = {0};
    if (write_model(&s, argv[2], argv[3], &err)) {
        fprintf(stderr, "ingot-synth: %s\n", err.message);
        return 1;
    }
    return 0;
}
