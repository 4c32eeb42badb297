/*
 * Lookups and connections by name for tasks (<kiln/task.h>): straight-line code, which
 * waits. In a file of its own: an image without tasks has none of it.
 */
#include <kiln/connect.h>
#include <kiln/stream.h>
#include "resolver_private.h"

/* ---- lookups ---- */

/* Who waits for a lookup: found from the lookup's own struct by its resolver's callback. */
struct waiting_lookup {
	struct resolver_lookup lookup;
	struct task *task;
	bool done;
};

static void looked_up(struct resolver_lookup *lookup)
{
	struct waiting_lookup *w = kiln_container(lookup, struct waiting_lookup, lookup);

	w->done = true;
	task_wake(w->task);
}

enum kiln_error resolver_wait(struct resolver *resolver, struct task_pool *tasks,
                              struct slice name, unsigned families,
                              struct resolver_lookup *lookup)
{
	struct waiting_lookup w = {.task = task_self(tasks)};

	resolver_lookup(resolver, &w.lookup, name, families, looked_up);
	while (!w.done)
		(void)task_park(tasks, KILN_NEVER);
	lookup->error = w.lookup.error;
	lookup->count = w.lookup.count;
	memcpy(lookup->addresses, w.lookup.addresses, sizeof(lookup->addresses));
	return lookup->error;
}

/* ---- connections ---- */

struct waiting_connection {
	struct tcp_connecting connecting;
	struct stream *stream;
	struct task_pool *tasks;
	struct task *task;
	enum kiln_error error;
	bool done;
};

static void connected(struct tcp_connecting *connecting, struct tcp_conn *conn,
                      enum kiln_error error)
{
	struct waiting_connection *w =
	    kiln_container(connecting, struct waiting_connection, connecting);

	if (conn)
		stream_init(w->stream, w->tasks, conn);
	w->error = error;
	w->done = true;
	task_wake(w->task);
}

enum kiln_error stream_connect_name(struct stream *s, struct task_pool *tasks,
                                    struct resolver *resolver, struct tcp *tcp,
                                    struct slice name, uint16_t port)
{
	struct waiting_connection w = {
	    .stream = s, .tasks = tasks, .task = task_self(tasks)};

	stream_init(s, tasks, NULL);
	tcp_connect_name(&w.connecting, resolver, tcp, name, port, connected);
	while (!w.done)
		(void)task_park(tasks, KILN_NEVER);
	return w.error;
}
