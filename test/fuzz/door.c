/*
 * A whole stack through the door for test drivers: the input is a script of packets and of
 * socket calls, played against <kiln/door.h> in virtual time. The peers' segments lie near
 * what a connection expects, or far from it; applications read, write, shut down, linger and
 * close; time passes in steps of a millisecond to a minute.
 *
 * What must hold after each step:
 *
 * - What is read, and what is sent or sent again, is the stream: byte by byte at its place,
 *   whatever overlapped, came twice or out of order.
 * - An acknowledgement never goes back, and is for nothing that was not sent.
 * - No timer is lost, and no connection waits for nothing: one with bytes or a FIN on their
 *   way has a clock set, and the wheel fires before the earliest of them.
 * - Memory stays within the pools, and is back when all sockets are closed and time has
 *   passed.
 */
#include "fuzz.h"
#include <fcntl.h>
#include <kiln/door.h>
#include <lib/net/ip4_wire.h>
#include <lib/net/ip6_wire.h>
#include <lib/net/tcp_private.h>
#include <target/door/door_private.h>

enum { PORT = 80, PEER_FIRST = 40000, PEERS = 12, SOCKETS = 8 };
enum { STEPS = 200, WRITE_MOST = 6000, PACKET_MOST = 2048, MEMORY = 4 << 20 };
enum { OVER_HOURS = 2 };

/* The far end of a connection, as the driver plays it. */
struct peer {
	uint32_t isn, stack_isn;
	bool knows_stack;
	uint32_t sent;  /* stream bytes, and its FIN, beyond the SYN: the most so far */
	uint32_t acked; /* by the stack, likewise */
	uint32_t heard; /* what the stack has sent: the highest end, behind its SYN */
	uint32_t ts_echo;
	bool used, active, timestamps, six, reset;
};

/* The near end, by descriptor. */
struct local {
	int fd;
	uint16_t peer;
	uint32_t read, written;
};

static struct kiln_door *door;
static struct peer peers[PEERS];
static struct local locals[SOCKETS];
static int listeners[2];
static uint8_t last[PACKET_MOST]; /* that the stack has sent */
static size_t last_size;

/* ---- streams: what stands at a place ---- */

static uint8_t to_stack(unsigned peer, uint32_t at)
{
	return (uint8_t)(at * 7 + at / 251 + peer);
}

static uint8_t from_stack(unsigned peer, uint32_t at)
{
	return (uint8_t)(at * 5 + at / 241 + 3 * peer);
}

/* ---- packets to the stack ---- */

static void address_of(struct ip_addr *addr, bool six, bool peer)
{
	if (six)
		*addr = (struct ip_addr){{0x20, 1, 0xd, 0xb8, [15] = peer ? 2 : 1}};
	else
		*addr = ip_from4(ip4_of(0xc0000200u + (peer ? 2 : 1)));
}

static void inject(bool six, uint8_t protocol, struct slice payload)
{
	uint8_t packet[PACKET_MOST];
	struct writer w = writer_of(packet, sizeof(packet));
	struct ip_addr src, dst;

	address_of(&src, six, true);
	address_of(&dst, six, false);
	if (six) {
		struct ip6_header h = {.src = src,
		                       .dst = dst,
		                       .payload = (uint16_t)payload.len,
		                       .next = protocol,
		                       .hop_limit = 64};
		ip6_wire_emit(writer_room(&w, IP6_HEADER), &h);
	} else {
		struct ip4_header h = {.src = ip_to4(&src),
		                       .dst = ip_to4(&dst),
		                       .total = (uint16_t)(IP4_HEADER + payload.len),
		                       .protocol = protocol,
		                       .ttl = 64};
		ip4_wire_emit(writer_room(&w, IP4_HEADER), &h);
	}
	writer_bytes(&w, payload);
	if (!w.failed)
		(void)kiln_door_inject(door, packet, writer_done(&w).len);
}

