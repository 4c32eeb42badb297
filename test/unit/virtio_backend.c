/*
 * The KVM monitor's devices against a hostile driver: every way of breaking the rings or
 * misusing the registers is named in a fault, and nothing outside the guest's memory is
 * touched (it is a heap block of exact size, which the sanitizers watch). And against a
 * good one: frames, sectors, random bytes and texts arrive where they should.
 */
#include "virtio_rig.h"

static void expect_fault(struct rig *rig, const char *part)
{
	const char *fault = rig->u.device.fault;

	if (!fault || !strstr(fault, part))
		fail_msg("fault is '%s', not '...%s...'", fault ? fault : "none", part);
	done(rig);
}

/* A transmit queue with the descriptors that `lay` writes, the chain beginning at 0. */
static void expect_ring_fault(void (*lay)(struct rig *rig), const char *part)
{
	struct rig rig;

	make_net(&rig);
	start(&rig, NET_TRANSMIT, VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	lay(&rig);
	if (rig.posted == 0)
		post(&rig, 0);
	poke(&rig, VIRTIO_MMIO_QUEUE_NOTIFY, NET_TRANSMIT);
	expect_fault(&rig, part);
}

/* ---- hostile rings ---- */

static void lay_loop(struct rig *rig)
{
	describe(rig, DESC, 0, BUFFER, 16, NEXT, 1);
	describe(rig, DESC, 1, BUFFER, 16, NEXT, 0);
}

static void lay_beyond(struct rig *rig)
{
	describe(rig, DESC, 0, MEMORY - 8, 16, 0, 0);
}

static void lay_wrap(struct rig *rig)
{
	describe(rig, DESC, 0, UINT64_MAX - 7, 16, 0, 0);
}

static void lay_far(struct rig *rig)
{
	describe(rig, DESC, 0, (uint64_t)MEMORY << 20, 16, 0, 0);
}

static void lay_long(struct rig *rig)
{
	describe(rig, DESC, 0, BUFFER, UINT32_MAX, 0, 0);
}

static void lay_sealed(struct rig *rig)
{
	describe(rig, DESC, 0, BUFFER, 16, NEXT, 1);
	describe(rig, DESC, 1, SEALED - 8, 16, WRITE, 0);
}

static void lay_head(struct rig *rig)
{
	post(rig, QUEUE);
}

static void lay_next(struct rig *rig)
{
	describe(rig, DESC, 0, BUFFER, 16, NEXT, QUEUE);
}

static void lay_jump(struct rig *rig)
{
	((uint16_t *)(rig->memory.base + AVAIL))[1] = QUEUE + 1;
	rig->posted = 1;
}

static void lay_backwards(struct rig *rig)
{
	((uint16_t *)(rig->memory.base + AVAIL))[1] = 0xffff;
	rig->posted = 1;
}

static void lay_order(struct rig *rig)
{
	describe(rig, DESC, 0, BUFFER, 16, NEXT | WRITE, 1);
	describe(rig, DESC, 1, BUFFER, 16, 0, 0);
}

static void lay_nested(struct rig *rig)
{
	describe(rig, DESC, 0, TABLE, 32, INDIRECT, 0);
	describe(rig, TABLE, 0, TABLE, 32, INDIRECT, 0);
}

static void lay_indirect_next(struct rig *rig)
{
	describe(rig, DESC, 0, TABLE, 32, INDIRECT | NEXT, 1);
}

static void lay_indirect_size(struct rig *rig)
{
	describe(rig, DESC, 0, TABLE, 24, INDIRECT, 0);
}

static void lay_indirect_empty(struct rig *rig)
{
	describe(rig, DESC, 0, TABLE, 0, INDIRECT, 0);
}

static void lay_indirect_large(struct rig *rig)
{
	describe(rig, DESC, 0, TABLE, 16 * (QUEUE + 1), INDIRECT, 0);
}

static void lay_indirect_beyond(struct rig *rig)
{
	describe(rig, DESC, 0, MEMORY - 16, 32, INDIRECT, 0);
}

static void lay_indirect_loop(struct rig *rig)
{
	describe(rig, DESC, 0, TABLE, 32, INDIRECT, 0);
	describe(rig, TABLE, 0, BUFFER, 16, NEXT, 1);
	describe(rig, TABLE, 1, BUFFER, 16, NEXT, 0);
}

/* A chain of direct descriptors and then a full table: more parts than the queue has. */
static void lay_too_many(struct rig *rig)
{
	describe(rig, DESC, 0, BUFFER, 16, NEXT, 1);
	describe(rig, DESC, 1, TABLE, 16 * QUEUE, INDIRECT, 0);
	for (unsigned i = 0; i < QUEUE; i++)
		describe(rig, TABLE, i, BUFFER, 16, i + 1 < QUEUE ? NEXT : 0,
		         (uint16_t)(i + 1));
}

static void hostile_rings_are_named(void **state)
{
	expect_ring_fault(lay_loop, "queue 1: a descriptor chain loops");
	expect_ring_fault(lay_beyond, "a buffer to read is not in memory");
	expect_ring_fault(lay_wrap, "a buffer to read is not in memory");
	expect_ring_fault(lay_far, "a buffer to read is not in memory");
	expect_ring_fault(lay_long, "a buffer to read is not in memory");
	expect_ring_fault(lay_sealed, "a buffer to write is not in writable memory");
	expect_ring_fault(lay_head, "a descriptor index is outside its table");
	expect_ring_fault(lay_next, "a descriptor index is outside its table");
	expect_ring_fault(lay_jump, "the available index jumped");
	expect_ring_fault(lay_backwards, "the available index jumped");
	expect_ring_fault(lay_order, "a readable buffer follows a writable one");
}

/*
 * A request that reads the disk over its own header and the available ring: every sector
 * names the next one, and makes the request available once more.
 */
static void a_ring_that_feeds_itself_ends(void **state)
{
	enum { SECTORS = 4 * QUEUE, REQUEST = 16 };
	struct rig rig;

	make_block(&rig, false);
	rig.u.block.sectors = SECTORS;
	for (unsigned i = 0; i < SECTORS; i++) {
		uint16_t sector[SECTOR / 2] = {0};
		struct virtio_blk_outhdr request = {.type = VIRTIO_BLK_T_IN,
		                                    .sector = i + 1};
		memcpy(sector, &request, REQUEST);
		sector[REQUEST / 2 + AVAIL_IDX] = (uint16_t)(i + 2);
		assert_int_equal(
		    pwrite(rig.u.block.fd, sector, SECTOR, (off_t)i * SECTOR), SECTOR);
	}
	start(&rig, 0, 0);
	describe(&rig, DESC, 0, BUFFER, REQUEST, NEXT, 1);
	describe(&rig, DESC, 1, BUFFER, REQUEST, NEXT | WRITE, 2);
	describe(&rig, DESC, 2, AVAIL, SECTOR - REQUEST, NEXT | WRITE, 3);
	describe(&rig, DESC, 3, BUFFER + REQUEST, 1, WRITE, 0);
	post(&rig, 0);
	virtio_serve(&rig.u.device);
	expect_fault(&rig, "the available index jumped");
}

static void hostile_indirect_tables_are_named(void **state)
{
	expect_ring_fault(lay_nested, "indirect descriptors are nested");
	expect_ring_fault(lay_indirect_next, "an indirect descriptor has a successor");
	expect_ring_fault(lay_indirect_size, "an indirect table has a wrong size");
	expect_ring_fault(lay_indirect_empty, "an indirect table has a wrong size");
	expect_ring_fault(lay_indirect_large, "an indirect table has a wrong size");
	expect_ring_fault(lay_indirect_beyond, "an indirect table is not in memory");
	expect_ring_fault(lay_indirect_loop, "a descriptor chain loops");
	expect_ring_fault(lay_too_many, "a descriptor chain is longer than the queue");
}

static void expect_queue_fault(uint32_t size, uint64_t desc, uint64_t avail,
                               uint64_t used, const char *part)
{
	struct rig rig;

	make_net(&rig);
	negotiate(&rig, 0);
	queue_up(&rig, 0, size, desc, avail, used);
	expect_fault(&rig, part);
}

static void queues_that_cannot_be_are_named(void **state)
{
	expect_queue_fault(0, DESC, AVAIL, USED, "power of two");
	expect_queue_fault(12, DESC, AVAIL, USED, "power of two");
	expect_queue_fault(512, DESC, AVAIL, USED, "power of two");
	expect_queue_fault(UINT32_MAX, DESC, AVAIL, USED, "power of two");
	expect_queue_fault(QUEUE, DESC + 8, AVAIL, USED, "not aligned");
	expect_queue_fault(QUEUE, DESC, AVAIL + 1, USED, "not aligned");
	expect_queue_fault(QUEUE, DESC, AVAIL, USED + 2, "not aligned");
	expect_queue_fault(QUEUE, MEMORY - 16, AVAIL, USED, "not in writable memory");
	expect_queue_fault(QUEUE, DESC, MEMORY - 16, USED, "not in writable memory");
	expect_queue_fault(QUEUE, DESC, AVAIL, MEMORY - 16, "not in writable memory");
	expect_queue_fault(QUEUE, UINT64_MAX - 15, AVAIL, USED, "not in writable memory");
	/* The used ring is what a device writes: never below the seal. */
	expect_queue_fault(QUEUE, DESC, AVAIL, SEALED - 4, "not in writable memory");
}

/* ---- registers ---- */

static void odd_register_accesses_are_named(void **state)
{
	static const uint8_t data[8];
	static const uint32_t read_only[] = {
	    VIRTIO_MMIO_MAGIC_VALUE,   VIRTIO_MMIO_DEVICE_FEATURES,
	    VIRTIO_MMIO_QUEUE_NUM_MAX, 0x054,
	    VIRTIO_MMIO_CONFIG,        4092};
	struct rig rig;

	for (uint32_t size = 1; size <= 8; size++) {
		if (size == 4)
			continue;
		make_random(&rig);
		virtio_write(&rig.u.device, VIRTIO_MMIO_STATUS, size, data);
		expect_fault(&rig, "written that is not 4 aligned bytes");
	}
	make_random(&rig);
	virtio_write(&rig.u.device, VIRTIO_MMIO_STATUS + 2, 4, data);
	expect_fault(&rig, "written that is not 4 aligned bytes");
	for (unsigned i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		make_random(&rig);
		poke(&rig, read_only[i], 0);
		expect_fault(&rig, "written that cannot be");
	}
}

static void the_driver_sees_the_device(void **state)
{
	struct rig rig;
	uint64_t sectors;

	make_block(&rig, true);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BLOCK);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_QUEUE_NUM_MAX), VIRTQUEUE_SIZE);
	memcpy(&sectors, &rig.registers[VIRTIO_MMIO_CONFIG / 4], sizeof(sectors));
	assert_int_equal(sectors, 8);
	assert_true(peek(&rig, VIRTIO_MMIO_DEVICE_FEATURES) &
	            VIRTIO_FEATURE(VIRTIO_BLK_F_RO));
	poke(&rig, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_DEVICE_FEATURES) & 1, 1);
	poke(&rig, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_DEVICE_FEATURES), 0);
	done(&rig);
}

