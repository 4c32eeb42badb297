/*
 * The DHCP client's whole exchange: a stack without an address, and a script that the
 * input spells out: messages of servers, right but for what the input bends, with options
 * of its own bytes; time that passes, from milliseconds to an hour; hosts that claim the
 * address; a device that is full.
 *
 * The client is in a state that it can be in, its address is used within the lease and
 * never beyond, there is always something that it waits for, and what it sends is DHCP.
 */
#include "fuzz.h"
#define FAKE_MEMORY (1 << 20)
#include "test/unit/fake_net.h"
#include "lib/net/dhcp.c"
#include "lib/net/dhcp_wire.c"

enum { STEPS = 100 };

static unsigned looked_at;

/* ---- what must hold ---- */

static void check_message(struct slice packet)
{
	struct ip4_header h;
	struct slice payload;

	FUZZ_CHECK(ip4_wire_parse(packet, &h, &payload));
	FUZZ_CHECK(transport_checksum(&h, payload) == 0);
	struct net_packet datagram = {.payload = payload, .checksum_valid = true};
	struct udp_header udp;
	FUZZ_CHECK(udp_wire_parse(&datagram, &udp));
	if (udp.dst != DHCP_SERVER_PORT)
		return;
	const struct dhcp_wire *wire = (const struct dhcp_wire *)udp.data.data;
	FUZZ_CHECK(udp.src == DHCP_CLIENT_PORT && udp.data.len >= DHCP_SIZE_MIN);
	FUZZ_CHECK(wire->operation == 1 && be32_get(wire->cookie) == COOKIE);
	FUZZ_CHECK(memcmp(wire->chaddr, fake_mac, ETH_MAC) == 0);
}

static void check_sent(void)
{
	if (fake.sent - looked_at > FAKE_FRAMES)
		looked_at = fake.sent - FAKE_FRAMES;
	for (; looked_at < fake.sent; looked_at++) {
		struct slice frame = fake_sent(looked_at);
		struct slice packet = slice_skip(frame, ETH_HEADER);
		struct arp_packet arp;

		if (be16_get(eth_wire_parse(frame)->type) == ETH_TYPE_ARP)
			FUZZ_CHECK(arp_wire_parse(packet, &arp));
		else if (packet.data[9] == IP_PROTO_UDP)
			check_message(packet);
	}
}

static void check_state(void)
{
	const struct dhcp *d = fake.net->dhcp;
	bool bound = d->state >= DHCP_BOUND;
	struct net_lease lease = d->lease;

	check_sent();
	FUZZ_CHECK(net_is_up(fake.net) == bound);
	FUZZ_REACH(d->state == DHCP_REQUESTING, "REQUESTING");
	FUZZ_REACH(d->state == DHCP_BOUND, "BOUND");
	FUZZ_REACH(d->state == DHCP_RENEWING, "RENEWING");
	FUZZ_REACH(d->state == DHCP_REBINDING, "REBINDING");
	if (bound) {
		FUZZ_CHECK(ip4_equal(net_address(fake.net), lease.address));
		FUZZ_CHECK(net_lease_plausible(&lease));
		FUZZ_CHECK(fake.net->mtu[NET_IP4] <= fake.device.mtu);
		/* The wheel's tick is a millisecond. */
		FUZZ_CHECK(d->expires_at == KILN_NEVER ||
		           fake.now <= d->expires_at + KILN_MS(2));
		FUZZ_REACH(d->renew_at == KILN_NEVER, "a lease for ever");
	}
	FUZZ_CHECK(timer_is_set(&d->timer) || d->state == DHCP_CHECKING ||
	           (d->state == DHCP_BOUND && d->renew_at == KILN_NEVER));
	FUZZ_CHECK(d->state != DHCP_CHECKING || timer_is_set(&fake.net->ip4->arp.claim));
}

static void pass(kiln_time duration)
{
	kiln_time end = fake.now + duration;

	while (fake.now < end) {
		kiln_time next = timer_wheel_next(&fake.kiln.loop.wheel);
		fake.now = KILN_MIN(KILN_MAX(next, fake.now + KILN_US(100)), end);
		loop_step(&fake.kiln.loop, fake.now);
	}
}

/* ---- steps ---- */

static struct ip4_addr some_address(uint8_t choice)
{
	static const uint32_t known[] = {0x0a000007, 0x0a000001, 0x0a000008, 0x0a0000ff,
	                                 0,          0xffffffff, 0xc0a80001, 0xe0000001};

	return ip4_of(known[choice % KILN_COUNT_OF(known)]);
}

static uint32_t some_seconds(uint8_t choice)
{
	static const uint32_t known[] = {3600,       0,          1,     60, 120,
	                                 0xffffffff, 0xfffffffe, 86400, 7,  30};

	return known[choice % KILN_COUNT_OF(known)];
}

static void put(struct writer *w, uint8_t code, uint32_t value)
{
	writer_u8(w, code);
	writer_u8(w, 4);
	writer_u32(w, value);
}

