/*
 * The whole way of a frame into lib/net: a stack with a UDP socket, a TCP listener and
 * connections of its own, fed by a script that the input spells out, one step after the
 * other: a frame byte by byte, an ARP packet, a fragment, a segment near what a
 * connection expects (with a checksum that the device vouches for, so that the fuzzer
 * gets past it), something that an owner does, time that passes, a device that is full.
 *
 * What the stack sends must be well formed, whatever it was sent; each frame that it
 * drops leaves everything as it was; and when all is over, all memory is back.
 */
#include "fuzz.h"
#define FAKE_MEMORY (1 << 20)
#include "test/unit/fake_net.h"
#include <kiln/tcp.h>
#include <kiln/udp.h>
#include <lib/net/tcp_private.h>

enum { ECHO_PORT = 7, SERVER_PORT = 80, PEER_PORT = 40000, PEERS = 4, GUESTS = 8 };
enum { STEPS = 200, DATA_MOST = 4000 };

struct guest {
	struct tcp_conn *conn;
	bool lazy; /* does not read by itself */
};

static struct guest guests[GUESTS];
static struct udp *udp;
static struct udp_socket *echo_socket;
static struct tcp *tcp;
static uint8_t pattern[DATA_MOST];
static unsigned looked_at; /* of the frames sent */

/* ---- what is sent ---- */

static void check_sent_tcp(const struct fake_frame *frame, const struct ip4_header *h,
                           struct slice payload)
{
	struct tcp_segment s;

	FUZZ_CHECK(tcp_parse(payload, &s));
	FUZZ_CHECK(!(s.flags & TCP_SYN && s.flags & (TCP_FIN | TCP_RST)));
	FUZZ_CHECK(frame->offload.gso_type == NETDEV_GSO_TCP4 ||
	           h->total <= fake.device.mtu);
	FUZZ_REACH(s.flags & TCP_RST, "a reset is sent");
	FUZZ_REACH(frame->offload.gso_type == NETDEV_GSO_TCP4, "a large segment is sent");
	FUZZ_REACH(s.options.sack_count > 1, "two gaps are reported");
}

static void check_sent_ip4(const struct fake_frame *frame, struct slice packet)
{
	struct ip4_header h;
	struct slice payload;

	FUZZ_CHECK(ip4_wire_parse(packet, &h, &payload));
	FUZZ_CHECK(h.total == packet.len);
	FUZZ_CHECK(ip4_equal(h.src, FAKE_ADDRESS));
	if (h.more_fragments || h.offset) {
		FUZZ_REACH(true, "a datagram is sent in fragments");
		FUZZ_CHECK(h.total <= fake.device.mtu);
		return;
	}
	if (h.protocol == IP_PROTO_ICMP)
		FUZZ_CHECK(plain_checksum(0, payload) == 0);
	else if (!(frame->offload.flags & NETDEV_NEEDS_CSUM))
		FUZZ_CHECK(transport_checksum(&h, payload) == 0);
	if (h.protocol == IP_PROTO_TCP)
		check_sent_tcp(frame, &h, payload);
}

static void check_sent(void)
{
	if (fake.sent - looked_at > FAKE_FRAMES)
		looked_at = fake.sent - FAKE_FRAMES;
	for (; looked_at < fake.sent; looked_at++) {
		const struct fake_frame *frame = &fake.frames[looked_at % FAKE_FRAMES];
		struct slice bytes = fake_sent(looked_at);
		const struct eth_wire *eth = eth_wire_parse(bytes);
		struct arp_packet arp;

		FUZZ_CHECK(eth && memcmp(eth->src, fake_mac, ETH_MAC) == 0);
		if (be16_get(eth->type) == ETH_TYPE_IP4)
			check_sent_ip4(frame, slice_skip(bytes, ETH_HEADER));
		else
			FUZZ_CHECK(be16_get(eth->type) == ETH_TYPE_ARP &&
			           arp_wire_parse(slice_skip(bytes, ETH_HEADER), &arp));
	}
}

