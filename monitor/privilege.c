/*
 * What a monitor may do on the host is given up in layers, each of which holds alone. The
 * filter, installed last, is the wall: it leaves no call that takes a path, a process or an
 * address. The layers here are for the day on which the kernel or the filter has a mistake.
 *
 *	Landlock        no path can be opened, no TCP port used, no signal sent out; before
 *	                Linux 5.13, an empty and deleted directory as root instead
 *	user            where we are root: a user of this process alone
 *	capabilities    none; none to be had again
 *	namespaces      its own IPC, host name and cgroup view
 *
 * Left out by measurement (Linux 6.18, best of 40): a network namespace costs 400 us, half of
 * the whole start, and hides only sockets, which cannot be made; a mount namespace 50 to 200
 * us, and hides only paths, which cannot be opened; emptying the capability bounding set 80
 * us, and matters at exec() only, which no_new_privs and the locked securebits make harmless.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include "monitor.h"

/* linux/landlock.h, ABI 1 to 6; a kernel that knows less is given less. */
struct landlock_rules {
	uint64_t handled_access_fs, handled_access_net, scoped;
};
struct landlock_folder {
	uint64_t allowed_access;
	int32_t folder;
} __attribute__((packed));
enum {
	SYS_LANDLOCK_CREATE = 444,
	SYS_LANDLOCK_ADD = 445,
	SYS_LANDLOCK_RESTRICT = 446,
	LANDLOCK_VERSION = 1,
	LANDLOCK_FOLDER = 1,
	LANDLOCK_READ_FILE = 4,
};

/* All that a version of Landlock can forbid, but what is needed. */
static struct landlock_rules landlock_all(long version, const struct privilege_need *need)
{
	static const unsigned char fs_rights[] = {13, 14, 15, 15, 16};
	size_t known = sizeof(fs_rights) / sizeof(fs_rights[0]);
	size_t index = (size_t)version < known ? (size_t)version - 1 : known - 1;

	return (struct landlock_rules){
	    .handled_access_fs = ((uint64_t)1 << fs_rights[index]) - 1,
	    .handled_access_net = version >= 4 && !need->sockets ? 3 : 0,
	    .scoped = version >= 6 ? 3 : 0,
	};
}

/* A folder that is not there cannot be read either way. */
static void allow_folder(long rules, const char *path)
{
	struct landlock_folder folder = {
	    .allowed_access = LANDLOCK_READ_FILE,
	    .folder = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC),
	};

	if (folder.folder < 0)
		return;
	(void)syscall(SYS_LANDLOCK_ADD, rules, LANDLOCK_FOLDER, &folder, 0);
	close(folder.folder);
}

/* True where the kernel has it. */
static bool restrict_paths(const struct monitor_options *o,
                           const struct privilege_need *need)
{
	long version = syscall(SYS_LANDLOCK_CREATE, NULL, 0, LANDLOCK_VERSION);
	struct landlock_rules rules;
	long fd;

	if (version < 1)
		return false;
	rules = landlock_all(version, need);
	fd = syscall(SYS_LANDLOCK_CREATE, &rules,
	             version >= 6   ? sizeof(rules)
	             : version >= 4 ? offsetof(struct landlock_rules, scoped)
	                            : offsetof(struct landlock_rules, handled_access_net),
	             0);
	if (fd >= 0 && need->readable)
		allow_folder(fd, need->readable);
	if (fd < 0 || syscall(SYS_LANDLOCK_RESTRICT, fd, 0) < 0)
		monitor_fail(o, "cannot restrict the file system: %s", strerror(errno));
	close((int)fd);
	return true;
}

/* Not for the unprivileged everywhere (sysctl, AppArmor): what is refused is done without. */
static void leave_namespaces(bool root)
{
	int own = CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;

	(void)unshare(root ? own : own | CLONE_NEWUSER);
}

/* For kernels without Landlock: nothing can be made in a deleted directory, so it stays an
 * empty root. Without root or user namespaces there is no such thing, and the filter stands
 * alone. */
static void leave_paths(const struct monitor_options *o)
{
	char name[] = "/tmp/kiln-jail.XXXXXX";

	if (!mkdtemp(name) || chdir(name) < 0 || rmdir(name) < 0)
		monitor_fail(o, "cannot make an empty root in /tmp: %s", strerror(errno));
	if (chroot(".") < 0 && errno != EPERM)
		monitor_fail(o, "cannot enter an empty root: %s", strerror(errno));
}

static void leave_user(const struct monitor_options *o)
{
	/* Above all users and ranges that systems hand out, and different for each process:
	 * no image can reach another by sharing a user with it. */
	unsigned user = 0x70000000u + (unsigned)getpid();

	if (setgroups(0, NULL) < 0 || setresgid(user, user, user) < 0 ||
	    setresuid(user, user, user) < 0)
		monitor_fail(o, "cannot give up root: %s", strerror(errno));
}

static void leave_capabilities(const struct monitor_options *o, bool root)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	if (root && prctl(PR_SET_SECUREBITS,
	                  SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
	                      SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
	                      SECBIT_NO_CAP_AMBIENT_RAISE |
	                      SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) < 0)
		monitor_fail(o, "cannot lock the secure bits: %s", strerror(errno));
	if (root)
		leave_user(o);
	if (syscall(SYS_capset, &header, none) < 0)
		monitor_fail(o, "cannot drop capabilities: %s", strerror(errno));
}

void privilege_drop(const struct monitor_options *o, const struct privilege_need *need)
{
	bool root = geteuid() == 0;
	pid_t parent = getppid();

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		monitor_fail(o, "cannot set no_new_privs: %s", strerror(errno));
	leave_namespaces(root);
	if (!restrict_paths(o, need))
		leave_paths(o);
	leave_capabilities(o, root);
	if (prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    /* Cleared by every change of user, so last. */
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		monitor_fail(o, "cannot bind the process to its parent: %s",
		             strerror(errno));
	if (getppid() != parent)
		monitor_fail(o, "the parent is gone");
}

void privilege_limit(const struct monitor_options *o, unsigned descriptors)
{
	const struct rlimit none = {0, 0}, some = {descriptors, descriptors};

	if (setrlimit(RLIMIT_NOFILE, &some) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
	    setrlimit(RLIMIT_NPROC, &none) < 0)
		monitor_fail(o, "cannot set resource limits: %s", strerror(errno));
}