static void inject_segment(unsigned index, struct tcp_segment *s, uint32_t place,
                           uint32_t size)
{
	struct peer *p = &peers[index];
	uint8_t bytes[PACKET_MOST - 100];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct ip_addr src, dst;

	s->src_port = (uint16_t)(PEER_FIRST + index);
	s->seq = tcp_seq_of(p->isn + 1 + place);
	if (s->flags & TCP_SYN)
		s->seq = tcp_seq_of(p->isn);
	s->options.has_timestamps = p->timestamps;
	s->options.ts_value = (uint32_t)(kiln_door_now(door) / 1000000);
	s->options.ts_echo = p->ts_echo;
	tcp_emit(&w, s);
	for (uint32_t i = 0; i < size; i++)
		writer_u8(&w, to_stack(index, place + i));
	struct slice done = writer_done(&w);
	address_of(&src, p->six, true);
	address_of(&dst, p->six, false);
	uint32_t sum = checksum_pseudo(&src, &dst, IP_PROTO_TCP, (uint32_t)done.len);
	uint16_t checksum = checksum_finish(checksum_add(sum, done.data, done.len));
	bytes[TCP_CHECKSUM_OFFSET] = (uint8_t)(checksum >> 8);
	bytes[TCP_CHECKSUM_OFFSET + 1] = (uint8_t)checksum;
	uint32_t end = place + size + !!(s->flags & TCP_FIN);
	if ((int32_t)(end - p->sent) > 0)
		p->sent = end;
	inject(p->six, IP_PROTO_TCP, done);
}

/* ---- packets from the stack ---- */

static void check_data(unsigned index, const struct tcp_segment *s)
{
	struct peer *p = &peers[index];
	uint32_t place = s->seq.v - p->stack_isn - 1;
	uint32_t end = place + (uint32_t)s->data.len + !!(s->flags & TCP_FIN);

	for (size_t i = 0; i < s->data.len; i++)
		FUZZ_CHECK(s->data.data[i] == from_stack(index, place + (uint32_t)i));
	if ((int32_t)(end - p->heard) > 0)
		p->heard = end;
	FUZZ_REACH(s->data.len > 1000, "a full segment is sent");
	FUZZ_REACH(s->flags & TCP_FIN, "a FIN is sent");
}

static void check_ack(unsigned index, const struct tcp_segment *s)
{
	struct peer *p = &peers[index];
	uint32_t acked = s->ack.v - p->isn - 1;

	if (s->flags & (TCP_RST | TCP_SYN))
		return;
	FUZZ_CHECK((int32_t)(acked - p->sent) <= 0);
	FUZZ_CHECK((int32_t)(acked - p->acked) >= 0);
	p->acked = acked;
	FUZZ_REACH(s->options.sack_count > 0, "a gap is reported");
}

static void look_at(struct slice packet)
{
	struct ip4_header ip4;
	struct ip6_header ip6;
	struct slice payload;
	struct tcp_segment s;
	bool six = packet.data[0] >> 4 == 6;

	FUZZ_CHECK(six ? ip6_wire_parse(packet, &ip6, &payload)
	               : ip4_wire_parse(packet, &ip4, &payload));
	if ((six ? ip6.next : ip4.protocol) != IP_PROTO_TCP)
		return;
	FUZZ_CHECK(tcp_parse(payload, &s));
	unsigned index = s.dst_port - PEER_FIRST;
	if (index >= PEERS)
		return;
	struct peer *p = &peers[index];
	if (s.flags & TCP_RST) {
		p->reset = true;
		return;
	}
	if (s.flags & TCP_SYN) {
		/* After a reset within an instant it is the same number again. */
		p->knows_stack = true;
		p->stack_isn = s.seq.v;
		p->heard = p->acked = 0;
		p->timestamps = s.options.has_timestamps;
	}
	p->ts_echo = s.options.ts_value;
	if (!p->knows_stack || p->reset)
		return;
	if (s.flags & TCP_ACK)
		check_ack(index, &s);
	if (!(s.flags & TCP_SYN))
		check_data(index, &s);
}

/* ---- what must hold ---- */

static void check_conn(const struct tcp_conn *conn)
{
	kiln_time first = KILN_NEVER;

	for (unsigned i = 0; i < TCP_TIMERS; i++)
		first = KILN_MIN(first, conn->deadline[i]);
	FUZZ_CHECK(conn->timer.deadline <= first);
	/* Where the device was full, the connection is tried again by the stack's own timer. */
	bool clocked = first != KILN_NEVER ||
	               (list_linked(&conn->pending) && timer_is_set(&conn->tcp->retry));
	if (conn->state >= TCP_ESTABLISHED && conn->state != TCP_TIME_WAIT)
		FUZZ_CHECK(tcp_in_flight(conn) == 0 || clocked);
	if (conn->state == TCP_ESTABLISHED || conn->state == TCP_CLOSE_WAIT)
		FUZZ_CHECK(tcp_not_sent(conn) == 0 || clocked);
}

