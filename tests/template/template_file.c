/* template_file.c: test_template_file TEMPLATE CASES.json — renders the template once per case and
 * writes one JSON array of results, {"text": …} or {"error": …, "raised": bool}. A case is an
 * object with messages, tools, documents, extra, bos, eos, generation, now. */
#include <stdio.h>

#include "template/template.h"

static ig_status read_file(const char *path, ig_buf *out, ig_err *err) {
    char block[1 << 16];
    FILE *f = fopen(path, "rb");
    if (!f)
        return ig_fail(err, IG_EIO, "cannot open %s", path);
    ig_status status = IG_OK;
    for (size_t n; !status && (n = fread(block, 1, sizeof block, f)) > 0;)
        status = ig_buf_add(out, block, n, err);
    fclose(f);
    return status;
}

static ig_str text_or_absent(const ig_json *v) {
    return ig_json_is(v, IG_JSON_STRING) ? ig_json_str(v) : (ig_str){0};
}

static const ig_json *array_or_null(const ig_json *v) {
    return ig_json_is(v, IG_JSON_ARRAY) ? v : NULL;
}

static void render_case(const ig_template *tmpl, const ig_json *one, ig_json_writer *w) {
    const ig_template_input input = {
        .messages = ig_json_get(one, "messages"),
        .tools = array_or_null(ig_json_get(one, "tools")),
        .documents = array_or_null(ig_json_get(one, "documents")),
        .extra = ig_json_get(one, "extra"),
        .bos_token = text_or_absent(ig_json_get(one, "bos")),
        .eos_token = text_or_absent(ig_json_get(one, "eos")),
        .add_generation_prompt = ig_json_bool(ig_json_get(one, "generation"), false),
        .has_now = ig_json_get(one, "now") != NULL,
        .now_s = ig_json_int(ig_json_get(one, "now"), 0),
    };
    ig_buf out;
    ig_err err = {0};
    bool raised = false;
    ig_buf_init(&out, IG_TEMPLATE_OUTPUT_MAX);
    ig_json_open_object(w);
    if (ig_template_render(tmpl, &input, &out, &raised, &err)) {
        ig_json_key(w, "error");
        ig_json_put_str(w, raised ? ig_buf_str(&out) : ig_str_of(err.message));
        ig_json_key(w, "raised");
        ig_json_put_bool(w, raised);
    } else {
        ig_json_key(w, "text");
        ig_json_put_str(w, ig_buf_str(&out));
    }
    ig_json_close_object(w);
    ig_buf_fini(&out);
}

int main(int argc, char **argv) {
    ig_buf source, cases, results;
    ig_err err = {0};
    ig_json_doc *doc = NULL;
    ig_template *tmpl = NULL;
    ig_json_writer w;
    if (argc != 3) {
        fprintf(stderr, "usage: %s TEMPLATE CASES.json\n", argv[0]);
        return 2;
    }
    ig_buf_init(&source, IG_TEMPLATE_BYTES_MAX);
    ig_buf_init(&cases, IG_CONFIG_BYTES_MAX);
    ig_buf_init(&results, (size_t)1 << 30);
    ig_status status = read_file(argv[1], &source, &err);
    status = status ? status : read_file(argv[2], &cases, &err);
    status = status ? status : ig_json_open(&doc, ig_buf_str(&cases), &err);
    status = status ? status : ig_template_create(&tmpl, ig_buf_str(&source), &err);
    if (!status) {
        const ig_json *root = ig_json_root(doc);
        ig_json_begin(&w, &results, false, &err);
        ig_json_open_array(&w);
        for (size_t i = 0; i < ig_json_count(root); i++)
            render_case(tmpl, ig_json_at(root, i), &w);
        ig_json_close_array(&w);
        status = ig_json_end(&w);
    }
    if (!status)
        fwrite(results.p, 1, results.n, stdout);
    else
        fprintf(stderr, "%s: %s\n", argv[1], err.message);
    ig_template_destroy(&tmpl);
    ig_json_close(&doc);
    ig_buf_fini(&source);
    ig_buf_fini(&cases);
    ig_buf_fini(&results);
    return status ? 1 : 0;
}
