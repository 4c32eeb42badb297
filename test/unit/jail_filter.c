/*
 * The jail's seccomp filter, run by an interpreter of the few instructions it consists of:
 * what it lets through for given devices, and that it lets nothing else through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <time.h>
#include "monitor/jail/filter.c"

#define GATE ((uint64_t)0x123456789abc)
#define VDSO ((uint64_t)0x7fff12345000)

#define DISK_SIZE (((uint64_t)5 << 32) + 0x1000)

enum {
	CONSOLE = 1,
	TAP = 2,
	DISK = 3,
	READ_ONLY_DISK = 4,
	NOTHING = 5,
	RING = 6,
	XDP = 7
};

static struct filter filter;

/* With one network device, a disk and a disk that is read-only. */
static void make_filter_with(bool with_vdso, int ring)
{
	const struct kiln_boot boot = {
	    .ring.handle = ring,
	    .device_count = 3,
	    .console = CONSOLE,
	    .devices = {{.type = KILN_DEVICE_NET, .handle = TAP},
	                {.type = KILN_DEVICE_BLOCK,
	                 .handle = READ_ONLY_DISK,
	                 .features = 1},
	                {.type = KILN_DEVICE_BLOCK, .handle = DISK, .size = DISK_SIZE}},
	};
	struct vdso vdso = {{VDSO - 4 * PAGE, 6 * PAGE}, {VDSO, 2 * PAGE}, VDSO + 100};

	if (!with_vdso)
		vdso = (struct vdso){0};
	filter_make(&filter, &boot, &vdso, GATE);
	assert_in_range(filter.length, 1, FILTER_LENGTH);
}

static void make_filter(bool with_vdso)
{
	make_filter_with(with_vdso, -1);
}

/* Classic BPF (linux/filter.h), as far as the filter goes. */
static uint32_t decide(const struct seccomp_data *data)
{
	uint32_t a = 0, x = 0, memory[BPF_MEMWORDS];

	for (unsigned pc = 0; pc < filter.length;) {
		const struct sock_filter *i = &filter.code[pc++];
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k <= sizeof(*data) - 4);
			memcpy(&a, (const uint8_t *)data + i->k, sizeof(a));
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_X:
			pc += a >= x ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_ALU | BPF_ADD | BPF_K:
			a += i->k;
			break;
		case BPF_ALU | BPF_ADD | BPF_X:
			a += x;
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_ST:
			memory[i->k] = a;
			break;
		case BPF_LD | BPF_MEM:
			a = memory[i->k];
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("an instruction of code %u", i->code);
		}
	}
	fail_msg("runs over the filter's end");
	return 0;
}

static bool allowed_at(uint64_t address, long number, uint64_t a, uint64_t b, uint64_t d)
{
	struct seccomp_data data = {.nr = (int)number,
	                            .arch = AUDIT_ARCH_X86_64,
	                            .instruction_pointer = address,
	                            .args = {a, b, 0x1000, d}};
	uint32_t decision = decide(&data);

	assert_true(decision == SECCOMP_RET_ALLOW ||
	            decision == SECCOMP_RET_KILL_PROCESS);
	return decision == SECCOMP_RET_ALLOW;
}

static bool allowed(long number, uint64_t a, uint64_t b, uint64_t d)
{
	return allowed_at(GATE, number, a, b, d);
}

/* Which of the descriptors 0 to NOTHING the call may be made on: a bit for each. */
static unsigned descriptors_for(long number)
{
	unsigned set = 0;

	for (unsigned fd = 0; fd <= NOTHING; fd++)
		set |= (unsigned)allowed(number, fd, 0, 0) << fd;
	return set;
}

static void each_call_is_for_its_own_descriptors(void **state)
{
	for (int with_vdso = 0; with_vdso < 2; with_vdso++) {
		make_filter(with_vdso);
		assert_int_equal(descriptors_for(SYS_read), 1 << TAP);
		assert_int_equal(descriptors_for(SYS_writev), 1 << TAP);
		assert_int_equal(descriptors_for(SYS_write), 1 << CONSOLE);
		assert_int_equal(descriptors_for(SYS_pread64),
		                 1 << DISK | 1 << READ_ONLY_DISK);
		assert_int_equal(descriptors_for(SYS_pwrite64), 1 << DISK);
		assert_int_equal(descriptors_for(SYS_fdatasync), 1 << DISK);
	}
}