/* ---- what the connections must keep to ---- */

static void check_conn(const struct tcp_conn *c)
{
	uint64_t bytes = 0;

	FUZZ_CHECK(!c->released);
	for (const struct tcp_piece *p = c->out.head; p; p = p->next)
		bytes += p->len;
	FUZZ_CHECK(bytes == c->out.end - c->out.start);
	FUZZ_CHECK(c->out.chunks * CHUNK_SIZE <= tcp->limit_most);
	FUZZ_CHECK(tcp_seq_le(c->snd_una, c->snd_nxt));
	FUZZ_CHECK(tcp_seq_le(c->snd_nxt, c->snd_max));
	FUZZ_CHECK(tcp_seq_diff(c->snd_max, c->snd_nxt) <= 1);
	FUZZ_CHECK(c->sacked.bytes + c->lost.bytes <= tcp_in_flight(c));
	FUZZ_CHECK(c->state < TCP_ESTABLISHED || c->cc.cwnd >= c->smss / 2);
	FUZZ_CHECK(c->in.inflight.len == 0);
	FUZZ_REACH(c->state == TCP_ESTABLISHED, "ESTABLISHED");
	FUZZ_REACH(c->state == TCP_CLOSE_WAIT, "CLOSE-WAIT");
	FUZZ_REACH(c->state == TCP_FIN_WAIT_2, "FIN-WAIT-2");
	FUZZ_REACH(c->state == TCP_CLOSING, "CLOSING");
	FUZZ_REACH(c->state == TCP_TIME_WAIT, "TIME-WAIT");
	FUZZ_REACH(c->phase == TCP_FAST_RECOVERY, "fast recovery");
	FUZZ_REACH(c->phase == TCP_LOSS, "a timeout");
	FUZZ_REACH(c->in.ooo_runs > 1, "bytes beyond two gaps");
	FUZZ_REACH(c->sacked.bytes > 0, "bytes reported by SACK");
}

static void check_all(void)
{
	check_sent();
	for (unsigned i = 0; i < GUESTS; i++) {
		if (guests[i].conn)
			check_conn(guests[i].conn);
	}
}

/* ---- time ---- */

static void settle(void)
{
	for (unsigned i = 0; i < 4; i++)
		loop_step(&fake.kiln.loop, fake.now);
}

static void pass(kiln_time duration)
{
	kiln_time end = fake.now + duration;

	while (fake.now < end) {
		kiln_time next = timer_wheel_next(&fake.kiln.loop.wheel);
		fake.now = KILN_MIN(KILN_MAX(next, fake.now + KILN_US(100)), end);
		settle();
	}
}

/* ---- those who use the stack ---- */

static void echo(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	(void)udp_send(socket, &d->from, d->payload);
}

static void guest_ready(struct tcp_conn *conn, void *user)
{
	struct guest *g = user;

	FUZZ_CHECK(g->conn == conn);
	while (!g->lazy && tcp_unread(conn)) {
		struct slice s = tcp_peek(conn);
		size_t sent = tcp_send_room(conn) ? tcp_send(conn, s) : s.len;

		FUZZ_CHECK(s.len);
		tcp_consume(conn, sent ? sent : s.len);
	}
	if (!g->lazy && tcp_at_end(conn)) {
		g->conn = NULL;
		tcp_close(conn);
	}
}

static void guest_closed(struct tcp_conn *conn, void *user, enum kiln_error why)
{
	struct guest *g = user;

	FUZZ_CHECK(g->conn == conn && why != KILN_OK);
	FUZZ_REACH(why == KILN_ERR_TIMEOUT, "a connection times out");
	g->conn = NULL;
}

static const struct tcp_events guest_events = {guest_ready, guest_closed};

static struct guest *free_guest(void)
{
	for (unsigned i = 0; i < GUESTS; i++) {
		if (!guests[i].conn)
			return &guests[i];
	}
	return NULL;
}

