/*
 * What stands behind the network devices of an image that `kiln run` starts: a tap,
 * or an interface by AF_XDP, which the monitor opens itself, or a process of our own, kiln-usernet
 * (usernet/usernet.h), for user-mode networks and for captures.
 *
 *	network.c   which device gets what, addresses, the process
 *	steer.c     which of a tap's queues a frame goes to
 *	forward.c   -p: its syntax, and the sockets of this machine
 */
#ifndef TOOL_NETWORK_H
#define TOOL_NETWORK_H

#include "run.h"
#include "supervise.h"

/*
 * Replaces run->nets by what the monitor is to be told, NAME=tap:INTERFACE,
 * NAME=xdp:INTERFACE[,queue=N] or NAME=fd:N,MTU, having started a kiln-usernet for each of the
 * latter; and gives the image an address where it has a user-mode network and the user said
 * none; run->queues, where there are some, take their place. Frames on a descriptor stand
 * behind a header of header_size bytes. Ends the process with a message if something is wrong.
 */
void network_open(struct run *run, struct supervised *s, unsigned header_size);

/*
 * For --cpus: opens a queue of each device's tap for each of `count` images, and adds what
 * the monitor of each is to be told to its list: NAME=queue:N,..., of a descriptor that only
 * it is to inherit. Flows are steered to the queues (steer.c). Ends the process with a message
 * if something is wrong.
 */
void network_open_queues(struct run *run, unsigned count, unsigned header_size,
			 struct words *nets);

/* ---- steer.c ---- */

/* Has the tap choose a frame's queue by its flow. */
void steer(int tap, const char *interface);

/* The network device's tap, opened and with the host's address on it. */
struct tap;
void network_open_tap(const struct run *run, const struct image_device *device,
                      const char *interface, unsigned header_size, struct tap *tap);

/* [NAME=][ADDRESS:]HOST:GUEST[/tcp|/udp] */
struct forward {
	const char *text;    /* as given, for messages */
	char device[20];     /* NAME; "" if not given */
	uint8_t address[16]; /* of this machine; IPv4 as ::ffff:a.b.c.d; all zero: any */
	bool ip6;            /* the address is one of IPv6's own */
	uint16_t host, guest;
	bool udp;
};

/* Ends the process with a message if the text is no forward. */
void forward_read(struct forward *forward, const char *text);
/* A socket that is bound, and listens if it is TCP's. Ends the process with a message if
 * there cannot be one. */
int forward_open(const struct forward *forward);

#endif
