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

#endif
