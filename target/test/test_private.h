/*
 * A test while it runs, as the parts of target/test share it. Its process ends with it:
 * nothing is given back.
 */
#ifndef TEST_PRIVATE_H
#define TEST_PRIVATE_H

#include <kiln/task.h>
#include <kiln/tcp.h>
#include <kiln/test.h>
#include <kiln/udp.h>

struct test_text {
	uint8_t *data;
	size_t len, room;
};

struct test {
	const struct test_case *about;
	const char *file; /* where it is */
	int line;
	struct sim *sim;
	struct sim_link *link;
	struct sim_node *appliance;
	struct test_text console;
	bool looked_at_status; /* the test knows how the appliance ended */
	bool passed;

	/* of the test's own node */
	struct kiln *kiln;
	struct net *net;
	struct tcp *tcp;
	struct udp *udp;
	struct task_pool *tasks;
};

enum { TEST_STACK = 256 << 10 };

void test_text_add(struct test_text *text, struct slice more);

#endif
