/*
 * The vm target's drivers against a device of the test's own: a good one, whose frames
 * and sectors arrive, and hostile ones, which write what they like into the rings. The
 * rings and buffers are heap blocks of exact size, which the sanitizers watch;
 * guest-physical addresses are the test's own.
 */
#include "vm_rig.h"

/* ---- queues ---- */

static uint8_t bytes[64];
static const struct virtq_part one_part = {bytes, 16, true};
static const struct virtq_part three_parts[3] = {
    {bytes, 8, false}, {bytes + 8, 8, false}, {bytes + 16, 8, true}};

static void test_returns_in_any_order(void **state)
{
	struct image *image = image_new(VIRTIO_F_EVENT);
	struct virtqueue *q = queue_new(image, VIRTIO_F_EVENT, 8);
	uint16_t heads[8], token;
	uint32_t written;

	for (unsigned round = 0; round < 20000; round++) { /* indices wrap */
		for (uint16_t i = 0; i < 8; i++)
			assert_true(
			    virtqueue_post(q, &one_part, 1, NULL, (uint16_t)(100 + i)));
		assert_false(virtqueue_post(q, &one_part, 1, NULL, 0));
		virtqueue_publish(q);
		for (unsigned i = 0; i < 8; i++)
			heads[i] = device_take(0);
		for (unsigned i = 0; i < 8; i++)
			device_return(0, heads[(i * 3 + round) % 8], i);
		assert_int_equal(virtqueue_pending(q), 8);
		for (unsigned i = 0; i < 8; i++) {
			assert_true(virtqueue_returned(q, i, &token, &written));
			assert_int_equal(token, 100 + (i * 3 + round) % 8);
			assert_int_equal(written, i);
		}
		virtqueue_release(q, 8);
		assert_int_equal(q->free_count, 8);
	}
	image_free(image);
}

static void test_chain_direct(void **state)
{
	struct image *image = image_new(0);
	struct virtqueue *q = queue_new(image, VIRTIO_F_INDIRECT, 8);
	struct virtq_descriptor table[3];
	uint16_t at_descriptor;

	assert_true(virtqueue_post(q, three_parts, 3, table, 1));
	assert_int_equal(q->free_count, 5);
	virtqueue_publish(q);
	at_descriptor = device_take(0);
	for (unsigned i = 0; i < 3; i++) {
		volatile struct virtq_descriptor *d = &q->descriptors[at_descriptor];
		assert_ptr_equal(at(d->address), three_parts[i].data);
		assert_int_equal(d->flags, (i == 2 ? 2 : 0) | (i < 2 ? 1 : 0));
		at_descriptor = d->next;
	}
	device_return(0, 0, 8);
	virtqueue_release(q, virtqueue_pending(q));
	assert_int_equal(q->free_count, 8);
	image_free(image);
}

static void test_chain_indirect(void **state)
{
	struct image *image = image_new(VIRTIO_F_INDIRECT);
	struct virtqueue *q = queue_new(image, VIRTIO_F_INDIRECT, 8);
	struct virtq_descriptor table[3];
	uint16_t head;

	assert_true(virtqueue_post(q, three_parts, 3, table, 1));
	assert_int_equal(q->free_count, 7);
	virtqueue_publish(q);
	head = device_take(0);
	assert_int_equal(q->descriptors[head].flags, 4);
	assert_int_equal(q->descriptors[head].size, sizeof(table));
	assert_ptr_equal(at(q->descriptors[head].address), table);
	assert_ptr_equal(at(table[2].address), three_parts[2].data);
	assert_int_equal(table[0].flags, 1);
	assert_int_equal(table[0].next, 1);
	assert_int_equal(table[2].flags, 2);
	image_free(image);
}

/* Each entry that a device must not write breaks the queue, and nothing else. */
static void test_hostile_entries(void **state)
{
	static const struct virtq_used_entry hostile[] = {{8, 0},
	                                                  {UINT32_MAX, 0},
	                                                  {5, 0} /* not posted */,
	                                                  {0, 17} /* too long */,
	                                                  {0, UINT32_MAX}};

	for (unsigned i = 0; i < KILN_COUNT_OF(hostile); i++) {
		struct image *image = image_new(0);
		struct virtqueue *q = queue_new(image, 0, 8);
		uint16_t token;
		uint32_t written;
		assert_true(virtqueue_post(q, &one_part, 1, NULL, 1));
		virtqueue_publish(q);
		device_return(0, hostile[i].id, hostile[i].written);
		assert_int_equal(virtqueue_pending(q), 1);
		assert_false(virtqueue_returned(q, 0, &token, &written));
		assert_true(q->broken);
		assert_int_equal(virtqueue_pending(q), 0);
		assert_false(virtqueue_post(q, &one_part, 1, NULL, 2));
		image_free(image);
	}
}

