/*
 * The worlds an appliance can be linked for.
 */
#include <string.h>
#include <kiln/abi/manifest.h>
#include "tool.h"

static const struct target targets[] = {
    {"host", KILN_TARGET_HOST, "hosted", false,
     "a program on this machine's own sockets"},
    {"sim", KILN_TARGET_SIM, "hosted", false,
     "a program that simulates the appliance, its network and its clock"},
    {"jail", KILN_TARGET_JAIL, "image", true, "a sealed image, run as a jailed process"},
    {"vm", KILN_TARGET_VM, "image", true, "a sealed image, run on a hypervisor"},
};

const struct target *target_at(unsigned index)
{
	return index < sizeof(targets) / sizeof(targets[0]) ? &targets[index] : NULL;
}

const struct target *target_find(const char *name)
{
	const struct target *target;

	for (unsigned i = 0; (target = target_at(i)); i++)
		if (strcmp(target->name, name) == 0)
			return target;
	return NULL;
}

const struct target *target_by_id(uint32_t id)
{
	const struct target *target;

	for (unsigned i = 0; (target = target_at(i)); i++)
		if (target->id == id)
			return target;
	return NULL;
}

void target_unknown(const char *name)
{
	fail_usage("there is no target '%s': choose one of host, sim, jail, vm", name);
}
