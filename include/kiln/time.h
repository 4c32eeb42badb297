/*
 * Time. One unit everywhere: nanoseconds in a uint64_t.
 *
 * A kiln_time is either an instant on the target's monotonic clock, whose zero is
 * arbitrary, or a duration; a name that ends in _at or says deadline is an instant.
 * KILN_NEVER as a deadline never comes.
 */
#ifndef KILN_TIME_H
#define KILN_TIME_H

#include <stdint.h>

typedef uint64_t kiln_time;

#define KILN_NEVER      UINT64_MAX
#define KILN_US(n)      ((kiln_time)(n)*1000u)
#define KILN_MS(n)      ((kiln_time)(n)*1000000u)
#define KILN_SECONDS(n) ((kiln_time)(n)*1000000000u)

#endif