static void test_hostile_index(void **state)
{
	struct image *image = image_new(0);
	struct virtqueue *q = queue_new(image, 0, 8);

	assert_true(virtqueue_post(q, &one_part, 1, NULL, 1));
	virtqueue_publish(q);
	q->used->index = 2;
	assert_int_equal(virtqueue_pending(q), 0);
	assert_true(q->broken);
	image_free(image);
}

static void test_hostile_twice(void **state)
{
	struct image *image = image_new(0);
	struct virtqueue *q = queue_new(image, 0, 8);

	assert_true(virtqueue_post(q, &one_part, 1, NULL, 1));
	assert_true(virtqueue_post(q, &one_part, 1, NULL, 2));
	virtqueue_publish(q);
	device_return(0, 0, 0);
	device_return(0, 0, 0);
	virtqueue_release(q, virtqueue_pending(q));
	assert_true(q->broken);
	assert_int_equal(q->free_count, 7);
	image_free(image);
}

static void test_events(void **state)
{
	struct image *image = image_new(VIRTIO_F_EVENT);
	struct virtqueue *q = queue_new(image, VIRTIO_F_EVENT, 8);
	volatile uint16_t *avail =
	    (volatile uint16_t *)(volatile void *)&q->used->ring[8];

	for (unsigned i = 0; i < 70000; i++) {
		unsigned before = device.notified[0];
		bool waits = i % 3 == 0;
		*avail = (uint16_t)(waits ? q->published : q->published - 1);
		assert_true(virtqueue_post(q, &one_part, 1, NULL, 1));
		virtqueue_publish(q);
		virtqueue_kick(q);
		virtqueue_kick(q); /* nothing fresh: never notifies */
		assert_int_equal(device.notified[0] - before, waits);
		assert_false(virtqueue_arm(q));
		assert_int_equal(q->available->ring[8], q->seen);
		device_return(0, device_take(0), 0);
		assert_true(virtqueue_arm(q));
		virtqueue_release(q, 1);
	}
	image_free(image);
}

/* Without events: asked for an interrupt, the device gives one until an entry is found. */
static void test_flags(void **state)
{
	struct image *image = image_new(0);
	struct virtqueue *q = queue_new(image, 0, 8);

	assert_int_equal(q->available->flags, AVAILABLE_NO_INTERRUPT);
	for (unsigned i = 0; i < 20; i++) {
		unsigned before = device.notified[0];
		bool waits = i % 3 == 0;
		q->used->flags = waits ? 0 : USED_NO_NOTIFY;
		assert_true(virtqueue_post(q, &one_part, 1, NULL, 1));
		virtqueue_publish(q);
		virtqueue_kick(q);
		assert_int_equal(device.notified[0] - before, waits);
		assert_false(virtqueue_arm(q));
		assert_int_equal(q->available->flags, 0);
		device_return(0, device_take(0), 0);
		assert_int_equal(virtqueue_pending(q), 1);
		virtqueue_release(q, 1);
		assert_int_equal(q->available->flags, AVAILABLE_NO_INTERRUPT);
	}
	image_free(image);
}

/* ---- the network ---- */

#define NET_ALL                                                                \
	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_MAC | NET_F_MTU | NET_F_LARGE | \
	 NET_F_HOST_TSO4 | NET_F_MRG_RXBUF | VIRTIO_F_INDIRECT | VIRTIO_F_EVENT)
enum { RX = 0, TX = 1 };

static struct {
	unsigned frames;
	size_t size;
	const uint8_t *data;
	uint8_t first, last;
	struct netdev_offload offload;
} received;

static void on_receive(void *stack, struct slice frame,
                       const struct netdev_offload *offload)
{
	received.frames++;
	received.size = frame.len;
	received.data = frame.data;
	received.first = frame.data[0];
	received.last = frame.data[frame.len - 1];
	received.offload = *offload;
}

static struct netdev *net_new(struct image *image)
{
	static const struct kiln_device name = {KILN_DEVICE_NET, "net0"};
	struct netdev *dev = vm_target_netdev(&image->kiln, &name);

	memset(&received, 0, sizeof(received));
	assert_non_null(dev);
	dev->receive = on_receive;
	return dev;
}