static void queue_registers_are_guarded(void **state)
{
	struct rig rig;

	make_random(&rig);
	poke(&rig, VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	poke(&rig, VIRTIO_MMIO_QUEUE_NUM, 8);
	expect_fault(&rig, "a queue was set up that does not exist");
	make_random(&rig);
	poke(&rig, VIRTIO_MMIO_QUEUE_SEL, UINT32_MAX);
	poke(&rig, VIRTIO_MMIO_QUEUE_READY, 1);
	expect_fault(&rig, "a queue was set up that does not exist");
	make_random(&rig);
	start(&rig, 0, 0);
	poke(&rig, VIRTIO_MMIO_QUEUE_NUM, 8);
	expect_fault(&rig, "a queue was changed while it was in use");
}

/* Receive buffers are held over: were their ring to shrink, move or stop under them, the
 * next frame would be reported to where the ring was not checked to be. */
static void running_queues_stay_as_they_are(void **state)
{
	static const uint32_t steps[][2] = {{VIRTIO_MMIO_QUEUE_READY, 0},
	                                    {VIRTIO_MMIO_QUEUE_READY, 1},
	                                    {VIRTIO_MMIO_STATUS, 11}};
	uint8_t frame[HEADER + 60] = {0};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct rig rig;

		make_net(&rig);
		start(&rig, NET_RECEIVE, VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF));
		describe(&rig, DESC, 0, BUFFER, 2048, WRITE, 0);
		post(&rig, 0);
		virtio_receive(&rig.u.device);
		poke(&rig, steps[i][0], steps[i][1]);
		poke(&rig, VIRTIO_MMIO_QUEUE_NUM, 0);
		poke(&rig, VIRTIO_MMIO_STATUS, 15);
		assert_int_equal(write(rig.peer, frame, sizeof(frame)), sizeof(frame));
		virtio_receive(&rig.u.device);
		assert_int_equal(used_index(&rig), 0);
		expect_fault(&rig, steps[i][0] == VIRTIO_MMIO_STATUS
		                       ? "took back a part of its status"
		                       : "a queue was changed while it was in use");
	}
}

