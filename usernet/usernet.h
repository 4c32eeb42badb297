/*
 * kiln-usernet: the other end of an image's network device, as a process.
 *
 * `kiln run` makes a pair of sockets on which each message is one frame behind a header
 * of virtio-net's, gives one end to the monitor and the other to this program:
 *
 *	link.c         the socket, and the capture of all that passes
 *	tap.c          behind it a tap: for captures, where no user-mode network is wanted
 *	stack.c        or one of Kiln's own stacks, through which connections come in:
 *	forward_tcp.c    -p HOST:GUEST
 *	forward_udp.c    -p HOST:GUEST/udp
 *	nat.c          and libslirp, through which the image's own go out
 *	confine.c      what this process may do, once all is open
 *
 * Everything runs in the loop of the host target (target/host/host.h). What a run needs
 * is allocated at its start or with a connection; without memory a connection is
 * refused.
 */
#ifndef USERNET_USERNET_H
#define USERNET_USERNET_H

#include <kiln/net.h>
#include <kiln/netdev.h>
#include "../target/host/host.h"

enum { USERNET_FORWARDS = 64, FRAME_MOST = 65535 + 14 + 4 };

struct forward {
	int fd; /* the socket of this machine, bound; TCP: listening */
	bool udp;
	uint16_t port; /* of the image */
};

struct usernet_options {
	int link, pcap, tap; /* descriptors; pcap and tap: -1 if there is none */
	unsigned header;     /* bytes before each frame on the link */
	uint16_t mtu;
	bool closed;   /* the image gets no way out */
	bool loopback; /* the gateway's address leads to this machine's loopback */
	unsigned most; /* sockets that the image can have open to the outside */
	/* Addresses on the link, host order: the image's, the router and the name server that
	 * it sees, and the one that forwarded connections come from. */
	uint32_t image, gateway, nameserver, own;
	unsigned prefix;
	struct forward forwards[USERNET_FORWARDS];
	unsigned forward_count;
};

struct usernet;

/* ---- link.c ---- */

struct link {
	struct host_file file;
	struct host *host;
	unsigned header;
	int pcap;
	struct list waiting; /* frames that the socket had no room for */
	size_t waiting_bytes;
	bool ended; /* the image's end is closed */
	/* Who gets the frames that the image sends. */
	void (*receive)(void *context, struct slice frame);
	/* Called when link_busy() is over. */
	void (*idle)(void *context);
	void *context;
};

/* False: errno says why. */
bool link_open(struct link *link, struct host *host,
               const struct usernet_options *options);
/* True: frames are waiting. Whoever can hold its own back does so. */
static inline bool link_busy(const struct link *link)
{
	return link->waiting_bytes != 0;
}
enum { LINK_PARTS = 38 };
/* Sends a frame of at most LINK_PARTS parts to the image, now or when there is room. */
void link_send(struct link *link, const struct iovec *parts, int count);

/* ---- tap.c ---- */

struct tap_end {
	struct host_file file;
	struct link *link;
};
/* Joins the link to the tap. False: errno says why. */
bool tap_end_open(struct tap_end *tap, struct link *link, int fd);

/* ---- stack.c ---- */

struct relay;

struct usernet {
	struct host host;
	struct usernet_options options;
	struct link link;
	struct tap_end tap;
	struct nat *nat; /* NULL: the image gets no way out */
	struct netdev device;
	struct net *net;
	struct tcp *tcp;
	struct udp *udp;
	bool image_up;       /* it has said what its address is */
	struct list waiting; /* relays: until the image is up */
	struct list udp_forwards;
	uint8_t buffer[65536];
};

/* Brings up the stack and all that listens on it. Ends the process if that is
 * impossible. */
void stack_open(struct usernet *usernet);
/* The port of the image that a forward leads to. */
struct endpoint usernet_image(const struct usernet *usernet, uint16_t port);

/* Starts a forward. False: errno says why. */
bool forward_tcp_open(struct usernet *usernet, const struct forward *forward);
bool forward_udp_open(struct usernet *usernet, const struct forward *forward);
/* The image is there: opens the connections, and passes the datagrams on, that wait for
 * it. */
void forward_tcp_start(struct usernet *usernet);
void forward_udp_start(struct usernet *usernet);

/* ---- nat.c ---- */

/* NULL: errno says why. */
struct nat *nat_open(struct usernet *usernet);
/* A frame that the image sent. */
void nat_receive(struct nat *nat, struct slice frame);
/* Tells what the image was refused. */
void nat_end(const struct nat *nat);

/* ---- confine.c ---- */

/* Gives up all that the open descriptors do not need. Ends the process if it cannot. */
void confine(const struct usernet_options *options);

#endif
