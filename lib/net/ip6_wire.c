/*
 * The IPv6 header and its extension headers: see ip6_wire.h. RFC 8200, 3 and 4; RFC 2711;
 * 5095; 6946; 7112.
 */
#include "ip6_wire.h"

enum { OPTION_PAD1 = 0, OPTION_PADN = 1, OPTION_ROUTER_ALERT = 5 };
enum { /* what to do with an unknown option: its type's two upper bits (4.2) */
       ACTION_SKIP = 0,
       ACTION_DROP = 1,
       ACTION_REPORT = 2,
       ACTION_REPORT_UNICAST = 3
};
enum { ALERT_MLD = 0 }; /* RFC 2711, 2.1 */
enum { FRAGMENT_MORE = 1, FRAGMENT_OFFSET = 0xfff8 };
enum { UNIT = 8 };
enum { PAYLOAD_LENGTH_AT = offsetof(struct ip6_wire, payload) };

/* The fixed part, once it is known to be there. */
static void header_from_wire(const struct ip6_wire *wire, struct ip6_header *header)
{
	uint32_t first = be32_get(wire->version_class_flow);

	header->src = wire->src;
	header->dst = wire->dst;
	header->flow = first & 0xfffff;
	header->traffic_class = (uint8_t)(first >> 20);
	header->payload = be16_get(wire->payload);
	header->next = wire->next;
	header->hop_limit = wire->hop_limit;
}

/* The fixed header and all that is there behind it. */
static bool parse_fixed(struct slice packet, struct ip6_header *header,
                        struct slice *payload)
{
	struct cursor c = cursor_of(packet);
	struct slice fixed = cursor_bytes(&c, sizeof(struct ip6_wire));

	if (c.failed || fixed.data[0] >> 4 != 6)
		return false;
	header_from_wire((const struct ip6_wire *)fixed.data, header);
	*payload = cursor_rest(&c);
	return true;
}

/* A group whose scope is wider than the sender's own machine. */
static bool is_group_of_link(const struct ip_addr *a)
{
	return ip6_is_multicast(a) && (a->bytes[1] & 15) > 1;
}

static bool can_be_from(const struct ip_addr *src)
{
	return !ip6_is_multicast(src) && !ip6_is_loopback(src) && !ip_is4(src);
}

static bool can_be_to(const struct ip_addr *dst)
{
	if (ip6_is_multicast(dst))
		return is_group_of_link(dst);
	return !ip6_is_unspecified(dst) && !ip6_is_loopback(dst) && !ip_is4(dst);
}

bool ip6_wire_parse(struct slice packet, struct ip6_header *header, struct slice *payload)
{
	if (!parse_fixed(packet, header, payload) || header->payload > payload->len)
		return false;
	*payload = slice_take(*payload, header->payload);
	return can_be_from(&header->src) && can_be_to(&header->dst);
}

void ip6_wire_emit(uint8_t *room, const struct ip6_header *header)
{
	struct ip6_wire *wire = (struct ip6_wire *)room;

	wire->version_class_flow = be32_of(
	    6u << 28 | (uint32_t)header->traffic_class << 20 | (header->flow & 0xfffff));
	wire->payload = be16_of(header->payload);
	wire->next = header->next;
	wire->hop_limit = header->hop_limit;
	wire->src = header->src;
	wire->dst = header->dst;
}

void ip6_wire_emit_fragment(uint8_t *room, uint8_t next,
                            const struct ip6_fragment *fragment)
{
	struct ip6_fragment_wire *wire = (struct ip6_fragment_wire *)room;

	wire->next = next;
	wire->reserved = 0;
	wire->offset_more = be16_of(
	    (uint16_t)((fragment->offset & FRAGMENT_OFFSET) | (fragment->more ? 1 : 0)));
	wire->id = be32_of(fragment->id);
}

void ip6_wire_emit_router_alert(uint8_t *room, uint8_t next)
{
	const uint8_t header[IP6_ROUTER_ALERT] = {
	    next, 0, OPTION_ROUTER_ALERT, 2, 0, ALERT_MLD, OPTION_PADN, 0};

	memcpy(room, header, sizeof(header));
}

/* ---- the chain ---- */

static enum ip6_walk report(struct ip6_problem *problem, uint8_t code, size_t pointer)
{
	*problem = (struct ip6_problem){.code = code, .pointer = (uint32_t)pointer};
	return IP6_WALK_PROBLEM;
}

