/*
 * An image that turns on what stands under it in a virtual machine. What it tries stands in
 * test/vm/attempts; ../attack.h has the words, to which this one adds
 *
 *	gate CALL A B	a call of the stub, where there is one; it prints what was returned
 *	busy		says so, and never waits again: under Kiln's monitor
 */
#include <kiln/appliance.h>

KILN_PARAM_STRING(attack, "none", "what to try");

#include "../attack.h"

/* The image's gate to its stub. */
uint64_t vm_gate(uint64_t call, uint64_t a, uint64_t b);
/* From the linker's script: the stub's own pages. */
extern uint8_t stub_text_start[], stub_data_start[], pvh_start[];

static bool own_place(struct attack *a, struct slice name, uint64_t *value)
{
	const struct kiln_boot *boot = a->kiln->boot;
	const struct {
		struct slice name;
		uint64_t value;
	} places[] = {
	    {SLICE("gate"), (uintptr_t)vm_gate},
	    {SLICE("stub"), (uintptr_t)stub_text_start},
	    {SLICE("stubdata"), (uintptr_t)stub_data_start},
	    {SLICE("pvh"), (uintptr_t)pvh_start},
	    /* Under Kiln's monitor the devices' follow, a page each, and then the tables. */
	    {SLICE("control"), boot->control},
	    {SLICE("registers"), boot->devices[0].registers & ~(uint64_t)4095},
	    {SLICE("devices"), boot->device_count * (uint64_t)4096},
	    {SLICE("offset"), boot->physical_offset},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (slice_equal(name, places[i].name)) {
			*value = places[i].value;
			return true;
		}
	}
	return false;
}

static _Noreturn void print_busy(struct attack *a)
{
	volatile uint64_t *control =
	    (volatile uint64_t *)(uintptr_t)a->kiln->boot->control;

	kiln_print(a->kiln, SLICE("busy\n"));
	control[KILN_CONTROL_WAIT / 8] = 0; /* prints it */
	for (;;)
		__asm__ volatile("");
}

static bool try_own(struct attack *a, struct slice verb)
{
	uint64_t call, first, second;

	if (slice_equal(verb, SLICE("busy")))
		print_busy(a);
	if (!slice_equal(verb, SLICE("gate")))
		return false;
	call = next_value(a);
	first = next_value(a);
	second = next_value(a);
	kiln_printf(a->kiln, "returned %lld\n", (long long)vm_gate(call, first, second));
	return true;
}

int appliance(struct kiln *k)
{
	return attack_main(k, try_own);
}
