/*
 * A driver of the door for its tests: it plays one peer, of IPv4 or IPv6, packet by packet.
 * Nothing of Kiln but <kiln/door.h> is used, as a driver that was written elsewhere would.
 *
 * Sequence numbers in tests are relative to each side's ISN, so that 1 is the first byte of
 * data each way.
 */
#ifndef TEST_DOOR_PLAY_H
#define TEST_DOOR_PLAY_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <kiln/door.h>

/* Not every program uses every helper. */
#define HELPER __attribute__((unused)) static

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, ECE = 64, CWR = 128 };
enum { PEER_ISN = 5000, PEER_PORT = 40000, LOCAL_PORT = 80, PEER_WINDOW = 65535 };
#define MS(n) ((uint64_t)(n)*1000000u)

/* What a packet of the stack is, as far as tests ask. */
struct packet {
	uint64_t at;
	size_t size;
	unsigned version, protocol;
	uint8_t bytes[2048];
	const uint8_t *payload; /* behind the IP header */
	size_t payload_size;
	/* TCP and UDP */
	uint16_t from, to;
	const uint8_t *data;
	size_t data_size;
	/* TCP */
	uint32_t seq, ack;
	unsigned flags, window;
	int mss, scale; /* -1: no such option */
	bool sack_permitted, has_timestamps;
	uint32_t ts_value, ts_echo;
	unsigned sacks;
	uint32_t sack[4][2];
};

static struct kiln_door *door;
static struct kiln_door_config config;
static bool six; /* the peer's family */
static uint32_t our_isn;
static uint16_t our_port;
static uint8_t address[2][16]; /* the stack's, the peer's */
static unsigned peer_window = PEER_WINDOW;

HELPER uint32_t get(const uint8_t *at, int bytes)
{
	uint32_t value = 0;

	while (bytes-- > 0)
		value = value << 8 | *at++;
	return value;
}

