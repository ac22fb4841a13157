/* fuzz_gguf.c: any bytes as a GGUF file: never a crash, and what opens is readable to its last
 * byte. The first byte chooses whether data may be missing. */
#include "formats/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint64_t sink;

static void read_meta(const ig_meta *m) {
    uint64_t sum = 0, u;
    double d;
    ig_str s;
    for (uint64_t i = 0; i < m->count; i++) {
        if (ig_meta_u64(m, i, &u))
            sum += u;
        if (ig_meta_f64(m, i, &d))
            sum += d > 0;
        if (ig_meta_str(m, i, &s) && s.n)
            sum += (uint8_t)s.p[0] + (uint8_t)s.p[s.n - 1];
    }
    sink += sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    ig_checkpoint *ckpt;
    const ig_checkpoint_options options = {.header_only = data[0] & 1};
    if (ig_checkpoint_open_memory(&ckpt, data + 1, size - 1, "fuzz", &options, NULL))
        return 0;
    for (size_t i = 0; i < ig_checkpoint_meta_count(ckpt); i++) {
        const ig_meta *m = ig_checkpoint_meta_at(ckpt, i);
        if (ig_checkpoint_meta(ckpt, m->key) != m)
            __builtin_trap();
        read_meta(m);
    }
    for (size_t i = 0; i < ig_checkpoint_tensor_count(ckpt); i++) {
        const ig_tensor *t = ig_checkpoint_tensor_at(ckpt, i);
        if (ig_checkpoint_tensor(ckpt, t->name) != t || (!t->data && !options.header_only))
            __builtin_trap();
        if (t->data)
            sink += t->data[0] + t->data[t->bytes - 1];
    }
    ig_checkpoint_close(&ckpt);
    return 0;
}
