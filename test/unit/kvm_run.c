/*
 * The KVM monitor's run loop against a guest of the test's own, which is a list of register
 * writes: an exit is what costs, so each is to do all there is to do. Time is the test's, and
 * so is what it means to block.
 */
#include "virtio_rig.h"
#include <poll.h>

static int blocked(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const void *mask);
#define ppoll blocked
#include "monitor/kvm/run.c"

enum { NETS = 2, EXITS = 8 };
#define REGISTERS 0x10000u

/* ---- the guest ---- */

static struct monitor monitor;
static struct kvm_run shared;
static struct {
	uint64_t address, value;
	unsigned size;
} exits[EXITS];
static unsigned exit_count, exits_done, blocks;
static uint64_t now;
static jmp_buf guest_ends;

static void guest_writes(uint64_t address, uint64_t value, unsigned size)
{
	exits[exit_count].address = address;
	exits[exit_count].value = value;
	exits[exit_count++].size = size;
}

static void guest_waits(uint64_t until)
{
	guest_writes(REGISTERS + KILN_CONTROL_WAIT, until, 8);
}

static void guest_notifies(unsigned device, uint32_t queue)
{
	guest_writes(REGISTERS + (device + 1) * PAGE + VIRTIO_MMIO_QUEUE_NOTIFY, queue,
	             4);
}

uint32_t machine_run(struct machine *machine)
{
	if (exits_done == exit_count)
		longjmp(guest_ends, 1);
	shared.exit_reason = KVM_EXIT_MMIO;
	shared.mmio.phys_addr = exits[exits_done].address;
	shared.mmio.len = exits[exits_done].size;
	shared.mmio.is_write = 1;
	memcpy(shared.mmio.data, &exits[exits_done].value, 8);
	exits_done++;
	return KVM_EXIT_MMIO;
}

uint64_t machine_now(const struct machine *machine)
{
	return now;
}

/* Nothing comes while it is waited for. */
static int blocked(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                   const void *mask)
{
	blocks++;
	now += (uint64_t)timeout->tv_sec * 1000000000 + (uint64_t)timeout->tv_nsec;
	return 0;
}

static void guest_runs(void)
{
	if (setjmp(guest_ends) == 0)
		run(&monitor);
	exit_count = exits_done = 0;
}

/* ---- what else a monitor has ---- */

void gdb_stopped(struct monitor *m, int signal)
{
	fail();
}

void gdb_debug_exit(struct monitor *m)
{
	fail();
}

bool gdb_trapped(struct monitor *m)
{
	return false;
}

void gdb_input(struct monitor *m)
{
	fail();
}

void gdb_ended(struct monitor *m, int status)
{
}

_Noreturn void report_shutdown(const struct monitor *m)
{
	abort();
}

_Noreturn void report_own(const struct monitor *m, uint64_t address)
{
	abort();
}

/* ---- devices ---- */

static struct rig nets[NETS];

/* Each has room for frames, and a frame to send. One more ring of the same driver's lies
 * behind the first. */
static void make_monitor(void)
{
	enum { BEHIND = 0x40000 };

	memset(&monitor, 0, sizeof(monitor));
	monitor.gdb.fd = monitor.stop_signal = -1;
	monitor.machine.run = &shared;
	monitor.space.registers = REGISTERS;
	monitor.device_count = NETS;
	now = 1000;
	blocks = 0;
	for (unsigned i = 0; i < NETS; i++) {
		struct rig *rig = &nets[i];
		make_net(rig);
		negotiate(rig, VIRTIO_FEATURE(VIRTIO_RING_F_EVENT_IDX));
		queue_up(rig, NET_RECEIVE, QUEUE, DESC, AVAIL, USED);
		queue_up(rig, NET_TRANSMIT, QUEUE, DESC + BEHIND, AVAIL + BEHIND,
		         USED + BEHIND);
		poke(rig, VIRTIO_MMIO_STATUS, 15);
		for (uint16_t b = 0; b < 8; b++) {
			describe(rig, DESC, b, BUFFER + 2048u * b, 2048, WRITE, 0);
			post(rig, b);
		}
		describe(rig, DESC + BEHIND, 0, BUFFER + BEHIND, HEADER + 60, 0, 0);
		((uint16_t *)(void *)(rig->memory.base + AVAIL + BEHIND))[1] = 1;
		monitor.devices[i] = &rig->u.device;
	}
}

