/*
 * The program that `kiln test DIR` builds and runs: every KILN_TEST it was linked with,
 * each in a process of its own, so that a crash ends one test and the appliance's variables
 * begin anew. Prints TAP, and what a test has printed only if it failed.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <kiln/abi/param.h>
#include "../sim/alone.h"
#include "test_private.h"

enum {
	USAGE = 2,
	WALL_SECONDS = 60, /* an endless loop takes no virtual time */
	OWN_MEMORY = 16 << 20,
	APPLIANCE_MEMORY = 16 << 20,
};
#define TEST_WITHIN KILN_SECONDS(600)
#define STOP_WITHIN KILN_SECONDS(10)

extern const struct test_case __start_kiln_tests[], __stop_kiln_tests[];

struct arguments {
	uint64_t seed, runs;
	const char *pcap, *only;
};

/* ---- one test, in its own process ---- */

static const struct kiln_device test0 = {KILN_DEVICE_NET, "test0"};

static void body(void *arg)
{
	struct test *t = arg;

	t->about->run(t);
	t->passed = true;
	kiln_stop(t->kiln);
}

static int test_entry(struct kiln *k)
{
	struct test *t = sim_node_user(sim_node_of(k));

	t->kiln = k;
	t->net = net_up(k, &test0);
	t->tcp = tcp_new(t->net);
	t->udp = udp_new(t->net);
	t->tasks = task_pool_new(k, 1, TEST_STACK);
	if (task_start(t->tasks, body, t) != KILN_OK)
		return 1;
	return kiln_run(k);
}

static void print_console(void *context, const char *node, struct slice text)
{
	struct test *t = context;

	if (strcmp(node, "appliance") == 0)
		test_text_add(&t->console, text);
	fwrite(text.data, 1, text.len, stdout);
	fflush(stdout); /* a crash may be next */
}

static void make_world(struct test *t, const struct arguments *arguments)
{
	static const char *const own_options[] = {"ip=10.0.0.1/24", "log=warn", NULL};
	const char *options[TEST_OPTIONS + 2] = {0};
	size_t memory = t->about->memory ? t->about->memory : APPLIANCE_MEMORY;
	static char address[256];
	struct sim_node *own;
	unsigned count = 0, nets;

	if (alone_address(address, sizeof(address)))
		options[count++] = address;
	for (unsigned i = 0; i < TEST_OPTIONS && t->about->options[i]; i++)
		options[count++] = t->about->options[i];
	t->sim = sim_new(arguments->seed);
	sim_console(t->sim, print_console, t);
	t->link = sim_link_new(t->sim, &t->about->link, 0);
	if (arguments->pcap && sim_link_pcap(t->link, arguments->pcap) != KILN_OK) {
		printf("cannot write %s: %s\n", arguments->pcap, strerror(errno));
		fflush(NULL);
		_exit(1);
	}
	t->appliance = alone_node(t->sim, t->link, memory, options, &nets);
	own = sim_node_new(t->sim, "test", OWN_MEMORY, test_entry, own_options);
	sim_node_net(own, test0.name, t->link);
	sim_node_set_user(own, t);
}

/* What is wrong with how the appliance ended; NULL: nothing, or the test knows of it. */
static const char *end_appliance(struct test *t)
{
	static char sentence[80];
	int status;

	if (t->looked_at_status)
		return NULL;
	sim_node_stop(t->appliance);
	sim_run(t->sim, sim_now(t->sim) + STOP_WITHIN);
	if (!sim_node_ended(t->appliance, &status))
		return "the appliance did not end when it was asked to";
	snprintf(sentence, sizeof(sentence), "the appliance ended with status %d",
	         status);
	return status ? sentence : NULL;
}

static _Noreturn void run_here(const struct test_case *about,
                               const struct arguments *arguments)
{
	struct test t = {.about = about, .file = about->file, .line = about->line};
	kiln_time within = about->within ? about->within : TEST_WITHIN;
	const char *wrong = NULL;

	alarm(WALL_SECONDS);
	make_world(&t, arguments);
	while (!t.passed && sim_now(t.sim) < within)
		if (sim_run(t.sim, KILN_MIN(within, sim_now(t.sim) + KILN_SECONDS(1))))
			break;
	if (!t.passed)
		wrong = "the test did not end within its time";
	else
		wrong = end_appliance(&t);
	if (wrong)
		printf("%s (after %llu s of virtual time)\n", wrong,
		       (unsigned long long)(sim_now(t.sim) / KILN_SECONDS(1)));
	fflush(NULL);
	_exit(wrong ? 1 : 0);
}

