/*
 * The inside of lib/net: what the network layer and the transports share. Private to the
 * library. A transport registers itself by protocol number, so that an image which never
 * calls tcp_new has no TCP.
 *
 * Wire formats (parse and emit, pure, no state) are in *_wire.[ch]; behaviour is elsewhere.
 */
#ifndef NET_STACK_H
#define NET_STACK_H

#include <kiln/net.h>
#include <kiln/netdev.h>

enum { IP_PROTO_ICMP = 1, IP_PROTO_TCP = 6, IP_PROTO_UDP = 17 };
enum { IP_ECN_NOT = 0, IP_ECN_ECT1 = 1, IP_ECN_ECT0 = 2, IP_ECN_CE = 3 };

/* A packet for a transport: header checked and removed, fragments joined. */
struct net_packet {
	struct ip_addr src, dst; /* dst is one of ours, or that of a group */
	struct slice payload;    /* the transport's header and data; valid during the call */
	struct slice header;     /* the network header, to quote in ICMP errors */
	uint8_t ecn;             /* IP_ECN_* */
	uint8_t ttl;
	bool broadcast;      /* to a group, or by link broadcast: no ICMP error, no TCP */
	bool checksum_valid; /* the device vouches for the transport checksum */
	uint16_t gso_size;   /* payload bytes a segment had on the wire, 0: one segment */
};

/* An ICMP error about a packet that we sent. */
enum net_error_kind {
	NET_ERROR_NET,      /* net or host unreachable, soft (RFC 5461) */
	NET_ERROR_PROTOCOL, /* protocol or port unreachable */
	NET_ERROR_PROHIBITED,
	NET_ERROR_TOO_BIG, /* fragmentation needed, packet too big: mtu is set */
	NET_ERROR_TTL,
};

struct net_error {
	enum net_error_kind kind;
	uint8_t type, code; /* of the ICMP message */
	uint32_t mtu;       /* TOO_BIG: what fits, as net_path_mtu counts it */
	struct ip_addr from;     /* who says so */
	struct ip_addr src, dst; /* of our packet: src is ours */
	struct slice payload;    /* the first 8 bytes or more behind its IP header */
};

struct net_transport {
	void (*input)(void *transport, const struct net_packet *packet);
	/* True if the quoted bytes are of something in flight: anybody can send such an error,
	 * and the path's MTU is lowered only for one that is believed (RFC 5927, 4 and 7). */
	bool (*error)(void *transport, const struct net_error *error);
	void *transport;
};

void net_register(struct net *net, uint8_t protocol, const struct net_transport *transport);

/* How to send one packet. Zeroed, it means: our address, default TTL, not ECN-capable. */
struct net_send_options {
	const struct ip_addr *src; /* NULL: the one that net_source tells */
	uint8_t ttl;               /* 0: 64 */
	uint8_t tos;               /* DSCP and ECN bits */
	bool may_fragment;         /* clear: DF is set and too large is an error */
};

/*
 * Sends a transport's packet: adds the IP and Ethernet headers to the frame and hands it to
 * the device, or to the queue of its neighbour. The transport has pushed its header with a zero checksum
 * field, and says where that lies (bytes from the transport header's start; NET_NO_CHECKSUM
 * for none): the pseudo-header, and the whole sum where the device does not do it, are added
 * here. For segmentation offload it has set offload.gso_type and gso_size as for IPv4 TCP or
 * UDP, whatever the family of dst, and keeps to net_segmentation; frames larger than the
 * MTU without it are fragmented if allowed.
 * The frame is the caller's again on return. Errors: UNREACHABLE, FULL, MEMORY, TOO_LARGE.
 */
enum { NET_NO_CHECKSUM = 0xffff };
enum kiln_error net_send(struct net *net, struct netdev_frame *frame, uint8_t protocol,
			 const struct ip_addr *dst, uint16_t checksum_offset,
			 const struct net_send_options *options);

/* The address that net_send would use to reach dst. False while there is none. */
bool net_source(const struct net *net, const struct ip_addr *dst, struct ip_addr *src);
/* The largest transport packet (its header and data) for dst without fragmentation. */
uint32_t net_path_mtu(const struct net *net, const struct ip_addr *dst);
/* Packets to dst of more than `mtu` bytes, counted as net_path_mtu does, do not arrive: a
 * believed ICMP error said so. Forgotten after ten minutes. */
void net_path_learn(struct net *net, const struct ip_addr *dst, uint32_t mtu);
/* Packets to dst of up to so many bytes arrive, but those of more do not seem to (0: they do):
 * where a transport's next connection begins. Forgotten after ten minutes. */
void net_path_suspect(struct net *net, const struct ip_addr *dst, uint32_t passes);
/* What was told last; 0: there is no such suspicion. */
uint32_t net_path_passes(const struct net *net, const struct ip_addr *dst);
/* The largest transport packet of a TCP segment to dst that the device cuts up itself; 0
 * if it does not. */
uint32_t net_segmentation(const struct net *net, const struct ip_addr *dst);
/* A hint from a transport that the neighbour on the way to dst answers (RFC 4861, 7.3.1). */
void net_confirm(struct net *net, const struct ip_addr *dst);
/* A hint that it may not, or that its link address is wrong: it is asked again. */
void net_doubt(struct net *net, const struct ip_addr *dst);
/* Answers a packet with ICMP port unreachable, within the rate limit. */
void net_port_unreachable(struct net *net, const struct net_packet *packet);

const struct netdev *net_device(const struct net *net);

/* ---- checksums (RFC 1071) ---- */

/* Adds bytes to a ones' complement sum. `sum` of a run that continues must be over an even
 * number of bytes. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len);
/* Folds and complements: the value to store, in host order. */
uint16_t checksum_finish(uint32_t sum);
/* The pseudo-header of RFC 9293 3.1 / 768 (IPv4) or 8200 8.1. */
uint32_t checksum_pseudo(const struct ip_addr *src, const struct ip_addr *dst,
			 uint8_t protocol, uint32_t length);

#endif
