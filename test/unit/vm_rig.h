/*
 * The vm target's drivers on the host, and a device of the test's own for them: what the
 * driver makes available is taken, and given back with what the test says. The rings and
 * buffers are heap blocks of exact size; guest-physical addresses are the test's own.
 * Includes the drivers' sources; include it in one file of a program.
 */
#ifndef TEST_VM_RIG_H
#define TEST_VM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* Not every program uses every helper. */
#define HELPER __attribute__((unused)) static

/* The simulated target has functions of these names, too. */
#define target_netdev vm_target_netdev
#define kiln_log      test_log
#define target_block  vm_target_block
#include "target/vm/virtio_blk.c"
#include "target/vm/virtio_net.c"
#include "target/vm/virtio_net_start.c"
#include "target/vm/virtqueue.c"

#ifndef MEMORY
#define MEMORY (8 << 20)
#endif
enum { QUEUES = 2 };

struct vm vm;

void test_log(struct kiln *k, enum log_level level, const char *library,
              const char *format, ...)
{
}

/* ---- the device ---- */

static struct {
	uint64_t offered;
	struct virtqueue *queues[QUEUES];
	uint16_t taken[QUEUES]; /* available entries that the device has seen */
	unsigned notified[QUEUES];
	unsigned resets;
	struct kiln_boot_device boot;
} device;

bool virtio_find(struct virtio_device *d, const struct kiln_boot_device *from,
                 uint32_t virtio_id)
{
	d->features = device.offered;
	return true;
}

bool virtio_agree(struct virtio_device *d, uint64_t wanted)
{
	d->features &= wanted | VIRTIO_F_VERSION_1;
	return true;
}

bool virtio_open(struct virtio_device *d, const struct kiln_boot_device *from,
                 uint32_t virtio_id, uint64_t wanted)
{
	return virtio_find(d, from, virtio_id) && virtio_agree(d, wanted);
}

void virtio_start(struct virtio_device *d)
{
}

void virtio_reset(struct virtio_device *d)
{
	device.resets++;
}

unsigned virtio_queue_most(const struct virtio_device *d, unsigned number)
{
	return number < QUEUES ? 1024 : 0;
}

void virtio_queue_start(const struct virtio_device *d, const struct virtqueue *q)
{
	device.queues[q->number] = (struct virtqueue *)(uintptr_t)q;
}

void virtio_notify(const struct virtio_device *d, unsigned number)
{
	device.notified[number]++;
}

uint8_t virtio_config8(const struct virtio_device *d, unsigned offset)
{
	return (uint8_t)(0x50 + offset);
}

uint16_t virtio_config16(const struct virtio_device *d, unsigned offset)
{
	return 9000;
}

uint32_t virtio_config32(const struct virtio_device *d, unsigned offset)
{
	return offset == 0 ? 4096 : 0;
}

const struct kiln_boot_device *vm_device(uint32_t type, const char *name)
{
	return &device.boot;
}

/* The next buffer that the driver made available: its head. */
HELPER uint16_t device_take(unsigned number)
{
	struct virtqueue *q = device.queues[number];

	assert_true(q->available->index != device.taken[number]);
	return q->available->ring[device.taken[number]++ & (q->size - 1)];
}

HELPER void device_return(unsigned number, uint32_t id, uint32_t written)
{
	struct virtqueue *q = device.queues[number];

	q->used->ring[q->used->index & (q->size - 1)] =
	    (struct virtq_used_entry){id, written};
	q->used->index++;
}

HELPER uint8_t *at(uint64_t physical)
{
	return (uint8_t *)(uintptr_t)physical;
}

/* ---- the image ---- */

struct image {
	struct kiln kiln;
	struct kiln_boot boot;
	void *memory;
};

HELPER struct image *image_new(uint64_t offered)
{
	struct image *image = calloc(1, sizeof(*image));

	memset(&device, 0, sizeof(device));
	device.offered = offered | VIRTIO_F_VERSION_1;
	image->memory = calloc(1, MEMORY);
	image->boot.memory_size = MEMORY;
	arena_init(&image->kiln.arena, image->memory, MEMORY);
	list_init(&image->kiln.loop.sources);
	vm = (struct vm){.kiln = &image->kiln, .boot = &image->boot};
	list_init(&vm.waiters);
	return image;
}

HELPER void image_free(struct image *image)
{
	free(image->memory);
	free(image);
}

HELPER struct virtqueue *queue_new(struct image *image, uint64_t offered, unsigned size)
{
	struct virtio_device *d = kiln_alloc(&image->kiln, sizeof(*d), "device");
	struct virtqueue *q = kiln_alloc(&image->kiln, sizeof(*q), "queue");

	assert_true(virtio_open(d, &device.boot, 0, offered));
	assert_true(virtqueue_init(q, &image->kiln, d, 0, size));
	return q;
}

#endif