/* RFC 8200, 4.2: the type itself says what to do where nobody knows it. */
static enum ip6_walk unknown_option(uint8_t type, size_t at, bool to_group,
                                    struct ip6_problem *problem)
{
	switch (type >> 6) {
	case ACTION_SKIP:
		return IP6_WALK_UPPER;
	case ACTION_DROP:
		return IP6_WALK_DROP;
	case ACTION_REPORT:
		report(problem, IP6_PROBLEM_OPTION, at);
		problem->to_group = true;
		return IP6_WALK_PROBLEM;
	default: /* ACTION_REPORT_UNICAST */
		return to_group ? IP6_WALK_DROP : report(problem, IP6_PROBLEM_OPTION, at);
	}
}

/* The options of a hop-by-hop or destination header, of which `at` is the first one's
 * offset. IP6_WALK_UPPER: go on behind them. */
static enum ip6_walk walk_options(struct ip6_chain *chain, struct cursor c,
                                  bool hop_by_hop, size_t at, struct ip6_problem *problem)
{
	size_t all = cursor_left(&c);

	while (cursor_left(&c)) {
		size_t here = at + (all - cursor_left(&c));
		uint8_t type = cursor_u8(&c);
		if (type == OPTION_PAD1)
			continue;
		uint8_t size = cursor_u8(&c);
		struct cursor value = cursor_sub(&c, size);
		if (c.failed)
			return report(problem, IP6_PROBLEM_FIELD, here);
		if (type == OPTION_PADN)
			continue;
		if (type == OPTION_ROUTER_ALERT && hop_by_hop) {
			if (size == 2 && cursor_u16(&value) == ALERT_MLD)
				chain->router_alert = true;
			continue;
		}
		enum ip6_walk result =
		    unknown_option(type, here, chain->to_group, problem);
		if (result != IP6_WALK_UPPER)
			return result;
	}
	return IP6_WALK_UPPER;
}

/* Takes an extension header of the common layout (4.1) off the packet: *body is what
 * stands behind its next and length fields. False if it runs over the packet's end. */
static bool take_header(struct cursor *rest, struct cursor *body, uint8_t *next)
{
	*next = cursor_u8(rest);
	size_t size = (cursor_u8(rest) + 1u) * UNIT;
	*body = cursor_sub(rest, size - 2);
	return !rest->failed;
}

/* Steps over a header that begins at chain->at and is `size` bytes long. */
static void pass(struct ip6_chain *chain, uint8_t next, size_t size)
{
	chain->next = next;
	chain->named_at = chain->at; /* the field is the first of each header */
	chain->at += (uint32_t)size;
}

static enum ip6_walk walk_common(struct ip6_chain *chain, struct cursor *rest,
                                 struct ip6_problem *problem)
{
	struct cursor body;
	uint8_t kind = chain->next, next;
	enum ip6_walk result = IP6_WALK_UPPER;

	if (!take_header(rest, &body, &next))
		return report(problem, IP6_PROBLEM_FIELD, chain->at + 1u);
	size_t size = cursor_left(&body) + 2;
	if (kind == IP6_NEXT_ROUTING) {
		/* 4.4: of an unknown type, and all are: passed if no segment is left. */
		cursor_skip(&body, 1);
		if (cursor_u8(&body) != 0)
			return report(problem, IP6_PROBLEM_FIELD, chain->at + 2u);
	} else {
		result = walk_options(chain, body, kind == IP6_NEXT_HOP_BY_HOP,
		                      chain->at + 2u, problem);
	}
	pass(chain, next, size);
	return result;
}

static bool is_extension(uint8_t next)
{
	return next == IP6_NEXT_HOP_BY_HOP || next == IP6_NEXT_ROUTING ||
	       next == IP6_NEXT_FRAGMENT || next == IP6_NEXT_DESTINATION;
}

/* The least that a first fragment has to show of the upper layer. */
static size_t upper_size(uint8_t protocol)
{
	switch (protocol) {
	case IP6_NEXT_TCP:
		return 20;
	case IP6_NEXT_UDP:
	case IP6_NEXT_ICMP:
		return 8;
	default:
		return 0;
	}
}

/* RFC 7112: whether the first fragment holds all headers. What they say is looked at
 * when the datagram is whole. */
