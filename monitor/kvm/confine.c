/*
 * The monitor's own prison, entered just before the guest's first instruction: whatever a
 * guest could make the monitor do, the kernel then allows the calls of the table policy_kvm
 * only, each on the descriptors that it is for.
 */
#include <unistd.h>
#include <seccomp.h>
#include <linux/virtio_blk.h>
#include "../policy.h"
#include "kvm.h"

/* The descriptor that a device has of this kind; -1 if it has none. */
static int device_descriptor(const struct virtio_device *device, enum policy_on kind)
{
	const struct virtio_block *block = (const struct virtio_block *)device;
	bool read_only = device->offered & VIRTIO_FEATURE(VIRTIO_BLK_F_RO);

	if (device->id == VIRTIO_ID_NET)
		return kind == POLICY_ON_NET ? device->input : -1;
	if (device->id != VIRTIO_ID_BLOCK)
		return -1;
	return kind == POLICY_ON_DISK || (kind == POLICY_ON_WRITABLE_DISK && !read_only)
	           ? block->fd
	           : -1;
}

/* All descriptors of a kind; returns how many. */
static unsigned descriptors(const struct monitor *monitor, enum policy_on kind,
                            int fds[KVM_DEVICES])
{
	unsigned count = 0;

	switch (kind) {
	case POLICY_ON_CONSOLE:
		fds[0] = STDOUT_FILENO;
		return 1;
	case POLICY_ON_ERROR:
		fds[0] = STDERR_FILENO;
		return 1;
	case POLICY_ON_REPORT:
		fds[0] = monitor->options.report;
		return fds[0] >= 0;
	case POLICY_ON_STOP:
		fds[0] = monitor->stop_signal;
		return 1;
	case POLICY_ON_PROCESSOR:
		fds[0] = monitor->machine.vcpu;
		return 1;
	case POLICY_ON_GDB:
		fds[0] = monitor->gdb.fd;
		return 1;
	default:
		break;
	}
	for (unsigned i = 0; i < monitor->device_count; i++) {
		int fd = device_descriptor(monitor->devices[i], kind);
		if (fd >= 0)
			fds[count++] = fd;
	}
	return count;
}

static struct scmp_arg_cmp argument(unsigned place, uint64_t value)
{
	return (struct scmp_arg_cmp){
	    .arg = place, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

/* Zero, or a negative error. */
static int allow_call(scmp_filter_ctx filter, const struct policy_call *call,
                      const struct monitor *monitor)
{
	bool request = call->rule == POLICY_REQUEST;
	int fds[KVM_DEVICES], failed = 0;

	if (call->on == POLICY_ON_NOTHING)
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number, 0);
	for (unsigned i = descriptors(monitor, call->on, fds); i-- && !failed;)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call->number,
		                          request ? 2 : 1, argument(0, (uint32_t)fds[i]),
		                          argument(1, call->request));
	return failed;
}

static int allow_calls(scmp_filter_ctx filter, const struct policy_call *call,
                       const struct monitor *monitor)
{
	int failed = 0;

	for (; call->name && !failed; call++)
		failed = allow_call(filter, call, monitor);
	return failed;
}

void confine(const struct monitor *monitor)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int failed = filter == NULL;

	/* No privilege_limit(): KVM makes a thread of its own when the guest first runs. */
	privilege_drop(&monitor->options, &(struct privilege_need){0});
	if (!failed)
		failed = allow_calls(filter, policy_kvm, monitor);
	if (!failed && monitor->gdb.fd >= 0)
		failed = allow_calls(filter, policy_kvm_gdb, monitor);
	if (failed || seccomp_load(filter) != 0)
		monitor_fail(&monitor->options, "cannot install the system call filter");
	/* Not released: that would take calls which the filter now refuses. */
}
