/*
 * The TCP header and its options on the wire (RFC 9293 3.1 and 3.2, 7323, 2018, 7413): pure
 * functions between bytes and struct tcp_segment, no state. The checksum is not looked at
 * here: it covers a pseudo-header, which the network layer knows.
 */
#ifndef NET_TCP_WIRE_H
#define NET_TCP_WIRE_H

#include <kiln/slice.h>
#include "tcp_seq.h"

enum tcp_flags {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_ECE = 0x40,
	TCP_CWR = 0x80,
};

enum {
	TCP_HEADER_SIZE = 20,
	TCP_HEADER_MAX = 60,
	TCP_CHECKSUM_OFFSET = 16,
	TCP_TIMESTAMPS_SIZE = 12, /* with the two NOPs that align it */
	TCP_SACK_BLOCKS = 4,
	TCP_WINDOW_SCALE_MAX = 14, /* RFC 7323, 2.3 */
	TCP_FAST_OPEN_COOKIE_MIN = 4,
	TCP_FAST_OPEN_COOKIE_MAX = 16, /* RFC 7413, 4.1.1 */
};

struct tcp_options {
	bool has_mss, has_window_scale, has_timestamps, sack_permitted, has_fast_open;
	uint8_t window_scale; /* at most TCP_WINDOW_SCALE_MAX */
	uint8_t sack_count;
	uint8_t fast_open_size; /* of the cookie, even; 0: it is asked for one */
	uint16_t mss;
	uint32_t ts_value, ts_echo;
	struct tcp_range sack[TCP_SACK_BLOCKS];
	uint8_t fast_open[TCP_FAST_OPEN_COOKIE_MAX];
};

/* What an IP header can say of what it carries; zeroed: the default. */
struct tcp_service {
	uint8_t tos, ttl; /* without the bits of ECN */
};

struct tcp_segment {
	uint16_t src_port, dst_port;
	struct tcp_seq seq, ack;
	uint8_t flags;   /* enum tcp_flags */
	uint16_t window; /* as on the wire, not scaled */
	uint16_t urgent;
	/* Not of the header: IP_ECN_* of the packet that brings it, or is to; and the rest. */
	uint8_t ecn;
	struct tcp_service service;
	struct tcp_options options;
	struct slice data;
};

/* SEG.LEN: the sequence numbers that the segment occupies. */
static inline uint32_t tcp_segment_length(const struct tcp_segment *s)
{
	return (uint32_t)s->data.len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
}

/* Reads a segment; data points into the packet. False when the header or an option does
 * not fit (RFC 9293, MUST-7). Unknown options are skipped (MUST-6). */
bool tcp_parse(struct slice packet, struct tcp_segment *s);

/* Bytes of header that tcp_emit will write, a multiple of 4, at most TCP_HEADER_MAX. */
size_t tcp_header_size(const struct tcp_options *options);

/* Writes the header with a zero checksum. The options must fit: on a SYN any but SACK
 * blocks, else timestamps and 3 blocks, or 4 blocks alone. */
void tcp_emit(struct writer *w, const struct tcp_segment *s);

#endif