/* Delivers a frame of `size` bytes over as many buffers as it takes; byte i is i % 251.
 */
static void deliver(uint32_t size, uint16_t buffers_said)
{
	struct virtqueue *q = device.queues[RX];
	struct net_header header = {.offload.flags = NETDEV_DATA_VALID};
	uint32_t at_byte = 0, total = size + (uint32_t)sizeof(header), sent = 0;
	uint32_t room = q->descriptors[0].size;

	header.buffers =
	    buffers_said ? buffers_said : (uint16_t)((total + room - 1) / room);
	do {
		uint16_t head = device_take(RX);
		uint8_t *to = at(q->descriptors[head].address);
		uint32_t n = KILN_MIN(room, total - sent), skip = 0;
		if (sent == 0) {
			memcpy(to, &header, sizeof(header));
			skip = sizeof(header);
		}
		for (uint32_t i = skip; i < n; i++)
			to[i] = (uint8_t)(at_byte++ % 251);
		device_return(RX, head, n);
		sent += n;
	} while (sent < total);
}

static bool within_region(struct netdev *dev)
{
	struct virtio_net *net = of(dev);

	return received.data >= net->region &&
	       received.data < net->region + (size_t)RECEIVE_MOST * net->buffer_size;
}

static void test_net_facts(void **state)
{
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);

	assert_int_equal(dev->mac[5], 0x55);
	assert_int_equal(dev->mtu, 9000);
	assert_int_equal(dev->features, NETDEV_TX_CSUM | NETDEV_TX_TSO4 | NETDEV_RX_CSUM |
	                                    NETDEV_RX_GSO);
	assert_int_equal(dev->gso_max, GSO_MOST);
	image_free(image);
}

static void test_net_receives(void **state)
{
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);

	for (unsigned i = 0; i < 3000;
	     i++) { /* around the region's end, again and again */
		uint32_t size = 60 + i * 37 % 65000;
		deliver(size, 0);
		assert_int_equal(dev->ops->poll(dev, 64), 1);
		assert_int_equal(received.size, size);
		assert_int_equal(received.first, 0);
		assert_int_equal(received.last, (size - 1) % 251);
		assert_int_equal(received.offload.flags, NETDEV_DATA_VALID);
	}
	assert_int_equal(received.frames, 3000);
	assert_int_equal(dev->counters.rx_dropped, 0);
	image_free(image);
}

/* No offloads, but frames of 9000 bytes: those around the region's end, too. */
static void test_net_receives_jumbo(void **state)
{
	struct image *image = image_new(NET_F_MAC | NET_F_MTU | NET_F_MRG_RXBUF);
	struct netdev *dev = net_new(image);

	for (unsigned i = 0; i < 1000; i++) {
		uint32_t size = 60 + i * 37 % 8954;
		deliver(size, 0);
		assert_int_equal(dev->ops->poll(dev, 64), 1);
		assert_int_equal(received.size, size);
		assert_int_equal(received.last, (size - 1) % 251);
	}
	assert_int_equal(received.frames, 1000);
	image_free(image);
}

/* A device that does not merge buffers fills one: a packet of its MTU finds room in each. */
static void test_net_receives_unmerged(void **state)
{
	struct image *image = image_new(NET_F_MAC | NET_F_MTU);
	struct netdev *dev = net_new(image);

	assert_int_equal(dev->mtu, 9000);
	for (unsigned i = 0; i < 1000; i++) {
		deliver(9014, 1);
		assert_int_equal(dev->ops->poll(dev, 64), 1);
		assert_int_equal(received.size, 9014);
		assert_int_equal(received.last, 9013 % 251);
	}
	image_free(image);
}

/* 5.1.3.1: a feature is not accepted whose foundation the device has not. */
static void test_net_founds_features(void **state)
{
	static const struct {
		uint64_t missing, refused;
	} cases[] = {{0, 0},
	             {NET_F_CSUM, NET_F_SEGMENTING},
	             {NET_F_GUEST_CSUM, NET_F_LARGE},
	             {NET_F_MRG_RXBUF, NET_F_LARGE},
	             {NET_F_CSUM | NET_F_GUEST_CSUM, NET_F_SEGMENTING | NET_F_LARGE}};

	for (unsigned i = 0; i < KILN_COUNT_OF(cases); i++) {
		uint64_t offered = NET_ALL & ~cases[i].missing;
		struct image *image = image_new(offered);
		struct netdev *dev = net_new(image);
		assert_int_equal(of(dev)->device.features,
		                 (offered & ~cases[i].refused) | VIRTIO_F_VERSION_1);
		image_free(image);
	}
}

