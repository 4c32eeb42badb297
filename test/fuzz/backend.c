/*
 * The KVM monitor's devices against a driver that the input spells out: registers written
 * in any order, rings and descriptors anywhere in a guest's memory, indices that jump,
 * frames that arrive meanwhile.
 *
 * A device goes on or names a fault in a sentence; it touches nothing but the guest's
 * memory (a heap block of exact size), nothing below the seal, and no sector that the
 * disk has not.
 */
#include "fuzz.h"
#define MEMORY (128 << 10)
#include "test/unit/virtio_rig.h"
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>

enum { STEPS = 100, SECTORS = 8, FILLING = 0x5a };
enum kind { NET, NET_OFFLOADS, DISK, DISK_READ_ONLY, RANDOM, CONSOLE, KINDS };

static enum kind kind;

/* ---- what the driver does ---- */

static uint64_t some_address(struct cursor *in)
{
	uint8_t choice = cursor_u8(in);
	uint64_t near = (choice >> 4) * 8u;

	switch (choice & 15) {
	case 0:
		return MEMORY - near;
	case 1:
		return SEALED - near;
	case 2:
		return near;
	case 3:
		return UINT64_MAX - near;
	case 4:
		return TABLE;
	case 5:
		return DESC + near;
	case 6:
		return USED;
	case 7:
		return (uint64_t)cursor_u32(in) << (choice >> 4);
	default:
		return BUFFER + (choice & 7) * 0x1000u + near;
	}
}

static uint32_t some_size(struct cursor *in)
{
	static const uint32_t known[] = {
	    0,          1,   4,   7,   9,   12,   16,    32,
	    48,         60,  512, 513, 528, 1024, 65562, UINT32_MAX - 15,
	    UINT32_MAX, 1500};
	uint8_t choice = cursor_u8(in);

	return choice < KILN_COUNT_OF(known) ? known[choice] : choice * 16u;
}

static void step_describe(struct rig *rig, struct cursor *in)
{
	static const uint16_t flags[] = {0,        WRITE,           NEXT, NEXT | WRITE,
	                                 INDIRECT, INDIRECT | NEXT, 7,    0xffff};
	static const uint64_t tables[] = {DESC, DESC, TABLE, MEMORY - 16 * QUEUE};
	uint8_t where = cursor_u8(in), what = cursor_u8(in);
	uint64_t address = some_address(in);
	uint32_t size = some_size(in);

	describe(rig, tables[where >> 6], where % QUEUE, address, size, flags[what & 7],
	         what >> 3);
}

/* An indirect table that ends where memory does; its last entry may go on. */
static void step_last_table(struct rig *rig, struct cursor *in)
{
	uint8_t where = cursor_u8(in), how = cursor_u8(in);
	unsigned count = 1 + where % QUEUE;
	uint32_t size = 16 * count;

	for (unsigned i = 0; i < count; i++)
		describe(rig, MEMORY - size, i, BUFFER + 16 * i, 16,
		         i + 1 < count || how & 1 ? NEXT : 0,
		         (uint16_t)(i + 1 < count ? i + 1 : count - (how >> 4)));
	describe(rig, DESC, where >> 4, MEMORY - size, size, INDIRECT, 0);
}

static void step_post(struct rig *rig, struct cursor *in)
{
	post(rig, cursor_u8(in) % (QUEUE + 1));
}

static void step_serve(struct rig *rig, struct cursor *in)
{
	virtio_serve(&rig->u.device);
}

static void step_receive(struct rig *rig, struct cursor *in)
{
	virtio_receive(&rig->u.device);
}

static void step_poke(struct rig *rig, struct cursor *in)
{
	uint8_t place = cursor_u8(in), value = cursor_u8(in);

	poke(rig, place * 4u, value == 0xff ? cursor_u32(in) : value);
}

static void step_odd_write(struct rig *rig, struct cursor *in)
{
	static const uint8_t bytes[16];

	virtio_write(&rig->u.device, cursor_u16(in), cursor_u8(in) % 16, bytes);
}

static void step_bytes(struct rig *rig, struct cursor *in)
{
	uint64_t at = some_address(in);
	size_t size = cursor_u8(in) % 64;
	struct slice bytes = cursor_bytes(in, KILN_MIN(size, cursor_left(in)));

	if (at >= SEALED && at <= MEMORY - bytes.len)
		memcpy(rig->memory.base + at, bytes.data, bytes.len);
}

/* The peer of the tap sends a frame, and reads what has come. */
static void step_peer(struct rig *rig, struct cursor *in)
{
	static uint8_t frame[70000], sink[70000];
	size_t size = cursor_u8(in);

	if (kind > NET_OFFLOADS)
		return;
	size = size < 128 ? size : (size - 127) * 540;
	(void)!write(rig->peer, frame, size);
	(void)!read(rig->peer, sink, sizeof(sink));
}

/* All the steps by which a driver brings a device up, for rings where they should be. */
static void step_start(struct rig *rig, struct cursor *in)
{
	uint8_t with = cursor_u8(in);
	uint64_t features = 0;

	if (with & 1)
		features |= VIRTIO_FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	if (with & 2)
		features |= VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX);
	if (with & 4 && kind <= NET_OFFLOADS)
		features |= VIRTIO_FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	if (with & 8 && kind == NET_OFFLOADS)
		features |= VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_CSUM);
	if (with & 16 && kind == NET_OFFLOADS)
		features |= VIRTIO_FEATURE(VIRTIO_NET_F_GUEST_TSO4);
	if (with & 32 && kind == NET_OFFLOADS)
		features |= VIRTIO_FEATURE(FEATURE_GUEST_USO4) |
		            VIRTIO_FEATURE(FEATURE_GUEST_USO6);
	if (with & 16 && kind == DISK)
		features |= VIRTIO_FEATURE(VIRTIO_BLK_F_FLUSH);
	negotiate(rig, features);
	queue_up(rig, with >> 7, QUEUE, DESC, AVAIL, USED);
	poke(rig, VIRTIO_MMIO_STATUS, 15);
	rig->posted = 0;
}