static bool is_in_the_table(long number, bool with_vdso)
{
	for (const struct policy_call *call = policy_jail; call->name; call++)
		if (call->number == number && call->on != POLICY_ON_RING &&
		    call->on != POLICY_ON_XDP)
			return call->rule != POLICY_TWO_CLOCKS || !with_vdso;
	return false;
}

/* The table is what kiln info prints; the filter is what the kernel obeys. */
static void the_table_is_what_the_filter_allows(void **state)
{
	const long X32 = 0x40000000;

	for (int with_vdso = 0; with_vdso < 2; with_vdso++) {
		make_filter(with_vdso);
		for (long number = 0; number < 4096; number++) {
			assert_int_equal(is_in_the_table(number, with_vdso),
			                 descriptors_for(number) != 0);
			assert_int_equal(descriptors_for(number | X32), 0);
			assert_int_equal(descriptors_for(-1 - number), 0);
		}
		for (int bit = 12; bit < 32; bit++)
			assert_int_equal(descriptors_for((long)1 << bit), 0);
		assert_true(allowed(SYS_exit_group, 3, 0, 0));
	}
}

/* Whoever adds a call changes it here, too, and thinks twice. */
static void the_table_has_these_calls(void **state)
{
	static const char *const names[] = {
	    "io_uring_enter", "read",          "writev",     "sendto",
	    "ppoll",          "pread64",       "pwrite64",   "fdatasync",
	    "write",          "clock_gettime", "exit_group",
	};
	size_t count = 0;

	for (const struct policy_call *call = policy_jail; call->name; call++, count++)
		assert_string_equal(call->name, names[count]);
	assert_int_equal(count, sizeof(names) / sizeof(names[0]));
}

static bool may_write(int fd, uint64_t offset, uint64_t size)
{
	struct seccomp_data data = {.nr = SYS_pwrite64,
	                            .arch = AUDIT_ARCH_X86_64,
	                            .instruction_pointer = GATE,
	                            .args = {(uint64_t)fd, 0x1000, size, offset}};

	return decide(&data) == SECCOMP_RET_ALLOW;
}

static void no_write_ends_behind_the_disk(void **state)
{
	make_filter(true);
	assert_true(may_write(DISK, 0, 512));
	assert_true(may_write(DISK, 0xfffffe00, 512));
	assert_true(may_write(DISK, 0xffffff00, 512));
	assert_true(may_write(DISK, (uint64_t)4 << 32, 0xffffffff));
	assert_true(may_write(DISK, DISK_SIZE - 512, 512));
	assert_true(may_write(DISK, DISK_SIZE - 0x80000000, 0x80000000));
	assert_true(may_write(DISK, DISK_SIZE, 0));
	assert_false(may_write(DISK, DISK_SIZE - 511, 512));
	assert_false(may_write(DISK, DISK_SIZE, 1));
	assert_false(may_write(DISK, DISK_SIZE - 0x80000000, 0x80000001));
	assert_false(may_write(DISK, ((uint64_t)5 << 32) - 1, 0x1002));
	assert_false(may_write(DISK, (uint64_t)6 << 32, 0));
	assert_false(may_write(DISK, INT64_MAX, 512));
	assert_false(may_write(DISK, 0, (uint64_t)1 << 32));
	assert_false(may_write(DISK, DISK_SIZE, UINT64_MAX - DISK_SIZE + 2));
	assert_false(may_write(READ_ONLY_DISK, 0, 0));
	assert_false(may_write(TAP, 0, 0));
}

static void sixteen_disks_have_room(void **state)
{
	struct kiln_boot boot = {
	    .device_count = KILN_BOOT_DEVICES, .console = CONSOLE, .ring.handle = -1};

	for (int i = 0; i < KILN_BOOT_DEVICES; i++)
		boot.devices[i] = (struct kiln_boot_device){
		    .type = KILN_DEVICE_BLOCK, .handle = 2 + i, .size = 512u * (1 + i)};
	filter_make(&filter, &boot, &(struct vdso){0}, GATE);
	assert_in_range(filter.length, 1, FILTER_LENGTH);
	for (int i = 0; i < KILN_BOOT_DEVICES; i++) {
		assert_true(may_write(2 + i, 512u * i, 512));
		assert_false(may_write(2 + i, 512u * i, 513));
	}
	assert_false(may_write(2 + KILN_BOOT_DEVICES, 0, 512));
	assert_true(allowed(SYS_fdatasync, 2, 0, 0));
	assert_true(allowed(SYS_exit_group, 0, 0, 0));
}

