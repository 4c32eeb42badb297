/*
 * The system calls that are left, as data: of a jailed image, and of kiln-kvm once its guest
 * runs. The filters are made from these tables (jail/filter.c, kvm/confine.c), and `kiln
 * info` prints them: what is not here is refused, and what is here is all that is said.
 *
 * A call more is a line more, and a rule of its own in the filter if it needs one.
 */
#ifndef MONITOR_POLICY_H
#define MONITOR_POLICY_H

#include <stddef.h>
#include <stdint.h>

/* What the first argument must be: a descriptor of this kind, of those that the monitor
 * opened. A call is left out where the image has none of the kind. */
enum policy_on {
	POLICY_ON_NOTHING, /* it is no descriptor, and may be anything */
	POLICY_ON_NET,
	POLICY_ON_NET_ALONE, /* where the network devices have no ring */
	POLICY_ON_RING,	     /* the io_uring of the network devices, if there is one */
	POLICY_ON_XDP,	     /* network devices that are AF_XDP sockets */
	POLICY_ON_DISK,
	POLICY_ON_WRITABLE_DISK, /* not those that were opened for reading only */
	POLICY_ON_CONSOLE,
	POLICY_ON_ERROR,     /* the standard error */
	POLICY_ON_REPORT,    /* the pipe to kiln run (report.h), if there is one */
	POLICY_ON_STOP,      /* readable once somebody asked to stop */
	POLICY_ON_PROCESSOR, /* the guest's, of KVM */
	POLICY_ON_GDB,       /* the connection to a debugger, if there is one */
};

/* What else must hold. */
enum policy_rule {
	POLICY_PLAIN,
	POLICY_WITHIN_DISK, /* it ends within the disk: a file cannot grow */
	POLICY_BOUNDED_WAIT, /* for the image's own number of descriptors, no signal mask */
	POLICY_TWO_CLOCKS,   /* wall and monotonic; from the vDSO, if there is one */
	POLICY_REQUEST,      /* the second argument is `request` */
	POLICY_ENTER, /* it hands over entries and takes results, and never waits */
	POLICY_KICK,  /* it says that there are frames, and has no other argument */
};

struct policy_call {
	const char *name;
	int number; /* SYS_* of x86-64 */
	enum policy_on on;
	enum policy_rule rule;
	uint64_t request;
	const char *words; /* for kiln info: the restriction; behind the devices' names */
};

/* In the order of the filter: what is called most comes first. The last has no name. */
extern const struct policy_call policy_jail[], policy_kvm[];
/* Next to policy_kvm, for kiln run --gdb alone. */
extern const struct policy_call policy_kvm_gdb[];

#endif