static bool has_all_headers(struct cursor rest, uint8_t next)
{
	while (next == IP6_NEXT_ROUTING || next == IP6_NEXT_DESTINATION) {
		struct cursor body;
		if (!take_header(&rest, &body, &next))
			return false;
	}
	return cursor_left(&rest) >= upper_size(next);
}

static enum ip6_walk walk_fragment(struct ip6_chain *chain, struct cursor *rest,
                                   struct ip6_problem *problem)
{
	uint8_t next = cursor_u8(rest);
	cursor_skip(rest, 1);
	uint16_t field = cursor_u16(rest);
	struct ip6_fragment *fragment = &chain->fragment;

	*fragment = (struct ip6_fragment){.id = cursor_u32(rest),
	                                  .offset = field & FRAGMENT_OFFSET,
	                                  .more = field & FRAGMENT_MORE};
	if (rest->failed || chain->joined)
		return IP6_WALK_DROP;
	size_t left = cursor_left(rest);
	chain->joined = true;
	if (fragment->offset == 0 && !fragment->more) {
		pass(chain, next, IP6_FRAGMENT_HEADER);
		return IP6_WALK_UPPER;
	}
	if (fragment->more && left % UNIT)
		return report(problem, IP6_PROBLEM_FIELD, PAYLOAD_LENGTH_AT);
	if (chain->at - IP6_HEADER + fragment->offset + left > IP6_PAYLOAD_MAX)
		return report(problem, IP6_PROBLEM_FIELD, chain->at + 2u);
	if (left == 0)
		return IP6_WALK_DROP;
	if (fragment->offset == 0 && !has_all_headers(*rest, next))
		return report(problem, IP6_PROBLEM_FIRST_FRAGMENT, 0);
	chain->next = next;
	return IP6_WALK_FRAGMENT;
}

void ip6_chain_start(struct ip6_chain *chain, const struct ip6_header *header,
                     struct slice payload)
{
	*chain = (struct ip6_chain){
	    .next = header->next,
	    .to_group = ip6_is_multicast(&header->dst),
	    .named_at = offsetof(struct ip6_wire, next),
	    .at = IP6_HEADER,
	    .payload = payload,
	};
}

static enum ip6_walk walk(struct ip6_chain *chain, struct cursor *rest,
                          struct ip6_problem *problem)
{
	while (is_extension(chain->next)) {
		enum ip6_walk result;

		/* 4.1: hop-by-hop options stand directly behind the fixed header. */
		if (chain->next == IP6_NEXT_HOP_BY_HOP && chain->headers)
			return report(problem, IP6_PROBLEM_NEXT, chain->named_at);
		if (chain->headers == IP6_HEADERS_MAX)
			return IP6_WALK_DROP;
		chain->headers++;
		if (chain->next == IP6_NEXT_FRAGMENT)
			result = walk_fragment(chain, rest, problem);
		else
			result = walk_common(chain, rest, problem);
		if (result != IP6_WALK_UPPER)
			return result;
	}
	/* 4.7: what stands behind it is for nobody. */
	return chain->next == IP6_NEXT_NONE ? IP6_WALK_DROP : IP6_WALK_UPPER;
}

enum ip6_walk ip6_wire_walk(struct ip6_chain *chain, struct ip6_problem *problem)
{
	struct cursor rest = cursor_of(chain->payload);
	enum ip6_walk result = walk(chain, &rest, problem);

	chain->payload = cursor_rest(&rest);
	return result;
}

bool ip6_wire_parse_quoted(struct slice packet, struct ip6_header *header,
                           struct slice *payload)
{
	struct cursor rest, body;

	if (!parse_fixed(packet, header, payload))
		return false;
	rest = cursor_of(slice_take(*payload, header->payload));
	for (unsigned headers = 0; is_extension(header->next); headers++) {
		if (headers == IP6_HEADERS_MAX)
			return false;
		if (header->next == IP6_NEXT_FRAGMENT) {
			header->next = cursor_u8(&rest);
			cursor_skip(&rest, 1);
			uint16_t field = cursor_u16(&rest);
			cursor_skip(&rest, 4);
			if (rest.failed || field & FRAGMENT_OFFSET)
				return false;
		} else if (!take_header(&rest, &body, &header->next)) {
			return false;
		}
	}
	*payload = cursor_rest(&rest);
	return !rest.failed;
}