static bool guest_accepted(struct tcp_conn *conn, void *context)
{
	struct guest *g = free_guest();

	if (!g)
		return false;
	*g = (struct guest){conn, tcp_remote(conn).port & 1};
	tcp_own(conn, &guest_events, g);
	return true;
}

/* ---- steps of the script ---- */

static size_t take_size(struct cursor *in)
{
	size_t size = cursor_u8(in);

	return size < 192 ? size : (size - 191) * 61; /* up to 3904 */
}

static struct slice take_bytes(struct cursor *in)
{
	size_t size = take_size(in);

	return cursor_bytes(in, KILN_MIN(size, cursor_left(in)));
}

static struct ip4_addr some_address(uint8_t choice)
{
	static const uint32_t known[] = {0x0a000001, 0x0a000002, 0x0a000007, 0x0a0000ff,
	                                 0x0a000000, 0xffffffff, 0,          0x7f000001,
	                                 0xe0000001, 0xc0000201};

	return ip4_of(known[choice % KILN_COUNT_OF(known)]);
}

/* Gives a frame to the stack. What it drops must leave all else alone. */
static void give(struct slice frame, const struct netdev_offload *offload)
{
	struct net_counters before = fake_counters();
	uint32_t conns = tcp->conns.used, halves = tcp->halves.used,
	         chunks = tcp->chunks.used, known = fake.net->neighbours.entries.used;
	unsigned sent = fake.sent;

	fake_receive_with(frame, offload);
	struct net_counters after = fake_counters();
	if (after.drop_ethernet + after.drop_ip_header + after.drop_ip_address +
	        after.drop_protocol + after.drop_arp ==
	    before.drop_ethernet + before.drop_ip_header + before.drop_ip_address +
	        before.drop_protocol + before.drop_arp)
		return;
	/* But for an ICMP error, and what asking for its receiver's address takes. */
	FUZZ_CHECK(tcp->conns.used == conns && tcp->halves.used == halves &&
	           tcp->chunks.used == chunks);
	FUZZ_CHECK(fake.sent - sent <= 1);
	FUZZ_CHECK(fake.net->neighbours.entries.used - known <=
	           after.icmp_sent - before.icmp_sent);
}

static void step_frame(struct cursor *in)
{
	struct netdev_offload offload = {.flags = cursor_u8(in) & 3};
	struct slice bytes = take_bytes(in);

	if (offload.flags & 2) {
		offload.gso_type = NETDEV_GSO_UDP_L4;
		offload.gso_size = 100;
	}
	give(bytes, &offload);
}

static void step_arp(struct cursor *in)
{
	uint8_t how = cursor_u8(in);
	struct arp_packet packet = {.operation = how & 1 ? ARP_REPLY : ARP_REQUEST,
	                            .sender = some_address(cursor_u8(in)),
	                            .target = some_address(cursor_u8(in))};
	uint8_t frame[ETH_HEADER + ARP_SIZE];
	static const struct netdev_offload none;

	memcpy(packet.sender_mac, how & 2 ? other_mac : peer_mac, ETH_MAC);
	eth_wire_emit(frame, how & 4 ? all_mac : fake_mac, packet.sender_mac,
	              ETH_TYPE_ARP);
	arp_wire_emit(frame + ETH_HEADER, &packet);
	give(slice_of(frame, sizeof(frame)), &none);
}

/* A packet with a right header. `payload` is at most DATA_MOST + 60 bytes. */
static void give_ip4(struct ip4_header h, struct slice payload, bool vouched)
{
	static uint8_t frame[ETH_HEADER + IP4_HEADER + TCP_HEADER_MAX + DATA_MOST];
	struct netdev_offload offload = {.flags = vouched ? NETDEV_DATA_VALID : 0};
	size_t size;

	FUZZ_CHECK(payload.len <= TCP_HEADER_MAX + DATA_MOST);
	size = fake_ip4(frame, fake_mac, h, payload);
	give(slice_of(frame, size), &offload);
}

