/*
 * The vm target's drivers against a device that the input spells out: it gives back what
 * it was never given, says that it wrote what it did not, splits frames as it likes, and
 * jumps with its index.
 *
 * A driver believes what can be, and calls the queue broken otherwise: it hands up only
 * bytes that the device could write to, ends each request once, and reads and writes
 * nothing else (the image's memory is a heap block of exact size).
 */
#include "fuzz.h"
#define MEMORY (4 << 20) /* the least with which large frames are taken */
#include "test/unit/vm_rig.h"

enum { STEPS = 200, REQUESTS = 64, RX = 0, TX = 1, DISK = 0 };

static struct netdev *netdev;
static struct block *disk;
static struct block_request requests[REQUESTS];
static bool pending[REQUESTS];
static uint8_t sectors[4 * BLOCK_SECTOR];
static bool honest; /* the device has told no lie yet: what arrives is what it sent */
static uint8_t received_sum; /* so that every byte is looked at */

/* ---- what stands above the drivers ---- */

static void on_receive(void *stack, struct slice frame,
                       const struct netdev_offload *offload)
{
	const struct virtio_net *net = of(netdev);
	size_t region = (size_t)RECEIVE_MOST * net->buffer_size;

	FUZZ_CHECK(frame.len > 0 && frame.len <= FRAME_MOST);
	FUZZ_CHECK((frame.data >= net->region && frame.len <= region &&
	            frame.data <= net->region + region - frame.len) ||
	           frame.data == net->bounce);
	for (size_t i = 0; i < frame.len; i++) {
		received_sum ^= frame.data[i];
		FUZZ_CHECK(!honest || frame.data[i] == (uint8_t)(i % 251));
	}
	FUZZ_REACH(frame.len > net->buffer_size, "a frame in several buffers");
	FUZZ_REACH(frame.data == net->bounce, "a frame that is put together");
	FUZZ_REACH(frame.len < net->buffer_size, "a frame in one buffer");
}

static void on_done(struct block_request *request)
{
	size_t i = (size_t)(request - requests);

	FUZZ_CHECK(pending[i]);
	pending[i] = false;
	FUZZ_REACH(request->error == KILN_OK, "a request done");
	FUZZ_REACH(request->error == KILN_ERR_IO, "a request that failed");
}

/* ---- steps ---- */

/* The queue of this number, of the device under test. */
static struct virtqueue *some_queue(uint8_t choice)
{
	return device.queues[netdev ? choice & 1 : DISK];
}

/* The device gives an entry back: the next that it was given, or any number. */
static void step_return(struct cursor *in)
{
	uint8_t which = cursor_u8(in), id = cursor_u8(in), how = cursor_u8(in);
	struct virtqueue *q = some_queue(which);
	uint32_t head = id, written = how * 16u;

	if (which & 2 && q->available->index != device.taken[q->number])
		head = device_take(q->number);
	if (which & 4)
		head |= (uint32_t)cursor_u8(in) << 24;
	if (which & 8)
		written = cursor_u32(in);
	if (which & 16)
		written = q->entries[head % q->size].room;
	if (which & 32)
		head = q->size - 1 + (id & 3);
	honest = false;
	device_return(q->number, head, written);
}

/* What the device says of notices: its flags, and the event behind its ring. A driver that
 * believes it notifies too often or too rarely, and does nothing else. */
static void step_event(struct cursor *in)
{
	struct virtqueue *q = some_queue(cursor_u8(in));
	struct virtq_used_entry *end =
	    (struct virtq_used_entry *)(uintptr_t)&q->used->ring[q->size];
	uint16_t event = cursor_u16(in);

	q->used->flags = event & 1;
	memcpy(end, &event, sizeof(event));
}

static void step_jump(struct cursor *in)
{
	struct virtqueue *q = some_queue(cursor_u8(in));

	q->used->index = (uint16_t)(q->used->index + cursor_u8(in));
	honest = false;
}

/* Fills a buffer with the next bytes of a frame: byte i is i % 251. */
static void fill(uint8_t *to, size_t size, size_t offset)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)((offset + i) % 251);
}

/* A frame over as many buffers as it takes, in any order, with a header that may lie. */
static void step_frame(struct cursor *in)
{
	uint8_t size = cursor_u8(in), said = cursor_u8(in), how = cursor_u8(in);
	struct virtqueue *q = device.queues[RX];
	struct net_header header = {.offload.flags = said & 3, .offload.gso_size = 1000};
	size_t total = sizeof(header) + 1 + size * 64u, done = 0;

	if (!netdev)
		return;
	if (how & 1 && q->available->index != device.taken[RX])
		(void)device_take(RX); /* kept for ever */
	size_t room = q->descriptors[0].size;
	header.buffers =
	    (uint16_t)(said & 0x80 ? said & 0x7f : (total + room - 1) / room);
	while (done < total && q->available->index != device.taken[RX]) {
		uint16_t head = device_take(RX);
		uint8_t *to = at(q->descriptors[head % q->size].address);
		size_t n = KILN_MIN(room, total - done);

		if (done == 0) {
			memcpy(to, &header, sizeof(header));
			fill(to + sizeof(header), n - sizeof(header), 0);
		} else {
			fill(to, n, done - sizeof(header));
		}
		done += n;
		if (how & 4 && q->available->index != device.taken[RX])
			(void)device_take(RX); /* the next one does not follow */
		device_return(RX, head, (uint32_t)(how & 2 ? n / 2 : n));
	}
	if (said & 0x80 || how & 2 || done < total ||
	    (header.buffers > 1 && !(of(netdev)->device.features & NET_F_MRG_RXBUF)))
		honest = false;
}