HELPER void put(uint8_t *at, int bytes, uint32_t value)
{
	while (bytes-- > 0) {
		at[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

HELPER uint32_t sum16(uint32_t sum, const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

HELPER uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* ---- starting and ending ---- */

HELPER void start(void)
{
	config.size = sizeof(config);
	if (!config.ip && !config.ip6) {
		if (six)
			config.ip6 = "2001:db8::1/64";
		else
			config.ip = "192.0.2.1/24";
	}
	door = kiln_door_new(&config);
	if (!door)
		fail_msg("kiln_door_new: %s (%s)", strerror(errno), kiln_door_message());
	inet_pton(six ? AF_INET6 : AF_INET, six ? "2001:db8::1" : "192.0.2.1",
	          address[0]);
	inet_pton(six ? AF_INET6 : AF_INET, six ? "2001:db8:1::2" : "198.51.100.2",
	          address[1]);
}

HELPER void again(void)
{
	kiln_door_free(door);
	start();
}

HELPER int setup(void **state)
{
	config = (struct kiln_door_config){0};
	six = false;
	peer_window = PEER_WINDOW;
	start();
	return 0;
}

HELPER int setup6(void **state)
{
	config = (struct kiln_door_config){0};
	six = true;
	peer_window = PEER_WINDOW;
	start();
	return 0;
}

HELPER int teardown(void **state)
{
	kiln_door_free(door);
	return 0;
}

#define PLAY(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define PLAY6(test)                                           \
	{                                                     \
#test " (IPv6)", test, setup6, teardown, NULL \
	}

HELPER void pass(uint64_t time)
{
	kiln_door_advance(door, kiln_door_now(door) + time);
}

/* The call failed, by this errno. */
#define fails(call, number)                                             \
	do {                                                            \
		assert_int_equal(call, -1);                             \
		assert_string_equal(strerror(errno), strerror(number)); \
	} while (0)

/* ---- addresses ---- */

HELPER socklen_t sockaddr_of(struct sockaddr_storage *s, int who, uint16_t port)
{
	memset(s, 0, sizeof(*s));
	if (six) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)s;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		if (who >= 0)
			memcpy(&in6->sin6_addr, address[who], 16);
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)s;

	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	if (who >= 0)
		memcpy(&in->sin_addr, address[who], 4);
	return sizeof(*in);
}

enum { ANY = -1, STACK = 0, PEER = 1 };

HELPER int open_socket(int type)
{
	int fd = kiln_door_socket(door, six ? AF_INET6 : AF_INET, type, 0);

	assert_true(fd >= 3);
	return fd;
}

HELPER int bind_to(int fd, int who, uint16_t port)
{
	struct sockaddr_storage s;
	socklen_t size = sockaddr_of(&s, who, port);

	return kiln_door_bind(door, fd, (struct sockaddr *)&s, size);
}

HELPER int connect_to(int fd, uint16_t port)
{
	struct sockaddr_storage s;
	socklen_t size = sockaddr_of(&s, PEER, port);

	return kiln_door_connect(door, fd, (struct sockaddr *)&s, size);
}

HELPER int set_int(int fd, int level, int name, int value)
{
	return kiln_door_setsockopt(door, fd, level, name, &value, sizeof(value));
}

HELPER int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(kiln_door_getsockopt(door, fd, level, name, &value, &size), 0);
	assert_int_equal(size, sizeof(value));
	return value;
}

/* ---- what the stack sent ---- */

HELPER uint16_t transport_sum(const struct packet *p, const uint8_t *src,
                              const uint8_t *dst)
{
	size_t size = p->version == 6 ? 16 : 4;
	uint32_t sum = sum16(sum16(0, src, size), dst, size);

	return fold(sum16(sum + p->protocol + (uint32_t)p->payload_size, p->payload,
	                  p->payload_size));
}

HELPER void parse_ip(struct packet *p)
{
	const uint8_t *src, *dst;

	p->version = p->bytes[0] >> 4;
	if (p->version == 4) {
		assert_int_equal(fold(sum16(0, p->bytes, 20)), 0);
		assert_int_equal(get(p->bytes + 2, 2), p->size);
		p->protocol = p->bytes[9];
		p->payload = p->bytes + 20;
		src = p->bytes + 12;
		dst = p->bytes + 16;
	} else {
		assert_int_equal(p->version, 6);
		assert_int_equal(get(p->bytes + 4, 2) + 40, p->size);
		p->protocol = p->bytes[6];
		p->payload = p->bytes + 40;
		src = p->bytes + 8;
		dst = p->bytes + 24;
	}
	p->payload_size = p->size - (size_t)(p->payload - p->bytes);
	if (p->protocol == IPPROTO_TCP || p->protocol == IPPROTO_ICMPV6)
		assert_int_equal(transport_sum(p, src, dst), 0);
}

HELPER void parse_option(struct packet *p, const uint8_t *o)
{
	switch (o[0]) {
	case 2:
		p->mss = (int)get(o + 2, 2);
		break;
	case 3:
		p->scale = o[2];
		break;
	case 4:
		p->sack_permitted = true;
		break;
	case 5:
		for (p->sacks = 0; p->sacks < (o[1] - 2u) / 8; p->sacks++) {
			const uint8_t *block = o + 2 + 8 * p->sacks;

			p->sack[p->sacks][0] = get(block, 4) - PEER_ISN;
			p->sack[p->sacks][1] = get(block + 4, 4) - PEER_ISN;
		}
		break;
	case 8:
		p->has_timestamps = true;
		p->ts_value = get(o + 2, 4);
		p->ts_echo = get(o + 6, 4);
		break;
	}
}

/* The option of this kind, or NULL. */
HELPER const uint8_t *option_of(const struct packet *p, unsigned kind)
{
	const uint8_t *t = p->payload;
	size_t header = (size_t)(t[12] >> 4) * 4;

	for (size_t i = 20; i < header && t[i] != 0; i += t[i] == 1 ? 1 : t[i + 1])
		if (t[i] == kind)
			return t + i;
	return NULL;
}

HELPER void parse_tcp(struct packet *p)
{
	const uint8_t *t = p->payload;
	size_t header = (size_t)(t[12] >> 4) * 4;

	p->seq = get(t + 4, 4);
	p->ack = get(t + 8, 4);
	p->flags = t[13];
	p->window = get(t + 14, 2);
	p->mss = p->scale = -1;
	for (size_t i = 20; i < header && t[i] != 0; i += t[i] == 1 ? 1 : t[i + 1])
		if (t[i] != 1)
			parse_option(p, t + i);
	p->data = t + header;
	p->data_size = p->payload_size - header;
}

/* The next packet that the stack has sent; it must be there. */
HELPER const struct packet *taken(void)
{
	static struct packet p;

	p = (struct packet){0};
	p.size = kiln_door_take(door, p.bytes, sizeof(p.bytes), &p.at);
	if (p.size == 0)
		fail_msg("no packet was sent");
	parse_ip(&p);
	if (p.protocol == IPPROTO_TCP || p.protocol == IPPROTO_UDP) {
		p.from = (uint16_t)get(p.payload, 2);
		p.to = (uint16_t)get(p.payload + 2, 2);
	}
	if (p.protocol == IPPROTO_TCP)
		parse_tcp(&p);
	if (p.protocol == IPPROTO_UDP) {
		p.data = p.payload + 8;
		p.data_size = p.payload_size - 8;
	}
	return &p;
}

HELPER void expect_nothing(void)
{
	if (kiln_door_pending(door)) {
		const struct packet *p = taken();

		fail_msg("a packet was sent: flags %02x seq %u ack %u, %zu bytes",
		         p->flags, p->seq - our_isn, p->ack - PEER_ISN, p->data_size);
	}
}

/* The next segment has these flags (PSH aside), numbers and length. */
HELPER const struct packet *expect(unsigned flags, uint32_t seq, uint32_t ack,
                                   size_t size)
{
	const struct packet *p = taken();

	assert_int_equal(p->flags & ~(unsigned)PSH, flags);
	assert_int_equal(p->seq - our_isn, seq);
	if (flags & ACK)
		assert_int_equal(p->ack - PEER_ISN, ack);
	assert_int_equal(p->data_size, size);
	return p;
}

/* ---- the peer ---- */

/* An IP packet from the peer (or about what it got) to the stack; `checksum_at` is the
 * transport's, or -1. */
HELPER void inject_ip(unsigned protocol, uint8_t *payload, size_t size, int checksum_at,
                      uint64_t at)
{
	uint8_t bytes[2048] = {0};
	size_t header = six ? 40 : 20, width = six ? 16 : 4;
	bool pseudo = protocol != IPPROTO_ICMP;
	uint32_t sum = pseudo ? protocol + (uint32_t)size : 0;

	if (pseudo)
		sum = sum16(sum16(sum, address[PEER], width), address[STACK], width);
	if (checksum_at >= 0) {
		put(payload + checksum_at, 2, 0);
		put(payload + checksum_at, 2, fold(sum16(sum, payload, size)));
	}
	if (six) {
		bytes[0] = 0x60;
		put(bytes + 4, 2, (uint32_t)size);
		bytes[6] = (uint8_t)protocol;
		bytes[7] = 64;
		memcpy(bytes + 8, address[PEER], 16);
		memcpy(bytes + 24, address[STACK], 16);
	} else {
		bytes[0] = 0x45;
		put(bytes + 2, 2, (uint32_t)(size + 20));
		bytes[8] = 64;
		bytes[9] = (uint8_t)protocol;
		memcpy(bytes + 12, address[PEER], 4);
		memcpy(bytes + 16, address[STACK], 4);
		put(bytes + 10, 2, fold(sum16(0, bytes, 20)));
	}
	memcpy(bytes + header, payload, size);
	assert_int_equal(kiln_door_inject_at(door, bytes, header + size, at), 0);
}

/* A segment of the peer with options, for a later time. */
HELPER void peer_sends_at(uint64_t at, unsigned flags, uint32_t seq, uint32_t ack,
                          const void *options, size_t options_size, const void *data,
                          size_t size)
{
	uint8_t t[2000] = {0};
	size_t header = 20 + (options_size + 3) / 4 * 4;

	put(t, 2, PEER_PORT);
	put(t + 2, 2, our_port);
	put(t + 4, 4, PEER_ISN + seq);
	put(t + 8, 4, flags & ACK ? our_isn + ack : 0);
	t[12] = (uint8_t)(header / 4 << 4);
	t[13] = (uint8_t)flags;
	put(t + 14, 2, peer_window);
	if (options_size)
		memcpy(t + 20, options, options_size);
	if (data)
		memcpy(t + header, data, size);
	inject_ip(IPPROTO_TCP, t, header + size, 16, at);
}

HELPER void peer_sends(unsigned flags, uint32_t seq, uint32_t ack, const char *data)
{
	peer_sends_at(0, flags, seq, ack, NULL, 0, data, data ? strlen(data) : 0);
}

HELPER void peer_acks(uint32_t seq, uint32_t ack)
{
	peer_sends(ACK, seq, ack, NULL);
}

#define MSS_OPTION "\2\4\5\xb4" /* 1460 */

/* The data of a full segment. */
HELPER uint32_t mss(void)
{
	return six ? 1440 : 1460;
}

/* ---- connections ---- */

/* A non-blocking listener on LOCAL_PORT. */
HELPER int listening(int backlog)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	assert_int_equal(bind_to(fd, ANY, LOCAL_PORT), 0);
	assert_int_equal(kiln_door_listen(door, fd, backlog), 0);
	our_port = LOCAL_PORT;
	return fd;
}

