/*
 * The log: a line is put together on the stack and handed to the console whole.
 */
#include <stdarg.h>
#include <kiln/bytes.h>
#include <kiln/target.h>
#include "log_private.h"

enum { LINE = 240 };

void kiln_vlog(struct kiln *k, enum log_level level, const char *library,
               const char *format, va_list args)
{
	static const char *const name[] = {"error", "warn", "info", "debug"};
	uint8_t line[LINE + 1];
	struct writer w = writer_of(line, LINE);
	kiln_time since;

	if (level > k->log_level)
		return;
	since = target_now(k) - k->started_at;
	writer_format(
	    &w, "[%5llu.%06llu] %s %s: ", (unsigned long long)(since / KILN_SECONDS(1)),
	    (unsigned long long)(since / 1000 % 1000000), name[level], library);
	writer_vformat(&w, format, args);
	if (w.failed) { /* does not fit: say so rather than nothing */
		w.failed = false;
		writer_text(&w, "(message too long) ");
		writer_text(&w, format);
	}
	w.start[w.at++] = '\n'; /* LINE leaves room for it */
	target_console(k, writer_done(&w));
}

void kiln_log(struct kiln *k, enum log_level level, const char *library,
              const char *format, ...)
{
	va_list args;

	va_start(args, format);
	kiln_vlog(k, level, library, format, args);
	va_end(args);
}
