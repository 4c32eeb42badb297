/*
 * <kiln/net.h> over the host's own interfaces: nothing comes up or goes down here. Option
 * `bind` chooses the address that ports are opened on. By default one socket listens to
 * both families, where the host has both.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <arpa/inet.h>
#include <unistd.h>
#include "net.h"

KILN_LIBRARY(net, "0.1");
KILN_OPTION_OF(bind, KILN_PARAM_TYPE_ANY_ADDRESS, &ip_kind_any_address, "::",
               "address of the host to open ports on; :: is all, 0.0.0.0 all of IPv4");

/* The first address of an interface that is up, the loopback only if there is no other.
 */
static struct ip4_addr first_address(void)
{
	struct in_addr found = {htonl(INADDR_LOOPBACK)};
	struct ifaddrs *all;
	struct ip4_addr address;

	if (getifaddrs(&all) == 0) {
		for (struct ifaddrs *at = all; at; at = at->ifa_next) {
			if (at->ifa_addr && at->ifa_addr->sa_family == AF_INET &&
			    (at->ifa_flags & (IFF_UP | IFF_LOOPBACK)) == IFF_UP) {
				found = ((struct sockaddr_in *)(void *)at->ifa_addr)
				            ->sin_addr;
				break;
			}
		}
		freeifaddrs(all);
	}
	memcpy(&address, &found, sizeof(address));
	return address;
}

static void net_flush(struct host_hook *hook)
{
}

static void net_end(struct host_hook *hook)
{
	free(kiln_container(hook, struct net, hook));
}

struct net *net_up(struct kiln *k, const struct kiln_device *device)
{
	struct net *net = host_alloc(k, sizeof(*net));
	struct slice bind;

	net->host = host_of(k);
	if (kiln_option(k, "bind", &bind) && !ip_parse(bind, &net->bind))
		kiln_fail(k, "net", "--bind takes an address, not '%.*s'",
		          SLICE_ARG(bind));
	net->address = ip_to4(&net->bind);
	if (!ip_is4(&net->bind) || ip4_value(net->address) == 0)
		net->address = first_address();
	net->hook.flush = net_flush;
	net->hook.end = net_end;
	host_hook_add(net->host, &net->hook);
	return net;
}

struct net *net_up_ip4(struct kiln *k, const struct kiln_device *device)
{
	return net_up(k, device);
}

struct net *net_up_ip6(struct kiln *k, const struct kiln_device *device)
{
	return net_up(k, device);
}

/* The one that net_address tells; the host's own tools list all of them. */
unsigned net_addresses(const struct net *net, struct net_address *out, unsigned most)
{
	if (most == 0)
		return 0;
	*out = (struct net_address){.addr = ip_from4(net_address(net)), .prefix = 32};
	return 1;
}

struct kiln *net_kiln(const struct net *net)
{
	return &net->host->kiln;
}

struct ip4_addr net_address(const struct net *net)
{
	return net->address;
}

bool net_is_up(const struct net *net)
{
	return true;
}

void net_on_change(struct net *net, void (*changed)(struct net *net, void *context),
                   void *context)
{
}

/* Frames are the host's business; its own tools count them. */
void net_counters(const struct net *net, struct net_counters *counters)
{
	memset(counters, 0, sizeof(*counters));
}

/* ---- addresses ---- */

struct ip_addr host_ip4(struct in_addr address)
{
	struct ip4_addr v4;

	memcpy(&v4, &address, sizeof(v4));
	return ip_from4(v4);
}

socklen_t host_sockaddr_of(union host_sockaddr *out, const struct endpoint *endpoint,
                           sa_family_t family)
{
	memset(out, 0, sizeof(*out));
	out->any.sa_family = family;
	if (family == AF_INET6) {
		out->v6.sin6_port = htons(endpoint->port);
		memcpy(&out->v6.sin6_addr, &endpoint->addr, sizeof(endpoint->addr));
		return sizeof(out->v6);
	}
	struct ip4_addr v4 = ip_to4(&endpoint->addr);
	out->v4.sin_port = htons(endpoint->port);
	memcpy(&out->v4.sin_addr, &v4, sizeof(v4));
	return ip_is4(&endpoint->addr) ? sizeof(out->v4) : 0;
}

struct endpoint host_endpoint_of(const union host_sockaddr *address)
{
	struct endpoint endpoint = {.port = 0};

	if (address->any.sa_family == AF_INET) {
		endpoint.addr = host_ip4(address->v4.sin_addr);
		endpoint.port = ntohs(address->v4.sin_port);
	} else if (address->any.sa_family == AF_INET6) {
		memcpy(&endpoint.addr, &address->v6.sin6_addr, sizeof(endpoint.addr));
		endpoint.port = ntohs(address->v6.sin6_port);
	}
	return endpoint;
}

static int bind_to(const struct endpoint *endpoint, int type,
                   void (*prepare)(int fd, sa_family_t family), union host_sockaddr *at)
{
	sa_family_t family = ip_is4(&endpoint->addr) ? AF_INET : AF_INET6;
	socklen_t size = host_sockaddr_of(at, endpoint, family);
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), off = 0;

	if (fd < 0)
		return -1;
	if (family == AF_INET6) /* whatever the host's default is (ipv6(7)) */
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	prepare(fd, family);
	if (bind(fd, &at->any, size) != 0 || getsockname(fd, &at->any, &size) != 0) {
		int error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

int host_bind(const struct net *net, int type,
              void (*prepare)(int fd, sa_family_t family), uint16_t port,
              union host_sockaddr *at)
{
	struct endpoint wanted = {net->bind, port};
	int fd = bind_to(&wanted, type, prepare, at);

	if (fd >= 0 || !ip6_is_unspecified(&net->bind) ||
	    (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return fd;
	wanted.addr = ip_from4(ip4_of(INADDR_ANY)); /* this host has no IPv6 */
	return bind_to(&wanted, type, prepare, at);
}

enum kiln_error host_bind_error(struct net *net, uint16_t port)
{
	struct kiln *k = &net->host->kiln;

	switch (errno) {
	case EACCES:
		kiln_fail(
		    k, "net",
		    "port %u is for root on this host: run as root, choose one from 1024 "
		    "on, or 'sysctl net.ipv4.ip_unprivileged_port_start=%u'",
		    port, port);
	case EAFNOSUPPORT:
	case EADDRNOTAVAIL:
		kiln_fail(k, "net", "--bind: this host has no such address");
	case EADDRINUSE:
		log_error(k, "net",
		          "port %u is in use by another program of this host: choose "
		          "another, or "
		          "stop that; 'ss -lntup' names it",
		          port);
		return KILN_ERR_IN_USE;
	default:
		log_error(k, "net", "port %u cannot be opened: %s", port,
		          strerror(errno));
		return KILN_ERR_MEMORY;
	}
}