static void check_all(void)
{
	const struct tcp *tcp = door->tcp;
	uint64_t at;

	for (;;) {
		size_t size = kiln_door_take(door, last, sizeof(last), &at);
		if (size == 0)
			break;
		last_size = size;
		FUZZ_CHECK(size <= sizeof(last));
		look_at(slice_of(last, size));
	}
	for (unsigned i = 0; i < SOCKETS; i++) {
		struct door_socket *s = locals[i].fd >= 0
		                            ? door->sockets[locals[i].fd - DOOR_FIRST_FD]
		                            : NULL;
		if (s && s->conn)
			check_conn(s->conn);
	}
	FUZZ_CHECK(tcp->count.conns <= tcp->conns.used);
	FUZZ_CHECK(tcp->conns.used <= tcp->conn_share.used * tcp->conns.each);
}

/* ---- the steps ---- */

static void step_syn(struct cursor *c)
{
	unsigned index = cursor_u8(c) % PEERS;
	uint8_t options = cursor_u8(c);
	struct peer *p = &peers[index];
	struct tcp_segment s = {
	    .flags = TCP_SYN, .dst_port = PORT, .window = cursor_u16(c)};

	uint32_t isn = cursor_u32(c);
	if (p->active)
		return;
	if (!p->used) { /* else it is the same SYN again, or nearly */
		*p = (struct peer){.used = true, .isn = isn, .six = options & 1};
		p->timestamps = options & 2;
	}
	s.options.sack_permitted = options & 4;
	s.options.has_mss = options & 8;
	s.options.mss = 1460;
	inject_segment(index, &s, 0, 0);
}

static uint16_t port_of(unsigned index)
{
	for (unsigned i = 0; i < SOCKETS; i++) {
		struct door_socket *s = locals[i].fd >= 0
		                            ? door->sockets[locals[i].fd - DOOR_FIRST_FD]
		                            : NULL;
		if (s && locals[i].peer == index && s->local.port != 0)
			return s->local.port;
	}
	return PORT;
}

/* A segment that is in order and acknowledges all. */
static void step_next(struct cursor *c)
{
	unsigned index = cursor_u8(c) % PEERS;
	uint32_t size = cursor_u16(c) % 1400;
	struct peer *p = &peers[index];
	struct tcp_segment s = {.flags = TCP_ACK, .dst_port = port_of(index)};

	if (!p->knows_stack)
		return;
	s.window = (uint16_t)(cursor_u8(c) << 8);
	s.ack = tcp_seq_of(p->stack_isn + 1 + p->heard);
	inject_segment(index, &s, p->acked, size);
	FUZZ_REACH(size > 1000, "a large segment arrives");
}

/* One that is near. */
static void step_near(struct cursor *c)
{
	unsigned index = cursor_u8(c) % PEERS;
	struct peer *p = &peers[index];
	struct tcp_segment s = {.flags = cursor_u8(c), .dst_port = port_of(index)};
	uint32_t place = p->acked + (uint32_t)(int16_t)cursor_u16(c);
	uint32_t size = cursor_u16(c) % 1400;

	if (place > 1u << 30) /* before the stream */
		place = 0;
	s.ack = tcp_seq_of(p->stack_isn + 1 + p->heard - cursor_u16(c) % 4096);
	s.window = cursor_u16(c);
	if (s.flags & TCP_SYN || !p->knows_stack)
		return;
	/* The stream ends once: a FIN where there are bytes would make two of it. */
	if (s.flags & TCP_FIN && (int32_t)(place + size - p->sent) < 0)
		s.flags &= (uint8_t)~TCP_FIN;
	inject_segment(index, &s, place, size);
	FUZZ_REACH(s.flags & TCP_RST, "a reset arrives");
}

static void step_raw(struct cursor *c)
{
	struct slice bytes = cursor_bytes(c, KILN_MIN(cursor_left(c), cursor_u8(c)));
	uint8_t *copy = fuzz_copy(bytes);

	(void)kiln_door_inject(door, copy, bytes.len);
	free(copy);
}

