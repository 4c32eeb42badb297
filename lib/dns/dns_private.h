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

#endif
