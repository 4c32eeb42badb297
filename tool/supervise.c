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
#include "console.h"
#include "crash.h"
#include "serial.h"
#include "supervise.h"
#include "trace.h"

/* A second signal is one only after a moment: timeout(1), for one, sends each twice. */
enum { STOP_MS = 3000, AGAIN_MS = 200, CTRL_C = 3 };

/* What there is to know while the child runs. */
struct attended {
	struct supervised *s;
	pid_t pid;
	int signals;   /* signalfd */
	int input;     /* the child's standard input, if it is asked to stop by that */
	uint64_t kill; /* when its time to stop is over, monotonic ms; 0: not asked yet */
	bool killed;
	bool explained;     /* its crash */
	bool debugged;      /* handed over to a debugger */
	uint64_t oom_kills; /* of the whole host, when it was started */
	struct trace trace;
	struct reports reports;
	struct serial serial;
	struct console console; /* of an image whose text goes to a terminal */
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
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	s->report_input = ends[0];
	s->report = ends[1];
}

void supervise_hand(struct supervised *s, int fd)
{
	if (s->handed_count == SUPERVISED_MOST)
		fail("more than %d descriptors for one image", SUPERVISED_MOST);
	s->handed[s->handed_count++] = fd;
}

/* ---- how it ended ---- */

static bool word_of_child(const void *context, uint64_t address, uint64_t *word)
{
	return trace_word(context, address, word);
}

static bool word_of_guest(const void *context, uint64_t address, uint64_t *word)
{
	return reports_word(context, address, word);
}

/* While its memory is still there. */
static void explain_child(struct trace *t, void *context)
{
	struct attended *a = context;
	const struct supervised *s = a->s;

	if (!WIFSIGNALED(t->status) || !trace_is_crash(WTERMSIG(t->status)))
		return;
	while (console_read(&a->console))
		continue;
	reports_read(&a->reports);
	crash_print(&(struct crash){
	    .path = s->path,
	    .image = s->image,
	    .monitor = s->program,
	    .reports = s->program ? &a->reports : NULL,
	    .pid = s->image ? 0 : a->pid,
	    .fault = t->fault,
	    .read = word_of_child,
	    .context = t,
	    .memory = t->memory,
	});
	a->explained = true;
}

static void explain_guest(struct attended *a)
{
	crash_print(&(struct crash){
	    .path = a->s->path,
	    .image = a->s->image,
	    .monitor = a->s->program,
	    .reports = &a->reports,
	    .fault = a->reports.fault.fault,
	    .read = word_of_guest,
	    .context = &a->reports,
	    .memory = -1,
	});
}

/* The kernel's count of processes that it killed for want of memory. */
static uint64_t oom_kills(void)
{
	FILE *statistics = fopen("/proc/vmstat", "re");
	unsigned long long count = 0;
	char line[128];

	while (statistics && fgets(line, sizeof(line), statistics))
		if (sscanf(line, "oom_kill %llu", &count) == 1)
			break;
	if (statistics)
		fclose(statistics);
	return count;
}

/* What ended, if it is the child: a monitor that the image has become is the image. */
static const char *shown_name(const struct supervised *s)
{
	return s->image && !s->trace ? s->program : path_display(s->path);
}

static const char *shown_program(const struct supervised *s)
{
	return s->program ? s->program : path_base(s->path);
}

/* A signal ended the child, and there was nothing to see but that. */
static int signalled(const struct attended *a, int signal)
{
	const char *name = shown_name(a->s);

	if (signal == SIGKILL && oom_kills() > a->oom_kills) {
		fprintf(
		    stderr,
		    "kiln: %s was killed by the kernel: this machine, or its group of "
		    "processes, is out of memory. Give the image less by -m\n",
		    name);
		return CRASH_STATUS;
	}
	if (trace_is_crash(signal) && !a->explained && a->s->trace && !a->debugged)
		fprintf(stderr, "kiln: %s crashed: %s%s%s\n", name, strsignal(signal),
		        a->s->trace && !a->trace.attached
		            ? "; no more is known, as this system does not allow to "
		              "trace it: "
		            : "",
		        a->s->trace && !a->trace.attached ? strerror(a->trace.error)
		                                          : "");
	else if (!a->explained)
		fprintf(stderr, "kiln: %s was ended by a signal: %s\n", name,
		        strsignal(signal));
	return trace_is_crash(signal) ? CRASH_STATUS : 128 + signal;
}