static void step_ip4(struct cursor *in)
{
	uint8_t how = cursor_u8(in), place = cursor_u8(in);
	static const uint8_t protocols[] = {IP_PROTO_UDP, IP_PROTO_ICMP, IP_PROTO_TCP,
	                                    47};
	struct ip4_header h = {
	    .src = how & 4 ? some_address(cursor_u8(in)) : PEER_ADDRESS,
	    .dst = how & 8 ? some_address(cursor_u8(in)) : FAKE_ADDRESS,
	    .protocol = protocols[how & 3],
	    .id = how >> 6,
	    .tos = how >> 4 & 3};

	if (place & 0xc0) {
		h.more_fragments = place & 0x40;
		h.offset = (uint16_t)((place & 0x3f) * 8 * (place & 0x80 ? 130 : 1));
	}
	struct slice payload = take_bytes(in);
	/* Fragments of some size without as much input. */
	if (place & 0xc0 && payload.len % 8 == 7)
		payload = slice_of(pattern, 1040);
	give_ip4(h, payload, true);
}

static void step_udp(struct cursor *in)
{
	uint8_t datagram[UDP_HEADER + DATA_MOST];
	uint8_t ports = cursor_u8(in);
	size_t size = take_size(in);
	struct ip4_header h = {
	    .src = PEER_ADDRESS, .dst = FAKE_ADDRESS, .protocol = IP_PROTO_UDP};

	udp_wire_emit(datagram, ports & 1 ? 9 : ECHO_PORT, ports & 2 ? 9 : ECHO_PORT,
	              size);
	memcpy(datagram + UDP_HEADER, pattern, size);
	give_ip4(h, slice_of(datagram, UDP_HEADER + size), ports & 4);
}

/* A message about one of the last frames that the stack has sent, or an echo request. */
static void step_icmp(struct cursor *in)
{
	static const uint8_t types[] = {ICMP_UNREACHABLE, ICMP_UNREACHABLE,
	                                ICMP_ECHO,        ICMP_TIME_EXCEEDED,
	                                ICMP_PARAMETER,   ICMP_ECHO_REPLY};
	struct icmp_message m = {.type = types[cursor_u8(in) % sizeof(types)],
	                         .code = cursor_u8(in) % 17,
	                         .number = (uint16_t)(cursor_u8(in) * 8)};
	uint8_t bytes[ICMP_HEADER + DATA_MOST];
	uint8_t back = cursor_u8(in);
	struct slice body = slice_of(pattern, back * 4u);
	struct ip4_header h = {
	    .src = PEER_ADDRESS, .dst = FAKE_ADDRESS, .protocol = IP_PROTO_ICMP};

	if (m.type != ICMP_ECHO && fake.sent > back % 16u)
		body = slice_take(
		    slice_skip(fake_sent(fake.sent - 1 - back % 16), ETH_HEADER),
		    back & 16 ? 28 : 576);
	memcpy(bytes + ICMP_HEADER, body.data, body.len);
	icmp_wire_emit(bytes, &m, checksum_add(0, body.data, body.len));
	give_ip4(h, slice_of(bytes, ICMP_HEADER + body.len), true);
}

/* The last segment that the stack has sent to this port. */
static bool last_sent_to(uint16_t port, struct tcp_segment *sent)
{
	for (unsigned i = 1; i <= 16 && i <= fake.sent; i++) {
		struct slice packet = slice_skip(fake_sent(fake.sent - i), ETH_HEADER);
		struct ip4_header h;
		struct slice payload;

		if (ip4_wire_parse(packet, &h, &payload) && h.protocol == IP_PROTO_TCP &&
		    tcp_parse(payload, sent) && sent->dst_port == port)
			return true;
	}
	return false;
}

/* What the flow of these ports expects: its next sequence number, and what it may be
 * acknowledged. */
