/*
 * The process beside an image: see supervise.h.
 *
 * The child is in a process group of its own, so that Ctrl-C reaches it through us alone,
 * once, and QEMU, which would end at once, not at all. What a terminal does to its
 * foreground group (Ctrl-Z) is passed on as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "supervise.h"

enum { STOP_MS = 3000, CTRL_C = 3 };

/* What there is to know while the child runs. */
struct attended {
	const struct supervised *s;
	pid_t pid;
	int signals;   /* signalfd */
	int input;     /* the child's standard input, if it is asked to stop by that */
	uint64_t kill; /* when its time to stop is over, monotonic ms; 0: not asked yet */
	bool killed;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void make_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		fail("cannot make a pipe: %s", strerror(errno));
}

void supervise_report(struct supervised *s)
{
	int ends[2];

	make_pipe(ends);
	s->report_input = ends[0];
	s->report = ends[1];
}

/* ---- starting ---- */

static _Noreturn void become(const struct supervised *s, int input, const sigset_t *mask)
{
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	if (s->report >= 0)
		fcntl(s->report, F_SETFD, 0);
	setpgid(0, 0);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(s->command.item[0], (char *const *)(void *)s->command.item);
	fprintf(stderr, "kiln: cannot run %s: %s%s\n", s->command.item[0],
	        strerror(errno), s->missing ? s->missing : "");
	_exit(1);
}

static void start(struct attended *a, const sigset_t *mask)
{
	pid_t parent = getpid();
	int ends[2] = {-1, -1};

	if (a->s->stop_by_input)
		make_pipe(ends);
	fflush(NULL);
	a->pid = fork();
	if (a->pid < 0)
		fail("cannot start %s: %s", a->s->command.item[0], strerror(errno));
	if (a->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		become(a->s, ends[0], mask);
	}
	setpgid(a->pid, a->pid); /* whoever is first: no signal is to go astray */
	if (ends[0] >= 0)
		close(ends[0]);
	a->input = ends[1];
	if (a->s->report >= 0)
		close(a->s->report);
}

/* ---- attending ---- */

static void end(struct attended *a, const char *why)
{
	if (!a->killed)
		fprintf(stderr, "kiln: the image did not stop by itself%s: killed\n",
		        why);
	a->killed = true;
	kill(a->pid, SIGKILL);
}

static void ask_to_stop(struct attended *a, int signal)
{
	if (a->kill) {
		end(a, "");
		return;
	}
	a->kill = now_ms() + STOP_MS;
	if (!a->s->stop_by_input)
		kill(a->pid, signal == SIGINT ? SIGINT : SIGTERM);
	else if (write(a->input, &(char){CTRL_C}, 1) != 1)
		end(a, "");
}

/* Ctrl-Z: the image stops first, and goes on when we do. */
static void suspend(struct attended *a)
{
	kill(a->pid, SIGSTOP);
	raise(SIGSTOP);
	kill(a->pid, SIGCONT);
}

static void take_signal(struct attended *a)
{
	struct signalfd_siginfo info;

	if (read(a->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP)
		suspend(a);
	else if (info.ssi_signo != SIGCHLD)
		ask_to_stop(a, (int)info.ssi_signo);
}

static int time_left(const struct attended *a)
{
	uint64_t now = now_ms();

	if (!a->kill || a->killed)
		return -1;
	return a->kill > now ? (int)(a->kill - now) : 0;
}

/* Until the child ends; its status as wait(2) has it. */
static int attend(struct attended *a)
{
	struct pollfd fds[] = {{.fd = a->signals, .events = POLLIN},
	                       {.fd = a->s->report_input, .events = POLLIN}};
	int status;

	while (waitpid(a->pid, &status, WNOHANG) != a->pid) {
		char ignored[4096];
		int ready = poll(fds, 2, time_left(a));

		if (ready == 0)
			end(a, " in time");
		if (ready <= 0)
			continue;
		if (fds[0].revents)
			take_signal(a);
		if (fds[1].revents &&
		    read(a->s->report_input, ignored, sizeof(ignored)) <= 0)
			fds[1].fd = -1;
	}
	return status;
}

static int status_of(const struct attended *a, int status)
{
	if (a->killed)
		return 1;
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	status = WEXITSTATUS(status);
	return a->s->image_status ? a->s->image_status(status) : status;
}

int supervise(struct supervised *s)
{
	static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCHLD};
	struct attended a = {.s = s};
	sigset_t set, before;

	/* As what it runs: nothing outlives the process that started it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		sigaddset(&set, handled[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	a.signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (a.signals < 0)
		fail("cannot wait for signals: %s", strerror(errno));
	start(&a, &before);
	return status_of(&a, attend(&a));
}
