/*
 * Simulated disks: sectors in memory behind a device that does one request after the
 * other, in the order of submission, each in the time a flash drive would take. The bytes
 * move when the request completes, so that who touches them too early finds out.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "world.h"

#define DISK_ACCESS     KILN_US(20)
#define DISK_FLUSH      KILN_US(200)
#define DISK_PER_SECTOR 256 /* ns: 2 GB/s */

static kiln_time duration(const struct block_request *request)
{
	if (request->kind == BLOCK_FLUSH)
		return DISK_FLUSH;
	return DISK_ACCESS + (kiln_time)request->sectors * DISK_PER_SECTOR;
}

static struct block_request *first(struct list *requests)
{
	return kiln_container(requests->next, struct block_request, node);
}

static void start_next(struct sim_disk *disk)
{
	struct sim *sim = disk->node->sim;

	if (!list_empty(&disk->submitted))
		sim_schedule(sim, &disk->event,
		             sim->now + duration(first(&disk->submitted)));
}

static void disk_submit(struct block *block, struct block_request *request)
{
	struct sim_disk *disk = kiln_container(block, struct sim_disk, block);
	bool idle = list_empty(&disk->submitted);

	list_append(&disk->submitted, &request->node);
	if (idle)
		start_next(disk);
}

static void disk_fired(struct sim_event *event)
{
	struct sim_disk *disk = kiln_container(event, struct sim_disk, event);
	struct block_request *request = first(&disk->submitted);
	uint8_t *sectors = disk->data + request->sector * BLOCK_SECTOR;

	if (disk->node->ended) /* and its memory is nobody's any more */
		return;
	if (request->kind == BLOCK_READ)
		memcpy(request->data, sectors, (size_t)request->sectors * BLOCK_SECTOR);
	else if (request->kind == BLOCK_WRITE)
		memcpy(sectors, request->data, (size_t)request->sectors * BLOCK_SECTOR);
	list_remove(&request->node);
	list_append(&disk->completed, &request->node);
	start_next(disk);
	sim_node_wake(disk->node);
}

static unsigned disk_poll(struct loop_source *source, unsigned budget)
{
	struct sim_disk *disk = kiln_container(source, struct sim_disk, source);
	unsigned done = 0;
	struct list *node;

	while (done < budget && (node = list_pop(&disk->completed))) {
		struct block_request *request =
		    kiln_container(node, struct block_request, node);
		request->error = KILN_OK;
		request->done(request);
		done++;
	}
	return done;
}

static const struct block_ops disk_ops = {.submit = disk_submit};

struct block *sim_disk_open(struct sim_disk *disk)
{
	disk->block.ops = &disk_ops;
	disk->block.kiln = &disk->node->kiln;
	disk->block.sectors = disk->size / BLOCK_SECTOR;
	disk->source.poll = disk_poll;
	loop_add(&disk->node->kiln.loop, &disk->source);
	return &disk->block;
}

void sim_node_disk(struct sim_node *node, const char *device, uint64_t sectors)
{
	struct sim_disk *disk = sim_alloc(sizeof(*disk));

	sim_node_add_device(node, device, KILN_DEVICE_BLOCK);
	snprintf(disk->name, sizeof(disk->name), "%s", device);
	disk->node = node;
	disk->size = sectors * BLOCK_SECTOR;
	disk->data = mmap(NULL, disk->size, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (disk->data == MAP_FAILED)
		sim_fail("node %s: no memory for disk %s", node->name, device);
	disk->event.fire = disk_fired;
	list_init(&disk->submitted);
	list_init(&disk->completed);
	list_append(&node->disks, &disk->in_node);
}

void sim_disk_free(struct sim_disk *disk)
{
	list_remove(&disk->in_node);
	munmap(disk->data, disk->size);
	free(disk);
}
