/* golden_make.c: writes the models of a text as GGUF files, for whoever computes reference logits.
 *
 *     golden_make MODELS.txt FOLDER [NAME…]
 */
#include <stdio.h>
#include <string.h>

#include "golden_model.h"

int main(int argc, char **argv) {
    golden_set set;
    if (argc < 3) {
        fputs("usage: golden_make MODELS.txt FOLDER [NAME...]\n", stderr);
        return 2;
    }
    bool ok = golden_read(&set, argv[1]);
    for (uint32_t i = 0; ok && i < set.n_models; i++) {
        bool wanted = argc == 3;
        for (int a = 3; a < argc; a++)
            wanted = wanted || strcmp(argv[a], set.models[i].name) == 0;
        char path[1024];
        snprintf(path, sizeof path, "%s/%s.gguf", argv[2], set.models[i].name);
        ok = !wanted || golden_write(&set.models[i], path);
    }
    golden_free(&set);
    return !ok;
}
