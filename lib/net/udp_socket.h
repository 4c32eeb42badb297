/*
 * What BSD sockets need of UDP beyond <kiln/udp.h>, for the target that offers them
 * (target/door): addresses to bind to, peers to connect to, ICMP errors, and how a datagram
 * is sent. An image that does not call these has little of them.
 */
#ifndef NET_UDP_SOCKET_H
#define NET_UDP_SOCKET_H

#include <kiln/udp.h>

/* An ICMP error about a datagram that the socket sent. */
struct udp_error {
	struct endpoint to;
	uint8_t type, code; /* of the message */
	uint32_t mtu;       /* TOO_BIG: the largest UDP packet, header and data */
	bool too_big;
	struct ip_addr from;  /* who says so */
	struct slice payload; /* of the datagram, as far as it was quoted */
};

struct udp_bind_options {
	struct endpoint local; /* the address as local.h has it; port 0: a free one */
	bool ip6_only;
	bool shared; /* others may have the same address and port */
	void (*receive)(struct udp_socket *socket, const struct udp_datagram *datagram,
	                void *context);
	void (*error)(struct udp_socket *socket, const struct udp_error *error,
	              void *context);
	void *context;
};

/* Errors: IN_USE, MEMORY. */
KILN_MUST_CHECK enum kiln_error udp_bind_to(struct udp *udp,
                                            const struct udp_bind_options *options,
                                            struct udp_socket **socket);
/* Whether a socket that does not share has the address and port. */
bool udp_is_taken(const struct udp *udp, const struct udp_bind_options *options);
/* From now on only this peer's datagrams are the socket's; NULL: everyone's again. */
void udp_connect(struct udp_socket *socket, const struct endpoint *peer);
/* Gives a bound socket another address of ours. */
void udp_set_local(struct udp_socket *socket, const struct ip_addr *local);

struct udp_send_options {
	const struct ip_addr *src; /* NULL: as the way to the destination has it */
	uint8_t ttl, tos;          /* ttl 0: the default */
	bool whole; /* not in fragments: too large is an error, DF is set */
};

/* As udp_send. */
enum kiln_error udp_send_with(struct udp_socket *socket, const struct endpoint *to,
                              struct slice payload,
                              const struct udp_send_options *options);

#endif
