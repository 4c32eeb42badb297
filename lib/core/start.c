/*
 * The usual entry point. A file of its own: programs that run other entry points (`sim` with
 * several kinds of node, unit tests) have no appliance() to link.
 */
#include <kiln/target.h>

int kiln_start(struct kiln *k)
{
	return kiln_start_with(k, appliance);
}
