/*
 * TCP between a network layer and a clock of the test's own: a test plays the peer,
 * segment by segment, and looks at each segment that TCP sends.
 *
 * Defines what TCP needs of lib/net and of the target; include it in one file of a
 * program. Sequence numbers in tests are relative: the peer's to its ISN (PEER_ISN),
 * TCP's to the one that it chose, so that 1 is the first byte of data each way.
 */
#ifndef TEST_TCP_PLAY_H
#define TEST_TCP_PLAY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <kiln/target.h>
#include <lib/net/tcp_private.h>

/* Not every program uses every helper. */
#define HELPER __attribute__((unused)) static

enum {
	SENT_MOST = 4096,
	PLAY_MEMORY = 4 << 20,
	LOCAL_PORT = 80,
	PEER_PORT = 40000,
	PEER_MSS = 1460,
};
#define PEER_ISN 1000000u

/* A segment that TCP sent. */
struct sent {
	struct tcp_segment s;
	uint16_t gso_size;
	uint8_t tos;
	kiln_time at;
	uint8_t *bytes; /* a copy of the data */
};

struct net {
	struct kiln kiln;
	struct netdev device;
	struct net_transport transport;
	uint32_t passes; /* what TCP last told of its path */
	unsigned doubts;
	uint32_t mtu; /* of the path: TCP header and data */
	bool down;
	enum kiln_error send_error;
	struct sent sent[SENT_MOST];
	unsigned sent_count, looked_at;
};

/* What the owner of the connection under test saw, and does. */
struct owner {
	struct tcp_conn *conn;
	unsigned readies, closes;
	enum kiln_error why;
	bool keep;   /* do not read */
	bool refuse; /* do not accept */
	void (*on_ready)(struct tcp_conn *conn);
	uint8_t got[1 << 20];
	size_t got_size;
};

static struct net net;
static struct owner owner;
static struct tcp *tcp;
static struct tcp_config play_config; /* for play_again; zeroed before each test, */
static const struct tcp_congestion *play_congestion; /* but for this */
static kiln_time clock_now;
static uint8_t *play_memory;
/* The peer: its port, and the ISN that TCP chose towards it. */
static uint16_t peer_port;
static struct tcp_seq our_isn;
static uint32_t peer_ts; /* its clock, 0: it does without timestamps */
static uint32_t our_ts;  /* the last that TCP sent: what the peer echoes */
static uint16_t peer_window;
static uint8_t peer_ecn; /* IP_ECN_* of what comes from it */

/* ---- the target ---- */

kiln_time target_now(struct kiln *k)
{
	return clock_now;
}

kiln_time target_wall(struct kiln *k)
{
	return clock_now;
}

void target_wait(struct kiln *k, kiln_time deadline)
{
}

void target_console(struct kiln *k, struct slice text)
{
}

_Noreturn void target_exit(struct kiln *k, int status)
{
	abort();
}

_Noreturn void target_panic(struct slice message)
{
	fprintf(stderr, "%.*s", SLICE_ARG(message));
	abort();
}

