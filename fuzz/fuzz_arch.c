/* fuzz_arch.c: any bytes as a model: open, and build its program. Keys and shapes are hostile. */
#include "arch/arch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ig_err err = {0};
    ig_checkpoint *ckpt = NULL;
    ig_program *program = NULL;
    const ig_checkpoint_options options = {.header_only = size % 2 != 0};
    if (ig_checkpoint_open_memory(&ckpt, data, size, "fuzz", &options, &err) == IG_OK) {
        if (ig_arch_build(&program, ckpt, NULL, &err) == IG_EINTERNAL)
            __builtin_trap(); /* a malformed op is our mistake, whatever the file says */
        ig_program_destroy(&program);
    }
    ig_checkpoint_close(&ckpt);
    return 0;
}
