/*
 * kiln-sim: runs a scenario whose images have been built. Started by `kiln sim`, which
 * checks what a user can get wrong but for what only the images tell.
 *
 *	kiln-sim FILE [--name NAME] [--image FOLDER=FILE]... [--seed N] [--time TIME] [--json]
 *
 * NAME is what messages call the file. Exit status 0; 1: something that was expected is not
 * so; 2: the scenario makes no sense.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <kiln/bytes.h>
#include "report.h"

enum { USAGE = 2, IMAGES = 256, SCENARIO_LARGEST = 1 << 20 };

static const char *images[IMAGES]; /* "FOLDER=FILE" */
static unsigned image_count;
static volatile int stop_asked;

static void on_stop(int signal)
{
	(void)signal;
	stop_asked = 1;
}

/* ---- when a host crashes ---- */

static char crash_text[128]; /* how to see it again; made before it can happen */

/* On a stack of its own: that of the node may be what has run over. */
static void on_crash(int signal)
{
	if (write(STDERR_FILENO, crash_text, strlen(crash_text)) < 0) {
	}
	raise(signal); /* the default is back: a core, a debugger */
}

static void catch_crashes(uint64_t seed)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
	static uint8_t stack[64 << 10];
	const struct sigaction action = {.sa_handler = on_crash,
	                                 .sa_flags = SA_RESETHAND | SA_ONSTACK};
	const stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};

	snprintf(crash_text, sizeof(crash_text),
	         "\nkiln: the simulation crashed; seed %llu repeats the run\n",
	         (unsigned long long)seed);
	sigaltstack(&alternative, NULL);
	for (size_t i = 0; i < KILN_COUNT_OF(signals); i++)
		sigaction(signals[i], &action, NULL);
}

static _Noreturn void refuse(const char *what, const char *why)
{
	fprintf(stderr, "kiln: %s%s%s\n", what, *why ? ": " : "", why);
	exit(USAGE);
}

static kiln_time clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (kiln_time)now.tv_sec * KILN_SECONDS(1) + (kiln_time)now.tv_nsec;
}

/* ---- what it was given ---- */

static const char *image_of(const char *folder)
{
	size_t length = strlen(folder);

	for (unsigned i = 0; i < image_count; i++)
		if (strncmp(images[i], folder, length) == 0 && images[i][length] == '=')
			return images[i] + length + 1;
	return NULL;
}

static char *read_text(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = calloc(1, SCENARIO_LARGEST);
	size_t size = 0;
	ssize_t n = -1;

	while (fd >= 0 && text && size < SCENARIO_LARGEST - 1 &&
	       (n = read(fd, text + size, SCENARIO_LARGEST - 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		refuse(path, strerror(errno));
	if (size == SCENARIO_LARGEST - 1)
		refuse(path, "a scenario has less than 1 MiB");
	close(fd);
	return text;
}

struct arguments {
	const char *path, *name, *seed, *time;
	bool json;
};

static void parse(struct arguments *arguments, char **argv)
{
	while (*++argv) {
		const char *value = argv[1];

		if (strcmp(*argv, "--json") == 0) {
			arguments->json = true;
			continue;
		}
		if (**argv != '-') {
			arguments->path = *argv;
			continue;
		}
		if (!value)
			refuse(*argv, "its value is missing");
		if (strcmp(*argv, "--image") == 0 && image_count < IMAGES)
			images[image_count++] = value;
		else if (strcmp(*argv, "--name") == 0)
			arguments->name = value;
		else if (strcmp(*argv, "--seed") == 0)
			arguments->seed = value;
		else if (strcmp(*argv, "--time") == 0)
			arguments->time = value;
		else
			refuse(*argv, "kiln-sim does not know it");
		argv++;
	}
	if (!arguments->path)
		refuse("which scenario is to run?", "");
}

static void read_scenario(struct scenario *scenario, const struct arguments *arguments)
{
	if (!scenario_read(scenario, arguments->name ? arguments->name : arguments->path,
	                   read_text(arguments->path)))
		refuse(scenario->error, "");
	if (arguments->seed)
		scenario->seed = strtoull(arguments->seed, NULL, 10);
	if (arguments->time && !scenario_parse_time(arguments->time, &scenario->run))
		refuse("--time", "a time such as 30s or 5m is needed");
}

/* ---- while it runs ---- */

/* What hosts print goes to stderr, each line with its name. */
static void print_console(void *context, const char *node, struct slice text)
{
	bool *within_line = context;

	for (size_t i = 0; i < text.len; i++) {
		if (!*within_line)
			fprintf(stderr, "%s: ", node);
		fputc(text.data[i], stderr);
		*within_line = text.data[i] != '\n';
	}
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void show_progress(const struct play *play)
{
	static kiln_time shown_at;
	kiln_time now;

	if (!isatty(STDERR_FILENO) || (now = clock_now()) - shown_at < KILN_MS(200))
		return;
	shown_at = now;
	end_progress();
	fprintf(stderr, "%.1f s of virtual time, %llu requests, %llu failed",
	        (double)sim_now(play->sim) / (double)KILN_SECONDS(1),
	        (unsigned long long)play->tally.requests,
	        (unsigned long long)tally_failures(&play->tally));
}

int main(int argc, char **argv)
{
	/* Once: the second ends the program, should a host not stop. */
	const struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESETHAND};
	static struct arguments arguments;
	static struct scenario scenario;
	static struct play play;
	bool within_line = false;
	kiln_time began = clock_now();

	parse(&arguments, argv);
	read_scenario(&scenario, &arguments);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	catch_crashes(scenario.seed);
	if (!play_make(&play, &scenario, image_of))
		refuse(play.error, "");
	sim_console(play.sim, print_console, &within_line);
	play_run(&play, &stop_asked, show_progress);
	end_progress();
	(arguments.json ? report_json : report_print)(&play, clock_now() - began);
	fflush(stdout);
	return report_check(&play) ? 0 : 1;
}