struct netdev *target_netdev(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

struct block *target_block(struct kiln *k, const struct kiln_device *device)
{
	return NULL;
}

int appliance(struct kiln *k)
{
	return 0;
}

/* ---- the network layer ---- */

void net_register(struct net *n, uint8_t protocol, const struct net_transport *transport)
{
	assert_int_equal(protocol, IP_PROTO_TCP);
	n->transport = *transport;
}

enum kiln_error net_send(struct net *n, struct netdev_frame *frame, uint8_t protocol,
                         const struct ip_addr *dst, uint16_t checksum_offset,
                         const struct net_send_options *options)
{
	struct sent *sent = &n->sent[n->sent_count];
	size_t head = (size_t)(NETDEV_HEAD - frame->head_start),
	       size = head + frame->frag_bytes;
	uint8_t *bytes = malloc(size);

	assert_int_equal(checksum_offset, TCP_CHECKSUM_OFFSET);
	assert_true(n->sent_count < SENT_MOST);
	if (n->send_error) {
		free(bytes);
		return n->send_error;
	}
	memcpy(bytes, frame->head + frame->head_start, head);
	for (unsigned i = 0; i < frame->frag_count; i++) {
		memcpy(bytes + head, frame->frags[i].data, frame->frags[i].len);
		head += frame->frags[i].len;
	}
	assert_int_equal(head, size);
	*sent = (struct sent){
	    .gso_size = frame->offload.gso_size, .at = clock_now, .bytes = bytes};
	sent->tos = options->tos;
	assert_true(tcp_parse(slice_of(bytes, size), &sent->s));
	assert_int_equal(sent->gso_size != 0, frame->offload.gso_type == NETDEV_GSO_TCP4);
	assert_true(sent->gso_size != 0 || size <= n->mtu);
	if (sent->s.options.has_timestamps)
		our_ts = sent->s.options.ts_value;
	n->sent_count++;
	return KILN_OK;
}

bool net_source(const struct net *n, const struct ip_addr *dst, struct ip_addr *src)
{
	*src = ip_from4(ip4_of(0x0a000002));
	return !n->down;
}

uint32_t net_path_mtu(const struct net *n, const struct ip_addr *dst)
{
	return n->mtu;
}

void net_path_suspect(struct net *n, const struct ip_addr *dst, uint32_t passes)
{
	n->passes = passes;
}

uint32_t net_path_passes(const struct net *n, const struct ip_addr *dst)
{
	return n->passes;
}

/* Over IPv4 */
uint32_t net_segmentation(const struct net *n, const struct ip_addr *dst)
{
	return n->device.features & NETDEV_TX_TSO4 ? n->device.gso_max - 14 - 20 : 0;
}

void net_confirm(struct net *n, const struct ip_addr *dst)
{
}

void net_doubt(struct net *n, const struct ip_addr *dst)
{
	n->doubts++;
}

struct kiln *net_kiln(const struct net *n)
{
	return &net.kiln;
}

const struct netdev *net_device(const struct net *n)
{
	return &n->device;
}

/* ---- time ---- */

/* Lets the work of this instant be done. */
HELPER void settle(void)
{
	for (unsigned i = 0; i < 4; i++)
		loop_step(&net.kiln.loop, clock_now);
}

HELPER void pass(kiln_time time)
{
	kiln_time end = clock_now + time;

	settle();
	while (clock_now < end) {
		kiln_time next = timer_wheel_next(&net.kiln.loop.wheel);

		clock_now = KILN_MAX(clock_now, KILN_MIN(end, next));
		settle();
	}
}

/* ---- starting and ending ---- */

HELPER void play_start(size_t memory)
{
	static const uint8_t seed[32] = "a seed for the tests of TCP....";

	memset(&net, 0, sizeof(net));
	memset(&owner, 0, sizeof(owner));
	play_memory = calloc(1, memory);
	clock_now = KILN_SECONDS(1000);
	net.mtu = 1480;
	peer_port = PEER_PORT;
	peer_ts = 0;
	peer_window = 65535;
	peer_ecn = IP_ECN_NOT;
	arena_init(&net.kiln.arena, play_memory, memory);
	random_init(&net.kiln.random, seed, sizeof(seed), 0);
	loop_init(&net.kiln.loop, &net.kiln);
	tcp = tcp_new_with(&net, &play_config);
}

HELPER int play_setup(void **state)
{
	play_config = (struct tcp_config){.congestion = play_congestion};
	play_start(PLAY_MEMORY);
	return 0;
}

HELPER int play_teardown(void **state)
{
	for (unsigned i = 0; i < net.sent_count; i++)
		free(net.sent[i].bytes);
	free(play_memory);
	return 0;
}

/* Starts afresh within a test. */
HELPER void play_again(size_t memory)
{
	play_teardown(NULL);
	play_start(memory);
}

/* Chunks in use, for bytes. */
HELPER unsigned byte_chunks(void)
{
	return tcp->chunks.used - tcp->conn_share.used;
}

/* Nothing may be left over once all connections are gone. */
HELPER void assert_no_leak(void)
{
	assert_int_equal(tcp->conns.used, 0);
	assert_int_equal(tcp->chunks.used, 0);
	assert_int_equal(tcp->pieces.used, 0);
	assert_int_equal(tcp->sents.used, 0);
	assert_int_equal(tcp->halves.used, 0);
	assert_int_equal(tcp->count.conns, 0);
	assert_int_equal(tcp->orphan_count, 0);
}

/* ---- the owner ---- */

HELPER void owner_ready(struct tcp_conn *conn, void *user)
{
	struct slice s;

	owner.readies++;
	while (!owner.keep && (s = tcp_peek(conn)).len > 0) {
		assert_true(owner.got_size + s.len <= sizeof(owner.got));
		memcpy(owner.got + owner.got_size, s.data, s.len);
		owner.got_size += s.len;
		tcp_consume(conn, s.len);
	}
	if (owner.on_ready)
		owner.on_ready(conn);
}

HELPER void owner_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	owner.closes++;
	owner.why = why;
	owner.conn = NULL;
}

