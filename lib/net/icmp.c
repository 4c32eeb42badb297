/*
 * ICMP (RFC 792, 1122 3.2.2, 1191, 5927): answers echo requests, tells senders what
 * cannot be delivered, and hands errors about our own packets to their transport.
 *
 * Errors to send are limited by a bucket of tokens, and none is ever sent about
 * broadcasts, later fragments, ICMP errors or hosts that cannot be one (RFC 1122, 3.2.2).
 */
#include "icmp_wire.h"
#include "net_private.h"

/* Sends a message whose body is in `bytes`, with a complete checksum. */
static void icmp_send(struct net *net, const struct ip_addr *dst, const uint8_t *header,
                      struct slice body, bool may_fragment)
{
	struct net_send_options options = {.may_fragment = may_fragment};
	struct netdev_frame frame;

	netdev_frame_init(&frame);
	if (net_frame_copy(net, &frame, body) == KILN_OK) {
		memcpy(netdev_frame_push(&frame, ICMP_HEADER), header, ICMP_HEADER);
		/* What cannot be sent is counted there. */
		(void)net_send(net, &frame, IP_PROTO_ICMP, dst, NET_NO_CHECKSUM,
		               &options);
	} else {
		net->counters.drop_device++;
	}
	net_frame_release(&frame);
}

/* ---- errors to send ---- */

/* An error about a packet that we received, within the rate limit. */
static void icmp_error(struct net *net, const struct net_packet *packet, uint8_t type,
                       uint8_t code)
{
	struct icmp_message message = {.type = type, .code = code};
	uint8_t header[ICMP_HEADER], quote[ICMP_QUOTE];
	struct writer w = writer_of(quote, sizeof(quote));

	if (packet->broadcast ||
	    (!ip4_is_host(ip4_value(ip_to4(&packet->src))) &&
	     !net_is_own(net, &packet->src)) ||
	    !report_allowed(net))
		return;
	writer_bytes(&w, packet->header);
	writer_bytes(&w, slice_take(packet->payload, writer_left(&w)));
	struct slice body = writer_done(&w);
	icmp_wire_emit(header, &message, checksum_add(0, body.data, body.len));
	net->counters.icmp_sent++;
	icmp_send(net, &packet->src, header, body, true);
}

void icmp_refuse(struct net *net, const struct net_packet *packet, enum net_refusal why)
{
	switch (why) {
	case NET_REFUSE_PORT:
		icmp_error(net, packet, ICMP_UNREACHABLE, ICMP_CODE_PORT);
		break;
	case NET_REFUSE_PROTOCOL:
		icmp_error(net, packet, ICMP_UNREACHABLE, ICMP_CODE_PROTOCOL);
		break;
	case NET_REFUSE_REASSEMBLY:
		icmp_error(net, packet, ICMP_TIME_EXCEEDED, ICMP_CODE_REASSEMBLY);
		break;
	}
}

/* ---- messages in ---- */

/* RFC 1122, 3.2.2.6. An echo request to all is not answered. */
static void icmp_echo(struct net *net, const struct net_packet *packet,
                      const struct icmp_message *request)
{
	uint8_t header[ICMP_HEADER];
	struct icmp_wire *reply = (struct icmp_wire *)header;

	if (packet->broadcast || request->code != 0) {
		net->counters.drop_icmp++;
		return;
	}
	reply->type = ICMP_ECHO_REPLY;
	reply->code = 0;
	reply->checksum = be16_of(icmp_wire_reply_checksum(request->checksum));
	reply->id = be16_of(request->id);
	reply->number = be16_of(request->number);
	net->counters.icmp_echo++;
	icmp_send(net, &packet->src, header, request->body, true);
}

/*
 * RFC 1191, 6.3, guarded as RFC 5927, 7 advises: the quoted packet must be one that was
 * not to be fragmented and larger than what is said to fit; a value below what IPv4
 * requires of a link is raised to that.
 */
static bool too_big_plausible(const struct icmp_message *message,
                              const struct ip4_header *quoted, uint32_t *mtu)
{
	uint16_t said =
	    message->number ? message->number : icmp_wire_plateau(quoted->total);

	*mtu = KILN_MAX(said, IP4_MTU_MIN) - (uint32_t)IP4_HEADER;
	return quoted->dont_fragment && *mtu + IP4_HEADER < quoted->total;
}

/* True if the error was about one of our packets, as far as its transport can tell. */
static bool icmp_error_input(struct net *net, const struct ip_addr *from,
                             const struct icmp_message *message)
{
	struct net_error error = {
	    .type = message->type, .code = message->code, .from = *from};
	struct ip4_header quoted;

	if (!icmp_wire_error_kind(message, &error.kind) ||
	    !ip4_wire_parse_quoted(message->body, &quoted, &error.payload))
		return false;
	error.src = ip_from4(quoted.src);
	error.dst = ip_from4(quoted.dst);
	if ((!ip4_equal(quoted.src, net->ip4->address) && !net_is_own(net, &error.src)) ||
	    quoted.offset != 0 || error.payload.len < 8)
		return false;
	if (error.kind == NET_ERROR_TOO_BIG &&
	    !too_big_plausible(message, &quoted, &error.mtu))
		return false;
	return report_input(net, quoted.protocol, &error);
}

void icmp_input(struct net *net, const struct net_packet *packet)
{
	struct icmp_message message;

	if (!icmp_wire_parse(packet->payload, &message)) {
		net->counters.drop_icmp++;
		return;
	}
	if (message.type == ICMP_ECHO)
		icmp_echo(net, packet, &message);
	else if (packet->broadcast || !icmp_error_input(net, &packet->src, &message))
		net->counters.drop_icmp++;
}
