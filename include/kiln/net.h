/*
 * The network layer of one device: Ethernet, IPv4 with ARP and ICMP, IPv6 with neighbour
 * discovery and ICMPv6, and how it got its addresses.
 *
 * Options of the image: --ip A.B.C.D/N, dhcp (the default) or off, --gateway A.B.C.D; --ip6
 * ADDRESS/N, auto (the default: SLAAC, RFC 4862) or off, --gateway6 ADDRESS (else those that
 * advertise themselves); --route PREFIX=GATEWAY,... of both families. With several devices each
 * is given by name: --ip net0=10.0.0.2/24,net1=dhcp.
 */
#ifndef KILN_NET_H
#define KILN_NET_H

#include <kiln/appliance.h>
#include <kiln/ip.h>

struct net;

/*
 * Opens the device and brings the interface up. With --ip it is usable at once (after one
 * gratuitous ARP announcement, RFC 5227 2.3; conflicts are defended); else DHCP goes on
 * in the background and transports send and receive once it has a lease. Ends the image
 * with a message when there is no such device or the options make no sense. On `host`,
 * the host's own interfaces stand under it.
 */
struct net *net_up(struct kiln *k, const struct kiln_device *device);
/* The same for one address family alone: the image holds no code of the other. */
struct net *net_up_ip4(struct kiln *k, const struct kiln_device *device);
struct net *net_up_ip6(struct kiln *k, const struct kiln_device *device);

/* The address in use; 0.0.0.0 while there is none. */
struct ip4_addr net_address(const struct net *net);
bool net_is_up(const struct net *net);

/* The context it was made in. */
struct kiln *net_kiln(const struct net *net);

/*
 * What the network tells of itself, as far as it is known now: the addresses of servers of
 * names and of time, the preferred first; and the domains that a name without a dot may be
 * meant in. By DHCP: options 6, 42, and 119 (RFC 3397) or else 15; then by router
 * advertisements (RFC 8106). On `host`, by /etc/resolv.conf. Each writes up to `most`, and returns how many.
 */
struct dns_name;
unsigned net_dns_servers(const struct net *net, struct ip_addr *servers, unsigned most);
unsigned net_ntp_servers(const struct net *net, struct ip_addr *servers, unsigned most);
unsigned net_search_domains(const struct net *net, struct dns_name *domains,
			    unsigned most);

/* One address of an interface, of either family. */
struct net_address {
	struct ip_addr addr;
	uint8_t prefix;  /* bits, of its own family */
	bool deprecated; /* not for new connections (RFC 4862, 5.5.4) */
	bool unproven;   /* in use, but somebody may still say that it is his (RFC 4429) */
};
/* Writes up to `most` of them; returns how many. */
unsigned net_addresses(const struct net *net, struct net_address *out, unsigned most);

/* Called (from the loop) each time the interface gets or loses its address. */
void net_on_change(struct net *net, void (*changed)(struct net *net, void *context),
		   void *context);

/* Counted since start. Every dropped packet is counted in exactly one of the reasons. */
struct net_counters {
	uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
	uint64_t drop_ethernet;   /* short, not for us, unknown type */
	uint64_t drop_arp;        /* malformed, not of this network, of no use to us */
	uint64_t drop_ip_header;  /* malformed, bad checksum, bad length, source route */
	uint64_t drop_ip_address; /* not for us, or from where nothing can come */
	uint64_t drop_fragment;   /* timed out, overlapping, over the budget */
	uint64_t drop_protocol;   /* no such transport */
	uint64_t drop_icmp;       /* malformed, unasked for, about nothing of ours */
	uint64_t drop_udp;        /* malformed, bad checksum, no such port */
	uint64_t drop_unresolved; /* to send: no answer to ARP, or its queue is full */
	uint64_t drop_no_route;
	uint64_t drop_device;     /* to send: the device, or net's buffers, had no room */
	uint64_t icmp_echo, icmp_sent, arp_conflicts, ip6_conflicts, reassembled;
};
void net_counters(const struct net *net, struct net_counters *counters);

#endif
