/*
 * What stands between the image and this process are parsers of frames: ours, and, where
 * the image has a way out, libslirp's. So it keeps nothing that it does not need:
 * without a way out, the descriptors that are open and what comes in on them; with one,
 * sockets of the Internet, and reading what says which resolver this machine uses.
 *
 * A call that is not on the list fails, and is no reason to end: which calls a C library
 * makes to report an error or to ask for memory changes from one version to the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include "../monitor/monitor.h"
#include "usernet.h"

/* Of the loop, the relays and malloc(). */
static const int calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(accept4),
    SCMP_SYS(shutdown),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt),
    SCMP_SYS(close),
    SCMP_SYS(poll),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(futex),
    SCMP_SYS(getrandom),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit_group),
};

/* And of libslirp. */
static const int outward_calls[] = {
    SCMP_SYS(connect),     SCMP_SYS(bind),  SCMP_SYS(getsockname),
    SCMP_SYS(getpeername), SCMP_SYS(ioctl), SCMP_SYS(fcntl),
    SCMP_SYS(lseek),       SCMP_SYS(stat),  SCMP_SYS(gettimeofday),
};

static int allow(scmp_filter_ctx filter, const int *list, size_t count)
{
	int failed = 0;

	for (size_t i = 0; i < count; i++)
		failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, list[i], 0);
	return failed;
}

/* The call, if of this argument the bits of `mask` are `value`. */
static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask,
                    uint64_t value)
{
	const struct scmp_arg_cmp test = {
	    .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, test);
}

/* Memory, but none to execute. */
static int allow_memory(scmp_filter_ctx filter)
{
	return allow_if(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0) |
	       allow_if(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0);
}

static int allow_outward(scmp_filter_ctx filter)
{
	return allow(filter, outward_calls,
	             sizeof(outward_calls) / sizeof(outward_calls[0])) |
	       allow_if(filter, SCMP_SYS(socket), 0, UINT32_MAX, AF_INET) |
	       allow_if(filter, SCMP_SYS(socket), 0, UINT32_MAX, AF_INET6) |
	       allow_if(filter, SCMP_SYS(openat), 2, O_ACCMODE, O_RDONLY);
}

static void install_filter(const struct monitor_options *self, bool outward)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed = filter == NULL;

	if (!failed)
		failed = allow(filter, calls, sizeof(calls) / sizeof(calls[0])) |
		         allow_memory(filter);
	if (!failed && outward)
		failed = allow_outward(filter);
	if (failed || seccomp_load(filter) != 0)
		monitor_fail(self, "cannot install the system call filter");
	seccomp_release(filter);
}

/* The folder of the file that says which resolver there is; often /etc has but a link. */
static const char *resolver_folder(char path[PATH_MAX])
{
	char *slash;

	if (!realpath("/etc/resolv.conf", path))
		return NULL;
	slash = strrchr(path, '/');
	*slash = '\0';
	return path;
}

void confine(const struct usernet_options *options)
{
	const struct monitor_options self = {.program = "kiln-usernet"};
	bool outward = options->tap < 0 && !options->closed;
	char path[PATH_MAX];
	struct rlimit files;

	/* As many connections as this machine allows, not as many as it starts a shell with. */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		monitor_fail(&self, "cannot read its resource limits");
	privilege_drop(&self, &(struct privilege_need){
	                          .sockets = outward,
	                          .readable = outward ? resolver_folder(path) : NULL,
	                      });
	privilege_limit(&self, (unsigned)KILN_MIN(files.rlim_max, INT_MAX));
	install_filter(&self, outward);
}
