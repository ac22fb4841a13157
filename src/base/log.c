/* log.c: formats one line on the stack and hands it to the callback. Any thread. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>

void ig_log(const ig_logger *logger, ig_log_level level, const char *format, ...) {
    if (!logger || !logger->write || level > logger->level)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    logger->write(logger->user, level, line);
}