static bool may_enter(uint64_t ring, uint64_t wait, uint64_t flags, uint64_t mask)
{
	const struct seccomp_data data = {
	    .nr = SYS_io_uring_enter,
	    .arch = AUDIT_ARCH_X86_64,
	    .instruction_pointer = GATE,
	    .args = {ring, 16, wait, flags, mask},
	};

	return decide(&data) == SECCOMP_RET_ALLOW;
}

static void a_ring_is_entered_without_waiting_and_stands_for_read_and_writev(void **state)
{
	make_filter_with(true, RING);
	assert_true(may_enter(RING, 0, IORING_ENTER_GETEVENTS, 0));
	assert_false(may_enter(TAP, 0, IORING_ENTER_GETEVENTS, 0));
	assert_false(may_enter(NOTHING, 0, IORING_ENTER_GETEVENTS, 0));
	assert_false(may_enter(RING, 1, IORING_ENTER_GETEVENTS, 0));
	assert_false(may_enter(RING, UINT32_MAX, IORING_ENTER_GETEVENTS, 0));
	assert_false(may_enter(RING, 0, 0, 0));
	for (unsigned bit = 1; bit < 32; bit++)
		assert_false(may_enter(RING, 0, IORING_ENTER_GETEVENTS | 1u << bit, 0));
	assert_false(may_enter(RING, 0, IORING_ENTER_GETEVENTS, 0x1000));
	assert_false(may_enter(RING, 0, IORING_ENTER_GETEVENTS, (uint64_t)1 << 32));
	assert_false(allowed(SYS_read, TAP, 0, 0));
	assert_false(allowed(SYS_writev, TAP, 0, 0));
	assert_false(allowed(SYS_io_uring_setup, 0, 0, 0));
	assert_false(allowed(SYS_io_uring_register, RING, 0, 0));
	assert_true(allowed(SYS_pread64, DISK, 0, 0));
	make_filter(true);
	assert_false(may_enter(RING, 0, IORING_ENTER_GETEVENTS, 0));
	assert_false(may_enter((uint32_t)-1, 0, IORING_ENTER_GETEVENTS, 0));
	assert_true(allowed(SYS_read, TAP, 0, 0));
}

static bool may_kick(uint64_t fd, uint64_t buffer, uint64_t size, uint64_t flags,
                     uint64_t to)
{
	const struct seccomp_data data = {
	    .nr = SYS_sendto,
	    .arch = AUDIT_ARCH_X86_64,
	    .instruction_pointer = GATE,
	    .args = {fd, buffer, size, flags, to, 16},
	};

	return decide(&data) == SECCOMP_RET_ALLOW;
}

static void an_xdp_socket_is_told_of_frames_and_is_no_tap(void **state)
{
	const struct kiln_boot boot = {
	    .ring.handle = -1,
	    .device_count = 3,
	    .console = CONSOLE,
	    .devices = {{.type = KILN_DEVICE_NET, .handle = TAP},
	                {.type = KILN_DEVICE_NET, .handle = XDP, .registers = 0x1000},
	                {.type = KILN_DEVICE_NET, .handle = RING, .registers = 0x1090}},
	};

	filter_make(&filter, &boot, &(struct vdso){0}, GATE);
	assert_true(may_kick(XDP, 0, 0, MSG_DONTWAIT, 0));
	assert_true(may_kick(RING, 0, 0, MSG_DONTWAIT, 0));
	assert_false(may_kick(TAP, 0, 0, MSG_DONTWAIT, 0));
	assert_false(may_kick(CONSOLE, 0, 0, MSG_DONTWAIT, 0));
	assert_false(may_kick(XDP + 1, 0, 0, MSG_DONTWAIT, 0));
	assert_false(may_kick(XDP, 0, 0, 0, 0));
	for (unsigned bit = 0; bit < 32; bit++)
		assert_false(may_kick(XDP, 0, 0, MSG_DONTWAIT ^ 1u << bit, 0));
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_false(may_kick(XDP, (uint64_t)1 << bit, 0, MSG_DONTWAIT, 0));
		assert_false(may_kick(XDP, 0, (uint64_t)1 << bit, MSG_DONTWAIT, 0));
		assert_false(may_kick(RING, 0, 0, MSG_DONTWAIT, (uint64_t)1 << bit));
	}
	assert_true(allowed(SYS_read, TAP, 0, 0));
	assert_false(allowed(SYS_read, XDP, 0, 0));
	assert_false(allowed(SYS_writev, XDP, 0, 0));
	make_filter(true);
	assert_false(may_kick(TAP, 0, 0, MSG_DONTWAIT, 0));
	assert_false(may_kick(XDP, 0, 0, MSG_DONTWAIT, 0));
}

