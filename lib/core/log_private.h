/*
 * The log with its arguments already gathered: shared by kiln_log and kiln_fail.
 */
#ifndef CORE_LOG_PRIVATE_H
#define CORE_LOG_PRIVATE_H

#include <stdarg.h>
#include <kiln/log.h>

void kiln_vlog(struct kiln *k, enum log_level level, const char *library,
               const char *format, va_list args) __attribute__((format(printf, 4, 0)));

#endif
