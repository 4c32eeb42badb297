/*
 * The tables of policy.h. Calls of the fast path come first: the kernel runs the filter at
 * every call.
 */
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include "policy.h"

#define CALL(name)             #name, SYS_##name
#define ON(kind, words)        POLICY_ON_##kind, POLICY_PLAIN, 0, words
#define ANY(words)             POLICY_ON_NOTHING, POLICY_PLAIN, 0, words
#define REQUEST(kind, request) POLICY_ON_##kind, POLICY_REQUEST, request, #request

/* clang-format off */
const struct policy_call policy_jail[] = {
	{CALL(io_uring_enter), POLICY_ON_RING, POLICY_ENTER, 0,
	 "by a ring that can read and writev them alone, and without waiting"},
	{CALL(read), ON(NET_ALONE, "if it is a tap and there is no ring")},
	{CALL(writev), ON(NET_ALONE, "if it is a tap and there is no ring")},
	{CALL(sendto), POLICY_ON_XDP, POLICY_KICK, 0,
	 "if it is an AF_XDP socket, of nothing to nobody: there are frames"},
	{CALL(ppoll), POLICY_ON_NOTHING, POLICY_BOUNDED_WAIT, 0,
	 "of its devices and the request to stop, without a signal mask"},
	{CALL(pread64), ON(DISK, "")},
	{CALL(pwrite64), POLICY_ON_WRITABLE_DISK, POLICY_WITHIN_DISK, 0,
	 "not behind its end, and not if its file is read-only"},
	{CALL(fdatasync), ON(WRITABLE_DISK, "not if its file is read-only")},
	{CALL(write), ON(CONSOLE, "the standard output")},
	{CALL(clock_gettime), POLICY_ON_NOTHING, POLICY_TWO_CLOCKS, 0,
	 "wall and monotonic; by the kernel's vDSO, and from the gate only where it has none"},
	{CALL(exit_group), ANY("with any status")},
	{0},
};

const struct policy_call policy_kvm[] = {
	{CALL(ioctl), REQUEST(PROCESSOR, KVM_RUN)},
	{CALL(readv), ON(NET, "")},
	{CALL(writev), ON(NET, "")},
	{CALL(ppoll), ANY("with any arguments")},
	{CALL(preadv), ON(DISK, "")},
	{CALL(pwritev), ON(WRITABLE_DISK, "not if its file is read-only")},
	{CALL(fdatasync), ON(DISK, "")},
	{CALL(ioctl), REQUEST(NET, TUNSETOFFLOAD)},
	{CALL(ioctl), REQUEST(PROCESSOR, KVM_GET_REGS)},
	{CALL(ioctl), REQUEST(PROCESSOR, KVM_GET_SREGS)},
	{CALL(write), ON(CONSOLE, "the standard output")},
	{CALL(write), ON(ERROR, "the standard error")},
	{CALL(write), ON(REPORT, "the pipe to kiln run")},
	{CALL(clock_gettime), ANY("any clock, for the report")},
	{CALL(read), ON(STOP, "the request to stop")},
	{CALL(getrandom), ANY("for the entropy device")},
	{CALL(exit_group), ANY("with any status")},
	{0},
};

const struct policy_call policy_kvm_gdb[] = {
	{CALL(ioctl), REQUEST(PROCESSOR, KVM_SET_REGS)},
	{CALL(ioctl), REQUEST(PROCESSOR, KVM_SET_GUEST_DEBUG)},
	{CALL(read), ON(GDB, "")},
	{CALL(write), ON(GDB, "")},
	{CALL(close), ON(GDB, "")},
	{0},
};
/* clang-format on */
