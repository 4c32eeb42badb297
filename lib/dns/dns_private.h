/*
 * What the files of lib/dns share.
 */
#ifndef DNS_PRIVATE_H
#define DNS_PRIVATE_H

#include <kiln/dns.h>

static inline struct slice dns_name_slice(const struct dns_name *name)
{
	return slice_of(name->bytes, name->size);
}

/* How long a digest of this kind is; 0: any length. The field says whose kinds they are:
 * 'F' DS (RFC 4034, 6605), 'K' SSHFP (RFC 4255, 6594), 'O' ZONEMD (RFC 8976). */
size_t dns_digest_size(char field, uint8_t kind);

/* ---- bytes as text: RFC 4648 (encoding.c) ---- */

struct dns_decoder {
	struct writer *w; /* of the bytes */
	const char *digits;
	unsigned bits; /* of a digit */
	uint32_t have; /* bits that make no byte yet, and how many */
	unsigned count;
	unsigned read, padding; /* digits */
};

/* Hex and base32 (that of DNSSEC, section 7) in either case. */
struct dns_decoder dns_decoder_hex(struct writer *w);
struct dns_decoder dns_decoder_base32(struct writer *w);
struct dns_decoder dns_decoder_base64(struct writer *w);
/* The next part of the text. False: it has what is no digit. */
KILN_MUST_CHECK bool dns_decode(struct dns_decoder *d, struct slice text);
/* Whether it may end here: no bits are left but zeros (3.5), and base64 came in quads. */
bool dns_decoded_whole(const struct dns_decoder *d);

#endif
