/*
 * The Echo Protocol (RFC 862) over TCP and UDP: what comes in goes back out.
 *
 *	kiln run appliance/echo --port 7
 *
 * Two ways to write a service stand side by side. UDP calls a function for each datagram.
 * TCP runs a task for each connection: straight-line code, which waits in stream_read()
 * and stream_write() while others go on.
 */
#include <kiln/appliance.h>
#include <kiln/stream.h>
#include <kiln/udp.h>

KILN_NET(net0, "echoes what it receives");
KILN_PARAM_PORT(port, 7, "TCP and UDP port to listen on");
KILN_PARAM_UINT(tasks, 64, 1, 10000, "TCP connections served at once");
KILN_PARAM_SECONDS(idle, 60, "how long a connection may be silent");

static void echo_stream(struct stream *s, void *context)
{
	uint8_t buffer[2048];
	size_t got;

	s->timeout = idle;
	while (stream_read(s, buffer, sizeof(buffer), &got) == KILN_OK && got > 0) {
		if (stream_write(s, slice_of(buffer, got)) != KILN_OK)
			break;
	}
	/* The connection is closed when this function returns. */
}

static void echo_datagram(struct udp_socket *socket, const struct udp_datagram *datagram,
                          void *context)
{
	/* Two echo services must not be made to talk to each other for ever. A reply that
	 * cannot be sent is as good as a lost one. */
	if (datagram->from.port != port)
		(void)udp_answer(socket, datagram, datagram->payload);
}

int appliance(struct kiln *k)
{
	struct net *net = net_up(k, &net0);
	struct tcp *tcp = tcp_new(net);
	struct udp *udp = udp_new(net);
	struct task_pool *pool = task_pool_new(k, (unsigned)tasks, 8192);
	struct udp_socket *socket;

	if (stream_serve(tcp, pool, port, echo_stream, NULL) != KILN_OK)
		kiln_fail(k, "echo", "TCP port %u cannot be had", port);
	if (udp_bind(udp, port, echo_datagram, NULL, &socket) != KILN_OK)
		kiln_fail(k, "echo", "UDP port %u cannot be had", port);
	log_info(k, "echo", "TCP and UDP on port %u", port);
	return kiln_run(k);
}
