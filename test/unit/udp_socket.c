/*
 * What BSD sockets need of UDP (lib/net/udp_socket.h): who gets a datagram when several
 * sockets could, and whom an ICMP error is told.
 */
#include "udp_play.h"
#include <lib/net/udp_socket.h>

static struct udp_socket *got_it;
static struct udp_error told;
static unsigned errors;

static void got(struct udp_socket *socket, const struct udp_datagram *d, void *context)
{
	got_it = socket;
}

static void error(struct udp_socket *socket, const struct udp_error *e, void *context)
{
	got_it = socket;
	told = *e;
	errors++;
}

static struct udp_socket *bind_to(struct ip_addr addr, bool shared)
{
	const struct udp_bind_options options = {
	    .local = {addr, 9},
	    .shared = shared,
	    .receive = got,
	    .error = error,
	};
	struct udp_socket *socket = NULL;

	if (udp_bind_to(udp, &options, &socket) != KILN_OK)
		return NULL;
	return socket;
}

static const struct ip_addr any = {{0}};

static void the_socket_closest_to_a_datagram_gets_it(void **state)
{
	struct ip_addr mine = ip_from4(FAKE_ADDRESS), peer = ip_from4(PEER_ADDRESS);
	struct udp_socket *all = bind_to(any, true), *exact, *connected;

	assert_null(bind_to(mine, false)); /* it would take from `all` */
	exact = bind_to(mine, true);
	connected = bind_to(any, true);
	udp_connect(connected, &(struct endpoint){peer, 5000});
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 5000, 9, SLICE("x"));
	assert_ptr_equal(got_it, connected);
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 5001, 9, SLICE("x"));
	assert_ptr_equal(got_it, exact);
	udp_close(exact);
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 5001, 9, SLICE("x"));
	assert_ptr_equal(got_it, all);
	udp_close(all);
	got_it = NULL;
	fake.sent = 0;
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 5001, 9, SLICE("x"));
	assert_null(got_it); /* not the connected one's */
	assert_int_equal(fake.sent, 1);
	udp_connect(connected, NULL);
	fake_receive_udp(PEER_ADDRESS, FAKE_ADDRESS, 5001, 9, SLICE("x"));
	assert_ptr_equal(got_it, connected);
}

/* The peer tells that the port of a datagram of ours is unreachable. */
static void port_unreachable(uint16_t from, uint16_t to)
{
	uint8_t message[ICMP_HEADER + IP4_HEADER + UDP_HEADER];
	struct icmp_message icmp = {.type = ICMP_UNREACHABLE, .code = ICMP_CODE_PORT};
	struct ip4_header quoted = {
	    .src = FAKE_ADDRESS,
	    .dst = PEER_ADDRESS,
	    .total = IP4_HEADER + UDP_HEADER,
	    .ttl = 64,
	    .protocol = IP_PROTO_UDP,
	};
	struct ip4_header header = from_peer;

	header.protocol = IP_PROTO_ICMP;
	ip4_wire_emit(message + ICMP_HEADER, &quoted);
	udp_wire_emit(message + ICMP_HEADER + IP4_HEADER, from, to, 0);
	icmp_wire_emit(message, &icmp,
	               checksum_add(0, message + ICMP_HEADER, IP4_HEADER + UDP_HEADER));
	fake_receive_ip4(header, slice_of(message, sizeof(message)));
}

static void an_icmp_error_is_told_to_the_socket_that_sent(void **state)
{
	struct udp_socket *socket = bind_to(any, false);

	errors = 0;
	port_unreachable(9, 5000);
	assert_int_equal(errors, 1);
	assert_ptr_equal(got_it, socket);
	assert_int_equal(told.to.port, 5000);
	assert_int_equal(told.type, ICMP_UNREACHABLE);
	assert_int_equal(told.code, ICMP_CODE_PORT);
	port_unreachable(10, 5000);
	assert_int_equal(errors, 1);
}

static void what_must_stay_whole_is_not_sent_in_fragments(void **state)
{
	struct udp_socket *socket = bind_to(any, false);
	struct endpoint to = {ip_from4(PEER_ADDRESS), 5000};
	struct udp_send_options options = {.whole = true, .ttl = 3, .tos = 0x10};
	struct ip4_header header;

	assert_int_equal(udp_send_with(socket, &to, slice_of(pattern, 1473), &options),
	                 KILN_ERR_TOO_LARGE);
	assert_int_equal(udp_send_with(socket, &to, slice_of(pattern, 1472), &options),
	                 KILN_OK);
	sent_ip4(fake.sent - 1, &header);
	assert_true(header.dont_fragment);
	assert_int_equal(header.ttl, 3);
	assert_int_equal(header.tos, 0x10);
}

int main(void)
{
	const struct CMUnitTest all[] = {
	    with(setup_udp, the_socket_closest_to_a_datagram_gets_it),
	    with(setup_udp, an_icmp_error_is_told_to_the_socket_that_sent),
	    with(setup_udp, what_must_stay_whole_is_not_sent_in_fragments),
	};

	return cmocka_run_group_tests_name("udp_socket", all, NULL, NULL) != 0;
}
