/*
 * UDP (RFC 768, 1122 section 4.1).
 */
#ifndef KILN_UDP_H
#define KILN_UDP_H

#include <kiln/net.h>

struct udp;
struct udp_socket;

/* A datagram as it arrived; valid during the callback only. */
struct udp_datagram {
	struct endpoint from;
	struct endpoint to; /* the local address it was sent to */
	uint32_t link;      /* host: the interface by which link-local addresses are reached */
	struct slice payload;
};

struct udp *udp_new(struct net *net);

/* Port 0 chooses a free one at random (RFC 6056). The socket lives until udp_close.
 * Errors: IN_USE, MEMORY. */
KILN_MUST_CHECK enum kiln_error
udp_bind(struct udp *udp, uint16_t port,
	 void (*receive)(struct udp_socket *socket, const struct udp_datagram *datagram,
			 void *context),
	 void *context, struct udp_socket **socket);

uint16_t udp_port(const struct udp_socket *socket);

/*
 * Sends one datagram, in fragments if it is larger than the MTU; the payload is not
 * referred to after the return. Errors: TOO_LARGE (over 65507 bytes), FULL, UNREACHABLE,
 * MEMORY.
 */
enum kiln_error udp_send(struct udp_socket *socket, const struct endpoint *to,
			 struct slice payload);

/*
 * The same to where a datagram came from, and from the address that it was sent to: who asked
 * one of several addresses listens to no other (RFC 1122, 4.1.3.5). What was sent to a group or to
 * all stations, or from port 0, is not answered: UNREACHABLE.
 */
enum kiln_error udp_answer(struct udp_socket *socket, const struct udp_datagram *datagram,
			   struct slice payload);

void udp_close(struct udp_socket *socket);

#endif
