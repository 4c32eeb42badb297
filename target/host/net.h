/*
 * Shared by the host's transports: the address to bind to, and addresses as sockets know
 * them.
 */
#ifndef HOST_NET_H
#define HOST_NET_H

#include <sys/socket.h>
#include <netinet/in.h>
#include <kiln/net.h>
#include "host.h"

struct net {
	struct host_hook hook; /* frees this */
	struct host *host;
	struct ip_addr bind; /* "::": both families */
	struct ip4_addr address;
};

union host_sockaddr {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* For a socket of the family, AF_INET6 for either: it knows IPv4 addresses by the mapped
 * ones, as struct ip_addr does. Returns the length for connect or sendto; 0: an AF_INET
 * socket has no such address. */
socklen_t host_sockaddr_of(union host_sockaddr *out, const struct endpoint *endpoint,
                           sa_family_t family);
struct endpoint host_endpoint_of(const union host_sockaddr *address);
struct ip_addr host_ip4(struct in_addr address);

/* Opens a socket of the type and binds it where this net's sockets are, after `prepare` has
 * set its options; *at becomes the address and port that it got, of the socket's family.
 * -1: errno says why. */
int host_bind(const struct net *net, int type,
              void (*prepare)(int fd, sa_family_t family), uint16_t port,
              union host_sockaddr *at);

/* A bind or a connect failed. Ends the program if the port is not ours to take: no error
 * value could say what to do about it. */
enum kiln_error host_bind_error(struct net *net, uint16_t port);

#endif
