/*
 * The guest's network driver against the KVM monitor's device, on the same rings: what either
 * believes of the other is put to the test without a hypervisor. The guest's memory is a heap
 * block of exact size; a register write is a call; the tap is a socket.
 *
 * A visit is what an exit would be: the guest waits, and the device works off its rings.
 */
#define MEMORY (4 << 20) /* the least with which large frames are taken */

/* Both sides have these, or the library has. */
#define virtqueue         guest_virtqueue
#define virtqueue_publish guest_virtqueue_publish
#define virtio_device     guest_device
#define virtio_net        guest_net
#define describe          guest_describe
#define target_netdev     guest_netdev
#define kiln_log          test_log
#include "target/vm/virtio_net.c"
#include "target/vm/virtio_net_start.c"
#include "target/vm/virtqueue.c"
typedef struct virtio_device guest_device_type;
typedef struct virtqueue guest_queue_type;
typedef struct virtio_net guest_net_type;
static const uint64_t guest_version = VIRTIO_F_VERSION_1;
#undef virtqueue
#undef virtqueue_publish
#undef virtio_device
#undef virtio_net
#undef describe
#undef VIRTIO_F_VERSION_1
#include "virtio_rig.h"

struct vm vm;
static struct rig rig;
static uint64_t withheld; /* features that the device is not to have */
static struct kiln kiln;
static struct kiln_boot boot;
static struct netdev *netdev;
static unsigned visits;

/* ---- registers ---- */

bool virtio_find(guest_device_type *d, const struct kiln_boot_device *from,
                 uint32_t virtio_id)
{
	assert_int_equal(peek(&rig, VIRTIO_MMIO_DEVICE_ID), virtio_id);
	d->features = rig.u.device.offered & ~withheld;
	return true;
}

