/*
 * See alone.h: what the manifest of this program asks for, made in the simulator.
 */
#include <stdio.h>
#include <string.h>
#include "../manifest.h"
#include "alone.h"

enum { DISK_SECTORS = 1 << 17 }; /* 64 MiB */

static bool is_fixed(const char *name)
{
	struct manifest_fixed fixed;

	for (unsigned i = 0; manifest_fixed(NULL, i, &fixed); i++)
		if (strcmp(fixed.name, name) == 0)
			return true;
	return false;
}

static bool takes_address(void)
{
	struct manifest_param param;

	for (unsigned i = 0; manifest_param(NULL, i, &param); i++)
		if (strcmp(param.name, "ip") == 0)
			return !is_fixed("ip");
	return false;
}

bool alone_address(char *text, size_t size)
{
	struct manifest_device device;
	size_t used = 0;
	unsigned nets = 0;

	if (!takes_address())
		return false;
	for (unsigned i = 0; manifest_device(NULL, i, &device) && used < size; i++) {
		if (device.type != KILN_DEVICE_NET)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s=10.0.0.%u/24",
		                         nets ? "," : "ip=", device.name, 2 + nets);
		nets++;
	}
	if (nets == 1)
		snprintf(text, size, "ip=10.0.0.2/24");
	return nets > 0;
}

struct sim_node *alone_node(struct sim *sim, struct sim_link *link, size_t memory,
                            const char *const *options, unsigned *nets)
{
	struct sim_node *node =
	    sim_node_new(sim, "appliance", memory, appliance, options);
	struct manifest_device device;

	*nets = 0;
	for (unsigned i = 0; manifest_device(NULL, i, &device); i++) {
		if (device.optional)
			continue;
		if (device.type == KILN_DEVICE_BLOCK) {
			sim_node_disk(node, device.name, DISK_SECTORS);
		} else if (device.type == KILN_DEVICE_NET) {
			sim_node_net(node, device.name, link);
			++*nets;
		}
	}
	return node;
}
