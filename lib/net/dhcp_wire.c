/*
 * DHCP messages: see dhcp_wire.h. RFC 2131, 2 and 4.1; RFC 2132.
 */
#include "dhcp_wire.h"

enum { BOOT_REQUEST = 1, BOOT_REPLY = 2, HARDWARE_ETHERNET = 1 };
enum { COOKIE = 0x63825363 };
enum {
	OPTION_PAD = 0,
	OPTION_MASK = 1,
	OPTION_ROUTER = 3,
	OPTION_MTU = 26,
	OPTION_REQUESTED = 50,
	OPTION_LEASE = 51,
	OPTION_OVERLOAD = 52,
	OPTION_TYPE = 53,
	OPTION_SERVER = 54,
	OPTION_PARAMETERS = 55,
	OPTION_MAX_SIZE = 57,
	OPTION_RENEWAL = 58,
	OPTION_REBINDING = 59,
	OPTION_CLIENT_ID = 61,
	OPTION_END = 255,
};
enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2 };

/* A 4-byte option; of a list of them, the first. */
static void take_u32(struct slice value, uint32_t *out)
{
	struct cursor c = cursor_of(value);
	uint32_t v = cursor_u32(&c);

	if (!c.failed)
		*out = v;
}

static void take_address(struct slice value, struct ip4_addr *out)
{
	uint32_t v = ip4_value(*out);

	take_u32(value, &v);
	*out = ip4_of(v);
}

static void take_option(uint8_t code, struct slice value, struct dhcp_message *m,
                        uint8_t *overload)
{
	struct cursor c = cursor_of(value);

	switch (code) {
	case OPTION_MASK:
		take_address(value, &m->mask);
		break;
	case OPTION_ROUTER:
		take_address(value, &m->router);
		break;
	case OPTION_MTU:
		m->mtu = cursor_u16(&c);
		break;
	case OPTION_REQUESTED:
		take_address(value, &m->requested);
		break;
	case OPTION_LEASE:
		take_u32(value, &m->lease);
		break;
	case OPTION_OVERLOAD:
		*overload = cursor_u8(&c);
		break;
	case OPTION_TYPE:
		m->type = cursor_u8(&c);
		break;
	case OPTION_SERVER:
		take_address(value, &m->server);
		break;
	case OPTION_RENEWAL:
		take_u32(value, &m->renewal);
		break;
	case OPTION_REBINDING:
		take_u32(value, &m->rebinding);
		break;
	default:
		break;
	}
}

/* False: an option runs over the end of its field. */
static bool take_options(struct slice field, struct dhcp_message *m, uint8_t *overload)
{
	struct cursor c = cursor_of(field);

	while (cursor_left(&c)) {
		uint8_t code = cursor_u8(&c);
		if (code == OPTION_PAD)
			continue;
		if (code == OPTION_END)
			return true;
		uint8_t size = cursor_u8(&c);
		struct slice value = cursor_bytes(&c, size);
		if (c.failed)
			return false;
		take_option(code, value, m, overload);
	}
	return true;
}

bool dhcp_wire_parse(struct slice bytes, struct dhcp_message *m)
{
	struct cursor c = cursor_of(bytes);
	struct slice fixed = cursor_bytes(&c, sizeof(struct dhcp_wire));
	uint8_t overload = 0, nested = 0;

	if (c.failed)
		return false;
	const struct dhcp_wire *wire = (const struct dhcp_wire *)fixed.data;
	if (wire->operation != BOOT_REPLY || wire->hardware != HARDWARE_ETHERNET ||
	    wire->hardware_size != ETH_MAC || be32_get(wire->cookie) != COOKIE)
		return false;
	*m = (struct dhcp_message){
	    .xid = be32_get(wire->xid),
	    .secs = be16_get(wire->secs),
	    .ciaddr = wire->ciaddr,
	    .yiaddr = wire->yiaddr,
	};
	memcpy(m->mac, wire->chaddr, ETH_MAC);
	if (!take_options(cursor_rest(&c), m, &overload))
		return false;
	/* RFC 2131, 4.1: the options field first, then file, then sname. */
	if (overload & OVERLOAD_FILE &&
	    !take_options(slice_of(wire->file, sizeof(wire->file)), m, &nested))
		return false;
	if (overload & OVERLOAD_SNAME &&
	    !take_options(slice_of(wire->sname, sizeof(wire->sname)), m, &nested))
		return false;
	return m->type >= DHCP_DISCOVER && m->type <= DHCP_RELEASE;
}

static void put_address(struct writer *w, uint8_t code, struct ip4_addr address)
{
	if (ip4_value(address) == 0)
		return;
	writer_u8(w, code);
	writer_u8(w, 4);
	writer_u32(w, ip4_value(address));
}

void dhcp_wire_emit(struct writer *w, const struct dhcp_message *m)
{
	static const uint8_t parameters[] = {
	    OPTION_MASK,   OPTION_ROUTER,  OPTION_MTU,      OPTION_LEASE,
	    OPTION_SERVER, OPTION_RENEWAL, OPTION_REBINDING};
	size_t before = writer_left(w);
	struct dhcp_wire *wire = (struct dhcp_wire *)writer_room(w, sizeof(*wire));

	if (!wire)
		return;
	memset(wire, 0, sizeof(*wire));
	wire->operation = BOOT_REQUEST;
	wire->hardware = HARDWARE_ETHERNET;
	wire->hardware_size = ETH_MAC;
	wire->xid = be32_of(m->xid);
	wire->secs = be16_of(m->secs);
	wire->ciaddr = m->ciaddr;
	memcpy(wire->chaddr, m->mac, ETH_MAC);
	wire->cookie = be32_of(COOKIE);

	writer_u8(w, OPTION_TYPE);
	writer_u8(w, 1);
	writer_u8(w, (uint8_t)m->type);
	writer_u8(w, OPTION_CLIENT_ID);
	writer_u8(w, 1 + ETH_MAC);
	writer_u8(w, HARDWARE_ETHERNET);
	writer_bytes(w, slice_of(m->mac, ETH_MAC));
	put_address(w, OPTION_REQUESTED, m->requested);
	put_address(w, OPTION_SERVER, m->server);
	if (m->type == DHCP_DISCOVER || m->type == DHCP_REQUEST) {
		writer_u8(w, OPTION_MAX_SIZE);
		writer_u8(w, 2);
		writer_u16(w, DHCP_SIZE_MAX);
		writer_u8(w, OPTION_PARAMETERS);
		writer_u8(w, sizeof(parameters));
		writer_bytes(w, slice_of(parameters, sizeof(parameters)));
	}
	writer_u8(w, OPTION_END);
	while (before - writer_left(w) < DHCP_SIZE_MIN && !w->failed)
		writer_u8(w, OPTION_PAD);
}

bool dhcp_wire_prefix(struct ip4_addr mask, uint8_t *prefix)
{
	uint32_t zeroes = ~ip4_value(mask);

	if (zeroes & (zeroes + 1))
		return false;
	*prefix = (uint8_t)(32 - __builtin_popcount(zeroes));
	return true;
}
