/*
 * The seal, as far as an image's file shows it: no segment writable and executable, only
 * relative relocations, no executable stack, and no system call or privileged instruction
 * outside the target's own few.
 */
#ifndef TOOL_SEAL_H
#define TOOL_SEAL_H

#include "../monitor/image.h"
#include "sections.h"
#include "tool.h"

/* Adds a sentence for each way in which the image breaks the seal. `debug` has the
 * symbols of the image; empty if there are none. */
void seal_check(struct words *broken, const struct image *image,
                const struct sections *sections, const struct sections *debug);

#endif
