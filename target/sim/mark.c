/*
 * sim_frame_mark(), of path.h: a queue's word on congestion (RFC 3168, section 5). Pure,
 * for simulated links and for `kiln link`. Other than what the rest of the path does, it
 * looks into the frame: for two bits of the IP header, of either version.
 */
#include <kiln/bytes.h>
#include "path.h"

enum {
	ETHERNET = 14,
	TYPE_IP4 = 0x0800,
	TYPE_IP6 = 0x86dd,
	CONGESTION = 3, /* both bits */
};

/* One's complement arithmetic (RFC 1624): the sum without the old byte, with the new. */
static void change_checksum(uint8_t *checksum, uint8_t old, uint8_t new)
{
	uint32_t sum = (uint16_t) ~(checksum[0] << 8 | checksum[1]);

	sum += (uint16_t)~old;
	sum += new;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	checksum[0] = (uint8_t)(sum >> 8);
	checksum[1] = (uint8_t)sum;
}

/* The bits are the low ones of the second byte. */
static bool mark_ip4(uint8_t *header)
{
	uint8_t old = header[1];

	if ((old & CONGESTION) == 0 || (old & CONGESTION) == CONGESTION)
		return false;
	header[1] |= CONGESTION;
	change_checksum(header + 10, old, header[1]);
	return true;
}

/* Of the eight bits that begin in the middle of the first byte (RFC 8200, 3). */
static bool mark_ip6(uint8_t *header)
{
	uint8_t bits = header[1] >> 4 & CONGESTION;

	if (bits == 0 || bits == CONGESTION)
		return false;
	header[1] |= CONGESTION << 4;
	return true;
}

bool sim_frame_mark(uint8_t *frame, uint32_t size)
{
	unsigned type = size >= ETHERNET ? frame[12] << 8 | frame[13] : 0;

	if (type == TYPE_IP4 && size >= ETHERNET + 20)
		return mark_ip4(frame + ETHERNET);
	if (type == TYPE_IP6 && size >= ETHERNET + 40)
		return mark_ip6(frame + ETHERNET);
	return false;
}
