/*
 * The KVM monitor's devices, and what drives them from a test: memory of a guest (a heap
 * block of exact size, which the sanitizers watch), a driver's way of setting a device up,
 * and the tap, disk or terminal behind it. Includes the devices' sources; include it in
 * one file of a program.
 */
#ifndef TEST_VIRTIO_RIG_H
#define TEST_VIRTIO_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

/* What stands for a tap takes any offloads: the last ones. */
static unsigned tap_offloads;
#define ioctl(descriptor, request, value) (tap_offloads = (unsigned)(value), 0)

#include "monitor/kvm/virtio_block.c"
#include "monitor/kvm/virtio_console.c"
#include "monitor/kvm/virtio_mmio.c"
#include "monitor/kvm/virtio_net.c"
#include "monitor/kvm/virtio_random.c"
#include "monitor/kvm/virtqueue.c"

/* Not every program uses every helper. */
#define HELPER __attribute__((unused)) static

#ifndef MEMORY
#define MEMORY (512 << 10)
#endif
enum { SEALED = 4096, QUEUE = 16 };
/* Where the test's driver keeps things. */
enum { DESC = 0x2000, AVAIL = 0x3000, USED = 0x4000, TABLE = 0x5000, BUFFER = 0x8000 };
enum {
	NEXT = VRING_DESC_F_NEXT,
	WRITE = VRING_DESC_F_WRITE,
	INDIRECT = VRING_DESC_F_INDIRECT
};

struct rig {
	struct guest_memory memory;
	uint32_t *registers;
	union {
		struct virtio_device device;
		struct virtio_net net;
		struct virtio_block block;
		struct virtio_console console;
	} u;
	int fd, peer; /* what stands for the tap, the disk or the terminal */
	unsigned posted;
};

/* ---- a driver ---- */

HELPER void poke(struct rig *rig, uint64_t offset, uint32_t value)
{
	virtio_write(&rig->u.device, offset, 4, &value);
}

HELPER uint32_t peek(struct rig *rig, uint64_t offset)
{
	return rig->registers[offset / 4];
}

HELPER void negotiate(struct rig *rig, uint64_t features)
{
	features |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1);
	poke(rig, VIRTIO_MMIO_STATUS, 0);
	poke(rig, VIRTIO_MMIO_STATUS, 3);
	poke(rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	poke(rig, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	poke(rig, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	poke(rig, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
	poke(rig, VIRTIO_MMIO_STATUS, 11);
}

HELPER void queue_up(struct rig *rig, uint32_t index, uint32_t size, uint64_t desc,
                     uint64_t avail, uint64_t used)
{
	poke(rig, VIRTIO_MMIO_QUEUE_SEL, index);
	poke(rig, VIRTIO_MMIO_QUEUE_NUM, size);
	poke(rig, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
	poke(rig, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
	poke(rig, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)avail);
	poke(rig, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(avail >> 32));
	poke(rig, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)used);
	poke(rig, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(used >> 32));
	poke(rig, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* Brings the device up with one queue of QUEUE entries at the usual place. */
HELPER void start(struct rig *rig, unsigned queue, uint64_t features)
{
	negotiate(rig, features);
	queue_up(rig, queue, QUEUE, DESC, AVAIL, USED);
	poke(rig, VIRTIO_MMIO_STATUS, 15);
	assert_null(rig->u.device.fault);
	rig->posted = 0;
}

HELPER void describe(struct rig *rig, uint64_t table, unsigned i, uint64_t address,
                     uint32_t size, uint16_t flags, uint16_t next)
{
	struct vring_desc desc = {address, size, flags, next};

	memcpy(rig->memory.base + table + 16 * i, &desc, sizeof(desc));
}

HELPER void post(struct rig *rig, uint16_t head)
{
	uint16_t *avail = (uint16_t *)(rig->memory.base + AVAIL);

	avail[2 + rig->posted++ % QUEUE] = head;
	avail[1] = (uint16_t)rig->posted;
}

HELPER uint16_t used_index(struct rig *rig)
{
	return ((uint16_t *)(rig->memory.base + USED))[1];
}

HELPER struct vring_used_elem used_at(struct rig *rig, unsigned i)
{
	struct vring_used_elem element;

	memcpy(&element, rig->memory.base + USED + 4 + 8 * i, sizeof(element));
	return element;
}

/* ---- devices to drive ---- */

HELPER void make_memory(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->memory.base = aligned_alloc(4096, MEMORY);
	assert_non_null(rig->memory.base);
	memset(rig->memory.base, 0, MEMORY);
	rig->memory.end = MEMORY;
	rig->memory.sealed = SEALED;
	rig->registers = calloc(1024, sizeof(uint32_t));
	assert_non_null(rig->registers);
}

HELPER struct virtio_place place_of(struct rig *rig)
{
	return (struct virtio_place){&rig->memory, rig->registers};
}

/* `offloads`: TUN_F_* that the tap has. */
HELPER void make_net_with(struct rig *rig, uint32_t offloads)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	int fds[2];

	make_memory(rig);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	rig->fd = fds[0];
	rig->peer = fds[1];
	virtio_net_init(&rig->u.net, "net0", rig->fd, offloads, mac, 1500, place_of(rig));
}

HELPER void make_net(struct rig *rig)
{
	make_net_with(rig, 0);
}

HELPER void make_random(struct rig *rig)
{
	make_memory(rig);
	rig->fd = rig->peer = -1;
	virtio_random_init(&rig->u.device, place_of(rig));
}

HELPER void make_block(struct rig *rig, bool read_only)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	make_memory(rig);
	rig->fd = dup(fileno(file));
	rig->peer = -1;
	fclose(file);
	assert_int_equal(ftruncate(rig->fd, 8 * 512), 0);
	virtio_block_init(&rig->u.block, "disk0", rig->fd, 8 * 512, read_only,
	                  place_of(rig));
}

HELPER void done(struct rig *rig)
{
	free(rig->memory.base);
	free(rig->registers);
	if (rig->fd >= 0)
		close(rig->fd);
	if (rig->peer >= 0)
		close(rig->peer);
}

#endif
