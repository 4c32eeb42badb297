/*
 * Socket addresses and struct endpoint. Both families are one inside: an IPv4 address is an
 * IPv4-mapped one, as a dual-stack AF_INET6 socket has it too.
 */
#include <limits.h>
#include <string.h>
#include "door_private.h"

int door_address_read(const struct door_socket *s, const struct sockaddr *address,
                      socklen_t size, struct endpoint *endpoint)
{
	sa_family_t family;

	if (size > sizeof(struct sockaddr_storage))
		return -EINVAL;
	if (!address || size < sizeof(family))
		return address ? -EINVAL : -EFAULT;
	memcpy(&family, &address->sa_family, sizeof(family));
	if (s->domain == AF_INET) {
		struct sockaddr_in in;
		struct ip4_addr addr;

		if (size < sizeof(in))
			return -EINVAL;
		if (family != AF_INET)
			return -EAFNOSUPPORT;
		memcpy(&in, address, sizeof(in));
		memcpy(&addr, &in.sin_addr, sizeof(addr));
		*endpoint = (struct endpoint){ip_from4(addr), ntohs(in.sin_port)};
	} else {
		struct sockaddr_in6 in6;

		/* What RFC 2133 had of it, without the scope, is enough. */
		if (size < offsetof(struct sockaddr_in6, sin6_scope_id))
			return -EINVAL;
		if (family != AF_INET6)
			return -EAFNOSUPPORT;
		memcpy(&in6, address, KILN_MIN(size, sizeof(in6)));
		memcpy(&endpoint->addr, &in6.sin6_addr, sizeof(endpoint->addr));
		endpoint->port = ntohs(in6.sin6_port);
	}
	return 0;
}

void door_address_resolve(const struct door_socket *s, struct endpoint *to)
{
	static const struct ip_addr loopback6 = {{[15] = 1}};

	if (!local_is_any(&to->addr))
		return;
	if (!local_is_any(&s->local.addr))
		to->addr = s->local.addr;
	else
		to->addr = ip_is4(&to->addr) ? ip_from4(ip4_of(0x7f000001)) : loopback6;
}

static int give(const void *from, socklen_t from_size, struct sockaddr *address,
                socklen_t *size)
{
	if (!address || !size)
		return -EFAULT;
	if (*size > INT_MAX)
		return -EINVAL;
	memcpy(address, from, KILN_MIN(from_size, *size));
	*size = from_size;
	return 0;
}

int door_address_write(const struct door_socket *s, const struct endpoint *endpoint,
                       struct sockaddr *address, socklen_t *size)
{
	if (s->domain == AF_INET) {
		struct sockaddr_in in = {.sin_family = AF_INET,
		                         .sin_port = htons(endpoint->port)};
		struct ip4_addr addr = ip_to4(&endpoint->addr);

		memcpy(&in.sin_addr, &addr, sizeof(addr));
		return give(&in, sizeof(in), address, size);
	} else {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
		                           .sin6_port = htons(endpoint->port)};

		memcpy(&in6.sin6_addr, &endpoint->addr, sizeof(endpoint->addr));
		return give(&in6, sizeof(in6), address, size);
	}
}