static int status_of(struct attended *a, int status)
{
	while (console_read(&a->console))
		continue;
	reports_read(&a->reports);
	if (a->s->serial)
		serial_end(&a->serial, &a->reports, a->s->image);
	if (a->reports.has_fault)
		explain_guest(a);
	if (a->killed)
		return CRASH_STATUS;
	if (WIFSIGNALED(status))
		return signalled(a, WTERMSIG(status));
	status = WEXITSTATUS(status);
	return a->s->image_status ? a->s->image_status(status) : status;
}

/* ---- starting ---- */

/* In the child: waits until it is traced, if it is to be, and becomes the program. */
static _Noreturn void become(const struct supervised *s, int go, int input, int output,
                             const sigset_t *mask)
{
	char byte;

	if (read(go, &byte, 1) < 0)
		_exit(1);
	if (input >= 0)
		dup2(input, STDIN_FILENO);
	if (output >= 0)
		dup2(output, STDOUT_FILENO);
	if (s->report >= 0)
		fcntl(s->report, F_SETFD, 0);
	for (unsigned i = 0; i < s->handed_count; i++)
		fcntl(s->handed[i], F_SETFD, 0);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(s->command.item[0], (char *const *)(void *)s->command.item);
	fprintf(stderr, "kiln: cannot run %s: %s%s\n", s->command.item[0],
	        strerror(errno), s->missing ? s->missing : "");
	_exit(1);
}

static void start(struct attended *a, const sigset_t *mask)
{
	pid_t parent = getpid();
	int input[2] = {-1, -1}, output[2] = {-1, -1}, go[2];
	bool filtered =
	    !a->s->serial && (a->s->timings || (a->s->image && console_is_terminal()));

	make_pipe(go);
	if (a->s->serial)
		make_pipe(input);
	if (a->s->serial || filtered) {
		make_pipe(output);
		fcntl(output[0], F_SETFL, O_NONBLOCK);
	}
	fflush(NULL);
	a->pid = fork();
	if (a->pid < 0)
		fail("cannot start %s: %s", a->s->command.item[0], strerror(errno));
	if (a->pid == 0) {
		companion_belong(parent);
		close(go[1]);
		become(a->s, go[0], input[0], output[1], mask);
	}
	if (a->s->timings)
		timings_mark(a->s->timings,
		             text_format("%s started", shown_program(a->s)));
	if (a->s->trace)
		trace_attach(&a->trace, a->pid);
	close(go[1]); /* which it waits for */
	close(go[0]);
	setpgid(a->pid, a->pid); /* whoever is first: no signal is to go astray */
	if (input[0] >= 0)
		close(input[0]);
	if (output[1] >= 0)
		close(output[1]);
	a->input = input[1];
	a->serial.fd = filtered ? -1 : output[0];
	a->console.fd = filtered ? output[0] : -1;
	if (a->s->report >= 0)
		close(a->s->report);
	for (unsigned i = 0; i < a->s->handed_count; i++)
		close(a->s->handed[i]);
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
		if (now_ms() + STOP_MS >= a->kill + AGAIN_MS)
			end(a, "");
		return;
	}
	a->kill = now_ms() + STOP_MS;
	if (!a->s->serial)
		kill(a->pid, signal == SIGINT && !a->debugged ? SIGINT : SIGTERM);
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
	/* Keys on the terminal are gdb's while it has it. */
	if (a->s->debugger && a->s->debugger->pid && info.ssi_code == SI_KERNEL)
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

/* ---- a debugger ---- */

/* Where the image begins; 0: not known. */
static uint64_t image_entry(void *context)
{
	struct attended *a = context;
	const struct report_place *place;

	reports_read(&a->reports);
	place = reports_place(&a->reports, REPORT_PLACE_IMAGE);
	return place ? place->start + a->s->image->entry : 0;
}