static void features_are_settled_before_start(void **state)
{
	struct rig rig;

	make_random(&rig);
	negotiate(&rig, VIRTIO_FEATURE(40));
	assert_int_equal(peek(&rig, VIRTIO_MMIO_STATUS), 3);
	poke(&rig, VIRTIO_MMIO_STATUS, 7);
	expect_fault(&rig, "before features were settled");
	make_random(&rig);
	negotiate(&rig, VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(peek(&rig, VIRTIO_MMIO_STATUS), 11);
	poke(&rig, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(peek(&rig, VIRTIO_MMIO_STATUS), 0);
	assert_null(rig.u.device.fault);
	done(&rig);
}

/* ---- a good driver ---- */

static void frames_are_sent_in_parts(void **state)
{
	struct rig rig;
	char got[64];

	make_net(&rig);
	start(&rig, NET_TRANSMIT, VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	strcpy((char *)rig.memory.base + BUFFER + HEADER, "a frame, ");
	strcpy((char *)rig.memory.base + 100, "from constants");
	describe(&rig, DESC, 3, TABLE, 32, INDIRECT, 0);
	describe(&rig, TABLE, 0, BUFFER, HEADER + 9, NEXT, 1);
	describe(&rig, TABLE, 1, 100, 15, 0, 0);
	post(&rig, 3);
	virtio_serve(&rig.u.device);
	assert_null(rig.u.device.fault);
	assert_int_equal(read(rig.peer, got, sizeof(got)), HEADER + 24);
	assert_string_equal(got + HEADER, "a frame, from constants");
	assert_int_equal(used_index(&rig), 1);
	assert_int_equal(used_at(&rig, 0).id, 3);
	assert_false(rig.u.device.wake); /* a sent frame is no news */
	done(&rig);
}

/* `count` receive buffers of 2,048 bytes. */
static void post_rooms(struct rig *rig, unsigned count)
{
	for (uint16_t i = 0; i < count; i++) {
		describe(rig, DESC, i, BUFFER + 2048u * i, 2048, WRITE, 0);
		post(rig, i);
	}
}

/* One visit takes as many frames as there is room for, whether buffers are merged or not. */
static void frames_of_the_mtu_come_together(void **state)
{
	static const uint64_t merging[] = {0, VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF)};
	static const uint8_t frame[HEADER + 1514];

	for (unsigned i = 0; i < sizeof(merging) / sizeof(merging[0]); i++) {
		struct rig rig;

		make_net(&rig);
		start(&rig, NET_RECEIVE, merging[i]);
		post_rooms(&rig, 8);
		for (unsigned n = 0; n < 9; n++)
			assert_int_equal(write(rig.peer, frame, sizeof(frame)),
			                 sizeof(frame));
		virtio_receive(&rig.u.device);
		assert_null(rig.u.device.fault);
		assert_int_equal(used_index(&rig), 8);
		assert_int_equal(used_at(&rig, 7).len, sizeof(frame));
		assert_true(rig.u.device.starved);
		done(&rig);
	}
}

static void the_tap_is_asked_for_what_the_driver_takes(void **state)
{
	static const uint64_t large = VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
	                              VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	static const struct {
		uint64_t accepted;
		unsigned offloads;
	} cases[] = {
	    {VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM), TUN_F_CSUM},
	    {large, TUN_F_CSUM | TUN_F_TSO4},
	    {large | VIRTIO_FEATURE(FEATURE_GUEST_USO4), TUN_F_CSUM | TUN_F_TSO4},
	    {large | VIRTIO_FEATURE(FEATURE_GUEST_USO4) |
	         VIRTIO_FEATURE(FEATURE_GUEST_USO6),
	     TUN_F_CSUM | TUN_F_TSO4 | TUN_USO},
	    {VIRTIO_FEATURE(VIRTIO_NET_F_CSUM) | VIRTIO_FEATURE(FEATURE_HOST_USO), 0},
	};
	struct rig rig;

	make_net_with(&rig, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_USO);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		negotiate(&rig, cases[i].accepted);
		assert_null(rig.u.device.fault);
		assert_int_equal(tap_offloads, cases[i].offloads);
	}
	negotiate(&rig, VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO6));
	expect_fault(&rig, "segments together without their checksums");
}

