/*
 * UDP on the stack of fake_net.h, for the unit tests of what lies between a frame and a
 * datagram: a peer's packets, a pattern to fill them with, and a socket on port 7 that
 * echoes. Defines what fake_net.h defines; include it in one file of a program.
 */
#ifndef TEST_UDP_PLAY_H
#define TEST_UDP_PLAY_H

#include "fake_net.h"
#include <kiln/udp.h>

static uint8_t pattern[65535];

static int setup(void **state)
{
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 7 + i / 251);
	fake_up(state);
	fake_meet_peer();
	return 0;
}

static const struct ip4_header from_peer = {.src = {{{10, 0, 0, 1}}},
                                            .dst = {{{10, 0, 0, 2}}},
                                            .protocol = IP_PROTO_UDP,
                                            .id = 7};

static struct received {
	unsigned count;
	struct endpoint from, to;
	size_t size;
	enum kiln_error answered;
	uint8_t bytes[65535];
} received;

static void receive(struct udp_socket *socket, const struct udp_datagram *d,
                    void *context)
{
	received.count++;
	received.from = d->from;
	received.to = d->to;
	received.size = d->payload.len;
	memcpy(received.bytes, d->payload.data, d->payload.len);
	if (context)
		received.answered = udp_answer(socket, d, d->payload);
}

static struct udp *udp;
static struct udp_socket *echo;

static int setup_udp(void **state)
{
	setup(state);
	received = (struct received){.count = 0};
	udp = udp_new(fake.net);
	assert_int_equal(udp_bind(udp, 7, receive, udp, &echo), KILN_OK);
	return 0;
}

#define with(fixture, test) cmocka_unit_test_setup(test, fixture)

#endif