/* The least memory, and packets as large as they can be. */
static void test_net_receives_with_little_memory(void **state)
{
	static const uint64_t features[] = {0, NET_F_MRG_RXBUF};

	for (unsigned i = 0; i < KILN_COUNT_OF(features); i++) {
		struct image *image = image_new(NET_F_MAC | NET_F_MTU | features[i]);
		struct netdev *dev;
		image->boot.memory_size = 512 << 10;
		device.boot.mtu = 65535;
		dev = net_new(image);
		deliver(65535 + ETHERNET_MOST, 0);
		assert_int_equal(dev->ops->poll(dev, 64), 1);
		assert_int_equal(received.size, 65535 + ETHERNET_MOST);
		image_free(image);
	}
}

static void test_net_merges_in_place(void **state)
{
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);

	deliver(60000, 0);
	assert_int_equal(dev->ops->poll(dev, 64), 1);
	assert_true(within_region(dev));
	image_free(image);
}

static void test_net_distrusts_offloads(void **state)
{
	struct image *image = image_new(0);
	struct netdev *dev = net_new(image);

	deliver(100, 1);
	assert_int_equal(dev->ops->poll(dev, 64), 1);
	assert_int_equal(received.offload.flags, 0);
	image_free(image);
}

static void test_net_bad_headers(void **state)
{
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);
	struct virtqueue *q = device.queues[RX];
	uint16_t head = device_take(RX);

	device_return(RX, head, 11); /* less than a header */
	assert_int_equal(dev->ops->poll(dev, 64), 1);
	assert_int_equal(dev->counters.rx_dropped, 1);
	deliver(0, 1); /* a header and no frame */
	assert_int_equal(dev->ops->poll(dev, 64), 1);
	assert_int_equal(dev->counters.rx_dropped, 2);
	deliver(100, 0xffff); /* in more buffers than there are */
	assert_int_equal(dev->ops->poll(dev, 64), 0);
	assert_true(q->broken);
	assert_int_equal(received.frames, 0);
	image_free(image);
}

static void test_net_waits_for_the_rest(void **state)
{
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);
	struct virtqueue *q = device.queues[RX];

	deliver(100, 2);
	assert_int_equal(dev->ops->poll(dev, 64), 0);
	device_return(RX, device_take(RX), 50);
	assert_int_equal(dev->ops->poll(dev, 64), 1);
	assert_int_equal(received.size, 150);
	assert_false(q->broken);
	image_free(image);
}

static void test_net_sends_in_place(void **state)
{
	static const uint8_t content[3000];
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);
	struct virtqueue *q = device.queues[TX];
	struct pool pool;
	struct chunk *chunk;
	struct netdev_frame frame;
	struct virtq_descriptor *table;
	uint16_t head;

	pool_init(&pool, &image->kiln, sizeof(struct chunk), 4, "chunks");
	chunk = chunk_get(&pool);
	assert_non_null(chunk);
	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 54), 0x11, 54);
	assert_true(netdev_frame_add(&frame, content, 1000, NULL));
	assert_true(netdev_frame_add(&frame, content + 1000, 2000, NULL)); /* adjacent */
	assert_true(netdev_frame_add(&frame, chunk->data, 500, chunk));
	assert_int_equal(dev->ops->send(dev, &frame), KILN_OK);
	assert_int_equal(chunk->refs, 2);
	dev->ops->flush(dev);
	head = device_take(TX);
	table = (struct virtq_descriptor *)(void *)at(q->descriptors[head].address);
	assert_int_equal(q->descriptors[head].size, 3 * sizeof(*table));
	assert_int_equal(table[0].size, 12 + 54);
	assert_int_equal(at(table[0].address)[12], 0x11);
	assert_ptr_equal(at(table[1].address), content);
	assert_int_equal(table[1].size, 3000);
	assert_ptr_equal(at(table[2].address), chunk->data);
	device_return(TX, head, 0);
	dev->ops->poll(dev, 64);
	assert_int_equal(chunk->refs, 1);
	image_free(image);
}

static void test_net_full(void **state)
{
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);
	struct netdev_frame frame;
	unsigned sent = 0, notified = device.notified[TX];

	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 60), 0, 60);
	while (dev->ops->send(dev, &frame) == KILN_OK)
		assert_true(++sent <= SEND_MOST);
	assert_true(sent >= SEND_LEAST);
	assert_int_equal(dev->counters.tx_dropped, 1);
	assert_int_equal(device.notified[TX], notified + 1); /* it was asked to hurry */
	assert_true(of(dev)->starved);
	device_return(TX, device_take(TX), 0);
	assert_int_equal(dev->ops->send(dev, &frame), KILN_OK);
	image_free(image);
}

