/* make_tiny.c: make_tiny FOLDER writes the model files that cli_cases.py uses. */
#include "engine/tiny_gguf.h"

#include <stdio.h>

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        tiny_gguf_options options;
    } files[] = {
        {"tiny.gguf", {0}},
        {"bos.gguf", {.add_bos = true, .dtype = IG_DTYPE_F16}},
        {"q8.gguf", {.dtype = IG_DTYPE_Q8_0, .no_template = true}},
        {"vocab.gguf", {.no_tensors = true, .add_bos = true}},
        {"broken.gguf", {.broken_template = true}},
        {"nasty.gguf",
         {.name = "evil\033]0;owned\a\xC2\x9B"
                  "31m\xFF",
          .long_key = true}},
    };
    for (size_t i = 0; argc > 1 && i < IG_COUNT(files); i++) {
        char path[4096];
        ig_err err = {0};
        snprintf(path, sizeof path, "%s/%s", argv[1], files[i].name);
        if (tiny_gguf_write(path, &files[i].options, &err)) {
            fprintf(stderr, "make_tiny: %s\n", err.message);
            return 1;
        }
    }
    return argc > 1 ? 0 : 2;
}