static void large_frames_fill_several_buffers(void **state)
{
	struct rig rig;
	uint8_t frame[HEADER + 5000];
	uint16_t buffers;

	make_net_with(&rig, TUN_F_CSUM | TUN_F_TSO4);
	start(&rig, NET_RECEIVE,
	      VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF) |
	          VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
	          VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4));
	post_rooms(&rig, 8);
	memset(frame, 'x', sizeof(frame));
	assert_int_equal(write(rig.peer, frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(write(rig.peer, frame, HEADER + 60), HEADER + 60);
	virtio_receive(&rig.u.device);
	assert_null(rig.u.device.fault);
	assert_true(rig.u.device.wake);
	/* The second waits in the tap until the driver has given buffers back. */
	assert_int_equal(used_index(&rig), 3);
	assert_int_equal(used_at(&rig, 0).len + used_at(&rig, 1).len +
	                     used_at(&rig, 2).len,
	                 sizeof(frame));
	memcpy(&buffers, rig.memory.base + BUFFER + 10, 2);
	assert_int_equal(buffers, 3);
	virtio_receive(&rig.u.device);
	assert_int_equal(used_index(&rig), 4);
	assert_int_equal(used_at(&rig, 3).len, HEADER + 60);
	memcpy(&buffers, rig.memory.base + BUFFER + 3 * 2048 + 10, 2);
	assert_int_equal(buffers, 1);
	done(&rig);
}

static void a_frame_that_does_not_fit_is_dropped(void **state)
{
	struct rig rig;
	uint8_t frame[HEADER + 1000] = {0};

	make_net(&rig);
	start(&rig, NET_RECEIVE, 0);
	describe(&rig, DESC, 0, BUFFER, HEADER, WRITE, 0);
	post(&rig, 0);
	assert_int_equal(write(rig.peer, frame, sizeof(frame)), sizeof(frame));
	virtio_receive(&rig.u.device);
	assert_null(rig.u.device.fault);
	assert_int_equal(used_index(&rig), 0);
	assert_int_equal(rig.u.net.dropped, 1);
	done(&rig);
}

static void receive_buffers_need_room_for_a_header(void **state)
{
	struct rig rig;

	make_net(&rig);
	start(&rig, NET_RECEIVE, 0);
	describe(&rig, DESC, 0, BUFFER, HEADER - 1, WRITE, 0);
	post(&rig, 0);
	virtio_receive(&rig.u.device);
	expect_fault(&rig, "room for a header");
	make_net(&rig);
	start(&rig, NET_RECEIVE, 0);
	describe(&rig, DESC, 0, BUFFER, 2048, 0, 0);
	post(&rig, 0);
	virtio_receive(&rig.u.device);
	expect_fault(&rig, "room for a header");
}

/* One request: header at BUFFER, `size` bytes of data behind it, and a status byte. */
static uint8_t block_request(struct rig *rig, uint32_t type, uint64_t sector,
                             uint32_t size, bool device_writes)
{
	struct virtio_blk_outhdr header = {.type = type, .sector = sector};
	uint8_t *status = rig->memory.base + BUFFER + 0x4000;

	*status = 0xff;
	memcpy(rig->memory.base + BUFFER, &header, sizeof(header));
	/* The header is split, as a driver may. */
	describe(rig, DESC, 0, BUFFER, 7, NEXT, 1);
	describe(rig, DESC, 1, BUFFER + 7, 9, NEXT, (uint16_t)(size ? 2 : 3));
	describe(rig, DESC, 2, BUFFER + 0x1000, size, NEXT | (device_writes ? WRITE : 0),
	         3);
	describe(rig, DESC, 3, BUFFER + 0x4000, 1, WRITE, 0);
	post(rig, 0);
	virtio_serve(&rig->u.device);
	return *status;
}

static void sectors_are_written_and_read(void **state)
{
	struct rig rig;
	uint8_t *data;

	make_block(&rig, false);
	start(&rig, 0, VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH));
	data = rig.memory.base + BUFFER + 0x1000;
	memset(data, 'w', 1024);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_OUT, 6, 1024, false), 0);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_FLUSH, 0, 0, false), 0);
	memset(data, 0, 1024);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_IN, 7, 512, true), 0);
	assert_int_equal(data[511], 'w');
	assert_int_equal(data[512], 0);
	assert_int_equal(used_at(&rig, 2).len, 513);
	assert_true(rig.u.device.wake);
	assert_null(rig.u.device.fault);
	done(&rig);
}