static void expectations(const struct tcp_tuple *tuple, uint8_t how, uint32_t *seq,
                         uint32_t *ack, uint32_t *una)
{
	struct tcp_flow *flow = tcp_flow_find(tcp, tuple);
	struct tcp_segment sent;

	*seq = *ack = *una = 1000000;
	if (flow && flow->kind == TCP_FLOW_CONN) {
		struct tcp_conn *c = kiln_container(flow, struct tcp_conn, flow);

		*seq = c->rcv_nxt.v;
		*una = c->snd_una.v;
		*ack = how & 1   ? c->snd_una.v
		       : how & 2 ? c->snd_una.v + (c->snd_max.v - c->snd_una.v) / 2
		                 : c->snd_max.v;
	} else if (flow && flow->kind == TCP_FLOW_HALF) {
		struct tcp_half *h = kiln_container(flow, struct tcp_half, flow);

		FUZZ_REACH(true, "SYN-RECEIVED");
		*seq = h->hand.irs.v + 1;
		*ack = *una = h->hand.iss.v + 1;
	} else if (flow) {
		struct tcp_time_wait *t =
		    kiln_container(flow, struct tcp_time_wait, flow);

		FUZZ_REACH(true, "TIME-WAIT without an owner");
		*seq = t->rcv_nxt.v;
		*ack = *una = t->snd_nxt.v;
	} else if (last_sent_to(tuple->remote_port, &sent) && sent.flags & TCP_SYN) {
		/* A cookie: the stack has kept nothing. */
		*seq = sent.ack.v;
		*ack = *una = sent.seq.v + 1;
	}
}

static uint32_t moved(uint32_t at, uint8_t how)
{
	static const uint32_t by[] = {0,          0,     1,  0xffffffff, 1460, 2, 65535,
	                              0x80000000, 0x400, 10, 0xfffffc00, 2920};

	return at + by[how % KILN_COUNT_OF(by)];
}

static void take_options(struct cursor *in, struct tcp_segment *s, uint32_t una)
{
	uint8_t which = cursor_u8(in);

	s->options.has_timestamps = which & 1;
	s->options.ts_value = (uint32_t)(fake.now / KILN_MS(1)) - (which >> 6);
	s->options.ts_echo = 0;
	if (s->flags & TCP_SYN) {
		s->options.has_mss = which & 2;
		s->options.mss = which & 32 ? 100 : 1460;
		s->options.has_window_scale = which & 4;
		s->options.window_scale = which >> 4 & 7;
		s->options.sack_permitted = which & 8;
		return;
	}
	s->options.sack_count = which >> 1 & 3;
	for (unsigned i = 0; i < s->options.sack_count; i++) {
		uint32_t from = una + cursor_u8(in) * 256u;

		s->options.sack[i] = (struct tcp_range){
		    tcp_seq_of(from), tcp_seq_of(from + cursor_u8(in) * 128u)};
	}
}

/* What a peer echoes is the last timestamp that it was sent. */
static void echo_timestamp(struct tcp_segment *s)
{
	struct tcp_segment sent;

	if (last_sent_to(s->src_port, &sent))
		s->options.ts_echo = sent.options.ts_value;
}

static void give_segment(struct tcp_segment *s)
{
	static uint8_t bytes[TCP_HEADER_MAX + DATA_MOST];
	struct writer w = writer_of(bytes, sizeof(bytes));
	struct ip4_header h = {.src = PEER_ADDRESS,
	                       .dst = FAKE_ADDRESS,
	                       .protocol = IP_PROTO_TCP,
	                       .dont_fragment = true};

	echo_timestamp(s);
	tcp_emit(&w, s);
	writer_bytes(&w, s->data);
	FUZZ_CHECK(!w.failed);
	give_ip4(h, writer_done(&w), true);
}