bool virtio_agree(guest_device_type *d, uint64_t wanted)
{
	d->features &= wanted | guest_version;
	negotiate(&rig, d->features);
	return peek(&rig, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

void virtio_start(guest_device_type *d)
{
	poke(&rig, VIRTIO_MMIO_STATUS, 15);
}

unsigned virtio_queue_most(const guest_device_type *d, unsigned number)
{
	poke(&rig, VIRTIO_MMIO_QUEUE_SEL, number);
	return peek(&rig, VIRTIO_MMIO_QUEUE_NUM_MAX);
}

static uint64_t physical(const volatile void *ring)
{
	return vm_physical((const void *)(uintptr_t)ring);
}

void virtio_queue_start(const guest_device_type *d, const guest_queue_type *q)
{
	queue_up(&rig, q->number, q->size, physical(q->descriptors),
	         physical(q->available), physical(q->used));
}

void virtio_notify(const guest_device_type *d, unsigned number)
{
	visits++;
	poke(&rig, VIRTIO_MMIO_QUEUE_NOTIFY, number);
}

uint8_t virtio_config8(const guest_device_type *d, unsigned offset)
{
	return ((const uint8_t *)rig.registers)[VIRTIO_MMIO_CONFIG + offset];
}

uint16_t virtio_config16(const guest_device_type *d, unsigned offset)
{
	uint16_t value;

	memcpy(&value, (const uint8_t *)rig.registers + VIRTIO_MMIO_CONFIG + offset, 2);
	return value;
}

/* ---- the image ---- */

const struct kiln_boot_device *vm_device(uint32_t type, const char *name)
{
	return &boot.devices[0];
}

void test_log(struct kiln *k, enum log_level level, const char *library,
              const char *format, ...)
{
}

static uint8_t expected(size_t i)
{
	return (uint8_t)(i % 251);
}

static struct {
	unsigned frames;
	size_t bytes;
	struct netdev_offload offload; /* the last one's */
} received;

static void on_receive(void *stack, struct slice frame,
                       const struct netdev_offload *offload)
{
	for (size_t i = 0; i < frame.len; i++)
		assert_int_equal(frame.data[i], expected(i));
	received.frames++;
	received.bytes += frame.len;
	received.offload = *offload;
}

static void begin(uint64_t without)
{
	static const struct kiln_device name = {KILN_DEVICE_NET, "net0"};
	static uint64_t control; /* as under the monitor: no notices but of full rings */

	make_net_with(&rig, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_USO);
	withheld = without;
	boot = (struct kiln_boot){.memory_size = MEMORY - SEALED,
	                          .physical_offset = (uintptr_t)rig.memory.base};
	arena_init(&kiln.arena, rig.memory.base + SEALED, MEMORY - SEALED);
	vm = (struct vm){.kiln = &kiln, .boot = &boot, .control = &control};
	list_init(&vm.waiters);
	memset(&received, 0, sizeof(received));
	visits = 0;
	netdev = guest_netdev(&kiln, &name);
	assert_non_null(netdev);
	netdev->receive = on_receive;
}

static const guest_net_type *driver(void)
{
	return of(netdev);
}

static void end(void)
{
	assert_null(rig.u.device.fault);
	assert_false(driver()->receive.broken || driver()->transmit.broken);
	done(&rig);
}

/* The guest does what there is to do, and waits. False if that would last. */
static bool visit(void)
{
	bool ready = false;

	while (netdev->ops->poll(netdev, 64))
		;
	netdev->ops->flush(netdev);
	list_each (node, &vm.waiters) {
		struct vm_waiter *waiter = kiln_container(node, struct vm_waiter, node);
		ready = waiter->arm(waiter) || ready;
	}
	assert_false(ready);
	visits++;
	rig.u.device.wake = false;
	virtio_serve(&rig.u.device);
	virtio_receive(&rig.u.device);
	return rig.u.device.wake;
}

/* ---- the tap's other side ---- */

static bool arrive(size_t size, uint8_t gso_type)
{
	static uint8_t frame[HEADER + FRAME_MOST];
	struct virtio_net_hdr header = {.gso_type = gso_type};

	memset(frame, 0, HEADER);
	memcpy(frame, &header, sizeof(header));
	for (size_t i = 0; i < size; i++)
		frame[HEADER + i] = expected(i);
	return write(rig.peer, frame, HEADER + size) == (ssize_t)(HEADER + size);
}

/* `count` frames, as fast as the socket takes them. */
static void pass_in(unsigned count, size_t size)
{
	for (unsigned sent = 0; received.frames < count;) {
		while (sent < count && arrive(size, 0))
			sent++;
		(void)visit();
		while (netdev->ops->poll(netdev, 64))
			;
		if (rig.u.device.fault)
			fail_msg("%s", rig.u.device.fault);
	}
	assert_int_equal(received.frames, count);
	assert_int_equal(received.bytes, count * size);
}

/* ---- the tests ---- */

static const uint64_t NO_LARGE =
    NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_USO4 | NET_F_GUEST_USO6;

static void they_agree_on_all_there_is(void **state)
{
	begin(0);
	assert_true(driver()->device.features == rig.u.device.offered);
	assert_int_equal(tap_offloads, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_USO);
	assert_int_equal(netdev->features, NETDEV_TX_CSUM | NETDEV_TX_TSO4 |
	                                       NETDEV_TX_TSO6 | NETDEV_TX_USO |
	                                       NETDEV_RX_CSUM | NETDEV_RX_GSO);
	end();
}

/* Whatever the device has: frames of all sizes that it may pass on. */
static void frames_arrive(void **state)
{
	static const uint64_t without[] = {
	    0,        NET_F_MRG_RXBUF,  VIRTIO_F_EVENT,
	    NO_LARGE, NET_F_GUEST_CSUM, NET_F_MRG_RXBUF | VIRTIO_F_EVENT};

	for (unsigned w = 0; w < sizeof(without) / sizeof(without[0]); w++) {
		size_t most;
		begin(without[w]);
		most = netdev->features & NETDEV_RX_GSO ? FRAME_MOST : 1518;
		for (size_t size = 14; size <= most; size += 1 + size / 3) {
			memset(&received, 0, sizeof(received));
			pass_in(3, size);
		}
		memset(&received, 0, sizeof(received));
		pass_in(1, most);
		end();
	}
}

static void large_datagrams_arrive(void **state)
{
	enum { UDP_L4 = 5 };

	begin(0);
	assert_true(arrive(40000, UDP_L4));
	assert_true(visit());
	while (netdev->ops->poll(netdev, 64))
		;
	assert_int_equal(received.bytes, 40000);
	assert_int_equal(received.offload.gso_type, NETDEV_GSO_UDP_L4);
	end();
}

/* A thousand frames in tens of visits, whatever the features are; of the socket's own room. */
static void visits_are_few(void **state)
{
	static const uint64_t without[] = {0, NO_LARGE, NET_F_MRG_RXBUF};

	for (unsigned w = 0; w < sizeof(without) / sizeof(without[0]); w++) {
		begin(without[w]);
		pass_in(1000, 60);
		assert_true(visits <= 100);
		end();
	}
}

/* Sent frames take a visit of their own only when the ring is full. */
static void sending_is_noticed_rarely(void **state)
{
	static uint8_t got[200];
	struct netdev_frame frame;

	begin(0);
	netdev_frame_init(&frame);
	memset(netdev_frame_push(&frame, 60), 1, 60);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(netdev->ops->send(netdev, &frame), KILN_OK);
		netdev->ops->flush(netdev);
		if (i % 10 == 9)
			while (read(rig.peer, got, sizeof(got)) > 0)
				;
	}
	(void)visit();
	assert_true(visits <= 1u + 1000 / driver()->slot_count);
	assert_int_equal(rig.u.device.queues[NET_TRANSMIT].next_avail, 1000);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(they_agree_on_all_there_is),
	    cmocka_unit_test(frames_arrive),
	    cmocka_unit_test(large_datagrams_arrive),
	    cmocka_unit_test(visits_are_few),
	    cmocka_unit_test(sending_is_noticed_rarely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
