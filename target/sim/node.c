/*
 * Nodes: an appliance each, as a coroutine on its own stack, and the functions of
 * <kiln/target.h> that stand under it.
 *
 * A node's stack and memory are one mapping behind a guard page. Nothing of it is touched
 * before the node does, so that ten thousand nodes cost what they use. It stays until
 * sim_free: a test may look at what a node left behind.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "world.h"
#include "asan.h"

enum {
	GUARD_SIZE = 4096,
	STACK_SIZE = SIM_ASAN ? 512 * 1024 : 64 * 1024, /* sanitizers pad every frame */
	LIVELOCK = 1000000, /* so many waits for nothing in a row: the node is stuck */
};

/* The virtual clock starts at midnight, 1 January 2026, UTC. */
static const kiln_time wall_start = KILN_SECONDS(1767225600);

/* ---- running ---- */

static _Noreturn void node_end(struct sim_node *node, int status);

static void node_main(void *arg)
{
	struct sim_node *node = arg;

	node_end(node, node->start ? node->start(&node->kiln)
	                           : kiln_start_with(&node->kiln, node->entry));
}

void sim_node_resume(struct sim_node *node)
{
	struct sim *sim = node->sim;

	sim->running = node;
	context_switch(&sim->scheduler, &node->context);
	sim->running = NULL;
}

void sim_node_wake(struct sim_node *node)
{
	if (!node->ended && node != node->sim->running && !list_linked(&node->in_ready))
		list_append(&node->sim->ready, &node->in_ready);
}

/* The last a node does: the scheduler never comes back to it. */
static _Noreturn void node_end(struct sim_node *node, int status)
{
	node->ended = true;
	node->status = status;
	node->sim->alive--;
	sim_events_cancel(&node->sim->events, &node->wake);
	context_switch(&node->context, &node->sim->scheduler);
	__builtin_unreachable();
}

static void wake_fired(struct sim_event *event)
{
	sim_node_wake(kiln_container(event, struct sim_node, wake));
}

/* ---- making nodes ---- */

/* The options as struct kiln_boot has them: texts behind each other. */
static void node_set_options(struct sim_node *node, const char *const *options)
{
	size_t size = 0;

	for (size_t i = 0; options && options[i]; i++)
		size += strlen(options[i]) + 1;
	node->options = sim_alloc(size + 1);
	node->boot.options = (uint64_t)(uintptr_t)node->options;
	node->boot.options_size = size;
	size = 0;
	for (size_t i = 0; options && options[i]; i++) {
		memcpy(node->options + size, options[i], strlen(options[i]) + 1);
		size += strlen(options[i]) + 1;
	}
}

static void node_map(struct sim_node *node, size_t memory)
{
	uint8_t *mapping, *stack;

	memory = (memory + 4095) & ~(size_t)4095;
	node->mapping_size = GUARD_SIZE + STACK_SIZE + memory;
	mapping = mmap(NULL, node->mapping_size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mapping == MAP_FAILED || mprotect(mapping, GUARD_SIZE, PROT_NONE) != 0)
		sim_fail("node %s: no memory for %zu bytes", node->name,
		         node->mapping_size);
	node->mapping = mapping;
	stack = mapping + GUARD_SIZE;
	node->boot.memory = (uint64_t)(uintptr_t)(stack + STACK_SIZE);
	node->boot.memory_size = memory;
	context_make(&node->context, stack, STACK_SIZE, node_main, node);
}

struct sim_node *sim_node_new(struct sim *sim, const char *name, size_t memory,
                              int (*entry)(struct kiln *k), const char *const *options)
{
	struct sim_node *node = sim_alloc(sizeof(*node));
	struct kiln_boot *boot = &node->boot;

	node->sim = sim;
	node->entry = entry;
	node->wake.fire = wake_fired;
	snprintf(node->name, sizeof(node->name), "%s", name);
	list_init(&node->nics);
	list_init(&node->disks);
	list_init(&node->in_ready);
	list_init(&node->in_nodes);

	boot->magic = KILN_BOOT_MAGIC;
	boot->abi = KILN_ABI_VERSION;
	boot->size = sizeof(*boot);
	boot->console = boot->stop = -1;
	for (size_t i = 0; i < KILN_BOOT_SEED; i += sizeof(uint64_t)) {
		uint64_t random = sim_random_u64(&sim->random);
		memcpy(boot->seed + i, &random, sizeof(random));
	}
	node_set_options(node, options);
	node_map(node, memory);

	node->kiln.boot = boot;
	node->kiln.target = node;
	list_append(&sim->nodes, &node->in_nodes);
	list_append(&sim->ready, &node->in_ready);
	sim->alive++;
	return node;
}