/* A page that is touched for the first time costs a guest tens of us. */
static void test_net_leaves_slots_alone(void **state)
{
	static const struct send_slot untouched;
	struct image *image = image_new(NET_ALL);
	struct netdev *dev = net_new(image);
	struct virtio_net *net = of(dev);
	struct netdev_frame frame;

	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 60), 1, 60);
	for (unsigned i = 0; i < 3 * SEND_MOST; i++) {
		assert_int_equal(dev->ops->send(dev, &frame), KILN_OK);
		dev->ops->flush(dev);
		device_return(TX, device_take(TX), 0);
		dev->ops->poll(dev, 64);
	}
	assert_memory_not_equal(&net->slots[0], &untouched, sizeof(untouched));
	for (unsigned i = 1; i < net->slot_count; i++)
		assert_memory_equal(&net->slots[i], &untouched, sizeof(untouched));
	image_free(image);
}

/* A device that writes anything into its rings, at any time. */
static void test_net_storm(void **state)
{
	srand(1);
	for (unsigned round = 0; round < 300; round++) {
		struct image *image = image_new(NET_ALL & ~(uint64_t)rand());
		struct netdev *dev = net_new(image);
		struct netdev_frame frame;
		netdev_frame_init(&frame);
		memset(netdev_frame_push(&frame, 60), 0, 60);
		for (unsigned i = 0; i < 200; i++) {
			struct virtqueue *q = device.queues[rand() % 2];
			struct virtq_used_entry *entry =
			    (struct virtq_used_entry *)(uintptr_t)&q->used
			        ->ring[q->used->index & (q->size - 1)];
			if (rand() % 8)
				*entry = (struct virtq_used_entry){
				    (uint32_t)rand() % (rand() % 50 ? q->size : 1u << 20),
				    (uint32_t)rand() % (rand() % 50 ? 2000 : 1u << 20)};
			q->used->index =
			    (uint16_t)(q->used->index + (rand() % 99 ? 1 : 2));
			for (unsigned j = 0; j < 12; j++)
				of(dev)->region[(size_t)(rand() % 64) * 2048 + j] =
				    (uint8_t)(rand() % 3);
			(void)!dev->ops->send(dev, &frame);
			dev->ops->flush(dev);
			dev->ops->poll(dev, 16);
		}
		image_free(image);
	}
}

/* ---- the disk ---- */

static unsigned ended;

static void on_done(struct block_request *request)
{
	ended++;
}

static struct block *disk_new(struct image *image)
{
	static const struct kiln_device name = {KILN_DEVICE_BLOCK, "disk0"};

	ended = 0;
	return vm_target_block(&image->kiln, &name);
}

static struct loop_source *source_of(struct image *image)
{
	return kiln_container(image->kiln.loop.sources.next, struct loop_source, node);
}

/* Answers the next request: its status, and how much it says it wrote. */
static void answer(uint8_t status, uint32_t written)
{
	struct virtqueue *q = device.queues[0];
	uint16_t head = device_take(0);
	struct virtq_descriptor *table =
	    (struct virtq_descriptor *)(void *)at(q->descriptors[head].address);
	unsigned parts = q->descriptors[head].size / sizeof(*table);

	*at(table[parts - 1].address) = status;
	device_return(0, head, written);
}

static void test_disk_results(void **state)
{
	static const struct {
		enum block_kind kind;
		uint8_t status;
		uint32_t written;
		enum kiln_error error;
	} cases[] = {
	    {BLOCK_READ, 0, 513, KILN_OK},
	    {BLOCK_READ, 0, 1, KILN_ERR_IO}, /* read nothing, and calls it good */
	    {BLOCK_READ, 1, 513, KILN_ERR_IO},
	    {BLOCK_WRITE, 0, 1, KILN_OK},
	    {BLOCK_WRITE, 1, 1, KILN_ERR_IO},
	    {BLOCK_WRITE, 0xff, 1, KILN_ERR_IO}, /* status not written */
	    {BLOCK_FLUSH, 0, 1, KILN_OK},
	    {BLOCK_FLUSH, 2, 1, KILN_ERR_UNSUPPORTED},
	};
	struct image *image = image_new(BLK_F_FLUSH | VIRTIO_F_INDIRECT);
	struct block *disk = disk_new(image);
	static uint8_t data[512];

	assert_int_equal(disk->sectors, 4096);
	for (unsigned i = 0; i < KILN_COUNT_OF(cases); i++) {
		struct block_request request = {
		    .kind = cases[i].kind, .data = data, .sectors = 1, .done = on_done};
		list_init(&request.node);
		disk->ops->submit(disk, &request);
		answer(cases[i].status, cases[i].written);
		assert_int_equal(source_of(image)->poll(source_of(image), 64), 1);
		assert_int_equal(request.error, cases[i].error);
	}
	assert_int_equal(ended, KILN_COUNT_OF(cases));
	image_free(image);
}