static void step_segment(struct cursor *in)
{
	static const uint8_t often[] = {TCP_SYN,           TCP_ACK,           TCP_ACK,
	                                TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK, TCP_RST,
	                                TCP_SYN | TCP_ACK, TCP_RST | TCP_ACK};
	uint8_t who = cursor_u8(in), flags = cursor_u8(in), where = cursor_u8(in),
	        window = cursor_u8(in);
	struct guest *g = &guests[who % GUESTS];
	struct tcp_tuple tuple = {ip_from4(PEER_ADDRESS), ip_from4(FAKE_ADDRESS),
	                          (uint16_t)(PEER_PORT + who % PEERS), SERVER_PORT};
	uint32_t seq, ack, una;

	if (who & 0x40 && g->conn)
		tuple = g->conn->flow.tuple;
	expectations(&tuple, flags >> 4 & 3, &seq, &ack, &una);
	struct tcp_segment s = {
	    .src_port = tuple.remote_port,
	    .dst_port = tuple.local_port,
	    .flags = flags & 0x80 ? cursor_u8(in) : often[flags & 7],
	    .seq = tcp_seq_of(moved(seq, where & 15)),
	    .ack = tcp_seq_of(moved(ack, where >> 4)),
	    .window = window < 128 ? 65535 : (uint16_t)((window - 128) * 40),
	    .urgent = flags & 0x40 ? 5 : 0,
	};
	take_options(in, &s, una);
	s.data = slice_of(pattern, who & 0x80 ? take_size(in) : 0);
	give_segment(&s);
}

/* A whole handshake: the fuzzer need not find it out each time. */
static void step_open(struct cursor *in)
{
	struct tcp_tuple tuple = {ip_from4(PEER_ADDRESS), ip_from4(FAKE_ADDRESS),
	                          (uint16_t)(PEER_PORT + cursor_u8(in) % PEERS),
	                          SERVER_PORT};
	struct tcp_segment s = {.src_port = tuple.remote_port,
	                        .dst_port = tuple.local_port,
	                        .flags = TCP_SYN,
	                        .seq = tcp_seq_of(1000000),
	                        .window = 65535};
	uint32_t seq, ack, una;

	take_options(in, &s, 0);
	give_segment(&s);
	settle();
	expectations(&tuple, 0, &seq, &ack, &una);
	bool has_timestamps = s.options.has_timestamps;
	s.options = (struct tcp_options){.has_timestamps = has_timestamps,
	                                 .ts_value = s.options.ts_value};
	s.flags = TCP_ACK;
	s.seq = tcp_seq_of(seq);
	s.ack = tcp_seq_of(ack);
	give_segment(&s);
}

/* More SYNs than there is room for: cookies are sent. */
static void step_flood(struct cursor *in)
{
	struct tcp_segment s = {.dst_port = SERVER_PORT,
	                        .flags = TCP_SYN,
	                        .seq = tcp_seq_of(2000000),
	                        .window = 65535};
	unsigned count = cursor_u8(in) % 64;

	take_options(in, &s, 0);
	for (unsigned i = 0; i < count; i++) {
		s.src_port = (uint16_t)(PEER_PORT - i);
		give_segment(&s);
	}
}

static void step_owner(struct cursor *in)
{
	uint8_t what = cursor_u8(in);
	struct guest *g = &guests[what >> 5];
	struct tcp_conn *conn = g->conn;
	size_t unread;

	if (!conn)
		return;
	unread = tcp_unread(conn);
	switch (what % 12) {
	case 0:
		tcp_shutdown(conn);
		break;
	case 1:
		g->conn = NULL;
		tcp_close(conn);
		break;
	case 2:
		g->conn = NULL;
		tcp_abort(conn);
		break;
	case 3:
		tcp_wake(conn);
		break;
	case 4:
		tcp_set_receive_limit(conn, cursor_u8(in) * 256u);
		break;
	case 5:
		tcp_set_keepalive(conn, KILN_MS(cursor_u8(in) * 50u), KILN_SECONDS(1), 3);
		break;
	case 6:
		tcp_set_nodelay(conn, true);
		break;
	case 7:
	case 8:
		(void)tcp_send(conn, slice_of(pattern, take_size(in)));
		break;
	case 9:
	case 10:
		(void)tcp_send_static(conn, slice_of(pattern, take_size(in)));
		break;
	default:
		tcp_consume(conn, unread / (1u + cursor_u8(in) % 4));
		break;
	}
}