static void step_queue(struct rig *rig, struct cursor *in)
{
	uint8_t which = cursor_u8(in);
	uint64_t desc = some_address(in), avail = some_address(in),
	         used = some_address(in);

	queue_up(rig, which & 3, 1u << (which >> 4), desc, avail, used);
}

/* A request's header where some_address() can find it, in BUFFER. */
static void step_request(struct rig *rig, struct cursor *in)
{
	static const uint32_t types[] = {VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT,
	                                 VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID};
	uint8_t type = cursor_u8(in), sector = cursor_u8(in);
	struct virtio_blk_outhdr header = {
	    .type = types[type & 3],
	    .sector = sector < 16 ? sector : UINT64_MAX >> (sector & 63)};

	memcpy(rig->memory.base + BUFFER, &header, sizeof(header));
}

/* What the driver says of interrupts: its flags, and the event behind its ring. */
static void step_event(struct rig *rig, struct cursor *in)
{
	uint16_t *avail = (uint16_t *)(void *)(rig->memory.base + AVAIL);

	avail[0] = cursor_u8(in);
	avail[2 + QUEUE] = cursor_u16(in);
}

static void step_jump(struct rig *rig, struct cursor *in)
{
	((uint16_t *)(void *)(rig->memory.base + AVAIL))[1] = cursor_u16(in);
}

/* ---- a run ---- */

static int make_disk(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("disk", 0);
	FUZZ_CHECK(ftruncate(fd, 0) == 0 && ftruncate(fd, SECTORS * 512) == 0);
	return fd;
}

static void make(struct rig *rig)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	static int sink = -1;
	int ends[2];

	make_memory(rig);
	memset(rig->memory.base, FILLING, SEALED);
	rig->fd = rig->peer = -1;
	switch (kind) {
	case NET:
	case NET_OFFLOADS:
		FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) ==
		           0);
		rig->fd = ends[0];
		rig->peer = ends[1];
		virtio_net_init(&rig->u.net, "net0", rig->fd,
		                kind == NET_OFFLOADS ? TUN_F_CSUM | TUN_F_TSO4 | TUN_USO
		                                     : 0,
		                mac, 1500, place_of(rig));
		break;
	case DISK:
	case DISK_READ_ONLY:
		virtio_block_init(&rig->u.block, "disk0", make_disk(), SECTORS * 512,
		                  kind == DISK_READ_ONLY, place_of(rig));
		break;
	case RANDOM:
		virtio_random_init(&rig->u.device, place_of(rig));
		break;
	default:
		if (sink < 0)
			sink = open("/dev/null", O_WRONLY);
		virtio_console_init(&rig->u.console, sink, place_of(rig));
	}
}

static void check(const struct rig *rig)
{
	const struct virtio_device *d = &rig->u.device;
	struct stat disk;

	for (unsigned i = 0; i < SEALED; i++)
		FUZZ_CHECK(rig->memory.base[i] == FILLING);
	if (kind == DISK || kind == DISK_READ_ONLY)
		FUZZ_CHECK(fstat(rig->u.block.fd, &disk) == 0 &&
		           disk.st_size == SECTORS * 512);
	FUZZ_CHECK(!d->fault ||
	           (strlen(d->fault) > 10 && strlen(d->fault) < sizeof(d->fault_text)));
	FUZZ_REACH(d->fault && strstr(d->fault, "queue"), "a queue's fault");
	FUZZ_REACH(d->fault && !strstr(d->fault, "queue"), "a device's fault");
	FUZZ_REACH(d->fault && strstr(d->fault, "loops"), "a chain that loops");
	FUZZ_REACH(d->fault && strstr(d->fault, "indirect"), "a bad indirect table");
	uint16_t used = used_index((struct rig *)(uintptr_t)rig);
	FUZZ_REACH(used && kind <= NET_OFFLOADS && d->wake, "a frame received");
	FUZZ_REACH(used && kind <= NET_OFFLOADS && !d->wake, "a frame sent");
	FUZZ_REACH(used > 1 && kind <= NET_OFFLOADS && d->wake,
	           "several buffers or frames received");
	FUZZ_REACH(d->fault && strstr(d->fault, "checksums"),
	           "segments without checksums");
	FUZZ_REACH(used && kind == DISK, "a request done");
	FUZZ_REACH(used && kind == RANDOM, "random bytes given");
	FUZZ_REACH(used && kind == CONSOLE, "a text printed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct rig *, struct cursor *) = {
	    step_describe, step_describe, step_post,      step_serve,      step_receive,
	    step_poke,     step_bytes,    step_peer,      step_start,      step_queue,
	    step_request,  step_jump,     step_odd_write, step_last_table, step_event};
	struct cursor in = cursor_of(slice_of(data, size));
	struct rig rig;

	kind = cursor_u8(&in) % KINDS;
	make(&rig);
	/* After a fault the monitor ends the guest. */
	for (unsigned i = 0; i < STEPS && cursor_left(&in) && !rig.u.device.fault; i++)
		steps[cursor_u8(&in) % KILN_COUNT_OF(steps)](&rig, &in);
	check(&rig);
	done(&rig);
	return 0;
}
