/*
 * Processes that serve an image while it runs, beside `kiln run` (supervise.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "supervise.h"

void companion_belong(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN); /* or it stops where "stty tostop" holds */
}

static _Noreturn void become(const struct words *command, const int *fds, size_t fd_count)
{
	for (size_t i = 0; i < fd_count; i++)
		fcntl(fds[i], F_SETFD, 0);
	execv(command->item[0], (char *const *)(void *)command->item);
	fprintf(stderr, "kiln: cannot run %s: %s\n", command->item[0], strerror(errno));
	_exit(1);
}

void companion_start(struct supervised *s, const struct words *command, const char *what,
                     const int *fds, size_t fd_count)
{
	struct companion *companion = &s->companions[s->companion_count];
	pid_t parent = getpid();

	if (s->companion_count++ == SUPERVISED_MOST)
		fail("more than %d processes for one image", SUPERVISED_MOST);
	fflush(NULL);
	companion->what = what;
	companion->pid = fork();
	if (companion->pid < 0)
		fail("cannot start %s: %s", command->item[0], strerror(errno));
	if (companion->pid == 0) {
		companion_belong(parent);
		become(command, fds, fd_count);
	}
	for (size_t i = 0; i < fd_count; i++)
		close(fds[i]);
}

static bool has_ended(struct companion *companion, int *status)
{
	if (companion->pid == 0 || waitpid(companion->pid, status, WNOHANG) == 0)
		return false;
	companion->pid = 0;
	return true;
}

/* One that ended with status 0 has seen the image's end before us. */
bool companion_missing(struct supervised *s)
{
	for (unsigned i = 0; i < s->companion_count; i++) {
		struct companion *companion = &s->companions[i];
		int status;

		if (!has_ended(companion, &status) || status == 0)
			continue;
		fprintf(stderr, "kiln: %s ended%s%s: so the image is ended, too\n",
		        companion->what, WIFSIGNALED(status) ? " by a signal: " : "",
		        WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "");
		return true;
	}
	return false;
}

void companion_end_all(struct supervised *s)
{
	const struct timespec patience = {.tv_sec = 1};
	sigset_t child;
	int status;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (unsigned i = 0; i < s->companion_count; i++) {
		struct companion *companion = &s->companions[i];

		while (companion->pid && !has_ended(companion, &status))
			if (sigtimedwait(&child, NULL, &patience) < 0 && errno == EAGAIN)
				kill(companion->pid, SIGKILL);
	}
}
