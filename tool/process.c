/*
 * Running other programs: compilers in parallel, one program in the foreground, or in
 * place of this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tool.h"

static _Noreturn void execute(const struct words *command)
{
	execvp(command->item[0], (char *const *)(void *)command->item);
	fprintf(stderr, "kiln: cannot run %s: %s\n", command->item[0], strerror(errno));
	_exit(127);
}

/* Starts the command with its output going to `output`, or where ours goes if that is -1.
 */
static pid_t start(const struct words *command, int output)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		fail("cannot start %s: %s", command->item[0], strerror(errno));
	if (pid == 0) {
		if (output >= 0) {
			dup2(output, STDOUT_FILENO);
			dup2(output, STDERR_FILENO);
		}
		execute(command);
	}
	return pid;
}

static int status_of(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int process_run(const struct words *command)
{
	pid_t pid = start(command, -1);
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			fail("cannot wait for %s: %s", command->item[0], strerror(errno));
	}
	return status_of(status);
}

void process_become(const struct words *command)
{
	fflush(NULL);
	execvp(command->item[0], (char *const *)(void *)command->item);
	fail("cannot run %s: %s", command->item[0], strerror(errno));
}

struct job {
	pid_t pid;
	int output;
};

static void show_output(int output)
{
	char buffer[4096];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(output, buffer, sizeof(buffer), at)) > 0) {
		if (at == 0)
			progress_end();
		fwrite(buffer, 1, (size_t)n, stderr);
		at += n;
	}
	close(output);
}

/* Waits for one of the jobs to end; false if it failed. */
static bool finish_one(struct job *jobs, size_t count)
{
	int status;
	pid_t pid = wait(&status);

	for (size_t i = 0; i < count; i++) {
		if (jobs[i].pid != pid)
			continue;
		jobs[i].pid = 0;
		show_output(jobs[i].output);
		return status == 0;
	}
	return pid > 0;
}

bool process_run_all(const struct words *commands, const char *const *titles,
                     size_t count)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	struct job *jobs = allocate(count * sizeof(*jobs));
	size_t limit = processors > 0 ? (size_t)processors : 1, started = 0, running = 0;
	bool ok = true;

	while (running || (ok && started < count)) {
		if (ok && started < count && running < limit) {
			int output = memfd_create("output", MFD_CLOEXEC);
			if (output < 0)
				fail("cannot keep a program's output: %s",
				     strerror(errno));
			progress("[%zu/%zu] %s", started + 1, count, titles[started]);
			jobs[started] =
			    (struct job){start(&commands[started], output), output};
			started++;
			running++;
			continue;
		}
		ok &= finish_one(jobs, started);
		running--;
	}
	progress_end();
	free(jobs);
	return ok;
}
