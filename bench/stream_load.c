/*
 * The client of kiln bench net for one stream, until it is killed:
 *
 *	stream_load in ADDRESS PORT     sends what the server takes
 *	stream_load out ADDRESS PORT    receives what it gives
 *	stream_load flood ADDRESS PORT  datagrams of UDP, as large as offloads allow, to
 *	                                one who does not say when it is too much
 */
#include <netinet/in.h>
#include <netinet/udp.h>
#include "load.h"

enum {
	PIECE = 128 << 10, /* as iperf3's */
	DATAGRAM = 1472,   /* in a frame of 1,514 bytes, as TCP's segments are */
	DATAGRAMS = 44,    /* to a frame that the tap would cut */
};

static uint8_t bytes[PIECE];

_Noreturn static void send_on(int s, size_t size)
{
	for (;;) {
		if (send(s, bytes, size, 0) < 0 && errno != ENOBUFS)
			fail("send");
	}
}

_Noreturn static void receive_on(int s)
{
	while (recv(s, bytes, sizeof(bytes), 0) > 0)
		;
	fail("recv");
}

int main(int argc, char **argv)
{
	const int datagram = DATAGRAM;
	bool flood = argc == 4 && strcmp(argv[1], "flood") == 0;
	bool out = argc == 4 && strcmp(argv[1], "out") == 0;
	struct sockaddr_in to;
	int s;

	if (!flood && !out && (argc != 4 || strcmp(argv[1], "in") != 0)) {
		fprintf(stderr, "usage: %s in|out|flood ADDRESS PORT\n", argv[0]);
		return 2;
	}
	to = address_of(argv[2], argv[3]);
	s = connect_patiently(flood ? SOCK_DGRAM : SOCK_STREAM, &to);
	if (out)
		receive_on(s);
	if (!flood)
		send_on(s, sizeof(bytes));
	if (setsockopt(s, SOL_UDP, UDP_SEGMENT, &datagram, sizeof(datagram)) < 0)
		fail("UDP_SEGMENT");
	send_on(s, (size_t)DATAGRAM * DATAGRAMS);
}