/* ---- all of them ---- */

static void show(int output)
{
	FILE *file = fdopen(output, "r");
	char *line = NULL;
	size_t room = 0;

	rewind(file);
	while (getline(&line, &room, file) > 0)
		printf("#   %s%s", line, strchr(line, '\n') ? "" : "\n");
	free(line);
	fclose(file);
}

static bool run_once(const struct test_case *about, const struct arguments *arguments,
                     unsigned number)
{
	int output = memfd_create("output", MFD_CLOEXEC), status = 0;
	pid_t pid;

	fflush(NULL);
	pid = output < 0 ? -1 : fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(output, STDOUT_FILENO);
		dup2(output, STDERR_FILENO);
		run_here(about, arguments);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		fprintf(stderr, "kiln: cannot start a test: %s\n", strerror(errno));
		exit(1);
	}
	if (status == 0) {
		close(output);
		return true;
	}
	printf("not ok %u - %s\n", number, about->sentence);
	show(output);
	if (WIFSIGNALED(status))
		printf("#   %s\n", WTERMSIG(status) == SIGALRM
		                       ? "did not end within 60 s"
		                       : strsignal(WTERMSIG(status)));
	printf("#   to see it again: --only %s --seed %llu\n", about->name,
	       (unsigned long long)arguments->seed);
	return false;
}

/* Under each seed, until it fails. */
static bool run_test(const struct test_case *about, struct arguments arguments,
                     unsigned number)
{
	for (uint64_t i = 0; i < arguments.runs; i++, arguments.seed++)
		if (!run_once(about, &arguments, number))
			return false;
	printf("ok %u - %s\n", number, about->sentence);
	return true;
}

/* ---- the command line; kiln test has read it before ---- */

static _Noreturn void refuse(const char *option, const char *takes)
{
	fprintf(stderr, "kiln: %s takes %s: see kiln help test\n", option, takes);
	exit(USAGE);
}

static uint64_t number(const char *option, const char *text, uint64_t least)
{
	uint64_t value;

	if (!param_parse(KILN_PARAM_TYPE_UINT, least, UINT64_MAX, text, strlen(text),
	                 &value))
		refuse(option, "a number");
	return value;
}

static struct arguments parse(int argc, char **argv)
{
	struct arguments arguments = {.seed = 1, .runs = 1};

	for (int i = 1; i < argc; i += 2) {
		if (!argv[i + 1])
			refuse(argv[i], "a value");
		if (strcmp(argv[i], "--seed") == 0)
			arguments.seed = number(argv[i], argv[i + 1], 0);
		else if (strcmp(argv[i], "--runs") == 0)
			arguments.runs = number(argv[i], argv[i + 1], 1);
		else if (strcmp(argv[i], "--only") == 0)
			arguments.only = argv[i + 1];
		else if (strcmp(argv[i], "--pcap") == 0)
			arguments.pcap = argv[i + 1];
		else
			refuse("kiln test DIR", "--seed, --runs, --only and --pcap");
	}
	return arguments;
}

/* As they stand in their files: compilers and linkers have an order of their own. */
static int compare_places(const void *a, const void *b)
{
	const struct test_case *x = *(const struct test_case *const *)a;
	const struct test_case *y = *(const struct test_case *const *)b;
	int files = strcmp(x->file, y->file);

	return files ? files : x->line - y->line;
}

int main(int argc, char **argv)
{
	struct arguments arguments = parse(argc, argv);
	size_t count = (size_t)(__stop_kiln_tests - __start_kiln_tests);
	const struct test_case **cases = calloc(count, sizeof(*cases));
	unsigned passed = 0, failed = 0;

	for (size_t i = 0; cases && i < count; i++)
		cases[i] = &__start_kiln_tests[i];
	qsort(cases, count, sizeof(*cases), compare_places);
	puts("TAP version 13");
	for (size_t i = 0; i < count; i++) {
		if (arguments.only && strcmp(arguments.only, cases[i]->name) != 0)
			continue;
		if (run_test(cases[i], arguments, passed + failed + 1))
			passed++;
		else
			failed++;
	}
	free(cases);
	printf("1..%u\n%u passed, %u failed, 0 skipped\n", passed + failed, passed,
	       failed);
	if (passed + failed == 0) {
		fprintf(stderr, "kiln: there is no test of the name '%s'\n",
		        arguments.only);
		return 1;
	}
	return failed ? 1 : 0;
}
