/* fuzz_template.c: any template over fixed variables. What compiles renders or fails with a
 * message; twice the same. */
#include <stdlib.h>

#include "template/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char MESSAGES[] = "[{\"role\": \"system\", \"content\": \"Be \\u00e9\"}, {\"role\": "
                               "\"user\", \"content\": [{\"type\": \"text\", \"text\": \"a b\"}]},"
                               "{\"role\": \"assistant\", \"content\": null, \"tool_calls\": "
                               "[{\"name\": \"f\", \"arguments\": {\"a\": [1, 2.5, true]}}]}]";
static const char VARIABLES[] = "{\"s\": \"Hello, World\", \"u\": \"a\\u00e9\\u2603z\", \"n\": 7, "
                                "\"f\": 2.5, \"t\": true, \"nil\": null, \"xs\": [3, 1, 2],"
                                "\"words\": [\"b\", \"A\"], \"d\": {\"b\": 1, \"a\": 2}, \"rows\": "
                                "[{\"k\": \"x\", \"v\": 1}, {\"k\": \"y\", \"v\": 2}]}";

static ig_status run(ig_str source, const ig_template_input *input, ig_buf *out, ig_err *err) {
    ig_template *tmpl;
    ig_status status = ig_template_create(&tmpl, source, err);
    if (!status)
        status = ig_template_render(tmpl, input, out, NULL, err);
    ig_template_destroy(&tmpl);
    if (status && err->message[0] == '\0' && err->code != IG_EARGUMENT)
        abort();
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ig_json_doc *messages, *variables;
    ig_buf first, second;
    ig_err err = {0};
    if (ig_json_open(&messages, ig_str_of(MESSAGES), &err) ||
        ig_json_open(&variables, ig_str_of(VARIABLES), &err))
        abort();
    const ig_template_input input = {.messages = ig_json_root(messages),
                                     .extra = ig_json_root(variables),
                                     .bos_token = {"<s>", 3},
                                     .add_generation_prompt = true,
                                     .now_s = 1721995530};
    const ig_str source = {(const char *)data, size};
    ig_buf_init(&first, IG_TEMPLATE_OUTPUT_MAX);
    ig_buf_init(&second, IG_TEMPLATE_OUTPUT_MAX);
    if (run(source, &input, &first, &err) == IG_OK &&
        (run(source, &input, &second, &err) || !ig_str_eq(ig_buf_str(&first), ig_buf_str(&second))))
        abort();
    ig_buf_fini(&first);
    ig_buf_fini(&second);
    ig_json_close(&messages);
    ig_json_close(&variables);
    return 0;
}
