/*
 * The image's parameters, as given at start and at build.
 */
#ifndef CORE_PARAM_H
#define CORE_PARAM_H

struct kiln;

/* Checks every start option against the declarations and sets the appliance's variables;
 * ends the image with a message on an unknown name or a wrong value. */
void param_apply(struct kiln *k);

#endif