static void debug_process(struct trace *t, void *context)
{
	struct attended *a = context;
	const struct supervised *s = a->s;
	uint64_t entry = s->image ? image_entry(a) : 0;

	a->debugged = true;
	if (s->image)
		debugger_for_jail(s->debugger, s->path, s->image, t->pid,
		                  entry - s->image->entry);
	else
		debugger_for_program(s->debugger, t->pid);
	debugger_start(s->debugger);
}

/* A guest is there for its debugger once its monitor says where it is, or is QEMU. */
static void debug_guest(struct attended *a)
{
	const struct supervised *s = a->s;

	if (!s->debugger || !s->debugger->socket || a->debugged)
		return;
	if (s->report_input >= 0) {
		if (!reports_place(&a->reports, REPORT_PLACE_IMAGE))
			return;
		debugger_for_kvm(s->debugger, s->path, s->image);
	} else {
		debugger_for_qemu(s->debugger, s->path, s->image);
	}
	a->debugged = true;
	debugger_start(s->debugger);
}

/* Takes what wait(2) has to tell: true once the child has ended. */
static bool take_statuses(struct attended *a, int *status)
{
	struct debugger *d = a->s->debugger;

	if (d && d->pid && waitpid(d->pid, NULL, WNOHANG) == d->pid)
		d->pid = 0;
	while (waitpid(a->pid, status, WNOHANG) == a->pid)
		if (!trace_take(&a->trace, *status))
			return true;
	return false;
}

/* Until the child ends; its status as wait(2) has it. */
static int attend(struct attended *a)
{
	int status;

	debug_guest(a);
	while (!take_statuses(a, &status)) {
		struct pollfd fds[] = {{.fd = a->signals, .events = POLLIN},
		                       {.fd = a->reports.fd, .events = POLLIN},
		                       {.fd = a->serial.fd, .events = POLLIN},
		                       {.fd = a->console.fd, .events = POLLIN}};
		int ready;

		if (companion_missing(a->s)) {
			a->killed = true;
			kill(a->pid, SIGKILL);
		}
		ready = poll(fds, 4, time_left(a));
		if (time_left(a) == 0)
			end(a, " in time");
		if (ready <= 0)
			continue;
		if (fds[0].revents)
			take_signal(a);
		if (fds[1].revents)
			reports_read(&a->reports);
		if (fds[2].revents)
			serial_read(&a->serial);
		if (fds[3].revents)
			console_read(&a->console);
		debug_guest(a);
		if (a->s->timings)
			timings_print(a->s->timings, &a->reports, false);
	}
	return status;
}

static void watch_console(void *context, const char *bytes, size_t size)
{
	struct attended *a = context;

	reports_read(&a->reports);
	timings_text(a->s->timings, &a->reports, bytes, size);
}

int supervise(struct supervised *s)
{
	static const int handled[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCHLD};
	struct attended *a = allocate(sizeof(*a));
	sigset_t set, before;
	int status;

	/* As what it runs: nothing outlives the process that started it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		sigaddset(&set, handled[i]);
	sigprocmask(SIG_BLOCK, &set, &before);
	signal(SIGPIPE, SIG_IGN);
	a->s = s;
	a->reports.fd = s->report_input;
	a->oom_kills = oom_kills();
	a->trace.on_end = explain_child;
	a->trace.context = a;
	a->trace.entry = image_entry;
	a->trace.on_hold = debug_process;
	if (s->debugger && s->trace)
		a->trace.hold = s->image ? TRACE_HOLD_IMAGE : TRACE_HOLD_PROGRAM;
	if (s->timings)
		a->console.watch = a->serial.console.watch = watch_console;
	a->console.context = a->serial.console.context = a;
	a->signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (a->signals < 0)
		fail("cannot wait for signals: %s", strerror(errno));
	start(a, &before);
	if (a->trace.hold && !a->trace.attached)
		fail("this system does not let a debugger have the image: %s",
		     strerror(a->trace.error));
	status = attend(a);
	companion_end_all(s);
	if (s->debugger)
		debugger_end(s->debugger);
	status = status_of(a, status);
	if (s->timings)
		timings_print(s->timings, &a->reports, true);
	return status;
}
