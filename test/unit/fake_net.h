/*
 * A stack on a device and a clock of the test's own, for the unit tests of lib/net: every
 * frame that it sends is kept, frames are given to it one by one, and time passes when
 * the test says so. Defines the target's functions; include it in one file of a program.
 */
#ifndef TEST_FAKE_NET_H
#define TEST_FAKE_NET_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/target.h>
#include <lib/net/arp_wire.h>
#include <lib/net/icmp_wire.h>
#include <lib/net/ip4_wire.h>
#include <lib/net/net_private.h>
#include <lib/net/udp_wire.h>

/* Not every program uses every helper. */
#define HELPER __attribute__((unused)) static

enum { FAKE_FRAMES = 128, FAKE_FRAME_SIZE = 66000 };
#ifndef FAKE_MEMORY
#define FAKE_MEMORY (4 << 20)
#endif

struct fake_frame {
	struct netdev_offload offload;
	size_t size;
	uint8_t bytes[FAKE_FRAME_SIZE];
};

static struct fake {
	struct kiln kiln;
	struct kiln_boot boot;
	struct netdev device;
	struct net *net;
	kiln_time now;
	bool full;     /* the device has no room */
	uint16_t mtu;  /* of the next device; 0: Ethernet's */
	unsigned sent; /* frames, of which the last FAKE_FRAMES are kept */
	struct fake_frame frames[FAKE_FRAMES];
	char console[4096];
	size_t console_size;
	int exit_status;
	jmp_buf exit_to;
} fake;

static _Alignas(4096) uint8_t fake_memory[FAKE_MEMORY];

HELPER const uint8_t fake_mac[6] = {2, 0, 0, 0, 0, 2}; /* the stack's */
HELPER const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 1};
HELPER const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 9};
HELPER const uint8_t all_mac[6] = {255, 255, 255, 255, 255, 255};
#define FAKE_ADDRESS ip4_of(0x0a000002)
#define PEER_ADDRESS ip4_of(0x0a000001)
#define NO_ADDRESS   ip4_of(0)
#define ALL_ADDRESS  ip4_of(0xffffffff)

/* ---- the target ---- */

kiln_time target_now(struct kiln *k)
{
	return fake.now;
}

kiln_time target_wall(struct kiln *k)
{
	return fake.now;
}

void target_wait(struct kiln *k, kiln_time deadline)
{
}

void target_console(struct kiln *k, struct slice text)
{
	size_t n = KILN_MIN(text.len, sizeof(fake.console) - 1 - fake.console_size);

	memcpy(fake.console + fake.console_size, text.data, n);
	fake.console_size += n;
	fake.console[fake.console_size] = 0;
}

_Noreturn void target_exit(struct kiln *k, int status)
{
	fake.exit_status = status;
	longjmp(fake.exit_to, 1);
}

