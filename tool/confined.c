/*
 * The confined process: see confined.h. What a monitor gives up before an image runs
 * (monitor/privilege.c) is given up here, too, and a filter leaves the calls of computing.
 *
 * A call that is not on the list fails, and is no reason to end: which calls a C library
 * makes to report an error or to ask for memory changes from one version to the next.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../monitor/monitor.h"
#include "confined.h"
#include "tool.h"

enum {
	PROCESSOR_SECONDS = 5,
	PATIENCE_SECONDS = 20, /* on a busy machine, too */
};
#define MEMORY_MOST ((rlim_t)2 << 30)
#define NANOSECONDS 1000000000u

static const struct monitor_options self = {.program = "kiln"};

/* ---- the child ---- */

static const int calls[] = {
    SCMP_SYS(read),          SCMP_SYS(pread64),      SCMP_SYS(lseek),
    SCMP_SYS(fstat),         SCMP_SYS(newfstatat),   SCMP_SYS(fcntl),
    SCMP_SYS(close),         SCMP_SYS(brk),          SCMP_SYS(munmap),
    SCMP_SYS(mremap),        SCMP_SYS(madvise),      SCMP_SYS(futex),
    SCMP_SYS(getrandom),     SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_gettime), SCMP_SYS(exit_group),
};

static int allow_if(scmp_filter_ctx filter, int call, unsigned argument, uint64_t mask,
                    uint64_t value)
{
	const struct scmp_arg_cmp test = {
	    .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = value};

	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, test);
}

static void install_filter(int answer)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int failed = filter == NULL;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !failed; i++)
		failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
	if (!failed)
		failed =
		    allow_if(filter, SCMP_SYS(mmap), 2, PROT_EXEC, 0) |
		    allow_if(filter, SCMP_SYS(mprotect), 2, PROT_EXEC, 0) |
		    allow_if(filter, SCMP_SYS(write), 0, UINT32_MAX, (uint32_t)answer);
	if (failed || seccomp_load(filter) != 0)
		monitor_fail(&self, "cannot install the system call filter");
	seccomp_release(filter);
}

static void limit(int resource, rlim_t most)
{
	const struct rlimit limit = {most, most};

	if (setrlimit(resource, &limit) < 0)
		monitor_fail(&self, "cannot set resource limits: %s", strerror(errno));
}

/* Closes what this process inherited, but the three that a monitor has, too, the pipe and
 * what is needed. */
static void close_others(int answer, int needed)
{
	unsigned first = (unsigned)(answer < needed ? answer : needed);
	unsigned last = (unsigned)(answer < needed ? needed : answer);
	unsigned next = STDERR_FILENO + 1;

	if (needed < 0)
		first = last;
	if (first > next)
		(void)syscall(SYS_close_range, next, first - 1, 0);
	if (last > first + 1)
		(void)syscall(SYS_close_range, first + 1, last - 1, 0);
	(void)syscall(SYS_close_range, last + 1, ~0u, 0);
}

static _Noreturn void run_child(const struct confined *task, int answer)
{
	close_others(answer, task->needed);
	task->open(task->context);
	privilege_drop(&self, &(struct privilege_need){0});
	limit(RLIMIT_CPU, PROCESSOR_SECONDS);
	limit(RLIMIT_AS, MEMORY_MOST);
	privilege_limit(&self, 0);
	install_filter(answer);
	task->work(task->context, answer);
	_exit(0);
}

/* ---- the parent ---- */

/* Reads up to `most` bytes; false: there are more, or they do not come in time. */
static bool read_answer(int fd, char *answer, size_t most, size_t *size)
{
	uint64_t deadline = monitor_now() + (uint64_t)PATIENCE_SECONDS * NANOSECONDS;

	for (;;) {
		struct pollfd ready = {.fd = fd, .events = POLLIN};
		uint64_t now = monitor_now();
		ssize_t n;

		if (now >= deadline ||
		    (poll(&ready, 1, (int)((deadline - now) / 1000000u) + 1) < 0 &&
		     errno != EINTR))
			return false;
		if (!ready.revents)
			continue;
		n = read(fd, answer + *size, most + 1 - *size);
		if (n == 0)
			return true;
		if (n < 0 && errno != EINTR)
			return false;
		*size += n > 0 ? (size_t)n : 0;
		if (*size > most)
			return false;
	}
}

const char *confined_run(const struct confined *task, size_t *size, const char **problem)
{
	char *answer = allocate(task->answer_most + 1);
	int ends[2] = {-1, -1}, status;
	bool whole;
	pid_t pid;

	*size = 0;
	fflush(NULL);
	pid = pipe2(ends, O_CLOEXEC) == 0 ? fork() : -1;
	if (pid < 0) {
		*problem = text_format("could not be started: %s", strerror(errno));
		close(ends[0]);
		close(ends[1]);
		return NULL;
	}
	if (pid == 0)
		run_child(task, ends[1]);
	close(ends[1]);
	whole = read_answer(ends[0], answer, task->answer_most, size);
	close(ends[0]);
	if (!whole)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			fail("cannot wait for %s: %s", "a backtrace", strerror(errno));
	if (whole && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return answer;
	*problem = !whole                ? "came to no end"
	           : WIFSIGNALED(status) ? text_format("was ended by a signal: %s",
	                                               strsignal(WTERMSIG(status)))
	                                 : "gave up";
	return NULL;
}