/* An ICMP error about the last packet. */
static void step_icmp(struct cursor *c)
{
	uint8_t message[600] = {cursor_u8(c), cursor_u8(c)};
	uint16_t mtu = cursor_u16(c);
	size_t quoted = KILN_MIN(last_size, sizeof(message) - 8);

	if (last_size == 0 || last[0] >> 4 != 4)
		return;
	message[6] = (uint8_t)(mtu >> 8);
	message[7] = (uint8_t)mtu;
	memcpy(message + 8, last, quoted);
	uint16_t sum = checksum_finish(checksum_add(0, message, 8 + quoted));
	message[2] = (uint8_t)(sum >> 8);
	message[3] = (uint8_t)sum;
	inject(false, IP_PROTO_ICMP, slice_of(message, 8 + quoted));
}

static struct local *free_local(void)
{
	for (unsigned i = 0; i < SOCKETS; i++) {
		if (locals[i].fd < 0)
			return &locals[i];
	}
	return NULL;
}

static void step_accept(struct cursor *c)
{
	struct sockaddr_storage from;
	socklen_t size = sizeof(from);
	struct local *l = free_local();

	if (!l)
		return;
	int fd = kiln_door_accept4(door, listeners[cursor_u8(c) & 1],
	                           (struct sockaddr *)&from, &size, SOCK_NONBLOCK);
	if (fd < 0)
		return;
	uint16_t port = from.ss_family == AF_INET
	                    ? ((struct sockaddr_in *)(void *)&from)->sin_port
	                    : ((struct sockaddr_in6 *)(void *)&from)->sin6_port;
	*l = (struct local){.fd = fd, .peer = (uint16_t)(ntohs(port) - PEER_FIRST)};
	FUZZ_REACH(true, "a connection is accepted");
}