HELPER const struct tcp_events owner_events = {owner_ready, owner_closed};

HELPER bool owner_accepted(struct tcp_conn *conn, void *context)
{
	if (owner.refuse)
		return false;
	owner.conn = conn;
	tcp_own(conn, &owner_events, NULL);
	return true;
}

HELPER struct tcp_listener *play_listen(void)
{
	struct tcp_listener *listener;

	assert_int_equal(tcp_listen(tcp, LOCAL_PORT, owner_accepted, NULL, &listener),
	                 KILN_OK);
	return listener;
}

/* ---- what TCP sent ---- */

/* The next segment that has not been looked at; it must be there. */
HELPER struct sent *next_sent(void)
{
	settle();
	if (net.looked_at == net.sent_count)
		fail_msg("no segment was sent");
	return &net.sent[net.looked_at++];
}

HELPER void expect_nothing(void)
{
	settle();
	if (net.looked_at != net.sent_count) {
		const struct sent *sent = &net.sent[net.looked_at];

		fail_msg("a segment was sent: flags %02x seq %u ack %u len %zu",
		         sent->s.flags, sent->s.seq.v - our_isn.v,
		         sent->s.ack.v - PEER_ISN, sent->s.data.len);
	}
}

/* The next segment has these flags (PSH aside), numbers and length. */
HELPER struct sent *expect(uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
	struct sent *sent = next_sent();

	assert_int_equal(sent->s.flags & ~TCP_PSH, flags);
	assert_int_equal(sent->s.seq.v - our_isn.v, seq);
	if (flags & TCP_ACK)
		assert_int_equal(sent->s.ack.v - PEER_ISN, ack);
	assert_int_equal(sent->s.data.len, len);
	return sent;
}

HELPER void skip_sent(void)
{
	settle();
	net.looked_at = net.sent_count;
}

/* ---- the peer ---- */

/* Gives TCP a segment as it would come off the wire, checksum and all. */
HELPER void inject(struct tcp_segment *s)
{
	uint8_t buffer[66000];
	struct writer w = writer_of(buffer, sizeof(buffer));
	struct net_packet p = {
	    .src = ip_from4(ip4_of(0x0a000001)),
	    .dst = ip_from4(ip4_of(0x0a000002)),
	    .ttl = 64,
	    .ecn = peer_ecn,
	};

	s->src_port = peer_port;
	s->dst_port = owner.conn ? tcp_local(owner.conn).port : LOCAL_PORT;
	tcp_emit(&w, s);
	writer_bytes(&w, s->data);
	assert_false(w.failed);
	p.payload = writer_done(&w);
	uint32_t sum =
	    checksum_pseudo(&p.src, &p.dst, IP_PROTO_TCP, (uint32_t)p.payload.len);
	uint16_t checksum = checksum_finish(checksum_add(sum, buffer, p.payload.len));
	buffer[TCP_CHECKSUM_OFFSET] = (uint8_t)(checksum >> 8);
	buffer[TCP_CHECKSUM_OFFSET + 1] = (uint8_t)checksum;
	net.transport.input(net.transport.transport, &p);
}

HELPER struct tcp_segment peer_segment(uint8_t flags, uint32_t seq, uint32_t ack)
{
	struct tcp_segment s = {
	    .flags = flags,
	    .seq = tcp_seq_of(PEER_ISN + seq),
	    .ack = tcp_seq_of(flags & TCP_ACK ? our_isn.v + ack : 0),
	    .window = peer_window,
	};

	if (peer_ts) {
		s.options.has_timestamps = true;
		s.options.ts_value = peer_ts;
		s.options.ts_echo = our_ts;
	}
	return s;
}

