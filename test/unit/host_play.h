/*
 * Appliances on the host target, for its unit tests: each runs over the real loopback interface
 * with a deadline, and leaves no descriptor open. Include it in one file of a program.
 */
#ifndef TEST_HOST_PLAY_H
#define TEST_HOST_PLAY_H

#include <stdarg.h>
#include <setjmp.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/tcp.h>
#include "target/host/host.h"

KILN_NET(net0, "loopback");

enum { MEMORY = 1 << 20 };

static int (*test_entry)(struct kiln *k);

static void too_long(struct timer *timer)
{
	fail_msg("the run did not come to its end");
}

static int entry_with_deadline(struct kiln *k)
{
	struct timer deadline;
	int status;

	loop_add(&k->loop, &host_of(k)->source);
	timer_init(&deadline, too_long);
	timer_set(&k->loop, &deadline, kiln_now(k) + KILN_SECONDS(10));
	status = test_entry(k);
	timer_cancel(&k->loop, &deadline);
	return status;
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* Runs entry(k) as an appliance, with an option, "key=value", and a disk if they are not
 * NULL; returns its status. */
static int run_with(int (*entry)(struct kiln *k), const char *option, const char *disk)
{
	struct host *host = calloc(1, sizeof(*host));
	void *memory = calloc(1, MEMORY);
	unsigned before = open_descriptors();
	int status;

	host->boot = (struct kiln_boot){
	    .magic = KILN_BOOT_MAGIC,
	    .abi = KILN_ABI_VERSION,
	    .size = sizeof(host->boot),
	    .memory = (uint64_t)(uintptr_t)memory,
	    .memory_size = MEMORY,
	    .clock_gettime = 1,
	    .options = (uint64_t)(uintptr_t)option,
	    .options_size = option ? strlen(option) + 1 : 0,
	};
	assert_true(host_init(host));
	if (disk)
		assert_true(host_disk_add(host, "disk0", 5, disk));
	test_entry = entry;
	status = kiln_start_with(&host->kiln, entry_with_deadline);
	host_end(host);
	assert_int_equal(open_descriptors(), before);
	free(memory);
	free(host);
	return status;
}

static int run(int (*entry)(struct kiln *k), const char *disk)
{
	return run_with(entry, NULL, disk);
}

#endif
