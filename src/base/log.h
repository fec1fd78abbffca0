/* log.h - one event per line on stderr, as text or JSON.
 *
 * Text of prompts and answers is never logged at info or above.
 * Threads: any; each call writes one line with one write(2).
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

#include "base/attr.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

void log_setup(enum log_level max, bool as_json);
bool log_enabled(enum log_level level);
void log_event(enum log_level level, const char *part, const char *fmt, ...) printf_like(3, 4);

#define log_error(part, ...) log_event(LOG_ERROR, part, __VA_ARGS__)
#define log_warn(part, ...)  log_event(LOG_WARN, part, __VA_ARGS__)
#define log_info(part, ...)  log_event(LOG_INFO, part, __VA_ARGS__)
#define log_debug(part, ...) log_event(LOG_DEBUG, part, __VA_ARGS__)
#define log_trace(part, ...) log_event(LOG_TRACE, part, __VA_ARGS__)

#endif