static void step_connect(struct cursor *c)
{
	unsigned index = cursor_u8(c) % PEERS;
	struct local *l = free_local();
	struct sockaddr_in to = {.sin_family = AF_INET,
	                         .sin_port = htons((uint16_t)(PEER_FIRST + index)),
	                         .sin_addr = {htonl(0xc0000202)}};

	if (!l || peers[index].used)
		return;
	int fd = kiln_door_socket(door, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	*l = (struct local){.fd = fd, .peer = (uint16_t)index};
	peers[index] = (struct peer){.used = true, .active = true, .isn = cursor_u32(c)};
	(void)kiln_door_connect(door, fd, (struct sockaddr *)&to, sizeof(to));
}

/* The peer's answer to a SYN of the stack's. */
static void step_answer(struct cursor *c)
{
	unsigned index = cursor_u8(c) % PEERS;
	struct peer *p = &peers[index];
	struct tcp_segment s = {.flags = TCP_SYN | TCP_ACK,
	                        .dst_port = port_of(index),
	                        .window = cursor_u16(c)};

	if (!p->knows_stack)
		return;
	s.ack = tcp_seq_of(p->stack_isn + 1);
	s.options.sack_permitted = true;
	inject_segment(index, &s, 0, 0);
}

static struct local *local_of(struct cursor *c)
{
	struct local *l = &locals[cursor_u8(c) % SOCKETS];

	return l->fd < 0 ? NULL : l;
}

static void step_read(struct cursor *c)
{
	uint8_t bytes[4096];
	struct local *l = local_of(c);

	if (!l)
		return;
	ssize_t n =
	    kiln_door_recv(door, l->fd, bytes, 1 + cursor_u16(c) % sizeof(bytes), 0);
	for (ssize_t i = 0; i < n; i++)
		FUZZ_CHECK(bytes[i] == to_stack(l->peer, l->read + (uint32_t)i));
	if (n > 0)
		l->read += (uint32_t)n;
	FUZZ_REACH(n > 1000, "bytes are read");
	FUZZ_REACH(n == 0, "the end of the stream is read");
}

static void step_write(struct cursor *c)
{
	uint8_t bytes[WRITE_MOST];
	struct local *l = local_of(c);
	size_t size = 1 + cursor_u16(c) % sizeof(bytes);

	if (!l)
		return;
	for (size_t i = 0; i < size; i++)
		bytes[i] = from_stack(l->peer, l->written + (uint32_t)i);
	ssize_t n = kiln_door_send(door, l->fd, bytes, size, 0);
	if (n > 0)
		l->written += (uint32_t)n;
	FUZZ_REACH(n > 2000, "bytes are written");
}

static void step_end(struct cursor *c)
{
	struct local *l = local_of(c);
	uint8_t how = cursor_u8(c);
	struct linger linger = {1, how & 4 ? 0 : 1};

	if (!l)
		return;
	if (how & 8)
		(void)kiln_door_setsockopt(door, l->fd, SOL_SOCKET, SO_LINGER, &linger,
		                           sizeof(linger));
	if (how & 1) {
		(void)kiln_door_shutdown(door, l->fd, how >> 4 & 1 ? SHUT_WR : SHUT_RDWR);
		return;
	}
	(void)kiln_door_close(door, l->fd);
	l->fd = -1;
}

static void step_time(struct cursor *c)
{
	static const uint32_t ms[] = {1, 10, 50, 200, 1000, 5000, 60000, 300};

	kiln_door_advance(door, kiln_door_now(door) +
	                            (uint64_t)ms[cursor_u8(c) & 7] * 1000000u);
}

static void (*const steps[])(struct cursor *) = {
    step_syn,  step_next,  step_near, step_raw,  step_icmp,    step_accept, step_next,
    step_read, step_write, step_end,  step_time, step_connect, step_answer, step_next,
};

/* ---- a run ---- */

static void begin(uint8_t settings)
{
	struct kiln_door_config config = {
	    .size = sizeof(config),
	    .ip = "192.0.2.1/24",
	    .ip6 = "2001:db8::1/64",
	    .memory = MEMORY,
	    .no_timestamps = settings & 1,
	    .no_sack = settings >> 1 & 1,
	    .no_window_scaling = settings >> 5 & 1,
	    .ecn = settings >> 2 & 3,
	    .congestion = settings & 16 ? "reno" : NULL,
	};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int only = 1;

	door = kiln_door_new(&config);
	if (!door)
		fuzz_failed(kiln_door_message(), __FILE__, __LINE__);
	memset(peers, 0, sizeof(peers));
	for (unsigned i = 0; i < SOCKETS; i++)
		locals[i].fd = -1;
	last_size = 0;
	listeners[0] = kiln_door_socket(door, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	listeners[1] = kiln_door_socket(door, AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(!kiln_door_setsockopt(door, listeners[1], IPPROTO_IPV6, IPV6_V6ONLY,
	                                 &only, sizeof(only)));
	FUZZ_CHECK(
	    !kiln_door_bind(door, listeners[0], (struct sockaddr *)&any4, sizeof(any4)));
	FUZZ_CHECK(
	    !kiln_door_bind(door, listeners[1], (struct sockaddr *)&any6, sizeof(any6)));
	for (unsigned i = 0; i < 2; i++)
		FUZZ_CHECK(!kiln_door_listen(door, listeners[i], 4));
}

/* All is closed, nobody answers any more, and the hours pass. */
static void end(void)
{
	const struct tcp *tcp = door->tcp;

	for (unsigned i = 0; i < SOCKETS; i++) {
		if (locals[i].fd >= 0)
			(void)kiln_door_close(door, locals[i].fd);
		locals[i].fd = -1;
	}
	for (unsigned i = 0; i < 2; i++)
		FUZZ_CHECK(!kiln_door_close(door, listeners[i]));
	check_all();
	kiln_door_advance(door, kiln_door_now(door) + OVER_HOURS * 3600ull * 1000000000u);
	check_all();
	FUZZ_CHECK(tcp->conns.used == 0 && tcp->halves.used == 0);
	FUZZ_CHECK(tcp->time_waits.used == 0 && tcp->sents.used == 0);
	FUZZ_CHECK(tcp->chunks.used == 0 && tcp->pieces.used == 0);
	kiln_door_free(door);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_of(slice_of(data, size));

	begin(cursor_u8(&c));
	for (unsigned i = 0; i < STEPS && cursor_left(&c) > 0; i++) {
		steps[cursor_u8(&c) % KILN_COUNT_OF(steps)](&c);
		check_all();
	}
	end();
	return 0;
}
