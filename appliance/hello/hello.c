/*
 * The smallest appliance: no device, no network, a few lines on the console.
 *
 *	kiln run appliance/hello
 *
 * An appliance is one function. It is called when the image has started, and what it
 * returns is the image's exit status.
 */
#include <kiln/appliance.h>

KILN_PARAM_STRING(name, "Kiln", "whom to greet from");

int appliance(struct kiln *k)
{
	kiln_time up = kiln_now(k) - k->started_at;

	kiln_printf(k, "Hello from %s: up for %u us, %zu KiB of memory left\n", name,
	            (unsigned)(up / KILN_US(1)), arena_left(&k->arena) / 1024);
	return 0;
}