_Noreturn void target_panic(struct slice message)
{
	fprintf(stderr, "%.*s", SLICE_ARG(message));
	abort();
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	return strcmp(device->name, "net0") == 0 ? &fake.device : NULL;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

int appliance(struct kiln *k)
{
	return 0;
}

/* ---- the device ---- */

static enum kiln_error fake_send(struct netdev *dev, const struct netdev_frame *frame)
{
	if (fake.full)
		return KILN_ERR_FULL;
	struct fake_frame *out = &fake.frames[fake.sent++ % FAKE_FRAMES];
	struct writer w = writer_of(out->bytes, sizeof(out->bytes));

	writer_bytes(&w, slice_of(frame->head + frame->head_start,
	                          NETDEV_HEAD - frame->head_start));
	for (unsigned i = 0; i < frame->frag_count; i++)
		writer_bytes(&w, slice_of(frame->frags[i].data, frame->frags[i].len));
	assert_false(w.failed);
	out->size = writer_done(&w).len;
	out->offload = frame->offload;
	assert_int_equal(out->size, netdev_frame_size(frame));
	return KILN_OK;
}

static unsigned fake_poll(struct netdev *dev, unsigned budget)
{
	return 0;
}

static const struct netdev_ops fake_ops = {.send = fake_send, .poll = fake_poll};

/* ---- the stack ---- */

#ifndef FAKE_UP
#define FAKE_UP net_up_ip4
#endif

static int fake_entry(struct kiln *k)
{
	static const struct kiln_device net0 = {KILN_DEVICE_NET, "net0"};

	fake.net = FAKE_UP(k, &net0);
	return 0;
}

/* Starts a stack with options, each ended by \0. False if it refused to. */
HELPER bool fake_start_on(const char *options, size_t options_size, uint32_t features)
{
	memset(&fake.kiln, 0, sizeof(fake.kiln));
	memset(fake_memory, 0, sizeof(fake_memory));
	fake.boot = (struct kiln_boot){.magic = KILN_BOOT_MAGIC,
	                               .memory = (uintptr_t)fake_memory,
	                               .memory_size = sizeof(fake_memory),
	                               .options = (uintptr_t)options,
	                               .options_size = options_size};
	fake.kiln.boot = &fake.boot;
	fake.device = (struct netdev){.ops = &fake_ops,
	                              .kiln = &fake.kiln,
	                              .mtu = fake.mtu ? fake.mtu : 1500,
	                              .features = features,
	                              .gso_max = features ? 65550 : 0};
	memcpy(fake.device.mac, fake_mac, 6);
	fake.now = KILN_SECONDS(1000);
	fake.sent = 0;
	fake.full = false;
	fake.console_size = 0;
	if (setjmp(fake.exit_to))
		return false;
	return kiln_start_with(&fake.kiln, fake_entry) == 0;
}

#define fake_start(options) assert_true(fake_start_on(options, sizeof(options), 0))

/* Lets time pass, timers firing at their instants. */
HELPER void fake_pass(kiln_time duration)
{
	kiln_time end = fake.now + duration;

	while (fake.now < end) {
		kiln_time next = timer_wheel_next(&fake.kiln.loop.wheel);
		fake.now = KILN_MIN(KILN_MAX(next, fake.now + KILN_US(100)), end);
		fake.kiln.loop.now = fake.now;
		timer_wheel_advance(&fake.kiln.loop, fake.now);
	}
}

/* 10.0.0.2/24, announced; the frames of that are forgotten. */
HELPER int fake_up(void **state)
{
	fake_start("ip=10.0.0.2/24\0gateway=10.0.0.1");
	fake_pass(KILN_SECONDS(3));
	fake.sent = 0;
	return 0;
}

HELPER struct slice fake_sent(unsigned index)
{
	assert_true(index < fake.sent && fake.sent - index <= FAKE_FRAMES);
	const struct fake_frame *frame = &fake.frames[index % FAKE_FRAMES];
	return slice_of(frame->bytes, frame->size);
}

/* Packets received and dropped. */
HELPER uint64_t fake_drops_in(void)
{
	struct net_counters c;

	net_counters(fake.net, &c);
	return c.drop_ethernet + c.drop_arp + c.drop_ip_header + c.drop_ip_address +
	       c.drop_fragment + c.drop_protocol + c.drop_icmp + c.drop_udp;
}

/* And those that were to be sent. */
HELPER uint64_t fake_drops(void)
{
	struct net_counters c;

	net_counters(fake.net, &c);
	return fake_drops_in() + c.drop_unresolved + c.drop_no_route + c.drop_device;
}

/* ---- frames to give ---- */

/* On the heap at its exact size, so that the sanitizer sees every byte read past it. */
HELPER void fake_receive_with(struct slice frame, const struct netdev_offload *offload)
{
	uint8_t *copy = malloc(frame.len ? frame.len : 1);

	memcpy(copy, frame.data, frame.len);
	fake.device.receive(fake.device.stack, slice_of(copy, frame.len), offload);
	free(copy);
}

HELPER void fake_receive(struct slice frame)
{
	static const struct netdev_offload none;

	fake_receive_with(frame, &none);
}

HELPER void fake_receive_arp(const uint8_t dst[6], uint16_t operation,
                             const uint8_t sender_mac[6], struct ip4_addr sender,
                             struct ip4_addr target)
{
	struct arp_packet packet = {
	    .operation = operation, .sender = sender, .target = target};
	uint8_t frame[ETH_HEADER + ARP_SIZE];

	memcpy(packet.sender_mac, sender_mac, 6);
	eth_wire_emit(frame, dst, sender_mac, ETH_TYPE_ARP);
	arp_wire_emit(frame + ETH_HEADER, &packet);
	fake_receive(slice_of(frame, sizeof(frame)));
}

/* The peer asks for our address, and so becomes known. */
HELPER void fake_meet_peer(void)
{
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
	fake.sent = 0;
}

HELPER size_t fake_ip4(uint8_t *frame, const uint8_t dst_mac[6], struct ip4_header header,
                       struct slice payload)
{
	eth_wire_emit(frame, dst_mac, peer_mac, ETH_TYPE_IP4);
	header.total = (uint16_t)(IP4_HEADER + payload.len);
	if (header.ttl == 0)
		header.ttl = 64;
	ip4_wire_emit(frame + ETH_HEADER, &header);
	memcpy(frame + ETH_HEADER + IP4_HEADER, payload.data, payload.len);
	return ETH_HEADER + IP4_HEADER + payload.len;
}

HELPER void fake_receive_ip4(struct ip4_header header, struct slice payload)
{
	static uint8_t frame[FAKE_FRAME_SIZE];
	size_t size = fake_ip4(frame, fake_mac, header, payload);

	fake_receive(slice_of(frame, size));
}

/* A UDP datagram without a checksum, which is its sender's right. */
HELPER void fake_receive_udp(struct ip4_addr src, struct ip4_addr dst, uint16_t src_port,
                             uint16_t dst_port, struct slice data)
{
	static uint8_t datagram[FAKE_FRAME_SIZE];

	udp_wire_emit(datagram, src_port, dst_port, data.len);
	memcpy(datagram + UDP_HEADER, data.data, data.len);
	fake_receive_ip4(
	    (struct ip4_header){.src = src, .dst = dst, .protocol = IP_PROTO_UDP},
	    slice_of(datagram, UDP_HEADER + data.len));
}

/* ---- frames that were sent ---- */

/* The sum as RFC 1071, 4.1 has it, byte by byte: what the fast one is held against. */
HELPER uint16_t plain_checksum(uint32_t sum, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		sum += i & 1 ? s.data[i] : (uint32_t)s.data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

HELPER struct arp_packet sent_arp(unsigned index)
{
	struct slice frame = fake_sent(index);
	const struct eth_wire *eth = eth_wire_parse(frame);
	struct arp_packet packet;

	assert_int_equal(be16_get(eth->type), ETH_TYPE_ARP);
	assert_true(arp_wire_parse(slice_skip(frame, ETH_HEADER), &packet));
	return packet;
}

/* Its header is checked with the plain checksum, its lengths against the frame's. */
HELPER struct slice sent_ip4(unsigned index, struct ip4_header *header)
{
	struct slice packet = slice_skip(fake_sent(index), ETH_HEADER), payload;
	const struct eth_wire *eth = eth_wire_parse(fake_sent(index));

	assert_int_equal(be16_get(eth->type), ETH_TYPE_IP4);
	assert_int_equal(plain_checksum(0, slice_take(packet, IP4_HEADER)), 0);
	assert_true(ip4_wire_parse(packet, header, &payload));
	assert_int_equal(header->total, packet.len);
	return payload;
}

/* The transport's checksum with its pseudo-header (RFC 768). */
HELPER uint16_t transport_checksum(const struct ip4_header *h, struct slice payload)
{
	uint32_t src = ip4_value(h->src), dst = ip4_value(h->dst);

	return plain_checksum((src >> 16) + (src & 0xffff) + (dst >> 16) +
	                          (dst & 0xffff) + h->protocol + (uint32_t)payload.len,
	                      payload);
}

HELPER struct net_counters fake_counters(void)
{
	struct net_counters c;

	net_counters(fake.net, &c);
	return c;
}

#endif
