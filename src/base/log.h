/* log.h: logging as a callback and a level given at open; NULL is a valid logger that says nothing.
 * One event a line, key=value, no allocation. Levels are by frequency: error, warn, info
 * (once per object), debug (per request), trace (per step). */
#ifndef IG_BASE_LOG_H
#define IG_BASE_LOG_H

#include "base/compiler.h"

typedef enum ig_log_level {
    IG_LOG_NONE,
    IG_LOG_ERROR,
    IG_LOG_WARN,
    IG_LOG_INFO,
    IG_LOG_DEBUG,
    IG_LOG_TRACE
} ig_log_level;

/* `write` may be called from any thread; the line has no newline and lives only during the call. */
typedef struct ig_logger {
    ig_log_level level;
    void (*write)(void *user, ig_log_level level, const char *line);
    void *user;
} ig_logger;

void ig_log(const ig_logger *logger, ig_log_level level, const char *format, ...) IG_PRINTF(3, 4);

#endif