static void step_message(struct cursor *in)
{
	static const uint8_t types[] = {DHCP_OFFER, DHCP_ACK, DHCP_NAK, DHCP_DECLINE};
	uint8_t datagram[UDP_HEADER + DHCP_SIZE_MAX];
	struct writer w = writer_of(datagram + UDP_HEADER, DHCP_SIZE_MAX);
	struct dhcp_wire *wire = (struct dhcp_wire *)writer_room(&w, sizeof(*wire));
	uint8_t what = cursor_u8(in), with = cursor_u8(in), times = cursor_u8(in),
	        extra = cursor_u8(in);

	memset(wire, 0, sizeof(*wire));
	wire->operation = 2;
	wire->hardware = 1;
	wire->hardware_size = ETH_MAC;
	wire->xid = be32_of(fake.net->dhcp->xid ^ (what & 0x80));
	wire->yiaddr = some_address(what >> 2 & 7);
	wire->cookie = be32_of(COOKIE);
	memcpy(wire->chaddr, fake_mac, ETH_MAC);
	writer_bytes(&w, slice_of((uint8_t[]){OPTION_TYPE, 1, types[what & 3]}, 3));
	put(&w, OPTION_SERVER, with & 1 ? 0x0a0000fe : 0x0a000001);
	put(&w, OPTION_LEASE, some_seconds(times & 15));
	if (with & 2)
		put(&w, OPTION_MASK, UINT32_MAX << (with >> 3));
	if (with & 4)
		put(&w, OPTION_ROUTER, 0x0a000001);
	if (times & 16)
		put(&w, OPTION_RENEWAL, some_seconds(times >> 5));
	if (times & 32)
		put(&w, OPTION_REBINDING, some_seconds(times >> 6));
	writer_bytes(&w, cursor_bytes(in, KILN_MIN(extra % 64u, cursor_left(in))));
	writer_u8(&w, OPTION_END);
	size_t size = writer_done(&w).len;
	udp_wire_emit(datagram, DHCP_SERVER_PORT, DHCP_CLIENT_PORT, size);
	static uint8_t frame[FAKE_FRAME_SIZE];
	struct ip4_header h = {.src = PEER_ADDRESS,
	                       .dst = what & 0x40 ? ALL_ADDRESS : wire->yiaddr,
	                       .protocol = IP_PROTO_UDP};
	size = fake_ip4(frame, fake_mac, h, slice_of(datagram, UDP_HEADER + size));
	fake_receive(slice_of(frame, size));
}

/* A datagram to the client's port, all of its bytes from the input. */
static void step_datagram(struct cursor *in)
{
	static uint8_t frame[FAKE_FRAME_SIZE];
	uint8_t datagram[UDP_HEADER + 512];
	size_t size = cursor_u8(in) * 2u;
	struct slice bytes = cursor_bytes(in, KILN_MIN(size, cursor_left(in)));
	struct ip4_header h = {
	    .src = PEER_ADDRESS, .dst = ALL_ADDRESS, .protocol = IP_PROTO_UDP};

	udp_wire_emit(datagram, DHCP_SERVER_PORT, DHCP_CLIENT_PORT, bytes.len);
	memcpy(datagram + UDP_HEADER, bytes.data, bytes.len);
	size = fake_ip4(frame, all_mac, h, slice_of(datagram, UDP_HEADER + bytes.len));
	fake_receive(slice_of(frame, size));
}

static void step_arp(struct cursor *in)
{
	uint8_t how = cursor_u8(in);

	fake_receive_arp(how & 1 ? all_mac : fake_mac, how & 2 ? ARP_REPLY : ARP_REQUEST,
	                 how & 4 ? other_mac : peer_mac, some_address(how >> 3),
	                 some_address(cursor_u8(in)));
}

static void step_pass(struct cursor *in)
{
	pass(KILN_MS(1) << cursor_u8(in) % 23); /* up to an hour and ten minutes */
}

static void step_device(struct cursor *in)
{
	fake.full = cursor_u8(in) & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct cursor *) = {
	    step_message, step_message, step_pass, step_arp, step_datagram, step_device};
	static const char options[] = "ip=dhcp\0log=error";
	struct cursor in = cursor_of(slice_of(data, size));

	looked_at = 0;
	FUZZ_CHECK(fake_start_on(options, sizeof(options), 0));
	for (unsigned i = 0; i < STEPS && cursor_left(&in); i++) {
		steps[cursor_u8(&in) % KILN_COUNT_OF(steps)](&in);
		loop_step(&fake.kiln.loop, fake.now);
		check_state();
	}
	fake.full = false;
	pass(KILN_SECONDS(60));
	/* A message may wait for its receiver's address. */
	FUZZ_CHECK(fake.net->neighbours.frames.used <= 1);
	FUZZ_CHECK(fake.net->chunks.used == fake.net->neighbours.frames.used);
	FUZZ_CHECK(fake.net->fragments.datagrams.used == 0);
	return 0;
}
