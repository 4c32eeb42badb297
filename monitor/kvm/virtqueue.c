/* Split virtqueues, device side: see virtqueue.h. */
#include <string.h>
#include "virtqueue.h"

/* Places in the available ring, in 16-bit words. */
enum { AVAIL_IDX = 1, AVAIL_RING = 2 };

_Static_assert(sizeof(struct vring_desc) == 16, "descriptor layout");
_Static_assert(sizeof(struct vring_used_elem) == 8, "used element layout");

static bool fault(struct virtqueue *queue, const char *sentence)
{
	queue->fault = sentence;
	queue->ready = false;
	return false;
}

bool virtqueue_start(struct virtqueue *queue)
{
	uint64_t size = queue->size;
	uint64_t avail_bytes = 2 * (AVAIL_RING + size + 1), used_bytes = 4 + 8 * size + 2;

	if (size == 0 || size > VIRTQUEUE_SIZE || (size & (size - 1)))
		return fault(queue, "its size is not a power of two up to 256");
	if (queue->desc_address % 16 || queue->avail_address % 2 ||
	    queue->used_address % 4)
		return fault(queue, "its rings are not aligned");
	queue->desc =
	    guest_memory_at(queue->memory, queue->desc_address, 16 * size, GUEST_READ);
	queue->avail =
	    guest_memory_at(queue->memory, queue->avail_address, avail_bytes, GUEST_READ);
	queue->used =
	    guest_memory_at(queue->memory, queue->used_address, used_bytes, GUEST_WRITE);
	if (!queue->desc || !queue->avail || !queue->used)
		return fault(queue, "its rings are not in writable memory");
	queue->next_avail = queue->next_used = queue->published = 0;
	queue->ready = true;
	return true;
}

/* Adds the buffer of one descriptor to the chain. */
static bool add_part(struct virtqueue *queue, struct virtqueue_chain *chain,
                     const struct vring_desc *desc)
{
	bool write = desc->flags & VRING_DESC_F_WRITE;
	unsigned count = chain->readable + chain->writable;
	void *data = guest_memory_at(queue->memory, desc->addr, desc->len,
	                             write ? GUEST_WRITE : GUEST_READ);

	if (!data)
		return fault(queue, write ? "a buffer to write is not in writable memory"
		                          : "a buffer to read is not in memory");
	if (count == queue->size)
		return fault(queue, "a descriptor chain is longer than the queue");
	if (!write && chain->writable)
		return fault(queue, "a readable buffer follows a writable one");
	chain->parts[count] = (struct iovec){data, desc->len};
	if (write) {
		chain->writable++;
		chain->writable_bytes += desc->len;
	} else {
		chain->readable++;
		chain->readable_bytes += desc->len;
	}
	return true;
}

/* Follows a chain through a table of `count` descriptors; each can be in it once only, so
 * the number of steps tells a loop. */
static bool walk(struct virtqueue *queue, struct virtqueue_chain *chain,
                 const uint8_t *table, uint32_t count, uint32_t index, bool indirect)
{
	struct vring_desc desc;

	for (uint32_t steps = 0; steps < count; steps++) {
		if (index >= count)
			return fault(queue, "a descriptor index is outside its table");
		memcpy(&desc, table + 16 * (size_t)index, sizeof(desc));
		if (desc.flags & VRING_DESC_F_INDIRECT) {
			uint32_t inner = desc.len / 16;

			if (indirect)
				return fault(queue, "indirect descriptors are nested");
			if (desc.flags & VRING_DESC_F_NEXT)
				return fault(queue,
				             "an indirect descriptor has a successor");
			if (desc.len % 16 || inner == 0 || inner > queue->size)
				return fault(queue, "an indirect table has a wrong size");
			table = guest_memory_at(queue->memory, desc.addr, desc.len,
			                        GUEST_READ);
			if (!table)
				return fault(queue, "an indirect table is not in memory");
			return walk(queue, chain, table, inner, 0, true);
		}
		if (!add_part(queue, chain, &desc))
			return false;
		if (!(desc.flags & VRING_DESC_F_NEXT))
			return true;
		index = desc.next;
	}
	return fault(queue, "a descriptor chain loops");
}

bool virtqueue_pop(struct virtqueue *queue, struct virtqueue_chain *chain)
{
	uint16_t index;

	if (!queue->ready)
		return false;
	index = queue->avail[AVAIL_IDX];
	if (index == queue->next_avail)
		return false;
	/* The driver has no more buffers than the queue's size, and those that it has not
	 * seen used are ours: so a ring that a device's own writes go on filling ends here. */
	if ((uint16_t)(index - queue->published) > queue->size ||
	    (uint16_t)(index - queue->next_avail) > queue->size)
		return fault(queue,
		             "the available index jumped by more than the queue's size");
	chain->head = queue->avail[AVAIL_RING + queue->next_avail % queue->size];
	chain->readable = chain->writable = 0;
	chain->readable_bytes = chain->writable_bytes = 0;
	queue->next_avail++;
	return walk(queue, chain, (const uint8_t *)queue->desc, queue->size, chain->head,
	            false);
}

void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	struct vring_used_elem *element =
	    &queue->used->ring[queue->next_used % queue->size];

	element->id = head;
	element->len = written;
	queue->next_used++;
}

bool virtqueue_publish(struct virtqueue *queue)
{
	/* All rings are served at every wait, so no kick is asked for: the event, which
	 * stands behind the used ring, is as far ahead as an index can be. */
	uint16_t event = (uint16_t)(queue->next_avail + 0x8000);
	bool news = queue->next_used != queue->published;

	if (!queue->ready)
		return false;
	if (queue->event_idx)
		memcpy(&queue->used->ring[queue->size], &event, sizeof(event));
	else
		queue->used->flags = VRING_USED_F_NO_NOTIFY;
	queue->used->idx = queue->published = queue->next_used;
	return news;
}