/* A request is answered as it should be. */
static void step_answer(struct cursor *in)
{
	struct virtqueue *q = device.queues[DISK];
	uint8_t status = cursor_u8(in);

	if (!disk || q->available->index == device.taken[DISK])
		return;
	uint16_t head = device_take(DISK);
	struct virtq_descriptor *table =
	    (struct virtq_descriptor *)(void *)at(q->descriptors[head].address);
	unsigned parts = q->descriptors[head].size / sizeof(*table);

	if (q->descriptors[head].flags & DESCRIPTOR_INDIRECT)
		*at(table[parts - 1].address) = status & 3;
	device_return(DISK, head, q->entries[head].room);
}

static void step_send(struct cursor *in)
{
	uint8_t frags = cursor_u8(in) % (NETDEV_FRAGS + 1);
	struct netdev_frame frame;

	if (!netdev)
		return;
	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 54), 0, 54);
	for (unsigned i = 0; i < frags; i++)
		FUZZ_CHECK(
		    netdev_frame_add(&frame, sectors + i * 40, 20 + 20 * (i & 1), NULL));
	(void)!netdev->ops->send(netdev, &frame);
	netdev->ops->flush(netdev);
}

static void step_submit(struct cursor *in)
{
	uint8_t what = cursor_u8(in);
	struct block_request *r = &requests[what % REQUESTS];

	if (!disk || pending[what % REQUESTS])
		return;
	*r = (struct block_request){.kind = (what >> 6) % 3,
	                            .sector = what,
	                            .data = sectors,
	                            .sectors = 1 + (what & 3),
	                            .done = on_done};
	list_init(&r->node);
	pending[what % REQUESTS] = true;
	disk->ops->submit(disk, r);
}

static void step_poll(struct cursor *in)
{
	struct loop_source *source =
	    kiln_container(vm.kiln->loop.sources.next, struct loop_source, node);

	if (netdev)
		netdev->ops->poll(netdev, 64);
	else
		source->poll(source, 64);
}

static void step_arm(struct cursor *in)
{
	list_each (node, &vm.waiters) {
		struct vm_waiter *waiter = kiln_container(node, struct vm_waiter, node);
		waiter->arm(waiter);
	}
}

/* ---- a run ---- */

static void start(struct image *image, uint8_t how)
{
	static const struct kiln_device net0 = {KILN_DEVICE_NET, "net0"};
	static const struct kiln_device disk0 = {KILN_DEVICE_BLOCK, "disk0"};

	netdev = NULL;
	disk = NULL;
	memset(pending, 0, sizeof(pending));
	honest = true;
	if (how & 1) {
		disk = vm_target_block(&image->kiln, &disk0);
		FUZZ_CHECK(disk);
	} else {
		netdev = vm_target_netdev(&image->kiln, &net0);
		FUZZ_CHECK(netdev);
		netdev->receive = on_receive;
	}
}

static void check_queue(const struct virtqueue *q)
{
	unsigned outstanding = 0, used = q->free_count;

	for (unsigned i = 0; i < q->size; i++) {
		if (!q->entries[i].outstanding)
			continue;
		outstanding++;
		used += q->entries[i].count;
	}
	FUZZ_REACH(q->broken, "a broken queue");
	FUZZ_CHECK(outstanding == q->outstanding);
	FUZZ_CHECK(used == q->size);
}

/* A device that is broken, or answers the rest, leaves no request behind. */
static void finish(void)
{
	struct cursor none = {0};

	for (unsigned i = 0; i < 4 * REQUESTS && disk; i++) {
		step_answer(&none);
		step_poll(&none);
	}
	for (unsigned i = 0; i < REQUESTS && disk; i++)
		FUZZ_CHECK(!pending[i] || device.queues[DISK]->outstanding);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct cursor *) = {
	    step_return, step_jump,   step_frame,  step_answer, step_send, step_send,
	    step_poll,   step_submit, step_submit, step_arm,    step_event};
	struct cursor in = cursor_of(slice_of(data, size));
	uint8_t how = cursor_u8(&in);
	uint64_t features =
	    NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MAC | NET_F_MRG_RXBUF | NET_F_LARGE;
	struct image *image;

	if (how & 1)
		features = BLK_F_FLUSH;
	if (how & 2)
		features |= VIRTIO_F_INDIRECT;
	if (how & 4)
		features |= VIRTIO_F_EVENT;
	if (how & 8 && !(how & 1))
		features = NET_F_MAC;
	if (how & 16 && !(how & 1)) /* and a packet needs more than a buffer */
		features |= NET_F_MTU;
	image = image_new(features);
	start(image, how);
	for (unsigned i = 0; i < STEPS && cursor_left(&in); i++)
		steps[cursor_u8(&in) % KILN_COUNT_OF(steps)](&in);
	for (unsigned q = 0; q < QUEUES; q++) {
		if (device.queues[q])
			check_queue(device.queues[q]);
	}
	finish();
	image_free(image);
	return 0;
}
