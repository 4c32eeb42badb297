/*
 * Messages for people: errors that end the process, warnings, and the line of progress.
 * All go to stderr, so that what a subcommand prints can be piped.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "tool.h"

static bool progress_shown;

static void say(const char *kind, const char *format, va_list args)
{
	progress_end();
	fprintf(stderr, "kiln: %s", kind);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args);
	va_end(args);
	exit(1);
}

void fail_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args);
	va_end(args);
	exit(2);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("warning: ", format, args);
	va_end(args);
}

void progress(const char *format, ...)
{
	va_list args;

	if (!isatty(STDERR_FILENO))
		return;
	va_start(args, format);
	fputs("\r\033[K", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fflush(stderr);
	progress_shown = true;
}

void progress_end(void)
{
	if (progress_shown)
		fputs("\r\033[K", stderr);
	progress_shown = false;
}