static void end_monitor(void)
{
	for (unsigned i = 0; i < NETS; i++) {
		assert_null(nets[i].u.device.fault);
		done(&nets[i]);
	}
}

static void arrive(struct rig *rig)
{
	static const uint8_t frame[HEADER + 60];

	assert_int_equal(write(rig->peer, frame, sizeof(frame)), sizeof(frame));
}

static bool has_sent(struct rig *rig)
{
	uint8_t frame[100];

	return read(rig->peer, frame, sizeof(frame)) == HEADER + 60;
}

/* ---- the tests ---- */

static void a_wait_serves_all_rings(void **state)
{
	make_monitor();
	for (unsigned i = 0; i < NETS; i++) {
		arrive(&nets[i]);
		arrive(&nets[i]);
	}
	guest_waits(UINT64_MAX);
	guest_runs();
	for (unsigned i = 0; i < NETS; i++) {
		assert_true(has_sent(&nets[i]));
		assert_int_equal(used_index(&nets[i]), 2);
	}
	assert_int_equal(blocks, 0);
	end_monitor();
}

static void a_wait_without_news_lasts(void **state)
{
	make_monitor();
	guest_waits(now + 5000);
	guest_runs();
	assert_int_equal(blocks, 1);
	assert_int_equal(now, 6000);
	assert_true(has_sent(&nets[0])); /* sent frames are no news */
	end_monitor();
}

/* A driver notifies one queue when that is full: what the others have comes with it. */
static void a_notice_serves_all_rings(void **state)
{
	make_monitor();
	arrive(&nets[0]);
	arrive(&nets[1]);
	guest_notifies(1, NET_TRANSMIT);
	guest_runs();
	for (unsigned i = 0; i < NETS; i++) {
		assert_true(has_sent(&nets[i]));
		assert_int_equal(used_index(&nets[i]), 1);
	}
	end_monitor();
}

/* The guest looks at its rings before it waits, so that what was in them then is no news. */
static void what_came_with_a_notice_ends_no_wait(void **state)
{
	make_monitor();
	arrive(&nets[0]);
	guest_notifies(0, NET_TRANSMIT);
	guest_waits(now + 5000);
	guest_runs();
	assert_int_equal(blocks, 1);
	arrive(&nets[0]);
	guest_waits(now + 5000);
	guest_runs();
	assert_int_equal(blocks, 1);
	assert_int_equal(used_index(&nets[0]), 2);
	end_monitor();
}

/* 2.7.10: by its event index the device asks for no notice, whatever is made available. */
static void no_notice_is_asked_for(void **state)
{
	make_monitor();
	guest_waits(now);
	guest_runs();
	for (unsigned i = 0; i < NETS; i++) {
		struct virtqueue *q = nets[i].u.device.queues;
		for (unsigned n = 0; n < 2; n++) {
			uint16_t event, seen = q[n].next_avail;
			memcpy(&event, &q[n].used->ring[QUEUE], sizeof(event));
			for (unsigned fresh = 1; fresh <= QUEUE; fresh++)
				assert_false((uint16_t)(seen + fresh - event - 1) <
				             fresh);
		}
	}
	end_monitor();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_wait_serves_all_rings),
	    cmocka_unit_test(a_wait_without_news_lasts),
	    cmocka_unit_test(a_notice_serves_all_rings),
	    cmocka_unit_test(what_came_with_a_notice_ends_no_wait),
	    cmocka_unit_test(no_notice_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
