/*
 * kiln run --cpus N: N sealed images of one appliance, each on a processor of its own and
 * with its own queue of each tap. They share the address and the port and nothing else;
 * which of them a client meets is for the tap to say (steer.c).
 *
 * Each is run as `kiln run` runs one, by a process of its own. The first that ends has the
 * others stopped; a signal goes to all.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include "../monitor/monitor.h"
#include "cpus.h"
#include "network.h"
#include "supervise.h"

struct images {
	struct run *run;
	unsigned count;
	struct words nets[TAP_QUEUES]; /* of each */
	int processors[TAP_QUEUES];
	pid_t pids[TAP_QUEUES]; /* 0: it has ended */
};

static void choose_processors(struct images *m)
{
	unsigned found = 0;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		fail("cannot tell which processors there are: %s", strerror(errno));
	for (int cpu = 0; cpu < CPU_SETSIZE && found < m->count; cpu++)
		if (CPU_ISSET((unsigned)cpu, &set))
			m->processors[found++] = cpu;
	if (found < m->count)
		fail("--cpus %u: there are %u processors to run on", m->count, found);
}

/* The descriptor in "NAME=queue:N,..." */
static int queue_of(const char *net)
{
	return atoi(strstr(net, "=queue:") + strlen("=queue:"));
}

static void close_queues(const struct words *nets)
{
	for (size_t i = 0; i < nets->count; i++)
		close(queue_of(nets->item[i]));
}

/* In the process of one image. */
static _Noreturn void become_one(struct images *m, unsigned index,
                                 int (*run_one)(struct run *run))
{
	struct run *run = m->run;

	for (unsigned i = 0; i < m->count; i++)
		if (i != index)
			close_queues(&m->nets[i]);
	run->queues = m->nets[index];
	run->cpu = text_format("%d", m->processors[index]);
	exit(run_one(run));
}

static void start_all(struct images *m, int (*run_one)(struct run *run))
{
	pid_t parent = getpid();

	fflush(NULL);
	for (unsigned i = 0; i < m->count; i++) {
		m->pids[i] = fork();
		if (m->pids[i] < 0)
			fail("cannot start image %u of %u: %s", i + 1, m->count,
			     strerror(errno));
		if (m->pids[i] == 0) {
			companion_belong(parent);
			become_one(m, i, run_one);
		}
	}
	for (unsigned i = 0; i < m->count; i++)
		close_queues(&m->nets[i]);
}

static void signal_all(const struct images *m, int signal)
{
	for (unsigned i = 0; i < m->count; i++)
		if (m->pids[i])
			kill(m->pids[i], signal);
}

static unsigned index_of(const struct images *m, pid_t pid)
{
	unsigned i = 0;

	while (i < m->count && m->pids[i] != pid)
		i++;
	return i;
}

/* Takes those that have ended; the status of the first that is not 0, or `status`. */
static int take_ended(struct images *m, unsigned *left, int status)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		unsigned i = index_of(m, pid);

		if (i == m->count)
			continue;
		m->pids[i] = 0;
		(*left)--;
		if (status == 0)
			status =
			    WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
	}
	return status;
}

static int attend_all(struct images *m, const sigset_t *set)
{
	unsigned left = m->count;
	bool stopping = false;
	int status = 0, signal;

	while (left) {
		if (sigwait(set, &signal) != 0)
			continue;
		if (signal != SIGCHLD) {
			stopping = true;
			signal_all(m, signal);
			continue;
		}
		status = take_ended(m, &left, status);
		if (left < m->count && left && !stopping) {
			fprintf(stderr,
			        "kiln: one of %u images has ended: the others are "
			        "stopped\n",
			        m->count);
			stopping = true;
			signal_all(m, SIGTERM);
		}
	}
	return status;
}

int run_on_cpus(struct run *run, unsigned header_size, int (*run_one)(struct run *run))
{
	struct images *m = allocate(sizeof(*m));
	char *end;
	sigset_t set;
	long count;

	errno = 0;
	count = strtol(run->cpus, &end, 10);
	if (errno || *end || end == run->cpus || count < 1 || count > TAP_QUEUES)
		fail_usage("--cpus takes a number of images, 1 to %d, not '%s'",
		           TAP_QUEUES, run->cpus);
	if (run->cpu || run->debugger || run->timings)
		fail_usage(
		    "--cpus: each image has a processor of its own; without --cpu, "
		    "--gdb and --timings");
	m->run = run;
	m->count = (unsigned)count;
	choose_processors(m);
	network_open_queues(run, m->count, header_size, m->nets);
	sigemptyset(&set);
	for (size_t i = 0; i < 4; i++)
		sigaddset(&set, (const int[]){SIGCHLD, SIGINT, SIGTERM, SIGHUP}[i]);
	start_all(m, run_one);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGCHLD); /* one may have ended before */
	return attend_all(m, &set);
}
