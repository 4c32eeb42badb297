/*
 * The monitor's own prison, entered just before the guest's first instruction: whatever a
 * guest could make the monitor do, the kernel then allows these calls only, each on the
 * descriptors that it is for.
 */
#include <unistd.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include "kvm.h"

static struct scmp_arg_cmp argument(unsigned place, uint64_t value)
{
	return (struct scmp_arg_cmp){
	    .arg = place, .op = SCMP_CMP_EQ, .datum_a = value, .datum_b = 0};
}

/* A call on this descriptor, whatever its other arguments. */
static int on(scmp_filter_ctx filter, int call, int fd)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
	                        argument(0, (uint32_t)fd));
}

static int control_of(scmp_filter_ctx filter, int fd, unsigned long request)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 2,
	                        argument(0, (uint32_t)fd), argument(1, request));
}

static int any(scmp_filter_ctx filter, int call)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

static int allow_device(scmp_filter_ctx filter, const struct virtio_device *device)
{
	int fd = device->input;

	switch (device->id) {
	case VIRTIO_ID_NET:
		return on(filter, SCMP_SYS(readv), fd) |
		       on(filter, SCMP_SYS(writev), fd) |
		       control_of(filter, fd, TUNSETOFFLOAD);
	case VIRTIO_ID_BLOCK:
		fd = ((const struct virtio_block *)device)->fd;
		return on(filter, SCMP_SYS(preadv), fd) |
		       on(filter, SCMP_SYS(pwritev), fd) |
		       on(filter, SCMP_SYS(fdatasync), fd);
	case VIRTIO_ID_RNG:
		return any(filter, SCMP_SYS(getrandom));
	default:
		return 0;
	}
}

static int allow_loop(scmp_filter_ctx filter, const struct monitor *monitor)
{
	int vcpu = monitor->machine.vcpu, report = monitor->options.report;

	return (report < 0 ? 0
	                   : on(filter, SCMP_SYS(write), report) |
	                         any(filter, SCMP_SYS(clock_gettime))) |
	       control_of(filter, vcpu, KVM_RUN) |
	       control_of(filter, vcpu, KVM_GET_REGS) |
	       control_of(filter, vcpu, KVM_GET_SREGS) |
	       on(filter, SCMP_SYS(read), monitor->stop_signal) |
	       on(filter, SCMP_SYS(write), STDOUT_FILENO) |
	       on(filter, SCMP_SYS(write), STDERR_FILENO) | any(filter, SCMP_SYS(ppoll)) |
	       /* ppoll() after the process was stopped and continued */
	       any(filter, SCMP_SYS(restart_syscall)) | any(filter, SCMP_SYS(exit_group));
}

void confine(const struct monitor *monitor)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int failed = filter == NULL;

	/* No privilege_limit(): KVM makes a thread of its own when the guest first runs. */
	privilege_drop(&monitor->options);
	if (!failed)
		failed = allow_loop(filter, monitor);
	for (unsigned i = 0; i < monitor->device_count && !failed; i++)
		failed = allow_device(filter, monitor->devices[i]);
	if (failed || seccomp_load(filter) != 0)
		monitor_fail(&monitor->options, "cannot install the system call filter");
	/* Not released: that would take calls which the filter now refuses. */
}
