/*
 * The registers of a virtio device: how a driver and it agree to work (virtio 1.2, 3.1
 * and 4.2.2). See virtio_mmio.h.
 */
#include "virtio_mmio.h"

enum {
	REGISTER_MAGIC = 0x000,
	REGISTER_VERSION = 0x004,
	REGISTER_DEVICE = 0x008,
	REGISTER_DEVICE_FEATURES = 0x010,
	REGISTER_DEVICE_FEATURES_SELECT = 0x014,
	REGISTER_DRIVER_FEATURES = 0x020,
	REGISTER_DRIVER_FEATURES_SELECT = 0x024,
	REGISTER_QUEUE_SELECT = 0x030,
	REGISTER_QUEUE_MOST = 0x034,
	REGISTER_QUEUE_SIZE = 0x038,
	REGISTER_QUEUE_READY = 0x044,
	REGISTER_NOTIFY = 0x050,
	REGISTER_ACKNOWLEDGE = 0x064,
	REGISTER_STATUS = 0x070,
	REGISTER_QUEUE_DESCRIPTORS = 0x080,
	REGISTER_QUEUE_AVAILABLE = 0x090,
	REGISTER_QUEUE_USED = 0x0a0,
	REGISTER_CONFIG = 0x100,
};
#define VIRTIO_MAGIC 0x74726976u /* "virt" */

enum {
	STATUS_ACKNOWLEDGE = 1,
	STATUS_DRIVER = 2,
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
};

static volatile uint32_t *at(const struct virtio_device *d, unsigned offset)
{
	return (volatile uint32_t *)(uintptr_t)(d->registers + offset);
}

static uint32_t get(const struct virtio_device *d, unsigned offset)
{
	return *at(d, offset);
}

static void set(const struct virtio_device *d, unsigned offset, uint32_t value)
{
	*at(d, offset) = value;
}

bool virtio_find(struct virtio_device *d, const struct kiln_boot_device *from,
                 uint32_t virtio_id)
{
	d->registers = from->registers;
	if (get(d, REGISTER_MAGIC) != VIRTIO_MAGIC || get(d, REGISTER_VERSION) != 2 ||
	    get(d, REGISTER_DEVICE) != virtio_id)
		return false;
	virtio_reset(d);
	set(d, REGISTER_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER);
	set(d, REGISTER_DEVICE_FEATURES_SELECT, 1);
	d->features = (uint64_t)get(d, REGISTER_DEVICE_FEATURES) << 32;
	set(d, REGISTER_DEVICE_FEATURES_SELECT, 0);
	d->features |= get(d, REGISTER_DEVICE_FEATURES);
	return true;
}

bool virtio_agree(struct virtio_device *d, uint64_t wanted)
{
	d->features &= wanted | VIRTIO_F_VERSION_1;
	if (!(d->features & VIRTIO_F_VERSION_1))
		return false;
	set(d, REGISTER_DRIVER_FEATURES_SELECT, 1);
	set(d, REGISTER_DRIVER_FEATURES, (uint32_t)(d->features >> 32));
	set(d, REGISTER_DRIVER_FEATURES_SELECT, 0);
	set(d, REGISTER_DRIVER_FEATURES, (uint32_t)d->features);
	set(d, REGISTER_STATUS, STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK);
	return get(d, REGISTER_STATUS) & STATUS_FEATURES_OK;
}

bool virtio_open(struct virtio_device *d, const struct kiln_boot_device *from,
                 uint32_t virtio_id, uint64_t wanted)
{
	return virtio_find(d, from, virtio_id) && virtio_agree(d, wanted);
}

void virtio_start(struct virtio_device *d)
{
	set(d, REGISTER_STATUS,
	    STATUS_ACKNOWLEDGE | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

void virtio_reset(struct virtio_device *d)
{
	set(d, REGISTER_STATUS, 0);
	/* 2.4: the driver waits until it reads 0; a device that never gets there is not
	 * waited for long. */
	for (unsigned tries = 0; tries < 10000 && get(d, REGISTER_STATUS); tries++)
		;
}

void virtio_acknowledge(struct virtio_device *d)
{
	set(d, REGISTER_ACKNOWLEDGE, 3);
}

unsigned virtio_queue_most(const struct virtio_device *d, unsigned number)
{
	set(d, REGISTER_QUEUE_SELECT, number);
	return get(d, REGISTER_QUEUE_MOST);
}

static void set_address(const struct virtio_device *d, unsigned offset,
                        const volatile void *ring)
{
	uint64_t physical = vm_physical((const void *)(uintptr_t)ring);

	set(d, offset, (uint32_t)physical);
	set(d, offset + 4, (uint32_t)(physical >> 32));
}

void virtio_queue_start(const struct virtio_device *d, const struct virtqueue *q)
{
	set(d, REGISTER_QUEUE_SELECT, q->number);
	set(d, REGISTER_QUEUE_SIZE, q->size);
	set_address(d, REGISTER_QUEUE_DESCRIPTORS, q->descriptors);
	set_address(d, REGISTER_QUEUE_AVAILABLE, q->available);
	set_address(d, REGISTER_QUEUE_USED, q->used);
	set(d, REGISTER_QUEUE_READY, 1);
}

void virtio_notify(const struct virtio_device *d, unsigned number)
{
	set(d, REGISTER_NOTIFY, number);
}

uint8_t virtio_config8(const struct virtio_device *d, unsigned offset)
{
	return *(volatile uint8_t *)(uintptr_t)(d->registers + REGISTER_CONFIG + offset);
}

uint16_t virtio_config16(const struct virtio_device *d, unsigned offset)
{
	return *(volatile uint16_t *)(uintptr_t)(d->registers + REGISTER_CONFIG + offset);
}

uint32_t virtio_config32(const struct virtio_device *d, unsigned offset)
{
	return get(d, REGISTER_CONFIG + offset);
}