static void test_disk_queues(void **state)
{
	enum { MANY = 100 };
	struct image *image = image_new(VIRTIO_F_INDIRECT);
	struct block *disk = disk_new(image);
	static struct block_request requests[MANY];
	static uint8_t data[512];

	for (unsigned i = 0; i < MANY; i++) {
		requests[i] = (struct block_request){
		    .kind = BLOCK_WRITE, .data = data, .sectors = 1, .done = on_done};
		list_init(&requests[i].node);
		disk->ops->submit(disk, &requests[i]);
	}
	for (unsigned i = 0; i < MANY; i++) {
		answer(0, 1);
		assert_int_equal(source_of(image)->poll(source_of(image), 64), 1);
		assert_int_equal(requests[i].error, KILN_OK);
	}
	assert_int_equal(ended, MANY);
	image_free(image);
}

/* Without the feature a device writes through, and is never asked. */
static void test_disk_writes_through(void **state)
{
	struct image *image = image_new(VIRTIO_F_INDIRECT);
	struct block *disk = disk_new(image);
	struct block_request request = {.kind = BLOCK_FLUSH, .done = on_done};

	list_init(&request.node);
	disk->ops->submit(disk, &request);
	assert_int_equal(ended, 1);
	assert_int_equal(request.error, KILN_OK);
	assert_int_equal(device.queues[0]->outstanding, 0);
	image_free(image);
}

static void test_disk_broken(void **state)
{
	enum { MANY = 50 };
	struct image *image = image_new(VIRTIO_F_INDIRECT);
	struct block *disk = disk_new(image);
	static struct block_request requests[MANY];
	static uint8_t data[512];

	for (unsigned i = 0; i < MANY; i++) {
		requests[i] = (struct block_request){
		    .kind = BLOCK_READ, .data = data, .sectors = 1, .done = on_done};
		list_init(&requests[i].node);
		disk->ops->submit(disk, &requests[i]);
	}
	device_return(0, 77, 0);
	device_return(0, 1u << 20, 0);
	source_of(image)->poll(source_of(image), 64);
	assert_int_equal(ended, MANY);
	assert_int_equal(device.resets, 1);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(requests[i].error, KILN_ERR_IO);
	/* And so does every later one. */
	disk->ops->submit(disk, &requests[0]);
	source_of(image)->poll(source_of(image), 64);
	assert_int_equal(ended, MANY + 1);
	image_free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_returns_in_any_order),
	    cmocka_unit_test(test_chain_direct),
	    cmocka_unit_test(test_chain_indirect),
	    cmocka_unit_test(test_hostile_entries),
	    cmocka_unit_test(test_hostile_index),
	    cmocka_unit_test(test_hostile_twice),
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_flags),
	    cmocka_unit_test(test_net_facts),
	    cmocka_unit_test(test_net_receives),
	    cmocka_unit_test(test_net_receives_jumbo),
	    cmocka_unit_test(test_net_receives_unmerged),
	    cmocka_unit_test(test_net_founds_features),
	    cmocka_unit_test(test_net_receives_with_little_memory),
	    cmocka_unit_test(test_net_merges_in_place),
	    cmocka_unit_test(test_net_distrusts_offloads),
	    cmocka_unit_test(test_net_bad_headers),
	    cmocka_unit_test(test_net_waits_for_the_rest),
	    cmocka_unit_test(test_net_sends_in_place),
	    cmocka_unit_test(test_net_full),
	    cmocka_unit_test(test_net_leaves_slots_alone),
	    cmocka_unit_test(test_net_storm),
	    cmocka_unit_test(test_disk_results),
	    cmocka_unit_test(test_disk_queues),
	    cmocka_unit_test(test_disk_writes_through),
	    cmocka_unit_test(test_disk_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