static void step_connect(struct cursor *in)
{
	struct endpoint to = {ip_from4(PEER_ADDRESS),
	                      (uint16_t)(PEER_PORT + cursor_u8(in) % PEERS)};
	struct guest *g = free_guest();

	if (!g)
		return;
	*g = (struct guest){.lazy = to.port & 1};
	if (tcp_connect(tcp, &to, &guest_events, g, &g->conn) != KILN_OK)
		g->conn = NULL;
}

static void step_pass(struct cursor *in)
{
	pass(KILN_MS(1) << cursor_u8(in) % 18); /* up to 131 s */
}

static void step_device(struct cursor *in)
{
	fake.full = cursor_u8(in) & 1;
}

/* ---- a run ---- */

static void start(uint8_t how)
{
	static const char options[] = "ip=10.0.0.2/24\0gateway=10.0.0.1\0log=error";
	struct tcp_listener *listener;

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % 251);
	memset(guests, 0, sizeof(guests));
	looked_at = 0;
	FUZZ_CHECK(fake_start_on(options, sizeof(options),
	                         how & 1 ? NETDEV_TX_CSUM | NETDEV_TX_TSO4 : 0));
	if (how & 2)
		fake.device.mtu = fake.net->mtu[NET_IP4] = 576;
	udp = udp_new(fake.net);
	tcp = tcp_new(fake.net);
	FUZZ_CHECK(udp_bind(udp, ECHO_PORT, echo, NULL, &echo_socket) == KILN_OK);
	FUZZ_CHECK(tcp_listen(tcp, SERVER_PORT, guest_accepted, NULL, &listener) ==
	           KILN_OK);
	if (how & 4)
		pass(KILN_SECONDS(3)); /* announced */
	fake_receive_arp(all_mac, ARP_REQUEST, peer_mac, PEER_ADDRESS, FAKE_ADDRESS);
}

static bool all_is_back(void)
{
	return tcp->conns.used == 0 && tcp->halves.used == 0 && tcp->chunks.used == 0 &&
	       tcp->pieces.used == 0 && tcp->time_waits.used == 0 &&
	       list_empty(&tcp->orphans) && fake.net->fragments.pages.used == 0 &&
	       fake.net->fragments.datagrams.used == 0 &&
	       fake.net->neighbours.frames.used == 0 && fake.net->chunks.used == 0;
}

/* Everybody goes; nothing may be left. */
static void finish(void)
{
	fake.full = false;
	for (unsigned i = 0; i < GUESTS; i++) {
		if (guests[i].conn)
			tcp_abort(guests[i].conn);
		guests[i].conn = NULL;
	}
	for (unsigned i = 0; i < 40 && !all_is_back(); i++)
		pass(KILN_SECONDS(10));
	check_sent();
	FUZZ_CHECK(all_is_back());
	FUZZ_REACH(fake_counters().reassembled, "fragments are joined");
	FUZZ_REACH(fake_counters().arp_conflicts, "an address is defended");
	FUZZ_REACH(tcp->count.cookies_good, "a cookie comes back");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const steps[])(struct cursor *) = {
	    step_segment, step_segment, step_segment, step_owner, step_pass,
	    step_ip4,     step_udp,     step_icmp,    step_arp,   step_frame,
	    step_connect, step_device,  step_open,    step_flood};
	struct cursor in = cursor_of(slice_of(data, size));

	start(cursor_u8(&in));
	for (unsigned i = 0; i < STEPS && cursor_left(&in); i++) {
		steps[cursor_u8(&in) % KILN_COUNT_OF(steps)](&in);
		settle();
		check_all();
	}
	finish();
	return 0;
}