/* The peer's SYN with options, and the answer. */
HELPER const struct packet *peer_opens(const void *options, size_t size)
{
	peer_sends_at(0, SYN, 0, 0, options, size, NULL, 0);
	const struct packet *p = taken();
	assert_int_equal(p->flags, SYN | ACK);
	assert_int_equal(p->ack, PEER_ISN + 1);
	our_isn = p->seq;
	return p;
}

/* A connection that the peer opened, non-blocking, accepted from a listener. */
HELPER int accepted_from(int listener)
{
	peer_opens(MSS_OPTION, 4);
	peer_acks(1, 1);
	int fd = kiln_door_accept4(door, listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 3);
	expect_nothing();
	return fd;
}

HELPER int accepted(void)
{
	return accepted_from(listening(5));
}

/* The SYN of a non-blocking connect is out, and looked at. */
HELPER const struct packet *connecting(int fd)
{
	fails(connect_to(fd, PEER_PORT), EINPROGRESS);
	const struct packet *p = taken();
	assert_int_equal(p->flags, SYN);
	assert_int_equal(p->to, PEER_PORT);
	our_isn = p->seq;
	our_port = p->from;
	return p;
}

/* A connection that the stack opened, non-blocking. */
HELPER int connected(void)
{
	int fd = open_socket(SOCK_STREAM | SOCK_NONBLOCK);

	connecting(fd);
	peer_sends_at(0, SYN | ACK, 0, 1, MSS_OPTION, 4, NULL, 0);
	expect(ACK, 1, 1, 0);
	assert_int_equal(connect_to(fd, PEER_PORT), 0);
	return fd;
}

/* ---- ICMP ---- */

/* The peer's side answers a packet of the stack by an ICMP error. */
HELPER void peer_complains(const struct packet *about, unsigned type, unsigned code,
                           uint32_t word)
{
	uint8_t m[600] = {(uint8_t)type, (uint8_t)code};
	size_t quote = about->size < 500 ? about->size : 500;

	put(m + 4, 4, word);
	memcpy(m + 8, about->bytes, quote);
	inject_ip(six ? IPPROTO_ICMPV6 : IPPROTO_ICMP, m, 8 + quote, 2, 0);
}

HELPER short poll_now(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0};

	assert_true(kiln_door_poll(door, &p, 1, 0) >= 0);
	return p.revents;
}

#endif
