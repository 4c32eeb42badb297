/*
 * What the proofs have in common. A proof is a program whose main is analysed by Frama-C's Eva
 * for all its inputs at once, and never run; test/proving.py says how.
 */
#ifndef PROOF_H
#define PROOF_H

#include <kiln/slice.h>
#include "__fc_builtin.h"

/* Any bytes. */
#define PROOF_UNKNOWN(object) Frama_C_make_unknown((char *)&(object), sizeof(object))

#endif
