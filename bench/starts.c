/*
 * For kiln bench boot: how long a program takes from exec to exit.
 *
 *	starts COUNT PROGRAM [ARGUMENT]...
 *
 * Runs it so often, its output to nowhere, and prints a line for each: ns from before the
 * call that starts it to its end, and ns of the processor's that it used, user and system.
 */
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "load.h"

static uint64_t ns_of(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * SECOND + (uint64_t)time->tv_usec * 1000;
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t quiet;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: %s COUNT PROGRAM [ARGUMENT]...\n", argv[0]);
		return 2;
	}
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	for (int i = atoi(argv[1]); i > 0; i--) {
		uint64_t began = now_ns();
		struct rusage used;
		pid_t pid;

		errno = posix_spawn(&pid, argv[2], &quiet, NULL, argv + 2, environ);
		if (errno)
			fail(argv[2]);
		if (wait4(pid, &status, 0, &used) != pid)
			fail("wait4");
		began = now_ns() - began;
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
			fprintf(stderr, "%s: ended with %#x\n", argv[2], status);
			return 1;
		}
		printf(
		    "%llu %llu\n", (unsigned long long)began,
		    (unsigned long long)(ns_of(&used.ru_utime) + ns_of(&used.ru_stime)));
	}
	return 0;
}
