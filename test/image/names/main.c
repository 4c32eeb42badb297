/*
 * For the end-to-end tests: connects to a service by name, says what it heard there, and
 * then what the time is, by a server that has a name as well, or that the network tells of.
 */
#include <kiln/appliance.h>
#include <kiln/connect.h>
#include <kiln/ntp.h>
#include <kiln/stream.h>

KILN_NET(net0, "to the servers");
KILN_PARAM_STRING(service, "service", "whom to connect to");
KILN_PARAM_STRING(clock, "clock", "whom to ask for the time; nobody: whom DHCP says");
KILN_PARAM_PORT(port, 9000, "of the service");

struct names {
	struct kiln *k;
	struct task_pool *tasks;
	struct tcp *tcp;
	struct resolver *resolver;
	struct ntp *ntp;
};

static void hear(struct names *n)
{
	struct stream s;
	char text[64];
	size_t got;
	enum kiln_error error = stream_connect_name(&s, n->tasks, n->resolver, n->tcp,
	                                            slice_text(service), port);

	if (!error)
		error = stream_read(&s, text, sizeof(text), &got);
	if (error)
		kiln_printf(n->k, "%s: %s\n", service, kiln_error_text(error));
	else
		kiln_printf(n->k, "%s says %.*s\n", service, (int)got, text);
	stream_close(&s);
}

static void run(void *arg)
{
	struct names *n = arg;
	struct ntp_status status;
	kiln_time wall;

	hear(n);
	do {
		task_sleep(n->tasks, KILN_MS(50));
		ntp_status(n->ntp, &status);
	} while (!status.synchronised);
	if (ntp_time(n->ntp, &wall))
		kiln_printf(n->k, "the time is %llu\n",
		            (unsigned long long)(wall / KILN_SECONDS(1)));
}

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct udp *udp = udp_new(net);
	struct names n = {
	    .k = k, .tasks = task_pool_new(k, 1, 16384), .tcp = tcp_new(net)};

	n.resolver = resolver_new(net, udp, n.tcp);
	n.ntp = ntp_new(net, udp);
	if ((clock[0] && !ntp_add_name(n.ntp, n.resolver, slice_text(clock))) ||
	    task_start(n.tasks, run, &n) != KILN_OK)
		kiln_fail(k, "names", "there is no room");
	return kiln_run(k);
}
