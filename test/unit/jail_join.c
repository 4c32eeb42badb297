/*
 * Datagrams joined as segments of one frame: what the kernel cuts it into is what was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "lib/net/stack.h"
#include "target/jail/net_join.c"

enum { IPV4 = 4, IPV6 = 6 };

/* What a datagram is made of. */
struct datagram {
	int family;
	uint8_t tos, last; /* last: the end of the peer's address */
	uint16_t port, id;
	size_t size;
};

static const struct datagram four = {IPV4, 0, 1, 4444, 100, 64};
static const struct datagram six = {IPV6, 0, 1, 4444, 0, 64};

static size_t ip_size(const struct datagram *d)
{
	return d->family == IPV4 ? IP4 : IP6;
}

static uint32_t words(const uint8_t *at, size_t size)
{
	uint32_t total = 0;

	for (size_t i = 0; i < size; i += 2)
		total += get(at + i);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

/* As the stack leaves it to the device: UDP's checksum is the pseudo-header's sum. */
static uint32_t pseudo(const uint8_t *ip, const struct datagram *d, size_t length)
{
	uint8_t tail[4] = {(uint8_t)(length >> 8), (uint8_t)length, 0, 17};
	uint32_t addresses = d->family == IPV4 ? words(ip + 12, 8) : words(ip + 8, 32);

	return sum(sum(addresses, get(tail)), get(tail + 2));
}

static void make_ip(uint8_t *ip, const struct datagram *d, size_t length)
{
	memset(ip, 0, ip_size(d));
	if (d->family == IPV4) {
		ip[0] = 0x45;
		ip[1] = d->tos;
		put(ip + 2, (uint32_t)(IP4 + length));
		put(ip + 4, d->id);
		ip[8] = 64;
		ip[9] = 17;
		put(ip + 14, 0x0707);
		ip[19] = d->last;
		put(ip + 10, ~words(ip, IP4));
	} else {
		ip[0] = 0x60;
		ip[1] = d->tos;
		put(ip + 4, (uint32_t)length);
		ip[6] = 17;
		ip[7] = 64;
		ip[8] = 0xfd;
		ip[24] = 0xfd;
		ip[39] = d->last;
	}
}

static struct netdev_frame frame_of(const struct datagram *d)
{
	static const uint8_t payload[2000];
	size_t length = UDP + d->size;
	struct netdev_frame frame;
	uint8_t *udp, *ip;

	netdev_frame_init(&frame);
	if (!netdev_frame_add(&frame, payload, d->size, NULL))
		abort();
	udp = netdev_frame_push(&frame, UDP);
	ip = netdev_frame_push(&frame, ip_size(d));
	make_ip(ip, d, length);
	put(udp, 7);
	put(udp + 2, d->port);
	put(udp + 4, (uint32_t)length);
	put(udp + 6, pseudo(ip, d, length));
	memset(netdev_frame_push(&frame, ETHERNET), 2, ETHERNET);
	frame.offload.flags = NETDEV_NEEDS_CSUM;
	frame.offload.checksum_start = (uint16_t)(ETHERNET + ip_size(d));
	frame.offload.checksum_offset = UDP_CHECKSUM;
	return frame;
}

static void check_joined(const struct datagram *d, unsigned count)
{
	struct netdev_frame first = frame_of(d);
	uint8_t *head = first.head + first.head_start, *ip = head + ETHERNET;
	uint8_t *udp = ip + ip_size(d);
	size_t length = UDP + count * d->size;

	for (unsigned i = 1; i < count; i++) {
		struct datagram next = *d;
		next.id = (uint16_t)(d->id + i);
		struct netdev_frame frame = frame_of(&next);

		assert_int_equal(jail_join(head, &first.offload, &frame),
		                 ETHERNET + ip_size(d) + UDP);
	}
	assert_int_equal(first.offload.gso_type, NETDEV_GSO_UDP_L4);
	assert_int_equal(first.offload.gso_size, d->size);
	assert_int_equal(first.offload.header_size, ETHERNET + ip_size(d) + UDP);
	assert_int_equal(get(udp + 4), length);
	assert_int_equal(get(udp + 6), pseudo(ip, d, length));
	if (d->family == IPV4) {
		assert_int_equal(get(ip + 2), IP4 + length);
		assert_int_equal(words(ip, IP4), 0xffff);
		assert_int_equal(get(ip + 4), d->id);
	} else {
		assert_int_equal(get(ip + 4), length);
	}
}

static void datagrams_of_one_flow_are_one_frame(void **state)
{
	struct datagram d = four;

	for (d.size = 1; d.size <= 1472; d.size += 7)
		for (unsigned count = 2; count < 40; count++)
			check_joined(&d, count);
}

static void so_are_those_of_ip6(void **state)
{
	struct datagram d = six;

	for (d.size = 1; d.size <= 1452; d.size += 7)
		for (unsigned count = 2; count < 40; count++)
			check_joined(&d, count);
}

/* Nothing has changed then. */
static void check_refused(const struct datagram *a, const struct netdev_frame *other)
{
	struct netdev_frame first = frame_of(a), before = first;

	assert_int_equal(jail_join(first.head + first.head_start, &first.offload, other),
	                 0);
	assert_memory_equal(&first, &before, sizeof(first));
}

static void what_differs_goes_by_itself(void **state)
{
	static const struct datagram others[] = {
	    {IPV4, 0, 2, 4444, 101, 64}, {IPV4, 0, 1, 4445, 101, 64},
	    {IPV4, 4, 1, 4444, 101, 64}, {IPV4, 0, 1, 4444, 101, 63},
	    {IPV4, 0, 1, 4444, 101, 65}, {IPV6, 0, 1, 4444, 0, 64},
	    {IPV4, 0, 1, 4444, 101, 0},
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct netdev_frame other = frame_of(&others[i]);
		check_refused(&four, &other);
	}
	const struct datagram longer = {IPV6, 0, 1, 4444, 0, 65};
	struct netdev_frame other = frame_of(&longer);
	check_refused(&six, &other);
}

static void so_does_what_is_no_whole_datagram_of_udp(void **state)
{
	struct netdev_frame tcp = frame_of(&four), checked = tcp, cut = tcp;

	tcp.offload.checksum_offset = 16;
	check_refused(&four, &tcp);
	checked.offload.flags = 0; /* as fragments are */
	check_refused(&four, &checked);
	cut.offload.gso_type = NETDEV_GSO_UDP_L4;
	check_refused(&four, &cut);
}

static void a_packet_has_64_kilobytes_at_most(void **state)
{
	struct datagram d = four;
	d.size = 1472;
	struct netdev_frame first = frame_of(&d), other = first;
	unsigned count = 1;

	while (jail_join(first.head + first.head_start, &first.offload, &other))
		count++;
	assert_int_equal(count, (65535 - IP4 - UDP) / 1472);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(datagrams_of_one_flow_are_one_frame),
	    cmocka_unit_test(so_are_those_of_ip6),
	    cmocka_unit_test(what_differs_goes_by_itself),
	    cmocka_unit_test(so_does_what_is_no_whole_datagram_of_udp),
	    cmocka_unit_test(a_packet_has_64_kilobytes_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
