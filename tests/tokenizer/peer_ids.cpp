// peer_ids.cpp: asks libllama for ids and texts; not part of the build. Compile against a build of llama.cpp:
//   g++ -O2 -I LLAMA/include -I LLAMA/ggml/include peer_ids.cpp -o peer_ids -L BIN -lllama -lggml -lggml-base -Wl,-rpath,BIN
// Usage: peer_ids vocab.gguf strings.bin out.bin [pre]. strings.bin: u32 count, then u32 length and bytes each.
// out.bin: for each string twice (all special tokens added and parsed; none): u32 count, ids, u32 length, text.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "llama.h"

static std::string slurp(const char *path) {
    std::string s;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    char buf[1 << 16];
    for (size_t n; (n = fread(buf, 1, sizeof buf, f)) > 0;)
        s.append(buf, n);
    fclose(f);
    return s;
}

int main(int argc, char **argv) {
    if (argc < 4)
        return 2;
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    auto params = llama_model_default_params();
    params.vocab_only = true;
    llama_model_kv_override overrides[2] = {};
    if (argc > 4) {
        overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_STR;
        strcpy(overrides[0].key, "tokenizer.ggml.pre");
        strncpy(overrides[0].val_str, argv[4], sizeof overrides[0].val_str - 1);
        params.kv_overrides = overrides;
    }
    llama_model *model = llama_model_load_from_file(argv[1], params);
    if (!model)
        return 1;
    const llama_vocab *vocab = llama_model_get_vocab(model);
    std::string in = slurp(argv[2]);
    size_t at = 0;
    auto u32 = [&] {
        uint32_t v;
        memcpy(&v, &in[at], 4);
        at += 4;
        return v;
    };
    FILE *out = fopen(argv[3], "wb");
    for (uint32_t n = u32(); n > 0; n--) {
        uint32_t bytes = u32();
        const char *text = in.data() + at;
        at += bytes;
        for (bool special : {true, false}) {
            std::vector<llama_token> ids(2 * bytes + 16);
            uint32_t k = llama_tokenize(vocab, text, bytes, ids.data(), ids.size(), special, special);
            std::string back(bytes * 16 + 256, 0);
            uint32_t m = llama_detokenize(vocab, ids.data(), k, &back[0], back.size(), false, special);
            fwrite(&k, 4, 1, out);
            fwrite(ids.data(), 4, k, out);
            fwrite(&m, 4, 1, out);
            fwrite(back.data(), 1, m, out);
        }
    }
    fclose(out);
    return 0;
}
