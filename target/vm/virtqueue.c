/*
 * Split virtqueues (virtio 1.2, section 2.7): see virtio_mmio.h.
 *
 * Event indices (2.7.10): the device is notified only when it says that it waits, and it
 * interrupts only at the entry that virtqueue_arm() named, once. Without, flags say the same
 * (2.7.7), and the image takes its own back when it has found an entry. x86 keeps stores in order and
 * loads in order, so that only a store followed by a load needs a fence.
 */
#include <kiln/bytes.h>
#include "virtio_mmio.h"

enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2, DESCRIPTOR_INDIRECT = 4 };
enum { AVAILABLE_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { SIZE_MOST = 32768, NO_DESCRIPTOR = 0xffff };

/* Stores before it are seen before loads after it are made. */
static void fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void compiler_barrier(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static bool has(const struct virtqueue *q, uint64_t feature)
{
	return q->device->features & feature;
}

static volatile uint16_t *used_event(const struct virtqueue *q)
{
	return &q->available->ring[q->size];
}

static uint16_t avail_event(const struct virtqueue *q)
{
	return *(volatile uint16_t *)(volatile void *)&q->used->ring[q->size];
}

bool virtqueue_init(struct virtqueue *q, struct kiln *k, struct virtio_device *d,
                    unsigned number, unsigned most)
{
	unsigned size = 1, limit = virtio_queue_most(d, number);
	size_t descriptors, available, used;
	uint8_t *memory;

	if (limit == 0)
		return false;
	limit = KILN_MIN(KILN_MIN(limit, most), (unsigned)SIZE_MOST);
	while (size * 2 <= limit)
		size *= 2;
	descriptors = size * sizeof(struct virtq_descriptor);
	available =
	    (sizeof(struct virtq_available) + size * sizeof(uint16_t) + 2 + 3) & ~3u;
	used = sizeof(struct virtq_used) + size * sizeof(struct virtq_used_entry) + 2;
	memory = kiln_alloc(k, descriptors + available + used, "virtqueue");

	*q = (struct virtqueue){
	    .device = d, .number = (uint16_t)number, .size = (uint16_t)size};
	q->descriptors = (void *)memory;
	q->available = (void *)(memory + descriptors);
	q->used = (void *)(memory + descriptors + available);
	q->entries = kiln_alloc(k, size * sizeof(*q->entries), "virtqueue entries");
	for (unsigned i = 0; i < size; i++)
		q->entries[i].next = (uint16_t)(i + 1 < size ? i + 1 : NO_DESCRIPTOR);
	q->free_count = q->size;
	/* Until it is asked for one, no interrupt. */
	q->available->flags = has(q, VIRTIO_F_EVENT) ? 0 : AVAILABLE_NO_INTERRUPT;
	*used_event(q) = 0xffff;
	virtio_queue_start(d, q);
	return true;
}

static void describe(volatile struct virtq_descriptor *d, const void *data, uint32_t size,
                     unsigned flags, uint16_t next)
{
	d->address = vm_physical(data);
	d->size = size;
	d->flags = (uint16_t)flags;
	d->next = next;
}

/* Takes `count` descriptors off the free list, as a chain; returns its head. */
static uint16_t take_chain(struct virtqueue *q, unsigned count)
{
	uint16_t head = q->free_head, last = head;

	for (unsigned i = 1; i < count; i++)
		last = q->entries[last].next;
	q->free_head = q->entries[last].next;
	q->free_count = (uint16_t)(q->free_count - count);
	q->entries[head].count = (uint8_t)count;
	return head;
}

bool virtqueue_post(struct virtqueue *q, const struct virtq_part *parts, unsigned count,
                    struct virtq_descriptor *table, uint16_t token)
{
	bool indirect = table && count > 1 && has(q, VIRTIO_F_INDIRECT);
	unsigned needed = indirect ? 1 : count;
	uint32_t room = 0;
	uint16_t head, at;

	if (q->broken || count == 0 || count > UINT8_MAX || needed > q->free_count)
		return false;
	head = take_chain(q, needed);
	at = indirect ? 0 : head;
	for (unsigned i = 0; i < count; i++) {
		uint16_t next = indirect ? (uint16_t)(i + 1) : q->entries[at].next;
		unsigned flags = i + 1 < count ? DESCRIPTOR_NEXT : 0;
		if (parts[i].device_writes) {
			flags |= DESCRIPTOR_WRITE;
			room += parts[i].size;
		}
		describe(indirect ? &table[at] : &q->descriptors[at], parts[i].data,
		         parts[i].size, flags, next);
		at = next;
	}
	if (indirect)
		describe(&q->descriptors[head], table, (uint32_t)(count * sizeof(*table)),
		         DESCRIPTOR_INDIRECT, 0);
	q->entries[head].room = room;
	q->entries[head].token = token;
	q->entries[head].outstanding = true;
	q->outstanding++;
	q->available->ring[q->posted & (q->size - 1)] = head;
	q->posted++;
	return true;
}

void virtqueue_publish(struct virtqueue *q)
{
	if (q->posted == q->published)
		return;
	compiler_barrier();
	q->available->index = q->posted;
	q->published = q->posted;
}

void virtqueue_kick(struct virtqueue *q)
{
	uint16_t fresh = (uint16_t)(q->published - q->notified);
	bool wanted;

	if (fresh == 0 || q->broken)
		return;
	if (!vm.control) {
		fence();
		if (has(q, VIRTIO_F_EVENT)) /* 2.7.10: its event lies in what is fresh */
			wanted = (uint16_t)(q->published - avail_event(q) - 1) < fresh;
		else
			wanted = !(q->used->flags & USED_NO_NOTIFY);
		if (wanted)
			virtio_notify(q->device, q->number);
	}
	q->notified = q->published;
}

void virtqueue_notify(struct virtqueue *q)
{
	fence();
	virtio_notify(q->device, q->number);
	q->notified = q->published;
}

unsigned virtqueue_pending(struct virtqueue *q)
{
	uint16_t pending = (uint16_t)(q->used->index - q->seen);

	compiler_barrier();
	if (q->broken)
		return 0;
	if (pending > q->outstanding) {
		q->broken = true;
		return 0;
	}
	return pending;
}

/* The i-th entry since `seen`, checked; NULL if it makes no sense. */
static struct virtq_entry *returned(struct virtqueue *q, unsigned i, uint32_t *written)
{
	volatile struct virtq_used_entry *used =
	    &q->used->ring[(q->seen + i) & (q->size - 1)];
	uint32_t id = used->id;

	*written = used->written;
	if (id >= q->size || !q->entries[id].outstanding ||
	    *written > q->entries[id].room) {
		q->broken = true;
		return NULL;
	}
	return &q->entries[id];
}

bool virtqueue_returned(struct virtqueue *q, unsigned i, uint16_t *token,
                        uint32_t *written)
{
	struct virtq_entry *entry = returned(q, i, written);

	if (entry)
		*token = entry->token;
	return entry;
}

void virtqueue_release(struct virtqueue *q, unsigned n)
{
	if (!has(q, VIRTIO_F_EVENT)) /* an event is past by itself */
		q->available->flags = AVAILABLE_NO_INTERRUPT;
	for (unsigned i = 0; i < n; i++) {
		uint32_t written;
		struct virtq_entry *entry = returned(q, 0, &written);
		struct virtq_entry *last = entry;
		if (!entry)
			return;
		for (unsigned j = 1; j < entry->count; j++)
			last = &q->entries[last->next];
		last->next = q->free_head;
		q->free_head = (uint16_t)(entry - q->entries);
		q->free_count = (uint16_t)(q->free_count + entry->count);
		entry->outstanding = false;
		q->outstanding--;
		q->seen++;
	}
}

bool virtqueue_arm(struct virtqueue *q)
{
	if (has(q, VIRTIO_F_EVENT))
		*used_event(q) = q->seen;
	else
		q->available->flags = 0;
	fence();
	return virtqueue_pending(q) > 0;
}
