/*
 * For the tests against Linux: the client's side. Each of --tasks tasks connects --count
 * times, one after the other, and sends back what it is told until the other end has closed;
 * or, with --say, ends its own side first and then hears the other out. Prints how a connection
 * failed, and at the end how many did not; then it waits to be stopped.
 */
#include <kiln/appliance.h>
#include <kiln/stream.h>

KILN_NET(net0, "leads to the server");
KILN_PARAM_STRING(to, "10.7.0.1", "address to connect to");
KILN_PARAM_PORT(port, 7777, "TCP port to connect to");
KILN_PARAM_UINT(tasks, 1, 1, 100, "connections at once");
KILN_PARAM_UINT(count, 1, 1, 100000, "connections of each task");
KILN_PARAM_UINT(say, 0, 0, 10000000, "bytes to send before a FIN; 0: sends back instead");
KILN_PARAM_SECONDS(keepalive, 0, "of silence, after which the peer is probed; 0: never");

#define PROBES 3

struct caller {
	struct kiln *k;
	struct tcp *tcp;
	struct task_pool *pool;
	struct endpoint to;
	uint64_t ended, well;
	bool begun;
};

static enum kiln_error echo(struct stream *s)
{
	uint8_t buffer[2048];
	enum kiln_error error;
	size_t got;

	if (keepalive)
		tcp_set_keepalive(s->conn, keepalive, keepalive, PROBES);
	do {
		error = stream_read(s, buffer, sizeof(buffer), &got);
		if (!error)
			error = stream_write(s, slice_of(buffer, got));
	} while (!error && got);
	return error;
}

static enum kiln_error speak(const struct caller *caller, struct stream *s)
{
	uint8_t buffer[2048] = {0};
	enum kiln_error error = KILN_OK;
	uint64_t heard = 0;
	size_t got = 1;

	for (uint64_t left = say; left && !error; left -= got) {
		got = KILN_MIN(left, sizeof(buffer));
		error = stream_write(s, slice_of(buffer, got));
	}
	tcp_shutdown(s->conn);
	while (!error && got) {
		error = stream_read(s, buffer, sizeof(buffer), &got);
		heard += error ? 0 : got;
	}
	kiln_printf(caller->k, "caller: heard %llu bytes\n", (unsigned long long)heard);
	return error;
}

static void run(void *arg)
{
	struct caller *caller = arg;

	for (uint64_t i = 0; i < count; i++) {
		struct stream s;
		enum kiln_error error =
		    stream_connect(&s, caller->pool, caller->tcp, &caller->to);

		if (!error)
			error = say ? speak(caller, &s) : echo(&s);
		if (error)
			kiln_printf(caller->k, "caller: %s\n", kiln_error_text(error));
		stream_close(&s);
		caller->well += !error;
		if (++caller->ended == tasks * count)
			kiln_printf(caller->k, "caller: %llu of %llu went well\n",
			            (unsigned long long)caller->well,
			            (unsigned long long)caller->ended);
	}
}

/* An address of the family, by which more is reached than the link. */
static bool has_source(const struct net *net, const struct ip_addr *address)
{
	struct net_address own[8];
	unsigned n = net_addresses(net, own, KILN_COUNT_OF(own));

	for (unsigned i = 0; i < n; i++) {
		if (ip_is4(&own[i].addr) == ip_is4(address) &&
		    !ip6_is_link_local(&own[i].addr))
			return true;
	}
	return false;
}

static void begin(struct net *net, void *context)
{
	struct caller *caller = context;

	if (caller->begun || !has_source(net, &caller->to.addr))
		return;
	caller->begun = true;
	for (uint64_t i = 0; i < tasks; i++) {
		if (task_start(caller->pool, run, caller) != KILN_OK)
			kiln_fail(caller->k, "caller", "no task");
	}
}

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct caller caller = {.k = k, .tcp = tcp_new(net), .to.port = port};

	if (!ip_parse(slice_text(to), &caller.to.addr))
		kiln_fail(k, "caller", "--to takes an address");
	caller.pool = task_pool_new(k, (unsigned)tasks, 16384);
	net_on_change(net, begin, &caller);
	begin(net, &caller);
	return kiln_run(k);
}
