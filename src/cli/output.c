/* output.c: what commands print: errors, progress, JSON strings; and reading
 * files they are given. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool cli_color(FILE *f) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(no && *no) && isatty(fileno(f)) && !(term && strcmp(term, "dumb") == 0);
}

bool cli_is_terminal(FILE *f) {
    return isatty(fileno(f));
}

int cli_fail(const char *format, ...) {
    bool color = cli_color(stderr);
    va_list args;
    va_start(args, format);
    fprintf(stderr, "%singot:%s ", color ? "\033[31m" : "", color ? "\033[0m" : "");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return EXIT_FAILED;
}

int cli_fail_error(const ingot_error *error) {
    return cli_fail("%s", error->message[0] ? error->message : ingot_status_name(error->code));
}

void cli_progress(void *user, double share) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double *started = user, t = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    if (*started == 0)
        *started = t;
    if (t - *started < 1.0 || !isatty(fileno(stderr)))
        return;
    int done = (int)(share * 40);
    if (share >= 1)
        fprintf(stderr, "\r%*s\r", 60, "");
    else
        fprintf(stderr, "\rloading [%.*s%*s] %3d%%", done,
                "########################################", 40 - done, "", (int)(share * 100));
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
        cli_fail("%s: %s", path, strerror(errno));
        return false;
    }
    bool ok = true;
    /* Not past an end that was seen: a terminal would have to be told twice. */
    for (size_t n; ok && !feof(f) && (n = fread(block, 1, sizeof block, f)) > 0;)
        ok = ig_buf_add(out, block, n, &err) == IG_OK;
    if (!ok)
        cli_fail("%s: %s", path, err.message);
    else if (ferror(f))
        cli_fail("%s: %s", path, strerror(errno));
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
            } else if (strchr("ntr\\\"'", next)) {
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

bool cli_write(const char *p, size_t n) {
    if (fwrite(p, 1, n, stdout) == n && fflush(stdout) == 0)
        return true;
    cli_fail("cannot write to standard output: %s", strerror(errno));
    return false;
}

/* Control characters but for tab and newline: C0, DEL and C1 (U+0080 to U+009F). Returns
 * their length, 0 = none. */
static size_t control_at(const char *p, size_t n) {
    unsigned char c = (unsigned char)p[0];
    if (c == 0xC2 && n > 1 && (unsigned char)p[1] >= 0x80 && (unsigned char)p[1] < 0xA0)
        return 2;
    return (c < 0x20 && c != '\n' && c != '\t') || c == 0x7F ? 1 : 0;
}

bool cli_put_visible(const char *p, size_t n) {
    bool terminal = isatty(STDOUT_FILENO), ok = true;
    size_t start = 0;
    for (size_t i = 0; ok && terminal && i < n;) {
        size_t skip = control_at(p + i, n - i);
        if (skip)
            ok = fwrite(p + start, 1, i - start, stdout) == i - start &&
                 fputs("\uFFFD", stdout) >= 0;
        i += skip ? skip : 1;
        start = skip ? i : start;
    }
    return ok && fwrite(p + start, 1, n - start, stdout) == n - start && fflush(stdout) == 0;
}

void cli_put_json_string(FILE *f, const char *p, size_t n) {
    fputc('"', f);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 0x20)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}