HELPER void peer_sends(uint8_t flags, uint32_t seq, uint32_t ack, struct slice data)
{
	struct tcp_segment s = peer_segment(flags, seq, ack);

	s.data = data;
	inject(&s);
}

HELPER void peer_acks(uint32_t seq, uint32_t ack)
{
	peer_sends(TCP_ACK, seq, ack, (struct slice){0});
}

/* An ACK with SACK blocks, relative to our ISN: pairs of start and end. */
HELPER void peer_sacks(uint32_t seq, uint32_t ack, unsigned blocks,
                       const uint32_t (*block)[2])
{
	struct tcp_segment s = peer_segment(TCP_ACK, seq, ack);

	s.options.sack_count = (uint8_t)blocks;
	for (unsigned i = 0; i < blocks; i++)
		s.options.sack[i] =
		    (struct tcp_range){tcp_seq_of(our_isn.v + block[i][0]),
		                       tcp_seq_of(our_isn.v + block[i][1])};
	inject(&s);
}

/* The options of the peer's SYN. */
enum {
	WITH_MSS = 1,
	WITH_SCALE = 2,
	WITH_SACK = 4,
	WITH_TIMESTAMPS = 8,
	PLAIN = WITH_MSS
};

HELPER struct tcp_segment peer_syn(unsigned with)
{
	struct tcp_segment s;

	if (with & WITH_TIMESTAMPS && !peer_ts)
		peer_ts = 5000;
	s = peer_segment(TCP_SYN, 0, 0);
	s.options.has_mss = with & WITH_MSS;
	s.options.mss = PEER_MSS;
	s.options.has_window_scale = with & WITH_SCALE;
	s.options.window_scale = 7;
	s.options.sack_permitted = with & WITH_SACK;
	s.options.ts_echo = 0;
	return s;
}

/* The peer's SYN, and TCP's answer to it. */
HELPER struct sent *peer_opens(unsigned with)
{
	struct tcp_segment s = peer_syn(with);
	struct sent *answer;

	inject(&s);
	answer = next_sent();
	assert_int_equal(answer->s.flags, TCP_SYN | TCP_ACK);
	assert_int_equal(answer->s.ack.v, PEER_ISN + 1);
	our_isn = answer->s.seq;
	return answer;
}

/* A connection from the peer to a listener, established and owned by `owner`. */
HELPER struct tcp_conn *established(unsigned with)
{
	play_listen();
	peer_opens(with);
	peer_acks(1, 1);
	settle();
	assert_non_null(owner.conn);
	assert_int_equal(owner.conn->state, TCP_ESTABLISHED);
	expect_nothing();
	return owner.conn;
}

/* One opened by us. */
HELPER struct tcp_conn *connected(unsigned with)
{
	struct endpoint to = {ip_from4(ip4_of(0x0a000001)), PEER_PORT};
	struct tcp_segment s;

	assert_int_equal(tcp_connect(tcp, &to, &owner_events, NULL, &owner.conn),
	                 KILN_OK);
	our_isn = next_sent()->s.seq;
	s = peer_syn(with);
	s.flags |= TCP_ACK;
	s.ack = tcp_seq_add(our_isn, 1);
	s.options.ts_echo = our_ts;
	inject(&s);
	expect(TCP_ACK, 1, 1, 0);
	assert_int_equal(owner.conn->state, TCP_ESTABLISHED);
	return owner.conn;
}

/* Bytes to send: byte i of a stream is i modulo 251. */
HELPER struct slice pattern(size_t offset, size_t len)
{
	static uint8_t bytes[1 << 20];

	assert_true(offset + len <= sizeof(bytes));
	if (bytes[1] == 0) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i % 251);
	}
	return slice_of(bytes + offset, len);
}

/* The segment holds the bytes of the pattern for its place. */
HELPER void assert_pattern(const struct sent *sent)
{
	uint32_t offset = sent->s.seq.v - our_isn.v - 1;

	assert_memory_equal(sent->s.data.data, pattern(offset, sent->s.data.len).data,
	                    sent->s.data.len);
}

#define PLAY(test) cmocka_unit_test_setup_teardown(test, play_setup, play_teardown)

#endif
