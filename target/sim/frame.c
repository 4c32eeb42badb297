/*
 * Frame buffers and deliveries: see frame.h. Under AddressSanitizer the bytes of a frame
 * that is not in use cannot be touched.
 */
#include <string.h>
#include "asan.h"
#include "frame.h"

enum {
	SMALL_ROOM = 2048 - sizeof(struct sim_frame),
	SMALL_BATCH = 64,
	DELIVERY_BATCH = 256,
};

static void frame_release(struct sim *sim, struct sim_frame *frame)
{
	struct sim_frame **list =
	    frame->room == SMALL_ROOM ? &sim->small_frames : &sim->large_frames;

	frame->next_free = *list;
	*list = frame;
	sim_asan_poison(frame->data, frame->room);
}

static void frames_carve(struct sim *sim, uint32_t room, unsigned count)
{
	size_t total = (sizeof(struct sim_frame) + room + 63) & ~(size_t)63;
	uint8_t *slab = sim_slab_alloc(sim, total * count);

	for (unsigned i = 0; i < count; i++) {
		struct sim_frame *frame = (void *)(slab + i * total);
		frame->room = room;
		frame_release(sim, frame);
	}
}

struct sim_frame *sim_frame_get(struct sim *sim, uint32_t size)
{
	bool small = size <= SMALL_ROOM;
	struct sim_frame **list = small ? &sim->small_frames : &sim->large_frames;
	struct sim_frame *frame;

	if (!*list)
		frames_carve(sim, small ? SMALL_ROOM : SIM_FRAME_LARGEST,
		             small ? SMALL_BATCH : 1);
	frame = *list;
	*list = frame->next_free;
	frame->refs = 1;
	frame->size = size;
	memset(&frame->offload, 0, sizeof(frame->offload));
	sim_asan_unpoison(frame->data, size);
	return frame;
}

struct sim_frame *sim_frame_copy(struct sim *sim, const struct sim_frame *frame)
{
	struct sim_frame *copy = sim_frame_get(sim, frame->size);

	copy->offload = frame->offload;
	memcpy(copy->data, frame->data, frame->size);
	return copy;
}

void sim_frame_unref(struct sim *sim, struct sim_frame *frame)
{
	if (--frame->refs == 0)
		frame_release(sim, frame);
}

void sim_frame_complete_checksum(struct sim_frame *frame)
{
	struct netdev_offload *offload = &frame->offload;
	uint32_t start = offload->checksum_start;
	uint32_t at = start + offload->checksum_offset;
	uint64_t sum = 0;

	if (!(offload->flags & NETDEV_NEEDS_CSUM) || at + 2 > frame->size)
		return;
	for (uint32_t i = start; i < frame->size; i++) /* RFC 1071, bytewise */
		sum += (i - start) % 2 ? frame->data[i] : (uint64_t)frame->data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	frame->data[at] = (uint8_t)(sum >> 8);
	frame->data[at + 1] = (uint8_t)sum;
	offload->flags &= (uint8_t)~NETDEV_NEEDS_CSUM;
}

struct sim_delivery *sim_delivery_get(struct sim *sim)
{
	struct sim_delivery *delivery = sim->deliveries;

	if (!delivery) {
		delivery = sim_slab_alloc(sim, DELIVERY_BATCH * sizeof(*delivery));
		for (unsigned i = 0; i < DELIVERY_BATCH; i++) {
			delivery[i].next = sim->deliveries;
			sim->deliveries = &delivery[i];
		}
		delivery = sim->deliveries;
	}
	sim->deliveries = delivery->next;
	delivery->next = NULL;
	return delivery;
}

void sim_delivery_put(struct sim *sim, struct sim_delivery *delivery)
{
	sim_frame_unref(sim, delivery->frame);
	delivery->frame = NULL;
	delivery->next = sim->deliveries;
	sim->deliveries = delivery;
}
