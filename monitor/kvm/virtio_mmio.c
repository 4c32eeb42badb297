/* The virtio-mmio register file, version 2, and the life of a device: see virtio.h. */
#include <stdio.h>
#include <string.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include "virtio.h"

enum { MMIO_MAGIC = 0x74726976, MMIO_VERSION = 2, MMIO_VENDOR = 0x6e6c696b };

void virtio_fault(struct virtio_device *device, const char *sentence)
{
	if (!device->fault)
		device->fault = sentence;
}

/* Makes a queue's fault the device's. */
static void check_queues(struct virtio_device *device)
{
	for (unsigned i = 0; i < device->queue_count && !device->fault; i++) {
		if (!device->queues[i].fault)
			continue;
		snprintf(device->fault_text, sizeof(device->fault_text), "queue %u: %s",
		         i, device->queues[i].fault);
		device->fault = device->fault_text;
	}
}

/* Registers that the driver may read, and what is in them now. */
static uint32_t value_of(const struct virtio_device *device, unsigned offset)
{
	bool queue_exists = device->queue_index < device->queue_count;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MMIO_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return MMIO_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return device->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		if (device->device_features_word > 1)
			return 0;
		return (uint32_t)(device->offered >> 32 * device->device_features_word);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue_exists ? VIRTQUEUE_SIZE : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue_exists && device->queues[device->queue_index].ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return device->interrupts;
	case VIRTIO_MMIO_STATUS:
		return device->status;
	default: /* ConfigGeneration: the configuration never changes */
		return 0;
	}
}

static void show(struct virtio_device *device)
{
	for (unsigned offset = 0; offset < VIRTIO_MMIO_CONFIG; offset += 4)
		device->registers[offset / 4] = value_of(device, offset);
}

static void reset(struct virtio_device *device)
{
	const struct guest_memory *memory = device->queues[0].memory;

	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		device->queues[i] = (struct virtqueue){.memory = memory};
	device->status = device->interrupts = 0;
	device->accepted = device->driver_features = 0;
	device->queue_index = 0;
	if (device->ops->configure)
		device->ops->configure(device);
}

void virtio_init(struct virtio_device *device, struct virtio_place place)
{
	device->registers = place.registers;
	memcpy(&device->registers[VIRTIO_MMIO_CONFIG / 4], device->config, VIRTIO_CONFIG);
	device->offered |= VIRTIO_FEATURE(VIRTIO_F_VERSION_1) |
	                   VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC) |
	                   VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX);
	device->queues[0].memory = place.memory;
	reset(device);
	show(device);
}

static bool running(const struct virtio_device *device)
{
	return device->status & VIRTIO_CONFIG_S_DRIVER_OK && !device->fault;
}

void virtio_serve(struct virtio_device *device)
{
	if (!running(device))
		return;
	device->ops->serve(device);
	check_queues(device);
}

void virtio_receive(struct virtio_device *device)
{
	if (!running(device) || !device->ops->receive)
		return;
	device->ops->receive(device);
	check_queues(device);
}

void virtio_publish(struct virtio_device *device, unsigned queue)
{
	if (virtqueue_publish(&device->queues[queue])) {
		device->wake = true;
		device->interrupts |= VIRTIO_MMIO_INT_VRING;
		show(device);
	}
}

/* The status register: features are settled once, at FEATURES_OK. */
static void set_status(struct virtio_device *device, uint32_t status)
{
	uint32_t fresh = status & ~device->status;

	if (status == 0) {
		reset(device);
		return;
	}
	/* Devices rely on it: what they hold of a queue is good until a reset. */
	if (device->status & ~status) {
		virtio_fault(device, "the driver took back a part of its status");
		return;
	}
	if (fresh & VIRTIO_CONFIG_S_FEATURES_OK) {
		if (device->driver_features & ~device->offered ||
		    !(device->driver_features & VIRTIO_FEATURE(VIRTIO_F_VERSION_1))) {
			status &= ~(uint32_t)VIRTIO_CONFIG_S_FEATURES_OK;
		} else {
			device->accepted = device->driver_features;
			if (device->ops->configure)
				device->ops->configure(device);
		}
	}
	if (status & VIRTIO_CONFIG_S_DRIVER_OK &&
	    !(status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		virtio_fault(device, "the driver started before features were settled");
		return;
	}
	device->status = status;
}

static void set_ready(struct virtio_device *device, struct virtqueue *queue,
                      uint32_t ready)
{
	if (!ready) {
		queue->ready = false;
		return;
	}
	queue->event_idx = virtio_accepted(device, VIRTIO_RING_F_EVENT_IDX);
	virtqueue_start(queue);
	check_queues(device);
}

static void set_low(uint64_t *address, uint32_t value)
{
	*address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *address, uint32_t value)
{
	*address = (*address & UINT32_MAX) | (uint64_t)value << 32;
}

/* Registers of the queue that QueueSel names. False if there is no such register. */
static bool write_queue(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	struct virtqueue *queue = &device->queues[device->queue_index];

	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		queue->size = value;
		return true;
	case VIRTIO_MMIO_QUEUE_READY:
		set_ready(device, queue, value);
		return true;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&queue->desc_address, value);
		return true;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&queue->desc_address, value);
		return true;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&queue->avail_address, value);
		return true;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&queue->avail_address, value);
		return true;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&queue->used_address, value);
		return true;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&queue->used_address, value);
		return true;
	default:
		return false;
	}
}

static void write_register(struct virtio_device *device, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		device->device_features_word = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		device->driver_features_word = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (device->driver_features_word == 0)
			set_low(&device->driver_features, value);
		else if (device->driver_features_word == 1)
			set_high(&device->driver_features, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		device->queue_index = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		virtio_serve(device);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		device->interrupts &= ~value;
		break;
	case VIRTIO_MMIO_STATUS:
		set_status(device, value);
		break;
	default:
		if (device->queue_index >= device->queue_count)
			virtio_fault(device, "a queue was set up that does not exist");
		else if (device->status & VIRTIO_CONFIG_S_DRIVER_OK ||
		         (device->queues[device->queue_index].ready &&
		          offset != VIRTIO_MMIO_QUEUE_READY))
			virtio_fault(device, "a queue was changed while it was in use");
		else if (!write_queue(device, offset, value))
			virtio_fault(device, "a register was written that cannot be");
	}
}

void virtio_write(struct virtio_device *device, uint64_t offset, uint32_t size,
                  const void *data)
{
	uint32_t value;

	if (size != 4 || offset % 4) {
		virtio_fault(device,
		             "a register was written that is not 4 aligned bytes");
		return;
	}
	memcpy(&value, data, sizeof(value));
	write_register(device, offset, value);
	show(device);
}
