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
	OPTION_HOST_NAME = 12,
	OPTION_MTU = 26,
	OPTION_BROADCAST = 28,
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
enum {
	FILE_AT = offsetof(struct dhcp_wire, file),
	FILE_SIZE = sizeof((struct dhcp_wire){0}.file),
	SNAME_AT = offsetof(struct dhcp_wire, sname),
	SNAME_SIZE = sizeof((struct dhcp_wire){0}.sname),
};

/* A 4-byte option; of a list of them, the first. */
static void take_u32(struct cursor value, uint32_t *out)
{
	uint32_t v = cursor_u32(&value);

	if (!value.failed)
		*out = v;
}

static void take_address(struct cursor value, struct ip4_addr *out)
{
	uint32_t v = ip4_value(*out);

	take_u32(value, &v);
	*out = ip4_of(v);
}

static void take_option(uint8_t code, struct cursor value, struct dhcp_message *m)
{
	switch (code) {
	case OPTION_MASK:
		take_address(value, &m->mask);
		break;
	case OPTION_ROUTER:
		take_address(value, &m->router);
		break;
	case OPTION_BROADCAST:
		take_address(value, &m->broadcast);
		break;
	case OPTION_MTU:
		m->mtu = cursor_u16(&value);
		break;
	case OPTION_REQUESTED:
		take_address(value, &m->requested);
		break;
	case OPTION_LEASE:
		take_u32(value, &m->lease);
		break;
	case OPTION_TYPE:
		m->type = cursor_u8(&value);
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
	case OPTION_CLIENT_ID:
		m->client_id = cursor_rest(&value);
		break;
	default:
		break;
	}
}

/* The fields of a message that hold options: the one that is being read, and what is still
 * to be read (RFC 2131, 4.1: file before sname). */
struct fields {
	struct slice message;
	struct cursor cursor;
	uint8_t overload;
};

/* The next option of a field: its code and its value. OPTION_END: that is all of it, or,
 * with the cursor failed, an option runs over the field's end. */
static uint8_t field_option(struct cursor *c, struct cursor *value)
{
	uint8_t code;

	*value = *c;
	do {
		if (cursor_left(c) == 0)
			return OPTION_END;
		code = cursor_u8(c);
	} while (code == OPTION_PAD);
	if (code != OPTION_END)
		*value = cursor_sub(c, cursor_u8(c));
	return c->failed ? OPTION_END : code;
}

/* One of the fixed fields is the next to be read, if it is to be. */
static bool start_field(struct fields *f, uint8_t overload, size_t at, size_t size)
{
	struct cursor c = cursor_of(f->message);

	if (!(f->overload & overload))
		return false;
	f->overload &= (uint8_t)~overload;
	cursor_skip(&c, at);
	f->cursor = cursor_sub(&c, size);
	return true;
}

/* The next option of all fields; as above. */
static uint8_t next_option(struct fields *f, struct cursor *value)
{
	uint8_t code;

	while ((code = field_option(&f->cursor, value)) == OPTION_END) {
		if (f->cursor.failed ||
		    (!start_field(f, OVERLOAD_FILE, FILE_AT, FILE_SIZE) &&
		     !start_field(f, OVERLOAD_SNAME, SNAME_AT, SNAME_SIZE)))
			break;
	}
	return code;
}

/* Where the options of a server's message are. NULL: it is none. */
static const struct dhcp_wire *find_fields(struct slice bytes, struct fields *f)
{
	struct cursor c = cursor_of(bytes), value;
	struct slice fixed = cursor_bytes(&c, sizeof(struct dhcp_wire));
	uint8_t code;

	*f = (struct fields){.message = bytes, .cursor = c};
	if (c.failed)
		return NULL;
	const struct dhcp_wire *wire = (const struct dhcp_wire *)fixed.data;
	if (wire->operation != BOOT_REPLY || wire->hardware != HARDWARE_ETHERNET ||
	    wire->hardware_size != ETH_MAC || be32_get(wire->cookie) != COOKIE)
		return NULL;
	while ((code = field_option(&c, &value)) != OPTION_END) {
		if (code == OPTION_OVERLOAD && cursor_left(&value))
			f->overload = cursor_u8(&value);
	}
	return wire;
}

