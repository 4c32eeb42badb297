/*
 * What a run comes to: for people, for programs, and beside what was expected of it.
 */
#ifndef SCENARIO_REPORT_H
#define SCENARIO_REPORT_H

#include "play.h"

/* `real` is how long it took, in ns of this machine's time. */
void report_print(struct play *play, kiln_time real);
void report_json(struct play *play, kiln_time real);

/* Says which expectations were not met, and which hosts did not end well, on stderr.
 * Whether all is as it should be. */
bool report_check(struct play *play);

#endif
