/*
 * UDP (RFC 768; RFC 1122, 4.1): sockets by port, datagrams in and out. Implements
 * <kiln/udp.h>.
 *
 * Sockets stand in a hash table by local port with as many buckets as sockets, so that a
 * datagram finds its own in constant time. Payloads are copied once on sending, into the
 * frame's head if they are short, else into the interface's buffers.
 */
#include <kiln/udp.h>
#include "net_private.h"
#include "udp_wire.h"

KILN_LIBRARY(udp, "0.1");

enum { SOCKETS_MIN = 64, SOCKETS_MAX = 1024 };
enum { EPHEMERAL_FIRST = 1024, EPHEMERAL_COUNT = 65536 - EPHEMERAL_FIRST };

struct udp_socket {
	struct udp *udp;
	struct udp_socket *next; /* in its bucket */
	void (*receive)(struct udp_socket *socket, const struct udp_datagram *datagram,
	                void *context);
	void *context;
	uint16_t port;
};

struct udp {
	struct net *net;
	struct pool sockets;
	struct udp_socket **buckets;
	uint32_t bucket_mask;
};

static struct udp_socket **udp_bucket(struct udp *udp, uint16_t port)
{
	return &udp->buckets[port & udp->bucket_mask];
}

static struct udp_socket *udp_find(struct udp *udp, uint16_t port)
{
	struct udp_socket *socket = *udp_bucket(udp, port);

	while (socket && socket->port != port)
		socket = socket->next;
	return socket;
}

/* ---- datagrams in ---- */

/* False: nobody has the port (any more). */
static bool udp_give(struct udp *udp, const struct udp_datagram *datagram)
{
	struct udp_socket *socket = udp_find(udp, datagram->to.port);

	if (!socket)
		return false;
	socket->receive(socket, datagram, socket->context);
	return true;
}

static void udp_input(void *transport, const struct net_packet *packet)
{
	struct udp *udp = transport;
	struct udp_header header;

	if (!udp_wire_parse(packet, &header)) {
		udp->net->counters.drop_udp++;
		return;
	}
	struct udp_datagram datagram = {
	    .from = {packet->src, header.src},
	    .to = {packet->dst, header.dst},
	    .payload = header.data,
	};
	/* Datagrams that the device joined are told apart again: each has gso_size bytes
	 * but the last. The socket is looked up each time, for a receiver may close it.
	 */
	size_t each = packet->gso_size ? packet->gso_size : header.data.len;
	bool first = true;
	do {
		datagram.payload = slice_take(header.data, each);
		header.data = slice_skip(header.data, each);
		if (!udp_give(udp, &datagram)) {
			udp->net->counters.drop_udp++;
			if (first)
				net_port_unreachable(udp->net, packet);
			return;
		}
		first = false;
	} while (header.data.len);
}

struct udp *udp_new(struct net *net)
{
	struct kiln *k = net_kiln(net);
	struct udp *udp = kiln_alloc(k, sizeof(*udp), "udp");
	size_t memory = (size_t)(k->arena.end - k->arena.start);
	uint32_t count = SOCKETS_MIN;

	while (count < SOCKETS_MAX && count < memory / (64u << 10))
		count *= 2;
	udp->net = net;
	udp->bucket_mask = count - 1;
	udp->buckets = kiln_alloc(k, count * sizeof(*udp->buckets), "udp");
	pool_init(&udp->sockets, k, sizeof(struct udp_socket), count, "UDP sockets");
	struct net_transport transport = {.input = udp_input, .transport = udp};
	net_register(net, IP_PROTO_UDP, &transport);
	return udp;
}

/* ---- sockets ---- */

/* RFC 6056, algorithm 1: a random start, then the next free one. 0: none. */
static uint16_t udp_ephemeral(struct udp *udp)
{
	uint32_t start = random_below(&net_kiln(udp->net)->random, EPHEMERAL_COUNT);

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		uint32_t port = EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT;
		if (!udp_find(udp, (uint16_t)port))
			return (uint16_t)port;
	}
	return 0;
}

enum kiln_error udp_bind(struct udp *udp, uint16_t port,
                         void (*receive)(struct udp_socket *socket,
                                         const struct udp_datagram *datagram,
                                         void *context),
                         void *context, struct udp_socket **out)
{
	if (port == 0)
		port = udp_ephemeral(udp);
	if (port == 0 || udp_find(udp, port))
		return KILN_ERR_IN_USE;
	struct udp_socket *socket = pool_get(&udp->sockets);
	if (!socket)
		return KILN_ERR_MEMORY;
	struct udp_socket **bucket = udp_bucket(udp, port);
	socket->udp = udp;
	socket->next = *bucket;
	socket->receive = receive;
	socket->context = context;
	socket->port = port;
	*bucket = socket;
	*out = socket;
	return KILN_OK;
}

uint16_t udp_port(const struct udp_socket *socket)
{
	return socket->port;
}

void udp_close(struct udp_socket *socket)
{
	struct udp_socket **at = udp_bucket(socket->udp, socket->port);

	while (*at != socket)
		at = &(*at)->next;
	*at = socket->next;
	pool_put(&socket->udp->sockets, socket);
}

/* ---- datagrams out ---- */

enum kiln_error udp_send(struct udp_socket *socket, const struct endpoint *to,
                         struct slice payload)
{
	static const struct net_send_options options = {.may_fragment = true};
	struct net *net = socket->udp->net;
	struct netdev_frame frame;

	if (payload.len > UDP_PAYLOAD_MAX)
		return KILN_ERR_TOO_LARGE;
	netdev_frame_init(&frame);
	enum kiln_error error = net_frame_copy(net, &frame, payload);
	if (!error) {
		udp_wire_emit(netdev_frame_push(&frame, UDP_HEADER), socket->port,
		              to->port, payload.len);
		error = net_send(net, &frame, IP_PROTO_UDP, &to->addr, UDP_CHECKSUM,
		                 &options);
	}
	net_frame_release(&frame);
	return error;
}
