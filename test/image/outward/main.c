/*
 * For the end-to-end tests: connects to an address outside, says a word, and prints what it
 * is told in return, or why not; as often as --rounds says, with --count connections, which
 * stay open until the last of them is told.
 */
#include <kiln/appliance.h>
#include <kiln/bytes.h>
#include <kiln/stream.h>

KILN_NET(net0, "leads outside");
KILN_PARAM_STRING(to, "10.0.2.2", "address to connect to");
KILN_PARAM_PORT(port, 7777, "TCP port to connect to");
KILN_PARAM_UINT(count, 1, 1, 100, "connections at once");
KILN_PARAM_UINT(rounds, 1, 1, 100, "how often");

#define PATIENCE KILN_SECONDS(2)

struct caller {
	struct kiln *kiln;
	struct tcp *tcp;
	struct task_pool *pool;
	struct endpoint to;
	struct timer patience;
	struct stream streams[100];
	unsigned started, told, rounds; /* of this round; and rounds that began */
};

static enum kiln_error call(struct caller *caller, struct stream *s)
{
	char reply[64];
	size_t got;
	enum kiln_error error = stream_connect(s, caller->pool, caller->tcp, &caller->to);

	if (!error)
		error = stream_write(s, SLICE("hello"));
	if (!error)
		error = stream_read(s, reply, sizeof(reply), &got);
	if (!error)
		kiln_printf(caller->kiln, "outward: was told '%.*s'\n", (int)got, reply);
	return error;
}

static void out_of_patience(struct timer *timer)
{
	struct caller *caller = kiln_container(timer, struct caller, patience);

	kiln_printf(caller->kiln, "outward: no answer\n");
	kiln_stop(caller->kiln);
}

static void begin(struct caller *caller);

static void run(void *arg)
{
	struct caller *caller = arg;
	enum kiln_error error = call(caller, &caller->streams[caller->started++]);

	if (error)
		kiln_printf(caller->kiln, "outward: %s\n", kiln_error_text(error));
	if (++caller->told < count)
		return;
	for (unsigned i = 0; i < count; i++)
		stream_close(&caller->streams[i]);
	if (caller->rounds < rounds)
		begin(caller);
	else
		kiln_stop(caller->kiln);
}

static void begin(struct caller *caller)
{
	caller->started = caller->told = 0;
	caller->rounds++;
	timer_set(&caller->kiln->loop, &caller->patience,
	          kiln_now(caller->kiln) + PATIENCE);
	for (unsigned i = 0; i < count; i++)
		if (task_start(caller->pool, run, caller) != KILN_OK)
			kiln_fail(caller->kiln, "outward", "no task");
}

/* An address of the family, by which more is reached than the link. */
static bool has_source(const struct net *net, const struct ip_addr *address)
{
	struct net_address own[8];
	unsigned count = net_addresses(net, own, KILN_COUNT_OF(own));

	for (unsigned i = 0; i < count; i++) {
		if (ip_is4(&own[i].addr) == ip_is4(address) &&
		    !ip6_is_link_local(&own[i].addr))
			return true;
	}
	return false;
}

static void changed(struct net *net, void *context)
{
	struct caller *caller = context;

	if (has_source(net, &caller->to.addr) && !caller->rounds)
		begin(caller);
}

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct caller *caller = kiln_alloc(k, sizeof(*caller), "caller");

	caller->to.port = port;
	if (!ip_parse(slice_text(to), &caller->to.addr))
		kiln_fail(k, "outward", "--to takes an address");
	caller->kiln = k;
	caller->pool = task_pool_new(k, (unsigned)count + 1, 16384);
	caller->tcp = tcp_new(net);
	timer_init(&caller->patience, out_of_patience);
	net_on_change(net, changed, caller);
	changed(net, caller);
	return kiln_run(k);
}
