/* consumer.c: a stranger's program over the installed library: version, and ids of a text
 * with a tiny vocabulary. */
#include <ingot/ingot.h>
#include <stdio.h>

int main(int argc, char **argv) {
    ingot_model *model = NULL;
    ingot_error error = {0};
    int32_t *ids = NULL;
    size_t n = 0;
    if (argc != 2 ||
        ingot_model_open(&model, argv[1], &(ingot_model_options){.vocab_only = true}, &error) ||
        ingot_tokenize(model, "hello world", 11, INGOT_ADD_SPECIAL, &ids, &n, &error)) {
        fprintf(stderr, "consumer: %s\n", error.message);
        return 1;
    }
    printf("%s:", ingot_version());
    for (size_t i = 0; i < n; i++)
        printf(" %d", ids[i]);
    printf("\n");
    ingot_ids_free(&ids);
    ingot_model_close(&model);
    return 0;
}