static void waiting_is_bounded_and_without_a_mask(void **state)
{
	make_filter(true);
	assert_true(allowed(SYS_ppoll, 0x1000, 1, 0));
	assert_true(allowed(SYS_ppoll, 0x1000, 4, 0)); /* the devices, and the stop */
	assert_false(allowed(SYS_ppoll, 0x1000, 5, 0));
	assert_false(allowed(SYS_ppoll, 0x1000, UINT32_MAX, 0));
	assert_false(allowed(SYS_ppoll, 0x1000, 1, 0x2000));
	assert_false(allowed(SYS_ppoll, 0x1000, 1, (uint64_t)1 << 32));
}

static void only_the_gate_calls(void **state)
{
	static const uint64_t elsewhere[] = {0,
	                                     GATE - 1,
	                                     GATE + 1,
	                                     GATE + ((uint64_t)1 << 32),
	                                     GATE - ((uint64_t)1 << 32),
	                                     (uint32_t)GATE,
	                                     VDSO,
	                                     VDSO + 2 * PAGE};

	for (int with_vdso = 0; with_vdso < 2; with_vdso++) {
		make_filter(with_vdso);
		assert_true(allowed_at(GATE, SYS_read, TAP, 0, 0));
		for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
			assert_false(allowed_at(elsewhere[i], SYS_read, TAP, 0, 0));
			assert_false(allowed_at(elsewhere[i], SYS_exit_group, 0, 0, 0));
		}
	}
}

static void the_vdso_may_ask_for_the_time(void **state)
{
	make_filter(true);
	assert_true(allowed_at(VDSO, SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
	assert_true(
	    allowed_at(VDSO + 2 * PAGE - 1, SYS_clock_gettime, CLOCK_MONOTONIC, 0, 0));
	assert_false(allowed_at(VDSO, SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, 0, 0));
	assert_false(allowed_at(VDSO, SYS_clock_gettime, UINT32_MAX, 0, 0));
	assert_false(allowed_at(VDSO - 1, SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
	assert_false(
	    allowed_at(VDSO + 2 * PAGE, SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
	assert_false(allowed_at((uint32_t)VDSO, SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
	assert_false(allowed(SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
}

static void without_a_vdso_the_gate_may(void **state)
{
	make_filter(false);
	assert_true(allowed(SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
	assert_true(allowed(SYS_clock_gettime, CLOCK_MONOTONIC, 0, 0));
	assert_false(allowed(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, 0, 0));
	assert_false(allowed_at(VDSO, SYS_clock_gettime, CLOCK_REALTIME, 0, 0));
}

static void other_architectures_are_refused(void **state)
{
	make_filter(true);
	for (uint32_t arch = 0; arch < 3; arch++) {
		struct seccomp_data data = {.nr = SYS_exit_group,
		                            .arch = arch == 0 ? AUDIT_ARCH_I386 : arch,
		                            .instruction_pointer = GATE};
		assert_int_equal(decide(&data), SECCOMP_RET_KILL_PROCESS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_call_is_for_its_own_descriptors),
	    cmocka_unit_test(the_table_is_what_the_filter_allows),
	    cmocka_unit_test(the_table_has_these_calls),
	    cmocka_unit_test(no_write_ends_behind_the_disk),
	    cmocka_unit_test(sixteen_disks_have_room),
	    cmocka_unit_test(
	        a_ring_is_entered_without_waiting_and_stands_for_read_and_writev),
	    cmocka_unit_test(an_xdp_socket_is_told_of_frames_and_is_no_tap),
	    cmocka_unit_test(waiting_is_bounded_and_without_a_mask),
	    cmocka_unit_test(only_the_gate_calls),
	    cmocka_unit_test(the_vdso_may_ask_for_the_time),
	    cmocka_unit_test(without_a_vdso_the_gate_may),
	    cmocka_unit_test(other_architectures_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