static void sectors_beyond_the_disk_are_refused(void **state)
{
	struct rig rig;

	make_block(&rig, false);
	start(&rig, 0, 0);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_IN, 7, 1024, true), 1);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_OUT, 8, 512, false), 1);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_IN, UINT64_MAX, 512, true), 1);
	assert_int_equal(
	    block_request(&rig, VIRTIO_BLK_T_OUT, UINT64_MAX / 512, 512, false), 1);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_IN, 0, 100, true), 1);
	assert_int_equal(block_request(&rig, 77, 0, 512, true), VIRTIO_BLK_S_UNSUPP);
	assert_null(rig.u.device.fault);
	done(&rig);
	make_block(&rig, true);
	start(&rig, 0, 0);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_OUT, 0, 512, false), 1);
	assert_int_equal(block_request(&rig, VIRTIO_BLK_T_IN, 0, 512, true), 0);
	done(&rig);
}

static void requests_without_header_or_status_are_named(void **state)
{
	struct rig rig;

	make_block(&rig, false);
	start(&rig, 0, 0);
	describe(&rig, DESC, 0, BUFFER, 15, NEXT, 1);
	describe(&rig, DESC, 1, BUFFER, 1, WRITE, 0);
	post(&rig, 0);
	virtio_serve(&rig.u.device);
	expect_fault(&rig, "no header or no status byte");
	make_block(&rig, false);
	start(&rig, 0, 0);
	describe(&rig, DESC, 0, BUFFER, 16, NEXT, 1);
	describe(&rig, DESC, 1, BUFFER, 0, WRITE, 0);
	post(&rig, 0);
	virtio_serve(&rig.u.device);
	expect_fault(&rig, "no header or no status byte");
}

