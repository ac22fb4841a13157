/* output.c: what commands print: errors, progress, JSON strings; and reading
 * files they are given. */
#include "cli/cli.h"

#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 4096 /* of what is said to a person at once */

bool cli_color(FILE *f) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && isatty(fileno(f)) && !(term && strcmp(term, "dumb") == 0);
}

bool cli_is_terminal(FILE *f) {
    return isatty(fileno(f));
}

IG_PRINTF(1, 0)
static void print_error(const char *format, va_list args) {
    bool color = cli_color(stderr);
    char line[LINE_BYTES_MAX];
    vsnprintf(line, sizeof line, format, args);
    fprintf(stderr, "%singot:%s ", color ? "\033[31m" : "", color ? "\033[0m" : "");
    cli_put_visible(stderr, line, strlen(line));
    fputc('\n', stderr);
}

int cli_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_error(format, args);
    va_end(args);
    return EXIT_FAILED;
}

int cli_usage(const char *format, ...) {
    va_list args;
    va_start(args, format);
    print_error(format, args);
    va_end(args);
    return EXIT_USAGE;
}

int cli_fail_error(const ingot_error *error) {
    return cli_fail("%s", error->message[0] ? error->message : ingot_status_name(error->code));
}

void cli_progress(void *user, double share) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    cli_bar *bar = user;
    double t = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    int done = (int)(share * 40);
    if (bar->started == 0)
        bar->started = t;
    if (share >= 1) {
        if (bar->shown)
            fprintf(stderr, "\r%*s\r", 60, "");
        bar->shown = false;
    } else if (t - bar->started >= 1.0 && isatty(fileno(stderr))) {
        fprintf(stderr, "\r%s [%.*s%*s] %3d%%", bar->what, done,
                "########################################", 40 - done, "", (int)(share * 100));
        bar->shown = true;
    }
}

bool cli_may_replace(const char *path, const char *const *inputs, size_t n) {
    struct stat out, in;
    char head[4] = "";
    if (stat(path, &out) != 0 || !S_ISREG(out.st_mode))
        return true; /* what is wrong with it shows when it is written */
    for (size_t i = 0; i < n; i++) {
        if (inputs[i] && stat(inputs[i], &in) == 0 && in.st_dev == out.st_dev &&
            in.st_ino == out.st_ino) {
            cli_fail("%s would be replaced, and it is read; write to another file", path);
            return false;
        }
    }
    FILE *f = fopen(path, "rb");
    bool model = f && fread(head, sizeof head, 1, f) == 1 && memcmp(head, "GGUF", 4) == 0;
    if (f)
        fclose(f);
    if (model)
        cli_fail("%s is a model and would be replaced; write to another file, or remove it", path);
    return !model;
}

bool cli_read_file(const char *path, ig_buf *out) {
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    char block[65536];
    ig_err err = {0};
    if (!f) {
        cli_fail("cannot open %s: %s; check the path", path, strerror(errno));
        return false;
    }
    bool ok = true;
    /* Not past an end that was seen: a terminal would have to be told twice. */
    for (size_t n; ok && !feof(f) && (n = fread(block, 1, sizeof block, f)) > 0;)
        ok = ig_buf_add(out, block, n, &err) == IG_OK;
    if (!ok)
        cli_fail("%s: %s", path, err.message);
    else if (ferror(f))
        cli_fail("cannot read %s: %s", path, strerror(errno));
    ok = ok && !ferror(f);
    if (f != stdin)
        fclose(f);
    return ok;
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

size_t cli_unescape(char *text, size_t n) {
    size_t out = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '\\' && i + 1 < n) {
            char next = text[++i];
            if (next == 'x' && i + 2 < n && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
                c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
                i += 2;
            } else if (next && strchr("ntr\\\"'", next)) {
                c = next == 'n' ? '\n' : next == 't' ? '\t' : next == 'r' ? '\r' : next;
            } else {
                text[out++] = c;
                c = next;
            }
        }
        text[out++] = c;
    }
    return out;
}

/* Control characters but for tab and newline: C0, DEL and C1 (U+0080 to U+009F), which some
 * terminals also take as single bytes. Returns their length, 0 = none; *skip gets that of any
 * character. */
static size_t control_at(const char *p, size_t n, size_t *skip) {
    unsigned char c = (unsigned char)p[0];
    *skip = 1;
    while (c >= 0xC0 && *skip < n && ((unsigned char)p[*skip] & 0xC0) == 0x80)
        ++*skip;
    if (c == 0xC2 && *skip > 1 && (unsigned char)p[1] < 0xA0)
        return 2;
    return (c < 0x20 && c != '\n' && c != '\t') || (c >= 0x7F && c < 0xA0) ? 1 : 0;
}

bool cli_put_visible(FILE *f, const char *p, size_t n) {
    bool terminal = isatty(fileno(f)), ok = true;
    size_t start = 0;
    for (size_t i = 0, skip; ok && terminal && i < n; i += skip) {
        size_t control = control_at(p + i, n - i, &skip);
        if (!control)
            continue;
        ok = fwrite(p + start, 1, i - start, f) == i - start && fputs("\uFFFD", f) >= 0;
        skip = control;
        start = i + control;
    }
    ok = ok && fwrite(p + start, 1, n - start, f) == n - start;
    return ok && (f != stdout || fflush(f) == 0);
}

bool cli_write(const char *p, size_t n) {
    if (cli_put_visible(stdout, p, n))
        return true;
    cli_fail("cannot write to standard output: %s", strerror(errno));
    return false;
}

bool cli_print_visible(FILE *f, const char *format, ...) {
    char line[LINE_BYTES_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    return cli_put_visible(f, line, strlen(line));
}

void cli_put_json_number(FILE *f, double d) {
    char text[IG_JSON_NUM_BYTES];
    ig_json_format_num(d, text);
    size_t n = strlen(text);
    if (n > 2 && strcmp(text + n - 2, ".0") == 0)
        text[n - 2] = '\0';
    fputs(isfinite(d) ? text : "null", f);
}

void cli_put_json_string(FILE *f, const char *p, size_t n) {
    fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20 || c == 0x7F)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}