bool dhcp_wire_parse(struct slice bytes, struct dhcp_message *m)
{
	struct fields fields;
	const struct dhcp_wire *wire = find_fields(bytes, &fields);
	struct cursor value;
	uint8_t code;

	if (!wire)
		return false;
	*m = (struct dhcp_message){
	    .xid = be32_get(wire->xid),
	    .secs = be16_get(wire->secs),
	    .ciaddr = wire->ciaddr,
	    .yiaddr = wire->yiaddr,
	};
	memcpy(m->mac, wire->chaddr, ETH_MAC);
	while ((code = next_option(&fields, &value)) != OPTION_END)
		take_option(code, value, m);
	return !fields.cursor.failed && m->type >= DHCP_DISCOVER &&
	       m->type <= DHCP_RELEASE;
}

bool dhcp_wire_option(struct slice bytes, uint8_t wanted, struct writer *w)
{
	struct fields fields;
	struct cursor value;
	uint8_t code;
	bool found = false;

	if (!find_fields(bytes, &fields))
		return false;
	while ((code = next_option(&fields, &value)) != OPTION_END) {
		if (code != wanted)
			continue;
		writer_copy(w, &value, cursor_left(&value));
		found = true;
	}
	return found && !w->failed;
}

bool dhcp_wire_route(struct cursor *c, struct dhcp_route *route)
{
	uint32_t prefix = 0;

	if (cursor_left(c) == 0)
		return false;
	route->bits = cursor_u8(c);
	if (route->bits > 32) {
		c->failed = true;
		return false;
	}
	for (unsigned bits = 0; bits < 32; bits += 8)
		prefix = prefix << 8 | (bits < route->bits ? cursor_u8(c) : 0);
	/* What stands behind the prefix means nothing. */
	route->prefix =
	    ip4_of(route->bits ? prefix & UINT32_MAX << (32 - route->bits) : 0);
	route->gateway = ip4_of(cursor_u32(c));
	return !c->failed;
}

static void put_address(struct writer *w, uint8_t code, struct ip4_addr address)
{
	if (ip4_value(address) == 0)
		return;
	writer_u8(w, code);
	writer_u8(w, 4);
	writer_u32(w, ip4_value(address));
}

/* At most 255. */
static void put_bytes(struct writer *w, uint8_t code, struct slice value)
{
	if (value.len == 0)
		return;
	writer_u8(w, code);
	writer_u8(w, (uint8_t)value.len);
	writer_bytes(w, value);
}

void dhcp_wire_emit(struct writer *w, const struct dhcp_message *m)
{
	/* RFC 3442: static routes before the router, which they replace. */
	static const uint8_t parameters[] = {OPTION_MASK,      DHCP_OPTION_STATIC_ROUTES,
	                                     OPTION_ROUTER,    DHCP_OPTION_DNS,
	                                     OPTION_MTU,       DHCP_OPTION_DOMAIN,
	                                     OPTION_LEASE,     DHCP_OPTION_NTP,
	                                     OPTION_SERVER,    OPTION_RENEWAL,
	                                     OPTION_REBINDING, DHCP_OPTION_SEARCH,
	                                     OPTION_BROADCAST};
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
	put_bytes(w, OPTION_CLIENT_ID, m->client_id);
	put_address(w, OPTION_REQUESTED, m->requested);
	put_address(w, OPTION_SERVER, m->server);
	if (m->type == DHCP_DISCOVER || m->type == DHCP_REQUEST) {
		put_bytes(w, OPTION_HOST_NAME, m->host_name);
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
