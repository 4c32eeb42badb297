/*
 * The log: one line an event, to the console, with the time since start, level and
 * library: "[   0.001234] info net: net0 up, 10.0.0.2/24". Lines longer than 240 bytes
 * are cut. Nothing a peer sends is logged above debug level: a log is not a way to flood.
 */
#ifndef KILN_LOG_H
#define KILN_LOG_H

struct kiln;

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* `library` and `format` are literals; see writer_format for what the format takes. */
void kiln_log(struct kiln *k, enum log_level level, const char *library,
	      const char *format, ...) __attribute__((format(printf, 4, 5)));

#define log_error(k, library, ...) kiln_log(k, LOG_ERROR, library, __VA_ARGS__)
#define log_warn(k, library, ...)  kiln_log(k, LOG_WARN, library, __VA_ARGS__)
#define log_info(k, library, ...)  kiln_log(k, LOG_INFO, library, __VA_ARGS__)
#define log_debug(k, library, ...) kiln_log(k, LOG_DEBUG, library, __VA_ARGS__)

#endif