static void random_bytes_fill_the_buffer(void **state)
{
	static const uint8_t zeros[32];
	struct rig rig;

	make_random(&rig);
	start(&rig, 0, 0);
	describe(&rig, DESC, 0, BUFFER, 32, WRITE, 0);
	post(&rig, 0);
	poke(&rig, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(used_at(&rig, 0).len, 32);
	assert_memory_not_equal(rig.memory.base + BUFFER, zeros, 32);
	describe(&rig, DESC, 0, BUFFER, 32, 0, 0);
	post(&rig, 0);
	poke(&rig, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	expect_fault(&rig, "no room for them");
}

static void texts_are_printed(void **state)
{
	struct rig rig;
	char got[16] = {0};
	int ends[2];

	make_memory(&rig);
	assert_int_equal(pipe(ends), 0);
	rig.peer = ends[0];
	rig.fd = ends[1];
	virtio_console_init(&rig.u.console, rig.fd, place_of(&rig));
	start(&rig, CONSOLE_TRANSMIT, 0);
	memcpy(rig.memory.base + BUFFER, "hello", 5);
	describe(&rig, DESC, 0, BUFFER, 5, 0, 0);
	post(&rig, 0);
	virtio_serve(&rig.u.device);
	assert_int_equal(read(rig.peer, got, sizeof(got)), 5);
	assert_string_equal(got, "hello");
	done(&rig);
}

/* ---- anything at all ---- */

static uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

/* Rings full of noise: mostly what could be right, so that some of it passes. */
static void scramble(struct rig *rig, uint64_t *seed)
{
	static const uint16_t flags[] = {0,        0, WRITE, WRITE, NEXT, NEXT | WRITE,
	                                 INDIRECT, 7};
	uint16_t *avail = (uint16_t *)(rig->memory.base + AVAIL);

	for (unsigned i = 0; i < QUEUE; i++) {
		uint64_t address = next_random(seed) % (MEMORY + 4096);
		uint32_t size = next_random(seed) % 64 * 16;

		if (next_random(seed) % 16 == 0)
			address = (uint64_t)next_random(seed) << 32 | next_random(seed);
		if (next_random(seed) % 16 == 0)
			size = next_random(seed);
		describe(rig, i & 1 ? DESC : TABLE, next_random(seed) % QUEUE, address,
		         size, flags[next_random(seed) % 8],
		         (uint16_t)(next_random(seed) % 18));
	}
	for (unsigned i = 0; i < QUEUE; i++)
		avail[2 + i] = (uint16_t)(next_random(seed) % 17);
	avail[1] = (uint16_t)(avail[1] + next_random(seed) % 3);
}

static void noise_never_gets_out(void **state)
{
	static const uint8_t frame[HEADER + 200];
	uint64_t seed = 1;
	unsigned faults = 0, moved = 0;

	for (unsigned round = 0; round < 3000; round++) {
		struct rig rig;
		uint8_t sink[4096];

		if (round % 3 == 0)
			make_net(&rig);
		else if (round % 3 == 1)
			make_block(&rig, false);
		else
			make_random(&rig);
		start(&rig, round % 3 == 0 ? round / 3 % 2 : 0,
		      VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
		for (unsigned i = 0; i < 20 && !rig.u.device.fault; i++) {
			scramble(&rig, &seed);
			if (round % 3 == 0)
				(void)!write(rig.peer, frame, sizeof(frame));
			virtio_serve(&rig.u.device);
			virtio_receive(&rig.u.device);
			if (round % 3 == 0)
				(void)!read(rig.peer, sink, sizeof(sink));
			if (next_random(&seed) % 4 == 0)
				poke(&rig, next_random(&seed) % 64 * 4,
				     next_random(&seed) % 16);
		}
		faults += rig.u.device.fault != NULL;
		moved += used_index(&rig) != 0;
		done(&rig);
	}
	/* The noise reached both ends of the code. */
	assert_true(faults > 100);
	assert_true(moved > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hostile_rings_are_named),
	    cmocka_unit_test(a_ring_that_feeds_itself_ends),
	    cmocka_unit_test(hostile_indirect_tables_are_named),
	    cmocka_unit_test(queues_that_cannot_be_are_named),
	    cmocka_unit_test(odd_register_accesses_are_named),
	    cmocka_unit_test(the_driver_sees_the_device),
	    cmocka_unit_test(queue_registers_are_guarded),
	    cmocka_unit_test(running_queues_stay_as_they_are),
	    cmocka_unit_test(features_are_settled_before_start),
	    cmocka_unit_test(frames_are_sent_in_parts),
	    cmocka_unit_test(frames_of_the_mtu_come_together),
	    cmocka_unit_test(the_tap_is_asked_for_what_the_driver_takes),
	    cmocka_unit_test(large_frames_fill_several_buffers),
	    cmocka_unit_test(a_frame_that_does_not_fit_is_dropped),
	    cmocka_unit_test(receive_buffers_need_room_for_a_header),
	    cmocka_unit_test(sectors_are_written_and_read),
	    cmocka_unit_test(sectors_beyond_the_disk_are_refused),
	    cmocka_unit_test(requests_without_header_or_status_are_named),
	    cmocka_unit_test(random_bytes_fill_the_buffer),
	    cmocka_unit_test(texts_are_printed),
	    cmocka_unit_test(noise_never_gets_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
