/*
 * NTP packets (RFC 5905, 7.3): parse and emit, pure; and its timestamps.
 */
#ifndef NTP_WIRE_H
#define NTP_WIRE_H

#include <kiln/bytes.h>
#include <kiln/slice.h>
#include <kiln/time.h>

enum { NTP_PORT = 123, NTP_VERSION = 4, NTP_SIZE = 48 };
enum { NTP_CLIENT = 3, NTP_SERVER = 4 }; /* modes */
enum { NTP_LEAP_UNKNOWN = 3 };           /* the clock is not set */
enum { NTP_STRATUM_MOST = 15 };

/* The codes of a stratum of 0 that say what to do (7.4). */
enum {
	NTP_KISS_RATE = 0x52415445,
	NTP_KISS_DENY = 0x44454e59,
	NTP_KISS_RSTR = 0x52535452
};

struct ntp_packet {
	uint8_t leap, version, mode, stratum;
	int8_t poll, precision;                          /* log2 of seconds */
	uint32_t root_delay, root_dispersion;            /* 16.16 seconds */
	uint32_t reference;                              /* a code, or an address */
	uint64_t updated, origin, received, transmitted; /* timestamps: 32.32 seconds */
};

/* What is behind the header, extensions and keys, is not looked at. False: too short. */
bool ntp_wire_parse(struct slice bytes, struct ntp_packet *packet);
void ntp_wire_emit(struct writer *w, const struct ntp_packet *packet);

/* A timestamp as ns since 1970. One without the top bit is of the era that begins in 2036
 * (RFC 4330, 3), so that this holds from 1970 to 2104. */
kiln_time ntp_wire_wall(uint64_t timestamp);
uint64_t ntp_wire_timestamp(kiln_time wall);
/* 16.16 seconds as ns. */
kiln_time ntp_wire_short(uint32_t value);

#endif
