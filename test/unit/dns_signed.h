/*
 * For tests of answers: the example zones of RFC 4035 and RFC 5155, with made-up signatures.
 */
#ifndef DNS_SIGNED_H
#define DNS_SIGNED_H

#include "dns_ask.h"
#include "lib/dns/zone_private.h"

/* ---- NSEC: RFC 4035, appendix A ---- */

static const char *const nsec_lines[] = {
    "example SOA!",
    "example NS! ns1.example",
    "example NS ns2.example",
    "example MX! xx.example",
    "example NSEC! a.example",
    "a.example NS ns1.a.example",
    "a.example NS ns2.a.example",
    "a.example DS!",
    "a.example NSEC! ai.example",
    "ns1.a.example A 5",
    "ns2.a.example A 6",
    "ai.example A! 9",
    "ai.example AAAA! 9",
    "ai.example NSEC! b.example",
    "b.example NS ns1.b.example",
    "b.example NS ns2.b.example",
    "b.example NSEC! ns1.example",
    "ns1.b.example A 7",
    "ns2.b.example A 8",
    "ns1.example A! 1",
    "ns1.example NSEC! ns2.example",
    "ns2.example A! 2",
    "ns2.example NSEC! *.w.example",
    "*.w.example MX! ai.example",
    "*.w.example NSEC! x.w.example",
    "x.w.example MX! xx.example",
    "x.w.example NSEC! x.y.w.example",
    "x.y.w.example MX! xx.example",
    "x.y.w.example NSEC! xx.example",
    "xx.example A! 10",
    "xx.example AAAA! 10",
    "xx.example NSEC! example",
};

static void play_nsec(struct play *p)
{
	play_begin(p, "example");
	play_lines(p, nsec_lines, KILN_COUNT_OF(nsec_lines));
}

/* ---- NSEC3: RFC 5155, appendix A ---- */

static const char *const nsec3_lines[] = {
    "example SOA!",
    "example NS! ns1.example",
    "example NS ns2.example",
    "example MX! xx.example",
    "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example A! 127",
    "a.example NS ns1.a.example",
    "a.example NS ns2.a.example",
    "a.example DS!",
    "ns1.a.example A 5",
    "ns2.a.example A 6",
    "ai.example A! 9",
    "ai.example AAAA! 9",
    "c.example NS ns1.c.example",
    "c.example NS ns2.c.example",
    "ns1.c.example A 7",
    "ns2.c.example A 8",
    "ns1.example A! 1",
    "ns2.example A! 2",
    "*.w.example MX! ai.example",
    "x.w.example MX! xx.example",
    "x.y.w.example MX! xx.example",
    "xx.example A! 10",
    "xx.example AAAA! 10",
};

/* Those that have an NSEC3: c.example, unsigned, has none by opt-out. */
static const char *const hashed[] = {
    "example",       "a.example",   "ai.example",
    "ns1.example",   "ns2.example", "w.example",
    "*.w.example",   "x.w.example", "y.w.example",
    "x.y.w.example", "xx.example",  "2t7b4g4vsa5smi47k61mv5bv1a22bojr.example"};

static const struct zone_header parameters = {
    .iterations = 12, .salt_size = 4, .salt = {0xaa, 0xbb, 0xcc, 0xdd}};

static int compare_hashes(const void *x, const void *y)
{
	return memcmp(x, y, 20);
}

static void base32(const uint8_t hash[20], char text[33])
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUV";

	for (unsigned i = 0; i < 32; i++) {
		unsigned bit = i * 5, byte = bit / 8;
		unsigned two =
		    (unsigned)hash[byte] << 8 | (byte < 19 ? hash[byte + 1] : 0u);

		text[i] = digits[two >> (11 - bit % 8) & 31];
	}
	text[32] = 0;
}

/* The NSEC3 of a chain by the parameters, but for the first `without` of them. */
static void play_chain(struct play *p, const struct zone_header *by, unsigned without)
{
	uint8_t hashes[KILN_COUNT_OF(hashed)][20];

	for (unsigned i = 0; i < KILN_COUNT_OF(hashed); i++) {
		struct dns_name name = name_of(hashed[i]);
		zone_nsec3_hash(by, slice_of(name.bytes, name.size), hashes[i]);
	}
	qsort(hashes, KILN_COUNT_OF(hashed), 20, compare_hashes);
	for (unsigned i = without; i < KILN_COUNT_OF(hashed); i++) {
		char owner[48];
		uint8_t data[64];
		struct writer w = writer_of(data, sizeof(data));

		base32(hashes[i], owner);
		strcat(owner, ".example");
		writer_u16(&w, 0x0101); /* SHA-1, opt-out */
		writer_u16(&w, by->iterations);
		writer_u8(&w, by->salt_size);
		writer_bytes(&w, slice_of(by->salt, by->salt_size));
		writer_u8(&w, 20);
		writer_bytes(&w, slice_of(hashes[(i + 1) % KILN_COUNT_OF(hashed)], 20));
		play_add(p, owner, DNS_NSEC3, writer_done(&w));
		play_signature(p, owner, DNS_NSEC3);
	}
}

static void play_nsec3(struct play *p)
{
	play_begin(p, "example");
	play_lines(p, nsec3_lines, KILN_COUNT_OF(nsec3_lines));
	play_add(p, "example", DNS_NSEC3PARAM, SLICE("\1\0\0\14\4\252\273\314\335"));
	play_chain(p, &parameters, 0);
	/* Another chain, which is not the zone's as long as no NSEC3PARAM says so. */
	play_add(p, "00000000000000000000000000000000.example", DNS_NSEC3,
	         SLICE("\1\0\0\0\0\24aaaaaaaaaaaaaaaaaaaa"));
}

#endif
