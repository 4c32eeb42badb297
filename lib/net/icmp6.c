/*
 * ICMPv6 (RFC 4443): answers echo requests, tells senders what cannot be delivered, and
 * hands errors about our own packets to their transport. Neighbour discovery and MLD are
 * messages of it, and go on to nd.c and mld.c.
 *
 * Errors to send are limited by a bucket of tokens, and none is ever sent about ICMPv6
 * errors, packets to groups (but for the two cases of 2.4 (e.3)), or from nobody.
 */
#include "net_private.h"

void icmp6_send(struct net *net, const struct ip_addr *src, const struct ip_addr *dst,
                uint8_t hop_limit, struct slice message)
{
	struct net_send_options options = {
	    .src = src, .ttl = hop_limit, .may_fragment = true};
	struct netdev_frame frame;

	netdev_frame_init(&frame);
	struct slice header = slice_take(message, ICMP6_HEADER);
	if (net_frame_copy(net, &frame, slice_skip(message, ICMP6_HEADER)) == KILN_OK) {
		memcpy(netdev_frame_push(&frame, header.len), header.data, header.len);
		/* What cannot be sent is counted there. */
		(void)net_send(net, &frame, IP6_NEXT_ICMP, dst, ICMP6_CHECKSUM, &options);
	} else {
		net->counters.drop_device++;
	}
	net_frame_release(&frame);
}

/* ---- errors to send ---- */

/* 2.4 (e.1), (e.2): what the packet carries is itself an error, or a redirect. */
static bool is_error(const struct net_packet *packet, struct slice quote)
{
	struct ip6_header header;
	struct slice payload;

	if (!ip6_wire_parse_quoted(quote, &header, &payload))
		return false;
	return header.next == IP6_NEXT_ICMP &&
	       (payload.len == 0 || icmp6_is_error(payload.data[0]) ||
	        payload.data[0] == ICMP6_REDIRECT);
}

void icmp6_error(struct net *net, const struct net_packet *packet,
                 const struct icmp6_message *error, bool to_group)
{
	uint8_t bytes[ICMP6_HEADER + ICMP6_QUOTE];
	struct writer w = writer_of(bytes, sizeof(bytes));
	/* Not from the group that it was sent to. */
	const struct ip_addr *src = packet->broadcast ? NULL : &packet->dst;

	if ((packet->broadcast && !to_group) || ip6_is_unspecified(&packet->src))
		return;
	icmp6_wire_emit(writer_room(&w, ICMP6_HEADER), error);
	writer_bytes(&w, slice_take(packet->header, writer_left(&w)));
	writer_bytes(&w, slice_take(packet->payload, writer_left(&w)));
	struct slice message = writer_done(&w);
	if (is_error(packet, slice_skip(message, ICMP6_HEADER)) || !report_allowed(net))
		return;
	net->counters.icmp_sent++;
	icmp6_send(net, src, &packet->src, 0, message);
}

void icmp6_refuse(struct net *net, const struct net_packet *packet, enum net_refusal why)
{
	struct icmp6_message error = {.type = ICMP6_UNREACHABLE, .code = ICMP6_CODE_PORT};

	if (why == NET_REFUSE_REASSEMBLY)
		error = (struct icmp6_message){.type = ICMP6_TIME_EXCEEDED,
		                               .code = ICMP6_CODE_REASSEMBLY};
	icmp6_error(net, packet, &error, false);
}

/* ---- messages in ---- */

/* 4.2. One to a group is answered from an address of our own, within the rate of errors:
 * many are made to answer one, who need not have asked. */
static bool icmp6_echo(struct net *net, const struct net_packet *packet,
                       const struct icmp6_message *request)
{
	struct icmp6_message reply = {.type = ICMP6_ECHO_REPLY, .word = request->word};
	struct net_send_options options = {.src = packet->broadcast ? NULL : &packet->dst,
	                                   .may_fragment = true};
	struct netdev_frame frame;

	if (request->code != 0 || ip6_is_unspecified(&packet->src) ||
	    (packet->broadcast && !report_allowed(net)))
		return false;
	net->counters.icmp_echo++;
	netdev_frame_init(&frame);
	if (net_frame_copy(net, &frame, request->body) == KILN_OK) {
		icmp6_wire_emit(netdev_frame_push(&frame, ICMP6_HEADER), &reply);
		(void)net_send(net, &frame, IP6_NEXT_ICMP, &packet->src, ICMP6_CHECKSUM,
		               &options);
	} else {
		net->counters.drop_device++;
	}
	net_frame_release(&frame);
	return true;
}

/* RFC 8201, 4: what is said to fit must be less than what we sent, and no less than what
 * every link carries: nobody makes us send packets that are smaller than they need be. */
static bool too_big_plausible(const struct icmp6_message *message,
                              const struct ip6_header *quoted, uint32_t *mtu)
{
	*mtu = message->word - IP6_HEADER;
	return message->word >= IP6_MTU_MIN &&
	       message->word < (uint32_t)IP6_HEADER + quoted->payload;
}

/* True if the error was about one of our packets, as far as its transport can tell. */
static bool icmp6_error_input(struct net *net, const struct ip_addr *from,
                              const struct icmp6_message *message)
{
	struct net_error error = {
	    .type = message->type, .code = message->code, .from = *from};
	struct ip6_header quoted;

	if (!icmp6_wire_error_kind(message, &error.kind) ||
	    !ip6_wire_parse_quoted(message->body, &quoted, &error.payload) ||
	    (!ip6_address_find(net, &quoted.src) && !net_is_own(net, &quoted.src)) ||
	    ip_is4(&quoted.dst) || error.payload.len < 8)
		return false;
	if (error.kind == NET_ERROR_TOO_BIG &&
	    !too_big_plausible(message, &quoted, &error.mtu))
		return false;
	error.src = quoted.src;
	error.dst = quoted.dst;
	return report_input(net, quoted.next, &error);
}

static bool icmp6_handle(struct net *net, const struct net_packet *packet,
                         const struct icmp6_message *message,
                         const struct ip6_chain *chain)
{
	if (icmp6_is_error(message->type))
		return icmp6_error_input(net, &packet->src, message);
	switch (message->type) {
	case ICMP6_ECHO:
		return icmp6_echo(net, packet, message);
	case ICMP6_MLD_QUERY:
		return mld_input(net, packet, chain->router_alert, message);
	case ICMP6_MLD_REPORT:
	case ICMP6_MLD_REPORT_V1:
	case ICMP6_MLD_DONE:
		return true; /* other listeners': for routers and switches */
	default:
		/* RFC 6980, 5: none comes in fragments, in which it would pass by a switch
		 * that holds forgers back. */
		return !chain->joined && nd_input(net, packet, message);
	}
}

void icmp6_input(struct net *net, const struct net_packet *packet,
                 const struct ip6_chain *chain)
{
	struct icmp6_message message;

	if (!icmp6_wire_parse(packet, &message) ||
	    !icmp6_handle(net, packet, &message, chain))
		net->counters.drop_icmp++;
}