void sim_node_free(struct sim_node *node)
{
	list_each_safe (at, &node->nics)
		sim_nic_free(kiln_container(at, struct sim_nic, in_node));
	list_each_safe (at, &node->disks)
		sim_disk_free(kiln_container(at, struct sim_disk, in_node));
	/* The stack may have been left in the middle: what is mapped here next is not it.
	 */
	sim_asan_unpoison((uint8_t *)node->mapping + GUARD_SIZE,
	                  node->mapping_size - GUARD_SIZE);
	munmap(node->mapping, node->mapping_size);
	list_remove(&node->in_nodes);
	list_remove(&node->in_ready);
	free(node->options);
	free(node);
}

void sim_node_add_device(struct sim_node *node, const char *name, uint32_t type)
{
	struct kiln_boot_device *device = &node->boot.devices[node->boot.device_count];

	if (node->boot.device_count == KILN_BOOT_DEVICES)
		sim_fail("node %s has more than %d devices", node->name,
		         KILN_BOOT_DEVICES);
	if (strlen(name) >= sizeof(device->name))
		sim_fail("node %s: device name %s is too long", node->name, name);
	strcpy(device->name, name);
	device->type = type;
	device->handle = -1;
	node->boot.device_count++;
}

void sim_node_set_user(struct sim_node *node, void *user)
{
	node->user = user;
}

void *sim_node_user(const struct sim_node *node)
{
	return node->user;
}

struct sim_node *sim_node_of(struct kiln *k)
{
	return k->target;
}

void sim_node_stop(struct sim_node *node)
{
	node->stop_asked = true;
	sim_node_wake(node);
}

bool sim_node_ended(const struct sim_node *node, int *status)
{
	if (node->ended && status)
		*status = node->status;
	return node->ended;
}

/* ---- what stands under lib/ ---- */

kiln_time target_now(struct kiln *k)
{
	return sim_node_of(k)->sim->now;
}

kiln_time target_wall(struct kiln *k)
{
	return wall_start + sim_node_of(k)->sim->now;
}

/* A node that keeps waiting for instants that have passed would stop the clock for all.
 */
static void check_livelock(struct sim_node *node, kiln_time deadline)
{
	if (deadline > node->sim->now)
		node->vain_waits = 0;
	else if (++node->vain_waits == LIVELOCK)
		sim_fail(
		    "node %s keeps waiting for an instant that has passed: it is %llu ns",
		    node->name, (unsigned long long)node->sim->now);
}

void target_wait(struct kiln *k, kiln_time deadline)
{
	struct sim_node *node = sim_node_of(k);
	struct sim *sim = node->sim;

	check_livelock(node, deadline);
	if (!node->stop_asked) {
		if (deadline == KILN_NEVER)
			sim_events_cancel(&sim->events, &node->wake);
		else
			sim_schedule(sim, &node->wake, KILN_MAX(deadline, sim->now));
		context_switch(&node->context, &sim->scheduler);
	}
	if (node->stop_asked) {
		node->stop_asked = false;
		loop_stop(&k->loop);
	}
}

void target_console(struct kiln *k, struct slice text)
{
	struct sim_node *node = sim_node_of(k);

	if (node->sim->print)
		node->sim->print(node->sim->print_context, node->name, text);
}

void target_exit(struct kiln *k, int status)
{
	node_end(sim_node_of(k), status);
}

void target_panic(struct slice message)
{
	/* Which node it was, its stack tells: abort leaves it to the debugger. */
	if (write(STDERR_FILENO, message.data, message.len) < 0) {
	}
	abort();
}

static bool is_named(const char *name, const struct kiln_device *device)
{
	return strcmp(name, device->name) == 0;
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	list_each (at, &sim_node_of(k)->nics) {
		struct sim_nic *nic = kiln_container(at, struct sim_nic, in_node);
		if (is_named(nic->name, device))
			return sim_nic_open(nic);
	}
	return NULL;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	list_each (at, &sim_node_of(k)->disks) {
		struct sim_disk *disk = kiln_container(at, struct sim_disk, in_node);
		if (is_named(disk->name, device))
			return sim_disk_open(disk);
	}
	return NULL;
}
