/*
 * UDP (RFC 768; RFC 1122, 4.1): sockets by port, datagrams in and out. Implements
 * <kiln/udp.h>.
 *
 * Sockets stand in a hash table by local port with as many buckets as sockets, so that a
 * datagram finds its own in constant time. Payloads are copied once on sending, into the
 * frame's head if they are short, else into the interface's buffers.
 */
#include <kiln/udp.h>
#include "local.h"
#include "net_private.h"
#include "udp_socket.h"
#include "udp_wire.h"

KILN_LIBRARY(udp, "0.1");

enum { SOCKETS_MIN = 64, SOCKETS_MAX = 1024 };
enum { EPHEMERAL_FIRST = 1024, EPHEMERAL_COUNT = 65536 - EPHEMERAL_FIRST };

struct udp_socket {
	struct udp *udp;
	struct udp_socket *next;       /* in its bucket */
	struct udp_bind_options bound; /* local.port is never 0 */
	struct endpoint peer;          /* port 0: not connected */
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

/* How closely the socket is the one for datagrams between two endpoints; 0: it is not. */
static unsigned udp_match(const struct udp_socket *socket, const struct endpoint *local,
                          const struct endpoint *peer)
{
	const struct udp_bind_options *bound = &socket->bound;
	unsigned match;

	if (bound->local.port != local->port)
		return 0;
	match = local_match(&bound->local.addr, bound->ip6_only, &local->addr);
	if (match == 0 || socket->peer.port == 0)
		return match;
	if (socket->peer.port != peer->port || !ip_equal(&socket->peer.addr, &peer->addr))
		return 0;
	return match + 4; /* connected: before all that are not */
}

static struct udp_socket *udp_find(struct udp *udp, const struct endpoint *local,
                                   const struct endpoint *peer)
{
	struct udp_socket *best = NULL;
	unsigned best_match = 0;

	for (struct udp_socket *s = *udp_bucket(udp, local->port); s; s = s->next) {
		unsigned match = udp_match(s, local, peer);

		if (match > best_match) {
			best = s;
			best_match = match;
		}
	}
	return best;
}

/* ---- datagrams in ---- */

/* False: nobody has the port (any more). */
static bool udp_give(struct udp *udp, const struct udp_datagram *datagram)
{
	struct udp_socket *socket = udp_find(udp, &datagram->to, &datagram->from);

	if (!socket)
		return false;
	socket->bound.receive(socket, datagram, socket->bound.context);
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

/* An ICMP error quotes one of our datagrams, or what somebody takes for one. */
static bool udp_error_input(void *transport, const struct net_error *error)
{
	struct udp *udp = transport;
	struct cursor c = cursor_of(error->payload);
	struct endpoint from = {error->src, cursor_u16(&c)};
	struct endpoint to = {error->dst, cursor_u16(&c)};
	struct udp_socket *socket = c.failed ? NULL : udp_find(udp, &from, &to);

	if (!socket)
		return false;
	if (socket->bound.error) {
		struct udp_error told = {
		    .to = to,
		    .type = error->type,
		    .code = error->code,
		    .mtu = error->mtu,
		    .too_big = error->kind == NET_ERROR_TOO_BIG,
		    .from = error->from,
		    .payload = slice_skip(error->payload, UDP_HEADER),
		};

		socket->bound.error(socket, &told, socket->bound.context);
	}
	return true;
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
	struct net_transport transport = {udp_input, udp_error_input, udp};
	net_register(net, IP_PROTO_UDP, &transport);
	return udp;
}

/* ---- sockets ---- */

static bool udp_overlap(const struct udp_bind_options *a,
                        const struct udp_bind_options *b)
{
	return a->local.port == b->local.port &&
	       (local_match(&a->local.addr, a->ip6_only, &b->local.addr) ||
	        local_match(&b->local.addr, b->ip6_only, &a->local.addr));
}

bool udp_is_taken(const struct udp *udp, const struct udp_bind_options *options)
{
	struct udp_socket *s = udp->buckets[options->local.port & udp->bucket_mask];

	for (; s; s = s->next)
		if (udp_overlap(&s->bound, options) &&
		    !(s->bound.shared && options->shared))
			return true;
	return false;
}

/* RFC 6056, algorithm 1: a random start, then the next free one. 0: none. */
static uint16_t udp_ephemeral(struct udp *udp)
{
	struct udp_bind_options wanted = {.local.port = 0};
	uint32_t start = random_below(&net_kiln(udp->net)->random, EPHEMERAL_COUNT);

	for (uint32_t i = 0; i < EPHEMERAL_COUNT; i++) {
		wanted.local.port =
		    (uint16_t)(EPHEMERAL_FIRST + (start + i) % EPHEMERAL_COUNT);
		if (!udp_is_taken(udp, &wanted))
			return wanted.local.port;
	}
	return 0;
}

enum kiln_error udp_bind(struct udp *udp, uint16_t port,
                         void (*receive)(struct udp_socket *socket,
                                         const struct udp_datagram *datagram,
                                         void *context),
                         void *context, struct udp_socket **out)
{
	struct udp_bind_options options = {
	    .local.port = port, .receive = receive, .context = context};

	return udp_bind_to(udp, &options, out);
}

enum kiln_error udp_bind_to(struct udp *udp, const struct udp_bind_options *options,
                            struct udp_socket **out)
{
	struct udp_bind_options bound = *options;

	if (bound.local.port == 0)
		bound.local.port = udp_ephemeral(udp);
	if (bound.local.port == 0 || udp_is_taken(udp, &bound))
		return KILN_ERR_IN_USE;
	struct udp_socket *socket = pool_get(&udp->sockets);
	if (!socket)
		return KILN_ERR_MEMORY;
	struct udp_socket **bucket = udp_bucket(udp, bound.local.port);
	*socket = (struct udp_socket){.udp = udp, .next = *bucket, .bound = bound};
	*bucket = socket;
	*out = socket;
	return KILN_OK;
}

void udp_connect(struct udp_socket *socket, const struct endpoint *peer)
{
	socket->peer = peer ? *peer : (struct endpoint){.port = 0};
}

void udp_set_local(struct udp_socket *socket, const struct ip_addr *local)
{
	socket->bound.local.addr = *local;
}

uint16_t udp_port(const struct udp_socket *socket)
{
	return socket->bound.local.port;
}

void udp_close(struct udp_socket *socket)
{
	struct udp_socket **at = udp_bucket(socket->udp, udp_port(socket));

	while (*at != socket)
		at = &(*at)->next;
	*at = socket->next;
	pool_put(&socket->udp->sockets, socket);
}

/* ---- datagrams out ---- */

enum kiln_error udp_send(struct udp_socket *socket, const struct endpoint *to,
                         struct slice payload)
{
	static const struct udp_send_options options;

	return udp_send_with(socket, to, payload, &options);
}

enum kiln_error udp_answer(struct udp_socket *socket, const struct udp_datagram *datagram,
                           struct slice payload)
{
	struct udp_send_options options = {.src = &datagram->to.addr};

	if (datagram->from.port == 0) /* RFC 768: nobody waits for an answer */
		return KILN_ERR_UNREACHABLE;
	return udp_send_with(socket, &datagram->from, payload, &options);
}

enum kiln_error udp_send_with(struct udp_socket *socket, const struct endpoint *to,
                              struct slice payload,
                              const struct udp_send_options *options)
{
	struct net_send_options how = {
	    .src = options->src,
	    .ttl = options->ttl,
	    .tos = options->tos,
	    .may_fragment = !options->whole,
	};
	struct net *net = socket->udp->net;
	struct netdev_frame frame;

	if (payload.len > UDP_PAYLOAD_MAX)
		return KILN_ERR_TOO_LARGE;
	netdev_frame_init(&frame);
	enum kiln_error error = net_frame_copy(net, &frame, payload);
	if (!error) {
		udp_wire_emit(netdev_frame_push(&frame, UDP_HEADER), udp_port(socket),
		              to->port, payload.len);
		error =
		    net_send(net, &frame, IP_PROTO_UDP, &to->addr, UDP_CHECKSUM, &how);
	}
	net_frame_release(&frame);
	return error;
}
